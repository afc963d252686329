//! A contact centre under load: CPU per routed call by role, and the time from an agent's becoming free until the
//! phone rings, while calls are queued.
//!
//! SIPp plays callers and phones against `trunkline up --example`. There is signalling only, so media's cost is its
//! dialogs, the announcement and the music. The names of threads tell the roles apart.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testkit::Installation;

use crate::Options;
use crate::process::find;
use crate::report::{Figure, Goal, Report};
use crate::sipp::Counts;
use crate::site::{Spec, specs};
use crate::staff::{AGENTS, Staff};

/// More than the agents' capacity, so that calls queue.
const CALLS_PER_S: u32 = 8;
/// Duration of a call after the queue's answer: announcement, waiting, talk.
const STAYS_MS: &str = "12000";
/// The reporting log lags a second behind the stream.
const LOG_LIMIT: Duration = Duration::from_secs(10);

/// A role with a higher cost per call has its own row.
const SHARE_MIN_MS: f64 = 0.1;
/// A role with a higher cost per call is named in the note.
const SHOWN_MIN_MS: f64 = 0.005;

/// CPU time by role, in nanoseconds; `other` belongs to no role.
type CpuByRole = BTreeMap<String, u64>;

/// Runs the benchmark.
pub fn run(options: &Options, report: &mut Report, folder: &Path) -> Result<()> {
    if find("sipp").is_none() {
        report.missing("demo", "sipp");
        return Ok(());
    }
    let site = Installation::start_with(&["--set", "process.log=warn"])?;
    let staff = Staff::begin(&site, folder)?;
    let calls = CALLS_PER_S * if options.quick { 5 } else { 30 };
    let statistics = folder.join("callers.csv");
    let roles = specs()?;
    let before = by_role(site.pid(), &roles)?;
    let callers = testkit::caller::sipp(&site, "caller.xml", 1, &staff.nobody)
        .dial(site.number("sales")?)
        .calls(calls, CALLS_PER_S, 1_000)
        .with(&["-d", STAYS_MS, "-trace_stat", "-fd", "1", "-stf", &statistics.display().to_string()])
        .run(Duration::from_secs(120))?;
    let after = by_role(site.pid(), &roles)?;
    let void = Counts::read(&statistics, &callers.errors)?.faults("ours");
    drop(staff);
    let facts = facts(&site, calls)?;
    let routed =
        facts.iter().filter(|f| f.name == "EventEstablished" && f.dn.len() == 4 && f.dn.starts_with('7')).count();
    ensure!(routed > 0, "no call reached an agent; SIPp ended with {}\n{}", callers.code, callers.errors);
    let cost = |role: &str| {
        let taken = after.get(role).copied().unwrap_or(0).saturating_sub(before.get(role).copied().unwrap_or(0));
        taken as f64 / 1e6 / routed as f64
    };
    let all: f64 = after.keys().map(|role| cost(role)).sum();
    let mut shares: Vec<(String, f64)> = after.keys().map(|role| (role.clone(), cost(role))).collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    let shown: Vec<String> =
        shares.iter().filter(|s| s.1 >= SHOWN_MIN_MS).map(|(r, ms)| format!("{r} {ms:.2}")).collect();
    report.add(Figure {
        bench: "demo",
        what: format!("a call through announcement, queue and agent; {CALLS_PER_S} calls/s, {AGENTS} agents"),
        unit: "ms of CPU",
        ours: all,
        peer: None,
        goal: Goal::None,
        note: format!(
            "by role: {}; {routed} of {calls} calls reached an agent, the others hung up waiting",
            shown.join(", ")
        ),
        void: void.clone(),
    });
    for (role, ms) in shares.iter().filter(|share| share.1 >= SHARE_MIN_MS) {
        report.add(Figure {
            bench: "demo",
            what: format!("the part of {role} of that"),
            unit: "ms of CPU",
            ours: *ms,
            peer: None,
            goal: Goal::None,
            note: if role == "sip-cluster" {
                "audio is anchored: two media dialogs a call".to_owned()
            } else {
                String::new()
            },
            void: void.clone(),
        });
    }
    delays(options, report, &facts, void)
}

