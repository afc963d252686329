//! The rows to Kafka: each role that reports has its own connection, and the broker has its records with what the row's meter has counted.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::agents::baresip_agent;
use testkit::caller::{CALLER, Caller};
use testkit::installation::binary;
use testkit::{Answer, Installation, kernel, wait};

const LATER: Duration = Duration::from_secs(90);
/// Starting Kafka's consumer takes seconds, on a busy machine many.
const READ_WITHIN: Duration = Duration::from_secs(120);
/// A topic has been read when nothing more has come for this long.
const QUIET_MS: u32 = 6_000;
const KAFKA: u16 = 9_092;
/// The connections that tests have proven.
const PROVEN: &str = include_str!("../../../../data/proven.tsv");
const THIS_TEST: &str = "reported::each_role_that_reports_writes_its_records_to_kafka";

/// A record that a row must have carried.
struct Carried {
    row: &'static str,
    role: &'static str,
    topic: &'static str,
    kind: &'static str,
    /// How its identity begins: the records of a role itself name its node.
    id: &'static str,
    /// Members of its `data`.
    data: Vec<(&'static str, Value)>,
}

/// What the roles report about a call to 7101 and its agent 1001.
fn expected(sales: &str) -> Vec<Carried> {
    let record = |row, role, topic, kind, id, data: &[(&'static str, &str)]| {
        let data = data.iter().map(|(name, value)| (*name, Value::from(*value))).collect();
        Carried { row, role, topic, kind, id, data }
    };
    let mut all = vec![
        record(
            "own-30",
            "tenant",
            "audit",
            "AuditRecord",
            "change:",
            &[("Action", "created"), ("Kind", "person"), ("Way", "import")],
        ),
        record(
            "voice-48",
            "frontend",
            "voice-requests",
            "RequestAnswered",
            "frontend-1.",
            &[("Request", "TAgentLogin"), ("Requester", "operator/demo")],
        ),
        record(
            "voice-50",
            "sip-cluster",
            "voice-callthread",
            "EventEstablished",
            "call:",
            &[("ThisDN", "7101"), ("AgentID", "1001"), ("ANI", CALLER)],
        ),
        record("voice-53", "registrar", "voice-registrations", "PhoneRegistered", "registrar-1.", &[("DN", "7101")]),
        record(
            "voice-55",
            "agent-state",
            "voice-agentintervals",
            "AgentInterval",
            "agent:1001:interval:",
            &[("AgentID", "1001"), ("ThisDN", "7101")],
        ),
        record(
            "voice-56",
            "call-state",
            "voice-callthread",
            "CallThread",
            "thread:",
            &[("Outcome", "answered"), ("ANI", CALLER)],
        ),
        record(
            "voice-60",
            "sip-proxy",
            "voice-edge",
            "CallAttempted",
            "sip-proxy-1.",
            &[("Source", "trunk"), ("Dialled", sales)],
        ),
    ];
    for (row, name, value) in [("voice-48", "Status", 202), ("voice-60", "Status", 200)] {
        let one = all.iter_mut().filter(|one| one.row == row);
        one.for_each(|one| one.data.push((name, value.into())));
    }
    all
}

/// A broker lists no client names: a connection's owner is found by its process.
#[test]
fn each_role_that_reports_writes_its_records_to_kafka() -> Result<()> {
    let mut site = Installation::start_on_servers(&["--processes"])?;
    site.servers()?.start_kafka()?;
    let expected = expected(site.number("sales")?);
    let rows: Vec<&str> = expected.iter().map(|one| one.row).collect();
    let mut listed = proven_here();
    listed.sort_unstable();
    ensure!(rows == listed, "data/proven.tsv lists {listed:?}, here are {rows:?}");

    let mut agent = baresip_agent(&site, 10, "7101", Answer::Auto)?;
    let caller = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    agent.wait_for("CALL_ESTABLISHED", LATER)?;
    agent.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;

    let (mut shown, mut held) = (BTreeMap::new(), BTreeMap::new());
    wait::until(LATER, || {
        (shown, held) = (shown_at_kafka(&site)?, held_at_kafka(&site)?);
        let open: BTreeMap<String, u64> =
            shown.values().filter(|row| row.open > 0).map(|row| (row.role.clone(), row.open)).collect();
        let all = expected
            .iter()
            .all(|one| shown.get(one.row).is_some_and(|row| row.role == one.role) && held.contains_key(one.role));
        Ok((all && open == held).then_some(()))
    })
    .with_context(|| format!("expected are {rows:?}, shown {shown:#?}, the kernel has {held:#?}"))?;

    for one in &expected {
        let record = record_of(&site, one)?;
        let (length, mut sent) = (u64::try_from(record.len())?, 0);
        wait::until(LATER, || {
            sent = shown_at_kafka(&site)?.get(one.row).map_or(0, |row| row.sent);
            Ok((sent >= length).then_some(()))
        })
        .with_context(|| format!("{} has sent {sent} bytes, and its record has {length}", one.row))?;
    }
    keyed_by_thread_and_agent(&site)
}

/// The published keys: a call's record and facts have those of its thread, an agent's facts those of the agent.
fn keyed_by_thread_and_agent(site: &Installation) -> Result<()> {
    let first = || Ok(keyed(site, "voice-callthread", "CallDetail")?.into_iter().next());
    let (key, record) = wait::until(READ_WITHIN, first).context("no record of the call")?;
    let thread = record["data"]["CallThreadID"].as_str().unwrap_or_default();
    ensure!(key == format!("example:{thread}") && record["data"]["ANI"] == CALLER, "{key}: {record}");
    for kind in ["EventRouteRequest", "EventTreatmentApplied", "EventEstablished", "CallThread"] {
        has_key(site, "voice-callthread", kind, &key)?;
    }
    for kind in ["EventAgentLogin", "EventAgentReady"] {
        has_key(site, "voice-agentstate", kind, "example:1001")?;
    }
    Ok(())
}

/// Waits until a record of this type has the key.
fn has_key(site: &Installation, topic: &str, kind: &str, key: &str) -> Result<()> {
    let mut records = Vec::new();
    wait::until(READ_WITHIN, || {
        records = keyed(site, topic, kind)?;
        Ok(records.iter().any(|(of, _)| of == key).then_some(()))
    })
    .with_context(|| format!("no {kind} of {key}: {records:?}"))
}

/// The records of a type with their keys, by Kafka's console consumer.
fn keyed(site: &Installation, topic: &str, kind: &str) -> Result<Vec<(String, Value)>> {
    let lines = consumed(site, topic, "--property print.key=true")?;
    let records = lines.iter().filter_map(|line| {
        let (key, record) = line.split_once('\t')?;
        Some((key.to_owned(), serde_json::from_str::<Value>(record).ok()?))
    });
    Ok(records.filter(|(_, record)| record["type"] == *kind).collect())
}

/// The record as the broker has it, once it is there.
fn record_of(site: &Installation, wanted: &Carried) -> Result<String> {
    let Carried { row, topic, kind, id, data, .. } = wanted;
    let mut there = Vec::new();
    let fits = |record: &String| {
        let Ok(event) = serde_json::from_str::<Value>(record) else { return false };
        event["type"] == *kind
            && event["source"] == "/tenants/example"
            && event["id"].as_str().is_some_and(|of| of.starts_with(id))
            && data.iter().all(|(name, value)| event["data"][name] == *value)
    };
    wait::until(READ_WITHIN, || {
        there = records(site, topic)?;
        Ok(there.iter().find(|record| fits(record)).cloned())
    })
    .with_context(|| format!("{row}: no {kind} of {id} with {data:?} in {topic}, which has {there:#?}"))
}

/// Every record of a topic, by Kafka's console consumer.
pub(crate) fn records(site: &Installation, topic: &str) -> Result<Vec<String>> {
    consumed(site, topic, "")
}

fn consumed(site: &Installation, topic: &str, options: &str) -> Result<Vec<String>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../script/infra");
    let tools = Command::new(script).args(["--instance", &site.demo.instance.to_string(), "tools"]).output()?;
    let tools = String::from_utf8_lossy(&tools.stdout).into_owned();
    let consumer = tools.lines().find(|line| line.contains("ConsoleConsumer")).context("no console consumer")?;
    let command = format!("{} {options} --timeout-ms {QUIET_MS} 2>/dev/null", consumer.replace("TOPIC", topic));
    let output = Command::new("sh").arg("-c").arg(command).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// Number of connections to Kafka with bytes in both directions in the kernel, by the role of their process.
fn held_at_kafka(site: &Installation) -> Result<BTreeMap<String, u64>> {
    let mut held = BTreeMap::new();
    for (node, pid) in kernel::processes(site.pid())? {
        let sockets = kernel::connections(pid)?;
        let used = sockets.iter().filter(|of| of.remote.port() == KAFKA && of.sent > 0 && of.received > 0).count();
        let (role, _) = node.rsplit_once('-').context("a node without a number")?;
        if used > 0 {
            *held.entry(role.to_owned()).or_default() += u64::try_from(used)?;
        }
    }
    Ok(held)
}

/// A row to Kafka as the topology shows it.
#[derive(Debug)]
struct Shown {
    role: String,
    open: u64,
    sent: u64,
}

/// The rows to Kafka.
fn shown_at_kafka(site: &Installation) -> Result<BTreeMap<String, Shown>> {
    let output = Command::new(binary()?)
        .args(["topology", "--json", "--instance", &site.demo.instance.to_string()])
        .args(site.stores())
        .arg("--data-dir")
        .arg(site.data_dir())
        .output()?;
    let document: Value = serde_json::from_slice(&output.stdout)?;
    let rows = document["connections"].as_array().context("no connections")?;
    let of_row = |row: &Value| {
        let role = match (row["from"].as_str()?, row["to"].as_str()?) {
            ("kafka", role) | (role, "kafka") => role.to_owned(),
            _ => return None,
        };
        let shown = Shown { role, open: row["open"].as_u64()?, sent: row["bytesOut"].as_u64()? };
        Some((row["id"].as_str()?.to_owned(), shown))
    };
    Ok(rows.iter().filter_map(of_row).collect())
}

fn proven_here() -> Vec<&'static str> {
    let rows = PROVEN.lines().skip(1).filter_map(|row| row.split_once('\t'));
    rows.filter(|(_, test)| test.trim() == THIS_TEST).map(|(id, _)| id).collect()
}
