//! Services beside the contact centre that only read: bds writes a tenant's inventory as files, wfm-adapter answers workforce tools.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::agents::baresip_agent;
use testkit::caller::Caller;
use testkit::object_store::StoreRequest;
use testkit::{Answer, Installation, ObjectStore, wait};

use crate::carried::carried;

const LATER: Duration = Duration::from_secs(90);
const CONFIGURATION: u16 = 8_888;
const EVENTS: u16 = 8_000;
const AGENTS: &str = "/wfm/v1/example/agents";

/// The folder of the example tenant's only day.
fn day_folder(site: &Installation) -> Result<Option<PathBuf>> {
    day_of(site, "example")
}

/// The folder of a tenant's only day, once it is whole.
fn day_of(site: &Installation, tenant: &str) -> Result<Option<PathBuf>> {
    let Ok(days) = std::fs::read_dir(site.data_dir().join("inventory").join(tenant)) else { return Ok(None) };
    let days = days.map(|day| Ok(day?.path())).collect::<Result<Vec<_>>>()?;
    Ok(days.into_iter().find(|day| day.join("manifest.json").exists()))
}

/// The sum of a file, as coreutils have it.
fn sum_of(file: &Path) -> Result<String> {
    let output = Command::new("sha256sum").arg(file).output().context("sha256sum")?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text.split_whitespace().next().context("no sum")?.to_owned())
}

/// voice-03.
#[test]
fn a_tenants_inventory_is_written_once_a_day_and_without_secrets() -> Result<()> {
    let site = Installation::start()?;
    let day = wait::until(LATER, || day_folder(&site)).context("no folder of a day")?;
    let manifest: Value = serde_json::from_slice(&std::fs::read(day.join("manifest.json"))?)?;
    ensure!(manifest["tenant"] == "example" && manifest["time_zone"] == "UTC", "{manifest}");
    ensure!(manifest["revision"].as_u64() > Some(0), "{manifest}");
    let files = manifest["files"].as_array().context("no files")?;
    ensure!(files.len() == 14, "{manifest}");
    let mut all = String::new();
    for file in files {
        let name = file["name"].as_str().context("no name")?;
        let bytes = std::fs::read(day.join(name))?;
        ensure!(file["bytes"] == bytes.len() && file["sha256"] == sum_of(&day.join(name))?.as_str(), "{file}");
        if file["format"] == "parquet" {
            ensure!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"), "{file}: {bytes:?}");
            let of_csv = files.iter().find(|other| other["table"] == file["table"] && other["format"] == "csv");
            ensure!(of_csv.is_some_and(|other| other["rows"] == file["rows"]), "{manifest}");
            all.push_str(&String::from_utf8_lossy(&bytes));
            continue;
        }
        let text = String::from_utf8(bytes)?;
        ensure!(file["rows"] == text.matches("\r\n").count() - 1, "{file}: {text}");
        all.push_str(&text);
    }
    ensure!(all.contains("Ada,") && all.contains(",1001,Sales,") && all.contains("9000,route_point,sales,"), "{all}");
    for person in &site.demo.people {
        ensure!(!all.contains(&person.password), "the password of {} is in a file", person.extension);
    }
    let bytes = carried(&site, "bds", "tenant", CONFIGURATION)?;
    ensure!(bytes.sent > 0 && bytes.received > 0, "voice-03: {bytes:?}");
    wait::until(LATER, || is_written(&site)).context("no success is told")?;
    ensure!(site.metric("bds", "bds_failures_total")? < 1.0, "an attempt has failed");

    // What is there is not written again.
    let site = site.crash_and_restart()?;
    wait::until(LATER, || is_written(&site)).context("the folder is not found after a restart")?;
    ensure!(site.metric("bds", "bds_folders_total")? < 1.0, "the day is written twice");

    // Old days go, and what a crash has left, of a tenant that is no more too.
    let inventory = site.data_dir().join("inventory");
    let gone = inventory.join("gone");
    for name in ["2020-01-01", ".2020-01-02.part"] {
        std::fs::create_dir_all(gone.join(name))?;
    }
    std::fs::write(gone.join(".lock"), "")?;
    let days: Vec<String> = (1..8).map(|day| format!("2026-01-0{day}")).collect();
    std::fs::write(inventory.join(".days"), days.join("\n"))?;
    let _site = site.crash_and_restart()?;
    wait::until(LATER, || Ok((std::fs::read_dir(&gone)?.count() == 1).then_some(())))
        .context("old days of a tenant that is no more stay")?;
    ensure!(day.join("manifest.json").exists(), "the day of today is gone");
    Ok(())
}

