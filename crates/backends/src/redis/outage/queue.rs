//! The queue, in memory and on disk, of commits that wait for Redis.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use infra::{Change, Numbers, Refusal, Written};
use model::{TenantId, Timestamp};
use tokio::time::Instant;

use super::disk_queue::{DiskQueue, PreviousRunCommit};
use crate::redis::store::Facts;
use crate::redis::store::records::{Kind, RecordId, Row};

/// Limits of the rows and bytes that wait for Redis: some minutes of a busy node. Beyond either, nothing begins, and a record that
/// has begun keeps only its last state and its end.
const ROWS_MAX: usize = 200_000;
const BYTES_MAX: usize = 256 << 20;

/// How long a commit that may wait is tried: for the proxies, a node that answers nobody for a second has failed.
pub(super) const TRY_WITHIN: Duration = Duration::from_millis(500);
/// Pause after a failure before the next attempt.
pub(super) const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// How long the loss of a record is remembered for its owner. An owner that writes nothing of it for this long no longer has it.
const LOST_KEPT: Duration = Duration::from_secs(600);

/// Commits that wait, in their order.
#[derive(Default)]
pub(in crate::redis) struct OutageQueue {
    pub(super) waiting: VecDeque<Waiting>,
    pub(super) rows: usize,
    bytes: usize,
    /// Number of waiting rows of each record.
    rows_of_record: HashMap<RecordId, usize>,
    pub(super) failed_at: Option<Instant>,
    /// Records of which a waiting commit was refused, and since when. Their owner has not been notified yet.
    pub(super) lost: HashMap<RecordId, (Written, Instant)>,
    /// Records with more to write than may wait: their last states are written when nothing else waits.
    pub(super) overdue: HashMap<RecordId, Kind>,
    /// Facts lost in this outage because no more may wait.
    pub(super) dropped: usize,
    numbers: Numbers,
    /// The waiting rows on disk, and those that a previous run has left there.
    file: Option<DiskQueue>,
    pub(super) former: VecDeque<PreviousRunCommit>,
    /// Whether it was logged for this outage that commits wait, and that the disk refuses writes.
    pub(super) logged: bool,
    disk_error_logged: bool,
}

pub(super) struct Waiting {
    pub(super) kind: Kind,
    pub(super) tenant: TenantId,
    pub(super) rows: Vec<Row>,
    /// Their segment on disk.
    pub(super) segment: u64,
}

impl OutageQueue {
    /// From now on, waiting rows are also kept in that file.
    pub(in crate::redis) fn keep_in(&mut self, file: DiskQueue, former: Vec<PreviousRunCommit>) {
        (self.file, self.former) = (Some(file), former.into());
    }

    /// A node that has claimed a record has lost nothing of it.
    pub(in crate::redis) fn claimed(&mut self, id: &RecordId) {
        self.lost.remove(id);
    }

    pub(super) fn number(&mut self, rows: &mut [Row], now: Timestamp) {
        let first = self.numbers.take(rows.len(), now);
        for (number, row) in (first..).zip(rows) {
            row.number = number;
        }
    }

    /// Whether one of the rows is of a record that was lost while its commits waited.
    pub(super) fn lost_any(&self, kind: Kind, rows: &[Row]) -> bool {
        !self.lost.is_empty() && rows.iter().any(|row| self.lost.contains_key(&id(kind, row)))
    }

    /// Whether rows go to Redis at once: no rows wait before them, and no attempt has just failed.
    pub(super) fn may_try(&self) -> bool {
        let silent = self.failed_at.is_some_and(|at| at.elapsed() < AGAIN_AFTER);
        !silent && self.waiting.is_empty() && self.former.is_empty()
    }

    pub(super) fn enqueue(&mut self, kind: Kind, tenant: &TenantId, rows: Vec<Row>) {
        self.rows += rows.len();
        self.bytes += size(&rows);
        for row in &rows {
            *self.rows_of_record.entry(id(kind, row)).or_default() += 1;
        }
        let segment = self.add_to_disk(kind, &rows);
        self.waiting.push_back(Waiting { kind, tenant: tenant.clone(), rows, segment });
    }

    /// Whether a commit of that record waits.
    pub(in crate::redis) fn waits_for(&self, record: &RecordId) -> bool {
        self.rows_of_record.contains_key(record) || self.overdue.contains_key(record)
    }

    /// Whether one more row may wait, besides this number of rows and bytes.
    pub(super) fn has_room(&self, rows: usize, bytes: usize) -> bool {
        self.rows + rows < ROWS_MAX && self.bytes + bytes < BYTES_MAX
    }

