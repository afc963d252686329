//! The comparison itself: four testimonies in, disagreements out.

mod facts;
mod moves;
mod outcomes;
mod outside;
mod sums;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::fact::Fact;
use crate::reporting::Log;
use crate::robots::Robots;
use crate::verdict::{Disagreement, Verdict};
use crate::wallboard::Board;

/// The testimonies of all witnesses.
pub struct Testimonies<'a> {
    pub robots: &'a Robots,
    /// Facts of the event stream in their order.
    pub stream: &'a [Fact],
    /// Calls that were in progress before.
    pub before: &'a [String],
    pub log: &'a Log,
    /// The wallboard before the first call and after the last; or why it could not be read.
    pub boards: Result<(&'a Board, &'a Board), &'a str>,
}

/// Compares the testimonies.
pub fn compare(testimonies: &Testimonies<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    let found = &mut verdict.disagreements;
    let calls = calls(testimonies.stream);
    outcomes::robots_themselves(testimonies.robots, found);
    outcomes::stream_and_robots(testimonies.robots, &calls, found);
    outcomes::threads_and_robots(testimonies.robots, testimonies.log, found);
    moves::stream_log_and_robots(testimonies.robots, &calls, testimonies.log, found);
    outside::stream_and_robots(testimonies.robots, testimonies.stream, found);
    facts::laws(testimonies.stream, testimonies.before, found);
    facts::stream_and_log(testimonies.stream, testimonies.log, found);
    verdict.sums = sums::compare(testimonies, &calls, found);
    verdict
}

/// Facts of the stream about one call.
#[derive(Clone, Debug, Default)]
pub struct StreamCall<'a> {
    pub ani: &'a str,
    pub created: u32,
    pub deleted: u32,
    /// Phone and agent of each answer of a phone that was called. The agent is empty where none was named.
    pub established: Vec<(&'a str, &'a str)>,
    /// The phones that answered consultations about it.
    pub consulted: Vec<&'a str>,
    /// Consultations, transfers and conferences: what, by whom, to whom.
    pub moves: Vec<Step<'a>>,
    pub abandoned: u32,
    /// Route points in which it waited, in order, each once.
    pub visits: Vec<&'a str>,
    /// The route points that delivered it to the agents that answered, and those at or from which its caller abandoned.
    pub answered_from: Vec<&'a str>,
    pub abandoned_from: Vec<&'a str>,
    /// Whether it was in a virtual queue.
    pub submitted: bool,
}

/// What an agent did with a call: what, by whom, to whom.
pub type Step<'a> = (&'a str, &'a str, &'a str);

/// The calls of the stream, by ConnID. Facts of virtual queues are not the call's own.
fn calls(stream: &[Fact]) -> HashMap<&str, StreamCall<'_>> {
    let mut calls: HashMap<&str, StreamCall<'_>> = HashMap::new();
    for fact in stream {
        let Some(conn) = fact.own_call() else {
            if fact.queue().is_some() {
                calls.entry(&fact.conn).or_default().submitted = true;
            }
            continue;
        };
        if let Some(about) = fact.consults_about() {
            consultation(calls.entry(about).or_default(), fact);
            continue;
        }
        let call = calls.entry(conn).or_default();
        if !fact.ani.is_empty() {
            call.ani = &fact.ani;
        }
        match fact.name.strip_prefix("event").unwrap_or_default() {
            "callcreated" => call.created += 1,
            "calldeleted" => {
                call.deleted += 1;
                // A caller that leaves between its route point and a phone that has not rung yet has abandoned too.
                if fact.state == "ok" && call.established.is_empty() && call.abandoned == 0 {
                    call.abandoned_from.extend(call.visits.last());
                    call.abandoned += u32::from(!call.visits.is_empty());
                }
            }
            "queued" if !call.visits.contains(&fact.dn.as_str()) => call.visits.push(&fact.dn),
            "established" => {
                call.established.push((&fact.dn, &fact.agent));
                call.answered_from.push(&fact.from);
            }
            "abandoned" => {
                call.abandoned += 1;
                call.abandoned_from.push(&fact.from);
            }
            "released" if fact.state == "transferred" => call.moves.push(("transfer", &fact.dn, &fact.third)),
            "partyadded" => {
                // Each phone of the call is told.
                let step = ("conference", fact.third.as_str(), fact.other.as_str());
                if call.moves.last() != Some(&step) {
                    call.moves.push(step);
                }
            }
            _ => {}
        }
    }
    calls
}

/// A consultation is a call of its own, which counts to the one that it is about.
fn consultation<'a>(about: &mut StreamCall<'a>, fact: &'a Fact) {
    match fact.name.strip_prefix("event").unwrap_or_default() {
        "dialing" => about.moves.push(("consultation", &fact.dn, &fact.other)),
        "established" if fact.role != "origination" => about.consulted.push(&fact.dn),
        _ => {}
    }
}

fn disagree(
    found: &mut Vec<Disagreement>,
    about: &'static str,
    of: impl Into<String>,
    one: impl Into<String>,
    other: impl Into<String>,
) {
    found.push(Disagreement { about, of: of.into(), one: one.into(), other: other.into() });
}
