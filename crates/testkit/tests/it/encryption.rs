//! Encrypted audio: baresip with SRTP and without, judged by what the phones hear.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::agents::{baresip_phone_that_encrypts, password};
use testkit::audio::write_wav;
use testkit::{Answer, Authority, Encrypts, Installation, Phone, Setup, Watch, wait};

use crate::conference::{SOON, TONES, comes_to_hear, has_heard_for, phone, tone};

/// Before a node knows what has been set, calls go as before: so often they are made again.
pub(crate) const CALLS_MAX: usize = 100;
/// Packets of an attack.
const ATTACK: usize = 200;
/// Packets of a phone that are sent again: fewer than media remembers one by one.
const SENT_AGAIN: u64 = 100;

fn site(settings: &[(&str, &str)]) -> Result<Installation> {
    let site = Installation::start()?;
    set(&site, settings)?;
    Ok(site)
}

/// Imports the example with the encryption of these phones.
fn set(site: &Installation, settings: &[(&str, &str)]) -> Result<()> {
    site.import_changed(|files| {
        let file = files.join("example-tenant.yaml");
        let mut text = fs::read_to_string(&file)?;
        for (number, encryption) in settings {
            let phone = format!("- {{number: \"{number}\", ");
            ensure!(text.contains(&phone), "the example has changed");
            text = text.replacen(&phone, &format!("{phone}encryption: {encryption}, "), 1);
        }
        Ok(fs::write(&file, text)?)
    })
}

fn encrypted(
    how: Encrypts,
    site: &Installation,
    files: &tempfile::TempDir,
    (host, dn, hz): (u8, &str, f64),
) -> Result<Phone> {
    let speech = files.path().join(format!("{dn}.wav"));
    write_wav(&speech, &tone(hz, 240))?;
    baresip_phone_that_encrypts(how, &speech, site, host, dn)
}

/// The reason with which a call that was dialled ended, or nothing if it was answered.
pub(crate) fn dial(phone: &mut Phone, number: &str) -> Result<Option<String>> {
    phone.dial(number)?;
    wait::until(SOON, || {
        if phone.has_seen("CALL_ESTABLISHED")? {
            phone.wait_for("CALL_ESTABLISHED", SOON)?;
            return Ok(Some(None));
        }
        if phone.has_seen("CALL_CLOSED")? {
            let closed = phone.wait_for("CALL_CLOSED", SOON)?;
            return Ok(Some(Some(closed["param"].as_str().unwrap_or_default().to_owned())));
        }
        Ok(None)
    })
}

/// Dials until it is answered.
fn dial_until_answered(phone: &mut Phone, number: &str) -> Result<()> {
    let mut last = None;
    for _ in 0..CALLS_MAX {
        last = dial(phone, number)?;
        if last.is_none() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(300));
    }
    anyhow::bail!("not answered: {last:?}")
}

/// Dials until it is refused, and returns with what.
fn dial_until_refused(phone: &mut Phone, number: &str) -> Result<String> {
    for _ in 0..CALLS_MAX {
        if let Some(reason) = dial(phone, number)? {
            return Ok(reason);
        }
        phone.hang_up()?;
        phone.wait_for("CALL_CLOSED", SOON)?;
        std::thread::sleep(Duration::from_millis(300));
    }
    anyhow::bail!("every call was answered")
}

/// Each hears the tone of the other and nothing else: the one says the first of [`TONES`], the other the second.
pub(crate) fn hear_each_other(one: &Phone, other: &Phone) -> Result<()> {
    let before = (one.heard_bytes(), other.heard_bytes());
    has_heard_for(one, before.0)?;
    has_heard_for(other, before.1)?;
    comes_to_hear(one, &[TONES[1]]).context("the one hears the other")?;
    comes_to_hear(other, &[TONES[0]]).context("the other hears the one")
}

/// The SIP messages of the last call, as the operator sees them.
pub(crate) fn messages(site: &Installation) -> Result<Vec<String>> {
    let told = crate::trace::trace(site, &["--last"])?;
    let messages = told["ladder"]["messages"].as_array().context("messages")?;
    Ok(messages.iter().filter_map(|message| message["text"].as_str()).map(str::to_owned).collect())
}

/// Where media takes the audio of an encrypted leg, by the descriptions that we have sent.
fn audio_of_media(messages: &[String]) -> Result<SocketAddr> {
    let ours = messages.iter().filter(|text| text.contains("RTP/SAVP") && text.contains("\r\ns=-\r\n"));
    let mut at = ours.filter_map(|text| {
        let host = text.split("c=IN IP4 ").nth(1)?.split("\r\n").next()?;
        let port = text.split("m=audio ").nth(1)?.split(' ').next()?;
        format!("{host}:{port}").parse().ok()
    });
    at.next_back().context("no description of ours with RTP/SAVP")
}

