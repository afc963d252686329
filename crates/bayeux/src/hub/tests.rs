//! What clients of a hub see.

mod laws;
mod transports;

use model::entropy::Seeded;
use serde_json::json;

use super::*;
use crate::limits::HELD_COUNTS_FOR;
use crate::message::MessageBatch;

const IDLE: Duration = Duration::from_secs(70);

fn settings() -> HubSettings {
    HubSettings {
        connect_timeout: Duration::from_secs(30),
        interval: Duration::ZERO,
        client_idle_max: IDLE,
        clients_max: 3,
        subscriptions_max: 4,
        queue_messages_max: 5,
        queue_bytes_max: 10_000,
        unknown_client: UnknownClient::Refuse,
        connections: ServedConnections::LongPolls,
    }
}

fn name(text: &str) -> ChannelName {
    ChannelName::parse(text).unwrap()
}

/// A hub with a clock, and requests that are numbered.
struct Edge {
    hub: Hub,
    entropy: Seeded,
    now: Timestamp,
    exchanges: u64,
}

impl Edge {
    fn new(settings: HubSettings) -> Self {
        Self { hub: Hub::new(settings), entropy: Seeded::new(1), now: Timestamp::from_millis(1_000_000), exchanges: 0 }
    }

    fn send(&mut self, messages: &Value) -> ExchangeId {
        self.exchanges += 1;
        let batch = MessageBatch::read(messages.to_string().as_bytes()).unwrap();
        self.hub.receive(ExchangeId(self.exchanges), batch, &mut self.entropy, self.now);
        ExchangeId(self.exchanges)
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.hub.poll_output()).collect()
    }

    /// The answers that are ready, by exchange; other outputs are left out.
    fn answers(&mut self) -> Vec<(ExchangeId, Value)> {
        let answer = |output| match output {
            Output::Answer { exchange, body } => Some((exchange, serde_json::from_str(&body).unwrap())),
            _ => None,
        };
        self.outputs().into_iter().filter_map(answer).collect()
    }

    /// Sends, and reads the answer that comes at once.
    fn ask(&mut self, messages: &Value) -> Value {
        let exchange = self.send(messages);
        let answers = self.answers();
        let found = answers.into_iter().find(|(of, _)| *of == exchange);
        found.unwrap_or_else(|| panic!("no answer to {messages}")).1
    }

    fn handshake(&mut self) -> ClientId {
        let answer = self.ask(&json!([{ "id": "1", "channel": "/meta/handshake" }]));
        ClientId::parse(answer[0]["clientId"].as_str().unwrap()).unwrap()
    }

    fn handshake_with_acks(&mut self) -> ClientId {
        let answer = self.ask(&json!([{ "channel": "/meta/handshake", "ext": { "ack": true } }]));
        assert_eq!(answer[0]["ext"], json!({ "ack": true }));
        ClientId::parse(answer[0]["clientId"].as_str().unwrap()).unwrap()
    }

    fn subscribe(&mut self, client: &ClientId, pattern: &str) -> Value {
        self.ask(
            &json!([{ "id": "s", "channel": "/meta/subscribe", "clientId": client.as_str(), "subscription": pattern }]),
        )
    }

    fn connect(&mut self, client: &ClientId) -> ExchangeId {
        self.send(&connect(client, self.exchanges, None))
    }

    /// The answer to a connect that hardly waits.
    fn poll(&mut self, client: &ClientId) -> Value {
        let exchange = self.send(&connect(client, self.exchanges, Some(1)));
        self.wait(Duration::from_millis(1));
        self.answers().into_iter().find(|(of, _)| *of == exchange).unwrap().1
    }

    fn publish(&mut self, channel: &str, data: &Value) {
        self.hub.publish(&name(channel), data, None, self.now);
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        self.hub.handle_timeout(self.now);
    }

    /// A process dies, another goes on from what was stored.
    fn restore(&mut self) {
        self.hub = Hub::restore(self.hub.settings.clone(), self.hub.snapshot(), self.now);
    }

    /// A client that polls, and has subscribed to `/a`.
    fn polling(&mut self) -> (ClientId, ExchangeId) {
        let client = self.handshake();
        self.subscribe(&client, "/a");
        let exchange = self.connect(&client);
        assert_eq!(self.answers(), []);
        (client, exchange)
    }
}

/// A connect with an id, and for how many milliseconds it waits.
fn connect(client: &ClientId, id: u64, timeout: Option<u64>) -> Value {
    let mut connect = json!({ "id": format!("c{id}"), "channel": "/meta/connect", "clientId": client.as_str() });
    if let Some(timeout) = timeout {
        connect["advice"] = json!({ "timeout": timeout });
    }
    json!([connect])
}

fn first_connect(client: &ClientId) -> Value {
    json!([{ "id": "2", "channel": "/meta/connect", "clientId": client.as_str(), "advice": { "timeout": 0 } }])
}

