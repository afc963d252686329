//! Phones in a browser: JsSIP and SIP.js, unchanged, in Chromium, by WebSocket under TLS with audio encrypted by DTLS; and what else comes to
//! the ports for WebSocket.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::agents::{baresip_phone_speaking, baresip_phone_that_says, password};
use testkit::audio::{read_wav, write_wav};
use testkit::browser::Browser;
use testkit::process::signal;
use testkit::{Answer, Installation, kernel, wait};

use crate::conference::{SOON, TONES, comes_to_hear, heard, tone};

/// A browser takes some seconds to start, and what it hears some more.
const IN_BROWSER: Duration = Duration::from_secs(150);
/// The phone in the browser, and the one that it talks to.
const WEB: &str = "7101";
const DESK: &str = "7102";

/// A site whose first phone is in a browser.
pub(crate) fn site() -> Result<Installation> {
    with_web_phone(Installation::start()?)
}

/// The same installation with a phone for browsers.
pub(crate) fn with_web_phone(site: Installation) -> Result<Installation> {
    let phone = format!("- {{number: \"{WEB}\", ");
    site.change_example(|text| {
        assert!(text.contains(&phone), "the example has changed");
        text.replacen(&phone, &format!("{phone}encryption: dtls, "), 1)
    })?;
    Ok(site)
}

/// By which address the page reaches sip-proxy.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Its own port, under TLS.
    Secure,
    /// That of the pages.
    Ingress,
    /// That of the pages, and by webrtc.
    Gateway,
}

/// What a task of the browser needs of its phone, which calls the other one.
fn phone_at(site: &Installation, library: &str, url: &str, files: &Path) -> Result<[String; 7]> {
    let folder = files.display().to_string();
    let realm = "example.trunkline.invalid";
    Ok([library, url, realm, WEB, password(site, WEB)?, DESK, &folder].map(str::to_owned))
}

fn calls_and_is_called(library: &str, way: Way) -> Result<()> {
    let (site, files) = (site()?, tempfile::tempdir()?);
    let [says, desk_says] = ["web.wav", "desk.wav"].map(|name| files.path().join(name));
    write_wav(&says, &tone(TONES[0], 60))?;
    write_wav(&desk_says, &tone(TONES[1], 240))?;
    let mut desk = baresip_phone_that_says(&desk_says, &site, 11, DESK, Answer::Auto)?;
    let (url, kind) = match way {
        Way::Secure => (format!("wss://{}/", site.secure_web_socket()), "wss"),
        Way::Ingress => (format!("{}/sip", site.demo.web.replacen("http", "ws", 1)), "ws"),
        Way::Gateway => (format!("{}/webrtc", site.demo.web.replacen("http", "ws", 1)), "ws"),
    };
    let paths = phone_at(&site, library, &url, files.path())?;
    let mut web = Browser::start_with_microphone("phone", &site, &paths, &says)?;
    web.says("registered", IN_BROWSER)?;
    match way {
        Way::Gateway => site.metric_becomes("webrtc", "webrtc_flows", 1.0, SOON)?,
        Way::Secure | Way::Ingress => {
            site.metric_becomes("sip-proxy", &format!("sip_proxy_connections_{kind}"), 1.0, SOON)?;
        }
    }
    web.says("heard called", IN_BROWSER)?;
    let path = web.says("path", IN_BROWSER)?;
    ensure!(path.contains("connected"), "{path}");
    ensure!(heard(&read_wav(&files.path().join("called.wav"))?) == [TONES[1]], "the browser hears the phone");
    web.says("holds", IN_BROWSER)?;
    web.says("heard retrieved", IN_BROWSER)?;
    ensure!(heard(&read_wav(&files.path().join("retrieved.wav"))?) == [TONES[1]], "and hears it again");
    desk.wait_for("CALL_CLOSED", SOON)?;
    ensure!(heard(&read_wav(&desk.heard()?)?) == [TONES[0]], "the phone hears the browser");
    web.says("waits", IN_BROWSER)?;
    desk.dial(WEB)?;
    desk.wait_for("CALL_ESTABLISHED", SOON)?;
    web.says("heard caller", IN_BROWSER)?;
    let caller = heard(&read_wav(&files.path().join("caller.wav"))?);
    ensure!(caller == [TONES[1]], "the browser hears its caller: {caller:?}");
    ensure!(heard(&read_wav(&desk.heard()?)?) == [TONES[0]], "the caller hears the browser");
    desk.hang_up()?;
    web.finish(IN_BROWSER)
}

