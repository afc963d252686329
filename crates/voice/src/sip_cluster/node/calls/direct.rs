//! Audio without media. Where both parties of a new call are set so, the phone is rung with the caller's own session, and the caller is
//! answered with the phone's.
//!
//! Whatever needs media brings both legs there first: each gets a dialog with media, and its party is offered media's session by re-INVITE,
//! or media answers the one that the party offers. What was to be done at media is done then. A leg never goes back.

use bytes::Bytes;
use call::call::Seat;
use contracts::provisioning::DtmfForm;
use model::plan::Caller;
use model::{ConnId, Encryption, LegId, TenantId, Timestamp};
use runtime::trace::What;
use sip::agent::{DialogId, LegPhase, Reply};
use sip::{Message, StatusCode};

use super::call::Entry;
use super::family::family_of_offer;
use super::incoming::ANONYMOUS;
use super::leg::{AudioPath, EarlySession, HeldKeys, Leg, LegStage, Target};
use super::rooms::REFUSED_MOVES_MAX;
use super::session;
use super::to_sip::note;
use super::trunk::settings::TrunkRules;
use crate::sip_cluster::node::Node;

/// The most keys of a thread that wait until media can pass them on.
const KEYS_HELD_MAX: usize = 32;

/// What a tenant has set for a phone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhoneRules {
    /// Whether its audio may go to another party directly.
    pub direct_media: bool,
    /// Whether its audio is encrypted.
    pub encryption: Encryption,
}

impl PhoneRules {
    /// Whether its audio may go directly. What is encrypted goes to media: there alone is it known that it is, and with whose keys.
    fn goes_directly(self) -> bool {
        self.direct_media && self.encryption == Encryption::Off
    }
}

impl TrunkRules {
    /// As of a phone. A phone's offer names what the phone speaks, so that codecs of a trunk's own need media, too, and keys that go another
    /// way than by events.
    fn goes_directly(self) -> bool {
        let as_phone = self.codecs.is_empty() && self.dtmf.is_none_or(DtmfForm::has_events);
        self.direct_media && self.encryption == Encryption::Off && as_phone
    }
}

/// Reads what a tenant has set for the phone of a DN.
pub type ReadPhones = Box<dyn Fn(&TenantId, &str) -> PhoneRules + Send>;

impl Node {
    fn is_direct(&self, tenant: &TenantId, party: &Caller) -> bool {
        match party {
            Caller::Phone(dn) => (self.phones)(tenant, dn.as_str()).goes_directly(),
            Caller::Trunk { trunk, .. } => (self.trunks)(tenant, trunk).goes_directly(),
        }
    }

    /// Whether the audio of a caller is encrypted.
    pub(super) fn encryption_of_caller(&self, tenant: &TenantId, caller: &Caller) -> Encryption {
        match caller {
            Caller::Phone(dn) => (self.phones)(tenant, dn.as_str()).encryption,
            Caller::Trunk { trunk, .. } => (self.trunks)(tenant, trunk).encryption,
        }
    }

    /// Whether the audio of a phone or carrier that is rung is encrypted.
    pub(super) fn encryption_of_target(&self, tenant: &TenantId, target: &Target) -> Encryption {
        match &target.trunk {
            Some(trunk) => (self.trunks)(tenant, trunk).encryption,
            None => (self.phones)(tenant, target.dn.as_str()).encryption,
        }
    }

    /// Whether the audio of a caller may go directly, so that it is answered as late as that takes.
    pub(super) fn may_go_directly(&self, tenant: &TenantId, caller: &Caller, dialog: DialogId) -> bool {
        let offers = self.agent.leg(dialog).is_some_and(|leg| leg.offer_answer.offered_by_peer().is_some());
        offers && self.is_direct(tenant, caller)
    }

