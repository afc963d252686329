//! Times the proxy core's work for phones that register: `cargo bench -p trunkline-sip --bench register`.
//!
//! Three figures, microseconds each: a REGISTER without credentials and its 401; one with credentials, forwarded to the
//! registrar; the registrar's 200, forwarded to the phone. All at a thousand phones a second of the core's clock, including
//! parsing, timers and the end of earlier transactions; the best of many short slices, as in the proxy's benchmark.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock and prints"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use model::entropy::Seeded;
use model::{Dn, TenantId, Timestamp};
use sip::digest::{self, Algorithm, Challenge};
use sip::proxy::{Announcement, Credentials, Hashes, Limits, NodeAuthority, Output, Phone, Proxy, Settings, Side};
use sip::{ConnectionId, Flow, HeaderName, Message, Method, Seal, StatusCode};

/// A transaction lingers for 32 s: none ends before this number of phones.
const WARM_UP: u32 = 33_000;
const PHONES: u32 = 40_000;
/// Short enough to fit between two interruptions.
const SLICE: u32 = 25;
const PHONE: &str = "192.0.2.10:5060";
const REGISTRAR: ConnectionId = ConnectionId(1);
const REALM: &str = "example.com";
const PASSWORD: &str = "secret-1";

struct Everybody;

impl NodeAuthority for Everybody {
    fn accepts(&self, _: &str, _: &Announcement, _: Timestamp) -> bool {
        true
    }
}

/// The time spent in the core, without that of phone and registrar.
#[derive(Clone, Copy)]
struct Spent {
    challenged: Duration,
    proven: Duration,
    answered: Duration,
}

const NOTHING: Spent = Spent { challenged: Duration::ZERO, proven: Duration::ZERO, answered: Duration::ZERO };

fn main() {
    let mut proxy = proxy();
    let mut best = Spent { challenged: Duration::MAX, proven: Duration::MAX, answered: Duration::MAX };
    let mut slice = NOTHING;
    for phone in 0..WARM_UP + PHONES {
        let now = Timestamp::from_millis(1_767_225_600_000 + u64::from(phone));
        one_phone(&mut proxy, &mut slice, phone, now);
        if phone % SLICE == SLICE - 1 {
            let done = std::mem::replace(&mut slice, NOTHING);
            if phone >= WARM_UP {
                best.challenged = best.challenged.min(done.challenged);
                best.proven = best.proven.min(done.proven);
                best.answered = best.answered.min(done.answered);
            }
        }
    }
    let each = |spent: Duration| spent.as_secs_f64() * 1e6 / f64::from(SLICE);
    println!("{:8.2} us to challenge", each(best.challenged));
    println!("{:8.2} us to check the credentials and forward", each(best.proven));
    println!("{:8.2} us to forward the answer", each(best.answered));
}

