//! Which Redis: one server, the master that sentinels name, or a cluster; and how a connection to it is made.

use std::fmt;
use std::time::Duration;

use infra::{Result, StoreError};
use redis::aio::{AsyncPushSender, ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, IntoConnectionInfo as _, Pipeline, ProtocolVersion,
    RedisFuture, RedisResult, TlsCertificates, TlsMode, Value,
};
use tokio::sync::Mutex;

use super::failure::failed;

/// How long a command may take; the slowest script, a claim of 200 large records, takes some milliseconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How long a connection may take to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// Attempts of one command in a cluster whose slots move.
const CLUSTER_RETRIES: u32 = 3;

/// Connection settings of Redis.
#[derive(Clone, Default)]
pub struct RedisSettings {
    /// `redis://[user:password@]host[:port][/db]`, or `rediss://` for TLS. With sentinels its host is not used, the rest is.
    pub url: String,
    /// `host:port` of each sentinel; empty if there are none.
    pub sentinels: Vec<String>,
    /// The master's name at the sentinels.
    pub master: String,
    /// The password of the sentinels themselves.
    pub sentinel_password: Option<String>,
    /// Whether it is a Redis Cluster; the URL then names one of its nodes.
    pub cluster: bool,
    /// Certificates (PEM) that verify the server's certificate; none: those of this machine.
    pub authorities: Option<Vec<u8>>,
}

impl RedisSettings {
    /// One server at that URL.
    pub fn at(url: &str) -> Self {
        Self { url: url.to_owned(), ..Self::default() }
    }

    /// Its address for display, without the password.
    pub fn place(&self) -> String {
        if self.sentinels.is_empty() {
            let info = self.url.as_str().into_connection_info();
            return info.map_or_else(|_| "Redis".to_owned(), |info| info.addr().to_string());
        }
        format!("{} by sentinels {}", self.master, self.sentinels.join(", "))
    }
}

impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings").field("place", &self.place()).field("cluster", &self.cluster).finish()
    }
}

/// The path to a Redis that accepts writes.
pub(super) struct Way {
    kind: Kind,
}

enum Kind {
    Single(Client),
    // Boxed: much larger than the others.
    Sentinel(Box<Mutex<SentinelClient>>),
    Cluster(Box<ClusterClient>, Client),
}

/// A connection, or the connections to the nodes of a cluster. Cheap to clone.
#[derive(Clone)]
pub(super) enum Wire {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Way {
    pub(super) fn new(settings: &RedisSettings) -> Result<Self> {
        let invalid = |error: redis::RedisError| StoreError::Invalid(format!("settings of Redis: {error}"));
        let kind = if !settings.sentinels.is_empty() {
            Kind::Sentinel(Box::new(Mutex::new(sentinel(settings).map_err(invalid)?)))
        } else if settings.cluster {
            let client = single(settings).map_err(invalid)?;
            Kind::Cluster(Box::new(cluster(settings).map_err(invalid)?), client)
        } else {
            Kind::Single(single(settings).map_err(invalid)?)
        };
        Ok(Self { kind })
    }

    /// A client of one server: the master, or a node of the cluster.
    pub(super) async fn client(&self) -> RedisResult<Client> {
        match &self.kind {
            Kind::Single(client) | Kind::Cluster(_, client) => Ok(client.clone()),
            Kind::Sentinel(sentinels) => {
                let asked = tokio::time::timeout(ANSWER_WITHIN, async {
                    // Queried for each connection: the master may have changed.
                    sentinels.lock().await.async_get_client().await
                });
                asked.await.map_err(|_| late("no sentinel has answered in time"))?
            }
        }
    }

