//! A whole installation under test: the built binary with its own instance number and data directory.

mod claim;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

pub use self::claim::Instance;
use self::claim::{claim_instance, lock_file};
use crate::consul::Consul;
use crate::names;
use crate::process::signal;
use crate::servers::{self, Servers};
use crate::wait;

/// How long an installation may take to become ready. The product's own goal is 2 s; a busy build machine gets more.
const START_LIMIT: Duration = Duration::from_secs(120);

/// For what a process wrote before it ended. The roles that it started may hold its pipes a little longer.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(20);
/// How long it may take to drain.
const STOP_LIMIT: Duration = Duration::from_secs(120);
/// Addresses of strangers in one block; each block has its own third octet.
const STRANGERS_PER_BLOCK: u16 = 250;

/// The contents of `demo.json`, written by `trunkline up --example`.
#[derive(Clone, Debug, Deserialize)]
pub struct Demo {
    /// The instance.
    pub instance: u8,
    /// Its address for phones and carriers.
    pub sip: SipEdge,
    /// The web edge, without TLS.
    pub web: String,
    /// The web edge by HTTPS.
    pub webs: String,
    /// The certificate to trust for that, where it is of the installation's own making.
    pub webs_ca: Option<PathBuf>,
    /// Who issues tokens of people and programs.
    pub issuer: String,
    /// The numbers to dial, by name.
    pub numbers: std::collections::BTreeMap<String, String>,
    /// People with their phones.
    pub people: Vec<DemoPerson>,
    /// Tokens by purpose.
    pub tokens: std::collections::BTreeMap<String, String>,
    /// People who sign in.
    pub users: Vec<DemoUser>,
    /// Programs that sign in.
    pub clients: Vec<DemoClient>,
}

/// A person who signs in.
#[derive(Clone, Debug, Deserialize)]
pub struct DemoUser {
    /// `agent`, `browser agent`, `supervisor`, `administrator`, `designer` or `integrator`.
    pub kind: String,
    /// Where people of that kind sign in; empty for a build that does not say it.
    #[serde(default)]
    pub page: String,
    /// The user name.
    pub user: String,
    /// The password.
    pub password: String,
    /// The agent, if the person is one.
    pub agent: Option<String>,
    /// The phone at the person's place.
    pub dn: Option<String>,
}

/// A program that signs in.
#[derive(Clone, Debug, Deserialize)]
pub struct DemoClient {
    /// Its `client_id`.
    pub id: String,
    /// Its secret.
    pub secret: String,
}

/// The SIP edge.
#[derive(Clone, Debug, Deserialize)]
pub struct SipEdge {
    /// Its address.
    pub host: String,
    /// Its port, UDP and TCP.
    pub port: u16,
}

/// A person with a phone.
#[derive(Clone, Debug, Deserialize)]
pub struct DemoPerson {
    /// The phone's number.
    pub extension: String,
    /// Its password.
    pub password: String,
    /// The agent.
    pub agent: String,
}

/// A running installation; it is ended when dropped.
pub struct Installation {
    child: Child,
    directory: tempfile::TempDir,
    servers: Option<Servers>,
    /// The program of all its processes.
    program: PathBuf,
    stores: Stores,
    log: Arc<Mutex<Vec<String>>>,
    /// Its `demo.json`.
    pub demo: Demo,
    /// The last field: the number is free for another test once the servers have ended.
    _lock: File,
}

/// The path of the built binary, next to the tests' own.
pub fn binary() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let found = own.ancestors().map(|folder| folder.join("trunkline")).find(|path| path.is_file());
    found.context("no binary `trunkline` beside the tests: build it with `cargo build -p trunkline`")
}

impl Installation {
    /// Starts `trunkline up --example` and waits until it is ready.
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// Starts it with further arguments.
    pub fn start_with(arguments: &[&str]) -> Result<Self> {
        let (instance, lock) = claim_instance()?;
        let directory = tempfile::tempdir()?;
        let servers = servers::wanted().then(|| Servers::start(instance)).transpose()?;
        Self::launch(instance, lock, directory, servers, AS_TOLD, arguments)
    }

