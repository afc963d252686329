//! The desk of an agent's session: a state machine behind the Workspace API, without I/O. Requests of the client, messages of gws-voice
//! and `now` come in; answers, requests and what to store come out.
//!
//! - The clients of the session listen by Bayeux ([`bayeux::Hub`]). Events go to those that have subscribed; who subscribes later is told
//!   how things are.
//! - The desk knows its DN by the messages of gws-voice. Nothing of a DN is told before the session's own agent has logged in there, and
//!   nothing any more once somebody else has. Behind the agent's logout calls of before are told on, and no others.
//! - An operation becomes one request to gws-voice, or a few in their order. Its HTTP answer comes when they are taken, its outcome as an
//!   event, which has the operation's id by the reference of the request.
//! - What is told is noted until all clients are known to have it. A desk that goes on in another process tells the rest again.

mod activation;
mod catching_up;
mod channel;
mod clients;
mod ending;
mod frames;
mod hearing;
mod initialisation;
mod media;
mod messages;
mod news;
mod operating;
mod operations;
mod optimised;
mod outputs;
mod pending;
mod picture;
mod recents;
mod repeats;
mod reporting;
mod rights;
mod snapshot;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::Arc;

use bayeux::{Batch, Exchange, HubSettings, Output};
use model::{Entropy, Timestamp};
use serde_json::{Map, Value, json};

use self::activation::EarlyActivation;
use self::catching_up::CatchingUp;
use self::channel::VoiceChannel;
use self::clients::DeskClients;
use self::ending::EndingSession;
use self::pending::PendingOperations;
use self::repeats::{KnownOperations, Repetition};

pub use self::channel::{DnAdmission, ReadingProgress};
pub use self::media::MediaChannel;
pub use self::operations::{ActivateBody, VoiceAction, VoiceOperation};
pub use self::optimised::with_plain_properties;
pub use self::outputs::{AskFault, DeskEnd, DeskOutput, OperationRefusal, ReplyId};
pub use self::recents::RecentCall;
pub use self::snapshot::{
    ChannelSnapshot, DeskPhase, DeskSnapshot, EndingSnapshot, ListenerSnapshot, OperationSnapshot, StoredEffect,
};

/// Whose session it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeskPerson {
    /// The user name.
    pub user: String,
    /// What the sign-in opens.
    pub scopes: Vec<String>,
    /// The only DN for which it is, if it is tied to one.
    pub dn: Option<String>,
}

impl DeskPerson {
    /// As requests and events name the person.
    fn requester(&self) -> String {
        format!("person/{}", self.user)
    }

    fn may(&self, scope: &str) -> bool {
        self.scopes.iter().any(|own| own == scope)
    }
}

/// How a desk treats its clients.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeskSettings {
    /// Those of Bayeux.
    pub hub: HubSettings,
}

/// Whether gws-voice can be reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum VoiceService {
    Available,
    Unavailable,
}

impl VoiceService {
    fn as_str(self) -> &'static str {
        match self {
            Self::Available => "AVAILABLE",
            Self::Unavailable => "UNAVAILABLE",
        }
    }
}

/// Whether the session goes on.
#[derive(Clone, Debug)]
enum SessionLife {
    Open,
    /// It ends once its agent is logged out.
    Ending(EndingSession),
    Over,
}

/// Which changes a record does not have yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
enum Unstored {
    #[default]
    Nothing,
    /// How far events were told, or which operations are under way: another process would tell a little twice.
    Progress,
    /// What no answer may be ahead of: clients, subscriptions, the channel.
    State,
}

/// What the configuration says.
#[derive(Clone, PartialEq, Debug)]
struct DeskConfiguration {
    user: Value,
    /// Other sessions have the same.
    configuration: Arc<Value>,
}

