//! SIP over TLS at the edge: phones and carriers, judged by baresip and openssl.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testkit::agents::{baresip_phone, long_speech};
use testkit::authority::{first_answer, shake_hands};
use testkit::caller::{goes_out, prompt};
use testkit::{Answer, Authority, Installation, Phone, Setup, audio, wait};

use super::carriers::tried;
use super::trace::trace;

const SOON: Duration = Duration::from_secs(45);
/// Files are looked at every 10 s.
const RENEWED_WITHIN: Duration = Duration::from_secs(90);
/// Minimum similarity of equal speech through G.711 and loopback.
const ALIKE: f64 = 0.95;
/// How long two parties are heard, at least.
const HEARD: usize = 3 * audio::RATE;
/// The last octets of the addresses of two carriers.
const CARRIER: u8 = 20;
const OTHER: u8 = 21;
/// A number that the other one takes.
const BY_OTHER: &str = "+442071";
/// What is wrong with certificates, as TLS says it, and as a trace does.
const OTHER_NAME: [&str; 2] =
    ["not valid for name", "the certificate of the carrier's server is for another name than that in `contact`"];
const EXPIRED: [&str; 2] = ["certificate expired", NOT_BELIEVED];
const UNKNOWN: [&str; 2] = ["UnknownIssuer", NOT_BELIEVED];
const NOT_BELIEVED: &str =
    "no authority that we believe vouches for the certificate of the carrier's server, or it is not valid now";

/// A name, and the address of every instance that tests use: which one it is shows only when it runs.
pub(crate) fn subjects() -> String {
    let addresses = (20..=219).map(|instance| format!(",IP:127.{instance}.0.1"));
    "DNS:edge.example".to_owned() + &addresses.collect::<String>()
}

/// A site that has a certificate for its address by this authority.
pub(crate) fn site(authority: &Authority) -> Result<(Installation, std::path::PathBuf)> {
    let file = authority.issue("edge", &subjects(), 30)?;
    let certificates = format!("sip-proxy.certificates=[{:?}]", file.display().to_string());
    Ok((Installation::start_with(&["--set", &certificates, "--set", &believing(authority)])?, file))
}

/// The setting that believes this authority of carriers.
fn believing(authority: &Authority) -> String {
    format!("sip-proxy.server_authorities=[{:?}]", authority.certificate().display().to_string())
}

/// A phone by TLS that verifies the edge.
fn secure_phone(site: &Installation, host: u8, at: usize, authority: &Path) -> Result<Phone> {
    let person = site.demo.people.get(at).context("nobody is left")?;
    let setup = Setup {
        address: site.peer_address(host),
        registrar: &site.secure_sip(),
        user: &person.extension,
        password: &person.password,
        transport: "tls",
        speech: &long_speech()?,
        answer: Answer::Auto,
    };
    Phone::register_with(&setup, &format!("sip_cafile {}\n", authority.display()))
}

/// Waits until each hears the other for some seconds.
fn hear_each_other(one: &Phone, other: &Phone) -> Result<()> {
    for (speaker, listener) in [(one, other), (other, one)] {
        let enough = wait::until(SOON, || Ok((listener.heard_bytes() > 2 * HEARD as u64 + 44).then_some(())));
        enough.context("nothing is heard")?;
        // Each half second for itself: a phone on a busy machine leaves out or repeats some milliseconds.
        let is_heard = || {
            let (said, heard) = (audio::read_wav(&speaker.said()?)?, audio::read_wav(&listener.heard()?)?);
            let last = said.get(said.len().saturating_sub(HEARD)..).unwrap_or_default();
            Ok(audio::is_mostly_heard(last, &heard, ALIKE).then_some(()))
        };
        wait::until(SOON, is_heard).context("one does not hear the other")?;
    }
    Ok(())
}

fn calls(caller: &mut Phone, callee: &mut Phone, number: &str) -> Result<()> {
    caller.dial(number)?;
    caller.wait_for("CALL_ESTABLISHED", SOON)?;
    callee.wait_for("CALL_ESTABLISHED", SOON)?;
    hear_each_other(caller, callee)?;
    caller.hang_up()?;
    callee.wait_for("CALL_CLOSED", SOON)?;
    caller.wait_for("CALL_CLOSED", SOON)?;
    Ok(())
}

