//! Records of signing in: what Redis has of them, when it is away, and when it has no room.

use std::collections::BTreeSet;

use futures::future::join_all;
use futures::{FutureExt as _, TryFutureExt as _};
use infra::{SignInKey, SignInKind, bounds};

use super::*;

const ALICE: &str = "person/alice";
const HOUR: Duration = Duration::from_secs(3_600);

fn session(id: &str) -> SignInKey {
    SignInKey::new(SignInKind::Session, id)
}

async fn put(stores: &Stores, key: &SignInKey, lasting: Duration) -> infra::Result<()> {
    let until = stores.clock.now() + lasting;
    stores.sign_ins.put(&tenant(), key, Some(ALICE), Bytes::from_static(b"x"), until).await
}

fn keys(server: &Server) -> BTreeSet<String> {
    server.cli(&["KEYS", "auth:*"]).split_whitespace().map(str::to_owned).collect()
}

#[tokio::test]
async fn every_key_of_a_sign_in_ends_by_itself() {
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    let pttl = |key: &str| server.cli(&["PTTL", key]).trim().parse::<i64>().unwrap();
    put(&stores, &session("long"), 2 * HOUR).await.unwrap();
    put(&stores, &session("short"), HOUR).await.unwrap();
    let lists = ["auth:{acme}:live:session", "auth:{acme}:owner:person/alice"];
    let all = ["auth:{acme}:session:long", "auth:{acme}:session:short", lists[0], lists[1]];
    assert_eq!(keys(&server), all.map(str::to_owned).into());
    for key in [all[0], lists[0], lists[1]] {
        let left = pttl(key);
        assert!((3_700_000..=7_200_000).contains(&left), "{key}: {left}");
    }
    let left = pttl(all[1]);
    assert!((1..=3_600_000).contains(&left), "{left}");
    for id in ["long", "short"] {
        stores.sign_ins.remove(&tenant(), &session(id)).await.unwrap();
    }
    assert_eq!(keys(&server), BTreeSet::new());
}

#[tokio::test]
async fn a_list_of_an_owner_loses_names_of_what_is_not_there() {
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    for id in ["one", "two"] {
        put(&stores, &session(id), HOUR).await.unwrap();
    }
    server.cli(&["DEL", "auth:{acme}:session:one"]);
    let owned = stores.sign_ins.owned(&tenant(), ALICE).await.unwrap();
    assert_eq!(owned, [(session("two"), Bytes::from_static(b"x"))]);
    assert_eq!(server.cli(&["ZCARD", "auth:{acme}:owner:person/alice"]).trim(), "1");
    // One of a later release, which this one leaves as it is.
    server.cli(&["HSET", "auth:{acme}:later:one", "v", "y", "o", ALICE]);
    server.cli(&["ZADD", "auth:{acme}:owner:person/alice", "1", "later:one"]);
    assert_eq!(stores.sign_ins.owned(&tenant(), ALICE).await.unwrap(), owned);
    assert_eq!(server.cli(&["ZCARD", "auth:{acme}:owner:person/alice"]).trim(), "2");
}

#[tokio::test]
async fn attempts_that_fill_their_table_keep_nobody_from_a_session() {
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    let fill = format!("for i = 1, {} do redis.call('ZADD', KEYS[1], ARGV[1], i) end", bounds::SIGN_INS_MAX);
    let fill = |ends: &str| server.cli(&["EVAL", &fill, "1", "auth:{acme}:live:attempts", ends]);
    let claim = async || {
        let (key, until) = (SignInKey::new(SignInKind::Attempts, "mallory"), stores.clock.now() + HOUR);
        stores.sign_ins.claim(&tenant(), &key, Bytes::from_static(b"1"), until).await
    };
    fill("99999999999999");
    let refused = claim().await;
    let bound = bounds::SIGN_INS_MAX as u64;
    assert!(
        matches!(refused, Err(StoreError::Full { what: "the sign-ins of a kind", bound: is }) if is == bound),
        "{refused:?}"
    );
    put(&stores, &session("one"), HOUR).await.unwrap();
    // Their time is over.
    fill("1");
    assert!(claim().await.unwrap());
}

#[tokio::test]
async fn while_redis_is_away_every_call_fails_in_time_and_what_was_there_is_there_again() {
    let mut server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    put(&stores, &session("one"), HOUR).await.unwrap();
    let (acme, one, two, x) = (tenant(), session("one"), session("two"), Bytes::from_static(b"x"));
    let calls = async || {
        let until = stores.clock.now() + HOUR;
        let all = [
            put(&stores, &two, HOUR).boxed(),
            stores.sign_ins.claim(&acme, &two, x.clone(), until).map_ok(drop).boxed(),
            stores.sign_ins.read(&acme, &one).map_ok(drop).boxed(),
            stores.sign_ins.replace(&acme, &one, &x, x.clone(), until).map_ok(drop).boxed(),
            stores.sign_ins.remove(&acme, &one).boxed(),
            stores.sign_ins.owned(&acme, ALICE).map_ok(drop).boxed(),
        ];
        for answer in join_all(all).await {
            assert!(matches!(answer, Err(StoreError::Unavailable { .. })), "{answer:?}");
        }
    };
    server.kill();
    tokio::time::timeout(Duration::from_secs(30), calls()).await.unwrap();
    server.start_again();
    let read = async {
        loop {
            match stores.sign_ins.read(&acme, &one).await {
                Ok(read) => return read,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let read = tokio::time::timeout(Duration::from_secs(30), read).await.unwrap();
    assert_eq!(read, Some(x.clone()));
    server.freeze();
    tokio::time::timeout(Duration::from_secs(30), calls()).await.unwrap();
    server.go_on();
}

#[tokio::test]
async fn who_is_signed_in_goes_on_while_redis_has_no_room() {
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    let (acme, one, until) = (tenant(), session("one"), stores.clock.now() + HOUR);
    put(&stores, &one, HOUR).await.unwrap();
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let refused = put(&stores, &session("two"), HOUR).await;
    assert!(matches!(refused, Err(StoreError::Full { what: "the memory of Redis", .. })), "{refused:?}");
    let (x, y) = (Bytes::from_static(b"x"), Bytes::from_static(b"y"));
    assert!(stores.sign_ins.replace(&acme, &one, &x, y.clone(), until).await.unwrap());
    put(&stores, &one, HOUR).await.unwrap();
    assert_eq!(stores.sign_ins.owned(&acme, ALICE).await.unwrap(), [(one.clone(), x.clone())]);
    stores.sign_ins.remove(&acme, &one).await.unwrap();
    assert_eq!(stores.sign_ins.read(&acme, &one).await.unwrap(), None);
}

#[tokio::test]
async fn a_record_that_redis_holds_as_something_else_costs_that_one() {
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    server.cli(&["SET", "auth:{acme}:session:one", "damaged"]);
    let refused = put(&stores, &session("one"), HOUR).await;
    assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
    put(&stores, &session("two"), HOUR).await.unwrap();
    assert_eq!(stores.sign_ins.owned(&tenant(), ALICE).await.unwrap().len(), 1);
}
