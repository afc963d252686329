//! SIPp as the caller, the agent's phone or the carrier: our scenarios, run by an independent program.

use std::collections::HashSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::wait;

/// One run of SIPp.
pub struct Sipp {
    scenario: String,
    destination: String,
    arguments: Vec<String>,
}

/// A run in progress; killed when dropped.
pub struct Running {
    child: Child,
    folder: tempfile::TempDir,
}

/// The result of a run.
#[derive(Debug)]
pub struct Outcome {
    /// SIPp's exit code: 0 means that every call followed the scenario.
    pub code: i32,
    /// SIPp's log of unexpected messages.
    pub errors: String,
    /// Every message, if `-trace_msg` was among the arguments.
    pub messages: String,
}

impl Outcome {
    /// Fails unless every call followed the scenario.
    pub fn expect_success(&self) -> Result<()> {
        if self.code == 0 { Ok(()) } else { bail!("SIPp ended with {}\n{}\n{}", self.code, self.errors, self.messages) }
    }
}

impl Sipp {
    /// A run of `scenario` (a file of `scenarios/`, or one of SIPp's own such as `-sn uac`) from `local` to `destination`.
    pub fn new(scenario: &str, local: Ipv4Addr, destination: &str) -> Self {
        Self::at(scenario, (local, 5060).into(), destination)
    }

    /// As before, from any address and port.
    pub fn at(scenario: &str, local: SocketAddr, destination: &str) -> Self {
        let (ip, port) = (local.ip().to_string(), local.port().to_string());
        // -aa: answers OPTIONS within a call, as every phone does.
        let arguments = ["-i", &ip, "-p", &port, "-nostdin", "-trace_err", "-aa"].map(str::to_owned).to_vec();
        Self { scenario: scenario.to_owned(), destination: destination.to_owned(), arguments }
    }

    /// Adds arguments.
    pub fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// Dials a number.
    pub fn dial(self, number: &str) -> Self {
        self.with(&["-s", number])
    }

    /// Sets the number of calls, the calls per second, and the maximum of concurrent calls.
    pub fn calls(self, calls: u32, rate: u32, at_once: u32) -> Self {
        self.with(&["-m", &calls.to_string(), "-r", &rate.to_string(), "-l", &at_once.to_string()])
    }

    /// Starts SIPp.
    pub fn start(self) -> Result<Running> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new("sipp");
        match self.scenario.strip_prefix("-sn ") {
            Some(own) => command.args(["-sn", own]),
            None => command.arg("-sf").arg(scenario_file(&self.scenario)?),
        };
        let child = command
            .arg(&self.destination)
            .args(&self.arguments)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("SIPp is not installed: script/bootstrap installs it")?;
        Ok(Running { child, folder })
    }

    /// Runs SIPp to its end.
    pub fn run(self, limit: Duration) -> Result<Outcome> {
        self.start()?.finish(limit)
    }
}

impl Running {
    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether SIPp has ended by itself.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Waits until SIPp ends.
    pub fn finish(mut self, limit: Duration) -> Result<Outcome> {
        let child = &mut self.child;
        let status = wait::until(limit, || Ok(child.try_wait()?));
        let (errors, messages) = (self.traces("_errors.log"), self.traces("_messages.log"));
        let status = status.with_context(|| format!("SIPp has not ended\n{errors}\n{messages}"))?;
        Ok(Outcome { code: status.code().unwrap_or(-1), errors, messages })
    }

    /// The contents so far of its files with this ending.
    pub fn traces(&self, ending: &str) -> String {
        let files = fs::read_dir(self.folder.path()).into_iter().flatten().flatten();
        let named = files.filter(|file| file.file_name().to_string_lossy().ends_with(ending));
        named.filter_map(|file| fs::read_to_string(file.path()).ok()).collect()
    }

    /// Number of calls that this phone has answered, counted by Call-ID: a repeated 200 is acknowledged more than once.
    pub fn acknowledged(&self) -> usize {
        let messages = self.traces("_messages.log");
        let received = messages.split("message received").skip(1).filter_map(|block| block.split_once("\n\n"));
        let acks = received.map(|(_, text)| text.trim_start()).filter(|text| text.starts_with("ACK "));
        let call_ids = acks.filter_map(|text| text.lines().find(|line| line.starts_with("Call-ID:")));
        call_ids.map(str::trim).collect::<HashSet<_>>().len()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn scenario_file(name: &str) -> Result<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scenarios").join(name);
    path.canonicalize().with_context(|| format!("no scenario {name}"))
}
