//! One replica of a role: its admin HTTP, and its consecutive runs.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};

use anyhow::Context as _;
use model::NodeId;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::stores::{self, Clients, Server};
use super::{Replica, Shared, sections};
use crate::address;
use crate::admin::{self, Admin, AdminSlot};
use crate::api_family::TakenFamilies;
use crate::connections;
use crate::context::RoleContext;
use crate::counted_connector::CountedConnector;
use crate::data_dir;
use crate::discovery::{self, JoinParts, JoinReadiness, JoiningReplica, ReplicaHealth, SourceClient};
use crate::drain::Drain;
use crate::gate::Gate;
use crate::key_files::{self, BelievedAge, WayToAuth};
use crate::listener;
use crate::meter::{Meters, Side};
use crate::metrics::{Metrics, OfEveryRole};
use crate::readiness::Readiness;
use crate::role::Role;
use crate::spans::{self, Spans};
use crate::spec::{Drains, RoleSpec};
use crate::supervisor::{Ended, Step, Tasks, supervise};
use crate::trace::{Recorder, TraceSettings};

/// The only node of auth.
const AUTH_NODE: &str = "auth-1";

/// One replica, and the parts that outlive a run.
pub(super) struct RoleReplica {
    pub(super) role: Role,
    node: NodeId,
    pub(super) slot: AdminSlot,
    /// Common to all runs; each run gets a copy with its own parts.
    template: RoleContext,
    /// Of the process, shown by each of its roles.
    believed_age: BelievedAge,
    asks_for_epochs: bool,
    joining: Joining,
}

/// How a replica joins the source of addresses.
struct Joining {
    /// None if nobody need be told.
    client: Option<Arc<dyn SourceClient>>,
    /// The roles that it follows for the whole process.
    follows: Vec<&'static RoleSpec>,
    parts: JoinParts,
}

impl Joining {
    fn new(shared: &Shared, spec: &'static RoleSpec, node: &NodeId, context: &RoleContext) -> anyhow::Result<Self> {
        let replica = JoiningReplica {
            role: spec.name,
            node: node.to_string(),
            instance: context.instance,
            address: SocketAddr::new(context.address, discovery::announced_port(spec)),
        };
        let connector = || CountedConnector {
            source: context.address,
            meter: context.meters.meter(connections::of_discovery(spec.name), Side::Opens).peer(discovery::PEER),
        };
        let client = shared.directory_source.client(replica, &connector).context("discovery")?;
        let mut joining = Self { client, follows: Vec::new(), parts: JoinParts::default() };
        if joining.client.is_some() {
            let mut followed = shared.followed.lock().unwrap_or_else(PoisonError::into_inner);
            let has_replicas = |other: &str| !shared.directory.of_settings(other, 0).is_empty();
            let is_asked = |other: &&&RoleSpec| connections::calls(spec, other.name) && has_replicas(other.name);
            let asked = shared.table.iter().filter(is_asked);
            joining.follows = asked.filter(|other| followed.insert(other.name)).copied().collect();
            let names: Vec<_> = joining.follows.iter().map(|other| other.name).collect();
            joining.parts.readiness = JoinReadiness::expecting(&names);
        }
        Ok(joining)
    }
}

impl RoleReplica {
    pub(super) fn new(shared: &Shared, replica: Replica) -> anyhow::Result<Self> {
        let (role, installation) = (replica.role, &shared.installation);
        let spec = role.spec;
        let node = NodeId::parse(&format!("{}-{}", spec.name, replica.number))?;
        let slot = AdminSlot::default();
        let drain = Drain::new(shared.patience);
        let (tasks, _) = Tasks::new(drain.clone());
        let meters = Meters::new(installation.clock.clone());
        for row in spec.opens.iter().filter_map(|id| connections::find(id)) {
            if Server::of(row).is_some_and(|server| !shared.stores.held_by(server)) {
                meters.meter(row.id, Side::Opens).embedded();
            }
        }
        let trace: TraceSettings = installation.values.read(sections::TRACE)?;
        let address = address::of_replica(installation.instance, spec.number, replica.number);
        let spans = match &shared.collector {
            None => Spans::default(),
            Some(collector) => {
                let from = spans::Origin { role: spec.name, node: node.to_string(), address };
                let meter = meters.meter(spans::CONNECTION, Side::Opens).peer("collector");
                Spans::start(collector, from, meter).context("trace.otlp")?
            }
        };
        let template = RoleContext {
            spec,
            node: node.clone(),
            epoch: model::Epoch::default(),
            instance: installation.instance,
            replica: replica.number,
            address,
            table: shared.table,
            directory: shared.directory.clone(),
            ready: Readiness::default(),
            drain,
            clock: installation.clock.clone(),
            tokens: shared.verifier.clone(),
            service: shared.services.get(spec.name).context("no key of the role")?.clone(),
            installation_key: shared.installation_key.clone(),
            metrics: Metrics::default(),
            own: OfEveryRole::default(),
            stores: shared.stores.of_replica(&Clients::of(spec, node.as_str(), address, &meters))?,
            data_dir: installation.data_dir.clone(),
            trace: Recorder::new(&trace, shared.directory.clone(), installation.clock.clone()).with_spans(spans),
            values: installation.values.clone(),
            meters,
            admin: slot.clone(),
            tasks,
        };
        // A role that has no connection to Redis opens none for this.
        let asks_for_epochs = !shared.stores.held_by(Server::Redis) || !stores::rows(spec, Server::Redis).is_empty();
        let joining = Joining::new(shared, spec, &node, &template)?;
        Ok(Self { role, node, slot, template, believed_age: shared.believed_age.clone(), asks_for_epochs, joining })
    }

