//! A call by the traces of all its parties: its state at a given time, and its end.

use std::collections::BTreeMap;

use crate::absence::ProxyAbsence;
use crate::clock::{Micros, SECOND};
use crate::director::Handling;
use crate::faults::Fault;
use crate::legs::{Exchange, Leg, Side};
use crate::site::NODES;
use crate::tenant::{Kind, TREATMENT_S};

/// A far side that hangs up crosses requests on their way to it, within this time.
const CROSSING: Micros = 5 * SECOND;
/// The same where a sip-proxy on its way is away: until that is back, and a sender repeats what it has asked for.
const CROSSING_WHILE_AWAY: Micros = 60 * SECOND;
/// Tolerances for a treatment that continues where it was: earlier by rounding, later by the signalling of its end.
const TREATMENT_SHORT: Micros = SECOND;
const TREATMENT_LATE: Micros = 3 * SECOND;
/// By then another node has the calls of one that is stopped: the lease of that one must run out first. What is due meanwhile waits.
const TAKEN_OVER_WITHIN: Micros = 6 * SECOND;

/// The state of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// An agent or a service has it.
    Answered,
    /// An agent has it on hold.
    Held,
    /// Its agent talks with a colleague about it.
    Consultation,
    /// A transfer of it was asked for, and is not done.
    Transfer,
    /// Its agent has another call that came separately, and joins the two.
    Meeting,
    /// Five talk.
    Conference,
    /// A supervisor listens.
    Monitored,
    /// It waits for an agent.
    Queued,
    /// Its application plays a prompt.
    Treatment,
    /// An agent's phone rings for it.
    Ringing,
    /// Its INVITE has received a 1xx.
    Provisional,
    /// Its INVITE has received no response.
    NothingSent,
}

/// All states, in the order of the table.
pub const STATES: [State; 12] = [
    State::Answered,
    State::Held,
    State::Consultation,
    State::Transfer,
    State::Meeting,
    State::Conference,
    State::Monitored,
    State::Queued,
    State::Treatment,
    State::Ringing,
    State::Provisional,
    State::NothingSent,
];

impl State {
    /// Its name in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Held => "held",
            Self::Consultation => "consultation under way",
            Self::Transfer => "transfer between two steps",
            Self::Meeting => "two threads merging",
            Self::Conference => "conference of 5",
            Self::Monitored => "monitored",
            Self::Queued => "queued",
            Self::Treatment => "in treatment",
            Self::Ringing => "agent ringing",
            Self::Provisional => "INVITE, a 1xx sent",
            Self::NothingSent => "INVITE, nothing sent",
        }
    }

    /// Whether the caller's INVITE was answered.
    pub const fn is_established(self) -> bool {
        !matches!(self, Self::Provisional | Self::NothingSent)
    }
}

/// A call.
#[derive(Clone, Debug)]
pub struct Call {
    /// The caller's side.
    pub caller: Leg,
    /// The phones that rang, in order.
    pub phones: Vec<Leg>,
    /// What requests have made of it.
    pub steps: Vec<Handling>,
}

/// Joins legs to calls. Phone legs without a caller are returned separately.
pub fn join(legs: Vec<Leg>, steps: &[Handling]) -> (Vec<Call>, Vec<Leg>) {
    let (callers, mut phones): (Vec<Leg>, Vec<Leg>) = legs.into_iter().partition(|leg| leg.side == Side::Caller);
    phones.sort_by_key(Leg::began);
    let mut rung: BTreeMap<String, Vec<Leg>> = BTreeMap::new();
    for phone in phones {
        rung.entry(phone.connid.clone()).or_default().push(phone);
    }
    let join = |caller: Leg| {
        let phones = if caller.connid.is_empty() { None } else { rung.remove(&caller.connid) };
        let steps = steps.iter().filter(|step| step.connid == caller.connid).cloned().collect();
        Call { phones: phones.unwrap_or_default(), steps, caller }
    };
    let calls = callers.into_iter().map(join).collect();
    (calls, rung.into_values().flatten().collect())
}

