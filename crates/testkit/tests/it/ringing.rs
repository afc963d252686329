//! Requests about a ringing call, and the reports about agents and the edge.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contracts::v1;
use contracts::v1::events_client::EventsClient;
use serde_json::{Value, json};
use testkit::agents::{baresip_agent, sipp_agent};
use testkit::caller::{CALLER, Caller};
use testkit::facts::{bearing, check_to_the_end, connect, runtime, tenant_role};
use testkit::{Answer, Endpoint, Installation, Watch, kernel, wait};

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);
/// The numbers of roles.
const CONFIG: u8 = 6;
const FRONTEND: u8 = 7;
const ORS: u8 = 11;
const MEDIA: u8 = 13;
const TENANT: u8 = 16;

fn ask(site: &Installation, conn: &str, reference: u64, request: Value) -> Result<()> {
    let mut frame = request;
    (frame["ThisDN"], frame["ConnID"], frame["ReferenceID"]) = (json!("7101"), json!(conn), json!(reference));
    site.request(&frame)
}

#[test]
fn a_phone_that_rings_answers_when_it_is_asked_to() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let audio = Endpoint::listen(site.peer_address(10).into())?;
    let phone = sipp_agent(&site, 10, "7101", "agent-talk.xml", &audio, &["-m", "1"])?;
    watch.wait_for("AgentReady@7101", SOON)?;
    let caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("sales")?, &[])?;
    let conn = watch.wait_for("Ringing@7101", LATER)?.text("ConnID").to_owned();
    ask(&site, &conn, 51, json!({"req": "TAnswerCall"}))?;
    let answer = watch.answer_to(51, SOON)?;
    assert_eq!((answer.brief().as_str(), answer.text("AgentID")), ("Established@7101", "1001"));
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    phone.finish(LATER)?.expect_success()?;
    watch.wait_for("CallDeleted", SOON)?;
    site.is_at_rest()
}

#[test]
fn a_phone_that_does_not_know_how_leads_to_an_error() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let _agent = baresip_agent(&site, 10, "7101", Answer::Manual)?;
    watch.wait_for("AgentReady@7101", SOON)?;
    let caller = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    let conn = watch.wait_for("Ringing@7101", LATER)?.text("ConnID").to_owned();
    ask(&site, &conn, 52, json!({"req": "TAnswerCall"}))?;
    let answer = watch.answer_to(52, LATER)?;
    ensure!(
        answer.name == "EventError" && [51, 57].map(Value::from).contains(&answer.frame["ErrorCode"]),
        "{answer:?}"
    );
    caller.vanish();
    Ok(())
}

#[test]
fn a_call_of_a_queue_is_sent_on_by_the_agent_at_whose_phone_it_rings() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let mut first = baresip_agent(&site, 10, "7101", Answer::Manual)?;
    watch.wait_for("AgentReady@7101", SOON)?;
    // 7130 has a phone but no logged-in agent.
    let mut second = testkit::agents::baresip_phone(&site, 11, "7130", Answer::Auto)?;
    let caller = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    let conn = watch.wait_for("Ringing@7101", LATER)?.text("ConnID").to_owned();
    for (reference, to, code) in [(61, "7101", 415), (62, "7139", 58), (63, "5", 71)] {
        ask(&site, &conn, reference, json!({"req": "TRedirectCall", "OtherDN": to}))?;
        let answer = watch.answer_to(reference, SOON)?;
        assert_eq!((answer.name.as_str(), &answer.frame["ErrorCode"]), ("EventError", &json!(code)), "{to}");
    }
    ask(&site, &conn, 64, json!({"req": "TRedirectCall", "OtherDN": "7130"}))?;
    let released = watch.answer_to(64, SOON)?;
    assert_eq!(
        (released.brief().as_str(), released.text("CallState"), released.text("ThirdPartyDN")),
        ("Released@7101", "Redirected", "7130")
    );
    first.wait_for("CALL_CLOSED", SOON)?;
    let ringing = watch.wait_for("Ringing@7130", SOON)?;
    assert_eq!((ringing.text("ConnID"), ringing.text("ThisQueue")), (conn.as_str(), "9000"));
    second.wait_for("CALL_ESTABLISHED", SOON)?;
    watch.wait_for("Established@7130", SOON)?;
    // The agent that redirected the call stays ready: the next call comes to the same agent.
    let next = Caller::dial(&site, "caller-when-told.xml", 2, site.number("sales")?, &[])?;
    watch.wait_for_count("Ringing@7101", 2, LATER)?;
    second.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    next.hang_up()?;
    next.finish(LATER)?.1.expect_success()?;
    watch.wait_for_count("CallDeleted", 2, LATER)?;
    watch.wait_for_count("SessionEnded@9000", 2, LATER)?;
    site.is_at_rest()?;
    let facts = watch.facts();
    let selected: Vec<&str> =
        facts.iter().filter(|f| f.name == "EventTargetSelected").map(|f| f.text("ThirdPartyDN")).collect();
    assert_eq!(selected, ["7101", "7101"]);
    check_to_the_end(&site, &watch)
}

