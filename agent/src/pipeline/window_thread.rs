//! The thread that closes windows. Between two ends it sleeps, and wakes early only for what others want of it.

use std::sync::mpsc::{Receiver, RecvTimeoutError};

use tokio::sync::watch;

use crate::clock::Timestamp;
use crate::snapshot::Generation;
use crate::units::Nanoseconds;

use super::engine::Engine;
use super::message::Message;
use super::schedule::Schedule;

/// The longest time between two looks at the kernel's event ring.
const DRAIN_EVERY: Nanoseconds = Nanoseconds::from_millis(100);

/// Runs until it is told to stop or everybody who could tell it is gone. The last window is closed before it returns.
pub(super) fn run(
    mut engine: Engine,
    window: Nanoseconds,
    messages: &Receiver<Message>,
    announce: &watch::Sender<Generation>,
) {
    let mut schedule = Schedule::new(Timestamp::now(), window);
    loop {
        let now = Timestamp::now();
        if now >= schedule.due() {
            let missed = schedule.closed(now);
            announce.send_replace(engine.close_window(now, missed));
            continue;
        }
        let pause = schedule.due().since(now).min(DRAIN_EVERY);
        match messages.recv_timeout(pause.into()) {
            Ok(Message::Readings(readings)) => engine.readings(readings),
            Ok(Message::Metadata(at, news)) => engine.metadata(at, news),
            Ok(Message::Snapshot(request)) => engine.answer(request),
            Ok(Message::Reload(config)) => {
                engine.reload(&config);
                schedule.set_window(Timestamp::now(), config.activity.window.into());
            }
            Err(RecvTimeoutError::Timeout) if Timestamp::now() < schedule.due() => engine.drain_events(),
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => {
                announce.send_replace(engine.close_window(Timestamp::now(), 0));
                return;
            }
        }
    }
}
