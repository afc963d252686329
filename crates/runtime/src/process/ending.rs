//! The order in which a process's roles end: first those that own calls, then those that a call needs, then the rest.

use std::collections::HashMap;

use model::Timestamp;

use crate::drain::Drain;

/// The roles that must have ended before this one is drained. There is no cycle, directly or through other roles, so
/// every role is drained in the end.
fn waits_for(role: &str) -> &'static [&'static str] {
    match role {
        // They refuse new calls and finish the present ones.
        "sip-proxy" | "sip-cluster" | "registrar" => &[],
        // A waiting or ringing call may still need a session, an agent, a leg.
        "media" | "ors" | "rq" => &["sip-cluster"],
        // They receive no more requests once the others have ended.
        _ => &["sip-proxy", "sip-cluster", "registrar", "media", "ors", "rq"],
    }
}

/// The running roles of a process, and those that are not drained yet.
#[derive(Default)]
pub struct Ending {
    running: HashMap<&'static str, usize>,
    waiting: Vec<(&'static str, Drain)>,
    deadline: Option<Timestamp>,
}

impl Ending {
    /// A replica of a role has been started.
    pub fn started(&mut self, role: &'static str, drain: Drain) {
        *self.running.entry(role).or_default() += 1;
        self.waiting.push((role, drain));
    }

    /// A replica of a role has ended.
    pub fn ended(&mut self, role: &str) {
        if let Some(count) = self.running.get_mut(role) {
            *count = count.saturating_sub(1);
        }
        self.tell_next();
    }

    /// The process is to end by `deadline`: drains the first roles.
    pub fn begin(&mut self, deadline: Timestamp) {
        self.deadline.get_or_insert(deadline);
        self.tell_next();
    }

    /// Drains all roles: it is unknown which one has ended.
    pub fn begin_all(&mut self) {
        self.running.clear();
        self.tell_next();
    }

    fn tell_next(&mut self) {
        let Some(deadline) = self.deadline else { return };
        let running = &self.running;
        let runs = |role: &&str| running.get(role).is_some_and(|count| *count > 0);
        self.waiting.retain(|(role, drain)| {
            let waits = waits_for(role).iter().any(runs);
            if !waits {
                drain.begin_until(deadline);
            }
            waits
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn process(roles: &[&'static str]) -> (Ending, HashMap<&'static str, Drain>) {
        let mut ending = Ending::default();
        let drains: HashMap<_, _> = roles.iter().map(|role| (*role, Drain::new(Duration::from_secs(5)))).collect();
        for role in roles {
            ending.started(role, drains[role].clone());
        }
        (ending, drains)
    }

    fn drained(drains: &HashMap<&'static str, Drain>) -> Vec<&'static str> {
        let mut told: Vec<_> = drains.iter().filter(|(_, drain)| drain.is_draining()).map(|(role, _)| *role).collect();
        told.sort_unstable();
        told
    }

    #[test]
    fn who_serves_calls_is_told_after_the_last_call_and_the_rest_after_that() {
        let (mut ending, drains) =
            process(&["sip-proxy", "sip-cluster", "registrar", "media", "ors", "rq", "frontend", "dialplan", "tenant"]);
        ending.ended("nobody");
        assert!(drained(&drains).is_empty(), "not before the end has begun");
        let deadline = Timestamp::from_millis(6_000);
        ending.begin(deadline);
        assert_eq!(drained(&drains), ["registrar", "sip-cluster", "sip-proxy"]);
        ending.ended("registrar");
        assert_eq!(drained(&drains).len(), 3);
        ending.ended("sip-cluster");
        assert_eq!(drained(&drains), ["media", "ors", "registrar", "rq", "sip-cluster", "sip-proxy"]);
        for role in ["media", "sip-proxy", "ors"] {
            ending.ended(role);
            assert_eq!(drained(&drains).len(), 6, "rq still runs");
        }
        ending.ended("rq");
        assert_eq!(drained(&drains).len(), 9);
        assert!(drains.values().all(|drain| drain.deadline() == Some(deadline)), "one deadline for all");
    }

    #[test]
    fn a_role_alone_in_its_process_waits_for_nobody() {
        let (mut ending, drains) = process(&["ors", "frontend"]);
        ending.begin(Timestamp::from_millis(6_000));
        assert_eq!(drained(&drains), ["ors"]);
        ending.ended("ors");
        assert_eq!(drained(&drains), ["frontend", "ors"]);
    }

    #[test]
    fn every_role_is_told_at_last() {
        let roles = ["sip-proxy", "sip-cluster", "registrar", "media", "ors", "rq", "frontend", "config", "tenant"];
        let (mut ending, drains) = process(&roles);
        ending.begin(Timestamp::from_millis(6_000));
        // Each drained role ends; continue while further roles are drained.
        let mut gone: Vec<&str> = Vec::new();
        while let Some(next) = drained(&drains).into_iter().find(|role| !gone.contains(role)) {
            gone.push(next);
            ending.ended(next);
        }
        assert_eq!(gone.len(), roles.len());
    }
}
