//! An agent attacked by a hostile party (`simnet::hostile`), as callee and as caller, by thousands of seeds: every input costs
//! a bounded number of steps, time advances, every dialog ends, and nothing is left.
//!
//! `HOSTILE_SEED=17` runs one seed and prints every message; `STORM_SEEDS` runs a larger number of seeds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use model::entropy::Seeded;
use model::{Entropy, Timestamp};
use simnet::hostile::{Party, Place, Role};
use simnet::{Conditions, Network, Step, Watch};
use sip::agent::{
    AgentConfig, Body, CommandError, DialogId, DialogTerms, Event, Invite, LocalIdentity, Provisionals, Reply, Session,
    UserAgent,
};
use sip::{Message, Method, StatusCode};

use crate::pair::{self as dice, Wire};
use crate::storm::seeds;
use crate::twin::{Turn, Twin, shown};
use crate::victim::{Request, Victim};

const US: u8 = 0;
const THEM: u8 = 1;

/// The highest cost of one input, in random numbers (each request takes two or three) and in messages and events: a storm of
/// requests in one dialog is answered one by one, and ending an agent's dialogs takes some for each.
const STEPS_MAX: u64 = 200;
/// How long both sides act; then we hang up, and they fall silent.
const ACTIVE: Duration = Duration::from_secs(40);
/// When nothing may be left: 64*T1 each for an ACK, a BYE, and lingering transactions.
const REST: Duration = Duration::from_secs(110);

/// How long a transaction exists whose final response was not acknowledged (64·T1).
const MERGED: Duration = Duration::from_secs(32);
/// A twin is made within this number of our inputs.
const TWIN_WITHIN: u64 = 120;
/// The deadline of a seed, which takes some milliseconds.
const SEED_MAX: Duration = Duration::from_secs(60);

/// Entropy that counts its use to detect loops: an agent that keeps drawing within one input loops for ever.
struct Counted(dice::Dice, Arc<AtomicU64>);

impl Entropy for Counted {
    fn next_u64(&mut self) -> u64 {
        let drawn = self.1.fetch_add(1, Ordering::Relaxed);
        assert!(drawn < STEPS_MAX, "it draws {drawn} random numbers in one turn");
        self.0.next_u64()
    }
}

/// An action of our application.
#[derive(Clone, Copy, Debug)]
enum Act {
    Ring(DialogId),
    Answer(DialogId),
    Reject(DialogId),
    Something(DialogId),
    HangUp,
}

struct Siege {
    seed: u64,
    net: Network<u8, Bytes>,
    agent: UserAgent,
    config: AgentConfig,
    dice: dice::Dice,
    /// The number of inputs after which a twin is made.
    twin_after: u64,
    twin: Option<Twin>,
    /// Messages sent before there was a twin.
    said_before: BTreeSet<Bytes>,
    /// Until when a repeated initial INVITE has a transaction, which absorbs its ACK: it belongs to no dialog, so no record
    /// contains it.
    merged_until: Timestamp,
    inputs: u64,
    compared: u64,
    party: Party,
    fate: Seeded,
    steps: Arc<AtomicU64>,
    agenda: BTreeMap<(Timestamp, u64), Act>,
    noted: u64,
    dialogs: Vec<DialogId>,
    loud: bool,
    answered: u64,
    unreadable: u64,
}

fn session(version: u64) -> Bytes {
    Bytes::from(format!(
        "v=0\r\no=- 1 {version} IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
    ))
}

pub fn place() -> Place {
    Place {
        sent_by: "192.0.2.2:5060".to_owned(),
        edge: "192.0.2.1:5060".to_owned(),
        user: "stranger".to_owned(),
        call_ids: "hostile-".to_owned(),
        audio_port: 4_000,
    }
}

