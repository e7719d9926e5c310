//! What all steps came to.

use std::fmt;

use super::step::{Check, TestRun};

/// What all steps came to. Formatting and lints count as one test each.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    passed: usize,
    failed: usize,
    failures: Vec<String>,
    skipped: Vec<(String, String)>,
}

impl Report {
    /// Whether nothing failed.
    pub(super) fn is_good(&self) -> bool {
        self.failed == 0
    }

    /// Whether no step had anything to do.
    pub(super) fn is_empty(&self) -> bool {
        self.passed + self.failed + self.skipped.len() == 0
    }

    pub(super) fn add_check(&mut self, name: &str, check: Check) {
        match check {
            Check::Passed => self.passed += 1,
            Check::Failed => self.add_failure(name),
            Check::Skipped(reason) => self.skipped.push((name.to_owned(), reason)),
        }
    }

    /// One failure that no test harness counted.
    pub(super) fn add_failure(&mut self, what: &str) {
        self.failed += 1;
        self.failures.push(what.to_owned());
    }

    pub(super) fn add_tests(&mut self, step: &str, run: TestRun) {
        let TestRun { tally, skips, succeeded } = run;
        // A test that calls out a skip passes, as far as the harness knows.
        self.passed += tally.passed.saturating_sub(skips.len());
        self.failed += tally.failed;
        let untold = tally.ignored.saturating_sub(tally.ignores.len());
        self.skipped.extend(skips);
        self.skipped.extend(tally.ignores);
        self.skipped.extend((0..untold).map(|_| (step.to_owned(), "an ignored test, reason not told".to_owned())));
        self.failures.extend(tally.failures);
        if !succeeded && tally.failed == 0 {
            self.add_failure(&format!("{step}: ended without a verdict (a test that does not build, or crashed?)"));
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out)?;
        for failure in &self.failures {
            writeln!(out, "failed: {failure}")?;
        }
        for (test, reason) in &self.skipped {
            writeln!(out, "skipped: {test}: {reason}")?;
        }
        writeln!(out, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped.len())
    }
}

#[cfg(test)]
mod tests {
    use super::super::libtest::Tally;
    use super::*;

    fn skip(name: &str) -> (String, String) {
        (name.to_owned(), "not root".to_owned())
    }

    #[test]
    fn the_last_line_counts_what_was_skipped_apart_from_what_passed() {
        let mut report = Report::default();
        report.add_check("fmt", Check::Passed);
        report.add_check("clippy", Check::Skipped("not installed".to_owned()));
        let tally = Tally { passed: 5, ignored: 2, ignores: vec![skip("c")], ..Tally::default() };
        report.add_tests("tests", TestRun { tally, skips: vec![skip("a"), skip("b")], succeeded: true });
        assert!(report.is_good());
        let text = report.to_string();
        assert_eq!(text.lines().last(), Some("4 passed, 0 failed, 5 skipped"));
        assert_eq!(text.matches("skipped: ").count(), 5, "each with its reason:\n{text}");
    }

    #[test]
    fn a_run_that_fails_with_no_failed_test_is_a_failure() {
        let mut report = Report::default();
        report.add_tests("tests", TestRun { tally: Tally::default(), skips: vec![], succeeded: false });
        assert!(!report.is_good());
        assert_eq!(report.to_string().lines().last(), Some("0 passed, 1 failed, 0 skipped"));
    }
}