#[test]
fn jssip_in_a_browser_calls_and_is_called() -> Result<()> {
    calls_and_is_called("jssip", Way::Secure)
}

#[test]
fn a_page_and_its_phone_have_one_address() -> Result<()> {
    calls_and_is_called("jssip", Way::Ingress)
}

#[test]
fn sip_js_in_a_browser_calls_and_is_called() -> Result<()> {
    calls_and_is_called("sip.js", Way::Secure)
}

/// voice-57: what the phone says and what it is told goes by webrtc alone.
#[test]
fn jssip_with_a_password_is_a_phone_by_webrtc_too() -> Result<()> {
    calls_and_is_called("jssip", Way::Gateway)
}

#[test]
fn sip_js_with_a_password_is_a_phone_by_webrtc_too() -> Result<()> {
    calls_and_is_called("sip.js", Way::Gateway)
}

/// What a phone says of the codecs in which it sends and hears.
const BOTH_WAYS_OPUS: &str = "codec audio/opus audio/opus";

/// SIP.js as the phone of a number, which calls another one, or is called where that is empty.
fn codec_phone(site: &Installation, of: &str, calls: &str, says: &Path, files: &Path) -> Result<Browser> {
    let url = format!("wss://{}/", site.secure_web_socket());
    let (realm, folder) = ("example.trunkline.invalid", files.display().to_string());
    let given = ["sip.js", &url, realm, of, password(site, of)?, calls, &folder].map(str::to_owned);
    Browser::start_with_microphone("codecPhone", site, &given, says)
}

#[test]
fn a_phone_with_opus_alone_is_heard_in_opus_by_the_browser_that_it_calls() -> Result<()> {
    let (site, files) = (site()?, tempfile::tempdir()?);
    let [says, desk_says] = ["web.wav", "desk.wav"].map(|name| files.path().join(name));
    write_wav(&says, &tone(TONES[0], 60))?;
    write_wav(&desk_says, &tone(TONES[1], 240))?;
    let mut desk = baresip_phone_speaking("opus/48000/1", &desk_says, &site, 11, DESK)?;
    let mut web = codec_phone(&site, WEB, "", &says, files.path())?;
    web.says("registered", IN_BROWSER)?;
    desk.dial(&format!("sip:{WEB}@{}", site.sip()))?;
    desk.wait_for("CALL_ESTABLISHED", SOON)?;
    assert_eq!(web.says("codec", IN_BROWSER)?, BOTH_WAYS_OPUS, "nothing is made G.711 on the way");
    web.says("heard", IN_BROWSER)?;
    let hears = heard(&read_wav(&files.path().join("heard-7101.wav"))?);
    ensure!(hears == [TONES[1]], "the browser hears the phone: {hears:?}");
    comes_to_hear(&desk, &[TONES[0]])?;
    desk.hang_up()?;
    web.finish(IN_BROWSER)?;
    site.is_at_rest()
}

