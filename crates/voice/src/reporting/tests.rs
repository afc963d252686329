use std::sync::Mutex;
use std::time::Duration;

use infra::{Answer, Refused, ReportingLog, StoreError};
use model::{Epoch, NodeId};
use runtime::Drain;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::buffer::FILE_EACH;
use super::*;

const TOPIC: &str = contracts::reporting::REQUESTS;

/// A log that takes records only while `there` is true.
struct Log {
    there: watch::Sender<bool>,
    taken: Mutex<Vec<LogRecord>>,
    /// The number of records of each write.
    writes: Mutex<Vec<usize>>,
    written: tokio::sync::Notify,
}

impl Log {
    fn new(there: bool) -> Arc<Self> {
        let there = watch::Sender::new(there);
        Arc::new(Self { there, taken: Mutex::default(), writes: Mutex::default(), written: Default::default() })
    }

    fn ids(&self) -> Vec<String> {
        self.taken.lock().unwrap().iter().map(|record| record.id.clone()).collect()
    }
}

impl ReportingLog for Log {
    fn append(&self, records: Vec<LogRecord>) -> Answer<'_, Vec<Refused>> {
        Box::pin(async move {
            if !*self.there.borrow() {
                return Err(StoreError::Unavailable { reason: "away".to_owned() });
            }
            self.writes.lock().unwrap().push(records.len());
            self.taken.lock().unwrap().extend(records);
            self.written.notify_one();
            Ok(Vec::new())
        })
    }
}

struct Bench {
    folder: tempfile::TempDir,
    metrics: Metrics,
    lives: u64,
}

impl Bench {
    fn new() -> Self {
        let metrics = Metrics::register(&runtime::Metrics::default());
        Self { folder: tempfile::tempdir().unwrap(), metrics, lives: 0 }
    }

    /// A run of the role; it reports what `work` reports.
    fn life(&mut self, log: &Arc<Log>) -> (Reporter, impl Future<Output = ()> + use<>, Drain) {
        self.lives += 1;
        let owner = Owner { node: NodeId::parse("frontend-1").unwrap(), epoch: Epoch(self.lives) };
        let (reporter, waiting) = Reporter::new(owner, TOPIC, self.metrics.clone());
        let drain = Drain::new(Duration::ZERO);
        let buffer = Buffer {
            folder: self.folder.path().to_owned(),
            topic: TOPIC,
            log: log.clone(),
            drain: drain.clone(),
            metrics: self.metrics.clone(),
        };
        (reporter, buffer.run(waiting), drain)
    }
}

fn report(reporter: &Reporter, names: &[&str]) {
    let (tenant, at) = (TenantId::parse("acme").unwrap(), Timestamp::from_millis(5));
    for name in names {
        reporter.report(&tenant, name, "call:1", at, json!({ "n": name }));
    }
}

