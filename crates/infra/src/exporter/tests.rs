//! Exporters that lose their right, fail, stop and overlap; a log that is unavailable, slow, or takes half.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::FutureExt as _;
use model::{CallUuid, ConnId, Event, EventId, EventName, Seq, Timestamp};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::conformance::NoProvisioning;
use crate::embedded::Embedded;
use crate::{Answer, CallLedger, CallWrite, Change, Clock, ReportingLog};

/// The virtual time of the test's executor.
struct VirtualClock(Instant);

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000) + self.0.elapsed()
    }
}

fn stores(log: Arc<dyn ReportingLog>) -> Stores {
    let clock = Arc::new(VirtualClock(Instant::now()));
    let embedded = Arc::new(Embedded::in_memory(clock.clone()));
    Stores::of(embedded, log, Arc::new(NoProvisioning), clock)
}

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn node(n: u64, life: u64) -> Owner {
    format!("sip-cluster-{n}.{life}").parse().unwrap()
}

/// Writes facts of a call, from number `from` on.
async fn tell(calls: &dyn CallLedger, call: u64, from: u64, count: u64) {
    let state = || (Bytes::from_static(b"state"), Bytes::new());
    let change = match from {
        1 => Change::Create { state: state().0, intentions: state().1 },
        _ => Change::Keep,
    };
    let events = (from..from + count).map(|seq| Stamped {
        id: EventId { subject: Subject::Call(ConnId(call)), token: Token(1), seq: Seq(seq) },
        tenant: acme(),
        at: Timestamp::from_millis(1_700_000_000_000 + seq),
        trace: Some(CallUuid(call.into())),
        event: Event::new(EventName::Ringing),
    });
    let write = CallWrite {
        tenant: acme(),
        conn_id: ConnId(call),
        owner: node(1, 1),
        token: Token(1),
        change,
        due: None,
        index: Vec::new(),
        events: events.collect(),
        new_call: None,
        absorbs: None,
    };
    calls.commit(vec![write]).await.unwrap();
}

#[tokio::test]
async fn a_correction_says_in_the_log_that_it_is_one() {
    let stores = stores(Arc::new(Gate::default()));
    tell(&*stores.calls, 7, 1, 1).await;
    let mut out = stores.events.read_out(&acme(), Position::START, 1).await.unwrap().remove(0);
    let plain = log_record(&out);
    out.is_correction = true;
    let correction = log_record(&out);
    assert_eq!((&correction.topic, &correction.key, &correction.id), (&plain.topic, &plain.key, &plain.id));
    let marked =
        |record: &LogRecord| serde_json::from_str::<serde_json::Value>(&record.json).unwrap()["correction"].clone();
    assert_eq!((marked(&plain), marked(&correction)), (serde_json::Value::Null, true.into()));
}

/// The content of a log.
type Lines = Arc<Mutex<Vec<LogRecord>>>;

/// The law: despite repeats, the first occurrences are complete and in the order of the stream, key by key.
async fn judge(stores: &Stores, lines: &Lines) {
    let entries = stores.events.read_out(&acme(), Position::START, usize::MAX).await.unwrap();
    let (mut should, mut is) = (HashMap::<String, Vec<String>>::new(), HashMap::<String, Vec<String>>::new());
    for record in entries.iter().map(log_record) {
        should.entry(record.key).or_default().push(record.id);
    }
    let mut seen = HashSet::new();
    for record in lines.lock().unwrap().iter() {
        if seen.insert(record.id.clone()) {
            is.entry(record.key.clone()).or_default().push(record.id.clone());
        }
    }
    assert_eq!(is, should);
}

/// A log that takes records when the test opens it.
#[derive(Default)]
struct Gate {
    lines: Lines,
    asked: Notify,
    open: Notify,
}

