//! The passwords that are tried first by whoever guesses: `data/common-passwords.txt`, 10,000 of them, of [`super::CHARACTERS_MIN`]
//! characters and more. Where they come from is in NOTICE.

use std::cmp::Ordering;

/// One a line, folded (NFKC, lower case), in the order of their bytes, each line with its end.
const LIST: &str = include_str!("../../../../data/common-passwords.txt");

/// Whether a folded password is one of them. The text is searched as it is: nothing is made of it in memory.
pub(super) fn is_common(folded: &str) -> bool {
    let mut rest = LIST;
    // Each step leaves half of the lines, or none.
    while !rest.is_empty() {
        let (before, line, after) = middle(rest);
        match folded.as_bytes().cmp(line.as_bytes()) {
            Ordering::Equal => return true,
            Ordering::Less => rest = before,
            Ordering::Greater => rest = after,
        }
    }
    false
}

/// The line in the middle of some lines, and those before and after it.
fn middle(lines: &str) -> (&str, &str, &str) {
    // The list is ASCII, so that every byte begins a character.
    let (head, _) = lines.split_at_checked(lines.len() / 2).unwrap_or(("", lines));
    let begin = head.rfind('\n').map_or(0, |end| end + 1);
    let (before, from_line) = lines.split_at_checked(begin).unwrap_or(("", lines));
    let (line, after) = from_line.split_once('\n').unwrap_or((from_line, ""));
    (before, line, after)
}

#[cfg(test)]
mod tests {
    use super::super::{CHARACTERS_MIN, folded};
    use super::*;

    #[test]
    fn the_list_is_what_the_search_takes_it_for() {
        let lines: Vec<&str> = LIST.lines().collect();
        assert!(LIST.ends_with('\n') && LIST.is_ascii());
        assert_eq!(lines.len(), 10_000);
        assert!(lines.is_sorted_by(|one, next| one.as_bytes() < next.as_bytes()), "sorted, and each once");
        for line in &lines {
            assert!(line.len() >= CHARACTERS_MIN, "{line} cannot be chosen anyway");
            assert_eq!(folded(line), *line);
        }
    }

    #[test]
    fn each_of_them_is_found_and_nothing_beside_them() {
        let lines: Vec<&str> = LIST.lines().collect();
        for line in &lines {
            assert!(is_common(line), "{line}");
            let longer = format!("{line}\u{1}");
            assert!(!is_common(&longer), "{line}, and more");
        }
        for other in
            ["", "\n", "a", "zzzzzzzzzzzzzzzz\u{7f}", "tall green kettle", "password\nqwertyui", "ä", "\u{10ffff}"]
        {
            assert!(!is_common(other), "{other:?}");
        }
    }
}
