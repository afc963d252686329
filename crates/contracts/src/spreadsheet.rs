//! Texts in tables (CSV) that people open in spreadsheets, which take a cell that begins as a formula for one and compute it.
//!
//! Such a text gets an apostrophe in front, as OWASP advises, and loses it where a table is read again. One that begins with apostrophes and
//! then as a formula gets one more, so that nothing is lost. A number with its sign, as `+4930123`, computes nothing and stays.

use std::borrow::Cow;

/// A text as it stands in a cell.
pub fn cell(text: &str) -> Cow<'_, str> {
    if is_formula(text.trim_start_matches('\'')) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// A text as a field of a line (RFC 4180), in quotes where it needs them. `delimiters` are those that its readers may take for one; blanks
/// at the ends some of them take away.
pub fn field<'a>(text: &'a str, delimiters: &[char]) -> Cow<'a, str> {
    let cell = cell(text);
    let needs_quotes = cell.contains(delimiters) || cell.contains(['"', '\n', '\r']) || cell.trim() != cell.as_ref();
    if needs_quotes { Cow::Owned(format!("\"{}\"", cell.replace('"', "\"\""))) } else { cell }
}

/// The text of a cell.
pub fn text(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if is_formula(rest.trim_start_matches('\'')) => rest,
        _ => cell,
    }
}

fn is_formula(text: &str) -> bool {
    match text.chars().next() {
        Some('=' | '@' | '\t' | '\r' | '\n') => true,
        Some('+' | '-') => !text.chars().skip(1).all(|c| c.is_ascii_digit()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_becomes_text_and_a_number_stays() {
        for formula in ["=HYPERLINK(\"http://x\")", "+1+1", "-2+cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r=1", "'=1"] {
            assert_eq!(cell(formula), format!("'{formula}"));
            assert_eq!(text(&cell(formula)), formula);
        }
        for plain in ["", "7101", "+4930123", "-5", "-", "Ada", "'tis", "a=b", "Lunch +1"] {
            assert_eq!((cell(plain).as_ref(), text(plain)), (plain, plain));
        }
    }

    #[test]
    fn a_field_is_quoted_where_it_would_break_a_line() {
        for (plain, quoted) in [
            ("", ""),
            ("Zoë", "Zoë"),
            ("a,b", "\"a,b\""),
            ("a;b", "\"a;b\""),
            (" a", "\" a\""),
            ("two\nlines", "\"two\nlines\""),
            ("=\"x\"", "\"'=\"\"x\"\"\""),
        ] {
            assert_eq!(field(plain, &[',', ';']), quoted);
        }
        assert_eq!(field("a;b", &[',']), "a;b");
    }
}
