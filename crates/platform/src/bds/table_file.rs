//! The file of a table in one format, with its sum: CSV for people and spreadsheets, Parquet for programs that count.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use aws_lc_rs::digest;
use columnar::{ParquetTable, TableCell};
use serde::Serialize;

use super::tables::InventoryTable;
use crate::csv;

/// Files have names and addresses of people: they are for the owner alone.
const FILE_MODE: u32 = 0o600;

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileFormat {
    Csv,
    Parquet,
}

impl FileFormat {
    const ALL: [Self; 2] = [Self::Csv, Self::Parquet];

    /// Its name in settings and manifests, and the end of the names of its files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }
}

/// Reads the setting: each format at most once, and one at least.
pub(super) fn formats(names: &[String]) -> Result<Vec<FileFormat>, String> {
    let rule = || "it must name csv, parquet or both".to_owned();
    let mut formats = Vec::new();
    for name in names {
        let format = FileFormat::ALL.into_iter().find(|format| format.as_str() == name).ok_or_else(rule)?;
        if formats.contains(&format) {
            return Err(format!("it names {name} twice"));
        }
        formats.push(format);
    }
    if formats.is_empty() { Err(rule()) } else { Ok(formats) }
}

/// A file as the manifest has it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct WrittenFile {
    pub name: String,
    pub table: &'static str,
    pub format: &'static str,
    pub columns: Vec<&'static str>,
    /// Without the line of names.
    pub rows: u64,
    pub bytes: u64,
    /// In hexadecimal.
    pub sha256: String,
}

/// The file of a table that is being written.
pub(super) struct TableFile {
    table: InventoryTable,
    format: FileFormat,
    encoder: RowEncoder,
    file: SummedFile,
    rows: u64,
}

/// Makes bytes of rows.
enum RowEncoder {
    Csv,
    Parquet(Box<ParquetTable>),
}

impl TableFile {
    /// Begins the file in that folder.
    pub fn create(folder: &Path, table: InventoryTable, format: FileFormat) -> anyhow::Result<Self> {
        let mut file = SummedFile::create(&folder.join(file_name(table, format)))?;
        let encoder = match format {
            FileFormat::Csv => {
                let mut head = String::new();
                csv::append_line(&mut head, table.columns().iter().map(|column| column.name));
                file.append(head.as_bytes())?;
                RowEncoder::Csv
            }
            FileFormat::Parquet => RowEncoder::Parquet(Box::new(ParquetTable::begin(table.name(), table.columns())?)),
        };
        Ok(Self { table, format, encoder, file, rows: 0 })
    }

    pub const fn table(&self) -> InventoryTable {
        self.table
    }

    /// Writes a row.
    pub fn append(&mut self, row: &[TableCell]) -> anyhow::Result<()> {
        match &mut self.encoder {
            RowEncoder::Csv => {
                let fields: Vec<Cow<'_, str>> = row.iter().map(TableCell::text).collect();
                let mut line = String::new();
                csv::append_line(&mut line, fields.iter().map(|field| &**field));
                self.file.append(line.as_bytes())?;
            }
            RowEncoder::Parquet(table) => self.file.append(&table.add(row)?)?,
        }
        self.rows += 1;
        Ok(())
    }

    /// Ends the file. Formats that have a place for notes get them.
    pub fn finish(self, notes: &[(&str, String)]) -> anyhow::Result<WrittenFile> {
        let Self { table, format, encoder, mut file, rows } = self;
        if let RowEncoder::Parquet(encoder) = encoder {
            file.append(&encoder.finish(notes)?)?;
        }
        let (bytes, sha256) = file.finish()?;
        let columns = table.columns().iter().map(|column| column.name).collect();
        let (name, format) = (file_name(table, format), format.as_str());
        Ok(WrittenFile { name, table: table.name(), format, columns, rows, bytes, sha256 })
    }
}

fn file_name(table: InventoryTable, format: FileFormat) -> String {
    format!("{}.{}", table.name(), format.as_str())
}

/// A file, with the sum of what was written.
struct SummedFile {
    file: BufWriter<File>,
    sum: digest::Context,
    bytes: u64,
}

impl SummedFile {
    fn create(path: &Path) -> io::Result<Self> {
        let file = BufWriter::new(create(path)?);
        Ok(Self { file, sum: digest::Context::new(&digest::SHA256), bytes: 0 })
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    /// Returns the number of bytes, and their SHA-256 in hexadecimal.
    fn finish(self) -> io::Result<(u64, String)> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        let mut sha256 = String::new();
        for byte in self.sum.finish().as_ref() {
            let _ = write!(sha256, "{byte:02x}");
        }
        Ok((self.bytes, sha256))
    }
}

