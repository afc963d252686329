//! Phones with several flows (RFC 5626), and calls to one phone by its GRUU (RFC 5627).

use std::time::Duration;

use model::Dn;
use model::plan::{Contact, Destination, PhoneFlow};
use model::request::{RequestKind, RouteTo};
use sip::agent::{DialogId, Event, Reply};
use sip::{ConnectionId, HeaderName, Instance, Method, StatusCode};

use super::bench::{Bench, EDGE, Peer, phone, point};
use super::calls::{request, talking};
use super::direct::ANSWER;
use super::restart::restart;
use crate::sip_cluster::node::order::Order;

/// The edge of another proxy.
const OTHER_EDGE: &str = "192.0.2.2:5060";
const OTHER: ConnectionId = ConnectionId(9);
const DESK: &str = "urn:uuid:00000000-0000-1000-8000-00000000000a";
const FIRST: &str = "sip:7101@192.0.2.7";
const SECOND: &str = "sip:7101@192.0.2.8";
const THIRD: &str = "sip:7101@192.0.2.6";

/// One phone with a flow by this edge, one by the other, and one by this edge again.
fn with_flows() -> Destination {
    let flow =
        |uri: &str, edge: &str| PhoneFlow { uri: uri.to_owned(), path: vec![format!("<sip:flow@{edge};lr;ob>")] };
    let contact = Contact {
        further: vec![flow(SECOND, OTHER_EDGE), flow(THIRD, EDGE)],
        ..Contact::new(FIRST.to_owned(), vec![format!("<sip:flow@{EDGE};lr;ob>")])
    };
    let Destination::Extension { dn, .. } = phone(60_000) else { unreachable!("it is a phone") };
    Destination::Extension { dn, contacts: vec![contact], no_answer_ms: 60_000 }
}

/// The Request-URIs of the INVITEs that the phone has got.
fn rung(bench: &Bench) -> Vec<String> {
    let incoming = bench.seen.iter().filter_map(|(peer, event)| match event {
        Event::Incoming { request, .. } if *peer == Peer::Phone => request.request_uri().map(str::to_owned),
        _ => None,
    });
    incoming.collect()
}

fn phone_says(bench: &mut Bench, status: u16) {
    let (dialog, now) = (bench.phone_dialog.expect("an INVITE"), bench.now);
    bench.agent(Peer::Phone).reject(dialog, Reply::new(StatusCode(status)), now).expect("an INVITE");
    bench.run();
}

/// A caller who waits, routed to the phone; both proxies are there.
fn routed() -> Bench {
    let mut bench = Bench::new();
    bench.node.link_up(OTHER, OTHER_EDGE, bench.now);
    let conn_id = bench.call("9000", point());
    let route = request(conn_id, "9000", |id| {
        RequestKind::RouteCall(id, RouteTo::Dn { dn: Dn::parse("7101").expect("a DN"), agent: None })
    });
    bench.node.request(route, bench.now).expect("the call is here");
    bench.run();
    bench.plan(with_flows());
    bench
}

fn times(bench: &Bench, fact: &str) -> usize {
    bench.story.iter().filter(|told| *told == fact).count()
}

#[test]
fn a_proxy_that_returns_changes_nothing_about_the_calls_that_do_not_go_by_it() {
    let mut bench = Bench::new();
    bench.call("7101", phone(60_000));
    bench.phone_rings();
    bench.phone_answers();
    let (returned, now) = (ConnectionId(OTHER.0 + 1), bench.now);
    bench.node.link_up(OTHER, OTHER_EDGE, now);
    bench.node.link_down(OTHER, now);
    assert!(bench.node.counts_are_right(), "and all are counted");
    bench.node.link_up(returned, OTHER_EDGE, now);
    assert!(!bench.node.table().is_one_stale(), "no leg has moved");
}

#[test]
fn a_phone_rings_by_one_flow_alone() {
    let mut bench = routed();
    bench.phone_rings();
    bench.phone_answers();
    assert_eq!(rung(&bench), [FIRST]);
    assert_eq!((times(&bench, "Ringing@7101"), times(&bench, "Established@7101")), (1, 1));
}

