//! Permissions of folders: somebody who looks after the objects of one folder signs in at our pages, sees these alone and changes them. And
//! privileges about dashboards, of people and of roles.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use contracts::v1;
use contracts::v1::change_object::Action;
use contracts::v1::provisioning_client::ProvisioningClient;
use serde_json::{Value, json};
use testkit::facts::{bearing, connect, runtime, tenant_role};
use testkit::visitor::{CurlAnswer, path_of};
use testkit::{Installation, Visitor, wait};

use crate::agent_setup::Page;
use crate::conference::TONES;
use crate::sign_in::forgeries::claims;
use crate::uploaded_prompts::uploaded;

const SOON: Duration = Duration::from_secs(45);
const API: &str = "/agent-setup/api/v1/example";
const WALLBOARD: &str = "/pulse/api/v1/example/wallboard";
const PAGE: &str = "/agent-setup/";
const PASSWORD: &str = "correct-horse-battery-staple";
const USER: &str = "ann.berlin";
/// Where objects are changed, put back and given as a table, each with the media type of what is sent there.
const CHANGES: (&str, &str) = ("/changes", "application/json");
const RESTORE: (&str, &str) = ("/restore", "application/json");
const TABLE: (&str, &str) = ("/people.csv?dry_run=true", "text/csv");
/// More redirects than the way of a sign-in has.
const REDIRECTS_MAX: usize = 8;

fn put(kind: &str, id: &str, object: &Value) -> v1::ChangeObject {
    v1::ChangeObject {
        kind: kind.to_owned(),
        id: id.to_owned(),
        expected_revision: Some(0),
        action: Some(Action::Put(v1::PutObject { json: object.to_string(), fields: Vec::new() })),
    }
}

fn person(user: &str, folder: Option<&str>, more: &Value) -> v1::ChangeObject {
    let mut object = json!({ "user_name": user, "first_name": "A", "last_name": "Person", "folder": folder });
    if let (Some(object), Some(more)) = (object.as_object_mut(), more.as_object()) {
        object.extend(more.clone());
    }
    put("person", user, &object)
}

/// Folders of two cities with a person each, one of whom is in a part that is shut, and an administrator of one of them.
fn cities() -> Vec<v1::ChangeObject> {
    let admin = json!({ "password": PASSWORD, "privileges": ["folder_administrator"] });
    let rights = json!([{ "group": "Admins of Berlin", "rights": ["read", "change"] }]);
    let shut = json!([{ "person": USER, "no_access": true }]);
    let properties = json!({ "user_properties": { "TServer": { "wrap-up-time": "30" } } });
    let agent = json!({ "agent": { "id": "9801", "login_code": "9801", "skills": [] } });
    vec![
        person(USER, None, &admin),
        put("access_group", "Admins of Berlin", &json!({ "name": "Admins of Berlin", "people": [USER] })),
        put("folder", "Berlin", &json!({ "path": "Berlin", "permissions": rights })),
        put("folder", "Berlin/Board", &json!({ "path": "Berlin/Board", "permissions": shut })),
        put("folder", "Hamburg", &json!({ "path": "Hamburg" })),
        person("bob.berlin", Some("Berlin"), &properties),
        person("lea.board", Some("Berlin/Board"), &json!({})),
        person("hal.hamburg", Some("Hamburg"), &agent),
    ]
}

fn delete(kind: &str, id: &str) -> v1::ChangeObject {
    let action = Some(Action::Delete(v1::DeleteObject {}));
    v1::ChangeObject { kind: kind.to_owned(), id: id.to_owned(), expected_revision: None, action }
}

async fn change(site: &Installation, changes: Vec<v1::ChangeObject>) -> Result<()> {
    let output = std::process::Command::new(testkit::installation::binary()?)
        .args(["token", "--tenant", "example", "--sub", "tool/hr", "--scope", "config:write"])
        .args(["--instance", &site.demo.instance.to_string(), "--data-dir"])
        .arg(site.data_dir())
        .args(site.stores())
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let token = String::from_utf8(output.stdout)?;
    let mut client = ProvisioningClient::new(connect(tenant_role(site, 8888)).await?);
    let asked = v1::ChangeObjectsRequest { changes, ..v1::ChangeObjectsRequest::default() };
    client.change(bearing(asked, token.trim())?).await?;
    Ok(())
}

