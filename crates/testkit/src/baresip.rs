//! baresip as a phone: registers, calls, answers, plays a file and records the received audio.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{audio, wait};

/// The codecs of a phone that speaks no others.
const G711: &str = "PCMU,PCMA";
/// Two minutes: longer than any call of a test.
const SILENCE_SAMPLES: usize = 120 * 8_000;
/// Time for REGISTER, challenge and answer on a busy machine.
const REGISTER_LIMIT: Duration = Duration::from_secs(30);
const START_LIMIT: Duration = Duration::from_secs(60);
/// Time to say goodbye to its registrar. A phone that is killed before leaves its contact there, and calls go to it.
const END_LIMIT: Duration = Duration::from_secs(20);

/// The configuration of a phone.
pub struct Setup<'a> {
    /// Its own address.
    pub address: Ipv4Addr,
    /// Its registrar and outbound proxy, as `host:port`.
    pub registrar: &'a str,
    /// Its number.
    pub user: &'a str,
    /// Its password.
    pub password: &'a str,
    /// `udp`, `tcp` or `tls`.
    pub transport: &'a str,
    /// The audio that it sends: a WAV of 8 kHz, 16 bit, mono.
    pub speech: &'a Path,
    /// Whether it answers by itself.
    pub answer: Answer,
}

impl Setup<'_> {
    /// Where its SIP is, unless it is told otherwise.
    fn place(&self) -> SocketAddr {
        (self.address, 5060).into()
    }
}

/// Whether a phone answers by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// At once.
    Auto,
    /// On command.
    Manual,
}

/// How a phone encrypts its audio.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encrypts {
    /// It offers keys beside `RTP/AVP`, and speaks in clear too.
    IfPossible,
    /// It offers `RTP/SAVP`.
    Always,
}

/// A running phone; it is ended when dropped.
pub struct Phone {
    child: Child,
    control: TcpStream,
    folder: tempfile::TempDir,
    buffer: Vec<u8>,
    events: Vec<Value>,
    answers: Vec<String>,
    tokens: u64,
}

impl Phone {
    /// Starts a phone of G.711 and waits until it is registered; fails if it is refused.
    pub fn register(setup: &Setup<'_>) -> Result<Self> {
        Self::register_speaking(setup, G711)
    }

    /// Starts a phone of G.711 with encrypted audio and waits until it is registered.
    pub fn register_encrypted(setup: &Setup<'_>, how: Encrypts) -> Result<Self> {
        Self::register_as(setup, setup.place(), G711, Some(how), "")
    }

    /// Starts a phone that speaks these codecs, as baresip names them, and waits until it is registered.
    pub fn register_speaking(setup: &Setup<'_>, codecs: &str) -> Result<Self> {
        Self::register_as(setup, setup.place(), codecs, None, "")
    }

    /// As [`Self::register`], for a phone whose SIP and audio are at that place; its own address is that of its control alone.
    pub fn register_at(at: SocketAddr, setup: &Setup<'_>) -> Result<Self> {
        Self::register_as(setup, at, G711, None, "")
    }

    /// As [`Self::register`], with further lines of baresip's configuration.
    pub fn register_with(setup: &Setup<'_>, lines: &str) -> Result<Self> {
        Self::register_as(setup, setup.place(), G711, None, lines)
    }

    /// As before; its audio is encrypted this way, if one is named.
    pub fn register_encrypting(setup: &Setup<'_>, encrypts: Option<Encrypts>, lines: &str) -> Result<Self> {
        Self::register_as(setup, setup.place(), G711, encrypts, lines)
    }

    fn register_as(
        setup: &Setup<'_>,
        at: SocketAddr,
        codecs: &str,
        encrypts: Option<Encrypts>,
        lines: &str,
    ) -> Result<Self> {
        let mut phone = Self::start(setup, at, codecs, encrypts, 3_600, lines)?;
        // The event may have come before our connection, so the state is queried. Before the registrar's answer the
        // state is the same as after a refusal, so a refusal shows only by the timeout.
        let mut said = String::new();
        let registered = wait::until(REGISTER_LIMIT, || {
            phone.command("reginfo", "")?;
            phone.read_events()?;
            if let Some(answer) = phone.answers.pop() {
                said = answer;
            }
            Ok(said.contains("mOK ").then_some(()))
        });
        registered.with_context(|| format!("not registered: {said}\n{}", phone.log()))?;
        Ok(phone)
    }

    /// Starts a phone that does not register.
    pub fn start_unregistered(setup: &Setup<'_>) -> Result<Self> {
        Self::start(setup, setup.place(), G711, None, 0, "")
    }

