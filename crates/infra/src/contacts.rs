//! The contacts of desktops: those that a person keeps, and those that all people of a tenant share. A person's go with the person, the
//! shared ones with the tenant; backups have both, exports and snapshots of tenants neither.

use model::{TenantId, Timestamp};

use crate::Answer;

/// Whose a contact is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContactOwner {
    /// The person of that name. People are found without regard to case.
    Person(String),
    /// The tenant: all its people see it.
    Tenant,
}

/// A contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptContact {
    /// Its id, which no other contact of the owner has.
    pub id: String,
    /// When it was changed last.
    pub at: Timestamp,
    /// What is known of it: a JSON object.
    pub document: String,
}

/// What became of a contact that was to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContactAdded {
    /// It is kept. So is one that was added before: whoever has had no answer asks once more.
    Kept,
    /// The owner has as many others as there may be.
    TooMany,
}

/// What became of a contact that was to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContactChanged {
    /// It is kept. So is one that was changed so before: whoever has had no answer asks once more.
    Kept,
    /// The contact was changed by somebody else since.
    ChangedSince,
    /// The owner has no contact with its id.
    NotThere,
}

/// The tables of contacts. Of a person that is not there nothing is found.
pub trait ContactRecords: Send + Sync {
    /// All contacts of an owner, by id.
    fn contacts<'a>(&'a self, tenant: &'a TenantId, owner: &'a ContactOwner) -> Answer<'a, Vec<KeptContact>>;

    /// One of an owner's, by its id.
    fn contact<'a>(
        &'a self,
        tenant: &'a TenantId,
        owner: &'a ContactOwner,
        id: &'a str,
    ) -> Answer<'a, Option<KeptContact>>;

    /// Adds a contact. Of an owner that is at [`ContactOwner::most`] none is added.
    ///
    /// # Errors
    /// [`crate::StoreError::Invalid`] where there is no such person, or no such tenant.
    fn add_contact<'a>(
        &'a self,
        tenant: &'a TenantId,
        owner: &'a ContactOwner,
        contact: &'a KeptContact,
    ) -> Answer<'a, ContactAdded>;

    /// Puts a contact in the place of the one with its id, if that was changed last at `expected`. Its own time is to be a later one: by
    /// that the next change tells them apart.
    fn change_contact<'a>(
        &'a self,
        tenant: &'a TenantId,
        owner: &'a ContactOwner,
        expected: Timestamp,
        contact: &'a KeptContact,
    ) -> Answer<'a, ContactChanged>;

    /// Removes a contact; `false` if the owner has none with that id.
    fn remove_contact<'a>(&'a self, tenant: &'a TenantId, owner: &'a ContactOwner, id: &'a str) -> Answer<'a, bool>;
}

impl ContactOwner {
    /// How many contacts the owner may have.
    pub fn most(&self) -> usize {
        match self {
            Self::Person(_) => crate::bounds::CONTACTS_MAX,
            Self::Tenant => crate::bounds::SHARED_CONTACTS_MAX,
        }
    }
}
