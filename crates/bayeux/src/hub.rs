//! The server's side: the clients of one owner, what they have subscribed to and what each has not received yet.
//!
//! Messages go to a client in the answers of its connects alone, so that two answers never race, and so that the next connect says that
//! they have arrived, by whatever it comes. `docs/internals/bayeux.md` tells the states; what a message of a client does is in
//! `hub/receive.rs`.

mod client;
mod receive;
mod snapshot;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use model::Timestamp;
use serde_json::Value;

use self::client::{BayeuxClient, ParkedConnect, QueuedMessage};
pub use self::snapshot::{ClientSnapshot, HeldMessage, HubSnapshot};
use crate::channel::{ChannelName, ChannelPattern};
use crate::client_id::ClientId;
use crate::limits::GONE_MAX;
use crate::reply::{LONG_POLLING, MessageReply, Reconnect, WEB_SOCKET, body, publication};

/// How a hub treats its clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubSettings {
    /// The longest time for which a connect waits for a message.
    pub connect_timeout: Duration,
    /// How long a client shall wait between an answer and its next connect.
    pub interval: Duration,
    /// After how long without a sign of life a client ends; well over `connect_timeout` and `interval`.
    pub client_idle_max: Duration,
    /// The most clients; another one replaces the one that was silent longest. At least one is let in. Where unknown clients are adopted,
    /// it is refused while each of them has a connect that waits.
    pub clients_max: usize,
    /// The most subscriptions of a client.
    pub subscriptions_max: usize,
    /// The most messages that a client has not received.
    pub queue_messages_max: usize,
    /// The most bytes of them.
    pub queue_bytes_max: usize,
    /// What becomes of a client that nobody knows.
    pub unknown_client: UnknownClient,
    /// By what clients are told that they may connect.
    pub connections: ServedConnections,
}

/// By what clients reach the owner of a hub. It is a matter of the owner alone: to the hub the texts of a socket are exchanges as requests
/// are, each with one answer, so that a client may change from one to the other at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServedConnections {
    /// Long polls alone.
    LongPolls,
    /// Sockets too, which a client prefers that has them.
    SocketsToo,
}

impl ServedConnections {
    /// As a handshake is told, what is preferred first.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::LongPolls => &[LONG_POLLING],
            Self::SocketsToo => &[WEB_SOCKET, LONG_POLLING],
        }
    }
}

/// What a hub does with a client that it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownClient {
    /// It is told to shake hands anew.
    Refuse,
    /// It is taken under its id, with a subscription of every channel: for clients that stay deaf after another handshake, and who have
    /// proven otherwise that they belong here. Clients drop what they have not subscribed to. So is one that has not left by itself: it is
    /// told to connect again.
    Adopt,
}

/// One request of HTTP, or one text of a socket, as the caller numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub u64);

/// Why a client has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEnd {
    /// It has said so, or the hub was closed.
    Disconnected,
    /// It was silent for too long.
    Idle,
    /// More waited for it than may.
    Overflow,
    /// Another client needed its place.
    Replaced,
}

/// What the caller has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// The answer to a batch.
    Answer {
        /// The exchange of the batch.
        exchange: ExchangeId,
        /// A JSON array; 200.
        body: String,
    },
    /// A client has subscribed; nothing was delivered on it yet. A client that repeats its subscription is told again.
    Subscribed {
        /// The client.
        client: ClientId,
        /// What it has subscribed to.
        pattern: ChannelPattern,
        /// `ext` of its message.
        ext: Option<Value>,
    },
    /// A client has given up a subscription.
    Unsubscribed {
        /// The client.
        client: ClientId,
        /// The subscription.
        pattern: ChannelPattern,
    },
    /// A client has ended, its subscriptions with it.
    Ended {
        /// The client.
        client: ClientId,
        /// Why.
        why: ClientEnd,
    },
}

/// All clients of one owner. Every input is followed by [`Hub::poll_output`] until nothing comes.
#[derive(Clone, Debug)]
pub struct Hub {
    settings: HubSettings,
    clients: BTreeMap<ClientId, BayeuxClient>,
    /// When something is due, by client.
    timers: BTreeSet<(Timestamp, ClientId)>,
    /// Clients whose connect may have an answer.
    ready: BTreeSet<ClientId>,
    outputs: VecDeque<Output>,
    /// The last clients that have ended and must not be taken again.
    gone: VecDeque<(ClientId, ClientEnd)>,
    /// What was published before the first connect of any client, for each that comes until then.
    early: Option<VecDeque<QueuedMessage>>,
    /// The greatest cursor that was published.
    last: u64,
    now: Timestamp,
}

impl Hub {
    /// A hub without clients.
    pub fn new(settings: HubSettings) -> Self {
        Self {
            settings,
            clients: BTreeMap::new(),
            timers: BTreeSet::new(),
            ready: BTreeSet::new(),
            outputs: VecDeque::new(),
            gone: VecDeque::new(),
            early: Some(VecDeque::new()),
            last: 0,
            now: Timestamp::ZERO,
        }
    }

