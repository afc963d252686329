//! The state of one INVITE dialog as plain data: the agent works on the same data that a snapshot contains.

use std::sync::Arc;

use bytes::Bytes;
use model::Timestamp;
use smallvec::SmallVec;

use super::command::{DialogTerms, ExtraHeaders, Provisionals};
use crate::dialog::Dialog;
use crate::offer_answer::{OfferAnswer, Side};
use crate::transaction::{ClientSnapshot, Repeat, ServerSnapshot};
use crate::{Flow, Method};

/// One dialog with its transactions, as plain data.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DialogSnapshot {
    /// The dialog.
    pub leg: LegState,
    /// The transaction of our INVITE that is pending, or was answered last.
    pub invite_client: Option<ClientSnapshot>,
    /// The transaction of the CANCEL to our INVITE.
    pub cancel_client: Option<ClientSnapshot>,
    /// The transactions of earlier INVITEs of ours that only acknowledge repeated failures.
    pub recent_clients: Vec<ClientSnapshot>,
    /// The transaction of the peer's INVITE that is pending, or was answered last.
    pub invite_server: Option<ServerSnapshot>,
    /// The transactions of `leg.requests`, in their order.
    pub clients: Vec<ClientSnapshot>,
    /// The transactions of `leg.incoming`, in their order, then recent ones that only absorb repeats.
    pub servers: Vec<ServerSnapshot>,
}

/// The state of one INVITE dialog.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LegState {
    /// The dialog's own state.
    pub dialog: Dialog,
    /// The side whose INVITE began it.
    pub begun_by: Side,
    /// The dialog's phase.
    pub phase: LegPhase,
    /// The state of its negotiation.
    pub offer_answer: OfferAnswer,
    /// Our INVITE, first or later, that has no final response or whose ACK is owed.
    pub outgoing: Option<OutgoingInvite>,
    /// The peer's INVITE, first or later, that has no final response.
    pub answering: Option<IncomingInvite>,
    /// Our 2xx that is not acknowledged yet.
    pub unacked: Option<Unacknowledged>,
    /// Our other requests that have no final response.
    pub requests: SmallVec<[PendingRequest; 1]>,
    /// The peer's other requests that the application has not answered.
    pub incoming: SmallVec<[PendingAnswer; 1]>,
    /// Our last responses within the dialog, for requests that are repeated in a new transaction.
    pub answered: SmallVec<[AnsweredRequest; 2]>,
    /// What holds in this dialog alone.
    pub terms: DialogTerms,
    /// The session timer.
    pub session: SessionTimer,
    /// A re-INVITE that met the peer's own (glare) and will be retried.
    pub glare: Option<Glare>,
    /// How many times in a row a re-INVITE met glare.
    pub glare_attempts: u8,
    /// The headers of a delayed end of the dialog: of a BYE that waits for the ACK (RFC 3261 §15), or of a CANCEL that waits
    /// for a provisional response (§9.1), then of the BYE if the answer overtakes it.
    pub bye_wanted: Option<ExtraHeaders>,
    /// Whether the peer understands UPDATE.
    pub peer_updates: bool,
    /// The number of the next reliable provisional response; 0: none was sent.
    pub next_rseq: u32,
    /// Challenges answered since the last success.
    pub challenges: u8,
    /// The account whose credentials answer challenges.
    pub account: Option<Box<str>>,
    /// The nonces that were used last, the youngest at the end: a peer may send one again, and its uses are counted.
    pub nonces: SmallVec<[NonceUse; 1]>,
}

/// How often a nonce was used (RFC 7616 §3.4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NonceUse {
    /// The nonce.
    pub nonce: Box<str>,
    /// The number of its uses.
    pub count: u32,
}

/// The phase of a dialog.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LegPhase {
    /// Our first INVITE has no final response.
    Inviting,
    /// The peer's first INVITE has no final response.
    Ringing,
    /// Answered.
    Confirmed,
    /// Our BYE has no response.
    Leaving,
}

/// An INVITE of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutgoingInvite {
    /// Its sequence number.
    pub cseq: u32,
    /// Its progress.
    pub stage: OutgoingStage,
    /// Whether it declares support for reliable provisional responses.
    pub provisionals: Provisionals,
    /// Early dialogs, one per fork (first INVITE only).
    pub forks: Vec<EarlyDialog>,
    /// Whether it begins the dialog, changes the session or refreshes it.
    pub purpose: InvitePurpose,
    /// The request as it was sent, to be repeated with credentials or another session interval.
    pub request: Bytes,
}

/// The progress of an INVITE of ours.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum OutgoingStage {
    /// It waits for a final response.
    Pending,
    /// As before, and it will be cancelled as soon as a provisional response comes.
    CancelWanted,
    /// CANCEL was sent.
    Cancelled,
    /// It was answered with an offer; the answer goes into the ACK.
    AckOwed,
}

