//! When people work. The table is bound to that of persons: whoever removes a person removes the rows.
//!
//! Who replaces shifts takes turns with all writers of the tenant's configuration, so that no two shifts of a person come to be at the same
//! time, and no person goes meanwhile. Who tries what would become of them waits for nobody.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use contracts::json::rfc3339;
use contracts::provisioning::folded_name;
use futures::FutureExt as _;
use infra::bounds::{SHIFT_LENGTH_MAX, SHIFTS_OF_TENANT_MAX};
use infra::{
    Answer, ChangeNote, HistoryEntry, Result, ShiftCounts, ShiftSpan, ShiftTerms, Shifts, ShiftsReplaced, StoreError,
    StoredShift, key_of_shifts,
};
use model::{TenantId, Timestamp};

use super::by_names::NAMES_MAX;
use super::cleared::of_many;
use super::gathered::GatheredRows;
use super::{Dialect, Field, Row, Statement, Tables, Turn, history, number, query, revisions};

/// Ids that one statement names at most.
const IDS_MAX: usize = 500;

impl<D: Dialect> Shifts for Tables<D> {
    fn shifts_of<'a>(
        &'a self,
        tenant: &'a TenantId,
        people: &'a [String],
        (from, to): (Timestamp, Timestamp),
        at_most: usize,
    ) -> Answer<'a, Vec<StoredShift>> {
        async move {
            let mut turn = self.0.reads().await?;
            let (mut found, mut ids) = (Vec::new(), HashSet::new());
            for user in people {
                // None begins so early and has a part in it.
                let earliest = earlier(from, SHIFT_LENGTH_MAX);
                let sql = "SELECT id, user_name, begin_ms, end_ms, document FROM shift
                     WHERE tenant = ? AND user_name = ? AND begin_ms > ? AND begin_ms < ? AND end_ms > ?
                     ORDER BY begin_ms LIMIT ?";
                let asked = query(sql).bind(tenant.as_str()).bind(user).bind(ms(earliest)).bind(ms(to)).bind(ms(from));
                let left = i64::try_from(at_most.saturating_sub(found.len())).unwrap_or(i64::MAX);
                for row in turn.rows(asked.bind(left)).await? {
                    let shift = shift_of(&row)?;
                    // Who is named twice, in whatever spelling, has each once.
                    if ids.insert(shift.id.clone()) {
                        found.push(shift);
                    }
                }
                if found.len() >= at_most {
                    break;
                }
            }
            Ok(found)
        }
        .boxed()
    }

    fn replace_shifts<'a>(
        &'a self,
        tenant: &'a TenantId,
        span: &'a ShiftSpan,
        shifts: &'a [StoredShift],
        terms: ShiftTerms,
        note: &'a ChangeNote,
    ) -> Answer<'a, ShiftsReplaced> {
        async move {
            // What is only tried keeps no writer waiting.
            let mut turn = if terms.is_trial { self.0.reads().await? } else { self.0.writes(tenant).await? };
            let held = shifts_near(&mut *turn, tenant, (span, shifts), terms.forget_before).await?;
            let plan = match ShiftPlan::of(&held, span, shifts) {
                Ok(plan) => plan,
                Err((id, other)) => return Ok(ShiftsReplaced::Overlap { id, other }),
            };
            let counts = plan.counts;
            let others = count(&mut *turn, tenant, terms.forget_before).await?.saturating_sub(counts.removed);
            if others + counts.added > SHIFTS_OF_TENANT_MAX {
                return Ok(ShiftsReplaced::TooMany);
            }
            if !terms.is_trial {
                forget(&mut *turn, tenant, terms.forget_before).await?;
                plan.put(&mut *turn, tenant).await?;
                note_replaced(&mut *turn, tenant, (span, counts), note).await?;
                turn.commit().await?;
            }
            Ok(ShiftsReplaced::Replaced(counts))
        }
        .boxed()
    }
}

fn ms(at: Timestamp) -> i64 {
    number(at.as_millis())
}

fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_micros(at.as_micros().saturating_sub(u64::try_from(by.as_micros()).unwrap_or(u64::MAX)))
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_micros(at.as_micros().saturating_add(u64::try_from(by.as_micros()).unwrap_or(u64::MAX)))
}

async fn forget(db: &mut dyn Turn, tenant: &TenantId, before: Timestamp) -> Result<()> {
    let sql = "DELETE FROM shift WHERE tenant = ? AND begin_ms < ? AND end_ms < ?";
    db.run(query(sql).bind(tenant.as_str()).bind(ms(before)).bind(ms(before))).await?;
    Ok(())
}

