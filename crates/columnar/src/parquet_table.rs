//! A table as a Parquet file: groups of rows, compressed by Snappy, and a footer with the schema.

use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as PhysicalType};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};

use crate::column::{ColumnType, TableCell, TableColumn};

/// Rows of a group. So many are held in memory, since a group has its columns one after the other.
const GROUP_ROWS: usize = 20_000;

/// Why a table is not written.
#[derive(Debug, thiserror::Error)]
pub enum ColumnarFault {
    /// A row with too few or too many cells.
    #[error("a row has {has} cells, and its table {wants} columns")]
    Width {
        /// Cells of the row.
        has: usize,
        /// Columns of the table.
        wants: usize,
    },
    /// A cell of another type than its column, or none where there must be one.
    #[error("the column {0} does not take what a row has for it")]
    Cell(&'static str),
    /// The encoder refuses.
    #[error("the encoder of Parquet refuses: {0}")]
    Encoder(#[from] ParquetError),
}

/// A Parquet file that is being made.
pub struct ParquetTable {
    writer: SerializedFileWriter<Vec<u8>>,
    columns: &'static [TableColumn],
    /// The cells of the group that is being gathered, by column.
    gathered: Vec<Vec<TableCell>>,
    gathered_rows: usize,
}

impl ParquetTable {
    /// Begins a file with that name of its schema and these columns.
    ///
    /// # Errors
    /// If the encoder takes no such schema.
    pub fn begin(name: &str, columns: &'static [TableColumn]) -> Result<Self, ColumnarFault> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .build();
        let writer = SerializedFileWriter::new(Vec::new(), schema(name, columns)?, Arc::new(properties))?;
        let gathered = columns.iter().map(|_| Vec::new()).collect();
        Ok(Self { writer, columns, gathered, gathered_rows: 0 })
    }

    /// Adds a row. Returns the next bytes of the file, mostly none.
    ///
    /// # Errors
    /// If it is no row of the table; the file goes on without it.
    pub fn add(&mut self, row: &[TableCell]) -> Result<Vec<u8>, ColumnarFault> {
        if row.len() != self.columns.len() {
            return Err(ColumnarFault::Width { has: row.len(), wants: self.columns.len() });
        }
        if let Some((column, _)) = self.columns.iter().zip(row).find(|(column, cell)| !column.takes(cell)) {
            return Err(ColumnarFault::Cell(column.name));
        }
        for (gathered, cell) in self.gathered.iter_mut().zip(row) {
            gathered.push(cell.clone());
        }
        self.gathered_rows += 1;
        if self.gathered_rows == GROUP_ROWS {
            self.write_group()?;
        }
        // The writer counts what has passed through it, so what is behind may go.
        Ok(std::mem::take(self.writer.inner_mut()))
    }

    /// Ends the file with these notes, which stand in its footer. Returns its last bytes.
    ///
    /// # Errors
    /// If the encoder refuses.
    pub fn finish(mut self, notes: &[(&str, String)]) -> Result<Vec<u8>, ColumnarFault> {
        if self.gathered_rows > 0 {
            self.write_group()?;
        }
        for (key, value) in notes {
            self.writer.append_key_value_metadata(KeyValue::new((*key).to_owned(), value.clone()));
        }
        Ok(self.writer.into_inner()?)
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for (column, cells) in self.columns.iter().zip(&mut self.gathered) {
            let missing = || ParquetError::General(format!("there is no writer for {}", column.name));
            let mut writer = group.next_column()?.ok_or_else(missing)?;
            write_column(&mut writer, *column, cells)?;
            writer.close()?;
            cells.clear();
        }
        group.close()?;
        self.gathered_rows = 0;
        Ok(())
    }
}

fn write_column(
    writer: &mut SerializedColumnWriter<'_>,
    column: TableColumn,
    cells: &[TableCell],
) -> Result<(), ParquetError> {
    match column.holds {
        ColumnType::Text => write_flat::<ByteArrayType>(writer, column, cells, |cell| match cell {
            TableCell::Text(text) => Some(bytes(text)),
            _ => None,
        }),
        ColumnType::Integer => write_flat::<Int64Type>(writer, column, cells, |cell| match cell {
            TableCell::Integer(number) => Some(*number),
            _ => None,
        }),
        ColumnType::Boolean => write_flat::<BoolType>(writer, column, cells, |cell| match cell {
            TableCell::Boolean(value) => Some(*value),
            _ => None,
        }),
        ColumnType::TextList => write_lists(writer, cells),
    }
}

/// Writes a column with at most one value in each row: the values, and for each row a definition level that says whether it has one.
fn write_flat<T: DataType>(
    writer: &mut SerializedColumnWriter<'_>,
    column: TableColumn,
    cells: &[TableCell],
    value: fn(&TableCell) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let values: Vec<T::T> = cells.iter().filter_map(value).collect();
    let is_there = |cell: &TableCell| i16::from(!matches!(cell, TableCell::Absent));
    let levels: Option<Vec<i16>> = column.may_be_absent.then(|| cells.iter().map(is_there).collect());
    writer.typed::<T>().write_batch(values.as_slice(), levels.as_deref(), None)?;
    Ok(())
}

/// Writes a column of lists: a definition level 0 stands for an empty list, and a repetition level 1 says that the list goes on.
fn write_lists(writer: &mut SerializedColumnWriter<'_>, cells: &[TableCell]) -> Result<(), ParquetError> {
    let (mut values, mut defined, mut repeated) = (Vec::new(), Vec::<i16>::new(), Vec::<i16>::new());
    for cell in cells {
        let texts = match cell {
            TableCell::TextList(texts) => texts.as_slice(),
            _ => &[],
        };
        if texts.is_empty() {
            defined.push(0);
            repeated.push(0);
        }
        for (at, text) in texts.iter().enumerate() {
            values.push(bytes(text));
            defined.push(1);
            repeated.push(i16::from(at > 0));
        }
    }
    let levels = (Some(defined.as_slice()), Some(repeated.as_slice()));
    writer.typed::<ByteArrayType>().write_batch(values.as_slice(), levels.0, levels.1)?;
    Ok(())
}

fn bytes(text: &str) -> ByteArray {
    ByteArray::from(text.as_bytes().to_vec())
}

// === the schema ===

fn schema(name: &str, columns: &[TableColumn]) -> Result<TypePtr, ParquetError> {
    let fields = columns.iter().map(|column| field(*column).map(Arc::new));
    let fields = fields.collect::<Result<Vec<TypePtr>, ParquetError>>()?;
    Ok(Arc::new(Type::group_type_builder(name).with_fields(fields).build()?))
}

fn field(column: TableColumn) -> Result<Type, ParquetError> {
    let repetition = if column.may_be_absent { Repetition::OPTIONAL } else { Repetition::REQUIRED };
    let primitive = |physical| Type::primitive_type_builder(column.name, physical).with_repetition(repetition);
    match column.holds {
        ColumnType::Text => primitive(PhysicalType::BYTE_ARRAY).with_logical_type(Some(LogicalType::String)).build(),
        ColumnType::Integer => primitive(PhysicalType::INT64).build(),
        ColumnType::Boolean => primitive(PhysicalType::BOOLEAN).build(),
        ColumnType::TextList => list_of_texts(column.name),
    }
}

/// A list as Parquet's page of logical types lays it out, in three levels.
fn list_of_texts(name: &str) -> Result<Type, ParquetError> {
    let element = Type::primitive_type_builder("element", PhysicalType::BYTE_ARRAY)
        .with_repetition(Repetition::REQUIRED)
        .with_logical_type(Some(LogicalType::String))
        .build()?;
    let list = Type::group_type_builder("list")
        .with_repetition(Repetition::REPEATED)
        .with_fields(vec![Arc::new(element)])
        .build()?;
    Type::group_type_builder(name)
        .with_repetition(Repetition::REQUIRED)
        .with_logical_type(Some(LogicalType::List))
        .with_fields(vec![Arc::new(list)])
        .build()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    use super::*;

    const COLUMNS: &[TableColumn] = &[
        TableColumn::text("name"),
        TableColumn::text("mail").or_absent(),
        TableColumn::integer("level").or_absent(),
        TableColumn::boolean("disabled"),
        TableColumn::text_list("dns"),
    ];

    fn text(text: &str) -> TableCell {
        TableCell::Text(text.to_owned())
    }

    fn texts(texts: &[&str]) -> TableCell {
        TableCell::TextList(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    fn file_of(rows: &[Vec<TableCell>], notes: &[(&str, String)]) -> SerializedFileReader<Bytes> {
        let mut table = ParquetTable::begin("people", COLUMNS).unwrap();
        let mut file = Vec::new();
        for row in rows {
            file.extend(table.add(row).unwrap());
        }
        file.extend(table.finish(notes).unwrap());
        SerializedFileReader::new(Bytes::from(file)).unwrap()
    }

    fn cell(field: Field) -> TableCell {
        match field {
            Field::Null => TableCell::Absent,
            Field::Str(text) => TableCell::Text(text),
            Field::Long(number) => TableCell::Integer(number),
            Field::Bool(value) => TableCell::Boolean(value),
            Field::ListInternal(list) => texts(
                &list
                    .elements()
                    .iter()
                    .map(|element| match element {
                        Field::Str(text) => text.as_str(),
                        other => panic!("{other:?}"),
                    })
                    .collect::<Vec<_>>(),
            ),
            other => panic!("{other:?}"),
        }
    }

    fn rows_of(file: &SerializedFileReader<Bytes>) -> Vec<Vec<TableCell>> {
        let rows = file.get_row_iter(None).unwrap();
        rows.map(|row| row.unwrap().into_columns().into_iter().map(|(_, field)| cell(field)).collect()).collect()
    }

    #[test]
    fn rows_are_read_back_with_their_types() {
        let rows = [
            vec![text("ada"), text(""), TableCell::Integer(7), TableCell::Boolean(true), texts(&["7101", "7102"])],
            vec![text("=Zoë, \"x\"\n"), TableCell::Absent, TableCell::Absent, TableCell::Boolean(false), texts(&[])],
            vec![text(""), text("a@b"), TableCell::Integer(-1), TableCell::Boolean(false), texts(&["7103"])],
        ];
        let file = file_of(&rows, &[("tenant", "acme".to_owned())]);
        assert_eq!(rows_of(&file), rows);
        let of_file = file.metadata().file_metadata();
        assert_eq!(of_file.schema().name(), "people");
        let notes = of_file.key_value_metadata().unwrap();
        assert!(notes.iter().any(|note| note.key == "tenant" && note.value.as_deref() == Some("acme")), "{notes:?}");
    }

    #[test]
    fn a_file_without_rows_has_its_columns() {
        let file = file_of(&[], &[]);
        assert!(rows_of(&file).is_empty());
        let fields = file.metadata().file_metadata().schema().get_fields();
        let names: Vec<&str> = fields.iter().map(|field| field.name()).collect();
        assert_eq!(names, ["name", "mail", "level", "disabled", "dns"]);
    }

    #[test]
    fn many_rows_come_in_groups_before_the_end() {
        let row = |at: usize| {
            let name = text(&format!("person {at}"));
            let list = if at.is_multiple_of(3) { texts(&[]) } else { texts(&["1", "2"]) };
            vec![name, TableCell::Absent, TableCell::Integer(5), TableCell::Boolean(false), list]
        };
        let mut table = ParquetTable::begin("people", COLUMNS).unwrap();
        let mut before_the_end = 0;
        for at in 0..=GROUP_ROWS {
            before_the_end += table.add(&row(at)).unwrap().len();
        }
        assert!(before_the_end > 0 && table.gathered_rows == 1);
        let rows: Vec<_> = (0..=GROUP_ROWS).map(row).collect();
        let file = file_of(&rows, &[]);
        assert_eq!(file.num_row_groups(), 2);
        assert_eq!(rows_of(&file), rows);
    }

    #[test]
    fn the_same_rows_are_the_same_bytes() {
        let row = vec![text("ada"), TableCell::Absent, TableCell::Integer(7), TableCell::Boolean(true), texts(&["1"])];
        let bytes = || {
            let mut table = ParquetTable::begin("people", COLUMNS).unwrap();
            let mut file = table.add(&row).unwrap();
            file.extend(table.finish(&[]).unwrap());
            file
        };
        assert_eq!(bytes(), bytes());
    }

    #[test]
    fn what_is_no_row_of_the_table_is_refused_with_its_column() {
        let mut table = ParquetTable::begin("people", COLUMNS).unwrap();
        let fault = table.add(&[text("ada")]).unwrap_err().to_string();
        assert_eq!(fault, "a row has 1 cells, and its table 5 columns");
        let row = [text("ada"), TableCell::Absent, text("7"), TableCell::Boolean(true), texts(&[])];
        assert!(table.add(&row).unwrap_err().to_string().contains("the column level"));
        let row = [TableCell::Absent, TableCell::Absent, TableCell::Absent, TableCell::Boolean(true), texts(&[])];
        assert!(table.add(&row).unwrap_err().to_string().contains("the column name"));
        assert_eq!(table.gathered_rows, 0);
    }
}
