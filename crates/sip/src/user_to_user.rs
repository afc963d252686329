//! User-to-User (RFC 7433): a few bytes that the caller's application gives to that of who is called. Nobody on the way reads them.

use crate::header::HeaderName;
use crate::list::find_outside_quotes;
use crate::message::Message;
use crate::params::unquote;
use crate::parse::{is_token, trim};

/// The header.
pub const USER_TO_USER: HeaderName = HeaderName::other("User-to-User");
/// The most bytes of data that a call carries, of all values together.
pub const USER_DATA_MAX: usize = 256;
/// The most values: each becomes a line of every INVITE that carries them.
const VALUES_MAX: usize = 8;
/// The most bytes of all values with their parameters: that data in hexadecimal, quoted, and what is said about it.
const TEXT_MAX: usize = 1_024;

/// The values of an INVITE that can be passed on, each as it came: at most eight with good data, as long as all data together are within
/// [`USER_DATA_MAX`]. What is too long is left out, not cut: half of it would say something else.
pub fn passed_on(message: &Message) -> Vec<String> {
    let (mut data, mut text) = (USER_DATA_MAX, TEXT_MAX);
    let mut values = Vec::new();
    // Many values that cannot be passed on cost no more than a few.
    for value in message.elements(&USER_TO_USER).take(4 * VALUES_MAX) {
        let room = || Some((data.checked_sub(data_length(value)?)?, text.checked_sub(value.len())?));
        if values.len() < VALUES_MAX
            && let Some(left) = room()
        {
            (data, text) = left;
            values.push(value.to_owned());
        }
    }
    values
}

/// How many bytes of data a value has (RFC 7433 §4.1), at least one; none if it has a form that there is not.
fn data_length(value: &str) -> Option<usize> {
    let end = find_outside_quotes(value, b';').unwrap_or(value.len());
    let (data, params) = value.split_at_checked(end)?;
    let data = trim(data);
    let encodings = params.split(';').filter_map(|param| param.split_once('='));
    let mut encodings = encodings.filter(|(name, _)| trim(name).eq_ignore_ascii_case("encoding"));
    let is_hex = encodings.next().is_some_and(|(_, encoding)| trim(encoding).eq_ignore_ascii_case("hex"));
    let is_quoted = data.len() > 1 && data.starts_with('"') && data.ends_with('"');
    if !is_quoted && !is_token(data) {
        return None;
    }
    let text = unquote(data);
    if text.is_empty() {
        return None;
    }
    if !is_hex {
        return Some(text.len());
    }
    (text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(text.len() / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(lines: &[&str]) -> Vec<String> {
        let headers: String = lines.iter().map(|line| format!("User-to-User: {line}\r\n")).collect();
        let text = format!(
            "INVITE sip:1@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKa\r\nFrom: <sip:2@a>;tag=a\r\nTo: <sip:1@b>\r\n\
             Call-ID: a\r\nCSeq: 1 INVITE\r\n{headers}Content-Length: 0\r\n\r\n"
        );
        passed_on(&Message::parse(text.into()).unwrap())
    }

    #[test]
    fn values_are_passed_on_as_they_came() {
        let hex = "56a390f3d2b7310023a2;encoding=hex;purpose=isdn-uui;content=isdn-uui";
        assert_eq!(passed(&[hex]), [hex]);
        assert_eq!(passed(&["\"a, b;c\";content=x , token"]), ["\"a, b;c\";content=x", "token"]);
        assert_eq!(passed(&["one;encoding=HEX", "00f;encoding=hex", "a b", "<x>", ""]), Vec::<String>::new());
    }

    #[test]
    fn data_beyond_the_most_are_left_out() {
        let hex = |bytes: usize| format!("{};encoding=hex", "ab".repeat(bytes));
        assert_eq!(passed(&[&hex(256)]), [hex(256)]);
        assert_eq!(passed(&[&hex(257)]), Vec::<String>::new());
        assert_eq!(passed(&[&hex(200), &hex(57), &hex(56)]), [hex(200), hex(56)]);
        assert_eq!(passed(&["x".repeat(257).as_str()]), Vec::<String>::new());
        // However many there are, and whatever they say of themselves, they do not fill the INVITEs that carry them.
        assert_eq!(passed(&[vec!["\"\""; 4_000].join(",").as_str()]), Vec::<String>::new());
        assert_eq!(passed(&[vec!["a"; 256].join(",").as_str()]).len(), VALUES_MAX);
        let talkative = format!("x;p={}", "y".repeat(600));
        assert_eq!(passed(&[&talkative, &talkative]), std::slice::from_ref(&talkative));
    }
}
