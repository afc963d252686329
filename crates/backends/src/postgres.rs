//! PostgreSQL: the persistent configuration of an installation with real servers.
//!
//! Steps of the schema run under an advisory lock, so that one of many starting processes does the work. A step only adds things that
//! the release before can do without (expand). Things that nobody uses any more are removed one release later (contract). So the
//! release before keeps serving while a step runs and after it: its statements name their columns, and new ones change nothing that they
//! return. A step waits a short time for its locks and then fails: a wait for a lock on a table blocks all later users of the table.

use std::borrow::Cow;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use infra::{Answer, Client, Line, Matter, Result, SecretSeals, StoreError, Watch};
use model::TenantId;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::query::Query;
use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions as _, Connection as _, PgConnection, PgPool, Postgres, Row as _,
    SqlSafeStr as _, Transaction, TypeInfo as _,
};

use crate::provisioning::{Dialect, Field, OpenTurn, Row, Statement, Tables, Turn, converted, failed, refused};
use crate::redis::{Examined, Unusable};

/// How long a statement may take, and how long a turn waits for a connection.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long the commit of a large turn may take, in which the database checks what its rows refer to. It cannot be taken back any more.
const LARGE_COMMIT_WITHIN: Duration = Duration::from_secs(60);
/// Rows that such a turn has written at least.
const LARGE_TURN_ROWS: u64 = 10_000;
/// So many bytes that are sent count as a further row: of the names in a document triggers write rows, which no answer counts.
const BYTES_OF_A_ROW: usize = 32;
/// Connections of one role.
const CONNECTIONS_MAX: u32 = 4;
/// A connection that was idle for this long is closed.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// How long the steps of the schema may take together.
const STEPS_WITHIN: Duration = Duration::from_secs(120);
/// How long a step waits for a lock on a table.
const LOCK_WITHIN_MS: &str = "5000";
/// The oldest release with what the tables need (collations without regard to case); older ones get no repairs any more.
const OLDEST: u32 = 13;
/// Statements that begin a turn. Each states its whole mode: sqlx forgets a `BEGIN` that was cancelled before its answer came. The
/// connection then returns to the pool within that transaction, and the next turn would run in its mode (a write in a read-only one).
const TO_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
const TO_WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

/// Connection settings of PostgreSQL.
#[derive(Clone, Default)]
pub struct PostgresSettings {
    /// `postgres://user[:password]@host[:port]/database[?sslmode=verify-full]`.
    pub url: String,
    /// File of certificates (PEM) that verify the server's certificate; none: those of this machine.
    pub authorities: Option<PathBuf>,
}

impl PostgresSettings {
    fn options(&self, name: &str) -> Result<PgConnectOptions> {
        let options = PgConnectOptions::from_str(&self.url);
        // The error may quote the URL, and the password in it.
        let invalid = |_| StoreError::Invalid("stores.postgresql is not the URL of a PostgreSQL".to_owned());
        let options = options.map_err(invalid)?.application_name(name).disable_statement_logging();
        let options = options.options([("statement_timeout", ANSWER_WITHIN.as_millis().to_string())]);
        Ok(match &self.authorities {
            Some(file) => options.ssl_root_cert(file),
            None => options,
        })
    }

    /// Its address for display, without the password.
    pub fn place(&self) -> String {
        let known = PgConnectOptions::from_str(&self.url);
        known.map_or_else(
            |_| "PostgreSQL".to_owned(),
            |o| format!("{}:{}/{}", o.get_host(), o.get_port(), o.get_database().unwrap_or_default()),
        )
    }
}

impl std::fmt::Debug for PostgresSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PostgresSettings({})", self.place())
    }
}

/// The persistent configuration in a PostgreSQL database.
pub type PostgresProvisioning = Tables<Pg>;

/// A database of PostgreSQL, as one client uses it.
#[derive(Clone)]
pub struct Pg {
    pool: PgPool,
    watch: Arc<dyn Watch>,
}

