//! The rows of the Workspace API, each proven by what it carries: the bytes of a content grow on its sockets in the kernel's table, and the
//! other side knows what only this row could tell it. For the row to Redis the server itself tells what was said.

use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use testkit::agents::baresip_phone;
use testkit::process::signal;
use testkit::{Answer, Installation, Watch, kernel, wait};

use super::desk::{PlainDesk, asked, cookie_header, cookie_of, initialised, token};
use super::{OTHER, OWN, agent};
use crate::carried::{Bytes, carried};
use crate::edge::Program;
use crate::rows::monitor::{Monitor, clients_of};

const SOON: Duration = Duration::from_secs(60);
const LATER: Duration = Duration::from_secs(90);
const HTTP: u16 = 8_080;
const EVENTS: u16 = 8_000;
const CONFIGURATION: u16 = 8_888;
const REDIS: u16 = 6_379;
/// How often a content is carried at most until its bytes are seen.
const ATTEMPTS: u32 = 5;
/// Bytes of user data attached to a call: more than two idle roles exchange in a minute.
const USER_DATA: usize = 24 * 1_024;
/// Reasons that an import adds, and bytes of each of them at least.
const REASONS: u64 = 60;
const REASON_BYTES: u64 = 40;
/// How often a token is asked about, and bytes of each question and of each answer at least.
const QUESTIONS: u64 = 10;
const QUESTION_BYTES: u64 = 100;
/// Bytes of a setting that a person keeps.
const SETTING: usize = 48 * 1_024;
/// Statistics that a session opens, and bytes of each of them at least, asked for and told.
const STATISTICS: u64 = 30;
const STATISTIC_BYTES: u64 = 50;
/// A killed process stays away long enough for something to happen meanwhile.
const AWAY: [&str; 3] = ["--processes", "--set", "process.restart_after=5s"];
/// The last octet of the address of the program that comes by HTTPS.
const PROGRAM: u8 = 7;
const WALLBOARD: &str = "/pulse/api/v1/example/wallboard/stream";

