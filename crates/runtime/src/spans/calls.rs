//! Open operations of calls, kept until their spans can be sent at the end.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use model::{CallUuid, ConnId, TenantId, Timestamp};

use super::{Happened, Ids, KeyValue, Span, SpanKind, root_of};

/// Maximum of calls with open operations; the oldest are removed first.
const CALLS_MAX: usize = 50_000;
/// Maximum of open operations in one call.
const OPEN_MAX: usize = 64;
/// Maximum of events in one span.
const EVENTS_MAX: usize = 128;
/// A call without events for this time is removed: the role that would report its end has failed.
const AGE: Duration = Duration::from_secs(4 * 3_600);

/// The call's root span.
pub(super) const CALL: &str = "call";

/// The start of an operation.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Kind of operation, the same as at its end.
    pub what: &'static str,
    /// Tells concurrent operations of one kind apart.
    pub which: String,
    /// The name of its span; low cardinality.
    pub name: Cow<'static, str>,
    /// The enclosing operation, by kind and name; the call itself if none.
    pub within: Option<(&'static str, String)>,
    /// When.
    pub at: Timestamp,
    /// Details known at the start.
    pub attributes: Vec<KeyValue>,
}

#[derive(Default)]
pub(super) struct Calls {
    calls: HashMap<ConnId, Call>,
    /// Oldest first, each with the time of its last event when it was queued.
    order: VecDeque<(ConnId, u64)>,
}

struct Call {
    trace: CallUuid,
    tenant: TenantId,
    open: Vec<Open>,
    last: u64,
}

struct Open {
    what: &'static str,
    which: String,
    id: u64,
    parent: Option<u64>,
    name: Cow<'static, str>,
    start: u64,
    attributes: Vec<KeyValue>,
    events: Vec<Happened>,
    failed: Option<String>,
}

impl Calls {
    pub fn identify(&mut self, tenant: &TenantId, conn_id: ConnId, trace: CallUuid, at: u64) {
        if trace.0 == 0 {
            return;
        }
        if let Some(call) = self.calls.get_mut(&conn_id) {
            (call.trace, call.last) = (trace, call.last.max(at));
            return;
        }
        self.make_room(at);
        self.order.push_back((conn_id, at));
        self.calls.insert(conn_id, Call { trace, tenant: tenant.clone(), open: Vec::new(), last: at });
    }

    pub fn trace_of(&self, conn_id: ConnId) -> Option<CallUuid> {
        self.calls.get(&conn_id).map(|call| call.trace)
    }

    /// The trace, and the operation opened last among the open ones.
    pub fn innermost(&self, conn_id: ConnId) -> Option<(CallUuid, u64)> {
        let call = self.calls.get(&conn_id)?;
        Some((call.trace, call.open.last()?.id))
    }

    /// Opens an operation, unless it is open already.
    pub fn open(&mut self, ids: &Ids, conn_id: ConnId, opening: Opening) {
        let Some(call) = self.calls.get_mut(&conn_id) else { return };
        let Opening { what, which, name, within, at, attributes } = opening;
        if call.open.len() >= OPEN_MAX || call.find(what, &which).is_some() {
            return;
        }
        let start = at.as_micros();
        call.last = call.last.max(start);
        let within = within.and_then(|(what, which)| call.open.get(call.find(what, &which)?)).map(|open| open.id);
        let (id, parent) = match what {
            CALL => (root_of(conn_id), None),
            _ => (ids.next(), Some(within.unwrap_or_else(|| root_of(conn_id)))),
        };
        call.open.push(Open { what, which, id, parent, name, start, attributes, events: Vec::new(), failed: None });
    }

    /// Adds an event to the open operation `what`, the latest one or `which`.
    pub fn happened(&mut self, conn_id: ConnId, what: &str, which: Option<&str>, happened: Happened) {
        let Some(call) = self.calls.get_mut(&conn_id) else { return };
        call.last = call.last.max(happened.at);
        let is_it = |open: &&mut Open| open.what == what && which.is_none_or(|which| open.which == which);
        if let Some(open) = call.open.iter_mut().rev().find(is_it)
            && open.events.len() < EVENTS_MAX
        {
            open.events.push(happened);
        }
    }

