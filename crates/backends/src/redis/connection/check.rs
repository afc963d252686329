//! Checks of a server before it is used.

use infra::StoreError;
use redis::RedisResult;

use super::connector::{Connector, connect_to};
use super::error::store_error;
use super::settings::RedisSettings;

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
    let connector = Connector::new(settings).map_err(wrong)?;
    let client = match connector.client().await {
        Err(error) if matches!(error.kind(), redis::ErrorKind::MasterNameNotFoundBySentinel) => {
            let is_known = connector.sentinels_know(&settings.master).await.map_err(unusable)?;
            let master = &settings.master;
            return Err(if is_known {
                Unusable::Away(format!("master {master} is down, and the sentinels have made no other yet"))
            } else {
                Unusable::Wrong(format!("the sentinels know no master {master} (stores.redis_sentinel_master)"))
            });
        }
        client => client.map_err(unusable)?,
    };
    let mut connection = connect_to(&client).await.map_err(unusable)?;
    let info: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await.map_err(unusable)?;
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
        let asked: RedisResult<Vec<String>> =
            redis::cmd("CONFIG").arg("GET").arg(setting).query_async(&mut connection).await;
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
    match store_error(error) {
        StoreError::Unavailable { reason } => Unusable::Away(reason),
        other => Unusable::Away(other.to_string()),
    }
}
