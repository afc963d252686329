//! The published Provisioning API: somebody who looks after a tenant's people works by a client library of others, which knows nothing of
//! us, and by plain HTTP.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::browser::SteppedScript;
use testkit::facts::{connect, runtime, tenant_role};
use testkit::installation::DemoUser;
use testkit::observe::Answer;
use testkit::process::signal;
use testkit::visitor::{CurlAnswer, REDIRECT, VERIFIER};
use testkit::{Installation, Visitor, kernel, wait};

use crate::carried::{Bytes, carried};
use crate::provisioning;
use crate::replicas::{TwoReplicas, start_with_two};
use crate::rows::monitor::{Monitor, clients_of};

const SOON: Duration = Duration::from_secs(60);
const LATER: Duration = Duration::from_secs(90);
/// For all that an administrator does, each step of which has its own patience.
const WALKED: Duration = Duration::from_secs(240);
/// A password that is chosen in place of another one.
const ANOTHER: &str = "slow brown teapot";
const COOKIE: &str = "PROVISIONING_SESSIONID";
const HTTP: u16 = 8_080;
const REDIS: u16 = 6_379;
/// Everything that the script does as `administrator`, step by step.
const ADMINISTRATOR: [&str; 16] = [
    "token",
    "initialize",
    "get-users",
    "get-users-async",
    "add-user",
    "update-user",
    "objects",
    "options",
    "capacity-rules",
    "settings",
    "statistics",
    "whitelist",
    "export",
    "import",
    "delete-user",
    "logout",
];
/// Two of each role that a program goes through; a killed one stays away long enough for the other one to be needed.
const TWO: [&str; 7] = [
    "--processes",
    "--set",
    "replicas.gws_provisioning=2",
    "--set",
    "replicas.gws_configuration=2",
    "--set",
    "process.restart_after=5s",
];
/// How often people are listed for a proof of a row, and bytes of each list at least.
const LISTS: u64 = 5;
const LIST_BYTES: u64 = 1_000;
/// A table of people.
const NEW_ONE: &str = "userName,firstName,lastName\nnew.one,New,One";
/// How often a session is begun for a proof of a row, and bytes of each question to auth and of each answer at least.
const QUESTIONS: u64 = 10;
const QUESTION_BYTES: u64 = 100;

fn person<'a>(site: &'a Installation, kind: &str) -> Result<&'a DemoUser> {
    site.demo.users.iter().find(|user| user.kind == kind).with_context(|| format!("no {kind} signs in"))
}

/// The script at work for the administrator of the demo.
fn at_work(work: &str, site: &Installation, web: &str) -> Result<SteppedScript> {
    let client = site.demo.clients.first().context("the demo has no client")?;
    let user = person(site, "administrator")?;
    let mut told = vec![
        ("PROVISIONING_URL", web),
        ("PROVISIONING_CLIENT", client.id.as_str()),
        ("PROVISIONING_SECRET", client.secret.as_str()),
        ("PROVISIONING_USER", user.user.as_str()),
        ("PROVISIONING_PASSWORD", user.password.as_str()),
    ];
    // By HTTPS with a certificate of its own making, the installation says what to trust.
    let authority = site.demo.webs_ca.as_deref().and_then(Path::to_str);
    told.extend(authority.map(|authority| ("NODE_EXTRA_CA_CERTS", authority)));
    SteppedScript::start("provisioning-api.mjs", &[work], &told)
}

/// Asks below `/provisioning/v3` with these headers, each ended by CR LF.
fn asked(site: &Installation, headers: &str, method: &str, path: &str, body: &Value) -> Result<(u16, Value)> {
    let web: SocketAddr = site.demo.web.trim_start_matches("http://").parse()?;
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let Answer { status, body } = site.http_with(web, method, &format!("/provisioning/v3/{path}"), headers, &body)?;
    let read = serde_json::from_str(&body).with_context(|| format!("{method} {path}: {status} {body}"))?;
    Ok((status, read))
}

