//! Dialogs are exported as plain data and continued in another agent.

use bytes::Bytes;
use model::Timestamp;

use super::bounds::{client_bytes, recent, server_bytes};
use super::command::{CommandError, DialogId, IncomingId};
use super::invite_failure::GLARE_WAIT_MAX;
use super::invite_server::KEEP_ALIVE;
use super::leg::Leg;
use super::state::{DialogSnapshot, LegPhase, LegState, RequestPurpose};
use super::{UserAgent, Waiting};
use crate::header::CSeq;
use crate::transaction::{ClientId, ClientSnapshot, ServerId, ServerSnapshot, ServerState};
use crate::{Flow, Message, Method, StatusCode};

/// How a snapshot is restored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Restore {
    /// Replaces every flow over a stream, since the old node's connections are not ours.
    pub stream: Option<Flow>,
    /// Whether messages that the snapshot records as sent may be lost: unanswered requests are sent again.
    pub resend: bool,
    /// Added to our sequence number and the counts of nonces: 1,000 if the last commit may be missing, else 0.
    pub cseq_jump: u32,
}

impl Restore {
    /// Continues without any change.
    pub const UNCHANGED: Self = Self { stream: None, resend: false, cseq_jump: 0 };

    pub(super) fn flow(&self, flow: Flow) -> Flow {
        match (flow, self.stream) {
            (Flow::Stream { .. }, Some(new)) => new,
            _ => flow,
        }
    }
}

impl UserAgent {
    /// These dialogs as plain data; those that no longer exist are left out.
    pub fn snapshot(&self, dialogs: &[DialogId]) -> Vec<DialogSnapshot> {
        dialogs.iter().filter_map(|id| self.snapshot_leg(self.dialogs.get(id.0)?)).collect()
    }

    pub(super) fn snapshot_leg(&self, leg: &Leg) -> Option<DialogSnapshot> {
        let client = |client: &ClientId| self.layer.snapshot_client(*client);
        let server = |server: &ServerId| self.layer.snapshot_server(*server);
        let lingering = |s: &&ServerId| !leg.servers.contains(s) && leg.invite_server != Some(**s);
        let lingering = recent(leg.recent.iter().filter(lingering).filter_map(server).collect(), server_bytes);
        // In the same order; see `Leg::clients`.
        let stored = leg.state.requests.iter().zip(&leg.clients).filter(|(pending, _)| !pending.is_secret);
        let mut snapshot = DialogSnapshot {
            leg: LegState {
                requests: stored.clone().map(|(pending, _)| pending.clone()).collect(),
                ..leg.state.clone()
            },
            invite_client: leg.invite_client.as_ref().and_then(client),
            cancel_client: leg.cancel_client.as_ref().and_then(client),
            recent_clients: recent(leg.recent_clients.iter().filter_map(client).collect(), client_bytes),
            invite_server: leg.invite_server.as_ref().and_then(server),
            clients: stored.clone().filter_map(|(_, id)| client(id)).collect(),
            servers: leg.servers.iter().filter_map(server).chain(lingering).collect(),
        };
        snapshot.leave_out_copies();
        Some(snapshot)
    }

    /// Continues dialogs of another agent; each gets a new handle, in their order.
    ///
    /// # Errors
    /// When the agent is full or has a dialog with that tag. The dialogs before it are restored.
    pub fn restore(
        &mut self,
        snapshots: Vec<DialogSnapshot>,
        how: Restore,
        now: Timestamp,
    ) -> Result<Vec<DialogId>, CommandError> {
        snapshots.into_iter().map(|snapshot| self.restore_leg(snapshot, how, now)).collect()
    }

    /// INFOs of a dialog that wait for the application's response, in order. The application that continues a dialog has not seen
    /// them, and their repeats are no new requests.
    pub fn waiting_infos(&self, dialog: DialogId) -> Vec<(IncomingId, Message)> {
        let waiting = self.dialogs.get(dialog.0).into_iter().flat_map(|leg| &leg.state.incoming);
        let infos = waiting.filter_map(|pending| Some((pending.id, Message::parse(pending.request.clone()).ok()?)));
        infos.filter(|(_, message)| message.method() == Method::Info).map(|(id, info)| (IncomingId(id), info)).collect()
    }

    fn restore_leg(
        &mut self,
        mut snapshot: DialogSnapshot,
        how: Restore,
        now: Timestamp,
    ) -> Result<DialogId, CommandError> {
        snapshot.put_copies_back();
        let mut state = snapshot.leg.clone();
        if self.by_tag.contains_key(&state.dialog.local_tag) {
            return Err(CommandError::TagTaken);
        }
        state.dialog.flow = how.flow(state.dialog.flow);
        state.dialog.local_cseq = state.dialog.local_cseq.saturating_add(how.cseq_jump).min(CSeq::MAX);
        for used in &mut state.nonces {
            used.count = used.count.saturating_add(how.cseq_jump);
        }
        self.bound_timers(&mut state, now);
        if let Some(unacked) = &mut state.unacked {
            unacked.flow = how.flow(unacked.flow);
            if how.resend {
                unacked.repeat.due = now;
            }
        }
        if how.resend
            && let Some(unpracked) = state.answering.as_mut().and_then(|a| a.unpracked.as_mut())
        {
            unpracked.repeat.due = now;
        }
        let mut leg = Leg::new(state.dialog.clone(), state.phase);
        leg.state = state;
        leg.restored = true;
        let id = self.insert_leg(leg).ok_or(CommandError::Full)?;
        self.restore_transactions(id, how, snapshot, now);
        self.end_if_lost(id, now);
        self.arm(id);
        Ok(id)
    }

