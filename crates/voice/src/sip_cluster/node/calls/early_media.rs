//! Early media (RFC 3960): what a phone or carrier sends before it answers reaches the caller by a
//! provisional response with a session. It does not hear the caller before the answer, unless its trunk is set so.

use bytes::Bytes;
use call::Input;
use model::{ConnId, LegId, Timestamp};
use sip::agent::{Reply, Session};
use sip::{Message, StatusCode};

use super::leg::{AudioPath, EarlySession, LegStage};
use super::to_sip::note;
use crate::sip_cluster::node::Node;

/// The most sessions of provisional responses to one INVITE of which media is told: each costs a renegotiation.
const EARLY_SESSIONS_MAX: u8 = 4;

impl Node {
    /// The phone of a leg has sent a provisional response above 100.
    pub(super) fn phone_progresses(
        &mut self,
        conn_id: ConnId,
        id: LegId,
        response: &Message,
        session: Session,
        now: Timestamp,
    ) {
        // Before it is heard: it is the only one then. Who calls for help waits for an answer by each: a carrier says much, as that all its
        // lines are busy, before it fails.
        if !self.is_emergency(conn_id, id) {
            self.prevails(conn_id, id, now);
        }
        if let Some(leg) = self.leg_mut(conn_id, id) {
            leg.alerted = true;
        }
        let status = response.status();
        let rings = status == Some(StatusCode::RINGING);
        if self.leg(conn_id, id).is_some_and(|leg| leg.path != AudioPath::Media) {
            if let Session::Answer(sdp) | Session::Preview(sdp) = session {
                self.note_party(conn_id, id, response);
                self.show_direct_early(conn_id, id, sdp, rings, now);
            }
        } else if let Session::Answer(sdp) | Session::Preview(sdp) = session
            && self.hears_early(conn_id, id, rings)
            && self.keeps_early(conn_id, id, &sdp)
        {
            self.note_party(conn_id, id, response);
            // Before media knows where to send audio: what is said to it must not arrive before the answer.
            self.join_rooms(conn_id, now);
            self.tell_media(conn_id, id, sdp, now);
            self.feed(conn_id, Input::LegPlaysEarly { leg: id, rings }, now);
        }
        // 181 and 182 report neither.
        match status {
            Some(StatusCode::RINGING) => self.feed(conn_id, Input::LegRinging(id), now),
            Some(StatusCode::SESSION_PROGRESS) => self.feed(conn_id, Input::LegProgresses(id), now),
            _ => {}
        }
        self.ask_answer_at_last(conn_id, id, now);
    }

    fn is_emergency(&self, conn_id: ConnId, id: LegId) -> bool {
        let target = self.leg(conn_id, id).and_then(|leg| leg.target.as_ref());
        target.is_some_and(|target| target.is_emergency)
    }

    /// Whether a phone or carrier hears who calls before it answers.
    pub(super) fn takes_early_speech(&self, conn_id: ConnId, trunk: Option<&str>) -> bool {
        let tenant = self.calls.get(&conn_id).map(|entry| &entry.tenant);
        tenant.zip(trunk).is_some_and(|(tenant, trunk)| (self.trunks)(tenant, trunk).early_speech)
    }

    fn hears_early(&self, conn_id: ConnId, id: LegId, rings: bool) -> bool {
        let call = self.calls.get(&conn_id).and_then(|entry| entry.thread.call_with(id));
        call.is_some_and(|call| call.hears_early(id, rings))
    }

    /// Keeps a phone's early session, of which media is then told; returns whether it is new and media can take it.
    fn keeps_early(&mut self, conn_id: ConnId, id: LegId, sdp: &Bytes) -> bool {
        let Some(leg) = self.leg(conn_id, id).filter(|leg| leg.stage == LegStage::Ringing) else { return false };
        let changes = match &leg.early {
            Some(early) if early.sdp == *sdp => return false,
            Some(early) => early.changes + 1,
            None => 0,
        };
        if changes >= EARLY_SESSIONS_MAX {
            tracing::info!(%conn_id, leg = %id, "a phone changes its session too often before it answers");
            self.metrics.early_session_refused();
            return false;
        }
        let fits = self.fits(conn_id, id, sdp);
        if let Some(leg) = self.leg_mut(conn_id, id).filter(|_| fits) {
            leg.early = Some(EarlySession { sdp: sdp.clone(), changes });
        }
        fits
    }

    /// Requests media's side of the audio that the caller is to hear before the answer. A caller that has offered no session
    /// gets it with the answer.
    pub(super) fn play_early(&mut self, conn_id: ConnId, id: LegId, rings: bool, now: Timestamp) {
        let Some(leg) = self.leg(conn_id, id).filter(|leg| leg.stage == LegStage::Offered) else { return };
        let offer = leg.phone.and_then(|phone| self.agent.leg(phone)?.offer_answer.open().cloned());
        if offer.is_some() && self.invite_media(conn_id, id, offer, now).is_ok() {
            self.set_stage(conn_id, id, LegStage::PreparingEarly);
            if let Some(leg) = self.leg_mut(conn_id, id) {
                leg.early_rings = rings;
            }
        }
    }

    /// Media has made the session: the caller gets it in a provisional response.
    pub(super) fn send_early(&mut self, conn_id: ConnId, id: LegId, sdp: Bytes, now: Timestamp) {
        let Some(leg) = self.leg_mut(conn_id, id) else { return };
        leg.stage = LegStage::Early;
        leg.early = Some(EarlySession::new(sdp.clone()));
        let Some(phone) = leg.phone else {
            return self.close_media(conn_id, id, now);
        };
        let status = if leg.early_rings { StatusCode::RINGING } else { StatusCode::SESSION_PROGRESS };
        let mut progress = Reply { status, ..Reply::session(sdp) };
        progress.headers.extend(self.trace_header(conn_id));
        note("a provisional response", self.agent.provisional(phone, progress, now));
    }

    /// Media cannot serve a caller that is not answered yet: it hears nothing until the answer.
    pub(super) fn early_audio_failed(&mut self, conn_id: ConnId, id: LegId, now: Timestamp) {
        tracing::info!(%conn_id, leg = %id, "media does not serve a caller before the answer");
        self.set_stage(conn_id, id, LegStage::Offered);
        self.alert_caller(conn_id, id, now);
    }

    fn set_stage(&mut self, conn_id: ConnId, id: LegId, stage: LegStage) {
        if let Some(leg) = self.leg_mut(conn_id, id) {
            leg.stage = stage;
        }
    }
}
