//! What services beside GWS say: which clients listen to it. What it is, whoever has the desk knows.

use model::Timestamp;
use serde_json::Value;

use super::Desk;

/// A channel for what they say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MediaChannel {
    /// Chats.
    Chat,
    /// Work items.
    WorkItem,
    /// Contacts and standard responses.
    Contacts,
}

impl MediaChannel {
    /// Its published name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "/workspace/v3/media/chat",
            Self::WorkItem => "/workspace/v3/media/workitem",
            Self::Contacts => "/workspace/v3/contacts",
        }
    }
}

impl Desk {
    /// Tells the clients that listen to the channel. Returns whether all of them had room for it: who is slow does without.
    pub fn tell_media(&mut self, channel: MediaChannel, message: &Value, now: Timestamp) -> bool {
        let is_told = self.clients.tell_media(channel.name(), message, now);
        self.settle(now);
        is_told
    }
}
