//! Date (RFC 3261 §20.17): the fixed RFC 1123 form, always GMT.

/// Whether `value` is of the form `Sat, 13 Nov 2010 23:29:00 GMT`.
pub fn is_valid(value: &str) -> bool {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = value.split(' ');
    let mut next = || words.next().unwrap_or_default();
    let (weekday, day, month, year, time, zone) = (next(), next(), next(), next(), next(), next());
    let digits = |text: &str, len: usize| text.len() == len && text.bytes().all(|b| b.is_ascii_digit());
    let mut clock = time.split(':');
    weekday.strip_suffix(',').is_some_and(|d| DAYS.iter().any(|day| day.eq_ignore_ascii_case(d)))
        && digits(day, 2)
        && MONTHS.iter().any(|m| m.eq_ignore_ascii_case(month))
        && digits(year, 4)
        && (0..3).all(|_| digits(clock.next().unwrap_or_default(), 2))
        && clock.next().is_none()
        && zone.eq_ignore_ascii_case("GMT")
        && words.next().is_none()
}