impl ReportingLog for Gate {
    fn append(&self, records: Vec<LogRecord>) -> Answer<'_, Vec<Refused>> {
        async move {
            self.asked.notify_one();
            self.open.notified().await;
            self.lines.lock().unwrap().extend(records);
            Ok(Vec::new())
        }
        .boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn an_exporter_that_was_stopped_while_it_wrote_cannot_say_what_is_out() {
    let log = Arc::new(Gate::default());
    let stores = stores(log.clone());
    tell(&*stores.calls, 7, 1, 3).await;
    let (tenant, first, second) = (acme(), node(1, 1), node(2, 1));
    let mut stopped = export_turn(&stores, &tenant, &first).boxed();
    // It has begun to write; then its process stops for longer than its right lasts.
    assert!(futures::poll!(&mut stopped).is_pending());
    log.asked.notified().await;
    sleep(LEASE * 2).await;
    tell(&*stores.calls, 7, 4, 2).await;
    let successor = export_turn(&stores, &tenant, &second);
    let (successor, ()) = tokio::join!(successor, async {
        log.asked.notified().await;
        log.open.notify_waiters();
    });
    assert_eq!(successor.unwrap(), Exported::Here { facts: 5, refused: Vec::new(), more: false });
    let late = stopped.await;
    assert!(matches!(&late, Err(StoreError::Fenced { owner, .. }) if *owner == second), "{late:?}");
    assert_eq!(log.lines.lock().unwrap().len(), 8, "both have written; the first three facts stand there twice");
    judge(&stores, &log.lines).await;
}

#[tokio::test(start_paused = true)]
async fn an_exporter_that_has_lost_its_right_stops_waiting_for_the_log() {
    let log = Arc::new(Gate::default());
    let stores = stores(log.clone());
    tell(&*stores.calls, 7, 1, 3).await;
    let (tenant, first, second) = (acme(), node(1, 1), node(2, 1));
    let mut stopped = export_turn(&stores, &tenant, &first).boxed();
    assert!(futures::poll!(&mut stopped).is_pending());
    sleep(LEASE * 2).await;
    assert!(stores.outbox.take(&tenant, &second, LEASE).await.unwrap().is_some());
    assert_eq!(stopped.await.unwrap(), Exported::Elsewhere);
}

#[tokio::test(start_paused = true)]
async fn a_slow_log_costs_nobody_the_right() {
    let log = Arc::new(Gate::default());
    let stores = stores(log.clone());
    tell(&*stores.calls, 7, 1, 3).await;
    let (tenant, first, second) = (acme(), node(1, 1), node(2, 1));
    let slow = async {
        sleep(LEASE * 10).await;
        assert_eq!(export_turn(&stores, &tenant, &second).await.unwrap(), Exported::Elsewhere);
        log.open.notify_one();
    };
    let (turn, ()) = tokio::join!(export_turn(&stores, &tenant, &first), slow);
    assert_eq!(turn.unwrap(), Exported::Here { facts: 3, refused: Vec::new(), more: false });
}

/// Numbers that look random and are the same for the same seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// A log that is slow, fails before, amid and after writing, and keeps writing for exporters that no longer wait.
struct Moody {
    lines: Lines,
    dice: Mutex<Dice>,
}

impl ReportingLog for Moody {
    fn append(&self, records: Vec<LogRecord>) -> Answer<'_, Vec<Refused>> {
        let (pause, mood, part) = {
            let mut dice = self.dice.lock().unwrap();
            (dice.below(8_000), dice.below(6), dice.below(records.len() as u64 + 1))
        };
        let (lines, (tell, told)) = (self.lines.clone(), oneshot::channel());
        tokio::spawn(async move {
            sleep(Duration::from_millis(pause)).await;
            let taken = match mood {
                0 => 0,
                1 => usize::try_from(part).unwrap(),
                _ => records.len(),
            };
            lines.lock().unwrap().extend(records.into_iter().take(taken));
            let _ = tell.send(mood > 2);
        });
        async move {
            match told.await {
                Ok(true) => Ok(Vec::new()),
                _ => Err(StoreError::Unavailable { reason: "in a mood".to_owned() }),
            }
        }
        .boxed()
    }
}

/// An exporter of many runs: each turn may be cut off by a failure, each pause may be a stop.
async fn exporter(stores: &Stores, n: u64, mut dice: Dice) {
    for life in 1.. {
        for _ in 0..dice.below(6) {
            let patience = Duration::from_millis(dice.below(12_000));
            let _ = timeout(patience, export_turn(stores, &acme(), &node(n, life))).await;
            sleep(Duration::from_millis(dice.below(9_000))).await;
        }
    }
}

async fn whole(seed: u64, work: impl Future<Output = ()>, stores: &Stores) {
    tokio::select! {
        () = work => {}
        () = exporter(stores, 1, Dice(seed * 3 + 1)) => {}
        () = exporter(stores, 2, Dice(seed * 5 + 2)) => {}
        () = exporter(stores, 3, Dice(seed * 7 + 3)) => {}
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_exporters_and_log_do_nothing_is_lost_and_every_key_is_in_order() {
    for seed in 0..60 {
        let log = Arc::new(Moody { lines: Lines::default(), dice: Mutex::new(Dice(seed)) });
        let stores = stores(log.clone());
        let telling = async {
            let mut dice = Dice(seed + 1_000);
            let mut next = [1_u64; 5];
            for _ in 0..60 {
                let (call, count) = (dice.below(5), dice.below(30) + 1);
                let from = &mut next[usize::try_from(call).unwrap()];
                tell(&*stores.calls, call + 1, *from, count).await;
                *from += count;
                sleep(Duration::from_millis(dice.below(2_000))).await;
            }
        };
        whole(seed, telling, &stores).await;
        // A last exporter, until everything is exported.
        let end = stores.events.end(&acme()).await.unwrap();
        while stores.outbox.take(&acme(), &node(9, 1), LEASE).await.unwrap().is_none_or(|lease| lease.position < end) {
            let _ = export_turn(&stores, &acme(), &node(9, 1)).await;
            sleep(Duration::from_secs(1)).await;
        }
        judge(&stores, &log.lines).await;
    }
}
