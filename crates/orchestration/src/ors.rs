//! ors, orchestration: runs a tenant's application (SCXML) for each call on a route point. Admin and metrics on 11200.
//!
//! New calls come from their stream (voice-46), applications from config, which is followed for what they look up (voice-34). An
//! application's actions become requests to frontend (voice-38) and rq (voice-30); their results are in the tenant's event stream
//! (voice-46). A session's record is written after each step (voice-47), before anything is sent, so that another node can continue
//! it. The session's own facts are in the same commit (voice-45). media queries a call's data on 11200 (voice-21).

mod applications;
mod call_session;
mod committer;
mod explain;
mod frontend_tasks;
mod hidden_digits;
mod intentions;
mod metrics;
mod path;
mod quarantine;
mod queue_link;
mod records;
mod server;
mod session_counts;
mod session_facts;
mod shares;
mod tenant_loop;
mod vocabulary;
mod worker;
mod writes;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use contracts::provisioning::ObjectKind;
use model::{ConnId, TenantId};
use net::configuration::Configuration;
use runtime::fault::{Cause, FaultReports};
use runtime::{Drains, Listen, Place, Protocol, Replicas, Role, RoleContext, RoleSpec, Starts};
use tokio::sync::mpsc;

pub use applications::{faults, named_groups};

use crate::ecmascript::ScriptLimits;
use applications::Applications;
use metrics::Metrics;
use session_counts::SessionCounts;
use shares::Shares;
use worker::slot::{Barred, LOOK_EVERY, Left, Slot};
use worker::{INBOX_MAX, INBOX_OF_TENANT_MAX, Posted, Reports, Sharing, Work, Worker};

