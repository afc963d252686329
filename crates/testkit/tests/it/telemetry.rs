//! Clients tell of themselves at the web edge, by curl: lines, counts, limits, pages of other origins, the kill switch, OpenTelemetry.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::{Installation, KeepAlive, kernel, wait};

use crate::carried::carried;

const LATER: Duration = Duration::from_secs(90);
const TRACES: &str = "/telemetry/v1/traces";
const JSON: &str = "content-type: application/json";
/// The last octet of the address of Prometheus.
const PROMETHEUS: u8 = 9;
pub(crate) const CONTRACTS: &str = r#"telemetry.contracts=[{"appName":"softphone","properties":["ThisDN","region"],
    "monitoredEvents":["error_.*"],"monitoredMetrics":[{"name":"jitter","value":30,"type":"gt"}],
    "apdex":{"metrics":{"mos":{"satisfiedTH":3.6,"toleratedTH":2,"isExtended":true}}}}]"#;

/// An answer as curl shows it.
pub(crate) struct TelemetryAnswer {
    status: u16,
    head: String,
    body: String,
}

impl TelemetryAnswer {
    fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("{}: {}", self.status, self.body))
    }

    fn is(&self, status: u16) -> Result<&Self> {
        ensure!(self.status == status, "{} instead of {status}: {} {}", self.status, self.head, self.body);
        Ok(self)
    }

    fn has(&self, header: &str) -> bool {
        self.head.lines().any(|line| line.to_ascii_lowercase().starts_with(header))
    }
}

fn curl(site: &Installation, path: &str, arguments: &[&str]) -> Result<TelemetryAnswer> {
    let mut command = Command::new("curl");
    command.args(["--silent", "--include", "--max-time", "30", "--header", "expect:"]).args(arguments);
    let output = command.arg(format!("{}{path}", site.demo.web)).output().context("curl")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").with_context(|| format!("no answer: {text:?}"))?;
    let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok()).context("no status")?;
    Ok(TelemetryAnswer { status, head: head.to_owned(), body: body.to_owned() })
}

/// The authorization of the wallboard's token, which is of the tenant `example`.
fn authorization(site: &Installation) -> Result<String> {
    Ok(format!("authorization: Bearer {}", site.demo.tokens.get("wallboard").context("no token")?))
}

/// Waits until such a socket has carried bytes in both directions.
fn is_carried(site: &Installation, is_it: impl Fn(&kernel::Socket) -> bool) -> Result<()> {
    let mut sockets = Vec::new();
    let carried = wait::until(LATER, || {
        sockets = kernel::connections(site.pid())?;
        Ok(sockets.iter().any(|socket| is_it(socket) && socket.sent > 0 && socket.received > 0).then_some(()))
    });
    carried.with_context(|| format!("{sockets:?}"))
}