    /// The caller's session with which a phone is rung, if their audio is to go directly: in a call of one caller, who is not answered.
    pub(super) fn direct_offer(&self, conn_id: ConnId, target: &Target) -> Option<Bytes> {
        let entry = self.calls.get(&conn_id)?;
        let called = match &target.trunk {
            Some(trunk) => (self.trunks)(&entry.tenant, trunk).goes_directly(),
            None => (self.phones)(&entry.tenant, target.dn.as_str()).goes_directly(),
        };
        if !called || entry.thread.calls().count() != 1 || !self.is_direct(&entry.tenant, &entry.thread.first().caller)
        {
            return None;
        }
        let mut answered = entry.legs.iter().filter(|leg| !matches!(leg.stage, LegStage::Ringing | LegStage::Closing));
        let caller = answered.next().filter(|leg| leg.is_callers() && leg.stage == LegStage::Offered)?;
        let is_alone = answered.next().is_none();
        // Its session would name who wants to be unknown.
        let is_named = entry.thread.first().presented_number() != ANONYMOUS;
        let offer = self.agent.leg(caller.phone?)?.offer_answer.offered_by_peer()?;
        // Neither could send to the other's address.
        let is_of_family = session::family(offer).is_none_or(|family| family == family_of_offer(target));
        Some(offer).filter(|offer| is_alone && is_named && is_of_family && session::may_be_continued(offer)).cloned()
    }

    /// The session of the phone that has answered the caller's own one.
    pub(super) fn direct_answer(&self, conn_id: ConnId, id: LegId) -> Option<Bytes> {
        let entry = self.calls.get(&conn_id)?;
        let offer = self.agent.leg(entry.leg(id)?.phone?)?.offer_answer.offered_by_peer()?;
        let session = |leg: &Leg| {
            let session = &self.agent.leg(leg.phone?)?.offer_answer;
            let answer = session.remote().filter(|answer| session::may_be_continued(answer))?;
            (session.local() == Some(offer)).then(|| answer.clone())
        };
        let answered = |leg: &&Leg| leg.path == AudioPath::Direct && leg.stage == LegStage::Up && leg.id != id;
        entry.legs.iter().filter(answered).find_map(session)
    }

    /// A phone that was rung with the caller's session has one before its answer: the caller gets it, if no other phone rings.
    pub(super) fn show_direct_early(&mut self, conn_id: ConnId, id: LegId, sdp: Bytes, rings: bool, now: Timestamp) {
        let Some(entry) = self.calls.get(&conn_id) else { return };
        let rung = entry.legs.iter().filter(|leg| leg.stage == LegStage::Ringing);
        let waits = |leg: &&Leg| leg.is_callers() && leg.stage == LegStage::Offered;
        let (1, Some(caller)) = (rung.count(), entry.legs.iter().find(waits)) else { return };
        let offered = |dialog: Option<DialogId>| self.agent.leg(dialog?)?.offer_answer.open().cloned();
        let rung_with = |leg: &Leg| {
            let session = &self.agent.leg(leg.phone?)?.offer_answer;
            session.open().or(session.local()).cloned()
        };
        let offer = offered(caller.phone);
        if offer.is_none()
            || entry.leg(id).and_then(rung_with) != offer
            || !self.fits(conn_id, id, &sdp)
            || !session::may_be_continued(&sdp)
        {
            return;
        }
        let (caller, dialog) = (caller.id, caller.phone);
        if let Some(leg) = self.leg_mut(conn_id, caller) {
            (leg.stage, leg.path) = (LegStage::Early, AudioPath::Direct);
            leg.early = Some(EarlySession::new(sdp.clone()));
        }
        let Some(dialog) = dialog else { return };
        let status = if rings { StatusCode::RINGING } else { StatusCode::SESSION_PROGRESS };
        let mut progress = Reply { status, ..Reply::session(sdp) };
        progress.headers.extend(self.trace_header(conn_id));
        note("a provisional response", self.agent.provisional(dialog, progress, now));
    }

    /// Brings the legs of a thread to media that go directly, once something needs it there.
    pub(super) fn anchor(&mut self, conn_id: ConnId, now: Timestamp) {
        let Some(entry) = self.calls.get(&conn_id) else { return };
        if entry.legs.iter().all(|leg| leg.path == AudioPath::Media) || self.needs_no_media(entry) {
            return;
        }
        let goes = |leg: &&Leg| leg.path == AudioPath::Direct && leg.stage == LegStage::Up && leg.media.is_none();
        let legs: Vec<LegId> = entry.legs.iter().filter(goes).map(|leg| leg.id).collect();
        for leg in legs {
            self.ask_media(conn_id, leg, None, now);
        }
    }

