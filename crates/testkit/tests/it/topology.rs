//! The topology against the kernel's socket table, both ways; `--check`, `--coverage` and the pages' document.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use testkit::caller::{Caller, prompt, prompt_samples};
use testkit::{Answer, Installation, KeepAlive, Phone, Setup, kernel, wait};

use super::edge::Program;

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);
/// The connections that this file has proven.
const PROVEN: &str = include_str!("../../../../data/proven.tsv");
const THIS_TEST: &str = "topology::every_socket_belongs_to_one_declared_connection_and_every_open_one_has_its_sockets";

/// The servers of stores that are not embedded, and the third octet of their addresses.
const SERVERS: [&str; 3] = ["redis", "postgresql", "kafka"];
const INFRASTRUCTURE: u8 = 255;
/// The last octets of external clients.
const OPERATOR: u8 = 6;
const BROWSER: u8 = 7;
const CARRIER: u8 = 8;
const PROMETHEUS: u8 = 9;
const PHONE: u8 = 10;

#[test]
fn every_socket_belongs_to_one_declared_connection_and_every_open_one_has_its_sockets() -> Result<()> {
    let site = Installation::start()?;
    only_the_carrier_is_a_trunk(&site)?;
    let mut phone = tcp_phone(&site, "7101")?;
    site.log_in("7101")?;
    // The call outlasts the comparison, however long that takes.
    let mut caller = Caller::dial(&site, "caller.xml", CARRIER, site.number("sales")?, &["-t", "t1", "-d", "240000"])?;
    let media = caller.answered(LATER)?;
    caller.audio.say(&prompt_samples("announcement")?.repeat(40), media)?;
    phone.wait_for("CALL_ESTABLISHED", LATER)?;

    let token = site.demo.tokens.get("operator").context("no operator's token")?;
    let mut operator = KeepAlive::connect(site.peer_address(OPERATOR), site.admin("ors")?, token)?;
    ensure!(operator.get("/build")?.status == 200);
    let scraper = token_of(&site, &["--sub", "prometheus/main", "--scope", "topology:read"])?;
    let mut scraped = Vec::new();
    for role in ["tenant", "pulse", "rq"] {
        let mut connection = KeepAlive::connect(site.peer_address(PROMETHEUS), site.admin(role)?, &scraper)?;
        ensure!(connection.get("/metrics")?.status == 200, "metrics of {role}");
        scraped.push(connection);
    }
    let web = site.demo.web.trim_start_matches("http://").parse()?;
    let mut page = KeepAlive::connect(site.peer_address(BROWSER), web, token)?;
    ensure!(page.get("/pulse/api/v1/example/wallboard")?.status == 200, "the wallboard");
    let secure: SocketAddr = site.demo.webs.trim_start_matches("https://").parse()?;
    let _wallboard = by_https(&site, token)?;

    let declared = Declared::read(&site)?;
    let mut differences = Vec::new();
    let mut seen = BTreeMap::new();
    let agree = wait::until(LATER, || {
        let document = topology(&mut page)?;
        let sockets = kernel::connections(site.pid())?;
        (differences, seen) = compare(&declared, &document, &sockets)?;
        let is_by_https = |socket: &kernel::Socket| socket.local == secure && socket.sent > 0 && socket.received > 0;
        if !sockets.iter().any(is_by_https) {
            differences.push(format!("the kernel has no bytes at {secure}: pulse-27 is HTTPS"));
        }
        Ok(differences.is_empty().then_some(()))
    });
    agree.with_context(|| format!("the topology and the kernel differ:\n{}", differences.join("\n")))?;

    let listed: Vec<&str> = proven_here();
    ensure!(!listed.is_empty(), "data/proven.tsv names this test nowhere");
    let unseen: Vec<&&str> = listed.iter().filter(|id| !seen.contains_key(**id)).collect();
    ensure!(unseen.is_empty(), "listed as proven, but the kernel has no bytes on them: {unseen:?}; seen: {seen:#?}");
    for (id, ends) in seen.iter().filter(|(id, _)| !listed.contains(&id.as_str())) {
        eprintln!("seen and not in data/proven.tsv: {id} {ends}");
    }
    phone.hang_up()?;
    drop(caller);
    Ok(())
}

#[test]
fn the_check_says_which_connection_is_missing_and_why() -> Result<()> {
    let site = Installation::start()?;
    let complete = wait::until(LATER, || {
        let output = trunkline(&site, &["topology", "--check"])?;
        Ok(output.status.success().then(|| text(&output.stderr)))
    })?;
    assert!(complete.contains("role replicas ready"), "{complete}");
    // An instance that should have two dialplans has only one.
    let lacking = trunkline(&site, &["topology", "--check", "--set", "replicas.dialplan=2"])?;
    assert_eq!(lacking.status.code(), Some(6));
    let said = text(&lacking.stderr);
    assert!(said.contains("dialplan-2 is not ready: it does not run"), "{said}");
    assert!(said.contains("voice-27 (sip-cluster → dialplan) is missing: sip-cluster-1 needs dialplan-2"), "{said}");
    Ok(())
}

