//! Rows that are inserted together: a round trip for each row is most of what a large import costs.

use std::borrow::Cow;

use futures::FutureExt as _;
use infra::{Answer, Result};

use super::{Field, Row, Statement, Turn};

/// Values that wait at most: SQLite takes 32,766 of a statement, PostgreSQL 65,535.
const FIELDS_MAX: usize = 16_000;
/// Bytes that wait at most, but for the statement that comes last. So many of documents may have a hundred thousand names, of which triggers
/// write rows: a second of the five that PostgreSQL has for a statement.
const BYTES_MAX: usize = 1 << 20;

/// A turn that keeps the rows of `INSERT ... VALUES` back and inserts those of a table together. Every other statement sees all rows that
/// were put before it. Only rows of different tables change places: the tables check their references when the turn ends.
///
/// A statement must not put the same row twice, so no key may come twice between two other statements.
pub(super) struct GatheredRows<'a> {
    db: &'a mut dyn Turn,
    waiting: Vec<RowsOfTable>,
    fields: usize,
    bytes: usize,
}

/// The rows of one statement.
struct RowsOfTable {
    sql: &'static str,
    rows: usize,
    fields: Vec<Field>,
}

impl<'a> GatheredRows<'a> {
    /// Rows for a turn. Those that wait are lost without [`Self::flush`].
    pub fn of(db: &'a mut dyn Turn) -> Self {
        Self { db, waiting: Vec::new(), fields: 0, bytes: 0 }
    }

    /// Inserts all rows that wait.
    pub async fn flush(&mut self) -> Result<()> {
        (self.fields, self.bytes) = (0, 0);
        for RowsOfTable { sql, rows, fields } in std::mem::take(&mut self.waiting) {
            let sql = if rows == 1 { Cow::Borrowed(sql) } else { Cow::Owned(with_rows(sql, rows)) };
            self.db.run(Statement { sql, fields }).await?;
        }
        Ok(())
    }

    fn keep(&mut self, sql: &'static str, bytes: usize, fields: Vec<Field>) {
        self.fields += fields.len();
        self.bytes += bytes;
        match self.waiting.iter_mut().find(|table| table.sql == sql) {
            Some(table) => {
                table.rows += 1;
                table.fields.extend(fields);
            }
            None => self.waiting.push(RowsOfTable { sql, rows: 1, fields }),
        }
    }
}

impl Turn for GatheredRows<'_> {
    fn run(&mut self, statement: Statement) -> Answer<'_, u64> {
        async move {
            let bytes = statement.fields.iter().map(Field::size).sum();
            match statement.sql {
                Cow::Borrowed(sql) if values_of(sql).is_some() => {
                    self.keep(sql, bytes, statement.fields);
                    if self.fields >= FIELDS_MAX || self.bytes >= BYTES_MAX {
                        self.flush().await?;
                    }
                    Ok(1)
                }
                _ => {
                    self.flush().await?;
                    self.db.run(statement).await
                }
            }
        }
        .boxed()
    }

    fn rows(&mut self, statement: Statement) -> Answer<'_, Vec<Row>> {
        async move {
            self.flush().await?;
            self.db.rows(statement).await
        }
        .boxed()
    }
}

/// Where the placeholders of the one row of an `INSERT` stand, with their brackets; none in another statement.
fn values_of(sql: &str) -> Option<std::ops::Range<usize>> {
    const VALUES: &str = "VALUES (";
    if !sql.starts_with("INSERT INTO ") {
        return None;
    }
    let begin = sql.find(VALUES)? + VALUES.len() - 1;
    let end = begin + sql.get(begin..)?.find(')')? + 1;
    let are_placeholders = |values: &str| values.chars().all(|sign| matches!(sign, '(' | ')' | '?' | ',' | ' '));
    sql.get(begin..end).is_some_and(are_placeholders).then_some(begin..end)
}

/// The same `INSERT` with so many rows.
fn with_rows(sql: &str, rows: usize) -> String {
    let Some(at) = values_of(sql) else { return sql.to_owned() };
    let (before, one, after) = (&sql[..at.start], &sql[at.clone()], &sql[at.end..]);
    let all = std::iter::repeat_n(one, rows).collect::<Vec<_>>().join(", ");
    format!("{before}{all}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provisioning::query;

    /// Notes what it is asked to run.
    #[derive(Default)]
    struct Noted(Vec<(String, usize)>);

    impl Turn for Noted {
        fn run(&mut self, statement: Statement) -> Answer<'_, u64> {
            self.0.push((statement.sql.into_owned(), statement.fields.len()));
            async { Ok(1) }.boxed()
        }

        fn rows(&mut self, _: Statement) -> Answer<'_, Vec<Row>> {
            async { Ok(Vec::new()) }.boxed()
        }
    }

    const DN: &str = "INSERT INTO dn (tenant, number) VALUES (?, ?)
        ON CONFLICT (tenant, number) DO UPDATE SET number = excluded.number";
    const NOTE: &str = "INSERT INTO change (id) VALUES (?)";
    const CLEAR: &str = "DELETE FROM dn_prompt WHERE tenant = ?";

    #[tokio::test]
    async fn rows_of_a_table_go_together_and_before_any_other_statement() {
        let mut noted = Noted::default();
        let mut rows = GatheredRows::of(&mut noted);
        for number in ["1", "2"] {
            rows.run(query(DN).bind("acme").bind(number)).await.unwrap();
            rows.run(query(NOTE).bind(number)).await.unwrap();
        }
        rows.run(query(CLEAR).bind("acme")).await.unwrap();
        rows.run(query(NOTE).bind("3")).await.unwrap();
        rows.flush().await.unwrap();
        let two = "INSERT INTO dn (tenant, number) VALUES (?, ?), (?, ?)
        ON CONFLICT (tenant, number) DO UPDATE SET number = excluded.number";
        let expected = [(two, 4), ("INSERT INTO change (id) VALUES (?), (?)", 2), (CLEAR, 1), (NOTE, 1)]
            .map(|(sql, n)| (sql.to_owned(), n));
        assert_eq!(noted.0, expected);
    }

    #[tokio::test]
    async fn no_statement_has_more_values_or_bytes_than_the_databases_take() {
        let mut noted = Noted::default();
        let mut rows = GatheredRows::of(&mut noted);
        for _ in 0..20_000 {
            rows.run(query(DN).bind("acme").bind("1")).await.unwrap();
        }
        let large = "x".repeat(BYTES_MAX / 2);
        for _ in 0..4 {
            rows.run(query(NOTE).bind(&large)).await.unwrap();
        }
        rows.flush().await.unwrap();
        let fields: Vec<usize> = noted.0.iter().map(|(_, fields)| *fields).collect();
        assert_eq!(fields, [16_000, 16_000, 8_000, 2, 2]);
    }

    #[test]
    fn only_an_insert_of_placeholders_is_gathered() {
        assert!(values_of(CLEAR).is_none());
        assert!(values_of("INSERT INTO t (a) SELECT a FROM u WHERE b = ?").is_none());
        assert!(values_of("INSERT INTO t (a) VALUES (coalesce(?, 1))").is_none());
        assert_eq!(with_rows(NOTE, 3), "INSERT INTO change (id) VALUES (?), (?), (?)");
    }
}
