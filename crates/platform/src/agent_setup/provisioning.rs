//! The way to tenant (own-28): requests with the caller's own token.

use std::net::IpAddr;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use contracts::v1::provisioning_client::ProvisioningClient;
use model::TenantId;
use net::grpc::{Channel, RequestOrigin};
use net::http::{Caller, Problem};
use runtime::server::Accepted;
use runtime::{Directory, RoleContext};

use super::answers::SetupRefusal;
use crate::{pages_client, people_table};

/// The connection to tenant, and its port.
const CONNECTION: &str = "own-28";
const PORT: u16 = 8888;
/// The largest answer, in bytes: a table of as many people as a tenant may have.
const ANSWER_BYTES_MAX: usize = 96 << 20;
/// The role whose word counts about where a request came from.
const INGRESS: &str = "ingress";
/// Where it says so.
const FORWARDED_FOR: &str = "x-forwarded-for";
/// The ways by which people and programs come here, as the history of the tenant names them.
const PAGE: &str = "page";
const REST: &str = "rest";
const SCIM: &str = "scim";

/// Asks tenant. Cheap to clone.
#[derive(Clone)]
pub(super) struct Provisioning {
    client: ProvisioningClient<Channel>,
    /// For tables, which take longer.
    tables: ProvisioningClient<Channel>,
    /// Tells by its address which role has sent a request.
    directory: Directory,
}

/// Who asks: the tenant of the path, for which the caller's token is, the token, and from where.
pub(super) struct SetupCaller {
    tenant: TenantId,
    token: String,
    origin: RequestOrigin,
}

impl Provisioning {
    /// Asks as the role, where nobody else is meant.
    ///
    /// # Errors
    /// If no replica of tenant is known.
    pub fn new(ctx: &RoleContext) -> anyhow::Result<Self> {
        let by = |channel: Channel| ProvisioningClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
        let tables = net::grpc::channel_answering_within(ctx, CONNECTION, PORT, people_table::IMPORT_WITHIN)?;
        let client = by(net::grpc::channel(ctx, CONNECTION, PORT)?);
        Ok(Self { client, tables: by(tables), directory: ctx.directory.clone() })
    }

    /// The client, for one request.
    pub fn client(&self) -> ProvisioningClient<Channel> {
        self.client.clone()
    }

    /// The client for a table.
    pub fn tables(&self) -> ProvisioningClient<Channel> {
        self.tables.clone()
    }
}

impl SetupCaller {
    /// The tenant of the path.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// A request of this caller.
    pub fn asks<T>(&self, message: T) -> Result<tonic::Request<T>, SetupRefusal> {
        self.bears(message).map_err(SetupRefusal::from)
    }

    /// The same, for whoever words refusals otherwise.
    #[allow(clippy::result_large_err, reason = "tonic's client returns Status as it is")]
    pub fn bears<T>(&self, message: T) -> Result<tonic::Request<T>, tonic::Status> {
        let request = net::grpc::for_tenant(tonic::Request::new(message), &self.tenant);
        net::grpc::on_behalf(net::grpc::coming_from(request, &self.origin), &self.token)
    }
}

impl FromRequestParts<Provisioning> for SetupCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, provisioning: &Provisioning) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, provisioning).await?;
        let named = RawPathParams::from_request_parts(parts, provisioning).await;
        let named = named.map_err(|_| Problem::bad_request("the path cannot be read"))?;
        let tenant = named.iter().find(|(name, _)| *name == "tenant").map_or("", |(_, tenant)| tenant);
        let tenant = TenantId::parse(tenant).map_err(|error| Problem::not_found(error.to_string()))?;
        caller.may_act_for(&tenant)?;
        let value = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = value.and_then(|value| value.split_once(' ')).map(|(_, token)| token.trim().to_owned());
        let token = token.ok_or_else(|| Problem::unauthorized("no token"))?;
        let peer = parts.extensions.get::<Accepted>().map(|accepted| accepted.peer.ip());
        let is_ingress = peer.is_some_and(|peer| provisioning.directory.role_at(peer) == Some(INGRESS));
        let way = way(parts.uri.path(), caller.client());
        let origin = RequestOrigin { source: source(peer, is_ingress, &parts.headers), way: Some(way.to_owned()) };
        Ok(Self { tenant, token, origin })
    }
}

/// The address of the browser or program, as ingress tells it.
fn source(peer: Option<IpAddr>, is_ingress: bool, headers: &HeaderMap) -> Option<IpAddr> {
    let told = headers.get(FORWARDED_FOR).filter(|_| is_ingress).and_then(|value| value.to_str().ok());
    // Ingress drops what it was sent; the last word would be its own in any case.
    told.and_then(|told| told.rsplit(',').next()).and_then(|last| last.trim().parse().ok()).or(peer)
}

/// By which way somebody comes who asks for that path with a token of that client.
fn way(path: &str, client: Option<&str>) -> &'static str {
    match client {
        _ if path.starts_with("/scim/") => SCIM,
        Some(pages_client::CLIENT) => PAGE,
        _ => REST,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    #[test]
    fn ingress_alone_says_who_asks() {
        let headers = HeaderMap::from_iter([(
            HeaderName::from_static(FORWARDED_FOR),
            "198.51.100.1, 203.0.113.7".parse().unwrap(),
        )]);
        let ip = |text: &str| text.parse::<IpAddr>().ok();
        assert_eq!(source(ip("127.0.40.1"), true, &headers), ip("203.0.113.7"));
        assert_eq!(source(ip("127.0.0.1"), false, &headers), ip("127.0.0.1"));
        assert_eq!(source(ip("127.0.40.1"), true, &HeaderMap::new()), ip("127.0.40.1"));
    }

    #[test]
    fn pages_programs_and_provisioning_agents_are_told_apart() {
        let api = "/agent-setup/api/v1/acme/changes";
        assert_eq!(way(api, Some(pages_client::CLIENT)), "page");
        assert_eq!((way(api, Some("app")), way(api, None)), ("rest", "rest"));
        assert_eq!(way("/scim/v2/acme/Users", Some("app")), "scim");
    }
}
