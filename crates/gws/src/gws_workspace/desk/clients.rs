//! The Bayeux clients of a desk, and what each of them knows: events go to those that have subscribed, and who subscribes later is told
//! how things are. So nothing has to be held for a client that is not listening yet.

use bayeux::{Batch, ChannelName, ClientId, Exchange, Hub, HubSettings, HubSnapshot, Output};
use model::{Entropy, Timestamp};
use serde_json::Value;

use super::snapshot::ListenerSnapshot;

/// The channel of the initialisation.
const INITIALIZATION: &str = "/workspace/v3/initialization";
/// The channel of calls and the agent's state.
const VOICE: &str = "/workspace/v3/voice";
/// The channel of values of statistics.
const REPORTING: &str = "/workspace/v3/reporting";
/// What a client that the hub takes under its id has subscribed to.
const EVERYTHING: &str = "/**";

/// Whether a client knows how things are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Knowledge {
    /// It was not told.
    #[default]
    None,
    /// It was told by the event of that cursor.
    Told(u64),
    /// It is known to have it.
    Sure,
}

/// A client that has subscribed to something.
#[derive(Clone, PartialEq, Debug)]
struct DeskListener {
    id: ClientId,
    initialization: Knowledge,
    voice: Knowledge,
}

/// What a subscription has opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct OpenedTopics {
    /// The client is to be told of the initialisation.
    pub initialization: bool,
    /// The client is to be told of the voice channel.
    pub voice: bool,
}

/// The clients.
#[derive(Clone, Debug)]
pub(super) struct DeskClients {
    hub: Hub,
    listeners: Vec<DeskListener>,
    initialization: Option<ChannelName>,
    voice: Option<ChannelName>,
    reporting: Option<ChannelName>,
    /// Whether a client has begun to listen to statistics.
    is_new_to_reporting: bool,
    last_cursor: u64,
    /// The last cursor that this hub was given.
    published: u64,
}

impl DeskClients {
    pub fn new(settings: HubSettings) -> Self {
        Self::around(Hub::new(settings), Vec::new(), 0)
    }

    pub fn restore(
        settings: HubSettings,
        hub: HubSnapshot,
        listeners: Vec<ListenerSnapshot>,
        last_cursor: u64,
        now: Timestamp,
    ) -> Self {
        let knows = |is_known: bool| if is_known { Knowledge::Sure } else { Knowledge::None };
        let listeners = listeners.into_iter().map(|stored| DeskListener {
            id: stored.id,
            initialization: knows(stored.is_initialised),
            voice: knows(stored.knows_voice),
        });
        Self::around(Hub::restore(settings, hub, now), listeners.collect(), last_cursor)
    }

    fn around(hub: Hub, listeners: Vec<DeskListener>, last_cursor: u64) -> Self {
        let name = |text: &str| ChannelName::parse(text).ok();
        let (initialization, voice, reporting) = (name(INITIALIZATION), name(VOICE), name(REPORTING));
        Self { hub, listeners, initialization, voice, reporting, is_new_to_reporting: false, last_cursor, published: 0 }
    }

    pub fn snapshot(&self) -> (HubSnapshot, Vec<ListenerSnapshot>) {
        let listeners = self.listeners.iter().map(|listener| ListenerSnapshot {
            id: listener.id.clone(),
            is_initialised: listener.initialization == Knowledge::Sure,
            knows_voice: listener.voice == Knowledge::Sure,
        });
        (self.hub.snapshot(), listeners.collect())
    }

    // === the hub ===

    pub fn receive(&mut self, exchange: Exchange, batch: Batch, entropy: &mut dyn Entropy, now: Timestamp) {
        self.hub.receive(exchange, batch, entropy, now);
    }

