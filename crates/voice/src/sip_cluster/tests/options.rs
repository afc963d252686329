//! OPTIONS outside a dialog gets the answer that an INVITE would get.

use model::plan::{Destination, Service};
use sip::agent::{Event, OutgoingRequest};
use sip::{HeaderName, Message, Method, StatusCode};

use super::bench::{Bench, EDGE, LINK, Peer, phone, point};
use crate::sip_cluster::node::order::Order;

/// The response to a carrier's OPTIONS for `number`, for which the dial plan answers `destination`.
fn told(bench: &mut Bench, number: &str, destination: Option<Destination>) -> std::sync::Arc<Message> {
    let headers = vec![
        (sip::proxy::headers::TENANT, "t1".to_owned()),
        (sip::proxy::headers::SOURCE, "trunk;name=carrier".to_owned()),
    ];
    let request = OutgoingRequest {
        flow: LINK,
        method: Method::Options,
        target: format!("sip:{number}{EDGE}"),
        from: "<sip:+4930123456@example.com>".to_owned(),
        to: format!("<sip:{number}{EDGE}>"),
        call_id: "caller-1".to_owned(),
        cseq: 1,
        routes: Vec::new(),
        headers,
        body: None,
    };
    let now = bench.now;
    bench.agent(Peer::Caller).request(request, now).expect("an OPTIONS");
    bench.run();
    if let Some(destination) = destination {
        let asked = bench.orders.pop().expect("a question");
        let Order::AskReach { request, tenant, number: asked, .. } = asked else { panic!("{asked:?}") };
        assert_eq!((tenant.as_str(), format!("{}@", asked.dialled)), ("t1", number.to_owned()));
        bench.node.reach_answered(request, &destination, now);
        bench.run();
    }
    assert!(bench.orders.is_empty() && bench.is_clear(), "no call came of it");
    let answer = bench.seen.drain(..).find_map(|(_, event)| match event {
        Event::Responded { response, .. } => response,
        _ => None,
    });
    answer.expect("an answer")
}

#[test]
fn options_for_a_number_is_told_what_an_invite_would_be() {
    let mut bench = Bench::new();
    let away = Destination::Extension { dn: model::Dn::parse("7102").unwrap(), contacts: Vec::new(), no_answer_ms: 1 };
    let nobody = Destination::Reject { status: 404, reason: "nobody".to_owned() };
    for (destination, status) in [
        (point(), StatusCode::OK),
        (phone(15_000), StatusCode::OK),
        (Destination::Service(Service::Echo), StatusCode::OK),
        (away, StatusCode::TEMPORARILY_UNAVAILABLE),
        (nobody, StatusCode::NOT_FOUND),
    ] {
        let answer = told(&mut bench, "9000@", Some(destination));
        assert_eq!(answer.status(), Some(status));
        assert_eq!(answer.header(&HeaderName::Allow).is_some(), status == StatusCode::OK);
        assert_eq!(answer.header(&HeaderName::Accept).is_some(), status == StatusCode::OK);
        assert_eq!(answer.header(&HeaderName::Supported).is_some(), status == StatusCode::OK);
    }
}

#[test]
fn options_for_no_number_asks_whether_we_live() {
    let answer = told(&mut Bench::new(), "", None);
    assert_eq!(answer.status(), Some(StatusCode::OK));
}
