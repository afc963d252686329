//! The topic of the audit: who has changed what, from where and by which way, and what was refused at signing in. Nothing of it is lost
//! while Kafka is away.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::installation::binary;
use testkit::{Installation, Visitor, wait};

use crate::agent_setup::Page;
use crate::reported;

const TOPIC: &str = "audit";
const CHANGES: &str = "/agent-setup/api/v1/example/changes";
const WRONG: &str = "tall green kettle";
const SECRET: &str = "slow brown teapot";
const SKILL: &str = "Audited";
/// Starting Kafka and its consumer takes seconds, on a busy machine many; the role looks again within ten.
const LATER: Duration = Duration::from_secs(180);

/// The output of a command on the site.
fn said(site: &Installation, arguments: &[&str]) -> Result<String> {
    let output = Command::new(binary()?)
        .args(arguments)
        .args(["--instance", &site.demo.instance.to_string(), "--data-dir"])
        .arg(site.data_dir())
        .args(site.stores())
        .output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Sends one edit as a program.
fn edit(site: &Installation, edit: &Value) -> Result<()> {
    let arguments = ["token", "--tenant", "example", "--scope", "config:write", "--sub", "tool/audit"];
    let writer = format!("authorization: bearer {}", said(site, &arguments)?);
    let body = json!({ "edits": [edit] }).to_string();
    let sent = ["--header", &writer, "--header", "content-type: application/json", "--data-binary", &body];
    let answer = Visitor::at(site, site.stranger_address(3))?.ask(CHANGES, &sent)?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    Ok(())
}

fn skill(name: &str) -> Value {
    json!({ "kind": "skill", "id": name, "action": "put", "object": { "name": name } })
}

/// The records of the topic, the first occurrence of each, in its order.
fn recorded(site: &Installation) -> Result<Vec<Value>> {
    let lines = if site.is_on_servers() { reported::records(site, TOPIC)? } else { in_files(site)? };
    let mut records: Vec<Value> = Vec::new();
    for line in lines {
        let record: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
        if !records.iter().any(|seen| seen["id"] == record["id"]) {
            records.push(record);
        }
    }
    Ok(records)
}

/// The lines of the topic's files, but for one that is on its way.
fn in_files(site: &Installation) -> Result<Vec<String>> {
    let Ok(files) = std::fs::read_dir(site.data_dir().join("reporting").join(TOPIC)) else { return Ok(Vec::new()) };
    let mut days: Vec<PathBuf> = files.flatten().map(|file| file.path()).collect();
    days.sort();
    let mut lines = Vec::new();
    for day in days {
        let text = std::fs::read_to_string(day)?;
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        lines.extend(whole.lines().map(str::to_owned));
    }
    Ok(lines)
}

/// What was done to an object, in the order of the topic.
fn about<'a>(records: &'a [Value], kind: &str, id: &str) -> Vec<&'a Value> {
    let data = records.iter().map(|record| &record["data"]);
    data.filter(|data| data["Kind"] == kind && data["ObjectID"] == id).collect()
}

/// The number of a record's row.
fn number(record: &Value) -> Option<u64> {
    record["id"].as_str()?.split(':').nth(1)?.parse().ok()
}

/// A program makes a skill, a page tells what it is for, a command deletes it, and somebody guesses a password.
fn a_day_of(site: &Installation) -> Result<()> {
    edit(site, &skill(SKILL))?;
    let person = json!({ "user_name": "kept.secret", "first_name": "Kept", "last_name": "Secret", "password": SECRET });
    let page = Page::open(site, "administrator")?;
    let put = json!({ "kind": "person", "id": "kept.secret", "action": "put", "object": person });
    let made = page.change(&put, false)?;
    ensure!(made.status == 200, "{} {}", made.status, made.body);
    said(site, &["tenant", "delete", "example", "skill", SKILL])?;
    let guesser = Visitor::at(site, site.stranger_address(5))?;
    ensure!(guesser.sign_in("kept.secret", WRONG)?.status == 401, "any password is right");
    Ok(())
}

