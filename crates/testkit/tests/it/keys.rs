//! Keys in a conversation: as telephone events, as tones, by INFO; and packets of the length that a phone requests.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testkit::agents::{baresip_phone, sipp_agent};
use testkit::caller::{Caller, prompt_samples};
use testkit::facts::{briefs, check_to_the_end};
use testkit::rtp::KeyPacket;
use testkit::{Answer, Endpoint, Installation, Watch, audio, wait};

use crate::outgoing::is_heard_in;

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);
/// The tones of the key 5, in Hz.
const FIVE: (f64, f64) = (770.0, 1_336.0);

/// Checks the packets of one event: one timestamp, the marker on the first, increasing duration, three ends with the full duration.
fn is_one_key(packets: &[KeyPacket], code: u8, samples: u16) -> Result<()> {
    ensure!(packets.len() > 3, "{packets:?}");
    let first = packets[0];
    for (n, packet) in packets.iter().enumerate() {
        ensure!(packet.code == code && packet.timestamp == first.timestamp, "{n}: {packets:?}");
        ensure!(packet.sequence == first.sequence.wrapping_add(n as u16), "{n}: {packets:?}");
        ensure!(packet.marker == (n == 0), "{n}: {packets:?}");
        ensure!(packet.end == (n + 3 >= packets.len()), "{n}: {packets:?}");
    }
    ensure!(packets.windows(2).all(|pair| pair[0].duration <= pair[1].duration), "{packets:?}");
    ensure!(packets[packets.len() - 3..].iter().all(|packet| packet.duration == samples), "{packets:?}");
    Ok(())
}

#[test]
fn keys_pressed_at_one_phone_are_seen_as_telephone_events_at_the_other() -> Result<()> {
    let site = Installation::start()?;
    let mut one = baresip_phone(&site, 10, "7101", Answer::Auto)?;
    let mut other = baresip_phone(&site, 11, "7102", Answer::Auto)?;
    one.dial("7102")?;
    one.wait_for("CALL_ESTABLISHED", SOON)?;
    other.wait_for("CALL_ESTABLISHED", SOON)?;
    for digit in ["4", "*"] {
        one.digit(digit.parse()?)?;
        let seen = other.wait_for("CALL_DTMF_START", SOON).with_context(|| format!("the key {digit}"))?;
        ensure!(seen["param"] == digit, "{seen}");
        other.wait_for("CALL_DTMF_END", SOON)?;
    }
    other.digit('7')?;
    let seen = one.wait_for("CALL_DTMF_START", SOON)?;
    ensure!(seen["param"] == "7", "{seen}");
    one.wait_for("CALL_DTMF_END", SOON)?;
    one.hang_up()?;
    other.wait_for("CALL_CLOSED", SOON)?;
    site.is_at_rest()
}

/// A sales call whose caller presses 5 by INFO, to an agent whose phone accepts these payload types. By then the agent has answered, on a busy
/// machine too.
fn five_by_info(formats: &str) -> Result<Endpoint> {
    let site = Installation::start()?;
    let agent = Endpoint::listen(site.peer_address(10).into())?;
    let keys = ["-key", "formats", formats, "-key", "ptime", "20", "-d", "100"];
    let _phone = sipp_agent(&site, 10, "7101", "agent-media.xml", &agent, &keys)?;
    let keys = ["-key", "ptime", "20", "-key", "digit", "5", "-d", "16000"];
    let caller = Caller::dial(&site, "caller-info.xml", 1, site.number("sales")?, &keys)?;
    caller.finish(LATER)?.1.expect_success()?;
    site.is_at_rest()?;
    Ok(agent)
}

#[test]
fn a_key_said_by_info_reaches_a_phone_that_takes_events_as_one() -> Result<()> {
    let agent = five_by_info("0 101")?.received();
    is_one_key(&agent.events, 5, 160 * 8)?;
    ensure!(agent.jumps == 0, "one stream, numbered without a gap: {}", agent.jumps);
    Ok(())
}

#[test]
fn a_key_said_by_info_reaches_a_phone_without_events_as_its_tones() -> Result<()> {
    let agent = five_by_info("0")?.received();
    ensure!(agent.events.is_empty(), "it has not agreed on them: {:?}", agent.events);
    let heard = agent.samples.chunks_exact(400).filter(|part| audio::has_tone_pair(part, FIVE.0, FIVE.1)).count();
    // Three whole parts at the most; a machine that stalls meanwhile may break two of them.
    ensure!((1..=3).contains(&heard), "160 ms of the two tones: {heard} parts of 50 ms");
    Ok(())
}

#[test]
fn a_caller_without_events_chooses_from_the_menu_by_info() -> Result<()> {
    let site = Installation::start()?;
    let mut support = testkit::agents::baresip_agent(&site, 10, "7121", Answer::Auto)?;
    // It presses the key while the menu is played or waits for it, and holds on until support hangs up, however late that has answered.
    let keys = ["-key", "ptime", "20", "-key", "digit", "2", "-d", "6000"];
    let caller = Caller::dial(&site, "caller-info-until-bye.xml", 1, site.number("menu")?, &keys)?;
    support.wait_for("CALL_ESTABLISHED", LATER)?;
    support.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    support.wait_for("CALL_CLOSED", SOON)?;
    site.is_at_rest()
}

