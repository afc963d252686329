//! A desktop at work: it signs in, begins a session, shakes hands (Bayeux), logs its agent in, and polls.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::connection::{DesktopConnection, DesktopRequest};
use super::heard::HeardNews;
use super::roles::{CLIENT, PASSWORD, agent, dn, user};

const TOKEN: &str = "/auth/v3/oauth/token";
const BEGIN: &str = "/workspace/v3/initialize-workspace";
const NOTIFICATIONS: &str = "/workspace/v3/notifications";
const INITIALIZATION: &str = "/workspace/v3/initialization";
const VOICE: &str = "/workspace/v3/voice";
const COOKIE: &str = "WORKSPACE_SESSIONID";
/// A desktop that is not at work by then never will be.
const BEGUN_WITHIN: Duration = Duration::from_secs(120);
/// The published codes of an operation that is taken, and of one that is done.
const TAKEN: u64 = 1;
const DONE: u64 = 0;

/// Where desktops begin, and how many at a time.
pub struct DesktopDoor {
    /// Where people get their tokens.
    pub auth: SocketAddr,
    /// Where desktops ask.
    pub web: SocketAddr,
    /// Those who sign in at once: auth takes few from one address.
    pub sign_ins: Semaphore,
    /// Those who begin at once.
    pub begins: Semaphore,
}

/// A desktop with a session whose agent is ready.
pub struct WorkingDesktop {
    number: u32,
    connection: DesktopConnection,
    cookie: String,
    client: String,
    connects: u64,
    /// How long its sign-in took, without its turn.
    pub signed_in: Duration,
}

impl WorkingDesktop {
    /// Begins the desktop of that number, at an office with that address.
    pub async fn begin(number: u32, from: IpAddr, door: &DesktopDoor) -> Result<Self> {
        let _turn = door.begins.acquire().await?;
        let (token, signed_in) = {
            let _turn = door.sign_ins.acquire().await?;
            let begun = Instant::now();
            let token = token(number, from, door.auth).await.context("sign-in")?;
            (token, begun.elapsed())
        };
        let connection = DesktopConnection::new(from, door.web);
        let (cookie, client) = (String::new(), String::new());
        let mut desktop = Self { number, connection, cookie, client, connects: 0, signed_in };
        let begun = tokio::time::timeout(BEGUN_WITHIN, desktop.go_to_work(&token)).await;
        begun.with_context(|| format!("not at work within {BEGUN_WITHIN:?}"))??;
        Ok(desktop)
    }

    async fn go_to_work(&mut self, token: &str) -> Result<()> {
        self.begin_session(token).await.context("the session")?;
        self.shake_hands().await.context("the handshake")?;
        self.initialise().await.context("the initialisation")?;
        self.log_in().await.context("the login")
    }

    /// Polls until the connection fails for good, which is told.
    pub async fn follow(mut self, heard: Arc<HeardNews>) {
        loop {
            match self.connect(None).await {
                Ok(messages) => heard.polled(self.number, data(&messages)),
                Err(error) => return heard.failed(self.number, &error),
            }
        }
    }

    async fn begin_session(&mut self, token: &str) -> Result<()> {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        let asked = DesktopRequest { path: BEGIN, headers: &headers, body: String::new(), may_repeat: false };
        let answer = self.connection.post(&asked).await?;
        let set = answer.headers.get("set-cookie").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let told = answer.read()?;
        ensure!(code(&told) == Some(TAKEN), "{told}");
        self.cookie = set.and_then(|set| Some(set.split(';').next()?.to_owned())).context("no cookie")?;
        ensure!(self.cookie.starts_with(COOKIE), "another cookie: {}", self.cookie);
        Ok(())
    }

