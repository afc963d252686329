//! The forks of our first INVITE: their provisional responses, and a PRACK for the reliable ones (RFC 3261 §13.2.2.1; RFC 3262 §4).

use bytes::Bytes;
use model::Timestamp;

use super::UserAgent;
use super::bounds::HEAD_BYTES_MAX;
use super::command::{DialogId, Provisionals, RequestId};
use super::compose::session_of;
use super::event::Event;
use super::invite_client::session_from;
use super::leg::Leg;
use super::state::{EarlyDialog, InvitePurpose, OutgoingStage, RequestPurpose, Shared};
use super::within_client::REQUESTS_MAX;
use crate::header::HeaderName;
use crate::offer_answer::{Carrier, Meaning};
use crate::transaction::ClientId;
use crate::{Message, Method, StatusCode};

/// The most early dialogs of one INVITE that are kept apart.
const FORKS_MAX: usize = 16;

impl UserAgent {
    pub(super) fn invite_progress(
        &mut self,
        id: DialogId,
        client: ClientId,
        response: Shared,
        status: StatusCode,
        now: Timestamp,
    ) {
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        let Some(outgoing) = &mut leg.state.outgoing else { return };
        if outgoing.stage == OutgoingStage::CancelWanted
            && let Some(cancel) =
                self.layer.send_cancel(client, leg.state.bye_wanted.as_deref().unwrap_or_default(), now)
        {
            outgoing.stage = OutgoingStage::Cancelled;
            leg.cancel_client = Some(cancel);
            self.changed.insert(id);
        }
        if status == StatusCode::TRYING || outgoing.purpose != InvitePurpose::Begin {
            return;
        }
        let body = session_of(&response);
        if !self.has_room_for_progress(id, &response) {
            self.count_oversized();
            return;
        }
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        let Some(fork) = fork_of(leg, &response) else { return };
        let Some(outgoing) = &mut leg.state.outgoing else { return };
        let Some(early) = outgoing.forks.get_mut(fork) else { return };
        let reliable = (outgoing.provisionals == Provisionals::Reliable
            && response.has_token(&HeaderName::Require, "100rel"))
        .then(|| response.rseq().ok().flatten())
        .flatten();
        let carrier = match (reliable, early.rseq) {
            (Some(rseq), Some(last)) if rseq != last.wrapping_add(1) => return,
            (Some(rseq), _) => {
                early.rseq = Some(rseq);
                Carrier::ReliableProvisional
            }
            (None, _) => Carrier::Provisional,
        };
        let meaning = early.offer_answer.received(carrier, body).unwrap_or(Meaning::Nothing);
        let session = session_from(meaning, body);
        if let Some(rseq) = reliable {
            self.send_prack(id, fork, rseq, now);
        }
        let fork = u32::try_from(fork).unwrap_or(u32::MAX);
        self.events.push_back(Event::Progress { dialog: id, fork, response, session });
    }

    /// Whether there is room for the session of a provisional response, and for its PRACK until that is answered.
    fn has_room_for_progress(&self, id: DialogId, response: &Message) -> bool {
        let Some(leg) = self.dialogs.get(id.0) else { return false };
        if !response.has_token(&HeaderName::Require, "100rel") {
            return true;
        }
        let session = session_of(response).map_or(0, Bytes::len);
        leg.clients.len() < REQUESTS_MAX
            && leg.has_room_for_fork(None, session)
            && self.has_room(id, session + HEAD_BYTES_MAX)
    }

    fn send_prack(&mut self, id: DialogId, fork: usize, rseq: u32, now: Timestamp) {
        let Some(flow) = self.dialogs.get(id.0).map(|leg| leg.state.dialog.flow) else { return };
        let (via, branch) = self.new_via(flow);
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        let Some(outgoing) = &mut leg.state.outgoing else { return };
        let cseq = outgoing.cseq;
        let Some(early) = outgoing.forks.get_mut(fork) else { return };
        let prack = early
            .dialog
            .request(Method::Prack, &via)
            .header(&HeaderName::RAck, format_args!("{rseq} {cseq} INVITE"))
            .build();
        let request = RequestId(self.entropy.next_u64());
        // Without room there is no PRACK; the peer repeats its provisional response.
        let _ = self.track(id, request, &prack, &branch, RequestPurpose::Acknowledge, now);
    }
}

/// The fork that sent a provisional response; none when it has no To tag or there are too many forks.
fn fork_of(leg: &mut Leg, response: &Message) -> Option<usize> {
    let tag = response.to().ok()?.tag()?.to_owned();
    let outgoing = leg.state.outgoing.as_mut()?;
    if let Some(at) = outgoing.forks.iter().position(|f| *f.dialog.remote_tag == *tag) {
        return Some(at);
    }
    if outgoing.forks.len() == FORKS_MAX {
        return None;
    }
    let mut dialog = leg.state.dialog.clone();
    dialog.establish(response).ok()?;
    if !leg.has_room_for_fork(Some(&dialog), 0) {
        return None;
    }
    let outgoing = leg.state.outgoing.as_mut()?;
    outgoing.forks.push(EarlyDialog { dialog, offer_answer: leg.state.offer_answer.clone(), rseq: None });
    Some(outgoing.forks.len() - 1)
}
