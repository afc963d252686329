//! The application and the entry point of its requests: ors and frontend in a few lines.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use model::entropy::Seeded;
use model::event::ErrorCode;
use model::request::{RequestKind, RouteTo, Treatment};
use model::{ConnId, Dn, Entropy as _, EventName, NodeId, ReferenceId, Request, UserData};

use super::super::bench::tenant;
use super::nodes::{InboxMessage, Search, node_id};
use super::phones::{DIRECT, dn_of};
use super::world::{Action, World};

/// Time that frontend gives the owner to answer.
const OWNER_ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// Pause before a failed request is repeated.
const AGAIN: Duration = Duration::from_secs(1);
/// How long an accepted route may take.
const ROUTED_WITHIN: Duration = Duration::from_secs(7);
/// Phones that are tried.
const ATTEMPTS_MAX: u8 = 4;

/// One in so many announcements is to be recorded by the caller.
const RECORDED_EACH: u64 = 3;

/// Two seconds of what the caller says.
fn recording() -> Treatment {
    let prompts = vec!["menu".to_owned()];
    Treatment::RecordUserAnnouncement { prompts, terminator: Some('#'), silence_ms: Some(1_000), max_ms: 2_000 }
}

pub struct Desk {
    calls: BTreeMap<ConnId, Waiting>,
    /// The call for which each agent's phone is reserved, until the call comes back or ends.
    reserved: BTreeMap<usize, ConnId>,
    asks: BTreeMap<u64, Ask>,
    asked: u64,
    chance: Seeded,
}

/// A call that the application serves.
struct Waiting {
    /// Whether it is on its route point.
    parked: bool,
    attempts: u8,
    steps: VecDeque<Step>,
    /// Whether it got music on this stay.
    has_music: bool,
    /// Whether its facts say that a treatment plays.
    hears: bool,
    /// The request under way.
    asking: Option<u64>,
    /// Routes that a node has accepted, and those that were used, by facts that may come late.
    accepted: u32,
    used: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    Attach,
    Announce,
    Music,
    Route,
    Disconnect,
    /// A request of another program.
    Program,
}

/// A request on its way through frontend.
#[derive(Clone, Debug)]
pub struct Ask {
    number: u64,
    conn_id: ConnId,
    request: Request,
    nodes: [usize; 2],
    position: usize,
    unreachable: Option<NodeId>,
    step: Step,
    /// Number of the stay on the route point in which it was made.
    attempt: u8,
    /// Whether a node has not answered: the request may have been carried out.
    silent: bool,
}

impl Desk {
    pub fn new(seed: u64) -> Self {
        Self {
            calls: BTreeMap::new(),
            reserved: BTreeMap::new(),
            asks: BTreeMap::new(),
            asked: 0,
            chance: Seeded::new(seed ^ 0xDE5C_0000),
        }
    }

    /// An agent's phone for a call: the one reserved for it, or a free one.
    fn reserve(&mut self, conn_id: ConnId, agents: usize) -> Option<usize> {
        if let Some((at, _)) = self.reserved.iter().find(|(_, call)| **call == conn_id) {
            return Some(*at);
        }
        let free: Vec<usize> = (0..agents).filter(|at| !self.reserved.contains_key(at)).collect();
        let at = *free.get(self.chance.below(free.len().max(1) as u64) as usize)?;
        self.reserved.insert(at, conn_id);
        Some(at)
    }

    fn plays(&mut self, conn_id: ConnId, hears: bool) {
        if let Some(call) = self.calls.get_mut(&conn_id) {
            call.hears = hears;
            // A treatment that could not be played is requested again.
            call.has_music &= hears;
        }
    }

    /// Whether something is played to a call.
    pub fn plays_to(&self, conn_id: ConnId) -> bool {
        self.calls.get(&conn_id).is_some_and(|call| call.parked && call.hears)
    }

    fn set_free(&mut self, conn_id: ConnId) {
        self.reserved.retain(|_, call| *call != conn_id);
    }
}

