//! Spans of calls at a collector: one trace per call, from its INVITE to the change on the wallboard.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testkit::agents::baresip_agent;
use testkit::caller::{CALLER, Caller, prompt_samples};
use testkit::collector::{Collector, Span};
use testkit::{Answer, Installation, kernel, wait};

use super::trace::{of_ended, trace};

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);
const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// The trace started by a client of the requests.
const CLIENT_TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENT_SPAN: &str = "00f067aa0ba902b7";

#[test]
fn a_call_is_one_trace_from_its_invite_to_the_wallboard() -> Result<()> {
    let collector = Collector::start(ANYWHERE)?;
    let site = Installation::start_with(&["--set", &collector.setting()])?;
    let mut agent = baresip_agent(&site, 10, "7121", Answer::Auto)?;
    // The agent ends the call once all has been looked at, however long that takes.
    let mut caller = Caller::dial(&site, "caller.xml", 1, site.number("support")?, &["-d", "600000"])?;
    let media = caller.answered(SOON)?;
    caller.audio.say(&prompt_samples("announcement")?.repeat(60), media)?;
    agent.wait_for("CALL_ESTABLISHED", LATER)?;
    the_clients_own_trace_leads_to_the_calls(&site, &collector)?;
    the_kernel_has_each_connection(&site, &collector)?;
    agent.hang_up()?;
    drop(caller);

    let document = of_ended(&site, &["--last"])?;
    let uuid = document["call"]["uuid"].as_str().context("no trace id")?.to_lowercase();
    let root = collector.wait_for(SOON, |span| span.trace == uuid && span.name == "call")?;
    let is_last = |span: &Span| span.name == "wallboard" && span.events.iter().any(|e| e == "EventCallDeleted");
    collector.wait_for(SOON, |span| span.trace == uuid && is_last(span))?;
    collector.wait_for(SOON, |span| span.trace == uuid && span.name == "audio")?;
    let spans = || -> Vec<Span> { collector.spans().into_iter().filter(|span| span.trace == uuid).collect() };
    // Each role sends its own in its time. What is missing in the end is said below.
    let _ = wait::until(SOON, || {
        let spans = spans();
        let ids: BTreeSet<&str> = spans.iter().map(|span| span.id.as_str()).collect();
        let have_parents = spans.iter().all(|span| span.id == root.id || ids.contains(span.parent.as_str()));
        Ok((have_parents && each_step_is_there_and_of_its_role(&spans).is_ok()).then_some(()))
    });
    let spans = spans();
    each_step_is_there_and_of_its_role(&spans)?;
    ensure!(root.parent.is_empty() && root.id == document["call"]["connId"], "the root: {root:?}");
    let ids: BTreeSet<&str> = spans.iter().map(|span| span.id.as_str()).collect();
    // What is sent again, because the collector's answer came late, is the same span.
    let different: BTreeSet<&str> = spans.iter().map(|span| span.text.as_str()).collect();
    ensure!(ids.len() == different.len(), "an id comes twice");
    for span in spans.iter().filter(|span| span.id != root.id) {
        ensure!(ids.contains(span.parent.as_str()), "the parent of {span:?} is not in the trace");
        ensure!(span.end >= span.start && span.start + 1_000_000_000 >= root.start, "the times of {span:?}");
    }
    times_follow_each_other(&spans)?;
    let told =
        |text: &str| collector.spans().iter().find(|span| span.text.contains(text)).map(|span| span.text.clone());
    for number in [site.number("support")?.trim_start_matches('+'), CALLER.trim_start_matches('+'), "Bearer"] {
        ensure!(told(number).is_none(), "{number} is in a span: {:?}", told(number));
    }
    Ok(())
}

/// A request with a `traceparent` of its client belongs to the client's trace and links to the call's.
fn the_clients_own_trace_leads_to_the_calls(site: &Installation, collector: &Collector) -> Result<()> {
    let of_call = || trace(site, &["--last"]).ok().filter(|call| call["call"]["printed"].is_string());
    let call = wait::until(SOON, || Ok(of_call())).context("no call")?;
    let (printed, uuid) = (call["call"]["printed"].as_str().context("no call")?, call["call"]["uuid"].as_str());
    let uuid = uuid.context("no trace id")?.to_lowercase();
    let token = site.demo.tokens.get("operator").context("no operator's token")?;
    let headers = format!("Authorization: Bearer {token}\r\ntraceparent: 00-{CLIENT_TRACE}-{CLIENT_SPAN}-01\r\n");
    let frame = json!({"req": "TAttachUserData", "ThisDN": "7121", "ConnID": printed, "UserData": {"Note": "seen"}});
    let place = site.demo.web.trim_start_matches("http://").parse()?;
    let answer = site.http_with(place, "POST", "/api/voice/v1/example/requests", &headers, &frame.to_string())?;
    ensure!(answer.status == 202, "{} {}", answer.status, answer.body);
    let request = collector.wait_for(SOON, |span| span.trace == CLIENT_TRACE && span.name == "TAttachUserData")?;
    ensure!(request.links == [uuid], "it leads to {:?}", request.links);
    // The same request at each role on its path, each a child of the one before.
    for (role, parent) in [("ingress", CLIENT_SPAN.to_owned()), ("sip-cluster", request.id.clone())] {
        let at = |span: &Span| span.trace == CLIENT_TRACE && span.role == role && span.name == "POST";
        let served = collector.wait_for(SOON, at)?;
        ensure!(served.parent == parent, "{served:?}");
    }
    Ok(())
}

