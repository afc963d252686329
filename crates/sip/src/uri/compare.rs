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
mod tests;
