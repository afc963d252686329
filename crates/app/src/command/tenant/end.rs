//! `trunkline tenant delete ID`: a whole tenant ends.

use std::io::{BufRead as _, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use infra::{ChangeWay, Revision, StoreError};
use model::TenantId;
use runtime::exit::{Exit, ExitError};
use serde_json::json;
use tenant::life;

use super::super::backup;
use super::{InstallationOptions, executor, no_tenant, open};

/// The longest line that is read as the tenant's id, in bytes.
const TYPED_MAX: u64 = 1_024;

#[derive(Args)]
pub struct EndOptions {
    /// Of a whole tenant: do not ask for its id once more
    #[arg(long, conflicts_with = "kind")]
    yes: bool,
    /// Of a whole tenant: back it up into this new file first
    #[arg(long, value_name = "FILE", conflicts_with = "kind")]
    backup: Option<PathBuf>,
    /// Of a whole tenant: delete it without a backup
    #[arg(long, conflicts_with_all = ["kind", "backup"])]
    without_backup: bool,
}

pub(super) fn end(options: &InstallationOptions, tenant: &TenantId, wanted: &EndOptions) -> anyhow::Result<()> {
    let present = executor()?.block_on(async { anyhow::Ok(open(options).await?.revision(tenant).await?) })?;
    let Some(present) = present else { return remove_rest(options, tenant) };
    if wanted.backup.is_none() && !wanted.without_backup {
        let message = format!(
            "tenant {tenant} goes with all that it has: say --backup FILE, of which `trunkline restore` makes it again, or \
             --without-backup"
        );
        return Err(ExitError::new(Exit::Usage, message).into());
    }
    confirm(tenant, wanted)?;
    let expected = wanted.backup.as_deref().map(|file| backed_up(options, tenant, file)).transpose()?;
    let note = crate::author::note(ChangeWay::CommandLine);
    executor()?.block_on(async {
        let store = open(options).await?;
        let ended = match store.end_tenant(tenant, expected.unwrap_or(present), &note).await {
            Ok(ended) => ended.ok_or_else(|| no_tenant(tenant))?,
            Err(StoreError::Conflict { .. }) => {
                let message = format!("tenant {tenant} has changed meanwhile, and is left as it is: try again");
                return Err(anyhow::Error::from(ExitError::new(Exit::CheckFailed, message)));
            }
            Err(error) => return Err(anyhow::Error::from(error)),
        };
        let rows = life::remove_rest(&*store, tenant).await.with_context(|| {
            format!(
                "tenant {tenant} is gone, but not all of its rows: role tenant removes them within the hour, or this \
                 command does, given again"
            )
        })?;
        let backup = wanted.backup.as_ref().map(|file| file.display().to_string());
        let revision = ended.revision.0;
        say_line!("{}", json!({ "tenant": tenant.as_str(), "revision": revision, "rows": rows, "backup": backup }));
        Ok(())
    })
}

/// Removes what an end that was broken off has left.
fn remove_rest(options: &InstallationOptions, tenant: &TenantId) -> anyhow::Result<()> {
    let rows = executor()?.block_on(async {
        let store = open(options).await?;
        anyhow::Ok(life::remove_rest(&*store, tenant).await?)
    })?;
    if rows == 0 {
        return Err(no_tenant(tenant).into());
    }
    say_line!("{}", json!({ "tenant": tenant.as_str(), "rows": rows }));
    Ok(())
}

/// Has the tenant's id typed, unless that is not wanted.
fn confirm(tenant: &TenantId, wanted: &EndOptions) -> anyhow::Result<()> {
    if wanted.yes {
        return Ok(());
    }
    eprintln!("Tenant {tenant} is deleted with all that it has: people, phones, numbers, applications, snapshots.");
    eprintln!("Nobody signs in there any more, and no phone registers. Calls that are up go on.");
    eprint!("Type its id to go on: ");
    let mut typed = String::new();
    std::io::stdin().lock().take(TYPED_MAX).read_line(&mut typed).context("the answer cannot be read")?;
    if typed.trim() == tenant.as_str() {
        return Ok(());
    }
    let message = format!("that is not {tenant}: nothing is deleted (with --yes nobody is asked)");
    Err(ExitError::new(Exit::Usage, message).into())
}

/// Backs the tenant up, and says at which revision it was.
fn backed_up(options: &InstallationOptions, tenant: &TenantId, file: &Path) -> anyhow::Result<Revision> {
    if file.exists() {
        let message = format!("{} is there already: nothing is deleted", file.display());
        return Err(ExitError::new(Exit::Usage, message).into());
    }
    let written = backup::write_file(options, file, std::slice::from_ref(tenant), None)?;
    backup::warn_of(&written.unreadable);
    let held = written.summary.tenants.iter().find(|held| held.tenant == *tenant);
    // A tenant that cannot be read whole leaves no file.
    held.map(|held| held.revision).with_context(|| format!("{} does not have tenant {tenant}", file.display()))
}
