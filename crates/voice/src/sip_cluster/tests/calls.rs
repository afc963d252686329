use infra::CallIndex;
use ivr::msml::{Command, Variable};
use model::plan::{Destination, Service};
use model::request::{RequestKind, RouteTo};
use model::{Dn, ReferenceId, Request, TenantId, UserData};
use sip::agent::{Event, Session};

use super::bench::{Bench, MEDIA_SDP, PHONE_SDP, Peer, phone, point};

pub fn request(conn_id: model::ConnId, this_dn: &str, kind: impl Fn(model::ConnId) -> RequestKind) -> Request {
    Request {
        tenant: TenantId::parse("t1").expect("a tenant"),
        requester: "ors/ors-1".to_owned(),
        reference: ReferenceId(4),
        this_dn: Dn::parse(this_dn).expect("a DN"),
        kind: kind(conn_id),
        reasons: UserData::new(),
        extensions: UserData::new(),
    }
}

/// A call from a trunk, routed to 7101, talking.
pub fn talking() -> (Bench, model::ConnId) {
    let mut bench = Bench::new();
    let conn_id = bench.call("9000", point());
    let route = request(conn_id, "9000", |id| {
        RequestKind::RouteCall(id, RouteTo::Dn { dn: Dn::parse("7101").expect("a DN"), agent: None })
    });
    bench.node.request(route, bench.now).expect("the call is here");
    bench.run();
    bench.plan(phone(15_000));
    bench.phone_rings();
    bench.phone_answers();
    (bench, conn_id)
}

#[test]
fn a_call_that_is_passed_on_has_fewer_hops_left() {
    let mut bench = Bench::new();
    bench.mute.push(Peer::Phone);
    bench.call("7101", phone(60_000));
    let invite = bench.unheard.iter().find(|message| message.method() == sip::Method::Invite).expect("an INVITE");
    assert_eq!(invite.max_forwards().expect("a number"), Some(sip::dialog::MAX_FORWARDS - 1));
}

#[test]
fn a_call_from_outside_begins_with_the_tenants_defaults_and_one_between_phones_does_not() {
    for (source, segment) in [("trunk;name=carrier", Some("Standard")), ("phone;dn=7102", None)] {
        let mut bench = Bench::new();
        bench.dial("9000", source);
        bench.plan(point());
        let facts = bench.writes.iter().flat_map(|write| &write.events);
        let mut told = facts.filter(|fact| fact.event.name == model::EventName::Queued);
        assert_eq!(told.next().map(|fact| fact.event.user_data.text("Segment")), Some(segment), "{source}");
    }
}

#[test]
fn an_echo_number_is_answered_with_medias_audio_and_echoes() {
    let mut bench = Bench::new();
    bench.call("+15550103", Destination::Service(Service::Echo));
    let answered = |event: &Event| matches!(event, Event::Answered { session: Session::Answer(sdp), .. } if sdp == MEDIA_SDP.as_bytes());
    assert!(bench.saw(Peer::Caller, answered));
    assert!(matches!(bench.played.as_slice(), [(_, Command::Echo { .. })]));
    bench.bye(Peer::Caller);
    assert!(bench.is_clear());
    assert_eq!(bench.story, ["CallDeleted"]);
}

#[test]
fn an_announcement_number_plays_and_hangs_up() {
    let mut bench = Bench::new();
    let prompts = vec!["announcement".to_owned()];
    bench.call("+15550104", Destination::Service(Service::Announcement { prompts }));
    bench.play_ends(&[(Variable::PlayEnd, "play.complete"), (Variable::PlayAmount, "4000ms")]);
    assert!(bench.saw(Peer::Caller, |event| matches!(event, Event::Released { .. })));
    assert!(bench.is_clear());
}

#[test]
fn a_routed_call_connects_phone_and_caller_through_media() {
    let (mut bench, _) = talking();
    let offered =
        |event: &Event| matches!(event, Event::Incoming { request, .. } if request.body() == MEDIA_SDP.as_bytes());
    assert!(bench.saw(Peer::Phone, offered), "the phone is offered media's audio");
    let local = {
        let dialog = bench.media_dialogs[1];
        bench.agent(Peer::Media).leg(dialog).expect("a dialog").offer_answer.remote().cloned()
    };
    assert_eq!(local.as_deref(), Some(PHONE_SDP.as_bytes()), "media has the phone's answer");
    bench.bye(Peer::Phone);
    assert!(bench.is_clear());
    assert_eq!(
        bench.story,
        [
            "Queued@9000",
            "RouteRequest@9000",
            "RouteUsed@9000",
            "Diverted@9000",
            "Ringing@7101",
            "Established@7101",
            "Released@7101",
            "CallDeleted"
        ]
    );
}

#[test]
fn a_new_call_is_stored_with_its_entry_for_the_application() {
    let mut bench = Bench::new();
    let conn_id = bench.call("9000", point());
    let first = bench.writes.first().expect("a write");
    assert!(matches!(first.change, infra::Change::Create { .. }));
    assert!(matches!(&first.index[..], [CallIndex::Invite(dialog)] if dialog.call_id == "caller-1"));
    assert_eq!(first.new_call.as_ref().map(|entry| entry.conn_id), Some(conn_id));
}

#[test]
fn a_phone_that_holds_is_answered_by_media_and_the_caller_hears_music() {
    let (mut bench, _) = talking();
    let hold = PHONE_SDP.replace("m=audio 4000 RTP/AVP 0\r\n", "m=audio 4000 RTP/AVP 0\r\na=sendonly\r\n");
    let (dialog, now) = (bench.phone_dialog.expect("a dialog"), bench.now);
    bench.agent(Peer::Phone).reinvite(dialog, Some(hold.into()), Vec::new(), now).expect("a dialog");
    bench.run();
    assert!(bench.saw(Peer::Phone, |event| matches!(event, Event::Renegotiated { .. })));
    let music = bench.played.last().expect("music");
    assert_eq!(music.0, bench.media_dialogs[0], "the caller hears it");
    assert!(format!("{music:?}").contains("harp"), "as the tenant has chosen: {music:?}");
    bench.agent(Peer::Phone).reinvite(dialog, Some(PHONE_SDP.into()), Vec::new(), now).expect("a dialog");
    bench.run();
    assert!(matches!(bench.played.last(), Some((_, Command::DialogEnd { .. }))));
    assert!(bench.story.ends_with(&["Held@7101".to_owned(), "Retrieved@7101".to_owned()]), "{:?}", bench.story);
}

#[test]
fn hold_by_request_goes_to_the_phone_and_is_answered_by_the_event() {
    let (mut bench, conn_id) = talking();
    bench.node.request(request(conn_id, "7101", RequestKind::HoldCall), bench.now).expect("the call is here");
    bench.run();
    let (dialog, now) = (bench.phone_dialog.expect("a dialog"), bench.now);
    assert!(bench.saw(Peer::Phone, |event| matches!(event, Event::Offered { .. })));
    bench.agent(Peer::Phone).accept_offer(dialog, PHONE_SDP.into(), now).expect("an offer");
    bench.run();
    assert_eq!(bench.story.last().map(String::as_str), Some("Held@7101"));
}
