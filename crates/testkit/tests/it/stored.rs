//! What the APIs say is what stands in the stores, as the servers' own tools show it: people, numbers, changes and sessions. No secret that
//! somebody was told stands there in clear.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use testkit::installation::DemoUser;
use testkit::observe::Answer;
use testkit::visitor::VERIFIER;
use testkit::{Caller, Installation, Servers, Visitor, wait};

use crate::workspace::desk::PlainDesk;

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);
const API: &str = "/agent-setup/api/v1/example";
const SESSIONS: &str = "/auth/v3/sessions";
/// The cookie of who has signed in in a browser.
const COOKIE: &str = "trunkline-session";
const REDIS: u16 = 6_379;
const REDIS_OF_PULSE: u16 = 6_380;
/// What a sealed secret begins with.
const SEALED: &str = "sealed:v1:";
/// Somebody who comes, is renamed and goes: three changes.
const NEW: &str = "nora.north";
const CHANGES: usize = 3;
/// A password that is in no list of those that are guessed first.
const PASSWORD: &str = "bright-copper-windmill-41";

fn person<'a>(site: &'a Installation, kind: &str) -> Result<&'a DemoUser> {
    site.demo.users.iter().find(|user| user.kind == kind).with_context(|| format!("no {kind} signs in"))
}

fn token(site: &Installation, kind: &str) -> Result<String> {
    let user = person(site, kind)?;
    Visitor::new(site)?.by_password(&user.user, &user.password)?.token("access_token")
}

/// Asks the web edge with a token; what is answered with that status.
fn asked(site: &Installation, token: &str, asked: (&str, &str), body: &Value, due: u16) -> Result<Value> {
    let (method, path) = asked;
    let web: SocketAddr = site.demo.web.trim_start_matches("http://").parse()?;
    let headers = format!("Authorization: Bearer {token}\r\n");
    let sent = if body.is_null() { String::new() } else { body.to_string() };
    let Answer { status, body } = site.http_with(web, method, path, &headers, &sent)?;
    ensure!(status == due, "{method} {path}: {status} {body}");
    if body.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(&body)?) }
}

/// All objects of a kind, each as a line.
fn listed(site: &Installation, token: &str, kind: &str, line: impl Fn(&Value) -> String) -> Result<Vec<String>> {
    let page = asked(site, token, ("GET", &format!("{API}/objects/{kind}?page_size=200")), &Value::Null, 200)?;
    ensure!(page["next_page_token"] == "", "there are more than a page of {kind}");
    let items = page["items"].as_array().context("no items")?;
    Ok(sorted(items.iter().map(|item| line(&item["object"])).collect()))
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

/// The lines that a statement of SQL yields.
fn rows(site: &mut Installation, sql: &str) -> Result<Vec<String>> {
    Ok(site.servers()?.psql(sql)?.lines().map(str::to_owned).collect())
}

fn text<'v>(of: &'v Value, field: &str) -> &'v str {
    of.pointer(field).and_then(Value::as_str).unwrap_or("-")
}

#[test]
fn people_and_numbers_stand_in_the_database_as_the_api_lists_them() -> Result<()> {
    let mut site = Installation::start_on_servers(&[])?;
    let administrator = token(&site, "administrator")?;
    let people = listed(&site, &administrator, "person", |it| {
        [text(it, "/user_name"), text(it, "/first_name"), text(it, "/last_name"), text(it, "/agent/id")].join(" ")
    })?;
    let sql = "select user_name || ' ' || first_name || ' ' || last_name || ' ' || coalesce(nullif(agent_id, ''), '-') \
               from person where tenant = 'example'";
    ensure!(people.len() > 50, "{people:?}");
    assert_eq!(sorted(rows(&mut site, sql)?), people);

    let numbers = listed(&site, &administrator, "number", |it| {
        [text(it, "/number"), text(it, "/name"), text(it, "/dn")].join(" ")
    })?;
    ensure!(numbers.len() == site.demo.numbers.len(), "{numbers:?}");
    let sql = "select number || ' ' || name || ' ' || dn from number where tenant = 'example'";
    assert_eq!(sorted(rows(&mut site, sql)?), numbers);
    Ok(())
}

/// Sends one edit.
fn edits(site: &Installation, token: &str, edit: &Value) -> Result<()> {
    asked(site, token, ("POST", &format!("{API}/changes")), &json!({ "edits": [edit] }), 200).map(drop)
}

