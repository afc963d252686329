//! What is searched for.

use super::folding::spellings;
use super::{FoundPlace, SEARCH_FIELDS};
use crate::bounds;

/// A term: all its words have to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchTerm {
    /// The whole term, in each of its spellings.
    pub whole: Vec<String>,
    /// Its words, each in each of its spellings.
    pub words: Vec<Vec<String>>,
}

/// A search for targets. All texts in it are folded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetSearch {
    /// One of them has to fit; without any everything does.
    pub terms: Vec<SearchTerm>,
    /// Whether a field has to be the whole term.
    pub is_exact: bool,
    /// The fields that are searched, by their published names; without any all are.
    pub fields: Vec<String>,
    /// The types that count; none: all.
    pub types: Option<Vec<String>>,
    /// The groups whose members alone count, by name or number in lower case; none: all targets count.
    pub within: Option<Vec<String>>,
    /// The groups whose members do not count.
    pub without: Vec<String>,
    /// Whether the last comes first.
    pub is_descending: bool,
    /// The most that are told.
    pub limit: usize,
    /// Those behind that place alone are told.
    pub after: Option<FoundPlace>,
}

impl SearchTerm {
    /// A term as somebody has typed it; none if there is nothing in it.
    pub fn read(typed: &str) -> Option<Self> {
        let typed = typed.trim();
        let words: Vec<Vec<String>> = typed.split_whitespace().map(spellings).collect();
        // A character that only puts an accent on another one is no text by itself.
        let is_text = !words.is_empty() && words.iter().flatten().all(|word| !word.is_empty());
        is_text.then(|| Self { whole: spellings(typed), words })
    }
}

impl TargetSearch {
    /// The terms of a text in which commas stand between them; `*` finds all.
    ///
    /// # Errors
    /// Names the bound that it has passed.
    pub fn terms_of(text: &str) -> Result<Vec<SearchTerm>, String> {
        if text.len() > bounds::SEARCH_TEXT_MAX {
            return Err(format!("it has more than {} bytes", bounds::SEARCH_TEXT_MAX));
        }
        let typed = || text.split(',').map(str::trim).filter(|term| !term.is_empty());
        if typed().any(|term| term == "*") {
            return Ok(Vec::new());
        }
        let terms: Vec<SearchTerm> = typed().filter_map(SearchTerm::read).collect();
        let words = terms.iter().map(|term| term.words.len()).sum::<usize>();
        if words > bounds::SEARCH_WORDS_MAX {
            return Err(format!("it has more than {} words", bounds::SEARCH_WORDS_MAX));
        }
        Ok(terms)
    }

    /// The names of the fields that are searched; those that there are not are passed over.
    pub fn searched_fields(&self) -> Vec<&'static str> {
        let is_searched = |name: &&str| self.fields.is_empty() || self.fields.iter().any(|field| field == name);
        SEARCH_FIELDS.into_iter().filter(is_searched).collect()
    }

    /// Whether a target of these groups counts.
    pub fn admits_groups(&self, groups: &[String]) -> bool {
        let is_in = |wanted: &[String]| wanted.iter().any(|group| groups.contains(group));
        self.within.as_deref().is_none_or(is_in) && !is_in(&self.without)
    }

    /// How well folded texts fit, as [`FoundPlace::rank`] says; none if they do not.
    pub fn rank(&self, texts: &[&str]) -> Option<u8> {
        if self.terms.is_empty() {
            return Some(0);
        }
        let fitting = self.terms.iter().filter(|term| term.fits(texts, self.is_exact));
        fitting.map(|term| term.rank(texts)).max()
    }
}

impl SearchTerm {
    fn fits(&self, texts: &[&str], is_exact: bool) -> bool {
        if is_exact {
            return self.is_whole(texts);
        }
        let has = |spelt: &Vec<String>| spelt.iter().any(|word| texts.iter().any(|text| text.contains(word.as_str())));
        self.words.iter().all(has)
    }

    fn is_whole(&self, texts: &[&str]) -> bool {
        texts.iter().any(|text| self.whole.iter().any(|whole| text == whole))
    }

    fn rank(&self, texts: &[&str]) -> u8 {
        let begins = |text: &str| self.words.iter().flatten().any(|word| text.starts_with(word.as_str()));
        if self.is_whole(texts) {
            3
        } else if texts.iter().any(|text| begins(text)) {
            2
        } else {
            u8::from(texts.iter().any(|text| text.split_whitespace().any(begins)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(text: &str) -> TargetSearch {
        TargetSearch { terms: TargetSearch::terms_of(text).unwrap(), limit: 10, ..TargetSearch::default() }
    }

    #[test]
    fn who_is_meant_most_likely_has_the_highest_rank() {
        let texts = ["anna bell", "7101"];
        for (typed, rank) in [
            ("anna bell", Some(3)),
            ("ann", Some(2)),
            ("bell", Some(1)),
            ("ell", Some(0)),
            ("bell ann", Some(2)),
            ("bell carl", None),
            ("carl, 7101", Some(3)),
            ("*", Some(0)),
        ] {
            assert_eq!(search(typed).rank(&texts), rank, "{typed}");
        }
        let exact = TargetSearch { is_exact: true, ..search("anna") };
        assert_eq!(exact.rank(&texts), None);
    }

    #[test]
    fn what_is_too_much_is_refused() {
        assert!(TargetSearch::terms_of(&"x".repeat(bounds::SEARCH_TEXT_MAX + 1)).unwrap_err().contains("bytes"));
        assert!(TargetSearch::terms_of(&"a ".repeat(bounds::SEARCH_WORDS_MAX + 1)).unwrap_err().contains("words"));
        assert!(TargetSearch::terms_of(" , ").unwrap().is_empty());
        assert!(SearchTerm::read("\u{308}").is_none());
    }

    #[test]
    fn groups_admit_and_keep_out() {
        let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let asked = TargetSearch { within: Some(of(&["day"])), without: of(&["night"]), ..search("*") };
        assert!(asked.admits_groups(&of(&["day"])) && !asked.admits_groups(&of(&["day", "night"])));
        assert!(!asked.admits_groups(&[]) && search("*").admits_groups(&[]));
    }
}
