//! Session keys at work: one packet is encrypted and authenticated, or verified and decrypted, in place.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{EncryptingKey, EncryptionContext};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;

use super::derivation::{Label, counter_key, derive};
use super::{Keying, Suite};

/// The tag of AES-GCM.
const GCM_TAG: usize = 16;
/// The tag of SRTCP by HMAC-SHA1, and of SRTP unless the suite says otherwise.
const SHA1_TAG: usize = 10;

/// The session keys of one direction for RTP, or for RTCP.
#[expect(clippy::large_enum_variant, reason = "two of a leg; a box would cost each packet a jump")]
pub(super) enum SessionKeys {
    Counter { key: EncryptingKey, salt: [u8; 14], auth: hmac::Key, tag: usize },
    Gcm { key: LessSafeKey, salt: [u8; 12] },
}

/// RTP or RTCP: they have keys of their own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CipherKind {
    Rtp,
    Rtcp,
}

/// What identifies a packet: no two have the same under one key.
#[derive(Clone, Copy)]
pub(super) struct PacketId {
    pub ssrc: u32,
    /// 48 bits of SRTP, or 31 of SRTCP.
    pub index: u64,
}

impl SessionKeys {
    pub fn derive(master: &Keying, kind: CipherKind) -> Result<Self, Unspecified> {
        let (key_label, auth_label, salt_label) = match kind {
            CipherKind::Rtp => (Label::RtpKey, Label::RtpAuth, Label::RtpSalt),
            CipherKind::Rtcp => (Label::RtcpKey, Label::RtcpAuth, Label::RtcpSalt),
        };
        let suite = master.suite();
        let mut room = [0; 32];
        let key = room.get_mut(..suite.key_bytes()).ok_or(Unspecified)?;
        derive(master, key_label, key)?;
        if matches!(suite, Suite::AesGcm128 | Suite::AesGcm256) {
            let algorithm = if suite == Suite::AesGcm256 { &aead::AES_256_GCM } else { &aead::AES_128_GCM };
            let key = LessSafeKey::new(UnboundKey::new(algorithm, key)?);
            let mut salt = [0; 12];
            derive(master, salt_label, &mut salt)?;
            return Ok(Self::Gcm { key, salt });
        }
        let key = counter_key(key)?;
        let mut salt = [0; 14];
        derive(master, salt_label, &mut salt)?;
        let mut auth = [0; 20];
        derive(master, auth_label, &mut auth)?;
        let auth = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &auth);
        let tag = if suite == Suite::AesCm128Sha1_32 && kind == CipherKind::Rtp { 4 } else { SHA1_TAG };
        Ok(Self::Counter { key, salt, auth, tag })
    }

    /// Bytes that a tag adds.
    pub const fn tag_bytes(&self) -> usize {
        match self {
            Self::Counter { tag, .. } => *tag,
            Self::Gcm { .. } => GCM_TAG,
        }
    }

    /// Encrypts what follows the `clear` first bytes of a packet of `length`, and writes the tag behind it. `trailer` is authenticated
    /// too: of SRTP the rollover counter, of SRTCP the word with the index.
    ///
    /// The word of SRTCP stands before the tag of HMAC-SHA1 and behind that of AES-GCM (RFC 7714 §9.2); the caller places it.
    pub fn seal(
        &self,
        kind: CipherKind,
        id: PacketId,
        (packet, clear, length): (&mut [u8], usize, usize),
        trailer: [u8; 4],
    ) -> Result<usize, Unspecified> {
        let (text, behind) = packet.split_at_mut_checked(length).ok_or(Unspecified)?;
        match self {
            Self::Counter { key, salt, auth, tag } => {
                let body = text.get_mut(clear..).ok_or(Unspecified)?;
                key.less_safe_encrypt(body, counter_start(salt, id))?;
                let (word, room) = match kind {
                    CipherKind::Rtp => (0, behind),
                    CipherKind::Rtcp => {
                        behind.get_mut(..4).ok_or(Unspecified)?.copy_from_slice(&trailer);
                        (4, behind.get_mut(4..).ok_or(Unspecified)?)
                    }
                };
                let sum = sign(auth, text, trailer);
                let sum = sum.as_ref().get(..*tag).ok_or(Unspecified)?;
                room.get_mut(..*tag).ok_or(Unspecified)?.copy_from_slice(sum);
                Ok(length + word + tag)
            }
            Self::Gcm { key, salt } => {
                let (header, body) = text.split_at_mut_checked(clear).ok_or(Unspecified)?;
                let nonce = nonce(salt, kind, id);
                let sum = match kind {
                    CipherKind::Rtp => key.seal_in_place_separate_tag(nonce, Aad::from(&*header), body)?,
                    CipherKind::Rtcp => {
                        key.seal_in_place_separate_tag(nonce, Aad::from(rtcp_aad(header, trailer)?), body)?
                    }
                };
                behind.get_mut(..GCM_TAG).ok_or(Unspecified)?.copy_from_slice(sum.as_ref());
                if kind == CipherKind::Rtp {
                    return Ok(length + GCM_TAG);
                }
                behind.get_mut(GCM_TAG..GCM_TAG + 4).ok_or(Unspecified)?.copy_from_slice(&trailer);
                Ok(length + GCM_TAG + 4)
            }
        }
    }

    /// Verifies a packet with its tag, and decrypts what follows the `clear` first bytes. Returns its length without the tag.
    ///
    /// A packet of HMAC-SHA1 that is refused is unchanged; one of AES-GCM is undefined afterwards.
    pub fn open(
        &self,
        kind: CipherKind,
        id: PacketId,
        (packet, clear): (&mut [u8], usize),
        trailer: [u8; 4],
    ) -> Result<usize, Unspecified> {
        let length = packet.len().checked_sub(self.tag_bytes()).filter(|length| *length >= clear).ok_or(Unspecified)?;
        match self {
            Self::Counter { key, salt, auth, tag } => {
                let (text, told) = packet.split_at_mut_checked(length).ok_or(Unspecified)?;
                let sum = sign(auth, text, trailer);
                verify_slices_are_equal(sum.as_ref().get(..*tag).ok_or(Unspecified)?, told)?;
                key.less_safe_encrypt(text.get_mut(clear..).ok_or(Unspecified)?, counter_start(salt, id))?;
            }
            Self::Gcm { key, salt } => {
                let (header, body) = packet.split_at_mut_checked(clear).ok_or(Unspecified)?;
                let nonce = nonce(salt, kind, id);
                match kind {
                    CipherKind::Rtp => key.open_in_place(nonce, Aad::from(&*header), body)?,
                    CipherKind::Rtcp => key.open_in_place(nonce, Aad::from(rtcp_aad(header, trailer)?), body)?,
                };
            }
        }
        Ok(length)
    }
}

