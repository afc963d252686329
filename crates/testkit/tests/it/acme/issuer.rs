//! What an authority of ACME does by itself: it looks whether a domain leads to who has ordered (RFC 8737), and signs what was ordered.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, DnType, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::pki_types::CertificateSigningRequestDer;
use testkit::authority::shake_hands;

use super::jws::sha256;

/// Before the digest in the certificate of an answer: a critical `acmeIdentifier` with an octet string of 32 bytes (RFC 8737 section 3).
const ACME_IDENTIFIER: &[u8] = b"\x06\x08\x2b\x06\x01\x05\x05\x07\x01\x1f\x01\x01\xff\x04\x22\x04\x20";
/// Certificates begin some time before they are issued, as those of authorities do, for clients whose clock is late: at most that, and no
/// more than this part of their life.
const BACKDATED: Duration = Duration::from_secs(3_600);
const BACKDATED_PART: u32 = 4;
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// An authority whose certificates clients of a test believe.
pub(super) struct TestIssuer {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl TestIssuer {
    pub fn new() -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "issuer of a test");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("issuer.pem"), issuer.pem())?;
        Ok(Self { issuer, folder })
    }

    /// The file of its certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("issuer.pem")
    }

    /// Signs a request, if it is one for these domains and no others. The certificate is valid for that time, of
    /// which some is over.
    #[allow(clippy::disallowed_methods, reason = "tests of whole processes live in real time")]
    pub fn sign(&self, request: &[u8], domains: &[String], life: Duration) -> Result<String> {
        let mut request = CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(request))?;
        let name = |name: &SanType| match name {
            SanType::DnsName(name) => Some(name.as_str().to_owned()),
            _ => None,
        };
        let mut asked: Vec<Option<String>> = request.params.subject_alt_names.iter().map(name).collect();
        let mut ordered: Vec<Option<String>> = domains.iter().cloned().map(Some).collect();
        asked.sort();
        ordered.sort();
        ensure!(asked == ordered, "{asked:?} is requested, {ordered:?} was ordered");
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
        let backdated = BACKDATED.min(life / BACKDATED_PART);
        request.params.not_before = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(now) - backdated;
        request.params.not_after = request.params.not_before + life;
        Ok(request.signed_by(&self.issuer)?.pem() + &self.issuer.pem())
    }
}

/// Connects to where a domain leads, as an authority does, and looks at the answer to its challenge.
pub(super) fn look_at(edge: &str, domain: &str, key_authorization: &str, issuer: &Path) -> Result<()> {
    let said = shake_hands(edge, issuer, &["-servername", domain, "-alpn", "acme-tls/1"])?;
    ensure!(said.contains("ALPN protocol: acme-tls/1"), "{edge} speaks no acme-tls/1: {said}");
    let shown = shown_certificate(&said)?;
    let certificate = der(&shown)?;
    let identifier = [ACME_IDENTIFIER, &sha256(key_authorization.as_bytes())?].concat();
    ensure!(contains(&certificate, &identifier), "the certificate of {domain} has another digest, or none");
    let length = u8::try_from(domain.len())?;
    // The names of a certificate that is for this one alone (RFC 5280 section 4.2.1.6).
    let names = [&[0x30, length + 2, 0x82, length][..], domain.as_bytes()].concat();
    ensure!(contains(&certificate, &names), "the certificate is not for {domain} alone");
    Ok(())
}

fn contains(whole: &[u8], part: &[u8]) -> bool {
    whole.windows(part.len()).any(|window| window == part)
}

/// The first certificate in what `openssl s_client` says, or in a chain, as PEM.
pub(super) fn shown_certificate(said: &str) -> Result<String> {
    let Some((_, rest)) = said.split_once(BEGIN) else { bail!("there is no certificate: {said}") };
    let (body, _) = rest.split_once(END).context("half a certificate")?;
    let lines: Vec<&str> = body.split_whitespace().collect();
    Ok(lines.concat())
}

fn der(base64: &str) -> Result<Vec<u8>> {
    Ok(STANDARD.decode(base64)?)
}
