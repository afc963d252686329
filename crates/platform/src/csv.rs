//! Lines of CSV (RFC 4180), for every role that writes some.

use contracts::spreadsheet;

/// Appends a line with these fields. One that a spreadsheet would compute is made a text.
pub(crate) fn append_line<'a>(line: &mut String, fields: impl IntoIterator<Item = &'a str>) {
    for (index, field) in fields.into_iter().enumerate() {
        if index > 0 {
            line.push(',');
        }
        line.push_str(&spreadsheet::field(field, &[',']));
    }
    line.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_a_line_is_quoted() {
        let mut line = String::new();
        append_line(&mut line, ["7101", "", "Ada, \"the\" first", "two\nlines", "Zoë"]);
        assert_eq!(line, "7101,,\"Ada, \"\"the\"\" first\",\"two\nlines\",Zoë\r\n");
    }

    #[test]
    fn no_field_is_a_formula() {
        let mut line = String::new();
        append_line(&mut line, ["=HYPERLINK(\"http://x\",1)", "@a", "+4930123"]);
        assert_eq!(line, "\"'=HYPERLINK(\"\"http://x\"\",1)\",'@a,+4930123\r\n");
    }
}
