//! One call: its legs, its parties, the route point where it waits and the audio of each leg. Knows legs, not SIP.
//!
//! Drive loop: [`Call::handle`] an input, drain [`Call::poll_output`], sleep until [`Call::next_timeout`],
//! [`Call::handle_timeout`]. Outputs are drained before a snapshot is taken: they belong to the same commit.

use std::collections::VecDeque;

use model::event::{ErrorCode, Stamped};
use model::plan::{Caller, Contact, Destination};
use model::request::Treatment;
use model::{CallState, CallUuid, ConnId, Dn, EventName, LegId, Request, TenantId, Timestamp, Token};

mod alerting;
pub(crate) mod conference;
pub(crate) mod consultation;
mod ending;
mod facts;
mod feature;
mod hold;
mod in_thread;
mod incoming;
mod invitation;
mod keys;
mod monitor;
mod mute;
mod offer;
mod originate;
mod party;
mod place;
mod point;
mod predictive;
pub mod replacement;
mod request;
pub mod seat;
pub mod state;
#[cfg(test)]
mod tests;
pub mod timer;
mod transfer;
mod treatment;
mod waiting;

pub use facts::BUSINESS_CALL;
pub use feature::{PIN_TRIES_MAX, PinAnswer, TypedPin, feature_requester};
pub use in_thread::{ConsultsFor, NewConsultation, NextNumbers};
pub use party::{LegProgress, Observes, Party, PartyNo};
pub use place::{Parked, Replaced, Replacement};
pub use point::Point;
pub use seat::{HeardBy, Seat};
pub use state::{
    Asked, CallSnapshot, Ended, Feature, HoldAsked, HoldWay, Invitation, InvitationStep, Offer, Originating,
    OriginatingStep, PinAsk, Playing, Purpose, Recall, Routing, Stage, Transfer, Waiting,
};
pub use timer::{Timer, Timers};

use consultation::Consultation;
use ending::Ending;

/// The most phones of one DN that ring at once; further registrations are left out.
pub const FORK_MAX: usize = 3;
/// The most default routes of one call; the next one drops the call. A default DN that never answers must not loop.
pub const DEFAULT_ROUTES_MAX: u8 = 3;
/// The most route points that a call may enter: an application that sends calls in a circle must not loop.
pub const PARKS_MAX: u16 = 200;
/// The most facts of a call under one owner; reaching it ends the call. A call of twelve hours with a prompt every ten seconds has 9,000. A
/// looping application or phone has them in minutes.
pub const FACTS_MAX: u64 = 20_000;
/// The most outputs of one input or one timer turn; reaching it ends the call. Ending a call with three ringing phones takes 15, a conference
/// of [`PARTIES_MAX`] 102. A party of such a conference that leaves with [`OBSERVERS_MAX`] who monitor it takes some 600.
pub const OUTPUTS_MAX: usize = 1_024;
/// The most parties of a call, as many as media takes into a conference.
pub const PARTIES_MAX: usize = 50;
/// The most who monitor a call.
pub const OBSERVERS_MAX: usize = 10;
/// The most timers that one turn handles; reaching it ends the call. A call has nine timers at most, one of each kind.
pub const TIMERS_PER_TURN: usize = 16;

/// The leg of the incoming call.
pub const CALLER_LEG: LegId = LegId(1);

/// The prompt that a held party hears.
pub const HOLD_MUSIC: &str = "music";
/// Played when a feature code has logged the agent in.
pub const PROMPT_LOGGED_IN: &str = "logged-in";
/// Played when a feature code has logged the agent out.
pub const PROMPT_LOGGED_OUT: &str = "logged-out";
/// Played when a feature code has made the agent ready.
pub const PROMPT_READY: &str = "ready";
/// Played when a feature code has made the agent not ready.
pub const PROMPT_NOT_READY: &str = "not-ready";
/// Asks for the agent's PIN.
pub const PROMPT_PIN: &str = "enter-pin";
/// Asks for the PIN again after a wrong or empty one.
pub const PROMPT_PIN_AGAIN: &str = "enter-pin-again";
/// Played when a feature code was refused.
pub const PROMPT_REFUSED: &str = "error";

/// How a new call arrives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Incoming {
    /// The tenant.
    pub tenant: TenantId,
    /// The call's id, never used before.
    pub conn_id: ConnId,
    /// The call's global id.
    pub uuid: CallUuid,
    /// The owner's fencing token.
    pub token: Token,
    /// The caller, as the edge has established it.
    pub caller: Caller,
    /// The dialled number.
    pub dialled: String,
}

