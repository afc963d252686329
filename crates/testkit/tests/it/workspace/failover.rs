//! Replicas of gws-workspace and gws-voice are killed one after the other while an agent has a call. The desktop, a client library of
//! others, is told of everything, by long polls and by WebSockets, and the agent stays logged in.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::agents::baresip_phone;
use testkit::browser::SteppedScript;
use testkit::facts::briefs;
use testkit::process::signal;
use testkit::{Answer, Installation, Watch, kernel, wait};

use super::desk::{PlainDesk, is_without_session};
use super::{OTHER, OWN, agent, at_work_by};

const SOON: Duration = Duration::from_secs(60);
const LATER: Duration = Duration::from_secs(90);
const WALKED: Duration = Duration::from_secs(240);
/// Two of each role that a desktop goes through; a killed one stays away long enough for the other one to be needed.
const TWO: [&str; 7] = [
    "--processes",
    "--set",
    "replicas.gws_workspace=2",
    "--set",
    "replicas.gws_voice=2",
    "--set",
    "process.restart_after=5s",
];
/// The same, away for longer than a desktop waits for anything.
const TWO_AWAY: [&str; 7] = [
    "--processes",
    "--set",
    "replicas.gws_workspace=2",
    "--set",
    "replicas.gws_voice=2",
    "--set",
    "process.restart_after=20s",
];
/// Until both roles are there again, one has found the session, and the logout is tried once more.
const TRIED_AGAIN: Duration = Duration::from_secs(180);
/// The states of the call, by what the script does with it.
const STATES: [&str; 7] = ["Dialing", "Established", "Held", "Established", "Held", "Established", "Released"];

/// A desktop at work while replicas are killed.
struct DeskUnderKills {
    site: Installation,
    script: SteppedScript,
    call: String,
}

