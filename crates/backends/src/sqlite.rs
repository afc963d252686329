//! SQLite (WAL, one writer): the persistent configuration of a small site.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use futures::FutureExt;
use infra::{Answer, Result, SecretSeals, StoreError};
use model::TenantId;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::query::Query;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Column as _, Row as _, SqlSafeStr, SqlitePool, Transaction, TypeInfo as _, ValueRef as _};

use crate::provisioning::{Dialect, Field, OpenTurn, Row, Statement, Tables, Turn, converted, failed, refused};

/// How long a statement waits for another process that writes (an import beside a running installation).
const BUSY: Duration = Duration::from_secs(5);
/// How long a process that starts waits for others to make the tables, each after the other: dozens of steps on a slow disk.
const OTHERS_START: Duration = Duration::from_secs(60);

/// Interval at which a starting process checks whether the one before it has made the tables.
const TURN_AGAIN: Duration = Duration::from_millis(10);

/// Readers at once. Writers take turns by themselves: a write begins with `BEGIN IMMEDIATE`.
const CONNECTIONS_MAX: u32 = 4;

/// The persistent configuration in one SQLite file.
pub type SqliteProvisioning = Tables<Sqlite>;

/// A SQLite file.
#[derive(Clone, Debug)]
pub struct Sqlite {
    pool: SqlitePool,
}

impl SqliteProvisioning {
    /// Opens the file, creates it if missing, and brings its tables up to date.
    ///
    /// # Errors
    /// When the file cannot be opened or its tables come from a later release.
    pub async fn open(file: &Path) -> Result<Self> {
        infra::embedded::allowed("the configuration in a file")?;
        for_the_owner_alone(file)
            .map_err(|e| StoreError::Unavailable { reason: format!("{}: {e}", file.display()) })?;
        let turn = turn(&file.with_extension("lock")).await;
        let turn = turn.map_err(|e| StoreError::Unavailable { reason: format!("{}: {e}", file.display()) })?;
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // What was replaced or deleted does not stay in the file: secrets in clear of a release before, for one.
            .pragma("secure_delete", "ON")
            .busy_timeout(BUSY);
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS_MAX).connect_with(options).await;
        let pool = pool.map_err(|e| failed(&e))?;
        migrator().run(&pool).await.map_err(|e| StoreError::Unavailable { reason: format!("tables: {e}") })?;
        drop(turn);
        Ok(Self(Sqlite { pool }, SecretSeals::default()))
    }
}

/// The result of [`look`].
pub enum Looked {
    /// The configuration, to be read. Writing is refused.
    Present(SqliteProvisioning),
    /// Its tables are those of an earlier release; [`SqliteProvisioning::open`] would bring them up to date.
    Earlier,
}

/// Opens the file to read it and changes nothing: neither its tables nor its mode. It makes no file beside it that a running
/// installation has not made already.
///
/// # Errors
/// When the file is not there, cannot be read, or its tables come from a later release.
pub async fn look(file: &Path) -> Result<Looked> {
    let beside = file.with_file_name(format!("{}-wal", file.file_name().unwrap_or_default().to_string_lossy()));
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(false)
        .read_only(true)
        // No process has the file open: SQLite then needs no files beside it for shared reads.
        .immutable(!beside.exists())
        .busy_timeout(BUSY);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.map_err(|e| failed(&e))?;
    let steps =
        sqlx::query("SELECT max(version) AS version FROM _sqlx_migrations WHERE success").fetch_one(&pool).await;
    let done: i64 = steps.and_then(|row| row.try_get("version")).map_err(|e| failed(&e))?;
    let known = migrator().iter().map(|step| step.version).max().unwrap_or_default();
    match done.cmp(&known) {
        Ordering::Less => Ok(Looked::Earlier),
        Ordering::Equal => Ok(Looked::Present(Tables(Sqlite { pool }, SecretSeals::default()))),
        Ordering::Greater => {
            let reason = format!("its tables come from a later release (step {done}; this program knows {known})");
            Err(StoreError::Unavailable { reason })
        }
    }
}

/// Creates the file if missing, and closes it to all other users: it contains phones' passwords. Files that SQLite puts
/// beside it get the same mode.
fn for_the_owner_alone(file: &Path) -> std::io::Result<()> {
    const OWNER_ALONE: u32 = 0o600;
    let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(OWNER_ALONE).open(file)?;
    if opened.metadata()?.permissions().mode() & 0o077 != 0 {
        opened.set_permissions(Permissions::from_mode(OWNER_ALONE))?;
    }
    Ok(())
}