/// An input of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// The dial plan's answer to question `ask`.
    DialPlan {
        /// The number of the question.
        ask: u32,
        /// The destination of the number.
        destination: Destination,
    },
    /// The leg alerts.
    LegRinging(LegId),
    /// The leg has answered. For the caller's leg: our answer with its audio is on the way.
    LegAnswered(LegId),
    /// The leg refused with this SIP status, or could not be reached. For the caller's leg: it cannot be answered.
    LegFailed {
        /// The leg.
        leg: LegId,
        /// The SIP status.
        status: u16,
    },
    /// The party hung up or cancelled.
    LegReleased(LegId),
    /// The party has vanished: it sends no audio, or does not answer a refresh.
    LegDead(LegId),
    /// The party has put us on hold, or our request to do so succeeded.
    LegHeld(LegId),
    /// The party has retrieved us from hold, or our request to do so succeeded.
    LegRetrieved(LegId),
    /// The party's phone transfers the call to this number by itself.
    LegTransfers {
        /// The leg.
        leg: LegId,
        /// The destination.
        to: Dn,
    },
    /// The phone refused our request to hold or retrieve.
    HoldRefused(LegId),
    /// The phone does not support a request to answer.
    AnswerRefused(LegId),
    /// Treatment `id` has started to play.
    TreatmentStarted {
        /// The treatment.
        id: u32,
    },
    /// Treatment `id` has ended.
    TreatmentEnded {
        /// The treatment.
        id: u32,
        /// The cause.
        cause: Ended,
        /// The collected digits.
        digits: String,
    },
    /// A request from a client, an application or the auditor.
    Request(Request),
    /// A request to consult, with the ids of the call that may begin.
    Consult {
        /// The request.
        request: Request,
        /// The consultation's id, never used before.
        conn_id: ConnId,
        /// Its global id.
        uuid: CallUuid,
    },
    /// The answer to question `ask` about the PIN.
    PinAnswered {
        /// The number of the question.
        ask: u32,
        /// The answer.
        answer: PinAnswer,
    },
    /// The phone on this leg joins the other sides of two calls of its own, each on a leg of its own, and leaves them.
    LegTransfersTo {
        /// The leg that is told how it went.
        leg: LegId,
        /// The other one.
        other: LegId,
    },
    /// The outcome of the agent request of a feature code.
    AgentAnswered {
        /// Whether it was carried out.
        done: bool,
    },
    /// Ends the call: its owner failed while processing it, or the call has reached a limit of work.
    Fault,
}

/// An action that the call requests, or a fact that it publishes.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::large_enum_variant, reason = "most outputs are facts; a box would cost an allocation for each")]
pub enum Output {
    /// A fact, to be published.
    Fact(Stamped),
    /// Ask the dial plan; the answer comes as [`Input::DialPlan`] with the same number.
    AskDialPlan {
        /// The number of the question.
        ask: u32,
        /// In whose name: who calls, who transfers, or the route point that has the call.
        by: Caller,
        /// The number to look up.
        dialled: String,
    },
    /// The call waits for an application: add an entry to the stream of new calls.
    NewCall {
        /// The route point.
        point: Dn,
        /// The application.
        application: String,
    },
    /// Query the PIN of the agent on the calling phone's place; the answer comes as [`Input::PinAnswered`].
    AskPin {
        /// The number of the question.
        ask: u32,
        /// The typed PIN; `None` queries the PIN's number of digits.
        typed: Option<TypedPin>,
    },
    /// A request about the agent on the calling phone, for the stream of requests.
    AgentRequest(Request),
    /// Tell the caller on this leg that the far end rings.
    AlertCaller(LegId),
    /// Answer the caller's leg, with audio.
    AnswerCaller(LegId),
    /// Refuse the caller's leg; hang up if it was answered in between.
    RejectCaller {
        /// The leg.
        leg: LegId,
        /// The status of the refusal.
        status: u16,
    },
    /// Ring a phone on a new leg.
    RingLeg {
        /// The new leg.
        leg: LegId,
        /// The DN that rings, or the number outside.
        dn: Dn,
        /// The contact to ring.
        contact: Contact,
        /// The number that it shows, if not that of who calls.
        shows: Option<String>,
    },
    /// Stop ringing.
    CancelLeg(LegId),
    /// Ask the ringing phone to answer. It answers as if its user had done so, or [`Input::AnswerRefused`] comes.
    AskAnswer(LegId),
    /// Hang up.
    ReleaseLeg(LegId),
    /// Ask the phone to hold.
    HoldLeg(LegId),
    /// Ask the phone to retrieve the call.
    RetrieveLeg(LegId),
    /// Send digits to those who hear the leg, as if its phone had pressed them.
    SendKeys {
        /// The leg.
        leg: LegId,
        /// The digits.
        digits: String,
    },
    /// Tell a phone how the transfer goes that it asked for; its leg is released after a success.
    TransferOutcome {
        /// The leg.
        leg: LegId,
        /// As a SIP status.
        status: u16,
    },
    /// Play something to a leg.
    StartTreatment {
        /// The leg that hears it.
        leg: LegId,
        /// The treatment's number, repeated in the reports of its start and end.
        id: u32,
        /// The treatment.
        treatment: Treatment,
    },
    /// Stop playing; a later report of its end is ignored.
    StopTreatment {
        /// The leg that hears it.
        leg: LegId,
        /// The treatment.
        id: u32,
    },
    /// The call is over; nothing follows.
    Over,
}

