//! sip-cluster's own CPU for a routed call: from a trunk to a route point, whose application routes it to a phone; answer and hang-up.
//!
//! Each role is a process of its own, so that the share of each is known. The floor is what two SIPp user agents take for such a call:
//! a back-to-back user agent is at least these two.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::bare_agents::{self, BareAgents};
use crate::cluster::{CallLoad, Cluster, CostByRole, Tail};
use crate::report::{Figure, Goal, Report};
use crate::{Options, asterisk};

/// The goal holds for calls whose audio goes directly from phone to phone, which does not exist yet: all audio is anchored in media.
const GOAL_MS: f64 = 0.20;
const CALLS_PER_S: u32 = 20;
const STAYS: Duration = Duration::from_secs(2);
/// A role with a higher cost has its own row.
const SHARE_MIN_MS: f64 = 0.05;
/// How long the processes are observed without calls.
const IDLE: Duration = Duration::from_secs(30);

/// Runs the benchmark.
pub fn run(options: &Options, report: &mut Report, folder: &Path) -> Result<()> {
    if !Cluster::is_possible(report, "routed") {
        return Ok(());
    }
    let cluster = Cluster::start(folder, &[])?;
    let idle = cluster.idle(if options.quick { Duration::from_secs(3) } else { IDLE });
    let calls = CallLoad { count: CALLS_PER_S * options.seconds() * 3, per_s: CALLS_PER_S, stays: STAYS };
    let tail = if options.quick { Tail::Cut } else { Tail::Included };
    let cost = cluster.cost(calls, &idle, tail, || Ok(()))?;
    let bare = BareAgents::measure(options, &cluster.site, folder)?;
    show(report, &cost, &bare, idle.ms_per_s("sip-cluster"))?;
    drop(cluster);
    asterisk::run(options, report, folder)
}

fn show(report: &mut Report, cost: &CostByRole, bare: &BareAgents, idle_ms_per_s: f64) -> Result<()> {
    let row = |what: String, ours: f64, note: String| Figure {
        bench: "routed",
        what,
        unit: "ms of CPU",
        ours,
        peer: None,
        goal: Goal::None,
        note,
        void: cost.faults(),
    };
    let parts: Vec<String> = cost.parts().iter().map(|(role, ms)| format!("{role} {ms:.2}")).collect();
    let note = format!("by role: {}", parts.join(", "));
    let what = format!("a routed call, all roles; {CALLS_PER_S} calls/s, audio anchored");
    report.add(row(what, cost.total_ms(), note));
    let note = format!(
        "the goal is for media `direct`, which does not exist yet: here both legs have a dialog with media; without calls {idle_ms_per_s:.2} ms \
         each second, which are subtracted"
    );
    let own = row("the part of sip-cluster of that".to_owned(), cost.ms("sip-cluster")?, note);
    let void = own.void.iter().cloned().chain(bare.counts.faults(bare_agents::NAME)).collect();
    report.add(Figure { peer: Some((bare_agents::NAME, bare.ms)), goal: Goal::AtMost(GOAL_MS), void, ..own });
    for (role, ms) in cost.parts().into_iter().filter(|(role, ms)| *role != "sip-cluster" && *ms >= SHARE_MIN_MS) {
        report.add(row(format!("the part of {role} of that"), ms, String::new()));
    }
    Ok(())
}
