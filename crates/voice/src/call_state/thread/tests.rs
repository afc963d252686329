use std::time::Duration;

use model::{CallType, Dn, EventId, Seq, TenantId, Token};
use serde_json::Value as Json;

use super::moves::MoveKind;
use super::*;
use crate::call_state::log_records::log_records;
use crate::call_state::records;

const C1: ConnId = ConnId(1);
const C2: ConnId = ConnId(2);

/// Folds facts a second after the other.
struct Told {
    thread: CallThread,
    second: u64,
}

impl Told {
    fn new() -> Self {
        let mut told = Self { thread: CallThread::new(&call(C1), true, at(0)), second: 0 };
        told.fact(C1, EventName::CallCreated, "", |_| {});
        told
    }

    fn fact(&mut self, conn_id: ConnId, name: EventName, dn: &str, change: impl Fn(&mut Event)) -> &mut Self {
        let mut event = Event { call: Some(call(conn_id)), this_dn: Dn::parse(dn).ok(), ..Event::new(name) };
        event.call_state = Some(CallState::Ok);
        change(&mut event);
        let call = event.call.clone().unwrap();
        let id = EventId { subject: Subject::Call(conn_id), token: Token(1), seq: Seq(self.second + 1) };
        let tenant = TenantId::parse("t").unwrap();
        let stamped = Stamped { id, tenant, at: at(self.second), trace: None, event };
        assert_eq!(self.thread.fold(&call, &stamped), Folded::Done);
        assert_eq!(records::decode(&records::encode(&self.thread)).unwrap(), self.thread);
        self.second += 1;
        self
    }

    /// The agent at 7101 talks with the caller and with 7130, whom it consults.
    fn consulting() -> Self {
        let mut told = Self::new();
        told.fact(C1, EventName::Ringing, "7101", |e| e.other_dn = Some("+49".into()))
            .fact(C1, EventName::Established, "7101", |e| e.other_dn = Some("+49".into()))
            .fact(C1, EventName::Held, "7101", |_| {})
            .fact(C2, EventName::Dialing, "7101", |e| e.other_dn = Some("7130".into()))
            .fact(C2, EventName::Ringing, "7130", |e| e.other_dn = Some("7101".into()))
            .fact(C2, EventName::Established, "7101", |e| e.other_dn = Some("7130".into()))
            .fact(C2, EventName::Established, "7130", |e| e.other_dn = Some("7101".into()));
        told
    }

    /// A supervisor begins to monitor 7101.
    fn monitors(&mut self, dn: &str, mode: &str) -> &mut Self {
        self.fact(C1, EventName::Ringing, dn, |e| observes(e, mode))
            .fact(C1, EventName::Established, dn, |e| observes(e, mode))
            .fact(C1, EventName::PartyAdded, "7101", |e| {
                (e.other_dn, e.other_role) = (Some(dn.to_owned()), Some(DnRole::Observer));
            })
    }

    /// 7101 brings a number into the call while it goes on.
    fn brings_in(&mut self, dn: &str) -> &mut Self {
        self.fact(C1, EventName::Ringing, dn, |e| {
            (e.other_dn, e.third_party_dn) = (Some("+49".into()), Some("7101".into()));
        })
        .fact(C1, EventName::Established, dn, |_| {})
        .fact(C1, EventName::PartyAdded, "7101", |e| {
            (e.other_dn, e.other_role) = (Some(dn.to_owned()), Some(DnRole::NewParty));
            e.third_party_dn = Some("7101".into());
        })
    }

    /// With whom a DN was in a call.
    fn with(&self, conn_id: ConnId, dn: &str) -> Vec<&str> {
        let party = self.thread.parties.iter().find(|party| party.conn_id == conn_id && party.dn == dn).unwrap();
        party.others.iter().map(String::as_str).collect()
    }

    fn moves(&self) -> Vec<(MoveKind, &str, &str, ConnId, Option<ConnId>)> {
        let each = self.thread.moves.iter();
        each.map(|step| {
            let (by, to) = (step.by.as_deref().unwrap_or_default(), step.to.as_deref().unwrap_or_default());
            (step.kind, by, to, step.conn_id, step.consultation)
        })
        .collect()
    }
}

/// The event of a supervisor's phone who monitors 7101.
fn observes(event: &mut Event, mode: &str) {
    (event.this_role, event.other_dn) = (Some(DnRole::Observer), Some("7101".to_owned()));
    event.extensions.push("MonitorMode", mode);
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + second * 1_000)
}

/// The second call is a consultation about the first.
fn call(conn_id: ConnId) -> CallRef {
    CallRef {
        conn_id,
        uuid: CallUuid(conn_id.0.into()),
        thread: CallUuid(1),
        previous: (conn_id == C2).then_some(C1),
        call_type: if conn_id == C2 { CallType::Consult } else { CallType::Inbound },
        propagated_type: None,
        ani: Some("+49".to_owned()),
        dnis: Some("9000".to_owned()),
    }
}

