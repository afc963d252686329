//! Our registration at somebody else's registrar, as a carrier's (RFC 3261 §10.2): it is made, refreshed well before its end, tried again
//! after failures, and removed.
//!
//! Drive loop: `handle_*(input, now)`; then [`OwnRegistration::poll_request`] until it is `None`, each request with a Via of the shell's own;
//! then wait until [`OwnRegistration::next_timeout`] or the next input. One request at a time waits for its answer.

mod account;
mod answer;
mod back_off;
mod edge;
mod former;
mod round;
mod status;

use std::time::Duration;

use model::{Entropy, Timestamp};

use crate::flow::Transport;
use crate::grant::{EXPIRES_MAX, granted};
use crate::header::{CSeq, HeaderName};
use crate::message::Message;
use crate::method::Method;
use crate::service_route::{self, Unfollowed};
use crate::status::StatusCode;
pub use account::Account;
use answer::{registered_as, retry_after};
use back_off::BackOff;
pub use back_off::{AGAIN_MIN, END_WITHIN, LAST_PAUSE, WRONG_PASSWORD_PAUSE, spread};
pub use edge::EdgeAddresses;
use round::{Aim, Round};
pub use status::{Problem, RegistrationOutcome, RegistrationStatus, State};

/// The registration that is asked for.
pub const EXPIRES_ASKED: Duration = Duration::from_secs(3_600);
/// A granted registration is refreshed no sooner than this, however short it is.
pub const REFRESH_MIN: Duration = Duration::from_secs(5);

/// What is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Goal {
    Registered,
    Removed,
}

/// What is going on.
#[derive(Debug)]
enum RegistrationPhase {
    /// No way leads out.
    Cut,
    /// The next request is due then.
    Waiting { due: Timestamp },
    /// A request is to be sent.
    Ready(Box<Round>),
    /// A request waits for its answer.
    Asked(Box<Round>),
    /// It is over.
    Over,
}

/// What the registrar has taken.
#[derive(Debug)]
struct BoundContact {
    /// The Contact's URI, as the registrar has it.
    contact: String,
    until: Timestamp,
    /// The way out by which it was registered.
    edge: Option<EdgeAddresses>,
}

/// One registration.
pub struct OwnRegistration {
    account: Account,
    goal: Goal,
    phase: RegistrationPhase,
    /// Where we are reached; none while no way leads out.
    edge: Option<EdgeAddresses>,
    /// The transport by which the last request went, as a proxy has told: names of carriers lead to several.
    by: Option<Transport>,
    /// The Contact that the registrar knows.
    bound: Option<BoundContact>,
    /// Contacts that it may know too, and until when: it may have taken requests whose answers have not come.
    unsure: Vec<(String, Timestamp)>,
    /// A Contact that was left at the registrar, and that the request under way does not end.
    left: Option<String>,
    /// The way by which the registrar wants our requests to go (RFC 3608), for as long as that lasts, or why it is not followed.
    service_route: Result<Vec<String>, Unfollowed>,
    /// What is asked for; a registrar may want more.
    expires: Duration,
    back_off: BackOff,
    /// A registrar that has refused us is not asked before.
    not_before: Timestamp,
    /// Former Contacts are not ended by a request of their own before.
    apart_after: Timestamp,
    /// Set where the password has changed or the connection has closed while a request waited: a failure of that one says nothing, and the next
    /// follows within this time.
    excused: Option<Duration>,
    /// Set where it is to end and the registrar may be gone: an answer is not waited for beyond this time.
    give_up: Option<Timestamp>,
    /// Whether the registrar has taken this password: what it refuses then is rather its own confusion.
    is_proved: bool,
    /// Whether the first server on the way has no flows (439): none is asked for any more.
    lacks_flows: bool,
    call_id: String,
    tag: String,
    cseq: u32,
    nonces: Vec<(String, u32)>,
    last: Option<RegistrationOutcome>,
    entropy: Box<dyn Entropy>,
}

// === impl OwnRegistration: lifecycle ===

