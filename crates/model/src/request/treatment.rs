//! Treatments: audio for a caller who waits on a route point, or for one party of a call (`docs/applications.md`, `docs/requests.md`).

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

    /// The names of the prompts played.
    pub fn prompts(&self) -> &[String] {
        match self {
            Self::PlayAnnouncement { prompts } | Self::PlayAndCollect { prompts, .. } => prompts,
            Self::Music { resource, .. } => std::slice::from_ref(resource),
            Self::Echo | Self::RingBack | Self::Busy | Self::FastBusy | Self::Silence => &[],
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
            _ => {}
        }
        self
    }
}

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
        Self::PlayAndCollect { prompts, max_digits, first_digit_timeout_ms, inter_digit_timeout_ms, terminator }
    }
}
