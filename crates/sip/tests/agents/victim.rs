//! One user agent, and a peer whose every message is written by hand and may break any rule.

use std::time::Duration;

use model::Timestamp;
use sip::agent::{AgentConfig, DialogId, DialogSnapshot, Event, Reply, Restore, UserAgent};
use sip::{Message, Method};

use crate::pair::{Dice, Wire, bob_identity};

/// The most turns of one call in a minute of virtual time: a few timers each second, never more.
const TURNS_PER_MINUTE: u64 = 600;

pub struct Victim {
    pub agent: UserAgent,
    pub config: AgentConfig,
    pub wire: Wire,
    pub now: Timestamp,
    pub events: Vec<Event>,
    pub sent: Vec<Message>,
}

/// A request of the hostile peer within the dialog that [`Victim::answered`] makes, or the INVITE that begins it.
#[derive(Clone)]
pub struct Request<'a> {
    pub method: &'a str,
    pub cseq: u64,
    pub branch: &'a str,
    pub to_tag: &'a str,
    pub headers: &'a str,
    pub body: &'a str,
}

impl Default for Request<'_> {
    fn default() -> Self {
        Self { method: "INVITE", cseq: 1, branch: "z9hG4bKfirst", to_tag: "", headers: "", body: "" }
    }
}

impl Request<'_> {
    pub fn text(&self) -> String {
        let Self { method, cseq, branch, headers, body, .. } = self;
        let to_tag = if self.to_tag.is_empty() { String::new() } else { format!(";tag={}", self.to_tag) };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} sip:15550100@bob.example.com SIP/2.0\r\n\
             Via: SIP/2.0/UDP 192.0.2.66;branch={branch}\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:mallory@example.net>;tag=mallory\r\n\
             To: <sip:15550100@example.com>{to_tag}\r\n\
             Call-ID: hostile@example.net\r\n\
             CSeq: {cseq} {method}\r\n\
             Contact: <sip:mallory@192.0.2.66>\r\n\
             {headers}{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    pub fn message(&self) -> Message {
        Message::parse(self.text().into()).expect("the test means it to be readable")
    }
}

impl Victim {
    pub fn new(config: AgentConfig) -> Self {
        let config = AgentConfig { sent_by: "bob.example.com".into(), ..config };
        let agent = UserAgent::new(config.clone(), Box::new(Dice::new(7)));
        let now = Timestamp::from_millis(1_767_225_600_000);
        Self { agent, config, wire: Wire::Udp, now, events: Vec::new(), sent: Vec::new() }
    }

    pub fn receive(&mut self, message: Message) {
        self.agent.receive(message, self.wire.flow_to(9), self.now);
        self.drain();
    }

    pub fn drain(&mut self) {
        while let Some(event) = self.agent.poll_event() {
            self.events.push(event);
        }
        while let Some(transmit) = self.agent.poll_transmit() {
            self.sent.push(Message::parse(transmit.bytes).expect("we send what we can read"));
        }
    }

    /// Lets time pass, one turn for each wake-up that the agent requests.
    pub fn run(&mut self, duration: Duration) {
        let until = self.now + duration;
        let most = TURNS_PER_MINUTE * (duration.as_secs() / 60 + 1);
        let mut turns = 0;
        while let Some(due) = self.agent.next_timeout().filter(|due| *due <= until) {
            assert!(due > self.now || turns == 0, "a timer is due again in the turn that served it");
            self.now = self.now.max(due);
            self.agent.handle_timeout(self.now);
            self.drain();
            turns += 1;
            assert!(turns <= most, "more than {most} turns in {duration:?}");
        }
        self.now = until;
    }

    /// Lets time pass in which the process sleeps: timers that are due come at its end.
    pub fn sleep(&mut self, duration: Duration) {
        self.now = self.now + duration;
        self.run(Duration::ZERO);
    }

    /// A call from the hostile peer that is answered and acknowledged.
    pub fn answered(&mut self, invite: &Request<'_>) -> DialogId {
        self.receive(invite.message());
        let dialog = self.incoming();
        self.agent.identify(dialog, bob_identity()).expect("identified once");
        self.agent.answer(dialog, Reply::session("answer"), self.now).expect("answered once");
        self.drain();
        self.receive(
            Request { method: "ACK", branch: "z9hG4bKack", to_tag: "bob-tag", ..Request::default() }.message(),
        );
        dialog
    }

    pub fn incoming(&self) -> DialogId {
        let incoming = self.events.iter().rev().find_map(|event| match event {
            Event::Incoming { dialog, .. } => Some(*dialog),
            _ => None,
        });
        incoming.expect("the call was offered")
    }

    pub fn requests(&self, method: Method) -> usize {
        self.sent.iter().filter(|message| message.is_request() && message.method() == method).count()
    }

    /// Another agent continues the dialog as modified by `change`.
    pub fn restored(&self, dialog: DialogId, change: impl Fn(&mut DialogSnapshot)) -> (Self, DialogId) {
        let mut snapshots = self.agent.snapshot(&[dialog]);
        snapshots.iter_mut().for_each(change);
        let mut other = Self::new(self.config.clone());
        other.now = self.now;
        let ids = other.agent.restore(snapshots, Restore::UNCHANGED, self.now).expect("a fresh agent has room");
        (other, ids[0])
    }
}
