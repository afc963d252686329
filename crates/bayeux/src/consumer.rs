//! The client's side: one program that reads a hub of another.
//!
//! One request at a time: [`Consumer::next_request`], its answer to [`Consumer::answered`] or its failure to [`Consumer::failed`], and so
//! on. Who changes a subscription while a connect waits drops that request and asks for the next one: it carries the change. Nothing is
//! lost by that, since each connect says which answer was the last to arrive (the ack extension).

use std::collections::VecDeque;
use std::time::Duration;

use model::{Timestamp, doubling_pause};
use serde_json::{Map, Value, json};

use crate::channel::ChannelName;
use crate::client_id::ClientId;
use crate::limits::{ANSWER_BYTES_MAX, ANSWER_TIME, CHANGES_AT_ONCE, CHANGES_MAX, PAUSE_MAX, PAUSE_MIN, POLL_MAX};
use crate::message::says_yes;
use crate::reply::{LONG_POLLING, VERSION, body};

/// A request of a consumer: POST, JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerRequest {
    /// What follows the path of the notifications: `/handshake`, `/subscribe`, `/connect` or `/disconnect`.
    pub path_suffix: &'static str,
    /// The body: a JSON array.
    pub body: String,
    /// How long to wait before it is sent.
    pub wait: Duration,
    /// How long its answer may take once it is sent; then it has failed.
    pub answer_within: Duration,
}

/// What an answer tells.
#[derive(Clone, Debug, PartialEq)]
pub enum ConsumerNews {
    /// The server knows this consumer now; it has no subscriptions yet but those that the owner has asked for since.
    Connected,
    /// A message.
    Message {
        /// Its channel.
        channel: ChannelName,
        /// What it says.
        data: Value,
    },
    /// The server does not take a subscription.
    SubscriptionRefused {
        /// Its channel.
        channel: ChannelName,
        /// Why, as the server says.
        error: String,
    },
    /// The server does not know this consumer any more. It shakes hands anew; the owner subscribes again.
    LostSession,
}

/// Why an answer is of no use. It counts as a failure by itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsumerFault {
    /// It is too large.
    #[error("the answer is larger than 16 MiB")]
    TooLarge,
    /// It is not JSON, or not a list of objects with at least one.
    #[error("the answer is not a JSON array of messages")]
    NoMessages,
    /// The server refuses to take the consumer.
    #[error("the server refuses the handshake: {0}")]
    Refused(String),
}

/// A change that the server has to hear of.
#[derive(Clone, Debug)]
struct SubscriptionChange {
    channel: ChannelName,
    wish: ChannelWish,
}

#[derive(Clone, Debug)]
enum ChannelWish {
    Subscribe(Option<Value>),
    Unsubscribe,
}

/// A client that reads. A state machine: answers and `now` in, requests and news out.
#[derive(Clone, Debug)]
pub struct Consumer {
    /// What the server calls us; none before a handshake.
    client: Option<ClientId>,
    /// The number of the last answer that has arrived; none if the server does not number.
    received: Option<u64>,
    /// Changes to be sent, in their order; one a channel.
    wanted: VecDeque<SubscriptionChange>,
    /// Changes in the request that is under way, with its ids.
    asked: Vec<(u64, SubscriptionChange)>,
    /// Whether messages are fetched before further changes are sent: what the last ones have brought must not pile up at the server, which
    /// drops a client that fetches nothing.
    fetches_first: bool,
    /// News that come with the next answer.
    news: Vec<ConsumerNews>,
    /// Failures since a connect was answered well.
    failures: u32,
    /// What the server advises.
    interval: Duration,
    timeout: Duration,
    /// How long to wait before the next request, until it is known when that ends.
    pause: Duration,
    not_before: Option<Timestamp>,
    last_id: u64,
}

impl Default for Consumer {
    fn default() -> Self {
        Self::new()
    }
}

