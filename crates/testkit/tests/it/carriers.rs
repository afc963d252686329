//! Registration with a carrier, Kamailio: its calls come in to the registered account, ours go out by digest, and `trunkline doctor trunk`
//! says what does not fit. When a sip-proxy is killed, the carrier keeps the Contact at the next one alone.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::agents::{baresip_phone_that_says, long_speech, repeated, sipp_phone};
use testkit::kamailio::{ACCOUNT, Kamailio};
use testkit::process::signal;
use testkit::{Answer, Authority, Endpoint, Installation, Phone, Setup, audio, kernel, wait};

use crate::doctor::visit;
use crate::outgoing::is_heard_by;

const SOON: Duration = Duration::from_secs(45);
/// A refresh, and a REGISTER that was sent while the carrier was away: 32 s without an answer; and what a busy machine takes.
const LATER: Duration = Duration::from_secs(120);
const PASSWORD: &str = "hush-hush-1";
/// The last octets of the carrier's address, and of that of somebody who has registered there.
const CARRIER: u8 = 30;
const SOMEBODY: u8 = 31;
/// That of a server by which the carrier wants calls.
const SERVER: u8 = 32;
/// Bytes of the smallest REGISTER and of its smallest answer.
const SIP_MESSAGE: u64 = 200;
/// A number outside, and how a phone dials it.
const NUMBER: &str = "+4930999";
const DIALLED: &str = "0114930999";
/// The number by which the carrier calls us.
const OURS: &str = "+15550199";
/// How long two parties are heard, at least, in bytes of a recording.
const HEARD_BYTES: u64 = 4 * 3 * audio::RATE as u64;

/// The carrier of this installation, whose registrations end after so many seconds.
fn carrier(site: &Installation, expires_s: u32) -> Result<Kamailio> {
    Kamailio::carrier(site.peer_address(CARRIER), PASSWORD, "^\\+1555", expires_s)
}

/// Imports the example with a trunk that registers at this port with this password, and with a number that leads to the phone 7101. The trunk
/// allows no sources: that of its contact counts.
fn import(site: &Installation, port: &str, password: &str, register: bool) -> Result<()> {
    let at = site.peer_address(CARRIER);
    let trunk = format!(
        "{{name: carrier, allow: [], contact: \"{at}:{port}\", prefix: \"+\", user: {ACCOUNT}, password: {password}, \
         register: {register}}}"
    );
    site.import_changed(|files| {
        let file = files.join("example-tenant.yaml");
        let text = fs::read_to_string(&file)?;
        let changed = text.replacen("{name: carrier, allow: [127.0.0.0/8]}", &trunk, 1);
        let number = format!("  - {{number: \"{OURS}\", name: direct, dn: \"7101\"}}\n  - {{number: \"+15550100\"");
        let changed_too = changed.replacen("  - {number: \"+15550100\"", &number, 1);
        ensure!(changed != text && changed_too != changed, "the example has changed");
        Ok(fs::write(&file, changed_too)?)
    })
}

/// Somebody outside, registered at the carrier.
fn somebody(site: &Installation, answer: Answer) -> Result<Phone> {
    Phone::register(&Setup {
        address: site.peer_address(SOMEBODY),
        registrar: &format!("{}:5060", site.peer_address(CARRIER)),
        user: NUMBER,
        password: "none",
        transport: "udp",
        speech: &long_speech()?,
        answer,
    })
}

/// Exit code and text of `trunkline doctor trunk carrier`.
pub(crate) fn tried(site: &Installation, arguments: &[&str]) -> Result<(i32, String)> {
    let output = Command::new(testkit::installation::binary()?)
        .args(["doctor", "trunk", "carrier", "--instance", &site.demo.instance.to_string(), "--data-dir"])
        .arg(site.data_dir())
        .args(site.stores())
        .args(arguments)
        .output()?;
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    Ok((output.status.code().context("killed")?, text))
}

/// Waits until the carrier itself knows so many contacts of the account.
fn carrier_knows(site: &Installation, contacts: usize, limit: Duration) -> Result<()> {
    let mut last = String::new();
    let known = wait::until(limit, || {
        last = tried(site, &[])?.1;
        Ok(last.contains(&format!("the password is right; {contacts} registered")).then_some(()))
    });
    known.context(last)
}

/// Whether a call has come to a phone; one that answers at once does not ring.
fn has_come(called: &mut Phone) -> Result<bool> {
    Ok(called.has_seen("CALL_INCOMING")? || called.has_seen("CALL_ESTABLISHED")?)
}

