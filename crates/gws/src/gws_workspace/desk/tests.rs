//! A desk with one client that polls, a gws-voice that says what the test wants, and what each operation and each surprise leads to.

mod events;
mod going_on;
mod laws;
mod recents;
mod repeats;
mod requests;
mod rights;

use std::time::Duration;

use bayeux::{Batch, Exchange, HubSettings, ServedConnections, UnknownClient};
use model::Timestamp;
use model::entropy::Seeded;
use serde_json::{Value, json};

use super::news::{VoiceMessage, VoiceNews};
use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const ANN: &str = "person/ann";
/// How long a connect waits whose answer is due at once.
const MOMENT_MS: u64 = 1;
/// What the token of an agent with a phone opens at a desktop.
const AGENT: [&str; 3] = ["workspace:use", "agents:control", "calls:control"];

fn settings() -> DeskSettings {
    DeskSettings {
        hub: HubSettings {
            connect_timeout: Duration::from_secs(30),
            interval: Duration::ZERO,
            client_idle_max: Duration::from_secs(120),
            clients_max: 4,
            subscriptions_max: 20,
            queue_messages_max: 500,
            queue_bytes_max: 1 << 20,
            unknown_client: UnknownClient::Refuse,
            connections: ServedConnections::SocketsToo,
        },
    }
}

fn ann(scopes: &[&str]) -> DeskPerson {
    let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    DeskPerson { user: "ann".to_owned(), scopes, dn: None }
}

fn dn(agent: Option<&str>, state: &str) -> Value {
    let mut dn = json!({"number": "7101", "agentState": state, "agentWorkMode": "ManualIn", "capabilities": []});
    if let Some(agent) = agent {
        dn["agentId"] = json!(agent);
    }
    dn
}

fn call(id: &str, state: &str) -> Value {
    json!({
        "id": id, "connId": id, "callUuid": "u", "callType": "Inbound", "state": state, "participants": [],
        "userData": [], "capabilities": ["release", "hold"], "recordingState": "Stopped", "duration": 1,
    })
}

/// A desk, its outputs by kind, and a client that polls.
struct Bench {
    desk: Desk,
    now: Timestamp,
    entropy: Seeded,
    exchanges: u64,
    replies_begun: u64,
    positions: u64,
    client: String,
    asks: Vec<(u64, Value)>,
    replies: Vec<(ReplyId, u16, Value)>,
    events: Vec<Value>,
    others: Vec<DeskOutput>,
}

impl Bench {
    fn around(desk: Desk) -> Self {
        Self {
            desk,
            now: NOW,
            entropy: Seeded::new(7),
            exchanges: 0,
            replies_begun: 0,
            positions: 0,
            client: String::new(),
            asks: Vec::new(),
            replies: Vec::new(),
            events: Vec::new(),
            others: Vec::new(),
        }
    }

    /// A desk of which nothing was asked yet.
    fn new() -> Self {
        Self::around(Desk::new(ann(&AGENT), settings()))
    }

    /// A desk whose client has subscribed to all and knows the configuration.
    fn initialised() -> Self {
        let mut bench = Self::new();
        bench.desk.initialise(bench.now);
        bench.connects();
        bench.subscribes("/workspace/v3/initialization");
        bench.is_configured();
        bench.subscribes("/workspace/v3/voice");
        bench.settles();
        bench
    }

    /// A desk whose agent is logged in at 7101, not ready.
    fn active() -> Self {
        let mut bench = Self::initialised();
        bench.activates(&json!({"data": {"dn": "7101"}}));
        bench.hears(VoiceNews::Picture { dn: dn(None, "LoggedOut"), calls: Vec::new() });
        let login = bench.takes();
        bench.hears_as(login, ANN, VoiceNews::Dn(dn(Some("1001"), "NotReady")));
        bench.settles();
        bench
    }

    /// As `active`, with these calls.
    fn with_calls(calls: &[Value]) -> Self {
        let mut bench = Self::active();
        for call in calls {
            bench.hears_call(call.clone());
        }
        bench.settles();
        bench
    }

    // === inputs ===

    fn is_configured(&mut self) {
        let user = json!({"userName": "ann", "employeeId": "E-1", "agentLogin": "1001"});
        self.desk.configured(user, json!({"actionCodes": []}), self.now);
        self.carry();
    }

    fn operates(&mut self, operation: VoiceOperation) -> ReplyId {
        self.replies_begun += 1;
        let reply = ReplyId(self.replies_begun);
        self.desk.operate(operation, reply, self.now);
        self.carry();
        reply
    }

    fn asks_for(&mut self, path: &str, body: &Value) -> ReplyId {
        let segments: Vec<&str> = path.split('/').collect();
        self.operates(VoiceOperation::read(&segments, body).unwrap())
    }

    fn activates(&mut self, body: &Value) -> ReplyId {
        self.replies_begun += 1;
        let (reply, body) = (ReplyId(self.replies_begun), ActivateBody::read(body).unwrap());
        let dn = body.dn.clone().unwrap_or_else(|| "7101".to_owned());
        self.desk.activate(body, dn, Some("sip".to_owned()), reply, self.now);
        self.carry();
        reply
    }

    /// gws-voice takes the last request; its reference.
    fn takes(&mut self) -> u64 {
        let reference = self.asks.last().map(|(reference, _)| *reference).unwrap();
        self.answers(reference, Ok(()));
        reference
    }

    fn answers(&mut self, reference: u64, answer: Result<(), AskFault>) {
        self.desk.asked(reference, answer, self.now);
        self.carry();
    }

    fn refuses(&mut self, status: u16) {
        let reference = self.asks.last().map(|(reference, _)| *reference).unwrap();
        self.answers(reference, Err(AskFault { status, code: Some(56), message: "no".to_owned() }));
    }

