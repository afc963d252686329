//! Tables as text (RFC 4180): records with their lines.

use contracts::spreadsheet;

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableRecord {
    /// The line on which it begins, from 1.
    pub(crate) line: usize,
    pub(crate) cells: Vec<String>,
}

/// A quote that does not stand where one may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WrongQuote {
    /// The line on which its cell begins.
    pub(crate) line: usize,
    pub(crate) rule: &'static str,
}

/// What ends a cell.
enum CellEnd {
    Delimiter,
    Record,
}

/// The characters that are left, and their line.
struct Rest<'a> {
    characters: std::iter::Peekable<std::str::Chars<'a>>,
    line: usize,
}

/// The records of a table, one after the other: a table may be large. Empty lines are none, and behind a wrong quote nothing is read.
pub(crate) fn records(text: &str, delimiter: char) -> impl Iterator<Item = Result<TableRecord, WrongQuote>> {
    let mut rest = Rest { characters: text.chars().peekable(), line: 1 };
    let mut is_wrong = false;
    std::iter::from_fn(move || {
        while !is_wrong && rest.characters.peek().is_some() {
            let record = rest.record(delimiter);
            is_wrong = record.is_err();
            let is_empty = |record: &TableRecord| record.cells.iter().all(|cell| cell.trim().is_empty());
            if !record.as_ref().is_ok_and(is_empty) {
                return Some(record);
            }
        }
        None
    })
}

impl Rest<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.characters.next();
        self.line += usize::from(next == Some('\n'));
        next
    }

    fn record(&mut self, delimiter: char) -> Result<TableRecord, WrongQuote> {
        let (line, mut cells) = (self.line, Vec::new());
        loop {
            let (cell, end) = self.cell(delimiter)?;
            cells.push(cell);
            if matches!(end, CellEnd::Record) {
                return Ok(TableRecord { line, cells });
            }
        }
    }

    fn cell(&mut self, delimiter: char) -> Result<(String, CellEnd), WrongQuote> {
        if self.characters.peek() == Some(&'"') {
            return self.quoted(delimiter);
        }
        let mut cell = String::new();
        loop {
            match self.next() {
                None | Some('\n') => return Ok((cell, CellEnd::Record)),
                Some('\r') if self.characters.peek() == Some(&'\n') => {}
                Some(c) if c == delimiter => return Ok((cell, CellEnd::Delimiter)),
                Some(c) => cell.push(c),
            }
        }
    }

    fn quoted(&mut self, delimiter: char) -> Result<(String, CellEnd), WrongQuote> {
        let (line, mut cell) = (self.line, String::new());
        self.next();
        loop {
            match self.next() {
                None => return Err(WrongQuote { line, rule: "a quote is opened and not closed" }),
                Some('"') if self.characters.peek() == Some(&'"') => {
                    self.next();
                    cell.push('"');
                }
                Some('"') => break,
                Some(c) => cell.push(c),
            }
        }
        match self.cell(delimiter)? {
            (behind, end) if behind.is_empty() => Ok((cell, end)),
            _ => Err(WrongQuote { line, rule: "something stands behind the closing quote" }),
        }
    }
}

/// A record as a line. A cell that a spreadsheet would compute is made a text.
pub(super) fn line(cells: &[String]) -> String {
    // Where a comma stands in numbers, spreadsheets read a semicolon as the delimiter.
    cells.iter().map(|cell| spreadsheet::field(cell, &[',', ';'])).collect::<Vec<_>>().join(",") + "\n"
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records(text: &str) -> Result<Vec<TableRecord>, WrongQuote> {
        super::records(text, ',').collect()
    }

    fn cells(text: &str) -> Vec<(usize, Vec<String>)> {
        records(text).unwrap().into_iter().map(|record| (record.line, record.cells)).collect()
    }

    fn texts(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|cell| (*cell).to_owned()).collect()
    }

    #[test]
    fn records_have_the_lines_on_which_they_begin() {
        let text = "a,b\r\n\n\"x\ny\",\"say \"\"hi\"\"\"\nlast,";
        let expected = [(1, texts(&["a", "b"])), (3, texts(&["x\ny", "say \"hi\""])), (5, texts(&["last", ""]))];
        assert_eq!(cells(text), expected);
    }

    #[test]
    fn wrong_quotes_are_told_with_their_line() {
        assert_eq!(records("a\n\"b").unwrap_err().line, 2);
        assert_eq!(records("\"a\"b").unwrap_err().rule, "something stands behind the closing quote");
    }

    #[test]
    fn what_is_written_computes_nothing_in_a_spreadsheet() {
        assert_eq!(line(&texts(&["=1+1", "ann", "-5"])), "'=1+1,ann,-5\n");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(table in proptest::collection::vec(proptest::collection::vec("[a,;\"'=+@\r\n ]{0,5}x", 3), 0..5)) {
            let text: String = table.iter().map(|cells| line(cells)).collect();
            let text_of = |cell: &String| spreadsheet::text(cell).to_owned();
            let texts = |record: TableRecord| -> Vec<String> { record.cells.iter().map(text_of).collect() };
            let read: Vec<Vec<String>> = records(&text).unwrap().into_iter().map(texts).collect();
            prop_assert_eq!(read, table);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[a,\"\r\n]{0,40}") {
            let _ = records(&text);
        }
    }
}
