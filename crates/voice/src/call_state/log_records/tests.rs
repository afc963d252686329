//! The record that the book shows is what such a call leaves.

use contracts::reporting::CALL_DETAIL_SAMPLE;
use model::event::CallRef;
use model::{
    AgentId, CallState, CallType, ConnId, Dn, DnRole, Event, EventId, EventName, Seq, Stamped, Subject, Token,
};

use super::super::thread::Folded;
use super::*;

const CONN_ID: ConnId = ConnId(0x194d_04e7_b980_8000);
const UUID: CallUuid = CallUuid(0x3d2f_7a10_c5e8_4196_8b1c_6e0f_92ad_5730);

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(1_795_169_819_000 + ms)
}

fn call() -> CallRef {
    CallRef {
        conn_id: CONN_ID,
        uuid: UUID,
        thread: UUID,
        previous: None,
        call_type: CallType::Inbound,
        propagated_type: None,
        ani: Some("+4930555012".to_owned()),
        dnis: Some("+15550100".to_owned()),
    }
}

fn fact(ms: u64, name: EventName, dn: &str) -> Stamped {
    let is_phone = dn == "7101";
    let event = Event {
        call: Some(call()),
        this_dn: Dn::parse(dn).ok(),
        this_role: (!dn.is_empty()).then_some(DnRole::Destination),
        agent: AgentId::parse("1001").ok().filter(|_| is_phone),
        other_dn: Some("+4930555012".to_owned()).filter(|_| is_phone),
        call_state: Some(if name == EventName::Released { CallState::RemoteRelease } else { CallState::Ok }),
        ..Event::new(name)
    };
    let id = EventId { subject: Subject::Call(CONN_ID), token: Token(1), seq: Seq(ms + 1) };
    Stamped { id, tenant: tenant(), at: at(ms), trace: Some(UUID), event }
}

fn tenant() -> TenantId {
    TenantId::parse("example").unwrap()
}

#[test]
fn a_call_that_waited_and_was_answered_leaves_what_the_book_shows() {
    let mut thread = CallThread::new(&call(), true, at(0));
    for (ms, name, dn) in [
        (0, EventName::CallCreated, ""),
        (12, EventName::Queued, "9000"),
        (6_010, EventName::Diverted, "9000"),
        (6_020, EventName::Ringing, "7101"),
        (8_020, EventName::Established, "7101"),
        (30_000, EventName::Held, "7101"),
        (41_500, EventName::Retrieved, "7101"),
        (68_500, EventName::Released, "7101"),
        (68_510, EventName::CallDeleted, ""),
    ] {
        assert_eq!(thread.fold(&call(), &fact(ms, name, dn)), Folded::Done);
    }
    let records = log_records(&tenant(), &thread);
    let detail: Json = serde_json::from_str(&records[0].json).unwrap();
    let shown: Json = serde_json::from_str(CALL_DETAIL_SAMPLE).unwrap();
    assert_eq!(detail, shown, "{detail:#}");
}