/// The manifest in the folder of a day.
fn manifest_of(day: &Path) -> Result<Value> {
    Ok(serde_json::from_slice(&std::fs::read(day.join("manifest.json"))?)?)
}

/// tenant-01: what bds writes is the configuration of that time, and it is told of what is provisioned while it runs.
#[test]
fn bds_reads_what_is_configured_and_what_is_provisioned_meanwhile() -> Result<()> {
    let site = Installation::start()?;
    let day = wait::until(LATER, || day_folder(&site)).context("no folder of a day")?;
    let before = carried(&site, "bds", "tenant", CONFIGURATION)?;
    ensure!(before.sent > 0 && before.received > 0, "{before:?}");
    let made = Command::new(testkit::installation::binary()?)
        .args([
            "tenant",
            "create",
            "acme",
            "--name",
            "Acme",
            "--instance",
            &site.demo.instance.to_string(),
            "--data-dir",
        ])
        .arg(site.data_dir())
        .args(site.stores())
        .env("LOGNAME", "tester")
        .stdin(Stdio::null())
        .output()?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let of_acme = wait::until(LATER, || day_of(&site, "acme")).context("bds does not hear of a new tenant")?;
    ensure!(manifest_of(&of_acme)?["tenant"] == "acme", "{}", of_acme.display());
    let after = carried(&site, "bds", "tenant", CONFIGURATION)?;
    ensure!(after.sent > before.sent && after.received > before.received, "{before:?}, then {after:?}");

    let revision = |day: &Path| anyhow::Ok(manifest_of(day)?["revision"].as_u64());
    let (first, people) = (revision(&day)?, std::fs::read_to_string(day.join("people.csv"))?);
    ensure!(first.is_some() && people.contains("Ada,") && !people.contains("Adelheid"), "{first:?}: {people}");
    site.import_changed(|folder| {
        let file = folder.join("example-tenant.yaml");
        let text = std::fs::read_to_string(&file)?;
        Ok(std::fs::write(&file, text.replacen("first_name: Ada\n", "first_name: Adelheid\n", 1))?)
    })?;
    // What is there is not written again.
    std::fs::remove_dir_all(&day)?;
    let site = site.crash_and_restart()?;
    let day = wait::until(LATER, || day_folder(&site)).context("the day that is gone is not written again")?;
    let (second, people) = (revision(&day)?, std::fs::read_to_string(day.join("people.csv"))?);
    ensure!(second > first && people.contains("Adelheid,"), "{first:?}, then {second:?}: {people}");
    Ok(())
}

/// The settings that lead the inventory into that store.
fn into_bucket(store: &ObjectStore, more: &[&str]) -> Vec<String> {
    let endpoint = format!("bds.s3_endpoint={}", store.endpoint());
    let key = ["bds.s3=s3://inventory/daily", "bds.s3_access_key=TEST", "bds.s3_secret_key=do-not-show-me", &endpoint];
    key.iter().chain(more).flat_map(|setting| ["--set".to_owned(), (*setting).to_owned()]).collect()
}

/// The manifest of the example tenant's only day in a bucket, with the key of its folder.
fn day_in_bucket(store: &ObjectStore) -> Result<Option<(String, Value)>> {
    let objects = store.objects();
    let is_manifest = |key: &&String| key.starts_with("inventory/daily/example/") && key.ends_with("/manifest.json");
    let Some(key) = objects.keys().find(is_manifest) else { return Ok(None) };
    Ok(Some((key.trim_end_matches("manifest.json").to_owned(), serde_json::from_slice(&objects[key])?)))
}

