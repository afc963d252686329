//! What the key of one role opens at another: what the connection between the two needs, and nothing else.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use contracts::v1;
use contracts::v1::change_object::Action;
use contracts::v1::provisioning_client::ProvisioningClient;
use serde_json::Value;
use testkit::Installation;
use testkit::facts::{bearing, connect, runtime, tenant_role};
use tonic::Code;

use super::services::MethodRow;
use super::{bearers, services};
use crate::sign_in::forgeries::CONFIGURATION;

/// What only one role may, whatever its connection gives; nothing is tried that would be carried out.
const OF_ONE_ROLE: [(&str, &str); 2] = [("auth", "ReplacePassword"), ("auth", "ReplaceSecondFactor")];
/// What the role itself sends all the time: an empty one of ours would come between.
const UNTRIED: [(&str, &str); 2] = [("tenant", "PushAgents"), ("sip-cluster", "PushCalls")];

/// A role at a port of another.
struct RoleAtPort {
    role: &'static str,
    at: &'static str,
    gives: &'static str,
}

/// What must be the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RoleDue {
    Stranger,
    Unconnected,
    Refusal,
    Answer,
}

impl RoleAtPort {
    fn due(&self, row: &MethodRow) -> RoleDue {
        let gives = |scope: &str| self.gives.split(' ').any(|given| given == scope);
        match self.gives {
            "stranger" => RoleDue::Stranger,
            "unconnected" => RoleDue::Unconnected,
            _ => match row.needs {
                "never" if OF_ONE_ROLE.contains(&(self.role, row.method)) => RoleDue::Answer,
                "follow" if gives("calls:read") => RoleDue::Answer,
                needs if gives(needs) => RoleDue::Answer,
                _ => RoleDue::Refusal,
            },
        }
    }

    /// The words with which a role is refused that has no connection to the port.
    fn missing(&self) -> String {
        missing(self.role)
    }
}

fn missing(role: &str) -> String {
    format!("no connection of the table leads from {role} to the listener")
}

/// The role that listens at a place.
fn called(at: &str) -> Result<(&str, u16)> {
    let (role, port) = at.split_once(':').with_context(|| format!("no port: {at}"))?;
    Ok((role, port.parse()?))
}

#[test]
fn the_key_of_a_role_opens_no_method_that_its_connection_does_not_need() -> Result<()> {
    let site = Installation::start()?;
    let (methods, now) = (services::rows()?, bearers::now(&site)?);
    let roles: Vec<[&str; 3]> = super::rows(include_str!("roles_grpc.tsv"))?;
    let mut wrong = Vec::new();
    for [role, at, gives] in roles {
        let one = RoleAtPort { role, at, gives };
        let token = bearers::of_role(&site, role, called(at)?.0, now)?;
        let of_port: Vec<&MethodRow> = methods.iter().filter(|row| row.at == at).collect();
        ensure!(!of_port.is_empty(), "grpc.tsv has nothing at {at}");
        for row in of_port {
            if UNTRIED.contains(&(role, row.method)) {
                continue;
            }
            let (code, words) = services::answer(&site, row, &token)?;
            let due = one.due(row);
            let is_right = match due {
                RoleDue::Stranger => code == Code::Unauthenticated,
                RoleDue::Unconnected => code == Code::PermissionDenied && words.contains(&one.missing()),
                RoleDue::Refusal => code == Code::PermissionDenied && !words.contains(&one.missing()),
                RoleDue::Answer => {
                    ![Code::Unauthenticated, Code::PermissionDenied, Code::Unimplemented].contains(&code)
                }
            };
            if !is_right {
                wrong.push(format!(
                    "{role}: {} at {} needs {}, {due:?} is due: {code:?} {words}",
                    row.method, one.at, row.needs
                ));
            }
        }
    }
    ensure!(wrong.is_empty(), "{} answers are wrong:\n{}", wrong.len(), wrong.join("\n"));
    ensure!(refused_for_connection(&site, "tenant")? > 0.0, "no refusal was counted");
    Ok(())
}