fn delays(options: &Options, report: &mut Report, facts: &[Fact], void: Vec<String>) -> Result<()> {
    let mut waiting = 0_i64;
    let mut free: BTreeMap<&str, i64> = BTreeMap::new();
    let mut delays = Vec::new();
    for fact in facts {
        match (fact.name.as_str(), fact.dn.as_str()) {
            ("EventQueued", "sales") => waiting += 1,
            ("EventDiverted" | "EventAbandoned", "sales") => waiting -= 1,
            ("EventAgentReady", dn) if waiting > 0 => drop(free.insert(dn, fact.at_us)),
            ("EventRinging", dn) => delays.extend(free.remove(dn).map(|since| fact.at_us - since)),
            _ => {}
        }
    }
    delays.sort_unstable();
    let at = |part: usize| delays.get((delays.len() * part / 100).min(delays.len().saturating_sub(1)));
    let (Some(median), Some(late)) = (at(50), at(99)) else {
        // A short load may end before a call has to wait.
        ensure!(options.quick, "no agent became free while calls waited");
        return Ok(());
    };
    report.add(Figure {
        bench: "demo",
        what: "from \"agent free\" to \"agent ringing\" while calls wait, p99".to_owned(),
        unit: "ms",
        ours: *late as f64 / 1e3,
        peer: None,
        goal: Goal::None,
        note: format!("median {:.1} ms of {} times; times of the facts", *median as f64 / 1e3, delays.len()),
        void,
    });
    Ok(())
}

/// A fact of the reporting log, with the fields used here.
struct Fact {
    at_us: i64,
    name: String,
    dn: String,
}

/// All facts ordered by time, once the log contains the end of every call.
fn facts(site: &Installation, calls: u32) -> Result<Vec<Fact>> {
    let read = || {
        let mut facts = Vec::new();
        for topic in ["voice-callthread", "voice-agentstate"] {
            let folder = site.data_dir().join("reporting").join(topic);
            for day in fs::read_dir(&folder).into_iter().flatten().flatten() {
                for line in fs::read_to_string(day.path())?.lines() {
                    facts.push(fact(&serde_json::from_str(line)?)?);
                }
            }
        }
        facts.sort_by_key(|fact| fact.at_us);
        anyhow::Ok(facts)
    };
    // A refused call leaves no fact: after the time limit, the facts present are used.
    let all_over = || Ok(read()?.iter().filter(|f| f.name == "EventCallDeleted").count() >= calls as usize);
    let _ = crate::process::wait_until("all calls are in the log", LOG_LIMIT, all_over);
    read()
}

fn fact(event: &Value) -> Result<Fact> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let at_us = micros(&text(&event["time"])).with_context(|| format!("no time in {event}"))?;
    Ok(Fact { at_us, name: text(&event["type"]), dn: text(&event["data"]["ThisDN"]) })
}

/// `2026-11-20T11:44:09.123456Z` as microseconds since the month began.
fn micros(time: &str) -> Option<i64> {
    let (date, clock) = time.trim_end_matches('Z').split_once('T')?;
    let day: i64 = date.rsplit('-').next()?.parse().ok()?;
    let mut parts = clock.split(':');
    let (hours, minutes): (i64, i64) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let seconds: f64 = parts.next()?.parse().ok()?;
    Some((day * 86_400 + hours * 3_600 + minutes * 60) * 1_000_000 + (seconds * 1e6).round() as i64)
}

/// CPU time of the process's threads, summed by role: a role's threads are named after it.
fn by_role(pid: u32, roles: &[Spec]) -> Result<CpuByRole> {
    let mut all = CpuByRole::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
        let read = |name: &str| fs::read_to_string(thread.path().join(name)).unwrap_or_default();
        let (name, used) = (read("comm"), read("schedstat"));
        let of_role = |role: &&Spec| name.strip_prefix(&role.name).is_some_and(|rest| rest.starts_with(['-', '\n']));
        let role = roles.iter().find(of_role).map_or("other", |role| &role.name);
        *all.entry(role.to_owned()).or_default() +=
            used.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0_u64);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_facts_are_read_to_the_microsecond() {
        let between = micros("2026-11-20T11:44:10.000004Z").unwrap() - micros("2026-11-20T11:44:09.999999Z").unwrap();
        assert_eq!(between, 5);
        assert_eq!(micros("nonsense"), None);
    }
}
