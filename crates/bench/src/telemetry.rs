//! Ten thousand clients that tell of themselves each ten seconds, by the web edge: CPU of telemetry and of ingress for a batch, and what
//! is not kept.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use model::TenantId;
use serde_json::{Value, json};

use crate::Options;
use crate::http::KeptConnection;
use crate::percentile::percentile_99;
use crate::process::find;
use crate::report::{Figure, Goal, Report};
use crate::site::{Site, TENANT, spec, tenant_head};

/// What packs the batches.
const PACKER: &str = "gzip";
const CLIENTS: usize = 10_000;
const CLIENTS_QUICK: usize = 3_000;
/// Batches of all clients in a second.
const BATCHES_PER_S: u32 = 1_000;
/// How often each client sends while it is measured; once before that, when auth is asked about each token.
const ROUNDS: usize = 2;
/// Connections that the clients share: their number is another limit.
const CONNECTIONS: u32 = 4;
/// Items of a batch.
const ITEMS: usize = 10;
/// The goals: one core serves them all, and every item is kept.
const BATCH_MAX_US: f64 = 1_000.0;
const SHED_MAX: f64 = 0.0;
/// A sender that took so much longer than planned was late.
const LATE_MAX: f64 = 1.05;
const WEB: u16 = 8080;
const PATH: &str = "/telemetry/v1/traces";
const TOKEN_LIFE: Duration = Duration::from_secs(3_600);

/// What came of the batches of a round, or of several.
#[derive(Default)]
struct BatchLoad {
    taken: u64,
    refused: u64,
    /// From a batch to its answer, in milliseconds.
    answers_ms: Vec<f64>,
    took: Duration,
}

/// Runs the benchmark.
pub fn run(options: &Options, report: &mut Report, folder: &Path) -> Result<()> {
    if find(PACKER).is_none() {
        report.missing("telemetry", PACKER);
        return Ok(());
    }
    let site = Site::of_tenant(options.instance, folder, &tenant_head())?;
    let mut others = site.run(&["tenant", "config", "auth"], &[])?;
    site.wait_ready("config", &mut others)?;
    site.wait_ready("auth", &mut others)?;
    let mut telemetry = site.run(&["telemetry"], &[])?;
    site.wait_ready("telemetry", &mut telemetry)?;
    let mut ingress = site.run(&["ingress"], &[])?;
    site.wait_ready("ingress", &mut ingress)?;
    let tokens = tokens(&site, if options.quick { CLIENTS_QUICK } else { CLIENTS })?;
    let (body, at) = (packed(&batch())?, site.web(WEB));
    let first = round(at, &tokens, &body)?;
    ensure!(first.taken > 0, "no batch was taken");
    let before = (telemetry.process.cpu()?, ingress.process.cpu()?, not_kept(&site)?);
    let mut load = BatchLoad::default();
    let rounds = if options.quick { 1 } else { ROUNDS };
    for _ in 0..rounds {
        load.add(round(at, &tokens, &body)?);
    }
    let count = (load.taken + load.refused) as f64;
    let of_telemetry = telemetry.process.cpu()?.since(before.0).as_secs_f64() * 1e6 / count;
    let of_ingress = ingress.process.cpu()?.since(before.1).as_secs_f64() * 1e6 / count;
    let shed = not_kept(&site)? - before.2;
    telemetry.process.expect_running()?;
    ingress.process.expect_running()?;
    let planned = planned(tokens.len()) * u32::try_from(rounds)?;
    show(report, tokens.len(), load, planned, [of_telemetry, of_ingress, shed])
}

fn show(
    report: &mut Report,
    clients: usize,
    load: BatchLoad,
    planned: Duration,
    [of_telemetry, of_ingress, shed]: [f64; 3],
) -> Result<()> {
    let BatchLoad { taken, refused, answers_ms, took } = load;
    let mut void = Vec::new();
    if refused > 0 {
        void.push(format!("ours: {refused} batches were refused"));
    }
    if took.as_secs_f64() > planned.as_secs_f64() * LATE_MAX {
        void.push(format!("the sender took {:.1} s instead of {:.1} s", took.as_secs_f64(), planned.as_secs_f64()));
    }
    let late = percentile_99(answers_ms).context("nothing was answered")?;
    let rows = [
        (
            format!("a batch of {ITEMS} items at telemetry, packed; {clients} clients, {BATCHES_PER_S} batches/s"),
            "µs of CPU",
            of_telemetry,
            Goal::AtMost(BATCH_MAX_US),
            format!(
                "{taken} taken, {refused} refused; {:.0} ms of CPU each second; answered within {late:.1} ms (p99)",
                of_telemetry * f64::from(BATCHES_PER_S) / 1e3
            ),
        ),
        ("the part of ingress of that".to_owned(), "µs of CPU", of_ingress, Goal::None, String::new()),
        (
            "items that were not kept".to_owned(),
            "items",
            shed,
            Goal::AtMost(SHED_MAX),
            format!("of {}", taken * ITEMS as u64),
        ),
    ];
    for (what, unit, ours, goal, note) in rows {
        report.add(Figure { bench: "telemetry", what, unit, ours, peer: None, goal, note, void: void.clone() });
    }
    Ok(())
}