    /// A new connection for commands.
    pub(super) async fn connect(&self, name: &str) -> RedisResult<Wire> {
        let mut wire = match &self.kind {
            Kind::Cluster(client, _) => {
                let connecting = tokio::time::timeout(ANSWER_WITHIN, client.get_async_connection());
                Wire::Cluster(connecting.await.map_err(|_| late("no connection to the cluster in time"))??)
            }
            Kind::Single(_) | Kind::Sentinel(_) => Wire::Single(connection(&self.client().await?).await?),
        };
        redis::cmd("CLIENT").arg("SETNAME").arg(name).exec_async(&mut wire).await?;
        Ok(wire)
    }
}

impl Way {
    /// Whether the sentinels have a master of that name, be it up or down.
    async fn sentinels_know(&self, master: &str) -> RedisResult<bool> {
        let Kind::Sentinel(sentinels) = &self.kind else { return Ok(false) };
        let sentinel = sentinels.lock().await.async_get_sentinel_client().await?;
        let mut asked = redis::cmd("SENTINEL");
        asked.arg("GET-MASTER-ADDR-BY-NAME").arg(master);
        let place: Option<(String, u16)> = asked.query_async(&mut connection(&sentinel).await?).await?;
        Ok(place.is_some())
    }

    /// A new connection that receives the messages of a channel.
    pub(super) async fn subscribed(
        &self,
        name: &str,
        channel: &str,
        pushed: impl AsyncPushSender,
    ) -> RedisResult<MultiplexedConnection> {
        let info = self.client().await?.get_connection_info().clone();
        // Only this version of the protocol pushes the messages of a channel.
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let client = Client::open(info.set_redis_settings(settings))?;
        let config = config().set_push_sender(pushed);
        let mut wire = client.get_multiplexed_async_connection_with_config(&config).await?;
        redis::cmd("CLIENT").arg("SETNAME").arg(name).exec_async(&mut wire).await?;
        wire.subscribe(channel).await?;
        Ok(wire)
    }
}

fn late(what: &'static str) -> redis::RedisError {
    redis::RedisError::from((redis::ErrorKind::Io, what))
}

/// A connection of that client.
pub(super) async fn connection(client: &Client) -> RedisResult<MultiplexedConnection> {
    client.get_multiplexed_async_connection_with_config(&config()).await
}

fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT_WITHIN)).set_response_timeout(Some(ANSWER_WITHIN))
}

fn certificates(settings: &RedisSettings) -> Option<TlsCertificates> {
    settings.authorities.clone().map(|pem| TlsCertificates { client_tls: None, root_cert: Some(pem) })
}

fn single(settings: &RedisSettings) -> RedisResult<Client> {
    let info = settings.url.as_str().into_connection_info()?;
    match certificates(settings).filter(|_| matches!(info.addr(), ConnectionAddr::TcpTls { .. })) {
        Some(certificates) => Client::build_with_tls(info, certificates),
        None => Client::open(info),
    }
}

fn cluster(settings: &RedisSettings) -> RedisResult<ClusterClient> {
    let builder = ClusterClient::builder([settings.url.as_str()])
        .connection_timeout(CONNECT_WITHIN)
        .response_timeout(ANSWER_WITHIN)
        .retries(CLUSTER_RETRIES);
    match certificates(settings) {
        Some(certificates) => builder.certs(certificates).build(),
        None => builder.build(),
    }
}

fn sentinel(settings: &RedisSettings) -> RedisResult<SentinelClient> {
    let info = settings.url.as_str().into_connection_info()?;
    let nodes = settings.sentinels.iter().map(|node| {
        let wrong = || redis::RedisError::from((redis::ErrorKind::InvalidClientConfig, "a sentinel is not host:port"));
        let (host, port) = node.rsplit_once(':').ok_or_else(wrong)?;
        Ok(ConnectionAddr::Tcp(host.to_owned(), port.parse().map_err(|_| wrong())?))
    });
    let nodes = nodes.collect::<RedisResult<Vec<_>>>()?;
    let mut builder = SentinelClientBuilder::new(nodes, &settings.master, SentinelServerType::Master)?
        .set_client_to_redis_db(info.redis_settings().db());
    if let Some(user) = info.redis_settings().username() {
        builder = builder.set_client_to_redis_username(user);
    }
    if let Some(password) = info.redis_settings().password() {
        builder = builder.set_client_to_redis_password(password);
    }
    if let Some(password) = &settings.sentinel_password {
        builder = builder.set_client_to_sentinel_password(password);
    }
    if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
        builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
        if let Some(certificates) = certificates(settings) {
            builder = builder.set_client_to_redis_certificates(certificates);
        }
    }
    builder.build()
}

// === impl Wire ===

