//! Quarantine: a record is moved there whole, bounded, and comes back where a takeover finds it.

use std::time::Duration;

use bytes::Bytes;
use model::{ConnId, Token};

use super::SetClock;
use super::fixtures::{create, dialog, event, owner, save, tenant, write};
use crate::record::RecordKey as _;
use crate::{
    CallWrite, Change, Claim, Claimed, LedgerKind, Loaded, QuarantineId, QuarantineRequest, Stores, Written, bounds,
    released,
};

fn aside(call: u64, token: u64, by: &str) -> QuarantineRequest {
    QuarantineRequest {
        tenant: tenant("acme"),
        ledger: LedgerKind::Call,
        key: ConnId(call).text(),
        owner: owner(by),
        token: Token(token),
        why: "its restore panics".to_owned(),
        report: Bytes::from_static(b"BYE sip:7101"),
        events: Vec::new(),
    }
}

pub(super) async fn a_record_is_put_aside_whole_or_not_at_all(stores: &Stores) {
    let (acme, me, successor) = (tenant("acme"), owner("node-1.5"), owner("node-2.6"));
    let call = CallWrite { index: vec![dialog("a")], ..write(&acme, 7, &me, 1, create("poison")) };
    stores.calls.commit(vec![call, write(&acme, 8, &me, 1, create("sound"))]).await.unwrap();
    let claim = |call| Claim { tenant: acme.clone(), key: ConnId(call), seen: None };
    stores.calls.claim(&successor, vec![claim(7)]).await.unwrap();
    let with_event =
        |token, by: &str| QuarantineRequest { events: vec![event(&acme, 7, token, 1)], ..aside(7, token, by) };
    let late = stores.quarantine.put_aside(with_event(1, "node-1.5")).await.unwrap();
    assert_eq!(late, Written::Fenced { owner: successor.clone(), token: Token(2) });
    assert_eq!(stores.quarantine.list(&acme).await.unwrap(), []);
    assert_eq!(stores.quarantine.put_aside(aside(9, 1, "node-1.5")).await.unwrap(), Written::Unknown);
    let put = stores.quarantine.put_aside(with_event(2, "node-2.6")).await.unwrap();
    assert!(matches!(put, Written::Done { position: Some(_) }), "{put:?}");
    assert_eq!(stores.calls.load(&acme, ConnId(7)).await.unwrap(), Loaded::Ended);
    assert_eq!(
        stores.calls.lookup(&acme, &dialog("a")).await.unwrap(),
        Some(ConnId(7)),
        "a repeated INVITE finds its end"
    );
    assert_eq!(stores.calls.orphans(&acme, &successor, 10).await.unwrap(), []);
    assert_eq!(stores.calls.list(&acme, None, 10).await.unwrap().len(), 1, "its neighbour stays");
    let held = stores.quarantine.list(&acme).await.unwrap();
    let [one] = &held[..] else { panic!("{held:?}") };
    assert_eq!(
        (one.ledger, &one.key, &one.owner, one.token),
        (LedgerKind::Call, &ConnId(7).text(), &successor, Token(2))
    );
    assert_eq!((&one.why[..], one.bytes), ("its restore panics", 6 + 12 + 18));
    assert_eq!(one.expires_at, one.at + bounds::QUARANTINE_KEPT);
    let read = stores.quarantine.read(&acme, one.id).await.unwrap().unwrap();
    assert_eq!((&read.state[..], &read.report[..], &read.aside), (&b"poison"[..], &b"BYE sip:7101"[..], one));
    assert_eq!(
        stores.quarantine.put_aside(with_event(2, "node-2.6")).await.unwrap(),
        Written::Ended,
        "it is done once"
    );
    assert_eq!(stores.quarantine.list(&tenant("other")).await.unwrap(), []);
}

pub(super) async fn every_ledgers_records_can_be_put_aside(stores: &Stores) {
    let (acme, me) = (tenant("acme"), owner("node-1.5"));
    super::ledgers::one_of_each(stores, &acme, &me).await;
    for (ledger, key) in super::ledgers::EACH {
        let aside = QuarantineRequest { ledger, key: key.to_owned(), ..aside(0, 1, "node-1.5") };
        let put = stores.quarantine.put_aside(aside).await.unwrap();
        assert_eq!(put, Written::Done { position: None }, "{ledger}");
    }
    let held = stores.quarantine.list(&acme).await.unwrap();
    assert_eq!(held.iter().map(|one| (one.ledger, &one.key[..])).collect::<Vec<_>>(), super::ledgers::EACH);
    for one in held {
        assert!(stores.quarantine.release(&acme, one.id, "a test").await.unwrap(), "{}", one.ledger);
    }
    let owners = [
        stores.calls.owners(&acme).await.unwrap(),
        stores.agents.owners(&acme).await.unwrap(),
        stores.sessions.owners(&acme).await.unwrap(),
        stores.media.owners(&acme).await.unwrap(),
    ];
    for holdings in owners {
        assert!(matches!(&holdings[..], [one] if one.owner == released() && one.records == 1), "{holdings:?}");
    }
}

