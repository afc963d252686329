//! Events and the descriptors that select them (W3C SCXML 3.12, 5.10.1).

use crate::value::Value;

/// The origin of an event (W3C SCXML 5.10.1, `_event.type`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventKind {
    /// The interpreter itself: errors and `done.*`.
    Platform,
    /// The document, by `raise` or `send` to `#_internal`.
    Internal,
    /// Outside, or the document by `send` to itself.
    External,
}

impl EventKind {
    /// The value of `_event.type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Internal => "internal",
            Self::External => "external",
        }
    }
}

/// An event: a dotted name with data.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Tokens separated by dots.
    pub name: String,
    /// Its origin.
    pub kind: EventKind,
    /// For an error event, the `send` that failed; else the id given by the author.
    pub send_id: Option<String>,
    /// The address for an answer.
    pub origin: Option<String>,
    /// The kind of processor at `origin`.
    pub origin_type: Option<String>,
    /// The payload.
    pub data: Value,
}

impl Event {
    /// An external event.
    pub fn external(name: impl Into<String>, data: Value) -> Self {
        Self::of(EventKind::External, name, data)
    }

    /// An event of the interpreter.
    pub fn platform(name: impl Into<String>, data: Value) -> Self {
        Self::of(EventKind::Platform, name, data)
    }

    pub(crate) fn of(kind: EventKind, name: impl Into<String>, data: Value) -> Self {
        Self { name: name.into(), kind, send_id: None, origin: None, origin_type: None, data }
    }

    /// Whether its name starts with the token `error`.
    pub fn is_error(&self) -> bool {
        matches_token(&self.name, "error")
    }
}

/// Descriptors of a transition: the event matches if one of them is a token-wise prefix of its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptors(Vec<String>);

impl Descriptors {
    /// Reads the space-separated list of an `event` attribute.
    pub fn parse(text: &str) -> Self {
        let clean = |word: &str| {
            let word = word.strip_suffix(".*").or_else(|| word.strip_suffix('.')).unwrap_or(word);
            word.to_owned()
        };
        Self(text.split_ascii_whitespace().map(clean).collect())
    }

    /// Whether an event of this name is selected.
    pub fn matches(&self, name: &str) -> bool {
        self.0.iter().any(|d| d == "*" || matches_token(name, d))
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn matches_token(name: &str, descriptor: &str) -> bool {
    name.strip_prefix(descriptor).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_match_whole_tokens_from_the_left() {
        for (list, name, expected) in [
            ("error", "error.send.failed", true),
            ("error", "errors", false),
            ("error.*", "error", true),
            ("a b.c", "b.c.d", true),
            ("a b.c", "b", false),
            ("*", "anything.at.all", true),
            ("foo.", "foo.bar", true),
            ("Foo", "foo", false),
        ] {
            assert_eq!(Descriptors::parse(list).matches(name), expected, "{list} / {name}");
        }
    }
}
