//! When the files of a day are due, by the tenant's clocks.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use model::Timestamp;

/// What is to be done about a tenant.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DueDay {
    /// The files of this day are written now.
    Now(Date),
    /// Nothing is due before then.
    At(Timestamp),
}

/// Reads a time of day.
pub(super) fn time_of_day(text: &str) -> Result<Time, String> {
    let is_short = text.len() == 5 && text.as_bytes().get(2) == Some(&b':');
    let time = is_short.then(|| text.parse().ok()).flatten();
    time.ok_or_else(|| "it must be a time of day, as 02:30".to_owned())
}

/// What is due at `now`. Who has just begun does not wait for the time of day if the day has no files.
pub(super) fn due(
    now: Timestamp,
    zone: &TimeZone,
    at: Time,
    has_just_begun: bool,
    has_files: impl Fn(Date) -> bool,
) -> anyhow::Result<DueDay> {
    let today = local_day(now, zone)?;
    if has_files(today) {
        return Ok(DueDay::At(moment(today.tomorrow()?, at, zone)?));
    }
    let due = moment(today, at, zone)?;
    Ok(if has_just_begun || due <= now { DueDay::Now(today) } else { DueDay::At(due) })
}

/// The day of a moment, by the clocks of that zone.
pub(super) fn local_day(at: Timestamp, zone: &TimeZone) -> anyhow::Result<Date> {
    let moment = jiff::Timestamp::from_microsecond(i64::try_from(at.as_micros())?)?;
    Ok(moment.to_zoned(zone.clone()).date())
}

/// A time of day that the clocks skip is the one after the change; of two that they show it is the first.
fn moment(day: Date, at: Time, zone: &TimeZone) -> anyhow::Result<Timestamp> {
    let moment = day.to_datetime(at).to_zoned(zone.clone())?.timestamp();
    Ok(Timestamp::from_micros(u64::try_from(moment.as_microsecond())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        let moment: jiff::Timestamp = text.parse().unwrap();
        Timestamp::from_micros(moment.as_microsecond().try_into().unwrap())
    }

    fn due_in_berlin(now: &str, has_just_begun: bool, written: &[&str]) -> DueDay {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let has_files = |day: Date| written.contains(&day.to_string().as_str());
        due(at(now), &zone, time_of_day("02:30").unwrap(), has_just_begun, has_files).unwrap()
    }

    #[test]
    fn the_day_and_its_time_are_those_of_the_tenants_clocks() {
        let day = Date::constant(2026, 7, 2);
        assert_eq!(due_in_berlin("2026-07-01T23:00:00Z", false, &[]), DueDay::At(at("2026-07-02T00:30:00Z")));
        assert_eq!(due_in_berlin("2026-07-02T00:30:00Z", false, &[]), DueDay::Now(day));
        let next = DueDay::At(at("2026-07-03T00:30:00Z"));
        assert_eq!(due_in_berlin("2026-07-02T00:30:01Z", false, &["2026-07-02"]), next);
    }

    #[test]
    fn who_begins_writes_what_the_day_lacks_and_nothing_twice() {
        assert_eq!(
            due_in_berlin("2026-07-01T22:10:00Z", true, &["2026-07-01"]),
            DueDay::Now(Date::constant(2026, 7, 2))
        );
        let next = DueDay::At(at("2026-07-03T00:30:00Z"));
        assert_eq!(due_in_berlin("2026-07-01T22:10:00Z", true, &["2026-07-02"]), next);
    }

    #[test]
    fn a_time_that_the_clocks_skip_is_the_one_after_the_change() {
        // On 2026-03-29 the clocks go from 02:00 to 03:00.
        assert_eq!(due_in_berlin("2026-03-28T23:30:00Z", false, &[]), DueDay::At(at("2026-03-29T01:30:00Z")));
    }

    #[test]
    fn only_hours_and_minutes_are_a_time_of_day() {
        for wrong in ["", "2:30", "24:00", "02.30", "02:30:00", "T0230", "noon!"] {
            assert!(time_of_day(wrong).is_err(), "{wrong}");
        }
    }
}
