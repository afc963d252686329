use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;

use super::*;

/// A folder that is removed with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("trunkline-spool-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self(std::env::temp_dir().join(name))
    }

    fn open(&self, bytes_max: u64) -> Result<Spool> {
        Spool::open(&self.0, "voice-requests", bytes_max)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn record(n: u32, length: usize) -> LogRecord {
    let json = format!("{{\"id\":\"node-1.5:{n}\",\"data\":\"{}\\n\"}}", "ä".repeat(length));
    LogRecord { topic: "voice-requests", key: format!("acme:\"{n}\"\t"), id: format!("node-1.5:{n}"), json }
}

#[test]
fn what_was_not_taken_is_there_after_a_restart() {
    let folder = Folder::new();
    let records: Vec<LogRecord> = (0..5).map(|n| record(n, 3)).collect();
    let mut spool = folder.open(1 << 20).unwrap();
    spool.push(&records).unwrap();
    let (first, place) = spool.first(2).unwrap();
    assert_eq!(first, records[..2]);
    spool.done(place).unwrap();
    drop(spool);
    let spool = folder.open(1 << 20).unwrap();
    assert_eq!(spool.first(100).unwrap().0, records[2..]);
}

#[test]
fn a_torn_line_is_dropped_and_spoils_none_after_it() {
    let folder = Folder::new();
    let mut spool = folder.open(1 << 20).unwrap();
    spool.push(&[record(1, 3)]).unwrap();
    drop(spool);
    let mut torn = OpenOptions::new().append(true).open(segment_path(&folder.0, 1)).unwrap();
    torn.write_all(b"[\"acme:1\",\"node-").unwrap();
    let mut spool = folder.open(1 << 20).unwrap();
    spool.push(&[record(2, 3)]).unwrap();
    assert_eq!(spool.first(100).unwrap().0, [record(1, 3), record(2, 3)]);
}

#[test]
fn beyond_the_bound_nothing_of_a_batch_is_taken_and_room_comes_back() {
    let folder = Folder::new();
    let mut spool = folder.open(1_000).unwrap();
    spool.push(&[record(1, 300)]).unwrap();
    let refused = spool.push(&[record(2, 10), record(3, 300)]);
    assert!(matches!(refused, Err(StoreError::Full { bound: 1_000, .. })), "{refused:?}");
    let (first, place) = spool.first(100).unwrap();
    assert_eq!(first, [record(1, 300)]);
    spool.done(place).unwrap();
    assert!(spool.is_empty());
    spool.push(&[record(3, 300)]).unwrap();
}

#[test]
fn files_of_what_is_out_are_removed() {
    let folder = Folder::new();
    let mut spool = folder.open(1 << 30).unwrap();
    for n in 0..10 {
        spool.push(&[record(n, 1 << 20)]).unwrap();
    }
    assert!(numbers(&folder.0).unwrap().len() > 2);
    let (all, place) = spool.first(100).unwrap();
    assert_eq!(all.len(), 10);
    spool.done(place).unwrap();
    let left: u64 =
        numbers(&folder.0).unwrap().iter().map(|n| segment_path(&folder.0, *n).metadata().unwrap().len()).sum();
    assert!(left <= SEGMENT_BYTES && spool.is_empty());
}

#[test]
fn two_writers_never_share_a_folder() {
    let folder = Folder::new();
    let spool = folder.open(1_000).unwrap();
    assert!(matches!(folder.open(1_000), Err(StoreError::Unavailable { .. })));
    drop(spool);
    assert!(folder.open(1_000).is_ok());
}

#[derive(Clone, Debug)]
enum Step {
    Push(u8, usize),
    Take(usize),
    Forget,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_u8..5, prop_oneof![Just(5_usize), Just(40_000), Just(1_500_000)]).prop_map(|(n, length)| Step::Push(n, length)),
        3 => (1_usize..8).prop_map(Step::Take),
        3 => Just(Step::Forget),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Law: whatever is pushed, taken, forgotten and restarted, the records pushed and not forgotten wait, in order.
    #[test]
    fn what_waits_is_what_was_pushed_and_not_forgotten(steps in proptest::collection::vec(step(), 1..40)) {
        let folder = Folder::new();
        let (mut spool, mut model, mut next) = (folder.open(1 << 30).unwrap(), VecDeque::new(), 0);
        let mut taken: Option<(usize, Place)> = None;
        for step in steps {
            match step {
                Step::Push(count, length) => {
                    let batch: Vec<LogRecord> = (next..next + u32::from(count)).map(|n| record(n, length)).collect();
                    next += u32::from(count);
                    spool.push(&batch).unwrap();
                    model.extend(batch);
                }
                Step::Take(max) => {
                    let (records, place) = spool.first(max).unwrap();
                    prop_assert_eq!(&records, &model.iter().take(max).cloned().collect::<Vec<_>>());
                    taken = Some((records.len(), place));
                }
                Step::Forget => if let Some((count, place)) = taken.take() {
                    spool.done(place).unwrap();
                    model.drain(..count);
                }
                Step::Restart => {
                    drop(spool);
                    spool = folder.open(1 << 30).unwrap();
                    taken = None;
                }
            }
            prop_assert_eq!(spool.is_empty(), model.is_empty());
        }
        prop_assert_eq!(spool.first(usize::MAX).unwrap().0, model.make_contiguous().to_vec());
    }
}
