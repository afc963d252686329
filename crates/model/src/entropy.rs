//! Randomness as the cores see it: handed in by the shell.

/// A source of random numbers.
///
/// The shell gives a cryptographically strong one (tags, branches and nonces must not be guessable),
/// a simulation a seeded one, so that a run can be replayed.
pub trait Entropy: Send {
    /// The next 64 random bits.
    fn next_u64(&mut self) -> u64;

    /// A number in `0..bound`; 0 when `bound` is 0.
    fn below(&mut self, bound: u64) -> u64 {
        // The bias of the plain remainder is below 2^-32 for every bound in use here.
        if bound == 0 { 0 } else { self.next_u64() % bound }
    }
}

/// A seeded source (SplitMix64): equal seeds give equal sequences. For simulations and tests only.
#[derive(Clone, Debug)]
pub struct Seeded(u64);

impl Seeded {
    /// A source that starts from `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }
}

impl Entropy for Seeded {
    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}
