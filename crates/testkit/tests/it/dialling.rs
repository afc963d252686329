//! The dial plan: emergency and blocked numbers, translations, closed numbers, forwarding and do-not-disturb, several trunks.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::agents::{baresip_phone, baresip_phone_that_says, long_speech, sipp_phone};
use testkit::caller::{goes_out, prompt};
use testkit::facts::check_to_the_end;
use testkit::{Answer, Endpoint, Installation, Phone, Setup, Watch, wait};

use super::trace::trace;

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);
/// The last octets of the addresses at which carriers take calls.
const CARRIER: u8 = 20;
const BROKEN: u8 = 21;
const SILENT: u8 = 22;
/// Numbers outside.
const NUMBER: &str = "+4930999";
const BLOCKED: &str = "+4930666";

/// A trunk whose carrier takes calls at this address.
fn placed(site: &Installation, name: &str, host: u8, more: &str) -> String {
    let address = site.peer_address(host);
    format!("  - {{name: {name}, allow: [127.0.0.0/8], contact: \"{address}:5060\", prefix: \"+\"{more}}}")
}

/// Imports the example with these in place of its trunk, and this at its end.
fn import(site: &Installation, trunks: &[String], more: &str) -> Result<()> {
    site.import_changed(|files| {
        let file = files.join("example-tenant.yaml");
        let text = fs::read_to_string(&file)?;
        let changed = text.replacen("  - {name: carrier, allow: [127.0.0.0/8]}", &trunks.join("\n"), 1);
        ensure!(changed != text, "the example has changed");
        Ok(fs::write(&file, format!("{changed}\n{more}\n"))?)
    })
}

/// Somebody outside, whose phone answers at the carrier's address.
fn somebody(site: &Installation, number: &str, answer: Answer) -> Result<Phone> {
    Phone::start_unregistered(&Setup {
        address: site.peer_address(CARRIER),
        registrar: &site.sip(),
        user: number,
        password: "none",
        transport: "udp",
        speech: &long_speech()?,
        answer,
    })
}

/// The notes of the latest call's trace about the dial plan and its trunks.
fn notes(site: &Installation) -> Result<String> {
    let last = trace(site, &["--last", "--numbers"])?;
    Ok(last.to_string())
}

