//! A process of roles: from settings to the end of the drain.

mod ending;
mod replica;
pub mod sections;
mod signals;
pub mod stores;
mod thread;
mod wall_clock;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use futures::future::BoxFuture;
use infra::{Clock, Stores};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::admin::AdminSlot;
use crate::data_dir::{self, DataDir, Sharing};
use crate::directory::Directory;
use crate::discovery::DirectorySource;
use crate::drain::Drain;
use crate::exit::{Exit, ExitError};
use crate::installation_key::InstallationKey;
use crate::issuer;
use crate::key_files::{self, BelievedAge, ToldKeys};
use crate::log::LogLevel;
use crate::role::Role;
use crate::settings::Values;
use crate::spans::{Collector, Spans};
use crate::spec::{RoleSpec, Starts};
use crate::supervisor::Ended;
use crate::token::{ServiceIssuer, TokenIssuer, TokenVerifier};
use crate::trace::TraceSettings;

pub use ending::Ending;
use replica::RoleReplica;
pub use sections::ProcessSettings;
pub use signals::SUPERVISOR_ENDED;
use stores::Composed;

/// Time after the deadline in which the remaining tasks are dropped.
const CUT: Duration = Duration::from_millis(200);

/// One replica of a role that this process is to run.
#[derive(Clone, Copy, Debug)]
pub struct Replica {
    /// The role.
    pub role: Role,
    /// Its number, from 1.
    pub number: u8,
}

/// Input of [`run`].
pub struct Plan {
    /// Number of the instance.
    pub instance: u8,
    /// Every role of this program.
    pub table: &'static [&'static RoleSpec],
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
    /// Where the addresses of other replicas come from.
    pub directory_source: Arc<dyn DirectorySource>,
}

/// Known once the data directory is open: for opening stores, and for the tasks that follow readiness.
#[derive(Clone)]
pub struct Installation {
    /// Number of the instance.
    pub instance: u8,
    /// The data directory.
    pub data_dir: PathBuf,
    /// Where this process keeps its own stores: the data directory itself, or a folder of a process that shares it.
    pub stores_dir: PathBuf,
    /// The settings.
    pub values: Arc<Values>,
    /// The present time.
    pub clock: Arc<dyn Clock>,
}

impl Installation {
    /// The installation of an open data directory.
    ///
    /// # Errors
    /// If its key of tokens cannot be read or created.
    pub fn of(instance: u8, data_dir: &DataDir, values: Values, clock: Arc<dyn Clock>) -> Result<Self, ExitError> {
        // Every start makes sure that commands can issue tokens; it keeps no private key.
        drop(key_files::issuer(data_dir.path(), clock.clone())?);
        Ok(Self {
            instance,
            data_dir: data_dir.path().to_owned(),
            stores_dir: data_dir.path().to_owned(),
            values: Arc::new(values),
            clock,
        })
    }

    /// Who issues its tokens for people and programs: for the composition, which no role can reach.
    ///
    /// # Errors
    /// If the key cannot be read.
    pub fn token_issuer(&self) -> Result<TokenIssuer, ExitError> {
        key_files::issuer(&self.data_dir, self.clock.clone())
    }

    /// The issuer that its tokens of people and programs name.
    pub fn public_issuer(&self) -> String {
        issuer::of(&self.values, self.instance)
    }
}

/// Opens the stores of a process.
pub type OpenStores = Box<dyn FnOnce(Installation) -> BoxFuture<'static, anyhow::Result<Arc<dyn Composed>>> + Send>;
/// Runs once every role is ready.
pub type WhenReady = Box<dyn FnOnce(Installation, Stores) -> BoxFuture<'static, anyhow::Result<()>> + Send>;

