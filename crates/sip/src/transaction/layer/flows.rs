//! Flows that break or move.

use model::Timestamp;

use super::{ClientId, TransactionEvent, TransactionLayer};
use crate::transaction::client::ClientState;
use crate::{Flow, Method, Transmit};

impl TransactionLayer {
    /// A flow broke: requests that wait for a final response on it fail.
    pub fn flow_failed(&mut self, flow: Flow) {
        self.fail(flow, |_| true);
    }

    /// As [`Self::flow_failed`], for a flow that may come back ([`Self::move_flow`]): a BYE, and the CANCEL of an INVITE in
    /// progress, keep waiting until their own timer ends, since no one repeats them.
    pub fn flow_away(&mut self, flow: Flow, now: Timestamp) {
        let under_way: Vec<u64> = self
            .clients
            .iter()
            .filter(|(_, c)| c.flow == flow && c.method == Method::Invite && c.state() == ClientState::Proceeding)
            .map(|(id, _)| id)
            .collect();
        for id in under_way {
            self.cancel(ClientId(id), &[], now);
        }
        self.fail(flow, |method| !matches!(method, Method::Bye | Method::Cancel));
    }

    fn fail(&mut self, flow: Flow, fails: impl Fn(&Method) -> bool) {
        let waits = |state| !matches!(state, ClientState::Completed | ClientState::Accepted);
        let failed: Vec<(u64, u64)> = self
            .clients
            .iter()
            .filter(|(_, c)| c.flow == flow && waits(c.state()) && fails(&c.method))
            .map(|(id, c)| (id, c.owner))
            .collect();
        for (id, owner) in failed {
            self.remove_client(id);
            self.events.push_back(TransactionEvent::ClientFlowFailed { client: ClientId(id), owner });
        }
    }

    /// Moves everything unanswered on `old` to `new`: requests without any response are sent again there.
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

    /// Moves a request to `new` and sends it again there if it has no response. A request with a provisional response stays on
    /// its flow: whether it is still being processed is unknown.
    pub fn move_client(&mut self, client: ClientId, new: Flow) {
        let Some(client) = self.clients.get_mut(client.0) else { return };
        let unheard = matches!(client.state(), ClientState::Calling | ClientState::Trying);
        if client.state() == ClientState::Proceeding {
            return;
        }
        client.flow = new;
        if unheard {
            self.transmits.push_back(Transmit { flow: new, bytes: client.request.clone() });
        }
    }
}
