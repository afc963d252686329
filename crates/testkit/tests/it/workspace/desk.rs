//! A desktop without a library: HTTP by hand, with one session and one client of Bayeux.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::installation::DemoUser;
use testkit::observe::Answer;
use testkit::visitor::CurlAnswer;
use testkit::{Installation, Visitor, wait};

const LATER: Duration = Duration::from_secs(90);
const COOKIE: &str = "WORKSPACE_SESSIONID";
const INITIALIZATION: &str = "/workspace/v3/initialization";
pub(super) const VOICE: &str = "/workspace/v3/voice";

/// A token for somebody of the demo, by the password.
pub(crate) fn token(site: &Installation, user: &DemoUser) -> Result<String> {
    Visitor::new(site)?.by_password(&user.user, &user.password)?.token("access_token")
}

/// What answers a token that is to begin a session; with further arguments of curl.
pub(super) fn initialised(site: &Installation, token: &str, arguments: &[&str]) -> Result<CurlAnswer> {
    let bearer = format!("authorization: Bearer {token}");
    let asked = ["--request", "POST", "--header", bearer.as_str()];
    Visitor::new(site)?.ask("/workspace/v3/initialize-workspace", &[&asked[..], arguments].concat())
}

/// The value of the session's cookie that an answer sets.
pub(super) fn cookie_of(answer: &CurlAnswer) -> Result<String> {
    let set = answer.header("set-cookie").with_context(|| format!("no cookie: {} {}", answer.head, answer.body))?;
    let value = set.strip_prefix(COOKIE).and_then(|rest| rest.strip_prefix('=')).with_context(|| set.to_owned())?;
    Ok(value.split(';').next().unwrap_or_default().to_owned())
}

/// The header with that cookie.
pub(crate) fn cookie_header(cookie: &str) -> String {
    format!("Cookie: {COOKIE}={cookie}\r\n")
}

/// Asks below `/workspace/v3` with these headers, each ended by CR LF.
pub(crate) fn asked(
    site: &Installation,
    headers: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> Result<(u16, Value)> {
    let web: SocketAddr = site.demo.web.trim_start_matches("http://").parse()?;
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let Answer { status, body } = site.http_with(web, method, &format!("/workspace/v3/{path}"), headers, &body)?;
    let read = serde_json::from_str(&body).with_context(|| format!("{method} {path}: {status} {body}"))?;
    Ok((status, read))
}

/// Whether it is the answer to somebody without a session.
pub(super) fn is_without_session((status, body): &(u16, Value)) -> bool {
    *status == 403 && body["status"]["code"] == 603
}

/// A desktop with a session.
pub(crate) struct PlainDesk<'a> {
    site: &'a Installation,
    /// The value of the session's cookie.
    pub(crate) cookie: String,
    client: String,
    connects: u32,
    /// What it was told by events, as it came.
    pub(super) told: Vec<Value>,
    /// How many of them were waited for, or came before one that was.
    seen: usize,
}

impl<'a> PlainDesk<'a> {
    /// A session of somebody, without a client of Bayeux.
    pub(crate) fn new(site: &'a Installation, user: &DemoUser) -> Result<Self> {
        Self::by_token(site, &token(site, user)?)
    }

    pub(crate) fn by_token(site: &'a Installation, token: &str) -> Result<Self> {
        let begun = initialised(site, token, &[])?;
        ensure!(begun.status == 200 && begun.json()?["status"]["code"] == 1, "{} {}", begun.head, begun.body);
        Ok(Self { site, cookie: cookie_of(&begun)?, client: String::new(), connects: 0, told: Vec::new(), seen: 0 })
    }

    /// A session of somebody that is initialised and follows the voice channel.
    pub(super) fn begun(site: &'a Installation, user: &DemoUser) -> Result<Self> {
        let mut desk = Self::new(site, user)?;
        desk.shake_hands()?;
        desk.subscribe(INITIALIZATION)?;
        desk.comes("the end of the initialisation", |data| data["state"] == "Complete")?;
        desk.subscribe(VOICE)?;
        Ok(desk)
    }

