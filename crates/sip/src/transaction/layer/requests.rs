//! Our requests: sending, cancelling, acknowledging.

use bytes::Bytes;
use model::Timestamp;
use smallvec::SmallVec;

use super::{
    ACKS_BYTES_MAX, ACKS_MAX, Client, ClientId, ClientMachine, ClientRequest, TransactionError, TransactionLayer,
};
use crate::header::HeaderName;
use crate::transaction::client::{ClientState, InviteClient, NonInviteClient};
use crate::{Flow, Message, Method, Transmit};

impl TransactionLayer {
    /// Sends a request and waits for its responses.
    ///
    /// # Errors
    /// When the table is full or the branch is taken.
    pub fn send(&mut self, request: ClientRequest<'_>, now: Timestamp) -> Result<ClientId, TransactionError> {
        let method = request.message.method();
        let machine = if method == Method::Invite {
            ClientMachine::Invite(InviteClient::new(request.flow, &self.intervals, now))
        } else {
            ClientMachine::Other(NonInviteClient::new(request.flow, &self.intervals, now))
        };
        let bytes = request.message.to_bytes();
        let client = Client {
            machine,
            method,
            branch: request.branch.into(),
            flow: request.flow,
            request: bytes.clone(),
            acks: SmallVec::new(),
            owner: request.owner,
            armed: Timestamp::MAX,
        };
        let id = self.insert_client(client)?;
        self.transmits.push_back(Transmit { flow: request.flow, bytes });
        Ok(ClientId(id))
    }

    /// Cancels an INVITE that had a provisional response (RFC 3261 §9.1); it times out 64·T1 later. Returns false if there is
    /// nothing to cancel, or not yet.
    pub fn cancel(&mut self, client: ClientId, headers: &[(HeaderName, String)], now: Timestamp) -> bool {
        self.send_cancel(client, headers, now).is_some()
    }

    /// As [`Self::cancel`]; returns the CANCEL's own transaction.
    pub(crate) fn send_cancel(
        &mut self,
        client: ClientId,
        headers: &[(HeaderName, String)],
        now: Timestamp,
    ) -> Option<ClientId> {
        let patience = self.intervals.patience();
        let invite = self.clients.get_mut(client.0)?;
        let ClientMachine::Invite(machine) = &mut invite.machine else { return None };
        if machine.state() != ClientState::Proceeding {
            return None;
        }
        machine.give_up_at(now + patience);
        let (flow, branch) = (invite.flow, invite.branch.clone());
        let request = Message::parse(invite.request.clone()).ok()?;
        let mut cancel = hop_request(&request, Method::Cancel, None);
        for (name, value) in headers {
            cancel.append(name, value);
        }
        self.arm_client(client.0);
        self.send(ClientRequest { message: &cancel, branch: &branch, flow, owner: 0 }, now).ok()
    }

    /// Makes an INVITE time out at `due` unless a final response comes before (timer C).
    pub fn give_up_at(&mut self, client: ClientId, due: Timestamp) {
        if let Some(Client { machine: ClientMachine::Invite(machine), .. }) = self.clients.get_mut(client.0) {
            machine.give_up_at(due);
            self.arm_client(client.0);
        }
    }

    /// Sends the ACK to a 2xx, and again whenever that 2xx (by its To tag) is repeated.
    pub fn acknowledge(&mut self, client: ClientId, to_tag: &str, ack: Bytes, flow: Flow) {
        let ClientId(id) = client;
        if let Some(client) = self.clients.get_mut(id)
            && client.acks.len() < ACKS_MAX
        {
            client.acks.push((to_tag.into(), ack.clone()));
            client.request = Bytes::new();
            self.put_client_on(id, flow);
        }
        self.transmits.push_back(Transmit { flow, bytes: ack });
    }

    /// Whether this INVITE has room to repeat another ACK of `bytes` bytes; the first ACK always fits.
    pub(crate) fn has_room_for_ack(&self, client: ClientId, bytes: usize) -> bool {
        let Some(client) = self.clients.get(client.0) else { return true };
        let kept: usize = client.acks.iter().map(|(tag, ack)| tag.len() + ack.len()).sum();
        client.acks.is_empty() || (client.acks.len() < ACKS_MAX && kept + bytes <= ACKS_BYTES_MAX)
    }

    pub(super) fn acknowledge_failure(&mut self, id: u64, response: &Message) {
        let Some(client) = self.clients.get_mut(id) else { return };
        let Ok(request) = Message::parse(client.request.clone()) else { return };
        let ack = hop_request(&request, Method::Ack, Some(response)).to_bytes();
        client.acks.clear();
        client.acks.push(("".into(), ack));
        self.send_stored_ack(id, 0);
    }

    pub(super) fn repeat_ack(&mut self, id: u64, response: &Message) -> bool {
        let Some(client) = self.clients.get(id) else { return false };
        if client.acks.is_empty() {
            return false;
        }
        let Ok(to) = response.to() else { return false };
        let Some(at) = client.acks.iter().position(|(tag, _)| Some(&**tag) == to.tag()) else { return false };
        self.send_stored_ack(id, at);
        true
    }

    pub(super) fn send_stored_ack(&mut self, id: u64, at: usize) {
        if let Some(client) = self.clients.get(id)
            && let Some((_, ack)) = client.acks.get(at)
        {
            self.transmits.push_back(Transmit { flow: client.flow, bytes: ack.clone() });
        }
    }

    /// Drops a request silently and returns it, to be sent elsewhere in another transaction.
    pub fn abandon(&mut self, client: ClientId) -> Option<Bytes> {
        self.remove_client(client.0).map(|client| client.request)
    }
}

/// The ACK to a failure (RFC 3261 §17.1.1.3) or the CANCEL (§9.1) of an INVITE: for one hop, with the INVITE's own Via.
pub(crate) fn hop_request(invite: &Message, method: Method, response: Option<&Message>) -> Message {
    let number = invite.cseq().map_or(1, |cseq| cseq.number);
    let to = response.unwrap_or(invite).header(&HeaderName::To).unwrap_or_default();
    let mut hop = Message::request(method.clone(), invite.request_uri().unwrap_or_default())
        .header(&HeaderName::Via, invite.elements(&HeaderName::Via).next().unwrap_or_default());
    for route in invite.headers(&HeaderName::Route) {
        hop = hop.header(&HeaderName::Route, route);
    }
    hop.header(&HeaderName::MaxForwards, 70)
        .header(&HeaderName::From, invite.header(&HeaderName::From).unwrap_or_default())
        .header(&HeaderName::To, to)
        .header(&HeaderName::CallId, invite.header(&HeaderName::CallId).unwrap_or_default())
        .header(&HeaderName::CSeq, format_args!("{number} {method}"))
        .build()
}
