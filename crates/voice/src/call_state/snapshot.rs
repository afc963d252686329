//! A snapshot of a tenant's stores for the auditor.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use contracts::v1;
use infra::{QueueRecord, Record, Result, Stores};
use model::{AgentId, ConnId, Dn, Seq, Stamped, Subject, TenantId, Timestamp, Token};
use prost::Message as _;

use super::audit::{AgentSeen, CallSeen, TenantSnapshot};
use super::threads::Threads;

/// The most records of one read.
const PAGE: usize = 500;
/// The most agents whose last event is kept.
const AGENTS_MAX: usize = infra::bounds::RECORDS_MAX;
/// The greatest difference between the registrar's clock and ours: a binding that the registrar has not ended stays valid for this much
/// longer.
const CLOCKS_APART: Duration = Duration::from_secs(120);
/// The supported version of other roles' records; others are ignored.
const VERSION: u32 = 1;

/// The identity of the last event of each agent, from the stream.
#[derive(Debug, Default)]
pub struct Told(HashMap<AgentId, (Token, Seq)>);

impl Told {
    /// Folds an event.
    pub fn fold(&mut self, stamped: &Stamped) {
        let Subject::Agent(agent) = &stamped.id.subject else { return };
        let id = (stamped.id.token, stamped.id.seq);
        if let Some(last) = self.0.get_mut(agent) {
            *last = id.max(*last);
        } else if self.0.len() < AGENTS_MAX {
            self.0.insert(agent.clone(), id);
        }
    }
}

/// Inputs of a snapshot besides the stores.
pub struct Known<'a> {
    /// The open threads.
    pub threads: &'a Threads,
    /// The agents' events.
    pub told: &'a Told,
}

/// Reads the stores. Calls are read last: other records that refer to a new call then find it.
pub async fn look(stores: &Stores, tenant: &TenantId, known: Known<'_>, now: Timestamp) -> Result<TenantSnapshot> {
    let threads = known.threads.open_calls();
    let agents = agents(stores, tenant, known.told).await?;
    let queued = stores.queues.load(tenant).await?.map(|record| queued(&record)).unwrap_or_default();
    let phones = phones(stores, tenant, now).await?;
    let nodes = stores.leases.live("sip-cluster").await?.into_iter().map(|lease| lease.owner).collect();
    let calls = calls(stores, tenant, known.threads).await?;
    Ok(TenantSnapshot { calls, nodes, agents, queued, phones, threads })
}

async fn calls(stores: &Stores, tenant: &TenantId, threads: &Threads) -> Result<Vec<CallSeen>> {
    let mut calls: Vec<CallSeen> = Vec::new();
    let mut after: Option<ConnId> = None;
    loop {
        let page = stores.calls.list(tenant, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(calls) };
        after = Some(last.key);
        calls.extend(page.into_iter().flat_map(|record| calls_of(&record, threads)));
    }
}

/// The calls of a record: a consultation has no record of its own.
fn calls_of(record: &Record<ConnId>, threads: &Threads) -> Vec<CallSeen> {
    let body: v1::CallRecordIds = open("call", &record.state).unwrap_or_default();
    let seen =
        |conn_id, due| CallSeen { conn_id, owner: record.owner.clone(), due, last_event: threads.last_event(conn_id) };
    let further = body.further.iter().map(|call| seen(ConnId(call.conn_id), None));
    std::iter::once(seen(record.key, record.due)).chain(further).collect()
}

// === agents ===

async fn agents(stores: &Stores, tenant: &TenantId, told: &Told) -> Result<Vec<AgentSeen>> {
    let mut agents = Vec::new();
    let mut after: Option<AgentId> = None;
    loop {
        let page = stores.agents.list(tenant, after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(agents) };
        after = Some(last.key.clone());
        agents.extend(page.iter().filter_map(|record| agent(record, told)));
    }
}

fn agent(record: &Record<AgentId>, told: &Told) -> Option<AgentSeen> {
    use v1::AgentRecordState as State;
    let body: v1::AgentRecord = open("agent", &record.state)?;
    let state = body.state();
    Some(AgentSeen {
        agent: record.key.clone(),
        stored: (Token(body.token), Seq(body.seq)),
        told: told.0.get(&record.key).copied(),
        dn: Dn::parse(&body.dn).ok(),
        takes_calls: !matches!(state, State::Unspecified | State::LoggedOut | State::NotReady | State::BusyNotReady),
        busy: matches!(state, State::BusyReady | State::BusyNotReady | State::BusyAfterCallWork),
        calls: body.calls.iter().map(|call| ConnId(call.conn_id)).collect(),
    })
}

/// The body of a role's record, if its kind and version are supported here.
fn open<T: prost::Message + Default>(kind: &str, bytes: &[u8]) -> Option<T> {
    let record = v1::StateRecord::decode(bytes).ok()?;
    (record.kind == kind && record.version == VERSION).then(|| T::decode(record.body).ok())?
}

// === queues ===

fn queued(record: &QueueRecord) -> HashSet<ConnId> {
    let requests = record.requests.iter().filter_map(|(_, bytes)| open::<v1::RequestRecord>("queue", bytes));
    let agents = record.reservations.iter().filter_map(|(_, bytes)| open::<v1::RoutingAgentRecord>("queue", bytes));
    requests.map(|request| request.conn_id).chain(agents.flat_map(|agent| agent.calls)).map(ConnId).collect()
}

// === phones ===

async fn phones(stores: &Stores, tenant: &TenantId, now: Timestamp) -> Result<Option<HashSet<Dn>>> {
    let mut phones: Option<HashSet<Dn>> = None;
    let mut after: Option<Dn> = None;
    loop {
        let page = stores.registrations.list(tenant, after.as_ref(), PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(phones) };
        after = Some(last.clone());
        let counts = |until: Timestamp| until + CLOCKS_APART > now;
        let reachable = page.into_iter().filter(|(_, found)| found.bindings.iter().any(|b| counts(b.expires_at)));
        phones.get_or_insert_default().extend(reachable.map(|(dn, _)| dn));
    }
}
