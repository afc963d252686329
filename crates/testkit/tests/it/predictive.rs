//! A number is called for a route point, and media says who has answered.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::agents::baresip_phone_that_says;
use testkit::audio::write_wav;
use testkit::facts::check_to_the_end;
use testkit::{Answer, Installation, Phone, Watch};

use crate::conference::{LATER, SOON, tone};

/// The route point for which is called.
const POINT: &str = "9000";

/// A phone that answers at once and says a tone of that many tenths of a second, and then nothing.
fn phone(site: &Installation, files: &Path, (host, dn): (u8, &str), tenths: usize) -> Result<Phone> {
    let speech = files.join(format!("{dn}.wav"));
    let mut samples = tone(300.0, 60);
    let said = samples.len() * tenths / 600;
    samples.iter_mut().skip(said).for_each(|sample| *sample = 0);
    write_wav(&speech, &samples)?;
    baresip_phone_that_says(&speech, site, host, dn, Answer::Auto)
}

#[test]
fn a_person_a_machine_and_silence_are_told_apart() -> Result<()> {
    let files = tempfile::tempdir()?;
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let cases = [("7101", 8, "Human"), ("7102", 100, "AnsweringMachine"), ("7130", 0, "Silence")];
    for (nth, (dn, tenths, class)) in (1..).zip(cases) {
        let mut phone = phone(&site, files.path(), (9 + nth as u8, dn), tenths)?;
        let reference = 70 + nth as u64;
        let frame = json!({"req": "TMakePredictiveCall", "ThisDN": POINT, "OtherDN": dn, "ReferenceID": reference,
            "Extensions": {"CLASSIFY_ANSWER": 1}});
        site.request(&frame)?;
        let dialing = watch.answer_to(reference, SOON)?;
        assert_eq!(dialing.brief(), format!("Dialing@{POINT}"));
        let conn = dialing.text("ConnID").to_owned();
        let wanted = watch.wait_for_count(&format!("RouteRequest@{POINT}"), nth, LATER)?;
        assert_eq!((wanted.text("ConnID"), &wanted.frame["UserData"]["AnswerClass"]), (&*conn, &json!(class)));
        site.request(&json!({"req": "TClearCall", "ThisDN": POINT, "ConnID": conn, "ReferenceID": 0}))?;
        phone.wait_for("CALL_CLOSED", SOON)?;
    }
    let frame = json!({"req": "TMakePredictiveCall", "ThisDN": POINT, "OtherDN": "7101", "ReferenceID": 1,
        "Extensions": {"CLASSIFY_ANSWER": "yes"}});
    let refused = format!("{:?}", site.request(&frame));
    ensure!(refused.contains("Extensions: CLASSIFY_ANSWER is 0 or 1"), "{refused}");
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}
