//! The web edge by HTTPS beside nginx and HAProxy, which end TLS before the same role, with the same certificate and the same load: CPU per
//! request on connections that stay, in both versions of HTTP, and per new connection with a full handshake.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::task::JoinSet;

use crate::Options;
use crate::process::{Process, find, wait_until};
use crate::report::{Figure, Goal, Report};
use crate::secure::{SecureStream, certificate, client};
use crate::site::{Site, tenant_head};

/// The program that sends the requests (Debian: nghttp2-client).
const LOAD: &str = "h2load";
/// A small answer of a role behind: auth's.
const PATH: &str = "/auth/v3/.well-known/openid-configuration";
const HTTPS: u16 = 8443;
const AUTH: u16 = 8080;
/// The versions of HTTP, with what makes the load speak them: 16 connections, and by HTTP/2 eight requests at once on each.
const VERSIONS: [(&str, &[&str]); 2] = [("HTTP/1.1", &["-c", "16", "--h1"]), ("HTTP/2", &["-c", "16", "-m", "8"])];
/// New connections, the addresses that they come from (a source may begin 256 handshakes at once), and how many are opened at a time.
const CONNECTIONS: usize = 2_000;
const SOURCES: u8 = 40;
const AT_ONCE: usize = 4;
/// The goal: at most this multiple of the better one's CPU.
const RATIO_MAX: f64 = 1.5;
const LIMIT: Duration = Duration::from_secs(60);
const START_LIMIT: Duration = Duration::from_secs(10);

/// A program that ends TLS.
struct EdgeServer {
    name: &'static str,
    at: SocketAddr,
    process: Process,
}

/// What a load of requests has taken.
#[derive(Clone, Copy, Debug, PartialEq)]
struct WebLoad {
    /// CPU of a request in milliseconds: the seconds of a thousand.
    ms: f64,
    per_s: f64,
    failed: u64,
}

/// What a server takes.
struct EdgeFigures {
    name: &'static str,
    requests: Vec<WebLoad>,
    connections: WebLoad,
}

/// Runs the benchmark.
pub fn run(options: &Options, report: &mut Report, folder: &Path) -> Result<()> {
    let Some(load) = find(LOAD) else {
        report.missing("edge", LOAD);
        return Ok(());
    };
    let site = Site::of_tenant(options.instance, folder, &tenant_head())?;
    let mut behind = site.run(&["tenant", "config", "auth"], &[])?;
    site.wait_ready("config", &mut behind)?;
    site.wait_ready("auth", &mut behind)?;
    let ours_at = site.web(HTTPS);
    let peers_at = [2, 3].map(|host| SocketAddr::new(site.peer(host).into(), HTTPS));
    let names = [ours_at, peers_at[0], peers_at[1]].map(|at| at.ip().to_string());
    let pem = certificate(&names, folder)?;
    let measured = |server: EdgeServer| measure(options, &site, server, (&load, &pem));
    let ours = {
        let certificates = format!("ingress.certificates=[{:?}]", pem.display().to_string());
        let mut ingress = site.run(&["ingress"], &[&certificates])?;
        site.wait_ready("ingress", &mut ingress)?;
        measured(EdgeServer { name: "ours", at: ours_at, process: ingress.process })?
    };
    let role = site.role("auth", AUTH)?;
    let mut peers = Vec::new();
    for (start, at) in [(nginx as StartPeer, peers_at[0]), (haproxy as StartPeer, peers_at[1])] {
        match start(at, role, &pem, folder)? {
            Ok(server) => peers.push(measured(server)?),
            Err(program) => report.missing("edge", program),
        }
    }
    behind.process.expect_running()?;
    show(report, &ours, &peers);
    Ok(())
}