#[test]
fn the_table_for_people_names_states_and_has_no_colours_in_a_pipe() -> Result<()> {
    let site = Installation::start()?;
    let mut table = String::new();
    let is_open = |line: &str| line.contains("sip-cluster → sip-proxy") && line.contains("open");
    wait::until(LATER, || {
        table = text(&trunkline(&site, &["topology"])?.stdout);
        let row = table.lines().find(|line| line.contains("voice-51")).context("voice-51 is not shown")?;
        Ok(is_open(row).then_some(()))
    })
    .with_context(|| format!("voice-51 is not open: {table}"))?;
    assert!(!table.contains('\u{1b}'), "{table}");
    let document: Value = serde_json::from_slice(&trunkline(&site, &["topology", "--json"])?.stdout)?;
    let of_voice_51 = document["connections"].as_array().context("no connections")?;
    let row = of_voice_51.iter().find(|row| row["id"] == "voice-51").context("no voice-51")?;
    assert_eq!((&row["state"], &row["own"]), (&"open".into(), &false.into()));
    assert!(row["bytesOut"].as_u64() > Some(0) && row["lastUse"].is_u64(), "{row}");
    Ok(())
}

#[test]
fn the_pages_document_needs_its_scope() -> Result<()> {
    let site = Installation::start()?;
    let web: SocketAddr = site.demo.web.trim_start_matches("http://").parse()?;
    let ask = |token: &str| {
        let headers = format!("Authorization: Bearer {token}\r\n");
        site.http_with(web, "GET", "/api/operations/v1/topology", &headers, "")
    };
    let allowed = ask(&token_of(&site, &["--tenant", "example", "--scope", "topology:read"])?)?;
    assert_eq!(allowed.status, 200);
    let document: Value = serde_json::from_str(&allowed.body)?;
    assert_eq!((&document["instance"], &document["coverage"]["total"]), (&site.demo.instance.into(), &146.into()));
    assert_eq!(ask(&token_of(&site, &["--tenant", "example", "--scope", "trace:read"])?)?.status, 403);
    assert_eq!(ask(&token_of(&site, &["--tenant", "example", "--scope", "calls:read"])?)?.status, 401, "of other APIs");
    assert_eq!(ask("no-token")?.status, 401);
    Ok(())
}

#[test]
fn the_coverage_lists_every_published_connection_without_a_running_instance() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let run = |arguments: &[&str]| {
        let output = Command::new(testkit::installation::binary()?)
            .args(["topology", "--coverage", "--instance", "219", "--data-dir"])
            .arg(folder.path())
            .args(arguments)
            .output()?;
        ensure!(output.status.success(), "{}", text(&output.stderr));
        anyhow::Ok(text(&output.stdout))
    };
    let (lines, document) = (run(&[])?, serde_json::from_str::<Value>(&run(&["--json"])?)?);
    assert_eq!(lines.lines().count(), 147, "146 rows and the totals");
    let totals = &document["coverage"];
    let sum: u64 = ["proven", "declared", "notYet"].iter().filter_map(|name| totals[name].as_u64()).sum();
    assert_eq!((sum, &totals["total"]), (146, &146.into()));
    let last = lines.lines().last().context("no totals")?;
    assert!(last.contains(&format!("{} proven", totals["proven"])), "{last}");
    Ok(())
}

// === the comparison ===

/// The program's declarations from `specs --json`, with the rows from the document.
struct Declared {
    instance: u8,
    roles: Vec<Role>,
}

struct Role {
    name: String,
    number: u8,
    admin_port: u16,
    listens: Vec<(u16, bool, Vec<String>)>,
    opens: Vec<String>,
}

impl Declared {
    fn read(site: &Installation) -> Result<Self> {
        let specs: Value = serde_json::from_slice(&trunkline(site, &["specs", "--json"])?.stdout)?;
        let roles = specs.as_array().context("no roles")?.iter().map(read_role).collect::<Result<_>>()?;
        Ok(Self { instance: site.demo.instance, roles })
    }

    /// The party with this address.
    fn party(&self, ip: IpAddr) -> &str {
        let IpAddr::V4(ip) = ip else { return "operator" };
        let [_, _, number, host] = ip.octets();
        let role = self.roles.iter().find(|role| ip.octets()[1] == self.instance && role.number == number);
        match (role, number, host) {
            (Some(role), ..) => &role.name,
            (None, 250, BROWSER) => "internet",
            (None, 250, CARRIER) => "sbc",
            (None, 250, PROMETHEUS) => "prometheus",
            (None, 250, PHONE) => "phone",
            _ => "operator",
        }
    }

