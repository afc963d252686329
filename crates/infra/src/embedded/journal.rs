//! The journal: frames of length, CRC-32 and payload. A torn tail is dropped, and a damaged frame is kept in a separate file. A
//! snapshot replaces a journal that has grown long.
//!
//! Files are `<n>.snapshot` and `<n>.journal` with n counting up. A snapshot is written as `<n>.part`; renaming it replaces the pair
//! before it, which is removed when the names of the new pair are on the disk too. A snapshot counts only with its end mark, and a
//! journal only with its snapshot: a kill at any moment leaves one of the two pairs in force.

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

/// When writes are synced to disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FsyncPolicy {
    /// Each commit waits for the disk; commits that wait together share one write.
    Each,
    /// The sync follows soon, without a wait: a commit survives the process at once, and the machine soon after.
    Grouped,
    /// The operating system decides when to sync.
    Never,
}

/// The number of the first journal, which has no snapshot before it.
const FIRST: u64 = 1;

/// Length and CRC before each payload.
const HEADER: usize = 8;

/// With [`FsyncPolicy::Grouped`], the shortest time between two syncs. A turn survives a failure of the machine this much later, and
/// a thousand turns a second cost ten syncs. A single turn is synced at once.
const GROUP: Duration = Duration::from_millis(100);

/// The largest payload that is read back: the largest turn is far below it.
const PAYLOAD_MAX: usize = 256 << 20;

/// Bytes that are searched for the next frame behind a damaged one: more than a journal has before it is replaced.
const SCAN_MAX: usize = 256 << 20;

/// Limit of the unreadable bytes that are kept beside a file.
const DAMAGED_MAX: u64 = 64 << 20;

/// An open journal.
pub(super) struct Journal {
    folder: PathBuf,
    number: u64,
    file: Arc<File>,
    /// Bytes of whole frames; the bytes behind them came from a failed write.
    good: u64,
    dirty_tail: bool,
    /// Bytes written since the process began, over all files.
    total: u64,
    /// Wakes the sync thread, which takes the latest order.
    sync: SyncSender<()>,
    latest: Arc<Mutex<Option<Order>>>,
    progress: Arc<watch::Sender<Progress>>,
    policy: FsyncPolicy,
    /// Locked while the journal is open: two processes in one folder would overwrite each other's files.
    _lock: File,
}

/// An order for the sync thread.
struct Order {
    file: Arc<File>,
    number: u64,
    upto: u64,
}