impl Siege {
    fn new(seed: u64, loud: bool) -> Self {
        let mut fate = Seeded::new(seed ^ 0x51E6E);
        let steps = Arc::new(AtomicU64::new(0));
        let timer = [Some(90), Some(1_800), None][fate.below(3) as usize];
        let config = AgentConfig { sent_by: "192.0.2.1".into(), session_expires_s: timer, ..AgentConfig::default() };
        let dice = dice::Dice::new(seed);
        let agent = UserAgent::new(config.clone(), Box::new(Counted(dice.clone(), steps.clone())));
        let conditions = if fate.below(3) == 0 { Conditions::ROUGH } else { Conditions::PERFECT };
        let net = Network::new(seed, conditions);
        let calls = fate.below(2) == 0;
        let role = if calls { Role::Caller("9000".to_owned()) } else { Role::Callee };
        let party = Party::new(seed, role, place(), net.now());
        let mut siege = Self {
            seed,
            net,
            agent,
            config,
            dice,
            twin_after: fate.below(TWIN_WITHIN),
            twin: None,
            said_before: BTreeSet::new(),
            merged_until: Timestamp::from_micros(0),
            inputs: 0,
            compared: 0,
            party,
            fate,
            steps,
            agenda: BTreeMap::new(),
            noted: 0,
            dialogs: Vec::new(),
            loud,
            answered: 0,
            unreadable: 0,
        };
        if !calls {
            siege.call();
        }
        siege.later(ACTIVE, Act::HangUp);
        siege
    }

    fn later(&mut self, after: Duration, act: Act) {
        self.noted += 1;
        self.agenda.insert((self.net.now() + after, self.noted), act);
    }

    fn soon(&mut self, within_ms: u64, act: Act) {
        let after = Duration::from_millis(self.fate.below(within_ms));
        self.later(after, act);
    }

    fn call(&mut self) {
        let invite = Invite {
            flow: Wire::Udp.flow_to(THEM),
            target: "sip:stranger@192.0.2.2".into(),
            from: "<sip:us@192.0.2.1>".into(),
            to: "<sip:stranger@192.0.2.2>".into(),
            call_id: format!("ours-{}", self.seed),
            local: LocalIdentity { tag: "ours".into(), contact: "<sip:ours@192.0.2.1>".into() },
            routes: Vec::new(),
            headers: Vec::new(),
            offer: (self.fate.below(4) > 0).then(|| session(1)),
            parts: Vec::new(),
            provisionals: if self.fate.below(2) == 0 { Provisionals::Plain } else { Provisionals::Reliable },
            account: None,
            terms: DialogTerms::default(),
            max_forwards: sip::dialog::MAX_FORWARDS,
        };
        let dialog = self.agent.invite(invite, self.net.now()).expect("a fresh agent has room");
        self.dialogs.push(dialog);
    }

    fn play(&mut self) {
        let (end, mut still) = (self.net.now() + ACTIVE + REST, 0);
        let mut before = self.net.now();
        loop {
            self.drain();
            let agenda = self.agenda.keys().next().map(|(at, _)| *at);
            let others = [agenda, self.party.next_timeout(), self.agent.next_timeout()];
            let due = others.into_iter().flatten().min().map_or(end, |due| due.min(end));
            let step = self.net.step(Some(due));
            let now = self.net.now();
            still = if now == before { still + 1 } else { 0 };
            before = now;
            assert!(still < 5_000, "time stands still at {due:?}");
            self.steps.store(0, Ordering::Relaxed);
            match step {
                Step::Arrived(packet) => self.arrive(packet.to, &packet.payload, now),
                Step::Due(_) if now >= end => return,
                Step::Due(_) => self.due(now),
                Step::Idle => return,
            }
        }
    }

    /// An input of the agent, and of its twin if there is one.
    fn input(&mut self, input: impl Fn(&mut UserAgent)) {
        let before = self.dice.fork();
        input(&mut self.agent);
        if let Some(twin) = &mut self.twin {
            twin.dice.follow(&before);
            input(&mut twin.agent);
        }
    }

    /// A command to a dialog. The agent refuses a command in the wrong state.
    fn command<T>(
        &mut self,
        id: DialogId,
        command: impl Fn(&mut UserAgent, DialogId) -> Result<T, CommandError>,
    ) -> bool {
        let before = self.dice.fork();
        let done = command(&mut self.agent, id).is_ok();
        if let Some((twin, own)) =
            self.twin.as_mut().and_then(|twin| Some((twin.own(id)?, twin))).map(|(own, twin)| (twin, own))
        {
            twin.dice.follow(&before);
            assert_eq!(command(&mut twin.agent, own).is_ok(), done, "a twin takes what we take");
        }
        done
    }

