//! The exit codes of every command, in one table.

use std::fmt;
use std::process::{ExitCode, Termination};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// A failure without a code of its own.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The settings have faults.
    Settings = 3,
    /// An address or port is in use or cannot be bound.
    Address = 4,
    /// The data directory is in use by another process, or cannot be used.
    DataDirectory = 5,
    /// A check found faults.
    CheckFailed = 6,
    /// The drain did not finish in time, or was cut short by a second signal.
    DrainCut = 7,
    /// No process answers: the instance is not running.
    NotRunning = 8,
    /// A role failed more often than the supervisor restarts it.
    RoleFailed = 9,
    /// The requested item is unknown, or no longer known.
    Unknown = 10,
    /// A check found no fault, but a warning.
    Warned = 11,
    /// A server of the stores does not answer in time, or cannot be used.
    Stores = 12,
}

/// Every code with its meaning; printed by `--help` and in the book.
pub const TABLE: &[(Exit, &str)] = &[
    (Exit::Done, "done"),
    (Exit::Failed, "something failed that has no code of its own"),
    (Exit::Usage, "the command line is wrong"),
    (Exit::Settings, "the settings have faults; every one is printed"),
    (Exit::Address, "an address or port is in use or cannot be bound"),
    (Exit::DataDirectory, "the data directory is in use by another process, or cannot be used"),
    (Exit::CheckFailed, "a check found faults"),
    (Exit::DrainCut, "the drain did not finish in time, or was cut short by a second signal"),
    (Exit::NotRunning, "nothing answers: the instance does not run"),
    (Exit::RoleFailed, "a role failed more often than it is restarted"),
    (Exit::Unknown, "what was asked for is not known, or not any more"),
    (Exit::Warned, "a check found no fault, but something to look at"),
    (Exit::Stores, "a server that holds the stores does not answer in time, or cannot be used"),
];

impl Exit {
    /// The number that the shell sees.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}

/// An error that knows its exit code.
#[derive(Debug)]
pub struct ExitError {
    /// The code.
    pub exit: Exit,
    /// The message for the user.
    pub message: String,
}

impl ExitError {
    /// An error with that code and message.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
}

impl fmt::Display for ExitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ExitError {}

/// The code of the first [`ExitError`] in the error's chain.
pub fn of(error: &anyhow::Error) -> Exit {
    error.chain().find_map(|e| e.downcast_ref::<ExitError>()).map_or(Exit::Failed, |e| e.exit)
}

/// The table as text, a line each.
pub fn table() -> String {
    TABLE.iter().map(|(exit, meaning)| format!("  {}  {meaning}\n", exit.code())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_code_in_order() {
        for (i, (exit, _)) in TABLE.iter().enumerate() {
            assert_eq!(usize::from(exit.code()), i);
        }
    }

    #[test]
    fn the_book_has_the_same_table() {
        let page = include_str!("../../../docs/exit-codes.md");
        for (exit, meaning) in TABLE {
            assert!(page.contains(&format!("| {} | {meaning} |", exit.code())), "{meaning}");
        }
    }

    #[test]
    fn a_wrapped_error_keeps_its_code() {
        use anyhow::Context as _;
        let wrapped = Err::<(), _>(ExitError::new(Exit::Address, "in use")).context("starting sip-proxy");
        assert_eq!(of(&wrapped.unwrap_err()), Exit::Address);
        assert_eq!(of(&anyhow::anyhow!("x")), Exit::Failed);
    }
}
