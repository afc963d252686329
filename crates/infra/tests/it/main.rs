//! The embedded stores: conformance, and cases of their own: restart, torn journal, full disk.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

mod sign_ins;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use infra::conformance::{self, NoProvisioning, SetClock};
use infra::embedded::{Embedded, FileLog, FsyncPolicy, JournalSettings};
use infra::{
    Binding, CallLedger, CallWrite, Change, Clock, EventStream, KeptView, Loaded, NewCalls, Outbox, Position, Refusal,
    RegistrationWrite, RegistrationWritten, StoreError, Stores, ViewStore, Written,
};
use model::plan::Contact;
use model::{
    CallUuid, ConnId, Dn, Event, EventId, EventName, Owner, Seq, Stamped, Subject, TenantId, Timestamp, Token,
};

/// A folder for one test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("trunkline-infra-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn stores(embedded: Embedded, log: &Path, clock: Arc<SetClock>) -> Stores {
    let embedded = Arc::new(embedded);
    Stores::of(embedded, Arc::new(FileLog::open(log, clock.clone()).unwrap()), Arc::new(NoProvisioning), clock)
}

fn clock() -> Arc<SetClock> {
    SetClock::at(Timestamp::from_millis(1_700_000_000_000))
}

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn me() -> Owner {
    "node-1.5".parse().unwrap()
}

fn call(id: u64, state: &str) -> CallWrite {
    let event = Stamped {
        id: EventId { subject: Subject::Call(ConnId(id)), token: Token(1), seq: Seq(1) },
        tenant: acme(),
        at: Timestamp::from_millis(1_700_000_000_000),
        trace: Some(CallUuid(id.into())),
        event: Event::new(EventName::Queued),
    };
    CallWrite {
        tenant: acme(),
        conn_id: ConnId(id),
        owner: me(),
        token: Token(1),
        change: Change::Create { state: Bytes::copy_from_slice(state.as_bytes()), intentions: Bytes::new() },
        due: None,
        index: Vec::new(),
        events: vec![event],
        new_call: None,
        absorbs: None,
    }
}

async fn alive(store: &Embedded) -> Vec<u64> {
    CallLedger::list(store, &acme(), None, 10_000).await.unwrap().iter().map(|record| record.key.0).collect()
}

#[tokio::test]
async fn stores_in_memory_conform() {
    let folder = Folder::new("memory");
    conformance::run(|| {
        let clock = clock();
        (stores(Embedded::in_memory(clock.clone()), &folder.0, clock.clone()), clock)
    })
    .await;
    let clock = clock();
    conformance::run_large(&stores(Embedded::in_memory(clock.clone()), &folder.0, clock)).await;
}

#[tokio::test]
async fn a_reporting_log_in_files_conforms() {
    let folder = Folder::new("reporting");
    let log = FileLog::open(&folder.0, clock()).unwrap();
    let read_back = async || {
        let files = std::fs::read_dir(folder.0.join("voice-conformance")).unwrap();
        let lines = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
        lines.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
    };
    conformance::reporting::run(&log, read_back).await;
}

#[tokio::test]
async fn stores_with_a_journal_conform() {
    let folder = Folder::new("journal");
    let count = std::sync::atomic::AtomicUsize::new(0);
    conformance::run(|| {
        let clock = clock();
        let each = folder.0.join(count.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string());
        // Constant compaction must change nothing.
        let settings = JournalSettings { fsync: FsyncPolicy::Each, compact_at: 2_000 };
        (stores(Embedded::open(&each, settings, clock.clone()).unwrap(), &folder.0, clock.clone()), clock)
    })
    .await;
}

