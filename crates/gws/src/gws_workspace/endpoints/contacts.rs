//! Contacts: those of the person at a desktop, and those that all people of the tenant share. gws-setting has them. The published API has
//! none of it; its searches for targets find them, as `custom-contact`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use net::http::{Query, StatusCode};
use runtime::scope::{AGENTS_SUPERVISE, CONFIG_WRITE};
use serde_json::{Value, json};

use super::super::Workspace;
use super::super::behind::SettingQuestion;
use super::super::request::DeskRequest;
use super::personal::{UNTYPED, ask, faultless, part, read, shown, text};
use crate::contact_api::{
    ContactChange, ContactEntry, ContactList, ContactNumber, ContactQuery, PAGE_MAX, changed_since, is_id,
};
use crate::sessions::answers::{self, ApiRefusal, read_body};
use crate::setting_api::KeptTarget;

/// The kind of a number that says none.
const KIND: &str = "work";
/// How many targets are told where a search does not say it.
const TOLD: usize = 50;
/// What people write between the digits of a number.
const BETWEEN: [char; 6] = [' ', '(', ')', '-', '/', '.'];
/// Parameters of a search for targets that contacts have nothing to do with.
const NOT_OF_CONTACTS: [&str; 6] =
    ["filterName", "restrictGroup", "restrictToGroup", "matchType", "pages", "continueFrom"];

// === contacts ===

fn may_share(request: &DeskRequest) -> bool {
    let scopes = request.session.sign_in().person.scopes;
    scopes.iter().any(|scope| scope == AGENTS_SUPERVISE || scope == CONFIG_WRITE)
}

fn check_sharing(request: &DeskRequest, is_shared: bool) -> Result<(), ApiRefusal> {
    let needed = || ApiRefusal::forbidden(format!("this needs the scope {AGENTS_SUPERVISE} or {CONFIG_WRITE}"));
    (!is_shared || may_share(request)).then_some(()).ok_or_else(needed)
}

async fn found(workspace: &Workspace, request: &DeskRequest, wanted: ContactQuery) -> Result<ContactList, ApiRefusal> {
    read(ask(workspace, request, SettingQuestion::Contacts(wanted)).await?)
}

async fn contact(workspace: &Workspace, request: &DeskRequest, id: &str) -> Result<ContactEntry, ApiRefusal> {
    if !is_id(id) {
        return Err(ApiRefusal::not_found(format!("there is no contact {id:.64}")));
    }
    read(ask(workspace, request, SettingQuestion::Contact(id.to_owned())).await?)
}

/// `GET /contacts`: by name.
pub(in crate::gws_workspace) async fn list(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
    Query(wanted): Query<ContactQuery>,
) -> Result<Response, ApiRefusal> {
    let ContactList { contacts, total_matches } = found(&workspace, &request, wanted).await?;
    let may_share = may_share(&request);
    Ok(answers::data(&json!({"contacts": contacts, "totalMatches": total_matches, "mayShare": may_share})))
}

/// `GET /contacts/{id}`.
pub(in crate::gws_workspace) async fn one(
    State(workspace): State<Arc<Workspace>>,
    Path(id): Path<String>,
    request: DeskRequest,
) -> Result<Response, ApiRefusal> {
    let entry = contact(&workspace, &request, &id).await?;
    Ok(answers::data(&json!(entry)))
}

/// `POST /contacts`: answers with the contact and its id.
pub(in crate::gws_workspace) async fn add(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let id = workspace.parts.replica.secret();
    let entry = ContactEntry { id, changed_at: workspace.parts.now().as_millis(), ..written(&read_body(&body)?)? };
    check_sharing(&request, entry.is_shared)?;
    faultless(entry.fault())?;
    ask(&workspace, &request, SettingQuestion::AddContact(Box::new(entry.clone()))).await?;
    Ok(answers::data(&json!(entry)))
}

