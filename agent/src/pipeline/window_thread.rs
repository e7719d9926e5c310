//! The thread that closes windows. Between two ends it sleeps, and wakes early only for what others want of it.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError};

use tokio::sync::watch;

use crate::clock::Timestamp;
use crate::snapshot::Generation;
use crate::trace::Recorded;
use crate::units::Nanoseconds;

use super::engine::Engine;
use super::message::Message;
use super::schedule::Schedule;

/// The longest time between two looks at the kernel's event ring.
const DRAIN_EVERY: Nanoseconds = Nanoseconds::from_millis(100);

/// How often windows end, and how finely activity within them is remembered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lengths {
    pub(super) window: Nanoseconds,
    pub(super) tick: Nanoseconds,
}

/// Runs until it is told to stop, everybody who could tell it is gone, or a recording cannot be written. The last window is
/// closed before it returns.
pub(super) fn run(
    mut engine: Engine,
    Lengths { window, tick }: Lengths,
    messages: &Receiver<Message>,
    announce: &watch::Sender<Generation>,
) -> io::Result<Option<Recorded>> {
    if engine.goes_on() {
        // Whoever asks first is told of those who are there by their names.
        announce.send_replace(engine.close_window(Timestamp::now(), 0));
    }
    let mut schedule = Schedule::new(Timestamp::now(), window);
    let mut ticks = Schedule::new(Timestamp::now(), tick);
    loop {
        let now = Timestamp::now();
        if now >= schedule.due() {
            let missed = schedule.closed(now);
            announce.send_replace(engine.close_window(now, missed));
            ticks = Schedule::new(now, tick);
            if engine.recording_failed() {
                return engine.end();
            }
            continue;
        }
        if now >= ticks.due() {
            ticks.closed(now);
            engine.tick(now);
            continue;
        }
        let pause = schedule.due().min(ticks.due()).since(now).min(DRAIN_EVERY);
        match messages.recv_timeout(pause.into()) {
            Ok(Message::Readings(readings)) => engine.readings(readings, Timestamp::now()),
            Ok(Message::Metadata(at, news)) => engine.metadata(at, news),
            Ok(Message::Observed(observed, reply)) => {
                let now = Timestamp::now();
                // Whoever has reported may have gone away meanwhile.
                let _ = reply.send(observed.into_iter().map(|observed| engine.observe(observed, now)).collect());
            }
            Ok(Message::Snapshot(request)) => engine.answer(request),
            Ok(Message::Instance(profile)) => engine.estimate_by(&profile),
            Ok(Message::Reload(config)) => {
                engine.reload(&config);
                schedule.set_window(Timestamp::now(), config.activity.window.into());
            }
            Err(RecvTimeoutError::Timeout) if Timestamp::now() < schedule.due().min(ticks.due()) => {
                engine.drain_events();
            }
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => {
                announce.send_replace(engine.close_window(Timestamp::now(), 0));
                return engine.end();
            }
        }
    }
}
