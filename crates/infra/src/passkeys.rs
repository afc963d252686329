//! The passkeys of people: public keys, with what is known of their use. They belong to persons of the configuration and go with them.

use std::fmt;

use model::{TenantId, Timestamp};

use crate::Answer;

/// A passkey as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredPasskey {
    /// The id that the authenticator has given it: base64url without padding. No two have the same, in whatever tenant.
    pub id: String,
    /// The user name of its person.
    pub user: String,
    /// What the authenticator calls the person. It is good as long as the person's second factor names the same.
    pub handle: String,
    /// Its public half, as COSE writes it: base64url without padding.
    pub public_key: String,
    /// How often it had signed when it was shown last; 0 if it does not count.
    pub counter: u32,
    /// What its person calls it.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it was shown last.
    pub last_used: Option<Timestamp>,
}

impl fmt::Debug for StoredPasskey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredPasskey({:?}, {} times)", self.name, self.counter)
    }
}

/// What became of a passkey that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasskeyKept {
    /// It is kept.
    Kept,
    /// There is one of its id.
    IdTaken,
    /// The person has as many as there may be.
    TooMany,
}

/// What became of a passkey that was to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasskeyRemoved {
    /// It is gone.
    Removed,
    /// The person has none of that id.
    Missing,
    /// It is there: the person has no other one of its handle.
    Last,
}

/// The table of passkeys. People are found without regard to case.
pub trait Passkeys: Send + Sync {
    /// Keeps a new one, which was never shown, unless the person has `at_most` of the same handle.
    ///
    /// # Errors
    /// [`crate::StoreError::Invalid`] where there is no such person.
    fn keep<'a>(&'a self, tenant: &'a TenantId, new: &'a StoredPasskey, at_most: usize) -> Answer<'a, PasskeyKept>;

    /// Those of a person, the first one first.
    fn of_person<'a>(&'a self, tenant: &'a TenantId, user: &'a str) -> Answer<'a, Vec<StoredPasskey>>;

    /// The one of that id with its tenant: whoever signs in by nothing else has said no tenant.
    fn find_passkey<'a>(&'a self, id: &'a str) -> Answer<'a, Option<(TenantId, StoredPasskey)>>;

    /// Notes that it was shown and how often it has signed by now; `false` if it is gone, or another request was faster and the counter is
    /// as high already. 0 follows 0.
    fn note_use<'a>(&'a self, tenant: &'a TenantId, id: &'a str, counter: u32, at: Timestamp) -> Answer<'a, bool>;

    /// Removes one of a person; `false` if the person has none of that id.
    fn remove<'a>(&'a self, tenant: &'a TenantId, user: &'a str, id: &'a str) -> Answer<'a, bool>;

    /// Removes one of a person if there is another one of its handle: of two requests that remove the last two, one is told that its own is
    /// the last.
    fn remove_but_last<'a>(&'a self, tenant: &'a TenantId, user: &'a str, id: &'a str) -> Answer<'a, PasskeyRemoved>;

    /// Removes those of a person that are of no such handle; without one all of them. Says how many.
    fn remove_others<'a>(&'a self, tenant: &'a TenantId, user: &'a str, handle: Option<&'a str>) -> Answer<'a, u64>;
}
