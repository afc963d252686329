//! Calls to numbers outside, by a trunk: from a phone, from a program, by an application, by transfer and consultation.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::agents::{baresip_agent, baresip_phone_that_says, long_speech, sipp_phone};
use testkit::caller::{Caller, goes_out, prompt, prompt_samples};
use testkit::facts::check_to_the_end;
use testkit::rtp::address_in_sdp;
use testkit::{Answer, Endpoint, Installation, Phone, Setup, Watch, audio, wait};

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);
/// Minimum similarity of equal speech through G.711 and loopback.
const ALIKE: f64 = 0.95;
/// How long two parties are heard, at least.
const HEARD: usize = 3 * audio::RATE;
/// How much of an announcement may have passed before the phone hears it, in samples.
const MISSED: usize = 2 * audio::RATE;
/// The last octet of the address at which the carrier takes calls.
const CARRIER: u8 = 20;
/// A number outside, and how a phone dials it.
const NUMBER: &str = "+4930999";
const DIALLED: &str = "0114930999";
/// A phone in the example tenant.
const PHONE: &str = "{number: \"7102\", password: generated}";
/// The number that the trunk shows.
const OURS: &str = "+15550100";

/// An installation whose carrier takes calls.
fn site() -> Result<Installation> {
    site_with("")
}

/// As before; the trunk has these keys too.
fn site_with(keys: &str) -> Result<Installation> {
    site_and_phone_with(keys, "")
}

/// As before; the phone 7102 has these keys too.
fn site_and_phone_with(keys: &str, of_phone: &str) -> Result<Installation> {
    let site = Installation::start()?;
    import(&site, keys, of_phone, |_| Ok(()))?;
    Ok(site)
}

/// Imports the example with these keys of trunk and phone, and with another change of its files.
fn import(site: &Installation, keys: &str, of_phone: &str, change: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let phone = format!("{{number: \"7102\", password: generated{of_phone}}}");
    let carrier = format!(
        "{{name: carrier, allow: [127.0.0.0/8], contact: \"{}:5060\", prefix: \"+\", caller_id: \"{OURS}\"{keys}}}",
        site.peer_address(CARRIER)
    );
    site.import_changed(|files| {
        change(files)?;
        let file = files.join("example-tenant.yaml");
        let text = fs::read_to_string(&file)?;
        let changed = text.replacen("{name: carrier, allow: [127.0.0.0/8]}", &carrier, 1);
        ensure!(changed != text, "the example has changed");
        let (text, changed) = (changed.clone(), changed.replacen(PHONE, &phone, 1));
        ensure!(changed != text || of_phone.is_empty(), "the example has changed");
        Ok(fs::write(&file, changed)?)
    })
}

/// Somebody outside, whose phone answers at the carrier's address.
fn somebody(site: &Installation, answer: Answer) -> Result<Phone> {
    Phone::start_unregistered(&Setup {
        address: site.peer_address(CARRIER),
        registrar: &site.sip(),
        user: NUMBER,
        password: "none",
        transport: "udp",
        speech: &long_speech()?,
        answer,
    })
}

/// A phone that says the announcement again and again: on a busy machine one of six seconds is over before somebody listens.
pub(crate) fn announcing_phone(site: &Installation, host: u8, extension: &str, answer: Answer) -> Result<Phone> {
    let speech = tempfile::NamedTempFile::new()?;
    audio::write_wav(speech.path(), &prompt_samples("announcement")?.repeat(20))?;
    baresip_phone_that_says(speech.path(), site, host, extension, answer)
}

pub(crate) fn is_heard_by(speaker: &Phone, listener: &Phone) -> Result<()> {
    let (said, heard) = (audio::read_wav(&speaker.said()?)?, audio::read_wav(&listener.heard()?)?);
    let said = said.get(said.len().saturating_sub(HEARD)..).unwrap_or_default();
    ensure!(is_heard_in(said, &heard), "one phone does not hear the other");
    Ok(())
}

/// Whether most of what was said is heard, each half second for itself: who plays or records on a busy machine leaves some out.
pub(crate) fn is_heard_in(said: &[i16], heard: &[i16]) -> bool {
    audio::is_mostly_heard(said, heard, ALIKE)
}