/// The data of the messages of an answer, which stand before the replies.
fn data(answer: &Value) -> Vec<Value> {
    let messages = answer.as_array().unwrap();
    let meta = |message: &Value| message["channel"].as_str().unwrap().starts_with("/meta/");
    let count = messages.iter().position(meta).unwrap();
    assert!(messages[count..].iter().all(meta), "messages stand before the replies");
    messages[..count].iter().map(|message| message["data"].clone()).collect()
}

fn advice(reconnect: &str) -> Value {
    json!({ "reconnect": reconnect, "interval": 0, "timeout": 30_000 })
}

#[test]
fn an_owner_sees_what_each_client_has() {
    let mut edge = Edge::new(settings());
    let (one, other) = (edge.handshake(), edge.handshake());
    edge.subscribe(&one, "/a");
    edge.subscribe(&other, "/a");
    edge.hub.publish(&name("/a"), &json!(1), Some(1), edge.now);
    assert_eq!((edge.hub.received(&one), edge.hub.received(&other)), (Some(0), Some(0)));
    edge.poll(&one);
    edge.poll(&one);
    assert_eq!((edge.hub.received(&one), edge.hub.received(&other)), (Some(1), Some(0)));
    assert_eq!(edge.hub.confirmed(), Some(0));
    assert_eq!(edge.hub.received(&ClientId::parse("nobody").unwrap()), None);
}

// === Handshake and connect ===

#[test]
fn a_handshake_gets_a_client_and_what_is_served() {
    let mut edge = Edge::new(settings());
    let asked = json!([{ "id": "1", "version": "1.0", "channel": "/meta/handshake",
        "supportedConnectionTypes": ["websocket", "long-polling"], "advice": { "timeout": 60_000, "interval": 0 } }]);
    let answer = edge.ask(&asked);
    let reply = json!([{
        "id": "1", "channel": "/meta/handshake", "version": "1.0", "minimumVersion": "1.0", "successful": true,
        "supportedConnectionTypes": ["long-polling"], "clientId": answer[0]["clientId"], "advice": advice("retry"),
    }]);
    assert_eq!(answer, reply);
    assert!(edge.hub.knows(&ClientId::parse(answer[0]["clientId"].as_str().unwrap()).unwrap()));
    assert_ne!(edge.handshake(), edge.handshake());
}

#[test]
fn who_cannot_poll_is_refused_and_leaves_nothing() {
    let mut edge = Edge::new(settings());
    let answer = edge.ask(&json!([{ "channel": "/meta/handshake", "supportedConnectionTypes": ["websocket"] }]));
    assert_eq!(answer[0]["successful"], false);
    assert_eq!(answer[0]["supportedConnectionTypes"], json!(["long-polling"]));
    assert_eq!(answer[0]["advice"], json!({ "reconnect": "none" }));
    assert!(!edge.hub.has_clients());
}

#[test]
fn sockets_are_named_where_they_are_served_and_suffice_there_alone() {
    let mut edge = Edge::new(HubSettings { connections: ServedConnections::SocketsToo, ..settings() });
    for types in [json!(["websocket"]), json!(["long-polling"]), json!(["websocket", "long-polling"])] {
        let answer = edge.ask(&json!([{ "channel": "/meta/handshake", "supportedConnectionTypes": types }]));
        assert_eq!(answer[0]["successful"], true, "{types}");
        assert_eq!(
            answer[0]["supportedConnectionTypes"],
            json!(["websocket", "long-polling"]),
            "what is preferred first"
        );
    }
    let answer = edge.ask(&json!([{ "channel": "/meta/handshake", "supportedConnectionTypes": ["callback-polling"] }]));
    assert_eq!(answer[0]["successful"], false);
}

#[test]
fn a_connect_with_timeout_0_is_answered_at_once() {
    let mut edge = Edge::new(settings());
    let client = edge.handshake();
    let answer = edge.ask(&first_connect(&client));
    let reply = json!([{ "id": "2", "channel": "/meta/connect", "clientId": client.as_str(), "successful": true,
        "advice": advice("retry") }]);
    assert_eq!(answer, reply);
}

#[test]
fn a_connect_waits_for_a_message_or_its_timeout() {
    let mut edge = Edge::new(settings());
    let (client, exchange) = edge.polling();
    edge.publish("/a", &json!(1));
    edge.publish("/a", &json!(2));
    let answers = edge.answers();
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].0, exchange);
    assert_eq!(data(&answers[0].1), [1, 2], "one answer has all that was published until it is made");

    let asked = json!([{ "channel": "/meta/connect", "clientId": client.as_str(), "advice": { "timeout": 5_000 } }]);
    let exchange = edge.send(&asked);
    assert_eq!(edge.hub.next_timeout(), Some(edge.now + Duration::from_secs(5)));
    edge.wait(Duration::from_secs(5));
    let answers = edge.answers();
    assert_eq!((answers[0].0, data(&answers[0].1).len()), (exchange, 0));

    edge.connect(&client);
    assert_eq!(edge.hub.next_timeout(), Some(edge.now + settings().connect_timeout), "ours, if the client says none");
    edge.wait(Duration::from_secs(29));
    assert_eq!(edge.answers(), []);
}

