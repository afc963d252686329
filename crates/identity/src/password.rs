//! Passwords of people and secrets of clients: kept as Argon2id (RFC 9106) in PHC form, with the figures that OWASP's Password Storage
//! Cheat Sheet gives as the least: 19 MiB, two passes, one lane.

mod guessed_first;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use unicode_normalization::UnicodeNormalization as _;

/// Length of a salt in bytes (RFC 9106 section 3.1 recommends it).
pub const SALT_BYTES: usize = 16;
/// Length of a key that is made of a passphrase.
pub const KEY_BYTES: usize = 32;
/// What such a key costs: it is made once, where a password is verified often.
const KEY_MEMORY_KIB: u32 = 64 << 10;
const KEY_PASSES: u32 = 3;
/// The longest password in bytes.
pub const BYTES_MAX: usize = 256;
/// The shortest password that may be chosen, in characters.
pub const CHARACTERS_MIN: usize = 8;
/// The most memory that a foreign hash may ask for, in KiB: as many are computed at a time as there are processors. Other programs ask for
/// 100 MiB at most, where nobody has told them otherwise.
const MEMORY_KIB_MAX: u32 = 100 << 10;
/// The most passes that a foreign hash may ask for.
const PASSES_MAX: u32 = 16;
/// The most memory that a foreign hash may go over in all its passes, in KiB: some seven times what ours do, so that whoever brings such
/// hashes takes little of the time of others.
const WORK_KIB_MAX: u32 = 256 << 10;
/// The most memory that a hash could ask for, in KiB, in each of its passes, when earlier releases took it: it may be stored.
const STORED_MEMORY_KIB_MAX: u32 = 256 << 10;

/// What each hash of [`hash`] begins with: algorithm, version and cost.
const OWN: &str = "$argon2id$v=19$m=19456,t=2,p=1$";

/// The hash of nobody's password, of the same cost as each of ours.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Argon2id could not be computed: the machine has no memory left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the password could not be hashed")]
pub struct HashError;

/// Why a password may not be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weak {
    /// It is too short.
    #[error("it has fewer than {CHARACTERS_MIN} characters")]
    Short,
    /// It is too long.
    #[error("it has more than {BYTES_MAX} bytes")]
    Long,
    /// It is the user's name, or contains little else.
    #[error("it is the user name")]
    UserName,
    /// It is the one that the person has.
    #[error("it is the password of before")]
    Same,
    /// It is one of those that everybody tries.
    #[error("it is one of the passwords that are guessed first")]
    Common,
}

/// The Argon2id hash of a password in PHC form. It costs some 20 ms and 19 MiB: not on a thread that serves others.
///
/// # Errors
/// [`HashError`] when there is no memory for it.
pub fn hash(password: &str, salt: [u8; SALT_BYTES]) -> Result<String, HashError> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT);
    let hash: PasswordHash = argon2.hash_password_with_salt(password.as_bytes(), &salt).map_err(|_| HashError)?;
    Ok(hash.to_string())
}

/// A key made of a passphrase (Argon2id). It costs some 200 ms and 64 MiB, since whoever has what it seals may guess without end.
///
/// # Errors
/// [`HashError`] when there is no memory for it.
pub fn key(passphrase: &str, salt: [u8; SALT_BYTES]) -> Result<[u8; KEY_BYTES], HashError> {
    let params = Params::new(KEY_MEMORY_KIB, KEY_PASSES, 1, Some(KEY_BYTES)).map_err(|_| HashError)?;
    let mut key = [0; KEY_BYTES];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into(passphrase.as_bytes(), &salt, &mut key).map_err(|_| HashError)?;
    Ok(key)
}

/// Whether a hash in PHC form is one of that password: not for a wrong password, and not for a hash that [`is_hash`] does not accept.
pub fn verify(password: &str, phc: &str) -> bool {
    if password.len() > BYTES_MAX || !is_hash(phc) {
        return false;
    }
    let Ok(hash) = PasswordHash::new(phc) else { return false };
    Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
}

/// Spends what [`verify`] costs for somebody who does not exist, so that the time of an answer does not tell; always `false`.
pub fn verify_nobody(password: &str) -> bool {
    let _ = verify(password, NOBODY);
    false
}

/// Whether a text is an Argon2id hash in PHC form, whose verification stays within bounds of memory and time.
pub fn is_hash(text: &str) -> bool {
    cost(text).is_some_and(|(memory_kib, passes)| {
        memory_kib <= MEMORY_KIB_MAX && passes <= PASSES_MAX && memory_kib.saturating_mul(passes) <= WORK_KIB_MAX
    })
}

/// Whether a text is an Argon2id hash in PHC form that this release or an earlier one has taken. One that [`is_hash`] does not accept opens
/// nothing, and stays where it is stored.
pub fn is_stored_hash(text: &str) -> bool {
    cost(text).is_some_and(|(memory_kib, passes)| memory_kib <= STORED_MEMORY_KIB_MAX && passes <= PASSES_MAX)
}

/// What an Argon2id hash in PHC form costs: memory in KiB, and passes. None for another text.
fn cost(text: &str) -> Option<(u32, u32)> {
    let hash = PasswordHash::new(text).ok()?;
    if hash.algorithm.as_str() != "argon2id" || hash.salt.is_none() || hash.hash.is_none() {
        return None;
    }
    let params = Params::try_from(&hash).ok()?;
    Some((params.m_cost(), params.t_cost()))
}

/// Whether a text is such a hash that costs what each of [`hash`] does.
pub fn is_own_hash(text: &str) -> bool {
    text.starts_with(OWN) && is_hash(text)
}

