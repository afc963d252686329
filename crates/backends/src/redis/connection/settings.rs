//! Which Redis: one server, the master that sentinels name, or a cluster.

use std::fmt;

use redis::IntoConnectionInfo as _;

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
