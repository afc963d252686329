//! The tenants one after the other, each at its time: at most one is read at once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use model::{TenantId, Timestamp};
use net::tenant::{ObjectReader, TenantList};
use runtime::RoleContext;
use tokio::sync::watch;

use super::Metrics;
use super::bucket_days::{BucketDays, DayClaim, WRITTEN_WITHIN};
use super::day_folder::{DayFolder, Manifest, TenantFolder, WrittenDay};
use super::due_day::{self, DueDay};
use super::table_file::FileFormat;
use super::{old_days, tables, tenant_zone};

/// A tenant is looked at again after this time at the latest: its time zone may have changed.
const LOOK_AGAIN: Duration = Duration::from_secs(3_600);
/// The longest sleep: timers stop while a machine sleeps, the clock does not.
const SLEEP_MAX: Duration = Duration::from_secs(60);
/// The pause after a failure; each further one in a row doubles it, up to the longest.
const PAUSE: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(3_600);
/// A tenant is looked at again after this time where another replica was about to write its files.
const BUSY: Duration = Duration::from_secs(10);
/// Time for a claim to be given back after a failure.
const GIVEN_BACK_WITHIN: Duration = Duration::from_secs(30);

/// What the role works with.
pub(super) struct Daily {
    pub ctx: RoleContext,
    pub objects: ObjectReader,
    /// Reads whole tenants.
    pub whole: ObjectReader,
    /// Where the tenants' folders are; with a bucket, what is on its way there.
    pub folder: PathBuf,
    /// Where the files go, if not into folders.
    pub bucket: Option<BucketDays>,
    pub formats: Vec<FileFormat>,
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
    /// The day that was looked for last, if its files were there.
    written_day: Option<Date>,
    /// When the latest files were written, 0 if there are none; nothing while that is not known.
    last_written: Option<Timestamp>,
}

type Turns = BTreeMap<TenantId, TenantTurn>;

impl Daily {
    /// Writes what is due until the role ends.
    pub async fn run(self, mut tenants: watch::Receiver<TenantList>) -> anyhow::Result<()> {
        let drain = self.ctx.drain.clone();
        let (mut turns, mut tidied) = (Turns::new(), None);
        loop {
            if let Err(error) = self.remove_old_days(&mut tidied) {
                let error = format!("{error:#}");
                tracing::warn!(error, "old days of the inventory are not removed: tried again tomorrow");
            }
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
            // A day that is broken off here is written anew after the next start.
            tokio::select! {
                () = drain.begun() => return Ok(()),
                () = self.look_at_due(&mut turns) => {}
            }
        }
    }

    /// Removes what is too old, whoever's it is: once a day, and `tidied` is the last one.
    fn remove_old_days(&self, tidied: &mut Option<Date>) -> anyhow::Result<()> {
        let today = due_day::local_day(self.ctx.clock.now(), &TimeZone::UTC)?;
        if tidied.replace(today) == Some(today) {
            return Ok(());
        }
        // By no tenant's clocks it is an earlier day than this.
        old_days::remove(&self.folder, today.yesterday()?, self.keep_days)
    }

