//! The absence of one of several sip-proxies: which calls it holds up, and which of them are the caller's to repeat. docs/when-things-go-wrong.md
//! has the promise.

use crate::calls::Call;
use crate::clock::{Micros, SECOND};
use crate::faults::Fault;
use crate::judge::describe;
use crate::legs::Leg;

/// A hang-up takes effect within this time of being asked for: a request is repeated until its sender gives up, 32 s later, and may be
/// answered then.
const HANGS_UP_WITHIN: Micros = 40 * SECOND;
/// An answer, or its ACK, that left within this time before the proxy was killed may have died with it. The edge's network here loses nothing,
/// so that it is no longer than a turn of a busy machine.
const ON_ITS_WAY: Micros = SECOND / 2;

/// A sip-proxy that was killed while others went on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyAbsence {
    /// Its address for phones and carriers, as `host:port`.
    pub edge: String,
    /// When it was killed.
    pub from: Micros,
    /// When it was ready again.
    pub back: Micros,
}

/// The absences among the faults.
pub fn absences(faults: &[Fault]) -> Vec<ProxyAbsence> {
    faults.iter().filter_map(|fault| fault.absence.clone()).collect()
}

impl ProxyAbsence {
    /// Whether something of this leg that happens between these times may be held up.
    pub fn holds_up(&self, leg: &Leg, from: Micros, to: Micros) -> bool {
        leg.edge == self.edge && self.spans(from, to)
    }

    /// Whether a part of this period is within the absence, or so soon after it that a request of then may still be repeated.
    fn spans(&self, from: Micros, to: Micros) -> bool {
        from < self.back + HANGS_UP_WITHIN && to + ON_ITS_WAY > self.from
    }

    /// Whether the leg's INVITE was under way through the proxy: not answered when that was killed, or sent to it while it was away.
    pub fn had_under_way(&self, leg: &Leg) -> bool {
        let is_open = |at: Option<Micros>| at.is_none_or(|at| at > self.from);
        leg.edge == self.edge && leg.began() < self.back && is_open(leg.answered()) && is_open(leg.ended())
    }

    /// Whether an answer to an INVITE of this leg, or the ACK of it, may have died with the proxy.
    fn had_answer_of(&self, leg: &Leg) -> bool {
        let may_have_died = |at: Micros| at + ON_ITS_WAY > self.from;
        let mut invites = leg.exchanges.iter().filter(|e| e.method == "INVITE" && e.at <= self.from);
        leg.edge == self.edge && invites.any(|e| e.last.is_none_or(|(at, _)| may_have_died(at)))
    }

    /// Whether nothing else was promised of a call that is lost: see docs/when-things-go-wrong.md.
    pub fn excuses(&self, call: &Call) -> bool {
        let mut legs = [&call.caller].into_iter().chain(&call.phones);
        self.had_under_way(&call.caller) || legs.any(|leg| self.had_answer_of(leg))
    }
}

/// New calls that did not go on by the other sip-proxies while one was away.
pub fn not_going_on(calls: &[Call], absences: &[ProxyAbsence]) -> Vec<String> {
    let mut broken = Vec::new();
    for absence in absences {
        let is_new = |call: &&Call| {
            (absence.from..absence.back).contains(&call.caller.began()) && call.caller.edge != absence.edge
        };
        let new: Vec<&Call> = calls.iter().filter(is_new).collect();
        if new.is_empty() {
            broken.push(format!("no call came by another sip-proxy while {} was away", absence.edge));
        }
        for call in new.into_iter().filter(|call| call.caller.answered().is_none()) {
            let why = call.caller.refused().map_or("never answered".to_owned(), |code| format!("refused with {code}"));
            broken.push(describe(call, &why));
        }
    }
    broken
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::calls::join;
    use crate::calls::tests::{exchange, leg};
    use crate::legs::Side;
    use crate::tenant::Kind;

    const EDGE: &str = "127.60.0.1:5060";

    pub fn absence(from_s: Micros, back_s: Micros) -> ProxyAbsence {
        ProxyAbsence { edge: EDGE.to_owned(), from: from_s * SECOND, back: back_s * SECOND }
    }

    /// A call whose caller dialled then, and was answered a second later with this code; 0 for never.
    fn call(edge: &str, at_s: Micros, code: u16) -> Call {
        let mut invite = exchange(at_s * SECOND, true, "INVITE", 1, code);
        invite.last = invite.last.map(|(_, code)| ((at_s + 1) * SECOND, code));
        let mut caller = leg(Side::Caller, Kind::Hold, "a", vec![invite]);
        edge.clone_into(&mut caller.edge);
        join(vec![caller], &[]).0.remove(0)
    }

    #[test]
    fn a_call_that_is_set_up_by_the_killed_proxy_is_the_callers_to_repeat_and_no_other_one() {
        let absence = absence(100, 116);
        let excused = |call: Call| absence.excuses(&call);
        assert!(excused(call(EDGE, 95, 0)) && excused(call(EDGE, 101, 503)), "under way, and sent to nobody");
        assert!(!excused(call(EDGE, 90, 200)), "it stood, and nothing of it was under way");
        assert!(!excused(call(EDGE, 95, 486)), "it was refused before");
        assert!(!excused(call(EDGE, 117, 0)), "the proxy is back");
        assert!(!excused(call("127.60.0.2:5060", 99, 0)), "by the other one");
    }

    #[test]
    fn a_change_whose_answer_may_have_died_with_the_proxy_is_excused_and_an_older_one_is_not() {
        let absence = absence(100, 116);
        let refreshed = |at: Micros| {
            let mut call = call(EDGE, 90, 200);
            call.caller.exchanges.push(exchange(at, true, "INVITE", 2, 200));
            absence.excuses(&call)
        };
        assert!(refreshed(100 * SECOND - 10) && !refreshed(99 * SECOND));
        assert!(!refreshed(101 * SECOND), "a change that is asked for later is repeated");
    }

    #[test]
    fn new_calls_go_on_by_the_other_proxy_or_the_rule_is_broken() {
        let absences = [absence(100, 116)];
        let other = "127.60.0.2:5060";
        let broken = |calls: &[Call]| not_going_on(calls, &absences).len();
        assert_eq!(broken(&[call(other, 105, 200), call(EDGE, 105, 0), call(other, 120, 0)]), 0);
        assert_eq!(broken(&[call(other, 105, 503), call(other, 106, 0), call(other, 107, 200)]), 2);
        assert_eq!(broken(&[call(EDGE, 105, 200)]), 1, "nobody came by the other one");
        assert!(not_going_on(&[call(other, 105, 503)], &[]).is_empty(), "no proxy was away");
    }

    #[test]
    fn what_is_asked_for_shortly_before_or_after_the_absence_may_be_held_up() {
        let absence = absence(100, 116);
        let caller = call(EDGE, 90, 200).caller;
        let is_held = |from: Micros, to: Micros| absence.holds_up(&caller, from * SECOND, to * SECOND);
        assert!(is_held(99, 101) && is_held(110, 130) && is_held(150, 151));
        assert!(!is_held(90, 95) && !is_held(157, 158));
        assert!(!absence.holds_up(&call("127.60.0.2:5060", 90, 200).caller, 110 * SECOND, 120 * SECOND));
    }
}
