//! Which orgs each tenant lets in, as tenant tells it (own-35, port 8888): read as they are asked for, and remembered for a moment, since
//! the page that names them is for everybody who asks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use contracts::v1;
use contracts::v1::provisioning_client::ProvisioningClient;
use infra::Clock;
use model::{TenantId, Timestamp};
use net::grpc::Channel;
use net::http::Problem;
use net::tenant::TenantList;
use prometheus_client::metrics::counter::Counter;
use runtime::RoleContext;
use serde_json::Value;
use tokio::sync::watch;

use super::{CONFIGURATION, CONFIGURATION_PORT, org_origins};

/// For how long what was read is answered again.
const REMEMBERED_FOR: Duration = Duration::from_secs(5);
/// Where the document of a tenant has the origins whose pages may ask its desktops.
const SETTING: &str = "/user_properties/interaction-workspace/service-client-api.accepted-web-content-origin";

/// The orgs of all tenants.
pub(super) struct TenantOrgs {
    listed: watch::Receiver<TenantList>,
    client: ProvisioningClient<Channel>,
    domains: Vec<String>,
    /// Of tenants that there are, so that whoever asks for others takes no room.
    turns: Mutex<HashMap<TenantId, ReadTurn>>,
    clock: Arc<dyn Clock>,
    unread: Counter,
}

/// What was read of a tenant last. Who asks while it is being read waits for that reading.
type ReadTurn = Arc<tokio::sync::Mutex<Option<ReadOrgs>>>;

struct ReadOrgs {
    at: Timestamp,
    orgs: Arc<[String]>,
}

impl TenantOrgs {
    /// Begins to follow which tenants there are; orgs are hosts of these domains.
    ///
    /// # Errors
    /// If the role does not declare the connection.
    pub fn start(ctx: &RoleContext, domains: Vec<String>, unread: Counter) -> Result<Self> {
        Ok(Self {
            listed: net::tenant::follow_list(ctx, CONFIGURATION),
            client: ProvisioningClient::new(net::grpc::channel(ctx, CONFIGURATION, CONFIGURATION_PORT)?),
            domains,
            turns: Mutex::default(),
            clock: ctx.clock.clone(),
            unread,
        })
    }

    /// Whether there is a tenant of that id.
    pub fn is_tenant(&self, tenant: &TenantId) -> bool {
        self.listed.borrow().contains(tenant)
    }

    /// The origins of the orgs that a tenant lets in; none of a tenant that there is not.
    ///
    /// # Errors
    /// If tenant does not tell them: whom the tenant has let in before does not count, or one that it lets in no more would stay.
    pub async fn of(&self, tenant: &TenantId) -> Result<Arc<[String]>, Problem> {
        let Some(turn) = self.turn(tenant) else { return Ok(Arc::default()) };
        let mut last = turn.lock().await;
        let is_fresh = |read: &&ReadOrgs| self.clock.now().since(read.at) < REMEMBERED_FOR;
        if let Some(read) = last.as_ref().filter(is_fresh) {
            return Ok(read.orgs.clone());
        }
        let document = self.document(tenant).await.inspect_err(|_| {
            self.unread.inc();
        })?;
        let orgs: Arc<[String]> = org_origins::of_setting(setting(&document), &self.domains).into();
        *last = Some(ReadOrgs { at: self.clock.now(), orgs: orgs.clone() });
        Ok(orgs)
    }

    /// The turn of a tenant, if there is one.
    fn turn(&self, tenant: &TenantId) -> Option<ReadTurn> {
        let listed = self.listed.borrow().clone();
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() > listed.len() {
            turns.retain(|of, _| listed.contains(of));
        }
        listed.contains(tenant).then(|| turns.entry(tenant.clone()).or_default().clone())
    }

    /// The document of a tenant itself.
    async fn document(&self, tenant: &TenantId) -> Result<Value, Problem> {
        let asked = v1::ListObjectsRequest {
            kinds: vec!["tenant".to_owned()],
            page_size: 1,
            ..v1::ListObjectsRequest::default()
        };
        let asked = net::grpc::for_tenant(tonic::Request::new(asked), tenant);
        let page = self.client.clone().list(asked).await.map_err(|status| {
            tracing::warn!(%tenant, %status, "tenant does not tell which orgs may have the softphone");
            unread()
        })?;
        let found = page.into_inner().objects.into_iter().next();
        let Some(object) = found else { return Ok(Value::Null) };
        serde_json::from_str(&object.json).map_err(|error| {
            tracing::error!(%tenant, %error, "the tenant's own object cannot be read");
            unread()
        })
    }
}

fn unread() -> Problem {
    Problem::unavailable("it is not known now which orgs the tenant lets in: ask again")
}

/// The setting in the document of a tenant.
fn setting(document: &Value) -> &str {
    document.pointer(SETTING).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_origins_are_those_by_which_pages_may_ask_desktops() {
        let key = "service-client-api.accepted-web-content-origin";
        let document =
            json!({"id": "acme", "user_properties": {"interaction-workspace": {key: "https://crm.example"}}});
        assert_eq!(setting(&document), "https://crm.example");
        for without in [Value::Null, json!({"user_properties": {"other": {key: "https://crm.example"}}})] {
            assert_eq!(setting(&without), "");
        }
    }
}
