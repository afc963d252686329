//! Verifying: what an INVITE claims, and whether that holds (RFC 8224 §6.2).
//!
//! What costs nothing is checked before a certificate is fetched: whoever sends nonsense makes us fetch nothing.

use super::certificates::{TnAuthorization, TrustedChain};
use super::identity::{IDENTITIES_MAX, IdentityValue};
use super::passport::{Passport, SHAKEN, decode, decode_bytes, read_header};
use super::{Attestation, FRESH_S, StirRefusal, canonical, check_certificate_url};
use crate::header::HeaderName;
use crate::message::Message;

/// What the numbers of an INVITE are, in every form in which its carrier may have signed them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallNumbers<'a> {
    /// That of who calls.
    pub orig: Vec<&'a str>,
    /// That of who is called.
    pub dest: Vec<&'a str>,
}

impl CallNumbers<'_> {
    fn has(numbers: &[&str], claimed: &str) -> bool {
        numbers.iter().any(|number| canonical(number).is_some_and(|number| number == claimed))
    }
}

/// What an INVITE claims by its `Identity`: well formed, fresh, and about this INVITE. Nothing is proven yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClaimedIdentity {
    passport: Passport,
    certificate_url: String,
    signed: String,
    signature: Vec<u8>,
}

/// What is proven of an INVITE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedIdentity {
    /// How sure its signer is of who calls.
    pub attest: Attestation,
    /// Names whose call it is to the signer.
    pub origid: String,
    /// Whether the signer's certificate says for whom it may sign.
    pub authorization: TnAuthorization,
}

impl ClaimedIdentity {
    /// Reads the first `Identity` with the extension `shaken`; others are not ours to judge (RFC 8224 §6.2, step 2).
    ///
    /// # Errors
    /// When there is none (428), it is malformed or about another call (438), of an algorithm that is none (437), or not fresh (403).
    pub fn read(message: &Message, numbers: &CallNumbers<'_>, now_s: u64) -> Result<Self, StirRefusal> {
        const MALFORMED: StirRefusal = StirRefusal::Invalid("the header Identity is malformed");
        let values: Vec<&str> = message.elements(&HeaderName::Identity).take(IDENTITIES_MAX).collect();
        let mut read = values.iter().filter_map(|value| IdentityValue::parse(value)).peekable();
        if read.peek().is_none() {
            return Err(if values.is_empty() { StirRefusal::Missing } else { MALFORMED });
        }
        let identity = read.find(|identity| identity.ppt.as_deref() == Some(SHAKEN)).ok_or(StirRefusal::Missing)?;
        Self::of(&identity, numbers, now_s)
    }

    /// Whether a value of the header says now what an INVITE with these numbers has to say. It goes on with such a one; with another one a
    /// verifier would refuse it.
    pub fn still_fits(value: &str, numbers: &CallNumbers<'_>, now_s: u64) -> bool {
        let shaken = IdentityValue::parse(value).filter(|identity| identity.ppt.as_deref() == Some(SHAKEN));
        shaken.is_some_and(|identity| Self::of(&identity, numbers, now_s).is_ok())
    }

    fn of(identity: &IdentityValue<'_>, numbers: &CallNumbers<'_>, now_s: u64) -> Result<Self, StirRefusal> {
        // In the compact form the claims are what the message says, and no message says `attest` and `origid` (RFC 8588).
        if !identity.is_full() {
            return Err(StirRefusal::Invalid("the compact form leaves out what shaken says"));
        }
        if identity.alg.as_deref().is_some_and(|alg| alg != "ES256") {
            return Err(StirRefusal::UnsupportedCredential("its algorithm is not ES256".to_owned()));
        }
        let [header, claims, signature] = identity.parts;
        let text = |part| decode(part).ok_or(StirRefusal::Invalid("a part of the PASSporT is not base64url"));
        let certificate_url = read_header(&text(header)?)?;
        if identity.info != Some(certificate_url.as_str()) {
            return Err(StirRefusal::Invalid("info and x5u name different certificates"));
        }
        check_certificate_url(&certificate_url).map_err(|why| StirRefusal::BadInfo(why.to_owned()))?;
        let passport = Passport::read(&text(claims)?)?;
        if passport.iat.abs_diff(now_s) > FRESH_S {
            return Err(StirRefusal::Stale);
        }
        if !CallNumbers::has(&numbers.orig, &passport.orig) {
            return Err(StirRefusal::Invalid("it is signed for another number that calls"));
        }
        if !passport.dest.iter().any(|claimed| CallNumbers::has(&numbers.dest, claimed)) {
            return Err(StirRefusal::Invalid("it is signed for another number that is called"));
        }
        let signature = decode_bytes(signature).ok_or(StirRefusal::Invalid("the signature is not base64url"))?;
        Ok(Self { passport, certificate_url, signed: format!("{header}.{claims}"), signature })
    }

    /// Where the certificates are that it needs.
    pub fn certificate_url(&self) -> &str {
        &self.certificate_url
    }

    /// Verifies it with the certificates that were fetched.
    ///
    /// # Errors
    /// When the signature is another one's (438).
    pub fn verify(&self, TrustedChain(certificates): &TrustedChain) -> Result<VerifiedIdentity, StirRefusal> {
        if !certificates.has_signed(self.signed.as_bytes(), &self.signature) {
            return Err(StirRefusal::Invalid("the signature does not hold"));
        }
        Ok(VerifiedIdentity {
            attest: self.passport.attest,
            origid: self.passport.origid.clone(),
            authorization: certificates.authorization(),
        })
    }
}
