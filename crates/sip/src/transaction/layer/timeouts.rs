//! Timers that fire.

use model::Timestamp;

use super::{ClientId, ClientMachine, Kind, ServerId, ServerMachine, TransactionEvent, TransactionLayer};
use crate::transaction::timer::{Fired, Timer};
use crate::{Message, StatusCode, Transmit};

impl TransactionLayer {
    /// Runs the timers that are due, at most [`Self::TIMERS_PER_TURN`]; further ones stay due.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        for _ in 0..Self::TIMERS_PER_TURN {
            let Some((due, (kind, id))) = self.timers.pop_due(now) else { return };
            match kind {
                Kind::Client => self.expire_client(id, due, now),
                Kind::Server => self.expire_server(id, due, now),
            }
        }
    }

    fn expire_client(&mut self, id: u64, due: Timestamp, now: Timestamp) {
        let Some(client) = self.clients.get_mut(id) else { return };
        if client.armed != due {
            return;
        }
        client.armed = Timestamp::MAX;
        let fired = match &mut client.machine {
            ClientMachine::Invite(machine) => machine.expire(&self.intervals, now),
            ClientMachine::Other(machine) => machine.expire(&self.intervals, now),
        };
        let owner = client.owner;
        match fired {
            Fired::Nothing => self.arm_client(id),
            Fired::Repeat => {
                self.transmits.push_back(Transmit { flow: client.flow, bytes: client.request.clone() });
                self.arm_client(id);
            }
            Fired::End(Timer::B | Timer::C | Timer::F) => {
                self.remove_client(id);
                self.events.push_back(TransactionEvent::ClientTimeout { client: ClientId(id), owner });
            }
            Fired::End(_) => self.end_client(id),
        }
    }

    fn expire_server(&mut self, id: u64, due: Timestamp, now: Timestamp) {
        let Some(server) = self.servers.get_mut(id) else { return };
        if server.armed != due {
            return;
        }
        server.armed = Timestamp::MAX;
        let fired = match &mut server.machine {
            ServerMachine::Invite(machine) => machine.expire(&self.intervals, now),
            ServerMachine::Other(machine) => machine.expire(now),
        };
        let owner = server.owner;
        match fired {
            Fired::Nothing => self.arm_server(id),
            Fired::Repeat => {
                self.transmits.push_back(Transmit { flow: server.flow, bytes: server.last.clone() });
                self.arm_server(id);
            }
            Fired::End(Timer::Trying) => {
                self.send_trying(id, now);
                self.arm_server(id);
            }
            Fired::End(Timer::H | Timer::Unanswered) => {
                self.remove_server(id);
                self.events.push_back(TransactionEvent::ServerTimeout { server: ServerId(id), owner });
            }
            Fired::End(_) => self.end_server(id),
        }
    }

    fn send_trying(&mut self, id: u64, now: Timestamp) {
        let Some(server) = self.servers.get(id) else { return };
        if let Ok(request) = Message::parse(server.request.clone()) {
            let trying = Message::response_to(&request, StatusCode::TRYING).build();
            let _ = self.respond(ServerId(id), &trying, now);
        }
    }
}