impl PostgresProvisioning {
    /// Connects at the first use. `pg_stat_activity` shows the client's name.
    ///
    /// # Errors
    /// When the settings are invalid.
    pub fn open(settings: &PostgresSettings, client: &Client) -> Result<Self> {
        let watch = client.watch.clone();
        let made = watch.clone();
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(ANSWER_WITHIN)
            .idle_timeout(IDLE_MAX)
            .after_connect(move |_, _| {
                made.attempted(Line::Commands);
                Box::pin(async { Ok(()) })
            })
            .after_release(|connection, _| Box::pin(answers(connection)))
            .connect_lazy_with(settings.options(&client.name)?);
        Ok(Self(Pg { pool, watch }, SecretSeals::default()))
    }
}

impl Pg {
    async fn begin(&self, how: &'static str) -> Result<PgTurn> {
        let begun = tokio::time::timeout(ANSWER_WITHIN, self.pool.begin_with(how)).await;
        self.watch.standing(Line::Commands, usize::try_from(self.pool.size()).unwrap_or_default());
        match begun {
            Ok(Ok(turn)) => Ok(PgTurn { turn, pg: self.clone(), rows: 0 }),
            Ok(Err(error)) => {
                self.watch.failed(Line::Commands);
                Err(failed(&error))
            }
            Err(_) => {
                self.watch.failed(Line::Commands);
                Err(late())
            }
        }
    }

    fn settled<T>(&self, sent: usize, answer: &std::result::Result<T, sqlx::Error>, received: usize) {
        match answer {
            Ok(_) => self.watch.exchanged(Matter::Records, sent, received),
            // A violated constraint is an answer.
            Err(sqlx::Error::Database(_)) => self.watch.exchanged(Matter::Records, sent, 0),
            Err(_) => self.watch.failed(Line::Commands),
        }
        self.watch.standing(Line::Commands, usize::try_from(self.pool.size()).unwrap_or_default());
    }
}

/// Checks a connection that is returned to the pool. An abandoned connection may have lost its other end, and the pool would wait for
/// its answer for ever.
async fn answers(connection: &mut PgConnection) -> std::result::Result<bool, sqlx::Error> {
    match tokio::time::timeout(ANSWER_WITHIN, connection.ping()).await {
        Ok(answered) => answered.map(|()| true),
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

fn late() -> StoreError {
    StoreError::Unavailable { reason: "PostgreSQL has not answered in time".to_owned() }
}

// === impl Dialect ===

impl Dialect for Pg {
    fn reads(&self) -> Answer<'_, Box<dyn OpenTurn>> {
        async move {
            let turn = self.begin(TO_READ).await?;
            Ok(Box::new(turn) as Box<dyn OpenTurn>)
        }
        .boxed()
    }

    fn writes<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Box<dyn OpenTurn>> {
        async move {
            let mut turn = self.begin(TO_WRITE).await?;
            // Writers of one tenant take turns, even if the tenant has no row yet that could be locked.
            let key = format!("trunkline configuration of {tenant}");
            let sql = "SELECT pg_advisory_xact_lock(hashtextextended(?, 0))";
            turn.run(Statement { sql: Cow::Borrowed(sql), fields: vec![Field::Text(Some(key))] }).await?;
            Ok(Box::new(turn) as Box<dyn OpenTurn>)
        }
        .boxed()
    }

    fn appends(&self) -> Answer<'_, Box<dyn OpenTurn>> {
        async move {
            let turn = self.begin(TO_WRITE).await?;
            Ok(Box::new(turn) as Box<dyn OpenTurn>)
        }
        .boxed()
    }
}

struct PgTurn {
    turn: Transaction<'static, Postgres>,
    pg: Pg,
    /// Those that it has written, with those that triggers may have.
    rows: u64,
}

fn commit_within(rows: u64) -> Duration {
    if rows < LARGE_TURN_ROWS { ANSWER_WITHIN } else { LARGE_COMMIT_WITHIN }
}

/// The statement with PostgreSQL's placeholders (`$1`) instead of `?`.
fn numbered(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len() + 8);
    let mut parts = sql.split('?');
    text.push_str(parts.next().unwrap_or_default());
    for (number, part) in (1..).zip(parts) {
        text.push_str(&format!("${number}{part}"));
    }
    text
}

fn prepared(statement: Statement) -> Query<'static, Postgres, PgArguments> {
    // The text is ours, with other placeholders.
    let query = sqlx::query(AssertSqlSafe(numbered(&statement.sql)).into_sql_str());
    let query = query.persistent(matches!(statement.sql, Cow::Borrowed(_)));
    statement.fields.into_iter().fold(query, |query, field| match field {
        Field::Text(text) => query.bind(text),
        Field::Number(number) => query.bind(number),
        Field::Flag(flag) => query.bind(flag),
    })
}

