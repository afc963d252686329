//! Checks the facts: complete, in order, and the same in the stream and in the log.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::disagree;
use crate::fact::Fact;
use crate::reporting::Log;
use crate::verdict::Disagreement;

/// Facts at one DN about one call.
#[derive(Default)]
struct AtDn {
    queued: u32,
    diverted: u32,
    abandoned: u32,
    ringing: u32,
    established: u32,
    released: u32,
    /// It came from a consultation into the call that this was about, or went there.
    came: u32,
    went: u32,
}

/// Rules that all facts obey (docs/events.md). Calls that were in progress before are not checked.
pub fn laws(stream: &[Fact], before: &[String], found: &mut Vec<Disagreement>) {
    numbers(stream, found);
    let before: HashSet<&str> = before.iter().map(String::as_str).collect();
    let mut at: BTreeMap<(&str, &str), AtDn> = BTreeMap::new();
    let mut lives: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    let moved = |fact: &&Fact| fact.name == "eventpartychanged" && !fact.previous.is_empty();
    for fact in stream.iter().filter(moved).filter(|fact| !before.contains(fact.conn.as_str())) {
        at.entry((&fact.conn, &fact.dn)).or_default().came += 1;
        at.entry((&fact.previous, &fact.dn)).or_default().went += 1;
    }
    for fact in stream.iter().filter(|fact| !fact.conn.is_empty() && !before.contains(fact.conn.as_str())) {
        let place = at.entry((&fact.conn, &fact.dn)).or_default();
        let life = lives.entry(&fact.conn).or_default();
        let count = match fact.name.strip_prefix("event").unwrap_or_default() {
            "queued" => &mut place.queued,
            "diverted" => &mut place.diverted,
            "abandoned" => &mut place.abandoned,
            "ringing" => &mut place.ringing,
            "established" => &mut place.established,
            "released" => &mut place.released,
            "callcreated" => &mut life.0,
            "calldeleted" => &mut life.1,
            _ => continue,
        };
        *count += 1;
    }
    for ((conn, dn), t) in at {
        let place = format!("{conn} at {dn}");
        if t.queued > 0 && t.queued != t.diverted + t.abandoned {
            let left = format!("{} diverted, {} abandoned", t.diverted, t.abandoned);
            disagree(found, "law of queues", &place, format!("{} queued", t.queued), left);
        }
        if t.ringing > 0 && t.ringing + t.came != t.released + t.abandoned + t.went {
            let left = format!("{} came, {} released, {} abandoned, {} went", t.came, t.released, t.abandoned, t.went);
            disagree(found, "law of phones", &place, format!("{} ringing", t.ringing), left);
        }
        if t.established + t.came > t.released + t.went {
            let left = format!("{} came, {} released, {} went", t.came, t.released, t.went);
            disagree(found, "law of phones", &place, format!("{} established", t.established), left);
        }
    }
    for (conn, (created, deleted)) in lives {
        if (created, deleted) != (1, 1) {
            disagree(
                found,
                "law of calls",
                conn,
                format!("{created} created"),
                format!("{deleted} deleted, not 1 of each"),
            );
        }
    }
}

/// Numbers have no gaps within subject and token, and time does not go back within a call.
fn numbers(stream: &[Fact], found: &mut Vec<Disagreement>) {
    let mut last: HashMap<(&str, u64), &Fact> = HashMap::new();
    for fact in stream {
        let Some(before) = last.insert((&fact.subject, fact.token), fact) else { continue };
        if fact.seq != before.seq + 1 {
            disagree(found, "order", &fact.id, format!("number {}", fact.seq), format!("after {}", before.seq));
        }
        if fact.own_call().is_some() && fact.at_us < before.at_us {
            disagree(found, "order", &fact.id, format!("at {} µs", fact.at_us), format!("after {} µs", before.at_us));
        }
    }
}

/// The log has every fact of the stream, unchanged, and no other of the same time.
pub fn stream_and_log(stream: &[Fact], log: &Log, found: &mut Vec<Disagreement>) {
    if log.malformed > 0 {
        disagree(found, "log", "its lines", format!("{} are no JSON", log.malformed), "JSON lines");
    }
    for id in &log.changed {
        disagree(found, "log", id, "told twice, with a difference", "a repeat is the same");
    }
    let mut rest: HashMap<&str, &Fact> = log.facts.iter().map(|(id, fact)| (id.as_str(), fact)).collect();
    for fact in stream {
        match rest.remove(fact.id.as_str()) {
            None => disagree(found, "log", &fact.id, format!("stream: {}", fact.name), "log: nothing"),
            Some(logged) if logged != fact => {
                disagree(found, "log", &fact.id, format!("stream: {fact:?}"), format!("log: {logged:?}"));
            }
            Some(_) => {}
        }
    }
    // Late facts in the log from before the subscription are not in the stream.
    let Some(first) = stream.iter().map(|fact| fact.at_us).min() else { return };
    for fact in rest.into_values().filter(|fact| fact.at_us > first) {
        disagree(found, "log", &fact.id, "stream: nothing", format!("log: {}", fact.name));
    }
}