/// A token for every tenant.
pub(crate) fn token(site: &Installation, arguments: &[&str]) -> Result<String> {
    let output = Command::new(testkit::installation::binary()?)
        .arg("token")
        .args(arguments)
        .args(["--instance", &site.demo.instance.to_string(), "--data-dir"])
        .arg(site.data_dir())
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

pub(crate) fn batch(app: &str, items: &Value) -> String {
    json!({ "app": { "name": app, "version": "1", "sessionId": "s1" }, "items": items }).to_string()
}

pub(crate) fn post(site: &Installation, body: &str, arguments: &[&str]) -> Result<TelemetryAnswer> {
    let authorization = authorization(site)?;
    let own = ["--header", &authorization, "--header", JSON, "--data-binary", body];
    curl(site, TRACES, &[&own[..], arguments].concat())
}

/// Lines of telemetry that a client caused.
pub(crate) fn lines(site: &Installation) -> Vec<Value> {
    let read = |line: &String| serde_json::from_str::<Value>(line).ok();
    site.log().iter().filter_map(read).filter(|line| line["service"] == "telemetry").collect()
}

pub(crate) fn line(site: &Installation, name: &str) -> Result<Value> {
    let found = || Ok(lines(site).into_iter().find(|line| line["msgId"] == name));
    wait::until(LATER, found).with_context(|| format!("no line {name}"))
}

/// telemetry-03, telemetry-04, telemetry-05, telemetry-06.
#[test]
fn items_of_a_page_become_lines_without_personal_data_and_counts() -> Result<()> {
    let site = Installation::start_with(&["--set", CONTRACTS])?;
    let items = json!([
        { "type": "log", "name": "call_start", "level": "warn", "props": { "ThisDN": "7101 to +4930123456", "password": "x" } },
        { "type": "event", "name": "error_js" },
        { "type": "metric", "name": "jitter", "value": 40 },
        { "type": "metric", "name": "mos", "value": 2.5 },
        { "type": "shout", "name": "x" },
    ]);
    let told = post(&site, &batch("softphone", &items), &[])?.is(202)?.json()?;
    ensure!(told["accepted"] == 4 && told["dropped"] == 1, "{told}");
    ensure!(told["faults"][0] == "items[4].type: it must be log, event, metric or span", "{told}");
    let line = line(&site, "call_start")?;
    ensure!(line["props"] == json!({ "ThisDN": "7101 to <number>" }), "{line}");
    ensure!(line["tenant"] == "example" && line["user"] == "wallboard/demo" && line["source"] == "client", "{line}");
    ensure!(line["@timestamp"].is_string() && line["app"] == "softphone" && line["session"] == "s1", "{line}");
    ensure!(!site.log().iter().any(|line| line.contains("4930123456")), "a phone number is in the log");

    let counted = [("client_items_total", 4.0), ("dropped_total", 1.0), ("monitored_event_total", 1.0)];
    let more = [
        ("monitored_batches_total", 1.0),
        ("monitored_metric_total", 1.0),
        ("apdex_values_total", 1.0),
        ("apdex_ratio", 0.5),
        ("client_value_count", 1.0),
        ("client_value_sum", 2.5),
    ];
    for (name, expected) in counted.into_iter().chain(more) {
        // Counted once the line is written, which may be after it was read here.
        site.metric_becomes("telemetry", &format!("telemetry_{name}"), expected, LATER)?;
    }
    let up_to = |bound: &str| {
        site.metric(
            "telemetry",
            &format!("telemetry_client_value_bucket{{le=\"{bound}\",app=\"softphone\",metric=\"mos\"}}"),
        )
    };
    ensure!((up_to("2.0")?, up_to("2.8")?, up_to("+Inf")?) == (0.0, 1.0, 1.0), "the opinion is in another range");
    let token = token(&site, &["--sub", "prometheus/main", "--scope", "topology:read"])?;
    let peer = site.peer_address(PROMETHEUS);
    let mut scraper = KeepAlive::connect(peer, site.admin("telemetry")?, &token)?;
    ensure!(scraper.get("/metrics")?.status == 200, "no metrics");
    // What was sent counts once the other side has acknowledged it.
    let of_scraper = |socket: &kernel::Socket| socket.remote.ip() == peer && socket.local.port() == 9_107;
    is_carried(&site, of_scraper).context("telemetry-05")?;
    for (id, from, to, port) in
        [("telemetry-03", "ingress", "telemetry", 8_107), ("telemetry-04", "telemetry", "auth", 8_080)]
    {
        let bytes = carried(&site, from, to, port)?;
        ensure!(bytes.sent > 0 && bytes.received > 0, "{id}: {bytes:?}");
    }
    Ok(())
}

#[test]
fn what_breaks_a_rule_is_refused_with_the_field() -> Result<()> {
    let site = Installation::start_with(&["--set", CONTRACTS, "--set", "telemetry.batches_per_minute=1"])?;
    let one = json!([{ "type": "log", "name": "x" }]);
    let unknown = post(&site, &batch("nobody", &one), &[])?.is(422)?.json()?;
    let detail = unknown["detail"].as_str().unwrap_or_default();
    ensure!(detail.starts_with("app.name: no contract is configured for \"nobody\""), "{unknown}");
    let without = post(&site, r#"{"app":{"name":"softphone"}}"#, &[])?.is(422)?.json()?;
    ensure!(without["detail"] == "items: it is missing", "{without}");
    post(&site, "{", &[])?.is(400)?;
    let many = batch("softphone", &Value::from(vec![json!({}); 1_001]));
    post(&site, &many, &[])?.is(413)?;
    curl(&site, TRACES, &["--header", JSON, "--data-binary", "{}"])?.is(401)?;

    // Packed, as itself and as what is too large once it is unpacked.
    let folder = tempfile::tempdir()?;
    let packed = |name: &str, text: &str| -> Result<String> {
        let path = folder.path().join(name);
        gzip(&path, text)?;
        Ok(format!("@{}", path.display()))
    };
    let coding = ["--header", "content-encoding: gzip"];
    let small = packed("small", &batch("softphone", &one))?;
    ensure!(post(&site, &small, &coding)?.is(202)?.json()?["accepted"] == 1, "it was not taken");
    let bomb = packed("bomb", &" ".repeat(2 << 20))?;
    post(&site, &bomb, &coding)?.is(413)?;

    // Ten at once, of which six are gone by now; then one a minute.
    let answers = (0..10).map(|_| post(&site, &batch("softphone", &one), &[])).collect::<Result<Vec<_>>>()?;
    let refused = answers.iter().find(|told| told.status == 429).context("nothing is too often")?;
    ensure!(refused.has("retry-after: "), "{}", refused.head);
    Ok(())
}

#[test]
fn each_token_of_a_program_has_an_allowance_of_its_own() -> Result<()> {
    let site = Installation::start_with(&["--set", CONTRACTS, "--set", "telemetry.batches_per_minute=1"])?;
    // One program at two desks.
    let of = |life: &str| {
        let of_tenant = ["--tenant", "example", "--scope", "calls:read", "--sub", "tool/desk", "--life", life];
        Ok::<_, anyhow::Error>(format!("authorization: Bearer {}", token(&site, &of_tenant)?))
    };
    let (first, second) = (of("1h")?, of("2h")?);
    ensure!(first != second, "it is the same token");
    let body = batch("softphone", &json!([{ "type": "log", "name": "x" }]));
    let send = |authorization: &str| {
        curl(&site, TRACES, &["--header", authorization, "--header", JSON, "--data-binary", &body])
    };
    let refused = (0..12).map(|_| Ok(send(&first)?.status)).collect::<Result<Vec<_>>>()?;
    ensure!(refused.contains(&202) && refused.ends_with(&[429]), "{refused:?}");
    send(&second)?.is(202)?;
    Ok(())
}

#[test]
fn all_tokens_of_a_person_have_the_allowance_of_a_few_desks() -> Result<()> {
    let site = Installation::start_with(&["--set", CONTRACTS, "--set", "telemetry.batches_per_minute=1"])?;
    let body = batch("softphone", &json!([{ "type": "log", "name": "x" }]));
    let mut taken = 0;
    // Ten at once by each of eight tokens, and eight more a minute.
    for _ in 0..20 {
        let authorization = format!("authorization: Bearer {}", person_token(&site)?);
        for _ in 0..10 {
            let told = curl(&site, TRACES, &["--header", &authorization, "--header", JSON, "--data-binary", &body])?;
            if told.status == 202 {
                taken += 1;
                continue;
            }
            ensure!(taken >= 80, "{taken} are taken");
            let refused = told.is(429)?.json()?;
            ensure!(refused["detail"].as_str().is_some_and(|detail| detail.starts_with("person: ")), "{refused}");
            post(&site, &body, &[])?.is(202).context("a program is refused too")?;
            return Ok(());
        }
    }
    anyhow::bail!("{taken} are taken")
}

/// The token of a person who signs in at a program.
fn person_token(site: &Installation) -> Result<String> {
    let (client, user) = (site.demo.clients.first().context("no client")?, &site.demo.users[0]);
    let login = format!("{}:{}", client.id, client.secret);
    let fields =
        ["grant_type=password".to_owned(), format!("username={}", user.user), format!("password={}", user.password)];
    let mut asked = vec!["--user", &login];
    for field in &fields {
        asked.extend(["--data-urlencode", field]);
    }
    let told = curl(site, "/auth/v3/oauth/token", &asked)?.is(200)?.json()?;
    told["access_token"].as_str().map(str::to_owned).context("no token")
}

fn gzip(path: &Path, text: &str) -> Result<()> {
    let out = std::fs::File::create(path)?;
    let mut gzip = Command::new("gzip").stdin(Stdio::piped()).stdout(out).spawn().context("gzip")?;
    gzip.stdin.take().context("no stdin")?.write_all(text.as_bytes())?;
    ensure!(gzip.wait()?.success(), "gzip failed");
    Ok(())
}

#[test]
fn pages_of_other_origins_need_their_tenant() -> Result<()> {
    let cors = r#"telemetry.cors={"example":{"urls":["https://desk.example"]}}"#;
    let site = Installation::start_with(&["--set", CONTRACTS, "--set", cors])?;
    let beforehand = |origin: &str| {
        let origin = format!("origin: {origin}");
        let asked = ["--request", "OPTIONS", "--header", &origin, "--header", "access-control-request-method: POST"];
        curl(&site, TRACES, &asked)
    };
    let told = beforehand("https://desk.example")?;
    ensure!(told.is(204)?.has("access-control-allow-origin: https://desk.example"), "{}", told.head);
    ensure!(told.has("access-control-allow-headers: authorization"), "{}", told.head);
    beforehand("https://evil.example")?.is(403)?;
    let body = batch("softphone", &json!([{ "type": "log", "name": "x" }]));
    for (origin, status) in [
        ("https://desk.example", 202),
        ("https://evil.example", 403),
        // The edge itself.
        (site.demo.web.as_str(), 202),
    ] {
        let told = post(&site, &body, &["--header", &format!("origin: {origin}")])?;
        let may_read = told.is(status)?.has(&format!("access-control-allow-origin: {origin}"));
        ensure!(may_read == (status == 202), "{origin}: {}", told.head);
    }
    // The edge itself refuses whoever shows no token: it does not know the list of telemetry.
    let told =
        curl(&site, TRACES, &["--header", "origin: https://desk.example", "--header", JSON, "--data-binary", "{}"])?;
    ensure!(told.is(401)?.has("access-control-allow-origin: https://desk.example"), "{}", told.head);
    ensure!(!told.has("access-control-allow-credentials"), "{}", told.head);
    Ok(())
}

#[test]
fn clients_of_tenants_that_are_not_named_send_nothing() -> Result<()> {
    let set = |tenants: &str| {
        ["--set".to_owned(), CONTRACTS.to_owned(), "--set".to_owned(), format!("telemetry.tenants={tenants}")]
    };
    let [other, example] = [r#"{"other":"Other Ltd"}"#, r#"{"example":"Example Ltd"}"#].map(set);
    let site = Installation::start_with(&other.each_ref().map(String::as_str))?;
    let body = batch("softphone", &json!([{ "type": "log", "name": "from_example" }]));
    let refused = post(&site, &body, &[])?.is(403)?.json()?;
    ensure!(refused["detail"].as_str().is_some_and(|detail| detail.starts_with("tenant: ")), "{refused}");
    let site = site.crash_and_restart_with(&example.each_ref().map(String::as_str))?;
    post(&site, &body, &[])?.is(202)?;
    let line = line(&site, "from_example")?;
    ensure!(line["tenant"] == "Example Ltd", "{line}");
    Ok(())
}

#[test]
fn an_operator_switches_an_application_off_and_its_clients_are_told() -> Result<()> {
    let site = Installation::start_with(&["--set", CONTRACTS])?;
    let authorization = authorization(&site)?;
    let config = |site: &Installation| {
        curl(site, "/telemetry/v1/config?app=softphone", &["--header", &authorization])?.is(200)?.json()
    };
    let told = config(&site)?;
    ensure!(told["off"] == false && told["samplingRate"] == 1.0 && told["flushIntervalMs"] == 10_000, "{told}");
    ensure!(told["contract"]["appName"] == "softphone" && told["openTelemetry"] == false, "{told}");
    let switch = |authorization: &str| {
        let off = r#"{"app":"softphone","off":true}"#;
        let asked = ["--request", "PUT", "--header", authorization, "--header", JSON, "--data-binary", off];
        curl(&site, "/telemetry/v1/switch", &asked)
    };
    switch(&authorization)?.is(403)?;
    let operator = format!("authorization: Bearer {}", token(&site, &["--scope", "operate"])?);
    switch(&operator)?.is(204)?;
    ensure!(config(&site)?["off"] == true, "clients are not told");
    let body = batch("softphone", &json!([{ "type": "log", "name": "after_all" }]));
    let told = post(&site, &body, &[])?.is(202)?.json()?;
    ensure!(told == json!({ "accepted": 0, "dropped": 1, "off": true }), "{told}");
    line(&site, "switched")?;
    let site = site.crash_and_restart_with(&["--set", CONTRACTS])?;
    ensure!(config(&site)?["off"] == true, "a restart has forgotten it");
    Ok(())
}

#[test]
fn a_token_that_auth_has_revoked_is_refused() -> Result<()> {
    let site = Installation::start_with(&["--set", CONTRACTS, "--set", "telemetry.checked_for=1s"])?;
    let client = site.demo.clients.first().context("no client")?;
    let login = format!("{}:{}", client.id, client.secret);
    let token = person_token(&site)?;
    let authorization = format!("authorization: Bearer {token}");
    let body = batch("softphone", &json!([{ "type": "log", "name": "x" }]));
    let send = || curl(&site, TRACES, &["--header", &authorization, "--header", JSON, "--data-binary", &body]);
    send()?.is(202)?;
    let revoked = format!("token={token}");
    curl(&site, "/auth/v3/oauth/revoke", &["--user", &login, "--data-urlencode", &revoked])?.is(200)?;
    wait::until(LATER, || Ok((send()?.status == 401).then_some(())))
}

/// A path, its media type and a body.
type KeptPost = (String, String, Vec<u8>);

/// A collector of OTLP over HTTP.
pub(crate) struct HttpCollector {
    kept: Arc<Mutex<Vec<KeptPost>>>,
}

impl HttpCollector {
    pub(crate) fn start(at: SocketAddr) -> Result<Self> {
        Self::answering(at, "200 OK")
    }

    /// One that gives this answer to whatever comes.
    fn answering(at: SocketAddr, status: &'static str) -> Result<Self> {
        let listener = TcpListener::bind(at).with_context(|| format!("the collector's port {at}"))?;
        let kept = Arc::new(Mutex::new(Vec::new()));
        let keeps = kept.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let keeps = keeps.clone();
                std::thread::spawn(move || {
                    while let Some(request) = take_request(&stream, status) {
                        keeps.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                    }
                });
            }
        });
        Ok(Self { kept })
    }

    /// The body that came first to that path in that form.
    pub(crate) fn wait_for(&self, path: &str, media_type: &str) -> Result<Vec<u8>> {
        wait::until(LATER, || {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let found = kept.iter().find(|(at, of, _)| at == path && of == media_type);
            Ok(found.map(|(_, _, body)| body.clone()))
        })
    }
}

