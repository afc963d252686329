//! All servers of an instance by `script/infra`: Redis, Pulse's Redis, PostgreSQL and Kafka, as an operator would run them. For programs
//! that work under load; system tests have `servers`, which start faster and write less.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};

/// The servers of an instance; they stop when dropped.
pub struct Infra {
    instance: u8,
}

impl Infra {
    /// Starts them and waits until they answer.
    pub fn up(instance: u8) -> Result<Self> {
        let infra = Self { instance };
        infra.run(&["up"])?;
        Ok(infra)
    }

    /// Runs a command of the script on them.
    pub fn run(&self, what: &[&str]) -> Result<()> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../script/infra");
        let status = Command::new(&script)
            .args(["--instance", &self.instance.to_string()])
            .args(what)
            .status()
            .with_context(|| script.display().to_string())?;
        ensure!(status.success(), "script/infra {what:?}: {status}");
        Ok(())
    }

    /// Runs psql on the database of the installation and returns its output.
    pub fn psql(&self, sql: &str) -> Result<String> {
        let host = format!("127.{}.255.1", self.instance);
        let Output { status, stdout, stderr } = Command::new("psql")
            .args(["-qXtA", "-v", "ON_ERROR_STOP=1", "-h", &host, "-U", "trunkline", "-d", "trunkline", "-c", sql])
            .output()
            .context("psql is not installed: script/bootstrap installs it")?;
        ensure!(status.success(), "psql {sql}: {}", String::from_utf8_lossy(&stderr));
        Ok(String::from_utf8_lossy(&stdout).trim().to_owned())
    }
}

impl Drop for Infra {
    fn drop(&mut self) {
        let _ = self.run(&["down"]);
    }
}
