//! Consultations: an agent holds its caller, calls another phone with the dialog that it has, and completes, returns or alternates.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::agents::{baresip_agent, baresip_phone};
use testkit::caller::{CALLER, Caller, prompt_samples};
use testkit::facts::{Fact, check_to_the_end};
use testkit::{Answer, Installation, Phone, Watch, audio, wait};

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(60);
/// Minimum similarity of equal speech through G.711 and loopback.
const ALIKE: f64 = 0.95;
/// How long two parties are heard, at least.
const HEARD: usize = 3 * audio::RATE;

/// A caller of the queue, connected to the agent at 7101, and a phone at 7130.
struct Talk {
    site: Installation,
    watch: Watch,
    agent: Phone,
    second: Phone,
    caller: Caller,
    conn: String,
}

fn talk(second: Answer) -> Result<Talk> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let mut agent = baresip_agent(&site, 10, "7101", Answer::Auto)?;
    let second = baresip_phone(&site, 11, "7130", second)?;
    watch.wait_for("AgentReady@7101", SOON)?;
    let caller = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    let conn = watch.wait_for("Established@7101", LATER)?.text("ConnID").to_owned();
    agent.wait_for("CALL_ESTABLISHED", SOON)?;
    Ok(Talk { site, watch, agent, second, caller, conn })
}

impl Talk {
    /// A request of the agent at 7101; returns its answer.
    fn ask(&self, request: &str, reference: u64, fields: &[(&str, &str)]) -> Result<Fact> {
        let mut frame = json!({"req": request, "ThisDN": "7101", "ReferenceID": reference});
        for (name, value) in fields {
            frame[*name] = Value::from(*value);
        }
        self.site.request(&frame)?;
        self.watch.answer_to(reference, SOON)
    }

    /// Calls 7130 about the call; returns the consultation's ConnID.
    fn consult(&self, reference: u64) -> Result<String> {
        let dialing = self.ask("TInitiateTransfer", reference, &[("ConnID", &self.conn), ("OtherDN", "7130")])?;
        assert_eq!((dialing.brief().as_str(), dialing.text("CallType")), ("Dialing@7101", "Consult"));
        assert_eq!(dialing.text("PreviousConnID"), self.conn);
        Ok(dialing.text("ConnID").to_owned())
    }

    fn complete(&self, reference: u64, consultation: &str) -> Result<Fact> {
        self.ask("TCompleteTransfer", reference, &[("ConnID", &self.conn), ("TransferConnID", consultation)])
    }

    /// The caller and the phone at 7130 hear each other, and the call ends with that phone. Returns what that phone has heard in all.
    fn hear_each_other_and_end(mut self) -> Result<Vec<i16>> {
        let media = self.caller.answered(SOON)?;
        let speech = prompt_samples("announcement")?;
        let before = self.second.heard_bytes();
        self.caller.audio.say(&speech, media)?;
        self.caller.audio.finish_saying()?;
        // While the call lasts, the recording has no length in its head.
        let enough = before + speech.len() as u64 * 2 - 16_000;
        wait::until(LATER, || Ok((self.second.heard_bytes() > enough).then_some(())))?;
        self.second.hang_up()?;
        let (heard, outcome) = self.caller.finish(LATER)?;
        outcome.expect_success()?;
        self.second.wait_for("CALL_CLOSED", SOON)?;
        let second = audio::read_wav(&self.second.heard()?)?;
        assert!(audio::is_mostly_heard(&speech, &second, ALIKE), "the phone does not hear the caller");
        let said = audio::read_wav(&self.second.said()?)?;
        // The agent had the same speech, before the caller's.
        let received = heard.received().samples;
        let received = received.get(received.len().saturating_sub(speech.len() - audio::RATE)..).unwrap_or_default();
        assert!(audio::is_mostly_heard(end(&said), received, ALIKE), "the caller does not hear the phone");
        self.watch.wait_for_count("CallDeleted", 2, LATER)?;
        self.watch.wait_for("SessionEnded@9000", LATER)?;
        self.site.is_at_rest()?;
        check_to_the_end(&self.site, &self.watch)?;
        Ok(second)
    }
}

/// The last seconds of a recording.
fn end(samples: &[i16]) -> &[i16] {
    samples.get(samples.len().saturating_sub(HEARD)..).unwrap_or_default()
}

#[test]
fn who_was_consulted_goes_on_with_the_caller() -> Result<()> {
    let mut talk = talk(Answer::Auto)?;
    let consultation = talk.consult(81)?;
    let ringing = talk.watch.wait_for("Ringing@7130", SOON)?;
    let told = (ringing.text("ConnID"), ringing.text("OtherDN"), ringing.text("CallType"));
    assert_eq!(told, (consultation.as_str(), "7101", "Consult"));
    talk.second.wait_for("CALL_ESTABLISHED", SOON)?;
    talk.watch.wait_for("Established@7130", SOON)?;
    talk.watch.wait_for("Held@7101", SOON)?;
    wait::until(LATER, || Ok((talk.second.heard_bytes() > 2 * HEARD as u64).then_some(())))?;
    let released = talk.complete(82, &consultation)?;
    assert_eq!((released.text("CallState"), released.text("ThirdPartyDN")), ("Transferred", "7130"));
    assert_eq!(released.text("ConnID"), talk.conn);
    talk.agent.wait_for("CALL_CLOSED", SOON)?;
    let changed = talk.watch.wait_for("PartyChanged@7130", SOON)?;
    let told = (changed.text("ConnID"), changed.text("PreviousConnID"), changed.text("CallType"));
    assert_eq!(told, (talk.conn.as_str(), consultation.as_str(), "Inbound"));
    assert_eq!((changed.text("OtherDN"), changed.text("ThirdPartyDNRole")), (CALLER, "TransferredBy"));
    let said = audio::read_wav(&talk.agent.said()?)?;
    let heard = talk.hear_each_other_and_end()?;
    assert!(audio::is_mostly_heard(end(&said), &heard, ALIKE), "who was consulted does not hear the agent");
    Ok(())
}