fn proxy() -> Proxy {
    let settings = Settings {
        edge: "192.0.2.1:5060".to_owned(),
        udp_listeners: vec![address("192.0.2.1:5060")],
        other_edges: vec![],
        aliases: Vec::new(),
        cluster: "127.0.1.1:5080".to_owned(),
        static_route: None,
        algorithms: vec![Algorithm::Md5],
        limits: Limits { source_requests_per_s: 1_000_000, ..Limits::default() },
    };
    let mut proxy = Proxy::new(settings, Seal::new(&[7; 32]), Box::new(Everybody), Box::new(Seeded::new(1)));
    let now = Timestamp::from_millis(1_767_225_500_000);
    proxy.handle_opened(REGISTRAR, address("127.0.4.1:40000"), Side::Cluster);
    let hello = Message::request(Method::Options, "sip:sip-proxy.trunkline.invalid")
        .header(&HeaderName::Via, "SIP/2.0/TCP 127.0.4.1;branch=z9hG4bKnode1")
        .header(&HeaderName::From, "<sip:registrar-1@trunkline.invalid>;tag=1")
        .header(&HeaderName::To, "<sip:sip-proxy.trunkline.invalid>")
        .header(&HeaderName::CallId, "1@registrar-1")
        .header(&HeaderName::CSeq, "1 OPTIONS")
        .header(&sip::proxy::headers::TOKEN, "token")
        .header(&sip::proxy::headers::NODE, "registrar;node=registrar-1;epoch=1")
        .build();
    proxy.handle_message(REGISTRAR, hello, now);
    while proxy.poll_output().is_some() {}
    proxy
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn one_phone(proxy: &mut Proxy, spent: &mut Spent, phone: u32, now: Timestamp) {
    let user = (100_000 + phone % 20_000).to_string();
    let known = Credentials::Phone(Arc::new(Phone {
        tenant: TenantId::parse("example").unwrap(),
        dn: Dn::parse(&user).unwrap(),
        realm: REALM.to_owned(),
        hashes: Hashes {
            md5: digest::ha1(Algorithm::Md5, &user, REALM, PASSWORD),
            sha256: digest::ha1(Algorithm::Sha256, &user, REALM, PASSWORD),
        },
    }));
    let first = register(&user, phone, 1, None).to_bytes();
    let began = Instant::now();
    let out = exchange(proxy, first, &known, now);
    spent.challenged += began.elapsed();
    let asked = Message::parse(out[0].1.clone()).unwrap();
    let challenge = Challenge::parse(asked.header(&HeaderName::WwwAuthenticate).unwrap()).unwrap();
    let proof = digest::respond(&challenge, &user, PASSWORD, "REGISTER", "sip:192.0.2.1:5060", "6b8b4567", 1);
    let second = register(&user, phone, 2, Some(proof.to_string())).to_bytes();
    let began = Instant::now();
    let out = exchange(proxy, second, &known, now);
    spent.proven += began.elapsed();
    let (to, there) = &out[0];
    assert_eq!(*to, Flow::Stream { connection: REGISTRAR });
    let there = Message::parse(there.clone()).unwrap();
    let ok = Message::response_to(&there, StatusCode::OK)
        .to_tag("0123456789abcdef")
        .header(&HeaderName::Contact, format_args!("<sip:{user}@{PHONE}>;expires=600"));
    let ok = Message::parse(ok.build().to_bytes()).unwrap();
    let began = Instant::now();
    proxy.handle_message(REGISTRAR, ok, now);
    assert!(drain(proxy, &known, now).iter().any(|(_, bytes)| bytes.starts_with(b"SIP/2.0 200 ")));
    proxy.handle_timeout(now);
    spent.answered += began.elapsed();
    // Output of the timers: keep-alives to the node, which it answers.
    for (_, bytes) in drain(proxy, &known, now) {
        let answer = Message::response_to(&Message::parse(bytes).unwrap(), StatusCode::OK).to_tag("node").build();
        proxy.handle_message(REGISTRAR, answer, now);
    }
}

/// Passes in one datagram and returns all output.
fn exchange(proxy: &mut Proxy, bytes: Bytes, known: &Credentials, now: Timestamp) -> Vec<(Flow, Bytes)> {
    proxy.handle_datagram(0, address(PHONE), bytes, now);
    drain(proxy, known, now)
}

fn drain(proxy: &mut Proxy, known: &Credentials, now: Timestamp) -> Vec<(Flow, Bytes)> {
    let mut sent = Vec::new();
    while let Some(output) = proxy.poll_output() {
        match output {
            Output::Transmit(transmit) => sent.push((transmit.flow, transmit.bytes)),
            Output::NeedCredentials { lookup, .. } => proxy.handle_credentials(lookup, known.clone(), now),
            _ => {}
        }
    }
    sent
}

fn register(user: &str, phone: u32, number: u32, proof: Option<String>) -> Message {
    let registrar = "192.0.2.1:5060";
    let request = Message::request(Method::Register, format_args!("sip:{registrar}"))
        .header(&HeaderName::Via, format_args!("SIP/2.0/UDP {PHONE};branch=z9hG4bK-7321-{phone}-{number}"))
        .header(&HeaderName::From, format_args!("<sip:{user}@{registrar}>;tag=7321r{phone}"))
        .header(&HeaderName::To, format_args!("<sip:{user}@{registrar}>"))
        .header(&HeaderName::CallId, format_args!("{phone}-7321@192.0.2.10"))
        .header(&HeaderName::CSeq, format_args!("{number} REGISTER"))
        .header(&HeaderName::Contact, format_args!("<sip:{user}@{PHONE}>"));
    let request = match proof {
        Some(proof) => request.header(&HeaderName::Authorization, proof),
        None => request,
    };
    request
        .header(&HeaderName::Expires, 600)
        .header(&HeaderName::MaxForwards, 70)
        .header(&HeaderName::UserAgent, "Benchmark")
        .build()
}
