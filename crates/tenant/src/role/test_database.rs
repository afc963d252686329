//! A database for tests: it is changed by the test and read by what is tested.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};

use contracts::provisioning::{Object, ObjectKey, Skill, TenantObjects};
use infra::{
    Answer, ChangeNote, EndedTenant, HistoryEntry, HistoryPage, HistoryPoint, HistoryStamp, ObjectChange,
    ObjectChanges, ProvisioningStore, Revision, StoreError, ToldChange, VersionedObjects,
};
use model::{TenantId, Timestamp};

/// A database with the tenant globex, and perhaps acme, whose objects cannot be read.
pub(super) struct TestDatabase {
    pub why: Option<fn() -> StoreError>,
    /// The revision of acme.
    pub acme_at: AtomicU64,
    /// How often acme was read.
    pub loads_of_acme: AtomicU64,
    /// Whether a read of acme has no end.
    pub acme_takes_long: AtomicBool,
    /// How often globex was read with the revisions of its objects.
    pub whole_reads: AtomicU64,
    /// How often somebody has asked what has changed.
    pub asked_for_changes: AtomicU64,
    /// Whether it no longer answers what revision a tenant has.
    pub is_away: AtomicBool,
    /// Whether it has globex no more.
    pub lacks_globex: AtomicBool,
    /// Whether somebody has deleted globex.
    pub has_ended_globex: AtomicBool,
    /// Whether what is left of globex, which has ended, cannot be removed.
    pub keeps_globex: AtomicBool,
    /// What globex had at revision 1, 2 and so on.
    pub states: Mutex<Vec<TenantObjects>>,
    /// The highest generation that was given.
    pub generation: Mutex<u64>,
    /// What tells the history of globex from those before it; revisions have no stamps while it is 0.
    pub history: AtomicU64,
    /// How many entries of the history of globex are too old.
    pub old_entries: AtomicU64,
    /// How often somebody has removed such entries.
    pub asked_to_prune: AtomicU64,
}

impl TestDatabase {
    pub fn new(why: Option<fn() -> StoreError>) -> Arc<Self> {
        let states = Mutex::new(vec![infra::conformance::provisioning::objects("globex")]);
        Arc::new(Self {
            why,
            acme_at: AtomicU64::new(1),
            loads_of_acme: AtomicU64::default(),
            acme_takes_long: AtomicBool::default(),
            whole_reads: AtomicU64::default(),
            asked_for_changes: AtomicU64::default(),
            is_away: AtomicBool::default(),
            lacks_globex: AtomicBool::default(),
            has_ended_globex: AtomicBool::default(),
            keeps_globex: AtomicBool::default(),
            states,
            generation: Mutex::default(),
            history: AtomicU64::default(),
            old_entries: AtomicU64::default(),
            asked_to_prune: AtomicU64::default(),
        })
    }

    /// A change of globex.
    pub fn adds(&self, skill: &str) {
        let mut states = self.states.lock().unwrap();
        let mut next = states.last().unwrap().clone();
        next.skills.push(Skill { name: skill.to_owned() });
        states.push(next);
    }

    /// A change of globex that makes it again what it was at that revision.
    pub fn reverts_to(&self, revision: usize) {
        let mut states = self.states.lock().unwrap();
        let before = states[revision - 1].clone();
        states.push(before);
    }

    fn at(&self, revision: u64) -> HashMap<ObjectKey, Object> {
        let states = self.states.lock().unwrap();
        let index = usize::try_from(revision).unwrap().checked_sub(1);
        let objects = index.and_then(|index| states.get(index));
        objects.map(|objects| objects.objects().map(|object| (object.key(), object)).collect()).unwrap_or_default()
    }

    /// The objects that the revision behind this one has put or deleted.
    fn changed_behind(&self, revision: u64) -> Vec<ObjectKey> {
        let (mut before, after) = (self.at(revision), self.at(revision + 1));
        let put = after.into_iter().filter(|(key, object)| before.remove(key).as_ref() != Some(object));
        let mut changed: Vec<ObjectKey> = put.map(|(key, _)| key).collect();
        changed.extend(before.into_keys());
        changed
    }

