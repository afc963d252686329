//! The report: a line for each step, the longest operations, and the rules with what has broken them.

use std::fmt::Write as _;
use std::time::Duration;

use testkit::clock::Micros;

use crate::notes::{LoadNotes, LoadTally, WORKS};

/// Lines of evidence printed for a rule.
const LINES: usize = 12;
/// Characters of such a line.
const WIDTH: usize = 600;

/// A step that was taken.
struct StepLine {
    name: &'static str,
    took: Duration,
    said: String,
}

/// A time in which there was load.
struct LoadTime {
    name: &'static str,
    /// For each kind of operation how many there were, and the longest.
    operations: Vec<(usize, Micros)>,
}

/// A rule that a step has broken.
struct BrokenAt {
    step: &'static str,
    rule: &'static str,
    lines: Vec<String>,
}

/// What has come of a run.
#[derive(Default)]
pub struct UpgradeReport {
    heading: String,
    steps: Vec<StepLine>,
    times: Vec<LoadTime>,
    held: usize,
    broken: Vec<BrokenAt>,
    failed: Option<(&'static str, String)>,
    tally: LoadTally,
    edits: usize,
    calls: u32,
}

impl UpgradeReport {
    /// One about an upgrade from this build to that one.
    pub fn new(from: &str, to: &str, people: u32) -> Self {
        let heading = format!(
            "# Upgrade from {from} to {to}\n\n`script/upgrade`, everything on one machine, a generated tenant of {people} people."
        );
        Self { heading, ..Self::default() }
    }

    /// A step is over.
    pub fn step(&mut self, name: &'static str, took: Duration, said: String) {
        eprintln!("upgrade: {name}: {:.1} s; {said}", took.as_secs_f64());
        self.steps.push(StepLine { name, took, said });
    }

    /// A step could not be taken, and ends the run.
    pub fn fail(&mut self, step: &'static str, error: &anyhow::Error) {
        self.failed = Some((step, format!("{error:#}")));
    }

    /// A rule was judged in a step.
    pub fn judge(&mut self, step: &'static str, rule: &'static str, lines: Vec<String>) {
        if lines.is_empty() {
            self.held += 1;
            return;
        }
        eprintln!("upgrade: {step}: broken {} times: {rule}", lines.len());
        self.broken.push(BrokenAt { step, rule, lines });
    }

    /// Calls that were as they should be.
    pub fn called(&mut self, calls: u32) {
        self.calls += calls;
    }

    /// The operations of a time.
    pub fn load(&mut self, name: &'static str, notes: &LoadNotes, from: Micros, until: Micros) {
        let operations = WORKS.into_iter().map(|work| notes.between(work, from, until)).collect();
        self.times.push(LoadTime { name, operations });
    }

    /// What the load has done in all.
    pub fn sum_up(&mut self, notes: &LoadNotes) {
        (self.tally, self.edits) = (notes.tally(), notes.count());
    }

    /// Whether every step was taken and every rule held.
    pub fn holds(&self) -> bool {
        self.failed.is_none() && self.broken.is_empty()
    }

    /// Whether a step could not be taken.
    pub const fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// As Markdown.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "{}\n\n| | step | s | |\n|---|---|---|---|", self.heading)?;
        for (number, StepLine { name, took, said }) in (1..).zip(&self.steps) {
            writeln!(text, "| {number} | {name} | {:.1} | {said} |", took.as_secs_f64())?;
        }
        self.write_times(text)?;
        let LoadTally { repeated, broken_off, known_already } = self.tally;
        writeln!(
            text,
            "\n{} edits acknowledged, {} calls. {repeated} times an operation was UNAVAILABLE and was tried again; {broken_off} were \
             broken off by the end of all processes, and {known_already} edits had been carried out when they were sent again.",
            self.edits, self.calls
        )?;
        for BrokenAt { step, rule, lines } in &self.broken {
            writeln!(text, "\n**Broken**, {step}: {rule}, {} times:\n", lines.len())?;
            for line in lines.iter().take(LINES) {
                let line: String = line.chars().take(WIDTH).collect();
                writeln!(text, "- {}", line.replace('\n', " "))?;
            }
            if lines.len() > LINES {
                writeln!(text, "- and {} more", lines.len() - LINES)?;
            }
        }
        match &self.failed {
            Some((step, why)) => writeln!(text, "\n**Failed**, {step}: {why}"),
            None if self.broken.is_empty() => writeln!(text, "\nEvery rule held, {} judged.", self.held),
            None => writeln!(text, "\n{} rules were broken, {} held.", self.broken.len(), self.held),
        }
    }

    fn write_times(&self, text: &mut String) -> std::fmt::Result {
        let names = WORKS.map(|work| work.name()).join(" | ");
        writeln!(text, "\n| longest, in ms (and how many) | {names} |\n|---{}|", "|---".repeat(WORKS.len()))?;
        for LoadTime { name, operations } in &self.times {
            write!(text, "| {name} |")?;
            for (count, longest) in operations {
                write!(text, " {} ({count}) |", longest.div_ceil(1_000))?;
            }
            writeln!(text)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_says_which_step_and_why() {
        let mut report = UpgradeReport::new("a", "b", 500);
        report.step("start", Duration::from_millis(1_500), "20 processes".to_owned());
        report.judge("start", "a rule that holds", Vec::new());
        report.load("before", &LoadNotes::default(), 0, 1);
        assert!(report.holds());
        report.judge("start", "no call fails", vec!["calls to echo:\nrefused".to_owned()]);
        report.fail("the tables", &anyhow::anyhow!("a step is faulty"));
        assert!(!report.holds() && report.has_failed());
        let text = report.text();
        for line in [
            "# Upgrade from a to b",
            "| 1 | start | 1.5 | 20 processes |",
            "| before | 0 (0) | 0 (0) | 0 (0) | 0 (0) |",
            "**Broken**, start: no call fails, 1 times:",
            "- calls to echo: refused",
            "**Failed**, the tables: a step is faulty",
        ] {
            assert!(text.lines().any(|of| of == line), "{line} is not in\n{text}");
        }
    }
}
