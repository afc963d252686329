//! Records that a role itself writes into the reporting log. A bounded queue ensures that no request or phone waits for the log. A bounded
//! file ensures that neither an unavailable log nor a restart loses records.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::json::rfc3339;
use infra::spool::Spool;
use infra::{LogRecord, Refused, ReportingLog, StoreError, sort_out};
use model::{Owner, TenantId, Timestamp};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use runtime::{Drain, RoleContext};
use serde::Serialize;
use serde_json::Value as Json;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// The most records waiting for the file; further ones are dropped and counted. Lasts for seconds in a very busy role while a disk hangs.
const WAITING_MAX: usize = 10_000;
/// The most bytes in the file while the log is unavailable; further records are dropped and counted. Lasts for hours in a busy role.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// The most records of one write.
const BATCH: usize = 500;
/// Records that follow a write to the file within this time are written together, because each write wakes and awaits a thread. A single
/// record is written at once.
const FILE_EACH: Duration = Duration::from_millis(20);
/// As [`FILE_EACH`], for writes from the file to the log. Each of them makes the disk write, or queries a server.
const LOG_EACH: Duration = Duration::from_millis(200);
/// Pause before a failed operation is repeated.
const PAUSE: Duration = Duration::from_millis(500);
/// How long an ending role waits for the log to take the remaining records. The rest stays in the file for the next run.
const LAST_WRITE: Duration = Duration::from_secs(2);

runtime::metrics! {
    /// The metrics of a role's own reporting.
    #[derive(Clone)]
    pub(crate) struct Metrics {
        /// Records that the role has written into the reporting log.
        written: Counter = "reporting_records_written";
        /// Records dropped because the reporting log or the disk was unavailable for too long.
        dropped: Counter = "reporting_records_dropped";
        /// Records that the reporting log refuses for good: too long, or more than one line.
        refused: Counter = "reporting_records_refused";
        /// Writes that failed and were repeated.
        failures: Counter = "reporting_failures";
        /// Bytes of records in the file that wait for the reporting log.
        waiting: Gauge = "reporting_waiting_bytes";
    }
}

/// Takes a role's records. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reporter {
    records: mpsc::Sender<LogRecord>,
    owner: Owner,
    given: Arc<AtomicU64>,
    topic: &'static str,
    metrics: Metrics,
}

impl Reporter {
    /// Writes to a topic of the reporting log over the connection `id` until the role has ended.
    pub fn start(ctx: &RoleContext, id: &str, topic: &'static str) -> Self {
        debug_assert!(ctx.spec.opens.contains(&id), "{id} is not declared by {}", ctx.spec.name);
        debug_assert!(contracts::reporting::topic(topic).is_some(), "{topic} is not declared in contracts::reporting");
        let metrics = Metrics::register(&ctx.metrics);
        let (reporter, waiting) = Self::new(ctx.owner(), topic, metrics.clone());
        let buffer = Buffer {
            folder: ctx.data_dir.join("reporting-waiting").join(ctx.node.as_str()).join(topic),
            topic,
            log: ctx.stores.reporting.clone(),
            drain: ctx.drain.clone(),
            metrics,
        };
        ctx.spawn("reporting", async move {
            buffer.run(waiting).await;
            Ok(())
        });
        reporter
    }

    fn new(owner: Owner, topic: &'static str, metrics: Metrics) -> (Self, mpsc::Receiver<LogRecord>) {
        let (records, waiting) = mpsc::channel(WAITING_MAX);
        (Self { records, owner, given: Arc::default(), topic, metrics }, waiting)
    }

    /// A reporter whose records are never read, for tests of roles.
    #[cfg(test)]
    pub fn unread(topic: &'static str) -> Self {
        let owner = Owner { node: model::NodeId::parse("test-1").expect("a node's name"), epoch: model::Epoch(1) };
        Self::new(owner, topic, Metrics::register(&runtime::Metrics::default())).0
    }

    /// Reports an event as a CloudEvent. `key` is the call, phone or requester of the tenant that it concerns.
    pub fn report(&self, tenant: &TenantId, name: &str, key: &str, at: Timestamp, data: Json) {
        self.tell(&format!("/tenants/{tenant}"), format!("{tenant}:{key}"), name, key, at, data);
    }

