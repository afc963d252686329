//! One call: its legs, its parties, where it waits, what it hears. Knows legs, not SIP.
//!
//! Drive loop: [`Call::handle`] an input, drain [`Call::poll_output`], sleep until [`Call::next_timeout`],
//! [`Call::handle_timeout`]. Outputs are drained before a snapshot is taken: they belong to the same commit.

use std::collections::VecDeque;

use model::event::{ErrorCode, Stamped};
use model::plan::{Caller, Contact, Destination};
use model::request::Treatment;
use model::{CallState, CallUuid, ConnId, Dn, EventName, LegId, Request, TenantId, Timestamp, Token};

mod alerting;
mod ending;
mod facts;
mod feature;
mod hold;
mod incoming;
mod offer;
mod request;
pub mod state;
#[cfg(test)]
mod tests;
pub mod timer;
mod treatment;
mod waiting;

pub use facts::BUSINESS_CALL;
pub use feature::{PIN_TRIES_MAX, PinAnswer, TypedPin, feature_requester};
pub use state::{
    Asked, CallSnapshot, CallerLeg, Ended, Feature, HoldAsked, HoldWay, Party, PinAsk, Playing, Point, Purpose,
    Routing, Stage, Waiting,
};
pub use timer::{Timer, Timers};

use ending::Ending;

/// The most phones of one DN that ring at once; further registrations are left out. With the caller they are the four members that
/// a conference of media has.
pub const FORK_MAX: usize = 3;
/// How often a call is routed by default before it is given up: a default DN that never answers must not loop.
pub const DEFAULT_ROUTES_MAX: u8 = 3;
/// How often a call may enter a route point: an application that sends calls in a circle must not loop.
pub const PARKS_MAX: u16 = 200;
/// The most facts of a call under one owner; reaching it ends the call. Twelve hours with a prompt each ten seconds have 9,000; an application
/// or a phone that goes in a circle has them in minutes.
pub const FACTS_MAX: u64 = 20_000;
/// The most outputs of one input or one timer turn; reaching it ends the call. The end of a call with three phones ringing has 15.
pub const OUTPUTS_MAX: usize = 128;
/// The most timers that one turn handles; reaching it ends the call. Nine are all there are, and each waits for something else.
pub const TIMERS_PER_TURN: usize = 16;

/// The leg on which the call came in.
pub const CALLER_LEG: LegId = LegId(1);

/// The prompt that a held party hears.
pub const HOLD_MUSIC: &str = "music";
/// Said when a feature code has logged the agent in.
pub const PROMPT_LOGGED_IN: &str = "logged-in";
/// Said when a feature code has logged the agent out.
pub const PROMPT_LOGGED_OUT: &str = "logged-out";
/// Said when a feature code has made the agent ready.
pub const PROMPT_READY: &str = "ready";
/// Said when a feature code has made the agent not ready.
pub const PROMPT_NOT_READY: &str = "not-ready";
/// Asks for the agent's PIN.
pub const PROMPT_PIN: &str = "enter-pin";
/// Asks for it again.
pub const PROMPT_PIN_AGAIN: &str = "enter-pin-again";
/// Said when a feature code was refused.
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
    /// Who calls, as the edge has established it.
    pub caller: Caller,
    /// What was dialled.
    pub dialled: String,
}

