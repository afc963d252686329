//! Secrets of objects in the tables: sealed on the way in, opened on the way out. The statements between know nothing of it, and since a
//! secret is always sealed to the same text, they still see what has changed.
//!
//! Rows that an earlier release has left in clear are sealed when a process of the installation starts, and not by a command.

mod unopened;

use contracts::provisioning::{Object, ObjectKey, ObjectKind, Secret, SignInRules, TenantObjects};
use infra::{
    ArchivedPart, NamedSnapshot, ObjectChange, Result, SecretPlace, SecretSeals, StoreError, TenantFileText, ToldChange,
};
use model::TenantId;

use super::{Dialect, Row, Statement, Tables, Turn, find, query, sign_in, tenant_id};
pub(super) use unopened::unopened;

/// Objects that are sealed or opened without a thread of their own.
const OBJECTS_AT_ONCE: usize = 256;
/// Bytes of a snapshot's file that are.
const BYTES_AT_ONCE: usize = 1 << 20;
/// After so many rows it is said how far the sealing of what stands in clear is.
const SAID_AFTER: u64 = 10_000;
/// Rows that are sealed in one transaction: other writers wait meanwhile.
const ROWS_AT_ONCE: i64 = 500;
/// Snapshots: each has a whole tenant.
const SNAPSHOTS_AT_ONCE: i64 = 1;
/// Sealed secrets of a column that are looked at to see whether the key is theirs: some may be damaged, or sealed with a key of before.
const LOOKED_AT: i64 = 200;

// === on the way ===

/// The changes as they are stored. A secret that could not be opened when it was read, and comes back, stays as it is.
pub(super) async fn changes(
    seals: &SecretSeals,
    db: &mut dyn Turn,
    tenant: &TenantId,
    mut changes: Vec<ObjectChange>,
) -> Result<Vec<ObjectChange>> {
    let (cipher, of) = (seals.clone(), tenant.clone());
    let count = changes.len();
    let all = move || {
        let mut refused = Vec::new();
        for (at, change) in changes.iter_mut().enumerate() {
            if let ObjectChange::Put(object) = change
                && let Err(error) = cipher.seal(&of, object)
            {
                refused.push((at, error));
            }
        }
        (changes, refused)
    };
    let (mut changes, refused) = beside(count > OBJECTS_AT_ONCE, all).await?;
    for (at, error) in refused {
        if let Some(ObjectChange::Put(object)) = changes.get_mut(at) {
            let stored = find::find(db, tenant, &object.key()).await?.ok_or(error)?;
            seals.seal_kept(tenant, object, &stored)?;
        }
    }
    Ok(changes)
}

/// The objects of a stored tenant as who asks for them gets them.
pub(super) async fn all_opened(
    seals: &SecretSeals,
    tenant: &TenantId,
    mut objects: TenantObjects,
) -> Result<TenantObjects> {
    let (seals, tenant) = (seals.clone(), tenant.clone());
    let count = objects.dns.len() + objects.people.len() + objects.trunks.len();
    let all = move || {
        seals.open_all_stored(&tenant, &mut objects);
        objects
    };
    beside(count > OBJECTS_AT_ONCE, all).await
}

/// Does work: such that takes a while in a thread of its own, so that no executor waits for it.
pub(super) async fn beside<T: Send + 'static>(is_large: bool, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    if !is_large {
        return Ok(work());
    }
    // It fails when the process ends.
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| StoreError::Unavailable { reason: error.to_string() })
}

/// Stored changes as who asks for them gets them.
pub(super) async fn opened_changes(
    seals: &SecretSeals,
    tenant: &TenantId,
    mut changes: Vec<ToldChange>,
) -> Result<Vec<ToldChange>> {
    let (seals, tenant) = (seals.clone(), tenant.clone());
    let count = changes.len();
    let all = move || {
        for change in &mut changes {
            if let ToldChange::Put(object) = change {
                seals.open_stored(&tenant, object);
            }
        }
        changes
    };
    beside(count > OBJECTS_AT_ONCE, all).await
}

/// A stored object as who asks for it gets it.
pub(super) fn opened(seals: &SecretSeals, tenant: &TenantId, mut object: Object) -> Object {
    seals.open_stored(tenant, &mut object);
    object
}