    /// A revision of globex in its present history.
    pub fn point_at(&self, revision: u64) -> HistoryPoint {
        let history = self.history.load(SeqCst);
        let stamp = if history == 0 { HistoryStamp::UNKNOWN } else { HistoryStamp(history * 1_000 + revision) };
        HistoryPoint { revision: Revision(revision), stamp }
    }

    /// The database is put back to its first revisions; what comes then is another history.
    pub fn is_put_back(&self, revisions: usize) {
        self.states.lock().unwrap().truncate(revisions);
        self.history.fetch_add(1, SeqCst);
    }

    /// The revision of globex.
    pub fn last(&self) -> u64 {
        self.states.lock().unwrap().len() as u64
    }
}

pub(super) fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

impl ProvisioningStore for TestDatabase {
    fn tenants(&self) -> Answer<'_, Vec<(TenantId, Revision)>> {
        Box::pin(async move {
            let acme = self.why.map(|_| (tenant("acme"), Revision(self.acme_at.load(SeqCst))));
            let globex = (tenant("globex"), Revision(self.last()));
            let globex = (!self.lacks_globex.load(SeqCst)).then_some(globex);
            Ok(acme.into_iter().chain(globex).collect())
        })
    }

    fn hosts(&self) -> Answer<'_, Vec<(String, TenantId)>> {
        Box::pin(async move {
            if self.is_away.load(SeqCst) {
                return Err(StoreError::Unavailable { reason: "a test".to_owned() });
            }
            Ok(Vec::from(["acme", "globex"].map(|of| (format!("{of}.example"), tenant(of)))))
        })
    }

    fn revision<'a>(&'a self, of: &'a TenantId) -> Answer<'a, Option<Revision>> {
        Box::pin(async move {
            if self.is_away.load(SeqCst) {
                return Err(StoreError::Unavailable { reason: "a test".to_owned() });
            }
            Ok(self.tenants().await?.into_iter().find(|(id, _)| id == of).map(|(_, revision)| revision))
        })
    }

    fn points(&self) -> Answer<'_, Vec<(TenantId, HistoryPoint)>> {
        Box::pin(async move {
            let tenants = self.tenants().await?;
            let point = |(id, revision): (TenantId, Revision)| {
                let is_globex = id.as_str() == "globex";
                (id, if is_globex { self.point_at(revision.0) } else { HistoryPoint::unstamped(revision) })
            };
            Ok(tenants.into_iter().map(point).collect())
        })
    }

    fn point<'a>(&'a self, of: &'a TenantId) -> Answer<'a, Option<HistoryPoint>> {
        Box::pin(async move {
            self.revision(of).await?;
            Ok(self.points().await?.into_iter().find(|(id, _)| id == of).map(|(_, point)| point))
        })
    }

    fn load<'a>(&'a self, of: &'a TenantId) -> Answer<'a, Option<(Revision, TenantObjects)>> {
        Box::pin(async move {
            match self.why {
                Some(why) if of.as_str() == "acme" => {
                    self.loads_of_acme.fetch_add(1, SeqCst);
                    if self.acme_takes_long.load(SeqCst) {
                        std::future::pending::<()>().await;
                    }
                    Err(why())
                }
                _ => {
                    let states = self.states.lock().unwrap();
                    Ok(states.last().map(|last| (Revision(states.len() as u64), last.clone())))
                }
            }
        })
    }

    fn update<'a>(
        &'a self,
        _: &'a TenantId,
        _: Revision,
        _: Vec<ObjectChange>,
        _: &'a ChangeNote,
    ) -> Answer<'a, Revision> {
        Box::pin(async { Err(StoreError::Invalid("it is read alone".to_owned())) })
    }

    fn next_generation<'a>(&'a self, _: &'a TenantId, at_least: u64) -> Answer<'a, u64> {
        Box::pin(async move {
            let mut highest = self.generation.lock().unwrap();
            *highest = at_least.max(*highest + 1);
            Ok(*highest)
        })
    }

    fn generation<'a>(&'a self, _: &'a TenantId) -> Answer<'a, u64> {
        Box::pin(async move { Ok(*self.generation.lock().unwrap()) })
    }

    fn changes<'a>(&'a self, _: &'a TenantId, since: HistoryPoint) -> Answer<'a, ObjectChanges> {
        Box::pin(async move {
            self.asked_for_changes.fetch_add(1, SeqCst);
            let point = self.point_at(self.last());
            let is_of_another = since != self.point_at(since.revision.0) || since.revision > point.revision;
            let is_whole = since.revision == Revision(0) || (since.stamp.is_known() && is_of_another);
            let mut now = self.at(point.revision.0);
            if is_whole {
                return Ok(ObjectChanges {
                    point,
                    is_whole,
                    changes: now.into_values().map(ToldChange::Put).collect(),
                    annexes: Vec::new(),
                });
            }
            let changed: HashSet<ObjectKey> =
                (since.revision.0..point.revision.0).flat_map(|revision| self.changed_behind(revision)).collect();
            let change = |key| now.remove(&key).map_or_else(|| ToldChange::Delete(key), ToldChange::Put);
            let changes = changed.into_iter().map(change).collect();
            Ok(ObjectChanges { point, is_whole, changes, annexes: Vec::new() })
        })
    }

    fn ended_tenants(&self, since: Timestamp) -> Answer<'_, Vec<EndedTenant>> {
        Box::pin(async move {
            let (by, at) = ("ann".to_owned(), Timestamp::from_millis(1_000));
            let (tenant, name, revision) = (tenant("globex"), "Globex".to_owned(), Revision(self.last() + 1));
            let is_removed = !self.keeps_globex.load(SeqCst);
            let globex = EndedTenant { number: 1, tenant, name, revision, at, by, is_removed };
            Ok((self.has_ended_globex.load(SeqCst) && since <= at).then_some(globex).into_iter().collect())
        })
    }

    fn remove_ended<'a>(&'a self, _: &'a TenantId, _: u32) -> Answer<'a, u64> {
        Box::pin(async move {
            let keeps = self.keeps_globex.load(SeqCst);
            if keeps { Err(StoreError::Invalid("a test".to_owned())) } else { Ok(0) }
        })
    }

    fn versioned<'a>(&'a self, _: &'a TenantId) -> Answer<'a, Option<VersionedObjects>> {
        Box::pin(async move {
            self.whole_reads.fetch_add(1, SeqCst);
            let last = self.states.lock().unwrap().last().cloned();
            let point = self.point_at(self.last());
            Ok(last.map(|objects| VersionedObjects { point, objects, revisions: HashMap::new() }))
        })
    }
    fn find_versioned<'a>(&'a self, _: &'a TenantId, _: &'a ObjectKey) -> Answer<'a, Option<(Revision, Object)>> {
        Box::pin(async { Err(StoreError::Invalid("it is read alone".to_owned())) })
    }
    fn history<'a>(&'a self, _: &'a TenantId, _: &'a HistoryPage) -> Answer<'a, Vec<HistoryEntry>> {
        Box::pin(async { Err(StoreError::Invalid("it is read alone".to_owned())) })
    }
    fn entry_at<'a>(&'a self, _: &'a TenantId, _: &'a ObjectKey, _: Revision) -> Answer<'a, Option<HistoryEntry>> {
        Box::pin(async { Err(StoreError::Invalid("it is read alone".to_owned())) })
    }
    fn prune_history<'a>(&'a self, of: &'a TenantId, _: Timestamp, at_most: u32) -> Answer<'a, u64> {
        Box::pin(async move {
            if let Some(why) = self.why.filter(|_| of.as_str() == "acme") {
                return Err(why());
            }
            self.asked_to_prune.fetch_add(1, SeqCst);
            let count = self.old_entries.load(SeqCst).min(at_most.into());
            self.old_entries.fetch_sub(count, SeqCst);
            Ok(count)
        })
    }
    fn request<'a>(&'a self, _: &'a TenantId, _: &'a str, _: &'a str, _: Timestamp) -> Answer<'a, Vec<HistoryEntry>> {
        Box::pin(async { Err(StoreError::Invalid("it is read alone".to_owned())) })
    }
}
