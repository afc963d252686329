//! Cookies: how one of a request is found, and how one is set.

use http::{HeaderMap, HeaderValue, header};

/// The cookies of a request, each with its name and its value. One that is not ASCII is none (RFC 6265 section 4.1.1), and hides no other:
/// other programs of the same host set theirs as they like, and a browser sends all in one line.
pub fn all(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    let pairs = lines.flat_map(|line| line.split(|byte| *byte == b';')).filter(|pair| pair.is_ascii());
    pairs.filter_map(|pair| std::str::from_utf8(pair).ok()?.trim().split_once('='))
}

/// The value of a cookie in a request; none if it is empty or has more than that many bytes.
pub fn find<'a>(headers: &'a HeaderMap, name: &str, bytes_max: usize) -> Option<&'a str> {
    let value = all(headers).find(|(other, _)| *other == name).map(|(_, value)| value)?;
    (!value.is_empty() && value.len() <= bytes_max).then_some(value)
}

/// The header that sets a cookie for this host alone, which no script reads; `life` is `; Max-Age=…`, or empty for as long as the browser
/// runs.
pub fn set_cookie(name: &str, value: &str, life: &str, is_secure: bool) -> Option<HeaderValue> {
    let secure = if is_secure { "; Secure" } else { "" };
    HeaderValue::from_str(&format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{life}{secure}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name_and_no_longer_than_expected() {
        let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static("xa=1; a=23; b="))]);
        assert_eq!((find(&headers, "a", 2), find(&headers, "a", 1), find(&headers, "b", 9)), (Some("23"), None, None));
    }

    #[test]
    fn a_cookie_that_another_program_has_set_hides_none_of_ours() {
        for line in [&b"theme=gr\xc3\xbcn; a=1"[..], b"theme=gr\xfcn;a=1", b"\xff=x; =; a=1; b=\xe4"] {
            let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_bytes(line).unwrap())]);
            assert_eq!((find(&headers, "a", 9), find(&headers, "b", 9)), (Some("1"), None), "{line:?}");
        }
    }
}
