//! A fault of one field: which, and the rule that it breaks.

use std::fmt::Display;

use serde_json::{Map, Value};

/// A fault of one field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {rule}")]
pub struct FieldFault {
    /// The field, as `items[3].ts`.
    pub field: String,
    /// The rule, as "it must be a number".
    pub rule: String,
}

impl FieldFault {
    /// A fault of that field.
    pub fn new(field: impl Display, rule: impl Into<String>) -> Self {
        Self { field: field.to_string(), rule: rule.into() }
    }
}

/// The members of an object.
pub(crate) fn object<'a>(value: &'a Value, field: &str) -> Result<&'a Map<String, Value>, FieldFault> {
    value.as_object().ok_or_else(|| FieldFault::new(field, "it must be an object"))
}

/// The items of a list that has at most so many.
pub(crate) fn list<'a>(value: &'a Value, field: &str, items_max: usize) -> Result<&'a [Value], FieldFault> {
    let items = value.as_array().ok_or_else(|| FieldFault::new(field, "it must be a list"))?;
    if items.len() > items_max {
        return Err(FieldFault::new(field, format!("it has {} items, and at most {items_max} are taken", items.len())));
    }
    Ok(items)
}

/// A text that is not empty and has at most so many bytes.
pub(crate) fn text<'a>(value: Option<&'a Value>, field: &str, bytes_max: usize) -> Result<&'a str, FieldFault> {
    let text = value.ok_or_else(|| FieldFault::new(field, "it is missing"))?;
    let text = text.as_str().ok_or_else(|| FieldFault::new(field, "it must be a text"))?;
    if text.is_empty() || text.len() > bytes_max {
        return Err(FieldFault::new(field, format!("it must have 1 to {bytes_max} bytes")));
    }
    Ok(text)
}

/// A name: a text of letters, digits and `_ . : / -`.
pub(crate) fn name<'a>(value: Option<&'a Value>, field: &str, bytes_max: usize) -> Result<&'a str, FieldFault> {
    let name = text(value, field, bytes_max)?;
    let is_plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:/-".contains(&b));
    if is_plain { Ok(name) } else { Err(FieldFault::new(field, "it may have letters, digits and _ . : / - alone")) }
}

/// Refuses members that are not among the known ones.
pub(crate) fn known_members(object: &Map<String, Value>, field: &str, known: &[&str]) -> Result<(), FieldFault> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => {
            let shown: String = key.chars().take(64).collect();
            Err(FieldFault::new(format!("{field}.{shown}"), format!("it is not one of {}", known.join(", "))))
        }
        None => Ok(()),
    }
}
