//! `GET …/sign-ins`: what has happened at signing in, the latest first.

use axum::Json;
use axum::extract::State;
use contracts::json::{read_rfc3339, rfc3339};
use contracts::v1;
use model::Timestamp;
use net::http::{Problem, Query};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answers::SetupRefusal;
use super::provisioning::{Provisioning, SetupCaller};

/// Whose, and of when.
#[derive(Deserialize)]
pub(super) struct SignInsQuery {
    person: Option<String>,
    event: Option<String>,
    since: Option<String>,
    until: Option<String>,
    page_size: Option<u32>,
    page_token: Option<String>,
}

/// Something that has happened. What is not known is empty.
#[derive(Serialize, JsonSchema)]
struct ShownSignIn {
    /// When; of several, when the last of them was.
    at: String,
    /// As `signed_in`, `refused` or `signed_out`.
    event: String,
    /// As `password`, `second_factor` or `recovery_code`.
    way: String,
    /// Whom it is about: `person/<user name>` or `client/<id>`; empty where nobody has the name that was typed.
    subject: String,
    /// Who has done it, where the subject may not have.
    by: String,
    /// The client at which it happened.
    client: String,
    /// The browser's session, or the sign-in at a program (`sid`).
    session: String,
    /// The address that it came from; the network of a site (IPv6).
    source: String,
    /// What the browser or program calls itself.
    user_agent: String,
    /// How often, within a minute.
    times: u32,
}

/// A page of what has happened at signing in.
#[derive(Serialize, JsonSchema)]
pub(super) struct SignInsShown {
    items: Vec<ShownSignIn>,
    /// Asks for the page behind this one; empty on the last.
    next_page_token: String,
}

fn shown(entry: v1::SignInAuditEntry) -> ShownSignIn {
    ShownSignIn {
        at: rfc3339(Timestamp::from_millis(entry.at_ms)),
        event: entry.event,
        way: entry.way,
        subject: entry.subject,
        by: entry.by,
        client: entry.client,
        session: entry.session,
        source: entry.source,
        user_agent: entry.user_agent,
        times: entry.times,
    }
}

/// A time of the query, in milliseconds; 0 where none is said.
fn moment(field: &str, text: Option<&str>) -> Result<u64, Problem> {
    let Some(text) = text else { return Ok(0) };
    let at = read_rfc3339(text).ok_or_else(|| {
        Problem::bad_request(format!("{field}: it must be a time as RFC 3339 has it, as 2026-07-02T08:15:00Z"))
    })?;
    Ok(at.as_millis())
}

pub(super) async fn show(
    State(provisioning): State<Provisioning>,
    asker: SetupCaller,
    Query(query): Query<SignInsQuery>,
) -> Result<Json<SignInsShown>, SetupRefusal> {
    let asked = v1::SignInAuditRequest {
        person: query.person.unwrap_or_default(),
        event: query.event.unwrap_or_default(),
        since_ms: moment("since", query.since.as_deref())?,
        until_ms: moment("until", query.until.as_deref())?,
        page_size: query.page_size.unwrap_or_default(),
        page_token: query.page_token.unwrap_or_default(),
    };
    let page = provisioning.client().sign_ins(asker.asks(asked)?).await?.into_inner();
    let items = page.entries.into_iter().map(shown).collect();
    Ok(Json(SignInsShown { items, next_page_token: page.next_page_token }))
}