    /// A record may lack the transaction that a dialog waits for: it is damaged, or its request was not to be stored. Nothing
    /// else would ever end such a dialog.
    fn end_if_lost(&mut self, id: DialogId, now: Timestamp) {
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        match leg.state.phase {
            LegPhase::Inviting if leg.invite_client.is_none() || leg.state.outgoing.is_none() => {
                self.fail(id, StatusCode::SERVICE_UNAVAILABLE, None, now);
            }
            LegPhase::Leaving if leg.state.requests.iter().all(|request| request.purpose != RequestPurpose::Leave) => {
                leg.state.phase = LegPhase::Confirmed;
                let _ = self.send_bye(id, Vec::new(), now);
            }
            _ => {}
        }
    }

    /// Limits timers set by an earlier release, a damaged record or a clock that was ahead to the times that a dialog of ours
    /// may wait.
    fn bound_timers(&self, state: &mut LegState, now: Timestamp) {
        let patience = self.layer.intervals().patience();
        state.session = state.session.restored(now);
        if let Some(unacked) = &mut state.unacked {
            unacked.repeat = unacked.repeat.restored(patience, now);
            unacked.end = unacked.end.min(now + patience);
        }
        if let Some(answering) = &mut state.answering {
            if let Some(unpracked) = &mut answering.unpracked {
                unpracked.repeat = unpracked.repeat.restored(patience, now);
                unpracked.end = unpracked.end.min(now + patience);
            }
            if let Some((due, _)) = &mut answering.keep_alive {
                *due = (*due).min(now + KEEP_ALIVE);
            }
        }
        if let Some(glare) = &mut state.glare {
            glare.due = glare.due.min(now + GLARE_WAIT_MAX);
        }
    }

    fn restore_transactions(&mut self, id: DialogId, how: Restore, snapshot: DialogSnapshot, now: Timestamp) {
        let Some(leg) = self.dialogs.get_mut(id.0) else { return };
        // A transaction already here belongs to another dialog with the same branch, which cannot be ours.
        let layer = &mut self.layer;
        let mut client = |snapshot: ClientSnapshot, owner: u64| {
            let snapshot = ClientSnapshot { flow: how.flow(snapshot.flow), ..snapshot };
            let client = layer.restore_client(snapshot, owner, now).ok()?;
            if how.resend {
                layer.resend(client);
            }
            Some(client)
        };
        leg.invite_client = snapshot.invite_client.and_then(|s| client(s, id.0));
        leg.cancel_client = snapshot.cancel_client.and_then(|s| client(s, super::NOBODY));
        leg.recent_clients = snapshot.recent_clients.into_iter().filter_map(|s| client(s, id.0)).collect();
        let expected = leg.state.requests.len();
        leg.clients = snapshot.clients.into_iter().take(expected).filter_map(|s| client(s, id.0)).collect();
        leg.state.requests.truncate(leg.clients.len());
        let mut server = |snapshot: ServerSnapshot| {
            let snapshot = ServerSnapshot { flow: how.flow(snapshot.flow), ..snapshot };
            layer.restore_server(snapshot, id.0, now).ok()
        };
        leg.invite_server = snapshot.invite_server.and_then(&mut server);
        let waiting = leg.state.incoming.len();
        let mut restored = snapshot.servers.into_iter().map(&mut server);
        leg.servers = restored.by_ref().take(waiting).flatten().collect();
        leg.recent = restored.flatten().collect();
        leg.state.incoming.truncate(leg.servers.len());
        for pending in &leg.state.incoming {
            self.waiting.insert(pending.id, Waiting::Within(id));
        }
    }
}

/// A message stored by both the dialog and its transaction is kept only once in the snapshot. An earlier release stored both
/// copies.
impl DialogSnapshot {
    fn leave_out_copies(&mut self) {
        let leg = &mut self.leg;
        for (pending, client) in leg.requests.iter_mut().zip(&self.clients) {
            leave_out(&mut pending.request, &client.request);
        }
        if let Some(outgoing) = &mut leg.outgoing {
            if let Some(client) = &self.invite_client {
                leave_out(&mut outgoing.request, &client.request);
            }
            for fork in &mut outgoing.forks {
                fork.offer_answer.without_offer_of(&leg.offer_answer);
            }
        }
        if let (Some(answering), Some(server)) = (&leg.answering, &mut self.invite_server) {
            leave_out(&mut server.request, &answering.request);
            if let Some(said) = answering.last_response() {
                leave_out(&mut server.last, said);
            }
        }
    }

    pub(super) fn put_copies_back(&mut self) {
        let leg = &mut self.leg;
        for (pending, client) in leg.requests.iter_mut().zip(&self.clients) {
            put_back(&mut pending.request, &client.request);
        }
        if let Some(outgoing) = &mut leg.outgoing {
            if let Some(client) = &self.invite_client {
                put_back(&mut outgoing.request, &client.request);
            }
            for fork in &mut outgoing.forks {
                fork.offer_answer.with_offer_of(&leg.offer_answer);
            }
        }
        if let (Some(answering), Some(server)) = (&leg.answering, &mut self.invite_server) {
            match (server.state, answering.last_response()) {
                (ServerState::Trying, _) => put_back(&mut server.request, &answering.request),
                (ServerState::Proceeding, Some(said)) => put_back(&mut server.last, said),
                _ => {}
            }
        }
    }
}

fn leave_out(copy: &mut Bytes, original: &Bytes) {
    if copy == original {
        *copy = Bytes::new();
    }
}

fn put_back(copy: &mut Bytes, original: &Bytes) {
    if copy.is_empty() {
        copy.clone_from(original);
    }
}
