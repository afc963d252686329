//! Agents' phones: one line each, found at their Contact.

use std::collections::BTreeMap;
use std::time::Duration;

use model::entropy::Seeded;
use model::{ConnId, Dn, Entropy as _, Timestamp};
use sip::agent::{AgentConfig, DialogId, Event, LocalIdentity, Release, Reply, UserAgent};
use sip::{Flow, Message, StatusCode};

use super::absences::ACKNOWLEDGED_WITHIN;
use super::audio::{Ear, phone_ear};
use super::carrier::{call_of, is_the_end, why};
use super::plan::HEARD_WITHIN;
use super::proxies::{edge_flow, phone_address};
use super::world::{Action, Addr, Payload, World};

/// Phones that callers dial; the application routes to the others, which are agents'.
pub const DIRECT: usize = 2;

pub fn dn_of(at: usize) -> Dn {
    Dn::parse(&format!("710{at}")).expect("a DN")
}

pub struct Phone {
    pub agent: UserAgent,
    /// Calls that it rings for or talks in.
    pub lines: BTreeMap<DialogId, Line>,
    chance: Seeded,
    tags: u64,
}

/// One call of a phone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    pub conn_id: Option<ConnId>,
    pub call_id: String,
    pub stage: Stage,
    pub ear: Ear,
    /// Whether it holds, is just changing that, or has failed to.
    pub holds: bool,
    wants_hold: bool,
    /// When its last INVITE left, whether it waits for an answer, and when the answer came.
    asked_at: Timestamp,
    is_asking: bool,
    agreed_at: Timestamp,
    /// When it answered.
    answered_at: Timestamp,
    /// The proxy through which it came.
    pub proxy: usize,
    /// Whether that proxy failed before the call was up.
    pub is_cut_off: bool,
}

impl Line {
    pub fn is_up(&self) -> bool {
        self.stage == Stage::Up
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    Ringing,
    /// It has sent 200.
    Answered,
    /// The ACK came.
    Up,
    Leaving,
}

impl Phone {
    pub fn new(at: usize, seed: u64) -> Self {
        let config = AgentConfig { sent_by: phone_address(at), ..AgentConfig::default() };
        Self {
            agent: UserAgent::new(config, Box::new(Seeded::new(seed ^ (0xF0E0_0000 + at as u64)))),
            lines: BTreeMap::new(),
            chance: Seeded::new(seed ^ (0xF0E1_0000 + at as u64)),
            tags: 0,
        }
    }
}

impl Phone {
    pub fn talks_in(&self, conn_id: ConnId) -> bool {
        self.lines.values().any(|line| line.conn_id == Some(conn_id) && line.stage == Stage::Up)
    }
}

/// How soon after an answer media gets it: the answer is repeated on a network that loses much.
const TOLD_WITHIN: Duration = Duration::from_secs(5);
/// The longest that a phone rings.
const RINGS_MAX: Duration = Duration::from_secs(60);

impl World {
    pub fn phone_receives(&mut self, at: usize, from: Addr, payload: Payload) {
        let now = self.now();
        let (Addr::Proxy(proxy), Payload::Datagram(message)) = (from, payload) else { return };
        self.rules.party_hears(Addr::Phone(at), &message);
        self.phones[at].agent.receive(message, edge_flow(proxy), now);
        self.drain_phone(at);
    }

    pub fn drain_phone(&mut self, at: usize) {
        let now = self.now();
        self.phones[at].agent.handle_timeout(now);
        while let Some(event) = self.phones[at].agent.poll_event() {
            self.phone_event(at, event);
        }
        while let Some(transmit) = self.phones[at].agent.poll_transmit() {
            self.party_sends(Addr::Phone(at), transmit);
        }
    }

