//! SQLite (WAL, one writer): the persistent configuration of a small site.

mod read;
mod write;

use std::borrow::Cow;
use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use contracts::provisioning::{ObjectKind, TenantObjects};
use futures::FutureExt;
use infra::{Answer, ObjectChange, ObjectChanges, ProvisioningStore, Result, Revision, StoreError};
use model::TenantId;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row, SqlSafeStr, SqlitePool};

/// How long a statement waits for another process that writes (an import beside a running installation).
const BUSY: Duration = Duration::from_secs(5);

/// Readers at once. Writers take turns by themselves: a write begins with `BEGIN IMMEDIATE`.
const CONNECTIONS_MAX: u32 = 4;

/// The persistent configuration in one SQLite file.
#[derive(Clone, Debug)]
pub struct SqliteProvisioning {
    pool: SqlitePool,
}

impl SqliteProvisioning {
    /// Opens the file, makes it if it is not there, and brings its tables up to date.
    ///
    /// # Errors
    /// When the file cannot be opened or its tables come from a later release.
    pub async fn open(file: &Path) -> Result<Self> {
        for_the_owner_alone(file)
            .map_err(|e| StoreError::Unavailable { reason: format!("{}: {e}", file.display()) })?;
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY);
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS_MAX).connect_with(options).await;
        let pool = pool.map_err(failed)?;
        migrator().run(&pool).await.map_err(|e| StoreError::Unavailable { reason: format!("tables: {e}") })?;
        Ok(Self { pool })
    }

    async fn update_in_turn(
        &self,
        tenant: &TenantId,
        expected: Revision,
        changes: Vec<ObjectChange>,
    ) -> Result<Revision> {
        let mut turn = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let actual = read::revision(&mut turn, tenant).await?.unwrap_or_default();
        if actual != expected {
            return Err(StoreError::Conflict {
                key: format!("configuration of {tenant}"),
                expected: expected.0,
                actual: actual.0,
            });
        }
        let revision = Revision(actual.0 + 1);
        write::changes(&mut turn, tenant, revision, changes).await?;
        turn.commit().await.map_err(refused)?;
        Ok(revision)
    }
}

/// Makes the file if it is not there, and closes it to everybody else: passwords of phones stand in it. What SQLite puts
/// beside it has the same mode.
fn for_the_owner_alone(file: &Path) -> std::io::Result<()> {
    const OWNER_ALONE: u32 = 0o600;
    let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(OWNER_ALONE).open(file)?;
    if opened.metadata()?.permissions().mode() & 0o077 != 0 {
        opened.set_permissions(Permissions::from_mode(OWNER_ALONE))?;
    }
    Ok(())
}

fn migrator() -> Migrator {
    // Once released, a step is never changed: what is new is a step of its own.
    const STEPS: [(&str, &str); 2] =
        [("configuration", include_str!("sqlite/schema.sql")), ("wallboard", include_str!("sqlite/wallboard.sql"))];
    let steps = (1..).zip(STEPS).map(|(number, (name, sql))| {
        let sql = sqlx::AssertSqlSafe(sql).into_sql_str();
        Migration::new(number, Cow::Borrowed(name), MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(steps.collect())
}

impl ProvisioningStore for SqliteProvisioning {
    fn tenants(&self) -> Answer<'_, Vec<(TenantId, Revision)>> {
        async move {
            let rows = sqlx::query("SELECT id, revision FROM tenant ORDER BY id").fetch_all(&self.pool).await;
            let rows = rows.map_err(failed)?;
            rows.iter()
                .map(|row| {
                    let id: String = row.try_get("id").map_err(failed)?;
                    let revision: i64 = row.try_get("revision").map_err(failed)?;
                    Ok((tenant_id(&id)?, revision_of(revision)))
                })
                .collect()
        }
        .boxed()
    }

    fn load<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Option<(Revision, TenantObjects)>> {
        async move {
            let mut turn = self.pool.begin().await.map_err(failed)?;
            let Some(revision) = read::revision(&mut turn, tenant).await? else { return Ok(None) };
            Ok(Some((revision, read::objects(&mut turn, tenant).await?)))
        }
        .boxed()
    }

    fn update<'a>(
        &'a self,
        tenant: &'a TenantId,
        expected: Revision,
        changes: Vec<ObjectChange>,
    ) -> Answer<'a, Revision> {
        self.update_in_turn(tenant, expected, changes).boxed()
    }

    fn changes<'a>(&'a self, tenant: &'a TenantId, since: Revision) -> Answer<'a, ObjectChanges> {
        async move {
            let mut turn = self.pool.begin().await.map_err(failed)?;
            let revision = read::revision(&mut turn, tenant).await?;
            let revision = revision.ok_or_else(|| StoreError::Missing { key: format!("tenant {tenant}") })?;
            let keys = read::changed_keys(&mut turn, tenant, since).await?;
            if keys.is_empty() {
                return Ok(ObjectChanges { revision, changes: Vec::new() });
            }
            let objects = read::objects(&mut turn, tenant).await?;
            let mut held: std::collections::HashMap<_, _> =
                objects.objects().map(|object| (object.key(), object)).collect();
            let change = |key| held.remove(&key).map_or_else(|| ObjectChange::Delete(key), ObjectChange::Put);
            Ok(ObjectChanges { revision, changes: keys.into_iter().map(change).collect() })
        }
        .boxed()
    }
}

fn tenant_id(text: &str) -> Result<TenantId> {
    TenantId::parse(text).map_err(|e| StoreError::Corrupt { what: "table tenant".to_owned(), reason: e.to_string() })
}

fn revision_of(number: i64) -> Revision {
    Revision(u64::try_from(number).unwrap_or_default())
}

fn kind(text: &str) -> Result<ObjectKind> {
    let unknown = || StoreError::Corrupt { what: "table change".to_owned(), reason: format!("kind {text}") };
    ObjectKind::parse(text).ok_or_else(unknown)
}

/// An error of a read, or of the store as a whole.
fn failed(error: sqlx::Error) -> StoreError {
    if is_full(&error) {
        return StoreError::DiskFull { what: "the configuration".to_owned() };
    }
    StoreError::Unavailable { reason: error.to_string() }
}

/// An error of a write: a broken rule of the tables is the caller's.
fn refused(error: sqlx::Error) -> StoreError {
    let broken = error
        .as_database_error()
        .filter(|e| e.is_unique_violation() || e.is_foreign_key_violation() || e.is_check_violation());
    match broken {
        Some(broken) => StoreError::Invalid(broken.message().to_owned()),
        None => failed(error),
    }
}

/// SQLITE_FULL (13).
fn is_full(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|e| e.code()).is_some_and(|code| code == "13")
}
