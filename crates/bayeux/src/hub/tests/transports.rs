//! Laws of clients that change between sockets and long polls: whatever breaks, and whenever the hub hears of it, each message comes once
//! and in its order.

use proptest::prelude::*;

use super::*;
use crate::limits::ASKED_AGAIN_MAX;

const CHANNELS: [&str; 2] = ["/a", "/b"];
/// By what a client connects, in turn.
const TYPES: [&str; 2] = ["websocket", "long-polling"];
/// Failures in a row, each of which makes a client ask again.
const FAILURES_MAX: u32 = ASKED_AGAIN_MAX;

#[derive(Clone, Debug)]
enum Step {
    Publish(usize),
    Connect(usize),
    /// Whatever a client is connected by breaks while its connect waits.
    Break(usize),
    /// It breaks with the next answer in it.
    BreakWithAnswer(usize),
    /// The hub is told of what has broken: that may be long after.
    Tell(usize),
    /// Beside the connect, as in one socket.
    Unsubscribe(usize),
    Tick,
}

fn step() -> impl Strategy<Value = Step> {
    let client = 0..2_usize;
    prop_oneof![
        6 => (0..CHANNELS.len()).prop_map(Step::Publish),
        8 => client.clone().prop_map(Step::Connect),
        2 => client.clone().prop_map(Step::Break),
        3 => client.clone().prop_map(Step::BreakWithAnswer),
        2 => client.clone().prop_map(Step::Tell),
        1 => client.prop_map(Step::Unsubscribe),
        2 => Just(Step::Tick),
    ]
}

/// A client: the first numbers nothing, the second does.
struct ChangingClient {
    id: ClientId,
    number: Option<i64>,
    /// Its connect that waits for an answer, as it believes.
    waits: Option<ExchangeId>,
    /// Which type it has now.
    connected_by: usize,
    /// Whether its last connect has failed: `CometD` says so by its next one.
    has_failed: bool,
    failures_in_a_row: u32,
    loses: bool,
    /// Exchanges that have broken, of which the hub has not heard.
    untold: Vec<ExchangeId>,
    connects: u64,
    received: Vec<u64>,
}

impl ChangingClient {
    fn new(id: ClientId, number: Option<i64>) -> Self {
        Self {
            id,
            number,
            waits: None,
            connected_by: 0,
            has_failed: false,
            failures_in_a_row: 0,
            loses: false,
            untold: Vec::new(),
            connects: 0,
            received: Vec::new(),
        }
    }

    /// What it has is broken: it goes on by the other type.
    fn breaks(&mut self, exchange: ExchangeId) {
        self.waits = None;
        self.untold.push(exchange);
        self.has_failed = true;
        self.failures_in_a_row += 1;
        self.connected_by = (self.connected_by + 1) % TYPES.len();
    }

    fn connect(&mut self) -> Value {
        self.connects += 1;
        let mut connect = json!({ "id": self.connects, "channel": "/meta/connect", "clientId": self.id.as_str(),
            "connectionType": TYPES[self.connected_by] });
        if std::mem::take(&mut self.has_failed) {
            connect["advice"] = json!({ "timeout": 0 });
        }
        if let Some(number) = self.number {
            connect["ext"] = json!({ "ack": number });
        }
        json!([connect])
    }

    fn read(&mut self, answer: &Value) {
        (self.waits, self.failures_in_a_row) = (None, 0);
        for message in answer.as_array().unwrap() {
            if let Some(number) = message["data"].as_u64() {
                self.received.push(number);
            } else if let Some(number) = self.number.as_mut() {
                *number = message["ext"]["ack"].as_i64().unwrap();
            }
        }
    }
}

struct World {
    edge: Edge,
    clients: Vec<ChangingClient>,
    published: u64,
}

