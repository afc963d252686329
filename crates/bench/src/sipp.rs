//! SIPp as load generator: scenarios of `bench/`, figures from its statistics file.

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

/// The results of a finished run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Calls that followed the scenario.
    pub successful: u64,
    /// Calls that did not.
    pub failed: u64,
    /// Failed calls in which a provisional response came after the final one.
    pub disordered: u64,
    /// Messages that had to be sent again.
    pub retransmissions: u64,
    /// Maximum delay of SIPp behind its schedule, in seconds: from its statistics of each second, and its watchdog.
    pub lag_s: f64,
}

/// Maximum delay of a valid load's sender.
const LAG_MAX_S: f64 = 0.1;
/// SIPp's watchdog reports a loop that was blocked for this long.
const WATCHDOG_S: f64 = 0.5;

impl Counts {
    /// Reads SIPp's statistics file and its error log.
    pub fn read(statistics: &Path, errors: &str) -> Result<Self> {
        let text = fs::read_to_string(statistics).context("SIPp has written no statistics")?;
        let mut lines = text.lines();
        let names = lines.next().unwrap_or_default().split(';');
        let values = lines.next_back().unwrap_or_default().split(';');
        let named: HashMap<&str, &str> = names.zip(values).collect();
        let count = |name: &str| named.get(name).and_then(|v| v.trim().parse().ok()).unwrap_or_default();
        let stood_still: u64 = count("WatchdogMinor(C)") + count("WatchdogMajor(C)");
        Ok(Self {
            successful: count("SuccessfulCall(C)"),
            failed: count("FailedCall(C)"),
            disordered: disordered(errors),
            retransmissions: count("Retransmissions(C)"),
            lag_s: lag_s(&text).max(if stood_still > 0 { WATCHDOG_S } else { 0.0 }),
        })
    }

    /// Why a figure of this load is void; `whose` names the program under load.
    pub fn faults(&self, whose: &str) -> Vec<String> {
        let mut faults = Vec::new();
        if self.lag_s > LAG_MAX_S {
            faults.push(format!("{whose}: the sender was {:.0} ms behind its schedule", self.lag_s * 1e3));
        }
        if self.failed > 0 {
            faults.push(format!("{whose}: {} of {} calls were lost", self.failed, self.failed + self.successful));
        }
        faults
    }
}

/// The parameters of a run.
pub struct Run<'a> {
    /// A file of `bench/`.
    pub scenario: &'a str,
    /// The local address; the port is 5060.
    pub local: Ipv4Addr,
    /// The destination, `host:port`; `None` for a server.
    pub remote: Option<&'a str>,
    /// Further arguments.
    pub arguments: Vec<String>,
}

impl Sipp {
    /// Starts SIPp; its files go into `folder`.
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

    /// Runs SIPp to its end.
    pub fn run(run: &Run<'_>, folder: &Path, limit: Duration) -> Result<Counts> {
        Self::start(run, folder)?.ended(limit)
    }

    /// Waits until it ends by itself.
    pub fn ended(mut self, limit: Duration) -> Result<Counts> {
        self.process.finish(limit)?;
        self.counts()
    }

    /// The results so far.
    pub fn counts(&self) -> Result<Counts> {
        Counts::read(&self.statistics, &fs::read_to_string(&self.errors).unwrap_or_default())
    }

    /// Its process.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// The sender's maximum delay in the statistics, by the calls that it had started at each time.
fn lag_s(statistics: &str) -> f64 {
    let mut lines = statistics.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split(';').collect();
    let rows: Vec<HashMap<&str, &str>> =
        lines.map(|line| names.iter().copied().zip(line.split(';')).collect()).collect();
    let number = |row: &HashMap<&str, &str>, name: &str| -> Option<f64> {
        // A time consists of a date, a time of day and seconds since 1970, separated by tabs.
        row.get(name)?.rsplit('\t').next()?.trim().parse().ok()
    };
    let wanted = rows.last().and_then(|row| number(row, "TotalCallCreated")).unwrap_or_default();
    let late = |row: &HashMap<&str, &str>| {
        let passed = number(row, "CurrentTime")? - number(row, "StartTime")?;
        let (begun, rate) = (number(row, "TotalCallCreated")?, number(row, "TargetRate").filter(|rate| *rate > 0.0)?);
        // The next call is due at its own time, which at a low rate is far from the last call's.
        (begun < wanted).then_some(passed - (begun + 1.0) / rate)
    };
    rows.iter().filter_map(late).fold(0.0, f64::max)
}

/// Calls that SIPp failed because a final response came instead of an expected provisional one, and whose provisional
/// response came afterwards. A provisional response that never came was lost.
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
    fn a_sender_behind_its_schedule_is_seen_in_its_statistics() {
        let text = "StartTime;CurrentTime;TargetRate;TotalCallCreated;\n\
            d\tt\t100.5;d\tt\t101.5;1000;1000;\n\
            d\tt\t100.5;d\tt\t102.5;1000;1699;\n\
            d\tt\t100.5;d\tt\t103.5;1000;3000;\n\
            d\tt\t100.5;d\tt\t109.0;1000;3000;\n";
        assert!((lag_s(text) - 0.3).abs() < 1e-6, "{}", lag_s(text));
        let counts = Counts { lag_s: lag_s(text), failed: 2, successful: 8, ..Counts::default() };
        let faults = counts.faults("Kamailio");
        assert_eq!(
            faults,
            ["Kamailio: the sender was 300 ms behind its schedule", "Kamailio: 2 of 10 calls were lost"]
        );
        assert!(Counts::default().faults("ours").is_empty());
    }

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
