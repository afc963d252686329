//! Whether everything is there: every acknowledged edit with its entry in the history, and every snapshot as it was made.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use contracts::v1::ObjectHistoryEntry;
use serde_json::Value;

use crate::editors::EditLoad;
use crate::large_tenant::TENANT;
use crate::notes::AcknowledgedEdit;
use crate::object_client::ObjectClient;
use crate::site::{Build, EDITOR, UpgradeSite};

/// More than any run makes.
const PAGES_MAX: usize = 5_000;

/// The entries of our edits in the history, by their keys.
type EntriesByKey = HashMap<String, Vec<ObjectHistoryEntry>>;

/// What of the acknowledged edits is not there, or is there twice. The load has ended, and no edit is pending.
pub fn edits(site: &UpgradeSite, build: Build, load: &EditLoad) -> Result<Vec<String>> {
    let mut client = load.client(&site.token(build)?)?;
    let told = load.wait_for(history(&mut client, load))?;
    let acknowledged = load.notes.acknowledged();
    let mut broken = in_history(&acknowledged, &told);
    let last: HashMap<&str, &AcknowledgedEdit> = acknowledged.iter().map(|edit| (edit.user.as_str(), edit)).collect();
    for edit in last.into_values() {
        let seen = load.wait_for(client.person(&edit.user, &load.notes))?.context("nothing is stopped")?;
        let document: Value = serde_json::from_str(&seen.json)?;
        if seen.revision != edit.revision || document["last_name"] != edit.name.as_str() {
            broken.push(format!("{edit:?} is the last of the person, who is {document} at revision {}", seen.revision));
        }
    }
    // By another way than the product's own.
    let sql = format!(
        "select count(*), count(distinct request) from change_log where tenant = '{TENANT}' and kind = 'person' and changed_by = '{EDITOR}'"
    );
    let (counted, expected) = (site.psql(&sql)?, format!("{0}|{0}", acknowledged.len()));
    if counted != expected {
        broken.push(format!("the table change_log has {counted} rows and keys of our edits, not {expected}"));
    }
    Ok(broken)
}

async fn history(client: &mut ObjectClient, load: &EditLoad) -> Result<EntriesByKey> {
    let (mut told, mut page_token) = (EntriesByKey::new(), String::new());
    for _ in 0..PAGES_MAX {
        let page = client.history_page(&page_token, &load.notes).await?.context("nothing is stopped")?;
        for entry in page.entries.into_iter().filter(|entry| entry.changed_by == EDITOR) {
            told.entry(entry.request_id.clone()).or_default().push(entry);
        }
        if page.next_page_token.is_empty() {
            return Ok(told);
        }
        ensure!(page.next_page_token != page_token, "the history begins again at {page_token}");
        page_token = page.next_page_token;
    }
    anyhow::bail!("the history has more than {PAGES_MAX} pages")
}

/// What the history lacks of the edits, or has besides.
fn in_history(acknowledged: &[AcknowledgedEdit], told: &EntriesByKey) -> Vec<String> {
    let mut broken = Vec::new();
    for edit in acknowledged {
        match told.get(&edit.request).map(Vec::as_slice).unwrap_or_default() {
            [] => broken.push(format!("{edit:?} was acknowledged and is not in the history")),
            [entry] if entry.id == edit.user && entry.revision == edit.revision && entry.after.contains(&edit.name) => {
            }
            [entry] => broken.push(format!("{edit:?} was acknowledged and stands in the history as {entry:?}")),
            more => broken.push(format!("{edit:?} is {} times in the history", more.len())),
        }
    }
    if told.len() > acknowledged.len() {
        let further = told.len() - acknowledged.len();
        broken.push(format!("the history has {further} edits that nobody was told of"));
    }
    broken
}

/// The snapshots of the generated tenant, with what they have.
#[derive(Default)]
pub struct Snapshots {
    kept: Vec<(String, String)>,
}

impl Snapshots {
    /// A build makes one.
    pub fn make(&mut self, site: &UpgradeSite, build: Build, name: &str) -> Result<()> {
        site.said(build, &["tenant", "snapshot", "create", TENANT, name])?;
        let file = site.said(build, &["tenant", "snapshot", "show", TENANT, name])?;
        ensure!(!file.is_empty(), "the snapshot {name} is empty");
        self.kept.push((name.to_owned(), file));
        Ok(())
    }

    /// Those that this build shows otherwise than they were made.
    pub fn lost(&self, site: &UpgradeSite, build: Build) -> Vec<String> {
        let fault =
            |(name, file): &(String, String)| match site.said(build, &["tenant", "snapshot", "show", TENANT, name]) {
                Ok(shown) if shown == *file => None,
                Ok(_) => Some(format!("the {build:?} build shows another snapshot {name} than was made")),
                Err(error) => Some(format!("{error:#}")),
            };
        self.kept.iter().filter_map(fault).collect()
    }

    /// How many there are.
    pub const fn count(&self) -> usize {
        self.kept.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(request: &str, revision: u64) -> AcknowledgedEdit {
        AcknowledgedEdit { user: "ann".to_owned(), name: "Edit 1".to_owned(), revision, request: request.to_owned() }
    }

    fn told(entries: &[(&str, u64)]) -> EntriesByKey {
        let mut told = EntriesByKey::new();
        for (request, revision) in entries {
            let entry = ObjectHistoryEntry {
                id: "ann".to_owned(),
                revision: *revision,
                after: r#"{"last_name":"Edit 1"}"#.to_owned(),
                request_id: (*request).to_owned(),
                ..ObjectHistoryEntry::default()
            };
            told.entry((*request).to_owned()).or_default().push(entry);
        }
        told
    }

    #[test]
    fn an_edit_is_in_the_history_once_and_at_its_revision() {
        let edits = [edit("a", 2), edit("b", 3)];
        assert!(in_history(&edits, &told(&[("a", 2), ("b", 3)])).is_empty());
        let lost: [&[(&str, u64)]; 4] =
            [&[("a", 2)], &[("a", 2), ("b", 4)], &[("a", 2), ("b", 3), ("b", 4)], &[("a", 2), ("b", 3), ("c", 4)]];
        for entries in lost {
            assert_eq!(in_history(&edits, &told(entries)).len(), 1, "{entries:?}");
        }
    }
}