    /// The same for every call: media or a phone may not have been able to.
    pub(super) fn anchor_again(&mut self, now: Timestamp) {
        let waits = |leg: &Leg| leg.path == AudioPath::Direct && leg.stage == LegStage::Up;
        let of_thread = |(_, entry): &(&ConnId, &Entry)| entry.legs.iter().any(waits) && !self.needs_no_media(entry);
        let mut threads: Vec<ConnId> = self.calls.iter().filter(of_thread).map(|(conn_id, _)| *conn_id).collect();
        threads.sort_unstable();
        for conn_id in threads {
            self.attempt_for(Some(conn_id), now, |node| {
                let legs = node.calls.get(&conn_id).map(|entry| entry.legs.as_slice()).unwrap_or_default();
                let has_media = |leg: &&Leg| waits(leg) && !leg.relaying && node.has_side_of_media(leg);
                let legs: Vec<LegId> = legs.iter().filter(has_media).map(|leg| leg.id).collect();
                legs.into_iter().for_each(|leg| node.offer_media(conn_id, leg, now));
                node.anchor(conn_id, now);
            });
        }
    }

    /// Whether media has a session for the leg, which its party is still to be offered.
    fn has_side_of_media(&self, leg: &Leg) -> bool {
        let answered = |media: DialogId| self.agent.leg(media).is_some_and(|state| state.phase == LegPhase::Confirmed);
        leg.owes_media || leg.media.is_some_and(answered)
    }

    /// Whether two parties talk and nothing else: each has the other's session, and hears and is heard.
    fn needs_no_media(&self, entry: &Entry) -> bool {
        let mut open = entry.legs.iter().filter(|leg| leg.stage != LegStage::Closing);
        let (Some(one), other, None) = (open.next(), open.next(), open.next()) else { return false };
        // One who is not answered yet waits for what is to come.
        let Some(other) = other else { return one.stage != LegStage::Up };
        let talks = |leg: &Leg| {
            let seat = entry.seat_of(leg.id);
            leg.path == AudioPath::Direct
                && leg.stage == LegStage::Up
                && leg.media.is_none()
                && leg.asked.is_none()
                && seat.is_some_and(|seat| seat == Seat::open(seat.room))
        };
        let [one_has, other_has] = [one, other].map(|leg| Some(&self.agent.leg(leg.phone?)?.offer_answer));
        let (Some(one_has), Some(other_has)) = (one_has, other_has) else { return false };
        let is_quiet = entry.thread.calls().count() == 1 && entry.thread.first().playing.is_empty();
        let sides = (one_has.remote(), other_has.local(), one_has.local(), other_has.remote());
        // A 200 that waits for a PRACK has agreed nothing yet (RFC 3262 section 3).
        let (Some(from_one), Some(to_other), Some(to_one), Some(from_other)) = sides else { return true };
        let share = is_passed_on(from_one, to_other) && is_passed_on(from_other, to_one);
        is_quiet && entry.held_keys.is_empty() && talks(one) && talks(other) && share
    }

    /// Asks media for a side of a leg: for the party's offer, or for one that the party is to get.
    fn ask_media(&mut self, conn_id: ConnId, id: LegId, offer: Option<Bytes>, now: Timestamp) -> bool {
        if let Err(error) = self.invite_media(conn_id, id, offer, now) {
            tracing::debug!(%conn_id, leg = %id, %error, "media cannot take a leg now that went directly");
            return false;
        }
        if let Some(entry) = self.calls.get(&conn_id) {
            let text = || What::Note { text: format!("leg {id}: its audio comes to media") };
            self.trace.note_with(&entry.tenant, conn_id, now, text);
        }
        self.mark(conn_id);
        true
    }