impl Turn for PgTurn {
    fn run(&mut self, statement: Statement) -> Answer<'_, u64> {
        async move {
            let sent = statement.size();
            let running = tokio::time::timeout(ANSWER_WITHIN, prepared(statement).execute(&mut *self.turn));
            let done = running.await.map_err(|_| late())?;
            self.pg.settled(sent, &done, 0);
            let rows = done.map(|done| done.rows_affected()).map_err(|e| refused(&e))?;
            let further = u64::try_from(sent / BYTES_OF_A_ROW).unwrap_or_default();
            self.rows = self.rows.saturating_add(rows).saturating_add(further);
            Ok(rows)
        }
        .boxed()
    }

    fn rows(&mut self, statement: Statement) -> Answer<'_, Vec<Row>> {
        async move {
            let sent = statement.size();
            let running = tokio::time::timeout(ANSWER_WITHIN, prepared(statement).fetch_all(&mut *self.turn));
            let read = running.await.map_err(|_| late())?;
            let rows = match read {
                Ok(rows) => converted(rows, row_of).await?,
                Err(error) => Err(error),
            };
            let received = rows.as_ref().map_or(0, |rows| rows.iter().map(Row::size).sum());
            self.pg.settled(sent, &rows, received);
            if rows.as_ref().is_err_and(is_outdated) {
                // They are prepared anew when they are used next. If this fails, the connection does not return to the pool.
                let _ = tokio::time::timeout(ANSWER_WITHIN, self.turn.clear_cached_statements()).await;
            }
            rows.map_err(|e| failed(&e))
        }
        .boxed()
    }
}

impl OpenTurn for PgTurn {
    fn commit(self: Box<Self>) -> Answer<'static, ()> {
        async move {
            let within = commit_within(self.rows);
            let done = tokio::time::timeout(within, self.turn.commit()).await.map_err(|_| late())?;
            self.pg.settled(0, &done, 0);
            done.map_err(|e| refused(&e))
        }
        .boxed()
    }
}

/// Whether a statement was prepared before a step that has changed what it returns (feature_not_supported).
fn is_outdated(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|e| e.code()).is_some_and(|code| code == "0A000")
}

fn row_of(row: &PgRow) -> std::result::Result<Row, sqlx::Error> {
    let column = |column: &sqlx::postgres::PgColumn| {
        let at = column.ordinal();
        let field = match column.type_info().name() {
            "TEXT" => Field::Text(row.try_get(at)?),
            "BOOL" => Field::Flag(row.try_get(at)?),
            _ => Field::Number(row.try_get(at)?),
        };
        Ok((column.name().to_owned(), field))
    };
    row.columns().iter().map(column).collect::<std::result::Result<_, _>>().map(Row)
}

// === the schema ===

