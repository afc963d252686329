//! People of tenant, for requests of SCIM: one by one, all that pass a filter, and their changes. With the caller's own token.

use std::collections::{BTreeSet, HashMap};

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use contracts::provisioning::ObjectKind;
use contracts::v1;
use contracts::v1::change_object::Action;
use serde_json::{Map, Value};
use tonic::Code;

use super::answers::refused;
use super::user::{FIELDS, ScimPerson};
use crate::agent_setup::provisioning::{Provisioning, SetupCaller};
use crate::asked_origin::asked_origin;
use crate::scim_error::ScimError;

/// People of a page of tenant.
const PAGE_SIZE: u32 = 500;
/// The longest user name, in bytes.
const USER_NAME_BYTES_MAX: usize = 255;

/// The people of the tenant of a request's path.
pub(super) struct ScimPeople {
    provisioning: Provisioning,
    asker: SetupCaller,
    base: String,
}

/// A person with the revision at which it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FoundPerson {
    pub person: ScimPerson,
    pub revision: u64,
}

/// Why people have not changed.
#[derive(Debug)]
pub(super) enum Unchanged {
    /// One of them is at another revision than was expected.
    Stale,
    /// Tenant refuses it.
    Refused(ScimError),
}

impl FromRequestParts<Provisioning> for ScimPeople {
    type Rejection = ScimError;

    async fn from_request_parts(parts: &mut Parts, provisioning: &Provisioning) -> Result<Self, ScimError> {
        let asker = SetupCaller::from_request_parts(parts, provisioning).await.map_err(|problem| {
            // A tenant for which the token is not is as one that does not exist.
            if problem.status_code() == StatusCode::FORBIDDEN { no_tenant() } else { ScimError::from(problem) }
        })?;
        // Relative where ingress does not tell it.
        let base = format!("{}/scim/v2/{}", asked_origin(&parts.headers).unwrap_or_default(), asker.tenant());
        Ok(Self { provisioning: provisioning.clone(), asker, base })
    }
}

fn no_tenant() -> ScimError {
    ScimError::not_found("there is no such tenant")
}

impl ScimPeople {
    /// Where what is below a path of this tenant is, as `Users`.
    pub fn location(&self, of: &str) -> String {
        format!("{}/{of}", self.base)
    }

    /// Where a user is.
    pub fn user_location(&self, id: &str) -> String {
        format!("{}/Users/{}", self.base, segment(id))
    }

    /// The user of that name, whatever its case; none if there is none.
    ///
    /// # Errors
    /// If tenant refuses to tell.
    pub async fn find(&self, name: &str) -> Result<Option<FoundPerson>, ScimError> {
        if !may_be_name(name) {
            // Tenant would call the request faulty, but it is a question that has an answer.
            self.may_read().await?;
            return Ok(None);
        }
        let kind = ObjectKind::Person.as_str().to_owned();
        let asked = v1::GetObjectRequest { kind, id: name.to_owned(), fields: Vec::new() };
        let asked = self.asker.bears(asked).map_err(|status| refused(&status))?;
        match self.provisioning.client().get(asked).await {
            Ok(stored) => Ok(Some(found(stored.into_inner())?)),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(refused(&status)),
        }
    }

    /// The user of exactly that id.
    ///
    /// # Errors
    /// If there is none, or tenant refuses to tell.
    pub async fn get(&self, id: &str) -> Result<FoundPerson, ScimError> {
        let found = self.find(id).await?.filter(|found| found.person.user_name == id);
        found.ok_or_else(|| ScimError::not_found("there is no such user"))
    }

    /// All people who pass a filter of tenant, in its order.
    ///
    /// # Errors
    /// If tenant refuses to tell.
    pub async fn each(
        &self,
        filter: HashMap<String, String>,
        mut sees: impl FnMut(FoundPerson),
    ) -> Result<(), ScimError> {
        let mut page_token = String::new();
        loop {
            let page = self.page(filter.clone(), PAGE_SIZE, page_token).await?;
            for stored in page.objects {
                sees(found(stored)?);
            }
            if page.next_page_token.is_empty() {
                return Ok(());
            }
            page_token = page.next_page_token;
        }
    }

    /// Asks tenant whether the caller may read people at all, for answers that need none of them.
    ///
    /// # Errors
    /// If not.
    pub async fn may_read(&self) -> Result<(), ScimError> {
        self.page(HashMap::new(), 1, String::new()).await.map(drop)
    }

