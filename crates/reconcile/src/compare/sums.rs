//! Sums: of the robots' calls, and of every queue.

use std::collections::{BTreeMap, HashMap};

use super::{StreamCall, Testimonies, disagree};
use crate::fact::Fact;
use crate::verdict::{Disagreement, Sums};
use crate::wallboard::{Board, Counts};

/// Everybody's sums; those of queues are compared here, as the wallboard counts all calls, whosever they are.
pub fn compare(
    testimonies: &Testimonies<'_>,
    calls: &HashMap<&str, StreamCall<'_>>,
    found: &mut Vec<Disagreement>,
) -> Vec<Sums> {
    let robots = testimonies.robots;
    let ours = |ani: &str| ani.starts_with(&robots.run.callers);
    let mut stream = Sums { witness: "event stream", ..Sums::default() };
    for call in calls.values().filter(|call| ours(call.ani)) {
        stream.offered += u64::from(call.created);
        stream.answered += u64::from(!call.established.is_empty());
        stream.abandoned += u64::from(call.established.is_empty() && call.abandoned > 0);
    }
    let mut log = Sums { witness: "reporting log", ..Sums::default() };
    for thread in testimonies.log.threads.values().filter(|thread| ours(&thread.ani)) {
        log.offered += 1;
        log.answered += u64::from(thread.outcome == "answered");
        log.abandoned += u64::from(thread.outcome == "abandoned");
    }
    let queues = queues(testimonies.stream, calls);
    let wallboard = match testimonies.boards {
        Ok((before, after)) => {
            boards(&queues, (before, after), found);
            since(before.totals, after.totals).unwrap_or_default()
        }
        Err(reason) => {
            disagree(found, "wallboard", "all queues", reason, "a wallboard that can be read");
            Counts::default()
        }
    };
    let of_queues = |count: fn(&Counts) -> u64| queues.values().map(count).sum();
    vec![
        Sums {
            witness: "robots",
            offered: robots.totals.offered - robots.totals.refused.min(robots.totals.offered),
            answered: robots.totals.answered,
            abandoned: robots.totals.abandoned,
        },
        stream,
        log,
        Sums {
            witness: "queues, by the stream",
            offered: of_queues(|c| c.entered),
            answered: of_queues(|c| c.answered),
            abandoned: of_queues(|c| c.abandoned),
        },
        Sums {
            witness: "queues, by the board",
            offered: wallboard.entered,
            answered: wallboard.answered,
            abandoned: wallboard.abandoned,
        },
    ]
}

/// The counts of each virtual queue by its facts. A call that comes back because the chosen agent did not answer has entered
/// once; a caller who gives up while the chosen agent's phone rings has abandoned the queue, too.
fn queues<'a>(stream: &'a [Fact], calls: &HashMap<&str, StreamCall<'_>>) -> BTreeMap<&'a str, Counts> {
    let mut visits: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for fact in stream {
        let Some(queue) = fact.queue() else { continue };
        let last = visits.entry((queue, fact.conn.as_str())).or_default();
        if fact.is("diverted") {
            *last = &fact.third;
        }
    }
    let mut queues: BTreeMap<&str, Counts> = BTreeMap::new();
    for ((queue, conn), chosen) in visits {
        let counts = queues.entry(queue).or_default();
        counts.entered += 1;
        let Some(call) = calls.get(conn) else { continue };
        if call.established.iter().any(|(dn, _)| *dn == chosen) {
            counts.answered += 1;
        } else if call.abandoned > 0 {
            counts.abandoned += 1;
        }
    }
    queues
}

/// What has been counted between two looks; none when the counts began anew.
fn since(before: Counts, after: Counts) -> Option<Counts> {
    Some(Counts {
        entered: after.entered.checked_sub(before.entered)?,
        answered: after.answered.checked_sub(before.answered)?,
        abandoned: after.abandoned.checked_sub(before.abandoned)?,
        waiting: after.waiting,
    })
}

fn boards(queues: &BTreeMap<&str, Counts>, (before, after): (&Board, &Board), found: &mut Vec<Disagreement>) {
    let names = queues.keys().copied().chain(after.queues.keys().map(String::as_str));
    let names: std::collections::BTreeSet<&str> = names.collect();
    let mut total = Counts::default();
    for name in names {
        let counted = queues.get(name).copied().unwrap_or_default();
        total.entered += counted.entered;
        total.answered += counted.answered;
        total.abandoned += counted.abandoned;
        let earlier = before.queues.get(name).copied().unwrap_or_default();
        match after.queues.get(name) {
            None => {
                disagree(found, "wallboard", name, "no such queue on the wallboard", format!("stream: {counted:?}"))
            }
            Some(now) => one(name, since(earlier, *now), counted, found),
        }
    }
    one("all queues", since(before.totals, after.totals), total, found);
}

fn one(name: &str, shown: Option<Counts>, counted: Counts, found: &mut Vec<Disagreement>) {
    if shown != Some(counted) {
        let shown = shown.map_or("counts that went back".to_owned(), |shown| format!("{shown:?}"));
        disagree(found, "wallboard", name, format!("wallboard: {shown}"), format!("stream: {counted:?}"));
    }
}
