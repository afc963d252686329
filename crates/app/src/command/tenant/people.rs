//! `trunkline tenant people import|export`: people as a table.

use std::path::PathBuf;

use clap::Subcommand;
use infra::ChangeWay;
use runtime::exit::{Exit, ExitError};
use tenant::objects::HeldTenants;
use tenant::people::{self, ImportTerms, TableRefusal};

use super::edit::say;
use super::{InstallationOptions, executor, no_tenant, open, refused, tenant_id};

pub(super) const EXAMPLES: &str = "\
Examples:
  trunkline tenant people export acme > people.csv
  trunkline tenant people import acme people.csv --dry-run
  trunkline tenant people import acme people.csv

Columns: user_name (needed), first_name, last_name, email, password, privileges (agent|supervisor), disabled (true or false),
agent_id, login_code, pin, place, wrap_up_s, skills (Sales=5|English=3). A column that is not there changes nothing.";

#[derive(Subcommand)]
pub enum Arguments {
    /// Puts the people of a table, all or none; others stay as they are. Names every faulty line
    #[command(after_help = "Examples:\n  trunkline tenant people import acme people.csv --dry-run\n  \
                      trunkline tenant people import acme people.csv")]
    Import {
        /// The tenant's id
        tenant: String,
        /// The table: CSV (RFC 4180) in UTF-8, with a head
        file: PathBuf,
        /// Check the table, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Prints the people of a tenant as a table, without secrets
    #[command(after_help = "Examples:\n  trunkline tenant people export acme > people.csv")]
    Export {
        /// The tenant's id
        tenant: String,
    },
}

pub(super) fn run(options: &InstallationOptions, arguments: &Arguments) -> anyhow::Result<()> {
    match arguments {
        Arguments::Import { tenant, file, dry_run } => {
            let tenant = tenant_id(tenant)?;
            let table = std::fs::read_to_string(file).map_err(|error| {
                ExitError::new(Exit::CheckFailed, format!("{} cannot be read: {error}", file.display()))
            })?;
            let outcome = executor()?.block_on(async {
                let store = open(options).await?;
                let note = crate::author::note(ChangeWay::CommandLine);
                let terms = ImportTerms {
                    is_trial: *dry_run,
                    passwords_max: usize::MAX,
                    with_documents: false,
                    person: None,
                    checked: None,
                };
                let imported = people::import(&*store, &HeldTenants::default(), &tenant, table, &note, terms).await;
                imported.map_err(|refusal| match refusal {
                    TableRefusal::Faults { .. } => ExitError::new(Exit::CheckFailed, refusal.to_string()).into(),
                    TableRefusal::Change(refusal) => refused(refusal),
                })
            })?;
            say(&tenant, &outcome.batch);
        }
        Arguments::Export { tenant } => {
            let tenant = tenant_id(tenant)?;
            let held = executor()?.block_on(async {
                let store = open(options).await?;
                anyhow::Ok(store.load(&tenant).await?)
            })?;
            let (_, objects) = held.ok_or_else(|| no_tenant(&tenant))?;
            say!("{}", people::export(&objects.people));
        }
    }
    Ok(())
}