impl World {
    /// A fact of a call comes by the stream.
    pub fn desk_hears(&mut self, conn_id: ConnId, name: EventName) {
        let desk = &mut self.desk;
        match name {
            EventName::RouteRequest => {
                // It may come late, when the call is being routed again.
                if desk.calls.get(&conn_id).is_none_or(|call| call.asking.is_none() && call.accepted <= call.used) {
                    desk.set_free(conn_id);
                }
                let call = desk.calls.entry(conn_id).or_insert(Waiting {
                    parked: true,
                    attempts: 0,
                    steps: VecDeque::new(),
                    has_music: false,
                    hears: false,
                    asking: None,
                    accepted: 0,
                    used: 0,
                });
                call.parked = true;
                call.attempts += 1;
                call.has_music = false;
                call.hears = false;
                call.steps.clear();
                if call.attempts > ATTEMPTS_MAX {
                    call.steps.push_back(Step::Disconnect);
                } else {
                    let chance = &mut desk.chance;
                    let first = call.attempts == 1;
                    let wanted = [Step::Attach, Step::Announce, Step::Music];
                    call.steps.extend(wanted.into_iter().filter(|_| first && chance.below(2) == 0));
                    call.steps.push_back(Step::Route);
                }
                let pause = self.between(2, 60);
                self.after(pause, Action::Instruct(conn_id));
            }
            EventName::RouteUsed => {
                if let Some(call) = desk.calls.get_mut(&conn_id) {
                    call.used += 1;
                }
            }
            EventName::Diverted => {
                if let Some(call) = desk.calls.get_mut(&conn_id) {
                    call.parked = false;
                    call.hears = false;
                }
            }
            EventName::TreatmentApplied => self.desk.plays(conn_id, true),
            EventName::TreatmentEnd | EventName::TreatmentNotApplied => self.desk.plays(conn_id, false),
            EventName::CallDeleted => {
                desk.calls.remove(&conn_id);
                desk.set_free(conn_id);
            }
            EventName::Error => self.after(AGAIN, Action::Instruct(conn_id)),
            _ => {}
        }
    }

    /// The application takes its next step.
    pub fn instruct(&mut self, conn_id: ConnId) {
        let agents = self.phones.len() - DIRECT;
        let hostile = self.hostile_agent(conn_id);
        let desk = &mut self.desk;
        let Some(call) = desk.calls.get(&conn_id).filter(|call| call.parked && call.asking.is_none()) else {
            return;
        };
        let mut step = call.steps.front().copied().unwrap_or(Step::Route);
        let agent = match &hostile {
            None if step == Step::Route => desk.reserve(conn_id, agents).map(dn_of),
            _ => hostile,
        };
        let Some(call) = desk.calls.get_mut(&conn_id) else { return };
        if step == Step::Route && agent.is_none() {
            // All agents are busy: the caller gets music, and the route is tried again.
            if call.has_music {
                return self.after(AGAIN, Action::Instruct(conn_id));
            }
            step = Step::Music;
            call.steps.push_front(step);
        }
        call.has_music |= step == Step::Music;
        let music = Treatment::Music { resource: "music".to_owned(), duration_ms: None };
        let kind = match step {
            Step::Attach => RequestKind::UpdateUserData(conn_id, [("Order", "17")].into_iter().collect()),
            // The caller says something, in some of them.
            Step::Announce if desk.asked.is_multiple_of(RECORDED_EACH) => {
                RequestKind::ApplyTreatment(conn_id, recording(), None)
            }
            Step::Announce => {
                // Media asks which one that is.
                let prompts = vec!["{desk|sales}-welcome".to_owned()];
                RequestKind::ApplyTreatment(conn_id, Treatment::PlayAnnouncement { prompts }, None)
            }
            Step::Music => RequestKind::ApplyTreatment(conn_id, music, None),
            Step::Route => {
                let Some(dn) = agent else { return };
                RequestKind::RouteCall(conn_id, RouteTo::Dn { dn, agent: None })
            }
            Step::Disconnect => RequestKind::RouteCall(conn_id, RouteTo::Disconnect),
            Step::Program => return,
        };
        call.asking = Some(desk.asked + 1);
        if step == Step::Disconnect {
            self.rules.may_end(Some(conn_id));
        }
        self.ask_for(conn_id, Dn::parse("9000").expect("a DN"), kind, step);
    }

