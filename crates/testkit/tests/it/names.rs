//! Carriers with names: NAPTR, SRV and address records of a real name server, failover between a carrier's addresses, and carriers
//! that are asked whether they are there.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::agents::{baresip_phone_that_says, long_speech, sipp_phone};
use testkit::caller::{goes_out, prompt};
use testkit::facts::check_log_and_laws;
use testkit::names::NameServer;
use testkit::{Answer, Endpoint, Installation, Phone, Setup, Watch, wait};

use super::carriers::tried;
use super::trace::trace;

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(120);
/// Far sooner than [`SILENT`].
const SOONER: Duration = Duration::from_secs(45);
/// How long a trunk of these tests may say nothing, in seconds: the most that there is.
const SILENT: u8 = 60;
/// The last octets of addresses: where the carrier takes calls, its broken host, and another carrier.
const CARRIER: u8 = 20;
const BROKEN: u8 = 21;
const SPARE: u8 = 22;
/// How long answers of name servers are kept: the records say so.
const KEPT: Duration = Duration::from_secs(1);
/// The number outside.
const NUMBER: &str = "+4930999";

/// An installation that asks this instance's name server, with these trunks in place of the example's.
fn site(trunks: &[&str]) -> Result<Installation> {
    let lines: Vec<String> = trunks.iter().map(|keys| format!("  - {{{keys}}}")).collect();
    let claim = Installation::start_asking_names()?;
    claim.import_changed(|files| {
        let file = files.join("example-tenant.yaml");
        let text = fs::read_to_string(&file)?;
        let changed = text.replacen("  - {name: carrier, allow: [127.0.0.0/8]}", &lines.join("\n"), 1);
        ensure!(changed != text, "the example has changed");
        Ok(fs::write(&file, changed)?)
    })?;
    Ok(claim)
}

/// Somebody outside, whose phone answers at this address.
fn somebody(site: &Installation, host: u8, transport: &str) -> Result<Phone> {
    Phone::start_unregistered(&Setup {
        address: site.peer_address(host),
        registrar: &site.sip(),
        user: NUMBER,
        password: "none",
        transport,
        speech: &long_speech()?,
        answer: Answer::Auto,
    })
}

fn records(site: &Installation, lines: &[&str]) -> Vec<String> {
    let host = |name: &str, host: u8| format!("address=/{name}.carrier.example/{}", site.peer_address(host));
    let hosts = [host("first", BROKEN), host("second", CARRIER)];
    lines.iter().map(|line| (*line).to_owned()).chain(hosts).collect()
}

#[test]
fn a_carrier_with_a_name_is_called_at_the_next_address_if_the_first_one_refuses() -> Result<()> {
    let site = site(&["name: carrier, allow: [127.0.0.0/8], contact: carrier.example, prefix: \"+\""])?;
    let lines = [
        "naptr-record=carrier.example,10,10,S,SIP+D2U,,_sip._udp.carrier.example",
        "naptr-record=carrier.example,5,10,S,SIP+D2W,,_sip._ws.carrier.example",
        "srv-host=_sip._udp.carrier.example,second.carrier.example,5060,20,1",
        "srv-host=_sip._udp.carrier.example,first.carrier.example,5060,10,1",
    ];
    let names = NameServer::start(site.peer_address(Installation::NAMES), &records(&site, &lines))?;
    let watch = Watch::start(&site, "0-0")?;
    let audio = Endpoint::listen(site.peer_address(BROKEN).into())?;
    let broken = sipp_phone(&site, BROKEN, "agent-unavailable.xml", &audio, &["-m", "1"])?;
    let mut far = somebody(&site, CARRIER, "udp")?;
    let mut own = baresip_phone_that_says(&prompt("announcement"), &site, 10, "7101", Answer::Manual)?;
    goes_out(&site, NUMBER)?;
    own.dial(NUMBER)?;
    own.wait_for("CALL_ESTABLISHED", SOON)?;
    far.wait_for("CALL_ESTABLISHED", SOON)?;
    broken.finish(SOON)?.expect_success()?;
    far.hang_up()?;
    own.wait_for("CALL_CLOSED", SOON)?;
    site.metric_becomes("sip-proxy", "sip_proxy_hops_failed_over_total", 1.0, SOON)?;
    // Its first host has just refused, so the second one is tried first; and no name server is needed any more.
    drop(names);
    std::thread::sleep(KEPT * 2);
    own.dial(NUMBER)?;
    own.wait_for("CALL_ESTABLISHED", SOON)?;
    own.hang_up()?;
    own.wait_for("CALL_CLOSED", SOON)?;
    watch.wait_for_count("CallDeleted", 2, SOON)?;
    site.metric_becomes("sip-proxy", "sip_proxy_hops_failed_over_total", 1.0, SOON)?;
    site.is_at_rest()?;
    check_log_and_laws(&site, &watch.facts())
}

