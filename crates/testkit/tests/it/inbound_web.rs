//! Inbound web traffic as it is drawn, each hop by TLS that is verified: from browsers and programs to ingress, from there to a second
//! ingress, its controller, and from that to telemetry. Judged by curl, openssl and the kernel's table of sockets.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::authority::{first_answer, shake_hands};
use testkit::installation::Instance;
use testkit::{Authority, Installation, kernel, wait};

use super::carried::carried;
use super::edge::Program;
use super::secure::subjects;
use super::telemetry::{self, CONTRACTS};
use super::web_edge::{curl, logged};

const LATER: Duration = Duration::from_secs(90);
const TRACES: &str = "/telemetry/v1/traces";
const WALLBOARD: &str = "/pulse/api/v1/example/wallboard/stream";
const JSON: &str = "content-type: application/json";
/// The last octets of the addresses of a browser and a program.
const BROWSER: u8 = 7;
const PROGRAM: u8 = 11;
/// The third octet of the addresses of role ingress.
const INGRESS: u8 = 40;
/// Bytes of a batch: more than all else that a client says on its connection.
const BATCH_BYTES: usize = 32 * 1_024;

/// The setting with which ingress has that certificate.
fn certificate(file: &Path) -> String {
    format!("ingress.certificates=[{:?}]", file.display().to_string())
}

/// The authorization of the wallboard's token, which is of the tenant `example`.
fn authorization(site: &Installation) -> Result<String> {
    Ok(format!("authorization: Bearer {}", site.demo.tokens.get("wallboard").context("no token")?))
}

/// A batch with one line of that name, as long as [`BATCH_BYTES`]: JSON may end with spaces.
fn batch(name: &str) -> String {
    let batch = telemetry::batch("softphone", &json!([{ "type": "log", "name": name, "level": "warn" }]));
    format!("{batch:<BATCH_BYTES$}")
}

/// A client by HTTPS, from an address of its own, that verifies whom it talks with.
struct SecureClient<'a> {
    address: Ipv4Addr,
    /// `https://HOST:PORT`.
    edge: &'a str,
    believed: &'a Authority,
    authorization: String,
}

impl SecureClient<'_> {
    /// What curl is told for each request: by HTTP/1.1, where one connection carries one request after the other.
    fn arguments(&self, path: &str) -> Vec<String> {
        let (from, believed) = (self.address.to_string(), self.believed.certificate().display().to_string());
        let set = ["--silent", "--http1.1", "--no-buffer", "--interface", &from, "--cacert", &believed, "--header"];
        let all = set.iter().map(|argument| (*argument).to_owned());
        all.chain([self.authorization.clone(), format!("{}{path}", self.edge)]).collect()
    }

    /// Asks for something, then follows the wallboard on the same connection, which stands as long as the program.
    fn begin(&self, path: &str, further: &[&str]) -> Result<Program> {
        let mut command = Command::new("curl");
        command.args(self.arguments(path)).args(further).arg("--next").args(self.arguments(WALLBOARD));
        Program::start(&mut command)
    }
}

/// Waits until the program has seen this and then rows of the wallboard.
fn has_seen(program: &Program, what: &str) -> Result<()> {
    let is_there = |lines: &[String], what: &str| lines.iter().any(|line| line.to_ascii_lowercase().contains(what));
    program.wait_for(what, |lines| (is_there(lines, what) && is_there(lines, "data:")).then_some(()))
}

/// The connections of a process at that address, from that one.
fn accepted(pid: u32, at: SocketAddr, from: Ipv4Addr) -> Result<Vec<kernel::Socket>> {
    let is_it = |socket: &kernel::Socket| socket.local == at && socket.remote.ip() == IpAddr::V4(from);
    Ok(kernel::connections(pid)?.into_iter().filter(is_it).collect())
}

/// Waits until one of them has received and sent so many bytes. The kernel may leave one out while others come and go.
fn have_carried(pid: u32, at: SocketAddr, from: Ipv4Addr, [received, sent]: [usize; 2]) -> Result<()> {
    let mut seen = Vec::new();
    let carried = wait::until(LATER, || {
        seen = accepted(pid, at, from)?;
        let has = |socket: &kernel::Socket| socket.received >= received as u64 && socket.sent >= sent as u64;
        Ok(seen.iter().any(has).then_some(()))
    });
    carried.with_context(|| format!("the kernel has {seen:?}"))
}

fn address_of(edge: &str) -> Result<SocketAddr> {
    edge.trim_start_matches("https://").parse().context("an edge by its address")
}

/// A handshake with the edge, as openssl verifies it by that authority.
fn shaken(edge: SocketAddr, believed: &Authority) -> Result<String> {
    let ip = edge.ip().to_string();
    shake_hands(&edge.to_string(), &believed.certificate(), &["-verify_ip", &ip, "-verify_return_error"])
}

