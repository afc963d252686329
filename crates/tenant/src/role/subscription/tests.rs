use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use futures::StreamExt as _;
use infra::embedded::Embedded;
use infra::{Answer, CallLedger, CallWrite, Change, EventEntry, EventStream, StoreError, SystemClock};
use model::{ConnId, Dn, Event, EventId, EventName, NodeId, Owner, Seq, Stamped, Subject, Timestamp, Token};

use super::super::metrics::Metrics;
use super::super::records::Sources;
use super::*;

struct Site {
    store: Arc<Embedded>,
    views: Views,
    counted: runtime::Metrics,
    next: AtomicU64,
    /// Whether reads of the stream are not answered.
    is_away: Arc<AtomicBool>,
}

/// A stream that may be away for a while.
struct PassingStream {
    store: Arc<Embedded>,
    is_away: Arc<AtomicBool>,
}

impl EventStream for PassingStream {
    fn read<'a>(
        &'a self,
        tenant: &'a TenantId,
        after: Position,
        max: usize,
        wait: Duration,
    ) -> Answer<'a, Vec<EventEntry>> {
        match self.is_away.load(Ordering::SeqCst) {
            true => Box::pin(async { Err(StoreError::Unavailable { reason: "a test".to_owned() }) }),
            false => self.store.read(tenant, after, max, wait),
        }
    }

    fn end<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Position> {
        self.store.end(tenant)
    }
}

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

impl Site {
    fn new() -> Self {
        let store = Arc::new(Embedded::in_memory(Arc::new(SystemClock::start())));
        let is_away = Arc::new(AtomicBool::new(false));
        let sources = Sources {
            events: Arc::new(PassingStream { store: store.clone(), is_away: is_away.clone() }),
            agents: store.clone(),
            calls: store.clone(),
            queues: store.clone(),
            registrations: store.clone(),
        };
        let counted = runtime::Metrics::default();
        let views = Views::new(sources, Metrics::register(&counted));
        Self { store, views, counted, next: AtomicU64::new(1), is_away }
    }

    /// A phone rings for a new call.
    async fn rings(&self, dns: &[String]) {
        let ringing = |dn: &String| Event { this_dn: Dn::parse(dn).ok(), ..Event::new(EventName::Ringing) };
        self.tells(dns.iter().map(ringing)).await;
    }

    /// Each of these facts tells of a new call.
    async fn tells(&self, events: impl Iterator<Item = Event>) {
        let writes = events.map(|event| {
            let conn_id = ConnId(self.next.fetch_add(1, Ordering::Relaxed));
            let id = EventId { subject: Subject::Call(conn_id), token: Token(1), seq: Seq(1) };
            let at = Timestamp::from_millis(1_700_000_000_000);
            CallWrite {
                tenant: acme(),
                conn_id,
                owner: Owner { node: NodeId::parse("test-1").unwrap(), epoch: model::Epoch(5) },
                token: Token(1),
                change: Change::Create { state: Bytes::new(), intentions: Bytes::new() },
                due: None,
                index: Vec::new(),
                events: vec![Stamped { id, tenant: acme(), at, trace: None, event }],
                new_call: None,
                absorbs: None,
            }
        });
        CallLedger::commit(&*self.store, writes.collect()).await.unwrap();
    }

    async fn subscribe(&self, dn: Option<&str>, after: Option<Position>) -> Subscription {
        let asked = v1::SubscribeRequest { dns: dn.map(str::to_owned).into_iter().collect(), ..Default::default() };
        let filter = Arc::new(SubscriptionFilter::read(&asked, None).unwrap());
        let (tenant, kept) = (acme(), self.views.kept(&acme()).unwrap());
        let begun = self.views.at_end(&kept, &tenant, |_, end, live| {
            let after = after.unwrap_or(end);
            let subscription = Subscription::new(kept.clone(), filter, after);
            let joined = live.join(subscription.inlet(), after);
            (subscription, joined, after)
        });
        let (subscription, joined, after) = begun.await.unwrap();
        match joined {
            Some(id) => subscription.joined(id),
            None => subscription.catch_up(self.views.clone(), acme(), after),
        }
        self.views.keeps_reading(&kept, &acme());
        subscription
    }
}

