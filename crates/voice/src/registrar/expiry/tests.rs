use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::future::{BoxFuture, pending};
use infra::conformance::SetClock;
use infra::{
    Answer, Binding, Refusal, Registration, RegistrationWrite, RegistrationWritten, Registrations, StoreError, Stores,
};
use model::plan::Contact;
use sip::registration::Policy;
use sip::transaction::{Intervals, Received, TransactionLayer};
use sip::{ConnectionId, Flow, HeaderName, Message, StatusCode};

use super::super::handler::{Asked, TOPIC};
use super::*;
use crate::reporting::Reporter;
use crate::test_stores::{set_clock, stores};

/// Registrations in memory, some of them faulty.
struct Store {
    held: Arc<dyn Registrations>,
    /// DNs whose record cannot be read.
    damaged: Mutex<HashSet<Dn>>,
    /// DNs whose record is refused.
    unwritable: Mutex<HashSet<Dn>>,
    /// What the store says to a write of these DNs instead of doing it; a conflict once.
    said: Mutex<HashMap<Dn, RegistrationWritten>>,
    away: AtomicBool,
    silent: AtomicBool,
    commits: AtomicUsize,
    scans: AtomicUsize,
    largest_batch: AtomicUsize,
}

impl Registrations for Store {
    fn load<'a>(&'a self, tenant: &'a TenantId, dn: &'a Dn) -> Answer<'a, Registration> {
        if self.damaged.lock().unwrap().contains(dn) {
            let error = StoreError::Corrupt { what: "a registration".to_owned(), reason: "a bit fell over".to_owned() };
            return async { Err(error) }.boxed();
        }
        self.held.load(tenant, dn)
    }

    fn commit(&self, batch: Vec<RegistrationWrite>) -> Answer<'_, Vec<RegistrationWritten>> {
        self.largest_batch.fetch_max(batch.len(), Relaxed);
        if batch.iter().any(|write| self.unwritable.lock().unwrap().contains(&write.dn)) {
            return async { Err(StoreError::Full { what: "a stream", bound: 1 }) }.boxed();
        }
        self.commits.fetch_add(1, Relaxed);
        let mut said = self.said.lock().unwrap();
        let instead: Vec<Option<RegistrationWritten>> =
            batch.iter().map(|write| said.get(&write.dn).cloned()).collect();
        let taken = batch.into_iter().filter(|write| !said.contains_key(&write.dn)).collect();
        said.retain(|_, said| matches!(said, RegistrationWritten::Refused(_)));
        let written = self.held.commit(taken);
        async move {
            let mut written = written.await?.into_iter();
            Ok(instead.into_iter().filter_map(|instead| instead.or_else(|| written.next())).collect())
        }
        .boxed()
    }

    fn ending(&self, now: Timestamp, max: usize) -> Answer<'_, Vec<(TenantId, Dn)>> {
        self.scans.fetch_add(1, Relaxed);
        if self.silent.load(Relaxed) {
            return pending().boxed();
        }
        if self.away.load(Relaxed) {
            return async { Err(StoreError::Unavailable { reason: "pulled out".to_owned() }) }.boxed();
        }
        self.held.ending(now, max)
    }

    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        after: Option<&'a Dn>,
        max: usize,
    ) -> BoxFuture<'a, infra::Result<Vec<(Dn, Registration)>>> {
        self.held.list(tenant, after, max)
    }
}

struct Bench {
    clock: Arc<SetClock>,
    store: Arc<Store>,
    handler: Handler,
    reporter: Reporter,
    expiry: Expiry,
    counted: runtime::Metrics,
    layer: TransactionLayer,
}

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn dn(number: usize) -> Dn {
    Dn::parse(&number.to_string()).unwrap()
}

