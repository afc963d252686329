//! An installation with a process for each role, on servers, and its load of routed calls: callers behind a trunk, an application
//! that routes at once, phones. The kernel counts CPU and memory of each process, so those of each role are known.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use testkit::{Endpoint, Installation};

use crate::process::{Cpu, cpu_of, find, memory_of, tree, wait_until};
use crate::report::Report;
use crate::sipp::{Counts, Run, Sipp};

/// The required programs.
const PROGRAMS: [&str; 4] = ["sipp", "redis-cli", "redis-server", "java"];
/// What callers dial.
const NUMBER: &str = "+15550199";
/// Phones that calls are routed to, and as many to which these transfer. A call of the caller `...0017` rings at 50017, and is transferred
/// to 60017.
pub const PHONES: u32 = 1_000;
const PASSWORD: &str = "bench-password-1";
/// The phones register at this rate.
const REGISTRATIONS_PER_S: u32 = 100;
const KNOWN_WITHIN: Duration = Duration::from_secs(60);
/// Time for three attempts of all.
const REGISTERED_WITHIN: Duration = Duration::from_secs(60);
/// The first host of the callers, and how many of them there are.
const CALLERS: u8 = 20;
const CALLERS_MAX: u8 = 200;
/// Calls before the first measured one.
const WARM_UP_CALLS: u32 = 20;
const WARM_UP_CALLS_PER_S: u32 = 5;
/// How long a phone rings.
const RINGS_MS: &str = "100";
/// A call's tombstone and its transactions end 64 s after the call: their removal is part of its cost.
const LINGERS: Duration = Duration::from_secs(68);
/// SIPp's statistics are written each second.
const NOTED_WITHIN: Duration = Duration::from_secs(3);

/// A running installation with its phones.
pub struct Cluster {
    /// The installation.
    pub site: Installation,
    nobody: Endpoint,
    phones: Option<Sipp>,
    /// Loads of calls so far.
    loads: Cell<u8>,
    folder: PathBuf,
}

/// Where the audio of the calls goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audio {
    /// Through media.
    Anchored,
    /// Between caller and phone directly: media has no part in the calls.
    Direct,
}

/// A load of calls.
#[derive(Clone, Copy, Debug)]
pub struct CallLoad {
    /// Their number.
    pub count: u32,
    /// Of them, how many begin in a second.
    pub per_s: u32,
    /// How long the caller stays after the answer.
    pub stays: Duration,
}

/// CPU time by role.
#[derive(Clone, Debug)]
pub struct CpuByRole {
    at: Instant,
    used: BTreeMap<String, Cpu>,
}

/// CPU seconds by role between two readings, and the time between them.
#[derive(Clone, Debug)]
pub struct Spent {
    of_roles: BTreeMap<String, f64>,
    passed_s: f64,
}

/// CPU of a load by role, for each of its calls; work without calls is subtracted.
pub struct CostByRole {
    of_roles: BTreeMap<String, f64>,
    counts: Counts,
    unrouted: u64,
    /// How many calls went directly, if it was another number than wanted.
    astray: Option<f64>,
}

// === impl Cluster ===

impl Cluster {
    /// Whether everything is installed that it needs; says what is missing otherwise.
    pub fn is_possible(report: &mut Report, bench: &str) -> bool {
        let missing: Vec<&str> = PROGRAMS.into_iter().filter(|program| find(program).is_none()).collect();
        missing.iter().for_each(|program| report.missing(bench, program));
        missing.is_empty()
    }

    /// Starts everything: servers, a process for each role, phones, and a few calls.
    pub fn start(folder: &Path, audio: Audio, settings: &[&str]) -> Result<Self> {
        // Nobody sends audio: media would ask again and again whether the phones are there.
        let always = ["process.log=warn", "process.drain_deadline=1s", "media.quiet_after=1h"];
        let settings = always.iter().chain(settings).flat_map(|setting| ["--set", *setting]);
        let arguments: Vec<&str> = ["--processes"].into_iter().chain(settings).collect();
        let mut site = Installation::start_on_servers(&arguments)?;
        site.servers()?.start_kafka()?;
        site.import_changed(|files| add_to_example(files, audio))?;
        let nobody = Endpoint::listen(site.peer_address(2).into())?;
        let mut cluster = Self { site, nobody, phones: None, loads: Cell::new(0), folder: folder.to_owned() };
        cluster.register()?;
        cluster.phones = Some(cluster.answer_calls()?);
        cluster.warm_up()?;
        Ok(cluster)
    }

