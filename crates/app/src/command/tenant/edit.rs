//! `trunkline tenant restore|delete`: one object is changed, or a whole tenant ends.

use clap::Args;
use contracts::provisioning::ObjectKind;
use infra::{ChangeWay, Revision};
use model::TenantId;
use serde_json::json;
use tenant::objects::{self, Batch, BatchOutcome, EditAction, ObjectEdit};

use super::end::{self, EndOptions};
use super::{InstallationOptions, NamedObject, executor, is_known, kind, no_tenant, open, refused, tenant_id};

pub(super) const DELETE_EXAMPLES: &str = "\
Examples:
  trunkline tenant delete acme skill French
  trunkline tenant delete acme person ann --expect 7
  trunkline tenant delete acme --backup acme.trunkline
  trunkline tenant delete acme --without-backup --yes
  trunkline restore acme.trunkline --tenant acme

Without a kind the whole tenant is deleted: the command asks for its id once more, and wants a backup or --without-backup.
Nobody signs in there any more, tokens and API keys end, and no phone registers, within seconds; calls that are up go on.
Its history and what is noted of signing in stay for their time. Prompts, recordings and inventories are files: they stay.";

#[derive(Args)]
pub struct RestoreArguments {
    #[command(flatten)]
    object: NamedObject,
    /// The revision, as `trunkline tenant history` shows it
    revision: u64,
    /// Only if the object is at this revision now
    #[arg(long, value_name = "REVISION")]
    expect: Option<u64>,
}

#[derive(Args)]
pub struct DeleteArguments {
    /// The tenant's id
    tenant: String,
    /// The kind of the object, as `trunkline tenant show` has it; without it the whole tenant is deleted
    #[arg(value_parser = kind, requires = "id")]
    kind: Option<ObjectKind>,
    /// Its name, number or code
    id: Option<String>,
    /// Only if the object is at this revision now
    #[arg(long, value_name = "REVISION", requires = "kind")]
    expect: Option<u64>,
    #[command(flatten)]
    whole: EndOptions,
}

pub(super) fn restore(options: &InstallationOptions, arguments: &RestoreArguments) -> anyhow::Result<()> {
    let (tenant, key) = (arguments.object.tenant()?, arguments.object.key()?);
    let (at, expected) = (Revision(arguments.revision), arguments.expect.map(Revision));
    let outcome = executor()?.block_on(async {
        let store = open(options).await?;
        if !is_known(&*store, &tenant).await? {
            return Err(anyhow::Error::from(no_tenant(&tenant)));
        }
        let edit = objects::put_back(&*store, &tenant, key, at, expected).await.map_err(refused)?;
        let note = crate::author::note(ChangeWay::CommandLine);
        let batch = Batch {
            edits: vec![edit],
            is_trial: false,
            passwords_max: usize::MAX,
            with_documents: false,
            person: None,
            table: None,
        };
        objects::change(&*store, &tenant, &batch, &note).await.map_err(refused)
    })?;
    say(&tenant, &outcome);
    Ok(())
}

pub(super) fn delete(options: &InstallationOptions, arguments: &DeleteArguments) -> anyhow::Result<()> {
    let (Some(kind), Some(id)) = (arguments.kind, &arguments.id) else {
        return end::end(options, &tenant_id(&arguments.tenant)?, &arguments.whole);
    };
    let object = NamedObject { tenant: arguments.tenant.clone(), kind, id: id.clone() };
    let (tenant, key) = (object.tenant()?, object.key()?);
    let edit = ObjectEdit { key, expected: arguments.expect.map(Revision), action: EditAction::Delete };
    let outcome = executor()?.block_on(async {
        let store = open(options).await?;
        let note = crate::author::note(ChangeWay::CommandLine);
        let batch = Batch {
            edits: vec![edit],
            is_trial: false,
            passwords_max: usize::MAX,
            with_documents: false,
            person: None,
            table: None,
        };
        objects::change(&*store, &tenant, &batch, &note).await.map_err(refused)
    })?;
    say(&tenant, &outcome);
    Ok(())
}

/// The result of a change, as JSON.
pub(super) fn say(tenant: &TenantId, outcome: &BatchOutcome) {
    say_line!("{}", json!({ "tenant": tenant.as_str(), "revision": outcome.revision.0, "changed": outcome.changed }));
}