    /// The party of a leg that goes directly offers another session, as to hold.
    pub(super) fn offers_to_media(
        &mut self,
        conn_id: ConnId,
        id: LegId,
        dialog: DialogId,
        offer: Bytes,
        now: Timestamp,
    ) {
        let session = self.agent.leg(dialog).map(|leg| &leg.offer_answer);
        let agreed = session.and_then(|session| Some((session.remote()?, session.local()?.clone())));
        if let Some((remote, local)) = agreed
            && session::is_same(remote, &offer)
        {
            return note("an answer", self.agent.accept_offer(dialog, local, now));
        }
        if let Some(refusal) = session::refusal(&offer, &self.codecs(conn_id, id), self.encryption(conn_id, id)) {
            return note("a refusal", self.agent.refuse_offer(dialog, refusal, now));
        }
        if !self.ask_media(conn_id, id, Some(offer), now) {
            return note("a refusal", self.agent.refuse_offer(dialog, StatusCode::REQUEST_PENDING, now));
        }
        if let Some(leg) = self.leg_mut(conn_id, id) {
            leg.relaying = true;
        }
        self.anchor(conn_id, now);
    }

    /// The party of a leg that goes directly wants an offer: it gets media's when it asks again.
    pub(super) fn wants_offer_of_media(&mut self, conn_id: ConnId, id: LegId, dialog: DialogId, now: Timestamp) {
        note("a refusal", self.agent.refuse_offer(dialog, StatusCode::REQUEST_PENDING, now));
        if self.leg(conn_id, id).is_some_and(|leg| leg.media.is_none()) && self.ask_media(conn_id, id, None, now) {
            self.anchor(conn_id, now);
        }
    }

    /// Media has answered the offer of a party whose audio went directly.
    pub(super) fn direct_offer_answered(&mut self, conn_id: ConnId, id: LegId, answer: Bytes, now: Timestamp) {
        let Some(leg) = self.leg_mut(conn_id, id) else { return };
        leg.relaying = false;
        let phone = leg.phone;
        let open = phone.and_then(|phone| self.agent.leg(phone)?.offer_answer.offered_by_peer());
        if open.is_none() {
            // Cancelled meanwhile: the party is offered what media has answered.
            return self.offer_media(conn_id, id, now);
        }
        self.set_path(conn_id, id, AudioPath::Media);
        self.relayed(conn_id, id, answer, now);
        self.came_to_media(conn_id, id, now);
    }

    /// Offers a party whose audio goes directly the session of media.
    pub(super) fn offer_media(&mut self, conn_id: ConnId, id: LegId, now: Timestamp) {
        let spoken = self.spoken(conn_id, id);
        let has_agreed = |phone: DialogId| Some(self.agent.leg(phone)?.offer_answer.local().is_some());
        if self.leg(conn_id, id).and_then(|leg| has_agreed(leg.phone?)) == Some(false) {
            // Its 200 waits for a PRACK: it is offered media's session at a later sweep.
            return;
        }
        let Some((phone, offer)) = self.leg(conn_id, id).and_then(|leg| {
            let medias = &self.agent.leg(leg.media?)?.offer_answer;
            let before = self.agent.leg(leg.phone?)?.offer_answer.local()?;
            let offer = session::moved(before, medias.open().or(medias.remote())?, &spoken)?;
            Some((leg.phone?, offer))
        }) else {
            return self.end_without_audio(conn_id, id, now);
        };
        match self.agent.reinvite(phone, Some(offer), Vec::new(), now) {
            Ok(()) => self.set_path(conn_id, id, AudioPath::Moving),
            Err(error) => {
                tracing::debug!(%conn_id, leg = %id, %error, "a phone cannot be offered media's session now");
                self.set_path(conn_id, id, AudioPath::Direct);
            }
        }
    }

    /// The party has answered the offer of media's session.
    pub(super) fn moved_to_media(&mut self, conn_id: ConnId, id: LegId, answer: &Bytes, now: Timestamp) {
        let Some(audio) = session::audio_alone(answer).filter(|_| self.fits(conn_id, id, answer)) else {
            tracing::warn!(%conn_id, leg = %id, "a party's answer to media's session does not fit");
            return self.end_without_audio(conn_id, id, now);
        };
        self.set_path(conn_id, id, AudioPath::Media);
        self.tell_media(conn_id, id, audio, now);
        self.hold_changed(conn_id, id, session::holds(answer), now);
        self.came_to_media(conn_id, id, now);
    }

