//! Recordings of conversations: `recordings/<tenant>/<recording>.<beginning>.wav` in the data directory, written piece by piece by a thread
//! of its own.
//!
//! Until a file is whole its name ends with the node's and `.part`. A process that was killed leaves such files; the node's next one
//! completes them: they lack two seconds at most. Other nodes of the host have the same folder.
//!
//! The disk belongs to the whole installation: below a floor of free space nothing is recorded. What it refuses is tried again now and then,
//! in a file of its own.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use infra::Clock;
use jiff::tz::TimeZone;
use media::exchange::RecordedAudio;
use media::tone::SAMPLE_RATE;
use media::wav;
use model::{TenantId, Timestamp};

use super::metrics::Metrics;

/// The most pieces that wait for the disk: 16 MB.
const PIECES_MAX: usize = 512;
/// The most files that wait to be completed.
const COMPLETED_MAX: usize = 256;
/// Pause before what the disk has refused is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(30);
/// How long after its last piece a stretch counts as over: they come every two seconds, and the last one may be lost.
const OVER_AFTER: Duration = Duration::from_secs(30);
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How long a process that ends waits for a disk that stands still; what is not written by then its next run completes.
const FINISH_WITHIN: Duration = Duration::from_secs(10);
/// The longest silence that stands for lost pieces, in samples: a minute.
const GAP_MAX: usize = 60 * SAMPLE_RATE as usize;

/// The name by which the audio threads know a recording of that tenant.
pub fn conversation_name(tenant: &TenantId, recording: &str) -> String {
    format!("{tenant}/{recording}")
}

/// Where recordings are written.
#[derive(Clone)]
pub struct ConversationStore {
    /// The folder, which is made when it is needed.
    pub folder: PathBuf,
    /// The node that writes.
    pub node: String,
    /// The free space of the disk below which nothing is written, in bytes.
    pub free_min: u64,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// The threads that write the recordings. They end once nobody can give them a piece any more.
pub struct ConversationWriter {
    threads: Vec<JoinHandle<()>>,
    /// Disconnected once the threads have ended.
    running: Receiver<()>,
}

impl ConversationWriter {
    /// Starts them; pieces go to the sender. While the disk stands still for long, it takes none.
    ///
    /// # Errors
    /// There can be no further thread.
    pub fn start(store: ConversationStore, metrics: Metrics) -> io::Result<(Self, SyncSender<RecordedAudio>)> {
        let (pieces, receiver) = sync_channel(PIECES_MAX);
        let (completed, to_complete) = sync_channel(COMPLETED_MAX);
        let files = ConversationFiles { store, open: HashMap::new(), completed, metrics: metrics.clone() };
        let (runs, running) = sync_channel(1);
        let write = begin("media-recordings", runs.clone(), move || files.run(&receiver))?;
        // A disk may take long to have a whole file: the others go on meanwhile.
        let complete = begin("media-recorded", runs, move || complete_all(&to_complete, &metrics))?;
        Ok((Self { threads: vec![write, complete], running }, pieces))
    }

    /// Waits until what was taken is written and all files are whole, but not for ever: the disk may stand still.
    pub fn finish(&mut self) {
        self.finish_within(FINISH_WITHIN);
    }

    fn finish_within(&mut self, time: Duration) {
        let threads = std::mem::take(&mut self.threads);
        if threads.is_empty() {
            return;
        }
        if self.running.recv_timeout(time) == Err(RecvTimeoutError::Timeout) {
            return tracing::error!(
                "the disk stands still: recordings stay .part until the next run of this node completes them"
            );
        }
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread that writes recordings has failed");
            }
        }
    }
}

/// Starts a thread. It holds `runs` until it ends, however it does.
fn begin(name: &str, runs: SyncSender<()>, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(move || {
        let _runs = runs;
        work();
    })
}

