//! Which names of objects are the same one: without regard to case, nor to the forms of a letter that PostgreSQL does not tell apart.

use std::collections::HashMap;

use super::{ObjectKey, ObjectKind};

/// The vowel am of Thai and Lao with its two parts: Unicode's form NFKC writes the parts, and nobody else does.
pub const AM: [(char, &str); 2] = [('\u{e33}', "\u{e4d}\u{e32}"), ('\u{eb3}', "\u{ecd}\u{eb2}")];

/// A name as names are compared. SQLite's tables tell more names apart (it folds the letters of ASCII alone), so objects of earlier
/// releases may have names that are one name here: [`BySpelling`] finds each of them by its own.
pub fn folded_name(name: &str) -> String {
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

impl ObjectKey {
    /// The key with its name as names are compared. Those of DNs are compared as they are.
    pub fn folded(&self) -> Self {
        let id = if self.kind == ObjectKind::Dn { self.id.clone() } else { folded_name(&self.id) };
        Self { kind: self.kind, id }
    }
}

/// Values by the keys of objects. One is found by exactly its key, else by another spelling of it.
pub struct BySpelling<V>(HashMap<ObjectKey, Vec<(ObjectKey, V)>>);

impl<V> BySpelling<V> {
    /// The value of a key; of its spellings the first one where none is exactly that.
    pub fn get(&self, key: &ObjectKey) -> Option<&V> {
        let spelled = self.0.get(&key.folded())?;
        let (_, value) = spelled.get(place(spelled, key))?;
        Some(value)
    }

    /// The same, which is then no longer there.
    pub fn take(&mut self, key: &ObjectKey) -> Option<V> {
        let spelled = self.0.get_mut(&key.folded()).filter(|spelled| !spelled.is_empty())?;
        let at = place(spelled, key);
        Some(spelled.remove(at).1)
    }

    /// The value of exactly that key, which is then no longer there.
    pub fn take_exact(&mut self, key: &ObjectKey) -> Option<V> {
        let spelled = self.0.get_mut(&key.folded())?;
        let at = spelled.iter().position(|(own, _)| own == key)?;
        Some(spelled.remove(at).1)
    }
}

fn place<V>(spelled: &[(ObjectKey, V)], key: &ObjectKey) -> usize {
    spelled.iter().position(|(own, _)| own == key).unwrap_or_default()
}

impl<V> FromIterator<(ObjectKey, V)> for BySpelling<V> {
    fn from_iter<I: IntoIterator<Item = (ObjectKey, V)>>(pairs: I) -> Self {
        let mut held: HashMap<ObjectKey, Vec<(ObjectKey, V)>> = HashMap::new();
        for (key, value) in pairs {
            let spelled = held.entry(key.folded()).or_default();
            match spelled.iter_mut().find(|(own, _)| *own == key) {
                Some((_, held)) => *held = value,
                None => spelled.push((key, value)),
            }
        }
        Self(held)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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

    fn person(name: &str) -> ObjectKey {
        ObjectKey { kind: ObjectKind::Person, id: name.to_owned() }
    }

    #[test]
    fn each_of_two_spellings_has_its_own_value() {
        let mut values: BySpelling<u8> = [(person("éva"), 1), (person("ÉVA"), 2)].into_iter().collect();
        assert_eq!(values.get(&person("ÉVA")), Some(&2));
        assert_eq!(values.get(&person("éva")), Some(&1));
        assert_eq!(values.get(&person("Éva")), Some(&1), "the first one is found by others");
        assert_eq!(values.get(&person("eva")), None);
        assert_eq!(values.take(&person("ÉVA")), Some(2));
        assert_eq!(values.take(&person("ÉVA")), Some(1), "what is left is another spelling");
        assert_eq!(values.take(&person("ÉVA")), None);
    }

    #[test]
    fn of_two_values_of_one_key_the_last_one_is_kept() {
        let mut values: BySpelling<u8> = [(person("ann"), 1), (person("ann"), 2)].into_iter().collect();
        assert_eq!((values.take(&person("ann")), values.take(&person("ann"))), (Some(2), None));
    }

    #[test]
    fn dns_are_told_apart_by_case() {
        let dn = |number: &str| ObjectKey { kind: ObjectKind::Dn, id: number.to_owned() };
        assert_ne!(dn("Queue").folded(), dn("queue").folded());
        assert_eq!(person("Queue").folded(), person("queue").folded());
    }

    /// Letters with several forms, and any others.
    fn names() -> impl Strategy<Value = String> {
        let letter = prop_oneof![
            prop::sample::select("ΣσςΟアあッっツつヵか\u{3095}םמןนำ\u{e4d}\u{e32}ÉéAaß ".chars().collect::<Vec<_>>()),
            any::<char>(),
        ];
        prop::collection::vec(letter, 0..12).prop_map(|letters| letters.into_iter().collect())
    }

    proptest! {
        #[test]
        fn a_folded_name_is_folded_already(name in names()) {
            let folded = folded_name(&name);
            prop_assert_eq!(folded_name(&folded), folded);
        }

        #[test]
        fn a_name_in_lower_case_is_the_same_name(name in names()) {
            prop_assert_eq!(folded_name(&name.to_lowercase()), folded_name(&name));
        }

        #[test]
        fn every_value_is_found_by_its_own_name(names in prop::collection::hash_set(names(), 0..12)) {
            let pairs: Vec<(ObjectKey, usize)> = names.iter().map(|name| person(name)).zip(0..).collect();
            let values: BySpelling<usize> = pairs.clone().into_iter().collect();
            for (key, number) in pairs {
                prop_assert_eq!(values.get(&key), Some(&number));
            }
        }
    }
}
