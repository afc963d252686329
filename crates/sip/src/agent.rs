//! The user agent: all dialogs and transactions of one node, without I/O.
//!
//! Drive loop: hand in what arrives ([`UserAgent::receive`]), what the application wants (the verbs) and time
//! ([`UserAgent::handle_timeout`]); then drain [`UserAgent::poll_event`] and [`UserAgent::poll_transmit`], and come back
//! at [`UserAgent::next_timeout`]. Nothing leaves before it is drained, so that an application can commit first.

mod command;
mod event;
mod state;

pub use command::{
    AgentConfig, AgentCredentials, Body, CommandError, DialogId, ExtraHeaders, IncomingId, Invite, LocalIdentity,
    OutgoingRequest, Provisionals, Reliability, Reply, RequestId,
};
pub use event::{Event, Release, Session};
pub use state::*;

use bytes::Bytes;
use model::{Entropy, Timestamp};

use crate::transaction::TransactionLayer;
use crate::{Flow, Message, StatusCode, Transmit};

/// All dialogs and transactions of one node.
pub struct UserAgent {
    config: AgentConfig,
    entropy: Box<dyn Entropy>,
    layer: TransactionLayer,
}

/// How a snapshot is taken over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Restore {
    /// What replaces every flow over a stream: the old node's connections are not ours.
    pub stream: Option<Flow>,
    /// Whether messages may be lost that the snapshot calls sent: they are sent again.
    pub resend: bool,
    /// What is added to our sequence number: 1,000 where the last commit may be missing, else 0.
    pub cseq_jump: u32,
}

#[allow(unused_variables, clippy::needless_pass_by_value)]
impl UserAgent {
    /// An agent without dialogs.
    pub fn new(config: AgentConfig, entropy: Box<dyn Entropy>) -> Self {
        let layer = TransactionLayer::new(config.intervals);
        Self { config, entropy, layer }
    }
    /// Takes a message that arrived.
    pub fn receive(&mut self, message: Message, flow: Flow, now: Timestamp) { todo!() }
    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Timestamp) { todo!() }
    /// When [`Self::handle_timeout`] is to be called next; perhaps for nothing.
    pub fn next_timeout(&self) -> Option<Timestamp> { todo!() }
    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> { todo!() }
    /// The next message to be sent.
    pub fn poll_transmit(&mut self) -> Option<Transmit> { todo!() }
    /// Begins a dialog.
    pub fn invite(&mut self, invite: Invite, now: Timestamp) -> Result<DialogId, CommandError> { todo!() }
    /// Gives an incoming dialog our tag and contact. Must come before any response but a rejection.
    pub fn identify(&mut self, dialog: DialogId, local: LocalIdentity) -> Result<(), CommandError> { todo!() }
    /// Sends a provisional response to their first INVITE.
    pub fn provisional(&mut self, dialog: DialogId, reply: Reply, now: Timestamp) -> Result<(), CommandError> { todo!() }
    /// Answers their first INVITE with 2xx.
    pub fn answer(&mut self, dialog: DialogId, reply: Reply, now: Timestamp) -> Result<(), CommandError> { todo!() }
    /// Refuses their first INVITE with 3xx to 6xx. `Released(ByUs)` follows.
    pub fn reject(&mut self, dialog: DialogId, reply: Reply, now: Timestamp) -> Result<(), CommandError> { todo!() }
    /// Answers the offer in a 2xx to our INVITE (`Answered` with `Session::Offer`, or `Proposed`).
    pub fn ack(&mut self, dialog: DialogId, answer: Bytes, now: Timestamp) -> Result<(), CommandError> { todo!() }
    /// Offers a change of the session by re-INVITE; without an offer the peer is asked for one.
    pub fn reinvite(&mut self, dialog: DialogId, offer: Option<Bytes>, headers: ExtraHeaders, now: Timestamp) -> Result<(), CommandError> { todo!() }
    /// Offers a change of the session by UPDATE (RFC 3311), or sends one without a body.
    pub fn update(&mut self, dialog: DialogId, offer: Option<Bytes>, headers: ExtraHeaders, now: Timestamp) -> Result<(), CommandError> { todo!() }
    /// Accepts the peer's open offer (`Offered`) with an answer.
    pub fn accept_offer(&mut self, dialog: DialogId, answer: Bytes, now: Timestamp) -> Result<(), CommandError> { todo!() }
    /// Refuses the peer's open offer, usually with 488.
    pub fn refuse_offer(&mut self, dialog: DialogId, status: StatusCode, now: Timestamp) -> Result<(), CommandError> { todo!() }
    /// Sends an INFO.
    pub fn info(&mut self, dialog: DialogId, body: Body, headers: ExtraHeaders, now: Timestamp) -> Result<RequestId, CommandError> { todo!() }
    /// Sends OPTIONS within the dialog.
    pub fn options(&mut self, dialog: DialogId, headers: ExtraHeaders, now: Timestamp) -> Result<RequestId, CommandError> { todo!() }
    /// Cancels our first INVITE. `Failed` follows.
    pub fn cancel(&mut self, dialog: DialogId, headers: ExtraHeaders, now: Timestamp) -> Result<(), CommandError> { todo!() }
    /// Ends the dialog by BYE. `Released(ByUs)` follows.
    pub fn bye(&mut self, dialog: DialogId, headers: ExtraHeaders, now: Timestamp) -> Result<(), CommandError> { todo!() }
    /// Sends a request outside every dialog.
    pub fn request(&mut self, request: OutgoingRequest, now: Timestamp) -> Result<RequestId, CommandError> { todo!() }
    /// Answers a request (`Info`, `Request`).
    pub fn respond(&mut self, request: IncomingId, reply: Reply, now: Timestamp) -> Result<(), CommandError> { todo!() }
    /// The dialog with that local tag.
    pub fn dialog_by_tag(&self, local_tag: &str) -> Option<DialogId> { todo!() }
    /// The state of a dialog.
    pub fn leg(&self, dialog: DialogId) -> Option<&LegState> { todo!() }
    /// Changes the flow that requests of a dialog go down.
    pub fn set_flow(&mut self, dialog: DialogId, flow: Flow) -> Result<(), CommandError> { todo!() }
    /// A flow broke: what waits for a final response on it fails with 503.
    pub fn flow_failed(&mut self, flow: Flow, now: Timestamp) { todo!() }
    /// Everything on `old` goes on over `new`; what nobody has answered is sent again.
    pub fn move_flow(&mut self, old: Flow, new: Flow) { todo!() }
    /// These dialogs as plain data; those that are gone are left out.
    pub fn snapshot(&self, dialogs: &[DialogId]) -> Vec<DialogSnapshot> { todo!() }
    /// Goes on with dialogs of another agent; each gets a new handle, in order.
    pub fn restore(&mut self, snapshots: Vec<DialogSnapshot>, how: Restore, now: Timestamp) -> Result<Vec<DialogId>, CommandError> { todo!() }
}
