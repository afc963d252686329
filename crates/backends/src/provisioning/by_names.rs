//! Rows of many names by one statement: a round trip for each name is most of what a large batch costs.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use contracts::provisioning::{ObjectKey, ObjectKind};
use infra::Result;

use super::{Field, Row, Statement, Turn};

/// Names that one statement asks for at most: so few that PostgreSQL finds each by its index rather than read the table.
pub(super) const NAMES_MAX: usize = 100;

/// What a statement finds of many names, each row with the name by which the database has found it: whether two names are one, its columns
/// say. The statement is bound but for its last value, the name.
pub(super) async fn rows(db: &mut dyn Turn, one: Statement, names: &[&str]) -> Result<Vec<(String, Row)>> {
    if let [name] = names {
        // The database has prepared it.
        let rows = db.rows(one.bind(*name)).await?;
        return Ok(rows.into_iter().map(|row| ((*name).to_owned(), row)).collect());
    }
    let mut found = Vec::with_capacity(names.len());
    for names in names.chunks(NAMES_MAX) {
        let mut fields: Vec<Field> = names.iter().map(|name| Field::from(*name)).collect();
        fields.extend(one.fields.iter().cloned());
        let sql = Cow::Owned(of_many(&one.sql, names.len()));
        for row in db.rows(Statement { sql, fields }).await? {
            found.push((row.text("asked_name")?, row));
        }
    }
    Ok(found)
}

/// The names of each kind, each once.
pub(super) fn by_kind<'a>(keys: impl Iterator<Item = &'a ObjectKey>) -> BTreeMap<ObjectKind, Vec<&'a str>> {
    let mut names: BTreeMap<ObjectKind, BTreeSet<&str>> = BTreeMap::new();
    for key in keys {
        names.entry(key.kind).or_default().insert(&key.id);
    }
    names.into_iter().map(|(kind, names)| (kind, names.into_iter().collect())).collect()
}

/// The same `SELECT` of so many names, whose values come first. SQLite reads what stands left of a `CROSS JOIN` first: the names, and each
/// row by its index.
pub(super) fn of_many(one: &str, names: usize) -> String {
    let parts = one.strip_prefix("SELECT ").and_then(|rest| rest.split_once("FROM "));
    let Some((columns, rest)) = parts else { return one.to_owned() };
    let Some((before, after)) = rest.rsplit_once('?') else { return one.to_owned() };
    let values = std::iter::repeat_n("(?)", names).collect::<Vec<_>>().join(", ");
    format!(
        "WITH asked (asked_name) AS (VALUES {values}) SELECT asked_name, {columns}FROM asked CROSS JOIN {before}asked_name{after}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_about_a_name_becomes_one_about_many() {
        let one = "SELECT number, prompt\n FROM dn_prompt WHERE tenant = ? AND number = ? ORDER BY place";
        let many = "WITH asked (asked_name) AS (VALUES (?), (?)) SELECT asked_name, number, prompt\n \
             FROM asked CROSS JOIN dn_prompt WHERE tenant = ? AND number = asked_name ORDER BY place";
        assert_eq!(of_many(one, 2), many);
    }
}
