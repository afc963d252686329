use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::trace::entry;
use crate::trace::sip::scan;

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

fn store(bytes: usize, age: Duration) -> Store {
    Store::new(Limits { bytes, calls: 100, age })
}

fn note(at: u64, text: &str) -> Kept {
    Kept::What(Entry { at, what: What::Note { text: text.to_owned() } })
}

fn message(at: u64, text: &'static str) -> Kept {
    let peer = "192.0.2.1:5060".parse().unwrap();
    assert!(scan(text.as_bytes()).is_none() || !text.is_empty());
    Kept::Message { at, peer, inside: false, udp: true, inbound: true, text: Bytes::from_static(text.as_bytes()) }
}

/// The same of a message that we have sent.
fn said(at: u64, text: &'static str) -> Kept {
    match message(at, text) {
        Kept::Message { at, peer, inside, udp, text, .. } => {
            Kept::Message { at, peer, inside, udp, inbound: false, text }
        }
        what @ Kept::What(_) => what,
    }
}

/// The leg to which a message belongs.
fn leg_of(what: &What) -> Option<Option<u16>> {
    match what {
        What::Message(message) => Some(message.leg),
        _ => None,
    }
}

fn find(store: &mut Store, of: &str, key: &str, at: u64) -> Found {
    let directory = Directory::of_instance(0, &[], |_| 1);
    store.find(&tenant(of), &Key::all(key), false, Timestamp::from_micros(at), &directory)
}

const CALL: ConnId = ConnId(0xab);
/// What the tags of its second leg name.
const OF_CALL: TaggedLeg = TaggedLeg { conn_id: CALL, leg: 2 };

#[test]
fn a_call_is_found_by_each_of_its_names() {
    let mut store = store(1 << 20, Duration::from_secs(60));
    let acme = tenant("acme");
    store.note(&acme, CALL, note(1, "came"));
    store.identify(&acme, CALL, CallUuid(7), Timestamp::from_micros(1));
    store.name(&acme, CALL, "one@phone", Timestamp::from_micros(1));
    store.message("one@phone", None, Some(&acme), message(2, "INVITE"));
    store.message("two@us", Some(OF_CALL), None, message(3, "BYE"));
    assert!(store.knows_call_of("two@us") && !store.knows_call_of("one@phone"));
    for key in [
        "00000000000000ab",
        "00000000000000ab@sip-cluster-1.7",
        "00000000000000000000000000000007",
        "one@phone",
        "two@us",
    ] {
        let found = find(&mut store, "acme", key, 10);
        // A dialog of unknown tenant is shown if a call of the tenant has it.
        assert_eq!(found.entries.iter().map(|entry| entry.at).collect::<Vec<_>>(), [1, 2, 3], "{key}");
        assert_eq!((found.conn_ids, found.uuids), (vec![CALL], vec![CallUuid(7)]), "{key}");
        let legs: Vec<Option<u16>> = found.entries.iter().filter_map(|entry| leg_of(&entry.what)).collect();
        assert_eq!(legs, [None, Some(2)], "the first dialog was not named");
    }
}

#[test]
fn a_further_call_leads_to_its_thread_for_as_long_as_that_one_is_kept() {
    let mut store = store(1 << 20, Duration::from_secs(60));
    let acme = tenant("acme");
    store.note(&acme, CALL, note(1, "came"));
    for _ in 0..2 {
        store.lead(&acme, ConnId(0xcd), CALL, Timestamp::from_micros(2));
    }
    assert_eq!(find(&mut store, "acme", "00000000000000cd", 10).conn_ids, [CALL]);
    assert_eq!(find(&mut store, "other", "00000000000000cd", 10), Found::default());
    // One that had a thread of its own before is found there.
    store.note(&acme, ConnId(0xef), note(3, "came too"));
    store.lead(&acme, ConnId(0xef), CALL, Timestamp::from_micros(4));
    assert_eq!(find(&mut store, "acme", "00000000000000ef", 10).conn_ids, [ConnId(0xef)]);
    assert_eq!(find(&mut store, "acme", "00000000000000cd", 70_000_000).conn_ids, []);
    assert!(store.thread_of.is_empty() && store.bytes == 0);
}