impl OwnRegistration {
    /// A registration that begins as soon as a way leads out.
    pub fn new(account: Account, mut entropy: Box<dyn Entropy>) -> Self {
        let call_id = format!("{:016x}{:016x}", entropy.next_u64(), entropy.next_u64());
        let tag = format!("{:016x}", entropy.next_u64());
        Self {
            account,
            goal: Goal::Registered,
            phase: RegistrationPhase::Cut,
            edge: None,
            by: None,
            bound: None,
            unsure: Vec::new(),
            left: None,
            service_route: Ok(Vec::new()),
            expires: EXPIRES_ASKED,
            back_off: BackOff::default(),
            not_before: Timestamp::default(),
            apart_after: Timestamp::default(),
            excused: None,
            give_up: None,
            is_proved: false,
            lacks_flows: false,
            call_id,
            tag,
            cseq: 0,
            nonces: Vec::new(),
            last: None,
            entropy,
        }
    }

    /// The account.
    pub const fn account(&self) -> &Account {
        &self.account
    }

    /// Its present state.
    pub fn status(&self, now: Timestamp) -> RegistrationStatus {
        // A former way may lead nowhere: it counts no more once the present one has failed.
        let has_failed = self.last.as_ref().is_some_and(|last| last.problem.is_some());
        let counts = |bound: &&BoundContact| bound.until > now && (bound.edge == self.edge || !has_failed);
        let registered_until = self.bound.as_ref().filter(counts).map(|bound| bound.until);
        let state = match &self.last {
            _ if registered_until.is_some() => State::Registered,
            None => State::Trying,
            Some(outcome) => State::of(outcome),
        };
        let next_try = match &self.phase {
            RegistrationPhase::Waiting { due } => Some(*due),
            RegistrationPhase::Ready(_)
            | RegistrationPhase::Asked(_)
            | RegistrationPhase::Cut
            | RegistrationPhase::Over => None,
        };
        let asked_since = match &self.phase {
            RegistrationPhase::Ready(round) | RegistrationPhase::Asked(round) => Some(round.since),
            _ => None,
        };
        RegistrationStatus { state, registered_until, last: self.last.clone(), next_try, asked_since }
    }

    /// The routes by which the registrar wants our requests to go, nearest first, or why they are not followed; and when the registration
    /// ends that they came with. `None` if there is no registration.
    pub fn service_route(&self, now: Timestamp) -> Option<(Result<&[String], Unfollowed>, Timestamp)> {
        let bound = self.bound.as_ref().filter(|bound| bound.until > now)?;
        Some((self.service_route.as_deref().map_err(|why| *why), bound.until))
    }

    /// Whether nothing is to be done any more: it was to be removed, and is or cannot be.
    pub const fn is_over(&self) -> bool {
        matches!(self.phase, RegistrationPhase::Over)
    }

    /// Whether a request waits for its answer. An answer that comes at another time is one to a request that was given up.
    pub const fn is_asked(&self) -> bool {
        matches!(self.phase, RegistrationPhase::Asked(_))
    }

    /// Whether the registrar keeps us now, as far as it has told.
    pub fn is_registered(&self, now: Timestamp) -> bool {
        self.bound.as_ref().is_some_and(|bound| bound.until > now)
    }

    /// When to call [`Self::handle_timeout`] next.
    pub const fn next_timeout(&self) -> Option<Timestamp> {
        match &self.phase {
            RegistrationPhase::Waiting { due } => Some(*due),
            RegistrationPhase::Asked(_) => self.give_up,
            _ => None,
        }
    }
}

// === impl OwnRegistration: inputs ===

impl OwnRegistration {
    /// The way out now: the addresses at which we are reached, or none. Another way than before is registered within this time ([`spread`]); so is
    /// the same one after it was gone, since a carrier may send calls by the connection that broke. A request that waits is given up.
    pub fn handle_way(&mut self, edge: Option<&EdgeAddresses>, within: Duration, now: Timestamp) {
        if self.edge.as_ref() != edge {
            self.handle_break(edge, within, now);
        }
    }

