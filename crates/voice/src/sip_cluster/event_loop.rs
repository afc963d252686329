//! The loop that owns the calls: inputs, one commit, then outputs.

use std::time::Duration;

use infra::Record;
use model::event::ErrorCode;
use model::{ConnId, Owner, Timestamp};
use net::sip::node::{Work, live_nodes};
use net::sip::{LinkEvent, NodeLinks};
use runtime::RoleContext;
use runtime::fault::InARow;
use sip::proxy::headers;
use sip::{ConnectionId, Flow};
use tokio::sync::{mpsc, oneshot, watch};

use super::PROXY;
use super::certificate_fetches::CertificateFetches;
use super::clients::Clients;
use super::inbox::InboxMessage;
use super::limits::{BATCHES_PER_TURN, GAP_MAX, MESSAGES_PER_TURN};
use super::node::Node;
use super::node::lookup::SeenLive;
use super::node::order::Order;
use super::routing_link::RoutingLinks;

/// The loop and what it owns.
pub struct EventLoop {
    /// The role's context.
    pub ctx: RoleContext,
    /// The calls.
    pub node: Node,
    /// The connections to the proxies.
    pub links: NodeLinks,
    /// Clients of other roles and of the stores.
    pub clients: Clients,
    /// Fetches the certificates for which INVITEs wait.
    pub fetches: CertificateFetches,
    /// The streams to rq.
    pub routing: RoutingLinks,
    /// Inputs beside SIP: answers, requests, repairs.
    pub inbox_messages: mpsc::Receiver<InboxMessage>,
    /// Publishes which owners the proxies see live.
    pub live: watch::Sender<SeenLive>,
    /// Calls left by our previous run; they wait for the first proxy.
    pub former: Vec<Record<ConnId>>,
    /// When the last turn was stored; initially when the loop begins.
    pub turned_at: Timestamp,
}

/// Whether a request's call is here.
type Outcome = Result<(), ErrorCode>;

/// Answers to send once the turn is stored.
#[derive(Default)]
struct PendingReplies {
    requests: Vec<(oneshot::Sender<Outcome>, Option<ConnId>, Outcome)>,
    repairs: Vec<oneshot::Sender<()>>,
}

/// How long the loop sleeps at most.
const SLEEP_MAX: Duration = Duration::from_secs(1);

