//! `trunkline tenant forget-secrets`: which secrets cannot be opened, and how tenants go on without them.

use std::cell::Cell;
use std::sync::Arc;

use clap::Args;
use contracts::provisioning::{ObjectKey, Person};
use infra::{ChangeWay, SNAPSHOT_KIND, StoreError, TenantArchive, UnopenedSecret, kind_told};
use model::{TenantId, Timestamp};
use runtime::data_dir;
use runtime::exit::{Exit, ExitError};
use runtime::installation_key::InstallationKey;
use serde_json::{Value, json};
use tenant::life;
use tenant::lost_secrets::{self, LostSecret, LostSecrets};

use super::{InstallationOptions, executor, tenant_id};

pub(super) const EXAMPLES: &str = "\
Examples:
  trunkline tenant forget-secrets
  trunkline tenant forget-secrets acme --json | jq -r '.secrets[] | [.kind, .id, .field] | @tsv'
  trunkline tenant forget-secrets acme --yes
  trunkline tenant forget-secrets --yes

Secrets are sealed with keys/installation.key of the data directory. Look for a copy of that file first: with it in its place
nothing is lost. Without --yes the command only tells what cannot be opened, and exits 0 if that is nothing, 11 if something.
With --yes it empties these secrets, resets these second factors and removes these snapshots; nothing else changes, and the
history notes it. Whoever had a second factor then signs in by the password alone. Where the data directory opens nothing at all,
--yes is refused while processes of the installation run, and for a data directory that is not shown to be that of the
installation: --data-directory-lost says that it is lost, and that every secret of every tenant, or of the named one, is to go:
passwords of phones, carriers and providers, keys that sign calls, sealed PINs of agents, second factors, and all snapshots.";

#[derive(Args)]
pub struct ForgetArguments {
    /// The tenant's id; without it all tenants
    tenant: Option<String>,
    /// Empty what cannot be opened, so that it can be set anew
    #[arg(long)]
    yes: bool,
    /// The data directory is lost as a whole: empty all sealed passwords, keys and PINs and second factors, and remove all snapshots,
    /// although this one opens none of them
    #[arg(long, requires = "yes")]
    data_directory_lost: bool,
    /// A JSON document a line, one for each tenant
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &InstallationOptions, arguments: &ForgetArguments) -> anyhow::Result<Exit> {
    let wanted = arguments.tenant.as_deref().map(tenant_id).transpose()?;
    let data_dir = options.data_dir();
    let key = data_dir::has_installation(&data_dir).then(|| data_dir::installation_key(&data_dir)).transpose()?;
    executor()?.block_on(async {
        let values = options.values()?;
        let store = crate::stores::archive_of_any_key(options.instance, &data_dir, &values).await?;
        let tenants = match wanted.clone() {
            Some(tenant) => vec![tenant],
            None => store.tenants().await?.into_iter().map(|(tenant, _)| tenant).collect(),
        };
        let looked_for = LookedFor { store, key };
        let is_guarded = arguments.yes
            && !crate::stores::key_opens_some(options.instance, &data_dir, &values).await?
            && looked_for.is_all_lost(&tenants).await?;
        // Held until the end.
        let _held = if is_guarded {
            let is_lost = arguments.data_directory_lost;
            Some(crate::stores::expect_lost_key(options.instance, &data_dir, &values, is_lost).await?)
        } else {
            None
        };
        if wanted.is_none() && arguments.yes {
            remove_ended(&looked_for.store).await?;
        }
        let mut is_some_lost = false;
        for tenant in &tenants {
            is_some_lost |= match looked_for.found(tenant).await? {
                TenantFinding::Lost(lost) => treat(&looked_for.store, tenant, lost, arguments).await?,
                TenantFinding::Damaged(error) => treat_damaged(&looked_for.store, tenant, &error, arguments).await?,
            };
        }
        Ok(concluded(is_some_lost, arguments.yes))
    })
}

/// Where lost secrets are looked for, and with which key.
struct LookedFor {
    store: Arc<dyn TenantArchive>,
    key: Option<InstallationKey>,
}

/// What is found of a tenant.
enum TenantFinding {
    /// What is lost.
    Lost(LostSecrets),
    /// Nobody can read it, for this reason.
    Damaged(StoreError),
}