#[test]
fn a_second_connect_releases_the_first() {
    let mut edge = Edge::new(settings());
    let (client, first) = edge.polling();
    let second = edge.connect(&client);
    let answers = edge.answers();
    assert_eq!(answers.len(), 1);
    assert_eq!((answers[0].0, answers[0].1[0]["successful"].clone()), (first, json!(true)));
    edge.publish("/a", &json!(1));
    assert_eq!(edge.answers()[0].0, second);
}

#[test]
fn a_connect_among_other_messages_is_answered_at_once() {
    let mut edge = Edge::new(settings());
    let client = edge.handshake();
    edge.publish("/a", &json!("held"));
    let answer = edge.ask(&json!([
        { "id": 1, "channel": "/meta/connect", "clientId": client.as_str() },
        { "id": 2, "channel": "/meta/subscribe", "clientId": client.as_str(), "subscription": "/a" },
        { "id": 3, "channel": "/meta/connect", "clientId": client.as_str() },
    ]));
    assert_eq!(data(&answer), ["held"]);
    let ids: Vec<&Value> = answer.as_array().unwrap()[1..].iter().map(|reply| &reply["id"]).collect();
    assert_eq!(ids, [2, 1, 3], "each has its reply");
}

// === Subscriptions, and what is held for them ===

#[test]
fn what_nobody_has_subscribed_to_yet_is_held_in_its_order() {
    let mut edge = Edge::new(settings());
    let client = edge.handshake();
    let exchange = edge.connect(&client);
    for n in 1..=3 {
        edge.publish("/workspace/v3/voice", &json!(n));
    }
    edge.publish("/workspace/v3/media", &json!("m"));
    assert_eq!(edge.answers(), []);
    let reply = edge.send(&json!([{ "id": "s", "channel": "/meta/subscribe", "clientId": client.as_str(),
        "subscription": "/workspace/v3/voice", "ext": { "after": "9" } }]));
    let outputs = edge.outputs();
    let pattern = ChannelPattern::parse("/workspace/v3/voice").unwrap();
    let subscribed = Output::Subscribed { client: client.clone(), pattern, ext: Some(json!({ "after": "9" })) };
    assert_eq!(outputs[0], subscribed, "before anything is delivered on it");
    let [_, Output::Answer { exchange: second, body: replies }, Output::Answer { exchange: third, body }] =
        &outputs[..]
    else {
        panic!("{outputs:?}")
    };
    assert_eq!((*second, *third), (reply, exchange), "messages come by connects alone");
    let replies: Value = serde_json::from_str(replies).unwrap();
    let expected = json!([{ "id": "s", "channel": "/meta/subscribe", "clientId": client.as_str(),
        "subscription": "/workspace/v3/voice", "successful": true }]);
    assert_eq!(replies, expected);
    assert_eq!(data(&serde_json::from_str(body).unwrap()), [1, 2, 3]);
    assert!(edge.hub.is_subscribed(&client, &name("/workspace/v3/voice")));
    assert!(!edge.hub.is_subscribed(&client, &name("/workspace/v3/media")));
}

#[test]
fn what_an_owner_publishes_for_a_subscription_comes_with_the_same_answer() {
    let mut edge = Edge::new(settings());
    let client = edge.handshake();
    edge.connect(&client);
    edge.publish("/a", &json!(1));
    edge.send(&json!([{ "channel": "/meta/subscribe", "clientId": client.as_str(), "subscription": "/a" }]));
    assert!(matches!(edge.hub.poll_output(), Some(Output::Subscribed { .. })));
    edge.hub.publish_to(&client, &name("/a"), &json!("picture"), None, edge.now);
    let answers = edge.answers();
    assert_eq!(data(&answers[1].1), [json!(1), json!("picture")]);
}

#[test]
fn what_is_published_before_the_first_connect_is_for_every_client_that_comes_until_then() {
    let mut edge = Edge::new(settings());
    assert_eq!(edge.hub.confirmed(), None);
    edge.publish("/a", &json!("early"));
    edge.handshake();
    // The first answer did not arrive, and the client shakes hands once more.
    edge.restore();
    let client = edge.handshake();
    edge.subscribe(&client, "/a");
    assert_eq!(data(&edge.ask(&first_connect(&client))), ["early"]);
    let late = edge.handshake();
    edge.subscribe(&late, "/a");
    assert_eq!(data(&edge.ask(&first_connect(&late))), Vec::<Value>::new(), "it came later");
}

#[test]
fn wildcards_and_lists_subscribe_and_one_message_comes_once() {
    let mut edge = Edge::new(settings());
    let client = edge.handshake();
    let answer = edge.ask(&json!([{ "channel": "/meta/subscribe", "clientId": client.as_str(),
        "subscription": ["/a/*", "/a/**", "/a/b"] }]));
    assert_eq!(answer[0]["subscription"], json!(["/a/*", "/a/**", "/a/b"]));
    edge.publish("/a/b", &json!(1));
    edge.publish("/a/b/c", &json!(2));
    edge.publish("/b", &json!(3));
    assert_eq!(data(&edge.ask(&first_connect(&client))), [1, 2]);
}

