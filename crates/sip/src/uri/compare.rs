//! Comparison of URIs (RFC 3261 §19.1.4; tel: RFC 3966 §4).

use super::{Scheme, Uri};
use crate::params::{Param, Params};

/// Parameters that make two URIs different if only one of them has it.
const NEVER_IGNORED: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

/// The most parameters or headers of a URI that are compared pairwise. Larger URIs, which no phone writes, are compared as
/// text, so that no peer can make a comparison slow.
const PARTS_MAX: usize = 32;

pub(super) fn equivalent(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    if a.as_str() == b.as_str() {
        return true;
    }
    if has_many_parts(a) || has_many_parts(b) {
        return false;
    }
    match (a.scheme(), b.scheme()) {
        (Scheme::Sip, Scheme::Sip) | (Scheme::Sips, Scheme::Sips) => sip(a, b),
        (Scheme::Tel, Scheme::Tel) => tel(a, b),
        (Scheme::Other(x), Scheme::Other(y)) => x.eq_ignore_ascii_case(y) && a.opaque() == b.opaque(),
        _ => false,
    }
}

fn has_many_parts(uri: &Uri<'_>) -> bool {
    let headers = uri.headers().bytes().filter(|b| *b == b'&').count();
    uri.params().iter().count() > PARTS_MAX || headers >= PARTS_MAX
}

fn sip(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    same_text(a.user(), b.user())
        && same_text(a.password(), b.password())
        && a.host() == b.host()
        && a.port() == b.port()
        && params_match(a.params(), b.params())
        && params_match(b.params(), a.params())
        && headers_match(a.headers(), b.headers())
        && headers_match(b.headers(), a.headers())
}

fn tel(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    let digits = |uri: &Uri<'_>| -> String {
        let number = uri.user().unwrap_or_default();
        number.chars().filter(|c| !"-.()".contains(*c)).map(|c| c.to_ascii_lowercase()).collect()
    };
    let same = |p: &Param<'_>, q: &Param<'_>| {
        p.name.eq_ignore_ascii_case(q.name)
            && p.value.unwrap_or_default().eq_ignore_ascii_case(q.value.unwrap_or_default())
    };
    let covered = |x: Params<'_>, y: Params<'_>| x.iter().all(|p| y.iter().any(|q| same(&p, &q)));
    digits(a) == digits(b) && covered(a.params(), b.params()) && covered(b.params(), a.params())
}

fn params_match(a: Params<'_>, b: Params<'_>) -> bool {
    a.iter().all(|p| {
        let mut theirs = b.iter().filter(|q| q.name.eq_ignore_ascii_case(p.name)).peekable();
        if theirs.peek().is_none() {
            return !NEVER_IGNORED.iter().any(|name| p.name.eq_ignore_ascii_case(name));
        }
        theirs.any(|q| same_without_case(p.value.unwrap_or_default(), q.value.unwrap_or_default()))
    })
}

/// Whether `b` has every header of `a`.
fn headers_match(a: &str, b: &str) -> bool {
    let split = |text: &'_ str| -> Vec<(String, String)> {
        let pairs =
            text.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.map(|(name, value)| (canonical(name).to_ascii_lowercase(), canonical(value))).collect()
    };
    let theirs = split(b);
    split(a).iter().all(|pair| theirs.contains(pair))
}

fn same_text(a: Option<&str>, b: Option<&str>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b || canonical(a) == canonical(b),
        (None, None) => true,
        _ => false,
    }
}

fn same_without_case(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || canonical(a).eq_ignore_ascii_case(&canonical(b))
}

/// Resolves the escapes of characters that mean the same escaped or not: all except the reserved ones.
fn canonical(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let code = escape.get(1..3).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        rest = match code {
            Some(byte) if byte.is_ascii_graphic() && !b";/?:@&=+$,%".contains(&byte) => {
                out.push(char::from(byte));
                &escape[3..]
            }
            Some(_) => {
                out.push_str(&escape[..3].to_ascii_uppercase());
                &escape[3..]
            }
            None => {
                out.push('%');
                &escape[1..]
            }
        };
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        let (x, y) = (Uri::parse(a).unwrap(), Uri::parse(b).unwrap());
        assert_eq!(x.equivalent(&y), y.equivalent(&x));
        x.equivalent(&y)
    }

    #[test]
    fn uris_that_rfc_3261_calls_equivalent_are() {
        for (a, b) in [
            ("sip:%61lice@atlanta.example;transport=TCP", "sip:alice@AtLanTa.example;Transport=tcp"),
            ("sip:carol@chicago.example", "sip:carol@chicago.example;newparam=5"),
            ("sip:carol@chicago.example;newparam=5", "sip:carol@chicago.example;security=on"),
            (
                "sip:biloxi.example;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.example",
                "sip:biloxi.example;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.example",
            ),
            (
                "sip:a@b.example?subject=project%20x&priority=urgent",
                "sip:a@b.example?priority=urgent&subject=project%20x",
            ),
            ("sip:[2001:DB8::1]", "sip:[2001:db8:0::1]"),
            ("tel:+1-201-555-0123", "tel:+1(201)5550123"),
            ("URN:service:sos", "urn:service:sos"),
        ] {
            assert!(same(a, b), "{a} {b}");
        }
    }

    #[test]
    fn repeated_parameters_still_equal_themselves() {
        for uri in ["tel:+10123;phone-context=a;phone-context=b", "sip:a;fr;fr=a"] {
            assert!(same(uri, uri), "{uri}");
        }
    }

    #[test]
    fn what_has_more_parts_than_a_phone_writes_is_compared_as_text() {
        for (part, between, first) in [("a=%41", ";", ";"), ("a=%41", "&", "?"), ("b=c", ";", ";")] {
            let uri = |host: &str, parts: usize| format!("sip:a@{host}{first}{}", vec![part; parts].join(between));
            assert!(same(&uri("b.example", PARTS_MAX), &uri("B.example", PARTS_MAX)));
            assert!(!same(&uri("b.example", PARTS_MAX + 1), &uri("B.example", PARTS_MAX + 1)));
            assert!(same(&uri("b.example", 200), &uri("b.example", 200)));
        }
    }

    #[test]
    fn uris_that_rfc_3261_calls_different_are() {
        for (a, b) in [
            ("SIP:ALICE@AtLanTa.example;Transport=udp", "sip:alice@AtLanTa.example;Transport=UDP"),
            ("sip:bob@biloxi.example", "sip:bob@biloxi.example:5060"),
            ("sip:bob@biloxi.example", "sip:bob@biloxi.example;transport=udp"),
            ("sip:bob@biloxi.example", "sip:bob@biloxi.example:6000;transport=tcp"),
            ("sip:carol@chicago.example", "sip:carol@chicago.example?Subject=next%20meeting"),
            ("sip:bob@phone21.example", "sip:bob@192.0.2.4"),
            ("sip:bob@biloxi.example", "sips:bob@biloxi.example"),
            ("sip:a%3bb@example.com", "sip:a;b@example.com"),
        ] {
            assert!(!same(a, b), "{a} {b}");
        }
    }
}
