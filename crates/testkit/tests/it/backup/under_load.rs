//! Backups that are written, and restored, while an administrator edits the tenant and calls are up: each is the tenant of one revision, a
//! restore makes of the tenant what the backup has, and neither costs a call.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::{Value, json};
use testkit::facts::{connect, runtime, tenant_role};
use testkit::{Caller, Endpoint, Installation, wait};
use tonic::Code;

use super::{LATER, StoresOfCommands, TENANT};
use crate::edits_under_load::{hang_up_all, load};
use crate::provisioning::{Client, batch, change, put, token};
use crate::sign_in::forgeries::CONFIGURATION;

const SOON: Duration = Duration::from_secs(45);
const ROUNDS: u64 = 2;
/// Edits of a round at most: with those of two people each, all of them are in one page of the history.
const EDITS_MAX: u64 = 150;
/// One after the other.
const FAST: Pace = Pace { most: EDITS_MAX, pause: Duration::ZERO };
/// Such that a restore finds a moment between two of them, and that they outlast it.
const STEADY: Pace = Pace { most: 2_000, pause: Duration::from_millis(100) };
/// How often an edit is asked for that a restore has overtaken.
const TRIES_MAX: usize = 20;
/// Calls to the echo that begin each second, how many there are at a time, and how long each talks, in ms.
const ECHO: (u32, u32, &str) = (3, 12, "3000");
/// A second tenant, and a skill that it loses and gets back.
const OTHER: &str = "globex";
const GLOBEX: &str = "tenant: globex\nname: Globex\nrealm: globex.invalid\nhold_music: music\nprompts: {music: music.wav}\nskills: [Chess, Go]\n";
const LOST: &str = "Chess";
/// Edits before a backup begins.
const EDITS_BEFORE: u64 = 3;
/// Each edit gives both the same name.
const PEOPLE: [&str; 2] = ["ada.adler", "ben.brook"];

/// How many edits, and how fast.
#[derive(Clone, Copy)]
struct Pace {
    most: u64,
    pause: Duration,
}

/// Edits that go on until they have heard that the backup is there, and one more.
struct Round {
    made: Arc<AtomicU64>,
    is_enough: Arc<AtomicBool>,
    editor: JoinHandle<Result<()>>,
}

