//! What is spoken with a trunk's carrier, and how keys go there. The trunk `lawful` speaks PCMA and PCMU; `events`, `info` and `tones` have
//! keys so. The carrier that is called is played by the bench's phone.

use media::codec::Codec;
use model::plan::Destination;
use sip::HeaderName;
use sip::StatusCode;
use sip::agent::{Body, DialogId, Event, IncomingId, Reply};

use super::bench::{Bench, LINK, PHONE_SDP, Peer, by_two_trunks, phone};
use super::restart::restart;
use crate::sip_cluster::node::calls::prompts::SwitchPrompts;
use crate::sip_cluster::node::calls::trunk::settings::TrunkRules;

fn tenant_speaks(bench: &mut Bench, codecs: &'static [Codec]) {
    bench.node.choose_prompts(Box::new(move |_| SwitchPrompts { codecs: codecs.to_vec(), ..SwitchPrompts::default() }));
}

/// An offer of one codec, by its payload type.
fn offer_of(number: u8) -> String {
    PHONE_SDP.replace("RTP/AVP 0", &format!("RTP/AVP {number}"))
}

/// A call from a carrier that offers this codec.
fn comes_by(bench: &mut Bench, trunk: &str, number: u8) {
    bench.dial_with("7101", &format!("trunk;name={trunk}"), Some(offer_of(number).into()), Vec::new());
}

#[test]
fn media_is_told_the_codecs_of_the_trunk_for_its_carrier_and_those_of_the_tenant_for_a_phone() {
    let mut bench = Bench::new();
    tenant_speaks(&mut bench, &[Codec::G722, Codec::Pcmu]);
    bench.dial("+4930123", "phone;dn=7102");
    bench.plan(by_two_trunks("lawful", "two"));
    bench.phone_answers();
    let codecs: Vec<_> = bench.media_asked.iter().filter_map(|uri| uri.split_once(";codecs=")).collect();
    assert_eq!(codecs.iter().map(|(_, names)| *names).collect::<Vec<_>>(), ["PCMA+PCMU", "G722+PCMU"]);
}

/// Opus between two phones that have it is not made G.711 on the way.
#[test]
fn who_is_called_is_offered_first_what_the_caller_speaks() {
    const OPUS: &str = "a=rtpmap:111 opus/48000/2\r\n";
    for (formats, asked) in [
        ("111", "opus+PCMA+PCMU+G722"),
        ("111 9 0", "opus+G722+PCMA+PCMU"),
        ("0 111", "PCMA+PCMU+opus+G722"),
        ("0", "PCMA+PCMU+G722+opus"),
    ] {
        let mut bench = Bench::new();
        tenant_speaks(&mut bench, &Codec::ALL);
        let offer = PHONE_SDP.replace("RTP/AVP 0", &format!("RTP/AVP {formats}")) + OPUS;
        bench.dial_with("7101", "phone;dn=7102", Some(offer.into()), Vec::new());
        bench.plan(phone(15_000));
        let told = bench.media_asked.iter().find_map(|uri| uri.split_once(";codecs="));
        assert_eq!(told.map(|(_, names)| names), Some(asked), "{formats}");
    }
}

#[test]
fn a_call_of_a_carrier_without_a_codec_of_its_trunk_is_refused_whatever_the_tenant_speaks() {
    for (trunk, number, is_taken) in
        [("lawful", 9, false), ("lawful", 8, true), ("carrier", 9, true), ("carrier", 8, false)]
    {
        let mut bench = Bench::new();
        tenant_speaks(&mut bench, &[Codec::G722]);
        comes_by(&mut bench, trunk, number);
        let refused = bench.refusal().map(|(status, warning)| (status, warning.unwrap_or_default()));
        assert_eq!(refused.is_none(), is_taken, "{trunk} {number}: {refused:?}");
        assert!(refused.is_none_or(|(status, warning)| status == 488 && warning.starts_with("305 ")));
    }
}

