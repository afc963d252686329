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
pub(crate) const DIGITS_MIN: usize = 7;
/// The digits of a fraction of a second at most: nanoseconds.
const FRACTION_DIGITS_MAX: usize = 9;
/// The shortest token; fewer bytes of one that was cut are of its header, which says nothing of anybody.
const TOKEN_BYTES_MIN: usize = 16;
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

/// A text without personal data and not longer than the bound. It is cut last: the begin of what is cut may look like nothing.
pub fn cleaned(text: &str) -> Cow<'_, str> {
    match masked(text) {
        Cow::Owned(masked) => Cow::Owned(truncated(&masked).to_owned()),
        Cow::Borrowed(same) => Cow::Borrowed(truncated(same)),
    }
}

/// A version of an application without personal data, not longer than the bound: one of letters, digits and what stands between them in
/// versions stays, although 1.0.0.7 may be an address and 20261130 a number.
pub fn cleaned_version(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-+_".contains(&b)) {
        return Cow::Borrowed(truncated(text));
    }
    cleaned(text)
}

fn truncated(text: &str) -> &str {
    if text.len() <= TEXT_BYTES_MAX {
        return text;
    }
    text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default()
}

/// A text without personal data, of any length. What is escaped as in an address (`%2B` for `+`, RFC 3986 section 2.1), or written with
/// blanks and dashes beyond ASCII, is found too; then the text is shown without escapes and with plain ones.
///
/// What begins a word and may turn out to be nothing is looked at no further than it could match, and what is replaced is not looked at
/// again: each byte of a text is looked at a few times at most.
pub fn masked(text: &str) -> Cow<'_, str> {
    if let Cow::Owned(read) = as_read(text)
        && let Cow::Owned(found) = masked_as_written(&read)
    {
        return Cow::Owned(found);
    }
    masked_as_written(text)
}

/// A text as somebody reads it: without escapes, and with plain blanks and dashes.
fn as_read(text: &str) -> Cow<'_, str> {
    let mut read = Cow::Borrowed(text);
    if text.contains('%') {
        for _ in 0..ESCAPED_MAX {
            read = Cow::Owned(percent_decode_str(&read).decode_utf8_lossy().into_owned());
        }
    }
    if read.chars().any(|c| plain(c) != c) {
        read = Cow::Owned(read.chars().map(plain).collect());
    }
    read
}

/// The ASCII character for a blank, a dash or a mark of direction, with which addresses of people are copied.
fn plain(c: char) -> char {
    match c {
        '\u{ad}' | '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => ' ',
        _ if !c.is_ascii() && c.is_whitespace() => ' ',
        _ => c,
    }
}