#[tokio::test]
async fn a_restarted_process_finds_what_was_committed() {
    for compact_at in [u64::MAX, 500] {
        let (folder, clock) = (Folder::new(&format!("restart-{compact_at}")), clock());
        let settings = JournalSettings { fsync: FsyncPolicy::Grouped, compact_at };
        let before = {
            let store = Embedded::open(&folder.0, settings, clock.clone()).unwrap();
            for id in 1..=20 {
                store.commit(vec![call(id, &format!("state {id}"))]).await.unwrap();
            }
            let end = CallWrite { change: Change::End, events: Vec::new(), ..call(3, "") };
            CallLedger::commit(&store, vec![end]).await.unwrap();
            EventStream::read(&store, &acme(), Position::START, 100, Duration::ZERO).await.unwrap()
        };
        let store = Embedded::open(&folder.0, settings, clock).unwrap();
        let Loaded::Live(record) = CallLedger::load(&store, &acme(), ConnId(7)).await.unwrap() else {
            panic!("no call")
        };
        assert_eq!((&record.state[..], record.owner, record.token), (&b"state 7"[..], me(), Token(1)));
        assert_eq!(CallLedger::load(&store, &acme(), ConnId(3)).await.unwrap(), Loaded::Ended);
        assert_eq!(alive(&store).await.len(), 19);
        let after = EventStream::read(&store, &acme(), Position::START, 100, Duration::ZERO).await.unwrap();
        assert_eq!(after, before);
        store.commit(vec![call(99, "new")]).await.unwrap();
        assert!(store.end(&acme()).await.unwrap() > before.last().unwrap().position, "positions go on");
    }
}

#[tokio::test]
async fn a_restarted_process_knows_which_views_go_by_themselves_and_which_were_removed() {
    const HOUR: Duration = Duration::from_secs(3_600);
    for compact_at in [u64::MAX, 1] {
        let (folder, clock) = (Folder::new(&format!("views-{compact_at}")), clock());
        let settings = JournalSettings { fsync: FsyncPolicy::Grouped, compact_at };
        let kept = || KeptView { position: "1".to_owned(), state: "state".into() };
        let store = Embedded::open(&folder.0, settings, clock.clone()).unwrap();
        for view in ["removed", "short", "long"] {
            let within = if view == "long" { 2 * HOUR } else { HOUR };
            store.keep_for(&acme(), view, kept(), within).await.unwrap();
        }
        store.remove(&acme(), "removed").await.unwrap();
        drop(store);
        clock.advance(HOUR);
        let store = Embedded::open(&folder.0, settings, clock).unwrap();
        for (view, due) in [("removed", None), ("short", None), ("long", Some(kept()))] {
            assert_eq!(ViewStore::load(&store, &acme(), view).await.unwrap(), due, "{view}");
        }
    }
}

#[tokio::test]
async fn a_restarted_process_knows_what_it_has_trimmed() {
    let (folder, clock) = (Folder::new("trimmed"), clock());
    let settings = JournalSettings { fsync: FsyncPolicy::Never, compact_at: 4 << 20 };
    let store = Embedded::open(&folder.0, settings, clock.clone()).unwrap();
    let lease = Outbox::take(&store, &acme(), &me(), Duration::from_secs(60)).await.unwrap().unwrap();
    let large = "x".repeat((1 << 20) - 1_000);
    for id in 1..=40 {
        let mut write = call(id, "x");
        write.events[0].event.extensions.set("Large", large.as_str());
        CallLedger::commit(&store, vec![write]).await.unwrap();
        Outbox::exported(&store, &acme(), lease.token, store.end(&acme()).await.unwrap()).await.unwrap();
    }
    let read = async |store: &Embedded| EventStream::read(store, &acme(), Position::START, 1, Duration::ZERO).await;
    let Err(StoreError::Trimmed { gone }) = read(&store).await else { panic!("nothing was trimmed") };
    drop(store);
    let store = Embedded::open(&folder.0, settings, clock).unwrap();
    let after = read(&store).await;
    assert!(matches!(after, Err(StoreError::Trimmed { gone: again }) if again == gone), "a reader would miss {gone}");
}