    /// The way out has broken; this is the next one, or none. As [`Self::handle_way`], also where the next one has the same addresses. What is
    /// being removed is removed by that one: a request that waits may have ended with the way.
    pub fn handle_break(&mut self, next: Option<&EdgeAddresses>, within: Duration, now: Timestamp) {
        if self.is_over() {
            return;
        }
        let given_up = match &self.phase {
            RegistrationPhase::Asked(round) if !round.aim.removes() => Some(round.contact.clone()),
            _ => None,
        };
        if let Some(contact) = given_up {
            self.doubt(contact, now);
        }
        self.excused = None;
        self.edge = next.cloned();
        let soon = now + self.jitter(within);
        self.phase = match (&self.edge, self.goal) {
            (None, Goal::Removed) => RegistrationPhase::Over,
            (None, Goal::Registered) => RegistrationPhase::Cut,
            (Some(_), Goal::Removed) => RegistrationPhase::Waiting { due: now },
            (Some(_), Goal::Registered) => RegistrationPhase::Waiting { due: soon.max(self.not_before) },
        };
    }

    /// The connection by which we are registered has closed, and a carrier that calls by it does not reach us: it is registered again within
    /// this time ([`spread`]).
    pub fn handle_closed(&mut self, within: Duration, now: Timestamp) {
        let again = self.last.as_ref().map_or(now, |last| last.at + AGAIN_MIN);
        let soon = (again.max(now) + self.jitter(within)).max(self.not_before);
        match &mut self.phase {
            RegistrationPhase::Waiting { due } => *due = soon.min(*due),
            // It may have gone by that connection.
            RegistrationPhase::Asked(_) => self.excused = Some(within),
            RegistrationPhase::Ready(_) | RegistrationPhase::Cut | RegistrationPhase::Over => {}
        }
    }

    /// Another password: it is tried at once.
    pub fn handle_password(&mut self, password: String, now: Timestamp) {
        if self.account.credentials.password == password {
            return;
        }
        self.account.credentials.password = password;
        (self.back_off, self.not_before, self.is_proved) = (BackOff::default(), now, false);
        match &mut self.phase {
            RegistrationPhase::Waiting { due } => *due = now,
            RegistrationPhase::Ready(_) | RegistrationPhase::Asked(_) => self.excused = Some(Duration::ZERO),
            RegistrationPhase::Cut | RegistrationPhase::Over => {}
        }
    }

    /// It is not wanted any more: it is removed from the registrar, with one round of requests.
    pub fn end(&mut self, now: Timestamp) {
        self.goal = Goal::Removed;
        // One that has not answered is not waited for once more because of what it may know.
        let is_known = self.is_registered(now);
        let is_there = self.last.as_ref().is_some_and(|last| State::of(last) != State::Unreachable);
        self.give_up = (!is_known || !is_there).then_some(now + END_WITHIN);
        match &self.phase {
            // Its answer decides, or that none has come in time.
            RegistrationPhase::Asked(_) | RegistrationPhase::Over => {}
            RegistrationPhase::Cut => self.phase = RegistrationPhase::Over,
            RegistrationPhase::Waiting { .. } | RegistrationPhase::Ready(_) if is_known => {
                self.phase = RegistrationPhase::Waiting { due: now }
            }
            RegistrationPhase::Waiting { .. } | RegistrationPhase::Ready(_) => self.phase = RegistrationPhase::Over,
        }
        self.handle_timeout(now);
    }

    /// Another registration takes its place. As [`Self::end`], but a request that waits is given up where nothing is registered as far as the
    /// registrar has told: the correction of a mistyped address must not wait for somebody who is not there.
    pub fn give_way(&mut self, now: Timestamp) {
        if matches!(self.phase, RegistrationPhase::Asked(_)) && !self.is_registered(now) {
            return self.leave();
        }
        self.end(now);
    }

