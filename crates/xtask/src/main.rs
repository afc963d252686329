//! Tasks of the maintainers: `cargo xtask`.

mod generate;

use std::path::Path;

fn main() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or_else(|| Path::new("."));
    match std::env::args().skip(1).collect::<Vec<_>>().iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["gen"] => generate::generate(root),
        ["gen", "--check"] => generate::check(root),
        _ => anyhow::bail!("usage: cargo xtask gen [--check]"),
    }
}
