//! What the messages of clients do.

use std::time::Duration;

use model::{Entropy, Timestamp};
use serde_json::{Value, json};

use super::client::{BayeuxClient, ParkedConnect};
use super::{ClientEnd, ExchangeId, Hub, Output, ServedConnections, UnknownClient};
use crate::channel::ChannelPattern;
use crate::client_id::ClientId;
use crate::message::{ClientMessage, ClientWish, MessageBatch, NamedPatterns};
use crate::reply::{MessageReply, Reconnect, VERSION, body};

/// A connect of the batch at hand.
struct WaitingConnect {
    message: ClientMessage,
    timeout: Option<Duration>,
}

impl Hub {
    /// Takes a batch. Its answer comes at once, but for a connect, which may wait for a message.
    pub fn receive(&mut self, exchange: ExchangeId, batch: MessageBatch, entropy: &mut dyn Entropy, now: Timestamp) {
        self.advance(now);
        let named = batch.client.clone();
        if let Some(id) = &named {
            self.hear(id, &batch);
        }
        let is_alone = batch.messages.len() == 1;
        let (mut replies, mut connect) = (Vec::new(), None);
        for message in batch.messages {
            let client = named.as_ref().filter(|id| self.knows(id));
            match (&message.wish, client) {
                (ClientWish::Handshake { .. }, _) => replies.push(self.shake_hands(&message, entropy)),
                (ClientWish::Publish(channel), _) => {
                    let reply = MessageReply::to(channel, message.id.as_ref());
                    replies.push(reply.refused("403::Clients publish nothing here").write());
                }
                (ClientWish::Unknown(channel), _) => {
                    let reply = MessageReply::to(channel, message.id.as_ref());
                    replies.push(reply.refused("404::Unknown channel").write());
                }
                (_, None) => replies.push(self.unknown(named.as_ref(), &message)),
                (ClientWish::Connect { timeout, acknowledged }, Some(id)) => {
                    let (id, timeout) = (id.clone(), *timeout);
                    self.begin_connect(&id, message.id.as_ref(), timeout, *acknowledged);
                    let earlier = connect.replace(WaitingConnect { message, timeout });
                    replies.extend(earlier.and_then(|earlier| self.empty_reply(&id, &earlier.message)));
                }
                (ClientWish::Disconnect, Some(id)) => {
                    let id = id.clone();
                    self.end(&id, ClientEnd::Disconnected);
                    replies.push(MessageReply::to("/meta/disconnect", message.id.as_ref()).of(&id).succeeded().write());
                }
                (ClientWish::Subscribe(patterns), Some(id)) => {
                    let id = id.clone();
                    replies.push(self.subscribe(&id, &message, patterns));
                }
                (ClientWish::Unsubscribe(patterns), Some(id)) => {
                    let id = id.clone();
                    replies.push(self.unsubscribe(&id, &message, patterns));
                }
            }
        }
        match (connect, named) {
            (Some(connect), Some(id)) if self.knows(&id) => self.park(&id, exchange, connect, replies, is_alone),
            (connect, named) => {
                replies.extend(connect.map(|connect| self.unknown(named.as_ref(), &connect.message)));
                let body = body(replies.iter().map(String::as_str));
                self.outputs.push_back(Output::Answer { exchange, body });
            }
        }
    }

    /// A client has said something: it is there, or it is taken under its id.
    fn hear(&mut self, id: &ClientId, batch: &MessageBatch) {
        if let Some(client) = self.clients.get_mut(id) {
            client.heard = self.now;
            self.settle(id);
            return;
        }
        let goes_on = |message: &ClientMessage| {
            use ClientWish::{Connect, Subscribe, Unsubscribe};
            matches!(message.wish, Connect { .. } | Subscribe(_) | Unsubscribe(_))
        };
        let adopts = self.settings.unknown_client == UnknownClient::Adopt && self.gone(Some(id)).is_none();
        if !adopts || !self.has_place() || !batch.messages.iter().any(goes_on) {
            return;
        }
        let numbers =
            |message: &ClientMessage| matches!(message.wish, ClientWish::Connect { acknowledged: Some(_), .. });
        let acknowledges = batch.messages.iter().any(numbers);
        let mut client = BayeuxClient::new(acknowledges, self.now);
        client.is_adopted = true;
        client.subscriptions.push(ChannelPattern::everything());
        self.let_in(id, client);
        let pattern = ChannelPattern::everything();
        self.outputs.push_back(Output::Subscribed { client: id.clone(), pattern, ext: None });
    }

