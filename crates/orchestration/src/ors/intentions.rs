//! Requests to be sent after a commit, as stored in the record: request frames (JSON), so that a successor sends them
//! again under the same idempotency keys.

use bytes::Bytes;
use contracts::json::request_frame;
use model::{ReferenceId, Request, TenantId, UserData};
use serde_json::Value as Json;

use super::call_session::{Caller, Command};

/// Encodes the requests among the commands; empty if there is none.
pub(super) fn encode(tenant: &TenantId, caller: &Caller, commands: &[Command]) -> Bytes {
    let frames: Vec<Json> = commands
        .iter()
        .filter_map(|command| match command {
            Command::Request { reference, kind } => Some(frame(tenant, caller, *reference, kind.clone())),
            _ => None,
        })
        .collect();
    if frames.is_empty() { Bytes::new() } else { Json::Array(frames).to_string().into() }
}

/// Decodes them, each with its reference.
pub(super) fn decode(intentions: &[u8]) -> Vec<(u64, Json)> {
    if intentions.is_empty() {
        return Vec::new();
    }
    let frames: Vec<Json> = serde_json::from_slice(intentions).unwrap_or_else(|error| {
        // The sessions' deadlines for these requests report that they were not made.
        tracing::error!(%error, "requests of a record cannot be read: they are not made again");
        Vec::new()
    });
    frames.into_iter().filter_map(|f| Some((f.get("ReferenceID")?.as_u64()?, f))).collect()
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
