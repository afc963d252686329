//! Facts: port 8000 and the reporting log report the same about calls and agents.

use std::time::Duration;

use anyhow::{Context, Result};
use contracts::v1;
use contracts::v1::configuration_client::ConfigurationClient;
use contracts::v1::events_client::EventsClient;
use contracts::v1::read_objects_response::What;
use serde_json::json;
use testkit::agents::{baresip_agent, baresip_phone, sipp_phone, sipp_register};
use testkit::caller::{CALLER, Caller};
use testkit::facts::{Fact, bearing, briefs, broken_laws, check_log_and_laws, connect, runtime, tenant_role};
use testkit::{Answer, Endpoint, Installation, Watch};
use tonic::Code;

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);
const SALES: &str = "9000";

/// The facts of the queue and of the parties, without a waiting caller's treatments.
fn without_treatments(facts: &[Fact]) -> Vec<String> {
    let heard = |brief: &String| brief.starts_with("Treatment");
    let of_calls = facts.iter().filter(|fact| fact.id.starts_with("call:")).cloned().collect::<Vec<_>>();
    briefs(&of_calls).into_iter().filter(|brief| !heard(brief)).collect()
}

/// Facts of a virtual queue.
fn of_queue(facts: &[Fact]) -> Vec<String> {
    briefs(&facts.iter().filter(|fact| fact.id.starts_with("queue:")).cloned().collect::<Vec<_>>())
}

/// An agent at a baresip phone, ready through the public interface, as reported on port 8000.
fn ready_agent(
    site: &Installation,
    watch: &Watch,
    host: u8,
    extension: &str,
    answer: Answer,
) -> Result<testkit::Phone> {
    let phone = baresip_agent(site, host, extension, answer)?;
    watch.wait_for(&format!("AgentReady@{extension}"), SOON)?;
    Ok(phone)
}

fn end(site: &Installation, watch: &Watch, calls: usize) -> Result<Vec<Fact>> {
    watch.wait_for_count("CallDeleted", calls, LATER)?;
    site.is_at_rest()?;
    // Facts after the end of a call: its queue's last one, its agent's wrap-up.
    let over = testkit::wait::until(SOON, || {
        let facts = watch.facts();
        let wraps_up = |fact: &&Fact| fact.text("AgentWorkMode") == "AfterCallWork";
        let last = facts.iter().rfind(|fact| wraps_up(fact) || fact.name == "EventAgentReady");
        Ok((!last.as_ref().is_some_and(wraps_up) && broken_laws(&facts).is_empty()).then_some(()))
    });
    over.with_context(|| format!("{:?} in {:?}", broken_laws(&watch.facts()), briefs(&watch.facts())))?;
    let facts = watch.facts();
    check_log_and_laws(site, &facts)?;
    Ok(facts)
}

