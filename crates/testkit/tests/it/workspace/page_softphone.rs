//! The desktop as a phone: an agent talks through the page, by a place whose phone is in a browser.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::agents::baresip_phone_that_says;
use testkit::audio::{read_wav, write_wav};
use testkit::browser::Browser;
use testkit::{Answer, Watch};

use super::{OTHER, OWN, agent};
use crate::conference::{TONES, heard, tone};
use crate::web_phones;

const SOON: Duration = Duration::from_secs(60);
/// A browser takes some seconds to start, and what it hears some more.
const IN_BROWSER: Duration = Duration::from_secs(180);

/// The tones in a recording of the page.
fn recorded(folder: &Path, name: &str) -> Result<Vec<f64>> {
    Ok(heard(&read_wav(&folder.join(name))?))
}

#[test]
fn an_agent_talks_through_the_page_also_after_it_was_loaded_anew_and_not_while_muted() -> Result<()> {
    let (site, files) = (web_phones::site()?, tempfile::tempdir()?);
    let watch = Watch::start(&site, "0-0")?;
    let user = agent(&site, 0)?;
    let [says, other_says] = ["page.wav", "other.wav"].map(|name| files.path().join(name));
    write_wav(&says, &tone(TONES[0], 60))?;
    write_wav(&other_says, &tone(TONES[1], 240))?;
    let mut other = baresip_phone_that_says(&other_says, &site, 11, OTHER, Answer::Auto)?;
    let folder = files.path().display().to_string();
    let given = [user.user.as_str(), user.password.as_str(), OTHER, &folder].map(str::to_owned);
    let mut page = Browser::start_with_microphone("deskSoftphone", &site, &given, &says)?;
    page.says("ready", IN_BROWSER)?;
    other.dial(OWN)?;
    page.says("heard caller", IN_BROWSER)?;
    assert_eq!(recorded(files.path(), "caller.wav")?, [TONES[1]], "the page hears its caller");
    page.says("heard after", IN_BROWSER)?;
    assert_eq!(recorded(files.path(), "after.wav")?, [TONES[1]], "and hears it when it was loaded anew");
    page.says("hung up", IN_BROWSER)?;
    other.wait_for("CALL_CLOSED", SOON)?;
    assert_eq!(heard(&read_wav(&other.heard()?)?), [TONES[0]], "the caller hears the page that was loaded anew");
    page.says("heard colleague", IN_BROWSER)?;
    assert_eq!(recorded(files.path(), "colleague.wav")?, [TONES[1]], "the page hears whom it has called");
    page.says("hung up muted", IN_BROWSER)?;
    other.wait_for("CALL_CLOSED", SOON)?;
    let muted = heard(&read_wav(&other.heard()?)?);
    ensure!(muted.is_empty(), "who is muted is heard: {muted:?}");
    page.finish(IN_BROWSER)?;
    // Both calls were the agent's own, and nobody but the agent has ended them.
    watch.wait_for_count(&format!("Released@{OWN}"), 2, SOON)?;
    watch.wait_for(&format!("AgentLogout@{OWN}"), SOON).context("the agent is logged out")?;
    Ok(())
}
