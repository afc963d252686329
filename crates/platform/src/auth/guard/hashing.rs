//! Slow hashes: as many at a time as there are processors, few that wait, the others are refused; strangers first, so that those who have
//! signed in from where they are can do so while strangers guess. The fewer places are left, the fewer one tenant may take, and tenants
//! take turns, so that none keeps others from signing in, however costly the hashes are that it has brought.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use identity::password;
use model::TenantId;
use tokio::sync::Semaphore;

use super::super::answers::Trouble;
use super::super::metrics::Metrics;
use super::guess_turns::GuessTurns;

/// Hashes that wait for a processor: each of ours takes some 30 ms, so that the last of them is computed after about two seconds on one.
const WAITING_MAX: usize = 64;
/// Those of strangers among them.
const STRANGERS_WAITING_MAX: usize = 32;
/// The share of a tenant, as a multiple of the places that are left: three quarters of all, where it is the only one.
const TENANTS_SHARE: usize = 3;
/// Tenants of which the log says that a hash of theirs is not computed; of further ones it says nothing.
const SAID_MAX: usize = 1_024;

/// Computes hashes.
pub(in crate::auth) struct Hashing {
    running: Arc<Semaphore>,
    /// A tenant may use all processors, and no more of its own wait in front of those of others.
    of_tenants: GuessTurns,
    admitted: HashingPlaces,
    strangers: HashingPlaces,
    /// Of whom the log says already that a hash of theirs is not computed.
    said: Mutex<HashSet<TenantId>>,
    metrics: Metrics,
}

/// Who has a hash computed.
#[derive(Clone, Copy)]
pub(in crate::auth) struct HashAsker<'a> {
    /// Its tenant, or what stands for one that there is not.
    pub tenant: &'a TenantId,
    /// Whether the name was right from that source lately.
    pub is_known: bool,
}

impl Hashing {
    pub fn new(metrics: Metrics) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let places = |waiting: usize| HashingPlaces::new(processors + waiting);
        let (admitted, strangers) = (places(WAITING_MAX), places(STRANGERS_WAITING_MAX));
        let of_tenants = GuessTurns::new(processors, WAITING_MAX);
        let (running, said) = (Arc::new(Semaphore::new(processors)), Mutex::default());
        Self { running, of_tenants, admitted, strangers, said, metrics }
    }

    /// Whether the password is that of the hash. Without a hash that may be computed it never is, which takes as long to find out.
    ///
    /// # Errors
    /// [`Trouble::Busy`] if too many wait, of all or of the tenant; of who is not known, sooner.
    pub async fn verify(&self, password: &str, hash: Option<&str>, of: HashAsker<'_>) -> Result<bool, Trouble> {
        let computed = hash.filter(|hash| password::is_hash(hash));
        if hash.is_some() && computed.is_none() && self.is_news(of.tenant) {
            tracing::warn!(tenant = %of.tenant, "a stored hash of a password or a secret is no Argon2id hash, or costs more than is allowed, and opens nothing: give such people and clients a new one; of this tenant that is said once");
        }
        let hash = computed.map(str::to_owned);
        let password = password.to_owned();
        let verified = move || match &hash {
            Some(hash) => password::verify(&password, hash),
            None => password::verify_nobody(&password),
        };
        self.compute(of, verified).await
    }

    /// Whether it was not said of that tenant before.
    fn is_news(&self, tenant: &TenantId) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.len() < SAID_MAX && said.insert(tenant.clone())
    }

    /// The hash of a password that somebody of that tenant has chosen who has shown the one before.
    ///
    /// # Errors
    /// [`Trouble::Busy`] if too many wait, of all or of the tenant, [`Trouble::Away`] if there is no memory for it.
    pub async fn hash(
        &self,
        password: &str,
        salt: [u8; password::SALT_BYTES],
        tenant: &TenantId,
    ) -> Result<String, Trouble> {
        let password = password.to_owned();
        let of = HashAsker { tenant, is_known: true };
        let hash = self.compute(of, move || password::hash(&password, salt)).await?;
        hash.map_err(|error| Trouble::away("hashing", &error))
    }

    async fn compute<T: Send + 'static>(
        &self,
        of: HashAsker<'_>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Trouble> {
        let stranger = if of.is_known { None } else { Some(self.place(&self.strangers, of.tenant)?) };
        let admitted = self.place(&self.admitted, of.tenant)?;
        // What is waited for first takes nothing from others.
        let of_tenant = self.of_tenants.wait_for(of.tenant.as_str()).await?;
        // Never closed, so that this does not fail.
        let running = self.running.clone().acquire_owned().await.map_err(|_| Trouble::Busy)?;
        let metrics = self.metrics.clone();
        let computed = tokio::task::spawn_blocking(move || {
            // The places are given back when the work is done, also if nobody waits for it any more; the processor last, so that who gets
            // it finds all else free.
            let _places = (stranger, admitted, of_tenant, running);
            let done = work();
            metrics.hashes.inc();
            done
        });
        computed.await.map_err(|error| Trouble::away("hashing", &error))
    }

    fn place(&self, places: &HashingPlaces, tenant: &TenantId) -> Result<HashingPlace, Trouble> {
        places.take(tenant).ok_or_else(|| {
            self.metrics.hashes_refused.inc();
            Trouble::Busy
        })
    }
}

