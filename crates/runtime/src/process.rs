//! A process of roles: from settings to the end of the drain.

pub mod edge;
pub mod sections;
mod signals;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::future::BoxFuture;
use infra::{Clock, Stores};
use model::NodeId;
use tokio::task::JoinSet;

use crate::address;
use crate::admin::{self, Admin, AdminSlot};
use crate::caller::Gate;
use crate::context::{InstallationKey, RoleContext};
use crate::data_dir::{self, DataDir, Sharing};
use crate::directory::Directory;
use crate::drain::Drain;
use crate::exit::{Exit, ExitError};
use crate::listener;
use crate::log::LogLevel;
use crate::meter::Meters;
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::settings::Values;
use crate::spec::RoleSpec;
use crate::supervisor::{Ended, Step, Tasks, supervise};
use crate::token::Tokens;

pub use sections::ProcessSettings;

/// The connection by which operators and Prometheus reach admin HTTP.
const ADMIN_CONNECTIONS: &[&str] = &["own-20", "own-12"];
/// After the deadline, what still runs gets this long to be dropped.
const CUT: Duration = Duration::from_millis(200);

/// One replica of a role that this process shall run.
#[derive(Clone, Copy, Debug)]
pub struct Replica {
    /// The role.
    pub spec: &'static RoleSpec,
    /// Its number, from 1.
    pub number: u8,
}

/// What a process needs to know before it starts.
pub struct Plan {
    /// Number of the instance.
    pub instance: u8,
    /// The replicas.
    pub replicas: Vec<Replica>,
    /// The settings, checked.
    pub values: Values,
    /// The data directory.
    pub data_dir: PathBuf,
    /// Whether other processes share it.
    pub sharing: Sharing,
    /// Changes the log level.
    pub log_level: LogLevel,
    /// The present time.
    pub clock: Arc<dyn Clock>,
}

/// What is there once the data directory is open: for opening stores and for what happens when all is ready.
#[derive(Clone)]
pub struct Installation {
    /// Number of the instance.
    pub instance: u8,
    /// The data directory.
    pub data_dir: PathBuf,
    /// The settings.
    pub values: Arc<Values>,
    /// The present time.
    pub clock: Arc<dyn Clock>,
    /// Issues tokens.
    pub tokens: Tokens,
}

/// Opens the stores of a process.
pub type OpenStores = Box<dyn FnOnce(Installation) -> BoxFuture<'static, anyhow::Result<Stores>> + Send>;
/// What to do when every role is ready.
pub type WhenReady = Box<dyn FnOnce(Installation, Stores) -> BoxFuture<'static, anyhow::Result<()>> + Send>;

/// Runs the roles of the plan until they have drained.
///
/// SIGTERM or SIGINT begins the drain; a second one, or the deadline, ends it. An error means that nothing ran
/// or that a role failed for good.
pub async fn run(plan: Plan, open_stores: OpenStores, when_ready: WhenReady) -> anyhow::Result<Exit> {
    let mut signals = signals::Signals::install()?;
    let settings: ProcessSettings = plan.values.read(sections::PROCESS)?;
    let data_dir = DataDir::open(&plan.data_dir, plan.sharing)?;
    let installation = Installation {
        instance: plan.instance,
        data_dir: data_dir.path().to_owned(),
        tokens: data_dir::tokens(data_dir.path(), plan.clock.clone())?,
        values: Arc::new(plan.values),
        clock: plan.clock,
    };
    let shared = Shared {
        installation_key: data_dir::installation_key(data_dir.path())?,
        directory: sections::directory(plan.instance, &installation.values)?,
        stores: open_stores(installation.clone()).await.context("opening the stores")?,
        drain: Drain::new(settings.drain_deadline),
        log_level: plan.log_level,
        installation,
    };
    let mut roles = Roles::start(&shared, &plan.replicas).await?;
    let mut when_ready = Some(when_ready);
    let slots = roles.slots.clone();
    loop {
        tokio::select! {
            () = all_ready(&slots), if when_ready.is_some() => {
                tracing::info!(roles = plan.replicas.len(), "all roles are ready");
                if let Some(act) = when_ready.take() {
                    act(shared.installation.clone(), shared.stores.clone()).await?;
                }
            }
            signal = signals.next() => {
                tracing::info!(signal, deadline_s = settings.drain_deadline.as_secs(), "draining");
                shared.drain.begin(shared.installation.clock.now());
                return Ok(roles.drained(&mut signals, &settings).await);
            }
            failed = roles.failed() => {
                shared.drain.begin(shared.installation.clock.now());
                roles.drained(&mut signals, &settings).await;
                return Err(failed);
            }
        }
    }
}

