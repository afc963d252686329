//! The router's decisions in words.

use runtime::trace::entry::{self, Routing, What};

use super::document::{Candidate, Decision, Event, ms};

pub(super) fn decisions(entries: &[(String, u64, &What)]) -> Vec<Decision> {
    let routing = |(_, at, what): &(String, u64, &What)| match what {
        What::Routing(routing) => Some(decision(*at, routing)),
        _ => None,
    };
    entries.iter().filter_map(routing).collect()
}

/// Errors after which a phone was never rung: out of service, not configured, no such number, no such destination.
const UNREACHED: [&str; 4] = ["58 ", "59 ", "71 ", "415 "];
/// Roles record the same event one after the other: a fact of the call may be this much later than the router's step,
/// ms.
const LATER_MAX: f64 = 250.0;

/// Separates calls that never reached a phone from calls that an agent did not answer: to the router both look the
/// same.
pub(super) fn say_unreached(decisions: &mut [Decision], events: &[Event]) {
    let mut offered = f64::INFINITY;
    for decision in decisions {
        match decision.step.as_str() {
            "offered" => offered = decision.at,
            "returned" => {
                let meanwhile = offered..=decision.at + LATER_MAX;
                let errors = events.iter().filter(|one| one.event.name == "EventError" && meanwhile.contains(&one.at));
                let why = |error: &str| UNREACHED.iter().find_map(|code| error.strip_prefix(code)).map(str::to_owned);
                decision.unreached = errors.filter_map(|one| why(one.event.error.as_deref()?)).next_back();
                if let Some(why) = &decision.unreached {
                    let queue = &decision.queue;
                    decision.text =
                        format!("the call did not reach the agent, {why}: it waits in {queue} again, with its age");
                }
                offered = f64::INFINITY;
            }
            _ => {}
        }
    }
}

fn decision(at: u64, routing: &Routing) -> Decision {
    let candidates: Vec<Candidate> = routing.candidates.iter().map(|one| candidate(at, one, routing)).collect();
    Decision {
        at: ms(at),
        step: routing.step.clone(),
        queue: routing.queue.clone(),
        agent: routing.agent.clone(),
        dn: routing.dn.clone(),
        rule: routing.rule.clone(),
        text: in_words(routing, &candidates),
        unreached: None,
        candidates,
        more: routing.more,
        waiting: routing.waiting,
    }
}

fn in_words(routing: &Routing, candidates: &[Candidate]) -> String {
    let queue = &routing.queue;
    match routing.step.as_str() {
        "queued" => match candidates.iter().filter(|one| one.passed_over.is_none()).count() {
            _ if candidates.is_empty() => format!("the call entered {queue}"),
            0 => format!("the call entered {queue}: no agent with the skills was free"),
            1 => format!("the call entered {queue}: one agent with the skills was free"),
            free => format!("the call entered {queue}: {free} agents with the skills were free"),
        },
        "offered" => {
            let agent = routing.agent.as_deref().unwrap_or("an agent");
            let dn = routing.dn.as_deref().map(|dn| format!(" on {dn}")).unwrap_or_default();
            format!("{agent}{dn} was chosen: {}", rule(routing.rule.as_deref().unwrap_or_default()))
        }
        "returned" => format!("the agent did not take the call: it waits in {queue} again, with its age"),
        "timed-out" => format!("the call has waited in {queue} for as long as the application allows"),
        "ended" => {
            let outcome = routing.outcome.as_deref().unwrap_or("over");
            match outcome {
                "answered" => format!("the call left {queue}: an agent answered"),
                "abandoned" => format!("the call left {queue}: the caller gave up"),
                other => format!("the call left {queue}: {other}"),
            }
        }
        other => other.to_owned(),
    }
}

fn rule(name: &str) -> &str {
    match name {
        "longest-idle-agent" => "of the free agents with the skills, the one who has been idle for longest",
        "highest-priority-then-longest-wait" => {
            "the agent came free, and of the calls that it may take this one has the highest priority, then the longest wait"
        }
        other => other,
    }
}

fn candidate(at: u64, one: &entry::Candidate, routing: &Routing) -> Candidate {
    let idle_ms = one.idle_since.map(|since| ms(at.saturating_sub(since)));
    let chosen = routing.agent.as_deref() == Some(one.agent.as_str());
    // The chosen agent is reserved, which is no reason against it.
    let passed_over = one.passed_over.clone().filter(|_| !chosen);
    // The idle time of an agent without the skills means nothing.
    let idle_ms = idle_ms.filter(|_| passed_over.as_deref() != Some("skills"));
    let text = match (chosen, passed_over.as_deref()) {
        (true, _) => "chosen".to_owned(),
        (false, None) => "has the skills and is free".to_owned(),
        (false, Some(reason)) => why_not(reason).to_owned(),
    };
    Candidate { agent: one.agent.clone(), idle_ms, passed_over, text }
}

/// The reason for several agents.
pub(super) fn why_not_many(reason: &str) -> &str {
    match reason {
        "unknown" => "not provisioned, or disabled",
        "logged-out" => "not logged in",
        "not-ready" => "taking no calls",
        "reserved" => "promised to other calls",
        "no-capacity" => "whose capacity rule has no calls",
        "on-call" => "on a call",
        "phone-out-of-service" => "without a registered phone",
        "do-not-disturb" => "with a phone that does not want to be disturbed",
        "forwarded" => "whose phone sends all calls elsewhere",
        "excluded" => "who had not taken it before",
        "skills" => "without the skills",
        other => other,
    }
}

/// The reason against an agent, in words.
fn why_not(reason: &str) -> &str {
    match reason {
        "unknown" => "is not provisioned, or disabled",
        "logged-out" => "is not logged in",
        "not-ready" => "is logged in but takes no calls now",
        "reserved" => "is promised to another call",
        "no-capacity" => "has a capacity rule without calls",
        "on-call" => "is on a call",
        "phone-out-of-service" => "has a phone that is not registered",
        "do-not-disturb" => "has a phone that does not want to be disturbed",
        "forwarded" => "has a phone that sends all calls elsewhere",
        "excluded" => "has not taken this call before",
        "skills" => "does not have the skills",
        "idle-shorter" => "is free, but has been idle for a shorter time",
        other => other,
    }
}
