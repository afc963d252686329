//! Business hours: when a number is open, by weekday, with dates that differ.
//!
//! A line of hours is `Mon-Fri 08:00-18:00` or `Mon,Wed 09:00-12:00`; one that ends before it begins goes on after midnight. An exception
//! is `2026-12-24 09:00-12:00`, `2026-12-25 closed` or `2026-12-27..2026-12-31 closed`; it replaces the hours of its dates.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use model::Timestamp;

/// The most lines of hours, and the most exceptions, of one schedule: ten a day, and a line for every day of three years.
pub const LINES_MAX: usize = 1_100;

/// Minutes of a day.
const DAY: u16 = 24 * 60;
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// When a number is open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpeningHours {
    zone: TimeZone,
    week: Vec<(Days, Hours)>,
    exceptions: Vec<Exception>,
}

/// Days of the week: a bit for each, Monday first.
type Days = u8;

/// From and until, in minutes after midnight. The end may be that of the next day's morning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Hours {
    from: u16,
    until: u16,
}

/// Dates with hours of their own.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Exception {
    first: Date,
    last: Date,
    /// None: closed.
    hours: Option<Hours>,
}

/// Why a text is no part of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpeningHoursError {
    /// There is no such time zone.
    #[error("there is no time zone {0:?}: it is a name as \"Europe/Berlin\" or \"UTC\"")]
    Zone(String),
    /// It is no line of hours.
    #[error("{0:?} is no line of hours, as \"Mon-Fri 08:00-18:00\" or \"Sat,Sun 10:00-14:00\"")]
    Hours(String),
    /// It is no exception.
    #[error(
        "{0:?} is no exception, as \"2026-12-24 09:00-12:00\", \"2026-12-25 closed\" or \"2026-12-27..2026-12-31 closed\""
    )]
    Exception(String),
}

impl OpeningHours {
    /// Reads a schedule; without a zone its clock is UTC.
    ///
    /// # Errors
    /// The first line that is not one.
    pub fn parse<T: AsRef<str>>(zone: Option<&str>, week: &[T], exceptions: &[T]) -> Result<Self, OpeningHoursError> {
        let zone = match zone {
            Some(name) => TimeZone::get(name).map_err(|_| OpeningHoursError::Zone(name.to_owned()))?,
            None => TimeZone::UTC,
        };
        let week = week.iter().map(|line| Self::parse_hours(line.as_ref())).collect::<Result<_, _>>()?;
        let exceptions = exceptions.iter().map(|line| parse_exception(line.as_ref())).collect::<Result<_, _>>()?;
        Ok(Self { zone, week, exceptions })
    }

    fn parse_hours(line: &str) -> Result<(Days, Hours), OpeningHoursError> {
        let read = || {
            let (days, hours) = line.split_once(' ')?;
            Some((parse_days(days)?, parse_span(hours)?))
        };
        read().ok_or_else(|| OpeningHoursError::Hours(line.to_owned()))
    }

    /// Whether a line of hours can be read.
    ///
    /// # Errors
    /// Why not.
    pub fn check_hours(line: &str) -> Result<(), OpeningHoursError> {
        Self::parse_hours(line).map(drop)
    }

    /// Whether an exception can be read.
    ///
    /// # Errors
    /// Why not.
    pub fn check_exception(line: &str) -> Result<(), OpeningHoursError> {
        parse_exception(line).map(drop)
    }

    /// Whether it is open at that moment.
    pub fn is_open(&self, now: Timestamp) -> bool {
        let micros = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
        let Ok(now) = jiff::Timestamp::from_microsecond(micros) else { return false };
        let here = now.to_zoned(self.zone.clone());
        let minute =
            u16::try_from(here.hour()).unwrap_or_default() * 60 + u16::try_from(here.minute()).unwrap_or_default();
        let today = here.date();
        let is_open_today = self
            .hours_of(today)
            .any(|hours| hours.from <= minute && (hours.until <= hours.from || minute < hours.until));
        let goes_on = |hours: Hours| hours.until <= hours.from && minute < hours.until;
        is_open_today || today.yesterday().is_ok_and(|yesterday| self.hours_of(yesterday).any(goes_on))
    }