#[test]
fn after_unsubscribing_nothing_comes_of_it() {
    let mut edge = Edge::new(settings());
    let client = edge.handshake();
    edge.subscribe(&client, "/a");
    edge.subscribe(&client, "/b");
    edge.publish("/a", &json!(1));
    edge.publish("/b", &json!(2));
    let asked = json!([{ "channel": "/meta/unsubscribe", "clientId": client.as_str(), "subscription": "/a" }]);
    edge.send(&asked);
    let pattern = ChannelPattern::parse("/a").unwrap();
    assert_eq!(edge.outputs()[0], Output::Unsubscribed { client: client.clone(), pattern });
    assert_eq!(edge.ask(&asked)[0]["successful"], true, "a second time too");
    edge.subscribe(&client, "/a");
    assert_eq!(data(&edge.ask(&first_connect(&client))), [2], "nothing stale comes with the next subscription");
}

#[test]
fn subscriptions_are_refused_with_a_reason() {
    let mut edge = Edge::new(settings());
    let client = edge.handshake();
    let mut error = |pattern: &str| {
        let answer = edge.subscribe(&client, pattern);
        assert_eq!((answer[0]["successful"].clone(), answer[0]["id"].clone()), (json!(false), json!("s")));
        answer[0]["error"].as_str().unwrap().to_owned()
    };
    assert_eq!(error("a"), "400:a:it does not begin with a slash");
    assert_eq!(error("/meta/*"), "403:/meta/*:This channel is the protocol's own");
    for n in 0..4 {
        edge.subscribe(&client, &format!("/{n}"));
    }
    assert_eq!(edge.subscribe(&client, "/3")[0]["successful"], true);
    let answer = edge.subscribe(&client, "/4");
    assert_eq!(answer[0]["error"], "403::A client has at most 4 subscriptions");
    assert!(!edge.hub.is_subscribed(&client, &name("/4")));
}

#[test]
fn clients_publish_nothing() {
    let mut edge = Edge::new(settings());
    let client = edge.handshake();
    let answer = edge
        .ask(&json!([{ "id": 9, "channel": "/a", "clientId": client.as_str(), "data": 1 }, { "channel": "/meta/x" }]));
    let first = json!({ "id": 9, "channel": "/a", "successful": false, "error": "403::Clients publish nothing here" });
    assert_eq!(answer[0], first);
    assert_eq!(answer[1]["error"], "404::Unknown channel");
    edge.hub.publish(&name("/meta/connect"), &json!(1), Some(7), edge.now);
    assert_eq!(edge.hub.confirmed(), Some(7), "nobody is owed a message on a channel of the protocol");
}

// === Bounds ===

#[test]
fn a_full_queue_drops_what_nobody_wants_and_then_ends_the_client() {
    let mut edge = Edge::new(settings());
    let client = edge.handshake();
    edge.subscribe(&client, "/a");
    edge.ask(&first_connect(&client));
    for n in 1..=5 {
        edge.publish("/held", &json!(n));
    }
    for n in 1..=4 {
        edge.publish("/a", &json!(n));
    }
    assert_eq!(data(&edge.poll(&client)), [1, 2, 3, 4]);
    edge.poll(&client);
    edge.subscribe(&client, "/held");
    assert_eq!(data(&edge.poll(&client)), [5], "the oldest have gone first");
    edge.poll(&client);
    for n in 1..=6 {
        edge.publish("/a", &json!(n));
    }
    assert_eq!(edge.outputs(), [Output::Ended { client: client.clone(), why: ClientEnd::Overflow }]);
    let answer = edge.ask(&first_connect(&client));
    assert_eq!(answer[0]["error"], "402::Unknown client");
    assert_eq!(answer[0]["advice"], json!({ "reconnect": "handshake" }));
}

#[test]
fn bytes_count_as_messages_do_and_what_is_not_confirmed_counts_too() {
    let mut edge = Edge::new(HubSettings { queue_bytes_max: 100, ..settings() });
    let (client, _) = edge.polling();
    edge.publish("/a", &json!("x".repeat(40)));
    assert_eq!(edge.answers().len(), 1);
    edge.publish("/a", &json!("x".repeat(40)));
    assert_eq!(edge.outputs(), [Output::Ended { client, why: ClientEnd::Overflow }]);
    let (client, _) = edge.polling();
    edge.publish("/b", &json!("x".repeat(200)));
    assert_eq!(edge.outputs(), [], "too long for any queue, and nobody wants it");
    assert!(edge.hub.knows(&client));
}

