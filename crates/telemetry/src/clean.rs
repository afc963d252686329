//! Personal data: what looks like it is replaced in texts. Phone numbers, mail and SIP addresses, IP addresses, tokens.
//!
//! Each rule looks at a word between others: an id of letters and digits, a date, a version stay as they are.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::limits::TEXT_BYTES_MAX;

/// Stands for a phone number, or another long number.
pub const NUMBER: &str = "<number>";
/// Stands for an address of mail or SIP, or an IP address.
pub const ADDRESS: &str = "<address>";
/// Stands for a token.
pub const TOKEN: &str = "<token>";

/// Fewer digits are an extension, a code or a duration.
const DIGITS_MIN: usize = 7;
/// Of what is longer so many digits are replaced.
const DIGITS_MAX: usize = 32;
/// The longest part before `@` (RFC 5321 section 4.5.3.1.1).
const LOCAL_BYTES_MAX: usize = 64;
/// The longest IPv4 address.
const IPV4_BYTES_MAX: usize = 15;
/// The longest IPv6 address, with an IPv4 address at its end.
const IPV6_BYTES_MAX: usize = 45;
/// How far a version is looked at before what follows it is known to be one.
const VERSION_BYTES_MAX: usize = 32;
/// How often a text is unescaped: an address within another's query is escaped twice.
const ESCAPED_MAX: usize = 2;
/// How far what is replaced as a whole is looked at. What begins a word and may turn out to be nothing is looked at no further than it could
/// match, so that each byte of a text is looked at a few times at most.
const RUN_BYTES_MAX: usize = 4_096;

/// A text without personal data and not longer than the bound.
pub fn cleaned(text: &str) -> Cow<'_, str> {
    let short = truncated(text);
    match masked(short) {
        Cow::Owned(masked) => Cow::Owned(truncated(&masked).to_owned()),
        Cow::Borrowed(same) => Cow::Borrowed(same),
    }
}

fn truncated(text: &str) -> &str {
    if text.len() <= TEXT_BYTES_MAX {
        return text;
    }
    text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default()
}

/// A text without personal data, of any length. What is escaped as in an address (`%2B` for `+`, RFC 3986 section 2.1) is found too; then
/// the text is shown without its escapes.
pub fn masked(text: &str) -> Cow<'_, str> {
    if text.contains('%') {
        let mut unescaped = text.to_owned();
        for _ in 0..ESCAPED_MAX {
            unescaped = percent_decode_str(&unescaped).decode_utf8_lossy().into_owned();
        }
        if let Cow::Owned(found) = masked_as_written(&unescaped) {
            return Cow::Owned(found);
        }
    }
    masked_as_written(text)
}

fn masked_as_written(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    if !bytes.iter().any(|b| b.is_ascii_digit() || *b == b'@') && !text.contains("eyJ") {
        return Cow::Borrowed(text);
    }
    let mut masked = String::new();
    let (mut kept, mut at) = (0, 0);
    while at < bytes.len() {
        let starts_word = at == 0 || !is_word(byte(bytes, at - 1));
        let found = starts_word.then(|| found_at(bytes, at)).flatten();
        match found {
            Some((length, replacement)) if length > 0 => {
                if replacement.is_empty() {
                    at += length;
                    continue;
                }
                masked.push_str(text.get(kept..at).unwrap_or_default());
                masked.push_str(replacement);
                at += length;
                kept = at;
            }
            _ => at += 1,
        }
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    masked.push_str(text.get(kept..).unwrap_or_default());
    Cow::Owned(masked)
}

/// What begins there: its length and what stands for it; an empty replacement says that it stays.
fn found_at(bytes: &[u8], at: usize) -> Option<(usize, &'static str)> {
    address(bytes, at)
        .map(|length| (length, ADDRESS))
        .or_else(|| token(bytes, at))
        .or_else(|| ip_address(bytes, at).map(|length| (length, ADDRESS)))
        .or_else(|| ipv6_address(bytes, at).map(|length| (length, ADDRESS)))
        .or_else(|| date(bytes, at).map(|length| (length, "")))
        .or_else(|| number(bytes, at))
}

fn byte(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or_default()
}

/// A byte of a word; letters beyond ASCII count.
const fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80
}

