//! SIPp as load: scenarios of `bench/`, figures from its statistics file.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::process::Process;

/// A run of SIPp.
pub struct Sipp {
    process: Process,
    statistics: PathBuf,
    errors: PathBuf,
}

/// What a finished run says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Calls that went as the scenario says.
    pub successful: u64,
    /// Calls that did not.
    pub failed: u64,
    /// Those of them in which a provisional response came behind the final one.
    pub disordered: u64,
    /// Messages that had to be sent again.
    pub retransmissions: u64,
}

/// What is run.
pub struct Run<'a> {
    /// A file of `bench/`.
    pub scenario: &'a str,
    /// The local address; the port is 5060.
    pub local: Ipv4Addr,
    /// Where requests go, `host:port`; none for a server.
    pub remote: Option<&'a str>,
    /// Further arguments.
    pub arguments: Vec<String>,
}

impl Sipp {
    /// Starts it; its files go into `folder`.
    pub fn start(run: &Run<'_>, folder: &Path) -> Result<Self> {
        static RUNS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = RUNS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let file = |ending: &str| folder.join(format!("sipp-{number}{ending}"));
        let mut command = Command::new("sipp");
        command.args(run.remote).arg("-sf").arg(crate::files().join(run.scenario));
        command.args(["-i", &run.local.to_string(), "-p", "5060", "-nostdin", "-fd", "1", "-trace_stat", "-trace_err"]);
        command.arg("-stf").arg(file(".csv")).arg("-error_file").arg(file(".errors"));
        command.args(&run.arguments).current_dir(folder);
        let process = Process::start("sipp", &mut command, &file(".log"))?;
        Ok(Self { process, statistics: file(".csv"), errors: file(".errors") })
    }

    /// Runs it to its end.
    pub fn run(run: &Run<'_>, folder: &Path, limit: Duration) -> Result<Counts> {
        let mut sipp = Self::start(run, folder)?;
        sipp.process.finish(limit)?;
        sipp.counts()
    }

    /// What it has counted.
    pub fn counts(&self) -> Result<Counts> {
        let text = fs::read_to_string(&self.statistics).context("SIPp has written no statistics")?;
        let mut lines = text.lines();
        let names = lines.next().unwrap_or_default().split(';');
        let values = lines.next_back().unwrap_or_default().split(';');
        let named: HashMap<&str, &str> = names.zip(values).collect();
        let count = |name: &str| named.get(name).and_then(|v| v.trim().parse().ok()).unwrap_or_default();
        Ok(Counts {
            successful: count("SuccessfulCall(C)"),
            failed: count("FailedCall(C)"),
            disordered: disordered(&fs::read_to_string(&self.errors).unwrap_or_default()),
            retransmissions: count("Retransmissions(C)"),
        })
    }

    /// Its process.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// Calls that SIPp gave up because a final response came where a provisional one was due, and for which the provisional one
/// came afterwards. One that never came was lost.
fn disordered(errors: &str) -> u64 {
    let after = |text: &str, start: &str, end: char| {
        let (_, rest) = text.split_once(start)?;
        Some(rest.split(end).next().unwrap_or_default().to_owned())
    };
    let entries = || errors.lines();
    let given_up: HashSet<String> = entries()
        .filter(|line| line.contains("while expecting '1") && line.contains("received 'SIP/2.0 2"))
        .filter_map(|line| after(line, "for Call-Id '", '\''))
        .collect();
    let late: HashSet<String> = entries()
        .filter(|line| line.contains("received 'SIP/2.0 1"))
        .filter_map(|line| after(line, "Dead call ", ' '))
        .collect();
    given_up.intersection(&late).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_provisional_response_is_told_from_a_lost_one() {
        let errors = "x: Aborting call on unexpected message for Call-Id '1-9@a': while expecting '180' (index 2), received 'SIP/2.0 200 OK\n\
            Via: x\n'y: Dead call 1-9@a (aborted at index 2), received 'SIP/2.0 180 Ringing\n\
            'x: Aborting call on unexpected message for Call-Id '2-9@a': while expecting '180' (index 2), received 'SIP/2.0 200 OK\n\
            'y: Dead call 2-9@a (aborted at index 2), received 'SIP/2.0 200 OK\n\
            'x: Aborting call on unexpected message for Call-Id '3-9@a': while expecting '180' (index 2), received 'SIP/2.0 408 Request Timeout\n";
        assert_eq!(disordered(errors), 1);
    }
}