/// Its declaration.
pub const SPEC: RoleSpec = RoleSpec {
    name: "ors",
    number: 11,
    summary: "runs the application of each call: announcements, digits, queues, routing",
    listens: &[Listen {
        name: "http",
        protocol: Protocol::Http,
        port: 11_200,
        place: Place::Cluster,
        accepts: &["voice-21"],
    }],
    opens: &["voice-30", "voice-34", "voice-38", "voice-45", "voice-46", "voice-47"],
    settings: Settings::TABLE,
    metrics: &[metrics::Metrics::declared, net::configuration::Metrics::declared],
    admin_port: 11200,
    starts: Starts::InTurn,
    drains: Drains::CallService,
    replicas: Replicas::Single,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

runtime::settings! {
    /// Settings of ors.
    pub struct Settings {
        /// Threads that run applications' scripts.
        workers: usize = 2, |v| if (1..=64).contains(v) { Ok(()) } else { Err("it must be from 1 to 64".to_owned()) };
        /// Maximum number of concurrent sessions, of which one tenant has three quarters at most; further calls wait for another node, or for their default route.
        sessions_max: usize = 4_000;
        /// Memory of one session's variables, in bytes.
        script_memory: usize = 4_194_304;
        /// Maximum time of one evaluation of a script. The limit of work, counted without a clock, usually applies first.
        script_time: Duration = Duration::from_secs(2);
    }
}

/// State used by every part of the role.
#[derive(Clone)]
struct Shared {
    ctx: RoleContext,
    metrics: Metrics,
    applications: Arc<Applications>,
    workers: Workers,
    sessions: Arc<SessionCounts>,
    /// Held while a record is being processed that may have crashed a node.
    alone: Arc<tokio::sync::Mutex<()>>,
}

/// The inboxes of the workers.
#[derive(Clone)]
struct Workers {
    inboxes: Arc<[mpsc::Sender<Posted>]>,
    /// Waiting inputs.
    shares: Shares,
}

/// The objects that it holds of each tenant: what applications look up. Their documents are read one by one.
const KINDS: &[ObjectKind] =
    &[ObjectKind::List, ObjectKind::BusinessAttribute, ObjectKind::Schedule, ObjectKind::Tenant];
/// How often the list of tenants is requested; the answer also shows that config is available.
const TENANTS_EVERY: Duration = Duration::from_secs(3);
/// Tenants that one node serves.
const TENANTS_MAX: usize = 1_000;
/// Steps waiting to be written.
const STEPS_MAX: usize = 1_024;
/// Fault reports waiting to be written.
const REPORTS_MAX: usize = 16;

async fn run(ctx: RoleContext) -> Result<()> {
    let settings: Settings = ctx.settings()?;
    let metrics = Metrics::register(&ctx.metrics);
    let limits =
        ScriptLimits { memory_bytes: settings.script_memory, time: settings.script_time, ..ScriptLimits::default() };
    let config = net::http::Client::new(&ctx, "voice-34")?;
    let configuration = Configuration::follow(&ctx, "voice-34", KINDS)?;
    let (steps, written) = mpsc::channel(STEPS_MAX);
    let sessions = Arc::new(SessionCounts::up_to(settings.sessions_max));
    let sharing = Sharing {
        clock: Arc::clone(&ctx.clock),
        limits,
        metrics: metrics.clone(),
        sessions: Arc::clone(&sessions),
        trace: ctx.trace.clone(),
        barred: Barred::default(),
        reports: keep_reports(&ctx),
        tenants: {
            let configuration = configuration.clone();
            Arc::new(move |tenant: &TenantId| configuration.tenant(tenant))
        },
    };
    let (threads, workers) = Threads::start(&settings, sharing, steps)?;
    ctx.spawn("watch over scripts", threads.watch(ctx.drain.clone()));
    let shared = Shared {
        applications: Arc::new(Applications::new(config.clone(), Arc::clone(&ctx.clock), limits)),
        metrics,
        workers,
        sessions,
        alone: Arc::default(),
        ctx: ctx.clone(),
    };
    net::http::serve(&ctx, "http", server::router(shared.workers.clone())).await?;
    let frontend_tasks = frontend_tasks::FrontendTasks::start(&shared, config.clone())?;
    let committer = committer::Committer::new(shared.clone(), written, frontend_tasks.clone());
    ctx.spawn("session committer", committer.run());
    // A node whose lease has expired counts as failed: others take its sessions.
    runtime::lease::keep(&ctx);
    ctx.ready.require("config");
    ctx.ready.started();
    follow_tenants(&shared, &config, &configuration, &frontend_tasks).await?;
    sessions_over(&shared).await;
    Ok(())
}

/// Stores fault reports on a thread that may wait for the disk.
fn keep_reports(ctx: &RoleContext) -> Reports {
    let (sender, mut waiting) = mpsc::channel(REPORTS_MAX);
    let kept = Arc::new(FaultReports::new(&ctx.data_dir, ctx.node.as_str()));
    let drain = ctx.drain.clone();
    ctx.spawn("reports of faults", async move {
        loop {
            let report = tokio::select! {
                () = drain.ended() => return Ok(()),
                report = waiting.recv() => report,
            };
            let Some(report) = report else { return Ok(()) };
            let kept = Arc::clone(&kept);
            tokio::task::spawn_blocking(move || kept.keep(&report)).await?;
        }
    });
    Reports(sender)
}

/// Starts serving each tenant in config, until the role drains. Not before its lists are there: an application would take them for empty.
async fn follow_tenants(
    shared: &Shared,
    config: &net::http::Client,
    configuration: &Configuration,
    frontend_tasks: &frontend_tasks::FrontendTasks,
) -> Result<()> {
    let mut served: HashSet<TenantId> = HashSet::new();
    let mut changes = configuration.changes();
    loop {
        let held = changes.borrow_and_update().clone();
        let mut is_any_unread = false;
        match config.get("/tenants").idempotent().fetch::<Vec<String>>().await {
            Ok(names) => {
                shared.ctx.ready.holds("config");
                for tenant in names.iter().filter_map(|name| TenantId::parse(name).ok()) {
                    if !held.contains_key(&tenant) {
                        is_any_unread = true;
                    } else if served.len() < TENANTS_MAX && served.insert(tenant.clone()) {
                        tenant_loop::start(shared, &tenant, frontend_tasks);
                    }
                }
            }
            Err(error) => shared.ctx.ready.fails("config", error.to_string()),
        }
        tokio::select! {
            () = shared.ctx.drain.begun() => return Ok(()),
            () = tokio::time::sleep(TENANTS_EVERY) => {}
            changed = changes.changed(), if is_any_unread => {
                if changed.is_err() {
                    return Ok(());
                }
            }
        }
    }
}

/// Waits until no session is left. Sessions left at the drain's deadline are in the ledger: another node, or the next
/// run of this one, continues them.
async fn sessions_over(shared: &Shared) {
    const LOOK_EVERY: Duration = Duration::from_millis(50);
    let left = || shared.sessions.all();
    let late = || shared.ctx.drain.deadline().is_some_and(|deadline| deadline <= shared.ctx.clock.now());
    if left() > 0 {
        tracing::info!(sessions = left(), "no new sessions; these go on to their end");
    }
    while left() > 0 && !late() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The threads that run scripts, and their slots.
struct Threads {
    slots: Vec<Arc<Slot>>,
    steps: mpsc::Sender<worker::Step>,
    sharing: Sharing,
}

// === impl Threads ===

impl Threads {
    fn start(settings: &Settings, sharing: Sharing, steps: mpsc::Sender<worker::Step>) -> Result<(Self, Workers)> {
        let (senders, slots): (Vec<_>, Vec<_>) = (0..settings.workers)
            .map(|_| {
                let (sender, inbox) = mpsc::channel(INBOX_MAX);
                (sender, Arc::new(Slot::new(inbox, settings.script_time)))
            })
            .unzip();
        let threads = Self { slots, steps, sharing };
        for at in 0..threads.slots.len() {
            threads.run(at, Left::default())?;
        }
        Ok((threads, Workers { inboxes: senders.into(), shares: Shares::of(INBOX_OF_TENANT_MAX) }))
    }

    /// Starts a thread for a slot. It ends when its inbox closes, with the last of the role's tasks.
    fn run(&self, at: usize, left: Left) -> Result<()> {
        let (slot, steps, sharing) = (Arc::clone(&self.slots[at]), self.steps.clone(), self.sharing.clone());
        std::thread::Builder::new().name(format!("ors-{}", at + 1)).spawn(move || {
            match tokio::runtime::Builder::new_current_thread().enable_time().build() {
                Ok(runtime) => runtime.block_on(Worker::new(slot, left.life(), steps, sharing).run(left)),
                Err(error) => tracing::error!(%error, "a worker did not start"),
            }
        })?;
        Ok(())
    }

    /// Checks the threads until the role ends: a thread blocked by a script is abandoned, and another takes its slot.
    async fn watch(self, drain: runtime::Drain) -> Result<()> {
        loop {
            tokio::select! {
                () = drain.ended() => return Ok(()),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            for at in 0..self.slots.len() {
                if let Some(left) = self.slots[at].look() {
                    self.replace(at, left)?;
                }
            }
        }
    }

    fn replace(&self, at: usize, left: Left) -> Result<()> {
        let document = left.document();
        tracing::error!(
            sessions = left.len(),
            ?document,
            "a script has held a thread for good: the thread is abandoned"
        );
        self.sharing.metrics.thread_abandoned();
        let (now, cause) = (self.sharing.clock.now(), Cause::Steps("the time of a script within a built-in function"));
        self.sharing.reports.keep(
            now,
            left.call().map(|call| call.to_string()),
            cause,
            format!("document {document:?}"),
        );
        if let Some((tenant, digest)) = document {
            self.sharing.barred.bar(tenant, digest);
        }
        self.run(at, left)
    }
}

// === impl Workers ===

impl Workers {
    /// Sends work to the worker of the call; waits while it is busy, or while too many inputs of the tenant wait.
    async fn send(&self, conn_id: ConnId, work: Work) {
        self.post(self.of(conn_id), work).await;
    }

    async fn post(&self, inbox: &mpsc::Sender<Posted>, work: Work) {
        let Some(share) = self.shares.take(work.tenant()).await else { return };
        // The channel does not close before the process ends.
        let _ = inbox.send(Posted::of_tenant(work, share)).await;
    }

    /// Like [`Self::send`] for the result of a step: the committer serves all tenants and must not wait for one's permits.
    async fn give_back(&self, conn_id: ConnId, work: Work) {
        let _ = self.of(conn_id).send(Posted::free(work)).await;
    }

    /// Sends work if there is room.
    fn try_send(&self, conn_id: ConnId, work: Work) -> bool {
        self.of(conn_id).try_send(Posted::free(work)).is_ok()
    }

    /// Sends work to every worker.
    async fn send_all(&self, mut work: impl FnMut() -> Work) {
        for inbox in self.inboxes.iter() {
            self.post(inbox, work()).await;
        }
    }

    fn of(&self, conn_id: ConnId) -> &mpsc::Sender<Posted> {
        // There is at least one worker, as the setting's check ensures.
        &self.inboxes[conn_id.share_of(self.inboxes.len())]
    }
}