/// How many requests a role has refused because another has no connection to it.
fn refused_for_connection(site: &Installation, role: &str) -> Result<f64> {
    const COUNTED: &str = "http_requests_refused_total{reason=\"connection\"} ";
    let metrics = site.http(site.admin(role)?, "GET", "/metrics", "")?;
    let count = metrics.body.lines().find_map(|line| line.strip_prefix(COUNTED));
    Ok(count.context("the refusals are not counted")?.parse()?)
}

#[test]
fn the_key_of_a_role_opens_no_path_that_its_connection_does_not_need() -> Result<()> {
    let site = Installation::start()?;
    let now = bearers::now(&site)?;
    let mut wrong = Vec::new();
    let rows: Vec<[&str; 6]> = super::rows(include_str!("roles_rest.tsv"))?;
    for [role, method, at, path, body, due] in rows {
        let (to, port) = called(at)?;
        let token = bearers::of_role(&site, role, to, now)?;
        let headers = format!("Authorization: Bearer {token}\r\n");
        let body = if body == "-" { "" } else { body };
        let place = SocketAddr::new(site.admin(to)?.ip(), port);
        let answer = site.http_with(place, method, path, &headers, body)?;
        let detail = serde_json::from_str::<Value>(&answer.body).unwrap_or_default()["detail"].to_string();
        let is_right = match due {
            "in" => answer.status < 500 && ![401, 403].contains(&answer.status),
            "unconnected" => answer.status == 403 && detail.contains(&missing(role)),
            "scope" => answer.status == 403 && detail.contains("does not give"),
            status => answer.status.to_string() == status,
        };
        if !is_right {
            wrong.push(format!("{role}: {method} {path} at {at}, {due} is due: {} {}", answer.status, answer.body));
        }
    }
    ensure!(wrong.is_empty(), "{} answers are wrong:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

#[test]
fn whoever_takes_the_key_of_a_role_makes_no_person_and_no_api_key() -> Result<()> {
    let site = Installation::start()?;
    let now = bearers::now(&site)?;
    let document = r#"{"user_name":"mallory","first_name":"Mal","last_name":"Lory","password":"correct-horse-battery-staple","privileges":["administrator"]}"#;
    let put = v1::PutObject { json: document.to_owned(), fields: Vec::new() };
    let change = v1::ChangeObject {
        kind: "person".to_owned(),
        id: "mallory".to_owned(),
        expected_revision: Some(0),
        action: Some(Action::Put(put)),
    };
    let changes = v1::ChangeObjectsRequest { changes: vec![change], ..v1::ChangeObjectsRequest::default() };
    let key = v1::CreateApiKeyRequest {
        name: "back door".to_owned(),
        scopes: vec!["config:read".to_owned()],
        ..v1::CreateApiKeyRequest::default()
    };
    let runtime = runtime()?;
    let channel = runtime.block_on(connect(tenant_role(&site, CONFIGURATION)))?;
    // Each of them has a connection to tenant; that of ingress leads to another port.
    for role in ["ingress", "bds", "pulse", "auth", "agent-setup", "wfm-adapter"] {
        let token = bearers::of_role(&site, role, "tenant", now)?;
        let mut client = ProvisioningClient::new(channel.clone());
        let changed = runtime.block_on(client.change(as_role(changes.clone(), &token)?));
        let made = runtime.block_on(client.create_api_key(as_role(key.clone(), &token)?));
        let codes = [changed.err(), made.err()].map(|refused| refused.map(|refused| refused.code()));
        ensure!(codes == [Some(Code::PermissionDenied); 2], "{role}: {codes:?}");
    }
    let operator = site.demo.tokens.get("operator").context("no operator's token")?;
    let get =
        v1::GetObjectRequest { kind: "person".to_owned(), id: "mallory".to_owned(), ..v1::GetObjectRequest::default() };
    let mut client = ProvisioningClient::new(channel);
    let found = runtime.block_on(client.get(bearing(get, operator)?));
    let code = found.err().map(|refused| refused.code());
    ensure!(code == Some(Code::NotFound), "mallory is there: {code:?}");
    Ok(())
}

/// A request of a role about the example.
fn as_role<T>(message: T, token: &str) -> Result<tonic::Request<T>> {
    let mut request = bearing(message, token)?;
    request.metadata_mut().insert("trunkline-tenant", "example".parse()?);
    Ok(request)
}
