//! A call as the node holds it: the call model, the dialogs of its legs, and what waits for the next commit.

use std::collections::VecDeque;
use std::net::IpAddr;

use call::Call;
use call::call::{CALLER_LEG, HoldWay, TypedPin};
use infra::{DialogKey, NewCall};
use model::event::Stamped;
use model::plan::Contact;
use model::{Dn, LegId, Owner, TenantId, Timestamp};
use sip::HeaderName;
use sip::agent::{COMPLETED_ELSEWHERE, DialogId, ExtraHeaders, IncomingId};

use super::routing_link::LastSent;
use super::takeover::Lookup;

/// The bit that tells the tag of a leg's media dialog from that of the leg itself.
pub const MEDIA_TAG: u16 = 0x8000;

/// A call.
#[derive(Debug)]
pub struct Entry {
    /// Its tenant.
    pub tenant: TenantId,
    /// The call model.
    pub call: Call,
    /// Its legs, in the order of their numbers; those that are being hung up included.
    pub legs: Vec<Leg>,
    /// The media node of the first leg. The others go there too, because the legs must hear each other.
    pub media_owner: Option<Owner>,
    /// The display name that the caller presents.
    pub caller_name: String,
    /// Why media has refused the caller's audio; for the refusal that follows at once.
    pub warning: Option<String>,
    /// The INVITE that began it.
    pub invite: DialogKey,
    /// Whether the ledger knows the call.
    pub stored: Stored,
    /// Facts for the next commit.
    pub events: Vec<Stamped>,
    /// An entry of the stream of new calls for the next commit.
    pub new_call: Option<NewCall>,
    /// What rq was last told of the call.
    pub told: LastSent,
    /// Whether something has changed since the last commit.
    pub dirty: bool,
    /// Due time of the call model's timer, as in the node's `due`.
    pub armed: Option<Timestamp>,
    /// Whether it has been committed in this run. A fault before that is caused by the record.
    pub settled: bool,
    /// Whether a fault has hit it already.
    pub faulty: bool,
}

/// What the ledger knows of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stored {
    /// Nothing: the dial plan has not answered yet.
    No,
    /// The call's record.
    Live,
    /// That it is over.
    Ended,
}

/// A leg: a dialog with the party, and one with media that carries its audio.
#[derive(Clone, Debug)]
pub struct Leg {
    /// Its number.
    pub id: LegId,
    /// The dialog with the party.
    pub phone: Option<DialogId>,
    /// The dialog with media.
    pub media: Option<DialogId>,
    /// Its stage.
    pub stage: LegStage,
    /// The connection to the proxy by which it goes.
    pub link: u64,
    /// The host that the party's signalling comes from, as the proxy has seen it.
    pub party: Option<IpAddr>,
    /// The DN and registration that we ring; none for the caller.
    pub target: Option<Target>,
    /// Whether media waits for an answer to its offer.
    pub owes_media: bool,
    /// Whether an offer of the party is with media.
    pub relaying: bool,
    /// Whether the party holds, as its last accepted offer says.
    pub holds: bool,
    /// Hold or retrieve, if we have asked the phone for it.
    pub asked: Option<HoldWay>,
    /// Whether an echo is heard on it.
    pub echo: bool,
    /// When the party last sent something: an answer, a request, a refresh.
    pub heard_at: Timestamp,
    /// Reason that another party has given for leaving (RFC 3326), set while the call model handles that. If it ends this leg
    /// too, this leg's phone gets the same Reason.
    pub told: ExtraHeaders,
}

/// The phone that a leg rings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// The DN.
    pub dn: Dn,
    /// The registration.
    pub contact: Contact,
}

/// Stage of a leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LegStage {
    /// The caller's leg, not answered.
    Offered,
    /// Waits for media's session description.
    Preparing,
    /// The phone is being rung.
    Ringing,
    /// Connected.
    Up,
    /// Hung up; its dialogs are coming to their end.
    Closing,
}

