use model::entropy::Seeded;
use model::event::{CallRef, ErrorCode};
use model::{
    CallType, CallUuid, ConnId, Dn, DnRole, Event, EventId, EventName, ReferenceId, Seq, Subject, TenantId, Token,
    UserData,
};
use serde_json::json;

use super::*;

const READER: &str = "gws-workspace-1";

/// A tenant whose snapshot is at 10, with a reader that has shaken hands.
struct Site {
    voice: TenantVoice,
    entropy: Seeded,
    exchanges: u64,
    now: Timestamp,
    client: String,
}

impl Site {
    fn new() -> Self {
        let mut site = Self::unbegun();
        site.begin(10);
        assert!(site.poll().is_empty(), "the first connect");
        site
    }

    /// The same without a snapshot.
    fn unbegun() -> Self {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let voice = TenantVoice::new(100, &RecentRoom::default(), now);
        let mut site = Self { voice, entropy: Seeded::new(1), exchanges: 0, now, client: String::new() };
        let hello = json!([{"id": "1", "channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"]}]);
        let answer = site.send(&hello).unwrap();
        site.client = answer[0]["clientId"].as_str().unwrap().to_owned();
        site
    }

    fn begin(&mut self, position: u64) {
        let snapshot = v1::Snapshot { position: format!("0-{position}"), ..Default::default() };
        self.voice.begin(&snapshot, self.now);
    }

    fn receive(&mut self, batch: &Value) -> Exchange {
        self.exchanges += 1;
        let exchange = Exchange(self.exchanges);
        let batch = Batch::read(batch.to_string().as_bytes()).unwrap();
        self.voice.receive(READER, exchange, batch, &mut self.entropy, self.now).unwrap();
        exchange
    }

    /// The answer to that exchange, if it is ready.
    fn answer(&mut self, exchange: Exchange) -> Option<Value> {
        let answers = self.voice.take_answers();
        let body = answers.into_iter().find(|(of, _)| *of == exchange)?.1;
        Some(serde_json::from_str(&body).unwrap())
    }

    fn send(&mut self, batch: &Value) -> Option<Value> {
        let exchange = self.receive(batch);
        self.answer(exchange)
    }

    fn subscribe(&mut self, dn: &str, after: Option<&str>) {
        self.subscribe_with(dn, &after.map_or(json!({}), |after| json!({"after": after})));
    }

    fn subscribe_with(&mut self, dn: &str, ext: &Value) {
        let channel = format!("{CHANNELS}{dn}");
        let wish =
            json!([{"channel": "/meta/subscribe", "clientId": self.client, "subscription": channel, "ext": ext}]);
        let answer = self.send(&wish).unwrap();
        assert_eq!(answer[0]["successful"], true, "{answer}");
    }

    fn connect(&self, timeout_ms: u64) -> Value {
        let advice = json!({"timeout": timeout_ms});
        json!([{"channel": "/meta/connect", "clientId": self.client, "connectionType": "long-polling", "advice": advice}])
    }

    /// What is told, as channel, position and type, after hardly waiting.
    fn poll(&mut self) -> Vec<(String, String, String)> {
        let exchange = self.receive(&self.connect(1));
        self.now = self.now + Duration::from_millis(1);
        self.voice.handle_timeout(self.now);
        told(&self.answer(exchange).unwrap())
    }

    /// The types of what is told of 7101, with their positions.
    fn told(&mut self) -> Vec<String> {
        let told = self.poll().into_iter();
        told.map(|(channel, position, kind)| {
            assert_eq!(channel, format!("{CHANNELS}7101"));
            format!("{kind} {position}")
        })
        .collect()
    }

    fn fact(&mut self, position: u64, event: Event) {
        let dn = || Subject::Dn(event.this_dn.clone().unwrap());
        let subject = event.call.as_ref().map_or_else(dn, |call| Subject::Call(call.conn_id));
        let id = EventId { subject, token: Token(1), seq: Seq(position) };
        let stamped = Stamped { id, tenant: TenantId::parse("acme").unwrap(), at: self.now, trace: None, event };
        self.voice.told(&stamped, Position { major: 0, minor: position }, self.now);
    }

    /// A program sends pairs to those who follow the DN.
    fn user_event(&mut self, position: u64, dn: &str) {
        let user_data: UserData = [("Text", "hello")].into_iter().collect();
        self.fact(position, Event { user_data, ..event(EventName::UserEvent, dn) });
    }

    /// Tenant answers the request about the DN.
    fn registered(&mut self, position: u64, dn: &str) {
        let ask = self.voice.next_ask(self.now).unwrap();
        assert_eq!(ask.dn, dn);
        let mut answer = event(EventName::Registered, dn);
        answer.reference = ReferenceId(ask.reference);
        answer.extensions = [("AddressType", "DN")].into_iter().collect();
        self.fact(position, answer);
    }

    fn passes(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
    }
}