    /// Registers all phones at one address, once the installation knows them.
    fn register(&self) -> Result<()> {
        let users = self.folder.join("phones.csv");
        let mut text = "SEQUENTIAL\n".to_owned();
        for user in phones() {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{user};[authentication username={user} password={PASSWORD}]");
        }
        fs::write(&users, text)?;
        let register = |count: u32| {
            let rate =
                ["-m", &count.to_string(), "-r", &REGISTRATIONS_PER_S.to_string(), "-l", "1000", "-timeout", "90"];
            let file = ["-inf", &users.display().to_string()];
            self.sipp("register.xml", 2, Some(&self.site.sip()), &[&rate[..], &file].concat())
        };
        let limit = Duration::from_secs(100);
        wait_until("the phones are known", KNOWN_WITHIN, || Ok(register(1)?.ended(limit)?.successful == 1))?;
        // A busy proxy refuses some: these come again, with all others.
        wait_until("all phones are registered", REGISTERED_WITHIN, || {
            Ok(register(PHONES * 2)?.ended(limit)?.failed == 0)
        })?;
        Ok(())
    }

    fn answer_calls(&self) -> Result<Sipp> {
        self.sipp("../scenarios/agent.xml", 2, None, &["-d", RINGS_MS, "-aa"])
    }

    fn warm_up(&self) -> Result<()> {
        let one = CallLoad { count: 1, per_s: 1, stays: Duration::from_secs(1) };
        wait_until("a call is routed", KNOWN_WITHIN, || Ok(self.call(one)?.finish()?.successful == 1))?;
        let some = CallLoad { count: WARM_UP_CALLS, per_s: WARM_UP_CALLS_PER_S, ..one };
        let counts = self.call(some)?.finish()?;
        ensure!(counts.failed == 0, "{} of {WARM_UP_CALLS} calls were not routed", counts.failed);
        Ok(())
    }

    /// Begins a load of calls.
    pub fn call(&self, calls: CallLoad) -> Result<Calling> {
        let CallLoad { count, per_s, stays } = calls;
        let callers = self.folder.join("callers.csv");
        if !callers.exists() {
            let lines: String = (0..PHONES).map(|number| format!("+1555000{number:04}\n")).collect();
            fs::write(&callers, format!("SEQUENTIAL\n{lines}"))?;
        }
        let (stays_ms, file) = (stays.as_millis().to_string(), callers.display().to_string());
        let arguments = ["-s", NUMBER, "-m", &count.to_string(), "-r", &per_s.to_string(), "-l", "10000", "-aa"];
        let more = ["-d", &stays_ms, "-inf", &file];
        // Several loads may go on at once, each at an address of its own.
        let host = CALLERS + self.loads.replace((self.loads.get() + 1) % CALLERS_MAX);
        let sipp = self.sipp("routed-caller.xml", host, Some(&self.site.sip()), &[&arguments[..], &more].concat())?;
        let limit = Duration::from_secs(u64::from(count.div_ceil(per_s.max(1)))) + stays + Duration::from_secs(60);
        Ok(Calling { sipp, limit })
    }

    fn sipp(&self, scenario: &str, host: u8, remote: Option<&str>, arguments: &[&str]) -> Result<Sipp> {
        let (ip, port) = (self.nobody.address.ip().to_string(), self.nobody.address.port().to_string());
        let keys = ["-key", "rtp_host", &ip, "-key", "rtp_port", &port];
        let arguments = arguments.iter().chain(&keys).map(|argument| (*argument).to_owned()).collect();
        Sipp::start(&Run { scenario, local: self.site.peer_address(host), remote, arguments }, &self.folder)
    }

