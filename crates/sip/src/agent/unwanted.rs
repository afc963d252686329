//! An unwanted 2xx to our INVITE (after a CANCEL, of another fork, or to a process that has failed): the call is ended by ACK
//! and BYE (RFC 3261 §9.1, §13.2.2.4).

use bytes::Bytes;
use model::Timestamp;

use super::UserAgent;
use super::command::{DialogId, ExtraHeaders};
use super::compose::with_headers;
use super::state::{LegPhase, Shared};
use crate::dialog::{Dialog, Direction, contact_uri, record_routes};
use crate::header::HeaderName;
use crate::transaction::{ClientId, ClientRequest};
use crate::{Flow, Message, Method, StatusCode};

impl UserAgent {
    /// The 200 overtook the CANCEL (RFC 3261 §9.1): the call is accepted and ended. Its dialog lasts until the BYE is answered:
    /// if this process fails before that, its successor repeats the BYE.
    pub(super) fn give_back(&mut self, id: DialogId, client: ClientId, response: Shared, now: Timestamp) {
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        let headers = leg.state.bye_wanted.take().unwrap_or_default();
        if leg.establish(&response).is_ok() {
            leg.state.phase = LegPhase::Confirmed;
            self.send_ack(id, None, now);
            if self.send_bye(id, headers, now).is_ok() {
                return;
            }
        } else {
            self.decline_success(client, &response, now);
        }
        self.fail(id, StatusCode::REQUEST_TERMINATED, Some(response), now);
    }

    /// Ends the call of an unwanted 2xx (of another fork, or after CANCEL) by ACK and BYE, both made from the response alone.
    /// Answers of more forks than an INVITE repeats ACKs for are ignored: each would take a transaction.
    pub(super) fn decline_success(&mut self, client: ClientId, response: &Message, now: Timestamp) {
        let Some(flow) = self.layer.client_flow(client) else { return };
        let Some((dialog, ack)) = self.unwanted(response, flow) else { return };
        if !self.layer.has_room_for_ack(client, ack.len()) {
            self.count_oversized();
            return;
        }
        self.layer.acknowledge(client, &dialog.remote_tag, ack, flow);
        self.send_orphan_bye(dialog, &Vec::new(), now);
    }

    /// As [`Self::decline_success`], if the INVITE's transaction was lost with its process.
    pub(super) fn decline_stray(&mut self, response: &Message, flow: Flow, now: Timestamp) {
        if let Some((dialog, ack)) = self.unwanted(response, flow) {
            self.layer.transmit(flow, ack);
            self.send_orphan_bye(dialog, &Vec::new(), now);
        }
    }

    /// Acknowledges a 2xx to an INVITE within an existing dialog whose transaction is over: a proxy had answered with a failure
    /// for a peer that was away. Without an ACK, the sender of the 2xx would end the dialog (§13.3.1.4).
    pub(super) fn acknowledge_late(&mut self, response: &Message) {
        let (Some(status), Ok(cseq), Ok(from)) = (response.status(), response.cseq(), response.from()) else { return };
        let Some(id) = from.tag().and_then(|tag| self.dialog_by_tag(tag)) else { return };
        let Some(state) = self.leg(id) else { return };
        let theirs = response.to().is_ok_and(|to| to.tag() == Some(&*state.dialog.remote_tag));
        // An INVITE whose 2xx waits for an answer is acknowledged with that.
        let waits = state.outgoing.as_ref().is_some_and(|outgoing| outgoing.cseq == cseq.number);
        let ours = cseq.method == Method::Invite && cseq.number <= state.dialog.local_cseq && !waits;
        if !status.is_success() || !theirs || !ours || state.phase != LegPhase::Confirmed {
            return;
        }
        let flow = state.dialog.flow;
        let (via, _) = self.new_via(flow);
        if let Some(leg) = self.dialogs.get(id.0) {
            self.layer.transmit(flow, leg.state.dialog.ack(&via, cseq.number).build().to_bytes());
            self.has_changed(id);
        }
    }

    /// The dialog made by an unwanted 2xx, and its ACK.
    fn unwanted(&mut self, response: &Message, flow: Flow) -> Option<(Dialog, Bytes)> {
        let Ok(Some(target)) = contact_uri(response) else { return None };
        let (Ok(routes), Ok(cseq), Ok(to)) =
            (record_routes(response, Direction::Reversed), response.cseq(), response.to())
        else {
            return None;
        };
        let dialog = Dialog {
            call_id: response.header(&HeaderName::CallId).unwrap_or_default().into(),
            local_tag: "".into(),
            remote_tag: to.tag().unwrap_or_default().into(),
            local: response.header(&HeaderName::From).unwrap_or_default().into(),
            remote: response.header(&HeaderName::To).unwrap_or_default().into(),
            contact: "".into(),
            remote_target: target.into(),
            routes,
            local_cseq: cseq.number,
            remote_cseq: None,
            flow,
        };
        let (via, _) = self.new_via(flow);
        let ack = dialog.ack(&via, cseq.number).build().to_bytes();
        Some((dialog, ack))
    }

    /// Sends a BYE and ignores its response.
    pub(super) fn send_orphan_bye(&mut self, mut dialog: Dialog, headers: &ExtraHeaders, now: Timestamp) {
        let (via, branch) = self.new_via(dialog.flow);
        let bye = with_headers(dialog.request(Method::Bye, &via), headers).build();
        let request = ClientRequest { message: &bye, branch: &branch, flow: dialog.flow, owner: super::NOBODY };
        // With a full transaction table no BYE is sent; the peer ends the dialog by its own timers.
        let _ = self.layer.send(request, now);
    }
}
