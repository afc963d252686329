//! Reports of the edge to the reporting log (voice-60): each call attempt, and the number of refusals.

use std::time::Duration;

use model::Timestamp;
use serde_json::{Map, Value as Json, json};
use sip::StatusCode;
use sip::proxy::{Attempt, AttemptCaller, Counts};

use crate::reporting::Reporter;

/// Interval at which refusals are reported, if there are any: a flood costs one record per interval, not one per message.
const EVERY: Duration = Duration::from_secs(10);
/// The longest user part that is reported, in characters; numbers are shorter.
const USER_MAX: usize = 128;

/// Reports what happens at the edge.
pub(super) struct Reports {
    reporter: Reporter,
    told: Counts,
    told_at: Timestamp,
}

impl Reports {
    pub fn new(reporter: Reporter, now: Timestamp) -> Self {
        Self { reporter, told: Counts::default(), told_at: now }
    }

    /// Reports a call that began at the edge and now has its final response.
    pub fn attempted(&self, attempt: &Attempt, status: StatusCode, now: Timestamp) {
        let (kind, name) = match &attempt.caller {
            AttemptCaller::Phone(dn) => ("phone", dn.as_str()),
            AttemptCaller::Trunk(name) => ("trunk", name.as_str()),
        };
        let data = json!({
            "CallID": cut(&attempt.call_id),
            "Source": kind,
            "Name": name,
            "From": cut(&attempt.from),
            "Dialled": cut(&attempt.dialled),
            "Status": status.0,
            "Outcome": outcome(status),
            "SetupMs": u64::try_from(now.since(attempt.began_at).as_millis()).unwrap_or(u64::MAX),
        });
        self.reporter.report(&attempt.tenant, "CallAttempted", &format!("{kind}:{name}"), now, data);
    }

    /// Reports the refusals since the last report, each [`EVERY`]; with `whole`, now.
    pub fn refused(&mut self, counts: &Counts, now: Timestamp, whole: bool) {
        if now.since(self.told_at) < EVERY && !whole {
            return;
        }
        let since = std::mem::replace(&mut self.told_at, now);
        let before = std::mem::replace(&mut self.told, *counts);
        let refused = difference(&before, counts);
        if !refused.is_empty() {
            let data = json!({
                "Since": contracts::json::rfc3339(since),
                "Until": contracts::json::rfc3339(now),
                "Refused": refused,
            });
            self.reporter.report_of_node("EdgeRefused", now, data);
        }
    }
}

/// Counts of refusals that have grown, by their published names.
fn difference(before: &Counts, now: &Counts) -> Map<String, Json> {
    let pairs = |counts: &Counts| {
        [
            ("Malformed", counts.malformed_answered + counts.malformed_dropped),
            ("TooMany", counts.rate_refused + counts.rate_dropped),
            ("WrongPassword", counts.wrong_passwords),
            ("TooManyWrongPasswords", counts.wrong_password_refused),
            ("UnknownSource", counts.unknown_sources + counts.trunks_unproved),
            ("Loop", counts.loops),
            ("NoNode", counts.no_node),
            ("Overload", counts.overloads + counts.overload_refused),
            ("DeadFlow", counts.dead_flows),
        ]
    };
    let grown = pairs(before).into_iter().zip(pairs(now)).filter(|((_, before), (_, now))| now > before);
    grown.map(|((name, before), (_, now))| (name.to_owned(), json!(now - before))).collect()
}

const fn outcome(status: StatusCode) -> &'static str {
    match status.0 {
        200..=299 => "answered",
        487 => "abandoned",
        486 | 600 | 603 => "busy",
        480 | 408 => "no-answer",
        300..=399 => "redirected",
        _ => "refused",
    }
}

fn cut(text: &str) -> String {
    text.chars().take(USER_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_grown_is_told() {
        let before = Counts { wrong_passwords: 3, requests_forwarded: 1, ..Counts::default() };
        let now = Counts { wrong_passwords: 5, rate_dropped: 2, rate_refused: 1, requests_forwarded: 9, ..before };
        assert_eq!(Json::Object(difference(&before, &now)), json!({ "WrongPassword": 2, "TooMany": 3 }));
        assert!(difference(&now, &now).is_empty());
    }
}
