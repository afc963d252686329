//! The rules, and the evidence against them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::Result;
use testkit::Fact;
use testkit::facts::broken_laws;

use crate::absence::{ProxyAbsence, absences};
use crate::calls::{Call, STATES, State};
use crate::clock::{Micros, SECOND};
use crate::ears::Ears;
use crate::faults::Fault;
use crate::legs::Leg;
use crate::tenant::{self, Kind};

/// Minimum number of calls in each state.
pub const ENOUGH: usize = 20;
/// Shortest silence that counts.
const SILENCE: Micros = SECOND;
/// Time after a fault in which the audio is examined.
const LISTENED: Micros = 8 * SECOND;
/// Time after an answer in which silence does not count: the call has only just been connected.
const SETTLED: Micros = 2 * SECOND;

/// A row of the table.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Calls in this state at the fault.
    pub calls: usize,
    /// Calls among them that the failed node owned, or that went by the failed sip-proxy.
    pub of_node: usize,
    /// Calls among them with a request of either side answered after the fault.
    pub spoken: usize,
    /// Calls offered to an agent again.
    pub offered_again: usize,
    /// The lost calls, each with its reason.
    pub lost: Vec<String>,
    /// Those of which nothing else was promised: what set them up or changed them was under way through a sip-proxy that was killed.
    pub excused: Vec<String>,
}

/// The effects of a fault.
#[derive(Clone, Debug)]
pub struct Harm {
    /// The fault.
    pub fault: Fault,
    /// By state.
    pub rows: BTreeMap<State, Row>,
    /// INVITEs that started within ten seconds after it and were refused, by code.
    pub refused: BTreeMap<u16, usize>,
    /// Calls with audio that were examined.
    pub listened: usize,
    /// The longest silence in any of them, in microseconds.
    pub longest_silence: Micros,
    /// Calls with a silence of more than a second.
    pub silent: Vec<String>,
}

/// Computes the effects of a fault on the calls.
pub fn harm(fault: &Fault, calls: &[Call], faults: &[Fault], ears: &Ears, ear_lines: u64) -> Harm {
    let absences = absences(faults);
    let mut rows: BTreeMap<State, Row> = STATES.iter().map(|state| (*state, Row::default())).collect();
    let mut refused = BTreeMap::new();
    let (mut listened, mut longest_silence, mut silent) = (0, 0, Vec::new());
    for call in calls {
        let began = call.caller.began();
        if (fault.at..fault.at + 10 * SECOND).contains(&began)
            && let Some(code) = call.caller.refused()
        {
            *refused.entry(code).or_default() += 1;
        }
        let Some(state) = call.state(fault.at) else { continue };
        let row = rows.entry(state).or_default();
        row.calls += 1;
        let is_of_node = || call.node(fault.at, faults) == fault.node || fault.node.is_none();
        let is_its = fault.absence.as_ref().map_or_else(is_of_node, |absence| call.goes_by(&absence.edge));
        row.of_node += usize::from(is_its);
        row.spoken += usize::from(call.exchanges_after(fault.at) > 0);
        let offers = call.phones.iter().filter(|phone| phone.began() > fault.at).count();
        row.offered_again += usize::from(state == State::Ringing && offers > 0);
        if let Some(why) = lost(call, state, &absences) {
            let is_excused = absences.iter().any(|absence| absence.excuses(call));
            let losses = if is_excused { &mut row.excused } else { &mut row.lost };
            losses.push(describe(call, &why));
        }
        if let Some(silence) = silence(call, state, fault, ears, ear_lines) {
            listened += 1;
            longest_silence = longest_silence.max(silence);
            if silence > SILENCE {
                silent.push(describe(call, &format!("silent for {:.1} s", silence as f64 / 1e6)));
            }
        }
    }
    // Not visible from outside; the table says so.
    if let Some(row) = rows.get_mut(&State::NothingSent).filter(|_| fault.node.is_some()) {
        row.of_node = row.calls / 2;
    }
    Harm { fault: fault.clone(), rows, refused, listened, longest_silence, silent }
}

