//! That a table takes what its check has shown: nobody of it was made, changed or removed meanwhile.

use std::collections::HashMap;
use std::fmt;

use contracts::provisioning::{FaultCode, ObjectKey};
use infra::Revision;

use super::{ReadTable, TableFault};
use crate::broken_rule::BrokenRule;
use crate::objects::{CallerRights, IndexedTenant, ObjectEdit, StaleObject};

/// What the check of a table has looked at; callers send it back as they got it, as `17-120`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedTable {
    /// The revision of the tenant.
    revision: Revision,
    /// The number of people of the table who were there.
    present: usize,
}

impl fmt::Display for CheckedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.revision.0, self.present)
    }
}

impl CheckedTable {
    /// What a caller has sent back; none for what no check has answered.
    pub fn parse(text: &str) -> Option<Self> {
        let (revision, present) = text.split_once('-')?;
        Some(Self { revision: Revision(revision.parse().ok()?), present: present.parse().ok()? })
    }

    /// What is looked at now.
    pub(super) fn of(edits: &[ObjectEdit], held: &IndexedTenant, rights: Option<&CallerRights>) -> Self {
        let present = edits.iter().filter(|edit| seen(held, rights, &edit.key).is_some()).count();
        Self { revision: held.revision(), present }
    }

    /// Binds the edits of a table to the people as they were at its check. Those who are not as they were then are faults.
    pub(super) fn bind(
        self,
        read: &mut ReadTable,
        held: &IndexedTenant,
        rights: Option<&CallerRights>,
    ) -> Vec<TableFault> {
        let ReadTable { edits, lines, .. } = read;
        let (mut faults, mut same) = (Vec::new(), 0);
        for edit in edits {
            let Some(present) = seen(held, rights, &edit.key) else { continue };
            if present > self.revision {
                faults.push(changed_since(lines.get(&edit.key).copied(), self.revision, present));
            } else {
                same += 1;
                edit.expected = Some(present);
            }
        }
        // Nobody of them has come or changed: then only those can be missing who are gone.
        if faults.is_empty() && same < self.present {
            let words = format!("{} of its people were removed since it was checked", self.present - same);
            faults.push(fault(None, words, self.revision, Revision(0)));
        }
        faults
    }
}

/// The revision of a person; none for who is not there, or hidden from the caller, to whom the rules say no more than that.
fn seen(held: &IndexedTenant, rights: Option<&CallerRights>, key: &ObjectKey) -> Option<Revision> {
    let found = held.found(key).filter(|found| rights.is_none_or(|rights| rights.may_see(*found)))?;
    Some(found.revision)
}

/// Those who have changed between a look at the tenant and the import.
pub(super) fn just_changed(lines: &HashMap<ObjectKey, usize>, stale: Vec<StaleObject>) -> Vec<TableFault> {
    let one = |stale: StaleObject| changed_since(lines.get(&stale.key).copied(), stale.expected, stale.present);
    stale.into_iter().map(one).collect()
}

fn changed_since(line: Option<usize>, expected: Revision, present: Revision) -> TableFault {
    fault(line, "the person was changed since the table was checked".to_owned(), expected, present)
}

fn fault(line: Option<usize>, words: String, expected: Revision, present: Revision) -> TableFault {
    let rule = BrokenRule::new(FaultCode::Stale, words).naming("expected", expected.0.to_string());
    TableFault { line, column: String::new(), rule: rule.naming("present", present.0.to_string()) }
}