    /// Takes a row for which there is no room. A record that has begun loses its facts and its entry of new calls (it is routed by default),
    /// but not its last state and its end. Returns the row to keep, or the answer if none is kept.
    pub(super) fn take_beyond(&mut self, kind: Kind, row: Row) -> std::result::Result<Row, Written> {
        if matches!(row.change, Change::Create { .. }) {
            return Err(Written::Refused(Refusal::NoRoom { what: "what waits for Redis", bound: ROWS_MAX as u64 }));
        }
        if self.dropped == 0 {
            tracing::error!(
                rows = self.rows,
                "the queue of commits that wait for Redis is full: no call begins, and facts of present calls are lost"
            );
        }
        self.dropped = self.dropped.saturating_add(row.facts.len().max(1));
        // A record that has become part of another one must not stay beside it.
        if row.change == Change::End || row.absorbs.is_some() {
            self.overdue.remove(&id(kind, &row));
            return Ok(Row { facts: Facts::default(), ..row });
        }
        self.overdue.insert(id(kind, &row), kind);
        Err(Written::Done { position: None })
    }

    /// These rows have been written, or never will be.
    pub(super) fn dequeue(&mut self, kind: Kind, rows: &[Row]) {
        self.rows = self.rows.saturating_sub(rows.len());
        self.bytes = self.bytes.saturating_sub(size(rows));
        for row in rows {
            if let Entry::Occupied(mut waiting) = self.rows_of_record.entry(id(kind, row)) {
                *waiting.get_mut() -= 1;
                if *waiting.get() == 0 {
                    waiting.remove();
                }
            }
        }
        let first = self.waiting.front().map(|waiting| waiting.segment);
        if let (Some(file), Some(first)) = (&mut self.file, first)
            && let Err(error) = file.forget_before(first)
        {
            tracing::debug!(%error, "what waited for Redis stays on disk");
        }
    }

    /// Notes the results of rows that waited: the owner of a lost record is notified with its next commit.
    pub(super) fn note_answers(&mut self, kind: Kind, rows: &[Row], answers: Vec<Written>) {
        let lost = |answer: &Written| {
            let is_others = matches!(answer, Written::Fenced { .. } | Written::Exists { .. } | Written::NotAbsorbed);
            is_others || matches!(answer, Written::Refused(_))
        };
        for (row, answer) in rows.iter().zip(answers).filter(|(_, answer)| lost(answer)) {
            tracing::warn!(record = row.key, ?answer, "a record that waited for Redis is not its writer's there");
            self.lost.retain(|_, (_, since)| since.elapsed() < LOST_KEPT);
            self.lost.insert(id(kind, row), (answer, Instant::now()));
        }
    }

    /// Keeps rows on disk too and returns their segment. If the disk fails, they wait in memory alone.
    fn add_to_disk(&mut self, kind: Kind, rows: &[Row]) -> u64 {
        let Some(file) = &mut self.file else { return 0 };
        if let Err(error) = file.add(kind, rows)
            && !std::mem::replace(&mut self.disk_error_logged, true)
        {
            tracing::warn!(%error, "what waits for Redis cannot be kept on disk");
        }
        file.segment()
    }

    pub(super) fn clear_disk(&mut self) {
        (self.logged, self.disk_error_logged) = (false, false);
        if let Some(file) = &mut self.file
            && let Err(error) = file.clear()
        {
            // The rows would be written once more, which the numbers make harmless.
            tracing::warn!(%error, "the file of what waited for Redis cannot be removed");
        }
    }
}

pub(super) fn id(kind: Kind, row: &Row) -> RecordId {
    (kind.name, row.tenant.clone(), row.key.clone())
}

/// Bytes of the states.
fn size(rows: &[Row]) -> usize {
    rows.iter().map(Row::size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::store::records::row_of_size as row;

    #[test]
    fn a_record_waits_until_the_last_of_its_commits_is_written() {
        let (kind, tenant) = (Kind::named("call").unwrap(), TenantId::parse("acme").unwrap());
        let mut queue = OutageQueue::default();
        queue.enqueue(kind, &tenant, vec![row(7, 1), row(7, 1), row(8, 1)]);
        queue.enqueue(kind, &tenant, vec![row(7, 1)]);
        let waits = |queue: &OutageQueue| [7, 8].map(|key| queue.waits_for(&id(kind, &row(key, 1))));
        queue.dequeue(kind, &[row(7, 1), row(7, 1), row(8, 1)]);
        assert_eq!(waits(&queue), [true, false]);
        queue.dequeue(kind, &[row(7, 1)]);
        assert_eq!(waits(&queue), [false, false]);
        assert!(queue.rows_of_record.is_empty(), "nothing is kept of what waits no more");
    }
}
