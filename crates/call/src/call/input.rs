//! What happens to a call.

use model::plan::{Caller, Contact, PlanAnswer, Way};
use model::{CallUuid, ConnId, Dn, LegId, Request, TenantId, Token};

use super::feature::PinAnswer;
use super::playing::Ended;

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
        answer: PlanAnswer,
    },
    /// The leg alerts.
    LegRinging(LegId),
    /// The leg reports progress, with audio of its own as a rule: a ringing tone, or an announcement that there is no way.
    LegProgresses(LegId),
    /// The phone that a leg rings sends audio before it answers (RFC 3960), and media lets the call hear it.
    LegPlaysEarly {
        /// The leg.
        leg: LegId,
        /// Whether it says that it rings.
        rings: bool,
    },
    /// The leg has answered. For the caller's leg: our answer with its audio is on the way.
    LegAnswered(LegId),
    /// The leg refused with this SIP status, or could not be reached. For the caller's leg: it cannot be answered.
    LegFailed {
        /// The leg.
        leg: LegId,
        /// The SIP status.
        status: u16,
    },
    /// As [`Input::LegFailed`], and it is the way to the leg that failed, not who is there: another trunk may lead there.
    LegUnreachable {
        /// The leg.
        leg: LegId,
        /// The SIP status.
        status: u16,
    },
    /// The way by which an emergency number was to be called is known to lead nowhere now: it is tried after all others.
    LegPutOff {
        /// The leg.
        leg: LegId,
        /// Its way.
        way: Way,
    },
    /// One of our proxies has not reached the carrier of a number outside, which has not got the call: another proxy may reach it by the same
    /// trunk.
    LegNotReached {
        /// The leg.
        leg: LegId,
        /// The SIP status.
        status: u16,
        /// Its way.
        way: Way,
    },
    /// The flow by which the leg rings a phone is lost, and the phone has another (RFC 5626 section 5.3).
    FlowFailed {
        /// The leg.
        leg: LegId,
        /// The phone by its next flow.
        next: Contact,
    },
    /// The flow by which the leg rings a phone is silent or broken, and the phone has another. It may have got the call all the same: the leg
    /// stays until one of the two says something.
    FlowSilent {
        /// The leg.
        leg: LegId,
        /// The phone by its next flow.
        next: Contact,
    },
    /// Of the legs by which one phone or one emergency number is called this one goes on alone.
    LegPrevails {
        /// The leg.
        leg: LegId,
        /// The others.
        rivals: Vec<LegId>,
        /// Of an emergency, the trunk by which it goes: it need not be the one that was tried last.
        trunk: Option<String>,
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
    /// The prompts of treatment `id` are over, and the party is recorded from now on.
    TreatmentRecords {
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
        /// The call that dialled it.
        conn_id: ConnId,
        /// Whether it was carried out.
        done: bool,
    },
    /// Ends the call: its owner failed while processing it, or the call has reached a limit of work.
    Fault,
}