impl Consumer {
    /// A consumer that nobody knows yet.
    pub fn new() -> Self {
        Self {
            client: None,
            received: None,
            wanted: VecDeque::new(),
            asked: Vec::new(),
            fetches_first: false,
            news: Vec::new(),
            failures: 0,
            interval: Duration::ZERO,
            timeout: Duration::from_secs(60),
            pause: Duration::ZERO,
            not_before: None,
            last_id: 0,
        }
    }

    /// Subscribes to a channel, with `ext` of the message. A second time: with another `ext`.
    pub fn subscribe(&mut self, channel: &ChannelName, ext: Option<Value>) {
        self.change(channel, ChannelWish::Subscribe(ext));
    }

    /// Gives up a subscription.
    pub fn unsubscribe(&mut self, channel: &ChannelName) {
        self.change(channel, ChannelWish::Unsubscribe);
    }

    /// What to ask next: a handshake, else changed subscriptions, else for messages; of many changes a part at a time, and in between for
    /// what waits already. A request that is still under way counts as dropped.
    pub fn next_request(&mut self, now: Timestamp) -> ConsumerRequest {
        self.ask_again();
        let pause = self.pause;
        let not_before = *self.not_before.get_or_insert_with(|| now + pause);
        let wait = not_before.since(now);
        let Some(client) = self.client.clone() else {
            let id = self.id().to_string();
            let message = json!({
                "id": id, "channel": "/meta/handshake", "version": VERSION, "minimumVersion": VERSION,
                "supportedConnectionTypes": [LONG_POLLING], "ext": { "ack": true },
            });
            return request("/handshake", &[message], wait, ANSWER_TIME);
        };
        if self.wanted.is_empty() || self.fetches_first {
            return self.connect(&client, wait);
        }
        let changes: Vec<SubscriptionChange> = self.wanted.drain(..self.wanted.len().min(CHANGES_AT_ONCE)).collect();
        let mut messages = Vec::with_capacity(changes.len());
        for change in changes {
            let id = self.id();
            messages.push(change.message(id, &client));
            self.asked.push((id, change));
        }
        request("/subscribe", &messages, wait, ANSWER_TIME)
    }

    /// Ends: what to tell the server, if it knows us. Afterwards this is a new consumer.
    pub fn disconnect(&mut self) -> Option<ConsumerRequest> {
        let client = std::mem::take(self).client?;
        let message = json!({ "id": "1", "channel": "/meta/disconnect", "clientId": client.as_str() });
        Some(request("/disconnect", &[message], Duration::ZERO, ANSWER_TIME))
    }

    /// Takes the body of an answer with status 200.
    ///
    /// # Errors
    /// Why it is of no use; the next request waits, as after [`Consumer::failed`].
    pub fn answered(&mut self, answer: &[u8]) -> Result<Vec<ConsumerNews>, ConsumerFault> {
        let messages = read(answer).inspect_err(|_| self.failed())?;
        self.pause = Duration::ZERO;
        self.not_before = None;
        // An answer without a reply is none, whatever else it has.
        let mut fate = if messages.iter().any(is_reply) { Fate::Good } else { Fate::Failed };
        for message in messages {
            fate = fate.max(self.hear(message));
        }
        if let Some(error) = self.refused_handshake(&fate) {
            return Err(ConsumerFault::Refused(error));
        }
        if fate == Fate::Lost {
            self.client = None;
            self.received = None;
            self.wanted.clear();
            self.asked.clear();
            self.fetches_first = false;
            self.news.push(ConsumerNews::LostSession);
            self.failed();
        } else if fate != Fate::Good || !self.asked.is_empty() {
            self.failed();
        }
        Ok(std::mem::take(&mut self.news))
    }

    /// The request has failed: no answer in time, a broken connection, or another status than 200.
    pub fn failed(&mut self) {
        self.ask_again();
        self.failures = self.failures.saturating_add(1);
        self.pause = doubling_pause(PAUSE_MIN, PAUSE_MAX, self.failures);
        self.not_before = None;
    }

    // === Within ===

