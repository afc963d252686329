//! Agents: what follows a call, who decides it, what a supervisor may do, and what is told of a DN.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::agents::{baresip_agent, baresip_phone};
use testkit::caller::Caller;
use testkit::facts::{Fact, check_log_and_laws, check_to_the_end};
use testkit::{Answer, Installation, Watch, wait};

use crate::facts::token;

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(60);
/// A phone that is not in the example: its first answer proves the new configuration.
const NEW_PHONE: &str = "7299";

/// An installation whose tenant file has these changes, known to agent-state.
fn site_with(changes: &[(&str, &str)]) -> Result<(Installation, Watch)> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    site.import_changed(|folder| {
        let file = folder.join("example-tenant.yaml");
        let mut text = fs::read_to_string(&file)?;
        let phones = "phones:\n";
        let new = format!("{phones}  - {{number: \"{NEW_PHONE}\", password: generated}}\n");
        for (before, after) in changes.iter().copied().chain([(phones, new.as_str())]) {
            ensure!(text.contains(before), "the example has changed: {before}");
            text = text.replacen(before, after, 1);
        }
        Ok(fs::write(&file, text)?)
    })?;
    let mut reference = 900;
    wait::until(LATER, || {
        reference += 1;
        let answer = ask(&site, &watch, reference, json!({"req": "TQueryAddress", "ThisDN": NEW_PHONE}))?;
        Ok((answer.name == "EventAddressInfo").then_some(()))
    })?;
    Ok((site, watch))
}

fn ask(site: &Installation, watch: &Watch, reference: u64, mut frame: Value) -> Result<Fact> {
    frame["ReferenceID"] = json!(reference);
    site.request(&frame)?;
    watch.answer_to(reference, SOON)
}

/// What was told of an agent's states since some fact, as name and work mode.
fn states(facts: &[Fact], dn: &str) -> Vec<String> {
    let of_agent = facts.iter().filter(|fact| fact.id.starts_with("agent:") && fact.dn() == dn);
    of_agent.map(|fact| format!("{} {}", fact.name.trim_start_matches("Event"), fact.text("AgentWorkMode"))).collect()
}

fn wrap_up_s(fact: &Fact) -> Option<u64> {
    fact.frame["Extensions"]["WrapUpTime"].as_u64()
}

#[test]
fn the_route_point_says_how_long_a_call_is_wrapped_up_the_agent_changes_it_and_rests() -> Result<()> {
    let (site, watch) = site_with(&[
        ("service_level_s: 20, short_abandon_s: 5}", "service_level_s: 20, short_abandon_s: 5, wrap_up_s: 120}"),
        ("legal_guard_s: 0", "legal_guard_s: 1"),
    ])?;
    let mut agent = baresip_agent(&site, 10, "7101", Answer::Auto)?;
    watch.wait_for("AgentReady@7101", SOON)?;
    let caller = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    watch.wait_for("Established@7101", LATER)?;
    agent.wait_for("CALL_ESTABLISHED", SOON)?;
    let before = watch.facts().len();
    agent.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    let wraps_up = wait::until(SOON, || {
        let facts = watch.facts();
        Ok(facts.into_iter().find(|fact| fact.text("AgentWorkMode") == "AfterCallWork"))
    })?;
    assert_eq!(wrap_up_s(&wraps_up), Some(120));
    let extend = |seconds| json!({"req": "TAgentSetNotReady", "ThisDN": "7101", "AgentWorkMode": "AfterCallWork", "Extensions": {"WrapUpTime": seconds}});
    assert_eq!(wrap_up_s(&ask(&site, &watch, 41, extend(300))?), Some(300));
    let left = wrap_up_s(&ask(&site, &watch, 42, extend(0))?);
    assert!(left.is_some_and(|left| (200..=300).contains(&left)), "{left:?}");
    assert_eq!(wrap_up_s(&ask(&site, &watch, 43, extend(1))?), Some(1));
    // It was ready once after the login.
    watch.wait_for_count("AgentReady@7101", 2, SOON)?;
    site.is_at_rest()?;
    let facts = watch.facts();
    assert_eq!(
        states(&facts[before..], "7101"),
        [
            "AgentNotReady AfterCallWork",
            "AgentNotReady AfterCallWork",
            "AgentNotReady AfterCallWork",
            "AgentNotReady AfterCallWork",
            "AgentNotReady LegalGuard",
            "AgentReady ManualIn",
        ]
    );
    check_to_the_end(&site, &watch)
}

