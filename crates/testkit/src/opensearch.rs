//! An OpenSearch of an installation's own, by `script/infra`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::process::signal;

const PORT: u16 = 9_200;

/// It stops when dropped.
pub struct OpenSearch {
    instance: u8,
    folder: tempfile::TempDir,
}

impl OpenSearch {
    /// Starts it for this instance and waits until it answers. The first time on a machine it is fetched.
    pub fn start(instance: u8) -> Result<Self> {
        let server = Self { instance, folder: tempfile::tempdir()? };
        server.start_again()?;
        Ok(server)
    }

    /// Starts it again, with what it had.
    pub fn start_again(&self) -> Result<()> {
        self.infra("start")
    }

    /// Starts it again with nothing.
    pub fn empty(&self) -> Result<()> {
        self.infra("empty")
    }

    /// Kills it, like a crash.
    pub fn kill(&self) -> Result<()> {
        let file = self.folder.path().join(self.instance.to_string()).join("opensearch.pid");
        let told = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let pid = told.split(' ').next().unwrap_or_default().parse().context("no process id")?;
        signal(pid, "KILL")?;
        // The script knows that it has ended.
        self.infra("stop")
    }

    fn infra(&self, what: &str) -> Result<()> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../script/infra");
        let done = Command::new(script)
            .args(["--instance", &self.instance.to_string(), what, "opensearch"])
            .env("TRUNKLINE_INFRA_DIR", self.folder.path())
            .stdin(Stdio::null())
            .output()?;
        ensure!(done.status.success(), "script/infra {what} opensearch: {}", String::from_utf8_lossy(&done.stderr));
        Ok(())
    }

    /// Where its HTTP API is.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::new(127, self.instance, 255, 1), PORT).into()
    }

    /// The setting with which an installation of this instance uses it.
    pub fn setting(instance: u8) -> String {
        format!("stores.elasticsearch=http://127.{instance}.255.1:{PORT}")
    }

    /// What its API answers.
    pub fn get(&self, path: &str) -> Result<Value> {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--fail", "--max-time", "10"])
            .arg(format!("http://{}{path}", self.address()))
            .output()
            .context("curl is not installed: script/bootstrap installs it")?;
        ensure!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

impl Drop for OpenSearch {
    fn drop(&mut self) {
        let _ = self.infra("stop");
    }
}
