//! Changes tenants while an installation runs, as an operator does: by export, editor and import.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::Installation;
use crate::installation::binary;

impl Installation {
    /// Changes the file of the example tenant as it is now, with what the demo has added to it.
    pub fn change_example(&self, change: impl FnOnce(&str) -> String) -> Result<()> {
        let files = tempfile::tempdir()?;
        self.tenant_command(&["export", "example"], files.path())?;
        let file = files.path().join("example.yaml");
        fs::write(&file, change(&fs::read_to_string(&file).context("the exported tenant")?))?;
        self.tenant_command(&["import"], &file)
    }

    /// Imports a tenant's file.
    pub fn import_text(&self, text: &str) -> Result<()> {
        let files = tempfile::tempdir()?;
        let file = files.path().join("tenant.yaml");
        fs::write(&file, text)?;
        self.tenant_command(&["import"], &file)
    }

    fn tenant_command(&self, arguments: &[&str], place: &Path) -> Result<()> {
        let output = Command::new(binary()?)
            .arg("tenant")
            .args(arguments)
            .arg(place)
            .args(["--instance", &self.demo.instance.to_string(), "--data-dir"])
            .arg(self.data_dir())
            .args(self.stores())
            .output()?;
        let said = [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said).into_owned()).concat();
        ensure!(output.status.success(), "tenant {arguments:?}: {said}");
        Ok(())
    }
}