impl Drop for ConversationWriter {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The files that are written.
struct ConversationFiles {
    store: ConversationStore,
    /// By recording and beginning.
    open: HashMap<(String, Timestamp), Stretch>,
    completed: SyncSender<(String, OpenFile)>,
    metrics: Metrics,
}

/// A stretch of a recording.
struct Stretch {
    /// Its file; none while the disk refuses one.
    file: Option<OpenFile>,
    /// When the disk refused it last.
    refused: Option<Timestamp>,
    /// When its last piece came.
    heard: Timestamp,
}

struct OpenFile {
    file: File,
    part: PathBuf,
    whole: PathBuf,
    /// Where in the stretch it begins, in samples.
    begins: usize,
    samples: usize,
}

impl ConversationFiles {
    fn run(mut self, pieces: &Receiver<RecordedAudio>) {
        complete_left(&self.store);
        let mut looked = self.store.clock.now();
        loop {
            match pieces.recv_timeout(LOOK_EVERY) {
                Ok(piece) => self.take(piece),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = self.store.clock.now();
            if now.since(looked) >= LOOK_EVERY {
                looked = now;
                self.end_silent(now);
            }
        }
        for ((name, _), stretch) in std::mem::take(&mut self.open) {
            self.complete(name, stretch);
        }
    }

    fn take(&mut self, piece: RecordedAudio) {
        let (key, now) = ((piece.name.to_string(), piece.began), self.store.clock.now());
        let known = self.open.remove(&key);
        let mut stretch = known.unwrap_or(Stretch { file: None, refused: None, heard: now });
        stretch.heard = now;
        let may_begin = stretch.refused.is_none_or(|at| now.since(at) >= AGAIN_AFTER);
        if let Err(error) = self.write(&mut stretch, &piece, may_begin) {
            stretch.refused = Some(now);
            self.metrics.conversation_lost();
            let folder = self.store.folder.display();
            tracing::error!(
                recording = key.0, %folder, %error,
                "the recording of a call cannot be written: the call goes on, and it is tried again"
            );
            if let Some(file) = stretch.file.take() {
                self.hand_over(key.0.clone(), file);
            }
        }
        if piece.is_last {
            self.complete(key.0, stretch);
        } else {
            self.open.insert(key, stretch);
        }
        self.metrics.conversations(self.open.len());
    }

    fn write(&self, stretch: &mut Stretch, piece: &RecordedAudio, may_begin: bool) -> io::Result<()> {
        let file = match &mut stretch.file {
            Some(file) => {
                self.store.has_room()?;
                file
            }
            None if may_begin => stretch.file.insert(OpenFile::create(&self.store, piece)?),
            None => return Ok(()),
        };
        file.append(piece)
    }

    /// Ends the stretches whose last piece is lost.
    fn end_silent(&mut self, now: Timestamp) {
        let silent: Vec<_> = self.open.extract_if(|_, stretch| now.since(stretch.heard) >= OVER_AFTER).collect();
        for ((name, _), stretch) in silent {
            self.complete(name, stretch);
        }
        self.metrics.conversations(self.open.len());
    }

    fn complete(&self, name: String, stretch: Stretch) {
        if let Some(file) = stretch.file {
            self.hand_over(name, file);
        }
    }

    fn hand_over(&self, name: String, file: OpenFile) {
        // Where too many wait, their thread is no faster.
        if let Err(full) = self.completed.try_send((name, file)) {
            let (name, file) = match full {
                std::sync::mpsc::TrySendError::Full(one) | std::sync::mpsc::TrySendError::Disconnected(one) => one,
            };
            complete(&name, file, &self.metrics);
        }
    }
}

fn complete_all(files: &Receiver<(String, OpenFile)>, metrics: &Metrics) {
    while let Ok((name, file)) = files.recv() {
        complete(&name, file, metrics);
    }
}

fn complete(name: &str, file: OpenFile, metrics: &Metrics) {
    match file.complete() {
        Ok(()) => metrics.conversation_kept(),
        Err(error) => {
            metrics.conversation_lost();
            tracing::error!(recording = name, %error, "the recording of a call cannot be completed: it stays a .part");
        }
    }
}

impl ConversationStore {
    fn ending(&self) -> String {
        format!("{}.part", self.node)
    }

    /// Whether the disk has more than the floor.
    fn has_room(&self) -> io::Result<()> {
        let disk = rustix::fs::statvfs(&self.folder)?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) > self.free_min {
            return Ok(());
        }
        let free_min = self.free_min >> 20;
        Err(io::Error::new(
            io::ErrorKind::StorageFull,
            format!("less than {free_min} MiB are free (media.recordings_free_mib)"),
        ))
    }
}

impl OpenFile {
    /// A file that begins with that piece.
    fn create(store: &ConversationStore, piece: &RecordedAudio) -> io::Result<Self> {
        let into_stretch = Duration::from_secs_f64(piece.at as f64 / f64::from(SAMPLE_RATE));
        let whole = path(&store.folder, &piece.name, piece.began + into_stretch).ok_or(io::ErrorKind::InvalidInput)?;
        if let Some(folder) = whole.parent() {
            fs::create_dir_all(folder)?;
        }
        store.has_room()?;
        let part = whole.with_added_extension(store.ending());
        let mut file = OpenOptions::new().write(true).create_new(true).open(&part)?;
        file.write_all(&wav::head(0))?;
        Ok(Self { file, part, whole, begins: piece.at, samples: 0 })
    }

