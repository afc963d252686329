//! Call records of a thread with a consultation: in the reporting log, read with jq, and drawn by `trunkline trace`.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::agents::{baresip_agent, baresip_phone};
use testkit::caller::{CALLER, Caller};
use testkit::{Answer, Installation, Watch, wait};

const SOON: Duration = Duration::from_secs(15);
const LATER: Duration = Duration::from_secs(60);

/// The records that a filter of jq selects from a topic.
fn jq(site: &Installation, topic: &str, filter: &str) -> Result<Vec<Value>> {
    let folder = site.data_dir().join("reporting").join(topic);
    let files = std::fs::read_dir(&folder)?.flatten().map(|file| file.path());
    let output = Command::new("jq").arg("-c").arg(filter).args(files).output()?;
    ensure!(output.status.success(), "jq: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

#[test]
fn a_transfer_after_a_consultation_stands_in_the_records_and_in_the_trace() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let mut agent = baresip_agent(&site, 10, "7101", Answer::Auto)?;
    let mut second = baresip_phone(&site, 11, "7130", Answer::Auto)?;
    watch.wait_for("AgentReady@7101", SOON)?;
    let caller = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    let conn = watch.wait_for("Established@7101", LATER)?.text("ConnID").to_owned();
    agent.wait_for("CALL_ESTABLISHED", SOON)?;
    let ask = |request: &str, reference: u64, fields: Value| -> Result<()> {
        let mut frame = json!({"req": request, "ThisDN": "7101", "ReferenceID": reference, "ConnID": conn});
        fields.as_object().into_iter().flatten().for_each(|(name, value)| frame[name] = value.clone());
        site.request(&frame)?;
        watch.answer_to(reference, SOON).map(drop)
    };
    ask("TInitiateTransfer", 1, json!({"OtherDN": "7130"}))?;
    let consultation = watch.wait_for("Established@7130", SOON)?.text("ConnID").to_owned();
    ask("TCompleteTransfer", 2, json!({"TransferConnID": consultation}))?;
    watch.wait_for("PartyChanged@7130", SOON)?;
    agent.wait_for("CALL_CLOSED", SOON)?;
    second.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    watch.wait_for_count("CallDeleted", 2, LATER)?;

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
    let topic = "voice-callthread";
    let of_type = |name: &str| jq(&site, topic, &format!("select(.type == \"{name}\")"));
    let threads = wait::until(LATER, || {
        let threads = of_type("CallThread").unwrap_or_default();
        Ok((!threads.is_empty()).then_some(threads))
    })?;
    let details = of_type("CallDetail")?;
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