    fn arrive(&mut self, to: u8, bytes: &Bytes, now: Timestamp) {
        if to == THEM {
            return self.party.receive(&String::from_utf8_lossy(bytes), now);
        }
        self.inputs += 1;
        if self.inputs == self.twin_after && now < self.merged_until {
            self.twin_after += 1;
        }
        if self.inputs == self.twin_after {
            self.twin = Twin::of(&self.agent, &self.dialogs, self.config.clone(), now);
            if let Some(twin) = &mut self.twin {
                twin.said_before = std::mem::take(&mut self.said_before);
            }
        }
        match Message::parse(bytes.clone()) {
            Ok(message) => {
                // A repeated initial INVITE is accepted by an agent that has restored its dialog, since a proxy may have
                // repeated it; any other agent refuses it with 482.
                let begins = message.method() == Method::Invite && message.to().is_ok_and(|to| to.tag().is_none());
                if message.is_request() && begins && self.agent.has_begun(&message) {
                    self.twin = None;
                    self.merged_until = now + MERGED;
                }
                self.input(|agent| agent.receive(message.clone(), Wire::Udp.flow_to(THEM), now));
            }
            Err(_) => self.unreadable += 1,
        }
    }

    fn due(&mut self, now: Timestamp) {
        while let Some(first) = self.agenda.first_entry().filter(|first| first.key().0 <= now) {
            let act = first.remove();
            self.act(act, now);
            self.drain();
        }
        self.party.handle_timeout(now);
        let twin = self.twin.as_ref().and_then(|twin| twin.agent.next_timeout());
        if [self.agent.next_timeout(), twin].into_iter().flatten().any(|due| due <= now) {
            self.steps.store(0, Ordering::Relaxed);
            self.input(|agent| agent.handle_timeout(now));
        }
    }

    fn act(&mut self, act: Act, now: Timestamp) {
        match act {
            Act::Ring(id) => {
                self.command(id, |agent, id| agent.provisional(id, Reply::new(StatusCode::RINGING), now));
            }
            Act::Answer(id) => {
                self.command(id, |agent, id| agent.answer(id, Reply::session(session(1)), now));
            }
            Act::Reject(id) => {
                self.command(id, |agent, id| agent.reject(id, Reply::new(StatusCode::BUSY_HERE), now));
            }
            Act::Something(id) => self.something(id, now),
            Act::HangUp => self.hang_up(now),
        }
    }

    fn something(&mut self, id: DialogId, now: Timestamp) {
        let what = self.fate.below(7);
        self.command(id, |agent, id| match what {
            0 => agent.reinvite(id, Some(session(2)), Vec::new(), now),
            1 => agent.reinvite(id, None, Vec::new(), now),
            2 => agent.update(id, Some(session(3)), Vec::new(), now),
            3 => agent.info(id, Body::new("text/plain", "5"), Vec::new(), now).map(drop),
            4 => agent.options(id, Vec::new(), now).map(drop),
            5 => agent.cancel(id, Vec::new(), now),
            _ => agent.bye(id, Vec::new(), now),
        });
    }

    /// Ends all calls like an application, with the command that the dialog's state allows.
    fn hang_up(&mut self, now: Timestamp) {
        self.party.fall_silent();
        for id in self.dialogs.clone() {
            self.steps.store(0, Ordering::Relaxed);
            let _ = self.command(id, |agent, id| agent.reject(id, Reply::new(StatusCode(503)), now))
                || self.command(id, |agent, id| agent.bye(id, Vec::new(), now))
                || self.command(id, |agent, id| agent.cancel(id, Vec::new(), now));
            self.drain();
        }
    }

    fn drain(&mut self) {
        let now = self.net.now();
        let mut turn = Turn::default();
        while let Some(event) = self.agent.poll_event() {
            turn.told.push(shown(&event));
            self.hears(event, now);
        }
        while let Some(transmit) = self.agent.poll_transmit() {
            Message::parse(transmit.bytes.clone()).expect("we send what we can read");
            self.say(|| format!("> {}", String::from_utf8_lossy(&transmit.bytes)));
            self.net.send(US, THEM, transmit.bytes.clone());
            if self.inputs < self.twin_after {
                self.said_before.insert(transmit.bytes.clone());
            }
            turn.said.push(transmit);
        }
        let cost = (turn.told.len() + turn.said.len()) as u64;
        assert!(cost < STEPS_MAX, "{cost} messages and events in one turn");
        if let Some(twin) = &mut self.twin {
            self.compared += 1;
            if !twin.matches(&turn, &self.agent) {
                self.twin = None;
            }
        }
        while let Some(said) = self.party.poll_transmit() {
            self.say(|| format!("< {:?} {}", said.deviations, said.text));
            self.net.send(THEM, US, Bytes::from(said.bytes()));
        }
    }

