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
use crate::faults::{Fault, PROXY};
use crate::site::Site;
use crate::tenant::PASSWORD;

/// What the numbers begin with.
const PREFIX: &str = "+1558";
/// The tenant of the load.
const TENANT: &str = "example";
const DESKS: u16 = 8;
const FIRST_DESK: u16 = 8_600;
/// How long a conversation lasts, s: as long as those of the other kinds.
const TALK: Range = Range { min: 8.0, max: 22.0 };
const RING: Range = Range { min: 0.4, max: 4.0 };
/// Both must be heard within this time after the answer: a fault may fall into it.
const HEARD_WITHIN: Duration = Duration::from_secs(6);
/// Where phones have lost their connections with a sip-proxy: that is back after 15 s, and within this time they are, too.
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
        let certificate = std::fs::read_to_string(site.authority.certificate())?;
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

/// Calls to numbers outside of the phones of one way, as a row of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingLine {
    /// How the phones speak.
    pub way: &'static str,
    /// Number of calls.
    pub calls: usize,
    /// Calls that were answered.
    pub answered: usize,
    /// Answered calls among them that were certainly talking when a fault was caused.
    pub at_fault: usize,
    /// Calls that were cut, not heard or refused without an excuse.
    pub harmed: usize,
    /// Calls that were refused while their phone had lost its connection with sip-proxy.
    pub excused: usize,
}

/// How desks speak, and whether these encrypt.
const WAYS: [(&str, bool); 2] = [("UDP, audio in clear", false), ("TLS, encrypted audio", true)];

/// Whether a refusal of this call is the phone's to repeat: it lost its connection with sip-proxy while it called. Nobody can answer an INVITE
/// whose way back is gone.
fn is_excused(call: &OutgoingRow, faults: &[Fault]) -> bool {
    let at = call.dialled_at * 1_000;
    let mut of_proxy = faults.iter().filter(|fault| fault.what.contains(PROXY));
    let is_near = of_proxy.any(|fault| at > fault.at.saturating_sub(RINGS) && at < fault.at + BACK_WITHIN);
    call.encrypted && call.outcome == Outcome::Refused && is_near
}

/// Whether the call was answered and certainly not over at that time: how long it rang is not known.
fn talks_at(call: &OutgoingRow, at: Micros) -> bool {
    let from = call.dialled_at * 1_000 + RINGS;
    let until = call.dialled_at * 1_000 + call.talk_ms.unwrap_or(0) * 1_000;
    call.outcome == Outcome::Answered && (from..until).contains(&at)
}

/// What a fault has harmed: every call that was answered goes on until one of both hangs up, and both hear each other.
pub fn harmed(results: &Results, faults: &[Fault]) -> Vec<String> {
    let calls = results.outgoing.iter().filter(|call| !is_excused(call, faults));
    let of_call = |call: &OutgoingRow, fault: &String| format!("{} to {}: {fault}", call.extension, call.number);
    let mut harmed: Vec<String> = results.faults.clone();
    harmed.extend(calls.flat_map(|call| call.faults.iter().map(move |fault| of_call(call, fault))));
    for (way, encrypted) in WAYS {
        let is_answered = |call: &OutgoingRow| call.encrypted == encrypted && call.outcome == Outcome::Answered;
        if !results.outgoing.iter().any(is_answered) {
            harmed.push(format!("no call was answered of the phones by {way}"));
        }
    }
    harmed
}

/// The rows of the report.
pub fn lines(results: &Results, faults: &[Fault]) -> Vec<OutgoingLine> {
    let line = |(way, encrypted): (&'static str, bool)| {
        let calls: Vec<&OutgoingRow> = results.outgoing.iter().filter(|call| call.encrypted == encrypted).collect();
        let count = |is_meant: &dyn Fn(&OutgoingRow) -> bool| calls.iter().filter(|call| is_meant(call)).count();
        OutgoingLine {
            way,
            calls: calls.len(),
            answered: count(&|call| call.outcome == Outcome::Answered),
            at_fault: count(&|call| faults.iter().any(|fault| talks_at(call, fault.at))),
            harmed: count(&|call| !call.faults.is_empty() && !is_excused(call, faults)),
            excused: count(&|call| is_excused(call, faults)),
        }
    };
    WAYS.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use robots::{Run, Totals};

    use super::*;

    fn call(encrypted: bool, dialled_s: u64, outcome: Outcome) -> OutgoingRow {
        let faults = if outcome == Outcome::Answered { Vec::new() } else { vec!["it was refused with 408".to_owned()] };
        OutgoingRow {
            number: "+15581".to_owned(),
            extension: "8600".to_owned(),
            encrypted,
            outcome,
            status: None,
            dialled_at: dialled_s * 1_000,
            talk_ms: (outcome == Outcome::Answered).then_some(20_000),
            desk_heard_ms: None,
            outside_heard_ms: None,
            faults,
        }
    }

    fn results(outgoing: Vec<OutgoingRow>) -> Results {
        let run = Run {
            callers: String::new(),
            seed: 1,
            first_arrival: None,
            last_arrival: None,
            ended: 0,
            services: [].into(),
        };
        let totals = Totals::default();
        Results { run, totals, agents: Vec::new(), calls: Vec::new(), outgoing, faults: Vec::new() }
    }

    fn killed(what: &str, at_s: u64) -> Fault {
        Fault { at: at_s * SECOND, what: format!("{what} is killed"), node: None, absence: None, census: Vec::new() }
    }

    #[test]
    fn calls_of_each_way_have_a_row_and_only_a_phone_that_lost_its_connection_is_excused() {
        let all = results(vec![
            call(false, 95, Outcome::Answered),
            call(false, 101, Outcome::Refused),
            call(true, 50, Outcome::Answered),
            call(true, 101, Outcome::Refused),
            call(true, 140, Outcome::Refused),
        ]);
        let faults = [killed("sip-proxy-1", 103)];
        let told: Vec<_> = lines(&all, &faults)
            .into_iter()
            .map(|line| (line.calls, line.answered, line.at_fault, line.harmed, line.excused))
            .collect();
        assert_eq!(told, [(2, 1, 1, 1, 0), (3, 1, 0, 1, 1)]);
        assert_eq!(harmed(&all, &faults).len(), 2);
        assert_eq!(harmed(&all, &[killed("rq-1", 103)]).len(), 3, "no connection was lost");
    }

    #[test]
    fn phones_of_which_no_call_was_answered_break_the_rule() {
        let harmed = |outgoing| harmed(&results(outgoing), &[]);
        assert_eq!(
            harmed(vec![call(false, 1, Outcome::Answered)]),
            ["no call was answered of the phones by TLS, encrypted audio"]
        );
        assert!(harmed(vec![call(false, 1, Outcome::Answered), call(true, 1, Outcome::Answered)]).is_empty());
    }
}
