//! Uploaded audio of prompts: which recording is played in which language.

use serde::{Deserialize, Serialize};

use super::Prompt;

/// The most languages of a prompt.
pub const PROMPT_LANGUAGES_MAX: usize = 32;
/// The longest name of a language, in bytes: a language tag (RFC 5646) of common length.
pub const PROMPT_LANGUAGE_BYTES_MAX: usize = 35;
/// Hexadecimal digits of a SHA-256.
const SHA256_DIGITS: usize = 64;

/// A recording of a prompt in one language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptAudio {
    /// The language, as `en` or `de-AT`.
    pub language: String,
    /// Which recording of the tenant it is: the SHA-256 of its WAV file, in lower-case hexadecimal digits.
    pub sha256: String,
}

impl PromptAudio {
    /// Whether that can name a language: letters, digits and dashes.
    pub fn is_language(text: &str) -> bool {
        (1..=PROMPT_LANGUAGE_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-')
    }

    /// Whether that can name a recording. It is also the name of a file, so nothing else may be in it.
    pub fn is_sha256(text: &str) -> bool {
        text.len() == SHA256_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    }
}

impl Prompt {
    /// A prompt of which nothing was uploaded.
    pub const fn of_file(name: String, file: String) -> Self {
        Self { name, file, audio: Vec::new() }
    }

    /// The recording that is played in a language: that of the language, of `de` where there is none of `de-AT`, else the first.
    pub fn audio_in(&self, language: Option<&str>) -> Option<&PromptAudio> {
        let of = |wanted: &str| self.audio.iter().find(|audio| audio.language.eq_ignore_ascii_case(wanted));
        let mut wanted = language;
        while let Some(tag) = wanted {
            if let Some(found) = of(tag) {
                return Some(found);
            }
            wanted = tag.rsplit_once('-').map(|(wider, _)| wider);
        }
        self.audio.first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_found_by_itself_then_by_what_it_belongs_to_then_comes_the_first() {
        let one = |language: &str| PromptAudio { language: language.to_owned(), sha256: language.repeat(3) };
        let mut prompt = Prompt::of_file("menu".to_owned(), "menu.wav".to_owned());
        assert_eq!(prompt.audio_in(Some("de")), None);
        prompt.audio = vec![one("en"), one("de"), one("de-CH")];
        let played =
            |asked: Option<&str>| prompt.audio_in(asked).map(|audio| audio.language.clone()).unwrap_or_default();
        for (asked, language) in [
            (None, "en"),
            (Some("de"), "de"),
            (Some("DE-ch"), "de-CH"),
            (Some("de-AT-1996"), "de"),
            (Some("fr"), "en"),
            (Some(""), "en"),
        ] {
            assert_eq!(played(asked), language, "{asked:?}");
        }
    }

    #[test]
    fn what_is_no_language_and_no_digest_is_told_apart() {
        assert!(PromptAudio::is_language("en") && PromptAudio::is_language("zh-Hant-TW"));
        for text in ["", "-en", "en-", "en_US", "../x", &"a".repeat(36)] {
            assert!(!PromptAudio::is_language(text), "{text}");
        }
        assert!(PromptAudio::is_sha256(&"0a".repeat(32)));
        for text in ["", &"0A".repeat(32), &"0a".repeat(31), &"..".repeat(32)] {
            assert!(!PromptAudio::is_sha256(text), "{text}");
        }
    }

    #[test]
    fn what_an_earlier_release_has_written_has_no_audio() {
        let prompt: Prompt = serde_json::from_str(r#"{"name":"menu","file":"menu.wav"}"#).unwrap();
        assert_eq!(prompt, Prompt::of_file("menu".to_owned(), "menu.wav".to_owned()));
    }
}
