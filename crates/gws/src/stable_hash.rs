//! A hash that stays the same in every process, with every release of Rust and on every machine: what is derived from it is agreed on
//! without a word, between replicas and between builds that run side by side. It is no protection against whoever chooses the texts.

/// FNV-1a with 64 bits: offset and prime (Fowler, Noll, Vo).
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;
/// The last step of `MurmurHash3` with 64 bits (Appleby): FNV leaves the upper bits of texts that differ at their end alone close together.
const MIX: [u64; 2] = [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53];
/// Follows each part: no byte of UTF-8.
const END_OF_PART: u8 = 0xff;

/// The hash of some parts: texts, of which the last may be any bytes.
pub(crate) fn of(parts: &[&[u8]]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.iter().copied().chain([END_OF_PART]));
    let hash = bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    let mixed = MIX.iter().fold(hash, |hash, factor| (hash ^ (hash >> 33)).wrapping_mul(*factor));
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_every_build() {
        assert_eq!(of(&[]), 0xefd0_1f60_ba99_2926);
        assert_eq!(of(&[b"a"]), 0x3aec_69d2_86fb_d39b);
        assert_eq!(of(&[b"foobar"]), 0x91c8_7046_627c_ae44);
        assert_eq!(of(&[b"ab", b"c"]), 0x04f3_60e5_0ae8_8219);
    }

    #[test]
    fn where_a_part_ends_makes_a_difference() {
        assert_ne!(of(&[b"ab", b"c"]), of(&[b"a", b"bc"]));
        assert_ne!(of(&[b"a"]), of(&[b"a", b""]));
    }
}
