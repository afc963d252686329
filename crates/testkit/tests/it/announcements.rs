//! A party records an announcement, which is played and deleted by its id.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::audio::{RATE, read_wav, tone_power};
use testkit::facts::check_to_the_end;
use testkit::{Installation, Watch, wait};

use crate::conference::{LATER, SOON, TONES, has_heard_for, phone};

/// The tone of the party that records.
const SAID: f64 = TONES[2];
/// The beep before a recording.
const BEEP: f64 = 1_000.0;

/// How many milliseconds of the samples have this tone.
fn ms_of(samples: &[i16], hz: f64) -> usize {
    let frame = RATE / 50;
    // A tone of 6,000 has a power of 18 million, the beep one of 9.
    20 * samples.chunks_exact(frame).filter(|frame| tone_power(frame, hz) > 4e6).count()
}

#[test]
fn what_a_party_records_is_played_back_and_deleted() -> Result<()> {
    let files = tempfile::tempdir()?;
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    refuses_faults(&site)?;
    let mut one = phone(&site, &files, 10, "7101", TONES[0])?;
    let mut other = phone(&site, &files, 11, "7130", SAID)?;
    one.dial("7130")?;
    let conn = watch.wait_for("Established@7101", SOON)?.text("ConnID").to_owned();
    has_heard_for(&one, one.heard_bytes())?;
    let treat = |kind: &str, of: &str, reference: u64, parameters: Value| {
        site.request(&json!({
            "req": "TApplyTreatment", "ThisDN": "7101", "OtherDN": of, "ConnID": conn, "ReferenceID": reference,
            "TreatmentType": kind, "Parameters": parameters,
        }))?;
        watch.answer_to(reference, SOON)
    };
    let end_of = |reference: u64| {
        let is_it = |fact: &testkit::facts::Fact| {
            fact.frame["ReferenceID"] == reference && fact.brief().starts_with("TreatmentEnd")
        };
        wait::until(LATER, || Ok(watch.facts().into_iter().find(is_it)))
    };
    // The other party is recorded for three seconds, and hears the beep.
    let applied = treat("RecordUserAnnouncement", "7130", 41, json!({"max_ms": 3_000, "silence_ms": 0}))?;
    assert_eq!(applied.brief(), "TreatmentApplied@7101");
    let end = end_of(41)?;
    let said = &end.frame["Extensions"];
    assert_eq!((&said["Result"], &said["RecordEnd"]), (&json!("Recorded"), &json!("MaxDuration")));
    assert_eq!(said["Duration"], 3_000);
    let id = said["USER_ANN_ID"].as_str().unwrap_or_default().to_owned();
    // It hears its own voice again.
    treat("PlayAnnouncement", "7130", 42, json!({"prompts": [id]}))?;
    assert_eq!(end_of(42)?.frame["Extensions"]["Result"], "Completed");
    // The one that asks records until it presses the key.
    treat("RecordUserAnnouncement", "7101", 43, json!({"max_ms": 60_000, "silence_ms": 0}))?;
    has_heard_for(&one, one.heard_bytes())?;
    one.digit('#')?;
    let end = end_of(43)?;
    assert_eq!(end.frame["Extensions"]["RecordEnd"], "Key");
    let by_key = end.frame["Extensions"]["USER_ANN_ID"].as_str().unwrap_or_default().to_owned();
    ensure!(by_key.starts_with("ann-") && by_key != id, "{by_key}");
    // Nothing is played by the id of what is deleted.
    treat("DeleteUserAnnouncement", "7101", 44, json!({"user_ann_id": id}))?;
    assert_eq!(end_of(44)?.frame["Extensions"]["Result"], "Completed");
    assert_eq!(treat("PlayAnnouncement", "7130", 45, json!({"prompts": [id]}))?.brief(), "TreatmentNotApplied@7101");
    assert_eq!(
        treat("DeleteUserAnnouncement", "7101", 46, json!({"user_ann_id": id}))?.brief(),
        "TreatmentNotApplied@7101"
    );
    has_heard_for(&other, other.heard_bytes())?;
    let of_other = read_wav(&other.heard()?)?;
    let (own, beep) = (ms_of(&of_other, SAID), ms_of(&of_other, BEEP));
    // Phones on a busy machine leave out or repeat some of it.
    ensure!((2_000..=3_400).contains(&own), "{own} ms of its own tone");
    ensure!((100..=500).contains(&beep), "{beep} ms of the beep");
    one.hang_up()?;
    other.wait_for("CALL_CLOSED", SOON)?;
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}

/// Faulty parameters are refused, each with its name.
fn refuses_faults(site: &Installation) -> Result<()> {
    let faults = [
        ("RecordUserAnnouncement", json!({"max_ms": 180_001}), "max_ms: "),
        ("RecordUserAnnouncement", json!({"silence_ms": 100}), "silence_ms: "),
        ("RecordUserAnnouncement", json!({"terminator": "##"}), "terminator: "),
        ("DeleteUserAnnouncement", json!({"user_ann_id": "../menu"}), "user_ann_id: "),
        ("DeleteUserAnnouncement", json!({}), "user_ann_id: "),
    ];
    for (kind, parameters, field) in faults {
        let refused = site.request(&json!({
            "req": "TApplyTreatment", "ThisDN": "7101", "ConnID": "0000000000000001", "ReferenceID": 1,
            "TreatmentType": kind, "Parameters": parameters,
        }));
        let why = format!("{:?}", refused.err());
        ensure!(why.contains(field), "{kind} {parameters}: {why}");
    }
    Ok(())
}
