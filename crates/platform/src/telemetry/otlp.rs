//! Batches of OpenTelemetry's SDK (OTLP/HTTP): `POST /telemetry/v1/{traces,logs,metrics}`, protobuf or JSON. They are cleaned and go on to
//! the collector that is set.

use std::time::Duration;

use ::telemetry::otlp::{OtlpSignal, clean_json, clean_protobuf};
use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use net::http::{Problem, StatusCode};
use serde_json::Value;

use super::Telemetry;
use super::answers::BatchRefusal;
use super::collector::{CollectorQueue, OtlpBatch};
use super::metrics::BatchOutcome;

/// Media types of OTLP.
const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";
/// When it is worth another try after the queue to the collector was full.
const FULL_WAIT: Duration = Duration::from_secs(5);

/// Whether a body is protobuf.
pub(super) fn is_protobuf(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes()).unwrap_or_default();
    let media_type = media_type.split(|b| *b == b';').next().unwrap_or_default();
    media_type.trim_ascii().eq_ignore_ascii_case(PROTOBUF.as_bytes())
}

/// Takes a batch in protobuf.
///
/// # Errors
/// Why it is not taken.
pub(super) fn take_protobuf(telemetry: &Telemetry, signal: OtlpSignal, body: &[u8]) -> Result<Response, BatchRefusal> {
    let collector = collector(telemetry)?;
    let (body, items) = clean_protobuf(signal, body)?;
    forward(collector, OtlpBatch { signal, media_type: PROTOBUF, body: body.into(), items })?;
    // An empty message: everything was taken.
    Ok(([(header::CONTENT_TYPE, PROTOBUF)], Bytes::new()).into_response())
}

/// Takes a batch in JSON.
///
/// # Errors
/// Why it is not taken.
pub(super) fn take_json(telemetry: &Telemetry, signal: OtlpSignal, mut batch: Value) -> Result<Response, BatchRefusal> {
    let collector = collector(telemetry)?;
    let items = clean_json(signal, &mut batch)?;
    let body = batch.to_string().into();
    forward(collector, OtlpBatch { signal, media_type: JSON, body, items })?;
    Ok(([(header::CONTENT_TYPE, JSON)], "{}").into_response())
}

fn collector(telemetry: &Telemetry) -> Result<&CollectorQueue, BatchRefusal> {
    telemetry.collector.as_ref().ok_or_else(|| {
        // A status that OTLP does not try again.
        let problem = Problem::new(StatusCode::NOT_FOUND, "no-collector", "OpenTelemetry is not taken here")
            .detail("no collector is set, see the setting telemetry.collector");
        BatchRefusal::new(problem, BatchOutcome::NoCollector)
    })
}

fn forward(collector: &CollectorQueue, batch: OtlpBatch) -> Result<(), BatchRefusal> {
    collector.put(batch).map_err(|_| BatchRefusal::wait("too much waits for the collector", FULL_WAIT))
}
