//! The fact that a role is folding into a tenant's state, noted so that a fact with which folding fails is skipped.
//!
//! A fact stays in its stream, so whoever rebuilds the state after a failure reads the same fact again. Each fact is
//! therefore noted before it is folded and no more after it: in memory for the next attempt of this process, and in a
//! file for the next process. As with records (`docs/quarantine.md`):
//!
//! | the note says | what the next attempt does |
//! |---|---|
//! | folding failed | rebuilds the tenant's state, and folds one fact at a time until that one is past |
//! | folding failed although the fact was alone | rebuilds the tenant's state, and skips the fact |

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use infra::{EventEntry, Position};
use model::{Stamped, TenantId, Timestamp, UserData};
use prometheus_client::metrics::counter::Counter;

use crate::Metrics;
use crate::data_dir;
use crate::fault::{Cause, FaultReport, FaultReports};
use crate::trace_data::mask;

/// The folder within the data directory.
pub const FOLDER: &str = "facts-in-hand";
/// The most notes that are read from a file: one for each tenant of the busiest role.
const NOTES_MAX: usize = 10_000;
/// The most bytes of a file that are read.
const FILE_BYTES_MAX: u64 = 1 << 20;

crate::metrics! {
    /// The count of skipped facts.
    #[derive(Clone, Debug)]
    pub struct FactCounts {
        /// Facts skipped because folding them into a tenant's state failed twice.
        skipped: Counter = "facts_skipped";
    }
}

/// What is known about a fact that is being folded, or whose folding failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Note {
    position: Position,
    /// Whether it was folded alone: a failure then has no other cause.
    alone: bool,
}

/// The facts that a node has in hand, by tenant. Cheap to clone.
#[derive(Clone, Debug)]
pub struct FactsInHand {
    notes: Arc<Mutex<Notes>>,
    reports: Arc<FaultReports>,
    counted: FactCounts,
}

impl FactsInHand {
    /// The notes of a node, with those that the previous process left.
    pub fn open(data_dir: &Path, node: &str, metrics: &Metrics) -> Self {
        let notes = Notes::open(&data_dir.join(FOLDER), node).unwrap_or_else(|error| {
            // A fact that ends the process is then not noticed; one that panics is.
            tracing::warn!(%error, "facts in hand cannot be noted in the data directory");
            Notes::default()
        });
        Self {
            notes: Arc::new(Mutex::new(notes)),
            reports: Arc::new(FaultReports::new(data_dir, node)),
            counted: FactCounts::register(metrics),
        }
    }