/// Makes a file that its owner alone reads.
pub(super) fn create(path: &Path) -> io::Result<File> {
    fs::OpenOptions::new().create(true).truncate(true).write(true).mode(FILE_MODE).open(path)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use columnar::{ColumnType, TableColumn};
    use contracts::spreadsheet;
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::record::Field;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn formats_are_named_once_each() {
        let read = |names: &[&str]| formats(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(read(&["parquet", "csv"]), Ok(vec![FileFormat::Parquet, FileFormat::Csv]));
        for wrong in [&[][..], &["json"], &["csv", "CSV"]] {
            assert!(read(wrong).unwrap_err().contains("csv, parquet or both"), "{wrong:?}");
        }
        assert_eq!(read(&["csv", "csv"]), Err("it names csv twice".to_owned()));
    }

    /// Any cell of a column; texts of a list have no spaces, which separate them in CSV.
    fn cell(column: TableColumn) -> BoxedStrategy<TableCell> {
        let value = match column.holds {
            ColumnType::Text => any::<String>().prop_map(TableCell::Text).boxed(),
            ColumnType::Integer => any::<i64>().prop_map(TableCell::Integer).boxed(),
            ColumnType::Boolean => any::<bool>().prop_map(TableCell::Boolean).boxed(),
            ColumnType::TextList => {
                proptest::collection::vec("[a-z0-9,\"=+-]{1,4}", 0..4).prop_map(TableCell::TextList).boxed()
            }
        };
        if column.may_be_absent { prop_oneof![Just(TableCell::Absent), value].boxed() } else { value }
    }

    /// A table and rows of it.
    fn rows() -> impl Strategy<Value = (InventoryTable, Vec<Vec<TableCell>>)> {
        (0..InventoryTable::ALL.len()).prop_flat_map(|at| {
            let table = InventoryTable::ALL[at];
            let row: Vec<BoxedStrategy<TableCell>> = table.columns().iter().map(|column| cell(*column)).collect();
            (Just(table), proptest::collection::vec(row, 0..5))
        })
    }

    /// The records of a CSV file, its line of names first.
    fn records(text: &str) -> Vec<Vec<String>> {
        let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
        let mut rest = text.chars().peekable();
        let mut is_quoted = false;
        while let Some(c) = rest.next() {
            match c {
                '"' if is_quoted && rest.next_if_eq(&'"').is_some() => field.push('"'),
                '"' => is_quoted = !is_quoted,
                ',' if !is_quoted => record.push(std::mem::take(&mut field)),
                '\r' if !is_quoted && rest.next_if_eq(&'\n').is_some() => {
                    record.push(std::mem::take(&mut field));
                    records.push(std::mem::take(&mut record));
                }
                c => field.push(c),
            }
        }
        assert!(record.is_empty() && field.is_empty() && !is_quoted, "{text:?} does not end with a line's end");
        records
    }

    fn cell_of(field: &Field) -> TableCell {
        let text = |field: &Field| match field {
            Field::Str(text) => text.clone(),
            other => panic!("a text is {other:?}"),
        };
        match field {
            Field::Null => TableCell::Absent,
            Field::Long(number) => TableCell::Integer(*number),
            Field::Bool(value) => TableCell::Boolean(*value),
            Field::ListInternal(list) => TableCell::TextList(list.elements().iter().map(text).collect()),
            other => TableCell::Text(text(other)),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Both files of a table have the same rows: Parquet as they are, CSV as texts that no spreadsheet computes.
        #[test]
        fn csv_and_parquet_agree((table, rows) in rows()) {
            let folder = tempfile::tempdir().unwrap();
            let written = FileFormat::ALL.map(|format| {
                let mut file = TableFile::create(folder.path(), table, format).unwrap();
                for row in &rows {
                    file.append(row).unwrap();
                }
                file.finish(&[("table", table.name().to_owned())]).unwrap()
            });
            let read = |file: &WrittenFile| fs::read(folder.path().join(&file.name)).unwrap();
            for file in &written {
                prop_assert_eq!(file.rows, rows.len() as u64);
                prop_assert_eq!(file.bytes, read(file).len() as u64);
            }
            let csv = records(&String::from_utf8(read(&written[0])).unwrap());
            prop_assert_eq!(&csv[0], &written[1].columns);

            let parquet = SerializedFileReader::new(Bytes::from(read(&written[1]))).unwrap();
            let typed = parquet.get_row_iter(None).unwrap().map(|row| row.unwrap().into_columns());
            let typed: Vec<Vec<TableCell>> =
                typed.map(|row| row.iter().map(|(_, field)| cell_of(field)).collect()).collect();
            prop_assert_eq!(&typed, &rows);
            let texts = typed.iter().map(|row| row.iter().map(|cell| spreadsheet::cell(&cell.text()).into_owned()).collect());
            prop_assert_eq!(&csv[1..], texts.collect::<Vec<Vec<String>>>());
        }
    }
}
