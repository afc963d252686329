//! Changes of a session during the call: what a party offers goes to media, and media's answer back to the party.

use bytes::Bytes;
use call::Input;
use call::call::HoldWay;
use model::{ConnId, LegId, Timestamp};
use sip::agent::DialogId;
use sip::{HeaderName, Message, StatusCode};

use super::leg::{AudioPath, LegStage, OwedSession, Place, Side};
use super::msml_request::may_be_done;
use super::session::{self, Refusal};
use super::to_sip::{note, party_header};
use crate::sip_cluster::node::Node;

/// How often media may refuse a party's session with a status that may pass, once in each sweep of 2 s.
const SESSION_REFUSALS_MAX: u8 = 3;

impl Node {
    /// A party requests an offer from us, to retrieve or to hold: our offer says what we want, its answer decides.
    pub(super) fn offer_wanted(&mut self, dialog: DialogId, now: Timestamp) {
        let Some(Place { conn_id, leg: id, side: Side::Phone }) = self.place(dialog) else {
            return note("a refusal", self.agent.refuse_offer(dialog, StatusCode::NOT_ACCEPTABLE_HERE, now));
        };
        if let Some(leg) = self.leg_mut(conn_id, id) {
            leg.heard_at = now;
        }
        if self.leg(conn_id, id).is_some_and(|leg| leg.path != AudioPath::Media) {
            return self.wants_offer_of_media(conn_id, id, dialog, now);
        }
        let spoken = self.spoken(conn_id, id);
        let offer = self.agent.leg(dialog).and_then(|leg| session::fresh_offer(leg.offer_answer.local()?, &spoken));
        let done = match offer {
            Some(offer) => self.agent.accept_offer(dialog, offer, now),
            None => self.agent.refuse_offer(dialog, StatusCode::NOT_ACCEPTABLE_HERE, now),
        };
        note("an offer", done);
    }

    /// A party has answered the offer that it had asked for.
    pub(super) fn agreed(&mut self, conn_id: ConnId, id: LegId, answer: Bytes, now: Timestamp) {
        if !self.fits(conn_id, id, &answer) {
            tracing::info!(%conn_id, leg = %id, "a party continues with audio that media does not support");
            self.note_misfit(conn_id, id, &answer, now);
            self.end_without_audio(conn_id, id, now);
            return self.forget_reason(conn_id, id);
        }
        let holds = session::holds(&answer);
        self.tell_media(conn_id, id, answer, now);
        self.hold_changed(conn_id, id, holds, now);
    }

    /// Ends the leg of a connected party that is left without audio.
    pub(in crate::sip_cluster::node) fn end_without_audio(&mut self, conn_id: ConnId, id: LegId, now: Timestamp) {
        self.hang_up(conn_id, id, 488, now);
        self.feed(conn_id, Input::LegDead(id), now);
    }

    /// The party has agreed to a session that its audio must not have: it would send in clear what has to be encrypted.
    fn end_misfit(&mut self, conn_id: ConnId, id: LegId, answer: &[u8], now: Timestamp) {
        self.note_misfit(conn_id, id, answer, now);
        self.end_without_audio(conn_id, id, now);
    }

    /// The party offers another session: media gets the offer, with the same ports, and its answer goes back.
    pub(super) fn offered(&mut self, dialog: DialogId, request: &Message, offer: Bytes, now: Timestamp) {
        let Some(Place { conn_id, leg: id, side }) = self.place(dialog) else {
            return;
        };
        self.note_party(conn_id, id, request);
        let Some(leg) = self.leg_mut(conn_id, id) else {
            return;
        };
        leg.heard_at = now;
        let other = match side {
            Side::Phone => leg.media,
            // Media does not change a session by itself.
            Side::Media => None,
        };
        let is_direct = side == Side::Phone && leg.stage == LegStage::Up && leg.path == AudioPath::Direct;
        let Some(media) = other else {
            if is_direct {
                return self.offers_to_media(conn_id, id, dialog, offer, now);
            }
            return note("a refusal", self.agent.refuse_offer(dialog, StatusCode(488), now));
        };
        if let Some(refusal) = session::refusal(&offer, &self.codecs(conn_id, id), self.encryption(conn_id, id)) {
            return note("a refusal", self.agent.refuse_offer(dialog, refusal, now));
        }
        let Some(leg) = self.leg_mut(conn_id, id) else {
            return;
        };
        // An offer that was cancelled may still be with media.
        let was_relaying = std::mem::replace(&mut leg.relaying, true);
        let party = party_header(leg).into_iter().collect();
        if let Err(error) = self.agent.reinvite(media, Some(offer), party, now) {
            tracing::debug!(%conn_id, %error, "media cannot be asked now");
            if let Some(leg) = self.leg_mut(conn_id, id) {
                leg.relaying = was_relaying;
            }
            note("a refusal", self.agent.refuse_offer(dialog, StatusCode(491), now));
        }
    }

