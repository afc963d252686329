//! Hides digits in what an application says: they may be what a caller has typed, such as a PIN or a card number.

/// The shortest run of digits that is hidden wherever it stands.
const RUN_MIN: usize = 3;

/// The text without longer runs of digits.
pub(super) fn without_runs(text: &str) -> String {
    hidden(text, RUN_MIN)
}

/// The text without any digit.
pub(super) fn without_any(text: &str) -> String {
    hidden(text, 1)
}

fn hidden(text: &str, run_min: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
        let (digits, after) = from.split_at(end);
        out.push_str(before);
        out.push_str(if digits.len() >= run_min { "***" } else { digits });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_digits_are_hidden_and_where_one_is_a_secret_all_are() {
        assert_eq!(without_runs("pin 4711, try 2 of 3"), "pin ***, try 2 of 3");
        assert_eq!(without_any("pin 4711, try 2 of 3 ä"), "pin ***, try *** of *** ä");
    }
}
