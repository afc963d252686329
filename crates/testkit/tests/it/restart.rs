//! The whole process is killed and restarted on its data: calls, agents and registrations survive.

use std::net::UdpSocket;
use std::time::Duration;

use anyhow::{Context, Result};
use testkit::agents::{baresip_agent, baresip_phone, baresip_phone_over};
use testkit::caller::{CALLER, Caller, prompt_samples};
use testkit::{Answer, Installation, Phone, audio, wait};

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);
const ALIKE: f64 = 0.9;
/// Samples in a second.
const SECOND: usize = 8_000;

/// Waits until the caller has received `samples` samples more than `before`.
fn hears_more(caller: &Caller, before: usize, samples: usize) -> Result<()> {
    wait::until(LATER, || Ok((caller.audio.received().samples.len() >= before + samples).then_some(())))
        .with_context(|| format!("{} samples heard, {before} of them before", caller.audio.received().samples.len()))
}

/// Waits until the phone has recorded `seconds` seconds more than `before` bytes.
fn phone_hears_more(phone: &Phone, before: u64, seconds: u64) -> Result<()> {
    wait::until(LATER, || Ok((heard_bytes(phone) >= before + seconds * 16_000).then_some(())))
}

fn heard_bytes(phone: &Phone) -> u64 {
    phone.heard().and_then(|path| Ok(std::fs::metadata(path)?.len())).unwrap_or(0)
}

#[test]
fn an_echo_call_goes_on_after_a_crash() -> Result<()> {
    let site = Installation::start()?;
    let speech = prompt_samples("announcement")?;
    let mut caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("echo")?, &[])?;
    let media = caller.answered(SOON)?;
    caller.audio.say(&speech, media)?;
    hears_more(&caller, 0, 2 * SECOND)?;
    let site = site.crash_and_restart()?;
    caller.audio.finish_saying()?;
    let before = caller.audio.received().samples.len();
    caller.audio.say(&speech, media)?;
    caller.audio.finish_saying()?;
    hears_more(&caller, before, speech.len() - SECOND)?;
    caller.hang_up()?;
    let (audio, outcome) = caller.finish(LATER)?;
    outcome.expect_success()?;
    let heard = audio.received();
    let after = audio::compare(&speech, &heard.samples[before..])?;
    assert!(after.similarity > ALIKE, "{after:?}");
    assert_eq!(heard.sources, [media], "the audio comes from where it came before");
    site.is_at_rest()
}

#[test]
fn an_announcement_goes_on_and_ends_after_a_crash() -> Result<()> {
    let mut site = Installation::start()?;
    let caller = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("announcement")?, &[])?;
    caller.answered(SOON)?;
    hears_more(&caller, 0, 2 * SECOND)?;
    // Before the new start: the announcement goes on as soon as media can.
    site.crash()?;
    let before = caller.audio.received().samples.len();
    let site = site.crash_and_restart()?;
    let (audio, outcome) = caller.finish(LATER)?;
    outcome.expect_success()?;
    let (prompt, heard) = (prompt_samples("announcement")?, audio.received().samples);
    let rest = audio::compare(&prompt[prompt.len() / 2..], &heard[before.min(heard.len())..])?;
    assert!(rest.similarity > ALIKE, "the end of the announcement is heard after the crash: {rest:?}");
    site.is_at_rest()
}

