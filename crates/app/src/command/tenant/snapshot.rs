//! `trunkline tenant snapshot`: a whole tenant under a name.

use clap::{Args, Subcommand};
use contracts::provisioning::TenantObjects;
use infra::{ChangeWay, NamedSnapshot, SnapshotHead};
use runtime::exit::{Exit, ExitError};
use serde_json::{Value, json};
use tenant::file::{Examined, Faults};
use tenant::import::WrittenSecrets;
use tenant::snapshots::{self, SnapshotRefusal};

use super::{InstallationOptions, executor, import, no_tenant, open_archive, plan, secrets_of, tenant_id};

pub(super) const EXAMPLES: &str = "\
Examples:
  trunkline tenant snapshot create acme before-easter
  trunkline tenant snapshot list acme
  trunkline tenant snapshot restore acme before-easter --dry-run
  trunkline tenant snapshot restore acme before-easter
  trunkline tenant snapshot delete acme before-easter

A snapshot has what `trunkline tenant export` writes, sealed with the installation's key. The history of the tenant goes on
over a restore.";

#[derive(Subcommand)]
pub enum Arguments {
    /// Keeps the tenant as it is now
    #[command(after_help = "Examples:\n  trunkline tenant snapshot create acme before-easter")]
    Create(NamedArguments),
    /// The tenant's snapshots, a line each; the first one first
    #[command(after_help = "Examples:\n  trunkline tenant snapshot list acme\n  \
                            trunkline tenant snapshot list acme --json | jq -r .name")]
    List {
        /// The tenant's id
        tenant: String,
        /// A JSON document a line
        #[arg(long)]
        json: bool,
    },
    /// Prints the tenant's file, whatever the rules of this release say against it; secrets are sealed with the installation's key
    #[command(after_help = "Examples:\n  trunkline tenant snapshot show acme before-easter > acme.yaml")]
    Show {
        #[command(flatten)]
        snapshot: NamedArguments,
        /// As it is kept, with secrets in clear; the history notes it
        #[arg(long)]
        reveal_secrets: bool,
    },
    /// Shows what a snapshot changes, and makes the tenant equal to it
    #[command(after_help = "Examples:\n  trunkline tenant snapshot restore acme before-easter --dry-run\n  \
                            trunkline tenant snapshot restore acme before-easter")]
    Restore {
        #[command(flatten)]
        snapshot: NamedArguments,
        /// Only show it; exits 0 if nothing would change, 11 if something
        #[arg(long)]
        dry_run: bool,
    },
    /// Removes a snapshot
    #[command(after_help = "Examples:\n  trunkline tenant snapshot delete acme before-easter")]
    Delete(NamedArguments),
}

#[derive(Args)]
pub struct NamedArguments {
    /// The tenant's id
    tenant: String,
    /// The snapshot's name: letters, digits, dashes, underscores and dots
    name: String,
}

pub(super) fn run(options: &InstallationOptions, arguments: &Arguments) -> anyhow::Result<Exit> {
    match arguments {
        Arguments::Create(NamedArguments { tenant, name }) => {
            let tenant = tenant_id(tenant)?;
            let head = executor()?.block_on(async {
                let store = open_archive(options).await?;
                let note = crate::author::note(ChangeWay::Snapshot);
                snapshots::create(&*store, &tenant, name, &note).await.map_err(refused)
            })?;
            say_line!("{}", as_json(&head));
        }
        Arguments::List { tenant, json } => list(options, tenant, *json)?,
        Arguments::Show { snapshot, reveal_secrets } => show(options, snapshot, *reveal_secrets)?,
        Arguments::Restore { snapshot, dry_run } => return restore(options, snapshot, *dry_run),
        Arguments::Delete(NamedArguments { tenant, name }) => {
            let tenant = tenant_id(tenant)?;
            executor()?.block_on(async {
                let store = open_archive(options).await?;
                let note = crate::author::note(ChangeWay::Snapshot);
                snapshots::delete(&*store, &tenant, name, &note).await.map_err(refused)
            })?;
        }
    }
    Ok(Exit::Done)
}

