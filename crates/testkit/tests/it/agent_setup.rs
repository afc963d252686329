//! Agent Setup at the web edge, by curl with the cookies of a browser: somebody signs in at our pages and changes the configuration, and
//! who may not is refused. And in a browser, as our guide for administrators says.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use testkit::browser::Browser;
use testkit::caller::prompt;
use testkit::installation::DemoUser;
use testkit::visitor::{CurlAnswer, path_of};
use testkit::{Answer, Caller, Installation, Phone, Setup, Visitor, wait};

use crate::carried::carried;
use crate::replicas::{TwoReplicas, comes_to_work, start_with_two};

const API: &str = "/agent-setup/api/v1/example";
const PAGE: &str = "/agent-setup/";
/// The address that GWS has for the pages.
const PUBLISHED: &str = "/ui/provisioning";
const COOKIE: &str = "trunkline-page";
/// More redirects than the way of a sign-in has.
const REDIRECTS_MAX: usize = 8;
const NEW: &str = "new.person";
const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);
/// A browser takes some seconds to start, and fills in three forms.
const IN_BROWSER: Duration = Duration::from_secs(180);

fn person<'a>(site: &'a Installation, kind: &str) -> Result<&'a DemoUser> {
    site.demo.users.iter().find(|user| user.kind == kind).with_context(|| format!("no {kind} signs in"))
}

/// The way of a browser from one of our pages through the sign-in, and back; whether it was asked for a password.
fn signs_in(visitor: &Visitor<'_>, user: &DemoUser, asked: &str) -> Result<bool> {
    comes_back(visitor, user, asked, PAGE)
}

/// The same for a page that is named.
fn comes_back(visitor: &Visitor<'_>, user: &DemoUser, asked: &str, page: &str) -> Result<bool> {
    let mut answer = visitor.ask(asked, &[])?;
    let mut was_asked = false;
    for _ in 0..REDIRECTS_MAX {
        let to = answer.location().with_context(|| format!("{} {} {}", answer.status, answer.head, answer.body))?;
        let to = path_of(to);
        if to == page {
            return Ok(was_asked);
        }
        was_asked |= answer.asks_for_a_password();
        answer = match answer.asks_for_a_password() {
            true => visitor.fill_in(&to, &user.user, &user.password, &[])?,
            false => visitor.ask(&to, &[])?,
        };
    }
    bail!("it goes on and on")
}

/// Our own pages, in the browser of somebody who is signed in.
pub(crate) struct Page<'a> {
    visitor: Visitor<'a>,
    origin: String,
}

impl<'a> Page<'a> {
    pub(crate) fn open(site: &'a Installation, kind: &str) -> Result<Self> {
        let visitor = Visitor::new(site)?;
        signs_in(&visitor, person(site, kind)?, &format!("/session/sign-in?to={PAGE}"))?;
        Ok(Self { visitor, origin: format!("origin: {}", site.demo.web) })
    }

    fn get(&self, path: &str) -> Result<CurlAnswer> {
        self.get_with(path, &[])
    }

    /// Asks with further arguments of curl.
    pub(crate) fn get_with(&self, path: &str, arguments: &[&str]) -> Result<CurlAnswer> {
        self.visitor.ask(&format!("{API}{path}"), arguments)
    }

    pub(crate) fn read(&self, path: &str) -> Result<Value> {
        let answer = self.get(path)?;
        ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.body);
        answer.json()
    }

    pub(crate) fn post(&self, path: &str, media_type: &str, body: &str) -> Result<CurlAnswer> {
        let media_type = format!("content-type: {media_type}");
        let arguments = ["--header", &self.origin, "--header", &media_type, "--data-binary", body];
        self.visitor.ask(&format!("{API}{path}"), &arguments)
    }

    /// Sends one edit.
    pub(crate) fn change(&self, edit: &Value, is_trial: bool) -> Result<CurlAnswer> {
        self.post("/changes", "application/json", &json!({ "dry_run": is_trial, "edits": [edit] }).to_string())
    }

    fn session(&self) -> Result<Value> {
        self.visitor.ask("/session", &[])?.json()
    }
}

pub(crate) fn is(answer: CurlAnswer, status: u16) -> Result<Value> {
    ensure!(answer.status == status, "{} instead of {status}: {}", answer.status, answer.body);
    answer.json()
}

