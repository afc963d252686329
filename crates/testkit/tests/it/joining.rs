//! Phones that join a call which is there: they take the place of another phone's dialog.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;
use testkit::agents::{sipp_agent, sipp_dials};
use testkit::caller::Caller;
use testkit::facts::check_log_and_laws;
use testkit::{Endpoint, Installation, Watch, wait};

const SOON: Duration = Duration::from_secs(15);
const LATER: Duration = Duration::from_secs(60);

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
    caller.finish(LATER)?.1.expect_success()?;
    watch.wait_for("CallDeleted", LATER)?;
    watch.wait_for("SessionEnded@9000", LATER)?;
    site.is_at_rest()?;
    check_log_and_laws(&site, &watch.facts())
}
