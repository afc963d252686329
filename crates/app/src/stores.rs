//! The choice of stores: the embedded ones, in the data directory.

use std::sync::Arc;

use anyhow::Context as _;
use backends::sqlite::SqliteProvisioning;
use infra::Stores;
use infra::embedded::{Embedded, FileLog, JournalSettings};
use runtime::process::Installation;

/// Opens every store of a process in its data directory.
pub async fn open(installation: &Installation) -> anyhow::Result<Stores> {
    let (folder, clock) = (&installation.stores_dir, installation.clock.clone());
    let embedded = Embedded::open(&folder.join("stores"), JournalSettings::default(), clock.clone());
    let embedded = Arc::new(embedded.context("the journal")?);
    let reporting = FileLog::open(&folder.join("reporting"), clock.clone()).context("the reporting log")?;
    // One file for all processes of the installation: SQLite takes turns between them.
    let provisioning = SqliteProvisioning::open(&installation.data_dir.join("configuration.sqlite")).await;
    Ok(Stores {
        calls: embedded.clone(),
        agents: embedded.clone(),
        sessions: embedded.clone(),
        queues: embedded.clone(),
        media: embedded.clone(),
        registrations: embedded.clone(),
        configuration: embedded.clone(),
        events: embedded.clone(),
        new_calls: embedded.clone(),
        requests: embedded.clone(),
        leases: embedded.clone(),
        views: embedded.clone(),
        outbox: embedded,
        reporting: Arc::new(reporting),
        provisioning: Arc::new(provisioning.context("the configuration")?),
        clock,
    })
}
