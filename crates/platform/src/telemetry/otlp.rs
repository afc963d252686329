//! Batches of OpenTelemetry's SDK (OTLP/HTTP): `POST /telemetry/v1/{traces,logs,metrics}`, protobuf or JSON. They are cleaned, lose what
//! contracts do not know, and go on to the collector that is set.

use std::time::Duration;

use ::telemetry::fair_queue::QueueFull;
use ::telemetry::otlp::{OtlpContent, OtlpSignal, clean_json, clean_protobuf, rejected_json, rejected_protobuf};
use axum::Json;
use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use net::http::{Problem, StatusCode};
use serde_json::Value;

use super::Telemetry;
use super::admission::BatchSender;
use super::answers::BatchRefusal;
use super::collector::{CollectorQueue, OtlpBatch};
use super::metrics::{BatchOutcome, DropReason};
use super::switch::ALL;
use super::traces::drops;

/// Media types of OTLP.
const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";
/// When it is worth another try after the queue to the collector was full.
const FULL_WAIT: Duration = Duration::from_secs(5);

/// What a client is told whose application an operator has switched off.
const OFF: &str = "it is switched off";

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
pub(super) fn take_protobuf(
    telemetry: &Telemetry,
    sender: &BatchSender,
    signal: OtlpSignal,
    body: &[u8],
) -> Result<Response, BatchRefusal> {
    let collector = collector(telemetry)?;
    let (body, content) = clean_protobuf(signal, body, &sender.tenant_name, &telemetry.contracts)?;
    let items = content.items;
    if is_off(telemetry, &content) {
        drops(telemetry, DropReason::Off, items);
        return Ok(([(header::CONTENT_TYPE, PROTOBUF)], rejected_protobuf(items, OFF)).into_response());
    }
    forward(collector, sender, OtlpBatch { signal, media_type: PROTOBUF, body: body.into(), items })?;
    telemetry.metrics.properties_dropped.inc_by(content.attributes_dropped as u64);
    // An empty message: everything was taken.
    Ok(([(header::CONTENT_TYPE, PROTOBUF)], Bytes::new()).into_response())
}

/// Takes a batch in JSON.
///
/// # Errors
/// Why it is not taken.
pub(super) fn take_json(
    telemetry: &Telemetry,
    sender: &BatchSender,
    signal: OtlpSignal,
    mut batch: Value,
) -> Result<Response, BatchRefusal> {
    let collector = collector(telemetry)?;
    let content = clean_json(signal, &mut batch, &sender.tenant_name, &telemetry.contracts)?;
    let items = content.items;
    if is_off(telemetry, &content) {
        drops(telemetry, DropReason::Off, items);
        return Ok(Json(rejected_json(signal, items, OFF)).into_response());
    }
    let body = batch.to_string().into();
    forward(collector, sender, OtlpBatch { signal, media_type: JSON, body, items })?;
    telemetry.metrics.properties_dropped.inc_by(content.attributes_dropped as u64);
    Ok(([(header::CONTENT_TYPE, JSON)], "{}").into_response())
}

/// Whether an operator has switched off every application, or one that the batch comes from.
fn is_off(telemetry: &Telemetry, content: &OtlpContent) -> bool {
    telemetry.switch.is_off(ALL) || content.services.iter().any(|service| telemetry.switch.is_off(service))
}

fn collector(telemetry: &Telemetry) -> Result<&CollectorQueue, BatchRefusal> {
    telemetry.collector.as_ref().ok_or_else(|| {
        // A status that OTLP does not try again.
        let problem = Problem::new(StatusCode::NOT_FOUND, "no-collector", "OpenTelemetry is not taken here")
            .detail("no collector is set, see the setting telemetry.collector");
        BatchRefusal::new(problem, BatchOutcome::NoCollector)
    })
}

fn forward(collector: &CollectorQueue, sender: &BatchSender, batch: OtlpBatch) -> Result<(), BatchRefusal> {
    let queued = collector.put(&sender.tenant, batch);
    queued.map_err(|QueueFull| {
        BatchRefusal::wait("too much waits for the collector", BatchOutcome::CollectorQueueFull, FULL_WAIT)
    })
}
