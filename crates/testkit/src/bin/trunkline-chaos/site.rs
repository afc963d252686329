//! The installation under load: real servers, a process for each role and replica, and operations on them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::installation::binary;
use testkit::process::signal;
use testkit::{Authority, Infra, Installation, kernel, wait};

use crate::clock;
use crate::faults::Scenario;
use crate::tenant;

/// Replicas of sip-cluster.
pub const NODES: u8 = 2;
/// Longer than any call of the load.
const DRAIN_DEADLINE: &str = "process.drain_deadline=60s";
const DRAINED_WITHIN: Duration = Duration::from_secs(70);
/// The log is read to its end when no record has come for this long.
const QUIET_MS: u32 = 6_000;
const LATER: Duration = Duration::from_secs(60);
/// Longer than any run.
const CERTIFIED_DAYS: u16 = 30;
/// The roles request the configuration twice a second.
const KNOWN_WITHIN: Duration = Duration::from_secs(3);

/// The installation of the test harness.
pub struct Site {
    /// What the harness knows of it.
    pub installation: Installation,
    /// The addresses of the sip-proxies for phones and carriers, as `host:port`.
    pub edges: Vec<String>,
    /// Who vouches for the sip-proxies: one certificate of our own making for all of them would be made anew when the next one starts.
    pub authority: Authority,
    infra: Infra,
    replicas_of_ors: u8,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

impl Site {
    /// Starts servers and processes, so many sip-proxies among them, and imports the tenant.
    pub fn start(instance: u8, scenario: Scenario, rate: f64, proxies: u8) -> Result<Self> {
        let infra = Infra::up(instance)?;
        let restart = format!("process.restart_after={}", scenario.restart_after());
        let ors = format!("replicas.ors={}", scenario.replicas_of_ors());
        let hosts: Vec<String> = (1..=proxies).map(|replica| format!("127.{instance}.0.{replica}")).collect();
        let replicas_of_proxy = format!("replicas.sip_proxy={proxies}");
        let authority = Authority::new()?;
        let subjects: Vec<String> = hosts.iter().map(|host| format!("IP:{host}")).collect();
        let certificate = authority.issue("edge", &subjects.join(","), CERTIFIED_DAYS)?;
        let certificates = format!("sip-proxy.certificates=[{:?}]", certificate.display().to_string());
        let nodes = NODES.to_string();
        let installation = Installation::start_as(
            instance,
            &[
                "--processes",
                "--replicas",
                &nodes,
                "--set",
                "stores.mode=real",
                "--set",
                &restart,
                "--set",
                &ors,
                "--set",
                &replicas_of_proxy,
                "--set",
                &certificates,
                "--set",
                DRAIN_DEADLINE,
            ],
        )?;
        let port = installation.demo.sip.port;
        let edges = hosts.iter().map(|host| format!("{host}:{port}")).collect();
        let site = Self { installation, edges, authority, infra, replicas_of_ors: scenario.replicas_of_ors() };
        site.bring_tenant(rate)?;
        Ok(site)
    }

    fn bring_tenant(&self, rate: f64) -> Result<()> {
        let files = tempfile::tempdir()?;
        let copied = Command::new("cp").arg("-r").arg(repository().join("data/.")).arg(files.path()).status()?;
        ensure!(copied.success(), "cp: {copied}");
        tenant::extend(files.path(), rate, &self.installation.demo.sip.host)?;
        let output = Command::new(binary()?)
            .args(["tenant", "import"])
            .arg(files.path().join("example-tenant.yaml"))
            .args(["--instance", &self.installation.demo.instance.to_string(), "--set", "stores.mode=real"])
            .arg("--data-dir")
            .arg(self.installation.data_dir())
            .output()?;
        let said = [output.stdout, output.stderr].concat();
        ensure!(output.status.success(), "import: {}", String::from_utf8_lossy(&said));
        clock::pass(KNOWN_WITHIN)?;
        Ok(())
    }

    /// The processes by their nodes, such as `sip-cluster-1`.
    pub fn processes(&self) -> Result<BTreeMap<String, u32>> {
        kernel::processes(self.installation.pid())
    }

    /// Sends a signal to a node's process; returns the process id.
    pub fn signal(&self, node: &str, name: &str) -> Result<u32> {
        let pid = *self.processes()?.get(node).with_context(|| format!("no process {node}"))?;
        signal(pid, name)?;
        Ok(pid)
    }

    /// Waits until a node has another process than `old`, and it is ready.
    pub fn is_back(&self, node: &str, old: u32, limit: Duration) -> Result<()> {
        let (role, replica) = node.rsplit_once('-').context("a node")?;
        let replica = replica.parse()?;
        let place = self.installation.admin_of(role, replica)?;
        wait::until(limit, || {
            let pid = self.processes()?.get(node).copied();
            if pid.is_none() || pid == Some(old) {
                return Ok(None);
            }
            let ready = self.installation.http(place, "GET", "/ready", "");
            Ok(ready.is_ok_and(|answer| answer.status == 200).then_some(()))
        })
        .with_context(|| format!("{node} is not back"))
    }

