//! What the cases are made of.

use bytes::Bytes;
use model::{CallUuid, ConnId, Event, EventId, EventName, Owner, Seq, Stamped, Subject, TenantId, Timestamp, Token};

use crate::{CallWrite, Change, DialogKey, NewCall};

pub(crate) fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

pub(crate) fn owner(text: &str) -> Owner {
    text.parse().unwrap()
}

pub(crate) fn event(tenant: &TenantId, call: u64, token: u64, seq: u64) -> Stamped {
    Stamped {
        id: EventId { subject: Subject::Call(ConnId(call)), token: Token(token), seq: Seq(seq) },
        tenant: tenant.clone(),
        at: Timestamp::from_millis(1_700_000_000_000 + seq),
        trace: Some(CallUuid(u128::from(call))),
        event: Event::new(EventName::Ringing),
    }
}

pub(crate) fn dialog(name: &str) -> DialogKey {
    DialogKey { call_id: format!("{name}@example.invalid"), from_tag: "tag".to_owned() }
}

pub(crate) fn new_call(call: u64) -> NewCall {
    NewCall {
        conn_id: ConnId(call),
        trace: CallUuid(u128::from(call)),
        at: Timestamp::from_millis(1_700_000_000_000),
        body: Bytes::from_static(b"start"),
    }
}

/// A write without events; the cases add what they need.
pub(crate) fn write(tenant: &TenantId, call: u64, owner: &Owner, token: u64, change: Change) -> CallWrite {
    CallWrite {
        tenant: tenant.clone(),
        conn_id: ConnId(call),
        owner: owner.clone(),
        token: Token(token),
        change,
        due: None,
        dialogs: Vec::new(),
        events: Vec::new(),
        new_call: None,
    }
}

pub(crate) fn create(state: &str) -> Change {
    Change::Create { state: Bytes::copy_from_slice(state.as_bytes()), intentions: Bytes::new() }
}

pub(crate) fn save(state: &str) -> Change {
    Change::Save { state: Bytes::copy_from_slice(state.as_bytes()), intentions: Bytes::from_static(b"send") }
}
