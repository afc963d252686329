//! linphone with default settings, and by TLS with encrypted audio: it registers with digest, calls the echo number and hears itself, consults and transfers by itself.

use std::io::{Read as _, Write as _};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::agents::password;
use testkit::caller::{prompt, prompt_samples};
use testkit::facts::check_log_and_laws;
use testkit::{Authority, Installation, Watch, audio, wait};

use crate::conference::{TONES, comes_to_hear, has_heard_for, heard, phone};
use crate::secure::subjects;

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);
const ALIKE: f64 = 0.9;
/// linphone plays by its own clock and drops late packets, so a busy machine may lose a part: it then calls again.
const TRIES: usize = 4;

/// A free port for SIP, and the first of two for RTP and RTCP, each free at every address.
fn free_ports() -> Result<(u16, u16)> {
    let bind = |port: u16| UdpSocket::bind(("0.0.0.0", port));
    // Held until all are found, so that none is found twice.
    let sip = bind(0)?;
    let mut odd = Vec::new();
    loop {
        let rtp = bind(0)?;
        let port = rtp.local_addr()?.port();
        if port.is_multiple_of(2) && bind(port + 1).is_ok() {
            return Ok((sip.local_addr()?.port(), port));
        }
        odd.push(rtp);
        ensure!(odd.len() < 200, "no two ports beside each other are free");
    }
}

/// linphone's console; it is ended when dropped.
struct Linphone {
    child: Child,
    console: ChildStdin,
    said: Arc<Mutex<String>>,
    _home: tempfile::TempDir,
}

impl Linphone {
    fn start() -> Result<Self> {
        Self::start_with("")
    }

    /// With further lines of its section `sip`.
    fn start_with(more: &str) -> Result<Self> {
        let home = tempfile::tempdir()?;
        std::fs::create_dir_all(home.path().join(".local/share/linphone"))?;
        let settings = home.path().join("linphonerc");
        // Free ports and no IPv6 address: everything else has default settings.
        let (sip, rtp) = free_ports()?;
        let text = format!(
            "[sip]\nsip_port={sip}\nsip_tcp_port=-2\nsip_tls_port=-2\nuse_ipv6=0\n{more}[rtp]\naudio_rtp_port={rtp}\n"
        );
        std::fs::write(&settings, text)?;
        let mut child = Command::new("linphonec")
            .arg("-c")
            .arg(&settings)
            .env("HOME", home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("linphonec: script/bootstrap installs it")?;
        let said = Arc::<Mutex<String>>::default();
        let (mut stdout, heard) = (child.stdout.take().context("no stdout")?, said.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 1_024];
            while let Ok(count @ 1..) = stdout.read(&mut bytes) {
                let text = String::from_utf8_lossy(bytes.get(..count).unwrap_or_default()).into_owned();
                heard.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
            }
        });
        let console = child.stdin.take().context("no stdin")?;
        let phone = Self { child, console, said, _home: home };
        phone.wait_for("linphonec>", 0)?;
        Ok(phone)
    }

    /// Types a command; returns the length of the earlier output.
    fn type_in(&mut self, command: &str) -> Result<usize> {
        let before = self.said().len();
        writeln!(self.console, "{command}")?;
        Ok(before)
    }

    /// Waits until it prints this text after the first `after` bytes of output.
    fn wait_for(&self, text: &str, after: usize) -> Result<()> {
        let there = || Ok(self.said().get(after..).is_some_and(|said| said.contains(text)).then_some(()));
        wait::until(SOON, there).with_context(|| format!("linphone does not say {text:?} but {}", self.said()))
    }

    fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Calls a number and waits for its audio.
    fn call(&mut self, site: &Installation, number: &str) -> Result<()> {
        self.call_at(&site.sip(), number)
    }

    /// Calls a number at an edge, as `host:port;transport=tls`.
    fn call_at(&mut self, edge: &str, number: &str) -> Result<()> {
        let call = self.type_in(&format!("call sip:{number}@{edge}"))?;
        self.wait_for("Media streams established", call)
    }

    fn register(&mut self, site: &Installation, extension: &str) -> Result<()> {
        self.register_at(&site.sip(), site, extension)
    }

    fn register_at(&mut self, edge: &str, site: &Installation, extension: &str) -> Result<()> {
        let password = password(site, extension)?;
        self.type_in(&format!("register sip:{extension}@{} sip:{edge} {password}", site.sip()))?;
        wait::until(SOON, || {
            let before = self.type_in("status register")?;
            self.wait_for("registered", before)?;
            let said = self.said();
            Ok(said.get(before..).is_some_and(|now| now.contains("registered, identity=")).then_some(()))
        })
    }
}

