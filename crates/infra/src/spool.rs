//! Records that wait for the reporting log in files: bounded, in order, kept across restarts of the process.
//!
//! A folder has segments `<n>.jsonl` (a line for each record: key, identity, CloudEvent) and `read`, the position up to which the log
//! has them. A line torn by a crash is dropped. A position that was not written in time causes records to be sent twice. Files are
//! not synced: waiting records survive the process, and a crash of the machine except for its last seconds.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::{LogRecord, Result, StoreError};

/// A segment longer than this, in bytes, is followed by the next.
const SEGMENT_BYTES: u64 = 4 << 20;

/// A segment that is not yet read to its end.
struct Segment {
    number: u64,
    /// Bytes of whole lines.
    bytes: u64,
}

/// A position in the spool.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Place {
    segment: u64,
    offset: u64,
}

/// Waiting records of one topic.
///
/// All methods wait for the disk: call them where that blocks nobody.
pub struct Spool {
    folder: PathBuf,
    topic: &'static str,
    bytes_max: u64,
    segments: VecDeque<Segment>,
    last: File,
    read: Place,
    read_file: File,
    /// Locked while the spool is open: two writers would mix their lines.
    _lock: File,
}

impl Spool {
    /// Opens the spool of a topic in a folder, with the records that wait in it. The folder is created if missing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] while another process has the folder; those of the disk.
    pub fn open(folder: &Path, topic: &'static str, bytes_max: u64) -> Result<Self> {
        Self::try_open(folder, topic, bytes_max).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => {
                StoreError::Unavailable { reason: format!("another process has the records in {}", folder.display()) }
            }
            _ => failed(&error),
        })
    }

    fn try_open(folder: &Path, topic: &'static str, bytes_max: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let lock = File::create(folder.join("lock"))?;
        lock.try_lock()?;
        let read_path = folder.join("read");
        // An unreadable position counts as none: records are sent twice rather than not at all.
        let read = fs::read_to_string(&read_path).ok().and_then(|text| Place::parse(&text)).unwrap_or_default();
        let read_file = OpenOptions::new().create(true).truncate(false).write(true).open(read_path)?;
        let mut segments = VecDeque::new();
        for number in numbers(folder)? {
            if number < read.segment {
                fs::remove_file(segment_path(folder, number))?;
            } else {
                segments.push_back(Segment { number, bytes: whole_lines(&segment_path(folder, number))? });
            }
        }
        let read = match segments.iter().find(|segment| segment.number == read.segment) {
            // A crash of the machine has lost records that the log already has: new records are none of them.
            Some(segment) => Place { offset: read.offset.min(segment.bytes), ..read },
            None => read,
        };
        if segments.is_empty() {
            segments.push_back(Segment { number: read.segment + 1, bytes: 0 });
        }
        let last = segments.back().map_or(1, |segment| segment.number);
        let last = OpenOptions::new().create(true).append(true).open(segment_path(folder, last))?;
        let mut spool =
            Self { folder: folder.to_owned(), topic, bytes_max, segments, last, read, read_file, _lock: lock };
        spool.cut_tail()?;
        Ok(spool)
    }

    /// Whether no record waits.
    pub fn is_empty(&self) -> bool {
        self.waiting() == 0
    }

    /// Size of the waiting records, in bytes.
    pub fn waiting(&self) -> u64 {
        let all: u64 = self.segments.iter().map(|segment| segment.bytes).sum();
        let first = self.segments.front().is_some_and(|segment| segment.number == self.read.segment);
        all.saturating_sub(if first { self.read.offset } else { 0 })
    }

    /// Adds records behind those that wait, all or none.
    ///
    /// # Errors
    /// [`StoreError::Full`] when they exceed the bound; [`StoreError::DiskFull`] and others of the disk.
    pub fn push(&mut self, records: &[LogRecord]) -> Result<()> {
        let mut lines = Vec::new();
        for record in records {
            // Serialising strings cannot fail.
            let line = serde_json::to_vec(&(&record.key, &record.id, &record.json)).unwrap_or_default();
            lines.extend_from_slice(&line);
            lines.push(b'\n');
        }
        if self.waiting() + lines.len() as u64 > self.bytes_max {
            return Err(StoreError::Full { what: "the buffer of reporting records", bound: self.bytes_max });
        }
        self.write(&lines).map_err(|error| failed(&error))
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if let Some(last) = self.segments.back()
            && last.bytes >= SEGMENT_BYTES
        {
            let number = last.number + 1;
            self.last = OpenOptions::new().create(true).append(true).open(segment_path(&self.folder, number))?;
            self.segments.push_back(Segment { number, bytes: 0 });
        }
        let written = self.last.write_all(lines);
        match (written, self.segments.back_mut()) {
            (Ok(()), Some(last)) => last.bytes += lines.len() as u64,
            (Err(error), _) => {
                // A partial line would be read as a whole one.
                self.cut_tail()?;
                return Err(error);
            }
            (Ok(()), None) => {}
        }
        Ok(())
    }

    fn cut_tail(&mut self) -> io::Result<()> {
        let bytes = self.segments.back().map_or(0, |last| last.bytes);
        if self.last.metadata()?.len() > bytes { self.last.set_len(bytes) } else { Ok(()) }
    }

    /// The first waiting records, at most `max`, and the position behind them for [`Self::done`].
    ///
    /// # Errors
    /// Those of the disk.
    pub fn first(&self, max: usize) -> Result<(Vec<LogRecord>, Place)> {
        self.read_first(max).map_err(|error| failed(&error))
    }

    fn read_first(&self, max: usize) -> io::Result<(Vec<LogRecord>, Place)> {
        let (mut records, mut place) = (Vec::new(), self.read);
        for segment in &self.segments {
            let offset = if segment.number == self.read.segment { self.read.offset } else { 0 };
            let mut file = File::open(segment_path(&self.folder, segment.number))?;
            file.seek(SeekFrom::Start(offset))?;
            let mut lines = BufReader::new(file);
            place = Place { segment: segment.number, offset };
            while records.len() < max && place.offset < segment.bytes {
                let mut line = Vec::new();
                place.offset += lines.read_until(b'\n', &mut line)? as u64;
                match serde_json::from_slice::<(String, String, String)>(&line) {
                    Ok((key, id, json)) => records.push(LogRecord { topic: self.topic, key, id, json }),
                    Err(error) => tracing::error!(topic = self.topic, %error, "a reporting record is damaged"),
                }
            }
            if records.len() >= max {
                break;
            }
        }
        Ok((records, place))
    }

    /// Forgets the records before a position that [`Self::first`] returned.
    ///
    /// # Errors
    /// Those of the disk; records that are not forgotten are sent again.
    pub fn done(&mut self, place: Place) -> Result<()> {
        self.forget(place).map_err(|error| failed(&error))
    }

    fn forget(&mut self, place: Place) -> io::Result<()> {
        if place <= self.read {
            return Ok(());
        }
        self.read = place;
        self.read_file.rewind()?;
        self.read_file.write_all(place.text().as_bytes())?;
        while let Some(first) = self.segments.front()
            && first.number < place.segment
        {
            fs::remove_file(segment_path(&self.folder, first.number))?;
            self.segments.pop_front();
        }
        self.begin_anew_if_empty()
    }

    /// Replaces a long segment without waiting records, which makes room at once.
    fn begin_anew_if_empty(&mut self) -> io::Result<()> {
        let [only] = self.segments.make_contiguous() else { return Ok(()) };
        if only.number != self.read.segment || only.bytes > self.read.offset || only.bytes < SEGMENT_BYTES {
            return Ok(());
        }
        let (old, number) = (only.number, only.number + 1);
        self.last = OpenOptions::new().create(true).append(true).open(segment_path(&self.folder, number))?;
        *only = Segment { number, bytes: 0 };
        fs::remove_file(segment_path(&self.folder, old))
    }
}

impl Place {
    /// Always of the same length, so that it overwrites the previous one completely.
    fn text(self) -> String {
        format!("{:020} {:020}\n", self.segment, self.offset)
    }

    fn parse(text: &str) -> Option<Self> {
        let (segment, offset) = text.strip_suffix('\n')?.split_once(' ')?;
        Some(Self { segment: segment.parse().ok()?, offset: offset.parse().ok()? })
    }
}

fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number}.jsonl"))
}

/// The numbers of the segments, in order.
fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        numbers.extend(name.to_str().and_then(|name| name.strip_suffix(".jsonl")?.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The bytes up to the last line break.
fn whole_lines(path: &Path) -> io::Result<u64> {
    let bytes = fs::read(path)?;
    Ok(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last as u64 + 1))
}

fn failed(error: &io::Error) -> StoreError {
    crate::embedded::io_error("the buffer of reporting records", error)
}

#[cfg(test)]
mod tests;
