//! Texts as they are compared: without regard to case, accents and umlauts.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// What makes an umlaut of a letter, behind it (canonical decomposition).
const DIAERESIS: char = '\u{308}';

/// A text in lower case, its letters without accents: `Müller` and `Muller` are the same.
pub fn folded(text: &str) -> String {
    plain_letters(decomposed(text))
}

/// The ways in which a text may be written: folded, and with the umlauts of German as two letters where it has some. `Müller` is found by
/// `muller` and by `mueller`, and `müller` finds both.
pub fn spellings(text: &str) -> Vec<String> {
    let plain = folded(text);
    let mut written_out = String::with_capacity(text.len() + 2);
    for letter in decomposed(text) {
        let is_umlaut = letter == DIAERESIS && written_out.ends_with(['a', 'o', 'u']);
        written_out.push(if is_umlaut { 'e' } else { letter });
    }
    let written_out = plain_letters(written_out.chars());
    if written_out == plain { vec![plain] } else { vec![plain, written_out] }
}

/// Lower case, with each accent behind its letter.
fn decomposed(text: &str) -> impl Iterator<Item = char> + '_ {
    text.nfkd().flat_map(char::to_lowercase)
}

fn plain_letters(decomposed: impl Iterator<Item = char>) -> String {
    let mut plain = String::new();
    for letter in decomposed.filter(|letter| !is_combining_mark(*letter)) {
        match undivided(letter) {
            Some(letters) => plain.push_str(letters),
            None => plain.push(letter),
        }
    }
    plain
}

/// Latin letters that are no other letter with an accent, as they are typed without them.
const fn undivided(letter: char) -> Option<&'static str> {
    Some(match letter {
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'ß' => "ss",
        'đ' | 'ð' => "d",
        'ħ' => "h",
        'ı' => "i",
        'ł' => "l",
        'ŋ' => "n",
        'ŧ' => "t",
        'þ' => "th",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_the_same_with_and_without_accents() {
        for (written, plain) in [
            ("MÜLLER", "muller"),
            ("Mu\u{308}ller", "muller"),
            ("Straße", "strasse"),
            ("Łódź", "lodz"),
            ("Ærø", "aero"),
            ("İzmir", "izmir"),
            ("Žižek Ñandú", "zizek nandu"),
            ("Nguyễn", "nguyen"),
            ("Иванов 7101", "иванов 7101"),
        ] {
            assert_eq!(folded(written), plain, "{written}");
        }
    }

    #[test]
    fn umlauts_are_one_letter_or_two() {
        assert_eq!(spellings("Müller"), ["muller", "mueller"]);
        assert_eq!(spellings("Mu\u{308}ller"), ["muller", "mueller"]);
        assert_eq!(spellings("Mueller"), ["mueller"]);
        assert_eq!(spellings("Zoë"), ["zoe"]);
    }

    proptest! {
        #[test]
        fn what_is_folded_stays_so(text in "[\\p{Latin}\\p{Cyrillic}\\p{Greek}0-9 .@-]{0,30}") {
            let once = folded(&text);
            prop_assert_eq!(folded(&once), once);
        }
    }
}