fn new_person(last_name: &str) -> Value {
    let object = json!({ "user_name": NEW, "first_name": "New", "last_name": last_name });
    json!({ "kind": "person", "id": NEW, "action": "put", "object": object })
}

fn merge(object: &Value, expected: u64) -> Value {
    json!({ "kind": "person", "id": NEW, "action": "merge", "object": object, "expected_revision": expected })
}

/// own-27, own-28.
/// The files that a page loads at first, by the paths that it has for them.
fn loaded_by(page: &str) -> Vec<&str> {
    let texts = page.split('"').skip(1).step_by(2);
    texts.filter(|text| text.ends_with(".js") || text.ends_with(".css")).collect()
}

/// gws-05: the pages come whole from agent-setup by gws-proxy, for whoever asks, as those of our own address do. Nothing else is open
/// there.
#[test]
fn the_pages_are_at_the_address_of_gws_too_for_whoever_asks() -> Result<()> {
    let site = Installation::start()?;
    let nobody = Visitor::new(&site)?;
    let file = |path: &str| -> Result<CurlAnswer> {
        let answer = nobody.ask(path, &[])?;
        ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.body);
        Ok(answer)
    };
    let (ours, theirs) = (file(PAGE)?, file(PUBLISHED)?);
    for header in ["content-type", "content-security-policy", "x-content-type-options", "etag", "cache-control"] {
        ensure!(theirs.header(header).is_some() && theirs.header(header) == ours.header(header), "{}", theirs.head);
    }
    let etag = format!("if-none-match: {}", theirs.header("etag").unwrap_or_default());
    ensure!(nobody.ask(PUBLISHED, &["--header", &etag])?.status == 304, "it is sent again");
    ensure!(file(&format!("{PUBLISHED}/people/ann"))?.body == theirs.body, "a page of it is another one");

    let before = carried(&site, "gws-proxy", "agent-setup", 8_080)?;
    let mut bytes = 0;
    for (own, path) in loaded_by(&ours.body).into_iter().zip(loaded_by(&theirs.body)) {
        ensure!(path == format!("{PUBLISHED}{own}"), "{path} is not below {PUBLISHED}");
        let loaded = file(path)?;
        ensure!(loaded.body == file(own)?.body, "{path} is another file than {own}");
        bytes += u64::try_from(loaded.body.len())?;
    }
    ensure!(bytes > 0, "nothing is loaded: {}", theirs.body);
    let mut now = before;
    wait::until(SOON, || {
        now = carried(&site, "gws-proxy", "agent-setup", 8_080)?;
        Ok((now.sent > before.sent && now.received >= before.received + bytes).then_some(()))
    })
    .with_context(|| format!("gws-05: {before:?}, then {now:?}, {bytes} bytes are due"))?;

    ensure!(nobody.ask(PUBLISHED, &["--request", "POST"])?.status == 405, "it takes what is sent");
    for (path, due) in [("/ui/other", 401), ("/ui", 401), (&*format!("{API}/history"), 401)] {
        ensure!(nobody.ask(path, &[])?.status == due, "{path} is open");
    }
    ensure!(nobody.ask(&format!("{PUBLISHED}/assets/nothing.js"), &[])?.status == 404, "a file is made up");
    Ok(())
}

