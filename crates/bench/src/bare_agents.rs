//! Two SIPp user agents: SIPp as a caller, and as the phone that is called. Between them stands a program that is measured, or nothing:
//! then they are the floor of every back-to-back user agent.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::Installation;

use crate::sipp::{Counts, Run, Sipp};
use crate::{Options, udp};

/// The floor's name as a peer.
pub const NAME: &str = "two SIPp user agents";
/// More calls than in other loads, since each costs little.
const CALLS_PER_S: u32 = 200;
const START_LIMIT: Duration = Duration::from_secs(5);
const LOAD_LIMIT: Duration = Duration::from_secs(100);

/// What two bare user agents take.
pub struct BareAgents {
    /// CPU for a call, in milliseconds.
    pub ms: f64,
    /// SIPp's results.
    pub counts: Counts,
}

impl BareAgents {
    /// SIPp calls SIPp. Twice the work of the side that answers is counted: the other side's includes that of pacing the load.
    pub fn measure(options: &Options, site: &Installation, folder: &Path) -> Result<Self> {
        let [caller, callee] = [3, 4].map(|host| site.peer_address(host));
        let mut phone = answering(callee, folder)?;
        let count = CALLS_PER_S * options.seconds();
        let before = phone.process().cpu()?;
        let counts = calling(&format!("{callee}:5060"), caller, (count, CALLS_PER_S), folder)?;
        let used = phone.process().cpu()?.since(before);
        Ok(Self { ms: 2.0 * used.as_secs_f64() * 1e3 / f64::from(count), counts })
    }
}

/// SIPp as the phone that is called.
pub fn answering(local: Ipv4Addr, folder: &Path) -> Result<Sipp> {
    let run = Run { scenario: "callee.xml", local, remote: None, arguments: vec!["-aa".to_owned()] };
    let mut sipp = Sipp::start(&run, folder)?;
    udp::wait_bound(&format!("{local}:5060"), START_LIMIT, sipp.process())?;
    Ok(sipp)
}

/// SIPp as the caller: so many calls, so many of them in a second.
pub fn calling(at: &str, local: Ipv4Addr, (count, per_s): (u32, u32), folder: &Path) -> Result<Counts> {
    let arguments = ["-m", &count.to_string(), "-r", &per_s.to_string(), "-l", "10000", "-timeout", "90"];
    let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let run = Run { scenario: "caller.xml", local, remote: Some(at), arguments };
    let counts = Sipp::run(&run, folder, LOAD_LIMIT)?;
    ensure!(counts.successful > 0, "no call went through at {at}: see {}", folder.display());
    Ok(counts)
}
