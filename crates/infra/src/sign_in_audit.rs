//! What is noted of signing in: a table that only grows at its end, and loses what is too old.

use std::fmt;
use std::str::FromStr;

use contracts::sign_in_audit::{SignInEvent, SignInRecord};
use model::{TenantId, Timestamp};

use crate::Answer;

/// The place of a record among those of its tenant: by time, and by number where times are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignInPlace {
    /// When it happened, in milliseconds since 1970.
    pub at_ms: u64,
    /// Its number in the table.
    pub number: u64,
}

/// A text that no place has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not the place of a record")]
pub struct NotAPlace;

impl fmt::Display for SignInPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at_ms, self.number)
    }
}

impl FromStr for SignInPlace {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        let (at_ms, number) = text.split_once('.').ok_or(NotAPlace)?;
        let read = |text: &str| text.parse::<u64>().map_err(|_| NotAPlace);
        Ok(Self { at_ms: read(at_ms)?, number: read(number)? })
    }
}

/// Which records, the latest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditPage {
    /// About this subject alone, found without regard to case.
    pub subject: Option<String>,
    /// Of this event alone.
    pub event: Option<SignInEvent>,
    /// Not before this time.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// Behind this place: that of the last record of the page before.
    pub behind: Option<SignInPlace>,
    /// The most records.
    pub limit: u32,
}

/// A page of records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditPart {
    /// The records with their places. Those of events that only a later release knows are left out.
    pub records: Vec<(SignInPlace, SignInRecord)>,
    /// The place of the last one, if there may be more.
    pub last: Option<SignInPlace>,
}

/// What is noted of signing in. Nothing changes a record; one goes when it is too old.
pub trait SignInAudit: Send + Sync {
    /// Writes records in their order, all or none. After [`crate::StoreError::Unavailable`] it is open whether they were written.
    fn note<'a>(&'a self, records: &'a [(TenantId, SignInRecord)]) -> Answer<'a, ()>;

    /// Reads records of a tenant.
    fn noted<'a>(&'a self, tenant: &'a TenantId, page: &'a AuditPage) -> Answer<'a, AuditPart>;

    /// Removes records of all tenants from before that time, the oldest first, and at most so many; says how many.
    fn forget_before(&self, before: Timestamp, at_most: u32) -> Answer<'_, u64>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back_and_nothing_else_is() {
        let place = SignInPlace { at_ms: 1_700_000_000_123, number: 7 };
        assert_eq!(place.to_string().parse::<SignInPlace>(), Ok(place));
        for other in ["", "7", "x.7", "7.", "-1.7", "1.2.3"] {
            assert_eq!(other.parse::<SignInPlace>(), Err(NotAPlace), "{other}");
        }
        assert!(
            SignInPlace { number: 6, ..place } < place && place < SignInPlace { at_ms: place.at_ms + 1, number: 1 }
        );
    }
}