#[test]
fn a_phone_talks_with_somebody_outside() -> Result<()> {
    let site = site()?;
    let watch = Watch::start(&site, "0-0")?;
    let mut own = announcing_phone(&site, 10, "7101", Answer::Manual)?;
    let mut far = somebody(&site, Answer::Manual)?;
    goes_out(&site, NUMBER)?;
    own.dial(DIALLED)?;
    let rings = far.wait_for("CALL_INCOMING", SOON)?;
    assert!(rings["peeruri"].as_str().is_some_and(|uri| uri.starts_with(&format!("sip:{OURS}@"))), "{rings}");
    let reached = watch.wait_for("NetworkReached@7101", SOON)?;
    assert_eq!((reached.text("CallType"), reached.text("OtherDN")), ("Outbound", NUMBER));
    far.answer()?;
    own.wait_for("CALL_ESTABLISHED", SOON)?;
    far.wait_for("CALL_ESTABLISHED", SOON)?;
    let before = far.heard_bytes();
    wait::until(LATER, || Ok((far.heard_bytes() > before + 4 * HEARD as u64).then_some(())))?;
    far.hang_up()?;
    own.wait_for("CALL_CLOSED", SOON)?;
    watch.wait_for("CallDeleted", SOON)?;
    is_heard_by(&own, &far)?;
    is_heard_by(&far, &own)?;
    let facts = watch.facts();
    let story: Vec<String> =
        testkit::facts::briefs(&facts).into_iter().filter(|brief| !brief.starts_with("DN")).collect();
    assert_eq!(
        story,
        ["CallCreated", "Dialing@7101", "NetworkReached@7101", "Established@7101", "Released@7101", "CallDeleted"]
    );
    assert!(facts.iter().filter(|fact| fact.dn() == "7101").all(|fact| fact.text("CallType") != "Internal"));
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}

#[test]
fn a_phone_hears_an_announcement_of_the_carrier_before_the_answer_and_is_not_heard() -> Result<()> {
    hears_the_carrier_early(&site()?, false)
}

#[test]
fn a_carrier_that_takes_speech_before_the_answer_gets_it_where_the_trunk_is_set_so() -> Result<()> {
    hears_the_carrier_early(&site_with(", early_speech: true")?, true)
}

/// The loudest sample of quiet: what the codecs make of silence.
const QUIET: u16 = 64;

fn hears_the_carrier_early(site: &Installation, is_heard: bool) -> Result<()> {
    let watch = Watch::start(site, "0-0")?;
    let mut own = announcing_phone(site, 10, "7101", Answer::Manual)?;
    goes_out(site, NUMBER)?;
    let mut audio = Endpoint::listen(site.peer_address(CARRIER).into())?;
    // The answer comes when the announcement is long over, on a busy machine too.
    let carrier = sipp_phone(site, CARRIER, "carrier-announces.xml", &audio, &["-m", "1", "-d", "14000"])?;
    own.dial(DIALLED)?;
    watch.wait_for("NetworkReached@7101", SOON)?;
    let media = address_in_sdp(&carrier.traces("_messages.log"))?;
    let speech = prompt_samples("announcement")?;
    audio.say(&speech, media)?;
    wait::until(SOON, || Ok((own.heard_bytes() > 2 * HEARD as u64).then_some(())))?;
    let loudest =
        |audio: &Endpoint| audio.received().samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
    if is_heard {
        wait::until(SOON, || Ok((loudest(&audio) > QUIET).then_some(())))?;
    }
    let before_the_answer = loudest(&audio);
    let early: Vec<String> = testkit::facts::briefs(&watch.facts());
    assert!(!early.iter().any(|brief| brief.starts_with("Established")), "{early:?}");
    ensure!((before_the_answer > QUIET) == is_heard, "before the answer the carrier hears {before_the_answer}");
    own.wait_for("CALL_ESTABLISHED", SOON)?;
    watch.wait_for("Established@7101", SOON)?;
    audio.finish_saying()?;
    wait::until(SOON, || Ok((loudest(&audio) > QUIET).then_some(())))?;
    own.hang_up()?;
    carrier.finish(SOON)?.expect_success()?;
    watch.wait_for("CallDeleted", SOON)?;
    let heard = audio::read_wav(&own.heard()?)?;
    // The carrier begins before the phone has its 183: on a busy machine it may miss the first second.
    ensure!(is_heard_in(&speech[MISSED..MISSED + HEARD], &heard), "the announcement is not heard");
    site.is_at_rest()?;
    check_to_the_end(site, &watch)
}

/// The caller and somebody outside hear each other, until that one hangs up; returns all that the caller has heard.
fn hear_each_other(mut caller: Caller, far: &mut Phone) -> Result<Vec<i16>> {
    let media = caller.answered(SOON)?;
    let speech = prompt_samples("announcement")?;
    let before = far.heard_bytes();
    caller.audio.say(&speech, media)?;
    caller.audio.finish_saying()?;
    let enough = before + speech.len() as u64 * 2 - 16_000;
    wait::until(LATER, || Ok((far.heard_bytes() > enough).then_some(())))?;
    far.hang_up()?;
    let (heard, outcome) = caller.finish(LATER)?;
    outcome.expect_success()?;
    let far_heard = audio::read_wav(&far.heard()?)?;
    let last = far_heard.get(far_heard.len().saturating_sub(speech.len() + 2 * audio::RATE)..).unwrap_or_default();
    ensure!(is_heard_in(&speech, last), "outside does not hear the caller");
    let (said, received) = (audio::read_wav(&far.said()?)?, heard.received().samples);
    let end = |samples: &[i16], length: usize| {
        samples.get(samples.len().saturating_sub(length)..).unwrap_or_default().to_vec()
    };
    // The caller may have gone on hearing after the end: silence, until it is told.
    ensure!(is_heard_in(&end(&said, HEARD), &end(&received, 2 * HEARD)), "the caller does not hear outside");
    Ok(received)
}

