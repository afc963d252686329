//! The robots and the comparison as child processes, from the time when all roles are ready to the end.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use infra::Stores;
use robots::{Results, SecureEdge, Site};
use runtime::data_dir;
use runtime::exit::{Exit, ExitError};
use runtime::process::Installation;
use runtime::process::stores::{Mode, SECTION, StoresSettings};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::robot_load::Load;
use super::{TENANT, TOKEN_LIFE, advertised, cast, describe, load, own_certificates, sip_edge};
use crate::stores::Servers;

/// Input of the robots, in the data directory.
const SITE: &str = "robots.json";
/// Result of the robots, in the data directory.
const RESULT: &str = "robots-result.json";
/// The comparison program, in the same folder as this one.
const RECONCILE: &str = "trunkline-reconcile";
/// Time for robots to end after a signal.
const ROBOTS_END: Duration = Duration::from_secs(8);
/// Time within which the comparison must begin to watch.
const WATCH_WITHIN: Duration = Duration::from_secs(20);
/// Time within which the comparison waits for the last facts and compares.
const COMPARE_WITHIN: Duration = Duration::from_secs(120);

/// A demo in progress.
pub struct Show {
    load: Load,
    exit: bool,
    json: bool,
    reconcile: Option<PathBuf>,
    running: Mutex<Option<JoinHandle<anyhow::Result<Exit>>>>,
    /// Set when the roles have ended; a signal may have come before the robots were started.
    over: Arc<Notify>,
}

impl Show {
    /// A show that ends after the last call (`exit`), or runs until a signal comes.
    pub fn new(load: Load, exit: bool, json: bool) -> anyhow::Result<Self> {
        let reconcile = if exit { Some(beside(RECONCILE)?) } else { None };
        Ok(Self { load, exit, json, reconcile, running: Mutex::default(), over: Arc::default() })
    }

    /// Number of robots that are agents.
    pub fn agents(&self) -> usize {
        self.load.agents()
    }

    /// Prints how to use the demo and starts the robots.
    pub async fn begin(&self, installation: &Installation, stores: &Stores) -> anyhow::Result<()> {
        let rate = self.load.rate() * 60.0;
        let robots = format!("{} agents, and callers about {rate:.0} times a minute", self.load.agents());
        super::announce(installation, stores, Some(&robots)).await?;
        let site = site(installation, stores, self.agents()).await?;
        let path = installation.data_dir.join(SITE);
        data_dir::write_whole(&path, serde_json::to_string_pretty(&site)?.as_bytes())?;
        let play = Play {
            site: path,
            result: installation.data_dir.join(RESULT),
            arguments: self.load.arguments(),
            reconcile: self.reconcile.clone().map(|program| (program, installation.data_dir.clone())),
            brokers: brokers(installation)?,
            exit: self.exit,
            json: self.json,
            instance: installation.instance,
            over: self.over.clone(),
        };
        let running = tokio::spawn(play.run());
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
        Ok(())
    }

    /// The overall result, after the roles have ended.
    pub async fn ended(&self, roles: anyhow::Result<Exit>) -> anyhow::Result<Exit> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.over.notify_one();
        // No call of a demo is worth waiting for.
        let cut_is_done = |exit| if exit == Exit::DrainCut && !self.exit { Exit::Done } else { exit };
        let Some(running) = running else {
            // Ended before the first call: the checks were not made.
            let is_over = |exit| matches!(exit, Exit::Done | Exit::DrainCut);
            let unchecked = |exit| if self.exit && is_over(exit) { Exit::CheckFailed } else { exit };
            return roles.map(cut_is_done).map(unchecked);
        };
        // The children got the same signal and have had their time.
        let play = match tokio::time::timeout(ROBOTS_END, running).await {
            Ok(joined) => joined?,
            Err(_) => Err(anyhow::anyhow!("the robots did not end")),
        };
        let roles = roles?;
        match play? {
            Exit::Done => Ok(cut_is_done(roles)),
            other => Ok(other),
        }
    }
}

/// A program in the folder of this one.
fn beside(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if path.is_file() {
        return Ok(path);
    }
    let message = format!("{} is missing: build it with `cargo build --package {RECONCILE}`", path.display());
    Err(ExitError::new(Exit::Usage, message).into())
}

/// Input of the robots.
async fn site(installation: &Installation, stores: &Stores, agents: usize) -> anyhow::Result<Site> {
    let (tenant, objects) = load(stores).await?;
    let demo = describe(installation, &tenant, &objects)?;
    let token = installation.token_issuer()?.issue(
        Some(&tenant),
        "robots/demo",
        "agents:control calls:control calls:read",
        TOKEN_LIFE,
    )?;
    let skills = |skills: &[(&str, u16)]| skills.iter().map(|(skill, level)| ((*skill).to_owned(), *level)).collect();
    Ok(Site {
        tenant: TENANT.to_owned(),
        sip: sip_edge(installation)?,
        web: demo["web"].as_str().unwrap_or_default().to_owned(),
        token,
        numbers: objects.numbers.iter().map(|number| (number.name.clone(), number.number.clone())).collect(),
        // The skills that the example's applications require of an agent.
        services: [
            ("sales".to_owned(), skills(&[("Sales", 1)])),
            ("support".to_owned(), skills(&[("Support", 3), ("English", 1)])),
        ]
        .into(),
        agents: cast::of(&objects, agents)?,
        outside: cast::outside(&objects, sip_edge(installation)?.robots_address()?, secure_edge(installation)?),
    })
}

