//! Tables with typed columns as Parquet files: rows in, bytes of the file out.
//!
//! It opens no file; whoever keeps one appends the bytes that come. The crate `parquet` is used here and nowhere else, with its column
//! writer and without Arrow: it takes long to compile, and so nobody who changes a role waits for it.

mod column;
mod parquet_table;

pub use column::{ColumnType, TableCell, TableColumn};
pub use parquet_table::{ColumnarFault, ParquetTable};
