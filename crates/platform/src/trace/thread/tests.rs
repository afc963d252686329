use super::super::document::{self, Call};
use super::*;

const C1: &str = "00000000000000a1";
const C2: &str = "00000000000000a2";

/// A fact of a call at a second: name, DN, and further attributes as `other=`, `third=`, `state=`, `role=`, `previous=`.
fn fact(second: u32, conn_id: &str, name: &str, dn: &str, attributes: &[(&str, &str)]) -> document::Event {
    let mut event = Event { name: format!("Event{name}"), conn_id: Some(conn_id.to_owned()), ..Event::default() };
    event.this_dn = (!dn.is_empty()).then(|| dn.to_owned());
    for (attribute, value) in attributes {
        let value = Some((*value).to_owned());
        match *attribute {
            "other" => event.other_dn = value,
            "third" => event.third_party_dn = value,
            "state" => event.state = value,
            "role" => event.role = value,
            "previous" => event.previous = value,
            _ => panic!("{attribute}"),
        }
    }
    document::Event { at: f64::from(second) * 1_000.0, event }
}

/// The caller from outside talks with 7101, who consults 7130.
fn consulting() -> Vec<document::Event> {
    vec![
        fact(0, C1, "CallCreated", "", &[]),
        fact(1, C1, "Ringing", "7101", &[("other", "***00")]),
        fact(2, C1, "Established", "7101", &[("other", "***00")]),
        fact(12, C1, "Held", "7101", &[("other", "***00")]),
        fact(12, C2, "Dialing", "7101", &[("other", "7130"), ("previous", C1)]),
        fact(13, C2, "Ringing", "7130", &[("other", "7101"), ("previous", C1)]),
        fact(15, C2, "Established", "7101", &[("other", "7130"), ("previous", C1)]),
        fact(15, C2, "Established", "7130", &[("other", "7101"), ("previous", C1)]),
    ]
}

fn told(events: Vec<document::Event>) -> Vec<String> {
    let call = Call { conn_id: C1.into(), from: "***00".into(), trunk: Some("carrier".into()), ..Call::default() };
    told_of(call, events)
}

fn told_of(call: Call, events: Vec<document::Event>) -> Vec<String> {
    let trace = Trace { call, events, ..Trace::default() };
    turns(&trace).into_iter().map(|turn| format!("{} {}", turn.at / 1_000.0, turn.text)).collect()
}

#[test]
fn a_consultation_with_transfer_says_who_talked_with_whom_and_who_moved() {
    let mut events = consulting();
    events.extend([
        fact(20, C2, "Released", "7101", &[("state", "Transferred"), ("previous", C1)]),
        fact(20, C1, "Released", "7101", &[("state", "Transferred"), ("third", "7130")]),
        fact(20, C1, "PartyChanged", "7130", &[("previous", C2), ("other", "***00"), ("third", "7101")]),
        fact(20, C2, "CallDeleted", "", &[]),
        fact(30, C1, "Released", "7130", &[("state", "RemoteRelease")]),
        fact(30, C1, "CallDeleted", "", &[]),
    ]);
    assert_eq!(
        told(events),
        [
            format!("2 ***00 and 7101 talked for 10 s, in room {C1}"),
            format!("12 7101 holds room {C1}"),
            format!("12 7101 consults 7130, in room {C1}.1"),
            format!("15 7101 and 7130 talked for 5.0 s, in room {C1}.1"),
            "20 7101 transferred the call to 7130".to_owned(),
            format!("20 7130 came from the consultation into room {C1}"),
            format!("20 ***00 and 7130 talked for 10 s, in room {C1}"),
            format!("30 7130 left room {C1}"),
        ]
    );
}

#[test]
fn a_conference_of_three_is_one_talk_until_one_leaves_and_a_supervisor_only_listens() {
    let mut events = consulting();
    events.extend([
        fact(20, C2, "Released", "7101", &[("state", "Conferenced"), ("previous", C1)]),
        fact(20, C1, "PartyAdded", "7101", &[("other", "7130"), ("third", "7101")]),
        fact(20, C1, "PartyChanged", "7130", &[("previous", C2), ("third", "7101")]),
        fact(20, C2, "CallDeleted", "", &[]),
        fact(25, C1, "Established", "7150", &[("role", "Observer"), ("other", "7101")]),
        fact(40, C1, "Released", "7101", &[("state", "Ok")]),
    ]);
    let told = told(events);
    assert_eq!(
        told[4..],
        [
            format!("20 7101 took 7130 into room {C1}"),
            format!("20 7130 came from the consultation into room {C1}"),
            format!("20 ***00, 7101 and 7130 talked for 20 s, in room {C1}"),
            format!("25 7150 monitors 7101, in room {C1}"),
            format!("40 7101 left room {C1}"),
            format!("40 ***00 and 7130 talk, in room {C1}"),
        ]
    );
}

#[test]
fn nobody_talks_with_a_park_slot() {
    let events = vec![
        fact(0, C1, "CallCreated", "", &[]),
        fact(0, C1, "Dialing", "7101", &[("other", "7102")]),
        fact(1, C1, "Ringing", "7102", &[("other", "7101")]),
        fact(2, C1, "Established", "7101", &[("other", "7102")]),
        fact(2, C1, "Established", "7102", &[("other", "7101")]),
        fact(12, C1, "Released", "7101", &[("state", "Transferred"), ("third", "*6801")]),
        fact(12, C1, "PartyChanged", "7102", &[("other", "*6801"), ("third", "7101")]),
        fact(20, C1, "Ringing", "7103", &[("other", "7102"), ("third", "7101")]),
        fact(20, C1, "Established", "7103", &[("other", "7102"), ("third", "7101")]),
        fact(23, C1, "Released", "7102", &[("state", "Ok")]),
        fact(23, C1, "Released", "7103", &[("state", "RemoteRelease")]),
        fact(23, C1, "CallDeleted", "", &[]),
    ];
    let call = Call { conn_id: C1.into(), from: "7101".into(), ..Call::default() };
    assert_eq!(
        told_of(call, events),
        [
            format!("2 7101 and 7102 talked for 10 s, in room {C1}"),
            "12 7101 transferred the call to *6801".to_owned(),
            format!("20 7102 and 7103 talked for 3.0 s, in room {C1}"),
            format!("23 7102 left room {C1}"),
            format!("23 7103 left room {C1}"),
        ]
    );
}

#[test]
fn only_digits_are_a_number_outside() {
    let outside = ["+4930123456", "0049301234", "***56"];
    let inside = ["7101", "*6801", "*680123", "****67", "***", "", "sales"];
    assert_eq!(outside.map(is_outside), [true; 3]);
    assert_eq!(inside.map(is_outside), [false; 7]);
}

#[test]
fn a_call_without_an_answer_has_nothing_to_tell() {
    let events = vec![fact(0, C1, "CallCreated", "", &[]), fact(9, C1, "CallDeleted", "", &[])];
    assert_eq!(told(events), Vec::<String>::new());
}