#[test]
fn a_phone_by_tls_calls_and_is_called_by_one_by_udp() -> Result<()> {
    let authority = Authority::new()?;
    let (site, _) = site(&authority)?;
    let mut secure = secure_phone(&site, 10, 0, &authority.certificate())?;
    let (first, second) = (site.demo.people[0].extension.clone(), site.demo.people[1].extension.clone());
    let mut plain = baresip_phone(&site, 11, &second, Answer::Auto)?;
    calls(&mut secure, &mut plain, &second)?;
    calls(&mut plain, &mut secure, &first)?;
    site.metric_becomes("sip-proxy", "sip_proxy_connections_tls", 1.0, SOON)?;
    let handshakes = site.metric("sip-proxy", "sip_proxy_socket_tls_handshakes_total")?;
    ensure!(handshakes == 1.0, "one connection carried all of it, not {handshakes}");
    Ok(())
}

#[test]
fn without_a_certificate_one_of_our_own_making_is_kept_over_a_restart() -> Result<()> {
    let site = Installation::start()?;
    let own = site.data_dir().join("edge-certificate.pem");
    let text = fs::read_to_string(&own)?;
    let verified = shake_hands(&site.secure_sip(), &own, &["-verify_ip", &site.demo.sip.host])?;
    ensure!(verified.contains("Verify return code: 0 (ok)"), "{verified}");
    for refused in [["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], ["-tls1", "-cipher", "ALL:@SECLEVEL=0"]] {
        let said = shake_hands(&site.secure_sip(), &own, &refused)?;
        ensure!(said.contains("Cipher is (NONE)"), "{said}");
    }
    let said = shake_hands(&site.secure_sip(), &own, &["-tls1_2"])?;
    ensure!(said.contains("Protocol  : TLSv1.2") || said.contains("TLSv1.2, Cipher is ECDHE"), "{said}");
    let site = site.crash_and_restart()?;
    ensure!(fs::read_to_string(&own)? == text, "phones that trust it would have to be told again");
    let speech = prompt("announcement");
    let person = &site.demo.people[0];
    let setup = Setup {
        address: site.peer_address(10),
        registrar: &site.secure_sip(),
        user: &person.extension,
        password: &person.password,
        transport: "tls",
        speech: &speech,
        answer: Answer::Auto,
    };
    Phone::register_with(&setup, &format!("sip_cafile {}\n", own.display()))?;
    Ok(())
}

#[test]
fn hostile_connections_do_not_keep_phones_from_calling() -> Result<()> {
    let authority = Authority::new()?;
    let (site, _) = site(&authority)?;
    let mut secure = secure_phone(&site, 10, 0, &authority.certificate())?;
    let second = site.demo.people[1].extension.clone();
    let mut plain = baresip_phone(&site, 11, &second, Answer::Auto)?;
    // Half a ClientHello on each; another says what is no TLS.
    let mut half_open = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(site.secure_sip())?;
        stream.write_all(&[22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3])?;
        half_open.push(stream);
    }
    let mut garbage = TcpStream::connect(site.secure_sip())?;
    garbage.set_read_timeout(Some(SOON))?;
    garbage.write_all(b"OPTIONS sip:nobody SIP/2.0\r\n\r\n")?;
    let mut alert = Vec::new();
    garbage.read_to_end(&mut alert)?;
    ensure!(alert.first() == Some(&21), "it is told that this is no TLS: {alert:?}");
    calls(&mut secure, &mut plain, &second)?;
    let mut third = secure_phone(&site, 12, 2, &authority.certificate())?;
    calls(&mut third, &mut plain, &second)?;
    let ended = wait::until(RENEWED_WITHIN, || {
        let late = site.metric("sip-proxy", "sip_proxy_socket_tls_failed_late_total")?;
        Ok((late >= 200.0).then_some(()))
    });
    ended.context("half a handshake is kept for ever")?;
    site.metric_becomes("sip-proxy", "sip_proxy_connections_tls", 2.0, SOON)?;
    ensure!(site.metric("sip-proxy", "sip_proxy_socket_tls_failed_not_tls_total")? == 1.0);
    Ok(())
}

