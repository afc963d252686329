//! A call is answered and heard: the received audio is compared with the sent one.

use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::caller::{Caller, prompt, prompt_samples};
use testkit::{Answer, Installation, Phone, Setup, audio};

use crate::outgoing::is_heard_in;

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);

fn assert_heard(sent: &[i16], heard: &[i16]) -> Result<()> {
    ensure!(is_heard_in(sent, heard), "{} samples heard, and what was said is not among them", heard.len());
    Ok(())
}

#[test]
fn a_sipp_caller_hears_itself_from_the_echo_number() -> Result<()> {
    let site = Installation::start()?;
    let mut speech = prompt_samples("announcement")?;
    speech.truncate(6 * audio::RATE);
    let mut caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("echo")?, &[])?;
    let media = caller.answered(SOON)?;
    caller.audio.say(&speech, media)?;
    caller.audio.finish_saying()?;
    caller.hang_up()?;
    let (audio, outcome) = caller.finish(LATER)?;
    outcome.expect_success()?;
    let received = audio.received();
    assert_heard(&speech, &received.samples)?;
    assert_eq!(received.sources, [media], "audio comes from the address that the answer names");
    Ok(())
}

#[test]
fn a_sipp_caller_hears_the_announcement_and_is_released() -> Result<()> {
    let site = Installation::start()?;
    let caller = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("announcement")?, &[])?;
    caller.answered(SOON)?;
    let (audio, outcome) = caller.finish(LATER)?;
    outcome.expect_success()?;
    assert_heard(&prompt_samples("announcement")?, &audio.received().samples)
}

#[test]
fn a_caller_that_answers_our_offer_in_its_ack_hears_echo_and_announcement() -> Result<()> {
    let site = Installation::start()?;
    let speech = prompt_samples("announcement")?;
    let mut caller = Caller::dial(&site, "caller-late-offer.xml", 1, site.number("echo")?, &["-d", "8000"])?;
    let media = caller.answered(SOON)?;
    caller.audio.say(&speech, media)?;
    let (audio, outcome) = caller.finish(LATER)?;
    outcome.expect_success()?;
    // It hangs up after eight seconds, whenever it began to speak.
    assert_heard(&speech[..4 * audio::RATE], &audio.received().samples)?;
    let caller = Caller::dial(&site, "caller-late-offer.xml", 2, site.number("announcement")?, &["-d", "4500"])?;
    let (audio, outcome) = caller.finish(LATER)?;
    outcome.expect_success()?;
    // It hangs up before the end: most of two seconds is enough.
    assert_heard(&speech[..16_000], &audio.received().samples)
}

#[test]
fn sipps_own_caller_without_routes_is_served() -> Result<()> {
    let site = Installation::start()?;
    testkit::Sipp::new("-sn uac", site.peer_address(1), &site.sip())
        .dial(site.number("echo")?)
        .calls(20, 10, 10)
        .with(&["-d", "500"])
        .run(LATER)?
        .expect_success()
}

#[test]
fn the_same_over_tcp() -> Result<()> {
    let site = Installation::start()?;
    testkit::Sipp::new("-sn uac", site.peer_address(1), &site.sip())
        .dial(site.number("echo")?)
        .calls(20, 10, 10)
        .with(&["-d", "500", "-t", "t1"])
        .run(LATER)?
        .expect_success()
}

#[test]
fn a_registered_baresip_hears_itself_over_udp_and_tcp() -> Result<()> {
    let site = Installation::start()?;
    for (host, transport) in [(10, "udp"), (11, "tcp")] {
        let person = &site.demo.people[usize::from(host - 10)];
        let speech = prompt("announcement");
        let mut phone = Phone::register(&Setup {
            address: site.peer_address(host),
            registrar: &site.sip(),
            user: &person.extension,
            password: &person.password,
            transport,
            speech: &speech,
            answer: Answer::Manual,
        })?;
        phone.dial(site.number("echo")?)?;
        phone.wait_for("CALL_ESTABLISHED", SOON)?;
        testkit::wait::until(LATER, || heard_enough(&phone))?;
        phone.hang_up()?;
        phone.wait_for("CALL_CLOSED", SOON)?;
        assert_heard(&audio::read_wav(&phone.said()?)?, &audio::read_wav(&phone.heard()?)?)?;
    }
    Ok(())
}

/// Whether four seconds of received audio are on the disk.
fn heard_enough(phone: &Phone) -> Result<Option<()>> {
    let length = phone.heard().and_then(|path| Ok(std::fs::metadata(path)?.len())).unwrap_or(0);
    Ok((length > 4 * 16_000).then_some(()))
}
