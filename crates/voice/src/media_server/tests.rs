//! The node between an owner of calls (a user agent, in memory) and phones (sockets on loopback).

mod bench;
mod busy_driver;
mod encryption;
mod faults;
mod in_memory;

use std::time::Duration;

use ivr::msml::{self, Collect, Command, Dialog, DtmfEnd, JoinStreams, Notice, Pattern, PlayEnd, parse_notice};
use media::g711::Law;
use media::sdp::{self, negotiation};
use sip::StatusCode;
use sip::agent::{Event, Release, Session};

use super::node::call_data::CallData;
use bench::{Bench, Phone, limits};

fn start(connection: &str, dialog: Dialog) -> Command {
    Command::DialogStart { connection: connection.to_owned(), name: Some("t1".to_owned()), dialog }
}

#[test]
fn two_legs_of_a_conference_hear_each_other_across_the_laws() {
    let mut bench = Bench::new(23_000..=23_019, limits());
    let (mut alice, mut bob) = (Phone::new(Law::Mu), Phone::new(Law::A));
    bench.call("conf=1f", &mut alice);
    bench.call("conf=1f", &mut bob);
    alice.say(Law::Mu.encode(3_000));
    let (payload_type, payload) = bob.hear();
    assert_eq!(payload_type, 8);
    assert!(payload.iter().all(|code| (i32::from(Law::A.decode(*code)) - 3_000).abs() < 200));
    bob.say(Law::A.encode(-700));
    assert_eq!(alice.hear().0, 0);
}

