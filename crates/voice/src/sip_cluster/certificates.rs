//! Certificates of those who sign for callers: fetched from where an INVITE says, and kept for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use infra::Clock;
use model::Timestamp;
use net::document::DocumentClient;
use sip::stir::CertificateChain;

/// The most addresses of which is known what is there: more than the carriers of a country have.
const KEPT_MAX: usize = 256;
/// For how long a certificate is kept if its host does not say, and at least and at most if it does. Whether it is valid is checked for
/// each call.
const KEPT_FOR: Duration = Duration::from_secs(3_600);
const KEPT_AT_LEAST: Duration = Duration::from_secs(60);
const KEPT_AT_MOST: Duration = Duration::from_secs(86_400);
/// For how long an address is not asked again that had none: calls of a carrier whose host is away do not wait one by one.
const FAULT_KEPT_FOR: Duration = Duration::from_secs(10);

/// Certificates, or why there are none.
pub type Fetched = Result<Arc<CertificateChain>, String>;

/// What was fetched, by its address, and until when it is kept.
#[derive(Default)]
struct KeptCertificates(HashMap<String, (Timestamp, Fetched)>);

impl KeptCertificates {
    fn get(&self, url: &str, now: Timestamp) -> Option<Fetched> {
        self.0.get(url).filter(|(until, _)| now < *until).map(|(_, fetched)| fetched.clone())
    }

    /// Where there is no room, what would go next goes now.
    fn keep(&mut self, url: &str, until: Timestamp, fetched: Fetched, now: Timestamp) {
        if self.0.len() >= KEPT_MAX && !self.0.contains_key(url) {
            self.0.retain(|_, (until, _)| now < *until);
            let next = self.0.iter().min_by_key(|(_, (until, _))| *until).map(|(url, _)| url.clone());
            if let Some(next) = next.filter(|_| self.0.len() >= KEPT_MAX) {
                self.0.remove(&next);
            }
        }
        self.0.insert(url.to_owned(), (until, fetched));
    }
}

/// Fetches certificates.
pub struct Certificates {
    client: DocumentClient,
    clock: Arc<dyn Clock>,
    kept: Mutex<KeptCertificates>,
    turns: Mutex<HashMap<String, Weak<Turn>>>,
}

/// Held by who fetches from an address; who wants the same certificate meanwhile waits, and then finds it kept.
type Turn = tokio::sync::Mutex<()>;

impl Certificates {
    /// By this client; nothing is known yet.
    pub fn new(client: DocumentClient, clock: Arc<dyn Clock>) -> Self {
        Self { client, clock, kept: Mutex::default(), turns: Mutex::default() }
    }

    /// The certificates at an address; within the client's time.
    pub async fn fetch(&self, url: &str) -> Fetched {
        if let Some(known) = self.known(url) {
            return known;
        }
        let turn = self.turn(url);
        let _turn = turn.lock().await;
        if let Some(known) = self.known(url) {
            return known;
        }
        let (fetched, kept_for) = match self.client.fetch(url).await {
            Ok(document) => {
                let kept_for = document.fresh_for.map_or(KEPT_FOR, |time| time.clamp(KEPT_AT_LEAST, KEPT_AT_MOST));
                let read = CertificateChain::parse(&document.body).map(Arc::new).map_err(|error| error.to_string());
                let kept_for = if read.is_ok() { kept_for } else { FAULT_KEPT_FOR };
                (read, kept_for)
            }
            Err(fault) => (Err(fault.to_string()), FAULT_KEPT_FOR),
        };
        let now = self.clock.now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.keep(url, now + kept_for, fetched.clone(), now);
        fetched
    }

    fn known(&self, url: &str) -> Option<Fetched> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(url, self.clock.now())
    }

    fn turn(&self, url: &str) -> Arc<Turn> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(url).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Turn::default());
        turns.insert(url.to_owned(), Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use net::public_address::Reach;

    use super::*;
    use crate::test_stores::HandClock;

    #[tokio::test]
    async fn calls_that_come_together_fetch_once() {
        let host = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/shaken.pem", host.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let server = tokio::spawn(async move {
            // Who connects is sent away: no certificate comes.
            while host.accept().await.is_ok() {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        let nobody = net::tls::authorities::of_files(&[] as &[&str]).unwrap();
        let clock = HandClock::new();
        let certificates = Certificates::new(DocumentClient::new(Reach::Everywhere, nobody).unwrap(), clock.clone());
        let (first, second) = tokio::join!(certificates.fetch(&url), certificates.fetch(&url));
        assert!(first.is_err() && first == second);
        assert!(certificates.fetch(&url).await.is_err());
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        clock.pass(FAULT_KEPT_FOR);
        assert!(certificates.fetch(&url).await.is_err());
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        server.abort();
    }

    #[test]
    fn what_was_fetched_is_kept_for_its_time_and_within_bounds() {
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1_000);
        let none = || Err("no".to_owned());
        let mut kept = KeptCertificates::default();
        for number in 0..KEPT_MAX {
            kept.keep(&format!("https://{number}"), at(100 + number as u64), none(), at(1));
        }
        assert!(kept.get("https://0", at(99)).is_some());
        assert!(kept.get("https://0", at(100)).is_none());
        kept.keep("https://one-more", at(50), none(), at(1));
        assert_eq!(kept.0.len(), KEPT_MAX);
        assert!(kept.get("https://0", at(1)).is_none() && kept.get("https://1", at(1)).is_some());
        kept.keep("https://later", at(900), none(), at(200));
        assert!(kept.0.len() < KEPT_MAX, "what is over makes room");
    }
}
