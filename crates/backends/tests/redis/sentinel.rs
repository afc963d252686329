//! Redis behind a sentinel, which promotes another master when the present one fails.

use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::*;
use crate::server::{new_address, until};

const PASSWORD: &str = "geheim";
const SENTINEL_PASSWORD: &str = "vertraulich";
const MASTER: &str = "acme-calls";

/// A sentinel that watches one master and needs no other sentinel's agreement.
struct Sentinel {
    address: String,
    child: Child,
    _folder: TempDir,
}

impl Sentinel {
    async fn of(master: &Server) -> Self {
        let (folder, address) = (TempDir::new().unwrap(), new_address());
        let settings = [
            format!("bind {address}"),
            "port 26379".to_owned(),
            format!("dir {}", folder.path().display()),
            format!("requirepass {SENTINEL_PASSWORD}"),
            format!("sentinel monitor {MASTER} {} 6379 1", master.address()),
            format!("sentinel auth-pass {MASTER} {PASSWORD}"),
            format!("sentinel down-after-milliseconds {MASTER} 2000"),
            format!("sentinel failover-timeout {MASTER} 3000"),
        ];
        let file = folder.path().join("sentinel.conf");
        std::fs::write(&file, settings.join("\n")).unwrap();
        let mut command = Command::new("redis-server");
        command.arg(&file).arg("--sentinel").stdin(Stdio::null()).stdout(Stdio::null());
        let sentinel = Self { address, child: command.spawn().unwrap(), _folder: folder };
        until("the sentinel answers", || sentinel.cli(&["PING"]).trim() == "PONG").await;
        sentinel
    }

    fn cli(&self, command: &[&str]) -> String {
        let mut cli = Command::new("redis-cli");
        cli.args(["-h", &self.address, "-p", "26379", "-a", SENTINEL_PASSWORD, "--no-auth-warning"]);
        String::from_utf8(cli.args(command).output().unwrap().stdout).unwrap()
    }

    async fn knows_a_replica(&self) {
        until("the sentinel knows the replica", || self.cli(&["SENTINEL", "replicas", MASTER]).contains("\nip\n"))
            .await;
    }

    async fn names(&self, master: &Server) {
        let named = || self.cli(&["SENTINEL", "get-master-addr-by-name", MASTER]).contains(master.address());
        until("the sentinel names the other master", named).await;
    }

