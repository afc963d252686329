//! Random choices from a seed, and numbers at the edges of integer types.

use model::Entropy as _;
use model::entropy::Seeded;

/// Numbers as they appear in headers: the edges of 8, 16, 31, 32, 63 and 64 bits, those of RFC 4028 and RFC 3261, and
/// texts that are not numbers.
pub const NUMBERS: [&str; 44] = [
    "0",
    "1",
    "2",
    "3",
    "7",
    "31",
    "32",
    "33",
    "59",
    "60",
    "89",
    "90",
    "91",
    "127",
    "128",
    "255",
    "256",
    "1799",
    "1800",
    "3600",
    "7200",
    "32767",
    "32768",
    "65535",
    "65536",
    "86400",
    "1000000000",
    "2147483646",
    "2147483647",
    "2147483648",
    "4294967294",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "000000000000000000000000000000000090",
    "99999999999999999999999999999999999999999999",
    "-1",
    "-2147483648",
    "1e9",
    "0x7fffffff",
    "",
];

/// The first entries of [`NUMBERS`], which consist of digits.
const DIGITS: usize = 39;

/// Seeded choices.
#[derive(Clone, Debug)]
pub struct Dice(Seeded);

impl Dice {
    /// Choices from this seed.
    pub const fn new(seed: u64) -> Self {
        Self(Seeded::new(seed))
    }

    /// A number in `0..bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound as u64) as usize
    }

    /// A number in `least..=most`.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.0.below(most.saturating_sub(least) + 1)
    }

    /// True with a probability of `of` percent.
    pub fn percent(&mut self, of: usize) -> bool {
        self.below(100) < of
    }

    /// One element.
    ///
    /// # Panics
    /// If there is no element.
    pub fn pick<'a, T: ?Sized>(&mut self, among: &[&'a T]) -> &'a T {
        among[self.below(among.len())]
    }

    /// A number as a stranger might write it, including invalid ones.
    pub fn any_number(&mut self) -> &'static str {
        self.pick(&NUMBERS)
    }

    /// A number that consists of digits.
    pub fn digits(&mut self) -> &'static str {
        self.pick(&NUMBERS[..DIGITS])
    }

    /// A number that fits in 31 bits, which is valid in every header with a number.
    pub fn modest(&mut self) -> &'static str {
        self.pick(&NUMBERS[..29])
    }

    /// The length of a list: usually short, sometimes unexpectedly long.
    pub fn length(&mut self) -> usize {
        [1, 2, 3, 5, 16, 40, 70, 255][self.below(8)]
    }

    /// A word of `letters` letters.
    pub fn word(&mut self, letters: usize) -> String {
        let first = self.below(26);
        (0..letters).map(|at| char::from(b'a' + ((first + at) % 26) as u8)).collect()
    }

    /// A word with one of these lengths.
    pub fn word_of(&mut self, lengths: &[usize]) -> String {
        let letters = lengths[self.below(lengths.len())];
        self.word(letters)
    }

    /// A unique token.
    pub fn token(&mut self) -> String {
        format!("{:x}", self.0.next_u64() >> 16)
    }
}
