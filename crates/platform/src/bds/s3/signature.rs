//! What a request shows of who sends it: Signature Version 4 of Amazon Web Services, in the header `Authorization`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use runtime::Secret;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The header with the sum of a request's body.
pub(super) const PAYLOAD_SUM: &str = "x-amz-content-sha256";

/// The key of an account, for requests to one region.
pub(in crate::bds) struct AccessKey {
    pub id: String,
    pub secret: Secret,
    pub region: String,
}

/// Checks the id of a key, which stands in a header.
pub(in crate::bds) fn check_key_id(id: &str) -> Result<(), String> {
    let is_right = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b',');
    if id.bytes().all(is_right) {
        Ok(())
    } else {
        Err("it must have no spaces, /, comma and control characters".to_owned())
    }
}

impl AccessKey {
    /// The value of `Authorization` for a request without a query, at `at` (as `20130524T000000Z`). `headers` are those that are signed, by
    /// their names in lower case; [`PAYLOAD_SUM`] is one of them.
    pub fn authorization(
        &self,
        method: &str,
        path: &str,
        headers: &BTreeMap<&'static str, String>,
        at: &str,
    ) -> String {
        let names = headers.keys().copied().collect::<Vec<_>>().join(";");
        let mut canonical = format!("{method}\n{path}\n\n");
        for (name, value) in headers {
            let _ = writeln!(canonical, "{name}:{value}");
        }
        let payload = headers.get(PAYLOAD_SUM).map_or("", String::as_str);
        let _ = write!(canonical, "\n{names}\n{payload}");

        let day = at.get(..8).unwrap_or_default();
        let of = [day, &self.region, "s3", "aws4_request"];
        let scope = of.join("/");
        let signed = format!("{ALGORITHM}\n{at}\n{scope}\n{}", sum(canonical.as_bytes()));
        let first = format!("AWS4{}", self.secret.expose()).into_bytes();
        let key = of.into_iter().fold(first, |key, part| mac(&key, part.as_bytes()));
        let signature = hex(&mac(&key, signed.as_bytes()));
        format!("{ALGORITHM} Credential={}/{scope}, SignedHeaders={names}, Signature={signature}", self.id)
    }
}

/// The SHA-256 of some bytes, in hexadecimal.
pub(super) fn sum(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// A sum in hexadecimal, in base64.
pub(super) fn in_base64(sum: &str) -> String {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    STANDARD.encode(sum.as_bytes().chunks(2).filter_map(byte).collect::<Vec<u8>>())
}

fn mac(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), bytes).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "20130524T000000Z";

    fn key() -> AccessKey {
        AccessKey {
            id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            region: "us-east-1".to_owned(),
        }
    }

    fn signed<const N: usize>(
        method: &str,
        path: &str,
        body: &[u8],
        more: [(&'static str, &str); N],
    ) -> (String, String) {
        let mut headers = BTreeMap::from(more.map(|(name, value)| (name, value.to_owned())));
        headers.insert("host", "examplebucket.s3.amazonaws.com".to_owned());
        headers.insert("x-amz-date", AT.to_owned());
        headers.insert(PAYLOAD_SUM, sum(body));
        let authorization = key().authorization(method, path, &headers, AT);
        let (shown, signature) = authorization.rsplit_once("Signature=").unwrap();
        (shown.to_owned(), signature.to_owned())
    }

    /// The examples of Amazon's page "Signature Calculations for the Authorization Header" (S3 API reference, version 2006-03-01).
    #[test]
    fn signatures_are_those_of_the_published_examples() {
        let (shown, signature) = signed("GET", "/test.txt", b"", [("range", "bytes=0-9")]);
        assert_eq!(
            shown,
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
        );
        assert_eq!(signature, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
        let more = [("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")];
        let (_, signature) = signed("PUT", "/test%24file.text", b"Welcome to Amazon S3.", more);
        assert_eq!(signature, "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
    }

    #[test]
    fn what_is_signed_is_the_whole_request_and_the_secret_does_not_show() {
        let (shown, signature) = signed("PUT", "/a", b"x", []);
        for other in [
            signed("GET", "/a", b"x", []),
            signed("PUT", "/b", b"x", []),
            signed("PUT", "/a", b"y", []),
            signed("PUT", "/a", b"x", [("if-none-match", "*")]),
        ] {
            assert_ne!(other.1, signature);
        }
        assert!(!shown.contains("wJalrXUtnFEMI"));
        assert!(check_key_id("").is_ok() && check_key_id("AKIAIOSFODNN7EXAMPLE").is_ok());
        assert!(check_key_id("a b").is_err() && check_key_id("a\n").is_err() && check_key_id("a/b").is_err());
    }
}
