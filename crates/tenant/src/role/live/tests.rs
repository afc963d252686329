use model::event::CallRef;
use model::{
    AgentId, CallType, CallUuid, ConnId, Dn, Event, EventId, EventName, Seq, Subject, TenantId, Timestamp, Token,
};
use proptest::prelude::*;

use super::*;

fn entry(number: u64, dn: &str, agent: Option<&str>, call: u64) -> EventEntry {
    let mut event = Event::new(EventName::Ringing);
    event.this_dn = Dn::parse(dn).ok();
    event.agent = agent.and_then(|agent| AgentId::parse(agent).ok());
    let (uuid, thread) = (CallUuid(1), CallUuid(1));
    event.call = Some(CallRef {
        conn_id: ConnId(call),
        uuid,
        thread,
        previous: None,
        call_type: CallType::Inbound,
        propagated_type: None,
        ani: None,
        dnis: None,
    });
    let id = EventId { subject: Subject::Call(ConnId(call)), token: Token(1), seq: Seq(number) };
    let tenant = TenantId::parse("acme").unwrap();
    let stamped = Stamped { id, tenant, at: Timestamp::from_millis(number), trace: None, event };
    EventEntry { position: at(number), event: Arc::new(stamped), owner: None }
}

const fn at(minor: u64) -> Position {
    Position { major: 0, minor }
}

fn inlet(asked: &v1::SubscribeRequest) -> (Inlet, mpsc::Receiver<Arc<LiveFact>>) {
    let (queue, outlet) = mpsc::channel(WAITING_MAX);
    (Inlet { filter: Arc::new(SubscriptionFilter::read(asked, None).unwrap()), queue, waiting: Arc::default() }, outlet)
}

fn of_dn(dn: &str) -> v1::SubscribeRequest {
    v1::SubscribeRequest { dns: vec![dn.to_owned()], ..Default::default() }
}

fn positions(outlet: &mut mpsc::Receiver<Arc<LiveFact>>, waiting: &ReaderQueue) -> Vec<u64> {
    let facts = std::iter::from_fn(|| outlet.try_recv().ok());
    facts.inspect(|fact| waiting.taken(fact)).map(|fact| fact.position.minor).collect()
}

fn metrics() -> Metrics {
    Metrics::register(&runtime::Metrics::default())
}

#[test]
fn a_slow_reader_is_told_and_dropped_and_delays_nobody() {
    let (mut live, metrics) = (LiveReaders::default(), metrics());
    let (slow, mut slow_outlet) = inlet(&of_dn("7101"));
    let (quick, mut quick_outlet) = inlet(&Default::default());
    live.join(&slow, Position::START).unwrap();
    live.join(&quick, Position::START).unwrap();
    for number in 1..=WAITING_MAX as u64 + 1 {
        live.give(vec![entry(number, "7101", None, 7)], &metrics);
        assert_eq!(positions(&mut quick_outlet, &quick.waiting), [number]);
    }
    let told = slow.waiting.end().expect("it is told");
    assert!(told.code() == tonic::Code::ResourceExhausted && told.message().contains("too slow"), "{told}");
    assert_eq!(live.inlets.len(), 1);
    // What waited comes first, then the end.
    let (waiting, queue) = (slow.waiting.clone(), slow.queue);
    drop(queue);
    assert_eq!(positions(&mut slow_outlet, &waiting).len(), WAITING_MAX);
    assert!(matches!(slow_outlet.try_recv(), Err(mpsc::error::TryRecvError::Disconnected)));
    assert_eq!(waiting.bytes.load(Ordering::Relaxed), 0);
}

#[test]
fn large_facts_that_wait_count_by_their_bytes() {
    let (mut live, metrics) = (LiveReaders::default(), metrics());
    let (slow, _outlet) = inlet(&Default::default());
    live.join(&slow, Position::START).unwrap();
    let large = |number| {
        let mut entry = entry(number, "7101", None, 7);
        let mut stamped = (*entry.event).clone();
        stamped.event.extensions.set("Large", "x".repeat(1 << 20).as_str());
        entry.event = Arc::new(stamped);
        entry
    };
    for number in 1..=9 {
        live.give(vec![large(number)], &metrics);
    }
    assert!(slow.waiting.end().is_some() && live.is_empty());
    assert!(live.recent_bytes <= RECENT_BYTES_MAX && live.recent.len() == 7);
}

