//! A Consul of an installation's own, by `script/infra`: an agent in development mode, which keeps nothing when it stops.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

const PORT: u16 = 8_500;
/// The prefix of every service, as the settings have it by default.
const PREFIX: &str = "trunkline-";

/// It stops when dropped.
pub struct Consul {
    instance: u8,
    folder: tempfile::TempDir,
}

impl Consul {
    /// Starts it for this instance and waits until it takes registrations. The first one on a machine is built, which takes minutes.
    pub fn start(instance: u8) -> Result<Self> {
        let consul = Self { instance, folder: tempfile::tempdir()? };
        consul.start_again()?;
        Ok(consul)
    }

    /// Starts it again, without what it knew.
    pub fn start_again(&self) -> Result<()> {
        self.infra("start")
    }

    /// Stops it.
    pub fn stop(&self) -> Result<()> {
        self.infra("stop")
    }

    fn infra(&self, what: &str) -> Result<()> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../script/infra");
        let done = Command::new(script)
            .args(["--instance", &self.instance.to_string(), what, "consul"])
            .env("TRUNKLINE_INFRA_DIR", self.folder.path())
            .stdin(Stdio::null())
            .output()?;
        ensure!(done.status.success(), "script/infra {what} consul: {}", String::from_utf8_lossy(&done.stderr));
        Ok(())
    }

    /// Where its HTTP API is.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::new(127, self.instance, 255, 1), PORT).into()
    }

    /// The arguments with which an installation uses it.
    pub fn settings(&self) -> [String; 4] {
        let url = format!("discovery.consul_url=http://{}", self.address());
        ["--set".to_owned(), "discovery.source=consul".to_owned(), "--set".to_owned(), url]
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

    /// Tells its API something, as anybody does who may write there.
    pub fn put(&self, path: &str, body: &Value) -> Result<()> {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--fail", "--max-time", "10", "--request", "PUT", "--data"])
            .arg(body.to_string())
            .arg(format!("http://{}{path}", self.address()))
            .output()
            .context("curl is not installed: script/bootstrap installs it")?;
        ensure!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// The nodes that it knows, whatever their state.
    pub fn registered(&self) -> Result<BTreeSet<String>> {
        let services = self.get("/v1/agent/services")?;
        Ok(services.as_object().context("no services")?.keys().filter_map(|id| self.node_of(id)).collect())
    }

    /// The nodes whose check passes.
    pub fn passing(&self) -> Result<BTreeSet<String>> {
        let checks = self.get("/v1/health/state/passing")?;
        let ids = checks.as_array().context("no checks")?.iter().filter_map(|check| check["ServiceID"].as_str());
        Ok(ids.filter_map(|id| self.node_of(id)).collect())
    }

    fn node_of(&self, id: &str) -> Option<String> {
        id.strip_prefix(&format!("{PREFIX}{}-", self.instance)).map(str::to_owned)
    }
}

impl Drop for Consul {
    fn drop(&mut self) {
        let _ = self.infra("stop");
    }
}
