//! The lookup of a call's owner: what is asked, what proxies say of nodes, and the answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use infra::{CallIndex, Record};
use model::{ConnId, NodeId, Owner, TenantId};
use sip::{ConnectionId, proxy};

/// The role whose nodes own calls.
pub const ROLE: &str = "sip-cluster";
/// A failure report is valid for at least this long: longer than a proxy takes to repeat which nodes it sees live.
const REPORT_VALID_FOR: Duration = Duration::from_millis(500);
/// A call to look up for messages that wait.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lookup {
    /// Its tenant.
    pub tenant: TenantId,
    /// How the messages name it.
    pub named: CallIndex,
    /// A node reported as failed: its calls may be claimed at once.
    pub gone: Option<FailureReport>,
    /// Whether a living owner is asked to hand it over: a phone joins it with a call that is here.
    pub joins: bool,
}

impl Lookup {
    /// A lookup of a call by its id.
    pub fn of_call(tenant: TenantId, conn_id: ConnId, gone: Option<FailureReport>) -> Self {
        Self { tenant, named: CallIndex::Call(conn_id), gone, joins: false }
    }

    /// A lookup of a call that a phone joins with one that is here.
    pub fn to_join(tenant: TenantId, conn_id: ConnId) -> Self {
        Self { joins: true, ..Self::of_call(tenant, conn_id, None) }
    }

    /// The same lookup once `waited` has passed; an expired failure report is removed. A report describes the past: a node that
    /// stood still may be back, its calls confirmed as its own. Reports from disconnected proxies are ignored, because they
    /// cannot be retracted.
    pub fn after(&self, waited: Duration, seen: &SeenLive) -> Self {
        let holds = |gone: &FailureReport| match gone {
            _ if waited < REPORT_VALID_FOR => true,
            FailureReport::Owner { owner, by } => seen.0.get(by).is_some_and(|live| !live.contains(owner)),
            FailureReport::Node(_) => false,
        };
        Self { gone: self.gone.clone().filter(holds), ..self.clone() }
    }
}

/// Owners that each connected proxy sees live, by the number of the connection.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SeenLive(pub BTreeMap<ConnectionId, Vec<Owner>>);

impl SeenLive {
    /// Nodes of this role that any proxy sees live.
    pub fn owners(&self) -> Vec<Owner> {
        self.0.values().flatten().filter(|owner| is_ours(owner)).cloned().collect()
    }

    /// Nodes of that role that any proxy sees live, each once, in their order.
    pub fn of_role(&self, role: &str) -> Vec<Owner> {
        let is_of_role = |owner: &&Owner| owner.node.as_str().rsplit_once('-').is_some_and(|(name, _)| name == role);
        let nodes: BTreeSet<Owner> = self.0.values().flatten().filter(is_of_role).cloned().collect();
        nodes.into_iter().collect()
    }

    /// Whether a proxy sees that owner live.
    pub fn contains(&self, owner: &Owner) -> bool {
        self.0.values().any(|live| live.contains(owner))
    }
}

/// A node reported as failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FailureReport {
    /// One run of a node, reported by the proxy at that connection.
    Owner {
        /// The node.
        owner: Owner,
        /// The connection.
        by: ConnectionId,
    },
    /// A node: nothing listens at its address.
    Node(NodeId),
}

impl FailureReport {
    /// Whether the report covers that owner.
    pub fn is(&self, owner: &Owner) -> bool {
        match self {
            Self::Owner { owner: gone, .. } => gone == owner,
            Self::Node(node) => *node == owner.node,
        }
    }
}

/// Result of a ledger lookup.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// This node has claimed it.
    Ours(Box<Record<ConnId>>),
    /// Another node owns it.
    Elsewhere(Owner),
    /// It is over.
    Ended,
    /// There is no such call.
    Unknown,
    /// The lookup had no result in time.
    Unanswered,
}

/// Whether a node is one that owns calls.
fn is_ours(owner: &Owner) -> bool {
    owner.node.as_str().rsplit_once('-').is_some_and(|(role, _)| role == ROLE)
}

/// Whether `us` is the successor for a call, given the nodes seen live.
pub fn is_successor(us: &Owner, live: &[Owner], call: ConnId) -> bool {
    proxy::successor(live, call) == Some(us)
}

/// How long a successor other than this node has to claim its calls.
pub const LEFT_TO_OTHERS: Duration = Duration::from_secs(3);