/// The puts of files and manifests that were done, by who has done them.
fn puts_of_days(store: &ObjectStore) -> Vec<StoreRequest> {
    let is_of_day = |object: &str| !object.ends_with("/claim.json") && !object.ends_with("/probe.json");
    let is_done = |asked: &StoreRequest| asked.method == "PUT" && asked.status == 200 && is_of_day(&asked.object);
    store.requests().into_iter().filter(is_done).collect()
}

/// own-29.
#[test]
fn a_day_comes_whole_into_a_bucket_whose_store_fails_and_dies_in_between() -> Result<()> {
    // Three puts try the store out, and the fourth is the claim.
    let store = ObjectStore::start(3, Some(8))?;
    let settings = into_bucket(&store, &[]);
    let arguments: Vec<&str> = settings.iter().map(String::as_str).collect();
    let site = Installation::start_with(&arguments)?;
    wait::until(LATER, || Ok(store.is_dead().then_some(()))).context("nothing is put")?;
    let left = store.objects();
    let has = |name: &str| left.keys().any(|key| key.ends_with(name));
    ensure!(has("/people.csv") && !has("/manifest.json"), "{:?}", left.keys());
    store.revive()?;
    let (folder, manifest) =
        wait::until(LATER, || day_in_bucket(&store)).context("the day does not come into the bucket")?;
    ensure!(manifest["tenant"] == "example" && manifest["revision"].as_u64() > Some(0), "{manifest}");
    let (objects, copy) = (store.objects(), tempfile::tempdir()?);
    let files = manifest["files"].as_array().context("no files")?;
    ensure!(files.len() == 14, "{manifest}");
    for file in files {
        let name = file["name"].as_str().context("no name")?;
        let bytes = objects.get(&format!("{folder}{name}")).with_context(|| format!("{name} is not there"))?;
        let here = copy.path().join(name);
        std::fs::write(&here, bytes)?;
        ensure!(file["bytes"] == bytes.len() && file["sha256"] == sum_of(&here)?.as_str(), "{file}");
    }
    let puts = puts_of_days(&store);
    let of_example: Vec<&str> =
        puts.iter().filter(|put| put.object.starts_with(&folder)).map(|put| put.object.as_str()).collect();
    ensure!(of_example.last().is_some_and(|last| last.ends_with("/manifest.json")), "{of_example:?}");
    ensure!(day_folder(&site)?.is_none(), "the day is in a folder too");
    let log = site.log_lines();
    ensure!(!log.iter().any(|line| line.contains("do-not-show-me")), "the key of the store is in the log");
    wait::until(LATER, || is_written(&site)).context("no success is told")?;
    is_carried(&site, &store)?;

    // What is there is not written again.
    let days = |store: &ObjectStore| puts_of_days(store).len();
    let before = days(&store);
    let site = site.crash_and_restart_with(&arguments)?;
    wait::until(LATER, || is_written(&site)).context("the day is not found after a restart")?;
    ensure!(days(&store) == before, "the day is written twice");
    Ok(())
}

/// Bytes went between bds and the store in both directions, as the row's own counters say.
fn is_carried(site: &Installation, store: &ObjectStore) -> Result<()> {
    let bds = site.admin("bds")?.ip();
    ensure!(store.requests().iter().all(|asked| asked.from == bds), "somebody else has asked the store");
    for count in ["connection_sent_bytes_total", "connection_received_bytes_total"] {
        let of_row = format!("{count}{{connection=\"own-29\",side=\"opens\"}}");
        ensure!(site.metric("bds", &of_row)? > 0.0, "{of_row}");
    }
    Ok(())
}