fn lost(call: &Call, state: State, absences: &[ProxyAbsence]) -> Option<String> {
    if state.is_established() {
        return call.lost(absences);
    }
    match (call.caller.answered(), call.caller.refused()) {
        (Some(_), _) => call.lost(absences),
        (None, Some(code)) => Some(format!("refused with {code}")),
        (None, None) => Some(call.caller.failure.clone().unwrap_or_else(|| "never answered".to_owned())),
    }
}

fn silence(call: &Call, state: State, fault: &Fault, ears: &Ears, lines: u64) -> Option<Micros> {
    if call.caller.kind != Kind::Talk || state != State::Answered {
        return None;
    }
    let (phone, share) = (call.phones.last()?, call.caller.ears?);
    let through = phone.answered().filter(|answered| answered + SETTLED < fault.at)?;
    // SIPp assigns the lines of the file to its calls in turn.
    let number: u64 = call.caller.id.split('-').next()?.parse().ok()?;
    let port = u64::from(ears.first_port) + 2 * (share * lines + (number - 1) % lines);
    let from = (fault.at - SETTLED / 2).max(through);
    let to = call.caller.exchanges.iter().find(|e| e.method == "BYE").map_or(Micros::MAX, |bye| bye.at);
    ears.longest_silence(u16::try_from(port).ok()?, from, to.min(fault.at + LISTENED))
        .or(Some(to.min(fault.at + LISTENED).saturating_sub(from)))
}

/// A call, in one line of a report.
pub fn describe(call: &Call, why: &str) -> String {
    let caller = &call.caller;
    format!("{} {} (Call-ID {}, of {}): {why}", caller.kind.name(), caller.connid, caller.id, caller.owner)
}

/// Lost calls that were not up at any fault: the load itself must be free of faults.
pub fn lost_otherwise(calls: &[Call], faults: &[Fault]) -> Vec<String> {
    let absences = absences(faults);
    let at_no_fault = |call: &&Call| {
        let is_up = faults.iter().any(|fault| call.state(fault.at).is_some());
        !is_up && !absences.iter().any(|absence| absence.excuses(call))
    };
    calls.iter().filter(at_no_fault).filter_map(|call| Some(describe(call, &call.lost(&absences)?))).collect()
}

/// Callers that were never answered, whenever they called.
pub fn unanswered(calls: &[Call]) -> Vec<String> {
    let unanswered = calls.iter().filter(|call| call.caller.answered().is_none());
    let why =
        |call: &Call| call.caller.refused().map_or("never answered".to_owned(), |code| format!("refused with {code}"));
    unanswered.map(|call| describe(call, &why(call))).collect()
}

/// Treatments that did not continue where they were.
pub fn late_treatments(calls: &[Call], faults: &[Fault]) -> Vec<String> {
    let late = calls.iter().filter_map(|call| Some((call, call.late_treatment(faults)?)));
    late.map(|(call, lasted)| describe(call, &format!("its treatment lasted {:.1} s", lasted as f64 / 1e6))).collect()
}

/// Refused calls, by code: there should be none without a fault nearby.
pub fn refused(calls: &[Call]) -> BTreeMap<u16, usize> {
    let mut by_code = BTreeMap::new();
    for code in calls.iter().filter_map(|call| call.caller.refused()) {
        *by_code.entry(code).or_default() += 1;
    }
    by_code
}