fn masked_as_written(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    if !bytes.iter().any(|b| b.is_ascii_digit() || *b == b'@') && !text.contains("eyJ") {
        return Cow::Borrowed(text);
    }
    let mut masked = String::new();
    let (mut kept, mut at, mut local_end) = (0, 0, 0);
    while at < bytes.len() {
        let starts_word = at == 0 || !is_word(byte(bytes, at - 1));
        let found = starts_word.then(|| found_at(bytes, at, &mut local_end)).flatten();
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
fn found_at(bytes: &[u8], at: usize, local_end: &mut usize) -> Option<(usize, &'static str)> {
    address(bytes, at, local_end)
        .map(|length| (length, ADDRESS))
        .or_else(|| token(bytes, at).map(|length| (length, TOKEN)))
        .or_else(|| ip_address(bytes, at).map(|length| (length, ADDRESS)))
        .or_else(|| ipv6_address(bytes, at).map(|length| (length, ADDRESS)))
        .or_else(|| moment(bytes, at).map(|length| (length, "")))
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
    let length = bytes.iter().skip(from).take(bytes_max).take_while(|b| belongs(**b)).count();
    #[cfg(test)]
    tests::LOOKED_AT.with(|looked_at| looked_at.set(looked_at.get() + length + 1));
    length
}

/// A JSON Web Token: parts of base64url, of which the first is an object, however it was cut. A word that only begins so stays.
fn token(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at..at + 3)? != b"eyJ" {
        return None;
    }
    let length = run(bytes, at, usize::MAX, |b| b.is_ascii_alphanumeric() || b"-_.=".contains(&b));
    let has_parts = || bytes.iter().skip(at).take(length).filter(|b| **b == b'.').count() >= 2;
    (length >= TOKEN_BYTES_MIN || has_parts()).then_some(length)
}

/// An address with `@`, of mail or SIP. `local_end` is where the last run of what may stand before `@` ends, wherever in it is begun.
fn address(bytes: &[u8], at: usize, local_end: &mut usize) -> Option<usize> {
    if at >= *local_end {
        *local_end = at + run(bytes, at, usize::MAX, |b| is_word(b) || b"+-.%~*#'!".contains(&b));
    }
    let (local, host_at) = (*local_end - at, *local_end + 1);
    // Dots alone are no host: behind two of them none is looked for.
    let is_host = bytes.iter().skip(host_at).take(2).find(|b| **b != b'.').is_some_and(|b| is_word(*b) || *b == b'-');
    if !(1..=LOCAL_BYTES_MAX).contains(&local) || byte(bytes, *local_end) != b'@' || !is_host {
        return None;
    }
    let host = run(bytes, host_at, usize::MAX, |b| is_word(b) || b"-.".contains(&b));
    // A full stop behind it ends a sentence.
    let trailing = bytes.get(host_at..host_at + host)?.iter().rev().take_while(|b| **b == b'.').count();
    Some(local + 1 + host - trailing)
}

/// An IPv4 address.
fn ip_address(bytes: &[u8], at: usize) -> Option<usize> {
    if !byte(bytes, at).is_ascii_digit() {
        return None;
    }
    let length = run(bytes, at, IPV4_BYTES_MAX + 1, |b| b.is_ascii_digit() || b == b'.');
    let text = std::str::from_utf8(bytes.get(at..at + length)?).ok()?.trim_end_matches('.');
    let (next, then) = (byte(bytes, at + text.len()), byte(bytes, at + text.len() + 1));
    let is_whole = !(is_word(next) || next == b'.' && then.is_ascii_digit());
    // What browsers show as their version (120.0.0.0) is no address of a machine.
    let is_version = text.split('.').skip(1).all(|part| part == "0");
    (is_whole && !is_version && text.parse::<std::net::Ipv4Addr>().is_ok()).then_some(text.len())
}

/// An IPv6 address; two words with `::` between them, as in the names of programs, are none without a digit.
fn ipv6_address(bytes: &[u8], at: usize) -> Option<usize> {
    if !byte(bytes, at).is_ascii_hexdigit() && bytes.get(at..at + 2)? != b"::" {
        return None;
    }
    let length = run(bytes, at, IPV6_BYTES_MAX + 1, |b| b.is_ascii_hexdigit() || b":.".contains(&b));
    let text = std::str::from_utf8(bytes.get(at..at + length)?).ok()?.trim_end_matches('.');
    // A colon behind it may end it.
    let text = [text, text.strip_suffix(':').unwrap_or_default()]
        .into_iter()
        .find(|text| text.parse::<std::net::Ipv6Addr>().is_ok())?;
    let is_whole = !is_word(byte(bytes, at + text.len()));
    (is_whole && text.bytes().any(|b| b.is_ascii_digit())).then_some(text.len())
}

/// A date as 2026-11-30, a time as 12:34:56.789+01:00, or both with a T between them.
fn moment(bytes: &[u8], at: usize) -> Option<usize> {
    let Some(date) = shaped(bytes, at, b"0000-00-00") else { return time(bytes, at) };
    let then = (byte(bytes, at + date) == b'T').then(|| time(bytes, at + date + 1)).flatten();
    Some(date + then.map_or(0, |time| 1 + time))
}

fn time(bytes: &[u8], at: usize) -> Option<usize> {
    let mut length = shaped(bytes, at, b"00:00:00")?;
    let fraction = run(bytes, at + length + 1, FRACTION_DIGITS_MAX + 1, |b| b.is_ascii_digit());
    if byte(bytes, at + length) == b'.' && (1..=FRACTION_DIGITS_MAX).contains(&fraction) {
        length += 1 + fraction;
    }
    if b"+-".contains(&byte(bytes, at + length)) {
        let shapes: [&[u8]; 3] = [b"00:00", b"0000", b"00"];
        let offset = shapes.into_iter().find_map(|shape| shaped(bytes, at + length + 1, shape));
        length += offset.map_or(0, |offset| 1 + offset);
    }
    Some(length)
}

/// The length of a shape in which 0 is any digit, unless a digit follows.
fn shaped(bytes: &[u8], at: usize, shape: &[u8]) -> Option<usize> {
    let text = bytes.get(at..at + shape.len())?;
    let fits = text.iter().zip(shape).all(|(b, of)| if *of == b'0' { b.is_ascii_digit() } else { b == of });
    (fits && !byte(bytes, at + shape.len()).is_ascii_digit()).then_some(shape.len())
}

/// A number of at least [`DIGITS_MIN`] digits, also with `+` before it and separators within; forms write a blank as `+`. A version stays.
fn number(bytes: &[u8], at: usize) -> Option<(usize, &'static str)> {
    let has_plus = byte(bytes, at) == b'+';
    if !has_plus && is_version(bytes, at) {
        // What comes behind the version is looked at by itself.
        return Some((run(bytes, at, usize::MAX, |b| b.is_ascii_digit() || b == b'.'), ""));
    }
    let begin = at + usize::from(has_plus);
    let mut end = begin + usize::from(byte(bytes, begin) == b'(');
    // The digits up to the end of a group that no letter follows, and where that is.
    let (mut digits, mut whole) = (0, (0, at));
    loop {
        let b = byte(bytes, end);
        let is_digit = b.is_ascii_digit();
        let is_separator = digits > 0 && b" -./()+".contains(&b) && is_followed(bytes, end + 1);
        if !is_digit && (!is_separator || b != b'.' && is_version(bytes, end + 1)) {
            break;
        }
        end += 1;
        digits += usize::from(is_digit);
        if is_digit && !is_word(byte(bytes, end)) {
            whole = (digits, end);
        }
    }
    let (digits, end) = whole;
    (digits >= DIGITS_MIN).then_some((end - at, NUMBER))
}

/// Whether a version or a fraction begins there: numbers with dots between them, one of a single digit.
fn is_version(bytes: &[u8], at: usize) -> bool {
    if !byte(bytes, at).is_ascii_digit() {
        return false;
    }
    let length = run(bytes, at, VERSION_BYTES_MAX, |b| b.is_ascii_digit() || b == b'.');
    let text = bytes.get(at..at + length).unwrap_or_default();
    let groups = || text.split(|b| *b == b'.').filter(|group| !group.is_empty());
    groups().count() > 1 && groups().any(|group| group.len() == 1)
}

/// Whether a digit comes after a separator, perhaps behind a second one.
fn is_followed(bytes: &[u8], at: usize) -> bool {
    let next = byte(bytes, at);
    next.is_ascii_digit() || b" ()+".contains(&next) && byte(bytes, at + 1).is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    thread_local! {
        /// How many bytes runs have looked at.
        pub(super) static LOOKED_AT: Cell<usize> = const { Cell::new(0) };
    }

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
            ("from 10.0.0.5", "from <address>"),
            ("http://127.0.0.1:8080/", "http://<address>:8080/"),
            ("ann@.desk.example", "<address>"),
            ("?to=%2B1+415+555+2671&x", "?to=<number>&x"),
            ("?to=%2B49+(30)+123456", "?to=<number>"),
            ("?to=030+12+34+567", "?to=<number>"),
            ("+49\u{a0}30\u{a0}123456", "<number>"),
            ("\u{202a}4930123456\u{202c} rang\u{202f}x", " <number>  rang x"),
            ("415\u{2011}555\u{2013}2671", "<number>"),
            ("12:34:56+4930123456", "12:34:56+<number>"),
            ("12:34:56.4930123456", "12:34:56.<number>"),
            ("2026-11-30T12:34:56 4930123456", "2026-11-30T12:34:56 <number>"),
            ("eyJ.4930123456", "eyJ.<number>"),
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
            "2026-11-30T12:34:56.789+01:00 or 12:34:56.789012 or 12:34:56.789-0500",
            "Chrome 120.0.6099.109",
            "Chrome/120.0.0.0",
            "Version 10.15.7",
            "7101 rang for 15000 ms",
            "performance_worker_major",
            "s_1234567",
            "eyJ is no token",
            "Ann\u{a0}\u{2013} 7101",
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
    fn a_version_stays_and_what_is_none_is_cleaned() {
        for version in ["1.0.0.7", "10.4.17.203-rc.1+build_7", "20261130.1", "20261130", "9", ""] {
            assert_eq!(cleaned_version(version), version);
        }
        for (text, expected) in [
            ("9.0 of ann@desk.example", "9.0 of <address>"),
            ("9.0 at 192.168.17.4", "9.0 at <address>"),
            ("9.0/+4930123456", "9.0/<number>"),
            ("ann%40desk.example", ADDRESS),
        ] {
            assert_eq!(cleaned_version(text), expected);
        }
        assert_eq!(cleaned_version(&"1".repeat(2 * TEXT_BYTES_MAX)).len(), TEXT_BYTES_MAX);
    }

    #[test]
    fn what_is_longer_than_can_match_is_not_looked_at() {
        // As many words as there may be, none of which ends: to look at each of them to its end would take the square of the text's length.
        for word in ["a.", "1.", "a+", "1-a.", "eyJ "] {
            let text = format!("7 {}", word.repeat(1 << 20));
            assert_eq!(masked(&text).len(), text.len(), "{word}");
        }
        // Many words may begin what stands before `@`, and the same host is behind it for each.
        let host_of_dots = format!("{}@{}", "-".repeat(LOCAL_BYTES_MAX), ".".repeat(1 << 12));
        for word in ["-", host_of_dots.as_str()] {
            let text = format!("7 {}", word.repeat((1 << 16) / word.len()));
            LOOKED_AT.set(0);
            assert_eq!(masked(&text), text);
            assert!(LOOKED_AT.get() < 10 * text.len(), "{} for {}", LOOKED_AT.get(), text.len());
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
    fn what_is_long_or_cut_is_replaced_whole() {
        let claims = "eyJzdWIiOiJhbm4ifQ".repeat(1_000);
        let whole = format!("eyJhbGciOiJFUzI1NiJ9.{claims}.c2ln");
        for length in [TOKEN_BYTES_MIN, 20, 21, 300, 5_000, whole.len()] {
            assert_eq!(masked(&whole[..length]), TOKEN, "{length}");
        }
        assert_eq!(cleaned(&format!("Bearer {whole}")), "Bearer <token>");
        assert_eq!(masked(&format!("ann@{}", "desk.".repeat(2_000))), "<address>.");
        assert_eq!(masked(&"4930123456 ".repeat(10)), "<number> ");
        // Personal data that the bound would cut, so that it looked like nothing.
        let before = "x ".repeat(TEXT_BYTES_MAX / 2 - 3);
        assert_eq!(cleaned(&format!("{before}4930123456")), format!("{before}<numbe"));
        assert_eq!(cleaned(&format!("{before}ann.smith@desk.example")), format!("{before}<addre"));
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
        fn no_claim_of_a_token_stays_wherever_it_was_cut(payload in "[A-Za-z0-9_-]{20,200}", cut in 0_usize..200) {
            let token = format!("eyJhbGciOiJFUzI1NiJ9.eyJ{payload}.c2ln");
            let text = format!("said {}", &token[..token.len().min(TOKEN_BYTES_MIN + cut)]);
            prop_assert_eq!(masked(&text), "said <token>");
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