/// A part of an archive as it is stored: that of a release before has secrets in clear.
pub(super) fn part(seals: &SecretSeals, tenant: &TenantId, part: ArchivedPart) -> Result<ArchivedPart> {
    Ok(match part {
        ArchivedPart::Object(mut object, revision) => {
            seals.seal(tenant, &mut object)?;
            ArchivedPart::Object(object, revision)
        }
        ArchivedPart::Snapshot(kept) => ArchivedPart::Snapshot(sealed_snapshot(seals, tenant, kept)?),
        part => part,
    })
}

/// A snapshot as it is stored.
pub(super) async fn snapshot(seals: &SecretSeals, tenant: &TenantId, kept: &NamedSnapshot) -> Result<NamedSnapshot> {
    let (seals, tenant, kept) = (seals.clone(), tenant.clone(), kept.clone());
    beside(kept.file.0.len() > BYTES_AT_ONCE, move || sealed_snapshot(&seals, &tenant, kept)).await?
}

fn sealed_snapshot(seals: &SecretSeals, tenant: &TenantId, kept: NamedSnapshot) -> Result<NamedSnapshot> {
    let NamedSnapshot { head, file, documents } = kept;
    let file = seals.sealed(&SecretPlace::of_snapshot(tenant, &head.name), &Secret(file.0))?;
    Ok(NamedSnapshot { head, file: TenantFileText(file.0), documents })
}

/// A stored snapshot as who asks for it gets it.
pub(super) async fn opened_snapshot(
    seals: &SecretSeals,
    tenant: &TenantId,
    stored: NamedSnapshot,
) -> Result<NamedSnapshot> {
    let (seals, tenant) = (seals.clone(), tenant.clone());
    let is_large = stored.file.0.len() > BYTES_AT_ONCE;
    let opened = move || -> Result<NamedSnapshot> {
        let NamedSnapshot { head, file, documents } = stored;
        let file = seals.opened(&SecretPlace::of_snapshot(&tenant, &head.name), &Secret(file.0))?;
        Ok(NamedSnapshot { head, file: TenantFileText(file.0), documents })
    };
    beside(is_large, opened).await?
}

// === what stands in clear ===

/// What is said to who comes with another key.
const OTHER_KEY: &str = "its secrets are sealed with another key than that of this data directory (keys/installation.key): put a copy \
     of that file back; if it is lost, `trunkline tenant forget-secrets` tells which secrets are gone and begins without them \
     (docs/provisioning.md, \"If the key is lost\")";

/// A column of secrets, with the statements about it. `clear`, `sealed` and `of_tenant` return the tenant, the name of the row, and the
/// secret; `clear` of rows behind one, so that nothing that is done is looked through again.
struct SecretColumn {
    place: for<'a> fn(&'a TenantId, &str) -> SecretPlace<'a>,
    at_once: i64,
    clear: &'static str,
    sealed: &'static str,
    of_tenant: &'static str,
    set: &'static str,
}

macro_rules! column {
    ($table:literal, $name:literal, $column:literal, $at_once:expr, $place:expr) => {
        column!($table, $name, $column, $at_once, $place, "")
    };
    ($table:literal, $name:literal, $column:literal, $at_once:expr, $place:expr, $but:literal) => {
        SecretColumn {
            place: $place,
            at_once: $at_once,
            clear: concat!(
                "SELECT dbid, tenant, ",
                $name,
                " AS name, ",
                $column,
                " AS secret FROM ",
                $table,
                " WHERE dbid > ? AND ",
                $column,
                " <> '' AND substr(",
                $column,
                ", 1, 10) <> 'sealed:v1:'",
                $but,
                " ORDER BY dbid LIMIT ?"
            ),
            sealed: concat!(
                "SELECT tenant, ",
                $name,
                " AS name, ",
                $column,
                " AS secret FROM ",
                $table,
                " WHERE substr(",
                $column,
                ", 1, 10) = 'sealed:v1:' LIMIT ?"
            ),
            of_tenant: concat!(
                "SELECT tenant, ",
                $name,
                " AS name, ",
                $column,
                " AS secret FROM ",
                $table,
                " WHERE tenant = ? AND substr(",
                $column,
                ", 1, 10) = 'sealed:v1:'"
            ),
            set: concat!(
                "UPDATE ",
                $table,
                " SET ",
                $column,
                " = ? WHERE tenant = ? AND ",
                $name,
                " = ? AND ",
                $column,
                " = ?"
            ),
        }
    };
}