/// A released step is never changed. Each change is a step of its own, and the release before must work with it.
const STEPS: [(&str, &str); 77] = [
    ("configuration", include_str!("postgres/schema.sql")),
    ("wallboard", include_str!("postgres/wallboard.sql")),
    ("outgoing", include_str!("postgres/outgoing.sql")),
    ("dialling", include_str!("postgres/dialling.sql")),
    ("agents", include_str!("postgres/agents.sql")),
    ("trunk accounts", include_str!("postgres/trunk_accounts.sql")),
    ("call waiting", include_str!("postgres/call_waiting.sql")),
    ("login password", include_str!("postgres/login_password.sql")),
    ("call limits", include_str!("postgres/call_limits.sql")),
    ("early speech", include_str!("postgres/early_speech.sql")),
    ("direct media", include_str!("postgres/direct_media.sql")),
    ("trunk options", include_str!("postgres/trunk_options.sql")),
    ("trunk register", include_str!("postgres/trunk_register.sql")),
    ("encryption", include_str!("postgres/encryption.sql")),
    ("routes and limits", include_str!("postgres/routes_and_limits.sql")),
    ("headers", include_str!("postgres/headers.sql")),
    ("stir", include_str!("postgres/stir.sql")),
    ("stir verification", include_str!("postgres/stir_verification.sql")),
    ("location", include_str!("postgres/location.sql")),
    ("certificate names", include_str!("postgres/certificate_names.sql")),
    ("agent limits", include_str!("postgres/agent_limits.sql")),
    ("trunk codecs", include_str!("postgres/trunk_codecs.sql")),
    ("trunk dtmf", include_str!("postgres/trunk_dtmf.sql")),
    ("trunk session", include_str!("postgres/trunk_session.sql")),
    ("trunk reliable", include_str!("postgres/trunk_reliable.sql")),
    ("inbound password", include_str!("postgres/inbound_password.sql")),
    ("sign in", include_str!("postgres/sign_in.sql")),
    ("change log", include_str!("postgres/change_log.sql")),
    ("second factor", include_str!("postgres/second_factor.sql")),
    ("snapshot", include_str!("postgres/snapshot.sql")),
    ("sign-in audit", include_str!("postgres/sign_in_audit.sql")),
    ("provider", include_str!("postgres/provider.sql")),
    ("object document", include_str!("postgres/object_document.sql")),
    ("history", include_str!("postgres/history.sql")),
    ("api keys", include_str!("postgres/api_keys.sql")),
    ("client extras", include_str!("postgres/client_extras.sql")),
    ("passkey", include_str!("postgres/passkey.sql")),
    ("capacity rule", include_str!("postgres/capacity_rule.sql")),
    ("audit", include_str!("postgres/audit.sql")),
    ("object annex", include_str!("postgres/object_annex.sql")),
    ("tenant life", include_str!("postgres/tenant_life.sql")),
    ("hosts", include_str!("postgres/hosts.sql")),
    ("person fields", include_str!("postgres/person_fields.sql")),
    ("switches and options", include_str!("postgres/switches_and_options.sql")),
    ("audit turns", include_str!("postgres/audit_turns.sql")),
    ("change log of time", include_str!("postgres/change_log_of_time.sql")),
    ("tenant lives", include_str!("postgres/tenant_lives.sql")),
    ("person of default place", include_str!("postgres/person_of_default_place.sql")),
    ("number of dn", include_str!("postgres/number_of_dn.sql")),
    ("dn of application", include_str!("postgres/dn_of_application.sql")),
    ("person skill of skill", include_str!("postgres/person_skill_of_skill.sql")),
    ("dn prompt of prompt", include_str!("postgres/dn_prompt_of_prompt.sql")),
    ("folders made", include_str!("postgres/folders_made.sql")),
    ("personal records", include_str!("postgres/personal_records.sql")),
    ("people import", include_str!("postgres/people_import.sql")),
    ("people import of tenant", include_str!("postgres/people_import_of_tenant.sql")),
    ("people import by age", include_str!("postgres/people_import_by_age.sql")),
    ("people import outcome", include_str!("postgres/people_import_outcome.sql")),
    ("contacts", include_str!("postgres/contacts.sql")),
    ("shift", include_str!("postgres/shift.sql")),
    ("prompt audio", include_str!("postgres/prompt_audio.sql")),
    ("shared contact", include_str!("postgres/shared_contact.sql")),
    ("prompt recording", include_str!("postgres/prompt_recording.sql")),
    ("shared contact by name", include_str!("postgres/shared_contact_by_name.sql")),
    ("object tables", include_str!("postgres/object_tables.sql")),
    ("names of people", include_str!("postgres/names_of_people.sql")),
    ("names of places", include_str!("postgres/names_of_places.sql")),
    ("names of dns", include_str!("postgres/names_of_dns.sql")),
    ("names of trunks", include_str!("postgres/names_of_trunks.sql")),
    ("names of schedules", include_str!("postgres/names_of_schedules.sql")),
    ("names of applications", include_str!("postgres/names_of_applications.sql")),
    ("names in documents", include_str!("postgres/names_in_documents.sql")),
    ("names of ended tenants", include_str!("postgres/names_of_ended_tenants.sql")),
    ("documents to object tables", include_str!("postgres/documents_to_object_tables.sql")),
    ("capacity rules of people", include_str!("postgres/capacity_rules_of_people.sql")),
    ("capacity rules of places", include_str!("postgres/capacity_rules_of_places.sql")),
    ("switches of dns", include_str!("postgres/switches_of_dns.sql")),
];

