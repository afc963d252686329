//! Supervisors that monitor calls of agents: rung once for each call that an agent has answered.

use std::collections::{BTreeSet, HashMap};

use call::CallSnapshot;
use call::call::{LegProgress, Stage};
use model::request::MonitorType;
use model::{ConnId, Dn, ReferenceId, Request, RequestKind, TenantId, Timestamp, UserData};

use crate::monitors::Monitor;
use crate::sip_cluster::node::Node;
use crate::sip_cluster::node::faults::Doing;

/// The requester of what the node itself asks for.
const REQUESTER: &str = "sip-cluster";

/// How many calls beyond twice those that are here are remembered until the ended ones are forgotten.
const DONE_SPARE: usize = 64;

/// The supervisors of the tenants that have calls here.
#[derive(Debug, Default)]
pub struct Monitors {
    of: HashMap<TenantId, Vec<Monitor>>,
    /// The calls for which a supervisor was rung, or is not to be.
    done: HashMap<ConnId, BTreeSet<u64>>,
    /// The calls that another node or process had before.
    inherited: HashMap<ConnId, Inherited>,
}

/// A call that another node or process had before.
#[derive(Debug)]
struct Inherited {
    /// Since when it is here.
    since: Timestamp,
    /// Whose phones had answered by then.
    answered: Vec<Dn>,
    /// Who was being rung just then: others still wait.
    rung: Option<Rung>,
}

/// A supervisor who is being rung.
#[derive(Debug)]
struct Rung {
    supervisor: Dn,
    /// Whose part in the call it is to monitor.
    of: Option<Dn>,
}

impl Monitors {
    fn is_done(&self, conn_id: ConnId, id: u64) -> bool {
        self.done.get(&conn_id).is_some_and(|ids| ids.contains(&id))
    }

    /// Whether who had the call before has rung this supervisor, or was not to. `all` are those of its tenant.
    fn was_done(&self, conn_id: ConnId, monitor: &Monitor, all: &[Monitor]) -> bool {
        self.inherited.get(&conn_id).is_some_and(|inherited| {
            let is_older = monitor.id < inherited.since.as_micros() && inherited.answered.contains(&monitor.dn);
            is_older && !inherited.rung.as_ref().is_some_and(|rung| rung.is_before(monitor, all))
        })
    }
}

impl Rung {
    /// Whether another supervisor may still have waited behind this one: they are rung in the order in which they began. A supervisor without a
    /// record asked for this call only, and may have been before all of them.
    fn is_before(&self, other: &Monitor, all: &[Monitor]) -> bool {
        let is_it = |monitor: &&Monitor| monitor.supervisor == self.supervisor && Some(&monitor.dn) == self.of.as_ref();
        other.supervisor != self.supervisor && all.iter().find(is_it).is_none_or(|own| own.id < other.id)
    }
}

impl Node {
    /// The tenants that have calls here.
    pub fn tenants(&self) -> BTreeSet<TenantId> {
        let tenants: BTreeSet<&TenantId> = self.calls.values().map(|entry| &entry.tenant).collect();
        tenants.into_iter().cloned().collect()
    }

    /// The supervisors of a tenant have been read again.
    pub fn monitors_read(&mut self, tenant: &TenantId, monitors: Vec<Monitor>, now: Timestamp) {
        let before = self.monitors.of.get(tenant).map(Vec::as_slice).unwrap_or_default();
        if monitors == before {
            return;
        }
        let is_new = |monitor: &&Monitor| before.iter().all(|known| known.id != monitor.id);
        let new: Vec<Monitor> = monitors.iter().filter(is_new).cloned().collect();
        let threads: Vec<ConnId> =
            self.calls.iter().filter(|(_, entry)| entry.tenant == *tenant).map(|(thread, _)| *thread).collect();
        for entry in threads.iter().filter_map(|thread| self.calls.get(thread)) {
            for (monitor, call) in new.iter().flat_map(|monitor| entry.thread.calls().map(move |call| (monitor, call)))
            {
                // Only the calls that come are meant. The number of a monitor is the time when it began.
                let came_before = call.created_at.as_micros() < monitor.id && is_answered_at(call, monitor);
                if monitor.kind != MonitorType::Current && came_before {
                    self.monitors.done.entry(call.conn_id).or_default().insert(monitor.id);
                }
            }
        }
        if monitors.is_empty() {
            self.monitors.of.remove(tenant);
        } else {
            self.monitors.of.insert(tenant.clone(), monitors);
        }
        // Only calls of agents who are newly monitored: with thousands of calls, all of them would be much to write.
        let concerns = |thread: &ConnId| {
            let calls = self.calls.get(thread).into_iter().flat_map(|entry| entry.thread.calls());
            calls.into_iter().any(|call| new.iter().any(|monitor| is_answered_at(call, monitor)))
        };
        let concerned: Vec<ConnId> = threads.into_iter().filter(concerns).collect();
        for thread in concerned {
            self.attempt(Doing::OtherInput("monitoring"), now, |node| node.call_changed(thread, now));
        }
    }