impl Drop for Linphone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn bytes_of(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

#[test]
fn linphone_registers_with_digest_and_hears_itself() -> Result<()> {
    let site = Installation::start()?;
    let mut phone = Linphone::start()?;
    let files = phone.type_in("soundcard use files")?;
    phone.wait_for("wav files", files)?;
    phone.register(&site, "7103")?;
    ensure!(site.metric("registrar", "registrar_requests_accepted_total")? >= 1.0, "the registrar knows it");
    hears_itself(phone, &site, &site.sip())
}

/// An installation whose phone 7103 must encrypt its audio, and linphone as that phone by TLS. The edge is returned as linphone names it.
fn by_tls(authority: &Authority) -> Result<(Installation, Linphone, String)> {
    let file = authority.issue("edge", &subjects(), 30)?;
    let certificates = format!("sip-proxy.certificates=[{:?}]", file.display().to_string());
    let site = Installation::start_with(&["--set", &certificates])?;
    site.import_changed(|files| {
        let file = files.join("example-tenant.yaml");
        let text = std::fs::read_to_string(&file)?;
        let phone = "{number: \"7103\", password: generated";
        let changed = text.replacen(phone, &format!("{phone}, encryption: required"), 1);
        ensure!(changed != text, "the example has changed");
        Ok(std::fs::write(&file, changed)?)
    })?;
    // Its TLS compares no addresses with those of a certificate.
    let mut phone = Linphone::start_with(&format!(
        "root_ca={}\nverify_server_certs=1\nverify_server_cn=0\nmedia_encryption=srtp\nmedia_encryption_mandatory=1\n",
        authority.certificate().display()
    ))?;
    let files = phone.type_in("soundcard use files")?;
    phone.wait_for("wav files", files)?;
    let edge = format!("{};transport=tls", site.secure_sip());
    phone.register_at(&edge, &site, "7103")?;
    site.metric_becomes("sip-proxy", "sip_proxy_connections_tls", 1.0, SOON)?;
    Ok((site, phone, edge))
}

/// linphone opens its way with some packets that are no audio.
fn few_are_refused(site: &Installation, calls: usize) -> Result<()> {
    let forged = site.metric("media", "media_rtp_packets_forged_total")?;
    ensure!(forged <= 20.0 * calls as f64, "{forged} packets were refused");
    Ok(())
}

#[test]
fn linphone_by_tls_hears_itself_encrypted() -> Result<()> {
    let authority = Authority::new()?;
    let (site, phone, edge) = by_tls(&authority)?;
    hears_itself(phone, &site, &edge)?;
    few_are_refused(&site, 1)
}

#[test]
fn linphone_by_tls_answers_and_both_hear_each_other_encrypted() -> Result<()> {
    let (authority, files) = (Authority::new()?, tempfile::tempdir()?);
    let (site, mut agent, _) = by_tls(&authority)?;
    let watch = Watch::start(&site, "0-0")?;
    let mut caller = phone(&site, &files, 10, "7130", TONES[1])?;
    let sent = prompt_samples("sales-welcome")?;
    let mut calls = 0;
    loop {
        calls += 1;
        let recording = site.data_dir().join(format!("linphone-{calls}.wav"));
        caller.dial("7103")?;
        watch.wait_for_count("Ringing@7103", calls, SOON)?;
        let answer = agent.type_in(&format!("answer {calls}"))?;
        agent.wait_for("Media streams established", answer)?;
        caller.wait_for("CALL_ESTABLISHED", SOON)?;
        agent.type_in(&format!("record {}", recording.display()))?;
        wait::until(SOON, || Ok((bytes_of(&recording) > 0).then_some(())))?;
        agent.type_in(&format!("play {}", prompt("sales-welcome").display()))?;
        std::thread::sleep(Duration::from_secs(2 + (sent.len() / audio::RATE) as u64));
        let end = agent.type_in("terminate")?;
        agent.wait_for("ended (No error)", end)?;
        caller.wait_for("CALL_CLOSED", SOON)?;
        let at_agent = wait::until(SOON, || Ok(audio::read_wav(&recording).ok()))?;
        let at_caller = audio::compare_halves_of_seconds(&sent, &audio::read_wav(&caller.heard()?)?);
        let is_heard = at_caller.iter().filter(|piece| **piece > ALIKE).count() > at_caller.len() / 2;
        if is_heard && heard(&at_agent) == [TONES[1]] {
            break;
        }
        ensure!(calls < TRIES, "the caller hears {at_caller:?}, linphone {:?}", heard(&at_agent));
    }
    let described = crate::encryption::messages(&site)?;
    let keyed = described.iter().filter(|text| text.contains(" RTP/SAVP ") && text.contains("a=crypto:"));
    ensure!(keyed.count() >= 2, "an offer and an answer with keys: {described:?}");
    few_are_refused(&site, calls)?;
    agent.type_in("quit")?;
    wait::until(SOON, || Ok(agent.child.try_wait()?.map(drop)))?;
    site.is_at_rest()
}

/// It calls the echo, and hears what it says.
fn hears_itself(mut phone: Linphone, site: &Installation, edge: &str) -> Result<()> {
    let sent = prompt_samples("sales-welcome")?;
    for time in 1..=TRIES {
        let recording = site.data_dir().join(format!("linphone-{time}.wav"));
        phone.call_at(edge, site.number("echo")?)?;
        phone.type_in(&format!("record {}", recording.display()))?;
        wait::until(SOON, || Ok((bytes_of(&recording) > 0).then_some(())))?;
        phone.type_in(&format!("play {}", prompt("sales-welcome").display()))?;
        // The length of the speech, and two seconds for the delay. It writes its file when the call is over.
        std::thread::sleep(Duration::from_secs(2 + (sent.len() / audio::RATE) as u64));
        let end = phone.type_in("terminate")?;
        phone.wait_for("ended (No error)", end)?;
        let recorded = wait::until(SOON, || Ok(audio::read_wav(&recording).ok()))?;
        let heard = audio::compare_halves_of_seconds(&sent, &recorded);
        if heard.iter().filter(|piece| **piece > ALIKE).count() > heard.len() / 2 {
            break;
        }
        ensure!(time < TRIES, "what was said is never heard: {heard:?}");
    }
    phone.type_in("quit")?;
    wait::until(SOON, || Ok(phone.child.try_wait()?.map(drop)))?;
    site.is_at_rest()
}

/// Its second call has a dialog of its own; REFER with Replaces names both.
#[test]
fn linphone_consults_by_itself_and_transfers() -> Result<()> {
    let files = tempfile::tempdir()?;
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let mut first = phone(&site, &files, 10, "7130", TONES[0])?;
    let mut second = phone(&site, &files, 11, "7131", TONES[1])?;
    let mut agent = Linphone::start()?;
    agent.type_in("soundcard use files")?;
    agent.register(&site, "7103")?;

    agent.call(&site, "7130")?;
    let main = watch.wait_for("Established@7130", SOON)?;
    agent.type_in("pause")?;
    watch.wait_for("Held@7103", SOON)?;
    agent.call(&site, "7131")?;
    let consultation = watch.wait_for("Established@7131", SOON)?;
    ensure!(main.text("ConnID") != consultation.text("ConnID"), "each has a call of its own");

    agent.type_in("transfer 1 --to-call 2")?;
    let changed = watch.wait_for("PartyChanged@7131", SOON)?;
    let told = (changed.text("ConnID"), changed.text("PreviousConnID"), changed.text("OtherDN"));
    assert_eq!(told, (main.text("ConnID"), consultation.text("ConnID"), "7130"));
    assert_eq!((changed.text("ThirdPartyDN"), changed.text("CallState")), ("7103", "Transferred"));
    has_heard_for(&second, second.heard_bytes())?;
    comes_to_hear(&first, &[TONES[1]]).context("the first hears the second")?;
    comes_to_hear(&second, &[TONES[0]]).context("the second hears the first")?;
    second.hang_up()?;
    for phone in [&mut first, &mut second] {
        phone.wait_for("CALL_CLOSED", SOON)?;
    }
    watch.wait_for_count("CallDeleted", 2, LATER)?;
    site.is_at_rest()?;
    check_log_and_laws(&site, &watch.facts())
}

/// Two calls that came to it separately are of two threads; REFER with Replaces joins their callers.
#[test]
fn linphone_connects_two_callers_of_its_own() -> Result<()> {
    let files = tempfile::tempdir()?;
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let mut first = phone(&site, &files, 10, "7130", TONES[0])?;
    let mut second = phone(&site, &files, 11, "7131", TONES[1])?;
    let mut agent = Linphone::start()?;
    agent.type_in("soundcard use files")?;
    agent.register(&site, "7103")?;

    let mut calls = Vec::new();
    for (number, caller) in [&mut first, &mut second].into_iter().enumerate() {
        caller.dial(&format!("sip:7103@{}", site.sip()))?;
        watch.wait_for_count("Ringing@7103", number + 1, SOON)?;
        agent.type_in(&format!("answer {}", number + 1))?;
        let established = watch.wait_for(&format!("Established@{}", 7_130 + number), SOON)?;
        calls.push(established.text("ConnID").to_owned());
    }
    watch.wait_for("Held@7103", SOON)?;
    agent.wait_for("is now paused", 0)?;
    ensure!(calls[0] != calls[1], "each has a call of its own");

    agent.type_in("transfer 1 --to-call 2")?;
    let changed = watch.wait_for("PartyChanged@7131", SOON);
    let changed = changed.with_context(|| format!("linphone says {}", agent.said()))?;
    let told = (changed.text("ConnID"), changed.text("PreviousConnID"), changed.text("OtherDN"));
    assert_eq!(told, (calls[0].as_str(), calls[1].as_str(), "7130"));
    has_heard_for(&second, second.heard_bytes())?;
    comes_to_hear(&first, &[TONES[1]]).context("the first hears the second")?;
    comes_to_hear(&second, &[TONES[0]]).context("the second hears the first")?;
    second.hang_up()?;
    for phone in [&mut first, &mut second] {
        phone.wait_for("CALL_CLOSED", SOON)?;
    }
    watch.wait_for_count("CallDeleted", 2, LATER)?;
    site.is_at_rest()?;
    check_log_and_laws(&site, &watch.facts())
}
