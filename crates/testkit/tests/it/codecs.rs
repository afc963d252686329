//! Phones that have no codec in common hear each other: alone and in a conference, judged by a tone of each.

use anyhow::{Context as _, Result};
use serde_json::json;
use testkit::agents::baresip_phone_speaking;
use testkit::audio::write_wav;
use testkit::caller::Caller;
use testkit::facts::check_to_the_end;
use testkit::{Installation, Phone, Watch};

use crate::conference::{LATER, SOON, TONES, caller_comes_to_hear, comes_to_hear, has_heard_for, tone};

fn phone(codecs: &str, site: &Installation, files: &tempfile::TempDir, host: u8, dn: &str, hz: f64) -> Result<Phone> {
    let speech = files.path().join(format!("{dn}.wav"));
    write_wav(&speech, &tone(hz, 180))?;
    baresip_phone_speaking(codecs, &speech, site, host, dn)
}

/// Waits until a phone has recorded a few seconds more, whatever the rate of its recording is.
fn has_heard(phone: &Phone) -> Result<()> {
    // At 48 kHz a second has six times the bytes of one at 8 kHz.
    has_heard_for(phone, phone.heard_bytes() + 160_000)
}

#[test]
fn opus_g722_and_g711_hear_each_other_by_two_and_by_three() -> Result<()> {
    let files = tempfile::tempdir()?;
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let mut agent = phone("opus/48000/1", &site, &files, 10, "7101", TONES[0])?;
    let mut second = phone("G722/16000/1", &site, &files, 11, "7130", TONES[1])?;
    site.log_in("7101")?;
    watch.wait_for("AgentReady@7101", SOON)?;
    // The caller has G.711 alone.
    let mut caller = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    let conn = watch.wait_for("Established@7101", LATER)?.text("ConnID").to_owned();
    let media = caller.answered(SOON)?;
    caller.audio.say(&tone(TONES[2], 300), media)?;
    has_heard(&agent)?;
    caller_comes_to_hear(&caller, &[TONES[0]])?;
    comes_to_hear(&agent, &[TONES[2]]).context("Opus hears G.711")?;
    let ask =
        json!({"req": "TSingleStepConference", "ThisDN": "7101", "ConnID": conn, "OtherDN": "7130", "ReferenceID": 91});
    site.request(&ask)?;
    watch.answer_to(91, SOON)?;
    second.wait_for("CALL_ESTABLISHED", SOON)?;
    caller_comes_to_hear(&caller, &[TONES[0], TONES[1]])?;
    has_heard(&agent)?;
    has_heard(&second)?;
    comes_to_hear(&agent, &[TONES[1], TONES[2]]).context("Opus hears G.722 and G.711")?;
    comes_to_hear(&second, &[TONES[0], TONES[2]]).context("G.722 hears Opus and G.711")?;
    agent.hang_up()?;
    watch.wait_for("PartyDeleted@7130", SOON)?;
    has_heard(&second)?;
    caller_comes_to_hear(&caller, &[TONES[1]])?;
    comes_to_hear(&second, &[TONES[2]]).context("G.722 hears G.711")?;
    second.hang_up()?;
    let (_, outcome) = caller.finish(LATER)?;
    outcome.expect_success()?;
    watch.wait_for_count("CallDeleted", 1, LATER)?;
    watch.wait_for("SessionEnded@9000", LATER)?;
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}

#[test]
fn two_phones_of_one_codec_speak_it_and_one_of_another_is_called_too() -> Result<()> {
    for (host, codecs) in [(10, "opus/48000/1"), (20, "G722/16000/1")] {
        let files = tempfile::tempdir()?;
        let site = Installation::start()?;
        let mut called = phone(codecs, &site, &files, host, "7130", TONES[1])?;
        let mut calls = phone(codecs, &site, &files, host + 1, "7131", TONES[0])?;
        calls.dial(&format!("sip:7130@{}", site.sip()))?;
        called.wait_for("CALL_ESTABLISHED", SOON)?;
        calls.wait_for("CALL_ESTABLISHED", SOON)?;
        has_heard(&called)?;
        has_heard(&calls)?;
        comes_to_hear(&called, &[TONES[0]]).context(codecs)?;
        comes_to_hear(&calls, &[TONES[1]]).context(codecs)?;
        calls.hang_up()?;
        called.wait_for("CALL_CLOSED", SOON)?;
        site.is_at_rest()?;
    }
    Ok(())
}
