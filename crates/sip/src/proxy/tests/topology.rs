//! What phones and carriers see of the installation, and how a response finds its node all the same.

use super::*;
use crate::proxy::branch::{BRANCH_MAX, OUR_BRANCHES};

const NODE: ConnectionId = ConnectionId(1);
const NODE_VIA: &str = "SIP/2.0/TCP 127.0.2.1:5070;branch=z9hG4bKnode1;rport";
const OWNER: &str = "sip-cluster-1.17";
/// From tags: one that we have not given, so that nothing else leads to the node.
const NOT_OURS: &str = "somebody";

fn with_node(mut lab: Lab) -> Lab {
    lab.node(NODE, "sip-cluster", OWNER);
    lab
}

/// A request of the node to the carrier.
fn asks(method: &str, via: &str, from_tag: &str, to_tag: &str) -> String {
    format!(
        "{method} sip:+4930999@{TRUNK} SIP/2.0\nVia: {via}\nFrom: <sip:+15550100@{EDGE}>;tag={from_tag}\n\
         To: <sip:+4930999@{EDGE}>{to_tag}\nCall-ID: 8f3c21d05be94a76\nCSeq: 1 {method}\n\
         Contact: <sip:{from_tag}@{EDGE}>\nMax-Forwards: 70\nTrunkline-Insist: 1\nContent-Length: 0\n\n"
    )
}

/// As [`asks`]; returns what the carrier gets.
fn asked(lab: &mut Lab, method: &str, via: &str, from_tag: &str) -> Message {
    lab.by(NODE, &asks(method, via, from_tag, ""));
    let (flow, message) = lab.only();
    assert_eq!((flow, message.vias().count()), (udp(TRUNK), 1));
    message
}

fn vias(message: &Message) -> Vec<&str> {
    message.headers(&HeaderName::Via).collect()
}

fn branch_of(message: &Message) -> &str {
    message.top_via().unwrap().branch().unwrap()
}

#[test]
fn a_carrier_sees_one_via_and_nothing_of_the_node() {
    let mut lab = with_node(Lab::new());
    let invite = asked(&mut lab, "INVITE", NODE_VIA, &tag(7, OWNER));
    let seen = text_of(&invite);
    for hidden in ["127.0.2.1", CLUSTER, "sip-cluster", "acme", "z9hG4bKnode1", "Trunkline"] {
        assert!(!seen.contains(hidden), "{hidden} in {seen}");
    }
    assert!(branch_of(&invite).starts_with(OUR_BRANCHES) && branch_of(&invite).len() <= BRANCH_MAX, "{seen}");
}

#[test]
fn every_response_comes_back_with_the_nodes_via() {
    let mut lab = with_node(Lab::new());
    let invite = asked(&mut lab, "INVITE", NODE_VIA, NOT_OURS);
    for status in [180, 183, 200, 200] {
        lab.from(TRUNK, &answer(&invite, status, "far"));
        let (flow, response) = lab.only();
        assert_eq!((flow, response.status(), vias(&response)), (tcp(1), Some(StatusCode(status)), vec![NODE_VIA]));
    }
    lab.by(NODE, &asks("ACK", "SIP/2.0/TCP 127.0.2.1:5070;branch=z9hG4bKnode2", NOT_OURS, ";tag=far"));
    let (flow, ack) = lab.only();
    assert_eq!((flow, ack.method(), ack.vias().count()), (udp(TRUNK), Method::Ack, 1));
    assert!(!text_of(&ack).contains("127.0.2.1"), "{ack:?}");
    let via = "SIP/2.0/TCP 127.0.2.1:5070;branch=z9hG4bKnode3";
    lab.by(NODE, &asks("BYE", via, NOT_OURS, ";tag=far"));
    let (_, bye) = lab.only();
    assert_eq!(bye.vias().count(), 1);
    lab.from(TRUNK, &answer(&bye, 200, "far"));
    assert_eq!(vias(&lab.only().1), [via]);
}

#[test]
fn several_vias_of_a_node_come_back_in_their_order() {
    let mut lab = with_node(Lab::new());
    let (first, second) = ("SIP/2.0/TCP 127.0.2.1;branch=z9hG4bK1", "SIP/2.0/TCP 127.0.2.9;branch=z9hG4bK2");
    let options = asked(&mut lab, "OPTIONS", &format!("{first}\nVia: {second}"), NOT_OURS);
    lab.from(TRUNK, &answer(&options, 200, "far"));
    assert_eq!(lab.only().1.elements(&HeaderName::Via).collect::<Vec<_>>(), [first, second]);
}

