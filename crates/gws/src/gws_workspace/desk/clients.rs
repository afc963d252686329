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
    /// How many messages of the DN that come again in this process it has.
    ahead: u32,
    /// Whether the message that is taken now is one of them.
    has_this: bool,
    /// The cursor up to which it was known to have everything last.
    received: u64,
}

impl DeskListener {
    fn new(id: ClientId) -> Self {
        let (initialization, voice) = (Knowledge::None, Knowledge::None);
        Self { id, initialization, voice, ahead: 0, has_this: false, received: 0 }
    }
}

/// How far the clients are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ClientProgress {
    /// The cursor up to which all are known to have everything: the last one without clients, for whoever comes is told how things are.
    pub all: u64,
    /// Whether any of them has come further since this was asked last.
    pub has_advanced: bool,
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
            initialization: knows(stored.is_initialised),
            voice: knows(stored.knows_voice),
            ahead: stored.ahead,
            ..DeskListener::new(stored.id)
        });
        Self::around(Hub::restore(settings, hub, now), listeners.collect(), last_cursor)
    }

    fn around(hub: Hub, listeners: Vec<DeskListener>, last_cursor: u64) -> Self {
        let name = |text: &str| ChannelName::parse(text).ok();
        let (initialization, voice, reporting) = (name(INITIALIZATION), name(VOICE), name(REPORTING));
        Self { hub, listeners, initialization, voice, reporting, is_new_to_reporting: false, last_cursor, published: 0 }
    }

    /// What is stored. `messages` are those of the DN that another process gets again, in their order, each by the cursor of its last
    /// event.
    pub fn snapshot(&self, messages: &[u64]) -> (HubSnapshot, Vec<ListenerSnapshot>) {
        let listeners = self.listeners.iter().map(|listener| {
            let received = self.received(&listener.id);
            let has = |knowledge: Knowledge| match knowledge {
                Knowledge::None => false,
                Knowledge::Told(cursor) => cursor <= received,
                Knowledge::Sure => true,
            };
            let known = messages.iter().take_while(|cursor| **cursor <= received).count();
            let ahead = listener.ahead.saturating_add(u32::try_from(known).unwrap_or(u32::MAX));
            let knows_voice = has(listener.voice);
            ListenerSnapshot {
                id: listener.id.clone(),
                is_initialised: has(listener.initialization),
                knows_voice,
                ahead: if knows_voice { ahead } else { 0 },
            }
        });
        (self.hub.snapshot(), listeners.collect())
    }

    /// The cursor up to which a client has everything.
    fn received(&self, client: &ClientId) -> u64 {
        match self.hub.received(client) {
            Some(cursor) if cursor < self.published => cursor,
            _ => self.last_cursor,
        }
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
            self.listeners.push(DeskListener::new(client.clone()));
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

    /// Tells one client of the initialisation; `is_outcome`: it will not be told again. Returns whether it was told: what is too large for
    /// its queue is not.
    pub fn tell_initialization(&mut self, client: &ClientId, data: &Value, is_outcome: bool, now: Timestamp) -> bool {
        let cursor = self.next_cursor();
        let Some(channel) = &self.initialization else { return true };
        let is_told = self.hub.offer_to(client, channel, data, Some(cursor), now);
        if is_told && is_outcome {
            self.listener(client).initialization = Knowledge::Told(cursor);
        }
        is_told
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
        let listener = self.listener(client);
        // What comes again is behind that state.
        (listener.voice, listener.ahead) = (told, 0);
    }

    /// A message of the DN is taken, which is not told again to those who have it; a picture is news to all.
    pub fn begin_message(&mut self, is_picture: bool) {
        if is_picture {
            self.forget_ahead();
        }
        for listener in &mut self.listeners {
            listener.has_this = listener.ahead > 0;
        }
    }

    /// That message is done with.
    pub fn end_message(&mut self) {
        for listener in &mut self.listeners {
            listener.ahead = listener.ahead.saturating_sub(u32::from(listener.has_this));
            listener.has_this = false;
        }
    }

    /// Nothing comes again that a client has.
    pub fn forget_ahead(&mut self) {
        for listener in &mut self.listeners {
            (listener.ahead, listener.has_this) = (0, false);
        }
    }

    /// Tells the clients that listen to the voice channel.
    pub fn tell_voice(&mut self, data: &Value, now: Timestamp) {
        let is_told = |listener: &&DeskListener| listener.voice != Knowledge::None && !listener.has_this;
        if !self.listeners.iter().any(|listener| is_told(&listener)) {
            return;
        }
        let cursor = self.next_cursor();
        let Some(channel) = &self.voice else { return };
        for listener in self.listeners.iter().filter(is_told) {
            self.hub.publish_to(&listener.id, channel, data, Some(cursor), now);
        }
    }

    /// Whether a client has begun to listen to statistics since this was asked last.
    pub fn take_new_to_reporting(&mut self) -> bool {
        std::mem::take(&mut self.is_new_to_reporting)
    }

    /// Whether a client listens to statistics.
    pub fn has_reporting_listener(&self) -> bool {
        let Some(channel) = &self.reporting else { return false };
        self.listeners.iter().any(|listener| self.hub.is_subscribed(&listener.id, channel))
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

    /// How far the clients are known to be.
    pub fn confirmed(&mut self) -> ClientProgress {
        let all = match self.hub.confirmed() {
            Some(cursor) if cursor < self.published => cursor,
            None if self.hub.has_clients() => 0,
            _ => self.last_cursor,
        };
        let received: Vec<u64> = self.listeners.iter().map(|listener| self.received(&listener.id)).collect();
        let mut has_advanced = false;
        for (listener, received) in self.listeners.iter_mut().zip(received) {
            has_advanced |= listener.received < received;
            listener.received = received;
            for knowledge in [&mut listener.initialization, &mut listener.voice] {
                if let Knowledge::Told(cursor) = *knowledge
                    && cursor <= received
                {
                    *knowledge = Knowledge::Sure;
                }
            }
        }
        ClientProgress { all, has_advanced }
    }
}
