//! An OpenSearch for one test: `script/infra` starts it on a loopback address, its data in a folder that is removed with it.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A killed process is reaped soon.
const GONE_WITHIN: Duration = Duration::from_secs(20);

pub struct Server {
    folder: TempDir,
    instance: u8,
    /// Held so that no other test uses the instance: a port of its address that OpenSearch does not use.
    _taken: TcpListener,
}

impl Server {
    pub fn start() -> Self {
        let (instance, taken) = free();
        let server = Self { folder: TempDir::new().unwrap(), instance, _taken: taken };
        server.start_again();
        server
    }

    pub fn url(&self) -> String {
        format!("http://127.{}.255.1:9200", self.instance)
    }

    /// Where clients come from.
    pub fn client_address(&self) -> IpAddr {
        Ipv4Addr::new(127, self.instance, 22, 1).into()
    }

    /// Ends it without a clean shutdown.
    pub fn kill(&self) {
        let file = self.folder.path().join(self.instance.to_string()).join("opensearch.pid");
        let file = std::fs::read_to_string(file).unwrap();
        let pid = file.split(' ').next().unwrap();
        assert!(Command::new("kill").args(["-KILL", pid]).status().unwrap().success());
        let began = Instant::now();
        while Path::new("/proc").join(pid).join("exe").exists() {
            assert!(began.elapsed() < GONE_WITHIN, "OpenSearch does not go");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    pub fn start_again(&self) {
        self.infra(&["start", "opensearch"]);
    }

    /// Removes its data: it comes back empty.
    pub fn empty(&self) {
        self.infra(&["empty", "opensearch"]);
    }

    pub fn remove_index(&self, name: &str) {
        let url = format!("{}/{name}", self.url());
        assert!(Command::new("curl").args(["-sf", "-X", "DELETE", &url]).output().unwrap().status.success());
    }

    fn infra(&self, command: &[&str]) {
        let output = self.script(command).output().unwrap();
        assert!(output.status.success(), "script/infra {command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn script(&self, command: &[&str]) -> Command {
        let mut script = Command::new(root().join("script/infra"));
        script.env("TRUNKLINE_INFRA_DIR", self.folder.path());
        script.args(["--instance", &self.instance.to_string()]).args(command);
        script
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A failing test should report its own failure, not this one.
        let down = self.script(&["down"]).output();
        assert!(std::thread::panicking() || down.is_ok_and(|down| down.status.success()), "OpenSearch does not end");
    }
}

/// A free instance; other runs of these tests search for theirs in the same way.
fn free() -> (u8, TcpListener) {
    (180..=249)
        .find_map(|instance| {
            let host = format!("127.{instance}.255.1");
            drop(TcpListener::bind((host.as_str(), 9200)).ok()?);
            Some((instance, TcpListener::bind((host.as_str(), 9298)).ok()?))
        })
        .unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}