/// The way of a browser from our page through the sign-in, and back.
fn signs_in(visitor: &Visitor<'_>, user: &str) -> Result<()> {
    signs_in_by(visitor, (user, PASSWORD))
}

/// The same with the password of the person.
fn signs_in_by(visitor: &Visitor<'_>, (user, password): (&str, &str)) -> Result<()> {
    let mut answer = visitor.ask(&format!("/session/sign-in?to={PAGE}"), &[])?;
    for _ in 0..REDIRECTS_MAX {
        let to = answer.location().with_context(|| format!("{} {} {}", answer.status, answer.head, answer.body))?;
        let to = path_of(to);
        if to == PAGE {
            return Ok(());
        }
        answer = match answer.asks_for_a_password() {
            true => visitor.fill_in(&to, user, password, &[])?,
            false => visitor.ask(&to, &[])?,
        };
    }
    bail!("it goes on and on")
}

fn read(visitor: &Visitor<'_>, path: &str) -> Result<Value> {
    let answer = visitor.ask(&format!("{API}{path}"), &[])?;
    ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.body);
    answer.json()
}

fn status(visitor: &Visitor<'_>, path: &str) -> Result<u16> {
    Ok(visitor.ask(&format!("{API}{path}"), &[])?.status)
}

fn post(
    site: &Installation,
    visitor: &Visitor<'_>,
    (path, media_type): (&str, &str),
    body: &str,
) -> Result<CurlAnswer> {
    let (origin, media_type) = (format!("origin: {}", site.demo.web), format!("content-type: {media_type}"));
    visitor.ask(&format!("{API}{path}"), &["--header", &origin, "--header", &media_type, "--data-binary", body])
}

/// Sends one edit.
fn edit(site: &Installation, visitor: &Visitor<'_>, edit: &Value) -> Result<CurlAnswer> {
    post(site, visitor, CHANGES, &json!({ "edits": [edit] }).to_string())
}

/// Puts somebody back as they were at a revision.
fn restore(site: &Installation, visitor: &Visitor<'_>, user: &str, at: u64) -> Result<CurlAnswer> {
    post(site, visitor, RESTORE, &json!({ "kind": "person", "id": user, "revision": at }).to_string())
}

/// What is said of somebody by each way in which they can be named: what is asked, the status, and the body, without the name.
fn said_of(site: &Installation, visitor: &Visitor<'_>, user: &str, at: u64) -> Result<Vec<(String, u16, String)>> {
    let rename = |user: &str| merge(user, "first_name", &json!("X"));
    let delete = |user: &str| json!({ "kind": "person", "id": user, "action": "delete" });
    let whole = json!({ "user_name": user, "first_name": "X", "last_name": "X", "folder": "Berlin" });
    let meant = json!({ "kind": "person", "id": user, "action": "put", "object": whole, "expected_revision": at });
    let mut said = Vec::new();
    for path in ["/objects/person/", "/uses/person/", "/history?kind=person&id=", "/sign-ins?person="] {
        said.push((path.to_owned(), visitor.ask(&format!("{API}{path}{user}"), &[])?));
    }
    // The edit of another one, who is seen, may be as it must and may be refused for itself.
    for edits in [
        json!([rename(user)]),
        json!([delete(user)]),
        json!([meant]),
        json!([rename("bob.berlin"), rename(user)]),
        json!([delete("bob.berlin"), rename(user)]),
    ] {
        let answer = post(site, visitor, CHANGES, &json!({ "edits": edits }).to_string())?;
        said.push((edits.to_string(), answer));
    }
    said.push(("restore".to_owned(), restore(site, visitor, user, at)?));
    // Nobody is no agent, and has no time after calls; hal is one.
    let table = format!("user_name,first_name,last_name,wrap_up_s\n{user},X,X,5\n");
    said.push((table.clone(), post(site, visitor, TABLE, &table)?));
    let unnamed = |text: &str| text.replace(user, "<user>");
    Ok(said.iter().map(|(asked, answer)| (unnamed(asked), answer.status, unnamed(&answer.body))).collect())
}

