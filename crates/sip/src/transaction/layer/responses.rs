//! Our responses, and stateless refusals of requests.

use bytes::Bytes;
use model::Timestamp;

use super::{Client, ClientId, Server, ServerId, ServerMachine, TransactionError, TransactionLayer};
use crate::header::HeaderName;
use crate::transaction::client::ClientState;
use crate::transaction::server::{OnAnswer, ServerState};
use crate::{Flow, Message, Method, StatusCode, Transmit};

impl TransactionLayer {
    /// Sends a response. A response that the state machine forbids (after a final one, or 408 to anything but an INVITE) is
    /// dropped.
    ///
    /// # Errors
    /// When the transaction is over.
    pub fn respond(&mut self, server: ServerId, response: &Message, now: Timestamp) -> Result<(), TransactionError> {
        let entry = self.servers.get_mut(server.0).ok_or(TransactionError::Gone)?;
        let Some(status) = response.status() else { return Ok(()) };
        let flow = entry.flow;
        let mut action = match &mut entry.machine {
            ServerMachine::Invite(machine) => machine.answer(status, flow, &self.intervals, now),
            ServerMachine::Other(machine) => machine.answer(status, flow, &self.intervals, now),
        };
        if action == OnAnswer::Drop {
            return Ok(());
        }
        let bytes = response.to_bytes();
        self.held -= entry.bytes();
        if action == OnAnswer::Send
            && let (ServerMachine::Other(_), ServerState::Completed, Some(answered)) =
                (&entry.machine, entry.state(), &mut self.answered)
        {
            answered.remember(&entry.key, &bytes, now);
            action = OnAnswer::SendAndEnd;
        }
        entry.request = Bytes::new();
        // A 2xx is repeated by the transaction user, not by the transaction, so it is not kept.
        entry.last = if entry.state() == ServerState::Accepted { Bytes::new() } else { bytes.clone() };
        self.held += entry.bytes();
        self.transmits.push_back(Transmit { flow: entry.flow, bytes });
        match action {
            OnAnswer::SendAndEnd => self.end_server(server.0),
            _ => self.arm_server(server.0),
        }
        Ok(())
    }

    /// Sends the final response to a request once and ends its transaction: a repeat is answered from what is remembered, and
    /// nobody waits for an ACK.
    pub fn respond_and_forget(&mut self, server: ServerId, response: &Message, now: Timestamp) {
        let Some(entry) = self.remove_server(server.0) else { return };
        let bytes = response.to_bytes();
        if let Some(answered) = &mut self.answered {
            answered.remember(&entry.key, &bytes, now);
        }
        self.transmits.push_back(Transmit { flow: entry.flow, bytes });
    }

    /// The owner of a server transaction, 0 where it has none.
    pub fn owner_of(&self, server: ServerId) -> Option<u64> {
        self.servers.get(server.0).map(|server| server.owner)
    }

    /// Drops a server transaction: nothing of it will be sent.
    pub fn drop_server(&mut self, server: ServerId) {
        self.remove_server(server.0);
    }

    /// Sends bytes outside every transaction, such as a repeated 2xx or a forwarded ACK.
    pub fn transmit(&mut self, flow: Flow, bytes: Bytes) {
        self.transmits.push_back(Transmit { flow, bytes });
    }

    /// Sets the owner of a server transaction; it is returned with CANCEL and events.
    pub fn own(&mut self, server: ServerId, owner: u64) {
        if let Some(server) = self.servers.get_mut(server.0) {
            server.owner = owner;
        }
    }

    /// The flow for responses of that transaction.
    pub fn server_flow(&self, server: ServerId) -> Option<Flow> {
        self.servers.get(server.0).map(|s| s.flow)
    }

    /// The flow of that request.
    pub fn client_flow(&self, client: ClientId) -> Option<Flow> {
        self.clients.get(client.0).map(|c| c.flow)
    }

    /// The request as it was sent; empty once it will not be sent again.
    pub fn request_of(&self, client: ClientId) -> Bytes {
        self.clients.get(client.0).map(|c| c.request.clone()).unwrap_or_default()
    }

    /// The state of a server transaction.
    pub fn server_state(&self, server: ServerId) -> Option<ServerState> {
        self.servers.get(server.0).map(Server::state)
    }

    /// The state of a client transaction.
    pub fn client_state(&self, client: ClientId) -> Option<ClientState> {
        self.clients.get(client.0).map(Client::state)
    }

    /// The INVITE server transaction that a CANCEL refers to (RFC 3261 §9.2), with its owner.
    pub(super) fn invite_of(&mut self, cancel: &Message) -> Option<(ServerId, u64)> {
        let key = self.key.server(cancel, &Method::Invite).ok()?;
        let id = *self.index.get(key)?;
        self.servers.get(id).map(|server| (ServerId(id), server.owner))
    }

    pub(super) fn refuse(&mut self, request: &Message, status: StatusCode, flow: Flow) {
        let mut response = Message::response_to(request, status).to_tag(STATELESS_TAG);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response = response.header(&HeaderName::RetryAfter, RETRY_AFTER_S);
        }
        self.transmits.push_back(Transmit { flow, bytes: response.build().to_bytes() });
    }
}

/// The To tag of stateless responses.
const STATELESS_TAG: &str = "stateless";
/// The Retry-After of a 503 for lack of room, in seconds.
const RETRY_AFTER_S: u32 = 5;
