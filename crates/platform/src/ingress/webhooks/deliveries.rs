//! What one webhook gets, and when: each fact until it is taken or given up, those of one call in their order. No I/O.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use contracts::v1;
use model::Timestamp;

/// The most messages that wait. Then nothing more is read from the stream, which keeps what comes.
pub(super) const WAITING_MAX: usize = 1_000;
/// The most bytes of them: they are written again with each change.
pub(super) const WAITING_BYTES_MAX: usize = 2 << 20;
/// Attempts under way at once.
pub(super) const AT_ONCE_MAX: usize = 8;
/// The longest wait between attempts.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(4 * 3_600);
/// Each wait is so many times as long as the one before.
const GROWTH: u32 = 4;
/// The version of the record.
const VERSION: u32 = 1;

/// How often, and after which waits, it is tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retries {
    /// Attempts, the first included.
    pub attempts: u32,
    /// The wait after the first failure.
    pub first_wait: Duration,
}

impl Retries {
    /// The wait after so many failures.
    fn wait(self, failures: u32) -> Duration {
        let factor = GROWTH.saturating_pow(failures.saturating_sub(1));
        self.first_wait.saturating_mul(factor).min(WAIT_MAX)
    }
}

/// A message for a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WebhookMessage {
    /// The identity, the same in every attempt.
    pub id: String,
    /// What keeps its order.
    pub lane: String,
    /// The body.
    pub body: Bytes,
}

#[derive(Clone, Debug)]
struct WaitingMessage {
    message: WebhookMessage,
    attempts: u32,
    due: Timestamp,
    is_under_way: bool,
}

/// How an attempt has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AttemptOutcome {
    /// It was taken.
    Taken,
    /// It was not; the receiver may have said when to come again.
    Failed { why: String, again_after: Option<Duration> },
    /// It will never be.
    Refused { why: String },
}

/// A message that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dead {
    pub message: WebhookMessage,
    pub attempts: u32,
    pub at: Timestamp,
    pub why: String,
}

/// The deliveries of one webhook.
#[derive(Debug)]
pub(super) struct Deliveries {
    retries: Retries,
    /// Everything up to here is accounted for.
    position: String,
    next: u64,
    waiting: BTreeMap<u64, WaitingMessage>,
    bytes: usize,
    /// What waits of each lane; its first is tried.
    lanes: HashMap<String, VecDeque<u64>>,
    under_way: usize,
    delivered: u64,
    gaps: u64,
    again_done: u64,
    last_error: Option<(String, Timestamp)>,
}

impl Deliveries {
    pub fn new(retries: Retries) -> Self {
        Self {
            retries,
            position: String::new(),
            next: 1,
            waiting: BTreeMap::new(),
            bytes: 0,
            lanes: HashMap::new(),
            under_way: 0,
            delivered: 0,
            gaps: 0,
            again_done: 0,
            last_error: None,
        }
    }

    /// Where to go on in the stream; empty at the beginning.
    pub fn position(&self) -> &str {
        &self.position
    }

    pub fn again_done(&self) -> u64 {
        self.again_done
    }

    /// Whether more may be read from the stream.
    pub fn has_room(&self) -> bool {
        self.waiting.len() < WAITING_MAX && self.bytes < WAITING_BYTES_MAX
    }

    // === input ===

    /// The stream has been read up to this position.
    pub fn reached(&mut self, position: String) {
        self.position = position;
    }

    /// Facts were lost.
    pub fn gap(&mut self) {
        self.gaps += 1;
    }

    /// Adds a message behind those of its lane.
    pub fn add(&mut self, message: WebhookMessage, now: Timestamp) {
        self.put(WaitingMessage { message, attempts: 0, due: now, is_under_way: false });
    }

    fn put(&mut self, waiting: WaitingMessage) {
        self.bytes += waiting.message.body.len();
        self.lanes.entry(waiting.message.lane.clone()).or_default().push_back(self.next);
        self.waiting.insert(self.next, waiting);
        self.next += 1;
    }

    /// A wish to deliver again: takes up what there is room for; the rest is returned.
    pub fn again(&mut self, number: u64, dead: Vec<Dead>, now: Timestamp) -> Vec<Dead> {
        self.again_done = self.again_done.max(number);
        let mut rest = Vec::new();
        for dead in dead {
            if self.has_room() {
                self.add(dead.message, now);
            } else {
                rest.push(dead);
            }
        }
        rest
    }

    // === output ===

