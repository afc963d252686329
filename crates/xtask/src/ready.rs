//! `cargo xtask ready`: everything that must hold before a change is landed.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// A step: cargo's arguments. All that compile select the whole workspace with its tests, since another selection gives
/// the crates from outside other features, and most of them would be built twice.
type Step = &'static [&'static str];
const FORMAT: Step = &["fmt", "--all", "--check"];
const LINTS: Step = &["clippy", "--locked", "--workspace", "--all-targets", "--", "--deny", "warnings"];
const BUILD: Step = &["build", "--locked", "--workspace", "--bins", "--tests"];
/// Every test but those of the whole system, whose target is `system`: `script/test` has them.
const TESTS: Step = &["test", "--workspace", "--lib", "--bins", "--test", "[!s]*"];

/// Pages of the book that are generated, each with the program's arguments that print it.
const PAGES: &[(&str, &[&str])] = &[
    ("docs/settings.md", &["settings"]),
    ("docs/metrics.md", &["specs", "--metrics"]),
    ("docs/tokens.md", &["specs", "--scopes"]),
    ("docs/topics.md", &["specs", "--events"]),
];

/// How much is checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What needs no compiler.
    Quick,
    /// All but the system tests.
    All,
}

/// The quick checks, then lints, build, declarations and tests.
pub fn ready(root: &Path, extent: Extent) -> Result<()> {
    crate::layers::check(root)?;
    crate::tidy::check(root)?;
    crate::proofs::check(root)?;
    crate::generate::check(root)?;
    cargo(root, FORMAT)?;
    if extent == Extent::Quick {
        return Ok(());
    }
    cargo(root, LINTS)?;
    check_connections(root)?;
    check_docs(root)?;
    cargo(root, TESTS)
}

/// `cargo xtask check-connections`: the binary compares its own table of roles with the table of connections.
pub fn check_connections(root: &Path) -> Result<()> {
    crate::proofs::check(root)?;
    cargo(root, BUILD)?;
    let status = binary(root)?.args(["specs", "--check"]).status().context("running trunkline")?;
    ensure!(status.success(), "trunkline specs --check failed");
    crate::coverage::check(root, binary(root)?)
}

/// `cargo xtask docs`: writes the pages that are generated from declarations.
pub fn write_docs(root: &Path) -> Result<()> {
    cargo(root, BUILD)?;
    for (path, arguments) in PAGES {
        let page = root.join(path);
        std::fs::write(&page, printed(root, arguments)?).with_context(|| page.display().to_string())?;
    }
    Ok(())
}

/// `cargo xtask docs --check`: fails where a generated page is not what the declarations say.
pub fn check_docs(root: &Path) -> Result<()> {
    cargo(root, BUILD)?;
    let mut old = Vec::new();
    for (path, arguments) in PAGES {
        let written = std::fs::read(root.join(path)).unwrap_or_default();
        if written != printed(root, arguments)? {
            old.push(*path);
        }
    }
    ensure!(old.is_empty(), "{} is not what is declared: run `cargo xtask docs`", old.join(", "));
    Ok(())
}

fn printed(root: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = binary(root)?.args(arguments).output().context("running trunkline")?;
    ensure!(output.status.success(), "trunkline {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

/// The program of these sources, once it is built: it stands beside this one.
fn binary(root: &Path) -> Result<Command> {
    let own = std::env::current_exe().context("the path of this program")?;
    let mut command = Command::new(own.with_file_name("trunkline"));
    command.current_dir(root);
    Ok(command)
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<()> {
    eprintln!("cargo {}", arguments.join(" "));
    let status = Command::new(env!("CARGO")).args(arguments).current_dir(root).status().context("running cargo")?;
    ensure!(status.success(), "cargo {} failed", arguments.join(" "));
    Ok(())
}
