//! Transactions are exported as plain data and continued in another layer.

use model::Timestamp;

use super::{
    ACKS_MAX, Client, ClientId, ClientMachine, Server, ServerId, ServerMachine, TransactionError, TransactionLayer,
};
use crate::transaction::client::{ClientState, InviteClient, NonInviteClient};
use crate::transaction::server::{InviteServer, NonInviteServer, ServerState};
use crate::transaction::snapshot::{ClientSnapshot, ServerSnapshot};
use crate::{Method, Transmit};

impl TransactionLayer {
    /// A client transaction as plain data.
    pub fn snapshot_client(&self, client: ClientId) -> Option<ClientSnapshot> {
        let client = self.clients.get(client.0)?;
        Some(ClientSnapshot {
            branch: client.branch.clone(),
            method: client.method.clone(),
            state: client.state(),
            schedule: client.schedule(),
            flow: client.flow,
            request: client.request.clone(),
            acks: client.acks.to_vec(),
        })
    }

    /// A server transaction as plain data.
    pub fn snapshot_server(&self, server: ServerId) -> Option<ServerSnapshot> {
        let server = self.servers.get(server.0)?;
        Some(ServerSnapshot {
            key: server.key.clone(),
            method: server.method.clone(),
            state: server.state(),
            schedule: server.schedule(),
            flow: server.flow,
            last: server.last.clone(),
            request: server.request.clone(),
        })
    }

    /// Continues a client transaction of another layer.
    ///
    /// # Errors
    /// When the table is full or the branch is already in use.
    pub fn restore_client(
        &mut self,
        snapshot: ClientSnapshot,
        owner: u64,
        now: Timestamp,
    ) -> Result<ClientId, TransactionError> {
        let state = snapshot.state;
        let invites = snapshot.method == Method::Invite;
        // A phone may ring as long as its caller permits.
        let schedule = snapshot.schedule.restored(invites && state == ClientState::Proceeding, &self.intervals, now);
        let machine = if invites {
            ClientMachine::Invite(InviteClient { state, schedule })
        } else {
            ClientMachine::Other(NonInviteClient { state, schedule })
        };
        let client = Client {
            machine,
            method: snapshot.method,
            branch: snapshot.branch,
            flow: snapshot.flow,
            request: snapshot.request,
            acks: snapshot.acks.into_iter().take(ACKS_MAX).collect(),
            owner,
            armed: Timestamp::MAX,
        };
        self.insert_client(client).map(ClientId)
    }

    /// Continues a server transaction of another layer.
    ///
    /// # Errors
    /// When the table is full or the transaction already exists.
    pub fn restore_server(
        &mut self,
        snapshot: ServerSnapshot,
        owner: u64,
        now: Timestamp,
    ) -> Result<ServerId, TransactionError> {
        if self.index.contains_key(&snapshot.key) {
            return Err(TransactionError::BranchTaken);
        }
        let state = snapshot.state;
        let invites = snapshot.method == Method::Invite;
        let waits = invites && matches!(state, ServerState::Trying | ServerState::Proceeding);
        let schedule = snapshot.schedule.restored(waits, &self.intervals, now);
        let machine = if invites {
            ServerMachine::Invite(InviteServer { state, schedule })
        } else {
            ServerMachine::Other(NonInviteServer { state, schedule })
        };
        let server = Server {
            machine,
            method: snapshot.method,
            key: snapshot.key,
            flow: snapshot.flow,
            last: snapshot.last,
            request: snapshot.request,
            owner,
            armed: Timestamp::MAX,
        };
        self.insert_server(server).map(ServerId).ok_or(TransactionError::Full)
    }

    /// Sends an unanswered request again: it may have been lost with the node that first sent it.
    pub fn resend(&mut self, client: ClientId) {
        if let Some(client) = self.clients.get(client.0)
            && matches!(client.state(), ClientState::Calling | ClientState::Trying)
        {
            self.transmits.push_back(Transmit { flow: client.flow, bytes: client.request.clone() });
        }
    }
}
