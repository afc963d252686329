//! Commits that wait for Redis, in a file too: a process that dies meanwhile hands them in when it is started again.
//!
//! A line for each commit, JSON with what is bytes in base64; a line that a crash has torn is dropped. The disk is not made to write: what
//! waits outlives the process. The file is empty where nothing waits.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use infra::{Change, Position, wire};
use model::{TenantId, Timestamp, Token};
use serde::{Deserialize, Serialize};

use super::ledgers::{Kind, Row};

/// The file of one client.
#[derive(Debug)]
pub(super) struct WaitingFile {
    path: PathBuf,
    /// Open as long as something waits.
    file: Option<File>,
}

/// A commit of a former life of the process.
pub(super) struct Former {
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
    /// The file of a node, and what a former life has left in it.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn open(folder: &Path, node: &str) -> io::Result<(Self, Vec<Former>)> {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("{node}.jsonl"));
        let former = if path.exists() { read(&path)? } else { Vec::new() };
        Ok((Self { path, file: None }, former))
    }

    /// Adds commits behind those that wait.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn add(&mut self, kind: Kind, rows: &[Row]) -> io::Result<()> {
        let mut lines = Vec::new();
        for row in rows {
            serde_json::to_writer(&mut lines, &line_of(kind, row))?;
            lines.push(b'\n');
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(OpenOptions::new().create(true).append(true).open(&self.path)?),
        };
        file.write_all(&lines)
    }

    /// Nothing waits any more.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.file = None;
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<Former>> {
    let mut former = Vec::new();
    for line in BufReader::new(File::open(path)?).split(b'\n') {
        let line = line?;
        match serde_json::from_slice::<Line>(&line).ok().and_then(|line| former_of(&line)) {
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
        events: row.events.iter().map(|event| BASE64.encode(contracts::wire::encode_stamped(event))).collect(),
        new_call: row.new_call.as_ref().map(|call| BASE64.encode(wire::new_call_to_wire(call))),
    }
}

fn former_of(line: &Line) -> Option<Former> {
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
        events: line.events.iter().map(event).collect::<Option<Vec<_>>>()?,
        new_call,
        began_with: None,
        number: line.number,
    };
    Some(Former { kind: Kind::named(&line.kind)?, row })
}
