//! Times the proxy core: `cargo bench -p trunkline-sip --bench proxy`.
//!
//! A call over a static route, UDP to UDP: INVITE, 180, 200, ACK, BYE, 200 come in, seven messages go out. The figure is
//! microseconds per call in the steady state at a thousand calls a second of the core's clock, including parsing, timers and
//! the end of earlier transactions. It is the best of many short slices, since on a shared machine only that one reflects the
//! code. Sockets are excluded.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock and prints"
)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use model::entropy::Seeded;
use model::{TenantId, Timestamp};
use sip::proxy::{
    Announcement, Credentials, InboundPassword, Limits, Network, NodeAuthority, Output, Proxy, Settings, Trunk,
};
use sip::{HeaderName, Message, Method, Seal, StatusCode};

/// A transaction lingers for 32 s: none ends before this number of calls.
const WARM_UP: u32 = 33_000;
const CALLS: u32 = 40_000;
/// Short enough to fit between two interruptions.
const SLICE: u32 = 25;
const CALLER: &str = "192.0.2.10:5060";
const CALLEE: &str = "192.0.2.20:5060";
const SDP: &str = "v=0\r\no=- 1732089600 1 IN IP4 192.0.2.10\r\ns=call\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
m=audio 49170 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=sendrecv\r\n";

struct Nobody;

impl NodeAuthority for Nobody {
    fn accepts(&self, _: &str, _: &Announcement, _: Timestamp) -> bool {
        false
    }
}

/// The time spent in the core, without that of the call's two ends.
#[derive(Default)]
struct Spent {
    core: Duration,
    sent: u32,
}

fn main() {
    let mut proxy = proxy();
    let mut best = Spent { core: Duration::MAX, sent: 0 };
    let mut slice = Spent::default();
    for call in 0..WARM_UP + CALLS {
        let now = Timestamp::from_millis(1_767_225_600_000 + u64::from(call));
        one_call(&mut proxy, &mut slice, call, now);
        if call % SLICE == SLICE - 1 {
            let done = std::mem::take(&mut slice);
            if call >= WARM_UP && done.core < best.core {
                best = done;
            }
        }
    }
    let each = best.core.as_secs_f64() * 1e6 / f64::from(SLICE);
    println!("{each:8.2} us per call, {:.1} messages out", f64::from(best.sent) / f64::from(SLICE));
}

fn proxy() -> Proxy {
    let settings = Settings {
        edge: "192.0.2.1:5060".to_owned(),
        udp_listeners: vec![address("192.0.2.1:5060")],
        other_edges: vec![],
        aliases: Vec::new(),
        cluster: "127.0.1.1:5080".to_owned(),
        static_route: Some(address(CALLEE)),
        algorithms: vec![sip::digest::Algorithm::Md5],
        limits: Limits::default(),
    };
    let mut proxy = Proxy::new(settings, Seal::new(&[7; 32]), Box::new(Nobody), Box::new(Seeded::new(1)));
    let allow = Network::parse("192.0.2.0/24").into_iter().collect();
    let tenant = TenantId::parse("example").unwrap();
    proxy.set_trunks(
        vec![Trunk {
            tenant,
            name: "carrier".to_owned(),
            allow,
            certificate_names: Vec::new(),
            registrar: None,
            inbound: InboundPassword::NotAsked,
            asked: None,
            user: None,
        }],
        Timestamp::from_millis(0),
    );
    proxy
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn one_call(proxy: &mut Proxy, spent: &mut Spent, call: u32, now: Timestamp) {
    let invite = request(Method::Invite, call, "", &[], now);
    let out = exchange(proxy, spent, CALLER, invite.to_bytes(), now);
    let there = out.iter().find(|m| m.is_request()).unwrap().clone();
    let ringing = answer(&there, StatusCode::RINGING, "");
    exchange(proxy, spent, CALLEE, ringing, now);
    let ok = exchange(proxy, spent, CALLEE, answer(&there, StatusCode::OK, SDP), now);
    let routes: Vec<String> = ok[0].headers(&HeaderName::RecordRoute).map(str::to_owned).collect();
    let to = ";tag=callee";
    exchange(proxy, spent, CALLER, request(Method::Ack, call, to, &routes, now).to_bytes(), now);
    let out = exchange(proxy, spent, CALLER, request(Method::Bye, call, to, &routes, now).to_bytes(), now);
    exchange(proxy, spent, CALLEE, answer(&out[0], StatusCode::OK, ""), now);
    let began = Instant::now();
    proxy.handle_timeout(now);
    spent.core += began.elapsed();
}

/// Passes in one datagram and returns all output.
fn exchange(proxy: &mut Proxy, spent: &mut Spent, from: &str, bytes: Bytes, now: Timestamp) -> Vec<Message> {
    let from = address(from);
    let mut sent = Vec::new();
    let began = Instant::now();
    proxy.handle_datagram(0, from, bytes, now);
    while let Some(output) = proxy.poll_output() {
        match output {
            Output::Transmit(transmit) => sent.push(transmit.bytes),
            Output::NeedCredentials { lookup, .. } => {
                proxy.handle_credentials(lookup, Credentials::Unknown { realm: None }, now)
            }
            _ => {}
        }
    }
    spent.core += began.elapsed();
    spent.sent += u32::try_from(sent.len()).unwrap_or_default();
    sent.into_iter().map(|bytes| Message::parse(bytes).unwrap()).collect()
}

fn request(method: Method, call: u32, to: &str, routes: &[String], now: Timestamp) -> Message {
    let name = method.as_str().to_owned();
    let number = u32::from(method == Method::Bye) + 1;
    let body = if method == Method::Invite { SDP } else { "" };
    let target = "sip:service@192.0.2.20:5060";
    let mut request = Message::request(method, target)
        .header(&HeaderName::Via, format_args!("SIP/2.0/UDP {CALLER};branch=z9hG4bK-{now:?}-{name}-{call}"));
    for route in routes {
        request = request.header(&HeaderName::Route, route);
    }
    let request = request
        .header(&HeaderName::From, format_args!("<sip:carrier@192.0.2.10>;tag=c{call}"))
        .header(&HeaderName::To, format_args!("<sip:service@192.0.2.1:5060>{to}"))
        .header(&HeaderName::CallId, format_args!("{call}-4806@192.0.2.10"))
        .header(&HeaderName::CSeq, format_args!("{number} {name}"))
        .header(&HeaderName::Contact, "<sip:carrier@192.0.2.10:5060>")
        .header(&HeaderName::MaxForwards, 70);
    request.body(if body.is_empty() { "" } else { "application/sdp" }, body).build()
}

fn answer(request: &Message, status: StatusCode, body: &'static str) -> Bytes {
    let tag = if request.method() == Method::Bye { "" } else { "callee" };
    let mut response = Message::response_to(request, status);
    if !tag.is_empty() {
        response = response.to_tag(tag);
    }
    let response = response.header(&HeaderName::Contact, "<sip:service@192.0.2.20:5060>");
    response.body(if body.is_empty() { "" } else { "application/sdp" }, body).build().to_bytes()
}
