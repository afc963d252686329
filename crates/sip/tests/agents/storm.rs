//! Calls under loss, duplication and reordering, by seed: everything always ends, exactly once.
//!
//! The two applications act at times drawn from the seed. `restore` uses the same driver and checks the agents after every
//! input.

use std::time::Duration;

use bytes::Bytes;
use model::entropy::Seeded;
use model::{Entropy, Timestamp};
use simnet::{Conditions, Step};
use sip::agent::{
    AgentConfig, Body, DialogId, Event, IncomingId, Provisionals, Reliability, Reply, Session, UserAgent,
};
use sip::header::HeaderName;
use sip::{Message, Method, StatusCode};

use crate::pair::{ALICE, BOB, Pair, Wire, bob_identity, invite};

/// An action of an application.
#[derive(Clone, Debug)]
pub enum Action {
    Identify,
    Ring,
    Progress,
    Answer,
    Reject,
    Cancel,
    Ack,
    Reinvite,
    Solicit,
    Update,
    Info,
    Options,
    Accept,
    Refuse,
    Respond(IncomingId),
    Bye,
}

/// An input of an agent.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "one at a time")]
pub enum Input {
    Message(Message, sip::Flow),
    Timeout,
    Do(Action),
}

/// Applies an input to an agent. The agent refuses commands in the wrong state, which is part of the test.
pub fn apply(agent: &mut UserAgent, dialog: Option<DialogId>, input: &Input, serial: u32, now: Timestamp) {
    match input {
        Input::Message(message, flow) => agent.receive(message.clone(), *flow, now),
        Input::Timeout => agent.handle_timeout(now),
        Input::Do(Action::Respond(id)) => {
            let _ = agent.respond(*id, Reply::new(StatusCode::OK), now);
        }
        Input::Do(action) => {
            if let Some(dialog) = dialog {
                act(agent, dialog, action, serial, now);
            }
        }
    }
}

fn act(agent: &mut UserAgent, id: DialogId, action: &Action, serial: u32, now: Timestamp) {
    let session = |kind: &str| Bytes::from(format!("{kind} {serial}"));
    let settled = agent.leg(id).is_some_and(|leg| leg.offer_answer.established());
    let _ = match action {
        Action::Identify => agent.identify(id, bob_identity()),
        Action::Ring => agent.provisional(id, Reply::new(StatusCode::RINGING), now),
        Action::Progress if agent.leg(id).is_some_and(|leg| leg.offer_answer.open().is_some()) => {
            let body = Body::sdp("answer");
            agent.provisional(id, Reply::new(StatusCode::SESSION_PROGRESS).body(body), now)
        }
        Action::Progress => agent.provisional(id, Reply::new(StatusCode::QUEUED), now),
        Action::Answer if settled => agent.answer(id, Reply::new(StatusCode::OK), now),
        Action::Answer => agent.answer(id, Reply::session("answer"), now),
        Action::Reject => agent.reject(id, Reply::new(StatusCode::BUSY_HERE), now),
        Action::Cancel => agent.cancel(id, Vec::new(), now),
        Action::Ack => agent.ack(id, session("answer"), now),
        Action::Reinvite => agent.reinvite(id, Some(session("offer")), Vec::new(), now),
        Action::Solicit => agent.reinvite(id, None, Vec::new(), now),
        Action::Update => agent.update(id, Some(session("offer")), Vec::new(), now),
        Action::Info => agent.info(id, Body::new("text/plain", session("info")), Vec::new(), now).map(|_| ()),
        Action::Options => agent.options(id, Vec::new(), now).map(|_| ()),
        Action::Accept => agent.accept_offer(id, session("answer"), now),
        Action::Refuse => agent.refuse_offer(id, StatusCode::NOT_ACCEPTABLE_HERE, now),
        Action::Respond(_) => Ok(()),
        Action::Bye => agent.bye(id, Vec::new(), now),
    };
}

/// Observes an agent around every input.
pub trait Witness {
    /// Before the input.
    fn before(&mut self, storm: &mut Storm, who: u8, input: &Input);
    /// After it, before anything is drained.
    fn after(&mut self, storm: &mut Storm, who: u8, input: &Input);
}

/// One call in progress.
pub struct Storm {
    pub pair: Pair,
    pub dialogs: [Option<DialogId>; 2],
    pub serial: u32,
    pub seed: u64,
    script: Vec<(Timestamp, u8, Action)>,
    fate: Seeded,
    seen: [usize; 2],
}

/// How long the applications act; then the last of them hangs up.
const ACTIVE: Duration = Duration::from_secs(60);
/// The time by which everything has ended: the longest chain is INVITE, CANCEL, BYE, each with 64·T1.
const OVER: Duration = Duration::from_secs(600);