/// A limit that a call has reached and that has ended it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Limit {
    /// The call reached [`FACTS_MAX`].
    Facts,
    /// The call reached [`OUTPUTS_MAX`].
    Outputs,
    /// The call reached [`TIMERS_PER_TURN`].
    Timers,
}

impl Limit {
    /// All limits.
    pub const ALL: [Self; 3] = [Self::Facts, Self::Outputs, Self::Timers];

    /// A short name, stable for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Facts => "facts",
            Self::Outputs => "outputs",
            Self::Timers => "timers",
        }
    }
}

/// A call. See the module for its drive loop.
#[derive(Clone, Debug)]
pub struct Call {
    pub(crate) s: CallSnapshot,
    pub(crate) outputs: VecDeque<Output>,
    reached: Option<Limit>,
    /// A consultation whose destination is known: the thread begins it.
    begun: Option<Consultation>,
}

impl Call {
    /// A new call; its first outputs ask the dial plan.
    pub fn new(incoming: Incoming, now: Timestamp) -> Self {
        let mut call = Self::restore(CallSnapshot::new(incoming, now));
        call.begin(now);
        call
    }

    /// A further call of a thread, with this number, from a phone on this leg. [`Call::begin`] begins it.
    pub(crate) fn on_leg(incoming: Incoming, leg: LegId, number: u16, now: Timestamp) -> Self {
        let mut snapshot = CallSnapshot::new(incoming, now);
        snapshot.number = number;
        for caller in &mut snapshot.parties {
            caller.leg = leg;
        }
        Self::restore(snapshot)
    }

    /// Continues from a snapshot. The first wake-up, which is immediate, handles the timers that are due already.
    pub const fn restore(snapshot: CallSnapshot) -> Self {
        Self { s: snapshot, outputs: VecDeque::new(), reached: None, begun: None }
    }

    /// A snapshot of the call. Undrained outputs are not in it.
    pub fn snapshot(&self) -> CallSnapshot {
        debug_assert!(self.outputs.is_empty(), "outputs belong to the commit that stores this snapshot");
        self.s.clone()
    }

    /// The call's current state, without a copy.
    pub const fn state(&self) -> &CallSnapshot {
        &self.s
    }

    /// Continues under a new owner: events are numbered from 1 under its token.
    pub fn claim(&mut self, token: Token) {
        self.s.token = token;
        self.s.seq = 0;
    }

    /// Whether the call is over.
    pub const fn is_over(&self) -> bool {
        self.s.is_over()
    }

    /// The consultation that is to begin, given once.
    pub(crate) const fn take_consultation(&mut self) -> Option<Consultation> {
        self.begun.take()
    }

    /// The next output, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The limit that has just ended the call, given once: for a metric and a line in the log.
    pub const fn take_limit(&mut self) -> Option<Limit> {
        self.reached.take()
    }

