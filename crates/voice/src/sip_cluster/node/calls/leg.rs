//! A leg: a dialog with the party, and one with media.

use bytes::Bytes;
use sip::{ConnectionId, Instance, LocalTag};
use std::collections::VecDeque;
use std::net::IpAddr;

use call::call::{HoldWay, Seat};
use contracts::provisioning::DtmfForm;
use infra::DialogKey;
use model::plan::{Contact, OutsideLimits, Way};
use model::{ConnId, Dn, Encryption, LegId, Timestamp};
use sip::agent::{DialogId, ExtraHeaders};
use sip::dialog::MAX_FORWARDS;
use sip::location::Geolocation;

/// The bit that tells the tag of a leg's media dialog from that of the leg itself.
pub const MEDIA_TAG: u16 = LocalTag::WITH_NODE;

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
    pub link: ConnectionId,
    /// The host that the party's signalling comes from, as the proxy has seen it.
    pub party: Option<IpAddr>,
    /// The INVITE that the index of the ledger gets once the dial plan has answered. Not stored.
    pub unindexed: Option<DialogKey>,
    /// How many more servers an INVITE that its own leads to may pass: a call that comes back by way of others ends.
    pub hops_left: u8,
    /// Whether its dialog is one of `sips:`: a caller has called such a URI, or whom we ring has registered one.
    pub sips: bool,
    /// Of a caller, whether it has called such a URI in the clear: its call goes on if it is an emergency.
    pub sips_in_the_clear: bool,
    /// Of a caller, what its application gives to that of who is called (RFC 7433), as it came.
    pub user_to_user: Vec<String>,
    /// Of a caller, where it says that it is, until its call is known to be none for which that is wanted.
    pub location: Option<Geolocation>,
    /// The one phone that its INVITE names, or the last REFER that came by it (RFC 5627).
    pub instance: Option<Instance>,
    /// Whether the phone that we ring has said something before its answer.
    pub alerted: bool,
    /// Whether that phone is to be asked to answer as soon as it has.
    pub asks_answer: bool,
    /// The DN and registration that we ring; none for the caller.
    pub target: Option<Target>,
    /// The seat at which media has it; none while it is in no room.
    pub seat: Option<Seat>,
    /// Whether media may have it at another seat: its answer is lost.
    pub unsure: bool,
    /// Whether media is being told to seat it elsewhere.
    pub joining: bool,
    /// How often media has refused in a row to move it.
    pub refused_moves: u8,
    /// The session to which the party has agreed and which media has not accepted yet.
    pub owed: Option<OwedSession>,
    /// The session of a provisional response: ours to a caller, or that of a phone, of which media was told.
    pub early: Option<EarlySession>,
    /// Whether the provisional response to a caller is to say that the far end rings.
    pub early_rings: bool,
    /// How its audio goes.
    pub path: AudioPath,
    /// Whether it is encrypted, as was set for its party when the leg began.
    pub encryption: Encryption,
    /// How keys go to its party and come from it, as was set for its trunk when the leg began; none: as is negotiated.
    pub dtmf: Option<DtmfForm>,
    /// Keys that its party is still to be told by INFO. Not stored.
    pub keys_to_tell: KeysToTell,
    /// Whether media waits for an answer to its offer.
    pub owes_media: bool,
    /// How many media nodes have had no room for it so far. Not stored.
    pub media_refusals: u8,
    /// Whether it has had to wait until it could be asked for. Not stored.
    pub waits: bool,
    /// Whether an offer of the party is with media.
    pub relaying: bool,
    /// Whether the party holds, as its last accepted offer says.
    pub holds: bool,
    /// Hold or retrieve, if we have asked the phone for it.
    pub asked: Option<HoldWay>,
    /// The REFER of the phone whose outcome it is still to be told.
    pub refer: Option<ReferNo>,
    /// Whether that transfer is to `sips:`.
    pub refers_to_sips: bool,
    /// Whether the phone has sent a REFER.
    pub has_referred: bool,
    /// Whether an echo is heard on it.
    pub echo: bool,
    /// When the party last sent something: an answer, a request, a refresh.
    pub heard_at: Timestamp,
    /// Reason that another party has given for leaving (RFC 3326), set while the call model handles that. If it ends this leg
    /// too, this leg's phone gets the same Reason.
    pub told: ExtraHeaders,
}

/// A session of the party that media has not accepted yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwedSession {
    /// Its description.
    pub sdp: Bytes,
    /// Whether media is being told; else it is told once the offer before is through.
    pub sent: bool,
    /// How often media has refused it.
    pub refused: u8,
}

/// The number by which notices name their REFER: its CSeq, or none for the first one of a dialog (RFC 3515 section 2.4.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReferNo(pub Option<u32>);

/// How the audio of a leg goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AudioPath {
    /// Through media.
    Media,
    /// To the other party directly.
    Direct,
    /// Still directly; the party has been offered media's session.
    Moving,
}

/// A session by which audio is heard before an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EarlySession {
    /// Its description.
    pub sdp: Bytes,
    /// How often it has changed.
    pub changes: u8,
}

impl EarlySession {
    /// The first one.
    pub const fn new(sdp: Bytes) -> Self {
        Self { sdp, changes: 0 }
    }
}

