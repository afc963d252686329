//! Which names a new object may have. Which of them are one name, `contracts::provisioning::folded_name` says.

use std::collections::BTreeSet;

use contracts::provisioning::{AM, ActionCode, FaultCode, folded_name};
use unicode_normalization::is_nfkc;

use crate::broken_rule::BrokenRule;

/// Characters that nobody sees, and that collations skip (Unicode's Default_Ignorable_Code_Point, and those for annotations).
const UNSEEN: [(char, char); 17] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// The rule that a name breaks by itself. PostgreSQL takes names for the same one that differ in what this refuses, and SQLite does not.
pub(crate) fn name_fault(name: &str) -> Option<BrokenRule> {
    if name.chars().any(|sign| UNSEEN.iter().any(|(first, last)| (*first..=*last).contains(&sign))) {
        let words = "it has a character that nobody sees, as a soft hyphen or a space without width";
        return Some(BrokenRule::new(FaultCode::UnseenCharacter, words));
    }
    let words = "it is not in Unicode's form NFKC: accents are one with their letters, and letters have their usual width and form";
    (!is_nfkc(&name.replace(AM.map(|(am, _)| am), ""))).then(|| BrokenRule::new(FaultCode::NotNfkc, words))
}

/// What a request may have as its reason, as it is compared: the code, or the name. No two reasons may share one.
pub(crate) fn reason_words(reason: &ActionCode) -> BTreeSet<String> {
    [folded_name(&reason.code), folded_name(&reason.name)].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_one_name_to_a_collation_are_refused_in_all_forms_but_one() {
        for usual in
            ["ann@d.example", "Zoë Müller", "Ω", "Οδυσσεύς", "山田 太郎", "が", "한국", "Team 2 / EU", "naïve", "น้ำ"]
        {
            assert_eq!(name_fault(usual), None, "{usual}");
        }
        for other in ["Zoe\u{308}", "ａｎｎ", "ﬁn", "m²", "\u{212a}elvin", "x\u{a0}y"] {
            let fault = name_fault(other).unwrap();
            assert!(fault.code == FaultCode::NotNfkc && fault.words.contains("NFKC"), "{other:?}");
        }
        for unseen in ["an\u{200b}n", "an\u{ad}n", "\u{feff}ann", "a\u{34f}nn", "ann\u{fe0f}"] {
            let fault = name_fault(unseen).unwrap();
            assert!(fault.code == FaultCode::UnseenCharacter && fault.words.contains("nobody sees"), "{unseen:?}");
        }
    }
}