#[test]
fn an_invite_without_an_offer_is_offered_the_law_of_the_other_member() {
    let mut bench = Bench::new(23_020..=23_039, limits());
    let (mut alice, mut bob) = (Phone::new(Law::A), Phone::new(Law::A));
    bench.call("conf=2", &mut alice);
    let dialog = bench.invite("conf=2", None);
    let offer = match bench.answered(dialog) {
        Session::Offer(offer) => sdp::parse(&offer).unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(offer.audio().unwrap().formats, ["8", "0", "9", "111", "101", "110"]);
    let (answer, _) = negotiation::answer(&offer, &bob.local(), bob.preference()).unwrap();
    bob.to = offer.audio().unwrap().port;
    bench.ack(dialog, answer.to_string());
    bob.say(0x55);
    assert_eq!(alice.hear(), (8, vec![0x55; 160]));
    alice.say(0x2A);
    assert_eq!(bob.hear(), (8, vec![0x2A; 160]));
}

#[test]
fn the_owners_codecs_hold_for_offers_and_for_what_is_taken() {
    let mut bench = Bench::new(23_900..=23_919, limits());
    let offered = |bench: &mut Bench, codecs: &str| {
        let dialog = bench.invite(&format!("conf=2d;codecs={codecs}"), None);
        match bench.answered(dialog) {
            Session::Offer(offer) => sdp::parse(&offer).unwrap().audio().unwrap().formats.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(offered(&mut bench, "PCMA+PCMU"), ["8", "0", "101"]);
    assert_eq!(offered(&mut bench, "PCMA"), ["8", "101"]);
    assert_eq!(offered(&mut bench, "opus+G722+PCMA"), ["111", "9", "8", "101", "110"]);
    let phone = Phone::new(Law::Mu).local();
    let mu_only = negotiation::offer(&phone, sdp::Preference::default(), &[media::codec::Codec::Pcmu]);
    let refused = bench.invite("conf=2e;codecs=PCMA", Some(mu_only.to_string()));
    assert_eq!(bench.failed(refused), StatusCode::NOT_ACCEPTABLE_HERE);
}

#[test]
fn the_owner_gets_the_keys_for_a_phone_that_has_them_by_info_and_a_successor_knows_that() {
    let mut bench = Bench::new(23_880..=23_899, limits());
    let (mut alice, mut bob) = (Phone::new(Law::Mu), Phone::new(Law::Mu));
    bench.call("conf=2f", &mut alice);
    let dialog = bench.invite("conf=2f;codecs=PCMU;dtmf=info", Some(bob.offer().to_string()));
    match bench.answered(dialog) {
        Session::Answer(answer) => {
            let answer = sdp::parse(&answer).unwrap();
            assert_eq!(answer.audio().unwrap().formats, ["0"], "no telephone-event");
            bob.to = answer.audio().unwrap().port;
        }
        other => panic!("{other:?}"),
    }
    alice.press('4');
    let key = bench.told_key(dialog);
    assert!(key.starts_with("Signal=4\r\nDuration="), "{key}");
    bench.restart();
    alice.press('#');
    let key = bench.told_key(dialog);
    assert!(key.starts_with("Signal=#\r\n"), "{key}");
}

#[test]
fn where_keys_go_otherwise_no_telephone_event_is_offered() {
    let mut bench = Bench::new(23_860..=23_879, limits());
    for (way, formats) in [("events", ["0", "101"].as_slice()), ("tones", ["0"].as_slice()), ("info", ["0"].as_slice())]
    {
        let dialog = bench.invite(&format!("conf=2g;codecs=PCMU;dtmf={way}"), None);
        match bench.answered(dialog) {
            Session::Offer(offer) => {
                assert_eq!(sdp::parse(&offer).unwrap().audio().unwrap().formats, formats, "{way}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_prompt_is_heard_as_it_is_and_its_end_is_told() {
    let mut bench = Bench::new(23_040..=23_059, limits());
    let mut phone = Phone::new(Law::Mu);
    let dialog = bench.call("conf=3", &mut phone);
    let connection = bench.connection(dialog);
    let result = bench.msml(dialog, &[start(&connection, Dialog::announcement(["prompt:ready"]))]);
    assert_eq!((result.code, result.dialogs.len()), (200, 1));
    let prompt = bench.prompt("prompt:ready");
    let mut heard = Vec::new();
    while heard.len() < prompt.len() {
        heard.extend(phone.hear().1.into_iter().map(|code| Law::Mu.decode(code)));
    }
    let expected: Vec<i16> = prompt.iter().map(|s| Law::Mu.decode(Law::Mu.encode(*s))).collect();
    assert_eq!(heard[..expected.len()], expected);
    let exit = bench.notice(dialog);
    assert!(exit.is_dialog_exit());
    assert_eq!((exit.dialog(), exit.play_end()), (Some("t1"), Some(PlayEnd::Complete)));
}

#[test]
fn digits_interrupt_the_prompt_and_come_back() {
    let mut bench = Bench::new(23_060..=23_079, limits());
    let mut phone = Phone::new(Law::Mu);
    let dialog = bench.call("conf=4", &mut phone);
    let connection = bench.connection(dialog);
    let collect = Collect::new(Pattern { min: 1, max: 8, return_key: Some('#') });
    let menu = Dialog::prompt_and_collect(["prompt:menu"], collect);
    assert_eq!(bench.msml(dialog, &[start(&connection, menu)]).code, 200);
    phone.hear();
    "42#".chars().for_each(|key| phone.press(key));
    let exit = bench.notice(dialog);
    assert_eq!((exit.digits(), exit.dtmf_end()), (Some("42"), Some(DtmfEnd::Match)));
}

#[test]
fn keys_are_heard_by_the_numbers_of_our_offer_though_the_phone_answers_with_its_own() {
    let mut bench = Bench::new(23_960..=23_979, limits());
    let mut phone = Phone::new(Law::Mu);
    let dialog = bench.invite("conf=4a", None);
    match bench.answered(dialog) {
        Session::Offer(offer) => phone.to = sdp::parse(&offer).unwrap().audio().unwrap().port,
        other => panic!("{other:?}"),
    }
    bench.ack(dialog, "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n".to_owned());
    let answer = phone.offer().to_string().replace("101", "96");
    assert!(answer.contains("rtpmap:96 telephone-event/8000"), "{answer}");
    bench.reinvite(dialog, answer);
    let connection = bench.connection(dialog);
    let collect = Collect::new(Pattern { min: 1, max: 2, return_key: None });
    assert_eq!(
        bench.msml(dialog, &[start(&connection, Dialog::prompt_and_collect(["prompt:menu"], collect))]).code,
        200
    );
    phone.hear();
    "42".chars().for_each(|key| phone.press(key));
    assert_eq!(bench.notice(dialog).digits(), Some("42"));
}

#[test]
fn an_echo_begins_and_ends_by_join_and_unjoin() {
    let mut bench = Bench::new(23_080..=23_099, limits());
    let mut phone = Phone::new(Law::Mu);
    let dialog = bench.call("msml", &mut phone);
    let connection = bench.connection(dialog);
    assert_eq!(bench.msml(dialog, &[Command::Echo { connection: connection.clone() }]).code, 200);
    phone.say(0x11);
    assert_eq!(phone.hear(), (0, vec![0x11; 160]));
    assert_eq!(bench.msml(dialog, &[Command::EndEcho { connection: connection.clone() }]).code, 200);
    assert_eq!(bench.msml(dialog, &[Command::EndEcho { connection }]).code, 430);
}

#[test]
fn a_leg_is_moved_between_the_rooms_of_its_call_and_no_others() {
    let mut bench = Bench::new(23_300..=23_319, limits());
    let (mut alice, mut bob) = (Phone::new(Law::Mu), Phone::new(Law::Mu));
    let dialog = bench.call("conf=a5", &mut alice);
    bench.call("conf=a5.1", &mut bob);
    let connection = bench.connection(dialog);
    let join = |conference: &str| Command::Join {
        connection: connection.clone(),
        conference: conference.to_owned(),
        streams: JoinStreams::Both,
    };
    assert_eq!(bench.msml(dialog, &[join("b7")]).code, 440, "another call's");
    assert_eq!(bench.msml(dialog, &[join("a5.1")]).code, 200);
    alice.say(0x21);
    assert_eq!(bob.hear(), (0, vec![0x21; 160]));
    bench.restart();
    alice.say(0x22);
    assert_eq!(bob.hear(), (0, vec![0x22; 160]), "the next run has it where it was");
    let unjoin =
        |conference: &str| Command::Unjoin { connection: connection.clone(), conference: conference.to_owned() };
    assert_eq!(bench.msml(dialog, &[unjoin("a5")]).code, 430);
    assert_eq!(bench.msml(dialog, &[unjoin("a5.1")]).code, 200);
}

#[test]
fn an_announcement_plays_and_hangs_up() {
    let mut bench = Bench::new(23_100..=23_119, limits());
    let mut phone = Phone::new(Law::Mu);
    let dialog = bench.call("annc;play=prompt:ready", &mut phone);
    phone.hear();
    let reason = bench.released(dialog);
    assert!(matches!(reason, Release::ByPeer(_)), "{reason:?}");
    bench.settle();
    assert_eq!(bench.node.legs(), 0);
}

#[test]
fn what_cannot_be_is_refused_with_its_status() {
    let mut small = limits();
    small.legs_max = 6;
    let mut bench = Bench::new(23_120..=23_129, small);
    let phone = Phone::new(Law::Mu);
    let offer = || Some(phone.offer().to_string());
    let cases = [
        (bench.invite("ivr", offer()), 404),
        (bench.invite("annc;play=prompt:unknown", offer()), 404),
        (bench.invite("annc;play=../../key", offer()), 404),
        (bench.invite("annc", offer()), 400),
        (bench.invite("conf=1", Some("nonsense".to_owned())), 400),
        (bench.invite("conf=1", Some(phone.offer().to_string().replace("RTP/AVP 0 8 101", "RTP/AVP 18"))), 488),
        (bench.invite_of(None, "conf=1", offer()), 403),
    ];
    for (dialog, status) in cases {
        assert_eq!(bench.failed(dialog), StatusCode(status));
    }
    assert_eq!((bench.node.legs(), bench.node.driver.ports().free()), (0, 5), "nothing is left behind");
    // Five legs use up the ports.
    for _ in 0..4 {
        let dialog = bench.invite("conf=1", offer());
        bench.answered(dialog);
    }
    let fifth = bench.invite("conf=2", offer());
    bench.answered(fifth);
    let sixth = bench.invite("conf=2", offer());
    assert_eq!(bench.failed(sixth), StatusCode::SERVICE_UNAVAILABLE);
    bench.node.drain();
    bench.bye(fifth);
    let late = bench.invite("conf=2", offer());
    assert_eq!(bench.failed(late), StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn hold_and_resume_are_answered_and_the_version_follows() {
    let mut bench = Bench::new(23_140..=23_159, limits());
    let mut phone = Phone::new(Law::Mu);
    let dialog = bench.call("conf=5", &mut phone);
    let directions: Vec<(String, u64)> = ["sendonly", "sendonly", "inactive", "sendrecv"]
        .into_iter()
        .map(|ours| {
            let offer = phone.offer().to_string().replace("a=sendrecv", &format!("a={ours}"));
            let answer = sdp::parse(&bench.reinvite(dialog, offer)).unwrap();
            let direction = answer.direction_of(answer.audio().unwrap()).as_str().to_owned();
            (direction, answer.origin.version)
        })
        .collect();
    let expected = [("recvonly", 2), ("recvonly", 2), ("inactive", 3), ("sendrecv", 4)];
    assert_eq!(directions, expected.map(|(direction, version)| (direction.to_owned(), version)));
}

#[test]
fn a_phone_that_falls_silent_is_told_to_the_owner() {
    let mut short = limits();
    short.quiet_after = Duration::from_millis(200);
    let mut bench = Bench::new(23_160..=23_179, short);
    let mut phone = Phone::new(Law::Mu);
    let dialog = bench.call("conf=6", &mut phone);
    phone.say(0x55);
    let notice = bench.notice(dialog);
    assert_eq!(notice.name, "trunkline.no-rtp");
    assert_eq!(notice.values, [("held".to_owned(), "false".to_owned())]);
    assert_eq!(notice.connection(), Some(bench.connection(dialog).as_str()));
}

#[test]
fn a_bad_request_body_is_answered_with_the_languages_own_code() {
    let mut bench = Bench::new(23_180..=23_199, limits());
    let mut phone = Phone::new(Law::Mu);
    let dialog = bench.call("conf=7", &mut phone);
    let (status, body) = bench.info(dialog, "application/msml+xml", "<msml version=\"1.1\"><record/></msml>");
    assert_eq!(status, StatusCode::OK);
    match parse_notice(&body).unwrap() {
        Notice::Result(result) => assert_eq!(result.code, 401),
        Notice::Event(event) => panic!("{event:?}"),
    }
    let (status, _) = bench.info(dialog, "text/plain", "hello");
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[test]
fn the_tag_names_this_node_and_a_bye_frees_the_ports() {
    let mut bench = Bench::new(23_200..=23_209, limits());
    let mut phone = Phone::new(Law::Mu);
    let dialog = bench.call("conf=0000000000000abc", &mut phone);
    let tag = bench.remote_tag(dialog);
    let seal = sip::Seal::new(&[7; 32]);
    let opened = sip::LocalTag::decode(&tag, &seal).unwrap();
    assert_eq!((opened.owner.to_string(), opened.call), ("media-1.1".to_owned(), model::ConnId(0xABC)));
    bench.bye(dialog);
    assert_eq!(bench.node.legs(), 0);
    phone.say(1);
    // The thread has processed the order once it has answered the next one.
    let again = bench.call("conf=8", &mut phone);
    bench.bye(again);
    assert!(bench.events().iter().all(|event| !matches!(event, Event::Failed { .. })));
}

#[test]
fn the_next_life_of_a_node_goes_on_with_ports_stream_and_music() {
    let mut bench = Bench::new(23_220..=23_239, limits());
    let (mut alice, mut bob) = (Phone::new(Law::Mu), Phone::new(Law::Mu));
    let dialog = bench.call("conf=9", &mut alice);
    bench.call("conf=9", &mut bob);
    let connection = bench.connection(dialog);
    assert_eq!(bench.msml(dialog, &[start(&connection, Dialog::looped(["prompt:music"]))]).code, 200);
    let before = (0..10).map(|_| alice.packet().0).next_back().unwrap();
    bench.restart();
    // Packets in flight at the end of the previous run come first.
    let after = std::iter::repeat_with(|| alice.packet().0)
        .find(|header| media::rtp::distance(before.sequence, header.sequence) > 0)
        .unwrap();
    assert_eq!((after.ssrc, after.payload_type), (before.ssrc, 0));
    assert!(after.timestamp.wrapping_sub(before.timestamp) >= 160);
    // The relay continues, and the owner's dialog still exists.
    alice.say(0x33);
    assert_eq!(bob.hear(), (0, vec![0x33; 160]));
    let end = Command::DialogEnd { connection, name: "t1".to_owned() };
    assert_eq!(bench.msml(dialog, &[end]).code, 200);
    let exit = bench.notice(dialog);
    assert_eq!((exit.dialog(), exit.play_end()), (Some("t1"), Some(PlayEnd::Terminated)));
    bench.bye(dialog);
    assert_eq!(bench.node.legs(), 1);
}

#[test]
fn a_request_that_waits_for_the_calls_data_is_answered_by_the_next_run() {
    let mut bench = Bench::new(23_960..=23_979, limits());
    let mut alice = Phone::new(Law::Mu);
    let dialog = bench.call("conf=016a02b3c1d2e4f5", &mut alice);
    let connection = bench.connection(dialog);
    let play = start(&connection, Dialog::announcement(["prompt:{desk|ready}"]));
    let sent = bench.send_info(dialog, msml::CONTENT_TYPE, &msml::build_request(&[play]));
    bench.settle();
    bench.node.poll_question().expect("it asks for the call's data");
    bench.restart();
    bench.settle();
    let question = bench.node.poll_question().expect("it asks again");
    bench.node.call_data_came(question.dialog, &CallData::new(), bench.now());
    assert_eq!(bench.responded(sent).0, StatusCode::OK);
}

#[test]
fn a_call_that_is_here_goes_on_while_the_node_drains() {
    let mut bench = Bench::new(23_240..=23_259, limits());
    let (mut alice, mut bob) = (Phone::new(Law::Mu), Phone::new(Law::Mu));
    bench.call("conf=a1", &mut alice);
    bench.node.drain();
    bench.call("conf=a1", &mut bob);
    alice.say(0x33);
    assert_eq!(bob.hear(), (0, vec![0x33; 160]), "who answers now is heard");
    let late = bench.invite("conf=a2", Some(alice.offer().to_string()));
    assert_eq!(bench.failed(late), StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn a_leg_whose_owner_has_hung_up_meanwhile_ends_in_the_next_life() {
    let mut bench = Bench::new(23_260..=23_279, limits());
    let mut phone = Phone::new(Law::Mu);
    bench.call("conf=b1", &mut phone);
    bench.owner_forgets();
    bench.restart();
    assert_eq!(bench.node.legs(), 0);
}
