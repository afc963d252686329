//! Every listener of every role, and every admin port, as the roles declare them: whoever is nobody to the installation is turned away
//! there before anything is looked at, whatever is asked.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::{Installation, wait};
use tonic::Code;

use super::{bearers, rest, services};
use crate::conference::SOON;

/// One that admin ports have, and one that no listener has.
const HTTP_PATHS: [&str; 2] = ["/metrics", "/tenants/example/nothing"];
/// Listeners whose paths ask for a proof of their own; the table of the web edge has them.
const OPEN: [&str; 5] =
    ["auth:auth", "gws-provisioning:provisioning", "gws-proxy:web", "gws-workspace:workspace", "ingress:web"];

/// A listener.
struct DeclaredListener {
    /// Role and name.
    name: String,
    at: SocketAddr,
    is_grpc: bool,
}

/// Those that speak HTTP in the clear or gRPC.
fn declared(site: &Installation) -> Result<Vec<DeclaredListener>> {
    let output = Command::new(testkit::installation::binary()?).args(["specs", "--json"]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let specs: Value = serde_json::from_slice(&output.stdout)?;
    let mut declared = Vec::new();
    for spec in specs.as_array().context("no roles")? {
        let role = spec["name"].as_str().context("a role without a name")?;
        let admin = site.admin(role)?;
        ensure!(spec["admin_port"] == admin.port(), "{role}: its admin port is {}", spec["admin_port"]);
        declared.push(DeclaredListener { name: format!("{role}:admin"), at: admin, is_grpc: false });
        for listen in spec["listens"].as_array().into_iter().flatten() {
            let name = format!("{role}:{}", listen["name"].as_str().unwrap_or_default());
            let protocol = listen["protocol"].as_str().unwrap_or_default();
            if !["http", "grpc"].contains(&protocol) || OPEN.contains(&name.as_str()) {
                continue;
            }
            let port = listen["port"].as_u64().and_then(|port| u16::try_from(port).ok()).context("no port")?;
            let at = SocketAddr::new(admin.ip(), port);
            declared.push(DeclaredListener { name, at, is_grpc: protocol == "grpc" });
        }
    }
    Ok(declared)
}

impl DeclaredListener {
    /// How it does not turn away whoever shows this token; none if it does.
    fn fault(&self, site: &Installation, who: &str, token: Option<&str>) -> Result<Option<String>> {
        if self.is_grpc {
            let (code, words) = services::answer_to_nothing(self.at, token)?;
            return Ok((code != Code::Unauthenticated).then(|| format!("{}: {who}: {code:?} {words}", self.name)));
        }
        let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        for path in HTTP_PATHS {
            let answer = site.http_with(self.at, "GET", path, &authorization, "")?;
            let problem = serde_json::from_str::<Value>(&answer.body).unwrap_or_default();
            if answer.status != 401 || problem["status"] != 401 {
                return Ok(Some(format!("{}: {path}: {who}: {} {}", self.name, answer.status, answer.body)));
            }
        }
        Ok(None)
    }
}

#[test]
fn every_listener_of_every_role_turns_strangers_away() -> Result<()> {
    let site = Installation::start()?;
    let bearers = bearers::all(&site)?;
    let strangers: Vec<_> = bearers.iter().filter(|bearer| bearer.tenant.is_none()).collect();
    let expired = strangers.iter().find(|bearer| bearer.name == "expired").context("nobody is expired")?;
    let is_over = || Ok((rest::status(&site, "/agent-setup/api/v1/openapi.json", expired)? == 401).then_some(()));
    wait::until(SOON, is_over).context("a token does not expire")?;
    let declared = declared(&site)?;
    let of_grpc = declared.iter().filter(|listener| listener.is_grpc).count();
    ensure!(declared.len() > 30 && of_grpc > 4, "{} listeners are declared, {of_grpc} of gRPC", declared.len());
    let mut faults = Vec::new();
    for listener in &declared {
        for bearer in &strangers {
            if bearer.is_for_role(listener.name.split(':').next().unwrap_or_default()) {
                continue;
            }
            faults.extend(listener.fault(&site, bearer.name, bearer.token.as_deref())?);
        }
    }
    ensure!(faults.is_empty(), "{} answers are wrong:\n{}", faults.len(), faults.join("\n"));
    Ok(())
}
