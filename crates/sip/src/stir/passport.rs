//! The PASSporT with the extension `shaken` (RFC 8225, RFC 8588): who calls whom, when, and how sure the signer is.

use std::fmt;
use std::marker::PhantomData;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::value::MapAccessDeserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::{Attestation, StirRefusal};

/// The longest `origid` that is read, in bytes; ours are UUIDs.
pub const ORIGID_MAX: usize = 64;
/// The most numbers that a PASSporT names as called.
const DESTINATIONS_MAX: usize = 16;
/// The extension that we sign and verify.
pub(super) const SHAKEN: &str = "shaken";

/// What a PASSporT claims.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Passport {
    /// How sure the signer is.
    pub attest: Attestation,
    /// The number that calls, in canonical form.
    pub orig: String,
    /// The numbers that are called, in canonical form.
    pub dest: Vec<String>,
    /// When it was signed, in seconds since 1970.
    pub iat: u64,
    /// Names whose call it is to the signer, who alone knows what it stands for (RFC 8588 §5).
    pub origid: String,
}

impl Passport {
    /// What is signed: header and claims in their canonical form (RFC 8225 §9: names in order, no blanks), each in base64url.
    pub fn signing_input(&self, certificate_url: &str) -> String {
        let header = header(certificate_url);
        format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(self.claims()))
    }

    /// The claims in their canonical form.
    fn claims(&self) -> String {
        let Self { attest, orig, dest, iat, origid } = self;
        json!({"attest": attest.as_str(), "dest": {"tn": dest}, "iat": iat, "orig": {"tn": orig}, "origid": origid})
            .to_string()
    }

    /// Reads the claims. Further ones are none of ours.
    ///
    /// # Errors
    /// When one that `shaken` needs is missing or is not what it should be (438).
    pub(super) fn read(claims: &str) -> Result<Self, StirRefusal> {
        const NO_ORIG: StirRefusal = StirRefusal::Invalid("the claim orig has no number");
        const NO_DEST: StirRefusal = StirRefusal::Invalid("the claim dest has no numbers");
        let claims: Claims =
            parse(claims, "the claims are not JSON", "a claim is not of the shape of RFC 8225, or stands twice")?;
        let attest = claims.attest.as_str().and_then(Attestation::parse);
        let origid =
            claims.origid.as_str().filter(|origid| origid.len() <= ORIGID_MAX && !origid.contains(char::is_control));
        let orig = claims.orig.0.tn.as_str().ok_or(NO_ORIG)?;
        let dest = claims.dest.0.tn.as_array().ok_or(NO_DEST)?;
        if dest.is_empty() || dest.len() > DESTINATIONS_MAX {
            return Err(NO_DEST);
        }
        let iat = claims.iat.as_u64().ok_or(StirRefusal::Invalid("the claim iat is no time"))?;
        Ok(Self {
            attest: attest.ok_or(StirRefusal::Invalid("the claim attest is not A, B or C"))?,
            // Signers are to write them in this form, and not all do.
            orig: super::canonical(orig).ok_or(NO_ORIG)?,
            dest: dest.iter().map(|number| super::canonical(number.as_str()?)).collect::<Option<_>>().ok_or(NO_DEST)?,
            iat,
            origid: origid.ok_or(StirRefusal::Invalid("the claim origid is missing, or too long"))?.to_owned(),
        })
    }
}

/// The claims that we read; each judged by itself, for a clear word on what is wrong.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Claims {
    attest: Value,
    dest: MembersOnly<TelephoneNumbers>,
    iat: Value,
    orig: MembersOnly<TelephoneNumbers>,
    origid: Value,
}

/// Who calls or is called.
#[derive(Default, Deserialize)]
#[serde(default)]
struct TelephoneNumbers {
    tn: Value,
}

/// The members of the header that we read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Header {
    alg: Value,
    ppt: Value,
    typ: Value,
    x5u: Value,
    #[serde(deserialize_with = "is_there")]
    crit: bool,
}

/// Whether a member stands there, whatever it says.
fn is_there<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value).map(|_| true)
}

/// What is read from an object alone. A struct by itself is also read from an array, in the order of its fields.
#[derive(Default)]
struct MembersOnly<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for MembersOnly<T> {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        value.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = MembersOnly<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<MembersOnly<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(MembersOnly)
    }
}

/// Reads a JSON object. A name that stands twice is an error: of two values each reader might take another one.
fn parse<'de, T: Deserialize<'de>>(
    text: &'de str,
    no_json: &'static str,
    no_passport: &'static str,
) -> Result<T, StirRefusal> {
    serde_json::from_str::<MembersOnly<T>>(text)
        .map(|MembersOnly(read)| read)
        .map_err(|error| StirRefusal::Invalid(if error.is_data() { no_passport } else { no_json }))
}

/// The header in its canonical form (RFC 8225 §4, RFC 8588 §4).
fn header(certificate_url: &str) -> String {
    json!({"alg": "ES256", "ppt": SHAKEN, "typ": "passport", "x5u": certificate_url}).to_string()
}

/// Checks a PASSporT's header; returns the address of its certificate (`x5u`).
///
/// # Errors
/// When it is no PASSporT of ours (438), or of another algorithm (437).
pub(super) fn read_header(header: &str) -> Result<String, StirRefusal> {
    let header: Header = parse(
        header,
        "the header of the PASSporT is not JSON",
        "the PASSporT's header is no object, or a member stands twice",
    )?;
    // What must be understood and is not (RFC 7515 §4.1.11).
    if header.crit {
        return Err(StirRefusal::Invalid("the PASSporT has a header that must be understood (crit)"));
    }
    if header.typ.as_str() != Some("passport") {
        return Err(StirRefusal::Invalid("the type is not passport"));
    }
    if header.ppt.as_str() != Some(SHAKEN) {
        return Err(StirRefusal::Invalid("the PASSporT says another extension than its header line"));
    }
    if header.alg.as_str() != Some("ES256") {
        return Err(StirRefusal::UnsupportedCredential("its algorithm is not ES256".to_owned()));
    }
    header.x5u.as_str().map(str::to_owned).ok_or(StirRefusal::Invalid("the PASSporT names no certificate (x5u)"))
}

/// The text of a part of a PASSporT.
pub(super) fn decode(part: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// The bytes of a part of a PASSporT.
pub(super) fn decode_bytes(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

/// The text of bytes, as a part of a PASSporT.
pub(super) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
