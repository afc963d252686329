//! Follows one tenant: its configuration (8888) and its facts (8000), which go on after the last one where a stream has ended.

use std::time::Duration;

use anyhow::Context as _;
use contracts::v1;
use contracts::v1::configuration_client::ConfigurationClient;
use contracts::v1::delivery::What;
use contracts::v1::events_client::EventsClient;
use contracts::wire;
use infra::Position;
use model::{TenantId, Timestamp};
use net::tenant::{ChangeParts, changes_after};
use runtime::RoleContext;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::{Code, Streaming};

use super::fault_memory::FaultMemory;
use super::shared_history::SharedHistory;
use super::workforce::{DN_TYPES, KINDS};
use super::{CONFIGURATION, CONFIGURATION_PORT, EVENTS, EVENTS_PORT, Metrics};

/// Pause before a stream that has ended is opened again.
const PAUSE: Duration = Duration::from_millis(300);
/// Both streams say something at least every 5 s.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// How often timers are looked at.
const TICK: Duration = Duration::from_secs(1);
/// The largest message: a snapshot of 100,000 calls.
const MESSAGE_MAX: usize = 128 << 20;
/// The position before the first fact of a stream.
const BEGINNING: &str = "0-0";

/// Follows a tenant.
pub(super) struct TenantFeed {
    ctx: RoleContext,
    tenant: TenantId,
    metrics: Metrics,
    history: SharedHistory,
    /// The position of the last fact that was folded, or after which facts are still there.
    position: String,
    /// What is missing before the next fact.
    missing: MissingFacts,
}

/// Facts that are not there to be folded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MissingFacts {
    None,
    /// Those up to the position.
    UpToPosition,
    /// All up to now.
    UpToNow,
}

/// The two streams of a tenant.
struct FeedStreams {
    facts: Streaming<v1::Delivery>,
    configuration: Streaming<v1::FollowResponse>,
    parts: ChangeParts,
    opened_at: Timestamp,
    heard_at: Instant,
}

impl TenantFeed {
    pub fn new(ctx: &RoleContext, tenant: &TenantId, metrics: &Metrics, history: SharedHistory) -> Self {
        let (ctx, tenant, metrics) = (ctx.clone(), tenant.clone(), metrics.clone());
        Self { ctx, tenant, metrics, history, position: BEGINNING.to_owned(), missing: MissingFacts::None }
    }

    /// The same, without the facts that the stream still has.
    pub fn begin_now(self) -> Self {
        Self { missing: MissingFacts::UpToNow, ..self }
    }

