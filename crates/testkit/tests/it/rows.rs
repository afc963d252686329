//! The rows to Redis, Pulse's Redis and PostgreSQL, each proven by itself: while an action uses the row, its own meter counts the
//! bytes, and the server has the data. A connection may carry several rows, so bytes on its socket prove none of them.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::agents::baresip_agent;
use testkit::caller::Caller;
use testkit::installation::binary;
use testkit::{Answer, Installation, wait};

const LATER: Duration = Duration::from_secs(60);
const REDIS: u16 = 6_379;
const REDIS_OF_PULSE: u16 = 6_380;
/// The connections that tests have proven.
const PROVEN: &str = include_str!("../../../../data/proven.tsv");
const THIS_TEST: &str = "rows::each_row_to_a_server_carries_what_it_says";

/// Bytes that an import adds to an application's document: more than roles exchange with their stores in a minute without load.
const DOCUMENT: u64 = 128 * 1_024;
/// Bytes of user data attached to a call; each of its facts has them all.
const USER_DATA: u64 = 48 * 1_024;
/// Size of the smallest record, in bytes.
const RECORD: u64 = 64;

/// Size of the smallest fact, in bytes.
const FACT: u64 = 32;

/// The proof of a row.
struct Proof {
    row: &'static str,
    /// The counter that must grow, seen from the role.
    count: &'static str,
    /// The minimum growth, in bytes.
    by: u64,
    /// A pattern of keys that the server lacks before and has afterwards.
    key: Option<(u16, &'static str)>,
}

const fn reads(row: &'static str, by: u64) -> Proof {
    Proof { row, count: "bytesIn", by, key: None }
}

const fn writes(row: &'static str, by: u64) -> Proof {
    Proof { row, count: "bytesOut", by, key: None }
}

/// For rows with constant traffic: the record itself is searched.
const fn makes(row: &'static str, key: &'static str) -> Proof {
    Proof { row, count: "bytesOut", by: RECORD, key: Some((REDIS, key)) }
}

/// An application's document is changed: tenant reads it and publishes it, config reads that.
const IMPORT: [Proof; 3] = [reads("voice-13", DOCUMENT), writes("tenant-21", DOCUMENT), reads("voice-17", DOCUMENT)];
/// A phone registers, and its agent logs in.
const LOGIN: [Proof; 4] = [
    makes("voice-36", "reg:{example}:7101"),
    writes("voice-52", FACT),
    makes("voice-37", "agent:{example}:1001"),
    writes("voice-54", FACT),
];
/// A call arrives, an application runs for it, an agent's phone is looked up and rings.
const CALL: [Proof; 6] = [
    makes("voice-41", "call:{example}:*"),
    writes("voice-49", RECORD),
    reads("voice-46", RECORD),
    makes("voice-47", "session:{example}:*"),
    reads("voice-12", RECORD),
    makes("own-06", "media:{example}:*"),
];
/// Data are attached to the call: its owner publishes the fact, and its subscribers read it.
const FACTS: [Proof; 5] = [
    writes("voice-40", USER_DATA),
    reads("voice-14", USER_DATA),
    reads("voice-42", USER_DATA),
    reads("voice-45", USER_DATA),
    reads("voice-06", USER_DATA),
];
/// The statistics are stored, with the position up to which they count.
const KEPT: &str = "pulse-22";

#[test]
fn each_row_to_a_server_carries_what_it_says() -> Result<()> {
    let mut site = Installation::start_on_servers(&[])?;
    let all = [&IMPORT[..], &LOGIN, &CALL, &FACTS];
    let mut rows: Vec<&str> = all.iter().copied().flatten().map(|proof| proof.row).chain([KEPT]).collect();
    rows.sort_unstable();
    let lines = PROVEN.lines().filter_map(|line| line.split_once('\t'));
    let mut listed: Vec<&str> = lines.filter(|(_, test)| test.trim() == THIS_TEST).map(|(row, _)| row).collect();
    listed.sort_unstable();
    ensure!(rows == listed, "data/proven.tsv lists {listed:?}, here are {rows:?}");

    let kept = position_kept(&mut site)?;
    proven(&mut site, &IMPORT, |site| {
        site.import_changed(|folder| {
            let file = folder.join("applications/sales.scxml");
            let more = format!("<!-- {} -->\n</scxml>", "x".repeat(usize::try_from(DOCUMENT)?));
            let text = std::fs::read_to_string(&file)?;
            ensure!(text.contains("</scxml>"), "the example's application has changed");
            Ok(std::fs::write(&file, text.replace("</scxml>", &more))?)
        })
    })?;
    let mut agent = proven(&mut site, &LOGIN, |site| baresip_agent(site, 10, "7101", Answer::Auto))?;
    let caller = proven(&mut site, &CALL, |site| {
        let caller = Caller::dial(site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
        agent.wait_for("CALL_ESTABLISHED", LATER)?;
        Ok(caller)
    })?;
    proven(&mut site, &FACTS, |site| {
        let call = site.servers()?.redis_cli(REDIS, &["ZRANGE", "ids:{example}:call", "0", "0"])?;
        let data = json!({ "Note": "x".repeat(usize::try_from(USER_DATA)?) });
        site.request(&json!({"req": "TAttachUserData", "ThisDN": "7101", "ConnID": call, "UserData": data}))
    })?;
    statistics_are_kept_beyond(&mut site, &kept)?;
    agent.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    Ok(())
}

/// Performs the action for the rows, and waits until each of them has carried it.
fn proven<T>(
    site: &mut Installation,
    proofs: &[Proof],
    purpose: impl FnOnce(&mut Installation) -> Result<T>,
) -> Result<T> {
    let before = meters(site)?;
    for proof in proofs {
        if let Some((port, pattern)) = proof.key {
            let there = site.servers()?.redis_cli(port, &["KEYS", pattern])?;
            ensure!(there.is_empty(), "{}: {there} is there already", proof.row);
        }
    }
    let done = purpose(site)?;
    let mut missing = Vec::new();
    wait::until(LATER, || {
        let now = meters(site)?;
        missing.clear();
        for Proof { row, count, by, key } in proofs {
            let of = |meters: &Meters| meters.get(*row).map_or(0, |row| row[*count].as_u64().unwrap_or(0));
            let grown = of(&now).saturating_sub(of(&before));
            if grown < *by {
                missing.push(format!("{row}: {count} has grown by {grown}, not by {by}"));
            }
            if let Some((port, pattern)) = key
                && site.servers()?.redis_cli(*port, &["KEYS", pattern])?.is_empty()
            {
                missing.push(format!("{row}: no {pattern} in the server"));
            }
        }
        Ok(missing.is_empty().then_some(()))
    })
    .with_context(|| missing.join("\n"))?;
    Ok(done)
}

/// The open rows of the topology, by id.
type Meters = BTreeMap<String, Value>;

fn meters(site: &Installation) -> Result<Meters> {
    let output = Command::new(binary()?)
        .args(["topology", "--json", "--instance", &site.demo.instance.to_string()])
        .args(["--set", "stores.mode=real", "--data-dir"])
        .arg(site.data_dir())
        .output()?;
    let document: Value = serde_json::from_slice(&output.stdout)?;
    let rows = document["connections"].as_array().context("no connections")?;
    let open = rows.iter().filter(|row| row["state"] == "open");
    Ok(open.filter_map(|row| Some((row["id"].as_str()?.to_owned(), row.clone()))).collect())
}

// === pulse-22 ===

fn position_kept(site: &mut Installation) -> Result<String> {
    site.servers()?.redis_cli(REDIS_OF_PULSE, &["HGET", "view:{example}:pulse", "p"])
}

/// The stored position has advanced, and the row's meter has counted the whole state with it.
fn statistics_are_kept_beyond(site: &mut Installation, kept: &str) -> Result<()> {
    let (mut position, mut state, mut sent) = (String::new(), 0, 0);
    wait::until(LATER, || {
        position = position_kept(site)?;
        state = site.servers()?.redis_cli(REDIS_OF_PULSE, &["HSTRLEN", "view:{example}:pulse", "s"])?.parse()?;
        sent = meters(site)?.get(KEPT).map_or(0, |row| row["bytesOut"].as_u64().unwrap_or(0));
        Ok((position != kept && state > 0 && sent >= state).then_some(()))
    })
    .with_context(|| format!("{KEPT} has sent {sent}; {state} bytes are kept at {position:?}, before at {kept:?}"))
}
