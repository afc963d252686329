//! The carrier, through which all callers come: datagrams over a network that loses, duplicates and reorders them.

use std::collections::BTreeMap;
use std::time::Duration;

use model::entropy::Seeded;
use model::{ConnId, Timestamp};
use sip::agent::{
    AgentConfig, DialogId, DialogTerms, Event, Invite, LocalIdentity, Provisionals, Release, Reply, Session, UserAgent,
};
use sip::{Flow, LocalTag, Message, StatusCode};

use super::super::bench::seal;
use super::absences::ACKNOWLEDGED_WITHIN;
use super::audio::{Ear, caller_ear};
use super::plan::HEARD_WITHIN;
use super::proxies::{CARRIER, EDGES, addr, edge_flow};
use super::world::{Action, Addr, Payload, World};

pub struct Carrier {
    pub agent: UserAgent,
    calls: BTreeMap<usize, Placed>,
}

/// A call as its caller sees it.
pub struct Placed {
    dialog: DialogId,
    ear: Ear,
    /// Whether it holds, is just changing that, or has failed to.
    holds: bool,
    wants_hold: bool,
    conn_id: Option<ConnId>,
    stage: Stage,
    /// When its last INVITE left, whether it waits for an answer, and when the answer came.
    asked_at: Timestamp,
    is_asking: bool,
    answered_at: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Calling,
    Cancelled,
    Up,
    Leaving,
    Over,
}

/// Percentage of calls that are listened to.
const LISTENED_TO: u64 = 60;

impl Carrier {
    pub fn new(seed: u64) -> Self {
        let config = AgentConfig { sent_by: CARRIER.to_owned(), session_expires_s: Some(90), ..AgentConfig::default() };
        let agent = UserAgent::new(config, Box::new(Seeded::new(seed ^ 0xCA11_E400)));
        Self { agent, calls: BTreeMap::new() }
    }

    fn call_of(&self, dialog: DialogId) -> Option<usize> {
        self.calls.iter().find(|(_, placed)| placed.dialog == dialog).map(|(call, _)| *call)
    }
}

/// The call that our tag in a node's message names.
pub fn call_of(tag: Option<&str>) -> Option<ConnId> {
    LocalTag::decode(tag?, &seal()).map(|tag| tag.call)
}

impl World {
    pub fn dial(&mut self, call: usize) {
        let now = self.now();
        self.seen.calls += 1;
        let script = self.scripts[call].clone();
        let edge = EDGES[script.proxy];
        let invite = Invite {
            flow: edge_flow(script.proxy),
            target: format!("sip:{}@{edge}", script.number),
            from: format!("<sip:+4930{call}@{CARRIER}>"),
            to: format!("<sip:{}@{edge}>", script.number),
            call_id: format!("caller-{call}"),
            local: LocalIdentity { tag: format!("caller-{call}"), contact: format!("<sip:{call}@{CARRIER}>") },
            routes: Vec::new(),
            headers: Vec::new(),
            offer: script.offers.then(|| caller_ear(call).session(false)),
            max_forwards: sip::dialog::MAX_FORWARDS,
            parts: Vec::new(),
            provisionals: Provisionals::Plain,
            account: None,
            terms: DialogTerms::default(),
        };
        let dialog = self.carrier.agent.invite(invite, now).expect("an INVITE");
        let placed = Placed {
            dialog,
            ear: caller_ear(call),
            holds: false,
            wants_hold: false,
            conn_id: None,
            stage: Stage::Calling,
            asked_at: now,
            is_asking: true,
            answered_at: now,
        };
        self.carrier.calls.insert(call, placed);
        self.after(script.patience, Action::GiveUp(call));
        self.drain_carrier();
    }

    pub fn give_up(&mut self, call: usize) {
        let now = self.now();
        let Some(placed) = self.carrier.calls.get_mut(&call).filter(|it| it.stage == Stage::Calling) else { return };
        placed.stage = Stage::Cancelled;
        self.rules.gives_up(format!("caller-{call}"));
        let _ = self.carrier.agent.cancel(placed.dialog, Vec::new(), now);
        self.drain_carrier();
    }