impl Storm {
    pub fn new(seed: u64) -> Self {
        let mut fate = Seeded::new(seed ^ 0x5707);
        let wire = if fate.below(4) == 0 { Wire::Stream } else { Wire::Udp };
        let conditions = match (wire, fate.below(4)) {
            (Wire::Stream, _) => Conditions::STREAM,
            (Wire::Udp, 0) => Conditions::PERFECT,
            (Wire::Udp, 1) => Conditions { loss_per_mille: 300, ..Conditions::ROUGH },
            (Wire::Udp, _) => Conditions::ROUGH,
        };
        let timer = |fate: &mut Seeded| if fate.below(3) == 0 { Some(90) } else { None };
        let alice = AgentConfig { session_expires_s: timer(&mut fate), ..AgentConfig::default() };
        let reliability = if fate.below(2) == 0 { Reliability::WhenRequired } else { Reliability::WhenSupported };
        let bob = AgentConfig { session_expires_s: timer(&mut fate), reliability, ..AgentConfig::default() };
        let pair = Pair::with_configs(seed, wire, conditions, alice, bob);
        let script = Vec::new();
        Self { pair, dialogs: [None, None], serial: 0, seed, script, fate, seen: [0, 0] }
    }

    /// Runs the call to its end.
    pub fn run(&mut self, witness: &mut dyn Witness) {
        self.begin();
        let end = self.pair.now() + OVER;
        while self.turn(end, witness) {}
    }

    fn begin(&mut self) {
        let provisionals = if self.fate.below(2) == 0 { Provisionals::Plain } else { Provisionals::Reliable };
        let offer = if self.fate.below(4) == 0 { None } else { Some("offer") };
        let mut call = invite(self.pair.wire, offer, provisionals);
        if provisionals == Provisionals::Reliable && offer.is_some() && self.fate.below(2) == 0 {
            call.headers.push((HeaderName::Require, "100rel".into()));
        }
        let now = self.pair.now();
        self.dialogs[0] = self.pair.agent(ALICE).invite(call, now).ok();
        if self.fate.below(4) == 0 {
            self.plan(ALICE, 5_000, Action::Cancel);
        }
        // No call may last for ever.
        self.script.push((now + ACTIVE, ALICE, Action::Cancel));
        for who in [ALICE, BOB] {
            self.script.push((now + ACTIVE + Duration::from_secs(40), who, Action::Bye));
        }
    }

    /// Plans an action within this number of milliseconds.
    fn plan(&mut self, who: u8, within_ms: u64, action: Action) {
        let at = self.pair.now() + Duration::from_millis(self.fate.below(within_ms));
        self.script.push((at, who, action));
    }

    fn turn(&mut self, end: Timestamp, witness: &mut dyn Witness) -> bool {
        self.drain();
        let acting = self.script.iter().map(|(at, ..)| *at).min();
        let timeouts = self.pair.peers.iter().filter_map(|p| p.agent.next_timeout()).min();
        let due = [acting, timeouts].into_iter().flatten().min();
        match self.pair.net.step(due) {
            Step::Arrived(packet) => {
                let flow = self.pair.wire.flow_to(packet.from);
                if let Ok(message) = Message::parse(packet.payload) {
                    self.input(packet.to, &Input::Message(message, flow), witness);
                }
            }
            Step::Due(now) => {
                if let Some(at) = self.script.iter().position(|(at, ..)| *at <= now) {
                    let (_, who, action) = self.script.swap_remove(at);
                    self.input(who, &Input::Do(action), witness);
                    return true;
                }
                for who in [ALICE, BOB] {
                    self.input(who, &Input::Timeout, witness);
                }
            }
            Step::Idle => return false,
        }
        assert!(self.pair.now() < end, "seed {}: not over in time", self.seed);
        true
    }

    fn input(&mut self, who: u8, input: &Input, witness: &mut dyn Witness) {
        witness.before(self, who, input);
        let (now, dialog) = (self.pair.now(), self.dialogs[usize::from(who)]);
        self.serial += 1;
        apply(self.pair.agent(who), dialog, input, self.serial, now);
        witness.after(self, who, input);
        self.drain();
    }

    fn drain(&mut self) {
        self.pair.drain();
        for who in [ALICE, BOB] {
            let index = usize::from(who);
            while let Some(event) = self.pair.peers[index].events.get(self.seen[index]).cloned() {
                self.seen[index] += 1;
                self.react(who, &event);
            }
        }
    }

