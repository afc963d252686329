//! Calls that go out while faults happen: desks of the robots call numbers outside by a trunk to the robots' carrier. Every second desk
//! speaks TLS, and its audio is encrypted.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use robots::{
    CARRIER_PORT, Edge, Outcome, OutgoingRow, OutsideCalls, Plan, Range, Results, Rhythm, RobotDesk, SecureEdge, Stop,
};

use crate::clock::{Micros, SECOND};
use crate::faults::Fault;
use crate::site::Site;
use crate::tenant::PASSWORD;

/// What the numbers begin with.
const PREFIX: &str = "+1558";
/// The tenant of the load.
const TENANT: &str = "example";
/// The name of the edge's own certificate in the data directory.
const CERTIFICATE: &str = "edge-certificate.pem";
const DESKS: u16 = 8;
const FIRST_DESK: u16 = 8_600;
/// How long a conversation lasts, s: as long as those of the other kinds.
const TALK: Range = Range { min: 8.0, max: 22.0 };
const RING: Range = Range { min: 0.4, max: 4.0 };
/// Both must be heard within this time after the answer: a fault may fall into it.
const HEARD_WITHIN: Duration = Duration::from_secs(6);
/// The role by whose end phones lose their connections. A killed process is back after 15 s, and within this time they are, too.
const PROXY: &str = "sip-proxy";
const BACK_WITHIN: Micros = 25 * SECOND;
/// Longest time from an INVITE to its answer.
const RINGS: Micros = 6 * SECOND;

/// The robots at work.
pub struct OutgoingCalls {
    stop: Stop,
    running: JoinHandle<Result<Results>>,
}

fn desks() -> impl Iterator<Item = (String, bool)> {
    (FIRST_DESK..FIRST_DESK + DESKS).map(|number| (number.to_string(), number % 2 == 1))
}

fn edge(host: &str) -> Edge {
    Edge { host: host.to_owned(), port: 5060 }
}

/// The desks' phones, as lines of the tenant's file.
pub fn phones() -> String {
    let mut text = String::new();
    for (number, encrypts) in desks() {
        let encryption = if encrypts { "required" } else { "off" };
        // Writing into a String cannot fail.
        let _ = writeln!(text, "  - {{number: \"{number}\", password: {PASSWORD}, encryption: {encryption}}}");
    }
    text
}

/// The trunk to the robots' carrier, as a line of the tenant's file.
pub fn trunk(host: &str) -> Result<String> {
    let address = edge(host).robots_address()?;
    Ok(format!("  - {{name: outside, allow: [], contact: \"{address}:{CARRIER_PORT}\", prefix: \"{PREFIX}\"}}\n"))
}

impl OutgoingCalls {
    /// Starts the desks and their carrier.
    pub fn start(site: &Site) -> Result<Self> {
        let installation = &site.installation;
        let demo = &installation.demo;
        let desk = |(extension, encrypts)| RobotDesk { extension, password: PASSWORD.to_owned(), encrypts };
        let certificate = std::fs::read_to_string(installation.data_dir().join(CERTIFICATE))?;
        let carrier = SocketAddr::new(edge(&demo.sip.host).robots_address()?, CARRIER_PORT);
        let outside = OutsideCalls {
            prefix: PREFIX.to_owned(),
            carrier,
            desks: desks().map(desk).collect(),
            secure: Some(SecureEdge { host: demo.sip.host.clone(), port: 5061, certificate }),
        };
        let place = robots::Site {
            tenant: TENANT.to_owned(),
            sip: edge(&demo.sip.host),
            web: demo.web.clone(),
            token: demo.tokens.get("operator").context("no token of the operator")?.clone(),
            numbers: [].into(),
            services: [].into(),
            agents: Vec::new(),
            outside: Some(outside),
        };
        let never = Range { min: 0.0, max: 0.0 };
        let plan = Plan {
            calls: None,
            rate: 0.0,
            rhythm: Rhythm { period_s: 1.0, depth: 0.0 },
            agents: 0,
            ring: RING,
            talk: TALK,
            wrap: never,
            patience: never,
            holds: 0.0,
            moves: 0.0,
            hear_within: HEARD_WITHIN,
            seed: 1,
        };
        let stop = Stop::default();
        let asked = stop.clone();
        let running = std::thread::Builder::new()
            .name("robots".to_owned())
            .spawn(move || robots::run(place, plan, &asked, &mut |_| {}))?;
        Ok(Self { stop, running })
    }

    /// Ends the calls; returns them all.
    pub fn finish(self) -> Result<Results> {
        self.stop.stop();
        self.running.join().map_err(|_| anyhow::anyhow!("the robots have failed"))?
    }
}

/// What a fault has harmed: every call that was answered goes on until one of both hangs up, and both hear each other. A call whose phone lost
/// its connection with sip-proxy while it called is the phone's to repeat: nobody can answer an INVITE whose way back is gone.
pub fn harmed(results: &Results, faults: &[Fault]) -> Vec<String> {
    let of_proxy = || faults.iter().filter(|fault| fault.what.contains(PROXY));
    let is_near =
        |at: Micros| of_proxy().any(|fault| at > fault.at.saturating_sub(RINGS) && at < fault.at + BACK_WITHIN);
    let is_excused =
        |call: &&OutgoingRow| call.encrypted && call.outcome == Outcome::Refused && is_near(call.dialled_at * 1_000);
    let calls = results.outgoing.iter().filter(|call| !is_excused(call));
    let of_call = |call: &OutgoingRow, fault: &String| format!("{} to {}: {fault}", call.extension, call.number);
    let mut harmed: Vec<String> = results.faults.clone();
    harmed.extend(calls.flat_map(|call| call.faults.iter().map(move |fault| of_call(call, fault))));
    for encrypted in [false, true] {
        let is_answered = |call: &OutgoingRow| call.encrypted == encrypted && call.outcome == Outcome::Answered;
        if !results.outgoing.iter().any(is_answered) {
            harmed.push(format!(
                "no call was answered of the phones that {}encrypt",
                if encrypted { "" } else { "do not " }
            ));
        }
    }
    harmed
}

/// What happened, in a sentence.
pub fn summary(results: &Results) -> String {
    let calls = &results.outgoing;
    let answered = |encrypted| {
        let of = calls.iter().filter(move |call| call.encrypted == encrypted);
        let answered = of.clone().filter(|call| call.outcome == Outcome::Answered).count();
        format!("{answered} of {}", of.count())
    };
    format!(
        "Calls to numbers outside that were answered: {} in clear, {} by phones on TLS with encrypted audio.",
        answered(false),
        answered(true)
    )
}