/// The desk of a session. Each input is followed by [`Desk::poll_output`] until nothing comes.
pub struct Desk {
    who: DeskPerson,
    clients: DeskClients,
    phase: DeskPhase,
    begun: Timestamp,
    /// Whether the desktop reads the configuration part by part, and user properties as plain objects.
    is_optimised: bool,
    /// When the configuration is asked for again that a restored desk lacks.
    asks_again: Option<Timestamp>,
    workspace: Option<DeskConfiguration>,
    /// The person's agent, by the configuration.
    agent: Option<String>,
    channel: Option<VoiceChannel>,
    early_activations: Vec<EarlyActivation>,
    catching_up: CatchingUp,
    pending: PendingOperations,
    known: KnownOperations,
    service: VoiceService,
    /// Messages of gws-voice do not come, whatever becomes of requests.
    is_cut_off: bool,
    life: SessionLife,
    last_reference: u64,
    unstored: Unstored,
    outputs: VecDeque<DeskOutput>,
}

impl Desk {
    /// A desk of a new session.
    pub fn new(who: DeskPerson, settings: DeskSettings) -> Self {
        Self::around(who, DeskClients::new(settings.hub))
    }

    fn around(who: DeskPerson, clients: DeskClients) -> Self {
        Self {
            who,
            clients,
            phase: DeskPhase::New,
            begun: Timestamp::ZERO,
            is_optimised: false,
            asks_again: None,
            workspace: None,
            agent: None,
            channel: None,
            early_activations: Vec::new(),
            catching_up: CatchingUp::default(),
            pending: PendingOperations::default(),
            known: KnownOperations::default(),
            service: VoiceService::Available,
            is_cut_off: false,
            life: SessionLife::Open,
            last_reference: 0,
            unstored: Unstored::Nothing,
            outputs: VecDeque::new(),
        }
    }

    /// A desk that goes on in this process: it wants the configuration and follows its DN.
    pub fn restore(who: DeskPerson, settings: DeskSettings, snapshot: DeskSnapshot, now: Timestamp) -> Self {
        let DeskSnapshot { hub, listeners, phase, begun, is_optimised, agent, channel, operations, .. } = snapshot;
        let (last_reference, last_cursor) = (snapshot.last_reference, snapshot.last_cursor);
        let mut desk = Self::around(who, DeskClients::restore(settings.hub, hub, listeners, last_cursor, now));
        (desk.phase, desk.begun, desk.agent, desk.last_reference) = (phase, begun, agent, last_reference);
        desk.is_optimised = is_optimised;
        if let Some(ending) = snapshot.ending {
            desk.go_on_to_end(ending, now);
            return desk;
        }
        for operation in operations {
            desk.known.go_on(&operation);
            desk.pending.add(operation.restored());
        }
        if matches!(desk.phase, DeskPhase::New | DeskPhase::Failed(_)) {
            // Whoever has asked for it waits, or asks again.
            (desk.phase, desk.begun) = (DeskPhase::Initialising, now);
        }
        desk.outputs.push_back(DeskOutput::WantConfiguration);
        if let Some(stored) = channel {
            let (channel, after) = stored.restored();
            desk.outputs.push_back(DeskOutput::Follow { dn: channel.dn.clone(), after });
            (desk.channel, desk.catching_up) = (Some(channel), CatchingUp::since(now));
        }
        for (client, opened) in desk.clients.uninformed() {
            if opened.voice {
                desk.tell_voice_state(&client, now);
            }
        }
        desk.settle(now);
        desk
    }

    /// What outlives the process.
    pub fn snapshot(&self) -> DeskSnapshot {
        let messages = self.channel.as_ref().map(VoiceChannel::messages_to_come_again).unwrap_or_default();
        let (hub, listeners) = self.clients.snapshot(&messages);
        DeskSnapshot {
            hub,
            listeners,
            phase: self.phase.clone(),
            begun: self.begun,
            is_optimised: self.is_optimised,
            agent: self.agent.clone(),
            channel: self.channel.as_ref().map(ChannelSnapshot::of),
            operations: OperationSnapshot::of_all(self.pending.iter()),
            last_reference: self.last_reference,
            last_cursor: self.clients.last_cursor(),
            ending: self.ending(),
        }
    }