    /// Performs an operation on a server: `restart`, `empty`, `stop` or `start`.
    pub fn server(&self, what: &str, name: &str) -> Result<()> {
        self.infra.run(&[what, name])
    }

    /// Every record of a topic of the reporting log, key and value, as printed by Kafka's console consumer.
    pub fn reported(&self, topic: &str) -> Result<Vec<String>> {
        let script = repository().join("script/infra");
        let instance = self.installation.demo.instance.to_string();
        let tools = Command::new(script).args(["--instance", &instance, "tools"]).output()?;
        let tools = String::from_utf8_lossy(&tools.stdout).into_owned();
        let consumer = tools.lines().find(|line| line.contains("ConsoleConsumer")).context("no console consumer")?;
        let command = format!(
            "{} --property print.key=true --timeout-ms {QUIET_MS} 2>/dev/null",
            consumer.replace("TOPIC", topic)
        );
        let output = Command::new("sh").arg("-c").arg(command).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
    }

    /// Metrics of calls that are not zero; empty if everything is at rest within the limit.
    pub fn remains(&self, limit: Duration) -> Vec<String> {
        let mut left = Vec::new();
        let places = [
            ("sip-cluster", NODES, "sipcluster_calls"),
            ("media", 1, "media_legs"),
            ("ors", self.replicas_of_ors, "orsnode_strategies"),
            ("rq", 1, "rq_requests_open"),
            ("call-state", 1, "callthread_call_threads"),
        ];
        let at_rest = wait::until(limit, || {
            left.clear();
            for (role, replicas, name) in places {
                for replica in 1..=replicas {
                    match self.installation.metric_of(role, replica, name) {
                        Ok(0.0) => {}
                        Ok(value) => left.push(format!("{name} of {role}-{replica} is {value}")),
                        Err(error) => left.push(format!("{name} of {role}-{replica}: {error:#}")),
                    }
                }
            }
            Ok(left.is_empty().then_some(()))
        });
        if at_rest.is_ok() { Vec::new() } else { left }
    }

    /// The processes' current counters, in one line; a node that is down is not queried.
    pub fn census(&self, away: Option<&str>) -> String {
        let value = |role: &str, replica, name: &str| {
            if away == Some(&format!("{role}-{replica}")) {
                return "-".to_owned();
            }
            self.installation.metric_of(role, replica, name).map_or_else(|_| "-".to_owned(), |value| value.to_string())
        };
        let nodes: Vec<String> =
            (1..=NODES).map(|n| format!("sip-cluster-{n} {}", value("sip-cluster", n, "sipcluster_calls"))).collect();
        let sessions: Vec<String> = (1..=self.replicas_of_ors).map(|n| value("ors", n, "orsnode_strategies")).collect();
        format!(
            "calls: {}; media legs {}; sessions {}; queued {}; agents logged in {}",
            nodes.join(", "),
            value("media", 1, "media_legs"),
            sessions.join(" + "),
            value("rq", 1, "rq_requests_open"),
            value("agent-state", 1, "agentstate_agents_logged_in"),
        )
    }

    /// Ends the installation, like an operator; returns the fault of its end, if any.
    pub fn stop(mut self) -> Result<Option<String>> {
        signal(self.installation.pid(), "TERM")?;
        match self.installation.ended(DRAINED_WITHIN) {
            Ok(0) => Ok(None),
            Ok(code) => Ok(Some(format!("the supervisor ended with {code}"))),
            Err(_) => {
                self.installation.crash()?;
                Ok(Some(format!("the supervisor has not ended within {DRAINED_WITHIN:?}")))
            }
        }
    }

    /// Waits until sip-cluster is ready; for servers that must be back before the load ends.
    pub fn is_ready(&self) -> Result<()> {
        let place = self.installation.admin_of("sip-cluster", 1)?;
        wait::until(LATER, || {
            let answer = self.installation.http(place, "GET", "/ready", "");
            Ok(answer.is_ok_and(|answer| answer.status == 200).then_some(()))
        })
    }
}

/// CPU time of the whole machine since a given time.
pub struct Machine {
    busy: u64,
    all: u64,
}

impl Machine {
    /// Starts now.
    pub fn now() -> Result<Self> {
        let text = std::fs::read_to_string("/proc/stat")?;
        let first = text.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = first.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
        let all = ticks.iter().take(8).sum();
        // The fourth is idle, the fifth is waiting for a disk.
        let idle: u64 = ticks.iter().skip(3).take(2).sum();
        Ok(Self { busy: all - idle, all })
    }

    /// CPU use of all processors since then, in percent.
    pub fn busy_since(&self) -> Result<f64> {
        let now = Self::now()?;
        Ok(100.0 * (now.busy - self.busy) as f64 / (now.all - self.all).max(1) as f64)
    }
}