/// Each role that has sent spans has a connection to the collector, from its own address, with bytes in both
/// directions in the kernel's table, and the topology shows it.
fn the_kernel_has_each_connection(site: &Installation, collector: &Collector) -> Result<()> {
    let mut last = String::new();
    let agree = wait::until(LATER, || {
        let sockets = kernel::connections(site.pid())?;
        let seen: BTreeSet<String> = sockets
            .iter()
            .filter(|socket| socket.remote == collector.address() && socket.sent > 0 && socket.received > 0)
            .map(|socket| socket.local.ip().to_string())
            .collect();
        let Ok(document) = topology(site) else { return Ok(None) };
        let rows = document["connections"].as_array().context("no connections")?;
        let row = rows.iter().find(|row| row["id"] == "own-14").context("no own-14")?;
        let addresses: BTreeMap<&str, &str> = document["roles"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|role| Some((role["node"].as_str()?, role["address"].as_str()?)))
            .collect();
        let open = row["peers"].as_array().into_iter().flatten().filter(|peer| peer["open"] == 1);
        let said: BTreeSet<&str> = open.filter_map(|peer| addresses.get(peer["node"].as_str()?).copied()).collect();
        let seen: BTreeSet<&str> = seen.iter().map(String::as_str).collect();
        last = format!("said {said:?}, seen {seen:?}: {row}");
        Ok((row["state"] == "open" && said == seen && seen.len() >= 5).then_some(()))
    });
    agree.with_context(|| last)
}

fn topology(site: &Installation) -> Result<serde_json::Value> {
    let output = std::process::Command::new(testkit::installation::binary()?)
        .args(["topology", "--json", "--instance", &site.demo.instance.to_string(), "--data-dir"])
        .arg(site.data_dir())
        .output()?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn each_step_is_there_and_of_its_role(spans: &[Span]) -> Result<()> {
    const STEPS: [(&str, &str); 14] = [
        ("INVITE", "sip-proxy"),
        ("INVITE media", "sip-proxy"),
        ("INVITE phone", "sip-proxy"),
        ("call", "sip-cluster"),
        ("POST", "dialplan"),
        ("application", "ors"),
        ("state", "ors"),
        ("play", "media"),
        ("audio", "media"),
        ("TApplyTreatment", "frontend"),
        ("queue", "rq"),
        ("decision", "rq"),
        ("ringing", "sip-cluster"),
        ("talking", "sip-cluster"),
    ];
    let told: BTreeSet<(&str, &str)> = spans.iter().map(|span| (span.name.as_str(), span.role.as_str())).collect();
    let missing: Vec<_> = STEPS.iter().filter(|step| !told.contains(step)).collect();
    ensure!(missing.is_empty(), "missing: {missing:?}; there: {told:?}");
    ensure!(told.contains(&("wallboard", "pulse")), "{told:?}");
    Ok(())
}

fn times_follow_each_other(spans: &[Span]) -> Result<()> {
    let first = |name: &str| spans.iter().find(|span| span.name == name).with_context(|| format!("no {name}"));
    let (ringing, talking, queue, decision) =
        (first("ringing")?, first("talking")?, first("queue")?, first("decision")?);
    ensure!(ringing.end == talking.start, "{ringing:?} {talking:?}");
    ensure!(decision.parent == queue.id && queue.start <= decision.start, "{decision:?}");
    ensure!(decision.start <= ringing.start, "{decision:?} {ringing:?}");
    ensure!(decision.attributes.get("trunkline.dn").is_some_and(|dn| dn == "7121"), "{decision:?}");
    ensure!(spans.iter().all(|span| !span.failed), "{:?}", spans.iter().find(|span| span.failed));
    Ok(())
}

#[test]
fn a_collector_that_is_away_touches_no_call_and_gets_what_it_missed() -> Result<()> {
    // A port that nothing else takes while nobody listens at it: of this instance, and none that the kernel gives away.
    let place = |instance: u8| SocketAddr::from((Ipv4Addr::new(127, instance, 250, 30), 4_317));
    let site = Installation::start_numbered(|instance| {
        vec!["--set".to_owned(), format!("trace.otlp=http://{}", place(instance))]
    })?;
    let place = place(site.demo.instance);
    let caller = Caller::dial(&site, "caller.xml", 1, site.number("echo")?, &["-d", "1000"])?;
    caller.finish(LATER)?.1.expect_success()?;
    let said = |words: &str| site.log().iter().filter(|line| line.contains(words)).count();
    wait::until(LATER, || Ok((said("spans do not reach the collector") == 1).then_some(())))?;
    let collector = Collector::start(place)?;
    let root = collector.wait_for(LATER, |span| span.name == "call")?;
    collector.wait_for(LATER, |span| span.name == "INVITE" && span.trace == root.trace)?;
    wait::until(LATER, || Ok((said("spans reach the collector again") > 0).then_some(())))?;
    // Counted when the collector's answer arrives, which is after it stored the span.
    let exported = || Ok((site.metric("sip-cluster", "otlp_spans_exported_total")? >= 1.0).then_some(()));
    wait::until(SOON, exported)?;
    assert_eq!(site.metric("sip-cluster", "otlp_spans_dropped_total")?, 0.0);
    assert_eq!(said("spans do not reach the collector"), 1, "it is said once");
    Ok(())
}

#[test]
fn a_setting_that_names_no_collector_is_refused_with_what_it_should_be() -> Result<()> {
    for wrong in ["127.0.0.1:4317", "http://127.0.0.1:4318/v1/traces", "https://127.0.0.1:4317"] {
        let error = Installation::start_with(&["--set", &format!("trace.otlp={wrong}")]).err();
        let said = format!("{:#}", error.context("it started")?);
        ensure!(said.contains("trace.otlp") && said.contains("http://127.0.0.1:4317"), "{said}");
    }
    Ok(())
}
