//! The ways by which carriers want calls of the trunks that register with them to go (RFC 3608): written by registrar, a view for each trunk;
//! read by dialplan. Key: the view `service-route:<trunk>` of a tenant.

use contracts::v1;
use infra::{KeptView, StoreError, Stores};
use model::{TenantId, Timestamp};
use prost::Message as _;

/// The way of a trunk's calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceRoute {
    /// Values of `Route`, nearest first; none: to the trunk's `contact`.
    pub routes: Vec<String>,
    /// When the registration ends that it came with.
    pub until: Timestamp,
}

fn view(trunk: &str) -> String {
    format!("service-route:{trunk}")
}

/// Stores the way of a trunk's calls.
///
/// # Errors
/// As the store's.
pub async fn keep(stores: &Stores, tenant: &TenantId, trunk: &str, way: &ServiceRoute) -> infra::Result<()> {
    let record = v1::ServiceRouteRecord { routes: way.routes.clone(), until_us: way.until.as_micros() };
    let kept = KeptView { position: way.until.as_micros().to_string(), state: record.encode_to_vec().into() };
    stores.service_routes.keep(tenant, &view(trunk), kept).await
}

/// The way of a trunk's calls; nothing if its registration has ended.
///
/// # Errors
/// As the store's; [`StoreError::Corrupt`] for a record that cannot be read.
pub async fn read(stores: &Stores, tenant: &TenantId, trunk: &str, now: Timestamp) -> infra::Result<Vec<String>> {
    let Some(kept) = stores.service_routes.load(tenant, &view(trunk)).await? else { return Ok(Vec::new()) };
    let corrupt = |_| StoreError::Corrupt { what: view(trunk), reason: "it is no record of a way".to_owned() };
    let record = v1::ServiceRouteRecord::decode(kept.state).map_err(corrupt)?;
    let is_over = Timestamp::from_micros(record.until_us) <= now;
    Ok(if is_over { Vec::new() } else { record.routes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_stores;

    #[tokio::test]
    async fn a_way_is_known_until_its_registration_ends() {
        let stores = test_stores::stores(test_stores::HandClock::new());
        let tenant = TenantId::parse("case").expect("a tenant");
        let at = Timestamp::from_millis;
        let way = ServiceRoute { routes: vec!["<sip:p1.carrier.example;lr>".to_owned()], until: at(1_000) };
        keep(&stores, &tenant, "main", &way).await.expect("a store");
        assert_eq!(read(&stores, &tenant, "main", at(999)).await.expect("a store"), way.routes);
        for (trunk, now) in [("main", at(1_000)), ("other", at(0))] {
            assert!(read(&stores, &tenant, trunk, now).await.expect("a store").is_empty(), "{trunk}");
        }
        keep(&stores, &tenant, "main", &ServiceRoute { until: at(2_000), ..ServiceRoute::default() })
            .await
            .expect("a store");
        assert!(read(&stores, &tenant, "main", at(0)).await.expect("a store").is_empty(), "it wants none any more");
    }
}