/// Waits until every role is ready in its present life.
async fn all_ready(slots: &[AdminSlot]) {
    for slot in slots {
        slot.ready().await;
    }
}

/// What all roles of a process share.
struct Shared {
    installation: Installation,
    installation_key: InstallationKey,
    directory: Directory,
    stores: Stores,
    drain: Drain,
    log_level: LogLevel,
}

/// The running roles.
struct Roles {
    slots: Vec<AdminSlot>,
    running: JoinSet<(&'static str, Ended)>,
    admin_drain: Drain,
}

impl Roles {
    /// Binds every admin port, then starts every role.
    async fn start(shared: &Shared, replicas: &[Replica]) -> anyhow::Result<Self> {
        let admin_drain = Drain::new(Duration::ZERO);
        let mut roles = Self { slots: Vec::new(), running: JoinSet::new(), admin_drain };
        let mut starts = Vec::new();
        for replica in replicas {
            let one = OneRole::new(shared, *replica)?;
            one.serve_admin(shared, &roles.admin_drain).await?;
            roles.slots.push(one.slot.clone());
            starts.push(one);
        }
        for one in starts {
            let drain = shared.drain.clone();
            roles.running.spawn(async move { (one.spec.name, one.supervised(&drain).await) });
        }
        Ok(roles)
    }


    /// Waits until a role has failed for good.
    async fn failed(&mut self) -> anyhow::Error {
        loop {
            match self.running.join_next().await {
                Some(Ok((role, Ended::GaveUp(error)))) => {
                    let exit = match crate::exit::of(&error) {
                        Exit::Failed => Exit::RoleFailed,
                        known => known,
                    };
                    return ExitError::new(exit, format!("{role} failed for good: {error:#}")).into();
                }
                Some(Ok((_, Ended::Drained))) => {}
                Some(Err(error)) => return error.into(),
                // Every role has ended although none was told to: cannot happen, and must not spin.
                None => std::future::pending().await,
            }
        }
    }

    /// Waits until every role has drained, the deadline has passed or a second signal came.
    async fn drained(&mut self, signals: &mut signals::Signals, settings: &ProcessSettings) -> Exit {
        let all = async { while self.running.join_next().await.is_some() {} };
        let exit = tokio::select! {
            () = all => Exit::Done,
            signal = signals.next() => {
                tracing::warn!(signal, "second signal: the drain is cut short");
                Exit::DrainCut
            }
            () = tokio::time::sleep(settings.drain_deadline) => {
                tracing::warn!("the drain did not finish in time");
                Exit::DrainCut
            }
        };
        self.running.abort_all();
        self.admin_drain.end();
        let _ = tokio::time::timeout(CUT, async { while self.running.join_next().await.is_some() {} }).await;
        tracing::info!(code = exit.code(), "stopped");
        exit
    }
}

/// One replica and what outlives its lives.
struct OneRole {
    spec: &'static RoleSpec,
    node: NodeId,
    slot: AdminSlot,
    /// Of all lives; each life gets a copy with its own parts.
    template: RoleContext,
}

impl OneRole {
    fn new(shared: &Shared, replica: Replica) -> anyhow::Result<Self> {
        let (spec, installation) = (replica.spec, &shared.installation);
        let node = NodeId::parse(&format!("{}-{}", spec.name, replica.number))?;
        let slot = AdminSlot::default();
        let (tasks, _) = Tasks::new(shared.drain.clone());
        let template = RoleContext {
            spec,
            node: node.clone(),
            epoch: model::Epoch::default(),
            instance: installation.instance,
            replica: replica.number,
            address: address::of_replica(installation.instance, spec.number, replica.number),
            directory: shared.directory.clone(),
            ready: Readiness::default(),
            drain: shared.drain.clone(),
            clock: installation.clock.clone(),
            tokens: installation.tokens.clone(),
            installation_key: shared.installation_key.clone(),
            metrics: Metrics::default(),
            stores: shared.stores.clone(),
            data_dir: installation.data_dir.clone(),
            values: installation.values.clone(),
            meters: Meters::new(installation.clock.clone()),
            admin: slot.clone(),
            tasks,
        };
        Ok(Self { spec, node, slot, template })
    }

