//! `trunkline tenant restore|delete`: one object is changed.

use clap::Args;
use infra::{ChangeWay, Revision};
use model::TenantId;
use serde_json::json;
use tenant::objects::{self, Batch, BatchOutcome, EditAction, ObjectEdit};

use super::{InstallationOptions, NamedObject, executor, open, refused};

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
    #[command(flatten)]
    object: NamedObject,
    /// Only if the object is at this revision now
    #[arg(long, value_name = "REVISION")]
    expect: Option<u64>,
}

pub(super) fn restore(options: &InstallationOptions, arguments: &RestoreArguments) -> anyhow::Result<()> {
    let (tenant, key) = (arguments.object.tenant()?, arguments.object.key()?);
    let (at, expected) = (Revision(arguments.revision), arguments.expect.map(Revision));
    let outcome = executor()?.block_on(async {
        let store = open(options).await?;
        let edit = objects::put_back(&*store, &tenant, key, at, expected).await.map_err(refused)?;
        let note = crate::author::note(ChangeWay::CommandLine);
        let batch = Batch {
            edits: vec![edit],
            is_trial: false,
            passwords_max: usize::MAX,
            with_documents: false,
            person: None,
        };
        objects::change(&*store, &tenant, &batch, &note).await.map_err(refused)
    })?;
    say(&tenant, &outcome);
    Ok(())
}

pub(super) fn delete(options: &InstallationOptions, arguments: &DeleteArguments) -> anyhow::Result<()> {
    let (tenant, key) = (arguments.object.tenant()?, arguments.object.key()?);
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
