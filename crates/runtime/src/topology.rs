//! Every connection of an instance with its state and counts, combined from the reports of its roles.

mod judge;
mod sum;

use model::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::admin::TopologyReport;
use crate::admin_listener::AdminListener;
use crate::connections::coverage::{self, Coverage, Totals};
use crate::connections::{self, Connection};
use crate::meter::Side;
use crate::spec::RoleSpec;

/// The report of one replica, or why it is missing.
#[derive(Clone, Debug)]
pub struct ReplicaReport {
    /// The replica's admin listener.
    pub listener: AdminListener,
    /// Its report, or as text why there is none.
    pub report: Result<TopologyReport, String>,
}

/// The whole topology: the document of `trunkline topology --json` and of the operations API.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Topology {
    /// When it was combined, in ms since the Unix epoch.
    pub at: u64,
    /// Number of the instance.
    pub instance: u8,
    /// Every replica that the instance should have.
    pub roles: Vec<RoleRow>,
    /// Every row of the table: the published ones, then ours.
    pub connections: Vec<Row>,
    /// How much of the published table is covered.
    pub coverage: Totals,
}

/// One replica.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RoleRow {
    /// The role.
    pub role: String,
    /// The node.
    pub node: String,
    /// Its cluster address.
    pub address: String,
    /// Whether it is ready.
    pub ready: bool,
    /// Conditions that are not met, with reasons; or that the replica does not answer.
    pub missing: Vec<String>,
    /// Its process id; none if it does not answer.
    pub pid: Option<u32>,
    /// How often it has been started by its process, from 1.
    pub lives: Option<u32>,
    /// When its present run began, in ms since the Unix epoch.
    pub since: Option<u64>,
    /// Its clock, in ms since the Unix epoch.
    pub clock: Option<u64>,
}

/// One row of the table.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Id.
    pub id: String,
    /// The party that opens it.
    pub from: String,
    /// The party that accepts it.
    pub to: String,
    /// Protocol.
    pub protocol: String,
    /// Port or ports.
    pub port: String,
    /// The data that it carries.
    pub carries: String,
    /// An error in the drawing, or the reason for our own row.
    pub note: String,
    /// Whether it is our own, not a published one.
    pub own: bool,
    /// How far it is implemented.
    pub coverage: Coverage,
    /// The test that has seen bytes on it.
    pub proof: Option<String>,
    /// The ids under which it is measured, if it is in two drawings.
    pub same_as: Vec<String>,
    /// Its state.
    pub state: RowState,
    /// Why a connection is missing or fails, as text.
    pub why: Vec<String>,
    /// Sums over `peers` of one side: the side that opens it if that is ours, else the side that accepts it.
    #[serde(flatten)]
    pub sums: Counts,
    /// Counts of each replica for each of its peers, on both sides.
    pub peers: Vec<PeerRow>,
}

/// Counts. Bytes are seen from the counting side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Open connections.
    pub open: u64,
    /// Attempts to connect.
    pub attempts: u64,
    /// Requests or messages.
    pub requests: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Failed attempts and requests.
    pub errors: u64,
    /// When it was last used, in ms since the Unix epoch.
    pub last_use: Option<u64>,
}

/// Counts of one replica for one peer.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeerRow {
    /// The counting node.
    pub node: String,
    /// Whether it opens or accepts.
    pub side: Side,
    /// The peer.
    pub peer: String,
    /// Its counts.
    #[serde(flatten)]
    pub counts: Counts,
}

/// The state of a row over all replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RowState {
    /// At least one connection is open.
    Open,
    /// It was used; no connection is open now.
    Idle,
    /// It was not used yet.
    Unused,
    /// The last attempt or request failed, and no connection is open.
    Failing,
    /// The other side is embedded in the process: there is no socket.
    Embedded,
    /// A running role should have it, but has not.
    Missing,
    /// No running role has it.
    Absent,
}

impl RowState {
    /// As printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Idle => "idle",
            Self::Unused => "unused",
            Self::Failing => "failing",
            Self::Embedded => "embedded",
            Self::Missing => "missing",
            Self::Absent => "absent",
        }
    }
}

impl Topology {
    /// Combines the reports of all replicas.
    pub fn of(at: Timestamp, instance: u8, table: &[&'static RoleSpec], heard: &[ReplicaReport]) -> Self {
        let mut connections: Vec<Row> = connections::all().iter().map(|c| measured(table, c, heard)).collect();
        let again: Vec<Row> =
            connections.iter().filter(|row| !row.same_as.is_empty()).map(|row| sum::again(row, &connections)).collect();
        for row in again {
            if let Some(place) = connections.iter_mut().find(|other| other.id == row.id) {
                *place = row;
            }
        }
        let roles = heard.iter().map(role_row).collect();
        Self { at: at.as_millis(), instance, roles, connections, coverage: coverage::totals(table) }
    }

    /// Whether any replica has answered.
    pub fn runs(&self) -> bool {
        self.roles.iter().any(|role| role.pid.is_some())
    }

    /// Faults: roles that are not ready, connections that are missing or fail.
    pub fn faults(&self) -> Vec<String> {
        let not_ready = self.roles.iter().filter(|role| !role.ready);
        let mut faults: Vec<String> =
            not_ready.map(|role| format!("{} is not ready: {}", role.node, role.missing.join("; "))).collect();
        let broken = |row: &&Row| matches!(row.state, RowState::Missing | RowState::Failing) && row.same_as.is_empty();
        for row in self.connections.iter().filter(broken) {
            let (id, from, to) = (&row.id, &row.from, &row.to);
            let state = if row.state == RowState::Missing { "is missing" } else { "fails" };
            faults.push(format!("{id} ({from} → {to}) {state}: {}", row.why.join("; ")));
        }
        faults
    }
}

fn measured(table: &[&'static RoleSpec], c: &Connection, heard: &[ReplicaReport]) -> Row {
    let peers = sum::peers(c, heard);
    let (state, why) = judge::judge(table, c, heard);
    let again = coverage::drawn_again_as(c.id);
    let coverage = coverage::of(table, c);
    Row {
        id: c.id.to_owned(),
        from: c.from.to_owned(),
        to: c.to.to_owned(),
        protocol: c.protocol.to_owned(),
        port: c.port.to_owned(),
        carries: c.carries.to_owned(),
        note: c.note.to_owned(),
        own: c.is_own(),
        coverage,
        proof: (coverage == Coverage::Proven).then(|| coverage::proof(c.id)).flatten().map(str::to_owned),
        same_as: again.into_iter().map(str::to_owned).collect(),
        state,
        why,
        sums: sum::sums(&peers),
        peers,
    }
}

fn role_row(heard: &ReplicaReport) -> RoleRow {
    let listener = &heard.listener;
    let said = heard.report.as_ref();
    RoleRow {
        role: listener.role.to_owned(),
        node: listener.node.clone(),
        address: listener.address.ip().to_string(),
        ready: said.is_ok_and(|report| report.ready),
        missing: said.map_or_else(|why| vec![why.clone()], |report| report.missing.clone()),
        pid: said.ok().map(|report| report.pid),
        lives: said.ok().map(|report| report.lives),
        since: said.ok().map(|report| report.since_ms),
        clock: said.ok().map(|report| report.clock_ms),
    }
}

#[cfg(test)]
mod tests;
