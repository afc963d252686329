//! The span of a request: in its client's trace if there is one, else in the call's.

use model::Request;
use net::http::Problem;
use runtime::RoleContext;
use runtime::spans::{KeyValue, Span, SpanKind, TraceParent};
use serde_json::Value;

/// A request being forwarded.
pub(super) struct Asking {
    within: Option<TraceParent>,
    id: u64,
    start: u64,
}

impl Asking {
    pub fn begin(ctx: &RoleContext, within: Option<TraceParent>) -> Self {
        Self { within, id: ctx.trace.spans().new_id(), start: ctx.clock.now().as_micros() }
    }

    /// The trace context of the query to the owner; `None` if no trace is named yet.
    pub fn context(&self) -> Option<TraceParent> {
        self.within.map(|parent| TraceParent { span: self.id, ..parent })
    }

    /// Ends the span after the answer; the owner has named the call's span if it has one.
    pub fn end(
        self,
        ctx: &RoleContext,
        frame: &Value,
        request: &Request,
        answer: &Result<Option<TraceParent>, Problem>,
    ) {
        let call = answer.as_ref().ok().copied().flatten();
        let Some(parent) = self.within.or(call).filter(|_| ctx.trace.spans().is_on()) else { return };
        let name = frame.get("req").and_then(Value::as_str).unwrap_or("request");
        let mut attributes = vec![
            KeyValue::new("trunkline.tenant", request.tenant.to_string()),
            KeyValue::new("trunkline.requester", request.requester.clone()),
            KeyValue::new("trunkline.reference", i64::try_from(request.reference.0).unwrap_or(i64::MAX)),
        ];
        attributes.extend(request.kind.conn_id().map(|id| KeyValue::new("trunkline.conn_id", id.to_string())));
        ctx.trace.spans().emit(Span {
            trace: parent.trace,
            id: self.id,
            parent: Some(parent.span),
            kind: SpanKind::Client,
            name: name.to_owned().into(),
            start: self.start,
            end: ctx.clock.now().as_micros(),
            attributes,
            events: Vec::new(),
            // Links a client's own trace to the call's.
            links: call.into_iter().filter(|call| call.trace != parent.trace).collect(),
            failed: answer.as_ref().err().map(|problem| format!("{} {}", problem.status, problem.title)),
        });
    }
}
