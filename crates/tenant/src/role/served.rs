//! Checks that config serves the state that this role has published (voice-26). Other roles learn of changes from config, so a change that
//! does not arrive there is detected and logged here.

use std::collections::BTreeMap;
use std::time::Duration;

use contracts::configuration::Versions;
use infra::ConfigVersion;
use model::{TenantId, Timestamp};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use runtime::RoleContext;
use tokio::sync::watch;

use super::PublishedTenants;

/// How long config may delay its answer until something has changed.
const WAIT_S: u64 = 10;
/// Pause after config has not answered, and between two checks of late changes.
const PAUSE: Duration = Duration::from_secs(1);
/// A change that config has not served for this long is logged.
const LATE: Duration = Duration::from_secs(5);

runtime::metrics! {
    /// The metrics of this role.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Seconds since config has been serving other objects than those published, of the tenant that is furthest behind.
        behind: Gauge = "tenant_configuration_behind_seconds";
        /// Number of checks that found config serving the published state.
        served: Counter = "tenant_configuration_served";
    }
}

/// The published version of each tenant.
type Published = BTreeMap<TenantId, ConfigVersion>;

/// The state of one tenant that is behind.
struct Behind {
    since: Timestamp,
    told: bool,
}

/// Watches until the role ends.
pub(super) async fn run(ctx: RoleContext, held: watch::Receiver<PublishedTenants>) -> anyhow::Result<()> {
    let metrics = Metrics::register(&ctx.metrics);
    let config = net::http::Client::new(&ctx, "voice-26")?;
    let mut behind: BTreeMap<TenantId, Behind> = BTreeMap::new();
    let mut etag: Option<String> = None;
    // Config reads the published state at its own start, which follows ours.
    tokio::select! {
        () = ctx.drain.ended() => return Ok(()),
        () = tokio::time::sleep(PAUSE) => {}
    }
    loop {
        // Polls while a change is missing; otherwise config answers when something changes.
        let path = match &etag {
            Some(etag) if behind.is_empty() => format!("/versions?etag={etag}&wait_s={WAIT_S}"),
            _ => "/versions".to_owned(),
        };
        let asking = config.get(&path).idempotent().deadline(Duration::from_secs(WAIT_S + 5));
        let said = tokio::select! {
            () = ctx.drain.ended() => return Ok(()),
            said = asking.fetch::<Versions>() => said,
        };
        let now = ctx.clock.now();
        match said {
            Ok(versions) => {
                let published: Published =
                    held.borrow().iter().map(|(tenant, (version, _))| (tenant.clone(), *version)).collect();
                compare(&published, &versions, &mut behind, now, &metrics);
                etag = Some(versions.etag);
            }
            Err(error) => tracing::debug!(%error, "config does not say what it serves"),
        }
        let longest = behind.values().map(|behind| now.since(behind.since)).max().unwrap_or_default();
        metrics.behind.set(i64::try_from(longest.as_secs()).unwrap_or(i64::MAX));
        tokio::select! {
            () = ctx.drain.ended() => return Ok(()),
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

fn compare(
    published: &Published,
    versions: &Versions,
    behind: &mut BTreeMap<TenantId, Behind>,
    now: Timestamp,
    metrics: &Metrics,
) {
    behind.retain(|tenant, _| published.contains_key(tenant));
    for (tenant, version) in published {
        let served = versions.tenants.get(tenant.as_str()).and_then(|version| version_of(version));
        // A newer version contains the published one.
        if served.is_some_and(|served| served >= *version) {
            metrics.served.inc();
            if let Some(late) = behind.remove(tenant).filter(|late| late.told) {
                tracing::info!(%tenant, ?version, after = ?now.since(late.since), "config serves it now");
            }
            continue;
        }
        let one = behind.entry(tenant.clone()).or_insert(Behind { since: now, told: false });
        if now.since(one.since) >= LATE && !std::mem::replace(&mut one.told, true) {
            tracing::warn!(%tenant, ?version, ?served, "config does not serve what was published");
        }
    }
}

/// Parses `generation-revision`.
fn version_of(version: &str) -> Option<ConfigVersion> {
    let (generation, revision) = version.split_once('-')?;
    Some(ConfigVersion { generation: generation.parse().ok()?, revision: revision.parse().ok()? })
}

#[cfg(test)]
mod tests;
