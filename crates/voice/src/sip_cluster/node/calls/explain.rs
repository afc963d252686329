//! Records what happens to calls, so that each can be explained afterwards.

use call::call::CALLER_LEG;
use model::plan::{Caller, Contact, Destination, PlanAnswer, Service};
use model::{ConnId, Dn, LegId, Timestamp};
use runtime::Recorder;
use runtime::trace::What;
use runtime::trace::entry;
use sip::header::HeaderName;
use sip::proxy::headers;

use super::call::Entry;
use crate::sip_cluster::node::Node;

/// Why this node's record of a call begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::sip_cluster::node) enum TraceBegin {
    NewCall,
    /// Its owner has failed.
    Takeover,
}

impl Node {
    /// Records a call that has come, or that was taken over from a failed owner.
    pub(in crate::sip_cluster::node) fn trace_call(&self, entry: &Entry, begin: TraceBegin, now: Timestamp) {
        if !self.trace.is_on() {
            return;
        }
        let state = entry.thread.first();
        let (tenant, conn_id) = (&entry.tenant, state.conn_id);
        let (caller, trunk) = match &state.caller {
            Caller::Phone(dn) => (dn.to_string(), None),
            Caller::Trunk { trunk, number } => (number.clone(), Some(trunk.clone())),
        };
        let call = entry::Call {
            uuid: state.uuid.to_string(),
            printed: format!("{conn_id}@{}", self.ids.owner()),
            caller: caller.clone(),
            trunk,
            dialled: state.dialled.clone(),
            began: state.created_at.as_micros(),
            taken_over: begin == TraceBegin::Takeover,
        };
        self.trace.identify(tenant, conn_id, state.uuid, now);
        self.trace.note(tenant, conn_id, now, What::Call(call));
        if let Some(invite) = &entry.invite {
            self.trace.name(tenant, conn_id, &invite.call_id, now);
            let leg = entry::Leg { leg: CALLER_LEG.0, party: caller, caller: true, contact: None };
            self.trace.note(tenant, conn_id, now, What::Leg(leg));
        }
        for (leg, target) in entry.legs.iter().filter_map(|leg| Some((leg.id, leg.target.as_ref()?))) {
            self::leg(&self.trace, entry, leg, &target.dn, &target.contact, now);
        }
    }

    /// Header that names a call's span to the nodes that its messages pass; none if spans are not wanted.
    pub(in crate::sip_cluster::node) fn trace_header(&self, conn_id: ConnId) -> Option<(HeaderName, String)> {
        Some((headers::TRACE, self.trace.spans().context_of(conn_id)?.to_string()))
    }

    /// Records where the dial plan sends a call.
    pub(in crate::sip_cluster::node) fn trace_plan(&self, conn_id: ConnId, answer: &PlanAnswer, now: Timestamp) {
        if let Some(entry) = self.calls.get(&conn_id) {
            let what = || What::Note { text: format!("dial plan: {}", answer_in_words(answer)) };
            self.trace.note_with(&entry.tenant, conn_id, now, what);
        }
    }

    /// Keeps why the dial plan refuses a number, for the refusal of who dials it (RFC 3261 section 20.43).
    pub(in crate::sip_cluster::node) fn warn_caller(&mut self, conn_id: ConnId, destination: &Destination) {
        if let Destination::Reject { reason, .. } = destination
            && let Some(entry) = self.calls.get_mut(&conn_id)
            && entry.thread.first().stage_is_asking()
        {
            entry.warning = Some(format!("399 trunkline {}", sip::params::quote(reason)));
        }
    }
}

/// Records that a phone is rung.
pub(in crate::sip_cluster::node) fn leg(
    trace: &Recorder,
    entry: &Entry,
    id: LegId,
    dn: &Dn,
    contact: &Contact,
    now: Timestamp,
) {
    let what = || {
        let contact = Some(contact.uri.clone());
        What::Leg(entry::Leg { leg: id.0, party: dn.to_string(), caller: false, contact })
    };
    trace.note_with(&entry.tenant, entry.thread.first().conn_id, now, what);
}

fn answer_in_words(answer: &PlanAnswer) -> String {
    let by = answer.forwarded_by.iter().map(|by| format!("forwarded by {}", by.dn));
    let why: Vec<String> = answer.notes.iter().cloned().chain(by).collect();
    let where_to = in_words(&answer.destination);
    if why.is_empty() { where_to } else { format!("{where_to} ({})", why.join("; ")) }
}

fn in_words(destination: &Destination) -> String {
    match destination {
        Destination::RoutePoint { dn, application, .. } => {
            format!("route point {dn}, which runs the application {application:?}")
        }
        Destination::Extension { dn, contacts, .. } if contacts.is_empty() => {
            format!("extension {dn}, where no phone is registered")
        }
        Destination::Extension { dn, contacts, .. } => {
            format!("extension {dn}, with {} registered", plural(contacts.len(), "phone"))
        }
        Destination::Outside(outside) => {
            let further = outside.further.iter().map(|way| format!(", then {}", way.trunk));
            format!("{} outside, by the trunk {}{}", outside.number, outside.way.trunk, further.collect::<String>())
        }
        Destination::FeatureCode { .. } => "a feature code".to_owned(),
        Destination::Pickup { dn } => format!("the call that rings at {dn}"),
        Destination::Park { slot } => format!("the park slot {slot}"),
        Destination::Service(Service::Echo) => "the echo".to_owned(),
        Destination::Service(Service::Announcement { prompts }) => format!("announcement {}", prompts.join(", ")),
        Destination::Reject { status, reason } => format!("refused with {status}: {reason}"),
    }
}

fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("one {what}") } else { format!("{count} {what}s") }
}