#[test]
fn an_encrypted_phone_talks_to_one_in_clear_and_nobody_else_gets_in() -> Result<()> {
    let files = tempfile::tempdir()?;
    let site = site(&[("7101", "required")])?;
    let mut one = encrypted(Encrypts::Always, &site, &files, (10, "7101", TONES[0]))?;
    let mut other = phone(&site, &files, 11, "7130", TONES[1])?;
    dial_until_answered(&mut one, "7130")?;
    other.wait_for("CALL_ESTABLISHED", SOON)?;
    hear_each_other(&one, &other)?;

    let messages = messages(&site)?;
    let keyed: Vec<&String> = messages.iter().filter(|text| text.contains("a=crypto:")).collect();
    ensure!(keyed.len() >= 2, "the trace has the offer and the answer: {messages:?}");
    for text in &keyed {
        let mut keys = text.split("inline:").skip(1);
        ensure!(keys.all(|key| key.starts_with("***\r\n")), "a key is in the trace: {text}");
    }

    // Somebody sends what is no audio of the phone, as such and as a stranger.
    let media = audio_of_media(&messages)?;
    let attacker = UdpSocket::bind((site.peer_address(66), 0))?;
    let before = site.metric("media", "media_rtp_packets_forged_total")?;
    for n in 0..ATTACK {
        let mut packet = vec![0x80, 0];
        packet.extend((n as u16).to_be_bytes());
        packet.extend((n as u32 * 160).to_be_bytes());
        packet.extend([0xDE, 0xAD, 0xBE, 0xEF]);
        packet.extend([0x2A; 170]);
        attacker.send_to(&packet, media)?;
        std::thread::sleep(Duration::from_millis(2));
    }
    wait::until(SOON, || {
        let forged = site.metric("media", "media_rtp_packets_forged_total")? - before;
        Ok((forged >= ATTACK as f64).then_some(()))
    })
    .context("the forged packets are counted")?;
    attacker.set_read_timeout(Some(Duration::from_millis(200)))?;
    ensure!(attacker.recv(&mut [0; 1_500]).is_err(), "no audio goes to the attacker");
    hear_each_other(&one, &other)?;

    // The process ends and comes back on its data: the audio goes on, encrypted as before.
    let site = site.crash_and_restart()?;
    hear_each_other(&one, &other)?;
    one.hang_up()?;
    other.wait_for("CALL_CLOSED", SOON)?;
    site.is_at_rest()
}

/// Captures packets of the phone that sends to media's address, and sends them again, from where they came and from a stranger's address.
/// Returns how many packets came to the stranger.
fn send_again(site: &Installation, stranger: u8, media: SocketAddr) -> Result<u64> {
    let stranger = site.peer_address(stranger).to_string();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/replay.py");
    let output =
        Command::new("python3").arg(script).args([&media.to_string(), &stranger, &SENT_AGAIN.to_string()]).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.success(),
        "this test captures packets: run it as root, or leave it out by `--skip sent_again`: {said}"
    );
    let told: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(told["captured"] == SENT_AGAIN, "{told}");
    told["heard"].as_u64().context("how many packets came")
}

#[test]
fn what_a_phone_has_sent_is_refused_when_it_is_sent_again() -> Result<()> {
    let files = tempfile::tempdir()?;
    let site = site(&[("7101", "required")])?;
    let mut one = encrypted(Encrypts::Always, &site, &files, (10, "7101", TONES[0]))?;
    let mut other = phone(&site, &files, 11, "7130", TONES[1])?;
    dial_until_answered(&mut one, "7130")?;
    other.wait_for("CALL_ESTABLISHED", SOON)?;
    hear_each_other(&one, &other)?;
    let media = audio_of_media(&messages(&site)?)?;
    let refused = |how: &str| site.metric("media", &format!("media_rtp_packets_{how}_total"));
    let (replayed, forged) = (refused("replayed")?, refused("forged")?);
    ensure!(send_again(&site, 66, media)? == 0, "audio goes to who has sent packets of the phone again");
    // Each came twice.
    wait::until(SOON, || Ok((refused("replayed")? - replayed >= 2.0 * SENT_AGAIN as f64).then_some(())))
        .context("packets that were there before are counted")?;
    ensure!(refused("forged")? == forged, "they are those of the phone");
    hear_each_other(&one, &other)?;
    one.hang_up()?;
    other.wait_for("CALL_CLOSED", SOON)?;
    site.is_at_rest()
}