#[test]
fn an_administrator_signs_in_at_our_pages_and_changes_people() -> Result<()> {
    let site = Installation::start()?;
    let nobody = Visitor::new(&site)?.ask("/session", &[])?.json()?;
    ensure!(nobody == json!({ "signed_in": false }), "{nobody}");
    let page = Page::open(&site, "administrator")?;
    let session = page.session()?;
    let boss = person(&site, "administrator")?;
    ensure!(session["signed_in"] == true && session["tenant"] == "example", "{session}");
    ensure!(session["user"] == boss.user.as_str() && session["until"].is_string(), "{session}");
    let has = |list: &str, one: &str| session[list].as_array().is_some_and(|all| all.contains(&json!(one)));
    ensure!(has("privileges", "administrator") && has("scopes", "config:write"), "{session}");

    // A trial changes nothing, and shows what it would.
    let object = format!("/objects/person/{NEW}");
    let tried = is(page.change(&new_person("Person"), true)?, 200)?;
    let shown = &tried["changes"][0];
    ensure!(shown["before"].is_null() && shown["after"]["last_name"] == "Person", "{tried}");
    ensure!(page.get(&object)?.status == 404, "a trial has changed something");
    let made = is(page.change(&new_person("Person"), false)?, 200)?;
    ensure!(made["changes"][0]["after"]["user_name"] == NEW, "{made}");
    let answer = page.get(&object)?;
    let first = answer.json()?["revision"].as_u64().context("no revision")?;
    ensure!(answer.header("etag") == Some(format!("\"{first}\"").as_str()), "{}", answer.head);
    let found = page.read(&format!("/objects/person?q={NEW}&page_size=5"))?;
    ensure!(found["items"][0]["id"] == NEW && found["next_page_token"] == "", "{found}");

    // A form of somebody else, who was signed in before in the same browser, is not saved.
    let edit = json!({ "edits": [merge(&json!({ "last_name": "Other" }), first)] }).to_string();
    for (named, status) in [("somebody.else", 412), (boss.user.as_str(), 200)] {
        let named = format!("x-trunkline-subject: {named}");
        let json = "content-type: application/json";
        let arguments = ["--header", &page.origin, "--header", json, "--header", &named, "--data-binary", &edit];
        let answer = page.visitor.ask(&format!("{API}/changes"), &arguments)?;
        ensure!(answer.status == status, "{named}: {} {}", answer.status, answer.body);
    }
    let first = page.read(&object)?["revision"].as_u64().context("no revision")?;

    // Whoever edits what others have changed meanwhile is told, and a rule is named with its field.
    let renamed = is(page.change(&merge(&json!({ "last_name": "Renamed" }), first), false)?, 200)?;
    let stale = is(page.change(&merge(&json!({ "last_name": "Late" }), first), false)?, 409)?;
    ensure!(stale["type"] == "conflict" && stale["id"] == NEW && stale["revision"] == renamed["revision"], "{stale}");
    let agent = json!({ "id": "9001", "login_code": "9001", "skills": [{ "skill": "Patience", "level": 5 }] });
    let second = renamed["revision"].as_u64().context("no revision")?;
    let faulty = is(page.change(&merge(&json!({ "agent": agent }), second), false)?, 422)?;
    let fault = &faulty["faults"][0];
    let is_skills = fault["field"].as_str().is_some_and(|field| field.starts_with("agent.skills"));
    ensure!(fault["id"] == NEW && is_skills, "{faulty}");
    ensure!(fault["rule"].as_str().is_some_and(|rule| rule.contains("Patience")), "{faulty}");
    ensure!(fault["code"] == "unknown" && fault["values"] == json!({ "kind": "skill", "id": "Patience" }), "{faulty}");

    // The history says who, and an object comes back.
    let history = page.read(&format!("/history?kind=person&id={NEW}"))?;
    let latest = &history["items"][0];
    ensure!(latest["by"] == format!("person/{}", boss.user) && latest["way"] == "page", "{latest}");
    let has = |field: &str| latest[field].as_str().is_some_and(|value| !value.is_empty());
    ensure!(has("session") && latest["client"] == "trunkline-pages", "{latest}");
    ensure!(latest["source"].as_str().is_some_and(|source| source.starts_with("127.")), "{latest}");
    ensure!(latest["before"]["last_name"] == "Other" && latest["after"]["last_name"] == "Renamed", "{latest}");
    ensure!(latest["number"].as_u64() > history["items"][1]["number"].as_u64(), "{history}");
    let back = json!({ "kind": "person", "id": NEW, "revision": first }).to_string();
    let restored = is(page.post("/restore", "application/json", &back)?, 200)?;
    ensure!(restored["changes"][0]["after"]["last_name"] == "Other", "{restored}");

    // What refers to an object, and the tenant itself.
    let uses = page.read("/uses/skill/Sales")?;
    let is_ada = |one: &Value| one["id"] == "ada.adler" && one["field"] == "agent.skills.Sales";
    ensure!(uses["items"].as_array().is_some_and(|all| all.iter().any(is_ada)), "{uses}");
    ensure!(page.read("/objects/tenant/-")?["object"]["id"] == "example", "the tenant is not shown");

    for (id, from, to, port) in
        [("own-27", "ingress", "agent-setup", 8_080), ("own-28", "agent-setup", "tenant", 8_888)]
    {
        let bytes = carried(&site, from, to, port)?;
        ensure!(bytes.sent > 0 && bytes.received > 0, "{id}: {bytes:?}");
    }
    Ok(())
}

