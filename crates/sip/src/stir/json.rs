//! As much JSON (RFC 8259) as a PASSporT has: read strictly and within bounds, written in the canonical form of RFC 8225 §9.

use std::fmt::Write as _;

/// How deep objects and lists may stand in one another; claims of the known extensions need four.
const DEPTH_MAX: usize = 8;
/// The most values of one text.
const VALUES_MAX: usize = 256;

/// A JSON value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Json {
    /// An integer of at least 0.
    Number(u64),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// An object; no name occurs twice.
    Object(Vec<(String, Json)>),
    /// Another number, `true`, `false` or `null`: nothing that we read.
    Other,
}

impl Json {
    /// Reads a whole text; none if it is not JSON, or beyond the bounds.
    pub fn parse(text: &str) -> Option<Self> {
        let mut reader = JsonReader { rest: text, values: 0 };
        let value = reader.value(0)?;
        reader.skip_blanks();
        reader.rest.is_empty().then_some(value)
    }

    /// A member of an object.
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The text of a string.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

/// Writes a string.
pub(super) fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

struct JsonReader<'a> {
    rest: &'a str,
    values: usize,
}

impl JsonReader<'_> {
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    /// Whether `c` comes next, which is then taken.
    fn takes(&mut self, c: char) -> bool {
        self.skip_blanks();
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        self.values += 1;
        if depth > DEPTH_MAX || self.values > VALUES_MAX {
            return None;
        }
        self.skip_blanks();
        match self.rest.as_bytes().first()? {
            b'"' => self.text().map(Json::Text),
            b'{' => self.object(depth),
            b'[' => self.list(depth),
            b'-' | b'0'..=b'9' => self.number(),
            _ => {
                let word = ["true", "false", "null"].into_iter().find(|word| self.rest.starts_with(word))?;
                self.rest = &self.rest[word.len()..];
                Some(Json::Other)
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<Json> {
        self.takes('{');
        let mut members: Vec<(String, Json)> = Vec::new();
        if self.takes('}') {
            return Some(Json::Object(members));
        }
        loop {
            self.skip_blanks();
            let name = self.text()?;
            // Of two values each reader might take another one.
            if members.iter().any(|(known, _)| *known == name) || !self.takes(':') {
                return None;
            }
            members.push((name, self.value(depth + 1)?));
            if self.takes('}') {
                return Some(Json::Object(members));
            }
            if !self.takes(',') {
                return None;
            }
        }
    }

    fn list(&mut self, depth: usize) -> Option<Json> {
        self.takes('[');
        let mut items = Vec::new();
        if self.takes(']') {
            return Some(Json::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.takes(']') {
                return Some(Json::List(items));
            }
            if !self.takes(',') {
                return None;
            }
        }
    }

    fn number(&mut self) -> Option<Json> {
        let end = self.rest.find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'));
        let (number, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        let is_integer =
            number.bytes().all(|byte| byte.is_ascii_digit()) && (number == "0" || !number.starts_with('0'));
        match number.parse::<u64>() {
            Ok(integer) if is_integer => Some(Json::Number(integer)),
            _ => number.parse::<f64>().is_ok().then_some(Json::Other),
        }
    }

    fn text(&mut self) -> Option<String> {
        let mut rest = self.rest.strip_prefix('"')?;
        let mut text = String::new();
        loop {
            let at = rest.find(['"', '\\'])?;
            let (plain, special) = rest.split_at(at);
            if plain.bytes().any(|byte| byte < b' ') {
                return None;
            }
            text.push_str(plain);
            if let Some(behind) = special.strip_prefix('"') {
                self.rest = behind;
                return Some(text);
            }
            rest = escaped(special.get(1..)?, &mut text)?;
        }
    }
}

/// Reads what stands behind a backslash; returns what follows.
fn escaped<'a>(rest: &'a str, text: &mut String) -> Option<&'a str> {
    let mut chars = rest.chars();
    let c = match chars.next()? {
        c @ ('"' | '\\' | '/') => c,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => {
            let (unit, rest) = code_unit(chars.as_str())?;
            if !(0xd800..0xe000).contains(&unit) {
                text.push(char::from_u32(unit)?);
                return Some(rest);
            }
            // A character beyond 16 bits is written as two (RFC 8259 §7).
            let (low, rest) = code_unit(rest.strip_prefix("\\u")?)?;
            if unit >= 0xdc00 || !(0xdc00..0xe000).contains(&low) {
                return None;
            }
            text.push(char::from_u32(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00))?);
            return Some(rest);
        }
        _ => return None,
    };
    text.push(c);
    Some(chars.as_str())
}

fn code_unit(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| Some((u32::from_str_radix(digits, 16).ok()?, rest)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_json_is_read_and_nothing_else() {
        let text = r#" {"a" : [1, "x\n\u00e9\ud83d\ude00\"", true, -1.5e3], "b":{} , "c": "\u007f"} "#;
        let read = Json::parse(text).unwrap();
        let items = vec![Json::Number(1), Json::Text("x\né😀\"".to_owned()), Json::Other, Json::Other];
        assert_eq!(read.get("a"), Some(&Json::List(items)));
        assert_eq!((read.get("b"), read.get("d")), (Some(&Json::Object(Vec::new())), None));
        for bad in [
            "",
            "{",
            "{}x",
            "[1,]",
            "{\"a\":1,}",
            "{\"a\":1,\"a\":2}",
            "{a:1}",
            "'a'",
            "\"a",
            "\"\n\"",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\\udc00\\udc00\"",
            "\"\\u12\"",
            "tru",
            "-",
            "1e",
            "[[[[[[[[[[1]]]]]]]]]]",
            "\"\\u+123\"",
        ] {
            assert_eq!(Json::parse(bad), None, "{bad}");
        }
        for other in ["01", "1.0", "-1", "18446744073709551616"] {
            assert_ne!(Json::parse(other), Some(Json::Number(1)), "{other}");
        }
        assert_eq!(Json::parse(&format!("[{}1]", "1,".repeat(300))), None);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = "a\"\\\n\u{1}é😀/";
        let mut out = String::new();
        write_text(&mut out, text);
        assert_eq!(Json::parse(&out), Some(Json::Text(text.to_owned())));
    }
}
