//! Waiting for something to become so, with a bound.

use std::thread;
use std::time::{Duration, Instant};

/// Asks again and again, every 20 ms, until there is an answer or `limit` has passed.
pub fn wait_until<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() >= deadline {
            return answer;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_at_least_once_and_gives_up_in_the_end() {
        assert_eq!(wait_until(Duration::ZERO, || Some(1)), Some(1));
        let mut asked = 0;
        let answer: Option<()> = wait_until(Duration::from_millis(50), || {
            asked += 1;
            None
        });
        assert_eq!(answer, None);
        assert!(asked >= 1);
    }
}