/// Each kind of person of the demo, the page that it prints, and what the edge answers to them there.
const KINDS: [(&str, &str, &str); 6] = [
    ("agent", "/desktop", "/session"),
    ("browser agent", "/desktop", "/session"),
    ("supervisor", "/desktop", "/pulse/api/v1/example/wallboard"),
    ("administrator", PAGE, "/agent-setup/api/v1/example/objects/person"),
    ("designer", "/agent-setup/applications", "/agent-setup/api/v1/example/objects/application"),
    ("integrator", "/agent-setup/clients", "/agent-setup/api/v1/example/objects/client"),
];
/// What else is answered to those who read, and what is not.
const BESIDE: [(&str, &str, u16); 5] = [
    ("designer", "/api/operations/v1/example/traces?limit=1", 200),
    ("designer", "/api/voice/v1/example/webhooks", 403),
    ("integrator", "/api/voice/v1/example/webhooks", 200),
    ("integrator", "/api/operations/v1/example/traces?limit=1", 403),
    ("integrator", "/pulse/api/v1/example/wallboard", 200),
];

#[test]
fn each_kind_of_person_of_the_demo_signs_in_at_its_page_and_finds_what_is_theirs() -> Result<()> {
    let site = Installation::start()?;
    for (kind, page, path) in KINDS {
        let user = person(&site, kind)?;
        ensure!(user.page == format!("{}{page}", site.demo.web), "{kind}: {}", user.page);
        let visitor = Visitor::new(&site)?;
        comes_back(&visitor, user, &format!("/session/sign-in?to={page}"), page)?;
        let found = visitor.ask(path, &[])?;
        ensure!(found.status == 200, "{kind} {path}: {} {}", found.status, found.body);
        let session = visitor.ask("/session", &[])?.json()?;
        let is_privilege = session["privileges"].as_array().is_some_and(|all| all.contains(&json!(kind)));
        ensure!(is_privilege || kind == "browser agent", "{kind}: {session}");
        for (_, path, status) in BESIDE.into_iter().filter(|(of, ..)| *of == kind) {
            let found = visitor.ask(path, &[])?;
            ensure!(found.status == status, "{kind} {path}: {} {}", found.status, found.body);
        }
    }
    // Who reads changes nothing.
    for kind in ["designer", "integrator"] {
        let page = Page::open(&site, kind)?;
        is(page.change(&new_person("Person"), false)?, 403)?;
        ensure!(page.get(&format!("/objects/person/{NEW}"))?.status == 404, "{kind} has made a person");
    }
    Ok(())
}

/// One replica is killed, and then the other one hangs; whoever is signed in goes on, and changes something at either.
#[test]
fn an_administrator_goes_on_while_agent_setup_fails() -> Result<()> {
    let site = start_with_two("agent-setup")?;
    let replicas = TwoReplicas::of(&site, "agent-setup");
    let page = Page::open(&site, "administrator")?;
    // It may have been carried out already, where nobody has answered.
    let changes = |skill: &str| {
        let edit = json!({ "kind": "skill", "id": skill, "action": "put", "object": { "name": skill } });
        let seen = || page.read(&format!("/objects/skill/{skill}")).map(drop);
        comes_to_work(skill, || seen().or_else(|_| is(page.change(&edit, false)?, 200).and_then(|_| seen())))
    };
    changes("Before")?;
    replicas.kill(1)?;
    changes("Gone")?;
    replicas.comes_back(1)?;
    let _hung = replicas.stop(2)?;
    for skill in ["Before", "Gone"] {
        comes_to_work(skill, || page.read(&format!("/objects/skill/{skill}")).map(drop))?;
    }
    changes("Hung")
}