    /// The hours that begin on a date.
    fn hours_of(&self, date: Date) -> impl Iterator<Item = Hours> {
        let of_date = move |exception: &&Exception| exception.first <= date && date <= exception.last;
        let is_exception = self.exceptions.iter().any(|exception| of_date(&exception));
        let exceptions = self.exceptions.iter().filter(of_date).filter_map(|exception| exception.hours);
        let day = bit(date.weekday());
        let week = self.week.iter().filter(move |(days, _)| !is_exception && days & day != 0).map(|(_, hours)| *hours);
        exceptions.chain(week)
    }
}

fn bit(day: Weekday) -> Days {
    1 << u8::try_from(day.to_monday_zero_offset()).unwrap_or_default()
}

fn parse_days(text: &str) -> Option<Days> {
    let day = |name: &str| WEEKDAYS.iter().position(|day| day.eq_ignore_ascii_case(name));
    let mut days = 0;
    for part in text.split(',') {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (day(first)?, day(last)?),
            None => (day(part)?, day(part)?),
        };
        // Fri-Mon goes over the end of the week.
        let count = (last + WEEKDAYS.len() - first) % WEEKDAYS.len();
        days |= (0..=count).fold(0, |days, step| days | 1 << ((first + step) % WEEKDAYS.len()));
    }
    Some(days)
}

fn parse_span(text: &str) -> Option<Hours> {
    let (from, until) = text.split_once('-')?;
    let (from, until) = (parse_time(from)?, parse_time(until)?);
    (from < DAY && from != until).then_some(Hours { from, until })
}

