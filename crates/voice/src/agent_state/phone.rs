//! What is kept of a phone in memory.

use model::Token;
use model::event::Stamped;

use crate::phone_settings::PhoneRecord;

/// A phone that has set something, was in a call without call waiting, or had an agent whose spending counts, now or before.
#[derive(Debug, Default)]
pub(super) struct SetPhone {
    /// What its record says.
    pub(super) record: PhoneRecord,
    /// The token of its record; none without a record.
    pub(super) token: Option<Token>,
    /// What is to be stored with the record; none if that is up to date.
    pub(super) unwritten: Option<Vec<Stamped>>,
}
