//! `trunkline tenant list` without an id: the tenants of the installation, and those that have ended.

use contracts::json::rfc3339;
use infra::{EndedTenant, TenantOverview};
use model::Timestamp;
use serde_json::json;

use super::{InstallationOptions, executor, open};

/// The tenants that there are, a line each.
pub(super) fn list(options: &InstallationOptions, as_json: bool) -> anyhow::Result<()> {
    let tenants = executor()?.block_on(async { anyhow::Ok(open(options).await?.overviews().await?) })?;
    for TenantOverview { tenant, name, revision, people, dns } in tenants {
        let revision = revision.0;
        if as_json {
            let told = json!({
                "tenant": tenant.as_str(),
                "name": name,
                "revision": revision,
                "people": people,
                "dns": dns,
            });
            say_line!("{told}");
        } else {
            let tenant = tenant.as_str();
            say_line!("{tenant:<24} {name:<40} revision {revision:>6} {people:>8} people {dns:>8} DNs");
        }
    }
    Ok(())
}

/// Those that have ended and of which the history is kept, a line each; the latest first.
pub(super) fn list_ended(options: &InstallationOptions, as_json: bool) -> anyhow::Result<()> {
    let since = Timestamp::ZERO;
    let ended = executor()?.block_on(async { anyhow::Ok(open(options).await?.ended_tenants(since).await?) })?;
    for EndedTenant { tenant, name, revision, at, by, is_removed, .. } in ended {
        let (tenant, revision) = (tenant.as_str(), revision.0);
        if as_json {
            let told = json!({
                "tenant": tenant,
                "name": name,
                "revision": revision,
                "ended_ms": at.as_millis(),
                "ended_by": by,
                "removed": is_removed,
            });
            say_line!("{told}");
        } else {
            let left = if is_removed { "" } else { ", rows of it are left" };
            say_line!("{}  {tenant:<24} {name:<40} revision {revision:>6}  by {by}{left}", rfc3339(at));
        }
    }
    Ok(())
}
