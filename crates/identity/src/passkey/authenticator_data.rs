//! What an authenticator says of itself (section 6.1): for which host, who was there, how often it has signed, and of a new key which it is.

use minicbor::Decoder;
use sha2::{Digest as _, Sha256};

use super::{ID_BYTES_MAX, PasskeyFault};

const DIGEST_BYTES: usize = 32;
/// Names the kind of authenticator; without attestation it says nothing.
const AAGUID_BYTES: usize = 16;

const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const HAS_CREDENTIAL: u8 = 1 << 6;
const HAS_EXTENSIONS: u8 = 1 << 7;

/// They, as read.
#[derive(Debug)]
pub(super) struct AuthenticatorData<'a> {
    host_digest: [u8; DIGEST_BYTES],
    flags: u8,
    /// How often it has signed; 0 if it does not count.
    pub counter: u32,
    /// The key that was made.
    pub made: Option<MadeCredential<'a>>,
}

/// A key that an authenticator has made.
#[derive(Debug)]
pub(super) struct MadeCredential<'a> {
    /// Its id.
    pub id: &'a [u8],
    /// Its public half, as COSE writes it.
    pub public_key: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    /// Reads them, to their last byte.
    pub fn read(bytes: &'a [u8]) -> Result<Self, PasskeyFault> {
        let cut = PasskeyFault::AuthenticatorData;
        let (host_digest, rest) = bytes.split_first_chunk::<DIGEST_BYTES>().ok_or(cut)?;
        let (flags, rest) = rest.split_first().ok_or(cut)?;
        let (counter, mut rest) = rest.split_first_chunk().ok_or(cut)?;
        // Section 7.1 step 18, section 7.2 step 19: nothing is backed up that may not be.
        if flags & (BACKUP_ELIGIBLE | BACKED_UP) == BACKED_UP {
            return Err(cut);
        }
        let mut made = None;
        if flags & HAS_CREDENTIAL != 0 {
            let (credential, behind) = MadeCredential::read(rest)?;
            (made, rest) = (Some(credential), behind);
        }
        if flags & HAS_EXTENSIONS != 0 {
            rest = behind_one(rest).ok_or(cut)?;
        }
        let counter = u32::from_be_bytes(*counter);
        rest.is_empty().then_some(Self { host_digest: *host_digest, flags: *flags, counter, made }).ok_or(cut)
    }

    /// Whether the key is one for that host.
    pub fn is_for(&self, host: &str) -> bool {
        <[u8; DIGEST_BYTES]>::from(Sha256::digest(host.as_bytes())) == self.host_digest
    }

    /// Whether somebody has touched it.
    pub const fn is_user_present(&self) -> bool {
        self.flags & USER_PRESENT != 0
    }

    /// Whether it knows who.
    pub const fn is_user_verified(&self) -> bool {
        self.flags & USER_VERIFIED != 0
    }
}

impl<'a> MadeCredential<'a> {
    /// Section 6.5.1; with what stands behind it.
    fn read(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), PasskeyFault> {
        let cut = PasskeyFault::AuthenticatorData;
        let (_, rest) = bytes.split_at_checked(AAGUID_BYTES).ok_or(cut)?;
        let (length, rest) = rest.split_first_chunk().ok_or(cut)?;
        let length = usize::from(u16::from_be_bytes(*length));
        if !(1..=ID_BYTES_MAX).contains(&length) {
            return Err(PasskeyFault::Id);
        }
        let (id, rest) = rest.split_at_checked(length).ok_or(cut)?;
        let behind = behind_one(rest).ok_or(PasskeyFault::PublicKey)?;
        let public_key = rest.get(..rest.len() - behind.len()).ok_or(cut)?;
        Ok((Self { id, public_key }, behind))
    }
}

/// What stands behind the first CBOR item.
fn behind_one(bytes: &[u8]) -> Option<&[u8]> {
    let mut decoder = Decoder::new(bytes);
    decoder.skip().ok()?;
    bytes.get(decoder.position()..)
}