/// Dials until the call comes to the other phone: the dial plan may know an import later than registrar.
fn dial_until_it_comes(caller: &mut Phone, number: &str, called: &mut Phone) -> Result<()> {
    called.forget_events()?;
    wait::until(LATER, || {
        caller.forget_events()?;
        caller.dial(number)?;
        wait::until(SOON, || Ok((has_come(called)? || caller.has_seen("CALL_CLOSED")?).then_some(())))?;
        Ok(has_come(called)?.then_some(()))
    })
}

/// Waits until both are in the call and hear each other for some seconds; then the far one hangs up.
pub(crate) fn hear_each_other(own: &mut Phone, far: &mut Phone) -> Result<()> {
    own.wait_for("CALL_ESTABLISHED", SOON)?;
    far.wait_for("CALL_ESTABLISHED", SOON)?;
    let before = (far.heard_bytes(), own.heard_bytes());
    wait::until(LATER, || Ok((far.heard_bytes() > before.0 + HEARD_BYTES).then_some(())))?;
    wait::until(LATER, || Ok((own.heard_bytes() > before.1 + HEARD_BYTES).then_some(())))?;
    far.hang_up()?;
    own.wait_for("CALL_CLOSED", SOON)?;
    is_heard_by(own, far)?;
    is_heard_by(far, own)
}

#[test]
fn calls_come_and_go_by_the_account_that_registers_and_it_comes_back_after_a_restart_of_the_carrier() -> Result<()> {
    let site = Installation::start()?;
    let kamailio = carrier(&site, 10)?;
    import(&site, "5060", PASSWORD, true)?;
    carrier_knows(&site, 1, SOON)?;
    // The carrier knows it a moment before registrar does.
    let registered = format!("notice: tenant example, trunk carrier: it is registered as {ACCOUNT}");
    wait::until(SOON, || Ok(visit(&site, &[])?.has("carriers", &registered).then_some(())))
        .with_context(|| format!("{:?}", visit(&site, &[]).map(|seen| seen.of("carriers"))))?;

    // Somebody outside calls: the carrier sends it to the account.
    let mut own = baresip_phone_that_says(&repeated("announcement")?, &site, 10, "7101", Answer::Auto)?;
    let mut far = somebody(&site, Answer::Manual)?;
    dial_until_it_comes(&mut far, OURS, &mut own)?;
    hear_each_other(&mut own, &mut far)?;

    // A phone calls out, by digest.
    dial_until_it_comes(&mut own, DIALLED, &mut far)?;
    far.answer()?;
    hear_each_other(&mut own, &mut far)?;
    drop((own, far));

    // The carrier forgets everything.
    drop(kamailio);
    let _kamailio = carrier(&site, 10)?;
    carrier_knows(&site, 1, LATER)
}

#[test]
fn a_trunk_that_registers_no_more_and_a_clean_stop_remove_the_registration() -> Result<()> {
    let mut site = Installation::start()?;
    let _kamailio = carrier(&site, 600)?;
    import(&site, "5060", PASSWORD, true)?;
    carrier_knows(&site, 1, SOON)?;
    import(&site, "5060", PASSWORD, false)?;
    carrier_knows(&site, 0, SOON)?;
    import(&site, "5060", PASSWORD, true)?;
    carrier_knows(&site, 1, SOON)?;
    assert_eq!(site.stop()?, 0);
    carrier_knows(&site, 0, SOON)
}

#[test]
fn the_doctor_says_what_does_not_fit() -> Result<()> {
    let site = Installation::start()?;
    let _kamailio = carrier(&site, 600)?;
    import(&site, "5060", "wrong-wrong", true)?;
    let (code, text) = tried(&site, &[])?;
    assert!(code == 6 && text.contains("FAILED  registration  REGISTER: 401 Unauthorized"), "{code} {text}");
    assert!(text.contains("correct `user` and `password`") && !text.contains("wrong-wrong"), "{text}");
    let found = "error: tenant example, trunk carrier: it is not registered with its carrier: the last answer was 401";
    wait::until(SOON, || Ok(visit(&site, &[])?.has("carriers", found).then_some(())))?;
    let is_logged = |line: &String| line.contains("no registration with the carrier");
    wait::until(SOON, || Ok(site.log().iter().any(is_logged).then_some(()))).context("it is not logged")?;
    assert!(!site.log().iter().any(|line| line.contains("wrong-wrong")));

    // The right password is tried at once, not after the long pause.
    import(&site, "5060", PASSWORD, true)?;
    carrier_knows(&site, 1, SOON)?;
    let _far = somebody(&site, Answer::Auto)?;
    let (code, text) = tried(&site, &["--call", NUMBER])?;
    assert!(code == 0 && text.contains("ok      call          200 ") && text.contains("codec PC"), "{code} {text}");
    // A running registration was not disturbed by that.
    carrier_knows(&site, 1, SOON)?;

    import(&site, "5061", PASSWORD, true)?;
    let (code, text) = tried(&site, &[])?;
    assert!(
        code == 6 && text.contains("FAILED  OPTIONS       OPTIONS: ") && text.contains("the port"),
        "{code} {text}"
    );
    assert_eq!(tried(&site, &["--tenant", "nobody"])?.0, 10);
    Ok(())
}