#[test]
fn a_renewed_certificate_is_used_without_a_restart_and_calls_go_on() -> Result<()> {
    let authority = Authority::new()?;
    let (site, file) = site(&authority)?;
    let mut secure = secure_phone(&site, 10, 0, &authority.certificate())?;
    let mut plain = baresip_phone(&site, 11, &site.demo.people[1].extension, Answer::Auto)?;
    secure.dial(&site.demo.people[1].extension)?;
    plain.wait_for("CALL_ESTABLISHED", SOON)?;
    let ends = site.metric("sip-proxy", "sip_proxy_certificate_ends_seconds")?;
    fs::write(&file, "what a renewal left behind that failed")?;
    site.metric_becomes("sip-proxy", "sip_proxy_certificates_unusable", 1.0, RENEWED_WITHIN)?;
    let verified = |site: &Installation| {
        shake_hands(&site.secure_sip(), &authority.certificate(), &["-verify_ip", &site.demo.sip.host])
    };
    let said = shake_hands(&site.secure_sip(), &authority.certificate(), &["-verify_hostname", "edge.example"])?;
    ensure!(said.contains("Verify return code: 0 (ok)"), "the old one is still used: {said}");
    authority.issue("edge", &subjects(), 60)?;
    wait::until(RENEWED_WITHIN, || {
        Ok((site.metric("sip-proxy", "sip_proxy_certificate_ends_seconds")? > ends).then_some(()))
    })?;
    let said = verified(&site)?;
    ensure!(said.contains("Verify return code: 0 (ok)"), "{said}");
    site.metric_becomes("sip-proxy", "sip_proxy_certificates_unusable", 0.0, SOON)?;
    hear_each_other(&secure, &plain)?;
    secure.hang_up()?;
    plain.wait_for("CALL_CLOSED", SOON)?;
    Ok(())
}

/// Waits until each hears some seconds more; what each has heard last is what the other one says.
fn still_hear_each_other(one: &Phone, other: &Phone) -> Result<()> {
    for (speaker, listener) in [(one, other), (other, one)] {
        let before = listener.heard_bytes();
        let more = wait::until(SOON, || Ok((listener.heard_bytes() > before + 2 * HEARD as u64).then_some(())));
        more.context("nothing more is heard")?;
        let (said, heard) = (audio::read_wav(&speaker.said()?)?, audio::read_wav(&listener.heard()?)?);
        let last = heard.get(heard.len().saturating_sub(HEARD)..).unwrap_or_default();
        let alike = audio::compare_halves_of_seconds(last, &said);
        let found = alike.iter().filter(|piece| **piece > ALIKE).count();
        ensure!(found > alike.len() / 2, "of what is heard last: {alike:?}");
    }
    Ok(())
}

/// The last call has not reached its carrier for what is wrong with the certificate there: the log says so, the trace, and the doctor, who
/// tries it again.
fn is_not_believed(site: &Installation, authority: &Authority, [said, told]: [&str; 2]) -> Result<()> {
    let at = site.peer_address(CARRIER).to_string();
    let is_said =
        |line: &String| line.contains("no TLS connection to a peer") && line.contains(&at) && line.contains(said);
    let logged = wait::until(SOON, || Ok(site.log().iter().any(is_said).then_some(())));
    logged.with_context(|| format!("the log does not say {said:?}"))?;
    let note = format!("the trunk carrier was not reached: {told}");
    let noted =
        wait::until(SOON, || Ok(trace(site, &["--last", "--numbers"])?.to_string().contains(&note).then_some(())));
    noted.with_context(|| format!("the trace does not say {note:?}"))?;
    let (code, text) = tried(site, &["--set", &believing(authority)])?;
    let failed =
        format!("FAILED  way           no place takes a connection: {at}:5061 TLS: invalid peer certificate: ");
    let remedy = "for a certificate, the name in `contact` and `sip-proxy.server_authorities`";
    for words in [&*failed, said, remedy] {
        ensure!(code == 6 && text.contains(words), "{code}, {words:?} is not in {text}");
    }
    Ok(())
}

/// Imports the example with a trunk that is called by TLS, and one of another prefix that is not.
fn import_both(site: &Installation) -> Result<()> {
    let (at, other) = (site.peer_address(CARRIER), site.peer_address(OTHER));
    site.import_changed(|files| {
        let file = files.join("example-tenant.yaml");
        let text = fs::read_to_string(&file)?;
        let trunks = format!(
            "{{name: carrier, allow: [127.0.0.0/8], contact: \"{at}:5061;transport=tls\", prefix: \"+\", caller_id: \"+15550100\"}}\n  \
             - {{name: other, allow: [127.0.0.0/8], contact: \"{other}:5060\", prefix: \"+44\"}}"
        );
        let changed = text.replacen("{name: carrier, allow: [127.0.0.0/8]}", &trunks, 1);
        ensure!(changed != text, "the example has changed");
        Ok(fs::write(&file, changed)?)
    })
}