fn token(site: &Installation, user: &DemoUser) -> Result<String> {
    Visitor::new(site)?.by_password(&user.user, &user.password)?.token("access_token")
}

/// The header with the cookie of a session that somebody begins.
fn session(site: &Installation, user: &DemoUser) -> Result<String> {
    let bearer = format!("Authorization: Bearer {}\r\n", token(site, user)?);
    let (status, begun) = asked(site, &bearer, "POST", "initialize-provisioning", &Value::Null)?;
    ensure!(status == 200, "{status} {begun}");
    let id = begun["data"]["sessionId"].as_str().with_context(|| begun.to_string())?;
    Ok(format!("Cookie: {COOKIE}={id}; Path=/; HttpOnly\r\n"))
}

/// genesys-provisioning-client-js, as it is published.
#[test]
fn a_client_library_of_others_does_all_that_an_administrator_does() -> Result<()> {
    let site = Installation::start()?;
    let script = at_work("administrator", &site, &site.demo.webs)?;
    let said = script.finish(WALKED)?;
    let steps: Vec<&str> = said.iter().filter_map(|step| step["step"].as_str()).collect();
    assert_eq!(steps, ADMINISTRATOR);
    let log = site.log_lines().join("\n");
    let passwords = site.demo.users.iter().map(|user| &user.password);
    for secret in site.demo.clients.iter().map(|client| &client.secret).chain(passwords) {
        ensure!(!log.contains(secret.as_str()), "a secret is in what was said");
    }
    ensure!(!log.contains("a long word for eve"), "a password is in what was said");
    Ok(())
}

#[test]
fn a_client_library_goes_on_at_other_replicas_and_does_not_go_deaf() -> Result<()> {
    let site = Installation::start_on_servers(&TWO)?;
    let mut script = at_work("failover", &site, &site.demo.web)?;
    // One of the two has the session.
    for (replica, step) in [(1, "first"), (2, "second")] {
        script.comes_to(&format!("{step}-before"), WALKED)?;
        kill(&site, replica)?;
        script.go_on()?;
        script.comes_to(step, WALKED).with_context(|| format!("behind the kill of replica {replica}"))?;
        comes_back(&site, replica)?;
    }
    script.comes_to("third-before", WALKED)?;
    script.go_on()?;
    script.finish(WALKED)?;
    Ok(())
}

/// One replica is killed, and then the other one hangs to the end.
#[test]
fn a_client_library_goes_on_while_gws_provisioning_fails() -> Result<()> {
    let site = start_with_two("gws-provisioning")?;
    let replicas = TwoReplicas::of(&site, "gws-provisioning");
    let mut script = at_work("failover", &site, &site.demo.web)?;
    script.comes_to("first-before", WALKED)?;
    replicas.kill(1)?;
    script.go_on()?;
    script.comes_to("first", WALKED).context("behind the kill")?;
    replicas.comes_back(1)?;
    script.comes_to("second-before", WALKED)?;
    let _hung = replicas.stop(2)?;
    script.go_on()?;
    script.comes_to("second", WALKED).context("while a replica hangs")?;
    script.comes_to("third-before", WALKED)?;
    script.go_on()?;
    script.finish(WALKED).map(drop)
}

fn kill(site: &Installation, replica: u8) -> Result<()> {
    signal(pid_of(site, &format!("gws-provisioning-{replica}"))?, "KILL")
}

fn pid_of(site: &Installation, name: &str) -> Result<u32> {
    kernel::processes(site.pid())?.get(name).copied().with_context(|| format!("no process {name}"))
}

/// Waits until a killed replica is there again, so that the other one can be killed.
fn comes_back(site: &Installation, replica: u8) -> Result<()> {
    let name = format!("gws-provisioning-{replica}");
    let back = wait::until(LATER, || {
        if !kernel::processes(site.pid())?.contains_key(&name) {
            return Ok(None);
        }
        let ready = site.http(site.admin_of("gws-provisioning", replica)?, "GET", "/ready", "");
        Ok(ready.is_ok_and(|answer| answer.status == 200).then_some(()))
    });
    back.with_context(|| format!("{name} does not come back"))
}