/// sip-proxy has a connection to the carrier's address, with bytes of some messages both ways in the kernel's table.
pub(crate) fn sip_proxy_talks_with(site: &Installation, carrier: Ipv4Addr) -> Result<()> {
    let carrier = SocketAddr::from((carrier, 5060));
    let sockets = kernel::connections(site.pid())?;
    let opened = sockets.iter().find(|socket| socket.remote == carrier);
    let opened = opened.with_context(|| format!("no connection to {carrier}: {sockets:?}"))?;
    // A request and its repeat with the password, and both answers.
    ensure!(opened.sent > 2 * SIP_MESSAGE && opened.received > 2 * SIP_MESSAGE, "{opened:?}");
    let edge = site.demo.sip.host.parse::<IpAddr>()?;
    ensure!(opened.local.ip() == edge, "not from sip-proxy: {opened:?}");
    Ok(())
}

/// How many trunks both replicas of registrar have registered.
fn registered_by_both(site: &Installation) -> Result<f64> {
    let of = |replica| site.metric_of("registrar", replica, "registrar_trunks_registered");
    Ok(of(1)? + of(2)?)
}

#[test]
fn one_of_two_replicas_registers_also_by_a_connection() -> Result<()> {
    let site = Installation::start_with(&["--set", "replicas.registrar=2"])?;
    let kamailio = carrier(&site, 600)?;
    import(&site, "5060;transport=tcp", PASSWORD, true)?;
    carrier_knows(&site, 1, SOON)?;
    wait::until(SOON, || Ok((registered_by_both(&site)? == 1.0).then_some(())))?;
    sip_proxy_talks_with(&site, site.peer_address(CARRIER))?;
    // What the other one has sent by now the carrier has told, too.
    assert_eq!(registered_from(&kamailio).len(), 1, "{}", kamailio.log());
    import(&site, "5061;transport=tcp", PASSWORD, true)?;
    let (code, text) = tried(&site, &[])?;
    assert!(code == 6 && text.contains("FAILED  way"), "{code} {text}");
    Ok(())
}

/// The ports from which the account has registered, each with its Contacts; who only asks for them names none.
fn registered_from(kamailio: &Kamailio) -> Vec<(String, String)> {
    let log = kamailio.log();
    let told = log.lines().filter_map(|line| line.split_once("the account registers from "));
    let parts = told.filter_map(|(_, told)| told.split_once(" at ")).filter(|(_, contacts)| contacts.contains("<sip:"));
    parts.map(|(from, contacts)| (from.to_owned(), contacts.to_owned())).collect()
}

#[test]
fn a_connection_by_which_the_trunk_registers_is_a_flow_of_the_carrier_and_stays() -> Result<()> {
    let site = Installation::start()?;
    // The refresh comes after half a minute, and a silent connection is closed after 25 s.
    let kamailio = Kamailio::carrier_with_flows(site.peer_address(CARRIER), PASSWORD, "^\\+1555", 60, 10)?;
    import(&site, "5060;transport=tcp", PASSWORD, true)?;
    carrier_knows(&site, 1, SOON)?;
    let first = registered_from(&kamailio).pop().context("it has registered")?;
    ensure!(first.1.contains(";transport=tcp>;reg-id=1;+sip.instance=\"<urn:uuid:"), "{first:?}");
    let registers = wait::until(LATER, || Ok(Some(registered_from(&kamailio)).filter(|all| all.len() > 1)))?;
    assert!(registers.iter().all(|one| *one == first), "by the same connection, as the same instance: {registers:?}");
    carrier_knows(&site, 1, SOON)
}

/// Waits until the carrier keeps one Contact of the account, at one of these edges; returns its number.
fn the_only_contact_is_at(kamailio: &Kamailio, edges: &[&str]) -> Result<usize> {
    let found = wait::until(LATER, || {
        let log = kamailio.log();
        let last =
            log.lines().filter_map(|line| line.split_once("the account has 1 contacts, the first is ")).next_back();
        let is_at = |edge: &&str| last.is_some_and(|(_, uri)| uri == format!("sip:{ACCOUNT}@{edge};transport=tls"));
        Ok(edges.iter().position(is_at))
    });
    found.with_context(|| kamailio.log())
}

