//! Secrets of objects in the tables: sealed on the way in, opened on the way out. The statements between know nothing of it, and since a
//! secret is always sealed to the same text, they still see what has changed.
//!
//! Rows that an earlier release has left in clear are sealed when a process of the installation starts, and not by a command.

use contracts::provisioning::{Object, ObjectKey, ObjectKind, Secret, TenantObjects};
use infra::{
    ArchivedPart, NamedSnapshot, ObjectChange, Result, SecretPlace, SecretSeals, StoreError, TenantFileText, ToldChange,
};
use model::TenantId;

use super::{Dialect, Row, Statement, Tables, Turn, find, query, sign_in, tenant_id};

/// Objects that are sealed or opened without a thread of their own.
const OBJECTS_AT_ONCE: usize = 256;
/// After so many rows it is said how far the sealing of what stands in clear is.
const SAID_AFTER: u64 = 10_000;
/// Rows that are sealed in one transaction: other writers wait meanwhile.
const ROWS_AT_ONCE: i64 = 500;
/// Snapshots: each has a whole tenant.
const SNAPSHOTS_AT_ONCE: i64 = 1;
/// Sealed secrets of a column that are looked at to see whether the key is theirs; some may be damaged.
const LOOKED_AT: i64 = 3;

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
    let (mut changes, refused) = beside(count, all).await?;
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
    beside(count, all).await
}

/// Does the work on so many objects: of a large tenant in a thread of its own, so that no executor waits for it.
async fn beside<T: Send + 'static>(count: usize, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    if count <= OBJECTS_AT_ONCE {
        return Ok(work());
    }
    // It fails when the process ends.
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| StoreError::Unavailable { reason: error.to_string() })
}

/// Stored changes as who asks for them gets them.
pub(super) fn opened_changes(seals: &SecretSeals, tenant: &TenantId, changes: &mut [ToldChange]) {
    for change in changes {
        if let ToldChange::Put(object) = change {
            seals.open_stored(tenant, object);
        }
    }
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
        ArchivedPart::Snapshot(kept) => ArchivedPart::Snapshot(snapshot(seals, tenant, &kept)?),
        part => part,
    })
}

/// A snapshot as it is stored.
pub(super) fn snapshot(seals: &SecretSeals, tenant: &TenantId, kept: &NamedSnapshot) -> Result<NamedSnapshot> {
    let place = SecretPlace::of_snapshot(tenant, &kept.head.name);
    let file = TenantFileText(seals.sealed(&place, &Secret(kept.file.0.clone()))?.0);
    Ok(NamedSnapshot { head: kept.head.clone(), file, documents: kept.documents.clone() })
}

/// A stored snapshot as who asks for it gets it.
pub(super) fn opened_snapshot(
    seals: &SecretSeals,
    tenant: &TenantId,
    mut snapshot: NamedSnapshot,
) -> Result<NamedSnapshot> {
    let place = SecretPlace::of_snapshot(tenant, &snapshot.head.name);
    let file = seals.opened(&place, &Secret(std::mem::take(&mut snapshot.file.0)))?;
    snapshot.file = TenantFileText(file.0);
    Ok(snapshot)
}

// === what stands in clear ===

/// What is said to who comes with another key.
const OTHER_KEY: &str = "its secrets are sealed with another key than that of this data directory (keys/installation.key): put a copy \
     of that file back; if it is lost, `trunkline tenant forget-secrets` tells which secrets are gone and begins without them \
     (docs/provisioning.md, \"If the key is lost\")";

/// A column of secrets, with the statements about it. `clear` and `sealed` return the tenant, the name of the row, and the
/// secret; `clear` of rows behind one, so that nothing that is done is looked through again.
struct SecretColumn {
    place: for<'a> fn(&'a TenantId, &str) -> SecretPlace<'a>,
    at_once: i64,
    clear: &'static str,
    sealed: &'static str,
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
    /// clear stays so.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the secrets are sealed with a key that is not there, or not this one; else errors of the database.
    pub async fn expect_own_key(&self) -> Result<()> {
        let mut turn = self.0.reads().await?;
        for column in &COLUMNS {
            let (mut seen, mut opens) = (false, false);
            for row in turn.rows(query(column.sealed).bind(LOOKED_AT.min(column.at_once))).await? {
                let (tenant, name, secret) = found(&row)?;
                seen = true;
                opens |= self.1.opened(&(column.place)(&tenant, &name), &secret).is_ok();
            }
            if opens {
                return Ok(());
            }
            if seen {
                let what = "the configuration".to_owned();
                return Err(StoreError::Corrupt { what, reason: OTHER_KEY.to_owned() });
            }
        }
        self.expect_own_key_of_rules(&mut *turn).await
    }

    /// The same by the secrets of providers, which stand in JSON: for a database that has no other secret.
    async fn expect_own_key_of_rules(&self, turn: &mut dyn Turn) -> Result<()> {
        let rows = turn.rows(query(SEALED_RULES).bind(LOOKED_AT)).await?;
        for row in &rows {
            let tenant = tenant_id(&row.text("id")?)?;
            let provider = sign_in::rules(Some(row.text("sign_in")?))?.upstream;
            let secret = provider.and_then(|provider| provider.client_secret);
            if secret.is_some_and(|secret| self.1.opened(&place_of_provider(&tenant), &secret).is_ok()) {
                return Ok(());
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        Err(StoreError::Corrupt { what: "the configuration".to_owned(), reason: OTHER_KEY.to_owned() })
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
            let mut rules = sign_in::rules(Some(stored.clone()))?;
            let Some(provider) = &mut rules.upstream else { continue };
            if let Some(secret) = &mut provider.client_secret {
                *secret = self.1.sealed(&place_of_provider(&tenant), secret)?;
            }
            let text = sign_in::rules_text(&rules).unwrap_or_default();
            count += turn.run(query(SET_RULES).bind(text).bind(tenant.as_str()).bind(stored)).await?;
        }
        turn.commit().await?;
        Ok(if count == 0 { None } else { Some(count) })
    }
}

