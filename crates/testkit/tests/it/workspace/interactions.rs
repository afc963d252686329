//! Chats, work items, contacts and mailboxes at a desktop: with services of the test that have them, and without. Each row to such a
//! service is proven by what it carries, and by what the service has been asked.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use testkit::agents::baresip_phone;
use testkit::{Answer, Installation, kernel, wait};

use super::desk::{PlainDesk, asked, cookie_header};
use super::{OWN, agent};
use crate::carried::{Bytes, carried};
use crate::rows::monitor::{Monitor, clients_of};

const SOON: Duration = Duration::from_secs(60);
const LATER: Duration = Duration::from_secs(90);
const HTTP: u16 = 8_080;
const REDIS: u16 = 6_379;
const CONTACTS: &str = "/workspace/v3/contacts";
const CHATS: &str = "/workspace/v3/media/chat";
/// How often a content is carried at most until its bytes are seen.
const ATTEMPTS: u32 = 5;
/// Bytes of what is sent to a service, and of what it answers.
const CONTENT: usize = 8 * 1_024;
/// Bytes of the smallest request with the token of a role.
const REQUEST: u64 = 200;
/// How often gws-interaction is asked, and bytes of each question and of each answer at least.
const QUESTIONS: u64 = 20;
const QUESTION_BYTES: u64 = 60;

// === services of the test ===

/// A request that a service has got.
#[derive(Clone, Debug)]
struct ServiceAsked {
    method: String,
    path: String,
    authorization: String,
    body: Value,
}

/// A service that answers all that it is asked with the same.
struct PlayedService {
    asked: Arc<Mutex<Vec<ServiceAsked>>>,
    address: SocketAddr,
}

impl PlayedService {
    fn start(answer: &Value) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("a port for a service")?;
        let address = listener.local_addr()?;
        let asked: Arc<Mutex<Vec<ServiceAsked>>> = Arc::default();
        let (notes, answer) = (asked.clone(), answer.to_string());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (notes, answer) = (notes.clone(), answer.clone());
                std::thread::spawn(move || while serve_one(&stream, &notes, &answer).is_some() {});
            }
        });
        Ok(Self { asked, address })
    }

    /// The setting with its address.
    fn setting(&self, name: &str) -> [String; 2] {
        ["--set".to_owned(), format!("gws-workspace.{name}=\"{}\"", self.address)]
    }

    /// The last request that is about this.
    fn last_about(&self, path: &str) -> Result<ServiceAsked> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let found = asked.iter().rev().find(|one| one.path.contains(path)).cloned();
        found.with_context(|| format!("nobody has asked for {path}: {asked:?}"))
    }

    /// Bytes of the connections of gws-workspace to it that are open.
    fn carried(&self, site: &Installation) -> Result<Bytes> {
        let own = site.admin("gws-workspace")?.ip();
        let all = kernel::connections(site.pid())?;
        let of_row = all.iter().filter(|socket| socket.local.ip() == own && socket.remote == self.address);
        Ok(of_row.fold(Bytes { sent: 0, received: 0 }, |sum, socket| Bytes {
            sent: sum.sent + socket.sent,
            received: sum.received + socket.received,
        }))
    }
}

/// Answers one request of a connection; none when there is no further one.
fn serve_one(mut stream: &TcpStream, notes: &Mutex<Vec<ServiceAsked>>, answer: &str) -> Option<()> {
    let mut lines = BufReader::with_capacity(1, stream);
    let mut first = String::new();
    lines.read_line(&mut first).ok().filter(|read| *read > 0)?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut length, mut authorization) = (0, String::new());
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "authorization" => value.trim().clone_into(&mut authorization),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    lines.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).unwrap_or_default();
    notes.lock().unwrap_or_else(PoisonError::into_inner).push(ServiceAsked { method, path, authorization, body });
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", answer.len());
    stream.write_all(format!("{head}{answer}").as_bytes()).ok()
}

/// A text of a content's size.
fn long() -> String {
    "z".repeat(CONTENT)
}

/// Acts until the connections to a service have grown by as many bytes, sent and received.
fn are_carried_to(
    site: &Installation,
    row: &str,
    service: &PlayedService,
    [sent, received]: [u64; 2],
    mut act: impl FnMut() -> Result<()>,
) -> Result<()> {
    let mut looks = Vec::new();
    for _ in 0..ATTEMPTS {
        let before = service.carried(site)?;
        act()?;
        let now = service.carried(site)?;
        if now.sent >= before.sent + sent && now.received >= before.received + received {
            return Ok(());
        }
        looks.push((before, now));
    }
    bail!("{row} was never seen to carry {sent} and {received} bytes: {looks:?}")
}

fn site_with(services: &[(&str, &PlayedService)]) -> Result<Installation> {
    let settings: Vec<String> = services.iter().flat_map(|(name, service)| service.setting(name)).collect();
    Installation::start_numbered(|_| settings)
}

// === without them ===