#[test]
fn another_client_replaces_the_one_that_was_silent_longest() {
    let mut edge = Edge::new(settings());
    let silent = edge.handshake();
    edge.wait(Duration::from_secs(1));
    let (polling, _) = edge.polling();
    edge.handshake();
    edge.send(&json!([{ "channel": "/meta/handshake" }]));
    assert_eq!(edge.outputs()[0], Output::Ended { client: silent.clone(), why: ClientEnd::Replaced });
    assert!(edge.hub.knows(&polling));
    assert_eq!(edge.ask(&first_connect(&silent))[0]["advice"], json!({ "reconnect": "none" }));
}

// === Ends ===

#[test]
fn disconnect_answers_itself_and_the_connect_that_waits() {
    let mut edge = Edge::new(settings());
    let (client, waiting) = edge.polling();
    let exchange = edge.send(&json!([{ "id": "d", "channel": "/meta/disconnect", "clientId": client.as_str() }]));
    let outputs = edge.outputs();
    assert!(outputs.contains(&Output::Ended { client: client.clone(), why: ClientEnd::Disconnected }));
    let of = |wanted: ExchangeId| {
        outputs.iter().find_map(|output| match output {
            Output::Answer { exchange, body } if *exchange == wanted => {
                Some(serde_json::from_str::<Value>(body).unwrap())
            }
            _ => None,
        })
    };
    let reply = of(waiting).unwrap();
    assert_eq!((&reply[0]["successful"], &reply[0]["advice"]), (&json!(true), &json!({ "reconnect": "none" })));
    let expected =
        json!([{ "id": "d", "channel": "/meta/disconnect", "clientId": client.as_str(), "successful": true }]);
    assert_eq!(of(exchange), Some(expected));
    assert_eq!((edge.hub.has_clients(), edge.hub.next_timeout()), (false, None));
    assert_eq!(edge.ask(&first_connect(&client))[0]["advice"], json!({ "reconnect": "none" }));
}

#[test]
fn a_silent_client_ends_and_one_that_polls_does_not() {
    let mut edge = Edge::new(settings());
    let (client, _) = edge.polling();
    edge.wait(Duration::from_secs(30));
    assert_eq!(edge.answers().len(), 1);
    edge.wait(IDLE - Duration::from_millis(1));
    assert_eq!(edge.outputs(), []);
    edge.connect(&client);
    edge.wait(Duration::from_secs(30));
    edge.outputs();
    assert_eq!(edge.hub.next_timeout(), Some(edge.now + IDLE));
    edge.wait(IDLE);
    assert_eq!(edge.outputs(), [Output::Ended { client: client.clone(), why: ClientEnd::Idle }]);
    assert_eq!(edge.ask(&first_connect(&client))[0]["advice"], json!({ "reconnect": "handshake" }));
}

#[test]
fn a_closed_hub_answers_every_connect_with_what_waits() {
    let mut edge = Edge::new(settings());
    let (client, exchange) = edge.polling();
    edge.publish("/a", &json!("last"));
    edge.hub.close(edge.now);
    let outputs = edge.outputs();
    let [Output::Answer { exchange: answered, body }, ended] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!(*answered, exchange);
    let answer: Value = serde_json::from_str(body).unwrap();
    assert_eq!(data(&answer), ["last"]);
    assert_eq!(answer[1]["advice"], json!({ "reconnect": "none" }));
    assert_eq!(*ended, Output::Ended { client, why: ClientEnd::Disconnected });
}

// === Unknown clients ===

#[test]
fn an_unknown_client_shakes_hands_anew() {
    let mut edge = Edge::new(settings());
    let stranger = ClientId::parse("stranger").unwrap();
    for channel in ["/meta/connect", "/meta/subscribe", "/meta/unsubscribe", "/meta/disconnect"] {
        let asked = json!([{ "id": 4, "channel": channel, "clientId": "stranger", "subscription": "/a" }]);
        let answer = edge.ask(&asked);
        assert_eq!((&answer[0]["id"], &answer[0]["channel"]), (&json!(4), &json!(channel)));
        assert_eq!(answer[0]["error"], "402::Unknown client");
        assert_eq!(answer[0]["advice"], json!({ "reconnect": "handshake" }));
    }
    assert_eq!(edge.ask(&json!([{ "channel": "/meta/connect" }]))[0]["error"], "402::Unknown client", "without an id");
    assert!(!edge.hub.knows(&stranger));
}

#[test]
fn an_unknown_client_is_adopted_where_that_is_wanted() {
    let mut edge = Edge::new(HubSettings { unknown_client: UnknownClient::Adopt, ..settings() });
    let stranger = ClientId::parse("stranger").unwrap();
    edge.ask(&json!([{ "channel": "/meta/disconnect", "clientId": "stranger" }]));
    assert!(!edge.hub.knows(&stranger), "who only says goodbye is not taken");
    edge.connect(&stranger);
    let subscribed = Output::Subscribed { client: stranger.clone(), pattern: ChannelPattern::everything(), ext: None };
    assert_eq!(edge.outputs(), [subscribed]);
    let other = edge.handshake();
    edge.subscribe(&other, "/**");
    assert!(edge.hub.is_adopted(&stranger) && !edge.hub.is_adopted(&other));
    edge.publish("/any", &json!(1));
    assert_eq!(data(&edge.answers()[0].1), [1]);
    edge.ask(&json!([{ "channel": "/meta/disconnect", "clientId": "stranger" }]));
    let answer = edge.ask(&first_connect(&stranger));
    assert_eq!(answer[0]["advice"], json!({ "reconnect": "none" }), "a late connect does not bring it back");
}

