//! A PostgreSQL for one test: a process on a loopback address, with its data in a folder that is removed with it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use backends::postgres::PostgresSettings;
use tempfile::TempDir;

/// It starts in a second; a machine under load may take longer.
const READY_WITHIN: Duration = Duration::from_secs(60);

pub struct Server {
    folder: TempDir,
    address: String,
    child: Option<Child>,
}

impl Server {
    /// Each test has a number, and by it an address, of its own.
    pub fn start(test: u8) -> Self {
        let run = std::process::id() % 250 + 1;
        let folder = TempDir::new().unwrap();
        if is_root() {
            // The server refuses to run as root; its user needs access to its folder.
            assert!(Command::new("chown").arg("postgres:").arg(folder.path()).status().unwrap().success());
        }
        let mut server = Self { folder, address: format!("127.252.{run}.{test}"), child: None };
        let made = server
            .program("initdb")
            .args(["--username", "trunkline", "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync"])
            .arg("--pgdata")
            .arg(server.data())
            .stdout(Stdio::null())
            .status()
            .expect("postgresql is needed: script/bootstrap installs it");
        assert!(made.success());
        server.start_again();
        server.psql_at("postgres", "create database trunkline");
        server
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn program(&self, name: &str) -> Command {
        let mut command = as_its_user(&programs().join(name));
        command.current_dir(self.folder.path()).stdin(Stdio::null()).stderr(Stdio::null());
        command
    }

    pub fn start_again(&mut self) {
        let child = self
            .program("postgres")
            .arg("-D")
            .arg(self.data())
            .args(["-c", &format!("listen_addresses={}", self.address), "-c", "unix_socket_directories="])
            .args(["-c", "fsync=off", "-c", "max_connections=50"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let began = Instant::now();
        while !self.psql_command("postgres", "select 1").output().unwrap().status.success() {
            assert!(began.elapsed() < READY_WITHIN, "PostgreSQL does not answer on {}", self.address);
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// Ends it without waiting for its clients.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
            child.wait().unwrap();
        }
    }

    pub fn settings(&self) -> PostgresSettings {
        PostgresSettings { url: format!("postgres://trunkline@{}:5432/trunkline", self.address), authorities: None }
    }

    fn psql_command(&self, database: &str, sql: &str) -> Command {
        let mut command = Command::new("psql");
        command.args([
            "-qXtA",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            &self.address,
            "-U",
            "trunkline",
            "-d",
            database,
            "-c",
            sql,
        ]);
        command
    }

    fn psql_at(&self, database: &str, sql: &str) -> String {
        let output = self.psql_command(database, sql).output().unwrap();
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// The output of psql.
    pub fn psql(&self, sql: &str) -> String {
        self.psql_at("trunkline", sql)
    }

    /// The processes that serve connections of that name.
    pub fn backends(&self, name: &str) -> Vec<String> {
        let pids = self.psql(&format!("select pid from pg_stat_activity where application_name = '{name}'"));
        pids.lines().map(str::to_owned).collect()
    }

    /// Limits the size of files of the server and of those processes; `None` lifts the limit.
    pub fn limit_files(&self, backends: &[String], bytes: Option<u32>) {
        let limit = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
        let server = self.child.as_ref().unwrap().id().to_string();
        for pid in backends.iter().chain([&server]) {
            let mut limits = as_its_user(Path::new("prlimit"));
            limits.args(["--pid", pid, &format!("--fsize={limit}:")]);
            assert!(limits.status().unwrap().success());
        }
    }

    pub fn psql_in_background(&self, sql: &str) -> Child {
        self.psql_command("trunkline", sql).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A program run by the user that runs the server.
fn as_its_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// Debian keeps the server's programs beside each other by release.
fn programs() -> PathBuf {
    let releases = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = releases.map(|entry| entry.path().join("bin")).max();
    newest.unwrap_or_else(|| Path::new("/usr/local/bin").to_owned())
}
