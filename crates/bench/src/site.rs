//! Our side: roles of the built binary, in one process per group, so that each group's CPU time is known.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use infra::SystemClock;
use runtime::token::TokenIssuer;

use crate::process::{Process, wait_until};

/// Phones of the generated tenant, all registered by the registrar's benchmark.
pub const PHONES: u32 = 20_000;
/// The password of all phones.
pub const PASSWORD: &str = "bench-password-1";
/// The realm of all phones.
pub const REALM: &str = "bench.trunkline.invalid";
/// The tenant's id.
pub const TENANT: &str = "bench";

/// How long a role may take to be ready: tenants have tens of thousands of phones.
const START_LIMIT: Duration = Duration::from_secs(180);

/// Lines of a log that are shown where its roles are not ready in time.
const LAST_LINES: usize = 20;

/// An installation with its own data directory.
pub struct Site {
    /// Its number: its addresses are 127.N.x.y.
    pub instance: u8,
    folder: PathBuf,
    /// Arguments about stores, for every command.
    stores: &'static [&'static str],
}

/// A process that runs some roles.
pub struct Roles {
    /// The process.
    pub process: Process,
    /// Its log.
    log: PathBuf,
}

impl Site {
    /// Imports the generated tenant into a new data directory in `folder`.
    pub fn new(instance: u8, folder: &Path) -> Result<Self> {
        Self::of_tenant(instance, folder, &tenant())
    }

    /// Imports that tenant's file into a new data directory in `folder`.
    pub fn of_tenant(instance: u8, folder: &Path, yaml: &str) -> Result<Self> {
        let site = Self::empty(instance, folder, &[]);
        let file = folder.join("tenant.yaml");
        fs::write(&file, yaml)?;
        site.import(&file)?;
        Ok(site)
    }

    /// One without a tenant, with its data directory in `folder`; `stores` are given to every command.
    pub fn empty(instance: u8, folder: &Path, stores: &'static [&'static str]) -> Self {
        Self { instance, folder: folder.join("data"), stores }
    }

    /// Imports a tenant's file.
    pub fn import(&self, file: &Path) -> Result<()> {
        let mut command = self.command(&["tenant", "import"]);
        let output = command.arg(file).output().context("the binary cannot be started")?;
        if !output.status.success() {
            bail!("tenant import: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    /// A port of a role.
    pub fn role(&self, role: &str, port: u16) -> Result<SocketAddr> {
        Ok(SocketAddr::new(runtime::address::of_replica(self.instance, spec(role)?.number, 1), port))
    }

    /// A port of the web edge.
    pub fn web(&self, port: u16) -> SocketAddr {
        SocketAddr::new(runtime::address::of_edge(self.instance, 1), port)
    }

    /// Who issues tokens for programs of the benchmark.
    pub fn token_issuer(&self) -> Result<TokenIssuer> {
        Ok(runtime::key_files::issuer(&self.folder, Arc::new(SystemClock::start()))?)
    }

    /// The address for phones and carriers.
    pub fn edge(&self) -> String {
        format!("127.{}.0.1:5060", self.instance)
    }

    /// An address of the instance that no role uses.
    pub const fn peer(&self, host: u8) -> Ipv4Addr {
        Self::peer_of(self.instance, host)
    }

    /// The same of an instance by its number.
    pub const fn peer_of(instance: u8, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, instance, 250, host)
    }

    /// The data directory.
    pub fn data_dir(&self) -> &Path {
        &self.folder
    }

    /// Starts a process of `roles` with `settings`.
    pub fn run(&self, roles: &[&str], settings: &[&str]) -> Result<Roles> {
        self.run_replicas(roles, 1, settings)
    }

    /// Starts a process with the replica of that number of each of `roles`, with `settings`.
    pub fn run_replicas(&self, roles: &[&str], replica: u8, settings: &[&str]) -> Result<Roles> {
        let mut command = self.command(&["run"]);
        command.args(roles).args(["--replica", &replica.to_string()]);
        command.args(["--set", "process.log=warn", "--set", "process.drain_deadline=1s"]);
        command.args(settings.iter().flat_map(|setting| ["--set", *setting]));
        let log = self.folder.with_file_name(format!("{}-{replica}.log", roles.join("+")));
        Ok(Roles { process: Process::start(&roles.join(" "), &mut command, &log)?, log })
    }

    /// Waits until a role reports that it is ready.
    pub fn wait_ready(&self, role: &str, roles: &mut Roles) -> Result<()> {
        self.wait_replica_ready(role, 1, roles)
    }

    /// Waits until the replica of that number reports that it is ready.
    pub fn wait_replica_ready(&self, role: &str, replica: u8, roles: &mut Roles) -> Result<()> {
        let spec = spec(role)?;
        let address = runtime::address::of_replica(self.instance, spec.number, replica);
        let admin = spec.admin_port;
        let ready = wait_until(&format!("{role} is ready"), START_LIMIT, || {
            roles.process.expect_running()?;
            Ok(crate::http::get(&format!("{address}:{admin}"), "/ready").is_ok_and(|(status, _)| status == 200))
        });
        ready.with_context(|| format!("the log ends with\n{}", roles.last_words()))
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(crate::binary());
        command.args(words).args(["--instance", &self.instance.to_string(), "--data-dir"]).arg(&self.folder);
        command.args(self.stores);
        command
    }
}

impl Roles {
    /// The last lines of its log.
    fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(LAST_LINES)).map(|line| format!("{line}\n")).collect()
    }
}

/// What the declaration of a role says of its addresses.
pub struct Spec {
    /// Its name.
    pub name: String,
    /// The third octet of its addresses.
    pub number: u8,
    /// Its admin port.
    pub admin_port: u16,
}

/// The declarations of all roles, from `trunkline specs`.
pub fn specs() -> Result<Vec<Spec>> {
    let output = Command::new(crate::binary()).args(["specs", "--json"]).output()?;
    let specs: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).context("trunkline specs --json")?;
    let read = |spec: &serde_json::Value| {
        let number = |key: &str| spec.get(key).and_then(serde_json::Value::as_u64);
        Some(Spec {
            name: spec.get("name")?.as_str()?.to_owned(),
            number: number("number")?.try_into().ok()?,
            admin_port: number("admin_port")?.try_into().ok()?,
        })
    };
    specs.iter().map(|spec| read(spec).context("trunkline specs --json")).collect()
}

/// The declaration of one role.
pub fn spec(role: &str) -> Result<Spec> {
    specs()?.into_iter().find(|spec| spec.name == role).with_context(|| format!("no role {role}"))
}

/// The number of a phone of the tenant.
pub fn phone(number: u32) -> String {
    format!("{}", 100_000 + number)
}

/// The beginning of a tenant's file, up to the phones: a carrier, which is any caller from this machine.
pub fn tenant_head() -> String {
    format!(
        "tenant: {TENANT}\nname: Benchmark\nrealm: {REALM}\nhold_music: music\nprompts: {{music: music.wav}}\n\
         trunks:\n  - {{name: carrier, allow: [127.0.0.0/8]}}\n"
    )
}

/// A tenant with many phones and a carrier.
fn tenant() -> String {
    let mut text = tenant_head();
    text.push_str("phones:\n");
    for number in 0..PHONES {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "  - {{number: \"{}\", password: \"{PASSWORD}\"}}", phone(number));
    }
    text
}
