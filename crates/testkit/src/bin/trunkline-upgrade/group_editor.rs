//! The load on groups of agents. The build before has them as documents in one table, which this build has in a table of their kind: whatever
//! the one writes the other reads.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use crate::large_tenant::user;
use crate::notes::LoadNotes;
use crate::object_client::{ObjectClient, put};

/// The kind of the objects that are edited.
pub const AGENT_GROUP: &str = "agent_group";
/// The groups, which are edited one after the other.
const GROUPS: u64 = 12;
/// The agents of each, and among how many people they are.
const AGENTS: u32 = 3;
const PEOPLE: u64 = 100;
/// Between two edits.
const PAUSE: Duration = Duration::from_millis(100);

/// An edit that has been sent, or is about to be.
#[derive(Clone, Debug)]
struct GroupEdit {
    name: String,
    agents: Vec<String>,
    request: String,
}

/// An administrator who gives groups other agents.
#[derive(Default)]
pub struct GroupEditor {
    made: u64,
    /// An edit of which nobody knows whether it was carried out: it is sent again under its key.
    pending: Option<GroupEdit>,
    acknowledged: BTreeMap<String, Vec<String>>,
}

impl GroupEditor {
    /// Edits until the load ends, or an edit is broken off.
    pub async fn work(&mut self, client: &mut ObjectClient, notes: &LoadNotes) -> Result<()> {
        while !notes.has_ended() && self.turn(client, notes).await? {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// The agents of each group, as they were acknowledged last.
    pub const fn acknowledged(&self) -> &BTreeMap<String, Vec<String>> {
        &self.acknowledged
    }

    /// An edit. False if it was broken off.
    async fn turn(&mut self, client: &mut ObjectClient, notes: &LoadNotes) -> Result<bool> {
        let pending = self.pending.take();
        let edit = pending.unwrap_or_else(|| self.next());
        let document = json!({ "name": edit.name, "agents": edit.agents });
        let change = put((AGENT_GROUP, &edit.name), &document, &[], None);
        let answer = client.change(vec![change], &edit.request, notes).await;
        if answer.with_context(|| format!("{edit:?}"))?.is_none() {
            self.pending = Some(edit);
            return Ok(false);
        }
        self.acknowledged.insert(edit.name, edit.agents);
        Ok(true)
    }

    fn next(&mut self) -> GroupEdit {
        let number = self.made;
        self.made += 1;
        let first = u32::try_from(number.wrapping_mul(7) % PEOPLE).unwrap_or_default();
        GroupEdit {
            name: format!("Group {}", number % GROUPS),
            agents: (first..first + AGENTS).map(user).collect(),
            request: format!("upgrade-group-{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_is_edited_again_has_other_agents() {
        let mut editor = GroupEditor::default();
        let edits: Vec<GroupEdit> = (0..2 * GROUPS).map(|_| editor.next()).collect();
        let (first, again) = edits.split_at(usize::try_from(GROUPS).unwrap());
        for (one, other) in first.iter().zip(again) {
            assert_eq!(one.name, other.name);
            assert!(one.agents != other.agents && one.request != other.request, "{one:?} {other:?}");
        }
    }
}
