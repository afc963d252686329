//! Entries of streams and registrations as the bytes that every implementation stores.

use bytes::Bytes;
use contracts::{v1, wire};
use model::{CallUuid, ConnId, Dn, TenantId, Timestamp};
use prost::Message;

use crate::{
    Binding, HandOver, NewCall, Position, Posted, PostedEntry, Registration, Repair, RepairAction, Result, StoreError,
};

/// Writes an entry of the stream of new calls.
pub fn new_call_to_wire(call: &NewCall) -> Bytes {
    let entry = v1::NewCallEntry {
        conn_id: call.conn_id.0,
        trace: wire::uuid_to_wire(call.trace),
        at_us: call.at.as_micros(),
        body: call.body.clone(),
    };
    entry.encode_to_vec().into()
}

/// Reads an entry of the stream of new calls.
///
/// # Errors
/// [`StoreError::Corrupt`] names the position.
pub fn new_call_from_wire(position: Position, body: Bytes) -> Result<NewCall> {
    let damaged = |reason: String| StoreError::Corrupt { what: format!("new call {position}"), reason };
    let entry = v1::NewCallEntry::decode(body).map_err(|e| damaged(e.to_string()))?;
    let trace = wire::uuid_from_wire(&entry.trace, "trace").map_err(|e| damaged(e.to_string()))?;
    let at = Timestamp::from_micros(entry.at_us);
    Ok(NewCall { conn_id: ConnId(entry.conn_id), trace, at, body: entry.body })
}

/// Writes an entry of the request stream.
pub fn posted_to_wire(at: Timestamp, trace: Option<CallUuid>, posted: &Posted) -> Bytes {
    use v1::posted_record::What;
    let what = match posted {
        Posted::Request(request) => What::Request(wire::request_to_wire(request)),
        Posted::Repair(repair) => What::Repair(repair_to_wire(repair)),
        Posted::HandOver(HandOver { conn_id, to }) => {
            What::HandOver(v1::HandOverRecord { conn_id: conn_id.0, to: to.to_string() })
        }
    };
    let record = v1::PostedRecord { at_us: at.as_micros(), trace: trace.map(wire::uuid_to_wire), what: Some(what) };
    record.encode_to_vec().into()
}

/// Reads an entry of the request stream.
///
/// # Errors
/// [`StoreError::Corrupt`] names the position.
pub fn posted_from_wire(position: Position, body: Bytes) -> Result<PostedEntry> {
    use v1::posted_record::What;
    let damaged = |reason: String| StoreError::Corrupt { what: format!("request {position}"), reason };
    let record = v1::PostedRecord::decode(body).map_err(|e| damaged(e.to_string()))?;
    let trace = record.trace.map(|t| wire::uuid_from_wire(&t, "trace")).transpose();
    let trace = trace.map_err(|e| damaged(e.to_string()))?;
    let posted = match record.what {
        Some(What::Request(request)) => {
            Posted::Request(wire::request_from_wire(request).map_err(|e| damaged(e.to_string()))?)
        }
        Some(What::Repair(repair)) => Posted::Repair(repair_from_wire(repair).map_err(damaged)?),
        Some(What::HandOver(v1::HandOverRecord { conn_id, to })) => {
            let to = to.parse().map_err(|_| damaged(format!("{to} is no owner")))?;
            Posted::HandOver(HandOver { conn_id: ConnId(conn_id), to })
        }
        None => return Err(damaged("it is empty".to_owned())),
    };
    Ok(PostedEntry { position, at: Timestamp::from_micros(record.at_us), trace, posted })
}

fn repair_to_wire(repair: &Repair) -> v1::RepairRecord {
    let action = match repair.action {
        RepairAction::Clear => v1::RepairAction::Clear,
        RepairAction::Free => v1::RepairAction::Free,
        RepairAction::Restate => v1::RepairAction::Restate,
    };
    let subject = Some(wire::subject_to_wire(&repair.subject));
    v1::RepairRecord { subject, action: action.into(), why: repair.why.clone() }
}

fn repair_from_wire(repair: v1::RepairRecord) -> std::result::Result<Repair, String> {
    let action = match v1::RepairAction::try_from(repair.action) {
        Ok(v1::RepairAction::Clear) => RepairAction::Clear,
        Ok(v1::RepairAction::Free) => RepairAction::Free,
        Ok(v1::RepairAction::Restate) => RepairAction::Restate,
        Ok(v1::RepairAction::Unspecified) | Err(_) => return Err("an unknown repair".to_owned()),
    };
    let subject = repair.subject.ok_or_else(|| "a repair without a subject".to_owned())?;
    let subject = wire::subject_from_wire(subject).map_err(|e| e.to_string())?;
    Ok(Repair { subject, action, why: repair.why })
}

/// Writes a registration.
pub fn registration_to_wire(tenant: &TenantId, dn: &Dn, registration: Registration) -> v1::RegistrationPut {
    let bindings = registration.bindings.into_iter().map(|b| v1::RegistrationBinding {
        uri: b.contact.uri,
        path: b.contact.path,
        call_id: b.call_id,
        cseq: b.cseq,
        refreshed_at_us: b.refreshed_at.as_micros(),
        expires_at_us: b.expires_at.as_micros(),
        q: b.q.into(),
        user_agent: b.user_agent,
        instance: b.instance,
        reg_id: b.reg_id,
    });
    v1::RegistrationPut {
        tenant: tenant.to_string(),
        dn: dn.to_string(),
        version: registration.version,
        events: registration.events,
        bindings: bindings.collect(),
    }
}

/// Reads a registration.
pub fn registration_from_wire(put: v1::RegistrationPut) -> Registration {
    let bindings = put.bindings.into_iter().map(binding_from_wire).collect();
    Registration { version: put.version, events: put.events, bindings }
}

fn binding_from_wire(b: v1::RegistrationBinding) -> Binding {
    Binding {
        contact: model::plan::Contact::new(b.uri, b.path),
        call_id: b.call_id,
        cseq: b.cseq,
        refreshed_at: Timestamp::from_micros(b.refreshed_at_us),
        expires_at: Timestamp::from_micros(b.expires_at_us),
        q: u16::try_from(b.q).unwrap_or(1_000),
        user_agent: b.user_agent,
        instance: b.instance,
        reg_id: b.reg_id,
    }
}
