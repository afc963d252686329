//! Writes what has waited for Redis.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use futures::TryFutureExt as _;
use infra::{Change, Result, StoreError, Written, bounds};
use model::{TenantId, Timestamp};
use tokio::time::Instant;

use super::disk_queue::PreviousRunCommit;
use super::queue::{AGAIN_AFTER, OutageQueue, TRY_WITHIN, Waiting};
use crate::redis::RedisStores;
use crate::redis::scripts::PART_ROWS;
use crate::redis::store::Facts;
use crate::redis::store::records::{Kind, RecordId, Row};
use crate::redis::store::streams::audience::Audience;

/// For this long one commit or renewal writes waiting rows, so that a node still answers its proxies. The next one continues.
const REPLAY_FOR: Duration = Duration::from_millis(200);

impl RedisStores {
    /// Writes waiting rows in order, as far as Redis answers.
    pub(in crate::redis) async fn replay_queue(&self, queue: &mut OutageQueue) {
        if queue.failed_at.is_some_and(|at| at.elapsed() < AGAIN_AFTER) {
            return;
        }
        let until = Instant::now() + REPLAY_FOR;
        if !self.replay_disk_queue(queue, Some(until)).await {
            return;
        }
        let waited = queue.rows;
        while let Some(Waiting { kind, tenant, rows, segment }) = queue.waiting.pop_front() {
            let trying = self.write_what_waited(kind, &tenant, &rows).and_then(|answers| async {
                self.correct(&tenant, rows.iter().zip(&answers)).await?;
                Ok(answers)
            });
            match tokio::time::timeout(TRY_WITHIN, trying).await {
                Ok(Ok(answers)) => {
                    queue.dequeue(kind, &rows);
                    queue.note_answers(kind, &rows, answers);
                }
                Ok(Err(error)) if !error.passes() => {
                    tracing::error!(%error, ledger = kind.name, rows = rows.len(), "commits that waited for Redis are refused");
                    queue.dequeue(kind, &rows);
                    for row in rows.iter().filter(|row| row.change == Change::End) {
                        self.outage.note(kind, row, &Written::Ended, self.clock.now());
                    }
                }
                refused => {
                    if let Ok(Err(error)) = &refused {
                        self.lacks_room(kind, error);
                    }
                    queue.waiting.push_front(Waiting { kind, tenant, rows, segment });
                    queue.failed_at = Some(Instant::now());
                    return;
                }
            }
            if Instant::now() >= until && !queue.waiting.is_empty() {
                return;
            }
        }
        if !self.replay_last_states(queue, until).await {
            return;
        }
        queue.failed_at = None;
        self.outage.full.store(false, Relaxed);
        if std::mem::take(&mut queue.dropped) > 0 {
            tracing::error!("facts of this absence of Redis are lost");
        }
        if waited > 0 {
            queue.clear_disk();
            tracing::info!(rows = waited, "what waited for Redis is written");
        }
    }

    /// Writes the last states of records with more to write than could wait. Returns whether none is left.
    async fn replay_last_states(&self, queue: &mut OutageQueue, until: Instant) -> bool {
        while !queue.overdue.is_empty() {
            let part: Vec<RecordId> = queue.overdue.keys().take(PART_ROWS).cloned().collect();
            for id in part {
                let Some(kind) = queue.overdue.get(&id).copied() else { continue };
                // It may have ended since, or have another owner.
                if let Some(row) = self.outage.last_state(kind, &id.1, &id.2) {
                    let mut rows = vec![row];
                    queue.number(&mut rows, self.clock.now());
                    match tokio::time::timeout(TRY_WITHIN, self.write_and_restore(kind, &id.1, &rows, None)).await {
                        Ok(Ok(_)) => {}
                        Ok(Err(error)) if !error.passes() => {
                            tracing::error!(%error, record = id.2, "the last state of a record is refused");
                        }
                        Ok(Err(_)) | Err(_) => {
                            queue.failed_at = Some(Instant::now());
                            return false;
                        }
                    }
                }
                queue.overdue.remove(&id);
            }
            if Instant::now() >= until && !queue.overdue.is_empty() {
                return false;
            }
        }
        true
    }

