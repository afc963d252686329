//! `/Groups`: privileges, each a group of the people who have it. There are those that there are: none is made, renamed or deleted.

use std::collections::{HashMap, HashSet};

use axum::extract::{Path, RawQuery};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use contracts::provisioning::Privilege;
use contracts::v1;
use serde_json::{Map, Value, json};

use super::answers::{IfMatch, ScimBody, document};
use super::group::{CHANGES_MAX, GroupFilter, Membership, display_name, member, privileges_after, too_many};
use super::listing::{ListAsked, ListWindow};
use super::patch::operations;
use super::people::{self, FoundPerson, ScimPeople, Unchanged};
use super::syntax::GROUP_SCHEMA;
use super::users::{ATTEMPTS_MAX, crowded};
use crate::scim_error::{ScimError, ScimType};

/// The most members that a group is shown with.
const MEMBERS_MAX: usize = 10_000;
/// The most characters of an id that an error names.
const SHOWN_CHARS_MAX: usize = 255;

fn privilege(id: &str) -> Result<Privilege, ScimError> {
    Privilege::parse(id).ok_or_else(|| ScimError::not_found("there is no such group"))
}

/// A group as SCIM shows it. One with more members than are shown is shown without any.
async fn resource(of: Privilege, people: &ScimPeople, asked: &ListAsked) -> Result<Value, ScimError> {
    let members = if asked.shown.has("members") { members(of, people).await?.shown() } else { None };
    Ok(shown(of, people, asked, members))
}

fn shown(of: Privilege, people: &ScimPeople, asked: &ListAsked, members: Option<Vec<Value>>) -> Value {
    let mut group = json!({
        "schemas": [GROUP_SCHEMA],
        "id": of.as_str(),
        "displayName": display_name(of),
        "meta": { "resourceType": "Group", "location": people.location(&format!("Groups/{}", of.as_str())) },
    });
    if let Some(members) = members {
        group["members"] = Value::Array(members);
    }
    asked.shown.of(group)
}

/// The members of a group, as many as are shown, and how many there are.
#[derive(Default)]
struct GroupMembers {
    first: Vec<Value>,
    count: usize,
}

impl GroupMembers {
    fn sees(&mut self, member: impl FnOnce() -> Value) {
        self.count += 1;
        if self.count <= MEMBERS_MAX {
            self.first.push(member());
        }
    }

    /// All of them; none where they are too many.
    fn shown(self) -> Option<Vec<Value>> {
        (self.count <= MEMBERS_MAX).then_some(self.first)
    }
}

async fn members(of: Privilege, people: &ScimPeople) -> Result<GroupMembers, ScimError> {
    let mut members = GroupMembers::default();
    let sees = |found: FoundPerson| {
        let id = &found.person.user_name;
        members.sees(|| member(id, &found.person.display_name(), &people.user_location(id)));
    };
    people.each(having(of), sees).await?;
    Ok(members)
}

/// What tenant looks for: who has a privilege.
fn having(privilege: Privilege) -> HashMap<String, String> {
    HashMap::from([("privileges".to_owned(), privilege.as_str().to_owned())])
}

pub(super) async fn list(people: ScimPeople, RawQuery(query): RawQuery) -> Result<Response, ScimError> {
    let asked = ListAsked::read(query.as_deref())?;
    people.may_read().await?;
    let filter = asked.filter.as_deref().map(GroupFilter::parse).transpose()?.unwrap_or_default();
    let mut window = ListWindow::new(&asked);
    Privilege::ALL.into_iter().filter(|of| filter.takes(*of)).for_each(|of| window.sees(of));
    let mut groups = HashMap::new();
    for of in window.items() {
        groups.insert(*of, resource(*of, &people, &asked).await?);
    }
    let told = window.told(|of| groups.get(of).cloned().unwrap_or_default());
    Ok(document(StatusCode::OK, &told))
}