fn event(name: EventName, dn: &str) -> Event {
    Event { this_dn: Some(Dn::parse(dn).unwrap()), ..Event::new(name) }
}

fn told(answer: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let messages = answer.as_array().unwrap().iter().filter(|message| message.get("data").is_some());
    let read = |message: &Value| {
        let data = &message["data"];
        (text(&message["channel"]), text(&data["position"]), text(&data["news"]["type"]))
    };
    messages.map(read).collect()
}

#[test]
fn a_follower_gets_the_picture_once_the_dn_is_known_and_then_what_happens() {
    let mut site = Site::new();
    site.subscribe("7101", None);
    site.user_event(11, "7101");
    assert!(site.told().is_empty(), "the picture comes first");
    site.registered(12, "7101");
    assert_eq!(site.told(), ["picture 0-12"]);
    site.user_event(13, "7101");
    site.user_event(14, "7102");
    assert_eq!(site.told(), ["userEvent 0-13"]);
    assert!(!site.voice.has_ask(), "nobody follows 7102");
}

#[test]
fn a_second_follower_of_a_known_dn_gets_the_picture_at_once() {
    let mut site = Site::new();
    site.subscribe("7101", None);
    site.registered(11, "7101");
    assert_eq!(site.told(), ["picture 0-11"]);
    site.voice.reached(Position { major: 0, minor: 15 });
    site.subscribe("7101", None);
    assert_eq!(site.told(), ["picture 0-15"]);
    assert!(!site.voice.has_ask());
}

#[test]
fn who_comes_back_within_the_recent_messages_gets_what_came_after() {
    let mut site = Site::new();
    for position in 11..=13 {
        site.user_event(position, "7101");
        site.user_event(position, "7102");
    }
    site.subscribe("7101", Some("0-11"));
    assert_eq!(site.told(), ["userEvent 0-12", "userEvent 0-13"]);
    assert!(site.voice.has_ask(), "what comes next is told with all that belongs to it");
    site.registered(14, "7101");
    assert!(!site.told().iter().any(|told| told.starts_with("picture")));
    site.user_event(15, "7101");
    assert_eq!(site.told(), ["userEvent 0-15"]);
}

#[test]
fn at_the_edge_of_the_recent_messages_all_come_and_before_it_the_picture() {
    let mut site = Site::new();
    site.user_event(11, "7101");
    site.subscribe("7101", Some("0-10"));
    assert_eq!(site.told(), ["userEvent 0-11"]);
    site.subscribe("7101", Some("0-9"));
    assert!(site.told().is_empty());
    site.registered(12, "7101");
    assert_eq!(site.told(), ["picture 0-12"]);
    site.subscribe("7101", Some("what"));
    assert_eq!(site.told(), ["picture 0-12"], "it is no position");
}

#[test]
fn who_is_ahead_hears_nothing_twice() {
    let mut site = Site::new();
    site.subscribe("7101", Some("0-12"));
    for position in 11..=13 {
        site.user_event(position, "7101");
    }
    assert_eq!(site.told(), ["userEvent 0-13"]);
}

#[test]
fn a_position_that_is_never_reached_is_one_of_another_stream() {
    let mut site = Site::new();
    site.subscribe("7101", Some("5-0"));
    site.registered(11, "7101");
    site.passes(9);
    assert!(site.told().is_empty());
    site.passes(1);
    site.voice.handle_timeout(site.now);
    assert_eq!(site.told(), ["picture 0-11"]);
}

