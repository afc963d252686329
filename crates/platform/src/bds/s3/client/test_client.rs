//! For tests: a client of a store on this machine.

use super::*;

impl S3Client {
    /// A client that waits but a moment between attempts, of a store at that port of this machine.
    pub(in crate::bds) fn of_test(port: u16, secret: &str, clock: Arc<dyn Clock>) -> Self {
        let key =
            AccessKey { id: "TEST".to_owned(), secret: runtime::Secret::new(secret), region: "us-east-1".to_owned() };
        let server = S3Server::of(&format!("http://127.0.0.1:{port}"), &key.region, "inventory").unwrap();
        let meters = runtime::meter::Meters::new(clock.clone());
        let meter = meters.meter("own-29", runtime::meter::Side::Opens).peer("store");
        let connector = CountedConnector { source: std::net::Ipv4Addr::LOCALHOST.into(), meter };
        let client = Self::new(server, key, clock, connector).unwrap();
        Self { pause: Duration::from_millis(1), ..client }
    }
}