#[test]
fn a_required_phone_is_rung_with_keys_and_neither_speaks_nor_answers_in_clear() -> Result<()> {
    let files = tempfile::tempdir()?;
    let site = site(&[("7101", "required")])?;
    let mut clear = phone(&site, &files, 10, "7101", TONES[0])?;
    let mut other = phone(&site, &files, 11, "7130", TONES[1])?;
    let refused = dial_until_refused(&mut clear, site.number("echo")?)?;
    ensure!(refused.starts_with("488"), "a plain offer is refused: {refused}");
    let refused = dial_until_refused(&mut other, "7101")?;
    ensure!(refused.starts_with("488"), "an answer without keys ends the call: {refused}");
    drop(clear);
    let mut secure = encrypted(Encrypts::IfPossible, &site, &files, (10, "7101", TONES[0]))?;
    dial_until_answered(&mut other, "7101")?;
    secure.wait_for("CALL_ESTABLISHED", SOON)?;
    hear_each_other(&secure, &other)?;
    other.hang_up()?;
    secure.wait_for("CALL_CLOSED", SOON)?;
    site.is_at_rest()
}

#[test]
fn where_encryption_is_offered_each_phone_speaks_as_it_can() -> Result<()> {
    let files = tempfile::tempdir()?;
    let site = site(&[("7101", "offered"), ("7130", "offered")])?;
    let mut one = encrypted(Encrypts::Always, &site, &files, (10, "7101", TONES[0]))?;
    let mut other = phone(&site, &files, 11, "7130", TONES[1])?;
    dial_until_answered(&mut one, "7130")?;
    other.wait_for("CALL_ESTABLISHED", SOON)?;
    hear_each_other(&one, &other)?;
    let watch = Watch::start(&site, "0-0")?;
    other.hold()?;
    watch.wait_for("Held@7130", SOON)?;
    other.resume()?;
    watch.wait_for("Retrieved@7130", SOON)?;
    // baresip 1.0 records nothing of what it receives after it has held, so that phone is not listened to.
    has_heard_for(&one, one.heard_bytes())?;
    comes_to_hear(&one, &[TONES[1]]).context("who was held hears the other again")?;
    one.hang_up()?;
    other.wait_for("CALL_CLOSED", SOON)?;
    drop(one);
    // The same phone rung, with keys beside RTP/AVP.
    let mut one = encrypted(Encrypts::IfPossible, &site, &files, (10, "7101", TONES[0]))?;
    dial_until_answered(&mut other, "7101")?;
    one.wait_for("CALL_ESTABLISHED", SOON)?;
    hear_each_other(&one, &other)?;
    other.hang_up()?;
    one.wait_for("CALL_CLOSED", SOON)?;
    site.is_at_rest()
}

/// A phone by this transport, with the first tone; by TLS it verifies the edge. Its audio is encrypted this way, if one is named.
fn phone_by(
    transport: &str,
    (site, authority): (&Installation, &Authority),
    files: &tempfile::TempDir,
    (dn, encrypts): (&str, Option<Encrypts>),
) -> Result<Phone> {
    let speech = files.path().join(format!("{dn}.wav"));
    write_wav(&speech, &tone(TONES[0], 240))?;
    let registrar = if transport == "tls" { site.secure_sip() } else { site.sip() };
    let setup = Setup {
        address: site.peer_address(10),
        registrar: &registrar,
        user: dn,
        password: password(site, dn)?,
        transport,
        speech: &speech,
        answer: Answer::Auto,
    };
    let trusted = authority.certificate();
    let lines = if transport == "tls" { format!("sip_cafile {}\n", trusted.display()) } else { String::new() };
    Phone::register_encrypting(&setup, encrypts, &lines)
}

#[test]
fn a_phone_by_each_transport_calls_and_is_called_in_clear_and_encrypted() -> Result<()> {
    const OTHER: &str = "7130";
    let (authority, files) = (Authority::new()?, tempfile::tempdir()?);
    let (site, _) = crate::secure::site(&authority)?;
    set(&site, &[("7102", "required")])?;
    let mut other = phone(&site, &files, 11, OTHER, TONES[1])?;
    for transport in ["udp", "tcp", "tls"] {
        for (dn, encrypts) in [("7101", None), ("7102", Some(Encrypts::Always))] {
            let mut one = phone_by(transport, (&site, &authority), &files, (dn, encrypts))?;
            for calls in [true, false] {
                let case = || format!("{dn} by {transport}, encrypted {encrypts:?}, calls: {calls}");
                one.forget_events()?;
                other.forget_events()?;
                let (caller, callee, number) =
                    if calls { (&mut one, &mut other, OTHER) } else { (&mut other, &mut one, dn) };
                dial_until_answered(caller, number).with_context(case)?;
                callee.wait_for("CALL_ESTABLISHED", SOON).with_context(case)?;
                hear_each_other(&one, &other).with_context(case)?;
                let is_encrypted = messages(&site)?.iter().any(|text| text.contains(" RTP/SAVP "));
                ensure!(is_encrypted == encrypts.is_some(), "{}", case());
                one.hang_up()?;
                one.wait_for("CALL_CLOSED", SOON)?;
                other.wait_for("CALL_CLOSED", SOON)?;
            }
        }
    }
    site.is_at_rest()
}
