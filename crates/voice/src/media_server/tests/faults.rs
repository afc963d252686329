//! A fault of one leg costs only that leg: a panic, or a record that cannot be restored.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use infra::{Change, LedgerKind, MediaSessionId, MediaWrite, QuarantineRequest};
use media::g711::Law;
use model::{Epoch, NodeId, Owner, TenantId, Token};
use runtime::fault::InARow;
use sip::StatusCode;
use sip::agent::{DialogId, Event, Release};

use super::super::node::Node;
use super::super::node::faults::Doing;
use super::super::previous_run::released_of;
use super::bench::{Bench, Phone, limits};
use crate::quarantine::CLAIMS_MAX;
use crate::test_stores::{set_clock, stores};

/// Two conferences of two legs each: the owner's dialogs, and the phones.
fn two_calls(ports: std::ops::RangeInclusive<u16>) -> (Bench, Vec<DialogId>, Vec<Phone>) {
    let mut bench = Bench::new(ports, limits());
    let mut phones: Vec<Phone> = (0..4).map(|_| Phone::new(Law::Mu)).collect();
    let services = ["conf=1", "conf=1", "conf=2", "conf=2"];
    let dialogs = services.iter().zip(&mut phones).map(|(service, phone)| bench.call(service, phone)).collect();
    (bench, dialogs, phones)
}

fn second_call_is_heard(phones: &mut [Phone]) {
    phones[2].say(0x21);
    assert_eq!(phones[3].hear(), (0, vec![0x21; 160]));
}

fn asides(node: &mut Node) -> Vec<QuarantineRequest> {
    std::iter::from_fn(|| node.poll_aside()).collect()
}

fn was_released(bench: &Bench, dialog: DialogId) -> bool {
    bench.events().iter().any(|event| matches!(event, Event::Released { dialog: id, .. } if *id == dialog))
}

#[test]
fn a_panic_ends_the_leg_in_hand_and_its_owner_hears_of_it() {
    let (mut bench, dialogs, mut phones) = two_calls(24_000..=24_019);
    let (faulty, now) = (bench.dialog_of(0), bench.now());
    bench.node.attempt(Doing::Time, now, |node| {
        node.set_current(faulty);
        panic!("for +15557654321");
    });
    assert!(matches!(bench.released(dialogs[0]), Release::ByPeer(_)));
    assert_eq!(bench.node.legs(), 3);
    let report = bench.node.poll_report().expect("a report");
    assert_eq!((report.cause.to_string().as_str(), report.name), ("a panic: for ***21", "time"));
    assert!(report.subject.is_some());
    second_call_is_heard(&mut phones);
}

#[test]
fn a_panic_that_is_no_legs_costs_none() {
    let (mut bench, _, mut phones) = two_calls(24_080..=24_099);
    // Some dialog has processed timers before.
    bench.settle();
    let now = bench.now();
    bench.node.attempt(Doing::Figures, now, |_| panic!("a fault of nobody"));
    bench.settle();
    assert_eq!(bench.node.legs(), 4);
    assert_eq!(bench.node.poll_report().map(|report| report.subject), Some(None));
    second_call_is_heard(&mut phones);
}

