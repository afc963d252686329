//! Redis: ledgers, streams, registrations, configuration and leases, shared by all processes of an installation.
//!
//! Each write is one script, so it is done whole or not at all. All keys of a tenant carry the tag `{tenant}` and so are in one slot
//! of a Redis Cluster; leases carry `{nodes}`. Entries and records are the protobuf records of `contracts`, as in the journal of
//! the embedded stores. The keys are listed in `infra::ledger`; the scripts, in `redis/scripts`, describe their contents.

mod audience;
mod away;
mod configuration;
mod failure;
mod lately;
mod leases;
mod ledgers;
mod link;
mod quarantine;
mod queues;
mod record_id;
mod registrations;
mod reply;
mod row;
mod script;
mod server;
mod steady;
mod streams;
mod views;
mod waiting;
mod watched;

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use infra::{Client, Clock, Position, Result, Room, StoreError};
use model::{Stamped, TenantId};

use link::Link;
use script::Scripts;
use steady::Steady;
use waiting::WaitingFile;

pub use server::{Examined, RedisSettings, Unusable, examine};

/// Tenants that a process remembers as announced; beyond this number it announces again.
const ANNOUNCED_MAX: usize = 10_000;

/// Longest time between two looks during a wait: a wake-up may be lost with a connection.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The stores of one role in Redis: a named connection for commands, and one that only listens for wake-ups.
pub struct RedisStores {
    link: Link,
    scripts: Scripts,
    clock: Arc<dyn Clock>,
    announced: Mutex<HashSet<(&'static str, TenantId)>>,
    steady: Steady,
    given: Mutex<streams::Given>,
}

impl RedisStores {
    /// Connects at the first use; calls fail as [`StoreError::Unavailable`] until that succeeds.
    /// `CLIENT LIST` shows the client's names.
    ///
    /// # Errors
    /// When the settings are invalid.
    pub fn open(settings: &RedisSettings, client: Client, clock: Arc<dyn Clock>) -> Result<Self> {
        let link = Link::open(settings, client)?;
        let (announced, steady, given) = (Mutex::default(), Steady::default(), Mutex::default());
        Ok(Self { link, scripts: Scripts::new(), clock, announced, steady, given })
    }

    /// Keeps waiting commits in a file of that node as well. Commits that a failed process has left there are written before
    /// anything is claimed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the folder cannot be used.
    pub fn keeping_in(mut self, folder: &Path, node: &str) -> Result<Self> {
        let (file, former) = WaitingFile::open(folder, node)
            .map_err(|error| StoreError::Unavailable { reason: format!("{}: {error}", folder.display()) })?;
        if !former.is_empty() {
            tracing::info!(commits = former.len(), node, "commits of the previous run wait for Redis");
        }
        self.steady.keep_in(file, former);
        Ok(self)
    }

    /// Checks whether Redis answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<()> {
        self.link.command(&redis::cmd("PING")).await.map(drop)
    }

    /// Adds a tenant to a list of tenants, once per process, connection and generation of Redis's data. The list is in a slot of its
    /// own, so it cannot be part of the write that it announces; it is written first.
    async fn announce(&self, list: &'static str, tenant: &TenantId) -> Result<()> {
        let entry = (list, tenant.clone());
        if self.announced.lock().unwrap_or_else(PoisonError::into_inner).contains(&entry) && !self.link.reconnected() {
            return Ok(());
        }
        self.list(list, tenant).await?;
        let mut announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        if self.link.take_reconnected() || announced.len() >= ANNOUNCED_MAX {
            announced.clear();
        }
        announced.insert(entry);
        Ok(())
    }

    /// Adds a tenant to a list of tenants.
    async fn list(&self, list: &str, tenant: &TenantId) -> Result<()> {
        self.link.command(redis::cmd("SADD").arg(format!("tenants:{list}")).arg(tenant.as_str())).await.map(drop)
    }

    /// Redis was emptied: writers announce their tenants again.
    fn announce_again(&self) {
        self.announced.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The tenants of a list, in order.
    async fn listed(&self, list: &'static str) -> Result<Vec<TenantId>> {
        let reply = self.link.command(redis::cmd("SMEMBERS").arg(format!("tenants:{list}"))).await?;
        let mut tenants: Vec<TenantId> = Vec::new();
        for name in reply::list(&reply)? {
            match reply::text(Some(name)).ok().and_then(|name| TenantId::parse(&name).ok()) {
                Some(tenant) => tenants.push(tenant),
                None => tracing::error!(list, "a name in a list of tenants is none"),
            }
        }
        tenants.sort();
        Ok(tenants)
    }

    /// Looks again after each wake-up of the stream until it finds something or the time is up. Returns its last result.
    async fn wait_for<T, Look>(
        &self,
        tenant: &TenantId,
        stream: &str,
        wait: Duration,
        mut look: impl FnMut() -> Look,
    ) -> Result<T>
    where
        Look: Future<Output = Result<(T, Found)>>,
    {
        let mut wakes = self.link.wakes(tenant, stream);
        let until = tokio::time::Instant::now() + wait;
        loop {
            let (value, found) = look().await?;
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            if found == Found::Something || left.is_zero() {
                return Ok(value);
            }
            // Woken, or silent for a while: look again either way.
            let _ = tokio::time::timeout(left.min(LOOK_AGAIN), wakes.changed()).await;
        }
    }
}

/// Whether a look found something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Something,
    Nothing,
}

impl From<bool> for Found {
    fn from(found: bool) -> Self {
        if found { Self::Something } else { Self::Nothing }
    }
}

/// The tag that puts all keys of a tenant into one slot.
fn tag(tenant: &TenantId) -> String {
    format!("{{{tenant}}}")
}

/// Facts as encoded in the stream.
fn envelopes(events: &[Stamped]) -> impl Iterator<Item = Vec<u8>> + '_ {
    events.iter().map(contracts::wire::encode_stamped)
}

/// The stream length up to which a write is accepted, as scripts take it; 0 for a write that is never refused.
fn stream_bytes(room: Room) -> usize {
    if room == Room::Ends { 0 } else { room.stream_bytes() }
}

/// A position that a script returned; empty means none.
fn position(text: &str) -> Result<Option<Position>> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|e| reply::corrupt("a position", e))
}

/// A refusal that is an error for every request: a reached bound.
fn refused(words: &[String]) -> StoreError {
    const WHATS: [&str; 8] = [
        "the ledger",
        "the event stream",
        "the stream of new calls",
        "the queues",
        "the request stream",
        "the registrations",
        "the table of nodes",
        "the table of jobs",
    ];
    match words {
        [full, what, bound] if full == "full" => {
            let what = WHATS.iter().find(|known| *known == what).copied().unwrap_or("a store");
            StoreError::Full { what, bound: bound.parse().unwrap_or_default() }
        }
        _ => StoreError::Corrupt { what: "the answer of a script".to_owned(), reason: words.join(" ") },
    }
}