impl Call {
    /// The state of the call at this time; `None` before its start and after its end.
    pub fn state(&self, at: Micros) -> Option<State> {
        let caller = &self.caller;
        if caller.began() > at || caller.ended().is_some_and(|ended| ended <= at) {
            return None;
        }
        if caller.heard_of().is_none_or(|heard| heard > at) {
            return Some(State::NothingSent);
        }
        if caller.answered().is_none_or(|answered| answered > at) {
            return Some(State::Provisional);
        }
        if let Some(step) = self.steps.iter().find(|step| (step.from..step.until).contains(&at)) {
            return Some(step.state);
        }
        let phone = self.phones.iter().rfind(|phone| phone.began() <= at && phone.refused().is_none());
        Some(match (caller.kind, phone) {
            (Kind::Treat, _) => State::Treatment,
            (kind, None) if kind.is_queued() => State::Queued,
            (_, Some(phone)) if phone.answered().is_none_or(|answered| answered > at) => State::Ringing,
            (_, Some(phone)) if phone.holds(at) => State::Held,
            _ => State::Answered,
        })
    }

    /// The node that owned it at this time, according to its tag and the earlier faults.
    pub fn node(&self, at: Micros, faults: &[Fault]) -> Option<String> {
        let (node, _epoch) = self.caller.owner.rsplit_once('.')?;
        let mut node = node.to_owned();
        for fault in faults.iter().filter(|fault| fault.at < at && fault.at > self.caller.began()) {
            if fault.node.as_ref() == Some(&node) {
                node = (1..=NODES).map(|n| format!("sip-cluster-{n}")).find(|other| *other != node)?;
            }
        }
        Some(node)
    }

    /// Requests of either side that started after `at` and were answered with 2xx.
    pub fn exchanges_after(&self, at: Micros) -> usize {
        [&self.caller].into_iter().chain(&self.phones).map(|leg| leg.exchanges_after(at)).sum()
    }

    /// Whether a leg of it goes by the sip-proxy with this edge.
    pub fn goes_by(&self, edge: &str) -> bool {
        [&self.caller].into_iter().chain(&self.phones).any(|leg| leg.edge == edge)
    }

    /// Why the call counts as lost although its caller was answered; `None` if it went well. What a sip-proxy holds up while it is away comes late.
    pub fn lost(&self, absences: &[ProxyAbsence]) -> Option<String> {
        let caller = &self.caller;
        caller.answered()?;
        let leeway = self.leeway(caller, absences);
        if let Some(fault) = fault_of(caller, &leeway) {
            return Some(format!("caller: {fault}"));
        }
        if caller.ended().is_none() && !leeway.is_over_elsewhere {
            return Some("caller: never over".to_owned());
        }
        let by_far_side = caller.exchanges.iter().any(|e| e.method == "BYE" && !e.is_sent);
        if by_far_side && !caller.kind.is_ended_by_far_side() {
            return Some(format!("the far side hung up{}", self.who_began_the_end()));
        }
        if self.lasted_in_treatment().is_some_and(|lasted| lasted + TREATMENT_SHORT < TREATMENT_S * SECOND) {
            return Some("its treatment was cut short".to_owned());
        }
        if let Some(left) = self.left_the_conference(absences) {
            return Some(left);
        }
        if by_far_side
            && caller.kind != Kind::Confer
            && caller.kind.is_queued()
            && !self.phones.iter().any(|p| p.exchanges.iter().any(|e| e.method == "BYE" && e.is_sent))
        {
            return Some("hung up, by no agent".to_owned());
        }
        // A phone that rang by a proxy that was killed rings until it stops by itself: the call went to another one.
        let is_left = |phone: &&Leg| !absences.iter().any(|absence| absence.had_under_way(phone));
        self.phones.iter().filter(is_left).find_map(|phone| {
            let fault = fault_of_phone(phone, &self.leeway(phone, absences))?;
            Some(format!("phone {}: {fault}", phone.number))
        })
    }

