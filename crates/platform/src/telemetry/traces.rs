//! Batches of our own form: `POST /telemetry/v1/traces` with `{app, attributes, items}`.

use ::telemetry::FieldFault;
use ::telemetry::batch::Batch;
use ::telemetry::contract::Contract;
use ::telemetry::intake::{self, KeptBatch, KeptItem};
use ::telemetry::limits::{CLIENT_LINES_PER_S, PERSON_LINES_PER_S, TENANT_LINES_PER_S};
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
    let (client, now) = (sender.client(), telemetry.now());
    let budget = telemetry.rates().line_room(client, now);
    let put = telemetry.lines.put(&sender.tenant, &head, &taken, budget);
    telemetry.rates().charge_lines(client, put.bytes, now);
    for item in &taken.items {
        // What a contract monitors is counted even where its line is shed.
        count(telemetry, contract, item);
    }
    for event in taken.monitored_events() {
        telemetry.metrics.monitored_batches.add(&[contract.app(), event], 1);
    }
    drops(telemetry, DropReason::Faulty, taken.faulty);
    telemetry.metrics.properties_dropped.inc_by(taken.properties_dropped as u64);
    Ok(answer(&told(telemetry, &taken, &put.fates)))
}

/// What a client is told, which is counted too.
fn told(telemetry: &Telemetry, taken: &KeptBatch, fates: &[LineFate]) -> Value {
    let count = |of: LineFate| fates.iter().filter(|fate| **fate == of).count();
    let refused = [
        (LineFate::Shed, DropReason::Shed),
        (LineFate::OverBudget, DropReason::OverBudget),
        (LineFate::TooLarge, DropReason::TooLarge),
    ];
    let (mut dropped, mut faults) = (taken.faulty, Vec::from_iter(taken.faults.iter().map(ToString::to_string)));
    for (fate, reason) in refused {
        let items = count(fate);
        drops(telemetry, reason, items);
        dropped += items;
        if let Some(rule) = rule(fate).filter(|_| items > 0) {
            faults.push(FieldFault::new("items", format!("{items} were dropped: {rule}")).to_string());
        }
    }
    let mut told = json!({ "accepted": count(LineFate::Queued), "dropped": dropped });
    if !faults.is_empty() {
        told["faults"] = faults.into();
    }
    told
}

/// The rule that items break which come to that, where they break one.
fn rule(fate: LineFate) -> Option<String> {
    match fate {
        LineFate::Queued | LineFate::Shed => None,
        LineFate::OverBudget => Some(format!(
            "they make too many lines: {CLIENT_LINES_PER_S} bytes a second of a client, {PERSON_LINES_PER_S} of a person, \
             {TENANT_LINES_PER_S} of a tenant"
        )),
        LineFate::TooLarge => Some(format!(
            "with its attributes a line has {LINE_BYTES_MAX} bytes at most, and a batch {BATCH_LINES_BYTES_MAX}"
        )),
    }
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
    telemetry.metrics.drops(reason, items as u64);
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
    let measured = item.counted.zone.and(item.value);
    if let Some((rule, value)) = contract.apdex(&item.name).filter(|rule| rule.is_extended).zip(measured) {
        metrics.values.add(contract.app(), &item.name, rule, value);
    }
}
