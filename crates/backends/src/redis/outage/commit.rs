//! Commits while Redis is unavailable.
//!
//! Commits of calls and media legs are not refused. They wait in memory, bounded and in order, and are written when Redis answers or
//! has room again. With a folder, the client keeps them on disk too: a process that fails before that writes them after its restart,
//! unless another node has the call by then.

use std::sync::atomic::Ordering::Relaxed;

use infra::{Change, Consumed, Result, StoreError, Written};
use model::TenantId;
use tokio::time::Instant;

use super::queue::{AGAIN_AFTER, OutageQueue, TRY_WITHIN, id};
use crate::redis::RedisStores;
use crate::redis::scripts::PART_ROWS;
use crate::redis::store::records::{Kind, RecordId, Row, refuse_too_large};

const PART_BYTES: usize = 1 << 20;

impl RedisStores {
    /// Writes a turn's rows. Rows of a kind that continues without Redis wait while Redis is unavailable.
    pub(in crate::redis) async fn commit_rows(
        &self,
        kind: Kind,
        tenant: &TenantId,
        rows: Vec<Row>,
        consumed: Option<&Consumed>,
    ) -> Result<Vec<Written>> {
        let (mut rows, too_large) = refuse_too_large(rows);
        let mut written = Vec::with_capacity(rows.len());
        if !kind.continues_in_outage {
            // One script stores a view's position with its states: its next run folds nothing twice.
            for part in if consumed.is_some() { vec![rows] } else { parts(rows) } {
                written.extend(self.write_and_restore(kind, tenant, &part, consumed).await?);
            }
            return Ok(too_large.among(written));
        }
        let mut queue = self.outage.queue.lock().await;
        queue.number(&mut rows, self.clock.now());
        for part in parts(rows) {
            written.extend(self.write_or_wait(&mut queue, kind, tenant, part).await?);
        }
        Ok(too_large.among(written))
    }

    async fn write_or_wait(
        &self,
        queue: &mut OutageQueue,
        kind: Kind,
        tenant: &TenantId,
        rows: Vec<Row>,
    ) -> Result<Vec<Written>> {
        self.replay_queue(queue).await;
        if queue.may_try()
            && !queue.lost_any(kind, &rows)
            && let Some(written) = self.attempt(queue, kind, tenant, &rows).await?
        {
            return Ok(written);
        }
        Ok(self.enqueue_rows(queue, kind, tenant, rows))
    }

    /// Writes rows and answers when Redis has them, however long it is unavailable. For owners that may have lost them unnoticed.
    pub(in crate::redis) async fn confirm_rows(
        &self,
        kind: Kind,
        tenant: &TenantId,
        rows: Vec<Row>,
    ) -> Result<Vec<Written>> {
        let (mut rows, too_large) = refuse_too_large(rows);
        self.outage.queue.lock().await.number(&mut rows, self.clock.now());
        let mut written = Vec::with_capacity(rows.len());
        for part in parts(rows) {
            written.extend(self.confirm_part(kind, tenant, &part).await?);
        }
        Ok(too_large.among(written))
    }