#[test]
fn who_does_not_answer_is_logged_out_where_the_tenant_wants_it_and_the_call_keeps_its_age() -> Result<()> {
    let (site, watch) = site_with(&[
        ("no_answer_action: not_ready", "no_answer_action: logout"),
        ("no_answer_s: 15", "no_answer_s: 12"),
    ])?;
    let mut silent = baresip_agent(&site, 10, "7101", Answer::Manual)?;
    watch.wait_for("AgentReady@7101", SOON)?;
    let elder = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    let conn = watch.wait_for("Ringing@7101", LATER)?.text("ConnID").to_owned();
    let younger = Caller::dial(&site, "caller-until-bye.xml", 2, site.number("sales")?, &[])?;
    watch.wait_for_count("Queued@sales", 2, LATER)?;
    silent.wait_for("CALL_CLOSED", LATER)?;
    let logout = watch.wait_for("AgentLogout@7101", SOON)?;
    assert_eq!(logout.frame["Reasons"]["ReasonCode"], "NoAnswer");
    watch.wait_for_count("Queued@sales", 3, LATER)?;
    // The younger one has waited in the queue without a break, but began later.
    let mut next = baresip_agent(&site, 11, "7102", Answer::Auto)?;
    assert_eq!(watch.wait_for("Established@7102", LATER)?.text("ConnID"), conn);
    next.wait_for("CALL_ESTABLISHED", SOON)?;
    next.hang_up()?;
    elder.finish(LATER)?.1.expect_success()?;
    watch.wait_for_count("Established@7102", 2, LATER)?;
    next.wait_for("CALL_ESTABLISHED", SOON)?;
    next.hang_up()?;
    younger.finish(LATER)?.1.expect_success()?;
    watch.wait_for_count("CallDeleted", 2, LATER)?;
    Ok(())
}

#[test]
fn a_supervisor_logs_an_agent_out_and_one_without_the_scope_does_not() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let _phone = baresip_agent(&site, 10, "7101", Answer::Manual)?;
    watch.wait_for("AgentReady@7101", SOON)?;
    let force = |state: &str| json!({"req": "TForceAgentState", "ThisDN": "7130", "OtherDN": "7101", "AgentState": state, "Reasons": {"ReasonCode": "Shift"}});
    let place = site.demo.web.trim_start_matches("http://").parse()?;
    let powerless = token(&site, &["--tenant", "example", "--scope", "agents:control"])?;
    let headers = format!("Authorization: Bearer {powerless}\r\n");
    let refused =
        site.http_with(place, "POST", "/api/voice/v1/example/requests", &headers, &force("LoggedOut").to_string())?;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("agents:supervise"), "{}", refused.body);
    let not_ready = ask(&site, &watch, 51, force("NotReady"))?;
    assert_eq!((not_ready.name.as_str(), not_ready.dn()), ("EventAgentNotReady", "7101"));
    let logout = ask(&site, &watch, 52, force("LoggedOut"))?;
    assert_eq!((logout.name.as_str(), logout.dn(), logout.text("ThirdPartyDN")), ("EventAgentLogout", "7101", "7130"));
    assert_eq!(logout.frame["Reasons"]["ReasonCode"], "Shift");
    let again = ask(&site, &watch, 53, force("LoggedOut"))?;
    assert_eq!((again.name.as_str(), &again.frame["ErrorCode"]), ("EventError", &json!(93)));
    site.is_at_rest()?;
    check_log_and_laws(&site, &watch.facts())
}

