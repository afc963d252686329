//! What of a hub outlives its process.

use model::Timestamp;

use super::client::{BayeuxClient, QueuedMessage, ReceivedBefore, SentMessage};
use super::{Hub, HubSettings};
use crate::channel::{ChannelName, ChannelPattern};
use crate::client_id::ClientId;

/// A hub as it is stored: who its clients are, and the messages that nobody can publish again (those without a cursor).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HubSnapshot {
    /// The clients.
    pub clients: Vec<ClientSnapshot>,
    /// Whether any client has ever connected.
    pub begun: bool,
    /// If not: what every client that comes shall have.
    pub early: Vec<HeldMessage>,
    /// [`Hub::confirmed`]: the owner publishes again what had a greater cursor, in its order.
    pub confirmed: u64,
}

/// A client as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSnapshot {
    /// Its id.
    pub id: ClientId,
    /// What it has subscribed to.
    pub subscriptions: Vec<ChannelPattern>,
    /// Whether it numbers what it has received.
    pub acknowledges: bool,
    /// The number of the last answer with messages.
    pub batch: u64,
    /// The greatest cursor up to which it has received what it has subscribed to; at least [`HubSnapshot::confirmed`].
    pub received: u64,
    /// What it is owed, oldest first.
    pub held: Vec<HeldMessage>,
}

/// A message without a cursor that was not received, or of which nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldMessage {
    /// Its channel.
    pub channel: ChannelName,
    /// The message as clients get it: a JSON object.
    pub text: String,
    /// The number of the answer that had it, if the client confirms by numbers.
    pub batch: Option<u64>,
}

impl Hub {
    /// What is to be stored.
    pub fn snapshot(&self) -> HubSnapshot {
        let clients = self.clients.iter().map(|(id, client)| ClientSnapshot {
            id: id.clone(),
            subscriptions: client.subscriptions.clone(),
            acknowledges: client.acknowledges,
            batch: client.batch,
            received: client.received(self.last),
            held: held(client),
        });
        HubSnapshot {
            clients: clients.collect(),
            begun: self.early.is_none(),
            early: self.early.iter().flatten().filter_map(|message| kept(message, None)).collect(),
            confirmed: self.confirmed().unwrap_or(self.last),
        }
    }

    /// A hub that goes on from what was stored. All its clients count as heard of now, and none has a connect that waits: they connect
    /// again. Who confirms without numbers gets again what was sent and not confirmed.
    pub fn restore(settings: HubSettings, snapshot: HubSnapshot, now: Timestamp) -> Self {
        let mut hub = Self::new(settings);
        hub.now = now;
        hub.last = snapshot.confirmed;
        let early = snapshot.early.into_iter().map(|message| waiting(message, now));
        hub.early = (!snapshot.begun).then(|| early.take(hub.settings.queue_messages_max).collect());
        for stored in snapshot.clients.into_iter().take(hub.settings.clients_max.max(1)) {
            let mut client = BayeuxClient::new(stored.acknowledges, now);
            client.batch = stored.batch;
            client.subscriptions = stored.subscriptions;
            client.subscriptions.truncate(hub.settings.subscriptions_max.max(1));
            client.before = Some(ReceivedBefore { up_to: stored.received, on: client.subscriptions.clone() });
            for message in stored.held.into_iter().take(hub.settings.queue_messages_max) {
                match message.batch.filter(|_| stored.acknowledges) {
                    Some(batch) => client.add_sent(SentMessage { batch, message: waiting(message, now) }),
                    None => client.add(waiting(message, now)),
                }
            }
            hub.clients.insert(stored.id.clone(), client);
            hub.settle(&stored.id);
        }
        hub
    }
}

/// What a client is owed and nobody can publish again.
fn held(client: &BayeuxClient) -> Vec<HeldMessage> {
    let numbered = |number: u64| client.acknowledges.then_some(number);
    let sent = client.sent.iter().filter_map(|sent| kept(&sent.message, numbered(sent.batch)));
    sent.chain(client.queue.iter().filter_map(|message| kept(message, None))).collect()
}

fn kept(message: &QueuedMessage, batch: Option<u64>) -> Option<HeldMessage> {
    let keep = || HeldMessage { channel: message.channel.clone(), text: message.text.to_string(), batch };
    message.cursor.is_none().then(keep)
}

fn waiting(message: HeldMessage, now: Timestamp) -> QueuedMessage {
    QueuedMessage { channel: message.channel, text: message.text.into(), cursor: None, since: now }
}