impl ConnectionLike for Wire {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(one) => one.req_packed_command(cmd),
            Self::Cluster(all) => all.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(one) => one.req_packed_commands(pipeline, offset, count),
            Self::Cluster(all) => all.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(one) => one.get_db(),
            Self::Cluster(all) => all.get_db(),
        }
    }
}

// === checks at start ===

/// A server's release, and warnings about its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// Its release.
    pub version: String,
    /// Settings that endanger its data, each in a sentence.
    pub warnings: Vec<String>,
}

/// Why a server cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It does not answer: it may later.
    Away(String),
    /// It answered, and a retry will not help.
    Wrong(String),
}

/// The oldest release that has what the scripts need (`ZRANGE ... BYLEX`, scripts that are written as their effects).
const OLDEST: (u32, u32) = (6, 2);

/// Queries the server's release and how it keeps its data.
///
/// # Errors
/// Why the server cannot be used.
pub async fn examine(settings: &RedisSettings) -> std::result::Result<Examined, Unusable> {
    let wrong = |error: StoreError| Unusable::Wrong(error.to_string());
    let way = Way::new(settings).map_err(wrong)?;
    let client = match way.client().await {
        Err(error) if matches!(error.kind(), redis::ErrorKind::MasterNameNotFoundBySentinel) => {
            let is_known = way.sentinels_know(&settings.master).await.map_err(unusable)?;
            let master = &settings.master;
            return Err(if is_known {
                Unusable::Away(format!("master {master} is down, and the sentinels have made no other yet"))
            } else {
                Unusable::Wrong(format!("the sentinels know no master {master} (stores.redis_sentinel_master)"))
            });
        }
        client => client.map_err(unusable)?,
    };
    let mut wire = connection(&client).await.map_err(unusable)?;
    let info: String = redis::cmd("INFO").arg("server").query_async(&mut wire).await.map_err(unusable)?;
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap_or("?").trim().to_owned();
    let mut parts = version.split('.').map_while(|part| part.parse::<u32>().ok());
    let has = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if has < OLDEST {
        let (major, minor) = OLDEST;
        return Err(Unusable::Wrong(format!("it is Redis {version}; Trunkline needs {major}.{minor} or later")));
    }
    let mode = info.lines().find_map(|line| line.strip_prefix("redis_mode:")).unwrap_or_default().trim();
    if (mode == "cluster") != settings.cluster {
        let say = if settings.cluster {
            "is no Redis Cluster, and the settings say"
        } else {
            "is a Redis Cluster, and the settings do not say"
        };
        return Err(Unusable::Wrong(format!("it {say} that it is one (stores.redis_cluster)")));
    }
    let mut warnings = Vec::new();
    for (setting, should, why) in [
        ("maxmemory-policy", "noeviction", "calls and agents would vanish when memory runs out"),
        ("appendonly", "yes", "a restart would lose what was written since the last snapshot"),
    ] {
        let asked: RedisResult<Vec<String>> = redis::cmd("CONFIG").arg("GET").arg(setting).query_async(&mut wire).await;
        match asked.as_deref() {
            Ok([_, is]) if is != should => warnings.push(format!("{setting} is {is}, not {should}: {why}")),
            Ok(_) => {}
            // Hosted servers refuse this query.
            Err(_) => warnings.push(format!("{setting} cannot be asked for; it must be {should}")),
        }
    }
    Ok(Examined { version, warnings })
}

fn unusable(error: redis::RedisError) -> Unusable {
    let denied = matches!(error.kind(), redis::ErrorKind::AuthenticationFailed)
        || matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM"));
    if denied {
        return Unusable::Wrong(format!("it refuses the user or the password: {error}"));
    }
    if matches!(error.kind(), redis::ErrorKind::InvalidClientConfig) {
        return Unusable::Wrong(error.to_string());
    }
    // The TLS library reports this in its text alone.
    if error.to_string().contains("peer certificate") {
        return Unusable::Wrong(format!("its certificate is not accepted (stores.authorities): {error}"));
    }
    match failed(error) {
        StoreError::Unavailable { reason } => Unusable::Away(reason),
        other => Unusable::Away(other.to_string()),
    }
}