#[test]
fn what_others_have_asked_is_known_here_too() {
    let mut site = Site::new();
    let mut answer = event(EventName::AddressInfo, "7101");
    (answer.reference, answer.requester) = (ReferenceId(5), Some("desk/1".to_owned()));
    answer.extensions = [("AddressType", "DN")].into_iter().collect();
    site.fact(11, answer);
    site.subscribe("7101", None);
    assert_eq!(site.told(), ["picture 0-11"]);
    assert!(!site.voice.has_ask());
}

#[test]
fn a_refusal_of_our_own_request_is_news_for_nobody() {
    let mut site = Site::new();
    site.subscribe("7101", Some("0-10"));
    let mut refusal = event(EventName::Error, "7101");
    refusal.error = Some((ErrorCode::TIMEOUT, "no".to_owned()));
    refusal.requester = Some("gws-voice/gws-voice-2".to_owned());
    site.fact(11, refusal.clone());
    refusal.requester = Some("person/ann".to_owned());
    site.fact(12, refusal);
    assert_eq!(site.told(), ["error 0-12"]);
}

#[test]
fn of_a_dn_that_the_tenant_does_not_have_it_is_told_why_there_is_no_picture() {
    let mut site = Site::new();
    site.subscribe("7999", None);
    let ask = site.voice.next_ask(site.now).unwrap();
    let mut refusal = event(EventName::Error, "7999");
    refusal.reference = ReferenceId(ask.reference);
    refusal.requester = Some("gws-voice/gws-voice-1".to_owned());
    refusal.error = Some((ErrorCode::DN_NOT_CONFIGURED, "no".to_owned()));
    site.fact(11, refusal);
    let told = site.poll();
    assert_eq!(told, [(format!("{CHANNELS}7999"), "0-11".to_owned(), "noPicture".to_owned())]);
    assert!(matches!(site.voice.look("7999", site.now), DnLook::Unknown(fault) if fault.code == 59));
}

#[test]
fn after_facts_that_are_gone_each_follower_gets_the_picture_again() {
    let mut site = Site::new();
    site.subscribe("7101", None);
    site.registered(11, "7101");
    assert_eq!(site.told(), ["picture 0-11"]);
    site.begin(50);
    assert!(site.told().is_empty());
    site.registered(51, "7101");
    assert_eq!(site.told(), ["picture 0-51"]);
}

#[test]
fn a_connect_waits_for_what_happens_and_nothing_is_lost_when_its_peer_leaves() {
    let mut site = Site::new();
    site.subscribe("7101", Some("0-10"));
    let waiting = site.receive(&site.connect(20_000));
    assert!(site.answer(waiting).is_none());
    site.voice.hung_up(READER, waiting, site.now);
    site.user_event(11, "7101");
    assert!(site.answer(waiting).is_none());
    assert_eq!(site.told(), ["userEvent 0-11"]);
    let waiting = site.receive(&site.connect(20_000));
    assert!(site.answer(waiting).is_none());
    site.user_event(12, "7101");
    let answer = site.answer(waiting).unwrap();
    assert_eq!(told(&answer), [(format!("{CHANNELS}7101"), "0-12".to_owned(), "userEvent".to_owned())]);
}

#[test]
fn who_gives_up_a_dn_hears_no_more_of_it() {
    let mut site = Site::new();
    site.subscribe("7101", Some("0-10"));
    let channel = format!("{CHANNELS}7101");
    site.send(&json!([{"channel": "/meta/unsubscribe", "clientId": site.client, "subscription": channel}])).unwrap();
    site.user_event(11, "7101");
    assert!(site.told().is_empty());
}

#[test]
fn the_dn_of_a_channel_is_percent_decoded() {
    let dn = |pattern: &str| dn_of(pattern).map(|(dn, channel)| (dn, channel.as_str() == pattern));
    assert_eq!(dn("/voice/v3/dns/7101"), Some(("7101".to_owned(), true)));
    assert_eq!(dn("/voice/v3/dns/%2A72%2F1"), Some(("*72/1".to_owned(), true)));
    for none in ["/voice/v3/dns/", "/voice/v3/dns/*", "/voice/v3/dns/**", "/voice/v3/7101", "/voice/v3/dns/%FF"] {
        assert_eq!(dn(none), None, "{none}");
    }
}

