//! Reads contracts from their configuration: a list in JSON, as the published service has it.

use std::collections::{BTreeMap, BTreeSet};

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use super::{Contract, MonitoredEvent, MonitoredMetric, NUMBERED, ThresholdSide};
use crate::apdex::ApdexRule;
use crate::field_fault::{FieldFault, known_members, list, name, object, text};
use crate::limits::{
    CONTRACT_PROPERTIES_MAX, CONTRACTS_MAX, MONITORED_MAX, NAME_BYTES_MAX, PATTERN_BYTES_MAX,
    PATTERN_COMPILED_BYTES_MAX,
};

/// The members of a contract.
const MEMBERS: [&str; 5] = ["appName", "properties", "monitoredMetrics", "monitoredEvents", "apdex"];
/// The members of a metric with an Apdex.
const APDEX_MEMBERS: [&str; 3] = ["satisfiedTH", "toleratedTH", "isExtended"];

/// The contracts of a JSON list; an empty text has none.
///
/// # Errors
/// The field, and the rule that it breaks.
pub fn read_list(json: &str) -> Result<Vec<Contract>, FieldFault> {
    if json.trim().is_empty() {
        return Ok(Vec::new());
    }
    let document: Value =
        serde_json::from_str(json).map_err(|error| FieldFault::new("contracts", format!("it is not JSON: {error}")))?;
    let mut contracts: Vec<Contract> = Vec::new();
    for (at, value) in list(&document, "contracts", CONTRACTS_MAX)?.iter().enumerate() {
        let contract = contract(value, &format!("contracts[{at}]"))?;
        if contracts.iter().any(|other| other.app == contract.app) {
            return Err(FieldFault::new(format!("contracts[{at}].appName"), "another contract has that name"));
        }
        contracts.push(contract);
    }
    Ok(contracts)
}

fn contract(value: &Value, field: &str) -> Result<Contract, FieldFault> {
    let members = object(value, field)?;
    known_members(members, field, &MEMBERS)?;
    let app = name(members.get("appName"), &format!("{field}.appName"), NAME_BYTES_MAX)?.to_owned();
    let (properties, numbered) = properties(members, &format!("{field}.properties"))?;
    Ok(Contract {
        app,
        properties,
        numbered,
        metrics: metrics(members, &format!("{field}.monitoredMetrics"))?,
        events: events(members, &format!("{field}.monitoredEvents"))?,
        apdex: apdex(members, &format!("{field}.apdex"))?,
        document: value.clone(),
    })
}

/// A list that may be absent.
fn items<'a>(
    members: &'a Map<String, Value>,
    key: &str,
    field: &str,
    items_max: usize,
) -> Result<&'a [Value], FieldFault> {
    match members.get(key) {
        Some(value) => list(value, field, items_max),
        None => Ok(&[]),
    }
}

/// The names that are allowed as they are, and what stands before the number of the others.
fn properties(members: &Map<String, Value>, field: &str) -> Result<(BTreeSet<String>, BTreeSet<String>), FieldFault> {
    let (mut plain, mut numbered) = (BTreeSet::new(), BTreeSet::new());
    for (at, value) in items(members, "properties", field, CONTRACT_PROPERTIES_MAX)?.iter().enumerate() {
        let property = text(Some(value), &format!("{field}[{at}]"), NAME_BYTES_MAX)?;
        match property.strip_suffix(NUMBERED) {
            Some(before) => numbered.insert(format!("{before}__")),
            None => plain.insert(property.to_owned()),
        };
    }
    Ok((plain, numbered))
}

fn metrics(members: &Map<String, Value>, field: &str) -> Result<Vec<MonitoredMetric>, FieldFault> {
    let read = |(at, value): (usize, &Value)| {
        let field = format!("{field}[{at}]");
        let metric = object(value, &field)?;
        known_members(metric, &field, &["name", "value", "type"])?;
        let side = match metric.get("type").and_then(Value::as_str) {
            Some("gt") => ThresholdSide::Above,
            Some("lt") => ThresholdSide::Below,
            _ => return Err(FieldFault::new(format!("{field}.type"), "it must be \"gt\" or \"lt\"")),
        };
        let name = name(metric.get("name"), &format!("{field}.name"), NAME_BYTES_MAX)?.to_owned();
        Ok(MonitoredMetric { name, value: number(metric, "value", &field)?, side })
    };
    items(members, "monitoredMetrics", field, MONITORED_MAX)?.iter().enumerate().map(read).collect()
}

fn events(members: &Map<String, Value>, field: &str) -> Result<Vec<MonitoredEvent>, FieldFault> {
    let read = |(at, value): (usize, &Value)| {
        let field = format!("{field}[{at}]");
        let pattern = text(Some(value), &field, PATTERN_BYTES_MAX)?;
        let whole = compiled(pattern).map_err(|error| {
            // The first lines of such an error draw the pattern.
            let words = error.to_string();
            let last = words.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            FieldFault::new(&field, format!("it is no regular expression: {last}"))
        })?;
        Ok(MonitoredEvent { pattern: pattern.to_owned(), whole })
    };
    items(members, "monitoredEvents", field, MONITORED_MAX)?.iter().enumerate().map(read).collect()
}

/// The pattern for whole names. It is read alone first, so that no unbalanced bracket of it closes ours.
fn compiled(pattern: &str) -> Result<Regex, regex::Error> {
    let build = |pattern: &str| RegexBuilder::new(pattern).size_limit(PATTERN_COMPILED_BYTES_MAX).build();
    build(pattern)?;
    build(&format!("^(?:{pattern})$"))
}

fn apdex(members: &Map<String, Value>, field: &str) -> Result<BTreeMap<String, ApdexRule>, FieldFault> {
    let Some(value) = members.get("apdex") else { return Ok(BTreeMap::new()) };
    let apdex = object(value, field)?;
    known_members(apdex, field, &["metrics"])?;
    let field = format!("{field}.metrics");
    let Some(metrics) = apdex.get("metrics") else { return Ok(BTreeMap::new()) };
    let metrics = object(metrics, &field)?;
    if metrics.len() > MONITORED_MAX {
        return Err(FieldFault::new(field, format!("at most {MONITORED_MAX} are taken")));
    }
    let mut rules = BTreeMap::new();
    for (metric, thresholds) in metrics {
        let field = format!("{field}.{metric}");
        let of_name = Value::String(metric.clone());
        name(Some(&of_name), &field, NAME_BYTES_MAX)?;
        let thresholds = object(thresholds, &field)?;
        known_members(thresholds, &field, &APDEX_MEMBERS)?;
        let rule = ApdexRule {
            satisfied: number(thresholds, "satisfiedTH", &field)?,
            tolerated: number(thresholds, "toleratedTH", &field)?,
            is_extended: flag(thresholds, "isExtended", &field)?,
        };
        rules.insert(metric.clone(), rule);
    }
    Ok(rules)
}

fn number(members: &Map<String, Value>, key: &str, field: &str) -> Result<f64, FieldFault> {
    let number = members.get(key).and_then(Value::as_f64);
    number.ok_or_else(|| FieldFault::new(format!("{field}.{key}"), "it must be a number"))
}

/// One that may be absent, and is false then.
fn flag(members: &Map<String, Value>, key: &str, field: &str) -> Result<bool, FieldFault> {
    let Some(value) = members.get(key) else { return Ok(false) };
    value.as_bool().ok_or_else(|| FieldFault::new(format!("{field}.{key}"), "it must be true or false"))
}
