//! The embedded stores: in memory, with a journal on disk. One process, no other server.
//!
//! A write is checked, journalled and applied, in this order and under one lock, so it is done whole or not at all. A restarted
//! process reads snapshot and journal and continues. Stream positions continue across restarts. Leases and the assignments of stream
//! entries are in memory alone: their holders ended with the process.

mod config_state;
mod configuration;
mod journal;
mod leases;
mod ledgers;
mod open_threads;
mod quarantine;
mod quarantined;
mod queues;
mod reader_wakeups;
mod registrations;
mod reporting;
mod sign_in_table;
mod sign_ins;
mod state;
mod stored_view;
mod streams;
mod table;
mod tenant;
mod threads;
mod turn;
mod views;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use contracts::v1;
use model::Timestamp;
use tokio::sync::watch;

pub use journal::FsyncPolicy;
pub(crate) use journal::io_error;
pub use reporting::FileLog;

use crate::{Clock, Result, StoreError};
use journal::{Journal, Progress};
use reader_wakeups::{ReaderWakeups, Topic};
use state::State;

/// Set when the stores of this process are servers.
static FORBIDDEN: AtomicBool = AtomicBool::new(false);

/// From now on no embedded store can be made in this process: its stores are servers that it shares with others, and no other
/// process would see what was written beside them.
pub fn forbid() {
    FORBIDDEN.store(true, Ordering::SeqCst);
}

/// Whether an embedded store may be made; each store checks this first.
///
/// # Errors
/// After [`forbid`].
pub fn allowed(what: &str) -> Result<()> {
    if FORBIDDEN.load(Ordering::SeqCst) {
        return Err(StoreError::Invalid(format!(
            "{what} is an embedded store, and the stores of this process are servers"
        )));
    }
    Ok(())
}

/// How the embedded stores keep their journal.
#[derive(Clone, Copy, Debug)]
pub struct JournalSettings {
    /// When the journal is synced to disk.
    pub fsync: FsyncPolicy,
    /// A journal longer than this, in bytes, is replaced by a snapshot.
    pub compact_at: u64,
}

impl Default for JournalSettings {
    fn default() -> Self {
        Self { fsync: FsyncPolicy::Grouped, compact_at: 64 << 20 }
    }
}

/// All stores but the persistent configuration, in one process.
pub struct Embedded {
    inner: Mutex<Inner>,
    /// None in memory.
    progress: Option<watch::Receiver<Progress>>,
    wakings: ReaderWakeups,
    clock: Arc<dyn Clock>,
}

struct Inner {
    /// Changes by the present write for which a reader may wait.
    brought: Vec<Topic>,
    state: State,
    journal: Option<Journal>,
    compact_at: u64,
    /// Whether something was done that the journal lacks because the disk was full. A snapshot makes up for it.
    is_behind: bool,
    /// No snapshot is tried before this time: the last one found no room.
    snapshot_from: Timestamp,
    clock: Arc<dyn Clock>,
    /// Whether every tenant's configuration was published in this run.
    configured: bool,
}

/// Delay before the next snapshot after one that found no room: each one writes the whole state.
const SNAPSHOT_AGAIN: Duration = Duration::from_secs(5);

impl Embedded {
    /// Opens the stores in a folder, which is created if missing, and reads back what was written.
    ///
    /// # Errors
    /// When the folder cannot be read or written, or a snapshot is damaged.
    pub fn open(folder: &Path, settings: JournalSettings, clock: Arc<dyn Clock>) -> Result<Self> {
        allowed("the journal")?;
        let mut state = State::new(clock.now());
        let journal = Journal::open(folder, settings.fsync, |turn| state.apply_turn(turn))?;
        state.restored(clock.now());
        Ok(Self::with(state, Some(journal), settings.compact_at, clock))
    }

    /// Stores in memory alone, lost with the process: for tests and simulations.
    ///
    /// # Panics
    /// After [`forbid`].
    pub fn in_memory(clock: Arc<dyn Clock>) -> Self {
        assert!(allowed("a store in memory").is_ok(), "the stores of this process are servers");
        Self::with(State::new(clock.now()), None, u64::MAX, clock)
    }