    /// Reports an event at this node that belongs to no tenant.
    pub fn report_of_node(&self, name: &str, at: Timestamp, data: Json) {
        let node = self.owner.node.as_str();
        self.tell(&format!("/nodes/{node}"), node.to_owned(), name, node, at, data);
    }

    fn tell(&self, source: &str, key: String, name: &str, subject: &str, at: Timestamp, data: Json) {
        // A node numbers its records from 1 in each run (epoch), so no identity is used twice.
        let id = format!("{}:{}", self.owner, self.given.fetch_add(1, Relaxed) + 1);
        let event = CloudEvent {
            specversion: "1.0",
            id: &id,
            source,
            name,
            subject,
            time: rfc3339(at),
            datacontenttype: "application/json",
            data: &data,
        };
        // Serialising texts and a JSON tree cannot fail.
        let json = serde_json::to_string(&event).unwrap_or_default();
        self.give(LogRecord { topic: self.topic, key, id, json });
    }

    /// Takes a finished record of the topic.
    pub fn give(&self, record: LogRecord) {
        if self.records.try_send(record).is_err() {
            self.metrics.dropped.inc();
        }
    }
}

/// A record in the log's format.
#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    #[serde(rename = "type")]
    name: &'a str,
    subject: &'a str,
    time: String,
    datacontenttype: &'static str,
    data: &'a Json,
}

/// The buffer between role and log: the file, with the tasks that fill and empty it.
struct Buffer {
    folder: PathBuf,
    topic: &'static str,
    log: Arc<dyn ReportingLog>,
    drain: Drain,
    metrics: Metrics,
}

impl Buffer {
    /// Runs until the role has ended. Records of a previous run are written first.
    async fn run(self, waiting: mpsc::Receiver<LogRecord>) {
        let Some(file) = self.open().await else { return };
        let (filled, seen) = watch::channel(Filled::Yet);
        let fill = async {
            self.fill(&file, waiting, &filled).await;
            filled.send_replace(Filled::Ended);
        };
        tokio::join!(fill, self.empty(&file, seen));
    }