#[tokio::test]
async fn registrations_that_were_answered_are_there_after_a_kill() {
    let (folder, left, clock) = (Folder::new("alive"), Folder::new("killed"), clock());
    let settings = JournalSettings { fsync: FsyncPolicy::Grouped, ..JournalSettings::default() };
    let store = Embedded::open(&folder.0, settings, clock.clone()).unwrap();
    let dns: Vec<Dn> = (7_000..7_200).map(|dn: u32| Dn::parse(&dn.to_string()).unwrap()).collect();
    let binding = Binding {
        contact: Contact::new("sip:phone@198.51.100.1".to_owned(), Vec::new()),
        call_id: "c1".to_owned(),
        cseq: 1,
        refreshed_at: clock.now(),
        expires_at: clock.now() + Duration::from_secs(60),
        q: 1_000,
        user_agent: None,
        instance: None,
        reg_id: None,
    };
    let register = |dn: &Dn| RegistrationWrite {
        tenant: acme(),
        dn: dn.clone(),
        expected: 0,
        bindings: vec![binding.clone()],
        events: Vec::new(),
    };
    let written = infra::Registrations::commit(&store, dns.iter().map(register).collect()).await.unwrap();
    assert!(written.iter().all(|written| *written == RegistrationWritten::Done(1)), "{written:?}");
    // Its files at the time of the answer: a killed process writes nothing more.
    for entry in std::fs::read_dir(&folder.0).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, left.0.join(path.file_name().unwrap())).unwrap();
    }
    let next = Embedded::open(&left.0, settings, clock).unwrap();
    for dn in &dns {
        let held = infra::Registrations::load(&next, &acme(), dn).await.unwrap();
        assert_eq!(held.bindings, std::slice::from_ref(&binding), "{dn}");
    }
}

#[tokio::test]
async fn a_torn_tail_is_dropped_and_writing_goes_on_after_it() {
    let (folder, clock) = (Folder::new("torn"), clock());
    let settings = JournalSettings::default();
    {
        let store = Embedded::open(&folder.0, settings, clock.clone()).unwrap();
        store.commit(vec![call(1, "one")]).await.unwrap();
        store.commit(vec![call(2, "two")]).await.unwrap();
    }
    let path = folder.0.join("1.journal");
    let whole = std::fs::read(&path).unwrap();
    for cut in [1, 7, 8, 9, whole.len() / 3] {
        std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        let store = Embedded::open(&folder.0, settings, clock.clone()).unwrap();
        assert_eq!(alive(&store).await, [1], "cut by {cut}");
        store.commit(vec![call(5, "five")]).await.unwrap();
        drop(store);
        let store = Embedded::open(&folder.0, settings, clock.clone()).unwrap();
        assert_eq!(alive(&store).await, [1, 5], "cut by {cut}");
    }
    std::fs::write(&path, &whole).unwrap();
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"\xff\xff\xff\x7fgarbage").unwrap();
    let store = Embedded::open(&folder.0, settings, clock).unwrap();
    assert_eq!(alive(&store).await, [1, 2]);
}

/// A folder with twenty calls in its journal or its snapshot.
async fn with_twenty_calls(name: &str, settings: JournalSettings) -> Folder {
    let folder = Folder::new(name);
    let store = Embedded::open(&folder.0, settings, clock()).unwrap();
    for id in 1..=20 {
        store.commit(vec![CallWrite { events: Vec::new(), ..call(id, &format!("state {id}")) }]).await.unwrap();
    }
    folder
}

/// Numbers without a pattern, the same for each seed.
fn dice(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 16).unwrap() % below
    }
}

