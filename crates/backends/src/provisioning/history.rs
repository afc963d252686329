//! What happened to objects: written with each change, read in pages.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use contracts::provisioning::{BySpelling, Object, ObjectAnnex, ObjectKey, ObjectKind};
use infra::{
    ChangeNote, ChangeOrigin, ChangeWay, HistoryEntry, HistoryPage, ObjectChange, Result, Revision, StoreError,
};
use model::{TenantId, Timestamp};

use super::gathered::GatheredRows;
use super::{
    FOUND_EACH_MAX, Field, Row, Statement, Turn, annexes, find, key_of, number, query, read, revision_of, revisions,
    tenant_standing,
};

/// What happens to one object.
pub(super) struct ChangedObject {
    key: ObjectKey,
    before: Option<String>,
    after: Option<String>,
    secrets_changed: bool,
}

/// An object with its annex, on one side of a change.
#[derive(Clone, Copy)]
struct StoredSide<'a> {
    object: &'a Object,
    annex: Option<&'a ObjectAnnex>,
}

impl PartialEq for StoredSide<'_> {
    fn eq(&self, other: &Self) -> bool {
        let annex = |side: &Self| side.annex.filter(|annex| !annex.is_empty()).cloned();
        self.object == other.object && annex(self) == annex(other)
    }
}

/// What these changes do to the objects of a tenant that stands at a revision. What leaves an object as it is, is left out.
pub(super) async fn of(
    db: &mut dyn Turn,
    tenant: &TenantId,
    at: Revision,
    changes: &[ObjectChange],
) -> Result<Vec<ChangedObject>> {
    let mut present = match at {
        Revision(0) => BySpelling::from_iter([]),
        _ => present(db, tenant, changes).await?,
    };
    let given: HashMap<ObjectKey, &ObjectAnnex> = changes.iter().filter_map(given_annex).collect();
    let put: HashSet<ObjectKey> = changes.iter().filter(|change| is_put(change)).map(ObjectChange::key).collect();
    // An annex beside its object is told with it.
    let is_told = |change: &&ObjectChange| !matches!(change, ObjectChange::Annex(key, _) if put.contains(key));
    let told: Vec<&ObjectChange> = changes.iter().filter(is_told).collect();
    // Exact names first: a change may put one spelling of a name and delete another.
    let keys: Vec<ObjectKey> = told.iter().map(|change| change.key()).collect();
    let exact: Vec<Option<Object>> = keys.iter().map(|key| present.take_exact(key)).collect();
    let before: Vec<Option<Object>> =
        exact.into_iter().zip(&keys).map(|(exact, key)| exact.or_else(|| present.take(key))).collect();
    let stood: Vec<ObjectKey> = before.iter().flatten().map(Object::key).collect();
    let annexes = if stood.is_empty() { HashMap::new() } else { annexes::of(db, tenant, &stood).await? };
    let mut happened = Vec::with_capacity(told.len());
    for ((change, key), before) in told.into_iter().zip(keys).zip(&before) {
        let before = before.as_ref().map(|object| StoredSide { object, annex: annexes.get(&object.key()) });
        let object = match change {
            ObjectChange::Put(object) => Some(object),
            ObjectChange::Annex(..) => before.map(|side| side.object),
            ObjectChange::Delete(_) => None,
        };
        // An object under another spelling is another one: the annex stays with the key.
        let kept = || annexes.get(&key);
        let after = object.map(|object| StoredSide { object, annex: given.get(&key).copied().or_else(kept) });
        if before != after {
            happened.push(one(key, before, after));
        }
    }
    Ok(happened)
}

const fn is_put(change: &ObjectChange) -> bool {
    matches!(change, ObjectChange::Put(_))
}

fn given_annex(change: &ObjectChange) -> Option<(ObjectKey, &ObjectAnnex)> {
    match change {
        ObjectChange::Annex(key, annex) => Some((key.clone(), annex)),
        _ => None,
    }
}

fn one(key: ObjectKey, before: Option<StoredSide<'_>>, after: Option<StoredSide<'_>>) -> ChangedObject {
    let secrets = |side: Option<StoredSide<'_>>| {
        let secrets = side.map(|side| side.object.secrets()).unwrap_or_default();
        secrets.into_iter().map(|(field, secret)| (field, secret.clone())).collect::<Vec<_>>()
    };
    ChangedObject {
        key,
        secrets_changed: secrets(before) != secrets(after),
        before: before.map(|side| shown(side.object, side.annex)),
        after: after.map(|side| shown(side.object, side.annex)),
    }
}

