//! Tenants that are kept in memory, as they were used last: what has changed since is read, and not the whole tenant.

mod bring_up;

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use contracts::provisioning::{ObjectAnnex, ObjectKey};
use infra::{HistoryPoint, ProvisioningStore, Revision, StoreError, ToldChange};
use model::TenantId;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::indexed::IndexedTenant;
use bring_up::brought_up;

/// The most tenants that are kept.
const KEPT_MAX: usize = 64;
/// The most bytes of them in memory, about; one larger tenant is kept alone.
const KEPT_BYTES_MAX: usize = 1 << 30;
/// How long one is kept that nobody uses.
const KEPT: Duration = Duration::from_secs(600);
/// The most tenants that are read as a whole at once: the database has other work, and each may have hundreds of megabytes.
const READ_AT_ONCE: usize = 2;
/// How long one waits to be read: several large ones before it.
const READ_WAIT: Duration = Duration::from_secs(60);

/// How long a reader waits for the database before it gets what is known.
const PATIENCE: Duration = Duration::from_secs(2);
/// For so long after the database has not answered, no reader waits for it.
const TAKEN_FOR_AWAY: Duration = Duration::from_secs(2);

/// The tenants that are kept.
pub struct HeldTenants {
    kept: Arc<Mutex<KeptTenants>>,
    reading: Semaphore,
    /// When the database did not answer a reader last; none once it has.
    silent: Mutex<Option<Instant>>,
}

impl Default for HeldTenants {
    fn default() -> Self {
        Self { kept: Arc::default(), reading: Semaphore::new(READ_AT_ONCE), silent: Mutex::default() }
    }
}

#[derive(Default)]
struct KeptTenants {
    /// The one that was used last at the end.
    tenants: Vec<KeptTenant>,
    is_swept: bool,
}

struct KeptTenant {
    tenant: TenantId,
    turn: Turn,
    /// As it was known last, for those who read while the database is away.
    last: Option<SharedTenant>,
    bytes: usize,
    used: Instant,
}

/// Who has it brings the tenant up to date; the others wait for that, since none of them needs to read it again.
type Turn = Arc<tokio::sync::Mutex<Option<SharedTenant>>>;

/// A tenant that several look at.
#[derive(Clone)]
pub struct SharedTenant(Arc<RwLock<IndexedTenant>>);

impl SharedTenant {
    /// What `look` finds. It may look at every object, so that is done beside the executor. None when the process ends.
    pub async fn look<T: Send + 'static>(&self, look: impl FnOnce(&IndexedTenant) -> T + Send + 'static) -> Option<T> {
        let shared = self.0.clone();
        spawn_blocking(move || look(&shared.read().unwrap_or_else(PoisonError::into_inner))).await.ok()
    }

    async fn apply(
        &self,
        changes: Vec<(ToldChange, Revision)>,
        annexes: Vec<(ObjectKey, ObjectAnnex)>,
        at: HistoryPoint,
    ) -> bool {
        let shared = self.0.clone();
        let apply = move || shared.write().unwrap_or_else(PoisonError::into_inner).apply(changes, annexes, at);
        spawn_blocking(apply).await.is_ok()
    }
}

impl HeldTenants {
    /// The tenant at its present revision, or a later one; none if it does not exist.
    ///
    /// # Errors
    /// Those of the store; it is unavailable, too, while too many others are read.
    pub async fn fresh(
        &self,
        store: &dyn ProvisioningStore,
        tenant: &TenantId,
    ) -> Result<Option<SharedTenant>, StoreError> {
        self.fresh_since(store, tenant, None).await
    }

