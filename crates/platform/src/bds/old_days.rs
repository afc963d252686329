//! Days that are too old go, of all tenants: of those that are no more too, and also once the files go into a bucket.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context as _;
use jiff::ToSpan as _;
use jiff::civil::Date;

use super::day_folder::TenantFolder;

/// The last days on which the role has run, a line each; beside the tenants' folders.
const DAYS_OF_RUNNING: &str = ".days";
/// The clock removes folders as if it were no later than so many days of running say, the last ones: one that is wrong for less than a week
/// removes nothing before its time.
const AGREEING: usize = 7;

/// Removes what is more than that number of days before `today`, as far as the days of running agree that it is today, and what attempts
/// have left that were broken off. It is for once a day; the folder that another replica holds waits for the next one.
pub(super) fn remove(folder: &Path, today: Date, keep_days: u32) -> anyhow::Result<()> {
    let tenants = TenantFolder::all(folder);
    if tenants.is_empty() {
        return Ok(());
    }
    let path = folder.join(DAYS_OF_RUNNING);
    let days = days_of_running(&path, today).with_context(|| format!("reading {}", path.display()))?;
    let first = match believed(today, &days, AGREEING.min(usize::try_from(keep_days)?))? {
        Some(believed) => Some(believed.checked_sub(i64::from(keep_days).days())?),
        None => None,
    };
    // All are tried, whatever becomes of one.
    let faults: Vec<anyhow::Error> = tenants.iter().filter_map(|tenant| tenant.remove_before(first).err()).collect();
    let lines: Vec<String> = days.iter().map(ToString::to_string).collect();
    runtime::data_dir::write_whole(&path, lines.join("\n").as_bytes())
        .with_context(|| format!("writing {}", path.display()))?;
    faults.into_iter().next().map_or(Ok(()), Err)
}

/// The last days on which the role has run, with `today`. Later ones say nothing: a clock was wrong.
fn days_of_running(path: &Path, today: Date) -> io::Result<BTreeSet<Date>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let days = text.lines().filter_map(|line| line.parse().ok()).filter(|day: &Date| *day <= today);
    let mut days: BTreeSet<Date> = days.chain([today]).collect();
    while days.len() > AGREEING {
        days.pop_first();
    }
    Ok(days)
}

/// The day that it is, as far as so many of the last days of running agree: as if there were one for each day since the first of them. None
/// while there are fewer.
fn believed(today: Date, days: &BTreeSet<Date>, agreeing: usize) -> anyhow::Result<Option<Date>> {
    let before = agreeing.saturating_sub(1);
    let Some(first) = days.iter().rev().nth(before) else { return Ok(None) };
    Ok(Some(today.min(first.checked_add(i64::try_from(before)?.days())?)))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use model::TenantId;

    use super::*;

    const DAY: Date = Date::constant(2026, 7, 2);

    fn day(after: i64) -> Date {
        DAY.checked_add(after.days()).unwrap()
    }

    /// The folder of a tenant, which has been locked once.
    fn tenant(root: &Path, name: &str) -> TenantFolder {
        let folder = TenantFolder::new(root, &TenantId::parse(name).unwrap());
        drop(folder.lock().unwrap());
        folder
    }

    fn make(folder: PathBuf) -> PathBuf {
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn old_days_of_all_tenants_go_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let folders = [("acme", "acme"), ("a/../b", "a%2F%2E%2E%2Fb")].map(|(name, folder)| {
            tenant(root.path(), name);
            root.path().join(folder)
        });
        let other = make(root.path().join("other/2020-01-01"));
        for folder in &folders {
            for name in ["2026-06-29", "2026-06-30", "2026-07-01", "notes", ".2026-07-01.part", ".notes.part"] {
                make(folder.join(name));
            }
        }
        remove(root.path(), day(-1), 2).unwrap();
        assert!(folders.iter().all(|folder| folder.join("2026-06-29").exists()), "one day alone has agreed");
        remove(root.path(), DAY, 2).unwrap();
        for folder in folders {
            assert!(!folder.join("2026-06-29").exists() && !folder.join(".2026-07-01.part").exists());
            let left = ["2026-06-30", "2026-07-01", "notes", ".notes.part"];
            assert!(left.iter().all(|name| folder.join(name).exists()));
        }
        assert!(other.exists(), "it is no tenant's");
    }

    #[test]
    fn a_folder_that_another_replica_holds_is_left_for_the_next_day() {
        let root = tempfile::tempdir().unwrap();
        let held = tenant(root.path(), "acme").lock().unwrap();
        tenant(root.path(), "other");
        let parts = ["acme", "other"].map(|name| make(root.path().join(name).join(".2026-07-01.part")));
        remove(root.path(), DAY, 90).unwrap();
        assert_eq!(parts.each_ref().map(|part| part.exists()), [true, false]);
        drop(held);
        remove(root.path(), day(1), 90).unwrap();
        assert!(!parts[0].exists());
    }

    #[test]
    fn a_clock_that_was_wrong_for_some_days_removes_nothing() {
        let root = tempfile::tempdir().unwrap();
        tenant(root.path(), "acme");
        let path = |after| root.path().join("acme").join(day(after).to_string());
        let written = |after| {
            make(path(after));
            remove(root.path(), day(after), 90).unwrap();
        };
        (-89..=0).for_each(written);
        // It is 90 days ahead for some days; meanwhile the oldest folders come of age.
        (90..93).for_each(written);
        assert!((-87..=0).all(|after| path(after).exists()));
        // It is right again, and old folders go as before.
        (3..=100).for_each(written);
        let kept: Vec<i64> = (-89..=100).filter(|after| path(*after).exists()).collect();
        assert_eq!(kept, (10..=100).collect::<Vec<_>>());
    }

    #[test]
    fn the_last_days_of_a_tenant_that_is_no_more_go_too() {
        let root = tempfile::tempdir().unwrap();
        tenant(root.path(), "acme");
        let last = make(root.path().join("acme").join(DAY.to_string()));
        (0..=90).for_each(|after| remove(root.path(), day(after), 90).unwrap());
        assert!(last.exists());
        remove(root.path(), day(91), 90).unwrap();
        assert!(!last.exists());
    }

    #[test]
    fn folders_of_before_a_long_pause_go_after_a_week() {
        let root = tempfile::tempdir().unwrap();
        tenant(root.path(), "acme");
        let old: Vec<PathBuf> =
            (-1_000..-990).map(|after| make(root.path().join("acme").join(day(after).to_string()))).collect();
        (-993..-990).for_each(|after| remove(root.path(), day(after), 90).unwrap());
        (0..6).for_each(|after| remove(root.path(), day(after), 90).unwrap());
        assert!(old.iter().all(|day| day.exists()));
        remove(root.path(), day(6), 90).unwrap();
        assert!(!old.iter().any(|day| day.exists()));
    }
}
