//! The PASSporT with the extension `shaken` (RFC 8225, RFC 8588): who calls whom, when, and how sure the signer is.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::json::{Json, write_text};
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
        let mut out = format!("{{\"attest\":\"{}\",\"dest\":{{\"tn\":[", self.attest);
        for (place, number) in self.dest.iter().enumerate() {
            if place > 0 {
                out.push(',');
            }
            write_text(&mut out, number);
        }
        out.push_str(&format!("]}},\"iat\":{},\"orig\":{{\"tn\":", self.iat));
        write_text(&mut out, &self.orig);
        out.push_str("},\"origid\":");
        write_text(&mut out, &self.origid);
        out.push('}');
        out
    }

    /// Reads the claims. Further ones are none of ours.
    ///
    /// # Errors
    /// When one that `shaken` needs is missing or is not what it should be (438).
    pub(super) fn read(claims: &str) -> Result<Self, StirRefusal> {
        const NO_ORIG: StirRefusal = StirRefusal::Invalid("the claim orig has no number");
        const NO_DEST: StirRefusal = StirRefusal::Invalid("the claim dest has no numbers");
        let claims = Json::parse(claims).ok_or(StirRefusal::Invalid("the claims are not JSON"))?;
        let text = |name: &str| claims.get(name).and_then(Json::as_text);
        let attest = text("attest").and_then(Attestation::parse);
        let origid = text("origid").filter(|origid| origid.len() <= ORIGID_MAX && !origid.contains(char::is_control));
        let orig = claims.get("orig").and_then(|orig| orig.get("tn")?.as_text()).ok_or(NO_ORIG)?;
        let Some(Json::List(dest)) = claims.get("dest").and_then(|dest| dest.get("tn")) else { return Err(NO_DEST) };
        if dest.is_empty() || dest.len() > DESTINATIONS_MAX {
            return Err(NO_DEST);
        }
        let Some(Json::Number(iat)) = claims.get("iat") else {
            return Err(StirRefusal::Invalid("the claim iat is no time"));
        };
        Ok(Self {
            attest: attest.ok_or(StirRefusal::Invalid("the claim attest is not A, B or C"))?,
            // Signers are to write them in this form, and not all do.
            orig: super::canonical(orig).ok_or(NO_ORIG)?,
            dest: dest
                .iter()
                .map(|number| super::canonical(number.as_text()?))
                .collect::<Option<_>>()
                .ok_or(NO_DEST)?,
            iat: *iat,
            origid: origid.ok_or(StirRefusal::Invalid("the claim origid is missing, or too long"))?.to_owned(),
        })
    }
}

/// The header in its canonical form (RFC 8225 §4, RFC 8588 §4).
fn header(certificate_url: &str) -> String {
    let mut out = format!("{{\"alg\":\"ES256\",\"ppt\":\"{SHAKEN}\",\"typ\":\"passport\",\"x5u\":");
    write_text(&mut out, certificate_url);
    out.push('}');
    out
}

/// Checks a PASSporT's header; returns the address of its certificate (`x5u`).
///
/// # Errors
/// When it is no PASSporT of ours (438), or of another algorithm (437).
pub(super) fn read_header(header: &str) -> Result<String, StirRefusal> {
    let header = Json::parse(header).ok_or(StirRefusal::Invalid("the header of the PASSporT is not JSON"))?;
    let text = |name: &str| header.get(name).and_then(Json::as_text);
    // What must be understood and is not (RFC 7515 §4.1.11).
    if header.get("crit").is_some() {
        return Err(StirRefusal::Invalid("the PASSporT has a header that must be understood (crit)"));
    }
    if text("typ") != Some("passport") {
        return Err(StirRefusal::Invalid("the type is not passport"));
    }
    if text("ppt") != Some(SHAKEN) {
        return Err(StirRefusal::Invalid("the PASSporT says another extension than its header line"));
    }
    if text("alg") != Some("ES256") {
        return Err(StirRefusal::UnsupportedCredential("its algorithm is not ES256".to_owned()));
    }
    text("x5u").map(str::to_owned).ok_or(StirRefusal::Invalid("the PASSporT names no certificate (x5u)"))
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