    /// The same for who has asked already at which point the tenant is: it is asked for again only if others have read a later one since.
    async fn fresh_since(
        &self,
        store: &dyn ProvisioningStore,
        tenant: &TenantId,
        asked: Option<HistoryPoint>,
    ) -> Result<Option<SharedTenant>, StoreError> {
        let turn = self.turn(tenant);
        let mut held = turn.lock().await;
        let since = match &*held {
            Some(shared) => shared.look(IndexedTenant::point).await,
            None => None,
        };
        let is_late = |asked: HistoryPoint| since.is_some_and(|since| since.revision > asked.revision);
        let present = match asked.filter(|asked| !is_late(*asked)) {
            Some(asked) => Some(asked),
            None => store.point(tenant).await?,
        };
        self.hears_it();
        let Some(present) = present else {
            self.lock().tenants.retain(|kept| kept.tenant != *tenant);
            return Ok(None);
        };
        let is_fresh = match (&*held, since) {
            (Some(shared), Some(since)) => brought_up(store, tenant, shared, since, present).await?,
            _ => false,
        };
        if !is_fresh {
            self.set_last(tenant, None);
            // Before the other one is read: each may have hundreds of megabytes.
            *held = None;
            let _place = self.place_to_read().await?;
            let Some(read) = store.versioned(tenant).await? else { return Ok(None) };
            let indexed = spawn_blocking(move || IndexedTenant::of(read)).await.map_err(|_| ends())?;
            *held = Some(SharedTenant(Arc::new(RwLock::new(indexed))));
        }
        let Some(shared) = held.clone() else { return Ok(None) };
        let bytes = shared.look(IndexedTenant::bytes).await.ok_or_else(ends)?;
        self.used(tenant, bytes);
        self.set_last(tenant, Some(shared.clone()));
        Ok(Some(shared))
    }

    /// The tenant for somebody who only reads: as [`Self::fresh`] has it, or, while the database does not answer, as it was known last.
    ///
    /// # Errors
    /// Those of the store, if the tenant is not known.
    pub async fn readable(
        &self,
        store: &dyn ProvisioningStore,
        tenant: &TenantId,
    ) -> Result<Option<SharedTenant>, StoreError> {
        let Some(last) = self.last(tenant) else { return self.fresh(store, tenant).await };
        match self.answer(store.point(tenant)).await {
            None => Ok(Some(last)),
            // That it is gone is for `fresh` to find, which forgets it.
            Some(asked) => self.fresh_since(store, tenant, asked?).await,
        }
    }

