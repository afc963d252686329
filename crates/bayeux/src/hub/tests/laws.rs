//! Laws of a hub under random steps: nothing is lost, doubled without need, or overtaken, and a restored hub goes on.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::limits::ASKED_AGAIN_MAX;

/// Channels of messages without a cursor, and of those with one.
const CHANNELS: [&str; 4] = ["/plain/a", "/plain/b", "/cursor/a", "/cursor/b"];
/// The most answers in a row that are lost.
const LOST_MAX: u32 = ASKED_AGAIN_MAX;
/// The first channel whose messages have a cursor.
const WITH_CURSOR: usize = 2;

#[derive(Clone, Debug)]
enum Step {
    Publish(usize),
    Subscribe(usize, usize),
    Connect(usize),
    /// A connect ends before its answer.
    HangUp(usize),
    /// The next answer is lost on its way.
    Lose(usize, Loss),
    Restore,
    Tick,
}

fn step() -> impl Strategy<Value = Step> {
    let (reader, channel) = (0..2_usize, 0..CHANNELS.len());
    let loss = prop::sample::select(vec![Loss::Told, Loss::Failed, Loss::Repeated, Loss::Death]);
    prop_oneof![
        8 => channel.clone().prop_map(Step::Publish),
        2 => (reader.clone(), channel).prop_map(|(reader, channel)| Step::Subscribe(reader, channel)),
        8 => reader.clone().prop_map(Step::Connect),
        2 => reader.clone().prop_map(Step::HangUp),
        4 => (reader, loss).prop_map(|(reader, loss)| Step::Lose(reader, loss)),
        1 => Just(Step::Restore),
        3 => Just(Step::Tick),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Loss {
    /// The hub is told.
    Told,
    /// The client alone knows that its connect has failed.
    Failed,
    /// Somebody on the way sends the connect once more.
    Repeated,
    /// The process dies while it answers.
    Death,
}

/// A client that polls: the first without numbers, the second with them.
struct Reader {
    id: ClientId,
    number: Option<i64>,
    waits: Option<ExchangeId>,
    loses: Option<Loss>,
    /// How the last answer was lost.
    lost: Option<Loss>,
    lost_in_a_row: u32,
    connects: u64,
    received: Vec<(String, u64)>,
}

struct World {
    edge: Edge,
    readers: Vec<Reader>,
    published: Vec<(usize, u64)>,
    has_died: bool,
}

impl World {
    fn new() -> Self {
        let mut edge = Edge::new(HubSettings {
            connect_timeout: Duration::from_millis(300),
            client_idle_max: Duration::from_secs(1_000),
            queue_messages_max: 10_000,
            queue_bytes_max: 1 << 20,
            subscriptions_max: 10,
            ..settings()
        });
        let plain = edge.handshake();
        let numbered = edge.handshake_with_acks();
        let reader = |id, number| Reader {
            id,
            number,
            waits: None,
            loses: None,
            lost: None,
            lost_in_a_row: 0,
            connects: 0,
            received: Vec::new(),
        };
        Self {
            edge,
            readers: vec![reader(plain, None), reader(numbered, Some(-1))],
            published: Vec::new(),
            has_died: false,
        }
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Publish(channel) => {
                let number = u64::try_from(self.published.len()).unwrap() + 1;
                self.published.push((channel, number));
                self.publish(channel, number);
            }
            Step::Subscribe(reader, channel) => {
                let id = self.readers[reader].id.clone();
                let asked = json!([{ "channel": "/meta/subscribe", "clientId": id.as_str(), "subscription": CHANNELS[channel] }]);
                self.edge.send(&asked);
            }
            Step::Connect(reader) => self.connect(reader),
            Step::HangUp(reader) => {
                if let Some(exchange) = self.readers[reader].waits.take() {
                    self.edge.hub.hung_up(exchange, self.edge.now);
                }
            }
            Step::Lose(reader, loss) => self.readers[reader].loses = Some(loss),
            Step::Restore => self.die(),
            Step::Tick => self.edge.wait(Duration::from_millis(100)),
        }
        self.read_answers();
    }

    fn publish(&mut self, channel: usize, number: u64) {
        let cursor = (channel >= WITH_CURSOR).then_some(number);
        self.edge.hub.publish(&name(CHANNELS[channel]), &json!(number), cursor, self.edge.now);
    }

    fn connect(&mut self, reader: usize) {
        let reader = &mut self.readers[reader];
        let lost = reader.lost.take();
        reader.connects += u64::from(lost != Some(Loss::Repeated));
        let mut connect = json!({ "id": reader.connects, "channel": "/meta/connect", "clientId": reader.id.as_str() });
        if lost == Some(Loss::Failed) {
            connect["advice"] = json!({ "timeout": 0 });
        }
        if let Some(number) = reader.number {
            connect["ext"] = json!({ "ack": number });
        }
        reader.waits = Some(self.edge.send(&connect));
    }

    fn read_answers(&mut self) {
        let mut dies = false;
        for (exchange, answer) in self.edge.answers() {
            let Some(at) = self.readers.iter().position(|reader| reader.waits == Some(exchange)) else {
                assert_eq!(data(&answer), Vec::<Value>::new(), "only connects carry messages");
                continue;
            };
            let reader = &mut self.readers[at];
            reader.waits = None;
            let loses = reader.loses.take().filter(|_| reader.lost_in_a_row < LOST_MAX);
            let Some(loss) = loses else {
                reader.read(&answer);
                continue;
            };
            reader.lost = Some(loss);
            reader.lost_in_a_row += 1;
            match loss {
                Loss::Death => dies = true,
                // Who numbers needs nobody to tell of it.
                Loss::Told if reader.number.is_none() => self.edge.hub.hung_up(exchange, self.edge.now),
                Loss::Told | Loss::Failed | Loss::Repeated => {}
            }
        }
        if dies {
            self.die();
        }
    }

    /// Another process goes on, and the owner publishes again what is not confirmed.
    fn die(&mut self) {
        self.has_died = true;
        self.edge.restore();
        for reader in &mut self.readers {
            reader.waits = None;
        }
        let confirmed = self.edge.hub.confirmed().unwrap();
        for (channel, number) in self.published.clone() {
            if channel >= WITH_CURSOR && number > confirmed {
                self.publish(channel, number);
            }
        }
    }

    /// All subscribe to all, and connect until nothing is left.
    fn finish(&mut self) {
        for reader in 0..self.readers.len() {
            self.readers[reader].loses = None;
            for channel in 0..CHANNELS.len() {
                self.apply(&Step::Subscribe(reader, channel));
            }
            for _ in 0..2 {
                self.connect(reader);
                self.read_answers();
            }
        }
    }
}

impl Reader {
    fn read(&mut self, answer: &Value) {
        self.lost_in_a_row = 0;
        for message in answer.as_array().unwrap() {
            if let Some(number) = message["data"].as_u64() {
                self.received.push((message["channel"].as_str().unwrap().to_owned(), number));
            } else if let Some(number) = self.number.as_mut() {
                *number = message["ext"]["ack"].as_i64().unwrap();
            }
        }
    }

    fn received(&self, channel: &str) -> Vec<u64> {
        self.received.iter().filter(|(of, _)| of == channel).map(|(_, number)| *number).collect()
    }
}

/// Each number where it came first.
fn once(numbers: &[u64]) -> Vec<u64> {
    let mut seen = BTreeSet::new();
    numbers.iter().copied().filter(|number| seen.insert(*number)).collect()
}

proptest! {
    #[test]
    fn each_message_arrives_in_its_order_and_once_unless_a_process_dies(steps in prop::collection::vec(step(), 0..60)) {
        let mut world = World::new();
        for step in &steps {
            world.apply(step);
        }
        world.finish();
        for (reader, at) in world.readers.iter().zip(0..) {
            for (channel, text) in CHANNELS.iter().enumerate() {
                let published = world.published.iter().filter(|(of, _)| *of == channel).map(|(_, number)| *number);
                let published: Vec<u64> = published.collect();
                let received = reader.received(text);
                prop_assert_eq!(&once(&received), &published, "reader {} on {}", at, text);
                // With numbers nothing comes twice but what the owner publishes again.
                if !world.has_died || (reader.number.is_some() && channel < WITH_CURSOR) {
                    prop_assert_eq!(&received, &published, "reader {} on {}", at, text);
                }
            }
        }
    }

    #[test]
    fn what_is_stored_is_what_was_restored(steps in prop::collection::vec(step(), 0..40)) {
        let mut world = World::new();
        for step in &steps {
            world.apply(step);
            world.edge.restore();
            let stored = world.edge.hub.snapshot();
            world.die();
            let again = Hub::restore(world.edge.hub.settings.clone(), stored.clone(), world.edge.now).snapshot();
            prop_assert_eq!(again, stored);
        }
    }

    #[test]
    fn whatever_clients_send_ends_in_answers_and_bounds(
        batches in prop::collection::vec(prop::collection::vec(message(), 1..4), 0..40),
    ) {
        let mut edge = Edge::new(HubSettings { unknown_client: UnknownClient::Adopt, ..settings() });
        let mut open = BTreeSet::new();
        for batch in batches {
            open.insert(edge.send(&Value::Array(batch)));
            edge.publish("/a", &json!(1));
            edge.wait(Duration::from_secs(7));
            for (exchange, _) in edge.answers() {
                prop_assert!(open.remove(&exchange), "one answer for each exchange");
            }
            prop_assert!(edge.hub.clients.len() <= settings().clients_max);
            prop_assert!(open.len() <= edge.hub.clients.len(), "only connects wait, one a client");
            prop_assert_eq!(edge.hub.timers.len(), edge.hub.clients.len());
            let sizes = edge.hub.clients.values().map(|client| client.queue.len() + client.sent.len());
            prop_assert!(sizes.max().is_none_or(|most| most <= settings().queue_messages_max));
        }
        edge.wait(IDLE + Duration::from_secs(30));
        edge.wait(IDLE);
        for (exchange, _) in edge.answers() {
            prop_assert!(open.remove(&exchange));
        }
        prop_assert!(open.is_empty() && !edge.hub.has_clients());
        prop_assert_eq!(edge.hub.next_timeout(), None);
    }
}

/// A message of a client that may do anything, in the name of one client.
fn message() -> impl Strategy<Value = Value> {
    let channel = prop::sample::select(vec![
        "/meta/handshake",
        "/meta/connect",
        "/meta/connect",
        "/meta/subscribe",
        "/meta/unsubscribe",
        "/meta/disconnect",
        "/meta/x",
        "/a",
    ]);
    let pattern = prop::sample::select(vec!["/a", "/*", "/**", "/b", "wrong"]);
    (channel, pattern, 0..3_u64, -1..4_i64).prop_map(|(channel, pattern, timeout, ack)| {
        json!({ "channel": channel, "clientId": "one", "subscription": pattern,
            "advice": { "timeout": timeout * 5_000 }, "ext": { "ack": ack } })
    })
}
