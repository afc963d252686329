//! "Did you mean": the known name that is nearest to a mistyped one.

/// Maximum edits of a suggestion; more is guessing.
const EDITS_MAX: usize = 3;

/// The known name nearest to `typed`, if one is near.
pub fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|name| (edits(typed, name), name))
        .filter(|(edits, name)| *edits <= EDITS_MAX.min(name.len() / 2))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, name)| name)
}

/// Number of characters to insert, remove or replace (Levenshtein distance).
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            let here = if x == *y { diagonal } else { 1 + diagonal.min(above).min(left) };
            (row[j], diagonal, left) = (left, above, here);
        }
        row[b.len()] = left;
    }
    row[b.len()]
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
        assert_eq!((edits("kitten", "sitting"), edits("", "abc"), edits("same", "same")), (3, 3, 0));
    }
}