impl Bench {
    fn new() -> Self {
        let clock = set_clock();
        let stores = stores(clock.clone());
        let store = Arc::new(Store {
            held: stores.registrations.clone(),
            damaged: Mutex::default(),
            unwritable: Mutex::default(),
            said: Mutex::default(),
            commits: AtomicUsize::default(),
            away: AtomicBool::default(),
            silent: AtomicBool::default(),
            scans: AtomicUsize::default(),
            largest_batch: AtomicUsize::default(),
        });
        let stores = Stores { registrations: store.clone(), ..stores };
        let counted = runtime::Metrics::default();
        let metrics = Metrics::register(&counted);
        let reporter = Reporter::unread(TOPIC);
        let handler = Handler::new(stores, Policy::default(), metrics.clone(), reporter.clone());
        let expiry = Expiry::new(handler.clone(), metrics);
        let layer = TransactionLayer::new(Intervals::default());
        Self { clock, store, handler, reporter, expiry, counted, layer }
    }

    /// Adds phones that expire within this call.
    async fn phones(&self, numbers: std::ops::Range<usize>) {
        let now = infra::Clock::now(&*self.clock);
        let of = |number: usize| {
            let contact = Contact::new(format!("sip:{number}@192.0.2.1"), Vec::new());
            let (refreshed_at, expires_at) = (now, now + Duration::from_secs(1));
            let call_id = "a".to_owned();
            let binding = Binding {
                contact,
                call_id,
                cseq: 1,
                refreshed_at,
                expires_at,
                q: 1_000,
                user_agent: None,
                instance: None,
                reg_id: None,
            };
            let (tenant, dn) = (acme(), dn(number));
            RegistrationWrite { tenant, dn, expected: 0, bindings: vec![binding], events: Vec::new() }
        };
        self.store.held.commit(numbers.map(of).collect()).await.unwrap();
        self.clock.advance(Duration::from_secs(1));
    }

    /// Takes one step; returns whether there was one.
    fn turn(&mut self) -> bool {
        let clock = self.clock.clone();
        self.expiry.next(|| infra::Clock::now(&*clock)).now_or_never().is_some()
    }

    fn scan(&mut self) {
        self.expiry.scan();
        while self.turn() {}
    }

    async fn in_service(&self) -> Vec<String> {
        let held = self.store.held.list(&acme(), None, usize::MAX).await.unwrap();
        held.into_iter().filter(|(_, held)| !held.bindings.is_empty()).map(|(dn, _)| dn.to_string()).collect()
    }

    fn counts(&self, line: &str) -> bool {
        let text = self.counted.encode(runtime::metrics::Format::OpenMetrics);
        text.lines().any(|counted| counted == line)
    }

    /// A REGISTER of a phone.
    fn asked(&mut self, number: usize, cseq: usize) -> Asked {
        let text = format!(
            "REGISTER sip:acme.example SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK{number}-{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{number}@acme.example>;tag=a\r\nTo: <sip:{number}@acme.example>\r\n\
             Call-ID: honest-{number}\r\nCSeq: {cseq} REGISTER\r\nContact: <sip:{number}@192.0.2.9>\r\n\
             Trunkline-Tenant: acme\r\nTrunkline-Source: phone;dn={number}\r\nContent-Length: 0\r\n\r\n"
        );
        let message = Message::parse(Bytes::from(text)).unwrap();
        let now = infra::Clock::now(&*self.clock);
        let received = self.layer.receive_sound(message, Flow::Stream { connection: ConnectionId(1) }, now);
        let Received::Request(new) = received else { panic!("a REGISTER is a request") };
        Asked { server: new.server, request: new.message, to_tag: "t".to_owned() }
    }

    /// Registers a phone; returns the status of an answer in this turn.
    fn register(&mut self, number: usize, cseq: usize) -> Option<StatusCode> {
        let asked = self.asked(number, cseq);
        let batch = self.handler.register(vec![asked]).now_or_never()?;
        batch.answers[0].1.status()
    }
}

#[tokio::test]
async fn a_registration_that_the_store_refuses_is_answered_at_once_and_is_no_conflict() {
    let mut bench = Bench::new();
    let no_room = RegistrationWritten::Refused(Refusal::NoRoom { what: "the registrations", bound: 1 });
    bench.store.said.lock().unwrap().insert(dn(7_102), no_room);
    let asked = (7_101..7_104).map(|number| bench.asked(number, 1)).collect();
    let batch = bench.handler.register(asked).await;
    let statuses: Vec<_> = batch.answers.iter().filter_map(|(_, answer)| answer.status()).map(|it| it.0).collect();
    assert_eq!((statuses, batch.behind.len()), (vec![200, 503, 200], 0));
    assert!(batch.answers[1].1.header(&HeaderName::RetryAfter).is_some());
    assert_eq!(bench.store.commits.load(Relaxed), 1, "the same write is not tried again");
    assert!(bench.counts("registrar_writes_refused_total 1") && bench.counts("registrar_conflicts_total 0"));
}

