//! Certificates of those who sign for callers: fetched from where an INVITE says, and kept for a while.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use infra::Clock;
use model::{TenantId, Timestamp};
use net::document::{DocumentClient, DocumentFault};
use sip::stir::{Authorities, CertificateChain, StirRefusal, TrustedChain};
use tokio::sync::Semaphore;

/// The most addresses of which is known what is there, in all and for a tenant: more than the carriers of a country have.
const KEPT_MAX: usize = 2_048;
const KEPT_OF_TENANT_MAX: usize = 256;
/// Certificates of a tenant that are fetched at once; further ones wait.
pub const FETCHED_OF_TENANT_MAX: usize = 8;
/// Chains that are checked at once, beside the loop: a hostile one takes some milliseconds.
const CHECKED_MAX: usize = 2;
/// For how long a certificate is kept if its host does not say, and at least and at most if it does. Whether it is valid is checked for
/// each call.
const KEPT_FOR: Duration = Duration::from_secs(3_600);
const KEPT_AT_LEAST: Duration = Duration::from_secs(60);
const KEPT_AT_MOST: Duration = Duration::from_secs(86_400);
/// For how long an address is not asked again that had none that is trusted: calls of a carrier whose host is away do not wait one by one.
const FAULT_KEPT_FOR: Duration = Duration::from_secs(10);

/// The certificates of a signer that an authority of the trunk has signed for, or why there are none.
pub type Fetched = Result<TrustedChain, StirRefusal>;

/// What is at an address.
type Found = Result<Arc<CertificateChain>, StirRefusal>;

/// An address that a call of a tenant names.
type CertificateKey = (TenantId, String);

/// What was found, and until when it is kept. Each tenant has its own: nobody chooses what is forgotten for others.
#[derive(Default)]
struct KeptCertificates(HashMap<CertificateKey, (Timestamp, Found)>);

impl KeptCertificates {
    fn get(&self, key: &CertificateKey, now: Timestamp) -> Option<Found> {
        self.0.get(key).filter(|(until, _)| now < *until).map(|(_, found)| found.clone())
    }

    /// Where there is no room, what would go next goes now.
    fn keep(&mut self, key: &CertificateKey, until: Timestamp, found: Found, now: Timestamp) {
        let is_tenants = |(tenant, _): &CertificateKey| *tenant == key.0;
        if !self.0.contains_key(key) {
            if self.0.keys().filter(|kept| is_tenants(kept)).count() >= KEPT_OF_TENANT_MAX {
                self.forget_next(now, is_tenants);
            }
            if self.0.len() >= KEPT_MAX {
                self.forget_next(now, |_| true);
            }
        }
        self.0.insert(key.clone(), (until, found));
    }

    fn forget_next(&mut self, now: Timestamp, is_meant: impl Fn(&CertificateKey) -> bool) {
        let before = self.0.len();
        self.0.retain(|_, (until, _)| now < *until);
        if self.0.len() < before {
            return;
        }
        let meant = self.0.iter().filter(|(key, _)| is_meant(key));
        if let Some(next) = meant.min_by_key(|(_, (until, _))| *until).map(|(key, _)| key.clone()) {
            self.0.remove(&next);
        }
    }
}

/// A fetch under way, of all who want what is at its address. It goes on for as long as one of them waits; of one that nobody waits for any
/// more, nothing is kept.
type SharedFetch = Shared<BoxFuture<'static, Found>>;

/// Fetches certificates.
pub struct Certificates {
    client: DocumentClient,
    clock: Arc<dyn Clock>,
    kept: Mutex<KeptCertificates>,
    fetches: Mutex<HashMap<CertificateKey, Weak<SharedFetch>>>,
    shares: Mutex<HashMap<TenantId, Weak<Semaphore>>>,
    checks: Arc<Semaphore>,
}