    /// Makes a request as frontend does: to the node that the ConnID names, then to the others.
    pub fn ask_for(&mut self, conn_id: ConnId, this_dn: Dn, kind: RequestKind, step: Step) {
        self.desk.asked += 1;
        let number = self.desk.asked;
        let attempt = self.desk.calls.get(&conn_id).map_or(0, |call| call.attempts);
        let first = super::nodes::maker_of(conn_id);
        let request = Request {
            tenant: tenant(),
            requester: "ors/ors-1".to_owned(),
            reference: ReferenceId(number),
            this_dn,
            kind,
            reasons: UserData::new(),
            extensions: UserData::new(),
        };
        let nodes = [first, 1 - first];
        let ask = Ask { number, conn_id, request, nodes, position: 0, unreachable: None, step, attempt, silent: false };
        self.say(|| format!("desk asks {number}: {step:?} for {conn_id}"));
        self.ask(ask);
    }

    /// Asks one node after the other.
    pub fn ask(&mut self, mut ask: Ask) {
        while let Some(at) = ask.nodes.get(ask.position).copied() {
            if self.nodes[at].core.is_none() {
                // Nothing listens there.
                ask.unreachable = Some(node_id(at));
                ask.position += 1;
                continue;
            }
            let message = InboxMessage::Request {
                number: ask.number,
                request: ask.request.clone(),
                unreachable: ask.unreachable.clone(),
                search: Search::NotYet,
            };
            let (life, number) = (self.nodes[at].life, ask.number);
            self.desk.asks.insert(number, ask);
            let pause = self.between(1, 3);
            self.after(pause, Action::InboxMessage(at, life, Box::new(message)));
            return self.after(OWNER_ANSWERS_WITHIN, Action::AskTimedOut(number));
        }
        self.asked_in_vain(&ask);
    }

    fn asked_in_vain(&mut self, ask: &Ask) {
        self.say(|| format!("desk: nobody has done {} (silent: {})", ask.number, ask.silent));
        if let Some(call) = self.desk.calls.get_mut(&ask.conn_id).filter(|call| call.asking == Some(ask.number)) {
            call.asking = None;
        }
        self.after(AGAIN, Action::Instruct(ask.conn_id));
    }

    pub fn desk_answered(&mut self, number: u64, outcome: Result<(), ErrorCode>) {
        let Some(mut ask) = self.desk.asks.remove(&number) else { return };
        if outcome == Err(ErrorCode::INVALID_CONN_ID) {
            ask.position += 1;
            return self.after(Duration::from_millis(1), Action::Ask(Box::new(ask)));
        }
        if outcome.is_err() {
            return self.asked_in_vain(&ask);
        }
        let Some(call) = self.desk.calls.get_mut(&ask.conn_id).filter(|call| call.asking == Some(number)) else {
            return;
        };
        call.asking = None;
        call.accepted += u32::from(ask.step == Step::Route);
        if call.attempts == ask.attempt && call.steps.front() == Some(&ask.step) {
            call.steps.pop_front();
        }
        let pause = if call.steps.is_empty() { ROUTED_WITHIN } else { self.between(20, 3_000) };
        self.after(pause, Action::Instruct(ask.conn_id));
    }

    /// The connections of a killed node break: frontend does not wait for the deadline.
    pub fn node_is_gone(&mut self, at: usize) {
        let asked = |ask: &&Ask| ask.nodes.get(ask.position) == Some(&at);
        let broken: Vec<u64> = self.desk.asks.values().filter(asked).map(|ask| ask.number).collect();
        for number in broken {
            self.ask_timed_out(number);
        }
    }

    pub fn ask_timed_out(&mut self, number: u64) {
        let Some(mut ask) = self.desk.asks.remove(&number) else { return };
        // A node that stands still has lost its calls to others, or carries the request out when it continues.
        ask.silent = true;
        ask.position += 1;
        self.ask(ask);
    }
}
