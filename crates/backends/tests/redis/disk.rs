//! A Redis whose disk is full: it cannot keep the writes that it answers.

use super::*;
use crate::server::until;

#[tokio::test]
async fn calls_go_on_while_the_disk_of_redis_is_full_and_none_begins() {
    // With `always`, Redis would end itself.
    let server = Server::start_with(&["--appendfsync", "everysec"]);
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    stores.calls.commit(vec![create(7, &owner())]).await.unwrap();
    server.limit_files(Some(16));
    let refuses = || {
        server.cli(&["SET", "filler", "x"]);
        server.cli(&["SET", "filler", "x"]).contains("MISCONF")
    };
    until("Redis takes no writes", refuses).await;
    let fact = || create(7, &owner()).events;
    let waits = CallWrite { events: fact(), ..save(7, "later") };
    assert_eq!(stores.calls.commit(vec![waits]).await.unwrap(), [Written::Done { position: None }]);
    assert!(!stores.calls.has_room());
    let refused = stores.leases.renew(&owner(), "sip-cluster", Duration::from_secs(2)).await;
    let Err(error @ StoreError::Full { .. }) = refused else { panic!("{refused:?}") };
    assert!(error.to_string().contains("disk of Redis"), "{error}");
    // Existing records can still be read, by all clients.
    let (other, _) = self::stores(&server, 0, Arc::new(SystemClock::start())).await;
    let loaded = other.calls.load(&tenant(), ConnId(7)).await.unwrap();
    assert!(matches!(&loaded, Loaded::Live(record) if record.state == "state"), "{loaded:?}");
    assert_eq!(server.cli(&["XLEN", "ev:{acme}"]).trim(), "1", "what was there before");
    server.limit_files(None);
    until_renewed(&stores).await;
    assert!(stores.calls.has_room());
    assert_eq!(server.cli(&["XLEN", "ev:{acme}"]).trim(), "2");
    let key = format!("call:{{acme}}:{}", ConnId(7));
    assert_eq!(server.cli(&["HGET", &key, "s"]).trim(), "later");
}