#[test]
fn a_caller_is_transferred_outside_and_hears_who_is_there() -> Result<()> {
    let site = site()?;
    let watch = Watch::start(&site, "0-0")?;
    let mut agent = baresip_agent(&site, 10, "7101", Answer::Auto)?;
    let mut far = somebody(&site, Answer::Auto)?;
    watch.wait_for("AgentReady@7101", SOON)?;
    goes_out(&site, NUMBER)?;
    let caller = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    let conn = watch.wait_for("Established@7101", LATER)?.text("ConnID").to_owned();
    agent.wait_for("CALL_ESTABLISHED", SOON)?;
    site.request(&json!({
        "req": "TInitiateTransfer", "ThisDN": "7101", "OtherDN": NUMBER, "ConnID": conn, "ReferenceID": 81,
    }))?;
    let consultation = watch.answer_to(81, SOON)?.text("ConnID").to_owned();
    far.wait_for("CALL_ESTABLISHED", SOON)?;
    watch.wait_for_count("Established@7101", 2, SOON)?;
    site.request(&json!({
        "req": "TCompleteTransfer", "ThisDN": "7101", "ConnID": conn, "TransferConnID": consultation, "ReferenceID": 82,
    }))?;
    assert_eq!(watch.answer_to(82, SOON)?.text("CallState"), "Transferred");
    agent.wait_for("CALL_CLOSED", SOON)?;
    hear_each_other(caller, &mut far)?;
    watch.wait_for_count("CallDeleted", 2, LATER)?;
    watch.wait_for("SessionEnded@9000", LATER)?;
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}

/// An application that greets, and routes to [`NUMBER`].
const ROUTES_OUTSIDE: &str = r#"<scxml version="1.0" initial="begin" datamodel="ecmascript"
  xmlns="http://www.w3.org/2005/07/scxml" xmlns:dialog="urn:trunkline:dialog" xmlns:ixn="urn:trunkline:interaction">
  <state id="begin"><transition event="interaction.present" target="greeting"/></state>
  <state id="greeting">
    <onentry><dialog:play prompts="['sales-welcome']"/></onentry>
    <transition event="dialog.play.done error.dialog" target="leaving"/>
  </state>
  <state id="leaving">
    <onentry><ixn:redirect to="'+4930999'"/></onentry>
    <transition event="interaction.redirect.done error.interaction.redirect" target="done"/>
  </state>
  <final id="done"/>
</scxml>"#;

#[test]
fn an_application_routes_a_caller_outside_and_both_hear_each_other() -> Result<()> {
    let site = Installation::start()?;
    import(&site, "", "", |files| Ok(fs::write(files.join("applications/sales.scxml"), ROUTES_OUTSIDE)?))?;
    let watch = Watch::start(&site, "0-0")?;
    // ors asks config for the application of each call.
    let config = SocketAddr::new(site.admin("config")?.ip(), 9_100);
    wait::until(LATER, || {
        let answer = site.http(config, "GET", "/tenants/example/applications/sales", "")?;
        Ok(answer.body.contains(NUMBER).then_some(()))
    })?;
    goes_out(&site, NUMBER)?;
    let mut far = somebody(&site, Answer::Manual)?;
    let caller = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    let rings = far.wait_for("CALL_INCOMING", LATER)?;
    assert!(rings["peeruri"].as_str().is_some_and(|uri| uri.starts_with(&format!("sip:{OURS}@"))), "{rings}");
    far.answer()?;
    far.wait_for("CALL_ESTABLISHED", SOON)?;
    let received = hear_each_other(caller, &mut far)?;
    ensure!(is_heard_in(&prompt_samples("sales-welcome")?, &received), "the caller does not hear the greeting");
    ensure!(!far.has_seen("CALL_INCOMING")?, "it has rung twice");
    watch.wait_for("CallDeleted", LATER)?;
    watch.wait_for("SessionEnded@9000", LATER)?;
    let routed = watch.wait_for("RouteUsed@9000", SOON)?;
    assert_eq!((routed.text("CallType"), routed.text("ThirdPartyDN")), ("Inbound", NUMBER));
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}