    /// The last octet of the address of the name server that [`Self::start_asking_names`] asks.
    pub const NAMES: u8 = 53;

    /// Starts it so that it asks the name server that the test starts on this instance's [`Self::NAMES`].
    pub fn start_asking_names() -> Result<Self> {
        let (instance, lock) = claim_instance()?;
        let servers = servers::wanted().then(|| Servers::start(instance)).transpose()?;
        let asked = asking_names(instance);
        Self::launch(instance, lock, tempfile::tempdir()?, servers, AS_TOLD, &["--set", &asked])
    }

    /// The setting with which [`Self::start_asking_names`] has started it, for commands that ask names too.
    pub fn asking_names(&self) -> String {
        asking_names(self.demo.instance)
    }

    /// Starts it with arguments that depend on the number of its instance.
    pub fn start_numbered(arguments: impl FnOnce(u8) -> Vec<String>) -> Result<Self> {
        let (instance, lock) = claim_instance()?;
        let servers = servers::wanted().then(|| Servers::start(instance)).transpose()?;
        let arguments = arguments(instance);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Self::launch(instance, lock, tempfile::tempdir()?, servers, AS_TOLD, &arguments)
    }

    /// Starts it on servers, whatever the environment requests, with further arguments.
    pub fn start_on_servers(arguments: &[&str]) -> Result<Self> {
        let (instance, lock) = claim_instance()?;
        let servers = Servers::start(instance)?;
        Self::launch(instance, lock, tempfile::tempdir()?, Some(servers), REAL, arguments)
    }

    /// Starts it on servers with further arguments, so that its replicas find one another by a Consul of its own.
    pub fn start_with_consul(arguments: &[&str]) -> Result<(Self, Consul)> {
        let (instance, lock) = claim_instance()?;
        let consul = Consul::start(instance)?;
        let servers = Servers::start(instance)?;
        let settings = consul.settings();
        let arguments: Vec<&str> = settings.iter().map(String::as_str).chain(arguments.iter().copied()).collect();
        let site = Self::launch(instance, lock, tempfile::tempdir()?, Some(servers), REAL, &arguments)?;
        Ok((site, consul))
    }

    /// Starts it as this instance, with further arguments; nothing else may use the number. The caller starts its servers.
    pub fn start_as(instance: u8, arguments: &[&str]) -> Result<Self> {
        let file = lock_file(instance)?;
        ensure!(file.try_lock().is_ok(), "instance {instance} is in use");
        Self::launch(instance, file, tempfile::tempdir()?, None, AS_TOLD, arguments)
    }

    /// Starts this program as this instance, on servers that the caller has started; nothing else may use the number.
    pub fn start_program(program: &Path, instance: u8, arguments: &[&str]) -> Result<Self> {
        let file = lock_file(instance)?;
        ensure!(file.try_lock().is_ok(), "instance {instance} is in use");
        let run = (program.to_owned(), REAL);
        Self::launch_while((instance, file), tempfile::tempdir()?, None, run, arguments, |_| Ok(()))
    }

    fn launch(
        instance: u8,
        lock: File,
        directory: tempfile::TempDir,
        servers: Option<Servers>,
        stores: Stores,
        arguments: &[&str],
    ) -> Result<Self> {
        Self::launch_while((instance, lock), directory, servers, (binary()?, stores), arguments, |_| Ok(()))
    }

