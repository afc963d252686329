//! Metrics: every role serves the metrics declared in the reference, in a format that promtool accepts.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::{Caller, Installation, agents};

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);

/// The reference as printed by `trunkline specs`: role → metrics; `*` are those of every role.
fn reference() -> Result<BTreeMap<String, Vec<Value>>> {
    let printed = Command::new(testkit::installation::binary()?).args(["specs", "--metrics", "--json"]).output()?;
    ensure!(printed.status.success(), "specs: {}", String::from_utf8_lossy(&printed.stderr));
    Ok(serde_json::from_slice(&printed.stdout)?)
}

/// Name, type and help of each family in the text format.
fn families(text: &str) -> BTreeSet<(String, String, String)> {
    let lines = |what: &str| -> BTreeMap<String, String> {
        let rows = text.lines().filter_map(|line| line.strip_prefix(what)?.split_once(' '));
        rows.map(|(name, rest)| (name.to_owned(), rest.to_owned())).collect()
    };
    let helps = lines("# HELP ");
    let kinds = lines("# TYPE ").into_iter();
    // The format's library adds a full stop to some.
    let help = |name: &str| helps.get(name).map_or("", |help| help.trim_end_matches('.')).to_owned();
    kinds.map(|(name, kind)| (name.clone(), kind, help(&name))).collect()
}

fn declared(all: &[Value]) -> BTreeSet<(String, String, String)> {
    let text = |metric: &Value, key: &str| metric[key].as_str().unwrap_or_default().to_owned();
    all.iter().map(|m| (text(m, "name"), text(m, "type"), text(m, "help"))).collect()
}

/// The names of a metric's samples: a histogram has several.
pub(crate) fn samples_of(metric: &Value) -> impl Iterator<Item = String> {
    let ends: &[&str] = if metric["type"] == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
    let name = metric["name"].as_str().unwrap_or_default();
    ends.iter().map(move |end| format!("{name}{end}"))
}

/// Label values that are not declared.
fn undeclared_labels(text: &str, all: &[Value]) -> Vec<String> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let is_known = |line: &str| {
        let Some((name, rest)) = line.split_once('{') else { return true };
        let labels = rest.split_once('}').map_or(rest, |(labels, _)| labels);
        let metric = all.iter().find(|metric| samples_of(metric).any(|sample| sample == name));
        labels.split("\",").all(|label| {
            let (key, value) = label.split_once("=\"").unwrap_or((label, ""));
            metric.is_some_and(|metric| match &metric["labels"][key] {
                Value::Array(values) => values.iter().any(|known| known == value.trim_end_matches('"')),
                // From a table elsewhere.
                Value::String(_) => true,
                _ => false,
            })
        })
    };
    samples.filter(|line| !is_known(line)).map(str::to_owned).collect()
}

fn promtool(text: &str) -> Result<()> {
    let mut tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("promtool: script/bootstrap installs it")?;
    tool.stdin.take().context("no stdin")?.write_all(text.as_bytes())?;
    let output = tool.wait_with_output()?;
    let said = [output.stdout, output.stderr].concat();
    ensure!(output.status.success() && said.is_empty(), "promtool: {}", String::from_utf8_lossy(&said));
    Ok(())
}

#[test]
fn every_role_serves_what_the_reference_declares_and_promtool_finds_no_fault() -> Result<()> {
    let site = Installation::start()?;
    // Cause some counts: a phone, an answered call, a refused one.
    agents::sipp_register(&site, 10, "7101")?;
    Caller::dial(&site, "caller.xml", 1, site.number("echo")?, &["-d", "1500"])?.finish(LATER)?.1.expect_success()?;
    site.metric_becomes("sip-cluster", "sipcluster_calls_offered_total", 1.0, SOON)?;

    let reference = reference()?;
    let of_every_role = reference.get("*").context("nothing of every role")?;
    ensure!(reference.len() > 12, "{} roles", reference.len());
    for (role, own) in reference.iter().filter(|(role, _)| *role != "*") {
        let place = site.admin(role)?;
        let text = site.http(place, "GET", "/metrics", "")?.body;
        let all = [own.as_slice(), of_every_role.as_slice()].concat();
        let (served, declared) = (families(&text), declared(&all));
        let apart: Vec<_> = served.symmetric_difference(&declared).collect();
        ensure!(apart.is_empty(), "{role}: served or declared alone: {apart:#?}");
        let unknown = undeclared_labels(&text, &all);
        ensure!(unknown.is_empty(), "{role}: labels of no declared set: {unknown:#?}");
        promtool(&text).with_context(|| format!("metrics of {role}"))?;
        let token = site.demo.tokens.get("operator").context("no token")?;
        let accept =
            format!("Authorization: Bearer {token}\r\nAccept: application/openmetrics-text; version=1.0.0\r\n");
        let openmetrics = site.http_with(place, "GET", "/metrics", &accept, "")?.body;
        ensure!(openmetrics.ends_with("# EOF\n") && openmetrics.contains("# TYPE role_restarts counter\n"), "{role}");
    }
    Ok(())
}

#[test]
fn what_is_no_http_too_large_or_too_slow_is_counted_by_reason() -> Result<()> {
    let site = Installation::start()?;
    let web: std::net::SocketAddr = site.demo.web.trim_start_matches("http://").parse()?;
    let send = |bytes: &[u8]| -> Result<String> {
        let mut stream = TcpStream::connect(web)?;
        stream.set_read_timeout(Some(LATER))?;
        // The server may close before it has read everything.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let counted = |metric: &str, reason: &str| -> Result<f64> {
        let text = site.http(site.admin("ingress")?, "GET", "/metrics", "")?.body;
        let row = text.lines().find_map(|line| line.strip_prefix(&format!("{metric}{{reason=\"{reason}\"}} ")));
        Ok(row.with_context(|| format!("no {metric} of {reason}"))?.parse()?)
    };
    let connections = |reason: &str| counted("http_connections_failed_total", reason);

    send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is TLS\r\n\r\n")?;
    let head = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(64 * 1024));
    let answer = send(head.as_bytes())?;
    ensure!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    // One sends nothing at all, one stops in the middle; both are disconnected.
    for silent in [&b""[..], b"GET / HTTP/1.1\r\nHost:"] {
        send(silent)?;
    }
    testkit::wait::until(LATER, || {
        let all = connections("malformed")? >= 1.0 && connections("head_too_large")? >= 1.0;
        Ok((all && connections("slow")? >= 2.0).then_some(()))
    })?;
    site.http_with(web, "POST", "/api/voice/v1/example/requests", "", "{}")?;
    let refused = || Ok((counted("http_requests_refused_total", "token")? >= 1.0).then_some(()));
    testkit::wait::until(SOON, refused).context("who has no token is counted")
}