#[test]
fn what_a_carrier_adds_to_our_via_or_puts_below_it_stays_outside() {
    let mut lab = with_node(Lab::new());
    let invite = asked(&mut lab, "INVITE", NODE_VIA, NOT_OURS);
    let ours = vias(&invite)[0].to_owned();
    let below = format!("{ours};received=192.0.2.7\nVia: SIP/2.0/UDP 192.0.2.66;branch=z9hG4bK-below");
    lab.from(TRUNK, &answer(&invite, 180, "far").replace(&ours, &below));
    assert_eq!(vias(&lab.only().1), [NODE_VIA]);
}

#[test]
fn a_cancel_has_the_invites_via_and_its_refusal_that_of_the_node() {
    let mut lab = with_node(Lab::new());
    let invite = asked(&mut lab, "INVITE", NODE_VIA, NOT_OURS);
    lab.from(TRUNK, &answer(&invite, 180, "far"));
    lab.take();
    lab.by(NODE, &asks("CANCEL", NODE_VIA, NOT_OURS, ""));
    let sent = lab.take();
    let (_, cancel) = sent.iter().find(|(flow, _)| *flow == udp(TRUNK)).expect("a CANCEL");
    assert_eq!((cancel.method(), vias(cancel)), (Method::Cancel, vias(&invite)));
    lab.from(TRUNK, &answer(cancel, 200, "far"));
    lab.from(TRUNK, &answer(&invite, 487, "far"));
    let sent = lab.take();
    let (_, ack) = sent.iter().find(|(flow, _)| *flow == udp(TRUNK)).expect("an ACK");
    assert_eq!((ack.method(), vias(ack)), (Method::Ack, vias(&invite)));
    let (_, refusal) = sent.iter().find(|(flow, _)| *flow == tcp(1)).expect("the refusal");
    assert_eq!((refusal.status(), vias(refusal)), (Some(StatusCode::REQUEST_TERMINATED), vec![NODE_VIA]));
}

#[test]
fn our_own_answer_has_the_nodes_via() {
    let mut lab = with_node(Lab::new());
    asked(&mut lab, "INVITE", NODE_VIA, NOT_OURS);
    lab.pass(Duration::from_secs(40), &[NODE]);
    let sent = lab.take();
    let answers = sent.iter().filter(|(flow, message)| *flow == tcp(1) && message.status().is_some());
    let answers: Vec<(u16, Vec<&str>)> =
        answers.map(|(_, answer)| (answer.status().unwrap().0, vias(answer))).collect();
    assert_eq!(answers.last(), Some(&(408, vec![NODE_VIA])), "{answers:?}");
}

#[test]
fn a_proxy_that_was_started_again_takes_responses_to_the_node() {
    let mut former = with_node(Lab::new());
    let invite = asked(&mut former, "INVITE", NODE_VIA, NOT_OURS);
    let mut lab = with_node(Lab::restarted());
    lab.from(TRUNK, &answer(&invite, 100, "far"));
    assert!(lab.take().is_empty(), "the node has had one");
    for status in [180, 200] {
        lab.from(TRUNK, &answer(&invite, status, "far"));
        let (flow, response) = lab.only();
        assert_eq!((flow, response.status(), vias(&response)), (tcp(1), Some(StatusCode(status)), vec![NODE_VIA]));
        assert_eq!(response.header(&headers::UNREACHABLE), None);
        let route = response.record_routes().last().unwrap().unwrap();
        let token = route.uri().unwrap().user().unwrap().to_owned();
        assert_eq!(flow_token::open(&token, &seal()), Some(udp(TRUNK)), "the way out is in the route set");
    }
    let options = asked(&mut former, "OPTIONS", NODE_VIA, NOT_OURS);
    lab.from(TRUNK, &answer(&options, 404, "far"));
    assert_eq!(vias(&lab.only().1), [NODE_VIA]);
}

#[test]
fn a_refusal_that_comes_to_a_proxy_that_was_started_again_is_acknowledged_there() {
    let mut former = with_node(Lab::new());
    let invite = asked(&mut former, "INVITE", NODE_VIA, NOT_OURS);
    let mut lab = Lab::restarted();
    lab.from(TRUNK, &answer(&invite, 486, "far"));
    assert!(lab.take().is_empty(), "who has had no ACK says it again, when the node is there");
    let mut lab = with_node(lab);
    lab.from(TRUNK, &answer(&invite, 486, "far"));
    let sent = lab.take();
    let [(inside, refusal), (out, ack)] = &*sent else { panic!("{sent:?}") };
    assert_eq!((*out, ack.method(), vias(ack)), (udp(TRUNK), Method::Ack, vias(&invite)));
    assert_eq!((ack.to().unwrap().tag(), header(ack, &HeaderName::CSeq)), (Some("far"), "1 ACK"));
    assert_eq!((*inside, refusal.status(), vias(refusal)), (tcp(1), Some(StatusCode(486)), vec![NODE_VIA]));
}