fn migrator(steps: usize) -> Migrator {
    let steps = (1..).zip(STEPS.into_iter().take(steps)).map(|(number, (name, sql))| {
        let sql = sqlx::AssertSqlSafe(sql).into_sql_str();
        Migration::new(number, Cow::Borrowed(name), MigrationType::Simple, sql, false)
    });
    let mut migrator = Migrator::with_migrations(steps.collect());
    // A later release may have added steps; by the rule above this one works with them.
    migrator.set_ignore_missing(true);
    migrator
}

/// Brings the tables up to date. Several processes may do it at once.
///
/// # Errors
/// When the database is unavailable, or a step fails.
pub async fn bring_up_to_date(settings: &PostgresSettings, name: &str) -> Result<()> {
    up_to(settings, name, STEPS.len()).await
}

/// The same up to a step, for tests of processes that run while a later step is added.
///
/// # Errors
/// Those of [`bring_up_to_date`].
pub async fn up_to(settings: &PostgresSettings, name: &str, step: usize) -> Result<()> {
    let work = async {
        let options = settings.options(name)?;
        let options = options.options([("lock_timeout", LOCK_WITHIN_MS), ("statement_timeout", "0")]);
        let mut connection = PgConnection::connect_with(&options).await.map_err(|e| failed(&e))?;
        // Under an advisory lock of its own.
        let done = loop {
            match migrator(step).run_direct(None, &mut connection, false).await {
                Err(error) if is_others_turn(&error) => {}
                done => break done,
            }
        };
        let _ = connection.close().await;
        done.map_err(|e| step_failed(&e))
    };
    tokio::time::timeout(STEPS_WITHIN, work).await.map_err(|_| late())?
}

/// A step that a server interrupts, or that waits too long for a lock, may be tried again. A faulty step may not.
fn step_failed(error: &MigrateError) -> StoreError {
    let reason = format!("tables: {error}");
    if is_interrupted(error) { StoreError::Unavailable { reason } } else { StoreError::Invalid(reason) }
}

/// The code of a statement that has waited too long for a lock.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Whether no step was begun, since another process carries out all of them for longer than a step may wait for a table.
fn is_others_turn(error: &MigrateError) -> bool {
    let MigrateError::Execute(cause) = error else { return false };
    cause.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == LOCK_NOT_AVAILABLE)
}

fn is_interrupted(error: &MigrateError) -> bool {
    // Lost connections, rolled back transactions, lack of resources, shutdowns and starts.
    const CLASSES: [&str; 4] = ["08", "40", "53", "57"];
    let (MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _)) = error else { return false };
    // Only the connection fails without a code of the server.
    cause
        .as_database_error()
        .and_then(|error| error.code())
        .is_none_or(|code| code == LOCK_NOT_AVAILABLE || CLASSES.iter().any(|class| code.starts_with(class)))
}

// === checks at start ===

/// Queries the server's version and durability.
///
/// # Errors
/// Why the server cannot be used.
pub async fn examine(settings: &PostgresSettings, name: &str) -> std::result::Result<Examined, Unusable> {
    let options = settings.options(name).map_err(|e| Unusable::Wrong(e.to_string()))?;
    let asked = tokio::time::timeout(ANSWER_WITHIN, async {
        let mut connection = PgConnection::connect_with(&options).await?;
        let number: String = sqlx::query_scalar("SHOW server_version_num").fetch_one(&mut connection).await?;
        let version: String = sqlx::query_scalar("SHOW server_version").fetch_one(&mut connection).await?;
        let durable: String = sqlx::query_scalar("SHOW fsync").fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok::<_, sqlx::Error>((number, version, durable))
    });
    let (number, version, durable) = match asked.await {
        Ok(Ok(answers)) => answers,
        Ok(Err(error)) => return Err(unusable(&error)),
        Err(_) => return Err(Unusable::Away("it has not answered in time".to_owned())),
    };
    let major = number.parse::<u32>().unwrap_or_default() / 10_000;
    if major < OLDEST {
        return Err(Unusable::Wrong(format!("it is PostgreSQL {version}; Trunkline needs {OLDEST} or later")));
    }
    let mut warnings = Vec::new();
    if durable != "on" {
        warnings.push(format!("fsync is {durable}, not on: a crash of the machine may damage the configuration"));
    }
    Ok(Examined { version, warnings })
}

