//! `trunkline tenant`: transfers between a tenant's file and the stored configuration, and its single objects.

mod api_key;
mod create;
mod edit;
mod end;
mod forget_secrets;
mod import_from;
mod look;
mod people;
mod plan;
mod shifts;
mod sign_ins;
mod snapshot;
mod tenants;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Subcommand;
use contracts::provisioning::{ObjectKey, ObjectKind, TenantObjects};
use infra::{ChangeWay, Clock, ProvisioningStore, SystemClock, TenantArchive};
use model::{TenantId, Timestamp};
use runtime::exit::{Exit, ExitError};
use runtime::{data_dir, issuer};
use serde_json::json;
use tenant::file::{Companions, Examined, Exported, Fault, Faults, MadePins};
use tenant::import::{ImportError, WrittenSecrets};
use tenant::objects::ChangeRefusal;

use super::{InstallationOptions, executor};

#[derive(Subcommand)]
pub enum Arguments {
    /// Makes a tenant: the least that one has, with a first administrator, or from a file
    #[command(after_help = create::EXAMPLES)]
    Create(create::CreateArguments),
    /// Replaces the stored tenant by a file; objects that the file does not name are deleted
    #[command(
        after_help = "Examples:\n  trunkline tenant import acme.yaml\n  trunkline tenant import acme.yaml --instance 2"
    )]
    Import {
        /// The tenant's file
        file: PathBuf,
    },
    /// Writes a stored tenant as files; its secrets are sealed with the installation's key
    #[command(after_help = "Examples:\n  trunkline tenant export acme ./acme\n  \
                            trunkline tenant export acme ./acme --reveal-secrets")]
    Export {
        /// The tenant's id
        tenant: String,
        /// The folder to write into
        folder: PathBuf,
        /// With secrets in clear, for phones that are set up by hand or for another installation; the history notes it
        #[arg(long)]
        reveal_secrets: bool,
    },
    /// Checks a tenant's file and prints every fault
    #[command(after_help = "Examples:\n  trunkline tenant check acme.yaml")]
    Check {
        /// The tenant's file
        file: PathBuf,
    },
    /// Shows what an import of a file would change; exits 0 if nothing, 11 if something
    #[command(after_help = "Examples:\n  trunkline tenant plan acme.yaml\n  \
                            trunkline tenant plan acme.yaml --json | jq '.changes[].id'")]
    Plan(plan::Arguments),
    /// Shows what an import of a file changes, and imports it
    #[command(after_help = "Examples:\n  trunkline tenant apply acme.yaml\n  trunkline tenant apply acme.yaml --json")]
    Apply(plan::Arguments),
    /// Lists the tenants, or the objects of one, a line each
    #[command(after_help = look::LIST_EXAMPLES)]
    List(look::ListArguments),
    /// One object as JSON, without its secrets
    #[command(
        after_help = "Examples:\n  trunkline tenant show acme person ann\n  trunkline tenant show acme tenant -\n  \
                            trunkline tenant show acme person ann --revision 7"
    )]
    Show(look::ShowArguments),
    /// Who has changed what, when and by which way; the latest change first
    #[command(
        after_help = "Examples:\n  trunkline tenant history acme\n  trunkline tenant history acme person ann\n  \
                            trunkline tenant history acme person --json | jq -r '.changed_by'"
    )]
    History(look::HistoryArguments),
    /// Who has signed in, was refused, has signed out or has another password or second factor; the latest first
    #[command(after_help = sign_ins::EXAMPLES)]
    SignIns(sign_ins::Arguments),
    /// Keys by which programs of others ask the APIs of a tenant
    #[command(subcommand, after_help = api_key::EXAMPLES)]
    ApiKey(api_key::Arguments),
    /// Puts an object back as it was at a revision; its secrets stay those of today
    #[command(after_help = "Examples:\n  trunkline tenant restore acme person ann 7")]
    Restore(edit::RestoreArguments),
    /// Deletes an object that nothing refers to, or a whole tenant
    #[command(after_help = edit::DELETE_EXAMPLES)]
    Delete(edit::DeleteArguments),
    /// Tells which secrets cannot be opened, since their key is lost, and empties them on demand
    #[command(after_help = forget_secrets::EXAMPLES)]
    ForgetSecrets(forget_secrets::ForgetArguments),
    /// The whole tenant as it is now, kept under a name; and back again
    #[command(subcommand, after_help = snapshot::EXAMPLES)]
    Snapshot(snapshot::Arguments),
    /// Makes a tenant's file of another program's configuration, and tells what has no counterpart
    #[command(subcommand, after_help = import_from::EXAMPLES)]
    ImportFrom(import_from::Arguments),
    /// People as a table (CSV)
    #[command(subcommand, after_help = people::EXAMPLES)]
    People(people::Arguments),
    /// When people work, as a table (CSV or JSON)
    #[command(subcommand, after_help = shifts::EXAMPLES)]
    Shifts(shifts::Arguments),
}

