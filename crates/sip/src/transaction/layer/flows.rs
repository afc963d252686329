//! Flows that break or move.

use super::{ClientId, TransactionEvent, TransactionLayer};
use crate::transaction::client::ClientState;
use crate::{Flow, Transmit};

impl TransactionLayer {
    /// A flow broke: requests that wait for a final response on it fail.
    pub fn flow_failed(&mut self, flow: Flow) {
        let failed: Vec<(u64, u64)> = self
            .clients
            .iter()
            .filter(|(_, c)| c.flow == flow && !matches!(c.state(), ClientState::Completed | ClientState::Accepted))
            .map(|(id, c)| (id, c.owner))
            .collect();
        for (id, owner) in failed {
            self.remove_client(id);
            self.events.push_back(TransactionEvent::ClientFlowFailed { client: ClientId(id), owner });
        }
    }

    /// What is unanswered on `old` goes on over `new`: requests without any response are sent again there.
    pub fn move_flow(&mut self, old: Flow, new: Flow) {
        let moved: Vec<u64> = self.clients.iter().filter(|(_, c)| c.flow == old).map(|(id, _)| id).collect();
        for id in moved {
            let Some(client) = self.clients.get_mut(id) else { continue };
            client.flow = new;
            if matches!(client.state(), ClientState::Calling | ClientState::Trying) {
                self.transmits.push_back(Transmit { flow: new, bytes: client.request.clone() });
            }
        }
        let servers: Vec<u64> = self.servers.iter().filter(|(_, s)| s.flow == old).map(|(id, _)| id).collect();
        for id in servers {
            if let Some(server) = self.servers.get_mut(id) {
                server.flow = new;
            }
        }
    }
}