#[test]
fn without_a_service_each_operation_names_the_one_that_is_missing() -> Result<()> {
    let site = Installation::start()?;
    let desk = PlainDesk::new(&site, agent(&site, 0)?)?;
    for (method, path, service) in [
        ("GET", "voicemail/mailboxes", "voicemail"),
        ("GET", "iwd/work-items", "iwd"),
        ("POST", "iwd/work-items/1/assign", "iwd"),
        ("POST", "media/chat/interactions/1/accept", "digital-channels"),
        ("GET", "media/chat/interactions/1/messages", "digital-channels"),
        ("POST", "ucs/contacts/search", "ucs"),
        ("POST", "ucs/responses/categories/get-root", "ucs"),
        ("POST", "media/chat/ready", "interaction-server"),
        ("POST", "media/email/interactions/1/send", "interaction-server"),
        ("POST", "media-management/get-snapshot", "interaction-server"),
        ("POST", "workbins/get-workbins", "interaction-server"),
    ] {
        let body = if method == "GET" { Value::Null } else { json!({}) };
        let (status, told) = desk.ask(method, path, &body)?;
        let words = told["status"]["message"].as_str().unwrap_or_default();
        ensure!(status == 503 && words.starts_with(&format!("{service}: ")), "{path}: {status} {told}");
    }
    let open = desk.succeeds("GET", "media/interactions", &Value::Null, 0)?;
    ensure!(open["data"]["interactions"] == json!([]), "{open}");
    let refused = site.metric("gws-interaction", "gws_interaction_operations_refused_total")?;
    ensure!(refused >= 4.0, "gws-interaction was asked {refused} times");
    Ok(())
}

/// A service whose address is known and that is not there: nobody waits for it.
#[test]
fn a_service_that_is_away_is_told_so_and_the_desktop_goes_on() -> Result<()> {
    let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let setting = format!("gws-workspace.ucs=\"{gone}\"");
    let site = Installation::start_numbered(|_| vec!["--set".to_owned(), setting])?;
    let desk = PlainDesk::new(&site, agent(&site, 0)?)?;
    let (status, told) = desk.ask("POST", "ucs/contacts/search", &json!({"data": {"query": "x"}}))?;
    let words = told["status"]["message"].as_str().unwrap_or_default();
    ensure!(status == 503 && words.starts_with("ucs: ") && words.contains("does not answer"), "{status} {told}");
    desk.succeeds("GET", "current-session", &Value::Null, 0).map(drop)
}

// === with them ===

/// gws-17, gws-26, gws-27 and gws-28: what a desktop asks for goes whole to each service, and what it answers comes back.
#[test]
fn what_a_desktop_asks_of_services_beside_gws_goes_by_their_rows() -> Result<()> {
    let mailbox = json!({"mailbox": OWN, "newMessages": 3, "oldMessages": 1, "greeting": long()});
    let voicemail = PlayedService::start(&json!({"data": {"mailboxes": [mailbox]}}))?;
    let iwd = PlayedService::start(&json!({"data": {"subject": "a claim", "attributes": long()}}))?;
    let update = json!({"messageType": "MessageLogUpdated", "messages": [{"index": 1, "text": long()}]});
    let chats = PlayedService::start(&json!({"data": {"subject": "an order"}, "events": [update]}))?;
    let found = json!({"name": "EventSearchContact", "totalCount": 1, "contacts": [{"id": long()}]});
    let ucs = PlayedService::start(&json!({"events": [found]}))?;
    let services = [("voicemail", &voicemail), ("iwd", &iwd), ("digital_channels", &chats), ("ucs", &ucs)];
    let site = site_with(&services)?;
    let user = agent(&site, 0)?;
    let _own = baresip_phone(&site, 10, OWN, Answer::Auto)?;
    let mut desk = PlainDesk::begun(&site, user)?;
    desk.subscribe(CONTACTS)?;
    desk.subscribe(CHATS)?;
    desk.activates(user)?;
    let (content, note) = (u64::try_from(CONTENT)?, json!({"data": {"note": long()}}));

    are_carried_to(&site, "gws-17", &voicemail, [REQUEST, content], || {
        let told = desk.succeeds("GET", "voicemail/mailboxes", &Value::Null, 0)?;
        let mailbox = &told["data"]["mailboxes"][0];
        ensure!(mailbox["newMessages"] == 3 && mailbox["mailbox"] == OWN, "{told}");
        Ok(())
    })?;
    let of_dn = voicemail.last_about("/voicemail/v3/example/people/")?;
    ensure!(of_dn.path.ends_with(&format!("/mailboxes?dn={OWN}")), "{of_dn:?}");
    ensure!(of_dn.method == "GET" && of_dn.authorization.starts_with("Bearer "), "{of_dn:?}");

    are_carried_to(&site, "gws-26", &iwd, [content, content], || {
        desk.succeeds("POST", "iwd/work-items/w1/assign", &note, 1).map(drop)
    })?;
    ensure!(iwd.last_about("/work-items/w1/assign")?.body["data"] == note["data"], "the work item was asked for less");

    are_carried_to(&site, "gws-27", &chats, [content, content], || {
        desk.succeeds("POST", "media/chat/interactions/c1/accept", &note, 1)?;
        desk.comes("the messages", |data| data["messageType"] == "MessageLogUpdated").map(drop)
    })?;
    ensure!(chats.last_about("/nexus/v3/example/people/")?.body["data"] == note["data"], "the chat was asked for less");

    are_carried_to(&site, "gws-28", &ucs, [content, content], || {
        let asked = json!({"operationId": "op-7", "data": {"query": long()}});
        desk.succeeds("POST", "ucs/contacts/search", &asked, 1)?;
        let told = desk.comes("the contacts", |data| data["name"] == "EventSearchContact")?;
        ensure!(told["messageType"] == "UcsMessage" && told["operationId"] == "op-7", "{told}");
        Ok(())
    })?;

    // A desktop that is loaded again shows what is open.
    let session = desk.succeeds("GET", "current-session", &Value::Null, 0)?;
    let channels = session["data"]["user"]["activeSession"]["media"]["channels"].clone();
    ensure!(channels.as_array().is_some_and(|channels| channels.len() == 2), "{channels}");
    let is_open = |id: &str, subject: &str| {
        let mut all = channels.as_array().into_iter().flatten().flat_map(|channel| channel["interactions"].as_array());
        all.any(|of_channel| of_channel.iter().any(|one| one["id"] == id && one["subject"] == subject))
    };
    ensure!(is_open("c1", "an order") && is_open("w1", "a claim"), "{channels}");
    desk.succeeds("POST", "media/chat/interactions/c1/leave", &json!({}), 1)?;
    desk.succeeds("POST", "iwd/work-items/w1/complete", &json!({}), 1)?;
    let open = desk.succeeds("GET", "media/interactions", &Value::Null, 0)?;
    ensure!(open["data"]["interactions"] == json!([]), "{open}");
    Ok(())
}

