//! Details for rq of calls that wait for an agent or were routed: where they wait, their data, and their end.

use std::collections::BTreeSet;

use call::CallSnapshot;
use call::call::Stage;
use contracts::v1;
use contracts::wire::{call_ref_to_wire, user_data_to_wire};
use model::event::{CallRef, Stamped};
use model::{ConnId, EventName, Subject, TenantId, Timestamp};

use super::call::{Entry, LastSent};
use crate::sip_cluster::node::Node;
use crate::sip_cluster::node::faults::Doing;
use crate::sip_cluster::node::order::Order;

impl LastSent {
    /// What rq must know of a call that was told so far; `None` for a call that is over.
    fn present(call: Option<&CallSnapshot>, told: &Self) -> Self {
        match call.map(|call| &call.stage) {
            Some(Stage::Waiting(waiting)) => Self::WaitsAt(waiting.point.dn.clone()),
            _ if *told == Self::Nothing => Self::Nothing,
            None | Some(Stage::Over) => Self::Ended,
            Some(_) => Self::Left,
        }
    }
}

impl Node {
    /// Sends rq the changes of a call, after the commit.
    pub(in crate::sip_cluster::node) fn tell_routing(&mut self, conn_id: ConnId) {
        let Some(entry) = self.calls.get_mut(&conn_id) else { return };
        let known = entry.told.keys().copied();
        let calls: BTreeSet<ConnId> = entry.thread.calls().map(|call| call.conn_id).chain(known).collect();
        for call in calls {
            let told = entry.told.get(&call).cloned().unwrap_or_default();
            let present = LastSent::present(entry.thread.call(call), &told);
            let is_new_data = |fact: &Stamped| {
                fact.event.name == EventName::AttachedDataChanged && fact.id.subject == Subject::Call(call)
            };
            let same = present == told && (present == LastSent::Ended || !entry.events.iter().any(is_new_data));
            if present == LastSent::Nothing || same {
                continue;
            }
            entry.told.insert(call, present);
            if let Some(details) = details(entry, call) {
                let details = Box::new(details);
                self.orders.push_back(Order::TellRouting { tenant: entry.tenant.clone(), conn_id: call, details });
            }
        }
    }

    /// rq may have restarted: sends it every call of the tenant that concerns it.
    pub fn tell_routing_again(&mut self, tenant: &TenantId, now: Timestamp) {
        self.attempt(Doing::OtherInput("a new rq"), now, |node| node.tell_routing_of_all(tenant));
    }

    fn tell_routing_of_all(&mut self, tenant: &TenantId) {
        let of_tenant = self.calls.values().filter(|entry| entry.tenant == *tenant);
        let told = of_tenant.flat_map(|entry| entry.told.iter().map(move |(call, told)| (entry, *call, told)));
        for (entry, conn_id, told) in told {
            if let (LastSent::WaitsAt(_) | LastSent::Left, Some(details)) = (told, details(entry, conn_id)) {
                let (tenant, details) = (tenant.clone(), Box::new(details));
                self.orders.push_back(Order::TellRouting { tenant, conn_id, details });
            }
        }
    }
}

/// The details of a call as told; of a consultation that is over, the id is what rq needs.
fn details(entry: &Entry, conn_id: ConnId) -> Option<v1::CallDetails> {
    let told = entry.told.get(&conn_id)?;
    let waits_at = match told {
        LastSent::WaitsAt(point) => Some(point.to_string()),
        _ => None,
    };
    let state = entry.thread.call(conn_id);
    let call_ref = state.map_or_else(|| CallRef { conn_id, ..entry.thread.first().call_ref() }, CallSnapshot::call_ref);
    Some(v1::CallDetails {
        call: Some(call_ref_to_wire(&call_ref)),
        waits_at,
        user_data: Some(state.map(|state| user_data_to_wire(&state.user_data)).unwrap_or_default()),
        ended: *told == LastSent::Ended,
    })
}