/// The object that a command is about.
#[derive(clap::Args)]
pub struct NamedObject {
    /// The tenant's id
    tenant: String,
    /// The kind: tenant, skill, prompt, application, dn, place, person, number, trunk, feature_code, schedule, dial_rule, client, agent_group, action_code, list, business_attribute, place_group, capacity_rule, dn_group, trunk_group, calling_list, campaign, campaign_group, ivr_profile, statistic_definition, transaction, access_group, role, folder, switch, agent_login
    #[arg(value_parser = kind)]
    kind: ObjectKind,
    /// Its name, number or code; `-` for the tenant itself
    id: String,
}

impl NamedObject {
    fn tenant(&self) -> Result<TenantId, ExitError> {
        tenant_id(&self.tenant)
    }

    fn key(&self) -> Result<ObjectKey, ExitError> {
        let id = object_id(&self.id);
        if id.is_empty() != (self.kind == ObjectKind::Tenant) {
            let message = format!("{} {}: the tenant itself, and it alone, has the id -", self.kind.as_str(), self.id);
            return Err(ExitError::new(Exit::Usage, message));
        }
        Ok(ObjectKey { kind: self.kind, id })
    }
}

/// The id of an object as it is written in a command.
fn object_id(written: &str) -> String {
    if written == "-" { String::new() } else { written.to_owned() }
}

fn kind(name: &str) -> Result<ObjectKind, String> {
    ObjectKind::parse(name)
        .ok_or_else(|| format!("it is none of {}", ObjectKind::ALL.map(ObjectKind::as_str).join(", ")))
}

fn tenant_id(text: &str) -> Result<TenantId, ExitError> {
    TenantId::parse(text).map_err(|error| ExitError::new(Exit::Usage, error.to_string()))
}

/// The error of a command about a tenant that is not there.
fn no_tenant(tenant: &TenantId) -> ExitError {
    ExitError::new(Exit::Unknown, format!("there is no tenant {tenant}"))
}

/// Whether there is such a tenant, or was one whose history is kept.
async fn is_known(store: &dyn ProvisioningStore, tenant: &TenantId) -> infra::Result<bool> {
    if store.revision(tenant).await?.is_some() {
        return Ok(true);
    }
    let ended = store.ended_tenants(Timestamp::ZERO).await?;
    Ok(ended.iter().any(|ended| ended.tenant == *tenant))
}

/// The error of a command whose change was refused.
fn refused(refusal: ChangeRefusal) -> anyhow::Error {
    let exit = match &refusal {
        ChangeRefusal::Faults(_) | ChangeRefusal::Referred(_) | ChangeRefusal::Stale(_) => Some(Exit::CheckFailed),
        ChangeRefusal::NoTenant(_) | ChangeRefusal::NotThen { .. } | ChangeRefusal::NotKept { .. } => {
            Some(Exit::Unknown)
        }
        _ => None,
    };
    match exit {
        Some(exit) => ExitError::new(exit, refusal.to_string()).into(),
        None => refusal.into(),
    }
}