    async fn look_at_due(&self, turns: &mut Turns) {
        for (tenant, turn) in &mut *turns {
            if turn.due > self.ctx.clock.now() {
                continue;
            }
            match self.look_at(tenant, turn).await {
                Ok(next) => {
                    turn.due = next.min(self.ctx.clock.now() + LOOK_AGAIN);
                    turn.failures = 0;
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
        let oldest = turns.values().filter_map(|turn| turn.last_written).min();
        self.metrics.last_success.set(oldest.map(|at| i64::try_from(at.as_secs()).unwrap_or(i64::MAX)));
    }

    /// Writes the files of a tenant's day if they are due. Returns when something is due next.
    async fn look_at(&self, tenant: &TenantId, turn: &mut TenantTurn) -> anyhow::Result<Timestamp> {
        if let Some(bucket) = &self.bucket {
            bucket.probe().await?;
        }
        let zone = tenant_zone::of(tenant, &self.objects).await?;
        let now = self.ctx.clock.now();
        self.find(tenant, due_day::local_day(now, &zone)?, turn).await?;
        let has_just_begun = !turn.has_been_looked_at;
        let due = due_day::due(now, &zone, self.at, has_just_begun, |day| turn.written_day == Some(day))?;
        if let DueDay::Now(day) = due
            && !self.write(tenant, &zone, day, turn).await?
        {
            return Ok(self.ctx.clock.now() + BUSY);
        }
        turn.has_been_looked_at = true;
        let now = self.ctx.clock.now();
        Ok(match due_day::due(now, &zone, self.at, false, |day| turn.written_day == Some(day))? {
            DueDay::At(next) => next,
            // Midnight, or the time of day, has passed meanwhile.
            DueDay::Now(_) => now,
        })
    }

    /// Finds out whether the files of that day are there.
    async fn find(&self, tenant: &TenantId, day: Date, turn: &mut TenantTurn) -> anyhow::Result<()> {
        let Some(bucket) = &self.bucket else {
            let folder = TenantFolder::new(&self.folder, tenant);
            turn.written_day = folder.has(day).then_some(day);
            turn.last_written = Some(folder.last_written().unwrap_or(Timestamp::ZERO));
            return Ok(());
        };
        // What is in the bucket stays there, so it is asked for once.
        if turn.written_day != Some(day) {
            let at = bucket.written_at(tenant, day).await?;
            turn.written_day = at.map(|_| day);
            turn.last_written = at.or(turn.last_written);
        }
        // Without a list of what is there, the days before are asked for once after a start. Only the metric needs them.
        if turn.last_written.is_none()
            && let Ok(at) = bucket.written_before(tenant, day).await
        {
            turn.last_written = Some(at.unwrap_or(Timestamp::ZERO));
        }
        Ok(())
    }

    /// Writes the files of a day. Says whether they are there: they are not if another replica is about to write them.
    async fn write(
        &self,
        tenant: &TenantId,
        zone: &TimeZone,
        day: Date,
        turn: &mut TenantTurn,
    ) -> anyhow::Result<bool> {
        let folder = TenantFolder::new(&self.folder, tenant);
        let Some(_held) = folder.lock()? else { return Ok(false) };
        let Some(bucket) = &self.bucket else {
            let write = self.write_folder(tenant, zone, day, &folder);
            self.write_if_missing(tenant, day, turn, write).await?;
            return Ok(true);
        };
        // Other machines read the claim's time by the wall clock.
        let claim = bucket.claim(tenant, self.ctx.node.as_str(), self.ctx.clock.wall()).await?;
        let Some(claim) = claim else { return Ok(false) };
        let put = self.write_bucket(tenant, zone, day, &folder, (bucket, &claim));
        let late = |_| anyhow!("the day is not put within {} s", WRITTEN_WITHIN.as_secs());
        let write = async { tokio::time::timeout(WRITTEN_WITHIN, put).await.map_err(late)? };
        let written = self.write_if_missing(tenant, day, turn, write).await;
        if written.is_err() {
            give_back(bucket, tenant, &claim).await;
        }
        written.map(|()| true)
    }

    /// Writes so what may have been written before it was ours to write. `write` gives the revision that the files show, and the number of
    /// their rows.
    async fn write_if_missing(
        &self,
        tenant: &TenantId,
        day: Date,
        turn: &mut TenantTurn,
        write: impl Future<Output = anyhow::Result<(u64, u64)>>,
    ) -> anyhow::Result<()> {
        self.find(tenant, day, turn).await?;
        if turn.written_day == Some(day) {
            return Ok(());
        }
        let (revision, rows) = write.await?;
        self.metrics.folders.inc();
        self.metrics.rows.inc_by(rows);
        tracing::info!(%tenant, %day, revision, rows, "the inventory of a tenant is written");
        self.find(tenant, day, turn).await
    }

    /// Returns the revision that the files show, and the number of their rows.
    async fn write_folder(
        &self,
        tenant: &TenantId,
        zone: &TimeZone,
        day: Date,
        folder: &TenantFolder,
    ) -> anyhow::Result<(u64, u64)> {
        let written = self.files_of(tenant, zone, day, folder).await?;
        let told = (written.revision, written.rows);
        written.publish()?;
        Ok(told)
    }

    /// As [`Self::write_folder`]; the folder has the files only until the bucket has them.
    async fn write_bucket(
        &self,
        tenant: &TenantId,
        zone: &TimeZone,
        day: Date,
        folder: &TenantFolder,
        (bucket, claim): (&BucketDays, &DayClaim),
    ) -> anyhow::Result<(u64, u64)> {
        let written = self.files_of(tenant, zone, day, folder).await?;
        let told = (written.revision, written.rows);
        bucket.put(tenant, day, &written, claim).await?;
        written.remove()?;
        Ok(told)
    }

    /// Writes the files of a day, where nobody sees them yet.
    async fn files_of(
        &self,
        tenant: &TenantId,
        zone: &TimeZone,
        day: Date,
        folder: &TenantFolder,
    ) -> anyhow::Result<WrittenDay> {
        let mut files = DayFolder::begin(folder, day, &self.formats)?;
        // Files are written between two objects: this role has a thread of its own and nobody waits for it.
        let revision = self.whole.read(tenant, &tables::KINDS, "", |object| files.add(&object)).await?;
        let now = self.ctx.clock.now();
        let now = jiff::Timestamp::from_second(i64::try_from(now.as_secs())?)?;
        files.close(&Manifest {
            tenant: tenant.as_str(),
            day: day.to_string(),
            time_zone: zone.iana_name().unwrap_or("UTC"),
            written_at: now.to_string(),
            revision,
        })
    }
}

/// Gives a claim back after a failure: another replica may have more luck. Where that fails too, it must wait until the claim is old.
async fn give_back(bucket: &BucketDays, tenant: &TenantId, claim: &DayClaim) {
    let given = tokio::time::timeout(GIVEN_BACK_WITHIN, bucket.give_back(tenant, claim)).await;
    if let Err(error) = given.map_err(anyhow::Error::from).flatten() {
        let error = format!("{error:#}");
        tracing::warn!(%tenant, error, "the claim of a tenant's inventory is not given back: other replicas wait for it");
    }
}

/// The pause after a failure that followed so many others.
fn pause_after(failures_before: u32) -> Duration {
    model::doubling_pause(PAUSE, PAUSE_MAX, failures_before.saturating_add(1))
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
