//! Starts a view from the ledgers: the stream keeps facts for minutes, but agents stay logged in for a day.
//!
//! The position is taken first. A ledger's record and its facts are one commit, so records read afterwards contain every fact up to that
//! position. Later facts are folded in again, which is harmless: the last of them sets the final state.

use std::collections::BTreeMap;
use std::sync::Arc;

use contracts::v1::{self, PartyState};
use contracts::wire::{self, WireError};
use infra::{AgentLedger, CallLedger, EventStream, Position, QueueLedger, Registrations, Result, Stores};
use model::event::CallRef;
use model::{AgentId, CallType, ConnId, DnRole, TenantId, Timestamp, WorkMode};
use prost::Message;

use super::metrics::Metrics;
use super::view::{Agent, Call, View};

/// The most records of one read.
const PAGE: usize = 500;
/// The supported version of other roles' records.
const VERSION: u32 = 1;
/// The kind of agent-state's records of agents; it also has records of other kinds.
const AGENT: &str = "agent";
/// The kind of sip-cluster's records of calls.
const CALL: &str = "call";
/// The kind of rq's rows of calls that wait in virtual queues.
const QUEUE: &str = "queue";

/// The stores that a view is read from.
#[derive(Clone)]
pub(super) struct Sources {
    pub(super) events: Arc<dyn EventStream>,
    pub(super) agents: Arc<dyn AgentLedger>,
    pub(super) calls: Arc<dyn CallLedger>,
    pub(super) queues: Arc<dyn QueueLedger>,
    pub(super) registrations: Arc<dyn Registrations>,
}

impl Sources {
    /// The stores of a replica.
    pub fn of(stores: &Stores) -> Self {
        Self {
            events: stores.events.clone(),
            agents: stores.agents.clone(),
            calls: stores.calls.clone(),
            queues: stores.queues.clone(),
            registrations: stores.registrations.clone(),
        }
    }
}

/// The state of a tenant from its records, and the stream position from which to continue.
pub(super) async fn view(from: &Sources, metrics: &Metrics, tenant: &TenantId) -> Result<(View, Position)> {
    let position = from.events.end(tenant).await?;
    let mut read = Reading { view: View::default(), skipped: 0, first: None };
    agents(from, tenant, &mut read).await?;
    calls(from, tenant, &mut read).await?;
    // Behind the calls: a row may outlive its call.
    stays(from, tenant, &mut read).await?;
    phones(from, tenant, &mut read.view).await?;
    if let Some(first) = read.first {
        metrics.records_skipped(read.skipped);
        tracing::warn!(%tenant, records = read.skipped, first, "records cannot be read: whom they are of shows with the next event");
    }
    Ok((read.view, position))
}

/// A view being read, and the records that were unreadable.
struct Reading {
    view: View,
    skipped: u64,
    first: Option<String>,
}

impl Reading {
    fn skip(&mut self, key: &impl std::fmt::Display, error: &Unreadable) {
        self.skipped += 1;
        self.first.get_or_insert_with(|| format!("{key}: {error}"));
    }
}

async fn agents(from: &Sources, tenant: &TenantId, read: &mut Reading) -> Result<()> {
    let mut after: Option<AgentId> = None;
    loop {
        let page = from.agents.list(tenant, after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.key.clone());
        // Keys of agent-state's other records begin with @.
        for record in page.into_iter().filter(|record| !record.key.as_str().starts_with('@')) {
            match open::<v1::AgentRecord>(AGENT, &record.state) {
                Ok(body) => read.view.agent_stands(record.key, body.and_then(agent)),
                Err(error) => read.skip(&record.key, &error),
            }
        }
        tokio::task::yield_now().await;
    }
}

async fn calls(from: &Sources, tenant: &TenantId, read: &mut Reading) -> Result<()> {
    let mut after: Option<ConnId> = None;
    loop {
        let page = from.calls.list(tenant, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.key);
        for record in page {
            match open::<v1::CallRecord>(CALL, &record.state) {
                Ok(thread) => calls_of_thread(&record.key, thread.unwrap_or_default(), read),
                Err(error) => read.skip(&record.key, &error),
            }
        }
        tokio::task::yield_now().await;
    }
}

