//! Where the replicas of the roles are told from: the settings alone, or a registry that each replica joins.
//!
//! [`announce`] tells the source of a replica, [`follow`] takes what the source tells of a role into the [`Directory`]. No role knows which
//! source it is. Which addresses there can be, and whose they are, the settings say alone: a source says only which of them are there. The
//! logic is in [`announced`], [`sieve`] and [`followed`], without I/O.
//!
//! [`Directory`]: crate::directory::Directory

pub mod announced;
pub mod followed;
mod joined;
pub mod settings;
pub mod sieve;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use model::Entropy;

pub use announced::AnnounceStep;
pub use joined::{AnnounceOutcome, AnswerOutcome, Counts, JoinParts, JoinReadiness, announce, follow};
pub use settings::DiscoverySettings;

use crate::counted_connector::CountedConnector;
use crate::spec::{Place, RoleSpec};

/// The name of the source among the peers of its connections.
pub const PEER: &str = "consul";
/// The pause after the first failure; doubles with each further one.
const RETRY_FIRST: Duration = Duration::from_millis(500);
/// The longest pause. Shorter than [`followed::GONE_AFTER`]: a source that comes back hears of every replica before one is missed.
const RETRY_MAX: Duration = Duration::from_secs(10);

/// Tells processes where the replicas of roles are.
pub trait DirectorySource: Send + Sync {
    /// The client of a replica, which opens its connections by what `connector` makes; none if nobody need be told and nothing changes. It
    /// opens nothing yet.
    ///
    /// # Errors
    /// If the settings cannot be used.
    fn client(
        &self,
        replica: JoiningReplica,
        connector: &dyn Fn() -> CountedConnector,
    ) -> anyhow::Result<Option<Arc<dyn SourceClient>>>;
}

/// How one replica speaks with a source. Every call ends by itself after a deadline.
pub trait SourceClient: Send + Sync {
    /// The source for people, without secrets, as `consul at http://127.0.0.1:8500`.
    fn place(&self) -> String;

    /// Tells the source that the replica is there, and how it is.
    fn announce(&self, step: AnnounceStep, health: ReplicaHealth) -> BoxFuture<'_, Result<(), SourceFault>>;

    /// Tells the source that the replica goes.
    fn withdraw(&self) -> BoxFuture<'_, Result<(), SourceFault>>;

    /// The replicas of a role: at once, or, with the index of an answer, when they have changed since or some time has passed.
    fn replicas(&self, role: &'static str, after: Option<u64>) -> BoxFuture<'_, Result<RoleAnswer, SourceFault>>;
}

/// The settings alone: the addresses follow from the instance and the numbers of replicas, and stay.
#[derive(Clone, Copy, Debug, Default)]
pub struct StaticSource;

impl DirectorySource for StaticSource {
    fn client(
        &self,
        _: JoiningReplica,
        _: &dyn Fn() -> CountedConnector,
    ) -> anyhow::Result<Option<Arc<dyn SourceClient>>> {
        Ok(None)
    }
}

/// A replica, as a source is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoiningReplica {
    /// Its role.
    pub role: &'static str,
    /// Its node, as `gws-workspace-2`.
    pub node: String,
    /// Number of its instance: others with the same source are told apart by it.
    pub instance: u8,
    /// Where other roles reach it: its first listener in the cluster, or its admin port.
    pub address: SocketAddr,
}

/// Whether a replica is ready, as it tells the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplicaHealth {
    /// Every condition is met.
    Ready,
    /// The conditions that are not met. Others still find it: where all wait for the same server, they would find nobody.
    Waiting(String),
}

/// What a source tells of a role. Whoever may write into the source can have written any of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleAnswer {
    /// Which answer it is: the next question waits for a later one. 0 if the source cannot wait.
    pub index: u64,
    /// The addresses of the replicas that are not known to have failed.
    pub replicas: Vec<SocketAddr>,
    /// How many more there are whose address is none of IP with a port.
    pub unreadable: usize,
    /// Why it may lack replicas that there are, and what a person has to do; none if it has all that the source knows.
    pub incomplete: Option<String>,
}

/// Why a source did not do as it was told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceFault {
    /// It does not answer, or cannot do anything now.
    #[error("{0}")]
    Away(String),
    /// It refuses: a person has to see to that.
    #[error("{0}")]
    Refused(String),
    /// It does not know the replica, which has to register.
    #[error("it does not know the replica")]
    Unknown,
    /// The answer does not have the agreed shape.
    #[error("not the agreed shape: {0}")]
    Shape(String),
}

/// The port with which each replica of a role is announced: that of its first listener in the cluster, or its admin port.
pub fn announced_port(spec: &RoleSpec) -> u16 {
    let listener = spec.listens.iter().find(|listen| listen.place == Place::Cluster && listen.port > 0);
    listener.map_or(spec.admin_port, |listen| listen.port)
}

/// The pause after so many attempts in a row that came to nothing: between half of the doubled one and all of it, so that those that failed
/// together do not come back together.
fn pause_after(attempts: u32, first: Duration, longest: Duration, entropy: &mut dyn Entropy) -> Duration {
    let half = model::doubling_pause(first, longest, attempts) / 2;
    let micros = u64::try_from(half.as_micros()).unwrap_or(u64::MAX);
    half + Duration::from_micros(entropy.below(micros.saturating_add(1)))
}

/// The pause after so many failures in a row.
fn retry_after(failures: u32, entropy: &mut dyn Entropy) -> Duration {
    pause_after(failures, RETRY_FIRST, RETRY_MAX, entropy)
}

#[cfg(test)]
mod tests {
    use model::entropy::Seeded;

    use super::*;
    use crate::spec::{Listen, Protocol};

    #[test]
    fn pauses_grow_and_differ_and_end_before_a_replica_is_missed() {
        let mut entropy = Seeded::new(7);
        let pauses: Vec<Duration> = (1..40).map(|failures| retry_after(failures, &mut entropy)).collect();
        assert!(pauses[0] >= RETRY_FIRST / 2 && pauses[0] <= RETRY_FIRST);
        assert!(pauses.iter().all(|pause| *pause <= RETRY_MAX && *pause < followed::GONE_AFTER));
        let late = &pauses[10..];
        assert!(late.iter().all(|pause| *pause >= RETRY_MAX / 2));
        assert!(late.windows(2).any(|two| two[0] != two[1]), "they are spread");
    }

    #[test]
    fn a_replica_is_announced_with_its_first_port_in_the_cluster() {
        const fn listen(port: u16, place: Place) -> Listen {
            Listen { name: "http", protocol: Protocol::Http, port, place, accepts: &[] }
        }
        static PAGES: &[Listen] = &[listen(443, Place::Edge), listen(0, Place::Cluster), listen(8_080, Place::Cluster)];
        let pages = RoleSpec { listens: PAGES, ..RoleSpec::bare("gws-workspace", 27) };
        assert_eq!(announced_port(&pages), 8_080);
        assert_eq!(announced_port(&RoleSpec::bare("rq", 10)), 9_090, "that of admin HTTP");
    }

    #[test]
    fn nobody_joins_the_settings() {
        let address = SocketAddr::from(([127, 0, 10, 1], 12_100));
        let replica = JoiningReplica { role: "rq", node: "rq-1".to_owned(), instance: 0, address };
        assert!(StaticSource.client(replica, &|| panic!("it opens nothing")).unwrap().is_none());
    }
}
