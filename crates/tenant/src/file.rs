//! The tenant as a YAML file: one declaration gives the check of the file and its published JSON Schema.
//!
//! A file is read into a tree with lines, checked against the declaration, turned into objects, and those are checked
//! against each other. Every fault of every step is reported at once, with line and key.

mod declaration;
mod read;
mod rules;
mod shape;
mod tree;
mod write;

use std::fmt;
use std::path::{Component, Path};

use contracts::provisioning::TenantObjects;

pub use declaration::json_schema;
pub use write::{Exported, write};

/// The largest file that is read, in bytes: a tenant of 10,000 people has about 3 MB.
pub const FILE_MAX: usize = 32 << 20;

/// What is wrong at one place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// The key, as `people[3].agent.skills.Sales`.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            return write!(f, "line {}: {}", self.line, self.reason);
        }
        write!(f, "line {}: {}: {}", self.line, self.key, self.reason)
    }
}

/// All faults of a file, by line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.0.len() == 1 { "fault" } else { "faults" };
        write!(f, "{} {noun} in the tenant's file:", self.0.len())?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

/// Reads a tenant's file. `document` gives the text of an application's file by its path in the tenant's file.
///
/// # Errors
/// Every fault that there is.
pub fn read(text: &str, mut document: impl FnMut(&Path) -> std::io::Result<String>) -> Result<TenantObjects, Faults> {
    if text.len() > FILE_MAX {
        let reason = format!("it has more than {FILE_MAX} bytes");
        return Err(Faults(vec![Fault { line: 1, key: String::new(), reason }]));
    }
    let root = tree::parse(text).map_err(|fault| Faults(vec![fault]))?;
    let mut faults = Vec::new();
    shape::check(&root, &declaration::TENANT, "", &mut faults);
    let mut documents = |path: &str| {
        let path = Path::new(path);
        if path.is_absolute() || path.components().any(|part| matches!(part, Component::ParentDir)) {
            return Err("it leads out of the folder of the tenant's file".to_owned());
        }
        document(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
    };
    let read = read::objects(&root, &mut documents, &mut faults);
    rules::check(&read, &mut faults);
    faults.sort();
    faults.dedup();
    if faults.is_empty() { Ok(read.objects) } else { Err(Faults(faults)) }
}

#[cfg(test)]
mod tests;
