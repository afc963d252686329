//! Supervisors that monitor calls of agents: stores them and publishes their events. sip-cluster reads the list and rings them.

use std::time::Duration;

use model::event::ErrorCode;
use model::request::MonitorType;
use model::{Dn, DnRole, Event, EventName, Request, RequestKind, Timestamp};

use super::handler::TenantAgents;
use crate::monitors::{MONITORS_MAX, Monitor};

/// How long a supervisor who wants one call waits for it.
const ONE_CALL: Duration = Duration::from_secs(3_600);
/// How long one who wants all calls gets them: a long shift.
const ALL_CALLS: Duration = Duration::from_secs(12 * 3_600);

type Outcome = Result<(), (ErrorCode, &'static str)>;

impl TenantAgents {
    /// Carries the request out if it is about monitoring. Returns whether it is.
    pub(super) fn monitoring(&mut self, request: &Request, now: Timestamp) -> bool {
        let outcome = match &request.kind {
            RequestKind::MonitorNextCall(dn, mode, kind) => {
                let (supervisor, id, until) = (request.this_dn.clone(), 0, now);
                let monitor = Monitor { id, supervisor, dn: dn.clone(), mode: *mode, kind: *kind, until };
                self.begin_monitoring(monitor, request, now)
            }
            RequestKind::CancelMonitoring(dn) => self.cancel_monitoring(dn, request, now),
            _ => return false,
        };
        if let Err((code, text)) = outcome {
            self.refuse(request.clone(), code, text, now);
        }
        true
    }

    fn begin_monitoring(&mut self, monitor: Monitor, request: &Request, now: Timestamp) -> Outcome {
        if monitor.supervisor == monitor.dn {
            return Err((ErrorCode::INVALID_CALLED_DN, "OtherDN is ThisDN"));
        }
        let is_other =
            |other: &Monitor| other.until > now && (&other.supervisor, &other.dn) != (&monitor.supervisor, &monitor.dn);
        self.own.monitors.retain(is_other);
        if self.own.monitors.len() >= MONITORS_MAX {
            return Err((ErrorCode::OUT_OF_SERVICE, "too many agents are monitored"));
        }
        let until = now + if monitor.kind == MonitorType::AllCalls { ALL_CALLS } else { ONE_CALL };
        let id = self.tell_both(EventName::MonitoringNextCall, &monitor.dn, request, now);
        self.own.monitors.push(Monitor { id, until, ..monitor });
        Ok(())
    }

    fn cancel_monitoring(&mut self, dn: &Dn, request: &Request, now: Timestamp) -> Outcome {
        let before = self.own.monitors.len();
        self.own.monitors.retain(|monitor| (&monitor.supervisor, &monitor.dn) != (&request.this_dn, dn));
        if self.own.monitors.len() == before {
            return Err((ErrorCode::INVALID_CALL_STATE, "this DN does not monitor OtherDN"));
        }
        self.tell_both(EventName::MonitoringCancelled, dn, request, now);
        Ok(())
    }

    /// Publishes an event at the supervisor, which answers the request, and at the agent. Returns a number that never repeats.
    fn tell_both(&mut self, name: EventName, agent: &Dn, request: &Request, now: Timestamp) -> u64 {
        let supervisor = &request.this_dn;
        let at = |this: &Dn, other: &Dn| Event {
            this_dn: Some(this.clone()),
            other_dn: Some(other.to_string()),
            ..Event::new(name)
        };
        let answer = Event {
            this_role: Some(DnRole::Observer),
            reference: request.reference,
            requester: Some(request.requester.clone()),
            extensions: request.extensions.clone(),
            ..at(supervisor, agent)
        };
        self.tell_of_dn(answer, now);
        let told = Event { other_role: Some(DnRole::Observer), ..at(agent, supervisor) };
        self.tell_of_dn(told, now).0
    }

    /// A supervisor who wanted one call has got it.
    pub(super) fn supervisor_rings(&mut self, event: &Event) {
        if event.name != EventName::Ringing || event.this_role != Some(DnRole::Observer) {
            return;
        }
        let has_got_it = |monitor: &Monitor| {
            monitor.kind != MonitorType::AllCalls
                && event.this_dn.as_ref() == Some(&monitor.supervisor)
                && event.other_dn.as_deref() == Some(monitor.dn.as_str())
        };
        let before = self.own.monitors.len();
        self.own.monitors.retain(|monitor| !has_got_it(monitor));
        self.changed |= self.own.monitors.len() != before;
    }
}