/// pulse-27, telemetry-01.
#[test]
fn browsers_and_programs_come_by_tls_that_they_verify() -> Result<()> {
    let (authority, other) = (Authority::new()?, Authority::new()?);
    let certificate = certificate(&authority.issue("web", &subjects(), 30)?);
    let site = Installation::start_with(&["--set", CONTRACTS, "--set", &certificate])?;
    let edge = address_of(&site.demo.webs)?;
    let verified = shaken(edge, &authority)?;
    ensure!(verified.contains("Verify return code: 0 (ok)"), "{verified}");
    ensure!(verified.contains("TLSv1.3"), "{verified}");
    let unknown = shaken(edge, &other)?;
    ensure!(!unknown.contains("Verify return code: 0 (ok)"), "{unknown}");

    let authorization = authorization(&site)?;
    let client = |host: u8| SecureClient {
        address: site.peer_address(host),
        edge: &site.demo.webs,
        believed: &authority,
        authorization: authorization.clone(),
    };
    let believed = authority.certificate().display().to_string();
    let page = curl(&["--cacert", &believed, &format!("{}/", site.demo.webs)])?;
    ensure!(page.status == "HTTP/2 200" && !page.body.is_empty(), "{}", page.head);
    let browser = client(BROWSER);
    let seen = browser.begin("/", &[])?;
    has_seen(&seen, "<!doctype html")?;
    have_carried(site.pid(), edge, browser.address, [1, page.body.len()]).context("pulse-27")?;
    let is_of_pulse = || Ok((carried(&site, "ingress", "pulse", 8_080)?.received > 0).then_some(()));
    wait::until(LATER, is_of_pulse).context("the wallboard does not come from pulse")?;

    let program = client(PROGRAM);
    let told = program.begin(TRACES, &["--header", JSON, "--data-binary", &batch("by_https")])?;
    has_seen(&told, "\"accepted\":1")?;
    have_carried(site.pid(), edge, program.address, [BATCH_BYTES, 1]).context("telemetry-01")?;
    let line = telemetry::line(&site, "by_https")?;
    ensure!(line["tenant"] == "example" && line["app"] == "softphone", "{line}");

    // Who does not believe the edge sends nothing.
    let stranger = other.certificate().display().to_string();
    let sent = curl(&["--cacert", &stranger, "--data-binary", "{}", &format!("{}{TRACES}", site.demo.webs)]);
    ensure!(sent.is_err(), "a certificate of somebody else is believed");
    Ok(())
}

/// An ingress alone, a process with a data directory of its own, that passes every request on to another one.
struct OuterEdge {
    process: Program,
    folder: tempfile::TempDir,
    instance: Instance,
}

impl OuterEdge {
    /// Starts it before that controller, whom these authorities vouch for, and waits until clients that believe `outside` reach it.
    fn start(instance: Instance, outside: &Authority, controller: &str, inside: &Authority) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let set = [
            "stores.mode=embedded".to_owned(),
            "ingress.access_log=true".to_owned(),
            certificate(&outside.issue("outer", &subjects(), 30)?),
            format!("ingress.controller={controller}"),
            format!("ingress.controller_authorities={}", inside.certificate().display()),
        ];
        let mut command = Command::new(testkit::installation::binary()?);
        command.args(["run", "ingress", "--instance", &instance.number().to_string(), "--data-dir"]).arg(folder.path());
        command.args(set.iter().flat_map(|set| ["--set", set.as_str()]));
        let outer = Self { process: Program::start(&mut command)?, folder, instance };
        let believed = outside.certificate().display().to_string();
        let ready = format!("{}/ready", outer.edge());
        let is_ready = || curl(&["--cacert", &believed, &ready]).is_ok_and(|answer| answer.status == "HTTP/2 200");
        let reached = wait::until(LATER, || Ok(is_ready().then_some(())));
        reached.with_context(|| format!("the outer edge is not ready: {:#?}", outer.process.lines()))?;
        Ok(outer)
    }

    fn edge(&self) -> String {
        format!("https://127.{}.0.1:8443", self.instance.number())
    }

    /// From where it asks its controller.
    fn own_address(instance: &Instance) -> Ipv4Addr {
        Ipv4Addr::new(127, instance.number(), INGRESS, 1)
    }

    /// The row of its connection to the controller, as `trunkline topology` tells it.
    fn row(&self) -> Result<Value> {
        let output = Command::new(testkit::installation::binary()?)
            .args(["topology", "--json", "--instance", &self.instance.number().to_string(), "--data-dir"])
            .arg(self.folder.path())
            .output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let document: Value = serde_json::from_slice(&output.stdout)?;
        let rows = document["connections"].as_array().context("no connections")?;
        rows.iter().find(|row| row["id"] == "telemetry-02").cloned().context("no such row")
    }

    /// Whether there is a connection from it to the controller with bytes both ways, at either end, in the kernel's table.
    fn has_hop(&self, controller: SocketAddr, inner: u32) -> Result<bool> {
        let (from, is_used) = (Self::own_address(&self.instance), |s: &kernel::Socket| s.sent > 0 && s.received > 0);
        let ours = kernel::connections(self.process.pid())?;
        let mut ours = ours.iter().filter(|s| s.remote == controller && s.local.ip() == IpAddr::V4(from) && is_used(s));
        let theirs: Vec<kernel::Socket> = accepted(inner, controller, from)?.into_iter().filter(is_used).collect();
        Ok(ours.any(|hop| theirs.iter().any(|end| end.remote == hop.local)))
    }
}