pub(super) async fn show(
    people: ScimPeople,
    Path((_, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, ScimError> {
    let asked = ListAsked::read(query.as_deref())?;
    people.may_read().await?;
    let of = privilege(&id)?;
    if !asked.shown.has("members") {
        return Ok(document(StatusCode::OK, &shown(of, &people, &asked, None)));
    }
    let members = members(of, &people).await?;
    if members.count > MEMBERS_MAX {
        let count = members.count;
        let detail = format!("members: {count} are more than {MEMBERS_MAX}: ask with excludedAttributes=members");
        return Err(ScimError::bad(ScimType::TooMany, detail));
    }
    Ok(document(StatusCode::OK, &shown(of, &people, &asked, members.shown())))
}

pub(super) async fn put(
    people: ScimPeople,
    Path((_, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    ScimBody(body): ScimBody,
) -> Result<Response, ScimError> {
    let asked = ListAsked::read(query.as_deref())?;
    let of = privilege(&id)?;
    IfMatch::of(&headers).holds_without_version()?;
    change(&people, of, &Membership::put(&body, of)?).await?;
    Ok(document(StatusCode::OK, &resource(of, &people, &asked).await?))
}

pub(super) async fn patch(
    people: ScimPeople,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
    ScimBody(body): ScimBody,
) -> Result<StatusCode, ScimError> {
    let of = privilege(&id)?;
    IfMatch::of(&headers).holds_without_version()?;
    change(&people, of, &Membership::patched(&operations(&body)?, of)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives and takes a privilege, from all people or from none.
async fn change(people: &ScimPeople, of: Privilege, wanted: &Membership) -> Result<(), ScimError> {
    for _ in 0..ATTEMPTS_MAX {
        let changes = changes(people, of, wanted).await?;
        if changes.is_empty() {
            return Ok(());
        }
        match people.change(changes).await {
            Ok(()) => return Ok(()),
            Err(Unchanged::Stale) => {}
            Err(Unchanged::Refused(error)) => return Err(error),
        }
    }
    Err(crowded())
}

async fn changes(people: &ScimPeople, of: Privilege, wanted: &Membership) -> Result<Vec<v1::ChangeObject>, ScimError> {
    let mut touched = Vec::new();
    let mut members = HashSet::new();
    if wanted.is_about_many() {
        let sees = |found: FoundPerson| {
            let user = &found.person.user_name;
            if wanted.named.contains_key(user) {
                members.insert(user.clone());
            }
            // One more than may change says that they are too many.
            if !wanted.wants(user, true) && touched.len() <= CHANGES_MAX {
                touched.push(found);
            }
        };
        people.each(having(of), sees).await?;
    }
    let sought = wanted.sought(wanted.is_about_many().then_some(&members));
    if touched.len() + sought.len() > CHANGES_MAX {
        return Err(too_many());
    }
    for user in sought {
        match people.find(user).await?.filter(|found| found.person.user_name == user) {
            Some(found) => touched.push(found),
            None if wanted.wants(user, false) => {
                let user: String = user.chars().take(SHOWN_CHARS_MAX).collect();
                return Err(ScimError::value("members", &format!("{user:?} is the id of no user")));
            }
            None => {}
        }
    }
    let mut changes = Vec::new();
    for found in touched {
        let is_member = found.person.privileges.contains(&of);
        let is_wanted = wanted.wants(&found.person.user_name, is_member);
        if is_member != is_wanted {
            changes.push(people::merge(&found, changed(&found, of, is_wanted)?));
        }
    }
    if changes.len() > CHANGES_MAX { Err(too_many()) } else { Ok(changes) }
}

/// The fields of a person who gets a privilege, or loses it.
fn changed(found: &FoundPerson, of: Privilege, is_wanted: bool) -> Result<Map<String, Value>, ScimError> {
    let after = privileges_after(&found.person.privileges, of, is_wanted);
    if after.is_empty() && found.person.agent.is_some() {
        let rule =
            "members: who has settings as an agent keeps this privilege; take the settings away in Agent Setup first";
        return Err(ScimError::bad(ScimType::Mutability, rule));
    }
    Ok(Map::from_iter([("privileges".to_owned(), json!(after))]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_of_too_many_is_shown_without_members() {
        let mut members = GroupMembers::default();
        (0..MEMBERS_MAX).for_each(|number| members.sees(|| json!(number)));
        members.sees(|| panic!("it is counted alone"));
        assert_eq!((members.count, members.first.len()), (MEMBERS_MAX + 1, MEMBERS_MAX));
        assert_eq!(members.shown(), None);
        let mut one = GroupMembers::default();
        one.sees(|| json!("ann"));
        assert_eq!(one.shown(), Some(vec![json!("ann")]));
    }
}