#[test]
fn an_inbound_call_is_told_from_the_queue_to_the_agents_wrap_up() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let mut agent = ready_agent(&site, &watch, 10, "7101", Answer::Auto)?;
    let caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("sales")?, &[])?;
    watch.wait_for("Established@7101", LATER)?;
    agent.wait_for("CALL_ESTABLISHED", SOON)?;
    agent.hold()?;
    watch.wait_for("Held@7101", SOON)?;
    agent.resume()?;
    watch.wait_for("Retrieved@7101", SOON)?;
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    let facts = end(&site, &watch, 1)?;
    assert_eq!(
        without_treatments(&facts),
        [
            "CallCreated",
            "Queued@9000",
            "RouteRequest@9000",
            "AttachedDataChanged@9000",
            "RouteUsed@9000",
            "Diverted@9000",
            "Ringing@7101",
            "Established@7101",
            "Held@7101",
            "Retrieved@7101",
            "Released@7101",
            "CallDeleted",
        ]
    );
    assert_eq!(of_queue(&facts), ["Queued@sales", "Diverted@sales"]);
    let fact = |brief: &str| watch.wait_for(brief, SOON);
    let created = fact("CallCreated")?;
    assert_eq!((created.text("CallType"), created.text("ANI"), created.text("DNIS")), ("Inbound", CALLER, "+15550100"));
    let request = fact("RouteRequest@9000")?;
    assert_eq!((request.text("ThisQueue"), request.text("ThisDNRole")), (SALES, "Destination"));
    let diverted = fact("Diverted@sales")?;
    assert_eq!((diverted.text("ThirdPartyDN"), diverted.text("ThisQueue")), ("7101", "sales"));
    let why = &diverted.frame["Extensions"];
    assert_eq!(why["Candidates"]["1001"], "chosen");
    assert!(why["MatchedSkills"]["Sales"].as_i64().is_some_and(|level| level >= 1), "{why}");
    assert!(why["ReadyFor"].as_i64().is_some_and(|ms| ms > 0) && why["WaitedFor"].is_i64(), "{why}");
    for brief in ["RouteUsed@9000", "Diverted@9000"] {
        assert_eq!(fact(brief)?.text("ThirdPartyDN"), "7101", "{brief}");
    }
    for brief in ["Ringing@7101", "Established@7101", "Held@7101", "Retrieved@7101", "Released@7101"] {
        let fact = fact(brief)?;
        let roles = (fact.text("ThisDNRole"), fact.text("OtherDN"), fact.text("OtherDNRole"));
        assert_eq!(roles, ("Destination", CALLER, "Origination"), "{brief}");
        assert_eq!((fact.text("ThisQueue"), fact.text("AgentID")), (SALES, "1001"), "{brief}");
        assert_eq!(fact.frame["Extensions"]["BusinessCall"], 1, "{brief}");
        let data = &fact.frame["UserData"];
        assert_eq!((&data["RTargetAgentSelected"], &data["RVQName"]), (&json!("1001"), &json!("sales")), "{brief}");
        assert_eq!(data["RTargetObjectSelected"], "Sales >= 1", "{brief}");
        assert!(data["RVQID"].as_str().is_some_and(|id| !id.is_empty()), "{brief}");
    }
    assert_eq!(fact("Released@7101")?.text("CallState"), "RemoteRelease");
    let agents: Vec<(String, String)> = facts
        .iter()
        .filter(|fact| fact.id.starts_with("agent:"))
        .map(|fact| (fact.brief(), fact.text("AgentWorkMode").to_owned()))
        .collect();
    let states: Vec<(&str, &str)> = agents.iter().map(|(brief, mode)| (brief.as_str(), mode.as_str())).collect();
    assert_eq!(
        states,
        [
            ("AgentLogin@7101", "Unknown"),
            ("AgentNotReady@7101", "Unknown"),
            ("AgentReady@7101", "ManualIn"),
            ("AgentNotReady@7101", "AfterCallWork"),
            ("AgentReady@7101", "ManualIn"),
        ]
    );
    Ok(())
}

#[test]
fn a_caller_who_leaves_the_queue_is_abandoned_there() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("sales")?, &[])?;
    watch.wait_for("Queued@sales", LATER)?;
    watch.wait_for("RouteRequest@9000", SOON)?;
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    let facts = end(&site, &watch, 1)?;
    let told = without_treatments(&facts);
    assert_eq!(told, ["CallCreated", "Queued@9000", "RouteRequest@9000", "Abandoned@9000", "CallDeleted"]);
    assert_eq!(of_queue(&facts), ["Queued@sales", "Abandoned@sales"]);
    let abandoned = watch.wait_for("Abandoned@9000", SOON)?;
    assert_eq!((abandoned.text("ThisQueue"), abandoned.text("ThisDNRole")), (SALES, "Destination"));
    assert_eq!(watch.wait_for("Abandoned@sales", SOON)?.text("CallState"), "Abandoned");
    Ok(())
}

#[test]
fn an_agent_who_does_not_answer_is_not_ready_and_the_next_one_gets_the_call() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let _silent = ready_agent(&site, &watch, 10, "7101", Answer::Manual)?;
    let _next = ready_agent(&site, &watch, 11, "7102", Answer::Auto)?;
    let caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("sales")?, &[])?;
    watch.wait_for("Established@7102", LATER)?;
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    let facts = end(&site, &watch, 1)?;
    assert_eq!(
        without_treatments(&facts),
        [
            "CallCreated",
            "Queued@9000",
            "RouteRequest@9000",
            "AttachedDataChanged@9000",
            "RouteUsed@9000",
            "Diverted@9000",
            "Ringing@7101",
            "Released@7101",
            "Queued@9000",
            "RouteRequest@9000",
            "AttachedDataChanged@9000",
            "RouteUsed@9000",
            "Diverted@9000",
            "Ringing@7102",
            "Established@7102",
            "Released@7102",
            "CallDeleted",
        ]
    );
    assert_eq!(of_queue(&facts), ["Queued@sales", "Diverted@sales", "Queued@sales", "Diverted@sales"]);
    let again = watch.wait_for_count("RouteRequest@9000", 2, SOON)?;
    assert_eq!(again.frame["Extensions"]["FailedAgentID"], "1001");
    assert_eq!(watch.wait_for("Released@7101", SOON)?.text("CallState"), "NoAnswer");
    let not_ready = watch.wait_for_count("AgentNotReady@7101", 2, SOON)?;
    assert_eq!(
        (not_ready.text("AgentWorkMode"), &not_ready.frame["Reasons"]["ReasonCode"]),
        ("AuxWork", &json!("NoAnswer"))
    );
    assert_eq!(watch.wait_for("Ringing@7102", SOON)?.frame["UserData"]["RTargetAgentSelected"], "1002");
    Ok(())
}