    /// The next message to try: the first of a lane whose time has come.
    pub fn poll_attempt(&mut self, now: Timestamp) -> Option<(u64, u32, WebhookMessage)> {
        if self.under_way >= AT_ONCE_MAX {
            return None;
        }
        let number = self.firsts().find(|(_, waiting)| waiting.due <= now).map(|(number, _)| number)?;
        let waiting = self.waiting.get_mut(&number)?;
        waiting.is_under_way = true;
        self.under_way += 1;
        Some((number, waiting.attempts + 1, waiting.message.clone()))
    }

    /// When the next message is due, if an attempt may begin at all.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        if self.under_way >= AT_ONCE_MAX {
            return None;
        }
        self.firsts().map(|(_, waiting)| waiting.due).min()
    }

    /// The first of each lane that is not under way, in the order of the stream.
    fn firsts(&self) -> impl Iterator<Item = (u64, &WaitingMessage)> {
        let is_first = |number: &u64, waiting: &WaitingMessage| {
            self.lanes.get(&waiting.message.lane).and_then(VecDeque::front) == Some(number)
        };
        let all =
            self.waiting.iter().filter(move |(number, waiting)| is_first(number, waiting) && !waiting.is_under_way);
        all.map(|(number, waiting)| (*number, waiting))
    }

    /// An attempt has ended. Returns the message if it is given up.
    pub fn ended(&mut self, number: u64, outcome: AttemptOutcome, now: Timestamp) -> Option<Dead> {
        let attempts = self.retries.attempts;
        let waiting = self.waiting.get_mut(&number).filter(|waiting| waiting.is_under_way)?;
        waiting.is_under_way = false;
        waiting.attempts += 1;
        self.under_way -= 1;
        match outcome {
            AttemptOutcome::Taken => {
                self.delivered += 1;
                self.last_error = None;
                self.remove(number);
                None
            }
            AttemptOutcome::Failed { why, again_after } if waiting.attempts < attempts => {
                let wait = self.retries.wait(waiting.attempts);
                waiting.due = now + again_after.map_or(wait, |asked| asked.clamp(wait, WAIT_MAX));
                self.last_error = Some((why, now));
                None
            }
            AttemptOutcome::Failed { why, .. } | AttemptOutcome::Refused { why } => {
                self.last_error = Some((why.clone(), now));
                let WaitingMessage { message, attempts, .. } = self.remove(number)?;
                Some(Dead { message, attempts, at: now, why })
            }
        }
    }

    fn remove(&mut self, number: u64) -> Option<WaitingMessage> {
        let waiting = self.waiting.remove(&number)?;
        self.bytes -= waiting.message.body.len();
        if let Some(lane) = self.lanes.get_mut(&waiting.message.lane) {
            lane.retain(|other| *other != number);
            if lane.is_empty() {
                self.lanes.remove(&waiting.message.lane);
            }
        }
        Some(waiting)
    }

    // === snapshot ===

    pub fn snapshot(&self, webhook: &str) -> v1::WebhookDeliveriesRecord {
        v1::WebhookDeliveriesRecord {
            version: VERSION,
            webhook: webhook.to_owned(),
            position: self.position.clone(),
            waiting: self.waiting.values().map(message_record).collect(),
            delivered: self.delivered,
            gaps: self.gaps,
            again_done: self.again_done,
            last_error: self.last_error.as_ref().map(|(why, _)| why.clone()),
            last_error_at_us: self.last_error.as_ref().map(|(_, at)| at.as_micros()).unwrap_or_default(),
        }
    }

    /// Continues from a record. Attempts that were under way are tried again: nobody knows how they ended.
    pub fn restore(record: v1::WebhookDeliveriesRecord, retries: Retries) -> Self {
        let mut deliveries = Self::new(retries);
        deliveries.position = record.position;
        (deliveries.delivered, deliveries.gaps) = (record.delivered, record.gaps);
        deliveries.again_done = record.again_done;
        deliveries.last_error = record.last_error.map(|why| (why, Timestamp::from_micros(record.last_error_at_us)));
        for message in record.waiting {
            let (attempts, due) = (message.attempts, Timestamp::from_micros(message.due_us));
            let message = WebhookMessage { id: message.id, lane: message.lane, body: message.body };
            deliveries.put(WaitingMessage { message, attempts, due, is_under_way: false });
        }
        deliveries
    }
}

fn message_record(waiting: &WaitingMessage) -> v1::WebhookMessage {
    v1::WebhookMessage {
        id: waiting.message.id.clone(),
        lane: waiting.message.lane.clone(),
        body: waiting.message.body.clone(),
        attempts: waiting.attempts,
        due_us: waiting.due.as_micros(),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests;
