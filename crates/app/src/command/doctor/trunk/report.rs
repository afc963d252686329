//! The outcome of the steps, a line each.

use std::time::Duration;

/// Prints outcomes and counts failures.
#[derive(Default)]
pub(super) struct TrunkReport {
    failures: usize,
}

/// What failed, why, and what to do.
pub(super) struct Failure {
    /// What happened, as `REGISTER: 403 Forbidden`.
    pub what: String,
    /// Why, in plain words.
    pub why: String,
    /// What to change.
    pub remedy: String,
}

impl Failure {
    pub fn new(what: impl Into<String>, why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into(), remedy: remedy.into() }
    }
}

impl TrunkReport {
    /// Number of failed steps.
    pub const fn failures(&self) -> usize {
        self.failures
    }

    /// A step that has succeeded.
    pub fn fine(&self, step: &str, text: &str) {
        say_line!("ok      {step:<13} {text}");
    }

    /// A step that was not taken.
    pub fn skipped(&self, step: &str, why: &str) {
        say_line!("-       {step:<13} {why}");
    }

    /// A step that has failed.
    pub fn failed(&mut self, step: &str, failure: &Failure) {
        self.failures += 1;
        let Failure { what, why, remedy } = failure;
        say_line!("FAILED  {step:<13} {what}: {why}\n        → {remedy}");
    }

    /// Prints the outcome of a step, and gives what it has found.
    pub fn take<T>(&mut self, step: &str, outcome: Result<(T, String), Failure>) -> Option<T> {
        match outcome {
            Ok((found, text)) => {
                self.fine(step, &text);
                Some(found)
            }
            Err(failure) => {
                self.failed(step, &failure);
                None
            }
        }
    }
}

/// A time as text.
pub(super) fn in_ms(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}