#[tokio::test]
async fn a_damaged_record_on_disk_costs_that_one() {
    for compact_at in [u64::MAX, 1] {
        let settings = JournalSettings { fsync: FsyncPolicy::Never, compact_at };
        let folder = with_twenty_calls(&format!("damaged-{compact_at}"), settings).await;
        let has_calls = |entry: &std::fs::DirEntry| entry.metadata().unwrap().len() > 500;
        let files = || std::fs::read_dir(&folder.0).unwrap().map(Result::unwrap);
        let path = files().find(has_calls).unwrap().path();
        let whole = std::fs::read(&path).unwrap();
        for seed in 1..=200 {
            let mut roll = dice(seed);
            let (at, bit) = (roll(whole.len()), roll(8));
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << bit;
            std::fs::write(&path, &damaged).unwrap();
            let store = Embedded::open(&folder.0, settings, clock()).unwrap();
            let left = alive(&store).await;
            assert!(left.len() >= 19, "seed {seed}: bit {bit} of byte {at} of {}: {left:?}", whole.len());
            for id in left {
                let loaded = CallLedger::load(&store, &acme(), ConnId(id)).await.unwrap();
                let Loaded::Live(record) = loaded else { panic!("seed {seed}: {loaded:?}") };
                assert_eq!(record.state, format!("state {id}"), "seed {seed}");
            }
        }
        assert!(files().any(|entry| entry.file_name().to_str().unwrap().ends_with(".damaged")), "it is put aside");
        for seed in 1..=50 {
            let length = dice(seed)(whole.len());
            std::fs::write(&path, &whole[..length]).unwrap();
            let store = Embedded::open(&folder.0, settings, clock()).unwrap();
            let left = alive(&store).await;
            assert_eq!(left, (1..=left.len() as u64).collect::<Vec<_>>(), "seed {seed}: cut at {length}");
            drop(store);
            std::fs::write(&path, &whole).unwrap();
        }
    }
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_holds_up_no_other() {
    let (folder, clock) = (Folder::new("unreadable"), clock());
    let settings = JournalSettings { fsync: FsyncPolicy::Never, compact_at: u64::MAX };
    let store = Embedded::open(&folder.0, settings, clock.clone()).unwrap();
    let with_new_call = |id: u64| CallWrite {
        new_call: Some(infra::NewCall {
            conn_id: ConnId(id),
            trace: CallUuid(1),
            at: Timestamp::ZERO,
            body: Bytes::from(format!("the body of {id}")),
        }),
        ..call(id, "x")
    };
    store.commit(vec![with_new_call(1), with_new_call(2), with_new_call(3)]).await.unwrap();
    drop(store);
    damage_entry_of(&folder.0.join("1.journal"), b"the body of 2");
    let store = Embedded::open(&folder.0, settings, clock).unwrap();
    let taken = NewCalls::take(&store, &acme(), &me(), 10, Duration::ZERO).await.unwrap();
    assert_eq!(taken.iter().map(|taken| taken.call.conn_id.0).collect::<Vec<_>>(), [1, 3]);
    let other: Owner = "node-2.5".parse().unwrap();
    let left = NewCalls::reclaim(&store, &acme(), &other, Duration::ZERO, 10).await.unwrap();
    assert_eq!(left.len(), 2, "the damaged one is not given out again");
}

/// Damages the entry of new calls with these bytes, in a journal that is otherwise whole.
fn damage_entry_of(path: &Path, body: &[u8]) {
    use contracts::v1::effect::Effect;
    use prost::Message as _;
    let bytes = std::fs::read(path).unwrap();
    let mut turn = contracts::v1::Turn::decode(&bytes[8..]).unwrap();
    for effect in &mut turn.effects {
        if let Some(Effect::WorkAdded(added)) = &mut effect.effect
            && added.body.windows(body.len()).any(|part| part == body)
        {
            added.body = Bytes::from_static(b"not an entry");
        }
    }
    let payload = turn.encode_to_vec();
    let mut frame = u32::try_from(payload.len()).unwrap().to_le_bytes().to_vec();
    frame.extend(crc32fast::hash(&payload).to_le_bytes());
    frame.extend(payload);
    std::fs::write(path, frame).unwrap();
}

#[tokio::test]
async fn a_snapshot_that_was_not_finished_does_not_count() {
    let (folder, clock) = (Folder::new("snapshot"), clock());
    {
        let store = Embedded::open(&folder.0, JournalSettings::default(), clock.clone()).unwrap();
        store.commit(vec![call(1, "one")]).await.unwrap();
    }
    std::fs::write(folder.0.join("2.snapshot"), b"\x10\x00\x00\x00half").unwrap();
    let store = Embedded::open(&folder.0, JournalSettings::default(), clock).unwrap();
    assert_eq!(alive(&store).await, [1]);
}

/// A compaction interrupted by a kill: the files of `before`, and the named files of `after`, cut off at the given length.
fn torn_compaction(before: &Path, after: &Path, name: &str, files: &[(&str, &str, usize)], gone: &[&str]) -> Folder {
    let torn = Folder::new(name);
    for file in std::fs::read_dir(before).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), torn.0.join(file.file_name())).unwrap();
    }
    for (from, to, length) in files {
        let bytes = std::fs::read(after.join(from)).unwrap();
        std::fs::write(torn.0.join(to), &bytes[..bytes.len().min(*length)]).unwrap();
    }
    for file in gone {
        std::fs::remove_file(torn.0.join(file)).unwrap();
    }
    torn
}

