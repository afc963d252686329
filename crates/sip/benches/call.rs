//! Times the user agent: `cargo bench -p trunkline-sip --bench call`.
//!
//! One call is INVITE, 180, 200, ACK, BYE, 200 between two agents over a stream. The figure is the cost of one of the two
//! agents, parsing included, in microseconds, best of several rounds. With `snapshots` a snapshot is taken after every input,
//! as the node that owns the call does.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark reads the clock and prints")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use model::Timestamp;
use model::entropy::Seeded;
use sip::agent::{AgentConfig, DialogId, DialogTerms, Event, Invite, LocalIdentity, Provisionals, Reply, UserAgent};
use sip::{ConnectionId, Flow, Message, StatusCode};

const CALLS: u32 = 5_000;
const ROUNDS: u32 = 7;
const FLOW: Flow = Flow::Stream { connection: ConnectionId(1) };
const SDP: &str = "v=0\r\no=- 1732089600 1 IN IP4 192.0.2.10\r\ns=call\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
m=audio 49170 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=sendrecv\r\n";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Snapshots {
    None,
    EveryInput,
}

fn main() {
    for (name, snapshots) in [("plain", Snapshots::None), ("snapshots", Snapshots::EveryInput)] {
        let best = (0..ROUNDS).map(|_| round(snapshots)).min().unwrap_or_default();
        let per_agent = best.as_secs_f64() * 1e6 / f64::from(CALLS) / 2.0;
        println!("{name:<12}{per_agent:8.2} us per call and agent");
    }
}

fn round(snapshots: Snapshots) -> Duration {
    let agent = |name: &str, seed| {
        let config = AgentConfig { sent_by: format!("{name}.example.com:5060"), ..AgentConfig::default() };
        UserAgent::new(config, Box::new(Seeded::new(seed)))
    };
    let (mut caller, mut callee) = (agent("caller", 1), agent("callee", 2));
    let begin = Instant::now();
    for call in 0..CALLS {
        let now = Timestamp::from_millis(1_767_225_600_000 + u64::from(call) * 10);
        caller.handle_timeout(now);
        callee.handle_timeout(now);
        one_call(&mut caller, &mut callee, call, snapshots, now);
    }
    begin.elapsed()
}

fn one_call(caller: &mut UserAgent, callee: &mut UserAgent, call: u32, snapshots: Snapshots, now: Timestamp) {
    let invite = Invite {
        flow: FLOW,
        target: "sip:7101@pbx.example.com".into(),
        from: "\"Alice Example\" <sip:1000@pbx.example.com>".into(),
        to: "<sip:7101@pbx.example.com>".into(),
        call_id: format!("{call}-8f2c41d7@caller.example.com"),
        local: identity("caller", call),
        routes: vec!["<sip:a1b2c3d4e5f6@192.0.2.1:5060;lr>".into()],
        headers: Vec::new(),
        offer: Some(Bytes::from_static(SDP.as_bytes())),
        max_forwards: sip::dialog::MAX_FORWARDS,
        parts: Vec::new(),
        provisionals: Provisionals::Plain,
        account: None,
        terms: DialogTerms::default(),
    };
    let Ok(dialog) = caller.invite(invite, now) else { return };
    exchange(caller, callee, dialog, snapshots, now);
    let Some(Event::Incoming { dialog: answered, .. }) = callee.poll_event() else { return };
    let _ = callee.identify(answered, identity("callee", call));
    let _ = callee.provisional(answered, Reply::new(StatusCode::RINGING), now);
    exchange(callee, caller, dialog, snapshots, now);
    let _ = callee.answer(answered, Reply::session(SDP.as_bytes()), now);
    exchange(callee, caller, dialog, snapshots, now);
    exchange(caller, callee, answered, snapshots, now);
    let _ = caller.bye(dialog, Vec::new(), now);
    exchange(caller, callee, answered, snapshots, now);
    exchange(callee, caller, dialog, snapshots, now);
    while caller.poll_event().is_some() {}
    while callee.poll_event().is_some() {}
}

fn identity(name: &str, call: u32) -> LocalIdentity {
    let tag = format!("{call:016x}.1.{name}.1732089600000.0123456789abcdef");
    LocalIdentity { contact: format!("<sip:{tag}@192.0.2.1:5060>"), tag }
}

/// Delivers the messages of `from` to `to`.
fn exchange(from: &mut UserAgent, to: &mut UserAgent, dialog: DialogId, snapshots: Snapshots, now: Timestamp) {
    while let Some(transmit) = from.poll_transmit() {
        let Ok(message) = Message::parse(transmit.bytes) else { continue };
        to.receive(message, FLOW, now);
        if snapshots == Snapshots::EveryInput {
            black_box(to.snapshot(&[dialog]));
        }
    }
}