/// All shifts with which one that begins in the span can be at the same time, those of the span among them, and those that have the ids of new
/// ones, by their begin; none of those that are forgotten.
async fn shifts_near(
    db: &mut dyn Turn,
    tenant: &TenantId,
    (span, new): (&ShiftSpan, &[StoredShift]),
    forget_before: Timestamp,
) -> Result<Vec<StoredShift>> {
    let (earliest, last) = (earlier(span.from, SHIFT_LENGTH_MAX), later(span.to, SHIFT_LENGTH_MAX));
    let mut rows = Vec::new();
    if span.people.is_empty() {
        let sql = "SELECT id, user_name, begin_ms, end_ms, document FROM shift
             WHERE tenant = ? AND begin_ms > ? AND begin_ms < ?";
        rows = db.rows(query(sql).bind(tenant.as_str()).bind(ms(earliest)).bind(ms(last))).await?;
    } else {
        let sql = "SELECT id, user_name, begin_ms, end_ms, document FROM shift
             WHERE tenant = ? AND begin_ms > ? AND begin_ms < ? AND user_name = ?";
        let users = span.people.iter().chain(new.iter().map(|shift| &shift.user));
        let users: Vec<&str> = users.map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect();
        let first = [Field::from(tenant.as_str()), Field::from(ms(earliest)), Field::from(ms(last))];
        for users in users.chunks(NAMES_MAX) {
            rows.extend(db.rows(about(sql, &first, users)).await?);
        }
    }
    let mut found = rows.iter().map(shift_of).collect::<Result<Vec<_>>>()?;
    let elsewhere = ids_besides(&found, new);
    let sql = "SELECT id, user_name, begin_ms, end_ms, document FROM shift WHERE tenant = ? AND id = ?";
    let mut rows = Vec::new();
    for ids in elsewhere.chunks(IDS_MAX) {
        rows.extend(db.rows(about(sql, &[Field::from(tenant.as_str())], ids)).await?);
    }
    for row in &rows {
        found.push(shift_of(row)?);
    }
    found.retain(|shift| shift.begin >= forget_before || shift.end >= forget_before);
    // A person who is named in two spellings may be found twice.
    found.sort_by(|a, b| (a.begin, &a.id).cmp(&(b.begin, &b.id)));
    found.dedup_by(|a, b| a.id == b.id);
    Ok(found)
}

/// The ids of new shifts that none of those that were found has.
fn ids_besides<'a>(found: &[StoredShift], new: &'a [StoredShift]) -> Vec<&'a str> {
    let known: HashSet<&str> = found.iter().map(|shift| shift.id.as_str()).collect();
    new.iter().map(|shift| shift.id.as_str()).filter(|id| !known.contains(id)).collect()
}

/// A statement about one name or id, which is its last value, as one about several.
fn about(one: &'static str, first: &[Field], names: &[&str]) -> Statement {
    let fields = first.iter().cloned().chain(names.iter().map(|name| Field::from(*name))).collect();
    Statement { sql: of_many(one, names.len()), fields }
}

/// Which shifts go, and which are written.
struct ShiftPlan<'a> {
    gone: Vec<&'a str>,
    written: Vec<&'a StoredShift>,
    counts: ShiftCounts,
}

impl<'a> ShiftPlan<'a> {
    /// The one by which new shifts take the place of those of a span. If a new shift and one that stays would be at the same time: the ids of
    /// both.
    fn of(
        held: &'a [StoredShift],
        span: &ShiftSpan,
        shifts: &'a [StoredShift],
    ) -> std::result::Result<Self, (String, String)> {
        let new: HashSet<&str> = shifts.iter().map(|shift| shift.id.as_str()).collect();
        let people: HashSet<String> = span.people.iter().map(|user| folded_name(user)).collect();
        let (mut gone, mut staying) = (Vec::new(), HashMap::<String, Vec<&StoredShift>>::new());
        for shift in held.iter().filter(|shift| !new.contains(shift.id.as_str())) {
            let user = folded_name(&shift.user);
            let is_in_span = shift.begin >= span.from && shift.begin < span.to;
            if is_in_span && (people.is_empty() || people.contains(&user)) {
                gone.push(shift.id.as_str());
            } else {
                staying.entry(user).or_default().push(shift);
            }
        }
        for shift in shifts {
            let mut stays = staying.get(&folded_name(&shift.user)).into_iter().flatten();
            if let Some(other) = stays.find(|other| other.begin < shift.end && shift.begin < other.end) {
                return Err((shift.id.clone(), other.id.clone()));
            }
        }
        let mut counts = ShiftCounts { removed: u64::try_from(gone.len()).unwrap_or(u64::MAX), ..Default::default() };
        let held: HashMap<&str, &StoredShift> = held.iter().map(|shift| (shift.id.as_str(), shift)).collect();
        let mut written = Vec::new();
        for shift in shifts {
            match held.get(shift.id.as_str()) {
                Some(as_it_was) if *as_it_was == shift => {
                    counts.unchanged += 1;
                    continue;
                }
                Some(_) => counts.changed += 1,
                None => counts.added += 1,
            }
            written.push(shift);
        }
        Ok(Self { gone, written, counts })
    }