    /// The same; what it has logged so far is shown to `look` until it is ready.
    fn launch_while(
        (instance, lock): (u8, File),
        directory: tempfile::TempDir,
        servers: Option<Servers>,
        (program, stores): (PathBuf, Stores),
        arguments: &[&str],
        mut look: impl FnMut(&[String]) -> Result<()>,
    ) -> Result<Self> {
        let said = directory.path().join("demo.json");
        let _ = fs::remove_file(&said);
        let mut child = Command::new(&program)
            .args(["up", "--example", "--instance", &instance.to_string(), "--data-dir"])
            .arg(directory.path())
            .args(stores)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let collectors = [collect(child.stdout.take(), &log), collect(child.stderr.take(), &log)];
        let ready = wait::until(START_LIMIT, || {
            if let Some(status) = child.try_wait()? {
                bail!("it ended with {status}");
            }
            look(&lines(&log))?;
            Ok(fs::read(&said).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()))
        });
        match ready {
            Ok(demo) => Ok(Self { child, directory, servers, program, stores, log, demo, _lock: lock }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                // Its last words may still be in the pipes.
                let read = || Ok(collectors.iter().flatten().all(JoinHandle::is_finished).then_some(()));
                let _ = wait::until(LAST_WORDS_LIMIT, read);
                Err(error.context(format!("not ready\n{}", tail(&log))))
            }
        }
    }

    /// Its data directory.
    pub fn data_dir(&self) -> &Path {
        self.directory.path()
    }

    /// What its nodes seal with: it opens the tags of their dialogs.
    pub fn seal(&self) -> Result<sip::Seal> {
        let key = fs::read(self.data_dir().join("keys/installation.key")).context("the installation's key")?;
        let key: Option<[u8; 32]> = key.try_into().ok();
        Ok(sip::Seal::new(&key.context("the installation's key has 32 bytes")?))
    }

    /// The folders of its stores.
    pub fn stored_in(&self) -> Vec<PathBuf> {
        let of_servers = self.servers.as_ref().map(|servers| servers.folder().to_owned());
        std::iter::once(self.data_dir().to_owned()).chain(of_servers).collect()
    }

    /// The arguments about stores for each command.
    pub const fn stores(&self) -> &'static [&'static str] {
        self.stores
    }

    /// Whether its stores are servers.
    pub fn is_on_servers(&self) -> bool {
        self.servers.is_some()
    }

    /// The servers of its stores; an error if they are embedded.
    pub fn servers(&mut self) -> Result<&mut Servers> {
        self.servers.as_mut().context("its stores are embedded")
    }

    /// The id of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The SIP edge as `host:port`.
    pub fn sip(&self) -> String {
        format!("{}:{}", self.demo.sip.host, self.demo.sip.port)
    }

    /// The SIP edge for TLS as `host:port`.
    pub fn secure_sip(&self) -> String {
        format!("{}:5061", self.demo.sip.host)
    }

    /// The SIP edge for WebSocket under TLS as `host:port`.
    pub fn secure_web_socket(&self) -> String {
        format!("{}:7443", self.demo.sip.host)
    }

    /// The SIP edge for WebSocket in the clear as `host:port`.
    pub fn web_socket(&self) -> String {
        format!("{}:5066", self.demo.sip.host)
    }

    /// A loopback address of this instance that no role uses, for a peer of the test.
    pub fn peer_address(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, self.demo.instance, 250, host)
    }

    /// A loopback address of this instance for a stranger with a number below [`Self::STRANGERS_MAX`].
    pub fn stranger_address(&self, number: u16) -> Ipv4Addr {
        let [block, host] = [number / STRANGERS_PER_BLOCK, number % STRANGERS_PER_BLOCK];
        Ipv4Addr::new(127, self.demo.instance, 251 + block.min(3) as u8, 1 + host as u8)
    }

    /// Number of addresses for strangers.
    pub const STRANGERS_MAX: u16 = 4 * STRANGERS_PER_BLOCK;

    /// A number by its name, such as `sales`.
    pub fn number(&self, name: &str) -> Result<&str> {
        self.demo.numbers.get(name).map(String::as_str).with_context(|| format!("no number named {name}"))
    }

    /// The lines that it has logged so far.
    pub fn log(&self) -> Vec<String> {
        lines(&self.log)
    }

    /// The lines of the log alone, without what is printed for people (the demo tells them their passwords): the log is JSON.
    pub fn log_lines(&self) -> Vec<String> {
        self.log().into_iter().filter(|line| line.starts_with('{')).collect()
    }

    /// Changes a copy of the example tenant's files and imports it while the installation runs.
    pub fn import_changed(&self, change: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let files = tempfile::tempdir()?;
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data");
        copy_folder(&example, files.path())?;
        change(files.path())?;
        let output = Command::new(binary()?)
            .args(["tenant", "import"])
            .arg(files.path().join("example-tenant.yaml"))
            .args(["--instance", &self.demo.instance.to_string(), "--data-dir"])
            .arg(self.data_dir())
            .args(self.stores)
            .output()?;
        if output.status.success() {
            return Ok(());
        }
        bail!("import: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }

    /// Ends it with SIGTERM, like an operator, and returns its exit code.
    pub fn stop(&mut self) -> Result<i32> {
        signal(self.child.id(), "TERM")?;
        self.ended(STOP_LIMIT)
    }

    /// Waits until it has ended and returns its exit code.
    pub fn ended(&mut self, limit: Duration) -> Result<i32> {
        let child = &mut self.child;
        let status = wait::until(limit, || Ok(child.try_wait()?))?;
        Ok(status.code().unwrap_or(-1))
    }

    /// Kills it, like a crash.
    pub fn crash(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Kills it if it still runs, then restarts it on the same data.
    pub fn crash_and_restart(self) -> Result<Self> {
        self.crash_and_restart_with(&[])
    }

    /// Like [`Self::crash_and_restart`], with further arguments.
    pub fn crash_and_restart_with(self, arguments: &[&str]) -> Result<Self> {
        self.crash_and_restart_while(arguments, |_| Ok(()))
    }

    /// The same; what the new one has logged so far is shown to `look` until it is ready.
    pub fn crash_and_restart_while(
        mut self,
        arguments: &[&str],
        look: impl FnMut(&[String]) -> Result<()>,
    ) -> Result<Self> {
        self.crash()?;
        let (instance, lock) = (self.demo.instance, self._lock.try_clone()?);
        let directory = std::mem::replace(&mut self.directory, tempfile::tempdir()?);
        let servers = self.servers.take();
        let run = (self.program.clone(), self.stores);
        Self::launch_while((instance, lock), directory, servers, run, arguments, look)
    }

    /// Like [`Self::crash_and_restart_with`], but with this program, which is that of the installation from then on.
    pub fn crash_and_restart_as(mut self, program: &Path, arguments: &[&str]) -> Result<Self> {
        program.clone_into(&mut self.program);
        self.crash_and_restart_with(arguments)
    }
}

/// The setting of an instance that asks the name server of its test.
fn asking_names(instance: u8) -> String {
    format!("sip-proxy.name_servers=[\"127.{instance}.250.{}:{}\"]", Installation::NAMES, names::PORT)
}

/// The arguments about stores for every process of an installation.
type Stores = &'static [&'static str];

/// As the environment and the arguments determine.
const AS_TOLD: Stores = &[];
const REAL: Stores = &["--set", "stores.mode=real"];

impl Drop for Installation {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.stop();
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn collect(
    stream: Option<impl std::io::Read + Send + 'static>,
    log: &Arc<Mutex<Vec<String>>>,
) -> Option<JoinHandle<()>> {
    let stream = stream?;
    let log = Arc::clone(log);
    Some(std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if let Ok(mut lines) = log.lock() {
                lines.push(line);
            }
        }
    }))
}

fn lines(log: &Mutex<Vec<String>>) -> Vec<String> {
    log.lock().map(|lines| lines.clone()).unwrap_or_default()
}

fn tail(log: &Mutex<Vec<String>>) -> String {
    let lines = lines(log);
    lines[lines.len().saturating_sub(30)..].join("\n")
}
