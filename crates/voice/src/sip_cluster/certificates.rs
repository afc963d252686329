//! Certificates of those who sign for callers: fetched from where an INVITE says, and kept for a while.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use infra::Clock;
use model::{TenantId, Timestamp};
use net::document::{DOCUMENT_WITHIN, DocumentClient, DocumentFault};
use sip::stir::{Authorities, CertificateChain, StirRefusal, TrustedChain};
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::time::timeout;

/// The most addresses of which is known what is there, in all and for a tenant: more than the carriers of a country have.
const KEPT_MAX: usize = 2_048;
const KEPT_OF_TENANT_MAX: usize = 256;
/// Certificates of a tenant that are fetched at once, an eighth of all that are; further ones wait as long as a fetch may take.
pub const FETCHED_OF_TENANT_MAX: usize = 4;
/// Chains that are checked at once, beside the loop: a hostile one takes some milliseconds.
const CHECKED_MAX: usize = 2;
/// For how long the verdict on a chain counts, and the most that are remembered of one: trunks of a tenant differ in their authorities.
const VERDICT_KEPT_FOR: Duration = Duration::from_secs(10);
const VERDICTS_MAX: usize = 8;
/// How long after a fetch an address is asked again at the earliest because what is kept of it does not fit a call: its host may have renewed
/// it.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// For how long a certificate is kept if its host does not say, and at least and at most if it does. Whether it is valid is checked
/// meanwhile.
const KEPT_FOR: Duration = Duration::from_secs(3_600);
const KEPT_AT_LEAST: Duration = Duration::from_secs(60);
const KEPT_AT_MOST: Duration = Duration::from_secs(86_400);
/// For how long an address is not asked again that had none that is trusted: calls of a carrier whose host is away do not wait one by one.
const FAULT_KEPT_FOR: Duration = Duration::from_secs(10);

/// The certificates of a signer that an authority of the trunk has signed for, or why there are none.
pub type Fetched = Result<TrustedChain, StirRefusal>;

/// What is at an address.
type Found = Result<FoundChain, StirRefusal>;

/// A chain, and what is known of it. Who checks it locks the verdicts: those who want the same one wait for it.
#[derive(Clone)]
struct FoundChain {
    chain: Arc<CertificateChain>,
    verdicts: Arc<AsyncMutex<Verdicts>>,
}

/// Whether authorities have signed for a chain, and until when that counts, the oldest first.
#[derive(Default)]
struct Verdicts(Vec<(Arc<Authorities>, Timestamp, Fetched)>);

impl Verdicts {
    fn by(&self, authorities: &Arc<Authorities>, now: Timestamp) -> Option<Fetched> {
        let mut known = self.0.iter().filter(|(by, until, _)| Arc::ptr_eq(by, authorities) && now < *until);
        known.next().map(|(_, _, verdict)| verdict.clone())
    }

    fn remember(&mut self, authorities: Arc<Authorities>, now: Timestamp, verdict: Fetched) {
        self.0.retain(|(_, until, _)| now < *until);
        if self.0.len() >= VERDICTS_MAX {
            drop(self.0.remove(0));
        }
        self.0.push((authorities, now + VERDICT_KEPT_FOR, verdict));
    }
}

/// An address that a call of a tenant names.
type CertificateKey = (TenantId, String);

/// What was found at an address, when it was last asked, and until when that is kept.
struct KeptCertificate {
    found: Found,
    asked: Timestamp,
    until: Timestamp,
}

/// What was found. Each tenant has its own: nobody chooses what is forgotten for others.
#[derive(Default)]
struct KeptCertificates(HashMap<CertificateKey, KeptCertificate>);

impl KeptCertificates {
    fn get(&self, key: &CertificateKey, now: Timestamp) -> Option<&KeptCertificate> {
        self.0.get(key).filter(|kept| now < kept.until)
    }

    /// The address was asked again in vain: what was found there earlier is good for as long as before. Returns that.
    fn stays(&mut self, key: &CertificateKey, now: Timestamp) -> Option<FoundChain> {
        let kept = self.0.get_mut(key).filter(|kept| now < kept.until)?;
        let chain = kept.found.clone().ok()?;
        kept.asked = now;
        Some(chain)
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
        self.0.insert(key.clone(), KeptCertificate { found, asked: now, until });
    }

    fn forget_next(&mut self, now: Timestamp, is_meant: impl Fn(&CertificateKey) -> bool) {
        let before = self.0.len();
        self.0.retain(|_, kept| now < kept.until);
        if self.0.len() < before {
            return;
        }
        let meant = self.0.iter().filter(|(key, _)| is_meant(key));
        if let Some(next) = meant.min_by_key(|(_, kept)| kept.until).map(|(key, _)| key.clone()) {
            self.0.remove(&next);
        }
    }
}