    /// The part of one tenant.
    pub fn of(&self, tenant: &TenantId) -> FactInHand {
        FactInHand { all: self.clone(), tenant: tenant.clone(), suspect: None, in_hand: None, why: None }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A tenant's state, into which the facts of its stream are folded.
pub trait FoldsFacts {
    /// Folds a fact. A panic leaves the state half changed: rebuild it.
    fn fold(&mut self, entry: &EventEntry, now: Timestamp);

    /// Leaves out the fact at that position, which counts as folded. The skip is stored before the next fact is folded.
    fn skip(&mut self, position: Position);
}

/// The fact of one tenant that is in hand; it outlives the state into which facts are folded.
#[derive(Debug)]
pub struct FactInHand {
    all: FactsInHand,
    tenant: TenantId,
    /// The fact at which an earlier attempt failed, until it is past.
    suspect: Option<Note>,
    in_hand: Option<Position>,
    /// Why the last attempt of this process failed.
    why: Option<String>,
}

impl FactInHand {
    /// The tenant's state was rebuilt: a fact that is still noted is one at which the attempt before failed.
    pub fn state_rebuilt(&mut self) {
        self.in_hand = None;
        self.suspect = self.all.notes().of.get(&self.tenant).copied();
        if let Some(Note { position, alone }) = self.suspect {
            tracing::warn!(tenant = %self.tenant, %position, alone, "folding a fact failed before");
        }
    }

    /// The attempt failed, for the report of a fact that will be skipped.
    pub fn failed(&mut self, why: &impl std::fmt::Display) {
        self.why = Some(mask::text(&format!("{why:#}")));
    }

    /// Folds facts, each in hand until [`Self::put_down`]. After a failure, only the first: read the others again.
    pub fn fold(&mut self, state: &mut impl FoldsFacts, entries: &[EventEntry], now: Timestamp) {
        let due = if self.suspect.is_some() { 1 } else { entries.len() };
        for entry in entries.iter().take(due) {
            if self.take(entry.position, &entry.event, now) {
                state.fold(entry, now);
            } else {
                state.skip(entry.position);
            }
        }
    }

    /// Runs `work`, which folds one fact. Returns `false` if folding it failed twice: it is skipped. Store the skip before the next fact,
    /// or the next failure brings it back.
    #[must_use]
    pub fn fold_one(&mut self, (position, fact): (Position, &Stamped), now: Timestamp, work: impl FnOnce()) -> bool {
        let is_due = self.take(position, fact, now);
        if is_due {
            work();
            self.put_down();
        }
        is_due
    }

    /// Takes a fact in hand; `false` if it must be skipped.
    fn take(&mut self, position: Position, fact: &Stamped, now: Timestamp) -> bool {
        if self.suspect == Some(Note { position, alone: true }) {
            self.suspect = None;
            self.all.notes().set(&self.tenant, None);
            self.skipped(position, fact, now);
            return false;
        }
        self.in_hand = Some(position);
        self.all.notes().set(&self.tenant, Some(Note { position, alone: self.suspect.is_some() }));
        true
    }

    /// The facts taken in hand are folded, and so is what followed from them at once.
    pub fn put_down(&mut self) {
        let Some(position) = self.in_hand.take() else { return };
        self.suspect = self.suspect.filter(|suspect| position < suspect.position);
        if self.suspect.is_none() {
            self.why = None;
        }
        self.all.notes().set(&self.tenant, self.suspect);
    }

    fn skipped(&mut self, position: Position, fact: &Stamped, at: Timestamp) {
        self.all.counted.skipped.inc();
        let cause = Cause::Twice(self.why.take().unwrap_or_else(|| "the process ended".to_owned()));
        tracing::error!(tenant = %self.tenant, %position, %cause, "a fact is skipped: all others are folded");
        let subject = Some(format!("{} {position}", self.tenant));
        // In this thread, although it waits for the disk: a tenant comes here only after two rebuilds of its state.
        self.all.reports.keep(&FaultReport { at, subject, cause, name: "fact", input: without_data(fact) });
    }
}

/// The fact without what applications and clients attached to it, which may be anything.
fn without_data(fact: &Stamped) -> String {
    let mut fact = fact.clone();
    let event = &mut fact.event;
    (event.user_data, event.reasons, event.extensions) = (UserData::new(), UserData::new(), UserData::new());
    event.collected_digits = None;
    format!("{fact:?}")
}

/// The notes of all tenants, and the file that contains them.
#[derive(Debug, Default)]
struct Notes {
    of: BTreeMap<TenantId, Note>,
    file: Option<File>,
}

impl Notes {
    fn open(folder: &Path, node: &str) -> io::Result<Self> {
        data_dir::make_private(folder)?;
        let path = folder.join(node);
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)?;
        let mut text = Vec::new();
        (&file).take(FILE_BYTES_MAX).read_to_end(&mut text)?;
        // The first empty line is the end: a longer text may have stood there before.
        let text = String::from_utf8_lossy(&text);
        let lines = text.lines().take_while(|line| !line.is_empty()).take(NOTES_MAX);
        Ok(Self { of: lines.filter_map(note_from_line).collect(), file: Some(file) })
    }

    fn set(&mut self, tenant: &TenantId, note: Option<Note>) {
        match note {
            Some(note) => self.of.insert(tenant.clone(), note),
            None => self.of.remove(tenant),
        };
        let Some(file) = &self.file else { return };
        let lines = self.of.iter().map(|(tenant, note)| {
            let how = if note.alone { "alone" } else { "with-others" };
            format!("{} {how} {tenant}\n", note.position)
        });
        // Not synchronized: it must outlive the process, not the machine.
        if let Err(error) = file.write_all_at((lines.collect::<String>() + "\n").as_bytes(), 0) {
            tracing::warn!(%error, "facts in hand are no longer noted in the data directory");
            self.file = None;
        }
    }
}

fn note_from_line(line: &str) -> Option<(TenantId, Note)> {
    let mut words = line.splitn(3, ' ');
    let note = Note { position: words.next()?.parse().ok()?, alone: words.next()? == "alone" };
    Some((TenantId::parse(words.next()?).ok()?, note))
}

#[cfg(test)]
mod tests;