#[test]
fn a_flow_that_has_ended_leaves_the_call_to_the_next_one_at_once() {
    let mut bench = Bench::new();
    bench.call("7101", with_flows());
    phone_says(&mut bench, 430);
    // The proxy of the second flow has never been here.
    assert_eq!(rung(&bench), [FIRST, THIRD]);
    bench.phone_rings();
    bench.phone_answers();
    assert_eq!((times(&bench, "Ringing@7101"), times(&bench, "Established@7101")), (1, 1));
    bench.bye(Peer::Caller);
    bench.pass(Duration::from_secs(40));
    assert!(bench.is_clear(), "{:?}", bench.story);
}

#[test]
fn what_a_phone_itself_says_ends_the_attempt_and_silence_does_not() {
    for (rings, said, goes_on) in [
        (false, 408, true),
        (true, 408, false),
        (true, 430, true),
        (false, 486, false),
        (false, 503, false),
        (false, 480, false),
        (false, 603, false),
    ] {
        let mut bench = Bench::new();
        bench.call("7101", with_flows());
        if rings {
            bench.phone_rings();
        }
        phone_says(&mut bench, said);
        assert_eq!(rung(&bench).len() == 2, goes_on, "{said}");
        assert_eq!(bench.refusal().is_none(), goes_on, "{said}");
    }
}

#[test]
fn a_phone_that_none_of_its_flows_reaches_is_unreachable() {
    let mut bench = Bench::new();
    bench.call("7101", with_flows());
    phone_says(&mut bench, 430);
    phone_says(&mut bench, 430);
    assert_eq!(bench.refusal().map(|(status, _)| status), Some(480));
    bench.pass(Duration::from_secs(40));
    assert!(bench.is_clear(), "{:?}", bench.story);
}

#[test]
fn a_proxy_that_dies_while_a_phone_rings_leaves_the_phone_to_its_flow_by_another_one_at_once() {
    let mut bench = routed();
    let before = bench.now;
    bench.proxy_goes(Some(OTHER));
    assert_eq!((rung(&bench), bench.now), (vec![FIRST.to_owned(), SECOND.to_owned()], before), "without waiting");
    bench.phone_rings();
    bench.phone_answers();
    assert_eq!((times(&bench, "Ringing@7101"), times(&bench, "Established@7101")), (1, 1), "{:?}", bench.story);
}

#[test]
fn a_phone_that_rings_waits_for_its_proxy_before_it_is_called_by_another_flow() {
    let mut bench = routed();
    bench.phone_rings();
    bench.proxy_goes(Some(OTHER));
    bench.pass(Duration::from_secs(1));
    assert_eq!(rung(&bench), [FIRST], "it would refuse a second call while it rings");
    bench.pass(Duration::from_secs(10));
    assert_eq!(rung(&bench), [FIRST, SECOND]);
}

#[test]
fn where_no_other_proxy_is_there_a_phone_waits_for_its_own() {
    let mut bench = Bench::new();
    bench.call("7101", with_flows());
    bench.proxy_goes(None);
    bench.pass(Duration::from_secs(1));
    bench.proxy_returns();
    bench.phone_rings();
    bench.phone_answers();
    assert_eq!((rung(&bench), times(&bench, "Established@7101")), (vec![FIRST.to_owned()], 1), "{:?}", bench.story);
}

#[test]
fn a_flow_that_is_silent_gives_way_to_the_next_one_after_four_seconds() {
    let mut bench = Bench::new();
    bench.call("7101", with_flows());
    bench.pass(Duration::from_secs(3));
    assert_eq!(rung(&bench), [FIRST]);
    bench.pass(Duration::from_secs(2));
    assert_eq!(rung(&bench), [FIRST, THIRD]);
}

/// A phone is called by a flow that is silent, and by another one then; its dialogs.
fn called_twice() -> (Bench, [DialogId; 2]) {
    let mut bench = Bench::new();
    bench.call("7101", with_flows());
    let first = bench.phone_dialog.expect("an INVITE");
    bench.pass(Duration::from_secs(5));
    assert_eq!(rung(&bench), [FIRST, THIRD]);
    let second = bench.phone_dialog.expect("an INVITE");
    (bench, [first, second])
}