fn place<'a>(tenant: &'a TenantId, kind: ObjectKind, name: &str, field: &'a str) -> SecretPlace<'a> {
    SecretPlace { tenant, key: ObjectKey { kind, id: name.to_owned() }.folded(), field }
}

fn place_of_provider(tenant: &TenantId) -> SecretPlace<'_> {
    place(tenant, ObjectKind::Tenant, "", "sign_in.upstream.client_secret")
}

fn place_of_snapshot<'a>(tenant: &'a TenantId, name: &str) -> SecretPlace<'a> {
    SecretPlace::of_snapshot(tenant, name)
}

const COLUMNS: [SecretColumn; 6] = [
    column!("dn", "number", "password", ROWS_AT_ONCE, |t, n| place(t, ObjectKind::Dn, n, "password")),
    // One that is kept as a hash is not sealed.
    column!(
        "person",
        "user_name",
        "pin",
        ROWS_AT_ONCE,
        |t, n| place(t, ObjectKind::Person, n, "agent.pin"),
        " AND substr(pin, 1, 7) <> '$argon2'"
    ),
    column!("trunk", "name", "password", ROWS_AT_ONCE, |t, n| place(t, ObjectKind::Trunk, n, "password")),
    column!("trunk", "name", "inbound_password", ROWS_AT_ONCE, |t, n| {
        place(t, ObjectKind::Trunk, n, "inbound_password")
    }),
    column!("trunk", "name", "stir_private_key", ROWS_AT_ONCE, |t, n| {
        place(t, ObjectKind::Trunk, n, "stir.sign.private_key")
    }),
    column!("tenant_snapshot", "name", "file", SNAPSHOTS_AT_ONCE, place_of_snapshot),
];

/// Tenants whose provider's secret stands in clear in the JSON of their rules.
const CLEAR_RULES: &str = "SELECT id, sign_in FROM tenant WHERE sign_in LIKE '%\"client_secret\":\"%'
    AND sign_in NOT LIKE '%\"client_secret\":\"sealed:v1:%' LIMIT ?";
const SEALED_RULES: &str =
    "SELECT id, sign_in FROM tenant WHERE sign_in LIKE '%\"client_secret\":\"sealed:v1:%' LIMIT ?";
const SET_RULES: &str = "UPDATE tenant SET sign_in = ? WHERE id = ? AND sign_in = ?";

/// What the key does with the sealed secrets that are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyFit {
    /// It opens one.
    Opens,
    /// It opens none: they are sealed with another one, or there is none.
    OpensNothing,
    /// There are none.
    NothingSealed,
}

impl<D: Dialect> Tables<D> {
    /// The same tables, whose secrets are sealed and opened by these seals.
    #[must_use]
    pub fn sealed_by(self, seals: SecretSeals) -> Self {
        Self(self.0, seals)
    }

    /// Seals the secrets that an earlier release has left in clear, and returns how many. Others may do that, and change objects, at the
    /// same time. Neither objects nor revisions change by it.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the secrets are sealed with a key that is not there, or not this one; else errors of the database.
    pub async fn seal_stored(&self) -> Result<u64> {
        self.expect_own_key().await?;
        if !self.1.are_there() {
            return Ok(0);
        }
        let mut count = 0;
        for column in &COLUMNS {
            let mut after = 0;
            while let Some((last, more)) = self.seal_some(column, after).await? {
                (after, count) = (last, count + more);
                if count / SAID_AFTER > (count - more) / SAID_AFTER {
                    tracing::info!(count, "secrets of the configuration that stood in clear are being sealed");
                }
            }
        }
        while let Some(more) = self.seal_some_rules().await? {
            count += more;
        }
        if count > 0 {
            tracing::info!(count, "secrets of the configuration that stood in clear are sealed");
        }
        Ok(count)
    }

    /// Nothing is sealed with two keys: whoever comes with another data directory is refused before a secret is written. What stands in
    /// clear stays so. One secret that opens shows the key, in whichever column: others may be damaged, and are told of where they are read.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the secrets are sealed with a key that is not there, or not this one; else errors of the database.
    pub async fn expect_own_key(&self) -> Result<()> {
        match self.key_fit().await? {
            KeyFit::Opens | KeyFit::NothingSealed => Ok(()),
            KeyFit::OpensNothing => {
                Err(StoreError::Corrupt { what: "the configuration".to_owned(), reason: OTHER_KEY.to_owned() })
            }
        }
    }

