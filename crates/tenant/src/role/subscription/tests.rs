use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use futures::StreamExt as _;
use infra::embedded::Embedded;
use infra::{CallLedger, CallWrite, Change, EventStream as _, SystemClock};
use model::{ConnId, Dn, Event, EventId, EventName, NodeId, Owner, Seq, Stamped, Subject, Timestamp, Token};

use super::super::metrics::Metrics;
use super::super::records::Sources;
use super::*;

struct Site {
    store: Arc<Embedded>,
    views: Views,
    next: AtomicU64,
}

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

impl Site {
    fn new() -> Self {
        let store = Arc::new(Embedded::in_memory(Arc::new(SystemClock::start())));
        let sources = Sources {
            events: store.clone(),
            agents: store.clone(),
            calls: store.clone(),
            registrations: store.clone(),
        };
        let views = Views::new(sources, Metrics::register(&runtime::Metrics::default()));
        Self { store, views, next: AtomicU64::new(1) }
    }

    /// A phone rings for a new call.
    async fn rings(&self, dns: &[String]) {
        let writes = dns.iter().map(|dn| {
            let conn_id = ConnId(self.next.fetch_add(1, Ordering::Relaxed));
            let id = EventId { subject: Subject::Call(conn_id), token: Token(1), seq: Seq(1) };
            let event = Event { this_dn: Dn::parse(dn).ok(), ..Event::new(EventName::Ringing) };
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
    let mut behind = Box::pin(behind.deliveries(None, "desk/1".to_owned()));
    let mut live = Box::pin(live.deliveries(None, "desk/2".to_owned()));
    for _ in 0..12 * 72 {
        assert_eq!(next_dn(&mut behind).await, "7001");
    }
    site.rings(&["7002".to_owned(), "7001".to_owned()]).await;
    assert_eq!(next_dn(&mut live).await, "7001");
    assert_eq!(next_dn(&mut behind).await, "7001");
}

#[tokio::test(start_paused = true)]
async fn in_silence_a_sign_of_life_comes_with_the_position() {
    let site = Site::new();
    let silent = site.subscribe(Some("7001"), None).await;
    let mut silent = Box::pin(silent.deliveries(None, "desk/1".to_owned()));
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
    let mut back = Box::pin(back.deliveries(None, "desk/1".to_owned()));
    site.rings(&["7001".to_owned()]).await;
    assert_eq!(next_dn(&mut back).await, "7001");
}

#[tokio::test]
async fn who_has_gone_is_forgotten() {
    let site = Site::new();
    let one = site.subscribe(None, None).await;
    let deliveries = one.deliveries(None, "desk/1".to_owned());
    assert!(!site.views.kept(&acme()).unwrap().live().is_empty());
    drop(deliveries);
    assert!(site.views.kept(&acme()).unwrap().live().is_empty());
}

/// `cargo test -p trunkline-tenant --lib -- --ignored --nocapture thousand_subscriptions`: prints the delay from commit to reader.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
#[expect(
    clippy::disallowed_methods,
    reason = "it measures real time, and the reader of the delays must not slow the readers of events"
)]
async fn ten_thousand_subscriptions_of_one_dn_each_and_ten_of_everything() {
    const OWN: usize = 10_000;
    const OF_ALL: usize = 10;
    const PER_TURN: usize = 10;
    const TURNS: usize = 1_000;
    let site = Arc::new(Site::new());
    site.rings(&["1".to_owned()]).await;
    let base = site.store.end(&acme()).await.unwrap().minor;
    let begun = Instant::now();
    // When each position was committed, in microseconds since `begun`.
    let committed: Arc<Vec<AtomicU64>> = Arc::new((0..PER_TURN * TURNS + 2).map(|_| AtomicU64::new(0)).collect());
    let (tell, mut told) = mpsc::unbounded_channel();
    let now = move || begun.elapsed().as_micros() as u64;
    for number in 0..OWN + OF_ALL {
        let dn = (number < OWN).then(|| (10_000 + number).to_string());
        let mut deliveries = Box::pin(site.subscribe(dn.as_deref(), None).await.deliveries(None, "desk/1".to_owned()));
        let (tell, committed) = (tell.clone(), committed.clone());
        tokio::spawn(async move {
            while let Some(Ok(delivery)) = deliveries.next().await {
                if let Some(What::Event(event)) = delivery.what {
                    let position: Position = event.position.parse().unwrap();
                    let at = committed[(position.minor - base) as usize].load(Ordering::Relaxed);
                    let _ = tell.send(now().saturating_sub(at));
                }
            }
        });
    }
    let joined = begun.elapsed();
    let mut turns = tokio::time::interval(Duration::from_millis(10));
    for turn in 0..TURNS {
        turns.tick().await;
        let dns: Vec<String> = (0..PER_TURN).map(|n| (10_000 + (turn * PER_TURN + n) * 7 % OWN).to_string()).collect();
        let first = (site.store.end(&acme()).await.unwrap().minor - base) as usize + 1;
        (first..first + PER_TURN).filter_map(|at| committed.get(at)).for_each(|at| at.store(now(), Ordering::Relaxed));
        site.rings(&dns).await;
    }
    let wanted = PER_TURN * TURNS * (1 + OF_ALL);
    let mut delays = Vec::with_capacity(wanted);
    while delays.len() < wanted {
        delays.push(told.recv().await.unwrap());
    }
    delays.sort_unstable();
    let of = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize];
    eprintln!(
        "{} subscriptions joined in {joined:?}; {} events, {wanted} deliveries in {:?}; delay p50 {} us, p99 {} us, most {} us",
        OWN + OF_ALL,
        PER_TURN * TURNS,
        begun.elapsed() - joined,
        of(0.5),
        of(0.99),
        of(1.0),
    );
}