/// The length of a run of such bytes, looked at only so far.
fn run(bytes: &[u8], from: usize, bytes_max: usize, belongs: impl Fn(u8) -> bool) -> usize {
    bytes.iter().skip(from).take(bytes_max).take_while(|b| belongs(**b)).count()
}

/// A JSON Web Token: three parts of base64url, of which the first is an object. A word that only begins so stays.
fn token(bytes: &[u8], at: usize) -> Option<(usize, &'static str)> {
    if bytes.get(at..at + 3)? != b"eyJ" {
        return None;
    }
    let length = run(bytes, at, RUN_BYTES_MAX, |b| b.is_ascii_alphanumeric() || b"-_.=".contains(&b));
    let dots = bytes.iter().skip(at).take(length).filter(|b| **b == b'.').count();
    Some((length, if dots >= 2 { TOKEN } else { "" }))
}

/// An address with `@`, of mail or SIP.
fn address(bytes: &[u8], at: usize) -> Option<usize> {
    let local = run(bytes, at, LOCAL_BYTES_MAX + 1, |b| is_word(b) || b"+-.%~*#'!".contains(&b));
    if local > LOCAL_BYTES_MAX {
        return None;
    }
    let host_at = at + local + 1;
    if local == 0 || byte(bytes, at + local) != b'@' {
        return None;
    }
    let host = run(bytes, host_at, RUN_BYTES_MAX, |b| is_word(b) || b"-.".contains(&b));
    // A full stop behind it ends a sentence.
    let trailing = bytes.get(host_at..host_at + host)?.iter().rev().take_while(|b| **b == b'.').count();
    (host > trailing).then_some(local + 1 + host - trailing)
}

/// An IPv4 address.
fn ip_address(bytes: &[u8], at: usize) -> Option<usize> {
    let length = run(bytes, at, IPV4_BYTES_MAX + 1, |b| b.is_ascii_digit() || b == b'.');
    let text = std::str::from_utf8(bytes.get(at..at + length)?).ok()?.trim_end_matches('.');
    let (next, then) = (byte(bytes, at + text.len()), byte(bytes, at + text.len() + 1));
    let is_whole = !(is_word(next) || next == b'.' && then.is_ascii_digit());
    // Versions have a 0 where addresses of machines seldom do.
    let has_zero = text.split('.').skip(1).take(2).all(|part| part == "0");
    (is_whole && !has_zero && text.parse::<std::net::Ipv4Addr>().is_ok()).then_some(text.len())
}

/// An IPv6 address; two words with `::` between them, as in the names of programs, are none without a digit.
fn ipv6_address(bytes: &[u8], at: usize) -> Option<usize> {
    let length = run(bytes, at, IPV6_BYTES_MAX + 1, |b| b.is_ascii_hexdigit() || b":.".contains(&b));
    let text = std::str::from_utf8(bytes.get(at..at + length)?).ok()?.trim_end_matches('.');
    // A colon behind it may end it.
    let text = [text, text.strip_suffix(':').unwrap_or_default()]
        .into_iter()
        .find(|text| text.parse::<std::net::Ipv6Addr>().is_ok())?;
    let is_whole = !is_word(byte(bytes, at + text.len()));
    (is_whole && text.bytes().any(|b| b.is_ascii_digit())).then_some(text.len())
}

/// A date as 2026-11-30.
fn date(bytes: &[u8], at: usize) -> Option<usize> {
    const LENGTH: usize = 10;
    let text = bytes.get(at..at + LENGTH)?;
    let fits = text.iter().enumerate().all(|(i, b)| if [4, 7].contains(&i) { *b == b'-' } else { b.is_ascii_digit() });
    (fits && !byte(bytes, at + LENGTH).is_ascii_digit()).then_some(LENGTH)
}

