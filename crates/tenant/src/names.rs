//! Names of objects: which of them are the same one to the tables, and which ones a new object may have.

use contracts::provisioning::FaultCode;
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

/// The vowel am of Thai and Lao. NFKC writes it in two parts, and nobody else does.
const AM: [(char, &str); 2] = [('\u{e33}', "\u{e4d}\u{e32}"), ('\u{eb3}', "\u{ecd}\u{eb2}")];

/// The rule that a name breaks by itself. PostgreSQL takes names for the same one that differ in what this refuses, and SQLite does not.
pub(crate) fn name_fault(name: &str) -> Option<BrokenRule> {
    if name.chars().any(|sign| UNSEEN.iter().any(|(first, last)| (*first..=*last).contains(&sign))) {
        let words = "it has a character that nobody sees, as a soft hyphen or a space without width";
        return Some(BrokenRule::new(FaultCode::UnseenCharacter, words));
    }
    let words = "it is not in Unicode's form NFKC: accents are one with their letters, and letters have their usual width and form";
    (!is_nfkc(&name.replace(AM.map(|(am, _)| am), ""))).then(|| BrokenRule::new(FaultCode::NotNfkc, words))
}

/// A name as the tables compare it: without regard to case, nor to the forms of a letter that PostgreSQL does not tell apart.
pub(crate) fn folded_name(name: &str) -> String {
    let lower = name.to_lowercase();
    if lower.is_ascii() {
        return lower;
    }
    let whole = AM.iter().fold(lower, |name, (am, parts)| name.replace(*am, parts));
    whole.chars().map(usual_form).collect()
}

/// Letters at the end of words (Greek, Hebrew) as within them; katakana as hiragana, small kana as large.
const fn usual_form(letter: char) -> char {
    let letter = match letter {
        '\u{30a1}'..='\u{30f6}' | '\u{30fd}' | '\u{30fe}' => moved(letter, -0x60),
        other => other,
    };
    match letter {
        'ς' => 'σ',
        '\u{5da}' | '\u{5dd}' | '\u{5df}' | '\u{5e3}' | '\u{5e5}' => moved(letter, 1),
        'ぁ' | 'ぃ' | 'ぅ' | 'ぇ' | 'ぉ' | 'っ' | 'ゃ' | 'ゅ' | 'ょ' | 'ゎ' => moved(letter, 1),
        '\u{3095}' => 'か',
        '\u{3096}' => 'け',
        other => other,
    }
}

const fn moved(letter: char, by: i32) -> char {
    match char::from_u32((letter as u32).wrapping_add_signed(by)) {
        Some(moved) => moved,
        None => letter,
    }
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

    #[test]
    fn case_and_form_of_a_letter_do_not_count() {
        for (one, other) in [
            ("ANN", "ann"),
            ("ÉVA", "éva"),
            ("ΟΔΟΣ", "οδοσ"),
            ("οδος", "οδοσ"),
            ("アッ", "あつ"),
            ("ם", "מ"),
            ("ทำ", "ท\u{e4d}\u{e32}"),
        ] {
            assert_eq!(folded_name(one), folded_name(other), "{one} {other}");
        }
        for (one, other) in [("Ann", "Anna"), ("eva", "éva"), ("か", "が"), ("ß", "ss")] {
            assert_ne!(folded_name(one), folded_name(other), "{one} {other}");
        }
    }
}