/// Agents that had two calls at once, according to their phones' traces. Those whom colleagues call take a second call on
/// purpose: at their phones only the calls of callers count. Nor does a phone count that rings on by a sip-proxy that was killed.
pub fn offered_two(calls: &[Call], strays: &[Leg], absences: &[ProxyAbsence]) -> Vec<String> {
    let mut by_phone: BTreeMap<&str, Vec<&Leg>> = BTreeMap::new();
    let strays = strays.iter().filter(|leg| leg.kind != Kind::Consult);
    let legs = calls.iter().flat_map(|call| &call.phones).chain(strays).filter(|leg| leg.kind.is_queued());
    for leg in legs.filter(|leg| !rings_on(leg, absences)) {
        by_phone.entry(&leg.number).or_default().push(leg);
    }
    let mut found = Vec::new();
    for (number, mut legs) in by_phone {
        legs.sort_by_key(|leg| leg.began());
        for pair in legs.windows(2) {
            let overlap = pair[0].ended().is_none_or(|ended| ended > pair[1].began() + SECOND / 10);
            if overlap && pair[0].connid != pair[1].connid {
                let at = pair[1].began() as f64 / 1e6;
                found.push(format!("{number} had {} when {} was offered at {at:.3}", pair[0].connid, pair[1].connid));
            }
        }
    }
    found
}

/// Whether a phone may ring on, and answer what nobody hears, since its INVITE came by a sip-proxy that was killed.
fn rings_on(phone: &Leg, absences: &[ProxyAbsence]) -> bool {
    absences.iter().any(|absence| absence.had_under_way(phone))
}

/// Calls answered by two phones at once.
pub fn answered_twice(calls: &[Call], absences: &[ProxyAbsence]) -> Vec<String> {
    let both = |call: &&Call| {
        let is_answer = |phone: &&Leg| phone.answered().is_some() && !rings_on(phone, absences);
        let mut answered: Vec<&Leg> = call.phones.iter().filter(is_answer).collect();
        answered.sort_by_key(|phone| phone.answered());
        answered.windows(2).any(|pair| pair[0].ended().is_none_or(|ended| Some(ended) > pair[1].answered()))
    };
    // Those that requests handle have several parties.
    let alone = calls.iter().filter(|call| !call.caller.kind.is_handled());
    alone.filter(both).map(|call| describe(call, "answered twice")).collect()
}

/// Calls that lost their place: another call got an agent earlier that came later to the same queue, or has a lower priority.
pub fn lost_places(facts: &[Fact]) -> Vec<String> {
    let mut waiting: HashMap<&str, Vec<(&str, Place)>> = HashMap::new();
    let mut came: HashMap<(&str, &str), Place> = HashMap::new();
    let mut passed: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (number, fact) in facts.iter().enumerate().filter(|(_, fact)| fact.id.starts_with("queue:chaos_")) {
        let (queue, call) = (fact.dn(), fact.text("ConnID"));
        let queued = waiting.entry(queue).or_default();
        let place = Place { priority: Reverse(tenant::priority_of(fact.text("DNIS"))), number };
        match fact.name.as_str() {
            // A call that comes back has its original place.
            "EventQueued" => queued.push((call, *came.entry((queue, call)).or_insert(place))),
            "EventDiverted" => {
                let place = came.get(&(queue, call)).copied().unwrap_or(place);
                queued.retain(|(other, _)| *other != call);
                for (other, _) in queued.iter().filter(|(_, before)| *before < place) {
                    *passed.entry((queue, other)).or_default() += 1;
                }
            }
            "EventAbandoned" => queued.retain(|(other, _)| *other != call),
            _ => {}
        }
    }
    let told = |((queue, call), by): (&(&str, &str), &usize)| {
        format!("{queue}: {call} was passed over by {by} who came later or are less urgent")
    };
    passed.iter().map(told).collect()
}

/// A place in a queue: by priority, and by arrival within a priority.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    priority: Reverse<u8>,
    /// Time of its arrival, as the number of its fact.
    number: usize,
}

