//! Redis: ledgers, streams, registrations, configuration and leases, shared by all processes of an installation.
//!
//! Each write is one script, so it is done whole or not at all. All keys of a tenant carry the tag `{tenant}` and so are in one slot
//! of a Redis Cluster; leases carry `{nodes}`. Entries and records are the protobuf records of `contracts`, as in the journal of
//! the embedded stores. The keys are listed in `infra::ledger`; the scripts, in `redis/scripts`, describe their contents.

mod connection;
mod outage;
mod scripts;
mod store;

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use infra::{Client, Clock, Result, StoreError};
use model::TenantId;

use connection::Connections;
use outage::{DiskQueue, OutageState};
use scripts::Scripts;
use store::streams::{Given, ReceivedFacts};

pub use connection::{Examined, RedisSettings, Unusable, examine};

/// The stores of one role in Redis: a named connection for commands, and one that only listens for wake-ups.
pub struct RedisStores {
    connections: Connections,
    scripts: Scripts,
    clock: Arc<dyn Clock>,
    announced: Mutex<HashSet<(&'static str, TenantId)>>,
    outage: OutageState,
    given: Mutex<Given>,
    received: Mutex<ReceivedFacts>,
}

impl RedisStores {
    /// Connects at the first use; calls fail as [`StoreError::Unavailable`] until that succeeds.
    /// `CLIENT LIST` shows the client's names.
    ///
    /// # Errors
    /// When the settings are invalid.
    pub fn open(settings: &RedisSettings, client: Client, clock: Arc<dyn Clock>) -> Result<Self> {
        let connections = Connections::open(settings, client)?;
        Ok(Self {
            connections,
            scripts: Scripts::new(),
            clock,
            announced: Mutex::default(),
            outage: OutageState::default(),
            given: Mutex::default(),
            received: Mutex::default(),
        })
    }

    /// Keeps waiting commits in a file of that node as well. Commits that a failed process has left there are written before
    /// anything is claimed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the folder cannot be used.
    pub fn keeping_in(mut self, folder: &Path, node: &str) -> Result<Self> {
        let (file, former) = DiskQueue::open(folder, node)
            .map_err(|error| StoreError::Unavailable { reason: format!("{}: {error}", folder.display()) })?;
        if !former.is_empty() {
            tracing::info!(commits = former.len(), node, "commits of the previous run wait for Redis");
        }
        self.outage.keep_in(file, former);
        Ok(self)
    }

    /// Checks whether Redis answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<()> {
        self.connections.command(&redis::cmd("PING")).await.map(drop)
    }
}

/// The tag that puts all keys of a tenant into one slot.
fn tag(tenant: &TenantId) -> String {
    format!("{{{tenant}}}")
}
