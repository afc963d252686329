//! Headers that are a number: Max-Forwards, Expires, Min-Expires, RSeq, Content-Length.

use crate::parse;
use crate::rule::Rule;

/// Seconds as in Expires and similar headers. More than 2^32-1 is malformed (RFC 3261 §20.19).
pub fn seconds(value: &str) -> Result<u32, Rule> {
    u32::try_from(parse::number(value, u64::from(u32::MAX))?).map_err(|_| Rule::Number)
}

/// Seconds for a timer: values above `max`, with any number of digits, count as `max`. `None` if it is not a number.
pub fn seconds_up_to(value: &str, max: u32) -> Option<u32> {
    let is_number = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| parse::number(value, u64::from(max)).ok().and_then(|n| u32::try_from(n).ok()).unwrap_or(max))
}

/// Max-Forwards: 0 to 255 (RFC 3261 §20.22).
pub fn max_forwards(value: &str) -> Result<u8, Rule> {
    u8::try_from(parse::number(value, 255)?).map_err(|_| Rule::Number)
}

/// Retry-After (RFC 3261 §20.33): the seconds, without comment and parameters.
pub fn retry_after(value: &str) -> Result<u32, Rule> {
    let end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    seconds(&value[..end])
}
