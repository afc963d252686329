//! An owner continues while Redis is unavailable, and writes again what Redis has lost.
//!
//! Each client remembers the last state that it has written of every record that it owns. It writes a record again that Redis no
//! longer knows. A Redis that came back empty thus has the records of all owners again within a lease. An owner loses a record only
//! when it sees a higher token.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use infra::{
    Binding, Change, Consumed, QueueBatch, QueueRecord, Refusal, RegistrationWrite, Result, StoreError, Written, bounds,
};
use model::{AgentId, Dn, Owner, Stamped, TenantId, Timestamp, Token};
use tokio::time::Instant;

use super::audience::Audience;
use super::away::Away;
use super::lately::Lately;
use super::ledgers::STREAMS;
use super::record_id::RecordId;
use super::row::{Facts, Kind, Row};
use super::script::PART_ROWS;
use super::waiting::{PreviousRunCommit, WaitingFile};
use super::watched::Watched;
use super::{RedisStores, reply};

/// After an outage of this length, leases have expired that were not released.
const AWAY_LONG: Duration = Duration::from_millis(1_000);
/// Time after an outage for owners to renew leases and write waiting commits. Until then nobody claims, and no call is reported
/// as unknown.
const OWNERS_FIRST: Duration = Duration::from_secs(3);
/// Time within which every owner has seen that Redis was emptied and has written everything again.
const WRITTEN_AGAIN_WITHIN: Duration = Duration::from_secs(10);
/// Key with the name of the generation of Redis's data: it is missing if Redis came back empty.
const GENERATION: &str = "trunkline:generation";

/// The last state that was written of a record.
struct Kept {
    owner: Owner,
    token: Token,
    state: Bytes,
    intentions: Bytes,
    due: Option<Timestamp>,
    links: Vec<String>,
    /// When Redis last confirmed the record; for a record that Redis does not have yet, when it was first noted.
    known_at: Timestamp,
}

/// What a client remembers so that Redis may be unavailable or lose data.
#[derive(Default)]
pub(super) struct Steady {
    kept: Mutex<HashMap<RecordId, Kept>>,
    pub(super) away: tokio::sync::Mutex<Away>,
    /// Whether Redis had no room for the last commit of a kind that continues without it.
    pub(super) full: AtomicBool,
    absence: Mutex<Absence>,
    watched: Mutex<Watched>,
    life: Mutex<Life>,
    queues: Mutex<HashMap<TenantId, KeptQueues>>,
    /// The bindings of phones as they were last written.
    registrations: Mutex<HashMap<(TenantId, Dn), KeptRegistration>>,
    lately: Mutex<Lately>,
}

/// Where a phone is registered, as last written.
struct KeptRegistration {
    bindings: Vec<Binding>,
    /// Number of facts published about it so far.
    events: u64,
}

/// A tenant's queues, as last written.
struct KeptQueues {
    owner: Owner,
    token: Token,
    state: Option<Bytes>,
    requests: BTreeMap<String, Bytes>,
    reservations: BTreeMap<AgentId, Bytes>,
}

/// When an outage of Redis began and when it ended.
#[derive(Default)]
struct Absence {
    since: Option<Instant>,
    back_at: Option<Instant>,
}

/// The generation of Redis's data, as far as it is known.
#[derive(Default)]
struct Life {
    generation: Option<String>,
    /// When a new generation was seen: Redis was emptied.
    emptied_at: Option<Instant>,
    /// Whether this client must still write its records again.
    owes: bool,
    /// The generation in which the latest facts were repeated.
    told: Option<String>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn is_away(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable { .. })
}

impl Steady {
    /// Whether claims and reports of unknown calls must wait: Redis has just come back, and owners renew and write first.
    pub(super) fn owners_first(&self) -> bool {
        let absence = lock(&self.absence);
        absence.since.is_some() || absence.back_at.is_some_and(|back| back.elapsed() < OWNERS_FIRST)
    }

    /// From now on, waiting rows are also kept in that file.
    pub(super) fn keep_in(&mut self, file: WaitingFile, former: Vec<PreviousRunCommit>) {
        self.away.get_mut().keep_in(file, former);
    }

    /// Notes whether Redis answered.
    pub(super) fn saw<T>(&self, answer: &Result<T>) {
        let mut absence = lock(&self.absence);
        match answer {
            Err(error) if is_away(error) => drop(absence.since.get_or_insert_with(Instant::now)),
            _ => {
                if let Some(since) = absence.since.take() {
                    // No owner could renew during this outage. A shorter outage costs nobody a lease. And one shard that fails repeatedly,
                    // between answers of the others, must not stop the detection of failed nodes.
                    if since.elapsed() >= bounds::LEASE / 2 {
                        lock(&self.watched).forget_all();
                    }
                    if since.elapsed() >= AWAY_LONG {
                        absence.back_at = Some(Instant::now());
                    }
                }
            }
        }
    }