/// The codecs of a trunk are in no record: a successor reads them, too.
#[test]
fn a_successor_takes_and_offers_the_codecs_of_the_trunk_alone() {
    let mut bench = Bench::new();
    comes_by(&mut bench, "lawful", 0);
    let conn_id = bench.plan(phone(15_000));
    bench.phone_answers();
    restart(&mut bench, conn_id);
    let (dialog, now) = (bench.caller_dialog.expect("a dialog"), bench.now);
    bench.agent(Peer::Caller).reinvite(dialog, Some(offer_of(9).into()), Vec::new(), now).expect("a dialog");
    bench.run();
    assert!(bench.saw(Peer::Caller, |event| matches!(event, Event::Refused { status, .. } if status.0 == 488)));
    let now = bench.now;
    bench.agent(Peer::Caller).reinvite(dialog, None, Vec::new(), now).expect("a dialog");
    bench.run();
    let offered = bench.seen.iter().find_map(|(_, event)| match event {
        Event::Proposed { offer, .. } => Some(String::from_utf8_lossy(offer).into_owned()),
        _ => None,
    });
    let offered = offered.expect("an offer");
    assert!(offered.contains(" RTP/AVP 0 8 101\r\n"), "{offered}");
}

#[test]
fn audio_of_a_trunk_that_speaks_otherwise_than_a_phone_goes_through_media() {
    for (trunk, goes_directly) in
        [("straight", true), ("events", true), ("lawful", false), ("info", false), ("tones", false)]
    {
        let mut bench = Bench::new();
        comes_by(&mut bench, trunk, 0);
        bench.plan(phone(15_000));
        assert_eq!(bench.media_asked.is_empty(), goes_directly, "{trunk}");
    }
}

/// The trunks whose carriers have got an INVITE.
fn rung(bench: &Bench) -> Vec<String> {
    let trunk = |event: &(Peer, Event)| match event {
        (Peer::Phone, Event::Incoming { request, .. }) => {
            let uri = request.request_uri().expect("a URI");
            Some(uri.trim_start_matches("sip:+4930123@").trim_end_matches(".example:5060").to_owned())
        }
        _ => None,
    };
    bench.seen.iter().filter_map(trunk).collect()
}

fn is_answered(bench: &Bench) -> bool {
    bench.saw(Peer::Caller, |event| matches!(event, Event::Answered { .. }))
}

/// An answer with a codec that nobody has offered.
const A_LAW: &str =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";

#[test]
fn an_emergency_goes_by_the_next_trunk_if_a_carrier_answers_with_a_codec_that_its_trunk_does_not_speak() {
    for (of_trunk, tries) in [(vec![Codec::Pcmu], vec!["wide", "two"]), (Vec::new(), vec!["wide"])] {
        let (mut bench, is_held) = (Bench::new(), !of_trunk.is_empty());
        *bench.node.trunks_mut() = Box::new(move |_, trunk| TrunkRules {
            is_known: true,
            codecs: if trunk == "wide" { of_trunk.clone() } else { Vec::new() },
            ..TrunkRules::default()
        });
        let Destination::Outside(mut outside) = by_two_trunks("wide", "two") else { unreachable!("it is outside") };
        outside.way.is_emergency = true;
        outside.further.iter_mut().for_each(|way| way.is_emergency = true);
        bench.dial("112", "phone;dn=7102");
        bench.plan(Destination::Outside(outside));
        bench.phone_answers_with(A_LAW);
        assert_eq!(rung(&bench), tries);
        assert_eq!(is_answered(&bench), !is_held, "who calls for help is answered by a way that carries audio");
        if is_held {
            bench.phone_answers();
        }
        assert!(is_answered(&bench) && bench.refusal().is_none());
        bench.bye(Peer::Caller);
        assert!(bench.is_clear());
    }
}

#[test]
fn a_phone_that_answers_with_a_codec_that_its_tenant_does_not_speak_is_not_connected() {
    let mut bench = Bench::new();
    tenant_speaks(&mut bench, &[Codec::Pcmu]);
    bench.call("7101", phone(15_000));
    bench.phone_answers_with(A_LAW);
    assert!(!is_answered(&bench));
    assert_eq!(bench.refusal().map(|(status, _)| status), Some(488));
}

// === keys ===

