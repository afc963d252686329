//! The cache of configuration: whole states that go in parts, and what a release before has left.

use std::future::poll_fn;
use std::task::Poll;

use infra::{Answer, Document, Extent, Reading};

use super::*;

/// Documents of a state that does not go in one part.
const LARGE: usize = 4_500;

fn state(generation: u64) -> Publication {
    let document = |id| Document {
        kind: "skill".to_owned(),
        id: format!("{id:05}"),
        revision: 1,
        body: Some(Bytes::from(generation.to_string())),
    };
    let version = ConfigVersion { generation, revision: 1 };
    Publication { tenant: tenant(), version, base: None, documents: (0..LARGE).map(document).collect() }
}

async fn whole(stores: &Stores) -> Reading {
    stores.configuration.read(&tenant(), None, Duration::ZERO).await.unwrap()
}

fn staged(server: &Server) -> String {
    server.cli(&["KEYS", "cfg:{acme}:staged:*"]).trim().to_owned()
}

/// Goes on with a publication until a part of it is there, and returns that part's key.
async fn until_staged(server: &Server, publishing: &mut Answer<'_, ()>) -> String {
    loop {
        let polled = poll_fn(|context| Poll::Ready(publishing.as_mut().poll(context))).await;
        assert!(polled.is_pending(), "{polled:?} before a part of it was seen");
        let key = staged(server);
        if !key.is_empty() {
            return key;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_a_crashed_publisher_has_left_is_not_read_and_expires() {
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    stores.configuration.publish(state(1)).await.unwrap();
    let mut publishing = stores.configuration.publish(state(2));
    let key = until_staged(&server, &mut publishing).await;
    drop(publishing);
    let reading = whole(&stores).await;
    assert_eq!(reading.version, ConfigVersion { generation: 1, revision: 1 });
    assert!(reading.documents == state(1).documents);
    // What was under way came after that.
    assert_eq!(staged(&server), key);
    let left_ms: i64 = server.cli(&["PTTL", &key]).trim().parse().unwrap();
    assert!((1..=30_000).contains(&left_ms), "{left_ms}");
    stores.configuration.publish(state(2)).await.unwrap();
    assert!(whole(&stores).await.documents == state(2).documents);
    assert_eq!(server.cli(&["PTTL", "cfg:{acme}:documents"]).trim(), "-1", "what is published stays");
    server.ageing(0)(Duration::from_secs(31));
    assert_eq!(staged(&server), "");
}

#[tokio::test]
async fn a_state_of_which_redis_has_lost_a_part_is_not_published() {
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    stores.configuration.publish(state(1)).await.unwrap();
    let mut publishing = stores.configuration.publish(state(2));
    let key = until_staged(&server, &mut publishing).await;
    server.cli(&["DEL", &key]);
    let published = publishing.await;
    assert!(matches!(&published, Err(StoreError::Unavailable { reason }) if reason.contains("lost")), "{published:?}");
    assert_eq!(staged(&server), "", "it takes no room from others");
    assert!(whole(&stores).await.documents == state(1).documents);
    stores.configuration.publish(state(2)).await.unwrap();
    assert!(whole(&stores).await.documents == state(2).documents);
}

#[tokio::test]
async fn what_the_release_before_has_published_is_read_and_gone_on_with() {
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    server.cli(&["SADD", "tenants:configured", "acme"]);
    server.cli(&["HSET", "cfg:{acme}:state", "g", "7", "r", "2"]);
    for (id, written, revision) in [("Sales", "1 1 {}", "1"), ("English", "2 1 {}", "2"), ("Gone", "2 0 ", "2")] {
        let name = format!("skill\n{id}");
        server.cli(&["HSET", "cfg:{acme}:documents", &name, written]);
        server.cli(&["ZADD", "cfg:{acme}:changes", revision, &name]);
    }
    let at = |revision| ConfigVersion { generation: 7, revision };
    let ids = |reading: Reading| reading.documents.into_iter().map(|document| document.id).collect::<Vec<_>>();
    assert_eq!(stores.configuration.tenants().await.unwrap(), [(tenant(), at(2))]);
    assert_eq!(ids(whole(&stores).await), ["English", "Sales"]);
    let since_first = stores.configuration.read(&tenant(), Some(at(1)), Duration::ZERO).await.unwrap();
    assert_eq!(since_first.extent, Extent::Changes);
    assert_eq!(ids(since_first), ["English", "Gone"]);
    let body = Some(Bytes::from_static(b"{}"));
    let patience = Document { kind: "skill".to_owned(), id: "Patience".to_owned(), revision: 3, body };
    let next = Publication { tenant: tenant(), version: at(3), base: Some(at(2)), documents: vec![patience] };
    stores.configuration.publish(next).await.unwrap();
    assert_eq!(ids(whole(&stores).await), ["English", "Patience", "Sales"]);
}