    /// Whether the key opens a secret of those that are looked at: then it is that of these tables.
    ///
    /// # Errors
    /// Errors of the database.
    pub async fn key_opens_some(&self) -> Result<bool> {
        Ok(self.key_fit().await? == KeyFit::Opens)
    }

    async fn key_fit(&self) -> Result<KeyFit> {
        let mut turn = self.0.reads().await?;
        let mut has_sealed = false;
        for column in &COLUMNS {
            for row in turn.rows(query(column.sealed).bind(LOOKED_AT.min(column.at_once))).await? {
                let (tenant, name, secret) = found(&row)?;
                if self.1.opened(&(column.place)(&tenant, &name), &secret).is_ok() {
                    return Ok(KeyFit::Opens);
                }
                has_sealed = true;
            }
        }
        // Those of providers stand in JSON.
        for row in turn.rows(query(SEALED_RULES).bind(LOOKED_AT)).await? {
            let tenant = tenant_id(&row.text("id")?)?;
            let Some(rules) = legible_rules(&tenant, row.text("sign_in")?) else { continue };
            let secret = rules.upstream.and_then(|provider| provider.client_secret);
            if secret.is_some_and(|secret| self.1.opened(&place_of_provider(&tenant), &secret).is_ok()) {
                return Ok(KeyFit::Opens);
            }
            has_sealed = true;
        }
        Ok(if has_sealed { KeyFit::OpensNothing } else { KeyFit::NothingSealed })
    }

    /// Seals some rows of a column that stand behind one. The last of them, and how many were sealed; none if there are no more.
    async fn seal_some(&self, column: &SecretColumn, after: i64) -> Result<Option<(i64, u64)>> {
        if self.0.reads().await?.rows(query(column.clear).bind(after).bind(1_i64)).await?.is_empty() {
            return Ok(None);
        }
        let mut turn = self.0.appends().await?;
        let rows = turn.rows(query(column.clear).bind(after).bind(column.at_once)).await?;
        let (mut last, mut count) = (None, 0);
        for row in &rows {
            let (tenant, name, secret) = found(row)?;
            let sealed = self.1.sealed(&(column.place)(&tenant, &name), &secret)?;
            let set = query(column.set).bind(sealed.reveal()).bind(tenant.as_str()).bind(&name);
            // Somebody may have changed it since.
            count += turn.run(set.bind(secret.reveal())).await?;
            last = Some(row.get("dbid")?);
        }
        turn.commit().await?;
        Ok(last.map(|last| (last, count)))
    }

    async fn seal_some_rules(&self) -> Result<Option<u64>> {
        let asked = || -> Statement { query(CLEAR_RULES).bind(ROWS_AT_ONCE) };
        if self.0.reads().await?.rows(asked()).await?.is_empty() {
            return Ok(None);
        }
        let mut turn = self.0.appends().await?;
        let rows = turn.rows(asked()).await?;
        let mut count = 0;
        for row in &rows {
            let (tenant, stored) = (tenant_id(&row.text("id")?)?, row.text("sign_in")?);
            let Some(mut rules) = legible_rules(&tenant, stored.clone()) else { continue };
            let Some(provider) = &mut rules.upstream else { continue };
            if let Some(secret) = &mut provider.client_secret {
                *secret = self.1.sealed(&place_of_provider(&tenant), secret)?;
            }
            let text = sign_in::rules_text(&rules, Some(&stored)).unwrap_or_default();
            count += turn.run(query(SET_RULES).bind(text).bind(tenant.as_str()).bind(stored)).await?;
        }
        turn.commit().await?;
        Ok(if count == 0 { None } else { Some(count) })
    }
}

/// How people of a tenant sign in. What is damaged there keeps that tenant alone from being served, and is left as it is; its secret may
/// stand there in clear.
fn legible_rules(tenant: &TenantId, stored: String) -> Option<SignInRules> {
    let told = |error: StoreError| tracing::error!(%tenant, %error, "a secret of the tenant is left as it stands");
    sign_in::rules(Some(stored)).map_err(told).ok()
}

fn found(row: &Row) -> Result<(TenantId, String, Secret)> {
    Ok((tenant_id(&row.text("tenant")?)?, row.text("name")?, Secret(row.text("secret")?)))
}

#[cfg(test)]
mod tests;
