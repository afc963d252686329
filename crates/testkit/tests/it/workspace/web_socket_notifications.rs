//! Bayeux by WebSocket through the web edge: who may open one, what comes by it, and how a client changes between it and long polls.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use testkit::agents::baresip_phone;
use testkit::{Answer, Installation, Visitor};

use super::desk::{PlainDesk, VOICE, cookie_header, token};
use super::{OTHER, OWN, WALKED, agent, at_work_by};

const SOON: Duration = Duration::from_secs(60);
/// Codes of a close (RFC 6455 section 7.4.1, and the registry of IANA).
const POLICY: u16 = 1_008;
const RESTART: u16 = 1_012;

/// What a socket says.
#[derive(Debug)]
enum Said {
    /// An array of messages.
    Messages(Vec<Value>),
    /// It is closed, with this code.
    Closed(Option<u16>),
}

/// A WebSocket without a library.
struct PlainSocket {
    stream: TcpStream,
    connects: u32,
}

/// The head of an answer to who opens a WebSocket at a path, and the connection.
fn opened(site: &Installation, path: &str, headers: &str) -> Result<(TcpStream, String)> {
    let place = site.demo.web.trim_start_matches("http://");
    let mut stream = TcpStream::connect(place)?;
    stream.set_read_timeout(Some(SOON))?;
    let opening = format!(
        "GET {path} HTTP/1.1\r\nHost: {place}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{headers}\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    stream.write_all(opening.as_bytes())?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend_from_slice(&byte);
    }
    Ok((stream, String::from_utf8(head)?))
}

impl PlainSocket {
    fn open(site: &Installation, cookie: &str) -> Result<Self> {
        let (stream, head) = opened(site, "/workspace/v3/notifications", &cookie_header(cookie))?;
        ensure!(head.starts_with("HTTP/1.1 101 "), "{head}");
        Ok(Self { stream, connects: 0 })
    }

    fn send(&mut self, batch: &Value) -> Result<()> {
        let text = batch.to_string();
        let length = u16::try_from(text.len())?.to_be_bytes();
        // One whole text message with a mask of zeros.
        let head = [0x81, 0x80 | 126, length[0], length[1], 0, 0, 0, 0];
        Ok(self.stream.write_all(&[&head[..], text.as_bytes()].concat())?)
    }

    /// A connect of the client of that desk.
    fn connect(&mut self, desk: &PlainDesk<'_>) -> Result<()> {
        self.connects += 1;
        let further = json!({"connectionType": "websocket"});
        self.send(&desk.message(&format!("w{}", self.connects), "/meta/connect", &further))
    }

    fn next(&mut self) -> Result<Said> {
        loop {
            let mut head = [0; 2];
            match self.stream.read_exact(&mut head) {
                Ok(()) => {}
                Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                    return Ok(Said::Closed(None));
                }
                Err(error) => return Err(error.into()),
            }
            let length = match head[1] {
                126 => {
                    let mut length = [0; 2];
                    self.stream.read_exact(&mut length)?;
                    usize::from(u16::from_be_bytes(length))
                }
                127 => bail!("a message of more than 64 KiB"),
                length => usize::from(length),
            };
            let mut payload = vec![0; length];
            self.stream.read_exact(&mut payload)?;
            match head[0] & 0xF {
                1 => return Ok(Said::Messages(serde_json::from_slice(&payload)?)),
                8 => {
                    let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    return Ok(Said::Closed(code));
                }
                _ => {}
            }
        }
    }

    /// The next array of messages.
    fn messages(&mut self) -> Result<Vec<Value>> {
        match self.next()? {
            Said::Messages(messages) => Ok(messages),
            closed @ Said::Closed(_) => bail!("{closed:?}"),
        }
    }

    /// Subscribes to a channel on which nothing comes, while a connect waits.
    fn subscribe(&mut self, desk: &PlainDesk<'_>) -> Result<()> {
        self.send(&desk.message("s", "/meta/subscribe", &json!({"subscription": "/workspace/v3/media"})))?;
        loop {
            let messages = self.messages()?;
            if let Some(reply) = messages.iter().find(|message| message["id"] == "s") {
                ensure!(messages.len() == 1 && reply["successful"] == true, "{messages:?}");
                return Ok(());
            }
            // Something late of before has come.
            self.connect(desk)?;
        }
    }

    /// Waits until the agent is told to be in a state; each answer to a connect is followed by the next connect, but not the one that has
    /// told of it. Returns that event.
    fn comes_to_be(&mut self, desk: &PlainDesk<'_>, state: &str) -> Result<Value> {
        loop {
            let messages = self.messages()?;
            let fits = |message: &&Value| message["channel"] == VOICE && message["data"]["dn"]["agentState"] == state;
            if let Some(event) = messages.iter().find(fits) {
                let last = messages.last().context("nothing")?;
                let is_reply = last["channel"] == "/meta/connect" && last["successful"] == true;
                ensure!(is_reply, "events come with a connect, before its reply: {messages:?}");
                return Ok(event.clone());
            }
            self.connect(desk)?;
        }
    }
}

