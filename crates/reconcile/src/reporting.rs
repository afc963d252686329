//! Reads the reporting log: files of JSON lines, or topics of Kafka.

mod kafka;

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::fact::Fact;

const TOPICS: [&str; 2] = ["voice-callthread", "voice-agentstate"];

/// Place of the reporting log.
pub enum Source {
    Files(Files),
    Kafka(kafka::Topics),
}

impl Source {
    /// Reads from now on: from Kafka if its brokers are named, else from the data directory.
    pub fn from_now(data_dir: &Path, brokers: Option<&str>) -> Result<Self> {
        Ok(match brokers {
            Some(brokers) => Self::Kafka(kafka::Topics::from_now(brokers)?),
            None => Self::Files(Files::from_now(data_dir)?),
        })
    }

    /// Reads the records written since.
    pub fn read_on(&mut self) -> Result<()> {
        match self {
            Self::Files(files) => files.read_on(),
            Self::Kafka(topics) => topics.read_on(),
        }
    }

    /// The records read so far.
    pub const fn log(&self) -> &Log {
        match self {
            Self::Files(files) => &files.log,
            Self::Kafka(topics) => &topics.log,
        }
    }
}

/// A summary of a finished call thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    pub ani: String,
    pub outcome: String,
    /// Consultations, transfers and conferences: what, by whom, to whom.
    pub moves: Vec<(String, String, String)>,
}

/// The records of the log after the start.
#[derive(Default)]
pub struct Log {
    /// Facts by their ids; repeats of a restarted exporter count once.
    pub facts: HashMap<String, Fact>,
    /// Facts whose repeats differ.
    pub changed: Vec<String>,
    /// Summaries by their ids.
    pub threads: HashMap<String, Thread>,
    /// Lines that are no JSON.
    pub malformed: usize,
}

/// Reads the log's files as they grow.
pub struct Files {
    folder: PathBuf,
    /// How far each file has been read, in bytes.
    read: BTreeMap<PathBuf, u64>,
    pub log: Log,
}

impl Files {
    /// Reads from now on: existing records are skipped.
    pub fn from_now(data_dir: &Path) -> Result<Self> {
        let mut reader = Self { folder: data_dir.join("reporting"), read: BTreeMap::new(), log: Log::default() };
        for file in reader.files()? {
            let length = std::fs::metadata(&file)?.len();
            reader.read.insert(file, length);
        }
        Ok(reader)
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for topic in TOPICS {
            // A topic without facts has no folder yet.
            let Ok(entries) = std::fs::read_dir(self.folder.join(topic)) else { continue };
            for entry in entries {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "jsonl") {
                    files.push(path);
                }
            }
        }
        Ok(files)
    }

    /// Reads the lines written since; half a line is left for the next time.
    pub fn read_on(&mut self) -> Result<()> {
        for path in self.files()? {
            let at = self.read.entry(path.clone()).or_default();
            let mut file = BufReader::new(std::fs::File::open(&path).with_context(|| path.display().to_string())?);
            file.seek(SeekFrom::Start(*at))?;
            let mut line = Vec::new();
            while file.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
                *at += line.len() as u64;
                self.log.take(&line);
                line.clear();
            }
        }
        Ok(())
    }
}

impl Log {
    /// Adds one line.
    pub fn take(&mut self, line: &[u8]) {
        let Ok(event) = serde_json::from_slice::<Value>(line) else {
            self.malformed += 1;
            return;
        };
        if event["type"] == "CallThread" {
            let text = |key: &str| event["data"][key].as_str().unwrap_or_default().to_owned();
            let id = event["id"].as_str().unwrap_or_default().to_owned();
            let moves = event["data"]["Moves"].as_array().into_iter().flatten().map(|step| {
                let text = |key: &str| step[key].as_str().unwrap_or_default().to_owned();
                (text("Move").to_ascii_lowercase(), text("By"), text("To"))
            });
            let thread = Thread { ani: text("ANI"), outcome: text("Outcome"), moves: moves.collect() };
            self.threads.insert(id, thread);
        } else if let Some(fact) = Fact::of_log(&event)
            && let Some(before) = self.facts.insert(fact.id.clone(), fact.clone())
            && before != fact
        {
            self.changed.push(fact.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn only_what_is_written_later_is_read_and_half_a_line_waits() {
        let folder = std::env::temp_dir().join(format!("trunkline-reconcile-{}", std::process::id()));
        let topic = folder.join("reporting/voice-callthread");
        std::fs::create_dir_all(&topic).unwrap();
        let path = topic.join("2026-01-01.jsonl");
        let line = |n: u32| {
            format!(
                "{{\"id\":\"thread:{n}\",\"type\":\"CallThread\",\"data\":{{\"ANI\":\"+1\",\"Outcome\":\"answered\"}}}}\n"
            )
        };
        std::fs::write(&path, line(1)).unwrap();
        let mut reader = Files::from_now(&folder).unwrap();
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        let third = line(3);
        write!(file, "{}{}", line(2), &third[..20]).unwrap();
        reader.read_on().unwrap();
        assert_eq!(reader.log.threads.keys().collect::<Vec<_>>(), ["thread:2"]);
        write!(file, "{}", &third[20..]).unwrap();
        reader.read_on().unwrap();
        assert_eq!((reader.log.threads.len(), reader.log.malformed), (2, 0));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
