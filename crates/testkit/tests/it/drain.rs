//! An operator ends the process during a conversation: the call is not cut, and no new call is accepted.

use std::time::Duration;

use anyhow::Result;
use testkit::agents::baresip_phone;
use testkit::caller::{Caller, prompt_samples};
use testkit::{Answer, Installation, audio, wait};

/// Before the drain's deadline, which would end the process with another exit code.
const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(60);
const DEADLINE: [&str; 2] = ["--set", "process.drain_deadline=150s"];

/// Waits until no new call is accepted.
fn drains(site: &Installation) -> Result<()> {
    wait::until(SOON, || Ok(site.log().iter().any(|line| line.contains("no new calls from now on")).then_some(())))
}

#[test]
fn a_call_that_is_up_ends_by_its_bye_during_the_drain_and_the_process_ends_with_0() -> Result<()> {
    let mut site = Installation::start_with(&DEADLINE)?;
    let echo = site.number("echo")?.to_owned();
    let talking = Caller::dial(&site, "caller-when-told.xml", 1, &echo, &[])?;
    talking.answered(SOON)?;
    testkit::process::signal(site.pid(), "TERM")?;
    drains(&site)?;
    let late = Caller::dial(&site, "caller-refused-503.xml", 2, &echo, &[])?;
    late.finish(SOON)?.1.expect_success()?;
    talking.hang_up()?;
    talking.finish(SOON)?.1.expect_success()?;
    assert_eq!(site.ended(SOON)?, 0, "{:?}", site.log());
    Ok(())
}

#[test]
fn a_caller_who_waits_gets_an_agent_who_becomes_ready_during_the_drain() -> Result<()> {
    let mut site = Installation::start_with(&DEADLINE)?;
    let mut agent = baresip_phone(&site, 10, "7101", Answer::Auto)?;
    let speech = prompt_samples("announcement")?;
    let mut caller = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    let media = caller.answered(SOON)?;
    site.metric_becomes("rq", "rq_requests_open", 1.0, LATER)?;
    testkit::process::signal(site.pid(), "TERM")?;
    drains(&site)?;
    site.log_in("7101")?;
    agent.wait_for("CALL_ESTABLISHED", LATER)?;
    caller.audio.say(&speech, media)?;
    caller.audio.finish_saying()?;
    agent.hang_up()?;
    agent.wait_for("CALL_CLOSED", SOON)?;
    let heard = audio::read_wav(&agent.heard()?)?;
    assert!(audio::is_mostly_heard(&speech, &heard, 0.9), "the agent does not hear the caller");
    let (at_caller, outcome) = caller.finish(LATER)?;
    outcome.expect_success()?;
    let (said, heard) = (prompt_samples("support-welcome")?, at_caller.received().samples);
    assert!(audio::is_mostly_heard(&said, &heard, 0.9), "the caller does not hear the agent");
    assert_eq!(site.ended(LATER)?, 0, "{:?}", site.log());
    Ok(())
}

#[test]
fn without_calls_the_process_ends_at_once() -> Result<()> {
    let mut site = Installation::start()?;
    assert_eq!(site.stop()?, 0, "{:?}", site.log());
    Ok(())
}
