//! `/Users`: people of the tenant.

use axum::extract::{Path, RawQuery};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use contracts::provisioning::Privilege;
use serde_json::{Value, json};

use super::answers::{IfMatch, ScimBody, document, tagged, version};
use super::group::display_name;
use super::listing::{ListAsked, ListWindow};
use super::patch::{operations, patched};
use super::people::{self, FoundPerson, ScimPeople, Unchanged};
use super::syntax::USER_SCHEMA;
use super::user::{UserDraft, emails};
use super::user_filter::UserFilter;
use crate::scim_error::ScimError;

/// How often a change begins again because somebody else changes the same person.
pub(super) const ATTEMPTS_MAX: usize = 4;

/// 409 for a change that others were always faster than.
pub(super) fn crowded() -> ScimError {
    ScimError::new(StatusCode::CONFLICT, "somebody else changes the same at the same time: ask again")
}

/// A user as SCIM shows it.
fn resource(found: &FoundPerson, people: &ScimPeople) -> Value {
    let person = &found.person;
    let group = |of: &Privilege| {
        let location = people.location(&format!("Groups/{}", of.as_str()));
        json!({ "value": of.as_str(), "$ref": location, "display": display_name(*of) })
    };
    let groups: Vec<Value> = person.privileges.iter().map(group).collect();
    let mut user = json!({
        "schemas": [USER_SCHEMA],
        "id": person.user_name,
        "userName": person.user_name,
        "name": {
            "formatted": person.display_name(),
            "givenName": person.first_name,
            "familyName": person.last_name,
        },
        "displayName": person.display_name(),
        "active": !person.disabled,
        "groups": groups,
        "meta": {
            "resourceType": "User",
            "location": people.user_location(&person.user_name),
            "version": version(found.revision),
        },
    });
    if let Some(email) = &person.email {
        user["emails"] = emails(email);
    }
    if let Some(id) = &person.external_id {
        user["externalId"] = json!(id);
    }
    user
}

/// The answer with a user.
fn shown(status: StatusCode, found: &FoundPerson, people: &ScimPeople, asked: &ListAsked) -> Response {
    let user = asked.shown.of(resource(found, people));
    tagged(document(status, &user), found.revision)
}

pub(super) async fn list(people: ScimPeople, RawQuery(query): RawQuery) -> Result<Response, ScimError> {
    let asked = ListAsked::read(query.as_deref())?;
    let filter = asked.filter.as_deref().map(UserFilter::parse).transpose()?.unwrap_or_default();
    let mut window = ListWindow::new(&asked);
    if let Some(name) = filter.only_one() {
        people
            .find(name)
            .await?
            .into_iter()
            .filter(|found| filter.takes(&found.person))
            .for_each(|one| window.sees(one));
    } else {
        let sees = |found: FoundPerson| {
            if filter.takes(&found.person) {
                window.sees(found);
            }
        };
        people.each(filter.narrowed(), sees).await?;
    }
    let told = window.told(|found| asked.shown.of(resource(found, &people)));
    Ok(document(StatusCode::OK, &told))
}

pub(super) async fn show(
    people: ScimPeople,
    Path((_, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ScimError> {
    let asked = ListAsked::read(query.as_deref())?;
    let found = people.get(&id).await?;
    if net::http::has_already(&headers, &format!("\"{}\"", found.revision)) {
        return Ok(tagged(StatusCode::NOT_MODIFIED.into_response(), found.revision));
    }
    Ok(shown(StatusCode::OK, &found, &people, &asked))
}

pub(super) async fn create(
    people: ScimPeople,
    RawQuery(query): RawQuery,
    ScimBody(body): ScimBody,
) -> Result<Response, ScimError> {
    let asked = ListAsked::read(query.as_deref())?;
    let draft = UserDraft::new(&body)?;
    match people.change(vec![people::create(draft.id(), &draft.document())]).await {
        Ok(()) => {}
        Err(Unchanged::Stale) => return Err(ScimError::taken("userName: there is such a user already")),
        Err(Unchanged::Refused(error)) => return Err(error),
    }
    let found = people.get(draft.id()).await?;
    let mut response = shown(StatusCode::CREATED, &found, &people, &asked);
    if let Ok(location) = HeaderValue::from_str(&people.user_location(draft.id())) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

pub(super) async fn put(
    people: ScimPeople,
    Path((_, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    ScimBody(body): ScimBody,
) -> Result<Response, ScimError> {
    let asked = ListAsked::read(query.as_deref())?;
    let edited = |draft: UserDraft| draft.replaced(&body);
    let found = changed(&people, &id, &IfMatch::of(&headers), edited).await?;
    Ok(shown(StatusCode::OK, &found, &people, &asked))
}

pub(super) async fn patch(
    people: ScimPeople,
    Path((_, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    ScimBody(body): ScimBody,
) -> Result<Response, ScimError> {
    let asked = ListAsked::read(query.as_deref())?;
    let operations = operations(&body)?;
    let edited = |draft: UserDraft| patched(draft, &operations);
    let found = changed(&people, &id, &IfMatch::of(&headers), edited).await?;
    Ok(shown(StatusCode::OK, &found, &people, &asked))
}

/// Changes a user, from what it is now.
async fn changed(
    people: &ScimPeople,
    id: &str,
    if_match: &IfMatch,
    edited: impl Fn(UserDraft) -> Result<UserDraft, ScimError>,
) -> Result<FoundPerson, ScimError> {
    for _ in 0..ATTEMPTS_MAX {
        let found = people.get(id).await?;
        if_match.holds(found.revision)?;
        let changes = edited(UserDraft::of(&found.person))?.changes_of(&found.person);
        if changes.is_empty() {
            return Ok(found);
        }
        match people.change(vec![people::merge(&found, changes)]).await {
            Ok(()) => return people.get(id).await,
            Err(Unchanged::Stale) => {}
            Err(Unchanged::Refused(error)) => return Err(error),
        }
    }
    Err(crowded())
}

pub(super) async fn delete(
    people: ScimPeople,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, ScimError> {
    let if_match = IfMatch::of(&headers);
    for _ in 0..ATTEMPTS_MAX {
        let found = people.get(&id).await?;
        if_match.holds(found.revision)?;
        // A person whom a group names is not deleted, and SCIM does not know these groups.
        let mut changes = people.leaves_groups(&found.person.user_name).await?;
        changes.push(people::delete(&found));
        match people.change(changes).await {
            Ok(()) => return Ok(StatusCode::NO_CONTENT),
            Err(Unchanged::Stale) => {}
            Err(Unchanged::Refused(error)) => return Err(error),
        }
    }
    Err(crowded())
}
