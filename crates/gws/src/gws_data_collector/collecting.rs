//! Collects one tenant: its directory whenever the configuration has another revision, and the states of who is in it as they change.
//! Where all replicas have one store, the one that has the job does it.

use std::sync::Arc;
use std::time::Duration;

use infra::{Collection, SearchStore, Swept, bounds};
use model::{TenantId, Timestamp};
use runtime::RoleContext;
use tokio::sync::watch;
use tokio::time::Instant;

use super::directory_writer::DirectoryWriter;
use super::metrics::Metrics;
use super::states_feed::{FollowedStates, StatesFeed};
use crate::directory::Directory;
use crate::tenant_reader::TenantReader;

/// How often changed states are written: as late as somebody sees one.
const STATES_EACH: Duration = Duration::from_millis(250);
/// How often it is looked whether the configuration has another revision.
const CHECKED_EACH: Duration = Duration::from_secs(2);
/// The time between two readings of a directory: four times as long as the last one has taken, within these bounds.
const REST: u32 = 4;
const REST_MIN: Duration = Duration::from_secs(3);
const REST_MAX: Duration = Duration::from_secs(30);
/// The status with which tenant answers about a tenant that is not there.
const NO_TENANT: u16 = 404;
/// For how long a replica has the job of a tenant without renewing it: reading a large directory takes some seconds.
const JOB_FOR: Duration = Duration::from_secs(20);
/// How often a replica without the job asks for it, and the pause after a failure.
const PAUSE: Duration = Duration::from_secs(2);

/// Collects a tenant.
pub(super) struct TenantCollector {
    /// The role.
    pub ctx: RoleContext,
    /// The tenant.
    pub tenant: TenantId,
    /// Reads its directory.
    pub reader: TenantReader,
    /// Counts.
    pub metrics: Metrics,
    /// Is told each time that the directory was collected.
    pub collected: Arc<watch::Sender<u64>>,
}

/// One stint of collecting.
struct CollectingStint<'a> {
    of: &'a TenantCollector,
    store: Arc<dyn SearchStore>,
    writer: DirectoryWriter,
    followed: FollowedStates,
    revision: Option<u64>,
    /// No directory is read before then.
    rests_until: Instant,
    /// Whether states of earlier builds were swept.
    has_swept: bool,
}

