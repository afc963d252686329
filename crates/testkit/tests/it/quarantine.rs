//! A record damaged in the store affects its call alone, and operators see it.

use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context as _, Result};
use testkit::agents::baresip_agent;
use testkit::caller::{Caller, prompt_samples};
use testkit::installation::binary;
use testkit::{Answer, Installation, Servers, wait};

use crate::outgoing::is_heard_in;

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);
const REDIS: u16 = 6_379;
/// Puts a non-text byte into the first occurrence of the tenant's name in a call's record, which can no longer be decoded then.
const DAMAGE: &str = "local s = redis.call('HGET', KEYS[1], 's') local at = string.find(s, ARGV[1], 1, true) \
    if not at or not string.find(s, ARGV[2], 1, true) then return 0 end \
    redis.call('HSET', KEYS[1], 's', s:sub(1, at - 1) .. '\\255' .. s:sub(at + 1)) return 1";

fn trunkline(site: &Installation, arguments: &[&str]) -> Result<Output> {
    let output = Command::new(binary()?)
        .args(arguments)
        .args(["--instance", &site.demo.instance.to_string(), "--set", "stores.mode=real", "--data-dir"])
        .arg(site.data_dir())
        .output()?;
    Ok(output)
}

/// Damages the record of the call with this phone.
fn damage(servers: &Servers, dn: &str) -> Result<()> {
    let keys = servers.redis_cli(REDIS, &["--scan", "--pattern", "call:*"])?;
    let mut damaged = 0;
    for key in keys.lines() {
        let done = servers.redis_cli(REDIS, &["EVAL", DAMAGE, "1", key, "example", dn])?;
        damaged += done.trim().parse::<u32>()?;
    }
    anyhow::ensure!(damaged == 1, "{damaged} records were damaged of {keys}");
    Ok(())
}

#[test]
fn a_damaged_record_costs_its_call_alone() -> Result<()> {
    let mut site = Installation::start_on_servers(&[])?;
    let mut agent = baresip_agent(&site, 10, "7101", Answer::Auto)?;
    let unlucky = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    agent.wait_for("CALL_ESTABLISHED", LATER)?;
    let mut lucky = Caller::dial(&site, "caller-when-told.xml", 2, site.number("echo")?, &[])?;
    let media = lucky.answered(SOON)?;
    site.crash()?;
    damage(site.servers()?, "7101")?;
    let site = site.crash_and_restart()?;

    unlucky.finish(LATER).context("the caller of the damaged call is hung up")?.1.expect_success()?;
    agent.wait_for("CALL_CLOSED", LATER).context("so is its agent")?;
    let speech = prompt_samples("announcement")?;
    let before = lucky.audio.received().samples.len();
    // To the end: who is silent for long is asked whether it is there, which SIPp does not expect.
    lucky.audio.say(&speech.repeat(40), media)?;

    let mut listed = serde_json::Value::Null;
    wait::until(LATER, || {
        let shown = trunkline(&site, &["quarantine", "list", "--json"])?;
        listed = serde_json::from_slice(&shown.stdout).unwrap_or_default();
        Ok((listed.as_array().map(Vec::len) == Some(1)).then_some(()))
    })
    .with_context(|| format!("{listed}"))?;
    assert_eq!((&listed[0]["tenant"], &listed[0]["record"]["ledger"]), (&"example".into(), &"call".into()));
    let mut doctor = String::new();
    wait::until(SOON, || {
        doctor = String::from_utf8(trunkline(&site, &["doctor"])?.stdout)?;
        Ok(doctor.contains("a record is in quarantine").then_some(()))
    })
    .with_context(|| doctor)?;

    // The agent is free again, and takes the next call.
    let next = Caller::dial(&site, "caller-until-bye.xml", 3, site.number("sales")?, &[])?;
    agent.wait_for("CALL_ESTABLISHED", LATER).context("the agent is free")?;
    agent.hang_up()?;
    next.finish(LATER)?.1.expect_success()?;

    let id = listed[0]["record"]["id"].to_string();
    let shown: serde_json::Value =
        serde_json::from_slice(&trunkline(&site, &["quarantine", "show", "example", &id])?.stdout)?;
    assert!(shown["state"].as_str().is_some_and(|state| !state.is_empty()), "{shown}");
    assert!(trunkline(&site, &["quarantine", "discard", "example", &id])?.status.success());
    assert_eq!(trunkline(&site, &["quarantine", "discard", "example", &id])?.status.code(), Some(10), "it is gone");

    let enough = before + speech.len() + 8_000;
    wait::until(LATER, || Ok((lucky.audio.received().samples.len() > enough).then_some(())))
        .context("the other caller does not hear itself")?;
    lucky.hang_up()?;
    let (audio, outcome) = lucky.finish(LATER)?;
    outcome
        .expect_success()
        .with_context(|| format!("the other call goes on to its end\n{}", site.log().join("\n")))?;
    let heard = audio.received().samples;
    assert!(is_heard_in(&speech, &heard[before..]), "the other caller hears itself: {} samples", heard.len() - before);
    Ok(())
}
