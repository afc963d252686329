//! The conformance suite of what is searched on a real OpenSearch, and cases of a server alone: killed, emptied, with another index form.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests report by panicking and wait by the clock")]

mod server;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use backends::elasticsearch::{self, ElasticsearchSearch, ElasticsearchSettings};
use futures::FutureExt as _;
use infra::conformance::search::{self, target};
use infra::{
    Client, Collection, Line, Matter, MonitoredState, SearchStore as _, StoreError, Swept, TargetDocument,
    TargetSearch, Watch,
};
use model::{TenantId, Timestamp};
use server::Server;

/// As long as an index may take to show what was written, and some.
const REFRESHED: Duration = Duration::from_secs(3);

/// Counts the reports about connections.
#[derive(Default)]
struct Seen {
    attempts: AtomicUsize,
    standing: AtomicUsize,
    failures: AtomicUsize,
    sent: AtomicUsize,
}

impl Watch for Seen {
    fn attempted(&self, _: Line) {
        self.attempts.fetch_add(1, SeqCst);
    }
    fn standing(&self, _: Line, connections: usize) {
        self.standing.store(connections, SeqCst);
    }
    fn failed(&self, _: Line) {
        self.failures.fetch_add(1, SeqCst);
    }
    fn exchanged(&self, _: Matter, sent: usize, _: usize) {
        self.sent.fetch_add(sent, SeqCst);
    }
}

fn settings(server: &Server, prefix: &str) -> ElasticsearchSettings {
    ElasticsearchSettings { url: server.url(), password_file: None, prefix: prefix.to_owned(), authorities: None }
}

fn store(server: &Server, prefix: &str) -> (ElasticsearchSearch, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let source: Option<IpAddr> = Some(server.client_address());
    let client = Client { source, watch: seen.clone(), ..Client::unwatched("trunkline/test") };
    (ElasticsearchSearch::open(&settings(server, prefix), client).unwrap(), seen)
}

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn all() -> TargetSearch {
    TargetSearch { limit: 10, ..TargetSearch::default() }
}

fn collection(build: u64) -> Collection {
    let at = Timestamp::from_millis(1);
    Collection { build, revision: 1, targets: 1, checked_at: at, heard_at: at }
}

/// One server for all cases: it takes seconds to start, and half a gigabyte.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_searched_is_in_opensearch_whatever_becomes_of_it() {
    let server = Server::start();
    let version = elasticsearch::version(&settings(&server, "v-"), Client::unwatched("test")).await.unwrap();
    assert!(version.starts_with("opensearch 2."), "{version}");
    let (store_of_suite, seen) = store(&server, "suite-");
    search::check(&store_of_suite, || tokio::time::sleep(REFRESHED).boxed()).await;
    assert!(seen.standing.load(SeqCst) > 0 && seen.sent.load(SeqCst) > 0 && seen.failures.load(SeqCst) == 0);
    two_replicas_have_one_store(&server).await;
    many_targets_are_written_and_swept(&server).await;
    a_server_that_is_killed_is_away_and_has_all_when_it_is_back(&server).await;
    a_server_that_was_emptied_has_nothing_until_it_is_collected_anew(&server).await;
}

async fn two_replicas_have_one_store(server: &Server) {
    let ((one, _), (other, _)) = (store(server, "two-"), store(server, "two-"));
    one.write(&acme(), 1, &[target("skill", "english", "English")]).await.unwrap();
    one.note(&acme(), collection(1), true).await.unwrap();
    assert_eq!(other.search(&acme(), &all()).await.unwrap().total, 1);
    let state = MonitoredState { id: "Queue/sales".to_owned(), at: Timestamp::from_millis(7), value: "3".to_owned() };
    one.keep_states(&acme(), 1, std::slice::from_ref(&state)).await.unwrap();
    // At once, not when the index is refreshed.
    assert_eq!(other.states(&acme(), &["Queue/sales".to_owned()]).await.unwrap(), [state]);
    assert!(one.is_shared());
}

async fn many_targets_are_written_and_swept(server: &Server) {
    let (store, _) = store(server, "many-");
    for batch in 0..4 {
        let targets: Vec<TargetDocument> =
            (0..500).map(|n| target("agent", &format!("a{batch}x{n}"), &format!("Müller {n}"))).collect();
        store.write(&acme(), 1, &targets).await.unwrap();
    }
    store.write(&acme(), 2, &[target("agent", "later", "Later")]).await.unwrap();
    store.sweep(&acme(), 2, Swept::Targets).await.unwrap();
    store.note(&acme(), collection(2), true).await.unwrap();
    assert_eq!(store.search(&acme(), &all()).await.unwrap().total, 1);
}

async fn a_server_that_is_killed_is_away_and_has_all_when_it_is_back(server: &Server) {
    let (store, seen) = store(server, "killed-");
    store.write(&acme(), 1, &[target("skill", "english", "English")]).await.unwrap();
    store.note(&acme(), collection(1), true).await.unwrap();
    server.kill();
    let away = store.search(&acme(), &all()).await;
    assert!(matches!(away, Err(StoreError::Unavailable { .. })), "{away:?}");
    let away = store.write(&acme(), 1, &[target("skill", "french", "French")]).await;
    assert!(matches!(away, Err(StoreError::Unavailable { .. })), "{away:?}");
    assert!(seen.failures.load(SeqCst) > 0 && seen.standing.load(SeqCst) == 0);
    server.start_again();
    let mut found = store.search(&acme(), &all()).await;
    for _ in 0..20 {
        if found.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        found = store.search(&acme(), &all()).await;
    }
    assert_eq!(found.unwrap().total, 1);
}

async fn a_server_that_was_emptied_has_nothing_until_it_is_collected_anew(server: &Server) {
    let (store, _) = store(server, "empty-");
    store.write(&acme(), 1, &[target("skill", "english", "English")]).await.unwrap();
    store.note(&acme(), collection(1), true).await.unwrap();
    server.empty();
    let missing = store.search(&acme(), &all()).await;
    assert!(matches!(missing, Err(StoreError::Missing { .. })), "{missing:?}");
    assert_eq!(store.collection(&acme()).await.unwrap(), None);
    for _ in 0..2 {
        // No write makes an index of a form in which nothing is found.
        let lost = store.note(&acme(), collection(2), true).await;
        assert!(matches!(lost, Err(StoreError::Missing { .. })), "{lost:?}");
        store.write(&acme(), 2, &[target("skill", "english", "Español")]).await.unwrap();
        store.note(&acme(), collection(2), true).await.unwrap();
        let terms = TargetSearch::terms_of("spa").unwrap();
        assert_eq!(store.search(&acme(), &TargetSearch { terms, ..all() }).await.unwrap().total, 1);
        server.remove_index("empty-targets-1-a");
        let missing = store.search(&acme(), &all()).await;
        assert!(matches!(missing, Err(StoreError::Missing { .. })), "{missing:?}");
    }
}
