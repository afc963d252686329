//! What the user agent tells its application.

use std::sync::Arc;

use bytes::Bytes;

use super::command::{DialogId, IncomingId, RequestId};
use crate::{Flow, Message, StatusCode};

/// Something happened. Each dialog ends with exactly one [`Event::Failed`] or [`Event::Released`].
#[derive(Clone, Debug)]
pub enum Event {
    /// An INVITE came that begins a dialog. The application identifies it, then answers or rejects it.
    Incoming {
        /// The new dialog.
        dialog: DialogId,
        /// The INVITE; its body, if there is one, is an offer.
        request: Arc<Message>,
        /// Where it came from.
        flow: Flow,
    },
    /// A provisional response above 100 came to our INVITE.
    Progress {
        /// The dialog.
        dialog: DialogId,
        /// Which fork sent it, from 0 in order of appearance.
        fork: u32,
        /// The response.
        response: Arc<Message>,
        /// What its body means.
        session: Session,
    },
    /// Our INVITE was answered. [`Session::Offer`] must be answered by [`super::UserAgent::ack`]; else the ACK is out already.
    Answered {
        /// The dialog.
        dialog: DialogId,
        /// The 2xx.
        response: Arc<Message>,
        /// What its body means.
        session: Session,
    },
    /// Our INVITE ended without a dialog. The handle is dead.
    Failed {
        /// The dialog that did not come to be.
        dialog: DialogId,
        /// Why: the response's status, 408 when nobody answered, 503 when the flow broke, 487 when we cancelled.
        status: StatusCode,
        /// The response, if there was one.
        response: Option<Arc<Message>>,
    },
    /// The ACK to our 2xx came.
    Acknowledged {
        /// The dialog.
        dialog: DialogId,
        /// The answer to the offer in our 2xx.
        answer: Option<Bytes>,
    },
    /// The peer offers a change of the session: answer by [`super::UserAgent::accept_offer`] or [`super::UserAgent::refuse_offer`].
    Offered {
        /// The dialog.
        dialog: DialogId,
        /// INVITE, UPDATE or PRACK.
        request: Arc<Message>,
        /// The offer.
        offer: Bytes,
    },
    /// The peer's re-INVITE asks for an offer of ours: make it by [`super::UserAgent::accept_offer`], or refuse by
    /// [`super::UserAgent::refuse_offer`]. It is to say what we want now, not what was agreed last: a session on hold would
    /// stay so for good (RFC 6337 §5.3). `Acknowledged` brings the answer.
    OfferWanted {
        /// The dialog.
        dialog: DialogId,
    },
    /// The session was renegotiated: the peer answered our offer.
    Renegotiated {
        /// The dialog.
        dialog: DialogId,
        /// The answer.
        answer: Bytes,
    },
    /// The peer offers a session in its 2xx to our re-INVITE without one: answer by [`super::UserAgent::ack`].
    Proposed {
        /// The dialog.
        dialog: DialogId,
        /// The offer.
        offer: Bytes,
    },
    /// Our offer within the dialog was refused; the session is as it was.
    Refused {
        /// The dialog.
        dialog: DialogId,
        /// The status.
        status: StatusCode,
        /// The response.
        response: Option<Arc<Message>>,
    },
    /// An INFO came: answer by [`super::UserAgent::respond`].
    Info {
        /// The dialog.
        dialog: DialogId,
        /// To answer it by.
        request: IncomingId,
        /// The request.
        message: Arc<Message>,
    },
    /// A response came to an INFO, OPTIONS or request outside a dialog. Within one, 408 and 481 end the dialog too:
    /// `Released` follows (RFC 3261 §12.2.1.2).
    Responded {
        /// The dialog, if it was within one.
        dialog: Option<DialogId>,
        /// The request.
        request: RequestId,
        /// The status; 408 when nobody answered, 503 when the flow broke.
        status: StatusCode,
        /// The response; provisional ones are not told.
        response: Option<Arc<Message>>,
    },
    /// A request came outside every dialog: answer by [`super::UserAgent::respond`].
    Request {
        /// To answer it by.
        request: IncomingId,
        /// The request.
        message: Arc<Message>,
        /// Where it came from.
        flow: Flow,
    },
    /// The session was refreshed by either side, unchanged (RFC 4028).
    Refreshed {
        /// The dialog.
        dialog: DialogId,
    },
    /// The dialog is over. The handle is dead.
    Released {
        /// The dialog.
        dialog: DialogId,
        /// Why.
        reason: Release,
    },
}

/// What the body of a response to our INVITE means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Session {
    /// There is none, or it repeats what is settled.
    Nothing,
    /// What the answer will be.
    Preview(Bytes),
    /// The answer to our offer.
    Answer(Bytes),
    /// An offer.
    Offer(Bytes),
}

/// Why a dialog ended.
#[derive(Clone, Debug)]
pub enum Release {
    /// We sent BYE, or a failure to their INVITE.
    ByUs,
    /// The peer sent BYE.
    ByPeer(Arc<Message>),
    /// The peer cancelled its INVITE before the answer.
    Cancelled(Arc<Message>),
    /// The peer did not acknowledge our answer or a reliable provisional response (RFC 3261 §13.3.1.4, RFC 3262 §3).
    Unacknowledged,
    /// The session timer ran out without a refresh.
    Expired,
    /// The peer no longer answers or no longer knows the dialog: the status that says so (408, 481, 503).
    Gone(StatusCode),
    /// It took more steps in one turn than any dialog needs.
    Overrun,
    /// The peer broke a rule without which the dialog makes no sense.
    Violation(&'static str),
}
