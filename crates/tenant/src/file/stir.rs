//! How calls by a trunk are signed, and signatures verified: `stir` of an entry of `trunks`.

use contracts::provisioning::{Secret, Stir, StirSign, StirVerify};

use super::scalar::{optional, text as scalar};
use super::shape::Need::{Optional, Required};
use super::shape::{Shape, field};
use super::tree::{Node, text};

const URL: Shape = Shape::Text { max: 512 };
/// A key has some 250 bytes, a chain of certificates a few thousand.
const PEM: Shape = Shape::Lines { max: 16_384 };

/// What is set for a trunk.
pub(super) static STIR: Shape = Shape::Record(&[
    field("sign", Optional, &SIGN, "With what calls to its carrier are signed."),
    field(
        "verify",
        Optional,
        &VERIFY,
        "What is done with signatures of calls that come from it: off, nothing; report, calls go on with what was found; require, calls that are not signed well are refused. Without it off.",
    ),
    field(
        "authorities",
        Optional,
        &AUTHORITIES,
        "For verify: the certificates of the authorities that vouch for who signs, as PEM, one behind the other.",
    ),
]);

static SIGN: Shape = Shape::Record(&[
    field(
        "certificate_url",
        Required,
        &URL,
        "Where whoever verifies fetches the certificate: an address that begins with https://.",
    ),
    field("private_key", Required, &PEM, "The private key of the certificate, as PEM: of the curve P-256."),
    field(
        "certificate",
        Optional,
        &PEM,
        "The certificate, as PEM: with it the import checks that it is that of the key, and `trunkline doctor` when it ends.",
    ),
]);

/// The roots of a country: about a dozen.
const AUTHORITIES: Shape = Shape::Lines { max: 65_536 };
static VERIFY: Shape = Shape::OneOf(&StirVerify::NAMES);

/// What is set for a trunk; nothing where there are faults.
pub(super) fn stir(trunk: &Node) -> Stir {
    let sign = |item: &Node| {
        Some(StirSign {
            certificate_url: text(item, "certificate_url")?,
            private_key: text(item, "private_key").map(Secret),
            certificate: text(item, "certificate"),
        })
    };
    let Some(stir) = trunk.get("stir") else { return Stir::default() };
    Stir {
        sign: stir.get("sign").and_then(sign),
        verify: text(stir, "verify").and_then(|name| StirVerify::parse(&name)).unwrap_or_default(),
        authorities: text(stir, "authorities"),
    }
}

/// The key of a trunk's line; nothing if nothing is set.
pub(super) fn line(stir: &Stir) -> String {
    let sign = stir.sign.as_ref().map(|sign| {
        let more = optional("private_key", sign.private_key.as_ref().map(Secret::reveal))
            + &optional("certificate", sign.certificate.as_deref());
        format!("sign: {{certificate_url: {}{more}}}", scalar(&sign.certificate_url))
    });
    let verify = (stir.verify != StirVerify::Off).then(|| format!("verify: {}", scalar(stir.verify.as_str())));
    let authorities = stir.authorities.as_ref().map(|pem| format!("authorities: {}", scalar(pem)));
    let keys: Vec<String> = [sign, verify, authorities].into_iter().flatten().collect();
    if keys.is_empty() { String::new() } else { format!(", stir: {{{}}}", keys.join(", ")) }
}
