//! Filters: boolean expressions over the attributes of an action.
//!
//! `PairExists("Language","Spanish")`, `CallType="Inbound"`, `ThisQueue="9000"`, joined by `&`, `|`, `~` and parentheses; `&` binds
//! tighter than `|`; a value may contain `*`.

use std::fmt;

use model::{CallType, UserData, Value};

/// The deepest nesting of parentheses and nots.
const DEPTH_MAX: usize = 32;
/// The longest text of a filter, in bytes.
pub const TEXT_MAX: usize = 4_096;

/// The attributes of an action that a filter tests.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The call's data.
    pub user_data: &'a UserData,
    /// The type of the call.
    pub call_type: Option<CallType>,
    /// The queue that delivered the call.
    pub this_queue: Option<&'a str>,
}

/// A parsed filter.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Filter {
    text: String,
    expression: Expression,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Expression {
    Pair(String, String),
    CallType(String),
    ThisQueue(String),
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
}

impl Filter {
    /// Parses a filter.
    ///
    /// # Errors
    /// Returns the fault and its position.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > TEXT_MAX {
            return Err(format!("it is longer than {TEXT_MAX} bytes"));
        }
        let mut reader = Reader { rest: text, whole: text };
        let expression = reader.or(0)?;
        reader.blanks();
        if !reader.rest.is_empty() {
            return Err(reader.fault("there is more than one expression"));
        }
        Ok(Self { text: text.to_owned(), expression })
    }

    /// Whether an action with these attributes counts.
    pub fn admits(&self, facts: &Facts<'_>) -> bool {
        self.expression.holds(facts)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Expression {
    fn holds(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::Pair(key, pattern) => facts.user_data.iter().any(|(name, value)| {
                name.eq_ignore_ascii_case(key)
                    && match value {
                        Value::Text(text) => matches(pattern, text),
                        Value::Int(number) => matches(pattern, &number.to_string()),
                        _ => pattern == "*",
                    }
            }),
            Self::CallType(pattern) => facts.call_type.is_some_and(|of| matches(pattern, of.as_str())),
            Self::ThisQueue(pattern) => facts.this_queue.is_some_and(|queue| matches(pattern, queue)),
            Self::Not(inner) => !inner.holds(facts),
            Self::And(all) => all.iter().all(|one| one.holds(facts)),
            Self::Or(any) => any.iter().any(|one| one.holds(facts)),
        }
    }
}

/// Whether the text fits a pattern in which `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

struct Reader<'a> {
    rest: &'a str,
    whole: &'a str,
}

impl Reader<'_> {
    fn or(&mut self, depth: usize) -> Result<Expression, String> {
        let mut any = vec![self.and(depth)?];
        while self.takes("|") {
            any.push(self.and(depth)?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Expression::Or(any) })
    }

    fn and(&mut self, depth: usize) -> Result<Expression, String> {
        let mut all = vec![self.term(depth)?];
        while self.takes("&") {
            all.push(self.term(depth)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expression::And(all) })
    }

    fn term(&mut self, depth: usize) -> Result<Expression, String> {
        if depth > DEPTH_MAX {
            return Err(self.fault("it is nested too deeply"));
        }
        if self.takes("~") {
            return Ok(Expression::Not(Box::new(self.term(depth + 1)?)));
        }
        if self.takes("(") {
            let inner = self.or(depth + 1)?;
            return if self.takes(")") { Ok(inner) } else { Err(self.fault("a ) is missing")) };
        }
        let name = self.name();
        match name.as_str() {
            "PairExists" => self.pair(),
            "CallType" => Ok(Expression::CallType(self.equals()?)),
            "ThisQueue" => Ok(Expression::ThisQueue(self.equals()?)),
            "" => Err(self.fault("a condition is missing")),
            other => Err(self.fault(&format!("filter attribute {other} is not implemented"))),
        }
    }

    fn pair(&mut self) -> Result<Expression, String> {
        if !self.takes("(") {
            return Err(self.fault("a ( is missing"));
        }
        let key = self.text()?;
        if !self.takes(",") {
            return Err(self.fault("a comma is missing"));
        }
        let value = self.text()?;
        if !self.takes(")") {
            return Err(self.fault("a ) is missing"));
        }
        Ok(Expression::Pair(key, value))
    }

    fn equals(&mut self) -> Result<String, String> {
        if self.takes("=") { self.text() } else { Err(self.fault("a = is missing")) }
    }

    fn name(&mut self) -> String {
        self.blanks();
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        name.to_owned()
    }

    fn text(&mut self) -> Result<String, String> {
        self.blanks();
        let inner = self.rest.strip_prefix('"').and_then(|rest| rest.split_once('"'));
        let Some((text, rest)) = inner else { return Err(self.fault("a text in double quotes is missing")) };
        self.rest = rest;
        Ok(text.to_owned())
    }

    fn takes(&mut self, sign: &str) -> bool {
        self.blanks();
        let Some(rest) = self.rest.strip_prefix(sign) else { return false };
        self.rest = rest;
        true
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn fault(&self, what: &str) -> String {
        format!("{what} at character {}", self.whole.len() - self.rest.len() + 1)
    }
}

#[cfg(test)]
mod tests;