/// Places of those whose hash is computed or waits for it.
struct HashingPlaces {
    all: usize,
    taken: Arc<Mutex<TakenPlaces>>,
}

#[derive(Default)]
struct TakenPlaces {
    all: usize,
    of_tenants: HashMap<TenantId, usize>,
}

/// One of them; dropping it gives it back.
struct HashingPlace {
    taken: Arc<Mutex<TakenPlaces>>,
    tenant: TenantId,
}

fn counts(of: &Mutex<TakenPlaces>) -> MutexGuard<'_, TakenPlaces> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl HashingPlaces {
    fn new(all: usize) -> Self {
        Self { all, taken: Arc::default() }
    }

    /// Takes one; none if all are taken, or the tenant has its share.
    fn take(&self, tenant: &TenantId) -> Option<HashingPlace> {
        let mut taken = counts(&self.taken);
        let left = self.all.saturating_sub(taken.all);
        let of_tenant = taken.of_tenants.get(tenant).copied().unwrap_or_default();
        if of_tenant >= TENANTS_SHARE * left {
            return None;
        }
        taken.all += 1;
        taken.of_tenants.insert(tenant.clone(), of_tenant + 1);
        Some(HashingPlace { taken: self.taken.clone(), tenant: tenant.clone() })
    }
}

