//! Writes again what Redis has lost.

use futures::{TryStreamExt as _, stream};
use infra::{Consumed, Refusal, Result, StoreError, Written};
use model::TenantId;

use super::commit::parts;
use super::lock;
use super::queue::TRY_WITHIN;
use crate::redis::RedisStores;
use crate::redis::scripts::PART_ROWS;
use crate::redis::store::records::{AGENT, Kind, Row};
use crate::redis::store::registrations::Bindings;
use crate::redis::store::streams::audience::Audience;
use crate::redis::store::tenants::STREAMS;

/// The most registrations that are on their way to a Redis that came back empty.
const REGISTRATIONS_AT_ONCE: usize = 64;

impl RedisStores {
    /// Writes rows. A record that Redis has lost is written again first.
    pub(in crate::redis) async fn write_and_restore(
        &self,
        kind: Kind,
        tenant: &TenantId,
        rows: &[Row],
        consumed: Option<&Consumed>,
    ) -> Result<Vec<Written>> {
        let answered = self.write_each(kind, tenant, rows, consumed).await;
        self.outage.note_answer(&answered);
        let mut answers = answered?;
        let lacked_any = answers.contains(&Written::Unknown);
        for (row, answer) in rows.iter().zip(&mut answers) {
            if *answer != Written::Unknown {
                continue;
            }
            let Some(lost) = self.outage.anew(kind, tenant, &row.key) else { continue };
            if lost.owner != row.owner || lost.token != row.token || !self.is_lost(kind, tenant, &row.key).await? {
                continue;
            }
            // The next renewal logs one warning for all of them.
            tracing::debug!(ledger = kind.name, record = row.key, "Redis has lost a record: it is written again");
            self.tell_if_room(tenant, &self.outage.latest_of(kind, tenant, &row.key), Audience::Repeat).await?;
            self.write_rows(kind, tenant, std::slice::from_ref(&lost), None).await?;
            let again = self.write_rows(kind, tenant, std::slice::from_ref(row), None).await?;
            if let Some(again) = again.into_iter().next() {
                *answer = again;
            }
        }
        if lacked_any && consumed.is_some() && is_owner(&answers) {
            self.write_rows(kind, tenant, &[], consumed).await?;
        }
        for (row, answer) in rows.iter().zip(&answers) {
            self.outage.wrote(kind, row, answer, self.clock.now());
        }
        Ok(answers)
    }

    /// Whether Redis has lost a record of this client that it does not know. Otherwise another node may have claimed the record while
    /// this process was stopped, and ended it so long ago that its tombstone is gone.
    async fn is_lost(&self, kind: Kind, tenant: &TenantId, key: &str) -> Result<bool> {
        if self.outage.would_be_remembered(kind, tenant, key, self.clock.now()) {
            return Ok(true);
        }
        let was_emptied =
            self.outage.note_generation(&self.generation().await?) || self.outage.is_being_written_again();
        if !was_emptied {
            tracing::warn!(%tenant, ledger = kind.name, record = key, "a record is over that others have had meanwhile");
        }
        Ok(was_emptied)
    }

    /// Writes rows in one script. If data in Redis make it fail, each row is written by itself and the failing row is refused.
    async fn write_each(
        &self,
        kind: Kind,
        tenant: &TenantId,
        rows: &[Row],
        consumed: Option<&Consumed>,
    ) -> Result<Vec<Written>> {
        match self.write_rows(kind, tenant, rows, consumed).await {
            Err(error) if !error.passes() => {
                tracing::error!(%error, ledger = kind.name, rows = rows.len(), "a script fails by what Redis holds");
            }
            answered => return answered,
        }
        let mut answers: Vec<Written> = Vec::with_capacity(rows.len());
        for row in rows {
            // As in the script: who has lost the first record of a batch of agents owns none of the others either.
            if let Some(fenced @ Written::Fenced { .. }) = answers.first().filter(|_| kind.name == AGENT.name) {
                answers.push(fenced.clone());
                continue;
            }
            // Rows that the script had already written are recognised by their numbers.
            match self.write_rows(kind, tenant, std::slice::from_ref(row), None).await {
                Ok(written) => answers.extend(written),
                Err(error) if !error.passes() => answers.push(Written::Refused(Refusal::Invalid(error.to_string()))),
                Err(error) => return Err(error),
            }
        }
        // As in the script: the position of a writer that lacks a record is stored when that is written again.
        if consumed.is_some() && is_owner(&answers) && !answers.contains(&Written::Unknown) {
            self.write_rows(kind, tenant, &[], consumed).await?;
        }
        Ok(answers)
    }

