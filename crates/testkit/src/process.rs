//! What is done to processes from outside.

use std::process::Command;

use anyhow::{Result, bail};

/// Sends a signal to one process.
pub fn signal(pid: u32, name: &str) -> Result<()> {
    let status = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status()?;
    if status.success() { Ok(()) } else { bail!("no signal {name} to {pid}: {status}") }
}

/// The processes that a process has started and that are still there.
pub fn children(pid: u32) -> Result<Vec<u32>> {
    let listed = Command::new("ps").args(["-o", "pid=", "--ppid", &pid.to_string()]).output()?;
    let pids = String::from_utf8_lossy(&listed.stdout);
    Ok(pids.split_whitespace().filter_map(|pid| pid.parse().ok()).collect())
}

/// Whether a process has ended, even if its parent has not reaped it yet.
pub fn is_gone(pid: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with('Z'))
}