    pub fn caller_hangs_up(&mut self, call: usize) {
        let now = self.now();
        let Some(placed) = self.carrier.calls.get_mut(&call).filter(|it| it.stage == Stage::Up) else { return };
        placed.stage = Stage::Leaving;
        let conn_id = placed.conn_id;
        self.rules.may_end(conn_id);
        if let Some(conn_id) = conn_id {
            self.after(HEARD_WITHIN, Action::Heard(Addr::Carrier, conn_id));
        }
        let Some(placed) = self.carrier.calls.get(&call) else { return };
        if let Err(error) = self.carrier.agent.bye(placed.dialog, Vec::new(), now) {
            self.rules.break_rule("a caller may hang up", format!("call {call}: {error}"));
        }
        self.drain_carrier();
    }

    /// A proxy fails: the INVITEs under way there are lost.
    pub fn callers_lose(&mut self, proxy: usize) {
        let calling = |call: &&usize| {
            let stage = self.carrier.calls[*call].stage;
            self.scripts[**call].proxy == proxy && matches!(stage, Stage::Calling | Stage::Cancelled)
        };
        let lost: Vec<usize> = self.carrier.calls.keys().filter(calling).copied().collect();
        for call in lost {
            self.rules.gives_up(format!("caller-{call}"));
        }
        let now = self.now();
        for (_, placed) in self.carrier.calls.iter().filter(|(call, _)| self.scripts[**call].proxy == proxy) {
            if placed.is_asking || now.since(placed.answered_at) <= ACKNOWLEDGED_WITHIN {
                self.rules.may_end(placed.conn_id);
            }
        }
    }

    pub fn conn_id_of(&self, call: usize) -> Option<ConnId> {
        self.carrier.calls.get(&call)?.conn_id
    }

    /// Some time after a party has hung up, the other side must know it.
    pub fn other_side_has_heard(&mut self, who: Addr, conn_id: ConnId) {
        if self.rules.shares(conn_id) {
            return;
        }
        let talks = match who {
            Addr::Carrier => self.phones.iter().any(|phone| phone.talks_in(conn_id)),
            _ => self.carrier.calls.values().any(|it| it.stage == Stage::Up && it.conn_id == Some(conn_id)),
        };
        if talks {
            self.rules.break_rule("who is hung up on hears of it", format!("{conn_id}, since {who:?} has hung up"));
        }
    }

    pub fn caller_holds(&mut self, call: usize, hold: bool) {
        let now = self.now();
        let Some(placed) = self.carrier.calls.get_mut(&call).filter(|it| it.stage == Stage::Up) else { return };
        (placed.holds, placed.wants_hold, placed.asked_at, placed.is_asking) = (true, hold, now, true);
        let offer = Some(placed.ear.session(hold));
        if self.carrier.agent.reinvite(placed.dialog, offer, Vec::new(), now).is_err() {
            // Its ACK has not left, or an offer is under way.
            self.after(Duration::from_secs(1), Action::CallerHolds(call, hold));
        }
        self.drain_carrier();
    }

    pub fn carrier_receives(&mut self, from: Addr, payload: Payload) {
        let now = self.now();
        let (Addr::Proxy(proxy), Payload::Datagram(message)) = (from, payload) else { return };
        self.rules.party_hears(Addr::Carrier, &message);
        self.carrier.agent.receive(message, edge_flow(proxy), now);
        self.drain_carrier();
    }

    pub fn drain_carrier(&mut self) {
        let now = self.now();
        self.carrier.agent.handle_timeout(now);
        while let Some(event) = self.carrier.agent.poll_event() {
            self.carrier_event(event);
        }
        while let Some(transmit) = self.carrier.agent.poll_transmit() {
            self.party_sends(Addr::Carrier, transmit);
        }
    }

