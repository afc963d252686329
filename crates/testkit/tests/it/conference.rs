//! Conferences: who hears whom, judged by a tone of each party.

use std::f64::consts::TAU;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;
use testkit::agents::baresip_phone_that_says;
use testkit::audio::{RATE, mean_tone_power, read_wav, write_wav};
use testkit::caller::Caller;
use testkit::facts::check_to_the_end;
use testkit::{Answer, Installation, Phone, Watch, wait};

pub const SOON: Duration = Duration::from_secs(45);
pub const LATER: Duration = Duration::from_secs(60);
/// The tones: the agent's, the second phone's, the caller's.
pub const TONES: [f64; 3] = [440.0, 1_000.0, 1_750.0];
/// How long the parties hear each other before something changes.
const HEARD: usize = 4 * RATE;

pub fn tone(hz: f64, seconds: usize) -> Vec<i16> {
    let wave = |n: usize| (TAU * hz * n as f64 / RATE as f64).sin() * 6_000.0;
    (0..seconds * RATE).map(|n| wave(n) as i16).collect()
}

/// Which of the tones are heard in the last seconds, and whether the others are absent.
pub fn heard(samples: &[i16]) -> Vec<f64> {
    heard_of(&TONES, samples)
}

/// The same of other tones.
pub fn heard_of(tones: &[f64], samples: &[i16]) -> Vec<f64> {
    let end = samples.get(samples.len().saturating_sub(2 * RATE)..).unwrap_or_default();
    // A tone of 6,000 has a power of 18 million; what mixing and companding add is far below.
    tones.iter().copied().filter(|hz| mean_tone_power(end, *hz) > 2e6).collect()
}

pub fn phone(site: &Installation, files: &tempfile::TempDir, host: u8, dn: &str, hz: f64) -> Result<Phone> {
    let speech: PathBuf = files.path().join(format!("{dn}.wav"));
    write_wav(&speech, &tone(hz, 240))?;
    baresip_phone_that_says(&speech, site, host, dn, Answer::Auto)
}

pub fn has_heard_for(phone: &Phone, before: u64) -> Result<()> {
    let enough = before + 2 * HEARD as u64;
    wait::until(LATER, || Ok((phone.heard_bytes() > enough).then_some(())))?;
    Ok(())
}

/// Waits until these tones, and no others, are in the last seconds of what a phone hears: a party that stands still is not heard for so long.
pub fn comes_to_hear(phone: &Phone, tones: &[f64]) -> Result<()> {
    let mut last = Vec::new();
    let come = wait::until(LATER, || {
        // Of a call that begins the recording may not be there yet.
        let Ok(samples) = phone.heard().and_then(|path| read_wav(&path)) else { return Ok(None) };
        last = heard(&samples);
        Ok((last == tones).then_some(()))
    });
    come.with_context(|| format!("{last:?} is heard, not {tones:?}"))
}

/// The same of a caller.
pub fn caller_comes_to_hear(caller: &Caller, tones: &[f64]) -> Result<()> {
    let mut last = Vec::new();
    let come = wait::until(LATER, || {
        last = heard(&caller.audio.received().samples);
        Ok((last == tones).then_some(()))
    });
    come.with_context(|| format!("the caller hears {last:?}, not {tones:?}"))
}

/// How an agent makes a conference.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By a consultation, which becomes a part of the call.
    TwoSteps,
    /// The same, asked for from the consultation.
    Merge,
    /// The number rings while the call goes on.
    OneStep,
}

#[test]
fn three_hear_each_other_and_two_when_one_has_left() -> Result<()> {
    confer(Way::TwoSteps)
}

#[test]
fn a_consultation_and_its_call_are_merged_from_the_consultation() -> Result<()> {
    confer(Way::Merge)
}

#[test]
fn a_number_that_is_brought_in_hears_all_and_is_heard() -> Result<()> {
    confer(Way::OneStep)
}

fn confer(way: Way) -> Result<()> {
    let files = tempfile::tempdir()?;
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let mut agent = phone(&site, &files, 10, "7101", TONES[0])?;
    let mut second = phone(&site, &files, 11, "7130", TONES[1])?;
    site.log_in("7101")?;
    watch.wait_for("AgentReady@7101", SOON)?;
    let mut caller = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    let conn = watch.wait_for("Established@7101", LATER)?.text("ConnID").to_owned();
    let media = caller.answered(SOON)?;
    caller.audio.say(&tone(TONES[2], 300), media)?;
    let ask = |request: &str, reference: u64, fields: serde_json::Value| {
        let mut frame = json!({"req": request, "ThisDN": "7101", "ConnID": conn, "ReferenceID": reference});
        frame
            .as_object_mut()
            .into_iter()
            .zip(fields.as_object())
            .for_each(|(frame, fields)| frame.extend(fields.clone()));
        site.request(&frame)?;
        watch.answer_to(reference, SOON)
    };
    let added = if way != Way::OneStep {
        let dialing = ask("TInitiateConference", 91, json!({"OtherDN": "7130"}))?;
        let consultation = dialing.text("ConnID").to_owned();
        second.wait_for("CALL_ESTABLISHED", SOON)?;
        watch.wait_for("Established@7130", SOON)?;
        let added = if way == Way::Merge {
            ask("TMergeCalls", 92, json!({"ConnID": consultation, "HeldConnID": conn}))?
        } else {
            ask("TCompleteConference", 92, json!({"TransferConnID": consultation}))?
        };
        let changed = watch.wait_for("PartyChanged@7130", SOON)?;
        assert_eq!((changed.text("ConnID"), changed.text("CallState")), (conn.as_str(), "Conferenced"));
        added
    } else {
        let refused = ask("TSingleStepConference", 91, json!({"OtherDN": "7139"}))?;
        assert_eq!(refused.frame["ErrorCode"], 58, "nobody is registered there");
        let added = ask("TSingleStepConference", 92, json!({"OtherDN": "7130"}))?;
        let ringing = watch.wait_for("Ringing@7130", SOON)?;
        assert_eq!((ringing.text("ThirdPartyDN"), ringing.text("CallState")), ("7101", "Conferenced"));
        second.wait_for("CALL_ESTABLISHED", SOON)?;
        added
    };
    assert_eq!((added.brief().as_str(), added.text("OtherDN")), ("PartyAdded@7101", "7130"));
    has_heard_for(&second, second.heard_bytes())?;
    let refused = ask("TSingleStepTransfer", 93, json!({"OtherDN": "7121"}))?;
    assert_eq!(refused.frame["ErrorCode"], 97);
    let [of_agent, of_second, of_caller] = TONES;
    comes_to_hear(&agent, &[of_second, of_caller]).context("the agent")?;
    caller_comes_to_hear(&caller, &[of_agent, of_second]).context("in the conference")?;
    agent.hang_up()?;
    let deleted = watch.wait_for("PartyDeleted@7130", SOON)?;
    assert_eq!((deleted.text("OtherDN"), deleted.text("OtherDNRole")), ("7101", "DeletedParty"));
    has_heard_for(&second, second.heard_bytes())?;
    comes_to_hear(&second, &[of_caller]).context("the second phone when the agent has left")?;
    caller_comes_to_hear(&caller, &[of_second]).context("when the agent has left")?;
    second.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    agent.wait_for("CALL_CLOSED", SOON)?;
    second.wait_for("CALL_CLOSED", SOON)?;
    watch.wait_for_count("CallDeleted", if way == Way::OneStep { 1 } else { 2 }, LATER)?;
    watch.wait_for("SessionEnded@9000", LATER)?;
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}
