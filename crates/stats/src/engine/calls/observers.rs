//! Supervisors who monitor calls: what they do, and what is done to those whom they monitor.

use model::EventName;

use super::Fact;
use crate::action::Action;
use crate::definition::ObjectType;
use crate::engine::Engine;

/// The extension that says how a supervisor monitors.
const MONITOR_MODE: &str = "MonitorMode";
/// The mode of one who speaks to the agent alone.
const COACH: &str = "coach";
/// The most supervisors of one call; more than a call takes.
const OBSERVERS_MAX: usize = 16;

/// A supervisor in a call of others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::engine) struct Observer {
    /// Its phone, and the agent there.
    pub(in crate::engine) dn: String,
    pub(in crate::engine) agent: Option<String>,
    /// The monitored phone, and the agent there.
    pub(in crate::engine) of_dn: String,
    pub(in crate::engine) of_agent: Option<String>,
    /// Whether it speaks to that agent alone.
    pub(in crate::engine) coaches: bool,
    pub(in crate::engine) since: model::Timestamp,
}

impl Observer {
    const fn suffers(&self) -> Action {
        if self.coaches { Action::BeingCoached } else { Action::BeingMonitored }
    }
}

impl Engine {
    /// A fact of a supervisor who monitors the call.
    pub(super) fn fold_observer(&mut self, fact: &Fact<'_>) {
        match fact.event.name {
            EventName::Established => self.observes(fact),
            // The answer to a request to monitor otherwise.
            EventName::ACK if self.is_observed_by(fact) => {
                self.observers_leave(fact, |observer| observer.dn == fact.dn);
                self.observes(fact);
            }
            EventName::Released => self.observers_leave(fact, |observer| observer.dn == fact.dn),
            _ => {}
        }
        self.close_if_over(fact.conn_id);
    }

    fn is_observed_by(&self, fact: &Fact<'_>) -> bool {
        self.calls.get(&fact.conn_id).is_some_and(|call| call.observers.iter().any(|one| one.dn == fact.dn))
    }

    fn observes(&mut self, fact: &Fact<'_>) {
        let Some(of_dn) = fact.event.other_dn.clone() else { return };
        let observer = Observer {
            agent: self.agents.at(fact.dn).cloned(),
            of_agent: self.agents.at(&of_dn).cloned(),
            dn: fact.dn.to_owned(),
            of_dn,
            coaches: fact.event.extensions.text(MONITOR_MODE) == Some(COACH),
            since: fact.at,
        };
        let Some(call) = self.calls.get_mut(&fact.conn_id) else { return };
        if call.observers.len() >= OBSERVERS_MAX || call.observers.iter().any(|other| other.dn == observer.dn) {
            return;
        }
        // Of several who do the same to one agent, the first begins it and the last ends it.
        let is_first = !call.observers.iter().any(|other| does_the_same(other, &observer));
        call.observers.push(observer.clone());
        self.observer_begins(fact.conn_id.0, &observer, is_first);
    }

    /// Begins what an observer does, and what is done to the one that it monitors unless another one does it already.
    pub(in crate::engine) fn observer_begins(&mut self, of: u64, observer: &Observer, is_first: bool) {
        for object in self.seat_of(&observer.dn, observer.agent.as_deref()) {
            self.store.begin(object, Action::CallObserving, of, observer.since, observer.since);
        }
        if is_first {
            for object in self.seat_of(&observer.of_dn, observer.of_agent.as_deref()) {
                self.store.begin(object, observer.suffers(), of, observer.since, observer.since);
            }
        }
    }

    pub(super) fn observers_leave(&mut self, fact: &Fact<'_>, leaves: impl Fn(&Observer) -> bool) {
        let Some(call) = self.calls.get_mut(&fact.conn_id) else { return };
        let gone: Vec<Observer> = call.observers.extract_if(.., |observer| leaves(observer)).collect();
        let stay = call.observers.clone();
        let of = fact.conn_id.0;
        for observer in gone {
            for object in self.seat_of(&observer.dn, observer.agent.as_deref()) {
                self.store.end(object, Action::CallObserving, of, fact.at, &fact.facts);
            }
            // Ending twice changes nothing.
            if !stay.iter().any(|other| does_the_same(other, &observer)) {
                for object in self.seat_of(&observer.of_dn, observer.of_agent.as_deref()) {
                    self.store.end(object, observer.suffers(), of, fact.at, &fact.facts);
                }
            }
        }
    }

    /// A phone and the agent at it, as objects.
    fn seat_of(&mut self, dn: &str, agent: Option<&str>) -> Vec<u32> {
        let phone = self.store.object(ObjectType::RegDN, dn);
        let agent = agent.map(|agent| self.store.object(ObjectType::Agent, agent));
        std::iter::once(phone).chain(agent).collect()
    }
}

fn does_the_same(one: &Observer, other: &Observer) -> bool {
    (&one.of_dn, one.coaches) == (&other.of_dn, other.coaches)
}
