//! `cargo xtask ready`: everything that must hold before a change is landed.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// A step: cargo's arguments.
const STEPS: &[&[&str]] = &[
    &["fmt", "--all", "--check"],
    &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"],
    &["build", "--package", "trunkline"],
    &["test", "--workspace", "--exclude", "trunkline-testkit"],
];

/// The reference of all settings, in the book.
const SETTINGS_PAGE: &str = "docs/settings.md";

/// The quick checks, then formatting, lints, build and tests. `quick` leaves out what compiles.
pub fn ready(root: &Path, quick: bool) -> Result<()> {
    crate::layers::check(root)?;
    crate::tidy::check(root)?;
    crate::generate::check(root)?;
    let steps = if quick { &STEPS[..1] } else { STEPS };
    steps.iter().try_for_each(|step| cargo(root, step))?;
    if quick {
        return Ok(());
    }
    check_connections(root)?;
    check_docs(root)
}

/// `cargo xtask check-connections`: the binary compares its own table of roles with the table of connections.
pub fn check_connections(root: &Path) -> Result<()> {
    cargo(root, &["run", "--quiet", "--package", "trunkline", "--", "specs", "--check"])
}

/// `cargo xtask docs`: writes the pages that are generated from declarations.
pub fn write_docs(root: &Path) -> Result<()> {
    let page = root.join(SETTINGS_PAGE);
    std::fs::write(&page, settings_page(root)?).with_context(|| page.display().to_string())
}

/// `cargo xtask docs --check`: fails where a generated page is not what the declarations say.
pub fn check_docs(root: &Path) -> Result<()> {
    let written = std::fs::read(root.join(SETTINGS_PAGE)).unwrap_or_default();
    ensure!(written == settings_page(root)?, "{SETTINGS_PAGE} is not what the roles declare: run `cargo xtask docs`");
    Ok(())
}

fn settings_page(root: &Path) -> Result<Vec<u8>> {
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--package", "trunkline", "--", "settings"])
        .current_dir(root)
        .output()
        .context("running cargo")?;
    ensure!(output.status.success(), "trunkline settings: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<()> {
    eprintln!("cargo {}", arguments.join(" "));
    let status = Command::new(env!("CARGO")).args(arguments).current_dir(root).status().context("running cargo")?;
    ensure!(status.success(), "cargo {} failed", arguments.join(" "));
    Ok(())
}
