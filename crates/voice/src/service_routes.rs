//! The ways by which carriers want calls of the trunks that register with them to go (RFC 3608): written by registrar, a view for each trunk;
//! read by dialplan. Beside each stands under which Contact the carrier has us, for a registrar that comes after another one. Key: the view
//! `service-route:<trunk>` of a tenant.

use contracts::v1;
use infra::{KeptView, StoreError, Stores};
use model::{TenantId, Timestamp};
use prost::Message as _;

/// The way of a trunk's calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceRoute {
    /// Who wants it: the `contact` that the trunk registers with. Another one's calls do not go that way.
    pub contact: String,
    /// Values of `Route`, nearest first; none: to the trunk's `contact`.
    pub routes: Vec<String>,
    /// When the registration ends that it came with.
    pub until: Timestamp,
    /// The URI of our Contact in that registration, as the carrier has it.
    pub registered_as: String,
}

fn view(trunk: &str) -> String {
    format!("service-route:{trunk}")
}

/// Stores the way of a trunk's calls.
///
/// # Errors
/// As the store's.
pub async fn keep(stores: &Stores, tenant: &TenantId, trunk: &str, way: &ServiceRoute) -> infra::Result<()> {
    let ServiceRoute { contact, routes, until, registered_as } = way.clone();
    let record = v1::ServiceRouteRecord { routes, until_us: until.as_micros(), contact, registered_as };
    let kept = KeptView { position: way.until.as_micros().to_string(), state: record.encode_to_vec().into() };
    stores.service_routes.keep(tenant, &view(trunk), kept).await
}

/// The way of a trunk's calls; nothing if its registration has ended, or was one with another contact.
///
/// # Errors
/// As the store's; [`StoreError::Corrupt`] for a record that cannot be read.
pub async fn read(
    stores: &Stores,
    tenant: &TenantId,
    (trunk, contact): (&str, &str),
    now: Timestamp,
) -> infra::Result<Vec<String>> {
    let Some(record) = load(stores, tenant, trunk).await? else { return Ok(Vec::new()) };
    let is_over = Timestamp::from_micros(record.until_us) <= now;
    Ok(if is_over || record.contact != contact { Vec::new() } else { record.routes })
}

/// The URI of our Contact under which a trunk was registered last, if that was with this contact. The carrier may have it still.
///
/// # Errors
/// As those of [`read`].
pub async fn registered_as(
    stores: &Stores,
    tenant: &TenantId,
    (trunk, contact): (&str, &str),
) -> infra::Result<Option<String>> {
    let record = load(stores, tenant, trunk).await?;
    let record = record.filter(|record| record.contact == contact && !record.registered_as.is_empty());
    Ok(record.map(|record| record.registered_as))
}

async fn load(stores: &Stores, tenant: &TenantId, trunk: &str) -> infra::Result<Option<v1::ServiceRouteRecord>> {
    let Some(kept) = stores.service_routes.load(tenant, &view(trunk)).await? else { return Ok(None) };
    let corrupt = |_| StoreError::Corrupt { what: view(trunk), reason: "it is no record of a way".to_owned() };
    v1::ServiceRouteRecord::decode(kept.state).map(Some).map_err(corrupt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_stores;

    #[tokio::test]
    async fn a_way_is_known_until_its_registration_ends() {
        let stores = test_stores::stores(test_stores::set_clock());
        let tenant = TenantId::parse("case").expect("a tenant");
        let at = Timestamp::from_millis;
        let contact = "sip.carrier.example";
        let routes = vec!["<sip:p1.carrier.example;lr>".to_owned()];
        let registered_as = String::new();
        let way = ServiceRoute { contact: contact.to_owned(), routes, until: at(1_000), registered_as };
        keep(&stores, &tenant, "main", &way).await.expect("a store");
        assert_eq!(read(&stores, &tenant, ("main", contact), at(999)).await.expect("a store"), way.routes);
        for (trunk, now) in [(("main", contact), at(1_000)), (("other", contact), at(0)), (("main", "another"), at(0))]
        {
            assert!(read(&stores, &tenant, trunk, now).await.expect("a store").is_empty(), "{trunk:?}");
        }
        let none = ServiceRoute { routes: Vec::new(), until: at(2_000), ..way };
        keep(&stores, &tenant, "main", &none).await.expect("a store");
        assert!(read(&stores, &tenant, ("main", contact), at(0)).await.expect("a store").is_empty(), "none any more");
    }

    #[tokio::test]
    async fn under_which_contact_a_carrier_has_us_is_known_also_where_it_wants_no_way() {
        let stores = test_stores::stores(test_stores::set_clock());
        let tenant = TenantId::parse("case").expect("a tenant");
        let (contact, ours) = ("sip.carrier.example", "sip:main@198.51.100.7:5060");
        let known = async |trunk: (&str, &str)| registered_as(&stores, &tenant, trunk).await.expect("a store");
        assert_eq!(known(("main", contact)).await, None);
        let way =
            ServiceRoute { contact: contact.to_owned(), registered_as: ours.to_owned(), ..ServiceRoute::default() };
        keep(&stores, &tenant, "main", &way).await.expect("a store");
        assert_eq!(known(("main", contact)).await.as_deref(), Some(ours));
        assert_eq!(known(("main", "another")).await, None, "that one does not have us");
        keep(&stores, &tenant, "main", &ServiceRoute { registered_as: String::new(), ..way }).await.expect("a store");
        assert_eq!(known(("main", contact)).await, None, "the release before keeps none");
    }
}