    async fn page(
        &self,
        filter: HashMap<String, String>,
        page_size: u32,
        page_token: String,
    ) -> Result<v1::ListObjectsResponse, ScimError> {
        let asked = v1::ListObjectsRequest {
            kinds: vec![ObjectKind::Person.as_str().to_owned()],
            filter,
            fields: Vec::from(FIELDS.map(str::to_owned)),
            page_size,
            page_token,
        };
        let asked = self.asker.bears(asked).map_err(|status| refused(&status))?;
        let answer = self.provisioning.client().list(asked).await;
        answer.map(tonic::Response::into_inner).map_err(|status| refused(&status))
    }

    /// The changes by which somebody leaves the groups, the roles and the permissions of folders that name whoever has that user name.
    ///
    /// # Errors
    /// If tenant refuses to tell.
    pub async fn leaves_groups(&self, user: &str) -> Result<Vec<v1::ChangeObject>, ScimError> {
        let kind = ObjectKind::Person.as_str().to_owned();
        let asked = v1::ObjectUsesRequest { kind, id: user.to_owned() };
        let asked = self.asker.bears(asked).map_err(|status| refused(&status))?;
        let answer = self.provisioning.client().uses(asked).await.map_err(|status| refused(&status))?;
        let uses = answer.into_inner().uses.into_iter();
        let groups = uses.filter(|one| !fields_with_people(&one.kind).is_empty()).map(|one| (one.kind, one.id));
        let mut changes = Vec::new();
        for (kind, id) in groups.collect::<BTreeSet<(String, String)>>() {
            let asked = v1::GetObjectRequest { kind: kind.clone(), id, fields: Vec::new() };
            let asked = self.asker.bears(asked).map_err(|status| refused(&status))?;
            match self.provisioning.client().get(asked).await {
                Ok(stored) => changes.push(leave(&kind, stored.into_inner(), user)?),
                // It has gone meanwhile.
                Err(status) if status.code() == Code::NotFound => {}
                Err(status) => return Err(refused(&status)),
            }
        }
        Ok(changes)
    }

    /// Changes people, all or none.
    ///
    /// # Errors
    /// Why none has changed.
    pub async fn change(&self, changes: Vec<v1::ChangeObject>) -> Result<(), Unchanged> {
        let asked = v1::ChangeObjectsRequest { changes, ..v1::ChangeObjectsRequest::default() };
        let asked = self.asker.bears(asked).map_err(|status| Unchanged::Refused(refused(&status)))?;
        match self.provisioning.client().change(asked).await {
            Ok(_) => Ok(()),
            Err(status) if status.code() == Code::Aborted => Err(Unchanged::Stale),
            Err(status) => Err(Unchanged::Refused(refused(&status))),
        }
    }
}

/// Whether somebody may have that user name.
fn may_be_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= USER_NAME_BYTES_MAX && !name.chars().any(char::is_control)
}

fn found(stored: v1::StoredObject) -> Result<FoundPerson, ScimError> {
    match serde_json::from_str(&stored.json) {
        Ok(person) => Ok(FoundPerson { person, revision: stored.revision }),
        Err(error) => {
            tracing::warn!(id = stored.id, %error, "agent-setup cannot read a person of tenant");
            Err(ScimError::new(StatusCode::BAD_GATEWAY, "a person of the tenant cannot be read"))
        }
    }
}

/// A part of a path, with what has a meaning there written otherwise (RFC 3986 section 2.1).
fn segment(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            segment.push_str(&format!("%{byte:02X}"));
        }
    }
    segment
}

// === changes ===

/// A new person.
pub(super) fn create(id: &str, document: &Value) -> v1::ChangeObject {
    let put = v1::PutObject { json: document.to_string(), fields: Vec::new() };
    change(id, 0, Action::Put(put))
}

/// Some fields of a person as it was found.
pub(super) fn merge(of: &FoundPerson, changed: Map<String, Value>) -> v1::ChangeObject {
    let fields = changed.keys().cloned().collect();
    let put = v1::PutObject { json: Value::Object(changed).to_string(), fields };
    change(&of.person.user_name, of.revision, Action::Put(put))
}

/// A person as it was found goes.
pub(super) fn delete(of: &FoundPerson) -> v1::ChangeObject {
    change(&of.person.user_name, of.revision, Action::Delete(v1::DeleteObject {}))
}

/// The fields of a kind that name people; none for a kind that does not.
fn fields_with_people(kind: &str) -> &'static [&'static str] {
    match ObjectKind::parse(kind) {
        Some(ObjectKind::AgentGroup) => &["agents", "managers"],
        Some(ObjectKind::AccessGroup | ObjectKind::Role) => &["people"],
        Some(ObjectKind::Folder) => &["permissions"],
        Some(ObjectKind::AgentLogin) => &["person"],
        _ => &[],
    }
}

