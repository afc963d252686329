//! Parties of both families: media is told by which one a party is reached, and audio goes directly only within one.

use model::plan::{Contact, Destination};
use sip::agent::Event;

use super::bench::{Bench, EDGE, MEDIA_SDP, PHONE_SDP, Peer, by_two_trunks, phone};

/// A phone whose flow leads to an address of IPv6.
fn phone_of_six() -> Destination {
    let Destination::Extension { dn, no_answer_ms, .. } = phone(15_000) else { unreachable!("it is a phone") };
    let path = vec![format!("<sip:flow@{EDGE};lr;ip6>")];
    let contact = Contact::new("sip:7101@[2001:db8::7]:5060".to_owned(), path);
    Destination::Extension { dn, contacts: vec![contact], no_answer_ms }
}

/// The sessions with which the phone was rung.
fn rung_with(bench: &Bench) -> Vec<String> {
    let of = |(peer, event): &(Peer, Event)| match (peer, event) {
        (Peer::Phone, Event::Incoming { request, .. }) => Some(String::from_utf8_lossy(request.body()).into_owned()),
        _ => None,
    };
    bench.seen.iter().filter_map(of).collect()
}

/// Whether media was asked for a session of IPv6.
fn asks_for_six(bench: &Bench) -> bool {
    bench.media_asked.iter().any(|target| target.contains(";family=ip6"))
}

#[test]
fn media_is_told_of_a_leg_that_is_reached_by_ipv6() {
    let carrier_of_six = || {
        let Destination::Outside(mut outside) = by_two_trunks("one", "two") else { unreachable!("it is outside") };
        outside.way.contact.uri = "sip:+4930123@[2001:db8::20]:5060".to_owned();
        Destination::Outside(outside)
    };
    for (destination, is_of_six) in [
        (phone_of_six(), true),
        (phone(15_000), false),
        (carrier_of_six(), true),
        // Of a name nothing is known.
        (by_two_trunks("one", "two"), false),
    ] {
        let mut bench = Bench::new();
        let what = format!("{destination:?}");
        bench.call("7101", destination);
        assert_eq!(rung_with(&bench), [MEDIA_SDP], "{what}");
        assert_eq!(asks_for_six(&bench), is_of_six, "{what}");
    }
}

#[test]
fn audio_goes_directly_between_two_of_one_family_and_through_media_between_two_of_different_ones() {
    let of_six = PHONE_SDP.replace("IN IP4 192.0.2.9", "IN IP6 2001:db8::9");
    for (offer, destination, is_direct) in [
        (PHONE_SDP, phone(15_000), true),
        (of_six.as_str(), phone_of_six(), true),
        (PHONE_SDP, phone_of_six(), false),
        (of_six.as_str(), phone(15_000), false),
    ] {
        let mut bench = Bench::new();
        bench.dial_with("7101", "trunk;name=straight", Some(offer.to_owned().into()), Vec::new());
        bench.plan(destination);
        let expected = if is_direct { offer } else { MEDIA_SDP };
        assert_eq!(rung_with(&bench), [expected], "{offer}");
        assert_eq!(bench.media_dialogs.len(), usize::from(!is_direct), "{offer}");
    }
}