/// Records of a topic that are not facts: type and data.
fn records(site: &Installation, topic: &str) -> Result<Vec<(String, Value)>> {
    let mut all = Vec::new();
    for file in std::fs::read_dir(site.data_dir().join("reporting").join(topic)).into_iter().flatten().flatten() {
        let text = std::fs::read_to_string(file.path())?;
        // The last line may be on its way.
        for line in text.rsplit_once('\n').map_or("", |(whole, _)| whole).lines() {
            let record: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
            all.push((record["type"].as_str().unwrap_or_default().to_owned(), record["data"].clone()));
        }
    }
    Ok(all)
}

#[test]
fn a_call_leaves_what_the_application_did_how_long_the_agent_did_what_and_what_came_to_the_edge() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let mut agent = baresip_agent(&site, 10, "7101", Answer::Auto)?;
    watch.wait_for("AgentReady@7101", SOON)?;
    let caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("sales")?, &[])?;
    agent.wait_for("CALL_ESTABLISHED", LATER)?;
    watch.wait_for("Established@7101", SOON)?;
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    // An unknown number leaves no fact, but the edge counted it.
    Caller::dial(&site, "caller-refused-404.xml", 2, "+15550999", &[])?.finish(SOON)?.1.expect_success()?;
    // After wrapping up.
    watch.wait_for_count("AgentReady@7101", 2, LATER)?;

    let started = watch.wait_for("SessionStarted@9000", SOON)?;
    assert_eq!(started.frame["Extensions"]["Application"], "sales");
    let selected = watch.wait_for("TargetSelected@9000", SOON)?;
    let told = (selected.text("ThirdPartyDN"), selected.text("AgentID"), selected.text("ThisQueue"));
    assert_eq!(told, ("7101", "1001", "sales"));
    let ended = watch.wait_for("SessionEnded@9000", SOON)?;
    assert_eq!(
        (ended.text("ConnID"), &ended.frame["Extensions"]["Result"]),
        (started.text("ConnID"), &json!("Through"))
    );
    let left = watch.wait_for("Diverted@sales", SOON)?;
    assert_eq!(left.text("ANI"), CALLER);
    if site.is_on_servers() {
        // The reporting log is Kafka there, which does not run here.
        return Ok(());
    }

    let intervals = wait::until(SOON, || {
        let all = records(&site, "voice-agentintervals")?;
        Ok(all.iter().any(|(_, data)| data["State"] == "AfterCallWork").then_some(all))
    })?;
    let states: Vec<&str> = intervals.iter().filter_map(|(_, data)| data["State"].as_str()).collect();
    // Before that it was not ready, for zero time if login and readiness came at once.
    let first = states.len().saturating_sub(3);
    assert_eq!(states[first..], ["Ready", "BusyReady", "AfterCallWork"]);
    let (_, wrapped) = intervals.last().context("no interval")?;
    assert_eq!((&wrapped["AgentID"], &wrapped["ThisDN"]), (&json!("1001"), &json!("7101")));
    let ms = wrapped["DurationMs"].as_u64().context("no duration")?;
    ensure!(ms >= 900, "a wrap-up of one second lasted {ms} ms");

    let edge = wait::until(SOON, || {
        let all = records(&site, "voice-edge")?;
        let attempts: Vec<Value> =
            all.into_iter().filter(|(name, _)| name == "CallAttempted").map(|(_, d)| d).collect();
        Ok((attempts.len() >= 2).then_some(attempts))
    })?;
    let told: Vec<_> =
        edge.iter().map(|one| (&one["Source"], &one["Dialled"], &one["Status"], &one["Outcome"])).collect();
    assert_eq!(
        told,
        [
            (&json!("trunk"), &json!("+15550100"), &json!(200), &json!("answered")),
            (&json!("trunk"), &json!("+15550999"), &json!(404), &json!("refused")),
        ]
    );
    Ok(())
}

