//! Salts of hashes.

use identity::password::SALT_BYTES;
use model::Entropy;

/// What no two hashes share.
pub(super) fn new_salt(entropy: &mut dyn Entropy) -> [u8; SALT_BYTES] {
    let mut salt = [0; SALT_BYTES];
    for part in salt.chunks_mut(8) {
        part.copy_from_slice(&entropy.next_u64().to_be_bytes());
    }
    salt
}
