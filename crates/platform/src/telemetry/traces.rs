//! Batches of our own form: `POST /telemetry/v1/traces` with `{app, attributes, items}`.

use ::telemetry::FieldFault;
use ::telemetry::batch::Batch;
use ::telemetry::contract::Contract;
use ::telemetry::intake::{self, KeptBatch, KeptItem};
use axum::Json;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use net::http::{FORWARDED_FOR, Problem, StatusCode};
use serde_json::{Value, json};

use super::Telemetry;
use super::admission::BatchSender;
use super::answers::BatchRefusal;
use super::lines::{BATCH_LINES_BYTES_MAX, LINE_BYTES_MAX, LineFate, LineHead};
use super::metrics::{BatchOutcome, DropReason, zone};

/// Takes a batch: its items become lines and counts.
///
/// # Errors
/// Why none of it is taken.
pub(super) fn take(
    telemetry: &Telemetry,
    sender: &BatchSender,
    headers: &HeaderMap,
    document: &Value,
) -> Result<Response, BatchRefusal> {
    let batch = Batch::read(document)?;
    let Some(contract) = telemetry.contracts.get(&batch.app) else { return Err(no_contract(&batch.app)) };
    if telemetry.switch.is_off(&batch.app) {
        drops(telemetry, DropReason::Off, batch.items.len());
        return Ok(answer(&json!({ "accepted": 0, "dropped": batch.items.len(), "off": true })));
    }
    let taken = intake::take(batch, contract, telemetry.now());
    let client_ip = telemetry.settings.client_ip.then(|| headers.get(FORWARDED_FOR)?.to_str().ok()).flatten();
    let head = LineHead {
        app: contract.app(),
        version: &taken.version,
        tenant: &sender.tenant_name,
        user: &sender.user,
        session: &taken.session,
        client_ip,
    };
    let fates = telemetry.lines.put(&sender.tenant, &head, &taken);
    for (item, fate) in taken.items.iter().zip(&fates) {
        if *fate == LineFate::Queued {
            telemetry.metrics.items.add(&[contract.app(), item.kind.as_str(), &sender.tenant_name], 1);
        }
        // What a contract monitors is counted even where its line is shed.
        count(telemetry, contract, item);
    }
    drops(telemetry, DropReason::Faulty, taken.faulty);
    telemetry.metrics.properties_dropped.inc_by(taken.properties_dropped as u64);
    Ok(answer(&told(telemetry, &taken, &fates)))
}

/// What a client is told, which is counted too.
fn told(telemetry: &Telemetry, taken: &KeptBatch, fates: &[LineFate]) -> Value {
    let count = |of: LineFate| fates.iter().filter(|fate| **fate == of).count();
    let (accepted, shed, too_large) = (count(LineFate::Queued), count(LineFate::Shed), count(LineFate::TooLarge));
    drops(telemetry, DropReason::Shed, shed);
    drops(telemetry, DropReason::TooLarge, too_large);
    let mut faults: Vec<String> = taken.faults.iter().map(ToString::to_string).collect();
    if too_large > 0 {
        let rule = format!(
            "{too_large} were dropped: with its attributes a line has {LINE_BYTES_MAX} bytes at most, and a batch {BATCH_LINES_BYTES_MAX}"
        );
        faults.push(FieldFault::new("items", rule).to_string());
    }
    let mut told = json!({ "accepted": accepted, "dropped": shed + too_large + taken.faulty });
    if !faults.is_empty() {
        told["faults"] = faults.into();
    }
    told
}

fn answer(told: &Value) -> Response {
    (StatusCode::ACCEPTED, Json(told)).into_response()
}

fn no_contract(app: &str) -> BatchRefusal {
    let fault = FieldFault::new("app.name", format!("no contract is configured for {app:?}, see telemetry.contracts"));
    BatchRefusal::new(Problem::unprocessable(fault.to_string()), BatchOutcome::NoContract)
}

/// Counts items that are not kept.
pub(super) fn drops(telemetry: &Telemetry, reason: DropReason, items: usize) {
    for _ in 0..items {
        telemetry.metrics.dropped.inc(reason);
    }
}

fn count(telemetry: &Telemetry, contract: &Contract, item: &KeptItem) {
    let metrics = &telemetry.metrics;
    if let Some(pattern) = &item.counted.event {
        metrics.monitored_events.add(&[contract.app(), pattern], 1);
    }
    if item.counted.is_crossing {
        metrics.monitored_metrics.add(&[contract.app(), &item.name], 1);
    }
    if let Some(of) = item.counted.zone {
        metrics.apdex_values.add(&[contract.app(), &item.name, zone(of)], 1);
        metrics.apdex_scores.add(contract.app(), &item.name, of, telemetry.now());
    }
}
