//! Flows that break or move.

use model::Timestamp;

use super::{Client, ClientId, TransactionEvent, TransactionLayer};
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
        for id in self.clients_on(flow) {
            let proceeds = |c: &Client| c.method == Method::Invite && c.state() == ClientState::Proceeding;
            if self.clients.get(id).is_some_and(proceeds) {
                self.cancel(ClientId(id), &[], now);
            }
        }
        self.fail(flow, |method| !matches!(method, Method::Bye | Method::Cancel));
    }

    fn fail(&mut self, flow: Flow, fails: impl Fn(&Method) -> bool) {
        let waits = |state| !matches!(state, ClientState::Completed | ClientState::Accepted);
        for id in self.clients_on(flow) {
            let Some(client) = self.clients.get(id).filter(|c| waits(c.state()) && fails(&c.method)) else { continue };
            let owner = client.owner;
            self.remove_client(id);
            self.events.push_back(TransactionEvent::ClientFlowFailed { client: ClientId(id), owner });
        }
    }

    /// Moves everything unanswered on `old` to `new`: requests without any response are sent again there.
    pub fn move_flow(&mut self, old: Flow, new: Flow) {
        for id in self.clients_on(old) {
            self.put_client_on(id, new);
            let Some(client) = self.clients.get(id) else { continue };
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
        let Some(moved) = self.clients.get(client.0) else { return };
        if moved.state() == ClientState::Proceeding {
            return;
        }
        if matches!(moved.state(), ClientState::Calling | ClientState::Trying) {
            self.transmits.push_back(Transmit { flow: new, bytes: moved.request.clone() });
        }
        self.put_client_on(client.0, new);
    }
}

#[cfg(test)]
mod tests {
    use model::Timestamp;

    use super::*;
    use crate::transaction::{ClientRequest, Intervals};
    use crate::{ConnectionId, HeaderName, Message, StatusCode};

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn layer() -> TransactionLayer {
        TransactionLayer::restorable(64, Intervals::default())
    }

    const fn stream(number: u64) -> Flow {
        Flow::Stream { connection: ConnectionId(number) }
    }

    fn send(layer: &mut TransactionLayer, number: u64, flow: Flow) -> (ClientId, Message) {
        let branch = format!("z9hG4bK{number}");
        let message = Message::request(Method::Options, "sip:a@b")
            .header(&HeaderName::Via, format_args!("SIP/2.0/TCP c;branch={branch}"))
            .header(&HeaderName::From, "<sip:c@c>;tag=1")
            .header(&HeaderName::To, "<sip:a@b>")
            .header(&HeaderName::CallId, "1")
            .header(&HeaderName::CSeq, "1 OPTIONS")
            .build();
        let client =
            layer.send(ClientRequest { message: &message, branch: &branch, flow, owner: number }, NOW).unwrap();
        (client, message)
    }

    fn failed(layer: &mut TransactionLayer) -> Vec<u64> {
        let of = |event| match event {
            TransactionEvent::ClientFlowFailed { owner, .. } => Some(owner),
            _ => None,
        };
        std::iter::from_fn(|| layer.poll_event()).filter_map(of).collect()
    }

    #[test]
    fn a_lost_connection_fails_what_waits_on_it_wherever_that_was_sent_first() {
        let mut layer = layer();
        let udp = Flow::Udp { listener: 0, remote: "192.0.2.1:5060".parse().unwrap() };
        let (_, answered) = send(&mut layer, 1, stream(1));
        send(&mut layer, 2, stream(1));
        send(&mut layer, 3, stream(2));
        let (came, _) = send(&mut layer, 4, stream(2));
        send(&mut layer, 5, udp);
        layer.receive(Message::response_to(&answered, StatusCode::OK).to_tag("x").build(), stream(1), NOW);
        layer.move_client(came, stream(1));
        layer.move_flow(udp, stream(3));
        layer.flow_failed(stream(1));
        assert_eq!(failed(&mut layer), [2, 4]);
        layer.flow_failed(stream(1));
        assert_eq!(failed(&mut layer), [0; 0]);
        layer.flow_failed(stream(3));
        layer.flow_failed(stream(2));
        assert_eq!(failed(&mut layer), [5, 3]);
        assert!(layer.streams.is_empty(), "{:?}", layer.streams);
    }
}