/// Who asks has own rights, and stands in the history: the roles in between may nothing.
#[test]
fn a_change_is_made_with_the_rights_of_who_asks_and_the_history_names_that_person() -> Result<()> {
    let site = Installation::start()?;
    let administrator = person(&site, "administrator")?;
    let cookie = session(&site, administrator)?;
    let eve = json!({"data": {"userName": "eve.evans", "firstName": "Eve", "lastName": "Evans"}});
    let (status, made) = asked(&site, &cookie, "POST", "users", &eve)?;
    ensure!(status == 200 && made["data"]["person"]["userName"] == "eve.evans", "{status} {made}");
    let token = token(&site, administrator)?;
    let history = site.http_with(
        site.demo.web.trim_start_matches("http://").parse()?,
        "GET",
        "/agent-setup/api/v1/example/history?kind=person&id=eve.evans",
        &format!("Authorization: Bearer {token}\r\n"),
        "",
    )?;
    let by = format!("person/{}", administrator.user);
    ensure!(history.status == 200 && history.body.contains(&by), "{} {}", history.status, history.body);
    ensure!(!history.body.contains("gws-configuration/"), "a role stands in the history: {}", history.body);
    let client = site.demo.clients.first().context("the demo has no client")?;
    let told: Value = serde_json::from_str(&history.body)?;
    ensure!(told["items"][0]["client"] == client.id, "{told}");

    // An agent does not read the configuration, and so begins no session; nobody without a session learns anything.
    let agent = person(&site, "agent")?;
    let bearer = format!("Authorization: Bearer {}\r\n", self::token(&site, agent)?);
    let (status, refused) = asked(&site, &bearer, "POST", "initialize-provisioning", &Value::Null)?;
    ensure!(status == 401, "{status} {refused}");
    for path in ["users", "objects/skills", "options", "nothing", "settings/templates"] {
        let (status, refused) = asked(&site, "", "GET", path, &Value::Null)?;
        ensure!(status == 403 && refused["status"]["code"] == 603, "{path}: {status} {refused}");
    }
    for (path, due) in [("nothing", 501), ("email-settings/inbound", 503), ("objects/windmills", 404)] {
        let (status, refused) = asked(&site, &cookie, "GET", path, &Value::Null)?;
        ensure!(status == due && refused["status"]["message"].is_string(), "{path}: {status} {refused}");
    }

    let (status, ended) = asked(&site, &cookie, "POST", "logout", &Value::Null)?;
    ensure!(status == 200, "{status} {ended}");
    let (status, refused) = asked(&site, &cookie, "GET", "users", &Value::Null)?;
    ensure!(status == 403 && refused["status"]["code"] == 603, "{status} {refused}");
    Ok(())
}

/// The request of a program that has a session begun by a code: for the client that is built in, for all scopes.
const BY_CODE: [(&str, &str); 2] = [("client_id", "trunkline-provisioning"), ("scope", "")];