fn merge(user: &str, field: &str, value: &Value) -> Value {
    json!({ "kind": "person", "id": user, "action": "merge", "object": { field: value }, "fields": [field] })
}

/// own-27, own-28.
#[test]
fn a_folder_administrator_sees_and_changes_the_people_of_a_folder_alone() -> Result<()> {
    let site = Installation::start()?;
    runtime()?.block_on(change(&site, cities()))?;
    let visitor = Visitor::new(&site)?;
    signs_in(&visitor, USER)?;

    // What is in no folder, in another one, or in one that is shut, is not there.
    let people = read(&visitor, "/objects/person")?;
    let ids: Vec<&Value> = people["items"].as_array().context("no list")?.iter().map(|object| &object["id"]).collect();
    ensure!(ids == [&json!("bob.berlin")], "{people}");
    let bob = read(&visitor, "/objects/person/bob.berlin")?;
    ensure!(bob["object"]["folder"] == "Berlin", "{bob}");
    ensure!(bob["object"]["user_properties"]["TServer"]["wrap-up-time"] == "30", "{bob}");
    let at_first = bob["revision"].as_u64().with_context(|| bob.to_string())?;
    for hidden in ["hal.hamburg", "lea.board", USER, "nobody"] {
        ensure!(status(&visitor, &format!("/objects/person/{hidden}"))? == 404, "{hidden}");
        let history = read(&visitor, &format!("/history?kind=person&id={hidden}"))?;
        ensure!(history["items"].as_array().is_some_and(Vec::is_empty), "{hidden}: {history}");
    }

    // Who is seen is changed, as far as the rights go.
    let properties = json!({ "TServer": { "wrap-up-time": "45" } });
    for (field, value) in [("first_name", json!("Bob")), ("user_properties", properties)] {
        let changed = edit(&site, &visitor, &merge("bob.berlin", field, &value))?;
        ensure!(changed.status == 200, "{field}: {} {}", changed.status, changed.body);
    }
    let bob = read(&visitor, "/objects/person/bob.berlin")?;
    ensure!(bob["object"]["first_name"] == "Bob" && bob["object"]["folder"] == "Berlin", "{bob}");
    ensure!(bob["object"]["user_properties"]["TServer"]["wrap-up-time"] == "45", "{bob}");
    let told = read(&visitor, "/history?kind=person&id=bob.berlin")?;
    ensure!(told["items"].as_array().is_some_and(|entries| entries.len() == 3), "{told}");
    for (what, refused) in [
        ("deletes", json!({ "kind": "person", "id": "bob.berlin", "action": "delete" })),
        ("takes out of the folder", merge("bob.berlin", "folder", &json!("Hamburg"))),
        ("gives a privilege", merge("bob.berlin", "privileges", &json!(["administrator"]))),
        (
            "makes a client",
            json!({ "kind": "client", "id": "c", "action": "put", "object": { "id": "c", "name": "C" } }),
        ),
    ] {
        let answer = edit(&site, &visitor, &refused)?;
        ensure!(answer.status == 403, "{what}: {} {}", answer.status, answer.body);
        let fault = &answer.json()?["faults"][0];
        ensure!(fault["code"] == "not_permitted" && fault["id"] == refused["id"], "{what}: {}", answer.body);
    }
    // A line of a table for which a right is missing is named, and nothing of the table is taken.
    let table = "user_name,first_name,last_name,privileges\nbob.berlin,Bob,Changed,administrator\n";
    let answer = post(&site, &visitor, TABLE, table)?;
    let fault = &answer.json()?["faults"][0];
    let is_named = fault["line"] == 2 && fault["column"] == "privileges" && fault["code"] == "not_permitted";
    ensure!(answer.status == 200 && is_named, "{} {}", answer.status, answer.body);
    let back = restore(&site, &visitor, "bob.berlin", at_first)?;
    ensure!(back.status == 200, "{} {}", back.status, back.body);
    // In whatever way somebody who is unseen is named, the answer is that for nobody; but that a name is taken is told to whoever wants it.
    let of_nobody = said_of(&site, &visitor, "nobody", at_first)?;
    for hidden in ["hal.hamburg", "lea.board"] {
        let said = said_of(&site, &visitor, hidden, at_first)?;
        for (of_hidden, of_nobody) in said.iter().zip(&of_nobody) {
            ensure!(of_hidden == of_nobody, "{hidden}: {of_hidden:?}, and of nobody {of_nobody:?}");
        }
        let whole = json!({ "user_name": hidden, "first_name": "X", "last_name": "X", "folder": "Berlin" });
        let made = json!({ "kind": "person", "id": hidden, "action": "put", "object": whole });
        let taken = edit(&site, &visitor, &made)?;
        ensure!(taken.status == 403 && taken.body.contains("may not see"), "{} {}", taken.status, taken.body);
    }
    let bob = read(&visitor, "/objects/person/bob.berlin")?;
    ensure!(bob["object"]["first_name"] == "A", "a part of a batch was carried out, or nothing was restored: {bob}");
    ensure!(bob["object"]["user_properties"]["TServer"]["wrap-up-time"] == "30", "{bob}");
    ensure!(status(&visitor, "/api-keys")? == 403, "keys of programs are of the whole tenant");

    // What was hidden stays so when it goes, and the folder that hid it.
    runtime()?.block_on(change(&site, vec![delete("person", "lea.board"), delete("folder", "Berlin/Board")]))?;
    for gone in ["kind=person&id=lea.board", "kind=folder&id=Berlin%2FBoard"] {
        let history = read(&visitor, &format!("/history?{gone}"))?;
        ensure!(history["items"].as_array().is_some_and(Vec::is_empty), "{gone}: {history}");
    }
    Ok(())
}