    /// Follows the tenant until it is removed or the role ends.
    pub async fn run(mut self, faults: &mut FaultMemory, mut stopped: watch::Receiver<()>) -> anyhow::Result<()> {
        let drain = self.ctx.drain.clone();
        loop {
            let ended = tokio::select! {
                () = drain.ended() => return Ok(()),
                _ = stopped.changed() => return Ok(()),
                ended = self.connected(faults) => ended,
            };
            if let Err(error) = ended {
                self.metrics.subscriptions_broken.inc();
                tracing::debug!(tenant = %self.tenant, %error, "a stream has ended: opened again");
            }
            tokio::select! {
                () = drain.ended() => return Ok(()),
                _ = stopped.changed() => return Ok(()),
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// Follows both streams until one ends.
    async fn connected(&mut self, faults: &mut FaultMemory) -> anyhow::Result<()> {
        let mut streams = self.open().await?;
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                delivery = streams.facts.message() => {
                    streams.heard_at = Instant::now();
                    let delivery = self.not_lost(delivery)?.context("the stream of facts has ended")?;
                    self.delivered(delivery, faults, streams.opened_at);
                }
                part = streams.configuration.message() => {
                    let part = part?.context("the stream of configuration has ended")?;
                    if let Some(change) = streams.parts.take(part) {
                        self.history.lock().configure(change, self.ctx.clock.now());
                    }
                }
                _ = tick.tick() => {
                    anyhow::ensure!(streams.heard_at + SILENCE_MAX > Instant::now(), "silence");
                    let mut history = self.history.lock();
                    history.tick(self.ctx.clock.now());
                    // A stream that has said nothing for so long has told all that there was.
                    if streams.heard_at + TICK <= Instant::now() {
                        history.caught_up();
                    }
                }
            }
        }
    }

    // === opening ===

    async fn open(&mut self) -> anyhow::Result<FeedStreams> {
        let (configuration, parts) = self.open_configuration().await?;
        if self.missing != MissingFacts::None {
            self.make_up_for_missing().await?;
        }
        let subscribed = self.subscribe(&self.position).await;
        let facts = self.not_lost(subscribed)?;
        Ok(FeedStreams { facts, configuration, parts, opened_at: self.ctx.clock.now(), heard_at: Instant::now() })
    }

    async fn subscribe(&self, after: &str) -> Result<Streaming<v1::Delivery>, tonic::Status> {
        let channel = net::grpc::channel(&self.ctx, EVENTS, EVENTS_PORT);
        let channel = channel.map_err(|error| tonic::Status::unavailable(error.to_string()))?;
        let asked = v1::SubscribeRequest { after: after.to_owned(), ..Default::default() };
        let asked = net::grpc::for_tenant(tonic::Request::new(asked), &self.tenant);
        let mut client = EventsClient::new(channel).max_decoding_message_size(MESSAGE_MAX);
        client.subscribe(asked).await.map(tonic::Response::into_inner)
    }

    /// Opens the stream of configuration, and takes all of it in before the first fact.
    async fn open_configuration(&mut self) -> anyhow::Result<(Streaming<v1::FollowResponse>, ChangeParts)> {
        let channel = net::grpc::channel(&self.ctx, CONFIGURATION, CONFIGURATION_PORT)?;
        let known = self.history.lock().workforce.point;
        let asked = net::grpc::for_tenant(tonic::Request::new(changes_after(known, &KINDS, &DN_TYPES)), &self.tenant);
        let mut client = ConfigurationClient::new(channel).max_decoding_message_size(MESSAGE_MAX);
        let mut configuration = client.follow(asked).await?.into_inner();
        let mut parts = ChangeParts::after(known);
        loop {
            let next = tokio::time::timeout(SILENCE_MAX, configuration.message()).await.context("silence")?;
            if next.as_ref().is_err_and(|status| status.code() == Code::OutOfRange) {
                // It was reset to an earlier state.
                self.history.lock().configuration_was_reset();
            }
            let part = next?.context("the stream of configuration has ended")?;
            if let Some(change) = parts.take(part) {
                self.history.lock().configure(change, self.ctx.clock.now());
                return Ok((configuration, parts));
            }
        }
    }

    // === missing facts ===

    /// Begins the history with what the missing facts have led to: the present state, whose position the facts that are left come to.
    async fn make_up_for_missing(&mut self) -> anyhow::Result<()> {
        let mut facts = self.subscribe("").await?;
        let first = tokio::time::timeout(SILENCE_MAX, facts.message()).await.context("silence")??;
        let Some(What::Snapshot(snapshot)) = first.and_then(|delivery| delivery.what) else {
            anyhow::bail!("a subscription does not begin with a snapshot");
        };
        if self.missing == MissingFacts::UpToNow {
            self.position.clone_from(&snapshot.position);
        }
        let position = self.position.parse().unwrap_or(Position::START);
        self.history.lock().begin_after(position, snapshot, self.ctx.clock.now());
        self.missing = MissingFacts::None;
        Ok(())
    }

    fn not_lost<T>(&mut self, answer: Result<T, tonic::Status>) -> anyhow::Result<T> {
        if let Err(status) = &answer
            && status.code() == Code::OutOfRange
        {
            self.lost(net::grpc::trimmed_to(status));
        }
        answer.map_err(anyhow::Error::from)
    }

    /// The stream does not go on after the position; `gone` is the last that it had and has no longer.
    fn lost(&mut self, gone: Option<&str>) {
        let is_beginning = self.position == BEGINNING;
        if !is_beginning {
            self.metrics.begun_anew.inc();
        }
        match gone {
            Some(gone) => {
                tracing::warn!(tenant = %self.tenant, position = %self.position, gone, "facts are gone: they are in no history");
                gone.clone_into(&mut self.position);
                self.missing = MissingFacts::UpToPosition;
            }
            // The stream has never had the position: it is another one.
            None if !is_beginning => {
                tracing::warn!(tenant = %self.tenant, position = %self.position, "the stream is another one: it is read whole");
                BEGINNING.clone_into(&mut self.position);
                self.history.lock().begin_with_stream(self.ctx.clock.now());
            }
            None => self.missing = MissingFacts::UpToNow,
        }
    }

    // === facts ===

    fn delivered(&mut self, delivery: v1::Delivery, faults: &mut FaultMemory, opened_at: Timestamp) {
        let now = self.ctx.clock.now();
        match delivery.what {
            Some(What::Event(event)) => {
                self.position = event.position;
                let position = self.position.parse().unwrap_or(Position::START);
                let Some(envelope) = event.envelope else { return };
                let stamped = match wire::stamped_from_wire(envelope) {
                    Ok(stamped) => stamped,
                    Err(error) => {
                        self.metrics.facts_unreadable.inc();
                        tracing::warn!(tenant = %self.tenant, %error, "a fact cannot be read: left out");
                        return;
                    }
                };
                faults.fold((position, &stamped), now, || self.history.lock().fold(&stamped, now));
                let mut history = self.history.lock();
                history.passed(position, now);
                if stamped.at >= opened_at {
                    history.caught_up();
                }
            }
            Some(What::Reached(position)) => {
                let mut history = self.history.lock();
                history.passed(position.parse().unwrap_or(Position::START), now);
                history.caught_up();
                self.position = position;
            }
            // It comes only where no position was given.
            Some(What::Snapshot(_)) | None => {}
        }
    }
}
