//! Phones without call waiting: their records say whether they are in a call, so that dialplan finds them busy.
//!
//! A phone is in a call while a party of any call is on its DN: one that rings, talks, holds or observes. The record changes in the commit
//! that takes the fact in, thus with the state of the agent there: whom the agent's state calls free is free at the phone, too.

use model::Dn;

use super::handler::TenantAgents;
use crate::phone_settings;

impl TenantAgents {
    /// Notes it for the DNs that calls have come to, or left.
    pub(super) fn note_in_calls(&mut self) {
        for dn in self.addresses.take_turned() {
            self.note_whether_in_call(&dn);
        }
    }

    /// Notes whether a phone is in a call, if it has no call waiting.
    pub(super) fn note_whether_in_call(&mut self, dn: &Dn) {
        let in_call = self.addresses.on(dn).len() > 0;
        let noted = self.phones.get(dn).is_some_and(|phone| phone.record.in_call);
        if in_call == noted || !self.people.lacks_call_waiting(dn) || phone_settings::key(dn).is_none() {
            return;
        }
        let phone = self.phones.entry(dn.clone()).or_default();
        phone.record.in_call = in_call;
        phone.unwritten.get_or_insert_default();
    }
}

#[cfg(test)]
mod tests;