#[test]
fn a_refused_connection_leads_to_the_next_address_and_a_name_without_one_to_the_next_trunk() -> Result<()> {
    let site = site(&[
        "name: nowhere, allow: [127.0.0.0/8], contact: nowhere.example, prefix: \"+\"",
        "name: carrier, allow: [127.0.0.0/8], contact: carrier.example;transport=tcp, prefix: \"+\", priority: 1",
    ])?;
    let lines = [
        "srv-host=_sip._tcp.carrier.example,first.carrier.example,5060,10,1",
        "srv-host=_sip._tcp.carrier.example,second.carrier.example,5060,20,1",
    ];
    let _names = NameServer::start(site.peer_address(Installation::NAMES), &records(&site, &lines))?;
    let watch = Watch::start(&site, "0-0")?;
    let mut far = somebody(&site, CARRIER, "tcp")?;
    let mut own = baresip_phone_that_says(&prompt("announcement"), &site, 10, "7101", Answer::Manual)?;
    goes_out(&site, NUMBER)?;
    own.dial(NUMBER)?;
    own.wait_for("CALL_ESTABLISHED", SOON)?;
    far.wait_for("CALL_ESTABLISHED", SOON)?;
    far.hang_up()?;
    own.wait_for("CALL_CLOSED", SOON)?;
    watch.wait_for("CallDeleted", SOON)?;
    site.metric_becomes("sip-proxy", "sip_proxy_hops_failed_over_total", 1.0, SOON)?;
    site.metric_becomes("sip-proxy", "sip_proxy_names_unresolved_total", 1.0, SOON)?;
    let mut told = String::new();
    let is_told = wait::until(SOON, || {
        told = trace(&site, &["--last", "--numbers"])?.to_string();
        Ok(told.contains("the trunk carrier is tried").then_some(()))
    });
    is_told.with_context(|| told)?;
    check_log_and_laws(&site, &watch.facts())
}

#[test]
fn a_carrier_that_answers_no_options_gets_no_call_until_it_answers_again() -> Result<()> {
    let carrier = format!(
        "name: carrier, allow: [127.0.0.0/8], contact: second.carrier.example:5060, prefix: \"+\", options: true, try_s: {SILENT}"
    );
    let site = site(&[
        carrier.as_str(),
        "name: spare, allow: [127.0.0.0/8], contact: spare.example:5060, prefix: \"+\", priority: 1",
    ])?;
    let spare_at = format!("address=/spare.example/{}", site.peer_address(SPARE));
    let _names = NameServer::start(site.peer_address(Installation::NAMES), &records(&site, &[&spare_at]))?;
    let mut far = somebody(&site, CARRIER, "udp")?;
    let mut spare = somebody(&site, SPARE, "udp")?;
    let mut own = baresip_phone_that_says(&prompt("announcement"), &site, 10, "7101", Answer::Manual)?;
    goes_out(&site, NUMBER)?;
    own.dial(NUMBER)?;
    far.wait_for("CALL_ESTABLISHED", SOON)?;
    own.wait_for("CALL_ESTABLISHED", SOON)?;
    own.hang_up()?;
    own.wait_for("CALL_CLOSED", SOON)?;
    far.vanish()?;
    site.metric_becomes("sip-proxy", "sip_proxy_carriers_down", 1.0, LATER)?;
    // Far sooner than the time that the trunk has to say something.
    own.dial(NUMBER)?;
    spare.wait_for("CALL_ESTABLISHED", SOONER)?;
    own.wait_for("CALL_ESTABLISHED", SOON)?;
    own.hang_up()?;
    own.wait_for("CALL_CLOSED", SOON)?;
    let mut back = somebody(&site, CARRIER, "udp")?;
    site.metric_becomes("sip-proxy", "sip_proxy_carriers_down", 0.0, LATER)?;
    own.dial(NUMBER)?;
    back.wait_for("CALL_ESTABLISHED", SOON)?;
    own.wait_for("CALL_ESTABLISHED", SOON)?;
    own.hang_up()?;
    own.wait_for("CALL_CLOSED", SOON)?;
    site.is_at_rest()
}

#[test]
fn the_doctor_says_where_the_name_of_a_carrier_does_not_lead() -> Result<()> {
    let site = site(&["name: carrier, allow: [127.0.0.0/8], contact: nowhere.example, prefix: \"+\""])?;
    let names = NameServer::start(site.peer_address(Installation::NAMES), &records(&site, &[]))?;
    let asking = site.asking_names();
    let is_found = |why: &str| -> Result<()> {
        let failed = format!("FAILED  address       nowhere.example: {why}");
        let remedy = "→ correct the host in `contact`, or the name servers that this machine uses";
        let (mut code, mut text) = (0, String::new());
        // A name server that a busy machine keeps from its turn has not answered: the doctor is asked again.
        let found = wait::until(SOON, || {
            (code, text) = tried(&site, &["--set", &asking])?;
            Ok((code == 6 && text.contains(&failed) && text.contains(remedy)).then_some(()))
        });
        found.with_context(|| format!("{code} {text}"))?;
        ensure!(!text.contains("OPTIONS"), "nothing is sent anywhere: {text}");
        Ok(())
    };
    is_found("nowhere.example has no SRV record and no address")?;
    drop(names);
    is_found("the name servers do not say where nowhere.example is: ")
}
