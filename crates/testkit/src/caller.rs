//! A caller behind a trunk: SIPp does the signalling, an RTP endpoint the audio.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::rtp::address_in_sdp;
use crate::sipp::{Outcome, Running};
use crate::{Endpoint, Installation, Sipp, audio, wait};

/// The number that a caller presents.
pub const CALLER: &str = "+15559001";

/// How long a changed tenant may take to be known, and a call to be refused.
const KNOWN_WITHIN: Duration = Duration::from_secs(60);
const REFUSED_WITHIN: Duration = Duration::from_secs(60);
/// How long the answer may take to a caller that is told to hang up.
const ANSWERED_WITHIN: Duration = Duration::from_secs(45);

/// A caller whose call is under way.
pub struct Caller {
    /// Its audio endpoint.
    pub audio: Endpoint,
    /// Where its SIP is, at port 5060.
    address: Ipv4Addr,
    run: Running,
}

impl Caller {
    /// Dials a number by the scenario; `host` is the last octet of the caller's own address.
    pub fn dial(site: &Installation, scenario: &str, host: u8, number: &str, arguments: &[&str]) -> Result<Self> {
        let address = site.peer_address(host);
        let audio = Endpoint::listen(address.into())?;
        let run = sipp(site, scenario, host, &audio)
            .dial(number)
            .calls(1, 1, 1)
            .with(&["-trace_msg"])
            .with(arguments)
            .start()?;
        Ok(Self { audio, address, run })
    }

    /// Waits for the answer and returns the address of media for the audio.
    pub fn answered(&self, limit: Duration) -> Result<SocketAddr> {
        let sdp = wait::until(limit, || Ok(answer_sdp(&self.run.traces("_messages.log"))));
        address_in_sdp(&sdp.with_context(|| format!("no answer\n{}", self.run.traces("_messages.log")))?)
    }

    /// Every SIP message so far, as SIPp traced it.
    pub fn messages(&self) -> String {
        self.run.traces("_messages.log")
    }

    /// Makes a caller of `caller-when-told.xml` hang up, once it has been answered. A talk of a fixed length would race what the test waits for.
    pub fn hang_up(&self) -> Result<()> {
        self.answered(ANSWERED_WITHIN)?;
        let messages = self.messages();
        let answer = answer(&messages).context("no answer")?;
        let value = |name: &str| -> Result<String> {
            let line = answer.lines().map(str::trim).find_map(|line| line.strip_prefix(name));
            Ok(line.with_context(|| format!("no {name} in {answer}"))?.trim().to_owned())
        };
        let (ours, theirs, call_id) = (value("From:")?, value("To:")?, value("Call-ID:")?);
        let socket = UdpSocket::bind((self.address, 0))?;
        let (from, to) = (socket.local_addr()?, SocketAddr::from((self.address, 5060)));
        let told = format!(
            "MESSAGE sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKtold\r\nFrom: {theirs}\r\nTo: {ours}\r\n\
             Call-ID: {call_id}\r\nCSeq: 1 MESSAGE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        socket.send_to(told.as_bytes(), to)?;
        Ok(())
    }

    /// Kills SIPp, like a crash: no BYE, no audio, no answers.
    pub fn vanish(self) {
        drop(self);
    }

    /// Waits until the call ends as the scenario requires.
    pub fn finish(self, limit: Duration) -> Result<(Endpoint, Outcome)> {
        let outcome = self.run.finish(limit)?;
        Ok((self.audio, outcome))
    }
}

/// A run of SIPp whose SDP names this endpoint.
pub fn sipp(site: &Installation, scenario: &str, host: u8, audio: &Endpoint) -> Sipp {
    let (ip, port) = (audio.address.ip().to_string(), audio.address.port().to_string());
    Sipp::new(scenario, site.peer_address(host), &site.sip())
        .with(&["-key", "caller", CALLER, "-key", "rtp_host", &ip, "-key", "rtp_port", &port])
}

/// The first 200 with audio that SIPp received, and what follows it.
fn answer(messages: &str) -> Option<&str> {
    messages.split("SIP/2.0 200 ").skip(1).find(|text| text.contains("\nm=audio "))
}

/// The SDP of the first 200 that SIPp received.
fn answer_sdp(messages: &str) -> Option<String> {
    let answer = answer(messages)?;
    let sdp = &answer[answer.find("\nv=0")? + 1..];
    Some(sdp.split("\n----").next().unwrap_or(sdp).to_owned())
}

/// The file of a committed prompt, to be sent or expected.
pub fn prompt(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../prompts").join(format!("{name}.wav"))
}

/// The samples of a committed prompt.
pub fn prompt_samples(name: &str) -> Result<Vec<i16>> {
    audio::read_wav(&prompt(name))
}

/// Waits until the dial plan leads this number out: it then refuses a caller from outside, for whom the number did not exist before.
pub fn goes_out(site: &Installation, number: &str) -> Result<()> {
    let audio = Endpoint::listen(site.peer_address(2).into())?;
    wait::until(KNOWN_WITHIN, || {
        let stranger = sipp(site, "caller-refused-403.xml", 2, &audio).dial(number).calls(1, 1, 1);
        Ok((stranger.run(REFUSED_WITHIN)?.code == 0).then_some(()))
    })
}
