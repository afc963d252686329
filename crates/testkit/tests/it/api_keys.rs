//! API keys: an administrator makes one, a program shows it at the web edge in the place of a token, or exchanges it, and it ends.

use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contracts::json::{read_rfc3339, rfc3339};
use serde_json::{Value, json};
use testkit::visitor::CurlAnswer;
use testkit::{Installation, Visitor, wait};

const API: &str = "/agent-setup/api/v1/example";
const KEYS: &str = "/agent-setup/api/v1/example/api-keys";
const TOKEN: &str = "/auth/v3/oauth/token";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const KEY_TYPE: &str = "urn:trunkline:params:oauth:token-type:api-key";
/// Much less than the ten minutes for which a token would go on.
const SOON: Duration = Duration::from_secs(45);
/// What the edge tells of each minute is noted.
const A_MINUTE_LATER: Duration = Duration::from_secs(180);
/// How long the key lasts that ends by itself.
const SHORT: Duration = Duration::from_secs(15);
/// A tenant to which the keys of the first open nothing.
const GLOBEX: &str = r#"tenant: globex
name: Globex
realm: globex.invalid
hold_music: music
prompts: {music: music.wav}
"#;

fn run(site: &Installation, arguments: &[&str]) -> Result<Output> {
    Ok(Command::new(testkit::installation::binary()?)
        .args(arguments)
        .args(["--instance", &site.demo.instance.to_string(), "--data-dir"])
        .arg(site.data_dir())
        .args(site.stores())
        .env("LOGNAME", "tester")
        .output()?)
}

