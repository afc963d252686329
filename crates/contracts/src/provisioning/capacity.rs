//! How many interactions of each medium an agent has at a time.

use serde::{Deserialize, Serialize};

/// How many interactions of each medium an agent, or whoever sits at a place, has at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapacityRule {
    /// Its name.
    pub name: String,
    /// The most interactions by their media.
    #[serde(default)]
    pub media: CapacityMedia,
}

/// The most interactions of each medium at a time; none: none of that medium.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CapacityMedia {
    /// Calls.
    pub voice: Option<u32>,
    /// Chats.
    pub chat: Option<u32>,
    /// Messages by e-mail.
    pub email: Option<u32>,
    /// Short messages.
    pub sms: Option<u32>,
    /// Calls with pictures.
    pub video: Option<u32>,
    /// Work without a customer at the other end.
    pub work_item: Option<u32>,
}

impl CapacityRule {
    /// The most calls at a time: none where the rule is about other media alone.
    pub fn calls_max(&self) -> u32 {
        self.media.voice.unwrap_or_default()
    }
}

impl CapacityMedia {
    /// The media with their numbers, by their names in documents.
    pub const fn named(&self) -> [(&'static str, Option<u32>); 6] {
        let Self { voice, chat, email, sms, video, work_item } = *self;
        [("voice", voice), ("chat", chat), ("email", email), ("sms", sms), ("video", video), ("work_item", work_item)]
    }
}
