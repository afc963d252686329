//! Reads a tenant's objects from tenant (8888), one after the other: memory does not grow with their number.

use std::time::Duration;

use anyhow::{Context as _, bail};
use contracts::provisioning::{Object, ObjectKind};
use contracts::v1;
use contracts::v1::configuration_client::ConfigurationClient;
use contracts::v1::read_objects_response::What;
use jiff::tz::TimeZone;
use model::TenantId;
use net::grpc::Channel;

/// Time for the next object.
const NEXT_WITHIN: Duration = Duration::from_secs(15);

/// Reads objects.
pub(super) struct Inventory {
    client: ConfigurationClient<Channel>,
}

impl Inventory {
    pub const fn new(client: ConfigurationClient<Channel>) -> Self {
        Self { client }
    }

    /// The time zone of a tenant's clocks.
    pub async fn zone(&self, tenant: &TenantId) -> anyhow::Result<TimeZone> {
        let mut name: Option<String> = None;
        let read = |object: &Object| {
            if let Object::Tenant(tenant) = object {
                name.clone_from(&tenant.time_zone);
            }
            Ok(())
        };
        self.read(tenant, &[ObjectKind::Tenant], read).await?;
        let Some(name) = name else { return Ok(TimeZone::UTC) };
        TimeZone::get(&name).with_context(|| format!("there is no time zone {name}"))
    }

    /// Reads all objects of these kinds, and returns the revision at which all of them stood.
    pub async fn read(
        &self,
        tenant: &TenantId,
        kinds: &[ObjectKind],
        mut each: impl FnMut(&Object) -> anyhow::Result<()> + Send,
    ) -> anyhow::Result<u64> {
        let kinds = kinds.iter().map(|kind| kind.as_str().to_owned()).collect();
        let asked = v1::ReadObjectsRequest { kinds, id: String::new() };
        let asked = net::grpc::for_tenant(tonic::Request::new(asked), tenant);
        let mut client = self.client.clone();
        let answered = tokio::time::timeout(NEXT_WITHIN, client.read_objects(asked)).await;
        let mut answers = answered.context("tenant does not answer")??.into_inner();
        loop {
            let answer = tokio::time::timeout(NEXT_WITHIN, answers.message()).await.context("silence")??;
            match answer.and_then(|answer| answer.what) {
                Some(What::Revision(revision)) => return Ok(revision),
                Some(What::Object(object)) => {
                    let kind = ObjectKind::parse(&object.kind).context("an object of an unknown kind")?;
                    let read = Object::from_json(kind, object.json.as_bytes());
                    each(&read.with_context(|| format!("{} {} cannot be read", object.kind, object.id))?)?;
                }
                None => bail!("the objects end without a revision"),
            }
        }
    }
}
