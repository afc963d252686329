//! Contacts of desktops: a person's own are nobody else's, and those that are shared are their tenant's.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::{Installation, wait};

use super::agent;
use super::desk::PlainDesk;
use super::sessions::desk_of_globex;
use super::supervising::promote;

const SOON: Duration = Duration::from_secs(60);

fn contact(name: &str, number: &str, is_shared: bool) -> Value {
    let numbers = json!([{"type": "work", "number": number}]);
    json!({"data": {"name": name, "company": "Iversen Tea", "numbers": numbers, "isShared": is_shared}})
}

/// Adds a contact; its path.
fn added(desk: &PlainDesk<'_>, body: &Value) -> Result<String> {
    let answer = desk.succeeds("POST", "contacts", body, 0)?;
    let id = answer["data"]["id"].as_str().with_context(|| format!("no id: {answer}"))?;
    Ok(format!("contacts/{id}"))
}

/// The names of the contacts that a desktop is told.
fn names(desk: &PlainDesk<'_>, path: &str) -> Result<Vec<String>> {
    let answer = desk.succeeds("GET", path, &Value::Null, 0)?;
    let contacts = answer["data"]["contacts"].as_array().with_context(|| answer.to_string())?;
    Ok(contacts.iter().filter_map(|one| one["name"].as_str().map(str::to_owned)).collect())
}

/// The names and numbers of the contacts among the targets that a desktop finds.
fn found(desk: &PlainDesk<'_>, term: &str) -> Result<Vec<String>> {
    let path = format!("targets?searchTerm={term}&types=agent,custom-contact&limit=20");
    let answer = desk.succeeds("GET", &path, &Value::Null, 0)?;
    let targets = answer["data"]["targets"].as_array().with_context(|| answer.to_string())?;
    let contacts = targets.iter().filter(|target| target["type"] == "custom-contact");
    Ok(contacts.map(|target| format!("{} {}", target["name"], target["number"]).replace('"', "")).collect())
}

/// Whoever asks so for that path is answered with that status.
fn is_answered(desk: &PlainDesk<'_>, path: &str, asked: &[(&str, u16)]) -> Result<()> {
    for (method, due) in asked {
        let body = if *method == "PUT" { contact("Taken Over", "7199", false) } else { Value::Null };
        let (status, answer) = desk.ask(method, path, &body)?;
        ensure!(status == *due, "{method} {path}: {status} {answer}");
    }
    Ok(())
}

#[test]
fn contacts_are_a_persons_own_or_shared_and_nobodys_of_another_tenant() -> Result<()> {
    const NOT_THERE: [(&str, u16); 3] = [("GET", 404), ("PUT", 404), ("DELETE", 404)];
    let site = Installation::start()?;
    let (ada, ben) = (agent(&site, 0)?, agent(&site, 1)?);
    let later = PlainDesk::new(&site, ada)?;
    promote(&site, &ben.user)?;
    let (desk, other) = (PlainDesk::new(&site, ada)?, PlainDesk::new(&site, ben)?);
    let own = added(&desk, &contact("Ines Iversen", "+49 30 123456", false))?;
    let (status, refused) = desk.ask("POST", "contacts", &contact("Taxi", "7198", true))?;
    ensure!(status == 403, "an agent shares contacts: {status} {refused}");
    let shared = added(&other, &contact("Taxi", "7198", true))?;

    ensure!(names(&desk, "contacts")? == ["Ines Iversen", "Taxi"], "own and shared ones");
    ensure!(names(&desk, "contacts?limit=1&offset=1")? == ["Taxi"], "the second page");
    ensure!(found(&desk, "iversen")? == ["Ines Iversen +4930123456", "Taxi 7198"], "by name, and by company");
    ensure!(found(&desk, "ines")? == ["Ines Iversen +4930123456"], "by name alone");
    is_answered(&desk, &shared, &[("GET", 200), ("PUT", 403), ("DELETE", 403)])?;

    ensure!(names(&other, "contacts")? == ["Taxi"], "another person sees more than is shared");
    ensure!(found(&other, "ines")?.is_empty(), "another person finds a contact that is not shared");
    is_answered(&other, &own, &NOT_THERE)?;

    let stranger = desk_of_globex(&site)?;
    ensure!(names(&stranger, "contacts")?.is_empty(), "another tenant sees contacts");
    // The directory of a tenant that is new is there a moment later.
    let strange = wait::until(SOON, || Ok(found(&stranger, "iversen").ok())).context("globex has no directory")?;
    ensure!(strange.is_empty(), "another tenant finds contacts: {strange:?}");
    is_answered(&stranger, &own, &NOT_THERE)?;
    is_answered(&stranger, &shared, &NOT_THERE)?;

    desk.succeeds("PUT", &own, &contact("Ines Ibsen", "7197", false), 0)?;
    desk.succeeds("POST", "logout", &Value::Null, 0)?;
    ensure!(names(&later, "contacts")? == ["Ines Ibsen", "Taxi"], "they went with the session");
    later.succeeds("DELETE", &own, &Value::Null, 0)?;
    other.succeeds("DELETE", &shared, &Value::Null, 0)?;
    ensure!(names(&later, "contacts")?.is_empty(), "what is removed stays");
    Ok(())
}

#[test]
fn whoever_changes_a_contact_that_was_changed_since_is_told_so() -> Result<()> {
    let site = Installation::start()?;
    let (ada, ben) = (agent(&site, 0)?, agent(&site, 1)?);
    promote(&site, &ada.user)?;
    promote(&site, &ben.user)?;
    let (first, second) = (PlainDesk::new(&site, ada)?, PlainDesk::new(&site, ben)?);
    let shared = added(&first, &contact("Taxi", "7198", true))?;
    let read = first.succeeds("GET", &shared, &Value::Null, 0)?;
    let renamed = |name: &str, read: &Value| {
        let mut body = contact(name, "7198", true);
        body["data"]["changedAt"] = read["data"]["changedAt"].clone();
        body
    };
    second.succeeds("PUT", &shared, &renamed("Taxi Nord", &read), 0)?;
    let (status, refused) = first.ask("PUT", &shared, &renamed("Taxi West", &read))?;
    let message = refused["status"]["message"].as_str().unwrap_or_default();
    ensure!(status == 409 && message.starts_with("changedAt: "), "{status} {refused}");
    ensure!(names(&first, "contacts")? == ["Taxi Nord"], "what was refused is written all the same");
    let anew = first.succeeds("GET", &shared, &Value::Null, 0)?;
    first.succeeds("PUT", &shared, &renamed("Taxi West", &anew), 0)?;
    ensure!(names(&second, "contacts")? == ["Taxi West"], "what was read anew cannot be changed");
    Ok(())
}
