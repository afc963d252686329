//! The rows of prompts, which name uploaded recordings.

use contracts::provisioning::{Prompt, PromptAudio};
use infra::{Result, StoreError};

use super::Row;

/// The prompt of a row.
pub(super) fn prompt(row: &Row) -> Result<Prompt> {
    let told = row.text("audio")?;
    let audio: Vec<PromptAudio> =
        if told.is_empty() { Vec::new() } else { serde_json::from_str(&told).map_err(|error| damaged(&error))? };
    Ok(Prompt { name: row.text("name")?, file: row.text("file")?, audio })
}

/// The recordings that a prompt names, as its row has them.
pub(super) fn stored(audio: &[PromptAudio]) -> String {
    if audio.is_empty() { String::new() } else { serde_json::to_string(audio).unwrap_or_default() }
}

fn damaged(reason: &serde_json::Error) -> StoreError {
    StoreError::Corrupt { what: "table prompt".to_owned(), reason: reason.to_string() }
}