#[test]
fn one_client_too_many_is_refused_where_all_are_connected_and_who_was_replaced_comes_back() {
    let mut edge = Edge::new(HubSettings { unknown_client: UnknownClient::Adopt, ..settings() });
    let clients: Vec<ClientId> = (0..3).map(|_| edge.polling().0).collect();
    let hello = json!([{ "id": "1", "channel": "/meta/handshake" }]);
    let refused = edge.ask(&hello);
    assert_eq!((&refused[0]["successful"], &refused[0]["advice"]), (&json!(false), &json!({ "reconnect": "none" })));
    assert!(refused[0]["error"].as_str().unwrap().starts_with("429::"), "{refused}");
    assert!(clients.iter().all(|client| edge.hub.knows(client)), "nobody is put out for it");
    let stranger = edge.ask(&first_connect(&ClientId::parse("stranger").unwrap()));
    assert_eq!(stranger[0]["successful"], false);

    // One whose poll is over just now gives way, and comes back in the place of one that is silent.
    edge.wait(Duration::from_secs(30));
    edge.outputs();
    assert_eq!(edge.ask(&hello)[0]["successful"], true);
    let out = clients.iter().find(|client| !edge.hub.knows(client)).unwrap().clone();
    edge.publish("/a", &json!(1));
    edge.connect(&out);
    assert!(edge.hub.knows(&out) && edge.hub.is_adopted(&out));
}

