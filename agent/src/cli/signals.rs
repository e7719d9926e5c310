//! What the agent does at signals: SIGHUP reads the configuration anew; SIGTERM and SIGINT end in order, and a second
//! one ends at once.

use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long an agent that ends is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// How long it has to end in order.
    pub(super) grace: Duration,
    /// Wishes to end that come closer together are one: `timeout` and some shells signal a process and then its group.
    pub(super) same_wish: Duration,
}

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

/// Runs `agent` to its end. Calls `reload` where that is wished; cancels `shutdown` at the first wish to end, and
/// leaves the agent at the second one or after its grace.
pub(super) async fn attend<T>(
    mut next: impl AsyncFnMut() -> Wish,
    agent: impl Future<Output = T>,
    mut reload: impl FnMut(),
    shutdown: &CancellationToken,
    Patience { grace, same_wish }: Patience,
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
    let asked = Instant::now();
    let asked_again = async { while next().await != Wish::End || asked.elapsed() < same_wish {} };
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
    const ENDLESS: Patience = Patience { grace: NEVER_REACHED, same_wish: Duration::ZERO };

    /// Attends an agent while these wishes come, and then no more. Returns also how often it was to reload.
    async fn attended<T>(
        wishes: &[Wish],
        agent: impl FnOnce(CancellationToken) -> T,
        patience: Patience,
    ) -> (Result<T::Output, Cut>, usize)
    where
        T: Future,
    {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        for wish in wishes {
            sender.send(*wish).unwrap();
        }
        let shutdown = CancellationToken::new();
        let mut reloads = 0;
        let next = async || receiver.recv().await.unwrap();
        let end = attend(next, agent(shutdown.clone()), || reloads += 1, &shutdown, patience).await;
        (end, reloads)
    }

    async fn orderly(shutdown: CancellationToken) -> &'static str {
        shutdown.cancelled().await;
        "in order"
    }

    #[tokio::test]
    async fn it_reloads_as_often_as_wished_and_ends_in_order() {
        let wishes = [Wish::Reload, Wish::Reload, Wish::End];
        assert_eq!(attended(&wishes, orderly, ENDLESS).await, (Ok("in order"), 2));
    }

    #[tokio::test]
    async fn an_agent_that_ends_by_itself_is_not_waited_for() {
        let (end, _) = attended(&[], |_| async { "failed" }, ENDLESS).await;
        assert_eq!(end, Ok("failed"));
    }

    #[tokio::test]
    async fn a_second_wish_ends_at_once_and_a_reload_in_between_does_not() {
        let wishes = [Wish::End, Wish::Reload, Wish::End];
        let (end, _) = attended(&wishes, |_| pending::<()>(), ENDLESS).await;
        assert_eq!(end, Err(Cut::AskedTwice));
    }

    #[tokio::test]
    async fn signals_that_come_together_are_one_wish() {
        let patience = Patience { grace: Duration::from_millis(1), same_wish: NEVER_REACHED };
        let (end, _) = attended(&[Wish::End; 3], |_| pending::<()>(), patience).await;
        assert_eq!(end, Err(Cut::Overdue), "not taken for a second wish");
    }

    #[tokio::test]
    async fn an_agent_that_does_not_end_is_cut_off() {
        let patience = Patience { grace: Duration::from_millis(1), ..ENDLESS };
        let (end, _) = attended(&[Wish::End], |_| pending::<()>(), patience).await;
        assert_eq!(end, Err(Cut::Overdue));
    }
}
