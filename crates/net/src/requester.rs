//! How a role names to another one for whom it asks, and what that one's token opened: in headers, or in metadata, which have ASCII alone.
//! People have names in any script.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// The header, or the metadata, with the name.
pub const REQUESTER: &str = "trunkline-requester";
/// The longest name, in bytes and not encoded: `person/` with 255 letters, of four bytes each at most.
pub const REQUESTER_BYTES_MAX: usize = 1_100;
/// What is written as `%` and two digits; so is everything that is not ASCII.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// The header, or the metadata, with what the token opened by which the requester came.
pub const REQUESTER_GRANT: &str = "trunkline-requester-grant";
/// The longest grant, in bytes as it is written.
pub const GRANT_BYTES_MAX: usize = 4_096;
/// The same within a grant, whose parts have semicolons between them.
const ENCODED_PART: &AsciiSet = &ENCODED.add(b';').add(b'=');

/// What the token opened by which a requester came, and where it is from. Written as `scope=...;client=...;session=...`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequesterGrant {
    /// Its scopes.
    pub scopes: Vec<String>,
    /// The client to which it was issued.
    pub client: Option<String>,
    /// The sign-in that it came from (`sid`).
    pub session: Option<String>,
}

impl RequesterGrant {
    /// As it is written; none if it is too long, or has control characters.
    pub fn encoded(&self) -> Option<String> {
        let scopes = Some(self.scopes.join(" "));
        let parts = [("scope", &scopes), ("client", &self.client), ("session", &self.session)];
        let given = parts.into_iter().filter_map(|(name, part)| Some((name, part.as_ref()?)));
        let mut written = Vec::new();
        for (name, part) in given {
            if part.chars().any(char::is_control) {
                return None;
            }
            written.push(format!("{name}={}", utf8_percent_encode(part, ENCODED_PART)));
        }
        Some(written.join(";")).filter(|written| written.len() <= GRANT_BYTES_MAX)
    }

    /// The grant that was written; none if none may be written so.
    pub fn read(written: &str) -> Option<Self> {
        if written.len() > GRANT_BYTES_MAX {
            return None;
        }
        let (mut grant, mut has_scopes) = (Self::default(), false);
        for part in written.split(';') {
            let (name, value) = part.split_once('=')?;
            let value = percent_decode_str(value).decode_utf8().ok()?;
            if value.chars().any(char::is_control) {
                return None;
            }
            match name {
                "scope" => {
                    grant.scopes = value.split_whitespace().map(str::to_owned).collect();
                    has_scopes = true;
                }
                "client" => grant.client = Some(value.into_owned()),
                "session" => grant.session = Some(value.into_owned()),
                _ => return None,
            }
        }
        has_scopes.then_some(grant)
    }

    /// Whether a scope is among those that it opened.
    pub fn opens(&self, scope: &str) -> bool {
        self.scopes.iter().any(|own| own == scope)
    }
}

/// The name as it is written; none if no requester may have it.
pub fn encoded(name: &str) -> Option<String> {
    is_name(name).then(|| utf8_percent_encode(name, ENCODED).to_string())
}

/// The name that was written; none if no requester may have it.
pub fn read(written: &str) -> Option<String> {
    let name = percent_decode_str(written).decode_utf8().ok()?;
    is_name(&name).then(|| name.into_owned())
}

fn is_name(name: &str) -> bool {
    (1..=REQUESTER_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
}

/// What a refusal says.
pub fn rule() -> String {
    format!("it must be text of 1 to {REQUESTER_BYTES_MAX} bytes without control characters")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_in_plain_ascii_stays_as_it_is() {
        assert_eq!(encoded("person/ann.archer+x").as_deref(), Some("person/ann.archer+x"));
        assert_eq!(encoded("person/\u{e4}nn %").as_deref(), Some("person/%C3%A4nn%20%25"));
        assert_eq!(read("gws-voice/gws-voice-1").as_deref(), Some("gws-voice/gws-voice-1"));
    }

    #[test]
    fn what_is_no_name_is_neither_written_nor_read() {
        for wrong in ["", "person/a\nb", &"a".repeat(REQUESTER_BYTES_MAX + 1)] {
            assert_eq!((encoded(wrong), read(wrong)), (None, None));
        }
        for wrong in ["person/a%0Ab", "person/%FF"] {
            assert_eq!(read(wrong), None);
        }
        let longest = format!("person/{}", "\u{1d538}".repeat(255));
        assert_eq!(encoded(&longest).and_then(|written| read(&written)), Some(longest));
    }

    #[test]
    fn what_is_no_grant_is_neither_written_nor_read() {
        for wrong in ["", "client=crm", "scope=a;tenant=b", "scope", "scope=%FF", "scope=a%0Ab"] {
            assert_eq!(RequesterGrant::read(wrong), None, "{wrong}");
        }
        let long = RequesterGrant { client: Some("a".repeat(GRANT_BYTES_MAX)), ..RequesterGrant::default() };
        assert_eq!(long.encoded(), None);
        assert_eq!(RequesterGrant::read("scope="), Some(RequesterGrant::default()));
    }

    proptest! {
        #[test]
        fn every_grant_comes_through_a_header(
            scopes in prop::collection::vec("[a-z]{1,9}:[a-z]{1,9}", 0..9),
            client in prop::option::of("\\PC{1,99}"),
            session in prop::option::of("\\PC{1,99}"),
        ) {
            let grant = RequesterGrant { scopes, client, session };
            let header = HeaderValue::try_from(grant.encoded().unwrap()).unwrap();
            prop_assert_eq!(RequesterGrant::read(header.to_str().unwrap()), Some(grant));
        }

        #[test]
        fn every_name_comes_through_a_header(name in "\\PC{1,255}") {
            let header = HeaderValue::try_from(encoded(&name).unwrap()).unwrap();
            prop_assert_eq!(read(header.to_str().unwrap()), Some(name));
        }
    }
}
