//! The right agent: announcement, queue, selection by skill, audio both ways, wrap-up, no answer.

use std::time::Duration;

use anyhow::{Context, Result};
use testkit::caller::{Caller, prompt, prompt_samples};
use testkit::{Answer, Installation, Phone, Setup, audio};

const SOON: Duration = Duration::from_secs(10);
const LATER: Duration = Duration::from_secs(60);
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
    let mut caller = Caller::dial(&site, "caller.xml", 1, site.number("sales")?, &["-d", "25000"])?;
    let media = caller.answered(SOON)?;
    agent.wait_for("CALL_ESTABLISHED", LATER)?;
    caller.audio.say(&speech, media)?;
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
    let caller = Caller::dial(&site, "caller.xml", 1, site.number("support")?, &["-d", "20000"])?;
    support.wait_for("CALL_ESTABLISHED", LATER)?;
    caller.finish(LATER)?.1.expect_success()?;
    assert!(!sales_only.has_seen("CALL_INCOMING")?);
    Ok(())
}

#[test]
fn a_call_that_an_agent_does_not_answer_goes_to_the_next() -> Result<()> {
    let site = Installation::start()?;
    let mut first = agent_at(&site, 10, "7101", Answer::Manual)?;
    let mut second = agent_at(&site, 11, "7102", Answer::Auto)?;
    let caller = Caller::dial(&site, "caller.xml", 1, site.number("sales")?, &["-d", "45000"])?;
    first.wait_for("CALL_INCOMING", LATER)?;
    second.wait_for("CALL_ESTABLISHED", LATER)?;
    assert!(first.has_seen("CALL_CLOSED")?, "the first phone has stopped ringing");
    caller.finish(LATER)?.1.expect_success()
}