#[test]
fn two_browsers_speak_opus_with_each_other() -> Result<()> {
    let (site, files) = (site()?, tempfile::tempdir()?);
    let phone = format!("- {{number: \"{DESK}\", ");
    site.change_example(|text| {
        assert!(text.contains(&phone), "the example has changed");
        text.replacen(&phone, &format!("{phone}encryption: dtls, "), 1)
    })?;
    let [says, other_says] = ["web.wav", "other.wav"].map(|name| files.path().join(name));
    write_wav(&says, &tone(TONES[0], 60))?;
    write_wav(&other_says, &tone(TONES[1], 60))?;
    let mut called = codec_phone(&site, DESK, "", &other_says, files.path())?;
    called.says("registered", IN_BROWSER)?;
    let mut calls = codec_phone(&site, WEB, DESK, &says, files.path())?;
    for (browser, user, hz) in [(&mut calls, WEB, TONES[1]), (&mut called, DESK, TONES[0])] {
        assert_eq!(browser.says("codec", IN_BROWSER)?, BOTH_WAYS_OPUS, "{user}");
        browser.says("heard", IN_BROWSER)?;
        let hears = heard(&read_wav(&files.path().join(format!("heard-{user}.wav")))?);
        ensure!(hears == [hz], "{user} hears {hears:?}");
    }
    fs::write(files.path().join("enough"), "")?;
    calls.finish(IN_BROWSER)?;
    called.finish(IN_BROWSER)?;
    site.is_at_rest()
}

/// Opens a WebSocket for SIP, with this header, and sends a REGISTER by it; returns the connection and what the opening was answered.
/// The replica of a role that has the call, by a metric that counts calls.
fn replica_with_call(site: &Installation, role: &str, replicas: u8, metric: &str) -> Result<u8> {
    wait::until(SOON, || {
        // One that starts again does not answer yet.
        Ok((1..=replicas).find(|replica| site.metric_of(role, *replica, metric).is_ok_and(|calls| calls > 0.0)))
    })
    .with_context(|| format!("no {role} has the call"))
}

/// Kills the node of a role that has the call, which another one or its next process takes over.
fn fails(site: &Installation, role: &str, replicas: u8, metric: &str) -> Result<()> {
    let node = format!("{role}-{}", replica_with_call(site, role, replicas, metric)?);
    let pid = *kernel::processes(site.pid())?.get(&node).with_context(|| format!("no process {node}"))?;
    signal(pid, "KILL")?;
    replica_with_call(site, role, replicas, metric).map(drop)
}

/// The keys of the audio outlive the process that agreed on them, and the WebSocket leads to whoever has the call.
#[test]
fn a_call_of_a_browser_outlives_its_servers() -> Result<()> {
    let settings = ["--processes", "--replicas", "2", "--set", "process.restart_after=100ms"];
    let (site, files) = (with_web_phone(Installation::start_on_servers(&settings)?)?, tempfile::tempdir()?);
    let [says, desk_says] = ["web.wav", "desk.wav"].map(|name| files.path().join(name));
    write_wav(&says, &tone(TONES[0], 60))?;
    write_wav(&desk_says, &tone(TONES[1], 240))?;
    let mut desk = baresip_phone_that_says(&desk_says, &site, 11, DESK, Answer::Auto)?;
    let url = format!("wss://{}/", site.secure_web_socket());
    let paths = phone_at(&site, "jssip", &url, files.path())?;
    let mut web = Browser::start_with_microphone("lastingPhone", &site, &paths, &says)?;
    web.says("heard called", IN_BROWSER)?;
    fails(&site, "media", 1, "media_legs")?;
    fails(&site, "sip-cluster", 2, "sipcluster_calls")?;
    fs::write(files.path().join("hear"), "")?;
    web.says("heard after", IN_BROWSER)?;
    ensure!(heard(&read_wav(&files.path().join("after.wav"))?) == [TONES[1]], "the browser hears the phone");
    web.says("heard retrieved", IN_BROWSER)?;
    ensure!(heard(&read_wav(&files.path().join("retrieved.wav"))?) == [TONES[1]], "and hears it after a hold");
    web.finish(IN_BROWSER)?;
    desk.wait_for("CALL_CLOSED", SOON)?;
    ensure!(heard(&read_wav(&desk.heard()?)?) == [TONES[0]], "the phone hears the browser");
    Ok(())
}

