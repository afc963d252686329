//! Contacts that the registrar may keep from before: a call would come by them too, or in vain, so the next request removes them. They are removed
//! as the registrar has them (RFC 3261 §10.2.2): another port or transport is another Contact.

use std::time::Duration;

use model::Timestamp;

use super::answer::{listed, retry_after};
use super::back_off::AT_ONCE;
use super::round::{Aim, Round};
use super::{EdgeAddresses, Goal, OwnRegistration, Problem, RegistrationPhase};
use crate::message::Message;
use crate::status::StatusCode;
use crate::uri::{Uri, are_one_contact};

/// Contacts that are remembered because they may be registered; older ones end by themselves.
const UNSURE_MAX: usize = 4;
/// How often former Contacts are ended by a request of their own at most: a registrar that is in trouble gets three requests then, not one.
pub(super) const APART_EACH: Duration = Duration::from_secs(60);

impl OwnRegistration {
    /// The URI of the Contact that the registrar keeps, as it has it.
    pub fn kept_contact(&self) -> Option<&str> {
        self.bound.as_ref().map(|bound| bound.contact.as_str())
    }

    /// Who had the account before us has left this Contact at the registrar: it is ended, unless it leads to the present edge, where it is ours.
    pub fn handle_left(&mut self, contact: String, now: Timestamp) {
        let is_present = self.edge.as_ref().is_some_and(|edge| self.leads_to(edge, &contact));
        // The trunk may have got another user since.
        if is_present || !contact.starts_with(&self.account.contact_at("")) {
            return;
        }
        if matches!(self.phase, RegistrationPhase::Ready(_) | RegistrationPhase::Asked(_)) {
            self.left = Some(contact);
            return;
        }
        self.doubt(contact, now);
        let soon = now + self.jitter(AT_ONCE);
        let is_registered = self.is_registered(now);
        if let RegistrationPhase::Waiting { due } = &mut self.phase
            && is_registered
        {
            *due = soon.max(self.not_before).min(*due);
        }
    }

    /// Whether our Contact leads to an edge, by whichever transport and in whichever family.
    pub(super) fn leads_to(&self, edge: &EdgeAddresses, contact: &str) -> bool {
        edge.all_places().any(|place| are_one_contact(&self.account.contact_at(&place), contact))
    }

    /// The Contacts that the registrar knows or may know.
    pub(super) fn known(&self, now: Timestamp) -> Vec<&str> {
        let bound = self.bound.iter().map(|bound| (bound.contact.as_str(), bound.until));
        let unsure = self.unsure.iter().map(|(contact, until)| (contact.as_str(), *until));
        let mut known: Vec<&str> = Vec::new();
        for (contact, until) in bound.chain(unsure) {
            if until > now && !known.iter().any(|other| are_one_contact(other, contact)) {
                known.push(contact);
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

    /// Looks for Contacts at edges of ours among those that the registrar keeps, whatever transport and family they have: who had the account before
    /// us has left them, or we by another transport, and each call would come by both. Whether they are removed at once: after a request that has
    /// removed some already that waits for the next refresh, since the registrar may keep them in spite of it.
    pub(super) fn find_left(
        &mut self,
        response: &Message,
        round: &Round,
        edges: &[EdgeAddresses],
        now: Timestamp,
    ) -> bool {
        if let Some(left) = self.left.take().filter(|left| !are_one_contact(left, &round.contact)) {
            self.doubt(left, now);
        }
        let places = edges.iter().flat_map(EdgeAddresses::all_places);
        let ours: Vec<String> = places.map(|place| self.account.contact_at(&place)).collect();
        let ours: Vec<Uri<'_>> = ours.iter().filter_map(|uri| Uri::parse(uri).ok()).collect();
        let is_ours = |uri: &Uri<'_>| ours.iter().any(|ours| ours.equivalent(uri));
        for contact in listed(response) {
            if Uri::parse(contact).is_ok_and(|uri| is_ours(&uri)) && !are_one_contact(contact, &round.contact) {
                self.doubt(contact.to_owned(), now);
            }
        }
        round.aim == Aim::Present && !self.unsure.is_empty() && !round.replaces()
    }

    /// Whether the registrar may have refused a request because it ends former Contacts beside the present one: some take one Contact alone, and
    /// one that has no room for another, as Kamailio, says 503. So does one that has no time: if it says for how long, it is believed once.
    pub(super) fn may_mind_former(&self, problem: Problem, response: &Message, now: Timestamp) -> bool {
        let last = self.last.as_ref().and_then(|last| last.answer.as_ref());
        let was_unavailable = last.is_some_and(|(status, _)| *status == StatusCode::SERVICE_UNAVAILABLE.code());
        let is_full = problem == Problem::Unavailable
            && response.status() == Some(StatusCode::SERVICE_UNAVAILABLE)
            && (was_unavailable || retry_after(response).is_none());
        let is_refusal = matches!(problem, Problem::Refused | Problem::Forbidden);
        self.goal == Goal::Registered && self.apart_after <= now && (is_refusal || is_full)
    }

    /// Ends former Contacts by a request of their own; the present one follows.
    pub(super) fn end_former(&mut self, now: Timestamp) {
        self.apart_after = now + APART_EACH;
        let aim = if self.round(Aim::Former, now).is_some() { Aim::Former } else { Aim::Alone };
        self.begin(aim, now);
    }

    /// The registrar has ended former Contacts: it has room for the present one.
    pub(super) fn former_ended(&mut self, round: &Round, now: Timestamp) {
        self.bound.take_if(|bound| round.ends(&bound.contact));
        self.unsure.clear();
        self.go_on_alone(now);
    }

    /// Registers the present Contact without a word of former ones. Those that the registrar would not end do so by themselves.
    pub(super) fn go_on_alone(&mut self, now: Timestamp) {
        match self.goal {
            Goal::Registered => self.begin(Aim::Alone, now),
            Goal::Removed => self.begin(Aim::Removal, now),
        }
    }
}