    /// CPU time of each role so far.
    pub fn cpu(&self) -> CpuByRole {
        let mut used: BTreeMap<String, Cpu> = BTreeMap::new();
        for (role, pid) in processes(self.site.pid()) {
            let of_role = used.entry(role).or_default();
            *of_role = [*of_role, cpu_of(pid)].into_iter().sum();
        }
        CpuByRole { at: Instant::now(), used }
    }

    /// What the roles spend without calls, or with the calls that there are, in this time.
    pub fn idle(&self, time: Duration) -> Spent {
        let before = self.cpu();
        std::thread::sleep(time);
        self.cpu().since(&before)
    }

    /// The cost of a load; `beside` does something meanwhile. `idle` is what the roles spend without it.
    pub fn cost(
        &self,
        load: CallLoad,
        idle: &Spent,
        tail: Tail,
        beside: impl FnOnce() -> Result<()>,
    ) -> Result<CostByRole> {
        let (before, answered) = (self.cpu(), self.answered()?);
        let calling = self.call(load)?;
        beside()?;
        let counts = calling.finish()?;
        let wanted = answered + u64::from(load.count);
        // SIPp notes each second what it has done.
        let _ = wait_until("all calls have reached a phone", NOTED_WITHIN, || Ok(self.answered()? >= wanted));
        let unrouted = wanted.saturating_sub(self.answered()?);
        if matches!(tail, Tail::Included) {
            std::thread::sleep(LINGERS);
        }
        let spent = self.cpu().since(&before);
        let count = f64::from(load.count);
        let of_roles = spent.of_roles.keys().map(|role| (role.clone(), spent.beyond_s(idle, role) * 1e3 / count));
        Ok(CostByRole { of_roles: of_roles.collect(), counts, unrouted, astray: None })
    }

    /// Calls that the phones have had so far, from INVITE to BYE.
    fn answered(&self) -> Result<u64> {
        Ok(self.phones.as_ref().context("no phones")?.counts()?.successful)
    }

    /// Memory of a role's processes in bytes.
    pub fn memory(&self, role: &str) -> Result<u64> {
        let own = processes(self.site.pid()).into_iter().filter(|(of, _)| of == role);
        let all: Vec<u64> = own.filter_map(|(_, pid)| memory_of(pid)).collect();
        ensure!(!all.is_empty(), "no process of {role} is running");
        Ok(all.iter().sum())
    }

    /// Calls that sip-cluster has now.
    pub fn calls_held(&self) -> Result<f64> {
        self.site.metric("sip-cluster", "sipcluster_calls")
    }
}

/// Every process below a supervisor with its role; the supervisor itself has none and counts by its own name.
pub fn processes(supervisor: u32) -> Vec<(String, u32)> {
    let role = |pid: u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        words.find(|word| word == "run").and_then(|_| words.next()).map(|role| role.into_owned())
    };
    let named = |pid| (role(pid).unwrap_or_else(|| "supervisor".to_owned()), pid);
    tree(supervisor).into_iter().map(named).collect()
}

/// Whether what remains to be done after the calls is counted.
#[derive(Clone, Copy, Debug)]
pub enum Tail {
    /// Until their tombstones and transactions have ended.
    Included,
    /// Only until the last call has ended.
    Cut,
}

/// A load in progress; it ends when dropped.
pub struct Calling {
    sipp: Sipp,
    limit: Duration,
}

impl Calling {
    /// Waits for the end of its calls.
    pub fn finish(self) -> Result<Counts> {
        self.sipp.ended(self.limit)
    }
}

// === impl CpuByRole, Spent, CostByRole ===

impl CpuByRole {
    /// What was used between an earlier reading and this one.
    fn since(&self, earlier: &Self) -> Spent {
        let of_role = |(role, cpu): (&String, &Cpu)| {
            let before = earlier.used.get(role).copied().unwrap_or_default();
            (role.clone(), cpu.since(before).as_secs_f64())
        };
        Spent { of_roles: self.used.iter().map(of_role).collect(), passed_s: (self.at - earlier.at).as_secs_f64() }
    }
}

