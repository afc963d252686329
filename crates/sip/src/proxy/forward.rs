//! Forwarding a request: the changes made to it (RFC 3261 §16.6), its client transaction, its repetition to another
//! node.

use model::{Owner, Timestamp};

use super::answer::Answer;
use super::branch::{Branch, loop_mark};
use super::exchange::{Cancelled, Origin, Stage, Target};
use super::record_route::begins_dialog;
use super::return_path::lead_back;
use super::settings::{HOPS_MAX, REPEATS_AFTER_WAITING_MAX, REPEATS_MAX, SUCCESSOR_WAIT, TIMER_C, TIMER_C_LOOK};
use super::target::Destination;
use super::trunk::outbound::ask_for_flow;
use super::{Proxy, headers};
use crate::flow::{ConnectionId, Flow};
use crate::header::HeaderName;
use crate::message::Message;
use crate::status::StatusCode;
use crate::transaction::{ClientId, ClientRequest, ServerId, TransactionError};
use crate::unreached::Unreached;

impl Proxy {
    /// Makes the changes that every forwarded request needs, except its Via.
    pub(super) fn prepare(&mut self, message: &mut Message, origin: Origin, destination: &Destination) {
        let left = message.max_forwards().ok().flatten().map_or(HOPS_MAX, |max| max.min(HOPS_MAX).saturating_sub(1));
        message.set(&HeaderName::MaxForwards, left);
        if matches!(destination.target, Target::Edge(_)) {
            let (flow, instance) = (destination.target.flow(), message.header(&headers::INSTANCE).map(str::to_owned));
            // Headers between nodes and proxies stay inside.
            message.remove_where(headers::is_ours);
            if matches!(origin, Origin::Node(_)) {
                self.contact_at_the_edge(message, flow);
                self.note_dialog(message.from().ok().and_then(|from| from.tag()));
                if let Some(instance) = instance.filter(|_| flow.is_reliable()) {
                    ask_for_flow(message, &instance);
                }
            }
        }
        if begins_dialog(message) {
            self.record_route(message, origin, destination.target);
        }
    }

    /// Forwards a request that is held and prepared.
    pub(super) fn forward(&mut self, id: u64, mut message: Message, destination: Destination, now: Timestamp) {
        let Destination { target, unreachable, key } = destination;
        if let Some(owner) = unreachable {
            message.set(&headers::UNREACHABLE, owner);
        }
        let branch = match (self.exchanges.get(id).map(|held| held.origin), target) {
            (Some(Origin::Node(node)), Target::Edge(_)) => self.put_via_alone(id, node, &mut message, target),
            _ => self.put_via(&mut message, target),
        };
        let flow = target.flow();
        self.note_asked(flow);
        let sent = self.layer.send(ClientRequest { message: &message, branch: &branch, flow, owner: id }, now);
        let Some(held) = self.exchanges.get_mut(id) else { return };
        match sent {
            Ok(client) => {
                held.stage = Stage::Forwarded { client, target, progressed: false };
                held.key = key;
                held.due = Timestamp::MAX;
                self.counts.requests_forwarded += 1;
                if held.invite {
                    self.restart_timer_c(id, now);
                }
            }
            Err(error) => {
                // Other errors cannot occur: the branch is random and the transaction new.
                debug_assert_eq!(error, TransactionError::Full);
                held.stage = Stage::Answered { client_open: false };
                let server = held.server;
                self.counts.overloads += 1;
                match &held.vias {
                    Some(vias) => lead_back(&mut message, vias),
                    None => {
                        message.remove_first_value(&HeaderName::Via);
                    }
                }
                self.answer(server, &message, &Answer::unavailable(), now);
                self.attempt_over(id, StatusCode::SERVICE_UNAVAILABLE);
            }
        }
    }

    /// A request is sent on this flow: the end of its connection may end the request.
    pub(super) fn note_asked(&mut self, flow: Flow) {
        if let Flow::Stream { connection } = flow
            && let Some(peer) = self.connections.get_mut(&connection)
        {
            peer.asked = true;
        }
    }

    /// Sends an ACK to a 2xx.
    pub(super) fn forward_stateless(&mut self, mut message: Message, destination: Destination) {
        if let Some(owner) = destination.unreachable {
            message.set(&headers::UNREACHABLE, owner);
        }
        self.put_via(&mut message, destination.target);
        self.layer.transmit(destination.target.flow(), message.to_bytes());
        self.counts.requests_forwarded += 1;
    }

    /// Puts our Via above those of a request; returns its branch.
    pub(super) fn put_via(&mut self, message: &mut Message, target: Target) -> String {
        let branch = self.new_branch(message).to_string();
        self.write_via(message, target, &branch);
        branch
    }

