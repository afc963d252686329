//! Follows one tenant: its objects and its facts. Keeps its statistics, so that they go on after a restart.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use contracts::v1;
use contracts::v1::delivery::What;
use contracts::wire;
use futures::StreamExt as _;
use infra::{HistoryPoint, KeptView, KnownLife, Position, TenantLife, known_life};
use model::{TenantId, Timestamp};
use net::grpc::Answers;
use runtime::RoleContext;
use runtime::fact_in_hand::FactInHand;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::Code;

use super::counts::{KeptCounts, TenantCounts};
use super::metrics::Metrics;
use super::records::{self, ReadCounts};
use super::shared::SharedCounts;
use crate::role::filter::SubscriptionFilter;
use crate::role::stored_tenants::StoredTenants;
use crate::role::subscription::{SeenReferences, Subscription, SubscriptionReach};
use crate::role::views::Views;

/// Pause before a broken subscription is opened again.
const PAUSE: Duration = Duration::from_millis(300);
/// How often a changed state is stored. Later facts are read again from the stream.
const KEEP: Duration = Duration::from_secs(2);
/// The storing interval grows by [`KEEP`] for each such number of bytes: all tenants share the store, and a large state takes time.
const KEEP_BYTES: usize = 4 << 20;
/// How long a subscription is silent before it is looked whether it has delivered all old facts.
const PRESENT_AFTER: Duration = Duration::from_millis(100);
/// The longest wait for a timer.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// The view's name in the store.
const VIEW: &str = "statistics";
/// Why the numbers restart where facts are missing.
const TRIMMED: &str = "the position is no longer in the stream";

/// What every tenant's loop works with. Cheap to clone.
#[derive(Clone)]
pub(super) struct CountingSources {
    pub(super) ctx: RoleContext,
    pub(super) views: Views,
    pub(super) stored: watch::Receiver<StoredTenants>,
    pub(super) metrics: Metrics,
}

/// One tenant's statistics as they are counted.
pub(super) struct TenantLoop {
    sources: CountingSources,
    tenant: TenantId,
    shared: Arc<SharedCounts>,
    life: Option<TenantLife>,
    kept_at: Instant,
    /// Bytes of the state that was last stored.
    kept_bytes: usize,
    heard_at: Instant,
    /// When the present subscription began: a fact of later is no old one.
    opened_at: Timestamp,
    /// How far the present subscription is.
    reach: Option<SubscriptionReach>,
    /// Whether a write has begun and not ended.
    is_writing: bool,
}

impl TenantLoop {
    /// Continues from what was kept, or from the beginning of the stream.
    pub(super) async fn begin(
        sources: &CountingSources,
        tenant: &TenantId,
        shared: Arc<SharedCounts>,
    ) -> anyhow::Result<Self> {
        let stores = &sources.ctx.stores;
        let life = known_life(&*stores.tenant_lives, tenant).await?;
        let kept = stores.statistics.load(tenant, VIEW).await?;
        let (position, kept) = kept
            .and_then(|kept| read(tenant, &kept).map(|read| (kept.position, read)))
            .filter(|(_, read)| read.life.is_none_or(|of| !life.has_passed(of)))
            .unwrap_or_else(|| (Position::START.to_string(), ReadCounts::default()));
        shared.replace(TenantCounts::restore(kept.counts, position));
        let present_life = match life {
            KnownLife::Present(life) => Some(life),
            KnownLife::Unknown | KnownLife::Over => None,
        };
        Ok(Self {
            sources: sources.clone(),
            tenant: tenant.clone(),
            shared,
            life: present_life,
            kept_at: Instant::now(),
            kept_bytes: 0,
            heard_at: Instant::now(),
            opened_at: sources.ctx.clock.now(),
            reach: None,
            is_writing: false,
        })
    }

    /// The position up to which facts are counted.
    pub(super) fn position(&self) -> String {
        self.shared.with(|counts| counts.position().to_owned())
    }

    /// Begins to count from zero.
    pub(super) fn begin_anew(&self, why: &str) {
        let now = self.now();
        tracing::warn!(tenant = %self.tenant, why, "the statistics restart from zero");
        self.sources.metrics.begun_anew.inc();
        self.shared.with(|counts| {
            let zone = tally::table(counts.time_zone(), now);
            counts.begin_anew(zone, now);
        });
        self.shared.tell();
    }

