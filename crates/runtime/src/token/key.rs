//! The public half of a signing key, as a JSON Web Key (RFC 7517).

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::Value;

/// Bytes of a coordinate on P-256.
const COORDINATE: usize = 32;
/// The first byte of a point that is not compressed (SEC 1 section 2.3.3).
const UNCOMPRESSED: u8 = 4;

/// A key that verifies tokens of an installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PublicJwk {
    /// Kind of the key.
    pub kty: &'static str,
    /// Its curve.
    pub crv: &'static str,
    /// First coordinate, base64url.
    pub x: String,
    /// Second coordinate, base64url.
    pub y: String,
    /// Its name: its thumbprint (RFC 7638), so that every process gives it the same.
    pub kid: String,
    /// The algorithm.
    pub alg: &'static str,
    /// What it is for.
    #[serde(rename = "use")]
    pub purpose: &'static str,
}

impl PublicJwk {
    /// The key of that point; `None` if it is no point of P-256 in full.
    pub(super) fn of(point: &[u8]) -> Option<Self> {
        let (first, coordinates) = point.split_first()?;
        if *first != UNCOMPRESSED || coordinates.len() != 2 * COORDINATE {
            return None;
        }
        let (x, y) = coordinates.split_at(COORDINATE);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        // RFC 7638 section 3: these members, in this order, without blanks.
        let named = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, named.as_bytes()));
        Some(Self { kty: "EC", crv: "P-256", x, y, kid, alg: "ES256", purpose: "sig" })
    }

    /// The key in JSON; `None` if it is no key on P-256. Its name is computed, not read.
    pub(crate) fn read(json: &Value) -> Option<Self> {
        let text = |name: &str| json.get(name)?.as_str();
        if (text("kty")?, text("crv")?) != ("EC", "P-256") {
            return None;
        }
        Self::of(&point(text("x")?, text("y")?)?)
    }

    /// Its point, not compressed.
    pub(super) fn point(&self) -> Option<Vec<u8>> {
        point(&self.x, &self.y)
    }
}

fn point(x: &str, y: &str) -> Option<Vec<u8>> {
    let (x, y) = (URL_SAFE_NO_PAD.decode(x).ok()?, URL_SAFE_NO_PAD.decode(y).ok()?);
    // A short x with a long y would give a point of the right length too.
    (x.len() == COORDINATE).then(|| [&[UNCOMPRESSED][..], &x, &y].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_the_key_and_of_no_other() {
        let key = |byte: u8| PublicJwk::of(&[&[UNCOMPRESSED][..], &[byte; 64]].concat()).unwrap();
        assert_eq!(key(1), key(1));
        assert_ne!(key(1).kid, key(2).kid);
        let json = serde_json::to_value(key(1)).unwrap();
        assert_eq!((json["use"].as_str(), json["kid"].as_str().map(str::len)), (Some("sig"), Some(43)));
        assert_eq!(PublicJwk::read(&json), Some(key(1)));
        for (name, other) in [("kty", "RSA"), ("crv", "P-384"), ("x", "AAAA"), ("y", "*")] {
            let mut changed = json.clone();
            changed[name] = other.into();
            assert_eq!(PublicJwk::read(&changed), None, "{name}");
        }
        assert_eq!(PublicJwk::of(&[UNCOMPRESSED; 64]), None);
        assert_eq!(PublicJwk::of(&[2; 65]), None);
    }
}
