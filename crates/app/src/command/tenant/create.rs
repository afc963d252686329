//! `trunkline tenant create`: a new tenant, with somebody who administers it.

use std::path::PathBuf;

use clap::Args;
use contracts::provisioning::{Secret, TenantObjects};
use infra::ChangeWay;
use model::{Entropy, TenantId};
use runtime::entropy::Strong;
use runtime::exit::{Exit, ExitError};
use serde_json::json;
use tenant::life::{self, ADMINISTRATOR, MadeTenant, NoTenantMade, TenantWanted};

use super::{
    InstallationOptions, executor, open, read, show_pins, tenant_id, warn_of_shared, warn_without_installation,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  trunkline tenant create acme
  trunkline tenant create acme --name \"Acme Inc.\" --realm acme.example --administrator ann
  trunkline tenant create acme --file acme.yaml
  trunkline tenant create acme --json | jq -r .password

The password of the administrator is printed this once, and kept as a hash. Whoever gets it signs in at the pages, as
acme\\administrator where there are several tenants, and has to choose another one there. A tenant that is there already is left as it is.";

#[derive(Args)]
pub struct CreateArguments {
    /// The tenant's id: in keys, tokens and paths. It cannot be changed later
    tenant: String,
    /// What people call it [default: the id]
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    name: Option<String>,
    /// Realm of the phones' passwords and host part of their addresses [default: the id with .invalid]
    #[arg(long, value_name = "REALM", conflicts_with = "file")]
    realm: Option<String>,
    /// The user name of who administers it [default: administrator]
    #[arg(long, value_name = "USER", conflicts_with = "file")]
    administrator: Option<String>,
    /// From a tenant's file, with the people that it has
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// As one JSON document
    #[arg(long)]
    json: bool,
}

/// Who administers a new tenant.
struct FirstAdministrator {
    user: String,
    password: Secret,
}

pub(super) fn create(options: &InstallationOptions, arguments: &CreateArguments) -> anyhow::Result<()> {
    let tenant = tenant_id(&arguments.tenant)?;
    let mut entropy = Strong::seeded_by_system();
    let (objects, administrator) = wanted(options, arguments, &tenant, &mut entropy)?;
    let data_dir = options.data_dir();
    let had_none = !data_dir.exists();
    let (made, shared) = executor()?.block_on(async {
        let store = open(options).await?;
        let shared = tenant::import::shared_sources(&*store, &objects).await;
        let way = if administrator.is_some() { ChangeWay::CommandLine } else { ChangeWay::Import };
        let made = life::make(&*store, &tenant, objects, &crate::author::note(way), &mut entropy).await;
        anyhow::Ok((made.map_err(not_made)?, shared))
    })?;
    warn_of_shared(shared);
    warn_without_installation(had_none, &data_dir);
    say(&tenant, &made, administrator.as_ref(), arguments.json);
    Ok(())
}

/// What the tenant is to have; nobody new in one that is made of a file.
fn wanted(
    options: &InstallationOptions,
    arguments: &CreateArguments,
    tenant: &TenantId,
    entropy: &mut dyn Entropy,
) -> anyhow::Result<(TenantObjects, Option<FirstAdministrator>)> {
    if let Some(file) = &arguments.file {
        let objects = read(options, file)?;
        if objects.tenant.id != tenant.as_str() {
            let message = format!("{} is the file of tenant {}, not of {tenant}", file.display(), objects.tenant.id);
            return Err(ExitError::new(Exit::Usage, message).into());
        }
        return Ok((objects, None));
    }
    let user = arguments.administrator.clone().unwrap_or_else(|| ADMINISTRATOR.to_owned());
    let wanted = TenantWanted {
        id: tenant.clone(),
        name: arguments.name.clone(),
        realm: arguments.realm.clone(),
        administrator: user.clone(),
    };
    let (objects, password) = life::minimal(&wanted, entropy);
    Ok((objects, Some(FirstAdministrator { user, password })))
}

fn not_made(why: NoTenantMade) -> anyhow::Error {
    match &why {
        NoTenantMade::Present(_) | NoTenantMade::Faults(_) => ExitError::new(Exit::CheckFailed, why.to_string()).into(),
        NoTenantMade::Hash(_) | NoTenantMade::Store(_) => why.into(),
    }
}

fn say(tenant: &TenantId, made: &MadeTenant, administrator: Option<&FirstAdministrator>, as_json: bool) {
    let (revision, objects) = (made.revision.0, made.objects);
    if as_json {
        let mut told = json!({ "tenant": tenant.as_str(), "revision": revision, "objects": objects });
        if let Some(FirstAdministrator { user, password }) = administrator {
            told["administrator"] = user.as_str().into();
            told["password"] = password.reveal().into();
        }
        show_pins(&mut told, &made.pins);
        say_line!("{told}");
        return;
    }
    say_line!("tenant {tenant} is there, with {objects} objects");
    for (agent, pin) in &made.pins {
        say_line!("PIN of agent {agent}: {}", pin.reveal());
    }
    if !made.pins.is_empty() {
        eprintln!("the PINs are shown this once: they are kept as hashes");
    }
    if let Some(FirstAdministrator { user, password }) = administrator {
        say_line!("administrator: {user}");
        say_line!("password:      {}", password.reveal());
        eprintln!("the password is shown this once: whoever signs in with it is asked for another one");
    }
}
