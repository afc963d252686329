//! The persistent configuration in tables. It is written once for all databases, which only run statements and return rows.
//!
//! The statements are plain enough for SQLite and PostgreSQL alike; a `?` stands for each value. Where the databases differ (types of
//! columns, locks, how two writers take turns), the difference is in their own modules and schemas.

mod annexes;
mod api_keys;
mod applications;
mod archive;
mod audit_outbox;
mod by_names;
mod cleared;
mod dialling;
mod documents;
mod find;
mod gathered;
mod history;
mod kind_tables;
mod later_fields;
mod life;
mod passkeys;
mod people;
mod people_imports;
mod personal_records;
mod prompt_audio;
mod prompt_rows;
mod read;
mod revisions;
mod sealing;
mod shifts;
mod sign_in;
mod sign_in_audit;
mod snapshots;
mod statement;
mod tenant_standing;
mod write;

use std::collections::{HashMap, HashSet};

use contracts::provisioning::{Object, ObjectKey, ObjectKind};
use futures::FutureExt as _;
use infra::{
    Answer, ChangeNote, EndedTenant, FoundObject, HistoryEntry, HistoryPage, HistoryPoint, ObjectChange, ObjectChanges,
    ProvisioningStore, Result, Revision, SecretSeals, SnapshotHead, StoreError, TenantLife, TenantOverview, ToldChange,
    VersionedObjects,
};
use model::{TenantId, Timestamp};

pub(crate) use statement::converted;
pub use statement::{Field, Row, Statement};
use statement::{FromField, query};

/// A database.
pub trait Dialect: Send + Sync + 'static {
    /// Begins to read: the turn reads one consistent snapshot.
    fn reads(&self) -> Answer<'_, Box<dyn OpenTurn>>;

    /// Begins to write: no other writer changes the tenant until the turn is over.
    fn writes<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Box<dyn OpenTurn>>;

    /// Begins to write what belongs to no tenant's configuration: no writer of one is waited for, where the database knows rows.
    fn appends(&self) -> Answer<'_, Box<dyn OpenTurn>>;
}

/// Runs statements within a transaction.
pub trait Turn: Send {
    /// Runs a statement and returns the number of affected rows.
    fn run(&mut self, statement: Statement) -> Answer<'_, u64>;

    /// Runs a query.
    fn rows(&mut self, statement: Statement) -> Answer<'_, Vec<Row>>;
}

/// A transaction. Dropped without a commit, it changes nothing.
pub trait OpenTurn: Turn {
    /// Commits it.
    fn commit(self: Box<Self>) -> Answer<'static, ()>;
}

/// The persistent configuration in the tables of a database, and what seals the secrets in it.
#[derive(Clone, Debug)]
pub struct Tables<D>(pub(crate) D, pub(crate) SecretSeals);

/// Up to so many changed objects are found by their names; of more the whole tenant is read. A request changes 500 at most, each of which
/// may have an annex that changes, too.
const FOUND_EACH_MAX: usize = 1_024;

