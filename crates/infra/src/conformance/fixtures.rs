//! Building blocks of the cases.

use bytes::Bytes;
use model::{
    AgentId, CallUuid, ConnId, Event, EventId, EventName, Owner, Seq, Stamped, Subject, TenantId, Timestamp, Token,
};

use crate::{
    AgentBatch, AgentWrite, CallIndex, CallWrite, Change, DialogKey, MediaSessionId, MediaWrite, NewCall, SessionBatch,
    SessionId, SessionWrite,
};

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

pub(crate) fn dialog(name: &str) -> CallIndex {
    CallIndex::Invite(DialogKey { call_id: format!("{name}@example.invalid"), from_tag: "tag".to_owned() })
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
        index: Vec::new(),
        events: Vec::new(),
        new_call: None,
        absorbs: None,
    }
}

pub(crate) fn create(state: &str) -> Change {
    Change::Create { state: Bytes::copy_from_slice(state.as_bytes()), intentions: Bytes::new() }
}

pub(crate) fn save(state: &str) -> Change {
    Change::Save { state: Bytes::copy_from_slice(state.as_bytes()), intentions: Bytes::from_static(b"send") }
}

/// Writes of agents: the agent, the token, the change.
pub(crate) fn agents<const N: usize>(tenant: &TenantId, owner: &Owner, of: [(&str, u64, Change); N]) -> AgentBatch {
    let write = |(id, token, change)| AgentWrite {
        agent: AgentId::parse(id).unwrap(),
        token: Token(token),
        change,
        due: None,
        events: Vec::new(),
    };
    let writes = of.into_iter().map(write).collect();
    AgentBatch { tenant: tenant.clone(), owner: owner.clone(), writes, consumed: None, number: 0 }
}

/// Writes of sessions.
pub(crate) fn sessions<const N: usize>(tenant: &TenantId, owner: &Owner, of: [(&str, u64, Change); N]) -> SessionBatch {
    let write = |(id, token, change): (&str, u64, Change)| SessionWrite {
        session: SessionId(id.to_owned()),
        conn_id: None,
        token: Token(token),
        change,
        due: None,
        events: Vec::new(),
        began_with: None,
    };
    let writes = of.into_iter().map(write).collect();
    SessionBatch { tenant: tenant.clone(), owner: owner.clone(), writes, consumed: None, number: 0 }
}

/// Writes of media sessions.
pub(crate) fn legs<const N: usize>(tenant: &TenantId, owner: &Owner, of: [(&str, u64, Change); N]) -> Vec<MediaWrite> {
    let write = |(id, token, change): (&str, u64, Change)| MediaWrite {
        tenant: tenant.clone(),
        session: MediaSessionId(id.to_owned()),
        owner: owner.clone(),
        token: Token(token),
        change,
        due: None,
    };
    of.into_iter().map(write).collect()
}