/// What happens to a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// The dial plan's answer to question `ask`.
    DialPlan {
        /// The number of the question.
        ask: u32,
        /// Where the number leads.
        destination: Destination,
    },
    /// The leg alerts.
    LegRinging(LegId),
    /// The leg has answered; for the caller's leg: our answer with its audio is on the way.
    LegAnswered(LegId),
    /// The leg refused with this SIP status, or could not be reached; for the caller's leg: it cannot be answered.
    LegFailed {
        /// Which.
        leg: LegId,
        /// The SIP status.
        status: u16,
    },
    /// The party hung up (or cancelled).
    LegReleased(LegId),
    /// The party has vanished: no audio, no answer to a refresh.
    LegDead(LegId),
    /// The party has put us on hold, or our request to do so succeeded.
    LegHeld(LegId),
    /// The party has taken us back, or our request to do so succeeded.
    LegRetrieved(LegId),
    /// The phone refused our request to hold or retrieve.
    HoldRefused(LegId),
    /// The phone does not let itself be asked to answer.
    AnswerRefused(LegId),
    /// Treatment `id` is heard.
    TreatmentStarted {
        /// Which.
        id: u32,
    },
    /// Treatment `id` is over.
    TreatmentEnded {
        /// Which.
        id: u32,
        /// Why.
        cause: Ended,
        /// What was collected.
        digits: String,
    },
    /// A request of a client, an application or the auditor.
    Request(Request),
    /// The answer to question `ask` about the PIN.
    PinAnswered {
        /// The number of the question.
        ask: u32,
        /// What is said.
        answer: PinAnswer,
    },
    /// The outcome of the agent request of a feature code.
    AgentAnswered {
        /// Whether it was carried out.
        done: bool,
    },
    /// Its owner has failed while it dealt with the call, or the call has reached a limit of work: it ends.
    Fault,
}

/// What a call wants done, or what has become true.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::large_enum_variant, reason = "most outputs are facts; a box would cost an allocation for each")]
pub enum Output {
    /// A fact, to be published.
    Fact(Stamped),
    /// Ask the dial plan; the answer comes as [`Input::DialPlan`] with the same number.
    AskDialPlan {
        /// The number of the question.
        ask: u32,
        /// The number to look up.
        dialled: String,
    },
    /// The call waits for an application: an entry in the stream of new calls.
    NewCall {
        /// The route point.
        point: Dn,
        /// The application.
        application: String,
    },
    /// Ask about the PIN of the agent whose place has the calling phone; the answer comes as [`Input::PinAnswered`].
    AskPin {
        /// The number of the question.
        ask: u32,
        /// What was typed; none asks how many digits the PIN has.
        typed: Option<TypedPin>,
    },
    /// A request about the agent on the calling phone, for the stream of requests.
    AgentRequest(Request),
    /// Tell the caller that the far end rings.
    AlertCaller,
    /// Answer the caller's leg, with audio.
    AnswerCaller,
    /// Refuse the caller's leg with this status (hang up, if it was answered meanwhile).
    RejectCaller(u16),
    /// Ring a phone on a new leg.
    RingLeg {
        /// The new leg.
        leg: LegId,
        /// The DN that rings.
        dn: Dn,
        /// Where.
        contact: Contact,
    },
    /// Stop ringing.
    CancelLeg(LegId),
    /// Ask the phone that rings to answer; it does so as if its owner had, or [`Input::AnswerRefused`] comes.
    AskAnswer(LegId),
    /// Hang up.
    ReleaseLeg(LegId),
    /// Ask the phone to hold.
    HoldLeg(LegId),
    /// Ask the phone to go on.
    RetrieveLeg(LegId),
    /// Play something to a leg.
    StartTreatment {
        /// To whom.
        leg: LegId,
        /// Comes back when it starts and ends.
        id: u32,
        /// What.
        treatment: Treatment,
    },
    /// Stop playing; its end is of no interest any more.
    StopTreatment {
        /// To whom.
        leg: LegId,
        /// Which.
        id: u32,
    },
    /// The call is over; nothing follows.
    Over,
}

/// A limit of steps that a call has reached, and was ended by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Limit {
    /// [`FACTS_MAX`].
    Facts,
    /// [`OUTPUTS_MAX`].
    Outputs,
    /// [`TIMERS_PER_TURN`].
    Timers,
}

impl Limit {
    /// All.
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
    s: CallSnapshot,
    outputs: VecDeque<Output>,
    reached: Option<Limit>,
}

impl Call {
    /// A new call; its first outputs ask the dial plan.
    pub fn new(incoming: Incoming, now: Timestamp) -> Self {
        let mut call = Self { s: CallSnapshot::new(incoming, now), outputs: VecDeque::new(), reached: None };
        call.begin(now);
        call
    }