    fn phone_event(&mut self, at: usize, event: Event) {
        let now = self.now();
        let phone = &mut self.phones[at];
        match event {
            Event::Incoming { dialog, request, flow, .. } => self.phone_is_called(at, dialog, &request, flow),
            Event::Acknowledged { dialog, .. } => self.phone_is_connected(at, dialog),
            Event::Offered { dialog, .. } | Event::OfferWanted { dialog } => {
                let _ = phone.agent.accept_offer(dialog, phone_ear(at).session(false), now);
            }
            Event::Renegotiated { dialog, .. } => {
                if let Some(line) = phone.lines.get_mut(&dialog) {
                    line.holds = line.wants_hold;
                    (line.is_asking, line.agreed_at) = (false, now);
                }
            }
            Event::Refused { dialog, status, .. } => {
                let Some(line) = phone.lines.get_mut(&dialog) else { return };
                (line.holds, line.is_asking) = (true, false);
                let (conn_id, asked_at) = (line.conn_id, line.asked_at);
                if self.absences.anybody_since(asked_at) {
                    // A change that is requested in that time may fail.
                    return;
                }
                self.rules.change_refused("a phone", conn_id, status);
            }
            Event::Info { request, .. } | Event::Request { request, .. } => {
                let _ = phone.agent.respond(request, Reply::new(StatusCode::OK), now);
            }
            Event::Released { dialog, reason } => self.phone_is_released(at, dialog, &reason),
            Event::Failed { dialog, .. } => {
                phone.lines.remove(&dialog);
            }
            _ => {}
        }
    }

    fn phone_is_called(&mut self, at: usize, dialog: DialogId, invite: &Message, flow: Flow) {
        let now = self.now();
        let proxy = usize::from(flow == edge_flow(1));
        let conn_id = invite.from().ok().and_then(|from| call_of(from.tag()));
        let phone = &mut self.phones[at];
        phone.tags += 1;
        let tag = format!("phone-{at}-{}", phone.tags);
        let local = LocalIdentity { tag, contact: format!("<sip:710{at}@{}>", phone_address(at)) };
        phone.agent.identify(dialog, local).expect("an INVITE");
        self.is_offered_once(at, conn_id);
        let waits = self.takes_a_second_call(at);
        let phone = &mut self.phones[at];
        if !phone.lines.is_empty() && !waits {
            let _ = phone.agent.reject(dialog, Reply::new(StatusCode::BUSY_HERE), now);
            return;
        }
        let call_id = invite.call_id().unwrap_or_default().to_owned();
        self.rules.is_offered(conn_id, &call_id);
        let mut ear = phone_ear(at);
        ear.learns(invite.body());
        let line = Line {
            conn_id,
            call_id,
            stage: Stage::Ringing,
            ear,
            holds: false,
            wants_hold: false,
            asked_at: now,
            is_asking: false,
            agreed_at: now,
            answered_at: now,
            proxy,
            is_cut_off: false,
        };
        phone.lines.insert(dialog, line);
        let (rings, then) = (phone.chance.below(8), Duration::from_millis(phone.chance.below(6_000)));
        let rings_at = self.between(5, 300);
        match rings {
            0 => self.after(rings_at + then, Action::PhoneRefuses(at, dialog)),
            1 => {
                self.after(rings_at, Action::PhoneRings(at, dialog));
                self.after(RINGS_MAX, Action::PhoneRangLong(at, dialog));
            }
            2 => self.after(rings_at, Action::PhoneAnswers(at, dialog)),
            _ => {
                self.after(rings_at, Action::PhoneRings(at, dialog));
                self.after(rings_at + then, Action::PhoneAnswers(at, dialog));
            }
        }
    }

    /// Whether a phone that talks takes another call, too: programs join such calls.
    fn takes_a_second_call(&mut self, at: usize) -> bool {
        let mut lines = self.phones[at].lines.values();
        let talks = lines.next().is_some_and(|line| line.stage == Stage::Up) && lines.next().is_none();
        talks && self.programs.work && self.percent(70)
    }

    /// An agent has one call at a time, and no phone has the same call twice.
    fn is_offered_once(&mut self, at: usize, conn_id: Option<ConnId>) {
        let is_left = |line: &Line| self.rules.is_withdrawn(&line.call_id) || self.rules.is_given_up(&line.call_id);
        let stands = |line: &&Line| line.stage != Stage::Leaving && !is_left(line);
        let is_agent = at + DIRECT < self.phones.len();
        let is_here = |conn_id| is_agent && self.rules.is_routed_to(conn_id, dn_of(at).as_str());
        // An INVITE may be late: its call is elsewhere by now.
        let has = |line: &&Line| is_here(line.conn_id) && is_here(conn_id);
        let lines = || self.phones[at].lines.values().filter(stands);
        let twice = lines().find(|line| line.conn_id == conn_id).map(|line| format!("phone {at} has {line:?}"));
        let second = lines().find(has).map(|line| format!("phone {at} has {line:?}, and is offered {conn_id:?}"));
        if conn_id.is_some_and(|conn_id| self.rules.shares(conn_id)) {
            // A consultation may ring a phone that is in the call that it is about; the call model says when.
            return;
        }
        if let Some(how) = twice {
            self.rules.break_rule("no phone is offered a call that it has", how);
        } else if let Some(how) = second {
            self.rules.break_rule("no agent is offered two calls", how);
        }
    }

