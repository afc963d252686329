//! A collector of OpenTelemetry spans, with the types and the service published by OpenTelemetry; it stores the spans.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span as WireSpan;
use tokio::runtime::Runtime;
use tonic::{Request, Response, Status};

use crate::{facts, wait};

/// A received span.
#[derive(Clone, Debug)]
pub struct Span {
    /// The role that sent it.
    pub role: String,
    /// Its trace, 32 hex digits.
    pub trace: String,
    /// Its id, 16 hex digits.
    pub id: String,
    /// Its parent; empty for a root.
    pub parent: String,
    /// Its name.
    pub name: String,
    /// When it began, in nanoseconds since 1970.
    pub start: u64,
    /// When it ended.
    pub end: u64,
    /// Attributes as text.
    pub attributes: BTreeMap<String, String>,
    /// Names of its events.
    pub events: Vec<String>,
    /// Ids of linked traces.
    pub links: Vec<String>,
    /// Whether it failed.
    pub failed: bool,
    /// The whole span as text, to check that it contains no secrets.
    pub text: String,
}

/// A collector; it stops when dropped.
pub struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
    address: SocketAddr,
    _runtime: Runtime,
}

impl Collector {
    /// Listens on this address; port 0 chooses a free port.
    pub fn start(at: SocketAddr) -> Result<Self> {
        let runtime = facts::runtime()?;
        let spans: Arc<Mutex<Vec<Span>>> = Arc::default();
        let listener = std::net::TcpListener::bind(at).with_context(|| format!("the collector's port {at}"))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let service = TraceServiceServer::new(Keeper { spans: Arc::clone(&spans) });
        runtime.spawn(async move {
            let incoming = tonic::transport::server::TcpIncoming::from(tokio::net::TcpListener::from_std(listener)?);
            tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming).await?;
            anyhow::Ok(())
        });
        Ok(Self { spans, address, _runtime: runtime })
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The setting that sends spans here.
    pub fn setting(&self) -> String {
        format!("trace.otlp=http://{}", self.address)
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a matching span.
    pub fn wait_for(&self, limit: Duration, fits: impl Fn(&Span) -> bool) -> Result<Span> {
        wait::until(limit, || Ok(self.spans().into_iter().find(&fits)))
    }
}

struct Keeper {
    spans: Arc<Mutex<Vec<Span>>>,
}

#[tonic::async_trait]
impl TraceService for Keeper {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        for of_resource in request.into_inner().resource_spans {
            let role = role(of_resource.resource);
            let all = of_resource.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans);
            spans.extend(all.map(|span| read(&role, span)));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn role(resource: Option<Resource>) -> String {
    let attributes = resource.map(|resource| resource.attributes).unwrap_or_default();
    read_attributes(attributes).remove("service.name").unwrap_or_default()
}

fn read(role: &str, span: WireSpan) -> Span {
    let text = format!("{span:?}");
    Span {
        role: role.to_owned(),
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        name: span.name,
        start: span.start_time_unix_nano,
        end: span.end_time_unix_nano,
        attributes: read_attributes(span.attributes),
        events: span.events.into_iter().map(|event| event.name).collect(),
        links: span.links.iter().map(|link| hex(&link.trace_id)).collect(),
        failed: span.status.is_some_and(|status| status.code == 2),
        text,
    }
}

fn read_attributes(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    attributes.into_iter().map(|pair| (pair.key, pair.value.map(read_value).unwrap_or_default())).collect()
}

fn read_value(value: AnyValue) -> String {
    match value.value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
