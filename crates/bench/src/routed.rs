//! sip-cluster's own CPU for a routed call: from a trunk to a route point, whose application routes it to a phone; answer and hang-up.
//!
//! Each role is a process of its own, so that the share of each is known. The floor is what two SIPp user agents take for such a call:
//! a back-to-back user agent is at least these two.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::bare_agents::{self, BareAgents};
use crate::cluster::{Audio, CallLoad, Cluster, CostByRole, Tail};
use crate::report::{Figure, Goal, Report};
use crate::{Options, asterisk};

/// The goal for sip-cluster's part of a call whose audio goes directly from phone to phone.
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
    for audio in [Audio::Direct, Audio::Anchored] {
        run_with(audio, options, report, folder)?;
    }
    asterisk::run(options, report, folder)
}

fn run_with(audio: Audio, options: &Options, report: &mut Report, folder: &Path) -> Result<()> {
    let cluster = Cluster::start(folder, audio, &[])?;
    let idle = cluster.idle(if options.quick { Duration::from_secs(3) } else { IDLE });
    let calls = CallLoad { count: CALLS_PER_S * options.seconds() * 3, per_s: CALLS_PER_S, stays: STAYS };
    let tail = if options.quick { Tail::Cut } else { Tail::Included };
    let directly = || cluster.site.metric("sip-cluster", "sipcluster_direct_calls_total");
    let before = directly()?;
    let mut cost = cluster.cost(calls, &idle, tail, || Ok(()))?;
    let wanted = if audio == Audio::Direct { f64::from(calls.count) } else { 0.0 };
    cost.expect_direct(wanted, directly()? - before);
    let bare = BareAgents::measure(options, &cluster.site, folder)?;
    show(audio, report, &cost, &bare, idle.ms_per_s("sip-cluster"))
}

fn show(audio: Audio, report: &mut Report, cost: &CostByRole, bare: &BareAgents, idle_ms_per_s: f64) -> Result<()> {
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
    let (way, goal) = match audio {
        Audio::Direct => ("audio direct", Goal::AtMost(GOAL_MS)),
        Audio::Anchored => ("audio anchored", Goal::None),
    };
    let parts: Vec<String> = cost.parts().iter().map(|(role, ms)| format!("{role} {ms:.2}")).collect();
    let note = format!("by role: {}", parts.join(", "));
    let what = format!("a routed call, all roles; {CALLS_PER_S} calls/s, {way}");
    report.add(row(what, cost.total_ms(), note));
    let note = format!("without calls {idle_ms_per_s:.2} ms each second, which are subtracted");
    let own = row(format!("the part of sip-cluster of that, {way}"), cost.ms("sip-cluster")?, note);
    let void = own.void.iter().cloned().chain(bare.counts.faults(bare_agents::NAME)).collect();
    report.add(Figure { peer: Some((bare_agents::NAME, bare.ms)), goal, void, ..own });
    for (role, ms) in cost.parts().into_iter().filter(|(role, ms)| *role != "sip-cluster" && *ms >= SHARE_MIN_MS) {
        report.add(row(format!("the part of {role} of that, {way}"), ms, String::new()));
    }
    Ok(())
}
