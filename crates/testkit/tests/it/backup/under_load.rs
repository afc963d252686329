//! Backups that are written while an administrator edits the tenant and a call is up: each is the tenant of one revision, and costs no
//! call.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use testkit::facts::{connect, runtime, tenant_role};
use testkit::{Caller, Installation, wait};

use super::{LATER, StoresOfCommands, TENANT};
use crate::provisioning::{Client, batch, change, put, token};
use crate::sign_in::forgeries::CONFIGURATION;

const SOON: Duration = Duration::from_secs(45);
const ROUNDS: u64 = 2;
/// Edits of a round at most: with those of two people each, all of them are in one page of the history.
const EDITS_MAX: u64 = 150;
/// Edits before a backup begins.
const EDITS_BEFORE: u64 = 3;
/// Each edit gives both the same name.
const PEOPLE: [&str; 2] = ["ada.adler", "ben.brook"];

/// Edits that go on until they have heard that the backup is there, and one more.
struct Round {
    made: Arc<AtomicU64>,
    is_enough: Arc<AtomicBool>,
    editor: JoinHandle<Result<()>>,
}

impl Round {
    fn begin(place: SocketAddr, token: String, first: u64) -> Self {
        let (made, is_enough) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, heard) = (made.clone(), is_enough.clone());
        let edits = move || {
            runtime()?.block_on(async {
                let mut client = Client::new(connect(place).await?);
                for number in first..first + EDITS_MAX {
                    let is_last = heard.load(Ordering::SeqCst);
                    let document = json!({ "last_name": format!("Edit {number}") }).to_string();
                    let rename = |user| put("person", user, None, &document, &["last_name"]);
                    change(&mut client, &token, batch(PEOPLE.map(rename).to_vec())).await??;
                    counted.fetch_add(1, Ordering::SeqCst);
                    if is_last {
                        break;
                    }
                }
                anyhow::Ok(())
            })
        };
        Self { made, is_enough, editor: std::thread::spawn(edits) }
    }

    /// Waits until edits are under way.
    fn is_under_way(&self) -> Result<()> {
        wait::until(SOON, || {
            let made = self.made.load(Ordering::SeqCst);
            ensure!(made >= EDITS_BEFORE || !self.editor.is_finished(), "the edits have ended after {made}");
            Ok((made >= EDITS_BEFORE).then_some(()))
        })
    }

    fn end(self) -> Result<()> {
        self.is_enough.store(true, Ordering::SeqCst);
        self.editor.join().map_err(|_| anyhow!("the editor panicked"))?
    }
}

type Documents = BTreeMap<(String, String), Value>;

fn key(of: &Value) -> Result<(String, String)> {
    let text = |name: &str| of[name].as_str().map(str::to_owned).with_context(|| format!("no {name}: {of}"));
    Ok((text("kind")?, text("id")?))
}

/// The objects of the tenant.
fn documents(stores: &StoresOfCommands) -> Result<Documents> {
    let listed = stores.said(&["tenant", "list", TENANT, "--json"])?;
    let line = |line: &str| {
        let mut one: Value = serde_json::from_str(line)?;
        anyhow::Ok((key(&one)?, one["object"].take()))
    };
    listed.lines().map(line).collect()
}

fn revision(of: &Value) -> Result<u64> {
    of["revision"].as_u64().with_context(|| format!("no revision: {of}"))
}

/// The objects as they were at a revision: what the history has of later, the latest first, undone.
fn at_revision(now: &Documents, history: &[Value], wanted: u64) -> Result<Documents> {
    let mut documents = now.clone();
    for entry in history {
        if revision(entry)? <= wanted {
            break;
        }
        match &entry["before"] {
            Value::Null => documents.remove(&key(entry)?),
            before => documents.insert(key(entry)?, before.clone()),
        };
    }
    Ok(documents)
}

#[test]
fn a_backup_under_load_is_the_tenant_of_one_revision_and_costs_no_call() -> Result<()> {
    let files = tempfile::tempdir()?;
    let site = Installation::start()?;
    let stores = StoresOfCommands::of(&site);
    let boss = token(&site, "tool/boss", &["config:read", "config:write"])?;
    let call = Caller::dial(&site, "caller-when-told.xml", 1, site.number("echo")?, &[])?;
    call.answered(SOON)?;
    let [with_keys, named, passphrase] = &StoresOfCommands::with_keys(files.path())?;
    let mut backups = Vec::new();
    for round in 0..ROUNDS {
        let place = tenant_role(&site, CONFIGURATION);
        let edits = Round::begin(place, boss.clone(), round * EDITS_MAX);
        edits.is_under_way()?;
        let file = files.path().join(format!("{round}.trunkline")).to_string_lossy().into_owned();
        let backup = ["backup", &file, "--tenant", TENANT, with_keys, named, passphrase];
        let told: Value = serde_json::from_str(stores.said(&backup)?.trim())?;
        edits.end()?;
        let last = revision(stores.history()?.first().context("no history")?)?;
        backups.push((file, revision(&told)?, last));
    }
    call.hang_up()?;
    call.finish(LATER)?.1.expect_success()?;
    ensure!(backups.iter().any(|(_, taken, last)| taken < last), "no backup was taken amid edits: {backups:?}");

    let (now, history) = (documents(&stores)?, stores.history()?);
    for (number, (file, taken, _)) in backups.iter().enumerate() {
        let elsewhere = StoresOfCommands::in_folder(&files.path().join(format!("elsewhere-{number}")));
        elsewhere.said(&["restore", file, with_keys, named, passphrase])?;
        let restored = documents(&elsewhere)?;
        let of_history = at_revision(&now, &history, *taken)?;
        let other = restored.iter().find(|(key, document)| of_history.get(*key) != Some(*document));
        ensure!(other.is_none(), "{other:?} was otherwise at revision {taken}");
        ensure!(restored.len() == of_history.len(), "objects of revision {taken} are missing");
        let names = PEOPLE.map(|user| &restored[&("person".to_owned(), user.to_owned())]["last_name"]);
        ensure!(names[0] == names[1], "half of a batch is in the backup: {names:?}");
        let is_within = |entry: &&Value| revision(entry).is_ok_and(|revision| revision <= *taken);
        let older: Vec<Value> = history.iter().filter(is_within).cloned().collect();
        let history = elsewhere.history()?;
        let (restore, before) = history.split_first().context("no history")?;
        ensure!(restore["way"] == "backup", "who has restored it is not noted: {restore}");
        ensure!(before == older, "the history of revision {taken} is another one");
    }
    Ok(())
}
