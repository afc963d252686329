//! The contacts of desktops: those that a person keeps, and those that all people of a tenant share. A person's go with the person, the
//! shared ones with the tenant; backups have both, exports and snapshots of tenants neither.

use model::{TenantId, Timestamp};
use serde::Deserialize;

use crate::{Answer, SearchTerm, folded, spellings};

/// Characters of a name by which contacts are sorted: an index takes no long ones.
const SORTED_MAX: usize = 200;

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
    /// What is known of it: a JSON object. It is sorted by `name`, and found by that, `company`, `emailAddress` and the `number` of each
    /// of its `numbers`.
    pub document: String,
}

/// By what a contact is sorted and found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactWords {
    /// Its name, folded, and behind that its id: no other one of the owner has the same.
    pub by_name: String,
    /// What is searched of it, in all spellings, one a line.
    pub searched: String,
}

/// Some contacts that are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedContacts {
    /// The first of them.
    pub first: Vec<KeptContact>,
    /// How many there are, those included that are not among them.
    pub total: usize,
}

/// What of a contact it is sorted and found by.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct FoundBy {
    name: String,
    company: String,
    email_address: String,
    numbers: Vec<FoundNumber>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FoundNumber {
    number: String,
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

    /// Those shared ones that one of the terms fits, without any term all, by name: the first of them.
    fn shared_contacts<'a>(
        &'a self,
        tenant: &'a TenantId,
        terms: &'a [SearchTerm],
        at_most: usize,
    ) -> Answer<'a, SharedContacts>;

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

impl KeptContact {
    /// By what it is sorted and found. One that cannot be read has no name and no words.
    pub fn words(&self) -> ContactWords {
        let found_by: FoundBy = serde_json::from_str(&self.document).unwrap_or_default();
        let FoundBy { name, company, email_address, numbers } = &found_by;
        let numbers = numbers.iter().map(|number| number.number.as_str());
        let fields = [name.as_str(), company.as_str(), email_address.as_str()].into_iter().chain(numbers);
        let searched: Vec<String> = fields.flat_map(spellings).collect();
        let sorted: String = folded(name).replace('\n', " ").chars().take(SORTED_MAX).collect();
        ContactWords { by_name: format!("{sorted}\n{}", self.id), searched: searched.join("\n") }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn words(document: &str) -> ContactWords {
        KeptContact { id: "a1".to_owned(), at: Timestamp::ZERO, document: document.to_owned() }.words()
    }

    #[test]
    fn a_contact_is_sorted_by_its_name_and_found_by_what_people_look_for() {
        let told =
            words(r#"{"name":"Jörg","company":"Nord","emailAddress":"","numbers":[{"number":"7101"}],"note":"x"}"#);
        assert_eq!(told.by_name, "jorg\na1");
        assert_eq!(told.searched.lines().collect::<Vec<_>>(), ["jorg", "joerg", "nord", "", "7101"]);
        let long = words(&format!(r#"{{"name":"{}"}}"#, "x".repeat(SORTED_MAX + 1)));
        assert_eq!(long.by_name.len(), SORTED_MAX + "\na1".len());
        assert_eq!(words("["), ContactWords { by_name: "\na1".to_owned(), searched: "\n\n".to_owned() });
    }
}
