//! A program in another language administers a tenant by gRPC: Node.js with grpc-js and the files of `proto/`, as others publish and find
//! them.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::facts::tenant_role;
use testkit::{Installation, browser};

use crate::sign_in::forgeries::CONFIGURATION;

const WALKED: Duration = Duration::from_secs(120);

fn token(site: &Installation) -> Result<String> {
    let output = Command::new(testkit::installation::binary()?)
        .args(["token", "--tenant", "example", "--sub", "tool/node", "--scope", "config:read config:write"])
        .args(["--instance", &site.demo.instance.to_string(), "--data-dir"])
        .arg(site.data_dir())
        .args(site.stores())
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The script itself judges each answer; it lists, reads, changes, meets a conflict, deletes, and follows over a reconnect.
#[test]
fn a_program_of_node_administers_a_tenant_and_misses_no_change() -> Result<()> {
    let site = Installation::start()?;
    let (at, token) = (tenant_role(&site, CONFIGURATION).to_string(), token(&site)?);
    let told = [("GRPC_AT", at.as_str()), ("GRPC_TOKEN", token.as_str())];
    let said = browser::run_script("provisioning.mjs", &told, WALKED)?;
    let steps: Vec<String> = said
        .iter()
        .map(|line| anyhow::Ok(serde_json::from_str::<Value>(line)?["step"].as_str().context("no step")?.to_owned()))
        .collect::<Result<_>>()?;
    assert_eq!(steps, ["list", "read", "create", "update", "delete", "watch"]);
    let log = [site.log_lines(), said].concat().join("\n");
    ensure!(!log.contains(&token), "the token is in what was said");
    Ok(())
}
