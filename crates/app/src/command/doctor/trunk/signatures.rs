//! Signatures of calls (STIR): the certificate that whoever verifies ours fetches, and the authorities by which those that come are verified.

use contracts::provisioning::{Stir, StirSign};
use net::document::DocumentClient;
use sip::stir::AuthorityValidity;

use super::report::Failure;

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// Fetches the certificate as others do, and says whether it is the one of the key, and for how long it is valid.
pub(super) async fn published(sign: &StirSign, client: &DocumentClient, now: i64) -> Result<((), String), Failure> {
    let fetched = client.fetch(&sign.certificate_url).await.map_err(|fault| {
        let remedy = "put the certificate there, and see whether a browser elsewhere gets it; for a server inside that is meant, see `sip-cluster.certificate_private` and `sip-cluster.certificate_authorities`";
        Failure::new(&*sign.certificate_url, fault.to_string(), remedy)
    })?;
    judge(sign, &fetched.body, now)
}

fn judge(sign: &StirSign, fetched: &[u8], now: i64) -> Result<((), String), Failure> {
    let failure = |why: String| {
        let remedy = "put the certificate of `stir.sign.private_key` there, valid now, with those up to the authority";
        Failure::new(&*sign.certificate_url, why, remedy)
    };
    let certificate = net::stir::published(sign, fetched).map_err(|fault| failure(fault.to_string()))?;
    if certificate.valid_from() > now {
        return Err(failure("the certificate is not valid yet".to_owned()));
    }
    match certificate.valid_until().saturating_sub(now) {
        ..=0 => Err(failure("the certificate has expired".to_owned())),
        left => {
            let text =
                format!("{}: the certificate of the key, valid for {} days", sign.certificate_url, left / DAY_SECONDS);
            Ok(((), text))
        }
    }
}

/// Says how long the authorities are valid that vouch for who signs calls that come.
pub(super) fn authorities(stir: &Stir, now: i64) -> Result<((), String), Failure> {
    let remedy = "take the list of your country's administration anew, and import it";
    let all =
        net::stir::authority_validities(stir).map_err(|reason| Failure::new("`stir.authorities`", reason, remedy))?;
    let names: Vec<&str> = all.iter().filter(|one| !is_valid(one, now)).map(|one| one.name.as_str()).collect();
    if !names.is_empty() {
        let what = format!("{} of {} authorities", names.len(), all.len());
        return Err(Failure::new(what, format!("not valid now: {}", names.join(", ")), remedy));
    }
    let first = all.iter().map(|one| one.valid_until).min().unwrap_or(now);
    let known = if all.len() == 1 { "1 authority".to_owned() } else { format!("{} authorities", all.len()) };
    Ok(((), format!("{known}, valid for {} days", first.saturating_sub(now) / DAY_SECONDS)))
}

const fn is_valid(authority: &AuthorityValidity, now: i64) -> bool {
    authority.valid_from <= now && now < authority.valid_until
}