/// The same menu, whose application marks the key as a secret: it hears which one was pressed, and nobody else does.
#[test]
fn a_key_that_an_application_asks_for_as_a_secret_is_in_no_fact() -> Result<()> {
    const ASKS: &str = "maxdigits=\"1\"";
    let site = Installation::start()?;
    site.import_changed(|folder| {
        let file = folder.join("applications/menu.scxml");
        let text = std::fs::read_to_string(&file)?;
        ensure!(text.contains(ASKS), "the example's application has changed");
        Ok(std::fs::write(&file, text.replace(ASKS, &format!("{ASKS} secret=\"true\"")))?)
    })?;
    let watch = Watch::start(&site, "0-0")?;
    let mut support = testkit::agents::baresip_agent(&site, 10, "7121", Answer::Auto)?;
    let keys = ["-key", "ptime", "20", "-key", "digit", "2", "-d", "6000"];
    let caller = Caller::dial(&site, "caller-info-until-bye.xml", 1, site.number("menu")?, &keys)?;
    support.wait_for("CALL_ESTABLISHED", LATER).context("the application has not heard the key")?;
    support.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    let facts = watch.facts();
    let collected = facts.iter().find(|fact| fact.frame["Extensions"]["Result"] == "Collected");
    let collected = collected.with_context(|| format!("no digits in {:?}", briefs(&facts)))?;
    ensure!(collected.frame.get("CollectedDigits").is_none(), "{}", collected.frame);
    site.is_at_rest()?;
    // The reporting log has the same facts.
    check_to_the_end(&site, &watch)
}

/// Whether nearly all packets have this length: the last one before a change of source may have another.
fn are_packets_of(sizes: &BTreeMap<usize, usize>, samples: usize) -> bool {
    let (all, wanted) = (sizes.values().sum::<usize>(), sizes.get(&samples).copied().unwrap_or(0));
    wanted > 20 && all - wanted <= 2
}

#[test]
fn each_phone_gets_packets_of_the_length_that_it_asks_for() -> Result<()> {
    let speech = prompt_samples("announcement")?;
    // The caller sends 20 ms per packet whatever it requests. Its key comes after the six seconds of speech, which
    // start when the call has waited for the announcement: an event replaces the audio of its time.
    for (asked_by_agent, asked_by_caller) in [("30", "10"), ("40", "30")] {
        let site = Installation::start()?;
        let agent = Endpoint::listen(site.peer_address(10).into())?;
        let keys = ["-key", "formats", "0 101", "-key", "ptime", asked_by_agent, "-d", "100"];
        let _phone = sipp_agent(&site, 10, "7101", "agent-media.xml", &agent, &keys)?;
        let keys = ["-key", "ptime", asked_by_caller, "-key", "digit", "5", "-d", "16000"];
        let mut caller = Caller::dial(&site, "caller-info.xml", 1, site.number("sales")?, &keys)?;
        let media = caller.answered(SOON)?;
        wait::until(LATER, || Ok((site.metric("rq", "rq_decisions_total")? >= 1.0).then_some(())))?;
        caller.audio.say(&speech, media)?;
        let (caller, outcome) = caller.finish(LATER)?;
        outcome.expect_success()?;
        let (at_agent, at_caller) = (agent.received(), caller.received());
        let samples = |ptime: &str| -> Result<usize> { Ok(ptime.parse::<usize>()? * 8) };
        ensure!(are_packets_of(&at_agent.sizes, samples(asked_by_agent)?), "{:?}", at_agent.sizes);
        ensure!(are_packets_of(&at_caller.sizes, samples(asked_by_caller)?), "{:?}", at_caller.sizes);
        ensure!(is_heard_in(&speech, &at_agent.samples), "the agent does not hear the caller");
        ensure!(is_heard_in(&prompt_samples("sales-welcome")?, &at_caller.samples), "the caller hears no welcome");
        site.is_at_rest()?;
    }
    Ok(())
}

#[test]
fn digits_of_a_request_are_seen_at_the_other_phone_in_their_order() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let mut one = baresip_phone(&site, 10, "7101", Answer::Auto)?;
    let mut other = baresip_phone(&site, 11, "7102", Answer::Auto)?;
    one.dial("7102")?;
    let conn_id = watch.wait_for("Established@7101", SOON)?.text("ConnID").to_owned();
    // By then the other phone listens.
    for phone in [&mut one, &mut other] {
        phone.wait_for("CALL_ESTABLISHED", SOON)?;
    }
    let frame = json!({"req": "TSendDTMF", "ThisDN": "7101", "ConnID": conn_id, "Digits": "4711#", "ReferenceID": 9});
    site.request(&frame)?;
    assert_eq!(watch.answer_to(9, SOON)?.brief(), "DtmfSent@7101");
    for digit in ["4", "7", "1", "1", "#"] {
        let seen = other.wait_for("CALL_DTMF_START", SOON).with_context(|| format!("the key {digit}"))?;
        ensure!(seen["param"] == digit, "{seen}");
    }
    one.hang_up()?;
    other.wait_for("CALL_CLOSED", SOON)?;
    site.is_at_rest()
}