#[test]
fn who_calls_from_outside_does_not_go_out_again_and_a_busy_number_says_so() -> Result<()> {
    let site = site()?;
    let watch = Watch::start(&site, "0-0")?;
    goes_out(&site, NUMBER)?;
    let carrier = Endpoint::listen(site.peer_address(CARRIER).into())?;
    let busy = sipp_phone(&site, CARRIER, "agent-busy.xml", &carrier, &["-m", "1"])?;
    let mut own = baresip_phone_that_says(&prompt("announcement"), &site, 10, "7101", Answer::Auto)?;
    site.request(&json!({"req": "TMakeCall", "ThisDN": "7101", "OtherDN": NUMBER, "ReferenceID": 61}))?;
    assert_eq!(watch.answer_to(61, SOON)?.text("CallType"), "Outbound");
    let told = watch.wait_for("DestinationBusy@7101", SOON)?;
    assert_eq!(told.text("OtherDN"), NUMBER);
    own.wait_for("CALL_CLOSED", SOON)?;
    let called = busy.finish(SOON)?;
    called.expect_success()?;
    let invite =
        called.messages.split("message received").find(|text| text.contains("INVITE sip:")).unwrap_or_default();
    assert!(invite.contains(&format!("INVITE sip:{NUMBER}@{}:5060", site.peer_address(CARRIER))), "{invite}");
    received_from_outside(&site, &called.messages)?;
    watch.wait_for("CallDeleted", SOON)?;
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}

#[test]
fn a_program_has_a_call_show_another_number_of_the_tenant_and_none_of_others() -> Result<()> {
    let site = Installation::start()?;
    // By itself the trunk shows no number.
    let carrier = format!(
        "{{name: carrier, allow: [127.0.0.0/8], contact: \"{}:5060\", prefix: \"+\"}}",
        site.peer_address(CARRIER)
    );
    site.import_changed(|files| {
        let file = files.join("example-tenant.yaml");
        let text = fs::read_to_string(&file)?;
        let changed = text.replacen("{name: carrier, allow: [127.0.0.0/8]}", &carrier, 1);
        ensure!(changed != text, "the example has changed");
        Ok(fs::write(&file, changed)?)
    })?;
    let watch = Watch::start(&site, "0-0")?;
    goes_out(&site, NUMBER)?;
    let carrier = Endpoint::listen(site.peer_address(CARRIER).into())?;
    let busy = sipp_phone(&site, CARRIER, "agent-busy.xml", &carrier, &["-m", "1"])?;
    let mut own = baresip_phone_that_says(&prompt("announcement"), &site, 10, "7101", Answer::Auto)?;
    let make = |reference: u64, shows: &str| {
        let shows = json!({"CPNDigits": shows});
        let make = json!({"req": "TMakeCall", "ThisDN": "7101", "OtherDN": NUMBER, "ReferenceID": reference, "Extensions": shows});
        site.request(&make)
    };
    make(71, "+4915112345678")?;
    let refused = watch.answer_to(71, SOON)?;
    ensure!(refused.name == "EventError" && refused.frame["ErrorCode"] == 53, "{refused:?}");
    ensure!(refused.text("ErrorMessage").starts_with("CPNDigits: "), "{refused:?}");
    let ours = site.number("echo")?;
    make(72, ours)?;
    watch.wait_for("DestinationBusy@7101", SOON)?;
    own.wait_for("CALL_CLOSED", SOON)?;
    let called = busy.finish(SOON)?;
    called.expect_success()?;
    let invite =
        called.messages.split("message received").find(|text| text.contains("INVITE sip:")).unwrap_or_default();
    let from = invite.lines().find(|line| line.starts_with("From:")).unwrap_or_default();
    ensure!(from.contains(&format!("sip:{ours}@")), "{from}");
    watch.wait_for_count("CallDeleted", 2, SOON)?;
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}

/// The third octet of the edge's addresses, and the first of those of programs outside.
const EDGE: u8 = 0;
const OUTSIDE: u8 = 250;

/// What somebody outside, here SIPp, has received; it shows nothing of what is inside.
fn received_from_outside(site: &Installation, messages: &str) -> Result<Vec<String>> {
    let blocks = messages.split("message received").skip(1);
    let texts = blocks.filter_map(|block| block.split("\n-----").next()?.split_once("\n\n"));
    let received: Vec<String> = texts.map(|(_, text)| text.trim_start().to_owned()).collect();
    let ours = format!("127.{}.", site.demo.instance);
    for text in &received {
        let octets = text.split(&ours).skip(1).filter_map(|rest| rest.split('.').next()?.parse::<u8>().ok());
        for octet in octets {
            ensure!(octet == EDGE || octet >= OUTSIDE, "an address inside, {ours}{octet}.:\n{text}");
        }
        for inside in ["sip-cluster", "sip-proxy-", "media-1", "trunkline.invalid", "Trunkline-", "example"] {
            ensure!(!text.contains(inside), "{inside} is shown:\n{text}");
        }
        let vias = text.lines().filter(|line| line.starts_with("Via:")).count();
        ensure!(vias == 1, "{vias} Vias:\n{text}");
    }
    Ok(received)
}