    /// Goes on from a snapshot. Timers that are due already are handled at the next wake-up, which is at once.
    pub const fn restore(snapshot: CallSnapshot) -> Self {
        Self { s: snapshot, outputs: VecDeque::new(), reached: None }
    }

    /// A photograph of the call. Outputs that were not drained are not in it.
    pub fn snapshot(&self) -> CallSnapshot {
        debug_assert!(self.outputs.is_empty(), "outputs belong to the commit that stores this snapshot");
        self.s.clone()
    }

    /// The call as it stands, without a copy.
    pub const fn state(&self) -> &CallSnapshot {
        &self.s
    }

    /// A new owner has claimed the call: events are numbered anew under its token.
    pub fn claim(&mut self, token: Token) {
        self.s.token = token;
        self.s.seq = 0;
    }

    /// Whether the call is over.
    pub const fn is_over(&self) -> bool {
        matches!(self.s.stage, Stage::Over)
    }

    /// The next thing to do or to publish, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The limit by which the call has just ended, once: for a metric and a line in the log.
    pub const fn take_limit(&mut self) -> Option<Limit> {
        self.reached.take()
    }

    /// When [`Call::handle_timeout`] wants to be called.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.s.timers.next()
    }

    /// Takes an input.
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
            Input::LegAnswered(CALLER_LEG) => self.caller_answered(now),
            Input::LegAnswered(leg) => self.leg_answered(leg, now),
            Input::LegFailed { leg: CALLER_LEG, status } => {
                self.end(Ending::system(CallState::GeneralError, status), now)
            }
            Input::LegFailed { leg, status } => self.leg_failed(leg, status, now),
            Input::LegReleased(leg) => self.leg_gone(leg, CallState::Ok, now),
            Input::LegDead(leg) => self.leg_gone(leg, CallState::Dropped, now),
            Input::LegHeld(leg) => self.leg_hold(leg, HoldWay::Hold, now),
            Input::LegRetrieved(leg) => self.leg_hold(leg, HoldWay::Retrieve, now),
            Input::HoldRefused(leg) => self.hold_refused(leg, now),
            Input::AnswerRefused(leg) => self.answer_refused(leg, now),
            Input::TreatmentStarted { id } => self.treatment_started(id, now),
            Input::TreatmentEnded { id, cause, digits } => self.treatment_ended(id, cause, &digits, now),
            Input::Request(request) => self.request(request, now),
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
                Timer::NoAnswer => self.offer_failed(CallState::NoAnswer, 480, now),
                Timer::Treatment => self.treatment_overdue(now),
                Timer::AgentAnswer => self.feature_overdue(now),
                Timer::HoldAnswer => self.hold_overdue(now),
                Timer::PhoneAnswer => self.answer_overdue(now),
                Timer::Lifetime => self.end(Ending::system(CallState::Dropped, 480), now),
            }
        }
        self.end_by(Limit::Timers, now);
    }

    /// Ends the call if it goes in a circle.
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
            // A phone that answered while its cancel was on the way.
            Input::LegAnswered(leg) if leg != CALLER_LEG => self.push(Output::ReleaseLeg(leg)),
            Input::Request(request) => {
                self.refuse(&request, ErrorCode::INVALID_CONN_ID, "the call is over", now);
            }
            _ => {}
        }
    }

    fn leg_gone(&mut self, leg: LegId, how: CallState, now: Timestamp) {
        if leg == CALLER_LEG {
            self.s.caller_leg = CallerLeg::Gone;
            return self.end(Ending::caller(how), now);
        }
        match &mut self.s.stage {
            Stage::Talking(party) if party.legs.contains(&leg) => {
                party.legs.clear();
                self.end(Ending::party(how), now);
            }
            // A phone that goes away while it rings has refused the call.
            Stage::Offering(party) if party.legs.contains(&leg) => self.leg_failed(leg, 480, now),
            _ => {}
        }
    }

    fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// Publishes `name` for the caller's phone; a caller behind a trunk receives no events.
    fn tell_caller(&mut self, name: EventName, state: CallState, now: Timestamp) {
        if let Some(mut event) = self.caller_event(name) {
            event.call_state = Some(state);
            self.fact(event, now);
        }
    }
}
