//! What the new build alone knows: a folder, a skill in it, and host names of the tenant. It is there when the build before starts again, and
//! stays, also where that build edits the tenant itself, and deletes and makes again what it knows.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::editors::EditLoad;
use crate::large_tenant::OTHER_SKILL;
use crate::notes::LoadNotes;
use crate::object_client::{delete, put};
use crate::site::{Build, UpgradeSite};

const FOLDER: &str = "Berlin";
const HOST: &str = "large.trunkline.example";
/// What the build before calls the tenant.
const RENAMED: &str = "Large Company, renamed";
/// A skill that the build before deletes and makes again.
const MADE_AGAIN: &str = "Again";

/// Writes them.
pub fn write(site: &UpgradeSite, load: &EditLoad) -> Result<()> {
    let mut client = load.client(&site.token(Build::New)?)?;
    let folder = put(("folder", FOLDER), &json!({ "path": FOLDER }), &[], Some(0));
    let skill = put(("skill", OTHER_SKILL), &json!({ "folder": FOLDER }), &["folder"], None);
    // Notes of its own: it is no load.
    let hosts = put(("tenant", ""), &json!({ "sign_in": { "hosts": [HOST] } }), &["sign_in.hosts"], None);
    let again = put(("skill", MADE_AGAIN), &json!({ "name": MADE_AGAIN }), &[], Some(0));
    let changes = vec![folder, skill, hosts, again];
    let written = load.wait_for(client.change(changes, "upgrade-later", &LoadNotes::default()))?;
    written.context("nothing is stopped")?;
    Ok(())
}

/// The build before, come back, edits the tenant itself, and deletes and makes again a skill.
pub fn edit_before(site: &UpgradeSite, load: &EditLoad) -> Result<()> {
    let mut client = load.client(&site.token(Build::Old)?)?;
    let rename = put(("tenant", ""), &json!({ "name": RENAMED }), &["name"], None);
    let make = put(("skill", MADE_AGAIN), &json!({ "name": MADE_AGAIN }), &[], Some(0));
    for (changes, request) in
        [(vec![rename, delete(("skill", MADE_AGAIN))], "upgrade-before-1"), (vec![make], "upgrade-before-2")]
    {
        let done = load.wait_for(client.change(changes, request, &LoadNotes::default()))?;
        done.context("nothing is stopped")?;
    }
    Ok(())
}

/// What of it the new build does not tell any more.
pub fn lost(site: &UpgradeSite, load: &EditLoad) -> Result<Vec<String>> {
    let mut client = load.client(&site.token(Build::New)?)?;
    let mut lost = Vec::new();
    let hosts = json!([HOST]);
    for (kind, id, field, expected) in [
        ("folder", FOLDER, "/path", json!(FOLDER)),
        ("skill", OTHER_SKILL, "/folder", json!(FOLDER)),
        ("skill", MADE_AGAIN, "/name", json!(MADE_AGAIN)),
        ("tenant", "", "/name", json!(RENAMED)),
        ("tenant", "", "/sign_in/hosts", hosts),
    ] {
        match load.wait_for(client.object((kind, id), &LoadNotes::default())) {
            Ok(seen) => {
                let seen = seen.context("nothing is stopped")?;
                let document: Value = serde_json::from_str(&seen.json).with_context(|| seen.json.clone())?;
                if document.pointer(field) != Some(&expected) {
                    lost.push(format!("{kind} {id} is {document}"));
                }
            }
            Err(error) => lost.push(format!("{kind} {id}: {error:#}")),
        }
    }
    Ok(lost)
}

/// A tenant's file without them, as docs/upgrading.md tells whoever goes back.
pub fn taken_out(file: &str) -> String {
    let mut text = String::new();
    let mut is_of_folders = false;
    for line in file.lines() {
        is_of_folders = line == "folders:" || (is_of_folders && line.starts_with(' '));
        if !is_of_folders {
            text.push_str(&line.replace(&format!(", hosts: [{HOST}]"), ""));
            text.push('\n');
        }
    }
    text.replace(&format!("{{name: {OTHER_SKILL}, folder: {FOLDER}}}"), OTHER_SKILL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_build_before_does_not_know_is_taken_out_of_a_file() {
        let file =
            "skills: [Sales, {name: Support, folder: Berlin}]\n\nfolders:\n  - {path: Berlin}\n\nroles:\n  - x\n";
        assert_eq!(taken_out(file), "skills: [Sales, Support]\n\n\nroles:\n  - x\n");
        let rules = "sign_in: {upstream: {name: X}, hosts: [large.trunkline.example]}\n";
        assert_eq!(taken_out(rules), "sign_in: {upstream: {name: X}}\n");
        assert_eq!(taken_out("skills: [Sales]\n"), "skills: [Sales]\n");
    }
}
