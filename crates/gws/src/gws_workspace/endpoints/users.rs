//! The agents whom a supervisor looks after, and their states.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use net::http::Query;
use runtime::scope::AGENTS_SUPERVISE;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::behind::{ConfigurationFault, FoundEntries};
use super::super::desk::{VoiceAction, VoiceOperation};
use super::super::reporting::WantedStatistic;
use super::super::request::DeskRequest;
use super::super::session::DeskSession;
use super::super::{Workspace, availability};
use super::configuration::refused;
use super::managed;
use super::operations::replied;
use super::targets::{checked, read};
use crate::sessions::answers::{self, ApiRefusal, read_body};

/// The most users that are looked at for those in some states, and how many are told where nobody says it.
const LOOKED_AT_MAX: usize = 500;
const LIMIT: usize = 50;

/// Which users are wanted.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::gws_workspace) struct AskedUsers {
    search_term: Option<String>,
    group_id: Option<String>,
    states: Option<String>,
    sort: Option<String>,
    limit: Option<String>,
    offset: Option<String>,
}

/// A part of a list.
struct WantedPage {
    offset: usize,
    limit: usize,
}

pub(super) fn check_supervisor(session: &DeskSession) -> Result<(), ApiRefusal> {
    let may = session.sign_in().person.scopes.iter().any(|scope| scope == AGENTS_SUPERVISE);
    may.then_some(()).ok_or_else(|| ApiRefusal::forbidden(format!("this needs the scope {AGENTS_SUPERVISE}")))
}

/// The states of a list, each of which there is.
fn states_of(listed: Option<&str>) -> Result<Vec<String>, ApiRefusal> {
    let names = listed.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
    let known = |name: &str| match availability::is_state(name) {
        true => Ok(name.to_owned()),
        false => Err(ApiRefusal::bad_request(format!("states: {name:.64} is none of LoggedOut, NotReady, Ready"))),
    };
    names.map(known).collect()
}

/// `GET /users`: the agents of the groups that the person manages; all agents where the person manages none.
pub(in crate::gws_workspace) async fn list(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
    Query(asked): Query<AskedUsers>,
) -> Result<Response, ApiRefusal> {
    let session = request.session;
    check_supervisor(&session)?;
    let states = states_of(asked.states.as_deref())?;
    let AskedUsers { search_term, group_id, sort, limit, offset, .. } = asked;
    let number =
        |text: &Option<String>, otherwise| text.as_deref().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let page = WantedPage { offset: number(&offset, 0), limit: number(&limit, LIMIT).min(LOOKED_AT_MAX) };
    let mut parameters = checked([
        ("searchTerm", search_term),
        ("groupId", group_id),
        ("sort", sort),
        ("limit", limit),
        ("offset", offset),
    ])?;
    let sign_in = session.sign_in();
    parameters.push(("manager", sign_in.person.user));
    if !states.is_empty() {
        // Who is in a state is known here alone.
        parameters.retain(|(name, _)| !matches!(*name, "limit" | "offset"));
        parameters.push(("limit", LOOKED_AT_MAX.to_string()));
    }
    let found = workspace.parts.configuration.users(sign_in.person.tenant, parameters).await;
    let found = found.map_err(|fault| refused(&fault))?;
    if !states.is_empty() && found.total > found.entries.len() as u64 {
        let rule =
            format!("states: there are more than {LOOKED_AT_MAX} agents to look at; name a groupId or a searchTerm");
        return Err(ApiRefusal::bad_request(rule));
    }
    Ok(answers::data(&shown(&workspace, &session, found, &states, &page).await?))
}

async fn shown(
    workspace: &Workspace,
    session: &DeskSession,
    found: FoundEntries,
    states: &[String],
    page: &WantedPage,
) -> Result<Value, ApiRefusal> {
    let FoundEntries { entries: mut users, mut total } = found;
    let of = |users: &[Value]| users.iter().map(availability::statistic_of_user).collect::<Vec<_>>();
    let values = read(workspace, session, &of(&users)).await;
    if !states.is_empty() {
        if !values.unread.is_empty() {
            return Err(ApiRefusal::unavailable("states: they cannot be read now"));
        }
        users.retain(|user| {
            let Some(statistic) = availability::statistic_of_user(user) else {
                return availability::is_in(None, states);
            };
            match values.values.get(&statistic) {
                Some(value) => availability::is_in(Some(&**value), states),
                // Of whom nothing is known yet, nobody says that they are logged out.
                None => values.refused.contains_key(&statistic) && availability::is_in(None, states),
            }
        });
        total = users.len() as u64;
        users = users.into_iter().skip(page.offset).take(page.limit).collect();
    }
    for user in &mut users {
        let statistic: Option<WantedStatistic> = availability::statistic_of_user(user);
        availability::attach(user, statistic.as_ref(), &values);
    }
    Ok(json!({"users": users, "totalMatches": total}))
}

