//! Treatments: audio for a caller who waits on a route point, or for one party of a call (`docs/applications.md`, `docs/requests.md`).

use crate::id::ConnId;

/// Audio for a waiting caller, and digits to collect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Treatment {
    /// Plays prompts one after the other, then ends.
    PlayAnnouncement {
        /// Names of prompts.
        prompts: Vec<String>,
    },
    /// Music until it is stopped or the time is up.
    Music {
        /// The prompt.
        resource: String,
        /// How long, in milliseconds; none means until stopped.
        duration_ms: Option<u64>,
    },
    /// Plays prompts that a digit interrupts, then collects digits.
    PlayAndCollect {
        /// Names of prompts.
        prompts: Vec<String>,
        /// How many digits end it.
        max_digits: u8,
        /// How long to wait for the first digit after the prompts, in milliseconds.
        first_digit_timeout_ms: u64,
        /// How long to wait between digits, in milliseconds.
        inter_digit_timeout_ms: u64,
        /// A digit that ends it early and is not part of the result.
        terminator: Option<char>,
        /// Whether the digits are a secret: the tenant's application is told them, and nobody else.
        secret: bool,
    },
    /// The caller hears itself.
    Echo,
    /// The tone of a ringing phone.
    RingBack,
    /// The tone of a busy number.
    Busy,
    /// The tone of lines that are all taken.
    FastBusy,
    /// Nothing.
    Silence,
    /// Plays prompts and a beep, then records the party: an announcement that later treatments play by its id.
    RecordUserAnnouncement {
        /// Names of prompts.
        prompts: Vec<String>,
        /// The key that ends it; none means that no key does.
        terminator: Option<char>,
        /// The silence after speech that ends it, in milliseconds; none means that no silence does.
        silence_ms: Option<u64>,
        /// How long it lasts at most, in milliseconds.
        max_ms: u64,
    },
    /// Deletes a recorded announcement.
    DeleteUserAnnouncement {
        /// Its id.
        announcement: String,
    },
}

impl Treatment {
    /// The most prompts that one treatment may name.
    pub const PROMPTS_MAX: usize = 32;
    /// The longest name of a prompt, in bytes: it is that of a file, with the `{Key}`s that are completed when it is played.
    pub const PROMPT_BYTES_MAX: usize = 255;
    /// The longest wait for a digit, in milliseconds: nobody types for ten minutes.
    pub const DIGIT_TIMEOUT_MS_MAX: u64 = 600_000;
    /// The longest time for which music is requested, in milliseconds: no call lasts longer than twelve hours.
    pub const DURATION_MS_MAX: u64 = 12 * 3_600_000;
    /// The shortest, in milliseconds: music requested for no time at all still has a beginning and an end.
    pub const DURATION_MS_MIN: u64 = 100;
    /// The longest recording, in milliseconds: an announcement of three minutes tires everybody, and takes 3 MB.
    pub const RECORD_MS_MAX: u64 = 180_000;
    /// The shortest limit of a recording, in milliseconds: a word takes as long.
    pub const RECORD_MS_MIN: u64 = 1_000;
    /// The limit of a recording for which none is requested, in milliseconds.
    pub const RECORD_MS: u64 = 60_000;
    /// The shortest silence that ends a recording, in milliseconds: people pause between sentences.
    pub const RECORD_SILENCE_MS_MIN: u64 = 500;
    /// The longest, in milliseconds.
    pub const RECORD_SILENCE_MS_MAX: u64 = 30_000;
    /// The one that ends a recording for which none is requested, in milliseconds.
    pub const RECORD_SILENCE_MS: u64 = 3_000;
    /// The longest id of a recorded announcement, in bytes.
    pub const ANNOUNCEMENT_BYTES_MAX: usize = 64;

    /// The names of the prompts played.
    pub fn prompts(&self) -> &[String] {
        match self {
            Self::PlayAnnouncement { prompts }
            | Self::PlayAndCollect { prompts, .. }
            | Self::RecordUserAnnouncement { prompts, .. } => prompts,
            Self::Music { resource, .. } => std::slice::from_ref(resource),
            Self::Echo
            | Self::RingBack
            | Self::Busy
            | Self::FastBusy
            | Self::Silence
            | Self::DeleteUserAnnouncement { .. } => &[],
        }
    }