/// A fetch under way, of all who want what is at its address. It goes on for as long as one of them has not given up; of one that all have,
/// nothing is kept.
type SharedFetch = Shared<BoxFuture<'static, Found>>;

/// What a tenant may do at once.
struct TenantShare {
    client: DocumentClient,
    places: Semaphore,
}

/// Fetches certificates.
pub struct Certificates {
    client: DocumentClient,
    clock: Arc<dyn Clock>,
    kept: Mutex<KeptCertificates>,
    fetches: Mutex<HashMap<CertificateKey, Weak<SharedFetch>>>,
    shares: Mutex<HashMap<TenantId, Arc<TenantShare>>>,
    checks: Arc<Semaphore>,
}

impl Certificates {
    /// By this client; nothing is known yet.
    pub fn new(client: DocumentClient, clock: Arc<dyn Clock>) -> Self {
        let checks = Arc::new(Semaphore::new(CHECKED_MAX));
        Self { client, clock, kept: Mutex::default(), fetches: Mutex::default(), shares: Mutex::default(), checks }
    }

    /// The certificates at an address, if one of these authorities has signed for them; fetched `again` where what is kept does not fit a call
    /// and was not fetched just now. May take long: the caller sets the deadline.
    pub async fn fetch(
        self: &Arc<Self>,
        tenant: &TenantId,
        url: &str,
        authorities: &Arc<Authorities>,
        again: bool,
    ) -> Fetched {
        let key = (tenant.clone(), url.to_owned());
        if let Some(known) = self.known(&key, again) {
            return self.check(&known?, authorities).await;
        }
        let begin = || self.clone().fetch_and_keep(key.clone(), authorities.clone()).boxed().shared();
        let fetch = in_use(&self.fetches, &key, begin);
        // Trunks differ in their authorities: each call has it checked by its own.
        let found = SharedFetch::clone(&fetch).await;
        self.check(&found?, authorities).await
    }

    /// Fetches what is at an address, within the share of its tenant, and keeps it: what none of these authorities has signed for chooses
    /// nothing that is kept for long.
    async fn fetch_and_keep(self: Arc<Self>, key: CertificateKey, authorities: Arc<Authorities>) -> Found {
        let (tenant, url) = &key;
        let share = self.share(tenant);
        // Held until the certificate is checked.
        let place = timeout(DOCUMENT_WITHIN, share.places.acquire()).await;
        let fetched = if place.is_ok() { share.client.fetch(url).await } else { Err(DocumentFault::Busy) };
        let (found, fresh_for) = match fetched {
            Ok(document) => (read(&document.body), document.fresh_for),
            Err(fault @ DocumentFault::Busy) => {
                let busy = Err(StirRefusal::BadInfo(fault.to_string()));
                return self.known(&key, false).unwrap_or(busy);
            }
            Err(fault) => (Err(StirRefusal::BadInfo(fault.to_string())), None),
        };
        let is_trusted = match &found {
            Ok(chain) => self.check(chain, &authorities).await.is_ok(),
            Err(_) => false,
        };
        let now = self.clock.now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if found.is_err()
            && let Some(former) = kept.stays(&key, now)
        {
            return Ok(former);
        }
        let kept_for = match is_trusted {
            true => fresh_for.map_or(KEPT_FOR, |time| time.clamp(KEPT_AT_LEAST, KEPT_AT_MOST)),
            false => FAULT_KEPT_FOR,
        };
        kept.keep(&key, now + kept_for, found.clone(), now);
        found
    }

    fn share(&self, tenant: &TenantId) -> Arc<TenantShare> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(tenant) {
            return share.clone();
        }
        // A lookup goes on when its caller has given up, and counts for as long: with its share forgotten, it would not.
        shares.retain(|_, share| Arc::strong_count(share) > 1 || !share.client.is_idle());
        let places = Semaphore::new(FETCHED_OF_TENANT_MAX);
        let share = Arc::new(TenantShare { client: self.client.part(), places });
        shares.insert(tenant.clone(), share.clone());
        share
    }

    /// Checks a chain on another thread, unless these authorities have been heard just now. The check keeps its place until that thread is
    /// free, and its verdict counts, whether or not somebody still waits for it.
    async fn check(&self, found: &FoundChain, authorities: &Arc<Authorities>) -> Fetched {
        let mut verdicts = found.verdicts.clone().lock_owned().await;
        if let Some(verdict) = verdicts.by(authorities, self.clock.now()) {
            return verdict;
        }
        let place = self.checks.clone().acquire_owned().await;
        let (chain, authorities, now) = (found.chain.clone(), authorities.clone(), self.clock.now());
        let checked = tokio::task::spawn_blocking(move || {
            let _place = place;
            let verdict = chain.trusted(&authorities, now.as_secs());
            verdicts.remember(authorities, now, verdict.clone());
            verdict
        });
        checked.await.unwrap_or_else(|error| Err(StirRefusal::UnsupportedCredential(error.to_string())))
    }

    /// What is kept, or if it is to be fetched again, what was fetched too short a time ago for that.
    fn known(&self, key: &CertificateKey, again: bool) -> Option<Found> {
        let now = self.clock.now();
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.get(key, now).filter(|kept| !again || now < kept.asked + AGAIN_AFTER);
        known.map(|kept| kept.found.clone())
    }
}