/// Errors that a retry does not fix: a refused user (class 28), and a database that does not exist (3D000).
fn unusable(error: &sqlx::Error) -> Unusable {
    let code = error.as_database_error().and_then(|e| e.code());
    match code.as_deref() {
        Some(code) if code.starts_with("28") => {
            Unusable::Wrong(format!("it refuses the user or the password: {error}"))
        }
        Some("3D000") => Unusable::Wrong(format!("{error}: create it, owned by the user that the settings name")),
        _ => match error {
            sqlx::Error::Tls(_) | sqlx::Error::Configuration(_) => Unusable::Wrong(error.to_string()),
            _ => Unusable::Away(error.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbered() {
        assert_eq!(numbered("SELECT 1"), "SELECT 1");
        assert_eq!(numbered("UPDATE t SET a = ? WHERE b = ?"), "UPDATE t SET a = $1 WHERE b = $2");
    }

    #[test]
    fn while_a_table_is_indexed_no_other_one_is_held() {
        // Steps of before that are released do not change.
        const FIRST: usize = 43;
        for (name, sql) in &STEPS[FIRST..] {
            let statements = sql.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join(" ");
            let count = statements.split(';').filter(|statement| !statement.trim().is_empty()).count();
            assert!(count == 1 || !statements.contains("CREATE INDEX"), "{name}: {statements}");
        }
    }

    /// The statements of a step, without comments and without what is in functions: that runs later.
    fn statements(sql: &str) -> String {
        let lines = sql.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join(" ");
        lines.split("$$").step_by(2).collect()
    }

    /// The names behind a word.
    fn behind<'a>(sql: &'a str, word: &'a str) -> impl Iterator<Item = &'a str> {
        sql.split(word).skip(1).filter_map(|rest| rest.split_whitespace().next())
    }

    #[test]
    fn a_step_that_waits_for_a_table_holds_no_other_one() {
        // Steps of before that are released do not change.
        const FIRST: usize = 58;
        // These come together: nobody uses a table that one of them makes before the last one is done.
        const TOGETHER: [&str; 10] = [
            "object tables",
            "names of people",
            "names of places",
            "names of dns",
            "names of trunks",
            "names of schedules",
            "names of applications",
            "names in documents",
            "names of ended tenants",
            "documents to object tables",
        ];
        let together = STEPS.iter().filter(|(name, _)| TOGETHER.contains(name));
        let together: String = together.map(|(_, sql)| statements(sql)).collect();
        for (name, sql) in &STEPS[FIRST..] {
            let statements = statements(sql);
            let new = if TOGETHER.contains(name) { &together } else { &statements };
            let triggers = statements.split("CREATE TRIGGER ").skip(1).filter_map(|one| behind(one, " ON ").next());
            let mut locked: Vec<&str> = ["ALTER TABLE ", "REFERENCES ", "UPDATE ", "DELETE FROM "]
                .into_iter()
                .flat_map(|word| behind(&statements, word))
                // What a trigger waits for.
                .filter(|word| !["OF", "ON"].contains(word))
                .chain(triggers)
                .filter(|table| behind(new, "CREATE TABLE ").all(|made| made != *table))
                .collect();
            locked.sort_unstable();
            locked.dedup();
            assert!(locked.len() <= 1, "{name}: {locked:?}");
        }
    }

    #[test]
    fn the_commit_of_a_large_turn_may_take_longer() {
        assert_eq!([0, LARGE_TURN_ROWS - 1].map(commit_within), [ANSWER_WITHIN; 2]);
        assert_eq!(commit_within(1_200_000), Duration::from_secs(60));
    }

    #[test]
    fn an_interrupted_step_may_be_tried_again_and_a_faulty_one_may_not() {
        let lost = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert!(step_failed(&MigrateError::ExecuteMigration(lost.into(), 1)).passes());
        assert!(!step_failed(&MigrateError::VersionMismatch(1)).passes());
    }

    #[test]
    fn no_password_is_said() {
        let settings =
            PostgresSettings { url: "postgres://ann:secret@db.example:5433/site".to_owned(), authorities: None };
        assert_eq!(settings.place(), "db.example:5433/site");
        let wrong = PostgresSettings { url: "postgres//ann:secret@x".to_owned(), authorities: None };
        assert!(!wrong.options("x").unwrap_err().to_string().contains("secret"));
    }
}