impl<D: Dialect> Tables<D> {
    /// Changes a tenant, and notes that, with the snapshot of which it comes, if it does.
    fn changed<'a>(
        &'a self,
        tenant: &'a TenantId,
        expected: Revision,
        changes: Vec<ObjectChange>,
        note: &'a ChangeNote,
        restored: Option<&'a SnapshotHead>,
    ) -> Answer<'a, Revision> {
        async move {
            let mut turn = self.0.writes(tenant).await?;
            let actual = revisions::of_tenant(&mut *turn, tenant).await?.unwrap_or_default();
            if actual != expected {
                let key = format!("configuration of {tenant}");
                return Err(StoreError::Conflict { key, expected: expected.0, actual: actual.0 });
            }
            let changes = sealing::changes(&self.1, &mut *turn, tenant, changes).await?;
            let is_new = actual == Revision(0);
            if is_new {
                tenant_standing::expect_gone(&mut *turn, tenant).await?;
            }
            let revision = Revision(actual.0 + 1);
            let happened = history::of(&mut *turn, tenant, actual, &changes).await?;
            let clients = api_keys::clients_deleted(&changes);
            let new = history::new_objects(&happened);
            write::changes(&mut *turn, tenant, revision, changes, &|key| new.contains(key)).await?;
            if is_new {
                life::begin(&mut *turn, tenant, None).await?;
            }
            api_keys::revoke_of_clients(&mut *turn, tenant, clients, note).await?;
            history::write(&mut *turn, tenant, revision, note, happened).await?;
            if let Some(head) = restored {
                snapshots::note_restored(&mut *turn, tenant, revision, head, note).await?;
            }
            let point = revisions::stamp(&mut *turn, tenant, revision).await?;
            self.commit_to(turn, tenant, point).await?;
            Ok(revision)
        }
        .boxed()
    }

    /// Commits a turn that brings a tenant's history to a point. If no answer comes, the tables tell whether it is there: who looks takes
    /// turns with the writer, so that no commit is on its way any more.
    async fn commit_to(&self, turn: Box<dyn OpenTurn>, tenant: &TenantId, point: HistoryPoint) -> Result<()> {
        let done = turn.commit().await;
        if !matches!(done, Err(StoreError::Unavailable { .. })) {
            return done;
        }
        let looked = async {
            let mut turn = self.0.writes(tenant).await?;
            revisions::has(&mut *turn, tenant, point).await
        };
        match looked.await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => done,
        }
    }
}

// === impl ProvisioningStore ===

impl<D: Dialect> ProvisioningStore for Tables<D> {
    fn seals(&self) -> SecretSeals {
        self.1.clone()
    }

