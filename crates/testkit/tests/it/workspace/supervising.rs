//! Supervisors at their desktops, the directory, and statistics that a session has open: by a client library of others, and by plain HTTP.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::agents::baresip_phone;
use testkit::caller::Caller;
use testkit::facts::{Fact, briefs};
use testkit::{Answer, Installation, Watch, wait};

use super::desk::PlainDesk;
use super::{OTHER, OWN, agent, at_work};

const SOON: Duration = Duration::from_secs(60);
const LATER: Duration = Duration::from_secs(90);
const WALKED: Duration = Duration::from_secs(240);
/// The phone of the second agent of the demo, who looks after the others here.
const SUPERVISOR: &str = "7102";
/// Everything that the script does as `directory`, behind the begin.
const DIRECTORY: [&str; 6] = ["targets", "subscribe", "change", "peek", "unsubscribe", "logout"];

/// Lets an agent of the demo look after others, who then has no tie to a phone.
pub(super) fn promote(site: &Installation, user: &str) -> Result<()> {
    let named = format!("{{user: {user},");
    site.change_example(|file| file.replacen(&named, &format!("{named} privileges: [agent, supervisor],"), 1))
}

#[test]
fn who_supervises_no_more_does_not_at_a_desktop_that_is_open_either() -> Result<()> {
    let site = Installation::start()?;
    let user = agent(&site, 1)?;
    promote(&site, &user.user)?;
    let desk = PlainDesk::new(&site, user)?;
    desk.succeeds("GET", "users?searchTerm=ada.adler", &Value::Null, 0)?;
    site.change_example(|file| file.replace(", privileges: [agent, supervisor]", ""))?;
    wait::until(LATER, || {
        desk.succeeds("GET", "auth-keep-alive", &Value::Null, 0)?;
        let (status, _) = desk.ask("GET", "users?searchTerm=ada.adler", &Value::Null)?;
        Ok((status == 403).then_some(()))
    })
}

#[test]
fn a_supervisor_by_a_client_library_of_others_monitors_an_agent_and_sets_its_state() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let user = agent(&site, 1)?;
    promote(&site, &user.user)?;
    let mut own = baresip_phone(&site, 10, OWN, Answer::Auto)?;
    let _supervisors = baresip_phone(&site, 11, SUPERVISOR, Answer::Auto)?;
    let _other = baresip_phone(&site, 12, OTHER, Answer::Auto)?;
    site.log_in(OWN)?;
    watch.wait_for("AgentReady@7101", SOON)?;
    let mut script = at_work("supervisor", &site, &site.demo.webs, user)?;
    script.comes_to("monitors", WALKED)?;
    site.request(&json!({"req": "TMakeCall", "ThisDN": OWN, "OtherDN": OTHER}))?;
    script.go_on()?;
    script.comes_to("released", WALKED)?;
    own.hang_up()?;
    watch.wait_for("CallDeleted", LATER)?;
    script.go_on()?;
    script.comes_to("set-not-ready", WALKED)?;
    set_by(&watch, "AgentNotReady@7101", SUPERVISOR)?;
    script.go_on()?;
    script.comes_to("logged-out", WALKED)?;
    set_by(&watch, "AgentLogout@7101", SUPERVISOR)?;
    script.go_on()?;
    script.finish(WALKED)?;
    site.is_at_rest()
}

/// Waits for the state of an agent that somebody at that DN has set.
fn set_by(watch: &Watch, brief: &str, dn: &str) -> Result<()> {
    let is_due = |fact: &Fact| fact.brief() == brief && fact.text("ThirdPartyDN") == dn;
    let found = wait::until(SOON, || Ok(watch.facts().iter().any(is_due).then_some(())));
    found.with_context(|| format!("no {brief} by {dn} in {:?}", briefs(&watch.facts())))
}

#[test]
fn a_client_library_of_others_finds_colleagues_and_follows_its_own_numbers() -> Result<()> {
    let site = Installation::start()?;
    let user = agent(&site, 0)?;
    let _own = baresip_phone(&site, 10, OWN, Answer::Auto)?;
    let script = at_work("directory", &site, &site.demo.webs, user)?;
    let said = script.finish(WALKED)?;
    let steps: Vec<&str> = said.iter().filter_map(|step| step["step"].as_str()).collect();
    ensure!(steps.ends_with(&DIRECTORY), "{steps:?}");
    Ok(())
}

/// Without statistics, too: who is looked up is found, with the number to call.
#[test]
fn the_directory_has_people_groups_queues_and_route_points() -> Result<()> {
    let site = Installation::start()?;
    let desk = PlainDesk::new(&site, agent(&site, 0)?)?;
    let found = |query: &str| -> Result<Vec<Value>> {
        let told = desk.succeeds("GET", &format!("targets?{query}"), &Value::Null, 0)?;
        Ok(told["data"]["targets"].as_array().with_context(|| told.to_string())?.clone())
    };
    let people = found("searchTerm=ben%20brook&types=agent")?;
    let fields = |target: &Value| ["type", "userName", "number"].map(|field| target[field].clone());
    let ben = people.first().context("ben.brook is not found")?;
    ensure!(fields(ben) == [json!("agent"), json!("ben.brook"), json!(SUPERVISOR)], "{ben}");
    let one = desk.succeeds("GET", &format!("targets/agent/{}", ben["DBID"]), &Value::Null, 0)?;
    ensure!(one["data"]["targets"][0]["userName"] == "ben.brook" && one["data"]["totalMatches"] == 1, "{one}");
    for (query, kind, name) in [
        ("searchTerm=robots", "agent-group", "Robots"),
        ("searchTerm=sales&types=acd-queue", "acd-queue", "sales"),
        ("searchTerm=9000&types=route-point", "route-point", "sales"),
        ("searchTerm=english&matchType=exact", "skill", "English"),
    ] {
        let targets = found(query)?;
        let is_due = |target: &Value| target["type"] == kind && target["name"] == name;
        ensure!(targets.iter().any(is_due), "{query}: {targets:?}");
    }
    let team = found("searchTerm=*&types=agent&restrictToGroup=Support%20team&limit=100")?;
    ensure!(!team.is_empty() && team.iter().all(|it| it["type"] == "agent"), "{team:?}");
    let (status, refused) = desk.ask("GET", "users", &Value::Null)?;
    ensure!(status == 403, "an agent lists the agents: {refused}");
    Ok(())
}

