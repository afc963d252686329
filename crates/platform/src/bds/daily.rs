//! The tenants one after the other, each at its time: at most one is read at once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use model::{TenantId, Timestamp};
use net::tenant::{ObjectReader, TenantList};
use runtime::RoleContext;
use tokio::sync::watch;

use super::Metrics;
use super::day_folder::{DayFolder, Manifest, TenantFolder};
use super::due_day::{self, DueDay};
use super::{tables, tenant_zone};

/// A tenant is looked at again after this time at the latest: its time zone may have changed.
const LOOK_AGAIN: Duration = Duration::from_secs(3_600);
/// The longest sleep: timers stop while a machine sleeps, the clock does not.
const SLEEP_MAX: Duration = Duration::from_secs(60);
/// The pause after a failure; each further one in a row doubles it, up to the longest.
const PAUSE: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(3_600);

/// What the role works with.
pub(super) struct Daily {
    pub ctx: RoleContext,
    pub objects: ObjectReader,
    pub folder: PathBuf,
    pub at: Time,
    pub keep_days: u32,
    pub metrics: Metrics,
}

/// What is known of a tenant.
#[derive(Default)]
struct TenantTurn {
    /// When it is looked at next.
    due: Timestamp,
    /// Failures in a row.
    failures: u32,
    has_been_looked_at: bool,
    last_written: Option<Timestamp>,
}

type Turns = BTreeMap<TenantId, TenantTurn>;

impl Daily {
    /// Writes what is due until the role ends.
    pub async fn run(self, mut tenants: watch::Receiver<TenantList>) -> anyhow::Result<()> {
        let drain = self.ctx.drain.clone();
        let mut turns = Turns::new();
        loop {
            let due = turns.values().map(|turn| turn.due).min();
            let pause = due.map_or(SLEEP_MAX, |due| due.since(self.ctx.clock.now()).min(SLEEP_MAX));
            tokio::select! {
                () = drain.begun() => return Ok(()),
                changed = tenants.changed() => {
                    changed.context("nobody follows the tenants")?;
                    let listed = tenants.borrow_and_update().clone();
                    turns.retain(|tenant, _| listed.contains(tenant));
                    for tenant in listed.iter() {
                        turns.entry(tenant.clone()).or_default();
                    }
                }
                () = tokio::time::sleep(pause) => {}
            }
            // A folder that is broken off here is written anew after the next start.
            tokio::select! {
                () = drain.begun() => return Ok(()),
                () = self.look_at_due(&mut turns) => {}
            }
        }
    }

    async fn look_at_due(&self, turns: &mut Turns) {
        for (tenant, turn) in &mut *turns {
            if turn.due > self.ctx.clock.now() {
                continue;
            }
            match self.look_at(tenant, turn).await {
                Ok(next) => {
                    turn.due = next.min(self.ctx.clock.now() + LOOK_AGAIN);
                    (turn.failures, turn.has_been_looked_at) = (0, true);
                }
                Err(error) => {
                    turn.due = self.ctx.clock.now() + pause_after(turn.failures);
                    turn.failures = turn.failures.saturating_add(1);
                    self.metrics.failures.inc();
                    let (error, failures) = (format!("{error:#}"), turn.failures);
                    tracing::warn!(%tenant, error, failures, "the inventory of a tenant is not written: tried again");
                }
            }
        }
        let failing = turns.values().filter(|turn| turn.failures > 0).count();
        self.metrics.tenants_failing.set(i64::try_from(failing).unwrap_or(i64::MAX));
        let oldest = turns.values().map(|turn| turn.last_written.unwrap_or(Timestamp::ZERO)).min();
        self.metrics.last_success.set(i64::try_from(oldest.unwrap_or(Timestamp::ZERO).as_secs()).unwrap_or(i64::MAX));
    }

    /// Writes the files of a tenant's day if they are due. Returns when something is due next.
    async fn look_at(&self, tenant: &TenantId, turn: &mut TenantTurn) -> anyhow::Result<Timestamp> {
        let zone = tenant_zone::of(tenant, &self.objects).await?;
        let folder = TenantFolder::new(&self.folder, tenant);
        let due =
            |has_just_begun| due_day::due(self.ctx.clock.now(), &zone, self.at, has_just_begun, |day| folder.has(day));
        let next = match due(!turn.has_been_looked_at)? {
            DueDay::At(next) => next,
            DueDay::Now(day) => {
                self.write(tenant, &zone, day).await?;
                folder.remove_before(day, self.keep_days)?;
                match due(false)? {
                    DueDay::At(next) => next,
                    // Midnight has passed meanwhile.
                    DueDay::Now(_) => self.ctx.clock.now(),
                }
            }
        };
        turn.last_written = folder.last_written();
        Ok(next)
    }

    async fn write(&self, tenant: &TenantId, zone: &TimeZone, day: Date) -> anyhow::Result<()> {
        let mut files = DayFolder::begin(&TenantFolder::new(&self.folder, tenant), day)?;
        // Files are written between two objects: this role has a thread of its own and nobody waits for it.
        let revision = self.objects.read(tenant, &tables::KINDS, "", |object| files.add(&object)).await?;
        let now = self.ctx.clock.now();
        let now = jiff::Timestamp::from_second(i64::try_from(now.as_secs())?)?;
        let rows = files.finish(&Manifest {
            tenant: tenant.as_str(),
            day: day.to_string(),
            time_zone: zone.iana_name().unwrap_or("UTC"),
            written_at: now.to_string(),
            revision,
        })?;
        self.metrics.folders.inc();
        self.metrics.rows.inc_by(rows);
        tracing::info!(%tenant, %day, revision, rows, "the inventory of a tenant is written");
        Ok(())
    }
}

/// The pause after a failure that followed so many others.
fn pause_after(failures_before: u32) -> Duration {
    PAUSE.saturating_mul(2_u32.saturating_pow(failures_before)).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest() {
        assert_eq!([0, 1, 4].map(pause_after), [5, 10, 80].map(Duration::from_secs));
        assert_eq!([10, 31, u32::MAX].map(pause_after), [PAUSE_MAX; 3]);
    }
}