    /// What others hold, as watched by this client.
    pub(super) fn watched(&self) -> MutexGuard<'_, Watched> {
        lock(&self.watched)
    }

    /// Whether this client has read the generation of Redis's data.
    pub(super) fn knows_its_life(&self) -> bool {
        lock(&self.life).generation.is_some()
    }

    /// Notes the generation of Redis's data. Returns whether this client must write its records again.
    fn lives(&self, generation: &str) -> bool {
        let mut life = lock(&self.life);
        if life.generation.as_deref().is_some_and(|known| known != generation) {
            life.emptied_at = Some(Instant::now());
            life.owes = true;
        }
        life.generation = Some(generation.to_owned());
        life.owes
    }

    /// The records have been written again, unless Redis was emptied once more.
    fn owes_nothing(&self, generation: &str) {
        let mut life = lock(&self.life);
        life.owes &= life.generation.as_deref() != Some(generation);
    }

    /// Whether Redis was emptied so recently that owners may not have written everything again.
    fn is_being_written_again(&self) -> bool {
        lock(&self.life).emptied_at.is_some_and(|at| at.elapsed() < WRITTEN_AGAIN_WITHIN)
    }

    /// Remembers a record that was claimed.
    pub(super) fn claimed(&self, kind: Kind, row: Row, known_at: Timestamp) {
        if let Change::Create { state, intentions } | Change::Save { state, intentions } = row.change {
            let Row { owner, token, due, links, .. } = row;
            let kept = Kept { owner, token, state, intentions, due, links, known_at };
            lock(&self.kept).insert((kind.name, row.tenant, row.key), kept);
        }
    }

    /// Remembers a written row and its facts.
    fn wrote(&self, kind: Kind, row: &Row, written: &Written, now: Timestamp) {
        self.note(kind, row, written, now);
        let id = (kind.name, row.tenant.clone(), row.key.clone());
        match written {
            Written::Done { .. } => {
                if let Some(kept) = lock(&self.kept).get_mut(&id) {
                    kept.known_at = now;
                }
                lock(&self.lately).tell(id, row.facts.events.clone());
            }
            Written::Refused(_) => {}
            _ => lock(&self.lately).forget(&id),
        }
    }

    /// Forgets a record that this client no longer owns.
    pub(super) fn forget(&self, id: &RecordId) {
        lock(&self.kept).remove(id);
    }

    /// Remembers the state that was written, or that waits to be.
    pub(super) fn note(&self, kind: Kind, row: &Row, written: &Written, now: Timestamp) {
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
                    known_at: now,
                });
                (entry.owner, entry.token, entry.due) = (row.owner.clone(), row.token, row.due);
                (entry.state, entry.intentions) = (state.clone(), intentions.clone());
                let had: HashSet<&String> = entry.links.iter().collect();
                let new: Vec<String> = row.links.iter().filter(|link| !had.contains(link)).cloned().collect();
                entry.links.extend(new);
            }
            // A refused write has changed nothing.
            (Written::Done { .. }, Change::Keep) | (Written::Refused(_), _) => {}
            _ => drop(kept.remove(&id())),
        }
    }

    /// The record as last written, as a row that creates it again.
    fn anew(&self, kind: Kind, tenant: &TenantId, key: &str) -> Option<Row> {
        let kept = lock(&self.kept);
        let held = kept.get(&(kind.name, tenant.clone(), key.to_owned()))?;
        Some(anew(tenant, key, held))
    }

    /// Whether Redis would still have the record's tombstone, if another owner had ended it since Redis last confirmed it.
    fn would_be_remembered(&self, kind: Kind, tenant: &TenantId, key: &str, now: Timestamp) -> bool {
        let kept = lock(&self.kept);
        let held = kept.get(&(kind.name, tenant.clone(), key.to_owned()));
        held.is_some_and(|held| now.since(held.known_at) < bounds::TOMBSTONE)
    }

    /// The record's present state, as a row that its owner saves.
    pub(super) fn last_state(&self, kind: Kind, tenant: &TenantId, key: &str) -> Option<Row> {
        let row = self.anew(kind, tenant, key)?;
        let Change::Create { state, intentions } = row.change else { return None };
        Some(Row { change: Change::Save { state, intentions }, ..row })
    }

    /// The facts of a record that Redis may have lost before they reached the reporting log.
    fn latest_of(&self, kind: Kind, tenant: &TenantId, key: &str) -> Vec<Stamped> {
        lock(&self.lately).of(&(kind.name, tenant.clone(), key.to_owned()))
    }

    /// Those of a tenant's queues.
    pub(super) fn latest_of_queues(&self, tenant: &TenantId) -> Vec<Stamped> {
        lock(&self.lately).of(&queues_id(tenant))
    }

    /// Those of a phone.
    pub(super) fn latest_of_phone(&self, tenant: &TenantId, dn: &Dn) -> Vec<Stamped> {
        lock(&self.lately).of(&phone_id(tenant, dn))
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
        if matches!(written, Written::Refused(_)) {
            return;
        }
        let mut queues = lock(&self.queues);
        if !matches!(written, Written::Done { .. }) {
            queues.remove(&batch.tenant);
            lock(&self.lately).forget(&queues_id(&batch.tenant));
            return;
        }
        let Some(kept) = queues.get_mut(&batch.tenant) else { return };
        lock(&self.lately).tell(queues_id(&batch.tenant), batch.events.into());
        kept.state = batch.state.or(kept.state.take());
        apply(&mut kept.requests, batch.requests);
        apply(&mut kept.reservations, batch.reservations);
    }

    /// A tenant's queues, to be written again.
    pub(super) fn queues_anew(&self, tenant: &TenantId) -> Option<QueueBatch> {
        lock(&self.queues).get(tenant).map(|kept| whole(tenant, kept))
    }

    /// The queues of every tenant.
    fn all_queues_anew(&self) -> Vec<QueueBatch> {
        lock(&self.queues).iter().map(|(tenant, kept)| whole(tenant, kept)).collect()
    }

    /// Remembers where a phone is registered; `events` is the number of facts published about it.
    pub(super) fn registered(&self, write: &RegistrationWrite, events: u64) {
        let key = (write.tenant.clone(), write.dn.clone());
        lock(&self.lately).tell(phone_id(&write.tenant, &write.dn), write.events.as_slice().into());
        let mut registrations = lock(&self.registrations);
        if registrations.len() >= bounds::RECORDS_MAX {
            registrations.retain(|_, kept| !kept.bindings.is_empty());
        }
        registrations.insert(key, KeptRegistration { bindings: write.bindings.clone(), events });
    }

    /// Number of facts published about a phone, as far as this client knows.
    pub(super) fn told_of(&self, tenant: &TenantId, dn: &Dn) -> u64 {
        lock(&self.registrations).get(&(tenant.clone(), dn.clone())).map_or(0, |kept| kept.events)
    }

    /// Every registered phone, as the first write of its record.
    fn all_registrations(&self) -> Vec<RegistrationWrite> {
        let anew = |((tenant, dn), kept): (&(TenantId, Dn), &KeptRegistration)| RegistrationWrite {
            tenant: tenant.clone(),
            dn: dn.clone(),
            expected: 0,
            bindings: kept.bindings.clone(),
            events: Vec::new(),
        };
        let registrations = lock(&self.registrations);
        registrations.iter().filter(|(_, kept)| !kept.bindings.is_empty()).map(anew).collect()
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

/// Keys for the facts of queues and phones, which are not records of a ledger.
fn queues_id(tenant: &TenantId) -> RecordId {
    ("queues", tenant.clone(), String::new())
}

fn phone_id(tenant: &TenantId, dn: &Dn) -> RecordId {
    ("phone", tenant.clone(), dn.to_string())
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

fn anew(tenant: &TenantId, key: &str, held: &Kept) -> Row {
    Row {
        tenant: tenant.clone(),
        key: key.to_owned(),
        owner: held.owner.clone(),
        token: held.token,
        change: Change::Create { state: held.state.clone(), intentions: held.intentions.clone() },
        due: held.due,
        links: held.links.clone(),
        facts: Facts::default(),
        new_call: None,
        began_with: None,
        number: 0,
    }
}

impl RedisStores {
    /// Writes rows. A record that Redis has lost is written again first.
    pub(super) async fn write_and_mend(
        &self,
        kind: Kind,
        tenant: &TenantId,
        rows: &[Row],
        consumed: Option<&Consumed>,
    ) -> Result<Vec<Written>> {
        let answered = self.write_each(kind, tenant, rows, consumed).await;
        self.steady.saw(&answered);
        let mut answers = answered?;
        for (row, answer) in rows.iter().zip(&mut answers) {
            if *answer != Written::Unknown {
                continue;
            }
            let Some(lost) = self.steady.anew(kind, tenant, &row.key) else { continue };
            if lost.owner != row.owner || lost.token != row.token || !self.is_lost(kind, tenant, &row.key).await? {
                continue;
            }
            // The next renewal logs one warning for all of them.
            tracing::debug!(ledger = kind.name, record = row.key, "Redis has lost a record: it is written again");
            self.tell_log(tenant, &self.steady.latest_of(kind, tenant, &row.key), Audience::LogRepeat).await?;
            self.write_rows(kind, tenant, std::slice::from_ref(&lost), None).await?;
            let again = self.write_rows(kind, tenant, std::slice::from_ref(row), None).await?;
            if let Some(again) = again.into_iter().next() {
                *answer = again;
            }
        }
        for (row, answer) in rows.iter().zip(&answers) {
            self.steady.wrote(kind, row, answer, self.clock.now());
        }
        Ok(answers)
    }

    /// Whether Redis has lost a record of this client that it does not know. Otherwise another node may have claimed the record while
    /// this process was stopped, and ended it so long ago that its tombstone is gone.
    async fn is_lost(&self, kind: Kind, tenant: &TenantId, key: &str) -> Result<bool> {
        if self.steady.would_be_remembered(kind, tenant, key, self.clock.now()) {
            return Ok(true);
        }
        let was_emptied = self.steady.lives(&self.generation().await?) || self.steady.is_being_written_again();
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
        let mut answers = Vec::with_capacity(rows.len());
        for row in rows {
            // Rows that the script had already written are recognised by their numbers.
            match self.write_rows(kind, tenant, std::slice::from_ref(row), None).await {
                Ok(written) => answers.extend(written),
                Err(error) if !error.passes() => answers.push(Written::Refused(Refusal::Invalid(error.to_string()))),
                Err(error) => return Err(error),
            }
        }
        if consumed.is_some() {
            self.write_rows(kind, tenant, &[], consumed).await?;
        }
        Ok(answers)
    }

    /// Writes waiting commits, and gives an emptied Redis its records again. Called with every renewal of a lease.
    pub(super) async fn mend(&self) -> Result<()> {
        // Read before the lock is taken: commits do not wait for a late answer.
        let generation = self.generation().await;
        self.steady.saw(&generation);
        let mut away = self.steady.away.lock().await;
        let generation = generation?;
        if self.steady.lives(&generation) {
            self.announce_again();
            self.tell_again(&generation).await?;
            let mut count = 0;
            for ((kind, tenant), rows) in self.steady.all_anew() {
                let Some(kind) = Kind::named(kind) else { continue };
                for part in rows.chunks(PART_ROWS) {
                    self.write_each(kind, &tenant, part, None).await?;
                    count += part.len();
                }
            }
            for whole in self.steady.all_queues_anew() {
                self.write_queues(&whole, true).await?;
                count += 1 + whole.requests.len() + whole.reservations.len();
            }
            for write in self.steady.all_registrations() {
                // A registration made since then takes precedence.
                self.register_or_refuse(&write).await?;
                count += 1;
            }
            self.steady.owes_nothing(&generation);
            tracing::warn!(records = count, "Redis came back empty: the records of this client are written again");
        } else {
            lock(&self.steady.lately).forget_what_is_out();
        }
        self.hand_in(&mut away).await;
        Ok(())
    }

    /// Repeats the latest facts to the log when Redis has a new generation. This comes before the records: no owner can continue
    /// a record and publish more of it until these facts are in the stream.
    async fn tell_again(&self, generation: &str) -> Result<()> {
        if lock(&self.steady.life).told.as_deref() == Some(generation) {
            return Ok(());
        }
        let latest = lock(&self.steady.lately).all();
        for (tenant, facts) in latest {
            self.announce(STREAMS, &tenant).await?;
            match self.tell_log(&tenant, &facts, Audience::LogRepeat).await {
                // A lack of room for one tenant's facts costs nobody a lease.
                Err(error @ StoreError::Full { bound: 1.., .. }) => {
                    tracing::error!(%tenant, %error, facts = facts.len(), "facts cannot be repeated for the reporting log");
                }
                told => told?,
            }
        }
        lock(&self.steady.life).told = Some(generation.to_owned());
        Ok(())
    }

    /// To be called after a read that found nothing: that proves nothing while Redis may have been emptied unnoticed by its owners.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] during that time.
    pub(super) async fn nothing_is_lost(&self) -> Result<()> {
        self.steady.lives(&self.generation().await?);
        if self.steady.is_being_written_again() {
            let reason = "Redis has come back empty: owners write their records again".to_owned();
            return Err(StoreError::Unavailable { reason });
        }
        Ok(())
    }

    /// The name of the generation of Redis's data; the first client that reads it sets it.
    async fn generation(&self) -> Result<String> {
        let held = self.link.command(redis::cmd("GET").arg(GENERATION)).await?;
        let held = reply::text(Some(&held))?;
        if !held.is_empty() {
            return Ok(held);
        }
        // A new name, by which clients see that Redis was empty.
        let fresh = format!("{}.{}", self.clock.now().as_micros(), std::process::id());
        self.link.command(redis::cmd("SET").arg(GENERATION).arg(&fresh).arg("NX")).await?;
        reply::text(Some(&self.link.command(redis::cmd("GET").arg(GENERATION)).await?))
    }
}
