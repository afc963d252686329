//! Visits: a call on a route point or in a queue, from its entry to its end.

use std::time::Duration;

use model::{CallState, ConnId};

use super::{Fact, Stage, Visit};
use crate::action::Action;
use crate::definition::ObjectType;
use crate::engine::Engine;

impl Engine {
    pub(super) fn waits_at(&self, fact: &Fact<'_>) -> bool {
        let waits = |visit: &Visit| {
            visit.of == ObjectType::RoutePoint && visit.name == fact.dn && matches!(visit.stage, Stage::Waiting(_))
        };
        self.calls.get(&fact.conn_id).is_some_and(|call| call.visits.iter().any(waits))
    }

    pub(super) fn queued(&mut self, fact: &Fact<'_>, of: ObjectType) {
        if of == ObjectType::RoutePoint {
            self.passed_on(fact);
        }
        let Some(call) = self.calls.get_mut(&fact.conn_id) else { return };
        let (entered, is_new) = match call.open_visit(of, fact.dn).and_then(|place| call.visits.get_mut(place)) {
            Some(Visit { stage: Stage::Waiting(_), .. }) => return,
            // The call returns from a target that did not answer: the same visit continues with its age.
            Some(visit) => {
                visit.stage = Stage::Waiting(fact.at);
                (visit.entered, false)
            }
            None => {
                let (name, stage) = (fact.dn.to_owned(), Stage::Waiting(fact.at));
                call.visits.push(Visit { of, name, entered: fact.at, stage });
                (fact.at, true)
            }
        };
        let object = self.store.object(of, fact.dn);
        if is_new {
            self.store.fire(object, Action::CallEntered, Duration::ZERO, fact.at, &fact.facts);
        }
        self.store.begin(object, Action::CallWait, fact.conn_id.0, entered, fact.at);
    }

    /// The call has entered another route point: ends its visits to the points that had sent it on.
    fn passed_on(&mut self, fact: &Fact<'_>) {
        for visit in self.take_visits(fact.conn_id, |visit| {
            visit.of == ObjectType::RoutePoint && visit.name != fact.dn && matches!(visit.stage, Stage::Offered { .. })
        }) {
            let Stage::Offered { at, .. } = visit.stage else { continue };
            let object = self.store.object(visit.of, &visit.name);
            let wait = at.since(visit.entered);
            self.store.fire(object, Action::CallDistributedToQueue, wait, fact.at, &fact.facts);
        }
    }

    pub(super) fn take_visits(&mut self, conn_id: ConnId, wanted: impl Fn(&Visit) -> bool) -> Vec<Visit> {
        let Some(call) = self.calls.get_mut(&conn_id) else { return Vec::new() };
        let (taken, kept) = std::mem::take(&mut call.visits).into_iter().partition(wanted);
        call.visits = kept;
        taken
    }

    pub(super) fn diverted(&mut self, fact: &Fact<'_>, of: ObjectType) {
        let Some(call) = self.calls.get_mut(&fact.conn_id) else { return };
        let Some(place) = call.open_visit(of, fact.dn) else { return };
        let Some(visit) = call.visits.get_mut(place) else { return };
        if !matches!(visit.stage, Stage::Waiting(_)) {
            return;
        }
        let wait = fact.at.since(visit.entered);
        let elsewhere = matches!(fact.event.call_state, Some(CallState::Redirected | CallState::Cleared));
        let action = match &fact.event.third_party_dn {
            Some(to) if !elsewhere => {
                visit.stage = Stage::Offered { at: fact.at, to: to.clone() };
                Action::CallDistributed
            }
            _ => {
                call.visits.remove(place);
                Action::CallCleared
            }
        };
        let object = self.store.object(of, fact.dn);
        self.store.end(object, Action::CallWait, fact.conn_id.0, fact.at, &fact.facts);
        self.store.fire(object, action, wait, fact.at, &fact.facts);
    }

    pub(super) fn gave_up(&mut self, fact: &Fact<'_>, of: ObjectType) {
        let waiting =
            |visit: &Visit| visit.of == of && visit.name == fact.dn && matches!(visit.stage, Stage::Waiting(_));
        for visit in self.take_visits(fact.conn_id, waiting) {
            let object = self.store.object(of, fact.dn);
            self.store.end(object, Action::CallWait, fact.conn_id.0, fact.at, &fact.facts);
            let wait = fact.at.since(visit.entered);
            self.store.fire(object, Action::CallAbandoned, wait, fact.at, &fact.facts);
        }
    }

    /// Whether this phone is the visit's target. Covers the queue that delivered the call, and the virtual queues with it.
    pub(super) fn is_offered(visit: &Visit, fact: &Fact<'_>) -> bool {
        let Stage::Offered { to, .. } = &visit.stage else { return false };
        match visit.of {
            ObjectType::RoutePoint => fact.event.this_queue.as_deref() == Some(visit.name.as_str()),
            _ => fact.event.this_queue.is_some() && to == fact.dn,
        }
    }

    /// The call ended during a visit.
    pub(super) fn visit_over(&mut self, visit: &Visit, fact: &Fact<'_>) {
        let object = self.store.object(visit.of, &visit.name);
        let wait = fact.at.since(visit.entered);
        // The caller hung up or vanished; in every other case the call was turned away.
        let by_caller = matches!(
            fact.event.call_state,
            None | Some(CallState::Ok | CallState::RemoteRelease | CallState::Abandoned | CallState::Dropped)
        );
        match &visit.stage {
            Stage::Waiting(_) => {
                self.store.end(object, Action::CallWait, fact.conn_id.0, fact.at, &fact.facts);
                self.store.fire(object, Action::CallCleared, wait, fact.at, &fact.facts);
            }
            // The target answers automatically: the caller did not wait.
            Stage::Offered { to, .. } if self.services.contains(to) => {}
            // The phone was being called and did not ring yet.
            Stage::Offered { .. } if by_caller => {
                self.store.fire(object, Action::CallAbandoned, wait, fact.at, &fact.facts);
            }
            Stage::Offered { .. } => self.store.fire(object, Action::CallCleared, wait, fact.at, &fact.facts),
            Stage::Talking { since, .. } => {
                self.store.fire(object, Action::CallReleased, fact.at.since(*since), fact.at, &fact.facts);
            }
        }
    }
}