/// A password as it is compared with those that everybody tries: letters that look the same are the same (NFKC), and so is their case.
fn folded(password: &str) -> String {
    password.nfkc().collect::<String>().to_lowercase()
}

/// Whether a person may choose that password. There are no rules of composition, and a list of those that are tried first (NIST SP 800-63B
/// section 5.1.1.2).
///
/// # Errors
/// The rule that it breaks.
pub fn check_choice(password: &str, user_name: &str) -> Result<(), Weak> {
    if password.len() > BYTES_MAX {
        return Err(Weak::Long);
    }
    if password.chars().count() < CHARACTERS_MIN {
        return Err(Weak::Short);
    }
    let chosen = folded(password);
    if chosen == folded(user_name) {
        return Err(Weak::UserName);
    }
    if guessed_first::is_common(&chosen) { Err(Weak::Common) } else { Ok(()) }
}

/// Whether a person who has shown the password `before` may choose that one in its place.
///
/// # Errors
/// The rule that it breaks.
pub fn check_change(before: &str, password: &str, user_name: &str) -> Result<(), Weak> {
    check_choice(password, user_name)?;
    if password == before { Err(Weak::Same) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_its_password_alone_and_shows_its_cost() {
        let phc = hash("tall green kettle", [7; SALT_BYTES]).unwrap();
        assert!(phc.starts_with(OWN) && is_own_hash(&phc), "{phc}");
        assert!(verify("tall green kettle", &phc) && !verify("tall green kettlf", &phc) && !verify("", &phc));
        assert_ne!(phc, hash("tall green kettle", [8; SALT_BYTES]).unwrap());
    }

    #[test]
    fn what_is_not_a_hash_verifies_nothing() {
        let cut = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA";
        let of_others =
            "$argon2i$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let greedy = NOBODY.replace("m=19456", "m=4000000");
        let endless = NOBODY.replace("t=2", "t=4000");
        for phc in ["", "secret", cut, of_others, &greedy, &endless] {
            assert!(!is_hash(phc) && !verify("secret", phc), "{phc}");
        }
    }

    #[test]
    fn a_hash_of_another_cost_is_none_of_ours() {
        let others =
            [("m=19456", "m=65536"), ("t=2", "t=3"), ("p=1", "p=2"), ("v=19", "v=16"), ("p=1", "p=1,data=AAAA")];
        for (ours, theirs) in others {
            assert!(!is_own_hash(&NOBODY.replace(ours, theirs)), "{theirs}");
        }
        assert!(is_own_hash(NOBODY) && !is_own_hash(OWN) && is_hash(&NOBODY.replace("m=19456", "m=65536")));
    }

    #[test]
    fn hashes_as_other_programs_make_them_are_taken_and_none_that_costs_much_more_than_ours() {
        let costing = |cost: &str| NOBODY.replace("m=19456,t=2,p=1", cost);
        let usual = [
            "m=65536,t=3,p=4",
            "m=65536,t=4,p=1",
            "m=102400,t=2,p=8",
            "m=65536,t=2,p=1",
            "m=47104,t=1,p=1",
            "m=16384,t=2,p=1",
            "m=12288,t=3,p=1",
            "m=7168,t=5,p=1",
        ];
        for cost in usual {
            assert!(is_hash(&costing(cost)), "{cost}");
        }
        for cost in ["m=262144,t=1,p=1", "m=102401,t=1,p=1", "m=102400,t=3,p=1", "m=65536,t=5,p=4", "m=1024,t=17,p=1"] {
            assert!(!is_hash(&costing(cost)) && !verify("secret", &costing(cost)), "{cost}");
        }
        for (cost, is_stored) in [("m=262144,t=16,p=1", true), ("m=262145,t=1,p=1", false), ("m=1024,t=17,p=1", false)]
        {
            assert_eq!(is_stored_hash(&costing(cost)), is_stored, "{cost}");
        }
    }

    #[test]
    fn nobody_has_a_hash_of_the_usual_cost_and_no_password() {
        assert!(is_hash(NOBODY) && !verify_nobody("") && !verify_nobody("tall green kettle"));
        assert!(hash("x", [0; SALT_BYTES]).unwrap().starts_with(&NOBODY[..31]));
    }

    #[test]
    fn a_password_that_is_guessed_first_may_not_be_chosen() {
        let chosen = |password: &str| check_choice(password, "Ann.Archer");
        assert_eq!(chosen("kettle7"), Err(Weak::Short));
        assert_eq!(chosen(&"k".repeat(BYTES_MAX + 1)), Err(Weak::Long));
        assert_eq!(chosen("ann.archer"), Err(Weak::UserName));
        for common in
            ["password", "Password123", "qwertyuiop", "LIVERPOOL", "1q2w3e4r", "\u{ff50}assword", "callcentre"]
        {
            assert_eq!(chosen(common), Err(Weak::Common), "{common}");
        }
        assert_eq!(chosen("\u{ff21}nn.Archer"), Err(Weak::UserName), "the same letters, wider");
        assert_eq!(chosen("tall green kettle"), Ok(()));
        assert_eq!(chosen("åäöåäöåä"), Ok(()));
        let changed = |before: &str, password: &str| check_change(before, password, "Ann.Archer");
        assert_eq!(changed("tall green kettle", "tall green kettle"), Err(Weak::Same));
        assert_eq!(changed("tall green kettle", "password"), Err(Weak::Common));
        assert_eq!(changed("tall green kettle", "slow brown teapot"), Ok(()));
    }
}
