//! Key-value lists that travel with a call or a request.

/// A value in a key-value list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// Raw bytes.
    Binary(Vec<u8>),
    /// A nested list.
    List(UserData),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

/// Business data of a call: ordered, keys compared without regard to ASCII case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserData(Vec<(String, Value)>);

impl UserData {
    /// The most pairs that a call may carry, those of nested lists included; a request that would exceed it is refused.
    pub const PAIRS_MAX: usize = 512;
    /// The most bytes of keys and values that a call may carry: they are in each of its facts and in its record.
    pub const BYTES_MAX: usize = 64 * 1024;

    /// An empty list.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The first value under `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, v)| v)
    }

    /// The first value under `key`, if it is a text.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Replaces every pair under `key` by one, in the place of the first, or appends it.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) {
        let value = value.into();
        match self.0.iter().position(|(k, _)| k.eq_ignore_ascii_case(key)) {
            Some(at) => {
                self.0[at].1 = value;
                let mut index = 0;
                self.0.retain(|(k, _)| {
                    index += 1;
                    index - 1 <= at || !k.eq_ignore_ascii_case(key)
                });
            }
            None => self.0.push((key.to_owned(), value)),
        }
    }

    /// Appends a pair, even if the key exists already.
    pub fn push(&mut self, key: impl Into<String>, value: impl Into<Value>) {
        self.0.push((key.into(), value.into()));
    }

    /// Removes every pair under `key`; returns whether there was one.
    pub fn remove(&mut self, key: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|(k, _)| !k.eq_ignore_ascii_case(key));
        self.0.len() != before
    }

    /// Replaces the values of each key of `other` by its values there: a repeated key brings all its values.
    pub fn update(&mut self, other: &Self) {
        for (at, (key, value)) in other.0.iter().enumerate() {
            if other.0[..at].iter().any(|(before, _)| before.eq_ignore_ascii_case(key)) {
                self.push(key.as_str(), value.clone());
            } else {
                self.set(key, value.clone());
            }
        }
    }

    /// The pairs in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v))
    }

    /// How many pairs there are, those of nested lists included.
    pub fn pairs(&self) -> usize {
        let of = |value: &Value| if let Value::List(list) = value { list.pairs() } else { 0 };
        self.0.iter().map(|(_, value)| 1 + of(value)).sum()
    }

    /// How many bytes keys and values have, those of nested lists included.
    pub fn bytes(&self) -> usize {
        let of = |value: &Value| match value {
            Value::Text(text) => text.len(),
            Value::Int(_) => 8,
            Value::Binary(raw) => raw.len(),
            Value::List(list) => list.bytes(),
        };
        self.0.iter().map(|(key, value)| key.len() + of(value)).sum()
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for UserData {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_repeats_replaces_what_was_there_by_all_its_values() {
        let mut data: UserData = [("k", "old"), ("other", "stays"), ("K", "older")].into_iter().collect();
        data.update(&[("k", "a"), ("k", "b")].into_iter().collect());
        assert_eq!(data, [("k", "a"), ("other", "stays"), ("k", "b")].into_iter().collect());
    }

    #[test]
    fn set_replaces_in_place_and_drops_repeats() {
        let mut data: UserData = [("a", "1"), ("B", "2"), ("A", "3")].into_iter().collect();
        data.set("a", "9");
        assert_eq!(data, [("a", "9"), ("B", "2")].into_iter().collect());
    }

    #[test]
    fn nested_pairs_count_although_they_hold_nothing() {
        let nothing: UserData = std::iter::repeat_n(("", ""), 100).collect();
        let nested: UserData = [("a", Value::List(nothing)), ("b", Value::Int(0))].into_iter().collect();
        assert_eq!((nested.len(), nested.pairs(), nested.bytes()), (2, 102, 10));
    }

    #[test]
    fn keys_compare_without_case() {
        let data: UserData = [("ServiceType", "Sales")].into_iter().collect();
        assert_eq!(data.text("servicetype"), Some("Sales"));
    }
}
