//! Requests and responses to the proxy core, from a carrier, a stranger and a node, with connections that open, fail and close and names
//! that lead somewhere or nowhere: nothing panics, and what goes to a node can be read there.

#![no_main]

use std::time::Duration;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use model::entropy::Seeded;
use model::{TenantId, Timestamp};
use sip::next_hop::{Hop, UriHop};
use sip::proxy::{
    Announcement, Credentials, InboundPassword, Limits, Network, NodeAuthority, Output, Proxy, Settings, Side, Trunk,
};
use sip::unreached::Unreached;
use sip::{ConnectionId, Flow, Message, Seal, StatusCode, Transmit, Transport};

struct Anybody;

impl NodeAuthority for Anybody {
    fn accepts(&self, _: &str, _: &Announcement, _: Timestamp) -> bool {
        true
    }
}

const NODE: ConnectionId = ConnectionId(1);
const HELLO: &[u8] =
    b"OPTIONS sip:sip-proxy.trunkline.invalid SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.2.1;branch=z9hG4bKn\r\n\
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
        asked: Some(UriHop { host: "carrier.example".into(), port: None, transport: None, secure: false }),
        user: None,
        registrar: None,
        inbound: InboundPassword::NotAsked,
    };
    proxy.set_trunks([trunk], now);
    proxy.handle_opened(NODE, ([127, 0, 2, 1], 40_000).into(), Side::Cluster);
    if let Ok(hello) = Message::parse(Bytes::from_static(HELLO)) {
        proxy.handle_message(NODE, hello, now);
    }
    proxy
}

/// What is around the proxy.
struct Neighbours {
    proxy: Proxy,
    now: Timestamp,
    /// How connections and names turn out, by the last byte that came from outside.
    mood: u8,
    /// The last request that went out, with the flow that it took.
    asked: Option<(Flow, Message)>,
    /// The last connection that the proxy has opened.
    connection: Option<ConnectionId>,
}

impl Neighbours {
    /// Answers the last request that went out: `text` begins with a letter for the status, and further headers follow.
    fn answer(&mut self, text: &[u8]) {
        let Some((flow, request)) = &self.asked else { return };
        let (Some((letter, more)), flow) = (text.split_first(), *flow) else { return };
        let status = StatusCode(100 + 10 * u16::from(letter % 60) + u16::from(letter / 64));
        let built = Message::response_to(request, status).to_tag("far").build().to_bytes();
        let Some(first) = built.windows(2).position(|pair| pair == b"\r\n") else { return };
        let (line, rest) = built.split_at(first + 2);
        let bytes = Bytes::from([line, more, rest].concat());
        match flow {
            Flow::Udp { listener, remote } => self.proxy.handle_datagram(listener, remote, bytes, self.now),
            Flow::Stream { connection } => {
                if let Ok(message) = Message::parse(bytes) {
                    self.proxy.handle_message(connection, message, self.now);
                }
            }
        }
    }

    fn hops(&self) -> Option<Vec<Hop>> {
        let hop = |transport, last| Hop { transport, remote: ([198, 51, 100, last], 5_060).into() };
        match self.mood % 5 {
            0 => Some(vec![hop(Transport::Udp, 10)]),
            1 => Some(vec![hop(Transport::Udp, 10), hop(Transport::Tcp, 11), hop(Transport::Tls, 12)]),
            2 => Some(vec![hop(Transport::Tcp, 11), hop(Transport::Tcp, 11), hop(Transport::Udp, 10)]),
            3 => Some(Vec::new()),
            _ => None,
        }
    }

    fn drain(&mut self) {
        let now = self.now;
        while let Some(output) = self.proxy.poll_output() {
            match output {
                Output::Transmit(Transmit { flow, bytes }) => {
                    let read = Message::parse(bytes.clone());
                    if flow == (Flow::Stream { connection: NODE }) {
                        assert!(read.is_ok(), "{read:?}: {}", String::from_utf8_lossy(&bytes));
                    } else if let Some(request) = read.ok().filter(|message| message.status().is_none()) {
                        self.asked = Some((flow, request));
                    }
                }
                Output::NeedCredentials { lookup, .. } => match self.mood % 3 {
                    0 => self.proxy.handle_credentials(lookup, Credentials::Unavailable, now),
                    _ => self.proxy.handle_credentials(lookup, Credentials::Unknown { realm: None }, now),
                },
                Output::NeedHops { lookup, .. } => {
                    let hops = self.hops();
                    self.proxy.handle_hops(lookup, hops, now);
                }
                Output::Connect { connection, remote, .. } => match self.mood % 4 {
                    0 => self.proxy.handle_unopened(connection, Unreached::Refused, now),
                    1 => self.proxy.handle_closed(connection, now),
                    2 => self.connection = Some(connection),
                    _ => {
                        self.connection = Some(connection);
                        self.proxy.handle_opened(connection, remote, Side::Edge);
                    }
                },
                _ => {}
            }
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let now = Timestamp::from_millis(1_700_000_000_000);
    let mut around = Neighbours { proxy: proxy(now), now, mood: 0, asked: None, connection: None };
    around.drain();
    // A zero byte ends a message; the first byte of each says where it comes from.
    for part in data.split(|byte| *byte == 0) {
        let Some((from, text)) = part.split_first() else { continue };
        let bytes = Bytes::copy_from_slice(text);
        around.mood = *from;
        around.now = around.now + Duration::from_millis(u64::from(*from));
        let now = around.now;
        match from % 8 {
            0 => around.proxy.handle_datagram(0, ([198, 51, 100, 10], 5_060).into(), bytes, now),
            1 => around.proxy.handle_datagram(0, ([203, 0, 113, 5], 5_060).into(), bytes, now),
            2 | 3 => {
                if let Ok(message) = Message::parse(bytes) {
                    around.proxy.handle_message(NODE, message, now);
                }
            }
            4 | 5 => around.answer(text),
            6 => {
                if let Some(connection) = around.connection.take() {
                    around.proxy.handle_closed(connection, now);
                }
            }
            _ => {
                around.now = now + Duration::from_secs(u64::from(*from));
                around.proxy.handle_timeout(around.now);
            }
        }
        around.drain();
    }
});
