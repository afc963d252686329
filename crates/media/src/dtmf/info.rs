//! Keys in the body of a SIP INFO, sent by phones that have neither telephone events nor clean audio.

use std::time::Duration;

use super::Digit;

/// Duration of a key if the body gives none.
const USUAL: Duration = Duration::from_millis(160);
/// Longest duration of a key: telephone events can express 8 s at most (RFC 4733 §2.3.5).
pub const DURATION_MAX: Duration = Duration::from_secs(6);
/// Longest body that is read, in bytes.
const BODY_BYTES_MAX: usize = 256;

/// The body of `application/dtmf-relay` with one key, as other systems read it.
pub fn one(key: Digit, duration: Duration) -> String {
    format!("Signal={}\r\nDuration={}\r\n", key.as_char(), duration.as_millis())
}

/// The body of `application/dtmf-relay` with several keys, a form of our own.
pub fn body(keys: &str) -> String {
    format!("Signals={keys}\r\nDuration={}\r\n", USUAL.as_millis())
}

/// Parses a body of `application/dtmf-relay` (`Signal=5` and `Duration=160`) or `application/dtmf` (`5`); `subtype`
/// is the part after `application/`. `Signals` names several keys. Empty if it names none.
pub fn parse(subtype: &str, body: &[u8]) -> Vec<(Digit, Duration)> {
    let Some(text) = body.get(..body.len().min(BODY_BYTES_MAX)).and_then(|body| std::str::from_utf8(body).ok()) else {
        return Vec::new();
    };
    if subtype.eq_ignore_ascii_case("dtmf") {
        return key(text).map(|key| (key, USUAL)).into_iter().collect();
    }
    if !subtype.eq_ignore_ascii_case("dtmf-relay") {
        return Vec::new();
    }
    let value = |name: &str| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once(['=', ':'])?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    let length = value("Duration").and_then(|ms| ms.parse().ok()).filter(|ms| *ms > 0);
    let length = length.map_or(USUAL, Duration::from_millis).min(DURATION_MAX);
    let several = value("Signals").unwrap_or_default().chars().filter_map(Digit::from_char);
    value("Signal").and_then(key).into_iter().chain(several).map(|key| (key, length)).collect()
}

/// A key by its character, or by its event code (RFC 4733 §3.2): some devices write 10 for the star.
fn key(text: &str) -> Option<Digit> {
    let text = text.trim();
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(only), None) => Digit::from_char(only),
        _ => text.parse().ok().and_then(Digit::from_event),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_of_phones_are_read() {
        let cases = [
            ("dtmf-relay", "Signal=5\r\nDuration=160\r\n", Some(('5', 160))),
            ("dtmf-relay", "Signal= #\r\nDuration= 90\r\n", Some(('#', 90))),
            ("DTMF-Relay", "signal=*\nduration=0\n", Some(('*', 160))),
            ("dtmf-relay", "Duration=200\r\nSignal=a", Some(('A', 200))),
            ("dtmf-relay", "Signal=10\r\n", Some(('*', 160))),
            ("dtmf-relay", "Signal=1\r\nDuration=18446744073709551615\r\n", Some(('1', 6_000))),
            ("dtmf-relay", "Signal=1\r\nDuration=-1\r\n", Some(('1', 160))),
            ("dtmf", "7", Some(('7', 160))),
            ("dtmf", " 11\r\n", Some(('#', 160))),
            ("dtmf", "77", None),
            ("dtmf-relay", "Duration=200\r\n", None),
            ("dtmf-relay", "Signal=\r\n", None),
            ("plain", "5", None),
        ];
        for (subtype, body, expected) in cases {
            let read = parse(subtype, body.as_bytes());
            let read: Vec<_> = read.into_iter().map(|(key, ms)| (key.as_char(), ms.as_millis() as u64)).collect();
            assert_eq!(read, Vec::from_iter(expected), "{subtype} {body:?}");
        }
        assert!(parse("dtmf", &[0xFF]).is_empty());
        let star = (Digit::from_char('*').unwrap(), Duration::from_millis(400));
        assert_eq!(one(star.0, star.1), "Signal=*\r\nDuration=400\r\n");
        assert_eq!(parse("dtmf-relay", one(star.0, star.1).as_bytes()), [star]);
        let several = parse("dtmf-relay", body("12#").as_bytes());
        assert_eq!(several.iter().map(|(key, _)| key.as_char()).collect::<String>(), "12#");
    }
}
