//! `trunkline up --processes`: one supervised operating-system process per role and replica, with the same settings.
//!
//! The supervisor starts each process, restarts it when it ends, drains it in its turn, and marks its log lines. The
//! kernel tells a process whose supervisor has ended, by a signal of its own (`SIGUSR1`); it drains and ends.

mod child;
mod former;
mod supervisor_file;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use infra::SystemClock;
use net::admin::AdminClient;
use runtime::data_dir::{DataDir, Sharing};
use runtime::exit::{Exit, ExitError};
use runtime::process::stores::{Mode, SECTION, StoresSettings};
use runtime::process::{Ending, Installation, ProcessSettings, sections};
use runtime::settings::Values;
use runtime::{Drain, Starts, key_files};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use self::child::{Child, Ended, Start};
use self::supervisor_file::SupervisorFile;
pub use self::supervisor_file::replicas_told;
use crate::demo::Example;
use crate::{roles, stores};

/// How long the other roles wait for each of those that start first.
const FIRST_WITHIN: Duration = Duration::from_secs(10);
/// How often readiness is queried.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Time after the deadline for the remaining processes to end by themselves.
const CUT: Duration = Duration::from_secs(2);
/// Lifetime of the token with which the supervisor queries readiness.
const TOKEN_LIFE: Duration = Duration::from_secs(24 * 3_600);

/// Input of a supervisor.
pub struct Plan {
    /// Number of the instance.
    pub instance: u8,
    /// The data directory, which all processes share.
    pub data_dir: PathBuf,
    /// The settings, checked.
    pub values: Values,
    /// Command-line arguments of every process besides its role.
    pub arguments: Vec<std::ffi::OsString>,
    /// The replica counts of its options, as `--set` takes them.
    pub replicas: Vec<String>,
    /// Receives the lines of the processes' logs.
    pub log_line: fn(&str),
}

/// For a supervisor whose log is on stdout.
pub fn to_stdout(line: &str) {
    say_line!("{line}");
}

/// For a supervisor whose answer is on stdout.
pub fn to_stderr(line: &str) {
    eprintln!("{line}");
}

/// Runs every replica of every role in its own process until all have drained.
pub async fn run(plan: Plan, example: &Example) -> anyhow::Result<Exit> {
    let settings: ProcessSettings = plan.values.read(sections::PROCESS)?;
    let of_stores: StoresSettings = plan.values.read(SECTION)?;
    if of_stores.mode() == Mode::Embedded {
        let message = "embedded stores are not shared between processes: --processes needs --set stores.mode=real";
        return Err(ExitError::new(Exit::Settings, message).into());
    }
    let clock = Arc::new(SystemClock::start());
    let data_dir = DataDir::open(&plan.data_dir, Sharing::Shared)?;
    let file = SupervisorFile::write(&plan.data_dir, &plan.replicas)?;
    stores::expect_key(plan.instance, &plan.data_dir, &plan.values, roles::TABLE).await?;
    let installation = Installation::of(plan.instance, &data_dir, plan.values, clock)?;
    key_files::register_services(&plan.data_dir, roles::TABLE, &installation.clock)?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let prepared = async {
        if file.follows_another() {
            former::have_ended(&plan.data_dir, settings.drain_deadline + CUT).await;
        }
        let own = stores::open(&installation, roles::TABLE).await.context("opening the stores")?.of_process()?;
        example.bring(&installation, &own).await?;
        anyhow::Ok(own)
    };
    // Nothing has started yet that would have to drain.
    let own = tokio::select! {
        own = prepared => own?,
        Some(()) = terminate.recv() => return Ok(Exit::Done),
        Some(()) = interrupt.recv() => return Ok(Exit::Done),
    };
    let admin = admin_client(&installation)?;
    let mut processes = Processes {
        running: JoinSet::new(),
        children: HashMap::new(),
        ending: Ending::default(),
        cut: tokio_util::sync::CancellationToken::new(),
    };
    let exit = {
        let started = async {
            processes.start((&plan.arguments, plan.log_line), &settings, &admin, &installation).await?;
            all_ready(&admin, |_| true).await;
            tracing::info!(processes = processes.children.len(), "all roles are ready");
            example.begin(&installation, &own).await?;
            processes.failed().await
        };
        tokio::select! {
            ended = started => Err(ended.err().unwrap_or_else(|| anyhow::anyhow!("every process has ended"))),
            Some(()) = terminate.recv() => Ok("SIGTERM"),
            Some(()) = interrupt.recv() => Ok("SIGINT"),
        }
    };
    drop(own);
    let deadline = installation.clock.now() + settings.drain_deadline;
    processes.ending.begin(deadline);
    let signal = match &exit {
        Ok(signal) => signal,
        Err(_) => "a failure",
    };
    tracing::info!(signal, deadline_s = settings.drain_deadline.as_secs(), "draining");
    let drained = tokio::select! {
        cut = processes.all_ended() => cut,
        Some(()) = terminate.recv() => true,
        Some(()) = interrupt.recv() => true,
        () = tokio::time::sleep(settings.drain_deadline + CUT) => true,
    };
    processes.cut.cancel();
    while processes.running.join_next().await.is_some() {}
    exit?;
    tracing::info!(cut = drained, "stopped");
    Ok(if drained { Exit::DrainCut } else { Exit::Done })
}