    /// The session goes on by a later sign-in of the same person, or the person may more or less by the one of now.
    pub fn renew(&mut self, who: DeskPerson) {
        self.who = who;
    }

    // === Bayeux ===

    /// Takes a batch of messages of a client.
    pub fn bayeux(&mut self, exchange: Exchange, batch: Batch, entropy: &mut dyn Entropy, now: Timestamp) {
        if batch.has_handshake() {
            self.unstored = Unstored::State;
        }
        self.clients.receive(exchange, batch, entropy, now);
        self.settle(now);
    }

    /// The peer of a batch has left before its answer.
    pub fn hung_up(&mut self, exchange: Exchange, now: Timestamp) {
        self.clients.hung_up(exchange, now);
        self.settle(now);
    }

    /// What the clients' messages have led to, what is known to have arrived, and what is to be stored: the end of every turn.
    fn settle(&mut self, now: Timestamp) {
        let mut answers = Vec::new();
        while let Some(output) = self.clients.poll_output() {
            match output {
                Output::Answer { exchange, body } => answers.push(DeskOutput::Answer { exchange, body }),
                Output::Subscribed { client, pattern, .. } => {
                    self.unstored = Unstored::State;
                    let is_configured = self.phase == DeskPhase::Configured;
                    let opened = self.clients.subscribed(&client, pattern.as_str(), is_configured);
                    if opened.initialization {
                        self.tell_initialisation(&client, now);
                    }
                    if opened.voice {
                        self.tell_voice_state(&client, now);
                    }
                }
                Output::Unsubscribed { client, .. } => {
                    self.unstored = Unstored::State;
                    self.clients.unsubscribed(&client);
                }
                Output::Ended { client, .. } => {
                    self.unstored = Unstored::State;
                    self.clients.ended(&client);
                }
            }
        }
        let progress = self.clients.confirmed();
        // What one client has while another one is silent is not told to it again.
        let is_further = |channel: &mut VoiceChannel| {
            channel.confirm(progress.all) || progress.has_advanced && !channel.unconfirmed.is_empty()
        };
        if self.channel.as_mut().is_some_and(is_further) {
            self.unstored = self.unstored.max(Unstored::Progress);
        }
        let unstored = std::mem::take(&mut self.unstored);
        if matches!(self.life, SessionLife::Over) {
            self.outputs.extend(answers);
            return;
        }
        let stores = |of: Unstored, output| (unstored == of).then_some(output);
        self.outputs.extend(stores(Unstored::State, DeskOutput::Store));
        self.outputs.extend(answers);
        self.outputs.extend(stores(Unstored::Progress, DeskOutput::StoreSoon));
    }

    // === time ===