/// A number of at least [`DIGITS_MIN`] digits, also with `+` before it and separators within; a version stays.
fn number(bytes: &[u8], at: usize) -> Option<(usize, &'static str)> {
    let has_plus = byte(bytes, at) == b'+';
    if !has_plus && is_version(bytes, at) {
        // What comes behind the version is looked at by itself.
        return Some((run(bytes, at, RUN_BYTES_MAX, |b| b.is_ascii_digit() || b == b'.'), ""));
    }
    let begin = at + usize::from(has_plus);
    let mut end = begin + usize::from(byte(bytes, begin) == b'(');
    // The digits up to the end of a group that no letter follows, and where that is.
    let (mut digits, mut whole) = (0, (0, at));
    while digits < DIGITS_MAX {
        let b = byte(bytes, end);
        let is_digit = b.is_ascii_digit();
        let is_separator = digits > 0 && b" -./()".contains(&b) && is_followed(bytes, end + 1);
        if !is_digit && (!is_separator || b != b'.' && is_version(bytes, end + 1)) {
            break;
        }
        end += 1;
        digits += usize::from(is_digit);
        if is_digit && (digits == DIGITS_MAX || !is_word(byte(bytes, end))) {
            whole = (digits, end);
        }
    }
    let (digits, end) = whole;
    (digits >= DIGITS_MIN).then_some((end - at, NUMBER))
}

/// Whether a version or a fraction begins there: numbers with dots between them, one of a single digit.
fn is_version(bytes: &[u8], at: usize) -> bool {
    let length = run(bytes, at, VERSION_BYTES_MAX, |b| b.is_ascii_digit() || b == b'.');
    let text = bytes.get(at..at + length).unwrap_or_default();
    let groups = || text.split(|b| *b == b'.').filter(|group| !group.is_empty());
    byte(text, 0).is_ascii_digit() && groups().count() > 1 && groups().any(|group| group.len() == 1)
}

