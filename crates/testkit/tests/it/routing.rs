//! The right agent: announcement, queue, selection by skill, audio both ways, wrap-up, no answer.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::caller::{Caller, prompt, prompt_samples};
use testkit::{Answer, Installation, Phone, Setup, audio, wait};

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);
const ALIKE: f64 = 0.9;

/// An agent at a baresip phone: registered, logged in and ready by feature codes.
fn agent_at(site: &Installation, host: u8, extension: &str, answer: Answer) -> Result<Phone> {
    let person = site.demo.people.iter().find(|person| person.extension == extension);
    let person = person.with_context(|| format!("nobody has the extension {extension}"))?;
    let mut phone = Phone::register(&Setup {
        address: site.peer_address(host),
        registrar: &site.sip(),
        user: extension,
        password: &person.password,
        transport: "udp",
        speech: &prompt("support-welcome"),
        answer,
    })?;
    for code in ["*50", "*52"] {
        phone.dial(code)?;
        phone.wait_for("CALL_ESTABLISHED", SOON)?;
        phone.wait_for("CALL_CLOSED", SOON)?;
    }
    Ok(phone)
}

#[test]
fn a_sales_call_reaches_a_ready_agent_and_the_two_hear_each_other() -> Result<()> {
    let site = Installation::start()?;
    let mut agent = agent_at(&site, 10, "7101", Answer::Auto)?;
    let speech = prompt_samples("announcement")?;
    let mut caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("sales")?, &[])?;
    let media = caller.answered(SOON)?;
    agent.wait_for("CALL_ESTABLISHED", LATER)?;
    caller.audio.say(&speech, media)?;
    caller.audio.finish_saying()?;
    // All but the last second, which a recorder may not have written.
    let enough = speech.len() as u64 * 2 - 16_000;
    wait::until(LATER, || Ok((agent.heard_bytes() > enough).then_some(())))?;
    caller.hang_up()?;
    let (caller_audio, outcome) = caller.finish(LATER)?;
    outcome.expect_success()?;
    agent.wait_for("CALL_CLOSED", SOON)?;
    let at_agent = audio::compare(&speech, &audio::read_wav(&agent.heard()?)?)?;
    assert!(at_agent.similarity > ALIKE, "the agent hears the caller: {at_agent:?}");
    let at_caller = caller_audio.received().samples;
    let welcome = audio::compare(&prompt_samples("sales-welcome")?, &at_caller)?;
    assert!(welcome.similarity > ALIKE, "the caller hears the welcome: {welcome:?}");
    let agent_speech = audio::compare(&prompt_samples("support-welcome")?, &at_caller)?;
    assert!(agent_speech.similarity > ALIKE, "the caller hears the agent: {agent_speech:?}");
    Ok(())
}

#[test]
fn support_goes_to_the_agent_with_the_skill_though_another_is_free() -> Result<()> {
    let site = Installation::start()?;
    let mut sales_only = agent_at(&site, 10, "7101", Answer::Auto)?;
    let mut support = agent_at(&site, 11, "7121", Answer::Auto)?;
    let caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("support")?, &[])?;
    support.wait_for("CALL_ESTABLISHED", LATER)?;
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    assert!(!sales_only.has_seen("CALL_INCOMING")?);
    Ok(())
}

#[test]
fn a_group_takes_the_call_though_another_with_the_skill_waits_for_longer() -> Result<()> {
    let site = Installation::start()?;
    site.import_changed(|files| {
        let change = |file: &str, from: &str, to: &str| {
            let (path, text) = (files.join(file), std::fs::read_to_string(files.join(file))?);
            ensure!(text.contains(from), "the example has changed: {from}");
            Ok(std::fs::write(path, text.replacen(from, to, 1))?)
        };
        let groups = "agent_groups:\n";
        change("example-tenant.yaml", groups, &format!("{groups}  - {{name: Night shift, agents: [ben.brook]}}\n"))?;
        change("applications/sales.scxml", "skillexpr=\"'Sales &gt;= 1'\"", "name=\"'Night shift'\"")
    })?;
    let mut other = agent_at(&site, 10, "7101", Answer::Auto)?;
    let mut member = agent_at(&site, 11, "7102", Answer::Auto)?;
    let caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("sales")?, &[])?;
    member.wait_for("CALL_ESTABLISHED", LATER)?;
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    assert!(!other.has_seen("CALL_INCOMING")?);
    Ok(())
}

#[test]
fn a_call_that_an_agent_does_not_answer_goes_to_the_next() -> Result<()> {
    let site = Installation::start()?;
    let mut first = agent_at(&site, 10, "7101", Answer::Manual)?;
    let mut second = agent_at(&site, 11, "7102", Answer::Auto)?;
    let caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("sales")?, &[])?;
    first.wait_for("CALL_INCOMING", LATER)?;
    second.wait_for("CALL_ESTABLISHED", LATER)?;
    // The first phone has stopped ringing.
    first.wait_for("CALL_CLOSED", SOON)?;
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()
}

#[test]
fn the_menu_leads_to_support_by_the_digit_two() -> Result<()> {
    let site = Installation::start()?;
    let mut support = agent_at(&site, 10, "7121", Answer::Auto)?;
    let person = site.demo.people.iter().find(|person| person.extension == "7130").context("7130")?;
    let mut caller = Phone::register(&Setup {
        address: site.peer_address(11),
        registrar: &site.sip(),
        user: "7130",
        password: &person.password,
        transport: "udp",
        speech: &prompt("announcement"),
        answer: Answer::Manual,
    })?;
    let treatments = site.metric("media", "media_treatments_total")?;
    caller.dial(site.number("menu")?)?;
    caller.wait_for("CALL_ESTABLISHED", SOON)?;
    // Before the menu asks, nobody listens to keys.
    wait::until(LATER, || Ok((site.metric("media", "media_treatments_total")? > treatments).then_some(())))?;
    caller.digit('2')?;
    support.wait_for("CALL_ESTABLISHED", LATER)?;
    wait::until(LATER, || heard_seconds(&caller, 12))?;
    support.hang_up()?;
    caller.wait_for("CALL_CLOSED", SOON)?;
    let heard = audio::read_wav(&caller.heard()?)?;
    let welcome = audio::compare(&prompt_samples("support-welcome")?, &heard)?;
    assert!(welcome.similarity > ALIKE, "the caller hears the support desk: {welcome:?}");
    Ok(())
}

/// Whether this number of seconds of received audio is on the disk.
fn heard_seconds(phone: &Phone, seconds: u64) -> Result<Option<()>> {
    let length = phone.heard().and_then(|path| Ok(std::fs::metadata(path)?.len())).unwrap_or(0);
    Ok((length > seconds * 16_000).then_some(()))
}