/// Runs the roles of the plan until they have drained.
///
/// SIGTERM, SIGINT or the end of its supervisor begins the drain; a second SIGTERM or SIGINT, or the deadline, ends it.
/// An error means that no role ran or that a role failed for good.
pub async fn run(plan: Plan, open_stores: OpenStores, when_ready: WhenReady) -> anyhow::Result<Exit> {
    let mut signals = signals::Signals::install()?;
    let settings: ProcessSettings = plan.values.read(sections::PROCESS)?;
    let trace: TraceSettings = plan.values.read(sections::TRACE)?;
    let data_dir = DataDir::open(&plan.data_dir, plan.sharing)?;
    let own_dir = own_directory(&data_dir, &plan)?;
    let mut installation = Installation::of(plan.instance, &data_dir, plan.values, plan.clock)?;
    if let Some(own) = &own_dir {
        installation.stores_dir = own.path().to_owned();
    }
    let services = service_issuers(&installation, &plan.replicas)?;
    let (verifier, believed_age, told_keys) = believed_keys(&installation, &settings, plan.table, &plan.replicas)?;
    let shared = Shared {
        verifier: verifier.of_issuer(&installation.public_issuer()),
        believed_age,
        told_keys: Mutex::new(told_keys),
        services,
        installation_key: data_dir::installation_key(data_dir.path())?,
        directory: sections::directory(plan.instance, plan.table, &installation.values)?,
        directory_source: plan.directory_source,
        followed: Mutex::default(),
        stores: open_stores(installation.clone()).await.context("opening the stores")?,
        patience: settings.drain_deadline,
        table: plan.table,
        log_level: plan.log_level,
        collector: Collector::named(&trace.otlp),
        installation,
    };
    let mut roles = Roles::start(&shared, &plan.replicas).await?;
    let mut when_ready = Some(when_ready);
    let slots = roles.slots.clone();
    let mut clocks = std::pin::pin!(wall_clock::compare(shared.installation.clock.clone()));
    loop {
        tokio::select! {
            () = &mut clocks => {}
            () = all_ready(&slots), if when_ready.is_some() => {
                tracing::info!(roles = plan.replicas.len(), "all roles are ready");
                if let Some(act) = when_ready.take() {
                    act(shared.installation.clone(), shared.stores.of_process()?).await?;
                }
            }
            signal = signals.first() => {
                tracing::info!(signal, deadline_s = settings.drain_deadline.as_secs(), "draining");
                roles.ending.begin(shared.installation.clock.now() + settings.drain_deadline);
                return Ok(roles.drained(&mut signals, &settings).await);
            }
            failed = roles.failed() => {
                roles.ending.begin(shared.installation.clock.now() + settings.drain_deadline);
                roles.drained(&mut signals, &settings).await;
                return Err(failed);
            }
        }
    }
}

/// A process that shares the data directory has its own folder in it, named after its first replica.
fn own_directory(data_dir: &DataDir, plan: &Plan) -> Result<Option<DataDir>, ExitError> {
    let (Sharing::Shared, Some(first)) = (plan.sharing, plan.replicas.first()) else { return Ok(None) };
    let folder = data_dir.path().join("processes").join(format!("{}-{}", first.role.spec.name, first.number));
    DataDir::open(&folder, Sharing::Alone).map(Some)
}

/// Who issues the tokens of the roles that this process runs: it has the keys of no others.
fn service_issuers(
    installation: &Installation,
    replicas: &[Replica],
) -> Result<HashMap<&'static str, ServiceIssuer>, ExitError> {
    let mut services = HashMap::new();
    for spec in replicas.iter().map(|replica| replica.role.spec) {
        if !services.contains_key(spec.name) {
            let service = key_files::service_issuer(&installation.data_dir, spec, installation.clock.clone())?;
            services.insert(spec.name, service);
        }
    }
    Ok(services)
}