/// One request of a connection, which is answered.
fn take_request(mut stream: &TcpStream, status: &str) -> Option<(String, String, Vec<u8>)> {
    let mut lines = BufReader::with_capacity(1, stream);
    let (mut path, mut media_type, mut length) = (String::new(), String::new(), 0);
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).ok().filter(|read| *read > 0)?;
        match line.trim_end().split_once(": ") {
            _ if path.is_empty() => line.split(' ').nth(1)?.clone_into(&mut path),
            Some((name, value)) if name.eq_ignore_ascii_case("content-type") => value.clone_into(&mut media_type),
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().ok()?,
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    lines.read_exact(&mut body).ok()?;
    stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n{{}}").as_bytes()).ok()?;
    Some((path, media_type, body))
}

/// own-25.
#[test]
fn opentelemetry_goes_on_to_the_collector_without_personal_data() -> Result<()> {
    let place = |instance: u8| SocketAddr::from((Ipv4Addr::new(127, instance, 250, 31), 4_318));
    let set = |instance: u8| {
        let collector = format!("telemetry.collector=http://{}", place(instance));
        ["--set", &collector, "--set", CONTRACTS].map(str::to_owned).to_vec()
    };
    let site = Installation::start_numbered(set)?;
    let collector = HttpCollector::start(place(site.demo.instance))?;
    let attribute = |key: &str, text: &str| json!({ "key": key, "value": { "stringValue": text } });
    let spans = |name: &str, attributes: &[Value]| {
        let scope = json!({ "spans": [{ "name": name }] });
        json!({ "resourceSpans": [{ "resource": { "attributes": attributes }, "scopeSpans": [scope] }] })
    };
    // Its contract names the region, and no customer.
    let known = [attribute("service.name", "softphone"), attribute("region", "eu")];
    let further = [attribute("customer", "Ann"), attribute("trunkline.tenant", "claimed")];
    let sent = spans("to +4930123456", &[&known[..], &further].concat()).to_string();
    ensure!(post(&site, &sent, &[])?.is(200)?.json()? == json!({}), "another answer");
    let got: Value = serde_json::from_slice(&collector.wait_for("/v1/traces", "application/json")?)?;
    let of_example = [attribute("trunkline.tenant", "example")];
    ensure!(got == spans("to <number>", &[&known[..], &of_example].concat()), "{got}");
    site.metric_becomes("telemetry", "telemetry_properties_dropped_total", 1.0, LATER)?;

    // A log record in protobuf whose body is that text.
    let field = |number: u8, content: &[u8]| {
        let mut bytes = vec![number << 3 | 2, u8::try_from(content.len()).unwrap_or_default()];
        bytes.extend_from_slice(content);
        bytes
    };
    let record = |text: &str| field(2, &field(2, &field(5, &field(1, text.as_bytes()))));
    let attribute = [field(1, b"trunkline.tenant"), field(2, &field(1, b"example"))].concat();
    let resource = field(1, &field(1, &attribute));
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("logs");
    std::fs::write(&file, field(1, &record("ann@desk.example called")))?;
    let (authorization, body) = (authorization(&site)?, format!("@{}", file.display()));
    let media_type = "content-type: application/x-protobuf";
    let asked = ["--header", &authorization, "--header", media_type, "--data-binary", &body];
    curl(&site, "/telemetry/v1/logs", &asked)?.is(200)?;
    let got = collector.wait_for("/v1/logs", "application/x-protobuf")?;
    ensure!(got == field(1, &[record("<address> called"), resource].concat()), "{got:?}");
    // Counted when the collector's answer arrives, which is after it kept the batch.
    site.metric_becomes("telemetry", "telemetry_otlp_items_total", 2.0, LATER)?;
    let to = place(site.demo.instance);
    is_carried(&site, |socket| socket.remote == to).context("own-25")?;

    let operator = format!("authorization: Bearer {}", token(&site, &["--scope", "operate"])?);
    let off = r#"{"app":"*","off":true}"#;
    let switch = ["--request", "PUT", "--header", &operator, "--header", JSON, "--data-binary", off];
    curl(&site, "/telemetry/v1/switch", &switch)?.is(204)?;
    let told = post(&site, &sent, &[])?.is(200)?.json()?;
    ensure!(told["partialSuccess"]["rejectedSpans"] == "1", "it is not off: {told}");
    site.metric_becomes("telemetry", "telemetry_dropped_total", 1.0, LATER)
}

