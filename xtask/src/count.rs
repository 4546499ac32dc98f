//! How many tests passed, failed and were skipped. What did not run counts as failed.

use std::fmt;
use std::ops::AddAssign;

/// The result of a layer, or of all of them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    /// Tests that ran and passed.
    pub(crate) passed: u64,
    /// Tests that failed, or that should have run and did not.
    pub(crate) failed: u64,
    /// Tests that do not apply, with a reason printed by whoever skipped them.
    pub(crate) skipped: u64,
}

impl Count {
    /// One check that passed or failed.
    pub(crate) fn one(passed: bool) -> Self {
        Self {
            passed: u64::from(passed),
            failed: u64::from(!passed),
            skipped: 0,
        }
    }

    /// Reads `N passed, N failed` or `N passed, N failed, N skipped`; nothing else is a count.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut count = Self::default();
        let mut parts = line.trim().split(", ");
        count.passed = part(parts.next()?, "passed")?;
        count.failed = part(parts.next()?, "failed")?;
        if let Some(skipped) = parts.next() {
            count.skipped = part(skipped, "skipped")?;
        }
        parts.next().is_none().then_some(count)
    }

    /// A process that failed without naming a failure still failed.
    pub(crate) fn with_exit(mut self, success: bool) -> Self {
        if !success && self.failed == 0 {
            self.failed = 1;
        }
        self
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

fn part(text: &str, word: &str) -> Option<u64> {
    text.strip_suffix(word)?.strip_suffix(' ')?.parse().ok()
}

/// Follows the output of `cargo test` line by line. A test binary says `running N tests`, then
/// one line a test, then a result line; a binary that dies in between never gets to the last.
#[derive(Debug, Default)]
pub(crate) struct CargoTest {
    total: Count,
    /// Of the binary that is running: tests announced, and those that ended well so far.
    announced: u64,
    ended_well: u64,
}

impl CargoTest {
    /// Takes the next line of the output.
    pub(crate) fn line(&mut self, line: &str) {
        if let Some(tests) = announced(line) {
            self.close_unfinished();
            self.announced = tests;
        } else if let Some(result) = line.strip_prefix("test result: ") {
            self.total += result_line(result);
            self.announced = 0;
            self.ended_well = 0;
        } else if line.starts_with("test ") && line.ends_with(" ... ok") {
            self.ended_well += 1;
        }
    }

    /// The sum over all binaries, after the last line.
    pub(crate) fn finish(mut self, success: bool) -> Count {
        self.close_unfinished();
        self.total.with_exit(success)
    }

    fn close_unfinished(&mut self) {
        let passed = self.ended_well.min(self.announced);
        self.total.passed += passed;
        self.total.failed += self.announced - passed;
        self.announced = 0;
        self.ended_well = 0;
    }
}

fn announced(line: &str) -> Option<u64> {
    let rest = line.strip_prefix("running ")?;
    let (number, word) = rest.split_once(' ')?;
    matches!(word, "test" | "tests")
        .then(|| number.parse().ok())
        .flatten()
}

/// `ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s`
fn result_line(text: &str) -> Count {
    let mut count = Count::default();
    let counts = text.split_once(". ").map_or(text, |(_, counts)| counts);
    for piece in counts.split("; ") {
        if let Some(passed) = part(piece, "passed") {
            count.passed = passed;
        } else if let Some(failed) = part(piece, "failed") {
            count.failed = failed;
        } else if let Some(ignored) = part(piece, "ignored") {
            count.skipped = ignored;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(lines: &[&str], success: bool) -> String {
        let mut output = CargoTest::default();
        for line in lines {
            output.line(line);
        }
        output.finish(success).to_string()
    }

    #[test]
    fn a_count_line_is_read_as_it_is_written() {
        for line in ["0 passed, 0 failed", "12 passed, 3 failed, 4 skipped"] {
            assert_eq!(
                Count::parse(line).map(|count| count.to_string()),
                Some(line.into())
            );
        }
    }

    #[test]
    fn what_only_looks_like_a_count_is_none() {
        for line in [
            "passed, 3 failed",
            "1 passed",
            "1 passed, 2 failed, 3 late",
            "x 1 passed, 2 failed",
        ] {
            assert_eq!(Count::parse(line), None, "{line}");
        }
    }

    #[test]
    fn several_binaries_are_summed() {
        let result = "test result: ok. 1 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out";
        let lines = [
            "running 3 tests",
            "test a ... ok",
            result,
            "running 3 tests",
            result,
        ];
        assert_eq!(follow(&lines, true), "2 passed, 0 failed, 4 skipped");
    }

    #[test]
    fn what_a_dying_binary_left_out_failed() {
        let lines = ["running 3 tests", "test a ... ok", "running 0 tests"];
        assert_eq!(follow(&lines, false), "1 passed, 2 failed");
    }

    #[test]
    fn a_build_that_fails_is_one_failure() {
        assert_eq!(follow(&[], false), "0 passed, 1 failed");
    }

    #[test]
    fn a_failure_is_not_counted_twice() {
        let lines = [
            "running 2 tests",
            "test a ... ok",
            "test b ... FAILED",
            "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out",
        ];
        assert_eq!(follow(&lines, false), "1 passed, 1 failed");
    }
}