/// What a command that succeeds prints.
fn said(site: &Installation, arguments: &[&str]) -> Result<String> {
    let output = run(site, arguments)?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The token of somebody who administers the tenant.
fn administrator(site: &Installation) -> Result<String> {
    let scopes = ["--scope", "config:read", "--scope", "config:write", "--scope", "statistics:read"];
    said(site, &[&["token", "--tenant", "example", "--sub", "tool/boss"][..], &scopes].concat())
}

fn send(site: &Installation, method: &str, path: &str, bearer: &str, body: &Value) -> Result<CurlAnswer> {
    let (authorization, body) = (format!("authorization: Bearer {bearer}"), body.to_string());
    let json = "content-type: application/json";
    let arguments = ["--request", method, "--header", &authorization, "--header", json, "--data", &body];
    Visitor::new(site)?.ask(path, &arguments)
}

/// Makes a key, and returns it with what is shown of it.
fn create(site: &Installation, administrator: &str, wanted: &Value) -> Result<(String, Value)> {
    let answer = send(site, "POST", KEYS, administrator, wanted)?;
    ensure!(answer.status == 201, "{} {}", answer.status, answer.body);
    ensure!(answer.header("cache-control") == Some("no-store"), "{}", answer.head);
    let made = answer.json()?;
    let key = made["key"].as_str().context("no key")?.to_owned();
    ensure!(key.starts_with(&format!("tlk_{}_", made["api_key"]["id"].as_str().unwrap_or_default())), "{made}");
    Ok((key, made["api_key"].clone()))
}

fn asked(site: &Installation, path: &str, bearer: &str) -> Result<CurlAnswer> {
    Visitor::new(site)?.bearing(path, bearer)
}

/// Asks for the events of calls by WebSocket.
fn asked_socket(site: &Installation, bearer: &str) -> Result<CurlAnswer> {
    let authorization = format!("authorization: Bearer {bearer}");
    let said = [
        authorization.as_str(),
        "connection: Upgrade",
        "upgrade: websocket",
        "sec-websocket-version: 13",
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    let headers: Vec<&str> = said.into_iter().flat_map(|header| ["--header", header]).collect();
    Visitor::new(site)?.ask("/api/voice/v1/example/events/ws", &[&["--http1.1"], &headers[..]].concat())
}

/// Asks for a token for a key, with further fields.
fn exchange(site: &Installation, key: &str, further: &[(&str, &str)]) -> Result<CurlAnswer> {
    let fields = [("grant_type", GRANT), ("subject_token", key), ("subject_token_type", KEY_TYPE)];
    Visitor::new(site)?.post(TOKEN, &[&fields[..], further].concat(), &[])
}

/// Another key with the id of this one.
fn forged(key: &str) -> String {
    let (cut, last) = key.split_at(key.len() - 1);
    format!("{cut}{}", if last == "x" { "y" } else { "x" })
}

fn secret(key: &str) -> &str {
    key.rsplit('_').next().unwrap_or_default()
}

fn until_refused(site: &Installation, key: &str) -> Result<()> {
    wait::until(SOON, || {
        let answer = asked(site, KEYS, key)?;
        ensure!(matches!(answer.status, 200 | 401), "{} {}", answer.status, answer.body);
        Ok((answer.status == 401).then_some(()))
    })
}

/// What is noted of a key: the names of the events.
fn noted(site: &Installation, administrator: &str, id: &str) -> Result<Vec<String>> {
    let answer = asked(site, &format!("{API}/sign-ins"), administrator)?.json()?;
    let items = answer["items"].as_array().context("no items")?;
    let of_key = items.iter().filter(|item| item["subject"] == format!("api-key/{id}"));
    Ok(of_key.filter_map(|item| item["event"].as_str().map(str::to_owned)).collect())
}

fn ensure_unlogged(site: &Installation, keys: &[&str]) -> Result<()> {
    let lines = site.log_lines();
    ensure!(!lines.is_empty(), "it logs nothing");
    for line in lines {
        ensure!(keys.iter().all(|key| !line.contains(secret(key))), "a key is in the log: {line}");
    }
    Ok(())
}

#[test]
fn a_program_is_let_in_at_the_edge_by_its_key_for_its_tenant_and_scopes_alone() -> Result<()> {
    let site = Installation::start_with(&["--set", "process.log=debug", "--set", "ingress.access_log=true"])?;
    site.import_text(GLOBEX)?;
    let boss = administrator(&site)?;
    let wanted = json!({"name": "crm", "scopes": ["config:read", "statistics:read"], "request_id": "r1"});
    let (key, shown) = create(&site, &boss, &wanted)?;
    let id = shown["id"].as_str().context("no id")?;
    ensure!(shown["made_by"] == "tool/boss" && shown["used_at"].is_null(), "{shown}");
    let again = send(&site, "POST", KEYS, &boss, &wanted)?.json()?;
    ensure!(again["key"].is_null() && again["api_key"]["id"] == id, "the same request: {again}");

    for _ in 0..2 {
        let answer = asked(&site, KEYS, &key)?;
        ensure!(answer.status == 200 && answer.body.contains(id), "{} {}", answer.status, answer.body);
        ensure!(!answer.body.contains(secret(&key)), "the secret is shown again: {}", answer.body);
    }
    let other = asked(&site, "/agent-setup/api/v1/globex/api-keys", &key)?;
    ensure!(other.status == 403, "another tenant: {} {}", other.status, other.body);
    let changes = json!({"edits": [{"kind": "skill", "id": "French", "action": "put", "object": {"name": "French"}}]});
    let change = send(&site, "POST", &format!("{API}/changes"), &key, &changes)?;
    ensure!(change.status == 403 && change.body.contains("config:write"), "{} {}", change.status, change.body);
    // Another API does not take it, and that costs no further exchange; nor does a socket, which is open at the gate.
    let exchanged = site.metric("ingress", "ingress_api_keys_exchanged_total")?;
    for _ in 0..3 {
        let refused = asked(&site, "/api/operations/v1/topology", &key)?;
        ensure!(refused.status == 401, "{} {}", refused.status, refused.body);
        let refused = asked_socket(&site, &key)?;
        ensure!(
            refused.status == 401 && refused.body.contains("the token is for"),
            "{} {}",
            refused.status,
            refused.body
        );
        ensure!(asked(&site, KEYS, &key)?.status == 200, "it is not let in any more");
    }
    let since = site.metric("ingress", "ingress_api_keys_exchanged_total")? - exchanged;
    ensure!(since.abs() < f64::EPSILON, "auth is asked again: {since}");
    for wrong in [forged(&key), format!("{key}x"), "tlk_".to_owned()] {
        let answer = asked(&site, KEYS, &wrong)?;
        ensure!(answer.status == 401, "{wrong}: {} {}", answer.status, answer.body);
    }

    let listed = asked(&site, KEYS, &boss)?.json()?;
    ensure!(listed["items"].as_array().map(Vec::len) == Some(1), "{listed}");
    ensure!(listed["items"][0]["used_at"].is_string(), "its use is not noted: {listed}");
    let events = wait::until(SOON, || {
        let events = noted(&site, &boss, id)?;
        Ok(events.iter().any(|event| event == "refused").then_some(events))
    })?;
    for (event, times) in [("api_key_created", 1), ("api_key_used", 1)] {
        ensure!(events.iter().filter(|noted| *noted == event).count() == times, "{event}: {events:?}");
    }
    ensure_unlogged(&site, &[&key])
}

#[test]
fn nobody_hands_out_more_than_they_have_and_a_key_makes_no_keys() -> Result<()> {
    let site = Installation::start()?;
    let boss = administrator(&site)?;
    let beyond = send(&site, "POST", KEYS, &boss, &json!({"name": "crm", "scopes": ["calls:read"]}))?;
    ensure!(beyond.status == 403 && beyond.body.contains("calls:read"), "{} {}", beyond.status, beyond.body);
    for (wanted, field) in [
        (json!({"name": "crm", "scopes": ["operate"]}), "scopes"),
        (json!({"name": "crm", "scopes": []}), "scopes"),
        (json!({"name": "", "scopes": ["config:read"]}), "name"),
        (json!({"name": "crm", "scopes": ["config:read"], "client": "nobody"}), "client"),
        (json!({"name": "crm", "scopes": ["config:read"], "expires_at": "2999-01-01T00:00:00Z"}), "expires_at"),
    ] {
        let answer = send(&site, "POST", KEYS, &boss, &wanted)?;
        ensure!(answer.status == 422 && answer.body.contains(field), "{wanted}: {} {}", answer.status, answer.body);
    }
    let (key, _) = create(&site, &boss, &json!({"name": "all", "scopes": ["config:read", "config:write"]}))?;
    let further = send(&site, "POST", KEYS, &key, &json!({"name": "next", "scopes": ["config:read"]}))?;
    ensure!(further.status == 403, "{} {}", further.status, further.body);
    let client = json!({"id": "mine", "name": "Mine", "grants": ["client_credentials"], "scopes": ["calls:monitor"]});
    for (edit, status) in [
        (json!({"kind": "client", "id": "mine", "action": "put", "object": client}), 403),
        (json!({"kind": "client", "id": "demo", "action": "delete"}), 403),
        (json!({"kind": "skill", "id": "French", "action": "put", "object": {"name": "French"}}), 200),
    ] {
        let answer = send(&site, "POST", &format!("{API}/changes"), &key, &json!({"edits": [edit]}))?;
        ensure!(answer.status == status, "{edit}: {} {}", answer.status, answer.body);
        ensure!(status == 200 || answer.body.contains("changes no clients"), "{}", answer.body);
    }
    let restored = json!({"kind": "client", "id": "demo", "revision": 1});
    let restored = send(&site, "POST", &format!("{API}/restore"), &key, &restored)?;
    ensure!(restored.status == 403, "{} {}", restored.status, restored.body);
    let reader = said(&site, &["tenant", "api-key", "create", "example", "--name", "r", "--scope", "config:read"])?;
    let denied = send(&site, "POST", KEYS, &reader, &json!({"name": "next", "scopes": ["config:read"]}))?;
    ensure!(denied.status == 403, "{} {}", denied.status, denied.body);
    ensure!(Visitor::new(&site)?.ask(KEYS, &[])?.status == 401, "nobody is let in");
    Ok(())
}

#[test]
fn a_key_that_is_revoked_is_refused_within_seconds_with_its_tokens() -> Result<()> {
    let site = Installation::start()?;
    let boss = administrator(&site)?;
    let (first, shown) = create(&site, &boss, &json!({"name": "crm", "scopes": ["config:read"]}))?;
    let id = shown["id"].as_str().context("no id")?;
    ensure!(asked(&site, KEYS, &first)?.status == 200, "it is not let in");
    let token = exchange(&site, &first, &[])?.token("access_token")?;
    ensure!(asked(&site, KEYS, &token)?.status == 200, "its token is not let in");
    let path = format!("{KEYS}/{id}");
    for times in 1..=2 {
        let revoked = send(&site, "DELETE", &path, &boss, &json!({}))?;
        ensure!(revoked.status == 204, "{times}: {} {}", revoked.status, revoked.body);
    }
    let refused = exchange(&site, &first, &[])?;
    ensure!(refused.error() == "invalid_grant", "at once: {} {}", refused.status, refused.body);
    until_refused(&site, &first)?;
    until_refused(&site, &token)?;
    let unknown = send(&site, "DELETE", &format!("{KEYS}/nobody"), &boss, &json!({}))?;
    ensure!(unknown.status == 404, "{} {}", unknown.status, unknown.body);
    let events = noted(&site, &boss, id)?;
    ensure!(events.iter().filter(|event| *event == "api_key_revoked").count() == 1, "{events:?}");

    // By the command line, beside the installation.
    let (second, shown) = create(&site, &boss, &json!({"name": "board", "scopes": ["config:read"]}))?;
    ensure!(asked(&site, KEYS, &second)?.status == 200, "it is not let in");
    said(&site, &["tenant", "api-key", "revoke", "example", shown["id"].as_str().context("no id")?])?;
    until_refused(&site, &second)?;
    ensure_unlogged(&site, &[&first, &second])
}

#[test]
fn a_key_ends_by_itself() -> Result<()> {
    let site = Installation::start()?;
    let boss = administrator(&site)?;
    let (_, shown) = create(&site, &boss, &json!({"name": "year", "scopes": ["config:read"]}))?;
    let at = |name: &str| shown[name].as_str().and_then(read_rfc3339).context("no time");
    let (made, ends) = (at("made_at")?, at("expires_at")?);
    ensure!(ends.since(made) == Duration::from_secs(365 * 86_400), "{shown}");
    // By the clock of the installation.
    let short = json!({"name": "short", "scopes": ["config:read"], "expires_at": rfc3339(made + SHORT)});
    let (key, _) = create(&site, &boss, &short)?;
    ensure!(asked(&site, KEYS, &key)?.status == 200, "it is not let in");
    until_refused(&site, &key)?;
    ensure!(exchange(&site, &key, &[])?.error() == "invalid_grant", "it is exchanged");
    Ok(())
}

#[test]
fn a_program_exchanges_its_key_itself_and_guesses_cost_waits() -> Result<()> {
    let site = Installation::start()?;
    let boss = administrator(&site)?;
    let wanted = json!({"name": "crm", "scopes": ["config:read", "statistics:read"]});
    let (key, shown) = create(&site, &boss, &wanted)?;
    let all = exchange(&site, &key, &[])?.json()?;
    ensure!(all["scope"] == "config:read statistics:read" && all["expires_in"] == 600, "{all}");
    ensure!(all["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token", "{all}");
    ensure!(all.get("refresh_token").is_none(), "{all}");
    let narrow = exchange(&site, &key, &[("scope", "statistics:read operate")])?;
    ensure!(narrow.json()?["scope"] == "statistics:read", "{}", narrow.body);
    ensure!(asked(&site, KEYS, &narrow.token("access_token")?)?.status == 401, "it has what it did not ask for");
    ensure!(exchange(&site, &key, &[("scope", "operate")])?.error() == "invalid_scope", "it has more than it may");
    let for_one = exchange(&site, &key, &[("resource", "tenant")])?.json()?;
    ensure!(for_one["scope"] == "config:read", "{for_one}");
    ensure!(exchange(&site, &key, &[("resource", "voice")])?.error() == "invalid_target", "it is for what it may not");
    let told = Visitor::new(&site)?.introspect(&narrow.token("access_token")?)?.json()?;
    let subject = format!("api-key/{}", shown["id"].as_str().context("no id")?);
    ensure!(told["active"] == true && told["sub"] == subject.as_str(), "{told}");

    let visitor = Visitor::new(&site)?;
    let typed = [("grant_type", GRANT), ("subject_token", key.as_str()), ("subject_token_type", "urn:x")];
    ensure!(visitor.post(TOKEN, &typed, &[])?.error() == "invalid_request", "any type is taken");
    let stranger = Visitor::at(&site, site.stranger_address(1))?;
    let wrong = forged(&key);
    let guess = [("grant_type", GRANT), ("subject_token", wrong.as_str()), ("subject_token_type", KEY_TYPE)];
    let mut refused = Vec::new();
    for _ in 0..8 {
        let answer = stranger.post(TOKEN, &guess, &[])?;
        ensure!(answer.error() == "invalid_grant", "{} {}", answer.status, answer.body);
        refused.push(answer.status);
    }
    ensure!(refused.first() == Some(&400) && refused.contains(&429), "guesses cost nothing: {refused:?}");
    let good = [("grant_type", GRANT), ("subject_token", key.as_str()), ("subject_token_type", KEY_TYPE)];
    ensure!(stranger.post(TOKEN, &good, &[])?.status == 200, "who has a wrong key keeps the right one out");
    Ok(())
}

/// The edge has a token of the key by then, and asks auth about none of them.
#[test]
fn uses_of_a_key_from_other_addresses_are_noted() -> Result<()> {
    let site = Installation::start()?;
    let boss = administrator(&site)?;
    let (key, shown) = create(&site, &boss, &json!({"name": "crm", "scopes": ["config:read"]}))?;
    let id = shown["id"].as_str().context("no id")?;
    let [first, second] = [1, 2].map(|number| site.stranger_address(number));
    for address in [first, second] {
        let answer = Visitor::at(&site, address)?.bearing(KEYS, &key)?;
        ensure!(answer.status == 200, "{address}: {} {}", answer.status, answer.body);
    }
    let exchanged = site.metric("ingress", "ingress_api_keys_exchanged_total")?;
    ensure!((exchanged - 1.0).abs() < f64::EPSILON, "auth is asked each time: {exchanged}");
    let key_now = || -> Result<Value> {
        let listed = asked(&site, KEYS, &boss)?.json()?;
        Ok(listed["items"][0].clone())
    };
    wait::until(A_MINUTE_LATER, || {
        let now = key_now()?;
        Ok((now["used_from"] == second.to_string().as_str()).then_some(()))
    })
    .with_context(|| format!("the other address is not noted: {:?}", key_now()))?;
    let answer = asked(&site, &format!("{API}/sign-ins?event=api_key_used"), &boss)?.json()?;
    let items = answer["items"].as_array().context("no items")?;
    let of_key = items.iter().filter(|item| item["subject"] == format!("api-key/{id}"));
    let sources: Vec<&str> = of_key.filter_map(|item| item["source"].as_str()).collect();
    ensure!(sources == [second.to_string(), first.to_string()], "{sources:?}");
    let table = said(&site, &["tenant", "api-key", "list", "example"])?;
    ensure!(table.contains(&format!(" from {second}  by tool/boss")), "{table}");
    // Nobody else tells of uses.
    for bearer in [&boss, &key] {
        let told = json!({"keys": [{"id": id, "used_ms": 1, "from": []}]});
        let refused = send(&site, "POST", "/auth/v3/api-keys/uses", bearer, &told)?;
        ensure!(refused.status == 401, "{} {}", refused.status, refused.body);
    }
    Ok(())
}

/// A library that knows clients alone shows the key as the secret of one.
#[test]
fn a_program_shows_its_key_as_a_client_and_guesses_cost_waits() -> Result<()> {
    let site = Installation::start()?;
    let boss = administrator(&site)?;
    let wanted = json!({"name": "crm", "scopes": ["config:read", "statistics:read"]});
    let (key, shown) = create(&site, &boss, &wanted)?;
    let id = shown["id"].as_str().context("no id")?;
    let visitor = Visitor::new(&site)?;
    let credentials = ("grant_type", "client_credentials");
    let by_basic = visitor.token_as(id, &key, &[credentials])?;
    let all = by_basic.json()?;
    ensure!(all["scope"] == "config:read statistics:read" && all["expires_in"] == 600, "{all}");
    ensure!(all.get("refresh_token").is_none() && all.get("issued_token_type").is_none(), "{all}");
    let token = by_basic.token("access_token")?;
    ensure!(asked(&site, KEYS, &token)?.status == 200, "its token is not let in");
    let told = visitor.introspect(&token)?.json()?;
    ensure!(told["active"] == true && told["sub"] == format!("api-key/{id}").as_str(), "{told}");
    let posted = [credentials, ("client_id", id), ("client_secret", key.as_str())];
    let narrow = visitor.post(TOKEN, &[&posted[..], &[("scope", "statistics:read operate")]].concat(), &[])?;
    ensure!(narrow.json()?["scope"] == "statistics:read", "{}", narrow.body);
    ensure!(asked(&site, KEYS, &narrow.token("access_token")?)?.status == 403, "it has what it did not ask for");
    let beyond = visitor.post(TOKEN, &[&posted[..], &[("scope", "operate")]].concat(), &[])?;
    ensure!(beyond.error() == "invalid_scope", "it has more than it may: {}", beyond.body);
    let of_person = [("grant_type", "password"), ("username", "ada.adler"), ("password", "x")];
    ensure!(visitor.token_as(id, &key, &of_person)?.error() == "unauthorized_client", "it signs people in");
    let other = visitor.token_as("demo", &key, &[credentials])?;
    ensure!(other.status == 401 && other.error() == "invalid_client", "{} {}", other.status, other.body);

    let stranger = Visitor::at(&site, site.stranger_address(1))?;
    let mut refused = Vec::new();
    for _ in 0..8 {
        let answer = stranger.token_as(id, &forged(&key), &[credentials])?;
        ensure!(answer.error() == "invalid_client", "{} {}", answer.status, answer.body);
        refused.push(answer.status);
    }
    ensure!(refused.first() == Some(&401) && refused.contains(&429), "guesses cost nothing: {refused:?}");
    ensure!(stranger.token_as(id, &key, &[credentials])?.status == 200, "who guesses keeps the right one out");

    let revoked = send(&site, "DELETE", &format!("{KEYS}/{id}"), &boss, &json!({}))?;
    ensure!(revoked.status == 204, "{} {}", revoked.status, revoked.body);
    let over = visitor.token_as(id, &key, &[credentials])?;
    ensure!(over.status == 401 && over.error() == "invalid_client", "at once: {} {}", over.status, over.body);
    ensure!(over.header("www-authenticate").is_some_and(|scheme| scheme.starts_with("Basic")), "{}", over.head);
    until_refused(&site, &token)?;
    ensure_unlogged(&site, &[&key])
}

#[test]
fn a_token_of_a_key_that_signs_out_ends_alone() -> Result<()> {
    let site = Installation::start()?;
    let boss = administrator(&site)?;
    let (key, _) = create(&site, &boss, &json!({"name": "crm", "scopes": ["config:read", "statistics:read"]}))?;
    let other = exchange(&site, &key, &[])?.token("access_token")?;
    let given_away = exchange(&site, &key, &[("scope", "config:read")])?.token("access_token")?;
    let signed_out = send(&site, "POST", "/auth/v3/sign-out?global=true", &given_away, &json!({}))?;
    ensure!(signed_out.status == 200, "{} {}", signed_out.status, signed_out.body);
    until_refused(&site, &given_away)?;
    let told = Visitor::new(&site)?.introspect(&other)?.json()?;
    ensure!(told["active"] == true, "who has got less ends all that the key has: {told}");
    ensure!(asked(&site, KEYS, &key)?.status == 200, "the key is refused");
    Ok(())
}

#[test]
fn a_key_of_a_client_has_no_more_than_the_client_and_ends_with_it() -> Result<()> {
    let site = Installation::start()?;
    let make = ["tenant", "api-key", "create", "example", "--name", "desk", "--client", "demo", "--expires", "90d"];
    let key = said(&site, &[&make[..], &["--scope", "statistics:read"]].concat())?;
    ensure!(key.lines().count() == 1 && key.starts_with("tlk_"), "{key}");
    let beyond = run(&site, &[&make[..], &["--scope", "operate"]].concat())?;
    ensure!(beyond.status.code() == Some(6), "{}", String::from_utf8_lossy(&beyond.stderr));
    let unknown = run(&site, &["tenant", "api-key", "revoke", "example", "nobody"])?;
    ensure!(unknown.status.code() == Some(10), "{}", String::from_utf8_lossy(&unknown.stderr));
    let table = said(&site, &["tenant", "api-key", "list", "example"])?;
    ensure!(table.contains("client demo  by user/tester") && table.contains("never used"), "{table}");
    let line: Value = serde_json::from_str(&said(&site, &["tenant", "api-key", "list", "example", "--json"])?)?;
    ensure!(line["client"] == "demo" && line["scopes"] == json!(["statistics:read"]), "{line}");
    ensure!(!table.contains(secret(&key)) && !line.to_string().contains(secret(&key)), "the secret is shown again");

    ensure!(exchange(&site, &key, &[])?.status == 200, "it is not exchanged");
    said(&site, &["tenant", "delete", "example", "client", "demo"])?;
    wait::until(SOON, || {
        let answer = exchange(&site, &key, &[])?;
        ensure!(answer.status == 200 || answer.error() == "invalid_grant", "{} {}", answer.status, answer.body);
        Ok((answer.status != 200).then_some(()))
    })?;
    let line: Value = serde_json::from_str(&said(&site, &["tenant", "api-key", "list", "example", "--json"])?)?;
    ensure!(line["revoked_at"].is_string(), "a later client of that id would get the key: {line}");
    ensure_unlogged(&site, &[&key])
}
