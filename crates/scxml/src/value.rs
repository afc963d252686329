//! Values that pass between a data model, events and the host.

/// A value, as expressive as JSON; `Undefined` is the absence of one.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// No value was given.
    #[default]
    Undefined,
    /// An empty value was given.
    Null,
    /// A truth value.
    Bool(bool),
    /// A number.
    Number(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// Named values in order.
    Map(Vec<(String, Value)>),
}

impl Value {
    /// The named member of a map.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(pairs) => pairs.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The text, if the value is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, also if it is written as text.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The truth value, also if it is written as text.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(truth) => Some(*truth),
            Self::Text(text) if text == "true" => Some(true),
            Self::Text(text) if text == "false" => Some(false),
            _ => None,
        }
    }

    /// Approximate memory use, in bytes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Undefined | Self::Null | Self::Bool(_) | Self::Number(_) => 0,
                Self::Text(text) => text.len(),
                Self::List(items) => items.iter().map(Self::bytes).sum(),
                Self::Map(pairs) => pairs.iter().map(|(key, value)| key.len() + value.bytes()).sum(),
            }
    }

    /// The value as displayed: text unchanged, numbers without a needless fraction, the rest as in JSON.
    pub fn to_display(&self) -> String {
        let mut out = String::new();
        self.write_display(&mut out, Nested::No);
        out
    }

    fn write_display(&self, out: &mut String, nested: Nested) {
        match self {
            Self::Undefined => out.push_str("undefined"),
            Self::Null => out.push_str("null"),
            Self::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
            Self::Number(number) => out.push_str(&number.to_string()),
            Self::Text(text) if nested == Nested::No => out.push_str(text),
            Self::Text(text) => out.push_str(&format!("{text:?}")),
            Self::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    item.write_display(out, Nested::Yes);
                }
                out.push(']');
            }
            Self::Map(pairs) => {
                out.push('{');
                for (at, (key, value)) in pairs.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    out.push_str(&format!("{key:?}:"));
                    value.write_display(out, Nested::Yes);
                }
                out.push('}');
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Nested {
    Yes,
    No,
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

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Value {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self::Map(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}
