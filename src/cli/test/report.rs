//! What became of the cases: lines for people, a file for programs.

use std::io;
use std::io::Write;

use serde::Serialize;

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", content = "reason", rename_all = "kebab-case")]
pub enum Outcome {
    /// As wanted.
    Passed,
    /// Not as wanted, and what differs.
    Failed(String),
    /// Not run to its end, and the feature it waits for.
    Skipped(String),
}

/// A case and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// File, name, format and setting.
    pub case: String,
    /// Whether it wants an error.
    pub negative: bool,
    /// For a negative case that failed as it should: whether the message has the wanted words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_message: Option<bool>,
    /// The message that came instead of the wanted one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// All verdicts.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// In the order of the files.
    pub cases: Vec<Verdict>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Counts {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Report {
    fn counts(&self, wanted: impl Fn(&Verdict) -> bool) -> Counts {
        let mut counts = Counts::default();
        for verdict in self.cases.iter().filter(|verdict| wanted(verdict)) {
            match verdict.outcome {
                Outcome::Passed => counts.passed += 1,
                Outcome::Failed(_) => counts.failed += 1,
                Outcome::Skipped(_) => counts.skipped += 1,
            }
        }
        counts
    }

    /// Whether no case failed.
    pub fn is_good(&self) -> bool {
        self.counts(|_| true).failed == 0
    }

    /// One line for a case that did not pass.
    pub(super) fn write_verdict(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
        match &verdict.outcome {
            Outcome::Passed => Ok(()),
            Outcome::Failed(reason) => writeln!(out, "FAILED  {}: {reason}", verdict.case),
            Outcome::Skipped(feature) => writeln!(out, "skipped {}: waits for: {feature}", verdict.case),
        }
    }

    /// The last lines: positive and negative cases apart, then all.
    pub(super) fn write_counts(&self, out: &mut dyn Write) -> io::Result<()> {
        let positive = self.counts(|verdict| !verdict.negative);
        let negative = self.counts(|verdict| verdict.negative);
        let same = self.cases.iter().filter(|verdict| verdict.same_message == Some(true)).count();
        writeln!(
            out,
            "positive: {} passed, {} failed, {} skipped; negative: {} passed ({same} with the message wanted), \
             {} failed, {} skipped",
            positive.passed, positive.failed, positive.skipped, negative.passed, negative.failed, negative.skipped
        )?;
        let all = self.counts(|_| true);
        writeln!(out, "{} passed, {} failed, {} skipped", all.passed, all.failed, all.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts_all_and_the_one_before_counts_apart() {
        let verdict =
            |negative, outcome| Verdict { case: "c".to_owned(), negative, same_message: None, message: None, outcome };
        let report = Report {
            cases: vec![
                verdict(false, Outcome::Passed),
                verdict(false, Outcome::Skipped("type MAP".to_owned())),
                verdict(true, Outcome::Passed),
                verdict(true, Outcome::Failed("it did not fail".to_owned())),
            ],
        };
        let mut out = Vec::new();
        report.write_counts(&mut out).expect("a Vec takes every write");
        let text = String::from_utf8(out).expect("ascii");
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("positive: 1 passed, 0 failed, 1 skipped; negative: 1 passed (0 "));
        assert_eq!(lines[1], "2 passed, 1 failed, 1 skipped");
        assert!(!report.is_good());
        let json = serde_json::to_value(&report).expect("JSON");
        assert_eq!(json["cases"][1]["outcome"], "skipped");
        assert_eq!(json["cases"][1]["reason"], "type MAP");
    }
}