    /// What was asked of the database, or, while it does not answer, what `look` finds in the tenant as it was known last.
    ///
    /// # Errors
    /// Those of the store, if the tenant is not known.
    pub async fn asked_or_known<T: Send + 'static>(
        &self,
        tenant: &TenantId,
        asked: impl Future<Output = Result<T, StoreError>>,
        look: impl FnOnce(&IndexedTenant) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let Some(last) = self.last(tenant) else { return asked.await };
        match self.answer(asked).await {
            Some(answer) => answer,
            None => last.look(look).await.ok_or_else(ends),
        }
    }

    /// Forgets the tenants that the database does not have any more: somebody's secrets are among what is kept.
    pub fn keep_those_of(&self, is_there: impl Fn(&TenantId) -> bool) {
        self.lock().tenants.retain(|kept| is_there(&kept.tenant));
    }

    /// The database's answer; none if there is none in time, or was none just now.
    async fn answer<T>(&self, asked: impl Future<Output = Result<T, StoreError>>) -> Option<Result<T, StoreError>> {
        let silent = || self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        if silent().is_some_and(|since| since.elapsed() < TAKEN_FOR_AWAY) {
            return None;
        }
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Err(StoreError::Unavailable { .. })) | Err(_) => {
                if silent().replace(Instant::now()).is_none() {
                    tracing::warn!(
                        "the database does not answer: whoever reads gets the configuration as it was known last"
                    );
                }
                None
            }
            Ok(answer) => {
                self.hears_it();
                Some(answer)
            }
        }
    }

    /// The tenant was changed: what was known of it last is no answer any more for whoever reads next, however long the database takes.
    pub(super) fn is_changed(&self, tenant: &TenantId) {
        self.hears_it();
        self.set_last(tenant, None);
    }

    /// The database answers: whoever reads next asks it, as somebody does who has just changed something.
    fn hears_it(&self) {
        if self.silent.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
            tracing::info!("the database answers again");
        }
    }

    async fn place_to_read(&self) -> Result<SemaphorePermit<'_>, StoreError> {
        let place = tokio::time::timeout(READ_WAIT, self.reading.acquire()).await;
        place.map_err(|_| busy())?.map_err(|_| ends())
    }

    fn lock(&self) -> MutexGuard<'_, KeptTenants> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, tenant: &TenantId) -> Turn {
        let mut kept = self.lock();
        if let Some(known) = kept.tenants.iter().find(|kept| kept.tenant == *tenant) {
            return known.turn.clone();
        }
        let turn = Turn::default();
        let used = Instant::now();
        kept.tenants.push(KeptTenant { tenant: tenant.clone(), turn: turn.clone(), last: None, bytes: 0, used });
        turn
    }

    /// The tenant as it was known last.
    fn last(&self, tenant: &TenantId) -> Option<SharedTenant> {
        let mut kept = self.lock();
        let known = kept.tenants.iter_mut().find(|kept| kept.tenant == *tenant)?;
        known.used = Instant::now();
        known.last.clone()
    }

    fn set_last(&self, tenant: &TenantId, last: Option<SharedTenant>) {
        if let Some(known) = self.lock().tenants.iter_mut().find(|kept| kept.tenant == *tenant) {
            known.last = last;
        }
    }

    /// Notes that a tenant is used, and lets those go that were not for the longest time where there are too many.
    fn used(&self, tenant: &TenantId, bytes: usize) {
        let mut kept = self.lock();
        let Some(at) = kept.tenants.iter().position(|kept| kept.tenant == *tenant) else { return };
        let mut last = kept.tenants.remove(at);
        (last.bytes, last.used) = (bytes, Instant::now());
        kept.tenants.push(last);
        let mut all: usize = kept.tenants.iter().map(|kept| kept.bytes).sum();
        while kept.tenants.len() > 1 && (kept.tenants.len() > KEPT_MAX || all > KEPT_BYTES_MAX) {
            all -= kept.tenants.remove(0).bytes;
        }
        if !std::mem::replace(&mut kept.is_swept, true) {
            tokio::spawn(sweep(Arc::downgrade(&self.kept)));
        }
    }
}

/// Lets tenants go that nobody uses, until none is left.
async fn sweep(kept: std::sync::Weak<Mutex<KeptTenants>>) {
    loop {
        tokio::time::sleep(KEPT).await;
        let Some(kept) = kept.upgrade() else { return };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.tenants.retain(|kept| kept.used.elapsed() < KEPT);
        if kept.tenants.is_empty() {
            kept.is_swept = false;
            return;
        }
    }
}

fn ends() -> StoreError {
    StoreError::Unavailable { reason: "the process ends".to_owned() }
}