    /// Writes the commits that a previous run of the process left on disk, until `until` at most. Returns whether none is left.
    async fn replay_disk_queue(&self, queue: &mut OutageQueue, until: Option<Instant>) -> bool {
        if queue.former.is_empty() {
            return true;
        }
        let (mut done, mut late) = (0, 0);
        while let Some(PreviousRunCommit { kind, row }) = queue.former.front() {
            let trying = self.write_former(*kind, row).and_then(|answer| async {
                self.correct(&row.tenant, std::iter::once((row, &answer))).await?;
                Ok(answer)
            });
            match tokio::time::timeout(TRY_WITHIN, trying).await {
                Ok(Ok(Written::Done { .. })) => done += 1,
                // Another node has continued from the commit before.
                Ok(Ok(_)) => late += 1,
                Ok(Err(error)) if !error.passes() => {
                    late += 1;
                    tracing::error!(%error, record = row.key, "a commit of the previous run is refused");
                }
                Ok(Err(_)) | Err(_) => {
                    queue.failed_at = Some(Instant::now());
                    return false;
                }
            }
            queue.former.pop_front();
            if until.is_some_and(|until| Instant::now() >= until) && !queue.former.is_empty() {
                return false;
            }
        }
        tracing::info!(done, late, "commits of the previous run are written; late ones came after a takeover");
        if queue.waiting.is_empty() {
            queue.clear_disk();
        }
        true
    }

    /// Like [`Self::replay_queue`], for a caller that must know that no commit of a previous run waits.
    ///
    /// # Errors
    /// While one does.
    pub(in crate::redis) async fn replay_previous_run(&self) -> Result<()> {
        let mut queue = self.outage.queue.lock().await;
        if self.replay_disk_queue(&mut queue, None).await {
            return Ok(());
        }
        let reason = "Redis does not answer, and commits of the previous run wait for it".to_owned();
        Err(StoreError::Unavailable { reason })
    }

    /// Writes a commit of a previous run. Redis has lost a record if it does not know it although its tombstone would still exist.
    async fn write_former(&self, kind: Kind, row: &Row) -> Result<Written> {
        let is_fresh = self.clock.now().since(Timestamp::from_micros(row.number)) < bounds::TOMBSTONE;
        match self.write_one(kind, std::slice::from_ref(row)).await? {
            Written::Unknown if is_fresh => self.write_one(kind, &begun_again(row)).await,
            answer => Ok(answer),
        }
    }

    /// Tells the reporting log the facts of commits that came too late: another node had continued from the commit before, or the
    /// record was lost. The facts have happened all the same.
    async fn correct(&self, tenant: &TenantId, refused: impl Iterator<Item = (&Row, &Written)>) -> Result<()> {
        let refused = refused.filter(|(_, answer)| !matches!(answer, Written::Done { .. }));
        let facts: Vec<Bytes> = refused.flat_map(|(row, _)| row.facts.iter().cloned()).collect();
        self.tell_if_room(tenant, &facts, Audience::LogCorrection).await
    }

    /// Writes rows of one record; returns the result of the last.
    async fn write_one(&self, kind: Kind, rows: &[Row]) -> Result<Written> {
        let Some(first) = rows.first() else { return Ok(Written::Unknown) };
        let answers = self.write_rows(kind, &first.tenant, rows, None).await?;
        Ok(answers.into_iter().last().unwrap_or(Written::Unknown))
    }

    /// Writes rows that waited. An emptied Redis may have been given a record again before the write that creates it. That write
    /// then continues from there, so that its facts are not lost.
    async fn write_what_waited(&self, kind: Kind, tenant: &TenantId, rows: &[Row]) -> Result<Vec<Written>> {
        let mut answers = self.write_and_restore(kind, tenant, rows, None).await?;
        for (row, answer) in rows.iter().zip(&mut answers) {
            let Change::Create { state, intentions } = &row.change else { continue };
            if *answer != (Written::Exists { owner: row.owner.clone(), token: row.token }) {
                continue;
            }
            let save = Change::Save { state: state.clone(), intentions: intentions.clone() };
            let row = Row { change: save, ..row.clone() };
            if let Some(again) = self.write_and_restore(kind, tenant, &[row], None).await?.pop() {
                *answer = again;
            }
        }
        Ok(answers)
    }
}

/// A commit for a Redis that has lost the record: it creates the record again, or creates and ends it, and publishes its facts.
fn begun_again(row: &Row) -> Vec<Row> {
    let created = |state: &Bytes, intentions: &Bytes| {
        let change = Change::Create { state: state.clone(), intentions: intentions.clone() };
        Row { change, ..row.clone() }
    };
    match &row.change {
        Change::Create { state, intentions } | Change::Save { state, intentions } => vec![created(state, intentions)],
        Change::Keep => vec![row.clone()],
        Change::End => {
            let nothing = Bytes::new();
            vec![Row { facts: Facts::default(), new_call: None, number: 0, ..created(&nothing, &nothing) }, row.clone()]
        }
    }
}
