//! All stores in servers: Redis, Pulse's Redis, PostgreSQL, Kafka. This module names no embedded store, so the process
//! cannot use one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use backends::kafka::{KafkaLog, KafkaSettings};
use backends::postgres::{self, PostgresProvisioning, PostgresSettings};
use backends::redis::{self, Examined, RedisSettings, RedisStores, Unusable};
use futures::FutureExt as _;
use infra::{
    Client, Clock, Leases as _, ReportingLog, SealedConfigCache, SecretSeals, StoreError, Stores, SystemClock, bounds,
};
use runtime::RoleSpec;
use runtime::address;
use runtime::exit::{Exit, ExitError};
use runtime::process::Installation;
use runtime::process::stores::{Clients, Composed, Server, StoresSettings};
use runtime::settings::ServerUrl;
use tokio::time::Instant;

use super::search_server::SearchServer;

/// The number of the servers' host among the infrastructure's addresses.
const HOST: u8 = 1;
/// The documented ports.
const REDIS: u16 = 6_379;
const REDIS_OF_PULSE: u16 = 6_380;
const POSTGRESQL: u16 = 5_432;
const KAFKA: u16 = 9_092;
/// Pause before a server that does not answer is queried again.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How often a server that does not answer is logged.
const SAY_EVERY: Duration = Duration::from_secs(5);
/// Client name of a process that is no replica.
const PROCESS: &str = "trunkline/process";

/// The addresses of the servers.
#[derive(Clone, Debug)]
pub struct Servers {
    redis: RedisSettings,
    redis_of_pulse: RedisSettings,
    postgresql: PostgresSettings,
    kafka: KafkaSettings,
    /// If there is one.
    search: Option<SearchServer>,
    start_within: Duration,
    /// What seals the secrets in PostgreSQL.
    seals: SecretSeals,
}

/// A server by its name and address, and why it cannot be used or what endangers its data.
pub type Troubles = (String, Result<Examined, Unusable>);

impl Servers {
    /// The servers of the settings; unset ones are those of the instance.
    pub fn of(instance: u8, settings: &StoresSettings) -> anyhow::Result<Self> {
        let host = address::of_replica(instance, address::INFRASTRUCTURE, HOST);
        let url =
            |set: &Option<ServerUrl>, default: String| set.as_ref().map_or(default, |url| url.expose().to_owned());
        let redis_url = url(&settings.redis, format!("redis://{host}:{REDIS}"));
        let authorities = settings.authorities.as_ref().map(std::fs::read).transpose();
        let authorities = authorities.context("stores.authorities")?;
        let at = |url| RedisSettings { authorities: authorities.clone(), ..RedisSettings::at(url) };
        let redis = RedisSettings {
            sentinels: settings.redis_sentinels.clone(),
            master: settings.redis_sentinel_master.clone(),
            sentinel_password: settings.redis_sentinel_password.as_ref().map(|secret| secret.expose().to_owned()),
            cluster: settings.redis_cluster,
            ..at(&redis_url)
        };
        let brokers = match settings.kafka.as_slice() {
            [] => format!("{host}:{KAFKA}"),
            brokers => brokers.join(","),
        };
        Ok(Self {
            redis,
            redis_of_pulse: at(&url(&settings.redis_pulse, format!("redis://{host}:{REDIS_OF_PULSE}"))),
            postgresql: PostgresSettings {
                url: url(&settings.postgresql, format!("postgres://trunkline@{host}:{POSTGRESQL}/trunkline")),
                authorities: settings.authorities.clone(),
            },
            kafka: KafkaSettings { brokers, partitions: None },
            search: SearchServer::of(settings)?,
            start_within: settings.start_within,
            seals: SecretSeals::default(),
        })
    }

    /// The same with secrets that these seals seal and open.
    #[must_use]
    pub fn sealed_by(self, seals: SecretSeals) -> Self {
        Self { seals, ..self }
    }

    /// Kafka's brokers, separated by commas.
    pub fn brokers(&self) -> &str {
        &self.kafka.brokers
    }

