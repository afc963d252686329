//! Sums: of the robots' calls, and of every queue.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::outside::{Connected, connected};
use super::{StreamCall, Testimonies, disagree};
use crate::robots::Robots;
use crate::verdict::{Disagreement, Moves, Sums};
use crate::wallboard::{Board, Counts};

/// Compares the sums of all witnesses. Those of queues are compared here because the wallboard counts all calls, not
/// only the robots'.
pub fn compare(
    testimonies: &Testimonies<'_>,
    calls: &HashMap<&str, StreamCall<'_>>,
    found: &mut Vec<Disagreement>,
) -> Vec<Sums> {
    let robots = testimonies.robots;
    let ours = |ani: &str| ani.starts_with(&robots.run.callers);
    let mut stream = Sums { witness: "event stream", ..Sums::default() };
    let (mut by_stream, mut by_log) = (Moves::default(), Moves::default());
    for call in calls.values().filter(|call| ours(call.ani)) {
        stream.offered += u64::from(call.created);
        stream.answered += u64::from(!call.established.is_empty());
        stream.abandoned += u64::from(call.established.is_empty() && call.abandoned > 0);
        call.moves.iter().for_each(|(kind, ..)| by_stream.add(kind));
    }
    let mut log = Sums { witness: "reporting log", ..Sums::default() };
    for thread in testimonies.log.threads.values().filter(|thread| ours(&thread.ani)) {
        log.offered += 1;
        log.answered += u64::from(thread.outcome == "answered");
        log.abandoned += u64::from(thread.outcome == "abandoned");
        thread.moves.iter().for_each(|(kind, ..)| by_log.add(kind));
    }
    (stream.moves, log.moves) = (Some(by_stream), Some(by_log));
    let in_all = |told: Connected<'_>| Some(told.into_values().sum::<u64>());
    stream.outside = in_all(connected(robots, testimonies.stream.iter()));
    log.outside = in_all(connected(robots, testimonies.log.facts.values()));
    let (queues, served) = queues(calls);
    let wallboard = match testimonies.boards {
        Ok((before, after)) => {
            boards(&queues, &served, (before, after), found);
            agents(testimonies.robots, after, found);
            since(before.totals, after.totals).unwrap_or_default()
        }
        Err(reason) => {
            disagree(found, "wallboard", "all queues", reason, "a wallboard that can be read");
            Counts::default()
        }
    };
    let on_board = |name: &str| testimonies.boards.is_ok_and(|(_, after)| after.queues.contains_key(name));
    let of_queues =
        |count: fn(&Counts) -> u64| queues.iter().filter(|(name, _)| on_board(name)).map(|(_, c)| count(c)).sum();
    vec![
        by_robots(robots),
        stream,
        log,
        Sums {
            witness: "queues, by the stream",
            offered: of_queues(|c| c.entered),
            answered: of_queues(|c| c.answered),
            abandoned: of_queues(|c| c.abandoned),
            ..Sums::default()
        },
        Sums {
            witness: "queues, by the board",
            offered: wallboard.entered,
            answered: wallboard.answered,
            abandoned: wallboard.abandoned,
            ..Sums::default()
        },
    ]
}

fn by_robots(Robots { totals, .. }: &Robots) -> Sums {
    Sums {
        witness: "robots",
        offered: totals.offered - totals.refused.min(totals.offered),
        answered: totals.answered,
        abandoned: totals.abandoned,
        moves: Some(Moves {
            consultations: totals.consultations,
            transfers: totals.transfers,
            conferences: totals.conferences,
        }),
        outside: Some(totals.outgoing_answered),
    }
}

/// The counts of each route point by the facts of its calls (docs/wallboard.md), and the route points whose calls were
/// in a virtual queue. A call that returns because the chosen agent did not answer has entered once. A caller that
/// hangs up while the agent's phone rings has abandoned in the route point that delivered the call.
fn queues<'a>(calls: &HashMap<&str, StreamCall<'a>>) -> (BTreeMap<&'a str, Counts>, BTreeSet<&'a str>) {
    let mut queues: BTreeMap<&str, Counts> = BTreeMap::new();
    let mut served = BTreeSet::new();
    for call in calls.values() {
        for place in &call.visits {
            let counts = queues.entry(place).or_default();
            counts.entered += 1;
            if call.answered_from.contains(place) {
                counts.answered += 1;
            } else if call.abandoned_from.contains(place) {
                counts.abandoned += 1;
            }
        }
        served.extend(call.visits.last().filter(|_| call.submitted));
    }
    (queues, served)
}

/// The counts between two readings; none if the counts restarted.
fn since(before: Counts, after: Counts) -> Option<Counts> {
    Some(Counts {
        entered: after.entered.checked_sub(before.entered)?,
        answered: after.answered.checked_sub(before.answered)?,
        abandoned: after.abandoned.checked_sub(before.abandoned)?,
        waiting: after.waiting,
    })
}

fn boards(
    queues: &BTreeMap<&str, Counts>,
    served: &BTreeSet<&str>,
    (before, after): (&Board, &Board),
    found: &mut Vec<Disagreement>,
) {
    let mut total = Counts::default();
    let anew = after.counts_since > before.counts_since;
    for (name, now) in &after.queues {
        let counted = queues.get(name.as_str()).copied().unwrap_or_default();
        total.entered += counted.entered;
        total.answered += counted.answered;
        total.abandoned += counted.abandoned;
        let earlier = before.queues.get(name).copied().unwrap_or_default();
        one(name, since(earlier, *now), counted, anew, found);
    }
    for name in served.iter().filter(|name| !after.queues.contains_key(**name)) {
        let counted = queues.get(name).copied().unwrap_or_default();
        disagree(found, "wallboard", *name, "no such queue on the wallboard", format!("stream: {counted:?}"));
    }
    one("all queues", since(before.totals, after.totals), total, anew, found);
}

/// The robots' agents have logged out: none of their calls is left on the wallboard.
fn agents(robots: &Robots, board: &Board, found: &mut Vec<Disagreement>) {
    for agent in &robots.agents {
        let state = board.agents.get(&agent.agent).map_or("no such agent", String::as_str);
        if state != "loggedOut" {
            disagree(
                found,
                "wallboard",
                format!("agent {}", agent.agent),
                format!("wallboard: {state}"),
                "robots: logged out",
            );
        }
    }
}

/// `anew`: the wallboard's counts restarted in between.
fn one(name: &str, shown: Option<Counts>, counted: Counts, anew: bool, found: &mut Vec<Disagreement>) {
    if shown != Some(counted) {
        let shown = shown.map_or("counts that went back".to_owned(), |shown| format!("{shown:?}"));
        let why = if anew { "; it counts anew since the tenant's day began in between: run it again" } else { "" };
        disagree(found, "wallboard", name, format!("wallboard: {shown}{why}"), format!("stream: {counted:?}"));
    }
}
