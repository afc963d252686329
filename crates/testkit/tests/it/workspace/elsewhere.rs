//! An agent whose page is the phone, on a machine that sleeps, on another network, and on two machines at once.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::audio::write_wav;
use testkit::browser::Browser;
use testkit::{Installation, Watch};

use super::day::{Desks, OF_AGENT, SAYS_SECONDS, calls, is_over, talking};
use super::{OWN, agent};
use crate::conference::tone;
use crate::web_phones;

const LATER: Duration = Duration::from_secs(90);
/// For a part of what is done in the browsers, each step of which has its own patience.
const IN_BROWSER: Duration = Duration::from_secs(240);
/// What the agent says at another machine, which nobody hears.
const OF_OTHER_MACHINE: f64 = 1_000.0;

/// A task of the agent whose phone is in a browser.
fn desk(site: &Installation, task: &str, folder: &Path) -> Result<Desks> {
    for (name, hz) in [("agent", OF_AGENT), ("other", OF_OTHER_MACHINE)] {
        write_wav(&folder.join(format!("{name}.wav")), &tone(hz, SAYS_SECONDS))?;
    }
    let user = agent(site, 0)?;
    let given = [folder.display().to_string(), user.user.clone(), user.password.clone()];
    let browsers = Browser::start_with_microphone(task, site, &given, &folder.join("agent.wav"))?;
    Ok(Desks { browsers, folder: folder.to_owned() })
}

#[test]
fn a_laptop_that_sleeps_for_forty_seconds_keeps_its_call_and_says_what_it_missed() -> Result<()> {
    let (site, files) = (web_phones::site()?, tempfile::tempdir()?);
    let watch = Watch::start(&site, "0-0")?;
    let mut desk = desk(&site, "deskAsleep", files.path())?;
    desk.come_to("ready")?;
    let caller = calls(&site, "caller-when-told.xml")?;
    desk.are_heard(&caller, "taken", &[OF_AGENT])?;
    let conn = talking(&watch, "")?;
    desk.are_cut_off(&site, &conn, "asleep")?;
    desk.are_heard(&caller, "awake", &[OF_AGENT])?;
    let silent = site.metric("webrtc", "webrtc_flows_silent_total")?;
    ensure!(silent >= 1.0, "nobody has asked the phone while it slept");
    desk.come_to("gone")?;
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    desk.go_on("gone")?;
    desk.browsers.finish(IN_BROWSER)?;
    is_over(&watch, &conn, &[OWN])?;
    site.is_at_rest()
}

#[test]
fn audio_finds_another_way_by_ice_where_the_network_of_an_agent_is_another_one() -> Result<()> {
    let (site, files) = (web_phones::site()?, tempfile::tempdir()?);
    let watch = Watch::start(&site, "0-0")?;
    let mut desk = desk(&site, "deskOnAnotherNetwork", files.path())?;
    desk.come_to("ready")?;
    let caller = calls(&site, "caller-until-bye.xml")?;
    desk.are_heard(&caller, "taken", &[OF_AGENT])?;
    let conn = talking(&watch, "")?;
    desk.are_cut_off(&site, &conn, "cut")?;
    desk.are_heard(&caller, "elsewhere", &[OF_AGENT])?;
    desk.browsers.finish(IN_BROWSER)?;
    caller.finish(LATER)?.1.expect_success()?;
    is_over(&watch, &conn, &[OWN])?;
    site.is_at_rest()
}

#[test]
fn two_machines_of_one_agent_show_the_same() -> Result<()> {
    let (site, files) = (web_phones::site()?, tempfile::tempdir()?);
    let watch = Watch::start(&site, "0-0")?;
    let mut desk = desk(&site, "deskOnTwoMachines", files.path())?;
    desk.come_to("ready")?;
    let caller = calls(&site, "caller-until-bye.xml")?;
    // The phone that has answered is heard, and that of the other machine is not.
    desk.are_heard(&caller, "taken", &[OF_AGENT])?;
    let conn = talking(&watch, "")?;
    desk.are_heard(&caller, "retrieved", &[OF_AGENT])?;
    desk.browsers.finish(IN_BROWSER)?;
    caller.finish(LATER)?.1.expect_success()?;
    is_over(&watch, &conn, &[OWN])
}