/// `PUT /contacts/{id}`: it stays the person's own, or shared. With `changedAt` as the client has read it, one that was changed since stays
/// as it is.
pub(in crate::gws_workspace) async fn change(
    State(workspace): State<Arc<Workspace>>,
    Path(id): Path<String>,
    request: DeskRequest,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let body = read_body(&body)?;
    let known = contact(&workspace, &request, &id).await?;
    check_sharing(&request, known.is_shared)?;
    let written = written(&body)?;
    if !body["data"]["isShared"].is_null() && written.is_shared != known.is_shared {
        return Err(ApiRefusal::bad_request("isShared: it stays as the contact was made"));
    }
    let expected_at = known.changed_at;
    if let Some(read_at) = written_time(&body["data"])?.filter(|read_at| *read_at != expected_at) {
        return Err(ApiRefusal::conflict(changed_since(read_at)));
    }
    // Clocks differ: the time of a change is behind that of the one before all the same.
    let changed_at = workspace.parts.now().as_millis().max(expected_at.saturating_add(1));
    let entry = ContactEntry { id: known.id, is_shared: known.is_shared, changed_at, ..written };
    faultless(entry.fault())?;
    let change = ContactChange { expected_at, contact: entry.clone() };
    ask(&workspace, &request, SettingQuestion::ChangeContact(Box::new(change))).await?;
    Ok(answers::data(&json!(entry)))
}

/// `DELETE /contacts/{id}`.
pub(in crate::gws_workspace) async fn remove(
    State(workspace): State<Arc<Workspace>>,
    Path(id): Path<String>,
    request: DeskRequest,
) -> Result<Response, ApiRefusal> {
    let ContactEntry { id, is_shared, .. } = contact(&workspace, &request, &id).await?;
    check_sharing(&request, is_shared)?;
    match ask(&workspace, &request, SettingQuestion::RemoveContact { id, is_shared }).await {
        // Somebody else has removed it just now, or the answer to that was lost.
        Err(refusal) if refusal.status() == StatusCode::NOT_FOUND => Ok(answers::done()),
        done => done.map(|_| answers::done()),
    }
}

/// A contact of a body, without its id and its time. Numbers lose what people write between digits.
fn written(body: &Value) -> Result<ContactEntry, ApiRefusal> {
    let data = part(body, "data")?;
    let own = |name: &str| Ok::<_, ApiRefusal>(text(data, name, name)?.unwrap_or_default());
    let is_shared = match data.get("isShared") {
        None | Some(Value::Null) => false,
        Some(flag) => {
            flag.as_bool().ok_or_else(|| ApiRefusal::bad_request("isShared: it is neither true nor false"))?
        }
    };
    Ok(ContactEntry {
        is_shared,
        name: own("name")?,
        numbers: written_numbers(data)?,
        email_address: own("emailAddress")?,
        company: own("company")?,
        note: own("note")?.replace("\r\n", "\n"),
        ..ContactEntry::default()
    })
}

/// When the contact was changed last, as the client has read it; none if it does not say that.
fn written_time(data: &Value) -> Result<Option<u64>, ApiRefusal> {
    match data.get("changedAt") {
        None | Some(Value::Null) => Ok(None),
        Some(time) => {
            let no_time = || ApiRefusal::bad_request("changedAt: it is no time as the contact has it");
            time.as_u64().map(Some).ok_or_else(no_time)
        }
    }
}

fn no_numbers() -> ApiRefusal {
    ApiRefusal::bad_request("numbers: it is no list of objects with type and number")
}

fn written_numbers(data: &Value) -> Result<Vec<ContactNumber>, ApiRefusal> {
    match data.get("numbers") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(list) => list.as_array().ok_or_else(no_numbers)?.iter().map(written_number).collect(),
    }
}

fn written_number(written: &Value) -> Result<ContactNumber, ApiRefusal> {
    let number = text(written, "number", "numbers")?.ok_or_else(no_numbers)?;
    let kind = text(written, "type", "numbers")?.map_or_else(|| KIND.to_owned(), |kind| kind.to_lowercase());
    Ok(ContactNumber { kind, number: number.replace(BETWEEN, "") })
}

// === contacts among targets ===

/// The contacts that a search for targets finds, and how many there are with those that are not told; `is_away` where they cannot be read:
/// the others are found all the same.
#[derive(Default)]
pub(super) struct FoundContacts {
    targets: Vec<Value>,
    total: usize,
    is_away: bool,
}