    /// Gives a new client its place, and what was published before anybody has connected.
    fn let_in(&mut self, id: &ClientId, client: BayeuxClient) {
        // 128 random bits do not come twice; if they did, the client before would end.
        self.end(id, ClientEnd::Replaced);
        while self.clients.len() >= self.settings.clients_max.max(1) {
            let longest = self.clients.iter().min_by_key(|(_, client)| (client.parked.is_some(), client.heard));
            let Some(silent) = longest.map(|(silent, _)| silent.clone()) else { break };
            self.end(&silent, ClientEnd::Replaced);
        }
        self.clients.insert(id.clone(), client);
        self.settle(id);
        for message in self.early.clone().unwrap_or_default() {
            self.give(id, message);
        }
    }

    fn shake_hands(&mut self, message: &ClientMessage, entropy: &mut dyn Entropy) -> String {
        let served = self.settings.connections;
        let reply = MessageReply::to("/meta/handshake", message.id.as_ref())
            .with("version", VERSION)
            .with("supportedConnectionTypes", json!(served.names()));
        let acknowledges = match message.wish {
            ClientWish::Handshake { polls, has_sockets, acknowledges }
                if polls || has_sockets && served == ServedConnections::SocketsToo =>
            {
                acknowledges
            }
            _ => {
                let reply = reply.refused("406::No type of connection that the client has is served");
                return reply.with("advice", Reconnect::None.advice()).write();
            }
        };
        if !self.has_place() {
            // One of those that are connected would be put out, and not know why.
            let most = self.clients.len();
            let reply =
                reply.refused(&format!("429::There are {most} clients, and each is connected: end another one"));
            return reply.with("advice", Reconnect::None.advice()).write();
        }
        let id = ClientId::new(entropy);
        self.let_in(&id, BayeuxClient::new(acknowledges, self.now));
        let reply = reply.with("minimumVersion", VERSION).of(&id).succeeded().with("advice", self.advice());
        let reply = if acknowledges { reply.with("ext", json!({ "ack": true })) } else { reply };
        reply.write()
    }

    /// Another connect confirms, or asks again, and releases the one that waits.
    fn begin_connect(
        &mut self,
        id: &ClientId,
        connect: Option<&Value>,
        timeout: Option<Duration>,
        acknowledged: Option<u64>,
    ) {
        self.early = None;
        let Some(client) = self.clients.get_mut(id) else { return };
        let before = client.parked.take();
        let asks_again = client.asks_again(connect, timeout);
        client.confirm(acknowledged, asks_again);
        if let Some(parked) = before {
            self.release(id, &parked);
        }
        self.settle(id);
    }

    /// The reply to a connect that another one follows in the same batch.
    fn empty_reply(&self, id: &ClientId, message: &ClientMessage) -> Option<String> {
        let client = self.clients.get(id)?;
        Some(client.connect_reply(id, message.id.as_ref(), self.advice()))
    }

    /// Lets a connect wait, unless it shall not, or the replies beside it would have to.
    fn park(
        &mut self,
        id: &ClientId,
        exchange: ExchangeId,
        connect: WaitingConnect,
        replies: Vec<String>,
        is_alone: bool,
    ) {
        let longest = self.settings.connect_timeout;
        let wait = connect.timeout.map_or(longest, |timeout| timeout.min(longest));
        let Some(client) = self.clients.get_mut(id) else { return };
        client.parked = Some(ParkedConnect {
            exchange,
            id: connect.message.id,
            replies,
            until: self.now + wait,
            at_once: wait.is_zero() || !is_alone,
        });
        self.settle(id);
    }

