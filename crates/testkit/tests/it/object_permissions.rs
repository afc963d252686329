//! Permissions of folders: somebody who looks after the objects of one folder signs in at our pages, sees these alone and changes them.

use anyhow::{Context, Result, bail, ensure};
use contracts::v1;
use contracts::v1::change_object::Action;
use contracts::v1::provisioning_client::ProvisioningClient;
use serde_json::{Value, json};
use testkit::facts::{bearing, connect, runtime, tenant_role};
use testkit::visitor::{CurlAnswer, path_of};
use testkit::{Installation, Visitor};

const API: &str = "/agent-setup/api/v1/example";
const PAGE: &str = "/agent-setup/";
const PASSWORD: &str = "correct-horse-battery-staple";
const USER: &str = "ann.berlin";
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
    vec![
        person(USER, None, &admin),
        put("access_group", "Admins of Berlin", &json!({ "name": "Admins of Berlin", "people": [USER] })),
        put("folder", "Berlin", &json!({ "path": "Berlin", "permissions": rights })),
        put("folder", "Berlin/Board", &json!({ "path": "Berlin/Board", "permissions": shut })),
        put("folder", "Hamburg", &json!({ "path": "Hamburg" })),
        person("bob.berlin", Some("Berlin"), &properties),
        person("lea.board", Some("Berlin/Board"), &json!({})),
        person("hal.hamburg", Some("Hamburg"), &json!({})),
    ]
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
fn signs_in(visitor: &Visitor<'_>) -> Result<()> {
    let mut answer = visitor.ask(&format!("/session/sign-in?to={PAGE}"), &[])?;
    for _ in 0..REDIRECTS_MAX {
        let to = answer.location().with_context(|| format!("{} {} {}", answer.status, answer.head, answer.body))?;
        let to = path_of(to);
        if to == PAGE {
            return Ok(());
        }
        answer = match answer.asks_for_a_password() {
            true => visitor.fill_in(&to, USER, PASSWORD, &[])?,
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

/// Sends one edit.
fn edit(site: &Installation, visitor: &Visitor<'_>, edit: &Value) -> Result<CurlAnswer> {
    let origin = format!("origin: {}", site.demo.web);
    let body = json!({ "edits": [edit] }).to_string();
    let arguments = ["--header", &origin, "--header", "content-type: application/json", "--data-binary", &body];
    visitor.ask(&format!("{API}/changes"), &arguments)
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
    signs_in(&visitor)?;

    // What is in no folder, in another one, or in one that is shut, is not there.
    let people = read(&visitor, "/objects/person")?;
    let ids: Vec<&Value> = people["items"].as_array().context("no list")?.iter().map(|object| &object["id"]).collect();
    ensure!(ids == [&json!("bob.berlin")], "{people}");
    let bob = read(&visitor, "/objects/person/bob.berlin")?;
    ensure!(bob["object"]["folder"] == "Berlin", "{bob}");
    ensure!(bob["object"]["user_properties"]["TServer"]["wrap-up-time"] == "30", "{bob}");
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
    }
    for hidden in ["hal.hamburg", "lea.board"] {
        let answer = edit(&site, &visitor, &merge(hidden, "first_name", &json!("X")))?;
        let unknown = edit(&site, &visitor, &merge("nobody", "first_name", &json!("X")))?;
        ensure!(answer.status == unknown.status && answer.status != 200, "{hidden}: {} {}", answer.status, answer.body);
    }
    ensure!(status(&visitor, "/api-keys")? == 403, "keys of programs are of the whole tenant");
    Ok(())
}
