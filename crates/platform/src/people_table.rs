//! Limits of a table of people on its way in or out: ingress and agent-setup give it more room and time than other requests and answers.

use std::time::Duration;

use net::http::{Method, WiderLimits};

/// The largest table of people that comes in, in bytes: as tenant takes it. One that goes out is as large as tenant makes it.
const TABLE_BYTES_MAX: usize = 32 << 20;
/// The time within which a table must arrive.
const TABLE_WITHIN: Duration = Duration::from_secs(60);
/// The time that tenant has for a table.
pub const IMPORT_WITHIN: Duration = Duration::from_secs(120);
/// What a hop towards the browser waits longer than the one behind it, so that the innermost one says what is late.
const HOP: Duration = Duration::from_secs(5);

/// The limits of a request that brings or fetches a table of people, at the listener that is `hops` hops before tenant.
pub fn limits(method: &Method, path: &str, hops: u32) -> Option<WiderLimits> {
    if !path.starts_with("/agent-setup/api/") || !path.ends_with("/people.csv") {
        return None;
    }
    let body_bytes_max = match *method {
        Method::POST => TABLE_BYTES_MAX,
        // It brings nothing.
        Method::GET => 0,
        _ => return None,
    };
    Some(WiderLimits { body_bytes_max, body_within: TABLE_WITHIN, answer_within: IMPORT_WITHIN + HOP * hops })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_table_that_comes_or_goes_has_wider_limits_and_outer_hops_wait_longer() {
        let table = "/agent-setup/api/v1/example/people.csv";
        for (method, body_bytes_max) in [(Method::POST, TABLE_BYTES_MAX), (Method::GET, 0)] {
            let [inner, outer] = [1, 3].map(|hops| limits(&method, table, hops).unwrap());
            assert!(inner.body_bytes_max == body_bytes_max && IMPORT_WITHIN < inner.answer_within, "{method}");
            assert!(inner.answer_within < outer.answer_within, "{method}");
        }
        let other = "/agent-setup/api/v1/example/changes";
        for (method, path) in [
            (Method::PUT, table),
            (Method::POST, other),
            (Method::GET, other),
            (Method::POST, "/x/people.csv"),
            (Method::GET, "/x/people.csv"),
        ] {
            assert!(limits(&method, path, 1).is_none(), "{method} {path}");
        }
    }
}
