//! The time zone of a tenant's clocks.

use anyhow::Context as _;
use contracts::provisioning::{Object, ObjectKind};
use jiff::tz::TimeZone;
use model::TenantId;
use net::tenant::ObjectReader;

/// As the tenant's own record says it now; UTC if it names none.
pub(super) async fn of(tenant: &TenantId, objects: &ObjectReader) -> anyhow::Result<TimeZone> {
    let mut name: Option<String> = None;
    let named = |object: Object| {
        if let Object::Tenant(tenant) = object {
            name = tenant.time_zone;
        }
        anyhow::Ok(())
    };
    objects.read(tenant, &[ObjectKind::Tenant], "", named).await?;
    let Some(name) = name else { return Ok(TimeZone::UTC) };
    TimeZone::get(&name).with_context(|| format!("there is no time zone {name}"))
}