#[test]
fn a_transfer_is_completed_while_the_other_phone_rings() -> Result<()> {
    let mut talk = talk(Answer::Manual)?;
    let consultation = talk.consult(81)?;
    talk.watch.wait_for("Ringing@7130", SOON)?;
    talk.complete(82, &consultation)?;
    talk.agent.wait_for("CALL_CLOSED", SOON)?;
    talk.second.answer()?;
    let established = talk.watch.wait_for("Established@7130", SOON)?;
    assert_eq!(established.text("ConnID"), talk.conn);
    talk.hear_each_other_and_end().map(drop)
}

#[test]
fn who_consults_goes_back_and_forth_and_returns_to_the_caller() -> Result<()> {
    let mut talk = talk(Answer::Auto)?;
    let consultation = talk.consult(81)?;
    talk.second.wait_for("CALL_ESTABLISHED", SOON)?;
    talk.watch.wait_for("Established@7130", SOON)?;
    let conn = talk.conn.clone();
    let refused = talk.ask("TAlternateCall", 82, &[("ConnID", &conn), ("HeldConnID", &consultation)])?;
    assert_eq!((refused.name.as_str(), &refused.frame["ErrorCode"]), ("EventError", &json!(93)));
    let back = talk.ask("TAlternateCall", 83, &[("ConnID", &consultation), ("HeldConnID", &conn)])?;
    assert_eq!((back.brief().as_str(), back.text("ConnID")), ("Retrieved@7101", conn.as_str()));
    // Who is held hears music, and not the caller.
    let media = talk.caller.answered(SOON)?;
    let speech = prompt_samples("announcement")?;
    talk.caller.audio.say(&speech, media)?;
    talk.caller.audio.finish_saying()?;
    let forth = talk.ask("TRetrieveCall", 84, &[("ConnID", &consultation)])?;
    assert_eq!((forth.brief().as_str(), forth.text("ConnID")), ("Retrieved@7101", consultation.as_str()));
    let back = talk.ask("TReconnectCall", 85, &[("ConnID", &consultation), ("HeldConnID", &conn)])?;
    assert_eq!((back.brief().as_str(), back.text("ConnID")), ("Retrieved@7101", conn.as_str()));
    talk.second.wait_for("CALL_CLOSED", SOON)?;
    let second = audio::read_wav(&talk.second.heard()?)?;
    let likeness = audio::compare(&speech, &second)?;
    assert!(likeness.similarity < 0.5, "who is held hears the caller: {likeness:?}");
    talk.agent.hang_up()?;
    talk.caller.finish(LATER)?.1.expect_success()?;
    talk.agent.wait_for("CALL_CLOSED", SOON)?;
    let heard = audio::read_wav(&talk.agent.heard()?)?;
    assert!(audio::is_mostly_heard(&speech, &heard, ALIKE), "the agent does not hear the caller");
    talk.watch.wait_for_count("CallDeleted", 2, LATER)?;
    talk.site.is_at_rest()?;
    check_to_the_end(&talk.site, &talk.watch)
}

#[test]
fn who_hangs_up_in_a_consultation_is_rung_for_the_held_call() -> Result<()> {
    let mut talk = talk(Answer::Auto)?;
    talk.consult(81)?;
    talk.watch.wait_for("Established@7130", SOON)?;
    talk.agent.hang_up()?;
    talk.second.wait_for("CALL_CLOSED", SOON)?;
    let back = talk.watch.wait_for_count("Ringing@7101", 2, LATER)?;
    assert_eq!(back.text("ConnID"), talk.conn);
    talk.watch
        .wait_for_count("Established@7101", 3, SOON)
        .context("of the call, the consultation and the call again")?;
    talk.agent.wait_for("CALL_ESTABLISHED", SOON)?;
    talk.agent.hang_up()?;
    talk.caller.finish(LATER)?.1.expect_success()?;
    talk.watch.wait_for_count("CallDeleted", 2, LATER)?;
    talk.site.is_at_rest()?;
    check_to_the_end(&talk.site, &talk.watch)
}

#[test]
fn a_consultation_outlives_a_crash() -> Result<()> {
    let mut talk = talk(Answer::Auto)?;
    let consultation = talk.consult(81)?;
    talk.second.wait_for("CALL_ESTABLISHED", SOON)?;
    talk.watch.wait_for("Established@7130", SOON)?;
    talk.site = talk.site.crash_and_restart()?;
    talk.watch = Watch::start(&talk.site, "0-0")?;
    let released = talk.complete(82, &consultation)?;
    assert_eq!((released.brief().as_str(), released.text("CallState")), ("Released@7101", "Transferred"));
    talk.agent.wait_for("CALL_CLOSED", SOON)?;
    talk.hear_each_other_and_end().map(drop)
}

#[test]
fn a_mute_transfer_rings_the_other_phone_for_the_caller() -> Result<()> {
    let mut talk = talk(Answer::Auto)?;
    let released = talk.ask("TMuteTransfer", 81, &[("ConnID", &talk.conn), ("OtherDN", "7130")])?;
    assert_eq!((released.text("ConnID"), released.text("CallState")), (talk.conn.as_str(), "Transferred"));
    talk.agent.wait_for("CALL_CLOSED", SOON)?;
    let established = talk.watch.wait_for("Established@7130", SOON)?;
    assert_eq!(established.text("ConnID"), talk.conn);
    talk.second.wait_for("CALL_ESTABLISHED", SOON)?;
    talk.hear_each_other_and_end().map(drop)
}
