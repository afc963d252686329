//! Follows one tenant: its configuration (8888) and its facts (8000). Stores the resulting statistics.

use std::time::Duration;

use anyhow::Context as _;
use contracts::provisioning::ObjectKind;
use contracts::v1;
use contracts::v1::configuration_client::ConfigurationClient;
use contracts::v1::delivery::What;
use contracts::v1::events_client::EventsClient;
use contracts::wire;
use infra::{KeptView, Position};
use model::{EventName, Subject, TenantId, Timestamp};
use net::tenant::{ChangeParts, FollowedChange, changes_after};
use runtime::RoleContext;
use runtime::fact_in_hand::FactInHand;
use stats::Engine;
use tally::Kept;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::{Code, Streaming};

use super::configuration::{Configuration, DN_TYPES, KINDS};
use super::metrics::Metrics;
use super::numbers::Board as Numbers;
use super::publish::Board;
use super::reaching::Reaching;

pub(super) const CONNECTION: &str = "voice-02";
const CONFIGURATION_PORT: u16 = 8888;
const EVENTS_PORT: u16 = 8000;
/// Pause before a broken stream is opened again.
const PAUSE: Duration = Duration::from_millis(300);
/// The longest silence of a stream: both streams send a message at least every 5 s.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// Changes within this time are published together.
const TOGETHER: Duration = Duration::from_millis(50);
/// How often wallboards are notified that the connection works while nothing changes.
const REACHED: Duration = Duration::from_secs(4);
/// How often a changed state is stored. Later facts are read again from the stream.
const KEEP: Duration = Duration::from_secs(2);
/// The storing interval grows by [`KEEP`] for each such number of bytes: all tenants share the store, and a large state takes time.
const KEEP_BYTES: usize = 4 << 20;
/// A stream that has been silent for this long has delivered all old facts.
const PRESENT_AFTER: Duration = Duration::from_millis(100);
/// The largest message: a snapshot of 100,000 calls.
const MESSAGE_MAX: usize = 128 << 20;
/// The view's name in the store.
const VIEW: &str = "pulse";
/// Why the numbers restart where facts are missing.
const TRIMMED: &str = "the position is no longer in the stream";
/// The position before the first fact of a stream.
const BEGINNING: &str = "0-0";

/// One tenant's statistics and their position in the stream.
pub(super) struct TenantLoop {
    ctx: RoleContext,
    tenant: TenantId,
    board: Board,
    metrics: Metrics,
    engine: Engine,
    numbers: Numbers,
    configuration: Configuration,
    position: String,
    /// Since when the numbers count, if they began without earlier facts.
    counts_since: Option<Timestamp>,
    zone: Option<String>,
    /// Whether the statistics of a restored engine were opened again.
    is_configured: bool,
    /// Whether the facts up to the present have been folded once.
    is_present: bool,
    has_changed: bool,
    /// Whether the last fact was skipped.
    has_skipped: bool,
    is_kept: bool,
    told_at: Instant,
    kept_at: Instant,
    /// Bytes of the state that was last stored.
    kept_bytes: usize,
    /// Facts that the next change will publish.
    reaching: Reaching,
}

impl Drop for TenantLoop {
    fn drop(&mut self) {
        self.metrics.statistics_open(self.engine.statistics(), 0);
    }
}

/// The two streams of a tenant.
struct Streams {
    facts: Streaming<v1::Delivery>,
    configuration: Streaming<v1::FollowResponse>,
    parts: ChangeParts,
    opened_at: Timestamp,
    heard_at: Instant,
}