/// As the history shows it.
pub(super) fn shown(object: &Object, annex: Option<&ObjectAnnex>) -> String {
    String::from_utf8(object.clone().without_secrets().to_json_with(annex)).unwrap_or_default()
}

/// The objects that the changes are about. Those alone are read, other writers wait meanwhile; but of very many the whole tenant is.
async fn present(db: &mut dyn Turn, tenant: &TenantId, changes: &[ObjectChange]) -> Result<BySpelling<Object>> {
    if changes.len() > FOUND_EACH_MAX {
        return Ok(read::objects(db, tenant).await?.objects().map(|object| (object.key(), object)).collect());
    }
    let mut keys: Vec<ObjectKey> = changes.iter().map(ObjectChange::key).collect();
    // An object and its annex may change in one batch.
    let mut named = HashSet::new();
    keys.retain(|key| named.insert(key.clone()));
    let found = find::all(db, tenant, &keys).await?;
    let mut seen = HashSet::new();
    // By the names that the changes have: a table may take two for one that are two by every other rule. Each object once, since it is
    // found by several spellings: by its own if that is among them.
    let found = keys.into_iter().zip(found).filter_map(|(key, object)| Some((key, object?)));
    let mut found: Vec<(ObjectKey, Object)> = found.collect();
    found.sort_by_key(|(key, object)| object.key() != *key);
    Ok(found.into_iter().filter(|(_, object)| seen.insert(object.key())).collect())
}

/// Writes what has happened.
pub(super) async fn write(
    db: &mut dyn Turn,
    tenant: &TenantId,
    revision: Revision,
    note: &ChangeNote,
    happened: Vec<ChangedObject>,
) -> Result<()> {
    let mut rows = GatheredRows::of(db);
    for ChangedObject { key, before, after, secrets_changed } in happened {
        let entry = HistoryEntry { number: 0, revision, note: note.clone(), key, before, after, secrets_changed };
        put(&mut rows, tenant, entry).await?;
    }
    rows.flush().await
}

/// Writes that the secrets of the tenant were shown. The tenant itself stands there before and after as it is: nothing has changed.
pub(super) async fn note_reveal(db: &mut dyn Turn, tenant: &TenantId, note: &ChangeNote) -> Result<()> {
    let missing = || StoreError::Missing { key: format!("tenant {tenant}") };
    let revision = revisions::of_tenant(db, tenant).await?.ok_or_else(missing)?;
    let key = ObjectKey { kind: ObjectKind::Tenant, id: String::new() };
    let object = find::find(db, tenant, &key).await?.ok_or_else(missing)?;
    let annex = annexes::find(db, tenant, &key).await?;
    let shown = String::from_utf8(object.without_secrets().to_json_with(annex.as_ref())).unwrap_or_default();
    let (before, after) = (Some(shown.clone()), Some(shown));
    let entry = HistoryEntry { number: 0, revision, note: note.clone(), key, before, after, secrets_changed: false };
    put(db, tenant, entry).await
}

/// The objects that there were not before, in any spelling of their names.
pub(super) fn new_objects(happened: &[ChangedObject]) -> HashSet<ObjectKey> {
    let new = happened.iter().filter(|changed| changed.before.is_none() && changed.after.is_some());
    new.map(|changed| changed.key.clone()).collect()
}

/// Writes an entry; the table numbers it.
pub(super) async fn put(db: &mut dyn Turn, tenant: &TenantId, entry: HistoryEntry) -> Result<()> {
    let sql =
        "INSERT INTO change_log (tenant, revision, changed_ms, changed_by, way, client, session, source, request, kind, id,
             document_before, document_after, secrets)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let put = query(sql)
        .bind(tenant.as_str())
        .bind(number(entry.revision.0))
        .bind(number(entry.note.at.as_millis()))
        .bind(&entry.note.by)
        .bind(entry.note.way.as_str())
        .bind(&entry.note.origin.client)
        .bind(&entry.note.origin.session)
        .bind(&entry.note.origin.source)
        .bind(&entry.note.request)
        .bind(entry.key.kind.as_str())
        .bind(entry.key.id)
        .bind(&entry.before)
        .bind(&entry.after)
        .bind(u32::from(entry.secrets_changed));
    db.run(put).await.map(drop)
}