impl Round {
    fn begin(place: SocketAddr, token: String, first: u64, pace: Pace) -> Self {
        let (made, is_enough) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, heard) = (made.clone(), is_enough.clone());
        let edits = move || {
            runtime()?.block_on(async {
                let mut client = Client::new(connect(place).await?);
                for number in first..first + pace.most {
                    let is_last = heard.load(Ordering::SeqCst);
                    rename(&mut client, &token, number).await?;
                    counted.fetch_add(1, Ordering::SeqCst);
                    if is_last {
                        break;
                    }
                    if !pace.pause.is_zero() {
                        // Not a wait for a condition.
                        let _ = wait::until(pace.pause, || Ok(None::<()>));
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

/// Gives both people the same name. A restore may come in between: then nothing was changed, and it is asked for again.
async fn rename(client: &mut Client, token: &str, number: u64) -> Result<()> {
    let document = json!({ "last_name": format!("Edit {number}") }).to_string();
    let both = PEOPLE.map(|user| put("person", user, None, &document, &["last_name"]));
    for _ in 0..TRIES_MAX {
        match change(client, token, batch(both.to_vec())).await? {
            Ok(_) => return Ok(()),
            Err(status) if [Code::Aborted, Code::Unavailable].contains(&status.code()) => {}
            Err(status) => return Err(status.into()),
        }
    }
    bail!("edit {number} is refused time and again")
}

type Documents = BTreeMap<(String, String), Value>;

fn key(of: &Value) -> Result<(String, String)> {
    let text = |name: &str| of[name].as_str().map(str::to_owned).with_context(|| format!("no {name}: {of}"));
    Ok((text("kind")?, text("id")?))
}

/// The objects of the tenant.
fn documents(stores: &StoresOfCommands) -> Result<Documents> {
    documents_of(stores, TENANT)
}

fn documents_of(stores: &StoresOfCommands, tenant: &str) -> Result<Documents> {
    let listed = stores.said(&["tenant", "list", tenant, "--json"])?;
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
        let edits = Round::begin(place, boss.clone(), round * EDITS_MAX, FAST);
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

/// What a command tells of each tenant, beside edits that begin before it and go on behind it.
fn told_amid(round: Round, stores: &StoresOfCommands, arguments: &[&str]) -> Result<Vec<Value>> {
    round.is_under_way()?;
    let told = stores.said(arguments)?;
    round.end()?;
    told.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// Whether the tenant was as a backup has it at the revision of its restore. Since then edits went on.
fn was_as_in(stores: &StoresOfCommands, restored: &Value, of_backup: &Documents) -> Result<()> {
    let at = revision(restored)?;
    ensure!(restored["put"].as_u64().is_some_and(|put| put > 0), "nothing was to be restored: {restored}");
    let (now, history) = (documents(stores)?, stores.history()?);
    let last = revision(history.first().context("no history")?)?;
    ensure!(last > at, "no edit was made behind the restore: {last}");
    let then = at_revision(&now, &history, at)?;
    let other = of_backup.iter().find(|(key, document)| then.get(*key) != Some(*document));
    ensure!(other.is_none(), "{other:?} is otherwise behind the restore, at revision {at}");
    ensure!(then.len() == of_backup.len(), "the restore has left objects that the backup has not");
    Ok(())
}

#[test]
fn a_restore_under_load_makes_one_tenant_or_all_what_the_backup_has_and_costs_no_call() -> Result<()> {
    let files = tempfile::tempdir()?;
    let site = Installation::start()?;
    site.import_text(GLOBEX)?;
    let stores = StoresOfCommands::of(&site);
    let boss = token(&site, "tool/boss", &["config:read", "config:write"])?;
    let audio = Endpoint::listen(site.peer_address(1).into())?;
    let echo = load(&site, 1, &audio, site.number("echo")?, ECHO)?;
    let edits = |round: u64| Round::begin(tenant_role(&site, CONFIGURATION), boss.clone(), round * STEADY.most, STEADY);
    let file = files.path().join("all.trunkline").to_string_lossy().into_owned();
    let [with_keys, named, passphrase] = &StoresOfCommands::with_keys(files.path())?;
    let told = told_amid(edits(0), &stores, &["backup", &file, with_keys, named, passphrase])?;
    let mut tenants: Vec<&str> = told.iter().filter_map(|one| one["tenant"].as_str()).collect();
    tenants.sort_unstable();
    assert_eq!(tenants, [TENANT, OTHER], "all of them are in the backup");
    let elsewhere = StoresOfCommands::in_folder(&files.path().join("elsewhere"));
    elsewhere.said(&["restore", &file, with_keys, named, passphrase])?;
    let (of_backup, of_other) = (documents(&elsewhere)?, documents_of(&elsewhere, OTHER)?);

    // One of them: the other one stays as it is by now.
    stores.said(&["tenant", "delete", OTHER, "skill", LOST])?;
    let changed = documents_of(&stores, OTHER)?;
    ensure!(changed.len() + 1 == of_other.len(), "{changed:?}");
    let told = told_amid(edits(1), &stores, &["restore", &file, "--tenant", TENANT, "--replace"])?;
    ensure!(told.len() == 1 && told[0]["tenant"] == TENANT, "{told:?}");
    was_as_in(&stores, &told[0], &of_backup)?;
    ensure!(documents_of(&stores, OTHER)? == changed, "a tenant that was not named is restored");

    let told = told_amid(edits(2), &stores, &["restore", &file, "--replace"])?;
    let of = |tenant: &str| told.iter().find(|one| one["tenant"] == tenant).with_context(|| format!("no {tenant}"));
    was_as_in(&stores, of(TENANT)?, &of_backup)?;
    ensure!(of(OTHER)?["put"] == 1 && documents_of(&stores, OTHER)? == of_other, "{told:?}");
    hang_up_all(echo, "the echo")?;
    site.is_at_rest()
}
