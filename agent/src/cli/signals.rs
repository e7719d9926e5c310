//! What the agent does at signals: SIGHUP reads the configuration anew; SIGTERM and SIGINT end in order, and a second
//! one ends at once.

use std::convert::Infallible;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Read the configuration anew.
    Reload,
    /// End.
    End,
}

/// The signals that the agent listens for.
pub(super) struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.hangup.recv() => Wish::Reload,
            _ = self.terminate.recv() => Wish::End,
            _ = self.interrupt.recv() => Wish::End,
        }
    }
}

/// Why the agent was ended before it had ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Cut {
    /// It took too long.
    #[error("did not end in time and was cut off: what it counted since the last export may be lost")]
    Overdue,
    /// It was asked again.
    #[error("ended at once by a second signal: what it counted since the last export may be lost")]
    AskedTwice,
}

/// Wishes that follow so soon are the same one: `timeout` and `sudo` send a signal to a program and to its process group.
const ECHO: Duration = Duration::from_millis(200);

/// Runs `agent` to its end. Calls `reload` where that is wished; cancels `shutdown` at the first wish to end, and
/// leaves the agent at the second one, if it is no echo of the first, or after `grace`.
pub(super) async fn attend<T>(
    mut next: impl AsyncFnMut() -> Wish,
    agent: impl Future<Output = T>,
    mut reload: impl FnMut(),
    shutdown: &CancellationToken,
    grace: Duration,
) -> Result<T, Cut> {
    tokio::pin!(agent);
    loop {
        tokio::select! {
            end = &mut agent => return Ok(end),
            wish = next() => match wish {
                Wish::Reload => reload(),
                Wish::End => break,
            },
        }
    }
    tracing::info!("ending");
    shutdown.cancel();
    let asked_again = async {
        let echoes = async {
            loop {
                next().await;
            }
        };
        let _: Result<Infallible, _> = tokio::time::timeout(ECHO, echoes).await;
        while next().await != Wish::End {}
    };
    tokio::select! {
        end = tokio::time::timeout(grace, &mut agent) => end.map_err(|_| Cut::Overdue),
        () = asked_again => Err(Cut::AskedTwice),
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::sync::mpsc;

    use super::*;

    const NEVER_REACHED: Duration = Duration::from_hours(1);

    const AFTER_ECHOES: Duration = ECHO.saturating_mul(3);

    /// Attends an agent while these wishes come, each after a pause, and then no more. Returns also how often it was to
    /// reload.
    async fn attended<T>(
        wishes: &[(Duration, Wish)],
        agent: impl FnOnce(CancellationToken) -> T,
        grace: Duration,
    ) -> (Result<T::Output, Cut>, usize)
    where
        T: Future,
    {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let _keeps_the_channel_open = sender.clone();
        let wishes = wishes.to_owned();
        tokio::spawn(async move {
            for (pause, wish) in wishes {
                tokio::time::sleep(pause).await;
                // Nobody listens any more when the agent has ended.
                let _ = sender.send(wish);
            }
        });
        let shutdown = CancellationToken::new();
        let mut reloads = 0;
        let next = async || receiver.recv().await.unwrap();
        let end = attend(next, agent(shutdown.clone()), || reloads += 1, &shutdown, grace).await;
        (end, reloads)
    }

    async fn orderly(shutdown: CancellationToken) -> &'static str {
        shutdown.cancelled().await;
        "in order"
    }

    #[tokio::test]
    async fn it_reloads_as_often_as_wished_and_ends_in_order() {
        let wishes = [Wish::Reload, Wish::Reload, Wish::End].map(|wish| (Duration::ZERO, wish));
        assert_eq!(attended(&wishes, orderly, NEVER_REACHED).await, (Ok("in order"), 2));
    }

    #[tokio::test]
    async fn an_agent_that_ends_by_itself_is_not_waited_for() {
        let (end, _) = attended(&[], |_| async { "failed" }, NEVER_REACHED).await;
        assert_eq!(end, Ok("failed"));
    }

    #[tokio::test]
    async fn a_second_wish_ends_at_once_and_a_reload_in_between_does_not() {
        let wishes = [(Duration::ZERO, Wish::End), (AFTER_ECHOES, Wish::Reload), (Duration::ZERO, Wish::End)];
        let (end, _) = attended(&wishes, |_| pending::<()>(), NEVER_REACHED).await;
        assert_eq!(end, Err(Cut::AskedTwice));
    }

    #[tokio::test]
    async fn one_signal_that_comes_twice_is_one_wish() {
        let wishes = [(Duration::ZERO, Wish::End), (Duration::ZERO, Wish::End), (ECHO / 4, Wish::End)];
        let slow = async |shutdown: CancellationToken| {
            shutdown.cancelled().await;
            tokio::time::sleep(AFTER_ECHOES).await;
            "in order"
        };
        assert_eq!(attended(&wishes, slow, NEVER_REACHED).await, (Ok("in order"), 0));
    }

    #[tokio::test]
    async fn an_agent_that_does_not_end_is_cut_off() {
        let (end, _) = attended(&[(Duration::ZERO, Wish::End)], |_| pending::<()>(), Duration::from_millis(1)).await;
        assert_eq!(end, Err(Cut::Overdue));
    }
}
