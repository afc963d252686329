//! The loop: REGISTERs from the proxies and their answers, the scan for expired bindings, and our own REGISTERs to carriers.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use model::Timestamp;
use net::sip::node::{Work, live_nodes};
use net::sip::{Counters, LinkEvent, NodeLinks};
use runtime::RoleContext;
use sip::own_registration::EdgeAddresses;
use sip::proxy::headers;
use sip::transaction::{ClientRequest, Intervals, Received, ServerId, TransactionEvent, TransactionLayer};
use sip::{ConnectionId, Flow, HeaderName, Message, StatusCode};
use tracing::{info, warn};

use super::carriers::{CarrierRequest, Carriers, LeftToRead, RouteToStore};
use super::expiry::Expiry;
use super::handler::{Asked, Handler, RegisterBatch};
use super::metrics::Metrics;
use super::trunks::Trunks;
use crate::service_routes;

/// REGISTERs being processed; the next one is answered 503.
const AT_ONCE_MAX: usize = 1_024;
/// Events that one turn takes: those that come together are decided and written together.
const EVENTS_PER_TURN: usize = 256;
/// Interval of the scan for expired bindings. The scan also queries the store, so that one that has lost its bindings gets them
/// back soon: a call finds no phone until then.
const SCAN_EACH: Duration = Duration::from_millis(500);
/// How long the loop sleeps at most.
const SLEEP_MAX: Duration = Duration::from_secs(1);
/// How long a stopping role waits for carriers to confirm that its registrations are removed.
const REMOVED_WITHIN: Duration = Duration::from_secs(3);
/// The condition that at least one proxy has accepted this node.
const PROXY: &str = "sip-proxy";

/// The loop and what it owns.
pub(super) struct EventLoop {
    ctx: RoleContext,
    links: NodeLinks,
    layer: TransactionLayer,
    handler: Handler,
    expiry: Expiry,
    trunks: Trunks,
    carriers: Carriers,
    /// When the role began to drain.
    draining: Option<Timestamp>,
    metrics: Metrics,
    under_way: FuturesUnordered<BoxFuture<'static, RegisterBatch>>,
    /// REGISTERs in `under_way`.
    at_once: usize,
    /// Ways of carriers that are being stored: the number of the registration, and whether it was done.
    storing: FuturesUnordered<BoxFuture<'static, (u64, bool)>>,
    /// Contacts under which trunks were registered last, that are being read: the number of the registration, and what is known.
    reading: FuturesUnordered<BoxFuture<'static, (u64, Option<String>)>>,
    /// REGISTERs taken in this turn, to be processed.
    taken: Vec<Asked>,
    entropy: Box<dyn model::Entropy>,
}

impl EventLoop {
    pub fn new(
        ctx: RoleContext,
        handler: Handler,
        (trunks, carriers): (Trunks, Carriers),
        metrics: Metrics,
    ) -> anyhow::Result<Self> {
        ctx.ready.require(PROXY);
        let links = NodeLinks::of_role(&ctx, net::sip::Limits::default(), Arc::new(Counters::default()))?;
        ctx.ready.started();
        let (layer, entropy) = (TransactionLayer::new(Intervals::default()), ctx.entropy());
        let expiry = Expiry::new(handler.clone(), metrics.clone());
        Ok(Self {
            ctx,
            links,
            layer,
            handler,
            expiry,
            trunks,
            carriers,
            draining: None,
            metrics,
            under_way: FuturesUnordered::new(),
            at_once: 0,
            storing: FuturesUnordered::new(),
            reading: FuturesUnordered::new(),
            taken: Vec::new(),
            entropy,
        })
    }

