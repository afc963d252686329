//! The order in which a process's roles end: first those that own calls, then those that a call needs, then the rest.
//! Each role declares its place in it ([`Drains`]).

use model::Timestamp;

use crate::drain::Drain;
use crate::spec::{Drains, RoleSpec};

/// The running roles of a process, and those that are not drained yet.
#[derive(Default)]
pub struct Ending {
    running: Vec<&'static RoleSpec>,
    waiting: Vec<(&'static RoleSpec, Drain)>,
    deadline: Option<Timestamp>,
}

impl Ending {
    /// A replica of a role has been started.
    pub fn started(&mut self, role: &'static RoleSpec, drain: Drain) {
        self.running.push(role);
        self.waiting.push((role, drain));
    }

    /// A replica of a role has ended.
    pub fn ended(&mut self, role: &str) {
        if let Some(one) = self.running.iter().position(|spec| spec.name == role) {
            self.running.swap_remove(one);
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
        let runs = |drains: &Drains| running.iter().any(|spec| spec.drains == *drains);
        self.waiting.retain(|(role, drain)| {
            let waits = role.drains.waits_for().iter().any(runs);
            if !waits {
                drain.begin_until(deadline);
            }
            waits
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use super::*;

    const fn role(name: &'static str, drains: Drains) -> RoleSpec {
        RoleSpec { drains, ..RoleSpec::bare(name, 1) }
    }

    static TABLE: [RoleSpec; 10] = [
        role("sip-proxy", Drains::Signalling),
        role("sip-cluster", Drains::CallOwner),
        role("registrar", Drains::Signalling),
        role("media", Drains::CallService),
        role("ors", Drains::CallService),
        role("rq", Drains::CallService),
        role("frontend", Drains::Last),
        role("dialplan", Drains::Last),
        role("config", Drains::Last),
        role("tenant", Drains::Last),
    ];

    fn process(roles: &[&'static str]) -> (Ending, HashMap<&'static str, Drain>) {
        let mut ending = Ending::default();
        let drains: HashMap<_, _> = roles.iter().map(|role| (*role, Drain::new(Duration::from_secs(5)))).collect();
        for role in roles {
            let spec = TABLE.iter().find(|spec| spec.name == *role).unwrap();
            ending.started(spec, drains[role].clone());
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
