//! Calls made by request: the phone that calls rings first, then the number.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::agents::{baresip_agent, baresip_phone};
use testkit::facts::{Fact, briefs, check_to_the_end};
use testkit::{Answer, Installation, Watch, audio, wait};

use crate::outgoing::{announcing_phone, is_heard_by};

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);
/// How long two parties are heard, at least.
const HEARD: usize = 3 * audio::RATE;

fn make(site: &Installation, from: &str, to: &str, reference: u64) -> Result<()> {
    site.request(&json!({
        "req": "TMakeCall", "ThisDN": from, "OtherDN": to, "ReferenceID": reference, "UserData": {"Order": "4711"},
    }))
}

/// What was published of calls.
fn story(facts: &[Fact]) -> Vec<String> {
    briefs(facts).into_iter().filter(|brief| !brief.contains("Agent")).collect()
}

#[test]
fn two_phones_talk_after_a_request() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let mut own = announcing_phone(&site, 10, "7101", Answer::Manual)?;
    let mut other = baresip_phone(&site, 11, "7130", Answer::Manual)?;
    for (reference, to, code) in [(61, "7101", 415), (62, "7139", 58), (63, "5", 71), (64, "*52", 71)] {
        make(&site, "7101", to, reference)?;
        let answer = watch.answer_to(reference, SOON)?;
        assert_eq!((answer.name.as_str(), &answer.frame["ErrorCode"]), ("EventError", &json!(code)), "{to}");
    }
    make(&site, "7101", "7130", 65)?;
    let dialing = watch.answer_to(65, SOON)?;
    assert_eq!((dialing.brief().as_str(), dialing.text("OtherDN")), ("Dialing@7101", "7130"));
    let rings = own.wait_for("CALL_INCOMING", SOON)?;
    assert!(rings["peeruri"].as_str().is_some_and(|uri| uri.starts_with("sip:7130@")), "{rings}");
    assert!(!other.has_seen("CALL_INCOMING")?, "the number is called once the phone is answered");
    own.answer()?;
    other.wait_for("CALL_INCOMING", SOON)?;
    let ringing = watch.wait_for("Ringing@7130", SOON)?;
    assert_eq!((ringing.text("OtherDN"), &ringing.frame["UserData"]["Order"]), ("7101", &json!("4711")));
    other.answer()?;
    own.wait_for("CALL_ESTABLISHED", SOON)?;
    other.wait_for("CALL_ESTABLISHED", SOON)?;
    let before = other.heard_bytes();
    wait::until(LATER, || Ok((other.heard_bytes() > before + 4 * HEARD as u64).then_some(())))?;
    own.hang_up()?;
    other.wait_for("CALL_CLOSED", SOON)?;
    watch.wait_for_count("CallDeleted", 5, SOON)?;
    is_heard_by(&own, &other)?;
    is_heard_by(&other, &own)?;
    let facts = watch.facts();
    let begun = facts.iter().position(|fact| fact.brief() == "Dialing@7101").expect("it was seen");
    assert_eq!(
        story(&facts[begun..]),
        [
            "Dialing@7101",
            "Ringing@7130",
            "Established@7101",
            "Established@7130",
            "Released@7101",
            "Released@7130",
            "CallDeleted"
        ]
    );
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}

#[test]
fn a_phone_calls_a_queue_and_another_refuses_to_call() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let mut agent = baresip_agent(&site, 10, "7101", Answer::Auto)?;
    let mut own = baresip_phone(&site, 11, "7130", Answer::Auto)?;
    watch.wait_for("AgentReady@7101", SOON)?;
    make(&site, "7130", site.number("sales")?, 61)?;
    watch.wait_for("Established@7101", LATER)?;
    agent.wait_for("CALL_ESTABLISHED", SOON)?;
    own.hang_up()?;
    agent.wait_for("CALL_CLOSED", SOON)?;
    watch.wait_for("SessionEnded@9000", LATER)?;
    drop(own);
    let mut own = baresip_phone(&site, 12, "7130", Answer::Manual)?;
    make(&site, "7130", "7101", 62)?;
    own.wait_for("CALL_INCOMING", SOON)?;
    own.hang_up()?;
    let released = watch.wait_for_count("Released@7130", 2, SOON)?;
    assert_eq!(released.text("CallState"), "Busy");
    watch.wait_for_count("CallDeleted", 2, SOON)?;
    let rang = watch.facts().iter().filter(|fact| fact.brief() == "Ringing@7101").count();
    assert_eq!(rang, 1, "for the first call alone");
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}

#[test]
fn a_call_made_by_request_outlives_a_crash_while_its_own_phone_rings() -> Result<()> {
    let mut site = Installation::start()?;
    // A busy machine may take longer for the new start than the example lets phones ring.
    site.import_changed(|files| {
        let file = files.join("example-tenant.yaml");
        let text = fs::read_to_string(&file)?;
        let changed = text.replacen("no_answer_s: 15", "no_answer_s: 120", 1);
        ensure!(changed != text, "the example has changed");
        Ok(fs::write(&file, changed)?)
    })?;
    let watch = Watch::start(&site, "0-0")?;
    let mut own = baresip_phone(&site, 10, "7101", Answer::Manual)?;
    let mut other = baresip_phone(&site, 11, "7130", Answer::Auto)?;
    make(&site, "7101", "7130", 61)?;
    watch.wait_for("Dialing@7101", SOON)?;
    own.wait_for("CALL_INCOMING", SOON)?;
    site = site.crash_and_restart()?;
    let watch = Watch::start(&site, "0-0")?;
    own.answer()?;
    watch.wait_for("Established@7130", LATER)?;
    other.wait_for("CALL_ESTABLISHED", SOON)?;
    other.hang_up()?;
    own.wait_for("CALL_CLOSED", SOON)?;
    watch.wait_for("CallDeleted", SOON)?;
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}