#[test]
fn a_session_begins_by_a_code_once_and_for_whoever_may_read_the_configuration() -> Result<()> {
    let site = Installation::start()?;
    let administrator = person(&site, "administrator")?;
    let browser = Visitor::new(&site)?;
    let led = browser.ask("/provisioning/v3/login?redirect_uri=%2Fback", &[])?;
    ensure!(led.status == 302 && led.head.contains("client_id=trunkline-provisioning"), "{} {}", led.status, led.head);

    let code = browser.code_for(&BY_CODE, &administrator.user, &administrator.password)?;
    let begin = |code: &str, redirect: &str, verifier: &str| {
        let body = json!({"code": code, "redirect_uri": redirect, "code_verifier": verifier});
        asked(&site, "", "POST", "initialize-provisioning", &body)
    };
    let (status, begun) = begin(&code, REDIRECT, VERIFIER)?;
    ensure!(status == 200, "{status} {begun}");
    let id = begun["data"]["sessionId"].as_str().with_context(|| begun.to_string())?;
    let (status, me) = asked(&site, &format!("Cookie: {COOKIE}={id}\r\n"), "GET", "users/me", &Value::Null)?;
    ensure!(status == 200 && me["data"]["user"]["userName"] == json!(administrator.user), "{status} {me}");

    // The browser is signed in, and gets further codes without a page.
    for (redirect, verifier) in [("http://127.0.0.1:9/other", VERIFIER), (REDIRECT, "")] {
        let code = browser.code_for(&BY_CODE, &administrator.user, &administrator.password)?;
        let (status, refused) = begin(&code, redirect, verifier)?;
        ensure!(status == 401 && refused["status"]["code"] == 401, "{redirect}: {status} {refused}");
    }
    let query = format!("initialize-provisioning?code={code}&redirect_uri=%2F");
    let (status, refused) = asked(&site, "", "GET", &query, &Value::Null)?;
    ensure!(status == 400, "a site could lead a browser there: {status} {refused}");
    let (status, refused) = asked(&site, "", "POST", "initialize-provisioning", &json!({"code": "of-another"}))?;
    ensure!(status == 400, "{status} {refused}");

    // An agent does not read the configuration.
    let agent = person(&site, "agent")?;
    let of_agent = Visitor::new(&site)?.code_for(&BY_CODE, &agent.user, &agent.password)?;
    let (status, refused) = begin(&of_agent, REDIRECT, VERIFIER)?;
    ensure!(matches!(status, 401 | 403), "{status} {refused}");
    Ok(())
}

#[test]
fn a_statistic_is_made_read_changed_for_another_type_and_taken_from_each() -> Result<()> {
    let site = Installation::start()?;
    let cookie = session(&site, person(&site, "administrator")?)?;
    let ask = |method: &str, of: &str, body: &Value| {
        asked(&site, &cookie, method, &format!("statistic-definitions/{of}/InboundToday"), body)
    };
    let definition = json!({"data": {"category": "TotalNumber", "subject": "DNAction", "main": ["CallInbound"]}});
    let (status, refused) = ask("GET", "Agent", &Value::Null)?;
    ensure!(status == 404, "{status} {refused}");
    for of in ["Agent", "Queue"] {
        let (status, made) = ask("PUT", of, &definition)?;
        ensure!(status == 200, "{of}: {status} {made}");
    }
    let (status, listed) = asked(&site, &cookie, "GET", "statistic-definitions", &Value::Null)?;
    for of in ["Agent", "Queue"] {
        let (read, one) = ask("GET", of, &Value::Null)?;
        ensure!(read == 200 && one["data"]["statisticDefinition"]["category"] == "TotalNumber", "{of}: {one}");
        let of_type = &listed["data"]["statisticDefinitions"][of];
        ensure!(status == 200 && of_type["InboundToday"]["main"][0] == "CallInbound", "{of}: {listed}");
    }
    let (status, refused) = ask("PUT", "Agent", &json!({"data": {"category": "Windmills"}}))?;
    ensure!(matches!(status, 400 | 422) && refused["status"]["message"].is_string(), "{status} {refused}");
    for (of, other) in [("Agent", 200), ("Queue", 404)] {
        let (status, gone) = ask("DELETE", of, &Value::Null)?;
        ensure!(status == 200, "{of}: {status} {gone}");
        ensure!(ask("GET", of, &Value::Null)?.0 == 404, "{of} has it still");
        ensure!(ask("GET", "Queue", &Value::Null)?.0 == other, "behind {of}");
    }
    Ok(())
}

/// Which address asks is told by the refusal of a list without it.
fn own_address(refused: &Value) -> Result<&str> {
    let words = refused["status"]["message"].as_str().unwrap_or_default();
    let address = words.strip_prefix("whitelist: you ask from ").and_then(|rest| rest.split(',').next());
    address.with_context(|| refused.to_string())
}

