//! What Rust's test harness prints, read line by line.

/// What the harness said in its lines so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Tests that passed, also those that called out a skip.
    pub(super) passed: usize,
    /// Tests that failed.
    pub(super) failed: usize,
    /// Tests that were ignored.
    pub(super) ignored: usize,
    /// The names of those that failed, as far as they were told.
    pub(super) failures: Vec<String>,
    /// Name and reason of those that were ignored, as far as they were told.
    pub(super) ignores: Vec<(String, String)>,
}

impl Tally {
    /// Takes in one line. Lines that are not the harness's change nothing.
    pub(super) fn read(&mut self, line: &str) {
        if let Some((passed, failed, ignored)) = summary(line) {
            self.passed += passed;
            self.failed += failed;
            self.ignored += ignored;
        } else if let Some((name, verdict)) = verdict(line) {
            if verdict == "FAILED" || verdict.starts_with("FAILED ") {
                self.failures.push(name.to_owned());
            } else if verdict == "ignored" {
                self.ignores.push((name.to_owned(), "marked as ignored, with no reason given".to_owned()));
            } else if let Some(reason) = verdict.strip_prefix("ignored, ") {
                self.ignores.push((name.to_owned(), reason.to_owned()));
            }
        }
    }
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.01s`
fn summary(line: &str) -> Option<(usize, usize, usize)> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let count = |what: &str| {
        counts.split(';').find_map(|part| {
            let (number, label) = part.trim().split_once(' ')?;
            (label == what).then(|| number.parse().ok())?
        })
    };
    Some((count("passed")?, count("failed")?, count("ignored")?))
}

/// `test path::to::test ... ok`, where doctests have spaces in their names.
fn verdict(line: &str) -> Option<(&str, &str)> {
    let (name, verdict) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    Some((name, verdict.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(output: &str) -> Tally {
        let mut tally = Tally::default();
        output.lines().for_each(|line| tally.read(line));
        tally
    }

    #[test]
    fn adds_up_the_binaries_of_one_run() {
        let tally = tally(
            "running 3 tests\ntest a::one ... ok\ntest a::two ... FAILED\ntest a::three ... ignored, needs a meter\n\n\
             test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.00s\n\n\
             running 1 test\ntest src/lib.rs - units (line 3) ... ok\n\n\
             test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s\n",
        );
        assert_eq!((tally.passed, tally.failed, tally.ignored), (2, 1, 1));
        assert_eq!(tally.failures, ["a::two"]);
        assert_eq!(tally.ignores, [("a::three".to_owned(), "needs a meter".to_owned())]);
    }

    #[test]
    fn an_ignored_test_without_a_reason_is_named_too() {
        let tally = tally("test src/lib.rs - f (line 9) ... ignored\n");
        assert_eq!(tally.ignores[0].0, "src/lib.rs - f (line 9)");
    }

    #[test]
    fn other_output_is_not_mistaken_for_the_harness() {
        assert_eq!(
            tally("test result: none\ntest of the meter\nresult: 5 passed\n   Compiling prony\n"),
            Tally::default()
        );
    }
}