    /// A party sends a datagram to a proxy.
    pub fn party_sends(&mut self, from: Addr, transmit: sip::Transmit) {
        let now = self.now();
        let Flow::Udp { remote, .. } = transmit.flow else { return };
        let message = Message::parse(transmit.bytes).expect("a party speaks SIP");
        self.rules.party_says(from, &message, now);
        if let Some(proxy) = EDGES.iter().position(|edge| addr(edge) == remote) {
            self.send(from, Addr::Proxy(proxy), Payload::Datagram(message));
        }
    }

    fn carrier_event(&mut self, event: Event) {
        let now = self.now();
        let Carrier { agent, calls } = &mut self.carrier;
        match event {
            Event::Progress { dialog, response, .. } => self.caller_learns(dialog, &response),
            Event::Answered { dialog, response, session } => {
                if let (Session::Offer(ours) | Session::Answer(ours), Some(placed)) = (&session, placed(calls, dialog))
                {
                    placed.ear.learns(ours);
                    (placed.is_asking, placed.answered_at) = (false, now);
                    if matches!(session, Session::Offer(_)) {
                        let _ = agent.ack(dialog, placed.ear.session(false), now);
                    }
                }
                self.caller_learns(dialog, &response);
                self.caller_is_answered(dialog);
            }
            Event::Failed { dialog, status, .. } => self.caller_is_refused(dialog, status),
            Event::Released { dialog, reason } => self.caller_is_released(dialog, &reason),
            Event::Offered { dialog, .. } | Event::OfferWanted { dialog } => {
                if let Some(placed) = placed(calls, dialog) {
                    let _ = agent.accept_offer(dialog, placed.ear.session(false), now);
                }
            }
            Event::Refused { dialog, status, .. } => {
                let Some(placed) = placed(calls, dialog) else { return };
                (placed.holds, placed.is_asking) = (true, false);
                let (conn_id, asked_at) = (placed.conn_id, placed.asked_at);
                if self.absences.anybody_since(asked_at) {
                    // A change that is requested in that time may fail.
                    return;
                }
                self.rules.change_refused("a caller", conn_id, status);
            }
            Event::Renegotiated { dialog, .. } => {
                if let Some(placed) = placed(calls, dialog) {
                    placed.holds = placed.wants_hold;
                    (placed.is_asking, placed.answered_at) = (false, now);
                }
            }
            Event::Info { request, .. } | Event::Request { request, .. } => {
                let _ = agent.respond(request, Reply::new(StatusCode::OK), now);
            }
            _ => {}
        }
    }

    /// A call that is up, and where its caller listens; no ear while it holds.
    pub fn caller_listens(&self, call: usize) -> Option<(ConnId, Option<Ear>)> {
        let placed = self.carrier.calls.get(&call).filter(|placed| placed.stage == Stage::Up)?;
        Some((placed.conn_id?, Some(placed.ear).filter(|_| !placed.holds)))
    }

    fn caller_learns(&mut self, dialog: DialogId, response: &Message) {
        let conn_id = response.to().ok().and_then(|to| call_of(to.tag()));
        let Some(placed) = self.carrier.call_of(dialog).and_then(|call| self.carrier.calls.get_mut(&call)) else {
            return;
        };
        if placed.stage == Stage::Cancelled || placed.stage == Stage::Leaving {
            self.rules.may_end(conn_id);
        }
        if placed.conn_id.is_some() && conn_id != placed.conn_id {
            let text = format!("{:?} and {conn_id:?} for one INVITE", placed.conn_id);
            self.rules.break_rule("an INVITE makes one call", text);
        }
        placed.conn_id = conn_id;
    }

