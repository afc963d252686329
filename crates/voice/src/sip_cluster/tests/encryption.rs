//! Parties whose audio is encrypted, or is not.

use contracts::v1;
use infra::Record;
use model::ConnId;
use prost::Message as _;
use runtime::installation_key::InstallationKey;
use sip::ConnectionId;
use sip::agent::Event;
use sip::derived_key::{DerivedKey, KeyUse, NONCE_BYTES};

use super::bench::{Bench, EDGE, PHONE_SDP, Peer, by_two_trunks, new_node};
use super::restart::claimed;
use crate::record_cipher::RecordCipher;
use crate::sip_cluster::node::calls::records::name;
use crate::sip_cluster::node::order::Order;
use crate::test_stores::cipher;

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
    let conn_id = bench.call("7101", by_two_trunks("secure", "two"));
    assert!(bench.saw(Peer::Phone, |event| matches!(event, Event::Incoming { .. })));
    let within = within(&claimed(&bench, conn_id)).encode_to_vec();
    assert!(String::from_utf8_lossy(&within).contains("encryption=required"), "its Request-URI says so");
}

/// What is sealed in the record of a call.
fn within(record: &Record<ConnId>) -> v1::CallRecord {
    let opened = cipher().decrypt(&name(&record.tenant, &record.key), &body_of(record).sealed).expect("it is sealed");
    v1::CallRecord::decode(opened.as_slice()).expect("legs and dialogs")
}

fn body_of(record: &Record<ConnId>) -> v1::CallRecord {
    let state = v1::StateRecord::decode(&*record.state).expect("a record");
    v1::CallRecord::decode(state.body).expect("of a call")
}

/// The record with this body.
fn with_body(record: &Record<ConnId>, body: &v1::CallRecord) -> Record<ConnId> {
    let mut state = v1::StateRecord::decode(&*record.state).expect("a record");
    state.body = body.encode_to_vec().into();
    Record { state: state.encode_to_vec().into(), ..record.clone() }
}

/// Whether the next run of the node goes on with the call.
fn goes_on(bench: &mut Bench, record: &Record<ConnId>) -> bool {
    bench.node = new_node(2);
    bench.node.link_up(ConnectionId(1), EDGE, bench.now);
    bench.node.restore(record, bench.now)
}

#[test]
fn the_record_of_a_call_with_encrypted_audio_shows_no_description() {
    let mut bench = Bench::new();
    let conn_id = bench.call("7101", by_two_trunks("secure", "two"));
    let record = claimed(&bench, conn_id);
    let (outer, whole) = (body_of(&record), within(&record));
    assert!(outer.dialogs.is_empty() && outer.model.is_some());
    assert!(whole.legs.len() == 2 && whole.dialogs.len() >= 2, "{} {}", whole.legs.len(), whole.dialogs.len());
    assert!(!String::from_utf8_lossy(&record.state).contains("m=audio"));
    assert!(String::from_utf8_lossy(&whole.encode_to_vec()).contains("m=audio"));
    assert!(goes_on(&mut bench, &record));
    // As the release before wrote it.
    let in_clear = v1::CallRecord { legs: whole.legs, dialogs: whole.dialogs, sealed: bytes::Bytes::new(), ..outer };
    assert!(goes_on(&mut bench, &with_body(&record, &in_clear)));
}

#[test]
fn a_call_whose_record_is_sealed_with_another_key_is_put_aside() {
    let mut bench = Bench::new();
    let conn_id = bench.call("7101", by_two_trunks("secure", "two"));
    let record = claimed(&bench, conn_id);
    let of_another = RecordCipher::of(&InstallationKey::from_bytes([8; 32]));
    let sealed = of_another.encrypt(&name(&record.tenant, &record.key), within(&record).encode_to_vec()).into();
    let foreign = v1::CallRecord { sealed, ..body_of(&record) };
    assert!(!goes_on(&mut bench, &with_body(&record, &foreign)));
    assert_put_aside(&mut bench);
}

#[test]
fn what_is_sealed_in_the_record_of_one_call_is_not_read_in_that_of_another() {
    let mut bench = Bench::new();
    let conn_id = bench.call("7101", by_two_trunks("secure", "two"));
    let record = claimed(&bench, conn_id);
    let of_another = Record { key: ConnId(conn_id.0 + 1), ..record.clone() };
    assert!(!goes_on(&mut bench, &of_another));
    assert_put_aside(&mut bench);
    // As the build before wrote it: bound to its kind alone.
    let former = DerivedKey::new(&[7; 32], KeyUse::Records);
    let sealed = former.encrypt([0; NONCE_BYTES], b"call", within(&record).encode_to_vec()).into();
    let former = v1::CallRecord { sealed, ..body_of(&record) };
    assert!(goes_on(&mut bench, &with_body(&record, &former)));
}

fn assert_put_aside(bench: &mut Bench) {
    bench.run();
    let why = bench.orders.iter().find_map(|order| match order {
        Order::Quarantine(aside) => Some(aside.why.clone()),
        _ => None,
    });
    assert!(why.as_ref().is_some_and(|why| why.contains("sealed with another key, or for another record")), "{why:?}");
}
