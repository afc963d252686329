//! Changes of a session that meet each other, are taken back, or come with a refresh: messages that our own user agent does not send as a
//! phone are written by hand.

use std::time::Duration;

use model::ConnId;
use model::request::RequestKind;
use sip::agent::Event;
use sip::{HeaderName, Message, Method};

use super::bench::{Bench, MEDIA_SDP, PHONE_SDP, Peer, phone};
use super::calls::{request, talking};

/// Where the phone's audio is after it has moved.
fn moved() -> String {
    PHONE_SDP.replace("4000", "4002").replace("o=- 1 1", "o=- 1 2")
}

fn lines(message: &Message, name: &HeaderName) -> String {
    message.headers(name).map(|value| format!("{name}: {value}\r\n")).collect()
}

/// What the phone sends by hand: a first line, the headers that name the transaction of a message, others and a session.
fn by_hand(of: &Message, first_line: &str, method: &Method, further: &str, session: &str) -> Message {
    let number = of.cseq().expect("a CSeq").number;
    let named = [HeaderName::Via, HeaderName::From, HeaderName::CallId].map(|name| lines(of, &name)).concat();
    let mut to = lines(of, &HeaderName::To).trim_end().to_owned();
    if !to.contains(";tag=") {
        to.push_str(";tag=by-hand");
    }
    let kind = if session.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let text = format!(
        "{first_line}\r\n{named}{to}\r\nCSeq: {number} {}\r\n{further}{kind}Content-Length: {}\r\n\r\n{session}",
        method.as_str(),
        session.len()
    );
    Message::parse(text.into()).expect("a message")
}

/// A phone without UPDATE: it answers each request by hand with 200, an INVITE with a session.
fn answer_by_hand(bench: &mut Bench, session: &str) -> usize {
    let mut answered = 0;
    for message in std::mem::take(&mut bench.unheard).into_iter().filter(Message::is_request) {
        let method = message.method();
        if method == Method::Ack {
            continue;
        }
        let is_invite = method == Method::Invite;
        let further = "Contact: <sip:7101@192.0.2.7>\r\nSession-Expires: 90;refresher=uac\r\n";
        let (further, session) = if is_invite { (further, session) } else { ("", "") };
        let reply = by_hand(&message, "SIP/2.0 200 OK", &method, further, session);
        bench.node.receive(reply, bench.link, bench.now);
        bench.run();
        answered += usize::from(is_invite);
    }
    answered
}

fn told_last(bench: &Bench) -> Option<&[u8]> {
    bench.media_told.last().map(AsRef::as_ref)
}

#[test]
fn media_is_told_where_the_audio_is_that_a_refresh_has_moved() {
    let mut bench = Bench::new();
    bench.mute.push(Peer::Phone);
    bench.call("7101", phone(60_000));
    assert_eq!(answer_by_hand(&mut bench, PHONE_SDP), 1);
    assert_eq!(told_last(&bench), Some(PHONE_SDP.as_bytes()));
    let mut refreshed = 0;
    for _ in 0..60 {
        bench.pass(Duration::from_secs(1));
        refreshed += answer_by_hand(&mut bench, &moved());
    }
    assert!(refreshed > 0, "the session was refreshed by INVITE");
    assert_eq!(told_last(&bench), Some(moved().as_bytes()));
    assert_eq!(bench.node.calls(), 1, "{:?}", bench.story);
}

/// A phone has cancelled an offer which media has not answered yet.
fn cancelled() -> (Bench, ConnId) {
    let (mut bench, conn_id) = talking();
    let (dialog, now) = (bench.phone_dialog.expect("a dialog"), bench.now);
    bench.media_waits = Some(Vec::new());
    bench.agent(Peer::Phone).reinvite(dialog, Some(moved().into()), Vec::new(), now).expect("a dialog");
    bench.run();
    let invite = bench.heard.iter().rev().find(|message| message.is_request() && message.method() == Method::Invite);
    let invite = invite.expect("the offer").clone();
    let first_line = format!("CANCEL {} SIP/2.0", invite.request_uri().expect("a target"));
    bench.node.receive(by_hand(&invite, &first_line, &Method::Cancel, "", ""), bench.link, bench.now);
    bench.run();
    assert!(bench.saw(Peer::Phone, |event| matches!(event, Event::Refused { status, .. } if status.0 == 487)));
    (bench, conn_id)
}

