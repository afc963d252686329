//! The persistent objects of a tenant: SQLite or PostgreSQL, one table per kind.

use std::collections::HashMap;
use std::fmt;

use contracts::provisioning::{Object, ObjectAnnex, ObjectKey, ObjectKind, TenantObjects};
use model::{TenantId, Timestamp};

use crate::{Answer, SecretSeals, TenantLife};

/// The revision of a tenant's configuration: grows by one with each update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Revision(pub u64);

/// What tells a revision from the same number in another history: a tenant that was restored, or made anew, counts on from an earlier
/// number. It is random, never the same for two revisions, and above 0; 0 stands for one that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct HistoryStamp(pub u64);

impl HistoryStamp {
    /// That of a revision that a release without stamps has written or told.
    pub const UNKNOWN: Self = Self(0);

    /// Whether it is known.
    pub const fn is_known(self) -> bool {
        self.0 != 0
    }
}

/// A point of a tenant's history. The default is the one before its first revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct HistoryPoint {
    /// The revision.
    pub revision: Revision,
    /// What tells it from the same revision of another history.
    pub stamp: HistoryStamp,
}

impl HistoryPoint {
    /// A revision of which nothing else is known: it is taken for one of the present history.
    pub const fn unstamped(revision: Revision) -> Self {
        Self { revision, stamp: HistoryStamp::UNKNOWN }
    }
}

/// One object's change, as it is asked for.
#[allow(clippy::large_enum_variant, reason = "deletions are few; a box would cost each put an allocation")]
#[derive(Clone, Debug, PartialEq)]
pub enum ObjectChange {
    /// It is new or replaced. What it has besides the fields of its kind stays.
    Put(Object),
    /// What an object that is there, or is put beside this, has besides the fields of its kind: this, or nothing if it is empty.
    Annex(ObjectKey, ObjectAnnex),
    /// It is deleted, with its annex.
    Delete(ObjectKey),
}

impl ObjectChange {
    /// The object.
    pub fn key(&self) -> ObjectKey {
        match self {
            Self::Put(object) => object.key(),
            Self::Annex(key, _) | Self::Delete(key) => key.clone(),
        }
    }
}

/// What has become of an object, as those are told who follow a tenant. What it has besides the fields of its kind is told beside it.
#[allow(clippy::large_enum_variant, reason = "deletions are few; a box would cost each put an allocation")]
#[derive(Clone, Debug, PartialEq)]
pub enum ToldChange {
    /// It is there, so.
    Put(Object),
    /// It is not there.
    Delete(ObjectKey),
}

impl ToldChange {
    /// The object.
    pub fn key(&self) -> ObjectKey {
        match self {
            Self::Put(object) => object.key(),
            Self::Delete(key) => key.clone(),
        }
    }
}

/// The changes since a point of a history.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectChanges {
    /// The point after them.
    pub point: HistoryPoint,
    /// Whether these are all objects of the tenant: whoever asks has another history, or nothing, and drops what is not among them.
    pub is_whole: bool,
    /// The objects as they are now, each once.
    pub changes: Vec<ToldChange>,
    /// What those have besides the fields of their kinds that have something: the others have nothing.
    pub annexes: Vec<(ObjectKey, ObjectAnnex)>,
}

/// An object with all that is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundObject {
    /// The revision that has changed it last.
    pub revision: Revision,
    /// The object.
    pub object: Object,
    /// What it has besides the fields of its kind.
    pub annex: ObjectAnnex,
}

/// By which way the configuration was changed. The names stay: tables, backups and programs of others have them (docs/provisioning.md).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ChangeWay {
    /// A whole tenant's file.
    Import,
    /// Single objects, by a program at port 8888 itself, or by a person who chooses another password.
    Grpc,
    /// Single objects, by a page of Agent Setup.
    Page,
    /// Single objects, by a program that asks agent-setup.
    Rest,
    /// People, by a provisioning agent (SCIM).
    Scim,
    /// Single objects, by the command line.
    CommandLine,
    /// A whole tenant, put back from a snapshot.
    Snapshot,
    /// A whole tenant, put back from a backup.
    Backup,
    /// Nothing was changed: the secrets of a whole tenant were shown in clear.
    Reveal,
    /// A way that a later release has, by its name there.
    Other(String),
}

impl ChangeWay {
    /// Those by which this release changes objects.
    pub const ALL: [Self; 9] = [
        Self::Import,
        Self::Grpc,
        Self::Page,
        Self::Rest,
        Self::Scim,
        Self::CommandLine,
        Self::Snapshot,
        Self::Backup,
        Self::Reveal,
    ];

