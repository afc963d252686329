//! A call's state: plain public data that also serves as its snapshot.

use model::plan::{Caller, FeatureCode, ForwardedBy, Forwards, Service, Way};
use model::request::MonitorMode;
use model::{AgentId, CallUuid, ConnId, Dn, LegId, TenantId, Timestamp, Token, UserData};

use super::asked::Asked;
use super::in_thread::{ConsultsFor, NewConsultation, NextNumbers};
use super::party::{Forwarding, LegProgress, Party, PartyNo};
use super::place::{Parked, Replacement};
use super::playing::Playing;
use super::point::Point;
use super::recorded::Recording;
use super::timer::Timers;
use super::{CALLER_LEG, Incoming};

/// The whole state of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallSnapshot {
    /// The tenant.
    pub tenant: TenantId,
    /// The call's id.
    pub conn_id: ConnId,
    /// The call's global id; that of a thread's first call also names the thread.
    pub uuid: CallUuid,
    /// The owner's fencing token.
    pub token: Token,
    /// The number of the last event under this token.
    pub seq: u64,
    /// How many events under this token only answered requests. A client that asks again and again is no call in a loop.
    pub answers: u64,
    /// When the call came in.
    pub created_at: Timestamp,
    /// The time of the last event. Times never go back within a call.
    pub last_at: Timestamp,
    /// Who began the call; that one may have left.
    pub caller: Caller,
    /// The dialled number.
    pub dialled: String,
    /// The business data.
    pub user_data: UserData,
    /// Whether the call's existence has been published: only then its type is known.
    pub announced: bool,
    /// Whether a phone of the tenant called a number outside.
    pub outbound: bool,
    /// Whether a route point does not answer the caller, but only what it hears there or who answers it: its audio may go directly.
    pub answers_late: bool,
    /// Its number within its thread; the thread's first call has 0.
    pub number: u16,
    /// The call for which it is a consultation.
    pub consults_for: Option<ConsultsFor>,
    /// A transfer or a consultation whose destination is being looked up.
    pub transfer: Option<Transfer>,
    /// A number that is being brought into the call while it goes on.
    pub invitation: Option<Invitation>,
    /// A phone that waits for its answer, to take the place of another one.
    pub replacement: Option<Replacement>,
    /// The parties, in the order in which they joined: who called, and those who have answered.
    pub parties: Vec<Party>,
    /// The next numbers of legs, treatments and questions.
    pub numbers: NextNumbers,
    /// How often the call was routed by default, at most [`super::DEFAULT_ROUTES_MAX`].
    pub default_routes: u8,
    /// How often the call entered a route point, at most [`super::PARKS_MAX`].
    pub parks: u16,
    /// The stage that the call has reached.
    pub stage: Stage,
    /// The treatments of the legs, at most one per leg.
    pub playing: Vec<Playing>,
    /// Of a predictive call that nobody has answered: whether it is to be known who does.
    pub classifies: bool,
    /// The number that whoever made the call by request wants to show outside.
    pub shows: Option<String>,
    /// Its last recording.
    pub recording: Option<Recording>,
    /// A request to hold or retrieve that the phone has not answered.
    pub hold_asked: Option<HoldAsked>,
    /// The armed timers.
    pub timers: Timers,
}

impl CallSnapshot {
    pub(super) fn new(incoming: Incoming, now: Timestamp) -> Self {
        let Incoming { tenant, conn_id, uuid, token, caller, dialled } = incoming;
        let party = Party::calling(caller.clone());
        Self {
            tenant,
            conn_id,
            uuid,
            token,
            seq: 0,
            answers: 0,
            created_at: now,
            last_at: now,
            caller,
            dialled,
            user_data: UserData::new(),
            announced: false,
            outbound: false,
            answers_late: false,
            number: 0,
            consults_for: None,
            transfer: None,
            invitation: None,
            replacement: None,
            parties: vec![party],
            numbers: NextNumbers::default(),
            default_routes: 0,
            parks: 0,
            stage: Stage::Asking { ask: 0 },
            playing: Vec::new(),
            classifies: false,
            shows: None,
            recording: None,
            hold_asked: None,
            timers: Timers::default(),
        }
    }

    /// A party by its number.
    pub fn party(&self, number: PartyNo) -> Option<&Party> {
        self.parties.iter().find(|party| party.number == number)
    }

    /// A treatment by its number.
    pub fn playing(&self, id: u32) -> Option<&Playing> {
        self.playing.iter().find(|playing| playing.id == id)
    }

    /// Whether the call is over.
    pub const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// The parties without those that only observe.
    pub fn talkers(&self) -> impl Iterator<Item = &Party> {
        self.parties.iter().filter(|party| !party.is_silent())
    }

    /// Whether a party other than this one is away.
    pub(crate) fn is_one_away(&self, but: PartyNo) -> bool {
        self.talkers().any(|party| party.away && party.number != but)
    }

    /// The party of a leg that has not ended.
    pub fn live_party_on(&self, leg: LegId) -> Option<&Party> {
        self.party_on(leg).filter(|party| !self.is_over() && party.progress != LegProgress::Gone)
    }