#[test]
fn of_two_replicas_one_writes_the_day_of_a_tenant() -> Result<()> {
    let store = ObjectStore::start(0, None)?;
    let settings = into_bucket(&store, &["replicas.bds=2"]);
    let arguments: Vec<&str> = settings.iter().map(String::as_str).collect();
    let site = Installation::start_with(&arguments)?;
    wait::until(LATER, || day_in_bucket(&store)).context("the day does not come into the bucket")?;
    // Whichever has written it, the first one knows of it in the end.
    wait::until(LATER, || is_written(&site)).context("the first replica does not know of the day")?;
    let askers = || store.requests().iter().map(|asked| asked.from).collect::<BTreeSet<IpAddr>>();
    wait::until(LATER, || Ok((askers().len() == 2).then_some(()))).context("one replica has not asked")?;
    let puts = puts_of_days(&store);
    let of_tenants: BTreeSet<(&str, IpAddr)> =
        puts.iter().filter_map(|put| Some((put.object.rsplit_once('/')?.0, put.from))).collect();
    let days: BTreeSet<&str> = of_tenants.iter().map(|(day, _)| *day).collect();
    ensure!(of_tenants.len() == days.len(), "a day has two writers: {of_tenants:?}");
    let written: BTreeSet<&str> = puts.iter().map(|put| put.object.as_str()).collect();
    ensure!(written.len() == puts.len(), "a file is put twice: {puts:?}");
    Ok(())
}

#[test]
fn a_replica_that_keeps_failing_leaves_the_day_to_the_other() -> Result<()> {
    let store = ObjectStore::start(0, None)?;
    store.refuse_first_claimant();
    let settings = into_bucket(&store, &["replicas.bds=2"]);
    let arguments: Vec<&str> = settings.iter().map(String::as_str).collect();
    let _site = Installation::start_with(&arguments)?;
    wait::until(LATER, || day_in_bucket(&store)).context("the day does not come into the bucket")?;
    let asked = store.requests();
    let refused: BTreeSet<IpAddr> = asked.iter().filter(|asked| asked.status == 403).map(|asked| asked.from).collect();
    ensure!(refused.len() == 1, "refused: {refused:?}");
    ensure!(puts_of_days(&store).iter().all(|put| !refused.contains(&put.from)), "the refused one has put a day");
    Ok(())
}

fn is_written(site: &Installation) -> Result<Option<()>> {
    // It has no value before the first look at a tenant.
    Ok(site.metric("bds", "bds_last_success_seconds").is_ok_and(|at| at > 0.0).then_some(()))
}

fn ask(site: &Installation, path: &str) -> Result<testkit::observe::Answer> {
    site.http(site.demo.web.trim_start_matches("http://").parse::<SocketAddr>()?, "GET", path, "")
}

/// The rows of an answer, once there is one.
fn rows(site: &Installation, path: &str) -> Result<Option<Vec<Value>>> {
    let answer = ask(site, path)?;
    if answer.status == 503 {
        return Ok(None);
    }
    ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.body);
    let document: Value = serde_json::from_str(&answer.body)?;
    Ok(Some(document["items"].as_array().context("no items")?.clone()))
}

fn has_name(site: &Installation, name: &str) -> Result<Option<()>> {
    let agents = rows(site, AGENTS)?.unwrap_or_default();
    Ok(agents.iter().any(|row| row["id"] == "1001" && row["first_name"] == name).then_some(()))
}

