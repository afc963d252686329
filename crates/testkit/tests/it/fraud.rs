//! Who has stolen a phone's password calls premium-rate numbers: the rules of the dial plan stop it.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::agents::{baresip_phone_that_says, password};
use testkit::caller::{goes_out, prompt};
use testkit::sipp::Running;
use testkit::{Answer, Endpoint, Installation, Sipp, wait};

const SOON: Duration = Duration::from_secs(45);
/// Time for a thousand calls.
const NIGHT: Duration = Duration::from_secs(240);
/// The last octets of the addresses of the carrier and of the thief.
const CARRIER: u8 = 20;
const THIEF: u8 = 21;
/// A number of the premium range.
const PREMIUM: &str = "+49900123";
/// Calls that the thief makes, and how many of them a rule allows.
const MADE: u32 = 1_000;
const ALLOWED: u32 = 20;

/// An installation whose carrier takes calls, and which limits those to premium-rate numbers.
fn site() -> Result<Installation> {
    let site = Installation::start()?;
    let carrier = format!(
        "{{name: carrier, allow: [127.0.0.0/8], contact: \"{}:5060\", prefix: \"+\", caller_id: \"+15550100\"}}",
        site.peer_address(CARRIER)
    );
    site.import_changed(|files| {
        let file = files.join("example-tenant.yaml");
        let text = fs::read_to_string(&file)?;
        let changed = text.replacen("{name: carrier, allow: [127.0.0.0/8]}", &carrier, 1);
        ensure!(changed != text, "the example has changed");
        let rule = format!(
            "\ndial_rules:\n  - {{name: premium, pattern: \"+49900.\", action: limit, calls: {ALLOWED}, minutes: 30}}\n"
        );
        ensure!(!changed.contains("dial_rules:"), "the example has rules of its own");
        Ok(fs::write(&file, changed + &rule)?)
    })?;
    Ok(site)
}

#[test]
fn a_stolen_password_does_not_call_premium_numbers_all_night() -> Result<()> {
    let site = site()?;
    let carrier = Sipp::new("-sn uas", site.peer_address(CARRIER), &site.sip()).with(&["-trace_msg"]).start()?;
    goes_out(&site, PREMIUM)?;
    let audio = Endpoint::listen(site.peer_address(THIEF).into())?;
    let (ip, port) = (audio.address.ip().to_string(), audio.address.port().to_string());
    let night = ["-s", PREMIUM, "-m", &MADE.to_string(), "-r", "50", "-key", "user", "7101", "-au", "7101"];
    let thief = Sipp::new("phone-dials-or-is-refused.xml", site.peer_address(THIEF), &site.sip())
        .with(&night)
        .with(&["-ap", password(&site, "7101")?, "-key", "rtp_host", &ip, "-key", "rtp_port", &port])
        .start()?;
    thief.finish(NIGHT)?.expect_success()?;
    site.metric_becomes("sip-cluster", "sipcluster_day_limit_refused_total", f64::from(MADE - ALLOWED), SOON)?;
    site.metric_becomes("sip-cluster", "sipcluster_day_limit_used_up_total", 1.0, SOON)?;
    is_called(&carrier, ALLOWED as usize)?;
    for alarm in ["calls are refused once all is", "further calls are refused"] {
        let told = || site.log().iter().filter(|line| line.contains(alarm)).count();
        wait::until(SOON, || Ok((told() > 0).then_some(())))?;
        ensure!(told() == 1, "{:#?}", site.log());
    }
    // The same phone reaches other numbers, and another one the premium range.
    let mut phone = baresip_phone_that_says(&prompt("announcement"), &site, 10, "7101", Answer::Auto)?;
    phone.dial("0114930999")?;
    phone.wait_for("CALL_ESTABLISHED", SOON)?;
    phone.hang_up()?;
    let mut other = baresip_phone_that_says(&prompt("announcement"), &site, 11, "7102", Answer::Auto)?;
    other.dial("01149900123")?;
    other.wait_for("CALL_ESTABLISHED", SOON)?;
    other.hang_up()?;
    is_called(&carrier, ALLOWED as usize + 2)?;
    site.is_at_rest()
}

/// Waits until the carrier has got so many calls; it has not got more.
fn is_called(carrier: &Running, times: usize) -> Result<()> {
    let called = wait::until(SOON, || Ok((carrier.acknowledged() >= times).then_some(())));
    let count = carrier.acknowledged();
    called.with_context(|| format!("the carrier was called {count} times"))?;
    ensure!(count == times, "the carrier was called {count} times");
    Ok(())
}