/// A prompt of a folder that plays a recording.
fn playing(name: &str, folder: &str, sha256: &str) -> v1::ChangeObject {
    let audio = json!([{ "language": "en", "sha256": sha256 }]);
    put("prompt", name, &json!({ "name": name, "file": format!("{name}.wav"), "audio": audio, "folder": folder }))
}

#[test]
fn a_recording_is_given_to_who_sees_a_prompt_that_names_it() -> Result<()> {
    let (site, files) = (Installation::start()?, tempfile::tempdir()?);
    runtime()?.block_on(change(&site, cities()))?;
    let (visitor, page) = (Visitor::new(&site)?, Page::open(&site, "administrator")?);
    signs_in(&visitor, USER)?;
    let sha256 = uploaded(&page, files.path(), 8_000, TONES[0])?;
    let path = format!("/prompt-audio/{sha256}");
    let given = || Ok::<_, anyhow::Error>((page.get_with(&path, &[])?.status, status(&visitor, &path)?));
    ensure!(given()? == (200, 200), "it has just been uploaded");
    runtime()?.block_on(change(&site, vec![playing("elbe", "Hamburg", &sha256)]))?;
    ensure!(given()? == (200, 404), "whoever looks after Berlin sees no prompt of Hamburg");
    runtime()?.block_on(change(&site, vec![playing("spree", "Berlin", &sha256)]))?;
    ensure!(given()? == (200, 200), "it is named in Berlin");
    runtime()?.block_on(change(&site, vec![delete("prompt", "elbe"), delete("prompt", "spree")]))?;
    ensure!(given()? == (200, 200), "no prompt names it any more");
    Ok(())
}

/// The page of one of the demo's people, of that kind.
fn page_of<'a>(site: &'a Installation, kind: &str) -> Result<Visitor<'a>> {
    let user = site.demo.users.iter().find(|user| user.kind == kind).with_context(|| format!("no {kind}"))?;
    let visitor = Visitor::new(site)?;
    signs_in_by(&visitor, (&user.user, &user.password))?;
    Ok(visitor)
}

