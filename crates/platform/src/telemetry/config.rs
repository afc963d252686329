//! What a client is told to do, and the kill switch: `GET /telemetry/v1/config?app=`, `PUT /telemetry/v1/switch`.

use std::sync::Arc;

use ::telemetry::FieldFault;
use ::telemetry::limits::{BATCH_BYTES_MAX, ITEMS_MAX};
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use net::http::{Caller, JsonBody, Problem, Query, StatusCode};
use runtime::scope;
use serde::Deserialize;
use serde_json::json;

use super::Telemetry;
use super::switch::ALL;

/// The query of a client.
#[derive(Debug, Deserialize)]
pub(super) struct OfApp {
    app: String,
}

/// What an operator switches.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Switched {
    app: String,
    off: bool,
}

/// `GET /telemetry/v1/config?app=`.
pub(super) async fn read(
    State(telemetry): State<Arc<Telemetry>>,
    _: Caller,
    Query(asked): Query<OfApp>,
) -> Result<Response, Problem> {
    let Some(contract) = telemetry.contracts.get(&asked.app) else {
        let fault = FieldFault::new("app", "no contract is configured for it, see telemetry.contracts");
        return Err(Problem::not_found(fault.to_string()));
    };
    let told = json!({
        "app": contract.app(),
        "off": telemetry.switch.is_off(contract.app()),
        "samplingRate": telemetry.settings.sampling,
        "flushIntervalMs": u64::try_from(telemetry.settings.flush_interval.as_millis()).unwrap_or(u64::MAX),
        "batchItemsMax": ITEMS_MAX,
        "batchBytesMax": BATCH_BYTES_MAX,
        "openTelemetry": telemetry.collector.is_some(),
        "contract": contract.document(),
    });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(told)).into_response())
}

/// `PUT /telemetry/v1/switch`, for operators. It holds until it is switched again, whatever the settings say.
pub(super) async fn switch(
    State(telemetry): State<Arc<Telemetry>>,
    caller: Caller,
    JsonBody(asked): JsonBody<Switched>,
) -> Result<Response, Problem> {
    caller.needs_scope(scope::OPERATE)?;
    if caller.tenant().is_some() {
        return Err(Problem::forbidden("applications are switched for every tenant, and the token is for one"));
    }
    if asked.app != ALL && !telemetry.contracts.contains_key(&asked.app) {
        let fault = FieldFault::new("app", "it is neither * nor an application with a contract");
        return Err(Problem::unprocessable(fault.to_string()));
    }
    let (of, app, is_off) = (telemetry.clone(), asked.app.clone(), asked.off);
    let written = tokio::task::spawn_blocking(move || of.switch.set(&app, is_off)).await;
    if let Err(error) = written.map_err(std::io::Error::other).flatten() {
        tracing::error!(%error, "an application is not switched: the data directory cannot be written");
        return Err(Problem::unavailable("it cannot be kept: the data directory cannot be written"));
    }
    let said = json!({ "app": asked.app, "off": asked.off, "by": caller.subject() });
    telemetry.lines.own(telemetry.now(), "switched", &said);
    Ok(StatusCode::NO_CONTENT.into_response())
}
