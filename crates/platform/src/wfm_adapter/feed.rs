//! Follows one tenant: its configuration (8888) and its facts (8000), which go on after the last one where a stream has ended.

use std::time::Duration;

use anyhow::Context as _;
use contracts::v1;
use contracts::v1::configuration_client::ConfigurationClient;
use contracts::v1::delivery::What;
use contracts::v1::events_client::EventsClient;
use contracts::wire;
use model::{TenantId, Timestamp};
use runtime::RoleContext;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::{Code, Streaming};

use super::shared_history::SharedHistory;
use super::workforce::{KINDS, Workforce};
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
    /// The position of the last fact that was folded; empty asks for a snapshot.
    position: String,
}

/// The two streams of a tenant.
struct FeedStreams {
    facts: Streaming<v1::Delivery>,
    configuration: Streaming<v1::FollowResponse>,
    opened_at: Timestamp,
    heard_at: Instant,
}

impl TenantFeed {
    pub fn new(ctx: &RoleContext, tenant: &TenantId, metrics: &Metrics, history: SharedHistory) -> Self {
        let (ctx, tenant, metrics) = (ctx.clone(), tenant.clone(), metrics.clone());
        Self { ctx, tenant, metrics, history, position: BEGINNING.to_owned() }
    }

    /// Follows the tenant until it is removed or the role ends.
    pub async fn run(mut self, mut stopped: watch::Receiver<()>) -> anyhow::Result<()> {
        let drain = self.ctx.drain.clone();
        loop {
            let ended = tokio::select! {
                () = drain.ended() => return Ok(()),
                _ = stopped.changed() => return Ok(()),
                ended = self.connected() => ended,
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
    async fn connected(&mut self) -> anyhow::Result<()> {
        let mut streams = self.open().await?;
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                delivery = streams.facts.message() => {
                    streams.heard_at = Instant::now();
                    let delivery = self.not_trimmed(delivery)?.context("the stream of facts has ended")?;
                    self.delivered(delivery, streams.opened_at);
                }
                changes = streams.configuration.message() => {
                    let changes = changes?.context("the stream of configuration has ended")?;
                    self.history.lock().configure(changes, self.ctx.clock.now());
                }
                _ = tick.tick() => {
                    anyhow::ensure!(streams.heard_at + SILENCE_MAX > Instant::now(), "silence");
                    let mut history = self.history.lock();
                    history.tick(self.ctx.clock.now());
                    // A stream that has said nothing for so long has told all that there was.
                    history.is_present |= streams.heard_at + TICK <= Instant::now();
                }
            }
        }
    }

    async fn open(&mut self) -> anyhow::Result<FeedStreams> {
        let configuration = self.open_configuration().await?;
        let channel = net::grpc::channel(&self.ctx, EVENTS, EVENTS_PORT)?;
        let asked = v1::SubscribeRequest { after: self.position.clone(), ..Default::default() };
        let asked = net::grpc::for_tenant(tonic::Request::new(asked), &self.tenant);
        let mut client = EventsClient::new(channel).max_decoding_message_size(MESSAGE_MAX);
        let subscribed = client.subscribe(asked).await;
        let facts = self.not_trimmed(subscribed)?.into_inner();
        Ok(FeedStreams { facts, configuration, opened_at: self.ctx.clock.now(), heard_at: Instant::now() })
    }

    /// Opens the stream of configuration, and takes all of it in before the first fact.
    async fn open_configuration(&mut self) -> anyhow::Result<Streaming<v1::FollowResponse>> {
        let channel = net::grpc::channel(&self.ctx, CONFIGURATION, CONFIGURATION_PORT)?;
        let kinds = KINDS.iter().map(|kind| kind.as_str().to_owned()).collect();
        let known = self.history.lock().workforce.revision;
        let asked = v1::FollowRequest { after_revision: known, kinds };
        let asked = net::grpc::for_tenant(tonic::Request::new(asked), &self.tenant);
        let mut client = ConfigurationClient::new(channel).max_decoding_message_size(MESSAGE_MAX);
        let mut configuration = client.follow(asked).await?.into_inner();
        loop {
            let next = tokio::time::timeout(SILENCE_MAX, configuration.message()).await.context("silence")?;
            if next.as_ref().is_err_and(|status| status.code() == Code::OutOfRange) {
                // The configuration was reset to an earlier state: all of it is read again.
                self.history.lock().workforce = Workforce::default();
            }
            let changes = next?.context("the stream of configuration has ended")?;
            // Many objects come in several messages. Only the last of them has a new revision.
            let is_last = changes.revision != known || changes.objects.is_empty();
            self.history.lock().configure(changes, self.ctx.clock.now());
            if is_last {
                return Ok(configuration);
            }
        }
    }

    /// Where the position is no longer kept, the next subscription begins with a snapshot.
    fn not_trimmed<T>(&mut self, answer: Result<T, tonic::Status>) -> anyhow::Result<T> {
        if answer.as_ref().is_err_and(|status| status.code() == Code::OutOfRange) {
            tracing::warn!(tenant = %self.tenant, position = %self.position, "facts are gone: the history has a gap");
            self.metrics.begun_anew.inc();
            self.position = String::new();
            self.history.lock().begin_anew(self.ctx.clock.now());
        }
        answer.map_err(anyhow::Error::from)
    }

    fn delivered(&mut self, delivery: v1::Delivery, opened_at: Timestamp) {
        let now = self.ctx.clock.now();
        match delivery.what {
            Some(What::Event(event)) => {
                self.position = event.position;
                let Some(envelope) = event.envelope else { return };
                match wire::stamped_from_wire(envelope) {
                    Ok(stamped) => {
                        let mut history = self.history.lock();
                        history.fold(&stamped, now);
                        history.is_present |= stamped.at >= opened_at;
                    }
                    Err(error) => {
                        self.metrics.facts_unreadable.inc();
                        tracing::warn!(tenant = %self.tenant, %error, "a fact cannot be read: left out");
                    }
                }
            }
            Some(What::Snapshot(snapshot)) => {
                self.position.clone_from(&snapshot.position);
                self.history.lock().join(snapshot, now);
            }
            Some(What::Reached(position)) => {
                self.position = position;
                self.history.lock().is_present = true;
            }
            None => {}
        }
    }
}
