//! An owner goes on without Redis, and gives it back what it has lost.
//!
//! Each client remembers the last state that it has written of every record that it owns. A record that Redis no longer knows is
//! written again, so a Redis that came back empty has the records of all owners again within a lease. Commits of calls and media legs are
//! not refused while Redis is away: they wait in memory, bounded and in their order, and are written when it answers. An owner
//! ceases to own only when it sees a higher token.
//!
//! What waits stands in a file too, where the client was given one: a process that dies before Redis answers hands it in when it is
//! started again, unless somebody else has the call by then.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use infra::{Change, Consumed, QueueBatch, QueueRecord, RegistrationWrite, Result, StoreError, Written};
use model::{AgentId, Dn, Owner, TenantId, Timestamp, Token};
use tokio::time::Instant;

use super::ledgers::{Kind, Row};
use super::waiting::{Former, WaitingFile};
use super::{RedisStores, reply};

/// Rows and bytes that wait for Redis; beyond either a commit fails. Some minutes of a busy node.
const ROWS_MAX: usize = 200_000;
const BYTES_MAX: usize = 256 << 20;
/// How long a commit that may wait is tried: a node that answers nobody for a second is dead for the proxies.
const TRY_WITHIN: Duration = Duration::from_millis(500);
/// After a failure nothing is tried for so long.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// When Redis was away for this long, leases have run out that were not given up.
const AWAY_LONG: Duration = Duration::from_millis(1_000);
/// So long owners may renew before anybody claims.
const OWNERS_FIRST: Duration = Duration::from_secs(3);
/// For so long one commit or renewal hands in what waits, so that a node still answers its proxies; the next one goes on with it.
const HAND_IN_FOR: Duration = Duration::from_millis(200);
/// How long it is kept for an owner that it has lost a record: who writes nothing of it for so long has it no more.
const LOST_KEPT: Duration = Duration::from_secs(600);
/// Rows of one script.
const REWRITE_MAX: usize = 200;
/// Says which life of its data Redis lives: it is missing where Redis came back empty.
const GENERATION: &str = "trunkline:generation";

