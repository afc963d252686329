//! `trunkline tenant`: between a tenant's file and the stored configuration.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use backends::sqlite::SqliteProvisioning;
use clap::Subcommand;
use model::TenantId;
use runtime::exit::{Exit, ExitError};
use serde_json::json;

use super::{Site, executor};

#[derive(Subcommand)]
pub enum Arguments {
    /// Makes the stored tenant what a file says; what the file does not name goes
    #[command(
        after_help = "Examples:\n  trunkline tenant import acme.yaml\n  trunkline tenant import acme.yaml --instance 2"
    )]
    Import {
        /// The tenant's file
        file: PathBuf,
    },
    /// Writes a stored tenant as files
    #[command(after_help = "Examples:\n  trunkline tenant export acme ./acme")]
    Export {
        /// The tenant's id
        tenant: String,
        /// The folder to write into
        folder: PathBuf,
    },
    /// Checks a tenant's file and prints every fault
    #[command(after_help = "Examples:\n  trunkline tenant check acme.yaml")]
    Check {
        /// The tenant's file
        file: PathBuf,
    },
}

/// Imports, exports or checks.
#[allow(clippy::print_stdout, reason = "this is the command's answer")]
pub fn run(site: &Site, arguments: &Arguments) -> anyhow::Result<Exit> {
    match arguments {
        Arguments::Check { file } => {
            read(file)?;
            eprintln!("no faults in {}", file.display());
        }
        Arguments::Import { file } => {
            let objects = read(file)?;
            let imported = executor()?.block_on(async {
                let store = open(site).await?;
                anyhow::Ok(tenant::import::import(&store, &objects).await?)
            })?;
            let (tenant, revision) = (imported.tenant.as_str(), imported.revision.0);
            println!(
                "{}",
                json!({ "tenant": tenant, "revision": revision, "put": imported.put, "deleted": imported.deleted })
            );
        }
        Arguments::Export { tenant, folder } => {
            let id = TenantId::parse(tenant).map_err(|error| ExitError::new(Exit::Usage, error.to_string()))?;
            let exported = executor()?.block_on(async {
                let store = open(site).await?;
                anyhow::Ok(tenant::import::export(&store, &id).await?)
            })?;
            write(&folder.join(format!("{tenant}.yaml")), &exported.yaml)?;
            exported.documents.iter().try_for_each(|(path, text)| write(&folder.join(path), text))?;
        }
    }
    Ok(Exit::Done)
}

/// Faults of the file are a failed check.
fn read(file: &Path) -> anyhow::Result<contracts::provisioning::TenantObjects> {
    Ok(tenant::import::read_file(file).map_err(|error| ExitError::new(Exit::CheckFailed, error.to_string()))?)
}

async fn open(site: &Site) -> anyhow::Result<SqliteProvisioning> {
    let folder = site.data_dir();
    runtime::data_dir::prepare(&folder)?;
    SqliteProvisioning::open(&folder.join("configuration.sqlite")).await.context("the configuration")
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    runtime::data_dir::write_whole(path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}