    /// The party has refused media's session; it is offered again at the next sweep.
    pub(super) fn move_refused(&mut self, conn_id: ConnId, id: LegId, status: StatusCode, now: Timestamp) {
        self.set_path(conn_id, id, AudioPath::Direct);
        tracing::info!(%conn_id, leg = %id, %status, "a party refuses media's session");
        self.count_refused_move(conn_id, id, now);
    }

    /// Media has refused a leg whose audio goes directly: so it stays for now.
    pub(super) fn media_refused_direct(
        &mut self,
        conn_id: ConnId,
        id: LegId,
        status: StatusCode,
        response: Option<&Message>,
        now: Timestamp,
    ) {
        let Some(leg) = self.leg_mut(conn_id, id) else { return };
        let (phone, relayed) = (leg.phone, std::mem::take(&mut leg.relaying));
        tracing::warn!(%conn_id, leg = %id, %status, "media does not take a leg that went directly");
        if let Some(phone) = phone.filter(|_| relayed) {
            let spoken = status == StatusCode::NOT_ACCEPTABLE_HERE;
            let status = if spoken { status } else { StatusCode::SERVER_INTERNAL_ERROR };
            let refusal = session::Refusal { warning: super::renegotiation::warning_of(response), ..status.into() };
            note("a refusal", self.agent.refuse_offer(phone, refusal, now));
        }
        // While media is away the parties go on talking; it is asked again at the next sweep.
        if status == StatusCode::NOT_ACCEPTABLE_HERE {
            self.count_refused_move(conn_id, id, now);
        } else {
            self.mark(conn_id);
        }
    }

    fn count_refused_move(&mut self, conn_id: ConnId, id: LegId, now: Timestamp) {
        let Some(leg) = self.leg_mut(conn_id, id) else { return };
        leg.refused_moves = leg.refused_moves.saturating_add(1);
        let is_last = leg.refused_moves >= REFUSED_MOVES_MAX;
        self.metrics.room_refused();
        self.mark(conn_id);
        if is_last {
            self.end_without_audio(conn_id, id, now);
        }
    }

    fn set_path(&mut self, conn_id: ConnId, id: LegId, path: AudioPath) {
        if let Some(leg) = self.leg_mut(conn_id, id) {
            leg.path = path;
        }
        self.mark(conn_id);
    }

    /// A leg has come to media: does what waited for that.
    fn came_to_media(&mut self, conn_id: ConnId, id: LegId, now: Timestamp) {
        self.metrics.came_to_media();
        let Some(entry) = self.calls.get_mut(&conn_id) else { return };
        let mut keys = std::mem::take(&mut entry.held_keys);
        entry.held_keys = keys.extract_if(.., |keys| keys.leg != id).collect();
        let playing = entry.thread.calls().flat_map(|call| &call.playing);
        let waits = playing.filter(|playing| playing.leg == id && playing.issued && !playing.started).cloned();
        let waits: Vec<_> = waits.collect();
        let asked = entry.leg_mut(id).and_then(|leg| {
            leg.refused_moves = 0;
            leg.asked.take()
        });
        for playing in waits {
            let treatment = self.as_chosen(conn_id, playing.id, playing.treatment);
            self.start_treatment(conn_id, id, playing.id, &treatment, now);
        }
        if let Some(way) = asked {
            self.ask_hold(conn_id, id, way, now);
        }
        for keys in keys {
            self.pass_keys(conn_id, id, keys.kind, keys.body, now);
        }
        self.join_rooms(conn_id, now);
    }

    /// Keeps keys until the leg has come to media; it does so for them.
    pub(super) fn hold_keys(&mut self, conn_id: ConnId, keys: HeldKeys, now: Timestamp) {
        let Some(entry) = self.calls.get_mut(&conn_id) else { return };
        if entry.held_keys.len() < KEYS_HELD_MAX {
            entry.held_keys.push(keys);
        }
        self.anchor(conn_id, now);
    }
}

/// Whether a party's session is what the other one has; that may be an older version of it, which says the same.
fn is_passed_on(session: &Bytes, to: &Bytes) -> bool {
    session == to || session::is_same(session, to)
}