/// Somebody leaves a group, a role, the permissions of a folder or a login code, as it was found.
fn leave(kind: &str, group: v1::StoredObject, user: &str) -> Result<v1::ChangeObject, ScimError> {
    let mut found: Map<String, Value> = serde_json::from_str(&group.json).map_err(|error| {
        tracing::warn!(id = group.id, %error, "agent-setup cannot read a group of tenant");
        ScimError::new(StatusCode::BAD_GATEWAY, "a group of the tenant cannot be read")
    })?;
    let fields = fields_with_people(kind);
    let is_somebody_else = |one: &Value| one != user && one.get("person").is_none_or(|person| person != user);
    let mut changed = Map::new();
    for field in fields {
        let mut people = found.remove(*field).unwrap_or_default();
        if let Value::Array(people) = &mut people {
            people.retain(is_somebody_else);
        } else if !is_somebody_else(&people) {
            people = Value::Null;
        }
        changed.insert((*field).to_owned(), people);
    }
    let fields = fields.iter().map(|field| (*field).to_owned()).collect();
    let put = v1::PutObject { json: Value::Object(changed).to_string(), fields };
    let (kind, expected_revision) = (kind.to_owned(), Some(group.revision));
    Ok(v1::ChangeObject { kind, id: group.id, expected_revision, action: Some(Action::Put(put)) })
}

fn change(id: &str, expected: u64, action: Action) -> v1::ChangeObject {
    let kind = ObjectKind::Person.as_str().to_owned();
    v1::ChangeObject { kind, id: id.to_owned(), expected_revision: Some(expected), action: Some(action) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_code_whose_person_goes_is_nobodys() {
        let json = r#"{"code":"5001","person":"ann","wrap_up_s":20,"disabled":false}"#.to_owned();
        let login = v1::StoredObject { id: "5001".to_owned(), json, revision: 7, ..v1::StoredObject::default() };
        let Some(Action::Put(put)) = leave("agent_login", login, "ann").unwrap().action else {
            panic!("nothing is put")
        };
        assert_eq!((put.json.as_str(), put.fields), (r#"{"person":null}"#, vec!["person".to_owned()]));
    }

    #[test]
    fn who_leaves_a_group_is_neither_its_agent_nor_its_manager() {
        let json = r#"{"name":"Day","agents":["ann","bob"],"expression":null,"managers":["ann"]}"#.to_owned();
        let group = v1::StoredObject { id: "Day".to_owned(), json, revision: 7, ..v1::StoredObject::default() };
        let change = leave("agent_group", group, "ann").unwrap();
        assert_eq!(
            (change.kind.as_str(), change.id.as_str(), change.expected_revision),
            ("agent_group", "Day", Some(7))
        );
        let Some(Action::Put(put)) = change.action else { panic!("nothing is put") };
        assert_eq!(put.json, r#"{"agents":["bob"],"managers":[]}"#);
        assert_eq!(put.fields, ["agents", "managers"]);
        let json =
            r#"{"path":"Berlin","permissions":[{"person":"ann","rights":["read"]},{"group":"Day","person":null}]}"#;
        let folder = v1::StoredObject { id: "Berlin".to_owned(), json: json.to_owned(), ..v1::StoredObject::default() };
        let Some(Action::Put(put)) = leave("folder", folder, "ann").unwrap().action else { panic!("nothing is put") };
        assert_eq!(put.json, r#"{"permissions":[{"group":"Day","person":null}]}"#);
    }

    #[test]
    fn ids_are_parts_of_paths() {
        assert_eq!(segment("ann@d.example"), "ann@d.example");
        assert_eq!(segment("a/b c?é"), "a%2Fb%20c%3F%C3%A9");
    }

    #[test]
    fn nobody_has_a_name_that_no_person_can_have() {
        let long = "x".repeat(USER_NAME_BYTES_MAX + 1);
        assert!(may_be_name("ann@d.example") && may_be_name("Zoë") && may_be_name(&long[1..]));
        assert!(["", "\0", "ann\n", &long].iter().all(|name| !may_be_name(name)));
    }

    #[test]
    fn a_document_of_tenant_is_read_whole_or_in_part() {
        let read = |json: &str| {
            let stored = v1::StoredObject { json: json.to_owned(), revision: 7, ..v1::StoredObject::default() };
            found(stored).unwrap()
        };
        let part = read(
            r#"{"user_name":"ann","first_name":"Ann","last_name":"Adams","disabled":true,"privileges":["agent"],"agent":{"id":"1"}}"#,
        );
        assert!(part.person.disabled && part.person.agent.is_some() && part.revision == 7);
        let whole = read(
            r#"{"user_name":"ann","first_name":"Ann","last_name":"Adams","agent":null,"password":null,"second_factor":null}"#,
        );
        assert!(!whole.person.disabled && whole.person.agent.is_none());
    }
}
