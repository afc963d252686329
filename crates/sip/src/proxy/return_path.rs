//! The way back of a request that a node sends out of the installation. The node's Vias stay here: phones and carriers see ours alone.
//! The exchange keeps them, and the branch of our Via has them, with the node's name, encrypted. So any proxy with the installation's key
//! can give the node a response whose transaction it does not have: the request went out by another proxy, or in its previous run.

use bytes::Bytes;
use model::{Epoch, NodeId, Owner, Timestamp};

use super::branch::path_in;
use super::exchange::Target;
use super::settings::HOPS_MAX;
use super::{Proxy, Side};
use crate::flow::{ConnectionId, Flow};
use crate::header::HeaderName;
use crate::message::Message;
use crate::method::Method;
use crate::packed::{push_name, push_number, take_name, take_number};
use crate::status::StatusCode;
use crate::transaction::ServerId;

/// Who has sent a request, and the Vias that it had.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ReturnPath {
    owner: Owner,
    vias: String,
}

impl ReturnPath {
    /// As bytes. Further fields may follow; who does not know them skips them.
    fn pack(owner: &Owner, vias: &str) -> Vec<u8> {
        let mut packed = Vec::with_capacity(vias.len() + owner.node.as_str().len() + 32);
        push_number(&mut packed, owner.epoch.0);
        push_name(&mut packed, owner.node.as_str());
        push_name(&mut packed, vias);
        packed
    }

    fn read(mut packed: &[u8]) -> Option<Self> {
        let epoch = Epoch(take_number(&mut packed)?);
        let node = NodeId::parse(take_name(&mut packed)?).ok()?;
        let vias = take_name(&mut packed)?.to_owned();
        Some(Self { owner: Owner { node, epoch }, vias })
    }
}

impl Proxy {
    /// Puts our Via in the place of those of a node's request that goes out; returns its branch.
    pub(super) fn put_via_alone(
        &mut self,
        id: u64,
        node: ConnectionId,
        message: &mut Message,
        target: Target,
    ) -> String {
        let vias = take_vias(message);
        let branch = self.new_branch(message);
        let branch = match self.nodes.by_connection(node) {
            Some(node) => branch.with_path(ReturnPath::pack(&node.announcement.owner, &vias), &self.seal),
            None => branch.to_string(),
        };
        self.write_via(message, target, &branch);
        if let Some(held) = self.exchanges.get_mut(id) {
            held.vias = Some(vias);
        }
        branch
    }

    /// Takes our Via out of a response to a request that is here; those of a node's request come back. False if none is left.
    pub(super) fn restore_vias(&self, id: u64, response: &mut Message) -> bool {
        match self.exchanges.get(id).and_then(|held| held.vias.as_deref()) {
            Some(vias) => lead_back(response, vias),
            None => {
                response.remove_first_value(&HeaderName::Via);
            }
        }
        response.top_via().is_ok()
    }

    /// The way back that the branch of a response from outside has.
    pub(super) fn return_path(&self, response: &Message, flow: Flow) -> Option<ReturnPath> {
        let is_inside = match flow {
            Flow::Stream { connection } => self.connections.get(&connection).is_none_or(|peer| peer.side != Side::Edge),
            Flow::Udp { .. } => false,
        };
        let via = response.top_via().ok().filter(|_| !is_inside)?;
        ReturnPath::read(&path_in(via.branch()?, &self.seal)?)
    }

    /// A response to a request of a node, by a branch that has no transaction here: the request went out by another proxy, in our
    /// previous run, or to a place from which it went on to the next one.
    pub(super) fn answer_along(&mut self, path: ReturnPath, mut message: Message, flow: Flow, now: Timestamp) {
        self.counts.responses_stray += 1;
        let (Some(status), Ok(cseq)) = (message.status(), message.cseq()) else { return };
        // Each hop has a 100 of its own.
        if status == StatusCode::TRYING {
            return;
        }
        let of_invite = cseq.method == Method::Invite;
        let is_refusal = of_invite && status.is_final() && !status.is_success();
        let ack = if is_refusal { acknowledgement(&message) } else { None };
        lead_back(&mut message, &path.vias);
        if of_invite {
            self.restore_forgotten(&mut message, flow);
        }
        message.ensure_content_length();
        let is_heard = match self.layer.server_of(&message) {
            Some(asked) if of_invite && status.is_success() => {
                self.answered_elsewhere(asked, &message, now);
                true
            }
            // The request has gone on to another place, which decides.
            Some(_) => true,
            None => self.give_back(&path.owner, message),
        };
        // One that nobody was there to hear comes again.
        if let Some(ack) = ack.filter(|_| is_heard) {
            self.layer.transmit(flow, ack);
        }
    }