#[test]
fn a_queued_call_keeps_its_place_and_reaches_an_agent_after_a_crash() -> Result<()> {
    let site = Installation::start()?;
    let mut first = Caller::dial(&site, "caller.xml", 1, site.number("sales")?, &["-d", "240000"])?;
    // A caller without audio would be checked for being alive, which SIPp does not expect. Both call for longer than anything here takes on a
    // loaded machine.
    let murmur = prompt_samples("announcement")?.repeat(40);
    let media = first.answered(SOON)?;
    first.audio.say(&murmur, media)?;
    site.metric_becomes("rq", "rq_requests_open", 1.0, LATER)?;
    let mut second = Caller::dial(&site, "caller.xml", 2, site.number("sales")?, &["-d", "240000"])?;
    let media = second.answered(SOON)?;
    second.audio.say(&murmur, media)?;
    site.metric_becomes("rq", "rq_requests_open", 2.0, LATER)?;
    let site = site.crash_and_restart()?;
    let before = first.audio.received().samples.len();
    hears_more(&first, before, SECOND)?;
    let mut agent = baresip_agent(&site, 10, "7101", Answer::Auto)?;
    agent.wait_for("CALL_ESTABLISHED", LATER).context("the first in the queue")?;
    // The agent speaks only to the first in the queue.
    let before = (first.audio.received().samples.len(), second.audio.received().samples.len());
    hears_more(&first, before.0, 6 * SECOND)?;
    let (speech, at_first) = (prompt_samples("support-welcome")?, first.audio.received().samples);
    let heard = audio::compare(&speech, &at_first[before.0..])?;
    assert!(heard.similarity > ALIKE, "the first hears the agent: {heard:?}");
    let at_second = second.audio.received().samples;
    let heard = audio::compare(&speech, &at_second[before.1..])?;
    assert!(heard.similarity < 0.5, "the second does not: {heard:?}");
    agent.hang_up()?;
    // The agent wraps up and gets the second call.
    agent.wait_for("CALL_CLOSED", SOON)?;
    agent.wait_for("CALL_ESTABLISHED", LATER).context("the second in the queue")?;
    agent.hang_up()?;
    site.is_at_rest()
}

#[test]
fn a_conversation_goes_on_after_a_crash_and_the_caller_hangs_up() -> Result<()> {
    let site = Installation::start()?;
    let mut agent = baresip_agent(&site, 10, "7101", Answer::Auto)?;
    let mut caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("sales")?, &[])?;
    let media = caller.answered(SOON)?;
    agent.wait_for("CALL_ESTABLISHED", LATER)?;
    let speech = prompt_samples("announcement")?;
    caller.audio.say(&speech, media)?;
    phone_hears_more(&agent, heard_bytes(&agent), 2)?;
    let site = site.crash_and_restart()?;
    caller.audio.finish_saying()?;
    let (at_caller, at_agent) = (caller.audio.received().samples.len(), heard_bytes(&agent));
    caller.audio.say(&speech, media)?;
    caller.audio.finish_saying()?;
    hears_more(&caller, at_caller, 8 * SECOND)?;
    phone_hears_more(&agent, at_agent, 5)?;
    caller.hang_up()?;
    let (audio, outcome) = caller.finish(LATER)?;
    outcome.expect_success()?;
    agent.wait_for("CALL_CLOSED", SOON)?;
    let heard = audio::read_wav(&agent.heard()?)?;
    let from = usize::try_from(at_agent / 2)?.min(heard.len());
    let later = audio::compare(&speech, &heard[from..])
        .with_context(|| format!("the agent heard {} samples, {from} of them before", heard.len()))?;
    assert!(later.similarity > ALIKE, "the agent hears the caller: {later:?}");
    let later = audio::compare(&prompt_samples("support-welcome")?, &audio.received().samples[at_caller..])?;
    assert!(later.similarity > ALIKE, "the caller hears the agent: {later:?}");
    site.is_at_rest()?;
    // Still registered, logged in and, after wrap-up, ready: the next call comes without a request of the agent.
    let next = Caller::dial(&site, "caller-until-bye.xml", 2, site.number("sales")?, &[])?;
    agent.wait_for("CALL_ESTABLISHED", LATER)?;
    agent.hang_up()?;
    next.finish(LATER)?.1.expect_success()?;
    site.is_at_rest()
}