/// Agents that are not ready at the end: all were made ready at the start, and no request changed that.
pub fn not_ready(facts: &[Fact]) -> Vec<String> {
    let mut last: BTreeMap<&str, &Fact> = BTreeMap::new();
    for fact in facts.iter().filter(|fact| fact.id.starts_with("agent:") && fact.name.starts_with("EventAgent")) {
        last.insert(fact.text("AgentID"), fact);
    }
    let lost = last.into_iter().filter(|(_, fact)| fact.name != "EventAgentReady");
    lost.map(|(agent, fact)| format!("{agent}: {} {}", fact.name, fact.frame["Reasons"])).collect()
}

/// Facts missing in the reporting log, and keys out of order in it. A line of the log is a key and a CloudEvent.
pub fn reporting(facts: &[Fact], log: &[String]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut seen: HashSet<String> = HashSet::new();
    let mut last: HashMap<String, (u64, u64)> = HashMap::new();
    for line in log {
        let event = line.split_once('\t').and_then(|(_, event)| serde_json::from_str::<serde_json::Value>(event).ok());
        let Some(event) = event else { continue };
        let id = event["id"].as_str().unwrap_or_default().to_owned();
        let data = &event["data"];
        let place = data["token"].as_u64().zip(data["seq"].as_u64());
        // Only the first entry of each identity counts.
        if !seen.insert(id.clone()) {
            continue;
        }
        // Corrections are not in order with the facts of a successor.
        let Some(place) = place.filter(|_| event["correction"] != true) else { continue };
        let subject = event["subject"].as_str().unwrap_or_default().to_owned();
        // Facts of a virtual queue have the keys of their calls: only those of other subjects are in order.
        if !subject.starts_with("queue:") && last.get(&subject).is_some_and(|before| *before > place) {
            broken.push(format!("{id} stands behind {:?} of its subject", last.get(&subject)));
        }
        last.insert(subject, place);
    }
    let missing: Vec<&str> = facts.iter().map(|fact| fact.id.as_str()).filter(|id| !seen.contains(*id)).collect();
    broken.extend(missing.iter().map(|id| format!("{id} is not in the reporting log")));
    broken
}

/// The facts of the reporting log, without repeats, ordered by time and then by their subject's number. The log is
/// ordered for each key alone, and the facts of a queue have the keys of its calls.
pub fn reported_facts(log: &[String]) -> Result<Vec<Fact>> {
    let (mut facts, mut seen) = (Vec::new(), HashSet::new());
    for line in log {
        let Some((_, event)) = line.split_once('\t') else { continue };
        let event: serde_json::Value = serde_json::from_str(event)?;
        // Summaries of call threads and reports of roles are no facts, and corrections are not part of a successor's facts.
        let is_fact = event["data"]["seq"].as_u64().is_some() && event["data"]["subject"].is_string();
        if !is_fact || event["correction"] == true {
            continue;
        }
        let fact = Fact::of_cloud_event(String::new(), &event)?;
        if seen.insert(fact.id.clone()) {
            facts.push(fact);
        }
    }
    facts.sort_by_cached_key(|fact| {
        let number = |value: &serde_json::Value| value.as_u64();
        let Fact { frame, .. } = fact;
        let time = (number(&frame["time"]["s"]), number(&frame["time"]["us"]));
        (time, fact.text("subject").to_owned(), number(&frame["token"]), number(&frame["seq"]))
    });
    Ok(facts)
}

/// Violations in the stream of facts: identity, order, completeness, parties.
pub fn laws(facts: &[Fact]) -> Vec<String> {
    broken_laws(facts)
}

