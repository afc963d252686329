//! Phones that join a call which is there: they take the place of another phone's dialog.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;
use testkit::agents::{baresip_agent, sipp_agent, sipp_dials};
use testkit::audio::read_wav;
use testkit::caller::{CALLER, Caller};
use testkit::facts::check_log_and_laws;
use testkit::{Answer, Endpoint, Installation, Phone, Watch, wait};

use crate::conference::{TONES, heard, phone, tone};

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);

/// The value of Replaces that names the dialog of SIPp's last INVITE.
fn replaces(messages: &str) -> Option<String> {
    let received = messages.split("message received").filter_map(|block| block.split_once("\n\n"));
    let invite = received.map(|(_, text)| text.trim_start()).filter(|text| text.starts_with("INVITE ")).last()?;
    let field = |name: &str| invite.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let ours = messages.lines().rfind(|line| line.starts_with("To:") && line.contains(";tag="))?;
    let tag = |line: &str| line.split(";tag=").nth(1).map(|tag| tag.trim().to_owned());
    Some(format!("{};to-tag={};from-tag={}", field("Call-ID:")?, tag(field("From:")?)?, tag(ours)?))
}

#[test]
fn a_phone_takes_the_place_of_another_ones_dialog() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let audio = Endpoint::listen(site.peer_address(10).into())?;
    let agent = sipp_agent(&site, 10, "7101", "agent.xml", &audio, &["-m", "1", "-d", "100"])?;
    watch.wait_for("AgentReady@7101", SOON)?;
    let caller = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    let conn = watch.wait_for("Established@7101", LATER)?.text("ConnID").to_owned();
    let named = wait::until(SOON, || Ok(replaces(&agent.traces("_messages.log"))))?;

    let own = Endpoint::listen(site.peer_address(11).into())?;
    let phone = sipp_dials(&site, 11, "7131", "7101", &format!("Replaces: {named}"), &own)?;
    let released = watch.wait_for("Released@7101", SOON)?;
    assert_eq!((released.text("CallState"), released.text("ThirdPartyDN")), ("Transferred", "7131"));
    let established = watch.wait_for("Established@7131", SOON)?;
    assert_eq!((established.text("ConnID"), established.text("ThirdPartyDN")), (conn.as_str(), "7101"));
    agent.finish(SOON)?.expect_success().context("the phone whose place was taken")?;

    site.request(&json!({"req": "TClearCall", "ThisDN": "7131", "ConnID": conn, "ReferenceID": 61}))?;
    phone.finish(SOON)?.expect_success().context("the phone that has taken it")?;
    comes_to_rest(&site, &watch, caller)
}

#[test]
fn a_code_picks_up_the_call_that_rings_at_another_phone() -> Result<()> {
    let files = tempfile::tempdir()?;
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let mut agent = baresip_agent(&site, 10, "7101", Answer::Manual)?;
    let mut second = phone(&site, &files, 11, "7130", TONES[1])?;
    watch.wait_for("AgentReady@7101", SOON)?;
    second.dial("*87101")?;
    second.wait_for("CALL_CLOSED", SOON).context("no call rings there yet")?;
    let mut caller = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    let conn = watch.wait_for("Ringing@7101", LATER)?.text("ConnID").to_owned();
    agent.wait_for("CALL_INCOMING", SOON)?;
    second.dial("*87101")?;
    let released = watch.wait_for("Released@7101", SOON)?;
    assert_eq!(released.text("CallState"), "PickedUp");
    agent.wait_for("CALL_CLOSED", SOON)?;
    let established = watch.wait_for("Established@7130", SOON)?;
    assert_eq!((established.text("ConnID"), established.text("OtherDN")), (conn.as_str(), CALLER));
    second.wait_for("CALL_ESTABLISHED", SOON)?;
    hear_each_other(&mut caller, &second)?;
    second.hang_up()?;
    comes_to_rest(&site, &watch, caller)
}

#[test]
fn a_call_is_parked_at_one_phone_and_fetched_at_another() -> Result<()> {
    let files = tempfile::tempdir()?;
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let mut agent = baresip_agent(&site, 10, "7101", Answer::Auto)?;
    let mut second = phone(&site, &files, 11, "7130", TONES[1])?;
    watch.wait_for("AgentReady@7101", SOON)?;
    let mut caller = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    let conn = watch.wait_for("Established@7101", LATER)?.text("ConnID").to_owned();
    agent.wait_for("CALL_ESTABLISHED", SOON)?;
    agent.command("transfer", "*6801")?;
    assert_eq!(watch.wait_for("Released@7101", SOON)?.text("ConnID"), conn);
    second.dial("*6802")?;
    second.wait_for("CALL_CLOSED", SOON).context("nobody waits at another slot")?;
    second.dial("*6801")?;
    let established = watch.wait_for("Established@7130", SOON)?;
    assert_eq!((established.text("ConnID"), established.text("OtherDN")), (conn.as_str(), CALLER));
    second.wait_for("CALL_ESTABLISHED", SOON)?;
    hear_each_other(&mut caller, &second)?;
    second.hang_up()?;
    comes_to_rest(&site, &watch, caller)
}

/// The caller says a tone of its own and hears the phone's, which says [`TONES`]`[1]`.
fn hear_each_other(caller: &mut Caller, phone: &Phone) -> Result<()> {
    let media = caller.answered(SOON)?;
    caller.audio.say(&tone(TONES[2], 240), media)?;
    wait::until(LATER, || Ok((heard(&caller.audio.received().samples) == [TONES[1]]).then_some(())))?;
    // Its file may not have begun yet.
    let at_phone = || phone.heard().and_then(|file| read_wav(&file)).map(|samples| heard(&samples)).unwrap_or_default();
    wait::until(LATER, || Ok((at_phone() == [TONES[2]]).then_some(())))
}

/// The caller leaves with its call, and nothing remains of it.
fn comes_to_rest(site: &Installation, watch: &Watch, caller: Caller) -> Result<()> {
    caller.finish(LATER)?.1.expect_success()?;
    watch.wait_for("CallDeleted", LATER)?;
    watch.wait_for("SessionEnded@9000", LATER)?;
    site.is_at_rest()?;
    check_log_and_laws(site, &watch.facts())
}
