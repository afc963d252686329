//! The Bayeux clients of a session, in its record.

use bayeux::{ChannelName, ChannelPattern, ClientId, ClientSnapshot, HeldMessage, HubSnapshot};
use contracts::v1;

/// As it stands in a record.
pub(crate) fn hub(hub: &HubSnapshot) -> v1::BayeuxHubRecord {
    v1::BayeuxHubRecord {
        clients: hub.clients.iter().map(client).collect(),
        begun: hub.begun,
        early: hub.early.iter().map(message).collect(),
        confirmed: hub.confirmed,
    }
}

/// As it was written; none for what cannot be read.
pub(crate) fn hub_of(record: v1::BayeuxHubRecord) -> Option<HubSnapshot> {
    Some(HubSnapshot {
        clients: record.clients.into_iter().map(client_of).collect::<Option<_>>()?,
        begun: record.begun,
        early: record.early.into_iter().map(message_of).collect::<Option<_>>()?,
        confirmed: record.confirmed,
    })
}

fn client(client: &ClientSnapshot) -> v1::BayeuxClientRecord {
    v1::BayeuxClientRecord {
        id: client.id.as_str().to_owned(),
        subscriptions: client.subscriptions.iter().map(|pattern| pattern.as_str().to_owned()).collect(),
        acknowledges: client.acknowledges,
        batch: client.batch,
        received: client.received,
        held: client.held.iter().map(message).collect(),
    }
}

fn client_of(record: v1::BayeuxClientRecord) -> Option<ClientSnapshot> {
    let patterns = record.subscriptions.iter().map(|pattern| ChannelPattern::parse(pattern).ok());
    Some(ClientSnapshot {
        id: ClientId::parse(&record.id)?,
        subscriptions: patterns.collect::<Option<_>>()?,
        acknowledges: record.acknowledges,
        batch: record.batch,
        received: record.received,
        held: record.held.into_iter().map(message_of).collect::<Option<_>>()?,
    })
}

fn message(message: &HeldMessage) -> v1::BayeuxMessageRecord {
    v1::BayeuxMessageRecord {
        channel: message.channel.as_str().to_owned(),
        text: message.text.clone(),
        batch: message.batch,
    }
}

fn message_of(record: v1::BayeuxMessageRecord) -> Option<HeldMessage> {
    Some(HeldMessage { channel: ChannelName::parse(&record.channel).ok()?, text: record.text, batch: record.batch })
}
