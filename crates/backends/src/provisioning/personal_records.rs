//! What people keep for themselves. The tables are bound to that of persons: whoever removes a person removes the rows.
//!
//! Writers of a tenant's configuration are not waited for. Of requests of one person at the very same time each may take the last place
//! that is left: then there are a few more than there may be, until the next one of its kind.

pub(super) mod contacts;

use futures::FutureExt as _;
use infra::bounds::{FAVOURITES_MAX, PERSONAL_SETTINGS_BYTES, PERSONAL_SETTINGS_MAX, RECENTS_MAX};
use infra::{
    Answer, Favourite, FavouriteAgain, FavouriteKept, PersonalRecords, PersonalSetting, RecentTarget, Result,
    SettingKept, TargetName,
};
use model::{TenantId, Timestamp};

use super::{Dialect, Row, Statement, Tables, Turn, number, query};

impl<D: Dialect> PersonalRecords for Tables<D> {
    fn favourites<'a>(&'a self, tenant: &'a TenantId, user: &'a str) -> Answer<'a, Vec<Favourite>> {
        async move {
            let sql = "SELECT target_type, target, saved_ms, document FROM person_favourite
                 WHERE tenant = ? AND user_name = ? ORDER BY saved_ms DESC, target_type, target";
            let rows = self.0.reads().await?.rows(of_person(sql, tenant, user)).await?;
            rows.iter().map(favourite_of).collect()
        }
        .boxed()
    }

    fn keep_favourite<'a>(
        &'a self,
        tenant: &'a TenantId,
        user: &'a str,
        favourite: &'a Favourite,
        again: FavouriteAgain,
    ) -> Answer<'a, FavouriteKept> {
        async move {
            let mut turn = self.0.appends().await?;
            let sql = "SELECT target_type, target, saved_ms, document FROM person_favourite
                 WHERE tenant = ? AND user_name = ?";
            let held = turn.rows(of_person(sql, tenant, user)).await?;
            let held = held.iter().map(favourite_of).collect::<Result<Vec<_>>>()?;
            match held.iter().find(|other| other.target == favourite.target) {
                // Who has had no answer asks once more.
                Some(other) if again == FavouriteAgain::Refused && other.at == favourite.at => {
                    return Ok(FavouriteKept::Kept);
                }
                Some(_) if again == FavouriteAgain::Refused => return Ok(FavouriteKept::AlreadyThere),
                None if held.len() >= FAVOURITES_MAX => return Ok(FavouriteKept::TooMany),
                Some(_) | None => {}
            }
            let sql = "INSERT INTO person_favourite (tenant, user_name, target_type, target, saved_ms, document)
                 VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, user_name, target_type, target)
                 DO UPDATE SET saved_ms = excluded.saved_ms, document = excluded.document";
            let put = of_target(sql, tenant, user, &favourite.target).bind(number(favourite.at.as_millis()));
            turn.run(put.bind(&favourite.document)).await?;
            turn.commit().await?;
            Ok(FavouriteKept::Kept)
        }
        .boxed()
    }

    fn remove_favourite<'a>(&'a self, tenant: &'a TenantId, user: &'a str, target: &'a TargetName) -> Answer<'a, bool> {
        let sql = "DELETE FROM person_favourite WHERE tenant = ? AND user_name = ? AND target_type = ? AND target = ?";
        async move { Ok(self.appended(of_target(sql, tenant, user, target)).await? > 0) }.boxed()
    }

    fn recents<'a>(&'a self, tenant: &'a TenantId, user: &'a str) -> Answer<'a, Vec<RecentTarget>> {
        async move {
            let sql = "SELECT target_type, target, at_ms, missed, document FROM person_recent
                 WHERE tenant = ? AND user_name = ? ORDER BY at_ms DESC, target_type, target";
            let rows = self.0.reads().await?.rows(of_person(sql, tenant, user)).await?;
            rows.iter().map(recent_of).collect()
        }
        .boxed()
    }

    fn note_recent<'a>(&'a self, tenant: &'a TenantId, user: &'a str, recent: &'a RecentTarget) -> Answer<'a, bool> {
        async move {
            let mut turn = self.0.appends().await?;
            let sql = "INSERT INTO person_recent (tenant, user_name, target_type, target, at_ms, missed, document)
                 VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, user_name, target_type, target)
                 DO UPDATE SET at_ms = excluded.at_ms, missed = excluded.missed, document = excluded.document
                 WHERE person_recent.at_ms < excluded.at_ms";
            let put = of_target(sql, tenant, user, &recent.target).bind(number(recent.at.as_millis()));
            let is_later = turn.run(put.bind(u32::from(recent.is_missed)).bind(&recent.document)).await? > 0;
            if is_later {
                remove_earliest(&mut *turn, tenant, user).await?;
            }
            turn.commit().await?;
            Ok(is_later)
        }
        .boxed()
    }

    fn acknowledge_missed<'a>(&'a self, tenant: &'a TenantId, user: &'a str, until: Timestamp) -> Answer<'a, u64> {
        let sql = "UPDATE person_recent SET missed = 0
             WHERE tenant = ? AND user_name = ? AND missed = 1 AND at_ms <= ?";
        self.appended(of_person(sql, tenant, user).bind(number(until.as_millis())))
    }

    fn settings<'a>(&'a self, tenant: &'a TenantId, user: &'a str) -> Answer<'a, Vec<PersonalSetting>> {
        async move { settings(&mut *self.0.reads().await?, tenant, user).await }.boxed()
    }

    fn keep_setting<'a>(
        &'a self,
        tenant: &'a TenantId,
        user: &'a str,
        setting: &'a PersonalSetting,
    ) -> Answer<'a, SettingKept> {
        async move {
            let mut turn = self.0.appends().await?;
            let mut all = settings(&mut *turn, tenant, user).await?;
            all.retain(|other| other.name != setting.name);
            let bytes: usize = all.iter().chain([setting]).map(|one| one.name.len() + one.value.len()).sum();
            if all.len() >= PERSONAL_SETTINGS_MAX || bytes > PERSONAL_SETTINGS_BYTES {
                return Ok(SettingKept::TooMuch);
            }
            let sql = "INSERT INTO person_setting (tenant, user_name, name, document) VALUES (?, ?, ?, ?)
                 ON CONFLICT (tenant, user_name, name) DO UPDATE SET document = excluded.document";
            turn.run(of_person(sql, tenant, user).bind(&setting.name).bind(&setting.value)).await?;
            turn.commit().await?;
            Ok(SettingKept::Kept)
        }
        .boxed()
    }

    fn remove_setting<'a>(&'a self, tenant: &'a TenantId, user: &'a str, name: &'a str) -> Answer<'a, bool> {
        let sql = "DELETE FROM person_setting WHERE tenant = ? AND user_name = ? AND name = ?";
        async move { Ok(self.appended(of_person(sql, tenant, user).bind(name)).await? > 0) }.boxed()
    }
}

