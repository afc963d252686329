//! The phone of a desktop in a browser: by a ticket and without a password, for as long as its session, and through a page that is loaded
//! again.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use testkit::agents::baresip_phone_that_says;
use testkit::audio::{read_wav, write_wav};
use testkit::browser::Browser;
use testkit::{Answer, Installation, wait};

use super::agent;
use super::desk::PlainDesk;
use crate::carried::carried;
use crate::conference::{TONES, heard, tone};
use crate::replicas::{TwoReplicas, comes_to_work, start_with_two};
use crate::web_phones;

const SOON: Duration = Duration::from_secs(60);
const LATER: Duration = Duration::from_secs(90);
/// A browser takes some seconds to start, and what it hears some more.
const IN_BROWSER: Duration = Duration::from_secs(180);
/// The phone of the first agent, which is in a browser here, and that of the second one, which is not, and is called.
const BROWSER: &str = "7101";
const OTHER_KIND: &str = "7102";
const REALM: &str = "example.trunkline.invalid";
/// Where webrtc asks by what it answers challenges, and bytes of a question and of its answer at least.
const CONFIG: u16 = 9_100;
const QUESTION_BYTES: u64 = 150;

/// The desktop of an agent of the demo, who works at the own phone.
fn desk_of(site: &Installation, number: usize) -> Result<PlainDesk<'_>> {
    let user = agent(site, number)?;
    let desk = PlainDesk::begun(site, user)?;
    desk.activates(user)?;
    Ok(desk)
}

fn ticket(desk: &PlainDesk<'_>, device: &str) -> Result<Value> {
    let answer = desk.succeeds("POST", "browser-phone", &json!({"data": {"device": device}}), 0)?;
    Ok(answer["data"].clone())
}

/// A phone without a library: a WebSocket, and one message of SIP in each of its messages.
struct PlainPhone(TcpStream);

impl PlainPhone {
    /// Opens a WebSocket at the address of a ticket.
    fn open(url: &str) -> Result<Self> {
        let rest = url.strip_prefix("ws://").with_context(|| format!("the edge is in the clear here: {url}"))?;
        let (place, path) = rest.split_once('/').context("no path")?;
        let mut stream = TcpStream::connect(place)?;
        stream.set_read_timeout(Some(SOON))?;
        let opening = format!(
            "GET /{path} HTTP/1.1\r\nHost: {place}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
        );
        stream.write_all(opening.as_bytes())?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            answer.extend_from_slice(&byte);
        }
        let answer = String::from_utf8(answer)?;
        ensure!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        Ok(Self(stream))
    }

    fn send(&mut self, message: &str) -> Result<()> {
        let length = u16::try_from(message.len())?.to_be_bytes();
        // One whole text message with a mask of zeros.
        let head = [0x81, 0x80 | 126, length[0], length[1], 0, 0, 0, 0];
        Ok(self.0.write_all(&[&head[..], message.as_bytes()].concat())?)
    }

    /// The next message of SIP; none if the WebSocket is closed.
    fn next(&mut self) -> Result<Option<String>> {
        loop {
            let mut head = [0; 2];
            match self.0.read_exact(&mut head) {
                Ok(()) => {}
                Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
            let length = match head[1] {
                126 => {
                    let mut length = [0; 2];
                    self.0.read_exact(&mut length)?;
                    usize::from(u16::from_be_bytes(length))
                }
                127 => bail!("a message of more than 64 KiB"),
                length => usize::from(length),
            };
            let mut payload = vec![0; length];
            self.0.read_exact(&mut payload)?;
            match head[0] & 0xF {
                1 | 2 => return Ok(Some(String::from_utf8(payload)?)),
                8 => return Ok(None),
                _ => {}
            }
        }
    }

    /// Registers a number; the answer.
    fn registers(&mut self, number: &str, cseq: u32) -> Result<String> {
        self.send(&format!(
            "REGISTER sip:{REALM} SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bKr{cseq}\r\nMax-Forwards: 70\r\n\
             From: <sip:{number}@{REALM}>;tag=a\r\nTo: <sip:{number}@{REALM}>\r\nCall-ID: one@x.invalid\r\n\
             CSeq: {cseq} REGISTER\r\nContact: <sip:page@x.invalid;transport=ws>;expires=600\r\nContent-Length: 0\r\n\r\n"
        ))?;
        self.next()?.context("the WebSocket is closed")
    }
}

