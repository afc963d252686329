//! A consumer alone, and together with a hub.

use std::collections::{BTreeMap, BTreeSet};

use model::entropy::Seeded;
use proptest::prelude::*;

use super::*;
use crate::hub::{ExchangeId, Hub, HubSettings, Output, ServedConnections, UnknownClient};
use crate::message::MessageBatch;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn name(text: &str) -> ChannelName {
    ChannelName::parse(text).unwrap()
}

fn messages(request: &ConsumerRequest) -> Value {
    serde_json::from_str(&request.body).unwrap()
}

fn answered(consumer: &mut Consumer, answer: &Value) -> Result<Vec<ConsumerNews>, ConsumerFault> {
    consumer.answered(answer.to_string().as_bytes())
}

fn handshake_reply() -> Value {
    json!([{ "channel": "/meta/handshake", "successful": true, "clientId": "me", "ext": { "ack": true },
        "advice": { "reconnect": "retry", "interval": 0, "timeout": 30_000 } }])
}

fn connected() -> Consumer {
    let mut consumer = Consumer::new();
    consumer.next_request(NOW);
    assert_eq!(answered(&mut consumer, &handshake_reply()), Ok(vec![ConsumerNews::Connected]));
    consumer
}

fn refusal(error: &str) -> Value {
    json!([{ "channel": "/meta/connect", "successful": false, "error": error }])
}

// === Alone ===

#[test]
fn a_consumer_shakes_hands_subscribes_and_connects() {
    let mut consumer = Consumer::new();
    consumer.subscribe(&name("/a"), Some(json!({ "after": "9" })));
    let request = consumer.next_request(NOW);
    let asked = json!([{ "id": "1", "channel": "/meta/handshake", "version": "1.0", "minimumVersion": "1.0",
        "supportedConnectionTypes": ["long-polling"], "ext": { "ack": true } }]);
    assert_eq!((request.path_suffix, messages(&request), request.wait), ("/handshake", asked, Duration::ZERO));
    assert_eq!(answered(&mut consumer, &handshake_reply()), Ok(vec![ConsumerNews::Connected]));

    consumer.unsubscribe(&name("/b"));
    let request = consumer.next_request(NOW);
    let asked = json!([
        { "id": "2", "channel": "/meta/subscribe", "clientId": "me", "subscription": "/a", "ext": { "after": "9" } },
        { "id": "3", "channel": "/meta/unsubscribe", "clientId": "me", "subscription": "/b" },
    ]);
    assert_eq!((request.path_suffix, messages(&request)), ("/subscribe", asked));
    let reply = json!([
        { "id": "2", "channel": "/meta/subscribe", "successful": false, "error": "403:/a:no" },
        { "id": "3", "channel": "/meta/unsubscribe", "successful": true },
    ]);
    let refused = ConsumerNews::SubscriptionRefused { channel: name("/a"), error: "403:/a:no".to_owned() };
    assert_eq!(answered(&mut consumer, &reply), Ok(vec![refused]));

    let request = consumer.next_request(NOW);
    let asked = json!([{ "id": "4", "channel": "/meta/connect", "connectionType": "long-polling", "clientId": "me",
        "ext": { "ack": 0 } }]);
    assert_eq!((request.path_suffix, messages(&request)), ("/connect", asked));
    assert_eq!(request.answer_within, Duration::from_secs(40), "as the server advises, and time to answer");
    let reply = json!([
        { "channel": "/a", "data": { "n": 1 } },
        { "channel": "/meta/connect", "successful": true, "ext": { "ack": 5 }, "advice": { "interval": 2_000 } },
    ]);
    let message = ConsumerNews::Message { channel: name("/a"), data: json!({ "n": 1 }) };
    assert_eq!(answered(&mut consumer, &reply), Ok(vec![message]));
    let request = consumer.next_request(NOW);
    assert_eq!((messages(&request)[0]["ext"].clone(), request.wait), (json!({ "ack": 5 }), Duration::from_secs(2)));
}

#[test]
fn failures_double_the_pause_up_to_5_seconds_and_a_connect_ends_it() {
    let mut consumer = connected();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        consumer.failed();
        pauses.push(consumer.next_request(NOW).wait.as_millis());
    }
    assert_eq!(pauses, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    let later = NOW + Duration::from_secs(2);
    assert_eq!(consumer.next_request(later).wait, Duration::from_secs(3), "what is left of it");
    let reply = json!([{ "channel": "/meta/connect", "successful": true }]);
    assert_eq!(answered(&mut consumer, &reply), Ok(vec![]));
    assert_eq!(consumer.next_request(later).wait, Duration::ZERO);
}

