//! Events at the web edge: server-sent events by curl, WebSocket by Node, webhooks to a program of its own.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::{Installation, Watch, wait};

const SOON: Duration = Duration::from_secs(60);
/// The key of the signatures.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";
/// Settings for receivers on this machine and short waits.
const HERE: [&str; 6] = [
    "--set",
    "ingress.webhook_private=true",
    "--set",
    "ingress.webhook_attempts=3",
    "--set",
    "ingress.webhook_first_wait=100ms",
];

/// The same with the most tries that there are: none is the last one while a busy test has not let the receiver take again.
const PATIENT: [&str; 6] = [
    "--set",
    "ingress.webhook_private=true",
    "--set",
    "ingress.webhook_attempts=20",
    "--set",
    "ingress.webhook_first_wait=100ms",
];

/// A program of others, and what it prints.
pub(crate) struct Program {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Program {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let output = BufReader::new(child.stdout.take().context("no output")?);
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let notes = lines.clone();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                notes.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        Ok(Self { child, lines })
    }

    /// The id of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the first result of `find` over the lines.
    pub(crate) fn wait_for<T>(&self, what: &str, find: impl Fn(&[String]) -> Option<T>) -> Result<T> {
        let found = wait::until(SOON, || Ok(find(&self.lines())));
        found.with_context(|| format!("no {what} in {:#?}", self.lines()))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server-sent event.
#[derive(Clone, Debug)]
struct Sent {
    event: String,
    id: String,
    data: Value,
}

/// The events among curl's lines.
fn sent(lines: &[String]) -> Vec<Sent> {
    let blocks = lines.split(String::is_empty);
    let field = |block: &[String], name: &str| {
        block.iter().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned)).unwrap_or_default()
    };
    let read = |block: &[String]| {
        let data = serde_json::from_str(&field(block, "data")).ok()?;
        Some(Sent { event: field(block, "event"), id: field(block, "id"), data })
    };
    blocks.filter_map(read).collect()
}

fn follow(site: &Installation, token: &str, query: &str, headers: &[&str]) -> Result<Program> {
    let mut command = Command::new("curl");
    command.args(["-sN", "-H", &format!("Authorization: Bearer {token}")]);
    for header in headers {
        command.args(["-H", header]);
    }
    Program::start(command.arg(format!("{}/api/voice/v1/example/events{query}", site.demo.web)))
}

/// The fact of that short form among what was sent.
fn brief(sent: &[Sent], name: &str, dn: &str) -> Option<Sent> {
    sent.iter().find(|sent| sent.event == "event" && sent.data["id"] == name && sent.data["ThisDN"] == dn).cloned()
}