#[test]
fn each_change_stands_in_the_database_as_the_history_tells_it() -> Result<()> {
    let mut site = Installation::start_on_servers(&[])?;
    let administrator = token(&site, "administrator")?;
    let named = |last_name: &str| json!({"user_name": NEW, "first_name": "Nora", "last_name": last_name});
    for edit in [
        json!({"kind": "person", "id": NEW, "action": "put", "object": named("North")}),
        json!({"kind": "person", "id": NEW, "action": "put", "object": named("South")}),
        json!({"kind": "person", "id": NEW, "action": "delete"}),
    ] {
        edits(&site, &administrator, &edit)?;
    }
    let told = asked(&site, &administrator, ("GET", &format!("{API}/history?page_size={CHANGES}")), &Value::Null, 200)?;
    let line = |entry: &Value| {
        let names = [text(entry, "/kind"), text(entry, "/id"), text(entry, "/by")].join(" ");
        let (before, after) = (text(entry, "/before/last_name"), text(entry, "/after/last_name"));
        format!("{} {} {names} {before} {after}", entry["number"], entry["revision"])
    };
    let told: Vec<String> = told["items"].as_array().context("no items")?.iter().map(line).collect();
    let by = &person(&site, "administrator")?.user;
    let changed = format!(" person {NEW} person/{by} ");
    ensure!(told.len() == CHANGES && told.iter().all(|line| line.contains(&changed)), "{told:?}");
    let ends = ["South -", "North South", "- North"];
    ensure!(told.iter().zip(ends).all(|(line, end)| line.ends_with(end)), "{told:?}");
    let sql = format!(
        "select number || ' ' || revision || ' ' || kind || ' ' || id || ' ' || changed_by || ' ' \
         || coalesce(document_before::json ->> 'last_name', '-') || ' ' \
         || coalesce(document_after::json ->> 'last_name', '-') \
         from change_log where tenant = 'example' order by number desc limit {CHANGES}"
    );
    assert_eq!(rows(&mut site, &sql)?, told);
    let gone = rows(&mut site, &format!("select user_name from person where user_name = '{NEW}'"))?;
    ensure!(gone.is_empty(), "{gone:?} was deleted");
    Ok(())
}

/// How many keys of records of signing in there are of a kind.
fn kept(site: &mut Installation, kind: &str) -> Result<usize> {
    let keys = site.servers()?.redis_cli(REDIS, &["--scan", "--pattern", &format!("auth:{{example}}:{kind}:*")])?;
    Ok(keys.lines().count())
}

/// The rows of a kind in the list of what somebody has open.
fn open(site: &Installation, token: &str, kind: &str) -> Result<Vec<String>> {
    let told = asked(site, token, ("GET", SESSIONS), &Value::Null, 200)?;
    let rows = told["data"]["sessions"].as_array().with_context(|| told.to_string())?;
    Ok(rows.iter().filter(|row| row["kind"] == kind).map(|row| text(row, "/id").to_owned()).collect())
}

/// Signs somebody in in a browser, and at a program by a code of it: the access token, the refresh token, and the cookies of the browser.
fn signed_in(site: &Installation, user: &DemoUser) -> Result<[String; 3]> {
    let browser = Visitor::new(site)?;
    let tokens = browser.redeem(&browser.code(&user.user, &user.password)?, VERIFIER)?;
    let cookie = browser.cookie(COOKIE)?.context("the browser has no cookie")?;
    Ok([tokens.token("access_token")?, tokens.token("refresh_token")?, cookie])
}

