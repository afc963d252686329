//! Translates events of dialogs to inputs of the call model.

use bytes::Bytes;
use call::Input;
use call::call::{CALLER_LEG, HoldWay};
use model::{ConnId, LegId, Timestamp};
use sip::agent::{DialogId, Event, Release, Reply, Session, reasons_of};
use sip::{HeaderName, Message, StatusCode};

use super::incoming::party;
use super::leg::{LegStage, Place, Side};
use super::session;
use super::session::Refusal;
use super::to_sip::{note, party_header};
use crate::sip_cluster::node::Node;

/// How often media may refuse a party's session with a status that may pass, once in each sweep of 2 s.
const SESSION_REFUSALS_MAX: u8 = 3;

impl Node {
    pub(in crate::sip_cluster::node) fn dialog_event(&mut self, event: Event, now: Timestamp) {
        match event {
            Event::Incoming { dialog, request, flow } => self.incoming(dialog, &request, flow, now),
            Event::Progress { dialog, response, .. } => self.progress(dialog, &response, now),
            Event::Answered { dialog, response, session } => self.answered(dialog, &response, session, now),
            Event::Failed { dialog, status, response } => self.failed(dialog, status, response.as_deref(), now),
            Event::Acknowledged { dialog, answer } => self.acknowledged(dialog, answer, now),
            Event::Offered { dialog, request, offer } => self.offered(dialog, &request, offer, now),
            Event::Renegotiated { dialog, answer } => self.renegotiated(dialog, answer, now),
            Event::Proposed { dialog, offer } => self.proposed(dialog, offer, now),
            Event::OfferWanted { dialog } => self.offer_wanted(dialog, now),
            Event::Refused { dialog, status, response } => self.refused(dialog, status, response.as_deref(), now),
            Event::Info { dialog, request, message } => {
                self.heard(dialog, now);
                self.info(dialog, request, &message, now);
            }
            Event::Referred { dialog, request, message } => {
                self.heard(dialog, now);
                self.referred(dialog, request, &message, now);
            }
            Event::Responded { request, status, response, .. } => {
                self.responded(request, status, response.as_deref(), now);
            }
            // The user agent reports no other request outside a dialog.
            Event::Request { request, message, .. } => self.asked(request, &message, now),
            Event::Refreshed { dialog } => self.heard(dialog, now),
            Event::Released { dialog, reason } => self.released(dialog, &reason, now),
        }
    }

    /// The leg that a dialog belongs to. Marks its call for the commit, because the dialog has changed.
    pub(in crate::sip_cluster::node) fn place(&mut self, dialog: DialogId) -> Option<Place> {
        let place = self.calls.place_of(dialog)?;
        self.set_current(place.conn_id);
        self.mark(place.conn_id);
        Some(place)
    }

    /// The party is alive.
    fn heard(&mut self, dialog: DialogId, now: Timestamp) {
        if let Some(place) = self.place(dialog)
            && let Some(leg) = self.leg_mut(place.conn_id, place.leg)
        {
            leg.heard_at = now;
        }
    }

    fn progress(&mut self, dialog: DialogId, response: &Message, now: Timestamp) {
        let Some(Place { conn_id, leg, side: Side::Phone }) = self.place(dialog) else {
            return;
        };
        // 181 and 182 report progress, not ringing.
        if let sip::message::Start::Response { status: StatusCode(180 | 183), .. } = response.start() {
            self.feed(conn_id, Input::LegRinging(leg), now);
        }
    }

    fn answered(&mut self, dialog: DialogId, response: &Message, session: Session, now: Timestamp) {
        let Some(Place { conn_id, leg, side }) = self.place(dialog) else {
            return;
        };
        match side {
            Side::Media => {
                self.pin_media(conn_id, response);
                self.media_answered(conn_id, leg, session, now);
            }
            Side::Phone => {
                self.note_party(conn_id, leg, response);
                self.phone_answered(conn_id, leg, session, now);
            }
        }
    }

    /// Stores the host that a party's message came from.
    fn note_party(&mut self, conn_id: ConnId, id: LegId, message: &Message) {
        if let (Some(leg), Some(party)) = (self.leg_mut(conn_id, id), party(message)) {
            leg.party = Some(party);
        }
    }

    /// Pins the call to the media node that answered the first leg; the other legs go there.
    fn pin_media(&mut self, conn_id: ConnId, response: &Message) {
        let owner = response.to().ok().and_then(|to| to.tag().and_then(|tag| self.ids.open(tag))).map(|tag| tag.owner);
        if let (Some(entry), Some(owner)) = (self.calls.get_mut(&conn_id), owner) {
            entry.media_owner.get_or_insert(owner);
        }
    }

