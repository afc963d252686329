//! Messages that wait until the ledger has named the owner of their call.

use std::collections::HashMap;

use infra::CallIndex;
use model::TenantId;
use sip::{ConnectionId, Message};

use crate::sip_cluster::limits::{FINDING_MAX, FINDING_OF_CALL_MAX, FINDING_OF_TENANT_MAX};

/// The messages, by their call.
#[derive(Default)]
pub struct HeldMessages(HashMap<CallIndex, OfCall>);

/// The messages of a call in order of arrival, each with the connection that it came by.
struct OfCall {
    tenant: TenantId,
    messages: Vec<(Message, ConnectionId)>,
}

impl HeldMessages {
    /// Whether a message may wait: too many of one call or of one tenant leave no room for those of others.
    pub fn have_room(&self, tenant: &TenantId, named: &CallIndex) -> bool {
        let (mut all, mut of_tenant) = (0, 0);
        for of_call in self.0.values() {
            all += of_call.messages.len();
            of_tenant += if of_call.tenant == *tenant { of_call.messages.len() } else { 0 };
        }
        let of_call = self.0.get(named).map_or(0, |of_call| of_call.messages.len());
        all < FINDING_MAX && of_tenant < FINDING_OF_TENANT_MAX && of_call < FINDING_OF_CALL_MAX
    }

    /// Holds a message; returns whether it is the first of its call, whose owner must be looked up.
    pub fn hold(&mut self, tenant: &TenantId, named: &CallIndex, message: Message, link: ConnectionId) -> bool {
        let new = || OfCall { tenant: tenant.clone(), messages: Vec::new() };
        let waiting = &mut self.0.entry(named.clone()).or_insert_with(new).messages;
        waiting.push((message, link));
        waiting.len() == 1
    }

    /// Whether messages of that call wait.
    pub fn has(&self, named: &CallIndex) -> bool {
        self.0.contains_key(named)
    }

    /// Takes the messages of a call whose lookup is done.
    pub fn take(&mut self, named: &CallIndex) -> Vec<(Message, ConnectionId)> {
        self.0.remove(named).map(|of_call| of_call.messages).unwrap_or_default()
    }

    /// How many calls are being looked up.
    #[cfg(test)]
    pub fn lookups(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use model::ConnId;

    use super::*;

    #[test]
    fn messages_about_one_call_or_of_one_tenant_leave_room_for_others() {
        let [one, two] = ["t1", "t2"].map(|name| TenantId::parse(name).expect("a tenant"));
        let call = |number| CallIndex::Call(ConnId(number));
        let mut held = HeldMessages::default();
        let mut fill = |tenant: &TenantId, number: u64| {
            let mut taken = 0;
            while held.have_room(tenant, &call(number)) {
                let text = "BYE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKa\r\nContent-Length: 0\r\n\r\n";
                let message = Message::parse(text.into()).expect("a message");
                assert_eq!(held.hold(tenant, &call(number), message, ConnectionId(1)), taken == 0);
                taken += 1;
            }
            taken
        };
        assert_eq!(fill(&one, 1), FINDING_OF_CALL_MAX);
        assert_eq!(fill(&one, 1), 0);
        let of_tenant: usize = (2..200).map(|number| fill(&one, number)).sum();
        assert_eq!(of_tenant + FINDING_OF_CALL_MAX, FINDING_OF_TENANT_MAX);
        assert_eq!(fill(&two, 1_000), FINDING_OF_CALL_MAX, "another tenant is served");
    }
}