    pub(super) fn new_branch(&mut self, message: &Message) -> Branch {
        Branch { mark: loop_mark(message), random: self.entropy.next_u64() }
    }

    pub(super) fn write_via(&self, message: &mut Message, target: Target, branch: &str) {
        let transport = target.flow().transport();
        let us = match target {
            Target::Node(_) => &self.settings.cluster,
            Target::Edge(flow) => self.edge_at(flow),
        };
        message.push_front(&HeaderName::Via, format_args!("SIP/2.0/{transport} {us};branch={branch}"));
        // A datagram may omit it, a connection needs it (RFC 3261 §20.14).
        message.ensure_content_length();
    }

    /// Forwards a CANCEL if the INVITE has had a provisional response; otherwise it waits for one.
    pub(super) fn pass_cancel(&mut self, id: u64, now: Timestamp) {
        let Some(held) = self.exchanges.get(id) else { return };
        let Stage::Forwarded { client, .. } = held.stage else { return };
        self.pass_cancel_to(id, client, now);
    }

    /// As [`Self::pass_cancel`], for one branch of the INVITE.
    pub(super) fn pass_cancel_to(&mut self, id: u64, client: ClientId, now: Timestamp) {
        let Some(held) = self.exchanges.get_mut(id) else { return };
        if held.cancelled == Cancelled::Wanted && self.layer.cancel(client, &held.reasons, now) {
            held.cancelled = Cancelled::Sent;
        }
    }

    // === when a node is lost ===

    /// The node that requests were given to has failed: each request without a final response goes to another node.
    pub(super) fn repeat_elsewhere(&mut self, lost: &super::nodes::Node, now: Timestamp) {
        let waiting: Vec<(u64, ClientId, bool)> = self
            .exchanges
            .iter()
            .filter_map(|(id, held)| match held.stage {
                Stage::Forwarded { client, target: Target::Node(c), progressed } if c == lost.connection => {
                    Some((id, client, held.invite && progressed))
                }
                _ => None,
            })
            .collect();
        for (id, client, progressed) in waiting {
            if progressed {
                // The successor finds the INVITE in the call's record and may answer it by itself.
                self.set_stage(id, Stage::Orphaned { client, lost: Box::new(lost.announcement.clone()) });
                self.wake(id, now + SUCCESSOR_WAIT);
            } else {
                self.repeat(id, client, &lost.announcement, now);
            }
        }
    }

    /// Gives a request to another node, in a new transaction.
    pub(super) fn repeat(&mut self, id: u64, client: ClientId, lost: &super::Announcement, now: Timestamp) {
        let Some((message, key)) = self.take_back(id, client) else { return };
        let destination = key.and_then(|key| {
            let successor = self.nodes.successor(&lost.role, key)?;
            // A request that is already marked keeps the mark of its first owner.
            let unreachable = message.header(&headers::UNREACHABLE).and_then(|o| o.parse().ok());
            let unreachable = Some(unreachable.unwrap_or_else(|| lost.owner.clone()));
            Some(Destination { target: Target::Node(successor.connection), unreachable, key: Some(key) })
        });
        self.give_again(id, message, destination, now);
    }

    /// A node reports that another owner has the call of a request: that request and later ones go there.
    pub(super) fn hand_over(&mut self, id: u64, client: ClientId, owner: &Owner, now: Timestamp) {
        let waits = self.exchanges.get(id).is_some_and(|held| match held.stage {
            Stage::Forwarded { client: asked, target: Target::Node(_), .. } | Stage::Orphaned { client: asked, .. } => {
                asked == client
            }
            _ => false,
        });
        if !waits {
            // It has its answer already.
            self.counts.responses_stray += 1;
            return;
        }
        let Some((mut message, key)) = self.take_back(id, client) else { return };
        if let Some(tag) = self.owner_tag(&message)
            && self.nodes.by_owner(owner).is_some()
        {
            self.moved.learn(tag.call, owner.clone());
        }
        message.remove(&headers::UNREACHABLE);
        message.set(&headers::OWNER, owner);
        let to_node = |connection, unreachable| Destination { target: Target::Node(connection), unreachable, key };
        let destination = match self.nodes.by_owner(owner) {
            Some(node) => Some(to_node(node.connection, None)),
            None => key
                .and_then(|key| self.nodes.successor_of(owner, key))
                .map(|successor| to_node(successor.connection, Some(owner.clone()))),
        };
        self.give_again(id, message, destination, now);
    }

    /// Takes a request back from its node; also returns the key that chose the node.
    fn take_back(&mut self, id: u64, client: ClientId) -> Option<(Message, Option<u64>)> {
        let message = self.layer.abandon(client)?;
        let held = self.exchanges.get_mut(id)?;
        held.stage = Stage::Answered { client_open: false };
        held.repeats = held.repeats.saturating_add(1);
        held.due = Timestamp::MAX;
        if held.cancelled == Cancelled::Sent {
            held.cancelled = Cancelled::Wanted;
        }
        // A message that we built can always be parsed.
        let mut message = Message::parse(message).ok()?;
        message.remove_first_value(&HeaderName::Via);
        Some((message, held.key))
    }