#[test]
fn a_phone_with_one_line_that_rings_by_a_silent_flow_answers_by_that() {
    for restarts in [false, true] {
        let mut bench = Bench::new();
        let conn_id = bench.call("7101", with_flows());
        let first = bench.phone_dialog;
        bench.pass(Duration::from_secs(5));
        if restarts {
            restart(&mut bench, conn_id);
        }
        phone_says(&mut bench, 486);
        assert_eq!((bench.refusal(), rung(&bench).len()), (None, 2), "restarts: {restarts}");
        bench.phone_dialog = first;
        bench.phone_answers();
        assert_eq!((times(&bench, "Ringing@7101"), times(&bench, "Established@7101")), (1, 1), "restarts: {restarts}");
        bench.bye(Peer::Caller);
        bench.pass(Duration::from_secs(40));
        assert!(bench.is_clear(), "{:?}", bench.story);
    }
}

#[test]
fn a_busy_phone_with_a_dead_flow_is_busy() {
    for first_says in [None, Some(430), Some(408), Some(480)] {
        let (mut bench, [first, _]) = called_twice();
        phone_says(&mut bench, 486);
        assert_eq!(bench.refusal(), None, "it may ring by the first one");
        match first_says {
            None => bench.pass(Duration::from_secs(3)),
            Some(status) => {
                bench.phone_dialog = Some(first);
                phone_says(&mut bench, status);
            }
        }
        assert_eq!(bench.refusal().map(|(status, _)| status), Some(486), "{first_says:?}");
        bench.pass(Duration::from_secs(40));
        assert_eq!(rung(&bench), [FIRST, THIRD], "{first_says:?}: it is not called again");
        assert!(bench.is_clear(), "{first_says:?}: {:?}", bench.story);
    }
}

#[test]
fn a_phone_that_is_busy_by_one_flow_and_rings_by_the_one_before_goes_on_ringing() {
    let (mut bench, [first, _]) = called_twice();
    phone_says(&mut bench, 486);
    bench.pass(Duration::from_secs(1));
    bench.phone_dialog = Some(first);
    bench.phone_rings();
    bench.pass(Duration::from_secs(10));
    assert_eq!((bench.refusal(), rung(&bench).len()), (None, 2));
    bench.phone_answers();
    assert_eq!((times(&bench, "Ringing@7101"), times(&bench, "Established@7101")), (1, 1));
}

#[test]
fn a_successor_finds_a_phone_busy_too() {
    let mut bench = Bench::new();
    let conn_id = bench.call("7101", with_flows());
    bench.pass(Duration::from_secs(5));
    phone_says(&mut bench, 486);
    restart(&mut bench, conn_id);
    bench.pass(Duration::from_secs(5));
    assert_eq!(rung(&bench), [FIRST, THIRD, THIRD], "it asks again");
    phone_says(&mut bench, 486);
    bench.pass(Duration::from_secs(3));
    assert_eq!(bench.refusal().map(|(status, _)| status), Some(486));
}

#[test]
fn of_two_flows_the_first_that_says_something_goes_on_alone() {
    for at in [0, 1] {
        let (mut bench, dialogs) = called_twice();
        bench.phone_dialog = Some(dialogs[at]);
        bench.phone_rings();
        bench.pass(Duration::from_secs(1));
        assert_eq!(bench.agent(Peer::Phone).dialogs(), 1, "the other one is cancelled: {at}");
        bench.phone_answers();
        assert_eq!((times(&bench, "Ringing@7101"), times(&bench, "Established@7101")), (1, 1), "{at}");
    }
}

#[test]
fn what_a_phone_says_by_either_flow_is_said_for_both() {
    for (at, said) in [(0, 486), (0, 603), (1, 603), (1, 480)] {
        let (mut bench, dialogs) = called_twice();
        bench.phone_dialog = Some(dialogs[at]);
        phone_says(&mut bench, said);
        assert!(bench.refusal().is_some(), "{said} by {at}");
        bench.pass(Duration::from_secs(40));
        assert!(bench.is_clear(), "{said} by {at}: {:?}", bench.story);
    }
}

#[test]
fn a_silent_flow_that_ends_leaves_the_call_to_the_next_one() {
    for said in [430, 408] {
        let (mut bench, [first, second]) = called_twice();
        bench.phone_dialog = Some(first);
        phone_says(&mut bench, said);
        assert_eq!((bench.refusal(), rung(&bench).len()), (None, 2), "{said}");
        bench.phone_dialog = Some(second);
        bench.phone_answers();
        assert_eq!(times(&bench, "Established@7101"), 1, "{said}");
    }
}

