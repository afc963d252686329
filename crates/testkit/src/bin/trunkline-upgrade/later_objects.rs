//! What the new build alone knows: a folder, and a skill in it. It is there when the build before starts again, and stays.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::editors::EditLoad;
use crate::large_tenant::OTHER_SKILL;
use crate::notes::LoadNotes;
use crate::object_client::put;
use crate::site::{Build, UpgradeSite};

const FOLDER: &str = "Berlin";

/// Writes them.
pub fn write(site: &UpgradeSite, load: &EditLoad) -> Result<()> {
    let mut client = load.client(&site.token(Build::New)?)?;
    let folder = put(("folder", FOLDER), &json!({ "path": FOLDER }), &[], Some(0));
    let skill = put(("skill", OTHER_SKILL), &json!({ "folder": FOLDER }), &["folder"], None);
    // Notes of its own: it is no load.
    let written = load.wait_for(client.change(vec![folder, skill], "upgrade-later", &LoadNotes::default()))?;
    written.context("nothing is stopped")?;
    Ok(())
}

/// What of it the new build does not tell any more.
pub fn lost(site: &UpgradeSite, load: &EditLoad) -> Result<Vec<String>> {
    let mut client = load.client(&site.token(Build::New)?)?;
    let mut lost = Vec::new();
    for (kind, id, field) in [("folder", FOLDER, "path"), ("skill", OTHER_SKILL, "folder")] {
        match load.wait_for(client.object((kind, id), &LoadNotes::default())) {
            Ok(seen) => {
                let seen = seen.context("nothing is stopped")?;
                let document: Value = serde_json::from_str(&seen.json).with_context(|| seen.json.clone())?;
                if document[field] != FOLDER {
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
            text.push_str(line);
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
        assert_eq!(taken_out("skills: [Sales]\n"), "skills: [Sales]\n");
    }
}