    /// When [`Call::handle_timeout`] must be called next.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.s.timers.next()
    }

    /// Handles an input.
    pub fn handle(&mut self, input: Input, now: Timestamp) {
        if self.is_over() {
            return self.after_the_end(input, now);
        }
        let before = self.outputs.len();
        self.take(input, now);
        self.keep_within(before, now);
    }

    fn take(&mut self, input: Input, now: Timestamp) {
        match input {
            Input::DialPlan { ask, destination } => self.dial_plan_answered(ask, destination, now),
            Input::LegRinging(leg) => self.leg_ringing(leg, now),
            Input::LegAnswered(leg) if self.s.calls_on(leg) => self.caller_answered(now),
            Input::LegAnswered(leg) if self.replaces_on(leg) => self.replaces(now),
            Input::LegAnswered(leg) => self.leg_answered(leg, now),
            Input::LegFailed { leg, status } if self.s.calls_on(leg) => {
                self.end(Ending::system(CallState::GeneralError, status), now);
            }
            Input::LegFailed { leg, .. } if self.replaces_on(leg) => self.s.replacement = None,
            Input::LegFailed { leg, status } => self.leg_failed(leg, status, now),
            Input::LegReleased(leg) => self.leg_gone(leg, CallState::Ok, now),
            Input::LegDead(leg) => self.leg_gone(leg, CallState::Dropped, now),
            Input::LegHeld(leg) => self.leg_hold(leg, HoldWay::Hold, now),
            Input::LegRetrieved(leg) => self.leg_hold(leg, HoldWay::Retrieve, now),
            Input::LegTransfers { leg, to } => self.leg_transfers(leg, to, now),
            // The thread handles it, for it concerns two calls.
            Input::LegTransfersTo { .. } => {}
            Input::HoldRefused(leg) => self.hold_refused(leg, now),
            Input::AnswerRefused(leg) => self.answer_refused(leg, now),
            Input::TreatmentStarted { id } => self.treatment_started(id, now),
            Input::TreatmentEnded { id, cause, digits } => self.treatment_ended(id, cause, &digits, now),
            Input::Request(request) => self.request(request, now),
            Input::Consult { request, conn_id, uuid } => self.consult(request, conn_id, uuid, now),
            Input::PinAnswered { ask, answer } => self.pin_answered(ask, answer, now),
            Input::AgentAnswered { done } => self.agent_answered(done, now),
            Input::Fault => self.end(Ending::system(CallState::GeneralError, 503), now),
        }
    }

    /// Handles every timer that is due.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        let before = self.outputs.len();
        for _ in 0..TIMERS_PER_TURN {
            let Some(timer) = self.s.timers.take_due(now) else { return self.keep_within(before, now) };
            match timer {
                Timer::DialPlan => self.dial_plan_silent(now),
                Timer::Instruction | Timer::Quiet => self.route_by_default(now),
                Timer::NoAnswer if self.s.invitation.is_some() => self.invited_silent(now),
                Timer::NoAnswer if self.s.rings_at_origin() => {
                    self.end(Ending::system(CallState::NoAnswer, 480), now);
                }
                Timer::NoAnswer if matches!(self.s.stage, Stage::Parked(_)) => self.parked_too_long(now),
                Timer::NoAnswer => self.offer_failed(CallState::NoAnswer, 480, now),
                Timer::Treatment => self.treatment_overdue(now),
                Timer::AgentAnswer => self.feature_overdue(now),
                Timer::HoldAnswer => self.hold_overdue(now),
                Timer::PhoneAnswer => self.answer_overdue(now),
                Timer::Recall => self.recall_again(now),
                Timer::Lifetime => self.end(Ending::system(CallState::Dropped, 480), now),
            }
        }
        self.end_by(Limit::Timers, now);
    }

    /// Ends the call if it loops.
    fn keep_within(&mut self, before: usize, now: Timestamp) {
        if self.outputs.len().saturating_sub(before) > OUTPUTS_MAX {
            self.end_by(Limit::Outputs, now);
        } else if self.s.seq >= FACTS_MAX {
            self.end_by(Limit::Facts, now);
        }
    }

    fn end_by(&mut self, limit: Limit, now: Timestamp) {
        if !self.is_over() {
            self.reached = Some(limit);
            self.end(Ending::system(CallState::Overflowed, 482), now);
        }
    }

    fn after_the_end(&mut self, input: Input, now: Timestamp) {
        match input {
            // The phone answered while its cancel was on the way.
            Input::LegAnswered(leg) if leg != CALLER_LEG => self.push(Output::ReleaseLeg(leg)),
            Input::LegTransfers { leg, .. } => self.push(Output::TransferOutcome { leg, status: 487 }),
            Input::Request(request) | Input::Consult { request, .. } => {
                self.refuse(&request, ErrorCode::INVALID_CONN_ID, "the call is over", now);
            }
            _ => {}
        }
    }

    fn leg_gone(&mut self, leg: LegId, how: CallState, now: Timestamp) {
        if self.replaces_on(leg) {
            self.s.replacement = None;
            return;
        }
        // A ringing phone that disappears counts as a refusal.
        if self.s.ringing_legs().contains(&leg) {
            return self.leg_failed(leg, 480, now);
        }
        if let Some(party) = self.s.party_on_mut(leg) {
            party.progress = LegProgress::Gone;
            let number = party.number;
            self.party_leaves(number, how, None, now);
        }
    }

    pub(crate) fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// Publishes `name` for the caller's phone; a caller behind a trunk receives no events.
    fn tell_caller(&mut self, name: EventName, state: CallState, now: Timestamp) {
        self.tell_party(PartyNo::CALLER, name, state, now);
    }

    /// Publishes `Established` for the caller, once.
    fn establish_caller(&mut self, now: Timestamp) {
        let caller = self.s.parties.iter_mut().find(|party| party.number == PartyNo::CALLER);
        if caller.is_some_and(|caller| !std::mem::replace(&mut caller.established, true)) {
            self.tell_caller(EventName::Established, CallState::Ok, now);
        }
    }
}
