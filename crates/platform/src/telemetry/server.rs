//! The routes of telemetry. All need a token, but for what a browser asks before a request.

use std::sync::Arc;

use ::telemetry::batch::Batch;
use ::telemetry::limits::BATCH_BYTES_MAX;
use ::telemetry::otlp::OtlpSignal;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use net::http::Caller;
use serde_json::Value;

use super::answers::BatchRefusal;
use super::metrics::BatchOutcome;
use super::{Telemetry, admission, config, cors, gzip, openapi, otlp, traces};

pub(super) fn router(telemetry: Arc<Telemetry>) -> Router {
    let of_pages = from_fn_with_state(telemetry.clone(), cors::of_pages);
    Router::new()
        .route("/telemetry/v1/traces", post(take_traces))
        .route("/telemetry/v1/logs", post(take_logs))
        .route("/telemetry/v1/metrics", post(take_metrics))
        .route("/telemetry/v1/config", get(config::read))
        .route("/telemetry/v1/switch", put(config::switch))
        .route(openapi::PATH, get(async |_: Caller| Json(openapi::openapi())))
        .layer(DefaultBodyLimit::max(BATCH_BYTES_MAX))
        .layer(of_pages)
        .with_state(telemetry)
}

async fn take_traces(
    State(telemetry): State<Arc<Telemetry>>,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    take(&telemetry, &caller, &headers, body, OtlpSignal::Traces).await
}

async fn take_logs(
    State(telemetry): State<Arc<Telemetry>>,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    take(&telemetry, &caller, &headers, body, OtlpSignal::Logs).await
}

async fn take_metrics(
    State(telemetry): State<Arc<Telemetry>>,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    take(&telemetry, &caller, &headers, body, OtlpSignal::Metrics).await
}

/// Takes a batch, of ours or of OpenTelemetry, and counts what came of it.
async fn take(
    telemetry: &Telemetry,
    caller: &Caller,
    headers: &HeaderMap,
    body: Bytes,
    signal: OtlpSignal,
) -> Response {
    let begun = telemetry.now();
    let answered = async {
        let sender = admission::admitted(telemetry, caller, headers).await?;
        let body = gzip::unpacked(headers, body)?;
        if otlp::is_protobuf(headers) {
            return otlp::take_protobuf(telemetry, &sender, signal, &body);
        }
        let document: Value = serde_json::from_slice(&body)
            .map_err(|error| BatchRefusal::unreadable(format!("the body is not JSON: {error}")))?;
        if signal == OtlpSignal::Traces && Batch::is_ours(&document) {
            return traces::take(telemetry, &sender, headers, &document);
        }
        otlp::take_json(telemetry, &sender, signal, document)
    };
    let (outcome, response) = match answered.await {
        Ok(response) => (BatchOutcome::Taken, response),
        Err(refusal) => (refusal.outcome, refusal.into_response()),
    };
    telemetry.metrics.batches.inc(outcome);
    let taken = telemetry.now().since(begun);
    telemetry.metrics.batch_time.add(taken);
    telemetry.metrics.answer_times.add(taken);
    response
}
