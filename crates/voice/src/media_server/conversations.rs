//! Recordings of conversations: `recordings/<tenant>/<recording>.<beginning>.wav` in the data directory, written piece by piece by a thread
//! of its own.
//!
//! Until a file is whole its name ends with the node's and `.part`. A process that was killed leaves such files; the node's next one
//! completes them: they lack two seconds at most. Other nodes of the host have the same folder.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use jiff::tz::TimeZone;
use media::exchange::RecordedAudio;
use media::wav;
use model::{TenantId, Timestamp};

use super::metrics::Metrics;

/// The most pieces that wait for the disk: 16 MB.
const PIECES_MAX: usize = 512;
/// The name by which the audio threads know a recording of that tenant.
pub fn conversation_name(tenant: &TenantId, recording: &str) -> String {
    format!("{tenant}/{recording}")
}

/// Writes the recordings.
pub struct ConversationWriter {
    pieces: Option<SyncSender<RecordedAudio>>,
    thread: Option<JoinHandle<()>>,
    metrics: Metrics,
}

impl ConversationWriter {
    /// Writes into that folder, which is made when it is needed, in the name of that node.
    ///
    /// # Errors
    /// There can be no further thread.
    pub fn start(folder: PathBuf, node: &str, metrics: Metrics) -> io::Result<Self> {
        let (pieces, receiver) = sync_channel(PIECES_MAX);
        let files =
            ConversationFiles { folder, part: format!("{node}.part"), open: HashMap::new(), metrics: metrics.clone() };
        let write = move || files.run(&receiver);
        let thread = std::thread::Builder::new().name("media-recordings".to_owned()).spawn(write)?;
        Ok(Self { pieces: Some(pieces), thread: Some(thread), metrics })
    }

    /// Takes a piece. While the disk stands still for long, pieces are lost, and counted.
    pub fn take(&self, piece: RecordedAudio) {
        let taken = self.pieces.as_ref().is_some_and(|pieces| pieces.try_send(piece).is_ok());
        if !taken {
            self.metrics.conversation_piece_lost();
        }
    }

    /// Writes what waits, and completes all files.
    pub fn finish(&mut self) {
        self.pieces = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes recordings has failed");
        }
    }
}

impl Drop for ConversationWriter {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The files that are written.
struct ConversationFiles {
    folder: PathBuf,
    /// The end of the name of a file that is not whole yet.
    part: String,
    /// By recording and beginning. None for one that the disk has refused: the rest of it is dropped.
    open: HashMap<(String, Timestamp), Option<OpenFile>>,
    metrics: Metrics,
}

struct OpenFile {
    file: File,
    part: PathBuf,
    whole: PathBuf,
    samples: usize,
}

impl ConversationFiles {
    fn run(mut self, pieces: &Receiver<RecordedAudio>) {
        complete_left(&self.folder, &self.part);
        while let Ok(piece) = pieces.recv() {
            self.take(piece);
        }
        for (key, open) in std::mem::take(&mut self.open) {
            self.complete(&key.0, open);
        }
    }

    fn take(&mut self, piece: RecordedAudio) {
        let key = (piece.name.to_string(), piece.began);
        let open = match self.open.remove(&key) {
            Some(open) => open,
            None => self.begin(&key),
        };
        let open = open.and_then(|mut open| match open.append(&piece.samples) {
            Ok(()) => Some(open),
            Err(error) => {
                self.lost(&key.0, &error);
                None
            }
        });
        if piece.is_last {
            self.complete(&key.0, open);
        } else {
            self.open.insert(key, open);
        }
        self.metrics.conversations(self.open.len());
    }

    fn begin(&self, (name, began): &(String, Timestamp)) -> Option<OpenFile> {
        let path = path(&self.folder, name, *began).ok_or_else(|| io::ErrorKind::InvalidInput.into());
        path.and_then(|whole| OpenFile::create(whole, &self.part)).inspect_err(|error| self.lost(name, error)).ok()
    }