/// `POST /users/{dbid}/voice/{operation}`: sets the state of an agent, who is named by number or by user name.
pub(in crate::gws_workspace) async fn operate(
    State(workspace): State<Arc<Workspace>>,
    Path((user, operation)): Path<(String, String)>,
    request: DeskRequest,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let body = read_body(&body)?;
    check_supervisor(&request.session)?;
    let dn = dn_of(&workspace, &request.session, &user).await?;
    supervised(&request.session, read_operation(&operation, &with_dn(body, dn))?).await
}

/// `POST /supervisor/voice/{operation}`: the same for an agent who is named by DN or by user name.
pub(in crate::gws_workspace) async fn supervise(
    State(workspace): State<Arc<Workspace>>,
    Path(operation): Path<String>,
    request: DeskRequest,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let body = read_body(&body)?;
    let named = |field: &str| {
        let inner = body.get("data").and_then(|data| data.get(field));
        inner.or_else(|| body.get(field)).and_then(Value::as_str).filter(|text| !text.is_empty())
    };
    let dn = match named("userName") {
        Some(user) => {
            check_supervisor(&request.session)?;
            let dn = dn_of(&workspace, &request.session, user).await?;
            if named("dn").is_some_and(|named| named != dn) {
                return Err(ApiRefusal::conflict(format!("dn: the agent {user:.64} is logged in elsewhere")));
            }
            Some(dn)
        }
        None => None,
    };
    let operation = match dn {
        Some(dn) => read_operation(&operation, &with_dn(body, dn))?,
        None => {
            let operation = read_operation(&operation, &body)?;
            if let VoiceAction::Supervise { dn, .. } = &operation.action {
                check_supervisor(&request.session)?;
                managed::check_dn(&workspace, &request.session, "dn", dn).await?;
            }
            operation
        }
    };
    supervised(&request.session, operation).await
}

fn read_operation(operation: &str, body: &Value) -> Result<VoiceOperation, ApiRefusal> {
    Ok(VoiceOperation::read_supervisor(operation.trim_end_matches('/'), body)?)
}

async fn supervised(session: &DeskSession, operation: VoiceOperation) -> Result<Response, ApiRefusal> {
    replied(session.operate(|desk, reply, now| desk.operate(operation, reply, now))?).await
}

/// The body with that DN in its data.
fn with_dn(mut body: Value, dn: String) -> Value {
    if !body.is_object() {
        body = json!({});
    }
    if !body["data"].is_object() {
        body["data"] = json!({});
    }
    body["data"]["dn"] = dn.into();
    body
}

/// The DN at which an agent is logged in, as its state says: at the phone of its place somebody else may sit.
async fn dn_of(workspace: &Workspace, session: &DeskSession, user: &str) -> Result<String, ApiRefusal> {
    let tenant = session.sign_in().person.tenant;
    let found = workspace.parts.configuration.target(tenant, "agent".to_owned(), user.to_owned()).await;
    let agents = match found {
        Ok(found) => found.entries,
        Err(ConfigurationFault::Unknown(_)) => Vec::new(),
        Err(fault) => return Err(refused(&fault)),
    };
    let agent = match agents.as_slice() {
        [] => return Err(ApiRefusal::not_found(format!("there is no agent {user:.64}"))),
        [agent] => agent,
        _ => {
            let message = format!("{user:.64} is what several agents are called: name one by its user name");
            return Err(ApiRefusal::conflict(message));
        }
    };
    managed::check_agent(workspace, session, agent["userName"].as_str().unwrap_or_default()).await?;
    let statistic = availability::statistic_of(agent);
    let values = read(workspace, session, std::slice::from_ref(&statistic)).await;
    let value = statistic.and_then(|statistic| values.values.get(&statistic));
    let unknown = || ApiRefusal::unavailable(format!("where the agent {user:.64} is logged in is not known now"));
    let dn = availability::dn(value.ok_or_else(unknown)?);
    let dn = dn.ok_or_else(|| ApiRefusal::conflict(format!("the agent {user:.64} is not logged in")))?;
    Ok(dn.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dn_is_put_into_whatever_body_there_is() {
        let dn = json!({"data": {"dn": "7101"}});
        assert_eq!(with_dn(Value::Null, "7101".to_owned()), dn);
        assert_eq!(with_dn(json!({"data": null}), "7101".to_owned()), dn);
        let body = json!({"data": {"userName": "ann", "reasonCode": "Lunch"}, "operationId": "o"});
        let wanted = json!({"data": {"userName": "ann", "reasonCode": "Lunch", "dn": "7101"}, "operationId": "o"});
        assert_eq!(with_dn(body, "7101".to_owned()), wanted);
    }

    #[test]
    fn states_that_there_are_not_are_named() {
        assert_eq!(states_of(Some("ready, NotReady")).unwrap(), ["ready", "NotReady"]);
        assert!(states_of(None).unwrap().is_empty());
        assert!(states_of(Some("ready,Busy")).unwrap_err().message().starts_with("states: Busy"));
    }
}
