//! Parties whose audio is encrypted, or is not.

use super::bench::{Bench, PHONE_SDP, Peer, by_two_trunks};
use sip::agent::Event;

#[test]
fn a_call_in_clear_is_refused_where_encryption_is_required_and_one_with_keys_alone_where_it_is_off() {
    let mut bench = Bench::new();
    bench.dial("7101", "trunk;name=secure");
    let (status, warning) = bench.refusal().expect("refused");
    assert_eq!(status, 488);
    assert!(warning.is_some_and(|warning| warning.contains("encryption: required")));
    let mut bench = Bench::new();
    let keys = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";
    let secure = format!("{}{keys}", PHONE_SDP.replace("RTP/AVP", "RTP/SAVP"));
    bench.dial_with("7101", "trunk;name=carrier", Some(secure.into()), Vec::new());
    let (status, warning) = bench.refusal().expect("refused");
    assert_eq!(status, 488);
    assert!(warning.is_some_and(|warning| warning.contains("encryption: off")));
    assert!(bench.is_clear());
}

/// The bench's media does not encrypt: what matters is that the party's answer is judged by our offer to it.
#[test]
fn media_is_told_of_a_leg_whose_audio_is_encrypted() {
    let mut bench = Bench::new();
    bench.call("7101", by_two_trunks("secure", "two"));
    assert!(bench.saw(Peer::Phone, |event| matches!(event, Event::Incoming { .. })));
    let stored = format!("{:?}", bench.writes);
    assert!(stored.contains("encryption=required"), "its Request-URI says so");
}
