//! "Did you mean": the known name that is nearest to a mistyped one.

/// Maximum edits of a suggestion; more is guessing.
const EDITS_MAX: usize = 3;

/// The known name nearest to `typed`, if one is near.
pub fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|name| (strsim::levenshtein(typed, name), name))
        .filter(|(edits, name)| *edits <= EDITS_MAX.min(name.len() / 2))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_key_finds_its_neighbour() {
        let known = ["ring_timeout", "cache_max", "drain_deadline"];
        assert_eq!(nearest("ring_timout", known.into_iter()), Some("ring_timeout"));
        assert_eq!(nearest("drain_dealine", known.into_iter()), Some("drain_deadline"));
        assert_eq!(nearest("colour", known.into_iter()), None);
    }
}