    fn media_answered(&mut self, conn_id: ConnId, id: LegId, session: Session, now: Timestamp) {
        let Some(leg) = self.leg_mut(conn_id, id) else {
            return;
        };
        let stage = leg.stage;
        if matches!(session, Session::Offer(_)) {
            leg.owes_media = true;
        }
        match (stage, session) {
            (LegStage::Closing, _) => self.close_media(conn_id, id, now),
            (_, Session::Offer(offer)) if id != CALLER_LEG => self.ring_phone(conn_id, id, offer, now),
            (_, Session::Answer(sdp) | Session::Offer(sdp)) if id == CALLER_LEG => self.answer_phone(conn_id, sdp, now),
            _ => {
                tracing::warn!(%conn_id, leg = %id, "media answered without a session");
                self.feed(conn_id, Input::LegFailed { leg: id, status: 503 }, now);
            }
        }
    }

    fn answer_phone(&mut self, conn_id: ConnId, sdp: Bytes, now: Timestamp) {
        let Some(leg) = self.leg_mut(conn_id, CALLER_LEG) else {
            return;
        };
        leg.stage = LegStage::Up;
        leg.heard_at = now;
        let awaits_answer = leg.owes_media;
        let Some(phone) = leg.phone else {
            return self.close_media(conn_id, CALLER_LEG, now);
        };
        let mut reply = Reply::session(sdp);
        reply.headers.extend(self.trace_header(conn_id));
        match self.agent.answer(phone, reply, now) {
            // Media has no stream before the caller's ACK brings the answer: nothing can be heard until then.
            Ok(()) if awaits_answer => {}
            Ok(()) => {
                self.metrics.leg_answered();
                self.feed(conn_id, Input::LegAnswered(CALLER_LEG), now);
            }
            // It cancelled at the same time; its end is about to be reported.
            Err(error) => tracing::debug!(%conn_id, %error, "the caller hung up before it was answered"),
        }
    }

    fn phone_answered(&mut self, conn_id: ConnId, id: LegId, session: Session, now: Timestamp) {
        let Some(leg) = self.leg_mut(conn_id, id) else {
            return;
        };
        if leg.stage == LegStage::Closing {
            // It answered while our CANCEL was under way.
            if let Some(phone) = leg.phone {
                note("the end of a leg", self.agent.bye(phone, Vec::new(), now));
            }
            return;
        }
        leg.stage = LegStage::Up;
        leg.heard_at = now;
        let phone = leg.phone;
        let answer = match session {
            Session::Answer(answer) if self.fits(phone, &answer) => answer,
            _ => {
                tracing::warn!(%conn_id, leg = %id, "a phone answered without audio that we can take");
                self.hang_up(conn_id, id, 488, now);
                return self.feed(conn_id, Input::LegFailed { leg: id, status: 488 }, now);
            }
        };
        self.tell_media(conn_id, id, answer, now);
        self.metrics.leg_answered();
        self.feed(conn_id, Input::LegAnswered(id), now);
    }

    /// Whether a party's answer takes the audio that it was offered.
    fn fits(&self, phone: Option<DialogId>, answer: &[u8]) -> bool {
        let offer = phone.and_then(|phone| self.agent.leg(phone)?.offer_answer.local());
        offer.is_some_and(|offer| session::takes_audio(offer, answer))
    }

    fn failed(&mut self, dialog: DialogId, status: StatusCode, response: Option<&Message>, now: Timestamp) {
        let Some(Place { conn_id, leg: id, side }) = self.place(dialog) else {
            return;
        };
        self.calls.unbind(dialog);
        let Some(leg) = self.leg_mut(conn_id, id) else {
            return;
        };
        let closing = leg.stage == LegStage::Closing;
        match side {
            Side::Phone => leg.phone = None,
            Side::Media => {
                leg.media = None;
                leg.owes_media = false;
            }
        }
        if closing {
            return self.drop_closed(conn_id);
        }
        match side {
            Side::Phone => {
                leg.stage = LegStage::Closing;
                self.close_media(conn_id, id, now);
                let shown = super::caller_status::status_for_caller(status);
                if shown != status {
                    tracing::info!(%conn_id, leg = %id, %status, %shown, "a phone's refusal is not the caller's");
                }
                self.feed(conn_id, Input::LegFailed { leg: id, status: shown.0 }, now);
            }
            // 488 says that the caller's audio cannot be used; every other failure is ours.
            Side::Media => {
                let spoken = status != StatusCode::NOT_ACCEPTABLE_HERE;
                let status = if spoken { 503 } else { 488 };
                if id != CALLER_LEG {
                    leg.stage = LegStage::Closing;
                } else if let Some(entry) = self.calls.get_mut(&conn_id) {
                    entry.warning = warning_of(response);
                }
                self.feed(conn_id, Input::LegFailed { leg: id, status }, now);
            }
        }
        self.drop_closed(conn_id);
    }