impl Certificates {
    /// By this client; nothing is known yet.
    pub fn new(client: DocumentClient, clock: Arc<dyn Clock>) -> Self {
        let checks = Arc::new(Semaphore::new(CHECKED_MAX));
        Self { client, clock, kept: Mutex::default(), fetches: Mutex::default(), shares: Mutex::default(), checks }
    }

    /// The certificates at an address, if one of these authorities has signed for them. May take long: the caller sets the deadline.
    pub async fn fetch(self: &Arc<Self>, tenant: &TenantId, url: &str, authorities: &Arc<Authorities>) -> Fetched {
        let key = (tenant.clone(), url.to_owned());
        if let Some(known) = self.known(&key) {
            return self.check(known?, authorities).await;
        }
        let begin = || self.clone().fetch_and_keep(key.clone(), authorities.clone()).boxed().shared();
        let fetch = in_use(&self.fetches, &key, begin);
        // Trunks differ in their authorities: each call has it checked by its own.
        let found = SharedFetch::clone(&fetch).await;
        self.check(found?, authorities).await
    }

    /// Fetches what is at an address and keeps it: what none of these authorities has signed for chooses nothing that is kept for long.
    async fn fetch_and_keep(self: Arc<Self>, key: CertificateKey, authorities: Arc<Authorities>) -> Found {
        let (tenant, url) = &key;
        let share = in_use(&self.shares, tenant, || Semaphore::new(FETCHED_OF_TENANT_MAX));
        // It is never closed.
        let _place = share.acquire().await;
        let (found, fresh_for) = match self.client.fetch(url).await {
            Ok(document) => (read(&document.body), document.fresh_for),
            Err(fault @ DocumentFault::Busy) => return Err(StirRefusal::BadInfo(fault.to_string())),
            Err(fault) => (Err(StirRefusal::BadInfo(fault.to_string())), None),
        };
        let is_trusted = match &found {
            Ok(chain) => self.check(chain.clone(), &authorities).await.is_ok(),
            Err(_) => false,
        };
        let kept_for = match is_trusted {
            true => fresh_for.map_or(KEPT_FOR, |time| time.clamp(KEPT_AT_LEAST, KEPT_AT_MOST)),
            false => FAULT_KEPT_FOR,
        };
        let now = self.clock.now();
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).keep(&key, now + kept_for, found.clone(), now);
        found
    }

    /// Checks a chain on another thread. The check keeps its place until that is free, whether or not somebody still waits for it.
    async fn check(&self, chain: Arc<CertificateChain>, authorities: &Arc<Authorities>) -> Fetched {
        let place = self.checks.clone().acquire_owned().await;
        let (authorities, now) = (authorities.clone(), self.clock.now());
        let checked = tokio::task::spawn_blocking(move || {
            let _place = place;
            chain.trusted(&authorities, now.as_secs())
        });
        checked.await.unwrap_or_else(|error| Err(StirRefusal::UnsupportedCredential(error.to_string())))
    }

    fn known(&self, key: &CertificateKey) -> Option<Found> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(key, self.clock.now())
    }
}

fn read(document: &[u8]) -> Found {
    let chain = CertificateChain::parse(document).map(Arc::new);
    chain.map_err(|error| StirRefusal::UnsupportedCredential(error.to_string()))
}