/// A phone with a call.
fn phone_in_call(name: EventName, conn_id: u64, previous: Option<u64>) -> Event {
    let call = CallRef {
        conn_id: ConnId(conn_id),
        uuid: CallUuid(u128::from(conn_id)),
        thread: CallUuid(1),
        previous: previous.map(ConnId),
        call_type: if previous.is_some() { CallType::Consult } else { CallType::Inbound },
        propagated_type: None,
        ani: None,
        dnis: None,
    };
    let role = if previous.is_some() { DnRole::Origination } else { DnRole::Destination };
    Event { call: Some(call), this_role: Some(role), ..event(name, "7101") }
}

#[test]
fn all_messages_of_a_fact_have_its_position_and_come_again_together() {
    let mut site = Site::new();
    site.subscribe("7101", Some("0-10"));
    site.fact(11, phone_in_call(EventName::Ringing, 1, None));
    site.fact(12, phone_in_call(EventName::Established, 1, None));
    site.fact(13, phone_in_call(EventName::Held, 1, None));
    assert_eq!(site.told(), ["call 0-11", "call 0-12", "call 0-13"]);
    // What can be done with the held call depends on the consultation.
    site.fact(14, phone_in_call(EventName::Dialing, 2, Some(1)));
    assert_eq!(site.told(), ["call 0-14", "call 0-14"]);
    site.subscribe("7101", Some("0-13"));
    assert_eq!(site.told(), ["call 0-14", "call 0-14"]);
}

/// More than a queue of a reader takes, as the DNs of as many facts, and data for each of them.
fn many() -> (Vec<String>, UserData) {
    let text = "x".repeat(200 << 10);
    ((0..60).map(|n| format!("7{n:03}")).collect(), [("Text", text.as_str())].into_iter().collect())
}

#[test]
fn recent_messages_of_many_dns_come_as_they_are_fetched() {
    let mut site = Site::new();
    let (dns, user_data) = many();
    for (position, dn) in (11..).zip(&dns) {
        site.fact(position, Event { user_data: user_data.clone(), ..event(EventName::UserEvent, dn) });
    }
    for dn in &dns {
        site.subscribe(dn, Some("0-10"));
    }
    site.user_event(80, "7059");
    let told: Vec<_> = (0..20).flat_map(|_| site.poll()).collect();
    let positions: Vec<String> = (11..=70).chain([80]).map(|position| format!("0-{position}")).collect();
    assert_eq!(told.into_iter().map(|(_, position, _)| position).collect::<Vec<_>>(), positions);
    site.user_event(81, "7000");
    assert_eq!(site.poll().len(), 1, "all of them are told what happens now");
}

#[test]
fn pictures_of_many_dns_come_as_they_are_fetched() {
    let mut site = Site::new();
    let (dns, user_data) = many();
    for (n, dn) in (1..).zip(&dns) {
        let ringing = phone_in_call(EventName::Ringing, n, None);
        site.fact(10 + n, Event { this_dn: Dn::parse(dn).ok(), user_data: user_data.clone(), ..ringing });
    }
    for dn in &dns {
        site.subscribe(dn, None);
    }
    for (n, dn) in (1..).zip(&dns) {
        site.registered(100 + n, dn);
    }
    let told: Vec<_> = (0..20).flat_map(|_| site.poll()).collect();
    assert_eq!(told.iter().filter(|(_, _, kind)| kind == "picture").count(), 60);
    assert_eq!(told.len(), 60);
}

#[test]
fn a_picture_that_no_reader_could_take_is_told_as_an_error() {
    let mut site = Site::new();
    let text = "x".repeat(PICTURE_BYTES_MAX);
    let user_data: UserData = [("Text", text.as_str())].into_iter().collect();
    site.fact(11, Event { user_data, ..phone_in_call(EventName::Ringing, 1, None) });
    site.subscribe("7101", None);
    site.registered(12, "7101");
    assert_eq!(site.told(), ["noPicture 0-12"]);
}