#[test]
fn a_leg_whose_thread_takes_no_order_is_refused_and_costs_no_port() {
    let mut bench = Bench::new(24_300..=24_301, limits());
    let is_busy = bench.make_threads_busy();
    let mut phone = Phone::new(Law::Mu);
    let refused = bench.invite("conf=1", Some(phone.offer().to_string()));
    assert_eq!(bench.failed(refused), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(bench.node.legs(), 0);
    is_busy.store(false, Ordering::SeqCst);
    bench.call("conf=1", &mut phone);
}

#[test]
fn a_change_of_session_that_no_thread_takes_leaves_the_leg_as_it_was() {
    let (mut bench, dialogs, mut phones) = two_calls(24_310..=24_329);
    let is_busy = bench.make_threads_busy();
    let moved = Phone::new(Law::Mu).offer().with_version(2).to_string();
    assert_eq!(bench.refused_reinvite(dialogs[2], moved), StatusCode::SERVICE_UNAVAILABLE);
    is_busy.store(false, Ordering::SeqCst);
    assert_eq!(bench.node.legs(), 4);
    second_call_is_heard(&mut phones);
    phones[3].say(0x22);
    assert_eq!(phones[2].hear(), (0, vec![0x22; 160]));
}

#[test]
fn a_leg_whose_answer_no_thread_takes_ends() {
    let mut bench = Bench::new(24_330..=24_331, limits());
    let phone = Phone::new(Law::Mu);
    let dialog = bench.invite("conf=1", None);
    bench.answered(dialog);
    let _is_busy = bench.make_threads_busy();
    bench.ack(dialog, phone.offer().to_string());
    assert!(matches!(bench.released(dialog), Release::ByPeer(_)));
    assert_eq!(bench.node.legs(), 0);
}

#[test]
fn a_leg_whose_record_is_too_large_costs_no_other_leg_its_commit() {
    let (mut bench, _, _) = two_calls(24_020..=24_039);
    let (large, now) = (bench.dialog_of(0), bench.now());
    bench.node.legs.get_mut(&large).expect("a leg").edge = "x".repeat(infra::bounds::STATE_MAX);
    let all = (0..4).map(|place| bench.dialog_of(place)).collect::<Vec<_>>();
    all.iter().for_each(|dialog| bench.node.mark(*dialog));
    assert_eq!(bench.node.batch(&[], now).len(), 3);
}

#[test]
fn a_stored_record_is_not_replaced_by_one_without_audio() {
    let (mut bench, _, _) = two_calls(24_900..=24_919);
    let all = (0..4).map(|place| bench.dialog_of(place)).collect::<Vec<_>>();
    let now = bench.now();
    all.iter().for_each(|dialog| bench.node.mark(*dialog));
    assert_eq!(bench.node.batch(&[], now).len(), 4, "a first record is better than none");
    all.iter().for_each(|dialog| bench.node.mark(*dialog));
    assert!(bench.node.batch(&[], now).is_empty(), "the thread has not answered");
    let answers = bench.node.request_snapshots();
    let known: Vec<_> = answers.into_iter().flat_map(|answer| answer.blocking_recv().unwrap()).collect();
    assert_eq!(bench.node.batch(&known, now).len(), 4, "with its answer");
}

#[test]
fn a_damaged_record_is_put_aside_and_every_other_leg_goes_on() {
    let (mut bench, dialogs, mut phones) = two_calls(24_040..=24_059);
    bench.restart_with(|at, record| {
        if at == 0 {
            let mut bytes = record.state.to_vec();
            let uri = bytes.windows(11).rposition(|window| window == b"sip:conf=1@").expect("its Request-URI");
            bytes[uri] = 0xFF;
            record.state = Bytes::from(bytes);
        }
    });
    let asides = asides(&mut bench.node);
    assert_eq!(asides.iter().map(|aside| aside.ledger).collect::<Vec<_>>(), [LedgerKind::Media]);
    assert!(asides[0].why.contains("cannot be read"), "{}", asides[0].why);
    assert_eq!(bench.node.legs(), 3);
    second_call_is_heard(&mut phones);
    bench.settle();
    assert!(!was_released(&bench, dialogs[2]));
}

#[test]
fn a_record_with_which_two_processes_died_is_put_aside_unseen() {
    let (mut bench, dialogs, mut phones) = two_calls(24_060..=24_079);
    bench.restart_with(|at, record| {
        if at == 1 {
            record.claims = CLAIMS_MAX;
        }
    });
    let asides = asides(&mut bench.node);
    assert_eq!(asides.len(), 1);
    assert_eq!(asides[0].why, "2 processes ended abnormally while processing it");
    assert!(!was_released(&bench, dialogs[1]), "it is not looked at, not even for whom to tell");
    assert_eq!(bench.node.legs(), 3);
    second_call_is_heard(&mut phones);
}

#[tokio::test]
async fn a_leg_that_was_released_from_quarantine_is_found_by_every_node() {
    let stores = stores(set_clock());
    let tenant = TenantId::parse("acme").expect("a name");
    let owner = Owner { node: NodeId::parse("media-1").expect("a name"), epoch: Epoch(5) };
    let session = MediaSessionId("m1".to_owned());
    let change = Change::Create { state: Bytes::from_static(b"x"), intentions: Bytes::new() };
    let write = MediaWrite {
        tenant: tenant.clone(),
        session: session.clone(),
        owner: owner.clone(),
        token: Token(1),
        change,
        due: None,
    };
    stores.media.commit(vec![write]).await.expect("stored");
    let aside = QuarantineRequest {
        tenant: tenant.clone(),
        ledger: LedgerKind::Media,
        key: session.0.clone(),
        owner,
        token: Token(1),
        why: "a test".to_owned(),
        report: Bytes::new(),
        events: Vec::new(),
    };
    stores.quarantine.put_aside(aside).await.expect("put aside");
    let found = || async { released_of(&*stores.media, &tenant).await.expect("the ledger").len() };
    assert_eq!(found().await, 0);
    let id = stores.quarantine.list(&tenant).await.expect("the list")[0].id;
    assert!(stores.quarantine.release(&tenant, id, "a test").await.expect("released"));
    assert_eq!(found().await, 1);
}

#[test]
fn a_node_in_which_nothing_works_any_more_ends() {
    let (mut bench, ..) = two_calls(24_200..=24_219);
    let now = bench.now();
    let works = |bench: &mut Bench| bench.node.attempt(Doing::CallData, now, |_| {});
    for _ in 1..InARow::MAX {
        bench.node.attempt(Doing::Figures, now, |_| panic!("nothing works"));
        bench.node.attempt(Doing::Time, now, |_| {});
    }
    assert!(!bench.node.is_beyond_help());
    works(&mut bench);
    bench.node.attempt(Doing::Figures, now, |_| panic!("nothing works"));
    assert!(!bench.node.is_beyond_help(), "something worked in between");
    for _ in 0..InARow::MAX {
        bench.node.attempt(Doing::Figures, now, |_| panic!("nothing works"));
    }
    assert!(bench.node.is_beyond_help());
}