    pub fn hung_up(&mut self, exchange: Exchange, now: Timestamp) {
        self.hub.hung_up(exchange, now);
    }

    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.hub.handle_timeout(now);
    }

    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.hub.next_timeout()
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        self.hub.poll_output()
    }

    /// Answers what is parked, and lets all clients go.
    pub fn close(&mut self, now: Timestamp) {
        self.hub.close(now);
    }

    // === who listens ===

    /// A client has subscribed: what it is to be told. One that the hub has taken under its id was initialised before, for it asks for
    /// events.
    pub fn subscribed(&mut self, client: &ClientId, pattern: &str, is_configured: bool) -> OpenedTopics {
        let wants = |channel: &Option<ChannelName>| {
            channel.as_ref().is_some_and(|channel| self.hub.is_subscribed(client, channel))
        };
        let (initialization, voice) = (wants(&self.initialization), wants(&self.voice));
        self.is_new_to_reporting |= wants(&self.reporting);
        let is_adopted = pattern == EVERYTHING && self.hub.is_adopted(client);
        let listener = self.listener(client);
        if is_adopted && is_configured {
            listener.initialization = Knowledge::Sure;
        }
        OpenedTopics {
            initialization: initialization && listener.initialization == Knowledge::None,
            voice: voice && listener.voice == Knowledge::None,
        }
    }

    fn listener(&mut self, client: &ClientId) -> &mut DeskListener {
        let at = self.listeners.iter().position(|listener| listener.id == *client).unwrap_or_else(|| {
            let id = client.clone();
            self.listeners.push(DeskListener { id, initialization: Knowledge::None, voice: Knowledge::None });
            self.listeners.len() - 1
        });
        &mut self.listeners[at]
    }

    /// A client listens to less than before: what it is no longer told it does not know.
    pub fn unsubscribed(&mut self, client: &ClientId) {
        let wants = |channel: &Option<ChannelName>| {
            channel.as_ref().is_some_and(|channel| self.hub.is_subscribed(client, channel))
        };
        let voice = wants(&self.voice);
        if let Some(listener) = self.listeners.iter_mut().find(|listener| listener.id == *client)
            && !voice
        {
            listener.voice = Knowledge::None;
        }
    }

    /// A client is gone.
    pub fn ended(&mut self, client: &ClientId) {
        self.listeners.retain(|listener| listener.id != *client);
    }

    /// The clients that have to be told of the initialisation's outcome, or of the state of the voice channel.
    pub fn uninformed(&self) -> Vec<(ClientId, OpenedTopics)> {
        let wants = |listener: &DeskListener, channel: &Option<ChannelName>| {
            channel.as_ref().is_some_and(|channel| self.hub.is_subscribed(&listener.id, channel))
        };
        let of = |listener: &DeskListener| {
            let initialization = listener.initialization == Knowledge::None && wants(listener, &self.initialization);
            let voice = listener.voice == Knowledge::None && wants(listener, &self.voice);
            (listener.id.clone(), OpenedTopics { initialization, voice })
        };
        self.listeners.iter().map(of).filter(|(_, opened)| *opened != OpenedTopics::default()).collect()
    }

    // === what they are told ===

    fn next_cursor(&mut self) -> u64 {
        self.last_cursor = self.last_cursor.saturating_add(1);
        self.published = self.last_cursor;
        self.last_cursor
    }

    /// The cursor of the last event.
    pub fn last_cursor(&self) -> u64 {
        self.last_cursor
    }

    /// Tells one client of the initialisation; `is_outcome`: it will not be told again.
    pub fn tell_initialization(&mut self, client: &ClientId, data: &Value, is_outcome: bool, now: Timestamp) {
        let cursor = self.next_cursor();
        let Some(channel) = &self.initialization else { return };
        self.hub.publish_to(client, channel, data, Some(cursor), now);
        if is_outcome {
            self.listener(client).initialization = Knowledge::Told(cursor);
        }
    }

    /// Tells one client the state of the voice channel, by these events.
    pub fn tell_voice_to(&mut self, client: &ClientId, events: &[Value], now: Timestamp) {
        for data in events {
            let cursor = self.next_cursor();
            if let Some(channel) = &self.voice {
                self.hub.publish_to(client, channel, data, Some(cursor), now);
            }
        }
        let told = Knowledge::Told(self.last_cursor);
        self.listener(client).voice = told;
    }

    /// Tells the clients that listen to the voice channel.
    pub fn tell_voice(&mut self, data: &Value, now: Timestamp) {
        if self.listeners.iter().all(|listener| listener.voice == Knowledge::None) {
            return;
        }
        let cursor = self.next_cursor();
        let Some(channel) = &self.voice else { return };
        for listener in self.listeners.iter().filter(|listener| listener.voice != Knowledge::None) {
            self.hub.publish_to(&listener.id, channel, data, Some(cursor), now);
        }
    }

    /// Whether a client has begun to listen to statistics since this was asked last.
    pub fn take_new_to_reporting(&mut self) -> bool {
        std::mem::take(&mut self.is_new_to_reporting)
    }

    /// Tells the clients that listen to statistics. One whose queue is half full is left out; returns whether there was none.
    pub fn tell_reporting(&mut self, data: &Value, now: Timestamp) -> bool {
        let Some(channel) = self.reporting.clone() else { return true };
        self.tell_with_room(&channel, data, now)
    }

    /// Tells the clients that listen to a channel of media; as for statistics, one whose queue is half full is left out.
    pub fn tell_media(&mut self, channel: &str, data: &Value, now: Timestamp) -> bool {
        let Ok(channel) = ChannelName::parse(channel) else { return true };
        self.tell_with_room(&channel, data, now)
    }

    fn tell_with_room(&mut self, channel: &ChannelName, data: &Value, now: Timestamp) -> bool {
        let listens = |listener: &&DeskListener| self.hub.is_subscribed(&listener.id, channel);
        let clients: Vec<ClientId> = self.listeners.iter().filter(listens).map(|it| it.id.clone()).collect();
        let (with_room, without): (Vec<ClientId>, Vec<ClientId>) =
            clients.into_iter().partition(|client| self.hub.has_room(client));
        if !with_room.is_empty() {
            let cursor = self.next_cursor();
            for client in &with_room {
                self.hub.publish_to(client, channel, data, Some(cursor), now);
            }
        }
        without.is_empty()
    }

    /// The cursor up to which all clients are known to have everything: the last one without clients, for whoever comes is told how
    /// things are.
    pub fn confirmed(&mut self) -> u64 {
        let confirmed = match self.hub.confirmed() {
            Some(cursor) if cursor < self.published => cursor,
            None if self.hub.has_clients() => 0,
            _ => self.last_cursor,
        };
        for listener in &mut self.listeners {
            for knowledge in [&mut listener.initialization, &mut listener.voice] {
                if let Knowledge::Told(cursor) = *knowledge
                    && cursor <= confirmed
                {
                    *knowledge = Knowledge::Sure;
                }
            }
        }
        confirmed
    }
}