/// own-27, own-28.
#[test]
fn who_reads_everything_else_finds_nothing_of_somebody_in_a_folder_of_others() -> Result<()> {
    const HIDDEN: &str = "lea.board";
    let site = Installation::start()?;
    let of_others = json!([{ "person": USER, "rights": ["read"] }]);
    let viewer = json!({ "password": PASSWORD, "privileges": ["view_dashboard"] });
    let board = vec![
        person(USER, None, &json!({})),
        put("folder", "Board", &json!({ "path": "Board", "permissions": of_others })),
        person(HIDDEN, Some("Board"), &viewer),
    ];
    runtime()?.block_on(change(&site, board))?;
    signs_in(&Visitor::new(&site)?, HIDDEN)?;

    let (administrator, designer) = (page_of(&site, "administrator")?, page_of(&site, "designer")?);
    let subject = format!("person/{HIDDEN}");
    let is_told =
        |visitor: &Visitor<'_>, path: &str| -> Result<bool> { Ok(read(visitor, path)?.to_string().contains(HIDDEN)) };
    // What auth has noted comes a moment later.
    wait::until(SOON, || Ok(read(&administrator, "/sign-ins")?.to_string().contains(&subject).then_some(())))?;
    for path in ["/sign-ins", "/objects/person", "/history"] {
        ensure!(is_told(&administrator, path)?, "{path} tells an administrator nothing");
        ensure!(!is_told(&designer, path)?, "{path} tells a designer");
    }
    // Of themselves, and of the others, they are told.
    wait::until(SOON, || {
        let told = read(&designer, "/sign-ins")?;
        Ok(told["items"].as_array().is_some_and(|all| !all.is_empty()).then_some(()))
    })?;
    for path in ["/sign-ins?person=", "/objects/person/"] {
        let answers = [HIDDEN, "nobody"].map(|user| visitor_answer(&designer, path, user));
        let [hidden, nobody] = answers;
        ensure!(hidden? == nobody?, "{path} tells a designer that somebody is hidden");
    }
    let table = designer.ask(&format!("{API}/people.csv"), &[])?;
    ensure!(table.status == 200 && !table.body.contains(HIDDEN), "{}", table.head);
    Ok(())
}

/// The entries of somebody as an object become these.
fn entries(user: &str, entries: &Value) -> v1::ChangeObject {
    let (json, fields) = (json!({ "own_permissions": entries }).to_string(), vec!["own_permissions".to_owned()]);
    let action = Some(Action::Put(v1::PutObject { json, fields }));
    v1::ChangeObject { kind: "person".to_owned(), id: user.to_owned(), expected_revision: None, action }
}

/// own-27, own-28.
#[test]
fn entries_of_one_object_open_it_to_who_does_not_see_its_folder_and_hide_another_one() -> Result<()> {
    let site = Installation::start()?;
    runtime()?.block_on(change(&site, cities()))?;
    let opened = entries("hal.hamburg", &json!([{ "person": USER, "rights": ["read", "change"] }]));
    let hidden = entries("bob.berlin", &json!([{ "group": "Admins of Berlin", "no_access": true }]));
    runtime()?.block_on(change(&site, vec![opened, hidden]))?;
    let visitor = Visitor::new(&site)?;
    signs_in(&visitor, USER)?;
    let seen = || -> Result<Vec<Value>> {
        let people = read(&visitor, "/objects/person")?;
        Ok(people["items"].as_array().context("no list")?.iter().map(|object| object["id"].clone()).collect())
    };
    ensure!(seen()? == [json!("hal.hamburg")], "{:?}", seen()?);
    ensure!(
        read(&visitor, "/objects/person/hal.hamburg")?["object"]["own_permissions"][0]["person"] == USER,
        "no entry"
    );
    for (path, due) in [("/objects/person/bob.berlin", 404), ("/objects/person/nobody", 404)] {
        ensure!(status(&visitor, path)? == due, "{path}");
    }
    let history = read(&visitor, "/history?kind=person&id=bob.berlin")?;
    ensure!(history["items"].as_array().is_some_and(Vec::is_empty), "{history}");

    let renamed = edit(&site, &visitor, &merge("hal.hamburg", "first_name", &json!("Hal")))?;
    ensure!(renamed.status == 200, "{} {}", renamed.status, renamed.body);
    for (what, refused) in [
        ("deletes", json!({ "kind": "person", "id": "hal.hamburg", "action": "delete" })),
        ("changes the entries", merge("hal.hamburg", "own_permissions", &json!([]))),
    ] {
        let answer = edit(&site, &visitor, &refused)?;
        ensure!(answer.status == 403, "{what}: {} {}", answer.status, answer.body);
    }
    let [of_hidden, of_nobody] = ["bob.berlin", "nobody"].map(|user| -> Result<(u16, String)> {
        let answer = edit(&site, &visitor, &merge(user, "first_name", &json!("X")))?;
        Ok((answer.status, answer.body.replace(user, "<user>")))
    });
    ensure!(of_hidden? == of_nobody?, "an edit tells that somebody is hidden");

    let administrator = page_of(&site, "administrator")?;
    ensure!(status(&administrator, "/objects/person/bob.berlin")? == 200, "an administrator does not see it");
    let taken_away = edit(&site, &administrator, &merge("bob.berlin", "own_permissions", &json!([])))?;
    ensure!(taken_away.status == 200, "{} {}", taken_away.status, taken_away.body);
    ensure!(seen()? == [json!("bob.berlin"), json!("hal.hamburg")], "{:?}", seen()?);
    Ok(())
}

