//! What must hold for uploaded audio of prompts. Whether a recording is there is no rule: a file may come before it.

use contracts::provisioning::{ObjectKind, PromptAudio};

use super::{BrokenRule, Rules};

impl Rules<'_> {
    pub(super) fn prompt_audio(&mut self) {
        let objects = self.objects;
        for prompt in &objects.prompts {
            let at = format!("prompts.{}.audio", prompt.name);
            for (index, PromptAudio { language, sha256 }) in prompt.audio.iter().enumerate() {
                let mut before = prompt.audio.iter().take(index);
                if !PromptAudio::is_language(language) {
                    let rule = BrokenRule::other("it is no language: letters, digits and dashes, as en or de-AT");
                    self.fault(ObjectKind::Prompt, &prompt.name, format!("{at}[{index}].language"), rule);
                } else if before.any(|other| other.language.eq_ignore_ascii_case(language)) {
                    let rule = BrokenRule::other(format!("there is a recording in {language} already"));
                    self.fault(ObjectKind::Prompt, &prompt.name, format!("{at}[{index}].language"), rule);
                }
                if !PromptAudio::is_sha256(sha256) {
                    let rule = BrokenRule::other("it is no SHA-256: 64 hexadecimal digits in lower case");
                    self.fault(ObjectKind::Prompt, &prompt.name, format!("{at}[{index}].sha256"), rule);
                }
            }
        }
    }
}