    async fn shake_hands(&mut self) -> Result<()> {
        let hello = json!([{
            "id": "1", "channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"],
        }]);
        let messages = self.send("/handshake", &hello, false).await?;
        let reply = reply(&messages)?;
        reply["clientId"].as_str().context("no client")?.clone_into(&mut self.client);
        self.connect(Some(0)).await?;
        Ok(())
    }

    /// Waits for the configuration, and follows what happens at the agent's phone.
    async fn initialise(&mut self) -> Result<()> {
        let mut messages = self.subscribe(INITIALIZATION).await?;
        loop {
            let told: Vec<&Value> = data(&messages).collect();
            if told.iter().any(|told| told["state"] == "Complete") {
                break;
            }
            ensure!(told.iter().all(|told| told["state"] != "Failed"), "{told:?}");
            messages = self.connect(None).await?;
        }
        self.subscribe(VOICE).await.map(drop)
    }

    async fn log_in(&mut self) -> Result<()> {
        let place = json!({"data": {"agentId": agent(self.number), "dn": dn(self.number), "autoCompleteCall": true}});
        self.operate("activate-channels", &place, DONE).await?;
        self.operate("voice/ready", &json!({"data": {}}), TAKEN).await
    }

    async fn operate(&mut self, operation: &str, body: &Value, wanted: u64) -> Result<()> {
        let told = self.ask(&format!("/workspace/v3/{operation}"), body, false).await?;
        ensure!(code(&told) == Some(wanted), "{operation}: {told}");
        Ok(())
    }

    // === Bayeux ===

    async fn subscribe(&mut self, channel: &str) -> Result<Vec<Value>> {
        let sent = json!([{"id": "s", "channel": "/meta/subscribe", "clientId": self.client, "subscription": channel}]);
        let messages = self.send("/", &sent, false).await?;
        reply(&messages)?;
        Ok(messages)
    }

    /// A poll; one with a time waits for no longer than that.
    async fn connect(&mut self, timeout: Option<u64>) -> Result<Vec<Value>> {
        self.connects += 1;
        let id = self.connects.to_string();
        let mut message =
            json!({"id": id, "channel": "/meta/connect", "clientId": self.client, "connectionType": "long-polling"});
        if let Some(timeout) = timeout {
            message["advice"] = json!({"timeout": timeout});
        }
        let messages = self.send("/connect", &json!([message]), true).await?;
        reply(&messages)?;
        Ok(messages)
    }

    async fn send(&mut self, path: &str, batch: &Value, may_repeat: bool) -> Result<Vec<Value>> {
        let path = format!("{NOTIFICATIONS}{path}");
        match self.ask(&path, batch, may_repeat).await? {
            Value::Array(messages) => Ok(messages),
            other => anyhow::bail!("{path}: no array: {other}"),
        }
    }

    async fn ask(&mut self, path: &str, body: &Value, may_repeat: bool) -> Result<Value> {
        let headers = [("cookie", self.cookie.as_str()), ("content-type", "application/json")];
        let asked = DesktopRequest { path, headers: &headers, body: body.to_string(), may_repeat };
        self.connection.post(&asked).await?.read().with_context(|| path.to_owned())
    }
}

/// A token for a person, by the password.
async fn token(person: u32, from: IpAddr, auth: SocketAddr) -> Result<String> {
    let [(id, client), (secret, proof)] = CLIENT;
    let user = user(person);
    let body = format!("grant_type=password&username={user}&password={PASSWORD}&{id}={client}&{secret}={proof}");
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let asked = DesktopRequest { path: TOKEN, headers: &headers, body, may_repeat: false };
    let told = DesktopConnection::new(from, auth).post(&asked).await?.read()?;
    told["access_token"].as_str().map(str::to_owned).context("no token")
}

/// The code of an answer in the published envelope.
fn code(told: &Value) -> Option<u64> {
    told.get("status")?.get("code")?.as_u64()
}

/// The data of the events among messages.
fn data(messages: &[Value]) -> impl Iterator<Item = &Value> {
    let is_event = |message: &&Value| message["channel"].as_str().is_some_and(|channel| !channel.starts_with("/meta/"));
    messages.iter().filter(is_event).map(|message| &message["data"])
}

/// The reply to the one message that was sent, which has to be successful.
fn reply(messages: &[Value]) -> Result<&Value> {
    let is_reply = |message: &&Value| message["channel"].as_str().is_some_and(|channel| channel.starts_with("/meta/"));
    let reply = messages.iter().find(is_reply).with_context(|| format!("no reply: {messages:?}"))?;
    ensure!(reply["successful"] == true, "{reply}");
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_and_the_reply_are_told_apart() {
        let messages = [
            json!({"channel": VOICE, "data": {"messageType": "DnStateChanged"}}),
            json!({"channel": "/meta/connect", "successful": true, "id": "3"}),
        ];
        assert_eq!(reply(&messages).unwrap()["id"], "3");
        assert_eq!(data(&messages).collect::<Vec<_>>(), [&json!({"messageType": "DnStateChanged"})]);
        assert!(reply(&messages[..1]).is_err());
        assert!(reply(&[json!({"channel": "/meta/connect", "successful": false})]).is_err());
    }

    #[test]
    fn an_answer_has_its_code_in_the_envelope() {
        assert_eq!(code(&json!({"status": {"code": 1}})), Some(TAKEN));
        assert_eq!(code(&json!({"code": 1})), None);
    }
}