/// Somebody who answers at the other carrier's address.
fn at_other(site: &Installation) -> Result<Phone> {
    Phone::start_unregistered(&Setup {
        address: site.peer_address(OTHER),
        registrar: &site.sip(),
        user: BY_OTHER,
        password: "none",
        transport: "udp",
        speech: &long_speech()?,
        answer: Answer::Auto,
    })
}

#[test]
fn a_carrier_is_called_by_tls_if_it_proves_its_address() -> Result<()> {
    let (authority, stranger) = (Authority::new()?, Authority::new()?);
    let (site, _) = site(&authority)?;
    let at = site.peer_address(CARRIER);
    import_both(&site)?;
    let mut phone = secure_phone(&site, 10, 0, &authority.certificate())?;
    goes_out(&site, "+4930999")?;
    let carrier = |certificate: &Path| {
        let setup = Setup {
            address: at,
            registrar: &site.secure_sip(),
            user: "+4930999",
            password: "none",
            transport: "tls",
            speech: &long_speech()?,
            answer: Answer::Auto,
        };
        Phone::start_unregistered_with(&setup, &format!("sip_certificate {}\n", certificate.display()))
    };
    // Others talk by the other carrier, and go on.
    let mut plain = baresip_phone(&site, 11, &site.demo.people[1].extension, Answer::Auto)?;
    let mut far = at_other(&site)?;
    plain.dial(BY_OTHER)?;
    plain.wait_for("CALL_ESTABLISHED", SOON)?;
    far.wait_for("CALL_ESTABLISHED", SOON)?;
    // Who is at the carrier's address and does not prove it gets no call.
    let impostors = [
        (authority.issue("impostor", "DNS:other.example", 30)?, OTHER_NAME),
        (authority.issue("past", &format!("IP:{at}"), 0)?, EXPIRED),
        (stranger.issue("forged", &format!("IP:{at}"), 30)?, UNKNOWN),
    ];
    for (certificate, why) in &impostors {
        let mut impostor = carrier(certificate)?;
        phone.dial("0114930999")?;
        phone.wait_for("CALL_CLOSED", SOON)?;
        is_not_believed(&site, &authority, *why)?;
        ensure!(!impostor.has_seen("CALL_INCOMING")?, "it has got the call: {why:?}");
        impostor.vanish()?;
    }
    still_hear_each_other(&plain, &far)?;
    let mut proved = carrier(&authority.issue("carrier", &format!("IP:{at}"), 30)?)?;
    for _ in 0..2 {
        calls(&mut phone, &mut proved, "0114930999")?;
    }
    let (_, text) = tried(&site, &["--set", &believing(&authority)])?;
    ensure!(text.contains("ok      way") && text.contains(&format!("the certificate is for {at}")), "{text}");
    let all = site.metric("sip-proxy", "sip_proxy_socket_tls_handshakes_total")?;
    ensure!(all == 2.0, "the phone's, and one for both calls: {all}");
    plain.hang_up()?;
    far.wait_for("CALL_CLOSED", SOON)?;
    Ok(())
}

