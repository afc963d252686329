//! Spans of INVITEs, from the first pass of the request through sip-proxy to its final answer.

use std::collections::{HashMap, VecDeque};

use model::ConnId;

use super::{Happened, Ids, KeyValue, Span, SpanKind, TraceParent};
use crate::trace_data::mask;
use crate::trace_data::{Passing, sip::Invite, sip::Scanned};

/// Maximum of INVITEs without a final answer; the oldest are removed first.
const INVITES_MAX: usize = 20_000;
/// Maximum of events of one INVITE.
const EVENTS_MAX: usize = 16;
/// The media role's host in Request-URIs.
const MEDIA: &str = "media.trunkline.invalid";

#[derive(Default)]
pub(super) struct Invites {
    under_way: HashMap<Box<str>, UnderWay>,
    /// Oldest first; includes those that have ended.
    order: VecDeque<Box<str>>,
}

struct UnderWay {
    start: u64,
    /// The call, once one of our nodes has named it.
    call: Option<TraceParent>,
    name: &'static str,
    attributes: Vec<KeyValue>,
    events: Vec<Happened>,
}

impl Invites {
    pub fn passed(
        &mut self,
        ids: &Ids,
        scanned: &Scanned<'_>,
        invite: Invite<'_>,
        passing: &Passing<'_>,
    ) -> Option<Span> {
        let at = passing.at.as_micros();
        // The call is accepted from our own nodes only.
        let call = scanned.call.filter(|_| passing.inside && passing.inbound);
        match invite {
            Invite::Begins { target } => {
                if !self.under_way.contains_key(scanned.call_id) {
                    self.make_room();
                    self.order.push_back(scanned.call_id.into());
                    self.under_way.insert(scanned.call_id.into(), begun(scanned.call_id, target, passing));
                }
                let known = self.under_way.get_mut(scanned.call_id)?;
                known.call = known.call.or(call);
                None
            }
            Invite::Answered(status) => {
                let known = self.under_way.get_mut(scanned.call_id)?;
                known.call = known.call.or(call);
                if status < 200 {
                    if status > 100 && known.events.len() < EVENTS_MAX && known.is_new(status) {
                        known.events.push(Happened { at, name: status.to_string().into(), attributes: Vec::new() });
                    }
                    return None;
                }
                let known = self.under_way.remove(scanned.call_id)?;
                known.ended(ids, status, at)
            }
        }
    }

    fn make_room(&mut self) {
        if self.order.len() >= 2 * INVITES_MAX {
            // Most of them were answered long ago but are queued behind an open one.
            self.order.retain(|call_id| self.under_way.contains_key(call_id));
        }
        while self.under_way.len() >= INVITES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.under_way.remove(&oldest);
        }
    }
}

fn begun(call_id: &str, target: &str, passing: &Passing<'_>) -> UnderWay {
    let name = match passing.inside {
        false => "INVITE",
        // Parameters may follow the host.
        true if target.split(';').next().is_some_and(|address| address.ends_with(MEDIA)) => "INVITE media",
        true => "INVITE phone",
    };
    let attributes = vec![
        KeyValue::new("sip.call_id", call_id.to_owned()),
        KeyValue::new("url.full", mask::uris(target)),
        KeyValue::new("network.peer.address", passing.peer.ip().to_string()),
        KeyValue::new("network.peer.port", i64::from(passing.peer.port())),
        KeyValue::new("network.transport", if passing.udp { "udp" } else { "tcp" }),
    ];
    UnderWay { start: passing.at.as_micros(), call: None, name, attributes, events: Vec::new() }
}

impl UnderWay {
    /// Each answer passes twice: when received and when sent.
    fn is_new(&self, status: u16) -> bool {
        !self.events.iter().any(|event| event.name == status.to_string())
    }

    fn ended(mut self, ids: &Ids, status: u16, at: u64) -> Option<Span> {
        // An INVITE that no node has named is no call: it was challenged or came from a stranger.
        let call = self.call?;
        self.attributes.push(KeyValue::new("sip.status", i64::from(status)));
        self.attributes.push(KeyValue::new("trunkline.conn_id", ConnId(call.span).to_string()));
        Some(Span {
            trace: call.trace,
            id: ids.next(),
            // A node names the call's root span.
            parent: Some(call.span),
            kind: if self.name == "INVITE" { SpanKind::Server } else { SpanKind::Client },
            name: self.name.into(),
            start: self.start,
            end: at.max(self.start),
            attributes: self.attributes,
            events: self.events,
            links: Vec::new(),
            failed: (status >= 300).then(|| format!("answered {status}")),
        })
    }
}
