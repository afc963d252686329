//! The rows to Redis, Pulse's Redis and PostgreSQL, each proven by itself: while an action uses the row, its own meter counts the
//! bytes, the server has the data, and Redis itself tells what the row's client has said. A connection may carry several rows, so
//! bytes on its socket prove none of them.

pub(crate) mod monitor;

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::agents::baresip_agent;
use testkit::caller::{CALLER, Caller, prompt_samples};
use testkit::installation::binary;
use testkit::process::signal;
use testkit::{Answer, Installation, audio, kernel, wait};

use monitor::{Monitor, clients_of};

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);
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
/// A part of the long texts in documents and user data.
const LONG: &str = "xxxxxxxxxxxxxxxx";

/// The proof of a row.
struct Proof {
    row: &'static str,
    /// The counter that must grow, seen from the role.
    count: &'static str,
    /// The minimum growth, in bytes.
    by: u64,
    /// A pattern of keys that Redis lacks before and has afterwards.
    key: Option<&'static str>,
    /// What one command of the row's client must contain, as Redis prints it; empty for rows to other servers.
    says: &'static [&'static str],
}

const fn reads(row: &'static str, by: u64, says: &'static [&'static str]) -> Proof {
    Proof { row, count: "bytesIn", by, key: None, says }
}

const fn writes(row: &'static str, by: u64, says: &'static [&'static str]) -> Proof {
    Proof { row, count: "bytesOut", by, key: None, says }
}

/// For rows with constant traffic: the record itself is searched.
const fn makes(row: &'static str, key: &'static str, says: &'static [&'static str]) -> Proof {
    Proof { row, count: "bytesOut", by: RECORD, key: Some(key), says }
}

const ADDS_A_FACT: &str = r#""XADD" "ev:{example}""#;
const READS_FACTS: &str = r#""XRANGE" "ev:{example}""#;

/// An application's document is changed: tenant reads it and publishes it, config reads that.
const IMPORT: [Proof; 3] = [
    reads("voice-13", DOCUMENT, &[]),
    writes("tenant-21", DOCUMENT, &[r#""HSET" "cfg:{example}:documents""#, LONG]),
    reads("voice-17", DOCUMENT, &[r#" "cfg:{example}:documents""#]),
];
/// A phone registers, and its agent logs in.
const LOGIN: [Proof; 4] = [
    makes("voice-36", "reg:{example}:7101", &[r#""HSET" "reg:{example}:7101""#, "sip:7101"]),
    writes("voice-52", FACT, &[ADDS_A_FACT, "7101"]),
    makes("voice-37", "agent:{example}:1001", &[r#""HSET" "agent:{example}:1001""#, "7101"]),
    writes("voice-54", FACT, &[ADDS_A_FACT, "1001"]),
];
/// A call arrives, an application runs for it and tells so, an agent's phone is looked up and rings.
const CALL: [Proof; 6] = [
    makes("voice-41", "call:{example}:*", &[r#""HSET" "call:{example}:"#, CALLER]),
    writes("voice-49", RECORD, &[r#""XADD" "newcalls:{example}""#, "sales"]),
    reads("voice-46", RECORD, &[r#""XREADGROUP" "GROUP" "readers""#, "newcalls:{example}"]),
    makes("voice-47", "session:{example}:*", &[r#""HSET" "session:{example}:"#, "sales"]),
    writes("voice-45", FACT, &[ADDS_A_FACT, "SessionID", "sales", CALLER]),
    reads("voice-12", RECORD, &[r#""HMGET" "reg:{example}:7101""#]),
];
/// Data are attached to the call: its owner publishes the fact, and its subscribers read it.
const FACTS: [Proof; 5] = [
    writes("voice-40", USER_DATA, &[ADDS_A_FACT, "Note", LONG]),
    reads("voice-14", USER_DATA, &[READS_FACTS]),
    reads("voice-42", USER_DATA, &[READS_FACTS]),
    reads("voice-06", USER_DATA, &[READS_FACTS]),
    reads("own-02", USER_DATA, &[READS_FACTS]),
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
    let heard = Monitor::start(&site, REDIS)?;
    proven(&mut site, &heard, &IMPORT, |site| {
        site.import_changed(|folder| {
            let file = folder.join("applications/sales.scxml");
            let more = format!("<!-- {} -->\n</scxml>", "x".repeat(usize::try_from(DOCUMENT)?));
            let text = std::fs::read_to_string(&file)?;
            ensure!(text.contains("</scxml>"), "the example's application has changed");
            Ok(std::fs::write(&file, text.replace("</scxml>", &more))?)
        })
    })?;
    let mut agent = proven(&mut site, &heard, &LOGIN, |site| baresip_agent(site, 10, "7101", Answer::Auto))?;
    let caller = proven(&mut site, &heard, &CALL, |site| {
        let caller = Caller::dial(site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
        agent.wait_for("CALL_ESTABLISHED", LATER)?;
        Ok(caller)
    })?;
    proven(&mut site, &heard, &FACTS, |site| {
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
    heard: &Monitor,
    proofs: &[Proof],
    purpose: impl FnOnce(&mut Installation) -> Result<T>,
) -> Result<T> {
    let (before, told_before) = (meters(site)?, heard.count());
    for proof in proofs {
        if let Some(pattern) = proof.key {
            let there = site.servers()?.redis_cli(REDIS, &["KEYS", pattern])?;
            ensure!(there.is_empty(), "{}: {there} is there already", proof.row);
        }
    }
    let done = purpose(site)?;
    let mut missing = Vec::new();
    wait::until(LATER, || {
        let now = meters(site)?;
        missing.clear();
        for Proof { row, count, by, key, says } in proofs {
            let of = |meters: &Meters| meters.get(*row).map_or(0, |row| row[*count].as_u64().unwrap_or(0));
            let grown = of(&now).saturating_sub(of(&before));
            if grown < *by {
                missing.push(format!("{row}: {count} has grown by {grown}, not by {by}"));
            }
            if let Some(pattern) = key
                && site.servers()?.redis_cli(REDIS, &["KEYS", pattern])?.is_empty()
            {
                missing.push(format!("{row}: no {pattern} in the server"));
            }
            if !says.is_empty() {
                let clients = clients_of(site, REDIS, row)?;
                if !heard.has_said(told_before, &clients, says) {
                    missing.push(format!("{row}: none of its clients {clients:?} has said {says:?}"));
                }
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

// === own-06 ===

/// media's lease and its legs' records are in Redis; whoever starts after it died reads there how far a treatment is.
#[test]
fn a_treatment_goes_on_at_the_position_that_redis_has() -> Result<()> {
    /// Samples in a second.
    const SECOND: usize = 8_000;
    const ALIKE: f64 = 0.9;
    let mut site = Installation::start_on_servers(&["--processes", "--set", "process.restart_after=100ms"])?;
    let heard = Monitor::start(&site, REDIS)?;
    let clients = clients_of(&mut site, REDIS, "own-06")?;
    let first = lease_of_media(&mut site)?.context("media has no lease")?;
    let media = kernel::processes(site.pid())?.get("media-1").copied().context("no media")?;
    let caller = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("announcement")?, &[])?;
    caller.answered(SOON)?;
    // An announcement's position is stored after 1, 2 and 4 s: the record is beyond the first second, and the end is far.
    let owner = wait::until(LATER, || Ok(Some(owner_of_leg(&mut site)?).filter(|owner| !owner.is_empty())))?;
    wait::until(LATER, || Ok((caller.audio.received().samples.len() >= 3 * SECOND).then_some(())))?;
    let heard_before = caller.audio.received().samples.len();
    signal(media, "KILL")?;
    ensure!(owner == format!("media-1.{first}"), "the leg's record names {owner:?}");
    for says in [&[r#""HSET" "media:{example}:"#, "prompt:announcement"][..], &[r#""HSET" "leases:{nodes}" "media-1""#]]
    {
        wait::until(SOON, || Ok(heard.has_said(0, &clients, says).then_some(())))
            .with_context(|| format!("media at {clients:?} has not said {says:?}"))?;
    }
    let second = wait::until(LATER, || Ok(lease_of_media(&mut site)?.filter(|epoch| *epoch != first)))?;
    let owner = format!("media-1.{second}");
    wait::until(LATER, || Ok((owner_of_leg(&mut site)? == owner).then_some(())))
        .context("the leg is not taken over")?;
    let (received, outcome) = caller.finish(LATER)?;
    outcome.expect_success()?;
    let (prompt, samples) = (prompt_samples("announcement")?, received.received().samples);
    let after = &samples[heard_before.min(samples.len())..];
    let rest = audio::compare(&prompt[prompt.len() / 2..], after)?;
    ensure!(rest.similarity > ALIKE, "the end of the announcement is heard: {rest:?}");
    ensure!(after.len() < prompt.len() - SECOND, "it began again: {} of {} samples", after.len(), prompt.len());
    site.is_at_rest()
}

/// The epoch of media's lease, from a row such as `1795396444193 1795396446193 media`.
fn lease_of_media(site: &mut Installation) -> Result<Option<String>> {
    let row = site.servers()?.redis_cli(REDIS, &["HGET", "leases:{nodes}", "media-1"])?;
    let mut words = row.split(' ');
    let (epoch, role) = (words.next().unwrap_or_default().to_owned(), words.nth(1));
    Ok((role == Some("media")).then_some(epoch))
}

/// The owner in the record of the only leg; empty if there is none.
fn owner_of_leg(site: &mut Installation) -> Result<String> {
    let servers = site.servers()?;
    let leg = servers.redis_cli(REDIS, &["KEYS", "media:{example}:*"])?;
    if leg.is_empty() { Ok(leg) } else { servers.redis_cli(REDIS, &["HGET", &leg, "o"]) }
}