    /// Media fails: calls may end that phones have just answered, if media has not learnt of the answer yet.
    pub fn phones_lose_media(&mut self) {
        let now = self.now();
        let just_now = |line: &&Line| {
            matches!(line.stage, Stage::Answered | Stage::Up) && now.since(line.answered_at) <= TOLD_WITHIN
        };
        for line in self.phones.iter().flat_map(|phone| phone.lines.values()).filter(just_now) {
            self.rules.may_end(line.conn_id);
        }
    }

    /// A proxy fails: a phone's answer to an INVITE that came through it is lost.
    pub fn phones_lose(&mut self, proxy: usize) {
        let now = self.now();
        let lines = || self.phones.iter().flat_map(|phone| phone.lines.values()).filter(|line| line.proxy == proxy);
        // The same for a change that the phone has requested, and for its ACK.
        for line in lines().filter(|line| line.is_asking || now.since(line.agreed_at) <= ACKNOWLEDGED_WITHIN) {
            self.rules.may_end(line.conn_id);
        }
        self.phones_are_cut_off(proxy);
    }

    /// Phones that ring, whose proxy fails or cannot be reached.
    pub fn phones_are_cut_off(&mut self, proxy: usize) {
        let lines = self.phones.iter_mut().flat_map(|phone| phone.lines.values_mut());
        for line in lines.filter(|line| line.proxy == proxy && matches!(line.stage, Stage::Ringing | Stage::Answered)) {
            line.is_cut_off = true;
        }
    }

    fn phone_is_in(&self, at: usize, dialog: DialogId, stage: Stage) -> bool {
        self.phones[at].lines.get(&dialog).is_some_and(|line| line.stage == stage)
    }

    pub fn phone_rings(&mut self, at: usize, dialog: DialogId) {
        let now = self.now();
        if self.phone_is_in(at, dialog, Stage::Ringing) {
            let _ = self.phones[at].agent.provisional(dialog, Reply::new(StatusCode::RINGING), now);
            self.drain_phone(at);
        }
    }

    pub fn phone_answers(&mut self, at: usize, dialog: DialogId) {
        let now = self.now();
        if self.phone_is_in(at, dialog, Stage::Ringing) {
            let phone = &mut self.phones[at];
            phone.agent.answer(dialog, Reply::session(phone_ear(at).session(false)), now).expect("an INVITE");
            if let Some(line) = phone.lines.get_mut(&dialog) {
                (line.stage, line.answered_at) = (Stage::Answered, now);
                // No audio is possible: the call ends, or the phone gets a BYE.
                if self.absences.media_since(now) {
                    self.rules.may_end(line.conn_id);
                }
            }
            self.drain_phone(at);
        }
    }

    /// A phone stops by itself if none of its responses has arrived; otherwise it must get a CANCEL.
    pub fn phone_rang_long(&mut self, at: usize, dialog: DialogId) {
        let Some(line) = self.phones[at].lines.get(&dialog).filter(|line| line.stage == Stage::Ringing) else { return };
        if self.rules.has_rung(&line.call_id) && !line.is_cut_off {
            let line = format!("phone {at}: {line:?}");
            return self.rules.break_rule("a phone stops ringing", line);
        }
        self.phone_refuses(at, dialog);
    }

    pub fn phone_refuses(&mut self, at: usize, dialog: DialogId) {
        let now = self.now();
        if self.phone_is_in(at, dialog, Stage::Ringing) {
            let phone = &mut self.phones[at];
            phone.lines.remove(&dialog);
            phone.agent.reject(dialog, Reply::new(StatusCode::BUSY_HERE), now).expect("an INVITE");
            self.drain_phone(at);
        }
    }

