//! What is under way in calls, so that its span can go out when it ends.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use model::{CallUuid, ConnId, TenantId, Timestamp};

use super::{Happened, Ids, KeyValue, Span, SpanKind, root_of};

/// Calls with something under way; the oldest are forgotten first.
const CALLS_MAX: usize = 50_000;
/// Things under way in one call.
const OPEN_MAX: usize = 64;
/// What happened during one span.
const EVENTS_MAX: usize = 128;
/// A call of which nothing was heard for so long is forgotten: whoever knew its end is gone.
const AGE: Duration = Duration::from_secs(4 * 3_600);

/// The span of the call itself.
pub(super) const CALL: &str = "call";

/// Something begins.
#[derive(Clone, Debug)]
pub struct Opening {
    /// What, as the end names it again.
    pub what: &'static str,
    /// Which of several at once.
    pub which: String,
    /// The name of its span; few different ones.
    pub name: Cow<'static, str>,
    /// What it is part of, if not of the call itself: what that was opened as.
    pub within: Option<(&'static str, String)>,
    /// When.
    pub at: Timestamp,
    /// What is known of it now.
    pub attributes: Vec<KeyValue>,
}

#[derive(Default)]
pub(super) struct Calls {
    calls: HashMap<ConnId, Call>,
    /// Oldest first, each with its last sign when it was put there.
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

    /// The trace, and the last span that was opened of those that are open.
    pub fn innermost(&self, conn_id: ConnId) -> Option<(CallUuid, u64)> {
        let call = self.calls.get(&conn_id)?;
        Some((call.trace, call.open.last()?.id))
    }

    /// Begins something, unless that is under way already.
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

    /// Something happened during what is open as `what`; with `which`, during that one.
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

    /// What is open as `what` has failed.
    pub fn failed(&mut self, conn_id: ConnId, what: &str, why: String) {
        if let Some(call) = self.calls.get_mut(&conn_id)
            && let Some(open) = call.open.iter_mut().rev().find(|open| open.what == what)
        {
            open.failed.get_or_insert(why);
        }
    }

    /// The name of each thing that is open as `what`, the latest first.
    pub fn open_as(&self, conn_id: ConnId, what: &str) -> Vec<String> {
        let open = self.calls.get(&conn_id).map(|call| call.open.as_slice()).unwrap_or_default();
        open.iter().rev().filter(|open| open.what == what).map(|open| open.which.clone()).collect()
    }

    /// Ends something.
    pub fn close(&mut self, conn_id: ConnId, what: &str, which: &str, at: u64, known: Vec<KeyValue>) -> Option<Span> {
        let call = self.calls.get_mut(&conn_id)?;
        let mut open = call.open.remove(call.find(what, which)?);
        open.attributes.extend(known);
        let span = call.span(conn_id, open, at);
        if call.open.is_empty() {
            // Whatever comes next of it brings its global id again.
            self.calls.remove(&conn_id);
        }
        Some(span)
    }

    /// Ends all that is open, the innermost first, and forgets the call.
    pub fn close_all(&mut self, conn_id: ConnId, at: u64, ended: &mut Vec<Span>) {
        let Some(mut call) = self.calls.remove(&conn_id) else { return };
        while let Some(open) = call.open.pop() {
            ended.push(call.span(conn_id, open, at));
        }
    }

    /// Something that took no time.
    pub fn instant(&self, ids: &Ids, conn_id: ConnId, opening: Opening) -> Option<Span> {
        let call = self.calls.get(&conn_id)?;
        let Opening { what, which, name, within, at, attributes } = opening;
        let within = within.and_then(|(what, which)| call.open.get(call.find(what, &which)?)).map(|open| open.id);
        let (at, parent) = (at.as_micros(), Some(within.unwrap_or_else(|| root_of(conn_id))));
        let open =
            Open { what, which, id: ids.next(), parent, name, start: at, attributes, events: Vec::new(), failed: None };
        Some(call.span(conn_id, open, at))
    }

    /// The queue is in the order of time but for what is spoken of again.
    fn make_room(&mut self, now: u64) {
        let age = u64::try_from(AGE.as_micros()).unwrap_or(u64::MAX);
        if self.order.len() >= 2 * CALLS_MAX {
            // Most of them have ended long ago, behind one that lasts.
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