/// Somebody who has to choose another password, and the page that asks that visitor for it.
fn asked_for_another_password<'a>(site: &'a Installation, by: &Visitor<'_>) -> Result<(&'a DemoUser, CurlAnswer)> {
    let user = site.demo.users.iter().filter(|user| user.kind == "agent").nth(1).context("there is one agent")?;
    let token = provisioning::token(site, "tool/hr", &["config:read", "config:write"])?;
    runtime()?.block_on(async {
        let mut client = provisioning::Client::new(connect(tenant_role(site, 8888)).await?);
        let json = r#"{"change_password":true}"#;
        let edit = provisioning::put("person", &user.user, None, json, &["change_password"]);
        provisioning::change(&mut client, &token, provisioning::batch(vec![edit])).await??;
        anyhow::Ok(())
    })?;
    wait::until(SOON, || {
        let refused = by.by_password(&user.user, &user.password)?;
        Ok(refused.body.contains("choose another password first").then_some(()))
    })?;
    let page = by.sign_in(&user.user, &user.password)?;
    ensure!(page.status == 200 && page.body.contains("Choose another password"), "{} {}", page.status, page.body);
    Ok((user, page))
}

#[test]
fn people_sign_in_from_the_listed_addresses_alone_while_the_list_counts() -> Result<()> {
    let site = Installation::start()?;
    let (administrator, agent) = (person(&site, "administrator")?, person(&site, "agent")?);
    let cookie = session(&site, administrator)?;
    let ask = |method: &str, path: &str, body: Value| asked(&site, &cookie, method, path, &body);
    let set = |status: &str| ask("POST", "whitelist/status", json!({"data": {"whitelistStatus": status}}));
    let (here, away) = (Visitor::new(&site)?, Visitor::at(&site, site.stranger_address(7))?);
    let by_program = |visitor: &Visitor<'_>| visitor.by_password(&agent.user, &agent.password);
    let refresh = by_program(&away)?.token("refresh_token")?;
    let with_form = Visitor::at(&site, site.stranger_address(7))?;
    let (forced, form) = asked_for_another_password(&site, &with_form)?;

    // Whoever asks is not locked out, neither by a list that is not complete nor by taking an address from it.
    let (status, refused) = set("enabled")?;
    ensure!(status == 409, "{status} {refused}");
    let own = own_address(&refused)?;
    let (status, added) = ask("POST", "whitelist", json!({"data": {"host": own}}))?;
    let listed = &added["whitelist"]["addresses"][0];
    ensure!(status == 200 && listed["address"] == own && added["whitelistStatus"] == "disabled", "{status} {added}");
    let (status, enabled) = set("enabled")?;
    ensure!(status == 200, "{status} {enabled}");
    let (status, refused) = ask("DELETE", "whitelist", json!({"data": [listed["id"]]}))?;
    ensure!(status == 409, "{status} {refused}");

    let refused = wait::until(SOON, || Ok(Some(by_program(&away)?).filter(|answer| answer.status != 200)));
    let refused = refused.context("somebody signs in from elsewhere")?;
    ensure!(refused.status == 400 && refused.error() == "invalid_grant", "{} {}", refused.status, refused.body);
    let page = away.sign_in(&agent.user, &agent.password)?;
    ensure!(page.status == 403 && page.body.contains("lists the addresses"), "{} {}", page.status, page.body);
    // Nor does anybody choose another password from there, behind a right one.
    let page = with_form.send_form(&form, "name=\"steps\"", &[("new_password", ANOTHER), ("again", ANOTHER)])?;
    ensure!(page.status == 403 && page.body.contains("lists the addresses"), "{} {}", page.status, page.body);
    let page = away.sign_in(&forced.user, &forced.password)?;
    ensure!(page.status == 403 && page.body.contains("lists the addresses"), "{} {}", page.status, page.body);
    let chosen = json!({"data": {"userName": agent.user, "oldPassword": agent.password, "newPassword": ANOTHER}});
    let sent = chosen.to_string();
    let sent = ["--header", "Content-Type: application/json", "--data", sent.as_str()];
    let changed = away.ask("/auth/v3/change-password", &sent)?;
    ensure!(changed.status == 403 && changed.body.contains("lists others"), "{} {}", changed.status, changed.body);
    let page = here.sign_in(&forced.user, &forced.password)?;
    ensure!(page.status == 200 && page.body.contains("Choose another password"), "{} {}", page.status, page.body);
    ensure!(away.refresh(&refresh)?.error() == "invalid_grant", "a sign-in goes on from elsewhere");
    ensure!(here.refresh(&refresh)?.status == 200, "a sign-in has ended by where it was asked from");
    ensure!(by_program(&here)?.status == 200, "nobody signs in from an address of the list");
    let page = here.sign_in(&agent.user, &agent.password)?;
    ensure!(page.status == 303, "{} {}", page.status, page.body);

    let (status, disabled) = set("disabled")?;
    ensure!(status == 200, "{status} {disabled}");
    let signed_in = wait::until(SOON, || Ok((by_program(&away)?.status == 200).then_some(())));
    signed_in.context("the list counts still")
}