    /// Whether the leg is one of this call: that of a party, of a phone that rings, or of one that takes another one's place.
    pub fn has_leg(&self, leg: LegId) -> bool {
        let replaces = self.replacement.as_ref().is_some_and(|open| open.leg == leg);
        self.live_party_on(leg).is_some() || self.ringing_legs().contains(&leg) || replaces
    }

    /// The legs of phones that ring.
    pub fn ringing_legs(&self) -> &[LegId] {
        match &self.stage {
            Stage::Offering(offer) => &offer.legs,
            Stage::Originating(Originating { step: OriginatingStep::Ringing { legs, .. }, .. }) => legs,
            _ => self.invited().map_or(&[], |offer| &offer.legs),
        }
    }

    /// What rings to be brought into the call.
    pub fn invited(&self) -> Option<&Offer> {
        match &self.invitation {
            Some(Invitation { step: InvitationStep::Ringing(offer), .. }) => Some(offer),
            _ => None,
        }
    }

    /// Whether somebody waits for the phone that rings to answer by itself.
    pub fn is_asked_to_answer(&self) -> bool {
        let offer = if let Stage::Offering(offer) = &self.stage { Some(offer) } else { self.invited() };
        offer.is_some_and(|offer| offer.answer_asked.is_some())
    }

    /// Whether the number outside that is called is to be tried by another trunk than this one, too.
    pub fn has_another_trunk_than(&self, trunk: &str) -> bool {
        self.ways_left().iter().any(|way| way.trunk != trunk)
    }

    /// Whether another attempt by that trunk is left.
    pub fn has_way_left_by(&self, trunk: &str) -> bool {
        self.ways_left().iter().any(|way| way.trunk == trunk)
    }

    fn ways_left(&self) -> &[Way] {
        let offer = if let Stage::Offering(offer) = &self.stage { Some(offer) } else { self.invited() };
        offer.map(|offer| offer.further.as_slice()).unwrap_or_default()
    }

    /// Whether the phone that rings is the one from which the call was made by request.
    pub const fn rings_at_origin(&self) -> bool {
        matches!(self.stage, Stage::Originating(_))
    }

    /// Whether the caller of this call waits on that leg for our answer.
    pub(crate) fn calls_on(&self, leg: LegId) -> bool {
        let waits = |party: &Party| matches!(party.progress, LegProgress::Offered | LegProgress::Answering);
        self.party(PartyNo::CALLER).is_some_and(|caller| caller.leg == leg && waits(caller))
    }

    /// The caller's leg.
    pub(super) fn caller_leg(&self) -> LegId {
        self.party(PartyNo::CALLER).map_or(CALLER_LEG, |caller| caller.leg)
    }

    /// The party of a leg.
    pub fn party_on(&self, leg: LegId) -> Option<&Party> {
        self.parties.iter().find(|party| party.leg == leg)
    }

    /// Whether a DN is in the call: as a party, as what rings, or as the route point where it waits.
    pub(super) fn is_at(&self, dn: &Dn) -> bool {
        let rings = |offer: &Offer| offer.trunk.is_none() && offer.dn == *dn;
        let by_stage = match &self.stage {
            Stage::Waiting(waiting) => waiting.point.dn == *dn,
            Stage::Offering(offer) => rings(offer) || offer.point.as_ref().is_some_and(|point| point.dn == *dn),
            Stage::Originating(made) => made.asked.this_dn == *dn,
            _ => false,
        };
        by_stage || self.invited().is_some_and(rings) || self.party_at(dn).is_some()
    }

    /// The connected party at a DN; of two there, the one that was called.
    pub fn party_at(&self, dn: &Dn) -> Option<&Party> {
        self.parties.iter().rev().find(|party| party.dn() == Some(dn))
    }

    /// The talking party that a request means by this number: who has it as its DN, before who only shows it, as a caller from outside may.
    pub(super) fn talker_named(&self, number: &Dn) -> Option<&Party> {
        let at_dn = self.talkers().find(|party| party.dn() == Some(number));
        at_dn.or_else(|| self.talkers().find(|party| party.address() == number.as_str()))
    }

    pub(super) fn party_on_mut(&mut self, leg: LegId) -> Option<&mut Party> {
        self.parties.iter_mut().find(|party| party.leg == leg)
    }

    /// The state of the leg of who called; [`LegProgress::Gone`] if that one has left.
    pub fn caller_progress(&self) -> LegProgress {
        self.party(PartyNo::CALLER).map_or(LegProgress::Gone, |party| party.progress)
    }

    /// Whether the dial plan has not answered yet for the dialled number.
    pub const fn stage_is_asking(&self) -> bool {
        matches!(self.stage, Stage::Asking { .. })
    }
}

