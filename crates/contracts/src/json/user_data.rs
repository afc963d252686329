//! Key-value lists as JSON objects.
//!
//! Text, number and list are themselves; bytes are `{"$base64": "..."}`. A repeated key has an array of its values, in order, at its
//! first position. Keys are compared byte by byte here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{UserData, Value};
use serde_json::{Map, Value as Json, json};

use super::FrameError;

/// The key that marks bytes.
const BASE64: &str = "$base64";

/// The deepest nesting that is read.
const DEPTH_MAX: usize = 16;

/// Writes a list.
pub fn user_data_to_json(data: &UserData) -> Json {
    let mut object = Map::with_capacity(data.len());
    for (key, value) in data.iter() {
        let value = value_to_json(value);
        match object.get_mut(key) {
            None => {
                object.insert(key.to_owned(), value);
            }
            Some(Json::Array(values)) => values.push(value),
            Some(first) => *first = Json::Array(vec![first.take(), value]),
        }
    }
    Json::Object(object)
}

fn value_to_json(value: &Value) -> Json {
    match value {
        Value::Text(text) => Json::String(text.clone()),
        Value::Int(number) => json!(number),
        Value::Binary(bytes) => json!({ BASE64: STANDARD.encode(bytes) }),
        Value::List(list) => user_data_to_json(list),
    }
}

/// Reads a list; `field` is its name in the frame, for the error.
///
/// # Errors
/// Names the key whose value a list cannot contain.
pub fn user_data_from_json(json: &Json, field: &str) -> Result<UserData, FrameError> {
    list_from_json(json, field, 0)
}

fn list_from_json(json: &Json, field: &str, depth: usize) -> Result<UserData, FrameError> {
    let Json::Object(object) = json else {
        return Err(FrameError::invalid(field, "it is not an object"));
    };
    if depth >= DEPTH_MAX {
        return Err(FrameError::invalid(field, format_args!("it is nested more than {DEPTH_MAX} deep")));
    }
    let mut list = UserData::new();
    for (key, value) in object {
        match value {
            Json::Array(values) => {
                for value in values {
                    list.push(key.as_str(), value_from_json(value, field, key, depth)?);
                }
            }
            value => list.push(key.as_str(), value_from_json(value, field, key, depth)?),
        }
    }
    if list.len() > UserData::PAIRS_MAX {
        return Err(FrameError::invalid(field, format_args!("it has more than {} pairs", UserData::PAIRS_MAX)));
    }
    Ok(list)
}

fn value_from_json(json: &Json, field: &str, key: &str, depth: usize) -> Result<Value, FrameError> {
    let at = || format!("{field}.{key}");
    match json {
        Json::String(text) => Ok(Value::Text(text.clone())),
        Json::Number(number) => {
            number.as_i64().map(Value::Int).ok_or_else(|| FrameError::invalid(at(), "it is not a whole 64-bit number"))
        }
        Json::Object(object) => match object.get(BASE64) {
            Some(Json::String(text)) if object.len() == 1 => {
                STANDARD.decode(text).map(Value::Binary).map_err(|_| FrameError::invalid(at(), "it is not base64"))
            }
            _ => list_from_json(json, &at(), depth + 1).map(Value::List),
        },
        _ => Err(FrameError::invalid(at(), "it is not text, a whole number or an object")),
    }
}
