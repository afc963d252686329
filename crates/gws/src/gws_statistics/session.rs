//! A session of the Statistics API in memory: its Bayeux clients, what it has open, and who waits for what of it. Its record is in
//! `session/writing.rs`, what it opens and closes in `session/subscribing.rs`.

mod subscribing;
mod writing;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bayeux::{
    Batch, ChannelName, ChannelPattern, ClientId, Ended, Exchange, Hub, HubSettings, Output, ServedConnections,
    UnknownClient,
};
use bytes::Bytes;
use identity::session_cookie::SessionCookie;
use model::{Entropy, Timestamp};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::followed::{FollowedTenant, StatisticsReader};
use super::metrics::{Metrics, StatisticsSessionEnd};
use super::records::KeptSession;
use super::subscriptions::{OpenStatistic, OpenSubscriptions};
use super::tenant_statistics::ReaderId;
use crate::sessions::answers::ApiRefusal;
use crate::sessions::notifications::BayeuxSession;
use crate::sessions::parts::ReplicaParts;
use crate::sessions::record_writer::{RecordWriter, WritePace};
use writing::WRITTEN_EACH;

const HUB: HubSettings = HubSettings {
    connect_timeout: Duration::from_secs(30),
    interval: Duration::ZERO,
    client_idle_max: Duration::from_secs(120),
    clients_max: 8,
    subscriptions_max: 16,
    // Whoever does not read is told only the last values once it does.
    queue_messages_max: 64,
    queue_bytes_max: 4 << 20,
    // Published clients stay deaf after a second handshake; whoever has the cookie belongs here. Where a socket has begun the session,
    // nobody has been here before.
    unknown_client: UnknownClient::Adopt,
    connections: ServedConnections::SocketsToo,
};
/// The most batches of a session that wait for their answers: a poll of each of its clients, and what they send beside.
const ANSWERS_MAX: usize = 32;

/// The channels of the API.
pub(super) struct StatisticsChannels {
    /// Of values.
    updates: ChannelName,
    /// Of whether values come.
    service: ChannelName,
}

impl StatisticsChannels {
    /// Those of the published API.
    ///
    /// # Errors
    /// Never, as long as they are names of channels.
    pub fn new() -> anyhow::Result<Self> {
        let name = |text: &str| ChannelName::parse(text).map_err(anyhow::Error::from);
        Ok(Self { updates: name("/statistics/v3/updates")?, service: name("/statistics/v3/service")? })
    }
}

/// What the sessions of a replica share.
pub(super) struct StatisticsParts {
    /// What the sessions of every API share.
    pub replica: Arc<ReplicaParts<KeptSession>>,
    /// Counts.
    pub metrics: Metrics,
    /// The channels.
    pub channels: StatisticsChannels,
}

impl StatisticsParts {
    pub(super) fn now(&self) -> Timestamp {
        self.replica.now()
    }

    pub(super) fn entropy(&self) -> MutexGuard<'_, Box<dyn Entropy>> {
        self.replica.entropy()
    }
}

/// A session. All its inputs go one after the other; nothing waits within a turn.
pub(super) struct StatisticsSession {
    /// Its cookie.
    pub cookie: SessionCookie,
    /// The person or program.
    pub subject: String,
    reader: ReaderId,
    parts: Arc<StatisticsParts>,
    followed: FollowedTenant,
    state: Mutex<SessionState>,
    writer: RecordWriter<KeptSession>,
    /// Its value in the store, as it was seen last. Whoever writes it has it meanwhile.
    record: tokio::sync::Mutex<Bytes>,
    /// Subscriptions are opened and closed one after the other.
    subscribing: tokio::sync::Mutex<()>,
}

struct SessionState {
    hub: Hub,
    answers: HashMap<u64, oneshot::Sender<String>>,
    subscriptions: OpenSubscriptions,
    /// Clients that read values, with the statistics that each is to be told anew.
    listeners: BTreeMap<ClientId, BTreeSet<u64>>,
    /// Clients that read whether values come, and whether each is to be told that anew.
    service_listeners: BTreeMap<ClientId, bool>,
    exchanges: u64,
    cursor: u64,
    used_at: Timestamp,
    /// When it was tried last to open what had no room.
    opened_at: Timestamp,
    has_left: bool,
    is_over: bool,
    /// Whether it has ended, and its record is still to.
    is_record_ending: bool,
    /// When its record is written.
    pace: WritePace,
}

