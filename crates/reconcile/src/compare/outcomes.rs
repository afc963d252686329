//! Each call's outcome: exactly one, and the same for all witnesses.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{StreamCall, disagree, outside};
use crate::reporting::Log;
use crate::robots::{Call, Robots, Totals};
use crate::verdict::Disagreement;

/// Statuses with which a call may be refused (docs/when-things-go-wrong.md).
const REFUSALS: [u16; 3] = [403, 404, 503];

/// Checks the robots' result in itself: one outcome for each call, an agent with the skills, audio both ways, sums.
pub fn robots_themselves(robots: &Robots, found: &mut Vec<Disagreement>) {
    let mut seen = HashSet::new();
    let mut sums = Totals::default();
    for fault in &robots.faults {
        disagree(found, "robots", "robots", fault, "no fault");
    }
    for call in &robots.calls {
        if !seen.insert(&call.caller) {
            disagree(found, "robots", &call.caller, "two calls", "each caller calls once");
        }
        if !call.caller.starts_with(&robots.run.callers) {
            disagree(found, "robots", &call.caller, "a caller of another run", &robots.run.callers);
        }
        for fault in &call.faults {
            disagree(found, "robots", &call.caller, fault, "no fault");
        }
        sums.offered += 1;
        for step in &call.moves {
            *match step.kind.as_str() {
                "consultation" => &mut sums.consultations,
                "transfer" => &mut sums.transfers,
                _ => &mut sums.conferences,
            } += 1;
        }
        match call.outcome.as_str() {
            "answered" => {
                sums.answered += 1;
                answered(robots, call, found);
            }
            "abandoned" => sums.abandoned += 1,
            "refused" => {
                sums.refused += 1;
                if !call.status.is_some_and(|status| REFUSALS.contains(&status)) {
                    let status = call.status.map_or("without a status".to_owned(), |status| status.to_string());
                    disagree(found, "refusal", &call.caller, status, format!("one of {REFUSALS:?}"));
                }
            }
            other => disagree(found, "outcome", &call.caller, other, "answered, abandoned or refused"),
        }
        if call.outcome != "answered" && call.answers > 0 {
            disagree(found, "outcome", &call.caller, format!("{} and answered", call.outcome), "one outcome");
        }
    }
    (sums.outgoing, sums.outgoing_encrypted, sums.outgoing_answered) = outside::add_up(robots.outgoing.iter());
    if sums != robots.totals {
        disagree(found, "robots' sums", "all calls", format!("{:?}", robots.totals), format!("{sums:?} by their rows"));
    }
    agents(robots, found);
}

fn answered(robots: &Robots, call: &Call, found: &mut Vec<Disagreement>) {
    if call.answers != 1 {
        disagree(found, "outcome", &call.caller, format!("answered by {} phones", call.answers), "by one");
    }
    let agents = call.parties.iter().map(|party| (party.extension.as_str(), party.heard_ms));
    let parties = [("the caller", call.caller_heard_ms), ("the agent", call.agent_heard_ms)].into_iter().chain(agents);
    if let Some((who, _)) = parties.into_iter().find(|(_, heard)| heard.is_none()) {
        disagree(found, "audio", &call.caller, format!("{who} did not hear everybody"), "audio both ways");
    }
    let agent = robots.agents.iter().find(|agent| Some(&agent.agent) == call.agent.as_ref());
    let Some(agent) = agent.filter(|agent| Some(&agent.extension) == call.extension.as_ref()) else {
        let who = format!("agent {:?} at {:?}", call.agent, call.extension);
        return disagree(found, "skill", &call.caller, who, "an agent of the run at its phone");
    };
    let Some(wanted) = robots.run.services.get(&call.service) else {
        return disagree(found, "skill", &call.caller, &call.service, "a service whose skills are known");
    };
    let lacks = wanted.iter().find(|(skill, level)| agent.skills.get(*skill).copied().unwrap_or(0) < **level);
    if let Some((skill, level)) = lacks {
        let has = agent.skills.get(skill).copied().unwrap_or(0);
        let (who, asks) =
            (format!("agent {} has {skill} {has}", agent.agent), format!("{} asks for {level}", call.service));
        disagree(found, "skill", &call.caller, who, asks);
    }
}

