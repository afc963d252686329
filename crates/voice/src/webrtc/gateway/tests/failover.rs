//! Several sip-proxies, one of which goes.

use super::*;

const OTHER: &str = "127.0.1.2:5070";

impl Lab {
    fn way_of(&self, message: &Message) -> SocketAddr {
        self.ways[message.top_via().unwrap().branch().unwrap()]
    }
}

/// A phone that has registered, with two sip-proxies; returns its own one and the other.
fn with_two() -> (Lab, SocketAddr, SocketAddr) {
    let mut lab = Lab::new();
    let [first, second] = [PROXY, OTHER].map(|at| at.parse().unwrap());
    lab.proxies.insert(second, Some(StatusCode::OK));
    lab.gateway.set_proxies(&[first, second]);
    lab.pass(Duration::from_secs(2));
    lab.opens(7, None);
    lab.by(7, of_phone("REGISTER", 1, ""));
    let register = lab.asked();
    let own = lab.way_of(&register);
    lab.gateway.handle_datagram(own, granted(&register).to_bytes(), lab.now);
    lab.drain();
    assert_eq!(lab.told().1.status(), Some(StatusCode::OK));
    (lab, own, if own == first { second } else { first })
}

#[test]
fn what_nobody_has_answered_goes_to_another_sip_proxy() {
    let (mut lab, own, other) = with_two();
    lab.by(7, of_phone("INVITE", 1, ""));
    let before = lab.asked();
    assert_eq!(lab.way_of(&before), own);
    lab.by(7, of_phone("OPTIONS", 2, ""));
    let rings = lab.asked();
    lab.gateway.handle_datagram(own, Message::response_to(&rings, StatusCode::TRYING).build().to_bytes(), lab.now);
    lab.proxies.insert(own, None);
    lab.pass(Duration::from_secs(8));
    let after = lab.to_proxy.iter().rev().find(|sent| sent.method() == sip::Method::Invite).unwrap().clone();
    assert_eq!(lab.way_of(&after), other);
    assert_eq!(after.call_id().unwrap(), before.call_id().unwrap());
    assert_eq!(after.cseq().unwrap(), before.cseq().unwrap());
    assert_ne!(after.top_via().unwrap().branch(), before.top_via().unwrap().branch());
    assert_eq!(after.elements(&HeaderName::Via).count(), 1);
    let branch = rings.top_via().unwrap().branch().unwrap().to_owned();
    let mut asked = lab.to_proxy.iter().filter(|sent| sent.method() == sip::Method::Options);
    assert!(asked.all(|sent| sent.top_via().unwrap().branch() == Some(&*branch)), "it was taken");
    lab.to_phone.clear();
    lab.gateway.handle_datagram(
        other,
        Message::response_to(&after, StatusCode::RINGING).to_tag("b").build().to_bytes(),
        lab.now,
    );
    lab.drain();
    assert_eq!(lab.told().1.status(), Some(StatusCode::RINGING));
}

#[test]
fn what_begins_goes_to_no_sip_proxy_that_drains() {
    let (mut lab, own, other) = with_two();
    lab.proxies.insert(own, Some(StatusCode::SERVICE_UNAVAILABLE));
    lab.pass(Duration::from_secs(2));
    lab.by(7, of_phone("INVITE", 1, ""));
    let invite = lab.asked();
    assert_eq!(lab.way_of(&invite), other);
    lab.proxies.insert(other, None);
    lab.pass(Duration::from_secs(8));
    lab.to_proxy.clear();
    lab.by(7, of_phone("INVITE", 2, ""));
    let invite = lab.asked();
    assert_eq!(lab.way_of(&invite), own, "better than none");
}
