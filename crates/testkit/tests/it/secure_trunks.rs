//! Trunks by TLS whose carrier, baresip, encrypts its audio or does not: calls in both directions, judged by what both sides hear and by the
//! descriptions between us and the carrier.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testkit::audio::write_wav;
use testkit::{Answer, Authority, Encrypts, Installation, Phone, Setup, wait};

use crate::conference::{SOON, TONES, phone, tone};
use crate::encryption::{CALLS_MAX, dial, hear_each_other};
use crate::secure::site;

/// The last octet of the carrier's address.
const CARRIER: u8 = 20;
/// A number outside, how a phone dials it, and the number by which the carrier calls us.
const NUMBER: &str = "+4930999";
const DIALLED: &str = "0114930999";
const OURS: &str = "+15550199";
/// Between two calls, while nodes learn of what was imported.
const PAUSE: Duration = Duration::from_millis(300);

/// Which way a call goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// Our phone calls the number outside.
    Out,
    /// The carrier calls our number.
    In,
}

/// What comes of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    /// Both talk, and the audio between us and the carrier is encrypted.
    Encrypted,
    /// Both talk, and that audio is in clear.
    Clear,
    /// It is refused with 488.
    Refused,
}

/// Imports the example with a trunk of this setting by TLS, and with a number that leads to the phone 7101.
fn import(site: &Installation, encryption: &str) -> Result<()> {
    let at = site.peer_address(CARRIER);
    let trunk = format!(
        "{{name: carrier, allow: [127.0.0.0/8], contact: \"{at}:5061;transport=tls\", prefix: \"+\", \
         caller_id: \"+15550100\", encryption: {encryption}}}"
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

/// The carrier: it listens by TLS with a certificate for its address, verifies ours, and encrypts audio this way or not at all.
fn carrier(
    site: &Installation,
    authority: &Authority,
    files: &tempfile::TempDir,
    encrypts: Option<Encrypts>,
) -> Result<Phone> {
    let at = site.peer_address(CARRIER);
    let speech = files.path().join("carrier.wav");
    write_wav(&speech, &tone(TONES[1], 120))?;
    let certificate = authority.issue("carrier", &format!("IP:{at}"), 30)?;
    let setup = Setup {
        address: at,
        registrar: &site.secure_sip(),
        user: NUMBER,
        password: "none",
        transport: "tls",
        speech: &speech,
        answer: Answer::Auto,
    };
    let trusted = authority.certificate();
    let lines = format!("sip_certificate {}\nsip_cafile {}\n", certificate.display(), trusted.display());
    Phone::start_unregistered_as(&setup, encrypts, &lines)
}

/// The SIP messages of the last call that went by TLS: those of the carrier, since the phone has none. Its own connections to us are not from its
/// address.
fn messages_by_tls(site: &Installation) -> Result<Vec<Value>> {
    let told = crate::trace::trace(site, &["--last"])?;
    let messages = told["ladder"]["messages"].as_array().context("messages")?;
    let is_by_tls = |message: &&Value| text_of(message).contains("SIP/2.0/TLS ");
    Ok(messages.iter().filter(is_by_tls).cloned().collect())
}

fn text_of(message: &Value) -> &str {
    message["text"].as_str().unwrap_or_default()
}

/// The offer and the answer between us and the carrier in the last call, once both are in its explanation.
fn descriptions(site: &Installation) -> Result<[String; 2]> {
    wait::until(SOON, || {
        let messages = messages_by_tls(site)?;
        let described = |message: &&Value| message["sdp"] == true && message["method"] == "INVITE";
        let offer = messages.iter().filter(described).find(|message| message["status"].is_null());
        let answer = messages.iter().filter(described).find(|message| message["status"] == 200);
        Ok(offer.zip(answer).map(|(offer, answer)| [text_of(offer), text_of(answer)].map(str::to_owned)))
    })
}

/// Calls once. `None` if it is refused with another code, as before nodes know what was imported.
fn call(site: &Installation, way: Way, own: &mut Phone, far: &mut Phone) -> Result<Option<Outcome>> {
    own.forget_events()?;
    far.forget_events()?;
    let (caller, callee, number) = match way {
        Way::Out => (own, far, DIALLED),
        Way::In => (far, own, OURS),
    };
    if let Some(reason) = dial(caller, number)? {
        return Ok(reason.starts_with("488").then_some(Outcome::Refused));
    }
    callee.wait_for("CALL_ESTABLISHED", SOON)?;
    // baresip answers with a key of its own where it was offered none, and speaks in clear.
    let is_encrypted = descriptions(site)?.iter().all(|description| description.contains("a=crypto:"));
    Ok(Some(if is_encrypted { Outcome::Encrypted } else { Outcome::Clear }))
}

fn end(own: &mut Phone, far: &mut Phone) -> Result<()> {
    own.hang_up()?;
    own.wait_for("CALL_CLOSED", SOON)?;
    far.wait_for("CALL_CLOSED", SOON)?;
    Ok(())
}

/// Calls until this comes of it. If they talk, each hears the other; the call is left as it is.
fn comes_to(site: &Installation, (way, expected): (Way, Outcome), own: &mut Phone, far: &mut Phone) -> Result<()> {
    let mut last = None;
    for _ in 0..CALLS_MAX {
        last = call(site, way, own, far)?;
        if last == Some(expected) {
            return if expected == Outcome::Refused { Ok(()) } else { hear_each_other(own, far) };
        }
        if matches!(last, Some(Outcome::Encrypted | Outcome::Clear)) {
            end(own, far)?;
        }
        std::thread::sleep(PAUSE);
    }
    anyhow::bail!("{way:?} ends with {last:?}, not {expected:?}")
}

#[test]
fn a_carrier_that_encrypts_always_is_called_and_calls_by_tls() -> Result<()> {
    let (authority, files) = (Authority::new()?, tempfile::tempdir()?);
    let (site, _) = site(&authority)?;
    import(&site, "required")?;
    let mut far = carrier(&site, &authority, &files, Some(Encrypts::Always))?;
    let mut own = phone(&site, &files, 10, "7101", TONES[0])?;
    for way in [Way::Out, Way::In] {
        comes_to(&site, (way, Outcome::Encrypted), &mut own, &mut far).with_context(|| format!("{way:?}"))?;
        for description in descriptions(&site)? {
            ensure!(description.contains(" RTP/SAVP "), "{way:?}: {description}");
            ensure!(description.contains("a=crypto:"), "{way:?}: {description}");
        }
        end(&mut own, &mut far)?;
    }
    let handshakes = site.metric("sip-proxy", "sip_proxy_socket_tls_handshakes_total")?;
    ensure!(handshakes >= 2.0, "one connection in each direction: {handshakes}");
    site.is_at_rest()
}

/// The setting of the trunk, which way the call goes, and what comes of it.
type TrunkCall = (&'static str, Way, Outcome);

#[test]
fn trunks_and_carriers_encrypt_where_both_can() -> Result<()> {
    let (authority, files) = (Authority::new()?, tempfile::tempdir()?);
    let (site, _) = site(&authority)?;
    let mut own = phone(&site, &files, 10, "7101", TONES[0])?;
    // How the carrier encrypts, and calls with it. One that always encrypts is not
    // called with keys beside RTP/AVP: for it there is `required`.
    let cases: [(Option<Encrypts>, &[TrunkCall]); 3] = [
        (
            Some(Encrypts::IfPossible),
            &[
                ("offered", Way::Out, Outcome::Encrypted),
                ("offered", Way::In, Outcome::Encrypted),
                ("off", Way::Out, Outcome::Clear),
                ("off", Way::In, Outcome::Clear),
            ],
        ),
        (Some(Encrypts::Always), &[("offered", Way::In, Outcome::Encrypted), ("off", Way::In, Outcome::Refused)]),
        (None, &[("offered", Way::Out, Outcome::Clear), ("offered", Way::In, Outcome::Clear)]),
    ];
    for (encrypts, calls) in cases {
        let mut far = carrier(&site, &authority, &files, encrypts)?;
        for (setting, way, outcome) in calls {
            let case = || format!("the trunk has {setting}, its carrier {encrypts:?}: {way:?}");
            import(&site, setting)?;
            comes_to(&site, (*way, *outcome), &mut own, &mut far).with_context(case)?;
            if *outcome != Outcome::Refused {
                end(&mut own, &mut far)?;
            }
        }
    }
    site.is_at_rest()
}

/// The 488 in the trace of a call or of an INVITE, as the one got it whose messages have this in them.
fn refusal(site: &Installation, traced: &str, of: &str) -> Result<Option<String>> {
    let told = crate::trace::trace(site, &[traced])?;
    let messages = told["ladder"]["messages"].as_array().context("messages")?;
    let refused = messages.iter().find(|message| message["status"] == 488 && text_of(message).contains(of));
    Ok(refused.map(|message| text_of(message).to_owned()))
}

/// The Call-ID of the INVITE that was refused with 488 before it became a call. Others may have had other answers, or have become calls, while
/// nodes did not know what was imported.
fn refused_at_the_edge(site: &Installation) -> Result<Option<String>> {
    let told = crate::trace::trace(site, &["--list"])?;
    let refused = told["refused"].as_array().context("refused")?;
    let dialog =
        refused.iter().find(|dialog| dialog["lastEvent"].as_str().is_some_and(|status| status.starts_with("488")));
    Ok(dialog.and_then(|dialog| dialog["connId"].as_str()).map(str::to_owned))
}

#[test]
fn a_carrier_that_does_not_encrypt_is_told_so_where_its_trunk_requires_it() -> Result<()> {
    let (authority, files) = (Authority::new()?, tempfile::tempdir()?);
    let (site, _) = site(&authority)?;
    import(&site, "required")?;
    let mut far = carrier(&site, &authority, &files, None)?;
    let mut own = phone(&site, &files, 10, "7101", TONES[0])?;
    comes_to(&site, (Way::In, Outcome::Refused), &mut own, &mut far)?;
    let invite = wait::until(SOON, || refused_at_the_edge(&site)).context("the carrier's call")?;
    let told = wait::until(SOON, || refusal(&site, &invite, "SIP/2.0/TLS ")).context("its answer")?;
    ensure!(told.contains("Warning: 302 ") && told.contains("encryption: required"), "{told}");
    // Our phone hears that it is the audio.
    comes_to(&site, (Way::Out, Outcome::Refused), &mut own, &mut far)?;
    let told = wait::until(SOON, || refusal(&site, "--last", "SIP/2.0/UDP ")).context("the call to the carrier")?;
    ensure!(told.contains("Warning: "), "{told}");
    site.is_at_rest()
}