    pub(super) fn renegotiated(&mut self, dialog: DialogId, answer: Bytes, now: Timestamp) {
        let Some(Place { conn_id, leg: id, side }) = self.place(dialog) else {
            return;
        };
        let Some(leg) = self.leg_mut(conn_id, id) else {
            return;
        };
        match side {
            Side::Media => {
                let relayed = std::mem::take(&mut leg.relaying);
                // What the party has just offered is newer than what media was still to be told.
                leg.owed.take_if(|owed| relayed || owed.sent);
                if relayed {
                    self.relayed(conn_id, id, answer, now);
                }
                self.tell_owed(conn_id, id, now);
            }
            Side::Phone => {
                leg.heard_at = now;
                if leg.path == AudioPath::Moving {
                    return self.moved_to_media(conn_id, id, &answer, now);
                }
                // What is to be asked once the leg has come to media has not been asked yet.
                let is_at_media = leg.path == AudioPath::Media;
                let must_encrypt = leg.encryption.is_compulsory();
                match leg.asked.take_if(|_| is_at_media) {
                    Some(way) => self.asked_phone_answered(conn_id, id, way, answer, now),
                    // A refresh of ours, to which it has another session than before. One that makes no sense changes nothing.
                    None if self.fits(conn_id, id, &answer) => self.agreed(conn_id, id, answer, now),
                    None if must_encrypt => self.end_misfit(conn_id, id, &answer, now),
                    None => {
                        tracing::warn!(%conn_id, leg = %id, "a phone's answer to a session refresh does not fit: it is ignored");
                    }
                }
            }
        }
    }

    /// An offer of ours met the phone's own, and may be made again: for the session that has been agreed since.
    pub(super) fn offer_again(&mut self, dialog: DialogId, now: Timestamp) {
        let Some(Place { conn_id, leg: id, side }) = self.place(dialog) else {
            return;
        };
        match side {
            Side::Media => self.refused(dialog, StatusCode::REQUEST_PENDING, None, now),
            Side::Phone => {
                if self.leg(conn_id, id).is_some_and(|leg| leg.path == AudioPath::Moving) {
                    return self.offer_media(conn_id, id, now);
                }
                if let Some(way) = self.leg_mut(conn_id, id).and_then(|leg| leg.asked.take()) {
                    self.ask_hold(conn_id, id, way, now);
                }
            }
        }
    }

    /// The phone has answered our request to hold or to retrieve. One that goes on holding by itself has not retrieved.
    fn asked_phone_answered(&mut self, conn_id: ConnId, id: LegId, way: HoldWay, answer: Bytes, now: Timestamp) {
        let must_encrypt = self.leg(conn_id, id).is_some_and(|leg| leg.encryption.is_compulsory());
        if must_encrypt && !self.fits(conn_id, id, &answer) {
            return self.end_misfit(conn_id, id, &answer, now);
        }
        if way == HoldWay::Retrieve && (session::holds(&answer) == Some(true) || !self.fits(conn_id, id, &answer)) {
            return self.feed(conn_id, Input::HoldRefused(id), now);
        }
        if let Some(leg) = self.leg_mut(conn_id, id) {
            leg.holds = way == HoldWay::Hold;
        }
        if way == HoldWay::Retrieve {
            // It may have another address or law than before.
            self.tell_media(conn_id, id, answer, now);
        }
        self.feed(conn_id, hold_input(id, way), now);
    }

    /// Media has answered the party's offer.
    pub(super) fn relayed(&mut self, conn_id: ConnId, id: LegId, answer: Bytes, now: Timestamp) {
        let Some(phone) = self.leg(conn_id, id).and_then(|leg| leg.phone) else { return };
        let Some(offer) = self.agent.leg(phone).and_then(|leg| leg.offer_answer.offered_by_peer()).cloned() else {
            // The party has cancelled its offer meanwhile (RFC 3261 section 9), or has left. One that is open now is ours.
            return self.media_goes_back(conn_id, id, now);
        };
        // Media does not know our own offers to the phone, so the version is counted here.
        let before = self.agent.leg(phone).and_then(|leg| leg.offer_answer.local());
        let answer = before.and_then(|before| session::following(before, &answer)).unwrap_or(answer);
        note("an answer", self.agent.accept_offer(phone, answer, now));
        self.hold_changed(conn_id, id, session::holds(&offer), now);
    }

    /// A description of the party takes effect; it may say whether the party holds.
    pub(super) fn hold_changed(&mut self, conn_id: ConnId, id: LegId, holds: Option<bool>, now: Timestamp) {
        let Some(leg) = self.leg_mut(conn_id, id) else {
            return;
        };
        let holds = holds.unwrap_or(leg.holds);
        if std::mem::replace(&mut leg.holds, holds) != holds {
            let way = if holds { HoldWay::Hold } else { HoldWay::Retrieve };
            self.feed(conn_id, hold_input(id, way), now);
        }
    }

    /// The peer answers a re-INVITE of ours with an offer. We never send one without an offer, so the dialog ends.
    pub(super) fn proposed(&mut self, dialog: DialogId, _offer: Bytes, now: Timestamp) {
        note("a dialog's end", self.agent.bye(dialog, Vec::new(), now));
    }