    /// Runs until the role has drained.
    pub async fn run(mut self) -> anyhow::Result<()> {
        let mut scan = tokio::time::interval(SCAN_EACH);
        scan.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let now = self.ctx.clock.now();
            let due = [self.layer.next_timeout(), self.carriers.next_timeout()].into_iter().flatten().min();
            let sleep = due.map_or(SLEEP_MAX, |due| due.since(now)).min(SLEEP_MAX);
            tokio::select! {
                event = self.links.next() => self.take(event),
                Some(batch) = self.under_way.next() => self.answer(batch),
                Some((number, is_stored)) = self.storing.next() => self.stored(number, is_stored),
                Some((number, contact)) = self.reading.next() => self.left_read(number, contact),
                _ = scan.tick() => self.expiry.scan(),
                () = self.expiry.next(|| self.ctx.clock.now()) => {}
                () = tokio::time::sleep(sleep) => {}
                () = self.trunks.changed() => self.carriers.set_trunks(self.trunks.all(), self.ctx.clock.now()),
                () = self.ctx.drain.begun(), if !self.ctx.drain.is_draining() => {}
            }
            // Whatever woke the loop: requests that have come since are taken in this turn.
            self.take_what_has_come();
            let now = self.ctx.clock.now();
            if self.ctx.drain.is_draining() && self.draining.is_none() {
                self.draining = Some(now);
                self.links.announce(Work::Draining);
                self.carriers.drain(now);
            }
            self.layer.handle_timeout(now);
            self.settle(now);
            self.begin();
            self.read_lefts();
            self.register_trunks(now);
            self.store_routes(now);
            self.transmit();
            if self.has_drained(now) {
                return Ok(());
            }
        }
    }

    fn has_drained(&self, now: Timestamp) -> bool {
        let Some(since) = self.draining else { return false };
        let carriers_know = self.carriers.is_over() || now.since(since) >= REMOVED_WITHIN;
        carriers_know && self.under_way.is_empty() && self.links.flush_all()
    }

    /// Requests of ours that have failed without an answer.
    fn settle(&mut self, now: Timestamp) {
        while let Some(event) = self.layer.poll_event() {
            if let TransactionEvent::ClientTimeout { owner, .. } | TransactionEvent::ClientFlowFailed { owner, .. } =
                event
            {
                self.carriers.unanswered(owner, now);
            }
        }
    }

    /// Sends the REGISTERs to carriers that are due.
    fn register_trunks(&mut self, now: Timestamp) {
        self.carriers.handle_timeout(now);
        while let Some(CarrierRequest { number, link, branch, message }) = self.carriers.poll_request() {
            let flow = Flow::Stream { connection: link };
            let request = ClientRequest { message: &message, branch: &branch, flow, owner: number };
            if let Err(error) = self.layer.send(request, now) {
                warn!(%error, "a REGISTER to a carrier could not be sent");
                self.carriers.unanswered(number, now);
            }
        }
    }

    /// Reads under which Contacts the trunks were registered last that are registered here now.
    fn read_lefts(&mut self) {
        while let Some(LeftToRead { number, tenant, trunk, contact }) = self.carriers.poll_left() {
            let stores = self.ctx.stores.clone();
            self.reading.push(Box::pin(async move {
                let read = service_routes::registered_as(&stores, &tenant, (&trunk, &contact)).await;
                if let Err(error) = &read {
                    warn!(%tenant, trunk, %error, "under which Contact a trunk was registered last was not read: the carrier may have that until it ends");
                }
                (number, read.unwrap_or_default())
            }));
        }
    }

    fn left_read(&mut self, number: u64, contact: Option<String>) {
        self.carriers.left_read(number, contact, self.ctx.clock.now());
    }

    /// Stores the ways that carriers want, for dialplan.
    fn store_routes(&mut self, now: Timestamp) {
        while let Some(RouteToStore { number, tenant, trunk, way }) = self.carriers.poll_route(now) {
            let stores = self.ctx.stores.clone();
            self.storing.push(Box::pin(async move {
                let stored = service_routes::keep(&stores, &tenant, &trunk, &way).await;
                if let Err(error) = &stored {
                    warn!(%tenant, trunk, %error, "the way that a carrier wants for calls was not stored: calls go to `contact` meanwhile");
                }
                (number, stored.is_ok())
            }));
        }
    }

    fn stored(&mut self, number: u64, is_stored: bool) {
        self.carriers.route_stored(number, is_stored, self.ctx.clock.now());
    }

    fn take_what_has_come(&mut self) {
        for _ in 1..EVENTS_PER_TURN {
            let Some(event) = self.links.try_next() else { return };
            self.take(event);
        }
    }

    /// Starts to process what the turn has taken. A store in this process finishes at once: its answers leave in this turn.
    fn begin(&mut self) {
        if !self.taken.is_empty() {
            let (handler, taken) = (self.handler.clone(), std::mem::take(&mut self.taken));
            self.at_once += taken.len();
            self.under_way.push(Box::pin(async move { handler.register(taken).await }));
        }
        while let Some(Some(batch)) = self.under_way.next().now_or_never() {
            self.answer(batch);
        }
    }

    fn answer(&mut self, RegisterBatch { answers, behind }: RegisterBatch) {
        self.at_once = self.at_once.saturating_sub(answers.len());
        for (server, answer) in &answers {
            self.respond(*server, answer);
        }
        for asked in behind.into_values() {
            let handler = self.handler.clone();
            self.under_way.push(Box::pin(async move { handler.again(asked).await }));
        }
    }

    fn take(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Up { link, proxy, edge, secure_edge, places, live, drains } => {
                info!(%proxy, "a proxy has accepted this node");
                self.ctx.ready.holds(PROXY);
                let edge = EdgeAddresses { plain: edge, secure: secure_edge, places };
                self.carriers.came_up(link, edge, drains, &live, self.ctx.clock.now());
            }
            LinkEvent::Down { link } => {
                let now = self.ctx.clock.now();
                // First: what waits for an answer by it goes on by another proxy, and that it fails says nothing of the carrier.
                self.carriers.broke(link, now);
                self.layer.flow_failed(Flow::Stream { connection: link });
                self.settle(now);
                if self.links.all().next().is_none() {
                    self.ctx.ready.fails(PROXY, "no proxy has accepted this node");
                }
            }
            LinkEvent::Message { link, message } => match self.links.keep_alive_answer(&message) {
                Some(answer) => {
                    // A disconnected proxy needs no answer.
                    let _ = self.links.send(link, answer);
                    let now = self.ctx.clock.now();
                    if message.header(&headers::LIVE).is_some() {
                        self.carriers.proxy_drains(link, message.header(&headers::DRAINING).is_some(), now);
                        self.carriers.saw(link, &live_nodes(&message), now);
                    }
                    if let Some(flow) = message.header(&headers::FLOW_CLOSED) {
                        self.carriers.flow_closed(link, flow, now);
                    }
                }
                None => self.receive(message, link),
            },
        }
    }

    fn receive(&mut self, message: Message, link: ConnectionId) {
        let flow = Flow::Stream { connection: link };
        // The proxy has checked it by all its rules before passing it on.
        let now = self.ctx.clock.now();
        let new = match self.layer.receive_sound(message, flow, now) {
            Received::Request(new) => new,
            Received::Response { owner, message, .. } => return self.carriers.answered(owner, &message, now),
            Received::Absorbed | Received::Ack { .. } | Received::Stray(_) => return,
        };
        let to_tag = format!("{:016x}", self.entropy.next_u64());
        if let Some(refusal) = sip::registration::unserved(&new.message) {
            let mut answer = Message::response_to(&new.message, refusal.status).to_tag(&to_tag);
            if let Some((name, value)) = refusal.header {
                answer = answer.header(&name, value);
            }
            return self.respond(new.server, &answer.build());
        }
        if self.at_once + self.taken.len() >= AT_ONCE_MAX {
            self.metrics.overloaded();
            let answer = Message::response_to(&new.message, StatusCode::SERVICE_UNAVAILABLE)
                .to_tag(&to_tag)
                .header(&HeaderName::RetryAfter, 2);
            return self.respond(new.server, &answer.build());
        }
        self.taken.push(Asked { server: new.server, request: new.message, to_tag });
    }

    fn respond(&mut self, server: ServerId, answer: &Message) {
        // If its connection is gone, the transaction is over: the phone repeats its request.
        let _ = self.layer.respond(server, answer, self.ctx.clock.now());
    }

    fn transmit(&mut self) {
        while let Some(transmit) = self.layer.poll_transmit() {
            if let Flow::Stream { connection } = transmit.flow
                && self.links.send(connection, transmit.bytes).is_err()
            {
                warn!("a message about a REGISTER found no connection");
            }
        }
    }
}
