//! The tree that the tasks check: its root, its files, its packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

/// A package of the workspace.
#[derive(Debug, Deserialize)]
pub struct Package {
    /// Name.
    pub name: String,
    /// Path of its manifest.
    pub manifest_path: PathBuf,
    /// Its dependencies.
    pub dependencies: Vec<Dependency>,
}

/// An edge from a package.
#[derive(Debug, Deserialize)]
pub struct Dependency {
    /// The other package.
    pub name: String,
    /// `dev`, `build`, or nothing for a normal one.
    pub kind: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// The packages of the workspace, from `cargo metadata`.
pub fn packages(root: &Path) -> Result<Vec<Package>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()
        .context("running cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice::<Metadata>(&output.stdout)?.packages)
}

/// The tracked and untracked files that git does not ignore, relative to the root.
pub fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("running git ls-files")?;
    ensure!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let mut all: Vec<PathBuf> = text.lines().map(PathBuf::from).filter(|path| root.join(path).is_file()).collect();
    all.sort();
    all.dedup();
    Ok(all)
}

/// Fails with all faults, or reports that there are none.
pub fn verdict(task: &str, faults: &[String]) -> Result<()> {
    ensure!(faults.is_empty(), "{task}: {} faults\n  {}", faults.len(), faults.join("\n  "));
    eprintln!("{task}: no faults");
    Ok(())
}
