//! The machine: disk, files, clock, and access to the secrets.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::process::Resource;

use super::finding::{Finding, some_of};
use super::situation::Situation;

/// Less free space than this is nearly used up.
const FREE_LOW: u64 = 2 << 30;
/// With less free space, the next hour's events may not fit.
const FREE_LEAST: u64 = 200 << 20;
/// A journal is replaced by a snapshot at 64 MB: both together always stay far below this.
const JOURNAL_LARGE: u64 = 1 << 30;
/// A reporting log of this size needs a plan.
const REPORTING_LARGE: u64 = 20 << 30;
/// Open files and sockets of an idle process of all roles, with room for its stores and pages.
const FILES_AT_REST: u64 = 512;
/// Share of the limit in use above which it is nearly reached.
const FILES_CLOSE: f64 = 0.8;
/// Tolerated difference of clocks: reading them takes time.
const CLOCK_APART: Duration = Duration::from_secs(2);
/// Permission bits of group and others.
const OTHERS: u32 = 0o077;

/// Reports access of other users to the data directory and its keys.
pub fn secrets(situation: &Situation) -> Vec<Finding> {
    let folder = &situation.data_dir;
    if let Some(closed) = &situation.closed {
        let remedy =
            "run the doctor as the user that the service runs as; without its data directory little can be told";
        return vec![Finding::error(folder.display().to_string(), closed, remedy)];
    }
    let mut found = Vec::new();
    if let Some(fault) = &situation.key_fault {
        let remedy = "bring it back from a backup; or stop the instance, delete the file and start again: a new key is made, and \
                      tokens that were issued with the old one end";
        found.push(Finding::error(folder.join("keys").display().to_string(), fault, remedy));
    }
    let open = |path: &Path| std::fs::metadata(path).is_ok_and(|about| about.permissions().mode() & OTHERS != 0);
    for path in [folder.clone(), folder.join("keys")] {
        if open(&path) {
            let remedy = format!("chmod 700 {}", path.display());
            found.push(Finding::warning(path.display().to_string(), "others on this machine may look into it", remedy));
        }
    }
    let folders = ["keys", "keys/services"].map(|name| std::fs::read_dir(folder.join(name)));
    for file in folders.into_iter().flatten().flatten().flatten() {
        let path = file.path();
        if open(&path) {
            let remedy = format!(
                "chmod 600 {}; if somebody may have read it, stop the instance, delete the file and start again: new tokens \
                 and new SIP tags are made, and old tokens end",
                path.display()
            );
            found.push(Finding::error(path.display().to_string(), "others on this machine may read this key", remedy));
        }
    }
    found
}

/// Checks the space on the disk and the files that grow.
pub fn disk(situation: &Situation) -> Vec<Finding> {
    let mut found = Vec::new();
    let folder = &situation.data_dir;
    let Some(existing) = folder.ancestors().find(|path| path.exists()) else { return found };
    let place = folder.display().to_string();
    if let Ok(about) = rustix::fs::statvfs(existing) {
        let free = about.f_bavail.saturating_mul(about.f_frsize);
        let what = format!("{} MB are free on its disk", free >> 20);
        let remedy = "make room, or move the data directory: a full disk stops every write of calls and agents";
        if free < FREE_LEAST {
            found.push(Finding::error(&place, what, remedy));
        } else if free < FREE_LOW {
            found.push(Finding::warning(&place, what, remedy));
        }
        if about.f_files > 0 && about.f_favail == 0 {
            found.push(Finding::error(&place, "its disk has no free inode", "delete files that nobody needs"));
        }
    }
    let journal = size_of(&folder.join("stores"));
    if journal > JOURNAL_LARGE {
        let what = format!("the journal and its snapshot have {} MB", journal >> 20);
        let remedy = "look into the log for \"journal\": it is not being replaced by a snapshot as it should";
        found.push(Finding::warning(folder.join("stores").display().to_string(), what, remedy));
    }
    let reporting = size_of(&folder.join("reporting"));
    if reporting > REPORTING_LARGE {
        let what = format!("the reporting log has {} GB; nothing removes its files", reporting >> 30);
        let remedy = "take files of past days away when they have been read: one file a day for each topic";
        found.push(Finding::notice(folder.join("reporting").display().to_string(), what, remedy));
    }
    found
}

