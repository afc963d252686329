//! One call: its legs, its parties, the route point where it waits and the audio of each leg. Knows legs, not SIP.
//!
//! Drive loop: [`Call::handle`] an input, drain [`Call::poll_output`], sleep until [`Call::next_timeout`],
//! [`Call::handle_timeout`]. Outputs are drained before a snapshot is taken: they belong to the same commit.

use std::collections::VecDeque;

use model::event::ErrorCode;
use model::plan::{ForwardedBy, Forwards};
use model::{CallState, EventName, LegId, Timestamp, Token};

mod alerting;
mod asked;
pub(crate) mod conference;
pub(crate) mod consultation;
mod early_media;
mod ending;
mod facts;
mod feature;
mod flows;
mod forwarding;
mod hold;
mod identity;
mod in_thread;
mod incoming;
mod input;
mod invitation;
mod keys;
mod monitor;
mod mute;
mod offer;
mod originate;
mod output;
mod party;
mod party_info;
mod place;
mod playing;
mod point;
mod predictive;
mod recorded;
mod recording;
pub mod replacement;
mod request;
pub mod seat;
pub mod state;
#[cfg(test)]
mod tests;
pub mod timer;
mod to_party;
mod transfer;
mod treatment;
mod trunks;
mod waiting;

pub use asked::{Asked, no_answer_ms, shown_number};
pub use facts::BUSINESS_CALL;
pub use feature::{PIN_TRIES_MAX, PinAnswer, TypedPin, feature_requester};
pub use hold::Departure;
pub use in_thread::{ConsultsFor, NewConsultation, NextNumbers};
pub use input::{Incoming, Input};
pub use output::{Limit, Output};
pub use party::{Forwarding, LegProgress, Observes, Party, PartyNo};
pub use place::{Parked, Replaced, Replacement};
pub use playing::{Ended, Playing, Purpose, RecordEnd};
pub use point::Point;
pub use predictive::classifies;
pub use recorded::{RecordedAs, Recording, RecordingState};
pub use recording::{RECORDING_ID, RECORDING_STATE};
pub use seat::{HeardBy, Seat};
pub use state::{
    CallSnapshot, Feature, HoldAsked, HoldWay, InService, Invitation, InvitationStep, Offer, Originating,
    OriginatingStep, PinAsk, Recall, Routing, Stage, Transfer, Waiting,
};
pub use timer::{Timer, Timers};

use consultation::Consultation;
use ending::Ending;

/// The most phones of one DN that ring at once; further ones are left out.
pub const FORK_MAX: usize = 3;
/// The most default routes of one call; the next one drops the call. A default DN that never answers must not loop.
pub const DEFAULT_ROUTES_MAX: u8 = 3;
/// The most route points that a call may enter: an application that sends calls in a circle must not loop.
pub const PARKS_MAX: u16 = 200;
/// The most facts of a call under one owner, without those that only answer requests; reaching it ends the call. A call of twelve hours
/// with a prompt every ten seconds has 9,000. A looping application or phone has them in minutes.
pub const FACTS_MAX: u64 = 20_000;
/// The most outputs of one input or one timer turn; reaching it ends the call. Ending a call with three ringing phones takes 15, a conference
/// of [`PARTIES_MAX`] 102. A party of such a conference that leaves with [`OBSERVERS_MAX`] who monitor it takes some 600.
pub const OUTPUTS_MAX: usize = 1_024;
/// The most parties of a call, as many as media takes into a conference.
pub const PARTIES_MAX: usize = 50;
/// The most who monitor a call.
pub const OBSERVERS_MAX: usize = 10;
/// The most timers that one turn handles; reaching it ends the call. A call has eleven timers at most, one of each kind.
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
/// A confirmation tone, played when a feature code has changed what the phone does with calls.
pub const PROMPT_CONFIRMED: &str = "confirmed";
/// Asks for the agent's PIN.
pub const PROMPT_PIN: &str = "enter-pin";
/// Asks for the PIN again after a wrong or empty one.
pub const PROMPT_PIN_AGAIN: &str = "enter-pin-again";
/// Played when a feature code was refused.
pub const PROMPT_REFUSED: &str = "error";

