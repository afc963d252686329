//! `cargo xtask test-packages`: the tests of some packages, built with the whole workspace.
//!
//! `cargo test --package` would build them by themselves, with other features of the crates from outside: most of those would be
//! built twice.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

/// The target of the system tests, which `script/test` runs by itself.
const SYSTEM: &str = "system";

/// A line of cargo's report about a build.
#[derive(Deserialize)]
struct Artifact {
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// Runs all tests but the system tests of these packages, each in its package's folder, as cargo does.
pub fn run(root: &Path, packages: &[&str]) -> Result<()> {
    let wanted: BTreeSet<&str> = packages.iter().copied().collect();
    let manifests: BTreeSet<PathBuf> = crate::workspace::packages(root)?
        .into_iter()
        .filter(|package| wanted.contains(&*package.name))
        .map(|package| package.manifest_path)
        .collect();
    ensure!(manifests.len() == wanted.len(), "not all of these are packages: {}", packages.join(", "));
    let mut failed = Vec::new();
    for (folder, test) in built(root, &manifests)? {
        let status = Command::new(&test)
            .current_dir(&folder)
            .env("CARGO_MANIFEST_DIR", &folder)
            .status()
            .with_context(|| format!("running {}", test.display()))?;
        if !status.success() {
            failed.push(test.display().to_string());
        }
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

fn built(root: &Path, manifests: &BTreeSet<PathBuf>) -> Result<Vec<(PathBuf, PathBuf)>> {
    let output = Command::new(env!("CARGO"))
        .args(["test", "--locked", "--workspace", "--no-run", "--message-format=json-render-diagnostics"])
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .context("running cargo test --no-run")?;
    ensure!(output.status.success(), "the tests could not be built");
    let mut found = Vec::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let Ok(Artifact {
            manifest_path: Some(manifest),
            target: Some(target),
            profile: Some(profile),
            executable: Some(test),
        }) = serde_json::from_str(line)
        else {
            continue;
        };
        if profile.test && target.name != SYSTEM && manifests.contains(&manifest) {
            let folder = manifest.parent().context("a manifest without a folder")?.to_owned();
            found.push((folder, test));
        }
    }
    Ok(found)
}
