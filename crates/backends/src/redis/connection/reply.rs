//! Reading the answers of scripts.

use bytes::Bytes;
use infra::{Position, Result, StoreError};
use redis::Value;

/// A script's answer is not of the expected form.
pub(in crate::redis) fn corrupt(what: &str, reason: impl ToString) -> StoreError {
    StoreError::Corrupt { what: format!("{what} in Redis"), reason: reason.to_string() }
}

/// A list.
pub(in crate::redis) fn list(value: &Value) -> Result<&[Value]> {
    match value {
        Value::Array(items) | Value::Set(items) => Ok(items),
        Value::Nil => Ok(&[]),
        other => Err(corrupt("an answer", format!("no list: {other:?}"))),
    }
}

/// Bytes; absent means empty.
pub(in crate::redis) fn bytes(value: Option<&Value>) -> Result<Bytes> {
    match value {
        Some(Value::BulkString(bytes)) => Ok(Bytes::copy_from_slice(bytes)),
        Some(Value::SimpleString(text)) => Ok(Bytes::copy_from_slice(text.as_bytes())),
        Some(Value::Int(number)) => Ok(number.to_string().into()),
        None | Some(Value::Nil) => Ok(Bytes::new()),
        Some(other) => Err(corrupt("an answer", format!("no bytes: {other:?}"))),
    }
}

/// Text; absent means empty.
pub(in crate::redis) fn text(value: Option<&Value>) -> Result<String> {
    String::from_utf8(bytes(value)?.into()).map_err(|e| corrupt("an answer", e))
}

/// A list of texts.
pub(in crate::redis) fn texts(value: &Value) -> Result<Vec<String>> {
    list(value)?.iter().map(|item| text(Some(item))).collect()
}

/// A number.
pub(in crate::redis) fn number(value: Option<&Value>) -> Result<u64> {
    text(value)?.parse().map_err(|e| corrupt("a number", e))
}

/// How many bytes of content an answer has.
pub(in crate::redis) fn size(value: &Value) -> usize {
    match value {
        Value::BulkString(bytes) => bytes.len(),
        Value::SimpleString(text) => text.len(),
        Value::Array(items) | Value::Set(items) => items.iter().map(size).sum(),
        Value::Map(pairs) => pairs.iter().map(|(key, value)| size(key) + size(value)).sum(),
        _ => 1,
    }
}

/// A position that a script returned; empty means none.
pub(in crate::redis) fn position(text: &str) -> Result<Option<Position>> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|e| corrupt("a position", e))
}

/// A refusal that is an error for every request: a reached bound.
pub(in crate::redis) fn refused(words: &[String]) -> StoreError {
    const WHATS: [&str; 10] = [
        "the ledger",
        "the event stream",
        "the stream of new calls",
        "the queues",
        "the request stream",
        "the registrations",
        "the table of nodes",
        "the table of jobs",
        "the sign-ins of a kind",
        "the sign-ins of one owner",
    ];
    match words {
        [full, what, bound] if full == "full" => {
            let what = WHATS.iter().find(|known| *known == what).copied().unwrap_or("a store");
            StoreError::Full { what, bound: bound.parse().unwrap_or_default() }
        }
        _ => StoreError::Corrupt { what: "the answer of a script".to_owned(), reason: words.join(" ") },
    }
}