/// Carries out a command.
pub fn run(options: &InstallationOptions, arguments: &Arguments) -> anyhow::Result<Exit> {
    match arguments {
        Arguments::Check { file } => check(options, file)?,
        Arguments::Import { file } => {
            let imported = import(options, &read(options, file)?, ChangeWay::Import)?;
            say_line!("{imported}");
        }
        Arguments::Create(arguments) => create::create(options, arguments)?,
        Arguments::Export { tenant, folder, reveal_secrets } => export(options, tenant, folder, *reveal_secrets)?,
        Arguments::Plan(arguments) => return plan::plan(options, arguments),
        Arguments::Apply(arguments) => return plan::apply(options, arguments),
        Arguments::List(arguments) => look::list(options, arguments)?,
        Arguments::Show(arguments) => look::show(options, arguments)?,
        Arguments::History(arguments) => look::history(options, arguments)?,
        Arguments::SignIns(arguments) => sign_ins::run(options, arguments)?,
        Arguments::ApiKey(arguments) => api_key::run(options, arguments)?,
        Arguments::Restore(arguments) => edit::restore(options, arguments)?,
        Arguments::Delete(arguments) => edit::delete(options, arguments)?,
        Arguments::ForgetSecrets(arguments) => return forget_secrets::run(options, arguments),
        Arguments::Snapshot(arguments) => return snapshot::run(options, arguments),
        Arguments::ImportFrom(arguments) => import_from::run(arguments)?,
        Arguments::People(arguments) => people::run(options, arguments)?,
        Arguments::Shifts(arguments) => shifts::run(options, arguments)?,
    }
    Ok(Exit::Done)
}

/// Makes the stored tenant equal to the objects and returns what that has changed.
fn import(options: &InstallationOptions, objects: &TenantObjects, way: ChangeWay) -> anyhow::Result<serde_json::Value> {
    let data_dir = options.data_dir();
    let had_none = !data_dir.exists();
    let (imported, shared) = executor()?.block_on(async {
        let store = open(options).await?;
        let note = crate::author::note(way);
        let imported = tenant::import::import(&*store, objects, &note).await?;
        anyhow::Ok((imported, tenant::import::shared_sources(&*store, objects).await))
    })?;
    warn_of_shared(shared);
    warn_without_installation(had_none, &data_dir);
    let (tenant, revision) = (imported.tenant.as_str(), imported.revision.0);
    let mut told = json!({ "tenant": tenant, "revision": revision, "put": imported.put, "deleted": imported.deleted });
    show_pins(&mut told, &imported.pins);
    Ok(told)
}

/// Adds the PINs that were made to an answer, by the ids of their agents: nobody sees them again.
fn show_pins(told: &mut serde_json::Value, pins: &MadePins) {
    if !pins.is_empty() {
        told["pins"] = pins.iter().map(|(agent, pin)| (agent.clone(), json!(pin.reveal()))).collect();
        eprintln!("the PINs are shown this once: they are kept as hashes");
    }
}

/// Tells what trunks share with those of other tenants.
fn warn_of_shared(shared: Result<Vec<String>, ImportError>) {
    match shared {
        Ok(shared) => shared.iter().for_each(|line| eprintln!("warning: {line}")),
        // The import is done; what other tenants have is no part of it.
        Err(error) => eprintln!("warning: the trunks of other tenants cannot be compared: {error}"),
    }
}

fn warn_without_installation(had_none: bool, data_dir: &Path) {
    if had_none && data_dir.exists() && !data_dir::has_installation(data_dir) {
        eprintln!(
            "warning: no installation has begun in {}: the tenant waits there for one; say --data-dir or --instance if you meant another",
            data_dir.display()
        );
    }
}

fn export(options: &InstallationOptions, tenant: &str, folder: &Path, is_revealed: bool) -> anyhow::Result<()> {
    let id = tenant_id(tenant)?;
    let exported = executor()?.block_on(async {
        let store = open(options).await?;
        let exported = tenant::import::export(&*store, &id, &secrets_of(is_revealed)).await;
        exported.map_err(|error| match error {
            ImportError::Missing(tenant) => anyhow::Error::from(no_tenant(&tenant)),
            other => anyhow::Error::from(other),
        })
    })?;
    write_files(folder, tenant, &exported)
}

/// How secrets stand in what is written.
fn secrets_of(is_revealed: bool) -> WrittenSecrets {
    if is_revealed { WrittenSecrets::Revealed(crate::author::note(ChangeWay::Reveal)) } else { WrittenSecrets::Sealed }
}

