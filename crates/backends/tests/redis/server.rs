//! A Redis of a test's own: a process on a loopback address, with its data in a folder that goes with it.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// It starts in some milliseconds; a machine under load may take longer.
const READY_WITHIN: Duration = Duration::from_secs(20);

pub struct Server {
    folder: TempDir,
    address: String,
    settings: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// Each test has a number, and by it an address, of its own.
    pub fn start(test: u8) -> Self {
        Self::start_with(test, &[])
    }

    /// The same with further settings.
    pub fn start_with(test: u8, settings: &[&str]) -> Self {
        // Other runs of these tests may be under way: the process's id keeps them apart.
        let run = std::process::id() % 250 + 1;
        let folder = TempDir::new().unwrap();
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let mut server = Self { folder, address: format!("127.253.{run}.{test}"), settings, child: None };
        server.start_again();
        server
    }

    pub fn start_again(&mut self) {
        let child = Command::new("redis-server")
            .args(["--bind", &self.address, "--port", "6379", "--databases", "64", "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", "always", "--dir"])
            .arg(self.folder.path())
            .args(["--maxmemory-policy", "noeviction"])
            .args(&self.settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is needed: script/bootstrap installs it");
        self.child = Some(child);
        let began = Instant::now();
        while TcpStream::connect((self.address.as_str(), 6379)).is_err() {
            assert!(began.elapsed() < READY_WITHIN, "redis-server does not listen on {}", self.address);
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Ends it without a farewell.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Stops it where it is: what is sent to it is read when it goes on.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, name: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Removes its data.
    pub fn empty(&self) {
        std::fs::remove_dir_all(self.folder.path().join("appendonlydir")).unwrap();
    }

    pub fn url(&self, database: u32) -> String {
        format!("redis://{}:6379/{database}", self.address)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What redis-cli prints.
    pub fn cli(&self, command: &[&str]) -> String {
        let output = Command::new("redis-cli").args(["-h", &self.address]).args(command).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
