//! Answers of a carrier's registrar to our registration: nothing panics, time always goes on, and no pause is shorter than it may be.

#![no_main]

use std::time::Duration;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use model::Timestamp;
use model::entropy::Seeded;
use sip::agent::AgentCredentials;
use sip::own_registration::{Account, EdgeAddresses, OwnRegistration};
use sip::{Instance, Message, StatusCode};

const HOSTS: [&str; 2] = ["192.0.2.1", "192.0.2.2"];
/// More requests than these at one moment are a loop.
const AT_ONCE_MAX: usize = 8;

fn edge(host: &str) -> EdgeAddresses {
    EdgeAddresses { plain: format!("{host}:5060"), secure: Some(format!("{host}:5061")), places: Vec::new() }
}

fn registration() -> OwnRegistration {
    let credentials = AgentCredentials { user: "line".to_owned(), password: "hush-hush".to_owned() };
    let account = Account {
        registrar: "carrier.example:5060".to_owned(),
        domain: None,
        user: "line".to_owned(),
        credentials,
        instance: Instance::nobody(),
    };
    OwnRegistration::new(account, Box::new(Seeded::new(1)))
}

/// The request's answer, with these headers before its own.
fn answer(request: &Message, letter: u8, more: &[u8]) -> Option<Message> {
    let status = StatusCode(100 + 10 * u16::from(letter % 60) + u16::from(letter / 64));
    let built = Message::response_to(request, status).to_tag("far").build().to_bytes();
    let first = built.windows(2).position(|pair| pair == b"\r\n")?;
    let (line, rest) = built.split_at(first + 2);
    Message::parse(Bytes::from([line, more, rest].concat())).ok()
}

fuzz_target!(|data: &[u8]| {
    let mut now = Timestamp::from_millis(1_700_000_000_000);
    let mut registration = registration();
    let edges = HOSTS.map(edge);
    registration.handle_way(Some(&edges[0]), Duration::ZERO, now);
    let mut asked: Option<Message> = None;
    // A zero byte ends an answer; its first byte is its status, or what else happens.
    for part in data.split(|byte| *byte == 0) {
        if let Some(due) = registration.next_timeout() {
            now = now.max(due);
            registration.handle_timeout(now);
            assert!(registration.next_timeout().is_none_or(|next| next > now), "due again at once");
        }
        for _ in 0..AT_ONCE_MAX {
            let Some(request) = registration.poll_request() else { break };
            asked = Some(request);
        }
        assert!(registration.poll_request().is_none(), "requests without end");
        let Some((first, more)) = part.split_first() else { continue };
        match (first, &asked) {
            (250, _) => registration.handle_closed(Duration::ZERO, now),
            (251, _) => registration.handle_way(Some(&edges[1]), Duration::ZERO, now),
            (252, _) => registration.handle_way(None, Duration::ZERO, now),
            (253, _) => registration.handle_silence(now),
            (254, _) => registration.give_way(now),
            (255, _) => registration.end(now),
            (letter, Some(request)) => {
                if let Some(response) = answer(request, *letter, more) {
                    registration.handle_response(&response, &edges, now);
                }
            }
            _ => {}
        }
        let _ = registration.status(now);
        let _ = registration.service_route(now);
    }
});