    /// Limits the treatment's times to the ranges above.
    #[must_use]
    pub fn clamped(mut self) -> Self {
        match &mut self {
            Self::Music { duration_ms: Some(ms), .. } => {
                *ms = (*ms).clamp(Self::DURATION_MS_MIN, Self::DURATION_MS_MAX)
            }
            Self::PlayAndCollect { first_digit_timeout_ms, inter_digit_timeout_ms, .. } => {
                for ms in [first_digit_timeout_ms, inter_digit_timeout_ms] {
                    *ms = (*ms).min(Self::DIGIT_TIMEOUT_MS_MAX);
                }
            }
            Self::RecordUserAnnouncement { silence_ms, max_ms, .. } => {
                *max_ms = (*max_ms).clamp(Self::RECORD_MS_MIN, Self::RECORD_MS_MAX);
                let silence = silence_ms.map(|ms| ms.clamp(Self::RECORD_SILENCE_MS_MIN, Self::RECORD_SILENCE_MS_MAX));
                *silence_ms = silence;
            }
            _ => {}
        }
        self
    }

    /// The same, whose digits are a secret if it collects any.
    #[must_use]
    pub fn in_secret(mut self) -> Self {
        if let Self::PlayAndCollect { secret, .. } = &mut self {
            *secret = true;
        }
        self
    }

    /// Whether it collects digits that are a secret.
    pub const fn is_secret(&self) -> bool {
        matches!(self, Self::PlayAndCollect { secret: true, .. })
    }

    /// Whether it records the party.
    pub const fn records(&self) -> bool {
        matches!(self, Self::RecordUserAnnouncement { .. })
    }

    /// The id of what the treatment of that number records in a call. It is also the name of a prompt.
    pub fn announcement_id(call: ConnId, number: u32) -> String {
        format!("{ANNOUNCEMENT}{call}-{number}")
    }

    /// Whether a recorded announcement can have this id.
    pub fn is_announcement_id(text: &str) -> bool {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        text.len() <= Self::ANNOUNCEMENT_BYTES_MAX
            && text.strip_prefix(ANNOUNCEMENT).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(is_allowed))
    }
}

/// How the ids of recorded announcements begin.
const ANNOUNCEMENT: &str = "ann-";

/// Digits that are wanted from a party of a call: what is played meanwhile, how many, how long to wait.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DigitsWanted {
    /// Names of prompts; a digit interrupts them.
    pub prompts: Vec<String>,
    /// How many digits end it.
    pub max_digits: u8,
    /// How long to wait for the first digit after the prompts, in milliseconds.
    pub first_digit_timeout_ms: u64,
    /// How long to wait between digits, in milliseconds.
    pub inter_digit_timeout_ms: u64,
    /// A digit that ends it early and is not part of the result.
    pub terminator: Option<char>,
}

impl From<DigitsWanted> for Treatment {
    fn from(wanted: DigitsWanted) -> Self {
        let DigitsWanted { prompts, max_digits, first_digit_timeout_ms, inter_digit_timeout_ms, terminator } = wanted;
        Self::PlayAndCollect {
            prompts,
            max_digits,
            first_digit_timeout_ms,
            inter_digit_timeout_ms,
            terminator,
            secret: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_an_announcement_names_its_call_and_leads_out_of_no_folder() {
        let id = Treatment::announcement_id(ConnId(0x1234), 7);
        assert_eq!(id, "ann-0000000000001234-7");
        assert!(Treatment::is_announcement_id(&id));
        for other in ["", "ann-", "menu", "ann-../keys", "ann-a/b", &format!("ann-{}", "a".repeat(64))] {
            assert!(!Treatment::is_announcement_id(other), "{other}");
        }
    }

    #[test]
    fn the_times_of_a_recording_are_limited() {
        let record = |silence_ms, max_ms| Treatment::RecordUserAnnouncement {
            prompts: Vec::new(),
            terminator: None,
            silence_ms,
            max_ms,
        };
        assert_eq!(record(Some(0), 0).clamped(), record(Some(500), 1_000));
        assert_eq!(record(Some(u64::MAX), u64::MAX).clamped(), record(Some(30_000), 180_000));
        assert_eq!(record(None, 60_000).clamped(), record(None, 60_000));
    }
}