/// A client that queries every replica for readiness.
fn admin_client(installation: &Installation) -> anyhow::Result<AdminClient> {
    let directory = sections::directory(installation.instance, roles::TABLE, &installation.values)?;
    let token = installation.token_issuer()?.issue(None, "operator/supervisor", "", TOKEN_LIFE)?;
    Ok(AdminClient::of_operator(roles::TABLE, directory, token))
}

/// Waits until every matching replica is ready.
async fn all_ready(admin: &AdminClient, meant: impl Fn(&str) -> bool) {
    loop {
        let told = admin.ask("/ready").await;
        let is_ready =
            |told: &net::admin::ReplicaAnswer| told.answer.as_ref().is_ok_and(|answer| answer.status.is_success());
        if told.iter().filter(|told| meant(told.listener.role)).all(is_ready) {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The processes of an installation.
struct Processes {
    running: JoinSet<(&'static str, String, Ended)>,
    children: HashMap<String, &'static str>,
    ending: Ending,
    /// Ends the remaining processes at once.
    cut: tokio_util::sync::CancellationToken,
}

impl Processes {
    async fn start(
        &mut self,
        (arguments, log_line): (&[std::ffi::OsString], fn(&str)),
        settings: &ProcessSettings,
        admin: &AdminClient,
        installation: &Installation,
    ) -> anyhow::Result<()> {
        let program = std::env::current_exe().context("the path of this program")?;
        let mut specs: Vec<_> = roles::TABLE.to_vec();
        // A stable sort: both parts keep the order of the table.
        specs.sort_by_key(|spec| spec.starts);
        for spec in specs {
            for number in 1..=sections::replica_count(&installation.values, spec.name) {
                let node = format!("{}-{number}", spec.name);
                let drain = Drain::new(settings.drain_deadline);
                self.ending.started(spec, drain.clone());
                self.children.insert(node.clone(), spec.name);
                let start = Start {
                    program: program.clone(),
                    role: spec.name,
                    number,
                    node: node.clone(),
                    arguments: arguments.to_vec(),
                    restart_after: settings.restart_after,
                    log_line,
                };
                let cut = self.cut.clone();
                let child = Child::new(start, drain, cut);
                self.running.spawn(async move { (spec.name, node, child.supervised().await) });
            }
            if spec.starts == Starts::First {
                let ready = tokio::time::timeout(FIRST_WITHIN, all_ready(admin, |role| role == spec.name));
                tokio::select! {
                    ready = ready => if ready.is_err() {
                        tracing::warn!(role = spec.name, "not ready yet: the others start without it");
                    },
                    failed = self.failed() => return failed,
                }
            }
        }
        Ok(())
    }

    /// Waits until a process has failed for good.
    async fn failed(&mut self) -> anyhow::Result<()> {
        loop {
            match self.running.join_next().await {
                Some(Ok((role, node, ended))) => {
                    self.ending.ended(role);
                    if let Ended::GaveUp(error) = ended {
                        return Err(error.context(node));
                    }
                }
                Some(Err(error)) => return Err(error.into()),
                None => std::future::pending().await,
            }
        }
    }

    /// Waits until every process has ended, and drains each in its turn. Returns whether one was cut short.
    async fn all_ended(&mut self) -> bool {
        let mut cut = false;
        while let Some(ended) = self.running.join_next().await {
            match ended {
                Ok((role, _, ended)) => {
                    cut |= matches!(ended, Ended::Cut);
                    self.ending.ended(role);
                }
                Err(_) => self.ending.begin_all(),
            }
        }
        cut
    }
}