    /// Asks for messages. While further changes are to be sent, for those alone that are there.
    fn connect(&mut self, client: &ClientId, wait: Duration) -> ConsumerRequest {
        self.fetches_first = false;
        let id = self.id().to_string();
        let mut message = json!({
            "id": id, "channel": "/meta/connect", "connectionType": LONG_POLLING, "clientId": client.as_str(),
        });
        let waits = self.wanted.is_empty();
        if let Some(members) = message.as_object_mut() {
            if let Some(received) = self.received {
                members.insert("ext".to_owned(), json!({ "ack": received }));
            }
            if !waits {
                members.insert("advice".to_owned(), json!({ "timeout": 0 }));
            }
        }
        let held = if waits { self.timeout } else { Duration::ZERO };
        request("/connect", &[message], wait, held + ANSWER_TIME)
    }

    fn id(&mut self) -> u64 {
        self.last_id = self.last_id.wrapping_add(1);
        self.last_id
    }

    fn change(&mut self, channel: &ChannelName, wish: ChannelWish) {
        self.wanted.retain(|change| change.channel != *channel);
        if self.wanted.len() < CHANGES_MAX {
            self.wanted.push_back(SubscriptionChange { channel: channel.clone(), wish });
        } else if matches!(wish, ChannelWish::Subscribe(_)) {
            let error = "too many changes wait for the server".to_owned();
            // One for each channel that an owner has; it is bounded as the changes are.
            if self.news.len() < CHANGES_MAX {
                self.news.push(ConsumerNews::SubscriptionRefused { channel: channel.clone(), error });
            }
        }
    }

    /// Changes without a reply are asked for once more, unless there is a newer one for their channel.
    fn ask_again(&mut self) {
        while let Some((_, change)) = self.asked.pop() {
            if !self.wanted.iter().any(|newer| newer.channel == change.channel) {
                self.wanted.push_front(change);
            }
        }
    }

    /// Takes one message of an answer.
    fn hear(&mut self, mut message: Map<String, Value>) -> Fate {
        let channel = message.get("channel").and_then(Value::as_str).unwrap_or_default().to_owned();
        match channel.as_str() {
            "/meta/handshake" => self.hear_handshake(&message),
            "/meta/connect" => self.hear_connect(&message),
            "/meta/subscribe" | "/meta/unsubscribe" => self.hear_change(&message),
            _ => {
                if let (Ok(channel), Some(data)) = (ChannelName::parse(&channel), message.remove("data"))
                    && !channel.is_meta()
                {
                    self.news.push(ConsumerNews::Message { channel, data });
                }
                Fate::Good
            }
        }
    }

    fn hear_handshake(&mut self, reply: &Map<String, Value>) -> Fate {
        let client = reply.get("clientId").and_then(Value::as_str).and_then(ClientId::parse);
        let Some(client) = client.filter(|_| is_successful(reply)) else { return Fate::Refused(error(reply)) };
        let ack = reply.get("ext").and_then(|ext| ext.get("ack"));
        let first = ack.and_then(|ack| ack.get("batch")).and_then(Value::as_u64).unwrap_or_default();
        self.client = Some(client);
        self.received = ack.is_some_and(says_yes).then_some(first);
        self.take_advice(reply);
        self.news.push(ConsumerNews::Connected);
        Fate::Good
    }

    fn hear_connect(&mut self, reply: &Map<String, Value>) -> Fate {
        if !is_successful(reply) {
            return if is_lost(reply) { Fate::Lost } else { Fate::Failed };
        }
        if says(reply, "none") {
            return Fate::Lost;
        }
        let number = reply.get("ext").and_then(|ext| ext.get("ack")).and_then(Value::as_u64);
        if let (Some(received), Some(number)) = (&mut self.received, number) {
            *received = number;
        }
        self.failures = 0;
        self.take_advice(reply);
        self.pause = self.interval;
        Fate::Good
    }