    fn complete(&self, name: &str, open: Option<OpenFile>) {
        match open.map(OpenFile::complete) {
            Some(Ok(())) => self.metrics.conversation_kept(),
            Some(Err(error)) => self.lost(name, &error),
            None => {}
        }
    }

    fn lost(&self, name: &str, error: &io::Error) {
        self.metrics.conversation_lost();
        let folder = self.folder.display();
        tracing::error!(recording = name, %folder, %error, "the recording of a call cannot be written: it ends here, the call goes on");
    }
}

impl OpenFile {
    fn create(whole: PathBuf, part: &str) -> io::Result<Self> {
        if let Some(folder) = whole.parent() {
            fs::create_dir_all(folder)?;
        }
        let part = whole.with_added_extension(part);
        let mut file = OpenOptions::new().write(true).create_new(true).open(&part)?;
        file.write_all(&wav::head(0))?;
        Ok(Self { file, part, whole, samples: 0 })
    }

    fn append(&mut self, samples: &[i16]) -> io::Result<()> {
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        self.file.write_all(&bytes)?;
        self.samples += samples.len();
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

/// Completes the files of that ending: a process that was killed has left them.
fn complete_left(folder: &Path, ending: &str) {
    let files = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    for part in files(folder).flat_map(|tenant| files(&tenant)) {
        let name = part.file_name().and_then(|name| name.to_str()?.strip_suffix(ending)?.strip_suffix('.'));
        let Some(name) = name.map(str::to_owned) else { continue };
        let whole = part.with_file_name(&name);
        let completed = OpenOptions::new().write(true).open(&part).and_then(|file| {
            let bytes = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
            let samples = bytes.saturating_sub(wav::HEAD_BYTES) / 2;
            OpenFile { file, part, whole, samples }.complete()
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
    use super::*;

    const BEGAN: Timestamp = Timestamp::from_millis(1_763_622_000_120);

    fn piece(samples: &[i16], is_last: bool) -> RecordedAudio {
        RecordedAudio { name: "acme/rec-00a1-1".into(), began: BEGAN, samples: samples.to_vec(), is_last }
    }

    fn files(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder.join("acme")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_conversation_is_written_piece_by_piece_into_a_file_of_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = ConversationWriter::start(folder.path().to_owned(), "media-1", Metrics::default()).unwrap();
        writer.take(piece(&[1, 2], false));
        writer.take(piece(&[3], true));
        // Another stretch of it has not ended when the process does.
        writer.take(RecordedAudio { began: BEGAN + std::time::Duration::from_secs(60), ..piece(&[4], false) });
        writer.finish();
        let names = files(folder.path());
        assert_eq!(names, ["rec-00a1-1.20251120T070000.120Z.wav", "rec-00a1-1.20251120T070100.120Z.wav"]);
        let samples = |name: &String| wav::parse(&fs::read(folder.path().join("acme").join(name)).unwrap()).unwrap();
        assert_eq!((samples(&names[0]), samples(&names[1])), (vec![1, 2, 3], vec![4]));
    }

    #[test]
    fn what_a_killed_process_has_left_is_completed_by_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        for (node, name) in [("media-1", "acme/rec-00a1-1"), ("media-2", "acme/rec-00a1-2")] {
            let whole = path(folder.path(), name, BEGAN).unwrap();
            OpenFile::create(whole, &format!("{node}.part")).unwrap().append(&[5, 6, 7]).unwrap();
        }
        drop(ConversationWriter::start(folder.path().to_owned(), "media-1", Metrics::default()).unwrap());
        let names = files(folder.path());
        let of_another = "rec-00a1-2.20251120T070000.120Z.wav.media-2.part";
        assert_eq!(names, ["rec-00a1-1.20251120T070000.120Z.wav", of_another]);
        assert_eq!(wav::parse(&fs::read(folder.path().join("acme").join(&names[0])).unwrap()).unwrap(), [5, 6, 7]);
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