#[tokio::test]
async fn a_log_that_was_away_gets_everything_once_and_in_order() {
    let (mut bench, log) = (Bench::new(), Log::new(false));
    let (reporter, running, _drain) = bench.life(&log);
    report(&reporter, &["A", "B", "C"]);
    drop(reporter);
    let comes_back = async {
        while bench.metrics.failures.get() == 0 {
            tokio::task::yield_now().await;
        }
        log.there.send_replace(true);
    };
    tokio::join!(running, comes_back);
    assert_eq!(log.ids(), ["frontend-1.1:1", "frontend-1.1:2", "frontend-1.1:3"]);
    let first: Json = serde_json::from_str(&log.taken.lock().unwrap()[0].json).unwrap();
    assert_eq!((&first["type"], &first["data"]["n"]), (&"A".into(), &"A".into()));
    assert_eq!(log.taken.lock().unwrap()[0].key, "acme:call:1");
    let metrics = &bench.metrics;
    assert_eq!((metrics.written.get(), metrics.dropped.get(), metrics.waiting.get()), (3, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_record_goes_to_the_log_at_once_and_those_that_follow_closely_together() {
    let (mut bench, log) = (Bench::new(), Log::new(true));
    let (reporter, running, drain) = bench.life(&log);
    let running = tokio::spawn(running);
    let began = Instant::now();
    report(&reporter, &["A"]);
    // Polling repeatedly would prevent the paused time from advancing.
    log.written.notified().await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    for name in ["B", "C", "D"] {
        report(&reporter, &[name]);
        tokio::time::sleep(FILE_EACH / 2).await;
    }
    while log.ids().len() < 4 {
        tokio::time::sleep(FILE_EACH).await;
    }
    assert_eq!((*log.writes.lock().unwrap()).as_slice(), [1, 3]);
    // The last record does not wait for its turn.
    report(&reporter, &["E"]);
    drain.end();
    running.await.unwrap();
    // A record taken at the time of the end may be written twice.
    let ids: std::collections::BTreeSet<String> = log.ids().into_iter().collect();
    assert_eq!(ids.len(), 5);
}

#[tokio::test]
async fn what_a_life_could_not_write_the_next_one_writes_first() {
    let (mut bench, log) = (Bench::new(), Log::new(false));
    let (reporter, running, drain) = bench.life(&log);
    report(&reporter, &["A", "B"]);
    drain.end();
    running.await;
    assert!(log.ids().is_empty() && bench.metrics.waiting.get() > 0);
    log.there.send_replace(true);
    let (reporter, running, _drain) = bench.life(&log);
    report(&reporter, &["C"]);
    drop(reporter);
    running.await;
    assert_eq!(log.ids(), ["frontend-1.1:1", "frontend-1.1:2", "frontend-1.2:1"]);
    assert_eq!((bench.metrics.written.get(), bench.metrics.dropped.get()), (3, 0));
}

#[tokio::test]
async fn a_role_that_is_killed_loses_nothing_that_had_reached_the_file() {
    let (mut bench, log) = (Bench::new(), Log::new(false));
    let (reporter, running, _drain) = bench.life(&log);
    report(&reporter, &["A", "B"]);
    let killed = tokio::spawn(running);
    while bench.metrics.waiting.get() == 0 {
        tokio::task::yield_now().await;
    }
    killed.abort();
    assert!(killed.await.is_err());
    log.there.send_replace(true);
    let (reporter, running, _drain) = bench.life(&log);
    drop(reporter);
    running.await;
    assert_eq!(log.ids(), ["frontend-1.1:1", "frontend-1.1:2"]);
}

#[tokio::test]
async fn a_record_that_no_log_takes_holds_nothing_up() {
    let (mut bench, log) = (Bench::new(), Log::new(true));
    let (reporter, running, _drain) = bench.life(&log);
    report(&reporter, &["A", &"x".repeat(infra::bounds::LOG_RECORD_BYTES_MAX), "B"]);
    drop(reporter);
    running.await;
    assert_eq!(log.ids(), ["frontend-1.1:1", "frontend-1.1:3"]);
    assert_eq!((bench.metrics.written.get(), bench.metrics.refused.get()), (2, 1));
}

#[tokio::test]
async fn beyond_the_bound_records_are_dropped_and_counted() {
    let (mut bench, log) = (Bench::new(), Log::new(true));
    let (reporter, _running, _drain) = bench.life(&log);
    for _ in 0..WAITING_MAX + 2 {
        report(&reporter, &["A"]);
    }
    assert_eq!(bench.metrics.dropped.get(), 2);
}

#[tokio::test]
async fn records_are_safe_as_soon_as_the_file_has_them() {
    let (mut bench, log) = (Bench::new(), Log::new(false));
    let (reporter, running, _drain) = bench.life(&log);
    assert!(reporter.all_safe().await, "there is none");
    report(&reporter, &["A", "B"]);
    let count = reporter.taken();
    assert!(!reporter.is_safe(count));
    tokio::select! {
        () = running => panic!("it runs as long as the role"),
        are_safe = reporter.all_safe() => assert!(are_safe),
    }
    assert!(reporter.is_safe(count) && !reporter.is_safe(count + 1));
    assert_eq!(log.ids(), [""; 0], "the log is away");
}

#[tokio::test(start_paused = true)]
async fn records_beyond_the_queue_wait_for_room_and_are_dropped_only_when_none_is_made() {
    let metrics = Metrics::register(&runtime::Metrics::default());
    let owner = Owner { node: NodeId::parse("call-state-1").unwrap(), epoch: Epoch(1) };
    let (reporter, mut incoming) = Reporter::new(owner, TOPIC, metrics.clone());
    let record =
        |n: usize| LogRecord { topic: TOPIC, key: "acme:1".to_owned(), id: n.to_string(), json: "{}".to_owned() };
    let soon = || Instant::now() + Duration::from_secs(3);
    let (count, giver, until) = (2 * WAITING_MAX + 1, reporter.clone(), soon());
    let given = tokio::spawn(async move { giver.give_all((0..count).map(record), until).await });
    for n in 0..count {
        assert_eq!(incoming.records.recv().await.unwrap().id, n.to_string());
    }
    given.await.unwrap();
    assert_eq!((reporter.taken(), metrics.dropped.get()), (count as u64, 0));
    reporter.give_all((0..WAITING_MAX + 2).map(record), soon()).await;
    assert_eq!(metrics.dropped.get(), 2);
    assert!(!reporter.give(record(0)), "there is no room");
}
