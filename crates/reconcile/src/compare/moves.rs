//! What agents did with the calls: who took each of them, who consulted, transferred and conferred.

use std::collections::{BTreeMap, HashMap};

use super::{StreamCall, disagree};
use crate::reporting::Log;
use crate::robots::{Call, Robots};
use crate::verdict::Disagreement;

/// Compares the robots' moves and the agents of each call with those of the stream and of the log's summaries.
pub fn stream_log_and_robots(
    robots: &Robots,
    calls: &HashMap<&str, StreamCall<'_>>,
    log: &Log,
    found: &mut Vec<Disagreement>,
) {
    let ours = |ani: &str| ani.starts_with(&robots.run.callers);
    let stream: HashMap<&str, &StreamCall<'_>> =
        calls.values().filter(|call| ours(call.ani)).map(|call| (call.ani, call)).collect();
    let log: HashMap<&str, _> =
        log.threads.values().filter(|thread| ours(&thread.ani)).map(|thread| (thread.ani.as_str(), thread)).collect();
    for call in &robots.calls {
        let mine: Vec<_> = call.moves.iter().map(|step| (step.kind.as_str(), &*step.by, &*step.to)).collect();
        if let Some(told) = stream.get(call.caller.as_str()) {
            parties(call, told, found);
            if told.moves != mine {
                disagree(
                    found,
                    "moves",
                    &call.caller,
                    format!("stream: {:?}", told.moves),
                    format!("robots: {mine:?}"),
                );
            }
        }
        if let Some(thread) = log.get(call.caller.as_str()) {
            let told: Vec<_> = thread.moves.iter().map(|(what, by, to)| (what.as_str(), &**by, &**to)).collect();
            if told != mine {
                disagree(found, "moves", &call.caller, format!("log: {told:?}"), format!("robots: {mine:?}"));
            }
        }
    }
    taken(robots, stream.into_values(), found);
}

/// The agents who came to a call, in their order; those who were consulted apart.
fn parties(call: &Call, told: &StreamCall<'_>, found: &mut Vec<Disagreement>) {
    let phones = |consulted: bool| -> Vec<&str> {
        let came = call.parties.iter().filter(|party| party.was_consulted() == consulted);
        came.map(|party| party.extension.as_str()).collect()
    };
    let established: Vec<&str> = told.established.iter().map(|(dn, _)| *dn).collect();
    for (what, told, mine) in [("agents", &established, phones(false)), ("consulted", &told.consulted, phones(true))] {
        // The first agent is compared with the outcome.
        let skipped = usize::from(what == "agents");
        if told.iter().skip(skipped).ne(mine.iter().skip(skipped)) || told.len() != mine.len() {
            disagree(found, what, &call.caller, format!("stream: {told:?}"), format!("robots: {mine:?}"));
        }
    }
}

/// The calls that each agent has taken, consultations included.
fn taken<'a>(robots: &Robots, calls: impl Iterator<Item = &'a StreamCall<'a>>, found: &mut Vec<Disagreement>) {
    let mut taken: BTreeMap<&str, u64> = BTreeMap::new();
    for call in calls {
        for dn in call.established.iter().map(|(dn, _)| *dn).chain(call.consulted.iter().copied()) {
            *taken.entry(dn).or_default() += 1;
        }
    }
    for agent in &robots.agents {
        let told = taken.get(agent.extension.as_str()).copied().unwrap_or_default();
        if told != agent.answered {
            let (one, other) = (format!("stream: took {told}"), format!("robots: {}", agent.answered));
            disagree(found, "agent's calls", format!("agent {}", agent.agent), one, other);
        }
    }
}
