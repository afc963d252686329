//! Received messages, matched to their transactions: repeats and ACKs to failures end here, the rest is the transaction user's.

use bytes::Bytes;
use model::Timestamp;

use super::{ClientId, ClientMachine, NewRequest, Received, Server, ServerId, ServerMachine, TransactionLayer};
use crate::transaction::client::{ClientState, OnResponse};
use crate::transaction::server::{InviteServer, NonInviteServer, OnAck, OnRepeat};
use crate::{Flow, Message, Method, StatusCode, Transmit};

impl TransactionLayer {
    /// Processes a received message.
    pub fn receive(&mut self, message: Message, flow: Flow, now: Timestamp) -> Received {
        if let Some(fault) = message.fault() {
            if message.is_request() && message.method() != Method::Ack {
                self.refuse(&message, fault.status, flow);
            }
            return Received::Absorbed;
        }
        self.receive_sound(message, flow, now)
    }

    /// As [`Self::receive`], for a message known to have no [`Message::fault`].
    pub fn receive_sound(&mut self, message: Message, flow: Flow, now: Timestamp) -> Received {
        if message.is_request() {
            self.receive_request(message, flow, now)
        } else {
            self.receive_response(message, flow, now)
        }
    }

    fn receive_request(&mut self, message: Message, flow: Flow, now: Timestamp) -> Received {
        let method = message.method();
        if method == Method::Ack {
            return self.receive_ack(message, flow, now);
        }
        let Ok(key) = self.key.server(&message, &method) else { return Received::Absorbed };
        if let Some(&id) = self.index.get(key) {
            self.repeat_request(id, flow);
            return Received::Absorbed;
        }
        if let Some(answer) = self.answered.as_ref().and_then(|answered| answered.find(key, now)) {
            self.transmits.push_back(Transmit { flow, bytes: Bytes::copy_from_slice(answer) });
            return Received::Absorbed;
        }
        let key: Box<[u8]> = key.into();
        let cancels = if method == Method::Cancel { self.invite_of(&message) } else { None };
        let (machine, request) = if method == Method::Invite {
            (ServerMachine::Invite(InviteServer::new(now)), message.to_bytes())
        } else {
            (ServerMachine::Other(NonInviteServer::new(&self.intervals, now)), Bytes::new())
        };
        let server =
            Server { machine, method, key, flow, last: Bytes::new(), request, owner: 0, armed: Timestamp::MAX };
        let Some(id) = self.insert_server(server) else {
            self.refused += 1;
            self.refuse(&message, StatusCode::SERVICE_UNAVAILABLE, flow);
            return Received::Absorbed;
        };
        Received::Request(NewRequest { server: ServerId(id), message, flow, cancels })
    }

    fn receive_ack(&mut self, message: Message, flow: Flow, now: Timestamp) -> Received {
        let Ok(key) = self.key.server(&message, &Method::Invite) else { return Received::Absorbed };
        let Some(&id) = self.index.get(key) else { return Received::Ack { message, flow } };
        let Some(server) = self.servers.get_mut(id) else { return Received::Absorbed };
        let ServerMachine::Invite(machine) = &mut server.machine else { return Received::Absorbed };
        match machine.acknowledge(server.flow, &self.intervals, now) {
            OnAck::Pass => Received::Ack { message, flow },
            OnAck::Absorb => {
                self.arm_server(id);
                Received::Absorbed
            }
            OnAck::AbsorbAndEnd => {
                self.end_server(id);
                Received::Absorbed
            }
        }
    }

    fn repeat_request(&mut self, id: u64, flow: Flow) {
        let Some(server) = self.servers.get_mut(id) else { return };
        let action = match &server.machine {
            ServerMachine::Invite(machine) => machine.repeat(),
            ServerMachine::Other(machine) => machine.repeat(),
        };
        // A repeat may come over another connection after the first one broke: respond on that one.
        server.flow = flow;
        if action == OnRepeat::Answer && !server.last.is_empty() {
            self.transmits.push_back(Transmit { flow, bytes: server.last.clone() });
        }
    }

    fn receive_response(&mut self, message: Message, flow: Flow, now: Timestamp) -> Received {
        let Some(status) = message.status() else { return Received::Absorbed };
        let (Ok(via), Ok(cseq)) = (message.top_via(), message.cseq()) else { return Received::Absorbed };
        let key = self.key.client(via.branch().unwrap_or_default(), &cseq.method);
        let Some(&id) = self.index.get(key) else { return Received::Stray(message) };
        let Some(client) = self.clients.get_mut(id) else { return Received::Stray(message) };
        let (asked_on, owner) = (client.flow, client.owner);
        let action = match &mut client.machine {
            ClientMachine::Invite(machine) => machine.respond(status, asked_on, &self.intervals, now),
            ClientMachine::Other(machine) => machine.respond(status, asked_on, &self.intervals, now),
        };
        if status.is_success() && self.repeat_ack(id, &message) {
            return Received::Absorbed;
        }
        match action {
            OnResponse::Absorb => return Received::Absorbed,
            OnResponse::Ack => {
                self.send_stored_ack(id, 0);
                return Received::Absorbed;
            }
            OnResponse::Pass => {}
            OnResponse::PassAndAck | OnResponse::PassAckAndEnd => self.acknowledge_failure(id, &message),
            OnResponse::PassAndEnd => {}
        }
        self.forget_request(id);
        match action {
            OnResponse::PassAndEnd | OnResponse::PassAckAndEnd => self.end_client(id),
            _ => self.arm_client(id),
        }
        Received::Response { client: ClientId(id), owner, message, flow }
    }

    /// Frees a request that will not be sent again and needs no ACK or CANCEL.
    fn forget_request(&mut self, id: u64) {
        if let Some(client) = self.clients.get_mut(id)
            && matches!(client.state(), ClientState::Completed)
        {
            client.request = Bytes::new();
        }
    }
}
