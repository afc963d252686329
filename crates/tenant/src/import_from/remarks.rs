//! What a conversion could not take over, line by line.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};

/// The longest value that is shown, in characters.
const SHOWN_MAX: usize = 120;

/// Where something stands in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub file: Arc<str>,
    pub line: usize,
}

/// Something that has no counterpart, or another one than expected.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Remark {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The key.
    pub key: String,
    /// Its value; never a secret.
    pub value: String,
    /// What was done.
    pub done: String,
}

/// The remarks of a conversion, in the order in which they came up. What an inherited line leads to again is there once.
#[derive(Clone, Debug, Default)]
pub struct Remarks {
    list: Vec<Remark>,
    seen: HashSet<Remark>,
}

impl Remarks {
    /// All of them.
    pub fn list(&self) -> &[Remark] {
        &self.list
    }

    pub(super) fn add(&mut self, at: &Spot, key: &str, value: &str, done: impl Into<String>) {
        let remark = Remark {
            file: at.file.to_string(),
            line: at.line,
            key: shown(key),
            value: shown(value),
            done: done.into(),
        };
        if self.seen.insert(remark.clone()) {
            self.list.push(remark);
        }
    }

    /// As a table of Markdown.
    pub fn markdown(&self) -> String {
        let mut text = "| where | key | value | what was done |\n|---|---|---|---|\n".to_owned();
        for Remark { file, line, key, value, done } in &self.list {
            let cells = [format!("{file}:{line}"), key.clone(), value.clone(), done.clone()];
            // Writing to a String cannot fail.
            let _ = writeln!(text, "| {} |", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
        }
        text
    }

    /// As a list of JSON.
    pub fn json(&self) -> Value {
        let one = |remark: &Remark| {
            let Remark { file, line, key, value, done } = remark;
            json!({ "file": file, "line": line, "key": key, "value": value, "done": done })
        };
        self.list.iter().map(one).collect()
    }
}

fn shown(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut shown: String = text.chars().map(plain).take(SHOWN_MAX).collect();
    if text.chars().count() > SHOWN_MAX {
        shown.push('…');
    }
    shown
}