    pub(super) async fn run(mut self, fact: &mut FactInHand, mut gone: watch::Receiver<()>) -> anyhow::Result<()> {
        let drain = self.sources.ctx.drain.clone();
        loop {
            let ended = tokio::select! {
                () = drain.ended() => break,
                _ = gone.changed() => return Ok(()),
                ended = self.connected(fact) => ended,
            };
            if let Err(error) = ended {
                tracing::debug!(tenant = %self.tenant, %error, "a subscription has ended: opened again");
            }
            tokio::select! {
                () = drain.ended() => break,
                _ = gone.changed() => return Ok(()),
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
        if self.is_writing {
            // The end has interrupted it.
            self.shared.with(|counts| counts.has_been_kept(false));
        }
        self.keep().await;
        Ok(())
    }

    fn now(&self) -> Timestamp {
        self.sources.ctx.clock.now()
    }

    /// Follows facts and objects until one of them cannot be.
    async fn connected(&mut self, fact: &mut FactInHand) -> anyhow::Result<()> {
        let mut stored = self.sources.stored.clone();
        stored.mark_unchanged();
        // Before the first fact: what is counted must be known.
        self.configure().await?;
        let mut facts = self.subscribe().await?;
        let mut asked = self.shared.asked();
        loop {
            let due = self.due();
            tokio::select! {
                delivery = facts.next() => {
                    self.heard_at = Instant::now();
                    let delivery = match delivery.context("the subscription has ended")? {
                        Err(status) if status.code() == Code::OutOfRange => {
                            self.begin_anew(TRIMMED);
                            return Err(status.into());
                        }
                        delivery => delivery?,
                    };
                    if self.delivered(delivery, fact) {
                        // Before the next fact: a fault there would bring this one back.
                        self.keep().await;
                    }
                }
                changed = stored.changed() => {
                    changed.context("nobody looks at the database")?;
                    self.configure().await?;
                }
                // When something is due may be another time.
                asked = asked.changed() => asked.context("nobody serves")?,
                () = tokio::time::sleep_until(due) => self.tick().await,
            }
        }
    }

    /// Reads the tenant's objects if they have changed.
    async fn configure(&self) -> anyhow::Result<()> {
        let point = self.sources.stored.borrow().point(&self.tenant);
        let known = self.shared.with(|counts| counts.configured_at());
        if known.is_some() && known == point {
            return Ok(());
        }
        let (store, since) = (&self.sources.ctx.stores.provisioning, known.unwrap_or_default());
        let mut changes = store.changes(&self.tenant, since).await?;
        if !changes.is_whole && since.revision > changes.point.revision {
            // The configuration was reset to an earlier state.
            changes = store.changes(&self.tenant, HistoryPoint::default()).await?;
        }
        if known == Some(changes.point) {
            return Ok(());
        }
        let (shared, now) = (self.shared.clone(), self.now());
        let is_whole = changes.is_whole;
        let configure = move || shared.with(|counts| counts.configure(changes, |zone| tally::table(zone, now), now));
        if is_whole {
            // A large tenant takes its time, which is nothing for a role's thread.
            tokio::task::spawn_blocking(configure).await?;
        } else {
            configure();
        }
        self.shared.tell();
        Ok(())
    }

    async fn subscribe(&mut self) -> anyhow::Result<Answers<v1::Delivery>> {
        let (views, tenant) = (&self.sources.views, &self.tenant);
        let filter = Arc::new(SubscriptionFilter::default());
        self.opened_at = self.now();
        let position = self.position();
        let (subscription, snapshot) = if position.is_empty() {
            let (subscription, snapshot) = Subscription::with_snapshot(views, tenant, filter).await?;
            (subscription, Some(snapshot))
        } else {
            match Subscription::after(views, tenant, filter, position.parse()?).await {
                Err(status) if status.code() == Code::OutOfRange => {
                    self.begin_anew(TRIMMED);
                    return Err(status.into());
                }
                subscription => (subscription?, None),
            }
        };
        self.heard_at = Instant::now();
        self.reach = Some(subscription.reach());
        let deliveries: Answers<v1::Delivery> = Box::pin(subscription.deliveries(snapshot, SeenReferences::OfAll));
        Ok(deliveries)
    }

    /// Takes in a delivery. Returns whether a fact was skipped.
    fn delivered(&self, delivery: v1::Delivery, fact: &mut FactInHand) -> bool {
        let now = self.now();
        let mut has_skipped = false;
        match delivery.what {
            Some(What::Event(event)) => {
                if let Some(envelope) = event.envelope {
                    has_skipped = self.fold(&event.position, envelope, fact, now);
                }
                self.shared.with(|counts| counts.has_reached(event.position));
            }
            Some(What::Snapshot(snapshot)) => self.shared.with(|counts| {
                let position = snapshot.position.clone();
                let joined = tally::joined(snapshot, |dn| counts.is_route_point(dn));
                counts.join(position, joined, now);
                counts.is_at_present();
            }),
            Some(What::Reached(position)) => {
                let has_read_all = self.has_read_all();
                self.shared.with(|counts| {
                    counts.has_reached(position);
                    if has_read_all {
                        counts.is_at_present();
                    }
                });
            }
            None => {}
        }
        self.shared.tell();
        has_skipped
    }

    /// Counts a fact. Returns whether it was skipped.
    fn fold(&self, position: &str, envelope: v1::Envelope, fact: &mut FactInHand, now: Timestamp) -> bool {
        let stamped = match wire::stamped_from_wire(envelope) {
            Ok(stamped) => stamped,
            Err(error) => {
                self.sources.metrics.facts_unreadable.inc();
                tracing::warn!(tenant = %self.tenant, %error, "a fact cannot be read: left out");
                return false;
            }
        };
        let position = position.parse().unwrap_or(Position::START);
        let is_new = stamped.at >= self.opened_at;
        let is_folded = fact.fold_one((position, &stamped), now, || {
            self.shared.with(|counts| {
                counts.fold(&stamped, now);
                if is_new {
                    counts.is_at_present();
                }
            });
        });
        self.sources.metrics.facts.inc_by(u64::from(is_folded));
        !is_folded
    }

    /// Whether the present subscription has nothing of before left.
    fn has_read_all(&self) -> bool {
        self.reach.as_ref().is_some_and(SubscriptionReach::is_at_present)
    }

    // === time ===

    /// When [`Self::tick`] is due.
    fn due(&self) -> Instant {
        let (is_present, is_kept, next) =
            self.shared.with(|counts| (counts.is_present(), counts.is_kept(), counts.next_timeout()));
        let mut due = self.heard_at + LOOK_AGAIN;
        if !is_present {
            due = due.min(self.heard_at + PRESENT_AFTER);
        }
        if !is_kept {
            due = due.min(self.kept_at + keep_after(self.kept_bytes));
        }
        if let Some(at) = next {
            due = due.min(Instant::now() + at.since(self.now()));
        }
        due
    }

    async fn tick(&mut self) {
        let now = self.now();
        let is_silent = self.heard_at + PRESENT_AFTER <= Instant::now();
        let has_read_all = self.has_read_all();
        let has_news = self.shared.with(|counts| {
            let is_due = counts.next_timeout().is_some_and(|at| at <= now);
            if is_due {
                counts.handle_timeout(now);
            }
            is_due || (is_silent && has_read_all && counts.is_at_present())
        });
        if has_news {
            self.shared.tell();
        }
        // A store that answers late is no present: it is looked at again after as long.
        let waits_on = is_silent && !has_read_all;
        if waits_on || self.heard_at + LOOK_AGAIN <= Instant::now() {
            self.heard_at = Instant::now();
        }
        let is_kept = self.shared.with(|counts| counts.is_kept());
        if !is_kept && self.kept_at + keep_after(self.kept_bytes) <= Instant::now() {
            self.keep().await;
        }
    }

    /// Stores state and position in one write.
    async fn keep(&mut self) {
        self.kept_at = Instant::now();
        if self.shared.with(|counts| counts.is_kept()) {
            return;
        }
        let (kept, position) = self.shared.with(|counts| {
            // What changes from now on is not in it.
            counts.has_been_kept(true);
            counts.kept()
        });
        self.sources.metrics.marks_forgotten.inc_by(self.shared.with(TenantCounts::take_forgotten));
        self.is_writing = true;
        let stored = self.store(kept, position).await;
        self.is_writing = false;
        if let Err(error) = stored {
            self.shared.with(|counts| counts.has_been_kept(false));
            self.sources.metrics.writes_failed.inc();
            tracing::warn!(tenant = %self.tenant, %error, "the statistics cannot be kept: tried again");
        }
    }

    async fn store(&mut self, kept: KeptCounts, position: String) -> anyhow::Result<()> {
        let stores = self.sources.ctx.stores.clone();
        if self.life.is_none()
            && let KnownLife::Present(life) = known_life(&*stores.tenant_lives, &self.tenant).await?
        {
            self.life = Some(life);
        }
        let life = self.life;
        // Some MiB of a large tenant take their time, in which the role's thread serves others.
        let state = tokio::task::spawn_blocking(move || records::write(&kept, life)).await?;
        self.kept_bytes = state.len();
        stores.statistics.keep(&self.tenant, VIEW, KeptView { position, state: state.into() }).await?;
        Ok(())
    }
}

fn read(tenant: &TenantId, kept: &KeptView) -> Option<ReadCounts> {
    let read = records::read(&kept.state);
    if let Err(error) = &read {
        tracing::error!(%tenant, %error, "the stored statistics cannot be read: they restart from zero");
    }
    read.ok()
}

/// The pause after storing a state of this number of bytes.
const fn keep_after(bytes: usize) -> Duration {
    KEEP.saturating_mul(1 + (bytes / KEEP_BYTES) as u32)
}