fn opened(place: &str, header: &str) -> Result<(TcpStream, String)> {
    let mut stream = TcpStream::connect(place)?;
    stream.set_read_timeout(Some(SOON))?;
    let opening = format!(
        "GET /sip HTTP/1.1\r\nHost: {place}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{header}\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
    );
    stream.write_all(opening.as_bytes())?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        answer.extend_from_slice(&byte);
    }
    Ok((stream, String::from_utf8(answer)?))
}

/// The source that sip-proxy sees of a REGISTER by a WebSocket: it writes it into the Via of its answer (RFC 3581).
fn source_seen(mut stream: TcpStream) -> Result<String> {
    let request = "REGISTER sip:example.trunkline.invalid SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bKone;rport\r\n\
        Max-Forwards: 70\r\nFrom: <sip:7101@example.trunkline.invalid>;tag=a\r\nTo: <sip:7101@example.trunkline.invalid>\r\n\
        Call-ID: one@x.invalid\r\nCSeq: 1 REGISTER\r\nContact: <sip:7101@x.invalid;transport=ws>\r\nContent-Length: 0\r\n\r\n";
    let length = u16::try_from(request.len())?.to_be_bytes();
    // One whole text message with a mask of zeros.
    let head = [0x81, 0x80 | 126, length[0], length[1], 0, 0, 0, 0];
    stream.write_all(&[&head[..], request.as_bytes()].concat())?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        let text = String::from_utf8_lossy(&answer).into_owned();
        if let Some(via) = text.lines().find(|line| line.starts_with("Via:")).filter(|_| text.contains("\r\n\r\n")) {
            let received = via.split("received=").nth(1).and_then(|rest| rest.split([';', ',']).next());
            return Ok(received.unwrap_or_default().trim().to_owned());
        }
        let length = stream.read(&mut buffer)?;
        ensure!(length > 0, "closed: {text}");
        answer.extend_from_slice(&buffer[..length]);
    }
}

#[test]
fn a_browser_behind_the_web_edge_keeps_its_own_address() -> Result<()> {
    let site = Installation::start_with(&["--set", "sip-proxy.web_proxies=[\"192.0.2.80\", \"198.51.100.0/24\"]"])?;
    let web = site.demo.web.replacen("http://", "", 1);
    let (stream, answer) = opened(&web, "")?;
    ensure!(
        answer.starts_with("HTTP/1.1 101 ") && answer.to_lowercase().contains("sec-websocket-protocol: sip"),
        "{answer}"
    );
    let own = stream.local_addr()?.ip().to_string();
    assert_eq!(source_seen(stream)?, own, "ingress says from whom it is");
    let forged = "X-Forwarded-For: 203.0.113.9\r\n";
    assert_eq!(source_seen(opened(&web, forged)?.0)?, own, "what a client says of itself does not count");
    assert_eq!(source_seen(opened(&site.web_socket(), forged)?.0)?, own, "nor at the port itself");
    Ok(())
}

#[test]
fn a_web_server_that_is_named_says_from_whom_a_web_socket_is() -> Result<()> {
    let site = Installation::start_with(&["--set", "sip-proxy.web_proxies=[\"127.0.0.0/8\"]"])?;
    let forwarded = "X-Forwarded-For: 198.51.100.1, 203.0.113.9, 127.0.0.1\r\n";
    let web = site.demo.web.replacen("http://", "", 1);
    for place in [site.web_socket(), web] {
        assert_eq!(source_seen(opened(&place, forwarded)?.0)?, "203.0.113.9", "by {place}");
    }
    Ok(())
}

#[test]
fn who_opens_the_port_in_a_browser_reads_what_it_is_for() -> Result<()> {
    let site = Installation::start()?;
    let mut stream = TcpStream::connect(site.web_socket())?;
    stream.set_read_timeout(Some(SOON))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: edge.example\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    ensure!(page.starts_with("HTTP/1.1 426 ") && page.contains("SIP over WebSocket"), "{page}");
    let refused = site.metric("sip-proxy", "sip_proxy_socket_web_sockets_refused_total")?;
    ensure!(refused == 1.0, "{refused}");
    Ok(())
}