#[test]
fn a_lost_session_shakes_hands_anew_and_does_not_hurry() {
    for reply in [
        refusal("402::Unknown client"),
        json!([{ "channel": "/meta/connect", "successful": false,
        "advice": { "reconnect": "handshake" } }]),
        json!([{ "channel": "/meta/connect", "successful": true,
        "advice": { "reconnect": "none" } }]),
    ] {
        let mut consumer = connected();
        consumer.subscribe(&name("/a"), None);
        consumer.next_request(NOW);
        assert_eq!(answered(&mut consumer, &reply), Ok(vec![ConsumerNews::LostSession]));
        let request = consumer.next_request(NOW);
        assert_eq!((request.path_suffix, request.wait), ("/handshake", PAUSE_MIN));
        answered(&mut consumer, &handshake_reply()).unwrap();
        assert_eq!(consumer.next_request(NOW).path_suffix, "/connect", "the owner has not subscribed again");
        answered(&mut consumer, &reply).unwrap();
        assert_eq!(consumer.next_request(NOW).wait, 2 * PAUSE_MIN, "a handshake alone does not end the failures");
    }
    let mut consumer = connected();
    assert_eq!(answered(&mut consumer, &refusal("500::Not now")), Ok(vec![]));
    let request = consumer.next_request(NOW);
    assert_eq!((request.path_suffix, request.wait), ("/connect", PAUSE_MIN), "the server still knows us");
}

#[test]
fn changes_without_a_reply_are_sent_again_and_the_newest_of_a_channel_counts() {
    let mut consumer = connected();
    consumer.subscribe(&name("/a"), Some(json!(1)));
    consumer.subscribe(&name("/b"), None);
    consumer.next_request(NOW);
    consumer.subscribe(&name("/a"), Some(json!(2)));
    let sent = messages(&consumer.next_request(NOW));
    let named = |at: usize| (sent[at]["subscription"].clone(), sent[at]["ext"].clone());
    assert_eq!([named(0), named(1)], [(json!("/b"), Value::Null), (json!("/a"), json!(2))]);
    let reply = json!([{ "id": sent[0]["id"], "channel": "/meta/subscribe", "successful": true }]);
    assert_eq!(answered(&mut consumer, &reply), Ok(vec![]));
    assert_eq!(consumer.next_request(NOW).path_suffix, "/connect");
    let sent = messages(&consumer.next_request(NOW));
    assert_eq!((sent.as_array().unwrap().len(), &sent[0]["subscription"]), (1, &json!("/a")), "it had no reply");
}

#[test]
fn many_changes_go_in_parts_with_a_connect_between_and_too_many_are_refused() {
    let mut consumer = connected();
    for n in 0..=CHANGES_MAX {
        consumer.subscribe(&name(&format!("/{n}")), None);
    }
    let sent = messages(&consumer.next_request(NOW));
    assert_eq!(sent.as_array().unwrap().len(), CHANGES_AT_ONCE);
    let replies: Vec<Value> = sent
        .as_array()
        .unwrap()
        .iter()
        .map(|message| json!({ "id": message["id"], "channel": "/meta/subscribe", "successful": true }))
        .collect();
    let channel = name(&format!("/{CHANGES_MAX}"));
    let error = "too many changes wait for the server".to_owned();
    let refused = ConsumerNews::SubscriptionRefused { channel, error };
    assert_eq!(answered(&mut consumer, &Value::Array(replies)), Ok(vec![refused]));
    let fetching = consumer.next_request(NOW);
    assert_eq!((fetching.path_suffix, &messages(&fetching)[0]["advice"]), ("/connect", &json!({ "timeout": 0 })));
    assert_eq!(fetching.answer_within, ANSWER_TIME);
    let reply = json!([{ "channel": "/meta/connect", "successful": true }]);
    assert_eq!(answered(&mut consumer, &reply), Ok(vec![]));
    assert_eq!(messages(&consumer.next_request(NOW))[0]["subscription"], format!("/{CHANGES_AT_ONCE}"));
}

#[test]
fn answers_that_are_none_count_as_failures() {
    for wrong in ["", "[]", "{}", "[1]", "nonsense"] {
        let mut consumer = connected();
        assert_eq!(consumer.answered(wrong.as_bytes()), Err(ConsumerFault::NoMessages), "{wrong:?}");
        assert_eq!(consumer.next_request(NOW).wait, PAUSE_MIN);
    }
    let mut consumer = connected();
    assert_eq!(consumer.answered(&vec![b' '; ANSWER_BYTES_MAX + 1]), Err(ConsumerFault::TooLarge));
    let message = json!([{ "channel": "/a", "data": 1 }]);
    assert_eq!(answered(&mut consumer, &message).unwrap().len(), 1);
    assert_eq!(consumer.next_request(NOW).wait, 2 * PAUSE_MIN, "a message alone is no reply");
    let mut consumer = Consumer::new();
    let refused = json!([{ "channel": "/meta/handshake", "successful": false, "error": "403::no" }]);
    assert_eq!(answered(&mut consumer, &refused), Err(ConsumerFault::Refused("403::no".to_owned())));
    assert_eq!(consumer.next_request(NOW).wait, PAUSE_MIN);
}

