//! Recovery codes: what a person shows in the place of an app that is lost, each once.

use crate::base32;
use crate::secret::Digest;

/// How many a person gets at a time.
pub const COUNT: usize = 10;
/// Random bytes of one: 80 bits cannot be guessed, so that no slow hash is needed.
pub const RANDOM_BYTES: usize = 10;
/// Its characters, and how many stand together.
const CHARACTERS: usize = 16;
const GROUP: usize = 4;

/// A code as it is shown: `abcd-efgh-ijkl-mnop`.
pub fn write(random: [u8; RANDOM_BYTES]) -> String {
    let mut shown = String::with_capacity(CHARACTERS + CHARACTERS / GROUP);
    for (place, c) in base32::encode(&random).chars().enumerate() {
        if place > 0 && place.is_multiple_of(GROUP) {
            shown.push('-');
        }
        shown.push(c.to_ascii_lowercase());
    }
    shown
}

/// The digest of a code as somebody has typed it, in whatever case and groups; `None` for what is none.
pub fn digest(typed: &str) -> Option<Digest> {
    let mut code = String::with_capacity(CHARACTERS);
    for c in typed.chars().filter(|c| !c.is_whitespace() && *c != '-') {
        if code.len() >= CHARACTERS {
            return None;
        }
        code.push(match c.to_ascii_lowercase() {
            // No code has these digits.
            '0' => 'o',
            '1' => 'l',
            c if c.is_ascii_lowercase() || ('2'..='7').contains(&c) => c,
            _ => return None,
        });
    }
    (code.len() == CHARACTERS).then(|| Digest::of(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_recognised_however_it_is_typed() {
        let code = write([7; RANDOM_BYTES]);
        assert_eq!((code.as_str(), digest(&code).is_some()), ("a4dq-obyh-a4dq-obyh", true));
        for typed in ["a4dqobyha4dqobyh", " A4DQ OBYH A4DQ OBYH ", "a4dq-0byh-a4dq-0byh"] {
            assert_eq!(digest(typed), digest(&code), "{typed}");
        }
        for other in ["a4dq-obyh-a4dq-obya", "a4dq-obyh-a4dq-oby", "a4dq-obyh-a4dq-obyh-a", "a4dq-obyh-a4dq-oby8", ""] {
            assert_ne!(digest(other), digest(&code), "{other}");
        }
        assert_ne!(digest(&write([8; RANDOM_BYTES])), digest(&code));
    }
}