/// A row by its id, the roles at its ends and the port.
type Row = (&'static str, &'static str, &'static str, u16);

fn all_carried(site: &Installation, rows: &[Row]) -> Result<Vec<Bytes>> {
    rows.iter().map(|(_, from, to, port)| carried(site, from, to, *port)).collect()
}

/// Waits until each of the rows has sent and received so many bytes more than before.
fn have_grown(site: &Installation, rows: &[Row], before: &[Bytes], [sent, received]: [u64; 2]) -> Result<()> {
    for ((id, from, to, port), before) in rows.iter().zip(before) {
        let mut now = *before;
        wait::until(SOON, || {
            now = carried(site, from, to, *port)?;
            let has_grown = now.sent >= before.sent + sent && now.received >= before.received + received;
            Ok(has_grown.then_some(()))
        })
        .with_context(|| format!("{id}: {before:?}, then {now:?}"))?;
    }
    Ok(())
}

/// Has `act` carry its content until each of the rows has been seen to send and receive so many bytes. The kernel's table has open
/// connections alone: the one that carried the content may close before the look, so that it is carried once more.
fn are_carried_by(
    site: &Installation,
    rows: &[Row],
    [sent, received]: [u64; 2],
    mut act: impl FnMut(u32) -> Result<()>,
) -> Result<()> {
    let mut unseen = rows.to_vec();
    let mut looks = Vec::new();
    for attempt in 0..ATTEMPTS {
        let before = all_carried(site, &unseen)?;
        act(attempt)?;
        let now = all_carried(site, &unseen)?;
        looks = unseen.iter().zip(before).zip(now).map(|((row, before), now)| (*row, before, now)).collect();
        looks.retain(|(_, before, now)| now.sent < before.sent + sent || now.received < before.received + received);
        unseen = looks.iter().map(|(row, ..)| *row).collect();
        if unseen.is_empty() {
            return Ok(());
        }
    }
    bail!("never seen to carry {sent} and {received} bytes: {looks:?}")
}

fn note(text: &str) -> Value {
    json!({"data": {"userData": [{"key": "Note", "type": "str", "value": text}]}})
}

/// own-31, gws-06, gws-29 and tenant-08: what an agent attaches to a call goes whole from the web edge to the tenant's voice, and comes
/// back to the desktop as an event. gws-01: the same from a program by HTTPS, which verifies whom it talks with.
#[test]
fn what_an_agent_attaches_goes_by_every_role_and_comes_back_as_an_event() -> Result<()> {
    const ROWS: [Row; 4] = [
        ("own-31", "ingress", "gws-proxy", HTTP),
        ("gws-06", "gws-proxy", "gws-workspace", HTTP),
        ("gws-29", "gws-workspace", "gws-voice", HTTP),
        ("tenant-08", "gws-voice", "tenant", EVENTS),
    ];
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let user = agent(&site, 0)?;
    let _own = baresip_phone(&site, 10, OWN, Answer::Auto)?;
    let mut other = baresip_phone(&site, 11, OTHER, Answer::Auto)?;
    let mut desk = PlainDesk::begun(&site, user)?;
    desk.activates(user)?;
    let call = desk.makes_a_call(OTHER)?;
    let operation = format!("calls/{call}/attach-user-data");
    let is_in_event = |text: &str| {
        let due = json!({"key": "Note", "type": "str", "value": text});
        move |data: &Value| data["call"]["userData"].as_array().is_some_and(|pairs| pairs.contains(&due))
    };
    let is_at_owner = |text: &str| {
        let has =
            |fact: &testkit::Fact| fact.name == "EventAttachedDataChanged" && fact.frame["UserData"]["Note"] == text;
        wait::until(LATER, || Ok(watch.facts().iter().any(has).then_some(()))).context("the owner has not done it")
    };
    // Half of it: connections that were idle meanwhile have taken their bytes along.
    let bytes = u64::try_from(USER_DATA / 2)?;
    are_carried_by(&site, &ROWS, [bytes; 2], |attempt| {
        let text = format!("{attempt}{}", "x".repeat(USER_DATA));
        desk.operates(&operation, &note(&text))?;
        desk.comes("the attached data", is_in_event(&text))?;
        is_at_owner(&text)
    })?;

    let by_https = "y".repeat(USER_DATA);
    let _program = attached_by_https(&site, &desk.cookie, &operation, &by_https)?;
    desk.comes("what was attached by HTTPS", is_in_event(&by_https))?;
    is_at_owner(&by_https)?;
    other.hang_up()?;
    Ok(())
}

/// A program attaches data to the call by HTTPS with the cookie of the agent's session, and then follows the wallboard on its
/// connection, so that it stands while the kernel is asked.
fn attached_by_https(site: &Installation, cookie: &str, operation: &str, text: &str) -> Result<Program> {
    let edge: SocketAddr = site.demo.webs.trim_start_matches("https://").parse()?;
    let trusted = site.demo.webs_ca.as_ref().context("demo.json tells no certificate")?.display().to_string();
    let from = site.peer_address(PROGRAM);
    let address = from.to_string();
    let common = ["--silent", "--http1.1", "--no-buffer", "--interface", &address, "--cacert", &trusted];
    let cookie = cookie_header(cookie);
    let wallboard = site.demo.tokens.get("wallboard").context("no token")?;
    let body = note(text).to_string();
    let mut command = Command::new("curl");
    command.args(common).args(["--header", cookie.trim(), "--header", "content-type: application/json"]);
    command.args(["--data-binary", &body]);
    command.arg(format!("{}/workspace/v3/voice/{operation}", site.demo.webs)).arg("--next");
    command.args(common).args(["--header", &format!("authorization: Bearer {wallboard}")]);
    let program = Program::start(command.arg(format!("{}{WALLBOARD}", site.demo.webs)))?;
    let has = |lines: &[String], what: &str| lines.iter().any(|line| line.contains(what));
    program.wait_for("answer", |lines| (has(lines, "\"code\":1") && has(lines, "data:")).then_some(()))?;
    let mut seen = Vec::new();
    wait::until(LATER, || {
        seen = kernel::connections(site.pid())?;
        seen.retain(|socket| socket.local == edge && socket.remote.ip() == IpAddr::V4(from));
        Ok(seen.iter().any(|socket| socket.received >= USER_DATA as u64 && socket.sent > 0).then_some(()))
    })
    .with_context(|| format!("gws-01: the kernel has {seen:?}"))?;
    Ok(program)
}

/// gws-16 and tenant-07: reasons that an import adds reach the desktop, which has them from gws-configuration, and that from tenant.
/// gws-14: auth is asked whether the token is still good.
#[test]
fn what_a_tenant_imports_and_what_auth_knows_reach_the_desktop() -> Result<()> {
    const CONFIGURED: Row = ("tenant-07", "gws-configuration", "tenant", CONFIGURATION);
    const TOLD: Row = ("gws-16", "gws-workspace", "gws-configuration", HTTP);
    const ASKED: Row = ("gws-14", "gws-workspace", "auth", HTTP);
    let site = Installation::start()?;
    let user = agent(&site, 0)?;
    let token = token(&site, user)?;
    let reasons = |desk: &PlainDesk<'_>| -> Result<u64> {
        let told = desk.succeeds("GET", "configuration?types=actionCodes", &Value::Null, 0)?;
        let codes = told["data"]["actionCodes"].as_array().with_context(|| told.to_string())?;
        let ours = codes.iter().filter(|code| code["code"].as_str().is_some_and(|code| code.starts_with("Proof")));
        Ok(u64::try_from(ours.count())?)
    };
    let desk = PlainDesk::by_token(&site, &token)?;
    ensure!(reasons(&desk)? == 0, "the reasons are there already");
    let before = all_carried(&site, &[CONFIGURED, TOLD])?;
    site.change_example(|file| {
        let line = |number| {
            format!("  - {{code: Proof{number:02}, name: A reason that is there for this test {number:02}}}\n")
        };
        let lines: String = (0..REASONS).map(line).collect();
        file.replacen("\naction_codes:\n", &format!("\naction_codes:\n{lines}"), 1)
    })?;
    wait::until(LATER, || Ok((reasons(&desk)? == REASONS).then_some(()))).context("the desktop has not all reasons")?;
    have_grown(&site, &[CONFIGURED, TOLD], &before, [1, REASONS * REASON_BYTES])?;

    let headers = format!("{}Authorization: Bearer {token}\r\n", cookie_header(&desk.cookie));
    are_carried_by(&site, &[ASKED], [QUESTIONS * QUESTION_BYTES; 2], |_| {
        for _ in 0..QUESTIONS {
            let (status, answer) = asked(&site, &headers, "GET", "auth-keep-alive", &Value::Null)?;
            ensure!(status == 200, "{status} {answer}");
        }
        Ok(())
    })
}

