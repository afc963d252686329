//! One sip-proxy and one media for both families: phones and carriers of IPv6 talk with those of IPv4.
//!
//! All installations of a machine share `::1`, so each has ports of its own there, by its number.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::agents::{baresip_phone, long_speech, password, repeated};
use testkit::caller::goes_out;
use testkit::{Answer, Installation, Phone, Setup, Sipp};

use crate::carriers::hear_each_other;

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(60);
/// The first port of the first instance at `::1`, and how many each has: below those that the kernel gives away.
const FIRST_PORT: u16 = 10_000;
const PORTS: u16 = 20;
/// The same for audio, each port of RTP with the one above.
const FIRST_RTP_PORT: u16 = 20_000;
const RTP_PORTS: u16 = 40;
/// The first number of an instance.
const FIRST_INSTANCE: u8 = 20;
/// Which port of an instance is whose.
const EDGE: u16 = 0;
const CARRIER: u16 = 1;
const CALLER: u16 = 2;
const PHONES: u16 = 3;
/// A number outside, and how a phone dials it.
const NUMBER: &str = "+4930999";
const DIALLED: &str = "0114930999";
/// The number by which the carrier calls the phone 7101.
const OURS: &str = "+15550199";

/// A place of an instance at `::1`.
fn six(instance: u8, whose: u16) -> SocketAddr {
    (Ipv6Addr::LOCALHOST, FIRST_PORT + u16::from(instance) * PORTS + whose).into()
}

/// An installation that listens on both; `None`, which is said past the harness, if the machine has no IPv6.
fn site() -> Result<Option<Installation>> {
    if let Err(error) = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)) {
        // The kernel writes `::1` so (proc(5)).
        let addresses = fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
        ensure!(!addresses.contains("00000000000000000000000000000001"), "the machine has ::1: {error}");
        std::io::stderr().write_all(b"skipped: the machine has no IPv6\n")?;
        return Ok(None);
    }
    let site = Installation::start_numbered(|instance| {
        let (four, six) = (format!("127.{instance}.0.1"), six(instance, EDGE));
        let first = FIRST_RTP_PORT + u16::from(instance.saturating_sub(FIRST_INSTANCE)) * RTP_PORTS;
        let settings = [
            format!("sip-proxy.sip_udp_listen={four}:5060,{six}"),
            format!("sip-proxy.sip_tcp_listen=[\"{four}:5060\", \"{six}\"]"),
            format!("media.rtp_listen={four}:0,[::1]:0"),
            format!("media.rtp_port_first={first}"),
            format!("media.rtp_port_last={}", first + RTP_PORTS - 1),
        ];
        settings.into_iter().flat_map(|setting| ["--set".to_owned(), setting]).collect()
    })?;
    Ok(Some(site))
}

/// The phone 7101 at `::1`, over this transport; it answers at once. Each has a number of its own.
fn phone_of_six(site: &Installation, number: u8, transport: &str) -> Result<Phone> {
    let instance = site.demo.instance;
    let setup = Setup {
        address: site.peer_address(10 + number),
        registrar: &six(instance, EDGE).to_string(),
        user: "7101",
        password: password(site, "7101")?,
        transport,
        speech: &repeated("announcement")?,
        answer: Answer::Auto,
    };
    Phone::register_at(six(instance, PHONES + u16::from(number)), &setup)
}

/// Imports the example with a carrier at `::1`, and with a number of it that leads to the phone 7101.
fn import(site: &Installation) -> Result<()> {
    let trunk = format!(
        "{{name: carrier, allow: [127.0.0.0/8, \"::1/128\"], contact: \"{}\", prefix: \"+\"}}",
        six(site.demo.instance, CARRIER)
    );
    site.import_changed(|files| {
        let file = files.join("example-tenant.yaml");
        let text = fs::read_to_string(&file)?;
        let changed = text.replacen("{name: carrier, allow: [127.0.0.0/8]}", &trunk, 1);
        let number = format!("  - {{number: \"{OURS}\", name: direct, dn: \"7101\"}}\n  - {{number: \"+15550100\"");
        let changed_too = changed.replacen("  - {number: \"+15550100\"", &number, 1);
        ensure!(changed != text && changed_too != changed, "the example has changed");
        Ok(fs::write(&file, changed_too)?)
    })?;
    goes_out(site, NUMBER)
}

#[test]
fn a_phone_of_ipv6_and_one_of_ipv4_call_and_hear_each_other() -> Result<()> {
    let Some(site) = site()? else { return Ok(()) };
    for (number, transport) in [(0, "udp"), (1, "tcp")] {
        let mut of_six = phone_of_six(&site, number, transport)?;
        let mut of_four = baresip_phone(&site, 20 + number, "7102", Answer::Auto)?;
        of_six.dial("7102")?;
        hear_each_other(&mut of_six, &mut of_four)?;
        of_four.dial("7101")?;
        hear_each_other(&mut of_six, &mut of_four)?;
    }
    site.is_at_rest()
}

#[test]
fn a_phone_of_ipv4_talks_with_a_carrier_of_ipv6() -> Result<()> {
    let Some(site) = site()? else { return Ok(()) };
    import(&site)?;
    let mut own = baresip_phone(&site, 10, "7101", Answer::Auto)?;
    let setup = Setup {
        address: site.peer_address(20),
        registrar: &six(site.demo.instance, EDGE).to_string(),
        user: NUMBER,
        password: "none",
        transport: "udp",
        speech: &long_speech()?,
        answer: Answer::Manual,
    };
    let mut far = Phone::start_unregistered_at(six(site.demo.instance, CARRIER), &setup)?;
    own.dial(DIALLED)?;
    far.wait_for("CALL_INCOMING", SOON)?;
    far.answer()?;
    hear_each_other(&mut own, &mut far)?;
    site.is_at_rest()
}

#[test]
fn a_carrier_of_ipv6_that_calls_a_phone_of_ipv4_is_told_addresses_of_ipv6_alone() -> Result<()> {
    let Some(site) = site()? else { return Ok(()) };
    import(&site)?;
    let mut own = baresip_phone(&site, 10, "7101", Answer::Auto)?;
    let (instance, edge) = (site.demo.instance, six(site.demo.instance, EDGE));
    let caller = Sipp::at("-sn uac", six(instance, CALLER), &edge.to_string());
    let outcome = caller.dial(OURS).calls(1, 1, 1).with(&["-d", "2000", "-trace_msg"]).run(LATER)?;
    outcome.expect_success()?;
    own.wait_for("CALL_ESTABLISHED", SOON)?;
    own.wait_for("CALL_CLOSED", SOON)?;
    let received = outcome.messages.split("message received").skip(1).find(|text| text.contains("SIP/2.0 200"));
    let answer = received.unwrap_or_default();
    let line = |begin: &str| answer.lines().map(str::trim).find(|line| line.starts_with(begin)).unwrap_or_default();
    let ours = format!("@{edge}");
    assert!(line("Contact:").contains(&ours) && line("Record-Route:").contains(&ours), "{answer}");
    assert_eq!((line("c="), line("o=").rsplit(" IN ").next()), ("c=IN IP6 ::1", Some("IP6 ::1")), "{answer}");
    site.is_at_rest()
}
