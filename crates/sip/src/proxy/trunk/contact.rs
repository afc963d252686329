//! The Contact by which a node registers us with a carrier. The carrier calls by the transport by which the REGISTER goes, so it gets our address
//! for that one; which one that is may show only here. The node is told what was written, since the carrier forgets nothing else (RFC 3261
//! §10.2.2), whichever proxy asks for it.

use crate::flow::Flow;
use crate::header::{HeaderName, NameAddr};
use crate::message::Message;
use crate::proxy::Proxy;
use crate::proxy::exchange::{Origin, Stage, Target};
use crate::uri::Uri;

impl Proxy {
    /// Writes our address for that flow into the first Contact of a node's REGISTER. Further ones are removed by the request and stay as the
    /// carrier has them, but for one that is the first now.
    pub(in crate::proxy) fn contact_of_register(&self, register: &mut Message, flow: Flow) {
        let Some(written) = self.written_contact(register, flow) else { return };
        let others = register.headers(&HeaderName::Contact).skip(1).filter(|contact| !leads_to(contact, &written));
        let former: Vec<String> = others.map(str::to_owned).collect();
        register.set(&HeaderName::Contact, format_args!("<{written}>"));
        for contact in former {
            register.append(&HeaderName::Contact, contact);
        }
    }

    /// The URI of the Contact under which a node's REGISTER, which waits for its answer, registers us.
    pub(in crate::proxy) fn registered_contact(&self, id: u64) -> Option<String> {
        let held = self.exchanges.get(id)?;
        let Stage::Forwarded { target: Target::Edge(flow), .. } = held.stage else { return None };
        if !matches!(held.origin, Origin::Node(_)) || !held.request.starts_with(b"REGISTER ") {
            return None;
        }
        let register = Message::parse(held.request.clone()).ok()?;
        self.written_contact(&register, flow)
    }

    /// The first Contact of a REGISTER with our address for a flow. `None` if it is none of ours, or is removed: then it is what the carrier
    /// has.
    fn written_contact(&self, register: &Message, flow: Flow) -> Option<String> {
        if register.expires().ok().flatten() == Some(0) {
            return None;
        }
        let first = register.contacts().next()?.ok()?;
        let uri = first.address()?.uri().ok()?;
        let (scheme, user) = (uri.scheme().as_str(), uri.user()?);
        let (edge, parameter) = (self.edge_at(flow), flow.transport().uri_parameter());
        self.is_us(&uri).then(|| format!("{scheme}:{user}@{edge}{parameter}"))
    }
}

/// Whether a Contact has this URI (RFC 3261 §19.1.4).
fn leads_to(contact: &str, uri: &str) -> bool {
    let (Ok(address), Ok(uri)) = (NameAddr::parse(contact), Uri::parse(uri)) else { return false };
    address.uri().is_ok_and(|found| found.equivalent(&uri))
}