    fn hear_change(&mut self, reply: &Map<String, Value>) -> Fate {
        let id = reply.get("id").and_then(Value::as_str).and_then(|id| id.parse::<u64>().ok());
        let at = self.asked.iter().position(|(asked, _)| Some(*asked) == id);
        if !is_successful(reply) && is_lost(reply) {
            return Fate::Lost;
        }
        let Some(at) = at else { return Fate::Good };
        self.fetches_first = true;
        let (_, change) = self.asked.remove(at);
        if !is_successful(reply) && matches!(change.wish, ChannelWish::Subscribe(_)) {
            self.news.push(ConsumerNews::SubscriptionRefused { channel: change.channel, error: error(reply) });
        }
        Fate::Good
    }

    /// The error of a refused handshake. It had no messages, so that nothing is lost with the answer.
    fn refused_handshake(&mut self, fate: &Fate) -> Option<String> {
        let Fate::Refused(error) = fate else { return None };
        self.failed();
        Some(error.clone())
    }

    fn take_advice(&mut self, reply: &Map<String, Value>) {
        let millis = |name: &str| reply.get("advice")?.get(name)?.as_u64().map(Duration::from_millis);
        self.interval = millis("interval").unwrap_or(self.interval).min(PAUSE_MAX);
        self.timeout = millis("timeout").unwrap_or(self.timeout).min(POLL_MAX);
    }
}

/// How an answer leaves its consumer, from best to worst.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Good,
    /// What was asked was refused or has no reply; the server still knows us.
    Failed,
    Refused(String),
    Lost,
}

impl SubscriptionChange {
    fn message(&self, id: u64, client: &ClientId) -> Value {
        let (channel, ext) = match &self.wish {
            ChannelWish::Subscribe(ext) => ("/meta/subscribe", ext.as_ref()),
            ChannelWish::Unsubscribe => ("/meta/unsubscribe", None),
        };
        let (id, client, subscription) = (id.to_string(), client.as_str(), self.channel.as_str());
        let mut message = json!({ "id": id, "channel": channel, "clientId": client, "subscription": subscription });
        if let (Some(ext), Some(members)) = (ext, message.as_object_mut()) {
            members.insert("ext".to_owned(), ext.clone());
        }
        message
    }
}

fn request(path_suffix: &'static str, messages: &[Value], wait: Duration, answer_within: Duration) -> ConsumerRequest {
    let texts: Vec<String> = messages.iter().map(Value::to_string).collect();
    ConsumerRequest { path_suffix, body: body(texts.iter().map(String::as_str)), wait, answer_within }
}

fn read(answer: &[u8]) -> Result<Vec<Map<String, Value>>, ConsumerFault> {
    if answer.len() > ANSWER_BYTES_MAX {
        return Err(ConsumerFault::TooLarge);
    }
    let Ok(Value::Array(messages)) = serde_json::from_slice::<Value>(answer) else {
        return Err(ConsumerFault::NoMessages);
    };
    let object = |message: Value| match message {
        Value::Object(members) => Some(members),
        _ => None,
    };
    let messages: Option<Vec<Map<String, Value>>> = messages.into_iter().map(object).collect();
    messages.filter(|messages| !messages.is_empty()).ok_or(ConsumerFault::NoMessages)
}

fn is_reply(message: &Map<String, Value>) -> bool {
    message.get("channel").and_then(Value::as_str).is_some_and(|channel| channel.starts_with("/meta/"))
}

fn is_successful(reply: &Map<String, Value>) -> bool {
    reply.get("successful").and_then(Value::as_bool).unwrap_or(false)
}

/// Whether a server that refuses something does not know us any more.
fn is_lost(reply: &Map<String, Value>) -> bool {
    says(reply, "handshake") || says(reply, "none") || error(reply).starts_with("402")
}

fn says(reply: &Map<String, Value>, reconnect: &str) -> bool {
    let advised = reply.get("advice").and_then(|advice| advice.get("reconnect")).and_then(Value::as_str);
    advised == Some(reconnect)
}

/// The error of a reply, as far as a log has use for it.
fn error(reply: &Map<String, Value>) -> String {
    let error = reply.get("error").and_then(Value::as_str).unwrap_or("no error was given");
    error.chars().take(200).collect()
}

#[cfg(test)]
mod tests;