fn read(document: &[u8]) -> Found {
    let chain =
        CertificateChain::parse(document).map_err(|error| StirRefusal::UnsupportedCredential(error.to_string()))?;
    Ok(FoundChain { chain: Arc::new(chain), verdicts: Arc::default() })
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

    use infra::conformance::SetClock;
    use net::public_address::Reach;
    use rcgen::{CertificateParams, KeyPair};
    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::test_stores::set_clock;

    fn certificates(clock: Arc<SetClock>) -> Arc<Certificates> {
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
        let clock = set_clock();
        let (certificates, nobody) = (certificates(clock.clone()), Arc::new(Authorities::default()));
        let fetch = || certificates.fetch(&tenant, &url, &nobody, false);
        let (first, second) = tokio::join!(fetch(), fetch());
        assert!(first.is_err() && first == second);
        assert!(fetch().await.is_err());
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        clock.advance(FAULT_KEPT_FOR);
        assert!(fetch().await.is_err());
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        server.abort();
    }

    #[tokio::test]
    async fn who_gives_up_takes_nothing_from_who_waits_for_the_same() {
        let (host, (tenant, url)) = host().await;
        let (certificates, nobody) = (certificates(set_clock()), Arc::new(Authorities::default()));
        let fetch = || Box::pin(certificates.fetch(&tenant, &url, &nobody, false));
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
        let (certificates, nobody) = (certificates(set_clock()), Arc::new(Authorities::default()));
        let mut alone = Box::pin(certificates.fetch(&key.0, &key.1, &nobody, false));
        let mut connection: TcpStream = tokio::select! {
            _ = &mut alone => panic!("nobody has answered"),
            accepted = host.accept() => accepted.unwrap().0,
        };
        drop(alone);
        connection.read_to_end(&mut Vec::new()).await.unwrap();
        assert!(certificates.known(&key, false).is_none());
    }

    /// A chain that nobody has vouched for.
    fn chain() -> FoundChain {
        let own = CertificateParams::default().self_signed(&KeyPair::generate().unwrap()).unwrap();
        read(own.pem().as_bytes()).unwrap()
    }

    #[tokio::test]
    async fn a_chain_is_checked_once_in_a_while_by_the_same_authorities() {
        let clock = set_clock();
        let (certificates, found) = (certificates(clock.clone()), chain());
        let (nobody, others) = (Arc::new(Authorities::default()), Arc::new(Authorities::default()));
        let verdict = certificates.check(&found, &nobody).await;
        assert!(verdict.is_err());
        let mut busy = Vec::new();
        for _ in 0..CHECKED_MAX {
            busy.push(certificates.checks.clone().acquire_owned().await.unwrap());
        }
        assert_eq!(certificates.check(&found, &nobody).now_or_never(), Some(verdict));
        assert_eq!(certificates.check(&found, &others).now_or_never(), None, "they have not been heard");
        clock.advance(VERDICT_KEPT_FOR);
        assert_eq!(certificates.check(&found, &nobody).now_or_never(), None, "it may have expired by now");
    }

    #[tokio::test]
    async fn what_does_not_fit_is_fetched_again_and_stays_if_its_host_is_away() {
        let (host, key) = host().await;
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let server = tokio::spawn(async move {
            while host.accept().await.is_ok() {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        let clock = set_clock();
        let (certificates, nobody) = (certificates(clock.clone()), Arc::new(Authorities::default()));
        let now = clock.now();
        certificates.kept.lock().unwrap().keep(&key, now + KEPT_FOR, Ok(chain()), now);
        let fetch = |again| certificates.fetch(&key.0, &key.1, &nobody, again);
        assert!(fetch(true).await.is_err());
        assert_eq!(asked.load(Ordering::Relaxed), 0, "it was fetched just now");
        clock.advance(AGAIN_AFTER);
        for again in [false, true, true] {
            assert!(matches!(fetch(again).await, Err(StirRefusal::UnsupportedCredential(_))), "the kept one is judged");
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert!(certificates.known(&key, false).is_some_and(|known| known.is_ok()));
        server.abort();
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
