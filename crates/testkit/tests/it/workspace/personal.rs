//! What people keep at their desktops: favourites, recents with missed calls, settings. It is theirs alone, and outlives sessions and
//! replicas.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::agents::baresip_phone;
use testkit::process::signal;
use testkit::{Answer, Installation, kernel, wait};

use super::desk::PlainDesk;
use super::{OTHER, OWN, agent, at_work};

const SOON: Duration = Duration::from_secs(60);
const LATER: Duration = Duration::from_secs(90);
const WALKED: Duration = Duration::from_secs(240);
/// Everything that the script does as `personal`, step by step.
const STEPS: [&str; 12] = [
    "token",
    "initialize",
    "saved",
    "saved-again",
    "favourites",
    "first-gone",
    "still-there",
    "deleted",
    "second-gone",
    "recents",
    "acknowledged",
    "logout",
];

fn target(id: &str, last_name: &str) -> Value {
    json!({"data": {"target": {"type": "agent", "id": id, "lastName": last_name}, "category": "team"}})
}

/// The targets of an answer, by a member of each.
fn told(desk: &PlainDesk<'_>, path: &str, member: &str) -> Result<Vec<Value>> {
    let answer = desk.succeeds("GET", path, &Value::Null, 0)?;
    let targets = answer["data"]["targets"].as_array().with_context(|| answer.to_string())?;
    Ok(targets.iter().map(|target| target[member].clone()).collect())
}

#[test]
fn what_a_person_keeps_is_the_persons_own_and_outlives_the_session() -> Result<()> {
    const FAVOURITES: &str = "targets/personal-favorites";
    let site = Installation::start()?;
    let user = agent(&site, 0)?;
    let desk = PlainDesk::new(&site, user)?;
    for (id, name) in [("17", "Adams"), ("18", "Brown")] {
        desk.succeeds("POST", "targets/personal-favorites/save", &target(id, name), 0)?;
    }
    let (status, again) = desk.ask("POST", "targets/personal-favorites/save", &target("17", "Adams"))?;
    ensure!(status == 409, "it is there already: {status} {again}");
    let mut replaces = target("17", "Archer");
    replaces["data"]["ignoreDuplication"] = json!(true);
    desk.succeeds("POST", "targets/personal-favorites/save", &replaces, 0)?;
    ensure!(told(&desk, FAVOURITES, "DBID")? == [json!(17), json!(18)], "the one that was saved last is first");
    ensure!(told(&desk, &format!("{FAVOURITES}?limit=1"), "lastName")? == [json!("Archer")], "not one of two");
    let (status, wrong) = desk.ask("POST", "targets/personal-favorites/save", &json!({"data": {"target": {}}}))?;
    ensure!(status == 400 && wrong["status"]["message"].as_str().is_some_and(|it| it.starts_with("id: ")), "{wrong}");
    desk.succeeds("POST", "targets/personal-favorites/delete/AGENT/18", &Value::Null, 0)?;
    let (status, _) = desk.ask("POST", "targets/personal-favorites/delete/agent/18", &Value::Null)?;
    ensure!(status == 404, "{status}");

    let setting = json!({"theme": "dark", "columns": [1, 2]});
    desk.succeeds("POST", "settings/desktop", &json!({"data": {"value": setting}}), 0)?;
    let (status, too_much) = desk.ask("POST", "settings/much", &json!({"data": {"value": "x".repeat(65_536)}}))?;
    ensure!(status == 409, "{status} {too_much}");
    desk.succeeds("POST", "logout", &Value::Null, 0)?;

    let other = PlainDesk::new(&site, agent(&site, 1)?)?;
    ensure!(told(&other, FAVOURITES, "DBID")?.is_empty(), "somebody else has them");
    let settings = other.succeeds("GET", "settings", &Value::Null, 0)?;
    ensure!(settings["data"]["settings"] == json!({}), "{settings}");

    let later = PlainDesk::new(&site, user)?;
    ensure!(told(&later, FAVOURITES, "lastName")? == [json!("Archer")], "they went with the session");
    let kept = later.succeeds("GET", "settings/desktop", &Value::Null, 0)?;
    ensure!(kept["data"]["value"] == setting, "{kept}");
    later.succeeds("DELETE", "settings/desktop", &Value::Null, 0)?;
    let (status, _) = later.ask("GET", "settings/desktop", &Value::Null)?;
    ensure!(status == 404, "{status}");
    Ok(())
}