/// How much of what was written is synced.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    /// In bytes since the process began.
    pub(super) upto: u64,
    /// Number of the journal in force.
    number: u64,
    /// Why the disk refused bytes of this journal that the system had accepted: nothing of it counts as durable any more.
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
        journal.sync_folder().map_err(|e| io_error("the journal's folder", &e))?;
        Ok(journal)
    }

    /// Announces how much of what was written is synced.
    pub(super) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Why nothing can be written before the next [`Journal::compact`].
    pub(super) fn refusal(&self) -> Option<StoreError> {
        self.progress.borrow().refusal()
    }

    /// The byte count that must be synced before a commit is done; 0 if it does not wait.
    pub(super) fn written(&self) -> u64 {
        if self.policy == FsyncPolicy::Each { self.total } else { 0 }
    }

    /// The length of the present file, in bytes.
    pub(super) fn len(&self) -> u64 {
        self.good
    }

    /// Writes a turn. If that fails, nothing of it remains.
    pub(super) fn append(&mut self, turn: &Turn) -> Result<()> {
        self.drop_torn_tail()?;
        let frame = frame(turn);
        if let Err(error) = (&*self.file).write_all(&frame) {
            self.dirty_tail = true;
            // If this fails now, it is tried again before the next write.
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

    /// Writes the state as a snapshot and begins an empty journal. All earlier writes are durable then, even those that the disk
    /// refused.
    pub(super) fn compact(&mut self, turns: impl Iterator<Item = Turn>) -> Result<()> {
        let next = self.number + 1;
        let part = self.folder.join(format!("{next}.part"));
        let begun = write_snapshot(&part, turns).map_err(|e| io_error("the snapshot", &e)).and_then(|()| {
            // Before the snapshot is in force: nothing may fail after that, and a file left by an earlier run belongs to no snapshot.
            let file = begin_journal(&journal_path(&self.folder, next))?;
            fs::rename(&part, snapshot_path(&self.folder, next)).map_err(|e| io_error("the snapshot", &e))?;
            Ok(file)
        });
        self.file = match begun {
            Ok(file) => Arc::new(file),
            Err(error) => {
                // The unfinished snapshot takes up room that is missing.
                let _ = fs::remove_file(&part);
                return Err(error);
            }
        };
        let replaced = std::mem::replace(&mut self.number, next);
        match self.sync_folder() {
            // A file that cannot be removed now is removed at the next start.
            Ok(()) => {
                let _ = fs::remove_file(journal_path(&self.folder, replaced));
                let _ = fs::remove_file(snapshot_path(&self.folder, replaced));
            }
            // Should the machine fail now, the old pair may be the one whose names are on the disk.
            Err(error) => {
                tracing::error!(%error, "the snapshot's name may not be on the disk: the files before it stay");
            }
        }
        self.good = 0;
        self.dirty_tail = false;
        self.progress.send_replace(Progress { upto: self.total, number: next, refused: None });
        Ok(())
    }

    /// Makes the names of new and renamed files as durable as their content: a file whose name is lost with the machine is lost.
    fn sync_folder(&self) -> io::Result<()> {
        if self.policy == FsyncPolicy::Never { Ok(()) } else { File::open(&self.folder)?.sync_all() }
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
        // The latest order covers those before it: a replaced file is in the snapshot that replaced it.
        *held(&self.latest) = Some(Order { file: self.file.clone(), number: self.number, upto });
        match self.sync.try_send(()) {
            // Full: the thread has been notified and has not looked yet.
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
            // A snapshot that has replaced the file is durable by itself. And a later successful sync does not make refused bytes
            // durable.
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
    // A Vec grows: encoding into it cannot fail.
    let _ = turn.encode(&mut frame);
    let crc = crc32fast::hash(&frame[HEADER..]);
    let length = u32::try_from(frame.len() - HEADER).unwrap_or(u32::MAX);
    frame[..4].copy_from_slice(&length.to_le_bytes());
    frame[4..HEADER].copy_from_slice(&crc.to_le_bytes());
    frame
}

/// The result of reading a file.
struct Frames {
    /// Bytes from the start to the end of the last whole frame.
    bytes: u64,
    /// Whether a snapshot's end mark follows them.
    ended: bool,
}

/// The content at one position of a file.
enum Frame<'a> {
    Turn(Turn, &'a [u8]),
    End,
}

/// Reads a file's frames. A damaged frame is handed to `damaged`, and the frames behind it are read. A torn tail is not handed over.
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

/// The frame at that position, if there is one. A search for one subtracts the bytes that it checks from `budget`.
fn frame_at<'a>(bytes: &'a [u8], at: usize, budget: &mut usize) -> Option<Frame<'a>> {
    let (header, rest) = bytes.get(at..)?.split_first_chunk::<HEADER>()?;
    let [l0, l1, l2, l3, c0, c1, c2, c3] = *header;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if length == 0 {
        // Zeros occur in many records: the end mark counts only at the end of its file.
        return (rest.is_empty() && *header == [0; HEADER]).then_some(Frame::End);
    }
    let payload = rest.get(..length).filter(|_| length <= PAYLOAD_MAX)?;
    *budget = budget.checked_sub(length)?;
    if crc32fast::hash(payload) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return None;
    }
    Turn::decode(payload).ok().map(|turn| Frame::Turn(turn, payload))
}

/// Keeps unreadable bytes beside the file that contained them, for inspection.
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

/// The number of the newest whole pair; leftovers of others are removed.
fn newest(folder: &Path) -> Result<u64> {
    let mut numbers: Vec<u64> =
        numbered(folder, &["snapshot", "journal"])?.into_iter().map(|(number, _)| number).collect();
    numbers.sort_unstable();
    let Some(last) = numbers.last() else { return Ok(FIRST) };
    if let Some(whole) = numbers.iter().rev().copied().find(|number| is_whole(folder, *number)) {
        remove_leftovers(folder, whole);
        return Ok(whole);
    }
    // It was whole when it replaced the pair before it: its readable part is all that exists.
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

/// Removes the leftovers of an interrupted compaction: unfinished snapshots and replaced pairs.
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