impl StatisticsSession {
    /// A session whose record has that value in the store. What it had open is opened again. One that goes on adopts its clients: they are
    /// not in the record.
    pub fn new(
        parts: Arc<StatisticsParts>,
        cookie: SessionCookie,
        kept: KeptSession,
        seen: Bytes,
        followed: FollowedTenant,
        unknown_client: UnknownClient,
    ) -> Arc<Self> {
        let reader = ReaderId { subject: kept.subject.as_str().into(), number: parts.entropy().next_u64() };
        let mut subscriptions = OpenSubscriptions::default();
        for (id, statistics) in kept.subscriptions {
            let open = statistics.into_iter().map(|asked| {
                // For what has no room here there may be some later.
                let reference = followed.follow(&asked.request, &reader).ok();
                OpenStatistic { asked, reference }
            });
            subscriptions.insert(id, open.collect());
        }
        let state = SessionState {
            hub: Hub::new(HubSettings { unknown_client, ..HUB }),
            answers: HashMap::new(),
            subscriptions,
            listeners: BTreeMap::new(),
            service_listeners: BTreeMap::new(),
            exchanges: 0,
            cursor: 0,
            used_at: kept.used_at,
            opened_at: parts.now(),
            has_left: false,
            is_over: false,
            is_record_ending: false,
            pace: WritePace::new(WRITTEN_EACH, kept.used_at),
        };
        let (state, record) = (Mutex::new(state), tokio::sync::Mutex::new(seen));
        let (subject, subscribing) = (kept.subject, tokio::sync::Mutex::default());
        let writer = RecordWriter::new(parts.replica.clone(), cookie.clone());
        let session = Arc::new(Self { cookie, subject, reader, parts, followed, state, writer, record, subscribing });
        let weak: Weak<Self> = Arc::downgrade(&session);
        session.followed.register(session.reader.clone(), weak);
        session
    }

    fn lock(&self) -> MutexGuard<'_, SessionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // === requests ===

    /// Notes a request. Returns whether the session goes on.
    pub fn is_used(&self) -> bool {
        let mut state = self.lock();
        state.used_at = self.parts.now();
        !state.is_over
    }

    /// Whether nothing of it is to be done here any more.
    pub fn is_over(&self) -> bool {
        self.lock().is_over
    }

    /// Takes a batch of Bayeux messages; the answer comes when there is one.
    ///
    /// # Errors
    /// If too many wait, or the session is not here any more.
    pub fn bayeux(self: &Arc<Self>, batch: Batch) -> Result<(Exchange, oneshot::Receiver<String>), ApiRefusal> {
        let mut state = self.lock();
        if state.is_over {
            return Err(ApiRefusal::elsewhere());
        }
        if state.answers.len() >= ANSWERS_MAX {
            return Err(ApiRefusal::unavailable("too many requests of this session wait"));
        }
        let (answer, answered) = oneshot::channel();
        state.exchanges += 1;
        let exchange = Exchange(state.exchanges);
        state.answers.insert(exchange.0, answer);
        let mut entropy = self.parts.entropy();
        state.hub.receive(exchange, batch, &mut **entropy, self.parts.now());
        drop(entropy);
        self.carry(&mut state);
        if state.has_left {
            drop(state);
            self.end(StatisticsSessionEnd::Disconnected);
        }
        Ok((exchange, answered))
    }

    // === turns ===

    /// Does what the hub wants done.
    fn carry(&self, state: &mut SessionState) {
        loop {
            while let Some(output) = state.hub.poll_output() {
                self.carry_out(state, output);
            }
            if !self.flush(state) {
                return;
            }
        }
    }

    fn carry_out(&self, state: &mut SessionState, output: Output) {
        match output {
            Output::Answer { exchange, body } => {
                if let Some(answer) = state.answers.remove(&exchange.0)
                    && answer.send(body).is_err()
                {
                    state.hub.hung_up(exchange, self.parts.now());
                }
            }
            Output::Subscribed { client, pattern, .. } => self.begun_to_read(state, &client, &pattern),
            Output::Unsubscribed { client, .. } => {
                if !state.hub.is_subscribed(&client, &self.parts.channels.updates) {
                    state.listeners.remove(&client);
                }
                if !state.hub.is_subscribed(&client, &self.parts.channels.service) {
                    state.service_listeners.remove(&client);
                }
            }
            Output::Ended { client, why } => {
                state.listeners.remove(&client);
                state.service_listeners.remove(&client);
                state.has_left |= why == Ended::Disconnected && !state.hub.has_clients();
            }
        }
    }

