//! Agents at desktops by the published Workspace API: how late a desktop has the event of a fact, and what a session costs. Up to 2,000
//! desktops are measured; what 10,000 of them take, which the goal is about, is reckoned by the straight line through the steps.
//!
//! One gws-voice and two replicas of gws-workspace, behind one gws-proxy, on Redis and PostgreSQL. Each person signs in and begins a session
//! as a page does, and then polls. Calls are facts, written as sip-cluster writes them.

mod calls;
mod connection;
mod growth;
mod heard;
mod roles;
mod working;

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use runtime::server::CONNECTIONS_MAX;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::calls::{CallNode, DesktopCalls, SentCalls};
use self::growth::StraightLine;
use self::heard::{HeardNews, NewsOutcome};
use self::roles::{DesktopSite, PROXY, REPLICAS, TENANT_ROLE, VOICE, WORKSPACE};
use self::working::{DesktopDoor, WorkingDesktop};
use crate::Options;
use crate::process::find;
use crate::report::{Figure, Goal, Report};

/// The required programs.
const PROGRAMS: [&str; 3] = ["redis-cli", "redis-server", "psql"];
/// AllDesktops that there are at each step.
const STEPS: [u32; 5] = [10, 250, 500, 1_000, 2_000];
const STEPS_QUICK: [u32; 2] = [10, 50];
/// From so many desktops on, a step is one of those through which the lines go.
const OF_LINE_MIN: u32 = 250;
/// What the rest is reckoned for.
const WANTED: u32 = 10_000;
const CALLS_PER_S: f64 = 50.0;
/// How long desktops are watched without calls, so that each asks once or more, and how long calls begin. Quick: shorter.
const IDLE_S: u32 = 35;
const LOAD_S: u32 = 30;
const QUICK_S: u32 = 5;
/// The last events come within this time, and the last after-call work is over.
const TAIL: Duration = Duration::from_secs(10);
/// What logging in has led to has come by then.
const SETTLES: Duration = Duration::from_secs(3);
/// AllDesktops of an address: it may not have the places of all.
const OF_OFFICE: u32 = 100;
/// Those who sign in, and those who begin, at once.
const SIGN_INS: usize = 4;
const BEGINS: usize = 16;
/// The goals.
const P99_MAX_MS: f64 = 150.0;
const SESSION_MAX_KB: f64 = 40.0;
/// A sender that took so much longer than planned was late, and so was one whose step came so late.
const LATE_MAX: f64 = 1.05;
const STEP_LATE_MAX: Duration = Duration::from_millis(100);
/// The roles whose CPU and memory are read.
const MEASURED: [&str; 4] = [WORKSPACE, VOICE, PROXY, TENANT_ROLE];
/// The first two of them, which have the sessions.
const WITH_SESSIONS: usize = 2;

/// Runs the benchmark.
pub fn run(options: &Options, report: &mut Report, folder: &Path) -> Result<()> {
    for program in PROGRAMS {
        if find(program).is_none() {
            report.missing("desktops", program);
            return Ok(());
        }
    }
    let steps: &[u32] = if options.quick { &STEPS_QUICK } else { &STEPS };
    let people = steps.iter().copied().max().context("no steps")?;
    let mut site = DesktopSite::start(options.instance, folder, people)?;
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let readings = executor.block_on(measure(options, &site, steps, people))?;
    executor.shutdown_background();
    site.expect_running()?;
    readings.iter().try_for_each(|reading| show_step(report, reading))?;
    show_growth(report, &readings)
}

/// One step.
struct StepReading {
    calls: DesktopCalls,
    /// How long it took until the further desktops were at work, and of that a sign-in, of those that came with this step.
    begun_in: Duration,
    signed_in: Duration,
    /// CPU of each measured role without calls, in milliseconds for each second.
    idle_ms_per_s: [f64; MEASURED.len()],
    /// Its CPU with the calls, in milliseconds, and for how many seconds that was.
    load_ms: [f64; MEASURED.len()],
    load_s: f64,
    /// Its memory after them, in bytes.
    resident: [f64; MEASURED.len()],
    /// Open sockets of gws-workspace.
    sockets: usize,
    sent: SentCalls,
    news: NewsOutcome,
}

