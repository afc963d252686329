//! Recordings that were uploaded for the prompts of a tenant, by their content. They go with the tenant; backups have them, and snapshots
//! name them.

use model::{TenantId, Timestamp};

use crate::Answer;

/// A recording.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptAudio {
    /// The SHA-256 of the WAV file, in lower-case hexadecimal digits.
    pub sha256: String,
    /// The WAV file, as media plays it.
    pub wav: Vec<u8>,
}

impl std::fmt::Debug for KeptAudio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeptAudio({}, {} bytes)", self.sha256, self.wav.len())
    }
}

/// Where recordings are kept.
pub trait PromptAudioStore: Send + Sync {
    /// Keeps one; it may be there already. Where there is no room, those go that nothing names ([`Self::forget_audio`]).
    ///
    /// # Errors
    /// [`crate::StoreError::Full`] when there are [`crate::bounds::PROMPT_AUDIO_MAX`] all the same, or they would have more than
    /// [`crate::bounds::PROMPT_AUDIO_BYTES_MAX`]; [`crate::StoreError::Invalid`] when there is no such tenant.
    fn keep_audio<'a>(&'a self, tenant: &'a TenantId, audio: &'a KeptAudio, now: Timestamp) -> Answer<'a, ()>;

    /// Removes those that no prompt, no snapshot and no entry of the history names, and that have been there for
    /// [`crate::bounds::PROMPT_AUDIO_UNNAMED_FOR`]; says how many. A snapshot that cannot be opened may name any.
    fn forget_audio<'a>(&'a self, tenant: &'a TenantId, now: Timestamp) -> Answer<'a, u64>;

    /// One of a tenant.
    fn audio<'a>(&'a self, tenant: &'a TenantId, sha256: &'a str) -> Answer<'a, Option<KeptAudio>>;
}