#[test]
fn what_the_collector_finds_wrong_is_not_counted_as_lost() -> Result<()> {
    let place = |instance: u8| SocketAddr::from((Ipv4Addr::new(127, instance, 250, 31), 4_318));
    let set = |instance: u8| vec!["--set".to_owned(), format!("telemetry.collector=http://{}", place(instance))];
    let site = Installation::start_numbered(set)?;
    let _collector = HttpCollector::answering(place(site.demo.instance), "400 Bad Request")?;
    let span = json!({ "traceId": "zz", "name": "x" });
    let sent = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] }).to_string();
    post(&site, &sent, &[])?.is(200)?;
    let of = |outcome: &str| format!("telemetry_otlp_items_total{{outcome=\"{outcome}\"}}");
    site.metric_becomes("telemetry", &of("faulty"), 1.0, LATER)?;
    let lost = site.metric("telemetry", &of("lost"))?;
    ensure!(lost == 0.0, "{lost} are lost");
    Ok(())
}

#[test]
fn without_a_collector_opentelemetry_is_told_not_to_try_again() -> Result<()> {
    let site = Installation::start()?;
    let told = post(&site, r#"{"resourceSpans":[]}"#, &[])?.is(404)?.json()?;
    ensure!(told["type"] == "no-collector", "{told}");
    Ok(())
}
