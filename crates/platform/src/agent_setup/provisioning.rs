//! The way to tenant (own-28): requests with the caller's own token.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header;
use axum::http::request::Parts;
use contracts::v1::provisioning_client::ProvisioningClient;
use model::TenantId;
use net::grpc::Channel;
use net::http::{Caller, Problem};
use runtime::RoleContext;

use super::answers::SetupRefusal;
use crate::people_table;

/// The connection to tenant, and its port.
const CONNECTION: &str = "own-28";
const PORT: u16 = 8888;
/// The largest answer, in bytes: a table of as many people as a tenant may have.
const ANSWER_BYTES_MAX: usize = 96 << 20;

/// Asks tenant. Cheap to clone.
#[derive(Clone)]
pub(super) struct Provisioning {
    client: ProvisioningClient<Channel>,
    /// For tables, which take longer.
    tables: ProvisioningClient<Channel>,
}

/// Who asks: the tenant of the path, for which the caller's token is, and the token.
pub(super) struct SetupCaller {
    tenant: TenantId,
    token: String,
}

impl Provisioning {
    /// Asks as the role, where nobody else is meant.
    ///
    /// # Errors
    /// If no replica of tenant is known.
    pub fn new(ctx: &RoleContext) -> anyhow::Result<Self> {
        let by = |channel: Channel| ProvisioningClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
        let tables = net::grpc::channel_answering_within(ctx, CONNECTION, PORT, people_table::IMPORT_WITHIN)?;
        Ok(Self { client: by(net::grpc::channel(ctx, CONNECTION, PORT)?), tables: by(tables) })
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
        net::grpc::on_behalf(request, &self.token)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SetupCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let named = RawPathParams::from_request_parts(parts, state).await;
        let named = named.map_err(|_| Problem::bad_request("the path cannot be read"))?;
        let tenant = named.iter().find(|(name, _)| *name == "tenant").map_or("", |(_, tenant)| tenant);
        let tenant = TenantId::parse(tenant).map_err(|error| Problem::not_found(error.to_string()))?;
        caller.may_act_for(&tenant)?;
        let value = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = value.and_then(|value| value.split_once(' ')).map(|(_, token)| token.trim().to_owned());
        let token = token.ok_or_else(|| Problem::unauthorized("no token"))?;
        Ok(Self { tenant, token })
    }
}
