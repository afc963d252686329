//! The contacts that a person sees: the person's own, and those that all people of the tenant share.

use axum::extract::{Path, State};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use infra::bounds::CONTACT_DOCUMENT_MAX;
use infra::{ContactAdded, ContactChanged, ContactOwner, KeptContact, SharedContacts};
use model::{TenantId, Timestamp};
use net::http::{Caller, JsonBody, Problem, Query, StatusCode};
use serde::Deserialize;

use super::served::{PersonPath, ServedSettings, admitted};
use crate::contact_api::{ContactChange, ContactEntry, ContactList, ContactQuery, WantedContacts, changed_since};

/// The routes below a person, and those of what a tenant's people share. Who may change that, gws-workspace has asked.
pub(super) fn routes() -> Router<ServedSettings> {
    Router::new()
        .route("/setting/v3/{tenant}/people/{person}/contacts", get(list).post(add))
        .route("/setting/v3/{tenant}/people/{person}/contacts/{id}", get(one).put(change).delete(remove))
        .route("/setting/v3/{tenant}/contacts", post(add_shared))
        .route("/setting/v3/{tenant}/contacts/{id}", put(change_shared).delete(remove_shared))
}

#[derive(Deserialize)]
struct ContactPath {
    tenant: String,
    person: String,
    id: String,
}

#[derive(Deserialize)]
struct TenantPath {
    tenant: String,
}

#[derive(Deserialize)]
struct SharedContactPath {
    tenant: String,
    id: String,
}

/// A contact for the table.
///
/// # Errors
/// 422 with the field and the rule.
fn kept(entry: &ContactEntry) -> Result<KeptContact, Problem> {
    if let Some(fault) = entry.fault() {
        return Err(Problem::unprocessable(fault));
    }
    let document = serde_json::to_string(entry).map_err(|_| Problem::internal())?;
    if document.len() > CONTACT_DOCUMENT_MAX {
        return Err(Problem::unprocessable(format!("contact: it has more than {CONTACT_DOCUMENT_MAX} bytes")));
    }
    Ok(KeptContact { id: entry.id.clone(), at: Timestamp::from_millis(entry.changed_at), document })
}

/// A contact from the table, as its columns say whose it is; none if it cannot be read.
fn told(kept: &KeptContact, is_shared: bool) -> Option<ContactEntry> {
    let entry: ContactEntry = serde_json::from_str(&kept.document).ok()?;
    Some(ContactEntry { id: kept.id.clone(), is_shared, changed_at: kept.at.as_millis(), ..entry })
}

fn told_own(kept: &KeptContact) -> Option<ContactEntry> {
    told(kept, false)
}

fn told_shared(kept: &KeptContact) -> Option<ContactEntry> {
    told(kept, true)
}

fn none_with(id: &str) -> Problem {
    Problem::not_found(format!("there is no contact {id:.64}"))
}

impl ServedSettings {
    /// Those of the contacts that a person sees which are wanted.
    async fn found(&self, tenant: &TenantId, person: &str, wanted: &WantedContacts) -> Result<ContactList, Problem> {
        let own = self.contacts.contacts(tenant, &ContactOwner::Person(person.to_owned())).await;
        let own = self.settled(&self.metrics.read, own, person)?;
        let shared = self.contacts.shared_contacts(tenant, &wanted.terms, wanted.shared_at_most()).await;
        let SharedContacts { first, total } = self.settled(&self.metrics.read, shared, person)?;
        Ok(wanted.of(self.readable(&own, told_own), self.readable(&first, told_shared), total))
    }

    /// The contact of that id that a person sees; none if it cannot be read.
    async fn seen_one(&self, tenant: &TenantId, person: &str, id: &str) -> Result<Option<ContactEntry>, Problem> {
        let own = self.contacts.contact(tenant, &ContactOwner::Person(person.to_owned()), id).await;
        if let Some(own) = self.settled(&self.metrics.read, own, person)? {
            return Ok(self.readable(&[own], told_own).pop());
        }
        let shared = self.contacts.contact(tenant, &ContactOwner::Tenant, id).await;
        let shared = self.settled(&self.metrics.read, shared, person)?;
        Ok(shared.and_then(|shared| self.readable(&[shared], told_shared).pop()))
    }

    async fn added(
        &self,
        tenant: &TenantId,
        owner: &ContactOwner,
        entry: &ContactEntry,
    ) -> Result<StatusCode, Problem> {
        let added = self.contacts.add_contact(tenant, owner, &kept(entry)?).await;
        match self.settled(&self.metrics.written, added, shown(owner))? {
            ContactAdded::Kept => Ok(StatusCode::NO_CONTENT),
            ContactAdded::TooMany => {
                let most = owner.most();
                Err(Problem::conflict(format!("contact: there are {most} already, as many as there may be")))
            }
        }
    }