/// The purpose of an INVITE.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum InvitePurpose {
    /// To begin the dialog.
    Begin,
    /// To change the session.
    Change,
    /// To keep it alive.
    Refresh,
}

/// One fork of our INVITE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EarlyDialog {
    /// Its dialog.
    pub dialog: Dialog,
    /// Its negotiation.
    pub offer_answer: OfferAnswer,
    /// The last RSeq received.
    pub rseq: Option<u32>,
}

/// An INVITE of the peer that has no final response.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IncomingInvite {
    /// The request.
    pub request: Bytes,
    /// Its sequence number.
    pub cseq: u32,
    /// A reliable provisional response that waits for its PRACK.
    pub unpracked: Option<Unpracked>,
    /// Responses that wait for that PRACK; a failure never waits.
    pub queued: Vec<QueuedReply>,
    /// The last provisional response, and when to repeat it so that no proxy times out (RFC 3261 §13.3.1.1).
    pub keep_alive: Option<(Timestamp, Bytes)>,
    /// Whether provisional responses to it are reliable.
    pub provisionals: Provisionals,
}

impl IncomingInvite {
    /// The last provisional response that is repeated.
    pub(super) fn last_response(&self) -> Option<&Bytes> {
        let waiting = self.unpracked.as_ref().map(|waiting| &waiting.response);
        waiting.or(self.keep_alive.as_ref().map(|(_, response)| response))
    }
}

/// A reliable provisional response that waits for its PRACK.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unpracked {
    /// Its number.
    pub rseq: u32,
    /// The response.
    pub response: Bytes,
    /// When it is sent again.
    pub repeat: Repeat,
    /// When to stop waiting.
    pub end: Timestamp,
}

/// A response to an INVITE that waits for a PRACK.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueuedReply {
    /// Its status.
    pub status: u16,
    /// Further headers.
    pub headers: ExtraHeaders,
    /// The session description.
    pub session: Option<Bytes>,
}

/// A 2xx of ours that is not acknowledged yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unacknowledged {
    /// The INVITE's sequence number.
    pub cseq: u32,
    /// The response.
    pub response: Bytes,
    /// The flow to send it on.
    pub flow: Flow,
    /// When to send it again: at the intervals of timer G, over streams too, since they break (RFC 3261 §13.3.1.4).
    pub repeat: Repeat,
    /// When to stop waiting.
    pub end: Timestamp,
}

/// A request of ours that has no final response.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PendingRequest {
    /// The application's id of the request.
    pub id: u64,
    /// Its method.
    pub method: Method,
    /// Its purpose.
    pub purpose: RequestPurpose,
    /// The request as it was sent, to be repeated with credentials.
    pub request: Bytes,
    /// Whether a snapshot leaves it out: its body is a secret.
    pub is_secret: bool,
}

/// The purpose of a request of ours.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RequestPurpose {
    /// Requested by the application, which gets the response.
    Application,
    /// It changes the session.
    Change,
    /// It keeps the session alive.
    Refresh,
    /// It acknowledges a provisional response.
    Acknowledge,
    /// It ends the dialog.
    Leave,
}

/// A request of the peer that the application has not answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PendingAnswer {
    /// The application's id of the request.
    pub id: u64,
    /// Its sequence number.
    pub cseq: u32,
    /// The request.
    pub request: Bytes,
    /// Whether it is an offer (UPDATE, PRACK) and not an INFO.
    pub is_offer: bool,
}

/// A response of ours within the dialog.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnsweredRequest {
    /// The request's sequence number.
    pub cseq: u32,
    /// The request's method.
    pub method: Method,
    /// The response.
    pub response: Bytes,
}

/// The session timer of a dialog (RFC 4028).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SessionTimer {
    /// The session interval in seconds; 0: the session does not expire.
    pub interval_s: u32,
    /// Whether we refresh.
    pub we_refresh: bool,
    /// When we refresh, or when we stop waiting for the peer's refresh.
    pub due: Option<Timestamp>,
    /// The smallest interval that the peer accepts, in seconds.
    pub min_se_s: u32,
    /// When the session expires unless it is refreshed before; none where the peer has not agreed to a timer, and in records of the release
    /// before.
    pub expires_at: Option<Timestamp>,
}

/// A re-INVITE that met the peer's own (RFC 3261 §14.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Glare {
    /// When to retry it.
    pub due: Timestamp,
    /// Its purpose.
    pub purpose: InvitePurpose,
}

/// A request shared between the agent and the application.
pub(super) type Shared = Arc<crate::Message>;