    fn caller_is_answered(&mut self, dialog: DialogId) {
        let Some(call) = self.carrier.call_of(dialog) else { return };
        let Some(placed) = self.carrier.calls.get_mut(&call) else { return };
        self.seen.established += 1;
        let cancelled = placed.stage == Stage::Cancelled;
        placed.stage = Stage::Up;
        if cancelled {
            // Answered while its CANCEL was under way.
            return self.after(Duration::ZERO, Action::HangUp(call));
        }
        if self.percent(LISTENED_TO) {
            let silent = self.now();
            self.after(Duration::from_secs(1), Action::Listen(call, silent));
        }
        let script = self.scripts[call].clone();
        if let Some(talks) = script.talks {
            self.after(talks, Action::HangUp(call));
        }
        if let Some((from, time)) = script.holds {
            self.after(from, Action::CallerHolds(call, true));
            self.after(from + time, Action::CallerHolds(call, false));
        }
    }

    fn caller_is_refused(&mut self, dialog: DialogId, status: StatusCode) {
        let Some(call) = self.carrier.call_of(dialog) else { return };
        let Some(placed) = self.carrier.calls.get_mut(&call) else { return };
        let cancelled = std::mem::replace(&mut placed.stage, Stage::Over) == Stage::Cancelled;
        let (conn_id, asked_at) = (placed.conn_id, placed.asked_at);
        if super::hostiles::is_theirs(&self.scripts[call].number) {
            return;
        }
        let in_limbo = self.rules.may_be_refused(&format!("caller-{call}"));
        self.rules.may_end(conn_id);
        let extension = self.scripts[call].number != "9000";
        // The phone's own refusal or its silence; no path to it; and the refusal of an application that has given up.
        let away = self.links.is_stalled() || self.absences.anybody_since(asked_at);
        let nobody = matches!(status.0, 500 | 503) && away;
        // Audio is impossible in a call that begins while media is away.
        let without_media = status.0 == 503 && self.absences.media_since(asked_at);
        let unreached = extension && nobody;
        // The edge that it has called was down, or had no node behind it yet.
        let unheard = matches!(status.0, 408 | 503) && self.absences.proxy_since(self.scripts[call].proxy, asked_at);
        let refused = extension && matches!(status.0, 480 | 486);
        let meant = unheard
            || cancelled
            || refused
            || unreached
            || without_media
            || in_limbo
            || self.rules.is_meant_to_end(conn_id);
        if !meant || (cancelled && !nobody && !unheard && !matches!(status.0, 487 | 480 | 486)) {
            let text = format!("call {call} ({conn_id:?}): {} {cancelled}", status.0);
            self.rules.break_rule("a caller is refused for a reason alone", text);
        }
    }

    fn caller_is_released(&mut self, dialog: DialogId, reason: &Release) {
        let Some(call) = self.carrier.call_of(dialog) else { return };
        let Some(placed) = self.carrier.calls.get_mut(&call) else { return };
        let stage = std::mem::replace(&mut placed.stage, Stage::Over);
        let conn_id = placed.conn_id;
        // A caller that was answered while its CANCEL was under way hangs up.
        let by_caller = matches!(stage, Stage::Leaving | Stage::Cancelled);
        let meant = by_caller || (is_the_end(reason) && self.rules.is_meant_to_end(conn_id));
        if !meant {
            let text = format!("call {call} ({conn_id:?}) of the caller: {}", why(reason));
            self.rules.break_rule("an established call ends by its parties alone", text);
        }
    }
}

fn placed(calls: &mut BTreeMap<usize, Placed>, dialog: DialogId) -> Option<&mut Placed> {
    calls.values_mut().find(|placed| placed.dialog == dialog)
}

/// Whether the call is over: by BYE, or by the answer to a request that crossed it.
pub const fn is_the_end(reason: &Release) -> bool {
    matches!(reason, Release::ByPeer(_) | Release::Gone(StatusCode::CALL_DOES_NOT_EXIST))
}

/// Why a dialog ended.
pub fn why(reason: &Release) -> String {
    match reason {
        Release::ByPeer(_) => "by BYE".to_owned(),
        Release::Cancelled(_) => "by CANCEL".to_owned(),
        other => format!("{other:?}"),
    }
}
