//! Call records of a thread with a consultation: in the reporting log, read with jq, and drawn by `trunkline trace`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::agents::{baresip_agent, baresip_phone};
use testkit::caller::{CALLER, Caller};
use testkit::{Answer, Installation, Watch, wait};

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);

/// The records that a filter of jq selects from a topic.
pub fn jq(site: &Installation, topic: &str, filter: &str) -> Result<Vec<Value>> {
    let folder = site.data_dir().join("reporting").join(topic);
    let files = std::fs::read_dir(&folder)?.flatten().map(|file| file.path());
    let output = Command::new("jq").arg("-c").arg(filter).args(files).output()?;
    ensure!(output.status.success(), "jq: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// What happens to the process while an agent consults another one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meanwhile {
    Nothing,
    Crash,
}

/// A caller talked with the agent at 7101, who consulted 7130 and transferred the call there.
struct Transferred {
    site: Installation,
    conn: String,
    consultation: String,
}

fn transferred(mut site: Installation, meanwhile: Meanwhile) -> Result<Transferred> {
    let mut watch = Watch::start(&site, "0-0")?;
    let mut agent = baresip_agent(&site, 10, "7101", Answer::Auto)?;
    let mut second = baresip_phone(&site, 11, "7130", Answer::Auto)?;
    watch.wait_for("AgentReady@7101", SOON)?;
    let caller = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    let conn = watch.wait_for("Established@7101", LATER)?.text("ConnID").to_owned();
    agent.wait_for("CALL_ESTABLISHED", SOON)?;
    let ask = |site: &Installation, watch: &Watch, request: &str, reference: u64, fields: Value| -> Result<()> {
        let mut frame = json!({"req": request, "ThisDN": "7101", "ReferenceID": reference, "ConnID": conn});
        fields.as_object().into_iter().flatten().for_each(|(name, value)| frame[name] = value.clone());
        site.request(&frame)?;
        watch.answer_to(reference, SOON).map(drop)
    };
    ask(&site, &watch, "TInitiateTransfer", 1, json!({"OtherDN": "7130"}))?;
    let consultation = watch.wait_for("Established@7130", SOON)?.text("ConnID").to_owned();
    if meanwhile == Meanwhile::Crash {
        site = site.crash_and_restart()?;
        watch = Watch::start(&site, "0-0")?;
    }
    ask(&site, &watch, "TCompleteTransfer", 2, json!({"TransferConnID": consultation}))?;
    watch.wait_for("PartyChanged@7130", SOON)?;
    agent.wait_for("CALL_CLOSED", SOON)?;
    second.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    site.is_at_rest()?;
    Ok(Transferred { site, conn, consultation })
}

/// The records of ended calls and threads, once the topic has that many threads.
fn of_calls(site: &Installation, threads: usize) -> Result<Vec<Value>> {
    let records = wait::until(LATER, || {
        let filter = "select(.type == \"CallDetail\" or .type == \"CallThread\")";
        let records = jq(site, "voice-callthread", filter).unwrap_or_default();
        let written = records.iter().filter(|record| record["type"] == "CallThread").count();
        Ok((written >= threads).then_some(records))
    })?;
    Ok(records)
}

/// A record without its ids and times.
fn shape(record: &Value) -> Value {
    let data = &record["data"];
    let each = |list: &str, members: &[&str]| -> Vec<Value> {
        let list = data[list].as_array().into_iter().flatten();
        list.map(|one| members.iter().map(|member| one[*member].clone()).collect()).collect()
    };
    let names = ["Complete", "CallType", "PropagatedCallType", "ANI", "DNIS", "Outcome", "CallState"];
    let whole: Vec<&Value> = names.iter().map(|name| &data[*name]).collect();
    json!({
        "type": record["type"],
        "data": whole,
        "segments": each("Segments", &["DN", "AgentID", "Role", "State"]),
        "parties": each("Parties", &["DN", "Kind", "Role", "AgentID", "With", "Established", "CallState", "BroughtBy", "SentTo"]),
        "moves": each("Moves", &["Move", "By", "To"]),
    })
}

/// The times of an agent in its states follow one another without gap or overlap; a repeated record counts once.
fn intervals_follow_one_another(site: &Installation, agent: &str) -> Result<()> {
    let filter = format!("select(.data.AgentID == \"{agent}\")");
    // Of the file's last line there may be half.
    let told = || jq(site, "voice-agentintervals", &filter).unwrap_or_default();
    let distinct =
        |records: &[Value]| records.iter().map(|record| record["id"].to_string()).collect::<BTreeSet<_>>().len();
    let told = wait::until(LATER, || Ok(Some(told()).filter(|records| distinct(records) >= 2)))?;
    let by_id: BTreeMap<&str, &Value> =
        told.iter().filter_map(|record| Some((record["id"].as_str()?, record))).collect();
    let text = |record: &Value, name: &str| record["data"][name].as_str().unwrap_or_default().to_owned();
    let mut times: Vec<(String, String, String)> = by_id
        .values()
        .map(|record| (text(record, "BeganAt"), text(record, "EndedAt"), text(record, "State")))
        .collect();
    times.sort();
    ensure!(times.len() >= 2 && times.windows(2).all(|pair| pair[0].1 == pair[1].0), "{times:#?}");
    Ok(())
}

#[test]
fn a_crash_during_a_consultation_changes_no_record() -> Result<()> {
    let undisturbed = transferred(Installation::start()?, Meanwhile::Nothing)?;
    if undisturbed.site.is_on_servers() {
        return Ok(());
    }
    let expected: Vec<Value> = of_calls(&undisturbed.site, 1)?.iter().map(shape).collect();
    intervals_follow_one_another(&undisturbed.site, "1001")?;
    drop(undisturbed);

    let site = Installation::start()?;
    // A call that is over before the crash: nobody writes its records again.
    let before = Caller::dial(&site, "caller.xml", 2, site.number("echo")?, &["-d", "500"])?;
    before.finish(LATER)?.1.expect_success()?;
    let of_before = of_calls(&site, 1)?.len();
    let Transferred { site, conn, .. } = transferred(site, Meanwhile::Crash)?;
    let records = of_calls(&site, 2)?;
    let shapes: Vec<Value> = records.iter().skip(of_before).map(shape).collect();
    ensure!(shapes == expected, "{shapes:#?} instead of {expected:#?}");
    ensure!(records[of_before]["data"]["ConnID"] == *conn, "{records:#?}");
    let ids: BTreeSet<&str> = records.iter().filter_map(|record| record["id"].as_str()).collect();
    ensure!(ids.len() == records.len(), "a record is written twice: {records:#?}");
    intervals_follow_one_another(&site, "1001")
}

#[test]
fn a_transfer_after_a_consultation_stands_in_the_records_and_in_the_trace() -> Result<()> {
    let Transferred { site, conn, consultation } = transferred(Installation::start()?, Meanwhile::Nothing)?;
    let trace = super::trace::of_ended(&site, &[&conn])?;
    let turns = trace["thread"].as_array().context("no thread in the trace")?;
    let texts: Vec<&str> = turns.iter().filter_map(|turn| turn["text"].as_str()).collect();
    for part in [
        "and 7101 talked for".to_owned(),
        format!("7101 consults 7130, in room {conn}.1"),
        "7101 and 7130 talked for".to_owned(),
        "7101 transferred the call to 7130".to_owned(),
        format!("7130 came from the consultation into room {conn}"),
        "and 7130 talked for".to_owned(),
    ] {
        ensure!(texts.iter().any(|text| text.contains(&part)), "{part} is not in {texts:#?}");
    }
    if site.is_on_servers() {
        return Ok(());
    }
    let records = of_calls(&site, 1)?;
    let (threads, details): (Vec<Value>, Vec<Value>) =
        records.into_iter().partition(|record| record["type"] == "CallThread");
    ensure!(threads.len() == 1 && details.len() == 2, "{threads:#?} {details:#?}");
    let thread = &threads[0]["data"];
    let moves = thread["Moves"].as_array().context("no moves")?;
    let named = |step: &Value| json!([step["Move"], step["By"], step["To"], step["ConnID"], step["Consultation"]]);
    let moves: Vec<Value> = moves.iter().map(named).collect();
    let expected = ["Consultation", "Transfer"].map(|name| json!([name, "7101", "7130", conn, consultation]));
    ensure!(moves == expected, "{moves:?}");
    ensure!(thread["Complete"] == true && thread["Outcome"] == "answered" && thread["ANI"] == CALLER, "{thread:#}");

    let of_call = |id: &str| details.iter().map(|detail| &detail["data"]).find(|data| data["ConnID"] == *id);
    let first = of_call(&conn).context("no record of the call")?;
    let did: Vec<Value> = first["Segments"]
        .as_array()
        .context("no segments")?
        .iter()
        .map(|segment| json!([segment["DN"], segment["State"]]))
        .collect();
    for (dn, state) in [
        ("9000", "queued"),
        ("sales", "queued"),
        ("7101", "ringing"),
        ("7101", "talking"),
        ("7101", "holding"),
        ("7130", "talking"),
    ] {
        ensure!(did.contains(&json!([dn, state])), "{dn} {state} is not in {did:?}");
    }
    let second = of_call(&consultation).context("no record of the consultation")?;
    ensure!(second["CallType"] == "Consult" && second["PreviousConnID"] == *conn, "{second:#}");
    ensure!(second["CallThreadID"] == first["CallThreadID"], "{second:#}");
    Ok(())
}