#[test]
fn a_successor_does_not_wait_for_a_silent_flow_either() {
    let mut bench = Bench::new();
    let conn_id = bench.call("7101", with_flows());
    bench.pass(Duration::from_secs(1));
    restart(&mut bench, conn_id);
    bench.pass(Duration::from_secs(5));
    assert_eq!(rung(&bench).last().map(String::as_str), Some(THIRD));
}

#[test]
fn a_call_does_not_try_the_flow_by_a_proxy_that_is_away() {
    let mut bench = Bench::new();
    bench.node.link_up(OTHER, OTHER_EDGE, bench.now);
    bench.proxy_goes(Some(OTHER));
    bench.call("7101", with_flows());
    assert_eq!(rung(&bench), [SECOND]);
    bench.phone_answers();
    assert_eq!(times(&bench, "Established@7101"), 1);
}

#[test]
fn a_phone_that_is_connected_stays_on_its_flow() {
    let mut bench = routed();
    bench.phone_answers();
    bench.proxy_goes(Some(OTHER));
    bench.pass(Duration::from_secs(1));
    assert_eq!(rung(&bench), [FIRST]);
    assert_eq!(bench.node.calls(), 1);
}

#[test]
fn a_successor_knows_the_flows_that_are_left_and_whether_the_phone_has_rung() {
    for (said, flows) in [(430, [FIRST, THIRD].as_slice()), (408, [FIRST].as_slice())] {
        let mut bench = Bench::new();
        let conn_id = bench.call("7101", with_flows());
        bench.phone_rings();
        restart(&mut bench, conn_id);
        phone_says(&mut bench, said);
        assert_eq!(rung(&bench), flows, "{said}");
    }
}

/// The phone that the dial plan is asked for.
fn asked(bench: &Bench) -> Option<(String, Option<Instance>)> {
    bench.orders.iter().find_map(|order| match order {
        Order::AskDialPlan { number, .. } => Some((number.dialled.clone(), number.instance.clone())),
        _ => None,
    })
}

#[test]
fn a_call_to_a_gruu_asks_for_that_phone_alone() {
    let mut bench = Bench::new();
    bench.uri_params = format!(";gr={DESK}");
    bench.dial("7101", "phone;dn=7102");
    assert_eq!(asked(&bench), Some(("7101".to_owned(), Instance::parse(DESK))));
    let mut bench = Bench::new();
    bench.dial("7101", "phone;dn=7102");
    assert_eq!(asked(&bench), Some(("7101".to_owned(), None)));
}

#[test]
fn of_a_gruu_that_cannot_be_ours_the_dial_plan_says_whether_it_is_an_emergency() {
    for params in [";gr", ";gr=desk", &format!(";gr=urn:uuid:{}", "a".repeat(1_000))] {
        let mut bench = Bench::new();
        bench.uri_params = params.to_owned();
        bench.dial("7101", "phone;dn=7102");
        assert_eq!(asked(&bench), Some(("7101".to_owned(), Some(Instance::nobody()))), "{params}");
    }
}

#[test]
fn a_transfer_to_a_gruu_asks_for_that_phone_alone_and_the_next_one_for_whom_it_names() {
    let (mut bench, _) = talking();
    let dialog = bench.phone_dialog.expect("a dialog");
    for (to, instance) in [(format!("<sip:7109@{EDGE};gr={DESK}>"), Some(DESK)), (format!("<sip:7109@{EDGE}>"), None)] {
        let now = bench.now;
        bench.agent(Peer::Phone).refer(dialog, vec![(HeaderName::ReferTo, to)], now).expect("a dialog");
        bench.run();
        assert_eq!(asked(&bench), Some(("7109".to_owned(), instance.and_then(Instance::parse))));
        bench.plan(Destination::Reject { status: 480, reason: "that phone is not registered".to_owned() });
    }
}

#[test]
fn a_transfer_that_is_refused_leaves_the_one_before_to_its_phone() {
    let (mut bench, conn_id) = talking();
    let dialog = bench.phone_dialog.expect("a dialog");
    for to in [format!("<sip:7109@{EDGE};gr={DESK}>"), format!("<sip:7108@{EDGE}>")] {
        let now = bench.now;
        bench.agent(Peer::Phone).refer(dialog, vec![(HeaderName::ReferTo, to)], now).expect("a dialog");
        bench.run();
    }
    // The dial plan has not answered when the node fails: the successor asks again.
    bench.orders.clear();
    restart(&mut bench, conn_id);
    assert_eq!(asked(&bench), Some(("7109".to_owned(), Instance::parse(DESK))));
}

