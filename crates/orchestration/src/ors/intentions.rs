//! What is to be done after a commit, as stored in the record (JSON): request frames, which a successor sends again under the same
//! idempotency keys, and the default route of a call whose session has failed.

use bytes::Bytes;
use contracts::json::request_frame;
use model::{ReferenceId, Request, TenantId, UserData};
use serde_json::{Value as Json, json};

use super::call_session::{Caller, Command};

/// What a successor does for a session.
#[derive(PartialEq, Debug)]
pub(super) enum Intention {
    /// It sends this request with this reference.
    Request(u64, Json),
    /// It ends the session, whose call takes its default route.
    DefaultRoute,
}

/// The key of the intention to take the default route. Nodes of earlier versions ignore it.
const DEFAULT_ROUTE: &str = "default_route";

/// Encodes the intentions among the commands; empty if there is none.
pub(super) fn encode(tenant: &TenantId, caller: &Caller, commands: &[Command]) -> Bytes {
    let intentions: Vec<Json> = commands
        .iter()
        .filter_map(|command| match command {
            Command::Request { reference, kind } => Some(frame(tenant, caller, *reference, kind.clone())),
            Command::DefaultRoute => Some(json!({DEFAULT_ROUTE: true})),
            _ => None,
        })
        .collect();
    if intentions.is_empty() { Bytes::new() } else { Json::Array(intentions).to_string().into() }
}

/// Decodes them.
pub(super) fn decode(intentions: &[u8]) -> Vec<Intention> {
    if intentions.is_empty() {
        return Vec::new();
    }
    let intentions: Vec<Json> = serde_json::from_slice(intentions).unwrap_or_else(|error| {
        // The sessions' deadlines for these requests report that they were not made.
        tracing::error!(%error, "requests of a record cannot be read: they are not made again");
        Vec::new()
    });
    let read = |intention: Json| {
        if intention.get(DEFAULT_ROUTE).is_some() {
            return Some(Intention::DefaultRoute);
        }
        Some(Intention::Request(intention.get("ReferenceID")?.as_u64()?, intention))
    };
    intentions.into_iter().filter_map(read).collect()
}

/// A request in frontend's format.
pub(super) fn frame(tenant: &TenantId, caller: &Caller, reference: u64, kind: model::RequestKind) -> Json {
    let request = Request {
        tenant: tenant.clone(),
        // Frontend knows the requester from the caller token.
        requester: String::new(),
        reference: ReferenceId(reference),
        this_dn: caller.this_dn.clone(),
        kind,
        reasons: UserData::new(),
        extensions: UserData::new(),
    };
    request_frame(&request, caller.owner.as_ref())
}