#[tokio::test]
async fn a_kill_at_any_moment_of_a_compaction_loses_nothing() {
    let (before, after, clock) = (Folder::new("compaction-before"), Folder::new("compaction-after"), clock());
    let open = |folder: &Path, compact_at| {
        Embedded::open(folder, JournalSettings { fsync: FsyncPolicy::Never, compact_at }, clock.clone()).unwrap()
    };
    open(&before.0, 0).commit(vec![call(1, "one")]).await.unwrap();
    open(&before.0, u64::MAX).commit(vec![call(2, "two")]).await.unwrap();
    for file in ["2.snapshot", "2.journal"] {
        std::fs::copy(before.0.join(file), after.0.join(file)).unwrap();
    }
    open(&after.0, 0).commit(vec![call(3, "three")]).await.unwrap();
    /// Existing files of the compaction, and their lengths; removed files of before; the calls that are alive.
    type Moment<'a> = (&'a [(&'a str, &'a str, usize)], &'a [&'a str], &'a [u64]);
    let whole = usize::MAX;
    let (part, snapshot, journal) = ("3.part", ("3.snapshot", "3.snapshot", whole), ("3.journal", "3.journal", whole));
    let moments: [Moment<'_>; 9] = [
        (&[], &[], &[1, 2]),
        (&[("3.snapshot", part, 0)], &[], &[1, 2]),
        (&[("3.snapshot", part, 20)], &[], &[1, 2]),
        (&[("3.snapshot", part, whole)], &[], &[1, 2]),
        (&[("3.snapshot", part, whole), journal], &[], &[1, 2]),
        (&[snapshot, journal], &[], &[1, 2, 3]),
        // An earlier release began the journal last.
        (&[snapshot], &[], &[1, 2, 3]),
        (&[snapshot, journal], &["2.journal"], &[1, 2, 3]),
        (&[snapshot, journal], &["2.journal", "2.snapshot"], &[1, 2, 3]),
    ];
    for (at, (files, gone, calls)) in moments.into_iter().enumerate() {
        let torn = torn_compaction(&before.0, &after.0, &format!("compaction-{at}"), files, gone);
        assert_eq!(alive(&open(&torn.0, u64::MAX)).await, calls, "moment {at}");
        // Leftovers do not come back with later compactions.
        open(&torn.0, 0).commit(vec![call(9, "later")]).await.unwrap();
        assert_eq!(alive(&open(&torn.0, u64::MAX)).await, [calls, &[9]].concat(), "moment {at}, later");
        let mut left: Vec<_> = std::fs::read_dir(&torn.0).unwrap().map(|f| f.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left.len(), 3, "moment {at}: {left:?}");
    }
}

