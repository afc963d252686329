//! Whom a supervisor looks after: those that `GET /users` shows. Whoever manages groups has no say over the agents of others.

use serde_json::Value;

use super::super::behind::FoundEntries;
use super::super::desk::Desk;
use super::super::session::DeskSession;
use super::super::{Workspace, availability};
use super::configuration::refused;
use super::targets::read;
use crate::sessions::answers::ApiRefusal;

/// The agents of a question, and the most among whom it is looked who works at a DN.
const PAGE: usize = 500;
const LOOKED_AT_MAX: usize = 2_000;

async fn users(
    workspace: &Workspace,
    session: &DeskSession,
    is_managed: bool,
    further: &[(&'static str, String)],
) -> Result<FoundEntries, ApiRefusal> {
    let person = session.sign_in().person;
    let mut parameters = further.to_vec();
    if is_managed {
        parameters.push(("manager", person.user));
    }
    let found = workspace.parts.configuration.users(person.tenant, parameters).await;
    found.map_err(|fault| refused(&fault))
}

/// Whether the person looks after some agents, and not after others. Who manages no group looks after all.
async fn is_bounded(workspace: &Workspace, session: &DeskSession) -> Result<bool, ApiRefusal> {
    let one = [("limit", "1".to_owned())];
    let all = users(workspace, session, false, &one).await?.total;
    Ok(users(workspace, session, true, &one).await?.total < all)
}

fn is(entry: &Value, field: &str, value: &str) -> bool {
    entry[field].as_str().is_some_and(|own| own.eq_ignore_ascii_case(value))
}

/// Those with a field of that value, found by it.
async fn is_there(
    workspace: &Workspace,
    session: &DeskSession,
    is_managed: bool,
    (field, value): (&str, &str),
) -> Result<bool, ApiRefusal> {
    let asked = [("searchTerm", value.to_owned()), ("limit", PAGE.to_string())];
    let found = users(workspace, session, is_managed, &asked).await?;
    Ok(found.entries.iter().any(|entry| is(entry, field, value)))
}

/// Refuses what is about an agent whom the person does not look after.
///
/// # Errors
/// 403; 503 if it cannot be told now.
pub(super) async fn check_agent(workspace: &Workspace, session: &DeskSession, user: &str) -> Result<(), ApiRefusal> {
    if !is_bounded(workspace, session).await? || is_there(workspace, session, true, ("userName", user)).await? {
        return Ok(());
    }
    Err(ApiRefusal::forbidden(format!("the agent {user:.64} is in no group that you manage")))
}

/// Refuses what is about a DN at which nobody works whom the person looks after.
///
/// # Errors
/// 403, which names the parameter; 503 if it cannot be told now.
pub(super) async fn check_dn(
    workspace: &Workspace,
    session: &DeskSession,
    parameter: &str,
    dn: &str,
) -> Result<(), ApiRefusal> {
    let is_own = session.shown(|desk: &Desk| desk.working_dn() == Some(dn));
    if is_own || !is_bounded(workspace, session).await? {
        return Ok(());
    }
    let agents = managed_agents(workspace, session, parameter).await?;
    let statistics: Vec<_> = agents.iter().map(availability::statistic_of_user).collect();
    let states = read(workspace, session, &statistics).await;
    if states.values.values().any(|state| availability::dn(state) == Some(dn)) {
        return Ok(());
    }
    if !states.unread.is_empty() {
        return Err(ApiRefusal::unavailable(format!("{parameter}: who works at {dn:.64} is not known now")));
    }
    Err(ApiRefusal::forbidden(format!("{parameter}: at {dn:.64} works no agent of a group that you manage")))
}

/// Refuses to send a call to the phone of an agent whom the person does not look after. All other numbers are free.
///
/// # Errors
/// As [`check_dn`].
pub(super) async fn check_destination(
    workspace: &Workspace,
    session: &DeskSession,
    number: &str,
) -> Result<(), ApiRefusal> {
    let is_dn = number.chars().all(|one| one.is_ascii_alphanumeric() || "-_.".contains(one));
    if !is_dn || !is_bounded(workspace, session).await? {
        return Ok(());
    }
    let phone = ("number", number);
    let is_anybodys = is_there(workspace, session, false, phone).await?;
    if !is_anybodys || is_there(workspace, session, true, phone).await? {
        return Ok(());
    }
    // One of theirs may work there today.
    check_dn(workspace, session, "destination", number).await
}

async fn managed_agents(
    workspace: &Workspace,
    session: &DeskSession,
    parameter: &str,
) -> Result<Vec<Value>, ApiRefusal> {
    let mut agents: Vec<Value> = Vec::new();
    loop {
        let page = [("limit", PAGE.to_string()), ("offset", agents.len().to_string())];
        let found = users(workspace, session, true, &page).await?;
        let is_last = found.entries.len() < PAGE;
        agents.extend(found.entries);
        if is_last {
            return Ok(agents);
        }
        if agents.len() >= LOOKED_AT_MAX {
            let rule = format!("{parameter}: you manage more than {LOOKED_AT_MAX} agents; name the agent by userName");
            return Err(ApiRefusal::bad_request(rule));
        }
    }
}