// === reading ===

/// Statements name their columns, here too.
macro_rules! entries {
    ($rest:literal) => {
        concat!(
            "SELECT number, revision, changed_ms, changed_by, way, client, session, source, request, kind, id,
                 document_before, document_after, secrets
             FROM change_log WHERE tenant = ? AND ",
            $rest
        )
    };
}

/// A page, the latest entry first. Entries of kinds that a later release has are passed over: it is full all the same. Of a tenant that is
/// not there, what is kept of those with its id.
pub(super) async fn page(db: &mut dyn Turn, tenant: &TenantId, page: &HistoryPage) -> Result<Vec<HistoryEntry>> {
    let begin = tenant_standing::log_begin(db, tenant).await?.unwrap_or_default();
    let mut below = page.below.map_or(i64::MAX, number);
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let mut entries = Vec::new();
    loop {
        let wanted = limit - entries.len();
        let asked = below_number(tenant, page).bind(begin).bind(below).bind(i64::try_from(wanted).unwrap_or(i64::MAX));
        let rows = db.rows(asked).await?;
        for row in &rows {
            entries.extend(entry(row)?);
        }
        match rows.last() {
            Some(last) if rows.len() == wanted && entries.len() < limit => below = last.get("number")?,
            _ => return Ok(entries),
        }
    }
}

/// The statement of a page, but for the numbers between which it is and the most entries.
fn below_number(tenant: &TenantId, page: &HistoryPage) -> Statement {
    // Each is answered from an index in its order: a page costs what it has, however long the log is. Only an id without a kind is looked
    // for among the tenant's entries. The `+` keeps SQLite from the index by number, which has entries of every kind.
    match (page.kind, &page.id) {
        (Some(kind), Some(id)) => {
            let sql = entries!("kind = ? AND id = ? AND +number > ? AND number < ? ORDER BY number DESC LIMIT ?");
            query(sql).bind(tenant.as_str()).bind(kind.as_str()).bind(id)
        }
        (Some(kind), None) => {
            let sql = entries!("kind = ? AND +number > ? AND number < ? ORDER BY number DESC LIMIT ?");
            query(sql).bind(tenant.as_str()).bind(kind.as_str())
        }
        (None, Some(id)) => query(entries!("id = ? AND +number > ? AND number < ? ORDER BY number DESC LIMIT ?"))
            .bind(tenant.as_str())
            .bind(id),
        (None, None) => query(entries!("number > ? AND number < ? ORDER BY number DESC LIMIT ?")).bind(tenant.as_str()),
    }
}

/// Bytes of documents that are read at once, or one larger entry: each may have a megabyte before and another one after, and a statement
/// has seconds.
const BYTES_AT_ONCE: i64 = 4 << 20;

/// So many entries after a number at most, the first one first, and the number to go on after; none if there are no more. Entries of kinds
/// that a later release has are passed over.
pub(super) async fn after(
    db: &mut dyn Turn,
    tenant: &TenantId,
    last: u64,
    limit: u32,
) -> Result<(Vec<HistoryEntry>, Option<u64>)> {
    let Some(end) = end_of_part(db, tenant, last, limit).await? else { return Ok((Vec::new(), None)) };
    let asked = query(entries!("number > ? AND number <= ? ORDER BY number"));
    let rows = db.rows(asked.bind(tenant.as_str()).bind(number(last)).bind(end)).await?;
    let entries = rows.iter().filter_map(|row| entry(row).transpose()).collect::<Result<Vec<_>>>()?;
    Ok((entries, Some(u64::try_from(end).unwrap_or_default())))
}

/// The number of the last one of them. The databases know the size of a text without reading it.
async fn end_of_part(db: &mut dyn Turn, tenant: &TenantId, last: u64, limit: u32) -> Result<Option<i64>> {
    let sql = "SELECT number, CAST(coalesce(octet_length(document_before), 0) AS BIGINT)
             + coalesce(octet_length(document_after), 0) AS bytes
         FROM change_log WHERE tenant = ? AND number > ? ORDER BY number LIMIT ?";
    let asked = query(sql).bind(tenant.as_str()).bind(number(last)).bind(i64::from(limit));
    let (mut end, mut bytes) = (None, 0_i64);
    for row in db.rows(asked).await? {
        bytes = bytes.saturating_add(row.get("bytes")?);
        if bytes > BYTES_AT_ONCE && end.is_some() {
            break;
        }
        end = Some(row.get("number")?);
    }
    Ok(end)
}