    /// Writes waiting commits, and gives an emptied Redis its records again. Called with every renewal of a lease.
    pub(in crate::redis) async fn recover(&self) -> Result<()> {
        let generation = self.generation().await?;
        if self.outage.note_generation(&generation) {
            self.write_all_again(&generation).await?;
        } else {
            lock(&self.outage.recent_facts).forget_what_is_out();
            self.outage.pack_quiet_records(self.clock.now());
        }
        let mut queue = self.outage.queue.lock().await;
        self.replay_queue(&mut queue).await;
        Ok(())
    }

    /// Writes again all that this client has written. Commits go on in between: a node that answers nobody for a second has failed.
    async fn write_all_again(&self, generation: &str) -> Result<()> {
        self.announce_again();
        self.repeat_facts(generation).await?;
        let mut count = 0;
        for ((kind, tenant), keys) in self.outage.all_keys() {
            let Some(kind) = Kind::named(kind) else { continue };
            for part in keys.chunks(PART_ROWS) {
                count += self.write_part_again(kind, &tenant, part).await?;
            }
        }
        for whole in self.outage.all_queues_anew() {
            self.restore_queues(&whole).await?;
            count += 1 + whole.requests.len() + whole.reservations.len();
        }
        count += self.write_registrations_again().await?;
        self.outage.note_recovered(generation);
        tracing::warn!(records = count, "Redis came back empty: the records of this client are written again");
        Ok(())
    }

    /// Writes the registrations again, several at once: phones are unknown until theirs is there. Returns their number.
    async fn write_registrations_again(&self) -> Result<usize> {
        let all = self.outage.all_registrations();
        let count = all.len();
        let writes = stream::iter(all.into_iter().map(Ok::<_, StoreError>));
        let restore = |(write, written_at)| async move {
            // A later registration takes precedence.
            self.register_or_refuse(&write, Bindings::Restored(written_at)).await.map(drop)
        };
        writes.try_for_each_concurrent(REGISTRATIONS_AT_ONCE, restore).await?;
        Ok(count)
    }

    /// Writes records again that this client still has. Returns their number.
    async fn write_part_again(&self, kind: Kind, tenant: &TenantId, keys: &[String]) -> Result<usize> {
        // A record that ended in between would come back: no commit is done between the look and the write.
        let _queue = self.outage.queue.lock().await;
        let rows: Vec<Row> = keys.iter().filter_map(|key| self.outage.anew(kind, tenant, key)).collect();
        let count = rows.len();
        for part in parts(rows) {
            let writing = tokio::time::timeout(TRY_WITHIN, self.write_each(kind, tenant, &part, None));
            writing.await.map_err(|_| StoreError::Unavailable { reason: "Redis does not answer".to_owned() })??;
        }
        Ok(count)
    }

    /// Publishes the latest facts again when Redis has a new generation. This comes before the records: no owner can continue
    /// a record and publish more of it until these facts are in the stream.
    async fn repeat_facts(&self, generation: &str) -> Result<()> {
        if lock(&self.outage.generation_state).repeated_in.as_deref() == Some(generation) {
            return Ok(());
        }
        let latest = lock(&self.outage.recent_facts).all();
        for (tenant, facts) in latest {
            self.announce(STREAMS, &tenant).await?;
            self.tell_if_room(&tenant, &facts, Audience::Repeat).await?;
        }
        lock(&self.outage.generation_state).repeated_in = Some(generation.to_owned());
        Ok(())
    }
}

/// Whether the writer of a batch with these answers still owns what it follows the facts for: who has lost the first record of the batch,
/// or all of them, does not.
fn is_owner(answers: &[Written]) -> bool {
    let is_lost = |answer: &Written| *answer == Written::Unknown;
    !matches!(answers.first(), Some(Written::Fenced { .. })) && (answers.is_empty() || !answers.iter().all(is_lost))
}