    /// What the absences of sip-proxies allow to a leg of this call.
    fn leeway<'a>(&self, leg: &'a Leg, absences: &'a [ProxyAbsence]) -> Leeway<'a> {
        let others = [&self.caller].into_iter().chain(&self.phones).filter(|other| other.id != leg.id);
        let mut byes = others.flat_map(|other| &other.exchanges).filter(|e| e.method == "BYE" && e.is_sent);
        let is_over_elsewhere = byes.any(|bye| absences.iter().any(|absence| absence.holds_up(leg, bye.at, bye.at)));
        Leeway { leg, absences, is_over_elsewhere }
    }

    /// Who was in a conference that was cleared at its end, and left it before.
    fn left_the_conference(&self, absences: &[ProxyAbsence]) -> Option<String> {
        let ended = self.caller.ended().filter(|_| self.caller.kind == Kind::Confer)?;
        let crossing = |left: Micros| {
            let is_late = absences.iter().any(|absence| absence.holds_up(&self.caller, left, ended));
            if is_late { CROSSING_WHILE_AWAY } else { CROSSING }
        };
        let left =
            |phone: &&Leg| phone.answered().is_some() && phone.ended().is_some_and(|at| at + crossing(at) < ended);
        self.phones.iter().find(left).map(|phone| format!("phone {} left the conference", phone.number))
    }

    fn lasted_in_treatment(&self) -> Option<Micros> {
        let caller = Some(&self.caller).filter(|caller| caller.kind == Kind::Treat)?;
        Some(caller.ended()?.saturating_sub(caller.answered()?))
    }

    /// The duration of its treatment, if it was too long for a treatment that continued where it was.
    pub fn late_treatment(&self, faults: &[Fault]) -> Option<Micros> {
        let lasted = self.lasted_in_treatment()?;
        let due = self.caller.answered()? + TREATMENT_S * SECOND;
        let by_successor = |fault: &Fault| {
            let is_its = fault.node.is_some() && fault.node == self.node(fault.at, faults);
            (is_its && (fault.at..fault.at + TAKEN_OVER_WITHIN).contains(&due)).then_some(fault.at + TAKEN_OVER_WITHIN)
        };
        let latest = faults.iter().filter_map(by_successor).fold(due + TREATMENT_LATE, Micros::max);
        (self.caller.ended()? > latest).then_some(lasted)
    }

    fn who_began_the_end(&self) -> &'static str {
        let by_phone = self.phones.iter().any(|p| p.exchanges.iter().any(|e| e.method == "BYE" && e.is_sent));
        if by_phone { ", the phone too" } else { ", no phone did" }
    }
}

/// What the absences of sip-proxies allow to a leg.
struct Leeway<'a> {
    leg: &'a Leg,
    absences: &'a [ProxyAbsence],
    /// Whether another party has ended the call, and this leg's proxy held that up.
    is_over_elsewhere: bool,
}

impl Leeway<'_> {
    /// How far apart requests of both sides are that cross each other.
    fn crossing(&self, one: Micros, other: Micros) -> Micros {
        let is_held_up = |absence: &ProxyAbsence| absence.holds_up(self.leg, one.min(other), one.max(other));
        if self.absences.iter().any(is_held_up) { CROSSING_WHILE_AWAY } else { CROSSING }
    }
}

/// The fault in a leg's own trace.
fn fault_of(leg: &Leg, leeway: &Leeway<'_>) -> Option<String> {
    let crossed = leg.exchanges.iter().find(|e| e.method == "BYE").map(|bye| bye.at);
    let by_far_side = leeway.is_over_elsewhere || leg.exchanges.iter().any(|e| e.method == "BYE" && !e.is_sent);
    // A 481 or 487 to a request that crosses the far side's BYE is correct; SIPp aborts the call all the same.
    let is_right = |why: &String| by_far_side && ["'SIP/2.0 481", "'SIP/2.0 487"].iter().any(|code| why.contains(code));
    if let Some(failure) = leg.failure.as_ref().filter(|why| !is_right(why)) {
        return Some(failure.clone());
    }
    let bad = |exchange: &&Exchange| {
        let is_crossed = leeway.is_over_elsewhere
            || crossed.is_some_and(|bye| exchange.at.abs_diff(bye) < leeway.crossing(exchange.at, bye));
        match exchange.last {
            Some((_, 200..300)) => false,
            Some((_, 491)) => exchange.method != "INVITE",
            Some((_, 481 | 487)) => !is_crossed,
            Some(_) => true,
            None => exchange.is_sent && exchange.method != "CANCEL" && !is_crossed,
        }
    };
    let exchange = leg.exchanges.iter().find(bad)?;
    let answer = exchange.last.map_or("nothing".to_owned(), |(_, code)| code.to_string());
    Some(format!("{} {} was answered {answer}", exchange.method, exchange.cseq))
}

