//! Strong randomness for the cores.

use rand::Rng;
use rand::rngs::StdRng;

/// A cryptographically strong generator, seeded by the operating system.
pub struct Strong(StdRng);

impl Strong {
    /// A generator with a seed of its own.
    pub fn seeded_by_system() -> Self {
        Self(rand::make_rng())
    }
}

impl model::Entropy for Strong {
    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }
}