    pub(super) async fn serve_admin(&self, shared: &Shared, drain: &Drain) -> anyhow::Result<()> {
        let address = std::net::SocketAddr::new(self.template.address, self.role.spec.admin_port);
        let listener = listener::bind_tcp(address).await.with_context(|| format!("admin port of {}", self.node))?;
        let admin = Admin {
            role: self.role.spec.name,
            node: self.node.to_string(),
            slot: self.slot.clone(),
            meters: self.template.meters.clone(),
            log_level: shared.log_level.clone(),
            recorder: self.template.trace.clone(),
        };
        let gate = Gate {
            tokens: self.template.tokens.clone(),
            role: self.role.spec.name,
            listener: "admin",
            families: TakenFamilies::OF_ADMIN,
            accepts: connections::of_admin(self.role.spec.name, self.role.spec.admin_port).into(),
            meters: self.template.meters.clone(),
            strangers: Some("own-20"),
            table: shared.table,
            directory: shared.directory.clone(),
            open: |_, path| admin::OPEN_PATHS.contains(&path),
            spans: Spans::default(),
            own: self.template.own.clone(),
        };
        let own = self.template.own.clone();
        tokio::spawn(crate::server::serve(listener, admin::router(admin, gate), drain.clone(), own));
        Ok(())
    }

    /// Begins to ask auth for the keys that verify tokens, where the process has them from auth and no other replica of it asks.
    pub(super) fn ask_for_keys(&self, shared: &Shared) {
        let told = shared.told_keys.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (Some(told), Some(port)) = (told, key_files::port_of_auth(shared.table)) else { return };
        let context = &self.template;
        let meter = context.meters.meter(key_files::CONNECTION, Side::Opens).peer(AUTH_NODE);
        tokio::spawn(told.follow(WayToAuth {
            service: context.service.clone(),
            node: self.node.to_string(),
            directory: context.directory.clone(),
            port,
            connector: CountedConnector { source: context.address, meter },
        }));
    }

    /// Begins to tell the source of addresses of the replica, and to follow roles there; nothing where the addresses follow from the
    /// settings. It ends when the process leaves. A replica to which new requests can go elsewhere withdraws as soon as it drains; those
    /// that own or carry calls are looked for until their end.
    pub(super) fn join(&self, shared: &Shared, leaves: &CancellationToken) -> Vec<JoinHandle<()>> {
        let Joining { client: Some(client), follows, parts } = &self.joining else { return Vec::new() };
        let (slot, drain, process_leaves) = (self.slot.clone(), self.drain(), leaves.clone());
        let health = move || match slot.readiness().missing() {
            missing if missing.is_empty() => ReplicaHealth::Ready,
            missing => {
                let missing: Vec<String> = missing.into_iter().map(|(name, why)| format!("{name}: {why}")).collect();
                ReplicaHealth::Waiting(missing.join("; "))
            }
        };
        let is_last = self.role.spec.drains == Drains::Last;
        let replica_leaves = async move {
            tokio::select! {
                () = drain.begun(), if is_last => {}
                () = process_leaves.cancelled() => {}
            }
        };
        let mut tasks = vec![tokio::spawn(discovery::announce(client.clone(), health, replica_leaves, parts.clone()))];
        for spec in follows {
            let follows = discovery::follow(client.clone(), spec, shared.directory.clone(), parts.clone());
            let leaves = leaves.clone();
            tasks.push(tokio::spawn(async move {
                let _ = leaves.run_until_cancelled(follows).await;
            }));
        }
        tasks
    }

    /// The exporter of its spans.
    pub(super) fn spans(&self) -> Spans {
        self.template.trace.spans().clone()
    }

    /// The drain signal of all its runs.
    pub(super) fn drain(&self) -> Drain {
        self.template.drain.clone()
    }

    pub(super) async fn supervised(self) -> Ended {
        let all_runs = self.drain();
        let restarts = self.template.own.restarts.clone();
        let (role, start, node) = (self.role.spec.name, self.role.start, self.node.clone());
        let run = |drain: Drain, tasks: Tasks| {
            let context = self.context_of_run(drain, tasks);
            async move {
                let context = context.await?;
                start(context).await
            }
        };
        let report = |step| match step {
            Step::Started(run) => tracing::info!(role, %node, life = run, "role starts"),
            Step::Restarts(_) => drop(restarts.inc()),
        };
        supervise(role, &all_runs, run, report).await
    }

    /// The context of one run.
    fn context_of_run(
        &self,
        drain: Drain,
        tasks: Tasks,
    ) -> impl Future<Output = anyhow::Result<RoleContext>> + Send + use<> {
        let mut context = self.template.clone();
        context.drain = drain;
        context.tasks = tasks;
        context.ready = Readiness::default();
        context.metrics = Metrics::default();
        context.own.show(&context.metrics);
        context.metrics.collect(context.meters.clone());
        context.metrics.collect(self.believed_age.clone());
        context.trace.register(&context.metrics);
        self.joining.parts.counts.show(&context.metrics);
        if self.joining.client.is_some() {
            self.joining.parts.readiness.begin_run(context.ready.clone());
        }
        self.slot.begin_run(context.ready.clone(), context.metrics.clone(), context.clock.now());
        let asks = self.asks_for_epochs;
        async move {
            // An unreachable store must not keep a role from starting: the epoch is on disk too.
            let known = if asks { context.stores.leases.next_epoch(&context.node).await.ok() } else { None };
            context.epoch = data_dir::next_epoch(&context.data_dir, &context.node, &*context.clock, known)
                .with_context(|| format!("writing the epoch of {}", context.node))?;
            Ok(context)
        }
    }
}