/// The edge for phones on TLS, where it shows the certificate of its own making: they can be told to believe it.
fn secure_edge(installation: &Installation) -> anyhow::Result<Option<SecureEdge>> {
    let files = voice::sip_proxy::certificate_files(&installation.values);
    if !files.is_some_and(|files| files.identities.is_empty()) {
        return Ok(None);
    }
    let file = installation.data_dir.join(voice::sip_proxy::OWN_FILE);
    let at = advertised(installation, &voice::sip_proxy::SPEC, "sip-tls")?;
    Ok(own_certificates::alone(&file).map(|certificate| SecureEdge { host: at.host, port: at.port, certificate }))
}

/// The child processes.
struct Play {
    site: PathBuf,
    result: PathBuf,
    arguments: Vec<String>,
    /// The comparison program, and the data directory with the reporting log.
    reconcile: Option<(PathBuf, PathBuf)>,
    /// Kafka's brokers, if it has the reporting log.
    brokers: Option<String>,
    exit: bool,
    json: bool,
    instance: u8,
    over: Arc<Notify>,
}

impl Play {
    /// Runs the children to their end, or until a signal comes; then ends this process if requested (`exit`).
    async fn run(self) -> anyhow::Result<Exit> {
        let done = self.perform().await;
        if let Err(error) = &done {
            eprintln!("trunkline: {error:#}");
        }
        if self.exit || done.is_err() {
            // Like an operator: the roles drain.
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM)?;
        }
        done
    }

    async fn perform(&self) -> anyhow::Result<Exit> {
        let mut watcher = match &self.reconcile {
            Some((program, data_dir)) => {
                Some(Watcher::start(program, data_dir, self.instance, self.brokers.as_deref()).await?)
            }
            None => None,
        };
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let mut robots = Command::new(std::env::current_exe()?)
            .args(["robots", "--with-stdin", "--json", "--site"])
            .arg(&self.site)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C at a terminal is for this process, which ends the children in order: they may not handle it yet.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("starting the robots")?;
        let (stdin, mut stdout) = (robots.stdin.take(), robots.stdout.take().context("no stdout")?);
        let mut said = String::new();
        let stopped = tokio::select! {
            read = stdout.read_to_string(&mut said) => { read?; false }
            _ = terminate.recv() => true,
            _ = interrupt.recv() => true,
            () = self.over.notified() => true,
        };
        drop(stdin);
        if stopped {
            let rest = tokio::time::timeout(ROBOTS_END, stdout.read_to_string(&mut said)).await;
            rest.context("the robots did not end")??;
        }
        let status = robots.wait().await?;
        let results: Results =
            serde_json::from_str(&said).with_context(|| format!("the robots ended with {status}"))?;
        let verdict = match watcher.take() {
            Some(watcher) if !stopped => Some(watcher.compare(&self.result, &said).await?),
            _ => None,
        };
        self.tell(&results, verdict.as_ref())?;
        let agreed = verdict.as_ref().is_none_or(|verdict| verdict["agreed"] == true);
        let whole = !self.exit || !stopped;
        Ok(if whole && agreed && (!self.exit || results.is_flawless()) { Exit::Done } else { Exit::CheckFailed })
    }

    fn tell(&self, results: &Results, verdict: Option<&serde_json::Value>) -> anyhow::Result<()> {
        if self.json {
            let mut document = serde_json::to_value(results)?;
            document["comparison"] = verdict.cloned().unwrap_or_default();
            say_line!("{}", serde_json::to_string_pretty(&document)?);
        } else {
            say!("{}", results.table());
            if let Some(table) = verdict.and_then(|verdict| verdict["table"].as_str()) {
                say!("{table}");
            }
        }
        Ok(())
    }
}

/// Kafka's brokers, if the stores are in servers.
fn brokers(installation: &Installation) -> anyhow::Result<Option<String>> {
    let settings: StoresSettings = installation.values.read(SECTION)?;
    Ok(match settings.mode() {
        Mode::Embedded => None,
        Mode::Real => Some(Servers::of(installation.instance, &settings)?.brokers().to_owned()),
    })
}

/// The comparison, which watches from before the first call.
struct Watcher {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Watcher {
    async fn start(program: &PathBuf, data_dir: &PathBuf, instance: u8, brokers: Option<&str>) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .args(["--with-stdin", "--json", "--instance", &instance.to_string(), "--data-dir"])
            .arg(data_dir)
            .args(brokers.map(|brokers| ["--kafka", brokers]).into_iter().flatten())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let mut stdout = BufReader::new(child.stdout.take().context("no stdout")?);
        let mut line = String::new();
        tokio::time::timeout(WATCH_WITHIN, stdout.read_line(&mut line))
            .await
            .context("the comparison does not begin")??;
        anyhow::ensure!(line.trim() == "watching", "the comparison did not begin");
        Ok(Self { child, stdout })
    }

    /// Passes the robots' result to the comparison and returns its findings.
    async fn compare(mut self, path: &Path, said: &str) -> anyhow::Result<serde_json::Value> {
        data_dir::write_whole(path, said.as_bytes())?;
        let mut stdin = self.child.stdin.take().context("no stdin")?;
        stdin.write_all(format!("{}\n", path.display()).as_bytes()).await?;
        drop(stdin);
        let mut said = String::new();
        let read = tokio::time::timeout(COMPARE_WITHIN, self.stdout.read_to_string(&mut said)).await;
        read.context("the comparison does not end")??;
        let status = self.child.wait().await?;
        serde_json::from_str(&said).with_context(|| format!("the comparison ended with {status}"))
    }
}