fn busy() -> StoreError {
    StoreError::Unavailable { reason: "too many other tenants are read: try again".to_owned() }
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::{Object, ObjectKind, Skill};
    use infra::ObjectChange;

    use super::*;
    use crate::objects::test_one_tenant::OneTenant;

    fn tenant(name: &str) -> TenantId {
        TenantId::parse(name).unwrap()
    }

    fn skill(name: &str) -> ObjectChange {
        ObjectChange::Put(Object::Skill(Skill { name: name.to_owned() }))
    }

    async fn revision_of(shared: &SharedTenant, name: &str) -> Option<Revision> {
        let key = ObjectKey { kind: ObjectKind::Skill, id: name.to_owned() };
        shared.look(move |held| held.revision_of(&key)).await.unwrap()
    }

    #[tokio::test]
    async fn a_tenant_is_read_once_and_then_what_has_changed() {
        let (store, held) = (OneTenant::example(), HeldTenants::default());
        let first = held.fresh(&store, &store.id()).await.unwrap().unwrap();
        assert_eq!(revision_of(&first, "Patience").await, None);
        store.change(vec![skill("Patience")]);
        let second = held.fresh(&store, &store.id()).await.unwrap().unwrap();
        assert_eq!(revision_of(&second, "Patience").await, Some(Revision(2)));
        store.change(vec![skill("Humour")]);
        store.change(vec![skill("Wit")]);
        let third = held.fresh(&store, &store.id()).await.unwrap().unwrap();
        assert_eq!(revision_of(&third, "Humour").await, Some(Revision(3)), "each object has its own revision");
        assert_eq!(revision_of(&third, "Wit").await, Some(Revision(4)));
        assert_eq!(third.look(IndexedTenant::revision).await, Some(Revision(4)));
        assert_eq!(store.reads(), 1);
    }

    #[tokio::test]
    async fn who_reads_asks_the_database_once_at_which_point_the_tenant_is() {
        let (store, held) = (OneTenant::example(), HeldTenants::default());
        let id = store.id();
        held.readable(&store, &id).await.unwrap().unwrap();
        let before = store.points_asked();
        held.readable(&store, &id).await.unwrap().unwrap();
        assert_eq!(store.points_asked(), before + 1);
        store.change(vec![skill("Patience")]);
        let changed = held.readable(&store, &id).await.unwrap().unwrap();
        assert_eq!(revision_of(&changed, "Patience").await, Some(Revision(2)));
        assert_eq!((store.points_asked(), store.reads()), (before + 2, 1));
    }

    #[tokio::test]
    async fn a_point_that_was_asked_for_before_others_have_read_a_later_one_is_asked_for_again() {
        let (store, held) = (OneTenant::example(), HeldTenants::default());
        let id = store.id();
        let asked = store.point(&id).await.unwrap();
        store.change(vec![skill("Patience")]);
        held.fresh(&store, &id).await.unwrap().unwrap();
        let late = held.fresh_since(&store, &id, asked).await.unwrap().unwrap();
        assert_eq!((late.look(IndexedTenant::revision).await, store.reads()), (Some(Revision(2)), 1));
        store.begin_again();
        let asked = store.point(&id).await.unwrap();
        let put_back = held.fresh_since(&store, &id, asked).await.unwrap().unwrap();
        assert_eq!((put_back.look(IndexedTenant::revision).await, store.reads()), (Some(Revision(1)), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_while_the_database_is_away_gets_what_is_known() {
        let (store, held) = (OneTenant::example(), HeldTenants::default());
        let id = store.id();
        let names = |held: &IndexedTenant| held.of_kind(ObjectKind::Skill).map(|(name, _)| name.to_owned()).collect();
        let away = || async { Err::<Vec<String>, _>(ends()) };
        store.is_away(true);
        assert!(held.readable(&store, &id).await.is_err(), "nothing is known yet");
        assert!(held.asked_or_known(&id, away(), names).await.is_err());
        store.is_away(false);
        held.readable(&store, &id).await.unwrap().unwrap();
        store.is_away(true);
        let known = held.readable(&store, &id).await.unwrap().unwrap();
        assert_eq!(revision_of(&known, "Patience").await, None);
        assert!(!held.asked_or_known(&id, away(), names).await.unwrap().is_empty());
        assert!(held.fresh(&store, &id).await.is_err(), "who changes something must know what is there");
        store.is_away(false);
        store.change(vec![skill("Patience")]);
        held.fresh(&store, &id).await.unwrap();
        let again = held.readable(&store, &id).await.unwrap().unwrap();
        assert_eq!(revision_of(&again, "Patience").await, Some(Revision(2)), "what was written is read");
        let silent = std::future::pending::<Result<Vec<String>, StoreError>>();
        assert!(!held.asked_or_known(&id, silent, names).await.unwrap().is_empty(), "nobody waits for ever");
        store.change(vec![skill("Humour")]);
        let at_once = held.readable(&store, &id).await.unwrap().unwrap();
        assert_eq!(revision_of(&at_once, "Humour").await, None, "it is taken for away");
        held.is_changed(&id);
        let written = held.readable(&store, &id).await.unwrap().unwrap();
        assert!(revision_of(&written, "Humour").await.is_some(), "who has changed something reads it");
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_waits_while_others_are_read_but_not_for_ever() {
        let (store, held) = (OneTenant::example(), HeldTenants::default());
        let others = held.reading.acquire_many(u32::try_from(READ_AT_ONCE).unwrap()).await.unwrap();
        let refused = held.fresh(&store, &store.id()).await.err();
        assert!(matches!(refused, Some(StoreError::Unavailable { .. })), "{refused:?}");
        assert_eq!(store.reads(), 0);
        drop(others);
        assert!(held.fresh(&store, &store.id()).await.unwrap().is_some());
        let others = held.reading.acquire_many(u32::try_from(READ_AT_ONCE).unwrap()).await.unwrap();
        store.change(vec![skill("Patience")]);
        assert!(held.fresh(&store, &store.id()).await.unwrap().is_some(), "changes alone are read at once");
        drop(others);
        assert_eq!(store.reads(), 1);
    }

    #[tokio::test]
    async fn a_tenant_that_has_been_put_back_is_read_again() {
        let (store, held) = (OneTenant::example(), HeldTenants::default());
        store.change(vec![skill("Patience")]);
        held.fresh(&store, &store.id()).await.unwrap().unwrap();
        store.begin_again();
        let again = held.fresh(&store, &store.id()).await.unwrap().unwrap();
        assert_eq!((revision_of(&again, "Patience").await, store.reads()), (None, 2));
        assert!(held.fresh(&store, &tenant("nobody")).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_tenant_with_another_history_is_read_again_though_its_revision_is_no_earlier() {
        let (store, held) = (OneTenant::example(), HeldTenants::default());
        store.change(vec![skill("Patience")]);
        held.fresh(&store, &store.id()).await.unwrap().unwrap();
        for (reads, later) in [(2, vec![]), (3, vec!["Wit", "Tact"])] {
            store.begin_again();
            store.change(vec![skill("Humour")]);
            for name in later {
                store.change(vec![skill(name)]);
            }
            let again = held.fresh(&store, &store.id()).await.unwrap().unwrap();
            assert_eq!(revision_of(&again, "Patience").await, None);
            assert_eq!(revision_of(&again, "Humour").await, Some(Revision(2)));
            assert_eq!(store.reads(), reads);
        }
    }

    #[tokio::test]
    async fn a_tenant_that_the_database_has_no_more_is_kept_no_longer() {
        let (store, held) = (OneTenant::example(), HeldTenants::default());
        let id = store.id();
        held.fresh(&store, &id).await.unwrap().unwrap();
        held.keep_those_of(|tenant| *tenant == id);
        assert!(held.last(&id).is_some());
        held.keep_those_of(|_| false);
        assert!(held.last(&id).is_none());
        assert!(held.readable(&store, &id).await.unwrap().is_some(), "one that comes back is read again");
        assert_eq!(store.reads(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_kept_for_ever() {
        let (store, held) = (OneTenant::example(), HeldTenants::default());
        held.fresh(&store, &store.id()).await.unwrap().unwrap();
        assert_eq!(held.lock().tenants.len(), 1);
        tokio::time::sleep(2 * KEPT + Duration::from_millis(1)).await;
        let kept = held.lock();
        assert_eq!((kept.tenants.len(), kept.is_swept), (0, false));
    }

    #[tokio::test]
    async fn the_tenants_that_were_not_used_for_the_longest_time_go() {
        let held = HeldTenants::default();
        for (name, bytes) in
            [("a", KEPT_BYTES_MAX / 2), ("b", KEPT_BYTES_MAX / 2), ("a", 1), ("c", KEPT_BYTES_MAX / 2 + 1)]
        {
            held.turn(&tenant(name));
            held.used(&tenant(name), bytes);
        }
        let kept: Vec<String> = held.lock().tenants.iter().map(|kept| kept.tenant.to_string()).collect();
        assert_eq!(kept, ["a", "c"]);
        held.turn(&tenant("d"));
        held.used(&tenant("d"), 2 * KEPT_BYTES_MAX);
        assert_eq!(held.lock().tenants.len(), 1, "one is kept, however large");
        for number in 0..2 * KEPT_MAX {
            held.turn(&tenant(&format!("tenant-{number}")));
            held.used(&tenant(&format!("tenant-{number}")), 1);
        }
        assert_eq!(held.lock().tenants.len(), KEPT_MAX);
    }
}