/// gws-30: what a session has open of statistics is read at gws-statistics, again and again.
#[test]
fn what_a_session_has_open_of_statistics_is_read_at_gws_statistics() -> Result<()> {
    const READ: [Row; 1] = [("gws-30", "gws-workspace", "gws-statistics", HTTP)];
    let site = Installation::start()?;
    let user = site.demo.users.iter().find(|user| user.kind == "supervisor").context("no supervisor signs in")?;
    let desk = PlainDesk::new(&site, user)?;
    let statistic =
        |agent: u64| json!({"objectId": agent.to_string(), "objectType": "Agent", "name": "CurrentAgentState"});
    let body = json!({"data": {"statistics": (1_001..1_001 + STATISTICS).map(statistic).collect::<Vec<_>>()}});
    let before = all_carried(&site, &READ)?;
    let opened = desk.succeeds("POST", "reporting/subscriptions", &body, 0)?;
    let told = opened["data"]["statistics"].as_array().map_or(0, Vec::len);
    ensure!(told as u64 == STATISTICS, "{opened}");
    have_grown(&site, &READ, &before, [STATISTICS * STATISTIC_BYTES; 2])?;
    let before = all_carried(&site, &READ)?;
    have_grown(&site, &READ, &before, [STATISTICS * STATISTIC_BYTES; 2])
}

/// gws-18: the session is in Redis, sealed, and another process finds it there.
#[test]
fn a_session_is_in_redis_and_whoever_comes_after_a_crash_reads_it_there() -> Result<()> {
    const KEYS: &str = "auth:{example}:workspace:*";
    let mut site = Installation::start_on_servers(&[])?;
    let heard = Monitor::start(&site, REDIS)?;
    let user = agent(&site, 0)?.clone();
    let token = token(&site, &user)?;
    ensure!(site.servers()?.redis_cli(REDIS, &["KEYS", KEYS])?.is_empty(), "there is a session already");
    let cookie = cookie_of(&initialised(&site, &token, &[])?)?;
    let key = wait::until(SOON, || {
        let keys = site.servers()?.redis_cli(REDIS, &["KEYS", KEYS])?;
        Ok((!keys.is_empty()).then_some(keys))
    });
    let key = key.context("no session is in Redis")?;
    let clients = clients_of(&mut site, REDIS, "gws-18")?;
    let said = format!("\"{key}\"");
    wait::until(SOON, || Ok(heard.has_said(0, &clients, &[&said]).then_some(())))
        .with_context(|| format!("none of {clients:?} has said {said}"))?;
    let (_, secret) = cookie.split_once('.').context("a cookie has a secret")?;
    let value = site.servers()?.redis_cli(REDIS, &["HGET", &key, "v"])?;
    ensure!(!value.is_empty() && !value.contains(&user.user), "it is not sealed");
    ensure!(!key.contains(secret) && !value.contains(secret), "the secret is in Redis");

    let site = site.crash_and_restart()?;
    let (status, session) = asked(&site, &cookie_header(&cookie), "GET", "current-session", &Value::Null)?;
    ensure!(status == 200 && session["data"]["user"]["userName"] == json!(user.user), "{status} {session}");
    Ok(())
}