/// Writes a tenant's file and its applications.
fn write_files(folder: &Path, tenant: &str, exported: &Exported) -> anyhow::Result<()> {
    write(&folder.join(format!("{tenant}.yaml")), &exported.yaml)?;
    exported.documents.iter().try_for_each(|(path, text)| write(&folder.join(path), text))
}

/// Every fault of the file, its applications and its prompts is a failed check.
fn check(options: &InstallationOptions, file: &Path) -> anyhow::Result<()> {
    let Examined { mut faults, warnings, notices, .. } = examine(options, file)?;
    notice(&notices);
    faults.extend(warnings);
    faults.sort();
    if !faults.is_empty() {
        return Err(ExitError::new(Exit::CheckFailed, Faults(faults).to_string()).into());
    }
    eprintln!("no faults in {}", file.display());
    Ok(())
}

/// The objects of the file. Missing files that it names may come later, so they are a warning.
fn read(options: &InstallationOptions, file: &Path) -> anyhow::Result<TenantObjects> {
    let Examined { objects, faults, warnings, notices } = examine(options, file)?;
    notice(&notices);
    let Some(objects) = objects.filter(|_| faults.is_empty()) else {
        return Err(ExitError::new(Exit::CheckFailed, Faults([faults, warnings].concat()).to_string()).into());
    };
    if !warnings.is_empty() {
        eprintln!("imported with warnings, please fix: {}", Faults(warnings));
    }
    Ok(objects)
}

/// Prints settings of the file that have no effect. They are no reason to fail.
fn notice(notices: &[Fault]) {
    notices.iter().for_each(|notice| eprintln!("warning: {notice}"));
}

fn examine(options: &InstallationOptions, file: &Path) -> anyhow::Result<Examined> {
    let folder = file.parent().unwrap_or_else(|| Path::new(".")).to_owned();
    let mut beside = ReferencedFiles {
        folder,
        prompts: options.data_dir().join("prompts"),
        clock: Arc::new(SystemClock::start()),
        // A file can be checked where the settings are not; what is about the database needs them.
        own_host: options.values().ok().map(|values| issuer::host(&issuer::of(&values, options.instance))),
    };
    Ok(tenant::import::examine_file(file, &mut beside)
        .map_err(|error| ExitError::new(Exit::CheckFailed, format!("{:#}", anyhow::Error::new(error))))?)
}

/// What a tenant's file names, checked by the roles that will use it.
struct ReferencedFiles {
    /// The folder of the tenant's file.
    folder: PathBuf,
    /// The installation's prompts.
    prompts: PathBuf,
    clock: Arc<dyn Clock>,
    /// The host of the issuer, as the settings of this command say.
    own_host: Option<String>,
}

impl Companions for ReferencedFiles {
    fn document(&mut self, path: &Path) -> std::io::Result<String> {
        std::fs::read_to_string(self.folder.join(path))
    }

    fn application(&mut self, document: &str) -> Vec<String> {
        orchestration::ors::faults(document, self.clock.clone())
    }

    fn named_groups(&mut self, document: &str) -> Vec<(u32, String)> {
        orchestration::ors::named_groups(document)
    }

    fn prompt(&mut self, tenant: &str, name: &str) -> Option<String> {
        // An invalid id is a fault of the file itself.
        voice::media_server::prompt_fault(&self.prompts, &TenantId::parse(tenant).ok()?, name)
    }

    fn own_host(&self) -> Option<String> {
        self.own_host.clone()
    }
}

/// The installation's configuration.
pub(super) async fn open(options: &InstallationOptions) -> anyhow::Result<Arc<dyn ProvisioningStore>> {
    crate::stores::configuration(options.instance, &options.data_dir(), &options.values()?).await
}

/// The same with all that is kept of tenants.
async fn open_archive(options: &InstallationOptions) -> anyhow::Result<Arc<dyn TenantArchive>> {
    crate::stores::archive(options.instance, &options.data_dir(), &options.values()?).await
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    runtime::data_dir::write_whole(path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}