    /// Its name in tables and backups.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Import => "import",
            Self::Grpc => "grpc",
            Self::Page => "page",
            Self::Rest => "rest",
            Self::Scim => "scim",
            Self::CommandLine => "command_line",
            Self::Snapshot => "snapshot",
            Self::Backup => "backup",
            Self::Reveal => "reveal",
            Self::Other(name) => name,
        }
    }

    /// The way of that name in a table or a backup.
    pub fn named(name: String) -> Self {
        Self::ALL.into_iter().find(|way| way.as_str() == name).unwrap_or(Self::Other(name))
    }
}

/// Its name in answers: one of ten.
impl fmt::Display for ChangeWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(_) => f.write_str("other"),
            known => f.write_str(known.as_str()),
        }
    }
}

/// From where a change came. None of it is known of a command, nor of a change that a release before has noted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ChangeOrigin {
    /// The client to which the caller's token was issued.
    pub client: Option<String>,
    /// The sign-in from which the token came (`sid`): a browser's session, a sign-in at a program, or the id of an API key.
    pub session: Option<String>,
    /// The address; of IPv6 the network of a host (/64).
    pub source: Option<String>,
}

/// Who changes objects, when, from where, and by which way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeNote {
    /// Who: the subject of a token, or the user of this machine.
    pub by: String,
    /// By which way.
    pub way: ChangeWay,
    /// From where.
    pub origin: ChangeOrigin,
    /// When.
    pub at: Timestamp,
    /// The key under which the caller may repeat the same batch.
    pub request: Option<String>,
}

/// A tenant's objects, each with the revision that has changed it last.
#[derive(Clone, Debug, PartialEq)]
pub struct VersionedObjects {
    /// The point of the tenant's history.
    pub point: HistoryPoint,
    /// Its objects.
    pub objects: TenantObjects,
    /// The revision of each object.
    pub revisions: HashMap<ObjectKey, Revision>,
}

/// What happened to one object at one revision. Its documents are JSON without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// Its place in the history: a later change has a higher one.
    pub number: u64,
    /// The revision of the tenant that it led to.
    pub revision: Revision,
    /// Who, when, by which way, and by which repeatable batch.
    pub note: ChangeNote,
    /// The object.
    pub key: ObjectKey,
    /// The object before; none if it was not there.
    pub before: Option<String>,
    /// The object after; none if it was deleted.
    pub after: Option<String>,
    /// Whether its secrets have changed, which the documents do not show.
    pub secrets_changed: bool,
}

/// A tenant at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantOverview {
    /// Its id.
    pub tenant: TenantId,
    /// The name shown to people.
    pub name: String,
    /// Its revision.
    pub revision: Revision,
    /// The number of its people.
    pub people: u64,
    /// The number of its DNs.
    pub dns: u64,
}

/// A tenant that has ended: what is kept of it beside its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedTenant {
    /// Its place among those that have ended: a later one has a higher one.
    pub number: u64,
    /// Its id. There may be another tenant with it by now.
    pub tenant: TenantId,
    /// The name shown to people.
    pub name: String,
    /// The revision to which its end has led.
    pub revision: Revision,
    /// When it has ended.
    pub at: Timestamp,
    /// Who has ended it.
    pub by: String,
    /// Whether all of its objects are gone from the tables, too.
    pub is_removed: bool,
}

/// A page of the history, the latest change first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryPage {
    /// Of objects of this kind alone.
    pub kind: Option<ObjectKind>,
    /// Of objects with this id alone.
    pub id: Option<String>,
    /// Below this number: that of the last entry of the page before.
    pub below: Option<u64>,
    /// The most entries.
    pub limit: u32,
}

/// The persistent configuration of tenants.
pub trait ProvisioningStore: Send + Sync {
    /// What seals the secrets of its objects: whoever asks the store has them in clear, and whatever leaves the installation has them
    /// sealed. By default nothing, for stores that keep secrets as they are.
    fn seals(&self) -> SecretSeals {
        SecretSeals::default()
    }

    /// The tenants and their revisions.
    fn tenants(&self) -> Answer<'_, Vec<(TenantId, Revision)>>;

