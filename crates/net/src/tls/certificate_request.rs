//! A request for a certificate (RFC 2986) that an ACME server takes. Its key is made apart from it, so that the key can be kept before
//! anybody sees the request.

use rcgen::{CertificateParams, DistinguishedName, KeyPair};

/// A new private key on P-256, as PEM.
///
/// # Errors
/// If the machine has no randomness.
pub fn new_key() -> Result<String, rcgen::Error> {
    Ok(KeyPair::generate()?.serialize_pem())
}

/// A request for a certificate for these host names by that key, as DER.
///
/// # Errors
/// If the key is none of [`new_key`], or a name is none that a certificate can have.
pub fn of_key(key: &str, names: &[String]) -> Result<Vec<u8>, rcgen::Error> {
    let key = KeyPair::from_pem(key)?;
    let mut params = CertificateParams::new(names)?;
    // The names are all that an authority has looked at.
    params.distinguished_name = DistinguishedName::new();
    Ok(params.serialize_request(&key)?.der().to_vec())
}

#[cfg(test)]
mod tests {
    use x509_parser::certification_request::X509CertificationRequest;
    use x509_parser::prelude::FromDer as _;

    use super::*;

    #[test]
    fn a_request_is_for_its_names_and_by_the_key_that_was_kept() {
        let key = new_key().unwrap();
        let names = ["edge.example".to_owned(), "desk.example".to_owned()];
        let first = of_key(&key, &names).unwrap();
        let again = of_key(&key, &names).unwrap();
        let (_, first) = X509CertificationRequest::from_der(&first).unwrap();
        let (_, again) = X509CertificationRequest::from_der(&again).unwrap();
        let of = |request: &X509CertificationRequest<'_>| request.certification_request_info.subject_pki.raw.to_vec();
        assert_eq!(of(&first), of(&again), "the key is the same");
        assert!(first.certification_request_info.subject.iter().next().is_none());
        let text = format!("{:?}", first.requested_extensions().unwrap().collect::<Vec<_>>());
        assert!(names.iter().all(|name| text.contains(name)), "{text}");
        assert!(of_key("no key", &names).is_err());
    }
}
