//! Values as they stand in a YAML file.

/// A text as a YAML scalar: without quotes if it can only be a text, else in double quotes, as in JSON.
pub(super) fn text(value: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/');
    let bare = value.starts_with(|c: char| c.is_ascii_alphabetic())
        && value.bytes().all(plain)
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&value.to_lowercase().as_str());
    if bare { value.to_owned() } else { serde_json::Value::from(value).to_string() }
}

/// A list of texts on one line.
pub(super) fn flow<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", texts.map(text).collect::<Vec<_>>().join(", "))
}

/// A further key of a record on one line; nothing if it has no value.
pub(super) fn optional(key: &str, value: Option<&str>) -> String {
    value.map(|value| format!(", {key}: {}", text(value))).unwrap_or_default()
}