    fn tenants(&self) -> Answer<'_, Vec<(TenantId, Revision)>> {
        async move {
            let mut turn = self.0.reads().await?;
            let rows = turn.rows(query("SELECT id, revision FROM tenant WHERE ended_ms IS NULL ORDER BY id")).await?;
            rows.iter().map(|row| Ok((tenant_id(&row.text("id")?)?, revision_of(row.get("revision")?)))).collect()
        }
        .boxed()
    }

    fn overviews(&self) -> Answer<'_, Vec<TenantOverview>> {
        async move { life::overviews(&mut *self.0.reads().await?).await }.boxed()
    }

    fn hosts(&self) -> Answer<'_, Vec<(String, TenantId)>> {
        async move { sign_in::hosts(&mut *self.0.reads().await?).await }.boxed()
    }

    fn life<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Option<TenantLife>> {
        async move { tenant_standing::life(&mut *self.0.reads().await?, tenant).await }.boxed()
    }

    fn revision<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Option<Revision>> {
        async move { revisions::of_tenant(&mut *self.0.reads().await?, tenant).await }.boxed()
    }

    fn points(&self) -> Answer<'_, Vec<(TenantId, HistoryPoint)>> {
        async move { revisions::points(&mut *self.0.reads().await?).await }.boxed()
    }

    fn point<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Option<HistoryPoint>> {
        async move { revisions::point(&mut *self.0.reads().await?, tenant).await }.boxed()
    }

    fn load<'a>(
        &'a self,
        tenant: &'a TenantId,
    ) -> Answer<'a, Option<(Revision, contracts::provisioning::TenantObjects)>> {
        async move {
            let mut turn = self.0.reads().await?;
            let Some(revision) = revisions::of_tenant(&mut *turn, tenant).await? else { return Ok(None) };
            let objects = read::objects(&mut *turn, tenant).await?;
            let objects = sealing::all_opened(&self.1, tenant, objects).await?;
            Ok(Some((revision, objects)))
        }
        .boxed()
    }

    fn find<'a>(&'a self, tenant: &'a TenantId, key: &'a ObjectKey) -> Answer<'a, Option<Object>> {
        async move {
            let mut turn = self.0.reads().await?;
            if tenant_standing::is_leaving(&mut *turn, tenant).await? {
                return Ok(None);
            }
            let found = find::find(&mut *turn, tenant, key).await?;
            Ok(found.map(|object| sealing::opened(&self.1, tenant, object)))
        }
        .boxed()
    }

    fn versioned<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Option<VersionedObjects>> {
        async move {
            let mut turn = self.0.reads().await?;
            let Some(point) = revisions::point(&mut *turn, tenant).await? else { return Ok(None) };
            let objects = read::objects(&mut *turn, tenant).await?;
            let objects = sealing::all_opened(&self.1, tenant, objects).await?;
            let mut revisions = revisions::of_objects(&mut *turn, tenant).await?;
            let present: HashSet<ObjectKey> = objects.objects().map(|object| object.key()).collect();
            revisions.retain(|key, _| present.contains(key));
            Ok(Some(VersionedObjects { point, objects, revisions }))
        }
        .boxed()
    }

    fn find_versioned<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a ObjectKey,
    ) -> Answer<'a, Option<(Revision, Object)>> {
        async move {
            let mut turn = self.0.reads().await?;
            if tenant_standing::is_leaving(&mut *turn, tenant).await? {
                return Ok(None);
            }
            let Some(object) = find::find(&mut *turn, tenant, key).await? else { return Ok(None) };
            let revision = revisions::of_object(&mut *turn, tenant, &object.key()).await?;
            Ok(Some((revision, sealing::opened(&self.1, tenant, object))))
        }
        .boxed()
    }

    fn find_annexed<'a>(&'a self, tenant: &'a TenantId, key: &'a ObjectKey) -> Answer<'a, Option<FoundObject>> {
        async move {
            let mut turn = self.0.reads().await?;
            let Some(object) = find::find(&mut *turn, tenant, key).await? else { return Ok(None) };
            let key = object.key();
            let revision = revisions::of_object(&mut *turn, tenant, &key).await?;
            let annex = annexes::find(&mut *turn, tenant, &key).await?.unwrap_or_default();
            Ok(Some(FoundObject { revision, object: sealing::opened(&self.1, tenant, object), annex }))
        }
        .boxed()
    }

    fn of_kind<'a>(&'a self, tenant: &'a TenantId, kind: ObjectKind) -> Answer<'a, Vec<Object>> {
        async move {
            let mut turn = self.0.reads().await?;
            if documents::are(kind) {
                return documents::of_kind(&mut *turn, tenant, kind).await;
            }
            if revisions::of_tenant(&mut *turn, tenant).await?.is_none() {
                return Ok(Vec::new());
            }
            let objects = read::objects(&mut *turn, tenant).await?;
            let wanted = objects.objects().filter(|object| object.key().kind == kind);
            Ok(wanted.map(|object| sealing::opened(&self.1, tenant, object)).collect())
        }
        .boxed()
    }

    fn document_bytes<'a>(&'a self, tenant: &'a TenantId, kind: ObjectKind) -> Answer<'a, u64> {
        async move { documents::bytes(&mut *self.0.reads().await?, tenant, kind).await }.boxed()
    }

    fn update<'a>(
        &'a self,
        tenant: &'a TenantId,
        expected: Revision,
        changes: Vec<ObjectChange>,
        note: &'a ChangeNote,
    ) -> Answer<'a, Revision> {
        self.changed(tenant, expected, changes, note, None)
    }

    fn note_reveal<'a>(&'a self, tenant: &'a TenantId, note: &'a ChangeNote) -> Answer<'a, ()> {
        async move {
            let mut turn = self.0.writes(tenant).await?;
            history::note_reveal(&mut *turn, tenant, note).await?;
            turn.commit().await
        }
        .boxed()
    }

    fn history<'a>(&'a self, tenant: &'a TenantId, page: &'a HistoryPage) -> Answer<'a, Vec<HistoryEntry>> {
        async move { history::page(&mut *self.0.reads().await?, tenant, page).await }.boxed()
    }

    fn entry_at<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a ObjectKey,
        at: Revision,
    ) -> Answer<'a, Option<HistoryEntry>> {
        async move { history::entry_at(&mut *self.0.reads().await?, tenant, key, at).await }.boxed()
    }

    fn folders_since<'a>(&'a self, tenant: &'a TenantId, paths: &'a [String]) -> Answer<'a, HashMap<String, Revision>> {
        async move { history::folders_since(&mut *self.0.reads().await?, tenant, paths).await }.boxed()
    }

    fn pruned_revision<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Revision> {
        async move { history::pruned(&mut *self.0.reads().await?, tenant).await }.boxed()
    }

    fn prune_history<'a>(&'a self, tenant: &'a TenantId, before: Timestamp, at_most: u32) -> Answer<'a, u64> {
        async move {
            // Most tenants have nothing that old: no writer waits while that is found.
            if !history::has_old(&mut *self.0.reads().await?, tenant, before).await? {
                return Ok(0);
            }
            let mut turn = self.0.writes(tenant).await?;
            let count = history::prune(&mut *turn, tenant, before, at_most).await?;
            turn.commit().await?;
            Ok(count)
        }
        .boxed()
    }

    fn request<'a>(
        &'a self,
        tenant: &'a TenantId,
        by: &'a str,
        request: &'a str,
        since: Timestamp,
    ) -> Answer<'a, Vec<HistoryEntry>> {
        async move { history::request(&mut *self.0.reads().await?, tenant, (by, request), since).await }.boxed()
    }

    fn next_generation<'a>(&'a self, tenant: &'a TenantId, at_least: u64) -> Answer<'a, u64> {
        async move {
            let mut turn = self.0.writes(tenant).await?;
            let sql = "INSERT INTO published (tenant, generation) VALUES (?, ?) ON CONFLICT (tenant) DO UPDATE SET
                generation = CASE WHEN excluded.generation > published.generation THEN excluded.generation
                ELSE published.generation + 1 END";
            let at_least = i64::try_from(at_least).unwrap_or(i64::MAX);
            turn.run(query(sql).bind(tenant.as_str()).bind(at_least)).await?;
            let read = query("SELECT generation FROM published WHERE tenant = ?").bind(tenant.as_str());
            let rows = turn.rows(read).await?;
            let row = rows.first().ok_or_else(|| StoreError::Missing { key: format!("generation of {tenant}") })?;
            let generation = row.get::<i64>("generation")?;
            turn.commit().await?;
            Ok(u64::try_from(generation).unwrap_or_default())
        }
        .boxed()
    }

    fn generation<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, u64> {
        async move {
            let mut turn = self.0.reads().await?;
            let read = query("SELECT generation FROM published WHERE tenant = ?").bind(tenant.as_str());
            let rows = turn.rows(read).await?;
            let generation = rows.first().map(|row| row.get::<i64>("generation")).transpose()?;
            Ok(generation.and_then(|generation| u64::try_from(generation).ok()).unwrap_or_default())
        }
        .boxed()
    }

    fn end_tenant<'a>(
        &'a self,
        tenant: &'a TenantId,
        expected: Revision,
        note: &'a ChangeNote,
    ) -> Answer<'a, Option<EndedTenant>> {
        async move {
            let mut turn = self.0.writes(tenant).await?;
            let ended = life::end(&mut *turn, tenant, expected, note).await?;
            turn.commit().await?;
            Ok(ended)
        }
        .boxed()
    }

    fn remove_ended<'a>(&'a self, tenant: &'a TenantId, at_most: u32) -> Answer<'a, u64> {
        async move {
            let mut turn = self.0.writes(tenant).await?;
            let count = life::remove(&mut *turn, tenant, at_most).await?;
            turn.commit().await?;
            Ok(count)
        }
        .boxed()
    }

    fn ended_tenants(&self, since: Timestamp) -> Answer<'_, Vec<EndedTenant>> {
        async move { life::ended(&mut *self.0.reads().await?, since).await }.boxed()
    }

    fn forget_ended(&self, before: Timestamp) -> Answer<'_, u64> {
        async move {
            let mut turn = self.0.appends().await?;
            let count = life::forget(&mut *turn, before).await?;
            turn.commit().await?;
            Ok(count)
        }
        .boxed()
    }

    fn changes<'a>(&'a self, tenant: &'a TenantId, since: HistoryPoint) -> Answer<'a, ObjectChanges> {
        async move {
            let mut turn = self.0.reads().await?;
            let point = revisions::point(&mut *turn, tenant).await?;
            let point = point.ok_or_else(|| StoreError::Missing { key: format!("tenant {tenant}") })?;
            if !revisions::has_passed(&mut *turn, tenant, since, point).await? {
                let objects = read::objects(&mut *turn, tenant).await?;
                let mut objects = sealing::all_opened(&self.1, tenant, objects).await?;
                let annexes = std::mem::take(&mut objects.annexes).into_iter().collect();
                let changes = objects.objects().map(ToldChange::Put).collect();
                return Ok(ObjectChanges { point, is_whole: true, changes, annexes });
            }
            let keys = revisions::changed_keys(&mut *turn, tenant, since.revision).await?;
            if keys.len() <= FOUND_EACH_MAX {
                let changes = find::each(&mut *turn, tenant, keys).await?;
                let changes = sealing::opened_changes(&self.1, tenant, changes).await?;
                let annexes = annexes::of_put(&mut *turn, tenant, &changes).await?;
                return Ok(ObjectChanges { point, is_whole: false, changes, annexes });
            }
            let objects = read::objects(&mut *turn, tenant).await?;
            let mut held: HashMap<_, _> = objects.objects().map(|object| (object.key(), object)).collect();
            let change = |key| held.remove(&key).map_or_else(|| ToldChange::Delete(key), ToldChange::Put);
            let changes = sealing::opened_changes(&self.1, tenant, keys.into_iter().map(change).collect()).await?;
            let annexes = annexes::of_put(&mut *turn, tenant, &changes).await?;
            Ok(ObjectChanges { point, is_whole: false, changes, annexes })
        }
        .boxed()
    }
}