    /// Forwards a request that was taken back; without a destination it waits for one, if allowed.
    fn give_again(&mut self, id: u64, message: Message, destination: Option<Destination>, now: Timestamp) {
        let Some(held) = self.exchanges.get(id) else { return };
        let (server, repeats) = (held.server, held.repeats);
        if let Some(destination) = destination.filter(|_| repeats <= REPEATS_MAX) {
            self.counts.requests_repeated += 1;
            return self.forward(id, message, destination, now);
        }
        let too_often = repeats > REPEATS_AFTER_WAITING_MAX;
        self.counts.handovers_limited += u64::from(too_often);
        let refused = if too_often { Some(message) } else { self.wait_again(id, message, now) };
        if let Some(message) = refused {
            self.counts.no_node += 1;
            self.answer(server, &message, &Answer::unavailable(), now);
            self.attempt_over(id, StatusCode::SERVICE_UNAVAILABLE);
        }
    }

    // === timers ===

    /// Timer C starts when an INVITE is forwarded (RFC 3261 §16.6 step 11) and restarts with each provisional response
    /// above 100 (§16.7 step 2).
    pub(super) fn restart_timer_c(&mut self, id: u64, now: Timestamp) {
        if let Some(held) = self.exchanges.get_mut(id) {
            held.due = now + TIMER_C;
            self.timers.arm(id, now + TIMER_C_LOOK, &mut held.armed);
        }
    }

    pub(super) fn wake(&mut self, id: u64, due: Timestamp) {
        if let Some(held) = self.exchanges.get_mut(id) {
            held.due = due;
            self.timers.arm(id, due, &mut held.armed);
        }
    }

    /// A timer of an exchange is due, or was due before it was moved.
    pub(super) fn expire(&mut self, id: u64, entry: Timestamp, now: Timestamp) {
        let Some(held) = self.exchanges.get_mut(id) else { return };
        if held.armed != entry {
            return;
        }
        held.armed = Timestamp::MAX;
        if held.due > now {
            if held.due < Timestamp::MAX {
                let look = held.due.min(now + TIMER_C_LOOK);
                self.timers.arm(id, look, &mut held.armed);
            }
            return;
        }
        held.due = Timestamp::MAX;
        match &held.stage {
            Stage::Orphaned { client, lost } => {
                let (client, lost) = (*client, lost.clone());
                self.repeat(id, client, &lost, now);
            }
            Stage::Forwarded { client, .. } if held.hops.as_ref().is_some_and(|hops| hops.is_trial) => {
                let client = *client;
                self.trial_in_vain(id, client, now);
            }
            // Timer C (RFC 3261 §16.8); the transaction ends 64·T1 later. That already holds for a cancelled one.
            Stage::Forwarded { .. } if held.cancelled != Cancelled::Sent => {
                held.cancelled = Cancelled::Wanted;
                self.pass_cancel(id, now);
                self.cancel_left(id, now);
            }
            Stage::Waiting { .. } => self.waited_in_vain(id, now),
            Stage::Lookup { .. } => self.looked_up_in_vain(id, now),
            Stage::Resolving { .. } => {
                self.counts.names_unresolved += 1;
                self.end_resolving(id, &Answer::not_reached(Some(Unreached::NoAddress)), now);
            }
            Stage::Locating { .. } => self.located(id, None, now),
            Stage::Asked { .. } => self.carrier_said(id, None),
            Stage::Forwarded { .. } | Stage::Answered { .. } => {}
        }
    }

    /// The user's credentials did not arrive in time.
    fn looked_up_in_vain(&mut self, id: u64, now: Timestamp) {
        self.counts.lookups_late += 1;
        let Some(held) = self.exchanges.remove(id) else { return };
        self.layer.own(held.server, 0);
        let Stage::Lookup { message: request, by_trunk, .. } = held.stage else { return };
        self.end_lookup(by_trunk);
        if held.server != ServerId::NONE {
            self.answer(held.server, &request, &Answer::unavailable(), now);
        }
    }

    fn set_stage(&mut self, id: u64, stage: Stage) {
        if let Some(held) = self.exchanges.get_mut(id) {
            held.stage = stage;
        }
    }

    /// The node connection of a flow, if that node is live.
    pub(super) fn node_of(&self, flow: Flow) -> Option<ConnectionId> {
        match flow {
            Flow::Stream { connection } => self.nodes.by_connection(connection).map(|n| n.connection),
            Flow::Udp { .. } => None,
        }
    }
}