async fn next_dn(deliveries: &mut (impl Stream<Item = Result<v1::Delivery, Status>> + Unpin)) -> String {
    match deliveries.next().await.unwrap().unwrap().what {
        Some(What::Event(event)) => event.envelope.unwrap().event.unwrap().this_dn.unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn who_is_far_behind_reads_the_stream_and_then_joins_the_others() {
    let site = Site::new();
    let many: Vec<String> = (0..500).map(|n| format!("{}", 7_000 + n % 7)).collect();
    for _ in 0..12 {
        site.rings(&many).await;
    }
    // The view begins at the end, so that nothing earlier is in memory.
    let live = site.subscribe(Some("7001"), None).await;
    let behind = site.subscribe(Some("7001"), Some(Position::START)).await;
    let mut behind = Box::pin(behind.deliveries(None, SeenReferences::Of("desk/1".to_owned())));
    let mut live = Box::pin(live.deliveries(None, SeenReferences::Of("desk/2".to_owned())));
    for _ in 0..12 * 72 {
        assert_eq!(next_dn(&mut behind).await, "7001");
    }
    site.rings(&["7002".to_owned(), "7001".to_owned()]).await;
    assert_eq!(next_dn(&mut live).await, "7001");
    assert_eq!(next_dn(&mut behind).await, "7001");
}

#[tokio::test(start_paused = true)]
async fn who_is_far_behind_and_takes_nothing_is_told_and_counted() {
    let site = Site::new();
    for _ in 0..12 {
        site.rings(&vec!["7001".to_owned(); 500]).await;
    }
    let _live = site.subscribe(Some("7002"), None).await;
    let behind = site.subscribe(Some("7001"), Some(Position::START)).await;
    let mut behind = Box::pin(behind.deliveries(None, SeenReferences::Of("desk/1".to_owned())));
    tokio::time::sleep(STUCK_MAX * 2).await;
    let told = loop {
        match behind.next().await {
            Some(Ok(_)) => {}
            Some(Err(status)) => break status,
            None => panic!("it is not told"),
        }
    };
    let is_said = told.message().contains("took nothing for 60s");
    assert!(told.code() == tonic::Code::ResourceExhausted && is_said, "{told}");
    let text = site.counted.encode(runtime::metrics::Format::OpenMetrics);
    assert!(text.contains("tenant_subscribers_slow_total 1\n"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn who_is_behind_is_at_the_present_when_all_was_read_and_taken() {
    let site = Site::new();
    for _ in 0..12 {
        site.rings(&vec!["7002".to_owned(); 500]).await;
    }
    let live = site.subscribe(Some("7001"), None).await;
    let behind = site.subscribe(Some("7001"), Some(Position::START)).await;
    let reach = behind.reach();
    assert!(live.reach().is_at_present() && !reach.is_at_present());
    let mut behind = Box::pin(behind.deliveries(None, SeenReferences::OfAll));
    let sign = behind.next().await.unwrap().unwrap();
    assert!(matches!(sign.what, Some(What::Reached(_))), "facts for others are passed over: {sign:?}");
    assert!(reach.is_at_present());
    site.rings(&["7001".to_owned()]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!reach.is_at_present(), "it waits to be taken");
    assert_eq!(next_dn(&mut behind).await, "7001");
    assert!(reach.is_at_present(), "it has taken what came");
    drop(behind);
    assert!(!reach.is_at_present());
}

#[tokio::test(start_paused = true)]
async fn in_silence_a_sign_of_life_comes_with_the_position() {
    let site = Site::new();
    let silent = site.subscribe(Some("7001"), None).await;
    let mut silent = Box::pin(silent.deliveries(None, SeenReferences::Of("desk/1".to_owned())));
    site.rings(&["7002".to_owned()]).await;
    let end = site.store.end(&acme()).await.unwrap();
    let last = loop {
        match silent.next().await.unwrap().unwrap().what {
            Some(What::Reached(position)) if position == end.to_string() => break position,
            Some(What::Reached(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    // Who comes back after that position has missed nothing.
    drop(silent);
    let back = site.subscribe(Some("7001"), last.parse().ok()).await;
    let mut back = Box::pin(back.deliveries(None, SeenReferences::Of("desk/1".to_owned())));
    site.rings(&["7001".to_owned()]).await;
    assert_eq!(next_dn(&mut back).await, "7001");
}

#[tokio::test]
async fn the_reference_of_a_request_is_shown_to_its_requester_and_to_who_sees_all() {
    let site = Site::new();
    let seen = [
        (SeenReferences::Of("desk/1".to_owned()), 7),
        (SeenReferences::Of("desk/2".to_owned()), 0),
        (SeenReferences::OfAll, 7),
    ];
    let mut readers = Vec::new();
    for (seen, reference) in seen {
        let deliveries = site.subscribe(Some("7001"), None).await.deliveries(None, seen);
        readers.push((Box::pin(deliveries), reference));
    }
    let mut answered = Event { this_dn: Dn::parse("7001").ok(), ..Event::new(EventName::Held) };
    (answered.reference, answered.requester) = (model::ReferenceId(7), Some("desk/1".to_owned()));
    site.tells(std::iter::once(answered)).await;
    for (mut deliveries, reference) in readers {
        match deliveries.next().await.unwrap().unwrap().what {
            Some(What::Event(event)) => assert_eq!(event.envelope.unwrap().event.unwrap().reference, reference),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn who_has_gone_is_forgotten() {
    let site = Site::new();
    let one = site.subscribe(None, None).await;
    let deliveries = one.deliveries(None, SeenReferences::Of("desk/1".to_owned()));
    assert!(!site.views.kept(&acme()).unwrap().live().is_empty());
    drop(deliveries);
    assert!(site.views.kept(&acme()).unwrap().live().is_empty());
}

#[tokio::test]
async fn one_reader_reads_the_stream_for_all_subscriptions() {
    let site = Site::new();
    let dns = ["7001", "7002", "7001"];
    let mut all = Vec::new();
    for dn in dns {
        all.push(Box::pin(
            site.subscribe(Some(dn), None).await.deliveries(None, SeenReferences::Of("desk/1".to_owned())),
        ));
    }
    site.rings(&["7001".to_owned(), "7002".to_owned()]).await;
    for (deliveries, dn) in all.iter_mut().zip(dns) {
        assert_eq!(next_dn(deliveries).await, dn);
    }
    let text = site.counted.encode(runtime::metrics::Format::OpenMetrics);
    assert!(text.contains("tenant_stream_readers 1\n"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_for_a_while_ends_no_subscription() {
    let site = Site::new();
    let one = site.subscribe(Some("7001"), None).await;
    let mut one = Box::pin(one.deliveries(None, SeenReferences::Of("desk/1".to_owned())));
    site.is_away.store(true, Ordering::SeqCst);
    // The reader's present read ends, and the next ones fail.
    site.rings(&["7001".to_owned()]).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    site.rings(&["7001".to_owned()]).await;
    site.is_away.store(false, Ordering::SeqCst);
    for _ in 0..2 {
        let dn = loop {
            match one.next().await.unwrap().unwrap().what {
                Some(What::Event(event)) => break event.envelope.unwrap().event.unwrap().this_dn,
                Some(What::Reached(_)) => {}
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(dn.as_deref(), Some("7001"));
    }
}