    /// Settings of a client that uses the sentinel: the URL gives the password and the database, its host does not exist.
    fn settings(&self) -> RedisSettings {
        RedisSettings {
            sentinels: vec!["127.253.254.253:26379".to_owned(), format!("{}:26379", self.address)],
            master: MASTER.to_owned(),
            sentinel_password: Some(SENTINEL_PASSWORD.to_owned()),
            ..RedisSettings::at(&format!("redis://:{PASSWORD}@redis.invalid:6379/3"))
        }
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn master() -> Server {
    let address = new_address();
    let settings = ["--requirepass", PASSWORD, "--masterauth", PASSWORD, "--replica-announce-ip", &address];
    Server::start_at(address.clone(), &settings, &["-n", "3", "-a", PASSWORD, "--no-auth-warning"])
}

async fn replica(master: &Server) -> Server {
    let replica = self::master();
    replica.cli(&["REPLICAOF", master.address(), "6379"]);
    until("the replica follows", || replica.cli(&["INFO", "replication"]).contains("master_link_status:up")).await;
    replica
}

#[tokio::test]
async fn commits_go_on_with_the_master_that_the_sentinel_has_made() {
    let mut old = master();
    let new = replica(&old).await;
    let sentinel = Sentinel::of(&old).await;
    sentinel.knows_a_replica().await;
    let settings = sentinel.settings();
    assert!(redis::examine(&settings).await.unwrap().warnings.is_empty());
    let (stores, _) = stores_at(&settings, &old.folder().join("stores"), Arc::new(SystemClock::start())).await;
    stores.calls.commit(vec![create(7, &owner())]).await.unwrap();
    let state = |server: &Server| server.cli(&["HGET", &format!("call:{{acme}}:{}", ConnId(7)), "s"]);
    until("the replica has the call", || state(&new).trim() == "state").await;
    // A reader has waited for facts, and is to receive the next ones from the new master.
    let tenant = tenant();
    let end = stores.events.end(&tenant).await.unwrap();
    stores.events.read(&tenant, end, 10, Duration::from_millis(1)).await.unwrap();
    until("it is woken by the master", || old.cli(&["CLIENT", "LIST"]).contains(" sub=1 ")).await;
    old.kill();
    let with_fact = |state| CallWrite { events: create(7, &owner()).events, ..save(7, state) };
    assert_eq!(stores.calls.commit(vec![with_fact("second")]).await.unwrap(), [Written::Done { position: None }]);
    sentinel.names(&new).await;
    until_renewed(&stores).await;
    stores.calls.commit(vec![with_fact("third"), create(8, &owner())]).await.unwrap();
    assert_eq!(state(&new).trim(), "third");
    assert_eq!(new.cli(&["XLEN", "ev:{acme}"]).trim(), "4");
    until("it is woken by the new master", || new.cli(&["CLIENT", "LIST"]).contains(" sub=1 ")).await;
    // The former master comes back: nobody writes to it, and it has the data of the new one.
    old.start_again();
    until("the old master follows", || old.cli(&["INFO", "replication"]).contains("master_link_status:up")).await;
    stores.calls.commit(vec![save(7, "fourth")]).await.unwrap();
    assert_eq!(state(&new).trim(), "fourth");
    until("the old master has what the new one has", || state(&old).trim() == "fourth").await;
}

#[tokio::test]
async fn a_master_that_has_become_a_replica_is_left() {
    let old = master();
    let new = replica(&old).await;
    let sentinel = Sentinel::of(&old).await;
    let (stores, _) =
        stores_at(&sentinel.settings(), &old.folder().join("stores"), Arc::new(SystemClock::start())).await;
    stores.calls.commit(vec![create(7, &owner())]).await.unwrap();
    let state = |server: &Server| server.cli(&["HGET", &format!("call:{{acme}}:{}", ConnId(7)), "s"]);
    until("the replica has the call", || state(&new).trim() == "state").await;
    // By hand, so that connections stay up.
    sentinel.cli(&["SENTINEL", "REMOVE", MASTER]);
    new.cli(&["REPLICAOF", "NO", "ONE"]);
    old.cli(&["REPLICAOF", new.address(), "6379"]);
    sentinel.cli(&["SENTINEL", "MONITOR", MASTER, new.address(), "6379", "1"]);
    sentinel.cli(&["SENTINEL", "SET", MASTER, "auth-pass", PASSWORD]);
    stores.calls.commit(vec![save(7, "second")]).await.unwrap();
    until_renewed(&stores).await;
    assert_eq!(state(&new).trim(), "second");
}

#[tokio::test]
async fn a_master_that_has_no_successor_yet_is_away_and_one_that_nobody_knows_is_wrong() {
    let mut master = master();
    let sentinel = Sentinel::of(&master).await;
    let settings = sentinel.settings();
    let wrong = redis::examine(&RedisSettings { master: "nobody".to_owned(), ..settings.clone() }).await;
    assert!(matches!(&wrong, Err(Unusable::Wrong(why)) if why.contains("nobody")), "{wrong:?}");
    let denied = RedisSettings { sentinel_password: None, ..settings.clone() };
    let denied = redis::examine(&denied).await;
    assert!(matches!(&denied, Err(Unusable::Wrong(why)) if why.contains("password")), "{denied:?}");
    master.kill();
    until("the sentinel misses it", || sentinel.cli(&["SENTINEL", "master", MASTER]).contains("s_down")).await;
    let away = redis::examine(&settings).await;
    assert!(matches!(away, Err(Unusable::Away(_))), "{away:?}");
}