/// A phone talks with somebody behind a trunk.
fn talks_by(trunk: &str) -> (Bench, model::ConnId) {
    let mut bench = Bench::new();
    bench.dial("+4930123", "phone;dn=7102");
    let conn_id = bench.plan(by_two_trunks(trunk, "two"));
    bench.phone_answers();
    assert!(bench.saw(Peer::Caller, |event| matches!(event, Event::Answered { .. })), "{trunk}");
    (bench, conn_id)
}

fn key(digit: char) -> Body {
    Body::new("application/dtmf-relay", format!("Signal={digit}\r\nDuration=160\r\n"))
}

/// Sends an INFO with a key, and returns the status and the Accept of its answer.
fn presses(bench: &mut Bench, peer: Peer, dialog: DialogId, digit: char) -> (u16, Option<String>) {
    let now = bench.now;
    let sent = bench.agent(peer).info(dialog, key(digit), Vec::new(), now).expect("a dialog");
    bench.run();
    let answer = bench.seen.iter().find_map(|(_, event)| match event {
        Event::Responded { request, status, response: Some(response), .. } if *request == sent => {
            Some((status.0, response.header(&HeaderName::Accept).map(str::to_owned)))
        }
        _ => None,
    });
    answer.expect("a response")
}

/// The keys that a peer has been told by INFO.
fn told(bench: &Bench, peer: Peer) -> Vec<(IncomingId, String)> {
    let infos = bench.seen.iter().filter_map(|(who, event)| match event {
        Event::Info { request, message, .. } if *who == peer => {
            Some((*request, String::from_utf8_lossy(message.body()).chars().nth(7).unwrap_or_default().to_string()))
        }
        _ => None,
    });
    infos.collect()
}

/// Media reports a key for the party of its first leg, that of the carrier.
fn media_tells(bench: &mut Bench, digit: char) {
    let (dialog, now) = (bench.media_dialogs[0], bench.now);
    bench.agent(Peer::Media).info(dialog, key(digit), Vec::new(), now).expect("a dialog");
    bench.run();
}

/// How many keys media has got from parties.
fn passed_on(bench: &Bench) -> usize {
    bench.keys_of_media
}

#[test]
fn media_is_told_how_keys_go_to_a_carrier() {
    for (trunk, told) in [("two", None), ("events", Some("events")), ("info", Some("info")), ("tones", Some("tones"))] {
        let mut bench = Bench::new();
        bench.dial("+4930123", "phone;dn=7102");
        bench.plan(by_two_trunks(trunk, "two"));
        assert_eq!(bench.media_asked[0].split_once(";dtmf=").map(|(_, way)| way), told, "{trunk}");
    }
}

#[test]
fn a_carrier_gets_keys_by_info_one_after_the_other() {
    let (mut bench, _) = talks_by("info");
    for digit in ['4', '7', '#'] {
        media_tells(&mut bench, digit);
    }
    for (at, digit) in ["4", "7", "#"].into_iter().enumerate() {
        let keys = told(&bench, Peer::Phone);
        assert_eq!(keys.iter().map(|(_, key)| key.as_str()).collect::<Vec<_>>(), &["4", "7", "#"][..=at], "{digit}");
        let (request, now) = (keys[at].0, bench.now);
        bench.agent(Peer::Phone).respond(request, Reply::new(StatusCode::OK), now).expect("an INFO");
        bench.run();
    }
    assert_eq!(told(&bench, Peer::Phone).len(), 3);
    let stored = format!("{:?}", bench.writes);
    assert!(!stored.contains("Signal="), "no record has them");
    bench.bye(Peer::Phone);
    assert!(bench.is_clear());
}

/// The digits that the carrier has been told.
fn digits(bench: &Bench) -> String {
    told(bench, Peer::Phone).into_iter().map(|(_, key)| key).filter(|key| key != "x").collect()
}

/// The carrier answers the last INFO that it has got.
fn carrier_takes_key(bench: &mut Bench) {
    let (request, now) = (told(bench, Peer::Phone).last().expect("an INFO").0, bench.now);
    bench.agent(Peer::Phone).respond(request, Reply::new(StatusCode::OK), now).expect("an INFO");
    bench.run();
}