    /// The tenants at a glance, in the order of their ids.
    fn overviews(&self) -> Answer<'_, Vec<TenantOverview>> {
        Box::pin(async move {
            let mut all = Vec::new();
            for (tenant, _) in self.tenants().await? {
                if let Some((revision, objects)) = self.load(&tenant).await? {
                    let (people, dns) = (objects.people.len() as u64, objects.dns.len() as u64);
                    all.push(TenantOverview { tenant, name: objects.tenant.name, revision, people, dns });
                }
            }
            Ok(all)
        })
    }

    /// The host names at which tenants are meant, each with its tenant.
    fn hosts(&self) -> Answer<'_, Vec<(String, TenantId)>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Which tenant of its id it is; none if it does not exist.
    fn life<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Option<TenantLife>> {
        Box::pin(async move { Ok(self.revision(tenant).await?.map(|_| TenantLife::default())) })
    }

    /// A tenant's revision; none if it does not exist.
    fn revision<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Option<Revision>> {
        Box::pin(async move {
            let tenants = self.tenants().await?;
            Ok(tenants.into_iter().find(|(id, _)| id == tenant).map(|(_, revision)| revision))
        })
    }

    /// The tenants and the points of their histories.
    fn points(&self) -> Answer<'_, Vec<(TenantId, HistoryPoint)>> {
        Box::pin(async move {
            let tenants = self.tenants().await?;
            Ok(tenants.into_iter().map(|(id, revision)| (id, HistoryPoint::unstamped(revision))).collect())
        })
    }

    /// The point of a tenant's history; none if it does not exist.
    fn point<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Option<HistoryPoint>> {
        Box::pin(async move { Ok(self.revision(tenant).await?.map(HistoryPoint::unstamped)) })
    }

    /// All objects of a tenant; none if it does not exist.
    fn load<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Option<(Revision, TenantObjects)>>;

    /// One object; none if it, or the tenant, does not exist. People, places and clients are found without regard to case. They and DNs
    /// are found without reading the whole tenant: somebody who signs in waits for it.
    fn find<'a>(&'a self, tenant: &'a TenantId, key: &'a ObjectKey) -> Answer<'a, Option<Object>> {
        Box::pin(async move {
            let loaded = self.load(tenant).await?;
            let is_meant = |object: &Object| object.key().folded() == key.folded();
            Ok(loaded.and_then(|(_, objects)| objects.objects().find(is_meant)))
        })
    }

    /// All objects of a tenant, each with its revision; none if it does not exist.
    fn versioned<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Option<VersionedObjects>>;

    /// One object with the revision that has changed it last; found as by [`Self::find`].
    fn find_versioned<'a>(&'a self, tenant: &'a TenantId, key: &'a ObjectKey)
    -> Answer<'a, Option<(Revision, Object)>>;

    /// The same with what it has besides the fields of its kind, both as they are at one moment. By default nothing, for stores that keep
    /// no such thing.
    fn find_annexed<'a>(&'a self, tenant: &'a TenantId, key: &'a ObjectKey) -> Answer<'a, Option<FoundObject>> {
        Box::pin(async move {
            let found = self.find_versioned(tenant, key).await?;
            Ok(found.map(|(revision, object)| FoundObject { revision, object, annex: ObjectAnnex::default() }))
        })
    }

    /// The objects of a kind of which a tenant has few; none if there is no such tenant.
    fn of_kind<'a>(&'a self, tenant: &'a TenantId, kind: ObjectKind) -> Answer<'a, Vec<Object>> {
        Box::pin(async move {
            let loaded = self.load(tenant).await?;
            let objects = loaded.iter().flat_map(|(_, objects)| objects.objects());
            Ok(objects.filter(|object| object.key().kind == kind).collect())
        })
    }

    /// The bytes of a tenant's documents of a kind whose objects are kept as one document each, for whoever decides how to read them; 0 if
    /// there are none.
    fn document_bytes<'a>(&'a self, tenant: &'a TenantId, kind: ObjectKind) -> Answer<'a, u64> {
        Box::pin(async move {
            let objects = self.of_kind(tenant, kind).await?;
            let bytes: usize = objects.iter().map(|object| object.to_json().len()).sum();
            Ok(u64::try_from(bytes).unwrap_or(u64::MAX))
        })
    }

    /// Changes objects, all or none, and notes who has done it, in the same transaction. For a tenant that does not exist yet, `expected`
    /// is 0.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] when the tenant is at another revision; [`crate::StoreError::Invalid`] when a constraint of
    /// the tables is violated (a name that is taken, a reference to nothing).
    fn update<'a>(
        &'a self,
        tenant: &'a TenantId,
        expected: Revision,
        changes: Vec<ObjectChange>,
        note: &'a ChangeNote,
    ) -> Answer<'a, Revision>;

    /// Notes in the history that the secrets of the whole tenant were shown; it changes nothing. By default nowhere, for stores without a
    /// history.
    ///
    /// # Errors
    /// [`crate::StoreError::Missing`] when there is no such tenant.
    fn note_reveal<'a>(&'a self, tenant: &'a TenantId, note: &'a ChangeNote) -> Answer<'a, ()> {
        let _ = (tenant, note);
        Box::pin(async { Ok(()) })
    }

    /// What happened to the tenant's objects; of a tenant that is not there, what is kept of those that had its id.
    fn history<'a>(&'a self, tenant: &'a TenantId, page: &'a HistoryPage) -> Answer<'a, Vec<HistoryEntry>>;

    /// The entry that says how an object stood at a revision: the last one up to it; else the first one after it, whose `before` says so.
    /// None if the history does not know the object.
    fn entry_at<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a ObjectKey,
        at: Revision,
    ) -> Answer<'a, Option<HistoryEntry>>;

    /// The revision that has made each folder last, or [`Self::pruned_revision`] if higher: its entry may be gone. By default of none.
    fn folders_since<'a>(&'a self, tenant: &'a TenantId, paths: &'a [String]) -> Answer<'a, HashMap<String, Revision>> {
        let _ = (tenant, paths);
        Box::pin(async { Ok(HashMap::new()) })
    }

    /// The highest revision of which entries of the history were removed; 0 if none were. How an object stood at an earlier one is not
    /// known, unless it has not changed since.
    fn pruned_revision<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Revision> {
        let _ = tenant;
        Box::pin(async { Ok(Revision::default()) })
    }

    /// Removes entries of the tenant's history from before that time, the oldest first and at most so many; says how many. Younger ones
    /// stay wherever they stand, as of a clock that was wrong, and keep none from going.
    fn prune_history<'a>(&'a self, tenant: &'a TenantId, before: Timestamp, at_most: u32) -> Answer<'a, u64> {
        let _ = (tenant, before, at_most);
        Box::pin(async { Ok(0) })
    }

    /// What a caller's batch with this key has changed since then; nothing if there was none.
    fn request<'a>(
        &'a self,
        tenant: &'a TenantId,
        by: &'a str,
        request: &'a str,
        since: Timestamp,
    ) -> Answer<'a, Vec<HistoryEntry>>;

    /// A generation of the tenant's published configuration: `at_least` that, and above all that were given before. The cache may be
    /// emptied and clocks may be set back; readers take a lower generation for an older state.
    fn next_generation<'a>(&'a self, tenant: &'a TenantId, at_least: u64) -> Answer<'a, u64>;

    /// The highest generation that was given; 0 if none was.
    fn generation<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, u64>;

    /// Ends a tenant that is at that revision, and notes who has done it: from then on nobody finds it, its API keys are revoked, and an entry
    /// of its history says so. The history and what is noted of signing in stay for their time, and a later tenant of that id has nothing of
    /// them. None if there is no such tenant. What is left of it goes by [`Self::remove_ended`]; before that no tenant of its id can be made.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] when the tenant is at another revision.
    fn end_tenant<'a>(
        &'a self,
        tenant: &'a TenantId,
        expected: Revision,
        note: &'a ChangeNote,
    ) -> Answer<'a, Option<EndedTenant>> {
        let _ = (tenant, expected, note);
        Box::pin(async { Err(crate::StoreError::Invalid("this store ends no tenant".to_owned())) })
    }

    /// Removes rows of a tenant that has ended, about so many, and says how many; 0 if none is left. Snapshots go with them, passkeys too.
    fn remove_ended<'a>(&'a self, tenant: &'a TenantId, at_most: u32) -> Answer<'a, u64> {
        let _ = (tenant, at_most);
        Box::pin(async { Ok(0) })
    }

    /// The tenants that have ended at that time and later, the latest first; at most [`crate::bounds::ENDED_TENANTS_MAX`].
    fn ended_tenants(&self, since: Timestamp) -> Answer<'_, Vec<EndedTenant>> {
        let _ = since;
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Forgets the tenants that ended before that time, if neither objects nor history of them are left; says how many.
    fn forget_ended(&self, before: Timestamp) -> Answer<'_, u64> {
        let _ = before;
        Box::pin(async { Ok(0) })
    }

    /// The changes after `since`; all objects if the tenant's history has no such point, or does not know it any more. A point without a
    /// known stamp counts as one of this history.
    fn changes<'a>(&'a self, tenant: &'a TenantId, since: HistoryPoint) -> Answer<'a, ObjectChanges>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_ways_stay_and_one_of_a_later_release_is_kept() {
        let names = ["import", "grpc", "page", "rest", "scim", "command_line", "snapshot", "backup", "reveal"];
        assert_eq!(ChangeWay::ALL.map(|way| way.to_string()), names);
        for name in names.into_iter().chain(["telepathy", "other"]) {
            let way = ChangeWay::named(name.to_owned());
            assert_eq!(way.as_str(), name);
            assert_eq!(way.to_string() == "other", !names.contains(&name), "{name}");
        }
    }
}