#[test]
fn a_phone_that_refuses_sends_the_call_back_to_its_route_point() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let audio = Endpoint::listen(site.peer_address(10).into())?;
    sipp_register(&site, 10, "7101")?;
    let refusing = sipp_phone(&site, 10, "agent-busy.xml", &audio, &["-m", "1"])?;
    site.log_in("7101")?;
    watch.wait_for("AgentReady@7101", SOON)?;
    let caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("sales")?, &[])?;
    refusing.finish(LATER)?.expect_success()?;
    let released = watch.wait_for("Released@7101", SOON)?;
    assert_eq!(released.text("CallState"), "Busy");
    let not_ready = watch.wait_for_count("AgentNotReady@7101", 2, SOON)?;
    assert_eq!(not_ready.frame["Reasons"]["ReasonCode"], "Rejected");
    watch.wait_for_count("RouteRequest@9000", 2, SOON)?;
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    let facts = end(&site, &watch, 1)?;
    let told = without_treatments(&facts);
    assert_eq!(told[told.len() - 4..], ["Queued@9000", "RouteRequest@9000", "Abandoned@9000", "CallDeleted"]);
    Ok(())
}

#[test]
fn a_caller_who_leaves_while_the_agent_rings_is_abandoned_at_the_phone() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let mut agent = ready_agent(&site, &watch, 10, "7101", Answer::Manual)?;
    let caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("sales")?, &[])?;
    agent.wait_for("CALL_INCOMING", LATER)?;
    watch.wait_for("Ringing@7101", SOON)?;
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    agent.wait_for("CALL_CLOSED", SOON)?;
    let facts = end(&site, &watch, 1)?;
    let told = without_treatments(&facts);
    assert_eq!(told[told.len() - 3..], ["Ringing@7101", "Abandoned@7101", "CallDeleted"]);
    let agent = facts.iter().rfind(|fact| fact.id.starts_with("agent:")).context("no fact of the agent")?;
    assert_eq!(agent.name, "EventAgentReady", "who was not to blame stays ready");
    Ok(())
}

#[test]
fn a_number_that_nobody_has_is_refused_and_leaves_no_fact() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let caller = Caller::dial(&site, "caller-refused-404.xml", 1, "+15559999", &[])?;
    caller.finish(LATER)?.1.expect_success()?;
    site.metric_becomes("sip-cluster", "sipcluster_calls_refused_total", 1.0, SOON)?;
    // The next fact is the first one.
    site.log_in("7101")?;
    watch.wait_for("AgentReady@7101", SOON)?;
    assert_eq!(watch.facts()[0].brief(), "AgentLogin@7101");
    Ok(())
}

