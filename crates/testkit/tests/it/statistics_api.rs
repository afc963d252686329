//! The published Statistics API: a client library of others, which knows nothing of us, reads statistics and follows them, also while
//! replicas are killed.

mod client;
mod rows;
mod whose;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::agents::baresip_phone;
use testkit::browser::SteppedScript;
use testkit::installation::DemoUser;
use testkit::process::signal;
use testkit::{Answer, Installation, kernel, wait};

use crate::replicas::{TwoReplicas, start_with_two};

const LATER: Duration = Duration::from_secs(90);
/// For a part of what the script does, each step of which has its own patience.
const WALKED: Duration = Duration::from_secs(240);
/// The phone of the first agent of the demo, and a queue.
const OWN: &str = "7101";
const QUEUE: &str = "sales";
/// Everything that the script does as `read`, step by step.
const READ: [&str; 8] = ["initialized", "subscribed", "updated", "peeked", "values", "refused", "closed", "over"];
/// Two replicas; a killed one stays away long enough for the other one to be needed.
const TWO: [&str; 5] = ["--processes", "--set", "replicas.gws_statistics=2", "--set", "process.restart_after=5s"];

/// An agent of the demo.
fn agent(site: &Installation, number: usize) -> Result<&DemoUser> {
    let mut agents = site.demo.users.iter().filter(|user| user.kind == "agent");
    agents.nth(number).with_context(|| format!("the demo has no agent {number}"))
}

/// The script as somebody.
fn reading(work: &str, site: &Installation, web: &str, user: &DemoUser) -> Result<SteppedScript> {
    let client = site.demo.clients.first().context("the demo has no client")?;
    let objects = format!("{} {QUEUE}", user.agent.as_deref().context("it is no agent")?);
    let mut told = vec![
        ("STATISTICS_URL", web),
        ("STATISTICS_CLIENT", client.id.as_str()),
        ("STATISTICS_SECRET", client.secret.as_str()),
        ("STATISTICS_USER", user.user.as_str()),
        ("STATISTICS_PASSWORD", user.password.as_str()),
        ("STATISTICS_OBJECTS", objects.as_str()),
    ];
    // By HTTPS with a certificate of its own making, the installation says what to trust.
    let authority = site.demo.webs_ca.as_deref().and_then(Path::to_str);
    told.extend(authority.map(|authority| ("NODE_EXTRA_CA_CERTS", authority)));
    SteppedScript::start("statistics.mjs", &[work], &told)
}

/// genesys-statistics-client-js, as it is published.
#[test]
fn a_client_library_of_others_reads_and_follows_statistics() -> Result<()> {
    let site = Installation::start()?;
    let user = agent(&site, 0)?;
    let _own = baresip_phone(&site, 10, OWN, Answer::Auto)?;
    let mut script = reading("read", &site, &site.demo.webs, user)?;
    script.comes_to("subscribed", WALKED)?;
    site.log_in(OWN)?;
    script.go_on()?;
    let said = script.finish(WALKED)?;
    let steps: Vec<&str> = said.iter().filter_map(|step| step["step"].as_str()).collect();
    assert_eq!(steps, READ);
    let log = site.log_lines().join("\n");
    for secret in site.demo.clients.iter().map(|client| &client.secret).chain([&user.password]) {
        ensure!(!log.contains(secret.as_str()), "a secret is in what was said");
    }
    Ok(())
}

/// The process of a replica.
fn process(site: &Installation, replica: u8) -> Result<Option<u32>> {
    Ok(kernel::processes(site.pid())?.get(&format!("gws-statistics-{replica}")).copied())
}

fn kill(site: &Installation, replica: u8) -> Result<()> {
    let pid = process(site, replica)?.with_context(|| format!("no process gws-statistics-{replica}"))?;
    signal(pid, "KILL")
}

fn comes_back(site: &Installation, replica: u8) -> Result<()> {
    let back = wait::until(LATER, || {
        if process(site, replica)?.is_none() {
            return Ok(None);
        }
        let ready = site.http(site.admin_of("gws-statistics", replica)?, "GET", "/ready", "");
        Ok(ready.is_ok_and(|answer| answer.status == 200).then_some(()))
    });
    back.with_context(|| format!("gws-statistics-{replica} does not come back"))
}

/// One replica is killed, and then the other one hangs to the end.
#[test]
fn a_subscription_goes_on_while_gws_statistics_fails() -> Result<()> {
    let site = start_with_two("gws-statistics")?;
    let replicas = TwoReplicas::of(&site, "gws-statistics");
    let _own = baresip_phone(&site, 10, OWN, Answer::Auto)?;
    let mut script = reading("follow", &site, &site.demo.web, agent(&site, 0)?)?;
    script.comes_to("subscribed", WALKED)?;
    replicas.kill(1)?;
    site.log_in(OWN)?;
    script.go_on()?;
    script.comes_to("Ready", WALKED).context("behind the kill")?;
    replicas.comes_back(1)?;
    let _hung = replicas.stop(2)?;
    site.request(&json!({"req": "TAgentSetNotReady", "ThisDN": OWN}))?;
    script.go_on()?;
    script.comes_to("NotReady", WALKED).context("while a replica hangs")?;
    site.request(&json!({"req": "TAgentLogout", "ThisDN": OWN}))?;
    script.go_on()?;
    script.comes_to("LoggedOut", WALKED)?;
    script.go_on()?;
    script.finish(WALKED).map(drop)
}

#[test]
fn a_subscription_goes_on_at_another_replica() -> Result<()> {
    let site = Installation::start_on_servers(&TWO)?;
    let user = agent(&site, 0)?;
    let _own = baresip_phone(&site, 10, OWN, Answer::Auto)?;
    let mut script = reading("follow", &site, &site.demo.web, user)?;
    script.comes_to("subscribed", WALKED)?;
    // One of the two has the session.
    kill(&site, 1)?;
    site.log_in(OWN)?;
    script.go_on()?;
    script.comes_to("Ready", WALKED).context("behind the first kill")?;
    comes_back(&site, 1)?;
    kill(&site, 2)?;
    site.request(&json!({"req": "TAgentSetNotReady", "ThisDN": OWN}))?;
    script.go_on()?;
    script.comes_to("NotReady", WALKED).context("behind the second kill")?;
    comes_back(&site, 2)?;
    site.request(&json!({"req": "TAgentLogout", "ThisDN": OWN}))?;
    script.go_on()?;
    script.comes_to("LoggedOut", WALKED)?;
    script.go_on()?;
    let said = script.finish(WALKED)?;
    let state = |said: &Value| said["value"]["agentState"].as_str().map(str::to_owned);
    let told: Vec<String> = said.iter().filter(|said| said["step"] == "update").filter_map(state).collect();
    ensure!(told.last().map(String::as_str) == Some("LoggedOut"), "the last update is another one: {told:?}");
    Ok(())
}