    /// As before, for a phone whose SIP and audio are at that place.
    pub fn start_unregistered_at(at: SocketAddr, setup: &Setup<'_>) -> Result<Self> {
        Self::start(setup, at, G711, None, 0, "")
    }

    /// As before, with further lines of baresip's configuration.
    pub fn start_unregistered_with(setup: &Setup<'_>, lines: &str) -> Result<Self> {
        Self::start(setup, setup.place(), G711, None, 0, lines)
    }

    /// As before; its audio is encrypted this way, if one is named.
    pub fn start_unregistered_as(setup: &Setup<'_>, encrypts: Option<Encrypts>, lines: &str) -> Result<Self> {
        Self::start(setup, setup.place(), G711, encrypts, 0, lines)
    }

    fn start(
        setup: &Setup<'_>,
        at: SocketAddr,
        codecs: &str,
        encrypts: Option<Encrypts>,
        register_seconds: u32,
        lines: &str,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // baresip hangs up at the end of its file: append silence.
        let mut speech = audio::read_wav(setup.speech)?;
        speech.resize(speech.len() + SILENCE_SAMPLES, 0);
        let rate = rate_of(codecs);
        audio::write_wav_at(rate, &folder.path().join("speech.wav"), &speech)?;
        fs::write(folder.path().join("config"), config(setup, at, folder.path(), rate) + lines)?;
        fs::write(folder.path().join("accounts"), account(setup, codecs, encrypts, register_seconds))?;
        fs::write(folder.path().join("contacts"), "")?;
        let mut child = Command::new("baresip")
            .arg("-f")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(fs::File::create(folder.path().join("out.log"))?)
            .stderr(fs::File::create(folder.path().join("err.log"))?)
            .spawn()
            .context("baresip is not installed: script/bootstrap installs it")?;
        let address = (setup.address, 4444);
        let control = wait::until(START_LIMIT, || {
            if let Some(status) = child.try_wait()? {
                bail!("baresip ended with {status}: {}", fs::read_to_string(folder.path().join("out.log"))?);
            }
            Ok(TcpStream::connect(address).ok())
        })?;
        control.set_read_timeout(Some(Duration::from_millis(20)))?;
        Ok(Self { child, control, folder, buffer: Vec::new(), events: Vec::new(), answers: Vec::new(), tokens: 0 })
    }

    /// Its output.
    fn log(&self) -> String {
        ["out.log", "err.log"]
            .iter()
            .filter_map(|name| fs::read_to_string(self.folder.path().join(name)).ok())
            .collect()
    }

    /// Dials a number or a URI.
    pub fn dial(&mut self, target: &str) -> Result<()> {
        self.command("dial", target)
    }

    /// Answers the ringing call.
    pub fn answer(&mut self) -> Result<()> {
        self.command("accept", "")
    }

    /// Hangs up.
    pub fn hang_up(&mut self) -> Result<()> {
        self.command("hangup", "")
    }

    /// Puts the call on hold.
    pub fn hold(&mut self) -> Result<()> {
        self.command("hold", "")
    }

    /// Resumes the call.
    pub fn resume(&mut self) -> Result<()> {
        self.command("resume", "")
    }

    /// Sends a DTMF digit as RFC 4733 events.
    pub fn digit(&mut self, digit: char) -> Result<()> {
        self.command("sndcode", &digit.to_string())
    }