    /// Queries each server once.
    pub async fn examine(&self) -> Vec<Troubles> {
        let search = self.search.as_ref().map(|_| Server::Elasticsearch);
        let servers =
            [Server::Redis, Server::RedisOfPulse, Server::Postgresql, Server::Kafka].into_iter().chain(search);
        let asked = servers.map(|server| async move { (self.place(server), self.ask(server).await) }.boxed());
        futures::future::join_all(asked).await
    }

    /// The persistent configuration, its tables up to date. Secrets that a release before has left in clear stay so: its processes may
    /// still serve.
    pub async fn configuration(&self) -> anyhow::Result<PostgresProvisioning> {
        self.bring_tables_up_to_date(Instant::now() + self.start_within).await?;
        self.provisioning()
    }

    /// The same, also where its secrets are sealed with another key than that of the data directory, or with one that is gone.
    pub async fn configuration_of_any_key(&self) -> anyhow::Result<PostgresProvisioning> {
        let deadline = Instant::now() + self.start_within;
        let settled = || self.settled(Server::Postgresql, deadline).boxed();
        let work = || postgres::bring_up_to_date(&self.postgresql, PROCESS).boxed();
        done_when_settled(deadline, settled, work).await?;
        self.provisioning()
    }

    /// Waits for PostgreSQL and brings its tables up to date.
    async fn bring_tables_up_to_date(&self, deadline: Instant) -> anyhow::Result<()> {
        let settled = || self.settled(Server::Postgresql, deadline).boxed();
        done_when_settled(deadline, settled, || self.brought_up_to_date().boxed()).await
    }

    /// One attempt.
    async fn brought_up_to_date(&self) -> infra::Result<()> {
        postgres::bring_up_to_date(&self.postgresql, PROCESS).await?;
        self.opened(&Client::unwatched(PROCESS))?.expect_own_key().await
    }

    /// Seals the secrets that a release before has left in clear.
    async fn seal_stored(&self, deadline: Instant) -> anyhow::Result<()> {
        let settled = || self.settled(Server::Postgresql, deadline).boxed();
        done_when_settled(deadline, settled, || self.sealed_stored().boxed()).await
    }

    /// One attempt.
    async fn sealed_stored(&self) -> infra::Result<()> {
        self.opened(&Client::unwatched(PROCESS))?.seal_stored().await.map(drop)
    }

    fn opened(&self, client: &Client) -> infra::Result<PostgresProvisioning> {
        Ok(PostgresProvisioning::open(&self.postgresql, client)?.sealed_by(self.seals.clone()))
    }

    /// The configuration as it is: without waiting and without changes.
    pub fn provisioning(&self) -> anyhow::Result<PostgresProvisioning> {
        Ok(self.opened(&Client::unwatched(PROCESS))?)
    }

