//! The cost of keeping everything in servers: the same load on embedded stores, on Redis, PostgreSQL and Kafka, and on
//! these with one process per role and two replicas of the roles on the path of calls.
//!
//! Every caller reaches an agent at once, so all runs do the same work. The servers' own CPU time is reported separately.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::Installation;
use testkit::sipp::Running;

use crate::Options;
use crate::percentile::percentile_99;
use crate::process::{Cpu, cpu_of_tree, find};
use crate::report::{Figure, Goal, Report};
use crate::servers::Servers;
use crate::sipp::Counts;
use crate::staff::Staff;

/// Less than the agents' capacity.
const CALLS_PER_S: u32 = 4;
/// Duration of a call after the queue's answer: announcement and talk.
const STAYS_MS: &str = "3000";
const LOAD_LIMIT: Duration = Duration::from_secs(120);
/// Round trips of sip-cluster to Redis per SIP message.
const ROUND_TRIPS_MAX: f64 = 1.0;
/// Requests of sip-cluster to Redis about records. A commit includes the call's facts, which count on the rows of the
/// streams as well. Reads of the streams serve their subscribers; no message waits for them.
const RECORDS: &str = "connection_requests_total{connection=\"voice-41\",side=\"opens\"}";
/// How long the load without calls is observed.
const IDLE: Duration = Duration::from_secs(5);
/// The required programs.
const SERVERS: [&str; 4] = ["redis-cli", "redis-server", "java", "sipp"];

/// One of the storage variants.
struct Way {
    name: &'static str,
    arguments: &'static [&'static str],
    servers: bool,
}

const WAYS: [Way; 3] = [
    Way { name: "embedded stores", arguments: &[], servers: false },
    Way { name: "servers", arguments: &["--set", "stores.mode=real"], servers: true },
    Way {
        name: "servers, a process for each role, two replicas",
        arguments: &["--set", "stores.mode=real", "--processes", "--replicas", "2"],
        servers: true,
    },
];

/// The cost of one variant.
struct Cost {
    /// CPU of all our processes for each call, in milliseconds.
    ms: f64,
    /// CPU of the servers for each call, in milliseconds.
    servers_ms: f64,
    /// Scripts that Redis ran per call, minus those without calls.
    scripts: f64,
    /// Per call: turns of sip-cluster with a commit, its requests to Redis for messages minus those without calls,
    /// and SIP messages through the proxy.
    turns: f64,
    asked: f64,
    messages: f64,
    /// INVITE to 200, p99, in milliseconds.
    set_up_p99_ms: f64,
    void: Vec<String>,
}

/// Runs the benchmark.
pub fn run(options: &Options, report: &mut Report, folder: &Path) -> Result<()> {
    for program in SERVERS {
        if find(program).is_none() {
            report.missing("persistence", program);
            return Ok(());
        }
    }
    let mut embedded = None;
    for way in &WAYS {
        let servers = way.servers.then(|| Servers::start(options.instance)).transpose()?;
        let cost = cost(options, way, servers.as_ref(), folder).with_context(|| way.name)?;
        add(report, way, &cost, embedded);
        embedded.get_or_insert(cost.ms);
    }
    crate::takeover::run(options, report)
}

fn cost(options: &Options, way: &Way, servers: Option<&Servers>, folder: &Path) -> Result<Cost> {
    let arguments = [&["--set", "process.log=warn"], way.arguments].concat();
    let site = Installation::start_as(options.instance, &arguments)?;
    let staff = Staff::begin(&site, folder)?;
    let idle = servers.map(|servers| Idle::see(&site, servers)).transpose()?.unwrap_or_default();
    let calls = CALLS_PER_S * if options.quick { 5 } else { 30 };
    let statistics = folder.join(format!("{}.csv", way.name.replace([' ', ','], "-")));
    let reading = |servers: Option<&Servers>| -> Result<(Cpu, Cpu, f64)> {
        let of_servers = servers.map_or_else(Cpu::default, Servers::cpu);
        Ok((cpu_of_tree(site.pid()), of_servers, servers.map(Servers::scripts).transpose()?.unwrap_or_default()))
    };
    let asked = || if way.servers { asked(&site) } else { Ok(0.0) };
    let (before, turned, asked_before, passed_by) = (reading(servers)?, turns(&site)?, asked()?, messages(&site)?);
    let begun = std::time::Instant::now();
    let callers = testkit::caller::sipp(&site, "caller.xml", 1, &staff.nobody)
        .dial(site.number("sales")?)
        .calls(calls, CALLS_PER_S, 1_000)
        .with(&["-d", STAYS_MS, "-trace_stat", "-fd", "1", "-stf", &statistics.display().to_string()])
        .with(&["-trace_rtt", "-rtt_freq", "1"])
        .start()?;
    let (set_ups, errors) = finish(callers)?;
    let passed = begun.elapsed().as_secs_f64();
    let after = reading(servers)?;
    let (turned, passed_by) = (turns(&site)? - turned, messages(&site)? - passed_by);
    let asked = (asked()? - asked_before - idle.asked_per_s * passed).max(0.0);
    let counts = Counts::read(&statistics, &errors)?;
    ensure!(counts.successful > 0, "no call went as it should\n{errors}");
    let per_call = |before: Cpu, after: Cpu| after.since(before).as_secs_f64() * 1e3 / f64::from(calls);
    Ok(Cost {
        ms: per_call(before.0, after.0),
        servers_ms: per_call(before.1, after.1),
        scripts: ((after.2 - before.2) - idle.scripts_per_s * passed).max(0.0) / f64::from(calls),
        turns: turned / f64::from(calls),
        asked: asked / f64::from(calls),
        messages: passed_by / f64::from(calls),
        set_up_p99_ms: percentile_99(set_ups).context("SIPp has noted no time")?,
        void: counts.faults("ours"),
    })
}

