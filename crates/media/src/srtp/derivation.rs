//! Session keys from a master key (RFC 3711 §4.3; §11 of RFC 7714 and RFC 6188 for AES-GCM), with a key derivation rate of 0.

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::iv::FixedLength;

use super::Keying;

/// What a session key is for: the labels of RFC 3711 §4.3.1 and §4.3.2.
#[derive(Clone, Copy)]
pub(super) enum Label {
    RtpKey = 0,
    RtpAuth = 1,
    RtpSalt = 2,
    RtcpKey = 3,
    RtcpAuth = 4,
    RtcpSalt = 5,
}

/// Where a label enters the initial vector: a byte above the 48 bits of an index.
const LABEL_AT: usize = 7;

/// Fills `out` with the session key of this label.
pub(super) fn derive(master: &Keying, label: Label, out: &mut [u8]) -> Result<(), Unspecified> {
    let mut vector = [0; 16];
    // A salt of 96 bits stands before two zero bytes.
    vector.iter_mut().zip(master.salt()).for_each(|(to, from)| *to = *from);
    vector[LABEL_AT] ^= label as u8;
    out.fill(0);
    counter_key(master.key())?.less_safe_encrypt(out, EncryptionContext::Iv128(FixedLength::from(vector)))?;
    Ok(())
}

/// AES in counter mode, with a key of 128 or 256 bits.
pub(super) fn counter_key(key: &[u8]) -> Result<EncryptingKey, Unspecified> {
    let algorithm = if key.len() == 32 { &AES_256 } else { &AES_128 };
    EncryptingKey::ctr(UnboundCipherKey::new(algorithm, key)?)
}
