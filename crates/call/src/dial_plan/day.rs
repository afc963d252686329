//! The tenant's day: what may be spent in a day begins anew when it ends.

use jiff::ToSpan as _;
use jiff::tz::TimeZone;
use model::Timestamp;

/// Days by the clock of a time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Days(TimeZone);

impl Default for Days {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl Days {
    /// Those of an IANA time zone, if there is one of that name.
    pub fn of(zone: &str) -> Option<Self> {
        TimeZone::get(zone).ok().map(Self)
    }

    /// When the day ends that it is now: the next local midnight, or the first moment after it where that is left out.
    pub fn end(&self, now: Timestamp) -> Timestamp {
        let micros = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
        let end = jiff::Timestamp::from_microsecond(micros)
            .and_then(|now| now.to_zoned(self.0.clone()).start_of_day())
            .and_then(|begin| begin.checked_add(1.day()))
            .and_then(|next| next.start_of_day());
        let micros = end.map_or(0, |end| u64::try_from(end.timestamp().as_microsecond()).unwrap_or_default());
        Timestamp::from_micros(micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        let micros = text.parse::<jiff::Timestamp>().expect("a time").as_microsecond();
        Timestamp::from_micros(u64::try_from(micros).expect("after 1970"))
    }

    #[test]
    fn a_day_ends_at_local_midnight_also_when_it_has_23_or_25_hours() {
        let utc = Days::default();
        assert_eq!(utc.end(at("2026-11-27T00:00:00Z")), at("2026-11-28T00:00:00Z"));
        assert_eq!(utc.end(at("2026-11-27T23:59:59Z")), at("2026-11-28T00:00:00Z"));
        let berlin = Days::of("Europe/Berlin").expect("a zone");
        assert_eq!(berlin.end(at("2026-11-27T22:59:59Z")), at("2026-11-27T23:00:00Z"));
        assert_eq!(berlin.end(at("2026-11-27T23:00:00Z")), at("2026-11-28T23:00:00Z"));
        assert_eq!(berlin.end(at("2026-03-29T10:00:00Z")), at("2026-03-29T22:00:00Z"));
        assert_eq!(berlin.end(at("2026-10-24T22:30:00Z")), at("2026-10-25T23:00:00Z"));
        // Midnight was left out there on that day.
        let sao_paulo = Days::of("America/Sao_Paulo").expect("a zone");
        assert_eq!(sao_paulo.end(at("2018-11-03T12:00:00Z")), at("2018-11-04T03:00:00Z"));
        assert_eq!(Days::of("Nowhere/Else"), None);
    }
}
