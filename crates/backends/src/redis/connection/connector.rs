//! How a connection to a Redis that accepts writes is made.

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

use super::settings::RedisSettings;

/// How long a command may take; the slowest script, a claim of 200 large records, takes some milliseconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How long a connection may take to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// Attempts of one command in a cluster whose slots move.
const CLUSTER_RETRIES: u32 = 3;

/// The path to a Redis that accepts writes.
pub(in crate::redis) struct Connector {
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
pub(in crate::redis) enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connector {
    pub(in crate::redis) fn new(settings: &RedisSettings) -> Result<Self> {
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
    pub(in crate::redis) async fn client(&self) -> RedisResult<Client> {
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
    pub(in crate::redis) async fn connect(&self, name: &str) -> RedisResult<Connection> {
        let mut connection = match &self.kind {
            Kind::Cluster(client, _) => {
                let connecting = tokio::time::timeout(ANSWER_WITHIN, client.get_async_connection());
                Connection::Cluster(connecting.await.map_err(|_| late("no connection to the cluster in time"))??)
            }
            Kind::Single(_) | Kind::Sentinel(_) => Connection::Single(connect_to(&self.client().await?).await?),
        };
        redis::cmd("CLIENT").arg("SETNAME").arg(name).exec_async(&mut connection).await?;
        Ok(connection)
    }

    /// Whether the sentinels have a master of that name, be it up or down.
    pub(super) async fn sentinels_know(&self, master: &str) -> RedisResult<bool> {
        let Kind::Sentinel(sentinels) = &self.kind else { return Ok(false) };
        let sentinel = sentinels.lock().await.async_get_sentinel_client().await?;
        let mut asked = redis::cmd("SENTINEL");
        asked.arg("GET-MASTER-ADDR-BY-NAME").arg(master);
        let place: Option<(String, u16)> = asked.query_async(&mut connect_to(&sentinel).await?).await?;
        Ok(place.is_some())
    }

    /// A new connection that receives the messages of a channel.
    pub(in crate::redis) async fn subscribed(
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
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        redis::cmd("CLIENT").arg("SETNAME").arg(name).exec_async(&mut connection).await?;
        connection.subscribe(channel).await?;
        Ok(connection)
    }
}

fn late(what: &'static str) -> redis::RedisError {
    redis::RedisError::from((redis::ErrorKind::Io, what))
}

/// A connection of that client.
pub(in crate::redis) async fn connect_to(client: &Client) -> RedisResult<MultiplexedConnection> {
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

impl ConnectionLike for Connection {
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
