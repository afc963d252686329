//! A certificate of our own making, for a site that has none yet.

use rcgen::{CertificateParams, DnType, KeyPair};

/// How many years it is good for. Nobody renews it, and who trusts it has compared it by hand.
const YEARS: i32 = 10;
// A mean year of the Gregorian calendar, in seconds.
const YEAR_SECONDS: i64 = 31_556_952;

/// A certificate for these host names and addresses with its key, as PEM; valid from the beginning of the year.
///
/// # Errors
/// If a name is none that a certificate can have.
pub fn generate(names: &[String], now_seconds: i64) -> Result<String, rcgen::Error> {
    let year = i32::try_from(1970 + now_seconds / YEAR_SECONDS).unwrap_or(1970);
    let mut params = CertificateParams::new(names)?;
    params.not_before = rcgen::date_time_ymd(year - 1, 1, 1);
    params.not_after = rcgen::date_time_ymd(year + YEARS, 1, 1);
    params.distinguished_name.push(DnType::CommonName, "Trunkline edge");
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok(format!("{}{}", certificate.pem(), key.serialize_pem()))
}