/// own-30.
#[test]
fn what_was_changed_and_what_was_refused_is_in_the_topic_with_who_and_from_where() -> Result<()> {
    let mut site = Installation::start()?;
    a_day_of(&site)?;
    if site.is_on_servers() {
        // All of it has waited in the database until now.
        site.servers()?.start_kafka()?;
    }
    let mut records = Vec::new();
    wait::until(LATER, || {
        records = recorded(&site)?;
        let is_whole = about(&records, "skill", SKILL).len() == 2
            && about(&records, "person", "kept.secret").iter().any(|data| data["Action"] == "refused");
        Ok(is_whole.then_some(()))
    })
    .with_context(|| format!("{} records: {:#?}", records.len(), about(&records, "skill", SKILL)))?;

    let [made, deleted] = about(&records, "skill", SKILL)[..] else { anyhow::bail!("{records:#?}") };
    let program = site.stranger_address(3).to_string();
    ensure!(made["Action"] == "created" && made["Actor"] == "tool/audit" && made["Way"] == "rest", "{made}");
    ensure!(made["Source"] == program.as_str() && made["Before"].is_null(), "{made}");
    ensure!(made["After"] == json!({ "name": SKILL }), "{made}");
    ensure!(deleted["Action"] == "deleted" && deleted["Way"] == "command_line", "{deleted}");
    ensure!(deleted["Actor"].as_str().is_some_and(|by| by.starts_with("user/")), "{deleted}");
    ensure!(deleted["Source"].is_null() && deleted["After"].is_null(), "{deleted}");

    let of_person = about(&records, "person", "kept.secret");
    let by_page = of_person.iter().find(|data| data["Action"] == "created").context("no person was made")?;
    ensure!(by_page["Way"] == "page" && by_page["Client"] == "trunkline-pages", "{by_page}");
    ensure!(by_page["Session"].as_str().is_some_and(|session| !session.is_empty()), "{by_page}");
    ensure!(by_page["SecretsChanged"] == true && by_page["Cut"] == false, "{by_page}");
    let refused = of_person.iter().find(|data| data["Action"] == "refused").context("nobody was refused")?;
    let guesser = site.stranger_address(5).to_string();
    ensure!(refused["Source"] == guesser.as_str() && refused["Way"] == "password", "{refused}");
    ensure!(refused["Actor"].is_null(), "nobody knows who it was: {refused}");

    let changes: Vec<u64> =
        records.iter().filter(|record| record["data"]["Revision"].is_u64()).filter_map(number).collect();
    ensure!(changes.is_sorted() && !changes.is_empty(), "the order of the table is lost: {changes:?}");
    let all = serde_json::to_string(&records)?;
    for secret in [WRONG, SECRET, "$argon2id$"] {
        ensure!(!all.contains(secret), "{secret} is in the topic");
    }
    Ok(())
}

#[test]
fn while_kafka_is_away_changes_wait_and_none_is_lost() -> Result<()> {
    let mut site = Installation::start_on_servers(&[])?;
    let names: Vec<String> = (0..6).map(|n| format!("Waiting {n}")).collect();
    for (at, name) in names.iter().enumerate() {
        match at {
            2 => site.servers()?.start_kafka()?,
            4 => {
                // Some have got there before it goes away again.
                until_made(&site, &names[..at])?;
                site.servers()?.stop_kafka()?;
            }
            _ => {}
        }
        edit(&site, &skill(name))?;
    }
    let waiting = site.servers()?.psql("select count(*) from audit_outbox")?;
    ensure!(waiting.parse::<u64>()? >= 2, "{waiting} rows wait");
    site.servers()?.start_kafka()?;
    until_made(&site, &names)?;
    // What has got there waits no more.
    wait::until(LATER, || {
        let waiting = site.servers()?.psql("select count(*) from audit_outbox where what = 'change'")?;
        Ok((waiting == "0").then_some(()))
    })
}

/// Until those skills were made, as the topic tells it, in their order.
fn until_made(site: &Installation, names: &[String]) -> Result<()> {
    let mut made = Vec::new();
    wait::until(LATER, || {
        let records = recorded(site)?;
        let data = records.iter().map(|record| &record["data"]);
        let of_skills = data.filter(|data| data["Kind"] == "skill" && data["Action"] == "created");
        let ids = of_skills.filter_map(|data| data["ObjectID"].as_str());
        made = ids.filter(|id| id.starts_with("Waiting ")).map(str::to_owned).collect();
        Ok((made == names).then_some(()))
    })
    .with_context(|| format!("made were {names:?}, the topic has {made:?}"))
}