/// What is said of somebody, without the name.
fn visitor_answer(visitor: &Visitor<'_>, path: &str, user: &str) -> Result<(u16, String)> {
    let answer = visitor.ask(&format!("{API}{path}{user}"), &[])?;
    Ok((answer.status, answer.body.replace(user, "<user>")))
}

/// own-26.
#[test]
fn people_are_not_told_by_the_list_for_workforce_tools_whom_folders_hide() -> Result<()> {
    const AGENTS: &str = "/wfm/v1/example/agents";
    let site = Installation::start()?;
    let both = json!({ "password": PASSWORD, "privileges": ["folder_administrator", "supervisor"] });
    runtime()?.block_on(change(&site, vec![person("ann.both", None, &both)]))?;
    let visitor = Visitor::new(&site)?;
    let signed_in = wait::until(SOON, || {
        let answer = visitor.by_password("ann.both", PASSWORD)?;
        Ok((answer.status == 200).then_some(answer))
    })?;
    let token = signed_in.token("access_token")?;
    let told = |path: &str, token: &str| {
        wait::until(SOON, || {
            let answer = visitor.bearing(path, token)?;
            Ok((answer.status != 503).then_some(answer))
        })
    };
    // Both scopes are there; which agents the person may see is not known there.
    let scopes = claims(&token)?["scope"].as_str().unwrap_or_default().to_owned();
    ensure!(["statistics:read", "config:read"].iter().all(|scope| scopes.contains(scope)), "{scopes}");
    let refused = told(AGENTS, &token)?;
    ensure!(refused.status == 403 && !refused.body.contains("user_name"), "{} {}", refused.status, refused.body);
    ensure!(told("/wfm/v1/example/queues", &token)?.status == 200, "queues are of the whole tenant");
    let program = site.demo.tokens.get("operator").context("no operator's token")?;
    let answer = told(AGENTS, program)?;
    ensure!(answer.status == 200 && answer.body.contains("user_name"), "{} {}", answer.status, answer.body);
    Ok(())
}

/// Somebody who sees dashboards by a privilege of their own, and one by a role, an agent whom a role lets see them, and one who may not.
fn viewers(agent: &str) -> Vec<v1::ChangeObject> {
    let who =
        |user: &str, privileges: Value| person(user, None, &json!({ "password": PASSWORD, "privileges": privileges }));
    let role = |name: &str, people: &[&str], privileges: Value| {
        put("role", name, &json!({ "name": name, "people": people, "groups": [], "privileges": privileges }))
    };
    vec![
        who("vera.view", json!(["view_dashboard", "manage_tabs"])),
        who("rita.role", json!([])),
        who("nora.none", json!(["add_widgets_without_limit"])),
        role("Guests", &["rita.role"], json!(["view_dashboard_restricted"])),
        role("Seniors", &[agent], json!(["view_dashboard"])),
    ]
}

