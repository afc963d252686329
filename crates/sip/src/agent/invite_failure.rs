//! A failure of our INVITE: the retry with credentials or a longer session interval, the retry after glare, the end (RFC 3261 §14.1, §22;
//! RFC 4028 §7.3).

use std::time::Duration;

use model::Timestamp;

use super::UserAgent;
use super::authorize::CHALLENGES_MAX;
use super::command::{CommandError, DialogId};
use super::event::{Event, Release};
use super::session_timer::{MIN_SE_FLOOR_S, min_se, session_expires};
use super::state::{Glare, InvitePurpose, OutgoingStage, SessionTimer, Shared};
use crate::header::HeaderName;
use crate::location;
use crate::offer_answer::Side;
use crate::transaction::ClientRequest;
use crate::{Message, StatusCode};

/// The most retries of a re-INVITE after glare (491).
const GLARE_MAX: u8 = 6;

/// The longest wait before such a retry (RFC 3261 §14.1).
pub(super) const GLARE_WAIT_MAX: Duration = Duration::from_secs(4);

/// The wait after that while the peer's own request is not answered yet.
const GLARE_AGAIN: Duration = Duration::from_millis(500);

impl UserAgent {
    pub(super) fn invite_failure(
        &mut self,
        id: DialogId,
        status: StatusCode,
        response: Option<Shared>,
        now: Timestamp,
    ) {
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        let Some(outgoing) = &leg.state.outgoing else { return };
        let (purpose, stage) = (outgoing.purpose, outgoing.stage);
        if stage == OutgoingStage::Pending
            && let Some(response) = &response
            && self.retry_invite(id, status, response, now)
        {
            return;
        }
        if purpose == InvitePurpose::Begin {
            let cancelled = stage != OutgoingStage::Pending;
            let status = if cancelled && response.is_none() { StatusCode::REQUEST_TERMINATED } else { status };
            self.fail(id, status, response, now);
            return;
        }
        // We have cancelled it: that the peer does not answer it says no more about the peer than a 487 does.
        let unanswered = stage == OutgoingStage::Cancelled && status == StatusCode::REQUEST_TIMEOUT;
        let status = if unanswered { StatusCode::REQUEST_TERMINATED } else { status };
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        leg.state.outgoing = None;
        leg.state.offer_answer.abandon();
        leg.state.challenges = 0;
        if status != StatusCode::REQUEST_PENDING {
            leg.state.glare_attempts = 0;
        }
        match status {
            StatusCode::REQUEST_PENDING => self.glare(id, purpose, response, now),
            // RFC 3261 §14.1. A broken flow says nothing about the peer.
            StatusCode::CALL_DOES_NOT_EXIST | StatusCode::REQUEST_TIMEOUT => {
                self.leave(id, Release::Gone(status), now);
            }
            _ if purpose == InvitePurpose::Change => {
                self.events.push_back(Event::Refused { dialog: id, status, response });
            }
            // It takes no INVITE within a dialog, and so no refresh: it has no timer.
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => leg.state.session.stop(),
            _ => {}
        }
    }

    fn glare(&mut self, id: DialogId, purpose: InvitePurpose, response: Option<Shared>, now: Timestamp) {
        // §14.1: the side that chose the Call-ID waits longer, so that the two do not collide again.
        let ours = self.dialogs.get(id.0).is_some_and(|leg| leg.state.begun_by == Side::Us);
        let wait_ms = if ours { 2_100 + 10 * self.entropy.below(190) } else { 10 * self.entropy.below(200) };
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        let attempts = leg.state.glare_attempts;
        if attempts >= GLARE_MAX {
            leg.state.glare_attempts = 0;
            let status = StatusCode::REQUEST_PENDING;
            self.events.push_back(Event::Refused { dialog: id, status, response });
            return;
        }
        leg.state.glare_attempts = attempts + 1;
        leg.state.glare = Some(Glare { due: now + Duration::from_millis(wait_ms), purpose });
    }