impl Drop for HashingPlace {
    fn drop(&mut self) {
        let mut taken = counts(&self.taken);
        taken.all = taken.all.saturating_sub(1);
        let of_tenant = taken.of_tenants.get(&self.tenant).copied().unwrap_or_default();
        if of_tenant > 1 {
            taken.of_tenants.insert(self.tenant.clone(), of_tenant - 1);
        } else {
            taken.of_tenants.remove(&self.tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::future::{Either, select};

    use super::*;

    fn tenant(id: &str) -> TenantId {
        TenantId::parse(id).unwrap()
    }

    fn hashing() -> (Hashing, Metrics) {
        let metrics = Metrics::register(&runtime::Metrics::default());
        (Hashing::new(metrics.clone()), metrics)
    }

    /// All places that a tenant gets.
    fn all_of(places: &HashingPlaces, tenant: &TenantId) -> Vec<HashingPlace> {
        std::iter::from_fn(|| places.take(tenant)).collect()
    }

    #[tokio::test]
    async fn who_finds_the_queue_full_is_refused_at_once_and_strangers_first() {
        let (hashing, metrics) = hashing();
        let acme = tenant("acme");
        let [stranger, known] = [false, true].map(|is_known| HashAsker { tenant: &acme, is_known });
        assert_eq!(hashing.verify("open sesame", None, stranger).await.ok(), Some(false));
        assert_eq!(metrics.hashes.get(), 1);
        let of_strangers = all_of(&hashing.strangers, &acme);
        let _admitted: Vec<_> = of_strangers.iter().filter_map(|_| hashing.admitted.take(&acme)).collect();
        assert!(matches!(hashing.verify("open sesame", None, stranger).await, Err(Trouble::Busy)));
        assert_eq!(hashing.verify("open sesame", None, known).await.ok(), Some(false));
        let _rest = all_of(&hashing.admitted, &acme);
        assert!(matches!(hashing.verify("open sesame", None, known).await, Err(Trouble::Busy)));
        assert_eq!(metrics.hashes_refused.get(), 2);
    }

    /// Whoever is not there, has no password or has one that opens nothing costs what a wrong password of somebody does: one hash.
    #[tokio::test]
    async fn each_look_at_a_password_computes_one_hash_whoever_is_named() {
        let (hashing, metrics) = hashing();
        let acme = tenant("acme");
        let own = password::hash("slow brown teapot", [7; password::SALT_BYTES]).unwrap();
        let costly = own.replace("m=19456", "m=1048576");
        let long = "k".repeat(password::BYTES_MAX + 1);
        let hashes = [None, Some(own.as_str()), Some(costly.as_str()), Some("no hash"), Some("")];
        let mut looked_at = 0;
        for (hash, is_known) in hashes.into_iter().flat_map(|hash| [(hash, false), (hash, true)]) {
            for shown in ["open sesame", "", long.as_str()] {
                let of = HashAsker { tenant: &acme, is_known };
                assert_eq!(hashing.verify(shown, hash, of).await.ok(), Some(false));
                looked_at += 1;
                assert_eq!(metrics.hashes.get(), looked_at, "{hash:?} {is_known}");
            }
        }
        assert_eq!(metrics.hashes_refused.get(), 0);
    }

    #[tokio::test]
    async fn a_hash_that_costs_too_much_opens_nothing_and_is_told_of_once() {
        let (hashing, _) = hashing();
        let acme = tenant("acme");
        let of = HashAsker { tenant: &acme, is_known: true };
        assert_eq!(hashing.verify("open sesame", None, of).await.ok(), Some(false));
        assert!(hashing.said.lock().unwrap().is_empty(), "somebody without a password has none that costs too much");
        let costly =
            "$argon2id$v=19$m=1048576,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        assert_eq!(hashing.verify("open sesame", Some(costly), of).await.ok(), Some(false));
        assert!(hashing.said.lock().unwrap().contains(&acme));
        assert!(!hashing.is_news(&acme));
        assert!(hashing.is_news(&tenant("globex")));
    }

    #[tokio::test]
    async fn a_tenant_that_takes_all_it_may_keeps_no_other_out() {
        let (hashing, _) = hashing();
        let (acme, globex) = (tenant("acme"), tenant("globex"));
        let (_strangers, _admitted) = (all_of(&hashing.strangers, &acme), all_of(&hashing.admitted, &acme));
        for is_known in [false, true] {
            let refused = hashing.verify("open sesame", None, HashAsker { tenant: &acme, is_known }).await;
            assert!(matches!(refused, Err(Trouble::Busy)));
            let others = hashing.verify("open sesame", None, HashAsker { tenant: &globex, is_known }).await;
            assert_eq!(others.ok(), Some(false));
        }
    }

    #[tokio::test]
    async fn the_first_of_a_tenant_comes_before_those_of_another_one_that_wait_longer() {
        let (hashing, _) = hashing();
        let (acme, globex) = (tenant("acme"), tenant("globex"));
        let processors = hashing.running.available_permits();
        let mut busy: Vec<_> = (0..processors).map(|_| hashing.running.clone().try_acquire_owned().unwrap()).collect();
        let [of_acme, of_globex] = [&acme, &globex].map(|tenant| HashAsker { tenant, is_known: true });
        // As many as have all turns of their tenant, and one more.
        let mut acmes: Vec<_> =
            (0..=processors).map(|_| Box::pin(hashing.verify("open sesame", None, of_acme))).collect();
        for waiting in &mut acmes {
            assert!(waiting.as_mut().now_or_never().is_none());
        }
        let mut globex = Box::pin(hashing.verify("open sesame", None, of_globex));
        assert!(globex.as_mut().now_or_never().is_none());
        let mut last = acmes.pop().unwrap();
        drop(acmes);
        assert!(last.as_mut().now_or_never().is_none(), "it has a turn of its tenant now, and no processor");
        drop(busy.pop());
        let first = select(last, globex).await;
        assert!(matches!(first, Either::Right((Ok(false), _))), "the one that came first had its tenant before it");
    }
}
