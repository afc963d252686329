//! One party of a call hears a prompt and types digits by request; the others hear neither and are heard on.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use testkit::audio::{self, mean_tone_power, read_wav};
use testkit::caller::prompt_samples;
use testkit::facts::check_to_the_end;
use testkit::{Installation, Watch, wait};

use crate::conference::{LATER, TONES, comes_to_hear, has_heard_for, phone};

const SOON: Duration = Duration::from_secs(45);

#[test]
fn a_prompt_and_digits_concern_one_party_of_a_call() -> Result<()> {
    let files = tempfile::tempdir()?;
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let mut one = phone(&site, &files, 10, "7101", TONES[0])?;
    let mut other = phone(&site, &files, 11, "7130", TONES[1])?;
    one.dial("7130")?;
    let conn = watch.wait_for("Established@7101", SOON)?.text("ConnID").to_owned();
    has_heard_for(&one, one.heard_bytes())?;
    let ask = |request: &str, reference: u64, more: serde_json::Value| {
        let mut frame = json!({"req": request, "ThisDN": "7101", "ConnID": conn, "ReferenceID": reference});
        frame.as_object_mut().into_iter().zip(more.as_object()).for_each(|(frame, more)| frame.extend(more.clone()));
        site.request(&frame)?;
        watch.answer_to(reference, SOON)
    };
    let before = other.heard_bytes();
    let prompt = json!({"TreatmentType": "PlayAnnouncement", "Parameters": {"prompts": ["menu"]}});
    assert_eq!(ask("TApplyTreatment", 31, prompt)?.brief(), "TreatmentApplied@7101");
    let end = watch.wait_for("TreatmentEnd@7101", LATER)?;
    assert_eq!(end.frame["Extensions"]["Result"], "Completed");
    // Two seconds after the prompt, so that a recorder has written it.
    has_heard_for(&other, before)?;
    let wanted = json!({"Parameters": {"max_digits": 4, "terminator": "#"}});
    site.request(&json!({
        "req": "TCollectDigits", "ThisDN": "7101", "ConnID": conn, "ReferenceID": 32, "Parameters": wanted["Parameters"],
    }))?;
    wait::until(SOON, || Ok((site.metric("media", "media_treatments_total")? >= 2.0).then_some(())))?;
    for digit in ['4', '7', '#'] {
        one.digit(digit)?;
    }
    let collected = watch.answer_to(32, LATER)?;
    assert_eq!(collected.brief(), "DigitsCollected@7101");
    assert_eq!(
        (collected.text("CollectedDigits"), &collected.frame["Extensions"]["Result"]),
        ("47", &json!("Collected"))
    );
    // The party on the other side hears the busy tone until it is stopped.
    let busy = json!({"TreatmentType": "Busy", "OtherDN": "7130"});
    assert_eq!(ask("TApplyTreatment", 33, busy)?.text("OtherDN"), "7130");
    wait::until(LATER, || {
        let of_other = read_wav(&other.heard()?)?;
        let last = &of_other[of_other.len().saturating_sub(3 * audio::RATE)..];
        // The example is in North America: 480 and 620 Hz.
        Ok([480.0, 620.0].iter().all(|hz| mean_tone_power(last, *hz) > 2e5).then_some(()))
    })
    .context("no busy tone")?;
    ask("TStopTreatment", 34, json!({}))?;
    has_heard_for(&other, other.heard_bytes())?;
    comes_to_hear(&one, &[TONES[1]]).context("the other again")?;
    comes_to_hear(&other, &[TONES[0]]).context("the other again")?;
    let (of_one, of_other) = (read_wav(&one.heard()?)?, read_wav(&other.heard()?)?);
    ensure!(audio::is_mostly_heard(&prompt_samples("menu")?, &of_one, 0.8), "the prompt is not heard");
    ensure!(audio::compare(&prompt_samples("menu")?, &of_other)?.similarity < 0.5, "nobody else hears the prompt");
    one.hang_up()?;
    other.wait_for("CALL_CLOSED", SOON)?;
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}
