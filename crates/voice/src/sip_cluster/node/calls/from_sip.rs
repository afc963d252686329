//! Translates events of dialogs to inputs of the call model.

use bytes::Bytes;
use call::Input;
use media::codec::Codec;
use model::{ConnId, LegId, Timestamp};
use runtime::trace::What;
use sip::agent::{DialogId, Event, Release, Reply, Session, reasons_of};
use sip::{HeaderName, Message, StatusCode};

use super::flows::FailedBeside;
use super::incoming::party;
use super::leg::{AudioPath, LegStage, Place, Side};
use super::renegotiation::warning_of;
use super::session;
use super::to_sip::note;
use crate::sip_cluster::node::Node;

impl Node {
    pub(in crate::sip_cluster::node) fn dialog_event(&mut self, event: Event, now: Timestamp) {
        match event {
            Event::Incoming { dialog, request, location, flow } => self.incoming(dialog, &request, location, flow, now),
            Event::Progress { dialog, response, session, .. } => self.progress(dialog, &response, session, now),
            Event::Answered { dialog, response, session } => self.answered(dialog, &response, session, now),
            Event::Failed { dialog, status, response } => self.failed(dialog, status, response.as_deref(), now),
            Event::LocationRefused { dialog, status } => self.location_refused(dialog, status, now),
            Event::Acknowledged { dialog, answer } => self.acknowledged(dialog, answer, now),
            Event::Offered { dialog, request, offer } => self.offered(dialog, &request, offer, now),
            Event::Renegotiated { dialog, answer } => self.renegotiated(dialog, answer, now),
            Event::GlareOver { dialog } => self.offer_again(dialog, now),
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
            // The second comes only to who has sent a REFER.
            Event::Refreshed { dialog } | Event::Notified { dialog, .. } => self.heard(dialog, now),
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

    fn progress(&mut self, dialog: DialogId, response: &Message, session: Session, now: Timestamp) {
        if let Some(Place { conn_id, leg, side: Side::Phone }) = self.place(dialog) {
            self.phone_progresses(conn_id, leg, response, session, now);
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
    pub(super) fn note_party(&mut self, conn_id: ConnId, id: LegId, message: &Message) {
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
        let (stage, is_caller, is_direct) = (leg.stage, leg.is_callers(), leg.path != AudioPath::Media);
        if matches!(session, Session::Offer(_)) {
            leg.owes_media = true;
        }
        match (stage, session) {
            (LegStage::Closing, _) => self.close_media(conn_id, id, now),
            (LegStage::Up, Session::Offer(_)) if is_direct => self.offer_media(conn_id, id, now),
            (LegStage::Up, Session::Answer(sdp)) if is_direct => self.direct_offer_answered(conn_id, id, sdp, now),
            (_, Session::Offer(offer)) if !is_caller => self.ring_phone(conn_id, id, offer, now),
            (LegStage::PreparingEarly, Session::Answer(sdp)) => self.send_early(conn_id, id, sdp, now),
            (_, Session::Answer(sdp) | Session::Offer(sdp)) if is_caller => self.answer_caller(conn_id, id, sdp, now),
            _ => {
                tracing::warn!(%conn_id, leg = %id, "media answered without a session");
                if stage == LegStage::Preparing && !is_caller {
                    // The call may go on by another leg.
                    self.hang_up(conn_id, id, 503, now);
                }
                self.feed(conn_id, Input::LegFailed { leg: id, status: 503 }, now);
            }
        }
    }

    pub(super) fn answer_caller(&mut self, conn_id: ConnId, id: LegId, sdp: Bytes, now: Timestamp) {
        let Some(leg) = self.leg_mut(conn_id, id) else {
            return;
        };
        leg.stage = LegStage::Up;
        leg.heard_at = now;
        let awaits_answer = leg.owes_media;
        let Some(phone) = leg.phone else {
            return self.close_media(conn_id, id, now);
        };
        let mut reply = Reply::session(sdp);
        reply.headers.extend(self.trace_header(conn_id));
        match self.agent.answer(phone, reply, now) {
            // Media has no stream before the caller's ACK brings the answer: nothing can be heard until then.
            Ok(()) if awaits_answer => {}
            Ok(()) => {
                self.metrics.leg_answered();
                if self.leg(conn_id, id).is_some_and(|leg| leg.path == AudioPath::Direct) {
                    self.metrics.answered_directly();
                }
                self.feed(conn_id, Input::LegAnswered(id), now);
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
        let (phone, told) = (leg.phone, leg.early.take());
        let answer = match session {
            // The answer came with a reliable provisional response (RFC 6337 section 3.1).
            Session::Nothing => phone.and_then(|phone| self.agent.leg(phone)?.offer_answer.remote().cloned()),
            Session::Answer(answer) => Some(answer),
            Session::Offer(_) | Session::Preview(_) => None,
        };
        let answer = match answer {
            Some(answer) if self.fits(conn_id, id, &answer) => answer,
            answer => {
                tracing::warn!(%conn_id, leg = %id, "a phone answered without audio that we can take");
                let why = self.note_misfit(conn_id, id, &answer.unwrap_or_default(), now);
                self.hang_up(conn_id, id, 488, now);
                // For the caller, if it is refused because of this.
                self.set_warning(conn_id, why);
                self.feed(conn_id, Input::LegFailed { leg: id, status: 488 }, now);
                self.forget_reason(conn_id, id);
                return self.set_warning(conn_id, None);
            }
        };
        if told.is_none_or(|told| told.sdp != answer) {
            self.tell_media(conn_id, id, answer, now);
        }
        self.metrics.leg_answered();
        self.prevails(conn_id, id, now);
        self.feed(conn_id, Input::LegAnswered(id), now);
    }

    /// Whether a party's answer takes the audio that it was offered.
    pub(super) fn fits(&self, conn_id: ConnId, id: LegId, answer: &[u8]) -> bool {
        let codecs = self.codecs_of_answer(conn_id, id);
        self.offer_to(conn_id, id).is_some_and(|offer| session::takes_audio(&offer, answer, &codecs))
    }

    /// The offer of ours that a party answers, or has answered.
    fn offer_to(&self, conn_id: ConnId, id: LegId) -> Option<Bytes> {
        let session = &self.agent.leg(self.leg(conn_id, id)?.phone?)?.offer_answer;
        session.open().or(session.local()).cloned()
    }

    /// The codecs to which media holds a party's answer. Audio that goes past media is no matter of its own.
    fn codecs_of_answer(&self, conn_id: ConnId, id: LegId) -> Vec<Codec> {
        let is_direct = self.leg(conn_id, id).is_some_and(|leg| leg.path == AudioPath::Direct);
        if is_direct { Vec::new() } else { self.codecs(conn_id, id) }
    }

    /// A party has answered with audio that cannot be taken, and its leg is about to end: why, for the explanation of the call and for the
    /// party (as the Reason of its BYE). Returns the Warning that says it to others.
    pub(super) fn note_misfit(&mut self, conn_id: ConnId, id: LegId, answer: &[u8], now: Timestamp) -> Option<String> {
        let why = session::misfit(&self.offer_to(conn_id, id)?, answer, &self.codecs_of_answer(conn_id, id))?;
        if let Some(entry) = self.calls.get(&conn_id) {
            let text = format!("leg {id} ends: its party answered, but {why}");
            self.trace.note_with(&entry.tenant, conn_id, now, || What::Note { text });
        }
        if let Some(leg) = self.leg_mut(conn_id, id) {
            leg.told = vec![(HeaderName::Reason, format!("SIP;cause=488;text=\"{why}\""))];
        }
        Some(why.warning())
    }

    /// The leg has ended, or is being ended, with its Reason: what a successor would not know is not kept.
    pub(super) fn forget_reason(&mut self, conn_id: ConnId, id: LegId) {
        if let Some(leg) = self.leg_mut(conn_id, id) {
            leg.told.clear();
        }
    }

    fn set_warning(&mut self, conn_id: ConnId, warning: Option<String>) {
        if let Some(entry) = self.calls.get_mut(&conn_id) {
            entry.warning = warning;
        }
    }

    fn failed(&mut self, dialog: DialogId, status: StatusCode, response: Option<&Message>, now: Timestamp) {
        let Some(Place { conn_id, leg: id, side }) = self.place(dialog) else { return };
        self.calls.unbind(dialog);
        self.note_failure(Place { conn_id, leg: id, side }, status, response, now);
        // Asked while the leg is there.
        let is_busy = side == Side::Phone && self.is_busy_by_another(conn_id, id);
        let status = if is_busy { StatusCode::BUSY_HERE } else { status };
        let (rivals, is_lost_flow) = (self.rivals(conn_id, id), self.is_lost_flow(conn_id, id, status, response));
        let put_off = self.take_put_off(Place { conn_id, leg: id, side }, response);
        let not_reached =
            self.take_not_reached(Place { conn_id, leg: id, side }, response).filter(|_| put_off.is_none());
        let Some(leg) = self.leg_mut(conn_id, id) else { return };
        let (stage, next) = (leg.stage, leg.by_next_flow());
        let is_emergency = leg.target.as_ref().is_some_and(|target| target.is_emergency);
        let closing = stage == LegStage::Closing;
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
                self.note_pause(Place { conn_id, leg: id, side }, status, response, now);
                self.close_media(conn_id, id, now);
                let has_no_tls = self.needs_tls(conn_id) && super::sips::is_of_proxy(status, response);
                self.note_tls(conn_id, has_no_tls);
                let shown = super::caller_status::status_for_caller(status);
                if shown != status {
                    tracing::info!(%conn_id, leg = %id, %status, %shown, "a phone's refusal is not the caller's");
                }
                let status_shown = shown.0;
                let is_lost = has_no_tls || is_lost_flow;
                let next = next.filter(|_| is_lost);
                let input = match (next, put_off, not_reached) {
                    (Some(next), ..) => Input::FlowFailed { leg: id, next },
                    (None, Some(way), _) => Input::LegPutOff { leg: id, way },
                    (None, None, Some(way)) => Input::LegNotReached { leg: id, status: status_shown, way },
                    // It says nothing about who is there: no agent is made not ready for it.
                    (None, None, None) if has_no_tls => Input::LegUnreachable { leg: id, status: 503 },
                    (None, None, None) if is_about_way(status, is_emergency) => {
                        Input::LegUnreachable { leg: id, status: status_shown }
                    }
                    (None, None, None) => Input::LegFailed { leg: id, status: status_shown },
                };
                let failed = FailedBeside { conn_id, id, rivals, status, is_emergency, is_lost };
                self.fails_beside(failed, input, now);
            }
            Side::Media => return self.media_failed(conn_id, id, (status, response), now),
        }
        self.drop_closed(conn_id);
    }

    /// Media does not serve a leg. 488 says that the caller's audio cannot be used; every other failure is ours.
    fn media_failed(
        &mut self,
        conn_id: ConnId,
        id: LegId,
        (status, response): (StatusCode, Option<&Message>),
        now: Timestamp,
    ) {
        let Some(leg) = self.leg_mut(conn_id, id) else { return };
        if leg.stage == LegStage::Up && leg.path != AudioPath::Media {
            return self.media_refused_direct(conn_id, id, status, response, now);
        }
        let is_early = leg.stage == LegStage::PreparingEarly;
        if status == StatusCode::SERVICE_UNAVAILABLE && self.goes_on_without_room(conn_id, id, now) {
            return;
        }
        if is_early {
            return self.early_audio_failed(conn_id, id, now);
        }
        let Some(leg) = self.leg_mut(conn_id, id) else { return };
        let spoken = status != StatusCode::NOT_ACCEPTABLE_HERE;
        let status = if spoken { 503 } else { 488 };
        if !leg.is_callers() {
            leg.stage = LegStage::Closing;
        } else if let Some(entry) = self.calls.get_mut(&conn_id) {
            entry.warning = warning_of(response);
        }
        self.feed(conn_id, Input::LegFailed { leg: id, status }, now);
        self.drop_closed(conn_id);
    }

    /// A party has refused its INVITE, or has not answered it.
    fn note_failure(&mut self, place: Place, status: StatusCode, response: Option<&Message>, now: Timestamp) {
        self.trace_trunk_failed(place, status, response, now);
        let Place { conn_id, leg, side } = place;
        if side == Side::Phone && status == StatusCode::REQUEST_TIMEOUT {
            self.note_unheard(conn_id, leg);
        }
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
        let begins = leg.owes_media;
        if !begins {
            return self.agreed(conn_id, id, answer, now);
        }
        if !self.fits(conn_id, id, &answer) {
            tracing::info!(%conn_id, leg = %id, "a caller acknowledged without audio that we can take");
            self.note_misfit(conn_id, id, &answer, now);
            self.feed(conn_id, Input::LegFailed { leg: id, status: 488 }, now);
            return self.forget_reason(conn_id, id);
        }
        self.tell_media(conn_id, id, answer, now);
        self.metrics.leg_answered();
        self.feed(conn_id, Input::LegAnswered(id), now);
    }

    fn released(&mut self, dialog: DialogId, reason: &Release, now: Timestamp) {
        let Some(Place { conn_id, leg: id, side }) = self.place(dialog) else {
            return self.forget_waiting(dialog);
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
            LegStage::Offered | LegStage::PreparingEarly | LegStage::Early | LegStage::Preparing => {
                self.agent.reject(phone, Reply::new(StatusCode(503)), now)
            }
            LegStage::Up | LegStage::Closing => {
                // The 200 to a caller may still wait for a PRACK.
                let reply = Reply::new(StatusCode(503));
                self.agent.bye(phone, Vec::new(), now).or_else(|_| self.agent.reject(phone, reply, now))
            }
        };
        note("the end of a leg", ended);
    }
}

/// Whether a failure is about the way there, and not about who is there: a carrier that redirects, wants a password or does not let this call
/// pass too. Who calls for help is put through by whichever way there is: a carrier that has no line left says that who is called is busy.
const fn is_about_way(status: StatusCode, is_emergency: bool) -> bool {
    is_emergency || matches!(status.0, 300..=399 | 401 | 403 | 407 | 408 | 430 | 500..=599)
}
