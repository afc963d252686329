use std::panic::{AssertUnwindSafe, catch_unwind};

use model::{ConnId, Event, EventId, EventName, Seq, Subject, Token};

use super::*;

const POISON: u64 = 3;

/// Positions that were folded.
#[derive(Default)]
struct Positions(Vec<u64>);

impl FoldsFacts for Positions {
    fn fold(&mut self, entry: &EventEntry, _: Timestamp) {
        self.0.push(entry.position.minor);
        assert!(entry.position.minor != POISON || entry.event.tenant != tenant("t1"), "poison for +15557654321");
    }

    fn skip(&mut self, _: Position) {}
}

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).expect("a tenant")
}

fn entry(of: &str, minor: u64) -> EventEntry {
    let mut event = Event::new(EventName::Ringing);
    event.user_data.push("Card", "a secret");
    let id = EventId { subject: Subject::Call(ConnId(5)), token: Token(1), seq: Seq(minor) };
    let event = Stamped { id, tenant: tenant(of), at: Timestamp::from_millis(1), trace: None, event };
    EventEntry { position: Position { major: 0, minor }, event: Arc::new(event), owner: None }
}

fn open(folder: &Path) -> FactsInHand {
    FactsInHand::open(folder, "rq-1", &Metrics::default())
}

/// Folds five facts into a rebuilt state, in as many turns as it takes; `None` if that fails.
fn life(fact: &mut FactInHand) -> Option<Vec<u64>> {
    fact.state_rebuilt();
    let entries: Vec<EventEntry> = (1..=5).map(|minor| entry(fact.tenant.as_str(), minor)).collect();
    let mut state = Positions::default();
    let mut next = 0;
    let lived = catch_unwind(AssertUnwindSafe(|| {
        while next < entries.len() {
            let alone = fact.suspect.is_some();
            fact.fold(&mut state, &entries[next..], Timestamp::from_millis(9));
            fact.put_down();
            next = if alone { next + 1 } else { entries.len() };
        }
    }));
    if lived.is_err() {
        fact.failed(&"a panic: a test");
    }
    lived.ok().map(|()| state.0)
}

fn reports(folder: &Path) -> Vec<String> {
    let Ok(files) = std::fs::read_dir(folder.join(crate::fault::FOLDER)) else { return Vec::new() };
    files.map(|file| std::fs::read_to_string(file.expect("a file").path()).expect("a report")).collect()
}

#[test]
fn a_fact_with_which_folding_fails_is_tried_twice_and_then_skipped() {
    let folder = tempfile::tempdir().expect("a folder");
    let all = open(folder.path());
    let (mut poisoned, mut other) = (all.of(&tenant("t1")), all.of(&tenant("t2")));
    assert_eq!(life(&mut poisoned), None);
    assert_eq!(life(&mut other), Some(vec![1, 2, 3, 4, 5]), "no other tenant is concerned");
    assert_eq!(life(&mut poisoned), None, "once more, alone");
    assert_eq!(all.counted.skipped.get(), 0);
    assert_eq!(life(&mut poisoned), Some(vec![1, 2, 4, 5]));
    assert_eq!(all.counted.skipped.get(), 1);
    let reports = reports(folder.path());
    assert_eq!(reports.len(), 1);
    assert!(reports[0].contains("twice: a panic: a test") && reports[0].contains("Ringing"), "{}", reports[0]);
    assert!(!reports[0].contains("a secret"), "{}", reports[0]);
}

#[test]
fn a_fact_with_which_two_processes_die_is_skipped_by_the_third() {
    let folder = tempfile::tempdir().expect("a folder");
    for _ in 0..2 {
        // A process that dies writes nothing more: all that is left of it is the file.
        assert_eq!(life(&mut open(folder.path()).of(&tenant("t1"))), None);
    }
    let third = open(folder.path());
    assert_eq!(life(&mut third.of(&tenant("t1"))), Some(vec![1, 2, 4, 5]));
    assert!(reports(folder.path())[0].contains("the process ended"));
    assert!(open(folder.path()).notes().of.is_empty(), "nothing is left for the next process");
}

#[test]
fn what_fails_in_the_turn_after_several_facts_is_found_by_folding_them_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let all = open(folder.path());
    let mut fact = all.of(&tenant("t2"));
    fact.state_rebuilt();
    let entries: Vec<EventEntry> = (1..=5).map(|minor| entry("t2", minor)).collect();
    fact.fold(&mut Positions::default(), &entries, Timestamp::ZERO);
    // The turn fails: the last fact is in hand, but was not alone.
    fact.state_rebuilt();
    let mut state = Positions::default();
    fact.fold(&mut state, &entries, Timestamp::ZERO);
    assert_eq!(state.0, [1]);
    fact.put_down();
    fact.fold(&mut state, &entries[1..], Timestamp::ZERO);
    // The turn fails again: it is the second fact.
    fact.state_rebuilt();
    let mut state = Positions::default();
    fact.fold(&mut state, &entries[1..], Timestamp::ZERO);
    assert!(state.0.is_empty());
    fact.fold(&mut state, &entries[2..], Timestamp::ZERO);
    assert_eq!(state.0, [3, 4, 5]);
}

#[test]
fn a_folder_that_cannot_be_written_keeps_no_note_but_that_of_this_process() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(FOLDER), "a file").expect("a file");
    let mut fact = open(folder.path()).of(&tenant("t1"));
    assert_eq!((life(&mut fact), life(&mut fact)), (None, None));
    assert_eq!(life(&mut fact), Some(vec![1, 2, 4, 5]));
}

#[test]
fn a_fact_that_comes_alone_is_tried_twice_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut fact = open(folder.path()).of(&tenant("t1"));
    let mut folded = 0;
    for _ in 0..3 {
        fact.state_rebuilt();
        let poison = entry("t1", POISON);
        let work = || {
            folded += 1;
            assert!(folded > 2, "poison");
        };
        let one = (poison.position, &*poison.event);
        let _ = catch_unwind(AssertUnwindSafe(|| fact.fold_one(one, Timestamp::ZERO, work)));
    }
    assert_eq!(folded, 2);
}