/// Minutes after midnight of a time as 08:00; 24:00 is the end of the day.
fn parse_time(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| {
        (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    let minutes = hour * 60 + minute;
    (minute < 60 && minutes <= DAY).then_some(minutes)
}

fn parse_exception(line: &str) -> Result<Exception, OpeningHoursError> {
    let read = || {
        let (dates, hours) = line.split_once(' ')?;
        let (first, last) = dates.split_once("..").unwrap_or((dates, dates));
        let (first, last) = (first.parse::<Date>().ok()?, last.parse::<Date>().ok()?);
        let hours = if hours == "closed" { None } else { Some(parse_span(hours)?) };
        (first <= last).then_some(Exception { first, last, hours })
    };
    read().ok_or_else(|| OpeningHoursError::Exception(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A moment by the clocks of Berlin.
    fn berlin(text: &str) -> Timestamp {
        let zoned = format!("{text}[Europe/Berlin]").parse::<jiff::Zoned>().expect("a time");
        Timestamp::from_micros(u64::try_from(zoned.timestamp().as_microsecond()).expect("after 1970"))
    }

    fn schedule(week: &[&str], exceptions: &[&str]) -> OpeningHours {
        OpeningHours::parse(Some("Europe/Berlin"), week, exceptions).expect("a schedule")
    }

    #[test]
    fn hours_are_those_of_the_weekday_on_the_clocks_of_the_zone() {
        let office = schedule(&["Mon-Fri 08:00-18:00", "sat 09:00-12:00"], &[]);
        for (at, is_open) in [
            // A Friday in winter, and a Monday in summer.
            ("2026-11-27T07:59:59", false),
            ("2026-11-27T08:00:00", true),
            ("2026-11-27T17:59:59", true),
            ("2026-11-27T18:00:00", false),
            ("2026-07-06T08:00:00", true),
            ("2026-07-06T07:59:59", false),
            ("2026-11-28T11:00:00", true),
            ("2026-11-28T12:00:00", false),
            ("2026-11-29T11:00:00", false),
        ] {
            assert_eq!(office.is_open(berlin(at)), is_open, "{at}");
        }
    }

    #[test]
    fn an_exception_replaces_the_hours_of_its_dates() {
        let office = schedule(
            &["Mon-Fri 08:00-18:00"],
            &[
                "2026-12-24 09:00-12:00",
                "2026-12-25..2026-12-26 closed",
                "2026-12-27 10:00-11:00",
                "2026-12-27 13:00-14:00",
            ],
        );
        for (at, is_open) in [
            ("2026-12-23T17:00:00", true),
            ("2026-12-24T08:30:00", false),
            ("2026-12-24T09:30:00", true),
            ("2026-12-24T12:30:00", false),
            ("2026-12-25T10:00:00", false),
            ("2026-12-27T10:30:00", true),
            ("2026-12-27T12:00:00", false),
            ("2026-12-27T13:30:00", true),
            ("2026-12-28T10:00:00", true),
        ] {
            assert_eq!(office.is_open(berlin(at)), is_open, "{at}");
        }
    }

    #[test]
    fn hours_may_go_on_after_midnight_and_days_after_the_end_of_the_week() {
        let night = schedule(&["Fri-Sat 22:00-06:00"], &["2026-12-05 closed"]);
        for (at, is_open) in [
            ("2026-11-27T21:59:00", false),
            ("2026-11-27T22:00:00", true),
            ("2026-11-28T05:59:00", true),
            ("2026-11-28T06:00:00", false),
            ("2026-11-29T05:59:00", true),
            ("2026-11-30T05:59:00", false),
            // The night from Friday goes on, that from Saturday does not begin.
            ("2026-12-05T03:00:00", true),
            ("2026-12-05T23:00:00", false),
            ("2026-12-06T03:00:00", false),
        ] {
            assert_eq!(night.is_open(berlin(at)), is_open, "{at}");
        }
        let over = schedule(&["Sun-Mon,wed 00:00-24:00"], &[]);
        for (at, is_open) in [
            ("2026-11-28T12:00:00", false),
            ("2026-11-29T23:59:00", true),
            ("2026-11-30T00:00:00", true),
            ("2026-12-01T00:00:00", false),
            ("2026-12-02T12:00:00", true),
        ] {
            assert_eq!(over.is_open(berlin(at)), is_open, "{at}");
        }
    }

    #[test]
    fn what_is_no_schedule_says_why() {
        for line in
            ["", "Mon", "Mon 8:00-18:00", "Mon 08:00-08:00", "Mon 24:00-08:00", "Mon 08:00-24:01", "Mo 08:00-09:00"]
        {
            assert_eq!(OpeningHours::check_hours(line), Err(OpeningHoursError::Hours(line.to_owned())));
        }
        for line in
            ["2026-12-25", "2026-13-25 closed", "2026-12-26..2026-12-25 closed", "25.12.2026 closed", "2026-12-25 open"]
        {
            assert_eq!(OpeningHours::check_exception(line), Err(OpeningHoursError::Exception(line.to_owned())));
        }
        let nowhere = OpeningHours::parse(Some("Nowhere/AtAll"), &["Mon 08:00-18:00"], &[]);
        assert_eq!(nowhere, Err(OpeningHoursError::Zone("Nowhere/AtAll".to_owned())));
    }

    proptest! {
        #[test]
        fn an_open_week_without_exceptions_is_always_open(secs in 0_u64..4_000_000_000) {
            let always = schedule(&["Mon-Sun 00:00-24:00"], &[]);
            prop_assert!(always.is_open(Timestamp::from_millis(secs * 1_000)));
            let never = schedule(&[], &[]);
            prop_assert!(!never.is_open(Timestamp::from_millis(secs * 1_000)));
        }

        #[test]
        fn no_text_makes_it_panic(line in ".{0,40}") {
            let _ = (OpeningHours::check_hours(&line), OpeningHours::check_exception(&line));
        }
    }
}