impl Spent {
    /// CPU seconds of a role beyond those of an idle time of the same length.
    fn beyond_s(&self, idle: &Self, role: &str) -> f64 {
        let of = |spent: &Self| spent.of_roles.get(role).copied().unwrap_or_default();
        of(self) - of(idle) / idle.passed_s * self.passed_s
    }

    /// CPU of a role for each second, in milliseconds.
    pub fn ms_per_s(&self, role: &str) -> f64 {
        self.of_roles.get(role).copied().unwrap_or_default() * 1e3 / self.passed_s
    }
}

impl CostByRole {
    /// Milliseconds of a role for each call.
    pub fn ms(&self, role: &str) -> Result<f64> {
        self.of_roles.get(role).copied().with_context(|| format!("no process of {role} is running"))
    }

    /// Makes the figures void unless the audio of that many calls went directly.
    pub fn expect_direct(&mut self, wanted: f64, seen: f64) {
        self.astray = Some(seen).filter(|seen| *seen != wanted);
    }

    /// Why its figures are void.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.counts.faults("ours");
        if self.unrouted > 0 {
            faults.push(format!("ours: {} calls have reached no phone", self.unrouted));
        }
        faults.extend(self.astray.map(|seen| format!("ours: the audio of {seen} calls went directly")));
        faults
    }

    /// Of all roles together.
    pub fn total_ms(&self) -> f64 {
        self.of_roles.values().sum()
    }

    /// All roles, the dearest first.
    pub fn parts(&self) -> Vec<(&str, f64)> {
        let mut parts: Vec<(&str, f64)> = self.of_roles.iter().map(|(role, ms)| (role.as_str(), *ms)).collect();
        parts.sort_by(|one, other| other.1.total_cmp(&one.1));
        parts
    }
}

/// The numbers of all phones.
fn phones() -> impl Iterator<Item = String> {
    ["5", "6"].into_iter().flat_map(|first| (0..PHONES).map(move |number| format!("{first}{number:04}")))
}

/// Adds the benchmark's number, route point, application and phones to a copy of the example tenant.
fn add_to_example(folder: &Path, audio: Audio) -> Result<()> {
    fs::copy(crate::files().join("routed.scxml"), folder.join("applications/bench.scxml"))?;
    let direct = if audio == Audio::Direct { ", direct_media: true" } else { "" };
    let own: String =
        phones().map(|phone| format!("  - {{number: \"{phone}\", password: \"{PASSWORD}\"{direct}}}\n")).collect();
    let additions = [
        ("applications:\n", "  bench: applications/bench.scxml\n"),
        ("route_points:\n", "  - {number: \"9100\", application: bench}\n"),
        ("numbers:\n", &format!("  - {{number: \"{NUMBER}\", name: bench, dn: \"9100\"}}\n")),
        ("phones:\n", &own),
    ];
    let file = folder.join("example-tenant.yaml");
    let mut text = fs::read_to_string(&file)?;
    for (section, lines) in additions {
        let begin = format!("\n{section}");
        ensure!(text.contains(&begin), "the example tenant has no {section}");
        text = text.replacen(&begin, &format!("{begin}{lines}"), 1);
    }
    let trunk = "  - {name: carrier";
    ensure!(text.contains(trunk), "the example tenant has another trunk");
    text = text.replacen(trunk, &format!("  - {{name: carrier{direct}"), 1);
    Ok(fs::write(&file, text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_without_calls_is_subtracted_by_its_time() {
        let spent = |s: f64, passed_s| Spent { of_roles: [("rq".to_owned(), s)].into(), passed_s };
        let idle = spent(0.1, 10.0);
        assert!((spent(1.0, 20.0).beyond_s(&idle, "rq") - 0.8).abs() < 1e-9);
        assert!((idle.ms_per_s("rq") - 10.0).abs() < 1e-9);
        assert_eq!(idle.ms_per_s("ors"), 0.0);
    }

    #[test]
    fn each_phone_has_one_to_which_it_transfers() {
        let phones: Vec<String> = phones().collect();
        assert_eq!((phones.len() as u32, phones[17].as_str()), (2 * PHONES, "50017"));
        assert_eq!(phones[17 + PHONES as usize], "60017");
    }
}
