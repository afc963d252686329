//! Reads what the sessions of this replica have open of statistics, each once for all of them, and tells each session. Tenants do not wait
//! for one another: one about which nobody answers is asked about again once its question is over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures::FutureExt as _;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use model::TenantId;
use runtime::Drain;
use tokio::time::MissedTickBehavior;

use super::behind::StatisticsSide;
use super::reporting::WantedStatistic;
use super::session::DeskSession;
use crate::sessions::held::HeldSessions;

/// How often.
const EACH: Duration = Duration::from_secs(2);
/// Each so many times those sessions have their turn to which nobody listens.
const UNHEARD_EACH: u32 = 5;
/// The most tenants that are asked about at a time: a question takes 6 s at most, and those beyond have their turn then.
const TENANTS_AT_ONCE: usize = 256;
/// Records that are written at a time.
const WRITTEN_AT_ONCE: usize = 16;
/// After so many sessions whatever else is due has its turn.
const SESSIONS_AT_ONCE: usize = 64;

/// Reads and tells.
pub(super) struct StatisticsReporter {
    /// The sessions.
    pub held: Arc<HeldSessions<DeskSession>>,
    /// gws-statistics.
    pub statistics: Arc<dyn StatisticsSide>,
}

/// The sessions of a tenant with something open, and what that is.
#[derive(Default)]
struct TenantReports {
    sessions: Vec<Arc<DeskSession>>,
    wanted: BTreeSet<WantedStatistic>,
}

/// What is under way at a time, once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ReporterTask {
    /// A tenant is asked about.
    Tenant(TenantId),
    /// Records are written.
    Records,
}

/// All that is under way.
#[derive(Default)]
struct ReporterTasks<'r> {
    running: FuturesUnordered<BoxFuture<'r, ReporterTask>>,
    names: BTreeSet<ReporterTask>,
}

impl<'r> ReporterTasks<'r> {
    fn begin(&mut self, name: ReporterTask, task: impl Future<Output = ()> + Send + 'r) {
        if self.names.insert(name.clone()) {
            self.running.push(task.map(move |()| name).boxed());
        }
    }

    /// Waits until one of them is done; for ever where there is none.
    async fn ended(&mut self) {
        match self.running.next().await {
            Some(name) => {
                self.names.remove(&name);
            }
            None => std::future::pending().await,
        }
    }
}

impl StatisticsReporter {
    /// Goes on until the role ends.
    pub async fn run(self, drain: Drain) -> Result<()> {
        let mut tick = tokio::time::interval(EACH);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut tasks, mut turns) = (ReporterTasks::default(), 0_u32);
        loop {
            tokio::select! {
                () = drain.begun() => return Ok(()),
                () = tasks.ended() => {}
                _ = tick.tick() => {
                    turns = turns.wrapping_add(1);
                    self.begin(&mut tasks, turns.is_multiple_of(UNHEARD_EACH)).await;
                }
            }
        }
    }

    /// Reads everything once.
    #[cfg(test)]
    pub async fn turn(&self) {
        let mut tasks = ReporterTasks::default();
        self.begin(&mut tasks, true).await;
        while !tasks.names.is_empty() {
            tasks.ended().await;
        }
    }

    /// Begins what is not under way; `is_for_all`: for sessions to which nobody listens, too.
    async fn begin<'r>(&'r self, tasks: &mut ReporterTasks<'r>, is_for_all: bool) {
        let sessions: Vec<Arc<DeskSession>> = self.held.all();
        let mut tenants: BTreeMap<TenantId, TenantReports> = BTreeMap::new();
        for some in sessions.chunks(SESSIONS_AT_ONCE) {
            for session in some {
                let of = tenants.entry(session.cookie.tenant.clone()).or_default();
                if session.add_wanted_statistics(&mut of.wanted, is_for_all) {
                    of.sessions.push(session.clone());
                }
            }
            tokio::task::yield_now().await;
        }
        tenants.retain(|_, reports| !reports.sessions.is_empty());
        for (tenant, reports) in tenants {
            if tasks.names.len() < TENANTS_AT_ONCE {
                tasks.begin(ReporterTask::Tenant(tenant.clone()), self.report(tenant, reports));
            }
        }
        let due: Vec<Arc<DeskSession>> = sessions.into_iter().filter(|session| session.is_reporting_due()).collect();
        if !due.is_empty() {
            tasks.begin(ReporterTask::Records, write(due));
        }
    }

    async fn report(&self, tenant: TenantId, reports: TenantReports) {
        let TenantReports { sessions, wanted } = reports;
        let read = self.statistics.values(tenant, wanted.into_iter().collect()).await;
        for some in sessions.chunks(SESSIONS_AT_ONCE) {
            for session in some {
                session.report(read.as_ref().ok());
            }
            tokio::task::yield_now().await;
        }
    }
}

async fn write(due: Vec<Arc<DeskSession>>) {
    let due = futures::stream::iter(due);
    due.for_each_concurrent(WRITTEN_AT_ONCE, |session| async move { session.keep_reporting().await }).await;
}
