//! Early media (RFC 3960): what a phone or carrier sends before it answers reaches the caller by a 183 with a session.

use bytes::Bytes;
use call::Input;
use model::{ConnId, LegId, Timestamp};
use sip::agent::{Reply, Session};
use sip::{Message, StatusCode};

use super::leg::{EarlySession, LegStage};
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
        // 181 and 182 report progress, not ringing.
        let rings = matches!(response.start(), sip::message::Start::Response { status: StatusCode(180 | 183), .. });
        if let Session::Answer(sdp) | Session::Preview(sdp) = session
            && self.is_new_early(conn_id, id, &sdp)
        {
            self.note_party(conn_id, id, response);
            if let Some(leg) = self.leg_mut(conn_id, id) {
                leg.preview = Some(sdp);
            }
            self.feed(conn_id, Input::LegPlaysEarly(id), now);
            if let Some(leg) = self.leg_mut(conn_id, id) {
                leg.preview = None;
            }
        }
        if rings {
            self.feed(conn_id, Input::LegRinging(id), now);
        }
    }

    /// Whether media can take a phone's early session, and has not been told of it.
    fn is_new_early(&self, conn_id: ConnId, id: LegId, sdp: &Bytes) -> bool {
        let Some(leg) = self.leg(conn_id, id).filter(|leg| leg.stage == LegStage::Ringing) else { return false };
        let may_follow = |early: &EarlySession| early.sdp != *sdp && early.changes + 1 < EARLY_SESSIONS_MAX;
        leg.early.as_ref().is_none_or(may_follow) && self.fits(leg.phone, sdp)
    }

    /// Tells media the early session of a phone.
    pub(super) fn hear_early(&mut self, conn_id: ConnId, id: LegId, now: Timestamp) {
        let Some(leg) = self.leg_mut(conn_id, id) else { return };
        let Some(sdp) = leg.preview.take() else { return };
        let changes = leg.early.as_ref().map_or(0, |early| early.changes + 1);
        leg.early = Some(EarlySession { sdp: sdp.clone(), changes });
        self.tell_media(conn_id, id, sdp, now);
    }

    /// Requests media's side of the audio that the caller is to hear before the answer. A caller that has offered no session
    /// gets it with the answer.
    pub(super) fn play_early(&mut self, conn_id: ConnId, id: LegId, now: Timestamp) {
        let Some(leg) = self.leg(conn_id, id).filter(|leg| leg.stage == LegStage::Offered) else { return };
        let offer = leg.phone.and_then(|phone| self.agent.leg(phone)?.offer_answer.open().cloned());
        if offer.is_some() && self.invite_media(conn_id, id, offer, now).is_ok() {
            self.set_stage(conn_id, id, LegStage::PreparingEarly);
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
        let mut progress = Reply { status: StatusCode::SESSION_PROGRESS, ..Reply::session(sdp) };
        progress.headers.extend(self.trace_header(conn_id));
        note("a 183", self.agent.provisional(phone, progress, now));
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
