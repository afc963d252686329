//! SIP dialogs with their transactions as records: for every role that owns dialogs.

mod read;
mod write;

#[cfg(test)]
mod tests;

pub use read::dialog_from_record;
pub use write::dialog_to_record;

/// A record that is unreadable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a dialog's record is not valid: {0}")]
pub struct RecordError(pub &'static str);
