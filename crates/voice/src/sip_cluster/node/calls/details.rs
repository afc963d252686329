//! Details for rq of calls that wait for an agent or were routed: where they wait, their data, and their end.

use contracts::v1;
use contracts::wire::{call_ref_to_wire, user_data_to_wire};
use model::{ConnId, EventName, TenantId, Timestamp};

use super::call::{Entry, LastSent};
use crate::sip_cluster::node::Node;
use crate::sip_cluster::node::faults::Doing;
use crate::sip_cluster::node::order::Order;

impl LastSent {
    fn present(entry: &Entry) -> Self {
        use call::call::Stage;
        match &entry.call.state().stage {
            Stage::Waiting(waiting) => Self::WaitsAt(waiting.point.dn.clone()),
            _ if entry.told == Self::Nothing => Self::Nothing,
            Stage::Over => Self::Ended,
            _ => Self::Left,
        }
    }
}

impl Node {
    /// Sends rq the changes of a call, after the commit.
    pub(in crate::sip_cluster::node) fn tell_routing(&mut self, conn_id: ConnId) {
        let Some(entry) = self.calls.get_mut(&conn_id) else { return };
        let present = LastSent::present(entry);
        let data_changed = || entry.events.iter().any(|fact| fact.event.name == EventName::AttachedDataChanged);
        if present == LastSent::Nothing || (present == entry.told && (present == LastSent::Ended || !data_changed())) {
            return;
        }
        entry.told = present;
        let order = Order::TellRouting { tenant: entry.tenant.clone(), conn_id, details: Box::new(details(entry)) };
        self.orders.push_back(order);
    }

    /// rq may have restarted: sends it every call of the tenant that concerns it.
    pub fn tell_routing_again(&mut self, tenant: &TenantId, now: Timestamp) {
        self.attempt(Doing::OtherInput("a new rq"), now, |node| node.tell_routing_of_all(tenant));
    }

    fn tell_routing_of_all(&mut self, tenant: &TenantId) {
        for (conn_id, entry) in self.calls.iter() {
            if entry.tenant == *tenant && matches!(entry.told, LastSent::WaitsAt(_) | LastSent::Left) {
                let (tenant, conn_id) = (tenant.clone(), *conn_id);
                self.orders.push_back(Order::TellRouting { tenant, conn_id, details: Box::new(details(entry)) });
            }
        }
    }
}

fn details(entry: &Entry) -> v1::CallDetails {
    let state = entry.call.state();
    let waits_at = match &entry.told {
        LastSent::WaitsAt(point) => Some(point.to_string()),
        _ => None,
    };
    v1::CallDetails {
        call: Some(call_ref_to_wire(&state.call_ref())),
        waits_at,
        user_data: Some(user_data_to_wire(&state.user_data)),
        ended: entry.told == LastSent::Ended,
    }
}