#[test]
fn another_tenant_finds_nothing_whatever_it_names() {
    let mut store = store(1 << 20, Duration::from_secs(60));
    store.note(&tenant("acme"), CALL, note(1, "came"));
    store.message("one@phone", Some(OF_CALL), None, message(2, "INVITE"));
    // A stranger uses a tag of another tenant's call in its own dialog.
    store.message("stolen", Some(OF_CALL), Some(&tenant("other")), message(3, "INVITE"));
    let times = |found: Found| found.entries.iter().map(|entry| entry.at).collect::<Vec<_>>();
    assert_eq!(times(find(&mut store, "other", "00000000000000ab", 10)), [3], "its own dialog alone");
    assert_eq!(times(find(&mut store, "other", "stolen", 10)), [3]);
    assert_eq!(times(find(&mut store, "other", "one@phone", 10)), [3], "nothing of the dialog that it names");
    assert!(find(&mut store, "acme", "00000000000000ab", 10).entries.iter().all(|entry| entry.at < 3));
    store.message("one@phone", None, Some(&tenant("other")), message(4, "INVITE"));
    store.message("one@phone", None, Some(&tenant("acme")), message(5, "INVITE"));
    assert_eq!(times(find(&mut store, "other", "one@phone", 10)), [3], "both claim it: neither sees it");
    assert_eq!(times(find(&mut store, "acme", "one@phone", 10)), [1], "both claim it: neither sees it");
}

#[test]
fn what_is_old_is_gone_and_what_is_spoken_of_stays() {
    let mut store = store(1 << 20, Duration::from_micros(100));
    let acme = tenant("acme");
    store.note(&acme, CALL, note(10, "a"));
    store.note(&acme, ConnId(2), note(20, "b"));
    store.note(&acme, CALL, note(90, "a again"));
    assert_eq!(find(&mut store, "acme", "00000000000000ab", 150).entries.len(), 2);
    assert!(find(&mut store, "acme", "0000000000000002", 150).entries.is_empty());
    assert!(find(&mut store, "acme", "00000000000000ab", 190).entries.is_empty());
    assert_eq!((store.bytes, store.queue.len(), store.by_call.len()), (0, 0, 0));
}

#[test]
fn the_oldest_goes_first_when_memory_is_used_up() {
    let mut store = store(64 << 10, Duration::from_secs(60));
    let acme = tenant("acme");
    for n in 0..1_000u64 {
        store.note(&acme, ConnId(n), note(n, "something"));
        let tagged = TaggedLeg { conn_id: ConnId(n), leg: 1 };
        store.message(&format!("call-{n}"), Some(tagged), None, message(n, "INVITE"));
    }
    assert!(store.bytes <= 64 << 10, "{}", store.bytes);
    assert!(find(&mut store, "acme", "0000000000000000", 2_000).entries.is_empty());
    assert_eq!(find(&mut store, "acme", "00000000000003e7", 2_000).entries.len(), 2);
    assert_eq!(store.counts().dropped.get() as usize + store.buckets.len(), 2_000);
}

#[test]
fn one_call_cannot_take_the_room_of_all() {
    let mut store = store(64 << 10, Duration::from_secs(60));
    let acme = tenant("acme");
    store.note(&acme, ConnId(1), note(1, "quiet"));
    for n in 0..10_000 {
        store.note(&acme, CALL, note(n, "storm"));
    }
    let storm = find(&mut store, "acme", "00000000000000ab", 10_000);
    assert_eq!(storm.left_out as usize + storm.entries.len(), 10_000);
    assert_eq!(find(&mut store, "acme", "0000000000000001", 10_000).entries.len(), 1);
}

