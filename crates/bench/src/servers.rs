//! The servers that an installation stores its state in.

use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

use crate::process::{Cpu, cpu_of_tree};

/// Redis, PostgreSQL and Kafka of the instance, started by `script/infra`; stopped when dropped.
pub struct Servers {
    instance: u8,
    pids: Vec<u32>,
}

impl Servers {
    /// Starts them, or takes those that run.
    pub fn start(instance: u8) -> Result<Self> {
        infra(instance, "up")?;
        let status = infra(instance, "status")?;
        // `redis        answers (pid 17)`
        let pid = |line: &str| line.rsplit_once("(pid ")?.1.trim_end_matches(')').parse().ok();
        let pids: Vec<u32> = status.lines().filter_map(pid).collect();
        let servers = Self { instance, pids };
        ensure!(!servers.pids.is_empty(), "script/infra names no server:\n{status}");
        Ok(servers)
    }

    /// Processor time of all of them so far.
    pub fn cpu(&self) -> Cpu {
        self.pids.iter().map(|pid| cpu_of_tree(*pid)).sum()
    }

    /// Number of scripts that Redis has run so far.
    pub fn scripts(&self) -> Result<f64> {
        let host = format!("127.{}.255.1", self.instance);
        let output = Command::new("redis-cli").args(["-h", &host, "info", "commandstats"]).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let calls = |line: &str| line.strip_prefix("cmdstat_evalsha:calls=")?.split(',').next()?.parse::<f64>().ok();
        Ok(text.lines().filter_map(calls).sum())
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        let _ = infra(self.instance, "down");
    }
}

fn infra(instance: u8, what: &str) -> Result<String> {
    let script = crate::files().join("../script/infra");
    let output =
        Command::new(script).args(["--instance", &instance.to_string(), what]).stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "script/infra {what}: {said}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