fn show(report: &mut Report, ours: &EdgeFigures, peers: &[EdgeFigures]) {
    let mut add = |what: String, of: &dyn Fn(&EdgeFigures) -> WebLoad| {
        let all = || std::iter::once(ours).chain(peers);
        let void = all().filter(|server| of(server).failed > 0);
        let void: Vec<String> =
            void.map(|server| format!("{}: {} requests have failed", server.name, of(server).failed)).collect();
        let rates = all().map(|server| format!("{} {:.0}", server.name, of(server).per_s));
        let note = format!("each second: {}", rates.collect::<Vec<_>>().join(", "));
        let best = peers.iter().min_by(|one, other| of(one).ms.total_cmp(&of(other).ms));
        let peer = best.map(|best| (best.name, of(best).ms));
        let goal = Goal::Ratio(RATIO_MAX);
        report.add(Figure { bench: "edge", what, unit: "ms of CPU", ours: of(ours).ms, peer, goal, note, void });
    };
    for (number, (version, _)) in VERSIONS.iter().enumerate() {
        let of = |server: &EdgeFigures| server.requests.get(number).copied().unwrap_or(server.connections);
        add(format!("a request by HTTPS, {version}, on connections that stay"), &of);
    }
    let of = |server: &EdgeFigures| server.connections;
    add("a new connection by HTTPS: a full handshake of TLS 1.3, ECDSA P-256, and a request".to_owned(), &of);
}

fn measure(options: &Options, site: &Site, server: EdgeServer, (load, pem): (&Path, &Path)) -> Result<EdgeFigures> {
    let EdgeServer { name, at, mut process } = server;
    wait_until(&format!("{name} listens"), START_LIMIT, || {
        process.expect_running()?;
        Ok(TcpStream::connect(at).is_ok())
    })?;
    let mut requests = Vec::new();
    for (_, arguments) in VERSIONS {
        // The first second warms up what is measured.
        asked(&process, load, at, arguments, 1)?;
        requests.push(asked(&process, load, at, arguments, options.seconds()).context(name)?);
    }
    let sources: Vec<IpAddr> = (20..20 + SOURCES).map(|host| site.peer(host).into()).collect();
    let connections = connected(&process, at, pem, &sources).context(name)?;
    process.expect_running()?;
    Ok(EdgeFigures { name, requests, connections })
}

/// Asks for the page again and again for so many seconds.
fn asked(process: &Process, load: &Path, at: SocketAddr, arguments: &[&str], seconds: u32) -> Result<WebLoad> {
    let before = process.cpu()?;
    let output = Command::new(load)
        .args(["-D", &seconds.to_string()])
        .args(arguments)
        .arg(format!("https://{at}{PATH}"))
        .output()
        .context(LOAD)?;
    let used = process.cpu()?.since(before);
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{LOAD}: {said}{}", String::from_utf8_lossy(&output.stderr));
    let (succeeded, failed) = counts(&said).with_context(|| format!("{LOAD} counts nothing: {said}"))?;
    ensure!(succeeded > 0, "no request has succeeded: {said}");
    let count = succeeded as f64;
    Ok(WebLoad { ms: used.as_secs_f64() * 1e3 / count, per_s: count / f64::from(seconds), failed })
}

/// Requests that have succeeded, and others: `requests: 10 total, 12 started, 10 done, 9 succeeded, 1 failed, 0 errored, 0 timeout`.
fn counts(said: &str) -> Option<(u64, u64)> {
    let line = said.lines().find_map(|line| line.strip_prefix("requests: "))?;
    let of = |name: &str| {
        let mut parts = line.split(", ").filter_map(|part| part.split_once(' '));
        parts.find(|(_, what)| *what == name)?.0.parse::<u64>().ok()
    };
    Some((of("succeeded")?, of("failed")? + of("errored")? + of("timeout")?))
}