async fn measure(options: &Options, site: &DesktopSite, steps: &[u32], people: u32) -> Result<Vec<StepReading>> {
    let node = CallNode::open(options.instance).await.context("the ledger")?;
    node.register_phones(people).await.context("the phones")?;
    let door = Arc::new(DesktopDoor {
        auth: site.auth()?,
        web: site.web()?,
        sign_ins: Semaphore::new(SIGN_INS),
        begins: Semaphore::new(BEGINS),
    });
    let mut desktops = AllDesktops { instance: options.instance, door, heard: Arc::default(), tasks: JoinSet::new() };
    let mut readings = Vec::new();
    for count in steps {
        let begun = Instant::now();
        let signed_in = desktops.grow_to(*count).await?;
        let begun_in = begun.elapsed();
        eprintln!("{count} desktops are at work, the further ones after {:.1} s", begun_in.as_secs_f64());
        let reading = step(options, site, (&node, &desktops.heard), *count).await;
        let reading = reading.with_context(|| format!("{count} desktops"))?;
        readings.push(StepReading { begun_in, signed_in, ..reading });
    }
    Ok(readings)
}

/// The desktops at work; they end when dropped.
struct AllDesktops {
    instance: u8,
    door: Arc<DesktopDoor>,
    heard: Arc<HeardNews>,
    tasks: JoinSet<()>,
}

impl AllDesktops {
    /// Begins further ones until there are so many. Returns how long a sign-in took.
    async fn grow_to(&mut self, count: u32) -> Result<Duration> {
        let (told, mut begun) = tokio::sync::mpsc::channel(BEGINS);
        let further = self.tasks.len() as u32..count;
        let wanted = further.len() as u32;
        for number in further {
            let (from, door, heard) = (office(self.instance, number), self.door.clone(), self.heard.clone());
            let told = told.clone();
            self.tasks.spawn(async move {
                let desktop = WorkingDesktop::begin(number, from, &door).await;
                let desktop = desktop.with_context(|| format!("desktop {number}"));
                let signed_in = desktop.as_ref().map(|desktop| desktop.signed_in).map_err(|error| format!("{error:#}"));
                // Where nobody hears it the benchmark is over.
                let _ = told.send(signed_in).await;
                drop(told);
                if let Ok(desktop) = desktop {
                    desktop.follow(heard).await;
                }
            });
        }
        drop(told);
        let mut signed_in = Duration::ZERO;
        // Each desktop has told it, or has ended before.
        while let Some(one) = begun.recv().await {
            signed_in += one.map_err(anyhow::Error::msg)?;
        }
        Ok(signed_in / wanted.max(1))
    }
}

/// The address of a desktop: an office has some.
fn office(instance: u8, desktop: u32) -> IpAddr {
    let number = desktop / OF_OFFICE;
    let [.., block, host] = (number % 1_000 + number % 1_000 / 250 * 6).to_be_bytes();
    Ipv4Addr::new(127, instance, 251 + block, 1 + host).into()
}

async fn step(
    options: &Options,
    site: &DesktopSite,
    (node, heard): (&CallNode, &HeardNews),
    desktops: u32,
) -> Result<StepReading> {
    tokio::time::sleep(SETTLES).await;
    let (idle_s, load_s) = if options.quick { (QUICK_S, QUICK_S) } else { (IDLE_S, LOAD_S) };
    let faults = heard.take().faults;
    ensure!(faults.is_empty(), "{faults:?}");
    let (before, begun) = (cpu_ms(site)?, Instant::now());
    tokio::time::sleep(Duration::from_secs(idle_s.into())).await;
    let idle = since(site, before)?.map(|ms| ms / begun.elapsed().as_secs_f64());
    heard.take();
    let calls = DesktopCalls::lasting(load_s, CALLS_PER_S, desktops);
    let (before, begun) = (cpu_ms(site)?, Instant::now());
    let sent = node.call(calls, heard).await?;
    let deadline = Instant::now() + TAIL;
    while heard.missing() > 0 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (load_ms, load_s) = (since(site, before)?, begun.elapsed().as_secs_f64());
    // What comes twice may come later.
    tokio::time::sleep(SETTLES).await;
    Ok(StepReading {
        calls,
        begun_in: Duration::ZERO,
        signed_in: Duration::ZERO,
        idle_ms_per_s: idle,
        load_ms,
        load_s,
        resident: MEASURED.map(|role| site.resident(role) as f64),
        sockets: site.sockets(WORKSPACE),
        sent,
        news: heard.take(),
    })
}

