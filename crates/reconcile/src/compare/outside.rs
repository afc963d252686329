//! Calls to numbers outside: what the phone that called and the robots' carrier say of each, and what the stream says.

use std::collections::BTreeMap;

use super::disagree;
use crate::fact::Fact;
use crate::robots::{OutsideCall, Robots};
use crate::verdict::Disagreement;

/// Digits at the end of a number outside that are another for each call; those that tell the run stand before them, as many.
const OF_CALL: usize = 5;

/// How often a phone was connected with a number outside, by both.
pub type Connected<'a> = BTreeMap<(&'a str, &'a str), u64>;

/// The connections with numbers outside that robots of this run have called.
pub fn connected<'a>(robots: &Robots, facts: impl Iterator<Item = &'a Fact>) -> Connected<'a> {
    let callers = robots.run.callers.as_str();
    let run = callers.get(callers.len().saturating_sub(OF_CALL)..).unwrap_or_default();
    let is_of_run = |number: &str| {
        let head = number.get(..number.len().saturating_sub(OF_CALL));
        head.is_some_and(|head| head.ends_with(run))
    };
    let mut connected = Connected::new();
    for fact in facts.filter(|fact| fact.name == "eventestablished" && fact.call_type == "outbound") {
        if is_of_run(&fact.other) {
            *connected.entry((&fact.dn, &fact.other)).or_default() += 1;
        }
    }
    connected
}

/// Compares each of the robots' calls to numbers outside with the connections of the stream.
pub fn stream_and_robots(robots: &Robots, stream: &[Fact], found: &mut Vec<Disagreement>) {
    let mut told = connected(robots, stream.iter());
    for call in &robots.outgoing {
        for fault in &call.faults {
            disagree(found, "robots", &call.number, fault, "no fault");
        }
        if call.is_answered() && (call.desk_heard_ms.is_none() || call.outside_heard_ms.is_none()) {
            disagree(found, "audio", &call.number, "one side did not hear the other", "audio both ways");
        }
        let times = told.remove(&(call.extension.as_str(), call.number.as_str())).unwrap_or_default();
        // One that the end of the run has stopped may have been connected or not.
        if times != u64::from(call.is_answered()) && call.outcome != "stopped" {
            let theirs = format!("stream: connected {times} times");
            disagree(found, "outside", &call.number, theirs, format!("robots: {}", call.outcome));
        }
    }
    for ((phone, number), _) in told {
        let theirs = format!("stream: {phone} is connected with it");
        disagree(found, "outside", number, theirs, "no such call of the robots");
    }
}

/// Adds the robots' calls to numbers outside up.
pub fn add_up<'a>(calls: impl Iterator<Item = &'a OutsideCall>) -> (u64, u64, u64) {
    calls.fold((0, 0, 0), |(all, encrypted, answered), call| {
        (all + 1, encrypted + u64::from(call.encrypted), answered + u64::from(call.is_answered()))
    })
}