#[test]
fn tables_of_people_are_checked_taken_and_given() -> Result<()> {
    let site = Installation::start()?;
    let page = Page::open(&site, "administrator")?;
    let import = |query: &str, table: &str| is(page.post(&format!("/people.csv{query}"), "text/csv", table)?, 200);
    let faulty = import("?dry_run=true", "user_name,first_name,last_name,disabled\neve,Eve,Evans,perhaps\n")?;
    let fault = json!({
        "line": 2, "column": "disabled", "rule": "it is true or false",
        "code": "wrong_type", "values": { "wanted": "flag" }
    });
    let expected = json!({ "rows": 1, "changed": 0, "faults": [fault], "changes": [], "checked": "" });
    ensure!(faulty == expected, "{faulty}");
    let good = "user_name,first_name,last_name\neve,Eve,Evans\n";
    // The same import sent again gets the first answer.
    for (query, found) in [("?dry_run=true", 404), ("?request_id=eve-1", 200), ("?request_id=eve-1", 200)] {
        let taken = import(query, good)?;
        ensure!(taken["rows"] == 1 && taken["changed"] == 1 && taken["faults"] == json!([]), "{query}: {taken}");
        let shown = &taken["changes"][0];
        ensure!(shown["before"].is_null() && shown["after"]["last_name"] == "Evans", "{query}: {taken}");
        ensure!(page.get("/objects/person/eve")?.status == found, "{query}: what has changed is something else");
    }
    ensure!(import("?dry_run=true", good)?["changed"] == 0, "a repeated import is another one");
    // Corrected, it is another one, and needs a name of its own.
    let corrected = page.post("/people.csv?request_id=eve-1", "text/csv", &good.replace("Evans", "Best"))?;
    ensure!(corrected.status == 422, "{} {}", corrected.status, corrected.body);
    let latin = std::env::temp_dir().join(format!("people-{}.csv", std::process::id()));
    std::fs::write(&latin, b"user_name,last_name\njoe,M\xfcller\n")?;
    let refused = import("?dry_run=true", &format!("@{}", latin.display()));
    std::fs::remove_file(&latin)?;
    let refused = refused?;
    let rule = refused["faults"][0]["rule"].as_str().unwrap_or_default();
    ensure!(refused["faults"][0]["line"] == 2 && rule.contains("UTF-8"), "{refused}");
    ensure!(refused["faults"][0]["code"] == "not_utf8", "{refused}");
    // More people than a usual request may bring.
    let many: String = (0..6_000).map(|number| format!("person.{number},First,{}\n", "x".repeat(200))).collect();
    let large = std::env::temp_dir().join(format!("many-{}.csv", std::process::id()));
    std::fs::write(&large, format!("user_name,first_name,last_name\n{many}"))?;
    let checked = import("?dry_run=true", &format!("@{}", large.display()));
    std::fs::remove_file(&large)?;
    let checked = checked?;
    ensure!(
        checked["rows"] == 6_000 && checked["changes"].as_array().is_some_and(|all| all.len() == 1_000),
        "{checked}"
    );
    takes_what_was_shown(&page)?;
    let queues = page.read("/objects/dn?type=route_point,virtual_queue&fields=type&page_size=5")?;
    let is_queue = |one: &Value| {
        one["object"] == json!({ "type": "route_point" }) || one["object"] == json!({ "type": "virtual_queue" })
    };
    ensure!(queues["items"].as_array().is_some_and(|all| !all.is_empty() && all.iter().all(is_queue)), "{queues}");
    let table = page.get("/people.csv")?;
    ensure!(table.header("content-type").is_some_and(|of| of.starts_with("text/csv")), "{}", table.head);
    ensure!(table.body.starts_with("user_name,") && table.body.contains("\neve,Eve,Best,"), "{}", table.body);
    Ok(())
}

/// More than a role behind the edge answers otherwise: 16 MiB.
const LARGE_TABLE_BYTES: usize = 17 << 20;