#[test]
fn what_a_node_that_is_gone_has_asked_is_answered_to_its_successor() {
    let mut former = with_node(Lab::new());
    let invite = asked(&mut former, "INVITE", NODE_VIA, &tag(7, OWNER));
    let mut lab = Lab::restarted();
    lab.node(ConnectionId(2), "sip-cluster", "sip-cluster-2.5");
    lab.from(TRUNK, &answer(&invite, 183, "far"));
    let (flow, response) = lab.only();
    assert_eq!((flow, header(&response, &headers::UNREACHABLE)), (tcp(2), OWNER));
    assert_eq!(vias(&response), [NODE_VIA]);
    let nobodys = asked(&mut former, "OPTIONS", NODE_VIA, NOT_OURS);
    lab.from(TRUNK, &answer(&nobodys, 200, "far"));
    assert!(lab.take().is_empty(), "no call leads from it to a successor");
}

#[test]
fn a_branch_that_is_forged_or_foreign_leads_nowhere() {
    let mut former = with_node(Lab::new());
    let invite = asked(&mut former, "INVITE", NODE_VIA, NOT_OURS);
    let other = asked(&mut former, "OPTIONS", NODE_VIA, NOT_OURS);
    let branch = branch_of(&invite).to_owned();
    let head = OUR_BRANCHES.len() + 24;
    let moved = format!("{}{}", &branch[..head], &branch_of(&other)[head..]);
    let last = if branch.ends_with('A') { 'E' } else { 'A' };
    let changed = format!("{}{last}", &branch[..branch.len() - 1]);
    let shortened = branch[..head].to_owned();
    let mut lab = with_node(Lab::restarted());
    for (number, forged) in [moved, changed, shortened, format!("{branch}AAAA")].into_iter().enumerate() {
        for status in [180, 200, 486] {
            lab.from(TRUNK, &answer(&invite, status, "far").replace(&branch, &forged));
        }
        assert!(lab.take().is_empty(), "{forged}");
        assert_eq!(lab.proxy.counts().responses_stray, 3 * (number as u64 + 1));
    }
    // From inside, nobody needs it.
    lab.by(NODE, &answer(&invite, 180, "far"));
    assert!(lab.take().is_empty());
}

#[test]
fn a_way_back_that_is_too_long_is_in_the_transaction_alone() {
    let mut former = with_node(Lab::new());
    let long = format!("{NODE_VIA};x={}", "x".repeat(BRANCH_MAX));
    let invite = asked(&mut former, "INVITE", &long, NOT_OURS);
    assert_eq!(branch_of(&invite).len(), OUR_BRANCHES.len() + 24);
    former.from(TRUNK, &answer(&invite, 180, "far"));
    assert_eq!(vias(&former.only().1), [long.as_str()]);
    let mut lab = with_node(Lab::restarted());
    lab.from(TRUNK, &answer(&invite, 200, "far"));
    assert!(lab.take().is_empty());
    // With our tag, the 2xx still finds the call's owner.
    let invite = asked(&mut former, "INVITE", &long.replace("node1", "node9"), &tag(7, OWNER));
    lab.from(TRUNK, &answer(&invite, 200, "far"));
    assert_eq!(lab.only().0, tcp(1));
}

#[test]
fn a_request_that_comes_back_from_a_carrier_has_looped_all_the_same() {
    let mut lab = with_node(Lab::new());
    let invite = asked(&mut lab, "INVITE", NODE_VIA, NOT_OURS);
    let back = text_of(&invite).replace("\r\n", "\n").replacen(
        "Via:",
        &format!("Via: SIP/2.0/UDP {TRUNK};branch=z9hG4bK-back\nVia:"),
        1,
    );
    lab.from(TRUNK, &back);
    assert_eq!(lab.statuses(), [482]);
}

#[test]
fn what_the_edge_asks_of_a_node_comes_there_with_all_its_vias() {
    let mut lab = with_node(Lab::new());
    lab.from(TRUNK, &Ask::default().text());
    let (flow, invite) = lab.beyond_trying();
    assert_eq!((flow, invite.vias().count()), (tcp(1), 2));
    assert_eq!(branch_of(&invite).len(), OUR_BRANCHES.len() + 24, "a node needs no way back");
}
