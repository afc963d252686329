//! A Redis Cluster: one node that has all slots, and three masters among which tenants are spread.

use std::process::Command;

use super::*;
use crate::server::{new_address, until};

/// Two for each third of the slots.
const TENANTS: [&str; 6] = ["case", "hall", "gold", "iris", "acme", "bolt"];

fn node() -> Server {
    let address = new_address();
    let settings = ["--cluster-enabled", "yes", "--databases", "1", "--cluster-announce-ip", &address];
    // A failed node leaves the slots of the others as they are.
    let settings = [&settings[..], &["--cluster-require-full-coverage", "no"]].concat();
    Server::start_at(address.clone(), &settings, &["-c"])
}

/// Three masters that share the slots.
async fn three() -> [Server; 3] {
    let nodes = [(); 3].map(|()| node());
    let places = nodes.each_ref().map(|node| format!("{}:6379", node.address()));
    // It waits for ever for a node that has not learned of the others.
    let mut create = Command::new("timeout");
    create.args(["--kill-after=5", "60", "redis-cli", "--cluster", "create"]);
    let created = create.args(places).arg("--cluster-yes").output();
    let created = created.unwrap();
    assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stdout));
    until("each node sees the whole cluster", || nodes.iter().all(is_whole)).await;
    nodes
}

fn is_whole(node: &Server) -> bool {
    let info = node.cli(&["CLUSTER", "INFO"]);
    ["cluster_state:ok", "cluster_slots_ok:16384"].iter().all(|line| info.contains(line))
}

fn settings(nodes: &[Server]) -> RedisSettings {
    RedisSettings { cluster: true, ..RedisSettings::at(&nodes[0].url(0)) }
}

/// Runs the suite on empty nodes, whatever it asks of them.
async fn conforms(nodes: &[Server]) {
    let next = AtomicU32::new(0);
    let fresh = || {
        for node in nodes {
            node.cli(&["FLUSHALL"]);
        }
        let ageing: Vec<_> = nodes.iter().map(|node| node.ageing(0)).collect();
        let age = move |by| ageing.iter().for_each(|age| age(by));
        let clock = SetClock::moving(Timestamp::from_millis(1_700_000_000_000), age);
        let folder = nodes[0].folder().join(next.fetch_add(1, Ordering::SeqCst).to_string());
        let settings = settings(nodes);
        let made = tokio::task::block_in_place(|| {
            let made = stores_at(&settings, &folder, clock.clone());
            tokio::runtime::Handle::current().block_on(made)
        });
        (made.0, clock)
    };
    conformance::run(fresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_of_a_cluster_does_what_every_implementation_does() {
    let server = Server::start_with(&["--cluster-enabled", "yes", "--databases", "1"]);
    assert_eq!(server.cli(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).trim(), "OK");
    until("the cluster says that it has all slots", || is_whole(&server)).await;
    let nodes = [server];
    let examined = redis::examine(&settings(&nodes)).await.unwrap();
    assert!(examined.warnings.is_empty(), "{examined:?}");
    let wrong = redis::examine(&RedisSettings::at(&nodes[0].url(0))).await;
    assert!(matches!(&wrong, Err(Unusable::Wrong(why)) if why.contains("Redis Cluster")), "{wrong:?}");
    conforms(&nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_masters_do_what_every_implementation_does() {
    conforms(&three().await).await;
}

#[tokio::test]
async fn tenants_lie_on_different_nodes_and_outlive_a_restart_of_one() {
    let mut nodes = three().await;
    let (stores, _) =
        stores_at(&settings(&nodes), &nodes[0].folder().join("stores"), Arc::new(SystemClock::start())).await;
    let of = |tenant: &str, write: CallWrite| {
        let tenant = TenantId::parse(tenant).unwrap();
        let events = write.events.into_iter().map(|event| Stamped { tenant: tenant.clone(), ..event }).collect();
        CallWrite { tenant, events, ..write }
    };
    for tenant in TENANTS {
        let written = stores.calls.commit(vec![of(tenant, create(7, &owner()))]).await.unwrap();
        assert!(matches!(written[..], [Written::Done { position: Some(_) }]), "{written:?}");
    }
    let state = |node: &Server, tenant: &str| node.cli(&["HGET", &format!("call:{{{tenant}}}:{}", ConnId(7)), "s"]);
    for tenant in TENANTS {
        assert_eq!(state(&nodes[0], tenant).trim(), "state", "{tenant}");
    }
    // Without redirections (no -c), each node has calls of its own.
    let calls = |node: &Server| {
        let keys = Command::new("redis-cli").args(["-h", node.address(), "KEYS", "call:*"]).output().unwrap();
        String::from_utf8(keys.stdout).unwrap().lines().filter(|line| line.starts_with("call:")).count()
    };
    let counts = nodes.each_ref().map(calls);
    assert!(counts.iter().all(|count| *count > 0) && counts.iter().sum::<usize>() == TENANTS.len(), "{counts:?}");
    // Not the node that the settings name.
    nodes[2].kill();
    for tenant in TENANTS {
        let save = CallWrite { events: create(7, &owner()).events, ..save(7, "second") };
        let written = stores.calls.commit(vec![of(tenant, save)]).await.unwrap();
        assert!(matches!(written[..], [Written::Done { .. }]), "{written:?}");
    }
    nodes[2].start_again();
    until("each node sees the whole cluster again", || nodes.iter().all(is_whole)).await;
    until_renewed(&stores).await;
    for tenant in TENANTS {
        assert_eq!(state(&nodes[0], tenant).trim(), "second", "{tenant}");
        assert_eq!(nodes[0].cli(&["XLEN", &format!("ev:{{{tenant}}}")]).trim(), "2", "{tenant}");
    }
}