fn tenant_id(text: &str) -> Result<TenantId> {
    TenantId::parse(text).map_err(|e| StoreError::Corrupt { what: "table tenant".to_owned(), reason: e.to_string() })
}

/// As the tables have it: they have no numbers above those of 63 bits.
fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn revision_of(number: i64) -> Revision {
    Revision(u64::try_from(number).unwrap_or_default())
}

/// The object that a row is about; none if it is of a kind that a later release has: this one has nothing to do with it.
fn key_of(row: &Row) -> Result<Option<ObjectKey>> {
    let Some(kind) = ObjectKind::parse(&row.text("kind")?) else { return Ok(None) };
    Ok(Some(ObjectKey { kind, id: row.text("id")? }))
}

// === errors ===

/// PostgreSQL's character_not_in_repertoire. Texts of Rust are UTF-8, as its own are: the character 0 is all that it can mean.
const NUL_IN_TEXT: &str = "22021";

/// An error of a read, or of the store as a whole.
pub(crate) fn failed(error: &sqlx::Error) -> StoreError {
    if is_full(error) {
        return StoreError::DiskFull { what: "the configuration".to_owned() };
    }
    if is_coded(error, NUL_IN_TEXT) {
        return StoreError::NulInText;
    }
    // PostgreSQL's undefined_table: no process was ever started with this database.
    if is_coded(error, "42P01") {
        return StoreError::Missing { key: "the tables of the configuration".to_owned() };
    }
    StoreError::Unavailable { reason: error.to_string() }
}

/// An error of a write: a violated constraint of the tables is the caller's fault.
pub(crate) fn refused(error: &sqlx::Error) -> StoreError {
    let broken = error
        .as_database_error()
        .filter(|e| e.is_unique_violation() || e.is_foreign_key_violation() || e.is_check_violation());
    match broken {
        Some(broken) => StoreError::Invalid(broken.message().to_owned()),
        // PostgreSQL's cardinality_violation: rows that were inserted together have the same key.
        None if is_coded(error, "21000") => {
            StoreError::Invalid("two of the objects have names that are one name in this database".to_owned())
        }
        None => failed(error),
    }
}

/// SQLITE_FULL (13); PostgreSQL's disk_full (53100).
fn is_full(error: &sqlx::Error) -> bool {
    is_coded(error, "13") || is_coded(error, "53100")
}

fn is_coded(error: &sqlx::Error, wanted: &str) -> bool {
    error.as_database_error().and_then(|e| e.code()).is_some_and(|code| code == wanted)
}
