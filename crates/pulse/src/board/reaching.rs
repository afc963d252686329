//! Spans from a fact at its owner to the change published to the pages: the last step of a call's trace.

use std::collections::BTreeMap;

use model::{CallUuid, ConnId, Stamped, TenantId, Timestamp};
use runtime::spans::{Happened, KeyValue, Span, SpanKind, Spans, root_of};

/// The most calls with a span in one change; further calls have none.
const CALLS_MAX: usize = 512;
/// The most facts of one call in a span; a call has about thirty in all.
const FACTS_MAX: usize = 64;

/// Facts that were folded but not published yet, by call.
#[derive(Default)]
pub(super) struct Reaching {
    calls: BTreeMap<ConnId, (CallUuid, Vec<Happened>)>,
}

impl Reaching {
    /// Adds a folded fact.
    pub(super) fn folded(&mut self, stamped: &Stamped) {
        let Some(call) = &stamped.event.call else { return };
        if self.calls.len() >= CALLS_MAX && !self.calls.contains_key(&call.conn_id) {
            return;
        }
        let (_, facts) = self.calls.entry(call.conn_id).or_insert_with(|| (call.uuid, Vec::new()));
        if facts.len() < FACTS_MAX {
            let name = stamped.event.name.as_str().into();
            facts.push(Happened { at: stamped.at.as_micros(), name, attributes: Vec::new() });
        }
    }

    /// Emits the spans of the calls after the change was published to all pages.
    pub(super) fn shown(&mut self, spans: &Spans, tenant: &TenantId, now: Timestamp) {
        for (conn_id, (trace, facts)) in std::mem::take(&mut self.calls) {
            spans.emit(Span {
                trace,
                id: spans.new_id(),
                parent: Some(root_of(conn_id)),
                kind: SpanKind::Consumer,
                name: "wallboard".into(),
                start: facts.iter().map(|fact| fact.at).min().unwrap_or_default(),
                end: now.as_micros(),
                attributes: vec![
                    KeyValue::new("trunkline.conn_id", conn_id.to_string()),
                    KeyValue::new("trunkline.tenant", tenant.to_string()),
                ],
                events: facts,
                links: Vec::new(),
                failed: None,
            });
        }
    }
}
