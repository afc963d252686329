//! Skill expressions: `Sales >= 5 & (Spanish > 3 | Skill("English") = 10)`.
//!
//! `&` binds tighter than `|`, comparison tighter than both, arithmetic tighter still. A skill that an agent does not
//! have is level 0. `and`, `or`, `not`, `&&`, `||`, `==`, `!=` and `<>` are accepted as well.

mod parse;

use std::fmt::{self, Display};

/// The longest text of an expression, in bytes.
pub const TEXT_MAX: usize = 1_024;
/// The deepest nesting of an expression.
pub const DEPTH_MAX: usize = 32;

/// A syntax error in a skill expression: its column, and the expected text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {reason}")]
pub struct ExpressionError {
    /// The column, counted in characters from 1.
    pub column: usize,
    /// The fault, for a human reader.
    pub reason: String,
}

impl ExpressionError {
    /// The expression with a caret under the fault, on two lines.
    pub fn point_at(&self, text: &str) -> String {
        format!("{text}\n{}^ {}", " ".repeat(self.column.saturating_sub(1)), self.reason)
    }
}

/// How two levels are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=` or `==`
    Equal,
    /// `!=` or `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    const fn holds(self, left: i64, right: i64) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// An arithmetic operator between levels. Division by zero gives 0; overflow stops at the limits of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`, rounded towards zero
    Divide,
}

impl Arithmetic {
    const fn apply(self, left: i64, right: i64) -> i64 {
        match self {
            Self::Add => left.saturating_add(right),
            Self::Subtract => left.saturating_sub(right),
            Self::Multiply => left.saturating_mul(right),
            Self::Divide => match left.checked_div(right) {
                Some(quotient) => quotient,
                None => 0,
            },
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
        }
    }
}

/// A level: a skill's, a number, or arithmetic on both.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Level {
    Skill(String),
    Number(i64),
    Operation(Box<Self>, Arithmetic, Box<Self>),
}

/// A condition on levels.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    Compare(Level, Comparison, Level),
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
}

/// A parsed skill expression. Its text form is canonical: equal expressions print the same text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkillExpression(Condition);

impl SkillExpression {
    /// Parses the text.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        parse::expression(text).map(Self)
    }

    /// Whether an agent with these levels fits; `level` gives 0 for a skill that the agent lacks.
    pub fn matches(&self, level: impl Fn(&str) -> i64) -> bool {
        self.0.holds(&level)
    }

    /// The names of the skills that it mentions, each once, in order of appearance.
    pub fn skills(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.0.visit(&mut |name| {
            if !names.contains(&name) {
                names.push(name);
            }
        });
        names
    }
}

impl Condition {
    fn holds(&self, level: &impl Fn(&str) -> i64) -> bool {
        match self {
            Self::Compare(left, comparison, right) => comparison.holds(left.value(level), right.value(level)),
            Self::Not(inner) => !inner.holds(level),
            Self::And(left, right) => left.holds(level) && right.holds(level),
            Self::Or(left, right) => left.holds(level) || right.holds(level),
        }
    }

    fn visit<'a>(&'a self, found: &mut impl FnMut(&'a str)) {
        match self {
            Self::Compare(left, _, right) => {
                left.visit(found);
                right.visit(found);
            }
            Self::Not(inner) => inner.visit(found),
            Self::And(left, right) | Self::Or(left, right) => {
                left.visit(found);
                right.visit(found);
            }
        }
    }
}

impl Level {
    fn value(&self, level: &impl Fn(&str) -> i64) -> i64 {
        match self {
            Self::Skill(name) => level(name),
            Self::Number(number) => *number,
            Self::Operation(left, operator, right) => operator.apply(left.value(level), right.value(level)),
        }
    }

    fn visit<'a>(&'a self, found: &mut impl FnMut(&'a str)) {
        match self {
            Self::Skill(name) => found(name),
            Self::Number(_) => {}
            Self::Operation(left, _, right) => {
                left.visit(found);
                right.visit(found);
            }
        }
    }
}

// === Display: canonical text ===

impl fmt::Display for SkillExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compare(left, comparison, right) => write!(f, "{left} {} {right}", comparison.as_str()),
            Self::Not(inner) => write!(f, "!({inner})"),
            Self::And(left, right) => {
                bracket_or(left, f)?;
                f.write_str(" & ")?;
                bracket_group(right, f)
            }
            Self::Or(left, right) => {
                write!(f, "{left} | ")?;
                match **right {
                    Self::Or(..) => write!(f, "({right})"),
                    _ => right.fmt(f),
                }
            }
        }
    }
}

fn bracket_or(condition: &Condition, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match condition {
        Condition::Or(..) => write!(f, "({condition})"),
        _ => condition.fmt(f),
    }
}

fn bracket_group(condition: &Condition, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match condition {
        Condition::Or(..) | Condition::And(..) => write!(f, "({condition})"),
        _ => condition.fmt(f),
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skill(name) if parse::is_plain_name(name) => f.write_str(name),
            Self::Skill(name) => write!(f, "\"{name}\""),
            Self::Number(number) => number.fmt(f),
            Self::Operation(left, operator, right) => write!(f, "({left} {} {right})", operator.as_str()),
        }
    }
}

#[cfg(test)]
mod tests;
