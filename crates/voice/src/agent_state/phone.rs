//! What is kept of a phone in memory.

use call::dial_plan::PhoneSettings;
use model::Token;
use model::event::Stamped;

/// A phone that has set something, now or before.
#[derive(Debug, Default)]
pub(super) struct SetPhone {
    /// What it has set.
    pub(super) settings: PhoneSettings,
    /// The token of its record; none without a record.
    pub(super) token: Option<Token>,
    /// What is to be stored with the record; none if that is up to date.
    pub(super) unwritten: Option<Vec<Stamped>>,
}