    fn acknowledged(&mut self, dialog: DialogId, answer: Option<Bytes>, now: Timestamp) {
        let Some(Place { conn_id, leg: id, side: Side::Phone }) = self.place(dialog) else {
            return;
        };
        let Some(leg) = self.leg_mut(conn_id, id) else {
            return;
        };
        leg.heard_at = now;
        let (LegStage::Up, Some(answer)) = (leg.stage, answer) else {
            return;
        };
        let (phone, begins) = (leg.phone, leg.owes_media);
        if !begins {
            return self.agreed(conn_id, id, answer, now);
        }
        if !self.fits(phone, &answer) {
            tracing::info!(%conn_id, leg = %id, "a caller acknowledged without audio that we can take");
            return self.feed(conn_id, Input::LegFailed { leg: id, status: 488 }, now);
        }
        self.tell_media(conn_id, id, answer, now);
        self.metrics.leg_answered();
        self.feed(conn_id, Input::LegAnswered(id), now);
    }

    /// A party requests an offer from us, to retrieve or to hold: our offer says what we want, its answer decides.
    fn offer_wanted(&mut self, dialog: DialogId, now: Timestamp) {
        let Some(Place { conn_id, leg: id, side: Side::Phone }) = self.place(dialog) else {
            return note("a refusal", self.agent.refuse_offer(dialog, StatusCode::NOT_ACCEPTABLE_HERE, now));
        };
        if let Some(leg) = self.leg_mut(conn_id, id) {
            leg.heard_at = now;
        }
        let laws = self.laws(conn_id);
        let offer = self.agent.leg(dialog).and_then(|leg| session::fresh_offer(leg.offer_answer.local()?, &laws));
        let done = match offer {
            Some(offer) => self.agent.accept_offer(dialog, offer, now),
            None => self.agent.refuse_offer(dialog, StatusCode::NOT_ACCEPTABLE_HERE, now),
        };
        note("an offer", done);
    }

    /// A party has answered the offer that it had asked for.
    fn agreed(&mut self, conn_id: ConnId, id: LegId, answer: Bytes, now: Timestamp) {
        let phone = self.leg(conn_id, id).and_then(|leg| leg.phone);
        if !self.fits(phone, &answer) {
            tracing::info!(%conn_id, leg = %id, "a party continues with audio that media does not support");
            return self.end_without_audio(conn_id, id, now);
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

    /// The party offers another session: media gets the offer, with the same ports, and its answer goes back.
    fn offered(&mut self, dialog: DialogId, request: &Message, offer: Bytes, now: Timestamp) {
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
        let Some(media) = other else {
            return note("a refusal", self.agent.refuse_offer(dialog, StatusCode(488), now));
        };
        if let Some(refusal) = session::refusal(&offer, &self.laws(conn_id)) {
            return note("a refusal", self.agent.refuse_offer(dialog, refusal, now));
        }
        let Some(leg) = self.leg_mut(conn_id, id) else {
            return;
        };
        leg.relaying = true;
        let party = party_header(leg).into_iter().collect();
        if let Err(error) = self.agent.reinvite(media, Some(offer), party, now) {
            tracing::debug!(%conn_id, %error, "media cannot be asked now");
            if let Some(leg) = self.leg_mut(conn_id, id) {
                leg.relaying = false;
            }
            note("a refusal", self.agent.refuse_offer(dialog, StatusCode(491), now));
        }
    }

    fn renegotiated(&mut self, dialog: DialogId, answer: Bytes, now: Timestamp) {
        let Some(Place { conn_id, leg: id, side }) = self.place(dialog) else {
            return;
        };
        let Some(leg) = self.leg_mut(conn_id, id) else {
            return;
        };
        match side {
            Side::Media => {
                let relayed = std::mem::take(&mut leg.relaying);
                if !relayed {
                    leg.owed.take_if(|owed| owed.sent);
                }
                if relayed {
                    self.relayed(conn_id, id, answer, now);
                }
                self.tell_owed(conn_id, id, now);
            }
            Side::Phone => {
                leg.heard_at = now;
                if let Some(way) = leg.asked.take() {
                    leg.holds = way == HoldWay::Hold;
                    self.feed(conn_id, hold_input(id, way), now);
                }
            }
        }
    }

    /// Media has answered the party's offer.
    fn relayed(&mut self, conn_id: ConnId, id: LegId, answer: Bytes, now: Timestamp) {
        let Some((phone, offer)) = self
            .leg(conn_id, id)
            .and_then(|leg| leg.phone)
            .and_then(|phone| Some((phone, self.agent.leg(phone)?.offer_answer.open()?.clone())))
        else {
            return;
        };
        // Media does not know our own offers to the phone, so the version is counted here.
        let before = self.agent.leg(phone).and_then(|leg| leg.offer_answer.local());
        let answer = before.and_then(|before| session::following(before, &answer)).unwrap_or(answer);
        note("an answer", self.agent.accept_offer(phone, answer, now));
        self.hold_changed(conn_id, id, session::holds(&offer), now);
    }

    /// A description of the party takes effect; it may say whether the party holds.
    fn hold_changed(&mut self, conn_id: ConnId, id: LegId, holds: Option<bool>, now: Timestamp) {
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
    fn proposed(&mut self, dialog: DialogId, _offer: Bytes, now: Timestamp) {
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
        let passes = matches!(status.0, 408 | 430 | 491 | 500 | 503 | 504);
        if let Some(owed) = leg.owed.as_mut().filter(|owed| passes && owed.refused < SESSION_REFUSALS_MAX) {
            (owed.sent, owed.refused) = (false, owed.refused + 1);
            tracing::info!(%conn_id, leg = %id, %status, "media cannot take a party's session now");
            return;
        }
        leg.owed = None;
        tracing::warn!(%conn_id, leg = %id, %status, "media cannot take a party's session");
        if leg.stage == LegStage::Up {
            self.end_without_audio(conn_id, id, now);
        }
    }

    fn refused(&mut self, dialog: DialogId, status: StatusCode, response: Option<&Message>, now: Timestamp) {
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
                    // A 503 would tell a carrier that we are down (RFC 3261 section 16.7).
                    let is_down = status == StatusCode::SERVICE_UNAVAILABLE;
                    let status = if is_down { StatusCode::SERVER_INTERNAL_ERROR } else { status };
                    let refusal = Refusal { status, warning: warning_of(response) };
                    note("a refusal", self.agent.refuse_offer(phone, refusal, now));
                }
            }
            Side::Phone => {
                if leg.asked.take().is_some() {
                    self.feed(conn_id, Input::HoldRefused(id), now);
                }
            }
        }
    }