/// The last entry of an object up to a revision, else the first one after it. Where entries are gone, a later one may have stood behind one
/// that is left from before: that says how the object stood at its own revision alone.
pub(super) async fn entry_at(
    db: &mut dyn Turn,
    tenant: &TenantId,
    key: &ObjectKey,
    at: Revision,
) -> Result<Option<HistoryEntry>> {
    let Some(begin) = tenant_standing::log_begin(db, tenant).await? else { return Ok(None) };
    let pruned = number(pruned(db, tenant).await?.0);
    let up_to =
        entries!("kind = ? AND id = ? AND revision <= ? AND +number > ? ORDER BY revision DESC, number DESC LIMIT 1");
    let after = entries!("kind = ? AND id = ? AND revision > ? AND +number > ? ORDER BY revision, number LIMIT 1");
    for sql in [up_to, after] {
        let asked = query(sql).bind(tenant.as_str()).bind(key.kind.as_str()).bind(&key.id).bind(number(at.0));
        let rows = db.rows(asked.bind(begin)).await?;
        let Some(row) = rows.first() else { continue };
        let revision = row.get::<i64>("revision")?;
        if revision >= pruned.min(number(at.0)) {
            return entry(row);
        }
    }
    Ok(None)
}

/// Since which revision folders that are there have been there, by their paths: that which has made each last. One whose entry is gone was
/// made up to the highest revision of which entries are, so none is said to have been there before that.
pub(super) async fn folders_since(
    db: &mut dyn Turn,
    tenant: &TenantId,
    paths: &[String],
) -> Result<HashMap<String, Revision>> {
    let Some(begin) = tenant_standing::log_begin(db, tenant).await?.filter(|_| !paths.is_empty()) else {
        return Ok(HashMap::new());
    };
    let pruned = pruned(db, tenant).await?;
    let mut since = HashMap::with_capacity(paths.len());
    for row in db.rows(made_last(tenant, paths, begin)).await? {
        let made: Option<i64> = row.get("revision")?;
        since.insert(row.text("path")?, made.map_or(pruned, |made| revision_of(made).max(pruned)));
    }
    Ok(since)
}

/// The statement for the last revision that has made each. The index of such entries is found by the kind as it stands there.
fn made_last(tenant: &TenantId, paths: &[String], begin: i64) -> Statement {
    let values = vec!["(?)"; paths.len()].join(", ");
    let sql = format!(
        "WITH asked (path) AS (VALUES {values})
         SELECT path, (SELECT max(revision) FROM change_log WHERE tenant = ? AND kind = 'folder' AND id = path
             AND document_before IS NULL AND +number > ?) AS revision
         FROM asked"
    );
    let mut fields: Vec<Field> = paths.iter().map(Field::from).collect();
    fields.extend([Field::from(tenant.as_str()), Field::from(begin)]);
    Statement { sql: Cow::Owned(sql), fields }
}

// === removing ===

/// Entries that are older than a time, the oldest ones first, at most so many: an index by time finds them, whatever stands before, between
/// and behind them. The values are those of [`too_old`].
macro_rules! old_entries {
    ($columns:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM change_log WHERE tenant = ? AND changed_ms < ? AND +number > ? AND +number <= ?
             ORDER BY changed_ms, number LIMIT ?"
        )
    };
}

/// A statement about the entries of a tenant with numbers behind one and up to another that are older than a time.
fn too_old(
    sql: &'static str,
    tenant: &TenantId,
    (behind, up_to): (i64, i64),
    before: Timestamp,
    at_most: u32,
) -> Statement {
    let asked = query(sql).bind(tenant.as_str()).bind(number(before.as_millis()));
    asked.bind(behind).bind(up_to).bind(i64::from(at_most))
}

/// Where entries are looked for: among those of tenants before this one with its id, and among its own.
async fn parts(db: &mut dyn Turn, tenant: &TenantId) -> Result<[(i64, i64); 2]> {
    let begin = tenant_standing::log_begin(db, tenant).await?.unwrap_or(i64::MAX);
    Ok([(0, begin), (begin, i64::MAX)])
}