    /// A request of a node that is still here was answered with 2xx by another branch than its last one.
    pub(super) fn answered_elsewhere(&mut self, (server, id): (ServerId, u64), answer: &Message, now: Timestamp) {
        self.end_other_branch(id, now);
        self.counts.responses_forwarded += 1;
        // An error means that the transaction has ended; the node needs no response any more.
        let _ = self.layer.respond(server, answer, now);
    }

    /// Gives a response to the node that sent the request; if that is gone, to the owner of the call now. False if there is none.
    fn give_back(&mut self, owner: &Owner, response: Message) -> bool {
        let Some(node) = self.nodes.by_owner(owner) else { return self.respond_to_successor(response) };
        self.counts.responses_forwarded += 1;
        self.layer.transmit(Flow::Stream { connection: node.connection }, response.to_bytes());
        true
    }

    /// Whether a response has no Via below ours (RFC 3261 §16.7 step 3), as if the request were ours: only our CANCELs are, and questions
    /// to carriers. The Vias of a node's request are here.
    pub(super) fn lacks_way_back(&mut self, message: &Message) -> bool {
        if message.is_request() || message.vias().nth(1).is_some() || message.method() == Method::Cancel {
            return false;
        }
        let Some((_, id)) = self.layer.client_of(message) else { return false };
        !self.is_question(id) && self.exchanges.get(id).is_some_and(|held| held.vias.is_none())
    }
}

/// The ACK to the refusal of an INVITE that is not known here any more: nobody else can write it, with its branch. That is how the peer
/// knows it (RFC 3261 §17.2.3); the Request-URI is lost, and that of To is nearest to it.
fn acknowledgement(refusal: &Message) -> Option<Bytes> {
    let value = |name: &HeaderName| refusal.header(name).unwrap_or_default();
    let (cseq, to) = (refusal.cseq().ok()?, refusal.to().ok()?);
    let ack = Message::request(Method::Ack, to.raw_uri())
        .header(&HeaderName::Via, refusal.elements(&HeaderName::Via).next().unwrap_or_default())
        .header(&HeaderName::MaxForwards, HOPS_MAX)
        .header(&HeaderName::From, value(&HeaderName::From))
        .header(&HeaderName::To, value(&HeaderName::To))
        .header(&HeaderName::CallId, value(&HeaderName::CallId))
        .header(&HeaderName::CSeq, format_args!("{} ACK", cseq.number));
    Some(ack.into_bytes())
}

/// Replaces the Vias of a response by those that its request had when it came to us.
pub(super) fn lead_back(response: &mut Message, vias: &str) {
    response.set(&HeaderName::Via, vias);
}

/// Removes the Vias of a request and returns them, as one list.
fn take_vias(request: &mut Message) -> Box<str> {
    let mut vias = String::new();
    for via in request.headers(&HeaderName::Via) {
        if !vias.is_empty() {
            vias.push_str(", ");
        }
        vias.push_str(via);
    }
    request.remove(&HeaderName::Via);
    vias.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_later_release_adds_to_a_return_path_is_passed_over() {
        let path = ReturnPath { owner: "a.7".parse().unwrap(), vias: "SIP/2.0/TCP a;branch=z9hG4bK1".to_owned() };
        let mut packed = ReturnPath::pack(&path.owner, &path.vias);
        packed.extend_from_slice(b"more");
        assert_eq!(ReturnPath::read(&packed), Some(path));
        assert_eq!(ReturnPath::read(&packed[..20]), None);
    }
}