#[tokio::test]
async fn on_a_full_disk_nothing_begins_and_nothing_of_what_was_refused_remains() {
    let (folder, clock) = (Folder::new("full"), clock());
    // This device accepts no bytes.
    std::os::unix::fs::symlink("/dev/full", folder.0.join("1.journal")).unwrap();
    let settings = JournalSettings { fsync: FsyncPolicy::Never, compact_at: u64::MAX };
    let store = Embedded::open(&folder.0, settings, clock).unwrap();
    let with_new_call = CallWrite {
        new_call: Some(infra::NewCall {
            conn_id: ConnId(1),
            trace: CallUuid(1),
            at: Timestamp::ZERO,
            body: Bytes::new(),
        }),
        ..call(1, "one")
    };
    let refused = CallLedger::commit(&store, vec![with_new_call]).await.unwrap();
    assert!(matches!(refused[..], [Written::Refused(Refusal::NoRoom { .. })]), "{refused:?}");
    assert_eq!(CallLedger::load(&store, &acme(), ConnId(1)).await.unwrap(), Loaded::Unknown);
    assert_eq!(store.end(&acme()).await.unwrap(), Position::START);
    assert_eq!(NewCalls::take(&store, &acme(), &me(), 1, Duration::ZERO).await.unwrap(), []);
}

/// Stores whose journal accepts writes while the disk refuses to keep them.
async fn on_a_failing_disk(folder: &Folder, clock: &Arc<SetClock>) -> Embedded {
    std::os::unix::fs::symlink("/dev/null", folder.0.join("1.journal")).unwrap();
    let settings = JournalSettings { fsync: FsyncPolicy::Each, compact_at: u64::MAX };
    Embedded::open(&folder.0, settings, clock.clone()).unwrap()
}

async fn facts(store: &Embedded) -> usize {
    EventStream::read(store, &acme(), Position::START, 100, Duration::ZERO).await.unwrap().len()
}

#[tokio::test]
async fn a_journal_that_the_disk_has_refused_is_replaced_and_what_was_written_is_there_once() {
    let (folder, clock) = (Folder::new("fsync"), clock());
    let store = on_a_failing_disk(&folder, &clock).await;
    let written = CallLedger::commit(&store, vec![call(1, "one")]).await.unwrap();
    assert!(matches!(written[..], [Written::Done { .. }]), "{written:?}");
    store.commit(vec![call(2, "two")]).await.unwrap();
    drop(store);
    let store = Embedded::open(&folder.0, JournalSettings::default(), clock).unwrap();
    assert_eq!((alive(&store).await, facts(&store).await), (vec![1, 2], 2));
}

#[tokio::test]
async fn what_the_disk_has_refused_is_not_called_written_and_nothing_more_is_taken() {
    let (folder, clock) = (Folder::new("fsync-lasts"), clock());
    let store = on_a_failing_disk(&folder, &clock).await;
    // No snapshot can be written either.
    std::fs::create_dir(folder.0.join("2.part")).unwrap();
    let unknown = CallLedger::commit(&store, vec![call(1, "one")]).await.unwrap_err();
    assert!(matches!(unknown, StoreError::Unavailable { .. }), "{unknown}");
    for _ in 0..3 {
        let refused = CallLedger::commit(&store, vec![call(2, "two")]).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unavailable { .. }), "{refused}");
    }
    assert_eq!(CallLedger::load(&store, &acme(), ConnId(2)).await.unwrap(), Loaded::Unknown);
    std::fs::remove_dir(folder.0.join("2.part")).unwrap();
    clock.advance(Duration::from_secs(60));
    store.commit(vec![call(2, "two")]).await.unwrap();
    drop(store);
    let store = Embedded::open(&folder.0, JournalSettings::default(), clock).unwrap();
    assert_eq!((alive(&store).await, facts(&store).await), (vec![1, 2], 2));
}