/// own-36: what a person has open is asked at gws-interaction, again and again.
#[test]
fn what_a_person_has_open_is_asked_at_gws_interaction() -> Result<()> {
    let site = Installation::start()?;
    let desk = PlainDesk::new(&site, agent(&site, 0)?)?;
    let now = || carried(&site, "gws-workspace", "gws-interaction", HTTP);
    let bytes = QUESTIONS * QUESTION_BYTES;
    let mut looks = Vec::new();
    for _ in 0..ATTEMPTS {
        let before = now()?;
        for _ in 0..QUESTIONS {
            desk.succeeds("GET", "media/interactions", &Value::Null, 0)?;
        }
        let after = now()?;
        if after.sent >= before.sent + bytes && after.received >= before.received + bytes {
            let read = site.metric("gws-interaction", "gws_interaction_reads_total")?;
            ensure!(read > 0.0, "it was asked {read} times");
            return Ok(());
        }
        looks.push((before, after));
    }
    bail!("own-36 was never seen to carry {QUESTIONS} questions: {looks:?}")
}

/// gws-24: what a person has open is in Redis, sealed, where gws-interaction alone has written it, and another process finds it there.
#[test]
fn what_is_open_is_in_redis_and_whoever_comes_after_a_crash_reads_it_there() -> Result<()> {
    const KEYS: &str = "auth:{example}:interactions:*";
    let chats = PlayedService::start(&json!({"data": {"subject": "an order of Mrs Miller"}}))?;
    let setting = chats.setting("digital_channels");
    let settings = setting.each_ref().map(String::as_str);
    let mut site = Installation::start_on_servers(&settings)?;
    let heard = Monitor::start(&site, REDIS)?;
    let user = agent(&site, 0)?.clone();
    let cookie = {
        let desk = PlainDesk::new(&site, &user)?;
        desk.succeeds("POST", "media/chat/interactions/c1/accept", &json!({}), 1)?;
        desk.cookie.clone()
    };
    let key = site.servers()?.redis_cli(REDIS, &["KEYS", KEYS])?;
    ensure!(
        !key.is_empty() && !key.contains('\n') && !key.contains(&user.user),
        "one person has something open: {key}"
    );
    let clients = clients_of(&mut site, REDIS, "gws-24")?;
    let said = format!("\"{key}\"");
    wait::until(SOON, || Ok(heard.has_said(0, &clients, &[&said]).then_some(())))
        .with_context(|| format!("none of {clients:?} has said {said}"))?;
    let value = site.servers()?.redis_cli(REDIS, &["HGET", &key, "v"])?;
    ensure!(!value.is_empty() && !value.contains("Miller") && !value.contains("chat"), "it is not sealed: {value}");

    let site = site.crash_and_restart_with(&settings)?;
    let mut last = Value::Null;
    let open = wait::until(LATER, || {
        let (status, told) = asked(&site, &cookie_header(&cookie), "GET", "media/interactions", &Value::Null)?;
        last = told;
        Ok((status == 200).then(|| last.clone()))
    });
    let open = open.with_context(|| last.to_string())?;
    let interaction = &open["data"]["interactions"][0];
    ensure!(interaction["id"] == "c1" && interaction["subject"] == "an order of Mrs Miller", "{open}");
    Ok(())
}
