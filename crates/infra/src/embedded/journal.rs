//! The journal: frames of length, CRC-32 and payload; a torn tail is dropped, a damaged frame put aside; a snapshot replaces what has
//! grown long.
//!
//! Files are `<n>.snapshot` and `<n>.journal` with n counting up. A snapshot is written as `<n>.part`; its renaming is the one moment in
//! which it replaces the pair before it. It counts only if its end mark is there, and a journal only with its snapshot: a kill at any
//! moment leaves the one pair or the other in force.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use contracts::v1::Turn;
use prost::Message;
use tokio::sync::watch;

use crate::{Result, StoreError};

/// When the disk is made to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FsyncPolicy {
    /// Each commit waits for the disk; commits that wait together share one write.
    Each,
    /// The disk is made to write soon after, without waiting: a commit outlives the process at once, the machine soon.
    Grouped,
    /// The operating system decides.
    Never,
}

/// The number of the first journal, which has no snapshot before it.
const FIRST: u64 = 1;

/// Length and CRC before each payload.
const HEADER: usize = 8;

/// With [`FsyncPolicy::Grouped`], the disk is made to write this often at most: a turn outlives the machine this much later, and
/// a thousand turns a second cost ten writes of the disk. One that comes by itself is written at once.
const GROUP: Duration = Duration::from_millis(100);

/// The largest payload that is read back: the largest turn is far below it.
const PAYLOAD_MAX: usize = 256 << 20;

/// Bytes that are looked through in search of the frame behind a damaged one: more than a journal has before it is replaced.
const SCAN_MAX: usize = 256 << 20;

/// Bytes of what cannot be read that are kept beside a file.
const DAMAGED_MAX: u64 = 64 << 20;

/// An open journal.
pub(super) struct Journal {
    folder: PathBuf,
    number: u64,
    file: Arc<File>,
    /// Bytes that are whole frames; what lies behind them came from a write that failed.
    good: u64,
    dirty_tail: bool,
    /// Bytes written since the process began, over all files.
    total: u64,
    /// Wakes the sync thread, which takes the latest order.
    sync: SyncSender<()>,
    latest: Arc<Mutex<Option<Order>>>,
    progress: Arc<watch::Sender<Progress>>,
    policy: FsyncPolicy,
    /// Held for the journal's life: two processes in one folder would write over each other.
    _lock: File,
}

/// What the sync thread is told.
struct Order {
    file: Arc<File>,
    number: u64,
    upto: u64,
}

/// How far the disk has what was written.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    /// In bytes since the process began.
    pub(super) upto: u64,
    /// The journal in force.
    number: u64,
    /// Why the disk has refused what the system had taken of this journal: nothing of it counts as durable any more.
    refused: Option<DiskError>,
}

/// Why a write of the disk failed.
#[derive(Clone, Debug)]
struct DiskError {
    kind: io::ErrorKind,
    text: String,
}

impl Progress {
    /// Why nothing more can be written before a snapshot has replaced the journal.
    pub(super) fn refusal(&self) -> Option<StoreError> {
        let DiskError { kind, text } = self.refused.clone()?;
        Some(io_error("the journal", &io::Error::new(kind, text)))
    }
}

