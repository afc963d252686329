//! What one webhook did not take, oldest first, bounded.

use std::collections::VecDeque;

use contracts::v1;
use model::Timestamp;

use super::deliveries::{Dead, WebhookMessage};

/// The most dead letters of a webhook.
pub(super) const DEAD_MAX: usize = 1_000;
/// The most bytes of them.
pub(super) const DEAD_BYTES_MAX: usize = 4 << 20;
/// The longest reason that is kept, in bytes.
const WHY_BYTES_MAX: usize = 512;
/// The version of the record.
const VERSION: u32 = 1;

/// The dead letters of one webhook.
#[derive(Debug, Default)]
pub(super) struct DeadLetters {
    letters: VecDeque<Dead>,
    bytes: usize,
    dropped: u64,
}

impl DeadLetters {
    /// Adds one; the oldest go if there are too many.
    pub fn add(&mut self, mut dead: Dead) {
        let end = (0..=WHY_BYTES_MAX.min(dead.why.len())).rev().find(|at| dead.why.is_char_boundary(*at));
        dead.why.truncate(end.unwrap_or_default());
        self.bytes += dead.message.body.len();
        self.letters.push_back(dead);
        while self.letters.len() > DEAD_MAX || (self.bytes > DEAD_BYTES_MAX && self.letters.len() > 1) {
            let Some(gone) = self.letters.pop_front() else { return };
            self.bytes -= gone.message.body.len();
            self.dropped += 1;
        }
    }

    #[cfg(test)]
    pub fn iter(&self) -> impl Iterator<Item = &Dead> {
        self.letters.iter()
    }

    #[cfg(test)]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Takes out those of these identities; all if none is named.
    pub fn take(&mut self, ids: &[String]) -> Vec<Dead> {
        let is_meant = |dead: &Dead| ids.is_empty() || ids.contains(&dead.message.id);
        let (taken, left): (Vec<Dead>, Vec<Dead>) = std::mem::take(&mut self.letters).into_iter().partition(is_meant);
        self.bytes = left.iter().map(|dead| dead.message.body.len()).sum();
        self.letters = left.into();
        taken
    }

    /// With those that are leaving, but are not kept elsewhere yet.
    pub fn snapshot(&self, webhook: &str, leaving: &[Dead]) -> v1::WebhookDeadLettersRecord {
        let message = |dead: &Dead| v1::WebhookMessage {
            id: dead.message.id.clone(),
            lane: dead.message.lane.clone(),
            body: dead.message.body.clone(),
            attempts: dead.attempts,
            due_us: 0,
            dead_at_us: dead.at.as_micros(),
            error: dead.why.clone(),
        };
        v1::WebhookDeadLettersRecord {
            version: VERSION,
            webhook: webhook.to_owned(),
            messages: leaving.iter().chain(&self.letters).map(message).collect(),
            dropped: self.dropped,
        }
    }

    pub fn restore(record: v1::WebhookDeadLettersRecord) -> Self {
        let mut dead = Self { dropped: record.dropped, ..Self::default() };
        for message in record.messages {
            dead.add(Dead {
                message: WebhookMessage { id: message.id, lane: message.lane, body: message.body },
                attempts: message.attempts,
                at: Timestamp::from_micros(message.dead_at_us),
                why: message.error,
            });
        }
        dead
    }
}
