//! The user agent's events for its application.

use std::sync::Arc;

use bytes::Bytes;

use super::command::{DialogId, IncomingId, RequestId};
use crate::location::Geolocation;
use crate::{Flow, Message, StatusCode};

/// An event. Each dialog ends with exactly one [`Event::Failed`] or [`Event::Released`].
#[derive(Clone, Debug)]
pub enum Event {
    /// An INVITE that begins a dialog came. The application identifies the dialog, then answers or rejects it.
    Incoming {
        /// The new dialog.
        dialog: DialogId,
        /// The INVITE; its body, if there is one, is an offer.
        request: Arc<Message>,
        /// Where the caller is, if the INVITE says so by value. No snapshot has it.
        location: Option<Geolocation>,
        /// The flow that it came on.
        flow: Flow,
    },
    /// A provisional response above 100 came to our INVITE.
    Progress {
        /// The dialog.
        dialog: DialogId,
        /// The fork that sent it, numbered from 0 in order of appearance.
        fork: u32,
        /// The response.
        response: Arc<Message>,
        /// The meaning of its body.
        session: Session,
    },
    /// Our INVITE was answered. [`Session::Offer`] must be answered by [`super::UserAgent::ack`]; otherwise the ACK was sent
    /// already.
    Answered {
        /// The dialog.
        dialog: DialogId,
        /// The 2xx.
        response: Arc<Message>,
        /// The meaning of its body.
        session: Session,
    },
    /// Our INVITE ended without a dialog. The handle is no longer valid.
    Failed {
        /// The dialog that was not established.
        dialog: DialogId,
        /// The reason: the response's status, 408 if no answer came, 503 if the flow broke, 487 if we cancelled.
        status: StatusCode,
        /// The response, if there was one.
        response: Option<Arc<Message>>,
    },
    /// The peer refused our INVITE with a status that its location may be to blame for: it has gone out again without.
    LocationRefused {
        /// The dialog that is still to be established.
        dialog: DialogId,
        /// The status.
        status: StatusCode,
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
    /// The peer's re-INVITE requests an offer: make it by [`super::UserAgent::accept_offer`], or refuse by
    /// [`super::UserAgent::refuse_offer`]. Offer the session wanted now, not the one agreed last: a session on hold would stay
    /// on hold for good (RFC 6337 §5.3). `Acknowledged` brings the answer.
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
    /// A re-INVITE of ours met the peer's own (491), and its time has come again: offer the session that is wanted now by
    /// [`super::UserAgent::reinvite`]. The old offer may have the version of an answer that we have given since (RFC 3264 §8).
    GlareOver {
        /// The dialog.
        dialog: DialogId,
    },
    /// The peer offers a session in its 2xx to our re-INVITE without one: answer by [`super::UserAgent::ack`].
    Proposed {
        /// The dialog.
        dialog: DialogId,
        /// The offer.
        offer: Bytes,
    },
    /// Our offer within the dialog was refused; the session is unchanged.
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
        /// The id to answer it with.
        request: IncomingId,
        /// The request.
        message: Arc<Message>,
    },
    /// The peer asks to be transferred (RFC 3515): answer by [`super::UserAgent::respond`], with 202 if it will be tried, and report how
    /// that goes by [`super::UserAgent::notify`].
    Referred {
        /// The dialog.
        dialog: DialogId,
        /// The id to answer it with.
        request: IncomingId,
        /// The request.
        message: Arc<Message>,
    },
    /// The peer reports how our REFER goes (RFC 3515 §2.4.4); it was answered.
    Notified {
        /// The dialog.
        dialog: DialogId,
        /// The NOTIFY; its body is the status line of a response.
        message: Arc<Message>,
    },
    /// A response came to an INFO, NOTIFY, REFER, OPTIONS or request outside a dialog. Within one, 408 and 481 end the dialog too:
    /// `Released` follows (RFC 3261 §12.2.1.2).
    Responded {
        /// The dialog, if it was within one.
        dialog: Option<DialogId>,
        /// The request.
        request: RequestId,
        /// The status; 408 if no answer came, 503 if the flow broke.
        status: StatusCode,
        /// The final response; provisional ones are not reported.
        response: Option<Arc<Message>>,
    },
    /// A request came outside every dialog: answer by [`super::UserAgent::respond`].
    Request {
        /// The id to answer it with.
        request: IncomingId,
        /// The request.
        message: Arc<Message>,
        /// The flow that it came on.
        flow: Flow,
    },
    /// The session was refreshed by either side, unchanged (RFC 4028).
    Refreshed {
        /// The dialog.
        dialog: DialogId,
    },
    /// The dialog is over. The handle is no longer valid.
    Released {
        /// The dialog.
        dialog: DialogId,
        /// The reason.
        reason: Release,
    },
}

/// The meaning of the body of a response to our INVITE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Session {
    /// There is no body, or it repeats the settled session.
    Nothing,
    /// A preview of the answer.
    Preview(Bytes),
    /// The answer to our offer.
    Answer(Bytes),
    /// An offer.
    Offer(Bytes),
}

/// Why a dialog ended.
#[derive(Clone, Debug)]
pub enum Release {
    /// We sent BYE, or a failure response to the peer's INVITE.
    ByUs,
    /// The peer sent BYE.
    ByPeer(Arc<Message>),
    /// The peer cancelled its INVITE before the answer.
    Cancelled(Arc<Message>),
    /// The peer did not acknowledge our answer or a reliable provisional response (RFC 3261 §13.3.1.4, RFC 3262 §3).
    Unacknowledged,
    /// The session timer ran out without a refresh.
    Expired,
    /// The peer no longer responds or no longer knows the dialog, as this status shows (408, 481, 503).
    Gone(StatusCode),
    /// The dialog took more steps in one turn than any dialog needs.
    Overrun,
    /// The peer broke a rule that the dialog depends on.
    Violation(&'static str),
}