#[test]
fn a_table_of_people_that_is_larger_than_any_other_answer_goes_out_whole() -> Result<()> {
    let site = Installation::start()?;
    let page = Page::open(&site, "administrator")?;
    let long = "x".repeat(240);
    let people = LARGE_TABLE_BYTES / (4 * long.len());
    let lines: String = (0..people).map(|n| format!("many.{n},{long},{long},{long},{n}-{long}\n")).collect();
    let file = site.data_dir().join("many.csv");
    std::fs::write(&file, format!("user_name,first_name,last_name,email,external_id\n{lines}"))?;
    let sent = format!("@{}", file.display());
    let (path, in_time) = (format!("{API}/people.csv"), ["--max-time", "150"]);
    let brought = ["--header", &page.origin, "--header", "content-type: text/csv", "--data-binary", &sent];
    let taken = is(page.visitor.ask(&path, &[&in_time[..], &brought[..]].concat())?, 200)?;
    ensure!(taken["changed"] == people && taken["faults"] == json!([]), "{} {}", taken["changed"], taken["faults"]);
    let table = page.visitor.ask(&path, &in_time)?;
    ensure!(table.status == 200 && table.body.len() > LARGE_TABLE_BYTES, "{} {}", table.head, table.body.len());
    let length: Option<usize> = table.header("content-length").and_then(|length| length.parse().ok());
    ensure!(length == Some(table.body.len()), "{} {}", table.head, table.body.len());
    let told = table.body.lines().filter(|line| line.starts_with("many.") && line.contains(&long)).count();
    ensure!(told == people, "{told} of {people}");
    let head = page.visitor.ask(&path, &["--head"])?;
    ensure!(head.status == 405, "it is made for its head alone: {}", head.head);
    Ok(())
}

/// Whoever was changed between the check of a table and the import is named with the line, and nothing is taken.
fn takes_what_was_shown(page: &Page<'_>) -> Result<()> {
    let import = |query: &str, table: &str| is(page.post(&format!("/people.csv{query}"), "text/csv", table)?, 200);
    let table = "user_name,first_name,last_name\nnew.one,New,One\neve,Eve,Best\n";
    let shown = import("?dry_run=true", table)?;
    let checked = shown["checked"].as_str().unwrap_or_default();
    import("", "user_name,first_name\neve,Evelyn\n")?;
    let refused = import(&format!("?checked={checked}"), table)?;
    let fault = &refused["faults"][0];
    ensure!(fault["line"] == 3 && fault["code"] == "stale" && refused["changed"] == 0, "{refused}");
    ensure!(page.get("/objects/person/new.one")?.status == 404, "a part of the table was taken");
    let shown = import("?dry_run=true", table)?;
    let query = format!("?request_id=eve-2&checked={}", shown["checked"].as_str().unwrap_or_default());
    // The same import sent again gets the first answer, though it has changed them itself.
    for taken in [import(&query, table)?, import(&query, table)?] {
        ensure!(taken["changed"] == 2 && taken["faults"] == json!([]), "{taken}");
    }
    ensure!(page.post("/people.csv?checked=x", "text/csv", table)?.status == 400, "what is none of ours is taken");
    Ok(())
}

#[test]
fn who_may_not_is_refused_and_an_end_is_an_end() -> Result<()> {
    let site = Installation::start()?;
    let agent = Page::open(&site, "agent")?;
    ensure!(agent.session()?["privileges"] == json!(["agent"]), "{}", agent.session()?);
    ensure!(agent.get("/objects/person")?.status == 403, "an agent reads the configuration");
    ensure!(agent.change(&new_person("Person"), false)?.status == 403, "an agent changes the configuration");

    let page = Page::open(&site, "administrator")?;
    let body = json!({ "edits": [new_person("Person")] }).to_string();
    let sent = ["--header", "content-type: application/json", "--data-binary", body.as_str()];
    for said in [
        &[][..],
        &["origin: https://evil.example"],
        &["origin: null"],
        &["sec-fetch-site: cross-site"],
        &["sec-fetch-site: same-site"],
    ] {
        let said: Vec<&str> = said.iter().flat_map(|header| ["--header", *header]).collect();
        let refused = page.visitor.ask(&format!("{API}/changes"), &[&said[..], &sent[..]].concat())?;
        ensure!(refused.status == 403, "{said:?}: {} {}", refused.status, refused.body);
    }
    let events = "/api/voice/v1/example/events";
    ensure!(page.visitor.ask(events, &["--header", "sec-fetch-site: cross-site"])?.status == 403, "a stream opens");
    // The other APIs of the edge take the cookie too, and no token is needed.
    ensure!(page.visitor.ask("/pulse/api/v1/example/wallboard", &[])?.status == 200, "no wallboard for the page");
    ensure!(page.visitor.ask("/api/operations/v1/topology", &[])?.status == 403, "a tenant sees the installation");
    ensure!(page.visitor.ask("/session/sign-in?to=//evil.example/", &[])?.status == 400, "it leads to another site");

    let cookie = page.visitor.cookie(COOKIE)?.context("no cookie")?;
    ensure!(page.visitor.ask("/session/sign-out", &["--request", "POST"])?.status == 403, "anybody signs out");
    let out = page.visitor.ask("/session/sign-out", &["--request", "POST", "--header", &page.origin])?;
    ensure!(out.status == 204, "{} {}", out.status, out.body);
    page.visitor.plant(COOKIE, &cookie)?;
    ensure!(page.session()? == json!({ "signed_in": false }), "the session lives on");
    ensure!(page.get("/objects/person")?.status == 401, "the cookie opens something still");
    let boss = person(&site, "administrator")?;
    ensure!(signs_in(&page.visitor, boss, &format!("/session/sign-in?to={PAGE}"))?, "no password is asked for");
    ensure!(page.session()?["signed_in"] == true, "nobody is signed in");

    let log = site.log_lines().join("\n");
    let secret = cookie.split_once('.').context("no secret")?.1;
    for secret in [secret, boss.password.as_str()] {
        ensure!(!log.contains(secret), "a secret is in the log");
    }
    Ok(())
}

