//! Subscriptions on the embedded store: beginning, resuming, silence, and readers that take nothing.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use infra::{CallWrite, Change, Stores};
use model::event::CallRef;
use model::{CallType, CallUuid, ConnId, Dn, Event, EventName, Owner, Stamped};

use super::*;
use crate::test_stores::{set_clock, stores};

/// Lets everything pass.
struct All;

impl Sieve for All {
    fn take(&mut self, entry: EventEntry, _: Timestamp, out: &mut Vec<EventEntry>) {
        out.push(entry);
    }
}

struct Site {
    stores: Stores,
    metrics: Metrics,
    tenant: TenantId,
}

fn me() -> Owner {
    "sip-cluster-1.5".parse().unwrap()
}

impl Site {
    fn new() -> Self {
        let stores = stores(set_clock());
        let metrics = Metrics::register(&runtime::Metrics::default());
        Self { stores, metrics, tenant: TenantId::parse("t").unwrap() }
    }

    /// Commits facts of a call, numbered from `first`, for these DNs.
    async fn tell(&self, first: u64, dns: &[&str]) {
        let events = (first..).zip(dns).map(|(seq, dn)| {
            let call = CallRef {
                conn_id: ConnId(1),
                uuid: CallUuid(1),
                thread: CallUuid(1),
                previous: None,
                call_type: CallType::Inbound,
                propagated_type: None,
                ani: None,
                dnis: None,
            };
            let mut event = Event { call: Some(call), this_dn: Dn::parse(dn).ok(), ..Event::new(EventName::Ringing) };
            event.reference = model::ReferenceId(seq);
            event.requester = Some("me".to_owned());
            let id = EventId { subject: Subject::Call(ConnId(1)), token: Token(1), seq: Seq(seq) };
            Stamped { id, tenant: self.tenant.clone(), at: self.stores.clock.now(), trace: None, event }
        });
        let state = Bytes::from_static(b"c");
        let change = match first {
            1 => Change::Create { state, intentions: Bytes::new() },
            _ => Change::Keep,
        };
        let write = CallWrite {
            tenant: self.tenant.clone(),
            conn_id: ConnId(1),
            owner: me(),
            token: Token(1),
            change,
            due: None,
            index: Vec::new(),
            events: events.collect(),
            new_call: None,
            absorbs: None,
        };
        self.stores.calls.commit(vec![write]).await.unwrap();
    }

    fn subscribe(&self, after: Position, dns: &[&str], known: KnownFacts) -> Reader {
        let (subscription, reader) = self.subscription(All, after, dns, known);
        tokio::spawn(subscription.run(after));
        reader
    }

    fn subscription<S: Sieve>(
        &self,
        sieve: S,
        after: Position,
        dns: &[&str],
        known: KnownFacts,
    ) -> (NodeSubscription<S>, Reader) {
        let (deliveries, reader) = mpsc::channel(WAITING_MAX);
        let subscription = NodeSubscription {
            sieve,
            events: self.stores.events.clone(),
            clock: self.stores.clock.clone(),
            tenant: self.tenant.clone(),
            subject: "me".to_owned(),
            dns: dns.iter().map(|dn| (*dn).to_owned()).collect(),
            known,
            shown: after,
            deliveries,
            metrics: self.metrics.clone(),
        };
        (subscription, reader)
    }
}

type Reader = mpsc::Receiver<Result<v1::Delivery, Status>>;

async fn event(reader: &mut Reader) -> v1::PositionedEvent {
    match reader.recv().await.unwrap().unwrap().what {
        Some(What::Event(event)) => event,
        other => panic!("{other:?}"),
    }
}

fn seq(event: &v1::PositionedEvent) -> u64 {
    event.envelope.as_ref().unwrap().seq
}