/// Whether there are entries that are older than a time.
pub(super) async fn has_old(db: &mut dyn Turn, tenant: &TenantId, before: Timestamp) -> Result<bool> {
    for part in parts(db, tenant).await? {
        if !db.rows(too_old(old_entries!("number"), tenant, part, before, 1)).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes them, and notes up to which revision the history has lost entries. Those of a tenant before this one with its id go as well, and
/// are no loss of this one.
pub(super) async fn prune(db: &mut dyn Turn, tenant: &TenantId, before: Timestamp, at_most: u32) -> Result<u64> {
    let [of_others, own] = parts(db, tenant).await?;
    let removed = remove(db, tenant, of_others, before, at_most).await?;
    let left = at_most.saturating_sub(u32::try_from(removed).unwrap_or(u32::MAX));
    if left == 0 {
        return Ok(removed);
    }
    let sql = concat!("SELECT max(revision) AS revision FROM (", old_entries!("revision"), ") AS old");
    let rows = db.rows(too_old(sql, tenant, own, before, left)).await?;
    let revision = rows.first().map_or(Ok(None), |row| row.get::<Option<i64>>("revision"))?;
    let Some(revision) = revision else { return Ok(removed) };
    pruned_to(db, tenant, revision).await?;
    Ok(removed + remove(db, tenant, own, before, left).await?)
}

async fn remove(
    db: &mut dyn Turn,
    tenant: &TenantId,
    part: (i64, i64),
    before: Timestamp,
    at_most: u32,
) -> Result<u64> {
    let sql = concat!("DELETE FROM change_log WHERE number IN (", old_entries!("number"), ")");
    db.run(too_old(sql, tenant, part, before, at_most)).await
}

/// Notes that entries up to a revision are gone.
pub(super) async fn pruned_to(db: &mut dyn Turn, tenant: &TenantId, revision: i64) -> Result<()> {
    let sql = "UPDATE tenant SET pruned_revision = ? WHERE id = ? AND pruned_revision < ?";
    db.run(query(sql).bind(revision).bind(tenant.as_str()).bind(revision)).await.map(drop)
}

/// The highest revision of which entries are gone; 0 if none are.
pub(super) async fn pruned(db: &mut dyn Turn, tenant: &TenantId) -> Result<Revision> {
    let rows = db.rows(query("SELECT pruned_revision FROM tenant WHERE id = ?").bind(tenant.as_str())).await?;
    rows.first().map_or(Ok(Revision(0)), |row| Ok(revision_of(row.get("pruned_revision")?)))
}

// === requests ===

/// What a caller's batch has changed since then.
pub(super) async fn request(
    db: &mut dyn Turn,
    tenant: &TenantId,
    (by, request): (&str, &str),
    since: Timestamp,
) -> Result<Vec<HistoryEntry>> {
    let Some(begin) = tenant_standing::log_begin(db, tenant).await? else { return Ok(Vec::new()) };
    // The first `+` keeps SQLite from the index by time, which has the requests of everybody.
    let sql = entries!("changed_by = ? AND request = ? AND +changed_ms >= ? AND +number > ? ORDER BY number");
    let asked = query(sql).bind(tenant.as_str()).bind(by).bind(request).bind(number(since.as_millis()));
    let mut entries = Vec::new();
    for row in &db.rows(asked.bind(begin)).await? {
        entries.extend(entry(row)?);
    }
    Ok(entries)
}

/// The entry of a row; none if a later release has noted it about a kind of objects that this one does not know.
fn entry(row: &Row) -> Result<Option<HistoryEntry>> {
    let unsigned = |column| -> Result<u64> { Ok(u64::try_from(row.get::<i64>(column)?).unwrap_or_default()) };
    let Some(key) = key_of(row)? else { return Ok(None) };
    let way = ChangeWay::named(row.text("way")?);
    Ok(Some(HistoryEntry {
        number: unsigned("number")?,
        revision: revision_of(row.get("revision")?),
        note: ChangeNote {
            by: row.text("changed_by")?,
            way,
            origin: ChangeOrigin {
                client: row.get("client")?,
                session: row.get("session")?,
                source: row.get("source")?,
            },
            at: Timestamp::from_millis(unsigned("changed_ms")?),
            request: row.get("request")?,
        },
        key,
        before: row.get("document_before")?,
        after: row.get("document_after")?,
        secrets_changed: row.get::<u32>("secrets")? != 0,
    }))
}

#[cfg(test)]
mod tests;
