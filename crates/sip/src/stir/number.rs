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

/// The canonical form of a number that says that it has its country code (`+`); none for another one, as phones have and as are dialled
/// within a country: signed as they are, they would be other numbers.
pub fn telephone(number: &str) -> Option<String> {
    let digits = number.strip_prefix('+').and_then(canonical)?;
    let is_global = GLOBAL_DIGITS.contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_global.then_some(digits)
}

/// The same of a number that is called; or a service number, which has no country code, as that of an emergency (RFC 8224 section 8.3).
pub fn called(number: &str) -> Option<String> {
    let service =
        || canonical(number).filter(|digits| digits.len() < *GLOBAL_DIGITS.start() && !number.starts_with('+'));
    telephone(number).or_else(service)
}
