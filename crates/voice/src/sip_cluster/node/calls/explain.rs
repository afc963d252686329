//! Records what happens to calls, so that each can be explained afterwards.

use call::call::CALLER_LEG;
use model::plan::{Caller, Destination, PlanAnswer, Service};
use model::{ConnId, LegId, Timestamp};
use runtime::Recorder;
use runtime::trace::What;
use runtime::trace::entry;
use sip::Unreached;
use sip::header::HeaderName;
use sip::proxy::headers;
use sip::{Message, StatusCode};

use super::call::Entry;
use super::leg::{LegStage, Place, Side, Target};
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
            let leg = entry::Leg { leg: CALLER_LEG.0, party: caller, caller: true, contact: None, trunk: None };
            self.trace.note(tenant, conn_id, now, What::Leg(leg));
        }
        for (leg, target) in entry.legs.iter().filter_map(|leg| Some((leg.id, leg.target.as_ref()?))) {
            self::leg(&self.trace, entry, leg, target, now);
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

    /// Records that a trunk is asked for a number outside, and whom its carrier is shown.
    pub(super) fn trace_trunk_asked(&self, entry: &Entry, target: &Target, shown: &str, now: Timestamp) {
        let Some(trunk) = &target.trunk else { return };
        let what = || What::Note { text: format!("the trunk {trunk} is asked, and shown {shown} as who calls") };
        self.trace.note_with(&entry.tenant, entry.thread.first().conn_id, now, what);
    }

    /// Records why a trunk has not put a call through: what its carrier has answered, or that it has not.
    pub(super) fn trace_trunk_failed(
        &self,
        Place { conn_id, leg, side }: Place,
        status: StatusCode,
        response: Option<&Message>,
        now: Timestamp,
    ) {
        let Some(entry) = self.calls.get(&conn_id).filter(|_| side == Side::Phone) else { return };
        let leg = entry.leg(leg).filter(|leg| leg.stage != LegStage::Closing);
        let Some(trunk) = leg.and_then(|leg| leg.target.as_ref()?.trunk.as_ref()) else { return };
        let what = || What::Note { text: format!("the trunk {trunk} {}", outcome_in_words(status, response)) };
        self.trace.note_with(&entry.tenant, conn_id, now, what);
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

/// Records that a phone is rung, or a number outside.
pub(in crate::sip_cluster::node) fn leg(trace: &Recorder, entry: &Entry, id: LegId, target: &Target, now: Timestamp) {
    let what = || {
        let (party, contact) = (target.dn.to_string(), Some(target.contact.uri.clone()));
        What::Leg(entry::Leg { leg: id.0, party, caller: false, contact, trunk: target.trunk.clone() })
    };
    trace.note_with(&entry.tenant, entry.thread.first().conn_id, now, what);
}

/// What has become of an INVITE to a carrier. The proxy says why nobody has answered it; any other answer is the carrier's.
fn outcome_in_words(status: StatusCode, response: Option<&Message>) -> String {
    const SILENCE: &str = "says nothing";
    let Some(response) = response else { return SILENCE.to_owned() };
    if response.header(&headers::ELSEWHERE).is_some() {
        return "was not asked yet: its carrier has not answered lately; it is tried after the others".to_owned();
    }
    match response.header(&headers::NOT_REACHED).and_then(Unreached::parse) {
        Some(why @ (Unreached::Down | Unreached::NoAddress | Unreached::Busy)) => {
            format!("was not asked: {}", why.in_words())
        }
        Some(Unreached::Silence) => SILENCE.to_owned(),
        Some(why) => format!("was not reached: {}", why.in_words()),
        None => format!("answers {status} {}", status.reason()),
    }
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
            let further = outside.further.iter().map(|way| format!(", else by {}", way.trunk));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_carriers_answer_is_told_as_it_came_and_the_proxys_own_as_what_it_is() {
        let told = |more: &str| {
            let text = format!(
                "SIP/2.0 503 Service Unavailable\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=x\r\nTo: <sip:c@d>;tag=y\r\n\
                 Call-ID: q\r\nCSeq: 1 INVITE\r\n{more}Content-Length: 0\r\n\r\n"
            );
            let response = Message::parse(text.into_bytes().into()).expect("a response");
            outcome_in_words(StatusCode::SERVICE_UNAVAILABLE, Some(&response))
        };
        assert_eq!(told(""), "answers 503 Service Unavailable");
        let down = told("Trunkline-Not-Reached: down\r\n");
        assert_eq!(down, "was not asked: the carrier has not answered OPTIONS lately");
        let unreached = told("Trunkline-Not-Reached: refused\r\n");
        assert_eq!(unreached, "was not reached: nobody takes connections at the carrier's address");
        let put_off = told("Trunkline-Elsewhere: 1\r\n");
        assert_eq!(put_off, "was not asked yet: its carrier has not answered lately; it is tried after the others");
        assert_eq!(outcome_in_words(StatusCode::REQUEST_TIMEOUT, None), "says nothing");
    }
}