#[test]
fn events_come_by_a_web_socket_and_a_long_poll_goes_on_where_it_has_broken() -> Result<()> {
    let site = Installation::start()?;
    let user = agent(&site, 0)?;
    let _phone = baresip_phone(&site, 10, OWN, Answer::Auto)?;
    let mut desk = PlainDesk::begun(&site, user)?;
    desk.activates(user)?;
    desk.operates("ready", &Value::Null)?;
    desk.comes_to_be("Ready")?;
    while desk.connects_at_once()? {}
    let mut socket = PlainSocket::open(&site, &desk.cookie)?;
    for (role, metric) in [
        ("ingress", "ingress_desktop_sockets"),
        ("gws-proxy", "gws_proxy_sockets"),
        ("gws-workspace", "gws_workspace_sockets"),
    ] {
        site.metric_becomes(role, metric, 1.0, SOON)?;
    }
    // The connect waits; what is sent beside it is answered at once.
    socket.connect(&desk)?;
    socket.subscribe(&desk)?;
    desk.operates("not-ready", &json!({"data": {}}))?;
    socket.comes_to_be(&desk, "NotReady")?;
    socket.connect(&desk)?;
    desk.operates("ready", &Value::Null)?;
    let told = socket.comes_to_be(&desk, "Ready")?;
    // It breaks before the client can say that it has that. The same client asks by a long poll, as after any failure.
    drop(socket);
    let further = json!({"connectionType": "long-polling", "advice": {"timeout": 0}});
    let again = desk.send("/connect", &desk.message("after", "/meta/connect", &further))?;
    ensure!(again.contains(&told), "{told} is not in {again:?}");
    desk.operates("not-ready", &json!({"data": {}}))?;
    desk.comes_to_be("NotReady")?;
    site.metric_becomes("gws-workspace", "gws_workspace_sockets", 0.0, SOON)?;
    site.metric_becomes("ingress", "ingress_desktop_sockets", 0.0, SOON)
}

#[test]
fn a_web_socket_is_opened_with_what_a_long_poll_shows_and_not_by_pages_of_other_hosts() -> Result<()> {
    let site = Installation::start()?;
    let desk = PlainDesk::new(&site, agent(&site, 0)?)?;
    let cookie = cookie_header(&desk.cookie);
    let own = format!("{cookie}Origin: {}\r\n", site.demo.web);
    let [evil, null] = ["https://evil.example", "null"].map(|origin| format!("{cookie}Origin: {origin}\r\n"));
    let wrong = cookie_header("YWNtZQ.wrong");
    for (path, headers, status) in [
        ("/workspace/v3/notifications", cookie.as_str(), 101),
        ("/workspace/v3/notifications/", own.as_str(), 101),
        ("/workspace/v3/notifications", evil.as_str(), 403),
        ("/workspace/v3/notifications", null.as_str(), 403),
        ("/workspace/v3/notifications", "", 403),
        ("/statistics/v3/notifications", wrong.as_str(), 401),
        ("/provisioning/v3/notifications", cookie.as_str(), 403),
        ("/statistics/v3/notifications", cookie.as_str(), 401),
    ] {
        let (_stream, head) = opened(&site, path, headers)?;
        ensure!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{path} {headers}: {head}");
    }
    let (status, body) = desk.ask("GET", "notifications", &Value::Null)?;
    ensure!(status == 400 && body["status"]["code"] == 400, "{status} {body}");
    Ok(())
}