#[test]
fn neither_a_carrier_nor_who_calls_sees_anything_of_what_is_inside() -> Result<()> {
    let site = site()?;
    let watch = Watch::start(&site, "0-0")?;
    goes_out(&site, NUMBER)?;
    let audio = Endpoint::listen(site.peer_address(CARRIER).into())?;
    let carrier = sipp_phone(&site, CARRIER, "carrier-announces.xml", &audio, &["-m", "1", "-d", "1000"])?;
    let mut own = baresip_phone_that_says(&prompt("announcement"), &site, 10, "7101", Answer::Manual)?;
    own.dial(DIALLED)?;
    own.wait_for("CALL_ESTABLISHED", SOON)?;
    own.hang_up()?;
    let called = carrier.finish(SOON)?;
    called.expect_success()?;
    let seen = received_from_outside(&site, &called.messages)?;
    for request in ["INVITE sip:", "PRACK sip:", "ACK sip:", "BYE sip:"] {
        ensure!(seen.iter().any(|text| text.starts_with(request)), "no {request}: {seen:?}");
    }
    watch.wait_for("CallDeleted", SOON)?;
    let caller = Caller::dial(&site, "caller.xml", 1, site.number("echo")?, &["-d", "1000"])?;
    let (_, calls) = caller.finish(LATER)?;
    calls.expect_success()?;
    let seen = received_from_outside(&site, &calls.messages)?;
    for cseq in ["CSeq: 1 INVITE", "CSeq: 2 BYE"] {
        let is_ok = |text: &String| text.starts_with("SIP/2.0 200 ") && text.contains(cseq);
        ensure!(seen.iter().any(is_ok), "no 200 to {cseq}: {seen:?}");
    }
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}

#[test]
fn a_carrier_that_asks_for_a_password_gets_it_until_the_end_of_the_call() -> Result<()> {
    let site = site_with(", user: acme-trunk, password: hush-hush")?;
    let watch = Watch::start(&site, "0-0")?;
    goes_out(&site, NUMBER)?;
    let audio = Endpoint::listen(site.peer_address(CARRIER).into())?;
    let carrier = sipp_phone(&site, CARRIER, "carrier-asks.xml", &audio, &["-m", "1"])?;
    let mut own = baresip_phone_that_says(&prompt("announcement"), &site, 10, "7101", Answer::Auto)?;
    site.request(&json!({"req": "TMakeCall", "ThisDN": "7101", "OtherDN": NUMBER, "ReferenceID": 62}))?;
    watch.wait_for("Established@7101", SOON)?;
    own.wait_for("CALL_ESTABLISHED", SOON)?;
    own.hang_up()?;
    carrier.finish(SOON)?.expect_success()?;
    watch.wait_for("CallDeleted", SOON)?;
    assert!(site.log().iter().all(|line| !line.contains("hush-hush")));
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}

/// The phone's call is refused with that code.
fn is_refused(phone: &mut Phone, code: &str) -> Result<()> {
    phone.dial(DIALLED)?;
    let closed = phone.wait_for("CALL_CLOSED", SOON)?;
    ensure!(closed["param"].as_str().is_some_and(|why| why.starts_with(code)), "{closed}");
    Ok(())
}

/// The INVITE that the carrier gets of a trunk with these keys, line by line.
fn invite_by(keys: &str) -> Result<Vec<String>> {
    let site = site_with(keys)?;
    let watch = Watch::start(&site, "0-0")?;
    goes_out(&site, NUMBER)?;
    let carrier = Endpoint::listen(site.peer_address(CARRIER).into())?;
    let busy = sipp_phone(&site, CARRIER, "agent-busy.xml", &carrier, &["-m", "1"])?;
    let mut own = baresip_phone_that_says(&prompt("announcement"), &site, 10, "7101", Answer::Auto)?;
    own.dial(DIALLED)?;
    watch.wait_for("DestinationBusy@7101", SOON)?;
    own.wait_for("CALL_CLOSED", SOON)?;
    let called = busy.finish(SOON)?;
    called.expect_success()?;
    watch.wait_for("CallDeleted", SOON)?;
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)?;
    let mut received = called.messages.split("message received");
    let invite = received.find(|text| text.contains("INVITE sip:")).and_then(|text| text.split("message sent").next());
    Ok(invite.unwrap_or_default().lines().map(|line| line.trim().to_owned()).collect())
}

/// The encodings that an INVITE offers, in its order.
fn offered(invite: &[String]) -> Vec<&str> {
    let maps = invite.iter().filter_map(|line| line.strip_prefix("a=rtpmap:"));
    maps.filter_map(|map| map.split_once(' ')).map(|(_, encoding)| encoding).collect()
}

#[test]
fn a_carrier_is_offered_the_codecs_of_its_trunk_in_their_order() -> Result<()> {
    let invite = invite_by(", codecs: [PCMU, PCMA]")?;
    assert_eq!(offered(&invite), ["PCMU/8000", "PCMA/8000", "telephone-event/8000"]);
    assert!(invite.iter().any(|line| line.starts_with("m=audio ") && line.ends_with(" RTP/AVP 0 8 101")), "{invite:?}");
    Ok(())
}