    async fn changed(
        &self,
        tenant: &TenantId,
        owner: &ContactOwner,
        change: &ContactChange,
        id: &str,
    ) -> Result<StatusCode, Problem> {
        let ContactChange { expected_at, contact } = change;
        let contact = kept(&ContactEntry { id: id.to_owned(), ..contact.clone() })?;
        let changed = self.contacts.change_contact(tenant, owner, Timestamp::from_millis(*expected_at), &contact).await;
        match self.settled(&self.metrics.written, changed, shown(owner))? {
            ContactChanged::Kept => Ok(StatusCode::NO_CONTENT),
            ContactChanged::ChangedSince => Err(Problem::conflict(changed_since(*expected_at))),
            ContactChanged::NotThere => Err(none_with(id)),
        }
    }

    async fn removed(&self, tenant: &TenantId, owner: &ContactOwner, id: &str) -> Result<StatusCode, Problem> {
        let removed = self.contacts.remove_contact(tenant, owner, id).await;
        let was_there = self.settled(&self.metrics.written, removed, shown(owner))?;
        if was_there { Ok(StatusCode::NO_CONTENT) } else { Err(none_with(id)) }
    }
}

/// Whose it is, in words.
fn shown(owner: &ContactOwner) -> &str {
    match owner {
        ContactOwner::Person(person) => person,
        ContactOwner::Tenant => "of the tenant",
    }
}

async fn list(
    State(served): State<ServedSettings>,
    caller: Caller,
    Path(PersonPath { tenant, person }): Path<PersonPath>,
    Query(wanted): Query<ContactQuery>,
) -> Result<Json<ContactList>, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    let wanted = wanted.read().map_err(Problem::unprocessable)?;
    served.found(&tenant, &person, &wanted).await.map(Json)
}

async fn one(
    State(served): State<ServedSettings>,
    caller: Caller,
    Path(ContactPath { tenant, person, id }): Path<ContactPath>,
) -> Result<Json<ContactEntry>, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    served.seen_one(&tenant, &person, &id).await?.map(Json).ok_or_else(|| none_with(&id))
}

async fn add(
    State(served): State<ServedSettings>,
    caller: Caller,
    Path(PersonPath { tenant, person }): Path<PersonPath>,
    JsonBody(entry): JsonBody<ContactEntry>,
) -> Result<StatusCode, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    served.added(&tenant, &ContactOwner::Person(person), &entry).await
}

async fn change(
    State(served): State<ServedSettings>,
    caller: Caller,
    Path(ContactPath { tenant, person, id }): Path<ContactPath>,
    JsonBody(wanted): JsonBody<ContactChange>,
) -> Result<StatusCode, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    served.changed(&tenant, &ContactOwner::Person(person), &wanted, &id).await
}

async fn remove(
    State(served): State<ServedSettings>,
    caller: Caller,
    Path(ContactPath { tenant, person, id }): Path<ContactPath>,
) -> Result<StatusCode, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    served.removed(&tenant, &ContactOwner::Person(person), &id).await
}

async fn add_shared(
    State(served): State<ServedSettings>,
    caller: Caller,
    Path(TenantPath { tenant }): Path<TenantPath>,
    JsonBody(entry): JsonBody<ContactEntry>,
) -> Result<StatusCode, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    served.added(&tenant, &ContactOwner::Tenant, &entry).await
}

async fn change_shared(
    State(served): State<ServedSettings>,
    caller: Caller,
    Path(SharedContactPath { tenant, id }): Path<SharedContactPath>,
    JsonBody(wanted): JsonBody<ContactChange>,
) -> Result<StatusCode, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    served.changed(&tenant, &ContactOwner::Tenant, &wanted, &id).await
}

async fn remove_shared(
    State(served): State<ServedSettings>,
    caller: Caller,
    Path(SharedContactPath { tenant, id }): Path<SharedContactPath>,
) -> Result<StatusCode, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    served.removed(&tenant, &ContactOwner::Tenant, &id).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> ContactEntry {
        ContactEntry { id: "a1".to_owned(), name: name.to_owned(), changed_at: 5, ..ContactEntry::default() }
    }

    #[test]
    fn a_contact_comes_back_as_it_was_kept_and_columns_count() {
        let contact = ContactEntry { is_shared: true, ..entry("Größe \"x\"") };
        let kept = kept(&contact).unwrap();
        assert_eq!((kept.id.as_str(), kept.at.as_millis()), ("a1", 5));
        assert_eq!(told_shared(&kept), Some(contact.clone()));
        assert_eq!(told_own(&kept), Some(ContactEntry { is_shared: false, ..contact.clone() }));
        let later = KeptContact { at: Timestamp::from_millis(6), ..kept };
        assert_eq!(told_shared(&later), Some(ContactEntry { changed_at: 6, ..contact }));
    }

    #[test]
    fn what_is_faulty_is_refused_and_what_cannot_be_read_is_left_out() {
        let refused = kept(&entry("")).unwrap_err();
        assert_eq!((refused.status, refused.detail.as_deref()), (422, Some("name: it is missing")));
        let damaged = KeptContact { id: "a1".to_owned(), at: Timestamp::ZERO, document: "[".to_owned() };
        assert_eq!(told_own(&damaged), None);
    }
}