    /// The replicas of roles that run with these stores. Those that were killed a moment ago count until their leases are over.
    ///
    /// # Errors
    /// If Redis cannot be asked.
    pub async fn running(&self) -> infra::Result<Vec<String>> {
        let redis = RedisStores::open(&self.redis, Client::unwatched(PROCESS), Arc::new(SystemClock::start()))?;
        let deadline = Instant::now() + bounds::LEASE + bounds::LEASE_MARGIN + AGAIN_AFTER;
        loop {
            let mut running = Vec::new();
            for spec in crate::roles::TABLE {
                running.extend(redis.live(spec.name).await?.into_iter().map(|lease| lease.owner.node.to_string()));
            }
            if running.is_empty() || Instant::now() >= deadline {
                return Ok(running);
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    fn place(&self, server: Server) -> String {
        match server {
            Server::Redis => format!("Redis at {}", self.redis.place()),
            Server::RedisOfPulse => format!("Pulse's Redis at {}", self.redis_of_pulse.place()),
            Server::Postgresql => format!("PostgreSQL at {}", self.postgresql.place()),
            Server::Kafka => format!("Kafka at {}", self.kafka.brokers),
            Server::Elasticsearch => {
                let place = self.search.as_ref().map_or_else(String::new, SearchServer::place);
                format!("Elasticsearch at {place}")
            }
        }
    }

    async fn ask(&self, server: Server) -> Result<Examined, Unusable> {
        match server {
            Server::Redis => redis::examine(&self.redis).await,
            Server::RedisOfPulse => redis::examine(&self.redis_of_pulse).await,
            Server::Postgresql => postgres::examine(&self.postgresql, PROCESS).await,
            Server::Kafka => {
                let wrong = |error: StoreError| Unusable::Wrong(error.to_string());
                let log = KafkaLog::open(&self.kafka, Client::unwatched(PROCESS)).map_err(wrong)?;
                match log.ping().await {
                    Ok(()) => Ok(Examined { version: String::new(), warnings: Vec::new() }),
                    Err(StoreError::Unavailable { reason }) => Err(Unusable::Away(reason)),
                    Err(error) => Err(Unusable::Wrong(error.to_string())),
                }
            }
            Server::Elasticsearch => match &self.search {
                Some(search) => search.examine().await,
                None => Ok(Examined { version: String::new(), warnings: Vec::new() }),
            },
        }
    }

    /// Waits until the server answers, and logs the wait.
    async fn settled(&self, server: Server, deadline: Instant) -> Result<(), ExitError> {
        let place = self.place(server);
        let mut said: Option<Instant> = None;
        loop {
            let reason = match self.ask(server).await {
                Ok(found) => {
                    tracing::info!(server = %place, version = found.version, "it answers");
                    found.warnings.iter().for_each(|warning| tracing::warn!(server = %place, "{warning}"));
                    return Ok(());
                }
                Err(Unusable::Wrong(reason)) => {
                    return Err(ExitError::new(Exit::Stores, format!("{place} cannot be used: {reason}")));
                }
                Err(Unusable::Away(reason)) => reason,
            };
            let now = Instant::now();
            if now >= deadline {
                let waited = self.start_within.as_secs();
                let message = format!("{place} has not answered within {waited} s (stores.start_within): {reason}");
                return Err(ExitError::new(Exit::Stores, message));
            }
            if said.is_none_or(|said| now - said >= SAY_EVERY) {
                let left_s = (deadline - now).as_secs();
                tracing::warn!(server = %place, reason, left_s, "waiting for it to answer");
                eprintln!("trunkline: waiting for {place}, {left_s} s at most: {reason}");
                said = Some(now);
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }
}

/// The stores of a process in servers: each replica has its own connections.
pub struct InServers {
    servers: Servers,
    /// Folder of the commits that wait for Redis.
    waiting: PathBuf,
    clock: Arc<dyn Clock>,
}

/// Waits for the servers that the roles have connections with, updates the tables and seals their secrets if one is PostgreSQL, and
/// checks that every client can be created. It does not wait for Kafka: facts wait in their streams until Kafka is there.
pub async fn open(
    installation: &Installation,
    settings: &StoresSettings,
    of: &[&RoleSpec],
) -> anyhow::Result<InServers> {
    infra::embedded::forbid();
    let seals = super::seals(&installation.data_dir)?;
    let servers = Servers::of(installation.instance, settings)?.sealed_by(seals);
    let deadline = Instant::now() + servers.start_within;
    let is_needed = |server: &Server| of.iter().any(|spec| server.serves(spec));
    let needed = [Server::Redis, Server::RedisOfPulse, Server::Postgresql].into_iter().filter(is_needed);
    futures::future::try_join_all(needed.map(|server| servers.settled(server, deadline).boxed())).await?;
    if is_needed(&Server::Postgresql) {
        servers.bring_tables_up_to_date(deadline).await?;
        servers.seal_stored(deadline).await?;
    }
    let waiting = installation.data_dir.join("stores-waiting");
    let opened = InServers { servers, waiting, clock: installation.clock.clone() };
    opened.stores(&unwatched()).map_err(|error| ExitError::new(Exit::Settings, error.to_string()))?;
    Ok(opened)
}

/// Does the work when its server answers. A server that goes away in between is waited for again until the deadline: PostgreSQL in a fresh
/// container answers once, while its data are made, and then restarts.
async fn done_when_settled<S, W>(deadline: Instant, settled: impl Fn() -> S, work: impl Fn() -> W) -> anyhow::Result<()>
where
    S: Future<Output = Result<(), ExitError>>,
    W: Future<Output = infra::Result<()>>,
{
    loop {
        settled().await?;
        match work().await {
            Err(error) if error.passes() && Instant::now() < deadline => {
                tracing::warn!(%error, "the tables are not up to date yet");
                tokio::time::sleep(AGAIN_AFTER).await;
            }
            done => return done.context("the configuration"),
        }
    }
}

fn unwatched() -> Clients {
    let client = || Client::unwatched(PROCESS);
    Clients {
        redis: client(),
        redis_of_pulse: client(),
        postgresql: client(),
        kafka: client(),
        elasticsearch: client(),
    }
}

/// The replica of a client: `ors-1` in `trunkline/ors-1/voice-46`.
fn node_of(client: &str) -> Option<&str> {
    let (node, _rows) = client.strip_prefix("trunkline/")?.split_once('/')?;
    Some(node)
}

impl InServers {
    /// Connections are opened at first use, so a role has none that it does not need.
    fn stores(&self, clients: &Clients) -> infra::Result<Stores> {
        let (servers, clock) = (&self.servers, self.clock.clone());
        let redis = RedisStores::open(&servers.redis, clients.redis.clone(), clock.clone())?;
        let redis = Arc::new(match node_of(&clients.redis.name) {
            Some(node) => redis.keeping_in(&self.waiting, node)?,
            None => redis,
        });
        let of_pulse = RedisStores::open(&servers.redis_of_pulse, clients.redis_of_pulse.clone(), clock.clone())?;
        let provisioning = servers.opened(&clients.postgresql)?;
        let reporting: Arc<dyn ReportingLog> = Arc::new(KafkaLog::open(&servers.kafka, clients.kafka.clone())?);
        let stores = Stores::of(redis, reporting, Arc::new(provisioning), clock);
        let configuration = Arc::new(SealedConfigCache::of(stores.configuration.clone(), servers.seals.clone()));
        let search = match &servers.search {
            Some(search) => search.store(clients)?,
            None => stores.search.clone(),
        };
        Ok(Stores { views: Arc::new(of_pulse), configuration, search, ..stores })
    }
}

impl Composed for InServers {
    fn held_by(&self, server: Server) -> bool {
        server != Server::Elasticsearch || self.servers.search.is_some()
    }

    fn of_replica(&self, clients: &Clients) -> anyhow::Result<Stores> {
        Ok(self.stores(clients)?)
    }

    fn of_process(&self) -> anyhow::Result<Stores> {
        Ok(self.stores(&unwatched())?)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Work whose attempts end as given, the last of them again and again. Returns the result, and how often the server was waited for.
    async fn attempted(within: Duration, attempts: &[fn() -> infra::Result<()>]) -> (anyhow::Result<()>, usize) {
        let (settled, count) = (Cell::new(0), Cell::new(0));
        let settle = || {
            settled.set(settled.get() + 1);
            async { Ok(()) }
        };
        let work = || {
            let attempt = attempts[count.get().min(attempts.len() - 1)];
            count.set(count.get() + 1);
            async move { attempt() }
        };
        let done = done_when_settled(Instant::now() + within, settle, work).await;
        (done, settled.get())
    }

    fn goes_away() -> infra::Result<()> {
        Err(StoreError::Unavailable { reason: "the connection was closed".to_owned() })
    }

    #[tokio::test]
    async fn a_server_that_goes_away_after_its_first_answer_is_waited_for_again() {
        let (done, settled) = attempted(Duration::from_secs(60), &[goes_away, || Ok(())]).await;
        assert!(done.is_ok(), "{done:?}");
        assert_eq!(settled, 2);
    }

    #[tokio::test]
    async fn nothing_is_tried_again_after_the_deadline_or_when_that_would_not_help() {
        let (done, settled) = attempted(Duration::ZERO, &[goes_away]).await;
        assert!(done.is_err_and(|error| format!("{error:#}").contains("the connection was closed")));
        assert_eq!(settled, 1);
        let faulty = || Err(StoreError::Invalid("a step was changed".to_owned()));
        let (done, settled) = attempted(Duration::from_secs(60), &[faulty]).await;
        assert!(done.is_err());
        assert_eq!(settled, 1);
    }
}
