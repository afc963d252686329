//! The last message of a dialog that no agent can continue, made from its snapshot alone.
//!
//! A node that finds a record unusable must still end the call for its parties. The agent's own state is not touched: each
//! message is sent once, without a transaction, over a reliable connection; the proxy behind it repeats it if needed.

use bytes::Bytes;

use super::UserAgent;
use super::snapshot::Restore;
use super::state::{DialogSnapshot, LegPhase};
use crate::header::HeaderName;
use crate::transaction::hop_request;
use crate::{Builder, Message, Method, StatusCode};

impl UserAgent {
    /// Ends a dialog for its peer: by BYE, by CANCEL if our INVITE has no answer, or by refusing the peer's INVITE with 503.
    /// Sends nothing if the INVITE in the snapshot cannot be parsed any more.
    pub fn end_from_snapshot(&mut self, mut snapshot: DialogSnapshot, how: Restore) {
        snapshot.put_copies_back();
        let flow = how.flow(snapshot.leg.dialog.flow);
        let last_word = match snapshot.leg.phase {
            LegPhase::Confirmed | LegPhase::Leaving => {
                let (via, _) = self.new_via(flow);
                let mut dialog = snapshot.leg.dialog.clone();
                Some(reasoned(dialog.request(Method::Bye, &via)).build().to_bytes())
            }
            LegPhase::Inviting => cancel_of(&snapshot),
            LegPhase::Ringing => self.refusal_of(&snapshot),
        };
        if let Some(bytes) = last_word {
            self.layer.transmit(flow, bytes);
        }
    }

    fn refusal_of(&mut self, snapshot: &DialogSnapshot) -> Option<Bytes> {
        let answering = snapshot.leg.answering.as_ref()?;
        let request = Message::parse(answering.request.clone()).ok()?;
        let tag = snapshot.leg.dialog.local_tag.clone();
        Some(reasoned(self.plain_response(&request, StatusCode::SERVICE_UNAVAILABLE, &tag)).build().to_bytes())
    }
}

/// The CANCEL has the branch of its INVITE (RFC 3261 §9.1), so the stored request suffices.
fn cancel_of(snapshot: &DialogSnapshot) -> Option<Bytes> {
    let outgoing = snapshot.leg.outgoing.as_ref()?;
    let invite = Message::parse(outgoing.request.clone()).ok()?;
    let mut cancel = hop_request(&invite, Method::Cancel, None);
    cancel.append(&HeaderName::Reason, REASON);
    Some(cancel.to_bytes())
}

fn reasoned(message: Builder) -> Builder {
    message.header(&HeaderName::Reason, REASON)
}

/// The reason (RFC 3326): the fault is ours, not the peer's.
const REASON: &str = "SIP;cause=500;text=\"the call could not be continued\"";
