//! Whether everything is there: every acknowledged edit with its entry in the history, and every snapshot as it was made.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use contracts::v1::ObjectHistoryEntry;
use serde_json::Value;
use testkit::clock::{Micros, SECOND};

use crate::editors::{EditLoad, is_of};
use crate::group_editor::AGENT_GROUP;
use crate::large_tenant::TENANT;
use crate::notes::{AcknowledgedEdit, LoadNotes, WORKS};
use crate::object_client::ObjectClient;
use crate::person_document::differences;
use crate::site::{Build, EDITOR, UpgradeSite};

/// More than any run makes.
const PAGES_MAX: usize = 5_000;

/// No operation waits longer while the tables change.
const ANSWERED_WITHIN: Micros = 10 * SECOND;

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
        let other = differences(&edit.document, &document);
        if !is_at_its_revision(edit, seen.revision) || !other.is_empty() {
            broken.push(format!(
                "{edit:?} is the last of the person, who is {document} at revision {}, otherwise in {other:?}",
                seen.revision
            ));
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

/// Groups of agents that are otherwise than they were acknowledged, and what stands otherwise in the tables of the build before and of this one.
/// The load has ended, and no edit is pending.
pub fn groups(site: &UpgradeSite, build: Build, load: &EditLoad) -> Result<Vec<String>> {
    let mut client = load.client(&site.token(build)?)?;
    let (mut broken, mut expected) = (Vec::new(), Vec::new());
    for (name, agents) in load.groups() {
        let seen = load.wait_for(client.object((AGENT_GROUP, name), &load.notes))?.context("nothing is stopped")?;
        let document: Value = serde_json::from_str(&seen.json)?;
        if document["agents"] != serde_json::json!(agents) {
            broken.push(format!("{agents:?} were acknowledged for {name}, which is {document}"));
        }
        expected.push(format!("{name}: {}", agents.join(" ")));
    }
    let named = site.psql(&format!(
        "select name || ': ' || string_agg(person, ' ' order by nth) from agent_group_agent
         where tenant = '{TENANT}' group by name order by name collate \"C\""
    ))?;
    if named.lines().ne(expected.iter().map(String::as_str)) {
        broken.push(format!("the table agent_group_agent has {named:?}, not {expected:?}"));
    }
    let differ = site.psql(&format!(
        "select count(*) from (select name, document from object_document
             where tenant = '{TENANT}' and kind = '{AGENT_GROUP}') as before
         full join (select name, document from agent_group where tenant = '{TENANT}') as own
         on before.name = own.name and before.document = own.document where before.name is null or own.name is null"
    ))?;
    if differ != "0" {
        broken.push(format!("the tables object_document and agent_group differ in {differ} groups"));
    }
    Ok(broken)
}

/// Whether the person is as the edit has left it, but for imports of what was exported after it.
const fn is_at_its_revision(edit: &AcknowledgedEdit, seen: u64) -> bool {
    seen == edit.revision || (edit.is_imported && seen > edit.revision)
}

/// What was under way between two times and has waited too long.
pub fn waits(notes: &LoadNotes, from: Micros, until: Micros) -> Vec<String> {
    let longest = WORKS.into_iter().map(|work| (work, notes.between(work, from, until).1));
    let too_long = longest.filter(|(_, longest)| *longest > ANSWERED_WITHIN);
    too_long.map(|(work, longest)| format!("{}: {} ms", work.name(), longest.div_ceil(1_000))).collect()
}

/// What a sealed secret begins with, as a regular expression of PostgreSQL.
const SEALED: &str = "^sealed:v1:";
/// Every column that has secrets of objects, with what tells a sealed one.
const SECRETS: [(&str, &str, &str); 6] = [
    ("dn", "password", SEALED),
    ("person", PIN, SEALED),
    ("trunk", "password", SEALED),
    ("trunk", "inbound_password", SEALED),
    ("trunk", UNUSED, SEALED),
    ("tenant", "sign_in", "\"client_secret\":\"sealed:v1:"),
];
/// Of those, the one that no tenant of the run has.
const UNUSED: &str = "stir_private_key";
/// Of those, the one that this build keeps as a hash from the next import on; until then it is sealed.
const PIN: &str = "pin";
const SEALED_OR_HASHED: &str = "^(sealed:v1:|[$]argon2id[$])";