    async fn serve_admin(&self, shared: &Shared, drain: &Drain) -> anyhow::Result<()> {
        let address = std::net::SocketAddr::new(self.template.address, self.spec.admin_port);
        let listener = listener::bind_tcp(address).await.with_context(|| format!("admin port of {}", self.node))?;
        let admin = Admin {
            role: self.spec.name,
            node: self.node.to_string(),
            slot: self.slot.clone(),
            meters: self.template.meters.clone(),
            log_level: shared.log_level.clone(),
        };
        let gate = Gate {
            tokens: self.template.tokens.clone(),
            role: self.spec.name,
            accepts: ADMIN_CONNECTIONS.into(),
            meters: self.template.meters.clone(),
            open: |_| false,
        };
        tokio::spawn(crate::server::serve(listener, admin::router(admin, gate), drain.clone()));
        Ok(())
    }

    async fn supervised(self, drain: &Drain) -> Ended {
        let restarts = prometheus_client::metrics::counter::Counter::default();
        let counted = restarts.clone();
        let (role, node) = (self.spec.name, self.node.clone());
        let life = |drain: Drain, tasks: Tasks| {
            let context = self.life(drain, tasks, restarts.clone());
            async move {
                let context = context.await?;
                (context.spec.start)(context).await
            }
        };
        let report = |step| match step {
            Step::Started(life) => tracing::info!(role, %node, life, "role starts"),
            Step::Restarts(_) => drop(counted.inc()),
        };
        supervise(role, drain, life, report).await
    }

    /// The context of one life.
    fn life(
        &self,
        drain: Drain,
        tasks: Tasks,
        restarts: prometheus_client::metrics::counter::Counter,
    ) -> impl Future<Output = anyhow::Result<RoleContext>> + Send + use<> {
        let mut context = self.template.clone();
        context.drain = drain;
        context.tasks = tasks;
        context.ready = Readiness::default();
        context.metrics = Metrics::default();
        context.metrics.register("role_restarts", "Lives of this role that ended in a failure", restarts);
        context.metrics.collect(context.meters.clone());
        self.slot.begin_life(context.ready.clone(), context.metrics.clone());
        async move {
            // A store that is away must not keep a role from starting: the disk remembers too.
            let known = context.stores.leases.next_epoch(&context.node).await.ok();
            context.epoch = data_dir::next_epoch(&context.data_dir, &context.node, &*context.clock, known)
                .with_context(|| format!("writing the epoch of {}", context.node))?;
            Ok(context)
        }
    }
}

/// The data directory that is used when none is named.
pub fn default_data_dir(home: Option<&Path>, instance: u8) -> PathBuf {
    let base = home.map_or_else(|| PathBuf::from("/var/lib"), |home| home.join(".local/share"));
    base.join("trunkline").join(format!("instance-{instance}"))
}