#[test]
fn who_comes_back_gets_what_it_missed_once() {
    let (mut live, metrics) = (LiveReaders::default(), metrics());
    live.give((1..=10).map(|n| entry(n, if n % 2 == 0 { "7102" } else { "7101" }, None, n)).collect(), &metrics);
    let (back, mut outlet) = inlet(&of_dn("7101"));
    live.join(&back, at(4)).unwrap();
    live.give(vec![entry(11, "7101", None, 11)], &metrics);
    assert_eq!(positions(&mut outlet, &back.waiting), [5, 7, 9, 11]);
}

#[test]
fn what_is_not_kept_any_more_must_be_read() {
    let (mut live, metrics) = (LiveReaders::default(), metrics());
    live.give((1..=RECENT_MAX as u64 + 10).map(|n| entry(n, "7101", None, n)).collect(), &metrics);
    let (back, _outlet) = inlet(&of_dn("7102"));
    assert_eq!(live.join(&back, at(9)), None);
    assert!(live.join(&back, at(10)).is_some());
    let (far_behind, _outlet) = inlet(&of_dn("7101"));
    assert_eq!(live.join(&far_behind, at(11)), None, "its queue does not take as much");
}

#[test]
fn who_leaves_is_in_no_index() {
    let (mut live, metrics) = (LiveReaders::default(), metrics());
    let (one, outlet) = inlet(&of_dn("7101"));
    let id = live.join(&one, Position::START).unwrap();
    live.leave(id);
    assert!(live.by_key.is_empty() && live.is_empty());
    live.join(&one, Position::START).unwrap();
    drop(outlet);
    live.give(vec![entry(1, "7101", None, 1)], &metrics);
    assert!(live.by_key.is_empty() && live.is_empty(), "whom nobody reads is found out");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn each_gets_exactly_what_it_asked_for(
        facts in proptest::collection::vec((0..4_u8, 0..3_u8, 0..3_u8), 1..40),
        asked in proptest::collection::vec((0..5_u8, 0..4_u8, 0..4_u8), 1..8),
        joins_at in 0..40_usize,
    ) {
        let (mut live, metrics) = (LiveReaders::default(), metrics());
        let entries: Vec<EventEntry> = facts.iter().enumerate().map(|(at, (dn, agent, call))| {
            entry(at as u64 + 1, &format!("710{dn}"), Some(&format!("100{agent}")), u64::from(*call))
        }).collect();
        let asked: Vec<v1::SubscribeRequest> = asked.iter().map(|(dn, agent, call)| v1::SubscribeRequest {
            dns: (*dn < 4).then(|| format!("710{dn}")).into_iter().collect(),
            agents: (*agent < 3).then(|| format!("100{agent}")).into_iter().collect(),
            calls: (*call < 3).then_some(u64::from(*call)).into_iter().collect(),
            ..Default::default()
        }).collect();
        let split = joins_at.min(entries.len());
        live.give(entries[..split].to_vec(), &metrics);
        let mut readers: Vec<_> = asked.iter().map(inlet).collect();
        for (reader, _) in &readers {
            live.join(reader, at(0)).unwrap();
        }
        live.give(entries[split..].to_vec(), &metrics);
        for (reader, outlet) in &mut readers {
            let wanted = entries.iter().filter(|entry| reader.filter.wants(&entry.event, &keys_of(&entry.event)));
            let wanted: Vec<u64> = wanted.map(|entry| entry.position.minor).collect();
            prop_assert_eq!(positions(outlet, &reader.waiting), wanted);
        }
    }
}

#[test]
fn who_asks_for_facts_that_are_gone_is_told_where_those_begin_that_are_left() {
    let told = status(StoreError::Trimmed { gone: at(7) });
    assert_eq!((told.code(), net::grpc::trimmed_to(&told)), (tonic::Code::OutOfRange, Some("0-7")));
    let away = status(StoreError::Unavailable { reason: "a test".to_owned() });
    assert_eq!(net::grpc::trimmed_to(&away), None);
}
