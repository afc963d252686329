//! What is spoken with a trunk's carrier. The trunk `lawful` speaks PCMA and PCMU; the carrier that is called is played by the bench's phone.

use media::codec::Codec;
use sip::agent::Event;

use super::bench::{Bench, PHONE_SDP, Peer, by_two_trunks, phone};
use super::restart::restart;
use crate::sip_cluster::node::calls::prompts::SwitchPrompts;

fn tenant_speaks(bench: &mut Bench, codecs: &'static [Codec]) {
    bench.node.choose_prompts(Box::new(move |_| SwitchPrompts { codecs: codecs.to_vec(), ..SwitchPrompts::default() }));
}

/// An offer of one codec, by its payload type.
fn offer_of(number: u8) -> String {
    PHONE_SDP.replace("RTP/AVP 0", &format!("RTP/AVP {number}"))
}

/// A call from a carrier that offers this codec.
fn comes_by(bench: &mut Bench, trunk: &str, number: u8) {
    bench.dial_with("7101", &format!("trunk;name={trunk}"), Some(offer_of(number).into()), Vec::new());
}

#[test]
fn media_is_told_the_codecs_of_the_trunk_for_its_carrier_and_those_of_the_tenant_for_a_phone() {
    let mut bench = Bench::new();
    tenant_speaks(&mut bench, &[Codec::G722, Codec::Pcmu]);
    bench.dial("+4930123", "phone;dn=7102");
    bench.plan(by_two_trunks("lawful", "two"));
    bench.phone_answers();
    let codecs: Vec<_> = bench.media_asked.iter().filter_map(|uri| uri.split_once(";codecs=")).collect();
    assert_eq!(codecs.iter().map(|(_, names)| *names).collect::<Vec<_>>(), ["PCMA+PCMU", "G722+PCMU"]);
}

#[test]
fn a_call_of_a_carrier_without_a_codec_of_its_trunk_is_refused_whatever_the_tenant_speaks() {
    for (trunk, number, is_taken) in
        [("lawful", 9, false), ("lawful", 8, true), ("carrier", 9, true), ("carrier", 8, false)]
    {
        let mut bench = Bench::new();
        tenant_speaks(&mut bench, &[Codec::G722]);
        comes_by(&mut bench, trunk, number);
        let refused = bench.refusal().map(|(status, warning)| (status, warning.unwrap_or_default()));
        assert_eq!(refused.is_none(), is_taken, "{trunk} {number}: {refused:?}");
        assert!(refused.is_none_or(|(status, warning)| status == 488 && warning.starts_with("305 ")));
    }
}

/// The codecs of a trunk are in no record: a successor reads them, too.
#[test]
fn a_successor_takes_and_offers_the_codecs_of_the_trunk_alone() {
    let mut bench = Bench::new();
    comes_by(&mut bench, "lawful", 0);
    let conn_id = bench.plan(phone(15_000));
    bench.phone_answers();
    restart(&mut bench, conn_id);
    let (dialog, now) = (bench.caller_dialog.expect("a dialog"), bench.now);
    bench.agent(Peer::Caller).reinvite(dialog, Some(offer_of(9).into()), Vec::new(), now).expect("a dialog");
    bench.run();
    assert!(bench.saw(Peer::Caller, |event| matches!(event, Event::Refused { status, .. } if status.0 == 488)));
    let now = bench.now;
    bench.agent(Peer::Caller).reinvite(dialog, None, Vec::new(), now).expect("a dialog");
    bench.run();
    let offered = bench.seen.iter().find_map(|(_, event)| match event {
        Event::Proposed { offer, .. } => Some(String::from_utf8_lossy(offer).into_owned()),
        _ => None,
    });
    let offered = offered.expect("an offer");
    assert!(offered.contains(" RTP/AVP 0 8 101\r\n"), "{offered}");
}

#[test]
fn audio_of_a_trunk_with_codecs_of_its_own_goes_through_media() {
    for (trunk, goes_directly) in [("straight", true), ("lawful", false)] {
        let mut bench = Bench::new();
        comes_by(&mut bench, trunk, 0);
        bench.plan(phone(15_000));
        assert_eq!(bench.media_asked.is_empty(), goes_directly, "{trunk}");
    }
}
