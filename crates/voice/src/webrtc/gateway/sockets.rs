//! WebSockets that open and close.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;

use model::Timestamp;
use sip::ConnectionId;

use super::flows::{FlowHolder, PhoneFlow, TicketRights};
use super::{Gateway, GatewayOutput};

impl Gateway {
    /// A WebSocket has opened, of a browser at that address; with a ticket if it has shown one that is good. That proves whose it is: of an
    /// office whose pages all come back at once, none counts against the address that they share.
    pub fn handle_opened(
        &mut self,
        connection: ConnectionId,
        client: IpAddr,
        ticket: Option<(FlowHolder, Box<TicketRights>)>,
        now: Timestamp,
    ) {
        let (holder, rights) = ticket.unzip();
        if let Some(holder) = &holder {
            self.outputs.push_back(GatewayOutput::Proved(connection, phone_number(holder)));
        }
        if let Some(key) = holder.as_ref().and_then(|holder| self.flows.of_holder(holder)) {
            if let Some(flow) = self.flows.get_mut(key) {
                (flow.rights, flow.is_barred) = (rights, false);
            }
            self.resume(key, connection, client, now);
            return self.settle(now);
        }
        if self.flows.is_full() || self.leaving.is_some() {
            self.counts.refused += 1;
            self.outputs.push_back(GatewayOutput::Close(connection));
            return;
        }
        self.counts.begun += 1;
        let name = format!("f{:016x}", self.entropy.next_u64());
        let mut flow = PhoneFlow::new(name.into(), connection, client, holder);
        flow.rights = rights;
        let key = self.flows.add(flow, connection);
        self.ask_credentials(key);
        self.settle(now);
    }

    /// A WebSocket has closed.
    pub fn handle_closed(&mut self, connection: ConnectionId, now: Timestamp) {
        if let Some(key) = self.flows.closed(connection, now)
            && self.flows.get(key).is_some_and(|flow| !flow.is_proved())
        {
            self.end(key, now);
        }
        self.settle(now);
    }
}

/// What stands for a phone among those that have proved themselves.
fn phone_number(holder: &FlowHolder) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&holder.tenant, &holder.dn).hash(&mut hasher);
    hasher.finish()
}
