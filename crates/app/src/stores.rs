//! The choice of stores: embedded ones in the data directory, or servers.

mod embedded;
mod owner;
mod real;
mod search_server;

pub use embedded::{Looked, look};

use std::path::Path;
use std::sync::Arc;

use infra::{ApiKeys, ProvisioningStore, SecretSeals, Shifts, SignInAudit, TenantArchive};
use runtime::RoleSpec;
use runtime::data_dir::{self, DataDir, Sharing};
use runtime::exit::{Exit, ExitError};
use runtime::process::Installation;
use runtime::process::stores::{Composed, Mode, SECTION, Server, StoresSettings};
use runtime::sealed::TenantSecretCipher;
use runtime::settings::Values;

pub use real::{Servers, Troubles};

/// What seals the secrets of the configuration: the installation's key. Nothing where no installation has begun: what is stored there
/// before is sealed when it begins.
pub fn seals(data_dir: &Path) -> anyhow::Result<SecretSeals> {
    if !data_dir::has_installation(data_dir) {
        return Ok(SecretSeals::default());
    }
    let cipher = TenantSecretCipher::of(&data_dir::installation_key(data_dir)?);
    let cipher = cipher.ok_or_else(|| anyhow::anyhow!("the secrets of the configuration cannot be sealed here"))?;
    Ok(SecretSeals::of(Arc::new(cipher)))
}

/// Refuses to begin an installation with a new key where the secrets of the configuration are sealed with one that is gone. For a process
/// of those roles, before anything makes its key.
pub async fn expect_key(instance: u8, data_dir: &Path, values: &Values, of: &[&RoleSpec]) -> anyhow::Result<()> {
    let is_kept = of.iter().any(|spec| Server::Postgresql.serves(spec));
    if data_dir::has_installation(data_dir) || !is_kept {
        return Ok(());
    }
    let settings: StoresSettings = values.read(SECTION)?;
    match settings.mode() {
        Mode::Embedded if data_dir.join(embedded::CONFIGURATION).exists() => {
            embedded::configuration(data_dir).await.map(drop)
        }
        Mode::Embedded => Ok(()),
        Mode::Real => Servers::of(instance, &settings)?.configuration().await.map(drop),
    }
}

/// Opens every store of a process of those roles.
pub async fn open(installation: &Installation, of: &[&RoleSpec]) -> anyhow::Result<Arc<dyn Composed>> {
    let settings: StoresSettings = installation.values.read(SECTION)?;
    let opened: Arc<dyn Composed> = match settings.mode() {
        Mode::Embedded => Arc::new(embedded::open(installation, &settings).await?),
        Mode::Real => Arc::new(real::open(installation, &settings, of).await?),
    };
    owner::note(&installation.data_dir, settings.mode())?;
    Ok(opened)
}

/// The persistent configuration alone, for a command that is not a process of the installation.
pub async fn configuration(
    instance: u8,
    data_dir: &Path,
    values: &Values,
) -> anyhow::Result<Arc<dyn ProvisioningStore>> {
    let store: Arc<dyn ProvisioningStore> = archive(instance, data_dir, values).await?;
    Ok(store)
}

/// The same with all that is kept of tenants.
pub async fn archive(instance: u8, data_dir: &Path, values: &Values) -> anyhow::Result<Arc<dyn TenantArchive>> {
    let database: Arc<dyn TenantArchive> = database(instance, data_dir, values).await?;
    Ok(database)
}

/// All that is kept of tenants, whichever key has sealed their secrets: for the command that tells what a lost key has taken along. What
/// cannot be opened stays sealed.
pub async fn archive_of_any_key(
    instance: u8,
    data_dir: &Path,
    values: &Values,
) -> anyhow::Result<Arc<dyn TenantArchive>> {
    let settings: StoresSettings = values.read(SECTION)?;
    owner::expect(data_dir, settings.mode())?;
    Ok(match settings.mode() {
        Mode::Embedded => {
            runtime::data_dir::prepare(data_dir)?;
            Arc::new(embedded::configuration_of_any_key(data_dir).await?)
        }
        Mode::Real => {
            let servers = Servers::of(instance, &settings)?.sealed_by(seals(data_dir)?);
            Arc::new(servers.configuration_of_any_key().await?)
        }
    })
}

/// Whether the key of the data directory opens a secret of the configuration: then it is that of the installation.
pub async fn key_opens_some(instance: u8, data_dir: &Path, values: &Values) -> anyhow::Result<bool> {
    if !data_dir::has_installation(data_dir) {
        return Ok(false);
    }
    let settings: StoresSettings = values.read(SECTION)?;
    Ok(match settings.mode() {
        Mode::Embedded => embedded::configuration_of_any_key(data_dir).await?.key_opens_some().await?,
        Mode::Real => {
            let servers = Servers::of(instance, &settings)?.sealed_by(seals(data_dir)?);
            servers.configuration_of_any_key().await?.key_opens_some().await?
        }
    })
}

