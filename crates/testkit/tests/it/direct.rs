//! Audio that goes directly between two phones, until something needs media.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::facts::{Fact, check_to_the_end};
use testkit::{Installation, Phone, Watch, wait};

use crate::conference::{LATER, SOON, TONES, comes_to_hear, has_heard_for, phone};

/// Both phones may send their audio to each other.
fn site() -> Result<Installation> {
    let site = Installation::start()?;
    site.import_changed(|files| {
        let file = files.join("example-tenant.yaml");
        let text = fs::read_to_string(&file)?;
        let direct = |text: &str, number: &str| {
            let phone = format!("- {{number: \"{number}\", ");
            text.replacen(&phone, &format!("{phone}direct_media: true, "), 1)
        };
        let changed = direct(&direct(&text, "7101"), "7130");
        ensure!(changed.matches("direct_media").count() == 2, "the example has changed");
        Ok(fs::write(&file, changed)?)
    })?;
    Ok(site)
}

struct Talk {
    site: Installation,
    watch: Watch,
    one: Phone,
    other: Phone,
    conn_id: String,
}

impl Talk {
    /// Calls until the node knows what is set.
    fn begin(files: &tempfile::TempDir) -> Result<Self> {
        let site = site()?;
        let watch = Watch::start(&site, "0-0")?;
        let mut one = phone(&site, files, 10, "7101", TONES[0])?;
        let mut other = phone(&site, files, 11, "7130", TONES[1])?;
        let mut calls = 0;
        let conn_id = wait::until(LATER, || {
            calls += 1;
            one.dial("7130")?;
            let established = watch.wait_for_count("Established@7101", calls, SOON)?;
            other.wait_for("CALL_ESTABLISHED", SOON)?;
            if site.metric("sip-cluster", "sipcluster_direct_calls_total")? > 0.0 {
                return Ok(Some(established.text("ConnID").to_owned()));
            }
            one.hang_up()?;
            other.wait_for("CALL_CLOSED", SOON)?;
            Ok(None)
        })
        .context("no call goes directly")?;
        Ok(Self { site, watch, one, other, conn_id })
    }

    fn ask(&self, request: &str, reference: u64, more: &Value) -> Result<Fact> {
        let mut frame = json!({"req": request, "ThisDN": "7101", "ConnID": self.conn_id, "ReferenceID": reference});
        frame.as_object_mut().into_iter().zip(more.as_object()).for_each(|(frame, more)| frame.extend(more.clone()));
        self.site.request(&frame)?;
        self.watch.answer_to(reference, SOON)
    }

    fn hear_each_other(&self) -> Result<()> {
        let before = (self.one.heard_bytes(), self.other.heard_bytes());
        has_heard_for(&self.one, before.0)?;
        has_heard_for(&self.other, before.1)?;
        comes_to_hear(&self.one, &[TONES[1]]).context("the caller hears the other one")?;
        comes_to_hear(&self.other, &[TONES[0]]).context("the other one hears the caller")
    }

    fn legs_at_media(&self) -> Result<f64> {
        self.site.metric("media", "media_legs")
    }
}

#[test]
fn two_phones_talk_directly_and_come_to_media_for_a_hold_and_a_third_party() -> Result<()> {
    let files = tempfile::tempdir()?;
    let mut talk = Talk::begin(&files)?;
    talk.hear_each_other()?;
    talk.site.metric_becomes("media", "media_legs", 0.0, SOON)?;
    talk.ask("THoldCall", 41, &json!({}))?;
    wait::until(SOON, || Ok((talk.legs_at_media()? >= 2.0).then_some(())))?;
    has_heard_for(&talk.other, talk.other.heard_bytes())?;
    comes_to_hear(&talk.other, &[]).context("who is held hears music")?;
    let retrieved = talk.ask("TRetrieveCall", 42, &json!({}))?;
    assert_eq!(retrieved.brief(), "Retrieved@7101");
    has_heard_for(&talk.other, talk.other.heard_bytes())?;
    comes_to_hear(&talk.other, &[TONES[0]]).context("who was held hears the caller again")?;
    // baresip 1.0 records nothing of what it receives after it was asked to hold, so the caller is not listened to.
    let mut third = phone(&talk.site, &files, 12, "7131", TONES[2])?;
    talk.ask("TSingleStepConference", 43, &json!({"OtherDN": "7131"}))?;
    third.wait_for("CALL_ESTABLISHED", SOON)?;
    has_heard_for(&third, third.heard_bytes())?;
    comes_to_hear(&third, &TONES[..2])?;
    talk.one.hang_up()?;
    third.hang_up()?;
    talk.other.wait_for("CALL_CLOSED", LATER)?;
    talk.site.is_at_rest()?;
    check_to_the_end(&talk.site, &talk.watch)
}

#[test]
fn a_direct_call_goes_on_after_a_crash_and_is_transferred() -> Result<()> {
    let files = tempfile::tempdir()?;
    let Talk { site, watch, one, mut other, conn_id } = Talk::begin(&files)?;
    let site = site.crash_and_restart()?;
    drop(watch);
    let watch = Watch::start(&site, "0-0")?;
    let talk = Talk { site, watch, one, other, conn_id };
    talk.hear_each_other()?;
    let mut third = phone(&talk.site, &files, 12, "7131", TONES[2])?;
    talk.ask("TSingleStepTransfer", 51, &json!({"OtherDN": "7131"}))?;
    third.wait_for("CALL_ESTABLISHED", SOON)?;
    has_heard_for(&third, third.heard_bytes())?;
    comes_to_hear(&third, &[TONES[1]])?;
    has_heard_for(&talk.other, talk.other.heard_bytes())?;
    comes_to_hear(&talk.other, &[TONES[2]])?;
    third.hang_up()?;
    other = talk.other;
    other.wait_for("CALL_CLOSED", LATER)?;
    talk.site.is_at_rest()?;
    check_to_the_end(&talk.site, &talk.watch)
}