#[test]
fn a_conversation_goes_on_after_a_crash_and_the_agent_hangs_up() -> Result<()> {
    let site = Installation::start()?;
    let mut agent = baresip_agent(&site, 10, "7101", Answer::Auto)?;
    let caller = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    agent.wait_for("CALL_ESTABLISHED", LATER)?;
    let site = site.crash_and_restart()?;
    agent.hang_up()?;
    caller.finish(SOON)?.1.expect_success()?;
    agent.wait_for("CALL_CLOSED", SOON)?;
    site.is_at_rest()
}

#[test]
fn agents_and_phones_are_as_before_after_a_crash() -> Result<()> {
    let site = Installation::start()?;
    let mut agent = baresip_agent(&site, 10, "7101", Answer::Auto)?;
    let mut phone = baresip_phone(&site, 11, "7102", Answer::Auto)?;
    site.metric_becomes("agent-state", "agentstate_agents_logged_in", 1.0, SOON)?;
    let site = site.crash_and_restart()?;
    site.metric_becomes("agent-state", "agentstate_agents_logged_in", 1.0, SOON)?;
    let caller = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    agent.wait_for("CALL_ESTABLISHED", LATER)?;
    agent.hang_up()?;
    caller.finish(SOON)?.1.expect_success()?;
    agent.wait_for("CALL_CLOSED", SOON)?;
    // A phone without a logged-in agent is called by a colleague.
    agent.dial("7102")?;
    phone.wait_for("CALL_ESTABLISHED", SOON)?;
    phone.hang_up()?;
    agent.wait_for("CALL_CLOSED", SOON)?;
    site.is_at_rest()
}

/// A conversation of a sales caller with an agent whose phone is connected by TCP.
fn tcp_conversation(site: &Installation, scenario: &str) -> Result<(Phone, Caller)> {
    let mut agent = baresip_phone_over("tcp", site, 10, "7101", Answer::Auto)?;
    site.log_in("7101")?;
    let mut caller = Caller::dial(site, scenario, 1, site.number("sales")?, &[])?;
    let media = caller.answered(SOON)?;
    agent.wait_for("CALL_ESTABLISHED", LATER)?;
    caller.audio.say(&prompt_samples("announcement")?.repeat(40), media)?;
    Ok((agent, caller))
}

#[test]
fn a_conversation_of_a_tcp_phone_ends_by_its_bye_after_a_crash() -> Result<()> {
    let site = Installation::start()?;
    let (mut agent, caller) = tcp_conversation(&site, "caller-until-bye.xml")?;
    let site = site.crash_and_restart()?;
    // Its connection is closed. It opens another one for its BYE.
    agent.hang_up()?;
    caller.finish(SOON)?.1.expect_success()?;
    agent.wait_for("CALL_CLOSED", SOON)?;
    site.is_at_rest()
}

#[test]
fn a_tcp_phone_is_told_the_end_and_called_again_where_it_listens_after_a_crash() -> Result<()> {
    let site = Installation::start()?;
    let (mut agent, caller) = tcp_conversation(&site, "caller-when-told.xml")?;
    let site = site.crash_and_restart()?;
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    // It has sent nothing since: its connection is closed, and its next registration is due only after an hour.
    agent.wait_for("CALL_CLOSED", SOON)?;
    site.is_at_rest()?;
    let next = Caller::dial(&site, "caller-until-bye.xml", 2, site.number("sales")?, &[])?;
    agent.wait_for("CALL_ESTABLISHED", LATER)?;
    agent.hang_up()?;
    next.finish(SOON)?.1.expect_success()?;
    site.is_at_rest()
}