    fn react(&mut self, who: u8, event: &Event) {
        match event {
            Event::Incoming { dialog, .. } => {
                self.dialogs[usize::from(who)] = Some(*dialog);
                self.plan(who, 1, Action::Identify);
                for action in [Action::Ring, Action::Progress] {
                    if self.fate.below(2) == 0 {
                        self.plan(who, 3_000, action);
                    }
                }
                let last = if self.fate.below(5) == 0 { Action::Reject } else { Action::Answer };
                self.script.push((self.pair.now() + Duration::from_millis(3_000), who, last.clone()));
                self.plan(who, 3_000, last);
            }
            Event::Answered { session, .. } => {
                if matches!(session, Session::Offer(_)) {
                    self.plan(who, 300, Action::Ack);
                }
                self.talk(who);
            }
            Event::Proposed { .. } => self.plan(who, 300, Action::Ack),
            Event::Acknowledged { .. } => self.talk(who),
            Event::Offered { .. } | Event::OfferWanted { .. } => {
                let action = if self.fate.below(4) == 0 { Action::Refuse } else { Action::Accept };
                self.plan(who, 1_500, action);
            }
            Event::Info { request, .. } => self.plan(who, 500, Action::Respond(*request)),
            _ => {}
        }
    }

    fn talk(&mut self, who: u8) {
        for action in [Action::Reinvite, Action::Solicit, Action::Update, Action::Info, Action::Options] {
            if self.fate.below(3) == 0 {
                self.plan(who, 20_000, action);
            }
        }
        if self.fate.below(3) == 0 {
            self.plan(who, 40_000, Action::Bye);
        }
    }

    /// Checks the rules that hold for every seed.
    pub fn judge(&mut self) {
        let seed = self.seed;
        for who in [ALICE, BOB] {
            assert_eq!(self.pair.agent(who).dialogs(), 0, "seed {seed}: a dialog of {who} is stuck");
            assert_eq!(self.pair.agent(who).transactions(), (0, 0), "seed {seed}: a transaction of {who} is stuck");
            let events = self.pair.events(who);
            let begun = events.iter().filter(|e| matches!(e, Event::Incoming { .. })).count();
            let begun = begun + usize::from(who == ALICE);
            let ended = events.iter().filter(|e| matches!(e, Event::Failed { .. } | Event::Released { .. })).count();
            assert_eq!(begun, ended, "seed {seed}: {who} began {begun}, ended {ended}: {events:#?}");
            if let Some(last) = events.last() {
                let over = matches!(last, Event::Failed { .. } | Event::Released { .. });
                assert!(over, "seed {seed}: {who} was told something after the end: {events:#?}");
            }
        }
        let answered = self.pair.events(ALICE).iter().filter(|e| matches!(e, Event::Answered { .. })).count();
        assert!(answered <= 1, "seed {seed}: answered {answered} times");
        self.judge_order();
    }

    /// Sequence numbers of a side grow by dialog, and it sends no new request after its BYE.
    fn judge_order(&self) {
        for who in [ALICE, BOB] {
            let mut last = 0;
            let mut left = false;
            for (_, message) in &self.pair.peers[usize::from(who)].sent {
                let Some(Ok(cseq)) = message.is_request().then(|| message.cseq()) else { continue };
                if matches!(cseq.method, Method::Ack | Method::Cancel) || cseq.number <= last {
                    continue; // belongs to an INVITE, or is a repeat
                }
                assert!(!left, "seed {}: {who} sent {cseq} after its BYE", self.seed);
                last = cseq.number;
                left = cseq.method == Method::Bye;
            }
        }
    }
}

/// Observes nothing.
pub struct Nobody;

impl Witness for Nobody {
    fn before(&mut self, _: &mut Storm, _: u8, _: &Input) {}
    fn after(&mut self, _: &mut Storm, _: u8, _: &Input) {}
}

/// The seeds of an ordinary run; `STORM_SEEDS` sets another number.
pub fn seeds(ordinary: u64) -> std::ops::Range<u64> {
    let asked = std::env::var("STORM_SEEDS").ok().and_then(|n| n.parse().ok());
    0..asked.unwrap_or(ordinary)
}

#[test]
fn every_call_ends_once_whatever_the_network_does() {
    let (mut answered, mut failed) = (0, 0);
    for seed in seeds(3_000) {
        let mut storm = Storm::new(seed);
        storm.run(&mut Nobody);
        storm.judge();
        let told = |wanted: fn(&Event) -> bool| storm.pair.events(ALICE).iter().any(wanted);
        answered += u64::from(told(|e| matches!(e, Event::Answered { .. })));
        failed += u64::from(told(|e| matches!(e, Event::Failed { .. })));
    }
    assert!(answered > 0 && failed > 0, "the seeds reach both outcomes: {answered} answered, {failed} failed");
}
