//! A reader, a replica of gws-workspace: what its clients follow, and how far each of them is told of it. One has a client; after a lost
//! connection there are two for a while.
//!
//! Pictures and recent messages come many at once, after a failure all of them. They wait here, not in the hub, which would drop the
//! client: it gets further ones while less than half of what may wait for it does. What happens now is told at once.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use bayeux::{ChannelName, ClientId, Hub, HubSettings, ServedConnections, UnknownClient};
use infra::Position;
use model::Timestamp;
use serde_json::Value;

use super::super::recent::{ReadClaim, RecentMessages};

/// The hub of a reader.
pub(super) const HUB: HubSettings = HubSettings {
    connect_timeout: Duration::from_secs(30),
    interval: Duration::ZERO,
    client_idle_max: Duration::from_secs(60),
    clients_max: 4,
    // A desk for each of ten thousand agents, and some more.
    subscriptions_max: 20_000,
    queue_messages_max: 20_000,
    // What the client of the reader reads as one answer is larger.
    queue_bytes_max: 8 << 20,
    unknown_client: UnknownClient::Refuse,
    connections: ServedConnections::LongPolls,
};

/// A replica of gws-workspace.
pub(super) struct VoiceReader {
    pub hub: Hub,
    clients: HashMap<ClientId, FollowingClient>,
}

/// A client, and the DNs that it follows.
#[derive(Default)]
struct FollowingClient {
    dns: HashMap<String, DnFollowing>,
    /// Those of them for whose picture or recent messages there was no room.
    waits: BTreeSet<String>,
}

/// A DN that a client follows.
struct DnFollowing {
    channel: ChannelName,
    from: FollowedFrom,
}

/// What a follower gets of its DN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FollowedFrom {
    /// The picture, once the DN is known.
    Picture,
    /// Whatever it has claimed to have read lets it have; that is seen once it is known with what is begun here.
    Claimed(ReadClaim),
    /// The recent messages after this position, and then what happens.
    Recent(Position),
    /// What comes after this position, which it has named then.
    After(Position, Timestamp),
}

impl VoiceReader {
    pub fn new() -> Self {
        Self { hub: Hub::new(HUB), clients: HashMap::new() }
    }

    /// A client follows a DN.
    pub fn follow(&mut self, client: &ClientId, dn: &str, channel: ChannelName, from: FollowedFrom) {
        let following = self.clients.entry(client.clone()).or_default();
        following.dns.insert(dn.to_owned(), DnFollowing { channel, from });
    }

    /// A client follows a DN no longer.
    pub fn unfollow(&mut self, client: &ClientId, dn: &str) {
        if let Some(following) = self.clients.get_mut(client) {
            following.dns.remove(dn);
            following.waits.remove(dn);
        }
    }

    /// A client has ended.
    pub fn ended(&mut self, client: &ClientId) {
        self.clients.remove(client);
    }

    /// Whether somebody waits for the picture of that DN.
    pub fn waits_for(&self, dn: &str) -> bool {
        let mut followed = self.clients.values().filter_map(|following| following.dns.get(dn));
        followed.any(|followed| followed.from == FollowedFrom::Picture)
    }

    /// Whether somebody waits for the picture of that DN and has room for it. Who has none gets it later.
    pub fn takes_picture(&mut self, dn: &str) -> bool {
        let mut takes = false;
        for (client, FollowingClient { dns, waits }) in &mut self.clients {
            if dns.get(dn).is_some_and(|followed| followed.from == FollowedFrom::Picture) {
                if self.hub.has_room(client) {
                    takes = true;
                } else {
                    waits.insert(dn.to_owned());
                }
            }
        }
        takes
    }

    /// Those who follow a DN after a position that is `lost` get its picture. Returns the DNs whose picture is waited for.
    pub fn begin_again(&mut self, lost: impl Fn(Position, Timestamp) -> bool, now: Timestamp) -> Vec<String> {
        let mut wanted = Vec::new();
        for (dn, followed) in self.clients.values_mut().flat_map(|following| &mut following.dns) {
            match followed.from {
                FollowedFrom::After(after, since) if lost(after, since) => followed.from = FollowedFrom::Picture,
                FollowedFrom::Recent(after) if lost(after, now) => followed.from = FollowedFrom::Picture,
                _ => {}
            }
            if followed.from == FollowedFrom::Picture {
                wanted.push(dn.clone());
            }
        }
        wanted
    }

    /// It is known with what is begun: those who have claimed to have read something go on after that, or get the picture.
    pub fn settle_claims(&mut self, recent: &RecentMessages, now: Timestamp) {
        for (dn, followed) in self.clients.values_mut().flat_map(|following| &mut following.dns) {
            if let FollowedFrom::Claimed(claim) = followed.from {
                let goes_on = recent.goes_on_after(dn, claim);
                followed.from = goes_on.map_or(FollowedFrom::Picture, |after| FollowedFrom::After(after, now));
            }
        }
    }

    /// A client for which there is room, and a DN of which it waits for something.
    pub fn next_waiting(&mut self) -> Option<(ClientId, String)> {
        let Self { hub, clients } = self;
        let mut waiting = clients.iter_mut().filter(|(client, following)| {
            let has_more = !following.waits.is_empty();
            has_more && hub.has_room(client)
        });
        let (client, following) = waiting.next()?;
        Some((client.clone(), following.waits.pop_first()?))
    }

    /// Tells a client the recent messages of a DN that it has not had, as far as there is room: those of one fact together. Where they do
    /// not reach back any more, it gets the picture.
    pub fn tell_recent(&mut self, client: &ClientId, dn: &str, recent: &RecentMessages, now: Timestamp) {
        let Self { hub, clients } = self;
        let Some(FollowingClient { dns, waits }) = clients.get_mut(client) else { return };
        let Some(DnFollowing { channel, from }) = dns.get_mut(dn) else { return };
        let FollowedFrom::Recent(after) = *from else { return };
        if recent.goes_on_after(dn, ReadClaim { after, last: None }).is_none() {
            *from = FollowedFrom::Picture;
            return;
        }
        let mut told = after;
        for (position, text) in recent.of(dn, after) {
            if position > told && !hub.has_room(client) {
                *from = FollowedFrom::Recent(told);
                waits.insert(dn.to_owned());
                return;
            }
            told = position;
            if let Ok(data) = serde_json::from_str::<Value>(text) {
                hub.publish_to(client, channel, &data, None, now);
            }
        }
        *from = FollowedFrom::After(told, now);
    }

    /// Tells what the fact at that position says of the DN, to who follows it and does not have that yet.
    pub fn tell(&mut self, dn: &str, data: &Value, position: Position, now: Timestamp) {
        for (client, following) in &self.clients {
            if let Some(DnFollowing { channel, from: FollowedFrom::After(after, _) }) = following.dns.get(dn)
                && position > *after
            {
                self.hub.publish_to(client, channel, data, None, now);
            }
        }
    }

    /// Gives the picture of that position to who waits for it, and has room.
    pub fn give(&mut self, dn: &str, data: &Value, position: Position, now: Timestamp) {
        for (client, following) in &mut self.clients {
            if let Some(DnFollowing { channel, from }) = following.dns.get_mut(dn)
                && *from == FollowedFrom::Picture
                && self.hub.has_room(client)
            {
                *from = FollowedFrom::After(position, now);
                self.hub.publish_to(client, channel, data, None, now);
            }
        }
    }
}