/// CPU of each measured role so far, in milliseconds.
fn cpu_ms(site: &DesktopSite) -> Result<[f64; MEASURED.len()]> {
    let mut all = [0.0; MEASURED.len()];
    for (ms, role) in all.iter_mut().zip(MEASURED) {
        *ms = site.cpu(role)?.as_millis() as f64;
    }
    Ok(all)
}

fn since(site: &DesktopSite, before: [f64; MEASURED.len()]) -> Result<[f64; MEASURED.len()]> {
    let mut all = cpu_ms(site)?;
    all.iter_mut().zip(before).for_each(|(now, before)| *now -= before);
    Ok(all)
}

impl StepReading {
    /// CPU of each measured role for an event that a desktop is told of a call, in microseconds, beyond that without calls.
    fn event_us(&self) -> [f64; MEASURED.len()] {
        let events = self.news.delays.len().max(1) as f64;
        std::array::from_fn(|at| (self.load_ms[at] - self.idle_ms_per_s[at] * self.load_s) * 1e3 / events)
    }

    /// The delays in milliseconds, the shortest first.
    fn delays_ms(&self) -> Vec<f64> {
        let mut delays: Vec<f64> = self.news.delays.iter().map(|delay| delay.as_secs_f64() * 1e3).collect();
        delays.sort_by(f64::total_cmp);
        delays
    }

    /// Why its figures are void.
    fn faults(&self) -> Vec<String> {
        let (SentCalls { planned, took, late }, mut faults) = (&self.sent, self.news.faults.clone());
        if took.as_secs_f64() > planned.as_secs_f64() * LATE_MAX || *late > STEP_LATE_MAX {
            let [took, planned] = [took, planned].map(|time| time.as_secs_f64());
            faults.push(format!("the sender took {took:.1} s instead of {planned:.1} s, late by up to {late:?}"));
        }
        faults
    }
}

// === rows ===

fn row(what: String, unit: &'static str, ours: f64, goal: Goal, note: String) -> Figure {
    Figure { bench: "desktops", what, unit, ours, peer: None, goal, note, void: Vec::new() }
}

/// The value that so many of a hundred do not exceed, of sorted ones.
fn percentile(sorted: &[f64], share: usize) -> Result<f64> {
    sorted.get(sorted.len().saturating_sub(1) * share / 100).copied().context("no event has come")
}

fn show_step(report: &mut Report, reading: &StepReading) -> Result<()> {
    let DesktopCalls { desktops, per_s, count } = reading.calls;
    let delays = reading.delays_ms();
    ensure!(!delays.is_empty(), "{desktops} desktops: no event has come; {:?}", reading.news.faults);
    let load = format!("{desktops} desktops, {per_s:.0} calls/s");
    let NewsOutcome { missing, repeated, stray, messages, polls, .. } = &reading.news;
    let by_role = |of: &dyn Fn(usize) -> String| {
        MEASURED.iter().enumerate().map(|(at, role)| format!("{role} {}", of(at))).collect::<Vec<_>>().join(", ")
    };
    let note = format!(
        "p50 {:.1}, longest {:.1}, of {} events of {count} calls; {messages} messages in {polls} polls; VmRSS in MB after it: {}; \
         the further desktops were at work after {:.1} s, a sign-in took {:.0} ms; robots, roles and servers share the machine",
        percentile(&delays, 50)?,
        percentile(&delays, 100)?,
        delays.len(),
        by_role(&|at| format!("{:.1}", reading.resident[at] / 1e6)),
        reading.begun_in.as_secs_f64(),
        reading.signed_in.as_secs_f64() * 1e3,
    );
    let void = reading.faults();
    let p99 = row(
        format!("from a fact of a call to its event at the desktop, p99; {load}"),
        "ms",
        percentile(&delays, 99)?,
        Goal::AtMost(P99_MAX_MS),
        note,
    );
    report.add(Figure { void: void.clone(), ..p99 });
    let note =
        format!("{missing} have not come, {repeated} came again, {stray} were others', of {}", reading.calls.events());
    let lost = (missing + repeated + stray) as f64;
    let lost =
        row(format!("events of calls that did not come just once; {load}"), "events", lost, Goal::AtMost(0.0), note);
    report.add(Figure { void: void.clone(), ..lost });
    let (event_us, idle) = (reading.event_us(), reading.idle_ms_per_s);
    let note = format!(
        "{}; without calls, in ms for each second: {}",
        by_role(&|at| format!("{:.0}", event_us[at])),
        by_role(&|at| format!("{:.1}", idle[at])),
    );
    let of_both = event_us.iter().take(WITH_SESSIONS).sum();
    let cpu =
        row(format!("CPU of gws-workspace and gws-voice for an event; {load}"), "µs of CPU", of_both, Goal::None, note);
    report.add(Figure { void, ..cpu });
    Ok(())
}