#[test]
fn an_agents_day_by_requests_and_by_feature_codes_is_the_same() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    for (reference, frame) in [
        (11, json!({"req": "TAgentLogin", "AgentID": "1001", "AgentWorkMode": "ManualIn"})),
        (12, json!({"req": "TAgentSetReady", "AgentWorkMode": "ManualIn"})),
        (13, json!({"req": "TAgentSetNotReady", "AgentWorkMode": "AuxWork", "Reasons": {"ReasonCode": "Lunch"}})),
        (14, json!({"req": "TAgentLogout"})),
    ] {
        let mut frame = frame;
        (frame["ThisDN"], frame["ReferenceID"]) = (json!("7101"), json!(reference));
        site.request(&frame)?;
        let answer = watch.answer_to(reference, SOON)?;
        assert_eq!((answer.dn(), answer.text("Requester")), ("7101", "operator/demo"));
    }
    let reasons = watch.answer_to(13, SOON)?.frame["Reasons"].clone();
    assert_eq!((&reasons["ReasonCode"], &reasons["ReasonName"]), (&json!("Lunch"), &json!("Lunch break")));
    let mut phone = baresip_phone(&site, 10, "7102", Answer::Manual)?;
    watch.wait_for("DNBackInService@7102", SOON)?;
    for (code, brief) in
        [("*50", "AgentLogin"), ("*52", "AgentReady"), ("*53", "AgentNotReady"), ("*51", "AgentLogout")]
    {
        phone.dial(code)?;
        watch.wait_for(&format!("{brief}@7102"), SOON)?;
        phone.wait_for("CALL_CLOSED", SOON)?;
    }
    // A login by code has no reason, so only the names are compared.
    let facts = end(&site, &watch, 4)?;
    let day = |dn: &str| {
        let of_agent = facts.iter().filter(|fact| fact.id.starts_with("agent:") && fact.dn() == dn);
        of_agent.map(|fact| (fact.name.clone(), fact.text("AgentWorkMode").to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(day("7101"), day("7102"));
    let names: Vec<String> = day("7101").into_iter().map(|(name, _)| name).collect();
    let wanted = ["EventAgentLogin", "EventAgentNotReady", "EventAgentReady", "EventAgentNotReady", "EventAgentLogout"];
    assert_eq!(names, wanted);
    Ok(())
}

#[test]
fn a_request_is_let_in_once_and_a_wrong_one_is_named() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let place = site.demo.web.trim_start_matches("http://").parse()?;
    let token = |name: &str| format!("Authorization: Bearer {}\r\n", site.demo.tokens[name]);
    let send = |path: &str, headers: &str, frame: serde_json::Value| {
        site.http_with(place, "POST", &format!("/api/voice/v1/{path}/requests"), headers, &frame.to_string())
    };
    let login = json!({"req": "TAgentLogin", "ThisDN": "7101", "ReferenceID": 21});
    let once = format!("{}Idempotency-Key: shift-1\r\n", token("operator"));
    for _ in 0..2 {
        let answer = send("example", &once, login.clone())?;
        assert_eq!((answer.status, answer.body.as_str()), (202, r#"{"ReferenceID":21}"#));
    }
    watch.answer_to(21, SOON)?;
    for (headers, path, frame, status, said) in [
        (once.clone(), "example", json!({"req": "TAgentLogout", "ThisDN": "7101"}), 422, "another request"),
        (String::new(), "example", login.clone(), 401, ""),
        // A token for other APIs.
        (token("wallboard"), "example", login.clone(), 401, "statistics"),
        (token("operator"), "other", login.clone(), 403, "another tenant"),
        (token("operator"), "example", json!({"req": "TFly", "ThisDN": "7101"}), 422, "\"code\":51"),
        (token("operator"), "example", json!({"req": "TAgentLogin"}), 422, "\"code\":59"),
        (
            token("operator"),
            "example",
            json!({"req": "THoldCall", "ThisDN": "7101", "ConnID": "x"}),
            422,
            "\"code\":56",
        ),
        (
            token("operator"),
            "example",
            json!({"req": "THoldCall", "ThisDN": "7101", "ConnID": "00000000000000ff"}),
            404,
            "\"code\":56",
        ),
        (
            token("operator"),
            "example",
            json!({"req": "TAgentSetReady", "ThisDN": "7101", "AgentWorkMode": "Fast"}),
            422,
            "AgentWorkMode",
        ),
    ] {
        let answer = send(path, &headers, frame.clone())?;
        assert_eq!(answer.status, status, "{frame}: {}", answer.body);
        assert!(answer.body.contains(said), "{frame}: {}", answer.body);
    }
    let described = site.http(place, "GET", "/api/voice/v1/openapi.json", "")?;
    let document: serde_json::Value = serde_json::from_str(&described.body)?;
    let required = &document["components"]["schemas"]["TRedirectCall"]["required"];
    assert_eq!((described.status, required), (200, &json!(["req", "ThisDN", "ConnID", "OtherDN"])));
    assert_eq!(site.http_with(place, "GET", "/api/voice/v1/openapi.json", "", "")?.status, 401);
    let late = json!({"req": "TAgentSetReady", "ThisDN": "7105", "ReferenceID": 22});
    assert_eq!(send("example", &token("operator"), late)?.status, 202);
    let refused = watch.answer_to(22, SOON)?;
    assert_eq!((refused.name.as_str(), &refused.frame["ErrorCode"]), ("EventError", &json!(93)));
    let logins = briefs(&watch.facts()).iter().filter(|brief| *brief == "AgentLogin@7101").count();
    assert_eq!(logins, 1, "the repeat was not carried out");
    check_log_and_laws(&site, &watch.facts())
}

#[test]
fn an_established_call_is_held_retrieved_changed_and_released_by_request() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let mut agent = ready_agent(&site, &watch, 10, "7101", Answer::Auto)?;
    let caller = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    let conn = watch.wait_for("Established@7101", LATER)?.text("ConnID").to_owned();
    for (reference, request, name) in [
        (31, json!({"req": "THoldCall"}), "EventHeld"),
        (32, json!({"req": "THoldCall"}), "EventError"),
        (33, json!({"req": "TUpdateUserData", "UserData": {"Segment": "Gold"}}), "EventAttachedDataChanged"),
        (34, json!({"req": "TRetrieveCall"}), "EventRetrieved"),
        (35, json!({"req": "TQueryCall"}), "EventPartyInfo"),
        (36, json!({"req": "TAnswerCall"}), "EventError"),
        (37, json!({"req": "TReleaseCall"}), "EventReleased"),
    ] {
        let mut frame = request;
        (frame["ThisDN"], frame["ConnID"], frame["ReferenceID"]) = (json!("7101"), json!(conn), json!(reference));
        site.request(&frame)?;
        let answer = watch.answer_to(reference, SOON)?;
        assert_eq!((answer.name.as_str(), answer.dn()), (name, "7101"), "{frame}");
    }
    assert_eq!(watch.answer_to(32, SOON)?.frame["ErrorCode"], 93);
    assert_eq!(watch.answer_to(36, SOON)?.frame["ErrorCode"], 93, "it rings no more");
    assert_eq!(watch.answer_to(37, SOON)?.frame["UserData"]["Segment"], "Gold");
    agent.wait_for("CALL_CLOSED", SOON)?;
    caller.finish(LATER)?.1.expect_success()?;
    end(&site, &watch, 1)?;
    Ok(())
}

#[test]
fn an_internal_call_is_told_to_both_phones() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let mut ann = baresip_phone(&site, 10, "7101", Answer::Manual)?;
    let _ben = baresip_phone(&site, 11, "7102", Answer::Auto)?;
    ann.dial("7102")?;
    ann.wait_for("CALL_ESTABLISHED", SOON)?;
    watch.wait_for("Established@7102", SOON)?;
    ann.hang_up()?;
    let facts = end(&site, &watch, 1)?;
    let mut told = without_treatments(&facts);
    told[3..5].sort();
    told[5..7].sort();
    assert_eq!(
        told,
        [
            "CallCreated",
            "Dialing@7101",
            "Ringing@7102",
            "Established@7101",
            "Established@7102",
            "Released@7101",
            "Released@7102",
            "CallDeleted",
        ]
    );
    let (dialing, ringing) = (watch.wait_for("Dialing@7101", SOON)?, watch.wait_for("Ringing@7102", SOON)?);
    let told = |fact: &Fact| ["CallType", "ThisDNRole", "OtherDN"].map(|key| fact.text(key).to_owned());
    assert_eq!(told(&dialing), ["Internal", "Origination", "7102"]);
    assert_eq!(told(&ringing), ["Internal", "Destination", "7101"]);
    assert!(ringing.frame["Extensions"].get("BusinessCall").is_none() && ringing.text("ThisQueue").is_empty());
    Ok(())
}

#[test]
fn a_subscription_begins_with_the_state_and_resumes_where_it_was() -> Result<()> {
    let site = Installation::start()?;
    let from_start = Watch::start(&site, "0-0")?;
    let _agent = ready_agent(&site, &from_start, 10, "7101", Answer::Auto)?;
    let caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("sales")?, &[])?;
    let established = from_start.wait_for("Established@7101", LATER)?;
    let with_snapshot = Watch::start(&site, "")?;
    let snapshot = with_snapshot.snapshot()?;
    assert_eq!(snapshot.dns_in_service, ["7101"]);
    let agents: Vec<_> =
        snapshot.agents.iter().map(|agent| (agent.agent.as_str(), agent.dn.as_str(), agent.ready)).collect();
    assert_eq!(agents, [("1001", "7101", true)]);
    let call = snapshot.calls.first().context("no call in the snapshot")?;
    assert_eq!(format!("{:016x}", call.call.as_ref().context("no call")?.conn_id), established.text("ConnID"));
    let parties: Vec<_> = call.parties.iter().map(|party| (party.dn.as_str(), party.state())).collect();
    assert_eq!(parties, [("7101", v1::PartyState::Connected)]);
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    let all = end(&site, &from_start, 1)?;
    // A subscriber with a snapshot receives exactly the facts after it, and so does one that resumes anywhere.
    let after =
        |position: &str| all.iter().skip_while(|fact| fact.position != position).skip(1).cloned().collect::<Vec<_>>();
    let wanted = after(&snapshot.position);
    testkit::wait::until(SOON, || Ok((with_snapshot.facts().len() >= wanted.len()).then_some(())))?;
    assert_eq!(with_snapshot.facts(), wanted);
    for fact in all.iter().step_by(5) {
        let resumed = Watch::start(&site, &fact.position)?;
        let wanted = after(&fact.position);
        testkit::wait::until(SOON, || Ok((resumed.facts().len() >= wanted.len()).then_some(())))?;
        assert_eq!(resumed.facts(), wanted);
    }
    Ok(())
}