#[test]
fn who_supervises_needs_no_phone_for_it() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let user = site.demo.users.iter().find(|user| user.kind == "supervisor").context("no supervisor signs in")?;
    let _own = baresip_phone(&site, 10, OWN, Answer::Auto)?;
    site.log_in(OWN)?;
    watch.wait_for("AgentReady@7101", SOON)?;
    let desk = PlainDesk::new(&site, user)?;
    let listed = desk.succeeds("GET", "users?searchTerm=ada.adler", &Value::Null, 0)?;
    let dbid = listed["data"]["users"][0]["dbid"].as_u64().with_context(|| listed.to_string())?;
    // The agent may not have its state yet.
    wait::until(SOON, || {
        let body = json!({"data": {"reasonCode": "Training"}});
        let (status, answer) = desk.ask("POST", &format!("users/{dbid}/voice/not-ready"), &body)?;
        ensure!(status == 200 || status == 409, "{status} {answer}");
        Ok((status == 200).then_some(()))
    })?;
    // In the name of the agent's own phone.
    set_by(&watch, "AgentNotReady@7101", OWN)?;
    desk.succeeds("POST", "supervisor/voice/logout", &json!({"data": {"dn": OWN}}), 1)?;
    set_by(&watch, "AgentLogout@7101", OWN)
}

#[test]
fn who_manages_a_group_has_no_say_over_the_agents_of_others() -> Result<()> {
    let site = Installation::start()?;
    let user = site.demo.users.iter().find(|user| user.kind == "supervisor").context("no supervisor signs in")?;
    let group = format!("agent_groups:\n  - {{name: Watched, agents: [ada.adler], managers: [{}]}}\n", user.user);
    site.change_example(|file| file.replacen("agent_groups:\n", &group, 1))?;
    let desk = PlainDesk::new(&site, user)?;
    wait::until(LATER, || {
        let listed = desk.succeeds("GET", "users", &Value::Null, 0)?;
        Ok((listed["data"]["totalMatches"] == 1).then_some(()))
    })?;
    let (status, refused) = desk.ask("POST", "users/ben.brook/voice/not-ready", &json!({}))?;
    ensure!(status == 403, "{status} {refused}");
    let (status, own) = desk.ask("POST", "users/ada.adler/voice/not-ready", &json!({}))?;
    ensure!(status == 409 || status == 503, "she is logged in nowhere, or it is not known yet: {status} {own}");
    wait::until(SOON, || {
        let body = json!({"data": {"dn": SUPERVISOR}});
        let (status, refused) = desk.ask("POST", "supervisor/voice/logout", &body)?;
        ensure!(status == 403 || status == 503, "{status} {refused}");
        Ok((status == 403).then_some(()))
    })
}

/// Nobody is logged in: the call waits until it is sent to a phone.
#[test]
fn a_supervisor_sees_why_a_call_waits_and_sends_it_to_a_phone() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let user = site.demo.users.iter().find(|user| user.kind == "supervisor").context("no supervisor signs in")?;
    let _other = baresip_phone(&site, 12, OTHER, Answer::Auto)?;
    let desk = PlainDesk::new(&site, user)?;
    let caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("sales")?, &[])?;
    watch.wait_for("Queued@sales", SOON)?;
    let waiting = wait::until(SOON, || {
        let told = desk.succeeds("GET", "supervisor/waiting-calls", &Value::Null, 0)?;
        let call = told["data"]["calls"][0].clone();
        Ok(call["queues"].as_array().is_some_and(|queues| queues.contains(&json!("sales"))).then_some(call))
    })?;
    let id = waiting["id"].as_str().with_context(|| waiting.to_string())?;
    let one = format!("supervisor/waiting-calls/{id}");
    let why = wait::until(SOON, || {
        let told = desk.succeeds("GET", &one, &Value::Null, 0)?;
        Ok((!told["data"]["requests"][0].is_null()).then(|| told["data"].clone()))
    })?;
    ensure!(why["requests"][0]["asksFor"] == "Sales >= 1", "{why}");
    let agents = why["requests"][0]["agents"].as_array().with_context(|| why.to_string())?;
    ensure!(!agents.is_empty() && agents.iter().all(|agent| agent["why"] == "logged-out"), "{why}");
    ensure!(why["call"]["queues"] == json!(["sales"]) && why["course"]["isWhole"].is_boolean(), "{why}");

    desk.succeeds("POST", &format!("{one}/move"), &json!({"data": {"destination": OTHER}}), 1)?;
    watch.wait_for("Established@7130", SOON)?;
    let (status, gone) = desk.ask("GET", &one, &Value::Null)?;
    ensure!(status == 404, "it waits still: {gone}");
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    watch.wait_for("CallDeleted", LATER)?;
    site.is_at_rest()
}