/// What the steps have in common, and what it comes to with as many desktops as are wanted.
fn show_growth(report: &mut Report, readings: &[StepReading]) -> Result<()> {
    let is_of_line = |reading: &&StepReading| reading.calls.desktops >= OF_LINE_MIN;
    let mut of_line: Vec<&StepReading> = readings.iter().filter(is_of_line).collect();
    if of_line.len() < 2 {
        of_line = readings.iter().collect();
    }
    let line = |of: &dyn Fn(&StepReading) -> f64| {
        let points: Vec<(f64, f64)> =
            of_line.iter().map(|reading| (reading.calls.desktops.into(), of(reading))).collect();
        StraightLine::through(&points).context("there are too few steps")
    };
    let (Some(first), Some(last)) = (of_line.first(), of_line.last()) else { return Ok(()) };
    let over = format!("the slope from {} to {} desktops", first.calls.desktops, last.calls.desktops);
    let at = |line: StraightLine| line.at(WANTED.into());
    let mut memory = Vec::new();
    for (role, name) in MEASURED.iter().enumerate().take(WITH_SESSIONS + 1) {
        memory.push((*name, line(&|reading| reading.resident[role])?));
    }
    let of_session: f64 = memory.iter().take(WITH_SESSIONS).map(|(_, line)| line.slope / 1e3).sum();
    let reckoned: Vec<String> = memory.iter().map(|(name, line)| format!("{name} {:.0} MB", at(*line) / 1e6)).collect();
    let note = format!("VmRSS after the calls; reckoned for {WANTED} desktops: {}", reckoned.join(", "));
    let what = format!("memory for a session, gws-workspace and gws-voice together; {over}");
    report.add(row(what, "kB", of_session, Goal::AtMost(SESSION_MAX_KB), note));
    for (name, line) in &memory {
        let what = format!("memory for a desktop in {name}; {over}");
        report.add(row(what, "kB", line.slope / 1e3, Goal::None, String::new()));
    }
    let p99 = line(&|reading| percentile(&reading.delays_ms(), 99).unwrap_or_default())?;
    let note = format!("{:+.2} ms for 1,000 further desktops", p99.slope * 1e3);
    let what = format!("from a fact to its event, p99, reckoned for {WANTED} desktops by {over}");
    report.add(row(what, "ms", at(p99), Goal::AtMost(P99_MAX_MS), note));
    for (role, name) in MEASURED.iter().enumerate().take(WITH_SESSIONS) {
        let idle = line(&|reading| reading.idle_ms_per_s[role])?;
        let events = CALLS_PER_S * last.calls.events() as f64 / f64::from(last.calls.count.max(1));
        let with_calls = last.event_us()[role] / 1e3 * events;
        let note = format!("{:.0} of them without calls; {events:.0} events/s", at(idle));
        let what = format!("CPU of {name} each second, reckoned for {WANTED} desktops and {CALLS_PER_S:.0} calls/s");
        report.add(row(what, "ms of CPU", at(idle) + with_calls, Goal::None, note));
    }
    let sockets = line(&|reading| reading.sockets as f64 / f64::from(REPLICAS))?;
    let note = format!(
        "a listener takes {CONNECTIONS_MAX}; {:.2} sockets for each desktop of a replica",
        sockets.slope * f64::from(REPLICAS)
    );
    let what = format!("sockets of a replica of gws-workspace, of {REPLICAS}, reckoned for {WANTED} desktops");
    report.add(row(what, "sockets", at(sockets), Goal::AtMost(CONNECTIONS_MAX as f64), note));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offices_have_addresses_that_no_role_has() {
        let address = |desktop| office(230, desktop).to_string();
        assert_eq!((address(0), address(99)), ("127.230.251.1".to_owned(), "127.230.251.1".to_owned()));
        assert_eq!(address(100), "127.230.251.2");
        assert_eq!(address(24_999), "127.230.251.250");
        assert_eq!(address(25_000), "127.230.252.1");
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        let at = |share| percentile(&values, share).unwrap();
        assert_eq!((at(50), at(99), at(100)), (100.0, 198.0, 200.0));
        assert!(percentile(&[], 99).is_err());
    }
}
