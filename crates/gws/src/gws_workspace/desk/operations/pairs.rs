//! Lists of pairs as clients write them, and as frames have them.

use serde_json::{Map, Value, json};

use crate::gws_workspace::desk::outputs::OperationRefusal;

/// The most pairs of a list, those of nested lists included: as many as a call's user data may have.
const PAIRS_MAX: usize = 512;
/// The deepest nesting, as frames have it.
const DEPTH_MAX: usize = 16;

/// A list of pairs: user data, reasons or extensions.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PairList {
    /// As the API tells it: `{key, type, value}` each.
    list: Vec<Value>,
    /// As a frame has it: an object, and an array where a key repeats.
    object: Map<String, Value>,
}

impl PairList {
    /// Reads `[{key, type, value}]`, or an object of keys and values.
    pub(super) fn read(name: &str, value: &Value) -> Result<Self, OperationRefusal> {
        let mut left = PAIRS_MAX;
        Self::read_within(name, value, 1, &mut left)
    }

    fn read_within(name: &str, value: &Value, depth: usize, left: &mut usize) -> Result<Self, OperationRefusal> {
        if depth > DEPTH_MAX {
            let rule = format_args!("it is nested more than {DEPTH_MAX} deep");
            return Err(OperationRefusal::parameter(name, rule));
        }
        let mut pairs = Self::default();
        match value {
            Value::Array(items) => {
                for item in items {
                    let key = item.get("key").and_then(Value::as_str).filter(|key| !key.is_empty());
                    let key = key.ok_or_else(|| OperationRefusal::parameter(name, "a pair has no key"))?;
                    let kind = item.get("type").and_then(Value::as_str);
                    let value = item.get("value").unwrap_or(&Value::Null);
                    pairs.take(name, key, kind, value, depth, left)?;
                }
            }
            Value::Object(fields) => {
                for (key, value) in fields {
                    pairs.take(name, key, None, value, depth, left)?;
                }
            }
            _ => return Err(OperationRefusal::parameter(name, "it is no list of pairs")),
        }
        Ok(pairs)
    }

    fn take(
        &mut self,
        name: &str,
        key: &str,
        kind: Option<&str>,
        value: &Value,
        depth: usize,
        left: &mut usize,
    ) -> Result<(), OperationRefusal> {
        let Some(fewer) = left.checked_sub(1) else {
            let rule = format_args!("it has more than {PAIRS_MAX} pairs, those of nested lists included");
            return Err(OperationRefusal::parameter(name, rule));
        };
        *left = fewer;
        let wrong = || OperationRefusal::parameter(name, format_args!("{key} has a value that does not fit its type"));
        let kind = kind.unwrap_or(match value {
            Value::Number(_) => "int",
            Value::Array(_) | Value::Object(_) => "kvlist",
            _ => "str",
        });
        match kind {
            "str" => {
                let text = match value {
                    Value::String(text) => text.clone(),
                    Value::Number(_) | Value::Bool(_) => value.to_string(),
                    Value::Null => String::new(),
                    _ => return Err(wrong()),
                };
                self.push(key, "str", json!(text), json!(text));
            }
            "int" => {
                let number = value.as_i64().or_else(|| value.as_str()?.trim().parse().ok()).ok_or_else(wrong)?;
                self.push(key, "int", json!(number), json!(number));
            }
            "kvlist" => {
                let nested = Self::read_within(name, value, depth + 1, left)?;
                self.push(key, "kvlist", Value::Array(nested.list), Value::Object(nested.object));
            }
            other => {
                let rule = format_args!("{key} has the type {other}, which is not str, int or kvlist");
                return Err(OperationRefusal::parameter(name, rule));
            }
        }
        Ok(())
    }

    fn push(&mut self, key: &str, kind: &str, told: Value, framed: Value) {
        self.list.push(json!({"key": key, "type": kind, "value": told}));
        match self.object.get_mut(key) {
            None => drop(self.object.insert(key.to_owned(), framed)),
            Some(Value::Array(values)) => values.push(framed),
            Some(first) => *first = Value::Array(vec![first.take(), framed]),
        }
    }

    /// Adds a text, unless the list has the key.
    pub(super) fn complete(&mut self, key: &str, text: &str) {
        if !self.object.contains_key(key) {
            self.push(key, "str", json!(text), json!(text));
        }
    }

    /// Whether it has that key, in letters of any case: so the switch compares them.
    pub(in crate::gws_workspace::desk) fn has(&self, key: &str) -> bool {
        self.object.keys().any(|own| own.eq_ignore_ascii_case(key))
    }

    /// Whether it has no pair.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// As a frame has it.
    pub(in crate::gws_workspace::desk) fn framed(&self) -> Value {
        Value::Object(self.object.clone())
    }

    /// As the API tells it.
    pub(in crate::gws_workspace::desk) fn told(&self) -> &[Value] {
        &self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_becomes_an_object_and_a_repeated_key_an_array() {
        let list = json!([
            {"key": "Segment", "type": "str", "value": "Gold"},
            {"key": "Age", "type": "int", "value": "41"},
            {"key": "Segment", "type": "str", "value": "Silver"},
            {"key": "Inner", "type": "kvlist", "value": [{"key": "a", "type": "int", "value": 1}]},
            {"key": "Untyped", "value": 7},
        ]);
        let pairs = PairList::read("userData", &list).unwrap();
        let framed = json!({"Segment": ["Gold", "Silver"], "Age": 41, "Inner": {"a": 1}, "Untyped": 7});
        assert_eq!(pairs.framed(), framed);
        assert_eq!(pairs.told()[1], json!({"key": "Age", "type": "int", "value": 41}));
    }

    #[test]
    fn an_object_of_keys_and_values_is_a_list_too() {
        let pairs = PairList::read("userData", &json!({"a": "x", "b": {"c": 2}})).unwrap();
        assert_eq!(pairs.framed(), json!({"a": "x", "b": {"c": 2}}));
        assert_eq!(pairs.told()[1]["type"], "kvlist");
    }

    #[test]
    fn what_is_no_list_of_pairs_is_refused_by_name() {
        let mut deep = json!([]);
        for _ in 0..DEPTH_MAX {
            deep = json!([{"key": "k", "type": "kvlist", "value": deep}]);
        }
        let many: Vec<Value> = (0..=PAIRS_MAX).map(|at| json!({"key": at.to_string(), "value": "x"})).collect();
        for wrong in [
            json!("text"),
            json!([1]),
            json!([{"key": "", "value": "x"}]),
            json!([{"key": "a", "type": "int", "value": "x"}]),
            json!([{"key": "a", "type": "str", "value": []}]),
            json!([{"key": "a", "type": "binary", "value": "x"}]),
            json!([{"key": "a", "type": "int", "value": 1.5}]),
            deep,
            json!(many),
        ] {
            let refused = PairList::read("userData", &wrong).unwrap_err();
            assert!(refused.message.starts_with("userData: "), "{}", refused.message);
        }
    }
}
