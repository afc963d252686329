use contracts::v1;

use super::*;

fn fact(tenant: &str) -> Topic {
    let added = v1::EventAdded { tenant: tenant.to_owned(), ..v1::EventAdded::default() };
    Topic::of(&Effect::Event(added)).unwrap()
}

fn work(stream: &str) -> Topic {
    let (tenant, stream) = ("acme".to_owned(), stream.to_owned());
    Topic::of(&Effect::WorkAdded(v1::WorkAdded { tenant, stream, ..v1::WorkAdded::default() })).unwrap()
}

#[test]
fn a_write_wakes_those_for_whom_it_brings_something_and_nobody_else() {
    let (acme, other) = (TenantId::parse("acme").unwrap(), TenantId::parse("other").unwrap());
    let wakings = ReaderWakeups::default();
    let facts = wakings.subscribe(Topic::facts(&acme));
    let strangers = wakings.subscribe(Topic::facts(&other));
    let (rq, ors) = (wakings.subscribe(Topic::work(&acme, "rq")), wakings.subscribe(Topic::work(&acme, "ors")));
    let woken = || [&facts, &strangers, &rq, &ors].map(|waiter| waiter.has_changed().unwrap());
    wakings.wake(&[fact("acme")]);
    assert_eq!(woken(), [true, false, false, false]);
    wakings.wake(&[work("rq")]);
    assert_eq!(woken(), [true, false, true, false]);
    assert_eq!(Topic::of(&Effect::Epoch(v1::EpochGiven::default())), None);
}

#[test]
fn wakings_of_those_who_left_are_forgotten() {
    let acme = TenantId::parse("acme").unwrap();
    let wakings = ReaderWakeups::default();
    let stays = wakings.subscribe(Topic::facts(&acme));
    for number in 0..SWEPT_AT * 3 {
        drop(wakings.subscribe(Topic::work(&acme, &number.to_string())));
    }
    assert!(wakings.held().senders.len() <= SWEPT_AT);
    wakings.wake(&[fact("acme")]);
    assert!(stays.has_changed().unwrap());
}
