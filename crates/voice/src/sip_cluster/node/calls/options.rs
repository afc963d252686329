//! OPTIONS outside a dialog: answered as an INVITE to that number would be (RFC 3261 §11.2), without ringing a phone.

use model::TenantId;
use model::Timestamp;
use model::plan::{Caller, Destination};
use sip::agent::{ALLOW, IncomingId, Reply, SDP, SUPPORTED};
use sip::{HeaderName, Message, StatusCode};

use super::incoming::{self, InviteSource};
use super::to_sip::note;
use crate::sip_cluster::node::Node;
use crate::sip_cluster::node::faults::Doing;
use crate::sip_cluster::node::order::{Number, Order};

impl Node {
    /// Handles a query whether a call to a number would be taken. The user agent limits how many such queries wait.
    pub(in crate::sip_cluster::node) fn asked(&mut self, request: IncomingId, message: &Message, now: Timestamp) {
        if self.draining {
            return self.tell(request, Reply::new(StatusCode::SERVICE_UNAVAILABLE), now);
        }
        match question(message) {
            Some((tenant, caller, number)) => {
                self.orders.push_back(Order::AskReach { request, tenant, caller, number });
            }
            // From a proxy that checks whether this node is live, or without a number.
            None => self.tell(request, capabilities(), now),
        }
    }

    /// The dial plan's answer for an OPTIONS.
    pub fn reach_answered(&mut self, request: IncomingId, destination: &Destination, now: Timestamp) {
        let reply = match destination {
            Destination::Reject { status, .. } => Reply::new(StatusCode(*status)),
            Destination::Extension { contacts, .. } if contacts.is_empty() => {
                Reply::new(StatusCode::TEMPORARILY_UNAVAILABLE)
            }
            _ => capabilities(),
        };
        self.attempt(Doing::OtherInput("where a number leads"), now, |node| {
            node.tell(request, reply, now);
            node.settle(now);
        });
    }

    fn tell(&mut self, request: IncomingId, reply: Reply, now: Timestamp) {
        note("the answer to OPTIONS", self.agent.respond(request, reply, now));
    }
}

fn capabilities() -> Reply {
    Reply::new(StatusCode::OK)
        .header(HeaderName::Allow, ALLOW)
        .header(HeaderName::Accept, SDP)
        .header(HeaderName::Supported, SUPPORTED)
}

/// Who asks, and about which number.
fn question(message: &Message) -> Option<(TenantId, Caller, Number)> {
    let InviteSource { tenant, caller } = InviteSource::of(message)?;
    let dialled = incoming::dialled(message)?;
    let number = Number { dialled, instance: incoming::meant(message), ..Number::default() };
    Some((tenant, caller, number))
}