    /// Whether a server of the stores has this address.
    fn is_server(&self, ip: IpAddr) -> bool {
        matches!(ip, IpAddr::V4(ip) if ip.octets()[..3] == [127, self.instance, INFRASTRUCTURE])
    }

    /// The role that listens on this address, and the rows that it accepts there.
    fn listener(&self, at: SocketAddr, rows: &[Value]) -> Option<(&Role, Vec<String>)> {
        let IpAddr::V4(ip) = at.ip() else { return None };
        let [_, instance, number, _] = ip.octets();
        if instance != self.instance {
            return None;
        }
        self.roles.iter().find_map(|role| {
            let here = |edge: bool| if edge { number == 0 } else { number == role.number };
            let fitting = role.listens.iter().filter(|(port, edge, _)| *port == at.port() && here(*edge));
            let mut accepts: Vec<String> = fitting.flat_map(|(_, _, accepts)| accepts.clone()).collect();
            if number == role.number && at.port() == role.admin_port {
                accepts.extend(admin_rows(role, rows));
            }
            // UDP and TCP may listen on the same port.
            accepts.sort();
            accepts.dedup();
            (!accepts.is_empty()).then_some((role, accepts))
        })
    }

    /// The rows of a connection, and the side of it that this end is.
    fn rows_of(&self, socket: &kernel::Socket, rows: &[Value]) -> (&'static str, Vec<String>) {
        let from = |id: &String| rows.iter().find(|row| row["id"] == id.as_str()).map(|row| row["from"].clone());
        let opens =
            |name: &str, id: &String| self.roles.iter().any(|role| role.name == name && role.opens.contains(id));
        let belongs = |opener: &str, accepts: &[String]| {
            let is_role = self.roles.iter().any(|role| role.name == opener);
            let fits = |id: &&String| if is_role { opens(opener, id) } else { from(id) == Some(opener.into()) };
            accepts.iter().filter(fits).cloned().collect::<Vec<_>>()
        };
        if let Some((role, accepts)) = self.listener(socket.local, rows) {
            // A phone does not choose the address of its connection.
            let opener = match self.party(socket.remote.ip()) {
                "operator" if role.name == "sip-proxy" && socket.local.port() != role.admin_port => "phone",
                party => party,
            };
            return ("accepts", belongs(opener, &accepts));
        }
        match self.listener(socket.remote, rows) {
            Some((_, accepts)) => ("opens", belongs(self.party(socket.local.ip()), &accepts)),
            None => ("opens", Vec::new()),
        }
    }
}

fn admin_rows(role: &Role, rows: &[Value]) -> Vec<String> {
    let port = role.admin_port.to_string();
    let is_published = |row: &&Value| row["from"] == "prometheus" && row["to"] == *role.name && row["port"] == *port;
    let metrics = rows.iter().find(is_published).and_then(|row| row["id"].as_str()).unwrap_or("own-12");
    ["own-20", "own-21", metrics].map(str::to_owned).to_vec()
}