#[test]
fn a_crash_leaves_no_gap_no_repeat_and_nothing_open() -> Result<()> {
    let site = Installation::start()?;
    let before = Watch::start(&site, "0-0")?;
    let _agent = ready_agent(&site, &before, 10, "7101", Answer::Auto)?;
    let caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("sales")?, &[])?;
    before.wait_for("Established@7101", LATER)?;
    let told_before = before.facts();
    let site = site.crash_and_restart()?;
    let last = told_before.last().context("nothing was told")?;
    let after = Watch::start(&site, &last.position)?;
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    after.wait_for("Released@7101", SOON)?;
    after.wait_for("CallDeleted", SOON)?;
    let ready = |watch: &Watch| watch.wait_for("AgentReady@7101", SOON);
    ready(&after)?;
    site.is_at_rest()?;
    check_log_and_laws(&site, &[told_before, after.facts()].concat())
}

#[test]
fn port_8000_asks_who_reads_and_for_which_tenant() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    site.log_in("7101")?;
    watch.wait_for("AgentReady@7101", SOON)?;
    let operator = site.demo.tokens["operator"].clone();
    import_other(&site)?;
    let elsewhere = token(&site, &["--tenant", "other", "--scope", "calls:read"])?;
    let powerless = token(&site, &["--tenant", "example", "--scope", "routing:read"])?;
    let of_other_apis = token(&site, &["--tenant", "example", "--scope", "config:read"])?;
    runtime()?.block_on(async {
        let mut client = EventsClient::new(connect(tenant_role(&site, 8000)).await?);
        let start = || v1::SubscribeRequest { after: "0-0".to_owned(), ..Default::default() };
        let code = |answer: Result<tonic::Response<_>, tonic::Status>| answer.map(drop).map_err(|status| status.code());
        assert_eq!(code(client.subscribe(start()).await), Err(Code::Unauthenticated));
        assert_eq!(code(client.subscribe(bearing(start(), "none.of.ours")?).await), Err(Code::Unauthenticated));
        assert_eq!(code(client.subscribe(bearing(start(), &of_other_apis)?).await), Err(Code::Unauthenticated));
        assert_eq!(code(client.subscribe(bearing(start(), &powerless)?).await), Err(Code::PermissionDenied));
        let mut foreign = bearing(start(), &elsewhere)?;
        foreign.metadata_mut().insert("trunkline-tenant", "example".parse()?);
        assert_eq!(code(client.subscribe(foreign).await), Err(Code::PermissionDenied));
        let nonsense = v1::SubscribeRequest { after: "soon".to_owned(), ..Default::default() };
        assert_eq!(code(client.subscribe(bearing(nonsense, &operator)?).await), Err(Code::InvalidArgument));
        let to_come = v1::SubscribeRequest { after: "99999999999999-0".to_owned(), ..Default::default() };
        let refused = client.subscribe(bearing(to_come, &operator)?).await.map(drop).expect_err("no such position");
        assert!(refused.code() == Code::OutOfRange && refused.message().starts_with("after: "), "{refused}");
        let many =
            v1::SubscribeRequest { after: String::new(), dns: vec!["7101".to_owned(); 1_001], ..Default::default() };
        let refused = client.subscribe(bearing(many, &operator)?).await.map(drop).expect_err("too many DNs");
        assert!(refused.code() == Code::InvalidArgument && refused.message().starts_with("dns: "), "{refused}");
        // The number of streams per client is limited, without affecting other clients.
        let mut held = Vec::new();
        let refused = loop {
            match client.subscribe(bearing(start(), &operator)?).await {
                Ok(answers) => held.push(answers.into_inner()),
                Err(status) => break status,
            }
        };
        assert!(refused.code() == Code::ResourceExhausted && held.len() < 100, "{refused}, {} are open", held.len());
        drop(held);
        // A token of another tenant reads that tenant, which has no facts: the first message comes after an interval of silence.
        let mut others = client.subscribe(bearing(start(), &elsewhere)?).await?.into_inner();
        let first = others.message().await?.context("the subscription ended")?;
        assert!(matches!(first.what, Some(v1::delivery::What::Reached(_))), "{first:?}");
        let ask = |reference| v1::AskRequest {
            request: Some(v1::Request { reference, this_dn: "7101".to_owned(), ..logout() }),
        };
        assert_eq!(
            client.ask(bearing(ask(41), &powerless)?).await.map(drop).map_err(|s| s.code()),
            Err(Code::PermissionDenied)
        );
        assert_eq!(client.ask(bearing(ask(42), &operator)?).await?.into_inner().reference, 42);
        anyhow::Ok(())
    })?;
    let answer = watch.answer_to(42, SOON)?;
    assert_eq!((answer.brief().as_str(), answer.text("Requester")), ("AgentLogout@7101", "operator/demo"));
    check_log_and_laws(&site, &watch.facts())
}