/// gws-31: a setting of a person goes whole to gws-setting and comes back. gws-09: it is in PostgreSQL, where gws-setting alone has written
/// it by the client that the server names.
#[test]
fn what_a_person_keeps_goes_by_gws_setting_into_the_database() -> Result<()> {
    const ROW: Row = ("gws-31", "gws-workspace", "gws-setting", HTTP);
    const KEPT: &str = "SELECT user_name FROM person_setting WHERE tenant = 'example' AND document LIKE '\"zzzz%'";
    const CLIENTS: &str =
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name LIKE 'trunkline/gws-setting-%/gws-09'";
    let mut site = Installation::start_on_servers(&[])?;
    let user = agent(&site, 0)?.clone();
    let value = "z".repeat(SETTING);
    {
        let desk = PlainDesk::new(&site, &user)?;
        are_carried_by(&site, &[ROW], [u64::try_from(SETTING / 2)?; 2], |_| {
            desk.succeeds("POST", "settings/long", &json!({"data": {"value": value}}), 0)?;
            let kept = desk.succeeds("GET", "settings/long", &Value::Null, 0)?;
            ensure!(kept["data"]["value"] == json!(value), "it is another one: {kept}");
            Ok(())
        })?;
    }
    ensure!(site.servers()?.psql(KEPT)? == user.user, "it is not in the database");
    ensure!(site.servers()?.psql(CLIENTS)? == "t", "gws-setting has no connection to it");
    Ok(())
}

/// What is kept of a tenant ends by itself, and with the tenant.
fn goes_with_its_tenant(site: &mut Installation, key: &str) -> Result<()> {
    let left: i64 = site.servers()?.redis_cli(REDIS, &["PTTL", key])?.parse()?;
    ensure!((1..=300_000).contains(&left), "{key} lives for {left} ms");
    let ended = Command::new(testkit::installation::binary()?)
        .args(["tenant", "delete", "example", "--without-backup", "--yes"])
        .args(["--instance", &site.demo.instance.to_string(), "--data-dir"])
        .arg(site.data_dir())
        .args(site.stores())
        .output()?;
    ensure!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    // Nobody follows it any more, or it is seen with the next writing of what has not changed.
    wait::until(LATER, || Ok((site.servers()?.redis_cli(REDIS, &["EXISTS", key])? == "0").then_some(())))
        .with_context(|| format!("{key} outlives its tenant"))
}

/// gws-25: what is known of DNs is in Redis, sealed, and the next process goes on from it. So each change that came while there was no
/// gws-voice at all is told by itself, and not what they have come to together.
#[test]
fn what_happens_while_there_is_no_gws_voice_is_told_one_by_one() -> Result<()> {
    const KEY: &str = "view:{example}:desktops";
    let mut site = Installation::start_on_servers(&AWAY)?;
    let heard = Monitor::start(&site, REDIS)?;
    {
        let watch = Watch::start(&site, "0-0")?;
        let user = agent(&site, 0)?;
        let _own = baresip_phone(&site, 10, OWN, Answer::Auto)?;
        let mut other = baresip_phone(&site, 11, OTHER, Answer::Auto)?;
        let mut desk = PlainDesk::begun(&site, user)?;
        desk.activates(user)?;
        let call = desk.makes_a_call(OTHER)?;
        let kept = || site.metric("gws-voice", "gws_voice_voices_kept_total");
        wait::until(LATER, || Ok((kept()? >= 1.0).then_some(()))).context("nothing is kept")?;

        let pid = kernel::processes(site.pid())?.get("gws-voice-1").copied().context("no process gws-voice-1")?;
        signal(pid, "KILL")?;
        for key in ["first", "second"] {
            let data = json!({ key: "there" });
            site.request(&json!({"req": "TAttachUserData", "ThisDN": OWN, "ConnID": call, "UserData": data}))?;
            let has = |fact: &testkit::Fact| {
                fact.name == "EventAttachedDataChanged" && fact.frame["UserData"][key] == "there"
            };
            wait::until(SOON, || Ok(watch.facts().iter().any(has).then_some(()))).context("it is not attached")?;
        }
        let has = |data: &Value, key: &str| {
            data["call"]["userData"].as_array().is_some_and(|pairs| pairs.iter().any(|pair| pair["key"] == key))
        };
        desk.comes("the first of two changes", |data| has(data, "first") && !has(data, "second"))?;
        desk.comes("the second one", |data| has(data, "first") && has(data, "second"))?;
        let taken_over = site.metric("gws-voice", "gws_voice_voices_taken_over_total")?;
        ensure!(taken_over == 1.0, "{taken_over} tenants went on from what was kept");
        other.hang_up()?;
    }
    let value = site.servers()?.redis_cli(REDIS, &["HGETALL", KEY])?;
    ensure!(!value.is_empty() && !value.contains(OWN), "it is not there, or not sealed: {value}");
    let clients = clients_of(&mut site, REDIS, "gws-25")?;
    let said = format!("\"{KEY}\"");
    wait::until(SOON, || Ok(heard.has_said(0, &clients, &[&said]).then_some(())))
        .with_context(|| format!("none of {clients:?} has said {said}"))?;
    goes_with_its_tenant(&mut site, KEY)
}