/// Turns with a commit of all replicas of sip-cluster.
fn turns(site: &Installation) -> Result<f64> {
    let replicas = (1..).map_while(|replica| site.metric_of("sip-cluster", replica, "sipcluster_turns_total").ok());
    Ok(replicas.sum())
}

/// Requests of all replicas of sip-cluster to Redis for their messages, each a round trip: commits, look-ups, leases.
fn asked(site: &Installation) -> Result<f64> {
    let others = (2..).map_while(|replica| site.metric_of("sip-cluster", replica, RECORDS).ok());
    Ok(site.metric_of("sip-cluster", 1, RECORDS)? + others.sum::<f64>())
}

/// The load without calls, per second.
#[derive(Default)]
struct Idle {
    scripts_per_s: f64,
    asked_per_s: f64,
}

impl Idle {
    fn see(site: &Installation, servers: &Servers) -> Result<Self> {
        let before = (servers.scripts()?, asked(site)?);
        std::thread::sleep(IDLE);
        let per_s = |now: f64, before: f64| (now - before) / IDLE.as_secs_f64();
        Ok(Self { scripts_per_s: per_s(servers.scripts()?, before.0), asked_per_s: per_s(asked(site)?, before.1) })
    }
}

/// SIP messages that sip-proxy has forwarded.
fn messages(site: &Installation) -> Result<f64> {
    let forwarded = |what: &str| site.metric("sip-proxy", &format!("sip_proxy_{what}_forwarded_total"));
    Ok(forwarded("requests")? + forwarded("responses")?)
}

fn add(report: &mut Report, way: &Way, cost: &Cost, embedded: Option<f64>) {
    let against = embedded.map_or_else(String::new, |embedded| format!("{:.2} of embedded; ", cost.ms / embedded));
    let row = |what: String, unit, ours, note: String| Figure {
        bench: "persistence",
        what,
        unit,
        ours,
        peer: None,
        goal: Goal::None,
        note,
        void: cost.void.clone(),
    };
    let of_servers = if way.servers {
        format!("{against}Redis, PostgreSQL and Kafka {:.2} ms beside it", cost.servers_ms)
    } else {
        String::new()
    };
    report.add(row(
        format!("a call through announcement, queue and agent; {}", way.name),
        "ms of CPU",
        cost.ms,
        of_servers,
    ));
    if way.servers {
        let note = format!(
            "each one round trip; of all roles, those of streams that are waited for included; {:.1} are commits of sip-cluster",
            cost.turns
        );
        report.add(row(
            format!("scripts that Redis runs for such a call; {}", way.name),
            "scripts",
            cost.scripts,
            note,
        ));
    }
    if way.servers {
        let note = format!(
            "{:.1} round trips beyond what goes on without calls, {:.1} turns that wrote, and {:.1} messages that pass sip-proxy, media's among them",
            cost.asked, cost.turns, cost.messages
        );
        let per_message = cost.asked / cost.messages.max(1.0);
        let what = format!("round trips of sip-cluster for a SIP message of such a call; {}", way.name);
        report.add(Figure { goal: Goal::AtMost(ROUND_TRIPS_MAX), ..row(what, "round trips", per_message, note) });
    }
    let note = "through tenant, dial plan, media and one commit".to_owned();
    report.add(row(format!("from INVITE to 200, p99; {}", way.name), "ms", cost.set_up_p99_ms, note));
}

/// Waits for SIPp's end; returns its response times and its errors.
fn finish(mut callers: Running) -> Result<(Vec<f64>, String)> {
    crate::process::wait_until("the callers end", LOAD_LIMIT, || callers.has_ended())?;
    let times = callers.traces("_rtt.csv");
    let errors = callers.traces("_errors.log");
    // Columns: date;milliseconds;which.
    let times = times.lines().filter_map(|line| line.split(';').nth(1)?.trim().parse().ok()).collect();
    Ok((times, errors))
}
