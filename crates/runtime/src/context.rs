//! The context that a role gets when it starts.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::http::Method;
use infra::{Clock, Stores};
use model::{Epoch, NodeId, Owner};

use crate::admin::AdminSlot;
use crate::api_family::TakenFamilies;
use crate::directory::Directory;
use crate::drain::Drain;
use crate::edge::{self, EdgeBounds};
use crate::entropy::Strong;
use crate::gate::Gate;
use crate::installation_key::InstallationKey;
use crate::listener::Bound;
use crate::meter::{Meter, Meters, Side};
use crate::metrics::{Metrics, OfEveryRole};
use crate::readiness::Readiness;
use crate::settings::{SectionSettings, Values};
use crate::spec::{Listen, Place, RoleSpec};
use crate::supervisor::Tasks;
use crate::token::{KeyStatements, ServiceIssuer, TokenVerifier};

/// Everything that a role gets: its identity, its resources, and the signal to stop.
///
/// Cheap to clone; each run of a role has one.
#[derive(Clone)]
pub struct RoleContext {
    /// The role's declaration.
    pub spec: &'static RoleSpec,
    /// The node: `<role>-<replica>`.
    pub node: NodeId,
    /// Epoch of this run of the node.
    pub epoch: Epoch,
    /// Number of the instance: second octet of its addresses.
    pub instance: u8,
    /// Number of the replica, from 1.
    pub replica: u8,
    /// The replica's cluster address.
    pub address: IpAddr,
    /// Every role of this program, whether this process runs it or not.
    pub table: &'static [&'static RoleSpec],
    /// Addresses of other roles.
    pub directory: Directory,
    /// The role's readiness conditions.
    pub ready: Readiness,
    /// The signal to stop.
    pub drain: Drain,
    /// The present time.
    pub clock: Arc<dyn Clock>,
    /// Verifies caller tokens.
    pub tokens: TokenVerifier,
    /// The key for MACs and for what is confidential in records.
    pub installation_key: InstallationKey,
    /// Registry for the role's metrics.
    pub metrics: Metrics,
    /// Counters of the shell about the role, its listeners included.
    pub own: OfEveryRole,
    /// The stores; a role uses those that its connections allow.
    pub stores: Stores,
    /// The process's data directory.
    pub data_dir: PathBuf,
    /// The replica's memory of the latest calls.
    pub trace: crate::trace::Recorder,
    pub(crate) service: ServiceIssuer,
    pub(crate) values: Arc<Values>,
    pub(crate) meters: Meters,
    pub(crate) admin: AdminSlot,
    pub(crate) tasks: Tasks,
}

impl RoleContext {
    /// The node in this run: the owner of its calls.
    pub fn owner(&self) -> Owner {
        Owner { node: self.node.clone(), epoch: self.epoch }
    }

    /// The role's settings. They were checked at start, so this fails only if `S` is not the spec's table.
    pub fn settings<S: SectionSettings>(&self) -> anyhow::Result<S> {
        Ok(self.values.read(self.spec.name)?)
    }

    /// A new strong source of randomness.
    pub fn entropy(&self) -> Box<dyn model::Entropy> {
        Box::new(Strong::seeded_by_system())
    }

    /// The meter of a connection by its id; whether it is opened or accepted follows from the spec.
    pub fn meter(&self, id: &str) -> Meter {
        let side = if self.spec.opens.contains(&id) { Side::Opens } else { Side::Accepts };
        self.meters.meter(id, side)
    }

    /// The declared listener of that name.
    pub fn listen(&self, name: &str) -> anyhow::Result<&'static Listen> {
        self.spec.listen(name).with_context(|| format!("{} declares no listener {name:?}", self.spec.name))
    }

    /// The first address that the listener of that name binds, and the one that it advertises.
    pub fn bound(&self, name: &str) -> anyhow::Result<Bound> {
        self.bounds(name).map(|bounds| bounds.first)
    }

    /// The addresses that the listener of that name binds, each with the one that it advertises.
    pub fn bounds(&self, name: &str) -> anyhow::Result<EdgeBounds> {
        let listen = self.listen(name)?;
        match listen.place {
            Place::Edge => Ok(edge::bounds(self.spec, listen, self.instance, self.replica, &self.values)?),
            Place::Cluster => {
                let listen = SocketAddr::new(self.address, listen.port);
                Ok(Bound { listen, advertise: listen.into() }.into())
            }
        }
    }

    /// A token with which this role calls the role `audience`, to which it has a connection.
    pub fn token_for(&self, audience: &str) -> anyhow::Result<String> {
        Ok(self.service.token(self.node.as_str(), audience)?)
    }

    /// What this role says, by its own key, of the keys that verify tokens and of what was revoked: for role auth, which others believe.
    pub fn key_statements(&self) -> KeyStatements {
        KeyStatements::new(self.service.clone(), self.tokens.believed())
    }

    /// The gate of a listener: verifies callers and counts them. `open` tells which requests need no token.
    pub fn gate(&self, listen: &Listen, open: fn(&Method, &str) -> bool) -> Gate {
        Gate {
            tokens: self.tokens.clone(),
            role: self.spec.name,
            listener: listen.name,
            families: TakenFamilies::of_listener(self.spec.name, listen.name),
            accepts: listen.accepts.into(),
            meters: self.meters.clone(),
            strangers: (listen.place == Place::Edge).then(|| listen.accepts.first().copied()).flatten(),
            table: self.table,
            directory: self.directory.clone(),
            own: self.own.clone(),
            open,
            spans: self.trace.spans().clone(),
        }
    }

    /// Runs a task of this run of the role: it ends with the role. If it fails or panics, the role has failed.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        self.tasks.spawn(name, task);
    }

    /// Adds a router to the role's admin HTTP: for listeners that share the admin port.
    pub fn mount_on_admin(&self, router: Router) {
        self.admin.mount(router);
    }
}
