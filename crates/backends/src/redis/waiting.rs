//! Commits that wait for Redis, on disk too: a process that fails before they are written does it after its restart.
//!
//! Segments are `<node>.<n>.jsonl`, a line of JSON for each commit, with bytes in base64. A line torn by a crash is dropped. Each run
//! begins a segment of its own, so nothing is written behind a torn line. A segment is removed when all its commits have been written,
//! so the disk has the waiting commits and at most one segment more. Files are not synced: waiting commits survive the process.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use infra::{Change, Position, wire};
use model::{TenantId, Timestamp, Token};
use serde::{Deserialize, Serialize};

use super::row::{Kind, Row};

/// A segment longer than this, in bytes, is followed by the next.
const SEGMENT_BYTES: u64 = 4 << 20;

/// The segments of one client.
#[derive(Debug)]
pub(super) struct WaitingFile {
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
pub(super) struct PreviousRunCommit {
    pub(super) kind: Kind,
    pub(super) row: Row,
}

#[derive(Serialize, Deserialize)]
struct Line {
    kind: String,
    tenant: String,
    key: String,
    owner: String,
    token: u64,
    number: u64,
    change: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    state: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    intentions: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_us: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    links: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    events: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    new_call: Option<String>,
}

impl WaitingFile {
    /// Opens the segments of a node; returns them with the commits that a previous run left there.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn open(folder: &Path, node: &str) -> io::Result<(Self, Vec<PreviousRunCommit>)> {
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
    pub(super) fn add(&mut self, kind: Kind, rows: &[Row]) -> io::Result<()> {
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
    pub(super) const fn segment(&self) -> u64 {
        self.next - 1
    }

    /// Removes the segments before that one: none of their commits waits any more.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn forget_before(&mut self, segment: u64) -> io::Result<()> {
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
    pub(super) fn clear(&mut self) -> io::Result<()> {
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

fn line_of(kind: Kind, row: &Row) -> Line {
    let (change, state, intentions) = match &row.change {
        Change::Create { state, intentions } => ("create", BASE64.encode(state), BASE64.encode(intentions)),
        Change::Save { state, intentions } => ("save", BASE64.encode(state), BASE64.encode(intentions)),
        Change::Keep => ("keep", String::new(), String::new()),
        Change::End => ("end", String::new(), String::new()),
    };
    Line {
        kind: kind.name.to_owned(),
        tenant: row.tenant.to_string(),
        key: row.key.clone(),
        owner: row.owner.to_string(),
        token: row.token.0,
        number: row.number,
        change: change.to_owned(),
        state,
        intentions,
        due_us: row.due.map(Timestamp::as_micros),
        links: row.links.clone(),
        events: row.facts.envelopes.iter().map(|envelope| BASE64.encode(envelope)).collect(),
        new_call: row.new_call.as_ref().map(|call| BASE64.encode(wire::new_call_to_wire(call))),
    }
}

fn previous_run_commit(line: &Line) -> Option<PreviousRunCommit> {
    let bytes = |text: &str| BASE64.decode(text).ok().map(Bytes::from);
    let (state, intentions) = (bytes(&line.state)?, bytes(&line.intentions)?);
    let change = match line.change.as_str() {
        "create" => Change::Create { state, intentions },
        "save" => Change::Save { state, intentions },
        "keep" => Change::Keep,
        "end" => Change::End,
        _ => return None,
    };
    let event = |text: &String| contracts::wire::decode_stamped(bytes(text)?).ok();
    let new_call = match &line.new_call {
        Some(text) => Some(wire::new_call_from_wire(Position::START, bytes(text)?).ok()?),
        None => None,
    };
    let row = Row {
        tenant: TenantId::parse(&line.tenant).ok()?,
        key: line.key.clone(),
        owner: line.owner.parse().ok()?,
        token: Token(line.token),
        change,
        due: line.due_us.map(Timestamp::from_micros),
        links: line.links.clone(),
        facts: line.events.iter().map(event).collect::<Option<Vec<_>>>()?.into(),
        new_call,
        began_with: None,
        number: line.number,
    };
    Some(PreviousRunCommit { kind: Kind::named(&line.kind)?, row })
}

#[cfg(test)]
mod tests {
    use super::super::row::Facts;
    use super::*;

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
        }
    }

    fn keys(former: &[PreviousRunCommit]) -> Vec<&str> {
        former.iter().map(|former| former.row.key.as_str()).collect()
    }

    #[test]
    fn a_line_that_a_crash_has_torn_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let kind = Kind::named(CALL).unwrap();
        let (mut first, _) = WaitingFile::open(folder.path(), "sip-cluster-1").unwrap();
        first.add(kind, &[commit("a", 10), commit("b", 10)]).unwrap();
        let path = first.path(first.segment());
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        drop(first);
        let (mut second, former) = WaitingFile::open(folder.path(), "sip-cluster-1").unwrap();
        assert_eq!(keys(&former), ["a"]);
        second.add(kind, &[commit("c", 10)]).unwrap();
        drop(second);
        let (_, former) = WaitingFile::open(folder.path(), "sip-cluster-1").unwrap();
        assert_eq!(keys(&former), ["a", "c"]);
        let (_, of_another) = WaitingFile::open(folder.path(), "sip-cluster-11").unwrap();
        assert!(of_another.is_empty());
    }

    #[test]
    fn what_is_handed_in_goes_from_the_disk_while_more_comes() {
        let folder = tempfile::tempdir().unwrap();
        let kind = Kind::named(CALL).unwrap();
        let (mut file, _) = WaitingFile::open(folder.path(), "sip-cluster-1").unwrap();
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
