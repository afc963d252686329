//! Times as clocks on a wall show them, in a time zone.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use model::Timestamp;

/// Where the time of day begins in `2026-03-29T08:30`.
const TIME_AT: usize = 11;

/// The clocks of a time zone, by its name.
pub(super) fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| format!("there is no time zone {name:.64}"))
}

/// A moment of the model; none before 1970.
pub(super) fn moment(at: jiff::Timestamp) -> Option<Timestamp> {
    u64::try_from(at.as_millisecond()).ok().map(Timestamp::from_millis)
}

/// The moment of a time as `2026-03-29T08:30`, by the clocks of a zone. With an offset behind it, as `2026-10-25T02:30+02:00`, no zone is
/// needed.
pub(super) fn read(text: &str, clocks: &TimeZone) -> Result<Timestamp, String> {
    let wrong = || "it must be a time, as 2026-03-29T08:30, with an offset as +02:00 or without".to_owned();
    let has_offset = text.get(TIME_AT..).is_some_and(|time| time.contains(['+', '-', 'Z', 'z']));
    if has_offset {
        let at: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
        return moment(at).ok_or_else(wrong);
    }
    // Without a time of day it would be midnight, which nobody has said.
    if text.len() <= TIME_AT {
        return Err(wrong());
    }
    let shown: DateTime = text.parse().map_err(|_| wrong())?;
    let offset = match clocks.to_ambiguous_timestamp(shown).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset,
        AmbiguousOffset::Gap { .. } => return Err("clocks are put forward then: there is no such time".to_owned()),
        AmbiguousOffset::Fold { before, after } => {
            let rule = "clocks are put back then, and show it twice: say which, with the offset";
            return Err(format!("{rule} {before} or {after}"));
        }
    };
    offset.to_timestamp(shown).ok().and_then(moment).ok_or_else(wrong)
}