#[test]
fn who_leaves_says_so_if_the_server_knows_it() {
    assert_eq!(Consumer::new().disconnect(), None);
    let mut consumer = connected();
    let request = consumer.disconnect().unwrap();
    let asked = json!([{ "id": "1", "channel": "/meta/disconnect", "clientId": "me" }]);
    assert_eq!((request.path_suffix, messages(&request)), ("/disconnect", asked));
    assert_eq!(consumer.next_request(NOW).path_suffix, "/handshake");
}

// === With a hub ===

const CHANNELS: [&str; 3] = ["/dns/7101", "/dns/7102", "/dns/7103"];

#[derive(Clone, Debug)]
enum Step {
    Publish(usize),
    /// The owner wants a channel, and drops the connect that waits.
    Want(usize),
    /// The next request, unless one waits.
    Ask,
    /// The next request is lost, or its answer is.
    LoseRequest,
    LoseAnswer,
    /// The hub goes on elsewhere, or begins anew.
    Restore,
    Forget,
    Tick,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..CHANNELS.len()).prop_map(Step::Publish),
        3 => (0..CHANNELS.len()).prop_map(Step::Want),
        8 => Just(Step::Ask),
        1 => Just(Step::LoseRequest),
        1 => Just(Step::LoseAnswer),
        1 => Just(Step::Restore),
        1 => Just(Step::Forget),
        2 => Just(Step::Tick),
    ]
}

/// A hub whose owner replays what came after the position of a subscription, and a consumer whose owner knows what it has seen.
struct Pair {
    hub: Hub,
    consumer: Consumer,
    entropy: Seeded,
    now: Timestamp,
    exchanges: u64,
    waits: Option<ExchangeId>,
    loses_request: bool,
    loses_answer: bool,
    published: Vec<(usize, u64)>,
    wanted: BTreeSet<usize>,
    seen: BTreeMap<usize, u64>,
}

fn settings() -> HubSettings {
    HubSettings {
        connect_timeout: Duration::from_secs(30),
        interval: Duration::ZERO,
        client_idle_max: Duration::from_secs(90),
        clients_max: 4,
        subscriptions_max: 10,
        queue_messages_max: 10_000,
        queue_bytes_max: 1 << 20,
        unknown_client: UnknownClient::Refuse,
        connections: ServedConnections::LongPolls,
    }
}

