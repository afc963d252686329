//! A call's state: plain public data that also serves as its snapshot.

use model::event::CallRef;
use model::plan::FeatureCode;
use model::plan::{Caller, Service};
use model::request::Treatment;
use model::{AgentId, CallType, CallUuid, ConnId, Dn, LegId, ReferenceId, TenantId, Timestamp, Token, UserData};

use super::Incoming;
use super::timer::Timers;

/// The whole state of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallSnapshot {
    /// The tenant.
    pub tenant: TenantId,
    /// The call's id.
    pub conn_id: ConnId,
    /// The call's global id; also the id of its call thread, as long as calls are not linked.
    pub uuid: CallUuid,
    /// The owner's fencing token.
    pub token: Token,
    /// The number of the last event under this token.
    pub seq: u64,
    /// When the call came in.
    pub created_at: Timestamp,
    /// The time of the last event. Times never go back within a call.
    pub last_at: Timestamp,
    /// The caller.
    pub caller: Caller,
    /// The dialled number.
    pub dialled: String,
    /// The business data.
    pub user_data: UserData,
    /// The state of the caller's leg.
    pub caller_leg: CallerLeg,
    /// Whether the caller has put us on hold.
    pub caller_held: bool,
    /// Whether `Established` was published for the caller's phone.
    pub caller_established: bool,
    /// The number of the next leg.
    pub next_leg: u16,
    /// The number of the next treatment.
    pub next_treatment: u32,
    /// The number of the next question to the dial plan.
    pub next_ask: u32,
    /// How often the call was routed by default, at most [`super::DEFAULT_ROUTES_MAX`].
    pub default_routes: u8,
    /// How often the call entered a route point, at most [`super::PARKS_MAX`].
    pub parks: u16,
    /// The stage that the call has reached.
    pub stage: Stage,
    /// The treatments of the legs, at most one per leg.
    pub playing: Vec<Playing>,
    /// A request to hold or retrieve that the phone has not answered.
    pub hold_asked: Option<HoldAsked>,
    /// The armed timers.
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

    /// Whether the dial plan has not answered yet for the dialled number.
    pub const fn stage_is_asking(&self) -> bool {
        matches!(self.stage, Stage::Asking { .. })
    }

    /// The attributes of the call's events that name the call.
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

    /// The caller's number: its DN, or the number that the trunk presents.
    pub fn caller_number(&self) -> &str {
        match &self.caller {
            Caller::Phone(dn) => dn.as_str(),
            Caller::Trunk { number, .. } => number,
        }
    }
}

/// The state of the incoming call's leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallerLeg {
    /// It waits for our answer.
    Offered,
    /// Our answer is being prepared.
    Answering,
    /// It was answered.
    Answered,
    /// It was released or lost.
    Gone,
}

/// The stage of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The dial plan has been asked about the dialled number.
    Asking {
        /// The number of the question.
        ask: u32,
    },
    /// The call waits on a route point.
    Waiting(Waiting),
    /// Phones ring.
    Offering(Party),
    /// Caller and party are connected.
    Talking(Party),
    /// The caller is connected to a service of the switch.
    Service(Service),
    /// The call carries out a feature code.
    Feature(Feature),
    /// The call is over.
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
    /// The route point.
    pub point: Point,
    /// A route request whose DN is being looked up in the dial plan.
    pub routing: Option<Routing>,
}

/// A route that is being looked up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Routing {
    /// The number of the question.
    pub ask: u32,
    /// The DN to route to.
    pub dn: Dn,
    /// The agent that routing reserved.
    pub agent: Option<AgentId>,
    /// The requester; `None` for default routing.
    pub asked: Option<Asked>,
}

/// The origin of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// The DN that the request names as its own (`ThisDN`).
    pub this_dn: Dn,
    /// The subject of the client's token.
    pub requester: String,
    /// The reference number that the client chose.
    pub reference: ReferenceId,
}

/// The called side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Party {
    /// Its number.
    pub dn: Dn,
    /// The agent that routing reserved.
    pub agent: Option<AgentId>,
    /// The ringing legs; once connected, only the leg that answered.
    pub legs: Vec<LegId>,
    /// Whether `Ringing` was published.
    pub rang: bool,
    /// Whether the party has put us on hold.
    pub held: bool,
    /// The route point that delivered the call.
    pub point: Option<Point>,
    /// The most significant refusal of the forked legs so far.
    pub refusal: Option<u16>,
    /// A request that the phone answer; it has not answered yet.
    pub answer_asked: Option<Asked>,
    /// A request to redirect the call; its destination is being looked up in the dial plan.
    pub redirect: Option<Routing>,
}

/// A feature code in progress.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Feature {
    /// The feature code.
    pub code: FeatureCode,
    /// Whether the outcome is known and its prompt plays.
    pub told: bool,
    /// The PIN entry, until the PIN is right; `None` if no PIN is needed.
    pub pin: Option<PinAsk>,
}

/// The state of a PIN entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PinAsk {
    /// The number of the open question about it; 0 for none.
    pub ask: u32,
    /// The PIN's number of digits; 0 while unknown.
    pub digits: u8,
    /// Failed tries: a wrong PIN or no digit at all.
    pub tries: u8,
}

/// A treatment that plays on a leg.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Playing {
    /// Its number.
    pub id: u32,
    /// The leg that hears it.
    pub leg: LegId,
    /// The treatment.
    pub treatment: Treatment,
    /// Its purpose.
    pub purpose: Purpose,
    /// Whether it was handed to media. On the caller's leg it waits until that leg is answered.
    pub issued: bool,
    /// Whether media has reported its start.
    pub started: bool,
}

/// The purpose of a treatment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// An application asked for it: its start and end are events.
    Applied(Asked),
    /// The caller hears that a phone rings.
    RingBack,
    /// The other side has put this leg on hold.
    HoldMusic,
    /// The caller types the agent's PIN.
    Pin,
    /// A prompt of the switch itself; the call is released when it ends.
    Service,
}

/// Why a treatment is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// It played to its end.
    Completed,
    /// Digits were collected, or the time to type them has passed.
    Collected,
    /// It was stopped.
    Stopped,
    /// It could not be played.
    Failed,
}

/// Hold or retrieve.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HoldWay {
    /// Put the call on hold.
    Hold,
    /// Retrieve the call from hold.
    Retrieve,
}

/// A request to hold or retrieve that waits for the phone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HoldAsked {
    /// The phone's leg.
    pub leg: LegId,
    /// Hold or retrieve.
    pub way: HoldWay,
    /// The requester.
    pub asked: Asked,
}
