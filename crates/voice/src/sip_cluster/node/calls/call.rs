//! A thread as the node holds it: the model of its calls, their legs, and what waits for the next commit.

use std::collections::{HashMap, VecDeque};

use call::call::{Playing, Seat};
use call::{CallSnapshot, Thread};
use infra::{Absorbed, CallIndex, DialogKey, NewCall};
use model::event::Stamped;
use model::plan::Contact;
use model::{ConnId, Dn, LegId, Owner, TenantId, Timestamp};
use sip::agent::{COMPLETED_ELSEWHERE, DialogId, ExtraHeaders};
use sip::diversion::Diversions;
use sip::{ConnectionId, HeaderName, Instance};

use super::leg::{HeldKeys, Leg, LegStage};
use super::verdict::CallerVerdict;

/// A proxy that has not reached a trunk's carrier for a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotReached {
    /// The trunk.
    pub trunk: String,
    /// The connection to the proxy.
    pub by: ConnectionId,
}

/// A thread, by the ConnID of its first call.
#[derive(Debug)]
pub struct Entry {
    /// Its tenant.
    pub tenant: TenantId,
    /// The model of its calls.
    pub thread: Thread,
    /// Its legs, in the order of their numbers; those that are being hung up included.
    pub legs: Vec<Leg>,
    /// The media node of the first leg. The others go there too, because the legs must hear each other.
    pub media_owner: Option<Owner>,
    /// The display name that the caller presents.
    pub caller_name: String,
    /// Who had diverted its first call before it came, as its carrier says.
    pub diverted: Diversions,
    /// What says who calls in the INVITE that began it, signed by others (`Identity`), as it came.
    pub identity: Vec<String>,
    /// Whether who calls is who the INVITE says, where its trunk verifies that.
    pub verdict: Option<CallerVerdict>,
    /// Why media has refused the caller's audio; for the refusal that follows at once.
    pub warning: Option<String>,
    /// Trunks whose carriers were told where the caller is, and have said nothing, in whichever of its calls: the INVITE may have been too
    /// large for the way there.
    pub location_unheard: Vec<String>,
    /// Where carriers of emergency numbers are that were away, and are tried after all others. Not stored: a successor may put one off again.
    pub put_off: Vec<Contact>,
    /// Proxies that have not reached the carriers of trunks that are being tried. Not stored: a successor may try one again.
    pub not_reached: Vec<NotReached>,
    /// Whether whoever is rung for it must be rung by TLS, whoever has called: a party has transferred it to `sips:`.
    pub needs_tls: bool,
    /// The INVITE that began it; none for a call made by request.
    pub invite: Option<DialogKey>,
    /// Whether the ledger knows the call.
    pub stored: Stored,
    /// Keys of parties whose audio goes directly, until media can pass them on. Not stored.
    pub held_keys: Vec<HeldKeys>,
    /// Facts for the next commit.
    pub events: Vec<Stamped>,
    /// Entries of the stream of new calls, one for each commit.
    pub new_calls: VecDeque<NewCall>,
    /// Keys that the next commit indexes.
    pub index: Vec<CallIndex>,
    /// The ids that lead to it beside its own: those of further calls and of threads that it has taken in.
    pub names: Vec<ConnId>,
    /// Numbers of phones that are or were in it and of its park slots, by which further calls find it.
    pub phones: Vec<Dn>,
    /// The thread that the next commit makes part of this one.
    pub absorbs: Option<Absorbed>,
    /// What rq was last told of each call.
    pub told: HashMap<ConnId, LastSent>,
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

/// What rq was told last of a call.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum LastSent {
    /// Nothing: it was on no route point.
    #[default]
    Nothing,
    /// It waits at this route point.
    WaitsAt(Dn),
    /// It was routed.
    Left,
    /// It is over.
    Ended,
}

impl Entry {
    /// A thread that begins: nothing of it is stored.
    pub fn new(tenant: TenantId, thread: Thread, legs: Vec<Leg>) -> Self {
        Self {
            tenant,
            thread,
            legs,
            media_owner: None,
            caller_name: String::new(),
            diverted: Diversions::default(),
            identity: Vec::new(),
            verdict: None,
            warning: None,
            location_unheard: Vec::new(),
            put_off: Vec::new(),
            not_reached: Vec::new(),
            needs_tls: false,
            invite: None,
            stored: Stored::No,
            held_keys: Vec::new(),
            events: Vec::new(),
            new_calls: VecDeque::new(),
            index: Vec::new(),
            names: Vec::new(),
            phones: Vec::new(),
            absorbs: None,
            told: HashMap::new(),
            dirty: false,
            armed: None,
            settled: true,
            faulty: false,
        }
    }

    /// A treatment that is wanted, and its call.
    pub fn playing(&self, id: u32) -> Option<(&CallSnapshot, &Playing)> {
        let in_call = |call| CallSnapshot::playing(call, id).map(|playing| (call, playing));
        self.thread.calls().find_map(in_call)
    }

    /// The seat of a leg; none while it is in no room.
    pub fn seat_of(&self, leg: LegId) -> Option<Seat> {
        let seat = self.thread.call_with(leg)?.seat_of(leg);
        let hears = seat.hears && !self.leg(leg).is_some_and(Leg::is_heard_alone);
        Some(Seat { hears, ..seat })
    }

    /// The one phone that is meant by question `ask` to the dial plan, if an INVITE or a REFER has named one.
    pub fn instance_asked(&self, ask: u32) -> Option<Instance> {
        let leg = self.thread.asks_on(ask).or_else(|| self.thread.transfers_on(ask))?;
        self.leg(leg)?.instance.clone()
    }

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
        let is_of_same_dn =
            |other: &Leg| other.target.as_ref().zip(leg.target.as_ref()).is_some_and(|(a, b)| a.dn == b.dn);
        // Who stays in a transferred call has not answered in the place of the phone that rings.
        let answered = |other: &Leg| other.id != id && is_of_same_dn(other) && other.stage == LegStage::Up;
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