#[test]
fn an_invite_that_never_became_a_call_is_listed_with_its_refusal() {
    const INVITE: &str = "INVITE sip:+4930@edge SIP/2.0\r\nFrom: \"A\" <sip:+4989@carrier>;tag=a\r\nCall-ID: q\r\n\r\n";
    let mut store = store(1 << 20, Duration::from_secs(60));
    let acme = tenant("acme");
    let dialogs = [
        ("refused", None, None, "SIP/2.0 403 Forbidden\r\nCSeq: 1 INVITE\r\n\r\n"),
        ("challenged", None, None, "SIP/2.0 407 Proxy Authentication Required\r\nCSeq: 1 INVITE\r\n\r\n"),
        ("call", Some(OF_CALL), Some(&acme), "SIP/2.0 404 Not Found\r\nCSeq: 1 INVITE\r\n\r\n"),
        ("unsigned", None, Some(&acme), "SIP/2.0 428 Use Identity Header\r\nCSeq: 1 INVITE\r\n\r\n"),
        ("cancelled", None, Some(&acme), "SIP/2.0 481 Call/Transaction Does Not Exist\r\nCSeq: 1 CANCEL\r\n\r\n"),
    ];
    for (at, (call_id, tagged, tenant, answer)) in (1..).zip(dialogs) {
        store.message(call_id, tagged, tenant, message(at, INVITE));
        store.message(call_id, tagged, tenant, said(at, answer));
    }
    let mut listed = |of: &str, nobodys| {
        let refused = store.refused((&tenant(of), nobodys), None, true, 10, Timestamp::from_micros(10));
        refused.into_iter().map(|dialog| (dialog.conn_id, dialog.last_event.unwrap())).collect::<Vec<_>>()
    };
    let [forbidden, unsigned] = [("refused", "403 Forbidden"), ("unsigned", "428 Use Identity Header")]
        .map(|(call_id, status)| (call_id.to_owned(), status.to_owned()));
    assert_eq!(listed("acme", true), [unsigned.clone(), forbidden.clone()]);
    assert_eq!(listed("acme", false), [unsigned]);
    assert_eq!(listed("other", true), [forbidden]);
    let other = tenant("other");
    let first = store.refused((&other, true), None, true, 10, Timestamp::from_micros(10)).remove(0);
    assert_eq!((first.from.as_str(), first.to.as_str()), ("+4989", "+4930"));
}

#[test]
fn a_refused_dialog_is_found_by_its_number_behind_later_ones_of_others() {
    const OURS: &str = "INVITE sip:+4930@edge SIP/2.0\r\nf: <sip:+49891234567@carrier>;tag=a\r\nCall-ID: q\r\n\r\n";
    const OTHERS: &str = "INVITE sip:+4930@edge SIP/2.0\r\nf: <sip:+49897654321@carrier>;tag=a\r\nCall-ID: q\r\n\r\n";
    let mut store = store(1 << 20, Duration::from_secs(60));
    for (at, (call_id, invite)) in (1..).zip([("ours", OURS), ("one", OTHERS), ("two", OTHERS)]) {
        store.message(call_id, None, None, message(at, invite));
        store.message(call_id, None, None, said(at, "SIP/2.0 403 Forbidden\r\nCSeq: 1 INVITE\r\n\r\n"));
    }
    let mut found = |from, numbers| {
        let refused = store.refused((&tenant("acme"), true), Some(from), numbers, 1, Timestamp::from_micros(10));
        refused.into_iter().map(|dialog| dialog.conn_id).collect::<Vec<_>>()
    };
    assert_eq!(found("67", false), ["ours"]);
    assert_eq!(found("4567", true), ["ours"]);
    assert!(found("4567", false).is_empty(), "nobody finds digits that are not shown");
}

#[test]
fn a_number_outside_that_has_answered_is_named() {
    let mut store = store(1 << 20, Duration::from_secs(60));
    let acme = tenant("acme");
    let call = entry::Call {
        uuid: String::new(),
        printed: String::new(),
        caller: "7101".to_owned(),
        trunk: None,
        dialled: "030123".to_owned(),
        began: 1,
        taken_over: false,
    };
    let party = "+4930123".to_owned();
    let leg = entry::Leg { leg: 2, party, caller: false, contact: None, trunk: Some("main".to_owned()) };
    let established = |other: &str| entry::Event {
        name: "EventEstablished".to_owned(),
        this_dn: Some("7101".to_owned()),
        role: Some("Origination".to_owned()),
        other_dn: Some(other.to_owned()),
        ..entry::Event::default()
    };
    let mut listed = |what| {
        store.note(&acme, CALL, Kept::What(Entry { at: 1, what }));
        let latest = store.latest(&acme, None, true, 1, Timestamp::from_micros(10));
        latest.into_iter().next().and_then(|call| call.answered_by)
    };
    assert_eq!(listed(What::Call(call)), None);
    assert_eq!(listed(What::Leg(leg)), None);
    assert_eq!(listed(What::Event(Box::new(established("9000")))), None, "a route point answers by itself");
    assert_eq!(listed(What::Event(Box::new(established("+4930123")))).as_deref(), Some("+4930123"));
}
