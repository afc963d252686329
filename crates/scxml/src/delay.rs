//! The delay of a `<send>`.

use std::time::Duration;

/// Parses a CSS2 time: `2s`, `1.5s`, `300ms`; neither negative nor longer than [`DELAY_MAX_MS`] (24 days).
pub(crate) fn parse_delay(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (digits, unit_ms) = match text.strip_suffix("ms") {
        Some(digits) => (digits, 1.0),
        None => (text.strip_suffix('s')?, 1_000.0),
    };
    let well_formed = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let number: f64 = digits.parse().ok().filter(|_| well_formed)?;
    let millis = number * unit_ms;
    (millis <= DELAY_MAX_MS).then(|| Duration::from_micros((millis * 1_000.0).round() as u64))
}

/// Longest delay: 2^31 - 1 ms, the maximum of script timers everywhere.
const DELAY_MAX_MS: f64 = 2_147_483_647.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_css_times() {
        for (text, millis) in [("1s", 1_000), ("1.5s", 1_500), (".5s", 500), ("20ms", 20), ("0s", 0), (" 2s ", 2_000)] {
            assert_eq!(parse_delay(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "5", "-1s", "1m", "1e9s", "NaNs", "infs", "9999999999s"] {
            assert_eq!(parse_delay(text), None, "{text}");
        }
    }
}
