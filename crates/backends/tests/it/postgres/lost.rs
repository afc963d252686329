//! Connections lost in the middle of their work.

use std::process::Command;
use std::task::Poll;

use futures::FutureExt as _;

use super::*;

/// Holds the locks of a statement until PostgreSQL ends it.
struct Lock(std::process::Child);

impl Lock {
    async fn on(server: &Server, sql: &str) -> Self {
        let child = server.psql_in_background(&format!("begin; {sql}; select pg_sleep(600)"));
        until(|| server.psql("select count(*) from pg_stat_activity where wait_event = 'PgSleep'") == "1").await;
        Self(child)
    }

    fn release(mut self, server: &Server) {
        server.psql("select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'");
        self.0.wait().unwrap();
    }
}

/// Repeats the check until it is true.
async fn until(mut is_so: impl FnMut() -> bool) {
    let asked = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asked).await.unwrap();
}

/// How many statements of the store wait for a lock.
fn blocked(server: &Server) -> String {
    server.psql(&format!(
        "select count(*) from pg_stat_activity where application_name = '{NAME}' and wait_event_type = 'Lock'"
    ))
}

#[tokio::test]
async fn an_update_whose_connection_is_lost_has_done_nothing_and_the_next_one_is_done() {
    let server = Server::start(6);
    let (_, store) = brought(&server).await;
    let acme = tenant("acme");
    store.update(&acme, Revision(0), puts("acme"), provisioning::note()).await.unwrap();
    // Between two calls.
    server.psql(&format!("select pg_terminate_backend(pid) from pg_stat_activity where application_name = '{NAME}'"));
    assert_eq!(store.load(&acme).await.unwrap(), Some((Revision(1), provisioning::objects("acme"))));
    // In the middle of one: a new object is written, and the update waits for the tenant's own row, the last.
    let lock = Lock::on(&server, "select * from tenant where id = 'acme' for no key update").await;
    let change = || vec![application("Later", "{}".to_owned())];
    let update = store.update(&acme, Revision(1), change(), provisioning::note());
    let loses = async {
        until(|| blocked(&server) == "1").await;
        for pid in server.backends(NAME) {
            server.psql(&format!("select pg_terminate_backend({pid})"));
        }
    };
    let (updated, ()) = tokio::join!(update, loses);
    let Err(StoreError::Unavailable { reason }) = updated else { panic!("{updated:?}") };
    assert!(reason.contains("terminating connection"), "{reason}");
    assert_eq!(server.psql("select count(*) from application where name = 'Later'"), "0", "nothing of it is there");
    lock.release(&server);
    assert_eq!(store.load(&acme).await.unwrap(), Some((Revision(1), provisioning::objects("acme"))));
    assert_eq!(store.update(&acme, Revision(1), change(), provisioning::note()).await.unwrap(), Revision(2));
    assert_eq!(server.psql("select name from application where name = 'Later'"), "Later");
}

#[tokio::test]
async fn connections_that_fall_silent_in_the_middle_of_an_update_are_given_up() {
    let server = Server::start(7);
    let (_, store) = brought(&server).await;
    let tenants = ["acme", "bolt", "case", "dune"].map(tenant);
    for tenant in &tenants {
        store.update(tenant, Revision(0), puts(tenant.as_str()), provisioning::note()).await.unwrap();
    }
    // As many as the store may have, and more than one call loses its connection.
    let lock = Lock::on(&server, "select * from tenant for no key update").await;
    let updates = tenants.each_ref().map(|tenant| {
        let change = vec![application("Later", "{}".to_owned())];
        store.update(tenant, Revision(1), change, provisioning::note())
    });
    let fall_silent = async {
        until(|| blocked(&server) == "4").await;
        Silent::become_so(server.backends(NAME))
    };
    let (updated, silent) = tokio::join!(futures::future::join_all(updates), fall_silent);
    for updated in updated {
        assert!(matches!(updated, Err(StoreError::Unavailable { .. })), "{updated:?}");
    }
    let loaded = tokio::time::timeout(Duration::from_secs(30), until_it_answers(&store, &tenants[0])).await;
    assert_eq!(loaded.unwrap(), Some((Revision(1), provisioning::objects("acme"))), "by a new connection");
    let silent = silent.speak();
    lock.release(&server);
    // The old processes find nobody at their other end, and their work is rolled back.
    until(|| server.backends(NAME).iter().all(|pid| !silent.contains(pid))).await;
    assert_eq!(server.psql("select count(*) from application where name = 'Later'"), "0");
    let change = vec![application("Later", "{}".to_owned())];
    assert_eq!(store.update(&tenants[0], Revision(1), change, provisioning::note()).await.unwrap(), Revision(2));
}