/// Whether an event with the data of the call has this key.
fn is_told(said: &[Value], key: &str) -> bool {
    said.iter().filter(|said| said["step"] == "event").any(|event| {
        let keys: Vec<&str> = event["data"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        keys.contains(&key)
    })
}

/// Each state of the call was told, in its order. What a replica has told just before its end may be told again by the next one.
pub(super) fn each_state_was_told(said: &[Value], call: &str) -> Result<()> {
    let of_call = said.iter().filter(|said| said["step"] == "event" && said["call"] == call);
    let told: Vec<&str> = of_call.filter_map(|event| event["state"].as_str()).collect();
    let mut left = STATES.iter().peekable();
    for state in &told {
        let _ = left.next_if_eq(&state);
    }
    ensure!(left.peek().is_none() && told.last() == Some(&"Released"), "{left:?} are missing in {told:?}");
    Ok(())
}

impl DeskUnderKills {
    /// A program attaches a pair to the call.
    fn attach(&self, key: &str) -> Result<()> {
        let frame = json!({"req": "TAttachUserData", "ThisDN": OWN, "ConnID": self.call, "UserData": {key: "there"}});
        self.site.request(&frame)
    }

    /// The process of a replica.
    fn process(&self, role: &str, replica: u8) -> Result<Option<u32>> {
        Ok(kernel::processes(self.site.pid())?.get(&format!("{role}-{replica}")).copied())
    }

    /// Kills a replica. What happens just before and just behind it is told, one after the other or as what the call has by then.
    fn kill(&mut self, role: &str, replica: u8) -> Result<()> {
        let pid = self.process(role, replica)?.with_context(|| format!("no process {role}-{replica}"))?;
        let [before, behind] = ["before", "behind"].map(|when| format!("{when}-{role}-{replica}"));
        self.attach(&before)?;
        signal(pid, "KILL")?;
        self.attach(&behind)?;
        self.script.says(&format!("{before} and {behind}"), LATER, |said| {
            (is_told(said, &before) && is_told(said, &behind)).then_some(())
        })
    }

    /// Waits until a killed replica is there again, so that the other one can be killed.
    fn comes_back(&self, role: &str, replica: u8) -> Result<()> {
        let back = wait::until(LATER, || {
            if self.process(role, replica)?.is_none() {
                return Ok(None);
            }
            let ready = self.site.http(self.site.admin_of(role, replica)?, "GET", "/ready", "");
            Ok(ready.is_ok_and(|answer| answer.status == 200).then_some(()))
        });
        back.with_context(|| format!("{role}-{replica} does not come back"))
    }
}

#[test]
fn a_desktop_goes_on_at_other_replicas_and_misses_nothing() -> Result<()> {
    goes_on("long-polling")
}

#[test]
fn a_desktop_by_web_socket_goes_on_at_other_replicas_and_misses_nothing() -> Result<()> {
    goes_on("websocket")
}

fn goes_on(by: &str) -> Result<()> {
    let site = Installation::start_on_servers(&TWO)?;
    let watch = Watch::start(&site, "0-0")?;
    let user = agent(&site, 0)?;
    let _own = baresip_phone(&site, 10, OWN, Answer::Auto)?;
    let mut other = baresip_phone(&site, 11, OTHER, Answer::Auto)?;
    let mut script = at_work_by(by, "failover", &site, &site.demo.web, user)?;
    let established = script.comes_to("established", WALKED)?;
    let call = established["call"].as_str().context("no call is named")?.to_owned();
    let mut desk = DeskUnderKills { site, script, call };
    // One of the two has the session, and one reads the tenant's events for it. A step is done by whoever is left.
    let steps = ["held", "retrieved", "held-again", "released"];
    let kills = [("gws-workspace", 1), ("gws-workspace", 2), ("gws-voice", 1), ("gws-voice", 2)];
    for ((role, replica), step) in kills.into_iter().zip(steps) {
        desk.kill(role, replica).with_context(|| format!("{role}-{replica} is killed"))?;
        desk.script.go_on()?;
        desk.script.comes_to(step, WALKED).with_context(|| format!("behind the kill of {role}-{replica}"))?;
        desk.comes_back(role, replica)?;
    }
    other.wait_for("CALL_CLOSED", SOON)?;
    let facts = watch.facts();
    ensure!(!facts.iter().any(|fact| fact.brief() == "AgentLogout@7101"), "logged out: {:?}", briefs(&facts));
    let logins = facts.iter().filter(|fact| fact.brief() == "AgentLogin@7101").count();
    ensure!(logins == 1, "logged in again: {:?}", briefs(&facts));
    desk.script.go_on()?;
    let said = desk.script.finish(WALKED)?;
    each_state_was_told(&said, &desk.call)?;
    watch.wait_for("AgentLogout@7101", SOON)?;
    desk.site.is_at_rest()
}

#[test]
fn an_agent_is_logged_out_though_gws_voice_is_away_and_gws_workspace_is_killed_behind_the_logout() -> Result<()> {
    let site = Installation::start_on_servers(&TWO_AWAY)?;
    let watch = Watch::start(&site, "0-0")?;
    let user = agent(&site, 0)?;
    let _own = baresip_phone(&site, 10, OWN, Answer::Auto)?;
    let desk = PlainDesk::begun(&site, user)?;
    desk.activates(user)?;
    watch.wait_for("AgentLogin@7101", SOON)?;
    let kill_all = |role: &str| {
        for replica in [1, 2] {
            let name = format!("{role}-{replica}");
            let pid =
                kernel::processes(site.pid())?.get(&name).copied().with_context(|| format!("no process {name}"))?;
            signal(pid, "KILL")?;
        }
        anyhow::Ok(())
    };
    kill_all("gws-voice")?;
    let (status, answer) = desk.ask("POST", "logout", &json!({}))?;
    ensure!(status == 200, "{status} {answer}");
    kill_all("gws-workspace")?;
    ensure!(!watch.facts().iter().any(|fact| fact.brief() == "AgentLogout@7101"), "it was logged out before that");
    watch.wait_for("AgentLogout@7101", TRIED_AGAIN)?;
    // Whoever has the cookie begins nothing with it meanwhile, nor afterwards.
    let is_over = || {
        let asked = desk.ask("GET", "current-session", &Value::Null);
        Ok(asked.is_ok_and(|answer| is_without_session(&answer)).then_some(()))
    };
    wait::until(LATER, is_over).context("the cookie is good for something")
}
