use std::time::Duration;

use super::*;
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

fn find(store: &mut Store, of: &str, key: &str, at: u64) -> Found {
    let directory = Directory::of_instance(0, &[], |_| 1);
    store.find(&tenant(of), &Key::all(key), false, Timestamp::from_micros(at), &directory)
}

const CALL: ConnId = ConnId(0xab);

#[test]
fn a_call_is_found_by_each_of_its_names() {
    let mut store = store(1 << 20, Duration::from_secs(60));
    let acme = tenant("acme");
    store.note(&acme, CALL, note(1, "came"));
    store.identify(&acme, CALL, CallUuid(7), Timestamp::from_micros(1));
    store.name(&acme, CALL, "one@phone", Timestamp::from_micros(1));
    store.message("one@phone", None, Some(&acme), message(2, "INVITE"));
    store.message("two@us", Some(CALL), None, message(3, "BYE"));
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
    store.message("one@phone", Some(CALL), None, message(2, "INVITE"));
    // A stranger uses a tag of another tenant's call in its own dialog.
    store.message("stolen", Some(CALL), Some(&tenant("other")), message(3, "INVITE"));
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
        store.message(&format!("call-{n}"), Some(ConnId(n)), None, message(n, "INVITE"));
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