/// The bytes of a folder's files, two folders deep.
fn size_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(about) if about.is_dir() => {
            let inner = std::fs::read_dir(entry.path()).into_iter().flatten().flatten();
            inner.filter_map(|file| file.metadata().ok()).filter(|about| about.is_file()).map(|about| about.len()).sum()
        }
        Ok(about) => about.len(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}

/// Compares the limit of open files with the need.
pub fn file_limit(situation: &Situation) -> Vec<Finding> {
    let mut found = Vec::new();
    for pid in pids(situation) {
        let Some(limit) = limit_of(pid) else { continue };
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |all| all.count() as u64);
        if open as f64 > limit as f64 * FILES_CLOSE {
            let what = format!("{open} of at most {limit} files and sockets are open");
            found.push(Finding::error(format!("process {pid}"), what, raise(limit.saturating_mul(4))));
        }
    }
    let limits: Vec<u64> = pids(situation).into_iter().filter_map(limit_of).collect();
    let own = rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let least = limits.into_iter().min().unwrap_or(own);
    let need = FILES_AT_REST + legs(situation) * FILES_PER_LEG;
    if least < need {
        let what = format!(
            "at most {least} files and sockets may be open, and media.legs_max = {} needs {need}: calls beyond that fail",
            legs(situation)
        );
        found.push(Finding::warning("file limit", what, raise(need)));
    }
    found
}

/// RTP and RTCP of a leg, and a file where its call is recorded.
const FILES_PER_LEG: u64 = 3;

/// The maximum of legs of the media role.
fn legs(situation: &Situation) -> u64 {
    let settings: Result<voice::media_server::Settings, _> = situation.values.read(voice::media_server::SPEC.name);
    settings.map_or(0, |settings| settings.legs_max as u64)
}

fn raise(need: u64) -> String {
    format!("start it with a higher limit: `ulimit -n {need}` in the shell, LimitNOFILE={need} in a systemd unit")
}

fn pids(situation: &Situation) -> Vec<u32> {
    let mut all: Vec<u32> =
        situation.topology.iter().flat_map(|topology| topology.roles.iter().filter_map(|role| role.pid)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The soft limit of a process's open files.
fn limit_of(pid: u32) -> Option<u64> {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let row = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    row.split_whitespace().next()?.parse().ok()
}

/// Checks that the clock is synchronized, and was not set while the instance ran.
pub fn clock(situation: &Situation) -> Vec<Finding> {
    let mut found = Vec::new();
    if synchronized() == Some(false) {
        let what = "the machine's clock is not kept by a time server";
        let remedy = "start one: `timedatectl set-ntp true`; reports and tokens of several machines need one time";
        found.push(Finding::warning("this machine", what, remedy));
    }
    let now = situation.now.as_millis();
    let mut apart: Vec<(String, i64)> = Vec::new();
    for role in situation.topology.iter().flat_map(|topology| &topology.roles) {
        let Some(clock) = role.clock else { continue };
        let difference = i64::try_from(clock).unwrap_or(i64::MAX).saturating_sub_unsigned(now);
        if difference.unsigned_abs() > CLOCK_APART.as_millis() as u64 {
            apart.push((role.node.clone(), difference));
        }
    }
    if let Some((_, difference)) = apart.first() {
        let nodes: Vec<String> = apart.iter().map(|(node, _)| node.clone()).collect();
        let (by, way) = (difference.unsigned_abs() / 1_000, if *difference > 0 { "ahead of" } else { "behind" });
        let what = format!(
            "the roles' clock is {by} s {way} the machine's: it was set after they started, and they go on with the old time"
        );
        let remedy = "once the clock is right, restart all processes of the installation together when it is quiet, not one alone: times in \
                      events and reports are wrong by as much until then";
        found.push(Finding::warning(some_of(&nodes), what, remedy));
    }
    found
}

/// Whether a time server keeps the clock; none if that cannot be determined.
fn synchronized() -> Option<bool> {
    let output = std::process::Command::new("timedatectl")
        .args(["show", "--property=NTPSynchronized", "--value"])
        .stdin(std::process::Stdio::null())
        .output()
        .ok()?;
    match String::from_utf8_lossy(&output.stdout).trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}