/// The recents as they are once the first of them is with that number.
fn recents_with(desk: &PlainDesk<'_>, number: &str, is_missed: bool) -> Result<Vec<Value>> {
    let mut seen = Value::Null;
    let found = wait::until(SOON, || {
        seen = desk.succeeds("GET", "targets/recents", &Value::Null, 0)?["data"]["targets"].clone();
        let first = &seen[0];
        let is_there = first["number"] == number && first["recentInformation"]["isMissed"] == is_missed;
        Ok(is_there.then(|| seen.as_array().cloned().unwrap_or_default()))
    });
    found.with_context(|| format!("no recent with {number}: {seen:#}"))
}

#[test]
fn a_call_that_was_missed_is_among_the_recents_until_the_agent_knows_of_it() -> Result<()> {
    let site = Installation::start()?;
    let user = agent(&site, 0)?;
    let _own = baresip_phone(&site, 10, OWN, Answer::Manual)?;
    let mut other = baresip_phone(&site, 11, OTHER, Answer::Auto)?;
    let mut desk = PlainDesk::begun(&site, user)?;
    desk.activates(user)?;
    other.dial(OWN)?;
    let is_call = |state: &'static str| move |data: &Value| data["call"]["state"] == state;
    desk.comes("the ringing call", is_call("Ringing"))?;
    other.hang_up()?;
    desk.comes("the end of the call", is_call("Released"))?;
    let recents = recents_with(&desk, OTHER, true)?;
    ensure!(recents.len() == 1 && recents[0]["recentInformation"]["media"] == "voice", "{recents:#?}");
    ensure!(recents[0]["type"] == "custom-contact" && recents[0]["DBID"].is_u64(), "{recents:#?}");
    desk.succeeds("POST", "targets/recents/ack-missed-calls", &Value::Null, 0)?;
    let recents = recents_with(&desk, OTHER, false)?;
    ensure!(recents.len() == 1, "{recents:#?}");

    let added = json!({"data": {"target": {"type": "skill", "id": "3", "name": "French"}, "recentInformation": {"media": "chat"}}});
    desk.succeeds("POST", "targets/recents/add", &added, 0)?;
    ensure!(told(&desk, "targets/recents", "name")? == [json!("French"), json!(OTHER)], "the latest is first");
    desk.succeeds("POST", "logout", &Value::Null, 0)?;
    Ok(())
}

/// The process of a replica of gws-setting.
fn process(site: &Installation, replica: u8) -> Result<Option<u32>> {
    Ok(kernel::processes(site.pid())?.get(&format!("gws-setting-{replica}")).copied())
}

fn kill(site: &Installation, replica: u8) -> Result<()> {
    signal(process(site, replica)?.with_context(|| format!("no process gws-setting-{replica}"))?, "KILL")
}

/// genesys-workspace-client-js, as it is published, while the replicas of gws-setting are killed one after the other.
#[test]
fn a_client_library_of_others_keeps_targets_whatever_replica_is_killed() -> Result<()> {
    const TWO: [&str; 5] = ["--processes", "--set", "replicas.gws_setting=2", "--set", "process.restart_after=5s"];
    let site = Installation::start_on_servers(&TWO)?;
    let mut script = at_work("personal", &site, &site.demo.web, agent(&site, 0)?)?;
    script.comes_to("first-gone", WALKED)?;
    kill(&site, 1)?;
    script.go_on()?;
    script.comes_to("second-gone", WALKED)?;
    let back = wait::until(LATER, || {
        if process(&site, 1)?.is_none() {
            return Ok(None);
        }
        let ready = site.http(site.admin_of("gws-setting", 1)?, "GET", "/ready", "");
        Ok(ready.is_ok_and(|answer| answer.status == 200).then_some(()))
    });
    back.context("gws-setting-1 does not come back")?;
    kill(&site, 2)?;
    script.go_on()?;
    let said = script.finish(WALKED)?;
    let steps: Vec<&str> = said.iter().filter_map(|step| step["step"].as_str()).collect();
    assert_eq!(steps, STEPS);
    Ok(())
}