    /// Opens the file; a previous run of the role may still be closing it.
    async fn open(&self) -> Option<Arc<Waiting>> {
        loop {
            let (folder, topic) = (self.folder.clone(), self.topic);
            match blocking(move || Spool::open(&folder, topic, FILE_BYTES_MAX)).await {
                Ok(spool) => return Some(Arc::new(Waiting::of(spool))),
                Err(error) => {
                    tracing::warn!(%error, topic, "the file of waiting reporting records cannot be opened: trying again");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = self.drain.ended() => return None,
            }
        }
    }

    /// Writes the role's records into the file, until the role has ended.
    async fn fill(&self, file: &Arc<Waiting>, mut records: mpsc::Receiver<LogRecord>, filled: &watch::Sender<Filled>) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let taken = tokio::select! {
                biased;
                taken = records.recv_many(&mut batch, BATCH) => taken,
                () = self.drain.ended() => 0,
            };
            if taken == 0 {
                return;
            }
            let next_at = Instant::now() + FILE_EACH;
            let (batch, refused) = sort_out(std::mem::take(&mut batch));
            self.refused(&refused);
            self.keep(file, batch).await;
            filled.send_replace(Filled::Yet);
            if taken < BATCH && !records.is_closed() {
                tokio::select! {
                    () = tokio::time::sleep_until(next_at) => {}
                    () = self.drain.ended() => {}
                }
            }
        }
    }

    /// Stores records in the file. If the disk fails, writes them to the log directly, after the file's content.
    async fn keep(&self, file: &Arc<Waiting>, records: Vec<LogRecord>) {
        loop {
            let batch = records.clone();
            match file.with(move |spool| spool.push(&batch)).await {
                Ok(()) => return self.count_waiting(file),
                Err(error @ StoreError::Full { .. }) => {
                    self.metrics.dropped.inc_by(records.len() as u64);
                    return tracing::error!(%error, records = records.len(), "reporting records are lost");
                }
                Err(error) => {
                    self.metrics.failures.inc();
                    tracing::warn!(%error, records = records.len(), "the file takes no reporting records");
                }
            }
            if file.is_empty() && self.log.append(records.clone()).await.is_ok() {
                self.metrics.written.inc_by(records.len() as u64);
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = self.drain.ended() => {
                    self.metrics.dropped.inc_by(records.len() as u64);
                    return tracing::error!(records = records.len(), "reporting records are lost");
                }
            }
        }
    }

    /// Moves the file's content into the log, until the role has ended.
    async fn empty(&self, file: &Arc<Waiting>, mut filled: watch::Receiver<Filled>) {
        loop {
            let last = *filled.borrow_and_update();
            let next_at = (!file.is_empty()).then(|| Instant::now() + LOG_EACH);
            let emptied = tokio::select! {
                () = self.write_all(file) => true,
                () = self.drain.ended() => false,
            };
            if !emptied || last == Filled::Ended {
                break;
            }
            tokio::select! {
                () = self.drain.ended() => break,
                _ = filled.changed() => {}
            }
            // Waits after a round that had something to write.
            if let Some(next_at) = next_at {
                tokio::select! {
                    () = tokio::time::sleep_until(next_at) => {}
                    () = self.drain.ended() => {}
                    _ = filled.wait_for(|filled| *filled == Filled::Ended) => {}
                }
            }
        }
        // The sender is dropped only after it has sent `Ended`.
        let _ = filled.wait_for(|filled| *filled == Filled::Ended).await;
        if tokio::time::timeout(LAST_WRITE, self.write_all(file)).await.is_err() {
            tracing::warn!(bytes = file.bytes(), "reporting records wait in the file for the next start");
        }
    }

    /// Writes until the file is empty, however often the log fails.
    async fn write_all(&self, file: &Arc<Waiting>) {
        while !file.is_empty() {
            if let Err(error) = self.write_first(file).await {
                self.metrics.failures.inc();
                tracing::warn!(%error, "the reporting log takes no records: trying again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn write_first(&self, file: &Arc<Waiting>) -> infra::Result<()> {
        let (records, place) = file.with(|spool| spool.first(BATCH)).await?;
        let count = records.len();
        let refused = self.log.append(records).await?;
        self.metrics.written.inc_by(count.saturating_sub(refused.len()) as u64);
        self.refused(&refused);
        file.with(move |spool| spool.done(place)).await?;
        self.count_waiting(file);
        Ok(())
    }

    fn refused(&self, refused: &[Refused]) {
        for Refused { id, topic, reason } in refused {
            self.metrics.refused.inc();
            tracing::error!(topic, id, reason, "a record is not reported");
        }
    }

    fn count_waiting(&self, file: &Waiting) {
        self.metrics.waiting.set(i64::try_from(file.bytes()).unwrap_or(i64::MAX));
    }
}

/// Whether further records may enter the file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Filled {
    Yet,
    Ended,
}

/// The file and its bytes. Reading the number of bytes does not wait for the disk.
struct Waiting {
    spool: Mutex<Spool>,
    bytes: AtomicU64,
}

impl Waiting {
    fn of(spool: Spool) -> Self {
        let bytes = AtomicU64::new(spool.waiting());
        Self { spool: Mutex::new(spool), bytes }
    }

    fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    fn is_empty(&self) -> bool {
        self.bytes() == 0
    }

    /// Works on the file outside the role's thread.
    async fn with<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Spool) -> infra::Result<T> + Send + 'static,
    ) -> infra::Result<T> {
        let this = self.clone();
        let on_file = move || {
            // A spool is always consistent, even after a panic under the lock: its state is the content of its files.
            let mut spool = this.spool.lock().unwrap_or_else(PoisonError::into_inner);
            let outcome = work(&mut spool);
            this.bytes.store(spool.waiting(), Relaxed);
            outcome
        };
        blocking(on_file).await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> infra::Result<T> + Send + 'static) -> infra::Result<T> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.map_err(|error| StoreError::Unavailable { reason: format!("the file of waiting records: {error}") })?
}

#[cfg(test)]
mod tests {
    use infra::Answer;
    use model::{Epoch, NodeId};
    use serde_json::json;
    use tokio::sync::watch;

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
}