#[test]
fn a_tcp_phone_that_vanishes_after_a_crash_keeps_nobody_and_no_other_phone_is_told() -> Result<()> {
    let site = Installation::start()?;
    let (agent, caller) = tcp_conversation(&site, "caller-until-bye.xml")?;
    let site = site.crash_and_restart()?;
    agent.vanish()?;
    // The first connections of the new run: none of them may be mistaken for the closed one.
    let mut others = Vec::new();
    for (host, extension) in [(11, "7102"), (12, "7103"), (13, "7104")] {
        others.push(baresip_phone_over("tcp", &site, host, extension, Answer::Auto)?);
    }
    caller.finish(LATER)?.1.expect_success()?;
    site.is_at_rest()?;
    for other in &mut others {
        assert!(!other.has_seen("CALL_INCOMING")? && !other.has_seen("CALL_CLOSED")?);
    }
    Ok(())
}

/// A caller with its own socket, which sees every retransmission.
struct BareCaller {
    socket: UdpSocket,
    address: std::net::Ipv4Addr,
    edge: String,
}

impl BareCaller {
    fn new(site: &Installation, host: u8) -> Result<Self> {
        let address = site.peer_address(host);
        let socket = UdpSocket::bind((address, 5_060))?;
        socket.connect(site.sip())?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address, edge: site.sip() })
    }

    /// Sends a request; `more` is the rest of its header section.
    fn say(&self, method: &str, uri: &str, cseq: u8, more: &str, body: &str) -> Result<()> {
        let Self { address, edge, .. } = self;
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {address}:5060;branch=z9hG4bK-{method}-{cseq}\r\nMax-Forwards: 70\r\n\
             From: <sip:{CALLER}@{address}>;tag=bare\r\nCall-ID: bare@{address}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:{CALLER}@{address}:5060>\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\n{more}\
             Content-Length: {}\r\n\r\n{body}",
            body.len(),
        );
        self.socket.send_to(text.as_bytes(), edge)?;
        Ok(())
    }

    fn invite(&self, number: &str) -> Result<()> {
        let Self { address, edge, .. } = self;
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"
        );
        let uri = format!("sip:{number}@{edge}");
        self.say("INVITE", &uri, 1, &format!("To: <{uri}>\r\nContent-Type: application/sdp\r\n"), &sdp)
    }

    /// Sends a request within the dialog established by this answer.
    fn say_within(&self, answer: &str, method: &str, cseq: u8) -> Result<()> {
        let value = |name: &str| {
            let line = answer.lines().find_map(|line| line.strip_prefix(name));
            line.map(str::trim).with_context(|| format!("no {name} in {answer}"))
        };
        let more = format!("To: {}\r\nRoute: {}\r\n", value("To:")?, value("Record-Route:")?);
        self.say(method, value("Contact:")?.trim_matches(['<', '>']), cseq, &more, "")
    }

    /// Discards all unread messages.
    fn overhear(&self) {
        while self.socket.recv(&mut [0; 65_536]).is_ok() {}
    }

    /// The next 200 to a request with this method.
    fn hears_success(&self, method: &str) -> Result<String> {
        let mut bytes = vec![0; 65_536];
        wait::until(SOON, || {
            let Ok(length) = self.socket.recv(&mut bytes) else { return Ok(None) };
            let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
            let of_method = text.lines().any(|line| line.starts_with("CSeq:") && line.ends_with(method));
            Ok((of_method && text.starts_with("SIP/2.0 200")).then_some(text))
        })
        .with_context(|| format!("no 200 to {method}"))
    }
}

#[test]
fn an_answer_that_nobody_has_acknowledged_is_repeated_after_a_crash() -> Result<()> {
    let mut site = Installation::start()?;
    let caller = BareCaller::new(&site, 1)?;
    caller.invite(site.number("echo")?)?;
    let answer = caller.hears_success("INVITE")?;
    site.crash()?;
    caller.overhear();
    let site = site.crash_and_restart()?;
    let repeated = caller.hears_success("INVITE")?;
    assert_eq!(repeated.split("\r\n\r\n").nth(1), answer.split("\r\n\r\n").nth(1), "the same session");
    caller.say_within(&repeated, "ACK", 1)?;
    caller.say_within(&repeated, "BYE", 2)?;
    caller.hears_success("BYE")?;
    site.is_at_rest()
}
