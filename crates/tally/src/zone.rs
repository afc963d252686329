//! Converts a time zone's rules to the engine's table.

use jiff::tz::TimeZone;
use model::Timestamp;
use stats::Zone;

/// The most changes of offset in the table: those of about 40 years.
const CHANGES_MAX: usize = 100;
/// How long before now the table begins, in seconds.
const BEFORE_S: i64 = 2 * 366 * 86_400;

/// The table of the named zone, from two years before `now` on; UTC without a name or for an unknown one.
pub fn table(name: Option<&str>, now: Timestamp) -> Zone {
    let Some(name) = name else { return Zone::utc() };
    let Ok(zone) = TimeZone::get(name) else {
        tracing::error!(zone = name, "there is no such time zone: the day begins at midnight UTC");
        return Zone::utc();
    };
    let from = i64::try_from(now.as_secs()).unwrap_or(i64::MAX) - BEFORE_S;
    let Ok(from) = jiff::Timestamp::from_second(from.max(0)) else { return Zone::utc() };
    let at = |moment: jiff::Timestamp| Timestamp::from_millis(u64::try_from(moment.as_millisecond()).unwrap_or(0));
    let mut offsets = vec![(at(from), zone.to_offset(from).seconds())];
    offsets.extend(
        zone.following(from).take(CHANGES_MAX).map(|change| (at(change.timestamp()), change.offset().seconds())),
    );
    Zone::new(offsets)
}

#[cfg(test)]
mod tests {
    use stats::{Action, Category, Definition, Engine, Mask, ObjectId, ObjectType, Profile, Request, Subject};

    use super::*;

    /// The start of the day of `now` by the clocks of that zone, in seconds.
    fn midnight(zone: Option<&str>, now: u64) -> u64 {
        let now = Timestamp::from_millis(now * 1_000);
        let mut engine = Engine::new(table(zone, now));
        let of = [ObjectType::RoutePoint];
        let entered = Definition::new(&of, Category::TotalNumber, Subject::DNAction, Mask::of(&[Action::CallEntered]));
        let object = ObjectId::new(ObjectType::RoutePoint, "9000");
        let id = engine.open(Request::new(entered, object, Profile::day())).unwrap();
        engine.since(id, now).unwrap().as_secs()
    }

    #[test]
    fn the_day_begins_at_the_zones_midnight() {
        // 2026-07-01 12:00 UTC.
        let noon = 1_782_907_200;
        assert_eq!(midnight(None, noon), noon - 12 * 3_600);
        assert_eq!(midnight(Some("Europe/Berlin"), noon), noon - 14 * 3_600);
        assert_eq!(midnight(Some("America/New_York"), noon), noon - 8 * 3_600);
        assert_eq!(midnight(Some("Asia/Kolkata"), noon), noon - 63_000);
        assert_eq!(midnight(Some("Nowhere/At_All"), noon), noon - 12 * 3_600);
    }
}