impl TenantLoop {
    /// Continues from the state of the previous run, or from the start of the stream.
    #[allow(clippy::disallowed_methods, reason = "paces a loop")]
    pub async fn begin(ctx: &RoleContext, tenant: &TenantId, board: Board, metrics: &Metrics) -> anyhow::Result<Self> {
        let kept = ctx.stores.views.load(tenant, VIEW).await?;
        let read = kept.and_then(|kept| match tally::read(&kept.state) {
            Ok(read) => Some((kept.position, read)),
            Err(error) => {
                tracing::error!(%tenant, %error, "the stored statistics cannot be read: they restart from zero");
                None
            }
        });
        let (position, kept) = read.unwrap_or_else(|| (BEGINNING.to_owned(), Kept::default()));
        let mut numbers = Numbers::default();
        numbers.told_queues.extend(kept.queues);
        Ok(Self {
            engine: Engine::restore(kept.snapshot, stats::Zone::utc()),
            numbers,
            ctx: ctx.clone(),
            tenant: tenant.clone(),
            board,
            metrics: metrics.clone(),
            configuration: Configuration::default(),
            position,
            counts_since: kept.counts_since,
            zone: None,
            is_configured: false,
            is_present: false,
            has_changed: false,
            has_skipped: false,
            is_kept: true,
            told_at: Instant::now(),
            kept_at: Instant::now(),
            kept_bytes: 0,
            reaching: Reaching::default(),
        })
    }

