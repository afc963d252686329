//! Transfers in one step, by request and by the phone itself.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use testkit::agents::{baresip_agent, baresip_phone};
use testkit::caller::{CALLER, Caller, prompt_samples};
use testkit::facts::check_to_the_end;
use testkit::{Answer, Installation, Phone, Watch, audio, wait};

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);
/// Minimum similarity of equal speech through G.711 and loopback.
const ALIKE: f64 = 0.95;

/// A caller of the queue, connected to the agent at 7101.
struct Talk {
    site: Installation,
    watch: Watch,
    agent: Phone,
    caller: Caller,
    conn: String,
}

fn talk() -> Result<Talk> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let mut agent = baresip_agent(&site, 10, "7101", Answer::Auto)?;
    watch.wait_for("AgentReady@7101", SOON)?;
    let caller = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    let conn = watch.wait_for("Established@7101", LATER)?.text("ConnID").to_owned();
    agent.wait_for("CALL_ESTABLISHED", SOON)?;
    Ok(Talk { site, watch, agent, caller, conn })
}

fn transfer(talk: &Talk, reference: u64, to: &str) -> Result<()> {
    talk.site.request(&json!({
        "req": "TSingleStepTransfer", "ThisDN": "7101", "OtherDN": to, "ConnID": talk.conn, "ReferenceID": reference,
    }))
}

#[test]
fn who_takes_a_transferred_call_and_its_caller_hear_each_other() -> Result<()> {
    let mut talk = talk()?;
    let mut second = baresip_phone(&talk.site, 11, "7130", Answer::Auto)?;
    for (reference, to, code) in [(71, "7101", 415), (72, "7139", 58), (73, "5", 71)] {
        transfer(&talk, reference, to)?;
        let answer = talk.watch.answer_to(reference, SOON)?;
        assert_eq!((answer.name.as_str(), &answer.frame["ErrorCode"]), ("EventError", &json!(code)), "{to}");
    }
    transfer(&talk, 74, "7130")?;
    let released = talk.watch.answer_to(74, SOON)?;
    assert_eq!((released.brief().as_str(), released.text("CallState")), ("Released@7101", "Transferred"));
    talk.agent.wait_for("CALL_CLOSED", SOON)?;
    let ringing = talk.watch.wait_for("Ringing@7130", SOON)?;
    let told =
        (ringing.text("ConnID"), ringing.text("OtherDN"), ringing.text("ThirdPartyDN"), ringing.text("CallState"));
    assert_eq!(told, (talk.conn.as_str(), CALLER, "7101", "Transferred"));
    assert_eq!(
        (ringing.text("ThirdPartyDNRole"), ringing.text("CallThreadID")),
        ("TransferredBy", released.text("CallThreadID"))
    );
    second.wait_for("CALL_ESTABLISHED", SOON)?;
    let media = talk.caller.answered(SOON)?;
    let speech = prompt_samples("announcement")?;
    talk.caller.audio.say(&speech, media)?;
    talk.caller.audio.finish_saying()?;
    // While the call lasts, the recording has no length in its head.
    let enough = speech.len() * 2 - 16_000;
    wait::until(LATER, || Ok((second.heard_bytes() > enough as u64).then_some(())))?;
    second.hang_up()?;
    let (audio, outcome) = talk.caller.finish(LATER)?;
    outcome.expect_success()?;
    second.wait_for("CALL_CLOSED", SOON)?;
    // Each half second for itself: a phone on a busy machine leaves out or repeats some milliseconds.
    let is_heard = |said: &[i16], heard: &[i16]| audio::is_mostly_heard(said, heard, ALIKE);
    let (of_second, of_caller) = (audio::read_wav(&second.heard()?)?, audio.received().samples);
    assert!(is_heard(&speech, &of_second), "the second agent does not hear the caller");
    assert!(is_heard(&audio::read_wav(&second.said()?)?, &of_caller), "the caller does not hear the second agent");
    talk.watch.wait_for("CallDeleted", LATER)?;
    talk.watch.wait_for("SessionEnded@9000", LATER)?;
    talk.site.is_at_rest()?;
    check_to_the_end(&talk.site, &talk.watch)
}

#[test]
fn a_phone_transfers_a_call_by_itself() -> Result<()> {
    let mut talk = talk()?;
    let mut second = baresip_phone(&talk.site, 11, "7130", Answer::Auto)?;
    talk.agent.command("transfer", "7130")?;
    // After the notice of success baresip hangs up by itself, and says nothing about it.
    talk.watch.wait_for("Released@7101", SOON)?;
    second.wait_for("CALL_ESTABLISHED", SOON)?;
    talk.watch.wait_for("Established@7130", SOON)?;
    second.hang_up()?;
    talk.caller.finish(LATER)?.1.expect_success()?;
    talk.watch.wait_for("CallDeleted", LATER)?;
    talk.site.is_at_rest()?;
    check_to_the_end(&talk.site, &talk.watch)
}

#[test]
fn a_transfer_that_nobody_takes_comes_back_to_the_agent() -> Result<()> {
    let mut talk = talk()?;
    let mut second = baresip_phone(&talk.site, 11, "7130", Answer::Manual)?;
    transfer(&talk, 75, "7130")?;
    talk.watch.wait_for("Ringing@7130", SOON)?;
    talk.agent.wait_for("CALL_CLOSED", SOON)?;
    second.hang_up()?;
    talk.watch.wait_for("Released@7130", SOON)?;
    let back = talk.watch.wait_for_count("Ringing@7101", 2, LATER)?;
    assert_eq!(back.frame["Extensions"]["RecalledFrom"], "7130");
    talk.watch.wait_for_count("Established@7101", 2, SOON)?;
    talk.agent.wait_for("CALL_ESTABLISHED", SOON)?;
    talk.agent.hang_up()?;
    talk.caller.finish(LATER)?.1.expect_success()?;
    talk.watch.wait_for("CallDeleted", LATER)?;
    talk.site.is_at_rest()?;
    check_to_the_end(&talk.site, &talk.watch)
}

#[test]
fn a_call_that_is_transferred_to_another_queue_comes_to_an_agent_of_that_queue() -> Result<()> {
    let talk = talk()?;
    let mut second = baresip_agent(&talk.site, 11, "7121", Answer::Auto)?;
    talk.watch.wait_for("AgentReady@7121", SOON)?;
    transfer(&talk, 76, talk.site.number("support")?)?;
    assert_eq!(talk.watch.answer_to(76, SOON)?.text("CallState"), "Transferred");
    let established = talk.watch.wait_for("Established@7121", LATER)?;
    assert_eq!(established.text("ConnID"), talk.conn);
    second.wait_for("CALL_ESTABLISHED", SOON)?;
    second.hang_up()?;
    talk.caller.finish(LATER)?.1.expect_success()?;
    talk.watch.wait_for("CallDeleted", LATER)?;
    talk.site.is_at_rest()?;
    check_to_the_end(&talk.site, &talk.watch)
}