#[test]
fn for_whom_too_much_waits_connects_again_where_unknown_clients_are_adopted() {
    let mut edge = Edge::new(HubSettings { unknown_client: UnknownClient::Adopt, ..settings() });
    let (client, _) = edge.polling();
    for number in 0..6 {
        edge.publish("/a", &json!(number));
    }
    let outputs = edge.outputs();
    let [Output::Answer { body, .. }, ended] = &outputs[..] else { panic!("{outputs:?}") };
    assert!(body.contains(r#""advice":{"reconnect":"retry"}"#), "{body}");
    assert_eq!(*ended, Output::Ended { client: client.clone(), why: ClientEnd::Overflow });
    edge.connect(&client);
    edge.publish("/a", &json!("goes on"));
    assert_eq!(data(&edge.answers().pop().unwrap().1), ["goes on"]);
}

#[test]
fn a_message_that_leaves_no_room_for_others_is_not_given() {
    let mut edge = Edge::new(settings());
    let client = edge.handshake();
    edge.subscribe(&client, "/a");
    let offer = |edge: &mut Edge, bytes: usize, cursor: u64| {
        edge.hub.offer_to(&client, &name("/a"), &json!("x".repeat(bytes)), Some(cursor), edge.now)
    };
    assert!(!offer(&mut edge, 8_800, 1) && edge.outputs().is_empty() && edge.hub.knows(&client));
    assert!(offer(&mut edge, 8_000, 2) && edge.hub.knows(&client));
}

#[test]
fn an_adopted_client_goes_on_with_its_numbers() {
    let mut edge = Edge::new(HubSettings { unknown_client: UnknownClient::Adopt, ..settings() });
    let asked = json!([{ "channel": "/meta/connect", "clientId": "stranger", "ext": { "ack": 7 } }]);
    edge.send(&asked);
    edge.publish("/a", &json!(1));
    assert_eq!(edge.answers()[0].1[1]["ext"], json!({ "ack": 8 }));
}

// === What has arrived ===

#[test]
fn the_next_connect_confirms_what_was_sent() {
    let mut edge = Edge::new(settings());
    let (client, _) = edge.polling();
    edge.hub.publish(&name("/a"), &json!(1), Some(1), edge.now);
    assert_eq!(edge.hub.confirmed(), Some(0));
    edge.answers();
    assert_eq!(edge.hub.confirmed(), Some(0), "sent, and nobody knows");
    edge.connect(&client);
    assert_eq!(edge.hub.confirmed(), Some(1));
    let other = edge.handshake();
    assert_eq!(edge.hub.confirmed(), Some(1), "it is owed nothing from before");
    edge.hub.publish_to(&other, &name("/b"), &json!(2), Some(2), edge.now);
    assert_eq!(edge.hub.confirmed(), Some(1), "held for the other");
    edge.wait(HELD_COUNTS_FOR + Duration::from_millis(1));
    assert_eq!(edge.hub.confirmed(), Some(2), "but a channel that nobody wants does not stop the count for good");
}

#[test]
fn a_connect_whose_peer_has_left_loses_nothing() {
    let mut edge = Edge::new(settings());
    let (client, exchange) = edge.polling();
    edge.hub.hung_up(exchange, edge.now);
    edge.publish("/a", &json!(1));
    assert_eq!(edge.outputs(), []);
    let exchange = edge.connect(&client);
    edge.publish("/a", &json!(2));
    let answers = edge.answers();
    assert_eq!((answers.len(), answers[0].0, data(&answers[0].1)), (1, exchange, vec![json!(1), json!(2)]));
    edge.hub.hung_up(exchange, edge.now);
    edge.publish("/a", &json!(3));
    edge.connect(&client);
    assert_eq!(data(&edge.answers()[0].1), [1, 2, 3], "it left while the answer was written");
    edge.connect(&client);
    edge.hub.hung_up(exchange, edge.now);
    assert_eq!(edge.answers(), [], "an exchange from before means nothing");
    edge.hub.hung_up(ExchangeId(999), edge.now);
}

#[test]
fn a_connect_that_is_sent_again_on_its_way_gets_the_answer_again() {
    let mut edge = Edge::new(settings());
    let (client, _) = edge.polling();
    let asked = connect(&client, 100, None);
    edge.send(&asked);
    edge.hub.publish(&name("/a"), &json!(1), Some(1), edge.now);
    assert_eq!(data(&edge.answers().last().unwrap().1), [1]);
    edge.publish("/a", &json!(2));
    assert_eq!(data(&edge.ask(&asked)), [1, 2], "whoever was to pass the answer on has died");
    assert_eq!(edge.hub.confirmed(), Some(0));
    edge.send(&connect(&client, 101, None));
    assert_eq!((edge.answers(), edge.hub.confirmed()), (vec![], Some(1)), "another one says that it has arrived");
}

#[test]
fn a_client_whose_connect_has_failed_gets_what_its_answer_had() {
    let mut edge = Edge::new(settings());
    let (client, _) = edge.polling();
    edge.publish("/a", &json!(1));
    assert_eq!(edge.answers().len(), 1);
    for id in 100..103 {
        assert_eq!(data(&edge.ask(&connect(&client, id, Some(0)))), [1], "CometD says so, and nobody else can know");
    }
    edge.send(&connect(&client, 103, None));
    assert_eq!(edge.answers(), []);
}

#[test]
fn a_client_that_always_connects_as_if_one_had_failed_gets_no_end_of_repetitions() {
    for (same, timeout) in [(true, None), (false, Some(0)), (true, Some(0))] {
        let mut edge = Edge::new(settings());
        let (client, _) = edge.polling();
        let poll = |edge: &mut Edge, n: u64| {
            edge.send(&connect(&client, if same { 100 } else { 100 + n }, timeout));
            let answers = edge.answers();
            answers.last().map(|(_, answer)| data(answer)).unwrap_or_default()
        };
        poll(&mut edge, 0);
        edge.publish("/a", &json!(1));
        edge.answers();
        let told: Vec<usize> = (1..9).map(|n| poll(&mut edge, n).len()).collect();
        assert_eq!((told[0], &told[4..]), (1, &[0; 4][..]), "{told:?}");
        edge.publish("/a", &json!(2));
        let told: Vec<Value> = (9..12).flat_map(|n| poll(&mut edge, n)).collect();
        assert_eq!(told, [2], "it is known to poll like that");
    }
}

#[test]
fn numbered_answers_are_sent_again_until_they_are_confirmed() {
    let mut edge = Edge::new(settings());
    let client = edge.handshake_with_acks();
    edge.subscribe(&client, "/a");
    let connect = |edge: &mut Edge, number: i64| {
        let asked = json!([{ "channel": "/meta/connect", "clientId": client.as_str(), "ext": { "ack": number } }]);
        edge.send(&asked);
        let answers = edge.answers();
        answers
            .first()
            .map(|(_, answer)| (data(answer), answer.as_array().unwrap().last().unwrap()["ext"]["ack"].clone()))
    };
    assert_eq!(connect(&mut edge, -1), None);
    edge.publish("/a", &json!(1));
    assert_eq!(edge.answers()[0].1[1]["ext"], json!({ "ack": 1 }));
    edge.publish("/a", &json!(2));
    assert_eq!(connect(&mut edge, 0), Some((vec![json!(1), json!(2)], json!(2))), "1 did not arrive");
    assert_eq!(connect(&mut edge, 1), Some((vec![json!(1), json!(2)], json!(3))), "nor did 2");
    assert_eq!(connect(&mut edge, 3), None);
    edge.wait(Duration::from_secs(30));
    assert_eq!(edge.answers()[0].1[0]["ext"], json!({ "ack": 3 }), "each reply has the number");
    edge.publish("/a", &json!(3));
    assert_eq!(connect(&mut edge, i64::MAX), Some((vec![json!(3)], json!(i64::MAX as u64 + 1))));
    edge.publish("/a", &json!(4));
    let answer =
        edge.ask(&json!([{ "channel": "/meta/connect", "clientId": client.as_str(), "ext": { "ack": u64::MAX } }]));
    assert_eq!((data(&answer), answer[1]["ext"]["ack"].clone()), (vec![json!(4)], json!(u64::MAX)));
    edge.publish("/a", &json!(5));
    edge.connect(&client);
    assert_eq!(data(&edge.answers()[0].1), [5], "a connect without a number confirms all");
}

#[test]
fn a_client_has_room_while_less_than_half_waits_or_is_not_confirmed() {
    let mut edge = Edge::new(settings());
    let client = edge.handshake();
    edge.subscribe(&client, "/a");
    edge.ask(&first_connect(&client));
    edge.publish("/a", &json!(1));
    edge.publish("/a", &json!(2));
    assert!(edge.hub.has_room(&client));
    edge.publish("/a", &json!(3));
    assert!(!edge.hub.has_room(&client));
    edge.poll(&client);
    assert!(!edge.hub.has_room(&client), "nobody knows whether they have arrived");
    edge.poll(&client);
    assert!(edge.hub.has_room(&client));
    edge.publish("/a", &json!("x".repeat(5_000)));
    assert!(!edge.hub.has_room(&client));
}

// === Snapshots ===

#[test]
fn a_restored_hub_knows_its_clients_and_what_nobody_can_publish_again() {
    let mut edge = Edge::new(settings());
    let (client, _) = edge.polling();
    edge.hub.publish(&name("/a"), &json!("cursor"), Some(1), edge.now);
    edge.publish("/a", &json!("sent"));
    assert_eq!(edge.answers().len(), 1);
    edge.publish("/a", &json!("waits"));
    edge.publish("/held", &json!("held"));
    let before = edge.hub.snapshot();
    assert_eq!((before.begun, before.confirmed, before.clients[0].held.len()), (true, 0, 3));
    edge.restore();
    assert_eq!(edge.hub.snapshot(), before);
    assert!(edge.hub.knows(&client) && edge.hub.is_subscribed(&client, &name("/a")));
    edge.hub.publish(&name("/a"), &json!("cursor"), Some(1), edge.now);
    edge.connect(&client);
    assert_eq!(data(&edge.answers()[0].1), ["sent", "waits", "cursor"]);
    edge.subscribe(&client, "/held");
    edge.connect(&client);
    assert_eq!(data(&edge.answers()[0].1), ["held"]);
}

#[test]
fn what_is_published_again_comes_to_those_alone_that_have_not_received_it() {
    let mut edge = Edge::new(settings());
    let (quick, _) = edge.polling();
    let (slow, _) = edge.polling();
    edge.outputs();
    edge.hub.publish(&name("/a"), &json!(1), Some(1), edge.now);
    edge.hub.publish(&name("/held"), &json!(2), Some(2), edge.now);
    edge.outputs();
    edge.connect(&quick);
    assert_eq!(edge.hub.confirmed(), Some(0), "the other has confirmed nothing");
    edge.restore();
    assert_eq!(edge.hub.confirmed(), Some(0));
    edge.subscribe(&quick, "/held");
    edge.hub.publish(&name("/a"), &json!(1), Some(1), edge.now);
    edge.hub.publish(&name("/held"), &json!(2), Some(2), edge.now);
    edge.hub.publish(&name("/a"), &json!(3), Some(3), edge.now);
    assert_eq!(data(&edge.ask(&first_connect(&quick))), [2, 3], "it had 1, and 2 was held only");
    assert_eq!(data(&edge.ask(&first_connect(&slow))), [1, 3]);
}

#[test]
fn a_snapshot_of_another_size_is_brought_within_the_bounds() {
    let mut edge = Edge::new(settings());
    for _ in 0..3 {
        let client = edge.handshake();
        for pattern in ["/a", "/b", "/c"] {
            edge.subscribe(&client, pattern);
        }
    }
    let small = HubSettings { clients_max: 2, subscriptions_max: 1, ..settings() };
    let hub = Hub::restore(small, edge.hub.snapshot(), edge.now);
    let sizes: Vec<usize> = hub.snapshot().clients.iter().map(|client| client.subscriptions.len()).collect();
    assert_eq!(sizes, [1, 1]);
}

#[test]
fn whoever_answers_for_an_owner_that_is_gone_refuses_each_message_and_nothing_follows() {
    let batch = json!([
        {"id": "1", "channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["websocket"]},
        {"id": "2", "channel": "/meta/subscribe", "subscription": "/a"},
        {"id": "3", "channel": "/meta/connect"},
    ]);
    let batch = MessageBatch::read(batch.to_string().as_bytes()).unwrap();
    let told: Value = serde_json::from_str(&batch.answer_of_nobody()).unwrap();
    for (n, channel) in ["/meta/handshake", "/meta/subscribe", "/meta/connect"].into_iter().enumerate() {
        let reply = &told[n];
        assert_eq!((&reply["id"], &reply["channel"]), (&json!((n + 1).to_string()), &json!(channel)));
        assert_eq!((&reply["successful"], &reply["advice"]), (&json!(false), &json!({"reconnect": "none"})));
    }
}