    /// Marks the open operation `what` as failed.
    pub fn failed(&mut self, conn_id: ConnId, what: &str, why: String) {
        if let Some(call) = self.calls.get_mut(&conn_id)
            && let Some(open) = call.open.iter_mut().rev().find(|open| open.what == what)
        {
            open.failed.get_or_insert(why);
        }
    }

    /// The names of all open operations `what`, latest first.
    pub fn open_as(&self, conn_id: ConnId, what: &str) -> Vec<String> {
        let open = self.calls.get(&conn_id).map(|call| call.open.as_slice()).unwrap_or_default();
        open.iter().rev().filter(|open| open.what == what).map(|open| open.which.clone()).collect()
    }

    /// Closes an operation.
    pub fn close(&mut self, conn_id: ConnId, what: &str, which: &str, at: u64, known: Vec<KeyValue>) -> Option<Span> {
        let call = self.calls.get_mut(&conn_id)?;
        let mut open = call.open.remove(call.find(what, which)?);
        open.attributes.extend(known);
        let span = call.span(conn_id, open, at);
        if call.open.is_empty() {
            // The next entry of the call sets its global id again.
            self.calls.remove(&conn_id);
        }
        Some(span)
    }

    /// Closes all open operations, innermost first, and removes the call.
    pub fn close_all(&mut self, conn_id: ConnId, at: u64, ended: &mut Vec<Span>) {
        let Some(mut call) = self.calls.remove(&conn_id) else { return };
        while let Some(open) = call.open.pop() {
            ended.push(call.span(conn_id, open, at));
        }
    }

    /// An operation without duration.
    pub fn instant(&self, ids: &Ids, conn_id: ConnId, opening: Opening) -> Option<Span> {
        let call = self.calls.get(&conn_id)?;
        let Opening { what, which, name, within, at, attributes } = opening;
        let within = within.and_then(|(what, which)| call.open.get(call.find(what, &which)?)).map(|open| open.id);
        let (at, parent) = (at.as_micros(), Some(within.unwrap_or_else(|| root_of(conn_id))));
        let open =
            Open { what, which, id: ids.next(), parent, name, start: at, attributes, events: Vec::new(), failed: None };
        Some(call.span(conn_id, open, at))
    }

    /// The queue is ordered by time except for calls with newer events.
    fn make_room(&mut self, now: u64) {
        let age = u64::try_from(AGE.as_micros()).unwrap_or(u64::MAX);
        if self.order.len() >= 2 * CALLS_MAX {
            // Most of them ended long ago but are queued behind a long call.
            self.order.retain(|(conn_id, _)| self.calls.contains_key(conn_id));
        }
        while let Some((conn_id, seen)) = self.order.front().copied() {
            let full = self.calls.len() >= CALLS_MAX;
            match self.calls.get(&conn_id) {
                None => drop(self.order.pop_front()),
                Some(call) if call.last > seen => {
                    let last = call.last;
                    self.order.pop_front();
                    self.order.push_back((conn_id, last));
                }
                Some(_) if full || seen.saturating_add(age) <= now => {
                    self.order.pop_front();
                    self.calls.remove(&conn_id);
                }
                Some(_) => break,
            }
        }
    }
}

impl Call {
    fn find(&self, what: &str, which: &str) -> Option<usize> {
        self.open.iter().rposition(|open| open.what == what && open.which == which)
    }

    fn span(&self, conn_id: ConnId, open: Open, at: u64) -> Span {
        let mut attributes = open.attributes;
        attributes.push(KeyValue::new("trunkline.conn_id", conn_id.to_string()));
        attributes.push(KeyValue::new("trunkline.tenant", self.tenant.to_string()));
        Span {
            trace: self.trace,
            id: open.id,
            parent: open.parent,
            kind: SpanKind::Internal,
            name: open.name,
            start: open.start,
            end: at.max(open.start),
            attributes,
            events: open.events,
            links: Vec::new(),
            failed: open.failed,
        }
    }
}
