//! Who is in a call together: facts name the other one only while there is a single one.

use model::request::MonitorMode;
use model::{ConnId, Dn, DnRole, Event};

use super::{CallThread, Party};

/// In facts of a supervisor's phone: how it monitors.
const MONITOR_MODE: &str = "MonitorMode";

impl CallThread {
    /// The party of an event is in the call from now on: it has met those who are heard there, and they have met it if
    /// they hear it.
    pub(super) fn gather(&mut self, conn_id: ConnId, event: &Event) {
        let Some(new) = event.this_dn.as_ref().map(Dn::as_str) else { return };
        let is_here = self.connected(conn_id).any(|party| party.dn == new);
        if !is_here {
            return;
        }
        let observes = event.this_role == Some(DnRole::Observer);
        let mut company = self.heard(conn_id);
        // A supervisor's event names the one that it monitors, any other one a single other party.
        if observes || event.other_dn.is_none() {
            company.extend(self.outside(conn_id));
        }
        let is_heard = !observes || speaks_to_all(event);
        for party in self.parties.iter_mut().filter(|party| party.conn_id == conn_id && party.is_connected()) {
            if party.dn == new {
                company.iter().for_each(|other| party.meet(Some(other.as_str())));
            } else if is_heard {
                party.meet(Some(new));
            }
        }
    }

    fn connected(&self, conn_id: ConnId) -> impl Iterator<Item = &Party> {
        self.parties.iter().filter(move |party| party.conn_id == conn_id && party.is_connected())
    }

    /// The DNs of those who are in a call and are heard there. A supervisor is one of them if the others have met it.
    fn heard(&self, conn_id: ConnId) -> Vec<String> {
        let is_known = |dn: &str| self.connected(conn_id).any(|party| party.others.iter().any(|other| other == dn));
        let is_heard = |party: &&Party| party.role != Some(DnRole::Observer) || is_known(&party.dn);
        self.connected(conn_id).filter(is_heard).map(|party| party.dn.clone()).collect()
    }

    /// The numbers outside that those in a call have met: phones and queues of the tenant have facts of their own.
    fn outside(&self, conn_id: ConnId) -> Vec<String> {
        let is_outside = |number: &&String| !self.parties.iter().any(|party| party.dn == **number);
        self.connected(conn_id).flat_map(|party| &party.others).filter(is_outside).cloned().collect()
    }
}

fn speaks_to_all(event: &Event) -> bool {
    event.extensions.text(MONITOR_MODE) == Some(MonitorMode::Connect.as_str())
}