/// own-26, tenant-12, tenant-13.
#[test]
fn workforce_tools_read_agents_their_states_and_the_history_of_queues() -> Result<()> {
    let site = Installation::start()?;
    wait::until(LATER, || has_name(&site, "Ada")).context("Ada is not known")?;
    let before = carried(&site, "wfm-adapter", "tenant", CONFIGURATION)?;
    site.import_changed(|folder| {
        let file = folder.join("example-tenant.yaml");
        let text = std::fs::read_to_string(&file)?;
        Ok(std::fs::write(&file, text.replacen("first_name: Ada\n", "first_name: Adelheid\n", 1))?)
    })?;
    wait::until(LATER, || has_name(&site, "Adelheid")).context("the new name is not known")?;
    let after = carried(&site, "wfm-adapter", "tenant", CONFIGURATION)?;
    ensure!(after.sent > 0 && after.received > before.received, "tenant-12: {before:?}, {after:?}");

    let mut agent = baresip_agent(&site, 10, "7101", Answer::Auto)?;
    let caller = Caller::dial(&site, "caller-until-bye.xml", 2, site.number("sales")?, &[])?;
    agent.wait_for("CALL_ESTABLISHED", LATER)?;
    agent.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    let steps = wait::until(LATER, || {
        let steps = rows(&site, "/wfm/v1/example/queues/9000/intervals")?.unwrap_or_default();
        let is_handled = |step: &Value| step["average_handling_time_s"].is_number();
        Ok(steps.iter().any(is_handled).then_some(steps))
    })
    .context("the queue's history does not have the call")?;
    // A quarter of an hour may end during the call.
    let sum = |count: &str| steps.iter().filter_map(|step| step[count].as_u64()).sum::<u64>();
    let counts = ["offered", "answered", "abandoned", "handled"].map(sum);
    ensure!(counts == [1, 1, 0, 1], "{counts:?}: {steps:?}");
    ensure!(steps.iter().any(|step| step["service_level_percent"].is_number()), "{steps:?}");
    let events = carried(&site, "wfm-adapter", "tenant", EVENTS)?;
    ensure!(events.sent > 0 && events.received > 0, "tenant-13: {events:?}");
    let edge = carried(&site, "ingress", "wfm-adapter", 8_080)?;
    ensure!(edge.sent > 0 && edge.received > 0, "own-26: {edge:?}");

    let states = wait::until(LATER, || {
        let states = rows(&site, "/wfm/v1/example/agent-states?agent=1001")?.unwrap_or_default();
        let is_over = |state: &Value| state["state"] == "inbound_call" && state["end"].is_string();
        Ok(states.iter().any(is_over).then_some(states))
    })
    .context("the agent's states do not have the call")?;
    for pair in states.windows(2) {
        ensure!(pair[0]["end"] == pair[1]["begin"] && pair[0]["state"] != "unknown", "a gap: {pair:?}");
    }
    let csv = ask(&site, "/wfm/v1/example/agent-states?agent=1001&format=csv")?.body;
    ensure!(csv.starts_with("agent,state,reason,begin,end\r\n") && csv.contains("1001,ready,"), "{csv}");
    let steps: Value = serde_json::from_str(&ask(&site, "/wfm/v1/example/queues/9000/intervals")?.body)?;
    ensure!(steps["history_begins"].is_string(), "it is not told from when on the history is known: {steps}");
    Ok(())
}

#[test]
fn what_workforce_tools_may_not_read_or_ask_wrongly_is_refused() -> Result<()> {
    let site = Installation::start()?;
    let web: SocketAddr = site.demo.web.trim_start_matches("http://").parse()?;
    wait::until(LATER, || rows(&site, AGENTS))?;
    // The wallboard's token reads statistics alone: states and queues, and no names.
    let token = site.demo.tokens.get("wallboard").context("no wallboard's token")?;
    let with = |path: &str| site.http_with(web, "GET", path, &format!("Authorization: Bearer {token}\r\n"), "");
    ensure!(with(AGENTS)?.status == 403, "names are shown without config:read");
    ensure!(with("/wfm/v1/example/agent-states")?.status == 200, "states are not shown");
    ensure!(with("/wfm/v1/other/agent-states")?.status == 403, "another tenant's states are shown");
    ensure!(site.http_with(web, "GET", AGENTS, "", "")?.status == 401, "nobody needs a token");
    for (path, rule) in [
        ("/wfm/v1/example/agent-states?from=yesterday", "from: "),
        ("/wfm/v1/example/queues/9000/intervals?step=20m", "step: "),
        ("/wfm/v1/example/queues/9000/intervals?from=2026-07-02T08:05:00Z", "from: "),
        ("/wfm/v1/example/queues/9000/intervals?to=2026-07-02T08:07:00Z", "to: "),
        ("/wfm/v1/example/agents?page_size=0", "page_size: "),
        ("/wfm/v1/example/agents?page_token=%21", "page_token: "),
    ] {
        let answer = ask(&site, path)?;
        ensure!(answer.status == 400 && answer.body.contains(rule), "{path}: {} {}", answer.status, answer.body);
    }
    ensure!(ask(&site, "/wfm/v1/example/queues/nowhere/intervals")?.status == 404, "there is no such queue");
    Ok(())
}