impl Pair {
    fn new() -> Self {
        Self {
            hub: Hub::new(settings()),
            consumer: Consumer::new(),
            entropy: Seeded::new(1),
            now: NOW,
            exchanges: 0,
            waits: None,
            loses_request: false,
            loses_answer: false,
            published: Vec::new(),
            wanted: BTreeSet::new(),
            seen: BTreeMap::new(),
        }
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Publish(channel) => {
                let number = u64::try_from(self.published.len()).unwrap() + 1;
                self.published.push((channel, number));
                let name = name(CHANNELS[channel]);
                // As gws-voice does: those who have not subscribed get it from the owner's memory when they do.
                let clients: Vec<ClientId> = self.hub.snapshot().clients.into_iter().map(|client| client.id).collect();
                for client in clients.iter().filter(|client| self.hub.is_subscribed(client, &name)).collect::<Vec<_>>()
                {
                    self.hub.publish_to(client, &name, &json!(number), None, self.now);
                }
            }
            Step::Want(channel) => {
                self.wanted.insert(channel);
                self.subscribe(channel);
                if let Some(exchange) = self.waits.take() {
                    self.hub.hung_up(exchange, self.now);
                }
                self.ask();
            }
            Step::Ask if self.waits.is_none() => self.ask(),
            Step::Ask => {}
            Step::LoseRequest => self.loses_request = true,
            Step::LoseAnswer => self.loses_answer = true,
            Step::Restore => {
                self.hub = Hub::restore(settings(), self.hub.snapshot(), self.now);
                self.breaks();
            }
            Step::Forget => {
                self.hub = Hub::new(settings());
                self.breaks();
            }
            Step::Tick => {
                self.now = self.now + Duration::from_secs(7);
                self.hub.handle_timeout(self.now);
            }
        }
        self.pump();
    }

    fn subscribe(&mut self, channel: usize) {
        let seen = self.seen.get(&channel).copied().unwrap_or_default();
        self.consumer.subscribe(&name(CHANNELS[channel]), Some(json!({ "after": seen })));
    }

    /// The hub's process is gone, and with it the connection.
    fn breaks(&mut self) {
        if self.waits.take().is_some() {
            self.consumer.failed();
        }
    }

    fn ask(&mut self) {
        let request = self.consumer.next_request(self.now);
        assert!(request.wait <= PAUSE_MAX);
        self.now = self.now + request.wait;
        if std::mem::take(&mut self.loses_request) {
            self.consumer.failed();
            return;
        }
        self.exchanges += 1;
        let exchange = ExchangeId(self.exchanges);
        self.waits = Some(exchange);
        let batch = MessageBatch::read(request.body.as_bytes()).unwrap();
        self.hub.receive(exchange, batch, &mut self.entropy, self.now);
    }

    /// Both sides until nothing comes.
    fn pump(&mut self) {
        while let Some(output) = self.hub.poll_output() {
            match output {
                Output::Subscribed { client, pattern, ext } => {
                    let channel = CHANNELS.iter().position(|name| *name == pattern.as_str()).unwrap();
                    let after = ext.unwrap()["after"].as_u64().unwrap();
                    for (of, number) in self.published.clone() {
                        if of == channel && number > after {
                            self.hub.publish_to(&client, &name(CHANNELS[channel]), &json!(number), None, self.now);
                        }
                    }
                }
                Output::Answer { exchange, body } if self.waits == Some(exchange) => {
                    self.waits = None;
                    if std::mem::take(&mut self.loses_answer) {
                        self.consumer.failed();
                    } else {
                        let news = self.consumer.answered(body.as_bytes()).unwrap();
                        news.into_iter().for_each(|news| self.hear(news));
                    }
                }
                _ => {}
            }
        }
    }

    fn hear(&mut self, news: ConsumerNews) {
        match news {
            ConsumerNews::Connected => {}
            ConsumerNews::Message { channel, data } => {
                let channel = CHANNELS.iter().position(|name| *name == channel.as_str()).unwrap();
                let number = data.as_u64().unwrap();
                let seen = self.seen.entry(channel).or_default();
                let mut later = self.published.iter().filter(|(of, number)| *of == channel && *number > *seen);
                if number > *seen {
                    assert_eq!(later.next(), Some(&(channel, number)), "nothing before it is lost");
                    *seen = number;
                }
            }
            ConsumerNews::LostSession => self.wanted.clone().into_iter().for_each(|channel| self.subscribe(channel)),
            ConsumerNews::SubscriptionRefused { channel, error } => panic!("{channel}: {error}"),
        }
    }
}

proptest! {
    #[test]
    fn a_consumer_sees_all_of_its_channels_in_order_whatever_breaks(steps in prop::collection::vec(step(), 0..80)) {
        let mut pair = Pair::new();
        for step in &steps {
            pair.apply(step);
        }
        pair.loses_request = false;
        pair.loses_answer = false;
        for _ in 0..20 {
            pair.apply(&Step::Ask);
        }
        prop_assert!(pair.waits.is_some(), "it polls");
        for channel in pair.wanted.clone() {
            let last = pair.published.iter().rfind(|(of, _)| *of == channel).map(|(_, number)| *number);
            prop_assert_eq!(pair.seen.get(&channel).copied(), last, "{}", CHANNELS[channel]);
        }
    }

    #[test]
    fn whatever_a_server_answers_a_consumer_goes_on(answers in prop::collection::vec(answer(), 0..30)) {
        let mut consumer = Consumer::new();
        for answer in answers {
            consumer.subscribe(&name("/a"), None);
            let request = consumer.next_request(NOW);
            prop_assert!(MessageBatch::read(request.body.as_bytes()).is_ok());
            prop_assert!(request.wait <= PAUSE_MAX && request.answer_within <= POLL_MAX + ANSWER_TIME);
            let _ = consumer.answered(answer.as_bytes());
        }
    }
}

/// An answer that may say anything.
fn answer() -> impl Strategy<Value = String> {
    let channel = prop::sample::select(vec!["/meta/handshake", "/meta/connect", "/meta/subscribe", "/a", "x"]);
    let number = prop_oneof![Just(0), Just(3), Just(u64::MAX)];
    let reconnect = prop::sample::select(vec!["retry", "handshake", "none"]);
    let reply = (channel, any::<bool>(), number, reconnect).prop_map(|(channel, successful, number, reconnect)| {
        json!({ "channel": channel, "successful": successful, "clientId": "me", "id": number.to_string(), "data": number,
            "ext": { "ack": number }, "advice": { "reconnect": reconnect, "timeout": number, "interval": number } })
    });
    let replies = prop::collection::vec(reply, 0..3).prop_map(|replies| Value::Array(replies).to_string());
    prop_oneof![6 => replies, 1 => "[\\[\\]{}a]{0,6}"]
}