#[tokio::test]
async fn calls_go_on_while_the_disk_is_full_and_are_written_when_it_has_room() {
    let (folder, clock) = (Folder::new("goes-on"), clock());
    let settings = JournalSettings { fsync: FsyncPolicy::Never, compact_at: 0 };
    let store = Embedded::open(&folder.0, settings, clock.clone()).unwrap();
    store.commit(vec![call(1, "one"), call(2, "two")]).await.unwrap();
    drop(store);
    // All calls are in the snapshot: the journal behind it accepts no bytes.
    std::fs::remove_file(folder.0.join("2.journal")).unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.0.join("2.journal")).unwrap();
    let settings = JournalSettings { compact_at: u64::MAX, ..settings };
    let store = Embedded::open(&folder.0, settings, clock.clone()).unwrap();
    assert!(store.has_room());
    let save = |id, state: &'static str| {
        let change = Change::Save { state: Bytes::from_static(state.as_bytes()), intentions: Bytes::new() };
        CallWrite { change, ..call(id, "") }
    };
    let end = |id| CallWrite { change: Change::End, ..call(id, "") };
    let written = CallLedger::commit(&store, vec![save(1, "goes on"), call(3, "begins"), end(2)]).await.unwrap();
    assert!(
        matches!(written[..], [Written::Done { .. }, Written::Refused(Refusal::NoRoom { .. }), Written::Done { .. }]),
        "{written:?}"
    );
    assert!(!store.has_room());
    assert_eq!(alive(&store).await, [1]);
    clock.advance(Duration::from_secs(60));
    let written = CallLedger::commit(&store, vec![save(1, "later"), call(4, "begins")]).await.unwrap();
    assert!(written.iter().all(|written| matches!(written, Written::Done { .. })), "{written:?}");
    assert!(store.has_room());
    drop(store);
    let store = Embedded::open(&folder.0, settings, clock).unwrap();
    assert_eq!(alive(&store).await, [1, 4]);
    let Loaded::Live(record) = CallLedger::load(&store, &acme(), ConnId(1)).await.unwrap() else { panic!("no call") };
    assert_eq!(&record.state[..], b"later");
    assert_eq!(EventStream::read(&store, &acme(), Position::START, 100, Duration::ZERO).await.unwrap().len(), 6);
}

#[tokio::test]
async fn exported_facts_stand_in_the_log_once_and_the_exporter_goes_on_where_it_was() {
    use infra::exporter::{Exported, export_turn};
    let (folder, clock) = (Folder::new("export"), clock());
    let stores = stores(Embedded::in_memory(clock.clone()), &folder.0, clock.clone());
    let written = stores.calls.commit((1..=3).map(|id| call(id, "x")).collect()).await.unwrap();
    assert!(written.iter().all(|w| matches!(w, Written::Done { .. })));
    assert_eq!(
        export_turn(&stores, &acme(), &me()).await.unwrap(),
        Exported::Here { facts: 3, refused: Vec::new(), more: false }
    );
    assert_eq!(
        export_turn(&stores, &acme(), &me()).await.unwrap(),
        Exported::Here { facts: 0, refused: Vec::new(), more: false }
    );
    stores.calls.commit(vec![call(4, "x")]).await.unwrap();
    assert_eq!(
        export_turn(&stores, &acme(), &me()).await.unwrap(),
        Exported::Here { facts: 1, refused: Vec::new(), more: false }
    );
    let day = &contracts::json::rfc3339(clock.now())[..10];
    let log = std::fs::read_to_string(folder.0.join("voice-callthread").join(format!("{day}.jsonl"))).unwrap();
    let ids: Vec<String> = log
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
        .collect();
    let expected: Vec<String> = (1..=4).map(|id| format!("call:{id:016x}:1:1")).collect();
    assert_eq!(ids, expected);
}
