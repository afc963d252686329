//! The names by which people and clients sign in: one folding decides which of them are the same, whoever is looked for and whoever's
//! guesses are counted. A store that folds otherwise finds nobody under a name whose guesses would count as another's.

/// The name as it is compared: without regard to case, in any script.
pub fn folded(name: &str) -> String {
    // To upper case first, so that letters meet that have several small forms.
    name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// Whether both are the name of the same person, or of the same client.
pub fn is_same(one: &str, other: &str) -> bool {
    folded(one) == folded(other)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_does_not_matter_in_any_script() {
        for (one, other) in
            [("Ann.Archer", "ann.archer"), ("ÄNN", "änn"), ("ΟΔΟΣ", "οδος"), ("ΟΔΟΣ", "οδοσ"), ("\u{212A}ai", "kai")]
        {
            assert!(is_same(one, other), "{one} {other}");
        }
        for (one, other) in [("ann", "änn"), ("ann", "ann "), ("ann", "an\u{AD}n"), ("ann", "\u{FF41}nn")] {
            assert!(!is_same(one, other), "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn a_folded_name_is_folded(name in ".{0,20}") {
            let once = folded(&name);
            prop_assert_eq!(folded(&once), once);
        }
    }
}
