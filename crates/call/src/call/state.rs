//! A call's state: plain public data, which is also its photograph.

use model::event::CallRef;
use model::plan::FeatureCode;
use model::plan::{Caller, Service};
use model::request::Treatment;
use model::{AgentId, CallType, CallUuid, ConnId, Dn, LegId, ReferenceId, TenantId, Timestamp, Token, UserData};

use super::Incoming;
use super::timer::Timers;

/// Everything that a call knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallSnapshot {
    /// The tenant.
    pub tenant: TenantId,
    /// The call's id.
    pub conn_id: ConnId,
    /// The call's global id; also the call thread's, as long as calls are not linked.
    pub uuid: CallUuid,
    /// The owner's fencing token.
    pub token: Token,
    /// The number of the last event under this token.
    pub seq: u64,
    /// When the call came.
    pub created_at: Timestamp,
    /// The time of the last event: times never go back within a call.
    pub last_at: Timestamp,
    /// Who calls.
    pub caller: Caller,
    /// What was dialled.
    pub dialled: String,
    /// The business data.
    pub user_data: UserData,
    /// The state of the caller's leg.
    pub caller_leg: CallerLeg,
    /// Whether the caller holds us.
    pub caller_held: bool,
    /// Whether `Established` was published for the caller's phone.
    pub caller_established: bool,
    /// The number that the next leg gets.
    pub next_leg: u16,
    /// The number that the next treatment gets.
    pub next_treatment: u32,
    /// The number that the next question to the dial plan gets.
    pub next_ask: u32,
    /// How often the call was routed by default.
    pub default_routes: u8,
    /// How often the call entered a route point.
    pub parks: u16,
    /// Where the call is.
    pub stage: Stage,
    /// What is heard, at most one per leg.
    pub playing: Vec<Playing>,
    /// A request to hold or retrieve that the phone has not answered.
    pub hold_asked: Option<HoldAsked>,
    /// What may become due.
    pub timers: Timers,
}

impl CallSnapshot {
    pub(super) fn new(incoming: Incoming, now: Timestamp) -> Self {
        let Incoming { tenant, conn_id, uuid, token, caller, dialled } = incoming;
        Self {
            tenant,
            conn_id,
            uuid,
            token,
            seq: 0,
            created_at: now,
            last_at: now,
            caller,
            dialled,
            user_data: UserData::new(),
            caller_leg: CallerLeg::Offered,
            caller_held: false,
            caller_established: false,
            next_leg: super::CALLER_LEG.0 + 1,
            next_treatment: 1,
            next_ask: 1,
            default_routes: 0,
            parks: 0,
            stage: Stage::Asking { ask: 0 },
            playing: Vec::new(),
            hold_asked: None,
            timers: Timers::default(),
        }
    }

    /// Whether it is not known yet where the number leads.
    pub const fn stage_is_asking(&self) -> bool {
        matches!(self.stage, Stage::Asking { .. })
    }

    /// The parts of its events that name the call.
    pub fn call_ref(&self) -> CallRef {
        CallRef {
            conn_id: self.conn_id,
            uuid: self.uuid,
            thread: self.uuid,
            previous: None,
            call_type: match self.caller {
                Caller::Phone(_) => CallType::Internal,
                Caller::Trunk { .. } => CallType::Inbound,
            },
            propagated_type: None,
            ani: Some(self.caller_number().to_owned()),
            dnis: Some(self.dialled.clone()),
        }
    }

    /// The caller's number: its DN, or what it presents.
    pub fn caller_number(&self) -> &str {
        match &self.caller {
            Caller::Phone(dn) => dn.as_str(),
            Caller::Trunk { number, .. } => number,
        }
    }
}

/// The leg on which the call came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallerLeg {
    /// It waits for our answer.
    Offered,
    /// Our answer is being prepared.
    Answering,
    /// It was answered.
    Answered,
    /// It is gone.
    Gone,
}

/// Where a call is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The dial plan is asked where the dialled number leads.
    Asking {
        /// The number of the question.
        ask: u32,
    },
    /// On a route point.
    Waiting(Waiting),
    /// Phones ring.
    Offering(Party),
    /// Caller and party are connected.
    Talking(Party),
    /// At a service of the switch.
    Service(Service),
    /// A feature code.
    Feature(Feature),
    /// Over.
    Over,
}

/// A route point, as the dial plan described it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Point {
    /// Its number.
    pub dn: Dn,
    /// The application that it runs.
    pub application: String,
    /// Where calls go when no instruction comes.
    pub default_dn: Option<Dn>,
}

/// A call on a route point.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// Where.
    pub point: Point,
    /// A route that the dial plan is being asked about.
    pub routing: Option<Routing>,
}

/// A route that is being looked up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Routing {
    /// The number of the question.
    pub ask: u32,
    /// The target.
    pub dn: Dn,
    /// The agent that routing reserved.
    pub agent: Option<AgentId>,
    /// Who asked; none for default routing.
    pub asked: Option<Asked>,
}

/// Who asked for something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// The DN for which it was asked.
    pub this_dn: Dn,
    /// The token's subject.
    pub requester: String,
    /// The client's number.
    pub reference: ReferenceId,
}

/// The called side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Party {
    /// Its number.
    pub dn: Dn,
    /// The agent that routing reserved.
    pub agent: Option<AgentId>,
    /// The legs that ring; once it talks, the one that answered.
    pub legs: Vec<LegId>,
    /// Whether `Ringing` was published.
    pub rang: bool,
    /// Whether it holds us.
    pub held: bool,
    /// The route point that delivered the call.
    pub point: Option<Point>,
    /// The most telling refusal of a fork so far.
    pub refusal: Option<u16>,
    /// A request that the phone answer, which it has not done yet.
    pub answer_asked: Option<Asked>,
    /// A request to send the call elsewhere, about which the dial plan is being asked.
    pub redirect: Option<Routing>,
}

/// A feature code on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Feature {
    /// Which.
    pub code: FeatureCode,
    /// Whether the outcome is known and is being told.
    pub told: bool,
    /// The PIN, as long as it is to be typed.
    pub pin: Option<PinAsk>,
}

/// A PIN that is being asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PinAsk {
    /// The number of the question about it that is open; 0 for none.
    pub ask: u32,
    /// How many digits it has; 0 while that is not known.
    pub digits: u8,
    /// How often something else was typed, or nothing.
    pub tries: u8,
}

/// Something that a leg hears.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Playing {
    /// Its number.
    pub id: u32,
    /// Who hears it.
    pub leg: LegId,
    /// What.
    pub treatment: Treatment,
    /// What for.
    pub purpose: Purpose,
    /// Whether it was handed to media; it waits for the caller's leg to be answered before.
    pub issued: bool,
    /// Whether media has reported its start.
    pub started: bool,
}

/// What something is played for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// An application asked for it: its start and end are events.
    Applied(Asked),
    /// The caller waits for a phone that rings.
    RingBack,
    /// The other side holds.
    HoldMusic,
    /// The agent's PIN is typed.
    Pin,
    /// The switch's own: the call is released when it ends.
    Service,
}

/// Why a treatment is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// It came to its end.
    Completed,
    /// Digits were collected, or the time for them is over.
    Collected,
    /// It was stopped.
    Stopped,
    /// It could not be played.
    Failed,
}

/// Hold, or the end of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HoldWay {
    /// Hold.
    Hold,
    /// Retrieve.
    Retrieve,
}

/// A request to hold or retrieve that waits for the phone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HoldAsked {
    /// The phone's leg.
    pub leg: LegId,
    /// Which way.
    pub way: HoldWay,
    /// Who asked.
    pub asked: Asked,
}
