//! `cargo xtask gen`: writes the Rust form of `proto/` into `crates/contracts/src/generated`; no protoc, no build script.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use protox::prost_reflect::prost_types::FileDescriptorSet;

/// The contracts, relative to the root of the workspace.
const PROTO: &str = "proto";
/// The folder of the generated Rust code.
const GENERATED: &str = "crates/contracts/src/generated";

/// Messages that no log may show: `contracts` writes their `Debug` itself.
const SECRET: [&str; 3] =
    [".trunkline.v1.CreateApiKeyResponse", ".trunkline.v1.GeolocationRecord", ".trunkline.v1.PutObject"];

/// Writes the generated files.
pub fn generate(root: &Path) -> Result<()> {
    generate_into(root, &root.join(GENERATED))
}

/// Fails if the committed files differ from those generated from `proto/`.
pub fn check(root: &Path) -> Result<()> {
    let fresh = std::env::temp_dir().join(format!("trunkline-gen-{}", std::process::id()));
    let outcome = generate_into(root, &fresh).and_then(|()| compare(&root.join(GENERATED), &fresh));
    // A leftover folder does no harm; the outcome matters more.
    let _ = std::fs::remove_dir_all(&fresh);
    outcome
}

fn generate_into(root: &Path, out: &Path) -> Result<()> {
    std::fs::create_dir_all(out).with_context(|| format!("make {}", out.display()))?;
    let descriptors = descriptors(root)?;
    tonic_prost_build::configure()
        .build_transport(false)
        .out_dir(out)
        .bytes(".")
        .skip_debug(SECRET)
        .compile_fds(descriptors)
        .context("write the Rust form of proto/")
}

/// What `proto/` declares.
pub fn descriptors(root: &Path) -> Result<FileDescriptorSet> {
    let proto = root.join(PROTO);
    Ok(protox::compile(proto_files(&proto)?, [&proto])?)
}

fn proto_files(proto: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = vec![proto.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "proto") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn compare(committed: &Path, fresh: &Path) -> Result<()> {
    for entry in std::fs::read_dir(fresh)? {
        let path = entry?.path();
        let Some(name) = path.file_name() else { continue };
        let is = std::fs::read(committed.join(name)).unwrap_or_default();
        ensure!(
            is == std::fs::read(&path)?,
            "{} is not what proto/ says: run `cargo xtask gen`",
            name.to_string_lossy()
        );
    }
    Ok(())
}