/// The first call of a thread and its consultations: one record.
fn calls_of_thread(key: &ConnId, thread: v1::CallRecord, read: &mut Reading) {
    for model in thread.model.into_iter().chain(thread.further) {
        let id = ConnId(model.conn_id);
        match call(model) {
            Ok(call) => read.view.call_stands(id, call),
            Err(error) => read.skip(key, &error),
        }
    }
}

/// Reads which calls wait in which virtual queues.
async fn stays(from: &Sources, tenant: &TenantId, read: &mut Reading) -> Result<()> {
    for (id, row) in from.queues.requests(tenant).await? {
        match open::<v1::RequestRecord>(QUEUE, &row) {
            Ok(Some(row)) if row.stage() == v1::RequestStage::Waiting => {
                read.view.stay_stands(ConnId(row.conn_id), stay(row));
            }
            Ok(_) => {}
            Err(error) => read.skip(&id, &error),
        }
    }
    Ok(())
}

/// Reads the phones as recorded, without the clock: an expired phone stays in service until registrar reports otherwise.
async fn phones(from: &Sources, tenant: &TenantId, view: &mut View) -> Result<()> {
    let mut after = None;
    loop {
        let page = from.registrations.list(tenant, after.as_ref(), PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = Some(last.clone());
        let registered = page.into_iter().filter(|(_, held)| !held.bindings.is_empty());
        registered.for_each(|(dn, _)| view.phone_stands(&dn));
        tokio::task::yield_now().await;
    }
}

// === one record ===

/// Why a record is unreadable.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error("it is damaged")]
    Damaged(#[from] prost::DecodeError),
    #[error("it is of version {0}")]
    Version(u32),
    #[error(transparent)]
    Field(#[from] WireError),
}

/// The body of a role's record; `None` if it is of another kind.
fn open<T: Message + Default>(kind: &str, bytes: &[u8]) -> std::result::Result<Option<T>, Unreadable> {
    let record = v1::StateRecord::decode(bytes)?;
    if record.kind != kind {
        return Ok(None);
    }
    if record.version != VERSION {
        return Err(Unreadable::Version(record.version));
    }
    Ok(Some(T::decode(record.body)?))
}

/// The agent's state after its last event; `None` if it is logged out.
fn agent(record: v1::AgentRecord) -> Option<Agent> {
    use v1::AgentRecordState as State;
    let ready = match record.state() {
        State::Unspecified | State::LoggedOut => return None,
        State::Ready | State::BusyReady => true,
        State::NotReady | State::AfterCallWork | State::BusyNotReady | State::BusyAfterCallWork => false,
    };
    let work_mode = wire::work_mode_from_wire(record.mode).ok().filter(|mode| *mode != WorkMode::Unknown);
    Some(Agent { dn: record.dn, ready, work_mode, since: Timestamp::from_micros(record.since_us) })
}

/// The virtual queue where a call waits, as a party of it.
fn stay(row: v1::RequestRecord) -> v1::PartyStatus {
    v1::PartyStatus {
        dn: row.queue.clone(),
        state: PartyState::Queued.into(),
        role: Some(wire::dn_role_to_wire(DnRole::Destination)),
        other_dn: row.call.and_then(|call| call.ani),
        this_queue: Some(row.queue),
        since_us: row.queued_at_us,
    }
}

/// What the call's events say of it.
fn call_ref(record: &v1::CallModelRecord) -> std::result::Result<CallRef, WireError> {
    let uuid = wire::uuid_from_wire(&record.uuid, "uuid")?;
    let about = record.consults_for.as_ref();
    Ok(CallRef {
        conn_id: ConnId(record.conn_id),
        uuid,
        thread: about.map_or(Ok(uuid), |about| wire::uuid_from_wire(&about.thread, "consults_for.thread"))?,
        previous: about.map(|about| ConnId(about.conn_id)),
        call_type: match (about, &record.caller_dn, record.outbound) {
            (Some(_), ..) => CallType::Consult,
            (None, None, _) => CallType::Inbound,
            (None, Some(_), true) => CallType::Outbound,
            (None, Some(_), false) => CallType::Internal,
        },
        propagated_type: about.map(|about| wire::call_type_from_wire(about.call_type)).transpose()?,
        ani: Some(record.caller_dn.as_ref().unwrap_or(&record.caller_number).clone()),
        dnis: Some(record.dialled.clone()),
    })
}

/// The call's state after its events; `None` if it is over, or if none has told of it yet.
fn call(mut record: v1::CallModelRecord) -> std::result::Result<Option<Call>, Unreadable> {
    use v1::call_model_record::Stage;
    if record.unannounced {
        return Ok(None);
    }
    contracts::call_record::upgrade(&mut record);
    let call = call_ref(&record)?;
    let caller = record.caller_dn.as_ref().unwrap_or(&record.caller_number);
    let target = match &record.stage {
        Some(Stage::Over(_)) => return Ok(None),
        Some(Stage::Waiting(waiting)) => waiting.point.as_ref().map(|p| (&p.dn, PartyState::Queued, Some(p))),
        Some(Stage::Offering(offer)) if offer.rang && offer.trunk.is_none() => {
            Some((&offer.dn, PartyState::Alerting, offer.point.as_ref()))
        }
        _ => match record.invitation.as_ref().and_then(|open| open.step.as_ref()) {
            Some(v1::invitation_record::Step::Ringing(offer)) if offer.rang && offer.trunk.is_none() => {
                Some((&offer.dn, PartyState::Alerting, None))
            }
            _ => None,
        },
    };
    let since_us = record.last_at_us;
    let target = target.map(|(dn, state, queue)| v1::PartyStatus {
        dn: dn.clone(),
        state: state.into(),
        role: Some(wire::dn_role_to_wire(DnRole::Destination)),
        other_dn: Some(caller.clone()),
        this_queue: queue.map(|point| point.dn.clone()),
        since_us,
    });
    let joined = record.parties.iter().filter_map(|party| joined(&record, party, target.as_ref()));
    let parties: BTreeMap<_, _> = joined.chain(target.clone()).map(|party| (party.dn.clone(), party)).collect();
    let (call, changed) = (wire::call_ref_to_wire(&call), Timestamp::from_micros(record.last_at_us));
    let user_data = wire::user_data_from_wire(record.user_data)?;
    Ok(Some(Call { call, parties, user_data, changed }))
}

/// A party that called or has answered, with the time of the call's last fact as the start of its state: the record contains no
/// better time. None behind a trunk: it has no DN.
fn joined(
    record: &v1::CallModelRecord,
    party: &v1::PartyRecord,
    target: Option<&v1::PartyStatus>,
) -> Option<v1::PartyStatus> {
    let is_gone = |party: &v1::PartyRecord| party.connection() == v1::ConnectionRecord::Gone;
    if is_gone(party) {
        return None;
    }
    let state = match (party.held, party.established) {
        (true, _) => PartyState::Held,
        (false, true) => PartyState::Connected,
        (false, false) => PartyState::Dialing,
    };
    let mut others = record.parties.iter().filter(|other| other.number != party.number && !is_gone(other));
    let other_dn = match (others.next(), others.next()) {
        (Some(peer), None) => Some(peer.dn.as_ref().unwrap_or(&peer.trunk_number).clone()),
        (Some(_), Some(_)) => None,
        (None, _) => Some(target.map_or(&record.dialled, |target| &target.dn).clone()),
    };
    Some(v1::PartyStatus {
        dn: party.dn.clone()?,
        state: state.into(),
        role: Some(party.role),
        other_dn,
        this_queue: party.point.as_ref().map(|point| point.dn.clone()),
        since_us: record.last_at_us,
    })
}