/// The first Route of each INVITE that the phone has got.
fn routes(bench: &Bench) -> Vec<String> {
    let incoming = bench.seen.iter().filter_map(|(peer, event)| match event {
        Event::Incoming { request, .. } if *peer == Peer::Phone => {
            request.elements(&HeaderName::Route).next().map(str::to_owned)
        }
        _ => None,
    });
    incoming.collect()
}

#[test]
fn the_last_flow_of_a_phone_may_be_left_for_another_way_that_its_proxy_knows() {
    let mut bench = Bench::new();
    bench.call("7101", with_flows());
    phone_says(&mut bench, 430);
    // The proxy of the second flow has never been here.
    assert_eq!(routes(&bench), [format!("<sip:flow@{EDGE};lr;ob>"), format!("<sip:flow@{EDGE};lr>")]);
    let mut bench = Bench::new();
    let Destination::Extension { dn, mut contacts, no_answer_ms } = with_flows() else { unreachable!("it is a phone") };
    contacts[0].further.clear();
    let alone = Destination::Extension { dn, contacts, no_answer_ms };
    bench.call("7101", alone.clone());
    assert_eq!(routes(&bench), [format!("<sip:flow@{EDGE};lr>")]);
    let mut bench = Bench::new();
    bench.uri_params = format!(";gr={DESK}");
    bench.call("7101", alone);
    assert_eq!(routes(&bench), [format!("<sip:flow@{EDGE};lr;ob>")], "it might be another phone of the number");
}

#[test]
fn the_flow_by_a_proxy_that_drains_is_tried_last() {
    let mut bench = Bench::new();
    bench.node.link_up(OTHER, OTHER_EDGE, bench.now);
    bench.node.proxy_drains(bench.link, true);
    // Media and the caller's proxy are where they were.
    bench.link = OTHER;
    bench.call("7101", with_flows());
    assert_eq!(rung(&bench), [SECOND]);
    let mut bench = Bench::new();
    bench.node.link_up(OTHER, OTHER_EDGE, bench.now);
    bench.node.proxy_drains(bench.link, true);
    bench.node.proxy_drains(bench.link, false);
    bench.call("7101", with_flows());
    assert_eq!(rung(&bench), [FIRST], "it goes on after all");
}

/// How often the phone has answered that it does not know a request to answer, as the bench's does.
fn talks(bench: &Bench) -> usize {
    bench.heard.iter().filter(|message| !message.is_request() && message.method() == Method::Notify).count()
}

#[test]
fn a_phone_that_is_to_answer_by_its_next_flow_is_asked_once_it_rings_after_a_restart_too() {
    for restarts in [false, true] {
        let mut bench = Bench::new();
        let conn_id = bench.call("7101", with_flows());
        bench.phone_rings();
        bench.mute.push(Peer::Phone);
        let answer = request(conn_id, "7101", RequestKind::AnswerCall);
        bench.node.request(answer, bench.now).expect("it rings");
        bench.run();
        assert!(bench.unheard.iter().any(|message| message.method() == Method::Notify), "it is asked");
        bench.mute.clear();
        phone_says(&mut bench, 430);
        assert_eq!((rung(&bench).len(), talks(&bench)), (2, 0), "it has said nothing by that one");
        if restarts {
            restart(&mut bench, conn_id);
        }
        bench.phone_rings();
        bench.phone_rings();
        assert_eq!(talks(&bench), 1, "restarts: {restarts}");
    }
}

#[test]
fn a_caller_who_has_heard_a_phone_by_the_lost_flow_is_told_that_it_rings() {
    let ringing = |bench: &Bench| {
        let is_180 = |(peer, event): &&(Peer, Event)| match event {
            Event::Progress { response, .. } => *peer == Peer::Caller && response.status() == Some(StatusCode::RINGING),
            _ => false,
        };
        bench.seen.iter().filter(is_180).count()
    };
    for trunk in ["carrier", "straight"] {
        let mut bench = Bench::new();
        bench.dial("7101", &format!("trunk;name={trunk}"));
        bench.plan(with_flows());
        bench.phone_plays_early(183, ANSWER);
        assert_eq!(ringing(&bench), 0, "{trunk}: it hears the phone");
        phone_says(&mut bench, 430);
        assert!(ringing(&bench) > 0, "{trunk}");
    }
}
