//! The domains of who shows a certificate: which SIP domains it speaks for (RFC 5922 §7.1).

use rustls::pki_types::CertificateDer;
use sip::Uri;
use sip::uri::Scheme;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The most domains of one certificate that are read: carriers have a few, and each costs memory as long as its connection.
const DOMAINS_MAX: usize = 32;

/// What the certificate of who has connected says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ShownCertificate {
    /// The domains that it names (RFC 5922 §7.1), in lower case; none without a certificate.
    pub domains: Vec<Box<str>>,
    /// Until when it is valid, in seconds of Unix time.
    pub valid_to: i64,
}

impl ShownCertificate {
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Self {
        let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Self::default() };
        Self { domains: domains(&certificate), valid_to: certificate.validity().not_after.timestamp() }
    }
}

/// The domains that a verified certificate names, in lower case: those of its `sip:` URIs without a user; where there is none, its DNS
/// names. Its common name counts only where it has no alternative names at all. A certificate that has expired since it was verified, as
/// in a session that is resumed, names none. Names with `*` stand for nothing (RFC 5922 §7.2).
fn domains(certificate: &X509Certificate<'_>) -> Vec<Box<str>> {
    let Ok(alternative) = certificate.subject_alternative_name() else { return Vec::new() };
    if !certificate.validity().is_valid() {
        return Vec::new();
    }
    let Some(alternative) = alternative else {
        let names = certificate.subject().iter_common_name();
        return kept(names.filter_map(|name| name.as_str().ok()));
    };
    let names = || alternative.value.general_names.iter();
    let uris = kept(names().filter_map(|name| if let GeneralName::URI(uri) = name { domain_of(uri) } else { None }));
    if !uris.is_empty() {
        return uris;
    }
    kept(names().filter_map(|name| if let GeneralName::DNSName(host) = name { Some(*host) } else { None }))
}

/// The host of a `sip:` URI that is a domain's, not a user's.
fn domain_of(uri: &str) -> Option<&str> {
    let parsed = Uri::parse(uri).ok().filter(|parsed| parsed.scheme() == Scheme::Sip && parsed.user().is_none())?;
    Some(parsed.host()?.as_str())
}

fn kept<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Box<str>> {
    names.filter(|name| !name.contains('*')).take(DOMAINS_MAX).map(|name| name.to_ascii_lowercase().into()).collect()
}