    fn released(&mut self, dialog: DialogId, reason: &Release, now: Timestamp) {
        let Some(Place { conn_id, leg: id, side }) = self.place(dialog) else {
            return;
        };
        self.calls.unbind(dialog);
        let Some(leg) = self.leg_mut(conn_id, id) else {
            return;
        };
        let before = std::mem::replace(&mut leg.stage, LegStage::Closing);
        match side {
            Side::Phone => leg.phone = None,
            Side::Media => {
                leg.media = None;
                leg.owes_media = false;
            }
        }
        if before == LegStage::Closing {
            return self.drop_closed(conn_id);
        }
        match side {
            Side::Phone => self.close_media(conn_id, id, now),
            // Without audio the party counts as gone: media has received no packet from it, or media itself has failed.
            Side::Media => self.end_phone(conn_id, id, before, now),
        }
        let by_party = matches!(reason, Release::ByPeer(_) | Release::Cancelled(_)) && side == Side::Phone;
        if !by_party {
            self.metrics.leg_vanished();
            tracing::info!(%conn_id, leg = %id, ?side, "a party vanished without a BYE");
        }
        if let (Release::ByPeer(message) | Release::Cancelled(message), true, Some(entry)) =
            (reason, by_party, self.calls.get_mut(&conn_id))
        {
            entry.tell_others(id, &reasons_of(message));
        }
        self.feed(conn_id, if by_party { Input::LegReleased(id) } else { Input::LegDead(id) }, now);
        if let Some(entry) = self.calls.get_mut(&conn_id) {
            entry.tell_others(id, &Vec::new());
        }
        self.drop_closed(conn_id);
    }

    fn end_phone(&mut self, conn_id: ConnId, id: LegId, before: LegStage, now: Timestamp) {
        let Some(phone) = self.leg(conn_id, id).and_then(|leg| leg.phone) else {
            return;
        };
        let ended = match before {
            LegStage::Ringing => self.agent.cancel(phone, Vec::new(), now),
            LegStage::Offered | LegStage::Preparing => self.agent.reject(phone, Reply::new(StatusCode(503)), now),
            LegStage::Up | LegStage::Closing => self.agent.bye(phone, Vec::new(), now),
        };
        note("the end of a leg", ended);
    }
}

/// The Warning that says why media refuses a description.
fn warning_of(response: Option<&Message>) -> Option<String> {
    response.and_then(|response| response.header(&HeaderName::Warning)).map(str::to_owned)
}

const fn hold_input(leg: LegId, way: HoldWay) -> Input {
    match way {
        HoldWay::Hold => Input::LegHeld(leg),
        HoldWay::Retrieve => Input::LegRetrieved(leg),
    }
}