    /// Kills the phone, like a crash: no BYE, no audio, no answers.
    pub fn vanish(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends any command of baresip's menu.
    pub fn command(&mut self, command: &str, parameters: &str) -> Result<()> {
        self.tokens += 1;
        self.answers.clear();
        let text = json!({"command": command, "params": parameters, "token": self.tokens.to_string()}).to_string();
        self.control.write_all(format!("{}:{text},", text.len()).as_bytes())?;
        Ok(())
    }

    /// Waits for the next event of this type, such as `CALL_ESTABLISHED`, and removes it.
    pub fn wait_for(&mut self, kind: &str, limit: Duration) -> Result<Value> {
        let found = wait::until(limit, || {
            self.read_events()?;
            let at = self.events.iter().position(|event| event["type"] == kind);
            Ok(at.map(|at| self.events.remove(at)))
        });
        found.with_context(|| format!("no {kind}; seen: {:?}", self.events))
    }

    /// Whether an event of this type has arrived and was not removed.
    pub fn has_seen(&mut self, kind: &str) -> Result<bool> {
        self.read_events()?;
        Ok(self.events.iter().any(|event| event["type"] == kind))
    }

    /// Forgets the events of earlier calls.
    pub fn forget_events(&mut self) -> Result<()> {
        self.read_events()?;
        self.events.clear();
        Ok(())
    }

    /// The newest WAV of the received audio.
    pub fn heard(&self) -> Result<PathBuf> {
        self.newest("-dec.wav")
    }

    /// The bytes of that WAV so far; 0 if nothing was heard yet.
    pub fn heard_bytes(&self) -> u64 {
        self.heard().and_then(|path| Ok(fs::metadata(path)?.len())).unwrap_or_default()
    }

    /// The newest WAV of the sent audio.
    pub fn said(&self) -> Result<PathBuf> {
        self.newest("-enc.wav")
    }

    fn newest(&self, ending: &str) -> Result<PathBuf> {
        let files = fs::read_dir(self.folder.path())?.flatten().map(|file| file.path());
        let recorded = files.filter(|path| path.to_string_lossy().ends_with(ending));
        recorded.max().with_context(|| format!("no recording {ending}"))
    }

    fn read_events(&mut self) -> Result<()> {
        let mut chunk = [0; 4_096];
        match self.control.read(&mut chunk) {
            Ok(0) => bail!("baresip has closed its control connection"),
            Ok(length) => self.buffer.extend_from_slice(&chunk[..length]),
            // Interrupted: the machine or this process was suspended.
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error.into()),
        }
        while let Some((text, rest)) = netstring(&self.buffer) {
            let value: Value = serde_json::from_slice(text)?;
            self.buffer = rest.to_vec();
            if value["event"] == true {
                self.events.push(value);
            } else if let Some(text) = value["data"].as_str() {
                self.answers.push(text.to_owned());
            }
        }
        Ok(())
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        let _ = crate::process::signal(self.child.id(), "TERM");
        let child = &mut self.child;
        if wait::until(END_LIMIT, || Ok(child.try_wait()?)).is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Removes one `length:text,` from the front.
fn netstring(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = bytes.iter().position(|&byte| byte == b':')?;
    let length: usize = std::str::from_utf8(&bytes[..colon]).ok()?.parse().ok()?;
    let text = bytes.get(colon + 1..colon + 1 + length)?;
    Some((text, bytes.get(colon + length + 2..)?))
}

/// The rate of the first codec, as `opus/48000/1`; that of G.711 if none is named.
fn rate_of(codecs: &str) -> usize {
    codecs.split('/').nth(1).and_then(|rate| rate.parse().ok()).unwrap_or(audio::RATE)
}

fn config(setup: &Setup<'_>, at: SocketAddr, folder: &Path, rate: usize) -> String {
    let (control, ip, folder) = (setup.address, at.ip(), folder.display());
    // All installations share the one address of IPv6; their media has the ports below.
    let rtp_ports = if at.is_ipv6() { "28000-30000" } else { "20000-30000" };
    format!(
        "poll_method epoll\n\
         sip_listen {at}\n\
         net_interface {ip}\n\
         call_max_calls 4\n\
         audio_player aufile,{folder}/played.wav\n\
         audio_source aufile,{folder}/speech.wav\n\
         audio_alert aufile,{folder}/alert.wav\n\
         ausrc_srate {rate}\n\
         auplay_srate {rate}\n\
         rtp_ports {rtp_ports}\n\
         module_path /usr/lib/baresip/modules\n\
         module g711.so\n\
         module g722.so\n\
         module opus.so\n\
         module srtp.so\n\
         opus_stereo no\n\
         opus_sprop_stereo no\n\
         module aufile.so\n\
         module sndfile.so\n\
         snd_path {folder}\n\
         module_tmp account.so\n\
         module_app menu.so\n\
         module_app ctrl_tcp.so\n\
         ctrl_tcp_listen {control}:4444\n"
    )
}

fn account(setup: &Setup<'_>, codecs: &str, encrypts: Option<Encrypts>, register_seconds: u32) -> String {
    let Setup { registrar, user, password, transport, .. } = setup;
    let answer = match setup.answer {
        Answer::Auto => "auto",
        Answer::Manual => "manual",
    };
    let encryption = match encrypts {
        None => "",
        Some(Encrypts::IfPossible) => ";mediaenc=srtp",
        Some(Encrypts::Always) => ";mediaenc=srtp-mand",
    };
    format!(
        "<sip:{user}@{registrar};transport={transport}>;auth_user={user};auth_pass={password};\
         outbound=\"sip:{registrar};transport={transport};lr\";regint={register_seconds};answermode={answer};\
         audio_codecs={codecs}{encryption}\n"
    )
}
