//! A commit as a line of a segment.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use infra::{Change, Position, wire};
use model::{TenantId, Timestamp, Token};
use serde::{Deserialize, Serialize};

use super::PreviousRunCommit;
use crate::redis::store::encoded;
use crate::redis::store::records::{Kind, Row};

#[derive(Serialize, Deserialize)]
pub(super) struct Line {
    kind: String,
    tenant: String,
    key: String,
    owner: String,
    token: u64,
    number: u64,
    change: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    state: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    intentions: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_us: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    links: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    events: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    new_call: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    absorbs: Option<(String, u64)>,
}

pub(super) fn line_of(kind: Kind, row: &Row) -> Line {
    let (change, state, intentions) = match &row.change {
        Change::Create { state, intentions } => ("create", BASE64.encode(state), BASE64.encode(intentions)),
        Change::Save { state, intentions } => ("save", BASE64.encode(state), BASE64.encode(intentions)),
        Change::Keep => ("keep", String::new(), String::new()),
        Change::End => ("end", String::new(), String::new()),
    };
    Line {
        kind: kind.name.to_owned(),
        tenant: row.tenant.to_string(),
        key: row.key.clone(),
        owner: row.owner.to_string(),
        token: row.token.0,
        number: row.number,
        change: change.to_owned(),
        state,
        intentions,
        due_us: row.due.map(Timestamp::as_micros),
        links: row.links.clone(),
        events: row.facts.iter().map(|fact| BASE64.encode(fact)).collect(),
        new_call: row.new_call.as_ref().map(|call| BASE64.encode(wire::new_call_to_wire(call))),
        absorbs: row.absorbs.as_ref().map(|(key, token)| (key.clone(), token.0)),
    }
}

pub(super) fn previous_run_commit(line: &Line) -> Option<PreviousRunCommit> {
    let bytes = |text: &str| BASE64.decode(text).ok().map(Bytes::from);
    let (state, intentions) = (bytes(&line.state)?, bytes(&line.intentions)?);
    let change = match line.change.as_str() {
        "create" => Change::Create { state, intentions },
        "save" => Change::Save { state, intentions },
        "keep" => Change::Keep,
        "end" => Change::End,
        _ => return None,
    };
    let event = |text: &String| contracts::wire::decode_stamped(bytes(text)?).ok();
    let new_call = match &line.new_call {
        Some(text) => Some(wire::new_call_from_wire(Position::START, bytes(text)?).ok()?),
        None => None,
    };
    let owner = line.owner.parse().ok()?;
    let facts = line.events.iter().map(event).collect::<Option<Vec<_>>>()?;
    let row = Row {
        tenant: TenantId::parse(&line.tenant).ok()?,
        key: line.key.clone(),
        token: Token(line.token),
        change,
        due: line.due_us.map(Timestamp::from_micros),
        links: line.links.clone(),
        facts: encoded(&facts, Some(&owner)),
        owner,
        new_call,
        began_with: None,
        number: line.number,
        absorbs: line.absorbs.as_ref().map(|(key, token)| (key.clone(), Token(*token))),
    };
    Some(PreviousRunCommit { kind: Kind::named(&line.kind)?, row })
}