    /// When [`Desk::handle_timeout`] has something to do.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        let ending = match &self.life {
            SessionLife::Ending(ending) => Some(ending.due()),
            SessionLife::Open | SessionLife::Over => None,
        };
        let waiting = self.channel.as_ref().and_then(|channel| channel.waiting.iter().map(|login| login.until).min());
        let due = [
            self.clients.next_timeout(),
            self.pending.next_timeout(),
            waiting,
            self.asks_again,
            ending,
            self.early_timeout(),
            self.catching_up.until(),
        ];
        due.into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.clients.handle_timeout(now);
        self.refuse_early_activations(now);
        self.begin_waiting(now);
        self.log_in_unheard(now);
        for reference in self.pending.answers_due(now) {
            if self.pending.answers(reference) {
                self.granted(reference, now);
            }
        }
        self.forget_late_operations(now);
        if self.asks_again.is_some_and(|at| at <= now) {
            self.asks_again = None;
            self.outputs.push_back(DeskOutput::WantConfiguration);
        }
        self.go_on_ending(now);
        self.settle(now);
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<DeskOutput> {
        self.outputs.pop_front()
    }

    // === what is read ===

    /// `data` of the session: the person with the DN and the calls, and how far the initialisation is if it is not done.
    pub fn current_session(&self) -> Value {
        let mut data = Map::new();
        match &self.workspace {
            Some(workspace) => {
                let (user, configuration) = self.told_configuration(workspace);
                data.insert("user".to_owned(), user);
                data.insert("configuration".to_owned(), configuration.into_owned());
            }
            None => drop(data.insert("user".to_owned(), self.current_user(json!({"userName": self.who.user})))),
        }
        let pending = match &self.phase {
            DeskPhase::New => Some(messages::pending_login("NotStarted", self.begun, None)),
            DeskPhase::Failed(why) => Some(messages::pending_login("Failed", self.begun, Some(why))),
            DeskPhase::Initialising | DeskPhase::Configured if self.workspace.is_none() => {
                Some(messages::pending_login("Executing", self.begun, None))
            }
            DeskPhase::Initialising | DeskPhase::Configured => None,
        };
        data.extend(pending.map(|pending| ("pending-login-async".to_owned(), pending)));
        Value::Object(data)
    }

    /// The DN at which the session works. One whose login is under way is none: it may be refused.
    pub fn working_dn(&self) -> Option<&str> {
        let channel = self.channel.as_ref().filter(|channel| channel.is_admitted() && !channel.is_leaving);
        channel.map(|channel| channel.dn.as_str())
    }

    /// The DN that is the agent's by this session: also while the agent is logging out there, since that may fail.
    pub fn held_dn(&self) -> Option<&str> {
        self.channel.as_ref().filter(|channel| channel.is_admitted()).map(|channel| channel.dn.as_str())
    }

    fn active_session(&self) -> Option<Value> {
        let channel = self.channel.as_ref().filter(|channel| channel.is_admitted())?;
        let dn = channel.picture.dn.as_ref()?;
        let services = json!([{"serviceName": "VOICE", "serviceState": self.service.as_str()}]);
        Some(json!({"dn": dn, "calls": channel.picture.calls, "media": {"channels": []}, "services": services}))
    }

    /// `data` of the calls: those of the DN.
    pub fn calls(&self) -> Value {
        let channel = self.channel.as_ref().filter(|channel| channel.is_admitted());
        let calls = channel.map(|channel| channel.picture.calls.clone()).unwrap_or_default();
        json!({"calls": calls})
    }

    // === within ===

    /// A reference that no request of the session had: microseconds, so that another process has greater ones, too.
    fn next_reference(&mut self, now: Timestamp) -> u64 {
        self.last_reference = self.last_reference.saturating_add(1).max(now.as_micros());
        self.last_reference
    }

    fn send(&mut self, mut frame: Map<String, Value>, reference: u64) {
        frame.insert("ReferenceID".to_owned(), json!(reference));
        self.outputs.push_back(DeskOutput::Ask { reference, frame: Value::Object(frame) });
    }

    fn refuse(&mut self, reply: ReplyId, refusal: &OperationRefusal) {
        self.answer(reply, refusal.status, refusal.body());
    }

    /// Answers an operation, and whoever has asked for it again.
    fn answer(&mut self, reply: ReplyId, status: u16, body: Value) {
        let repeated = self.known.answered(reply, status, &body);
        for reply in [reply].into_iter().chain(repeated) {
            self.outputs.push_back(DeskOutput::Reply { reply, status, body: body.clone() });
        }
    }

    /// Whether an operation was asked for before, under that id of the client: then it is answered as it was, or will be.
    fn is_repeated(&mut self, id: Option<&str>, operation: &impl Debug, reply: ReplyId, now: Timestamp) -> bool {
        let Some(id) = id else { return false };
        match self.known.begin(id, repeats::digest(operation), reply, now) {
            Repetition::First => return false,
            Repetition::Waits => {}
            Repetition::Answered { status, body } => {
                self.outputs.push_back(DeskOutput::Reply { reply, status, body });
            }
            Repetition::TooMany => {
                let refusal = OperationRefusal::new(429, "operationId: too many requests wait for that operation");
                self.outputs.push_back(DeskOutput::Reply { reply, status: refusal.status, body: refusal.body() });
            }
        }
        true
    }
}