/// Refuses to give up secrets of which the data directory opens none, unless it is shown that they are lost: no process of the installation
/// runs, which has them still, and this is the data directory of its processes, without its key. `is_lost` says in the place of the latter
/// that the whole directory is lost. Nobody begins in the directory while the returned lock is held.
pub async fn expect_lost_key(instance: u8, data_dir: &Path, values: &Values, is_lost: bool) -> anyhow::Result<DataDir> {
    let settings: StoresSettings = values.read(SECTION)?;
    if settings.mode() == Mode::Real {
        let refused = |reason: &str| {
            let message = format!("{}: {reason}. Nothing is emptied", data_dir.display());
            anyhow::Error::from(ExitError::new(Exit::DataDirectory, message))
        };
        if !is_lost && data_dir::has_installation(data_dir) {
            return Err(refused(
                "its key opens none of these secrets, so it is that of another installation, or was made when the right one was \
                 lost: give the right --data-dir; if there is none any more, --data-directory-lost",
            ));
        }
        if !is_lost && !owner::is_noted(data_dir)? {
            return Err(refused(
                "no process has run with this data directory, so the key may be in another one: give that by --data-dir; if it is \
                 lost as a whole, --data-directory-lost",
            ));
        }
        let running = Servers::of(instance, &settings)?.running().await?;
        if !running.is_empty() {
            let running = running.join(", ");
            let reason = format!("{running} run with these stores, and have the key of these secrets: stop them first");
            return Err(refused(&reason));
        }
    }
    Ok(DataDir::open(data_dir, Sharing::Alone)?)
}

/// What is noted of signing in, for a command.
pub async fn sign_in_audit(instance: u8, data_dir: &Path, values: &Values) -> anyhow::Result<AuditStores> {
    let database = database(instance, data_dir, values).await?;
    let store: Arc<dyn ProvisioningStore> = database.clone();
    let audit: Arc<dyn SignInAudit> = database;
    Ok((store, audit))
}

/// The configuration, which knows tenants, and what is noted of signing in.
pub type AuditStores = (Arc<dyn ProvisioningStore>, Arc<dyn SignInAudit>);

/// The configuration, which knows tenants and clients, and the API keys of tenants.
pub type KeyStores = (Arc<dyn ProvisioningStore>, Arc<dyn ApiKeys>);

/// The API keys of tenants, for a command.
pub async fn api_keys(instance: u8, data_dir: &Path, values: &Values) -> anyhow::Result<KeyStores> {
    let database = database(instance, data_dir, values).await?;
    let store: Arc<dyn ProvisioningStore> = database.clone();
    let keys: Arc<dyn ApiKeys> = database;
    Ok((store, keys))
}

/// The configuration, which knows tenants and people, and when these work.
pub type ShiftStores = (Arc<dyn ProvisioningStore>, Arc<dyn Shifts>);

/// When people work, for a command.
pub async fn shifts(instance: u8, data_dir: &Path, values: &Values) -> anyhow::Result<ShiftStores> {
    let database = database(instance, data_dir, values).await?;
    let store: Arc<dyn ProvisioningStore> = database.clone();
    let shifts: Arc<dyn Shifts> = database;
    Ok((store, shifts))
}

/// All that the database of an installation holds.
trait Database: TenantArchive + SignInAudit + ApiKeys + Shifts {}

impl<T: TenantArchive + SignInAudit + ApiKeys + Shifts> Database for T {}

async fn database(instance: u8, data_dir: &Path, values: &Values) -> anyhow::Result<Arc<dyn Database>> {
    let settings: StoresSettings = values.read(SECTION)?;
    owner::expect(data_dir, settings.mode())?;
    Ok(match settings.mode() {
        Mode::Embedded => {
            runtime::data_dir::prepare(data_dir)?;
            Arc::new(embedded::configuration(data_dir).await?)
        }
        Mode::Real => {
            let servers = Servers::of(instance, &settings)?.sealed_by(seals(data_dir)?);
            Arc::new(servers.configuration().await?)
        }
    })
}

#[cfg(test)]
mod tests {
    use infra::ChangeWay;

    use super::*;

    #[tokio::test]
    async fn no_key_is_made_where_secrets_are_sealed_with_one_that_is_gone() {
        let (folder, values) = (tempfile::tempdir().unwrap(), Values::default());
        let begin = || expect_key(1, folder.path(), &values, crate::roles::TABLE);
        begin().await.expect("nothing is stored yet");
        data_dir::installation_key(folder.path()).unwrap();
        let text = "tenant: acme\nname: Acme\nrealm: acme.invalid\nhold_music: m\nprompts: {m: m.wav}\n";
        let text = format!("{text}phones: [{{number: \"7101\", password: hush-hush-7101}}]\n");
        let objects = tenant::file::read(&text, |_| Ok(String::new())).unwrap();
        let store = embedded::configuration(folder.path()).await.unwrap();
        tenant::import::import(&store, &objects, &crate::author::note(ChangeWay::Import)).await.unwrap();
        drop(store);
        begin().await.expect("the key is there");
        std::fs::remove_file(folder.path().join(data_dir::INSTALLATION_KEY)).unwrap();
        let refused = format!("{:#}", begin().await.unwrap_err());
        assert!(refused.contains("put a copy of that file back"), "{refused}");
        assert!(!data_dir::has_installation(folder.path()), "a key was made");
    }
}