    fn subscribe(&mut self, id: &ClientId, message: &ClientMessage, patterns: &NamedPatterns) -> String {
        let reply = MessageReply::to("/meta/subscribe", message.id.as_ref()).of(id);
        let reply = reply.with("subscription", patterns.written.clone());
        let most = self.settings.subscriptions_max;
        let Some(client) = self.clients.get_mut(id) else { return reply.unknown(Reconnect::Handshake).write() };
        let wanted = match wanted(patterns) {
            Ok(wanted) => wanted,
            Err(error) => return reply.refused(&error).write(),
        };
        let mut subscriptions = client.subscriptions.clone();
        for pattern in &wanted {
            if !subscriptions.contains(pattern) {
                subscriptions.push(pattern.clone());
            }
        }
        if subscriptions.len() > most {
            return reply.refused(&format!("403::A client has at most {most} subscriptions")).write();
        }
        client.subscriptions = subscriptions;
        for pattern in wanted {
            let ext = message.ext.clone();
            self.outputs.push_back(Output::Subscribed { client: id.clone(), pattern, ext });
        }
        self.settle(id);
        reply.succeeded().write()
    }

    fn unsubscribe(&mut self, id: &ClientId, message: &ClientMessage, patterns: &NamedPatterns) -> String {
        let reply = MessageReply::to("/meta/unsubscribe", message.id.as_ref()).of(id);
        let reply = reply.with("subscription", patterns.written.clone());
        let Some(client) = self.clients.get_mut(id) else { return reply.unknown(Reconnect::Handshake).write() };
        let unwanted = match wanted(patterns) {
            Ok(unwanted) => unwanted,
            Err(error) => return reply.refused(&error).write(),
        };
        for pattern in unwanted {
            if client.unsubscribe(&pattern) {
                self.outputs.push_back(Output::Unsubscribed { client: id.clone(), pattern });
            }
        }
        reply.succeeded().write()
    }

    /// The reply to a message of a client that is not here.
    fn unknown(&self, id: Option<&ClientId>, message: &ClientMessage) -> String {
        unknown(message, self.gone(id).map_or(Reconnect::Handshake, |why| self.after(why)))
    }
}

impl MessageBatch {
    /// The answer to a batch whose client belongs to nobody any more, a JSON array: each message is refused, and the client is told to do
    /// nothing further.
    pub fn answer_of_nobody(&self) -> String {
        let replies: Vec<String> = self.messages.iter().map(|message| unknown(message, Reconnect::None)).collect();
        body(replies.iter().map(String::as_str))
    }
}

/// The reply to a message of a client that nobody knows.
fn unknown(message: &ClientMessage, reconnect: Reconnect) -> String {
    let (channel, patterns) = match &message.wish {
        ClientWish::Handshake { .. } => ("/meta/handshake", None),
        ClientWish::Connect { .. } => ("/meta/connect", None),
        ClientWish::Disconnect => ("/meta/disconnect", None),
        ClientWish::Subscribe(patterns) => ("/meta/subscribe", Some(patterns)),
        ClientWish::Unsubscribe(patterns) => ("/meta/unsubscribe", Some(patterns)),
        ClientWish::Unknown(channel) | ClientWish::Publish(channel) => (channel.as_str(), None),
    };
    let reply = MessageReply::to(channel, message.id.as_ref());
    let reply = match patterns {
        Some(patterns) => reply.with("subscription", patterns.written.clone()),
        None => reply,
    };
    reply.unknown(reconnect).write()
}

/// The patterns of a message, or the error of the first that is wrong.
fn wanted(patterns: &NamedPatterns) -> Result<Vec<ChannelPattern>, String> {
    let read = patterns.texts.iter().map(|text| match ChannelPattern::parse(text) {
        Ok(pattern) if pattern.is_meta() => Err(format!("403:{text}:This channel is the protocol's own")),
        Ok(pattern) => Ok(pattern),
        Err(fault) => Err(format!("400:{text}:{fault}")),
    });
    read.collect()
}