    /// Media has refused the session to which the party has agreed with us. What may pass is tried again.
    fn session_refused(&mut self, conn_id: ConnId, id: LegId, status: StatusCode, now: Timestamp) {
        let Some(leg) = self.leg_mut(conn_id, id) else { return };
        if let Some(owed) = &mut leg.owed
            && !owed.sent
        {
            // The one before; another has come since.
            return self.tell_owed(conn_id, id, now);
        }
        let passes = status.0 == 491 || may_be_done(status);
        if let Some(owed) = leg.owed.as_mut().filter(|owed| passes && owed.refused < SESSION_REFUSALS_MAX) {
            (owed.sent, owed.refused) = (false, owed.refused + 1);
            tracing::info!(%conn_id, leg = %id, %status, "media cannot take a party's session now");
            return;
        }
        (leg.owed, leg.early) = (None, None);
        tracing::warn!(%conn_id, leg = %id, %status, "media cannot take a party's session");
        if leg.stage == LegStage::Up {
            self.end_without_audio(conn_id, id, now);
        }
    }

    pub(super) fn refused(&mut self, dialog: DialogId, status: StatusCode, response: Option<&Message>, now: Timestamp) {
        let Some(Place { conn_id, leg: id, side }) = self.place(dialog) else {
            return;
        };
        let Some(leg) = self.leg_mut(conn_id, id) else {
            return;
        };
        match side {
            Side::Media => {
                if !std::mem::take(&mut leg.relaying) {
                    self.session_refused(conn_id, id, status, now);
                } else if let Some(phone) = leg.phone {
                    self.media_in_doubt(conn_id, id, status, now);
                    // A 503 would tell a carrier that we are down (RFC 3261 section 16.7).
                    let is_down = status == StatusCode::SERVICE_UNAVAILABLE;
                    let status = if is_down { StatusCode::SERVER_INTERNAL_ERROR } else { status };
                    let refusal = Refusal { warning: warning_of(response), ..status.into() };
                    note("a refusal", self.agent.refuse_offer(phone, refusal, now));
                }
            }
            Side::Phone => {
                if leg.path == AudioPath::Moving {
                    return self.move_refused(conn_id, id, status, now);
                }
                let is_at_media = leg.path == AudioPath::Media;
                if leg.asked.take_if(|_| is_at_media).is_some() {
                    self.feed(conn_id, Input::HoldRefused(id), now);
                }
            }
        }
    }

    /// Without an answer of its own, media may have taken the party's offer, which is refused: it is told the session that holds.
    fn media_in_doubt(&mut self, conn_id: ConnId, id: LegId, status: StatusCode, now: Timestamp) {
        if may_be_done(status) {
            self.media_goes_back(conn_id, id, now);
        }
    }

    /// Tells media the session to which the party has agreed last.
    fn media_goes_back(&mut self, conn_id: ConnId, id: LegId, now: Timestamp) {
        let phone = self.leg(conn_id, id).and_then(|leg| leg.phone);
        if let Some(agreed) = phone.and_then(|phone| self.agent.leg(phone)?.offer_answer.remote().cloned()) {
            self.tell_media(conn_id, id, agreed, now);
        }
    }

    /// Sends media the session to which the party has agreed.
    pub(in crate::sip_cluster::node) fn tell_media(
        &mut self,
        conn_id: ConnId,
        id: LegId,
        answer: Bytes,
        now: Timestamp,
    ) {
        let Some(leg) = self.leg_mut(conn_id, id) else {
            return;
        };
        let Some(media) = leg.media else {
            return;
        };
        if std::mem::take(&mut leg.owes_media) {
            return note("a session for media", self.agent.ack(media, answer, now));
        }
        leg.owed = Some(OwedSession { sdp: answer, sent: false, refused: 0 });
        self.tell_owed(conn_id, id, now);
    }

    /// Tells media the session that it has not accepted yet, unless an offer to it is open: then once that is through.
    pub(in crate::sip_cluster::node) fn tell_owed(&mut self, conn_id: ConnId, id: LegId, now: Timestamp) {
        let Some(leg) = self.leg(conn_id, id) else { return };
        let (Some(media), Some(owed)) = (leg.media, &leg.owed) else { return };
        if owed.sent {
            return;
        }
        let (sdp, party) = (owed.sdp.clone(), party_header(leg).into_iter().collect());
        let told = self.agent.reinvite(media, Some(sdp), party, now);
        if let Some(owed) = self.leg_mut(conn_id, id).and_then(|leg| leg.owed.as_mut()) {
            owed.sent = told.is_ok();
        }
        note("a session for media", told);
    }
}

/// The Warning that says why media refuses a description.
pub(super) fn warning_of(response: Option<&Message>) -> Option<String> {
    response.and_then(|response| response.header(&HeaderName::Warning)).map(str::to_owned)
}

const fn hold_input(leg: LegId, way: HoldWay) -> Input {
    match way {
        HoldWay::Hold => Input::LegHeld(leg),
        HoldWay::Retrieve => Input::LegRetrieved(leg),
    }
}
