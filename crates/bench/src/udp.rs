//! Whether something listens on a UDP address.

use std::fs;
use std::net::SocketAddrV4;
use std::time::Duration;

use anyhow::Result;

use crate::process::{Process, wait_until};

/// Waits until `at`, an IPv4 address and port, is bound.
pub fn wait_bound(at: &str, limit: Duration, process: &mut Process) -> Result<()> {
    let address: SocketAddrV4 = at.parse()?;
    let shown = format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port());
    wait_until(&format!("somebody listens on {at}"), limit, || {
        process.expect_running()?;
        let table = fs::read_to_string("/proc/net/udp")?;
        Ok(table.lines().any(|line| line.split_whitespace().nth(1) == Some(shown.as_str())))
    })
}