impl Journal {
    /// Opens the newest pair of files and hands every turn to `replay`.
    pub(super) fn open(folder: &Path, policy: FsyncPolicy, mut replay: impl FnMut(Turn)) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|e| io_error("the journal's folder", &e))?;
        let lock = File::create(folder.join("lock")).map_err(|e| io_error("the journal's lock", &e))?;
        lock.try_lock().map_err(|_| StoreError::Unavailable {
            reason: format!("another process has the stores in {}", folder.display()),
        })?;
        let number = newest(folder)?;
        let snapshot = snapshot_path(folder, number);
        if snapshot.exists() {
            read_frames(&snapshot, &mut replay, &mut |bytes| keep_damaged(&snapshot, bytes))?;
        }
        let path = journal_path(folder, number);
        let mut keep = |bytes: &[u8]| keep_damaged(&path, bytes);
        let good = if path.exists() { read_frames(&path, &mut replay, &mut keep)?.bytes } else { 0 };
        let file = Arc::new(open_for_append(&path)?);
        let length = file.metadata().map_err(|e| io_error("the journal", &e))?.len();
        let dirty_tail = length > good;
        let (sync, orders) = sync_channel(1);
        let progress = Arc::new(watch::Sender::new(Progress { upto: 0, number, refused: None }));
        let latest: Arc<Mutex<Option<Order>>> = Arc::default();
        let (given, announce) = (latest.clone(), progress.clone());
        let pause = if policy == FsyncPolicy::Grouped { GROUP } else { Duration::ZERO };
        thread::Builder::new()
            .name("journal-sync".to_owned())
            .spawn(move || sync_loop(&orders, &given, &announce, pause))
            .map_err(|e| io_error("the journal's writer", &e))?;
        let mut journal = Self {
            folder: folder.to_owned(),
            number,
            file,
            good,
            dirty_tail,
            total: 0,
            sync,
            latest,
            progress,
            policy,
            _lock: lock,
        };
        journal.drop_torn_tail()?;
        Ok(journal)
    }

    /// Announces how far the disk has what was written.
    pub(super) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Why nothing can be written before the next [`Journal::compact`].
    pub(super) fn refusal(&self) -> Option<StoreError> {
        self.progress.borrow().refusal()
    }

    /// What a commit has to wait for.
    pub(super) fn written(&self) -> u64 {
        if self.policy == FsyncPolicy::Each { self.total } else { 0 }
    }

    /// The length of the present file, in bytes.
    pub(super) fn len(&self) -> u64 {
        self.good
    }

    /// Writes a turn; nothing of it remains when that fails.
    pub(super) fn append(&mut self, turn: &Turn) -> Result<()> {
        self.drop_torn_tail()?;
        let frame = frame(turn);
        if let Err(error) = (&*self.file).write_all(&frame) {
            self.dirty_tail = true;
            // Tried again before the next write if it does not succeed now.
            let _ = self.drop_torn_tail();
            return Err(io_error("the journal", &error));
        }
        if let Err(error) = self.order_sync(self.total + frame.len() as u64) {
            self.dirty_tail = true;
            let _ = self.drop_torn_tail();
            return Err(error);
        }
        self.good += frame.len() as u64;
        self.total += frame.len() as u64;
        Ok(())
    }

    /// Writes the state as a snapshot and begins an empty journal. All that was written before is durable then, whatever the disk has
    /// refused.
    pub(super) fn compact(&mut self, turns: impl Iterator<Item = Turn>) -> Result<()> {
        let next = self.number + 1;
        let part = self.folder.join(format!("{next}.part"));
        let begun = write_snapshot(&part, turns).map_err(|e| io_error("the snapshot", &e)).and_then(|()| {
            // Before the snapshot is in force: nothing may fail behind that, and what an earlier life has left is of no snapshot.
            let file = begin_journal(&journal_path(&self.folder, next))?;
            fs::rename(&part, snapshot_path(&self.folder, next)).map_err(|e| io_error("the snapshot", &e))?;
            Ok(file)
        });
        self.file = match begun {
            Ok(file) => Arc::new(file),
            Err(error) => {
                // What is begun of it takes room that is missing.
                let _ = fs::remove_file(&part);
                return Err(error);
            }
        };
        // What fails to go now goes at the next start.
        let _ = fs::remove_file(journal_path(&self.folder, self.number));
        let _ = fs::remove_file(snapshot_path(&self.folder, self.number));
        self.number = next;
        self.good = 0;
        self.dirty_tail = false;
        self.progress.send_replace(Progress { upto: self.total, number: next, refused: None });
        Ok(())
    }

    fn drop_torn_tail(&mut self) -> Result<()> {
        if self.dirty_tail {
            self.file.set_len(self.good).map_err(|e| io_error("the journal", &e))?;
            self.dirty_tail = false;
        }
        Ok(())
    }

    fn order_sync(&self, upto: u64) -> Result<()> {
        if self.policy == FsyncPolicy::Never {
            return Ok(());
        }
        // The latest order counts for those before it: a file that was left is in the snapshot that replaced it.
        *held(&self.latest) = Some(Order { file: self.file.clone(), number: self.number, upto });
        match self.sync.try_send(()) {
            // Full: the thread has been told and has not looked yet.
            Ok(()) | Err(TrySendError::Full(())) => Ok(()),
            Err(TrySendError::Disconnected(())) => {
                Err(StoreError::Unavailable { reason: "the journal's writer has ended".to_owned() })
            }
        }
    }
}

