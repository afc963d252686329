//! Contacts that the registrar may keep from before: a call would come by them too, or in vain, so the next request removes them.

use model::Timestamp;

use super::answer::names;
use super::round::Round;
use super::{Goal, OwnRegistration, Problem, RegistrationPhase};
use crate::message::Message;

/// Contacts that are remembered because they may be registered; older ones end by themselves.
const UNSURE_MAX: usize = 4;

impl OwnRegistration {
    /// The Contacts that the registrar knows or may know.
    pub(super) fn known(&self, now: Timestamp) -> Vec<&str> {
        let mut known: Vec<&str> = Vec::new();
        for (contact, until) in self.bound.iter().chain(&self.unsure) {
            if *until > now && !known.contains(&contact.as_str()) {
                known.push(contact.as_str());
            }
        }
        known
    }

    /// It is not known what has become of a request: its Contact may be registered, for as long as was asked.
    pub(super) fn doubt(&mut self, contact: String, now: Timestamp) {
        self.unsure.retain(|(known, until)| *known != contact && *until > now);
        if self.unsure.len() >= UNSURE_MAX {
            self.unsure.remove(0);
        }
        self.unsure.push((contact, now + self.expires));
    }

    /// Looks for Contacts at other edges of ours among those that the registrar keeps: who had the account before us has left them, and each call
    /// would come by both. Whether they are removed at once: after a request that has removed some already that waits for the next refresh, since
    /// the registrar may keep them in spite of it.
    pub(super) fn find_left(&mut self, response: &Message, round: &Round, edges: &[&str], now: Timestamp) -> bool {
        for edge in edges {
            let contact = self.account.contact_at(edge);
            if contact != round.contact && names(response, &contact) {
                self.doubt(contact, now);
            }
        }
        !self.unsure.is_empty() && !round.removes_others() && !round.is_alone
    }

    /// Whether the registrar may have refused a request because it ends former Contacts: some take one Contact alone.
    pub(super) fn may_mind_former(&self, problem: Problem) -> bool {
        self.goal == Goal::Registered && matches!(problem, Problem::Refused | Problem::Forbidden)
    }

    /// Registers the present Contact without a word of former ones, which end by themselves.
    pub(super) fn register_alone(&mut self, now: Timestamp) {
        self.unsure.clear();
        self.phase = match self.round(true, now) {
            Some(round) => RegistrationPhase::Ready(Box::new(round)),
            None => RegistrationPhase::Cut,
        };
    }
}
