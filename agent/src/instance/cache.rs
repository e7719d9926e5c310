//! The server's last answer, in the state's folder.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::warn;

use crate::confine::{Confinement, Role};
use crate::source::estimate::PowerProfile;

const FILE: &str = "instance-profile.json";
/// How old an answer may be before it is asked for again, seconds: 30 days.
const FRESH: u64 = 30 * 86_400;

/// See the module. It is written by a thread that can write nowhere else.
#[derive(Debug)]
pub(super) struct Cache {
    kept: Option<PowerProfile>,
    to_writer: Sender<PowerProfile>,
}

impl Cache {
    /// With what is in the folder. `None` where nothing can be kept there.
    pub(super) fn open(folder: &Path, confinement: &Arc<Confinement>) -> Option<Self> {
        let path = folder.join(FILE);
        let kept = path.exists().then(|| PowerProfile::read(&path));
        let kept = kept.and_then(|read| read.inspect_err(|error| warn!("{error}; it is asked for again")).ok());
        let (to_writer, profiles) = mpsc::channel();
        let write = move || profiles.into_iter().for_each(|profile| write(&path, &profile));
        let writer = confinement.spawn("prony-instance", Role::Write(folder.into()), write);
        let writer = writer.inspect_err(|error| {
            warn!("the instance's power profile is not kept: no thread ({error}); raise the limit of tasks");
        });
        writer.is_ok().then_some(Self { kept, to_writer })
    }

    /// The answer to this question, where it is not old.
    pub(super) fn fresh(&self, question: &str) -> Option<PowerProfile> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.any(question).filter(|kept| now.saturating_sub(kept.made_at.0) < FRESH)
    }

    /// The answer to this question, however old it is.
    pub(super) fn any(&self, question: &str) -> Option<PowerProfile> {
        self.kept.clone().filter(|kept| kept.origin == question)
    }

    /// Keeps an answer.
    pub(super) fn keep(&self, profile: PowerProfile) {
        // A writer that has failed has said so.
        let _ = self.to_writer.send(profile);
    }
}

fn write(path: &Path, profile: &PowerProfile) {
    if let Err(error) = profile.write(path) {
        warn!("{} cannot be written ({error}): the server is asked again at the next start", path.display());
    }
}
