//! When people work. The table is bound to that of persons: whoever removes a person removes the rows.
//!
//! Who replaces shifts takes turns with all writers of the tenant's configuration, so that no two shifts of a person come to be at the same
//! time, and no person goes meanwhile.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use contracts::provisioning::folded_name;
use futures::FutureExt as _;
use infra::bounds::{SHIFT_LENGTH_MAX, SHIFTS_OF_TENANT_MAX};
use infra::{Answer, Result, ShiftCounts, ShiftSpan, ShiftTerms, Shifts, ShiftsReplaced, StoredShift};
use model::{TenantId, Timestamp};

use super::gathered::GatheredRows;
use super::{Dialect, Row, Tables, Turn, number, query};

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
            let mut found = Vec::new();
            for user in people {
                // None begins so early and has a part in it.
                let earliest = earlier(from, SHIFT_LENGTH_MAX);
                let sql = "SELECT id, user_name, begin_ms, end_ms, document FROM shift
                     WHERE tenant = ? AND user_name = ? AND begin_ms > ? AND begin_ms < ? AND end_ms > ?
                     ORDER BY begin_ms LIMIT ?";
                let asked = query(sql).bind(tenant.as_str()).bind(user).bind(ms(earliest)).bind(ms(to)).bind(ms(from));
                let left = i64::try_from(at_most.saturating_sub(found.len())).unwrap_or(i64::MAX);
                for row in turn.rows(asked.bind(left)).await? {
                    found.push(shift_of(&row)?);
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
    ) -> Answer<'a, ShiftsReplaced> {
        async move {
            let mut turn = self.0.writes(tenant).await?;
            forget(&mut *turn, tenant, terms.forget_before).await?;
            let near = shifts_near(&mut *turn, tenant, span).await?;
            if let Some((id, other)) = overlap(&near, span, shifts) {
                return Ok(ShiftsReplaced::Overlap { id, other });
            }
            let counts = put(&mut *turn, tenant, (near, span), shifts).await?;
            if count(&mut *turn, tenant).await? > SHIFTS_OF_TENANT_MAX {
                return Ok(ShiftsReplaced::TooMany);
            }
            // A turn that is dropped changes nothing.
            if !terms.is_trial {
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

/// All shifts with which one that begins in the span can be at the same time, those of the span among them.
async fn shifts_near(db: &mut dyn Turn, tenant: &TenantId, span: &ShiftSpan) -> Result<Vec<StoredShift>> {
    let sql = "SELECT id, user_name, begin_ms, end_ms, document FROM shift
         WHERE tenant = ? AND begin_ms > ? AND begin_ms < ? ORDER BY begin_ms";
    let (earliest, last) = (earlier(span.from, SHIFT_LENGTH_MAX), later(span.to, SHIFT_LENGTH_MAX));
    let rows = db.rows(query(sql).bind(tenant.as_str()).bind(ms(earliest)).bind(ms(last))).await?;
    rows.iter().map(shift_of).collect()
}

/// Whether new shifts take the place of one.
fn is_replaced(span: &ShiftSpan, shift: &StoredShift) -> bool {
    let is_of = |user: &String| folded_name(user) == folded_name(&shift.user);
    shift.begin >= span.from && shift.begin < span.to && (span.people.is_empty() || span.people.iter().any(is_of))
}

/// A new shift, and one that stays, which would be at the same time: the ids of both.
fn overlap(near: &[StoredShift], span: &ShiftSpan, shifts: &[StoredShift]) -> Option<(String, String)> {
    let new: HashSet<&str> = shifts.iter().map(|shift| shift.id.as_str()).collect();
    let mut staying = HashMap::<String, Vec<&StoredShift>>::new();
    for shift in near.iter().filter(|shift| !is_replaced(span, shift) && !new.contains(shift.id.as_str())) {
        staying.entry(folded_name(&shift.user)).or_default().push(shift);
    }
    shifts.iter().find_map(|shift| {
        let stays = staying.get(&folded_name(&shift.user))?;
        let other = stays.iter().find(|other| other.begin < shift.end && shift.begin < other.end)?;
        Some((shift.id.clone(), other.id.clone()))
    })
}

/// Writes what is otherwise than it was.
async fn put(
    db: &mut dyn Turn,
    tenant: &TenantId,
    (near, span): (Vec<StoredShift>, &ShiftSpan),
    shifts: &[StoredShift],
) -> Result<ShiftCounts> {
    let new: HashSet<&str> = shifts.iter().map(|shift| shift.id.as_str()).collect();
    let mut counts = ShiftCounts::default();
    for gone in near.iter().filter(|shift| is_replaced(span, shift) && !new.contains(shift.id.as_str())) {
        let sql = "DELETE FROM shift WHERE tenant = ? AND id = ?";
        counts.removed += db.run(query(sql).bind(tenant.as_str()).bind(&gone.id)).await?;
    }
    let held: HashMap<&str, &StoredShift> = near.iter().map(|shift| (shift.id.as_str(), shift)).collect();
    let mut rows = GatheredRows::of(db);
    for shift in shifts {
        match held.get(shift.id.as_str()) {
            Some(as_it_was) if *as_it_was == shift => {
                counts.unchanged += 1;
                continue;
            }
            Some(_) => counts.changed += 1,
            None => counts.added += 1,
        }
        let sql = "INSERT INTO shift (tenant, id, user_name, begin_ms, end_ms, document) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (tenant, id) DO UPDATE SET user_name = excluded.user_name, begin_ms = excluded.begin_ms,
             end_ms = excluded.end_ms, document = excluded.document";
        let row = query(sql).bind(tenant.as_str()).bind(&shift.id).bind(&shift.user);
        rows.run(row.bind(ms(shift.begin)).bind(ms(shift.end)).bind(&shift.document)).await?;
    }
    rows.flush().await?;
    Ok(counts)
}

async fn count(db: &mut dyn Turn, tenant: &TenantId) -> Result<u64> {
    let rows = db.rows(query("SELECT COUNT(*) AS found FROM shift WHERE tenant = ?").bind(tenant.as_str())).await?;
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