    async fn confirm_part(&self, kind: Kind, tenant: &TenantId, rows: &[Row]) -> Result<Vec<Written>> {
        loop {
            let mut queue = self.outage.queue.lock().await;
            self.replay_queue(&mut queue).await;
            if queue.may_try()
                && let Some(written) = self.attempt(&mut queue, kind, tenant, rows).await?
            {
                // These answers notify their owner of the loss.
                for row in rows {
                    queue.lost.remove(&id(kind, row));
                }
                return Ok(written);
            }
            drop(queue);
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    /// Writes rows, if Redis answers in time.
    async fn attempt(
        &self,
        queue: &mut OutageQueue,
        kind: Kind,
        tenant: &TenantId,
        rows: &[Row],
    ) -> Result<Option<Vec<Written>>> {
        let trying = self.write_and_restore(kind, tenant, rows, None);
        // After this timeout the commands are still on their way and may yet be done: the numbers tell.
        let reason = match tokio::time::timeout(TRY_WITHIN, trying).await {
            Ok(Ok(written)) => {
                queue.logged = false;
                self.outage.full.store(false, Relaxed);
                return Ok(Some(written));
            }
            Ok(Err(error)) if !error.passes() => return Err(error),
            Ok(Err(error)) if self.lacks_room(kind, &error) => {
                queue.failed_at = Some(Instant::now());
                return Ok(None);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it does not answer".to_owned(),
        };
        if !std::mem::replace(&mut queue.logged, true) {
            tracing::warn!(reason, ledger = kind.name, "commits wait for Redis");
        }
        queue.failed_at = Some(Instant::now());
        self.outage.note_answer::<()>(&Err(StoreError::Unavailable { reason: String::new() }));
        Ok(None)
    }

    /// Whether a commit was refused for lack of room. If so, no call begins from now on.
    pub(super) fn lacks_room(&self, kind: Kind, error: &StoreError) -> bool {
        let is_full = matches!(error, StoreError::Full { .. });
        if is_full && !self.outage.full.swap(true, Relaxed) {
            tracing::error!(%error, ledger = kind.name, "no room in Redis: calls go on, their commits wait, and none begins until there is room");
        }
        is_full
    }

    /// Keeps rows that are to be written when Redis answers.
    fn enqueue_rows(&self, queue: &mut OutageQueue, kind: Kind, tenant: &TenantId, rows: Vec<Row>) -> Vec<Written> {
        let mut answers = Vec::with_capacity(rows.len());
        let (mut waits, mut bytes) = (Vec::with_capacity(rows.len()), 0);
        for row in rows {
            let lost = queue.lost.remove(&id(kind, &row)).map(|(answer, _)| answer);
            let begins = matches!(row.change, Change::Create { .. });
            // Nothing begins in an outage that has already exceeded the limits.
            let has_room = queue.has_room(waits.len(), bytes + row.size()) && !(begins && queue.dropped > 0);
            let refused = !has_room && begins;
            // A record whose end waits is remembered until the end is written. If Redis comes back empty, the record is written again, so
            // that its end is accepted with its facts.
            if lost.is_some() || (row.change != Change::End && !refused) {
                let noted = lost.as_ref().unwrap_or(&Written::Done { position: None });
                self.outage.note(kind, &row, noted, self.clock.now());
            }
            if let Some(lost) = lost {
                answers.push(lost);
                continue;
            }
            let kept = if has_room { Ok(row) } else { queue.take_beyond(kind, row) };
            match kept {
                Ok(row) => {
                    bytes += row.size();
                    waits.push(row);
                    answers.push(Written::Done { position: None });
                }
                Err(answer) => answers.push(answer),
            }
            if !has_room {
                self.outage.full.store(true, Relaxed);
            }
        }
        if !waits.is_empty() {
            queue.enqueue(kind, tenant, waits);
        }
        answers
    }

    /// The records that Redis knows completely: no commit of them waits here, which may be their end.
    pub(in crate::redis) async fn known_to_the_last<T>(&self, records: Vec<T>, id: impl Fn(&T) -> RecordId) -> Vec<T> {
        let queue = self.outage.queue.lock().await;
        records.into_iter().filter(|record| !queue.waits_for(&id(record))).collect()
    }
}

/// Splits rows into parts, one for each script: at least one part, which may be empty.
pub(super) fn parts(rows: Vec<Row>) -> Vec<Vec<Row>> {
    let (mut parts, mut part, mut bytes) = (Vec::new(), Vec::new(), 0);
    for row in rows {
        if part.len() >= PART_ROWS || (!part.is_empty() && bytes + row.size() > PART_BYTES) {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
        bytes += row.size();
        part.push(row);
    }
    parts.push(part);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::store::records::row_of_size as row;

    #[test]
    fn no_script_has_more_rows_or_bytes_than_may_hold_others_up() {
        let lengths = |rows: Vec<Row>| parts(rows).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(Vec::new()), [0], "a view's place may come alone");
        assert_eq!(lengths((0..450).map(|n| row(n, 10)).collect()), [200, 200, 50]);
        assert_eq!(lengths((0..5).map(|n| row(n, PART_BYTES / 2)).collect()), [2, 2, 1]);
        assert_eq!(lengths(vec![row(0, 2 * PART_BYTES), row(1, 1)]), [1, 1], "one that is too large goes alone");
    }
}
