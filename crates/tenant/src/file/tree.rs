//! YAML as a tree in which every node has its line number.

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

use super::{BrokenRule, Fault};

/// The deepest nesting accepted; the declaration needs five levels.
const DEPTH_MAX: usize = 32;

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

/// The value of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(i64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// A kind of value that no tenant's file needs, by name.
    Other(&'static str),
    /// A number with a fraction, which has to stand in quotes: as it is written it is text.
    Fraction,
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    /// What the key is where it is no text, for messages: `0049` would be the number 49.
    pub(super) key_noun: Option<&'static str>,
    pub(super) line: usize,
    pub(super) node: Node,
}

impl Node {
    /// The value under a key of a map.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// The entries of a map; empty for any other node.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; empty for any other node.
    pub(super) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The text, if the node is a text.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The kind of the value, for messages.
    pub(super) const fn noun(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
            Value::Other(words) => words,
            Value::Fraction => "a number with a fraction",
        }
    }
}

/// Parses a file that consists of one document.
pub(super) fn parse(text: &str) -> Result<Node, Fault> {
    let fault = |line: usize, words: String| Fault { line, key: String::new(), rule: BrokenRule::other(words) };
    let documents = MarkedYaml::load_from_str(text)
        .map_err(|error| fault(error.marker().line(), format!("it is not YAML: {}", error.info())))?;
    let mut documents = documents.into_iter();
    match (documents.next(), documents.next()) {
        (Some(one), None) => Ok(node(one, 0)),
        (None, _) => Err(fault(1, "it is empty".to_owned())),
        (Some(_), Some(second)) => Err(fault(second.span.start.line(), "it has a second document".to_owned())),
    }
}

/// Converts piece by piece what it takes, so that a large file is not there twice.
fn node(yaml: MarkedYaml<'_>, depth: usize) -> Node {
    let value = match yaml.data {
        _ if depth >= DEPTH_MAX => Value::Other("something nested too deeply"),
        YamlData::Value(scalar) => scalar_value(scalar),
        YamlData::Representation(text, ..) => Value::Text(text.into_owned()),
        YamlData::Sequence(items) => Value::List(items.into_iter().map(|item| node(item, depth + 1)).collect()),
        YamlData::Mapping(map) => {
            let entries = map.into_iter().map(|(key, value)| {
                let (text, key_noun) = key_text(&key);
                Entry { key: text, key_noun, line: key.span.start.line(), node: node(value, depth + 1) }
            });
            Value::Map(entries.collect())
        }
        YamlData::Tagged(..) => Value::Other("a tagged value"),
        YamlData::Alias(_) => Value::Other("an alias"),
        YamlData::BadValue => Value::Other("a bad value"),
    };
    Node { line: yaml.span.start.line(), value }
}

fn scalar_value(scalar: Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => Value::Bool(value),
        Scalar::Integer(number) => Value::Number(number),
        Scalar::FloatingPoint(_) => Value::Fraction,
        Scalar::String(text) => Value::Text(text.into_owned()),
    }
}

/// A key and, if it is no text, what it is: then it is not as it is written.
fn key_text(key: &MarkedYaml<'_>) -> (String, Option<&'static str>) {
    match &key.data {
        YamlData::Value(Scalar::String(text)) => (text.to_string(), None),
        YamlData::Value(Scalar::Integer(number)) => (number.to_string(), Some("a number")),
        YamlData::Value(Scalar::Boolean(value)) => (value.to_string(), Some("true or false")),
        YamlData::Value(Scalar::FloatingPoint(_)) => ("?".to_owned(), Some("a number with a fraction")),
        YamlData::Value(Scalar::Null) => ("?".to_owned(), Some("nothing")),
        _ => ("?".to_owned(), Some("no text")),
    }
}

/// The items of a list that stands under a key.
pub(super) fn list<'a>(node: &'a Node, key: &str) -> &'a [Node] {
    node.get(key).map(Node::items).unwrap_or_default()
}

/// The text that stands under a key.
pub(super) fn text(node: &Node, key: &str) -> Option<String> {
    node.get(key)?.text().map(str::to_owned)
}

/// The value of an entry that is one text, or a map with that text under a key.
pub(super) fn short<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    node.text().or_else(|| node.get(key)?.text())
}

/// The texts of a list that stands under a key.
pub(super) fn texts(node: &Node, key: &str) -> Vec<String> {
    list(node, key).iter().filter_map(|item| item.text().map(str::to_owned)).collect()
}

/// A flag of a record.
pub(super) fn flag(node: &Node, key: &str) -> Option<bool> {
    match node.get(key)?.value {
        Value::Bool(flag) => Some(flag),
        _ => None,
    }
}

/// The number that stands under a key.
pub(super) fn number(node: &Node, key: &str) -> Option<u32> {
    match node.get(key)?.value {
        Value::Number(number) => u32::try_from(number).ok(),
        _ => None,
    }
}