/// How many targets a search wants.
fn wanted_targets(asked: &[(&'static str, String)]) -> usize {
    let limit = asked.iter().find(|(name, _)| *name == "limit").and_then(|(_, limit)| limit.parse().ok());
    limit.unwrap_or(TOLD)
}

/// Whether a search for targets may find contacts.
fn is_about_contacts(asked: &[(&'static str, String)]) -> bool {
    let is_named = |types: &str| types.split(',').any(|named| named.trim().eq_ignore_ascii_case(UNTYPED));
    let is_of_others = |(name, value): &(&'static str, String)| match *name {
        "types" => !is_named(&value.replace('_', "-")),
        name => NOT_OF_CONTACTS.contains(&name) && value != "false",
    };
    !asked.iter().any(is_of_others)
}

/// The contacts among what a search for targets finds.
pub(super) async fn among_targets(
    workspace: &Workspace,
    request: &DeskRequest,
    asked: &[(&'static str, String)],
) -> FoundContacts {
    if !is_about_contacts(asked) {
        return FoundContacts::default();
    }
    let search_term = asked.iter().find(|(name, _)| *name == "searchTerm").map(|(_, term)| term.clone());
    let limit = Some(wanted_targets(asked).min(PAGE_MAX));
    match found(workspace, request, ContactQuery { search_term, limit, offset: None }).await {
        Ok(list) => {
            let targets = list.contacts.iter().map(as_target).collect();
            FoundContacts { targets, total: list.total_matches, is_away: false }
        }
        Err(_) => FoundContacts { is_away: true, ..FoundContacts::default() },
    }
}

impl FoundContacts {
    /// Puts them before the targets of an answer, which stays within what the search wants: they leave half of the places to others.
    pub(super) fn put_into(self, told: &mut Value, asked: &[(&'static str, String)]) {
        if self.is_away {
            told["withoutContacts"] = true.into();
        }
        if self.targets.is_empty() {
            return;
        }
        let limit = wanted_targets(asked);
        let total = told["totalMatches"].as_u64().unwrap_or_default() + self.total as u64;
        let others = told["targets"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let room = (limit / 2).max(limit.saturating_sub(others.len()));
        let mut targets: Vec<Value> = self.targets.into_iter().take(room).collect();
        let left = limit.saturating_sub(targets.len());
        targets.extend(others.into_iter().take(left));
        told["targets"] = targets.into();
        told["totalMatches"] = total.into();
    }
}

/// The contact that a target is; none where there is no such contact.
pub(super) async fn target(
    workspace: &Workspace,
    request: &DeskRequest,
    id: &str,
) -> Result<Option<Value>, ApiRefusal> {
    match contact(workspace, request, id).await {
        Ok(entry) => Ok(Some(json!({"targets": [as_target(&entry)], "totalMatches": 1}))),
        Err(refusal) if refusal.status() == StatusCode::NOT_FOUND => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// A contact as published clients read a target.
fn as_target(entry: &ContactEntry) -> Value {
    let emails = Some(entry.email_address.clone()).filter(|address| !address.is_empty());
    let kept = KeptTarget {
        target_type: UNTYPED.to_owned(),
        id: entry.id.clone(),
        name: Some(entry.name.clone()),
        email_addresses: emails.into_iter().collect(),
        numbers: entry.numbers.iter().map(|number| number.number.clone()).collect(),
        ..KeptTarget::default()
    };
    let mut target = shown(&kept);
    target.insert("isShared".to_owned(), entry.is_shared.into());
    if !entry.company.is_empty() {
        target.insert("company".to_owned(), entry.company.as_str().into());
    }
    Value::Object(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(parameters: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
        parameters.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
    }

    #[test]
    fn a_contact_is_read_as_people_write_it() {
        let read = written(&json!({"data": {
            "name": " Ines Iversen ", "numbers": [{"type": "MOBILE", "number": "+49 (30) 123-456"}, {"number": "7101"}],
            "company": null, "note": "at noon\r\nor later", "isShared": true,
        }}));
        let read = read.unwrap();
        assert_eq!(
            (read.name.as_str(), read.note.as_str(), read.is_shared),
            ("Ines Iversen", "at noon\nor later", true)
        );
        let numbers = read.numbers.iter().map(|number| (number.kind.as_str(), number.number.as_str()));
        assert_eq!(numbers.collect::<Vec<_>>(), [("mobile", "+4930123456"), ("work", "7101")]);
    }

    #[test]
    fn the_time_of_a_contact_is_read_where_it_is_said() {
        assert_eq!(written_time(&json!({"name": "Ines"})).unwrap(), None);
        assert_eq!(written_time(&json!({"changedAt": null})).unwrap(), None);
        assert_eq!(written_time(&json!({"changedAt": 7})).unwrap(), Some(7));
        for wrong in [json!({"changedAt": "7"}), json!({"changedAt": -1}), json!({"changedAt": 1.5})] {
            let refused = written_time(&wrong).unwrap_err();
            assert!(refused.message().starts_with("changedAt: "), "{wrong}: {}", refused.message());
        }
    }

    #[test]
    fn what_is_wrong_with_a_body_is_named() {
        for (data, field) in [
            (json!(null), "data"),
            (json!({"name": 7}), "name"),
            (json!({"name": "Ines", "isShared": "yes"}), "isShared"),
            (json!({"name": "Ines", "numbers": "7101"}), "numbers"),
            (json!({"name": "Ines", "numbers": [{"type": "work"}]}), "numbers"),
            (json!({"name": "Ines", "numbers": [7101]}), "numbers"),
        ] {
            let refused = written(&json!({ "data": data })).unwrap_err();
            assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
            assert!(refused.message().starts_with(&format!("{field}: ")), "{}", refused.message());
        }
    }

    #[test]
    fn contacts_are_found_where_a_search_may_mean_them() {
        for (parameters, due) in [
            (&[("searchTerm", "x")][..], true),
            (&[("types", "agent,CUSTOM_CONTACT")][..], true),
            (&[("types", "agent, custom-contact"), ("pages", "false")][..], true),
            (&[("types", "agent")][..], false),
            (&[("restrictToGroup", "Sales")][..], false),
            (&[("pages", "true")][..], false),
            (&[("continueFrom", "x")][..], false),
        ] {
            assert_eq!(is_about_contacts(&asked(parameters)), due, "{parameters:?}");
        }
    }

    #[test]
    fn contacts_stand_before_others_and_leave_half_of_the_places_to_them() {
        let put = |contacts: usize, others: usize, limit: &str| {
            let targets = (0..contacts).map(|n| json!(format!("c{n}"))).collect();
            let found = FoundContacts { targets, total: contacts, is_away: false };
            let others: Vec<Value> = (0..others).map(|n| json!(format!("o{n}"))).collect();
            let mut told = json!({"targets": others, "totalMatches": others.len()});
            found.put_into(&mut told, &asked(&[("limit", limit)]));
            let names = told["targets"].as_array().unwrap().iter().filter_map(Value::as_str).collect::<Vec<_>>();
            (names.join(" "), told["totalMatches"].clone())
        };
        assert_eq!(put(3, 1, "10"), ("c0 c1 c2 o0".to_owned(), json!(4)));
        assert_eq!(put(3, 4, "4"), ("c0 c1 o0 o1".to_owned(), json!(7)));
        assert_eq!(put(5, 1, "4"), ("c0 c1 c2 o0".to_owned(), json!(6)));
        assert_eq!(put(2, 1, "1"), ("o0".to_owned(), json!(3)));
        assert_eq!(put(0, 2, "2"), ("o0 o1".to_owned(), json!(2)));
        let mut told = json!({"targets": [], "totalMatches": 0});
        FoundContacts { is_away: true, ..FoundContacts::default() }.put_into(&mut told, &[]);
        assert_eq!(told, json!({"targets": [], "totalMatches": 0, "withoutContacts": true}));
    }

    #[test]
    fn a_contact_is_a_target_that_published_clients_can_read() {
        let numbers = vec![ContactNumber { kind: "work".to_owned(), number: "+4930123456".to_owned() }];
        let entry = ContactEntry { id: "a1".to_owned(), name: "Ines".to_owned(), numbers, ..ContactEntry::default() };
        let target = as_target(&entry);
        assert_eq!((&target["type"], &target["id"], &target["name"]), (&json!(UNTYPED), &json!("a1"), &json!("Ines")));
        assert_eq!((&target["number"], &target["isShared"]), (&json!("+4930123456"), &json!(false)));
        assert!(target["DBID"].is_u64() && target.get("company").is_none(), "{target}");
    }
}
