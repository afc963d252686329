//! Prompts with audio: an administrator uploads it at the web edge, and callers hear it, judged by a tone of each recording.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::audio::{RATE, write_wav_at};
use testkit::caller::Caller;
use testkit::{Installation, wait};

use crate::agent_setup::{Page, is};
use crate::carried::carried;
use crate::conference::{LATER, SOON, TONES, caller_comes_to_hear, heard, tone};

/// How long the recordings are, in seconds: longer than whoever hears them to the end of the test.
const LENGTH: usize = 200;
/// A call for each second that it takes until media has what was uploaded.
const COMES_WITHIN: Duration = Duration::from_secs(90);
const PROMPT: &str = "announcement";

/// Uploads a tone in a file of that rate; the name of the recording.
pub(crate) fn uploaded(page: &Page<'_>, folder: &Path, rate: usize, hz: f64) -> Result<String> {
    let file = folder.join(format!("{hz}.wav"));
    write_wav_at(rate, &file, &tone(hz, LENGTH))?;
    let kept = is(page.post("/prompt-audio", "audio/wav", &format!("@{}", file.display()))?, 200)?;
    ensure!(kept["length_ms"] == LENGTH * 1_000 && kept["rate"] == rate && kept["channels"] == 1, "{kept}");
    // The tones have a peak of 6,000 of 32,768.
    ensure!(kept["peak_db"].as_f64().is_some_and(|peak| (-16.0..-13.0).contains(&peak)), "{kept}");
    Ok(kept["sha256"].as_str().context("no name")?.to_owned())
}

/// The prompt plays this recording; the revision at which it does.
fn plays(page: &Page<'_>, prompt: &str, sha256: &str) -> Result<u64> {
    let audio = json!([{ "language": "en", "sha256": sha256 }]);
    let edit =
        json!({ "kind": "prompt", "id": prompt, "action": "merge", "object": { "audio": audio }, "fields": ["audio"] });
    is(page.change(&edit, false)?, 200)?;
    revision(page, prompt)
}

fn revision(page: &Page<'_>, prompt: &str) -> Result<u64> {
    page.read(&format!("/objects/prompt/{prompt}"))?["revision"].as_u64().context("no revision")
}

/// Calls again and again until a call hears this tone, and no other: media gets what was uploaded a moment after the change.
fn comes_to_be_heard(site: &Installation, host: u8, number: &str, hz: f64) -> Result<()> {
    let mut last = Vec::new();
    let come = wait::until(COMES_WITHIN, || {
        let caller = Caller::dial(site, "caller-when-told.xml", host, number, &[])?;
        caller.answered(SOON)?;
        wait::until(LATER, || Ok((caller.audio.received().samples.len() > 4 * RATE).then_some(())))?;
        caller.hang_up()?;
        let (audio, outcome) = caller.finish(LATER)?;
        outcome.expect_success()?;
        last = heard(&audio.received().samples);
        Ok((last == [hz]).then_some(()))
    });
    come.with_context(|| format!("callers hear {last:?}, not {hz}"))
}

/// own-37.
#[test]
fn a_caller_hears_what_was_uploaded_then_what_replaced_it_then_the_first_again() -> Result<()> {
    let files = tempfile::tempdir()?;
    let site = Installation::start()?;
    let page = Page::open(&site, "administrator")?;
    let number = site.number(PROMPT)?;
    let before = carried(&site, "media", "tenant", 8_888)?;
    let first = uploaded(&page, files.path(), 8_000, TONES[0])?;
    let at_first = plays(&page, PROMPT, &first)?;
    comes_to_be_heard(&site, 1, number, TONES[0])?;
    let after = carried(&site, "media", "tenant", 8_888)?;
    let bytes = 2 * u64::try_from(LENGTH * RATE)?;
    ensure!(after.received > before.received + bytes, "media has got it elsewhere: {before:?}, {after:?}");

    let talking = Caller::dial(&site, "caller-when-told.xml", 2, number, &[])?;
    talking.answered(SOON)?;
    caller_comes_to_hear(&talking, &[TONES[0]])?;
    let second = uploaded(&page, files.path(), 16_000, TONES[1])?;
    plays(&page, PROMPT, &second)?;
    comes_to_be_heard(&site, 1, number, TONES[1])?;
    caller_comes_to_hear(&talking, &[TONES[0]]).context("who hears the first goes on hearing it")?;
    talking.hang_up()?;
    talking.finish(LATER)?.1.expect_success()?;

    let back = json!({ "kind": "prompt", "id": PROMPT, "revision": at_first }).to_string();
    let restored = is(page.post("/restore", "application/json", &back)?, 200)?;
    ensure!(restored["changes"][0]["after"]["audio"][0]["sha256"] == first.as_str(), "{restored}");
    comes_to_be_heard(&site, 1, number, TONES[0])?;
    site.is_at_rest()
}

#[test]
fn an_application_plays_what_was_uploaded_by_the_name_of_the_prompt() -> Result<()> {
    let files = tempfile::tempdir()?;
    let site = Installation::start()?;
    let page = Page::open(&site, "administrator")?;
    let sha256 = uploaded(&page, files.path(), 8_000, TONES[2])?;
    plays(&page, "closed", &sha256)?;
    comes_to_be_heard(&site, 1, site.number("closed")?, TONES[2])?;

    let path = format!("/prompt-audio/{sha256}");
    let given = page.get_with(&path, &[])?;
    ensure!(given.status == 200 && given.header("content-type") == Some("audio/wav"), "{}", given.head);
    ensure!(given.body.starts_with("RIFF"), "{}", given.head);
    let tag = format!("if-none-match: {}", given.header("etag").context("no version")?);
    let again = page.get_with(&path, &["--header", &tag])?;
    ensure!(again.status == 304, "{}", again.head);
    let missing = page.get_with(&format!("/prompt-audio/{}", "0".repeat(64)), &[])?;
    ensure!(missing.status == 404, "{}", missing.head);
    for (what, words) in [("no WAV file", "not a WAV file"), ("RIFF....WAVE", "no whole fmt chunk")] {
        let refused: Value = is(page.post("/prompt-audio", "audio/wav", what)?, 422)?;
        ensure!(refused["faults"][0]["rule"].as_str().is_some_and(|rule| rule.contains(words)), "{refused}");
    }
    site.is_at_rest()
}