fn read_role(spec: &Value) -> Result<Role> {
    let texts = |value: &Value| {
        let all = value.as_array().into_iter().flatten();
        all.filter_map(|one| one.as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let number = |value: &Value| value.as_u64().and_then(|number| u16::try_from(number).ok()).context("no number");
    let listens = spec["listens"].as_array().context("no listeners")?.iter();
    let listens = listens
        .map(|l| Ok((number(&l["port"])?, l["place"] == "edge", texts(&l["accepts"]))))
        .collect::<Result<_>>()?;
    Ok(Role {
        name: spec["name"].as_str().context("no name")?.to_owned(),
        number: u8::try_from(number(&spec["number"])?)?,
        admin_port: number(&spec["admin_port"])?,
        listens,
        opens: texts(&spec["opens"]),
    })
}

type Seen = BTreeMap<String, String>;

/// The differences, both ways; and the rows with bytes in both directions in the kernel, with their ends.
fn compare(declared: &Declared, document: &Value, sockets: &[kernel::Socket]) -> Result<(Vec<String>, Seen)> {
    let rows = document["connections"].as_array().context("no connections")?;
    // Connections to servers of stores are told apart by their names: `real` compares them.
    let to_server = |row: &Value| SERVERS.iter().any(|server| row["from"] == *server || row["to"] == *server);
    let rows: &Vec<Value> = &rows.iter().filter(|row| !to_server(row)).cloned().collect();
    let (mut differences, mut seen) = (Vec::new(), Seen::new());
    let mut held: BTreeMap<(String, &str), u64> = BTreeMap::new();
    for socket in sockets.iter().filter(|socket| !declared.is_server(socket.remote.ip())) {
        let (side, ids) = declared.rows_of(socket, rows);
        let [id] = ids.as_slice() else {
            let ends = format!("{} → {}", socket.local, socket.remote);
            differences.push(format!("the socket {ends} ({side}) belongs to {ids:?}, not to one connection"));
            continue;
        };
        *held.entry((id.clone(), side)).or_default() += 1;
        if socket.sent > 0 && socket.received > 0 {
            seen.entry(id.clone()).or_insert_with(|| format!("{} → {}", socket.local, socket.remote));
        }
    }
    let mut shown: BTreeMap<(String, &str), u64> = BTreeMap::new();
    for row in rows {
        let id = row["id"].as_str().context("a row without an id")?;
        for peer in row["peers"].as_array().into_iter().flatten() {
            let side = if peer["side"] == "opens" { "opens" } else { "accepts" };
            *shown.entry((id.to_owned(), side)).or_default() += peer["open"].as_u64().unwrap_or_default();
        }
        let is_open = row["state"] == "open" && row["sameAs"].as_array().is_none_or(Vec::is_empty);
        if is_open && !is_datagrams(row) && !held.keys().any(|(of, _)| of == id) {
            differences.push(format!("{id} is shown open, and the kernel has no socket of it"));
        }
    }
    shown.retain(|_, count| *count > 0);
    for (key, count) in &held {
        let said = shown.get(key).copied().unwrap_or_default();
        if said != *count {
            differences.push(format!("{} ({}): the kernel has {count}, shown are {said}", key.0, key.1));
        }
    }
    for (key, count) in shown.iter().filter(|(key, _)| !held.contains_key(*key)) {
        differences.push(format!("{} ({}): the kernel has none, shown are {count}", key.0, key.1));
    }
    Ok((differences, seen))
}

/// UDP has no connections: its sockets have no peer in the kernel's table.
fn is_datagrams(row: &Value) -> bool {
    row["protocol"] == "rtp"
}

fn proven_here() -> Vec<&'static str> {
    let rows = PROVEN.lines().skip(1).filter_map(|row| row.split_once('\t'));
    rows.filter(|(_, test)| test.trim() == THIS_TEST).map(|(id, _)| id).collect()
}

// === the site ===

/// Makes the phone's connection a phone's: in the example any caller from this machine is the carrier.
fn only_the_carrier_is_a_trunk(site: &Installation) -> Result<()> {
    let carrier = site.peer_address(CARRIER);
    site.import_changed(|folder| {
        let file = folder.join("example-tenant.yaml");
        let text = std::fs::read_to_string(&file)?;
        ensure!(text.contains("allow: [127.0.0.0/8]"), "the example's trunk has changed");
        Ok(std::fs::write(&file, text.replace("127.0.0.0/8", &format!("{carrier}/32")))?)
    })?;
    // A stranger is refused once the change has arrived.
    wait::until(LATER, || {
        let stranger = Caller::dial(site, "caller-refused-403.xml", OPERATOR, site.number("echo")?, &[])?;
        Ok(stranger.finish(SOON)?.1.expect_success().ok())
    })
}

fn tcp_phone(site: &Installation, extension: &str) -> Result<Phone> {
    let person = site.demo.people.iter().find(|person| person.extension == extension);
    Phone::register(&Setup {
        address: site.peer_address(PHONE),
        registrar: &site.sip(),
        user: extension,
        password: &person.context("no such extension")?.password,
        transport: "tcp",
        speech: &prompt("support-welcome"),
        answer: Answer::Auto,
    })
}

/// A browser with the wallboard, by HTTPS.
fn by_https(site: &Installation, token: &str) -> Result<Program> {
    let mut command = Command::new("curl");
    command.args(["--silent", "--insecure", "--no-buffer", "--interface", &site.peer_address(BROWSER).to_string()]);
    command.args(["--header", &format!("Authorization: Bearer {token}")]);
    Program::start(command.arg(format!("{}/pulse/api/v1/example/wallboard/stream", site.demo.webs)))
}

fn topology(page: &mut KeepAlive) -> Result<Value> {
    let answer = page.get("/api/operations/v1/topology")?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    Ok(serde_json::from_str(&answer.body)?)
}

fn token_of(site: &Installation, arguments: &[&str]) -> Result<String> {
    let output = trunkline(site, &[&["token"], arguments].concat())?;
    if !output.status.success() {
        bail!("token {arguments:?}: {}", text(&output.stderr));
    }
    Ok(text(&output.stdout).trim().to_owned())
}

/// Runs a command of the binary on the site.
fn trunkline(site: &Installation, arguments: &[&str]) -> Result<Output> {
    let output = Command::new(testkit::installation::binary()?)
        .args(arguments)
        .args(["--instance", &site.demo.instance.to_string(), "--data-dir"])
        .arg(site.data_dir())
        .output()?;
    Ok(output)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
