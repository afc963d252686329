//! Everything in the process and its data directory.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
pub use backends::sqlite::Looked;
use backends::sqlite::{self, SqliteProvisioning};
use infra::embedded::{Embedded, FileLog, JournalSettings};
use infra::{SealedConfigCache, Stores};
use runtime::process::Installation;
use runtime::process::stores::{Clients, Composed, Server, StoresSettings};

use super::search_server::SearchServer;

/// The file of the persistent configuration, below the data directory.
pub const CONFIGURATION: &str = "configuration.sqlite";

/// One set of stores for all replicas of the process.
pub struct InProcess {
    stores: Stores,
    /// What desktops search may be in a server all the same.
    search: Option<SearchServer>,
}

impl Composed for InProcess {
    fn held_by(&self, server: Server) -> bool {
        server == Server::Elasticsearch && self.search.is_some()
    }

    fn of_replica(&self, clients: &Clients) -> anyhow::Result<Stores> {
        let stores = self.stores.clone();
        Ok(match &self.search {
            Some(server) => Stores { search: server.store(clients)?, ..stores },
            None => stores,
        })
    }

    fn of_process(&self) -> anyhow::Result<Stores> {
        Ok(self.stores.clone())
    }
}

/// Opens the stores.
pub async fn open(installation: &Installation, settings: &StoresSettings) -> anyhow::Result<InProcess> {
    let (folder, clock) = (&installation.stores_dir, installation.clock.clone());
    if *folder != installation.data_dir {
        tracing::warn!("embedded stores are not shared between processes: set stores.mode to real");
    }
    let embedded = Embedded::open(&folder.join("stores"), JournalSettings::default(), clock.clone());
    let embedded = Arc::new(embedded.context("the journal")?);
    let reporting = FileLog::open(&folder.join("reporting"), clock.clone()).context("the reporting log")?;
    let provisioning = Arc::new(sealed_configuration(&installation.data_dir).await?);
    let stores = Stores::of(embedded, Arc::new(reporting), provisioning, clock);
    let seals = super::seals(&installation.data_dir)?;
    let configuration = Arc::new(SealedConfigCache::of(stores.configuration.clone(), seals));
    Ok(InProcess { stores: Stores { configuration, ..stores }, search: SearchServer::of(settings)? })
}

/// The persistent configuration, read-only; none if there is no file.
pub async fn look(data_dir: &Path) -> anyhow::Result<Option<Looked>> {
    let file = data_dir.join(CONFIGURATION);
    if !file.exists() {
        return Ok(None);
    }
    let looked = sqlite::look(&file).await.with_context(|| file.display().to_string())?;
    Ok(Some(match looked {
        Looked::Present(store) => Looked::Present(store.sealed_by(super::seals(data_dir)?)),
        Looked::Earlier => Looked::Earlier,
    }))
}

/// The persistent configuration: one file for all processes of the installation, with SQLite's locking between them. Secrets are sealed on
/// the way in; those that a release before has left in clear stay so.
pub async fn configuration(data_dir: &Path) -> anyhow::Result<SqliteProvisioning> {
    let store = configuration_of_any_key(data_dir).await?;
    store.expect_own_key().await?;
    Ok(store)
}

/// The same, also where its secrets are sealed with another key than that of the data directory, or with one that is gone.
pub async fn configuration_of_any_key(data_dir: &Path) -> anyhow::Result<SqliteProvisioning> {
    let opened = SqliteProvisioning::open(&data_dir.join(CONFIGURATION)).await.context("the configuration")?;
    Ok(opened.sealed_by(super::seals(data_dir)?))
}

/// The same for a process of the installation: nothing in it stands in clear any more.
async fn sealed_configuration(data_dir: &Path) -> anyhow::Result<SqliteProvisioning> {
    let store = configuration(data_dir).await?;
    store.seal_stored().await?;
    Ok(store)
}

#[cfg(test)]
mod tests {
    use infra::conformance::provisioning::{note, objects};
    use infra::{ArchivedPart, ObjectChange, ProvisioningStore as _, Revision, TenantArchive as _};
    use model::TenantId;
    use runtime::data_dir;

    use super::*;

    /// How many secrets of the tenant stand in the file, and how many of them are sealed.
    async fn stored(store: &SqliteProvisioning, tenant: &TenantId) -> (usize, usize) {
        let (mut all, mut sealed) = (0, 0);
        let mut take = |part: ArchivedPart| -> infra::Result<()> {
            if let ArchivedPart::Object(mut object, _) = part {
                for (_, secret) in object.readable_secrets() {
                    all += 1;
                    sealed += usize::from(secret.is_sealed());
                }
            }
            Ok(())
        };
        assert!(store.archive(tenant, &mut take).await.unwrap());
        (all, sealed)
    }

    #[tokio::test]
    async fn a_command_leaves_in_clear_what_the_release_before_still_reads_and_a_process_seals_it() {
        let (folder, tenant) = (tempfile::tempdir().unwrap(), TenantId::parse("acme").unwrap());
        let path = folder.path().join("data");
        data_dir::prepare(&path).unwrap();
        data_dir::installation_key(&path).unwrap();
        let before = SqliteProvisioning::open(&path.join("configuration.sqlite")).await.unwrap();
        let put = objects("acme").objects().map(ObjectChange::Put).collect();
        before.update(&tenant, Revision(0), put, note()).await.unwrap();

        let command = configuration(&path).await.unwrap();
        assert_eq!(command.load(&tenant).await.unwrap(), Some((Revision(1), objects("acme"))));
        let (all, sealed) = stored(&before, &tenant).await;
        assert!(all > 0 && sealed == 0, "{sealed} of {all} are sealed");

        drop(sealed_configuration(&path).await.unwrap());
        assert_eq!(stored(&before, &tenant).await, (all, all));
        // A command that comes with another key reads nothing.
        std::fs::remove_file(path.join(data_dir::INSTALLATION_KEY)).unwrap();
        data_dir::installation_key(&path).unwrap();
        assert!(configuration(&path).await.is_err_and(|refused| refused.to_string().contains("installation.key")));
    }
}