fn list(options: &InstallationOptions, tenant: &str, json: bool) -> anyhow::Result<()> {
    let tenant = tenant_id(tenant)?;
    let heads = executor()?.block_on(async {
        let store = open_archive(options).await?;
        if store.revision(&tenant).await?.is_none() {
            return Err(anyhow::Error::from(no_tenant(&tenant)));
        }
        Ok(store.snapshots(&tenant).await?)
    })?;
    for head in heads {
        if json {
            say_line!("{}", as_json(&head));
        } else {
            let SnapshotHead { name, at, by, revision } = head;
            say_line!("{}  {:>6}  {name}  by {by}", contracts::json::rfc3339(at), revision.0);
        }
    }
    Ok(())
}

fn show(options: &InstallationOptions, named: &NamedArguments, is_revealed: bool) -> anyhow::Result<()> {
    let (tenant, snapshot) = (tenant_id(&named.tenant)?, find(options, named)?);
    let secrets = secrets_of(is_revealed);
    let shown = executor()?.block_on(async {
        let store = open_archive(options).await?;
        // Before they are shown: what cannot be noted is not shown.
        if let WrittenSecrets::Revealed(note) = &secrets {
            store.note_reveal(&tenant, note).await?;
            return Ok(snapshot.file.0);
        }
        let Examined { objects, faults, .. } = snapshots::looked_at(&snapshot);
        let faults = Faults(faults);
        let Some(objects) = objects else {
            let message =
                format!("snapshot {}: {faults}\nwith --reveal-secrets it is printed as it is kept", named.name);
            return Err(anyhow::Error::from(ExitError::new(Exit::CheckFailed, message)));
        };
        if !faults.0.is_empty() {
            let unread = "what this release cannot read is left out; --reveal-secrets prints it as it is kept";
            eprintln!("warning: no restore takes it ({unread}): {faults}");
        }
        anyhow::Ok(tenant::import::written(&*store, &tenant, objects, &secrets).await?.yaml)
    })?;
    say!("{shown}");
    Ok(())
}

/// The same change as an import of the snapshot's files; the history says that it was a snapshot.
fn restore(options: &InstallationOptions, named: &NamedArguments, is_trial: bool) -> anyhow::Result<Exit> {
    let objects = objects_of(&find(options, named)?)?;
    let (planned, _) = plan::planned(options, &objects)?;
    plan::print(&planned);
    if is_trial {
        return Ok(if planned.is_empty() { Exit::Done } else { Exit::Warned });
    }
    say_line!("{}", import(options, &objects, ChangeWay::Snapshot)?);
    Ok(Exit::Done)
}

fn objects_of(snapshot: &NamedSnapshot) -> Result<TenantObjects, ExitError> {
    let faulty =
        |faults: Faults| ExitError::new(Exit::CheckFailed, format!("snapshot {}: {faults}", snapshot.head.name));
    snapshots::objects(snapshot).map_err(faulty)
}

fn find(options: &InstallationOptions, named: &NamedArguments) -> anyhow::Result<NamedSnapshot> {
    let tenant = tenant_id(&named.tenant)?;
    executor()?.block_on(async {
        let store = open_archive(options).await?;
        snapshots::find(&*store, &tenant, &named.name).await.map_err(refused)
    })
}

fn as_json(head: &SnapshotHead) -> Value {
    json!({
        "name": head.name,
        "made_ms": head.at.as_millis(),
        "made_by": head.by,
        "revision": head.revision.0,
    })
}

fn refused(refusal: SnapshotRefusal) -> anyhow::Error {
    let exit = match &refusal {
        SnapshotRefusal::Name(_) => Exit::Usage,
        SnapshotRefusal::Taken(_) | SnapshotRefusal::Faults(_) => Exit::CheckFailed,
        SnapshotRefusal::Missing { .. } | SnapshotRefusal::NoTenant(_) => Exit::Unknown,
        SnapshotRefusal::RequestReused | SnapshotRefusal::Store(_) => return refusal.into(),
    };
    ExitError::new(exit, refusal.to_string()).into()
}
