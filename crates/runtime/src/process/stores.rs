//! The stores of a process: the choice by settings, and the clients that use them.
//!
//! Each replica has its own clients, named after the rows of the table that they carry: `CLIENT LIST`,
//! `pg_stat_activity` and `client.id` show the owner of each connection. The clients report to the meters of the rows.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use infra::{Client, Line, Matter, Stores, Watch};

use crate::connections::{self, Connection, Kind};
use crate::meter::{Meters, PeerMeter, Side};
use crate::settings::{Secret, ServerUrl};
use crate::spec::RoleSpec;

/// The section of the stores.
pub const SECTION: &str = "stores";

/// Where an installation keeps its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In the process and its data directory.
    Embedded,
    /// In servers: Redis, PostgreSQL, Kafka.
    Real,
}

impl Mode {
    /// The word in the settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Real => "real",
        }
    }
}

/// A longer wait is a mistake in the settings.
const START_WITHIN_MAX: Duration = Duration::from_secs(24 * 3_600);

crate::settings! {
    /// Settings of the stores.
    pub struct StoresSettings {
        /// Where everything is kept: `embedded` (in the process and its data directory) or `real` (in Redis, PostgreSQL and Kafka).
        mode: String = "embedded".to_owned(), |v| mode_of(v).map(drop);
        /// How long a start waits for servers that do not answer.
        start_within: Duration = Duration::from_secs(60), |v| {
            if *v > START_WITHIN_MAX { Err("it must be at most 24h".to_owned()) } else { Ok(()) }
        };
        /// Redis, as `redis://[user:password@]host[:port][/db]`, `rediss://` for TLS. Empty: port 6379 of 127.N.255.1, N the instance.
        redis: Option<ServerUrl> = None, |v| scheme(v, &["redis", "rediss"]);
        /// The Redis of Pulse. Empty: port 6380 of 127.N.255.1.
        redis_pulse: Option<ServerUrl> = None, |v| scheme(v, &["redis", "rediss"]);
        /// Redis Sentinels as `host:port`. They give the address of `redis`, which still gives user, password, database
        /// and TLS. Not for Pulse's Redis.
        redis_sentinels: Vec<String> = Vec::new();
        /// The sentinels' name of the master.
        redis_sentinel_master: String = "trunkline".to_owned();
        /// The password of the sentinels themselves.
        redis_sentinel_password: Option<Secret> = None;
        /// Whether `redis` is a node of a Redis Cluster.
        redis_cluster: bool = false => |s| {
            if s.redis_cluster && !s.redis_sentinels.is_empty() {
                return Err("stores.redis_sentinels is set too: a cluster finds its masters by itself".to_owned());
            }
            Ok(())
        };
        /// File of certificates (PEM) that verify the servers' certificates, instead of those of this machine: Redis, PostgreSQL and
        /// Elasticsearch.
        authorities: Option<PathBuf> = None;
        /// PostgreSQL, as `postgres://user[:password]@host[:port]/database[?sslmode=verify-full]`. Empty: database and user
        /// trunkline at port 5432 of 127.N.255.1.
        postgresql: Option<ServerUrl> = None, |v| scheme(v, &["postgres", "postgresql"]);
        /// Brokers of Kafka as `host:port`. Empty: port 9092 of 127.N.255.1.
        kafka: Vec<String> = Vec::new();
        /// Elasticsearch or OpenSearch for what desktops search, as `https://[user:password@]host[:port]`, in either mode. Empty: each
        /// replica of gws-data-collector has it in memory.
        elasticsearch: Option<ServerUrl> = None, |v| scheme(v, &["http", "https"]);
        /// File with the password for it, in place of that of the URL.
        elasticsearch_password_file: Option<PathBuf> = None;
        /// What the names of its indices begin with. Installations that share a server have one each.
        elasticsearch_prefix: String = "trunkline-".to_owned();
    }
}

impl StoresSettings {
    /// Embedded or real.
    pub fn mode(&self) -> Mode {
        // Checked when the settings were loaded.
        mode_of(&self.mode).unwrap_or(Mode::Embedded)
    }
}

fn mode_of(text: &str) -> Result<Mode, String> {
    let known = [Mode::Embedded, Mode::Real].into_iter().find(|mode| mode.as_str() == text);
    known.ok_or_else(|| format!("{text:?} is neither \"embedded\" nor \"real\""))
}

fn scheme(url: &Option<ServerUrl>, schemes: &[&str]) -> Result<(), String> {
    let Some(url) = url else { return Ok(()) };
    if schemes.contains(&url.scheme()) {
        return Ok(());
    }
    Err(format!("it must begin with {}", schemes.iter().map(|s| format!("{s}://")).collect::<Vec<_>>().join(" or ")))
}

/// The stores that the composition has made.
pub trait Composed: Send + Sync {
    /// Whether the stores are in that server.
    fn held_by(&self, server: Server) -> bool;

    /// The stores of a replica, used by its clients alone.
    ///
    /// # Errors
    /// If the settings cannot be used.
    fn of_replica(&self, clients: &Clients) -> anyhow::Result<Stores>;

    /// The stores that the process itself uses, before roles start and when they are ready.
    ///
    /// # Errors
    /// If the settings cannot be used.
    fn of_process(&self) -> anyhow::Result<Stores>;
}

/// A server of stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// The Redis of voice, port 6379.
    Redis,
    /// The Redis of Pulse, port 6380.
    RedisOfPulse,
    /// PostgreSQL.
    Postgresql,
    /// Kafka.
    Kafka,
    /// Elasticsearch or OpenSearch.
    Elasticsearch,
}