/// Secrets that stand otherwise in the tables than this build leaves them. Snapshots that were sealed once stay so.
pub fn secrets(site: &UpgradeSite, build: Build) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    let count = |table: &str, column: &str, is_closed: &str, of: &str| -> Result<(String, String)> {
        let sql = format!("select count(*) filter (where {column} ~ '{is_closed}'), count(*) from {table} where {of}");
        let counted = site.psql(&sql)?;
        let (closed, all) = counted.split_once('|').with_context(|| counted.clone())?;
        Ok((closed.to_owned(), all.to_owned()))
    };
    for (table, column, is_sealed) in SECRETS {
        let any = if table == "tenant" { "like '%\"client_secret\":\"%'" } else { "<> ''" };
        let is_closed = if column == PIN && build == Build::New { SEALED_OR_HASHED } else { is_sealed };
        let (closed, all) = count(table, column, is_closed, &format!("{column} {any}"))?;
        let expected = if build == Build::New { all.as_str() } else { "0" };
        if closed != expected || (all == "0" && column != UNUSED) {
            wrong.push(format!("{closed} of {all} in {table}.{column} are closed, not {expected}"));
        }
    }
    if build == Build::New {
        let (sealed, all) = count("tenant_snapshot", "file", SEALED, "true")?;
        if sealed != all || all == "0" {
            wrong.push(format!("{sealed} of {all} snapshots are sealed"));
        }
    }
    Ok(wrong)
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
            [entry] if is_of(edit, entry) => {}
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

/// A snapshot as it was made.
struct KeptSnapshot {
    name: String,
    file: String,
    /// Only the new build can read it, as the table says.
    is_sealed: bool,
}

/// The snapshots of the generated tenant, with what they have.
#[derive(Default)]
pub struct Snapshots {
    kept: Vec<KeptSnapshot>,
}

impl Snapshots {
    /// A build makes one.
    pub fn make(&mut self, site: &UpgradeSite, build: Build, name: &str) -> Result<()> {
        site.said(build, &["tenant", "snapshot", "create", TENANT, name])?;
        let file = shown(site, build, name)?;
        ensure!(!file.is_empty(), "the snapshot {name} is empty");
        self.kept.push(KeptSnapshot { name: name.to_owned(), file, is_sealed: false });
        self.look_which_are_sealed(site)
    }

    /// A build may have sealed those that were in clear.
    pub fn look_which_are_sealed(&mut self, site: &UpgradeSite) -> Result<()> {
        let sql = format!(
            "select name from tenant_snapshot where tenant = '{TENANT}' and file like 'sealed:v1:%' order by name"
        );
        let sealed = site.psql(&sql)?;
        let is_sealed = |name: &str| sealed.lines().any(|line| line == name);
        self.kept.iter_mut().for_each(|kept| kept.is_sealed = is_sealed(&kept.name));
        Ok(())
    }

    /// Those that this build shows otherwise than they were made.
    pub fn lost(&self, site: &UpgradeSite, build: Build) -> Vec<String> {
        let is_readable = |kept: &&KeptSnapshot| build == Build::New || !kept.is_sealed;
        let fault = |KeptSnapshot { name, file, .. }: &KeptSnapshot| match shown(site, build, name) {
            Ok(shown) if shown == *file => None,
            Ok(_) => Some(format!("the {build:?} build shows another snapshot {name} than was made")),
            Err(error) => Some(format!("{error:#}")),
        };
        self.kept.iter().filter(is_readable).filter_map(fault).collect()
    }

    /// How many there are.
    pub const fn count(&self) -> usize {
        self.kept.len()
    }
}

/// A snapshot with its secrets in clear, as the old build shows it anyway.
fn shown(site: &UpgradeSite, build: Build, name: &str) -> Result<String> {
    let show = ["tenant", "snapshot", "show", TENANT, name, "--reveal-secrets"];
    let known = if build == Build::New { show.len() } else { show.len() - 1 };
    site.said(build, show.get(..known).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use testkit::clock;

    use super::*;
    use crate::notes::LoadWork;

    fn edit(request: &str, revision: u64) -> AcknowledgedEdit {
        AcknowledgedEdit {
            user: "ann".to_owned(),
            name: "Edit 1".to_owned(),
            revision,
            request: request.to_owned(),
            document: Value::Null,
            is_imported: false,
        }
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
    #[test]
    fn a_wait_of_more_than_ten_seconds_is_told_with_its_operation() {
        let notes = LoadNotes::default();
        notes.done(LoadWork::Look, clock::now());
        assert!(waits(&notes, 0, Micros::MAX).is_empty());
        notes.done(LoadWork::Edit, clock::now().saturating_sub(ANSWERED_WITHIN + SECOND));
        let told = waits(&notes, 0, Micros::MAX);
        assert!(matches!(told.as_slice(), [edit] if edit.starts_with("edit: 11")), "{told:?}");
    }

    #[test]
    fn an_import_alone_moves_a_person_on() {
        let exported = AcknowledgedEdit { is_imported: true, ..edit("a", 2) };
        assert!(is_at_its_revision(&exported, 2) && is_at_its_revision(&exported, 9));
        assert!(!is_at_its_revision(&exported, 1) && !is_at_its_revision(&edit("a", 2), 3));
    }
}
