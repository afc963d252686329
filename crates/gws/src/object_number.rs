//! Numbers of objects (`DBID`), by which the published APIs name what we name by its kind and its name.

use crate::stable_hash;

/// The greatest number: published clients in Java read an `Integer`.
const NUMBER_MAX: u64 = (1 << 31) - 1;

/// The number of an object, from 1 to 2^31-1: the same at every replica and after every start. Names are compared without regard to case,
/// as objects are found by them. Of 100,000 people two or three pairs share a number: nothing is looked up by it alone.
pub(crate) fn of(kind: &str, name: &str) -> u64 {
    stable_hash::of(&[kind.as_bytes(), name.to_lowercase().as_bytes()]) % NUMBER_MAX + 1
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_number_fits_an_integer_of_java_and_few_objects_share_one() {
        let names = (0..200_000).map(|n| format!("person{n:06}"));
        let numbers: HashSet<u64> = names.map(|name| of("person", &name)).collect();
        assert!(numbers.len() > 199_900, "{}", numbers.len());
        assert!(numbers.iter().all(|number| i32::try_from(*number).is_ok_and(|number| number > 0)));
    }

    #[test]
    fn a_number_is_that_of_every_build() {
        assert_eq!(of("person", "ann"), 1_096_841_341);
    }

    #[test]
    fn kinds_are_told_apart_and_case_is_not() {
        assert_ne!(of("person", "sales"), of("place", "sales"));
        assert_ne!(of("ab", "c"), of("a", "bc"));
        assert_eq!(of("person", "Ann"), of("person", "ann"));
    }
}