/// The phone or the number outside that a leg rings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// The DN, or the number outside.
    pub dn: Dn,
    /// The registration, or where a trunk takes calls.
    pub contact: Contact,
    /// The number that it shows, if not that of who calls.
    pub shows: Option<String>,
    /// The trunk that leads there, if it is a number outside. Its credentials are looked up by this name.
    pub trunk: Option<String>,
    /// How long that trunk may say nothing before the next one is tried, in milliseconds.
    pub try_ms: u64,
    /// What it counts for, if it goes outside.
    pub limits: OutsideLimits,
    /// Whether it hears who calls before it answers.
    pub early_speech: bool,
    /// Whether it goes there even if its carrier has not answered OPTIONS lately: an emergency, or a trunk without `options`.
    pub insists: bool,
    /// Whether it is an emergency: its carrier may have to know where the caller is.
    pub is_emergency: bool,
}

impl Target {
    /// The trunk by which it goes, to be tried once more; none for a phone.
    pub fn way(&self) -> Option<Way> {
        Some(Way {
            trunk: self.trunk.clone()?,
            contact: self.contact.clone(),
            caller_id: self.shows.clone(),
            try_ms: self.try_ms,
            is_emergency: self.is_emergency,
            limits: self.limits.clone(),
        })
    }
}

/// Stage of a leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LegStage {
    /// The caller's leg, not answered.
    Offered,
    /// Not answered; media is asked for the session of a provisional response.
    PreparingEarly,
    /// Not answered; the caller hears the call since a provisional response.
    Early,
    /// Waits for media's session description.
    Preparing,
    /// The phone is being rung.
    Ringing,
    /// Connected.
    Up,
    /// Hung up; its dialogs are coming to their end.
    Closing,
}

/// Which dialog of a leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The dialog with the party.
    Phone,
    /// The dialog with media.
    Media,
}

/// Which leg a dialog belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The call.
    pub conn_id: ConnId,
    /// The leg.
    pub leg: LegId,
    /// Which of its dialogs.
    pub side: Side,
}

impl Leg {
    /// Whether its party has called us; else we have called it.
    pub const fn is_callers(&self) -> bool {
        self.target.is_none()
    }

    /// Whether it is heard before it answers, and does not hear the others yet: nobody talks to a phone or carrier at the cost of a call
    /// that has not begun.
    pub fn is_heard_alone(&self) -> bool {
        let may_hear = self.target.as_ref().is_none_or(|target| target.early_speech);
        self.stage == LegStage::Ringing && self.early.is_some() && !may_hear
    }

    /// Its phone by another flow, if the phone has one and is not connected (RFC 5626 section 5.3).
    pub fn by_next_flow(&self) -> Option<Contact> {
        let rings = matches!(self.stage, LegStage::Preparing | LegStage::Ringing);
        self.target.as_ref().filter(|_| rings)?.contact.by_next_flow()
    }

    /// Whether it calls whom another leg of its call calls: an emergency number, by whichever trunk, or the same phone by another flow. Those
    /// of the later leg were the rest of the earlier one's.
    pub fn calls_same_as(&self, other: &Self) -> bool {
        let leads_to =
            |from: &Contact, to: &Contact| from.further.iter().any(|flow| flow.uri == to.uri && flow.path == to.path);
        let is_same = |(one, two): (&Target, &Target)| {
            let (by, next) = (&one.contact, &two.contact);
            (one.is_emergency && two.is_emergency) || leads_to(by, next) || leads_to(next, by)
        };
        self.target.as_ref().zip(other.target.as_ref()).is_some_and(is_same)
    }

    /// A leg without dialogs.
    pub const fn new(id: LegId, link: ConnectionId, stage: LegStage, now: Timestamp) -> Self {
        Self {
            id,
            phone: None,
            media: None,
            stage,
            link,
            party: None,
            unindexed: None,
            hops_left: MAX_FORWARDS,
            sips: false,
            sips_in_the_clear: false,
            user_to_user: Vec::new(),
            location: None,
            instance: None,
            alerted: false,
            asks_answer: false,
            target: None,
            seat: Some(Seat::open(0)),
            unsure: false,
            joining: false,
            refused_moves: 0,
            owed: None,
            early: None,
            early_rings: false,
            path: AudioPath::Media,
            encryption: Encryption::Off,
            dtmf: None,
            keys_to_tell: KeysToTell::new(),
            owes_media: false,
            media_refusals: 0,
            waits: false,
            relaying: false,
            holds: false,
            asked: None,
            refer: None,
            refers_to_sips: false,
            has_referred: false,
            echo: false,
            heard_at: now,
            told: ExtraHeaders::new(),
        }
    }
}

/// Keys of others that the party of a leg is to get by INFO. Not stored: a successor does not know what has arrived, and a key that comes late
/// is wrong.
#[derive(Clone, Debug, Default)]
pub struct KeysToTell {
    /// Those that wait, the next one first.
    pub waiting: VecDeque<KeyToTell>,
    /// Whether the party has not answered the one before.
    pub is_under_way: bool,
}

/// A key that the party of a leg is to get.
#[derive(Clone, Debug)]
pub struct KeyToTell {
    /// The body of its INFO.
    pub body: Bytes,
    /// When it was pressed.
    pub at: Timestamp,
}

impl KeysToTell {
    /// None.
    pub const fn new() -> Self {
        Self { waiting: VecDeque::new(), is_under_way: false }
    }
}

/// Keys that wait until media can pass them on.
#[derive(Clone, Debug)]
pub struct HeldKeys {
    /// Whose they are.
    pub leg: LegId,
    /// The type of the body.
    pub kind: &'static str,
    /// The body, as a phone reports keys by INFO.
    pub body: Vec<u8>,
}