    /// The request that rings a supervisor for whom a call of the thread is meant; the others follow when that one has answered.
    pub(super) fn next_monitoring(&mut self, thread: ConnId, now: Timestamp) -> Option<Request> {
        let entry = self.calls.get(&thread)?;
        let monitors = self.monitors.of.get(&entry.tenant)?;
        let is_due = |monitor: &&Monitor, call: &CallSnapshot| {
            monitor.until > now
                && is_answered_at(call, monitor)
                && call.party_at(&monitor.supervisor).is_none()
                && !self.monitors.is_done(call.conn_id, monitor.id)
                && !self.monitors.was_done(call.conn_id, monitor, monitors)
        };
        let is_free = |call: &&CallSnapshot| call.invitation.is_none() && call.transfer.is_none();
        let due = entry
            .thread
            .calls()
            .filter(is_free)
            .find_map(|call| Some((call.conn_id, monitors.iter().find(|monitor| is_due(monitor, call))?.clone())));
        let (conn_id, monitor) = due?;
        let request = Request {
            tenant: entry.tenant.clone(),
            requester: REQUESTER.to_owned(),
            reference: ReferenceId(0),
            this_dn: monitor.supervisor,
            kind: RequestKind::MonitorCall(conn_id, monitor.dn, monitor.mode),
            reasons: UserData::new(),
            extensions: UserData::new(),
        };
        self.monitors.done.entry(conn_id).or_default().insert(monitor.id);
        self.forget_ended();
        Some(request)
    }

    /// The thread comes from another node or process, which has rung the supervisors of those who have answered.
    pub(in crate::sip_cluster::node) fn inherit_monitoring(&mut self, thread: ConnId, now: Timestamp) {
        let Some(entry) = self.calls.get(&thread) else { return };
        for call in entry.thread.calls() {
            let answered = call.parties.iter().filter(|party| party.established && party.observes.is_none());
            let answered = answered.filter_map(|party| party.dn().cloned()).collect();
            let rung = call.invitation.as_ref().filter(|open| open.monitors.is_some()).map(|open| Rung {
                supervisor: open.asked.this_dn.clone(),
                of: call.party(open.by).and_then(|party| party.dn().cloned()),
            });
            self.monitors.inherited.insert(call.conn_id, Inherited { since: now, answered, rung });
        }
        self.forget_ended();
    }

    fn forget_ended(&mut self) {
        let (calls, most) = (&self.calls, 2 * self.calls.len() + DONE_SPARE);
        if self.monitors.done.len() > most {
            self.monitors.done.retain(|conn_id, _| calls.thread_of(*conn_id).is_some());
        }
        if self.monitors.inherited.len() > most {
            self.monitors.inherited.retain(|conn_id, _| calls.thread_of(*conn_id).is_some());
        }
    }
}

/// Whether the agent is a party of the call, which has been answered.
fn is_answered_at(call: &CallSnapshot, monitor: &Monitor) -> bool {
    let party = call.party_at(&monitor.dn).filter(|party| party.observes.is_none() && party.established);
    call.stage == Stage::Talking && party.is_some_and(|party| party.progress == LegProgress::Answered)
}
