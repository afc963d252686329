//! Phones in a browser: JsSIP and SIP.js, unchanged, in Chromium, by WebSocket under TLS with audio encrypted by DTLS; and what else comes to
//! the ports for WebSocket.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::agents::{baresip_phone_that_says, password};
use testkit::audio::{read_wav, write_wav};
use testkit::browser::Browser;
use testkit::{Answer, Installation};

use crate::conference::{SOON, TONES, heard, tone};

/// A browser takes some seconds to start, and what it hears some more.
const IN_BROWSER: Duration = Duration::from_secs(60);
/// The phone in the browser, and the one that it talks to.
const WEB: &str = "7101";
const DESK: &str = "7102";

/// A site whose first phone is in a browser.
pub(crate) fn site() -> Result<Installation> {
    let site = Installation::start()?;
    site.import_changed(|files| {
        let file = files.join("example-tenant.yaml");
        let text = fs::read_to_string(&file)?;
        let phone = format!("- {{number: \"{WEB}\", ");
        ensure!(text.contains(&phone), "the example has changed");
        Ok(fs::write(&file, text.replacen(&phone, &format!("{phone}encryption: dtls, "), 1))?)
    })?;
    Ok(site)
}

fn calls_and_is_called(library: &str) -> Result<()> {
    let (site, files) = (site()?, tempfile::tempdir()?);
    let [says, desk_says] = ["web.wav", "desk.wav"].map(|name| files.path().join(name));
    write_wav(&says, &tone(TONES[0], 60))?;
    write_wav(&desk_says, &tone(TONES[1], 120))?;
    let mut desk = baresip_phone_that_says(&desk_says, &site, 11, DESK, Answer::Auto)?;
    let url = format!("wss://{}/", site.secure_web_socket());
    let folder = files.path().display().to_string();
    let realm = "example.trunkline.invalid";
    let paths = [library, &url, realm, WEB, password(&site, WEB)?, DESK, &folder].map(str::to_owned);
    let mut web = Browser::start_with_microphone("phone", &site, &paths, &says)?;
    web.says("registered", IN_BROWSER)?;
    site.metric_becomes("sip-proxy", "sip_proxy_connections_wss", 1.0, SOON)?;
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
    calls_and_is_called("jssip")
}

#[test]
fn sip_js_in_a_browser_calls_and_is_called() -> Result<()> {
    calls_and_is_called("sip.js")
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