fn records(thread: &CallThread) -> Vec<Json> {
    let records = log_records(&TenantId::parse("t").unwrap(), thread);
    records.iter().map(|record| serde_json::from_str(&record.json).unwrap()).collect()
}

#[test]
fn a_consultation_that_becomes_a_transfer_is_one_of_each() {
    let mut told = Told::consulting();
    told.fact(C2, EventName::Released, "7101", |e| e.call_state = Some(CallState::Transferred))
        .fact(C1, EventName::Released, "7101", |e| {
            e.call_state = Some(CallState::Transferred);
            e.third_party_dn = Some("7130".into());
        })
        .fact(C1, EventName::PartyChanged, "7130", |e| {
            e.call.as_mut().unwrap().previous = Some(C2);
            e.call_state = Some(CallState::Transferred);
            (e.other_dn, e.third_party_dn) = (Some("+49".into()), Some("7101".into()));
        })
        .fact(C2, EventName::CallDeleted, "", |_| {})
        .fact(C1, EventName::Released, "7130", |e| e.call_state = Some(CallState::RemoteRelease))
        .fact(C1, EventName::CallDeleted, "", |_| {});
    let moves = told.moves();
    assert_eq!(
        moves,
        [(MoveKind::Consultation, "7101", "7130", C1, Some(C2)), (MoveKind::Transfer, "7101", "7130", C1, Some(C2)),]
    );
    let stays: Vec<_> =
        told.thread.parties.iter().map(|p| (p.dn.as_str(), p.conn_id, p.came_from, p.went_to)).collect();
    let expected = [
        ("7101", C1, None, None),
        ("7101", C2, None, None),
        ("7130", C2, None, Some(C1)),
        ("7130", C1, Some(C2), None),
    ];
    assert_eq!(stays, expected);
    let [second, first, ..] = &told.thread.parties[..] else { panic!() };
    assert_eq!((second.talk, second.hold), (Duration::from_secs(1), Duration::from_secs(6)));
    assert_eq!(first.ring, Duration::from_secs(2));

    let written = records(&told.thread);
    let names: Vec<_> = written.iter().map(|record| record["id"].as_str().unwrap()).collect();
    let ids = [format!("call:{C1}:detail"), format!("call:{C2}:detail"), format!("thread:{}", CallUuid(1))];
    assert_eq!(names, ids);
    let of_first = &written[0]["data"];
    assert_eq!((&of_first["Outcome"], &of_first["CallType"]), (&"answered".into(), &"Inbound".into()));
    let states: Vec<_> =
        of_first["Segments"].as_array().unwrap().iter().map(|s| (s["DN"].clone(), s["State"].clone())).collect();
    let expected = [("7101", "ringing"), ("7101", "talking"), ("7101", "holding"), ("7130", "talking")];
    assert_eq!(states, expected.map(|(dn, state)| (dn.into(), state.into())));
    assert_eq!(written[1]["data"]["PreviousConnID"], C1.to_string());
    assert_eq!(written[1]["data"]["Parties"].as_array().unwrap().len(), 2);
    assert_eq!(written[2]["data"]["Moves"][1]["Move"], "Transfer");
}

#[test]
fn a_conference_that_all_are_told_of_is_one_and_a_supervisor_monitors() {
    let mut told = Told::consulting();
    told.fact(C2, EventName::Released, "7101", |e| e.call_state = Some(CallState::Conferenced));
    let added = |e: &mut Event| {
        e.other_dn = Some("7130".into());
        e.third_party_dn = Some("7101".into());
        e.other_role = Some(DnRole::NewParty);
    };
    told.fact(C1, EventName::PartyAdded, "7101", added);
    // In the same turn, to another phone of the call.
    told.second -= 1;
    told.fact(C1, EventName::PartyAdded, "7140", added);
    told.fact(C1, EventName::PartyAdded, "7101", |e| {
        e.other_dn = Some("7150".into());
        e.other_role = Some(DnRole::Observer);
    });
    let moves = told.moves();
    assert_eq!(
        moves[1..],
        [(MoveKind::Conference, "7101", "7130", C1, Some(C2)), (MoveKind::Monitoring, "7150", "7101", C1, None)]
    );
    assert!(told.thread.parties[0].phase == Phase::Talk && told.thread.parties[0].others == ["+49", "7130"]);
}

#[test]
fn all_in_a_conference_are_with_each_other_but_not_with_a_supervisor_who_only_listens() {
    let mut told = Told::consulting();
    told.fact(C2, EventName::Released, "7101", |e| e.call_state = Some(CallState::Conferenced))
        .fact(C1, EventName::PartyAdded, "7101", |e| {
            (e.other_dn, e.other_role) = (Some("7130".into()), Some(DnRole::NewParty));
            e.third_party_dn = Some("7101".into());
        })
        .fact(C1, EventName::PartyChanged, "7130", |e| {
            e.call.as_mut().unwrap().previous = Some(C2);
            e.third_party_dn = Some("7101".into());
        })
        .monitors("7150", "mute")
        .brings_in("7140");
    assert_eq!(told.with(C1, "7101"), ["+49", "7130", "7140"]);
    assert_eq!(told.with(C1, "7130"), ["7101", "+49", "7140"]);
    assert_eq!(told.with(C1, "7140"), ["7101", "7130", "+49"]);
    assert_eq!(told.with(C1, "7150"), ["7101", "7130", "+49", "7140"], "whom it has heard");
    assert_eq!(told.with(C2, "7130"), ["7101"]);
}

