//! One client of a hub: its subscriptions, its connect, and what it has not received yet.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use model::Timestamp;
use serde_json::{Value, json};

use super::{ExchangeId, HubSettings};
use crate::channel::{ChannelName, ChannelPattern};
use crate::client_id::ClientId;
use crate::limits::{ASKED_AGAIN_MAX, HELD_COUNTS_FOR};
use crate::reply::MessageReply;

/// A message for clients, written once.
#[derive(Clone, Debug)]
pub(super) struct QueuedMessage {
    pub(super) channel: ChannelName,
    /// The message as it stands in an answer.
    pub(super) text: Arc<str>,
    pub(super) cursor: Option<u64>,
    pub(super) since: Timestamp,
}

/// A message in an answer of which nobody knows whether it has arrived.
#[derive(Clone, Debug)]
pub(super) struct SentMessage {
    /// The number of the answer.
    pub(super) batch: u64,
    pub(super) message: QueuedMessage,
}

/// A connect that waits for its answer.
#[derive(Clone, Debug)]
pub(super) struct ParkedConnect {
    pub(super) exchange: ExchangeId,
    pub(super) id: Option<Value>,
    /// Replies to the other messages of its batch.
    pub(super) replies: Vec<String>,
    /// Until when it waits for a message.
    pub(super) until: Timestamp,
    pub(super) at_once: bool,
}

/// What a restored client had received before: messages that are published again are compared with it.
#[derive(Clone, Debug)]
pub(super) struct ReceivedBefore {
    pub(super) up_to: u64,
    pub(super) on: Vec<ChannelPattern>,
}

/// The queue is full of messages that the client has subscribed to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Overflowed;

#[derive(Clone, Debug)]
pub(super) struct BayeuxClient {
    pub(super) subscriptions: Vec<ChannelPattern>,
    /// Whether it numbers what it has received.
    pub(super) acknowledges: bool,
    /// Whether it was taken under an id that nobody knew.
    pub(super) is_adopted: bool,
    /// The number of the last answer with messages; from 1.
    pub(super) batch: u64,
    /// What waits, oldest first; what no subscription covers is held.
    pub(super) queue: VecDeque<QueuedMessage>,
    /// What was sent and is not confirmed, oldest first.
    pub(super) sent: VecDeque<SentMessage>,
    /// The exchange whose answer had the last of them.
    sent_in: Option<ExchangeId>,
    /// The id of its last connect.
    last_connect: Option<Value>,
    /// The connects in a row that have asked again for what was sent.
    asked_again: u32,
    /// Bytes of both.
    bytes: usize,
    pub(super) parked: Option<ParkedConnect>,
    /// When it was last known to be there.
    pub(super) heard: Timestamp,
    pub(super) before: Option<ReceivedBefore>,
    /// The time for which the hub has it in its timers.
    pub(super) armed: Option<Timestamp>,
}

impl BayeuxClient {
    pub(super) fn new(acknowledges: bool, now: Timestamp) -> Self {
        Self {
            subscriptions: Vec::new(),
            acknowledges,
            is_adopted: false,
            batch: 0,
            queue: VecDeque::new(),
            sent: VecDeque::new(),
            sent_in: None,
            last_connect: None,
            asked_again: 0,
            bytes: 0,
            parked: None,
            heard: now,
            before: None,
            armed: None,
        }
    }

    /// When something is due: the end of its poll, or of our patience.
    pub(super) fn due(&self, settings: &HubSettings) -> Timestamp {
        self.parked.as_ref().map_or(self.heard + settings.client_idle_max, |parked| parked.until)
    }

    pub(super) fn covers(&self, channel: &ChannelName) -> bool {
        covers(&self.subscriptions, channel)
    }

    /// Whether its connect has an answer.
    pub(super) fn is_answerable(&self) -> bool {
        let waits = |parked: &ParkedConnect| parked.at_once || self.queue.iter().any(|it| self.covers(&it.channel));
        self.parked.as_ref().is_some_and(waits)
    }

    // === What waits ===

    /// Takes a message, unless it was received before. What is held gives way to it, oldest first.
    pub(super) fn take(&mut self, message: QueuedMessage, settings: &HubSettings) -> Result<(), Overflowed> {
        if self.has_received(&message) {
            return Ok(());
        }
        self.add(message);
        while self.is_over(settings) {
            let held = self.queue.iter().position(|waiting| !covers(&self.subscriptions, &waiting.channel));
            let dropped = held.and_then(|at| self.queue.remove(at)).ok_or(Overflowed)?;
            self.forget(&dropped);
        }
        Ok(())
    }

    /// Adds a message to what waits.
    pub(super) fn add(&mut self, message: QueuedMessage) {
        self.bytes = self.bytes.saturating_add(message.text.len());
        self.queue.push_back(message);
    }

    /// Adds a message to what was sent.
    pub(super) fn add_sent(&mut self, sent: SentMessage) {
        self.bytes = self.bytes.saturating_add(sent.message.text.len());
        self.sent.push_back(sent);
    }

    /// Whether a restored client has had a message that is published again.
    fn has_received(&mut self, message: &QueuedMessage) -> bool {
        let (Some(before), Some(cursor)) = (&self.before, message.cursor) else { return false };
        if cursor > before.up_to {
            self.before = None;
            return false;
        }
        covers(&before.on, &message.channel)
    }

    fn is_over(&self, settings: &HubSettings) -> bool {
        self.queue.len() + self.sent.len() > settings.queue_messages_max || self.bytes > settings.queue_bytes_max
    }

    /// Whether less than half of what may wait does.
    pub(super) fn is_below_half(&self, settings: &HubSettings) -> bool {
        (self.queue.len() + self.sent.len()) * 2 < settings.queue_messages_max
            && self.bytes * 2 < settings.queue_bytes_max
    }