#[test]
fn an_export_that_is_not_named_is_refused_as_everything_else_is() -> Result<()> {
    let site = Installation::start()?;
    let cookie = session(&site, person(&site, "administrator")?)?;
    for (path, status, named) in [
        ("export-users", 400, "id: "),
        ("export-users/?download=true", 400, "id: "),
        ("export-users?id=1&download=maybe", 400, "download: "),
        ("export-users?id=1", 404, "id: "),
    ] {
        let (due, refused) = asked(&site, &cookie, "GET", path, &Value::Null)?;
        let message = refused["status"]["message"].as_str().unwrap_or_default();
        ensure!(due == status && refused["status"]["code"] == status, "{path}: {due} {refused}");
        ensure!(message.starts_with(named), "{path}: {refused}");
    }
    Ok(())
}

/// Waits until the row has sent and received so many bytes more than before.
fn has_grown(site: &Installation, (from, to): (&str, &str), before: Bytes, [sent, received]: [u64; 2]) -> Result<()> {
    let mut now = before;
    wait::until(SOON, || {
        now = carried(site, from, to, HTTP)?;
        let is_grown = now.sent >= before.sent + sent && now.received >= before.received + received;
        Ok(is_grown.then_some(()))
    })
    .with_context(|| format!("{from} to {to}: {before:?}, then {now:?}"))
}

/// gws-07 and gws-21: people who are listed come from gws-configuration to gws-provisioning, and from there to gws-proxy. gws-20: auth is
/// asked whether the token is still good.
#[test]
fn what_a_program_reads_goes_by_every_role_and_its_token_is_asked_about() -> Result<()> {
    const PROXIED: (&str, &str) = ("gws-proxy", "gws-provisioning");
    const READ: (&str, &str) = ("gws-provisioning", "gws-configuration");
    const ASKED: (&str, &str) = ("gws-provisioning", "auth");
    let site = Installation::start()?;
    let administrator = person(&site, "administrator")?;
    let cookie = session(&site, administrator)?;
    let before = [PROXIED, READ].map(|(from, to)| carried(&site, from, to, HTTP));
    for _ in 0..LISTS {
        let (status, told) = asked(&site, &cookie, "GET", "users", &Value::Null)?;
        let users = told["data"]["users"].as_array().with_context(|| told.to_string())?;
        ensure!(status == 200 && users.iter().any(|user| user["userName"] == administrator.user), "{status} {told}");
    }
    for (row, before) in [PROXIED, READ].into_iter().zip(before) {
        has_grown(&site, row, before?, [LISTS, LISTS * LIST_BYTES])?;
    }

    let before = carried(&site, ASKED.0, ASKED.1, HTTP)?;
    let bearer = format!("{cookie}Authorization: Bearer {}\r\n", token(&site, administrator)?);
    for _ in 0..QUESTIONS {
        let (status, begun) = asked(&site, &bearer, "POST", "initialize-provisioning", &Value::Null)?;
        ensure!(status == 200, "{status} {begun}");
    }
    let bytes = QUESTIONS * QUESTION_BYTES;
    has_grown(&site, ASKED, before, [bytes, bytes])
}