#[test]
fn who_is_removed_from_a_conference_is_sent_nowhere() {
    let mut told = Told::new();
    told.fact(C1, EventName::Established, "7130", |_| {}).fact(C1, EventName::Released, "7130", |e| {
        e.call_state = Some(CallState::RemoteRelease);
        (e.third_party_dn, e.third_party_role) = (Some("7101".into()), Some(DnRole::DeletedBy));
    });
    let [removed] = &told.thread.parties[..] else { panic!() };
    assert_eq!((removed.is_over(), removed.sent_to.as_deref()), (true, None));
}

#[test]
fn a_supervisor_who_speaks_to_all_is_with_all_from_then_on() {
    let mut told = Told::new();
    told.fact(C1, EventName::Established, "7101", |e| e.other_dn = Some("+49".into())).monitors("7150", "coach");
    assert_eq!(told.with(C1, "7101"), ["+49"]);
    told.fact(C1, EventName::ACK, "7150", |e| observes(e, "connect")).brings_in("7140");
    assert_eq!(told.with(C1, "7101"), ["+49", "7150", "7140"]);
    assert_eq!(told.with(C1, "7140"), ["7101", "7150", "+49"]);
}

#[test]
fn nobody_is_with_a_park_slot_or_with_whom_it_called_in_vain() {
    let mut told = Told::new();
    let other = |dn: &'static str| move |e: &mut Event| e.other_dn = Some(dn.into());
    told.fact(C1, EventName::Dialing, "7101", other("7199"))
        .fact(C1, EventName::Ringing, "7102", other("7101"))
        .fact(C1, EventName::Established, "7101", other("7102"))
        .fact(C1, EventName::Established, "7102", other("7101"))
        .fact(C1, EventName::Released, "7101", |e| {
            (e.call_state, e.third_party_dn) = (Some(CallState::Transferred), Some("*6801".into()));
        })
        .fact(C1, EventName::PartyChanged, "7102", other("*6801"))
        .fact(C1, EventName::Ringing, "7103", other("7102"))
        .fact(C1, EventName::Established, "7103", other("7102"));
    let with = ["7101", "7102", "7103"].map(|dn| told.with(C1, dn));
    assert_eq!(with, [vec!["7102"], vec!["7101", "7103"], vec!["7102"]]);
}

#[test]
fn a_transfer_in_one_step_has_no_consultation() {
    let mut told = Told::new();
    told.fact(C1, EventName::Established, "7101", |e| e.other_dn = Some("+49".into()))
        .fact(C1, EventName::Released, "7101", |e| {
            e.call_state = Some(CallState::Transferred);
            e.third_party_dn = Some("7130".into());
        })
        .fact(C1, EventName::Ringing, "7130", |e| e.third_party_dn = Some("7101".into()));
    assert_eq!(told.moves(), [(MoveKind::Transfer, "7101", "7130", C1, None)]);
    assert_eq!(told.thread.parties[1].brought_by.as_deref(), Some("7101"));
    assert_eq!(told.thread.parties[0].sent_to.as_deref(), Some("7130"));
}

#[test]
fn user_data_without_room_leaves_what_the_thread_has() {
    let data = |bytes: usize| [("Note", "x".repeat(bytes))].into_iter().collect::<UserData>();
    let mut told = Told::new();
    told.fact(C1, EventName::AttachedDataChanged, "7101", |e| e.user_data = data(USER_DATA_BYTES_MAX / 2));
    let mut event =
        Event { call: Some(call(C2)), user_data: data(USER_DATA_BYTES_MAX), ..Event::new(EventName::Dialing) };
    event.this_dn = Dn::parse("7101").ok();
    let id = EventId { subject: Subject::Call(C2), token: Token(1), seq: Seq(9) };
    let stamped = Stamped { id, tenant: TenantId::parse("t").unwrap(), at: at(9), trace: None, event };
    assert_eq!(told.thread.fold(&call(C2), &stamped), Folded::NoRoom);
    assert_eq!(told.thread.user_data(), Some(&data(USER_DATA_BYTES_MAX / 2)));
    assert_eq!(told.thread.parties.len(), 1, "the rest of the fact counts");
}

#[test]
fn what_is_no_record_of_a_thread_is_refused() {
    assert!(records::decode(b"damaged").is_err());
    let bytes = records::encode(&Told::consulting().thread);
    let mut other = <contracts::v1::StateRecord as prost::Message>::decode(&bytes[..]).unwrap();
    other.version += 1;
    let refused = records::decode(&prost::Message::encode_to_vec(&other)).unwrap_err();
    assert_eq!(refused.to_string(), "it is \"thread\" of version 2, not \"thread\" of version 1");
}
