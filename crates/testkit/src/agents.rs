//! Agents at phones: baresip with audio, or SIPp for many or misbehaving phones.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::caller::prompt_samples;
use crate::sipp::Running;
use crate::{Answer, Encrypts, Endpoint, Installation, Phone, Setup, Sipp, wait};

const SOON: Duration = Duration::from_secs(45);
/// Where SIPp takes calls.
const SIP_PORT: u16 = 5060;

/// The password of a phone.
pub fn password<'a>(site: &'a Installation, extension: &str) -> Result<&'a str> {
    let person = site.demo.people.iter().find(|person| person.extension == extension);
    Ok(&person.with_context(|| format!("nobody has the extension {extension}"))?.password)
}

/// `support-welcome` repeated many times: a speaker that falls silent could not be heard after a restart.
pub fn long_speech() -> Result<PathBuf> {
    repeated("support-welcome")
}

/// A committed prompt, repeated many times.
pub fn repeated(prompt: &str) -> Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("trunkline-test-{prompt}-{}.wav", std::process::id()));
    if !path.exists() {
        // Tests run concurrently: none may find half a file.
        let part = tempfile::NamedTempFile::new_in(std::env::temp_dir())?;
        crate::audio::write_wav(part.path(), &prompt_samples(prompt)?.repeat(25))?;
        part.persist(&path)?;
    }
    Ok(path)
}

/// A baresip phone, registered over UDP, that plays `support-welcome` repeatedly; without a logged-in agent.
pub fn baresip_phone(site: &Installation, host: u8, extension: &str, answer: Answer) -> Result<Phone> {
    baresip_phone_over("udp", site, host, extension, answer)
}

/// Like [`baresip_phone`], with other audio: a WAV of 8 kHz, 16 bit, mono.
pub fn baresip_phone_that_says(
    speech: &std::path::Path,
    site: &Installation,
    host: u8,
    extension: &str,
    answer: Answer,
) -> Result<Phone> {
    Phone::register(&Setup {
        address: site.peer_address(host),
        registrar: &site.sip(),
        user: extension,
        password: password(site, extension)?,
        transport: "udp",
        speech,
        answer,
    })
}

/// Like [`baresip_phone_that_says`], with encrypted audio; it answers at once.
pub fn baresip_phone_that_encrypts(
    how: Encrypts,
    speech: &std::path::Path,
    site: &Installation,
    host: u8,
    extension: &str,
) -> Result<Phone> {
    let setup = Setup {
        address: site.peer_address(host),
        registrar: &site.sip(),
        user: extension,
        password: password(site, extension)?,
        transport: "udp",
        speech,
        answer: Answer::Auto,
    };
    Phone::register_encrypted(&setup, how)
}

/// Like [`baresip_phone_that_says`]; it speaks these codecs alone, as baresip names them, and answers at once.
pub fn baresip_phone_speaking(
    codecs: &str,
    speech: &std::path::Path,
    site: &Installation,
    host: u8,
    extension: &str,
) -> Result<Phone> {
    let setup = Setup {
        address: site.peer_address(host),
        registrar: &site.sip(),
        user: extension,
        password: password(site, extension)?,
        transport: "udp",
        speech,
        answer: Answer::Auto,
    };
    Phone::register_speaking(&setup, codecs)
}

/// Like [`baresip_phone`], over this transport.
pub fn baresip_phone_over(
    transport: &str,
    site: &Installation,
    host: u8,
    extension: &str,
    answer: Answer,
) -> Result<Phone> {
    Phone::register(&Setup {
        address: site.peer_address(host),
        registrar: &site.sip(),
        user: extension,
        password: password(site, extension)?,
        transport,
        speech: &long_speech()?,
        answer,
    })
}

/// An agent at a baresip phone, logged in and ready.
pub fn baresip_agent(site: &Installation, host: u8, extension: &str, answer: Answer) -> Result<Phone> {
    let phone = baresip_phone(site, host, extension, answer)?;
    site.log_in(extension)?;
    Ok(phone)
}

/// Registers an extension at the address of a later run of SIPp.
pub fn sipp_register(site: &Installation, host: u8, extension: &str) -> Result<()> {
    Sipp::new("register.xml", site.peer_address(host), &site.sip())
        .with(&["-key", "user", extension, "-au", extension, "-ap", password(site, extension)?])
        .calls(1, 1, 1)
        .run(SOON)?
        .expect_success()
}

/// A SIPp phone that runs a scenario for each incoming call; registered, and its agent logged in and ready.
pub fn sipp_agent(
    site: &Installation,
    host: u8,
    extension: &str,
    scenario: &str,
    audio: &Endpoint,
    arguments: &[&str],
) -> Result<Running> {
    sipp_register(site, host, extension)?;
    let phone = sipp_phone(site, host, scenario, audio, arguments)?;
    site.log_in(extension)?;
    Ok(phone)
}

/// A SIPp phone that runs a scenario for each incoming call; calls may come when this returns.
pub fn sipp_phone(
    site: &Installation,
    host: u8,
    scenario: &str,
    audio: &Endpoint,
    arguments: &[&str],
) -> Result<Running> {
    let (ip, port) = (audio.address.ip().to_string(), audio.address.port().to_string());
    let address = site.peer_address(host);
    let mut phone = Sipp::new(scenario, address, &site.sip())
        .with(&["-key", "rtp_host", &ip, "-key", "rtp_port", &port, "-trace_msg"])
        .with(arguments)
        .start()?;
    // What comes before SIPp listens is refused by the kernel.
    wait::until(SOON, || Ok((takes_sip(address) || phone.has_ended()?).then_some(())))
        .with_context(|| format!("SIPp does not listen at {address}"))?;
    Ok(phone)
}

/// Whether a socket of UDP or TCP is bound to the port of SIP at this address.
fn takes_sip(address: Ipv4Addr) -> bool {
    let place = format!("{:08X}:{SIP_PORT:04X}", u32::from_ne_bytes(address.octets()));
    ["/proc/net/udp", "/proc/net/tcp"].iter().any(|table| {
        let sockets = std::fs::read_to_string(table).unwrap_or_default();
        sockets.lines().any(|line| line.split_whitespace().nth(1) == Some(place.as_str()))
    })
}

/// A SIPp phone that dials a number with its password and one further header line; the far side hangs up.
pub fn sipp_dials(
    site: &Installation,
    host: u8,
    extension: &str,
    number: &str,
    header: &str,
    audio: &Endpoint,
) -> Result<Running> {
    sipp_dials_by("phone-dials.xml", site, host, extension, number, header, audio)
}

/// The same by another scenario.
pub fn sipp_dials_by(
    scenario: &str,
    site: &Installation,
    host: u8,
    extension: &str,
    number: &str,
    header: &str,
    audio: &Endpoint,
) -> Result<Running> {
    let password = password(site, extension)?;
    let arguments = ["-s", number, "-m", "1", "-key", "user", extension, "-key", "extra", header];
    sipp_phone(site, host, scenario, audio, &[&arguments[..], &["-au", extension, "-ap", password]].concat())
}