    /// The peer of an exchange has left: before its answer, or while it was written. Nothing is lost.
    pub fn hung_up(&mut self, exchange: ExchangeId, now: Timestamp) {
        self.advance(now);
        let now = self.now;
        let Some((id, client)) = self.clients.iter_mut().find(|(_, client)| client.is_in(exchange)) else { return };
        client.hung_up(exchange, now);
        let id = id.clone();
        self.settle(&id);
    }

    /// Publishes to all clients. `cursor` grows from 1 with each message that has one: those the owner can publish again
    /// ([`Hub::confirmed`]). What a client has not subscribed to is held for it.
    pub fn publish(&mut self, channel: &ChannelName, data: &Value, cursor: Option<u64>, now: Timestamp) {
        let Some(message) = self.message(channel, data, cursor, now) else { return };
        if let Some(early) = &mut self.early {
            early.push_back(message.clone());
            let mut bytes: usize = early.iter().map(|it| it.text.len()).sum();
            while early.len() > self.settings.queue_messages_max || bytes > self.settings.queue_bytes_max {
                let Some(oldest) = early.pop_front() else { break };
                bytes = bytes.saturating_sub(oldest.text.len());
            }
        }
        let clients: Vec<ClientId> = self.clients.keys().cloned().collect();
        for client in clients {
            self.give(&client, message.clone());
        }
    }

    /// Publishes to one client, if it is there.
    pub fn publish_to(
        &mut self,
        client: &ClientId,
        channel: &ChannelName,
        data: &Value,
        cursor: Option<u64>,
        now: Timestamp,
    ) {
        if let Some(message) = self.message(channel, data, cursor, now) {
            self.give(client, message);
        }
    }

    /// The same, unless the message is so large that it would leave hardly any room for others. Returns whether it is not.
    pub fn offer_to(
        &mut self,
        client: &ClientId,
        channel: &ChannelName,
        data: &Value,
        cursor: Option<u64>,
        now: Timestamp,
    ) -> bool {
        let Some(message) = self.message(channel, data, cursor, now) else { return true };
        let fits = message.text.len() <= self.settings.queue_bytes_max / 8 * 7;
        if fits {
            self.give(client, message);
        }
        fits
    }

    /// The greatest cursor up to which every client is known to have received all that it is owed; nothing without clients. What had a
    /// greater one is to be published again after [`Hub::restore`].
    pub fn confirmed(&self) -> Option<u64> {
        self.clients.values().map(|client| client.confirmed(self.last, self.now)).min()
    }

    /// The greatest cursor up to which that client has received all that its subscriptions cover. An owner that publishes again under other
    /// cursors sees by it what the client has.
    pub fn received(&self, client: &ClientId) -> Option<u64> {
        self.clients.get(client).map(|client| client.received(self.last))
    }

    /// Whether the client is here.
    pub fn knows(&self, client: &ClientId) -> bool {
        self.clients.contains_key(client)
    }

    /// Whether the client is here, and this hub has adopted it ([`UnknownClient::Adopt`]).
    pub fn is_adopted(&self, client: &ClientId) -> bool {
        self.clients.get(client).is_some_and(|client| client.is_adopted)
    }

    /// Whether any client is here.
    pub fn has_clients(&self) -> bool {
        !self.clients.is_empty()
    }

    /// Whether a client has subscribed to a channel.
    pub fn is_subscribed(&self, client: &ClientId, channel: &ChannelName) -> bool {
        self.clients.get(client).is_some_and(|client| client.covers(channel))
    }

    /// Whether less than half of what may wait for a client does, and is not confirmed: owners that have much to tell at once wait for it.
    pub fn has_room(&self, client: &ClientId) -> bool {
        self.clients.get(client).is_some_and(|client| client.is_below_half(&self.settings))
    }

    /// Ends all clients, as if each had disconnected: a connect that waits is answered with what waits for it.
    pub fn close(&mut self, now: Timestamp) {
        self.advance(now);
        let clients: Vec<ClientId> = self.clients.keys().cloned().collect();
        for client in clients {
            self.end(&client, ClientEnd::Disconnected);
        }
    }