#[tokio::test]
async fn an_update_whose_commit_is_answered_too_late_is_said_to_be_done() {
    let server = Server::start(13);
    let (_, store) = brought(&server).await;
    let acme = tenant("acme");
    store.update(&acme, Revision(0), puts("acme"), provisioning::note()).await.unwrap();
    // A commit that waits for a lock.
    server.psql("create table gate (n int)");
    server.psql(
        "create function waits() returns trigger language plpgsql as 'begin perform n from gate; return null; end'",
    );
    server.psql(
        "create constraint trigger waits after insert on change_log deferrable initially deferred
             for each row execute function waits()",
    );
    let lock = Lock::on(&server, "lock table gate").await;
    let update = store.update(&acme, Revision(1), vec![application("Later", "{}".to_owned())], provisioning::note());
    let releases = async {
        // The commit, and who looks what has become of it.
        until(|| blocked(&server) == "2").await;
        lock.release(&server);
    };
    let (updated, ()) = tokio::join!(update, releases);
    assert_eq!(updated.unwrap(), Revision(2));
    assert_eq!(server.psql("select name from application where name = 'Later'"), "Later");
}

/// Polls the call until it has waited this often, then drops it. Returns its answer, if it gave one.
async fn given_up_after<T>(waits: usize, mut call: futures::future::BoxFuture<'_, T>) -> Option<T> {
    let mut left = waits;
    std::future::poll_fn(|context| match call.as_mut().poll(context) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

#[tokio::test]
async fn a_call_given_up_at_any_moment_is_in_nobodys_way() {
    let server = Server::start(8);
    let (_, store) = brought(&server).await;
    let acme = tenant("acme");
    store.update(&acme, Revision(0), puts("acme"), provisioning::note()).await.unwrap();
    let change = || vec![application("Later", "{}".to_owned())];
    let mut revision = Revision(1);
    for waits in 0.. {
        let read = given_up_after(waits, store.load(&acme).boxed()).await;
        // What was given up before may be done later than it was looked for.
        revision = match store.update(&acme, revision, change(), provisioning::note()).await {
            Err(StoreError::Conflict { actual, .. }) if actual == revision.0 + 1 => {
                store.update(&acme, Revision(actual), change(), provisioning::note()).await.unwrap()
            }
            updated => updated.unwrap(),
        };
        // On each of its connections.
        for _ in 1..4 {
            revision = store.update(&acme, revision, change(), provisioning::note()).await.unwrap();
        }
        let written =
            given_up_after(waits, store.update(&acme, revision, change(), provisioning::note()).boxed()).await;
        // It may have been done all the same.
        let known = until_it_answers(&store, &acme).await.unwrap().0;
        assert!((revision.0..=revision.0 + 1).contains(&known.0), "{known:?} after {revision:?}");
        revision = known;
        if read.is_some() && written.is_some() {
            break;
        }
    }
    assert_eq!(server.psql("select revision from tenant where id = 'acme'"), revision.0.to_string());
}

/// Stopped processes: their connections neither answer nor end.
struct Silent(Vec<String>);

impl Silent {
    fn become_so(pids: Vec<String>) -> Self {
        // They are continued however the test ends.
        let silent = Self(pids);
        assert!(Command::new("kill").arg("-STOP").args(&silent.0).status().unwrap().success());
        silent
    }

    /// Continues them.
    fn speak(self) -> Vec<String> {
        self.0.clone()
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // The server waits for them when it ends.
        let _ = Command::new("kill").arg("-CONT").args(&self.0).status();
    }
}