/// own-07: webrtc answers the challenge by what config has. voice-57: there is no other way from it to sip-proxy.
#[test]
fn a_page_with_a_ticket_registers_without_a_password_and_webrtc_asks_config() -> Result<()> {
    let site = web_phones::site()?;
    let desk = desk_of(&site, 0)?;
    let before = carried(&site, "webrtc", "config", CONFIG)?;
    let given = ticket(&desk, "tab")?;
    ensure!(given["number"] == BROWSER && given["realm"] == REALM && given["expiresIn"] == 60, "{given}");
    let url = given["url"].as_str().context("no url")?;
    ensure!(!url.contains(BROWSER), "a ticket shows nothing: {url}");
    let mut phone = PlainPhone::open(url)?;
    let answer = phone.registers(BROWSER, 1)?;
    ensure!(answer.starts_with("SIP/2.0 200 ") && answer.contains("sip:page@x.invalid"), "{answer}");
    site.metric_becomes("webrtc", "webrtc_challenges_answered_total", 1.0, SOON)?;
    let mut now = before;
    wait::until(SOON, || {
        now = carried(&site, "webrtc", "config", CONFIG)?;
        let grown = now.sent >= before.sent + QUESTION_BYTES && now.received >= before.received + QUESTION_BYTES;
        Ok(grown.then_some(()))
    })
    .with_context(|| format!("own-07: {before:?}, then {now:?}"))?;
    let other = phone.registers(OTHER_KIND, 2)?;
    ensure!(other.starts_with("SIP/2.0 403 "), "a ticket is for one phone: {other}");
    Ok(())
}

#[test]
fn a_ticket_is_for_phones_in_browsers_and_nobody_makes_one() -> Result<()> {
    let site = Installation::start()?;
    let user = agent(&site, 1)?;
    let desk = PlainDesk::begun(&site, user)?;
    let body = json!({"data": {}});
    let (status, answer) = desk.ask("POST", "browser-phone", &body)?;
    ensure!(status == 409, "there is no DN yet: {status} {answer}");
    desk.activates(user)?;
    let (status, answer) = desk.ask("POST", "browser-phone", &body)?;
    let message = answer["status"]["message"].as_str().unwrap_or_default();
    ensure!(status == 409 && message.contains("dtls"), "{status} {answer}");
    let web = site.demo.web.replacen("http", "ws", 1);
    for forged in ["AAAA", "%00", "none.of.ours"] {
        let mut phone = PlainPhone::open(&format!("{web}/webrtc?ticket={forged}&flow=1"))?;
        ensure!(phone.next()?.is_none(), "{forged} opens a phone");
    }
    ensure!(site.metric("webrtc", "webrtc_tickets_bad_total")? == 3.0);
    Ok(())
}

#[test]
fn a_phone_ends_with_the_sign_in_of_its_desktop() -> Result<()> {
    let site = web_phones::site()?;
    let user = agent(&site, 0)?;
    let token = super::desk::token(&site, user)?;
    let desk = PlainDesk::by_token(&site, &token)?;
    desk.activates(user)?;
    let given = ticket(&desk, "tab")?;
    let mut phone = PlainPhone::open(given["url"].as_str().context("no url")?)?;
    let answer = phone.registers(BROWSER, 1)?;
    ensure!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    let revoked = testkit::Visitor::new(&site)?.revoke(&token)?;
    ensure!(revoked.status == 200, "{} {}", revoked.head, revoked.body);
    site.metric_becomes("webrtc", "webrtc_flows_revoked_total", 1.0, LATER)?;
    ensure!(phone.next()?.is_none(), "it is still open");
    Ok(())
}

/// A session that ends without its page ends the page's right to be called, though not its sign-in; another session gives it back.
#[test]
fn a_phone_is_called_as_long_as_a_session_of_the_desktop_has_its_dn() -> Result<()> {
    let site = web_phones::site()?;
    let user = agent(&site, 0)?;
    let token = super::desk::token(&site, user)?;
    let desk = PlainDesk::by_token(&site, &token)?;
    desk.activates(user)?;
    let given = ticket(&desk, "tab")?;
    let mut phone = PlainPhone::open(given["url"].as_str().context("no url")?)?;
    let answer = phone.registers(BROWSER, 1)?;
    ensure!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    let unused = ticket(&desk, "another tab")?;
    desk.succeeds("POST", "logout", &Value::Null, 0)?;
    site.metric_becomes("webrtc", "webrtc_flows_barred_total", 1.0, SOON)?;
    let answer = phone.registers(BROWSER, 2)?;
    ensure!(answer.starts_with("SIP/2.0 403 "), "nobody works there: {answer}");
    let mut other = PlainPhone::open(unused["url"].as_str().context("no url")?)?;
    ensure!(other.next()?.is_none(), "a ticket that was given before opens a phone");
    let desk = PlainDesk::by_token(&site, &token)?;
    desk.activates(user)?;
    // One that is given in the second in which the right has ended is none.
    let mut cseq = 2;
    wait::until(SOON, || {
        cseq += 1;
        let given = ticket(&desk, "tab")?;
        let mut phone = PlainPhone::open(given["url"].as_str().context("no url")?)?;
        Ok(phone.registers(BROWSER, cseq).ok().filter(|answer| answer.starts_with("SIP/2.0 200 ")).map(drop))
    })
    .context("somebody works there again")?;
    ensure!(site.metric("webrtc", "webrtc_flows_revoked_total")? == 0.0);
    Ok(())
}