/// What those share who use the same of something: made by the first one, and gone with the last.
fn in_use<K: Eq + Hash + Clone, T>(shared: &Mutex<HashMap<K, Weak<T>>>, key: &K, make: impl FnOnce() -> T) -> Arc<T> {
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(used) = shared.get(key).and_then(Weak::upgrade) {
        return used;
    }
    shared.retain(|_, used| used.strong_count() > 0);
    let made = Arc::new(make());
    shared.insert(key.clone(), Arc::downgrade(&made));
    made
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use net::public_address::Reach;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::test_stores::HandClock;

    fn certificates(clock: Arc<HandClock>) -> Arc<Certificates> {
        let nobody = net::tls::authorities::of_files(&[] as &[&str]).unwrap();
        Arc::new(Certificates::new(DocumentClient::new(Reach::Everywhere, nobody).unwrap(), clock))
    }

    /// A host of certificates that nobody answers for, and the key of one there.
    async fn host() -> (TcpListener, CertificateKey) {
        let host = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/shaken.pem", host.local_addr().unwrap());
        (host, (TenantId::parse("acme").unwrap(), url))
    }

    #[tokio::test]
    async fn calls_that_come_together_fetch_once() {
        let (host, (tenant, url)) = host().await;
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let server = tokio::spawn(async move {
            // Who connects is sent away: no certificate comes.
            while host.accept().await.is_ok() {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        let clock = HandClock::new();
        let (certificates, nobody) = (certificates(clock.clone()), Arc::new(Authorities::default()));
        let fetch = || certificates.fetch(&tenant, &url, &nobody);
        let (first, second) = tokio::join!(fetch(), fetch());
        assert!(first.is_err() && first == second);
        assert!(fetch().await.is_err());
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        clock.pass(FAULT_KEPT_FOR);
        assert!(fetch().await.is_err());
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        server.abort();
    }

    #[tokio::test]
    async fn who_gives_up_takes_nothing_from_who_waits_for_the_same() {
        let (host, (tenant, url)) = host().await;
        let (certificates, nobody) = (certificates(HandClock::new()), Arc::new(Authorities::default()));
        let fetch = || Box::pin(certificates.fetch(&tenant, &url, &nobody));
        let (mut first, mut second) = (fetch(), fetch());
        let connection: TcpStream = tokio::select! {
            biased;
            _ = &mut first => panic!("nobody has answered"),
            _ = &mut second => panic!("nobody has answered"),
            accepted = host.accept() => accepted.unwrap().0,
        };
        drop(first);
        drop(connection);
        assert!(second.await.is_err(), "the host has sent it away");
        assert!(host.accept().now_or_never().is_none(), "it was asked once");
    }

    #[tokio::test]
    async fn a_fetch_that_nobody_waits_for_ends_and_says_nothing_of_its_host() {
        let (host, key) = host().await;
        let (certificates, nobody) = (certificates(HandClock::new()), Arc::new(Authorities::default()));
        let mut alone = Box::pin(certificates.fetch(&key.0, &key.1, &nobody));
        let mut connection: TcpStream = tokio::select! {
            _ = &mut alone => panic!("nobody has answered"),
            accepted = host.accept() => accepted.unwrap().0,
        };
        drop(alone);
        connection.read_to_end(&mut Vec::new()).await.unwrap();
        assert!(certificates.known(&key).is_none());
    }

    #[test]
    fn what_was_found_is_kept_for_its_time_and_within_bounds() {
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1_000);
        let none = || Err(StirRefusal::Stale);
        let of = |tenant: &str, url: String| (TenantId::parse(tenant).unwrap(), url);
        let mut kept = KeptCertificates::default();
        kept.keep(&of("other", "https://0".to_owned()), at(60), none(), at(1));
        for number in 0..KEPT_OF_TENANT_MAX {
            kept.keep(&of("acme", format!("https://{number}")), at(100 + number as u64), none(), at(1));
        }
        let is_kept = |kept: &KeptCertificates, tenant: &str, url: &str, now: u64| {
            kept.get(&of(tenant, url.to_owned()), at(now)).is_some()
        };
        assert!(is_kept(&kept, "acme", "https://0", 99) && !is_kept(&kept, "acme", "https://0", 100));
        kept.keep(&of("acme", "https://one-more".to_owned()), at(900), none(), at(2));
        assert!(!is_kept(&kept, "acme", "https://0", 2) && is_kept(&kept, "acme", "https://1", 2));
        assert!(is_kept(&kept, "other", "https://0", 2), "a tenant takes nothing from another one");
        kept.keep(&of("acme", "https://later".to_owned()), at(900), none(), at(200));
        assert!(kept.0.len() < KEPT_OF_TENANT_MAX, "what is over makes room");
    }
}