#[test]
fn keys_that_wait_for_an_answer_that_comes_late_are_not_told() {
    let (mut bench, _) = talks_by("info");
    for digit in ['4', '7', '#'] {
        media_tells(&mut bench, digit);
    }
    bench.pass(std::time::Duration::from_secs(11));
    carrier_takes_key(&mut bench);
    assert_eq!(digits(&bench), "4");
    media_tells(&mut bench, '9');
    assert_eq!(digits(&bench), "49");
}

#[test]
fn keys_that_cannot_be_told_are_not_told_with_a_later_one() {
    let (mut bench, conn_id) = talks_by("info");
    for digit in ['4', '7', '#'] {
        media_tells(&mut bench, digit);
    }
    // Requests that the carrier does not get take all the room of its dialog.
    let leg = bench.node.table().leg(conn_id, model::LegId(2)).and_then(|leg| leg.phone);
    let (dialog, now) = (leg.expect("a dialog"), bench.now);
    let key = told(&bench, Peer::Phone)[0].0;
    bench.mute.push(Peer::Phone);
    for size in [20_000, 4_000, 500, 10] {
        let body = || Body::new("text/plain", vec![b'x'; size]);
        while bench.node.agent_mut().info(dialog, body(), Vec::new(), now).is_ok() {}
    }
    bench.run();
    bench.mute.clear();
    bench.agent(Peer::Phone).respond(key, Reply::new(StatusCode::OK), now).expect("an INFO");
    bench.run();
    assert_eq!(digits(&bench), "4");
    for request in std::mem::take(&mut bench.unheard) {
        bench.agent(Peer::Phone).receive(request, LINK, now);
        bench.run();
        carrier_takes_key(&mut bench);
    }
    bench.pass(std::time::Duration::from_secs(1));
    media_tells(&mut bench, '9');
    assert_eq!(digits(&bench), "49", "neither with it nor in its place");
}

#[test]
fn keys_of_a_carrier_count_by_the_way_of_its_trunk_alone() {
    for (trunk, status) in [("two", 200), ("info", 200), ("events", 415), ("tones", 415)] {
        let (mut bench, _) = talks_by(trunk);
        let dialog = bench.phone_dialog.expect("a dialog");
        assert_eq!(presses(&mut bench, Peer::Phone, dialog, '5').0, status, "{trunk}");
        assert_eq!(passed_on(&bench), usize::from(status == 200), "{trunk}");
        let caller = bench.caller_dialog.expect("a dialog");
        assert_eq!(presses(&mut bench, Peer::Caller, caller, '5').0, 200, "a phone is no trunk");
        let mut bench = Bench::new();
        comes_by(&mut bench, trunk, 0);
        bench.plan(Destination::Service(model::plan::Service::Echo));
        let caller = bench.caller_dialog.expect("a dialog");
        assert_eq!(presses(&mut bench, Peer::Caller, caller, '5').0, status, "{trunk}, of a call that comes");
    }
}

#[test]
fn keys_go_as_they_did_when_the_call_began_whatever_the_trunk_says_later_and_whoever_has_the_call() {
    let (mut bench, conn_id) = talks_by("info");
    restart(&mut bench, conn_id);
    *bench.node.trunks_mut() = Box::new(|_, _| TrunkRules {
        is_known: true,
        dtmf: Some(contracts::provisioning::DtmfForm::Tones),
        ..TrunkRules::default()
    });
    let dialog = bench.phone_dialog.expect("a dialog");
    assert_eq!(presses(&mut bench, Peer::Phone, dialog, '5').0, 200);
    media_tells(&mut bench, '9');
    assert_eq!(told(&bench, Peer::Phone).len(), 1);
    let now = bench.now;
    bench.agent(Peer::Phone).reinvite(dialog, None, Vec::new(), now).expect("a dialog");
    bench.run();
    let offered = bench.seen.iter().find_map(|(_, event)| match event {
        Event::Proposed { offer, .. } => Some(String::from_utf8_lossy(offer).into_owned()),
        _ => None,
    });
    let offered = offered.expect("an offer");
    assert!(!offered.contains("telephone-event"), "{offered}");
}