    /// The next thing to do. Answers to connects are made here, so that one answer has all that was published until now.
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        while let Some(client) = self.ready.pop_first() {
            let is_answerable = self.clients.get(&client).is_some_and(BayeuxClient::is_answerable);
            if is_answerable && let Some(output) = self.answer_connect(&client) {
                return Some(output);
            }
        }
        None
    }

    /// When [`Hub::handle_timeout`] has something to do.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.timers.first().map(|(due, _)| *due)
    }

    /// Answers the connects that have waited long enough, and ends the clients that were silent for too long.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.advance(now);
        while let Some((_, client)) = self.timers.first().filter(|(due, _)| *due <= self.now).cloned() {
            match self.answer_connect(&client) {
                Some(answer) => self.outputs.push_back(answer),
                None => self.end(&client, ClientEnd::Idle),
            }
        }
    }

    // === Within ===

    /// Time never goes back.
    fn advance(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }

    fn message(
        &mut self,
        channel: &ChannelName,
        data: &Value,
        cursor: Option<u64>,
        now: Timestamp,
    ) -> Option<QueuedMessage> {
        self.advance(now);
        self.last = self.last.max(cursor.unwrap_or_default());
        // Those channels are the protocol's: no client can subscribe to one.
        let is_wanted = !channel.is_meta() && (self.early.is_some() || !self.clients.is_empty());
        is_wanted.then(|| QueuedMessage {
            channel: channel.clone(),
            text: publication(channel, data),
            cursor,
            since: self.now,
        })
    }

    fn give(&mut self, id: &ClientId, message: QueuedMessage) {
        let Some(client) = self.clients.get_mut(id) else { return };
        match client.take(message, &self.settings) {
            Ok(()) => self.settle(id),
            Err(client::Overflowed) => self.end(id, ClientEnd::Overflow),
        }
    }

    /// After anything that changed a client: when it is due, and whether its connect may have an answer.
    fn settle(&mut self, id: &ClientId) {
        let Some(client) = self.clients.get_mut(id) else { return };
        let due = client.due(&self.settings);
        if client.armed != Some(due) {
            if let Some(before) = client.armed.replace(due) {
                self.timers.remove(&(before, id.clone()));
            }
            self.timers.insert((due, id.clone()));
        }
        if client.is_answerable() {
            self.ready.insert(id.clone());
        }
    }

    /// Answers the connect of a client, if one waits, with what waits for the client.
    fn answer_connect(&mut self, id: &ClientId) -> Option<Output> {
        let advice = self.advice();
        let client = self.clients.get_mut(id)?;
        let parked = client.parked.take()?;
        client.heard = self.now;
        let messages = client.send(parked.exchange);
        let reply = client.connect_reply(id, parked.id.as_ref(), advice);
        self.settle(id);
        let texts = messages.iter().map(|text| &**text).chain(parked.replies.iter().map(String::as_str));
        Some(Output::Answer { exchange: parked.exchange, body: body(texts.chain([reply.as_str()])) })
    }

    /// Answers a connect without messages: another one has come.
    fn release(&mut self, id: &ClientId, parked: &ParkedConnect) {
        let Some(client) = self.clients.get(id) else { return };
        let reply = client.connect_reply(id, parked.id.as_ref(), self.advice());
        let texts = parked.replies.iter().map(String::as_str).chain([reply.as_str()]);
        self.outputs.push_back(Output::Answer { exchange: parked.exchange, body: body(texts) });
    }

    /// Ends a client. Its connect is answered; only who leaves by itself gets what waits.
    fn end(&mut self, id: &ClientId, why: ClientEnd) {
        let Some(mut client) = self.clients.remove(id) else { return };
        if let Some(due) = client.armed {
            self.timers.remove(&(due, id.clone()));
        }
        self.ready.remove(id);
        if let Some(parked) = client.parked.take() {
            let (messages, reply) = if why == ClientEnd::Disconnected {
                let messages = client.send(parked.exchange);
                (messages, client.connect_reply(id, parked.id.as_ref(), Reconnect::None.advice()))
            } else {
                let reply = MessageReply::to("/meta/connect", parked.id.as_ref()).of(id);
                (Vec::new(), reply.unknown(self.after(why)).write())
            };
            let texts = messages.iter().map(|text| &**text).chain(parked.replies.iter().map(String::as_str));
            let body = body(texts.chain([reply.as_str()]));
            self.outputs.push_back(Output::Answer { exchange: parked.exchange, body });
        }
        let comes_back = match self.settings.unknown_client {
            UnknownClient::Refuse => why == ClientEnd::Idle,
            UnknownClient::Adopt => why != ClientEnd::Disconnected,
        };
        if !comes_back {
            self.gone.push_back((id.clone(), why));
            if self.gone.len() > GONE_MAX {
                self.gone.pop_front();
            }
        }
        self.outputs.push_back(Output::Ended { client: id.clone(), why });
    }

    fn advice(&self) -> Value {
        Reconnect::Retry.advice_with(self.settings.interval, self.settings.connect_timeout)
    }

    /// What a client that has ended shall do.
    fn after(&self, why: ClientEnd) -> Reconnect {
        match (why, self.settings.unknown_client) {
            (ClientEnd::Disconnected, _) | (ClientEnd::Replaced, UnknownClient::Refuse) => Reconnect::None,
            (ClientEnd::Idle | ClientEnd::Overflow, UnknownClient::Refuse) => Reconnect::Handshake,
            (_, UnknownClient::Adopt) => Reconnect::Retry,
        }
    }

    /// Whether another client is let in.
    fn has_place(&self) -> bool {
        let is_silent = |client: &BayeuxClient| client.parked.is_none();
        self.settings.unknown_client == UnknownClient::Refuse
            || self.clients.len() < self.settings.clients_max.max(1)
            || self.clients.values().any(is_silent)
    }

    /// Why a client is not here, if that is known.
    fn gone(&self, id: Option<&ClientId>) -> Option<ClientEnd> {
        let id = id?;
        self.gone.iter().rev().find(|(gone, _)| gone == id).map(|(_, why)| *why)
    }
}
