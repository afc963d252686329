//! Emergency calls that say where the caller is, to a carrier that SIPp plays.

use std::fs;
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::agents::{baresip_phone_that_says, sipp_dials_by, sipp_phone};
use testkit::caller::{goes_out, prompt};
use testkit::facts::check_log_and_laws;
use testkit::{Answer, Endpoint, Installation, Watch, wait};

use super::trace::trace;

const SOON: Duration = Duration::from_secs(45);
/// The last octets of the addresses of the carrier and of a phone.
const CARRIER: u8 = 20;
const PHONE: u8 = 12;
/// A number outside, and how a phone dials it.
const NUMBER: &str = "+4930999";
const DIALLED: &str = "0114930999";
/// What the phone of the scenario says of itself.
const OWN: &str = "on the roof, beside the mast";

/// Imports the example with emergency numbers, with a trunk that is told where callers are, and with where they are.
fn import(site: &Installation) -> Result<()> {
    let at = site.peer_address(CARRIER);
    let trunk =
        format!("{{name: carrier, allow: [127.0.0.0/8], contact: \"{at}:5060\", prefix: \"+\", location: true}}");
    let place = "{name: \"P7101\", dns: [\"7101\"]}";
    let located = "{name: \"P7101\", dns: [\"7101\"], location: {country: DE, city: Berlin, street: \"Am <Ufer> & Steg\", \
                   house_number: \"7a\", room: \"4.12\", latitude: \"52.520008\", longitude: \"13.404954\"}}";
    let more = "location: {country: FR, city: Paris, street: \"Rue Inconnue\"}\n\
                dial_rules:\n  - {name: help, pattern: \"112\", action: emergency, trunk: carrier}\n";
    site.import_changed(|files| {
        let file = files.join("example-tenant.yaml");
        let text = fs::read_to_string(&file)?;
        let changed = text.replacen("{name: carrier, allow: [127.0.0.0/8]}", &trunk, 1);
        let changed_too = changed.replacen(place, located, 1);
        ensure!(changed != text && changed_too != changed, "the example has changed");
        Ok(fs::write(&file, format!("{changed_too}\n{more}"))?)
    })
}

/// A carrier that is called by TCP takes connections: a datagram would be repeated until it is there, a connection is not.
fn takes_connections(site: &Installation) -> Result<()> {
    let at = (site.peer_address(CARRIER), 5060);
    wait::until(SOON, || Ok(TcpStream::connect(at).is_ok().then_some(()))).context("the carrier")
}

/// The INVITE among these messages.
fn invite(messages: &str) -> Result<&str> {
    let received = messages.split("message received").find(|text| text.contains("INVITE sip:")).context("an INVITE")?;
    Ok(received.split("message sent").next().unwrap_or(received))
}

#[test]
fn a_carrier_is_told_where_the_phone_is_in_an_emergency_and_not_else() -> Result<()> {
    let site = Installation::start()?;
    import(&site)?;
    let watch = Watch::start(&site, "0-0")?;
    goes_out(&site, NUMBER)?;
    let mut own = baresip_phone_that_says(&prompt("announcement"), &site, 10, "7101", Answer::Manual)?;
    let audio = Endpoint::listen(site.peer_address(CARRIER).into())?;
    // Such an INVITE is longer than a datagram should be: it comes by TCP.
    for (number, transport) in [("112", "t1"), (DIALLED, "u1")] {
        let carrier = sipp_phone(&site, CARRIER, "agent-busy.xml", &audio, &["-m", "1", "-t", transport])?;
        if transport == "t1" {
            takes_connections(&site)?;
        }
        own.dial(number)?;
        own.wait_for("CALL_CLOSED", SOON)?;
        let called = carrier.finish(SOON)?;
        called.expect_success()?;
        let got = invite(&called.messages)?;
        if number != "112" {
            ensure!(!got.contains("Geolocation") && !got.contains("pidf"), "another call has a location: {got}");
            continue;
        }
        for part in [
            "Content-Type: multipart/mixed;boundary=",
            "Geolocation: <cid:",
            "Geolocation-Routing: yes",
            "Content-Type: application/sdp",
            "Content-Type: application/pidf+xml",
            "<gml:pos>52.520008 13.404954</gml:pos>",
            "<cl:country>DE</cl:country><cl:A3>Berlin</cl:A3><cl:RD>Am &lt;Ufer&gt; &amp; Steg</cl:RD><cl:HNO>7a</cl:HNO><cl:ROOM>4.12</cl:ROOM>",
        ] {
            ensure!(got.contains(part), "{part} is not in {got}");
        }
        let id = got.split("Geolocation: <cid:").nth(1).and_then(|rest| rest.split('>').next()).context("an id")?;
        ensure!(got.contains(&format!("Content-ID: <{id}>")), "no part has the id {id}: {got}");
        let (sdp, pidf) = (got.find("v=0"), got.find("<presence"));
        ensure!(sdp < pidf, "the session comes first: {got}");
    }
    watch.wait_for_count("CallDeleted", 2, SOON)?;
    ensure!(!site.log().iter().any(|line| line.contains("Ufer")), "the address is in the log");
    site.is_at_rest()?;
    check_log_and_laws(&site, &watch.facts())
}

#[test]
fn what_a_phone_says_of_itself_goes_on_to_the_carrier_and_into_no_trace() -> Result<()> {
    let site = Installation::start()?;
    import(&site)?;
    let watch = Watch::start(&site, "0-0")?;
    goes_out(&site, NUMBER)?;
    let audio = Endpoint::listen(site.peer_address(CARRIER).into())?;
    let carrier = sipp_phone(&site, CARRIER, "agent-busy.xml", &audio, &["-m", "1", "-t", "t1"])?;
    takes_connections(&site)?;
    let phone = sipp_dials_by("phone-calls-for-help.xml", &site, PHONE, "7101", "112", "Priority: emergency", &audio)?;
    phone.finish(SOON)?.expect_success()?;
    let called = carrier.finish(SOON)?;
    called.expect_success()?;
    let got = invite(&called.messages)?;
    ensure!(got.contains(OWN) && got.contains("Geolocation-Routing: no"), "its location is not in {got}");
    ensure!(!got.contains("Ufer"), "the configured one is there too: {got}");
    watch.wait_for_count("CallDeleted", 1, SOON)?;
    let whole = || trace(&site, &["--last", "--numbers"]).is_ok_and(|trace| trace.to_string().contains(OWN));
    wait::until(SOON, || Ok(whole().then_some(()))).context("the trace has no messages")?;
    let masked = trace(&site, &["--last"])?.to_string();
    ensure!(!masked.contains(OWN), "the trace shows where the phone is: {masked}");
    site.is_at_rest()?;
    check_log_and_laws(&site, &watch.facts())
}
