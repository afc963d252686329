//! A call is recorded by request, and the file has what its parties said, and no more.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::audio::{RATE, read_wav, tone_power};
use testkit::facts::{Fact, check_to_the_end};
use testkit::{Installation, Phone, Watch, wait};

use crate::conference::{LATER, SOON, TONES, has_heard_for, heard, phone};

/// The tone that tells the parties of the recording.
const BEEP: f64 = 1_400.0;

/// The tenant of the example.
const TENANT: &str = "example";

/// Two phones of a tenant in a call with each other.
struct Talk {
    site: Installation,
    watch: Watch,
    one: Phone,
    other: Phone,
    conn_id: String,
    reference: u64,
    _files: tempfile::TempDir,
}

impl Talk {
    fn begin() -> Result<Self> {
        let site = Installation::start()?;
        let files = tempfile::tempdir()?;
        let watch = Watch::start(&site, "0-0")?;
        let mut one = phone(&site, &files, 10, "7101", TONES[0])?;
        let other = phone(&site, &files, 11, "7130", TONES[1])?;
        one.dial("7130")?;
        let conn_id = watch.wait_for("Established@7101", SOON)?.text("ConnID").to_owned();
        has_heard_for(&one, one.heard_bytes())?;
        Ok(Self { site, watch, one, other, conn_id, reference: 100, _files: files })
    }

    fn ask(&mut self, request: &str, fields: Value) -> Result<Fact> {
        self.reference += 1;
        let mut frame =
            json!({"req": request, "ThisDN": "7101", "ConnID": self.conn_id, "ReferenceID": self.reference});
        frame.as_object_mut().into_iter().zip(fields.as_object()).for_each(|(frame, more)| frame.extend(more.clone()));
        self.site.request(&frame)?;
        self.watch.answer_to(self.reference, SOON)
    }

    fn crash_and_restart(self) -> Result<Self> {
        let Self { site, watch, one, other, conn_id, reference, _files } = self;
        let site = site.crash_and_restart()?;
        Ok(Self { site, watch, one, other, conn_id, reference, _files })
    }

    /// Both phones hear each other for a while.
    fn talk(&self) -> Result<()> {
        let before = (self.one.heard_bytes(), self.other.heard_bytes());
        has_heard_for(&self.one, before.0)?;
        has_heard_for(&self.other, before.1)
    }

    /// The whole files of the recordings so far, the earliest first.
    fn files(&self) -> Result<Vec<PathBuf>> {
        let folder = self.site.data_dir().join("recordings").join(TENANT);
        let mut files: Vec<PathBuf> = match std::fs::read_dir(folder) {
            Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?,
            Err(_) => Vec::new(),
        };
        files.retain(|file| file.extension().is_some_and(|extension| extension == "wav"));
        files.sort();
        Ok(files)
    }

    fn wait_for_files(&self, count: usize) -> Result<Vec<PathBuf>> {
        wait::until(LATER, || Ok(Some(self.files()?).filter(|files| files.len() >= count)))
    }

    fn hang_up(mut self) -> Result<()> {
        self.one.hang_up()?;
        self.other.wait_for("CALL_CLOSED", SOON)?;
        self.site.is_at_rest()?;
        check_to_the_end(&self.site, &self.watch)
    }
}

fn has_beep(samples: &[i16]) -> bool {
    // The tone of 3,000 has a power of 2.2 million where it is whole.
    samples.chunks_exact(RATE / 50).filter(|frame| tone_power(frame, BEEP) > 5e5).count() >= 5
}

#[test]
fn a_call_is_recorded_with_a_tone_paused_resumed_and_stopped() -> Result<()> {
    let mut talk = Talk::begin()?;
    let refused = talk.ask("TStopRecording", json!({}))?;
    assert_eq!(refused.frame["ErrorCode"], 93);
    let begun = talk.ask("TStartRecording", json!({"Beep": true}))?;
    assert_eq!(begun.brief(), "AttachedDataChanged@7101");
    let data = &begun.frame["UserData"];
    let id = data["RecordingID"].as_str().unwrap_or_default().to_owned();
    assert_eq!((&*id, &data["RecordingState"]), (&*format!("rec-{}-1", talk.conn_id), &json!("Recording")));
    talk.talk()?;
    talk.ask("TPauseRecording", json!({}))?;
    let files = talk.wait_for_files(1)?;
    let name = files[0].file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    ensure!(name.starts_with(&format!("{id}.")), "{name}");
    let samples = read_wav(&files[0])?;
    assert_eq!(heard(&samples), TONES[..2], "both parties");
    ensure!(has_beep(&samples), "the tone is in the recording");
    // What is said in between is in no file.
    talk.talk()?;
    assert_eq!(talk.files()?.len(), 1);
    talk.ask("TResumeRecording", json!({}))?;
    talk.talk()?;
    talk.ask("TStopRecording", json!({}))?;
    let files = talk.wait_for_files(2)?;
    assert_eq!(heard(&read_wav(&files[1])?), TONES[..2]);
    let wrong =
        talk.site.request(&json!({"req": "TStartRecording", "ThisDN": "7101", "ConnID": talk.conn_id, "Beep": 1}));
    ensure!(format!("{wrong:?}").contains("Beep: it is neither true nor false"), "{wrong:?}");
    ensure!(has_beep(&read_wav(&talk.one.heard()?)?), "the party that asked hears the tone");
    ensure!(has_beep(&read_wav(&talk.other.heard()?)?), "the other one, too");
    talk.hang_up()
}

#[test]
fn a_recording_ends_with_its_call_and_outlives_its_process() -> Result<()> {
    let mut talk = Talk::begin()?;
    talk.ask("TStartRecording", json!({}))?;
    talk.talk()?;
    // Longer than a piece, so that something is on the disk when the process is killed.
    talk.talk()?;
    talk.talk()?;
    let mut talk = talk.crash_and_restart()?;
    let first = talk.wait_for_files(1)?;
    assert_eq!(heard(&read_wav(&first[0])?), TONES[..2], "what was said before the process was killed");
    talk.talk()?;
    talk.one.hang_up()?;
    talk.other.wait_for("CALL_CLOSED", SOON)?;
    let files = talk.wait_for_files(2)?;
    assert_eq!(heard(&read_wav(&files[1])?), TONES[..2], "the second part");
    talk.site.is_at_rest()
}