    /// Asks below `/workspace/v3` with the session's cookie.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> Result<(u16, Value)> {
        asked(self.site, &cookie_header(&self.cookie), method, path, body)
    }

    /// Asks for something that answers with this code; returns the answer.
    pub(crate) fn succeeds(&self, method: &str, path: &str, body: &Value, code: u16) -> Result<Value> {
        let (status, answer) = self.ask(method, path, body)?;
        ensure!(status == 200 && answer["status"]["code"] == code, "{method} {path} {body}: {status} {answer}");
        Ok(answer)
    }

    /// An operation below `/workspace/v3/voice` that is accepted.
    pub(super) fn operates(&self, operation: &str, body: &Value) -> Result<()> {
        self.succeeds("POST", &format!("voice/{operation}"), body, 1).map(drop)
    }

    /// Takes the agent's own phone, and logs the agent in there.
    pub(super) fn activates(&self, user: &DemoUser) -> Result<()> {
        let data = json!({"data": {"agentId": user.agent, "dn": user.dn}});
        self.succeeds("POST", "activate-channels", &data, 0).map(drop)
    }

    // === Bayeux ===

    /// Sends a batch; `path` follows `/notifications`. Returns all messages of the answer.
    pub(super) fn send(&self, path: &str, batch: &Value) -> Result<Vec<Value>> {
        let (status, answer) = self.ask("POST", &format!("notifications{path}"), batch)?;
        ensure!(status == 200, "notifications{path}: {status} {answer}");
        Ok(answer.as_array().with_context(|| format!("no array: {answer}"))?.clone())
    }

    /// Keeps the events among messages; returns the reply to the only message that was sent.
    fn note(&mut self, messages: Vec<Value>) -> Result<Value> {
        let is_meta = |message: &Value| message["channel"].as_str().is_some_and(|it| it.starts_with("/meta/"));
        let (replies, events): (Vec<Value>, Vec<Value>) = messages.into_iter().partition(is_meta);
        self.told.extend(events.into_iter().map(|event| event["data"].clone()));
        ensure!(replies.len() == 1, "one reply is due: {replies:?}");
        replies.into_iter().next().context("no reply")
    }

    /// A handshake, and the first connect, which is answered at once.
    pub(super) fn shake_hands(&mut self) -> Result<()> {
        let hello = json!([{
            "id": "1", "channel": "/meta/handshake", "version": "1.0", "minimumVersion": "1.0",
            "supportedConnectionTypes": ["websocket", "long-polling", "callback-polling"],
            "advice": {"timeout": 60_000, "interval": 0},
        }]);
        let reply = self.send("/handshake", &hello).and_then(|messages| self.note(messages))?;
        ensure!(reply["successful"] == true && reply["id"] == "1" && reply["version"] == "1.0", "{reply}");
        // What is not served is not named: browsers would try it.
        ensure!(reply["supportedConnectionTypes"] == json!(["websocket", "long-polling"]), "{reply}");
        ensure!(reply["advice"]["reconnect"] == "retry", "{reply}");
        reply["clientId"].as_str().with_context(|| reply.to_string())?.clone_into(&mut self.client);
        self.connects_at_once()?;
        Ok(())
    }

    /// A message of the client, as a batch.
    pub(super) fn message(&self, id: &str, channel: &str, further: &Value) -> Value {
        let mut message = json!({"id": id, "channel": channel, "clientId": self.client});
        let members = message.as_object_mut().into_iter().zip(further.as_object());
        members.for_each(|(message, further)| message.extend(further.clone()));
        json!([message])
    }

    /// A connect that is not parked; whether it has brought events.
    pub(super) fn connects_at_once(&mut self) -> Result<bool> {
        let further = json!({"connectionType": "long-polling", "advice": {"timeout": 0}});
        self.connect(&further)
    }

    fn connect(&mut self, further: &Value) -> Result<bool> {
        let before = self.told.len();
        self.connects += 1;
        let id = format!("c{}", self.connects);
        let sent = self.message(&id, "/meta/connect", further);
        let reply = self.send("/connect", &sent).and_then(|messages| self.note(messages))?;
        ensure!(reply["successful"] == true && reply["id"] == id, "{reply}");
        Ok(self.told.len() > before)
    }

    pub(super) fn subscribe(&mut self, channel: &str) -> Result<()> {
        let sent = self.message("s", "/meta/subscribe", &json!({"subscription": channel}));
        let reply = self.send("/", &sent).and_then(|messages| self.note(messages))?;
        ensure!(reply["successful"] == true && reply["id"] == "s" && reply["subscription"] == channel, "{reply}");
        Ok(())
    }

    /// Waits for the data of an event behind those that were waited for before, by one long poll after the other.
    pub(super) fn comes(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Result<Value> {
        let found = wait::until(LATER, || {
            let late = self.told.get(self.seen..).unwrap_or_default();
            if let Some(at) = late.iter().position(&fits) {
                self.seen += at + 1;
                return Ok(self.told.get(self.seen - 1).cloned());
            }
            self.connect(&json!({"connectionType": "long-polling"}))?;
            Ok(None)
        });
        found.with_context(|| format!("no {what} in {:#?}", self.told))
    }

    /// The agent of the DN comes to be in that state.
    pub(super) fn comes_to_be(&mut self, state: &str) -> Result<Value> {
        self.comes(state, |data| data["messageType"] == "DnStateChanged" && data["dn"]["agentState"] == state)
    }

    /// Calls a number, whose phone answers by itself; returns the call's id.
    pub(super) fn makes_a_call(&mut self, number: &str) -> Result<String> {
        self.operates("make-call", &json!({"data": {"destination": number}}))?;
        let is_there =
            |data: &Value| data["messageType"] == "CallStateChanged" && data["call"]["state"] == "Established";
        let told = self.comes("the call", is_there)?;
        Ok(told["call"]["id"].as_str().with_context(|| told.to_string())?.to_owned())
    }
}