/// The authenticated part of SRTCP: its header and the word with the index.
fn rtcp_aad(header: &[u8], trailer: [u8; 4]) -> Result<[u8; 12], Unspecified> {
    let header: &[u8; 8] = header.try_into().map_err(|_| Unspecified)?;
    let mut aad = [0; 12];
    let parts = header.iter().chain(&trailer);
    aad.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
    Ok(aad)
}

fn sign(auth: &hmac::Key, text: &[u8], trailer: [u8; 4]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(auth);
    context.update(text);
    context.update(&trailer);
    context.sign()
}

/// Where the counter starts (RFC 3711 §4.1.1): the salt, the source and the index.
fn counter_start(salt: &[u8; 14], id: PacketId) -> EncryptionContext {
    let number = u128::from(id.ssrc) << 64 | u128::from(id.index) << 16;
    let mut vector = number.to_be_bytes();
    vector.iter_mut().zip(salt).for_each(|(to, from)| *to ^= from);
    EncryptionContext::Iv128(FixedLength::from(vector))
}

/// RFC 7714 §8.1 and §9.1.
fn nonce(salt: &[u8; 12], kind: CipherKind, id: PacketId) -> Nonce {
    let number = match kind {
        CipherKind::Rtp => u128::from(id.ssrc) << 48 | u128::from(id.index),
        CipherKind::Rtcp => u128::from(id.ssrc) << 48 | u128::from(id.index & 0x7FFF_FFFF),
    };
    let mut vector = [0; 12];
    let bytes = number.to_be_bytes();
    let parts = bytes.iter().skip(4).zip(salt);
    vector.iter_mut().zip(parts).for_each(|(to, (number, salt))| *to = number ^ salt);
    Nonce::assume_unique_for_key(vector)
}

#[cfg(test)]
mod tests;