/// Who verifies in this process, how old what it believes is, and what asks auth, where that does.
fn believed_keys(
    installation: &Installation,
    settings: &ProcessSettings,
    table: &'static [&'static RoleSpec],
    replicas: &[Replica],
) -> Result<(TokenVerifier, BelievedAge, Option<ToldKeys>), ExitError> {
    let (data_dir, clock) = (&installation.data_dir, installation.clock.clone());
    let runs_auth = replicas.iter().any(|replica| replica.role.spec.name == key_files::TELLS);
    if settings.keys_from_auth && !runs_auth {
        let (verifier, told) = key_files::verifier_by_auth(data_dir, &installation.stores_dir, table, clock)?;
        let age = told.age();
        return Ok((verifier, age, Some(told)));
    }
    if !runs_auth && installation.stores_dir != *data_dir {
        tracing::info!(
            "this process reads the keys that verify tokens in keys/public: set process.keys_from_auth = true, and it asks auth for them"
        );
    }
    let (verifier, keys) = key_files::verifier(data_dir, table, clock)?;
    let age = keys.age();
    tokio::spawn(keys.follow());
    Ok((verifier, age, None))
}

/// Waits until every role is ready in its present run.
async fn all_ready(slots: &[AdminSlot]) {
    for slot in slots {
        slot.ready().await;
    }
}

/// How long the other roles wait for each of those that start first.
const FIRST_WITHIN: Duration = Duration::from_secs(5);

/// What all roles of a process share.
struct Shared {
    table: &'static [&'static RoleSpec],
    installation: Installation,
    installation_key: InstallationKey,
    verifier: TokenVerifier,
    /// How old what the verifier believes is.
    believed_age: BelievedAge,
    /// What asks auth for keys, until a replica lends it its address.
    told_keys: Mutex<Option<ToldKeys>>,
    services: HashMap<&'static str, ServiceIssuer>,
    directory: Directory,
    directory_source: Arc<dyn DirectorySource>,
    /// The roles that a replica of this process follows for all of them.
    followed: Mutex<BTreeSet<&'static str>>,
    stores: Arc<dyn Composed>,
    patience: Duration,
    log_level: LogLevel,
    /// Collector for spans, if one is set.
    collector: Option<Collector>,
}

/// The running roles.
struct Roles {
    slots: Vec<AdminSlot>,
    running: JoinSet<(&'static str, Ended)>,
    ending: Ending,
    admin_drain: Drain,
    spans: Vec<Spans>,
    /// What tells a source of addresses of the replicas and follows it; it ends when the process leaves.
    joined: Vec<JoinHandle<()>>,
    leaves: CancellationToken,
    /// Cancels the tasks that have not drained in time.
    cut: CancellationToken,
}

impl Roles {
    /// Binds every admin port, then starts every role.
    async fn start(shared: &Shared, replicas: &[Replica]) -> anyhow::Result<Self> {
        let admin_drain = Drain::new(Duration::ZERO);
        let cut = CancellationToken::new();
        let mut roles = Self {
            slots: Vec::new(),
            running: JoinSet::new(),
            ending: Ending::default(),
            admin_drain,
            spans: Vec::new(),
            joined: Vec::new(),
            leaves: CancellationToken::new(),
            cut,
        };
        let mut starts = Vec::new();
        for replica in replicas {
            let one = RoleReplica::new(shared, *replica)?;
            one.serve_admin(shared, &roles.admin_drain).await?;
            one.ask_for_keys(shared);
            roles.slots.push(one.slot.clone());
            roles.spans.push(one.spans());
            starts.push((format!("{}-{}", replica.role.spec.name, replica.number), one));
        }
        // A stable sort: the others keep their order.
        starts.sort_by_key(|(_, one)| start_order(shared.table, one.role.spec));
        for (node, one) in starts {
            let (slot, spec) = (one.slot.clone(), one.role.spec);
            let name = spec.name;
            roles.ending.started(spec, one.drain());
            roles.joined.extend(one.join(shared, &roles.leaves));
            let thread =
                thread::start(&node, one, roles.cut.clone()).with_context(|| format!("the thread of {name}"))?;
            roles.running.spawn(async move { (name, thread.ended().await) });
            if spec.starts == Starts::First && tokio::time::timeout(FIRST_WITHIN, slot.ready()).await.is_err() {
                tracing::warn!(role = name, "not ready yet: the others start without it");
            }
        }
        Ok(roles)
    }

