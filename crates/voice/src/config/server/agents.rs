//! Who has an agent id or a login code.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use contracts::provisioning::{Object, ObjectKind};
use runtime::{Caller, Problem};

use super::{Answer, copy_for, json_of, versioned};
use crate::config::copies::Copies;

pub(super) async fn agent(
    State(copies): State<Copies>,
    caller: Caller,
    Path((tenant, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let copy = copy_for(&copies, &caller, &tenant)?;
    let person = copy.person_with_agent_id(&id).ok_or_else(|| Problem::not_found("there is no such agent"))?;
    versioned(&headers, copy.version, &json_of(person))
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
        let person = copy.person_with_login_code(&code).ok_or_else(|| Problem::not_found("there is no such agent"))?;
        return versioned(&headers, copy.version, &json_of(person));
    };
    let person = login.person.as_deref().and_then(|person| copy.get(ObjectKind::Person, person));
    let person = person.ok_or_else(|| Problem::not_found("nobody logs in with that code"))?;
    versioned(&headers, copy.version, &json_of(person))
}
