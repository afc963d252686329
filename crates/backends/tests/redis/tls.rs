//! Redis with TLS, its certificates made for the test.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::*;
use crate::server::{new_address, until};

/// An authority, and the certificates that it has signed.
struct Authority(TempDir);

impl Authority {
    fn new(name: &str) -> Self {
        let authority = Self(TempDir::new().unwrap());
        authority.openssl(&["-subj", &format!("/CN={name}"), "-keyout", "ca.key", "-out", "ca.pem"]);
        authority
    }

    /// A server with a certificate for its address.
    fn server(&self, further: &[&str]) -> Server {
        let address = new_address();
        self.server_certified(address.clone(), &address, further)
    }

    /// A server at that address with a certificate for the other one.
    fn server_certified(&self, address: String, certified: &str, further: &[&str]) -> Server {
        self.openssl(&[
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-subj",
            "/CN=Redis",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-addext",
            &format!("subjectAltName=IP:{certified}"),
            "-keyout",
            "redis.key",
            "-out",
            "redis.pem",
        ]);
        let [key, certificate, authority] = ["redis.key", "redis.pem", "ca.pem"].map(|name| self.path(name));
        let mut settings = vec!["--port", "0", "--tls-port", "6379", "--tls-auth-clients", "no"];
        settings.extend(["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &authority]);
        settings.extend(further);
        Server::start_at(address, &settings, &["--tls", "--insecure"])
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"])
            .args(["-days", "2"])
            .args(arguments)
            .current_dir(self.0.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// Settings of a client that trusts this authority.
    fn trusted(&self, server: &Server) -> RedisSettings {
        let authorities = Some(std::fs::read(Path::new(&self.path("ca.pem"))).unwrap());
        RedisSettings { authorities, ..RedisSettings::at(&server.url(2).replace("redis://", "rediss://")) }
    }
}

#[tokio::test]
async fn commits_and_wakes_go_over_tls_and_redis_cli_reads_them() {
    let authority = Authority::new("Ours");
    let mut server = authority.server(&[]);
    let settings = authority.trusted(&server);
    assert!(redis::examine(&settings).await.unwrap().warnings.is_empty());
    let (stores, _) = stores_at(&settings, &server.folder().join("stores"), Arc::new(SystemClock::start())).await;
    stores.calls.commit(vec![create(7, &owner())]).await.unwrap();
    let (tenant, end) = (tenant(), stores.events.end(&tenant()).await.unwrap());
    let reading = stores.events.read(&tenant, end, 10, Duration::from_secs(20));
    let writing = async {
        let listens = || server.cli(&["CLIENT", "LIST"]).lines().any(|line| line.contains(" sub=1 "));
        until("a connection listens for wake-ups", listens).await;
        stores.calls.commit(vec![create(8, &owner())]).await.unwrap()
    };
    let (entries, _) = tokio::join!(reading, writing);
    assert_eq!(entries.unwrap().len(), 1);
    let key = format!("call:{{acme}}:{}", ConnId(7));
    assert_eq!(server.cli(&["-n", "2", "HGET", &key, "s"]).trim(), "state");
    server.kill();
    stores.calls.commit(vec![save(7, "second")]).await.unwrap();
    server.start_again();
    until_renewed(&stores).await;
    assert_eq!(server.cli(&["-n", "2", "HGET", &key, "s"]).trim(), "second");
}

#[tokio::test]
async fn a_cluster_is_reached_over_tls_too() {
    let authority = Authority::new("Ours");
    let further = ["--cluster-enabled", "yes", "--databases", "1", "--tls-cluster", "yes"];
    let server = authority.server(&further);
    server.cli(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    until("the cluster is whole", || server.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok")).await;
    let url = format!("rediss://{}:6379", server.address());
    let settings = RedisSettings { cluster: true, url, ..authority.trusted(&server) };
    assert!(redis::examine(&settings).await.unwrap().warnings.is_empty());
    let (stores, _) = stores_at(&settings, &server.folder().join("stores"), Arc::new(SystemClock::start())).await;
    let written = stores.calls.commit(vec![create(7, &owner())]).await.unwrap();
    assert!(matches!(written[..], [Written::Done { position: Some(_) }]), "{written:?}");
    assert_eq!(server.cli(&["HGET", &format!("call:{{acme}}:{}", ConnId(7)), "s"]).trim(), "state");
}

#[tokio::test]
async fn a_server_that_proves_nothing_is_refused_and_it_is_said_why() {
    let (authority, other) = (Authority::new("Ours"), Authority::new("Theirs"));
    let server = authority.server(&[]);
    let elsewhere = authority.server_certified(new_address(), "192.0.2.7", &[]);
    for (settings, why) in
        [(other.trusted(&server), "UnknownIssuer"), (authority.trusted(&elsewhere), "not valid for name")]
    {
        let examined = redis::examine(&settings).await;
        let Err(Unusable::Wrong(reason)) = examined else { panic!("{examined:?}") };
        assert!(reason.contains("stores.authorities") && reason.contains(why), "{reason}");
        let (stores, _) = stores_at(&settings, &server.folder().join(why), Arc::new(SystemClock::start())).await;
        let refused = stores.calls.load(&tenant(), ConnId(7)).await;
        let Err(StoreError::Unavailable { reason }) = refused else { panic!("{refused:?}") };
        assert!(reason.contains("certificate"), "{reason}");
    }
}