fn logout() -> v1::Request {
    v1::Request { kind: Some(v1::request::Kind::AgentLogout(v1::Nothing {})), ..v1::Request::default() }
}

#[test]
fn port_8888_reads_the_objects_and_follows_their_changes() -> Result<()> {
    let site = Installation::start()?;
    let operator = site.demo.tokens["operator"].clone();
    let secrets = token(&site, &["--tenant", "example", "--scope", "config:read", "--scope", "config:secrets"])?;
    import_other(&site)?;
    let elsewhere = token(&site, &["--tenant", "other", "--scope", "config:read"])?;
    runtime()?.block_on(async {
        let mut client = ConfigurationClient::new(connect(tenant_role(&site, 8888)).await?);
        let all = v1::ReadObjectsRequest::default();
        let refused = client.read_objects(all).await.map(drop).map_err(|status| status.code());
        assert_eq!(refused, Err(Code::Unauthenticated));
        assert!(read_one(&mut client, "dn", "7101", &elsewhere).await.is_err(), "another tenant has no such phone");
        let (phone, revision) = read_one(&mut client, "dn", "7101", &operator).await?;
        assert!(!phone.contains(&site.demo.people[0].password), "no secrets without their scope: {phone}");
        let (phone, _) = read_one(&mut client, "dn", "7101", &secrets).await?;
        assert!(phone.contains(&site.demo.people[0].password), "{phone}");

        let kinds = || vec!["skill".to_owned()];
        let follow = |after_revision| v1::FollowRequest { after_revision, kinds: kinds(), ..Default::default() };
        let mut from_start = client.follow(bearing(follow(0), &operator)?).await?.into_inner();
        let first = from_start.message().await?.context("the answers ended")?;
        let names = |answer: &v1::FollowResponse| answer.objects.iter().map(|o| o.id.clone()).collect::<Vec<_>>();
        let mut skills = names(&first);
        skills.sort();
        assert_eq!(skills, ["English", "Sales", "Support"]);
        let mut to_come = client.follow(bearing(follow(u64::MAX), &operator)?).await?.into_inner();
        let refused = to_come.message().await.expect_err("no such revision");
        assert!(refused.code() == Code::OutOfRange && refused.message().starts_with("after_revision: "), "{refused}");
        let mut from_now = client.follow(bearing(follow(revision), &operator)?).await?.into_inner();
        import_with_a_skill_more(&site)?;
        // Answers without objects arrive all the time.
        let changed = async {
            loop {
                let answer = from_now.message().await?.context("the answers ended")?;
                if !answer.objects.is_empty() {
                    return anyhow::Ok(answer);
                }
            }
        };
        let changed = tokio::time::timeout(SOON, changed).await.context("the change is not told")??;
        assert!(changed.revision > revision);
        assert_eq!(names(&changed), ["Patience"]);

        // Who has the same revision of another history gets everything.
        let other = changed.history ^ 1;
        let other = v1::FollowRequest { after_revision: changed.revision, history: other, ..follow(0) };
        let mut other = client.follow(bearing(other, &operator)?).await?.into_inner();
        let all = other.message().await?.context("the answers ended")?;
        assert!(all.whole && all.objects.len() == 4 && all.history == changed.history, "{all:?}");
        anyhow::Ok(())
    })
}

