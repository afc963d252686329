//! The most that a peer may add to one dialog, and the answers beyond that.

use std::time::Duration;

use sip::agent::{
    Body, CommandError, DIALOG_BYTES_MAX, DialogId, Event, IncomingId, Provisionals, Reply, Restore, UserAgent,
};
use sip::header::HeaderName;
use sip::{Message, Method, StatusCode};

use crate::pair::{Dice, Wire, invite};
use crate::victim::{Request, Victim};

const S: Duration = Duration::from_secs(1);

fn size(victim: &Victim, dialog: DialogId) -> usize {
    victim.agent.snapshot(&[dialog]).iter().map(sip::agent::DialogSnapshot::bytes).sum()
}

/// A victim that calls; returns its dialog and its INVITE.
fn calling(provisionals: Provisionals) -> (Victim, DialogId, Message) {
    let mut victim = Victim::new(sip::agent::AgentConfig::default());
    let dialog = victim.agent.invite(invite(Wire::Udp, Some("offer"), provisionals), victim.now).expect("room");
    victim.drain();
    let sent = victim.sent[0].clone();
    (victim, dialog, sent)
}

fn response(invite: &Message, status: u16, fork: &str) -> sip::Builder {
    Message::response_to(invite, StatusCode(status))
        .to_tag(fork)
        .header(&HeaderName::Contact, format_args!("<sip:{fork}@192.0.2.66>"))
}

fn info(cseq: u64, body: &str) -> Message {
    let branch = format!("z9hG4bKinfo{cseq}");
    Request { method: "INFO", cseq, branch: &branch, to_tag: "bob-tag", body, ..Request::default() }.message()
}

fn answered() -> (Victim, DialogId) {
    let mut victim = Victim::new(sip::agent::AgentConfig::default());
    let dialog = victim.answered(&Request { body: "offer", ..Request::default() });
    (victim, dialog)
}

#[test]
fn infos_that_wait_take_their_share_and_no_more() {
    let (mut victim, dialog) = answered();
    let body = "x".repeat(32_000);
    for cseq in 2..=17 {
        victim.receive(info(cseq, &body));
        assert!(size(&victim, dialog) <= DIALOG_BYTES_MAX, "{} bytes", size(&victim, dialog));
    }
    let waiting: Vec<IncomingId> = victim
        .events
        .iter()
        .filter_map(|event| if let Event::Info { request, .. } = event { Some(*request) } else { None })
        .collect();
    assert_eq!(waiting.len(), 2);
    let refused = victim.sent.last().expect("the last was refused");
    assert_eq!(refused.status(), Some(StatusCode::SERVER_INTERNAL_ERROR));
    assert!(refused.retry_after().expect("it is a number").is_some());
    assert_eq!(victim.agent.bounds_reached().oversized, 14);
    for request in waiting {
        victim.agent.respond(request, Reply::new(StatusCode::OK), victim.now).expect("it waits");
    }
    victim.receive(info(18, &body));
    assert!(matches!(victim.events.last(), Some(Event::Info { .. })), "there is room again");
}

#[test]
fn a_request_that_no_dialog_may_keep_is_refused_for_itself() {
    let (mut victim, dialog) = answered();
    victim.receive(info(2, &"x".repeat(33_000)));
    assert_eq!(victim.sent.last().and_then(Message::status), Some(StatusCode::REQUEST_ENTITY_TOO_LARGE));
    let headers = format!("X-Long: {}\r\n", "x".repeat(9_000));
    let long =
        Request { method: "INFO", cseq: 3, branch: "z9hG4bKlong", to_tag: "bob-tag", headers: &headers, body: "" };
    victim.receive(long.message());
    assert_eq!(victim.sent.last().and_then(Message::status), Some(StatusCode::MESSAGE_TOO_LARGE));
    let body = "x".repeat(17_000);
    let offer = Request { cseq: 4, branch: "z9hG4bKoffer", to_tag: "bob-tag", body: &body, ..Request::default() };
    victim.receive(offer.message());
    assert_eq!(victim.sent.last().and_then(Message::status), Some(StatusCode::REQUEST_ENTITY_TOO_LARGE));
    victim.receive(info(5, "5"));
    assert!(matches!(victim.events.last(), Some(Event::Info { .. })), "the dialog stands");
    let bye = Request { method: "BYE", cseq: 6, branch: "z9hG4bKbye", to_tag: "bob-tag", headers: &headers, body: "" };
    victim.receive(bye.message());
    assert!(victim.agent.leg(dialog).is_none(), "who leaves is let go");
}

#[test]
fn a_call_that_no_dialog_may_keep_is_refused_before_it_begins() {
    let routes = format!("Record-Route: <sip:{}@p.example.net;lr>\r\n", "r".repeat(100)).repeat(40);
    let long = format!("X-Long: {}\r\n", "x".repeat(9_000));
    let body = "x".repeat(17_000);
    for (headers, body, status) in
        [(&*routes, "offer", 513), (&*long, "offer", 513), ("", &*body, 413), ("X-Short: 1\r\n", "offer", 0)]
    {
        let mut victim = Victim::new(sip::agent::AgentConfig::default());
        victim.receive(Request { headers, body, ..Request::default() }.message());
        assert_eq!(victim.sent.last().and_then(Message::status).map_or(0, StatusCode::code), status);
        assert_eq!(victim.agent.dialogs(), usize::from(status == 0));
    }
}