impl LookedFor {
    async fn found(&self, tenant: &TenantId) -> anyhow::Result<TenantFinding> {
        let opens = |person: &Person| is_opened(self.key.as_ref(), tenant, person);
        match lost_secrets::find(&*self.store, tenant, &opens).await {
            Ok(Some(lost)) => Ok(TenantFinding::Lost(lost)),
            Ok(None) => Err(ExitError::new(Exit::Unknown, format!("there is no tenant {tenant}")).into()),
            Err(error @ StoreError::Corrupt { .. }) => Ok(TenantFinding::Damaged(error)),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether something is lost, and of what these tenants have nothing is opened; second factors, too.
    async fn is_all_lost(&self, tenants: &[TenantId]) -> anyhow::Result<bool> {
        let (is_some_opened, mut is_some_lost) = (Cell::new(false), false);
        for tenant in tenants {
            let opens = |person: &Person| {
                let is_opened = is_opened(self.key.as_ref(), tenant, person);
                is_some_opened.set(is_some_opened.get() || is_opened);
                is_opened
            };
            is_some_lost |= match lost_secrets::find(&*self.store, tenant, &opens).await {
                Ok(lost) => lost.is_some_and(|lost| !lost.is_empty()),
                Err(StoreError::Corrupt { .. }) => !self.store.unopened(tenant, None).await?.is_empty(),
                Err(error) => return Err(error.into()),
            };
        }
        Ok(is_some_lost && !is_some_opened.get())
    }
}

/// What is left of tenants that have ended has secrets too: while the key is lost, no process removes it.
async fn remove_ended(store: &Arc<dyn TenantArchive>) -> anyhow::Result<()> {
    for ended in store.ended_tenants(Timestamp::ZERO).await? {
        if !ended.is_removed {
            life::remove_rest(&**store, &ended.tenant).await?;
        }
    }
    Ok(())
}

fn is_opened(key: Option<&InstallationKey>, tenant: &TenantId, person: &Person) -> bool {
    key.is_some_and(|key| platform::auth::opens_second_factor(key, tenant, person))
}

/// Tells what is lost of a tenant, and empties it if that is wanted; whether something is.
async fn treat(
    store: &Arc<dyn TenantArchive>,
    tenant: &TenantId,
    lost: LostSecrets,
    arguments: &ForgetArguments,
) -> anyhow::Result<bool> {
    let (mut told, lines, is_empty) = (as_json(tenant, &lost), lines(tenant, &lost), lost.is_empty());
    if arguments.yes && !is_empty {
        let note = crate::author::note(ChangeWay::CommandLine);
        let revision = match lost_secrets::forget(&**store, tenant, lost, &note).await {
            Ok(revision) => revision,
            Err(StoreError::Conflict { .. }) => {
                let message = format!("tenant {tenant} has changed meanwhile, and is left as it is: try again");
                return Err(ExitError::new(Exit::CheckFailed, message).into());
            }
            Err(error) => return Err(error.into()),
        };
        told["revision"] = revision.0.into();
        told["emptied"] = true.into();
    }
    say(&told, &lines, arguments);
    Ok(!is_empty)
}

/// The same of a tenant that nobody can read: what of it keeps processes from beginning.
async fn treat_damaged(
    store: &Arc<dyn TenantArchive>,
    tenant: &TenantId,
    error: &StoreError,
    arguments: &ForgetArguments,
) -> anyhow::Result<bool> {
    eprintln!("warning: tenant {tenant} cannot be read ({error}): of its second factors nothing is known");
    let note = arguments.yes.then(|| crate::author::note(ChangeWay::CommandLine));
    let unopened = store.unopened(tenant, note.as_ref()).await?;
    let (snapshots, secrets): (Vec<&UnopenedSecret>, Vec<&UnopenedSecret>) =
        unopened.iter().partition(|one| kind_told(one.key.kind.as_str(), &one.key.id) == SNAPSHOT_KIND);
    let one = |one: &&UnopenedSecret| json!({ "kind": one.key.kind.as_str(), "id": one.key.id, "field": one.field });
    let told = json!({
        "tenant": tenant.as_str(),
        "damaged": error.to_string(),
        "secrets": secrets.iter().map(one).collect::<Vec<Value>>(),
        "snapshots": snapshots.iter().map(|one| one.key.id.as_str()).collect::<Vec<&str>>(),
        "emptied": arguments.yes && !unopened.is_empty(),
    });
    let mut lines: Vec<String> = secrets.iter().map(|one| of_object(tenant, &one.key, &one.field)).collect();
    lines.extend(snapshots.iter().map(|one| of_snapshot(tenant, &one.key.id)));
    say(&told, &lines, arguments);
    Ok(!unopened.is_empty())
}

fn say(told: &Value, lines: &[String], arguments: &ForgetArguments) {
    if arguments.json {
        say_line!("{told}");
    } else {
        lines.iter().for_each(|line| say_line!("{line}"));
    }
}

fn as_json(tenant: &TenantId, lost: &LostSecrets) -> Value {
    let one =
        |LostSecret { key, field }: &LostSecret| json!({ "kind": key.kind.as_str(), "id": key.id, "field": field });
    json!({
        "tenant": tenant.as_str(),
        "revision": lost.revision.0,
        "secrets": lost.secrets.iter().map(one).collect::<Vec<Value>>(),
        "snapshots": lost.snapshots,
        "emptied": false,
    })
}

/// A line for each secret, and for each snapshot.
fn lines(tenant: &TenantId, lost: &LostSecrets) -> Vec<String> {
    let secrets = lost.secrets.iter().map(|LostSecret { key, field }| of_object(tenant, key, field));
    secrets.chain(lost.snapshots.iter().map(|name| of_snapshot(tenant, name))).collect()
}

fn of_object(tenant: &TenantId, key: &ObjectKey, field: &str) -> String {
    let id = if key.id.is_empty() { "-" } else { key.id.as_str() };
    format!("{tenant}  {} {id}: {field}", key.kind.as_str())
}

fn of_snapshot(tenant: &TenantId, name: &str) -> String {
    format!("{tenant}  snapshot {name}")
}

/// Says how it goes on.
fn concluded(is_some_lost: bool, is_emptied: bool) -> Exit {
    match (is_some_lost, is_emptied) {
        (false, _) => eprintln!("every secret can be opened"),
        (true, false) => eprintln!("these cannot be opened, and nothing is changed: --yes empties them"),
        (true, true) => eprintln!(
            "these are emptied: set them anew, as docs/provisioning.md says in \"If the key is lost\"; if the key is lost, delete \
             keys/signing.keys before the next start"
        ),
    }
    if is_some_lost && !is_emptied { Exit::Warned } else { Exit::Done }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use infra::HistoryPage;
    use runtime::data_dir::{DataDir, Sharing};
    use runtime::settings::Values;
    use tenant::snapshots;

    use super::*;

    const FILE: &str = "tenant: acme\nname: Acme\nrealm: acme.invalid\nhold_music: m\nprompts: {m: m.wav}\n\
        phones: [{number: \"7101\", password: hush-hush-7101}, {number: \"7102\", password: hush-hush-7102}]\n\
        trunks: [{name: carrier, allow: [192.0.2.1/32], inbound_user: acme, inbound_password: hush-hush-trunk}]\n";

    fn forget(folder: &Path, tenant: Option<&str>, yes: bool) -> anyhow::Result<Exit> {
        let options = InstallationOptions {
            instance: 1,
            data_dir: Some(folder.to_owned()),
            files: Vec::new(),
            set: vec!["stores.mode=embedded".to_owned()],
        };
        let tenant = tenant.map(str::to_owned);
        run(&options, &ForgetArguments { tenant, yes, data_directory_lost: false, json: false })
    }

    async fn opened(folder: &Path) -> anyhow::Result<Arc<dyn TenantArchive>> {
        crate::stores::archive(1, folder, &Values::default()).await
    }

    /// A tenant with a snapshot, sealed with a key that is gone.
    fn without_its_key() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        data_dir::installation_key(folder.path()).unwrap();
        let acme = TenantId::parse("acme").unwrap();
        executor().unwrap().block_on(async {
            let store = opened(folder.path()).await.unwrap();
            let note = crate::author::note(ChangeWay::Import);
            let objects = tenant::file::read(FILE, |_| Ok(String::new())).unwrap();
            tenant::import::import(&*store, &objects, &note).await.unwrap();
            snapshots::create(&*store, &acme, "begin", &note).await.unwrap();
        });
        std::fs::remove_file(folder.path().join(data_dir::INSTALLATION_KEY)).unwrap();
        folder
    }

    #[test]
    fn what_a_lost_key_has_sealed_is_told_and_emptied_on_demand_alone_and_then_an_installation_begins_anew() {
        let folder = without_its_key();
        let (path, acme) = (folder.path(), TenantId::parse("acme").unwrap());
        assert!(executor().unwrap().block_on(opened(path)).is_err(), "another command is refused");
        for tenant in [None, Some("acme")] {
            assert_eq!(forget(path, tenant, false).unwrap(), Exit::Warned);
        }
        assert!(forget(path, Some("bolt"), false).is_err(), "there is no such tenant");
        assert_eq!(forget(path, None, true).unwrap(), Exit::Done);
        assert_eq!(forget(path, None, false).unwrap(), Exit::Done, "nothing is left that cannot be opened");

        executor().unwrap().block_on(async {
            crate::stores::expect_key(1, path, &Values::default(), crate::roles::TABLE).await.unwrap();
            data_dir::installation_key(path).unwrap();
            let store = opened(path).await.unwrap();
            let (_, objects) = store.load(&acme).await.unwrap().unwrap();
            assert_eq!((objects.dns.len(), objects.trunks.len()), (2, 1));
            assert!(objects.objects().all(|mut object| object.readable_secrets().is_empty()));
            assert!(store.snapshots(&acme).await.unwrap().is_empty());
            let page = HistoryPage { limit: 10, ..HistoryPage::default() };
            let noted = store.history(&acme, &page).await.unwrap();
            let emptied =
                noted.iter().filter(|entry| entry.note.way == ChangeWay::CommandLine && entry.secrets_changed);
            let mut emptied: Vec<&str> = emptied.map(|entry| entry.key.id.as_str()).collect();
            emptied.sort_unstable();
            assert_eq!(emptied, ["7101", "7102", "carrier"]);
        });
    }

    #[test]
    fn nothing_is_emptied_while_a_process_has_the_data_directory() {
        let folder = without_its_key();
        let held = DataDir::open(folder.path(), Sharing::Shared).unwrap();
        assert_eq!(forget(folder.path(), None, false).unwrap(), Exit::Warned, "a look is let");
        let refused = forget(folder.path(), None, true).unwrap_err().to_string();
        assert!(refused.contains("is in use by"), "{refused}");
        assert_eq!(forget(folder.path(), None, false).unwrap(), Exit::Warned, "nothing has gone");
        drop(held);
        assert_eq!(forget(folder.path(), None, true).unwrap(), Exit::Done);
    }

    #[test]
    fn a_data_directory_that_is_not_shown_to_be_that_of_the_installation_empties_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let options = InstallationOptions {
            instance: 1,
            data_dir: Some(folder.path().to_owned()),
            files: Vec::new(),
            set: vec!["stores.mode=real".to_owned()],
        };
        let values = options.values().unwrap();
        let refused = || {
            let guard = crate::stores::expect_lost_key(1, folder.path(), &values, false);
            format!("{:#}", executor().unwrap().block_on(guard).unwrap_err())
        };
        assert!(refused().contains("no process has run with this data directory"), "{}", refused());
        data_dir::installation_key(folder.path()).unwrap();
        assert!(refused().contains("its key opens none of these secrets"), "{}", refused());
    }

    #[test]
    fn what_the_present_key_opens_stays() {
        let folder = without_its_key();
        let path = folder.path();
        // Another key, as that of another data directory.
        data_dir::installation_key(path).unwrap();
        assert_eq!(forget(path, None, false).unwrap(), Exit::Warned);
        assert_eq!(forget(path, None, true).unwrap(), Exit::Done);
        executor().unwrap().block_on(async {
            let store = opened(path).await.unwrap();
            let objects = tenant::file::read(FILE, |_| Ok(String::new())).unwrap();
            tenant::import::import(&*store, &objects, &crate::author::note(ChangeWay::Import)).await.unwrap();
        });
        assert_eq!(forget(path, None, true).unwrap(), Exit::Done);
        executor().unwrap().block_on(async {
            let acme = TenantId::parse("acme").unwrap();
            let (_, objects) = opened(path).await.unwrap().load(&acme).await.unwrap().unwrap();
            let secrets: usize = objects.objects().map(|mut object| object.readable_secrets().len()).sum();
            assert_eq!(secrets, 3, "what can be opened stays");
        });
    }
}