impl TenantCollector {
    /// Collects until it is stopped or the role ends.
    pub async fn run(self, mut stopped: watch::Receiver<()>) -> anyhow::Result<()> {
        loop {
            let stint = tokio::select! {
                () = self.ctx.drain.ended() => return Ok(()),
                _ = stopped.changed() => return Ok(()),
                stint = self.stint() => stint,
            };
            if let Err(error) = stint {
                self.metrics.failed.inc();
                tracing::debug!(tenant = %self.tenant, error = format!("{error:#}"), "a tenant is not collected: again");
            }
            tokio::select! {
                () = self.ctx.drain.ended() => return Ok(()),
                _ = stopped.changed() => return Ok(()),
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// Whether it is this replica that collects the tenant.
    async fn has_job(&self) -> anyhow::Result<bool> {
        if !self.ctx.stores.search.is_shared() {
            return Ok(true);
        }
        let job = format!("collect:{}", self.tenant);
        Ok(self.ctx.stores.leases.take_job(&job, &self.ctx.owner(), JOB_FOR).await?.is_some())
    }

    /// Collects for as long as this replica has the job.
    async fn stint(&self) -> anyhow::Result<()> {
        if !self.has_job().await? {
            return Ok(());
        }
        let (store, followed) = (self.ctx.stores.search.clone(), FollowedStates::new(self.ctx.clock.clone()));
        let feed = StatesFeed {
            ctx: self.ctx.clone(),
            tenant: self.tenant.clone(),
            metrics: self.metrics.clone(),
            followed: followed.clone(),
        };
        let stint = CollectingStint {
            of: self,
            store: store.clone(),
            writer: DirectoryWriter::new(store, self.tenant.clone(), self.metrics.clone()),
            followed,
            revision: None,
            rests_until: Instant::now(),
            has_swept: false,
        };
        tokio::select! {
            ended = stint.go_on() => ended,
            () = feed.run() => anyhow::bail!("states are not followed any more"),
        }
    }
}

impl CollectingStint<'_> {
    async fn go_on(mut self) -> anyhow::Result<()> {
        let mut checked_at: Option<Instant> = None;
        let mut tick = tokio::time::interval(STATES_EACH);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.write_states().await?;
            if checked_at.is_some_and(|at| at.elapsed() < CHECKED_EACH) {
                continue;
            }
            if !self.of.has_job().await? {
                return Ok(());
            }
            if !self.check().await? {
                return Ok(());
            }
            checked_at = Some(Instant::now());
        }
    }

    /// Reads the directory if it has changed, and notes that what is collected is as it is. Says whether that is there still: if not, all
    /// of it is collected anew.
    async fn check(&mut self) -> anyhow::Result<bool> {
        let tenant = &self.of.tenant;
        // Where the store does not answer, nothing is read for it.
        let noted = self.store.collection(tenant).await?;
        let own = self.writer.collection().copied();
        if let Some(own) = own {
            let is_own = |noted: Collection| noted.build == own.build || !self.store.is_shared();
            if !noted.is_some_and(is_own) {
                tracing::warn!(%tenant, "what desktops search is not there any more: it is collected anew");
                return Ok(false);
            }
        }
        let revision = match self.of.reader.revision(tenant).await {
            Ok(revision) => revision,
            Err(problem) if problem.status == NO_TENANT => {
                self.store.forget(tenant).await?;
                return Ok(false);
            }
            Err(problem) => anyhow::bail!("{problem}"),
        };
        let now = self.of.ctx.clock.wall();
        let (is_current, is_settled) = self.followed.handle_timeout();
        let is_same = self.revision == Some(revision);
        if !is_same && Instant::now() >= self.rests_until {
            self.collect(revision, now).await?;
            return Ok(true);
        }
        let checked_at = if is_same { now } else { own.map_or(now, |own| own.checked_at) };
        self.writer.note(checked_at, is_current.then_some(now)).await?;
        if is_settled && !self.has_swept {
            self.sweep_states().await?;
        }
        Ok(true)
    }

    async fn collect(&mut self, revision: u64, now: Timestamp) -> anyhow::Result<()> {
        let begun = Instant::now();
        let read = Directory::read(&self.of.reader, &self.of.tenant).await;
        let directory = read.map_err(|problem| anyhow::anyhow!("{problem}"))?;
        let objects = self.writer.write(&directory, revision, now).await?;
        self.revision = Some(revision);
        self.rests_until = Instant::now() + (begun.elapsed() * REST).clamp(REST_MIN, REST_MAX);
        self.of.metrics.collected.inc();
        let left_out = self.followed.follow(objects);
        self.of.metrics.left_out.inc_by(left_out as u64);
        self.of.collected.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Once each state that there is was written, those of objects that are gone can go.
    async fn sweep_states(&mut self) -> anyhow::Result<()> {
        if let Some(collection) = self.writer.collection() {
            self.store.sweep(&self.of.tenant, collection.build, Swept::States).await?;
            self.has_swept = true;
        }
        Ok(())
    }

    async fn write_states(&mut self) -> anyhow::Result<()> {
        let Some(build) = self.writer.collection().map(|collection| collection.build) else { return Ok(()) };
        loop {
            let changed = self.followed.take_changed(bounds::SEARCH_BATCH_MAX);
            if changed.is_empty() {
                return Ok(());
            }
            let written = self.store.keep_states(&self.of.tenant, build, &changed).await;
            if let Err(error) = written {
                // A server that is away for a moment needs no new beginning.
                self.followed.give_back(changed);
                anyhow::ensure!(error.passes(), error);
                self.of.metrics.failed.inc();
                return Ok(());
            }
            self.of.metrics.states_written.inc_by(changed.len() as u64);
        }
    }
}
