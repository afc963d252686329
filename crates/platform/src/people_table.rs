//! Limits of a table of people on its way in: ingress and agent-setup give it more room and time than other requests.

use std::time::Duration;

use net::http::{Method, WiderLimits};

/// The largest table of people, in bytes: as tenant takes it.
const TABLE_BYTES_MAX: usize = 32 << 20;
/// The time within which a table must arrive.
const TABLE_WITHIN: Duration = Duration::from_secs(60);
/// The time that tenant has for a table.
pub const IMPORT_WITHIN: Duration = Duration::from_secs(120);
/// What a hop towards the browser waits longer than the one behind it, so that the innermost one says what is late.
const HOP: Duration = Duration::from_secs(5);

/// The limits of a request that brings a table of people, at the listener that is `hops` hops before tenant.
pub fn limits(method: &Method, path: &str, hops: u32) -> Option<WiderLimits> {
    let is_table = method == Method::POST && path.starts_with("/agent-setup/api/") && path.ends_with("/people.csv");
    let answer_within = IMPORT_WITHIN + HOP * hops;
    is_table.then_some(WiderLimits { body_bytes_max: TABLE_BYTES_MAX, body_within: TABLE_WITHIN, answer_within })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_table_that_comes_in_has_wider_limits_and_outer_hops_wait_longer() {
        let table = "/agent-setup/api/v1/example/people.csv";
        let [inner, outer] = [1, 3].map(|hops| limits(&Method::POST, table, hops).unwrap());
        assert!(inner.body_bytes_max == TABLE_BYTES_MAX && IMPORT_WITHIN < inner.answer_within);
        assert!(inner.answer_within < outer.answer_within);
        let other = "/agent-setup/api/v1/example/changes";
        for (method, path) in [(Method::GET, table), (Method::POST, other), (Method::POST, "/x/people.csv")] {
            assert!(limits(&method, path, 1).is_none(), "{method} {path}");
        }
    }
}