fn agents(robots: &Robots, found: &mut Vec<Disagreement>) {
    let mut answered: BTreeMap<&str, u64> = BTreeMap::new();
    for party in robots.calls.iter().filter(|call| call.outcome == "answered").flat_map(|call| &call.parties) {
        *answered.entry(party.agent.as_str()).or_default() += 1;
    }
    for agent in &robots.agents {
        let counted = answered.get(agent.agent.as_str()).copied().unwrap_or(0);
        if counted != agent.answered {
            let (one, other) = (format!("answered {}", agent.answered), format!("{counted} by the calls' rows"));
            disagree(found, "robots' sums", format!("agent {}", agent.agent), one, other);
        }
    }
}

/// Compares the stream's calls with the robots'. A refused call has no answer in the stream, and usually no fact at
/// all.
pub fn stream_and_robots(robots: &Robots, calls: &HashMap<&str, StreamCall<'_>>, found: &mut Vec<Disagreement>) {
    let mut by_caller: HashMap<&str, Vec<(&str, &StreamCall<'_>)>> = HashMap::new();
    for (conn, call) in calls {
        if call.ani.starts_with(&robots.run.callers) {
            by_caller.entry(call.ani).or_default().push((conn, call));
        }
    }
    for call in &robots.calls {
        let told = by_caller.remove(call.caller.as_str()).unwrap_or_default();
        if told.len() > 1 {
            disagree(
                found,
                "stream",
                &call.caller,
                format!("{} calls in the stream", told.len()),
                "one call of the robots",
            );
        }
        let Some((_, stream)) = told.first() else {
            if call.outcome != "refused" {
                disagree(
                    found,
                    "stream",
                    &call.caller,
                    "no such call in the stream",
                    format!("robots: {}", call.outcome),
                );
            }
            continue;
        };
        let mine = (call.outcome.as_str(), call.extension.as_deref().zip(call.agent.as_deref()));
        let theirs = match stream.established.as_slice() {
            [] if stream.abandoned > 0 => ("abandoned", None),
            [] => ("refused", None),
            [one, ..] => ("answered", Some(*one)),
        };
        if mine.0 != theirs.0 {
            disagree(found, "outcome", &call.caller, format!("stream: {}", theirs.0), format!("robots: {}", mine.0));
        } else if mine.1 != theirs.1 && mine.0 == "answered" {
            disagree(found, "agent", &call.caller, format!("stream: {:?}", theirs.1), format!("robots: {:?}", mine.1));
        }
    }
    for (caller, told) in by_caller {
        let conns: Vec<&str> = told.iter().map(|(conn, _)| *conn).collect();
        disagree(found, "stream", caller, format!("calls {conns:?} in the stream"), "no such call of the robots");
    }
}

/// Compares the log's summaries of finished calls with the robots' calls.
pub fn threads_and_robots(robots: &Robots, log: &Log, found: &mut Vec<Disagreement>) {
    let mut by_caller: HashMap<&str, Vec<&str>> = HashMap::new();
    for thread in log.threads.values().filter(|thread| thread.ani.starts_with(&robots.run.callers)) {
        by_caller.entry(&thread.ani).or_default().push(&thread.outcome);
    }
    for call in &robots.calls {
        let told = by_caller.remove(call.caller.as_str()).unwrap_or_default();
        match (told.as_slice(), call.outcome.as_str()) {
            ([], "refused") => {}
            ([one], outcome) if *one == outcome || (outcome == "refused" && *one == "ended") => {}
            (told, outcome) => {
                disagree(found, "log's summary", &call.caller, format!("log: {told:?}"), format!("robots: {outcome}"));
            }
        }
    }
    for (caller, told) in by_caller {
        disagree(found, "log's summary", caller, format!("log: {told:?}"), "no such call of the robots");
    }
}