/// What the store says of a write when its connection breaks.
fn unanswered() -> RegistrationWritten {
    RegistrationWritten::Unanswered { reason: "the connection broke".to_owned() }
}

#[tokio::test]
async fn of_a_batch_that_breaks_off_what_is_written_is_answered_and_told() {
    let mut bench = Bench::new();
    bench.store.said.lock().unwrap().insert(dn(7_102), unanswered());
    let asked = (7_101..7_103).map(|number| bench.asked(number, 1)).collect();
    let batch = bench.handler.register(asked).await;
    let statuses: Vec<_> = batch.answers.iter().filter_map(|(_, answer)| answer.status()).map(|it| it.0).collect();
    assert_eq!((statuses, batch.behind.len()), (vec![200, 503], 0));
    assert!(batch.answers[1].1.header(&HeaderName::RetryAfter).is_some());
    assert_eq!(bench.reporter.told(), 1);
    assert!(bench.counts("registrar_store_failures_total 1") && bench.counts("registrar_writes_refused_total 0"));
    // One that is repeated alone is told so, too.
    bench.store.said.lock().unwrap().insert(dn(7_102), unanswered());
    let asked = vec![bench.asked(7_102, 2)];
    let batch = bench.handler.again(asked).await;
    assert_eq!((batch.answers[0].1.status(), bench.reporter.told()), (Some(StatusCode::SERVICE_UNAVAILABLE), 1));
    assert_eq!((bench.register(7_102, 3), bench.reporter.told()), (Some(StatusCode::OK), 2));
}

#[tokio::test]
async fn of_ends_that_break_off_those_that_are_written_are_told_and_the_others_follow() {
    let mut bench = Bench::new();
    bench.phones(7_101..7_103).await;
    bench.store.said.lock().unwrap().insert(dn(7_102), unanswered());
    bench.scan();
    assert_eq!((bench.in_service().await, bench.reporter.told()), (vec!["7102".to_owned()], 1));
    assert!(bench.counts("registrar_store_failures_total 1") && bench.counts("registrar_phones_expired_total 1"));
    bench.scan();
    assert!(bench.in_service().await.is_empty());
    assert_eq!(bench.reporter.told(), 2);
}

#[tokio::test]
async fn others_do_not_wait_for_a_phone_whose_record_another_registrar_has_written_first() {
    let mut bench = Bench::new();
    bench.store.said.lock().unwrap().insert(dn(7_102), RegistrationWritten::Conflict(1));
    // The phone sends a second one meanwhile.
    let asked = [(7_101, 1), (7_102, 1), (7_102, 2), (7_103, 1)].map(|(number, cseq)| bench.asked(number, cseq));
    let mut batch = bench.handler.register(asked.into()).await;
    assert_eq!(batch.answers.len(), 2);
    let behind = batch.behind.remove(&(acme(), dn(7_102))).expect("it is handled again");
    let order: Vec<u32> = behind.iter().map(|one| one.request.cseq().unwrap().number).collect();
    assert_eq!((order, batch.behind.len()), (vec![1, 2], 0));
    let again = bench.handler.again(behind).await;
    assert!(again.answers.iter().all(|(_, answer)| answer.status() == Some(StatusCode::OK)));
    assert!(bench.counts("registrar_writes_refused_total 0") && bench.counts("registrar_conflicts_total 1"));
    assert_eq!(bench.in_service().await, ["7101", "7102", "7103"]);
}

#[tokio::test]
async fn an_end_that_the_store_refuses_is_set_aside() {
    let mut bench = Bench::new();
    let refused = RegistrationWritten::Refused(Refusal::Invalid("no".to_owned()));
    bench.store.said.lock().unwrap().insert(dn(7_102), refused);
    bench.phones(7_101..7_104).await;
    bench.scan();
    assert_eq!(bench.in_service().await, ["7102"]);
    assert!(bench.counts("registrar_phones_set_aside 1"));
}

