//! A tenant's virtual queues from rq's rows: the stream keeps facts for minutes, but a call may wait for longer.
//!
//! The position is taken first. A row and its facts are one commit, so rows that are read afterwards contain every fact up to that position.
//! Later facts are folded in again, which is harmless: the last of a stay decides whether it is there.

use contracts::{v1, wire};
use infra::{CallIndex, Loaded, Stores};
use model::event::CallRef;
use model::{CallType, ConnId, QueueName, TenantId, Timestamp, UserData};
use prost::Message as _;

use super::view::{QueueView, Stay};

/// The version of rq's and sip-cluster's records that is understood.
const VERSION: u32 = 1;

/// The view at the stream's present end, and how many rows were left out as unreadable.
///
/// # Errors
/// Those of the stores.
pub async fn view(stores: &Stores, tenant: &TenantId) -> infra::Result<(QueueView, u64)> {
    let position = stores.events.end(tenant).await?;
    let rows = stores.queues.requests(tenant).await?;
    let (mut stays, mut skipped) = (Vec::new(), 0);
    for (id, row) in rows {
        match stay(&row) {
            Ok(Some(mut stay)) => {
                stay.user_data = user_data(stores, tenant, stay.call.conn_id).await?;
                stays.push((id, stay));
            }
            Ok(None) => {}
            Err(reason) => {
                skipped += 1;
                tracing::warn!(%tenant, request = id, reason, "a row of rq cannot be read: its call shows with its next fact");
            }
        }
    }
    Ok((QueueView::begin(position, stays), skipped))
}

/// The stay of a request that waits; none of one that has an agent.
fn stay(row: &[u8]) -> Result<Option<Stay>, String> {
    let record = open("queue", row)?;
    let record = v1::RequestRecord::decode(record.body).map_err(|error| error.to_string())?;
    if record.stage() != v1::RequestStage::Waiting {
        return Ok(None);
    }
    let call = match record.call {
        Some(call) => wire::call_ref_from_wire(call).map_err(|error| error.to_string())?,
        None => unnamed(ConnId(record.conn_id), &record.trace)?,
    };
    Ok(Some(Stay {
        queue: QueueName::parse(&record.queue).map_err(|error| error.to_string())?,
        call,
        user_data: UserData::new(),
        since: Timestamp::from_micros(record.queued_at_us),
    }))
}

/// A call of which rq knew only the ids.
fn unnamed(conn_id: ConnId, trace: &[u8]) -> Result<CallRef, String> {
    let uuid = wire::uuid_from_wire(trace, "trace").map_err(|error| error.to_string())?;
    Ok(CallRef {
        conn_id,
        uuid,
        thread: uuid,
        previous: None,
        call_type: CallType::Unknown,
        propagated_type: None,
        ani: None,
        dnis: None,
    })
}

/// The call's data, from its owner's record; none if that cannot be read.
async fn user_data(stores: &Stores, tenant: &TenantId, conn_id: ConnId) -> infra::Result<UserData> {
    let mut loaded = stores.calls.load(tenant, conn_id).await?;
    if loaded == Loaded::Unknown
        && let Some(first) = stores.calls.lookup(tenant, &CallIndex::Call(conn_id)).await?
    {
        loaded = stores.calls.load(tenant, first).await?;
    }
    let Loaded::Live(record) = loaded else { return Ok(UserData::new()) };
    let body = open("call", &record.state).ok().and_then(|record| v1::CallRecord::decode(record.body).ok());
    let mut models = body.into_iter().flat_map(|body| body.model.into_iter().chain(body.further));
    let model = models.find(|model| model.conn_id == conn_id.0);
    Ok(model.and_then(|model| wire::user_data_from_wire(model.user_data).ok()).unwrap_or_default())
}

fn open(kind: &str, bytes: &[u8]) -> Result<v1::StateRecord, String> {
    let record = v1::StateRecord::decode(bytes).map_err(|error| error.to_string())?;
    if record.kind != kind || record.version != VERSION {
        return Err(format!("it is of kind {} and version {}", record.kind, record.version));
    }
    Ok(record)
}