pub(super) async fn a_released_record_is_found_by_a_takeover(stores: &Stores, clock: &SetClock) {
    let (acme, me, successor) = (tenant("acme"), owner("node-1.5"), owner("node-2.6"));
    let call = CallWrite { index: vec![dialog("a"), dialog("b")], ..write(&acme, 7, &me, 1, create("poison")) };
    stores.calls.commit(vec![call]).await.unwrap();
    stores.quarantine.put_aside(aside(7, 1, "node-1.5")).await.unwrap();
    let id = stores.quarantine.list(&acme).await.unwrap()[0].id;
    assert!(!stores.quarantine.release(&acme, QuarantineId(id.0 + 1), "a test").await.unwrap());
    assert!(stores.quarantine.release(&acme, id, "a test").await.unwrap());
    assert!(!stores.quarantine.release(&acme, id, "a test").await.unwrap(), "it is there no more");
    assert_eq!(stores.quarantine.read(&acme, id).await.unwrap(), None);
    // The tombstone of its end has expired, and removes nothing else.
    clock.advance(bounds::TOMBSTONE * 2);
    assert_eq!(stores.calls.lookup(&acme, &dialog("a")).await.unwrap(), Some(ConnId(7)));
    let orphans = stores.calls.orphans(&acme, &released(), 10).await.unwrap();
    let [orphan] = &orphans[..] else { panic!("{orphans:?}") };
    assert_eq!((&orphan.state[..], orphan.token, orphan.claims), (&b"poison"[..], Token(2), 1));
    let claim = Claim { tenant: acme.clone(), key: ConnId(7), seen: Some(Token(2)) };
    let claimed = stores.calls.claim(&successor, vec![claim]).await.unwrap();
    assert!(matches!(&claimed[..], [Claimed::Yours(record)] if record.token == Token(3)), "{claimed:?}");
    let written = stores.calls.commit(vec![write(&acme, 7, &successor, 3, save("mended"))]).await.unwrap();
    assert!(matches!(written[..], [Written::Done { .. }]), "{written:?}");
    stores.quarantine.put_aside(aside(7, 3, "node-2.6")).await.unwrap();
    let id = stores.quarantine.list(&acme).await.unwrap()[0].id;
    assert!(stores.quarantine.discard(&acme, id, "a test").await.unwrap());
    assert_eq!(stores.quarantine.list(&acme).await.unwrap(), []);
    assert_eq!(stores.quarantine.dropped(&acme).await.unwrap(), 0, "nobody has dropped it but who was asked to");
}

pub(super) async fn quarantine_has_an_end(stores: &Stores, clock: &SetClock) {
    let (acme, me) = (tenant("acme"), owner("node-1.5"));
    for call in 1..=3 {
        stores.calls.commit(vec![write(&acme, call, &me, 1, create("x"))]).await.unwrap();
        stores.quarantine.put_aside(aside(call, 1, "node-1.5")).await.unwrap();
        clock.advance(Duration::from_secs(1));
    }
    clock.advance(bounds::QUARANTINE_KEPT - Duration::from_secs(2));
    let held = stores.quarantine.list(&acme).await.unwrap();
    assert_eq!(held.iter().map(|one| &one.key).collect::<Vec<_>>(), [&ConnId(3).text()]);
    assert_eq!(stores.quarantine.dropped(&acme).await.unwrap(), 2);
    let long =
        QuarantineRequest { why: "ö".repeat(4_000), report: vec![0; 1 << 20].into(), ..aside(4, 1, "node-1.5") };
    stores.calls.commit(vec![write(&acme, 4, &me, 1, create("x"))]).await.unwrap();
    stores.quarantine.put_aside(long).await.unwrap();
    let held = stores.quarantine.list(&acme).await.unwrap();
    let last = held.last().unwrap();
    assert!(last.why.len() <= bounds::QUARANTINE_WHY_MAX && last.why.len() + 2 > bounds::QUARANTINE_WHY_MAX);
    let read = stores.quarantine.read(&acme, last.id).await.unwrap().unwrap();
    assert_eq!(read.report.len(), bounds::QUARANTINE_REPORT_MAX);
}

pub(super) async fn quarantine_takes_no_more_room_than_it_may_and_the_oldest_goes_first(stores: &Stores) {
    let (acme, me) = (tenant("acme"), owner("node-1.5"));
    let large = || Change::Create { state: vec![b'x'; bounds::STATE_MAX].into(), intentions: Bytes::new() };
    let fits = bounds::QUARANTINE_BYTES / (bounds::STATE_MAX + 100);
    for call in 0..fits as u64 + 2 {
        stores.calls.commit(vec![write(&acme, call, &me, 1, large())]).await.unwrap();
        stores.quarantine.put_aside(aside(call, 1, "node-1.5")).await.unwrap();
    }
    let held = stores.quarantine.list(&acme).await.unwrap();
    assert_eq!((held.len(), &held[0].key), (fits, &ConnId(2).text()));
    assert_eq!(stores.quarantine.dropped(&acme).await.unwrap(), 2);
}
