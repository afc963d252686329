//! Times in queries: moments as RFC 3339 has them, and lengths of steps.

use std::time::Duration;

use model::Timestamp;
use net::http::Problem;

use super::queue_steps::STEP;

/// What is answered where no begin is asked for.
const USUAL: Duration = Duration::from_secs(86_400);
/// The longest step.
const STEP_MAX: Duration = Duration::from_secs(86_400);

/// From when, and up to when: by default the day before `now`.
pub(super) fn window(from: Option<&str>, to: Option<&str>, now: Timestamp) -> Result<(Timestamp, Timestamp), Problem> {
    let to = to.map(|text| moment("to", text)).transpose()?.unwrap_or(now);
    let from = from.map(|text| moment("from", text)).transpose()?.unwrap_or(to - USUAL);
    if from >= to {
        return Err(Problem::bad_request("from: it must be before to"));
    }
    Ok((from, to))
}

/// The same, in whole quarters of an hour: a moment that is asked for must be at one. Without `to` it is the present, in the midst of one.
pub(super) fn window_of_steps(
    from: Option<&str>,
    to: Option<&str>,
    now: Timestamp,
) -> Result<(Timestamp, Timestamp), Problem> {
    let asked = [("from", from.is_some()), ("to", to.is_some())];
    let (from, to) = window(from, to, now)?;
    for ((parameter, is_asked_for), at) in asked.into_iter().zip([from, to]) {
        if is_asked_for && !past_quarter(at).is_zero() {
            let rule = "it must be at a quarter of an hour, as 2026-07-02T08:15:00Z";
            return Err(Problem::bad_request(format!("{parameter}: {rule}")));
        }
    }
    Ok((from - past_quarter(from), to))
}

/// How long after a quarter of an hour a moment is.
fn past_quarter(at: Timestamp) -> Duration {
    Duration::from_micros(at.as_micros() % micros(STEP))
}

/// The length of a step, as `15m`, `1h` or `1d`.
pub(super) fn step(text: Option<&str>) -> Result<Duration, Problem> {
    let Some(text) = text else { return Ok(STEP) };
    let read = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let seconds = match unit {
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return None,
        };
        let length = Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds)?);
        let fits = length >= STEP && length <= STEP_MAX && length.as_secs().is_multiple_of(STEP.as_secs());
        fits.then_some(length)
    };
    read().ok_or_else(|| Problem::bad_request("step: it must be a multiple of 15m up to 1d, as 30m"))
}

/// A moment as it is shown.
pub(super) fn shown(at: Timestamp) -> String {
    let moment = i64::try_from(at.as_micros()).ok().and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok());
    moment.unwrap_or(jiff::Timestamp::MAX).to_string()
}

fn moment(parameter: &str, text: &str) -> Result<Timestamp, Problem> {
    let read: Option<jiff::Timestamp> = text.parse().ok();
    let micros = read.and_then(|moment| u64::try_from(moment.as_microsecond()).ok());
    let wrong = || Problem::bad_request(format!("{parameter}: it must be a time, as 2026-07-02T08:15:00Z"));
    micros.map(Timestamp::from_micros).ok_or_else(wrong)
}

fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        moment("at", text).unwrap()
    }

    #[test]
    fn times_are_read_with_any_offset_and_shown_in_utc() {
        assert_eq!(shown(at("2026-07-02T10:15:00+02:00")), "2026-07-02T08:15:00Z");
        let now = at("2026-07-02T08:20:00Z");
        assert_eq!(window(None, None, now).unwrap(), (at("2026-07-01T08:20:00Z"), now));
        assert!(window(Some("2026-07-02T09:00:00Z"), None, now).is_err());
        assert!(window(Some("yesterday"), None, now).is_err());
    }

    #[test]
    fn steps_begin_and_end_at_quarters_of_an_hour() {
        let now = at("2026-07-02T08:20:00Z");
        assert_eq!(window_of_steps(None, None, now).unwrap().0, at("2026-07-01T08:15:00Z"));
        let quarter = window_of_steps(Some("2026-07-02T08:00:00Z"), None, now).unwrap();
        assert_eq!(quarter, (at("2026-07-02T08:00:00Z"), now));
        assert!(window_of_steps(Some("2026-07-02T08:05:00Z"), None, now).is_err());
        let eight = Some("2026-07-02T08:00:00Z");
        assert!(window_of_steps(eight, Some("2026-07-02T08:07:00Z"), now).is_err());
        assert_eq!(window_of_steps(eight, Some("2026-07-02T08:15:00Z"), now).unwrap().1, at("2026-07-02T08:15:00Z"));
    }

    #[test]
    fn the_length_of_a_step_is_a_multiple_of_a_quarter_of_an_hour() {
        for (text, seconds) in [("15m", 900), ("30m", 1_800), ("1h", 3_600), ("1d", 86_400)] {
            assert_eq!(step(Some(text)).unwrap().as_secs(), seconds);
        }
        assert_eq!(step(None).unwrap(), STEP);
        for wrong in ["", "m", "5m", "20m", "2d", "-15m", "15", "1w", "99999999999999999999h", "é"] {
            assert!(step(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
