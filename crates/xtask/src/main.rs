//! Tasks of the maintainers: `cargo xtask`.
fn main() {}
