//! The tenant as a YAML file: one declaration yields the validation of the file and its published JSON Schema.
//!
//! A file is parsed into a tree with line numbers, validated against the declaration and converted to objects, whose references are then
//! checked. Every fault of every step is reported at once, with line and key.

mod access;
mod action_codes;
mod agent_logins;
mod agents;
mod annexes;
mod attributes;
mod campaigns;
mod capacity;
mod client_keys;
mod declaration;
mod dialling;
mod dn_groups;
mod feature_codes;
mod gather;
mod generated;
mod groups;
mod headers;
mod ivr_profiles;
mod location;
mod lookup;
mod object_faults;
mod permissions;
mod pins;
mod prompt_audio;
mod read;
mod rules;
mod salt;
mod scalar;
mod shape;
mod sign_in;
mod statistic_definitions;
mod stir;
mod switches;
mod transactions;
mod tree;
mod trunk_groups;
mod write;

use std::collections::HashSet;
use std::fmt;
use std::path::{Component, Path};

use contracts::provisioning::TenantObjects;

pub use crate::broken_rule::BrokenRule;
pub(crate) use access::{costly_hashes, keep_second_factors};
pub use declaration::json_schema;
pub(crate) use gather::{gathered, into_single, push};
pub use generated::{GENERATED, MadePins, PHONE_PASSWORD_LEAST, fill, short_passwords};
pub(crate) use generated::{fill_within, make_pins, new_password, stored_pins};
pub use object_faults::{ObjectFault, object_faults};
pub(crate) use object_faults::{counted, counted_max};
pub(crate) use pins::PinHashing;
pub(crate) use sign_in::own_host_fault;
pub use write::{Exported, write};

/// The largest file accepted, in bytes: a tenant of 10,000 people has about 3 MB, and one of 150,000 with 400,000 phones and as many places
/// about 150 MB.
pub const FILE_MAX: usize = 512 << 20;

/// A fault at one place of the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// The key, as `people[3].agent.skills.Sales`.
    pub key: String,
    /// The rule that is broken.
    pub rule: BrokenRule,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            return write!(f, "line {}: {}", self.line, self.rule);
        }
        write!(f, "line {}: {}: {}", self.line, self.key, self.rule)
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

/// Access to what a tenant's file refers to, with checks of it: files, and the installation.
pub trait Companions {
    /// The text of an application's file, by its path in the tenant's file.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn document(&mut self, path: &Path) -> std::io::Result<String>;

    /// The faults of an application, each with its line.
    fn application(&mut self, document: &str) -> Vec<String> {
        let _ = document;
        Vec::new()
    }

    /// The groups of agents that an application names as they are written, each with its line.
    fn named_groups(&mut self, document: &str) -> Vec<(u32, String)> {
        let _ = document;
        Vec::new()
    }

    /// Why a prompt cannot be played, and the places searched.
    fn prompt(&mut self, tenant: &str, name: &str) -> Option<String> {
        let _ = (tenant, name);
        None
    }

    /// The host of the installation's issuer, in lower case and without a port, where it is known: no tenant has it.
    fn own_host(&self) -> Option<String> {
        None
    }
}

/// Reads the documents without checking them.
struct Documents<F>(F);

impl<F: FnMut(&Path) -> std::io::Result<String>> Companions for Documents<F> {
    fn document(&mut self, path: &Path) -> std::io::Result<String> {
        self.0(path)
    }
}

/// The result of checking a tenant's file.
#[derive(Clone, Debug)]
pub struct Examined {
    /// The objects that could be read; complete if there are no faults.
    pub objects: Option<TenantObjects>,
    /// Faults of the file itself: it cannot be imported.
    pub faults: Vec<Fault>,
    /// Faults of the applications and prompts that it names. It can be imported, but calls that need them go elsewhere.
    pub warnings: Vec<Fault>,
    /// Settings of the file without effect, or with another one than is expected, and groups that are not there though applications name
    /// them. It can be imported, and only that is missing.
    pub notices: Vec<Fault>,
}