fn token(site: &Installation, arguments: &[&str]) -> Result<String> {
    let output = Command::new(testkit::installation::binary()?)
        .args(["token", "--tenant", "example", "--sub", "test/edge"])
        .args(arguments)
        .args(["--instance", &site.demo.instance.to_string(), "--data-dir"])
        .arg(site.data_dir())
        .output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Status and body of a request to the web edge.
fn ask(site: &Installation, token: &str, method: &str, path: &str, body: &Value) -> Result<(u16, Value)> {
    let headers = format!("Authorization: Bearer {token}\r\n");
    let place = site.demo.web.trim_start_matches("http://").parse()?;
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = site.http_with(place, method, &format!("/api/voice/v1/example/{path}"), &headers, &body)?;
    Ok((answer.status, serde_json::from_str(&answer.body).unwrap_or_default()))
}

#[test]
fn curl_follows_events_from_a_snapshot_and_after_the_last_id() -> Result<()> {
    let site = Installation::start()?;
    let operator = site.demo.tokens["operator"].clone();
    site.log_in("7101")?;
    // Nothing of this agent comes between the events of the other one.
    Watch::start(&site, "0-0")?.wait_for("AgentReady@7101", SOON)?;
    let all = follow(&site, &operator, "", &[])?;
    let of_7102 = follow(&site, &operator, "?dn=7102", &[])?;
    let logouts = follow(&site, &operator, "?agent=1002&event=EventAgentLogout", &[])?;
    for program in [&all, &of_7102, &logouts] {
        program.wait_for("snapshot", |lines| sent(lines).first().filter(|first| first.event == "snapshot").cloned())?;
    }
    site.log_in("7102")?;
    let login = all.wait_for("login", |lines| brief(&sent(lines), "EventAgentLogin", "7102"))?;
    assert_eq!((&login.data["AgentID"], &login.data["tenant"]), (&json!("1002"), &json!("example")));
    of_7102.wait_for("ready", |lines| brief(&sent(lines), "EventAgentReady", "7102"))?;
    // Who comes back with the last id gets what came after it, and nothing else first.
    let again = follow(&site, &operator, "", &[&format!("Last-Event-ID: {}", login.id)])?;
    let first = again.wait_for("next event", |lines| sent(lines).first().cloned())?;
    assert_eq!((first.event.as_str(), &first.data["ThisDN"]), ("event", &json!("7102")), "{first:?}");
    assert!(first.data["seq"].as_u64() == login.data["seq"].as_u64().map(|seq| seq + 1), "{first:?} after {login:?}");
    // What is not kept is told, and a snapshot follows.
    let lost = follow(&site, &operator, "?after=99999999999999-0", &[])?;
    let told = lost.wait_for("snapshot after the gap", |lines| Some(sent(lines)).filter(|sent| sent.len() >= 2))?;
    assert_eq!([told[0].event.as_str(), told[1].event.as_str()], ["gap", "snapshot"]);
    assert_eq!(told[0].data["after"], "99999999999999-0");
    site.request(&json!({"req": "TAgentLogout", "ThisDN": "7102"}))?;
    logouts.wait_for("logout", |lines| brief(&sent(lines), "EventAgentLogout", "7102"))?;
    let facts: Vec<Sent> = sent(&logouts.lines()).into_iter().filter(|sent| sent.event == "event").collect();
    assert_eq!(facts.len(), 1, "of an agent by name: {facts:?}");
    let others =
        sent(&of_7102.lines()).into_iter().filter(|sent| sent.event == "event" && sent.data["ThisDN"] != "7102");
    assert_eq!(others.count(), 0);
    // In silence there is a sign of life.
    all.wait_for("sign of life", |lines| sent(lines).into_iter().find(|sent| sent.event == "reached"))?;
    Ok(())
}

#[test]
fn a_stream_is_for_whom_it_may_be_and_says_what_is_wrong() -> Result<()> {
    let site = Installation::start()?;
    let operator = site.demo.tokens["operator"].clone();
    let tied = token(&site, &["--dn", "7101", "--scope", "calls:read"])?;
    let own = follow(&site, &tied, "", &[])?;
    own.wait_for("snapshot", |lines| sent(lines).first().cloned())?;
    site.log_in("7102")?;
    site.log_in("7101")?;
    own.wait_for("ready", |lines| brief(&sent(lines), "EventAgentReady", "7101"))?;
    let foreign = sent(&own.lines()).into_iter().filter(|sent| sent.event == "event" && sent.data["ThisDN"] != "7101");
    assert_eq!(foreign.count(), 0, "a tied token sees its own DN alone: {:#?}", own.lines());
    let powerless = token(&site, &["--scope", "routing:read"])?;
    let of_other_apis = token(&site, &["--scope", "config:read"])?;
    for (token, path, status, said) in [
        (&of_other_apis, "events", 401, "tenant"),
        (&powerless, "events", 403, "calls:read"),
        (&tied, "events?dn=7102", 403, "tied to the DN 7101"),
        (&operator, "events?call=x", 400, "call"),
        (&operator, "events?event=Ringing", 400, "no event of that name"),
        (&operator, "events?colour=red", 400, "no such parameter"),
        (&operator, "events?after=soon", 400, "after"),
    ] {
        let (answered, problem) = ask(&site, token, "GET", path, &Value::Null)?;
        assert_eq!(answered, status, "{path}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(said)), "{path}: {problem}");
    }
    let place = site.demo.web.trim_start_matches("http://").parse()?;
    let foreign = format!("Authorization: Bearer {operator}\r\nOrigin: https://evil.example\r\n");
    assert_eq!(site.http_with(place, "GET", "/api/voice/v1/example/events", &foreign, "")?.status, 403);
    let headers = format!("Authorization: Bearer {operator}\r\n");
    assert_eq!(site.http_with(place, "GET", "/api/voice/v1/other/events", &headers, "")?.status, 403);
    Ok(())
}

fn socket(site: &Installation, query: &str, first: &Value) -> Result<Program> {
    let web = site.demo.web.replacen("http://", "ws://", 1);
    let url = format!("{web}/api/voice/v1/example/events/ws{query}");
    Program::start(Command::new("node").args([
        "--experimental-websocket",
        &program("follow.mjs")?,
        &url,
        &first.to_string(),
    ]))
}

fn program(name: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs").join(name);
    Ok(path.to_str().context("a path that is text")?.to_owned())
}

fn messages(lines: &[String]) -> Vec<Value> {
    lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[test]
fn a_websocket_takes_the_token_in_its_first_message_and_continues_after_a_position() -> Result<()> {
    let site = Installation::start()?;
    let operator = site.demo.tokens["operator"].clone();
    let of = |kind: &'static str| move |lines: &[String]| messages(lines).into_iter().find(|each| each["type"] == kind);
    let all = socket(&site, "?dn=7101", &json!({"token": operator}))?;
    all.wait_for("snapshot", of("snapshot"))?;
    site.log_in("7101")?;
    let login = all.wait_for("event", of("event"))?;
    assert_eq!((&login["data"]["id"], &login["data"]["ThisDN"]), (&json!("EventAgentLogin"), &json!("7101")));
    let again = socket(&site, "", &json!({"token": operator, "after": login["position"]}))?;
    let next = again.wait_for("next event", |lines| messages(lines).first().cloned())?;
    assert_eq!(next["type"], "event");
    assert_eq!(next["data"]["seq"].as_u64(), login["data"]["seq"].as_u64().map(|seq| seq + 1), "{next}");
    for (first, said) in [(json!({"token": "none.of.ours"}), 401), (json!({"colour": "red"}), 400)] {
        let refused = socket(&site, "", &first)?;
        let refusal = refused.wait_for("refusal", of("refused"))?;
        assert_eq!(refusal["data"]["status"], said, "{refusal}");
        let closed = refused.wait_for("close", of("closed"))?;
        assert_eq!(closed["code"], 1008, "{closed}");
    }
    Ok(())
}

/// A receiver of webhooks and the file that says what it answers.
struct Receiver {
    program: Program,
    status: PathBuf,
    url: String,
}

impl Receiver {
    fn start(site: &Installation) -> Result<Self> {
        let status = std::env::temp_dir().join(format!("trunkline-receiver-{}", site.pid()));
        std::fs::write(&status, "204")?;
        let host = site.peer_address(90).to_string();
        let mut command = Command::new("python3");
        let program =
            Program::start(command.args([&program("receiver.py")?, &host, SECRET]).env("RECEIVER_STATUS", &status))?;
        let port = program.wait_for("port", |lines| messages(lines).first()?["port"].as_u64())?;
        Ok(Self { program, status, url: format!("http://{host}:{port}/hook") })
    }

    fn answers(&self, status: u16) -> Result<()> {
        // It never reads half a file.
        let next = self.status.with_extension("next");
        std::fs::write(&next, status.to_string())?;
        Ok(std::fs::rename(next, &self.status)?)
    }

    /// The deliveries of events of that name, in order.
    fn deliveries(lines: &[String], name: &str) -> Vec<Value> {
        messages(lines).into_iter().filter(|each| each["event"]["type"] == name).collect()
    }

    fn wait_for(&self, name: &str, count: usize) -> Result<Vec<Value>> {
        let enough = |lines: &[String]| Some(Self::deliveries(lines, name)).filter(|all| all.len() >= count);
        self.program.wait_for(&format!("{count} {name}"), enough)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.status);
    }
}

/// Waits until the webhook's state satisfies `is`.
fn state(site: &Installation, token: &str, id: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
    let last = Mutex::new(Value::Null);
    let found = wait::until(SOON, || {
        let (_, webhook) = ask(site, token, "GET", &format!("webhooks/{id}"), &Value::Null)?;
        last.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&webhook["state"]);
        Ok(is(&webhook["state"]).then(|| webhook["state"].clone()))
    });
    found.with_context(|| format!("{last:?}"))
}

#[test]
fn a_webhook_gets_signed_events_repeats_them_and_keeps_what_was_not_taken() -> Result<()> {
    let site = Installation::start_with(&HERE)?;
    let receiver = Receiver::start(&site)?;
    let manager = token(&site, &["--scope", "webhooks"])?;
    let wanted = json!({"url": receiver.url, "secret": SECRET, "filter": {"dns": ["7101"]}});
    let (status, made) = ask(&site, &manager, "POST", "webhooks", &wanted)?;
    assert_eq!((status, &made["secret"]), (201, &json!(SECRET)), "{made}");
    let id = made["id"].as_str().context("no id")?.to_owned();
    // It begins now, although nobody delivers for it yet.
    site.log_in("7102")?;
    site.log_in("7101")?;
    let ready = receiver.wait_for("EventAgentReady", 1)?.remove(0);
    assert_eq!((&ready["signed"], &ready["path"]), (&json!(true), &json!("/hook")), "{ready}");
    assert_eq!((&ready["event"]["data"]["ThisDN"], &ready["event"]["specversion"]), (&json!("7101"), &json!("1.0")));
    // What the receiver answers late comes again, under the same id.
    let logins = Receiver::deliveries(&receiver.program.lines(), "EventAgentLogin");
    assert!(
        !logins.is_empty() && logins.iter().all(|each| each["id"] == logins[0]["id"]),
        "7102 was not asked for: {logins:#?}"
    );
    // What is not taken is repeated under the same id, and given up in the end.
    receiver.answers(500)?;
    site.request(&json!({"req": "TAgentLogout", "ThisDN": "7101"}))?;
    let tries = receiver.wait_for("EventAgentLogout", 3)?;
    assert!(tries.iter().all(|each| each["id"] == tries[0]["id"] && each["signed"] == true), "{tries:#?}");
    let kept = state(&site, &manager, &id, |state| state["dead_letters"] == 1)?;
    assert_eq!((&kept["last_error"], &kept["waiting"]), (&json!("status 500"), &json!(0)), "{kept}");
    // A crash loses none of it.
    let site = site.crash_and_restart_with(&PATIENT)?;
    let (_, letters) = ask(&site, &manager, "GET", &format!("webhooks/{id}/dead-letters"), &Value::Null)?;
    let letter = &letters["dead_letters"][0];
    assert_eq!(
        (&letter["id"], &letter["event"]["type"], &letter["attempts"]),
        (&tries[0]["id"], &json!("EventAgentLogout"), &json!(3))
    );
    receiver.answers(204)?;
    let again = format!("webhooks/{id}/dead-letters/redeliver");
    assert_eq!(ask(&site, &manager, "POST", &again, &json!({"ids": [letter["id"]]}))?.0, 202);
    receiver.wait_for("EventAgentLogout", 4)?;
    state(&site, &manager, &id, |state| state["dead_letters"] == 0)?;
    // What happens while nothing is taken waits, and comes when it is.
    receiver.answers(503)?;
    site.log_in("7101")?;
    receiver.wait_for("EventAgentLogin", 2)?;
    receiver.answers(204)?;
    receiver.program.wait_for("second EventAgentReady that is taken", |lines| {
        let taken = Receiver::deliveries(lines, "EventAgentReady").into_iter().filter(|each| each["status"] == 204);
        (taken.count() >= 2).then_some(())
    })?;
    // While it is off nobody would carry out a wish to deliver again.
    let off = json!({"url": receiver.url, "enabled": false});
    assert_eq!(ask(&site, &manager, "PUT", &format!("webhooks/{id}"), &off)?.0, 200);
    assert_eq!(ask(&site, &manager, "POST", &again, &json!({}))?.0, 409);
    let (status, _) = ask(&site, &manager, "DELETE", &format!("webhooks/{id}"), &Value::Null)?;
    assert_eq!((status, ask(&site, &manager, "GET", &format!("webhooks/{id}"), &Value::Null)?.0), (204, 404));
    Ok(())
}

#[test]
fn webhooks_lead_to_the_internet_alone_and_belong_to_who_may_manage_them() -> Result<()> {
    let site = Installation::start()?;
    let manager = token(&site, &["--scope", "webhooks"])?;
    let reader = token(&site, &["--scope", "calls:read"])?;
    for (token, body, status, said) in [
        (&reader, json!({"url": "https://crm.example/"}), 403, "webhooks"),
        (&manager, json!({"url": "http://127.0.0.1:8080/"}), 422, "url: 127.0.0.1"),
        (&manager, json!({"url": "http://169.254.169.254/latest/meta-data"}), 422, "url: "),
        (&manager, json!({"url": "file:///etc/passwd"}), 422, "url: "),
        (&manager, json!({"url": "https://crm.example/", "secret": "short"}), 422, "secret: "),
        (&manager, json!({"url": "https://crm.example/", "filter": {"events": ["Ringing"]}}), 422, "filter.events: "),
    ] {
        let (answered, problem) = ask(&site, token, "POST", "webhooks", &body)?;
        assert_eq!(answered, status, "{body}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(said)), "{body}: {problem}");
    }
    // A name that leads inside is found out when it is asked for.
    let (status, made) = ask(&site, &manager, "POST", "webhooks", &json!({"url": "http://localhost:8080/"}))?;
    assert_eq!(status, 201);
    let id = made["id"].as_str().context("no id")?;
    state(&site, &manager, id, |state| state["position"] != "")?;
    site.log_in("7101")?;
    let refused = |state: &Value| state["last_error"].as_str().is_some_and(|why| why.contains("public Internet"));
    state(&site, &manager, id, refused)?;
    Ok(())
}
