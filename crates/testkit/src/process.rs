//! What is done to processes from outside.

use std::process::Command;

use anyhow::{Result, bail};

/// Sends a signal to one process.
pub fn signal(pid: u32, name: &str) -> Result<()> {
    let status = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status()?;
    if status.success() { Ok(()) } else { bail!("no signal {name} to {pid}: {status}") }
}
