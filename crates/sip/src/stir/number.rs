//! Telephone numbers in the form in which they are signed (RFC 8224 §8.3).

/// The longest number that is signed or compared, in digits.
const DIGITS_MAX: usize = 32;
/// Digits of a number with its country code (E.164): the most, and fewer than any country has.
const GLOBAL_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// The canonical form: the digits, without `+` and visual separators; `*` and `#` of service numbers stay. None for what is no number.
///
/// The country code cannot be added here: what a number without one means depends on who sends it.
pub fn canonical(number: &str) -> Option<String> {
    let number = number.strip_prefix('+').unwrap_or(number);
    // The visual separators of RFC 3966 §5.1.1.
    let digits: String = number.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')' | ' ')).collect();
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'*' | b'#'));
    (is_number && (1..=DIGITS_MAX).contains(&digits.len())).then_some(digits)
}

/// The canonical form of a number that can be one with its country code; none for a shorter one, as phones have, and for service numbers.
pub fn telephone(number: &str) -> Option<String> {
    canonical(number)
        .filter(|digits| GLOBAL_DIGITS.contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()))
}