    /// Adds a piece, after silence for those that are lost.
    fn append(&mut self, piece: &RecordedAudio) -> io::Result<()> {
        let gap = piece.at.saturating_sub(self.begins + self.samples).min(GAP_MAX);
        let samples = std::iter::repeat_n(0, gap).chain(piece.samples.iter().copied());
        let bytes: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
        self.file.write_all(&bytes)?;
        self.samples += bytes.len() / 2;
        Ok(())
    }

    fn complete(mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&wav::head(self.samples))?;
        self.file.sync_all()?;
        fs::rename(&self.part, &self.whole)
    }
}

/// Where a recording of that name and beginning is; none if the tenant's name is no name of a folder.
fn path(folder: &Path, name: &str, began: Timestamp) -> Option<PathBuf> {
    let (tenant, recording) = name.rsplit_once('/')?;
    let is_name = |text: &str| !text.is_empty() && !text.starts_with('.') && !text.contains(['/', '\\']);
    let began = jiff::Timestamp::from_microsecond(i64::try_from(began.as_micros()).ok()?).ok()?;
    let began = began.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%S%.3fZ");
    (is_name(tenant) && is_name(recording)).then(|| folder.join(tenant).join(format!("{recording}.{began}.wav")))
}

/// Completes the files that a process of this node has left which was killed.
fn complete_left(store: &ConversationStore) {
    let ending = store.ending();
    let files = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    for part in files(&store.folder).flat_map(|tenant| files(&tenant)) {
        let name = part.file_name().and_then(|name| name.to_str()?.strip_suffix(&ending)?.strip_suffix('.'));
        let Some(name) = name.map(str::to_owned) else { continue };
        let whole = part.with_file_name(&name);
        let completed = OpenOptions::new().write(true).open(&part).and_then(|file| {
            let bytes = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
            let samples = bytes.saturating_sub(wav::HEAD_BYTES) / 2;
            OpenFile { file, part, whole, begins: 0, samples }.complete()
        });
        match completed {
            Ok(()) => tracing::info!(file = name, "completed the recording of a process that was killed"),
            Err(error) => {
                tracing::error!(file = name, %error, "the recording of a process that was killed cannot be completed")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use infra::SystemClock;

    use super::*;

    const BEGAN: Timestamp = Timestamp::from_millis(1_763_622_000_120);

    fn store(folder: &Path) -> ConversationStore {
        let clock = Arc::new(SystemClock::start());
        ConversationStore { folder: folder.to_owned(), node: "media-1".to_owned(), free_min: 0, clock }
    }

    fn piece(at: usize, samples: &[i16], is_last: bool) -> RecordedAudio {
        RecordedAudio { name: "acme/rec-00a1-1".into(), began: BEGAN, at, samples: samples.to_vec(), is_last }
    }

    fn files(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder.join("acme")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn samples(folder: &Path, name: &str) -> Vec<i16> {
        wav::parse(&fs::read(folder.join("acme").join(name)).unwrap()).unwrap()
    }

    /// Gives these pieces to a writer, and waits for it.
    fn write(store: ConversationStore, pieces: Vec<RecordedAudio>) {
        let (writer, sender) = ConversationWriter::start(store, Metrics::default()).unwrap();
        pieces.into_iter().for_each(|piece| sender.send(piece).unwrap());
        drop(sender);
        drop(writer);
    }

    #[test]
    fn a_conversation_is_written_piece_by_piece_into_a_file_of_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        // Another stretch of it has not ended when the process does.
        let other = RecordedAudio { began: BEGAN + Duration::from_secs(60), ..piece(0, &[4], false) };
        write(store(folder.path()), vec![piece(0, &[1, 2], false), piece(2, &[3], true), other]);
        let names = files(folder.path());
        assert_eq!(names, ["rec-00a1-1.20251120T070000.120Z.wav", "rec-00a1-1.20251120T070100.120Z.wav"]);
        let samples = |name: &String| samples(folder.path(), name);
        assert_eq!((samples(&names[0]), samples(&names[1])), (vec![1, 2, 3], vec![4]));
    }

    #[test]
    fn silence_stands_for_a_piece_that_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        write(store(folder.path()), vec![piece(0, &[1, 2], false), piece(4, &[3], true)]);
        assert_eq!(samples(folder.path(), &files(folder.path())[0]), [1, 2, 0, 0, 3]);
    }

    #[test]
    fn what_the_disk_refuses_is_tried_again_in_a_file_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let (completed, to_complete) = sync_channel(COMPLETED_MAX);
        let store = ConversationStore { free_min: u64::MAX, ..store(folder.path()) };
        let mut writer = ConversationFiles { store, open: HashMap::new(), completed, metrics: Metrics::default() };
        writer.take(piece(0, &[1; 8_000], false));
        assert!(writer.open.values().all(|stretch| stretch.file.is_none()), "there is no room");
        writer.store.free_min = 0;
        writer.take(piece(8_000, &[2; 8_000], false));
        assert!(writer.open.values().all(|stretch| stretch.file.is_none()), "it is too early to try again");
        writer.open.values_mut().for_each(|stretch| stretch.refused = stretch.refused.map(|at| at - AGAIN_AFTER));
        writer.take(piece(16_000, &[3; 8_000], true));
        assert!(writer.open.is_empty());
        drop(writer);
        complete_all(&to_complete, &Metrics::default());
        let names = files(folder.path());
        assert_eq!(names, ["rec-00a1-1.20251120T070002.120Z.wav"]);
        assert_eq!(samples(folder.path(), &names[0]), [3; 8_000]);
    }

    #[test]
    fn a_stretch_whose_end_is_lost_is_over_after_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let (completed, to_complete) = sync_channel(COMPLETED_MAX);
        let store = store(folder.path());
        let mut writer = ConversationFiles { store, open: HashMap::new(), completed, metrics: Metrics::default() };
        writer.take(piece(0, &[1], false));
        let now = writer.store.clock.now();
        writer.end_silent(now);
        assert_eq!(writer.open.len(), 1);
        writer.end_silent(now + OVER_AFTER + OVER_AFTER);
        assert!(writer.open.is_empty() && to_complete.try_recv().is_ok());
    }

    #[test]
    fn what_a_killed_process_has_left_is_completed_by_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        for (node, nth) in [("media-1", 1), ("media-2", 2)] {
            let store = ConversationStore { node: node.to_owned(), ..store(folder.path()) };
            let name = format!("acme/rec-00a1-{nth}").as_str().into();
            let piece = RecordedAudio { name, ..piece(0, &[5, 6, 7], false) };
            OpenFile::create(&store, &piece).unwrap().append(&piece).unwrap();
        }
        write(store(folder.path()), Vec::new());
        let names = files(folder.path());
        let of_another = "rec-00a1-2.20251120T070000.120Z.wav.media-2.part";
        assert_eq!(names, ["rec-00a1-1.20251120T070000.120Z.wav", of_another]);
        assert_eq!(samples(folder.path(), &names[0]), [5, 6, 7]);
    }

    #[test]
    fn a_disk_that_stands_still_does_not_keep_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let of_tenant = folder.path().join("acme");
        fs::create_dir_all(&of_tenant).unwrap();
        // It cannot be opened while nobody reads it.
        let part = of_tenant.join("rec-00a1-1.20251120T070000.120Z.wav.media-1.part");
        let made = std::process::Command::new("mkfifo").arg(&part).status().unwrap();
        assert!(made.success());
        let (mut writer, sender) = ConversationWriter::start(store(folder.path()), Metrics::default()).unwrap();
        drop(sender);
        writer.finish_within(Duration::from_millis(20));
        assert!(writer.running.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty), "it still waits for the disk");
        drop(File::open(&part).unwrap());
        assert_eq!(writer.running.recv_timeout(Duration::from_secs(60)), Err(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn a_name_leads_to_no_other_folder() {
        let folder = Path::new("/recordings");
        for name in ["../keys", "..", "/rec-1", "acme/", "a/../b"] {
            let path = path(folder, name, BEGAN);
            assert!(path.is_none(), "{name}: {path:?}");
        }
    }
}
