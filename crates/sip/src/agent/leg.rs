//! A dialog in the agent: its state and the handles of its transactions.

use bytes::Bytes;
use model::Timestamp;
use smallvec::SmallVec;

use super::command::DialogTerms;
use super::state::{AnsweredRequest, LegPhase, LegState, OutgoingStage, SessionTimer, Shared};
use crate::dialog::Dialog;
use crate::offer_answer::{OfferAnswer, Phase, Side};
use crate::transaction::{ClientId, ServerId, TransactionLayer};
use crate::{Message, Method};

/// The most responses within a dialog that are kept for requests repeated in a new transaction.
const ANSWERED_MAX: usize = 4;
/// The most answered transactions that a snapshot includes to absorb repeats.
const RECENT_MAX: usize = 8;

#[derive(Debug)]
pub(super) struct Leg {
    pub(super) state: LegState,
    pub(super) invite_client: Option<ClientId>,
    pub(super) invite_server: Option<ServerId>,
    /// The transactions of `state.requests`, in the same order.
    pub(super) clients: SmallVec<[ClientId; 1]>,
    /// The transactions of `state.incoming`, in the same order.
    pub(super) servers: SmallVec<[ServerId; 1]>,
    pub(super) recent: SmallVec<[ServerId; 2]>,
    /// Earlier INVITEs of ours, whose failures are acknowledged again when repeated.
    pub(super) recent_clients: SmallVec<[ClientId; 1]>,
    pub(super) cancel_client: Option<ClientId>,
    /// `state.answering.request`, parsed.
    pub(super) request: Option<Shared>,
    /// Whether it came from another agent, or its flow broke: then a repeat may come in a new transaction.
    pub(super) restored: bool,
    /// Whether we have sent a REFER: then notices about it come.
    pub(super) has_referred: bool,
    pub(super) armed: Timestamp,
    /// The last turn in which it took steps, and the number of those steps.
    pub(super) steps: (u64, u32),
}

impl Leg {
    pub(super) fn new(dialog: Dialog, phase: LegPhase) -> Self {
        let state = LegState {
            dialog,
            begun_by: if phase == LegPhase::Inviting { Side::Us } else { Side::Them },
            phase,
            offer_answer: OfferAnswer::default(),
            outgoing: None,
            answering: None,
            unacked: None,
            requests: SmallVec::new(),
            incoming: SmallVec::new(),
            answered: SmallVec::new(),
            terms: DialogTerms::default(),
            session: SessionTimer::default(),
            glare: None,
            glare_attempts: 0,
            bye_wanted: None,
            peer_updates: false,
            next_rseq: 0,
            challenges: 0,
            account: None,
            nonces: SmallVec::new(),
        };
        Self {
            state,
            invite_client: None,
            invite_server: None,
            clients: SmallVec::new(),
            servers: SmallVec::new(),
            recent: SmallVec::new(),
            recent_clients: SmallVec::new(),
            cancel_client: None,
            request: None,
            restored: false,
            has_referred: false,
            armed: Timestamp::MAX,
            steps: (0, 0),
        }
    }

    /// When to wake the dialog itself, apart from its transactions.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let state = &self.state;
        let unacked = state.unacked.as_ref().map(|u| u.repeat.due.min(u.end));
        let answering = state.answering.as_ref();
        let unpracked = answering.and_then(|a| a.unpracked.as_ref()).map(|u| u.repeat.due.min(u.end));
        let keep_alive = answering.and_then(|a| a.keep_alive.as_ref()).map(|(due, _)| *due);
        let glare = state.glare.as_ref().map(|g| g.due);
        [unacked, unpracked, keep_alive, state.session.due, glare].into_iter().flatten().min()
    }

    /// Whether neither side has an INVITE or an offer under way, so that we may offer.
    pub(super) fn may_offer(&self) -> bool {
        let state = &self.state;
        let busy = state.outgoing.is_some() || state.answering.is_some() || state.unacked.is_some();
        !busy && state.glare.is_none() && state.offer_answer.phase() == Phase::Stable
    }

    /// Whether an INVITE of ours waits for its final response.
    pub(super) fn invite_pending(&self) -> bool {
        self.state.outgoing.as_ref().is_some_and(|o| o.stage != OutgoingStage::AckOwed)
    }

    /// Keeps a response for a request that is repeated in a new transaction.
    pub(super) fn remember(&mut self, cseq: u32, method: Method, response: Bytes) {
        if self.state.answered.len() == ANSWERED_MAX {
            self.state.answered.remove(0);
        }
        self.state.answered.push(AnsweredRequest { cseq, method, response });
        self.bound_answered();
    }

    /// Keeps the handle of a server transaction.
    pub(super) fn keep(&mut self, server: ServerId, layer: &TransactionLayer) {
        self.recent.retain(|s| layer.server_state(*s).is_some());
        if self.recent.len() == RECENT_MAX {
            self.recent.remove(0);
        }
        self.recent.push(server);
    }

    /// Makes `client` the transaction of our INVITE and keeps the previous one.
    pub(super) fn follow(&mut self, client: ClientId, layer: &TransactionLayer) {
        self.recent_clients.retain(|c| layer.client_state(*c).is_some());
        if let Some(before) = self.invite_client.replace(client) {
            if self.recent_clients.len() == RECENT_MAX {
                self.recent_clients.remove(0);
            }
            self.recent_clients.push(before);
        }
    }

    /// The INVITE that waits for our final response.
    pub(super) fn invite_request(&mut self) -> Option<Shared> {
        if self.request.is_none() {
            let bytes = self.state.answering.as_ref()?.request.clone();
            self.request = Message::parse(bytes).ok().map(Shared::new);
        }
        self.request.clone()
    }
}

impl Leg {
    /// The key of the INVITE that began a dialog of the peer; the same on every path (RFC 3261 §8.2.2.2).
    pub(super) fn initial_key(&self) -> Option<Box<str>> {
        let dialog = &self.state.dialog;
        (self.state.begun_by == Side::Them).then(|| format!("{}\n{}", dialog.call_id, dialog.remote_tag).into())
    }

    /// Whether the dialog has our tag.
    pub(super) fn identified(&self) -> bool {
        !self.state.dialog.local_tag.is_empty()
    }
}
