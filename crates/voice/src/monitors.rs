//! Supervisors that monitor calls of agents: written by agent-state, in the record that names the owner of a tenant's agents; read by
//! sip-cluster, which rings them.

use contracts::v1;
use contracts::wire::{monitor_mode_from_wire, monitor_mode_to_wire, monitor_type_from_wire, monitor_type_to_wire};
use infra::{Loaded, StoreError, Stores};
use model::request::{MonitorMode, MonitorType};
use model::{AgentId, Dn, TenantId, Timestamp};
use prost::Message as _;

/// The key, among a tenant's agents, of the record that names the owner of all of them.
pub const OWNER_RECORD: &str = "@desk";
/// The kind of that record.
pub const OWNER_RECORD_KIND: &str = "agent-desk";
/// The most of one tenant; a request beyond is refused.
pub const MONITORS_MAX: usize = 500;

/// A supervisor that monitors calls of an agent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Monitor {
    /// Never repeats within a tenant.
    pub id: u64,
    /// The supervisor's DN.
    pub supervisor: Dn,
    /// The agent's DN.
    pub dn: Dn,
    /// How it takes part.
    pub mode: MonitorMode,
    /// Which calls.
    pub kind: MonitorType,
    /// When it ends by itself.
    pub until: Timestamp,
}

/// Those of a tenant.
///
/// # Errors
/// As the store's; [`StoreError::Corrupt`] for a record that cannot be read.
pub async fn read(stores: &Stores, tenant: &TenantId) -> infra::Result<Vec<Monitor>> {
    let key = AgentId::parse(OWNER_RECORD).map_err(|error| StoreError::Invalid(error.to_string()))?;
    let Loaded::Live(record) = stores.agents.load(tenant, &key).await? else { return Ok(Vec::new()) };
    let damaged =
        |error: prost::DecodeError| StoreError::Corrupt { what: OWNER_RECORD.to_owned(), reason: error.to_string() };
    let envelope = v1::StateRecord::decode(record.state).map_err(damaged)?;
    if envelope.kind != OWNER_RECORD_KIND {
        let reason = format!("its kind is {:?}", envelope.kind);
        return Err(StoreError::Corrupt { what: OWNER_RECORD.to_owned(), reason });
    }
    let own = v1::AgentDeskRecord::decode(envelope.body).map_err(damaged)?;
    Ok(own.monitors.iter().filter_map(Monitor::from_wire).collect())
}

impl Monitor {
    pub(crate) fn to_wire(&self) -> v1::MonitorRecord {
        v1::MonitorRecord {
            id: self.id,
            supervisor: self.supervisor.to_string(),
            dn: self.dn.to_string(),
            mode: monitor_mode_to_wire(self.mode),
            r#type: monitor_type_to_wire(self.kind),
            until_us: self.until.as_micros(),
        }
    }

    /// None of a record that a later version wrote: that one supervisor is not rung.
    pub(crate) fn from_wire(record: &v1::MonitorRecord) -> Option<Self> {
        Some(Self {
            id: record.id,
            supervisor: Dn::parse(&record.supervisor).ok()?,
            dn: Dn::parse(&record.dn).ok()?,
            mode: monitor_mode_from_wire(record.mode).ok()?,
            kind: monitor_type_from_wire(record.r#type).ok()?,
            until: Timestamp::from_micros(record.until_us),
        })
    }
}
