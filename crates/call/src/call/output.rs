//! What a call wants done, and what it publishes.

use model::event::Stamped;
use model::plan::{Caller, Contact, ForwardedBy, Occasion, OutsideLimits};
use model::request::Treatment;
use model::{Dn, LegId, Request};

use super::feature::TypedPin;

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
        /// Why it is looked up.
        occasion: Occasion,
        /// The phones that have forwarded the call so far.
        forwarded_by: Vec<ForwardedBy>,
    },
    /// A line for who reads a trace of the call.
    Note(String),
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
    /// Let the caller on this leg hear the call before it is answered.
    PlayEarly {
        /// The leg.
        leg: LegId,
        /// Whether it is told that the far end rings.
        rings: bool,
    },
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
        /// The trunk that leads there, if it is a number outside.
        trunk: Option<String>,
        /// How long that trunk may say nothing before the next one is tried, in milliseconds.
        try_ms: u64,
        /// Whether it is an emergency: the trunk is tried even with as many calls as it may have, and while its carrier wants none.
        is_emergency: bool,
        /// What the call counts for, if it goes outside.
        limits: OutsideLimits,
    },
    /// The trunk of this leg has said nothing for as long as it may: another one is tried.
    LegSilent(LegId),
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
    /// Give up asking the phone to hold or retrieve: it does not answer.
    StopAsking(LegId),
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