#[test]
fn forks_are_kept_as_far_as_there_is_room_and_the_call_is_answered_by_any() {
    let (mut victim, dialog, sent) = calling(Provisionals::Reliable);
    for fork in 0..40 {
        let mut ringing = response(&sent, 180, &format!("long{fork}"));
        for hop in 0..16 {
            ringing = ringing
                .header(&HeaderName::RecordRoute, format_args!("<sip:{}@{hop}.example.net;lr>", "r".repeat(3_000)));
        }
        victim.receive(ringing.build());
        let mut usual = response(&sent, 183, &format!("usual{fork}"));
        for hop in 0..16 {
            usual =
                usual.header(&HeaderName::RecordRoute, format_args!("<sip:{}@{hop}.example.net;lr>", "r".repeat(200)));
        }
        let usual = usual.header(&HeaderName::Require, "100rel").header(&HeaderName::RSeq, 1);
        victim.receive(usual.body("application/sdp", "x".repeat(15_000)).build());
        victim.receive(usual_progress(&sent, fork));
        assert!(size(&victim, dialog) <= DIALOG_BYTES_MAX, "{} bytes", size(&victim, dialog));
    }
    let forks = victim.agent.leg(dialog).and_then(|leg| leg.outgoing.as_ref()).map_or(0, |o| o.forks.len());
    assert!((1..=16).contains(&forks), "{forks}");
    victim.receive(response(&sent, 200, "late").body("application/sdp", "answer").build());
    assert!(matches!(victim.events.last(), Some(Event::Answered { .. })));
}

fn usual_progress(sent: &Message, fork: u32) -> Message {
    response(sent, 180, &format!("short{fork}")).header(&HeaderName::RecordRoute, "<sip:p.example.net;lr>").build()
}

#[test]
fn reliable_progress_without_end_whose_pracks_nobody_answers_is_bounded() {
    let (mut victim, dialog, sent) = calling(Provisionals::Reliable);
    for rseq in 1..200 {
        let progress =
            response(&sent, 183, "one").header(&HeaderName::Require, "100rel").header(&HeaderName::RSeq, rseq);
        victim.receive(progress.build());
        assert!(size(&victim, dialog) <= DIALOG_BYTES_MAX);
        assert!(victim.agent.leg(dialog).expect("it rings").requests.len() <= 16);
    }
    assert!(victim.requests(Method::Prack) <= 16);
}

#[test]
fn two_hundred_forks_that_answer_do_not_get_a_transaction_each() {
    let (mut victim, dialog, sent) = calling(Provisionals::Plain);
    for fork in 0..200 {
        victim.receive(response(&sent, 200, &format!("fork{fork}")).body("application/sdp", "answer").build());
        assert!(size(&victim, dialog) <= DIALOG_BYTES_MAX);
    }
    assert!(victim.requests(Method::Bye) <= 8, "{} BYEs", victim.requests(Method::Bye));
    assert!(victim.agent.transactions().0 <= 10);
}

#[test]
fn our_own_requests_wait_in_bounds_too() {
    let (mut victim, dialog) = answered();
    let mut sent = 0;
    loop {
        let body = Body::new("text/plain", "x".repeat(20_000));
        match victim.agent.info(dialog, body, Vec::new(), victim.now) {
            Ok(_) => sent += 1,
            Err(error) => {
                assert!(matches!(error, CommandError::WrongState(_)));
                break;
            }
        }
        victim.drain();
        assert!(size(&victim, dialog) <= DIALOG_BYTES_MAX);
    }
    assert!((3..=4).contains(&sent), "{sent}: each is kept once");
    victim.agent.bye(dialog, Vec::new(), victim.now).expect("it can be left all the same");
    victim.drain();
    victim.run(64 * S);
    assert_eq!((victim.agent.dialogs(), victim.agent.transactions()), (0, (0, 0)));
}

#[test]
fn a_record_that_has_messages_twice_as_earlier_releases_wrote_it_goes_on() {
    let (mut victim, dialog) = answered();
    victim.agent.info(dialog, Body::new("text/plain", "5"), Vec::new(), victim.now).expect("it stands");
    victim.drain();
    let request = victim.sent.last().expect("the INFO").to_bytes();
    let snapshot = victim.agent.snapshot(&[dialog]);
    assert!(snapshot[0].leg.requests[0].request.is_empty(), "it stands with its transaction");
    let mut earlier = snapshot.clone();
    earlier[0].leg.requests[0].request = request;
    let mut successor = UserAgent::new(victim.config.clone(), Box::new(Dice::new(1)));
    let ids = successor.restore(earlier, Restore::UNCHANGED, victim.now).expect("a fresh agent has room");
    assert_eq!(successor.snapshot(&ids), snapshot);
}

#[test]
fn a_phone_that_does_not_know_a_notify_rings_on() {
    let (mut victim, dialog, sent) = calling(Provisionals::Plain);
    victim.receive(usual_progress(&sent, 0));
    let headers = vec![(HeaderName::Event, "talk".to_owned())];
    victim.agent.notify_ringing(dialog, &headers, victim.now).expect("it rings");
    victim.drain();
    let notify = victim.sent.last().expect("the NOTIFY").clone();
    victim.receive(Message::response_to(&notify, StatusCode::CALL_DOES_NOT_EXIST).build());
    assert!(matches!(victim.events.last(), Some(Event::Responded { .. })));
    assert_eq!((victim.requests(Method::Bye), victim.agent.dialogs()), (0, 1));
    victim.receive(response(&sent, 200, "short0").body("application/sdp", "answer").build());
    assert!(matches!(victim.events.last(), Some(Event::Answered { .. })));
}