fn found(row: &Row) -> Result<(TenantId, String, Secret)> {
    Ok((tenant_id(&row.text("tenant")?)?, row.text("name")?, Secret(row.text("secret")?)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use contracts::provisioning::Trunk;
    use infra::conformance::provisioning::{note, objects};
    use infra::conformance::secrets::LegibleCipher;
    use infra::{ProvisioningStore as _, Revision, SnapshotHead, TenantArchive as _};
    use model::Timestamp;

    use super::*;
    use crate::sqlite::SqliteProvisioning;

    fn seals() -> SecretSeals {
        SecretSeals::of(Arc::new(LegibleCipher))
    }

    async fn opened(folder: &tempfile::TempDir) -> SqliteProvisioning {
        SqliteProvisioning::open(&folder.path().join("configuration.sqlite")).await.unwrap()
    }

    /// A tenant as a release before has stored it, with a snapshot.
    async fn in_clear(store: &SqliteProvisioning, tenant: &TenantId) -> NamedSnapshot {
        let put = objects("acme").objects().map(ObjectChange::Put).collect();
        store.update(tenant, Revision(0), put, note()).await.unwrap();
        let at = Timestamp::from_millis(1_700_000_000_000);
        let head = SnapshotHead { name: "before".into(), at, by: "tester".into(), revision: Revision(1) };
        let kept = NamedSnapshot { head, file: TenantFileText("password: hush".into()), documents: Vec::new() };
        assert!(store.keep_snapshot(tenant, &kept).await.unwrap());
        kept
    }

    #[tokio::test]
    async fn what_a_release_before_has_left_in_clear_is_sealed_once_and_stays_what_it_was() {
        let (folder, tenant) = (tempfile::tempdir().unwrap(), TenantId::parse("acme").unwrap());
        let store = opened(&folder).await;
        let kept = in_clear(&store, &tenant).await;
        let before = store.point(&tenant).await.unwrap();
        let store = store.sealed_by(seals());
        assert!(store.seal_stored().await.unwrap() >= 6);
        assert_eq!(store.seal_stored().await.unwrap(), 0);
        assert_eq!(store.load(&tenant).await.unwrap(), Some((Revision(1), objects("acme"))));
        assert_eq!(store.snapshot(&tenant, "before").await.unwrap(), Some(kept));
        assert_eq!(store.point(&tenant).await.unwrap(), before);
        let mut stored = Vec::new();
        let mut take = |part: ArchivedPart| -> Result<()> {
            stored.push(part);
            Ok(())
        };
        assert!(store.archive(&tenant, &mut take).await.unwrap());
        for part in stored {
            match part {
                ArchivedPart::Object(mut object, _) => {
                    assert!(object.readable_secrets().iter().all(|(_, secret)| secret.is_sealed()));
                }
                ArchivedPart::Snapshot(snapshot) => assert!(Secret(snapshot.file.0).is_sealed()),
                _ => {}
            }
        }
    }

    #[tokio::test]
    async fn a_pin_that_is_kept_as_a_hash_is_neither_sealed_nor_lost_with_the_key() {
        let (folder, tenant) = (tempfile::tempdir().unwrap(), TenantId::parse("acme").unwrap());
        let store = opened(&folder).await.sealed_by(seals());
        let mut given = objects("acme");
        let pin = given.people[0].agent.as_mut().and_then(|agent| agent.pin.as_mut()).unwrap();
        *pin = Secret("$argon2id$of-a-pin#4".to_owned());
        let put = given.objects().map(ObjectChange::Put).collect();
        store.update(&tenant, Revision(0), put, note()).await.unwrap();
        assert_eq!(store.seal_stored().await.unwrap(), 0);
        assert_eq!(store.load(&tenant).await.unwrap(), Some((Revision(1), given.clone())));
        let (_, seen) = opened(&folder).await.load(&tenant).await.unwrap().unwrap();
        assert_eq!(seen.people, given.people, "it needs no key");
        // A process of the release before seals it, as what stands in clear.
        let mut turn = store.0.appends().await.unwrap();
        let ann = ObjectKey { kind: ObjectKind::Person, id: "ann".to_owned() };
        let place = SecretPlace { tenant: &tenant, key: ann, field: "agent.pin" };
        let sealed = seals().sealed(&place, &Secret("$argon2id$of-a-pin#4".to_owned())).unwrap();
        turn.run(query("UPDATE person SET pin = ?").bind(sealed.reveal())).await.unwrap();
        turn.commit().await.unwrap();
        assert_eq!(store.load(&tenant).await.unwrap(), Some((Revision(1), given)));
    }

    #[tokio::test]
    async fn whoever_has_another_key_or_none_is_refused_before_anything_is_written() {
        #[derive(Debug)]
        struct OtherKey;
        impl infra::SecretCipher for OtherKey {
            fn seal(&self, _: &SecretPlace<'_>, plain: &str) -> Option<String> {
                Some(format!("other.{plain}"))
            }
            fn open(&self, _: &SecretPlace<'_>, sealed: &str) -> Option<String> {
                sealed.strip_prefix("other.").map(str::to_owned)
            }
        }
        let (folder, tenant) = (tempfile::tempdir().unwrap(), TenantId::parse("acme").unwrap());
        let store = opened(&folder).await;
        in_clear(&store, &tenant).await;
        store.sealed_by(seals()).seal_stored().await.unwrap();
        for other in [SecretSeals::default(), SecretSeals::of(Arc::new(OtherKey))] {
            let refused = opened(&folder).await.sealed_by(other).seal_stored().await.unwrap_err();
            assert!(refused.to_string().contains("installation.key"), "{refused}");
        }
        assert_eq!(opened(&folder).await.sealed_by(seals()).seal_stored().await.unwrap(), 0);
    }

    /// As docs/provisioning.md has them, for SQLite.
    const OF_A_LOST_KEY: [&str; 6] = [
        "UPDATE dn SET password = NULL;",
        "UPDATE person SET pin = NULL WHERE pin LIKE 'sealed:%';",
        "UPDATE person SET second_factor = NULL;",
        "UPDATE trunk SET password = NULL, inbound_password = NULL, stir_private_key = NULL;",
        "DELETE FROM tenant_snapshot;",
        "UPDATE tenant SET sign_in = json_remove(sign_in, '$.upstream.client_secret') WHERE sign_in IS NOT NULL;",
    ];

    #[tokio::test]
    async fn after_a_lost_key_nothing_is_gone_but_what_it_has_sealed() {
        let (folder, tenant) = (tempfile::tempdir().unwrap(), TenantId::parse("acme").unwrap());
        let store = opened(&folder).await;
        in_clear(&store, &tenant).await;
        store.clone().sealed_by(seals()).seal_stored().await.unwrap();
        let page = include_str!("../../../../docs/provisioning.md");
        let mut turn = store.0.appends().await.unwrap();
        for statement in OF_A_LOST_KEY {
            assert!(page.contains(statement), "{statement}");
            turn.run(query(statement)).await.unwrap();
        }
        turn.commit().await.unwrap();
        assert_eq!(store.seal_stored().await.unwrap(), 0, "nothing is sealed any more");
        let (_, found) = store.load(&tenant).await.unwrap().unwrap();
        let mut expected = objects("acme").tenant.sign_in;
        let provider = expected.upstream.as_mut().unwrap();
        assert!(provider.client_secret.take().is_some());
        assert_eq!(found.tenant.sign_in, expected);
        assert_eq!(found.people.len(), objects("acme").people.len());
    }

    #[tokio::test]
    async fn one_secret_that_cannot_be_opened_keeps_nobody_from_its_tenant_and_its_object_is_given_another() {
        let (folder, tenant) = (tempfile::tempdir().unwrap(), TenantId::parse("acme").unwrap());
        let store = opened(&folder).await.sealed_by(seals());
        in_clear(&store, &tenant).await;
        let mut turn = store.0.appends().await.unwrap();
        turn.run(query("UPDATE trunk SET inbound_password = 'sealed:v1:damaged'")).await.unwrap();
        turn.commit().await.unwrap();
        let (revision, held) = store.load(&tenant).await.unwrap().unwrap();
        let mut trunk = held.trunks[0].clone();
        assert_eq!(trunk.inbound_password, Some(Secret::of_sealed("damaged")));
        let put = |trunk: &Trunk| vec![ObjectChange::Put(Object::Trunk(Box::new(trunk.clone())))];
        // What an edit leaves as it is, stays.
        trunk.priority = Some(7);
        let revision = store.update(&tenant, revision, put(&trunk), note()).await.unwrap();
        assert_eq!(store.load(&tenant).await.unwrap().unwrap().1.trunks, [trunk.clone()]);
        // Another one that cannot be opened is refused, and one in clear is taken.
        let stranger = Trunk { inbound_password: Some(Secret::of_sealed("moved")), ..trunk.clone() };
        let refused = store.update(&tenant, revision, put(&stranger), note()).await.unwrap_err();
        assert!(matches!(refused, StoreError::Invalid(_)), "{refused}");
        trunk.inbound_password = Some(Secret("hush".to_owned()));
        store.update(&tenant, revision, put(&trunk), note()).await.unwrap();
        assert_eq!(store.load(&tenant).await.unwrap().unwrap().1.trunks, [trunk]);
    }
}