impl EventLoop {
    /// Runs until the role has drained.
    pub async fn run(mut self) -> anyhow::Result<()> {
        loop {
            let now = self.now();
            let sleep = self.node.next_timeout().map_or(SLEEP_MAX, |due| due.since(now)).min(SLEEP_MAX);
            let mut told = PendingReplies::default();
            tokio::select! {
                event = self.links.next() => self.take_event(event),
                Some(message) = self.inbox_messages.recv() => self.handle_inbox_message(message, &mut told),
                () = tokio::time::sleep(sleep) => {}
                () = self.ctx.drain.begun(), if !self.ctx.drain.is_draining() => {}
            }
            self.take_more(&mut told);
            let now = self.now();
            if now.since(self.turned_at) >= GAP_MAX {
                tracing::warn!(gap = ?now.since(self.turned_at), "this node stood still: its calls may be somebody else's now");
                self.node.doubt();
            }
            self.node.handle_timeout(now);
            self.finish(told, now).await?;
            anyhow::ensure!(
                !self.node.is_beyond_help(),
                "{} faults, and nothing between them that worked",
                InARow::MAX
            );
            if self.drained() {
                return Ok(());
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.ctx.clock.now()
    }

    /// Takes inputs that have come already, so that a busy loop writes fewer and bigger batches.
    fn take_more(&mut self, told: &mut PendingReplies) {
        for _ in 0..MESSAGES_PER_TURN {
            match self.links.try_next() {
                Some(event) => self.take_event(event),
                None => break,
            }
        }
        for _ in 0..MESSAGES_PER_TURN {
            match self.inbox_messages.try_recv() {
                Ok(message) => self.handle_inbox_message(message, told),
                Err(_) => break,
            }
        }
    }

    fn take_event(&mut self, event: LinkEvent) {
        let now = self.now();
        match event {
            LinkEvent::Up { link, edge, proxy, live, drains, .. } => {
                tracing::info!(%proxy, %edge, "a proxy has accepted this node");
                self.node.link_up(link, &edge, now);
                self.node.proxy_drains(link, drains);
                self.see_live(link, live, now);
                // The calls of our previous run, before any of their messages is handled; without those that requests have brought here.
                for record in std::mem::take(&mut self.former) {
                    self.node.restore_absent(&record, now);
                }
                self.ctx.ready.holds(PROXY);
            }
            LinkEvent::Message { link, message } => {
                // Answered by this loop, so that a stuck loop is seen as failed.
                if let Some(answer) = self.links.keep_alive_answer(&message) {
                    self.see_live(link, live_nodes(&message), now);
                    self.node.proxy_drains(link, message.header(&headers::DRAINING).is_some());
                    if self.links.send(link, answer).is_err() {
                        self.node.metrics().message_unsent();
                    }
                    return;
                }
                self.node.receive(message, link, now);
            }
            LinkEvent::Down { link } => {
                tracing::warn!("the connection to a proxy broke");
                self.node.link_down(link, now);
                self.live.send_replace(self.node.live().clone());
                if self.node.is_alone() {
                    self.ctx.ready.fails(PROXY, "no proxy has accepted this node");
                }
            }
        }
    }

    fn see_live(&mut self, link: ConnectionId, live: Vec<Owner>, now: Timestamp) {
        if self.node.sees_live(link, live, now) {
            self.live.send_replace(self.node.live().clone());
        }
    }

    fn handle_inbox_message(&mut self, message: InboxMessage, told: &mut PendingReplies) {
        let now = self.now();
        match message {
            InboxMessage::DialPlan { conn_id, ask, answer } => {
                self.node.dial_plan_answered(conn_id, ask, answer, now);
            }
            InboxMessage::Reach { request, destination } => self.node.reach_answered(request, &destination, now),
            InboxMessage::PinAnswered { conn_id, ask, answer } => self.node.pin_answered(conn_id, ask, answer, now),
            InboxMessage::AgentAnswered { conn_id, done } => self.node.agent_answered(conn_id, done, now),
            InboxMessage::Request { request, reply } => {
                self.node.metrics().request();
                let conn_id = request.kind.conn_id();
                let outcome = self.node.request(*request, now);
                told.requests.push((reply, conn_id, outcome));
            }
            InboxMessage::UserData { tenant, conn_id, reply } => {
                drop(reply.send(self.node.user_data(&tenant, conn_id)));
            }
            InboxMessage::Lacks { request, reply } => drop(reply.send(self.node.lacks(&request, now))),
            InboxMessage::HandOver { conn_id, to, until } => self.node.hand_over_call(conn_id, to, until),
            InboxMessage::HandedOver { tenant, thread, is_given } => self.node.handed_over(&tenant, thread, is_given),
            InboxMessage::Unendable { record, why } => self.node.quarantine_record(&record, why, now),
            InboxMessage::Quarantined { conn_id, done } => self.node.was_quarantined(conn_id, done, now),
            // A task that has ended waits for no answer.
            InboxMessage::Tenants(reply) => drop(reply.send(self.node.tenants())),
            InboxMessage::CertificateFetched { id, fetched } => {
                self.fetches.end(id);
                self.node.certificate_fetched(id, fetched, now);
            }
            InboxMessage::Spent { spender, added } => self.node.spent(&spender, added, now),
            InboxMessage::Monitors { tenant, monitors } => self.node.monitors_read(&tenant, monitors, now),
            InboxMessage::RoutingAgain { tenant } => self.node.tell_routing_again(&tenant, now),
            InboxMessage::Found { named, found } => self.node.found(&named, &found, now),
            InboxMessage::Inherited(records) => self.node.orphans_claimed(&records, now),
            InboxMessage::Repair { repair, orphan, done } => {
                if let Some(record) = orphan {
                    self.node.restore_absent(&record, now);
                }
                self.node.repair(&repair, now);
                told.repairs.push(done);
            }
        }
    }

    /// Stores the changes; returns the calls that this node no longer has.
    async fn store(&mut self) -> anyhow::Result<Vec<ConnId>> {
        let mut lost = self.store_batch().await?;
        // Many facts of one call are more than one write takes.
        for _ in 0..BATCHES_PER_TURN {
            if !self.node.has_more_to_write() {
                break;
            }
            lost.extend(self.store_batch().await?);
        }
        Ok(lost)
    }

    async fn store_batch(&mut self) -> anyhow::Result<Vec<ConnId>> {
        let batch = self.node.batch();
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<ConnId> = batch.iter().map(|write| write.conn_id).collect();
        let calls = &self.ctx.stores.calls;
        // While the ledger is away, a node in doubt waits here and proxies see it as failed: it sends nothing within calls that
        // others may have.
        let answers = if self.node.is_in_doubt() { calls.confirm(batch) } else { calls.commit(batch) }.await?;
        Ok(self.node.committed(ids.into_iter().zip(answers)))
    }

    /// Stores the turn, then sends its outputs.
    async fn finish(&mut self, told: PendingReplies, began: Timestamp) -> anyhow::Result<()> {
        let mut lost = self.store().await?;
        self.node.set_room(self.ctx.stores.calls.has_room());
        self.turned_at = self.now();
        if self.turned_at.since(began) >= GAP_MAX {
            // The node stood still within the turn: others may have taken calls that were stored before.
            self.node.doubt();
            lost.extend(self.store().await?);
        }
        while let Some(transmit) = self.node.poll_transmit() {
            let Flow::Stream { connection } = transmit.flow else {
                continue;
            };
            if self.links.send(connection, transmit.bytes).is_err() {
                self.node.metrics().message_unsent();
            }
        }
        while let Some(order) = self.node.poll_order(self.now()) {
            match order {
                // Sent by the loop itself, to keep their order.
                Order::TellRouting { tenant, details, .. } => self.routing.tell(&tenant, *details),
                Order::Report(report) => {
                    self.node.reported();
                    self.clients.report(*report);
                }
                Order::FetchCertificate { id, tenant, url, authorities, again } => {
                    self.fetches.begin(id, tenant, url, authorities, again);
                }
                Order::StopFetch { id } => self.fetches.end(id),
                order => self.clients.order(order),
            }
        }
        // A requester that has gone needs no answer.
        for (reply, conn_id, outcome) in told.requests {
            // Not done: the call's owner must be asked.
            let undone = outcome.is_ok() && conn_id.is_some_and(|conn_id| lost.contains(&conn_id));
            let _ = reply.send(if undone { Err(ErrorCode::INVALID_CONN_ID) } else { outcome });
        }
        for done in told.repairs {
            let _ = done.send(());
        }
        Ok(())
    }

    /// Whether draining is over: no call is left and what they have spent is stored, or the deadline has passed.
    fn drained(&mut self) -> bool {
        if !self.ctx.drain.is_draining() {
            return false;
        }
        if self.node.drain() {
            self.links.announce(Work::Draining);
        }
        let now = self.now();
        let late = self.ctx.drain.deadline().is_some_and(|deadline| deadline <= now);
        // Remaining calls are in the ledger: the next run of this node continues them.
        late || (self.node.calls() == 0 && self.links.flush_all() && self.node.has_handed_in_spending(now))
    }
}