/// telemetry-02, with telemetry-01 before it and telemetry-03 behind it.
#[test]
fn telemetry_comes_by_an_outer_edge_and_its_controller_by_tls_each() -> Result<()> {
    let (outside, inside, instance) = (Authority::new()?, Authority::new()?, Instance::without_servers()?);
    let certificate = certificate(&inside.issue("inner", &subjects(), 30)?);
    let trusted = format!("ingress.trusted_proxies=[\"{}\"]", OuterEdge::own_address(&instance));
    let set = [CONTRACTS, &certificate, &trusted, "ingress.access_log=true"];
    let set: Vec<&str> = set.into_iter().flat_map(|set| ["--set", set]).collect();
    let site = Installation::start_with(&set)?;
    let controller = address_of(&site.demo.webs)?;
    let outer = OuterEdge::start(instance, &outside, &site.demo.webs, &inside)?;
    let edge = outer.edge();

    // Whoever writes an address of their own choice is not believed by the outer edge, nor by the inner one behind it.
    let address = Ipv4Addr::new(127, outer.instance.number(), 250, PROGRAM);
    let client = SecureClient { address, edge: &edge, believed: &outside, authorization: authorization(&site)? };
    let (sent, batch) = (["x-request-id: by-two-edges", "x-forwarded-for: 203.0.113.7", JSON], batch("by_two_edges"));
    let sent = sent.into_iter().flat_map(|header| ["--header", header]).chain(["--data-binary", &batch]);
    let program = client.begin(TRACES, &sent.collect::<Vec<_>>())?;
    has_seen(&program, "\"accepted\":1")?;
    have_carried(outer.process.pid(), address_of(&edge)?, address, [BATCH_BYTES, 1]).context("telemetry-01")?;
    wait::until(LATER, || Ok(outer.has_hop(controller, site.pid())?.then_some(()))).context("telemetry-02")?;
    let row = outer.row()?;
    ensure!(row["state"] == "open" && row["bytesOut"].as_u64() >= Some(BATCH_BYTES as u64), "{row}");
    ensure!(row["bytesIn"].as_u64() > Some(0) && row["coverage"] == "proven", "{row}");
    let row = "connection_sent_bytes_total{connection=\"telemetry-03\",side=\"opens\"}";
    ensure!(site.metric("ingress", row)? >= BATCH_BYTES as f64, "telemetry-03");
    let line = telemetry::line(&site, "by_two_edges")?;
    ensure!(line["tenant"] == "example" && line["user"] == "wallboard/demo", "{line}");
    let line = logged(&site, "by-two-edges")?;
    ensure!(line.contains(&format!("\"{address}\"")) && line.contains("\"https\"") && line.contains("202"), "{line}");
    ensure!(line.contains(TRACES) && !line.contains("203.0.113.7"), "{line}");

    // A phone's WebSocket passes both.
    let place = edge.trim_start_matches("https://");
    let opening = format!(
        "GET /sip HTTP/1.1\r\nHost: {place}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
    );
    let answer = first_answer(place, &outside.certificate(), &["-verify_return_error"], &opening)?;
    ensure!(answer.as_deref() == Some("HTTP/1.1 101 Switching Protocols"), "{answer:?}");

    // A table of people passes the outer edge as it comes, and the inner one refuses it to whoever shows no token.
    let believed = outside.certificate().display().to_string();
    let table = format!("{edge}/agent-setup/api/v1/example/people.csv");
    let refused =
        curl(&["--cacert", &believed, "--header", "content-type: text/csv", "--data-binary", "name\n", &table])?;
    ensure!(refused.status == "HTTP/2 401", "{} {}", refused.head, refused.body);

    // A controller that does not prove its name gets nothing.
    let deceived = OuterEdge::start(Instance::without_servers()?, &outside, &site.demo.webs, &outside)?;
    let to = format!("{}{TRACES}", deceived.edge());
    let refused = curl(&["--cacert", &believed, "--header", "x-request-id: by-deceived", "--data-binary", "{}", &to])?;
    ensure!(
        refused.status == "HTTP/2 502" && refused.body.contains("upstream-away"),
        "{} {}",
        refused.head,
        refused.body
    );
    ensure!(!refused.body.contains(&controller.to_string()), "clients are told what stands behind: {}", refused.body);
    let says_why = |lines: &[String]| lines.iter().any(|line| line.contains("UnknownIssuer")).then_some(());
    deceived.process.wait_for("reason", says_why)?;
    ensure!(!site.log().iter().any(|line| line.contains("by-deceived")), "the request has passed");
    Ok(())
}