/// The names of the authorities that a token's bearer has.
fn authorities(visitor: &Visitor<'_>, token: &str) -> Result<Vec<String>> {
    let told = visitor.bearing("/auth/v3/openid/userinfo", token)?.json()?;
    let all = told["authorities"].as_array().with_context(|| told.to_string())?;
    Ok(all.iter().filter_map(|one| one["name"].as_str().map(str::to_owned)).collect())
}

/// The wallboard, once its numbers are there.
fn wallboard(visitor: &Visitor<'_>, arguments: &[&str]) -> Result<CurlAnswer> {
    wait::until(SOON, || {
        let answer = visitor.ask(WALLBOARD, arguments)?;
        Ok((answer.status != 503).then_some(answer))
    })
}

/// pulse-20.
#[test]
fn dashboards_are_seen_by_who_has_the_privilege_and_it_is_given_by_its_rules() -> Result<()> {
    let site = Installation::start()?;
    let agent = site.demo.users.iter().find(|user| user.kind == "agent").context("the demo has no agent")?;
    // What needs another privilege is not given without it, to a person as to a role: the refusal names object, field and rule.
    let alone = json!({ "privileges": ["manage_widgets"] });
    let role = json!({ "name": "Guests", "people": [], "groups": [], "privileges": ["manage_tabs"] });
    for (refused, told) in [
        (person("vera.view", None, &alone), "person vera.view privileges: manage_widgets needs edit_widget_display"),
        (put("role", "Guests", &role), "role Guests privileges: manage_tabs needs view_dashboard or"),
    ] {
        let Err(error) = runtime()?.block_on(change(&site, vec![refused])) else { bail!("it is taken: {told}") };
        ensure!(format!("{error:#}").contains(told), "{error:#}");
    }
    runtime()?.block_on(change(&site, viewers(&agent.user)))?;

    // At our pages: what comes with a privilege is told, and who has neither right to see dashboards is refused.
    for (user, privileges, status) in [
        ("vera.view", json!(["view_dashboard", "manage_tabs"]), 200),
        ("rita.role", json!(["view_dashboard_restricted"]), 200),
        ("nora.none", json!(["add_widgets_without_limit"]), 403),
    ] {
        let visitor = Visitor::new(&site)?;
        signs_in(&visitor, user)?;
        let session = visitor.ask("/session", &[])?.json()?;
        ensure!(session["privileges"] == privileges, "{session}");
        let answer = wallboard(&visitor, &[])?;
        ensure!(answer.status == status, "{user}: {} {}", answer.status, answer.body);
        ensure!(visitor.ask(&format!("{API}/objects/skill"), &[])?.status == 403, "{user} reads the configuration");
    }
    // By tokens: an agent's stays tied to the DN, and sees dashboards besides.
    let visitor = Visitor::new(&site)?;
    let token = wait::until(SOON, || {
        let token = visitor.by_password(&agent.user, &agent.password)?.token("access_token")?;
        let is_seen = authorities(&visitor, &token)?.contains(&"ROLE_VIEW_DASHBOARD".to_owned());
        Ok(is_seen.then_some(token))
    })?;
    let authorization = format!("authorization: bearer {token}");
    ensure!(wallboard(&visitor, &["--header", &authorization])?.status == 200, "the agent does not see it");
    let claims = claims(&token)?;
    ensure!(claims["dn"].is_string(), "the token is tied to nothing: {claims}");
    let supervisor = site.demo.users.iter().find(|user| user.kind == "supervisor").context("no supervisor")?;
    let token = visitor.by_password(&supervisor.user, &supervisor.password)?.token("access_token")?;
    let all = authorities(&visitor, &token)?;
    ensure!(all.iter().any(|one| one == "ROLE_MANAGE_WIDGETS"), "{all:?}");
    ensure!(!all.iter().any(|one| one == "ROLE_MANAGE_TEMPLATES"), "{all:?}");
    Ok(())
}