/// A call. See the module for its drive loop.
#[derive(Clone, Debug)]
pub struct Call {
    pub(crate) s: CallSnapshot,
    pub(crate) outputs: VecDeque<Output>,
    reached: Option<Limit>,
    /// A consultation whose destination is known: the thread begins it.
    begun: Option<Box<Consultation>>,
    /// Who forwarded the call to the destination in hand.
    forwarded: Forwarded,
}

impl Forwarded {
    /// Nobody did.
    const NONE: Self = Self { by: Vec::new(), next: Forwards { busy: false, no_answer: false } };
}

/// Who forwarded a call, and whether its destination forwards it in turn.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Forwarded {
    /// The phones that did, in order.
    pub(crate) by: Vec<ForwardedBy>,
    /// Which calls the destination forwards.
    pub(crate) next: Forwards,
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
        Self { s: snapshot, outputs: VecDeque::new(), reached: None, begun: None, forwarded: Forwarded::NONE }
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
        (self.s.seq, self.s.answers) = (0, 0);
    }

    /// Whether the call is over.
    pub const fn is_over(&self) -> bool {
        self.s.is_over()
    }

    /// The consultation that is to begin, given once.
    pub(crate) const fn take_consultation(&mut self) -> Option<Box<Consultation>> {
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
            Input::DialPlan { ask, answer } => self.dial_plan_answered(ask, answer, now),
            Input::LegRinging(leg) => self.leg_ringing(leg, true, now),
            Input::LegProgresses(leg) => self.leg_ringing(leg, false, now),
            Input::LegPlaysEarly { leg, rings } => self.leg_plays_early(leg, rings, now),
            Input::LegAnswered(leg) if self.s.calls_on(leg) => self.caller_answered(now),
            Input::LegAnswered(leg) if self.replaces_on(leg) => self.replaces(now),
            Input::LegAnswered(leg) => self.leg_answered(leg, now),
            Input::LegFailed { leg, status } if self.s.calls_on(leg) => {
                self.end(Ending::system(CallState::GeneralError, status), now);
            }
            Input::LegFailed { leg, status } if self.replaces_on(leg) => self.refuse_replacement(status),
            Input::LegFailed { leg, status } => self.leg_failed(leg, status, now),
            Input::LegUnreachable { leg, status } => self.leg_unreachable(leg, status, now),
            Input::LegPutOff { leg, way } => self.leg_put_off(leg, way, now),
            Input::LegNotReached { leg, status, way } => self.leg_not_reached(leg, status, way, now),
            Input::FlowFailed { leg, next } => self.flow_failed(leg, next, now),
            Input::FlowSilent { leg, next } => self.flow_silent(leg, next),
            Input::LegPrevails { leg, rivals, trunk } => self.leg_prevails(leg, &rivals, trunk),
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
            Input::TreatmentRecords { id } => self.treatment_records(id, now),
            Input::TreatmentEnded { id, cause, digits } => self.treatment_ended(id, cause, &digits, now),
            Input::Request(request) => self.request(request, now),
            Input::Consult { request, conn_id, uuid } => self.consult(request, conn_id, uuid, now),
            Input::PinAnswered { ask, answer } => self.pin_answered(ask, answer, now),
            Input::AgentAnswered { done, .. } => self.agent_answered(done, now),
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
                Timer::NoAnswer => self.offer_silent(now),
                Timer::Trunk => self.trunk_silent(now),
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
        } else if self.s.seq.saturating_sub(self.s.answers) >= FACTS_MAX {
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
        self.party_lost(leg, how, now);
    }

    /// The leg of a party has ended, if it is one's.
    fn party_lost(&mut self, leg: LegId, how: CallState, now: Timestamp) {
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