/// A record's name among all.
type Id = (&'static str, TenantId, String);

/// The last state that was written of a record.
struct Kept {
    owner: Owner,
    token: Token,
    state: Bytes,
    intentions: Bytes,
    due: Option<Timestamp>,
    links: Vec<String>,
}

/// What a client keeps so that Redis may be away or forget.
#[derive(Default)]
pub(super) struct Steady {
    kept: Mutex<HashMap<Id, Kept>>,
    away: tokio::sync::Mutex<Away>,
    absence: Mutex<Absence>,
    queues: Mutex<HashMap<TenantId, KeptQueues>>,
    /// The bindings of phones as they were last written, without facts.
    registrations: Mutex<HashMap<(TenantId, Dn), RegistrationWrite>>,
}

/// A tenant's queues as they were last written.
struct KeptQueues {
    owner: Owner,
    token: Token,
    state: Option<Bytes>,
    requests: BTreeMap<String, Bytes>,
    reservations: BTreeMap<AgentId, Bytes>,
}

/// Commits that wait, in their order.
#[derive(Default)]
struct Away {
    waiting: VecDeque<(Kind, TenantId, Vec<Row>)>,
    rows: usize,
    bytes: usize,
    failed_at: Option<Instant>,
    /// Records of which a commit that waited was refused, and since when; their owner has not heard it yet.
    lost: HashMap<Id, (Written, Instant)>,
    generation: Option<String>,
    /// Of the write that was numbered last.
    number: u64,
    /// What waits, on disk, and what a former life has left there.
    file: Option<WaitingFile>,
    former: VecDeque<Former>,
}

impl Away {
    /// Whether one of the rows is of a record that was lost while its commits waited.
    fn lost_any(&self, kind: Kind, rows: &[Row]) -> bool {
        let is_lost = |row: &Row| self.lost.contains_key(&(kind.name, row.tenant.clone(), row.key.clone()));
        !self.lost.is_empty() && rows.iter().any(is_lost)
    }

    /// Whether rows go to Redis at once: nothing waits before them, and it has not just been silent.
    fn may_try(&self, kind: Kind, rows: &[Row]) -> bool {
        let silent = self.failed_at.is_some_and(|at| at.elapsed() < AGAIN_AFTER);
        !silent && self.waiting.is_empty() && self.former.is_empty() && !self.lost_any(kind, rows)
    }

    /// Keeps rows in the file too. Without it they wait in memory alone.
    fn write_down(&mut self, kind: Kind, rows: &[Row]) {
        if let Some(file) = &mut self.file
            && let Err(error) = file.add(kind, rows)
        {
            tracing::warn!(%error, "what waits for Redis cannot be kept on disk");
        }
    }

    fn forget_file(&mut self) {
        if let Some(file) = &mut self.file
            && let Err(error) = file.clear()
        {
            // It would be handed in once more, which the numbers make harmless.
            tracing::warn!(%error, "the file of what waited for Redis cannot be removed");
        }
    }
}

/// When Redis was away and when it came back.
#[derive(Default)]
struct Absence {
    since: Option<Instant>,
    back_at: Option<Instant>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_away(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable { .. })
}

impl Steady {
    /// Whether nobody may claim yet: Redis has just come back, and owners renew first.
    pub(super) fn owners_first(&self) -> bool {
        let absence = lock(&self.absence);
        absence.since.is_some() || absence.back_at.is_some_and(|back| back.elapsed() < OWNERS_FIRST)
    }

    /// From now on what waits stands in that file as well.
    pub(super) fn keep_in(&mut self, file: WaitingFile, former: Vec<Former>) {
        let away = self.away.get_mut();
        (away.file, away.former) = (Some(file), former.into());
    }

    /// Notes whether Redis answered.
    pub(super) fn saw<T>(&self, answer: &Result<T>) {
        let mut absence = lock(&self.absence);
        match answer {
            Err(error) if is_away(error) => drop(absence.since.get_or_insert_with(Instant::now)),
            _ => {
                if let Some(since) = absence.since.take()
                    && since.elapsed() >= AWAY_LONG
                {
                    absence.back_at = Some(Instant::now());
                }
            }
        }
    }

    /// Remembers a record that was claimed.
    pub(super) fn claimed(&self, kind: Kind, row: Row) {
        if let Change::Create { state, intentions } | Change::Save { state, intentions } = row.change {
            let Row { owner, token, due, links, .. } = row;
            lock(&self.kept)
                .insert((kind.name, row.tenant, row.key), Kept { owner, token, state, intentions, due, links });
        }
    }

    /// Remembers what was written.
    fn note(&self, kind: Kind, row: &Row, written: &Written) {
        let id = || (kind.name, row.tenant.clone(), row.key.clone());
        let mut kept = lock(&self.kept);
        match (written, &row.change) {
            (Written::Done { .. }, Change::Create { state, intentions } | Change::Save { state, intentions }) => {
                let entry = kept.entry(id()).or_insert_with(|| Kept {
                    owner: row.owner.clone(),
                    token: row.token,
                    state: Bytes::new(),
                    intentions: Bytes::new(),
                    due: None,
                    links: Vec::new(),
                });
                (entry.owner, entry.token, entry.due) = (row.owner.clone(), row.token, row.due);
                (entry.state, entry.intentions) = (state.clone(), intentions.clone());
                let had: HashSet<&String> = entry.links.iter().collect();
                let new: Vec<String> = row.links.iter().filter(|link| !had.contains(link)).cloned().collect();
                entry.links.extend(new);
            }
            (Written::Done { .. }, Change::Keep) => {}
            _ => drop(kept.remove(&id())),
        }
    }

    /// The record as it was last written, to be written anew.
    fn anew(&self, kind: Kind, tenant: &TenantId, key: &str) -> Option<Row> {
        let kept = lock(&self.kept);
        let held = kept.get(&(kind.name, tenant.clone(), key.to_owned()))?;
        Some(anew(tenant, key, held))
    }

    /// Remembers queues that were claimed.
    pub(super) fn claimed_queues(&self, record: &QueueRecord) {
        let kept = KeptQueues {
            owner: record.owner.clone(),
            token: record.token,
            state: Some(record.state.clone()),
            requests: record.requests.iter().cloned().collect(),
            reservations: record.reservations.iter().cloned().collect(),
        };
        lock(&self.queues).insert(record.tenant.clone(), kept);
    }

    /// Remembers a turn of queues that was written.
    pub(super) fn note_queues(&self, batch: QueueBatch, written: &Written) {
        let mut queues = lock(&self.queues);
        if !matches!(written, Written::Done { .. }) {
            queues.remove(&batch.tenant);
            return;
        }
        let Some(kept) = queues.get_mut(&batch.tenant) else { return };
        kept.state = batch.state.or(kept.state.take());
        apply(&mut kept.requests, batch.requests);
        apply(&mut kept.reservations, batch.reservations);
    }

    /// A tenant's queues, to be written anew.
    pub(super) fn queues_anew(&self, tenant: &TenantId) -> Option<QueueBatch> {
        lock(&self.queues).get(tenant).map(|kept| whole(tenant, kept))
    }

    /// The queues of every tenant.
    fn all_queues_anew(&self) -> Vec<QueueBatch> {
        lock(&self.queues).iter().map(|(tenant, kept)| whole(tenant, kept)).collect()
    }

    /// Remembers where a phone is.
    pub(super) fn registered(&self, write: &RegistrationWrite) {
        let key = (write.tenant.clone(), write.dn.clone());
        let mut registrations = lock(&self.registrations);
        if write.bindings.is_empty() {
            registrations.remove(&key);
        } else {
            // As of a record that is not there.
            let anew = RegistrationWrite { expected: 0, events: Vec::new(), ..write.clone() };
            registrations.insert(key, anew);
        }
    }

    fn all_registrations(&self) -> Vec<RegistrationWrite> {
        lock(&self.registrations).values().cloned().collect()
    }

    /// Every record, by kind and tenant.
    fn all_anew(&self) -> Vec<((&'static str, TenantId), Vec<Row>)> {
        let mut all: HashMap<(&'static str, TenantId), Vec<Row>> = HashMap::new();
        for ((kind, tenant, key), held) in &*lock(&self.kept) {
            all.entry((kind, tenant.clone())).or_default().push(anew(tenant, key, held));
        }
        all.into_iter().collect()
    }
}

fn apply<K: Ord>(kept: &mut BTreeMap<K, Bytes>, changes: Vec<(K, Option<Bytes>)>) {
    for (key, body) in changes {
        match body {
            Some(body) => drop(kept.insert(key, body)),
            None => drop(kept.remove(&key)),
        }
    }
}

fn whole(tenant: &TenantId, kept: &KeptQueues) -> QueueBatch {
    QueueBatch {
        tenant: tenant.clone(),
        owner: kept.owner.clone(),
        token: kept.token,
        requests: kept.requests.iter().map(|(id, body)| (id.clone(), Some(body.clone()))).collect(),
        reservations: kept.reservations.iter().map(|(id, body)| (id.clone(), Some(body.clone()))).collect(),
        state: kept.state.clone(),
        events: Vec::new(),
        consumed: None,
        number: 0,
    }
}

/// Bytes of the states.
fn size(rows: &[Row]) -> usize {
    rows.iter().map(Row::size).sum()
}

fn anew(tenant: &TenantId, key: &str, held: &Kept) -> Row {
    Row {
        tenant: tenant.clone(),
        key: key.to_owned(),
        owner: held.owner.clone(),
        token: held.token,
        change: Change::Create { state: held.state.clone(), intentions: held.intentions.clone() },
        due: held.due,
        links: held.links.clone(),
        events: Vec::new(),
        new_call: None,
        began_with: None,
        number: 0,
    }
}

impl RedisStores {
    /// Writes a turn's rows. Those of a kind that goes on without Redis wait where Redis is away.
    pub(super) async fn commit_rows(
        &self,
        kind: Kind,
        tenant: &TenantId,
        mut rows: Vec<Row>,
        consumed: Option<&Consumed>,
    ) -> Result<Vec<Written>> {
        rows.iter().try_for_each(Row::check)?;
        if !kind.goes_on {
            return self.write_and_mend(kind, tenant, &rows, consumed).await;
        }
        let mut away = self.steady.away.lock().await;
        for row in &mut rows {
            away.number = self.clock.now().as_micros().max(away.number + 1);
            row.number = away.number;
        }
        self.hand_in(&mut away).await;
        if away.may_try(kind, &rows) {
            let trying = self.write_and_mend(kind, tenant, &rows, consumed);
            // Given up here, the commands are still on their way and may yet be done: the numbers tell.
            match tokio::time::timeout(TRY_WITHIN, trying).await {
                Ok(Ok(written)) => return Ok(written),
                Ok(Err(error)) if !is_away(&error) => return Err(error),
                Ok(Err(error)) => tracing::warn!(%error, ledger = kind.name, "commits wait for Redis"),
                Err(_) => tracing::warn!(ledger = kind.name, "commits wait for Redis: it does not answer"),
            }
            away.failed_at = Some(Instant::now());
            self.steady.saw::<()>(&Err(StoreError::Unavailable { reason: String::new() }));
        }
        self.let_wait(&mut away, kind, tenant, rows)
    }

    /// Takes rows to be written when Redis answers.
    fn let_wait(&self, away: &mut Away, kind: Kind, tenant: &TenantId, rows: Vec<Row>) -> Result<Vec<Written>> {
        let bytes = size(&rows);
        if away.rows + rows.len() > ROWS_MAX || away.bytes + bytes > BYTES_MAX {
            let reason = format!("Redis is away, and {} commits wait for it already", away.rows);
            return Err(StoreError::Unavailable { reason });
        }
        let mut answers = Vec::with_capacity(rows.len());
        let mut waits = Vec::with_capacity(rows.len());
        for row in rows {
            let id = (kind.name, tenant.clone(), row.key.clone());
            let answer = away.lost.remove(&id).map_or(Written::Done { position: None }, |(answer, _)| answer);
            self.steady.note(kind, &row, &answer);
            if matches!(answer, Written::Done { .. }) {
                waits.push(row);
            }
            answers.push(answer);
        }
        if !waits.is_empty() {
            away.rows += waits.len();
            away.bytes += size(&waits);
            away.write_down(kind, &waits);
            away.waiting.push_back((kind, tenant.clone(), waits));
        }
        Ok(answers)
    }

    /// Writes what waits, in its order, as far as Redis answers.
    async fn hand_in(&self, away: &mut Away) {
        if away.failed_at.is_some_and(|at| at.elapsed() < AGAIN_AFTER) {
            return;
        }
        let until = Instant::now() + HAND_IN_FOR;
        if !self.hand_in_from_disk(away, Some(until)).await {
            return;
        }
        let waited = away.rows;
        while let Some((kind, tenant, rows)) = away.waiting.pop_front() {
            let trying = self.write_what_waited(kind, &tenant, &rows);
            match tokio::time::timeout(TRY_WITHIN, trying).await {
                Ok(Ok(answers)) => {
                    away.rows = away.rows.saturating_sub(rows.len());
                    away.bytes = away.bytes.saturating_sub(size(&rows));
                    for (row, answer) in rows.into_iter().zip(answers) {
                        if matches!(answer, Written::Fenced { .. } | Written::Exists { .. }) {
                            tracing::warn!(record = row.key, "a record that waited for Redis belongs to somebody else");
                            away.lost.retain(|_, (_, since)| since.elapsed() < LOST_KEPT);
                            away.lost.insert((kind.name, tenant.clone(), row.key), (answer, Instant::now()));
                        }
                    }
                }
                Ok(Err(error)) if !is_away(&error) => {
                    tracing::error!(%error, ledger = kind.name, rows = rows.len(), "commits that waited for Redis are refused");
                    away.rows = away.rows.saturating_sub(rows.len());
                    away.bytes = away.bytes.saturating_sub(size(&rows));
                }
                Ok(Err(_)) | Err(_) => {
                    away.waiting.push_front((kind, tenant, rows));
                    away.failed_at = Some(Instant::now());
                    return;
                }
            }
            if Instant::now() >= until && !away.waiting.is_empty() {
                return;
            }
        }
        away.failed_at = None;
        if waited > 0 {
            away.forget_file();
            tracing::info!(rows = waited, "what waited for Redis is written");
        }
    }

    /// Hands in what a former life of the process has left, for so long at most; whether nothing of it is left now.
    async fn hand_in_from_disk(&self, away: &mut Away, until: Option<Instant>) -> bool {
        if away.former.is_empty() {
            return true;
        }
        let (mut done, mut late) = (0, 0);
        while let Some(Former { kind, row }) = away.former.front() {
            let trying = self.write_rows(*kind, &row.tenant, std::slice::from_ref(row), None);
            match tokio::time::timeout(TRY_WITHIN, trying).await {
                Ok(Ok(answers)) if matches!(answers[..], [Written::Done { .. }]) => done += 1,
                // Somebody else has gone on with it from the commit before.
                Ok(Ok(_)) => late += 1,
                Ok(Err(error)) if !is_away(&error) => {
                    late += 1;
                    tracing::error!(%error, record = row.key, "a commit of a former life is refused");
                }
                Ok(Err(_)) | Err(_) => {
                    away.failed_at = Some(Instant::now());
                    return false;
                }
            }
            away.former.pop_front();
            if until.is_some_and(|until| Instant::now() >= until) && !away.former.is_empty() {
                return false;
            }
        }
        tracing::info!(done, late, "commits of a former life are handed in; late ones came after others had gone on");
        if away.waiting.is_empty() {
            away.forget_file();
        }
        true
    }

    /// As [`Self::hand_in`], for whoever needs to know that nothing of a former life waits.
    ///
    /// # Errors
    /// While something does.
    pub(super) async fn hand_in_former(&self) -> Result<()> {
        let mut away = self.steady.away.lock().await;
        if self.hand_in_from_disk(&mut away, None).await {
            return Ok(());
        }
        let reason = "Redis does not answer, and commits of a former life wait for it".to_owned();
        Err(StoreError::Unavailable { reason })
    }

    /// Writes rows that waited. An emptied Redis may have been given a record again before the write that began it came: that
    /// write then goes on from there, so that its facts are not lost.
    async fn write_what_waited(&self, kind: Kind, tenant: &TenantId, rows: &[Row]) -> Result<Vec<Written>> {
        let mut answers = self.write_and_mend(kind, tenant, rows, None).await?;
        for (row, answer) in rows.iter().zip(&mut answers) {
            let Change::Create { state, intentions } = &row.change else { continue };
            if *answer != (Written::Exists { owner: row.owner.clone(), token: row.token }) {
                continue;
            }
            let save = Change::Save { state: state.clone(), intentions: intentions.clone() };
            let row = Row { change: save, ..row.clone() };
            if let Some(again) = self.write_and_mend(kind, tenant, &[row], None).await?.pop() {
                *answer = again;
            }
        }
        Ok(answers)
    }

    /// Writes rows; what Redis has forgotten is written anew first.
    async fn write_and_mend(
        &self,
        kind: Kind,
        tenant: &TenantId,
        rows: &[Row],
        consumed: Option<&Consumed>,
    ) -> Result<Vec<Written>> {
        let answered = self.write_rows(kind, tenant, rows, consumed).await;
        self.steady.saw(&answered);
        let mut answers = answered?;
        for (row, answer) in rows.iter().zip(&mut answers) {
            if *answer != Written::Unknown {
                continue;
            }
            let Some(lost) = self.steady.anew(kind, tenant, &row.key) else { continue };
            if lost.owner != row.owner || lost.token != row.token {
                continue;
            }
            tracing::warn!(ledger = kind.name, record = row.key, "Redis has lost a record: it is written anew");
            self.write_rows(kind, tenant, std::slice::from_ref(&lost), None).await?;
            let again = self.write_rows(kind, tenant, std::slice::from_ref(row), None).await?;
            if let Some(again) = again.into_iter().next() {
                *answer = again;
            }
        }
        for (row, answer) in rows.iter().zip(&answers) {
            self.steady.note(kind, row, answer);
        }
        Ok(answers)
    }

    /// Hands in what waits, and gives an emptied Redis its records again. Called with every renewal of a lease.
    pub(super) async fn mend(&self) -> Result<()> {
        // Asked before the turn is taken: commits do not wait for an answer that is late.
        let generation = self.generation().await;
        self.steady.saw(&generation);
        let mut away = self.steady.away.lock().await;
        let generation = generation?;
        let is_empty = away.generation.as_ref().is_some_and(|known| *known != generation);
        away.generation = Some(generation);
        if is_empty {
            let mut count = 0;
            for ((kind, tenant), rows) in self.steady.all_anew() {
                let Some(kind) = Kind::named(kind) else { continue };
                for part in rows.chunks(REWRITE_MAX) {
                    self.write_rows(kind, &tenant, part, None).await?;
                    count += part.len();
                }
            }
            for whole in self.steady.all_queues_anew() {
                self.write_queues(&whole, true).await?;
                count += 1 + whole.requests.len() + whole.reservations.len();
            }
            for write in self.steady.all_registrations() {
                // Whoever has registered since is right.
                self.register(&write).await?;
                count += 1;
            }
            tracing::warn!(records = count, "Redis came back empty: the records of this client are written anew");
        }
        self.hand_in(&mut away).await;
        Ok(())
    }

    /// The name of the life that Redis lives, given by whoever asks first.
    async fn generation(&self) -> Result<String> {
        let held = self.link.command(redis::cmd("GET").arg(GENERATION)).await?;
        let held = reply::text(Some(&held))?;
        if !held.is_empty() {
            return Ok(held);
        }
        // Another one than any before: clients see by it that Redis was empty.
        let fresh = format!("{}.{}", self.clock.now().as_micros(), std::process::id());
        self.link.command(redis::cmd("SET").arg(GENERATION).arg(&fresh).arg("NX")).await?;
        reply::text(Some(&self.link.command(redis::cmd("GET").arg(GENERATION)).await?))
    }
}