/// The stage of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a call has one; a box would cost an allocation for each call that rings"
)]
pub enum Stage {
    /// The dial plan has been asked about the dialled number.
    Asking {
        /// The number of the question.
        ask: u32,
    },
    /// A call made by request: the phone that calls has not answered.
    Originating(Originating),
    /// The call waits on a route point.
    Waiting(Waiting),
    /// The phones of a DN ring.
    Offering(Offer),
    /// Nobody took the transferred call: it goes back to who transferred it, whose phones are being looked up.
    Recalling(Recall),
    /// The parties are connected.
    Talking,
    /// Who is left is connected to a service of the switch.
    Service(InService),
    /// Who is left waits at a park slot.
    Parked(Parked),
    /// The call carries out a feature code.
    Feature(Feature),
    /// The call is over.
    Over,
}

/// A call made by request whose own phone has not answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Originating {
    /// The requester. `this_dn` is the phone that calls.
    pub asked: Asked,
    /// What is awaited.
    pub step: OriginatingStep,
}

/// What a call made by request waits for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OriginatingStep {
    /// The dial plan's answer to this question about the destination: a wrong number must not ring the phone.
    Destination(u32),
    /// The dial plan's answer to this question about the phone that calls.
    Phone(u32),
    /// The dial plan's answer to this question about the route point for which a predictive call is made.
    Point(u32),
    /// The dial plan's answer about the number that is called for a route point.
    Number {
        /// The number of the question.
        ask: u32,
        /// The route point.
        point: Point,
    },
    /// The answer of the phone that calls.
    Ringing {
        /// The ringing legs.
        legs: Vec<LegId>,
        /// The most significant refusal of the legs so far.
        refusal: Option<u16>,
    },
}

/// The service that a call has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InService {
    /// The number that leads to it.
    pub number: String,
    /// What it does.
    pub service: Service,
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

/// A single-step transfer or a consultation whose destination is being looked up. The party stays connected until it is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transfer {
    /// Who transfers or consults.
    pub party: PartyNo,
    /// The number of the question to the dial plan.
    pub ask: u32,
    /// The destination.
    pub to: Dn,
    /// The requester; `None` if the party's phone transfers by itself.
    pub asked: Option<Asked>,
    /// The call that begins once the destination is known; `None` for a single-step transfer.
    pub consultation: Option<NewConsultation>,
}

/// A number that is being brought into a call that goes on: a conference in one step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invitation {
    /// Who brings it in.
    pub by: PartyNo,
    /// The requester.
    pub asked: Asked,
    /// What is awaited.
    pub step: InvitationStep,
    /// How it takes part, if it is a supervisor who is to monitor the party `by`.
    pub monitors: Option<MonitorMode>,
}

/// What bringing a number into a call waits for.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::large_enum_variant, reason = "a call has one at most, and seldom one at all")]
pub enum InvitationStep {
    /// The dial plan's answer.
    LookingUp {
        /// The number of the question.
        ask: u32,
        /// The number.
        to: Dn,
    },
    /// The answer of the phones that ring.
    Ringing(Offer),
}

/// A call on its way back to who transferred it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recall {
    /// The number of the question to the dial plan; none while it waits for a phone that is busy.
    pub ask: Option<u32>,
    /// Who transferred the call.
    pub to: Dn,
    /// The destination that did not take it.
    pub from: Dn,
    /// The route point that delivered the call to who transferred it.
    pub point: Option<Point>,
    /// How often that phone was busy.
    pub tries: u8,
}

/// A DN whose phones ring, or a number outside that is called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer {
    /// Its number.
    pub dn: Dn,
    /// The trunk that leads to it, for a number outside.
    pub trunk: Option<String>,
    /// The agent that routing reserved.
    pub agent: Option<AgentId>,
    /// The ringing legs.
    pub legs: Vec<LegId>,
    /// Whether `Ringing` was published, or `NetworkReached` for a number outside.
    pub rang: bool,
    /// The route point that delivered the call.
    pub point: Option<Point>,
    /// The most significant refusal of the forked legs so far.
    pub refusal: Option<u16>,
    /// A request that the phone answer; it has not answered yet.
    pub answer_asked: Option<Asked>,
    /// A request to redirect the call; its destination is being looked up in the dial plan.
    pub redirect: Option<Routing>,
    /// Who transferred the call here: it goes back there if nobody answers.
    pub transferred_by: Option<Dn>,
    /// The destination that did not take a transferred call, which now rings at who transferred it.
    pub recalled_from: Option<Dn>,
    /// How often that phone was busy before.
    pub tries: u8,
    /// The trunks that are tried next, for a number outside.
    pub further: Vec<Way>,
    /// Whether it is an emergency, which goes on by one trunk beside the other.
    pub is_emergency: bool,
    /// Of an emergency, the legs by which something was heard of who is called: they are the last to end.
    pub heard: Vec<LegId>,
    /// Those of them that have said that they ring.
    pub rings: Vec<LegId>,
    /// The phones that forwarded the call here, in order.
    pub forwarded_by: Vec<ForwardedBy>,
    /// Whether the phone forwards it in turn.
    pub forwards: Forwards,
    /// The phone is busy or does not answer: the dial plan is asked whether it forwards the call.
    pub forwarding: Option<Forwarding>,
}

/// A feature code in progress.
#[derive(Clone, PartialEq, Eq, Debug)]
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
