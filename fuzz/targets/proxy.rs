//! Requests and responses to the proxy core, from a carrier, a stranger and a node: nothing panics, and what goes to a node can be
//! read there.

#![no_main]

use std::time::Duration;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use model::entropy::Seeded;
use model::{TenantId, Timestamp};
use sip::proxy::{Announcement, Credentials, Limits, Network, NodeAuthority, Output, Proxy, Settings, Side, Trunk};
use sip::{ConnectionId, Flow, Message, Seal, Transmit};

struct Anybody;

impl NodeAuthority for Anybody {
    fn accepts(&self, _: &str, _: &Announcement, _: Timestamp) -> bool {
        true
    }
}

const NODE: ConnectionId = ConnectionId(1);
const HELLO: &[u8] = b"OPTIONS sip:sip-proxy.trunkline.invalid SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.2.1;branch=z9hG4bKn\r\n\
    From: <sip:n@trunkline.invalid>;tag=1\r\nTo: <sip:sip-proxy.trunkline.invalid>\r\nCall-ID: n\r\nCSeq: 1 OPTIONS\r\n\
    Trunkline-Token: t\r\nTrunkline-Node: sip-cluster;node=sip-cluster-1;epoch=1\r\nContent-Length: 0\r\n\r\n";

fn proxy(now: Timestamp) -> Proxy {
    let edge = "192.0.2.1:5060";
    let settings = Settings {
        edge: edge.to_owned(),
        other_edges: Vec::new(),
        udp_listeners: edge.parse().into_iter().collect(),
        aliases: Vec::new(),
        cluster: "127.0.1.1:5080".to_owned(),
        static_route: None,
        algorithms: Vec::new(),
        limits: Limits::default(),
    };
    let mut proxy = Proxy::new(settings, Seal::new(&[7; 32]), Box::new(Anybody), Box::new(Seeded::new(1)));
    let (Ok(tenant), Some(network)) = (TenantId::parse("t1"), Network::parse("198.51.100.0/24")) else {
        unreachable!("both are constants")
    };
    let trunk = Trunk {
        tenant,
        name: "carrier".to_owned(),
        allow: vec![network],
        certificate_names: vec!["sbc.carrier.example".into()],
        asked: None,
        user: None,
        registrar: None,
    };
    proxy.set_trunks([trunk], now);
    proxy.handle_opened(NODE, ([127, 0, 2, 1], 40_000).into(), Side::Cluster);
    if let Ok(hello) = Message::parse(Bytes::from_static(HELLO)) {
        proxy.handle_message(NODE, hello, now);
    }
    proxy
}

fn drain(proxy: &mut Proxy, now: Timestamp) {
    while let Some(output) = proxy.poll_output() {
        match output {
            Output::Transmit(Transmit { flow: Flow::Stream { connection: NODE }, bytes }) => {
                let read = Message::parse(bytes.clone());
                assert!(read.is_ok(), "{read:?}: {}", String::from_utf8_lossy(&bytes));
            }
            Output::NeedCredentials { lookup, .. } => {
                proxy.handle_credentials(lookup, Credentials::Unknown { realm: None }, now);
            }
            Output::Connect { connection, .. } => proxy.handle_closed(connection, now),
            _ => {}
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut now = Timestamp::from_millis(1_700_000_000_000);
    let mut proxy = proxy(now);
    drain(&mut proxy, now);
    // A zero byte ends a message; the first byte of each says where it comes from.
    for part in data.split(|byte| *byte == 0) {
        let Some((from, text)) = part.split_first() else { continue };
        let bytes = Bytes::copy_from_slice(text);
        now = now + Duration::from_millis(u64::from(*from));
        match from % 4 {
            0 => proxy.handle_datagram(0, ([198, 51, 100, 10], 5_060).into(), bytes, now),
            1 => proxy.handle_datagram(0, ([203, 0, 113, 5], 5_060).into(), bytes, now),
            2 => {
                if let Ok(message) = Message::parse(bytes) {
                    proxy.handle_message(NODE, message, now);
                }
            }
            _ => {
                now = now + Duration::from_secs(u64::from(*from));
                proxy.handle_timeout(now);
            }
        }
        drain(&mut proxy, now);
    }
});
