//! Whether a call costs more when many others are there: CPU of sip-cluster for a call, while few and while many calls are held.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::Options;
use crate::cluster::{Audio, CallLoad, Cluster, Tail};
use crate::memory::hold;
use crate::report::{Figure, Goal, Report};

/// Concurrent calls; the last one as far as the limit of open files goes.
const HELD: [u32; 3] = [10, 1_000, 5_000];
const HELD_QUICK: [u32; 3] = [10, 50, 100];
/// How much dearer a call may be among many others than among the fewest.
const RATIO_MAX: f64 = 1.2;
/// Sockets of a call in media: RTP and RTCP of two legs.
const FILES_PER_CALL: u64 = 4;
/// Files that media has open without calls, and those of the measured calls.
const OTHER_FILES: u64 = 800;
const SET_UP_PER_S: u32 = 25;
const CALLS_PER_S: u32 = 20;
const STAYS: Duration = Duration::from_secs(1);
/// More calls, legs and ports than are allowed by default, each for the largest load and the measured calls.
const SETTINGS: [&str; 4] =
    ["sip-cluster.calls_max=6000", "media.legs_max=12000", "media.rtp_port_first=20000", "media.rtp_port_last=59999"];
const IDLE: Duration = Duration::from_secs(20);
const IDLE_QUICK: Duration = Duration::from_secs(3);

/// Runs the benchmark.
pub fn run(options: &Options, report: &mut Report, folder: &Path) -> Result<()> {
    if !Cluster::is_possible(report, "flat") {
        return Ok(());
    }
    let most = held_max(open_files_max()?);
    let cluster = Cluster::start(folder, Audio::Anchored, &SETTINGS)?;
    let held = if options.quick { HELD_QUICK } else { HELD };
    let (mut running, mut there, mut first) = (Vec::new(), 0, None);
    for wanted in held.map(|wanted| wanted.min(most)) {
        running.push(hold(&cluster, wanted - there, SET_UP_PER_S)?);
        there = wanted;
        let found = cluster.calls_held()?;
        // What the calls that are held cost by themselves is not the measured calls' cost.
        let idle = cluster.idle(if options.quick { IDLE_QUICK } else { IDLE });
        let load = CallLoad { count: CALLS_PER_S * options.seconds() * 2, per_s: CALLS_PER_S, stays: STAYS };
        let cost = cluster.cost(load, &idle, Tail::Cut, || Ok(()))?;
        let mut void = cost.faults();
        if found < f64::from(wanted) {
            void.push(format!("ours: {found} of {wanted} calls were there"));
        }
        let ms = cost.ms("sip-cluster")?;
        report.add(Figure {
            bench: "flat",
            what: format!("the part of sip-cluster of a routed call while {wanted} others are held"),
            unit: "ms of CPU",
            ours: ms,
            peer: first.map(|first| ("while 10 are held", first)),
            goal: if first.is_some() { Goal::Ratio(RATIO_MAX) } else { Goal::None },
            note: format!(
                "all roles {:.2} ms; those that are held cost sip-cluster {:.2} ms each second; open files allow {most}",
                cost.total_ms(),
                idle.ms_per_s("sip-cluster")
            ),
            void,
        });
        first.get_or_insert(ms);
    }
    Ok(())
}

/// The most calls that can be held with so many open files.
fn held_max(files: u64) -> u32 {
    u32::try_from(files.saturating_sub(OTHER_FILES) / FILES_PER_CALL).unwrap_or(u32::MAX).max(HELD[0])
}

/// Files that a process started here may have open.
fn open_files_max() -> Result<u64> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).context("no limit of open files")?;
    let soft = line.split_whitespace().next().context("no limit of open files")?;
    Ok(soft.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_load_stays_within_the_limit_of_open_files() {
        assert_eq!(held_max(20_000), 4_800);
        assert_eq!(held_max(u64::MAX), u32::MAX);
        assert_eq!(held_max(1_024), 56);
        assert_eq!(held_max(100), 10);
        assert!(open_files_max().unwrap() > 0);
    }
}