#[test]
fn a_session_that_ends_says_so_by_its_web_socket_and_closes_it() -> Result<()> {
    let site = Installation::start()?;
    let mut desk = PlainDesk::new(&site, agent(&site, 0)?)?;
    desk.shake_hands()?;
    let mut socket = PlainSocket::open(&site, &desk.cookie)?;
    socket.connect(&desk)?;
    socket.subscribe(&desk)?;
    desk.succeeds("POST", "logout", &Value::Null, 0)?;
    let last = socket.messages()?;
    ensure!(last.len() == 1 && last[0]["advice"]["reconnect"] == "none", "{last:?}");
    match socket.next()? {
        Said::Closed(Some(POLICY | RESTART)) => {}
        other => bail!("{other:?}"),
    }
    // Whoever opens one later is told by that, and asks no more: a page does not see how an opening was refused.
    for cookie in [desk.cookie.as_str(), "YWNtZQ.wrong"] {
        let mut socket = PlainSocket::open(&site, cookie)?;
        socket.connect(&desk)?;
        let told = socket.messages()?;
        let is_last = told.len() == 1 && told[0]["successful"] == false && told[0]["advice"]["reconnect"] == "none";
        ensure!(is_last, "{told:?}");
        match socket.next()? {
            Said::Closed(Some(POLICY)) => {}
            other => bail!("{other:?}"),
        }
    }
    Ok(())
}

#[test]
fn a_client_whose_session_of_statistics_is_over_shakes_hands_anew_by_its_web_socket() -> Result<()> {
    let site = Installation::start()?;
    let user = agent(&site, 0)?;
    let token = Visitor::new(&site)?.by_password(&user.user, &user.password)?.token("access_token")?;
    let headers = format!("Authorization: Bearer {token}\r\nCookie: STATISTICS_SESSIONID=YWNtZQ.wrong\r\n");
    let (stream, head) = opened(&site, "/statistics/v3/notifications", &headers)?;
    ensure!(head.starts_with("HTTP/1.1 101 ") && head.to_lowercase().contains("set-cookie: "), "{head}");
    let mut socket = PlainSocket { stream, connects: 0 };
    socket.send(
        &json!([{"id": "1", "channel": "/meta/connect", "clientId": "earlier", "connectionType": "websocket"}]),
    )?;
    let told = socket.messages()?;
    ensure!(told.len() == 1 && told[0]["advice"]["reconnect"] == "handshake", "{told:?}");
    Ok(())
}

/// The token of a socket of statistics was verified when that was opened; whoever has signed out since is told nothing more by it.
#[test]
fn a_web_socket_of_statistics_ends_with_the_sign_in_by_which_it_was_opened() -> Result<()> {
    let site = Installation::start()?;
    let token = token(&site, agent(&site, 0)?)?;
    let headers = format!("Authorization: Bearer {token}\r\n");
    let (stream, head) = opened(&site, "/statistics/v3/notifications", &headers)?;
    ensure!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let mut socket = PlainSocket { stream, connects: 0 };
    let bearer = format!("authorization: Bearer {token}");
    let out = Visitor::new(&site)?.ask("/auth/v3/sign-out", &["--request", "POST", "--header", &bearer])?;
    ensure!(out.status < 400, "{} {}", out.head, out.body);
    match socket.next()? {
        Said::Closed(Some(POLICY)) => Ok(()),
        other => bail!("{other:?}"),
    }
}

/// `CometD` as published clients bring it, which takes a socket where it is served.
#[test]
fn a_client_library_of_others_takes_a_call_by_web_socket() -> Result<()> {
    let site = Installation::start()?;
    let user = agent(&site, 0)?;
    let _own = baresip_phone(&site, 10, OWN, Answer::Auto)?;
    let _other = baresip_phone(&site, 11, OTHER, Answer::Auto)?;
    let mut script = at_work_by("websocket", "failover", &site, &site.demo.web, user)?;
    for step in ["established", "held", "retrieved", "held-again", "released"] {
        script.comes_to(step, WALKED)?;
        script.go_on()?;
    }
    let said = script.finish(WALKED)?;
    let by = said.iter().find(|said| said["step"] == "connected").context("it does not say by what")?;
    ensure!(by["by"] == "websocket" && by["polls"] == 0, "{by}");
    Ok(())
}
