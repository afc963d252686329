//! Commits that wait for Redis, on disk too: a process that fails before they are written does it after its restart.
//!
//! Segments are `<node>.<n>.jsonl`, a line of JSON for each commit, with bytes in base64. A line torn by a crash is dropped. Each run
//! begins a segment of its own, so nothing is written behind a torn line. A segment is removed when all its commits have been written,
//! so the disk has the waiting commits and at most one segment more. Files are not synced: waiting commits survive the process.

mod line;

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use crate::redis::store::records::{Kind, Row};
use line::{Line, line_of, previous_run_commit};

/// A segment longer than this, in bytes, is followed by the next.
const SEGMENT_BYTES: u64 = 4 << 20;

/// The segments of one client.
#[derive(Debug)]
pub(in crate::redis) struct DiskQueue {
    folder: PathBuf,
    node: String,
    /// Segments on disk, oldest first. The last one is written to if it is `open`.
    segments: VecDeque<u64>,
    open: Option<Segment>,
    /// Number of the next segment.
    next: u64,
}

#[derive(Debug)]
struct Segment {
    file: File,
    /// Bytes of whole lines.
    bytes: u64,
}

/// A commit of a previous run of the process.
pub(in crate::redis) struct PreviousRunCommit {
    pub(in crate::redis) kind: Kind,
    pub(in crate::redis) row: Row,
}

impl DiskQueue {
    /// Opens the segments of a node; returns them with the commits that a previous run left there.
    ///
    /// # Errors
    /// Those of the disk.
    pub(in crate::redis) fn open(folder: &Path, node: &str) -> io::Result<(Self, Vec<PreviousRunCommit>)> {
        fs::create_dir_all(folder)?;
        let segments = numbers(folder, node)?;
        let next = segments.back().map_or(1, |last| last + 1);
        let mut this = Self { folder: folder.to_owned(), node: node.to_owned(), segments, open: None, next };
        let mut former = Vec::new();
        for number in &this.segments {
            former.extend(read(&this.path(*number))?);
        }
        if former.is_empty() {
            this.clear()?;
        }
        Ok((this, former))
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{}.{number}.jsonl", self.node))
    }

    /// Appends commits.
    ///
    /// # Errors
    /// Those of the disk; none of the commits is in the file then.
    pub(in crate::redis) fn add(&mut self, kind: Kind, rows: &[Row]) -> io::Result<()> {
        let mut lines = Vec::new();
        for row in rows {
            serde_json::to_writer(&mut lines, &line_of(kind, row))?;
            lines.push(b'\n');
        }
        let mut segment = match self.open.take().filter(|segment| segment.bytes < SEGMENT_BYTES) {
            Some(segment) => segment,
            None => self.begin()?,
        };
        let written = segment.file.write_all(&lines);
        match &written {
            Ok(()) => segment.bytes += lines.len() as u64,
            // A partial line would spoil the line behind it.
            Err(_) => segment.file.set_len(segment.bytes)?,
        }
        self.open = Some(segment);
        written
    }

    fn begin(&mut self) -> io::Result<Segment> {
        let number = self.next;
        let file = OpenOptions::new().create(true).append(true).open(self.path(number))?;
        self.segments.push_back(number);
        self.next += 1;
        Ok(Segment { file, bytes: 0 })
    }

    /// The segment of the commits added last.
    pub(in crate::redis) const fn segment(&self) -> u64 {
        self.next - 1
    }

    /// Removes the segments before that one: none of their commits waits any more.
    ///
    /// # Errors
    /// Those of the disk.
    pub(in crate::redis) fn forget_before(&mut self, segment: u64) -> io::Result<()> {
        while let Some(first) = self.segments.front().copied().filter(|first| *first < segment) {
            match fs::remove_file(self.path(first)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => drop(self.segments.pop_front()),
            }
        }
        Ok(())
    }

    /// Removes all segments: no commit waits any more.
    ///
    /// # Errors
    /// Those of the disk.
    pub(in crate::redis) fn clear(&mut self) -> io::Result<()> {
        self.open = None;
        self.forget_before(self.next)
    }
}

/// The existing segments, oldest first.
fn numbers(folder: &Path, node: &str) -> io::Result<VecDeque<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(node)?.strip_prefix('.')?.strip_suffix(".jsonl"));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers.into())
}

fn read(path: &Path) -> io::Result<Vec<PreviousRunCommit>> {
    let mut former = Vec::new();
    for line in BufReader::new(File::open(path)?).split(b'\n') {
        let line = line?;
        match serde_json::from_slice::<Line>(&line).ok().and_then(|line| previous_run_commit(&line)) {
            Some(commit) => former.push(commit),
            None => tracing::warn!(path = %path.display(), bytes = line.len(), "a commit that waited cannot be read"),
        }
    }
    Ok(former)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use infra::Change;
    use model::{TenantId, Token};

    use super::*;
    use crate::redis::store::Facts;

    const CALL: &str = "call";

    fn commit(key: &str, state: usize) -> Row {
        let change = Change::Save { state: vec![b's'; state].into(), intentions: Bytes::new() };
        Row {
            tenant: TenantId::parse("acme").unwrap(),
            key: key.to_owned(),
            owner: "sip-cluster-1.5".parse().unwrap(),
            token: Token(1),
            change,
            due: None,
            links: Vec::new(),
            facts: Facts::default(),
            new_call: None,
            began_with: None,
            number: 1,
            absorbs: None,
        }
    }

    fn keys(former: &[PreviousRunCommit]) -> Vec<&str> {
        former.iter().map(|former| former.row.key.as_str()).collect()
    }

    #[test]
    fn a_line_that_a_crash_has_torn_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let kind = Kind::named(CALL).unwrap();
        let (mut first, _) = DiskQueue::open(folder.path(), "sip-cluster-1").unwrap();
        first.add(kind, &[commit("a", 10), commit("b", 10)]).unwrap();
        let path = first.path(first.segment());
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        drop(first);
        let (mut second, former) = DiskQueue::open(folder.path(), "sip-cluster-1").unwrap();
        assert_eq!(keys(&former), ["a"]);
        second.add(kind, &[commit("c", 10)]).unwrap();
        drop(second);
        let (_, former) = DiskQueue::open(folder.path(), "sip-cluster-1").unwrap();
        assert_eq!(keys(&former), ["a", "c"]);
        let (_, of_another) = DiskQueue::open(folder.path(), "sip-cluster-11").unwrap();
        assert!(of_another.is_empty());
    }

    #[test]
    fn what_is_handed_in_goes_from_the_disk_while_more_comes() {
        let folder = tempfile::tempdir().unwrap();
        let kind = Kind::named(CALL).unwrap();
        let (mut file, _) = DiskQueue::open(folder.path(), "sip-cluster-1").unwrap();
        for n in 0..100 {
            // A megabyte each, and never more than three wait.
            file.add(kind, &[commit(&n.to_string(), 800_000)]).unwrap();
            if n >= 3 {
                file.forget_before(file.segment()).unwrap();
            }
            let on_disk: u64 = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
            assert!(on_disk < 3 * SEGMENT_BYTES, "{on_disk} bytes at {n}");
        }
        file.clear().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