    /// A client that has subscribed is told how it is: values of everything, and whether they come.
    fn begun_to_read(&self, state: &mut SessionState, client: &ClientId, pattern: &ChannelPattern) {
        if pattern.covers(&self.parts.channels.updates) {
            state.listeners.insert(client.clone(), state.subscriptions.references());
        }
        if pattern.covers(&self.parts.channels.service) {
            state.service_listeners.insert(client.clone(), true);
        }
    }

    /// Everything is told again where the session goes on: so nothing of it is kept with the client.
    fn tell(&self, state: &mut SessionState, client: &ClientId, channel: &ChannelName, data: &Value) {
        state.cursor += 1;
        state.hub.publish_to(client, channel, data, Some(state.cursor), self.parts.now());
    }

    /// Tells each client that has room what has changed since it was told last. Returns whether one was told something.
    fn flush(&self, state: &mut SessionState) -> bool {
        let has_told = self.tell_service(state);
        self.tell_values(state) || has_told
    }

    fn tell_service(&self, state: &mut SessionState) -> bool {
        let Some(is_available) = self.followed.is_available() else { return false };
        let is_due = |(client, is_due): &(&ClientId, &bool)| **is_due && state.hub.has_room(client);
        let due: Vec<ClientId> =
            state.service_listeners.iter().filter(is_due).map(|(client, _)| client.clone()).collect();
        let service_state = if is_available { "Available" } else { "Unavailable" };
        for client in &due {
            state.service_listeners.insert(client.clone(), false);
            let data = json!({"data": {"serviceState": service_state}});
            self.tell(state, client, &self.parts.channels.service, &data);
        }
        !due.is_empty()
    }

    fn tell_values(&self, state: &mut SessionState) -> bool {
        let has_news = |(client, dirty): &(&ClientId, &BTreeSet<u64>)| !dirty.is_empty() && state.hub.has_room(client);
        let due: Vec<ClientId> = state.listeners.iter().filter(has_news).map(|(client, _)| client.clone()).collect();
        let mut has_told = false;
        for client in due {
            let dirty = state.listeners.get_mut(&client).map(std::mem::take).unwrap_or_default();
            let statistics = state.subscriptions.updates(&dirty, |reference| self.followed.known(reference));
            if !statistics.is_empty() {
                self.tell(state, &client, &self.parts.channels.updates, &json!({"data": {"statistics": statistics}}));
                has_told = true;
            }
        }
        has_told
    }

    /// Looks whether something is due.
    pub fn look(self: &Arc<Self>) {
        let mut state = self.lock();
        if state.is_over {
            return;
        }
        let now = self.parts.now();
        if state.answers.is_empty() && now.since(state.used_at) > self.parts.replica.idle_max {
            drop(state);
            self.end(StatisticsSessionEnd::Idle);
            return;
        }
        if state.hub.next_timeout().is_some_and(|at| at <= now) {
            state.hub.handle_timeout(now);
        }
        self.open_the_rest(&mut state, now);
        self.carry(&mut state);
        let (has_left, is_record_due) = (state.has_left, self.is_time_to_write(&mut state, now));
        drop(state);
        if has_left {
            self.end(StatisticsSessionEnd::Disconnected);
        } else if is_record_due {
            let session = self.clone();
            tokio::spawn(async move {
                // Whoever has it meanwhile is found by that.
                let _ = session.write().await;
            });
        }
    }
}

impl BayeuxSession for StatisticsSession {
    fn hung_up(&self, exchange: Exchange) {
        let mut state = self.lock();
        state.answers.remove(&exchange.0);
        state.hub.hung_up(exchange, self.parts.now());
        self.carry(&mut state);
    }
}

impl StatisticsReader for StatisticsSession {
    fn changed(&self, references: &[u64]) {
        // It is told at the next tick, with whatever else has changed by then.
        for dirty in self.lock().listeners.values_mut() {
            dirty.extend(references);
        }
    }

    fn service_is_otherwise(&self) {
        let mut state = self.lock();
        for is_due in state.service_listeners.values_mut() {
            *is_due = true;
        }
        self.carry(&mut state);
    }
}

#[cfg(test)]
mod tests;
