//! The addresses from which people of the tenant sign in: the published list of addresses. Role auth lets nobody sign in from elsewhere while
//! it is enabled.

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::Response;
use contracts::provisioning::SignInRules;
use serde_json::{Value, json};

use super::super::configuration_client::{Told, all, change};
use super::super::found_object::FoundObject;
use super::super::published::whitelist::Whitelist;
use super::super::request::ProvisioningRequest;
use super::super::requesting_person::RequestingPerson;
use crate::sessions::answers::{self, ApiRefusal, read_body};

/// The kind of the object that has it.
const TENANT: &str = "tenant";

/// The tenant itself, and its list.
async fn stored(request: &ProvisioningRequest, asker: &RequestingPerson) -> Told<(FoundObject, Whitelist)> {
    let found = all(request.configuration(), asker, TENANT, "").await?.into_iter().next();
    let tenant = found.ok_or_else(|| ApiRefusal::not_found("you do not see the tenant itself"))?;
    let whitelist = Whitelist::of(rules(&tenant)?);
    Ok((tenant, whitelist))
}

fn rules(tenant: &FoundObject) -> Told<SignInRules> {
    match &tenant.document["sign_in"] {
        Value::Null => Ok(SignInRules::default()),
        written => serde_json::from_value(written.clone()).map_err(|error| {
            tracing::error!(%error, "sign_in of a tenant cannot be read");
            ApiRefusal::internal()
        }),
    }
}

/// Changes the list; as it is then.
async fn changed(
    request: &ProvisioningRequest,
    edit: impl FnOnce(&mut Whitelist) -> Result<(), ApiRefusal>,
) -> Told<Whitelist> {
    let asker = request.changes()?;
    let (tenant, mut whitelist) = stored(request, &asker).await?;
    edit(&mut whitelist)?;
    whitelist.check_own(asker.client.map(|client| client.address))?;
    let put = json!({
        "kind": TENANT, "id": tenant.id, "expectedRevision": tenant.revision,
        "put": {"sign_in": {"addresses": whitelist.addresses, "addresses_only": whitelist.is_enabled}},
        "fields": ["sign_in.addresses", "sign_in.addresses_only"],
    });
    change(request.configuration(), &asker, &[put]).await?;
    Ok(whitelist)
}

/// `GET /whitelist`.
pub(in crate::gws_provisioning) async fn read(request: ProvisioningRequest) -> Result<Response, ApiRefusal> {
    let (_, whitelist) = stored(&request, &request.reads()).await?;
    Ok(answers::answer(StatusCode::OK, &whitelist.shown()))
}

/// `POST /whitelist`: one more.
pub(in crate::gws_provisioning) async fn add(
    request: ProvisioningRequest,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let body = read_body(&body)?;
    let whitelist = changed(&request, |whitelist| whitelist.add(body["data"]["host"].as_str())).await?;
    Ok(answers::answer(StatusCode::OK, &whitelist.shown()))
}

/// `PUT /whitelist`: others in the place of some.
pub(in crate::gws_provisioning) async fn update(
    request: ProvisioningRequest,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let body = read_body(&body)?;
    changed(&request, |whitelist| whitelist.replace(&body["data"])).await?;
    Ok(answers::done())
}

/// `DELETE /whitelist`: without some.
pub(in crate::gws_provisioning) async fn remove(
    request: ProvisioningRequest,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let body = read_body(&body)?;
    changed(&request, |whitelist| whitelist.remove(&body["data"])).await?;
    Ok(answers::done())
}

/// `POST /whitelist/status`: whether it counts.
pub(in crate::gws_provisioning) async fn set_status(
    request: ProvisioningRequest,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let body = read_body(&body)?;
    changed(&request, |whitelist| whitelist.set_status(body["data"]["whitelistStatus"].as_str())).await?;
    Ok(answers::done())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_that_of_the_tenant_itself() {
        let of = |document: Value| {
            let tenant = FoundObject { document, ..FoundObject::default() };
            rules(&tenant).map(Whitelist::of)
        };
        let none = Whitelist { addresses: Vec::new(), is_enabled: false };
        assert_eq!(of(json!({"name": "Acme"})), Ok(none.clone()));
        assert_eq!(of(json!({"sign_in": {"upstream": null, "published_grants": false}})), Ok(none));
        let listed = json!({"sign_in": {"addresses": ["192.0.2.7"], "addresses_only": true}});
        assert_eq!(of(listed), Ok(Whitelist { addresses: vec!["192.0.2.7".to_owned()], is_enabled: true }));
        assert_eq!(of(json!({"sign_in": 7})), Err(ApiRefusal::internal()));
    }
}