/// One object and its revision.
async fn read_one(
    client: &mut ConfigurationClient<tonic::transport::Channel>,
    kind: &str,
    id: &str,
    token: &str,
) -> Result<(String, u64)> {
    let asked = v1::ReadObjectsRequest { kinds: vec![kind.to_owned()], id: id.to_owned() };
    let mut answers = client.read_objects(bearing(asked, token)?).await?.into_inner();
    let mut json = None;
    while let Some(answer) = answers.message().await? {
        match answer.what.context("an empty answer")? {
            What::Object(object) => {
                anyhow::ensure!(object.kind == kind && object.id == id && json.is_none(), "{object:?}");
                json = Some(object.json);
            }
            What::Revision(revision) => return Ok((json.with_context(|| format!("no {kind} {id}"))?, revision)),
        }
    }
    anyhow::bail!("the answers ended without a revision")
}

/// A minimal second tenant.
fn import_other(site: &Installation) -> Result<()> {
    let file = site.data_dir().join("other.yaml");
    std::fs::write(
        &file,
        "tenant: other\nname: O\nrealm: o.invalid\nhold_music: music\nprompts: {music: music.wav}\n",
    )?;
    trunkline(site, &["tenant", "import", &file.to_string_lossy()]).map(drop)
}

#[test]
fn a_token_is_issued_for_a_tenant_and_scopes_that_are_there() -> Result<()> {
    let site = Installation::start()?;
    let refused = |arguments: &[&str]| -> Result<String> {
        let error = token(&site, arguments).err().context("it is issued")?;
        Ok(format!("{error:#}"))
    };
    let said = refused(&["--tenant", "exmaple", "--scope", "calls:read"])?;
    anyhow::ensure!(said.contains("no tenant \"exmaple\"; did you mean \"example\"?"), "{said}");
    let said = refused(&["--tenant", "example", "--scope", "call:read"])?;
    anyhow::ensure!(said.contains("did you mean \"calls:read\"?") && said.contains("trace:numbers"), "{said}");
    token(&site, &["--tenant", "example", "--scope", "statistics:read topology:read"]).map(drop)
}

