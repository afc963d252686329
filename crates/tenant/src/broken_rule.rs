//! Broken rules: what is said of them to people, and the codes by which programs tell them.

use std::fmt;

use contracts::provisioning::{FaultCode, ObjectKind};

/// A rule that is broken.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BrokenRule {
    /// The rule, for a human reader.
    pub words: String,
    /// Which it is, for programs.
    pub code: FaultCode,
    /// What it names, by the names that belong to the code; never a secret.
    pub values: Vec<(&'static str, String)>,
}

impl fmt::Display for BrokenRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl BrokenRule {
    /// A rule that names nothing yet.
    pub(crate) fn new(code: FaultCode, words: impl Into<String>) -> Self {
        Self { words: words.into(), code, values: Vec::new() }
    }

    /// A rule that the words alone say: one about a file, which no page shows.
    pub(crate) fn other(words: impl Into<String>) -> Self {
        Self::new(FaultCode::Other, words)
    }

    /// The same rule, which names this besides.
    pub(crate) fn naming(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.values.push((name, value.into()));
        self
    }

    /// Nothing stands where something must.
    pub(crate) fn needed() -> Self {
        Self::new(FaultCode::Needed, "it is needed")
    }

    /// An empty text stands where a full one must.
    pub(crate) fn empty() -> Self {
        Self::new(FaultCode::Needed, "it is empty")
    }

    /// What is needed beside `field`, in these words.
    pub(crate) fn needed_with(field: &str, words: impl Into<String>) -> Self {
        Self::new(FaultCode::NeededWith, words).naming("field", field)
    }

    /// A value of another kind than `wanted`, in these words.
    pub(crate) fn wrong_type(wanted: &str, words: impl Into<String>) -> Self {
        Self::new(FaultCode::WrongType, words).naming("wanted", wanted)
    }

    /// An object that is named does not exist.
    pub(crate) fn unknown(kind: ObjectKind, id: &str) -> Self {
        let noun = if kind == ObjectKind::Dn { "DN" } else { kind.as_str() };
        Self::new(FaultCode::Unknown, format!("there is no {noun} {id}")).naming("kind", kind.as_str()).naming("id", id)
    }

    /// Another object, of that kind and name, has this value already; in these words.
    pub(crate) fn held(kind: ObjectKind, by: &str, value: &str, words: String) -> Self {
        Self::new(FaultCode::Held, words).naming("kind", kind.as_str()).naming("by", by).naming("value", value)
    }

    /// There is no such time zone, in these words.
    pub(crate) fn time_zone(name: &str, words: String) -> Self {
        Self::new(FaultCode::TimeZone, words).naming("name", name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_said_as_before_and_names_what_its_words_name() {
        let rule = BrokenRule::unknown(ObjectKind::Dn, "7101");
        assert_eq!((rule.to_string().as_str(), rule.code), ("there is no DN 7101", FaultCode::Unknown));
        assert_eq!(rule.values, [("kind", "dn".to_owned()), ("id", "7101".to_owned())]);
        assert_eq!(BrokenRule::unknown(ObjectKind::Skill, "Patience").words, "there is no skill Patience");
    }
}
