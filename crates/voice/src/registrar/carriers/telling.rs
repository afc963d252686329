//! What operators are told about registrations with carriers: the log, metrics, and the rows on the admin port.

use std::collections::BTreeMap;

use contracts::carrier_registration::CarrierRegistration;
use model::{TenantId, Timestamp};
use sip::own_registration::{RegistrationStatus, State};
use tracing::{info, warn};

use super::ways::HeldWay;
use super::{Carriers, HeldRegistration};
use crate::registrar::metrics::Metrics;

impl Carriers {
    /// Tells of the registrations to which something has happened, and drops those that are over.
    pub(super) fn tell(&mut self, now: Timestamp) {
        let mut is_one_over = false;
        for number in std::mem::take(&mut self.touched) {
            let Some(held) = self.held.get_mut(&number) else { continue };
            if held.tell(&self.metrics, now) {
                self.changed.insert(held.tenant.clone());
            }
            if held.registration.is_over() {
                self.changed.insert(held.tenant.clone());
                self.asked.remove(&held.asked);
                self.held.remove(&number);
                is_one_over = true;
            }
        }
        if is_one_over {
            // There is room for trunks that were left out, or that waited for a removal.
            self.look(now);
        }
        if !self.changed.is_empty() {
            self.publish(now);
        }
    }

    fn publish(&mut self, now: Timestamp) {
        let changed = std::mem::take(&mut self.changed).into_iter();
        let mut rows: BTreeMap<TenantId, Vec<CarrierRegistration>> =
            changed.map(|tenant| (tenant, Vec::new())).collect();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for held in self.held.values().filter(|held| held.is_wanted) {
            let state = held.told.as_ref().map_or(State::Trying, |(state, ..)| *state);
            *counts.entry(state.as_str()).or_default() += 1;
            if let Some(rows) = rows.get_mut(&held.tenant) {
                rows.push(row(held, held.registration.status(now)));
            }
        }
        for state in State::ALL {
            self.metrics.trunks(*state, counts.get(state.as_str()).copied().unwrap_or_default());
        }
        self.told.publish(rows);
    }
}

impl HeldRegistration {
    /// Tells what is new about it; whether anything is.
    fn tell(&mut self, metrics: &Metrics, now: Timestamp) -> bool {
        let RegistrationStatus { state, registered_until, last, next_try, asked_since } = self.registration.status(now);
        let told = Some((state, last.clone(), asked_since));
        if self.told == told {
            return false;
        }
        let before = std::mem::replace(&mut self.told, told);
        let problem = last.as_ref().and_then(|last| last.problem);
        // The end of a registration is no further attempt.
        let is_new = before.as_ref().is_none_or(|(_, told, _)| *told != last);
        if problem.is_some() && is_new {
            metrics.trunk_failed();
        }
        let known = before.map(|(state, last, _)| (state, last.and_then(|last| last.problem)));
        if known == Some((state, problem)) {
            return true;
        }
        let (tenant, trunk) = (&self.tenant, &self.trunk);
        let seconds = |at: Option<Timestamp>| at.map(|at| at.since(now).as_secs());
        match problem {
            Some(problem) => {
                let answer = last.and_then(|last| last.answer).map(in_line).unwrap_or_default();
                let (why, again_in_s) = (problem.in_words(), seconds(next_try));
                warn!(%tenant, trunk, answer, why, "do" = problem.remedy(), again_in_s, "no registration with the carrier");
            }
            None if state == State::Registered => {
                info!(%tenant, trunk, for_s = seconds(registered_until), "registered with the carrier");
            }
            None => {}
        }
        true
    }
}

fn row(held: &HeldRegistration, status: RegistrationStatus) -> CarrierRegistration {
    let RegistrationStatus { state, registered_until, last, next_try, asked_since } = status;
    let way = Some(&held.way).filter(|_| registered_until.is_some());
    let (account, problem) = (held.registration.account(), last.as_ref().and_then(|last| last.problem));
    CarrierRegistration {
        trunk: held.trunk.clone(),
        registrar: account.registrar.clone(),
        user: account.user.clone(),
        state: state.as_str().to_owned(),
        registered_until_ms: registered_until.map(Timestamp::as_millis),
        last_at_ms: last.as_ref().map(|last| last.at.as_millis()),
        last_answer: last.and_then(|last| last.answer).map(in_line),
        problem: problem.map(|problem| problem.in_words().to_owned()),
        remedy: problem.map(|problem| problem.remedy().to_owned()),
        next_try_ms: next_try.map(Timestamp::as_millis),
        asked_since_ms: asked_since.map(Timestamp::as_millis),
        service_route: way.map(|way| way.followed().to_vec()).unwrap_or_default(),
        service_route_fault: way.and_then(HeldWay::fault).map(|why| why.in_words().to_owned()),
    }
}

fn in_line((status, phrase): (u16, String)) -> String {
    format!("{status} {phrase}")
}