/// A token for each client.
fn tokens(site: &Site, clients: usize) -> Result<Vec<String>> {
    let (issuer, tenant) = (site.token_issuer()?, TenantId::parse(TENANT)?);
    let token = |number: usize| {
        let subject = format!("desk/{number}");
        anyhow::Ok(issuer.issue(Some(&tenant), &subject, runtime::scope::CALLS_READ, TOKEN_LIFE)?)
    };
    (0..clients).map(token).collect()
}

// === batches ===

/// What a page tells in ten seconds.
fn batch() -> String {
    let item = |number: usize| match number % 3 {
        0 => json!({
            "type": "log", "name": "page_shown", "level": "info",
            "props": { "page": "wallboard", "message": "the numbers of the queues are there", "language": "en" },
        }),
        1 => json!({ "type": "metric", "name": "page_shown_seconds", "value": 0.7, "props": { "page": "wallboard" } }),
        _ => json!({
            "type": "event", "name": "error_request", "level": "error",
            "props": { "page": "wallboard", "where": "/pulse/api/v1/numbers", "status": 503 },
        }),
    };
    let items: Vec<Value> = (0..ITEMS).map(item).collect();
    json!({ "app": { "name": "trunkline_pages", "version": "1", "sessionId": "bench" }, "items": items }).to_string()
}

/// A text as gzip packs it: short enough for the pipe.
fn packed(text: &str) -> Result<Vec<u8>> {
    let mut packer = Command::new(PACKER).arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    packer.stdin.take().context("no input")?.write_all(text.as_bytes())?;
    let output = packer.wait_with_output()?;
    ensure!(output.status.success(), "{PACKER} has failed");
    Ok(output.stdout)
}

/// How long a round takes.
fn planned(clients: usize) -> Duration {
    Duration::from_secs_f64(clients as f64 / f64::from(BATCHES_PER_S))
}

/// Each client sends once.
fn round(at: SocketAddr, tokens: &[String], body: &[u8]) -> Result<BatchLoad> {
    let begun = Instant::now();
    let share = tokens.len().div_ceil(CONNECTIONS as usize).max(1);
    let mut all = std::thread::scope(|scope| {
        let threads: Vec<_> = tokens.chunks(share).map(|part| scope.spawn(move || send(at, part, body))).collect();
        let mut all = BatchLoad::default();
        for thread in threads {
            all.add(thread.join().map_err(|_| anyhow::anyhow!("a sender has failed"))??);
        }
        anyhow::Ok(all)
    })?;
    all.took = begun.elapsed();
    Ok(all)
}

/// The clients of one connection send, each in its turn.
fn send(at: SocketAddr, tokens: &[String], body: &[u8]) -> Result<BatchLoad> {
    let mut connection = KeptConnection::open(at)?;
    let (mut load, mut turn) = (BatchLoad::default(), Instant::now());
    for token in tokens {
        std::thread::sleep(turn.saturating_duration_since(Instant::now()));
        turn += Duration::from_secs(1) * CONNECTIONS / BATCHES_PER_S;
        let headers =
            format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n");
        let asked = Instant::now();
        let answer = connection.ask("POST", PATH, &headers, body)?;
        load.answers_ms.push(asked.elapsed().as_secs_f64() * 1e3);
        if answer.status == 202 {
            load.taken += 1;
        } else {
            load.refused += 1;
        }
    }
    Ok(load)
}

impl BatchLoad {
    fn add(&mut self, other: Self) {
        self.taken += other.taken;
        self.refused += other.refused;
        self.answers_ms.extend(other.answers_ms);
        self.took += other.took;
    }
}

// === what is not kept ===

/// Items that telemetry has dropped so far, for whatever reason.
fn not_kept(site: &Site) -> Result<f64> {
    let token = site.token_issuer()?.issue(None, "prometheus/bench", runtime::scope::TOPOLOGY_READ, TOKEN_LIFE)?;
    let at = site.role("telemetry", spec("telemetry")?.admin_port)?;
    let headers = format!("Authorization: Bearer {token}\r\n");
    let page = KeptConnection::open(at)?.ask("GET", "/metrics", &headers, b"")?.expect(200)?;
    let page = String::from_utf8_lossy(&page);
    let values = page.lines().filter_map(|line| line.strip_prefix("telemetry_dropped_total")?.rsplit(' ').next());
    Ok(values.filter_map(|value| value.parse::<f64>().ok()).sum())
}