    /// The session ends, and no other one of the person works.
    fn ends(&mut self, why: DeskEnd) {
        self.desk.end_for(None, why, self.now);
        self.carry();
        self.is_the_last(Some(true));
    }

    /// Whether no other session of the person works at the DN.
    fn is_the_last(&mut self, is_last: Option<bool>) {
        self.desk.others_told(is_last.map(|is_last| !is_last), self.now);
        self.carry();
    }

    /// Does all that is due until then, with that said of other sessions.
    fn goes_on_until(&mut self, until: Timestamp) {
        while let Some(next) = self.desk.next_timeout().filter(|next| *next < until) {
            let asked = self.others.len();
            self.waits(next.since(self.now));
            if self.others[asked..].iter().any(|output| matches!(output, DeskOutput::AskOthers { .. })) {
                self.is_the_last(Some(true));
            }
        }
        self.waits(until.since(self.now));
    }

    fn hears(&mut self, news: VoiceNews) {
        self.hears_as(0, "", news);
    }

    fn hears_call(&mut self, call: Value) {
        self.hears(VoiceNews::Call { call, notification: "StateChange" });
    }

    fn hears_as(&mut self, reference: u64, requester: &str, news: VoiceNews) {
        self.positions += 1;
        self.hears_at(&self.positions.to_string(), reference, requester, news);
    }

    fn hears_at(&mut self, position: &str, reference: u64, requester: &str, news: VoiceNews) {
        let (position, requester) = (position.to_owned(), requester.to_owned());
        self.desk.hear(VoiceMessage { position, reference, requester, news }, self.now);
        self.carry();
    }

    fn waits(&mut self, time: Duration) {
        self.now = self.now + time;
        self.desk.handle_timeout(self.now);
        self.carry();
    }

    // === the client ===

    fn sends(&mut self, messages: &Value) {
        self.exchanges += 1;
        let batch = Batch::read(messages.to_string().as_bytes()).unwrap();
        self.desk.bayeux(Exchange(self.exchanges), batch, &mut self.entropy, self.now);
        self.carry();
    }

    fn connects(&mut self) {
        self.sends(&json!([{
            "id": "1", "channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"],
        }]));
        self.polls();
    }

    fn subscribes(&mut self, channel: &str) {
        self.sends(&json!([
            {"id": "2", "channel": "/meta/subscribe", "clientId": self.client, "subscription": channel},
        ]));
    }

    /// A connect that hardly waits. One that does not wait at all would say that the one before has failed.
    fn polls(&mut self) {
        self.sends(&json!([{
            "id": self.exchanges, "channel": "/meta/connect", "clientId": self.client,
            "connectionType": "long-polling", "advice": {"timeout": MOMENT_MS},
        }]));
        self.waits(Duration::from_millis(MOMENT_MS));
    }

    /// Polls until all is known to have arrived, and forgets what has happened so far.
    fn settles(&mut self) {
        self.polls();
        self.polls();
        (self.events, self.others) = (Vec::new(), Vec::new());
        (self.replies, self.asks) = (Vec::new(), Vec::new());
    }

    /// The events that have come since the last call.
    fn news(&mut self) -> Vec<Value> {
        self.polls();
        self.polls();
        std::mem::take(&mut self.events)
    }

    // === outputs ===

    fn carry(&mut self) {
        while let Some(output) = self.desk.poll_output() {
            match output {
                DeskOutput::Ask { reference, frame } => self.asks.push((reference, frame)),
                DeskOutput::Reply { reply, status, body } => self.replies.push((reply, status, body)),
                DeskOutput::Answer { body, .. } => self.reads(&body),
                other => self.others.push(other),
            }
        }
    }

    fn reads(&mut self, body: &str) {
        let Value::Array(messages) = serde_json::from_str(body).unwrap() else { panic!("{body}") };
        for mut message in messages {
            let channel = message["channel"].as_str().unwrap().to_owned();
            match channel.as_str() {
                "/meta/handshake" => self.client = message["clientId"].as_str().unwrap().to_owned(),
                meta if meta.starts_with("/meta/") => {}
                _ => self.events.push(message["data"].take()),
            }
        }
    }

    /// The last request, without its reference.
    fn frame(&self) -> Value {
        let mut frame = self.asks.last().unwrap().1.clone();
        frame.as_object_mut().unwrap().remove("ReferenceID");
        frame
    }

    /// The answer to an operation: exactly one.
    fn reply(&self, reply: ReplyId) -> (u16, Value) {
        let of: Vec<(u16, Value)> = self
            .replies
            .iter()
            .filter(|(id, ..)| *id == reply)
            .map(|(_, status, body)| (*status, body["status"]["code"].clone()))
            .collect();
        assert_eq!(of.len(), 1, "{of:?}");
        of[0].clone()
    }

    fn has(&self, wanted: &DeskOutput) -> bool {
        self.others.contains(wanted)
    }
}

/// What an event tells, in short.
fn short(event: &Value) -> String {
    match event["messageType"].as_str().unwrap() {
        "DnStateChanged" => format!("dn {}", event["dn"]["agentState"].as_str().unwrap()),
        "CallStateChanged" => {
            let call = &event["call"];
            let (id, state) = (call["id"].as_str().unwrap(), call["state"].as_str().unwrap());
            format!("call {id} {state} {}", event["notificationType"].as_str().unwrap())
        }
        "EventError" => format!("error {}", event["error"]["errorCode"]),
        "ServiceStateChanged" => format!("voice {}", event["serviceState"].as_str().unwrap()),
        other => other.to_owned(),
    }
}

fn shorts(events: &[Value]) -> Vec<String> {
    events.iter().map(short).collect()
}