#[tokio::test(start_paused = true)]
async fn a_reader_gets_the_facts_of_its_dns_with_who_gave_them_and_resumes_where_it_was() {
    let site = Site::new();
    site.tell(1, &["7101", "7102", "7101"]).await;
    let mut reader = site.subscribe(Position::START, &["7101"], KnownFacts::default());
    let (first, second) = (event(&mut reader).await, event(&mut reader).await);
    assert_eq!((seq(&first), seq(&second)), (1, 3));
    let envelope = first.envelope.unwrap();
    assert_eq!((envelope.owner, envelope.event.unwrap().reference), (me().to_string(), 1));
    drop(reader);
    site.tell(4, &["7101"]).await;
    let mut again = site.subscribe(first.position.parse().unwrap(), &["7101"], KnownFacts::default());
    assert_eq!([seq(&event(&mut again).await), seq(&event(&mut again).await)], [3, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_fact_that_the_reader_has_from_elsewhere_is_left_out() {
    let site = Site::new();
    site.tell(1, &["7101", "7101", "7101"]).await;
    let last = EventId { subject: Subject::Call(ConnId(1)), token: Token(1), seq: Seq(2) };
    let known = KnownFacts::read(vec![wire::fact_id_to_wire(&last)]).unwrap();
    let mut reader = site.subscribe(Position::START, &[], known);
    assert_eq!(seq(&event(&mut reader).await), 3);
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_within_five_seconds_by_the_position_that_was_reached() {
    let site = Site::new();
    site.tell(1, &["7102"]).await;
    let end = site.stores.events.end(&site.tenant).await.unwrap();
    let mut reader = site.subscribe(Position::START, &["7101"], KnownFacts::default());
    let begun = tokio::time::Instant::now();
    let delivery = reader.recv().await.unwrap().unwrap();
    assert_eq!(delivery.what, Some(What::Reached(end.to_string())));
    assert!(begun.elapsed() <= std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_nothing_is_told_so_and_dropped() {
    let site = Site::new();
    site.tell(1, &["7101"; 40]).await;
    let mut reader = site.subscribe(Position::START, &[], KnownFacts::default());
    tokio::time::sleep(std::time::Duration::from_secs(31)).await;
    let mut last = None;
    while let Some(delivery) = reader.recv().await {
        last = Some(delivery.map_err(|status| status.code()).map(|_| ()));
    }
    assert_eq!(last, Some(Err(tonic::Code::ResourceExhausted)));
    assert_eq!(site.metrics.slow.get(), 1);
}

/// Counts the facts that it is shown from before the beginning.
struct Earlier(Arc<AtomicUsize>);

impl Sieve for Earlier {
    fn take(&mut self, _: EventEntry, _: Timestamp, _: &mut Vec<EventEntry>) {}

    fn take_earlier(&mut self, _: EventEntry, _: Timestamp) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn earlier_facts_are_not_read_for_a_reader_that_has_gone() {
    let site = Site::new();
    site.tell(1, &["7101"; 40]).await;
    let end = site.stores.events.end(&site.tenant).await.unwrap();
    let shown = Arc::new(AtomicUsize::new(0));
    let (subscription, reader) = site.subscription(Earlier(shown.clone()), end, &[], KnownFacts::default());
    drop(reader);
    subscription.run(end).await;
    assert_eq!(shown.load(Ordering::Relaxed), 0);
}

#[test]
fn what_it_cannot_choose_by_is_refused() {
    let one = |field: &str| {
        let mut asked = v1::SubscribeRequest { dns: vec!["7101".to_owned()], ..Default::default() };
        match field {
            "agents" => asked.agents.push("1001".to_owned()),
            "queues" => asked.queues.push("sales".to_owned()),
            "calls" => asked.calls.push(7),
            "names" => asked.names.push(v1::EventName::EventRinging.into()),
            _ => {}
        }
        asked
    };
    assert_eq!(chosen_dns(&one("dns")).unwrap(), HashSet::from(["7101".to_owned()]));
    for field in ["agents", "queues", "calls", "names"] {
        let refused = chosen_dns(&one(field)).unwrap_err();
        let is_named = refused.message().starts_with(&format!("{field}: "));
        assert!(refused.code() == tonic::Code::InvalidArgument && is_named, "{refused}");
    }
}

#[test]
fn a_snapshot_is_restricted_to_the_calls_of_the_dns() {
    let status = |dn: &str| v1::CallStatus {
        parties: vec![v1::PartyStatus { dn: dn.to_owned(), ..v1::PartyStatus::default() }],
        ..v1::CallStatus::default()
    };
    let all = v1::Snapshot {
        calls: vec![status("7101"), status("7102")],
        dns_in_service: vec!["7101".to_owned(), "7102".to_owned()],
        ..v1::Snapshot::default()
    };
    let mut one = all.clone();
    restrict(&mut one, &HashSet::from(["7102".to_owned()]));
    assert_eq!((one.calls, one.dns_in_service), (vec![status("7102")], vec!["7102".to_owned()]));
    let mut whole = all.clone();
    restrict(&mut whole, &HashSet::new());
    assert_eq!(whole, all);
}

#[test]
fn what_a_reader_names_as_known_is_bounded_and_must_be_named_rightly() {
    let id = v1::FactId { subject: None, token: 1, seq: 1 };
    let refused = |ids| KnownFacts::read(ids).err().map(|status| status.message().to_owned());
    assert_eq!(refused(vec![id.clone()]).as_deref(), Some("known: subject: it is absent"));
    assert!(refused(vec![id; KNOWN_MAX + 1]).is_some_and(|text| text.contains("more than 10000")));
}