impl Entry {
    /// A leg by its number.
    pub fn leg(&self, id: LegId) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.id == id)
    }

    /// A leg by its number.
    pub fn leg_mut(&mut self, id: LegId) -> Option<&mut Leg> {
        self.legs.iter_mut().find(|leg| leg.id == id)
    }

    /// The Reason for ending a leg: that of a party that has just left, or that another phone has answered.
    pub fn reason_for(&self, id: LegId) -> ExtraHeaders {
        let Some(leg) = self.leg(id) else {
            return ExtraHeaders::new();
        };
        let answered = |other: &Leg| other.id != id && other.id != CALLER_LEG && other.stage == LegStage::Up;
        if leg.told.is_empty() && leg.stage == LegStage::Ringing && self.legs.iter().any(answered) {
            return vec![(HeaderName::Reason, COMPLETED_ELSEWHERE.to_owned())];
        }
        leg.told.clone()
    }

    /// Sets the Reason for the other legs when a party leaves; an empty one clears it.
    pub fn tell_others(&mut self, id: LegId, reasons: &ExtraHeaders) {
        for leg in self.legs.iter_mut().filter(|leg| leg.id != id) {
            leg.told.clone_from(reasons);
        }
    }

    /// The dialogs that still exist.
    pub fn dialogs(&self) -> impl Iterator<Item = DialogId> + '_ {
        self.legs.iter().flat_map(|leg| [leg.phone, leg.media]).flatten()
    }
}

impl Leg {
    /// A leg without dialogs.
    pub const fn new(id: LegId, link: u64, stage: LegStage, now: Timestamp) -> Self {
        Self {
            id,
            phone: None,
            media: None,
            stage,
            link,
            party: None,
            target: None,
            owes_media: false,
            relaying: false,
            holds: false,
            asked: None,
            echo: false,
            heard_at: now,
            told: ExtraHeaders::new(),
        }
    }
}

/// A task for the node's shell, carried out after the commit.
#[derive(Debug)]
pub enum Order {
    /// Ask the dial plan.
    AskDialPlan {
        /// The tenant.
        tenant: TenantId,
        /// The call that needs the answer.
        conn_id: model::ConnId,
        /// The number of the query.
        ask: u32,
        /// The caller.
        caller: model::plan::Caller,
        /// The number to look up.
        dialled: String,
    },
    /// Ask the dial plan about an OPTIONS, which is no call.
    AskReach {
        /// The OPTIONS.
        request: IncomingId,
        /// The tenant.
        tenant: TenantId,
        /// The sender of the OPTIONS.
        caller: model::plan::Caller,
        /// The number to look up.
        dialled: String,
    },
    /// Ask config about a PIN.
    AskPin {
        /// The tenant.
        tenant: TenantId,
        /// The call that needs the answer.
        conn_id: model::ConnId,
        /// The number of the query.
        ask: u32,
        /// The phone.
        dn: Dn,
        /// The typed PIN, if any.
        typed: Option<TypedPin>,
    },
    /// Post a request about an agent, and wait for its outcome.
    AgentRequest {
        /// The call of the feature code.
        conn_id: model::ConnId,
        /// The request.
        request: model::Request,
    },
    /// Tell rq about a call.
    TellRouting {
        /// The tenant.
        tenant: TenantId,
        /// The call.
        conn_id: model::ConnId,
        /// The details to send.
        details: Box<contracts::v1::CallDetails>,
    },
    /// Look up the owner of a call; its messages wait.
    Find(Lookup),
    /// Move a record into quarantine.
    Quarantine(Box<super::quarantine::Quarantining>),
    /// Read the record of a call that could not be ended, for quarantine.
    ReadAside {
        /// The tenant.
        tenant: TenantId,
        /// The call.
        conn_id: model::ConnId,
        /// Why.
        why: String,
    },
    /// Store a fault report.
    Report(Box<runtime::fault::FaultReport>),
    /// Claim the calls of failed nodes.
    Inherit {
        /// The owners that proxies see live.
        live: Vec<Owner>,
    },
}

/// Orders, first in, first out.
pub type Orders = VecDeque<Order>;