#[test]
fn a_phone_leaves_a_webrtc_that_hangs_and_registers_at_another_one() -> Result<()> {
    let site = web_phones::with_web_phone(start_with_two("webrtc")?)?;
    let replicas = TwoReplicas::of(&site, "webrtc");
    let desk = desk_of(&site, 0)?;
    let mut cseq = 0;
    let mut registered = || -> Result<PlainPhone> {
        cseq += 1;
        let given = ticket(&desk, "tab")?;
        let mut phone = PlainPhone::open(given["url"].as_str().context("no url")?)?;
        let answer = phone.registers(BROWSER, cseq)?;
        ensure!(answer.starts_with("SIP/2.0 200 "), "{answer}");
        Ok(phone)
    };
    let mut phone = registered()?;
    let at = wait::until(SOON, || {
        for replica in [1, 2] {
            if site.metric_of("webrtc", replica, "webrtc_challenges_answered_total")? > 0.0 {
                return Ok(Some(replica));
            }
        }
        Ok(None)
    })
    .context("which replica has the phone")?;
    let hung = replicas.stop(at)?;
    // It says nothing more, and its kernel closes nothing: the edge does.
    while phone.next().context("its WebSocket is still open")?.is_some() {}
    comes_to_work("while a replica hangs", || registered().map(drop))?;
    drop(hung);
    Ok(())
}

/// A page with a phone calls and is called; with SIP.js its page is loaded again and its WebSocket lost in the call.
fn calls_by_ticket(library: &str) -> Result<()> {
    let (site, files) = (web_phones::site()?, tempfile::tempdir()?);
    let desk = desk_of(&site, 0)?;
    let [says, desk_says] = ["web.wav", "desk.wav"].map(|name| files.path().join(name));
    write_wav(&says, &tone(TONES[0], 60))?;
    write_wav(&desk_says, &tone(TONES[1], 400))?;
    let mut called = baresip_phone_that_says(&desk_says, &site, 11, OTHER_KIND, Answer::Auto)?;
    let folder = files.path().display().to_string();
    let paths = [library, &site.demo.web, &desk.cookie, OTHER_KIND, &folder].map(str::to_owned);
    let mut web = Browser::start_with_microphone("ticketPhone", &site, &paths, &says)?;
    let hears = |name: &str| -> Result<()> {
        let tones = heard(&read_wav(&files.path().join(format!("{name}.wav")))?);
        ensure!(tones == [TONES[1]], "the browser hears the phone: {name}: {tones:?}");
        Ok(())
    };
    web.says("heard called", IN_BROWSER)?;
    hears("called")?;
    if library == "sip.js" {
        web.says("heard reloaded", IN_BROWSER)?;
        hears("reloaded")?;
        web.says("heard reconnected", IN_BROWSER)?;
        hears("reconnected")?;
        ensure!(site.metric("webrtc", "webrtc_flows_resumed_total")? >= 2.0);
    }
    web.says("heard retrieved", IN_BROWSER)?;
    hears("retrieved")?;
    called.wait_for("CALL_CLOSED", LATER)?;
    ensure!(heard(&read_wav(&called.heard()?)?) == [TONES[0]], "the phone hears the browser");
    web.says("waits", IN_BROWSER)?;
    called.dial(BROWSER)?;
    called.wait_for("CALL_ESTABLISHED", LATER)?;
    web.says("heard caller", IN_BROWSER)?;
    hears("caller")?;
    called.hang_up()?;
    web.finish(IN_BROWSER)
}

#[test]
fn sip_js_by_ticket_keeps_its_call_through_a_reload_and_a_lost_web_socket() -> Result<()> {
    calls_by_ticket("sip.js")
}

#[test]
fn jssip_by_ticket_calls_and_is_called() -> Result<()> {
    calls_by_ticket("jssip")
}