#[test]
fn a_carrier_is_asked_for_the_session_interval_of_its_trunk() -> Result<()> {
    let invite = invite_by(", session_expires_s: 600")?;
    assert!(invite.iter().any(|line| line == "Session-Expires: 600"), "{invite:?}");
    Ok(())
}

#[test]
fn a_carrier_is_not_told_of_reliable_provisional_responses_where_its_trunk_says_so() -> Result<()> {
    for (keys, told) in [("", true), (", reliable: false", false)] {
        let invite = invite_by(keys)?;
        let supported = invite.iter().find_map(|line| line.strip_prefix("Supported: ")).unwrap_or_default();
        assert_eq!(supported.split(',').any(|option| option.trim() == "100rel"), told, "{keys}: {invite:?}");
    }
    Ok(())
}

/// The tones of the key 5, in Hz.
const FIVE: (f64, f64) = (770.0, 1_336.0);

/// The keys of the INFO requests that SIPp has received; one that is repeated because SIPp was slow is the same key.
fn keys_in(messages: &str) -> Vec<String> {
    let mut keys: Vec<(&str, String)> = Vec::new();
    for text in messages.split("message received").skip(1) {
        let field = |name: &str| text.lines().find_map(|line| line.trim().strip_prefix(name));
        if let (Some(cseq), Some(key)) = (field("CSeq:"), field("Signal="))
            && keys.last().is_none_or(|(last, _)| *last != cseq)
        {
            keys.push((cseq, key.to_owned()));
        }
    }
    keys.into_iter().map(|(_, key)| key).collect()
}

#[test]
fn a_carrier_gets_keys_by_info_where_its_trunk_says_so() -> Result<()> {
    let site = site_with(", dtmf: info")?;
    let watch = Watch::start(&site, "0-0")?;
    goes_out(&site, NUMBER)?;
    let far = Endpoint::listen(site.peer_address(CARRIER).into())?;
    let carrier = sipp_phone(&site, CARRIER, "carrier-info.xml", &far, &["-m", "1"])?;
    let mut own = baresip_phone_that_says(&prompt("announcement"), &site, 10, "7101", Answer::Manual)?;
    own.dial(DIALLED)?;
    own.wait_for("CALL_ESTABLISHED", SOON)?;
    let conn_id = watch.wait_for("Established@7101", SOON)?.text("ConnID").to_owned();
    let told = || keys_in(&carrier.traces("_messages.log")).len();
    own.digit('4')?;
    wait::until(SOON, || Ok((told() == 1).then_some(())))?;
    let frame = json!({"req": "TSendDTMF", "ThisDN": "7101", "ConnID": conn_id, "Digits": "1#", "ReferenceID": 9});
    site.request(&frame)?;
    assert_eq!(watch.answer_to(9, SOON)?.brief(), "DtmfSent@7101");
    wait::until(SOON, || Ok((told() == 3).then_some(())))?;
    own.hang_up()?;
    let carrier = carrier.finish(SOON)?;
    carrier.expect_success()?;
    let lines: Vec<&str> = carrier.messages.lines().map(str::trim).collect();
    assert_eq!(keys_in(&carrier.messages), ["4", "1", "#"]);
    assert!(lines.contains(&"Content-Type: application/dtmf-relay"), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("telephone-event")), "{lines:?}");
    assert!(far.received().events.is_empty(), "nor in its audio");
    watch.wait_for("CallDeleted", SOON)?;
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}

#[test]
fn a_carrier_gets_keys_as_tones_where_its_trunk_says_so_whatever_it_answers() -> Result<()> {
    let site = site_with(", dtmf: tones")?;
    let watch = Watch::start(&site, "0-0")?;
    goes_out(&site, NUMBER)?;
    let far = Endpoint::listen(site.peer_address(CARRIER).into())?;
    let keys = ["-key", "formats", "0 101", "-key", "ptime", "20", "-d", "100", "-m", "1"];
    let carrier = sipp_phone(&site, CARRIER, "agent-media.xml", &far, &keys)?;
    let mut own = baresip_phone_that_says(&prompt("announcement"), &site, 10, "7101", Answer::Manual)?;
    own.dial(DIALLED)?;
    own.wait_for("CALL_ESTABLISHED", SOON)?;
    watch.wait_for("Established@7101", SOON)?;
    own.digit('5')?;
    let is_five = |part: &[i16]| audio::has_tone_pair(part, FIVE.0, FIVE.1);
    wait::until(SOON, || Ok(far.received().samples.chunks_exact(400).any(is_five).then_some(())))?;
    own.hang_up()?;
    let carrier = carrier.finish(SOON)?;
    carrier.expect_success()?;
    let invite = carrier.messages.split("message sent").next().unwrap_or_default();
    assert!(invite.contains("INVITE sip:") && !invite.contains("telephone-event"), "{invite}");
    assert!(far.received().events.is_empty(), "it was not offered them");
    watch.wait_for("CallDeleted", SOON)?;
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}

