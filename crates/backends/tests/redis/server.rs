//! A Redis for one test: a process on a loopback address, with its data in a folder that is removed with it.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// It starts in some milliseconds; a machine under load may take longer.
const READY_WITHIN: Duration = Duration::from_secs(20);

pub struct Server {
    folder: TempDir,
    address: String,
    settings: Vec<String>,
    /// Further arguments of redis-cli besides the address.
    cli: Vec<String>,
    child: Option<Child>,
}

/// An address that no other server of these tests has.
pub fn new_address() -> String {
    static SERVERS: AtomicU8 = AtomicU8::new(0);
    let server = SERVERS.fetch_add(1, Ordering::Relaxed) + 1;
    // Other runs of these tests may be under way: the process's id keeps them apart.
    let run = std::process::id() % 250 + 1;
    format!("127.253.{run}.{server}")
}

/// Repeats the check until it is true.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let asked = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(READY_WITHIN, asked).await.is_ok(), "not within {READY_WITHIN:?}: {what}");
}

impl Server {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with further settings.
    pub fn start_with(settings: &[&str]) -> Self {
        Self::start_at(new_address(), settings, &[])
    }

    /// The same at a [`new_address`], with further arguments for redis-cli, too.
    pub fn start_at(address: String, settings: &[&str], cli: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let mut server = Self { folder, address, settings: owned(settings), cli: owned(cli), child: None };
        server.start_again();
        server
    }

    pub fn start_again(&mut self) {
        let is_taken = TcpStream::connect((self.address.as_str(), 6379)).is_ok();
        assert!(!is_taken, "another server listens on {}: the test would use that one", self.address);
        // A file that may not grow is an error to be handled, not a signal that ends the process.
        let child = Command::new("env")
            .args(["--ignore-signal=XFSZ", "redis-server"])
            .args(["--bind", &self.address, "--port", "6379", "--databases", "64", "--save", ""])
            // Written data survive the process. Failures of the machine are no part of the tests, and a slow disk must not be.
            .args(["--appendonly", "yes", "--appendfsync", "no", "--dir"])
            .arg(self.folder.path())
            .args(["--maxmemory-policy", "noeviction"])
            .args(&self.settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let began = Instant::now();
        while TcpStream::connect((self.address.as_str(), 6379)).is_err() {
            let address = &self.address;
            assert!(
                began.elapsed() < READY_WITHIN,
                "redis-server does not listen on {address}: script/bootstrap installs it"
            );
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Ends it without a clean shutdown.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Stops the process: what is sent to it is read when it continues.
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

    /// Limits the size of its files; `None` lifts the limit.
    pub fn limit_files(&self, bytes: Option<u32>) {
        let limit = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
        let pid = self.child.as_ref().unwrap().id().to_string();
        let limited = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={limit}:")]).status();
        assert!(limited.unwrap().success());
    }

    /// Removes its data.
    pub fn empty(&self) {
        std::fs::remove_dir_all(self.folder.path().join("appendonlydir")).unwrap();
    }

    pub fn url(&self, database: u32) -> String {
        format!("redis://{}:6379/{database}", self.address)
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Lets time pass for what expires in that database.
    pub fn ageing(&self, database: u32) -> impl Fn(Duration) + Send + Sync + use<> {
        const AGE: &str = "for _, k in ipairs(redis.call('KEYS', '*')) do
            local ttl = redis.call('PTTL', k)
            if ttl >= 0 then redis.call('PEXPIRE', k, ttl - ARGV[1]) end
        end";
        let (address, database) = (self.address.clone(), database.to_string());
        move |by| {
            let ms = by.as_millis().to_string();
            let mut cli = Command::new("redis-cli");
            let aged = cli.args(["-h", &address, "-n", &database, "EVAL", AGE, "0", &ms]).output().unwrap();
            assert!(aged.status.success() && !aged.stdout.starts_with(b"ERR"), "{aged:?}");
        }
    }

    /// The output of redis-cli.
    pub fn cli(&self, command: &[&str]) -> String {
        let output =
            Command::new("redis-cli").args(["-h", &self.address]).args(&self.cli).args(command).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
