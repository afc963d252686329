//! Reads what the sessions of this replica have open of statistics, each once for all of them, and tells each session.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures::StreamExt as _;
use model::TenantId;
use runtime::Drain;
use tokio::time::MissedTickBehavior;

use super::behind::StatisticsSide;
use super::reporting::WantedStatistic;
use super::session::DeskSession;
use crate::sessions::held::HeldSessions;

/// How often.
const EACH: Duration = Duration::from_secs(2);
/// The most tenants that are asked about at a time, and records that are written.
const TENANTS_AT_ONCE: usize = 8;
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

impl StatisticsReporter {
    /// Goes on until the role ends.
    pub async fn run(self, drain: Drain) -> Result<()> {
        let mut tick = tokio::time::interval(EACH);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = drain.begun() => return Ok(()),
                _ = tick.tick() => self.turn().await,
            }
        }
    }

    /// Reads everything once.
    pub async fn turn(&self) {
        let sessions: Vec<Arc<DeskSession>> = self.held.all();
        let mut tenants: BTreeMap<TenantId, TenantReports> = BTreeMap::new();
        for some in sessions.chunks(SESSIONS_AT_ONCE) {
            for session in some {
                let of = tenants.entry(session.cookie.tenant.clone()).or_default();
                if session.add_wanted_statistics(&mut of.wanted) {
                    of.sessions.push(session.clone());
                }
            }
            tokio::task::yield_now().await;
        }
        tenants.retain(|_, reports| !reports.sessions.is_empty());
        let tenants = futures::stream::iter(tenants);
        tenants.for_each_concurrent(TENANTS_AT_ONCE, |(tenant, reports)| self.report(tenant, reports)).await;
        let due = sessions.into_iter().filter(|session| session.is_reporting_due());
        let due: Vec<Arc<DeskSession>> = due.collect();
        futures::stream::iter(due)
            .for_each_concurrent(WRITTEN_AT_ONCE, |session| async move { session.keep_reporting().await })
            .await;
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