/// An application that chooses its prompt by data that it attached to the call.
const GREETS: &str = r#"<scxml version="1.0" initial="begin" datamodel="ecmascript"
  xmlns="http://www.w3.org/2005/07/scxml" xmlns:dialog="urn:trunkline:dialog" xmlns:ixn="urn:trunkline:interaction">
  <state id="begin"><transition event="interaction.present" target="noting"/></state>
  <state id="noting">
    <onentry><ixn:udata><param name="Greeting" expr="'closed'"/></ixn:udata></onentry>
    <transition event="interaction.udata.done" target="greeting"/>
  </state>
  <state id="greeting">
    <onentry><dialog:play prompts="['{Greeting|menu}', '{Nothing|announcement}']"/></onentry>
    <transition event="dialog.play.done error.dialog" target="goodbye"/>
  </state>
  <state id="goodbye">
    <onentry><ixn:terminate/></onentry>
    <transition event="interaction.terminate.done error.interaction.terminate" target="done"/>
  </state>
  <final id="done"/>
</scxml>"#;

#[test]
fn a_prompt_is_named_by_the_calls_data_that_media_asks_ors_for() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    site.import_changed(|folder| Ok(std::fs::write(folder.join("applications/sales.scxml"), GREETS)?))?;
    // ors queries config for each call's application.
    let config = (Ipv4Addr::new(127, site.demo.instance, CONFIG, 1), 9_100).into();
    wait::until(LATER, || {
        let answer = site.http(config, "GET", "/tenants/example/applications/sales", "")?;
        Ok(answer.body.contains("Greeting").then_some(()))
    })?;
    let caller = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    wait::until(LATER, || Ok(bytes_between(&site, MEDIA, ORS, 11_200).ok()))?;
    caller.finish(LATER)?.1.expect_success()?;
    // An incomplete name matches no prompt, and the treatment would not have started.
    let played = watch.wait_for("TreatmentEnd@9000", SOON)?;
    assert_eq!(played.frame["Extensions"]["Result"], "Completed");
    Ok(())
}

#[test]
fn a_request_on_port_8000_goes_by_frontend() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let token = site.demo.tokens.get("operator").context("no operator's token")?;
    let kind = Some(v1::request::Kind::AgentLogout(v1::Nothing {}));
    let request = v1::Request { reference: 71, this_dn: "7101".to_owned(), kind, ..v1::Request::default() };
    runtime()?.block_on(async {
        let mut client = EventsClient::new(connect(tenant_role(&site, 8000)).await?);
        client.ask(bearing(v1::AskRequest { request: Some(request) }, token)?).await?;
        anyhow::Ok(())
    })?;
    assert_eq!(watch.answer_to(71, SOON)?.name, "EventError", "nobody is logged in there");
    bytes_between(&site, TENANT, FRONTEND, 9_101)
}

/// Checks the kernel's table for a connection from one role to the other with bytes in both directions.
fn bytes_between(site: &Installation, from: u8, to: u8, port: u16) -> Result<()> {
    let number = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.octets()[2],
        IpAddr::V6(_) => 0,
    };
    let sockets = kernel::connections(site.pid())?;
    let between =
        |s: &&kernel::Socket| number(s.local.ip()) == from && number(s.remote.ip()) == to && s.remote.port() == port;
    let found =
        sockets.iter().find(between).with_context(|| format!("no connection from {from} to {to}: {sockets:?}"))?;
    ensure!(found.sent > 0 && found.received > 0, "{found:?}");
    Ok(())
}