fn sync_loop(
    orders: &Receiver<()>,
    latest: &Mutex<Option<Order>>,
    announce: &watch::Sender<Progress>,
    pause: Duration,
) {
    while orders.recv().is_ok() {
        let Some(order) = held(latest).take() else { continue };
        let synced = order.file.sync_data();
        announce.send_if_modified(|progress| {
            // A snapshot that has replaced the file since is durable by itself; and what the disk has refused once is not there because
            // it takes the next.
            if progress.number != order.number || progress.refused.is_some() {
                return false;
            }
            match &synced {
                Ok(()) => progress.upto = progress.upto.max(order.upto),
                Err(error) => {
                    tracing::error!(%error, "the disk has refused the journal: it is replaced by a snapshot");
                    progress.refused = Some(DiskError { kind: error.kind(), text: error.to_string() });
                }
            }
            true
        });
        thread::sleep(pause);
    }
}

fn held(latest: &Mutex<Option<Order>>) -> std::sync::MutexGuard<'_, Option<Order>> {
    // An order is whole whatever happened while it was held.
    latest.lock().unwrap_or_else(PoisonError::into_inner)
}

fn frame(turn: &Turn) -> Vec<u8> {
    let mut frame = vec![0; HEADER];
    // A Vec grows: encoding into it has no case that fails.
    let _ = turn.encode(&mut frame);
    let crc = crc32fast::hash(&frame[HEADER..]);
    let length = u32::try_from(frame.len() - HEADER).unwrap_or(u32::MAX);
    frame[..4].copy_from_slice(&length.to_le_bytes());
    frame[4..HEADER].copy_from_slice(&crc.to_le_bytes());
    frame
}

/// What reading a file found.
struct Frames {
    /// Bytes from the begin up to where the last whole frame ends.
    bytes: u64,
    /// Whether the end mark of a snapshot stands behind them.
    ended: bool,
}

/// What stands at a place of a file.
enum Frame<'a> {
    Turn(Turn, &'a [u8]),
    End,
}

/// Reads a file's frames. A damaged one is handed to `damaged`, and those behind it are read; what is torn off at the end is not.
fn read_frames(path: &Path, replay: &mut impl FnMut(Turn), damaged: &mut impl FnMut(&[u8])) -> Result<Frames> {
    let mut bytes = Vec::new();
    let opened = File::open(path)
        .and_then(|mut file| if file.metadata()?.is_file() { file.read_to_end(&mut bytes) } else { Ok(0) });
    opened.map_err(|e| io_error("the journal", &e))?;
    let mut at = 0;
    let mut budget = SCAN_MAX;
    loop {
        match frame_at(&bytes, at, &mut { usize::MAX }) {
            Some(Frame::End) => return Ok(Frames { bytes: at as u64, ended: true }),
            Some(Frame::Turn(turn, payload)) => {
                replay(turn);
                at += HEADER + payload.len();
            }
            None => {
                let next = (at + 1..bytes.len()).find(|next| frame_at(&bytes, *next, &mut budget).is_some());
                let Some(next) = next else { return Ok(Frames { bytes: at as u64, ended: false }) };
                damaged(bytes.get(at..next).unwrap_or_default());
                at = next;
            }
        }
    }
}

/// The frame that stands there, if one does. The search for one takes from `budget` what it looks through.
fn frame_at<'a>(bytes: &'a [u8], at: usize, budget: &mut usize) -> Option<Frame<'a>> {
    let (header, rest) = bytes.get(at..)?.split_first_chunk::<HEADER>()?;
    let [l0, l1, l2, l3, c0, c1, c2, c3] = *header;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if length == 0 {
        // Zeros stand in many records: the mark is the last thing in its file.
        return (rest.is_empty() && *header == [0; HEADER]).then_some(Frame::End);
    }
    let payload = rest.get(..length).filter(|_| length <= PAYLOAD_MAX)?;
    *budget = budget.checked_sub(length)?;
    if crc32fast::hash(payload) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return None;
    }
    Turn::decode(payload).ok().map(|turn| Frame::Turn(turn, payload))
}

