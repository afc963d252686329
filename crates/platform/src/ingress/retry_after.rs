//! When a receiver wants to be asked again: `Retry-After` in seconds or as a date (RFC 9110 section 10.2.3).

use std::time::Duration;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY_S: u64 = 86_400;
/// Days from the 1st of March of the year 0 to 1970.
const DAYS_TO_1970: u64 = 719_468;

/// The wait that a value asks for at this time, in seconds since 1970. None: it cannot be read.
pub(super) fn wait(value: &str, now_s: u64) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    Some(Duration::from_secs(seconds_of(value)?.saturating_sub(now_s)))
}

/// The seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7). Its obsolete forms are not read.
fn seconds_of(date: &str) -> Option<u64> {
    let (_, rest) = date.split_once(", ")?;
    let mut words = rest.split(' ');
    let (day, month, year) = (words.next()?.parse::<u64>().ok()?, words.next()?, words.next()?.parse::<u64>().ok()?);
    let mut time = words.next()?.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let month = MONTHS.iter().position(|name| *name == month)? as u64;
    let is_over = words.next() == Some("GMT") && words.next().is_none() && time.next().is_none();
    let is_date =
        (1..=31).contains(&day) && (1_970..=9_999).contains(&year) && hour < 24 && minute < 60 && second <= 60;
    if !is_over || !is_date {
        return None;
    }
    // Years begin in March here, so that the day that some have more is their last.
    let (year, month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - DAYS_TO_1970;
    Some(days * DAY_S + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_a_wait_until_then() {
        for (date, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
            ("Wed, 01 Mar 2000 00:00:01 GMT", 951_868_801),
            ("Thu, 31 Dec 2026 23:59:59 GMT", 1_798_761_599),
        ] {
            assert_eq!(seconds_of(date), Some(seconds), "{date}");
        }
        let wait = |now_s| wait(" Sun, 06 Nov 1994 08:49:37 GMT", now_s).map(|wait| wait.as_secs());
        assert_eq!((wait(784_111_700), wait(784_111_777), wait(784_111_900)), (Some(77), Some(0), Some(0)));
    }

    #[test]
    fn what_is_neither_seconds_nor_a_date_says_nothing() {
        assert_eq!(wait(" 120 ", 7), Some(Duration::from_secs(120)));
        for wrong in [
            "",
            "soon",
            "-1",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 08:49:37 GMT GMT",
            "Sun, 06 Now 1994 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "Sun, 06 Nov 99999999999999999999 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
        ] {
            assert_eq!(wait(wrong, 7), None, "{wrong:?}");
        }
    }
}
