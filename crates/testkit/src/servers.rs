//! The servers of an installation's stores that are not embedded: Redis, Pulse's Redis and PostgreSQL, as processes
//! of their own at the addresses that the installation expects.
//!
//! `TRUNKLINE_STORES__MODE=real` in the environment of the tests makes every installation use servers: its processes
//! inherit the variable. Kafka needs much time and memory, so it is started only by tests that read from it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::process::{children, is_gone, signal};
use crate::wait;

/// They start in a second or two; a busy machine needs more.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Whether the environment requests servers.
pub fn wanted() -> bool {
    std::env::var("TRUNKLINE_STORES__MODE").is_ok_and(|mode| mode == "real")
}

/// The servers of one installation; they stop when dropped.
pub struct Servers {
    instance: u8,
    address: String,
    folder: tempfile::TempDir,
    redis: Vec<(u16, Option<Child>)>,
    postgres: Option<Child>,
    is_postgres_frozen: bool,
    has_kafka: bool,
}

impl Servers {
    /// Starts them for this instance and waits until they answer.
    pub fn start(instance: u8) -> Result<Self> {
        let mut servers = Self {
            instance,
            address: format!("127.{instance}.255.1"),
            folder: tempfile::tempdir()?,
            redis: vec![(6_379, None), (6_380, None)],
            postgres: None,
            is_postgres_frozen: false,
            has_kafka: false,
        };
        servers.make_postgres()?;
        servers.start_postgres()?;
        servers.start_redis()?;
        servers.psql_at("postgres", "create database trunkline")?;
        Ok(servers)
    }

    /// Starts each Redis that is not running.
    pub fn start_redis(&mut self) -> Result<()> {
        for (port, child) in self.redis.iter_mut().filter(|(_, child)| child.is_none()) {
            let folder = self.folder.path().join(port.to_string());
            std::fs::create_dir_all(&folder)?;
            let server = Command::new("redis-server")
                .args(["--bind", &self.address, "--port", &port.to_string(), "--save", ""])
                .args(["--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction", "--dir"])
                .arg(folder)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .context("redis-server is not installed: script/bootstrap installs it")?;
            *child = Some(server);
        }
        let ports: Vec<u16> = self.redis.iter().map(|(port, _)| *port).collect();
        wait::until(READY_WITHIN, || {
            let answers = ports.iter().all(|port| self.redis_cli(*port, &["PING"]).is_ok_and(|said| said == "PONG"));
            Ok(answers.then_some(()))
        })
    }

    /// Kills both Redis servers, like a crash.
    pub fn kill_redis(&mut self) -> Result<()> {
        for child in self.redis.iter_mut().filter_map(|(_, child)| child.take()) {
            end(child, "KILL")?;
        }
        Ok(())
    }

    /// Deletes the data of both Redis servers; they must not be running.
    pub fn empty_redis(&self) -> Result<()> {
        for (port, _) in &self.redis {
            std::fs::remove_dir_all(self.folder.path().join(port.to_string()))?;
        }
        Ok(())
    }

    /// The folder of the data of Redis and PostgreSQL.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts Kafka and waits until it answers.
    pub fn start_kafka(&mut self) -> Result<()> {
        self.has_kafka = true;
        self.infra("start")
    }

    /// Stops Kafka, whose data stay.
    pub fn stop_kafka(&mut self) -> Result<()> {
        self.infra("stop")
    }