#[test]
fn a_full_trunk_takes_a_call_again_when_one_is_over() -> Result<()> {
    let site = site_with(", calls_max: 1")?;
    let watch = Watch::start(&site, "0-0")?;
    goes_out(&site, NUMBER)?;
    let mut far = somebody(&site, Answer::Auto)?;
    let mut first = baresip_phone_that_says(&prompt("announcement"), &site, 10, "7101", Answer::Auto)?;
    let mut second = baresip_phone_that_says(&prompt("announcement"), &site, 11, "7102", Answer::Auto)?;
    first.dial(DIALLED)?;
    first.wait_for("CALL_ESTABLISHED", SOON)?;
    let conn = watch.wait_for("Established@7101", SOON)?.text("ConnID").to_owned();
    is_refused(&mut second, "503")?;
    first.hang_up()?;
    far.wait_for("CALL_CLOSED", SOON)?;
    let is_over = |fact: &testkit::Fact| fact.brief() == "CallDeleted" && fact.text("ConnID") == conn;
    wait::until(SOON, || Ok(watch.facts().iter().any(is_over).then_some(())))?;
    second.dial(DIALLED)?;
    second.wait_for("CALL_ESTABLISHED", SOON)?;
    second.hang_up()?;
    watch.wait_for_count("CallDeleted", 2, SOON)?;
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}

#[test]
fn a_phone_that_may_not_call_outside_is_refused_while_another_one_talks() -> Result<()> {
    let site = site_and_phone_with("", ", outgoing_max: 0")?;
    let watch = Watch::start(&site, "0-0")?;
    goes_out(&site, NUMBER)?;
    let _far = somebody(&site, Answer::Auto)?;
    let mut first = baresip_phone_that_says(&prompt("announcement"), &site, 10, "7101", Answer::Auto)?;
    let mut second = baresip_phone_that_says(&prompt("announcement"), &site, 11, "7102", Answer::Auto)?;
    is_refused(&mut second, "403")?;
    first.dial(DIALLED)?;
    first.wait_for("CALL_ESTABLISHED", SOON)?;
    first.hang_up()?;
    watch.wait_for_count("CallDeleted", 1, SOON)?;
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}

#[test]
fn a_carrier_gets_numbers_as_it_writes_them() -> Result<()> {
    // All by one import: [`goes_out`] would not wait for the rules of a second one.
    let site = Installation::start()?;
    import(&site, ", asserts_identity: true", "", |files| {
        let file = files.join("example-tenant.yaml");
        let text = fs::read_to_string(&file)?;
        let rules = "\ndial_rules:\n\
            \x20 - {name: to the carrier, pattern: \"+49.\", action: send, trunk: carrier, remove: 3, add: \"0\"}\n\
            \x20 - {name: from the carrier, pattern: \"0.\", action: receive, trunk: carrier, remove: 1, add: \"+1555\"}\n\
            \x20 - {name: a caller, pattern: \"+15559001\", action: receive, remove: 9, add: \"+442071\"}\n";
        Ok(fs::write(&file, text + rules)?)
    })?;
    let watch = Watch::start(&site, "0-0")?;
    goes_out(&site, NUMBER)?;
    let carrier = Endpoint::listen(site.peer_address(CARRIER).into())?;
    let busy = sipp_phone(&site, CARRIER, "agent-busy.xml", &carrier, &["-m", "1"])?;
    let mut own = baresip_phone_that_says(&prompt("announcement"), &site, 10, "7101", Answer::Auto)?;
    own.dial(DIALLED)?;
    let told = watch.wait_for("DestinationBusy@7101", SOON)?;
    assert_eq!(told.text("OtherDN"), NUMBER, "events have the number in full");
    own.wait_for("CALL_CLOSED", SOON)?;
    let called = busy.finish(SOON)?;
    called.expect_success()?;
    let invite =
        called.messages.split("message received").find(|text| text.contains("INVITE sip:")).unwrap_or_default();
    assert!(invite.contains("INVITE sip:030999@"), "{invite}");
    assert!(invite.contains(&format!("P-Asserted-Identity: <sip:{OURS}@")), "{invite}");
    // Its own way to write the number of the echo, and that of who calls.
    let caller = Caller::dial(&site, "caller.xml", 2, "00103", &["-d", "500"])?;
    let (_, outcome) = caller.finish(LATER)?;
    outcome.expect_success()?;
    let callers: Vec<String> = watch.facts().iter().map(|fact| fact.text("ANI").to_owned()).collect();
    assert!(callers.contains(&"+442071".to_owned()), "{callers:?}");
    watch.wait_for_count("CallDeleted", 2, SOON)?;
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}