    /// It is not wanted any more here, and stays at the registrar: somebody else goes on with it.
    pub fn leave(&mut self) {
        (self.goal, self.phase) = (Goal::Removed, RegistrationPhase::Over);
    }

    /// Begins what is due.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if self.is_asked() && self.give_up.is_some_and(|until| until <= now) {
            return self.handle_silence(now);
        }
        if matches!(self.phase, RegistrationPhase::Waiting { due } if due <= now) {
            let aim = if self.goal == Goal::Removed { Aim::Removal } else { Aim::Present };
            self.begin(aim, now);
        }
    }

    /// The request to send now, without a Via.
    pub fn poll_request(&mut self) -> Option<Message> {
        let phase = std::mem::replace(&mut self.phase, RegistrationPhase::Cut);
        let RegistrationPhase::Ready(mut round) = phase else {
            self.phase = phase;
            return None;
        };
        self.cseq = self.cseq % CSeq::MAX + 1;
        round.request.set(&HeaderName::CSeq, CSeq { number: self.cseq, method: Method::Register });
        let request = round.request.clone();
        self.phase = RegistrationPhase::Asked(round);
        Some(request)
    }

    /// A response to the request that waits; provisional ones decide nothing. `edges` are all those at which we are or were reached.
    pub fn handle_response(&mut self, response: &Message, edges: &[EdgeAddresses], now: Timestamp) {
        let Some(status) = response.status().filter(|status| status.is_final()) else { return };
        let phase = std::mem::replace(&mut self.phase, RegistrationPhase::Cut);
        let RegistrationPhase::Asked(mut round) = phase else {
            self.phase = phase;
            return;
        };
        if let Some((contact, by)) = registered_as(response) {
            self.by = Some(by);
            round.contact = contact.to_owned();
        }
        if status.is_success() {
            if round.aim != Aim::Former {
                self.last = Some(RegistrationOutcome::answer(response, status, now));
            }
            return self.succeeded(response, &round, edges, now);
        }
        let (aim, replaces, contact) = (round.aim, round.replaces(), round.contact.clone());
        match self.after(round, response, status) {
            Ok(round) => self.phase = RegistrationPhase::Ready(round),
            Err(problem) if replaces && self.may_mind_former(problem, response, now) => self.end_former(now),
            Err(Problem::Refused | Problem::Forbidden | Problem::Unavailable) if aim == Aim::Former => {
                self.go_on_alone(now);
            }
            Err(problem) => {
                // Somebody on the way may have said so, after the registrar has taken it.
                let is_doubtful = Problem::Silence == problem || Problem::Unavailable == problem;
                let may_have_arrived = matches!(problem, Problem::Unreached(why) if why.may_have_arrived());
                if (is_doubtful || may_have_arrived) && !aim.removes() {
                    self.doubt(contact, now);
                }
                let outcome = match problem {
                    Problem::Silence | Problem::Unreached(_) => RegistrationOutcome::without_answer(problem, now),
                    _ => RegistrationOutcome {
                        problem: Some(problem),
                        ..RegistrationOutcome::answer(response, status, now)
                    },
                };
                self.failed(outcome, aim, retry_after(response), now);
            }
        }
    }

    /// The request that waits gets no answer.
    pub fn handle_silence(&mut self, now: Timestamp) {
        if let RegistrationPhase::Asked(round) = &self.phase {
            let (aim, contact) = (round.aim, round.contact.clone());
            if !aim.removes() {
                self.doubt(contact, now);
            }
            self.failed(RegistrationOutcome::without_answer(Problem::Silence, now), aim, None, now);
        }
    }
}

// === impl OwnRegistration: outcomes ===