/// Calls of the installation that no caller knows: a repeated INVITE created two.
pub fn unknown_calls(facts: &[Fact], calls: &[Call]) -> Vec<String> {
    let known: HashSet<&str> = calls.iter().map(|call| call.caller.connid.as_str()).collect();
    let created = facts.iter().filter(|fact| fact.name == "EventCallCreated" && fact.text("CallType") != "Consult");
    let connid = |fact: &Fact| fact.text("ConnID").split('@').next().unwrap_or_default().to_owned();
    created.map(connid).filter(|connid| !known.contains(connid.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::absence::tests::absence;
    use crate::calls::join;
    use crate::calls::tests::{exchange, leg};
    use crate::legs::Side;

    fn fact(name: &str, call: &str) -> Fact {
        let frame = json!({"ThisDN": "chaos_wait", "ConnID": call});
        Fact { position: String::new(), id: "queue:chaos_wait:1:1".to_owned(), name: name.to_owned(), frame }
    }

    #[test]
    fn who_is_passed_over_has_lost_its_place_and_who_comes_back_has_not() {
        let queued = [fact("EventQueued", "a"), fact("EventQueued", "b")];
        let lawful = [fact("EventDiverted", "a"), fact("EventQueued", "a"), fact("EventDiverted", "a")];
        assert!(lost_places(&[&queued[..], &lawful].concat()).is_empty());
        assert_eq!(lost_places(&[&queued[..], &[fact("EventDiverted", "b")]].concat()).len(), 1);
        let gone = [fact("EventAbandoned", "a"), fact("EventDiverted", "b")];
        assert!(lost_places(&[&queued[..], &gone].concat()).is_empty());
    }

    #[test]
    fn who_is_urgent_goes_before_those_who_came_earlier_and_behind_other_urgent_ones() {
        let urgent = |name: &str, call: &str| {
            let mut fact = fact(name, call);
            fact.frame["DNIS"] = json!(tenant::URGENT);
            fact
        };
        let queued = [fact("EventQueued", "a"), urgent("EventQueued", "b"), urgent("EventQueued", "c")];
        let then = |more: Fact| lost_places(&[&queued[..], &[more]].concat()).len();
        assert_eq!(then(urgent("EventDiverted", "b")), 0);
        assert_eq!(then(urgent("EventDiverted", "c")), 1);
        assert_eq!(then(fact("EventDiverted", "a")), 2);
    }

    #[test]
    fn facts_of_one_moment_are_in_the_order_of_their_numbers_whatever_their_keys() {
        let line = |seq: u64| {
            let id = format!("queue:chaos_wait:1:{seq}");
            let data = json!({"subject": "queue:chaos_wait", "token": 1, "seq": seq, "time": {"s": 17, "us": 4}});
            format!("key-{seq}\t{}", json!({"id": id, "type": "EventDiverted", "data": data}))
        };
        let facts = reported_facts(&[line(3), line(2)]).unwrap();
        let ids: Vec<&str> = facts.iter().map(|fact| fact.id.as_str()).collect();
        assert_eq!(ids, ["queue:chaos_wait:1:2", "queue:chaos_wait:1:3"]);
    }

    #[test]
    fn an_agent_who_was_made_not_ready_and_a_fact_that_was_not_reported_are_found() {
        let agent = |name: &str| {
            let frame = json!({"AgentID": "5001"});
            Fact { position: String::new(), id: "agent:5001:1:1".to_owned(), name: name.to_owned(), frame }
        };
        assert!(not_ready(&[agent("EventAgentNotReady"), agent("EventAgentReady")]).is_empty());
        assert_eq!(not_ready(&[agent("EventAgentReady"), agent("EventAgentNotReady")]).len(), 1);
        let line = |seq: u64| {
            let id = format!("agent:5001:1:{seq}");
            format!("k\t{}", json!({"id": id, "subject": "agent:5001", "data": {"token": 1, "seq": seq}}))
        };
        let facts = [agent("EventAgentReady")];
        assert!(reporting(&facts, &[line(1), line(2), line(1)]).is_empty());
        assert_eq!(reporting(&facts, &[line(2)]).len(), 1);
        assert_eq!(reporting(&facts, &[line(2), line(1)]).len(), 1);
    }

    #[test]
    fn an_agent_with_two_calls_and_a_call_with_two_agents_are_found() {
        let rung = |connid, at| {
            let phone = vec![exchange(at, false, "INVITE", 1, 200), exchange(at + 9 * SECOND, false, "BYE", 2, 200)];
            leg(Side::Phone, Kind::Hold, connid, phone)
        };
        let caller = |connid| leg(Side::Caller, Kind::Hold, connid, vec![exchange(1, true, "INVITE", 1, 200)]);
        let (calls, strays) = join(vec![caller("a"), caller("b"), rung("a", 10), rung("b", 20)], &[]);
        assert_eq!(offered_two(&calls, &strays, &[]).len(), 1);
        assert!(answered_twice(&calls, &[]).is_empty());
        let (calls, strays) = join(vec![caller("a"), rung("a", 10), rung("a", 20)], &[]);
        assert!(offered_two(&calls, &strays, &[]).is_empty());
        assert_eq!(answered_twice(&calls, &[]).len(), 1);
        let (calls, strays) = join(vec![caller("a"), caller("b"), rung("a", 10), rung("b", 10 * SECOND)], &[]);
        assert!(offered_two(&calls, &strays, &[]).is_empty());
    }

    #[test]
    fn a_phone_that_rings_on_by_a_killed_proxy_counts_for_nothing() {
        let absence = absence(100, 116);
        let rung = |connid, at_s: u64, edge: &str| {
            let mut phone = vec![exchange(at_s * SECOND, false, "INVITE", 1, 200)];
            phone[0].last = Some(((at_s + 5) * SECOND, 200));
            phone.push(exchange(130 * SECOND, false, "BYE", 2, 200));
            let mut leg = leg(Side::Phone, Kind::Hold, connid, phone);
            edge.clone_into(&mut leg.edge);
            leg
        };
        let caller = |connid| leg(Side::Caller, Kind::Hold, connid, vec![exchange(1, true, "INVITE", 1, 200)]);
        let twice = |first: &str| {
            let (calls, _) = join(vec![caller("a"), rung("a", 98, first), rung("a", 101, "other")], &[]);
            answered_twice(&calls, std::slice::from_ref(&absence)).len()
        };
        assert_eq!((twice(&absence.edge), twice("other")), (0, 1));
        let two = |first: &str| {
            let legs = vec![caller("a"), caller("b"), rung("a", 98, first), rung("b", 101, "other")];
            let (calls, strays) = join(legs, &[]);
            offered_two(&calls, &strays, std::slice::from_ref(&absence)).len()
        };
        assert_eq!((two(&absence.edge), two("other")), (0, 1));
    }

    #[test]
    fn of_two_calls_that_are_lost_with_a_proxy_the_one_that_stood_breaks_the_rule() {
        let absence = absence(100, 116);
        let fault = Fault {
            at: absence.from,
            what: "sip-proxy-1 is killed".to_owned(),
            node: None,
            absence: Some(absence.clone()),
            census: Vec::new(),
        };
        let call = |connid, exchanges| {
            let mut caller = leg(Side::Caller, Kind::Treat, connid, exchanges);
            absence.edge.clone_into(&mut caller.edge);
            caller
        };
        // The first one was answered long before, the second one is being set up; neither is ended in order.
        let stood = call("a", vec![exchange(90 * SECOND, true, "INVITE", 1, 200)]);
        let mut begun = call("b", vec![exchange(99 * SECOND, true, "INVITE", 1, 0)]);
        begun.exchanges[0].provisional = Some(99 * SECOND + 1);
        let (calls, _) = join(vec![stood, begun], &[]);
        let ears = Ears::listen(std::net::Ipv4Addr::LOCALHOST, 0, 0).unwrap();
        let faults = [fault];
        let harm = harm(&faults[0], &calls, &faults, &ears, 1);
        let of = |state: State| harm.rows.get(&state).map(|row| (row.of_node, row.lost.len(), row.excused.len()));
        assert_eq!(of(State::Treatment), Some((1, 1, 0)));
        assert_eq!(of(State::Provisional), Some((1, 0, 1)));
        assert!(lost_otherwise(&calls, &faults).is_empty(), "both were up at the fault");
    }
}