/// A phone that has not answered may be cancelled; one that has must receive the end of the call.
fn fault_of_phone(phone: &Leg, leeway: &Leeway<'_>) -> Option<String> {
    phone.answered()?;
    let is_told = phone.ended().is_some() || leeway.is_over_elsewhere && phone.failure.is_some();
    fault_of(phone, leeway).or_else(|| (!is_told).then(|| "never told the end".to_owned()))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::absence::tests::absence;

    pub fn exchange(at: Micros, is_sent: bool, method: &str, cseq: u32, code: u16) -> Exchange {
        let last = (code > 0).then_some((at + 1, code));
        Exchange { at, is_sent, method: method.to_owned(), cseq, provisional: None, last }
    }

    pub fn leg(side: Side, kind: Kind, connid: &str, exchanges: Vec<Exchange>) -> Leg {
        Leg {
            side,
            kind,
            id: format!("{connid}-{side:?}"),
            number: "5400".to_owned(),
            connid: connid.to_owned(),
            owner: "sip-cluster-1.7".to_owned(),
            edge: String::new(),
            ears: None,
            exchanges,
            acknowledged: None,
            failure: None,
        }
    }

    fn held_call(code: u16) -> Call {
        let caller = vec![
            exchange(10, true, "INVITE", 1, 200),
            exchange(50, true, "INVITE", 2, code),
            exchange(90, true, "BYE", 3, 200),
        ];
        let phone = vec![
            exchange(20, false, "INVITE", 1, 200),
            exchange(30, true, "INVITE", 1, 200),
            exchange(70, true, "INVITE", 2, 200),
            exchange(92, false, "BYE", 4, 200),
        ];
        let legs = vec![leg(Side::Caller, Kind::Hold, "a", caller), leg(Side::Phone, Kind::Hold, "a", phone)];
        join(legs, &[]).0.remove(0)
    }

    #[test]
    fn a_call_is_in_each_state_when_its_phones_say_so() {
        let call = held_call(200);
        let states = [5, 10, 15, 20, 25, 31, 71, 95].map(|at| call.state(at));
        let wanted = [
            None,
            Some(State::NothingSent),
            Some(State::Queued),
            Some(State::Ringing),
            Some(State::Answered),
            Some(State::Held),
            Some(State::Answered),
            None,
        ];
        assert_eq!(states, wanted);
        assert_eq!(call.lost(&[]), None);
        assert_eq!(call.exchanges_after(60), 3);
    }

    #[test]
    fn a_treatment_that_began_again_is_late_and_one_that_was_cut_short_is_lost() {
        let call = |lasts: Micros| {
            let exchanges = vec![exchange(0, true, "INVITE", 1, 200), exchange(lasts, false, "BYE", 1, 200)];
            join(vec![leg(Side::Caller, Kind::Treat, "a", exchanges)], &[]).0.remove(0)
        };
        let judged = [5, 15, 17, 20]
            .map(|s| (call(s * SECOND).lost(&[]).is_some(), call(s * SECOND).late_treatment(&[]).is_some()));
        assert_eq!(judged, [(true, false), (false, false), (false, false), (false, true)]);
        let stopped = |at: Micros, node: &str| {
            let fault =
                Fault { at, what: String::new(), node: Some(node.to_owned()), absence: None, census: Vec::new() };
            call(19 * SECOND).late_treatment(&[fault]).is_some()
        };
        // The next node has the call 6 s after the fault, and its treatment was due at 15 s.
        assert!(!stopped(14 * SECOND, "sip-cluster-1") && stopped(12 * SECOND, "sip-cluster-1"));
        assert!(stopped(14 * SECOND, "sip-cluster-2"), "another node's");
    }

    #[test]
    fn a_refused_request_within_the_call_is_a_loss_and_a_repeatable_one_is_not() {
        assert!(held_call(481).lost(&[]).is_none(), "it crosses the BYE");
        assert!(held_call(500).lost(&[]).is_some());
        assert!(held_call(0).lost(&[]).is_none(), "the same");
        assert!(held_call(491).lost(&[]).is_none());
        let mut call = held_call(200);
        call.phones[0].exchanges.pop();
        assert_eq!(call.lost(&[]).as_deref(), Some("phone 5400: never told the end"));
        call.caller.exchanges.pop();
        assert_eq!(call.lost(&[]).as_deref(), Some("caller: never over"));
    }

    #[test]
    fn a_request_that_a_proxy_held_up_while_the_other_side_hung_up_is_no_loss() {
        let absence = absence(100, 116);
        // The caller asks by the killed proxy at 105 s, the agent hangs up by the other one at 106 s, and the caller is told at 117 s.
        let call = |is_told: bool| {
            let mut exchanges =
                vec![exchange(10 * SECOND, true, "INVITE", 1, 200), exchange(105 * SECOND, true, "INFO", 2, 481)];
            exchanges.extend(is_told.then(|| exchange(117 * SECOND, false, "BYE", 1, 200)));
            let mut caller = leg(Side::Caller, Kind::Leave, "a", exchanges);
            absence.edge.clone_into(&mut caller.edge);
            let phone =
                vec![exchange(20 * SECOND, false, "INVITE", 1, 200), exchange(106 * SECOND, true, "BYE", 2, 200)];
            join(vec![caller, leg(Side::Phone, Kind::Leave, "a", phone)], &[]).0.remove(0)
        };
        let absences = [absence.clone()];
        assert_eq!(call(true).lost(&absences), None);
        assert!(call(true).lost(&[]).is_some(), "without an absence it is one");
        let mut aborted = call(false);
        aborted.caller.failure = Some("while expecting '200', received 'SIP/2.0 481 Gone'".to_owned());
        assert_eq!(aborted.lost(&absences), None, "the 481 has overtaken the BYE");
        assert!(aborted.lost(&[]).is_some());
        aborted.phones[0].exchanges.pop();
        assert!(aborted.lost(&absences).is_some(), "nobody has hung up");
    }

    #[test]
    fn a_phone_that_rings_on_by_the_killed_proxy_is_no_loss_if_another_one_has_the_call() {
        let absence = absence(100, 116);
        let rung = |at: Micros, end: bool| {
            let mut exchanges = vec![exchange(at, false, "INVITE", 1, 200)];
            exchanges[0].last = Some((102 * SECOND, 200));
            exchanges.extend(end.then(|| exchange(120 * SECOND, false, "BYE", 2, 200)));
            leg(Side::Phone, Kind::Talk, "a", exchanges)
        };
        let caller = vec![exchange(10 * SECOND, true, "INVITE", 1, 200), exchange(119 * SECOND, true, "BYE", 2, 200)];
        let (mut silent, answers) = (rung(98 * SECOND, false), rung(101 * SECOND, true));
        absence.edge.clone_into(&mut silent.edge);
        let legs = vec![leg(Side::Caller, Kind::Talk, "a", caller), silent, answers];
        let call = join(legs, &[]).0.remove(0);
        assert_eq!(call.lost(std::slice::from_ref(&absence)), None);
        assert_eq!(call.lost(&[]).as_deref(), Some("phone 5400: never told the end"));
        assert!(call.goes_by(&absence.edge) && !call.goes_by("127.60.0.2:5060"));
    }

    #[test]
    fn a_call_changes_its_node_with_a_fault_of_the_node() {
        let fault = |at, node: &str| Fault {
            at,
            what: String::new(),
            node: Some(node.to_owned()),
            absence: None,
            census: Vec::new(),
        };
        let faults = [fault(50, "sip-cluster-1"), fault(60, "sip-cluster-2")];
        let call = held_call(200);
        let nodes = [49, 55, 65].map(|at| call.node(at, &faults).unwrap_or_default());
        assert_eq!(nodes, ["sip-cluster-1", "sip-cluster-2", "sip-cluster-1"]);
    }
}
