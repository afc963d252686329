//! Everything in the process and its data directory.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
pub use backends::sqlite::Looked;
use backends::sqlite::{self, SqliteProvisioning};
use infra::embedded::{Embedded, FileLog, JournalSettings};
use infra::{SealedConfigCache, Stores};
use runtime::process::Installation;
use runtime::process::stores::{Clients, Composed, Server};

/// The file of the persistent configuration, below the data directory.
pub const CONFIGURATION: &str = "configuration.sqlite";

/// One set of stores for all replicas of the process.
pub struct InProcess(Stores);

impl Composed for InProcess {
    fn held_by(&self, _: Server) -> bool {
        false
    }

    fn of_replica(&self, _: &Clients) -> anyhow::Result<Stores> {
        Ok(self.0.clone())
    }

    fn of_process(&self) -> anyhow::Result<Stores> {
        Ok(self.0.clone())
    }
}

/// Opens the stores.
pub async fn open(installation: &Installation) -> anyhow::Result<InProcess> {
    let (folder, clock) = (&installation.stores_dir, installation.clock.clone());
    if *folder != installation.data_dir {
        tracing::warn!("embedded stores are not shared between processes: set stores.mode to real");
    }
    let embedded = Embedded::open(&folder.join("stores"), JournalSettings::default(), clock.clone());
    let embedded = Arc::new(embedded.context("the journal")?);
    let reporting = FileLog::open(&folder.join("reporting"), clock.clone()).context("the reporting log")?;
    let provisioning = Arc::new(configuration(&installation.data_dir).await?);
    let stores = Stores::of(embedded, Arc::new(reporting), provisioning, clock);
    let seals = super::seals(&installation.data_dir)?;
    let configuration = Arc::new(SealedConfigCache::of(stores.configuration.clone(), seals));
    Ok(InProcess(Stores { configuration, ..stores }))
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

/// The persistent configuration, its secrets sealed: one file for all processes of the installation, with SQLite's locking between them.
pub async fn configuration(data_dir: &Path) -> anyhow::Result<SqliteProvisioning> {
    let opened = SqliteProvisioning::open(&data_dir.join(CONFIGURATION)).await.context("the configuration")?;
    let store = opened.sealed_by(super::seals(data_dir)?);
    store.seal_stored().await?;
    Ok(store)
}