impl World {
    fn new() -> Self {
        let mut edge = Edge::new(HubSettings {
            connections: ServedConnections::SocketsToo,
            connect_timeout: Duration::from_millis(300),
            client_idle_max: Duration::from_secs(1_000),
            queue_messages_max: 10_000,
            queue_bytes_max: 1 << 20,
            ..settings()
        });
        let (plain, numbered) = (edge.handshake(), edge.handshake_with_acks());
        for client in [&plain, &numbered] {
            for channel in CHANNELS {
                edge.subscribe(client, channel);
            }
        }
        let clients = vec![ChangingClient::new(plain, None), ChangingClient::new(numbered, Some(-1))];
        Self { edge, clients, published: 0 }
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Publish(channel) => {
                self.published += 1;
                self.edge.publish(CHANNELS[channel], &json!(self.published));
            }
            Step::Connect(client) => self.connect(client),
            Step::Break(client) => {
                let client = &mut self.clients[client];
                if let Some(exchange) = client.waits.filter(|_| client.failures_in_a_row < FAILURES_MAX) {
                    client.breaks(exchange);
                }
            }
            Step::BreakWithAnswer(client) => self.clients[client].loses = true,
            Step::Tell(client) => self.tell(client),
            Step::Unsubscribe(client) => {
                let id = self.clients[client].id.clone();
                let asked =
                    json!([{ "channel": "/meta/unsubscribe", "clientId": id.as_str(), "subscription": "/none" }]);
                self.edge.send(&asked);
            }
            Step::Tick => self.edge.wait(Duration::from_millis(100)),
        }
        self.read_answers();
    }

    fn connect(&mut self, client: usize) {
        // A client has one connect at a time.
        if self.clients[client].waits.is_none() {
            let connect = self.clients[client].connect();
            self.clients[client].waits = Some(self.edge.send(&connect));
        }
    }

    fn tell(&mut self, client: usize) {
        for exchange in std::mem::take(&mut self.clients[client].untold) {
            self.edge.hub.hung_up(exchange, self.edge.now);
        }
    }

    fn read_answers(&mut self) {
        for (exchange, answer) in self.edge.answers() {
            // An answer into what is broken goes nowhere.
            let Some(client) = self.clients.iter_mut().find(|client| client.waits == Some(exchange)) else { continue };
            if std::mem::take(&mut client.loses) && client.failures_in_a_row < FAILURES_MAX {
                client.breaks(exchange);
            } else {
                client.read(&answer);
            }
        }
    }

    /// Nothing breaks any more, and all is read.
    fn finish(&mut self) {
        for client in 0..self.clients.len() {
            self.clients[client].loses = false;
            for _ in 0..2 {
                self.connect(client);
                self.edge.wait(Duration::from_secs(1));
                self.read_answers();
            }
            self.tell(client);
            self.connect(client);
            self.edge.wait(Duration::from_secs(1));
            self.read_answers();
        }
    }
}

proptest! {
    #[test]
    fn each_message_comes_once_and_in_its_order_by_whatever_a_client_connects(steps in prop::collection::vec(step(), 0..80)) {
        let mut world = World::new();
        for step in &steps {
            world.apply(step);
        }
        world.finish();
        let published: Vec<u64> = (1..=world.published).collect();
        for (client, at) in world.clients.iter().zip(0..) {
            prop_assert_eq!(&client.received, &published, "client {}", at);
        }
    }
}

#[test]
fn what_a_socket_has_lost_comes_by_a_long_poll_and_a_late_word_of_it_doubles_nothing() {
    for client in 0..2 {
        let mut world = World::new();
        for step in [Step::Connect(client), Step::BreakWithAnswer(client), Step::Publish(0)] {
            world.apply(&step);
        }
        assert_eq!((world.clients[client].received.len(), world.clients[client].connected_by), (0, 1));
        for step in [Step::Connect(client), Step::Tell(client), Step::Connect(client)] {
            world.apply(&step);
        }
        world.edge.wait(Duration::from_secs(1));
        world.read_answers();
        assert_eq!(world.clients[client].received, [1]);
    }
}