/// Processes that start together make the tables one after the other; the turn ends when the file is dropped. It is a file of
/// its own: closing the database's would release SQLite's own locks.
async fn turn(file: &Path) -> std::io::Result<File> {
    let turn = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(file)?;
    let until = tokio::time::Instant::now() + OTHERS_START;
    loop {
        match turn.try_lock() {
            Ok(()) => return Ok(turn),
            Err(TryLockError::WouldBlock) if tokio::time::Instant::now() < until => {
                tokio::time::sleep(TURN_AGAIN).await
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// A released step is never changed: each change is a step of its own.
const STEPS: [(&str, &str); 77] = [
    ("configuration", include_str!("sqlite/schema.sql")),
    ("wallboard", include_str!("sqlite/wallboard.sql")),
    ("outgoing", include_str!("sqlite/outgoing.sql")),
    ("dialling", include_str!("sqlite/dialling.sql")),
    ("agents", include_str!("sqlite/agents.sql")),
    ("trunk accounts", include_str!("sqlite/trunk_accounts.sql")),
    ("call waiting", include_str!("sqlite/call_waiting.sql")),
    ("login password", include_str!("sqlite/login_password.sql")),
    ("call limits", include_str!("sqlite/call_limits.sql")),
    ("early speech", include_str!("sqlite/early_speech.sql")),
    ("direct media", include_str!("sqlite/direct_media.sql")),
    ("trunk options", include_str!("sqlite/trunk_options.sql")),
    ("trunk register", include_str!("sqlite/trunk_register.sql")),
    ("encryption", include_str!("sqlite/encryption.sql")),
    ("routes and limits", include_str!("sqlite/routes_and_limits.sql")),
    ("headers", include_str!("sqlite/headers.sql")),
    ("stir", include_str!("sqlite/stir.sql")),
    ("stir verification", include_str!("sqlite/stir_verification.sql")),
    ("location", include_str!("sqlite/location.sql")),
    ("certificate names", include_str!("sqlite/certificate_names.sql")),
    ("agent limits", include_str!("sqlite/agent_limits.sql")),
    ("trunk codecs", include_str!("sqlite/trunk_codecs.sql")),
    ("trunk dtmf", include_str!("sqlite/trunk_dtmf.sql")),
    ("trunk session", include_str!("sqlite/trunk_session.sql")),
    ("trunk reliable", include_str!("sqlite/trunk_reliable.sql")),
    ("inbound password", include_str!("sqlite/inbound_password.sql")),
    ("sign in", include_str!("sqlite/sign_in.sql")),
    ("change log", include_str!("sqlite/change_log.sql")),
    ("second factor", include_str!("sqlite/second_factor.sql")),
    ("snapshot", include_str!("sqlite/snapshot.sql")),
    ("sign-in audit", include_str!("sqlite/sign_in_audit.sql")),
    ("provider", include_str!("sqlite/provider.sql")),
    ("object document", include_str!("sqlite/object_document.sql")),
    ("history", include_str!("sqlite/history.sql")),
    ("api keys", include_str!("sqlite/api_keys.sql")),
    ("client extras", include_str!("sqlite/client_extras.sql")),
    ("passkey", include_str!("sqlite/passkey.sql")),
    ("capacity rule", include_str!("sqlite/capacity_rule.sql")),
    ("audit", include_str!("sqlite/audit.sql")),
    ("object annex", include_str!("sqlite/object_annex.sql")),
    ("tenant life", include_str!("sqlite/tenant_life.sql")),
    ("hosts", include_str!("sqlite/hosts.sql")),
    ("person fields", include_str!("sqlite/person_fields.sql")),
    ("switches and options", include_str!("sqlite/switches_and_options.sql")),
    ("audit turns", include_str!("sqlite/audit_turns.sql")),
    ("change log of time", include_str!("sqlite/change_log_of_time.sql")),
    ("tenant lives", include_str!("sqlite/tenant_lives.sql")),
    ("person of default place", include_str!("sqlite/person_of_default_place.sql")),
    ("number of dn", include_str!("sqlite/number_of_dn.sql")),
    ("dn of application", include_str!("sqlite/dn_of_application.sql")),
    ("person skill of skill", include_str!("sqlite/person_skill_of_skill.sql")),
    ("dn prompt of prompt", include_str!("sqlite/dn_prompt_of_prompt.sql")),
    ("folders made", include_str!("sqlite/folders_made.sql")),
    ("personal records", include_str!("sqlite/personal_records.sql")),
    ("people import", include_str!("sqlite/people_import.sql")),
    ("people import of tenant", include_str!("sqlite/people_import_of_tenant.sql")),
    ("people import by age", include_str!("sqlite/people_import_by_age.sql")),
    ("people import outcome", include_str!("sqlite/people_import_outcome.sql")),
    ("contacts", include_str!("sqlite/contacts.sql")),
    ("shift", include_str!("sqlite/shift.sql")),
    ("prompt audio", include_str!("sqlite/prompt_audio.sql")),
    ("shared contact", include_str!("sqlite/shared_contact.sql")),
    ("prompt recording", include_str!("sqlite/prompt_recording.sql")),
    ("shared contact by name", include_str!("sqlite/shared_contact_by_name.sql")),
    ("object tables", include_str!("sqlite/object_tables.sql")),
    ("names of people", include_str!("sqlite/names_of_people.sql")),
    ("names of places", include_str!("sqlite/names_of_places.sql")),
    ("names of dns", include_str!("sqlite/names_of_dns.sql")),
    ("names of trunks", include_str!("sqlite/names_of_trunks.sql")),
    ("names of schedules", include_str!("sqlite/names_of_schedules.sql")),
    ("names of applications", include_str!("sqlite/names_of_applications.sql")),
    ("names in documents", include_str!("sqlite/names_in_documents.sql")),
    ("names of ended tenants", include_str!("sqlite/names_of_ended_tenants.sql")),
    ("documents to object tables", include_str!("sqlite/documents_to_object_tables.sql")),
    ("capacity rules of people", include_str!("sqlite/capacity_rules_of_people.sql")),
    ("capacity rules of places", include_str!("sqlite/capacity_rules_of_places.sql")),
    ("switches of dns", include_str!("sqlite/switches_of_dns.sql")),
];

fn migrator() -> Migrator {
    let steps = (1..).zip(STEPS).map(|(number, (name, sql))| {
        let sql = sqlx::AssertSqlSafe(sql).into_sql_str();
        Migration::new(number, Cow::Borrowed(name), MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(steps.collect())
}

// === impl Dialect ===

impl Dialect for Sqlite {
    fn reads(&self) -> Answer<'_, Box<dyn OpenTurn>> {
        async move {
            let turn = self.pool.begin().await.map_err(|e| failed(&e))?;
            Ok(Box::new(SqliteTurn(turn)) as Box<dyn OpenTurn>)
        }
        .boxed()
    }

    fn writes<'a>(&'a self, _: &'a TenantId) -> Answer<'a, Box<dyn OpenTurn>> {
        self.appends()
    }

    fn appends(&self) -> Answer<'_, Box<dyn OpenTurn>> {
        async move {
            // One writer at a time, whatever the tenant.
            let turn = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(|e| failed(&e))?;
            Ok(Box::new(SqliteTurn(turn)) as Box<dyn OpenTurn>)
        }
        .boxed()
    }
}

struct SqliteTurn(Transaction<'static, sqlx::Sqlite>);

fn prepared(statement: Statement) -> Query<'static, sqlx::Sqlite, SqliteArguments> {
    let query = match statement.sql {
        Cow::Borrowed(sql) => sqlx::query(sql),
        Cow::Owned(sql) => sqlx::query(sqlx::AssertSqlSafe(sql)).persistent(false),
    };
    statement.fields.into_iter().fold(query, |query, field| match field {
        Field::Text(text) => query.bind(text),
        Field::Number(number) => query.bind(number),
        Field::Flag(flag) => query.bind(flag),
    })
}

impl Turn for SqliteTurn {
    fn run(&mut self, statement: Statement) -> Answer<'_, u64> {
        async move {
            let done = prepared(statement).execute(&mut *self.0).await.map_err(|e| refused(&e))?;
            Ok(done.rows_affected())
        }
        .boxed()
    }

    fn rows(&mut self, statement: Statement) -> Answer<'_, Vec<Row>> {
        async move {
            let rows = prepared(statement).fetch_all(&mut *self.0).await.map_err(|e| failed(&e))?;
            converted(rows, row_of).await?.map_err(|e| failed(&e))
        }
        .boxed()
    }
}

impl OpenTurn for SqliteTurn {
    fn commit(self: Box<Self>) -> Answer<'static, ()> {
        async move { self.0.commit().await.map_err(|e| refused(&e)) }.boxed()
    }
}

fn row_of(row: &SqliteRow) -> std::result::Result<Row, sqlx::Error> {
    let column = |column: &sqlx::sqlite::SqliteColumn| {
        let at = column.ordinal();
        let is_text = row.try_get_raw(at)?.type_info().name() == "TEXT";
        let field = if is_text { Field::Text(row.try_get(at)?) } else { Field::Number(row.try_get(at)?) };
        Ok((column.name().to_owned(), field))
    };
    row.columns().iter().map(column).collect::<std::result::Result<_, _>>().map(Row)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use infra::ProvisioningStore as _;

    use super::*;

    /// All files of a folder, with their contents.
    fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
        let all = fs::read_dir(folder).unwrap().flatten();
        let mut all: Vec<_> = all
            .map(|entry| (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).unwrap()))
            .collect();
        all.sort();
        all
    }

    async fn made(file: &Path, steps: usize) {
        let options = SqliteConnectOptions::new().filename(file).create_if_missing(true).foreign_keys(true);
        let pool = SqlitePoolOptions::new().connect_with(options.journal_mode(SqliteJournalMode::Wal)).await.unwrap();
        let steps = migrator().iter().take(steps).cloned().collect();
        Migrator::with_migrations(steps).run(&pool).await.unwrap();
        pool.close().await;
    }

    #[tokio::test]
    async fn processes_that_start_together_make_the_tables_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("configuration.sqlite");
        let opened = futures::future::join_all((0..8).map(|_| SqliteProvisioning::open(&file))).await;
        for one in opened {
            assert!(one.unwrap().tenants().await.unwrap().is_empty());
        }
    }

    #[tokio::test]
    async fn who_names_an_object_that_goes_is_found_by_an_index() {
        // A tenant has few rules about dialled numbers.
        const FEW: &str = "dial_rule";
        let folder = tempfile::tempdir().unwrap();
        let open = SqliteProvisioning::open(&folder.path().join("configuration.sqlite")).await.unwrap();
        let mut turn = open.0.reads().await.unwrap();
        // Columns with the collations by which they are compared: those of what a key names.
        let keys = "SELECT of_table, group_concat(part, ', ') AS columns FROM (
                 SELECT m.name AS of_table, f.id AS id, f.\"from\" || ' ' || (
                     SELECT x.coll FROM pragma_index_list(f.\"table\") AS i JOIN pragma_index_xinfo(i.name) AS x
                     WHERE x.name = f.\"to\" LIMIT 1) AS part
                 FROM sqlite_master AS m JOIN pragma_foreign_key_list(m.name) AS f WHERE m.type = 'table'
                 ORDER BY m.name, f.id, f.seq) GROUP BY of_table, id";
        let indexes = "SELECT of_table, group_concat(part, ', ') AS columns FROM (
                 SELECT m.name AS of_table, i.name AS name, x.name || ' ' || x.coll AS part
                 FROM sqlite_master AS m JOIN pragma_index_list(m.name) AS i JOIN pragma_index_xinfo(i.name) AS x
                 WHERE m.type = 'table' AND x.key = 1 ORDER BY m.name, i.name, x.seqno) GROUP BY of_table, name";
        let mut told = Vec::new();
        for sql in [keys, indexes] {
            let rows = turn.rows(Statement { sql: sql.into(), fields: Vec::new() }).await.unwrap();
            let columns = |row: &Row| match row.0.as_slice() {
                [(_, Field::Text(Some(table))), (_, Field::Text(Some(columns)))] => {
                    (table.clone(), format!("{columns}, "))
                }
                other => panic!("{other:?}"),
            };
            told.push(rows.iter().map(columns).collect::<Vec<_>>());
        }
        let [keys, indexes] = &told[..] else { panic!("two lists") };
        assert!(keys.len() > 30, "{keys:?}");
        for (table, columns) in keys.iter().filter(|(table, _)| table != FEW) {
            let is_indexed = indexes.iter().any(|(of, index)| of == table && index.starts_with(columns.as_str()));
            assert!(is_indexed, "{table}: {columns}");
        }
    }

    /// What the release before has written: names of what is not there, a kind of a release to come, a tenant that has ended, and a document
    /// that is damaged.
    const BEFORE: [&str; 5] = [
        "INSERT INTO tenant (id, revision, name, realm, hold_music, no_answer_s, wrap_up_s, ended_ms) VALUES
             ('acme', 1, 'Acme', 'acme', 'm', 1, 1, NULL), ('gone', 1, 'Gone', 'gone', 'm', 1, 1, 7),
             ('hurt', 1, 'Hurt', 'hurt', 'm', 1, 1, NULL)",
        "INSERT INTO person (tenant, user_name, first_name, last_name) VALUES ('acme', 'ann', 'Ann', 'Adams')",
        r#"INSERT INTO object_document (tenant, kind, name, document) VALUES
             ('acme', 'agent_group', 'second', '{"name":"second","agents":["ANN","nobody","ann"]}'),
             ('acme', 'agent_group', 'first', '{"name":"first","managers":["ann"]}'),
             ('acme', 'agent_login', '5001', '{"code":"5001","person":"nobody"}'),
             ('acme', 'agent_login', '5002', '{"code":"5002","person":"ann"}'),
             ('acme', 'role', 'all', '{"name":"all","groups":["Everyone","none"],"people":["ann"]}'),
             ('acme', 'a kind to come', 'later', '{}')"#,
        r#"INSERT INTO object_document (tenant, kind, name, document) VALUES
             ('gone', 'agent_group', 'left', '{"name":"left","agents":["nobody"]}')"#,
        "INSERT INTO object_document (tenant, kind, name, document) VALUES ('hurt', 'list', 'half', '{\"name\":')",
    ];

    /// The texts of a column.
    async fn texts(pool: &SqlitePool, sql: &'static str) -> Vec<String> {
        sqlx::query_scalar(sql).fetch_all(pool).await.unwrap()
    }

    #[tokio::test]
    async fn documents_of_the_release_before_come_into_the_tables_of_their_kinds_while_it_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("configuration.sqlite");
        let steps = STEPS.iter().position(|(name, _)| *name == "object tables").unwrap();
        made(&file, steps).await;
        let options = SqliteConnectOptions::new().filename(&file).foreign_keys(true);
        let before = SqlitePoolOptions::new().connect_with(options).await.unwrap();
        for sql in BEFORE {
            sqlx::query(sql).execute(&before).await.unwrap();
        }
        let open = SqliteProvisioning::open(&file).await.unwrap();
        let pool = &open.0.pool;
        let people = "SELECT person FROM agent_group_agent ORDER BY name, nth";
        assert_eq!(texts(pool, people).await, ["ANN", "ann"]);
        assert_eq!(texts(pool, "SELECT name FROM agent_login WHERE person = 'ann'").await, ["5002"]);
        assert_eq!(texts(pool, "SELECT access_group FROM privilege_role_group").await, Vec::<String>::new());
        let names = "SELECT name FROM agent_group ORDER BY dbid";
        assert_eq!(texts(pool, names).await, ["second", "first"], "none of a tenant that has ended");
        let (_, held) = open.load(&TenantId::parse("acme").unwrap()).await.unwrap().unwrap();
        let groups: Vec<_> = held.agent_groups.iter().map(|group| (group.name.as_str(), group.agents.len())).collect();
        assert_eq!(groups, [("second", 3), ("first", 0)], "documents stay whole, and in their order");
        let hurt = open.load(&TenantId::parse("hurt").unwrap()).await;
        assert!(matches!(&hurt, Err(StoreError::Corrupt { what, .. }) if what == "table lookup_list"), "{hurt:?}");

        for sql in [
            "INSERT INTO person (tenant, user_name, first_name, last_name) VALUES ('acme', 'bob', 'Bob', 'Berg')",
            r#"UPDATE object_document SET document = '{"name":"first","agents":["bob"]}' WHERE name = 'first'"#,
            "DELETE FROM object_document WHERE name = 'second'",
        ] {
            sqlx::query(sql).execute(&before).await.unwrap();
        }
        assert_eq!(texts(pool, people).await, ["bob"]);
        assert_eq!(texts(pool, names).await, ["first"]);
        let named = sqlx::query("DELETE FROM person WHERE user_name = 'bob'").execute(&before).await;
        assert!(named.unwrap_err().as_database_error().unwrap().is_foreign_key_violation());
    }

    #[tokio::test]
    async fn a_look_changes_nothing_whatever_release_the_file_is_of() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("configuration.sqlite");
        made(&file, 1).await;
        let before = files(folder.path());
        assert!(matches!(look(&file).await.unwrap(), Looked::Earlier));
        assert_eq!(files(folder.path()), before);

        let open = SqliteProvisioning::open(&file).await.unwrap();
        let Looked::Present(beside) = look(&file).await.unwrap() else { panic!("it is up to date") };
        assert!(beside.tenants().await.unwrap().is_empty());
        beside.0.pool.close().await;
        open.0.pool.close().await;
        let before = files(folder.path());
        let Looked::Present(alone) = look(&file).await.unwrap() else { panic!("it is up to date") };
        assert!(alone.tenants().await.unwrap().is_empty());
        assert_eq!(files(folder.path()), before);
        assert!(look(&folder.path().join("none.sqlite")).await.is_err());
    }
}
