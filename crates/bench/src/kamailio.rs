//! Kamailio as the peer, with the configurations of `bench/`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::process::{Process, find};
use crate::udp;

const START_LIMIT: Duration = Duration::from_secs(10);

/// Starts Kamailio with a configuration file and its definitions; `None` if it is not installed.
pub fn start(
    file: &str,
    at: &str,
    workers: u32,
    definitions: &[(&str, &str)],
    folder: &Path,
) -> Result<Option<Process>> {
    let Some(program) = find("kamailio") else { return Ok(None) };
    let mut command = Command::new(program);
    command.arg("-f").arg(crate::files().join(file)).args(["-DD", "-E", "-m", "512", "-M", "32", "-Y"]).arg(folder);
    command.args(["-A", &format!("LISTEN=udp:{at}"), "-A", &format!("WORKERS={workers}")]);
    for (name, value) in definitions {
        command.args(["-A", &format!("{name}=\"{value}\"")]);
    }
    let mut process = Process::start("kamailio", &mut command, &folder.join(format!("{file}.log")))?;
    udp::wait_bound(at, START_LIMIT, &mut process)?;
    Ok(Some(process))
}

/// Kamailio's version, as printed by it.
pub fn version() -> Option<String> {
    let output = Command::new(find("kamailio")?).arg("-v").output().ok()?;
    String::from_utf8_lossy(&output.stdout).lines().next().map(|line| line.replace("version: ", ""))
}