impl<D: Dialect> Tables<D> {
    /// Runs a statement in a turn of its own, and says of how many rows.
    fn appended(&self, statement: Statement) -> Answer<'_, u64> {
        async move {
            let mut turn = self.0.appends().await?;
            let count = turn.run(statement).await?;
            turn.commit().await?;
            Ok(count)
        }
        .boxed()
    }
}

fn of_person(sql: &'static str, tenant: &TenantId, user: &str) -> Statement {
    query(sql).bind(tenant.as_str()).bind(user)
}

fn of_target(sql: &'static str, tenant: &TenantId, user: &str, target: &TargetName) -> Statement {
    of_person(sql, tenant, user).bind(&target.target_type).bind(&target.id)
}

/// Removes the earliest recents where there are too many. One that has become the latest meanwhile stays.
async fn remove_earliest(db: &mut dyn Turn, tenant: &TenantId, user: &str) -> Result<()> {
    let sql = "SELECT target_type, target, at_ms, missed, document FROM person_recent
         WHERE tenant = ? AND user_name = ? ORDER BY at_ms DESC, target_type, target LIMIT ? OFFSET ?";
    let most = i64::try_from(RECENTS_MAX).unwrap_or(i64::MAX);
    for row in db.rows(of_person(sql, tenant, user).bind(most).bind(most)).await? {
        let earliest = recent_of(&row)?;
        let sql = "DELETE FROM person_recent
             WHERE tenant = ? AND user_name = ? AND target_type = ? AND target = ? AND at_ms = ?";
        let remove = of_target(sql, tenant, user, &earliest.target).bind(number(earliest.at.as_millis()));
        db.run(remove).await?;
    }
    Ok(())
}

async fn settings(db: &mut dyn Turn, tenant: &TenantId, user: &str) -> Result<Vec<PersonalSetting>> {
    let sql = "SELECT name, document FROM person_setting WHERE tenant = ? AND user_name = ? ORDER BY name";
    let rows = db.rows(of_person(sql, tenant, user)).await?;
    rows.iter().map(|row| Ok(PersonalSetting { name: row.text("name")?, value: row.text("document")? })).collect()
}

fn target_name(row: &Row) -> Result<TargetName> {
    Ok(TargetName { target_type: row.text("target_type")?, id: row.text("target")? })
}

fn time(row: &Row, column: &str) -> Result<Timestamp> {
    Ok(Timestamp::from_millis(u64::try_from(row.get::<i64>(column)?).unwrap_or_default()))
}

fn favourite_of(row: &Row) -> Result<Favourite> {
    Ok(Favourite { target: target_name(row)?, at: time(row, "saved_ms")?, document: row.text("document")? })
}

fn recent_of(row: &Row) -> Result<RecentTarget> {
    Ok(RecentTarget {
        target: target_name(row)?,
        at: time(row, "at_ms")?,
        is_missed: row.get::<u32>("missed")? != 0,
        document: row.text("document")?,
    })
}
