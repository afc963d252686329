//! Tasks of the maintainers: `cargo xtask`.

mod changed;
mod circles;
mod contract;
mod coverage;
mod generate;
mod layers;
mod limits;
mod names;
mod proofs;
mod ready;
mod test_packages;
mod tidy;
mod walks;
mod workspace;

use std::path::Path;

use anyhow::Context as _;
use ready::Extent;

const USAGE: &str = "usage: cargo xtask TASK
  check-layers       who imports whom, by layers.toml
  check-connections  what the roles declare against data/*.tsv, the tests that it names, and the sum in docs/topology.md
  tidy               lengths, names, the walks and limits of the book, what must not stand in a public tree
  gen [--check]      the Rust form of proto/, and data/contract.tsv: what programs of others build upon
  docs [--check]     the pages that are generated from declarations
  changed [BASE]     what the changes since BASE (main) can reach, for script/test --changed
  test-packages NAME ...  the tests of these packages, built with the whole workspace
  ready [--quick]    everything that must hold before a change is landed; quick: what needs no compiler";

fn main() -> anyhow::Result<()> {
    // The path at run time, not at build time: checkouts with a shared target folder share this program.
    let package = std::env::var("CARGO_MANIFEST_DIR").context("run it as `cargo xtask`")?;
    let root = Path::new(&package).ancestors().nth(2).context("the package stands in crates/")?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["check-layers"] => layers::check(root),
        ["check-connections"] => ready::check_connections(root),
        ["tidy"] => tidy::check(root),
        ["gen"] => generate::generate(root).and_then(|()| contract::write(root)),
        ["gen", "--check"] => generate::check(root).and_then(|()| contract::check(root)),
        ["docs"] => ready::write_docs(root),
        ["docs", "--check"] => ready::check_docs(root),
        ["changed"] => changed::print(root, "main"),
        ["changed", base] => changed::print(root, base),
        ["test-packages", packages @ ..] if !packages.is_empty() => test_packages::run(root, packages),
        ["ready"] => ready::ready(root, Extent::All),
        ["ready", "--quick"] => ready::ready(root, Extent::Quick),
        _ => anyhow::bail!(USAGE),
    }
}
