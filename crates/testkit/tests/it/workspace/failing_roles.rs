//! Each role that a desktop goes through has two replicas, of which one is killed and then, once that one is there again, the other one
//! stopped, in the midst of a call. An agent with a client library of others goes on with the call: it is told of everything, and is
//! logged in once. Others' sessions go on as well, and each asks what the role is needed for.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::agents::baresip_phone;
use testkit::clock::{self, Micros, SECOND};
use testkit::facts::briefs;
use testkit::{Answer, Watch};

use super::desk::PlainDesk;
use super::failover::each_state_was_told;
use super::{OTHER, OWN, SOON, WALKED, agent, at_work_by};
use crate::replicas::{TwoReplicas, comes_to_work, start_with_two};

/// Sessions beside that of the library: each replica begins some of them.
const SESSIONS: usize = 4;
/// Time for all of them to ask once it is known that a replica hangs: less than one request may take.
const KNOWN_ASKED_WITHIN: Micros = 20 * SECOND;

/// An agent at work while both replicas of a role fail, one after the other. What others ask needs the role, and may be asked twice.
fn goes_on(role: &'static str, others_ask: fn(&PlainDesk<'_>) -> Result<()>) -> Result<()> {
    goes_on_by("long-polling", role, others_ask)
}

/// The same by a type of connection of Bayeux.
fn goes_on_by(by: &str, role: &'static str, others_ask: fn(&PlainDesk<'_>) -> Result<()>) -> Result<()> {
    let site = start_with_two(role)?;
    let replicas = TwoReplicas::of(&site, role);
    let watch = Watch::start(&site, "0-0")?;
    let _own = baresip_phone(&site, 10, OWN, Answer::Auto)?;
    let mut other = baresip_phone(&site, 11, OTHER, Answer::Auto)?;
    let mut script = at_work_by(by, "failover", &site, &site.demo.web, agent(&site, 0)?)?;
    let established = script.comes_to("established", WALKED)?;
    let call = established["call"].as_str().context("no call is named")?.to_owned();
    let colleague = agent(&site, 1)?;
    let desks: Result<Vec<PlainDesk<'_>>> = (0..SESSIONS).map(|_| PlainDesk::new(&site, colleague)).collect();
    let desks = desks?;
    let all_ask = |when: &str| desks.iter().try_for_each(|desk| comes_to_work(when, || others_ask(desk)));

    all_ask("before a replica fails")?;
    replicas.kill(1)?;
    all_ask("while a replica is gone")?;
    script.go_on()?;
    script.comes_to("held", WALKED).context("behind the kill")?;
    replicas.comes_back(1)?;

    // To the end: what it has been asked by then, it would do when it goes on.
    let hung = replicas.stop(2)?;
    all_ask("while a replica hangs")?;
    let began = clock::now();
    all_ask("once it is known that a replica hangs")?;
    let took = clock::now() - began;
    ensure!(took < KNOWN_ASKED_WITHIN, "others wait for {role}-2 all the same: {took} µs");
    for step in ["retrieved", "held-again", "released"] {
        script.go_on()?;
        script.comes_to(step, WALKED).context("while a replica hangs")?;
    }
    other.wait_for("CALL_CLOSED", SOON)?;
    let facts = watch.facts();
    ensure!(!facts.iter().any(|fact| fact.brief() == "AgentLogout@7101"), "logged out: {:?}", briefs(&facts));
    let logins = facts.iter().filter(|fact| fact.brief() == "AgentLogin@7101").count();
    ensure!(logins == 1, "logged in again: {:?}", briefs(&facts));
    script.go_on()?;
    let said = script.finish(WALKED)?;
    each_state_was_told(&said, &call)?;
    watch.wait_for("AgentLogout@7101", SOON)?;
    drop(hung);
    site.is_at_rest()
}

/// Reads something without which the desktop does not go on.
fn reads(desk: &PlainDesk<'_>, path: &str) -> Result<Value> {
    desk.succeeds("GET", path, &Value::Null, 0)
}

#[test]
fn an_agent_goes_on_while_gws_proxy_fails() -> Result<()> {
    goes_on("gws-proxy", |desk| reads(desk, "current-session").map(drop))
}

#[test]
fn an_agent_goes_on_while_gws_workspace_fails() -> Result<()> {
    goes_on("gws-workspace", |desk| reads(desk, "current-session").map(drop))
}

#[test]
fn an_agent_by_web_socket_goes_on_while_gws_workspace_fails() -> Result<()> {
    goes_on_by("websocket", "gws-workspace", |desk| reads(desk, "current-session").map(drop))
}

#[test]
fn an_agent_goes_on_while_gws_voice_fails() -> Result<()> {
    goes_on("gws-voice", |desk| reads(desk, "current-session").map(drop))
}

#[test]
fn an_agent_goes_on_while_gws_configuration_fails() -> Result<()> {
    goes_on("gws-configuration", |desk| reads(desk, "configuration").map(drop))
}

#[test]
fn an_agent_goes_on_while_gws_data_collector_fails() -> Result<()> {
    goes_on("gws-data-collector", |desk| {
        let found = reads(desk, "targets?searchTerm=adler&types=agent")?;
        // Else it says that it was found in the configuration.
        ensure!(found["status"].get("message").is_none(), "gws-data-collector was not asked: {found}");
        ensure!(found["data"]["targets"][0]["userName"] == "ada.adler", "{found}");
        Ok(())
    })
}

#[test]
fn an_agent_goes_on_while_gws_interaction_fails() -> Result<()> {
    goes_on("gws-interaction", |desk| {
        let open = reads(desk, "media/interactions")?;
        ensure!(open["data"]["interactions"] == json!([]), "{open}");
        Ok(())
    })
}

#[test]
fn an_agent_goes_on_while_gws_setting_fails() -> Result<()> {
    goes_on("gws-setting", |desk| {
        let setting = json!({"theme": "dark"});
        desk.succeeds("POST", "settings/desktop", &json!({"data": {"value": setting}}), 0)?;
        let kept = reads(desk, "settings/desktop")?;
        ensure!(kept["data"]["value"] == setting, "{kept}");
        Ok(())
    })
}
