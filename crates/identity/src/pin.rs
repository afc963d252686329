//! PINs of agents: kept as passwords are, with the number of their digits behind the hash, since a phone that is asked for one has to know
//! which digit is the last: `$argon2id$v=19$...#6`. One with anything but digits in it cannot be typed at a phone, and has no number.
//!
//! No other program writes such hashes, so each costs what [`hash`] makes it cost: the PINs of all tenants are compared in one process, and a
//! hash that took more would be taken from all of them.

use crate::password::{self, HashError, SALT_BYTES};

/// What stands between the hash and the number: no hash in PHC form has it.
const BEFORE_NUMBER: char = '#';

/// The hash of a PIN as it is kept. It costs as much as that of a password.
///
/// # Errors
/// [`HashError`] when there is no memory for it.
pub fn hash(pin: &str, salt: [u8; SALT_BYTES]) -> Result<String, HashError> {
    let hash = password::hash(pin, salt)?;
    Ok(match typed_digits(pin) {
        Some(digits) => format!("{hash}{BEFORE_NUMBER}{digits}"),
        None => hash,
    })
}

/// Whether what is kept is of that PIN: not of a wrong one, and not where [`is_hash`] does not accept it.
pub fn verify(pin: &str, kept: &str) -> bool {
    is_hash(kept) && parts(kept).is_some_and(|(hash, _)| password::verify(pin, hash))
}

/// Whether a text is a PIN as it is kept: of the cost, too.
pub fn is_hash(text: &str) -> bool {
    parts(text).is_some_and(|(hash, _)| password::is_own_hash(hash))
}

/// Whether a text is a PIN as it is kept, or as an earlier release took it at another cost. One that [`is_hash`] does not accept opens
/// nothing, and stays where it is stored.
pub fn is_stored_hash(text: &str) -> bool {
    parts(text).is_some_and(|(hash, _)| password::is_stored_hash(hash))
}

/// The number of digits of a PIN that is kept; none if it cannot be typed at a phone.
pub fn digits(kept: &str) -> Option<u8> {
    parts(kept)?.1
}

/// The number of digits of a PIN in clear; none if it cannot be typed at a phone.
pub fn typed_digits(pin: &str) -> Option<u8> {
    let is_typed = !pin.is_empty() && pin.bytes().all(|byte| byte.is_ascii_digit());
    if is_typed { u8::try_from(pin.len()).ok() } else { None }
}

/// The hash and the number; none if what stands there for a number is not one as [`hash`] writes it.
fn parts(kept: &str) -> Option<(&str, Option<u8>)> {
    let Some((hash, number)) = kept.split_once(BEFORE_NUMBER) else { return Some((kept, None)) };
    let digits: u8 = number.parse().ok()?;
    (digits > 0 && digits.to_string() == number).then_some((hash, Some(digits)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pin_is_kept_as_a_hash_of_itself_alone_with_the_number_of_its_digits() {
        let kept = hash("471100", [7; SALT_BYTES]).unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && kept.ends_with("#6"), "{kept}");
        assert!(!kept.contains("471100") && is_hash(&kept));
        assert!(
            verify("471100", &kept) && !verify("471101", &kept) && !verify("471100#6", &kept) && !verify("", &kept)
        );
        assert_eq!(digits(&kept), Some(6));
        assert_ne!(kept, hash("471100", [8; SALT_BYTES]).unwrap());
    }

    #[test]
    fn a_pin_that_no_phone_can_type_has_no_number() {
        let kept = hash("47a1", [7; SALT_BYTES]).unwrap();
        assert!(is_hash(&kept) && verify("47a1", &kept));
        assert_eq!(digits(&kept), None);
        assert_eq!(["", "4 7", "+47", "٤٧"].map(typed_digits), [None; 4]);
        assert_eq!(["0", "0000"].map(typed_digits), [Some(1), Some(4)]);
        assert_eq!(typed_digits(&"1".repeat(256)), None, "nobody types that");
    }

    #[test]
    fn what_is_no_hash_with_a_number_verifies_nothing() {
        let kept = hash("4711", [7; SALT_BYTES]).unwrap();
        let bare = kept.trim_end_matches("#4");
        for number in ["#", "#0", "#04", "#+4", "#x", "#256", "#4#4"] {
            let wrong = format!("{bare}{number}");
            assert!(!is_hash(&wrong) && !verify("4711", &wrong) && digits(&wrong).is_none(), "{number}");
        }
        for wrong in ["", "4711", "#4", "4711#4"] {
            assert!(!is_hash(wrong) && !verify("4711", wrong), "{wrong}");
        }
    }

    #[test]
    fn a_hash_that_costs_more_is_no_pin_and_is_not_computed() {
        let kept = hash("4711", [7; SALT_BYTES]).unwrap();
        for (ours, theirs) in [("m=19456", "m=262144"), ("m=19456", "m=19457"), ("t=2", "t=16"), ("p=1", "p=4")] {
            let costly = kept.replace(ours, theirs);
            assert!(!is_hash(&costly) && !verify("4711", &costly), "{theirs}");
            assert!(is_stored_hash(&costly) && digits(&costly) == Some(4), "{theirs}");
        }
        let costlier = kept.replace("m=19456", "m=262145");
        assert!(is_stored_hash(&kept) && !is_stored_hash(&costlier) && !is_stored_hash("4711"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,40}#?\\PC{0,4}") {
            prop_assert!(!is_hash(&text));
            prop_assert!(!verify("4711", &text));
            let _ = digits(&text);
        }
    }
}