impl Server {
    /// The server of a row, if its other side is one.
    pub fn of(row: &Connection) -> Option<Self> {
        // In the drawing's arrows from a server to a role, the role opens the connection too.
        let server = [row.to, row.from].into_iter().find(|p| connections::kind(p) == Some(Kind::Infrastructure))?;
        match (server, row.port) {
            ("redis", "6380") => Some(Self::RedisOfPulse),
            ("redis", _) => Some(Self::Redis),
            ("postgresql", _) => Some(Self::Postgresql),
            ("kafka", _) => Some(Self::Kafka),
            ("elasticsearch", _) => Some(Self::Elasticsearch),
            _ => None,
        }
    }

    /// Whether a role has a row with the server.
    pub fn serves(self, spec: &RoleSpec) -> bool {
        !rows(spec, self).is_empty()
    }

    /// The name in the output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::RedisOfPulse => "redis-pulse",
            Self::Postgresql => "postgresql",
            Self::Kafka => "kafka",
            Self::Elasticsearch => "elasticsearch",
        }
    }
}

/// The clients of a replica.
#[derive(Clone, Debug)]
pub struct Clients {
    /// Of Redis.
    pub redis: Client,
    /// Of Pulse's Redis.
    pub redis_of_pulse: Client,
    /// Of PostgreSQL.
    pub postgresql: Client,
    /// Of Kafka.
    pub kafka: Client,
    /// Of Elasticsearch.
    pub elasticsearch: Client,
}

impl Clients {
    /// The clients of a replica with that address, watched by its meters.
    pub(super) fn of(spec: &RoleSpec, node: &str, address: IpAddr, meters: &Meters) -> Self {
        let client = |server| client(spec, node, meters, server);
        Self {
            // It shows no names of clients: their addresses say whose connections they are.
            elasticsearch: Client { source: Some(address), ..client(Server::Elasticsearch) },
            redis: client(Server::Redis),
            redis_of_pulse: client(Server::RedisOfPulse),
            postgresql: client(Server::Postgresql),
            kafka: client(Server::Kafka),
        }
    }
}

/// The rows of the table that the role has with that server.
pub(super) fn rows(spec: &RoleSpec, server: Server) -> Vec<&'static Connection> {
    let opened = spec.opens.iter().filter_map(|id| connections::find(id));
    opened.filter(|row| Server::of(row) == Some(server)).collect()
}

fn client(spec: &RoleSpec, node: &str, meters: &Meters, server: Server) -> Client {
    let rows = rows(spec, server);
    let ids: Vec<&str> = rows.iter().map(|row| row.id).collect();
    let meter = |row: &&'static Connection| Row {
        matter: matter(row.id),
        meter: meters.meter(row.id, Side::Opens).peer(server.name()),
    };
    let watched = Watched { rows: rows.iter().map(meter).collect(), standing: Default::default() };
    let waking = watched.waking().and_then(|at| ids.get(at)).copied().unwrap_or("none");
    let carried = if ids.is_empty() { "none".to_owned() } else { ids.join("+") };
    Client {
        name: format!("trunkline/{node}/{carried}"),
        wakes: format!("trunkline/{node}/{waking}/wakes"),
        source: None,
        watch: std::sync::Arc::new(watched),
    }
}

/// The content of a row, where a role has several with one server.
fn matter(id: &str) -> Matter {
    match id {
        "voice-14" | "voice-40" | "voice-45" | "voice-52" | "voice-54" | "own-02" => Matter::Facts,
        "voice-46" | "voice-49" => Matter::Work,
        _ => Matter::Records,
    }
}

/// Reports the events of a client to the meters of its rows.
struct Watched {
    rows: Vec<Row>,
    /// Connections last known to be open: for commands, for wakes.
    standing: [AtomicUsize; 2],
}

struct Row {
    matter: Matter,
    meter: PeerMeter,
}

impl Watched {
    /// The row that the connection for wakes belongs to: wakes are about streams.
    fn waking(&self) -> Option<usize> {
        let of = |matter| self.rows.iter().position(|row| row.matter == matter);
        of(Matter::Facts).or_else(|| of(Matter::Work)).or((!self.rows.is_empty()).then_some(0))
    }

    /// The connection for commands carries all rows; the connection for wakes belongs to one row.
    fn on(&self, line: Line) -> impl Iterator<Item = &PeerMeter> {
        let waking = self.waking();
        let all = self.rows.iter().enumerate();
        all.filter(move |(at, _)| line == Line::Commands || Some(*at) == waking).map(|(_, row)| &row.meter)
    }
}

impl Watch for Watched {
    fn attempted(&self, line: Line) {
        self.on(line).for_each(PeerMeter::attempted);
    }

    fn standing(&self, line: Line, connections: usize) {
        let held = match line {
            Line::Commands => &self.standing[0],
            Line::Wakes => &self.standing[1],
        };
        let before = held.swap(connections, Ordering::SeqCst);
        for meter in self.on(line) {
            (before..connections).for_each(|_| meter.opened());
            (connections..before).for_each(|_| meter.closed());
        }
    }

    fn failed(&self, line: Line) {
        self.on(line).for_each(PeerMeter::error);
    }

    fn exchanged(&self, about: Matter, sent: usize, received: usize) {
        let row = self.rows.iter().find(|row| row.matter == about).or(self.rows.first());
        if let Some(Row { meter, .. }) = row {
            meter.request();
            meter.bytes_out(sent);
            meter.bytes_in(received);
        }
    }
}

#[cfg(test)]
mod tests;
