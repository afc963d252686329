//! Messages that wait until the ledger has named the owner of their call.

use std::collections::HashMap;

use infra::CallIndex;
use model::TenantId;
use sip::{ConnectionId, Message, Method};

use crate::sip_cluster::limits::{FINDING_MAX, FINDING_OF_CALL_MAX, FINDING_OF_TENANT_MAX};

/// The messages.
#[derive(Default)]
pub struct HeldMessages {
    /// By the call that is looked up for them.
    calls: HashMap<CallIndex, OfCall>,
    /// The same call, by our tag in the dialog of a REFER that waits: what follows the REFER in its dialog must not overtake it.
    refers: HashMap<String, CallIndex>,
}

/// The messages for which a call is looked up in order of arrival, each with the connection that it came by.
struct OfCall {
    tenant: TenantId,
    messages: Vec<(Message, ConnectionId)>,
}

impl HeldMessages {
    /// Whether a message may wait: too many of one call or of one tenant leave no room for those of others.
    pub fn have_room(&self, tenant: &TenantId, named: &CallIndex) -> bool {
        let (mut all, mut of_tenant) = (0, 0);
        for of_call in self.calls.values() {
            all += of_call.messages.len();
            of_tenant += if of_call.tenant == *tenant { of_call.messages.len() } else { 0 };
        }
        let of_call = self.calls.get(named).map_or(0, |of_call| of_call.messages.len());
        all < FINDING_MAX && of_tenant < FINDING_OF_TENANT_MAX && of_call < FINDING_OF_CALL_MAX
    }

    /// Holds a message; returns whether it is the first of its call, whose owner must be looked up.
    pub fn hold(&mut self, tenant: &TenantId, named: &CallIndex, message: Message, link: ConnectionId) -> bool {
        if message.method() == Method::Refer
            && let Some(tag) = message.to().ok().and_then(|to| to.tag().map(str::to_owned))
        {
            self.refers.entry(tag).or_insert_with(|| named.clone());
        }
        let new = || OfCall { tenant: tenant.clone(), messages: Vec::new() };
        let waiting = &mut self.calls.entry(named.clone()).or_insert_with(new).messages;
        waiting.push((message, link));
        waiting.len() == 1
    }

    /// The call for which a REFER waits in the dialog that has this tag of ours.
    pub fn refer_in(&self, tag: &str) -> Option<&CallIndex> {
        self.refers.get(tag)
    }

    /// Whether messages of that call wait.
    pub fn has(&self, named: &CallIndex) -> bool {
        self.calls.contains_key(named)
    }

    /// Takes the messages of a call whose lookup is done.
    pub fn take(&mut self, named: &CallIndex) -> Vec<(Message, ConnectionId)> {
        self.refers.retain(|_, waits_for| waits_for != named);
        self.calls.remove(named).map(|of_call| of_call.messages).unwrap_or_default()
    }

    /// How many calls are being looked up.
    #[cfg(test)]
    pub fn lookups(&self) -> usize {
        self.calls.len()
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
