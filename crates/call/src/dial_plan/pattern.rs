//! The pattern language of numbers: which numbers a rule of the tenant's file is about.
//!
//! | in a pattern | stands for |
//! |---|---|
//! | `0` to `9`, `+`, `*`, `#` | itself |
//! | `x` | any digit |
//! | `[2-4]`, `[159]`, `[0-27]` | one of these digits |
//! | `.`, at the end alone | whatever follows, or nothing |

use std::fmt;

/// The longest pattern, in bytes: a class of digits for each of the 15 of E.164, and some room.
pub const PATTERN_MAX: usize = 128;

/// A pattern of numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pattern {
    text: String,
    places: Vec<PatternItem>,
    /// Whether more may follow.
    is_open: bool,
}

/// What one character of a number may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum PatternItem {
    Character(u8),
    /// A bit for each digit.
    Digits(u16),
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It has no character.
    #[error("a pattern of numbers is empty")]
    Empty,
    /// It has more than [`PATTERN_MAX`] bytes.
    #[error("a pattern of numbers has at most {PATTERN_MAX} bytes")]
    TooLong,
    /// It has a character that stands for nothing.
    #[error("{0:?} stands for nothing in a pattern of numbers: it has digits, +, *, #, x, [2-4] and . at its end")]
    Character(char),
    /// A class of digits is not closed, empty, or has a range that runs backwards.
    #[error("{0:?} is no class of digits, as [2-4], [159] or [0-27]")]
    Class(String),
    /// `.` stands before the end.
    #[error(". stands at the end of a pattern alone")]
    NotLast,
}

const ANY_DIGIT: u16 = 0x3ff;

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// The first fault.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > PATTERN_MAX {
            return Err(PatternError::TooLong);
        }
        let (mut rest, is_open) = match text.strip_suffix('.') {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        if rest.is_empty() {
            return Err(PatternError::Empty);
        }
        let mut places = Vec::new();
        while let Some(character) = rest.chars().next() {
            let mut taken = character.len_utf8();
            places.push(match character {
                '0'..='9' | '+' | '*' | '#' => PatternItem::Character(u8::try_from(character).unwrap_or_default()),
                'x' | 'X' => PatternItem::Digits(ANY_DIGIT),
                '[' => {
                    let (inner, _) =
                        rest.get(1..).and_then(|after| after.split_once(']')).ok_or_else(|| unclosed(rest))?;
                    taken = inner.len() + 2;
                    PatternItem::Digits(class(inner)?)
                }
                '.' => return Err(PatternError::NotLast),
                other => return Err(PatternError::Character(other)),
            });
            rest = rest.get(taken..).unwrap_or_default();
        }
        Ok(Self { text: text.to_owned(), places, is_open })
    }

    /// Whether it is about this number.
    pub fn matches(&self, number: &str) -> bool {
        let bytes = number.as_bytes();
        let fits = |(place, byte): (&PatternItem, &u8)| match place {
            PatternItem::Character(character) => character == byte,
            PatternItem::Digits(digits) => byte.is_ascii_digit() && digits & (1 << (byte - b'0')) != 0,
        };
        let is_long_enough = bytes.len() == self.places.len() || (self.is_open && bytes.len() > self.places.len());
        is_long_enough && self.places.iter().zip(bytes).all(fits)
    }

    /// The first number that it is about.
    pub fn first_number(&self) -> String {
        let digit = |digits: u16| u8::try_from(digits.trailing_zeros()).map_or(b'0', |digit| b'0' + digit);
        let character = |place: &PatternItem| match place {
            PatternItem::Character(character) => char::from(*character),
            PatternItem::Digits(digits) => char::from(digit(*digits)),
        };
        self.places.iter().map(character).collect()
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn unclosed(rest: &str) -> PatternError {
    PatternError::Class(rest.to_owned())
}

/// The digits of a class, as bits.
fn class(inner: &str) -> Result<u16, PatternError> {
    let wrong = || PatternError::Class(format!("[{inner}]"));
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| byte - b'0').ok_or_else(wrong);
    let mut rest = inner.as_bytes();
    let mut digits = 0;
    while let [first, after @ ..] = rest {
        let from = digit(first)?;
        let to = match after {
            [b'-', last, after @ ..] => {
                rest = after;
                digit(last)?
            }
            _ => {
                rest = after;
                from
            }
        };
        if to < from {
            return Err(wrong());
        }
        digits |= (from..=to).fold(0, |bits, digit| bits | 1 << digit);
    }
    if digits == 0 { Err(wrong()) } else { Ok(digits) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pattern_is_about_the_numbers_it_describes() {
        for (pattern, of, not_of) in [
            ("112", vec!["112"], vec!["11", "1120", "113", ""]),
            ("+49900.", vec!["+49900", "+499001234"], vec!["+4990", "49900", "+49901"]),
            ("7xxx", vec!["7000", "7999"], vec!["700", "70000", "8000", "7*00"]),
            ("[2-4]X", vec!["20", "49"], vec!["10", "50", "2", "200"]),
            ("0[1-57].", vec!["01", "0512345", "07"], vec!["06", "00", "0"]),
            ("*72", vec!["*72"], vec!["072", "*720"]),
            ("#x", vec!["#0"], vec!["##"]),
        ] {
            let pattern = Pattern::parse(pattern).expect("a pattern");
            assert!(of.iter().all(|number| pattern.matches(number)), "{pattern} is not about one of {of:?}");
            assert!(!not_of.iter().any(|number| pattern.matches(number)), "{pattern} is about one of {not_of:?}");
        }
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        let class = |text: &str| PatternError::Class(text.to_owned());
        for (text, error) in [
            ("", PatternError::Empty),
            (".", PatternError::Empty),
            ("1.2", PatternError::NotLast),
            ("1..", PatternError::NotLast),
            ("12a", PatternError::Character('a')),
            ("ä", PatternError::Character('ä')),
            ("1]", PatternError::Character(']')),
            ("[12", class("[12")),
            ("[]", class("[]")),
            ("[4-2]", class("[4-2]")),
            ("[1-]", class("[1-]")),
            ("[ä]", class("[ä]")),
            (&"1".repeat(PATTERN_MAX + 1), PatternError::TooLong),
        ] {
            assert_eq!(Pattern::parse(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_number_is_a_pattern_of_itself_alone(number in "[+*#]?[0-9]{1,20}", other in "[+*#]?[0-9]{1,20}") {
            let pattern = Pattern::parse(&number).expect("a pattern");
            prop_assert!(pattern.matches(&number));
            prop_assert_eq!(pattern.matches(&other), number == other);
            let begins = Pattern::parse(&format!("{number}.")).expect("a pattern");
            prop_assert_eq!(begins.matches(&other), other.starts_with(&number));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}", number in ".{0,40}") {
            if let Ok(pattern) = Pattern::parse(&text) {
                pattern.matches(&number);
                prop_assert_eq!(pattern.as_str(), text);
            }
        }
    }
}