#[test]
fn what_somebody_has_open_is_in_redis_as_the_list_of_it_says_and_goes_with_it() -> Result<()> {
    let mut site = Installation::start_on_servers(&[])?;
    for kind in ["session", "refresh"] {
        ensure!(kept(&mut site, kind)? == 0, "somebody is signed in already: {kind}");
    }
    let user = person(&site, "agent")?.clone();
    let [first, ..] = signed_in(&site, &user)?;
    let [second, ..] = signed_in(&site, &user)?;
    for (kind, of_list) in [("session", "browser"), ("refresh", "program")] {
        let shown = open(&site, &first, of_list)?.len();
        ensure!(shown == 2, "{shown} are told of {of_list}");
        ensure!(kept(&mut site, kind)? == shown, "{shown} of {of_list} are told, another number is kept");
    }
    // Whoever signs out everywhere has nothing open, and nothing is kept.
    let out = format!("authorization: Bearer {second}");
    let asked = ["--request", "POST", "--header", &out];
    let answer = Visitor::new(&site)?.ask("/auth/v3/sign-out?global=true", &asked)?;
    ensure!(answer.status < 400, "{} {}", answer.head, answer.body);
    for kind in ["session", "refresh"] {
        wait::until(SOON, || Ok((kept(&mut site, kind)? == 0).then_some(())))
            .with_context(|| format!("records of {kind} outlive the sign-out"))?;
    }
    Ok(())
}

/// All rows of all tables, and all values of all keys.
fn everything(servers: &Servers) -> Result<String> {
    let mut found = String::new();
    for table in servers.psql("select tablename from pg_tables where schemaname = 'public'")?.lines() {
        found += &servers.psql(&format!("select '{table}', whole from \"{table}\" whole"))?;
        found.push('\n');
    }
    for port in [REDIS, REDIS_OF_PULSE] {
        for key in servers.redis_cli(port, &["--scan"])?.lines() {
            let read = match servers.redis_cli(port, &["TYPE", key])?.as_str() {
                "string" => vec!["GET", key],
                "hash" => vec!["HGETALL", key],
                "list" => vec!["LRANGE", key, "0", "-1"],
                "set" => vec!["SMEMBERS", key],
                "zset" => vec!["ZRANGE", key, "0", "-1"],
                "stream" => vec!["XRANGE", key, "-", "+"],
                // It has expired meanwhile.
                "none" => continue,
                other => bail!("{key} is a {other}"),
            };
            found += &format!("{key}\n{}\n", servers.redis_cli(port, &read)?);
        }
    }
    Ok(found)
}

/// What somebody was told or has typed that opens something.
fn secrets(site: &Installation) -> Result<Vec<String>> {
    let administrator = token(site, "administrator")?;
    let wanted = json!({"name": "Reader", "scopes": ["config:read"]});
    let made = asked(site, &administrator, ("POST", &format!("{API}/api-keys")), &wanted, 201)?;
    let key = made["key"].as_str().and_then(|key| key.rsplit('_').next()).context("no key")?.to_owned();
    let typed = json!({"user_name": NEW, "first_name": "Nora", "last_name": "North", "password": PASSWORD});
    edits(site, &administrator, &json!({"kind": "person", "id": NEW, "action": "put", "object": typed}))?;
    let user = person(site, "agent")?;
    let [access, refresh, cookie] = signed_in(site, user)?;
    let desk = PlainDesk::new(site, user)?.cookie;
    let desk = desk.split_once('.').map(|(_, secret)| secret.to_owned()).context("a cookie has a secret")?;
    let mut secrets = vec![administrator, key, access, refresh, cookie, desk, PASSWORD.to_owned()];
    secrets.extend(site.demo.users.iter().map(|user| user.password.clone()));
    secrets.extend(site.demo.people.iter().map(|person| person.password.clone()));
    secrets.extend(site.demo.clients.iter().map(|client| client.secret.clone()));
    secrets.extend(site.demo.tokens.values().cloned());
    let short = secrets.iter().position(|secret| secret.len() < 8);
    ensure!(short.is_none(), "secret {short:?} is too short to be told from other text");
    Ok(secrets)
}

#[test]
fn nothing_that_opens_something_stands_in_clear_in_any_table_or_key() -> Result<()> {
    let mut site = Installation::start_on_servers(&[])?;
    let secrets = secrets(&site)?;
    let caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("echo")?, &[])?;
    caller.answered(SOON)?;
    let found = everything(site.servers()?)?;
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    for told in [NEW, SEALED, "call:{example}:", "auth:{example}:session:", "auth:{example}:workspace:", "$argon2id$"] {
        ensure!(found.contains(told), "what is in the stores was not read: there is no {told}");
    }
    for (number, secret) in secrets.iter().enumerate() {
        let bytes: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        let is_there = found.contains(secret.as_str()) || found.contains(&bytes);
        ensure!(!is_there, "secret {number} of {} stands in a store", secrets.len());
    }
    Ok(())
}
