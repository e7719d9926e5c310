//! Warnings are kept, so that they can be looked up where nobody reads the log.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::notice;

/// Keeps warnings and errors that are logged, but for notices, which are kept where they are counted.
pub(super) struct KeepWarnings;

impl<S: Subscriber> Layer<S> for KeepWarnings {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() > Level::WARN {
            return;
        }
        let mut text = Text::default();
        event.record(&mut text);
        if !text.is_notice {
            notice::keep(text.message);
        }
    }
}

#[derive(Default)]
struct Text {
    message: String,
    is_notice: bool,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            // Writing to a text never fails.
            "message" => drop(write!(self.message, "{value:?}")),
            "kind" => self.is_notice = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn warnings_are_kept_and_notices_are_not_kept_twice() {
        let subscriber = tracing_subscriber::registry().with(KeepWarnings);
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("nothing is wrong here");
            tracing::warn!("kept: {} is missing", "something");
            tracing::warn!(kind = "some_kind", "kept elsewhere");
        });
        let kept = format!("{:?}", notice::all_said());
        assert!(kept.contains("kept: something is missing"), "{kept}");
        assert!(!kept.contains("nothing is wrong here") && !kept.contains("kept elsewhere"), "{kept}");
    }
}
