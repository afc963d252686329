//! Reads objects of tenants at the role tenant (tenant-07, port 8888).

use std::time::Duration;

use contracts::v1;
use contracts::v1::provisioning_client::ProvisioningClient;
use contracts::v1::schedules_client::SchedulesClient;
use infra::Clock;
use model::TenantId;
use net::grpc::Channel;
use net::http::Problem;
use runtime::RoleContext;
use serde_json::Value;
use std::sync::Arc;
use tonic::{Code, Request, Status};

/// The connection to tenant, of whichever role of GWS, and its port.
pub(crate) const CONFIGURATION: &str = "tenant-07";
const CONFIGURATION_PORT: u16 = 8888;
/// The largest message: a page of groups with many agents.
const MESSAGE_MAX: usize = 32 << 20;
/// Time for a change: a table may have fifty passwords, each of which is hashed.
const CHANGED_WITHIN: Duration = Duration::from_secs(18);
/// Objects of a page.
const PAGE: u32 = 500;
/// The most objects that are read at once, and some of the last page. A tenant has fewer groups, reasons and places; what is beyond is left
/// out, and the log says so.
const OBJECTS_MAX: usize = 50_000;

/// Reads objects.
#[derive(Clone)]
pub(crate) struct TenantReader {
    client: ProvisioningClient<Channel>,
    changing: ProvisioningClient<Channel>,
    schedules: SchedulesClient<Channel>,
    /// The clock of the role.
    pub clock: Arc<dyn Clock>,
}

impl TenantReader {
    pub fn new(ctx: &RoleContext) -> anyhow::Result<Self> {
        let channel = net::grpc::channel(ctx, CONFIGURATION, CONFIGURATION_PORT)?;
        let schedules = SchedulesClient::new(channel.clone()).max_decoding_message_size(MESSAGE_MAX);
        let client = ProvisioningClient::new(channel).max_decoding_message_size(MESSAGE_MAX);
        let changing = net::grpc::channel_answering_within(ctx, CONFIGURATION, CONFIGURATION_PORT, CHANGED_WITHIN)?;
        let changing = ProvisioningClient::new(changing).max_decoding_message_size(MESSAGE_MAX);
        Ok(Self { client, changing, schedules, clock: ctx.clock.clone() })
    }

    /// A client for requests that may take as long as a change does.
    pub fn changing(&self) -> ProvisioningClient<Channel> {
        self.changing.clone()
    }

    /// An object's document; none if the tenant, or the object, is not there.
    pub async fn find(&self, tenant: &TenantId, kind: &str, id: &str) -> Result<Option<Value>, Problem> {
        let asked = v1::GetObjectRequest { kind: kind.to_owned(), id: id.to_owned(), fields: Vec::new() };
        let asked = net::grpc::for_tenant(Request::new(asked), tenant);
        match self.client.clone().get(asked).await {
            Ok(found) => document(&found.into_inner()).map(Some),
            // A name that no object may have is the name of none.
            Err(status) if matches!(status.code(), Code::NotFound | Code::InvalidArgument) => Ok(None),
            Err(status) => Err(away(&status)),
        }
    }

    /// The revision of the tenant: it has another one after each change.
    pub async fn revision(&self, tenant: &TenantId) -> Result<u64, Problem> {
        // It comes with every page; the smallest one will do.
        let asked = v1::ListObjectsRequest {
            kinds: vec!["tenant".to_owned()],
            fields: vec!["id".to_owned()],
            page_size: 1,
            ..Default::default()
        };
        let asked = net::grpc::for_tenant(Request::new(asked), tenant);
        let page = self.client.clone().list(asked).await.map_err(|status| away(&status))?;
        Ok(page.into_inner().revision)
    }

    /// The shifts of some people that have a part in a span.
    pub async fn shifts(
        &self,
        tenant: &TenantId,
        asked: v1::ReadShiftsRequest,
    ) -> Result<v1::ReadShiftsResponse, Problem> {
        let asked = net::grpc::for_tenant(Request::new(asked), tenant);
        match self.schedules.clone().read_shifts(asked).await {
            Ok(read) => Ok(read.into_inner()),
            Err(status) if status.code() == Code::InvalidArgument => Err(Problem::bad_request(status.message())),
            Err(status) => Err(away(&status)),
        }
    }

    /// All objects of these kinds, each with the name of its kind. Of their documents these fields; none means all.
    pub async fn list(
        &self,
        tenant: &TenantId,
        kinds: &[&str],
        fields: &[&str],
    ) -> Result<Vec<(String, Value)>, Problem> {
        let (mut objects, mut page_token) = (Vec::new(), String::new());
        loop {
            let asked = v1::ListObjectsRequest {
                kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
                fields: fields.iter().map(|field| (*field).to_owned()).collect(),
                page_size: PAGE,
                page_token,
                ..Default::default()
            };
            let asked = net::grpc::for_tenant(Request::new(asked), tenant);
            let page = self.client.clone().list(asked).await.map_err(|status| away(&status))?.into_inner();
            for object in page.objects {
                let found = document(&object)?;
                objects.push((object.kind, found));
            }
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(objects);
            }
            if objects.len() >= OBJECTS_MAX {
                tracing::warn!(%tenant, most = OBJECTS_MAX, "the tenant has more objects than desktops get");
                return Ok(objects);
            }
        }
    }
}

fn document(object: &v1::StoredObject) -> Result<Value, Problem> {
    serde_json::from_str(&object.json).map_err(|error| {
        tracing::error!(kind = object.kind, id = object.id, %error, "an object cannot be read");
        Problem::unavailable(format!("the {} {} cannot be read", object.kind, object.id))
    })
}

fn away(status: &Status) -> Problem {
    match status.code() {
        Code::NotFound => Problem::not_found(status.message().to_owned()),
        _ => {
            tracing::warn!(%status, "tenant does not give its objects");
            Problem::unavailable("the configuration cannot be read now")
        }
    }
}
