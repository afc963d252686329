//! Memory of sip-cluster and media for an established call: how much more they have with many calls than with few.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::Options;
use crate::cluster::{Audio, CallLoad, Calling, Cluster};
use crate::process::wait_until;
use crate::report::{Figure, Goal, Report};

/// Concurrent calls of the two readings.
const HELD: [u32; 2] = [200, 1_200];
const HELD_QUICK: [u32; 2] = [20, 120];
const CALLS_PER_S: u32 = 25;
/// Longer than everything that is measured while they stay.
const STAYS: Duration = Duration::from_secs(1_200);
/// The transactions of the calls' beginning end within 32 s (64·T1).
const SETTLE: Duration = Duration::from_secs(40);
const SETTLE_QUICK: Duration = Duration::from_secs(2);
/// All calls are there this long after the last one has begun.
const HELD_WITHIN: Duration = Duration::from_secs(20);

const ROLES: [(&str, f64); 2] = [("sip-cluster", 32.0), ("media", 24.0)];

/// Runs the benchmark.
pub fn run(options: &Options, report: &mut Report, folder: &Path) -> Result<()> {
    if !Cluster::is_possible(report, "memory") {
        return Ok(());
    }
    let cluster = Cluster::start(folder, Audio::Anchored, &[])?;
    let held = if options.quick { HELD_QUICK } else { HELD };
    let mut running = Vec::new();
    let mut readings = Vec::new();
    let mut there = 0;
    for wanted in held {
        running.push(hold(&cluster, wanted - there, CALLS_PER_S)?);
        there = wanted;
        std::thread::sleep(if options.quick { SETTLE_QUICK } else { SETTLE });
        readings.push((cluster.calls_held()?, ROLES.map(|(role, _)| MemoryOfRole::of(&cluster, role))));
    }
    let [(few, before), (many, after)] =
        <[_; 2]>::try_from(readings).map_err(|_| anyhow::anyhow!("not two readings"))?;
    for ((role, most), (before, after)) in ROLES.into_iter().zip(before.into_iter().zip(after)) {
        let (before, after) = (before?, after?);
        let per_call = |of: fn(&MemoryOfRole) -> f64| (of(&after) - of(&before)) / (many - few);
        report.add(Figure {
            bench: "memory",
            what: format!("memory (PSS) of {role} for an established call, audio anchored"),
            unit: "kB",
            ours: per_call(|reading| reading.whole_kb),
            peer: None,
            goal: Goal::AtMost(most),
            note: format!(
                "{:.0} kB with {few} calls, {:.0} kB with {many}; of a call's {:.1} kB are its trace, whose memory is bounded for all calls together",
                before.whole_kb,
                after.whole_kb,
                per_call(|reading| reading.traces_kb)
            ),
            void: lost(held, [few, many]),
        });
    }
    Ok(())
}

/// The memory of a role, and how much of it are traces of calls.
struct MemoryOfRole {
    whole_kb: f64,
    traces_kb: f64,
}

impl MemoryOfRole {
    fn of(cluster: &Cluster, role: &str) -> Result<Self> {
        let traces = cluster.site.metric(role, "trace_bytes")?;
        Ok(Self { whole_kb: cluster.memory(role)? as f64 / 1e3, traces_kb: traces / 1e3 })
    }
}

fn lost(held: [u32; 2], found: [f64; 2]) -> Vec<String> {
    let short = held.into_iter().zip(found).filter(|(wanted, found)| f64::from(*wanted) != *found);
    short.map(|(wanted, found)| format!("ours: {found} of {wanted} calls were there")).collect()
}

/// Begins calls that stay, and waits until all of them are there.
pub fn hold(cluster: &Cluster, count: u32, per_s: u32) -> Result<Calling> {
    let wanted = cluster.calls_held()? + f64::from(count);
    let calling = cluster.call(CallLoad { count, per_s, stays: STAYS })?;
    let limit = Duration::from_secs(u64::from(count.div_ceil(per_s))) + HELD_WITHIN;
    // Calls that are lost make the rows void.
    let _ = wait_until("all calls are there", limit, || Ok(cluster.calls_held()? >= wanted));
    Ok(calling)
}