/// own-34: the session is in Redis, sealed, and another process finds it there.
#[test]
fn a_session_is_in_redis_and_whoever_comes_after_a_crash_reads_it_there() -> Result<()> {
    const KEYS: &str = "auth:{example}:provisioning:*";
    let mut site = Installation::start_on_servers(&[])?;
    let heard = Monitor::start(&site, REDIS)?;
    let administrator = person(&site, "administrator")?.clone();
    ensure!(site.servers()?.redis_cli(REDIS, &["KEYS", KEYS])?.is_empty(), "there is a session already");
    let cookie = session(&site, &administrator)?;
    let key = wait::until(SOON, || {
        let keys = site.servers()?.redis_cli(REDIS, &["KEYS", KEYS])?;
        Ok((!keys.is_empty()).then_some(keys))
    });
    let key = key.context("no session is in Redis")?;
    let clients = clients_of(&mut site, REDIS, "own-34")?;
    let said = format!("\"{key}\"");
    wait::until(SOON, || Ok(heard.has_said(0, &clients, &[&said]).then_some(())))
        .with_context(|| format!("none of {clients:?} has said {said}"))?;
    let value = site.servers()?.redis_cli(REDIS, &["HGET", &key, "v"])?;
    ensure!(!value.is_empty() && !value.contains(&administrator.user), "it is not sealed");

    let site = site.crash_and_restart()?;
    let (status, me) = asked(&site, &cookie, "GET", "users/me", &Value::Null)?;
    ensure!(status == 200 && me["data"]["user"]["userName"] == json!(administrator.user), "{status} {me}");
    Ok(())
}

/// Sends a table of people as a file under the name of a request, and waits until it is told how it came out.
fn imported(site: &Installation, cookie: &str, [file, request]: [&str; 2], table: &str) -> Result<Value> {
    let kind = "content-type: multipart/form-data; boundary=x";
    let part = format!("content-disposition: form-data; name=\"csvfile\"; filename=\"{file}\"");
    let form = format!("--x\r\n{part}\r\n\r\n{table}\r\n--x--\r\n");
    let arguments = ["--header", cookie.trim(), "--header", kind, "--data-binary", &form];
    let path = format!("/provisioning/v3/import-users/csv?requestId={request}");
    let answer = Visitor::new(site)?.ask(&path, &arguments)?;
    ensure!(answer.status == 200, "{} {}", answer.head, answer.body);
    wait::until(SOON, || {
        let status = import_status(site, cookie)?;
        Ok((status["stopped"] == true).then_some(status))
    })
    .context("it goes on and on")
}

fn import_status(site: &Installation, cookie: &str) -> Result<Value> {
    let (status, mut told) = asked(site, cookie, "GET", "import-users/check-status", &Value::Null)?;
    ensure!(status == 200, "{status} {told}");
    Ok(told["data"].take())
}

/// The imports of the tenant, the latest first.
fn past_imports(site: &Installation, cookie: &str, query: &str) -> Result<Vec<Value>> {
    let (status, told) = asked(site, cookie, "GET", &format!("import-users/history{query}"), &Value::Null)?;
    ensure!(status == 200, "{status} {told}");
    told["data"]["imports"].as_array().cloned().with_context(|| told.to_string())
}

