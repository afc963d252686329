//! The buffer between a role and the reporting log: the file of waiting records, with the tasks that fill and empty it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use infra::spool::Spool;
use infra::{LogRecord, Refused, ReportingLog, StoreError, sort_out};
use runtime::Drain;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::Metrics;
use super::waiting_file::{FILE_BYTES_MAX, Waiting, blocking};

/// The most records of one write.
const BATCH: usize = 500;
/// Records that follow a write to the file within this time are written together, because each write wakes and awaits a thread. A single
/// record is written at once.
pub(super) const FILE_EACH: Duration = Duration::from_millis(20);
/// As [`FILE_EACH`], for writes from the file to the log. Each of them makes the disk write, or queries a server.
const LOG_EACH: Duration = Duration::from_millis(200);
/// Pause before a failed operation is repeated.
const PAUSE: Duration = Duration::from_millis(500);
/// How long an ending role waits for the log to take the remaining records. The rest stays in the file for the next run.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// The records of a role, and how many of them are safe.
pub(super) struct IncomingRecords {
    pub records: mpsc::Receiver<LogRecord>,
    pub safe: watch::Sender<u64>,
}

/// Whether records are safe from the end of the process, or lost with it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// They are, or count as dropped.
    Safe,
    /// The role has ended before.
    Lost,
}

/// The buffer between role and log: the file, with the tasks that fill and empty it.
pub(super) struct Buffer {
    pub folder: PathBuf,
    pub topic: &'static str,
    pub log: Arc<dyn ReportingLog>,
    pub drain: Drain,
    pub metrics: Metrics,
}

impl Buffer {
    /// Runs until the role has ended. Records of a previous run are written first.
    pub async fn run(self, incoming: IncomingRecords) {
        let Some(file) = self.open().await else { return };
        let (filled, seen) = watch::channel(Filled::Yet);
        let fill = async {
            self.fill(&file, incoming, &filled).await;
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
    async fn fill(&self, file: &Arc<Waiting>, incoming: IncomingRecords, filled: &watch::Sender<Filled>) {
        let IncomingRecords { mut records, safe } = incoming;
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
            if self.keep(file, batch).await == Fate::Safe {
                safe.send_modify(|safe| *safe += taken as u64);
            }
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
    async fn keep(&self, file: &Arc<Waiting>, records: Vec<LogRecord>) -> Fate {
        loop {
            let batch = records.clone();
            match file.with(move |spool| spool.push(&batch)).await {
                Ok(()) => {
                    self.count_waiting(file);
                    return Fate::Safe;
                }
                Err(error @ StoreError::Full { .. }) => {
                    self.metrics.dropped.inc_by(records.len() as u64);
                    tracing::error!(%error, records = records.len(), "reporting records are lost");
                    return Fate::Safe;
                }
                Err(error) => {
                    self.metrics.failures.inc();
                    tracing::warn!(%error, records = records.len(), "the file takes no reporting records");
                }
            }
            if file.is_empty() && self.log.append(records.clone()).await.is_ok() {
                self.metrics.written.inc_by(records.len() as u64);
                return Fate::Safe;
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = self.drain.ended() => {
                    self.metrics.dropped.inc_by(records.len() as u64);
                    tracing::error!(records = records.len(), "reporting records are lost");
                    return Fate::Lost;
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