    pub(super) fn glare_due(&mut self, id: DialogId, now: Timestamp) {
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        let Some(glare) = leg.state.glare.take() else { return };
        if !leg.may_offer() {
            leg.state.glare = Some(Glare { due: now + GLARE_AGAIN, ..glare });
            return;
        }
        match glare.purpose {
            // If it cannot be sent, the session timer comes again.
            InvitePurpose::Refresh => {
                let _ = self.refresh_by_invite(id, now);
            }
            InvitePurpose::Begin | InvitePurpose::Change => self.events.push_back(Event::GlareOver { dialog: id }),
        }
    }

    /// Repeats an INVITE after a challenge with credentials (§22), after a 422 with a longer session interval (RFC 4028 §7.3), or without the
    /// location that was refused: whoever is in need is put through first.
    fn retry_invite(&mut self, id: DialogId, status: StatusCode, response: &Message, now: Timestamp) -> bool {
        let Some(leg) = self.dialogs.get_mut(id.0) else { return false };
        let Some(outgoing) = &leg.state.outgoing else { return false };
        let Ok(mut request) = Message::parse(outgoing.request.clone()) else { return false };
        let goes_without = location::may_be_to_blame(status) && location::leave_out(&mut request);
        if leg.state.challenges >= CHALLENGES_MAX && !goes_without {
            return false;
        }
        let min_se = if status == StatusCode::SESSION_INTERVAL_TOO_SMALL { min_se(response) } else { None };
        let min_se = min_se.map(|least| least.max(MIN_SE_FLOOR_S));
        if let Some(least) = min_se {
            lengthen(&mut request, least);
            leg.state.session = SessionTimer { min_se_s: least, ..leg.state.session };
        } else if !goes_without && !self.authorize(Some(id), &mut request, status, response) {
            return false;
        }
        if goes_without || min_se.is_some() {
            // They were for the request before, and their count is used (RFC 7616 section 3.4): it is challenged anew.
            request.remove(&HeaderName::Authorization);
            request.remove(&HeaderName::ProxyAuthorization);
        }
        let is_sent = self.resend_invite(id, request, now).is_ok();
        if let Some(leg) = self.dialogs.get_mut(id.0).filter(|_| goes_without) {
            // It happens once, and takes no turn from those that a challenge has.
            leg.state.challenges = leg.state.challenges.saturating_sub(1);
        }
        if goes_without && is_sent {
            self.events.push_back(Event::LocationRefused { dialog: id, status });
        }
        is_sent
    }

    fn resend_invite(&mut self, id: DialogId, mut request: Message, now: Timestamp) -> Result<(), CommandError> {
        let flow = self.dialogs.get(id.0).ok_or(CommandError::Gone)?.state.dialog.flow;
        let (via, branch) = self.new_via(flow);
        let leg = self.dialogs.get_mut(id.0).ok_or(CommandError::Gone)?;
        let Some(outgoing) = &mut leg.state.outgoing else { return Err(CommandError::Gone) };
        leg.state.challenges += 1;
        outgoing.cseq = leg.state.dialog.next_cseq();
        outgoing.forks = Vec::new();
        request.set(&HeaderName::Via, via);
        request.set(&HeaderName::CSeq, format_args!("{} INVITE", outgoing.cseq));
        let client = self.layer.send(ClientRequest { message: &request, branch: &branch, flow, owner: id.0 }, now)?;
        self.changed.insert(id);
        outgoing.request = self.layer.request_of(client);
        leg.follow(client, &self.layer);
        Ok(())
    }

    pub(super) fn fail(&mut self, id: DialogId, status: StatusCode, response: Option<Shared>, now: Timestamp) {
        self.close(id, now);
        self.events.push_back(Event::Failed { dialog: id, status, response });
    }
}

/// Asks for a session interval of at least so many seconds (RFC 4028 §7.3). One that is longer already stays, and so does who refreshes.
fn lengthen(request: &mut Message, least_s: u32) {
    let refresher =
        request.header(&HeaderName::SessionExpires).and_then(|value| Some(value.split_once(';')?.1.trim().to_owned()));
    let interval_s = session_expires(request).map_or(least_s, |asked| asked.interval_s.max(least_s));
    let params = refresher.map(|params| format!(";{params}")).unwrap_or_default();
    request.set(&HeaderName::MinSe, least_s);
    request.set(&HeaderName::SessionExpires, format_args!("{interval_s}{params}"));
}