#[test]
fn our_own_offer_is_not_taken_for_the_one_that_the_phone_has_cancelled() {
    let (mut bench, conn_id) = cancelled();
    bench.mute.push(Peer::Phone);
    bench.node.request(request(conn_id, "7101", RequestKind::HoldCall), bench.now).expect("the call is here");
    bench.run();
    bench.media_answers();
    assert_eq!(told_last(&bench), Some(PHONE_SDP.as_bytes()), "media goes back");
    assert!(!bench.story.contains(&"Held@7101".to_owned()), "the phone has not answered: {:?}", bench.story);
    let ours = bench.unheard.iter().rev().find(|message| message.method() == Method::Invite);
    let refusal = by_hand(ours.expect("our offer"), "SIP/2.0 488 Not Acceptable Here", &Method::Invite, "", "");
    bench.node.receive(refusal, bench.link, bench.now);
    bench.run();
    assert!(!bench.story.contains(&"Held@7101".to_owned()), "it has refused: {:?}", bench.story);
    assert_eq!(bench.node.calls(), 1);
}

#[test]
fn media_goes_back_to_the_session_before_an_offer_that_the_phone_cancels() {
    let (mut bench, _) = cancelled();
    bench.media_answers();
    assert_eq!(told_last(&bench), Some(PHONE_SDP.as_bytes()));
    assert_eq!(bench.node.calls(), 1, "{:?}", bench.story);
}

#[test]
fn an_offer_that_met_the_phones_own_is_made_anew_for_the_session_agreed_since() {
    let (mut bench, conn_id) = talking();
    let (dialog, now) = (bench.phone_dialog.expect("a dialog"), bench.now);
    // The phone offers while ours is on its way: both get 491, and each tries again.
    bench.mute.push(Peer::Phone);
    let hold = request(conn_id, "7101", RequestKind::HoldCall);
    bench.node.request(hold, bench.now).expect("the call is here");
    bench.run();
    bench.mute.clear();
    let ours = bench.unheard.iter().find(|message| message.method() == Method::Invite).expect("our offer").clone();
    let before = media::sdp::parse(ours.body()).expect("SDP").origin.version;
    let refusal = by_hand(&ours, "SIP/2.0 491 Request Pending", &Method::Invite, "", "");
    bench.node.receive(refusal, bench.link, bench.now);
    bench.media_waits = Some(Vec::new());
    bench.agent(Peer::Phone).reinvite(dialog, Some(moved().into()), Vec::new(), now).expect("a dialog");
    bench.run();
    let asked = bench.media_waits.take().unwrap_or_default()[0];
    let answer = format!("{MEDIA_SDP}a=ptime:20\r\n");
    bench.agent(Peer::Media).accept_offer(asked, answer.into(), now).expect("an offer");
    bench.run();
    let answered = bench.agent(Peer::Phone).leg(dialog).and_then(|leg| leg.offer_answer.remote().cloned());
    let answered = media::sdp::parse(&answered.expect("an answer")).expect("SDP").origin.version;
    assert_eq!(answered, before, "our answer has the version that our offer would have had");
    bench.pass(Duration::from_secs(5));
    let offered = bench.agent(Peer::Phone).leg(dialog).and_then(|leg| leg.offer_answer.open().cloned());
    let offered = offered.expect("the hold is offered again");
    assert_eq!(media::sdp::parse(&offered).expect("SDP").origin.version, answered + 1);
    let now = bench.now;
    bench.agent(Peer::Phone).accept_offer(dialog, PHONE_SDP.into(), now).expect("an offer");
    bench.run();
    assert_eq!(bench.story.last().map(String::as_str), Some("Held@7101"));
}