/// Exports the tenant, adds a skill to the file and imports it, like an operator while the installation runs.
fn import_with_a_skill_more(site: &Installation) -> Result<()> {
    let folder = site.data_dir().join("exported");
    trunkline(site, &["tenant", "export", "example", &folder.to_string_lossy()])?;
    let file = folder.join("example.yaml");
    let text = std::fs::read_to_string(&file)?;
    let at = text.find("skills:").context("no skills in the file")?;
    let rest = &text[at..];
    let with_one_more = if rest.starts_with("skills: [") {
        rest.replacen("skills: [", "skills: [Patience, ", 1)
    } else {
        let line = rest.lines().nth(1).context("no skill")?;
        let indent = &line[..line.len() - line.trim_start().len()];
        rest.replacen("skills:\n", &format!("skills:\n{indent}- Patience\n"), 1)
    };
    std::fs::write(&file, format!("{}{with_one_more}", &text[..at]))?;
    trunkline(site, &["tenant", "import", &file.to_string_lossy()]).map(drop)
}

/// A token of the command line.
pub fn token(site: &Installation, arguments: &[&str]) -> Result<String> {
    Ok(trunkline(site, &[&["token"], arguments].concat())?.trim().to_owned())
}

/// Runs a command of the binary on the site's data.
fn trunkline(site: &Installation, arguments: &[&str]) -> Result<String> {
    let output = std::process::Command::new(testkit::installation::binary()?)
        .args(arguments)
        .args(["--instance", &site.demo.instance.to_string(), "--data-dir"])
        .arg(site.data_dir())
        .output()?;
    anyhow::ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