/// Whether a digit comes after a separator, perhaps behind a bracket or a blank.
fn is_followed(bytes: &[u8], at: usize) -> bool {
    let next = byte(bytes, at);
    next.is_ascii_digit() || b" ()".contains(&next) && byte(bytes, at + 1).is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_looks_like_a_person_is_replaced() {
        for (text, expected) in [
            ("call from +4930123456 failed", "call from <number> failed"),
            ("+49 (30) 123-456", "<number>"),
            ("(030) 1234567", "<number>"),
            ("tel:030/1234567", "tel:<number>"),
            ("4111 1111 1111 1111.", "<number>."),
            ("030.123.4567", "<number>"),
            ("ann.smith+desk@mail.example.com.", "<address>."),
            ("sip:7101@centre", "sip:<address>"),
            ("sip:+4930123456@centre;lr", "sip:<address>;lr"),
            ("from 192.168.17.4:5060", "from <address>:5060"),
            ("Bearer eyJhbGciOi.eyJzdWIi.c2ln-_x", "Bearer <token>"),
            ("a=1234567,b=7654321", "a=<number>,b=<number>"),
            ("took 3.5 4930123456", "took 3.5 <number>"),
            ("call 4930123456 3.5 s ago", "call <number> 3.5 s ago"),
            ("call 4930123456 2nd try", "call <number> 2nd try"),
            ("+1.415.555.2671 rang", "<number> rang"),
            ("numbers/%2B4930123456", "numbers/<number>"),
            ("people/ann%40desk.example/phones", "people/<address>/phones"),
            ("?to=%2B49%2030%20123456", "?to=<number>"),
            ("?next=%2Fpeople%2Fann%2540desk.example", "?next=/people/<address>"),
            ("from 2001:db8::17:4: refused", "from <address>: refused"),
            ("at [fe80::1]:5060", "at [<address>]:5060"),
            ("::ffff:192.168.17.4", "<address>"),
        ] {
            assert_eq!(masked(text), expected, "{text}");
        }
    }

    #[test]
    fn ids_dates_versions_and_short_numbers_stay() {
        for text in [
            "00a1b2c3d4e5f607",
            "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
            "2026-11-30 12:34:56",
            "Chrome 120.0.6099.109",
            "Version 10.15.7",
            "7101 rang for 15000 ms",
            "performance_worker_major",
            "s_1234567",
            "eyJ is no token",
            "in dead::beef at 12:34:56",
            "100%25 of 7",
            "a%20b 50% of 3.5",
            "@",
            "",
        ] {
            assert_eq!(masked(text), text);
        }
    }

    #[test]
    fn what_is_longer_than_can_match_is_not_looked_at() {
        // As many words as there may be, none of which ends: each of them looked at to its end would take as long as the square of the text.
        for word in ["a.", "1.", "a+", "1-a.", "eyJ "] {
            let text = format!("7 {}", word.repeat(1 << 20));
            assert_eq!(masked(&text).len(), text.len(), "{word}");
        }
        let local = "a".repeat(LOCAL_BYTES_MAX);
        assert_eq!(masked(&format!("{local}@centre")), ADDRESS);
        assert_eq!(masked(&format!("a{local}@centre")), format!("a{local}@centre"));
        assert_eq!(masked("255.255.255.255."), "<address>.");
        for version in ["255.255.255.255.1", "255.255.255.2551"] {
            assert!(!masked(version).contains(ADDRESS), "{version}");
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let long = "ä".repeat(TEXT_BYTES_MAX);
        assert_eq!(cleaned(&long).len(), TEXT_BYTES_MAX);
        let odd = format!("x{long}");
        assert_eq!(cleaned(&odd).len(), TEXT_BYTES_MAX - 1);
    }

    proptest! {
        #[test]
        fn any_text_is_cleaned_and_short(text in "[a-zA-Z0-9@+ ().,:/_<>äß-]{0,80}", times in 1_usize..40) {
            let long = text.repeat(times);
            prop_assert!(cleaned(&long).len() <= TEXT_BYTES_MAX);
            let _ = masked(&long);
        }

        #[test]
        fn a_mail_address_between_blanks_never_stays(before in "[a-z ]{0,9}", local in "[a-z][a-z.]{0,9}", host in "[a-z]{1,9}") {
            let address = format!("{local}@{host}.example");
            let text = format!("{before} {address} said");
            let expected = format!("{before} {ADDRESS} said");
            prop_assert_eq!(masked(&text), expected);
        }

        #[test]
        fn a_phone_number_never_stays_whatever_stands_around_it(
            before in "([a-z0-9.,:()% +-]{0,9}[ /=,;])?",
            number in "\\+?[1-9][0-9]{6,14}",
            after in "([ /=,;][a-z0-9.,:()% +-]{0,9})?",
        ) {
            let text = format!("{before}{number}{after}");
            let shown = masked(&text);
            prop_assert!(!shown.contains(number.trim_start_matches('+')), "{text:?} {shown:?}");
        }

        #[test]
        fn what_is_escaped_is_found_as_well(page in "[a-z]{1,9}", local in "[a-z]{1,9}", number in "[1-9][0-9]{6,14}") {
            let address = format!("{page}/{local}%40desk.example");
            prop_assert_eq!(masked(&address), format!("{page}/{ADDRESS}"));
            let dialled = format!("{page}/%2B{number}");
            prop_assert_eq!(masked(&dialled), format!("{page}/{NUMBER}"));
            let twice = format!("{page}%252F{local}%2540desk.example");
            prop_assert_eq!(masked(&twice), format!("{page}/{ADDRESS}"));
        }
    }
}