#[test]
fn a_carrier_by_tls_with_room_for_one_contact_gets_the_next_one_when_the_proxy_is_killed() -> Result<()> {
    let authority = Authority::new()?;
    let believed = format!("sip-proxy.server_authorities=[{:?}]", authority.certificate().display().to_string());
    let settings = ["replicas.sip_proxy=2", "process.restart_after=60s", believed.as_str()];
    let arguments: Vec<&str> =
        ["--processes"].into_iter().chain(settings.iter().flat_map(|set| ["--set", *set])).collect();
    let site = Installation::start_on_servers(&arguments)?;
    let carrier = site.peer_address(CARRIER);
    let certificate = authority.issue("carrier", &format!("IP:{carrier}"), 30)?;
    let kamailio = Kamailio::carrier_with_room_for_one(carrier, PASSWORD, "^\\+1555", 600, &certificate)?;
    import(&site, "5061;transport=tls", PASSWORD, true)?;
    let edges = [1, 2].map(|replica| format!("127.{}.0.{replica}:5061", site.demo.instance));
    let [one, two] = edges.each_ref().map(String::as_str);
    let way = the_only_contact_is_at(&kamailio, &[one, two])?;
    let node = format!("sip-proxy-{}", way + 1);
    let pid = *kernel::processes(site.pid())?.get(&node).with_context(|| format!("no process {node}"))?;
    signal(pid, "KILL")?;
    the_only_contact_is_at(&kamailio, &[if way == 0 { two } else { one }])?;
    let registered = format!("notice: tenant example, trunk carrier: it is registered as {ACCOUNT}");
    let is_told = wait::until(SOON, || Ok(visit(&site, &[])?.has("carriers", &registered).then_some(())));
    is_told.with_context(|| kamailio.log())
}

#[test]
fn an_account_with_a_domain_and_an_authentication_name_of_its_own_calls_and_is_called() -> Result<()> {
    let site = Installation::start()?;
    let _kamailio = carrier(&site, 600)?;
    // The further keys stand behind the password.
    let keys = format!("{PASSWORD}, auth_user: customer-4711, domain: carrier.example");
    import(&site, "5060", &keys, true)?;
    carrier_knows(&site, 1, SOON)?;
    let mut own = baresip_phone_that_says(&repeated("announcement")?, &site, 10, "7101", Answer::Auto)?;
    let mut far = somebody(&site, Answer::Manual)?;
    dial_until_it_comes(&mut far, OURS, &mut own)?;
    hear_each_other(&mut own, &mut far)?;
    dial_until_it_comes(&mut own, DIALLED, &mut far)?;
    let rings = far.wait_for("CALL_INCOMING", SOON)?;
    assert!(rings["peeruri"].as_str().is_some_and(|uri| uri.contains("@carrier.example")), "{rings}");
    far.answer()?;
    hear_each_other(&mut own, &mut far)
}

#[test]
fn calls_go_by_the_server_that_the_carrier_has_named_with_the_registration() -> Result<()> {
    let site = Installation::start()?;
    let audio = Endpoint::listen(site.peer_address(SERVER).into())?;
    let route = format!("<sip:orig@{}:5060;lr>", site.peer_address(SERVER));
    // It takes one REGISTER and is gone: nothing else can take the call but the server.
    let keys = ["-m", "1", "-key", "route", &route];
    let registrar = sipp_phone(&site, CARRIER, "carrier-registers.xml", &audio, &keys)?;
    import(&site, "5060", PASSWORD, true)?;
    registrar.finish(SOON)?.expect_success()?;
    let is_registered = |line: &String| line.contains("registered with the carrier");
    wait::until(SOON, || Ok(site.log().iter().any(is_registered).then_some(())))?;
    let server = sipp_phone(&site, SERVER, "agent-busy.xml", &audio, &["-m", "1"])?;
    let mut own = baresip_phone_that_says(&repeated("announcement")?, &site, 10, "7101", Answer::Auto)?;
    // Until the dial plan knows the trunk, the call goes nowhere.
    wait::until(LATER, || {
        own.dial(DIALLED)?;
        own.wait_for("CALL_CLOSED", SOON)?;
        Ok(server.traces("_messages.log").contains("INVITE sip:").then_some(()))
    })?;
    let called = server.finish(SOON)?;
    called.expect_success()?;
    let uri = format!("INVITE sip:{NUMBER}@{}:5060 SIP/2.0", site.peer_address(CARRIER));
    for line in [uri, format!("Route: {route}")] {
        ensure!(called.messages.contains(&line), "{line} is not in {}", called.messages);
    }
    Ok(())
}
