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
mod tests;