#[test]
fn a_tenant_without_events_for_a_while_is_cut_off_until_the_next_one() {
    let now = Timestamp::from_millis(1_000);
    let voice = TenantVoice::new(100, &RecentRoom::default(), now);
    let later = now + CUT_OFF_AFTER;
    assert!(!voice.is_cut_off(now) && voice.is_cut_off(later), "its snapshot does not come");
    let mut site = Site::new();
    site.passes(60);
    assert!(!site.voice.is_cut_off(site.now), "a stream that is open may be silent");
    site.voice.feed_ended(site.now);
    site.passes(7);
    site.voice.feed_ended(site.now);
    assert!(!site.voice.is_cut_off(site.now));
    site.passes(1);
    let batch = Batch::read(site.connect(0).to_string().as_bytes()).unwrap();
    let refused = site.voice.receive(READER, Exchange(99), batch, &mut site.entropy, site.now);
    assert_eq!(refused, Err(ReaderRefusal::CutOff), "a stream that ends again at once is none");
    site.voice.reached(Position { major: 0, minor: 11 });
    assert!(!site.voice.is_cut_off(site.now));
}

#[test]
fn a_tenant_that_nobody_reads_is_let_go_after_some_minutes() {
    let mut site = Site::new();
    site.passes(61);
    site.voice.handle_timeout(site.now);
    assert!(!site.voice.is_unread(site.now), "its reader has ended just now");
    site.passes(299);
    assert!(!site.voice.is_unread(site.now));
    site.passes(1);
    assert!(site.voice.is_unread(site.now));
    site.voice.look("7101", site.now);
    assert!(!site.voice.is_unread(site.now), "somebody has asked");
}

#[test]
fn who_has_read_all_of_a_quiet_dn_misses_nothing_at_a_replica_that_goes_on_from_what_was_kept() {
    let mut site = Site::new();
    site.subscribe("7101", None);
    site.registered(11, "7101");
    assert_eq!(site.told(), ["picture 0-11"]);
    site.user_event(12, "7101");
    site.user_event(13, "7102");
    assert_eq!(site.told(), ["userEvent 0-12"]);
    for (ext, due) in [
        (json!({"after": "0-11", "last": "0-12", "told": 1}), &["userEvent 0-14"][..]),
        (json!({"after": "0-12"}), &["userEvent 0-14"]),
        (json!({"after": "0-11"}), &["picture 0-13", "userEvent 0-14"]),
        (json!({"after": "0-9", "last": "0-12", "told": 1}), &["picture 0-13", "userEvent 0-14"]),
        (json!({}), &["picture 0-13", "userEvent 0-14"]),
    ] {
        // Also whoever comes before it is known with what is begun, and after some facts behind that.
        for comes_first in [true, false] {
            let mut next = Site::unbegun();
            assert!(next.poll().is_empty(), "the first connect");
            if comes_first {
                next.subscribe_with("7101", &ext);
            }
            next.voice.continue_from(StoredVoice::of_record(site.voice.kept().unwrap()).unwrap(), next.now);
            if !comes_first {
                next.subscribe_with("7101", &ext);
            }
            assert_eq!(next.voice.position(), Some(Position { major: 0, minor: 13 }));
            next.user_event(14, "7101");
            assert_eq!(next.told(), due, "{ext} {comes_first}");
        }
    }
}

#[test]
fn what_came_behind_what_was_kept_is_told_to_whoever_comes_later() {
    let mut site = Site::new();
    site.subscribe("7101", None);
    site.registered(11, "7101");
    let kept = site.voice.kept().unwrap();
    let mut next = Site::unbegun();
    assert!(next.poll().is_empty(), "the first connect");
    next.voice.continue_from(StoredVoice::of_record(kept).unwrap(), next.now);
    for position in [12, 13] {
        next.user_event(position, "7101");
    }
    next.subscribe_with("7101", &json!({"after": "0-11", "last": "0-12", "told": 1}));
    assert_eq!(next.told(), ["userEvent 0-12", "userEvent 0-13"], "which of them it has had, the reader knows");
    assert!(next.voice.kept().is_some() && next.voice.is_read());
}