    fn infra(&self, what: &str) -> Result<()> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../script/infra");
        let done = Command::new(script)
            .args(["--instance", &self.instance.to_string(), what, "kafka"])
            .env("TRUNKLINE_INFRA_DIR", self.folder.path().join("infra"))
            .stdin(Stdio::null())
            .output()?;
        ensure!(done.status.success(), "script/infra {what}: {}", String::from_utf8_lossy(&done.stderr));
        Ok(())
    }

    /// Runs redis-cli and returns its output.
    pub fn redis_cli(&self, port: u16, command: &[&str]) -> Result<String> {
        let output =
            Command::new("redis-cli").args(["-h", &self.address, "-p", &port.to_string()]).args(command).output()?;
        ensure!(output.status.success(), "redis-cli: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Runs psql and returns its output.
    pub fn psql(&self, sql: &str) -> Result<String> {
        self.psql_at("trunkline", sql)
    }

    fn psql_at(&self, database: &str, sql: &str) -> Result<String> {
        let output = Command::new("psql")
            .args(["-qXtA", "-v", "ON_ERROR_STOP=1", "-h", &self.address, "-U", "trunkline", "-d", database, "-c", sql])
            .output()?;
        ensure!(output.status.success(), "psql: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn make_postgres(&self) -> Result<()> {
        if is_root() {
            // The server refuses to run as root; its user needs access to the folder.
            ensure!(Command::new("chown").arg("postgres:").arg(self.folder.path()).status()?.success());
        }
        let made = as_its_user(self.folder.path(), "initdb")
            .args(["--username", "trunkline", "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync"])
            .arg("--pgdata")
            .arg(self.folder.path().join("postgresql"))
            .status()
            .context("postgresql is not installed: script/bootstrap installs it")?;
        ensure!(made.success(), "initdb: {made}");
        Ok(())
    }

    /// Starts PostgreSQL and waits until it answers.
    pub fn start_postgres(&mut self) -> Result<()> {
        let server = as_its_user(self.folder.path(), "postgres")
            .arg("-D")
            .arg(self.folder.path().join("postgresql"))
            .args(["-c", &format!("listen_addresses={}", self.address), "-c", "unix_socket_directories="])
            .args(["-c", "fsync=off", "-c", "max_connections=100", "-c", "shared_buffers=16MB"])
            .spawn()?;
        self.postgres = Some(server);
        wait::until(READY_WITHIN, || Ok(self.psql_at("postgres", "select 1").ok())).map(drop)
    }

    /// Stops PostgreSQL without waiting for its clients.
    pub fn end_postgres(&mut self) -> Result<()> {
        if self.is_postgres_frozen {
            // It would not hear of it.
            return self.kill_postgres();
        }
        self.postgres.take().map_or(Ok(()), |child| end(child, "INT"))
    }

    /// Stops PostgreSQL as it stands: its connections stay open, and nothing answers there any more.
    pub fn freeze_postgres(&mut self) -> Result<()> {
        let pid = self.postgres.as_ref().context("PostgreSQL does not run")?.id();
        self.is_postgres_frozen = true;
        // The server first: it starts no further process then.
        signal(pid, "STOP")?;
        for child in children(pid)? {
            // One that was at its end may be gone.
            let _ = signal(child, "STOP");
        }
        Ok(())
    }

    /// Kills PostgreSQL with all its processes, like a crash.
    pub fn kill_postgres(&mut self) -> Result<()> {
        if self.postgres.is_none() {
            return Ok(());
        }
        self.freeze_postgres()?;
        self.is_postgres_frozen = false;
        let Some(server) = self.postgres.take() else { return Ok(()) };
        let processes = children(server.id())?;
        end(server, "KILL")?;
        for pid in &processes {
            let _ = signal(*pid, "KILL");
        }
        // No other one begins on the same data before they are gone.
        wait::until(READY_WITHIN, || Ok(processes.iter().all(|pid| is_gone(*pid)).then_some(())))
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        let _ = self.kill_redis();
        let _ = self.end_postgres();
        if self.has_kafka {
            let _ = self.infra("stop");
        }
    }
}

fn end(mut child: Child, name: &str) -> Result<()> {
    signal(child.id(), name)?;
    child.wait()?;
    Ok(())
}

fn as_its_user(folder: &Path, program: &str) -> Command {
    let path = programs().join(program);
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(path);
        command
    } else {
        Command::new(path)
    };
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// Debian installs the server's programs in one folder per release.
fn programs() -> PathBuf {
    let releases = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    releases.map(|entry| entry.path().join("bin")).max().unwrap_or_else(|| PathBuf::from("/usr/local/bin"))
}