    /// Writes what is otherwise than it was.
    async fn put(&self, db: &mut dyn Turn, tenant: &TenantId) -> Result<()> {
        for ids in self.gone.chunks(IDS_MAX) {
            let sql = "DELETE FROM shift WHERE tenant = ? AND id = ?";
            db.run(about(sql, &[Field::from(tenant.as_str())], ids)).await?;
        }
        let mut rows = GatheredRows::of(db);
        for shift in &self.written {
            let sql = "INSERT INTO shift (tenant, id, user_name, begin_ms, end_ms, document) VALUES (?, ?, ?, ?, ?, ?)
                 ON CONFLICT (tenant, id) DO UPDATE SET user_name = excluded.user_name, begin_ms = excluded.begin_ms,
                 end_ms = excluded.end_ms, document = excluded.document";
            let row = query(sql).bind(tenant.as_str()).bind(&shift.id).bind(&shift.user);
            rows.run(row.bind(ms(shift.begin)).bind(ms(shift.end)).bind(&shift.document)).await?;
        }
        rows.flush().await
    }
}

/// Notes in the history what has become of the shifts of a span, if anything has. The tenant's revision stays: no object has changed.
async fn note_replaced(
    db: &mut dyn Turn,
    tenant: &TenantId,
    (span, counts): (&ShiftSpan, ShiftCounts),
    note: &ChangeNote,
) -> Result<()> {
    let ShiftCounts { added, changed, removed, unchanged } = counts;
    if added + changed + removed == 0 {
        return Ok(());
    }
    let missing = || StoreError::Invalid(format!("tenant {tenant} does not exist"));
    let revision = revisions::of_tenant(db, tenant).await?.ok_or_else(missing)?;
    let (from, to) = (rfc3339(span.from), rfc3339(span.to));
    let shown = |shifts: u64| serde_json::json!({ "from": from, "to": to, "people": span.people, "shifts": shifts });
    let before = shown(changed + removed + unchanged);
    let mut after = shown(added + changed + unchanged);
    for (what, count) in [("added", added), ("changed", changed), ("removed", removed), ("unchanged", unchanged)] {
        after[what] = count.into();
    }
    let (before, after) = (Some(before.to_string()), Some(after.to_string()));
    let (key, note) = (key_of_shifts(span), note.clone());
    let entry = HistoryEntry { number: 0, revision, note, key, before, after, secrets_changed: false };
    history::put(db, tenant, entry).await
}

/// The number of a tenant's shifts without those that are forgotten.
async fn count(db: &mut dyn Turn, tenant: &TenantId, forget_before: Timestamp) -> Result<u64> {
    // Most are counted by an index alone.
    let sql = "SELECT (SELECT COUNT(*) FROM shift WHERE tenant = ? AND begin_ms >= ?)
         + (SELECT COUNT(*) FROM shift WHERE tenant = ? AND begin_ms >= ? AND begin_ms < ? AND end_ms >= ?) AS found";
    let (before, earliest) = (ms(forget_before), ms(earlier(forget_before, SHIFT_LENGTH_MAX)));
    let asked = query(sql).bind(tenant.as_str()).bind(before);
    let asked = asked.bind(tenant.as_str()).bind(earliest).bind(before).bind(before);
    let rows = db.rows(asked).await?;
    let found = rows.first().map(|row| row.get::<i64>("found")).transpose()?;
    Ok(found.and_then(|found| u64::try_from(found).ok()).unwrap_or_default())
}

fn time(row: &Row, column: &str) -> Result<Timestamp> {
    Ok(Timestamp::from_millis(u64::try_from(row.get::<i64>(column)?).unwrap_or_default()))
}

fn shift_of(row: &Row) -> Result<StoredShift> {
    Ok(StoredShift {
        id: row.text("id")?,
        user: row.text("user_name")?,
        begin: time(row, "begin_ms")?,
        end: time(row, "end_ms")?,
        document: row.text("document")?,
    })
}

#[cfg(test)]
mod tests {
    use infra::conformance::provisioning::note;

    use super::*;
    use crate::sqlite::SqliteProvisioning;

    #[tokio::test]
    async fn a_trial_waits_for_no_writer() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteProvisioning::open(&folder.path().join("configuration.sqlite")).await.unwrap();
        let acme = TenantId::parse("acme").unwrap();
        let _writer = store.0.writes(&acme).await.unwrap();
        let (from, to) = (Timestamp::from_millis(1_000), Timestamp::from_millis(2_000));
        let shift =
            StoredShift { id: "1".to_owned(), user: "ann".to_owned(), begin: from, end: to, document: "{}".to_owned() };
        let span = ShiftSpan { from, to, people: Vec::new() };
        let terms = ShiftTerms { is_trial: true, forget_before: Timestamp::ZERO };
        let tried = store.replace_shifts(&acme, &span, &[shift], terms, note()).await.unwrap();
        assert_eq!(tried, ShiftsReplaced::Replaced(ShiftCounts { added: 1, ..ShiftCounts::default() }));
    }
}