#[tokio::test]
async fn whoever_registers_while_fifty_thousand_phones_expire_is_answered_within_the_turn() {
    let mut bench = Bench::new();
    bench.phones(100_000..150_000).await;
    let mut turns = 0;
    loop {
        bench.expiry.scan();
        assert!(bench.turn(), "the store answers at once");
        turns += 1;
        assert_eq!(bench.register(7_101, turns), Some(StatusCode::OK));
        if turns % 100 == 0 && bench.in_service().await == ["7101"] {
            break;
        }
        assert!(turns < 2_000, "it comes to an end");
    }
    assert!(bench.store.largest_batch.load(Relaxed) <= BATCH_MAX);
    assert!(bench.counts("registrar_phones_expired_total 50000"));
}

#[tokio::test]
async fn a_phone_whose_record_is_damaged_is_set_aside_and_tried_again_later() {
    let mut bench = Bench::new();
    bench.store.damaged.lock().unwrap().insert(dn(7_102));
    bench.phones(7_101..7_105).await;
    bench.scan();
    assert_eq!(bench.in_service().await, ["7102"]);
    assert!(bench.counts("registrar_phones_set_aside 1"));
    // Phones that expire later are ended nevertheless.
    bench.phones(7_201..7_203).await;
    bench.scan();
    assert_eq!(bench.in_service().await, ["7102"]);
    bench.store.damaged.lock().unwrap().clear();
    bench.scan();
    assert_eq!(bench.in_service().await, ["7102"], "not with each scan");
    bench.clock.advance(AGAIN_AFTER);
    bench.scan();
    assert!(bench.in_service().await.is_empty());
    assert!(bench.counts("registrar_phones_set_aside 0"));
}

#[tokio::test]
async fn whoever_is_set_aside_and_registers_again_is_forgotten() {
    let mut bench = Bench::new();
    bench.store.damaged.lock().unwrap().insert(dn(7_102));
    bench.phones(7_102..7_103).await;
    bench.scan();
    assert!(bench.counts("registrar_phones_set_aside 1"));
    bench.store.damaged.lock().unwrap().clear();
    assert_eq!(bench.register(7_102, 2), Some(StatusCode::OK));
    bench.scan();
    assert!(bench.counts("registrar_phones_set_aside 0"));
    assert_eq!(bench.in_service().await, ["7102"]);
}

#[tokio::test]
async fn a_write_that_is_refused_costs_that_phone_alone() {
    let mut bench = Bench::new();
    bench.store.unwritable.lock().unwrap().insert(dn(7_103));
    bench.phones(7_101..7_111).await;
    bench.scan();
    assert_eq!(bench.in_service().await, ["7103"]);
}

#[tokio::test]
async fn more_faulty_phones_than_a_scan_names_hide_nobody() {
    let mut bench = Bench::new();
    bench.store.damaged.lock().unwrap().extend((10_000..10_000 + SCAN_MAX).map(dn));
    bench.phones(10_000..10_000 + SCAN_MAX + 5).await;
    bench.scan();
    bench.scan();
    assert_eq!(bench.in_service().await.len(), SCAN_MAX);
}

#[tokio::test]
async fn a_store_that_is_away_is_asked_again_by_the_next_scan() {
    let mut bench = Bench::new();
    bench.phones(7_101..7_104).await;
    bench.store.away.store(true, Relaxed);
    bench.scan();
    assert_eq!(bench.in_service().await.len(), 3);
    assert!(bench.counts("registrar_store_failures_total 1"));
    bench.store.away.store(false, Relaxed);
    bench.scan();
    assert!(bench.in_service().await.is_empty());
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_asked_once_and_holds_up_no_turn() {
    let mut bench = Bench::new();
    bench.store.silent.store(true, Relaxed);
    bench.phones(7_101..7_102).await;
    for cseq in 1..5 {
        bench.expiry.scan();
        assert!(!bench.turn());
        assert_eq!(bench.register(7_105, cseq), Some(StatusCode::OK));
    }
    assert_eq!(bench.store.scans.load(Relaxed), 1);
}