impl OwnRegistration {
    fn succeeded(&mut self, response: &Message, round: &Round, edges: &[EdgeAddresses], now: Timestamp) {
        self.is_proved = true;
        if round.aim == Aim::Former {
            return self.former_ended(round, now);
        }
        (self.back_off, self.excused) = (BackOff::default(), None);
        // The request has removed them.
        self.unsure.clear();
        let former = self.bound.take();
        if round.aim == Aim::Removal {
            self.phase = RegistrationPhase::Over;
            return;
        }
        let granted = granted(response, &round.contact).unwrap_or(self.expires).min(EXPIRES_MAX);
        if granted.is_zero() {
            let outcome = RegistrationOutcome {
                problem: Some(Problem::EndedAtOnce),
                ..RegistrationOutcome::answer(response, StatusCode::OK, now)
            };
            return self.failed(outcome, round.aim, None, now);
        }
        self.bound =
            Some(BoundContact { contact: round.contact.clone(), until: now + granted, edge: self.edge.clone() });
        // The same edge by another transport: that was to be seen only when it was registered.
        if let Some(former) = former.filter(|former| round.leaves(&former.contact) && former.until > now) {
            self.doubt(former.contact, now);
        }
        // §6.1 of RFC 3608: that of each answer takes the place of the one before.
        let is_secure = self.account.transport() == Transport::Tls;
        self.service_route = service_route::of(response).and_then(|routes| {
            let is_in_the_clear = is_secure && !routes.is_empty() && !service_route::begins_secure(&routes);
            if is_in_the_clear { Err(Unfollowed::InTheClear) } else { Ok(routes) }
        });
        // Half of the time is left for further attempts; an unanswered request takes 32 s of it.
        let due = now + (granted / 2).max(REFRESH_MIN) + self.jitter(granted / 10);
        let due = if self.find_left(response, round, edges, now) { now + self.jitter(back_off::AT_ONCE) } else { due };
        self.phase = RegistrationPhase::Waiting { due };
        // That may have been decided while the request waited.
        if self.goal == Goal::Removed {
            self.end(now);
        }
    }

    fn failed(&mut self, outcome: RegistrationOutcome, aim: Aim, at_least: Option<Duration>, now: Timestamp) {
        let state = State::of(&outcome);
        self.last = Some(outcome);
        if self.goal == Goal::Removed {
            self.phase = if aim.removes() { RegistrationPhase::Over } else { RegistrationPhase::Waiting { due: now } };
            return self.end(now);
        }
        let pause = match self.excused.take() {
            Some(within) => self.jitter(within),
            None => {
                let is_confused = state == State::WrongPassword && self.is_proved;
                let taken_for = if is_confused { State::Refused } else { state };
                self.back_off.next(taken_for, self.entropy.as_mut()).max(at_least.unwrap_or_default())
            }
        };
        let due = now + pause;
        // A registrar that has refused us, or has said when, is not asked sooner because a way out has changed.
        self.not_before = if state == State::Unreachable && at_least.is_none() { now } else { due };
        self.phase = if self.edge.is_some() { RegistrationPhase::Waiting { due } } else { RegistrationPhase::Cut };
    }

    /// Begins a round, if there is anything to ask for and a way to do it.
    fn begin(&mut self, aim: Aim, now: Timestamp) {
        self.phase = match (self.round(aim, now), self.goal) {
            (Some(round), _) => RegistrationPhase::Ready(Box::new(round)),
            (None, Goal::Registered) => RegistrationPhase::Cut,
            (None, Goal::Removed) => RegistrationPhase::Over,
        };
    }

    /// Where we are reached now. Which of its addresses a proxy gives to the registrar shows only when it has: what is registered at the present
    /// edge is the present Contact.
    fn contact(&self) -> Option<String> {
        let edge = self.edge.as_ref()?;
        let is_here = |bound: &&BoundContact| bound.edge.as_ref() == Some(edge) || self.leads_to(edge, &bound.contact);
        if let Some(bound) = self.bound.as_ref().filter(is_here) {
            return Some(bound.contact.clone());
        }
        let by = self.by.unwrap_or_else(|| self.account.transport());
        Some(self.account.contact_at(&edge.place(by)))
    }

    fn jitter(&mut self, most: Duration) -> Duration {
        let millis = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.entropy.below(millis + 1))
    }
}

impl std::fmt::Debug for OwnRegistration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnRegistration").field("account", &self.account).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