    pub async fn run(mut self, fact: &mut FactInHand, mut stopped: watch::Receiver<()>) -> anyhow::Result<()> {
        let drain = self.ctx.drain.clone();
        loop {
            let ended = tokio::select! {
                () = drain.ended() => break,
                _ = stopped.changed() => break,
                ended = self.connected(fact) => ended,
            };
            if let Err(error) = ended {
                self.metrics.subscription_broke();
                tracing::debug!(tenant = %self.tenant, %error, "a stream has ended: opened again");
            }
            tokio::select! {
                () = drain.ended() => break,
                _ = stopped.changed() => break,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
        self.keep().await;
        Ok(())
    }

    /// Follows both streams until one ends.
    async fn connected(&mut self, fact: &mut FactInHand) -> anyhow::Result<()> {
        let mut streams = self.open().await?;
        loop {
            let due = self.due(&streams);
            tokio::select! {
                delivery = streams.facts.message() => {
                    streams.heard_at = Instant::now();
                    let delivery = match delivery {
                        Err(status) if status.code() == Code::OutOfRange => {
                            self.begin_anew(TRIMMED);
                            return Err(status.into());
                        }
                        delivery => delivery?.context("the stream of facts has ended")?,
                    };
                    self.delivered(delivery, fact, &streams);
                    if std::mem::take(&mut self.has_skipped) {
                        // Before the next fact: a fault there would bring this one back.
                        self.keep().await;
                    }
                }
                part = streams.configuration.message() => {
                    let part = part?.context("the stream of configuration has ended")?;
                    if let Some(change) = streams.parts.take(part) {
                        self.configured(change);
                    }
                }
                () = tokio::time::sleep_until(due) => self.tick(&streams).await?,
            }
        }
    }

    async fn open(&mut self) -> anyhow::Result<Streams> {
        let channel = net::grpc::channel(&self.ctx, CONNECTION, CONFIGURATION_PORT)?;
        let known = self.configuration.point;
        let asked = net::grpc::for_tenant(tonic::Request::new(changes_after(known, KINDS, &DN_TYPES)), &self.tenant);
        let mut client = ConfigurationClient::new(channel).max_decoding_message_size(MESSAGE_MAX);
        let mut configuration = client.follow(asked).await?.into_inner();
        // Opens the statistics before the first fact that they count.
        let mut parts = ChangeParts::after(known);
        loop {
            let next = tokio::time::timeout(SILENCE_MAX, configuration.message()).await.context("silence")?;
            if next.as_ref().is_err_and(|status| status.code() == Code::OutOfRange) {
                // The configuration was reset to an earlier state: read all of it again.
                self.configuration = Configuration::default();
            }
            let part = next?.context("the stream of configuration has ended")?;
            if let Some(first) = parts.take(part) {
                self.configured(first);
                break;
            }
        }
        let channel = net::grpc::channel(&self.ctx, CONNECTION, EVENTS_PORT)?;
        let asked = v1::SubscribeRequest { after: self.position.clone(), ..Default::default() };
        let asked = net::grpc::for_tenant(tonic::Request::new(asked), &self.tenant);
        let mut client = EventsClient::new(channel).max_decoding_message_size(MESSAGE_MAX);
        let facts = match client.subscribe(asked).await {
            Err(status) if status.code() == Code::OutOfRange => {
                self.begin_anew(TRIMMED);
                return Err(status.into());
            }
            facts => facts?.into_inner(),
        };
        Ok(Streams { facts, configuration, parts, opened_at: self.ctx.clock.now(), heard_at: Instant::now() })
    }

    // === input ===

    fn configured(&mut self, change: FollowedChange) {
        let mut changed = self.configuration.change(change);
        if !self.is_configured {
            changed.extend(KINDS);
        }
        if changed.is_empty() {
            return;
        }
        let before = self.engine.statistics();
        let zone = self.configuration.time_zone().map(str::to_owned);
        if zone != self.zone || !self.is_configured {
            self.engine.set_zone(tally::table(zone.as_deref(), self.ctx.clock.now()));
            self.zone = zone;
        }
        if changed.contains(&ObjectKind::Dn) {
            self.engine.set_services(self.configuration.services());
        }
        self.numbers.configure(&mut self.engine, &self.configuration, &changed);
        if !self.is_configured {
            self.engine.forget_unopened();
            self.engine.handle_timeout(self.ctx.clock.now());
            self.is_configured = true;
        }
        self.metrics.statistics_open(before, self.engine.statistics());
        self.has_changed = true;
    }

    fn delivered(&mut self, delivery: v1::Delivery, fact: &mut FactInHand, streams: &Streams) {
        match delivery.what {
            Some(What::Event(event)) => {
                self.position = event.position;
                self.is_kept = false;
                // Each message contains the position, so each fact causes a change to publish.
                self.has_changed = true;
                let Some(envelope) = event.envelope else { return };
                match wire::stamped_from_wire(envelope) {
                    Ok(stamped) => {
                        // One that is skipped counts nowhere; the facts after it do.
                        let position = self.position.parse().unwrap_or(Position::START);
                        let now = self.ctx.clock.now();
                        self.has_skipped = !fact.fold_one((position, &stamped), now, || self.fold(&stamped, streams));
                    }
                    Err(error) => {
                        self.metrics.unreadable();
                        tracing::warn!(tenant = %self.tenant, %error, "a fact cannot be read: left out");
                    }
                }
            }
            Some(What::Snapshot(snapshot)) => {
                self.position = snapshot.position.clone();
                let points = self.configuration.points();
                let joined = tally::joined(snapshot, |dn| points.contains_key(dn));
                self.engine.join(joined, self.ctx.clock.now());
                self.is_kept = false;
                self.is_present = true;
                self.has_changed = true;
            }
            Some(What::Reached(position)) => {
                self.is_kept &= self.position == position;
                self.position = position;
                self.is_present = true;
            }
            None => {}
        }
    }

    fn fold(&mut self, stamped: &model::Stamped, streams: &Streams) {
        self.metrics.folded();
        self.engine.handle_event(stamped, self.ctx.clock.now());
        if let (EventName::Queued, Subject::Queue(_), Some(call)) =
            (stamped.event.name, &stamped.id.subject, &stamped.event.call)
        {
            for dn in self.engine.route_points_of(call.conn_id) {
                self.numbers.is_queue(&dn);
            }
        }
        let is_new = stamped.at >= streams.opened_at;
        self.is_present |= is_new;
        if is_new && self.ctx.trace.spans().is_on() {
            self.reaching.folded(stamped);
        }
    }

    /// The position of the last folded fact.
    pub fn position(&self) -> &str {
        &self.position
    }

    /// Restarts the numbers, because facts are missing or the state has a fault.
    pub fn begin_anew(&mut self, why: &str) {
        tracing::warn!(tenant = %self.tenant, position = %self.position, why, "the numbers restart from zero");
        self.metrics.began_anew();
        let before = self.engine.statistics();
        self.engine = Engine::new(tally::table(self.zone.as_deref(), self.ctx.clock.now()));
        self.engine.set_services(self.configuration.services());
        self.numbers = std::mem::take(&mut self.numbers).anew();
        self.numbers.configure(&mut self.engine, &self.configuration, &KINDS.iter().copied().collect());
        self.engine.handle_timeout(self.ctx.clock.now());
        self.metrics.statistics_open(before, self.engine.statistics());
        self.counts_since = Some(self.ctx.clock.now());
        self.position = String::new();
        self.has_changed = true;
    }

    // === time ===

    /// When the next timer is due.
    fn due(&self, streams: &Streams) -> Instant {
        let mut due = (self.told_at + REACHED).min(streams.heard_at + SILENCE_MAX);
        if !self.is_present {
            due = due.min(streams.heard_at + PRESENT_AFTER);
        } else if self.has_changed {
            due = due.min(self.told_at + TOGETHER);
        }
        if !self.is_kept {
            due = due.min(self.kept_at + keep_after(self.kept_bytes));
        }
        if let Some(at) = self.engine.next_timeout() {
            due = due.min(Instant::now() + at.since(self.ctx.clock.now()));
        }
        due
    }

    async fn tick(&mut self, streams: &Streams) -> anyhow::Result<()> {
        let now = self.ctx.clock.now();
        if self.engine.next_timeout().is_some_and(|at| at <= now) {
            self.engine.handle_timeout(now);
            self.has_changed = true;
        }
        if streams.heard_at + PRESENT_AFTER <= Instant::now() {
            self.has_changed |= !self.is_present;
            self.is_present = true;
        }
        anyhow::ensure!(streams.heard_at + SILENCE_MAX > Instant::now(), "silence");
        if self.is_present && self.has_changed && self.told_at + TOGETHER <= Instant::now() {
            self.tell(now);
        } else if self.is_present && self.told_at + REACHED <= Instant::now() {
            self.told_at = Instant::now();
            self.board.reached(now.as_millis());
        }
        if !self.is_kept && self.kept_at + keep_after(self.kept_bytes) <= Instant::now() {
            self.keep().await;
        }
        Ok(())
    }

    fn tell(&mut self, now: Timestamp) {
        self.numbers.take_outputs(&mut self.engine);
        let counts_since = self.numbers.counts_since(&self.engine, self.counts_since, now);
        self.numbers.refresh(&self.engine, counts_since, now);
        let event_at = self.engine.take_oldest();
        let head = self.numbers.head(&self.position, &self.engine, self.counts_since, event_at, now);
        let name = self.configuration.name().unwrap_or(self.tenant.as_str());
        self.board.show(name, head, &self.numbers.queues, &self.numbers.agents);
        self.reaching.shown(self.ctx.trace.spans(), &self.tenant, self.ctx.clock.now());
        self.has_changed = false;
        self.told_at = Instant::now();
    }

    /// Stores state and position in one write.
    async fn keep(&mut self) {
        self.kept_at = Instant::now();
        if self.is_kept || !self.is_configured {
            return;
        }
        let queues = self.numbers.told_queues.iter().cloned().collect();
        let kept = Kept { snapshot: self.engine.snapshot(), counts_since: self.counts_since, queues };
        let state = tally::write(&kept);
        self.kept_bytes = state.len();
        self.metrics.marks_forgotten(self.engine.take_forgotten());
        let kept = KeptView { position: self.position.clone(), state: state.into() };
        self.ctx.meter("pulse-22").peer("stores").request();
        match self.ctx.stores.views.keep(&self.tenant, VIEW, kept).await {
            Ok(()) => self.is_kept = true,
            Err(error) => {
                self.metrics.write_failed();
                tracing::warn!(tenant = %self.tenant, %error, "the statistics cannot be kept: tried again");
            }
        }
    }
}

/// The pause after storing a state of this number of bytes.
const fn keep_after(bytes: usize) -> Duration {
    KEEP.saturating_mul(1 + (bytes / KEEP_BYTES) as u32)
}