#[test]
fn a_code_of_our_pages_is_worth_nothing_to_others() -> Result<()> {
    let site = Installation::start()?;
    let visitor = Visitor::new(&site)?;
    let boss = person(&site, "administrator")?;
    let back = format!("{}/session/callback", site.demo.web);
    let changes = [("client_id", "trunkline-pages"), ("redirect_uri", back.as_str())];
    let code = visitor.code_for(&changes, &boss.user, &boss.password)?;
    let redeem = [
        ("grant_type", "authorization_code"),
        ("client_id", "trunkline-pages"),
        ("code", code.as_str()),
        ("redirect_uri", back.as_str()),
        ("code_verifier", testkit::visitor::VERIFIER),
    ];
    ensure!(visitor.post("/auth/v3/oauth/token", &redeem, &[])?.error() == "invalid_client", "anybody redeems it");
    let elsewhere = [("client_id", "trunkline-pages"), ("redirect_uri", "http://127.0.0.1:9/callback")];
    let refused = visitor.authorize(&elsewhere)?;
    ensure!(refused.status == 400 && refused.location().is_none(), "{}", refused.head);
    // Nor does a browser take an answer that it has not asked for.
    let foreign = visitor.ask(&format!("/session/callback?code={code}&state=x&tenant=example"), &[])?;
    ensure!(foreign.status == 400 && visitor.cookie(COOKIE)?.is_none(), "{}", foreign.head);
    Ok(())
}

/// `docs/your-first-tenant.md` from the sign-in to the call: the forms in a browser, the rest at the new phone.
#[test]
fn whoever_follows_the_guide_has_a_person_who_takes_a_call() -> Result<()> {
    let (number, sip_password) = ("7311", "made-up-for-the-guide");
    let site = Installation::start()?;
    let boss = person(&site, "administrator")?;
    let made = [boss.user.as_str(), boss.password.as_str(), number, sip_password, "grace.guide", "a password of hers"];
    Browser::run("firstTenant", &site, "wallboard", &made.map(str::to_owned), IN_BROWSER)?;

    let mut phone = Phone::register(&Setup {
        address: site.peer_address(10),
        registrar: &site.sip(),
        user: number,
        password: sip_password,
        transport: "udp",
        speech: &prompt("support-welcome"),
        answer: Answer::Auto,
    })?;
    // Log in, then ready.
    for code in ["*50", "*52"] {
        phone.dial(code)?;
        phone.wait_for("CALL_ESTABLISHED", SOON)?;
        phone.wait_for("CALL_CLOSED", SOON)?;
    }
    let caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("sales")?, &[])?;
    phone.wait_for("CALL_ESTABLISHED", LATER).context("nobody else is there, and it does not ring")?;
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    phone.wait_for("CALL_CLOSED", SOON).map(drop)
}