/// Keeps what cannot be read beside the file that it stood in, for whoever looks at it.
fn keep_damaged(path: &Path, bytes: &[u8]) {
    tracing::error!(path = %path.display(), bytes = bytes.len(), "a part of the journal is damaged: what stands behind it is read");
    let mut name = path.as_os_str().to_owned();
    name.push(".damaged");
    let kept = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&name)
        .and_then(|mut file| if file.metadata()?.len() < DAMAGED_MAX { file.write_all(bytes) } else { Ok(()) });
    if let Err(error) = kept {
        tracing::warn!(%error, "the damaged part cannot be kept");
    }
}

fn write_snapshot(path: &Path, turns: impl Iterator<Item = Turn>) -> io::Result<()> {
    let mut file = io::BufWriter::new(File::create(path)?);
    for turn in turns {
        file.write_all(&frame(&turn))?;
    }
    file.write_all(&[0; HEADER])?;
    file.flush()?;
    file.get_ref().sync_all()
}

/// The number of the newest pair that is whole; leftovers of others are removed.
fn newest(folder: &Path) -> Result<u64> {
    let mut numbers: Vec<u64> =
        numbered(folder, &["snapshot", "journal"])?.into_iter().map(|(number, _)| number).collect();
    numbers.sort_unstable();
    let Some(last) = numbers.last() else { return Ok(FIRST) };
    if let Some(whole) = numbers.iter().rev().copied().find(|number| is_whole(folder, *number)) {
        remove_leftovers(folder, whole);
        return Ok(whole);
    }
    // It was whole when it replaced the one before it: what is left of it is all that there is.
    tracing::error!(folder = %folder.display(), "the snapshot is damaged: what can be read of it is");
    let has_snapshot = |number: &&u64| snapshot_path(folder, **number).exists();
    Ok(*numbers.iter().rev().find(has_snapshot).unwrap_or(last))
}

fn is_whole(folder: &Path, number: u64) -> bool {
    let path = snapshot_path(folder, number);
    if !path.exists() {
        return number == FIRST;
    }
    read_frames(&path, &mut |_| (), &mut |_| ()).is_ok_and(|frames| frames.ended)
}

/// Removes what a kill during a compaction has left: snapshots that were not finished, and pairs that have been replaced.
fn remove_leftovers(folder: &Path, in_force: u64) {
    let replaced = numbered(folder, &["snapshot", "journal"]).unwrap_or_default().into_iter();
    let replaced = replaced.filter(|(number, _)| *number < in_force);
    for (_, path) in numbered(folder, &["part"]).unwrap_or_default().into_iter().chain(replaced) {
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(path = %path.display(), %error, "a file of an earlier compaction stays");
        }
    }
}

/// The files of a folder that have a number and one of these endings.
fn numbered(folder: &Path, endings: &[&str]) -> Result<Vec<(u64, PathBuf)>> {
    let entries = fs::read_dir(folder).map_err(|e| io_error("the journal's folder", &e))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let ours = paths.filter(|path| path.extension().is_some_and(|ending| endings.iter().any(|e| ending == *e)));
    Ok(ours.filter_map(|path| Some((path.file_stem()?.to_str()?.parse().ok()?, path))).collect())
}

/// The empty journal that follows a snapshot.
fn begin_journal(path: &Path) -> Result<File> {
    let _ = fs::remove_file(path);
    open_for_append(path)
}

fn open_for_append(path: &Path) -> Result<File> {
    OpenOptions::new().create(true).append(true).open(path).map_err(|e| io_error("the journal", &e))
}

fn snapshot_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number}.snapshot"))
}

fn journal_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number}.journal"))
}

/// Tells a full disk from other faults.
pub(crate) fn io_error(what: &str, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            StoreError::DiskFull { what: what.to_owned() }
        }
        _ => StoreError::Unavailable { reason: format!("{what}: {error}") },
    }
}
