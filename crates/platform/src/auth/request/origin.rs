//! Whether a form was sent by a page of this host. Browsers say so (Fetch Metadata, RFC 6454 section 7), programs say nothing.

use axum::http::{HeaderMap, header};

/// Whether a page of another host has sent it, or one that a browser does not tell.
pub(in crate::auth) fn is_foreign(headers: &HeaderMap, issuer: &str) -> bool {
    let own = issuer.strip_suffix(runtime::issuer::PATH).unwrap_or(issuer);
    match (headers.get("sec-fetch-site"), headers.get(header::ORIGIN)) {
        // It counts more than names: people may know this host by another one than the issuer's.
        (Some(site), _) => site != "same-origin" && site != "none",
        (None, Some(origin)) => !origin.as_bytes().eq_ignore_ascii_case(own.as_bytes()),
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn is_foreign_with(said: &[(&'static str, &'static str)]) -> bool {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        is_foreign(&HeaderMap::from_iter(said.iter().map(pair)), "https://centre.example/auth/v3")
    }

    #[test]
    fn a_form_of_another_host_is_foreign() {
        for own in [
            &[("origin", "https://centre.example")][..],
            &[("origin", "https://Centre.Example"), ("sec-fetch-site", "same-origin")],
            &[("origin", "https://alias.example"), ("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
            &[],
        ] {
            assert!(!is_foreign_with(own), "{own:?}");
        }
        for foreign in [
            &[("origin", "https://evil.example")][..],
            &[("origin", "http://centre.example")],
            &[("origin", "https://centre.example.evil.example")],
            &[("origin", "null")],
            &[("origin", "https://centre.example"), ("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site")],
        ] {
            assert!(is_foreign_with(foreign), "{foreign:?}");
        }
    }
}
