//! An INVITE with a location beside its session: both sides, a challenge, later INVITEs, a refusal of what it carries.

use std::time::Duration;

use sip::agent::{Event, Invite, Provisionals, Reply};
use sip::header::HeaderName;
use sip::location::{GEOLOCATION, Geolocation};
use sip::{Message, Method, StatusCode};

use crate::pair::{ALICE, BOB, Pair, Wire, bob_identity, invite};

const SOON: Duration = Duration::from_millis(100);
const DOCUMENT: &str = "<presence><location-info><civicAddress/></location-info></presence>";

/// Alice calls and says where she is.
fn calls(pair: &mut Pair) -> sip::agent::DialogId {
    let (headers, part) = Geolocation { document: DOCUMENT.into(), may_route: Some(true) }.attach("1@alice".to_owned());
    let now = pair.now();
    let call = Invite { headers, parts: vec![part], ..invite(Wire::Stream, Some("offer"), Provisionals::Plain) };
    let alice = pair.agent(ALICE).invite(call, now).expect("a fresh agent has room");
    pair.run(SOON);
    alice
}

/// What Bob was told, by INVITE that begins a call: the session, and the location.
fn told(pair: &Pair) -> Vec<(Vec<u8>, Option<Geolocation>)> {
    let incoming = pair.events(BOB).iter().filter_map(|event| match event {
        Event::Incoming { request, location, .. } => Some((request.body().to_vec(), location.clone())),
        _ => None,
    });
    incoming.collect()
}

fn sent_invites(pair: &Pair) -> Vec<Message> {
    let sent = pair.peers[usize::from(ALICE)].sent.iter().map(|(_, message)| message.clone());
    sent.filter(|message| message.is_request() && message.method() == Method::Invite).collect()
}

#[test]
fn the_session_and_the_location_arrive_and_later_invites_have_the_session_alone() {
    let mut pair = Pair::perfect(Wire::Stream);
    let alice = calls(&mut pair);
    let [(session, Some(location))] = &*told(&pair) else { panic!("one call with a location") };
    assert_eq!((&**session, &*location.document, location.may_route), (&b"offer"[..], DOCUMENT.as_bytes(), Some(true)));
    let (bob, now) = (pair.incoming(), pair.now());
    pair.agent(BOB).identify(bob, bob_identity()).unwrap();
    pair.agent(BOB).answer(bob, Reply::session("answer"), now).unwrap();
    pair.run(SOON);
    assert!(pair.events(ALICE).iter().any(|event| matches!(event, Event::Answered { .. })));
    let now = pair.now();
    pair.agent(ALICE).reinvite(alice, Some("another".into()), Vec::new(), now).unwrap();
    pair.run(SOON);
    let [first, second] = &*sent_invites(&pair) else { panic!("two INVITEs") };
    let kind = |message: &Message| message.content_type().unwrap().unwrap().kind.to_owned();
    assert_eq!((kind(first).as_str(), first.header(&HeaderName::MimeVersion)), ("multipart", Some("1.0")));
    assert_eq!((kind(second).as_str(), second.body()), ("application", &b"another"[..]));
    assert_eq!(second.header(&GEOLOCATION), None);
}

#[test]
fn a_refusal_of_what_it_carries_lets_the_call_through_without_the_location() {
    for status in [
        StatusCode::REQUEST_ENTITY_TOO_LARGE,
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        StatusCode::BAD_LOCATION_INFORMATION,
        StatusCode::MESSAGE_TOO_LARGE,
    ] {
        let mut pair = Pair::perfect(Wire::Stream);
        calls(&mut pair);
        let (bob, now) = (pair.incoming(), pair.now());
        pair.agent(BOB).reject(bob, status.into(), now).unwrap();
        pair.run(SOON);
        let told = told(&pair);
        let [(_, Some(_)), (session, None)] = &*told else { panic!("two INVITEs after {status}: {told:?}") };
        assert_eq!(&**session, b"offer");
        let failed = |event: &Event| matches!(event, Event::Failed { .. });
        assert!(!pair.events(ALICE).iter().any(failed), "the call goes on");
        let refused = pair.events(ALICE).iter().filter_map(|event| match event {
            Event::LocationRefused { status, .. } => Some(*status),
            _ => None,
        });
        assert_eq!(refused.collect::<Vec<_>>(), [status]);
    }
}

#[test]
fn a_refusal_for_another_reason_ends_the_call() {
    let mut pair = Pair::perfect(Wire::Stream);
    calls(&mut pair);
    let (bob, now) = (pair.incoming(), pair.now());
    pair.agent(BOB).reject(bob, StatusCode::BUSY_HERE.into(), now).unwrap();
    pair.run(SOON);
    assert_eq!(told(&pair).len(), 1);
    assert!(matches!(pair.events(ALICE).last(), Some(Event::Failed { status: StatusCode::BUSY_HERE, .. })));
}