    fn say(&self, line: impl FnOnce() -> String) {
        if self.loud {
            eprintln!("{:?} {}", self.net.now(), line());
        }
    }

    fn hears(&mut self, event: Event, now: Timestamp) {
        self.say(|| format!("{event:?}").chars().take(120).collect());
        match event {
            Event::Incoming { dialog, .. } => {
                let tag = format!("ours-{}", self.dialogs.len());
                let local = LocalIdentity { contact: format!("<sip:{tag}@192.0.2.1>"), tag };
                let _ = self.agent.identify(dialog, local);
                self.dialogs.push(dialog);
                self.soon(1_000, Act::Ring(dialog));
                let then = if self.fate.below(6) == 0 { Act::Reject(dialog) } else { Act::Answer(dialog) };
                self.soon(3_000, then);
            }
            Event::Answered { dialog, session: answered, .. } => {
                self.answered += 1;
                if matches!(answered, Session::Offer(_)) {
                    self.command(dialog, |agent, id| agent.ack(id, session(1), now));
                }
                self.soon(9_000, Act::Something(dialog));
            }
            Event::Acknowledged { dialog, .. } => {
                self.answered += 1;
                self.soon(9_000, Act::Something(dialog));
            }
            Event::Offered { dialog, .. } | Event::OfferWanted { dialog } => {
                let refused = self.fate.below(6) == 0;
                self.command(dialog, |agent, id| match refused {
                    true => agent.refuse_offer(id, StatusCode::NOT_ACCEPTABLE_HERE, now),
                    false => agent.accept_offer(id, session(4), now),
                });
                self.soon(9_000, Act::Something(dialog));
            }
            Event::Proposed { dialog, .. } => {
                self.command(dialog, |agent, id| agent.bye(id, Vec::new(), now));
            }
            Event::Info { request, .. } | Event::Request { request, .. } => {
                // The twin uses the same id for requests within dialogs.
                self.input(|agent| {
                    let _ = agent.respond(request, Reply::new(StatusCode::OK), now);
                });
            }
            _ => {}
        }
    }

    fn judge(&self) {
        let left = (self.agent.dialogs(), self.agent.transactions());
        assert_eq!(left, (0, (0, 0)), "dialogs, client and server transactions that are left");
    }
}

#[test]
fn a_besieged_agent_pays_a_bounded_price_and_keeps_nothing() {
    let only = std::env::var("HOSTILE_SEED").ok().and_then(|seed| seed.parse().ok());
    let (mut answered, mut unreadable, mut compared) = (0, 0, 0);
    let watch = Watch::new(SEED_MAX);
    for seed in only.map_or_else(|| seeds(3_000), |seed| seed..seed + 1) {
        watch.plays(seed);
        let mut siege = Siege::new(seed, only.is_some());
        let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            siege.play();
            siege.judge();
            (siege.answered, siege.unreadable, siege.compared)
        }));
        let (up, lost, same) = played.unwrap_or_else(|_| panic!("HOSTILE_SEED={seed} plays it again"));
        (answered, unreadable, compared) = (answered + up, unreadable + lost, compared + same);
    }
    let enough = answered > 1_000 && unreadable > 100 && compared > 10_000;
    assert!(only.is_some() || enough, "{answered} answered, {unreadable} unreadable, {compared} turns compared");
}

#[test]
fn an_invite_whose_dialog_ended_before_its_first_response_is_given_up() {
    let mut victim = Victim::new(AgentConfig::default());
    let dialog = victim.answered(&Request { body: "offer", ..Request::default() });
    victim.agent.reinvite(dialog, Some(session(2)), Vec::new(), victim.now).expect("it stands");
    victim.drain();
    let invite = victim.sent.iter().rfind(|sent| sent.is_request() && sent.method() == Method::Invite).cloned();
    let invite = invite.expect("a re-INVITE");
    victim.receive(
        Request { method: "BYE", cseq: 2, branch: "z9hG4bKbye", to_tag: "bob-tag", ..Request::default() }.message(),
    );
    assert_eq!(victim.agent.dialogs(), 0);
    // However often the party reports progress.
    for _ in 0..30 {
        victim.receive(Message::response_to(&invite, StatusCode::SESSION_PROGRESS).build());
        victim.run(Duration::from_secs(10));
    }
    victim.run(Duration::from_secs(100));
    assert_eq!(victim.agent.transactions(), (0, 0));
}
