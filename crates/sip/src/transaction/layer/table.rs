//! The tables of client and server transactions, their common index by key, and their timers.

use crate::{ConnectionId, Flow};

use super::{Client, ClientId, Kind, Server, ServerId, TransactionError, TransactionEvent, TransactionLayer};

impl TransactionLayer {
    pub(super) fn arm_client(&mut self, id: u64) {
        if let Some(client) = self.clients.get_mut(id)
            && let Some(due) = client.schedule().next()
        {
            self.timers.arm((Kind::Client, id), due, &mut client.armed);
        }
    }

    pub(super) fn arm_server(&mut self, id: u64) {
        if let Some(server) = self.servers.get_mut(id)
            && let Some(due) = server.schedule().next()
        {
            self.timers.arm((Kind::Server, id), due, &mut server.armed);
        }
    }

    pub(super) fn insert_client(&mut self, client: Client) -> Result<u64, TransactionError> {
        let key = self.key.client(&client.branch, &client.method);
        if self.index.contains_key(key) {
            return Err(TransactionError::BranchTaken);
        }
        let key: Box<[u8]> = key.into();
        let flow = client.flow;
        let id = self.clients.insert(client).ok_or(TransactionError::Full)?;
        self.index.insert(key, id);
        self.streams.extend(on_stream(flow, id));
        self.arm_client(id);
        Ok(id)
    }

    pub(super) fn insert_server(&mut self, server: Server) -> Option<u64> {
        let (key, bytes) = (server.key.clone(), server.bytes());
        if self.held + bytes > self.held_max {
            return None;
        }
        let id = self.servers.insert(server)?;
        self.held += bytes;
        self.index.insert(key, id);
        self.arm_server(id);
        Some(id)
    }

    pub(super) fn remove_client(&mut self, id: u64) -> Option<Client> {
        let client = self.clients.remove(id)?;
        self.index.remove(self.key.client(&client.branch, &client.method));
        if let Some(entry) = on_stream(client.flow, id) {
            self.streams.remove(&entry);
        }
        Some(client)
    }

    /// Moves a client transaction to another flow.
    pub(super) fn put_client_on(&mut self, id: u64, flow: Flow) {
        let Some(client) = self.clients.get_mut(id) else { return };
        let former = std::mem::replace(&mut client.flow, flow);
        if let Some(entry) = on_stream(former, id) {
            self.streams.remove(&entry);
        }
        self.streams.extend(on_stream(flow, id));
    }

    /// The client transactions on a flow.
    pub(super) fn clients_on(&self, flow: Flow) -> Vec<u64> {
        let Flow::Stream { connection } = flow else {
            return self.clients.iter().filter(|(_, client)| client.flow == flow).map(|(id, _)| id).collect();
        };
        self.streams.range((connection, 0)..=(connection, u64::MAX)).map(|(_, id)| *id).collect()
    }

    pub(super) fn remove_server(&mut self, id: u64) -> Option<Server> {
        let server = self.servers.remove(id)?;
        self.held -= server.bytes();
        self.index.remove(&server.key);
        Some(server)
    }

    pub(super) fn end_client(&mut self, id: u64) {
        if let Some(client) = self.remove_client(id) {
            self.events.push_back(TransactionEvent::ClientEnded { client: ClientId(id), owner: client.owner });
        }
    }

    pub(super) fn end_server(&mut self, id: u64) {
        if let Some(server) = self.remove_server(id) {
            self.events.push_back(TransactionEvent::ServerEnded { server: ServerId(id), owner: server.owner });
        }
    }
}

fn on_stream(flow: Flow, id: u64) -> Option<(ConnectionId, u64)> {
    match flow {
        Flow::Stream { connection } => Some((connection, id)),
        Flow::Udp { .. } => None,
    }
}
