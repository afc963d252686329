//! Columns, and what stands in them.

use std::borrow::Cow;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// A text in UTF-8.
    Text,
    /// A whole number of 64 bits with its sign.
    Integer,
    /// True or false.
    Boolean,
    /// Texts in their order, perhaps none; such a column always has a value.
    TextList,
}

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableColumn {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub holds: ColumnType,
    /// Whether a row may have no value for it.
    pub may_be_absent: bool,
}

impl TableColumn {
    /// A column of texts.
    pub const fn text(name: &'static str) -> Self {
        Self { name, holds: ColumnType::Text, may_be_absent: false }
    }

    /// A column of whole numbers.
    pub const fn integer(name: &'static str) -> Self {
        Self { name, holds: ColumnType::Integer, may_be_absent: false }
    }

    /// A column of true and false.
    pub const fn boolean(name: &'static str) -> Self {
        Self { name, holds: ColumnType::Boolean, may_be_absent: false }
    }

    /// A column of lists of texts.
    pub const fn text_list(name: &'static str) -> Self {
        Self { name, holds: ColumnType::TextList, may_be_absent: false }
    }

    /// The same column where rows may lack its value.
    pub const fn or_absent(self) -> Self {
        Self { may_be_absent: true, ..self }
    }

    /// Whether that may stand in it.
    pub fn takes(&self, cell: &TableCell) -> bool {
        match cell {
            TableCell::Absent => self.may_be_absent && self.holds != ColumnType::TextList,
            TableCell::Text(_) => self.holds == ColumnType::Text,
            TableCell::Integer(_) => self.holds == ColumnType::Integer,
            TableCell::Boolean(_) => self.holds == ColumnType::Boolean,
            TableCell::TextList(_) => self.holds == ColumnType::TextList,
        }
    }
}

/// What a row has for a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableCell {
    /// Nothing.
    Absent,
    /// A text.
    Text(String),
    /// A number.
    Integer(i64),
    /// True or false.
    Boolean(bool),
    /// Texts.
    TextList(Vec<String>),
}

impl TableCell {
    /// It as a text, for files without types: nothing is empty, and spaces separate the texts of a list.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Absent => Cow::Borrowed(""),
            Self::Text(text) => Cow::Borrowed(text),
            Self::Integer(number) => Cow::Owned(number.to_string()),
            Self::Boolean(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
            Self::TextList(texts) => Cow::Owned(texts.join(" ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_takes_its_own_type_and_nothing_only_where_it_may() {
        let cells = [
            TableCell::Text("a".to_owned()),
            TableCell::Integer(1),
            TableCell::Boolean(true),
            TableCell::TextList(Vec::new()),
        ];
        let columns =
            [TableColumn::text("t"), TableColumn::integer("i"), TableColumn::boolean("b"), TableColumn::text_list("l")];
        for (at, column) in columns.iter().enumerate() {
            let taken: Vec<bool> = cells.iter().map(|cell| column.takes(cell)).collect();
            assert_eq!(taken, (0..cells.len()).map(|of| of == at).collect::<Vec<_>>(), "{column:?}");
            assert!(!column.takes(&TableCell::Absent), "{column:?}");
        }
        assert!(TableColumn::text("t").or_absent().takes(&TableCell::Absent));
        assert!(!TableColumn::text_list("l").or_absent().takes(&TableCell::Absent));
    }

    #[test]
    fn a_cell_is_a_text_too() {
        let list = TableCell::TextList(vec!["7101".to_owned(), "7102".to_owned()]);
        let cells = [TableCell::Absent, TableCell::Text("Zoë".to_owned()), TableCell::Integer(-5), list];
        assert_eq!(cells.each_ref().map(|cell| cell.text().into_owned()), ["", "Zoë", "-5", "7101 7102"]);
        assert_eq!([true, false].map(|value| TableCell::Boolean(value).text().into_owned()), ["true", "false"]);
    }
}
