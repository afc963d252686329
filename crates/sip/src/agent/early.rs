//! Requests within the early dialog of our INVITE: the phone rings and has not answered yet (RFC 3261 section 12.1).

use model::Timestamp;

use super::UserAgent;
use super::command::{CommandError, DialogId, ExtraHeaders, RequestId};
use super::compose::with_headers;
use super::state::{LegPhase, OutgoingStage, RequestPurpose};
use super::within_client::REQUESTS_MAX;
use crate::Method;

impl UserAgent {
    /// Sends NOTIFY to a ringing phone. `Responded` follows.
    ///
    /// # Errors
    /// When it has not reported ringing, has answered, or is being cancelled.
    pub fn notify_ringing(
        &mut self,
        dialog: DialogId,
        headers: &ExtraHeaders,
        now: Timestamp,
    ) -> Result<RequestId, CommandError> {
        let flow = self.dialogs.get(dialog.0).ok_or(CommandError::Gone)?.state.dialog.flow;
        let (via, branch) = self.new_via(flow);
        let leg = self.dialogs.get_mut(dialog.0).ok_or(CommandError::Gone)?;
        let outgoing = match (leg.state.phase, &mut leg.state.outgoing) {
            (LegPhase::Inviting, Some(outgoing)) if outgoing.stage == OutgoingStage::Pending => outgoing,
            _ => return Err(CommandError::WrongState("NOTIFY")),
        };
        // A contact is one phone: its own forks count as one dialog.
        if leg.clients.len() >= REQUESTS_MAX {
            return Err(CommandError::WrongState("another NOTIFY"));
        }
        let early = outgoing.forks.first_mut().ok_or(CommandError::WrongState("NOTIFY"))?;
        let notify = with_headers(early.dialog.request(Method::Notify, &via), headers).build();
        let request = RequestId(self.entropy.next_u64());
        self.track(dialog, request, &notify, &branch, RequestPurpose::Application, now)?;
        Ok(request)
    }
}