/// gws-23: who has sent which table and how it came out is in PostgreSQL, where gws-provisioning has written it by the client that the
/// server names; and it is told there where the store of sessions knows nothing of it any more.
#[test]
fn what_became_of_tables_outlives_the_sessions_by_which_they_came() -> Result<()> {
    const KEPT: &str =
        "SELECT user_name, file_name, lines, taken FROM people_import WHERE tenant = 'example' ORDER BY begun_ms";
    const CLIENTS: &str =
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name LIKE 'trunkline/gws-provisioning-%/gws-23'";
    let mut site = Installation::start_on_servers(&[])?;
    let administrator = person(&site, "administrator")?.clone();
    let cookie = session(&site, &administrator)?;
    let wrong = "userName,firstName,lastName,employeeID,skills\nnew.one,New,One,1908,Patience=1\nnew.two,New,Two,1909,Patience=1";
    let refused = imported(&site, &cookie, ["wrong.csv", ""], wrong)?;
    ensure!(refused["failed"][0].as_str().is_some_and(|fault| fault.contains("Patience")), "{refused}");
    let taken = imported(&site, &cookie, ["right.csv", "june"], NEW_ONE)?;
    ensure!(taken["succeedCount"] == 1 && taken["failed"] == json!([]), "{taken}");
    ensure!(taken["state"] == "taken" && taken["requestId"] == "june" && refused["state"] == "refused", "{taken}");
    let rows = format!("{0}|wrong.csv|2|0\n{0}|right.csv|1|1", administrator.user);
    let (kept, clients) = (site.servers()?.psql(KEPT)?, site.servers()?.psql(CLIENTS)?);
    ensure!(kept == rows && clients == "t", "{kept}; {clients}");

    // The sessions are gone, as after Redis was emptied.
    let keys = site.servers()?.redis_cli(REDIS, &["KEYS", "auth:{example}:provisioning:*"])?;
    for key in keys.lines() {
        site.servers()?.redis_cli(REDIS, &["DEL", key])?;
    }
    let site = site.crash_and_restart()?;
    let cookie = session(&site, &administrator)?;
    let told = import_status(&site, &cookie)?;
    ensure!(told["succeedCount"] == 1 && told["totalCount"] == 1 && told["stopped"] == true, "{told}");
    let past = past_imports(&site, &cookie, "")?;
    let shown = |one: &Value| format!("{} {} {}", one["fileName"], one["state"], one["failedCount"]);
    let all: Vec<String> = past.iter().map(shown).collect();
    ensure!(all == ["\"right.csv\" \"taken\" 0", "\"wrong.csv\" \"refused\" 2"], "{all:?}");
    ensure!(past[1]["failed"][1].as_str().is_some_and(|fault| fault.contains("Patience")), "{past:?}");
    ensure!(past_imports(&site, &cookie, "?limit=1&offset=1")?.first() == past.get(1), "another page");
    ensure!(past_imports(&site, &cookie, "?adminName=nobody")?.is_empty(), "somebody else's");
    Ok(())
}

/// Where gws-configuration does not answer to the end, nobody knows whether a table was taken; sent again by the same request it counts
/// once.
#[test]
fn a_table_without_an_answer_is_told_as_unknown_and_counts_once_when_it_is_sent_again() -> Result<()> {
    const REVISIONS: &str =
        "SELECT count(DISTINCT revision) FROM change_log WHERE tenant = 'example' AND request = 'june'";
    let mut site = Installation::start_on_servers(&["--processes"])?;
    let administrator = person(&site, "administrator")?.clone();
    let cookie = session(&site, &administrator)?;
    let configuration = pid_of(&site, "gws-configuration-1")?;
    signal(configuration, "STOP")?;
    let told = imported(&site, &cookie, ["june.csv", "june"], NEW_ONE);
    signal(configuration, "CONT")?;
    let told = told?;
    ensure!(told["state"] == "unknown" && told["requestId"] == "june", "{told}");
    ensure!(told["failed"][0].as_str().is_some_and(|words| words.contains("requestId")), "{told}");
    let past = past_imports(&site, &cookie, "")?;
    ensure!(past[0]["state"] == "unknown" && past[0]["failedCount"] == 0, "{past:?}");

    // What was on its way when the program went on may still be carried out, before this or behind it.
    let taken = wait::until(LATER, || {
        let told = imported(&site, &cookie, ["june.csv", "june"], NEW_ONE)?;
        Ok((told["state"] == "taken").then_some(told))
    });
    let taken = taken.context("it is not taken when it is sent again")?;
    ensure!(taken["succeedCount"] == 1, "{taken}");
    let revisions = site.servers()?.psql(REVISIONS)?;
    ensure!(revisions == "1", "it was taken {revisions} times");
    Ok(())
}
