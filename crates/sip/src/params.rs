//! Semicolon parameters of headers and URIs (RFC 3261 §25.1 `generic-param`, `uri-parameters`).

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use crate::limits::LIST_MAX;
use crate::list;
use crate::parse;
use crate::rule::Rule;

/// One parameter. The value is as it came, quotes included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Param<'a> {
    /// The name, in the case that it came in.
    pub name: &'a str,
    /// What follows the `=`, if there is one.
    pub value: Option<&'a str>,
}

impl<'a> Param<'a> {
    /// The value without its quotes and escapes; empty for a parameter without one.
    pub fn unquoted(&self) -> Cow<'a, str> {
        unquote(self.value.unwrap_or_default())
    }
}

/// A list of parameters, checked when its owner was parsed: `;a;b=c` (semicolon first) or empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Params<'a> {
    pub(crate) text: &'a str,
}

impl<'a> Params<'a> {
    /// The text as it came, first semicolon included.
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// The parameters in order.
    pub fn iter(&self) -> ParamIter<'a> {
        ParamIter { rest: self.text }
    }

    /// The first parameter of that name; names compare without case.
    pub fn find(&self, name: &str) -> Option<Param<'a>> {
        self.iter().find(|p| p.name.eq_ignore_ascii_case(name))
    }

    /// The raw value of the first parameter of that name; empty if it has none.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.find(name).map(|p| p.value.unwrap_or_default())
    }

    /// Whether there is a parameter of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

impl<'a> IntoIterator for Params<'a> {
    type Item = Param<'a>;
    type IntoIter = ParamIter<'a>;
    fn into_iter(self) -> ParamIter<'a> {
        self.iter()
    }
}

impl<'a> Params<'a> {
    /// Checks header parameters: `text` is empty or begins with a semicolon.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Rule> {
        let mut rest = text;
        let mut count = 0;
        while !rest.is_empty() {
            let inner = rest.strip_prefix(';').ok_or(Rule::Param)?;
            rest = inner.get(check_header_param(inner)?..).unwrap_or_default();
            count += 1;
            if count > LIST_MAX {
                return Err(Rule::TooMany);
            }
        }
        Ok(Self { text })
    }

    /// Checks URI parameters (`uri-parameters`): no quotes and no blanks.
    pub(crate) fn parse_uri(text: &'a str) -> Result<Self, Rule> {
        if text.is_empty() {
            return Ok(Self { text });
        }
        let mut count = 0;
        for param in text.strip_prefix(';').ok_or(Rule::Param)?.split(';') {
            count += 1;
            if param.is_empty() || param.starts_with('=') || count > LIST_MAX {
                return Err(Rule::Param);
            }
        }
        Ok(Self { text })
    }
}

/// Checks one parameter at the beginning of `text`; returns where it ends. The value may hold more than the grammar's
/// token: branches and addresses in the field do (RFC 5118 §4.5).
fn check_header_param(text: &str) -> Result<usize, Rule> {
    let bytes = text.as_bytes();
    let byte = |at: usize| bytes.get(at).copied();
    let skip_blanks = |mut at: usize| {
        while matches!(byte(at), Some(b' ' | b'\t')) {
            at += 1;
        }
        at
    };
    let name = skip_blanks(0);
    let mut at = name;
    while byte(at).is_some_and(parse::is_token_byte) {
        at += 1;
    }
    if at == name {
        return Err(Rule::Param);
    }
    at = skip_blanks(at);
    if byte(at) == Some(b'=') {
        at = skip_blanks(at + 1);
        if byte(at) == Some(b'"') {
            at += list::quoted_len(text.get(at..).unwrap_or_default()).ok_or(Rule::Quote)?;
        } else {
            while byte(at).is_some_and(|b| !matches!(b, b' ' | b'\t' | b';' | b',' | b'"' | b'<' | b'>')) {
                at += 1;
            }
        }
        at = skip_blanks(at);
    }
    if at < bytes.len() && byte(at) != Some(b';') { Err(Rule::Param) } else { Ok(at) }
}

/// Walks [`Params`].
#[derive(Clone, Debug)]
pub struct ParamIter<'a> {
    rest: &'a str,
}

impl<'a> Iterator for ParamIter<'a> {
    type Item = Param<'a>;
    fn next(&mut self) -> Option<Param<'a>> {
        let rest = self.rest.strip_prefix(';')?;
        let end = list::find_outside_quotes(rest, b';').unwrap_or(rest.len());
        let (text, tail) = rest.split_at(end);
        self.rest = tail;
        Some(match parse::split(text, b'=') {
            Some((name, value)) => Param { name: parse::trim(name), value: Some(parse::trim(value)) },
            None => Param { name: parse::trim(text), value: None },
        })
    }
}

/// A quoted string without quotes and escapes; other text as it is.
pub fn unquote(text: &str) -> Cow<'_, str> {
    let Some(inner) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) else {
        return Cow::Borrowed(text);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        out.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
    }
    Cow::Owned(out)
}

/// `text` as a quoted string.
pub fn quote(text: &str) -> String {
    Quoted(text).to_string()
}

/// Written as a quoted string.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        let mut rest = self.0;
        while let Some(at) = rest.find(['"', '\\', '\r', '\n']) {
            let (plain, special) = rest.split_at(at);
            f.write_str(plain)?;
            match special.get(..1) {
                Some(mark @ ("\"" | "\\")) => write!(f, "\\{mark}")?,
                _ => f.write_char(' ')?,
            }
            rest = special.get(1..).unwrap_or_default();
        }
        f.write_str(rest)?;
        f.write_char('"')
    }
}