    fn forget(&mut self, message: &QueuedMessage) {
        self.bytes = self.bytes.saturating_sub(message.text.len());
    }

    /// Drops what the removed pattern alone has covered.
    pub(super) fn unsubscribe(&mut self, pattern: &ChannelPattern) -> bool {
        let before = self.subscriptions.len();
        self.subscriptions.retain(|taken| taken != pattern);
        let subscriptions = &self.subscriptions;
        let unwanted = |it: &QueuedMessage| pattern.covers(&it.channel) && !covers(subscriptions, &it.channel);
        self.queue.retain(|waiting| !unwanted(waiting));
        self.sent.retain(|sent| !unwanted(&sent.message));
        let (waiting, sent) = (self.queue.iter(), self.sent.iter().map(|sent| &sent.message));
        self.bytes = waiting.chain(sent).map(|message| message.text.len()).sum();
        self.subscriptions.len() < before
    }

    // === What was sent ===

    /// Whether a connect with that id and that time to wait asks again for what the last answer had, which did not arrive. It is the last
    /// connect once more, as servers on the way repeat it; or it does not want to wait, as `CometD` says after one that has failed, and
    /// after those alone.
    pub(super) fn asks_again(&mut self, connect: Option<&Value>, timeout: Option<Duration>) -> bool {
        let is_repeated = connect.is_some() && self.last_connect.as_ref() == connect;
        self.last_connect = connect.cloned();
        let asks_again = is_repeated || timeout.is_some_and(|timeout| timeout.is_zero());
        self.asked_again = if asks_again { self.asked_again.saturating_add(1) } else { 0 };
        (1..=ASKED_AGAIN_MAX).contains(&self.asked_again)
    }

    /// A connect has come. With numbers it confirms what was sent up to its number; without them all, unless it asks for that again. The
    /// rest waits again.
    pub(super) fn confirm(&mut self, acknowledged: Option<u64>, asks_again: bool) {
        let number = acknowledged.filter(|_| self.acknowledges);
        // A number that is ahead of ours is of a hub that has gone on after it was stored.
        self.batch = self.batch.max(number.unwrap_or_default());
        // The first answer has the number 1.
        let up_to = number.unwrap_or(if asks_again { 0 } else { u64::MAX });
        self.sent_in = None;
        while self.sent.front().is_some_and(|sent| sent.batch <= up_to)
            && let Some(sent) = self.sent.pop_front()
        {
            self.forget(&sent.message);
        }
        self.send_again();
    }

    /// The peer of an exchange has left. What its answer had waits again; a client with numbers says itself what it has.
    pub(super) fn hung_up(&mut self, exchange: ExchangeId, now: Timestamp) {
        if self.parked.take_if(|parked| parked.exchange == exchange).is_some() {
            self.heard = now;
        }
        if self.sent_in == Some(exchange) && !self.acknowledges {
            self.sent_in = None;
            self.send_again();
        }
    }

    /// Whether an exchange is its own.
    pub(super) fn is_in(&self, exchange: ExchangeId) -> bool {
        self.sent_in == Some(exchange) || self.parked.as_ref().is_some_and(|parked| parked.exchange == exchange)
    }

    fn send_again(&mut self) {
        while let Some(sent) = self.sent.pop_back() {
            self.queue.push_front(sent.message);
        }
    }

    /// Takes what a subscription covers out of the queue, as sent in an exchange.
    pub(super) fn send(&mut self, exchange: ExchangeId) -> Vec<Arc<str>> {
        let (due, held): (VecDeque<_>, VecDeque<_>) =
            mem::take(&mut self.queue).into_iter().partition(|message| self.covers(&message.channel));
        self.queue = held;
        if !due.is_empty() {
            self.batch = self.batch.saturating_add(1);
            self.sent_in = Some(exchange);
        }
        let texts = due.iter().map(|message| Arc::clone(&message.text)).collect();
        let batch = self.batch;
        self.sent.extend(due.into_iter().map(|message| SentMessage { batch, message }));
        texts
    }

    /// A reply to a connect that was successful.
    pub(super) fn connect_reply(&self, client: &ClientId, id: Option<&Value>, advice: Value) -> String {
        let reply = MessageReply::to("/meta/connect", id).of(client).succeeded().with("advice", advice);
        let batch = self.batch;
        let reply = if self.acknowledges { reply.with("ext", json!({ "ack": batch })) } else { reply };
        reply.write()
    }

    // === What is known to have arrived ===

    /// The greatest cursor up to which all has arrived, of `last` that were published; what is newly held counts as owed.
    pub(super) fn confirmed(&self, last: u64, now: Timestamp) -> u64 {
        let counts = |it: &&QueuedMessage| self.covers(&it.channel) || now.since(it.since) <= HELD_COUNTS_FOR;
        self.below(self.queue.iter().filter(counts), last)
    }

    /// The greatest cursor up to which all that its subscriptions cover has arrived.
    pub(super) fn received(&self, last: u64) -> u64 {
        self.below(self.queue.iter().filter(|waiting| self.covers(&waiting.channel)), last)
    }

    fn below<'a>(&'a self, waiting: impl Iterator<Item = &'a QueuedMessage>, last: u64) -> u64 {
        let sent = self.sent.iter().map(|sent| &sent.message);
        let first = waiting.chain(sent).filter_map(|message| message.cursor).min();
        first.map_or(last, |first| first.saturating_sub(1).min(last))
    }
}

fn covers(subscriptions: &[ChannelPattern], channel: &ChannelName) -> bool {
    subscriptions.iter().any(|pattern| pattern.covers(channel))
}
