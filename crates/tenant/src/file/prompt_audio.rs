//! Uploaded audio of prompts: its declaration, reading and writing. A file names a recording by its SHA-256; the recording itself is with the
//! tenant, and in its backups.

use contracts::provisioning::{PROMPT_LANGUAGE_BYTES_MAX, PROMPT_LANGUAGES_MAX, Prompt, PromptAudio};

use super::scalar::text as scalar;
use super::shape::Need::{Optional, Required};
use super::shape::{Field, Shape, field};
use super::tree::{Node, list, text};

static LANGUAGE: Shape = Shape::Text { max: PROMPT_LANGUAGE_BYTES_MAX };
static SHA256: Shape = Shape::Text { max: 64 };

static RECORDINGS: Shape = Shape::List {
    of: &Shape::Record(&[
        field("language", Required, &LANGUAGE, "The language, as en or de-AT."),
        field("sha256", Required, &SHA256, "Which uploaded recording: the SHA-256 of its WAV file."),
    ]),
    max: PROMPT_LANGUAGES_MAX,
};

/// The uploaded audio of a prompt.
pub(super) const AUDIO: Field = field(
    "audio",
    Optional,
    &RECORDINGS,
    "Recordings that were uploaded to the tenant, one for each language, first the one that is played where none is asked for. Without any the file is played.",
);

/// The recordings that stand at a prompt.
pub(super) fn recordings(item: &Node) -> Vec<PromptAudio> {
    let one = |item: &Node| Some(PromptAudio { language: text(item, "language")?, sha256: text(item, "sha256")? });
    list(item, "audio").iter().filter_map(one).collect()
}

/// What follows the file of a prompt.
pub(super) fn line(prompt: &Prompt) -> String {
    if prompt.audio.is_empty() {
        return String::new();
    }
    let one =
        |audio: &PromptAudio| format!("{{language: {}, sha256: {}}}", scalar(&audio.language), scalar(&audio.sha256));
    format!(", audio: [{}]", prompt.audio.iter().map(one).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use crate::file::{Faults, read, write};

    const HEAD: &str = "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts:\n  m: m.wav\n";

    #[test]
    fn recordings_come_back_from_an_export_in_their_order() {
        let (first, second) = ("0a".repeat(32), "1b".repeat(32));
        let prompts = format!(
            "{HEAD}  menu: {{file: menu.wav, audio: [{{language: en, sha256: {first}}}, {{language: de-AT, sha256: \"{second}\"}}]}}\n"
        );
        let objects = read(&prompts, |_| Ok(String::new())).expect("a tenant");
        let found: Vec<_> = objects.prompts[1].audio.iter().map(|one| (&*one.language, &*one.sha256)).collect();
        assert_eq!(found, [("en", &*first), ("de-AT", &*second)]);
        assert!(objects.prompts[0].audio.is_empty());
        let again = read(&write(&objects).yaml, |_| Ok(String::new())).expect("what was exported");
        assert_eq!(again.prompts, objects.prompts);
    }

    #[test]
    fn a_language_stands_there_once_and_a_recording_is_named_by_its_digest() {
        let sha256 = "0a".repeat(32);
        let prompts = format!(
            "{HEAD}  menu: {{file: menu.wav, audio: [{{language: en, sha256: {sha256}}}, {{language: EN, sha256: x}}, {{language: a_b, sha256: {sha256}}}]}}\n"
        );
        let Faults(faults) = read(&prompts, |_| Ok(String::new())).expect_err("faults");
        let told: Vec<_> = faults.iter().map(|fault| (&*fault.key, &*fault.rule.words)).collect();
        assert_eq!(
            told,
            [
                ("prompts.menu.audio[1].language", "there is a recording in EN already"),
                ("prompts.menu.audio[1].sha256", "it is no SHA-256: 64 hexadecimal digits in lower case"),
                ("prompts.menu.audio[2].language", "it is no language: letters, digits and dashes, as en or de-AT"),
            ]
        );
    }
}