const RULES: &str = "\
dial_rules:
  - {name: help, pattern: \"11[02]\", action: emergency, trunk: carrier}
  - {name: everything, pattern: \"1.\", action: block, reason: never called}
  - {name: six, pattern: \"+4930666.\", action: block, reason: a number that nobody calls}
  - {name: friend, pattern: \"88\", action: translate, remove: 2, add: \"+4930999\"}
  - {name: berlin, pattern: \"+4930.\", action: caller_id, caller_id: \"+15550177\"}
";

#[test]
fn an_emergency_number_passes_and_a_blocked_one_does_not() -> Result<()> {
    let site = Installation::start()?;
    import(&site, &[placed(&site, "carrier", CARRIER, ", caller_id: \"+15550100\"")], RULES)?;
    let watch = Watch::start(&site, "0-0")?;
    // Nobody is logged in at this phone.
    let mut own = baresip_phone_that_says(&prompt("announcement"), &site, 10, "7101", Answer::Manual)?;
    let mut far = somebody(&site, "112", Answer::Auto)?;
    goes_out(&site, NUMBER)?;
    own.dial("112")?;
    own.wait_for("CALL_ESTABLISHED", SOON)?;
    let rings = far.wait_for("CALL_ESTABLISHED", SOON)?;
    assert!(rings["peeruri"].as_str().is_some_and(|uri| uri.starts_with("sip:+15550100@")), "{rings}");
    let why = "an emergency number by the rule help";
    wait::until(SOON, || Ok(notes(&site)?.contains(why).then_some(()))).context("the trace does not say so")?;
    far.hang_up()?;
    own.wait_for("CALL_CLOSED", SOON)?;
    own.dial(BLOCKED)?;
    let closed = own.wait_for("CALL_CLOSED", SOON)?;
    assert!(closed["param"].as_str().is_some_and(|why| why.starts_with("403")), "{closed}");
    let why = "refused with 403: a number that nobody calls (blocked by the rule six)";
    wait::until(SOON, || Ok(notes(&site)?.contains(why).then_some(()))).context("the trace does not say why")?;
    drop(far);
    let mut friend = somebody(&site, NUMBER, Answer::Auto)?;
    own.dial("88")?;
    let rings = friend.wait_for("CALL_ESTABLISHED", SOON)?;
    assert!(rings["peeruri"].as_str().is_some_and(|uri| uri.starts_with("sip:+15550177@")), "{rings}");
    own.wait_for("CALL_ESTABLISHED", SOON)?;
    friend.hang_up()?;
    own.wait_for("CALL_CLOSED", SOON)?;
    // The blocked call was refused at once: it has no events.
    watch.wait_for_count("CallDeleted", 2, SOON)?;
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}

#[test]
fn a_closed_number_leads_to_its_closed_dn() -> Result<()> {
    let site = Installation::start()?;
    site.import_changed(|files| {
        let file = files.join("example-tenant.yaml");
        let text = fs::read_to_string(&file)?;
        let number = "{number: \"+15550104\", name: announcement, dn: \"9004\"}";
        let closed = "{number: \"+15550104\", name: announcement, dn: \"9004\", schedule: never, closed_dn: \"9003\"}";
        let changed = text.replacen(number, closed, 1);
        ensure!(changed != text, "the example has changed");
        Ok(fs::write(&file, format!("{changed}\nschedules:\n  - {{name: never, open: []}}\n"))?)
    })?;
    let mut own = baresip_phone(&site, 10, "7101", Answer::Manual)?;
    wait::until(LATER, || {
        own.dial("+15550104")?;
        own.wait_for("CALL_ESTABLISHED", SOON)?;
        let is_closed = notes(&site)?.contains("the echo (closed by the schedule never)");
        own.hang_up()?;
        own.wait_for("CALL_CLOSED", SOON)?;
        Ok(is_closed.then_some(()))
    })
}

/// Sends a request of a phone and returns the event that answers it.
fn ask(site: &Installation, watch: &Watch, reference: u64, mut frame: Value) -> Result<testkit::facts::Fact> {
    frame["ReferenceID"] = json!(reference);
    site.request(&frame)?;
    watch.answer_to(reference, SOON)
}

/// Waits until agent-state tells these of the phone 7102: it may be behind who told the event. Its references are those above.
fn is_told(site: &Installation, watch: &Watch, mut reference: u64, wanted: &[(&str, Value)]) -> Result<()> {
    let mut last = Value::Null;
    let told = wait::until(SOON, || {
        reference += 1;
        let told = ask(site, watch, reference, json!({"req": "TQueryAddress", "ThisDN": "7102"}))?;
        last = told.frame["Extensions"].clone();
        Ok(wanted.iter().all(|(key, value)| last[*key] == *value).then_some(()))
    });
    told.with_context(|| format!("{last} has not {wanted:?}"))
}

#[test]
fn a_phone_forwards_calls_and_is_not_disturbed() -> Result<()> {
    let site = Installation::start()?;
    let codes =
        "feature_codes:\n  - {code: \"*72\", action: forward_always}\n  - {code: \"*73\", action: forward_off}\n";
    site.import_changed(|files| {
        let file = files.join("example-tenant.yaml");
        let text = fs::read_to_string(&file)?;
        let changed = text.replacen("feature_codes:\n", codes, 1);
        ensure!(changed != text, "the example has changed");
        Ok(fs::write(&file, changed)?)
    })?;
    let watch = Watch::start(&site, "0-0")?;
    let mut one = baresip_phone(&site, 10, "7101", Answer::Manual)?;
    let mut two = baresip_phone(&site, 11, "7102", Answer::Manual)?;
    let mut three = baresip_phone(&site, 12, "7103", Answer::Manual)?;
    // Not disturbed: busy, and nothing rings.
    let on = ask(&site, &watch, 1, json!({"req": "TSetDNDOn", "ThisDN": "7102"}))?;
    assert_eq!(on.brief(), "DNDOn@7102");
    one.dial("7102")?;
    let closed = one.wait_for("CALL_CLOSED", SOON)?;
    assert!(closed["param"].as_str().is_some_and(|why| why.starts_with("486")), "{closed}");
    // Busy, but calls that find it so go on.
    let forward = json!({"req": "TCallSetForward", "ThisDN": "7102", "OtherDN": "7103", "ForwardMode": "OnBusy"});
    assert_eq!(ask(&site, &watch, 2, forward)?.brief(), "ForwardSet@7102");
    one.dial("7102")?;
    three.wait_for("CALL_INCOMING", SOON)?;
    let rings = watch.wait_for("Ringing@7103", SOON)?;
    assert_eq!((rings.text("CallState"), rings.text("ThirdPartyDN")), ("Forwarded", "7102"));
    one.hang_up()?;
    one.wait_for("CALL_CLOSED", SOON)?;
    three.wait_for("CALL_CLOSED", SOON)?;
    // The phone itself refuses: 486.
    assert_eq!(ask(&site, &watch, 3, json!({"req": "TSetDNDOff", "ThisDN": "7102"}))?.brief(), "DNDOff@7102");
    one.dial("7102")?;
    two.wait_for("CALL_INCOMING", SOON)?;
    two.hang_up()?;
    two.wait_for("CALL_CLOSED", SOON)?;
    three.wait_for("CALL_INCOMING", SOON)?;
    three.answer()?;
    one.wait_for("CALL_ESTABLISHED", SOON)?;
    let released = watch.wait_for("Released@7102", SOON)?;
    assert_eq!((released.text("CallState"), released.text("ThirdPartyDN")), ("Forwarded", "7103"));
    one.hang_up()?;
    one.wait_for("CALL_CLOSED", SOON)?;
    three.wait_for("CALL_CLOSED", SOON)?;
    // By a code, from the phone.
    two.dial("*727103")?;
    watch.wait_for_count("ForwardSet@7102", 2, SOON)?;
    two.wait_for("CALL_CLOSED", SOON)?;
    is_told(&site, &watch, 400, &[("ForwardUnconditional", json!("7103")), ("ForwardOnBusy", json!("7103"))])?;
    one.dial("7102")?;
    three.wait_for("CALL_INCOMING", SOON)?;
    one.hang_up()?;
    one.wait_for("CALL_CLOSED", SOON)?;
    three.wait_for("CALL_CLOSED", SOON)?;
    // In a circle.
    let back = json!({"req": "TCallSetForward", "ThisDN": "7103", "OtherDN": "7102"});
    assert_eq!(ask(&site, &watch, 5, back)?.brief(), "ForwardSet@7103");
    one.dial("7102")?;
    let closed = one.wait_for("CALL_CLOSED", SOON)?;
    assert!(closed["param"].as_str().is_some_and(|why| why.starts_with("482")), "{closed}");
    two.dial("*73")?;
    two.wait_for("CALL_CLOSED", SOON)?;
    watch.wait_for("ForwardCancel@7102", SOON)?;
    // And by request, with the mode that needs no number.
    let none = json!({"req": "TCallSetForward", "ThisDN": "7103", "ForwardMode": "None"});
    assert_eq!(ask(&site, &watch, 6, none)?.brief(), "ForwardCancel@7103");
    one.dial("7102")?;
    two.wait_for("CALL_INCOMING", SOON)?;
    one.hang_up()?;
    one.wait_for("CALL_CLOSED", SOON)?;
    two.wait_for("CALL_CLOSED", SOON)?;
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}

#[test]
fn a_phone_without_call_waiting_is_busy_while_it_is_in_a_call() -> Result<()> {
    let site = Installation::start()?;
    site.import_changed(|files| {
        let file = files.join("example-tenant.yaml");
        let text = fs::read_to_string(&file)?;
        let phone = "- {number: \"7102\", ";
        let changed = text.replacen(phone, &format!("{phone}call_waiting: false, "), 1);
        ensure!(changed != text, "the example has changed");
        let trunk = placed(&site, "carrier", CARRIER, "");
        let changed = changed.replacen("  - {name: carrier, allow: [127.0.0.0/8]}", &trunk, 1);
        let rules = "dial_rules:\n  - {name: six, pattern: \"+4930666.\", action: block, reason: never called}\n";
        Ok(fs::write(&file, format!("{changed}\n{rules}"))?)
    })?;
    let watch = Watch::start(&site, "0-0")?;
    let mut one = baresip_phone(&site, 10, "7101", Answer::Manual)?;
    let mut two = baresip_phone(&site, 11, "7102", Answer::Manual)?;
    let mut three = baresip_phone(&site, 12, "7103", Answer::Manual)?;
    let mut references = 1..;
    let mut until_it_is = |status: &str| {
        wait::until(SOON, || {
            let reference = references.next().context("a reference")?;
            let told = ask(&site, &watch, reference, json!({"req": "TQueryAddress", "ThisDN": "7102"}))?;
            let extension = |key| told.frame.pointer(key).cloned();
            let is_known = extension("/Extensions/CallWaiting") == Some(json!(0));
            Ok((is_known && extension("/Extensions/AddressStatus") == Some(json!(status))).then_some(()))
        })
    };
    // The dial plan knows the import when it refuses this number.
    wait::until(LATER, || {
        one.dial(BLOCKED)?;
        let closed = one.wait_for("CALL_CLOSED", SOON)?;
        Ok(closed["param"].as_str().is_some_and(|why| why.starts_with("403")).then_some(()))
    })?;
    one.dial("7102")?;
    two.wait_for("CALL_INCOMING", SOON)?;
    two.answer()?;
    one.wait_for("CALL_ESTABLISHED", SOON)?;
    until_it_is("Talking")?;
    three.dial("7102")?;
    let closed = three.wait_for("CALL_CLOSED", SOON)?;
    assert!(closed["param"].as_str().is_some_and(|why| why.starts_with("486")), "{closed}");
    // What finds it busy goes on to a phone that has call waiting and is in the same call.
    let forward = json!({"req": "TCallSetForward", "ThisDN": "7102", "OtherDN": "7101", "ForwardMode": "OnBusy"});
    assert_eq!(ask(&site, &watch, 1_000, forward)?.brief(), "ForwardSet@7102");
    three.dial("7102")?;
    one.wait_for("CALL_INCOMING", SOON)?;
    three.hang_up()?;
    three.wait_for("CALL_CLOSED", SOON)?;
    one.wait_for("CALL_CLOSED", SOON)?;
    // Free again.
    two.hang_up()?;
    one.wait_for("CALL_CLOSED", SOON)?;
    two.wait_for("CALL_CLOSED", SOON)?;
    until_it_is("Idle")?;
    three.dial("7102")?;
    two.wait_for("CALL_INCOMING", SOON)?;
    three.hang_up()?;
    three.wait_for("CALL_CLOSED", SOON)?;
    two.wait_for("CALL_CLOSED", SOON)?;
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}

#[test]
fn what_a_phone_has_set_survives_a_crash() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    assert_eq!(ask(&site, &watch, 1, json!({"req": "TSetDNDOn", "ThisDN": "7102"}))?.brief(), "DNDOn@7102");
    drop(watch);
    let site = site.crash_and_restart()?;
    let watch = Watch::start(&site, "0-0")?;
    let mut one = baresip_phone(&site, 10, "7101", Answer::Manual)?;
    let _two = baresip_phone(&site, 11, "7102", Answer::Manual)?;
    one.dial("7102")?;
    let closed = one.wait_for("CALL_CLOSED", SOON)?;
    assert!(closed["param"].as_str().is_some_and(|why| why.starts_with("486")), "{closed}");
    is_told(&site, &watch, 200, &[("DND", json!(1))])
}

#[test]
fn the_next_trunk_is_tried_and_no_phone_rings_twice() -> Result<()> {
    let site = Installation::start()?;
    let trunks = [
        placed(&site, "silent", SILENT, ", try_s: 1"),
        placed(&site, "broken", BROKEN, ", priority: 1"),
        placed(&site, "carrier", CARRIER, ", priority: 2"),
    ];
    import(&site, &trunks, "")?;
    let watch = Watch::start(&site, "0-0")?;
    // Takes what comes and answers nothing.
    let _silent = std::net::UdpSocket::bind((site.peer_address(SILENT), 5060))?;
    let audio = Endpoint::listen(site.peer_address(BROKEN).into())?;
    let broken = sipp_phone(&site, BROKEN, "agent-unavailable.xml", &audio, &["-m", "1"])?;
    let mut far = somebody(&site, NUMBER, Answer::Auto)?;
    let mut own = baresip_phone_that_says(&prompt("announcement"), &site, 10, "7101", Answer::Manual)?;
    goes_out(&site, NUMBER)?;
    own.dial(NUMBER)?;
    own.wait_for("CALL_ESTABLISHED", LATER)?;
    broken.finish(SOON)?.expect_success()?;
    for line in [
        "by the trunk silent, else by broken, else by carrier",
        "the trunk silent says nothing: the trunk broken is tried",
        "the trunk carrier is tried",
    ] {
        wait::until(SOON, || Ok(notes(&site)?.contains(line).then_some(())))
            .with_context(|| format!("{line} is not told"))?;
    }
    far.hang_up()?;
    own.wait_for("CALL_CLOSED", SOON)?;
    watch.wait_for("CallDeleted", SOON)?;
    let reached = watch.facts().iter().filter(|fact| fact.brief() == "NetworkReached@7101").count();
    assert_eq!(reached, 1);
    check_to_the_end(&site, &watch)
}