    /// Waits until a role has failed for good.
    async fn failed(&mut self) -> anyhow::Error {
        loop {
            match self.running.join_next().await {
                Some(Ok((role, Ended::GaveUp(error)))) => {
                    self.ending.ended(role);
                    let exit = match crate::exit::of(&error) {
                        Exit::Failed => Exit::RoleFailed,
                        known => known,
                    };
                    return ExitError::new(exit, format!("{role} failed for good: {error:#}")).into();
                }
                Some(Ok((role, Ended::Drained))) => self.ending.ended(role),
                Some(Err(error)) => {
                    self.ending.begin_all();
                    return error.into();
                }
                // Unreachable: every role has ended although none was told to. Do not spin.
                None => std::future::pending().await,
            }
        }
    }

    /// Waits until every role has ended, and drains each in its turn.
    async fn all_ended(&mut self) {
        while let Some(ended) = self.running.join_next().await {
            match ended {
                Ok((role, _)) => self.ending.ended(role),
                Err(_) => self.ending.begin_all(),
            }
        }
    }

    /// Waits until every role has drained, the deadline has passed or a second signal came.
    async fn drained(&mut self, signals: &mut signals::Signals, settings: &ProcessSettings) -> Exit {
        let exit = tokio::select! {
            () = self.all_ended() => Exit::Done,
            signal = signals.second() => {
                tracing::warn!(signal, "second signal: the drain is cut short");
                Exit::DrainCut
            }
            () = tokio::time::sleep(settings.drain_deadline) => {
                tracing::warn!("the drain did not finish in time");
                Exit::DrainCut
            }
        };
        self.cut.cancel();
        self.admin_drain.end();
        let _ = tokio::time::timeout(CUT, async { while self.running.join_next().await.is_some() {} }).await;
        self.leaves.cancel();
        let joined = futures::future::join_all(self.joined.drain(..));
        let flushed = futures::future::join_all(self.spans.iter().map(Spans::flush));
        futures::future::join(joined, flushed).await;
        tracing::info!(code = exit.code(), "stopped");
        exit
    }
}

/// Sorts the roles that start first before the others, in the order of the table.
fn start_order(table: &[&'static RoleSpec], spec: &RoleSpec) -> usize {
    let first = match spec.starts {
        Starts::First => table.iter().position(|other| other.name == spec.name),
        Starts::InTurn => None,
    };
    first.unwrap_or(usize::MAX)
}

/// The default data directory of an instance.
pub fn default_data_dir(home: Option<&Path>, instance: u8) -> PathBuf {
    let base = home.map_or_else(|| PathBuf::from("/var/lib"), |home| home.join(".local/share"));
    base.join("trunkline").join(format!("instance-{instance}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_start_first_do_so_in_the_order_of_the_table_and_the_others_as_named() {
        static TENANT: RoleSpec = RoleSpec { starts: Starts::First, ..RoleSpec::bare("tenant", 16) };
        static CONFIG: RoleSpec = RoleSpec { starts: Starts::First, ..RoleSpec::bare("config", 6) };
        static DIALPLAN: RoleSpec = RoleSpec::bare("dialplan", 5);
        static RQ: RoleSpec = RoleSpec::bare("rq", 10);
        let table = [&TENANT, &CONFIG, &DIALPLAN, &RQ];
        let mut named = [&RQ, &CONFIG, &DIALPLAN, &TENANT];
        named.sort_by_key(|spec| start_order(&table, spec));
        assert_eq!(named.map(|spec| spec.name), ["tenant", "config", "rq", "dialplan"]);
    }
}