    fn with(state: State, journal: Option<Journal>, compact_at: u64, clock: Arc<dyn Clock>) -> Self {
        let progress = journal.as_ref().map(Journal::progress);
        let snapshot_from = Timestamp::ZERO;
        let (brought, is_behind, time) = (Vec::new(), false, clock.clone());
        let inner =
            Inner { brought, state, journal, compact_at, is_behind, snapshot_from, clock: time, configured: false };
        let inner = Mutex::new(inner);
        Self { inner, progress, wakings: ReaderWakeups::default(), clock }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic under the lock can only come before the first change of a turn is applied.
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Runs `work` on the state and waits until what it journalled is as durable as the policy promises.
    async fn write<T>(&self, work: impl FnOnce(&mut Inner) -> Result<T>) -> Result<T> {
        let (outcome, until, brought) = {
            let mut inner = self.lock();
            let outcome = work(&mut inner);
            let until = inner.journal.as_ref().map(Journal::written);
            (outcome, until, std::mem::take(&mut inner.brought))
        };
        self.wakings.wake(&brought);
        if let (Some(until), true) = (until, outcome.is_ok()) {
            self.durable(until).await?;
        }
        outcome
    }

    /// Waits until everything written so far is synced. If the disk has refused it, a snapshot with the same content replaces the
    /// journal. An error means that durability is unknown.
    async fn durable(&self, until: u64) -> Result<()> {
        let Some(mut progress) = self.progress.clone() else { return Ok(()) };
        let ended = |_| StoreError::Unavailable { reason: "the journal's writer has ended".to_owned() };
        let is_known = |progress: &Progress| progress.upto >= until || progress.refusal().is_some();
        let upto = progress.wait_for(is_known).await.map_err(ended)?.upto;
        if upto >= until {
            return Ok(());
        }
        self.lock().catch_up().map_err(|error| StoreError::Unavailable { reason: error.to_string() })
    }

    /// Calls `look` again after every write that brought `news`, until it finds something or the time is up. Returns its last
    /// result.
    async fn wait_for<T>(
        &self,
        news: Topic,
        wait: Duration,
        mut look: impl FnMut(&mut Inner) -> Result<(T, Found)>,
    ) -> Result<T> {
        let mut changed = self.wakings.subscribe(news);
        let deadline = tokio::time::sleep(wait);
        tokio::pin!(deadline);
        loop {
            let (value, found) = look(&mut self.lock())?;
            if found == Found::Something || wait.is_zero() {
                return Ok(value);
            }
            tokio::select! {
                () = &mut deadline => return Ok(value),
                woken = changed.changed() => if woken.is_err() { return Ok(value) },
            }
        }
    }
}

/// Whether a look at a stream found something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Something,
    Nothing,
}

impl From<bool> for Found {
    fn from(found: bool) -> Self {
        if found { Self::Something } else { Self::Nothing }
    }
}

impl Inner {
    /// Journals the effects and applies them; if the journal refuses, none is applied.
    fn commit(&mut self, effects: Vec<v1::effect::Effect>) -> Result<()> {
        if effects.is_empty() {
            return Ok(());
        }
        let turn = turn_of(effects);
        self.journal(&turn)?;
        self.apply(turn);
        Ok(())
    }

    /// Journals a turn that is about to be applied.
    fn journal(&mut self, turn: &v1::Turn) -> Result<()> {
        self.catch_up()?;
        match &mut self.journal {
            Some(journal) => journal.append(turn),
            None => Ok(()),
        }
    }

    /// Writes a snapshot to make up for turns that the journal lacks or that the disk has refused.
    fn catch_up(&mut self) -> Result<()> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        let refusal = match (journal.refusal(), self.is_behind) {
            (Some(refusal), _) => refusal,
            (None, true) => StoreError::DiskFull { what: "the journal".to_owned() },
            (None, false) => return Ok(()),
        };
        let now = self.clock.now();
        if now < self.snapshot_from {
            return Err(refusal);
        }
        self.snapshot_from = now + SNAPSHOT_AGAIN;
        journal.compact(self.state.dump())?;
        self.is_behind = false;
        tracing::info!("the disk takes what is written again: a snapshot has everything");
        Ok(())
    }

    /// Applies a turn that is journalled.
    fn apply(&mut self, turn: v1::Turn) {
        for news in turn.effects.iter().filter_map(|effect| Topic::of(effect.effect.as_ref()?)) {
            if self.brought.last() != Some(&news) {
                self.brought.push(news);
            }
        }
        self.state.apply_turn(turn);
        let now = self.clock.now();
        if let Some(journal) = &mut self.journal
            && journal.len() > self.compact_at
            && now >= self.snapshot_from
            && let Err(error) = journal.compact(self.state.dump())
        {
            // The turn is in the present journal, which grows until there is room for a snapshot.
            tracing::error!(%error, "the journal cannot be replaced by a snapshot");
            self.snapshot_from = now + SNAPSHOT_AGAIN;
        }
    }

    /// Like [`Self::commit`], for records that have begun: if the disk is full they continue in memory.
    fn commit_or_go_on(&mut self, effects: Vec<v1::effect::Effect>) -> Result<()> {
        if effects.is_empty() {
            return Ok(());
        }
        let turn = turn_of(effects);
        match self.journal(&turn) {
            Err(StoreError::DiskFull { .. }) => self.go_on(turn),
            journalled => {
                journalled?;
                self.apply(turn);
            }
        }
        Ok(())
    }

    /// Applies a turn for which the disk has no room: a full disk ends no call.
    fn go_on(&mut self, turn: v1::Turn) {
        if turn.effects.is_empty() {
            return;
        }
        if !std::mem::replace(&mut self.is_behind, true) {
            tracing::error!(
                "the disk is full: present calls continue in memory, and no call begins until there is room"
            );
            self.snapshot_from = self.clock.now() + SNAPSHOT_AGAIN;
        }
        self.apply(turn);
    }
}

/// Effects that are done together.
fn turn_of(effects: Vec<v1::effect::Effect>) -> v1::Turn {
    v1::Turn { effects: effects.into_iter().map(|effect| v1::Effect { effect: Some(effect) }).collect() }
}
