//! Key-value lists as the published APIs write them: `[{"key": "a", "type": "str" | "int" | "kvlist", "value": ...}]`.
//!
//! The model also has bytes, which the published lists lack: they are told as base64 text. What desktops send is read where operations are: `gws_workspace/desk/operations/pairs.rs`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{UserData, Value};
use serde::{Deserialize, Serialize};

/// A pair of a published list. Clients of other languages stop at a pair without `type`, so each has one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum KvPair {
    /// Text.
    #[serde(rename = "str")]
    Text {
        /// The key.
        key: String,
        /// The text.
        value: String,
    },
    /// A whole number.
    #[serde(rename = "int")]
    Int {
        /// The key.
        key: String,
        /// The number.
        value: i64,
    },
    /// A nested list.
    #[serde(rename = "kvlist")]
    List {
        /// The key.
        key: String,
        /// The list.
        value: Vec<KvPair>,
    },
}

/// Writes a list, in its order, repeated keys included.
pub fn pairs(data: &UserData) -> Vec<KvPair> {
    let pair = |(key, value): (&str, &Value)| {
        let key = key.to_owned();
        match value {
            Value::Text(text) => KvPair::Text { key, value: text.clone() },
            Value::Int(number) => KvPair::Int { key, value: *number },
            Value::Binary(bytes) => KvPair::Text { key, value: STANDARD.encode(bytes) },
            Value::List(list) => KvPair::List { key, value: pairs(list) },
        }
    };
    data.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_written_as_published() {
        let mut data: UserData = [("a", "1"), ("a", "2")].into_iter().collect();
        data.push("n", 7);
        data.push("inner", Value::List([("k", "v")].into_iter().collect()));
        data.push("raw", Value::Binary(b"hi".to_vec()));
        let told = serde_json::to_value(pairs(&data)).unwrap();
        let expected = json!([
            {"key": "a", "type": "str", "value": "1"},
            {"key": "a", "type": "str", "value": "2"},
            {"key": "n", "type": "int", "value": 7},
            {"key": "inner", "type": "kvlist", "value": [{"key": "k", "type": "str", "value": "v"}]},
            {"key": "raw", "type": "str", "value": "aGk="},
        ]);
        assert_eq!(told, expected);
    }

    #[test]
    fn a_pair_without_a_type_or_with_another_value_is_refused() {
        for pair in [json!({"key": "a", "value": "1"}), json!({"key": "a", "type": "int", "value": "1"})] {
            assert!(serde_json::from_value::<KvPair>(pair.clone()).is_err(), "{pair}");
        }
    }
}
