//! Who has an agent id or a login code.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use contracts::provisioning::{Agent, Object, ObjectKind, Person};
use runtime::{Caller, Problem};

use super::{Answer, copy_for, json_of, versioned};
use crate::config::copies::{Copies, TenantCopy};

pub(super) async fn agent(
    State(copies): State<Copies>,
    caller: Caller,
    Path((tenant, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let copy = copy_for(&copies, &caller, &tenant)?;
    person_with(&copy, &headers, |agent| agent.id == id)
}

/// The person who logs in with a code: one of their own settings, or one of an object.
pub(super) async fn agent_login(
    State(copies): State<Copies>,
    caller: Caller,
    Path((tenant, code)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let copy = copy_for(&copies, &caller, &tenant)?;
    let held = copy.get(ObjectKind::AgentLogin, &code);
    let Some(Object::AgentLogin(login)) = held else {
        return person_with(&copy, &headers, |agent| agent.login_code == code);
    };
    let person = login.person.as_deref().and_then(|person| copy.get(ObjectKind::Person, person));
    let person = person.ok_or_else(|| Problem::not_found("nobody logs in with that code"))?;
    versioned(&headers, copy.version, &json_of(person))
}

fn person_with(copy: &TenantCopy, headers: &HeaderMap, wanted: impl Fn(&Agent) -> bool) -> Answer {
    let is_it = |person: &Person| person.agent.as_ref().is_some_and(&wanted);
    let found = copy.of_kind(ObjectKind::Person).find(|object| matches!(object, Object::Person(p) if is_it(p)));
    let found = found.ok_or_else(|| Problem::not_found("there is no such agent"))?;
    versioned(headers, copy.version, &json_of(found))
}