/// Reads a tenant's file, also one of an earlier release, which took names and hashes that no new object may have. `document` returns the text of an application's file by its path in the tenant's file.
///
/// # Errors
/// Every fault found.
pub fn read(text: &str, document: impl FnMut(&Path) -> std::io::Result<String>) -> Result<TenantObjects, Faults> {
    let Examined { objects, faults, .. } = look(text, document);
    match objects {
        Some(objects) if faults.is_empty() => Ok(objects),
        _ => Err(Faults(faults)),
    }
}

/// Reads a file as [`read`] does, and returns what could be read beside every fault.
pub fn look(text: &str, document: impl FnMut(&Path) -> std::io::Result<String>) -> Examined {
    examined(text, &mut Documents(document), GivenRule::Waived)
}

/// Reads a tenant's file and checks the files that it refers to. The answer contains every fault, by line.
pub fn examine(text: &str, companions: &mut impl Companions) -> Examined {
    examined(text, companions, GivenRule::Applies)
}

/// Whether names and hashes must be such as a new object may have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum GivenRule {
    Applies,
    Waived,
}

fn examined(text: &str, companions: &mut impl Companions, names: GivenRule) -> Examined {
    let unreadable = |fault| Examined { objects: None, faults: vec![fault], warnings: Vec::new(), notices: Vec::new() };
    if text.len() > FILE_MAX {
        let rule = BrokenRule::other(format!("it has more than {FILE_MAX} bytes"));
        return unreadable(Fault { line: 1, key: String::new(), rule });
    }
    let root = match tree::parse(text) {
        Ok(root) => root,
        Err(fault) => return unreadable(fault),
    };
    let (mut faults, mut warnings, mut notices) = (Vec::new(), Vec::new(), Vec::new());
    let mut named_groups: Vec<(String, Fault)> = Vec::new();
    shape::check(&root, &declaration::TENANT, "", &mut faults);
    let mut documents = |path: &str, key: String, line: usize, faults: &mut Vec<Fault>| {
        document(path, companions).map_or_else(
            |reason| {
                faults.push(Fault { line, key: key.clone(), rule: BrokenRule::other(reason) });
                String::new()
            },
            |text| {
                let wrong = companions.application(&text).into_iter();
                let rule = |what: String| BrokenRule::other(format!("{path}: {what}"));
                warnings.extend(wrong.map(|what| Fault { line, key: key.clone(), rule: rule(what) }));
                named_groups.extend(companions.named_groups(&text).into_iter().map(|(at, group)| {
                    let what = format!("line {at}: there is no group {group}, so calls for it wait");
                    (group, Fault { line, key: key.clone(), rule: rule(what) })
                }));
                text
            },
        )
    };
    let read = read::objects(&root, &mut documents, &mut faults);
    // It is larger than the objects.
    drop(root);
    rules::check(&read.objects, &read.lines, &mut faults);
    if let Some(own) = companions.own_host() {
        rules::own_host(&read.objects, &read.lines, &own, &mut faults);
    }
    if names == GivenRule::Applies {
        faults.extend(object_faults::name_faults(&read.objects, &read.lines));
        faults.extend(object_faults::hash_faults(&read.objects, &read.lines));
    }
    rules::without_effect(&read.objects, &read.lines, &mut notices);
    let groups: HashSet<&str> = read.objects.agent_groups.iter().map(|group| group.name.as_str()).collect();
    let missing = named_groups.into_iter().filter(|(group, _)| !groups.contains(group.as_str()));
    notices.extend(missing.map(|(_, fault)| fault));
    // What was uploaded is with the tenant, and needs no file.
    for prompt in read.objects.prompts.iter().filter(|prompt| prompt.audio.is_empty()) {
        if let Some(reason) = companions.prompt(&read.objects.tenant.id, &prompt.name) {
            warnings.push(Fault {
                line: read.line_of_prompt(&prompt.name),
                key: format!("prompts.{}", prompt.name),
                rule: BrokenRule::other(reason),
            });
        }
    }
    for list in [&mut faults, &mut warnings, &mut notices] {
        list.sort();
        list.dedup();
    }
    Examined { objects: Some(read.objects), faults, warnings, notices }
}

fn document(path: &str, companions: &mut impl Companions) -> Result<String, String> {
    let path = Path::new(path);
    if path.is_absolute() || path.components().any(|part| matches!(part, Component::ParentDir)) {
        return Err("it leads out of the folder of the tenant's file".to_owned());
    }
    companions.document(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

#[cfg(test)]
mod tests;
