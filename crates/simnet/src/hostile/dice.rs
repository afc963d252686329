//! What a seed says: choices, and numbers at the edges of what programs count in.

use model::Entropy as _;
use model::entropy::Seeded;

/// Numbers as text, as they stand in headers: the edges of 8, 16, 31, 32, 63 and 64 bits, those of RFC 4028 and RFC 3261, and what
/// is no number at all.
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

/// So many of [`NUMBERS`] are digits.
const DIGITS: usize = 39;

/// Seeded choices.
#[derive(Clone, Debug)]
pub struct Dice(Seeded);

impl Dice {
    /// Choices from a seed.
    pub const fn new(seed: u64) -> Self {
        Self(Seeded::new(seed))
    }

    /// A number in `0..bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound as u64) as usize
    }

    /// A number between both, the second included.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.0.below(most.saturating_sub(least) + 1)
    }

    /// True that often of a hundred.
    pub fn percent(&mut self, of: usize) -> bool {
        self.below(100) < of
    }

    /// One of them.
    ///
    /// # Panics
    /// When there is none.
    pub fn pick<'a, T: ?Sized>(&mut self, among: &[&'a T]) -> &'a T {
        among[self.below(among.len())]
    }

    /// A number as a stranger may write it, out of every grammar included.
    pub fn any_number(&mut self) -> &'static str {
        self.pick(&NUMBERS)
    }

    /// A number of digits alone.
    pub fn digits(&mut self) -> &'static str {
        self.pick(&NUMBERS[..DIGITS])
    }

    /// A number that fits 31 bits, which every header that has one takes.
    pub fn modest(&mut self) -> &'static str {
        self.pick(&NUMBERS[..29])
    }

    /// How many elements a list has: mostly few, at times more than anybody expects.
    pub fn length(&mut self) -> usize {
        [1, 2, 3, 5, 16, 40, 70, 255][self.below(8)]
    }

    /// A word of so many letters, the same ones for the same seed.
    pub fn word(&mut self, letters: usize) -> String {
        let first = self.below(26);
        (0..letters).map(|at| char::from(b'a' + ((first + at) % 26) as u8)).collect()
    }

    /// A word of one of those lengths.
    pub fn word_of(&mut self, lengths: &[usize]) -> String {
        let letters = lengths[self.below(lengths.len())];
        self.word(letters)
    }

    /// A token that nobody else has.
    pub fn token(&mut self) -> String {
        format!("{:x}", self.0.next_u64() >> 16)
    }
}