#[test]
fn logins_are_refused_by_the_number_that_says_why() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let login = |agent: &str, dn: &str| json!({"req": "TAgentLogin", "ThisDN": dn, "AgentID": agent, "AgentWorkMode": "ManualIn"});
    assert_eq!(ask(&site, &watch, 60, login("1001", "7101"))?.name, "EventAgentLogin");
    for (reference, agent, dn, code) in [
        (61, "1001", "7102", 527),
        (62, "1002", "7101", 231),
        (63, "nobody", "7102", 53),
        (64, "1002", "9000", 53),
        (65, "1002", "7999", 59),
    ] {
        let answer = ask(&site, &watch, reference, login(agent, dn))?;
        assert_eq!((answer.name.as_str(), &answer.frame["ErrorCode"]), ("EventError", &json!(code)), "{agent} at {dn}");
    }
    let other_medium = json!({"req": "TAgentSetReady", "ThisDN": "7101", "Extensions": {"MediaType": "chat"}});
    assert_eq!(ask(&site, &watch, 66, other_medium)?.frame["ErrorCode"], 51);
    site.is_at_rest()?;
    check_log_and_laws(&site, &watch.facts())
}

#[test]
fn what_is_on_a_dn_is_told_with_its_calls() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let mut agent = baresip_agent(&site, 10, "7101", Answer::Auto)?;
    let _idle = baresip_phone(&site, 11, "7102", Answer::Manual)?;
    watch.wait_for("DNBackInService@7102", SOON)?;
    let caller = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    let conn = watch.wait_for("Established@7101", LATER)?.text("ConnID").to_owned();
    let of_call = |req: &str| json!({"req": req, "ThisDN": "7101", "ConnID": conn});
    ask(&site, &watch, 70, of_call("TSetMuteOn"))?;
    let told = wait::until(SOON, || {
        // What agent-state has read of the call may be a moment behind it.
        let reference = 700 + watch.facts().len() as u64;
        let told = ask(&site, &watch, reference, json!({"req": "TRegisterAddress", "ThisDN": "7101"}))?;
        Ok(told.frame["Extensions"]["Calls"].to_string().contains("NoTalk").then_some(told))
    })?;
    let of = &told.frame["Extensions"];
    assert_eq!((told.name.as_str(), told.text("AgentID")), ("EventRegistered", "1001"));
    assert_eq!(
        [&of["AddressStatus"], &of["AgentState"], &of["InService"]],
        [&json!("Talking"), &json!("BusyReady"), &json!(1)]
    );
    let (listed, party) = of["Calls"].as_object().and_then(|calls| calls.iter().next()).expect("a call");
    assert!(conn.starts_with(listed.as_str()), "{conn} {listed}");
    assert_eq!([&party["PartyStateNumber"], &party["ThisQueue"]], [&json!(0x2c), &json!("9000")]);

    let info = ask(&site, &watch, 72, of_call("TQueryCall"))?;
    let parties = info.frame["Extensions"]["Parties"].as_object().expect("parties").clone();
    assert_eq!(parties.len(), 2, "{parties:?}");
    assert_eq!(parties["7101"]["PartyFlags"], "NoTalk");
    assert_eq!(parties.values().filter(|party| party["External"] == 1).count(), 1);

    let mut reference = 7_300;
    let idle = wait::until(SOON, || {
        // It may also be behind registrar.
        reference += 1;
        let idle = ask(&site, &watch, reference, json!({"req": "TQueryAddress", "ThisDN": "7102"}))?;
        Ok((idle.frame["Extensions"]["InService"] == 1).then_some(idle))
    })?;
    let of = &idle.frame["Extensions"];
    assert_eq!([&of["AddressStatus"], &of["CallsOnDN"], &of["InService"]], [&json!("Idle"), &json!(0), &json!(1)]);
    let server = ask(&site, &watch, 74, json!({"req": "TQueryServer", "ThisDN": "7102"}))?;
    let of = &server.frame["Extensions"];
    assert_eq!([&of["Calls"], &of["AgentsLoggedIn"]], [&json!(1), &json!(1)]);
    let unknown = ask(&site, &watch, 75, json!({"req": "TRegisterAddress", "ThisDN": "7999"}))?;
    assert_eq!(unknown.frame["ErrorCode"], 59);
    assert_eq!(
        ask(&site, &watch, 76, json!({"req": "TUnregisterAddress", "ThisDN": "7101"}))?.name,
        "EventUnregistered"
    );
    agent.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    Ok(())
}
