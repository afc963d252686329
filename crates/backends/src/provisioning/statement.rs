//! Statements with their values, and the rows that they return.

use std::borrow::Cow;

use infra::{Result, StoreError};

use super::sealing::beside;

/// Rows that are converted without a thread of their own.
const ROWS_AT_ONCE: usize = 1_000;

/// A value in a statement or a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// A text, or none.
    Text(Option<String>),
    /// A number, or none.
    Number(Option<i64>),
    /// Yes or no.
    Flag(bool),
}

/// A statement and its values.
#[derive(Clone, Debug)]
pub struct Statement {
    /// One of ours, or one with many rows that was made of it for this once.
    pub(crate) sql: Cow<'static, str>,
    pub(crate) fields: Vec<Field>,
}

pub(super) fn query(sql: &'static str) -> Statement {
    Statement { sql: Cow::Borrowed(sql), fields: Vec::new() }
}

impl Statement {
    pub(super) fn bind(mut self, field: impl Into<Field>) -> Self {
        self.fields.push(field.into());
        self
    }

    /// Approximate number of bytes that it sends.
    pub(crate) fn size(&self) -> usize {
        self.sql.len() + self.fields.iter().map(Field::size).sum::<usize>()
    }
}

impl Field {
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.as_ref().map_or(0, String::len),
            Self::Number(_) => size_of::<i64>(),
            Self::Flag(_) => 1,
        }
    }
}

impl From<&str> for Field {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<Option<&str>> for Field {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(str::to_owned))
    }
}

impl From<&String> for Field {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<String> for Field {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<&Option<String>> for Field {
    fn from(text: &Option<String>) -> Self {
        Self::Text(text.clone())
    }
}

impl From<i64> for Field {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<u32> for Field {
    fn from(number: u32) -> Self {
        Self::Number(Some(number.into()))
    }
}

impl From<u16> for Field {
    fn from(number: u16) -> Self {
        Self::Number(Some(number.into()))
    }
}

impl From<Option<u32>> for Field {
    fn from(number: Option<u32>) -> Self {
        Self::Number(number.map(Into::into))
    }
}

impl From<bool> for Field {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

/// A row that was read.
#[derive(Clone, Debug)]
pub struct Row(pub(crate) Vec<(String, Field)>);

impl Row {
    pub(super) fn get<T: FromField>(&self, column: &str) -> Result<T> {
        let wrong = || StoreError::Corrupt {
            what: format!("column {column} of the configuration"),
            reason: "it does not hold what belongs there".to_owned(),
        };
        let (_, field) = self.0.iter().find(|(name, _)| name == column).ok_or_else(wrong)?;
        T::from_field(field).ok_or_else(wrong)
    }

    pub(super) fn text(&self, column: &str) -> Result<String> {
        self.get(column)
    }

    pub(crate) fn size(&self) -> usize {
        self.0.iter().map(|(_, field)| field.size()).sum()
    }
}

/// The rows that a database has returned: of a large tenant they take a while, and no executor waits for it.
///
/// # Errors
/// When the process ends.
pub(crate) async fn converted<R: Send + 'static>(
    rows: Vec<R>,
    row_of: fn(&R) -> std::result::Result<Row, sqlx::Error>,
) -> Result<std::result::Result<Vec<Row>, sqlx::Error>> {
    let is_large = rows.len() > ROWS_AT_ONCE;
    beside(is_large, move || rows.iter().map(row_of).collect()).await
}

/// A type that a column can have.
pub(super) trait FromField: Sized {
    fn from_field(field: &Field) -> Option<Self>;
}

impl FromField for Option<String> {
    fn from_field(field: &Field) -> Option<Self> {
        match field {
            Field::Text(text) => Some(text.clone()),
            // A null has no type in SQLite.
            Field::Number(None) => Some(None),
            _ => None,
        }
    }
}

impl FromField for String {
    fn from_field(field: &Field) -> Option<Self> {
        Option::<Self>::from_field(field)?
    }
}

impl FromField for Option<u32> {
    fn from_field(field: &Field) -> Option<Self> {
        match field {
            Field::Number(Some(number)) => u32::try_from(*number).ok().map(Some),
            Field::Number(None) | Field::Text(None) => Some(None),
            _ => None,
        }
    }
}

impl FromField for u32 {
    fn from_field(field: &Field) -> Option<Self> {
        Option::<Self>::from_field(field)?
    }
}

impl FromField for u16 {
    fn from_field(field: &Field) -> Option<Self> {
        u32::from_field(field)?.try_into().ok()
    }
}

impl FromField for Option<i64> {
    fn from_field(field: &Field) -> Option<Self> {
        match field {
            Field::Number(number) => Some(*number),
            _ => None,
        }
    }
}

impl FromField for i64 {
    fn from_field(field: &Field) -> Option<Self> {
        Option::<Self>::from_field(field)?
    }
}

impl FromField for bool {
    fn from_field(field: &Field) -> Option<Self> {
        match field {
            Field::Flag(flag) => Some(*flag),
            Field::Number(number) => number.map(|number| number != 0),
            Field::Text(_) => None,
        }
    }
}
