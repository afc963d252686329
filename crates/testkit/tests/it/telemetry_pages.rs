//! Telemetry from a browser: our own pages tell of themselves, and others by OpenTelemetry's SDK for browsers.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use serde_json::{Value, json};
use testkit::browser::Browser;
use testkit::{Installation, wait};

use crate::telemetry::{CONTRACTS, HttpCollector, line, lines};

const LATER: Duration = Duration::from_secs(90);
const SEEN: Duration = Duration::from_secs(240);
const JSON: &str = "application/json";
const PROTOBUF: &str = "application/x-protobuf";
/// The number that the page dials, as far as it must not go on.
const NUMBER: &str = "4930123456";

#[test]
fn our_pages_tell_how_they_are_doing_without_what_somebody_typed() -> Result<()> {
    let site = Installation::start()?;
    Browser::run("pageWatch", &site, "wallboard", &[], SEEN)?;
    let error = line(&site, "error_script")?;
    ensure!(error["app"] == "trunkline_pages" && error["tenant"] == "example", "{error}");
    ensure!(error["props"]["message"] == "Error: no such person: <address>, <number>", "{error}");
    ensure!(error["props"]["page"] == "/trace" && error["level"] == "ERROR", "{error}");
    ensure!(!site.log().iter().any(|line| line.contains(NUMBER)), "a phone number is in the log");

    let started = line(&site, "session_started")?;
    let browser = started["props"]["browser"].as_str().unwrap_or_default();
    ensure!(browser.starts_with("Chromium ") && started["props"]["language"] == "en", "{started}");
    let shown = line(&site, "page_shown_seconds")?;
    ensure!(shown["value"].as_f64().is_some_and(|seconds| seconds > 0.0), "{shown}");
    let asked = line(&site, "request_seconds")?;
    ensure!(asked["props"]["where"].as_str().is_some_and(|api| api.starts_with('/')), "{asked}");
    // Other pages may stand still, too.
    let is_stall = |line: &Value| line["msgId"] == "performance_worker_minor" && line["props"]["page"] == "/trace";
    wait::until(LATER, || Ok(lines(&site).iter().any(is_stall).then_some(()))).context("no stall was told")?;
    let is_late = |line: &Value| {
        line["msgId"] == "interaction_delay_ms" && line["value"].as_f64().is_some_and(|delay| delay >= 300.0)
    };
    wait::until(LATER, || Ok(lines(&site).iter().any(is_late).then_some(()))).context("no press was answered late")?;
    for page in ["/", "/trace"] {
        let is_opened = |line: &Value| line["msgId"] == "page_opened" && line["props"]["page"] == page;
        wait::until(LATER, || Ok(lines(&site).iter().any(is_opened).then_some(()))).with_context(|| page.to_owned())?;
    }
    let crossing = "telemetry_monitored_event_total{app=\"trunkline_pages\",event=\"error_.*\"}";
    site.metric_becomes("telemetry", crossing, 1.0, LATER)
}

/// own-25.
#[test]
fn the_sdk_for_browsers_goes_on_in_both_its_forms_without_personal_data() -> Result<()> {
    let place = |instance: u8| SocketAddr::from((Ipv4Addr::new(127, instance, 250, 31), 4_318));
    let set = |instance: u8| {
        let collector = format!("telemetry.collector=http://{}", place(instance));
        ["--set", &collector, "--set", CONTRACTS].map(str::to_owned).to_vec()
    };
    let site = Installation::start_numbered(set)?;
    let collector = HttpCollector::start(place(site.demo.instance))?;
    Browser::run("openTelemetry", &site, "wallboard", &[], SEEN)?;

    let traces: Value = serde_json::from_slice(&collector.wait_for("/v1/traces", JSON)?)?;
    let span = &traces["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    ensure!(span["name"] == "dial <number>" && span["events"][0]["name"] == "rang at <address>", "{traces}");
    // Its contract names the region, and no customer.
    ensure!(span["attributes"] == json!([{ "key": "region", "value": { "stringValue": "eu" } }]), "{traces}");
    ensure!(!traces.to_string().contains("Ann") && traces.to_string().contains("trunkline.tenant"), "{traces}");
    let traces = ExportTraceServiceRequest::decode(&collector.wait_for("/v1/traces", PROTOBUF)?[..])?;
    let names = traces.resource_spans.iter().flat_map(|of_resource| &of_resource.scope_spans);
    let names: Vec<&str> = names.flat_map(|of_scope| &of_scope.spans).map(|span| span.name.as_str()).collect();
    ensure!(names == ["dial <number>"], "{traces:?}");
    let logs: Value = serde_json::from_slice(&collector.wait_for("/v1/logs", JSON)?)?;
    let record = &logs["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
    ensure!(record["body"]["stringValue"] == "to <number>", "{logs}");

    let metrics: Value = serde_json::from_slice(&collector.wait_for("/v1/metrics", JSON)?)?;
    histograms_are_whole(&metrics).with_context(|| metrics.to_string())?;
    let metrics = collector.wait_for("/v1/metrics", PROTOBUF)?;
    let holds = |text: &str| metrics.windows(text.len()).any(|part| part == text.as_bytes());
    ensure!(holds("delay") && holds("mos") && holds("<number>") && holds("trunkline.tenant"), "{metrics:?}");
    ensure!(!holds(NUMBER), "a phone number goes on: {metrics:?}");
    // Two spans, a log record, and four points of metrics.
    site.metric_becomes("telemetry", "telemetry_otlp_items_total{outcome=\"forwarded\"}", 7.0, LATER)
}

/// Each value of the page is in its bucket, and the attribute that tells points apart is cleaned.
fn histograms_are_whole(metrics: &Value) -> Result<()> {
    let all = metrics["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().context("no metrics")?;
    let point = |name: &str, kind: &str| {
        let metric = all.iter().find(|metric| metric["name"] == name).with_context(|| format!("no {name}"))?;
        let point = metric[kind]["dataPoints"][0].clone();
        let to = json!([{ "key": "to", "value": { "stringValue": "<number>" } }]);
        ensure!(point["attributes"] == to, "{name}: {point}");
        Ok(point)
    };
    let delay = point("delay", "histogram")?;
    ensure!(delay["bucketCounts"] == json!([1, 1, 1]) && delay["explicitBounds"] == json!([10, 100]), "{delay}");
    ensure!(delay["count"] == 3 && delay["sum"] == 555 && delay["max"] == 500, "{delay}");
    let mos = point("mos", "exponentialHistogram")?;
    let counts = mos["positive"]["bucketCounts"].as_array().context("no buckets")?;
    let in_buckets: u64 = counts.iter().filter_map(Value::as_u64).sum();
    ensure!(mos["count"] == 2 && in_buckets == 2 && mos["scale"].is_i64(), "{mos}");
    Ok(())
}