/// The INVITE that the carrier got.
fn invite_in(messages: &str) -> &str {
    messages.split("message received").find(|text| text.contains("INVITE sip:")).unwrap_or_default()
}

#[test]
fn a_carrier_gets_headers_as_the_rules_of_its_trunk_make_them() -> Result<()> {
    let rules = ", headers: [\
        {on: sent, action: set, header: X-Account, value: \"{caller} by {trunk}\"}, \
        {on: sent, action: remove, header: User-Agent}, \
        {on: sent, action: rewrite, header: P-Asserted-Identity, pattern: \"@.*>\", replace: \"@carrier.example>\"}]";
    let site = site_with(&format!(", asserts_identity: true{rules}"))?;
    let watch = Watch::start(&site, "0-0")?;
    goes_out(&site, NUMBER)?;
    let carrier = Endpoint::listen(site.peer_address(CARRIER).into())?;
    let busy = sipp_phone(&site, CARRIER, "agent-busy.xml", &carrier, &["-m", "1"])?;
    let mut own = baresip_phone_that_says(&prompt("announcement"), &site, 10, "7101", Answer::Auto)?;
    own.dial(DIALLED)?;
    own.wait_for("CALL_CLOSED", SOON)?;
    let called = busy.finish(SOON)?;
    called.expect_success()?;
    let invite = invite_in(&called.messages);
    assert!(invite.contains(&format!("X-Account: {OURS} by carrier")), "{invite}");
    assert!(invite.contains(&format!("P-Asserted-Identity: <sip:{OURS}@carrier.example>")), "{invite}");
    assert!(!invite.contains("User-Agent:"), "{invite}");
    watch.wait_for_count("CallDeleted", 1, SOON)?;
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}

#[test]
fn a_carrier_is_told_who_has_forwarded_a_call() -> Result<()> {
    let site = site_with(", diversion: both")?;
    let watch = Watch::start(&site, "0-0")?;
    goes_out(&site, NUMBER)?;
    let carrier = Endpoint::listen(site.peer_address(CARRIER).into())?;
    let busy = sipp_phone(&site, CARRIER, "agent-busy.xml", &carrier, &["-m", "1"])?;
    let mut own = baresip_phone_that_says(&prompt("announcement"), &site, 10, "7101", Answer::Auto)?;
    let forward = json!({"req": "TCallSetForward", "ReferenceID": 1, "ThisDN": "7102", "OtherDN": DIALLED});
    site.request(&forward)?;
    assert_eq!(watch.answer_to(1, SOON)?.brief(), "ForwardSet@7102");
    own.dial("7102")?;
    own.wait_for("CALL_CLOSED", SOON)?;
    let called = busy.finish(SOON)?;
    called.expect_success()?;
    let invite = invite_in(&called.messages);
    assert!(invite.contains(&format!("Diversion: <sip:{OURS}@")), "{invite}");
    assert!(invite.contains(";reason=unconditional;counter=1;privacy=off"), "{invite}");
    assert!(invite.contains(&format!("History-Info: <sip:{OURS}@")), "{invite}");
    assert!(invite.contains(";cause=302>;index=1.1;mp=1"), "{invite}");
    watch.wait_for_count("CallDeleted", 1, SOON)?;
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}

#[test]
fn a_call_goes_out_by_the_trunks_of_a_group_rather_than_by_one_of_its_prefix() -> Result<()> {
    let site = Installation::start()?;
    // Nobody takes calls there.
    let second = format!(
        "  - {{name: second, allow: [203.0.113.0/24], contact: \"{}:5060\", prefix: \"+49\"}}\n",
        site.peer_address(CARRIER + 1)
    );
    import(&site, "", "", |files| {
        let file = files.join("example-tenant.yaml");
        let text = fs::read_to_string(&file)?;
        let group = "trunk_groups:\n  - {name: Germany, prefix: \"+49\", members: [{trunk: carrier}]}\n";
        let changed = text.replacen("\ntrunks:\n", &format!("\n{group}trunks:\n{second}"), 1);
        ensure!(changed != text, "the example has changed");
        Ok(fs::write(&file, changed)?)
    })?;
    let watch = Watch::start(&site, "0-0")?;
    let mut own = announcing_phone(&site, 10, "7101", Answer::Manual)?;
    let mut far = somebody(&site, Answer::Auto)?;
    goes_out(&site, NUMBER)?;
    own.dial(DIALLED)?;
    own.wait_for("CALL_ESTABLISHED", LATER)?;
    far.wait_for("CALL_ESTABLISHED", SOON)?;
    far.hang_up()?;
    own.wait_for("CALL_CLOSED", SOON)?;
    watch.wait_for("CallDeleted", SOON)?;
    site.is_at_rest()?;
    check_to_the_end(&site, &watch)
}