/// An INVITE by TLS to the number of the example.
fn invite(branch: &str) -> String {
    let body = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n";
    format!(
        "INVITE sip:+15550100@edge.example SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bK-{branch};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:+4930999@carrier.example>;tag={branch}\r\nTo: <sip:+15550100@edge.example>\r\n\
         Call-ID: {branch}\r\nCSeq: 1 INVITE\r\nContact: <sip:carrier@192.0.2.1:5061;transport=tls>\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Imports the example with these keys of its trunk.
fn import_trunk(site: &Installation, keys: &str) -> Result<()> {
    site.import_changed(|files| {
        let file = files.join("example-tenant.yaml");
        let text = fs::read_to_string(&file)?;
        let trunk = format!("{{name: carrier, {keys}}}");
        let changed = text.replacen("{name: carrier, allow: [127.0.0.0/8]}", &trunk, 1);
        ensure!(changed != text, "the example has changed");
        Ok(fs::write(&file, changed)?)
    })
}

#[test]
fn a_carrier_is_known_by_its_certificate_from_anywhere() -> Result<()> {
    let (authority, stranger) = (Authority::new()?, Authority::new()?);
    let edge = authority.issue("edge", &subjects(), 30)?;
    let set = |key: &str, file: &Path| format!("sip-proxy.{key}=[{:?}]", file.display().to_string());
    let (certificates, clients) = (set("certificates", &edge), set("client_authorities", &authority.certificate()));
    let site = Installation::start_with(&["--set", &certificates, "--set", &clients])?;
    import_trunk(&site, "allow: [], certificate_names: [sbc.carrier.example]")?;
    let right = authority.issue("right", "DNS:SBC.carrier.example", 30)?;
    let by_uri = authority.issue("by-uri", "URI:sip:sbc.carrier.example,DNS:other.example", 30)?;
    let wrong = authority.issue("wrong", "DNS:other.example,DNS:*.carrier.example", 30)?;
    let past = authority.issue("past", "DNS:sbc.carrier.example", 0)?;
    let forged = stranger.issue("forged", "DNS:sbc.carrier.example", 30)?;
    let mut asked = 0;
    let mut answer = |shown: Option<&Path>| {
        asked += 1;
        let shown = shown.map(|file| file.display().to_string());
        let arguments: Vec<&str> = shown.iter().flat_map(|file| ["-cert", file, "-key", file]).collect();
        first_answer(&site.secure_sip(), &authority.certificate(), &arguments, &invite(&format!("cert{asked}")))
    };
    let is_taken =
        |line: Option<&str>| line.is_some_and(|line| line.starts_with("SIP/2.0 1") || line.starts_with("SIP/2.0 2"));
    // Until the import has come to sip-proxy, the address is enough.
    wait::until(SOON, || {
        let line = answer(None)?;
        Ok(line.filter(|line| line.starts_with("SIP/2.0 403")))
    })?;
    let mut last = None;
    let taken = wait::until(SOON, || {
        last = answer(Some(&right))?;
        Ok(is_taken(last.as_deref()).then_some(()))
    });
    taken.with_context(|| format!("{last:?}"))?;
    let line = answer(Some(&by_uri))?;
    ensure!(is_taken(line.as_deref()), "{line:?}");
    // Who shows what nobody vouches for is nobody, and may be a phone.
    for refused in [Some(&*wrong), Some(&past), Some(&forged), None] {
        let line = answer(refused)?;
        ensure!(line.as_deref().is_some_and(|line| line.starts_with("SIP/2.0 403")), "{refused:?}: {line:?}");
    }
    ensure!(site.metric("sip-proxy", "sip_proxy_trunks_unproved_total")? == 0.0, "no trunk was nearly met");

    // With the address as well, who comes from there without the certificate is told what is missing.
    import_trunk(&site, "allow: [127.0.0.0/8], certificate_names: [sbc.carrier.example]")?;
    wait::until(SOON, || {
        answer(None)?;
        Ok((site.metric("sip-proxy", "sip_proxy_trunks_unproved_total")? > 0.0).then_some(()))
    })?;
    let told = |line: &String| line.contains("it came without a certificate") && line.contains("carrier");
    wait::until(SOON, || Ok(site.log().iter().any(told).then_some(()))).context("the log does not say why")?;
    let line = answer(Some(&right))?;
    ensure!(is_taken(line.as_deref()), "{line:?}");
    Ok(())
}

#[test]
fn the_doctor_tells_what_is_wrong_with_certificates() -> Result<()> {
    let authority = Authority::new()?;
    let file = authority.issue("edge", "DNS:other.example", 5)?;
    let folder = tempfile::tempdir()?;
    let findings = |certificate: &str| -> Result<Vec<String>> {
        let output = Command::new(testkit::installation::binary()?)
            .args(["doctor", "--json", "--data-dir"])
            .arg(folder.path())
            .args(["--set", &format!("sip-proxy.certificates=[{certificate:?}]")])
            .output()?;
        let document: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("no document: {}", String::from_utf8_lossy(&output.stderr)))?;
        let all = document["findings"].as_array().into_iter().flatten();
        let of_certificates = all.filter(|found| found["check"] == "certificates");
        Ok(of_certificates.map(|found| format!("{}: {}", found["severity"], found["what"])).collect())
    };
    let found = findings(&file.display().to_string())?;
    ensure!(found.iter().any(|what| what.contains("ends in 4 days") || what.contains("ends in 5 days")), "{found:?}");
    ensure!(found.iter().any(|what| what.contains("no certificate is for 127.0.0.1")), "{found:?}");
    let found = findings(&format!("{}:{}", file.display(), authority.certificate().display()))?;
    ensure!(found.iter().any(|what| what.contains("no private key")), "{found:?}");
    let found = findings("/nowhere/of/a/test.pem")?;
    ensure!(found.len() == 1 && found[0].contains("error"), "{found:?}");
    authority.issue("edge", "DNS:edge.example,IP:127.0.0.1", 90)?;
    let found = findings(&file.display().to_string())?;
    ensure!(found.is_empty(), "{found:?}");
    Ok(())
}