    fn phone_is_connected(&mut self, at: usize, dialog: DialogId) {
        if !self.phone_is_in(at, dialog, Stage::Answered) {
            return;
        }
        let Some(line) = self.phones[at].lines.get_mut(&dialog) else { return };
        line.stage = Stage::Up;
        let conn_id = line.conn_id;
        let talks = |line: &&Line| {
            line.conn_id == conn_id && line.stage == Stage::Up && !self.rules.is_withdrawn(&line.call_id)
        };
        if self.phones.iter().flat_map(|phone| phone.lines.values()).filter(talks).count() > 1
            && !self.rules.is_meant_to_end(conn_id)
            && !conn_id.is_some_and(|conn_id| self.rules.shares(conn_id))
        {
            self.rules.break_rule("one phone talks in a call", format!("{conn_id:?}, and phone {at}"));
        }
        if self.percent(50) {
            let talks = self.between(100, 20_000);
            self.after(talks, Action::PhoneHangsUp(at, dialog));
        }
        if self.percent(30) {
            let (from, time) = (self.between(100, 8_000), self.between(100, 5_000));
            self.after(from, Action::PhoneHolds(at, dialog, true));
            self.after(from + time, Action::PhoneHolds(at, dialog, false));
        }
    }

    pub fn phone_hangs_up(&mut self, at: usize, dialog: DialogId) {
        let now = self.now();
        if !self.phone_is_in(at, dialog, Stage::Up) {
            return;
        }
        let phone = &mut self.phones[at];
        let mut ended = None;
        if let Some(line) = phone.lines.get_mut(&dialog) {
            line.stage = Stage::Leaving;
            self.rules.may_end(line.conn_id);
            // A phone that was taken out of the call before ends nothing.
            let alone = |conn_id: &ConnId| !self.rules.is_withdrawn(&line.call_id) && !self.rules.shares(*conn_id);
            ended = line.conn_id.filter(alone);
        }
        if let Err(error) = phone.agent.bye(dialog, Vec::new(), now) {
            self.rules.break_rule("a phone may hang up", format!("phone {at}: {error}"));
        }
        if let Some(conn_id) = ended {
            self.rules.hangs_up(conn_id);
            self.after(HEARD_WITHIN, Action::Heard(Addr::Phone(at), conn_id));
        }
        self.drain_phone(at);
    }

    pub fn phone_holds(&mut self, at: usize, dialog: DialogId, hold: bool) {
        let now = self.now();
        if !self.phone_is_in(at, dialog, Stage::Up) {
            return;
        }
        let phone = &mut self.phones[at];
        let Some(line) = phone.lines.get_mut(&dialog) else { return };
        line.holds = true;
        if phone.agent.reinvite(dialog, Some(line.ear.session(hold)), Vec::new(), now).is_ok() {
            (line.wants_hold, line.asked_at, line.is_asking) = (hold, now, true);
        } else {
            // An offer is under way.
            self.after(Duration::from_secs(1), Action::PhoneHolds(at, dialog, hold));
        }
        self.drain_phone(at);
    }

    fn phone_is_released(&mut self, at: usize, dialog: DialogId, reason: &Release) {
        let Some(line) = self.phones[at].lines.remove(&dialog) else { return };
        let meant = match (line.stage, reason) {
            (Stage::Leaving, _) | (_, Release::Cancelled(_)) => true,
            (Stage::Answered, Release::Unacknowledged) if line.is_cut_off => {
                self.rules.may_end(line.conn_id);
                true
            }
            // Its re-INVITE had no answer for 32 seconds, for its edge was away (RFC 3261 §12.2.1.2).
            (Stage::Up, Release::Gone(StatusCode::REQUEST_TIMEOUT))
                if self.absences.proxy_since(line.proxy, line.asked_at) =>
            {
                self.rules.may_end(line.conn_id);
                true
            }
            // Its call was never stored.
            (Stage::Answered, Release::Unacknowledged) if line.conn_id.is_some_and(|id| self.rules.shares(id)) => true,
            (_, reason) if is_the_end(reason) => {
                self.rules.is_meant_to_end(line.conn_id)
                    || line.conn_id.is_some_and(|conn_id| self.rules.shares(conn_id))
                    || self.rules.is_cancelled(&line.call_id)
                    || line.stage != Stage::Up
            }
            _ => false,
        };
        if !meant {
            let text = format!("{:?} of phone {at}: {} as {:?}", line.conn_id, why(reason), line.stage);
            self.rules.break_rule("an established call ends by its parties alone", text);
        }
    }
}
