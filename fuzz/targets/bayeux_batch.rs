//! Batches of Bayeux clients: whatever comes is answered once or refused, a hub stays within its bounds, and a consumer goes on.

#![no_main]

use std::collections::BTreeSet;
use std::time::Duration;

use bayeux::{Batch, ChannelName, Consumer, Exchange, Hub, HubSettings, Output, ServedConnections, UnknownClient};
use libfuzzer_sys::fuzz_target;
use model::Timestamp;
use model::entropy::Seeded;
use serde_json::Value;

/// More turns than these until nobody waits are a loop.
const TURNS_MAX: usize = 8;

fn settings() -> HubSettings {
    HubSettings {
        connect_timeout: Duration::from_secs(30),
        interval: Duration::ZERO,
        client_idle_max: Duration::from_secs(60),
        clients_max: 2,
        subscriptions_max: 4,
        queue_messages_max: 4,
        queue_bytes_max: 1_000,
        unknown_client: UnknownClient::Adopt,
        connections: ServedConnections::SocketsToo,
    }
}

/// Every answer is for an exchange that has none yet, and a JSON array with a reply.
fn read_answers(hub: &mut Hub, open: &mut BTreeSet<Exchange>, consumer: &mut Consumer) {
    while let Some(output) = hub.poll_output() {
        if let Output::Answer { exchange, body } = output {
            assert!(open.remove(&exchange), "two answers");
            let answer: Value = serde_json::from_str(&body).expect("an answer is JSON");
            assert!(answer.as_array().is_some_and(|replies| !replies.is_empty()));
            assert!(consumer.answered(body.as_bytes()).is_ok() || body.contains("/meta/handshake"));
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Ok(channel) = ChannelName::parse("/a/b") else { return };
    let mut now = Timestamp::from_millis(1_700_000_000_000);
    let (mut hub, mut consumer) = (Hub::new(settings()), Consumer::new());
    let (mut entropy, mut open) = (Seeded::new(1), BTreeSet::new());
    // A zero byte ends a batch; what is no batch is an answer, and something happens.
    for (part, number) in data.split(|byte| *byte == 0).zip(1..) {
        match Batch::read(part) {
            Ok(batch) => {
                hub.receive(Exchange(number), batch, &mut entropy, now);
                open.insert(Exchange(number));
            }
            Err(_) if part == b"h" => {
                for exchange in std::mem::take(&mut open) {
                    hub.hung_up(exchange, now);
                }
            }
            Err(_) if part == b"r" => {
                hub = Hub::restore(settings(), hub.snapshot(), now);
                open.clear();
            }
            Err(_) => {
                let _ = consumer.answered(part);
                now = now + Duration::from_secs(7);
                hub.handle_timeout(now);
            }
        }
        hub.publish(&channel, &Value::from(number), Some(number).filter(|number| number % 2 == 0), now);
        read_answers(&mut hub, &mut open, &mut consumer);
        assert!(hub.snapshot().clients.len() <= settings().clients_max);
        assert!(hub.confirmed().is_none_or(|confirmed| confirmed <= number));
        let request = consumer.next_request(now);
        assert!(Batch::read(request.body.as_bytes()).is_ok(), "a consumer's own batch");
    }
    for _ in 0..TURNS_MAX {
        let Some(due) = hub.next_timeout() else { break };
        now = now.max(due);
        hub.handle_timeout(now);
        read_answers(&mut hub, &mut open, &mut consumer);
    }
    assert!(open.is_empty() && !hub.has_clients(), "everybody has an answer, and who is silent ends");
});