/// Opens connections with full handshakes, asks for the page once on each, and closes them.
fn connected(process: &Process, at: SocketAddr, pem: &Path, sources: &[IpAddr]) -> Result<WebLoad> {
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (before, begun) = (process.cpu()?, Instant::now());
    executor.block_on(async {
        let mut visits = JoinSet::new();
        for first in 0..AT_ONCE {
            let locals: Vec<IpAddr> =
                sources.iter().cycle().skip(first).step_by(AT_ONCE).take(CONNECTIONS / AT_ONCE).copied().collect();
            let pem = pem.to_owned();
            visits.spawn(async move {
                for local in locals {
                    visit(at, local, &pem).await?;
                }
                anyhow::Ok(())
            });
        }
        let all = async {
            while let Some(visited) = visits.join_next().await {
                visited??;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(LIMIT, all).await?
    })?;
    let (used, took) = (process.cpu()?.since(before), begun.elapsed());
    let count = CONNECTIONS as f64;
    Ok(WebLoad { ms: used.as_secs_f64() * 1e3 / count, per_s: count / took.as_secs_f64(), failed: 0 })
}

/// One connection. Its client is its own: none resumes the session of another one.
async fn visit(at: SocketAddr, local: IpAddr, pem: &Path) -> Result<()> {
    let mut secure = SecureStream::connect(at, local, &client(pem)?).await?;
    secure.send(format!("GET {PATH} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let (mut room, mut is_answered) = ([0; 16_384], false);
    while !is_answered {
        secure.receive(&mut room, |plain| is_answered |= plain.starts_with(b"HTTP/1.1 200")).await?;
    }
    Ok(())
}

/// Starts a peer at an address before the role; the error is the program that is not installed.
type StartPeer = fn(SocketAddr, SocketAddr, &Path, &Path) -> Result<Result<EdgeServer, &'static str>>;

fn nginx(at: SocketAddr, role: SocketAddr, pem: &Path, folder: &Path) -> Result<Result<EdgeServer, &'static str>> {
    let Some(program) = find("nginx") else { return Ok(Err("nginx")) };
    let file = configured("edge-nginx.conf", at, role, pem, folder)?;
    let mut command = Command::new(program);
    command.arg("-p").arg(folder).arg("-c").arg(&file);
    let process = Process::start("nginx", &mut command, &folder.join("nginx.log"))?;
    Ok(Ok(EdgeServer { name: "nginx", at, process }))
}

fn haproxy(at: SocketAddr, role: SocketAddr, pem: &Path, folder: &Path) -> Result<Result<EdgeServer, &'static str>> {
    let Some(program) = find("haproxy") else { return Ok(Err("haproxy")) };
    let file = configured("edge-haproxy.cfg", at, role, pem, folder)?;
    let mut command = Command::new(program);
    command.arg("-db").arg("-f").arg(&file);
    let process = Process::start("haproxy", &mut command, &folder.join("haproxy.log"))?;
    Ok(Ok(EdgeServer { name: "HAProxy", at, process }))
}

/// A configuration of `bench/` with its addresses.
fn configured(name: &str, at: SocketAddr, role: SocketAddr, pem: &Path, folder: &Path) -> Result<PathBuf> {
    let text = std::fs::read_to_string(crate::files().join(name))?;
    let text = text
        .replace("@LISTEN@", &at.to_string())
        .replace("@ROLE@", &role.to_string())
        .replace("@PEM@", &pem.display().to_string());
    let file = folder.join(name);
    std::fs::write(&file, text)?;
    Ok(file)
}

/// The versions of the peers that are installed.
pub fn peer_versions() -> Option<String> {
    let said = |program: &str| {
        let output = Command::new(find(program)?).arg("-v").output().ok()?;
        // nginx says it where errors go.
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).lines().next().map(str::to_owned)
    };
    let all: Vec<String> = ["nginx", "haproxy"].into_iter().filter_map(said).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_load_says_is_read() {
        let said = "\nfinished in 3.01s, 2434.67 req/s, 3.77MB/s\n\
            requests: 7304 total, 7320 started, 7304 done, 7301 succeeded, 1 failed, 2 errored, 3 timeout\n\
            status codes: 7301 2xx, 0 3xx, 1 4xx, 0 5xx\n";
        assert_eq!(counts(said), Some((7_301, 6)));
        assert_eq!(counts("requests: none"), None);
    }
}
