//! What the load has asked and was told: how long each operation took, which edits were acknowledged, and what went wrong.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use testkit::clock::{self, Micros};

/// More than any run makes.
const OPERATIONS_MAX: usize = 1_000_000;
/// Further faults say nothing new.
const FAULTS_MAX: usize = 200;

/// A kind of operation on port 8888.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadWork {
    /// An edit of one person, until it is acknowledged.
    Edit,
    /// A look at one person.
    Look,
    /// A page of people with a skill.
    List,
    /// The latest changes of a person.
    History,
}

/// Every kind of operation.
pub const WORKS: [LoadWork; 4] = [LoadWork::Edit, LoadWork::Look, LoadWork::List, LoadWork::History];

impl LoadWork {
    /// Its name in the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Edit => "edit",
            Self::Look => "look-up",
            Self::List => "list",
            Self::History => "history",
        }
    }
}

/// An operation that was answered in the end.
#[derive(Clone, Copy, Debug)]
struct Operation {
    work: LoadWork,
    from: Micros,
    until: Micros,
}

/// An edit that the installation has confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcknowledgedEdit {
    /// The person.
    pub user: String,
    /// The last name that it has given the person.
    pub name: String,
    /// The revision to which it has led.
    pub revision: u64,
    /// Its `request_id`.
    pub request: String,
    /// The person's document as it has to be since.
    pub document: Value,
    /// Whether the tenant was imported since, so that the person may be at a later revision.
    pub is_imported: bool,
}

/// How often something happened that is allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadTally {
    /// Operations that were tried again after UNAVAILABLE, each time counted.
    pub repeated: usize,
    /// Operations that the stop of all processes has broken off.
    pub broken_off: usize,
    /// Edits of which the installation said, when they were sent again, that they had been carried out.
    pub known_already: usize,
}

#[derive(Default)]
struct NotedLoad {
    operations: Vec<Operation>,
    acknowledged: Vec<AcknowledgedEdit>,
    faults: Vec<String>,
    stale: Vec<(Micros, String)>,
    tally: LoadTally,
}

/// The notes of all tasks of the load.
#[derive(Default)]
pub struct LoadNotes {
    noted: Mutex<NotedLoad>,
    ends: AtomicBool,
    is_stopped: AtomicBool,
    is_killed: AtomicBool,
}

impl LoadNotes {
    /// The tasks begin.
    pub fn begin(&self) {
        self.ends.store(false, Relaxed);
        self.is_stopped.store(false, Relaxed);
        self.is_killed.store(false, Relaxed);
    }

    /// Each task is to end when its present turn is over.
    pub fn end(&self) {
        self.ends.store(true, Relaxed);
    }

    /// Whether the tasks are to end.
    pub fn has_ended(&self) -> bool {
        self.ends.load(Relaxed)
    }

    /// All processes are told to end from now on: an operation may be broken off, and ends its task.
    pub fn be_stopped(&self) {
        self.is_stopped.store(true, Relaxed);
    }

    /// Whether operations may be broken off.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped.load(Relaxed)
    }

    /// The process that is asked is killed: from now on an operation may end as that leaves it, and is tried again.
    pub fn be_killed(&self) {
        self.is_killed.store(true, Relaxed);
    }

    /// Whether the process that is asked was killed.
    pub fn is_killed(&self) -> bool {
        self.is_killed.load(Relaxed)
    }

    /// An operation that began then is answered now.
    pub fn done(&self, work: LoadWork, from: Micros) {
        let mut noted = self.noted();
        if noted.operations.len() < OPERATIONS_MAX {
            noted.operations.push(Operation { work, from, until: clock::now() });
        }
    }

    /// An edit is acknowledged.
    pub fn acknowledge(&self, edit: AcknowledgedEdit, is_known_already: bool) {
        let mut noted = self.noted();
        noted.tally.known_already += usize::from(is_known_already);
        noted.acknowledged.push(edit);
    }

    /// An operation is tried again.
    pub fn repeat(&self) {
        self.noted().tally.repeated += 1;
    }

    /// An operation was broken off.
    pub fn break_off(&self) {
        self.noted().tally.broken_off += 1;
    }

    /// A look-up has shown an older state than was acknowledged.
    pub fn stale(&self, what: String) {
        let at = clock::now();
        let mut noted = self.noted();
        if noted.stale.len() < FAULTS_MAX {
            noted.stale.push((at, what));
        }
    }

    /// A task has ended by a fault.
    pub fn fault(&self, what: String) {
        let mut noted = self.noted();
        if noted.faults.len() < FAULTS_MAX {
            noted.faults.push(what);
        }
    }

    /// The faults since the last call.
    pub fn take_faults(&self) -> Vec<String> {
        std::mem::take(&mut self.noted().faults)
    }

    /// The look-ups of an older state since the last call, with their times.
    pub fn take_stale(&self) -> Vec<(Micros, String)> {
        std::mem::take(&mut self.noted().stale)
    }

    /// Every acknowledged edit so far, in order.
    pub fn acknowledged(&self) -> Vec<AcknowledgedEdit> {
        self.noted().acknowledged.clone()
    }

    /// The tenant was imported as it was exported after the last edit.
    pub fn be_imported(&self) {
        self.noted().acknowledged.iter_mut().for_each(|edit| edit.is_imported = true);
    }

    /// How many edits are acknowledged.
    pub fn count(&self) -> usize {
        self.noted().acknowledged.len()
    }

    /// What happened that is allowed.
    pub fn tally(&self) -> LoadTally {
        self.noted().tally
    }

    /// Operations of a kind that were under way between two times, and the longest of them.
    pub fn between(&self, work: LoadWork, from: Micros, until: Micros) -> (usize, Micros) {
        let noted = self.noted();
        let meant = noted.operations.iter().filter(|one| one.work == work && one.from <= until && one.until >= from);
        meant.fold((0_usize, 0_u64), |(count, longest), one| {
            (count + 1, longest.max(one.until.saturating_sub(one.from)))
        })
    }

    fn noted(&self) -> MutexGuard<'_, NotedLoad> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_under_way_in_a_time_counts_for_it_as_a_whole() {
        let notes = LoadNotes::default();
        for (work, from, until) in
            [(LoadWork::Edit, 10, 30), (LoadWork::Edit, 25, 90), (LoadWork::Edit, 95, 99), (LoadWork::Look, 20, 60)]
        {
            notes.noted().operations.push(Operation { work, from, until });
        }
        assert_eq!(notes.between(LoadWork::Edit, 28, 40), (2, 65));
        assert_eq!(notes.between(LoadWork::Look, 28, 40), (1, 40));
        assert_eq!(notes.between(LoadWork::List, 0, 100), (0, 0));
    }
}
